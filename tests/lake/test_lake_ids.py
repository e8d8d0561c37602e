"""The id index: every place of a hash is found; the files under state/ids are a cache that may be lost."""

import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit_pipelines.errors import LakeError
from audit_pipelines.lake.ids import IdIndex, load_run, save_run
from audit_pipelines.lake.known import IdCache

RUNS = st.lists(st.lists(st.integers(0, 12) | st.just(2**64 - 1), max_size=12), max_size=6)


@settings(max_examples=150, deadline=None)
@given(adopted=RUNS, added=RUNS, asked=st.lists(st.integers(0, 14) | st.just(2**64 - 1), max_size=10))
def test_all_places_of_a_hash_are_found(adopted, added, asked):
    index, places, number = IdIndex(), {}, 0
    for way, runs in (("adopt", adopted), ("add", added)):
        for run in runs:
            hashes = np.array(sorted(run) if way == "adopt" else run, np.uint64)
            locators = np.arange(number, number + len(run), dtype=np.int64)
            for value, locator in zip(hashes.tolist(), locators.tolist(), strict=True):
                places.setdefault(value, set()).add(locator)
            number += len(run)
            getattr(index, way)(hashes, locators)
    assert len(index) == number
    positions, found = index.suspects(np.array(asked, np.uint64))
    pairs = list(zip(positions.tolist(), found.tolist(), strict=True))
    assert sorted(pairs) == sorted((at, place) for at, value in enumerate(asked) for place in places.get(value, ()))


def test_a_run_comes_back_sorted_and_only_whole(tmp_path):
    path = tmp_path / "1-1.npy"
    save_run(path, np.array([3, 1, 2], np.uint64), np.array([30, 10, 20], np.int64))
    hashes, locators = load_run(path, 3)
    assert (hashes.tolist(), locators.tolist()) == ([1, 2, 3], [10, 20, 30])
    assert load_run(path, 4) is None
    assert load_run(tmp_path / "none.npy", 3) is None
    whole = path.read_bytes()
    for end in range(0, len(whole), 5):
        path.write_bytes(whole[:end])
        assert load_run(path, 3) is None


def spoil(path):
    path.write_bytes(b"\0" * path.stat().st_size)


def cut(path):
    path.write_bytes(path.read_bytes()[:-3])


def remove(path):
    path.unlink()


def swap(path):
    path.rename(path.with_name(f"9-9-{path.stem[-16:]}.npy"))


@pytest.mark.parametrize("damage", [spoil, cut, remove, swap])
def test_a_damaged_cache_is_made_again_from_the_lake(lake, damage):
    blocks = [
        [lake.record(f"e{n}-{m}", 5 + m % 3, m) for m in range(20 - n)] + [lake.record(None, v=n)] * (n + 1) for n in range(4)
    ]
    for block in blocks:
        lake.run(block)
    for path in (lake.home.state / "ids" / "src").glob("*.npy"):
        damage(path)
    assert lake.run(*blocks).batch is None
    assert all(lake.run(block).batch is None for block in blocks)


def test_few_files_remain_however_many_batches(lake):
    for number in range(12):
        lake.run([lake.record(f"e{number}")])
    assert len(list((lake.home.state / "ids" / "src").glob("*.npy"))) <= 3
    assert len(IdCache(lake.home, "src").load(lake.batches())) == 12


def test_a_whole_cache_is_used_and_not_made_again(lake):
    for number in range(6):
        lake.run([lake.record(f"e{number}")])
    for file in lake.files():
        (lake.home.root / file.events).write_bytes(b"not to be read")
    assert len(IdCache(lake.home, "src").load(lake.batches())) == 6


def test_a_merge_that_was_cut_off_leaves_a_cache_that_works(lake):
    lake.run([lake.record("a")])
    folder = lake.home.state / "ids" / "src"
    (single,) = folder.glob("1-1-*.npy")
    old = single.read_bytes()
    lake.run([lake.record("b")])
    assert not single.exists()
    single.write_bytes(old)  # the superseded run was not removed yet
    assert len(IdCache(lake.home, "src").load(lake.batches())) == 2
    assert lake.run([lake.record("a"), lake.record("b")]).batch is None


def test_the_cache_of_another_copy_of_the_home_is_not_believed(new_lake):
    """The same number of events in the same batches: only the evidence tells them apart."""
    ours, theirs = new_lake(), new_lake()
    for lake, name in ((ours, "a"), (theirs, "b")):
        lake.run([lake.record(name)])
    shutil.rmtree(ours.home.state / "ids")
    shutil.copytree(theirs.home.state / "ids", ours.home.state / "ids")
    assert ours.run([ours.record("a")]).batch is None
    assert ours.run([ours.record("b")]).batch.seq == 2


def test_a_damaged_parquet_is_named_when_the_cache_is_made_again(lake):
    lake.run([lake.record("a")])
    for path in (lake.home.state / "ids" / "src").glob("*.npy"):
        path.unlink()
    (lake.home.root / lake.files()[0].events).write_bytes(b"PAR1")
    with pytest.raises(LakeError, match="rederive"):
        lake.run([lake.record("b")])


def test_a_crowd_under_one_id_is_numbered_through_and_found_again(lake, sums):
    records = [lake.record("a", v=n) for n in range(40)]
    assert sums(lake.run(records[:15], records[10:30]))[1:4] == (30, 5, 29)
    assert sums(lake.run(records))[1:4] == (10, 30, 10)
    assert sorted(lake.uids()) == sorted(["src/a", *(f"src/a~{n}" for n in range(2, 41))])
    assert lake.run(records[::-1]).batch is None
