"""Rejects: bytes that are no event, kept whole and counted once.

``rejects/<seq>.ndjson.zst``: one JSON object a line with source, origin, position, reason and the bytes as
base64. A reject's identity is its source, the SHA-256 of its bytes and its ordinal among equal ones of one
read, so that reading the same input again adds nothing. What does not belong here: deciding what is a
reject (``sieve``).
"""

import hashlib
import io
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import zstandard

from audit_pipelines.batch import Batch, RejectFile
from audit_pipelines.errors import LakeError
from audit_pipelines.home import Home

LEVEL = 3
ERASED = "erased"
"""Origin and reason of a reject whose bytes were erased."""


class Reject(msgspec.Struct, frozen=True, kw_only=True):
    """One kept reject."""

    identity: str
    """``<source>:<sha256>:<ordinal>``."""
    source: str
    origin: str
    position: int
    reason: str
    base64: str
    """The bytes as base64 (RFC 4648)."""

    @property
    def raw(self) -> bytes:
        """The bytes themselves."""
        return b64decode(self.base64)

    @property
    def is_erased(self) -> bool:
        """Whether only the identity is left."""
        return (self.origin, self.reason, self.base64) == (ERASED, ERASED, "")

    def erased(self) -> "Reject":
        """What stands in its place once it is erased."""
        return Reject(identity=self.identity, source=self.source, origin=ERASED, position=0, reason=ERASED, base64="")


@dataclass(frozen=True, slots=True)
class RejectCount:
    """What one source's rejects came to."""

    kept: int
    known: int


class RejectWriter:
    """Collects one run's rejects into a staged file."""

    def __init__(self, path: Path, home: Home, batches: Iterable[Batch]) -> None:
        self._path = path
        self._home, self._batches = home, batches
        self._known: set[str] | None = None
        self._ordinals: Counter[str] = Counter()
        self._writer: zstandard.ZstdCompressionWriter | None = None
        self.count = 0

    def add(self, source: str, origin: str, position: int, reason: str, raw: bytes) -> bool:
        """Keep one reject; False if an earlier batch has it already."""
        key = f"{source}:{hashlib.sha256(raw).hexdigest()}"
        identity = f"{key}:{self._ordinals[key]}"
        self._ordinals[key] += 1
        if self._known is None:
            self._known = {reject.identity for reject in read_all(self._home, self._batches)}
        if identity in self._known:
            return False
        text = b64encode(raw).decode()
        entry = Reject(identity=identity, source=source, origin=origin, position=position, reason=reason, base64=text)
        if self._writer is None:
            file = self._path.open("wb")
            self._writer = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).stream_writer(file, closefd=True)
        self._writer.write(msgspec.json.encode(entry) + b"\n")
        self.count += 1
        return True

    def abandon(self) -> None:
        """Let go of the open file after a failure."""
        if self._writer is not None:
            self._writer.close()  # type: ignore[no-untyped-call]  # the library's stubs are partial

    def close(self, final: Path) -> RejectFile | None:
        """Finish the staged file; None if there is no reject."""
        if self._writer is None:
            return None
        self._writer.close()  # type: ignore[no-untyped-call]  # the library's stubs are partial
        content = self._path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        return RejectFile(path=self._home.relative(final), sha256=digest, bytes=len(content), count=self.count)


def read(home: Home, file: RejectFile) -> Iterator[Reject]:
    """The rejects of one batch, in order.

    Raises:
        LakeError: the file is missing or damaged.
    """
    path, count = home.root / file.path, 0
    try:
        with path.open("rb") as raw:
            reader = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
            for line in io.BufferedReader(reader, 1 << 20):
                yield msgspec.json.decode(line, type=Reject)
                count += 1
    except (OSError, zstandard.ZstdError, msgspec.MsgspecError) as error:
        raise LakeError(f"cannot be read: {error}", where=str(path), todo="restore it from a backup") from None
    if count != file.count:
        raise LakeError(f"{count} rejects, the manifest says {file.count}", where=str(path), todo="restore it from a backup")


def read_all(home: Home, batches: Iterable[Batch]) -> Iterator[Reject]:
    """Every kept reject of the home, erased ones included; purged files are gone."""
    for batch in batches:
        if batch.rejects is not None and not batch.rejects.purged:
            yield from read(home, batch.rejects)
