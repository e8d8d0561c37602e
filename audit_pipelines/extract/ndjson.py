"""Cutting a stream of bytes into NDJSON lines (one JSON text a line), block by block.

This is the hot path of ``files``: a block costs one search for its last line end and one split; what is
rare (CR, blank lines, lines longer than a block) is looked for once a block. What does not belong here:
whether a line is a record (``lake``).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from audit_pipelines.extract.compressed import DamagedError
from audit_pipelines.record import BLOCK_BYTES, Block, Refusal

LIMIT = 256 << 20
"""Longest line and longest document in bytes. What is longer is refused: read past, its beginning kept."""
KEPT = 1 << 20
"""Bytes kept of what is longer than the limit."""
_BLANK = b" \t\r"


def is_json(text: bytes, kind: Any = msgspec.Raw) -> bool:
    """Whether ``text`` is one JSON text (of a type)."""
    try:
        msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def gathered(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of at least ``BLOCK_BYTES`` (the last may be shorter)."""
    parts: list[bytes] = []
    size = 0
    try:
        for chunk in chunks:
            parts.append(chunk)
            size += len(chunk)
            if size >= BLOCK_BYTES:
                yield chunk if len(parts) == 1 else b"".join(parts)
                parts, size = [], 0
    except DamagedError:
        yield b"".join(parts)  # what could be read comes before the error
        raise
    if parts:
        yield b"".join(parts)


class Lines:
    """The lines of one origin, numbered from 1."""

    def __init__(self, origin: str, *, limit: int = LIMIT) -> None:
        self._origin, self._limit = origin, limit
        self._number = 1
        self._tail: list[bytes] = []
        """The unfinished line, in pieces without line end."""
        self._size = 0
        """Its length, whether kept or not."""

    def cut(self, chunks: Iterable[bytes]) -> Iterator[Block | Refusal]:
        """Blocks of whole lines; a last line without line end counts.

        Raises:
            DamagedError: from ``chunks``, after all whole lines; carries the unfinished one.
        """
        try:
            for data in gathered(chunks):
                yield from self._more(data)
        except DamagedError as error:
            rest = b"".join(self._tail)
            if is_json(rest):
                yield from self._end()
                rest = b""
            error.rest, error.position = rest, self._number
            raise
        yield from self._end()

    def _more(self, data: bytes) -> Iterator[Block | Refusal]:
        start, end = 0, data.rfind(b"\n")
        if end >= 0 and self._size > self._limit:
            start = data.index(b"\n") + 1
            self._size += start - 1
            yield self._too_long()
        if end >= start:
            yield from self._block(b"".join([*self._tail, memoryview(data)[start:end]]))
            self._tail, self._size = [], 0
        rest = data[max(start, end + 1) :]
        self._size += len(rest)
        if self._size <= self._limit:
            self._tail.append(rest)
        elif self._tail:
            self._tail = [b"".join([*self._tail, rest[:KEPT]])[:KEPT]]

    def _end(self) -> Iterator[Block | Refusal]:
        if self._size > self._limit:
            yield self._too_long()
        elif self._size:
            yield from self._block(b"".join(self._tail))
        self._tail, self._size = [], 0

    def _too_long(self) -> Refusal:
        kept = b"".join(self._tail)[:KEPT]
        reason = f"a line of {self._size} bytes, the limit is {self._limit}; only its first {len(kept)} are kept"
        refusal = Refusal(raw=kept, origin=self._origin, position=self._number, reason=reason)
        self._number += 1
        self._tail, self._size = [], 0
        return refusal

    def _block(self, data: bytes) -> Iterator[Block]:
        lines = data.split(b"\n")
        positions: Sequence[int] = range(self._number, self._number + len(lines))
        self._number += len(lines)
        if b"\r" in data:
            lines = [_without_returns(line) for line in lines]
        if min(lines) < b"!":  # blank lines sort before all that JSON begins with; so do indented ones
            filled = [(line, position) for line, position in zip(lines, positions, strict=True) if line.strip(_BLANK)]
            lines, positions = [line for line, _ in filled], [position for _, position in filled]
        if lines:
            yield Block(data=data, records=lines, positions=positions, origin=self._origin)


def _without_returns(line: bytes) -> bytes:
    """``line`` without CR: at its end it belongs to the line end, between tokens it is white space.

    Inside a string it is a fault that must stay one: such a line keeps it, and the lake rejects it.
    """
    line = line.rstrip(b"\r")
    return line.replace(b"\r", b" ") if b"\r" in line and is_json(line) else line
