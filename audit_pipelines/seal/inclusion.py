"""What an inclusion proof proves: the root that a leaf and its path lead to.

The verifier of bundles needs no such walk (a range proof has all hashes); it is for single leaves. What does not
belong here: making paths (``proofs``).
"""

from collections.abc import Sequence

from audit_pipelines.seal.standalone import node_hash


def root_of(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that a leaf and its path give (RFC 9162, 2.1.3.2); empty where the path is too long or too short."""
    at, last, node = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return b""
        if at & 1 or at == last:
            node = node_hash(sibling, node)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        at, last = at >> 1, last >> 1
    return node if last == 0 else b""
