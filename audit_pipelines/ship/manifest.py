"""What one batch published of one day: the drop manifest, and the names of everything in ``drops/``.

The manifest is the success marker: written last, it says that every file it lists is whole. What does not
belong here: writing (``publish``) and the batch manifest, which a drop manifest names by its digest.
"""

from datetime import date, datetime
from pathlib import Path
from typing import Literal

import msgspec

from audit_pipelines.errors import DropError

Kind = Literal["b", "d"]


class _Frozen(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the manifest's parts; unknown members of a newer minor version are ignored."""


class DropFile(_Frozen, frozen=True, kw_only=True):
    """One NDJSON file. Rows and what follows leave line 1, the batch record, out."""

    path: str
    """Relative to ``drops/``."""
    part: int
    bytes: int
    """As it lies on disk."""
    sha256: str
    """As it lies on disk."""
    rows: int
    body_bytes: int
    """All lines after the first, uncompressed."""
    body_sha256: str
    """Of the same bytes; the batch record has it too."""
    rows_truncated: int
    """Lines that were shortened to keep the line budget."""
    rows_unmapped: int
    """Events whose action the format has no entry for."""
    first_uid: str | None
    last_uid: str | None
    min_time: datetime | None
    max_time: datetime | None
    min_leaf_index: int | None
    max_leaf_index: int | None


class DropFormat(_Frozen, frozen=True, kw_only=True):
    """The files of one format."""

    format: str
    version: str
    template_sha256: str
    compression: str
    line_budget: int | None
    """Longest line in bytes; None = no limit."""
    rows: int
    """Events in the files."""
    rows_withheld: int
    """Events of the day that the template's own filter leaves out."""
    files: tuple[DropFile, ...]


class Totals(_Frozen, frozen=True, kw_only=True):
    """The events of this batch and day, before any format."""

    events: int
    by_action: dict[str, int]
    by_outcome: dict[str, int]


class BatchManifest(_Frozen, frozen=True, kw_only=True):
    """The batch manifest that the drop comes from."""

    path: str
    """Relative to the home."""
    sha256: str


class Sealed(_Frozen, frozen=True, kw_only=True):
    """Where the batch stands in the sealed log: the SIEM keeps it out of the reach of whoever writes the home."""

    statement: int
    """Index of the batch statement in the statements log."""
    checkpoint: str
    """The signed checkpoint of the statements log that has it (C2SP tlog-checkpoint)."""


class Producer(_Frozen, frozen=True, kw_only=True):
    """What the bytes depend on besides events, settings and templates."""

    name: str
    version: str
    """The program that extracted the batch."""
    libraries: dict[str, str]


class DropManifest(_Frozen, frozen=True, kw_only=True):
    """``drops/_manifests/<YYYYMMDD>.<kind><seq>.manifest.json``."""

    manifest_version: int = 1
    batch: str
    """``<seq>.<YYYYMMDD>``: the part that all batch ids of this drop begin with."""
    seq: int
    organisation: str
    day: date
    kind: Kind
    delta: bool
    """Kind ``d``: an earlier batch has published this day; these are later events of it."""
    extracted_at: datetime
    batch_manifest: BatchManifest
    log: Sealed | None = None
    """None: a drop from before the home had a sealed log."""
    producer: Producer
    totals: Totals
    formats: tuple[DropFormat, ...]


def batch_id(seq: int, day: date, form: str, part: int) -> str:
    """``000007.20260105.ecs.00``: names one file in a SIEM."""
    return f"{stem(seq, day)}.{form}.{part:02d}"


def stem(seq: int, day: date) -> str:
    """``000007.20260105``."""
    return f"{seq:06d}.{_compact(day)}"


def file_prefix(organisation: str, form: str, day: date, kind: str, seq: int) -> str:
    """What the names of a drop's files begin with, up to the part."""
    return f"{organisation}.{form}.{_compact(day)}.{kind}{seq:06d}."


def file_name(prefix: str, part: int, sha256: str, suffix: str) -> str:
    """``acme.ecs.20260105.b000007.p00.1a2b3c4d.ndjson``; ``suffix`` is the codec's."""
    return f"{prefix}p{part:02d}.{sha256[:8]}.ndjson{suffix}"


def manifest_path(drops: Path, seq: int, day: date, kind: str) -> Path:
    """``_manifests/20260105.b000007.manifest.json``."""
    return drops / "_manifests" / f"{_compact(day)}.{kind}{seq:06d}.manifest.json"


def sums_path(drops: Path, seq: int, day: date, kind: str) -> Path:
    """``_manifests/20260105.b000007.SHA256SUMS``."""
    return drops / "_manifests" / f"{_compact(day)}.{kind}{seq:06d}.SHA256SUMS"


def _compact(day: date) -> str:
    return f"{day.year:04d}{day.month:02d}{day.day:02d}"


def encode(manifest: DropManifest) -> bytes:
    """The manifest's bytes: JSON indented for human readers, one final newline."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def published(drops: Path, batch_seq: int, day: date, kind: str) -> DropManifest | None:
    """The manifest of a finished drop, or None.

    Raises:
        DropError: it is there and damaged.
    """
    path = manifest_path(drops, batch_seq, day, kind)
    try:
        return msgspec.json.decode(path.read_bytes(), type=DropManifest)
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, OSError, ValueError) as error:
        raise DropError(f"damaged drop manifest: {error}", where=str(path), todo="restore it from a backup") from None
