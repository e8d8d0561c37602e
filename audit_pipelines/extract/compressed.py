"""Reading a file as it lies on disk: digest of every byte, and gzip or zstd taken off in bounded memory.

gzip files may have many members (RFC 1952, section 2.2) and zstd files many frames, skippable ones
included (RFC 8878, section 3); a stream that ends early or goes wrong is told apart from a whole one.
What does not belong here: what stands in the file.
"""

import hashlib
import zlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, Self

import zstandard

CHUNK = 2 << 20
_SLICE = {"gzip": 64 << 10, "zstd": 8 << 10}
"""Compressed bytes given to a decompressor at once. zstd has no limit of output for a call; 8 KiB can
become 256 MiB at the very most, and 50 KB as a rule."""


class DamagedError(ValueError):
    """A compressed stream that is not whole; the text says how."""

    rest: bytes = b""
    """What was read of an unfinished line or document."""
    position: int = 1
    """Where that stands in the file."""


class Disk:
    """An open file whose bytes are counted and hashed as they pass, hashing beside the reader.

    SHA-256 of 750 MB takes a third of a second of one core; hashlib frees the interpreter meanwhile.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="digest")
        self._last: Future[None] | None = None
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()

    def read(self, size: int) -> bytes:
        """The next bytes; fewer than ``size`` only at the end of the file."""
        data = self._file.read(size)
        if data:
            self.size += len(data)
            if self._last is not None:
                self._last.result()  # at most one chunk waits: memory stays bounded
                self._last = None
            if len(data) < CHUNK // 8:
                self._digest.update(data)  # too little to be worth a thread's attention
            else:
                self._last = self._thread.submit(self._digest.update, data)
        return data

    def drain(self) -> None:
        """Read what is left, for the digest."""
        while self.read(CHUNK):
            pass

    def sha256(self) -> str:
        """Digest of all bytes read so far."""
        if self._last is not None:
            self._last.result()
        return self._digest.hexdigest()


def plain(disk: Disk) -> Iterator[bytes]:
    """The file in chunks of ``CHUNK`` bytes."""
    while data := disk.read(CHUNK):
        yield data


def gunzip(disk: Disk) -> Iterator[bytes]:
    """The contents of a gzip file in pieces of at most ``CHUNK`` bytes.

    Raises:
        DamagedError: after all that could be read.
    """
    data = disk.read(_SLICE["gzip"])
    while data:
        stream = zlib.decompressobj(wbits=31)
        while not stream.eof:
            try:
                piece = stream.decompress(data, CHUNK)
            except zlib.error as error:
                raise DamagedError(f"gzip: {error}") from None
            if piece:
                yield piece
            data = stream.unconsumed_tail or (b"" if stream.eof else disk.read(_SLICE["gzip"]))
            if not data and not piece and not stream.eof:
                raise DamagedError("gzip: the file ends early")
        data = stream.unused_data or disk.read(_SLICE["gzip"])
        while data and not (data := data.lstrip(b"\0")):  # zeros after a member are padding
            data = disk.read(_SLICE["gzip"])


def unzstd(disk: Disk) -> Iterator[bytes]:
    """The contents of a zstd file in pieces.

    Raises:
        DamagedError: after all that could be read.
    """
    data = disk.read(_SLICE["zstd"])
    while data:
        stream = zstandard.ZstdDecompressor().decompressobj()
        while not stream.eof:
            if not data:
                raise DamagedError("zstd: the file ends early")
            try:
                piece = stream.decompress(data)
            except zstandard.ZstdError as error:
                raise DamagedError(f"zstd: {error}") from None
            if piece:
                yield piece
            data = b"" if stream.eof else disk.read(_SLICE["zstd"])
        data = stream.unused_data or disk.read(_SLICE["zstd"])


def open_stream(disk: Disk, name: str) -> Iterator[bytes]:
    """The contents of the file ``name``, decompressed by its ending."""
    if name.lower().endswith(".gz"):
        return gunzip(disk)
    if name.lower().endswith(".zst"):
        return unzstd(disk)
    return plain(disk)
