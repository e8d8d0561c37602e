"""Proofs from tiles, and the text files they travel in: tlog-proof, tlog-witness bodies, edges and ranges.

All hashes come from stored nodes, so a proof costs a few tiles however long the log is (RFC 6962, 2.1.1
and 2.1.2). What does not belong here: checking them (``standalone``).
"""

import base64
from collections.abc import Sequence

from audit_pipelines.seal.standalone import node_hash, tail
from audit_pipelines.seal.tiles import Tiles


def edge(tiles: Tiles, size: int) -> list[bytes]:
    """Right edge of the first ``size`` leaves: roots of perfect subtrees, largest first."""
    found, first = [], 0
    for height in tail(0, size):
        found.append(tiles.node(height, first >> height))
        first += 1 << height
    return found


def after(tiles: Tiles, end: int, size: int) -> list[bytes]:
    """Roots of the perfect subtrees that cover leaves [end, size), in order."""
    found = []
    for height in tail(end, size):
        found.append(tiles.node(height, end >> height))
        end += 1 << height
    return found


def _root(tiles: Tiles, first: int, size: int) -> bytes:
    """Root of leaves [first, size); ``first`` is a multiple of the largest power of two below their number."""
    nodes = after(tiles, first, size) if first else edge(tiles, size)
    node = nodes[-1]
    for left in reversed(nodes[:-1]):
        node = node_hash(left, node)
    return node


def _split(first: int, size: int) -> int:
    return first + (1 << ((size - first - 1).bit_length() - 1))


def inclusion(tiles: Tiles, index: int, size: int) -> list[bytes]:
    """Audit path of leaf ``index`` in the tree of ``size`` leaves, from the leaf upwards."""
    path: list[bytes] = []
    first, last = 0, size
    while last - first > 1:
        middle = _split(first, last)
        if index < middle:
            path.append(_root(tiles, middle, last))
            last = middle
        else:
            path.append(_root(tiles, first, middle))
            first = middle
    return path[::-1]


def consistency(tiles: Tiles, old: int, new: int) -> list[bytes]:
    """Proof that the tree of ``new`` leaves begins with that of ``old``; empty where nothing needs proof."""
    if old in (0, new):
        return []
    path: list[bytes] = []
    first, last = 0, new
    whole = True
    while old < last:
        middle = _split(first, last)
        if old <= middle:
            path.append(_root(tiles, middle, last))
            last = middle
        else:
            path.append(_root(tiles, first, middle))
            first, whole = middle, False
    return path[::-1] if whole else [_root(tiles, first, last), *path[::-1]]


def hash_lines(hashes: Sequence[bytes]) -> str:
    """One hash a line, base64."""
    return "".join(f"{base64.b64encode(item).decode()}\n" for item in hashes)


def tlog_proof(index: int, path: Sequence[bytes], checkpoint: bytes, extra: bytes | None = None) -> bytes:
    """An inclusion proof as c2sp.org/tlog-proof; ``extra`` is the leaf's salt."""
    line = "" if extra is None else f"extra {base64.b64encode(extra).decode()}\n"
    return f"c2sp.org/tlog-proof@v1\n{line}index {index}\n{hash_lines(path)}\n".encode() + checkpoint


def consistency_file(old: int, path: Sequence[bytes], checkpoint: bytes) -> bytes:
    """A consistency proof and the newer checkpoint, in the form of a c2sp.org/tlog-witness request."""
    return f"old {old}\n{hash_lines(path)}\n".encode() + checkpoint


def range_file(tiles: Tiles, first: int, count: int, size: int) -> bytes:
    """What leaves [first, first + count) need to give the root of ``size`` leaves: docs/format.md, Range proof."""
    before, behind = hash_lines(edge(tiles, first)), hash_lines(after(tiles, first + count, size))
    return f"leaves {first} {count} {size}\nbefore\n{before}after\n{behind}".encode()
