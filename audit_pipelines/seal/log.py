"""A log on disk: tiles, checkpoints and edges, appended to in an order that a kill cannot hurt.

(1) tiles of the larger tree; (2) the notary remembers, then signs; (3) ``checkpoints/<size>`` and
``edges/<size>``; (4) ``checkpoint`` by rename: now the log is longer. Before (4) a rerun does the same again
and finds equal files; partial tiles go last. What does not belong here: what leaves mean, and appending
statements, which cannot be made again (``appending``).
"""

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
    open_checkpoint,
    strict_base64,
    tail,
)
from audit_pipelines.seal.tiles import WIDTH, Tiles, TileWriter, forget_partial, tile_path, write_once

TODO: Final = "restore log/ from a backup; docs/operations.md, Restore"
LEVELS: Final = range(8)


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
        raise EvidenceError(f"no checkpoint: {error.strerror}", where=str(path), todo=TODO) from None


def checkpoint_sizes(folder: Path) -> list[int]:
    """Sizes at which the log was signed, smallest first."""
    return sorted(int(path.name) for path in (folder / "checkpoints").glob("*") if path.name.isdecimal())


def checkpoint_after(folder: Path, index: int) -> int:
    """The smallest size at which the log was signed that has leaf ``index``; there is one for every leaf that is read."""
    return next(size for size in checkpoint_sizes(folder) if size > index)


def is_founded(folder: Path) -> bool:
    """Whether the log has a newest checkpoint.

    Raises:
        EvidenceError: it has none, but was signed more than once: a killed founding leaves one at most.
    """
    path = checkpoint_path(folder)
    if path.is_file():
        return True
    if len(sizes := checkpoint_sizes(folder)) > 1:
        raise EvidenceError(f"no checkpoint, though the log was signed at {sizes[-1]}", where=str(path), todo=TODO)
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
        raise EvidenceError(f"no edge: {error}", where=str(path), todo=TODO) from None


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
            raise EvidenceError(str(error), where=str(path), todo=TODO) from None
        if found.origin != self.origin:
            raise EvidenceError(f"is of {found.origin}", where=str(path), todo=TODO)
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
            raise EvidenceError("tiles and checkpoint do not agree", where=str(self._odd(writer.edge())), todo=TODO)
        for block in blocks:
            writer.extend(block)
        if writer.size > head.size or not self.founded:
            self._sign(writer.finish(), head.size)
        forget_partial(self.folder, checkpoint_sizes(self.folder), LEVELS)
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
            raise SealError(str(error), where=str(path), todo=TODO) from None
        if (found.origin, found.head) != (head.origin, head.head):
            raise SealError("is the checkpoint of another log", where=str(path), todo=TODO)
        return path.read_bytes()
