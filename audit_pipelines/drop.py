"""``[drops.<format>]``: the settings of one SIEM format, what of an event it may not get, and where its files lie.

What does not belong here: how the settings act (``ship``).
"""

from datetime import date
from pathlib import Path
from typing import Final, Literal

import msgspec

from audit_pipelines.errors import SettingsError
from audit_pipelines.event import CATEGORIES, NAMES


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Immutable, keyword only, no unknown keys."""


class Match(_Strict, frozen=True, kw_only=True):
    """``[drops.<format>.only]`` and ``except``: values of three columns; a final ``*`` stands for any rest."""

    category: tuple[str, ...] = ()
    action: tuple[str, ...] = ()
    source: tuple[str, ...] = ()


class Drop(_Strict, frozen=True, kw_only=True):
    """``[drops.<format>]``: one SIEM format."""

    enabled: bool = True
    compression: Literal["none", "gzip", "zstd"] = "none"
    line_budget: int | None = None
    """Longest line in bytes; absent = the format's own default, 0 = no limit."""
    redact: tuple[str, ...] = ()
    """Columns whose values become ``redacted``."""
    hash: tuple[str, ...] = ()
    """Columns whose values become a keyed digest: the same value, the same digest."""
    drop: tuple[str, ...] = ()
    """Columns that are left empty."""
    only: Match | None = None
    """Events that the format gets: those with one of the values in every list given."""
    leave_out: Match | None = msgspec.field(default=None, name="except")
    """Key ``except``: events that the format does not get: those with one of the values in any list."""
    archive_days: int | None = None
    """Files older than this many days are moved to ``drops/_archive``; absent = never."""


_KEPT: Final = {
    **dict.fromkeys(("uid", "occurred_at", "leaf_index"), "de-duplication and the proof of completeness need it"),
    **dict.fromkeys(("source", "event_id"), "it is part of uid, which every line carries"),
    **dict.fromkeys(("category", "action", "outcome"), "formats are made of it; leave events out with only or except"),
    **dict.fromkeys(("extracted_at", "line"), "it is about the batch, not about anyone"),
}
"""Columns that privacy settings cannot change, and why."""


def check_drop(drop: Drop, where: str) -> None:
    """What types alone cannot say.

    Raises:
        SettingsError: a value is impossible, or a column cannot be changed; ``where`` is the table's name.
    """
    if (drop.line_budget or 0) < 0:
        raise SettingsError("must not be negative", where=f"{where}.line_budget", todo="0 = no limit, absent = the format's own")
    if drop.archive_days is not None and drop.archive_days < 1:
        raise SettingsError("must be at least 1", where=f"{where}.archive_days", todo="leave it out to archive nothing")
    _check_columns(drop, where)
    for key, match in (("only", drop.only), ("except", drop.leave_out)):
        if match is not None:
            _check_match(match, f"{where}.{key}")


def _check_columns(drop: Drop, where: str) -> None:
    seen: set[str] = set()
    for key, columns in (("redact", drop.redact), ("hash", drop.hash), ("drop", drop.drop)):
        for column in columns:
            place = f"{where}.{key}"
            if column in _KEPT:
                raise SettingsError(f"{column!r} cannot be changed", where=place, todo=_KEPT[column])
            if column not in NAMES:
                todo = f"there are: {', '.join(name for name in NAMES if name not in _KEPT)}"
                raise SettingsError(f"no column {column!r}", where=place, todo=todo)
            if column == "actor_type" and key != "drop":
                todo = "formats know four words for it; put it into drop"
                raise SettingsError("'actor_type' can only be left empty", where=place, todo=todo)
            if column in seen:
                raise SettingsError(f"{column!r} is named twice", where=place, todo="name each column in one list")
            seen.add(column)


def _check_match(match: Match, where: str) -> None:
    if not (match.category or match.action or match.source):
        raise SettingsError("names nothing", where=where, todo="give category, action or source a list of values")
    for value in match.category:
        if not value.endswith("*") and value not in CATEGORIES:
            raise SettingsError(f"no category {value!r}", where=f"{where}.category", todo=f"there are: {', '.join(CATEGORIES)}")
    for key in ("category", "action", "source"):
        if any(not value or "*" in value[:-1] for value in getattr(match, key)):
            raise SettingsError("a star stands at the end", where=f"{where}.{key}", todo='e.g. "authentication.*"')


def archived(drops: Path, path: str, day: date) -> Path:
    """Where a file of a drop of ``day`` goes after ``archive_days``: ``_archive/2026/01/<format>/<name>``.

    Args:
        drops: the home's ``drops`` folder.
        path: as the drop manifest names the file: ``<format>/<name>``.
        day: the manifest's event day.
    """
    return drops / "_archive" / f"{day.year:04d}" / f"{day.month:02d}" / path


def where_it_lies(drops: Path, path: str, day: date) -> Path:
    """Where the file is now: archived, or in its format's folder, where it is sought if it is in neither."""
    moved = archived(drops, path, day)
    first = drops / path
    return moved if not first.exists() and moved.exists() else first
