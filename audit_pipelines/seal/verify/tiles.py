"""Tiles of one log: every tile is the hash of those below, and every checkpoint's root follows from them.

All checkpoints' roots come from the same tiles, so each is the ones before it, only longer. Groups of tiles
are looked at in other processes; nothing heavy is imported here. What does not belong here: signatures
(``heads``) and what the leaves are (``evidence``).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from audit_pipelines.errors import EvidenceError
from audit_pipelines.home import Home
from audit_pipelines.seal import proofs
from audit_pipelines.seal.log import read_edge
from audit_pipelines.seal.standalone import Checkpoint, Edge
from audit_pipelines.seal.tiles import HASH, WIDTH, subtree_root, tile_path
from audit_pipelines.seal.verify.check import Check, Fault, counted
from audit_pipelines.seal.verify.heads import Heads
from audit_pipelines.seal.verify.sized import SizedTiles

_GROUP: Final = 256
"""Tiles in one task: 8 KiB each."""


@dataclass(frozen=True, slots=True)
class TileGroup:
    """Full tiles [first, last) of one level."""

    folder: str
    level: int
    first: int
    last: int
    size: int
    """Leaves of the log."""


@dataclass(frozen=True, slots=True)
class TileFault:
    """What is wrong with one tile."""

    level: int
    number: int
    text: str


def groups(folder: Path, size: int) -> Iterator[TileGroup]:
    """Tasks over all full tiles of a log of ``size`` leaves."""
    level = 0
    while full := size >> 8 * (level + 1):
        for first in range(0, full, _GROUP):
            yield TileGroup(str(folder), level, first, min(first + _GROUP, full), size)
        level += 1


def examine(group: TileGroup) -> list[TileFault]:
    """Tiles of the group that are missing, torn, or do not give their hash in the level above."""
    tiles = SizedTiles(Path(group.folder), group.size, keep=4)
    found = []
    for number in range(group.first, group.last):
        above, at = divmod(number, WIDTH)
        try:
            root = subtree_root(tiles.tile(group.level, number, WIDTH))
        except EvidenceError as error:
            found.append(TileFault(group.level, number, error.what))
            continue
        try:
            expected = tiles.tile(group.level + 1, above, at + 1)[at * HASH :]
        except EvidenceError:
            continue  # said of the tile above itself, or by the roots
        if root != expected:
            found.append(TileFault(group.level, number, f"does not give its hash in the level above (tile {above}, hash {at})"))
    return found


def tiles_check(home: Home, heads: Heads, broken: Sequence[TileFault]) -> Check:
    """Tiles, edges and left partial tiles of a log against the roots that were signed.

    Args:
        home: the home.
        heads: of the log; only checkpoints that are signed.
        broken: what ``examine`` found.
    """
    folder = heads.folder
    faults = [
        Fault(f"{item.text}; it covers leaves {_span(item)}", home.relative(tile_path(folder, item.level, item.number)))
        for item in broken
    ]
    wrong = _root_faults(home, heads)
    faults += wrong or _partial_faults(home, folder, heads.size)
    faults += [fault for head in heads.all() for fault in _edge_faults(home, folder, head.note)]
    count = sum(-(-(heads.size >> 8 * level) // WIDTH) for level in range(8))
    text = f"{counted(count, 'tile')} of {counted(heads.size, 'leaf', 'leaves')}, {counted(len(heads.roots), 'root')}"
    return Check(f"{heads.name} log", text, tuple(faults))


def _root_faults(home: Home, heads: Heads) -> list[Fault]:
    tiles = SizedTiles(heads.folder, heads.size)
    faults = []
    for head in heads.all():
        size = head.note.size
        try:
            root = Edge.of(size, proofs.edge(tiles, size)).root()
        except EvidenceError as error:
            where = error.where.removeprefix(f"{home.root}/")
            faults.append(Fault(f"its root cannot be computed: {where}: {error.what}", head.file))
            continue
        if root != head.note.root:
            faults.append(Fault(f"the tiles do not give the root that was signed at {size}", head.file))
    if len(faults) > 1 and faults[-1].file == heads.all()[-1].file:  # the older ones are wrong for the same reason
        return [replace(faults[-1], text=f"{faults[-1].text}; so with {counted(len(faults) - 1, 'smaller one')}")]
    return faults


def _edge_faults(home: Home, folder: Path, note: Checkpoint) -> list[Fault]:
    file = home.relative(folder / "edges" / str(note.size))
    try:
        stored = read_edge(folder, note.size)
    except EvidenceError as error:
        return [Fault(f"{error.what}; tiles can give it again", file)]
    return [] if stored.root() == note.root else [Fault(f"does not give the root that was signed at {note.size}", file)]


def _partial_faults(home: Home, folder: Path, size: int) -> list[Fault]:
    """Partial tiles that are left must be the beginnings of the tiles that follow them."""
    found = []
    whole = SizedTiles(folder, size)
    for path in sorted((folder / "tile").glob("**/*.p/*")):
        level, number = path.relative_to(folder / "tile").parts[0], tile_number(path)
        if not level.isdecimal() or not path.name.isdecimal() or number is None:
            continue
        count = (size >> 8 * int(level)) - number * WIDTH
        width = int(path.name)
        if not 0 < width < WIDTH or count < width:
            continue  # of a larger tree that a killed run had begun
        try:
            content = whole.tile(int(level), number, width)
        except EvidenceError:
            continue  # said by the roots
        if path.read_bytes() != content:
            found.append(Fault("is not the beginning of the tile that followed it", home.relative(path)))
    return found


def tile_number(path: Path) -> int | None:
    """Tile number of ``.../x001/x234/067.p/<W>``."""
    parts = [part.removeprefix("x").removesuffix(".p") for part in path.parts[:-1]]
    digits = ""
    for part in reversed(parts):
        if not (part.isdecimal() and len(part) == 3):
            break
        digits = part + digits
    return int(digits) if digits else None


def _span(item: TileFault) -> str:
    width = WIDTH ** (item.level + 1)
    return f"{item.number * width} to {(item.number + 1) * width - 1}"
