"""Removals: what a purge or an erasure took out of the home. A removal exists when its file does.

``removals/<n>.json`` is the commit point: from then on readers see the home without what it names. Its
statements are sealed next, and only then the named files are deleted. Nothing is ever overwritten. What
does not belong here: choosing what goes (``lake``).
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Literal, Protocol

import msgspec

from audit_pipelines.errors import LakeError
from audit_pipelines.home import Home

FORMAT = 1
"""The layout that this version writes and reads."""
_RESTORE = "restore it from a backup"


class _Frozen(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the parts; unknown members of a newer minor version are ignored."""


class Taken(_Frozen, frozen=True, kw_only=True):
    """One old file that is gone, or that another one stands in for."""

    what: Literal["evidence", "rejects", "findings", "drop"]
    path: str
    """Relative to the home."""
    sha256: str
    """Digest of the file as it lay on disk."""
    events: str | None = None
    """Evidence: the Parquet derived from it, deleted with it."""
    source: str | None = None
    day: date | None = None
    first: int | None = None
    """Evidence: leaf index of its line 0."""
    count: int | None = None
    """Evidence: its leaves; rejects: its rejects."""
    newest: datetime | None = None
    """Purge: its newest event; for rejects when their batch was extracted."""
    months: int | None = None
    """Purge: months of the policy."""
    limit: date | None = None
    """Purge: first day that these months keep."""
    new_path: str | None = None
    """Erasure, evidence and rejects: what stands in its place."""
    new_events: str | None = None
    new_sha256: str | None = None
    new_bytes: int | None = None
    frames: tuple[tuple[int, int], ...] = ()
    """Of the new evidence file: byte offset and first line of each zstd frame."""
    leaves: tuple[int, ...] = ()
    """Leaf indices that this erasure took out of the file."""


class Removal(_Frozen, frozen=True, kw_only=True):
    """One purge or one erasure."""

    format: int = FORMAT
    number: int
    kind: Literal["purge", "erasure"]
    at: datetime
    approver: str
    ground: str
    """Why; a purge's is ``retention``."""
    taken: tuple[Taken, ...]
    erased: tuple[str, ...] = ()
    """Erasure: keyed digests (hex, sorted) of ``<source>/<event_id>``: such an event is refused from now on."""
    check: str | None = None
    """Erasure: the keyed digest of the empty text; another key gives another one."""


def encode(removal: Removal) -> bytes:
    """The file's bytes: JSON, indented by one space for human readers, one final newline."""
    return msgspec.json.format(msgspec.json.encode(removal), indent=1) + b"\n"


def load(home: Home, number: int) -> Removal:
    """Read one removal.

    Raises:
        LakeError: it is missing or damaged.
    """
    path = home.removal(number)
    try:
        removal = msgspec.json.decode(path.read_bytes(), type=Removal)
    except FileNotFoundError:
        raise LakeError("no such removal", where=str(path), todo=_RESTORE) from None
    except (msgspec.MsgspecError, OSError, ValueError) as error:
        raise LakeError(f"damaged removal: {error}", where=str(path), todo=_RESTORE) from None
    if removal.format != FORMAT:
        todo = "use the version of audit-pipelines that wrote it"
        raise LakeError(f"removal format {removal.format}, this version knows {FORMAT}", where=str(path), todo=todo)
    if removal.number != number:
        raise LakeError(f"is removal {removal.number}", where=str(path), todo=_RESTORE)
    return removal


def removals(home: Home) -> tuple[Removal, ...]:
    """Every removal in order.

    Raises:
        LakeError: one is missing or damaged.
    """
    found = sorted(int(path.stem) for path in home.removals.glob("*.json") if path.stem.isdecimal())
    for expected, number in enumerate(found, start=1):
        if number != expected:
            raise LakeError("a removal is missing", where=str(home.removal(expected)), todo=_RESTORE)
    return tuple(load(home, number) for number in found)


class _Kept(Protocol):
    """A file as a manifest, or a removal before, has it."""

    @property
    def path(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def count(self) -> int: ...
    @property
    def purged(self) -> bool: ...


class _KeptEvidence(_Kept, Protocol):
    @property
    def first(self) -> int: ...
    @property
    def erased(self) -> Sequence[int]: ...
    @property
    def sealed(self) -> str: ...


def evidence_after(home: Home, removal: Removal, entry: Taken, file: _KeptEvidence | None) -> dict[str, Any]:
    """Members of a manifest's evidence file that ``removal`` changes, and their values.

    Raises:
        LakeError: there is no such file, or not as the removal says.
    """
    if file is None or not _fits(entry, file) or entry.first != file.first:
        raise _contradiction(home, removal, entry)
    if removal.kind == "purge":
        return {"purged": True}
    lines = {leaf - file.first for leaf in entry.leaves}
    whole = all((entry.new_path, entry.new_events, entry.new_sha256, entry.new_bytes, entry.frames))
    if not whole or not lines or not lines <= set(range(file.count)) - set(file.erased):
        raise _contradiction(home, removal, entry)
    return {
        "path": entry.new_path,
        "events": entry.new_events,
        "sha256": entry.new_sha256,
        "bytes": entry.new_bytes,
        "frames": entry.frames,
        "erased": tuple(sorted(lines | set(file.erased))),
        "sealed": file.sealed or file.sha256,
    }


def rejects_after(home: Home, removal: Removal, entry: Taken, file: _Kept | None) -> dict[str, Any]:
    """``evidence_after`` for a reject file."""
    if file is None or not _fits(entry, file):
        raise _contradiction(home, removal, entry)
    if removal.kind == "purge":
        return {"purged": True}
    if not all((entry.new_path, entry.new_sha256, entry.new_bytes)):
        raise _contradiction(home, removal, entry)
    return {"path": entry.new_path, "sha256": entry.new_sha256, "bytes": entry.new_bytes}


def _fits(entry: Taken, file: _Kept) -> bool:
    return not file.purged and (file.path, file.sha256, file.count) == (entry.path, entry.sha256, entry.count)


def _contradiction(home: Home, removal: Removal, entry: Taken) -> LakeError:
    todo = "restore batches/ and removals/ together from a backup"
    return LakeError(f"does not fit the manifests: {entry.path}", where=str(home.removal(removal.number)), todo=todo)
