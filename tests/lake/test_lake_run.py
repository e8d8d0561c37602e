"""A run takes every record exactly once: as an event, a duplicate, a new reject or a known one."""

import random
from collections import Counter
from datetime import date

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit_pipelines.errors import LakeError, SourceError
from audit_pipelines.lake import chunks, ids, intake, known
from audit_pipelines.lake.inspect import inspect
from audit_pipelines.lake.run import Feed
from audit_pipelines.record import Block, Refusal, parse_dialect

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture
def small(monkeypatch):
    """Chunks of a few lines and little room, so that every way of closing a chunk is taken."""
    monkeypatch.setattr(chunks, "CHUNK_LINES", 5)
    monkeypatch.setattr(chunks, "OPEN_BYTES", 300)


@pytest.fixture
def colliding(monkeypatch):
    """All ids fall on three hashes."""

    def few(texts, count):
        return np.fromiter((len(text) % 3 for text in texts), np.uint64, count)

    for module in (ids, intake, known):
        if hasattr(module, "hash_ids"):
            monkeypatch.setattr(module, "hash_ids", few)


def test_first_run_stores_everything_and_counts_it(lake, sums):
    outcome = lake.run([lake.record("a", 5), lake.record("b", 6)], asked=[5, 6, 7])
    assert sums(outcome) == (2, 2, 0, 0, 0, 0)
    assert [(day.day.day, day.events) for day in outcome.batch.days] == [(5, 1), (6, 1), (7, 0)]
    assert outcome.batch.asked == (date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 7))
    assert lake.uids() == ["src/a", "src/b"]
    assert inspect(lake.home, outcome.batch) == []


def test_reading_again_makes_no_batch_and_changes_no_file(lake, sums):
    block = [lake.record("a"), lake.record("b", 6), b"junk", lake.record(None), lake.record(None), lake.record("a", x=1)]
    lake.run(block, asked=[5])
    before = lake.tree()
    outcome = lake.run(block, asked=[5])
    assert outcome.batch is None
    assert sums(outcome) == (6, 0, 5, 0, 0, 1)
    assert lake.tree() == before


def test_no_records_and_no_days_make_no_batch(lake):
    assert lake.run().batch is None
    assert lake.tree() == {}


def test_an_asked_day_without_events_makes_one_batch_once(lake):
    assert [day.events for day in lake.run(asked=[5]).batch.days] == [0]
    assert lake.run(asked=[5]).batch is None


def test_an_asked_day_that_the_source_did_not_give_is_not_covered(lake):
    assert lake.run(asked=[5], covers=[]).batch is None


@pytest.mark.usefixtures("small")
def test_duplicates_are_found_in_the_block_the_open_chunk_a_closed_chunk_and_an_earlier_batch(lake, sums):
    lake.run([lake.record("old")])
    first = [lake.record(f"e{n}", second=n) for n in range(7)]  # a closed chunk of 5, an open one of 2
    again = [first[0], first[6], lake.record("old"), lake.record("new"), lake.record("new")]
    outcome = lake.run(first, again)
    assert sums(outcome) == (12, 8, 4, 0, 0, 0)
    assert sorted(lake.uids()) == sorted(["src/old", "src/new", *(f"src/e{n}" for n in range(7))])


@pytest.mark.usefixtures("small")
def test_conflicts_are_numbered_wherever_the_first_record_stands(lake, sums):
    lake.run([lake.record("a", v=1)])
    outcome = lake.run([lake.record("a", v=2), lake.record("a", v=3)], [lake.record("a", v=4), lake.record("a", v=2)])
    assert sums(outcome) == (4, 3, 1, 3, 0, 0)
    assert sorted(lake.uids()) == ["src/a", "src/a~2", "src/a~3", "src/a~4"]
    assert lake.run([lake.record("a", v=n) for n in (4, 3, 2, 1)]).batch is None


def test_the_same_id_on_another_day_is_a_conflict_of_the_whole_home(lake, sums):
    lake.run([lake.record("a", 5)])
    outcome = lake.run([lake.record("a", 6)])
    assert sums(outcome) == (1, 1, 0, 1, 0, 0)
    assert lake.uids() == ["src/a", "src/a~2"]


def test_the_same_id_in_another_source_is_another_event(lake):
    lake.run([lake.record("a")])
    lake.run([lake.record("a")], source="other")
    assert lake.uids() == ["src/a", "other/a"]


def test_ids_that_end_like_a_conflict_never_share_a_uid_with_one(lake):
    lake.run([lake.record("a", v=1), lake.record("a", v=2), lake.record("a~2"), lake.record("a~2", v=1), lake.record("a~2~1")])
    assert sorted(lake.uids()) == ["src/a", "src/a~2", "src/a~2~1", "src/a~2~1~1", "src/a~2~2"]


def test_equal_records_without_an_id_are_all_kept_and_found_again(lake, sums):
    copy = lake.record(None)
    assert sums(lake.run([copy, copy], [copy]))[1] == 3
    assert len(set(lake.uids())) == 3
    assert lake.run([copy], [copy, copy]).batch is None
    assert sums(lake.run([copy] * 4)) == (4, 1, 3, 0, 0, 0)


def test_numbers_as_ids_are_texts_and_an_empty_id_is_none(lake):
    lake.run([lake.record(7), lake.record(""), b'{"id":null,"t":1}', b'{"id":[1],"t":1}'])
    found = sorted(lake.uids())
    assert found[0] == "src/7"
    assert all(uid.startswith("src/sha256:") for uid in found[1:])
    assert len(found) == 4


def test_events_of_a_day_that_was_read_before_are_late(lake):
    lake.run([lake.record("a", 5)], asked=[5, 6])
    batch = lake.run([lake.record("b", 5), lake.record("c", 6), lake.record("d", 7)]).batch
    assert [(day.day.day, day.events, day.late) for day in batch.days] == [(5, 1, 1), (6, 1, 1), (7, 1, 0)]
    assert batch.sources[0].late == 2


def test_a_stray_carriage_return_between_tokens_becomes_a_space(lake):
    lake.run([b'{"id":"a",\r"t":1}'])
    assert lake.stored() == [b'{"id":"a", "t":1}']
    assert lake.run([b'{"id":"a",\r"t":1}']).batch is None


def test_refused_bytes_are_rejects(lake, sums):
    refusal = Refusal(b"\x00\xff", "memory", 3, "no record")
    assert sums(lake.run([lake.record("a")], refusal, refusal)) == (3, 1, 0, 0, 2, 0)
    assert sums(lake.run(refusal, refusal, refusal)) == (3, 0, 0, 0, 1, 2)


def test_members_of_another_type_are_counted(lake):
    outcome = lake.run([b'{"id":"a","t":1,"o":3}', b'{"id":"b","t":1,"a":{}}', b'{"id":"c","t":1,"o":{},"a":[]}'])
    assert outcome.sources[0].mistyped == 2


def test_same_records_salts_clock_and_run_id_give_the_same_bytes(new_lake):
    trees = []
    for _ in range(2):
        lake = new_lake()
        lake.run([lake.record(f"e{n}", 5 + n % 3, n) for n in range(50)] + [b"junk", lake.record(None)], asked=[5])
        lake.run([lake.record("e0", 9), lake.record("late", 5)])
        trees.append(lake.tree())
    assert trees[0] == trees[1]
    assert len(trees[0]) > 8


def test_a_failing_source_keeps_what_came_before_and_covers_nothing(lake):
    outcome = lake.run([lake.record("a")], asked=[5], failure=SourceError("gone", where="memory"))
    assert lake.uids() == ["src/a"]
    assert outcome.errors == {"src": "memory: gone"}
    assert (outcome.batch.asked, outcome.batch.sources[0].covers) == ((), ())


def test_a_source_that_cannot_be_opened_does_not_keep_the_others_out(lake):
    def fails():
        raise SourceError("no token")

    good = lake.block([lake.record("a")])

    class Good:
        def read(self, days):
            yield good

        def covers(self, days, today):
            return ()

    outcome = lake.run_feeds([Feed("bad", "files", lake.dialect, fails), Feed("src", "files", lake.dialect, Good)])
    assert outcome.errors == {"bad": "no token"}
    assert lake.uids() == ["src/a"]


@pytest.mark.parametrize(
    "sql",
    [
        "SELEC nonsense",
        "SELECT line FROM records",
        "SELECT * FROM records WHERE false",
        "SELECT error('no') FROM records",
    ],
)
@pytest.mark.usefixtures("small")
def test_a_broken_dialect_commits_nothing_and_ends(lake, sql):
    lake.run([lake.record("a")])
    before, good = lake.tree(), lake.dialect
    lake.dialect = parse_dialect("broken", "-- id: id\n-- time: t\n" + sql, where="test")
    with pytest.raises(LakeError, match="dialect broken"):
        lake.run(*[[lake.record(f"e{day}-{n}", day, n) for n in range(9)] for day in range(1, 12)])
    assert lake.tree() == before
    lake.dialect = good
    assert lake.run([lake.record("b")]).batch.seq == 2


def test_a_dialect_that_loses_or_doubles_rows_is_refused(lake):
    whole = lake.dialect.sql
    one_twice = " WHERE event_id <> 'a' UNION ALL SELECT * FROM (" + whole + ") WHERE event_id <> 'a'"
    for end in (" WHERE event_id <> 'a'", ", range(2)", one_twice):
        lake.dialect = parse_dialect("odd", whole + end, where="test")
        with pytest.raises(LakeError, match="lines for 2 records"):
            lake.run([lake.record("a"), lake.record("b")])
        assert lake.tree() == {}


def test_an_unexpected_failure_of_a_source_commits_nothing(lake):
    with pytest.raises(ZeroDivisionError):
        lake.run([lake.record("a")], failure=ZeroDivisionError())
    assert lake.tree() == {}


@pytest.mark.usefixtures("colliding", "small")
def test_ids_that_share_a_hash_are_never_merged(lake, sums):
    block = [lake.record(f"e{n:03d}", 5 + n % 2, n) for n in range(40)] + [lake.record(None)] * 3
    assert sums(lake.run(block[:20], block[20:])) == (43, 43, 0, 0, 0, 0)
    assert len(set(lake.uids())) == 43
    assert lake.run(block).batch is None
    assert sums(lake.run([lake.record("e000", v=1)])) == (1, 1, 0, 1, 0, 0)
    assert "src/e000~2" in lake.uids()


@pytest.mark.usefixtures("colliding")
def test_a_further_copy_without_an_id_is_none_of_the_first_even_under_its_hash(lake, sums):
    copy = lake.record(None)
    assert sums(lake.run([copy], [copy])) == (2, 2, 0, 0, 0, 0)
    assert lake.run([copy], [copy]).batch is None


def test_a_lone_chunk_of_large_records_is_closed_before_it_is_full(lake, monkeypatch):
    """Memory is bounded by bytes too: 131,072 records of 1 MB must not wait for each other."""
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 2000)
    batch = lake.run(*[[lake.record(f"e{n}", 5, n, z="x" * 900)] for n in range(7)]).batch
    assert [file.count for file in batch.evidence] == [2, 2, 2, 1] or [file.count for file in batch.evidence] == [3, 3, 1]
    assert lake.uids() == [f"src/e{n}" for n in range(7)]


@pytest.mark.parametrize(("setting", "value"), [("OPEN_FILES", 2), ("OPEN_BYTES", 1), ("CHUNK_LINES", 1)])
def test_days_in_any_order_need_few_open_files(lake, monkeypatch, setting, value):
    monkeypatch.setattr(chunks, setting, value)
    records = [lake.record(f"e{n}", 1 + n * 7 % 20, n) for n in range(60)]
    batch = lake.run(*[records[at : at + 4] for at in range(0, 60, 4)]).batch
    assert inspect(lake.home, batch) == []
    assert [(file.source, file.day) for file in batch.evidence] == sorted((file.source, file.day) for file in batch.evidence)
    assert sorted(lake.stored()) == sorted(records)
    assert sorted(lake.uids()) == sorted(f"src/e{n}" for n in range(60))
    assert lake.run(records).batch is None


def test_the_size_of_blocks_leaves_no_trace(new_lake):
    """The same records in other blocks: the same evidence and Parquet (salts are drawn in the order of records)."""
    trees = []
    for size in (1, 7, 40):
        lake = new_lake()
        records = [lake.record(f"e{n}", 5 + n // 20, n) for n in range(40)]
        stream = counted(32 * 40)
        lake.run(*[records[at : at + size] for at in range(0, 40, size)], salts=stream)
        trees.append({name: digest for name, digest in lake.tree().items() if name.startswith(("evidence", "events"))})
    assert trees[0] == trees[1] == trees[2]


def counted(size):
    """Salts cut from one stream of bytes."""
    stream = random.Random(1).randbytes(size)
    at = 0

    def salts(count):
        nonlocal at
        at += count
        return stream[at - count : at]

    return salts


def test_a_line_end_inside_a_record_breaks_the_run_and_not_the_evidence(lake):
    torn = b'{"id":"a",\n"t":1}'
    with pytest.raises(LakeError, match="a record with a line end inside"):
        lake.run(Block(torn, [torn], [1], "memory"))
    assert lake.tree() == {}


PLANTED = st.one_of(
    st.tuples(st.sampled_from("abcd") | st.sampled_from(["a~2", "b~1"]), st.integers(5, 8), st.integers(0, 2)),
    st.tuples(st.none(), st.integers(5, 6), st.integers(0, 1)),
    st.sampled_from([b"junk", b"[]", b'{"id":"a"}', b'{"id":"\xff","t":1}']),
)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("collide", [False, True])
@FEW
@given(runs=st.lists(st.lists(st.lists(PLANTED, min_size=1, max_size=9), max_size=4), min_size=1, max_size=3))
def test_counts_add_up_for_any_mix(collide, new_lake, sums, runs):
    """Against a plain model: the distinct (id, bytes), the most copies of an idless record in one read."""
    with pytest.MonkeyPatch.context() as patch:
        if collide:
            for module in (intake, known):
                patch.setattr(module, "hash_ids", lambda texts, count: np.zeros(count, np.uint64))
        lake = new_lake()
        ids_seen, copies, junk = set(), Counter(), Counter()
        for blocks in runs:
            made = [[_bytes(lake, planted) for planted in block] for block in blocks]
            flat = [(planted, record) for pair in zip(blocks, made, strict=True) for planted, record in zip(*pair, strict=True)]
            before = (len(ids_seen), copies.total(), junk.total())
            ids_seen |= {record for planted, record in flat if isinstance(planted, tuple) and planted[0] is not None}
            copies |= Counter(record for planted, record in flat if isinstance(planted, tuple) and planted[0] is None)
            junk |= Counter(record for planted, record in flat if isinstance(planted, bytes))
            events = len(ids_seen) + copies.total() - before[0] - before[1]
            rejects = junk.total() - before[2]
            outcome = lake.run(*made)
            found = sums(outcome)
            assert (found[0], found[1], found[4]) == (len(flat), events, rejects)
            assert found[0] == found[1] + found[2] + found[4] + found[5]
            assert outcome.batch is None or inspect(lake.home, outcome.batch) == []
        uids = lake.uids()
        assert len(set(uids)) == len(uids) == len(ids_seen) + copies.total()
        assert Counter(lake.stored()) == Counter(dict.fromkeys(ids_seen, 1)) + copies
        before = lake.tree()
        for blocks in runs:
            assert lake.run(*[[_bytes(lake, planted) for planted in block] for block in blocks]).batch is None
        assert lake.tree() == before


def _bytes(lake, planted):
    if isinstance(planted, bytes):
        return planted
    event_id, day, value = planted
    return lake.record(event_id, day, v=value)
