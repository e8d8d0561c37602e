"""What one batch published of one day: the drop manifest, and the names of everything in ``drops/``.

The manifest is the success marker: written last, it says that every file it lists is whole. What does not
belong here: writing (``publish``) and the batch manifest, which a drop manifest names by its digest.
"""

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Literal

import msgspec

from audit_pipelines.errors import DropError

Kind = Literal["b", "d", "r"]
"""First drop of a day, a later one, or one that was published before and was asked for again."""


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


class Privacy(_Frozen, frozen=True, kw_only=True):
    """What the settings keep from this format: columns changed and events withheld."""

    redacted: tuple[str, ...] = ()
    hashed: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    hash_key: str | None = None
    """Names the key that values were hashed with; not the key."""
    only: dict[str, tuple[str, ...]] | None = None
    leave_out: dict[str, tuple[str, ...]] | None = msgspec.field(default=None, name="except")
    rows_withheld: int = 0
    """Events that ``only`` and ``except`` withhold."""


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
    """Events of the day that are in no file: by the settings' filter or the template's own."""
    delivery: str = "watched"
    privacy: Privacy | None = None
    """None = the format gets every column of every event."""
    files: tuple[DropFile, ...]


class Totals(_Frozen, frozen=True, kw_only=True):
    """The events of this batch and day, before any format."""

    events: int
    by_action: dict[str, int]
    by_outcome: dict[str, int]


class BatchManifest(_Frozen, frozen=True, kw_only=True):
    """A manifest that the drop comes from."""

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
    redrop_of: BatchManifest | None = None
    """Kind ``r``: the drop manifest whose events these are once more, by its path in the home."""
    extracted_at: datetime
    batch_manifest: BatchManifest
    log: Sealed | None = None
    """None: a drop from before the home had a sealed log."""
    producer: Producer
    totals: Totals
    formats: tuple[DropFormat, ...]


@dataclass(frozen=True, slots=True)
class Name:
    """Which drop: one batch, day and kind, and for kind ``r`` the how-manieth. All names are made of it."""

    seq: int
    day: date
    kind: Kind
    again: int = 0
    """Kind ``r``: 1, 2, ...; otherwise 0."""

    @property
    def token(self) -> str:
        """``b000007``, ``r000007.1``."""
        return f"{self.kind}{self.seq:06d}" + (f".{self.again}" if self.again else "")

    @property
    def stem(self) -> str:
        """``20260105.b000007``: what the names of the manifest and of SHA256SUMS begin with."""
        return f"{_compact(self.day)}.{self.token}"

    @property
    def batch(self) -> str:
        """``000007.20260105``: what the batch ids begin with."""
        return f"{self.seq:06d}.{_compact(self.day)}"

    def batch_id(self, form: str, part: int) -> str:
        """``000007.20260105.ecs.00``, ``000007.20260105.ecs.00.r1``: names one file in a SIEM."""
        return f"{self.batch}.{form}.{part:02d}" + (f".r{self.again}" if self.again else "")

    def prefix(self, organisation: str, form: str) -> str:
        """What the names of its files begin with, up to the part."""
        return f"{organisation}.{form}.{self.stem}."

    def manifest(self, drops: Path) -> Path:
        """``_manifests/20260105.b000007.manifest.json``."""
        return drops / "_manifests" / f"{self.stem}.manifest.json"

    def sums(self, drops: Path) -> Path:
        """``_manifests/20260105.b000007.SHA256SUMS``."""
        return drops / "_manifests" / f"{self.stem}.SHA256SUMS"


def file_name(prefix: str, part: int, label: str, sha256: str, suffix: str) -> str:
    """``acme.ecs.20260105.b000007.p00.1a2b3c4d.ndjson``; ``label`` stands before the digest where there is one."""
    return f"{prefix}p{part:02d}.{label + '.' if label else ''}{sha256[:8]}.{suffix}"


def _compact(day: date) -> str:
    return f"{day.year:04d}{day.month:02d}{day.day:02d}"


def encode(manifest: DropManifest) -> bytes:
    """The manifest's bytes: JSON indented for human readers, one final newline."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def published(drops: Path, batch_seq: int, day: date, kind: Kind) -> DropManifest | None:
    """The manifest of a finished drop, or None.

    Raises:
        DropError: it is there and damaged.
    """
    return read(Name(batch_seq, day, kind).manifest(drops))


def read(path: Path) -> DropManifest | None:
    """``published`` by the manifest's own path."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=DropManifest)
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, OSError, ValueError) as error:
        raise DropError(f"damaged drop manifest: {error}", where=str(path), todo="restore it from a backup") from None
