"""Tiles against a recursive RFC 6962: which files there are, what stands in them, and that none ever changes."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit_pipelines.errors import EvidenceError, SealError
from audit_pipelines.seal.standalone import Edge
from audit_pipelines.seal.tiles import (
    Tiles,
    TileWriter,
    forget_partial,
    parents,
    subtree_root,
    tile_name,
    tile_path,
    write_once,
)


def write(folder, leaves, *sizes):
    """Grow the tree in ``folder`` to each of ``sizes``; the last edge."""
    at, edge = 0, None
    for size in sizes:
        writer = TileWriter(folder, at)
        writer.extend(b"".join(leaves[at:size]))
        edge, at = writer.finish(), size
    return edge


def files(folder):
    return {path.relative_to(folder / "tile").as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("number", "name"),
    [(0, "000"), (67, "067"), (999, "999"), (1000, "x001/000"), (1234067, "x001/x234/067"), (10**9, "x001/x000/x000/000")],
)
def test_the_name_of_a_tile_is_in_groups_of_three_digits(number, name):
    assert tile_name(number) == name


def test_a_partial_tile_has_its_width_in_its_name(tmp_path):
    assert tile_path(tmp_path, 1, 1000, 3) == tmp_path / "tile/1/x001/000.p/3"
    assert tile_path(tmp_path, "entries", 0) == tmp_path / "tile/entries/000"


def test_parents_and_subtree_roots_are_those_of_the_rfc(reference):
    leaves = reference.numbered(8)
    assert parents(b"".join(leaves[:4])) == reference.node(*leaves[:2]) + reference.node(*leaves[2:4])
    for count in (1, 2, 4, 8):
        assert subtree_root(b"".join(leaves[:count])) == reference.mth(leaves[:count])


@pytest.mark.parametrize(
    ("size", "names"),
    [
        (0, set()),
        (1, {"0/000.p/1"}),
        (255, {"0/000.p/255"}),
        (256, {"0/000", "1/000.p/1"}),
        (257, {"0/000", "0/001.p/1", "1/000.p/1"}),
    ],
)
def test_the_files_of_a_tree(tmp_path, reference, size, names):
    leaves = reference.numbered(size)
    edge = write(tmp_path, leaves, size)
    assert files(tmp_path) == names
    assert (edge.size, edge.nodes, edge.root()) == (size, reference.edge(leaves), reference.mth(leaves))


def test_a_third_level_begins_at_65536_leaves(tmp_path, reference):
    leaves = reference.numbered(65_536)
    edge = write(tmp_path, leaves, 65_536)
    assert edge.root() == reference.mth(leaves) == Tiles(tmp_path).node(16, 0)
    assert {name for name in files(tmp_path) if not name.startswith("0/")} == {"1/000", "2/000.p/1"}
    assert (tmp_path / "tile/2/000.p/1").read_bytes() == edge.root()
    third = Tiles(tmp_path).tile(1, 0, 3)[64:]
    assert third == reference.mth(leaves[512:768])


@settings(max_examples=30, deadline=None)
@given(steps=st.lists(st.sampled_from([1, 2, 3, 7, 100, 255, 256, 257, 300]), min_size=1, max_size=6), data=st.data())
def test_random_growth_gives_the_reference_tree(scratch, reference, steps, data):
    sizes = [sum(steps[: at + 1]) for at in range(len(steps))]
    leaves = reference.numbered(sizes[-1])
    with scratch() as folder:
        at = 0
        for number, size in enumerate(sizes):
            writer = TileWriter(folder, at)
            cut = data.draw(st.integers(at, size))
            writer.extend(b"".join(leaves[at:cut]))
            writer.extend(b"".join(leaves[cut:size]))
            edge, at = writer.finish(), size
            assert (edge.size, edge.nodes) == (size, reference.edge(leaves[:size]))
            if data.draw(st.booleans()):
                forget_partial(folder, sizes[: number + 1], range(3))
        tiles = Tiles(folder)
        first = data.draw(st.integers(0, at))
        last = data.draw(st.integers(first, at))
        assert tiles.leaves(first, last) == b"".join(leaves[first:last])
        height = data.draw(st.integers(0, at.bit_length() - 1))
        index = data.draw(st.integers(0, (at >> height) - 1))
        assert tiles.node(height, index) == reference.mth(leaves[index << height : (index + 1) << height])


def test_growing_changes_no_file_that_is_there(tmp_path, reference):
    leaves = reference.numbered(600)
    write(tmp_path, leaves, 200, 300)
    before = {
        path: (path.read_bytes(), path.stat().st_ino, path.stat().st_mtime_ns) for path in tmp_path.rglob("*") if path.is_file()
    }
    writer = TileWriter(tmp_path, 300)
    writer.extend(b"".join(leaves[300:]))
    writer.finish()
    assert before == {path: (path.read_bytes(), path.stat().st_ino, path.stat().st_mtime_ns) for path in before}


def test_the_same_leaves_again_write_nothing(tmp_path, reference):
    leaves = reference.numbered(300)
    write(tmp_path, leaves, 300)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    write(tmp_path, leaves, 300)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}


@pytest.mark.parametrize("size", [100, 256, 300])
def test_other_leaves_at_the_same_place_are_refused(tmp_path, reference, size):
    write(tmp_path, reference.numbered(size), size)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    writer = TileWriter(tmp_path, 0)
    writer.extend(b"".join(reference.numbered(size, start=1)))
    with pytest.raises(SealError, match=r"tile/0/000\S*: is there with other content \(the log would fork"):
        writer.finish()
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_a_file_is_written_once_and_not_half(tmp_path):
    path = tmp_path / "a" / "b"
    write_once({path: b"one"})
    write_once({path: b"one"})
    (tmp_path / "a" / "c.new").write_bytes(b"ha")
    write_once({tmp_path / "a" / "c": b"half"})
    assert {item.name: item.read_bytes() for item in path.parent.iterdir()} == {"b": b"one", "c": b"half"}
    with pytest.raises(SealError, match="a/b: is there with other content"):
        write_once({tmp_path / "a" / "d": b"x", path: b"two"})
    assert path.read_bytes() == b"one"


def test_a_name_that_was_there_is_made_durable_too(tmp_path, monkeypatch):
    """A process killed between its rename and its fsync leaves a name that a power cut could still take."""
    (tmp_path / "tile").mkdir()
    (tmp_path / "tile" / "x").write_bytes(b"one")
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(Path(f"/proc/self/fd/{descriptor}").readlink()))
    write_once({tmp_path / "tile" / "x": b"one"})
    assert synced == [tmp_path / "tile"]


# --- partial tiles --------------------------------------------------------------------------------------------


def test_partial_tiles_go_when_the_full_one_is_there(tmp_path, reference):
    leaves = reference.numbered(1000)
    write(tmp_path, leaves, 100, 200)
    forget_partial(tmp_path, [100, 200], range(3))
    assert files(tmp_path) == {"0/000.p/100", "0/000.p/200"}
    write(tmp_path, leaves, 200, 300)
    forget_partial(tmp_path, [100, 200, 300], range(3))
    assert files(tmp_path) == {"0/000", "0/001.p/44", "1/000.p/1"}


def test_partial_tiles_go_too_where_the_log_grew_by_several_tiles(tmp_path, reference):
    write(tmp_path, reference.numbered(1000), 100, 1000)
    forget_partial(tmp_path, [100, 1000], range(3))
    assert files(tmp_path) == {"0/000", "0/001", "0/002", "0/003.p/232", "1/000.p/3"}


def test_partial_tiles_of_upper_levels_go_too(tmp_path, reference):
    write(tmp_path, reference.numbered(66_000), 600, 66_000)
    forget_partial(tmp_path, [600, 66_000], range(3))
    assert {name for name in files(tmp_path) if ".p/" in name} == {"0/257.p/208", "1/001.p/1", "2/000.p/1"}


def test_what_a_kill_in_the_middle_leaves_is_found_by_the_next_call(tmp_path, reference, dying):
    sizes = [100, 300, 600, 900, 1200]
    wanted = None
    for step in range(20):
        folder = tmp_path / str(step)
        write(folder, reference.numbered(1200), *sizes)
        dying(lambda folder=folder: forget_partial(folder, sizes, range(3)), step)
        forget_partial(folder, sizes, range(3))
        wanted = wanted or files(folder)
        assert files(folder) == wanted
    assert wanted == {"0/000", "0/001", "0/002", "0/003", "0/004.p/176", "1/000.p/1", "1/000.p/2", "1/000.p/3", "1/000.p/4"}


def test_trees_of_older_checkpoints_are_read_after_their_partial_tiles_went(tmp_path, reference):
    leaves = reference.numbered(700)
    write(tmp_path, leaves, 100, 300, 700)
    forget_partial(tmp_path, [100, 300, 700], range(3))
    writer = TileWriter(tmp_path, 300)
    assert writer.edge().root() == reference.mth(leaves[:300])
    assert Tiles(tmp_path).leaves(0, 100) == b"".join(leaves[:100])


# --- damage ---------------------------------------------------------------------------------------------------


def test_a_missing_tile_is_named(tmp_path, reference):
    write(tmp_path, reference.numbered(600), 600)
    (tmp_path / "tile/0/001").unlink()
    with pytest.raises(EvidenceError, match=r"tile/0/001: a tile cannot be read"):
        Tiles(tmp_path).leaves(200, 600)
    with pytest.raises(EvidenceError, match=r"tile/0/001: a tile is missing"):
        Tiles(tmp_path).node(3, 33)


def test_a_tile_of_another_length_is_named(tmp_path, reference):
    write(tmp_path, reference.numbered(600), 600)
    for name in ("0/001", "0/002.p/88"):
        path = tmp_path / "tile" / name
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(EvidenceError, match=r"tile/0/001: a tile of 8191 bytes, 8192 are right"):
        Tiles(tmp_path).leaves(0, 300)
    with pytest.raises(EvidenceError, match=r"tile/0/002.p/88: a tile of 2815 bytes, 2816 are right"):
        TileWriter(tmp_path, 600)


def test_the_edge_of_a_writer_is_that_of_the_tree_before_anything_is_added(tmp_path, reference):
    leaves = reference.numbered(513)
    write(tmp_path, leaves, 513)
    assert TileWriter(tmp_path, 513).edge() == Edge(513, reference.edge(leaves))
    assert TileWriter(tmp_path / "empty", 0).edge() == Edge()
