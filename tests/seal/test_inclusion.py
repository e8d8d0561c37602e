"""An inclusion proof leads to the root from its own place, and from no other."""

import pytest

from audit_pipelines.seal.inclusion import root_of
from audit_pipelines.seal.standalone import Edge, leaf_hash, node_hash


def path_of(leaves, index):
    """The audit path by its recursive definition (RFC 6962, 2.1.1), and the root."""
    if len(leaves) == 1:
        return [], leaves[0]
    half = 1 << ((len(leaves) - 1).bit_length() - 1)
    left, right = leaves[:half], leaves[half:]
    own, other = (left, right) if index < half else (right, left)
    path, root = path_of(own, index if index < half else index - half)
    sibling = path_of(other, 0)[1]
    return [*path, sibling], node_hash(root, sibling) if index < half else node_hash(sibling, root)


@pytest.mark.parametrize("size", range(1, 18))
def test_every_leaf_leads_to_the_root_and_no_other_place_does(size):
    leaves = [leaf_hash(b"%d" % number) for number in range(size)]
    edge = Edge()
    for leaf in leaves:
        edge.append(leaf)
    for index, leaf in enumerate(leaves):
        path, root = path_of(leaves, index)
        assert root == edge.root()
        assert root_of(leaf, index, size, path) == root
        assert root_of(leaf_hash(b"x"), index, size, path) != root
        assert root_of(leaf, index, size, [*path, leaf]) == b""
        assert not path or root_of(leaf, index, size, path[:-1]) == b""
        others = (other for other in range(size) if other != index)
        assert all(root_of(leaf, other, size, path) != root for other in others)
