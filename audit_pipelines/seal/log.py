"""A log on disk: tiles, checkpoints and edges, appended to in an order that a kill cannot hurt.

(1) tiles of the larger tree; (2) the notary remembers, then signs; (3) ``checkpoints/<size>`` and
``edges/<size>``; (4) ``checkpoint`` by rename: now the log is longer. Before (4) a rerun does the same again
and finds equal files; partial tiles go last. For statements, which cannot be made again, ``pending`` is
written first and removed last. What does not belong here: what leaves mean.
"""

import hashlib
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audit_pipelines.durable import write_atomically
from audit_pipelines.errors import EvidenceError, SealError
from audit_pipelines.seal import proofs
from audit_pipelines.seal.notary import Notary
from audit_pipelines.seal.standalone import (
    EMPTY_ROOT,
    Bad,
    Checkpoint,
    Edge,
    Key,
    leaf_hash,
    open_checkpoint,
    strict_base64,
    tail,
)
from audit_pipelines.seal.statements import LIMIT
from audit_pipelines.seal.tiles import WIDTH, Tiles, TileWriter, forget_partial, tile_path, write_once

_TODO: Final = "restore log/ from a backup; docs/operations.md, Restore"
_LEVELS: Final = range(8)


def checkpoint_path(folder: Path, size: int | None = None) -> Path:
    """The newest checkpoint, or the one at ``size``."""
    return folder / "checkpoint" if size is None else folder / "checkpoints" / str(size)


def read_checkpoint(folder: Path, size: int | None = None) -> bytes:
    """A checkpoint's bytes.

    Raises:
        EvidenceError: it cannot be read.
    """
    path = checkpoint_path(folder, size)
    try:
        return path.read_bytes()
    except OSError as error:
        raise EvidenceError(f"no checkpoint: {error.strerror}", where=str(path), todo=_TODO) from None


def checkpoint_sizes(folder: Path) -> list[int]:
    """Sizes at which the log was signed, smallest first."""
    return sorted(int(path.name) for path in (folder / "checkpoints").glob("*") if path.name.isdecimal())


def is_founded(folder: Path) -> bool:
    """Whether the log has a newest checkpoint.

    Raises:
        EvidenceError: it has none, but was signed more than once: a killed founding leaves one at most.
    """
    path = checkpoint_path(folder)
    if path.is_file():
        return True
    if len(sizes := checkpoint_sizes(folder)) > 1:
        raise EvidenceError(f"no checkpoint, though the log was signed at {sizes[-1]}", where=str(path), todo=_TODO)
    return False


def read_edge(folder: Path, size: int) -> Edge:
    """The stored right edge at ``size``.

    Raises:
        EvidenceError: it is missing or malformed.
    """
    path = folder / "edges" / str(size)
    try:
        return Edge.of(size, [strict_base64(line, 32, "a hash") for line in path.read_text().splitlines()])
    except (OSError, UnicodeDecodeError, Bad) as error:
        raise EvidenceError(f"no edge: {error}", where=str(path), todo=_TODO) from None


@dataclass(frozen=True, slots=True)
class Log:
    """One log, open for appending."""

    folder: Path
    origin: str
    notary: Notary
    trusted: Sequence[bytes]
    """Every public key that ever signed: the newest checkpoint may be older than the keys of today."""
    staging: Path

    @property
    def keys(self) -> list[Key]:
        """The trusted keys under this log's name."""
        return [Key(self.origin, public) for public in self.trusted]

    def head(self) -> Checkpoint:
        """The newest checkpoint, its signature verified; an empty head where there is none yet.

        Raises:
            EvidenceError: it is damaged or signed by others.
        """
        if not self.founded:
            return Checkpoint(self.origin, 0, EMPTY_ROOT)
        path = checkpoint_path(self.folder)
        try:
            found = open_checkpoint(read_checkpoint(self.folder), self.keys, str(path))
        except Bad as error:
            raise EvidenceError(str(error), where=str(path), todo=_TODO) from None
        if found.origin != self.origin:
            raise EvidenceError(f"is of {found.origin}", where=str(path), todo=_TODO)
        return found

    @property
    def founded(self) -> bool:
        """Whether there is any checkpoint."""
        return is_founded(self.folder)

    def extend(self, blocks: Iterable[bytes]) -> Checkpoint:
        """Append leaf hashes and sign; with no leaf at all an unfounded log gets its empty checkpoint.

        Raises:
            SealError: another log is here, or the notary refuses.
            EvidenceError: what is here is damaged.
        """
        head = self.head()
        writer = TileWriter(self.folder, head.size)
        if writer.edge().root() != head.root:
            raise EvidenceError("tiles and checkpoint do not agree", where=str(self._odd(writer.edge())), todo=_TODO)
        for block in blocks:
            writer.extend(block)
        if writer.size > head.size or not self.founded:
            self._sign(writer.finish(), head.size)
        forget_partial(self.folder, checkpoint_sizes(self.folder), _LEVELS)
        return self.head()

    def _odd(self, found: Edge) -> Path:
        """The open tile that differs from the stored edge, or else the checkpoint."""
        stored = read_edge(self.folder, found.size).nodes
        for height, mine, other in zip(tail(0, found.size), found.nodes, stored, strict=True):
            if mine != other:
                level = height // 8
                number, width = divmod(found.size >> 8 * level, WIDTH)
                return tile_path(self.folder, level, number, width)
        return checkpoint_path(self.folder)

    def _sign(self, edge: Edge, since: int) -> None:
        """Steps 2 to 4."""
        tiles = Tiles(self.folder)
        head = Checkpoint(self.origin, edge.size, edge.root())
        note = self._adopted(head) or self.notary.sign(head, lambda old, new: proofs.consistency(tiles, old, new), since=since)
        write_once({checkpoint_path(self.folder, edge.size): note})
        write_once({self.folder / "edges" / str(edge.size): proofs.hash_lines(edge.nodes).encode()})
        write_atomically(checkpoint_path(self.folder), note, staging=self.staging)

    def _adopted(self, head: Checkpoint) -> bytes | None:
        """The note that a killed run left for this very head."""
        path = checkpoint_path(self.folder, head.size)
        if not path.is_file():
            return None
        try:
            found = open_checkpoint(path.read_bytes(), self.keys, str(path))
        except Bad as error:
            raise SealError(str(error), where=str(path), todo=_TODO) from None
        if (found.origin, found.head) != (head.origin, head.head):
            raise SealError("is the checkpoint of another log", where=str(path), todo=_TODO)
        return path.read_bytes()


# --- statements ---------------------------------------------------------------------------------------------


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
        raise EvidenceError(f"cannot be read: {error}", where=str(path), todo=_TODO) from None
    if end or not statements or not first.isdigit() or not all(0 < len(entry) <= LIMIT for entry in statements):
        raise EvidenceError("is torn", where=str(path), todo=_TODO)
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
        raise EvidenceError(f"begins at {size}, the log ends at {head.size}", where=str(_pending(log.folder)), todo=_TODO)
    forget_partial(log.folder, checkpoint_sizes(log.folder), [*_LEVELS, "entries"])
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
        raise EvidenceError(f"statements cannot be read: {error.strerror}", where=str(path), todo=_TODO) from None
    found, at = [], 0
    while at < len(content):
        length = int.from_bytes(content[at : at + 2], "big")
        found.append(content[at + 2 : at + 2 + length])
        at += 2 + length
    if at != len(content):
        raise EvidenceError("the last statement is torn", where=str(path), todo=_TODO)
    if len(found) != width:
        raise EvidenceError(f"{len(found)} statements, {width} are right", where=str(path), todo=_TODO)
    return found
