"""Tiles: a Merkle tree on disk as c2sp.org/tlog-tiles, written once and read by node.

A tile is 256 hashes of one level; ``tile/<L>/<N>`` is full, ``tile/<L>/<N>.p/<W>`` its first W hashes. A tile
is never changed: a partial one may be deleted when the full one exists. What does not belong here: what the
leaves are, and signing.
"""

import functools
import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from audit_pipelines.durable import make_folder, sync_folder, sync_many
from audit_pipelines.errors import EvidenceError, SealError
from audit_pipelines.seal.standalone import Edge

HASH: Final = 32
WIDTH: Final = 256
FULL: Final = WIDTH * HASH
_LEVEL_BITS: Final = 8
_FLUSH: Final = 4096
"""Tiles (32 MiB of them) kept back before they are written and synced together."""


def tile_name(number: int) -> str:
    """Path of tile ``number`` below its level: 1234067 is ``x001/x234/067``."""
    parts = [f"{number % 1000:03d}"]
    while number := number // 1000:
        parts.append(f"x{number % 1000:03d}")
    return "/".join(reversed(parts))


def tile_path(folder: Path, level: int | str, number: int, width: int = WIDTH) -> Path:
    """File of a tile; ``level`` may be ``entries``."""
    name = tile_name(number)
    return folder / "tile" / str(level) / (name if width == WIDTH else f"{name}.p/{width}")


def parents(hashes: bytes) -> bytes:
    """The next level up of an even number of hashes."""
    sha, one = hashlib.sha256, b"\x01"
    return b"".join([sha(one + hashes[at : at + 64]).digest() for at in range(0, len(hashes), 64)])


def subtree_root(hashes: bytes) -> bytes:
    """Root of a perfect subtree, from its 2**n hashes."""
    while len(hashes) > HASH:
        hashes = parents(hashes)
    return hashes


class TileWriter:
    """Appends leaf hashes to the tree in ``folder``, whose ``size`` leaves are on disk.

    ``extend`` may write full tiles at once, ``finish`` writes the partial ones. A crash leaves tiles of a
    larger tree than the checkpoint names; the same leaves again find them equal and go on.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self._folder = folder
        self._open: list[bytearray] = []
        self._done: list[int] = []
        self._waiting: dict[Path, bytes] = {}
        self.size = size
        tiles = Tiles(folder)
        level = 0
        while (count := size >> (_LEVEL_BITS * level)) > 0:
            width = count % WIDTH
            self._open.append(bytearray(tiles.tile(level, count // WIDTH, width) if width else b""))
            self._done.append(count // WIDTH)
            level += 1

    def extend(self, hashes: bytes) -> None:
        """Add leaf hashes (32 bytes each)."""
        self.size += len(hashes) // HASH
        self._add(0, hashes)

    def _add(self, level: int, hashes: bytes) -> None:
        if level == len(self._open):
            self._open.append(bytearray())
            self._done.append(0)
        open_tile = self._open[level]
        open_tile += hashes
        full = len(open_tile) // FULL * FULL
        roots = []
        for at in range(0, full, FULL):
            tile = bytes(open_tile[at : at + FULL])
            self._write(level, self._done[level], tile)
            self._done[level] += 1
            roots.append(subtree_root(tile))
        if roots:
            del open_tile[:full]
            self._add(level + 1, b"".join(roots))

    def finish(self) -> Edge:
        """Write what is left, make it durable, and give the tree's right edge."""
        for level, hashes in enumerate(self._open):
            if hashes:
                self._write(level, self._done[level], bytes(hashes))
        self._flush()
        return self.edge()

    def edge(self) -> Edge:
        """The right edge: of each level's open tile the largest perfect subtrees, top level first."""
        found = Edge()
        for level in reversed(range(len(self._open))):
            for at in range(0, len(self._open[level]), HASH):
                found.append(bytes(self._open[level][at : at + HASH]), level * _LEVEL_BITS)
        return found

    def _write(self, level: int, number: int, content: bytes) -> None:
        self._waiting[tile_path(self._folder, level, number, len(content) // HASH)] = content
        if len(self._waiting) >= _FLUSH:
            self._flush()

    def _flush(self) -> None:
        write_once(self._waiting)
        self._waiting.clear()


def write_once(files: dict[Path, bytes]) -> None:
    """Write files that are never changed, durably; one that is there with the same bytes is left alone.

    A crash leaves ``*.new`` files that the next call overwrites, or whole files; their names are made durable
    by the next call too, which cannot know whether the one before came so far.

    Raises:
        SealError: one is there with other bytes: somebody else wrote a different log here.
    """
    staged = []
    for folder in sorted({path.parent for path in files}):
        make_folder(folder)
    for path, content in files.items():
        if path.exists():
            if path.read_bytes() != content:
                todo = "the log would fork; restore log/ from a backup, then see docs/operations.md, Restore"
                raise SealError("is there with other content", where=str(path), todo=todo)
            continue
        new = path.with_name(f"{path.name}.new")
        new.write_bytes(content)
        staged.append((new, path))
    if staged:
        sync_many([new for new, _ in staged])
    for new, path in staged:
        os.rename(new, path)
    for folder in sorted({path.parent for path in files}):
        sync_folder(folder)


def forget_partial(folder: Path, sizes: Iterable[int], levels: Iterable[int | str]) -> None:
    """Delete partial tiles whose full tile exists (the specification allows it).

    ``sizes`` are those of all checkpoints: only there partial tiles were written. Oldest first, so that what
    a crash leaves is found from the newest on.
    """
    signed = list(sizes)
    for level in levels:
        height = _LEVEL_BITS * (level if isinstance(level, int) else 0)
        gone: list[Path] = []
        for number in sorted({(size >> height) // WIDTH for size in signed if (size >> height) % WIDTH}, reverse=True):
            partial = tile_path(folder, level, number, 1).parent
            if not tile_path(folder, level, number).is_file():
                continue
            if not partial.is_dir():
                break
            gone.append(partial)
        for partial in reversed(gone):
            for path in partial.iterdir():
                path.unlink()
            partial.rmdir()


class Tiles:
    """Reads a tree from its tiles; every tile is checked for its length only: ``audit`` checks hashes."""

    def __init__(self, folder: Path, *, keep: int = 64) -> None:
        self._folder = folder
        self._cached: Callable[[int, int], bytes] = functools.lru_cache(keep)(self._full)

    def tile(self, level: int, number: int, width: int) -> bytes:
        """The first ``width`` hashes of a tile, from the full one where the partial one is gone.

        Raises:
            EvidenceError: it is missing or has another length.
        """
        if width == WIDTH:
            return self._cached(level, number)
        path = tile_path(self._folder, level, number, width)
        if path.is_file():
            return self._read(path, width)
        return self._widest(level, number, width)[: width * HASH]

    def _full(self, level: int, number: int) -> bytes:
        return self._read(tile_path(self._folder, level, number), WIDTH)

    def _widest(self, level: int, number: int, width: int) -> bytes:
        full = tile_path(self._folder, level, number)
        if full.is_file():
            return self._cached(level, number)
        partial = tile_path(self._folder, level, number, 1).parent
        wider = [int(path.name) for path in partial.glob("*") if path.name.isdecimal() and int(path.name) >= width]
        if not wider:
            raise EvidenceError("a tile is missing", where=str(full), todo="restore log/ from a backup")
        return self._read(partial / str(min(wider)), min(wider))

    @staticmethod
    def _read(path: Path, width: int) -> bytes:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise EvidenceError(f"a tile cannot be read: {error}", where=str(path), todo="restore log/ from a backup") from None
        if len(content) != width * HASH:
            what = f"a tile of {len(content)} bytes, {width * HASH} are right"
            raise EvidenceError(what, where=str(path), todo="restore log/ from a backup")
        return content

    def node(self, height: int, index: int) -> bytes:
        """Root of the perfect subtree of leaves [index << height, (index + 1) << height).

        Raises:
            EvidenceError: a tile is missing or torn.
        """
        level, low = divmod(height, _LEVEL_BITS)
        first = index << low
        number, at = divmod(first, WIDTH)
        count = 1 << low
        return subtree_root(self.tile(level, number, at + count)[at * HASH : (at + count) * HASH])

    def leaves(self, first: int, last: int) -> bytes:
        """Leaf hashes [first, last), concatenated."""
        parts = []
        while first < last:
            number, at = divmod(first, WIDTH)
            count = min(WIDTH - at, last - first)
            parts.append(self.tile(0, number, at + count)[at * HASH : (at + count) * HASH])
            first += count
        return b"".join(parts)
