"""Appending statements: leaves that cannot be made again, so ``pending`` holds them from before they are begun.

The notary is told of ``pending``, it is written, the entry bundles are (c2sp.org/tlog-tiles: a length of two bytes,
then the statement), the log is extended, ``pending`` goes. A killed append is finished with the same bytes. What
does not belong here: what statements say (``statements``).
"""

import hashlib
import struct
from collections.abc import Sequence
from pathlib import Path

from audit_pipelines.durable import write_atomically
from audit_pipelines.errors import EvidenceError, SealError
from audit_pipelines.seal.log import LEVELS, TODO, Log, checkpoint_sizes
from audit_pipelines.seal.standalone import Checkpoint, leaf_hash
from audit_pipelines.seal.statements import LIMIT
from audit_pipelines.seal.tiles import WIDTH, forget_partial, tile_path, write_once


def append(log: Log, statements: Sequence[bytes]) -> Checkpoint:
    """Append statements under one checkpoint.

    A crash leaves ``pending``, and ``finish_pending`` goes on with the same bytes.

    Raises:
        SealError: others were begun and are not finished: the notary may have them in its memory already.
    """
    if not statements:
        return log.head()
    if pending(log.folder) is not None:
        todo = "run it again: what was begun is finished first"
        raise SealError("statements before these are not sealed yet", where=str(_pending(log.folder)), todo=todo)
    keep_pending(log, statements)
    return finish_pending(log)


def keep_pending(log: Log, statements: Sequence[bytes]) -> None:
    """Write down what is to be appended next, after telling the notary: nobody else's statements are finished in its place."""
    content = b"".join(b"%s\n" % line for line in (str(log.head().size).encode(), *statements))
    log.notary.announce(_announcement(log), hashlib.sha256(content).hexdigest())
    write_atomically(_pending(log.folder), content, staging=log.staging)


def pending(folder: Path) -> tuple[int, list[bytes]] | None:
    """Statements that a killed run had begun to append, and the size before them.

    Raises:
        EvidenceError: the file is damaged.
    """
    path = _pending(folder)
    try:
        first, *statements, end = path.read_bytes().split(b"\n")
        size = int(first)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise EvidenceError(f"cannot be read: {error}", where=str(path), todo=TODO) from None
    if end or not statements or not first.isdigit() or not all(0 < len(entry) <= LIMIT for entry in statements):
        raise EvidenceError("is torn", where=str(path), todo=TODO)
    return size, statements


def finish_pending(log: Log) -> Checkpoint:
    """Go on with what ``append`` began.

    Raises:
        SealError: somebody else wrote it, or the notary refuses.
        EvidenceError: it is damaged, or does not fit the log.
    """
    found = pending(log.folder)
    head = log.head()
    if found is None:
        return head
    size, statements = found
    if head.size == size:
        path = _pending(log.folder)
        if not log.notary.was_announced(_announcement(log), hashlib.sha256(path.read_bytes()).hexdigest()):
            todo = "it is not signed; remove it if you did not restore it, else docs/operations.md, Restore"
            raise SealError("was not written by this home's runs", where=str(path), todo=todo)
        _write_entries(log.folder, size, statements)
        head = log.extend([b"".join(map(leaf_hash, statements))])
    elif entries(log.folder, head.size, first=size - size % WIDTH)[size % WIDTH :][: len(statements)] != statements:
        raise EvidenceError(f"begins at {size}, the log ends at {head.size}", where=str(_pending(log.folder)), todo=TODO)
    forget_partial(log.folder, checkpoint_sizes(log.folder), [*LEVELS, "entries"])
    _pending(log.folder).unlink()
    return head


def _announcement(log: Log) -> str:
    return f"pending of {log.origin}"


def _pending(folder: Path) -> Path:
    return folder / "pending"


def _write_entries(folder: Path, size: int, statements: Sequence[bytes]) -> None:
    """Entry bundles (c2sp.org/tlog-tiles): the last one is written whole, with what it held before."""
    open_ones = entries(folder, size, first=size - size % WIDTH)
    number = size // WIDTH
    everything = [*open_ones, *statements]
    files = {}
    for at in range(0, len(everything), WIDTH):
        chosen = everything[at : at + WIDTH]
        content = b"".join(struct.pack(">H", len(entry)) + entry for entry in chosen)
        files[tile_path(folder, "entries", number + at // WIDTH, len(chosen))] = content
    write_once(files)


def entries(folder: Path, size: int, *, first: int = 0) -> list[bytes]:
    """Statements [first, size), ``first`` at the start of a bundle.

    Raises:
        EvidenceError: a bundle is missing, torn, or holds more or fewer.
    """
    found: list[bytes] = []
    for number in range(first // WIDTH, -(-size // WIDTH)):
        width = min(WIDTH, size - number * WIDTH)
        partial, full = tile_path(folder, "entries", number, width), tile_path(folder, "entries", number)
        found += (_bundle(partial, width) if partial.is_file() else _bundle(full, WIDTH))[:width]
    return found


def _bundle(path: Path, width: int) -> list[bytes]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise EvidenceError(f"statements cannot be read: {error.strerror}", where=str(path), todo=TODO) from None
    found, at = [], 0
    while at < len(content):
        length = int.from_bytes(content[at : at + 2], "big")
        found.append(content[at + 2 : at + 2 + length])
        at += 2 + length
    if at != len(content):
        raise EvidenceError("the last statement is torn", where=str(path), todo=TODO)
    if len(found) != width:
        raise EvidenceError(f"{len(found)} statements, {width} are right", where=str(path), todo=TODO)
    return found
