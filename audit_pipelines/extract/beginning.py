"""Telling a JSON document from NDJSON by the beginning of a file, before more than a block is in memory.

Two proofs and two habits decide. Proof: valid JSON never has two whole objects on neighbouring lines
without a comma, nor anything after a whole first line; where that is seen, it is NDJSON, however many
lines are bad. Habit: NDJSON lines are objects, so a ``[`` opens a list; and the first line of a document
ends in the middle of things, ``{ [ , :``. What does not belong here: cutting either (``ndjson``,
``documents``).
"""

from collections.abc import Iterator
from itertools import pairwise

import msgspec

from audit_pipelines.extract.compressed import DamagedError
from audit_pipelines.extract.ndjson import gathered, is_json

_BOM = b"\xef\xbb\xbf"
_OPENINGS = (b"{", b"[", b",", b":")
_LOOK = 10_000
"""Lines that are looked at."""


class Beginning:
    """The first bytes of a stream, without byte order mark, and the rest of the stream.

    Args:
        chunks: the stream; a ``DamagedError`` in it is kept for whoever reads on.
        limit: most bytes to look at for the end of the first line.
    """

    def __init__(self, chunks: Iterator[bytes], *, limit: int) -> None:
        self._chunks = gathered(chunks)
        self._error: DamagedError | None = None
        self.ended = False
        parts = [self._next().removeprefix(_BOM)]
        size = len(parts[0])
        while not self.ended and size <= limit and not (b"\n" in parts[-1] and _has_more_lines(b"".join(parts))):
            parts.append(self._next())
            size += len(parts[-1])
        self.head = b"".join(parts)

    def _next(self) -> bytes:
        try:
            return next(self._chunks)
        except StopIteration:
            self.ended = True
        except DamagedError as error:
            self.ended, self._error = True, error
        return b""

    def is_document(self) -> bool:
        """Whether the stream is to be read as one document."""
        text = self.head.strip()
        if text[:1] not in (b"[", b"{"):
            return False
        first, _, more = text.partition(b"\n")
        if is_json(first):
            return self.ended and not more
        if not more:
            return self.ended
        lines = [_is_object(line.strip()) for line in more.split(b"\n")[:_LOOK] if not line.isspace()]
        if any(one and other for one, other in pairwise(lines)):
            return False
        return first.rstrip().endswith(_OPENINGS) or (_is_cut_short(first) and (text[:1] == b"[" or not any(lines)))

    def chunks(self) -> Iterator[bytes]:
        """The whole stream from its beginning.

        Raises:
            DamagedError: where the stream breaks off.
        """
        yield self.head
        while not self.ended:
            yield self._next()
        if self._error is not None:
            raise self._error

    def document(self, limit: int) -> bytes:
        """The whole stream, or its first ``limit`` + 1 bytes or more if it is longer than ``limit``.

        Raises:
            DamagedError: the stream breaks off; carries what could be read.
        """
        parts, size = [], 0
        try:
            for chunk in self.chunks():
                parts.append(chunk)
                size += len(chunk)
                if size > limit:
                    break
        except DamagedError as error:
            error.rest = b"".join(parts)
            raise
        return b"".join(parts)


def _has_more_lines(head: bytes) -> bool:
    """Whether the first line is whole and something follows it."""
    return b"\n" in head.strip()


def _is_cut_short(line: bytes) -> bool:
    """Whether ``line`` could be the beginning of a JSON text (``[2026-01-05] started`` could not)."""
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return "truncated" in str(error)
    return False


def _is_object(line: bytes) -> bool:
    return line[:1] == b"{" and line[-1:] == b"}" and is_json(line)
