"""Leaf hashes of evidence files: one line, one leaf.

A line is ``SALT RECORD`` (leaf = SHA-256(0x00 || salt || record)) or, where a record was erased, ``!HASH``.
Read here anew, not through the lake: what is hashed is what lies on disk. Memory is one frame. What does
not belong here: the tree.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import zstandard

from audit_pipelines.errors import EvidenceError

_BLOCK: Final = 1 << 20
_SALT: Final = 32
_HEX: Final = frozenset(b"0123456789abcdef")


def lines(path: Path) -> Iterator[list[bytes]]:
    """All lines of an evidence file, some at a time, without their line feeds.

    Raises:
        EvidenceError: the file cannot be read, or does not end with a line.
    """
    rest = b""
    try:
        with path.open("rb") as file:
            reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
            while data := reader.read(_BLOCK):
                *whole, rest = (rest + data).split(b"\n")
                if whole:
                    yield whole
    except (OSError, zstandard.ZstdError) as error:
        raise EvidenceError(f"cannot be read: {error}", where=str(path), todo="restore it from a backup") from None
    if rest:
        raise EvidenceError("the last line has no end", where=str(path), todo="restore it from a backup")


def hashes(path: Path) -> Iterator[bytes]:
    """Leaf hashes of an evidence file, some at a time, concatenated.

    Raises:
        EvidenceError: as ``lines``, or a line is neither ``SALT RECORD`` nor ``!HASH``; the text names it.
    """
    done = 0
    for block in lines(path):
        try:
            yield _fast(block)
        except ValueError:
            yield b"".join(leaf(line, f"{path}: line {done + at}") for at, line in enumerate(block))
        done += len(block)


def _fast(block: list[bytes]) -> bytes:
    """The usual case: every line is SALT RECORD."""
    sha = hashlib.sha256
    joined = b"".join([line[:_SALT] for line in block])
    salts = bytes.fromhex(joined.decode("ascii"))
    spaces = b"".join([line[_SALT : _SALT + 1] for line in block])
    # Hex digits read back tell small letters from capitals, and white space from none: only one spelling is a salt.
    if len(joined) != _SALT * len(block) or salts.hex().encode() != joined or spaces != b" " * len(block):
        raise ValueError("not all lines are whole")
    starts = range(0, len(salts), 16)
    return b"".join(
        [sha(b"\x00" + salts[at : at + 16] + line[_SALT + 1 :]).digest() for at, line in zip(starts, block, strict=True)]
    )


def leaf(line: bytes, where: str) -> bytes:
    """Leaf hash of one line.

    Raises:
        EvidenceError: it is neither ``SALT RECORD`` nor ``!HASH``.
    """
    try:
        if line[:1] == b"!" and len(line) == 65 and _HEX.issuperset(line[1:]):
            return bytes.fromhex(line[1:].decode())
        if line[_SALT : _SALT + 1] == b" " and _HEX.issuperset(line[:_SALT]):
            return hashlib.sha256(b"\x00" + bytes.fromhex(line[:_SALT].decode()) + line[_SALT + 1 :]).digest()
    except ValueError:
        pass
    raise EvidenceError("is neither SALT RECORD nor !HASH", where=where, todo="restore the file from a backup")
