"""Evidence files against the log: digest, and every line against its leaf. One file is one task.

Runs in other processes, so nothing heavy is imported here. Memory is one frame of one file and its leaf
hashes. What does not belong here: which files there should be (``batches``).
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from audit_pipelines.errors import EvidenceError
from audit_pipelines.seal import leaves
from audit_pipelines.seal.tiles import HASH
from audit_pipelines.seal.verify.check import Fault
from audit_pipelines.seal.verify.sized import SizedTiles

_SHOWN: Final = 20
"""Lines of one file that are named; the rest is counted."""
_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class File:
    """One evidence file, and what it has to be."""

    path: str
    name: str
    """Relative to the home."""
    day: date
    sha256: str
    count: int
    first: int
    tiles: str
    """Folder of the events log."""
    size: int
    """Leaves of the log; a file beyond it is not in the log yet."""
    erased: frozenset[int] = frozenset()
    """Lines whose record an erasure has taken."""
    sealed_digest: bool = True
    """Whether the digest is the sealed manifest's (else a removal's)."""


def examine(file: File) -> list[Fault]:
    """What is wrong with the file; empty = it is what was sealed."""
    path = Path(file.path)
    try:
        digest = _sha256(path)
    except FileNotFoundError:
        return [Fault("is missing, and no purge statement names it", file.name, file.day, leaf=file.first)]
    except (OSError, ValueError) as error:
        return [Fault(f"cannot be read: {error}", file.name, file.day)]
    faults = _line_faults(path, file)
    if digest != file.sha256:
        whose = "manifest" if file.sealed_digest else "removal"
        faults.insert(0, Fault(f"SHA-256 is {digest}, the {whose} says {file.sha256}", file.name, file.day))
    return faults


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _line_faults(path: Path, file: File) -> list[Fault]:
    faults: list[Fault] = []
    wrong = line = 0
    try:
        end = file.first + file.count
        sealed = SizedTiles(Path(file.tiles), file.size, keep=4).leaves(file.first, end) if end <= file.size else None
    except EvidenceError as error:
        return [Fault(f"its leaves cannot be read: {error.what}", file.name, file.day, leaf=file.first)]
    try:
        for block in leaves.lines(path):
            for fault in _block_faults(block, line, file, sealed):
                wrong += 1
                if wrong <= _SHOWN:
                    faults.append(fault)
            line += len(block)
    except EvidenceError as error:
        return [*faults[:1], Fault(error.what, file.name, file.day)]
    if line != file.count:
        # what follows the first difference is only shifted
        return [Fault(f"has {line} lines, {file.count} were sealed", file.name, file.day, leaf=file.first), *faults[:1]]
    if wrong > _SHOWN:
        faults.append(Fault(f"{wrong - _SHOWN} more lines differ", file.name, file.day))
    return faults


def _block_faults(block: list[bytes], start: int, file: File, sealed: bytes | None) -> Iterator[Fault]:
    made = [_leaf(line) for line in block]
    part = None if sealed is None else sealed[start * HASH : (start + len(block)) * HASH]
    gone = {start + at for at, line in enumerate(block) if line[:1] == b"!"}
    expected = file.erased & set(range(start, start + len(block))) if file.erased else frozenset()
    if None not in made and gone == expected and part in (None, b"".join(item or b"" for item in made)):
        return
    for at, (line, item) in enumerate(zip(block, made, strict=True)):
        is_sealed = part is None or item == part[at * HASH : (at + 1) * HASH]
        text = _text(line, item is not None, is_sealed, start + at in expected)
        if text:
            yield Fault(text, file.name, file.day, start + at, file.first + start + at)


def _leaf(line: bytes) -> bytes | None:
    try:
        return leaves.leaf(line, "")
    except EvidenceError:
        return None


def _text(line: bytes, readable: bool, is_sealed: bool, erased: bool) -> str:
    if not readable:
        return "is neither SALT RECORD nor !HASH"
    if not is_sealed:
        return "is not the record that was sealed here: its leaf hash is another"
    if line[:1] == b"!" and not erased:
        return "the record is gone, and no erasure statement names this leaf"
    if erased and line[:1] != b"!":
        return "an erasure statement names this leaf, and the record is still there"
    return ""


@dataclass(frozen=True, slots=True)
class Digest:
    """A file of which only the digest is looked at."""

    path: str
    name: str
    """Relative to the home."""
    sha256: str
    whose: str
    """Who says so."""
    day: date | None = None


def digest(task: Digest) -> str:
    """SHA-256 in hex, ``""`` where the file is missing, or ``!`` and why it cannot be read."""
    try:
        return _sha256(Path(task.path))
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        return f"!{error}"
