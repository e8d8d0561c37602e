"""RFC 6962, section 2.1, word for word: recursive, over a list of leaf hashes, slow, and nobody else's code.

The tests hold what the package makes against this. D[n] of the RFC is ``leaves`` here, its hashes taken.
"""

import hashlib

EMPTY = hashlib.sha256(b"").digest()


def leaf(data: bytes) -> bytes:
    """MTH({d(0)}) = SHA-256(0x00 || d(0))."""
    return hashlib.sha256(b"\x00" + data).digest()


def node(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(n: int) -> int:
    """The largest power of two smaller than ``n``."""
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def mth(leaves: list[bytes]) -> bytes:
    """MTH(D[n]), the root."""
    n = len(leaves)
    if n == 0:
        return EMPTY
    if n == 1:
        return leaves[0]
    k = split(n)
    return node(mth(leaves[:k]), mth(leaves[k:]))


def path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH(m, D[n]), the audit path of leaf m (2.1.1)."""
    n = len(leaves)
    if n == 1:
        return []
    k = split(n)
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def root_by(leaf_hash: bytes, m: int, n: int, audit_path: list[bytes]) -> bytes | None:
    """The root that an audit path gives leaf m of n: PATH read backwards; None = it cannot be one."""
    if not 0 <= m < n or (n == 1) != (not audit_path):
        return None
    if n == 1:
        return leaf_hash
    k = split(n)
    below = root_by(leaf_hash, m, k, audit_path[:-1]) if m < k else root_by(leaf_hash, m - k, n - k, audit_path[:-1])
    if below is None:
        return None
    return node(below, audit_path[-1]) if m < k else node(audit_path[-1], below)


def proof(m: int, leaves: list[bytes]) -> list[bytes]:
    """PROOF(m, D[n]), that the first m leaves are the start (2.1.2); the RFC has it for 0 < m < n."""
    return _subproof(m, leaves, whole=True) if 0 < m < len(leaves) else []


def _subproof(m: int, leaves: list[bytes], *, whole: bool) -> list[bytes]:
    n = len(leaves)
    if m == n:
        return [] if whole else [mth(leaves)]
    k = split(n)
    if m <= k:
        return [*_subproof(m, leaves[:k], whole=whole), mth(leaves[k:])]
    return [*_subproof(m - k, leaves[k:], whole=False), mth(leaves[:k])]


def edge(leaves: list[bytes]) -> list[bytes]:
    """Roots of the perfect subtrees of the bits of n, largest first: what the right edge is."""
    n = len(leaves)
    if n == 0:
        return []
    k = 1 << (n.bit_length() - 1)
    return [mth(leaves[:k]), *edge(leaves[k:])]


def numbered(count: int, start: int = 0) -> list[bytes]:
    """Leaf hashes that differ: of the decimal numbers from ``start``."""
    return [leaf(b"%d" % number) for number in range(start, start + count)]
