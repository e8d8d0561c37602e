"""How the bytes of a drop lie on disk: as they are, gzip (RFC 1952) or zstd (RFC 8878).

Line 1 can be written only after the lines that follow it, so every codec gives it a frame of its own whose
size depends on nothing but the size of the line: the place is kept free and filled in at the end. Files of
several members or frames are legal and read as one. Same input, same library versions: same bytes.
"""

import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Literal, Protocol

import zstandard

Compression = Literal["none", "gzip", "zstd"]
Buffer = bytes | memoryview

_GZIP: Final = 31
"""zlib's window bits for a gzip wrapper; it writes mtime 0 and no name."""
_MEMBER: Final = 4 << 20
"""Bytes a gzip member: two are compressed at a time, and the sizes do not depend on how lines arrive."""


class Stream(Protocol):
    """A compressor for the lines of one file."""

    def write(self, data: Buffer) -> Iterator[Buffer]:
        """Take some bytes, give those that are ready for the file."""
        ...

    def finish(self) -> Iterator[Buffer]:
        """Give the rest."""
        ...


class Codec(Protocol):
    """One way to write a file."""

    suffix: str

    def frame(self, line: bytes) -> bytes:
        """``line`` alone; the size of the result depends only on the size of ``line``."""
        ...

    def stream(self) -> Stream: ...


class Plain:
    """As it is: what tailing readers want."""

    suffix = ""

    def frame(self, line: bytes) -> bytes:
        return line

    def stream(self) -> Stream:
        return self

    def write(self, data: Buffer) -> Iterator[Buffer]:
        yield data

    def finish(self) -> Iterator[Buffer]:
        yield from ()


class Gzip:
    """Level 6 in members of 4 MiB, compressed by two threads (zlib leaves the interpreter lock)."""

    suffix = ".gz"

    def frame(self, line: bytes) -> bytes:
        return _member(line, level=0)

    def stream(self) -> Stream:
        return _GzipStream()


class _GzipStream:
    def __init__(self) -> None:
        self._waiting = bytearray()
        self._members: deque[Future[bytes]] = deque()
        self._threads = ThreadPoolExecutor(2)

    def write(self, data: Buffer) -> Iterator[Buffer]:
        self._waiting += data
        while len(self._waiting) >= _MEMBER:
            self._submit(bytes(self._waiting[:_MEMBER]))
            del self._waiting[:_MEMBER]
        while len(self._members) > 3:
            yield self._members.popleft().result()

    def finish(self) -> Iterator[Buffer]:
        if self._waiting:
            self._submit(bytes(self._waiting))
        while self._members:
            yield self._members.popleft().result()
        self._threads.shutdown()

    def _submit(self, data: bytes) -> None:
        self._members.append(self._threads.submit(_member, data, level=6))


def _member(data: bytes, *, level: int) -> bytes:
    compressor = zlib.compressobj(level, zlib.DEFLATED, _GZIP)
    return compressor.compress(data) + compressor.flush()


class Zstd:
    """Level 3, two threads, one frame for the lines."""

    suffix = ".zst"

    def frame(self, line: bytes) -> bytes:
        # One raw block, written by hand: a compressor's output would vary in size with the text.
        # Magic; single segment with a content size of four bytes; the last block, of type raw (RFC 8878, 3.1.1).
        size = len(line)
        return b"\x28\xb5\x2f\xfd\xa0" + size.to_bytes(4, "little") + (size << 3 | 1).to_bytes(3, "little") + line

    def stream(self) -> Stream:
        return _ZstdStream()


class _ZstdStream:
    def __init__(self) -> None:
        self._compressor = zstandard.ZstdCompressor(level=3, threads=2).compressobj()

    def write(self, data: Buffer) -> Iterator[Buffer]:
        yield self._compressor.compress(data)

    def finish(self) -> Iterator[Buffer]:
        yield self._compressor.flush()


CODECS: Final[dict[Compression, Codec]] = {"none": Plain(), "gzip": Gzip(), "zstd": Zstd()}


def versions() -> dict[str, str]:
    """The libraries whose version the compressed bytes depend on."""
    return {"zlib": zlib.ZLIB_RUNTIME_VERSION, "zstd": ".".join(map(str, zstandard.ZSTD_VERSION))}
