"""Statements: what the second log says of the first, one JSON object a leaf.

Field order is the order here; the bytes are what counts, and they are never made again from the values.
Statements hold no personal data but what an operator types as reason, ground or approver. Times are UTC.
What does not belong here: the log they stand in (``log``) and what follows from them (``ledger``).
"""

from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from audit_pipelines.digest import sha256
from audit_pipelines.errors import EvidenceError, SealError
from audit_pipelines.home import Home

VERSION: Final = 1
LIMIT: Final = 65_535
"""Longest statement in bytes: an entry of a C2SP entry bundle has a length of two bytes."""
ROOM: Final = 60_000
"""Writers of lists start a further statement beyond this."""
_NEWER: Final = "a newer version of audit-pipelines may know it"


Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time with its offset: one without would be compared with others in vain."""


class Statement(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=str.lower):
    """Base of all statements; ``type`` is the class's name in small letters. Unknown members are ignored."""

    v: int = VERSION


class Genesis(Statement, frozen=True, kw_only=True):
    """Statement 0: whose log this is, its key, and the retention policy it starts with."""

    at: Moment
    organisation: str
    origin: str
    """The logs are ``<origin>/events`` and ``<origin>/statements``."""
    public_key: str
    """Base64 of 0x01 and the 32 bytes of the Ed25519 key."""
    months: int
    sources: dict[str, int]
    """Months of retention: by default, and of sources that differ."""
    previous_events: str | None = None
    """Last checkpoint of a log that was lost, as text."""
    previous_statements: str | None = None


class Digested(msgspec.Struct, frozen=True, kw_only=True):
    """A file by its path in the home and its SHA-256."""

    path: str
    sha256: str


def digested(home: Home, path: Path) -> Digested:
    """A file's path and digest, as statements name it."""
    return Digested(path=home.relative(path), sha256=sha256(path))


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """Leaves [first, size) of the events log, and the log's head after them."""

    first: int
    size: int
    root: str
    """Base64, as in the checkpoint."""


class Batch(Statement, frozen=True, kw_only=True):
    """What one run added: the manifest, and the leaves of its evidence in order."""

    seq: int
    run_id: str
    extracted_at: Moment
    manifest: Digested
    events: Range
    oldest: Moment | None
    newest: Moment | None
    """Times of the oldest and newest event; None = no event."""
    late: int
    rejects: int
    previous_token_sha256: str | None
    """Digest of the newest RFC 3161 token before: this statement is younger than that token."""
    code: str


class Conflict(Statement, frozen=True, kw_only=True):
    """Records that came again under the id of an earlier one, with other bytes."""

    batch: int
    leaves: tuple[tuple[int, int | None], ...]
    """(leaf, first leaf of the same id; None = it was purged or erased)."""


class Drill(msgspec.Struct, frozen=True, kw_only=True):
    """A batch was copied, the copy altered, and verification had to notice."""

    batch: int
    alteration: str
    caught: bool
    message: str


class Drop(Statement, frozen=True, kw_only=True):
    """The drop manifests of one batch; each lists its files with their digests."""

    batch: int
    part: int
    parts: int
    manifests: tuple[Digested, ...]
    drill: Drill | None = None


class Report(Statement, frozen=True, kw_only=True):
    """An issued revision of a monthly report."""

    month: str
    revision: int
    log_size: int
    """Leaves below it count (S)."""
    statements: int
    """Statements below it count (T)."""
    files: tuple[Digested, ...]


class Policy(Statement, frozen=True, kw_only=True):
    """The retention policy from here on."""

    at: Moment
    months: int
    sources: dict[str, int]


class Hold(Statement, frozen=True, kw_only=True):
    """A legal hold is set or released; it keeps the days [first, last] of a source, or of all."""

    at: Moment
    action: Literal["set", "release"]
    name: str
    source: str | None = None
    first: date | None = None
    last: date | None = None
    reason: str = ""
    approver: str = ""


class Purge(Statement, frozen=True, kw_only=True):
    """One file is deleted because it is past the retention of its source."""

    at: Moment
    removal: int
    what: Literal["evidence", "rejects", "findings", "drop"]
    path: str
    sha256: str
    source: str | None
    day: date | None
    first: int | None
    count: int | None
    newest: Moment | None
    months: int | None
    limit: date | None
    """First day that was still kept."""
    approver: str


class Rewritten(msgspec.Struct, frozen=True, kw_only=True):
    """A file that an erasure replaced (``new_path``) or deleted (None)."""

    path: str
    sha256: str
    new_path: str | None
    new_sha256: str | None


class Erasure(Statement, frozen=True, kw_only=True):
    """Records are taken out; their leaf hashes stay."""

    at: Moment
    removal: Digested
    leaves: tuple[int, ...]
    files: tuple[Rewritten, ...]
    ground: str
    approver: str


class Rederive(Statement, frozen=True, kw_only=True):
    """Derived files were made again with another dialect."""

    at: Moment
    source: str
    first: date
    last: date
    files: int
    rows_changed: int
    old_dialect_sha256: str
    new_dialect_sha256: str


class Key(Statement, frozen=True, kw_only=True):
    """A key begins to sign beside the others, or signs no more."""

    at: Moment
    action: Literal["add", "retire"]
    public_key: str
    reason: str


class Incident(Statement, frozen=True, kw_only=True):
    """Something happened that readers of the log must know: a restore, a stolen key, or other."""

    at: Moment
    kind: Literal["restored", "compromised", "other"]
    text: str
    public_key: str | None = None


AnyStatement = Genesis | Batch | Conflict | Drop | Report | Policy | Hold | Purge | Erasure | Rederive | Key | Incident
_DECODER = msgspec.json.Decoder(AnyStatement)


def encode(statement: AnyStatement) -> bytes:
    """The leaf's bytes: one line of JSON without its line feed.

    Raises:
        SealError: it is longer than an entry may be.
    """
    try:
        data = msgspec.json.encode(statement)
    except UnicodeEncodeError:
        what = f"a {type(statement).__name__.lower()} statement holds characters that are no Unicode"
        raise SealError(what, where="statements log", todo="type its texts again, in UTF-8") from None
    if len(data) > LIMIT:
        what = f"a {type(statement).__name__.lower()} statement of {len(data)} bytes, the limit is {LIMIT}"
        raise SealError(what, where="statements log", todo="shorten its texts")
    return data


def decode(data: bytes, where: str) -> AnyStatement:
    """A statement from its bytes.

    Raises:
        EvidenceError: it is none that this version knows.
    """
    try:
        found: AnyStatement = _DECODER.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise EvidenceError(f"no statement that this version knows: {error}", where=where, todo=_NEWER) from None
    if found.v != VERSION:
        raise EvidenceError(f"a statement of version {found.v}, this version knows {VERSION}", where=where, todo=_NEWER)
    return found
