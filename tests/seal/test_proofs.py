"""Proofs from tiles are the RFC's, accepted by the checker, and worth nothing after any change."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit_pipelines.seal import proofs
from audit_pipelines.seal.standalone import Bad, check_consistency
from audit_pipelines.seal.tiles import Tiles, TileWriter

SIZE = 700


@pytest.fixture(scope="module")
def leaves(reference):
    return reference.numbered(SIZE)


@pytest.fixture(scope="module")
def tiles(tmp_path_factory, leaves):
    folder = tmp_path_factory.mktemp("log")
    writer = TileWriter(folder, 0)
    writer.extend(b"".join(leaves))
    writer.finish()
    return Tiles(folder)


def test_every_proof_of_every_small_tree_is_the_rfcs(tiles, leaves, reference):
    for size in range(1, 34):
        tree = leaves[:size]
        head = size, reference.mth(tree)
        assert proofs.edge(tiles, size) == reference.edge(tree)
        for index in range(size):
            path = proofs.inclusion(tiles, index, size)
            assert path == reference.path(index, tree)
            assert reference.root_by(leaves[index], index, size, path) == head[1]
        for old in range(size + 1):
            path = proofs.consistency(tiles, old, size)
            assert path == reference.proof(old, tree)
            check_consistency((old, reference.mth(tree[:old])), head, path)


@settings(max_examples=80, deadline=None)
@given(size=st.integers(1, SIZE), data=st.data())
def test_proofs_across_tiles_are_the_rfcs(tiles, leaves, reference, size, data):
    tree = leaves[:size]
    old = data.draw(st.integers(0, size))
    index = data.draw(st.integers(0, size - 1))
    assert proofs.edge(tiles, size) == reference.edge(tree)
    assert proofs.inclusion(tiles, index, size) == reference.path(index, tree)
    assert proofs.consistency(tiles, old, size) == reference.proof(old, tree)


@settings(max_examples=60, deadline=None)
@given(size=st.integers(2, SIZE), data=st.data())
def test_an_altered_proof_is_refused(tiles, leaves, reference, size, data):
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size - 1))
    head = size, reference.mth(leaves[:size])
    before = old, reference.mth(leaves[:old])

    def included(path):
        if reference.root_by(leaves[index], index, size, path) != head[1]:
            raise Bad("not the root")

    for path, accept in (
        (proofs.inclusion(tiles, index, size), included),
        (proofs.consistency(tiles, old, size), lambda path: check_consistency(before, head, path)),
    ):
        accept(path)
        at = data.draw(st.integers(0, len(path) - 1))
        bit = 1 << data.draw(st.integers(0, 255))
        flipped = (int.from_bytes(path[at], "big") ^ bit).to_bytes(32, "big")
        for other in ([*path[:at], flipped, *path[at + 1 :]], [*path[:at], *path[at + 1 :]], [*path, path[at]], path[::-1]):
            if other != path:
                with pytest.raises(Bad):
                    accept(other)


@settings(max_examples=60, deadline=None)
@given(size=st.integers(0, SIZE), data=st.data())
def test_a_range_with_what_stands_before_and_after_gives_the_root(tiles, leaves, reference, size, data):
    first = data.draw(st.integers(0, size))
    end = data.draw(st.integers(first, size))
    text = proofs.range_file(tiles, first, end - first, size).decode()
    head, before, after = text.partition("before\n")[0], *text.partition("before\n")[2].split("after\n")
    assert head == f"leaves {first} {end - first} {size}\n"
    assert before == proofs.hash_lines(reference.edge(leaves[:first]))
    roots, at = [], end
    while at < size:
        width = 1
        while at % (2 * width) == 0 and at + 2 * width <= size:
            width *= 2
        roots.append(reference.mth(leaves[at : at + width]))
        at += width
    assert after == proofs.hash_lines(roots)


def test_the_text_of_a_tlog_proof():
    text = proofs.tlog_proof(7, [b"\x00" * 32, b"\xff" * 32], b"NOTE\n", b"\x01" * 16)
    assert text.decode().split("\n") == [
        "c2sp.org/tlog-proof@v1",
        "extra AQEBAQEBAQEBAQEBAQEBAQ==",
        "index 7",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "//////////////////////////////////////////8=",
        "",
        "NOTE",
        "",
    ]
    assert proofs.tlog_proof(0, [], b"NOTE\n") == b"c2sp.org/tlog-proof@v1\nindex 0\n\nNOTE\n"


def test_the_text_of_a_consistency_proof():
    text = proofs.consistency_file(3, [b"\x00" * 32], b"NOTE\n")
    assert text == b"old 3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\nNOTE\n"
    assert proofs.consistency_file(0, [], b"NOTE\n") == b"old 0\n\nNOTE\n"
