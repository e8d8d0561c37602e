"""Evidence files: what the source said, one line a record, ``SALT RECORD``.

A line is 32 hex digits of salt, a space and the record's bytes; lines are packed into zstd frames of 4,096
lines or 4 MiB, whichever is first, so that any tool reads the file whole (``zstdcat``) and one record
costs one frame. The salt makes a leaf's hash unguessable once the record is erased; it is drawn once and
never again. An erased record's line is ``!`` and the leaf's hash in hex. What does not belong here: which
records are stored (``intake``) or erased (``erase``).
"""

import binascii
import hashlib
import io
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

import zstandard

from audit_pipelines.errors import LakeError

FRAME_LINES: Final = 4_096
FRAME_BYTES: Final = 4 << 20
CHUNK_LINES: Final = 131_072
"""Lines of one file at most: 512 full tiles of the log. Twice as many take 200 MB more memory and no less time."""
SALT_BYTES: Final = 16
RECORD_AT: Final = 2 * SALT_BYTES + 1
"""Offset of the record in its line."""
LEVEL: Final = 1
"""zstd level; 3 measured slower and larger on audit records."""
_QUEUED_FRAMES: Final = 4

ERASED: Final = b"!"
"""What the line of an erased record begins with; a salt never does."""

Salts = Callable[[int], bytes]
"""Gives n random bytes; ``os.urandom`` outside tests."""


def leaf_hash(line: bytes) -> bytes:
    """RFC 6962 hash of the leaf whose line is ``SALT RECORD``: SHA-256 of 0x00, the salt's bytes and the record's."""
    salt = binascii.unhexlify(line[: 2 * SALT_BYTES])
    return hashlib.sha256(b"\x00" + salt + line[RECORD_AT:]).digest()


def erased_line(line: bytes) -> bytes:
    """What stands in the place of the line ``SALT RECORD`` once its record is erased."""
    return ERASED + leaf_hash(line).hex().encode()


class EvidenceWriter:
    """Writes one evidence file frame by frame; compression runs in ``pool``, in order."""

    def __init__(self, path: Path, salts: Salts, pool: ThreadPoolExecutor) -> None:
        self.path = path
        self._cache = FrameCache(2)
        self.lines = 0
        self._salts = salts
        self._pool = pool
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._framed = 0
        self._starts: list[int] = []
        self._offsets: list[int] = []
        self._jobs: list[Future[None]] = []
        self._file = path.open("wb+")
        self._digest = hashlib.sha256()
        self._size = 0

    def write(self, records: Sequence[bytes]) -> None:
        """Append records (no CR or LF inside) and give each its salt."""
        salts = binascii.hexlify(self._salts(SALT_BYTES * len(records)))
        width = 2 * SALT_BYTES
        spans = range(0, width * len(records), width)
        self.write_lines([b"%b %b" % (salts[at : at + width], record) for at, record in zip(spans, records, strict=True)])

    def write_lines(self, lines: Sequence[bytes]) -> None:
        """Append whole lines as they are."""
        self.lines += len(lines)
        self._pending += lines
        self._pending_bytes += sum(map(len, lines)) + len(lines)
        while len(self._pending) >= FRAME_LINES or self._pending_bytes >= FRAME_BYTES:
            self._cut()

    def _cut(self) -> None:
        """Close one frame of at most FRAME_LINES lines, ended by the line that reaches FRAME_BYTES."""
        lines = self._pending[:FRAME_LINES]
        size = sum(map(len, lines)) + len(lines)
        if size > FRAME_BYTES:
            size = count = 0
            while size < FRAME_BYTES:
                size += len(lines[count]) + 1
                count += 1
            lines = lines[:count]
        del self._pending[: len(lines)]
        self._pending_bytes -= size
        self._starts.append(self._framed)
        self._framed += len(lines)
        self._throttle()
        self._jobs.append(self._pool.submit(self._append, lines))

    def _throttle(self) -> None:
        """Bound the frames in flight, and raise here what failed there."""
        while self._jobs and (len(self._jobs) >= _QUEUED_FRAMES or self._jobs[0].done()):
            self._jobs.pop(0).result()

    def _append(self, lines: list[bytes]) -> None:
        content = b"\n".join(lines) + b"\n"
        if content.count(b"\n") != len(lines):
            raise LakeError("a record with a line end inside", where=str(self.path), todo="its source must turn it into a space")
        frame = _compress(content)
        self._offsets.append(self._size)
        self._file.write(frame)
        self._digest.update(frame)
        self._size += len(frame)

    def line(self, number: int) -> bytes:
        """One line that was written: from memory, or from its frame in the unfinished file."""
        if number >= self._framed:
            return self._pending[number - self._framed]
        for job in self._jobs:
            job.result()
        self._file.flush()
        return self._cache.line(self.path, list(zip(self._offsets, self._starts, strict=True)), self._size, number)

    def close(self) -> tuple[str, int, tuple[tuple[int, int], ...]]:
        """Finish the file: (SHA-256 in hex, bytes, frames)."""
        while self._pending:
            self._cut()
        for job in self._jobs:
            job.result()
        self._jobs.clear()
        self._file.close()
        return self._digest.hexdigest(), self._size, tuple(zip(self._offsets, self._starts, strict=True))

    def abandon(self) -> None:
        """Close without finishing; the staged file is removed by whoever clears the staging folder."""
        for job in self._jobs:
            job.cancel()
        self._file.close()


def _compress(content: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=LEVEL, write_checksum=True, write_content_size=True).compress(content)


def _read_frame(path: Path, offset: int, size: int) -> list[bytes]:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            frame = file.read(size)
        content = zstandard.ZstdDecompressor().decompress(frame)
    except (OSError, MemoryError, zstandard.ZstdError) as error:
        raise LakeError(f"damaged frame at byte {offset}: {error}", where=str(path), todo="restore it from a backup") from None
    return content.split(b"\n")[:-1]


class FrameCache:
    """The last few frames read, so that neighbours cost one decompression."""

    def __init__(self, frames: int = 12) -> None:
        self._frames = frames
        self._kept: OrderedDict[tuple[Path, int], list[bytes]] = OrderedDict()

    def line(self, path: Path, frames: Sequence[tuple[int, int]], size: int, line: int) -> bytes:
        """One line (salt and record) of the evidence file at ``path`` of ``size`` bytes."""
        low, high = 0, len(frames)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if frames[middle][1] <= line else (low, middle)
        key = (path, low)
        lines = self._kept.get(key)
        if lines is None:
            end = frames[low + 1][0] if low + 1 < len(frames) else size
            lines = _read_frame(path, frames[low][0], end - frames[low][0])
            self._kept[key] = lines
            if len(self._kept) > self._frames:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        try:
            return lines[line - frames[low][1]]
        except IndexError:
            raise LakeError(f"no line {line}", where=str(path), todo="restore it from a backup") from None


def read_lines(path: Path, *, block: int = 2 << 20) -> Iterator[list[bytes]]:
    """Every line of an evidence file, some at a time, in bounded memory (all frames, in order)."""
    rest = b""
    try:
        with path.open("rb") as file:
            reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
            for data in iter(lambda: _fill(reader, block), b""):
                *lines, rest = (rest + data).split(b"\n")
                if lines:
                    yield lines
    except (OSError, zstandard.ZstdError) as error:
        raise LakeError(f"cannot be read: {error}", where=str(path), todo="restore it from a backup") from None
    if rest:
        raise LakeError("the last line has no end", where=str(path), todo="restore it from a backup")


def _fill(reader: io.RawIOBase | zstandard.ZstdDecompressionReader, size: int) -> bytes:
    return reader.read(size) or b""
