"""Commit and recovery, rejects and replay, rederivation, inspection: what stands on disk."""

import json
import random
from datetime import date

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit_pipelines import batch as manifest
from audit_pipelines.errors import LakeError
from audit_pipelines.lake import commit, derive, rejects, replay
from audit_pipelines.lake.inspect import inspect
from audit_pipelines.lake.read import connect, relate
from audit_pipelines.lake.rederive import missing, rederive
from audit_pipelines.record import parse_dialect


def mixed(lake):
    """A lake of two batches with conflicts, idless copies, an address and an id that ends like a conflict."""
    lake.run(
        [lake.record("a", ip="2001:DB8:0::1"), lake.record("a", v=2), lake.record(None), lake.record(None), b"junk"], asked=[5]
    )
    lake.run([lake.record("b~2", 6, 9), lake.record("b", 6, 1), lake.record("a", v=3)])
    return lake


def again(lake, files=None):
    pairs = [(batch, file) for batch in lake.batches() for file in batch.evidence]
    return rederive(lake.home, pairs if files is None else files, lambda _name: lake.dialect)


# --- commit and recovery


def test_recovery_removes_what_the_intent_names_and_no_stray(lake):
    mixed(lake)
    before = lake.tree()
    torn = lake.home.evidence("src", date(2026, 1, 7), 99, 1)
    stray = lake.home.evidence("src", date(2026, 1, 7), 500, 1)
    torn.parent.mkdir(parents=True)
    for path in (torn, stray):
        path.write_bytes(b"x")
    committed = lake.files()[0].path
    (lake.home.state / "intent.json").write_text(json.dumps([lake.home.relative(torn), committed, "evidence/none.zst"]))
    assert commit.recover(lake.home, lake.batches()) == [lake.home.relative(torn)]
    assert lake.tree().keys() == {*before, lake.home.relative(stray)}
    assert not (lake.home.state / "intent.json").exists()
    assert commit.recover(lake.home, lake.batches()) == []


@pytest.mark.parametrize("content", [b"", b"{", b"null", b'{"a":1}', b"\xff", b"[1]"])
def test_a_damaged_intent_removes_nothing(lake, content):
    mixed(lake)
    before = lake.tree()
    (lake.home.state / "intent.json").write_bytes(content)
    assert commit.recover(lake.home, lake.batches()) == []
    assert lake.tree() == before


def test_a_stray_at_a_final_name_is_never_overwritten(lake):
    stray = lake.home.evidence("src", date(2026, 1, 5), 0, 1)
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"evidence from a backup")
    with pytest.raises(LakeError, match="in the way"):
        lake.run([lake.record("a", 5)])
    assert stray.read_bytes() == b"evidence from a backup"
    assert lake.batches() == ()
    stray.unlink()
    assert lake.run([lake.record("a", 5)]).batch.seq == 1


@pytest.mark.parametrize(
    "change",
    [
        {"size": 9},
        {"days": ()},
        {"evidence": ()},
        {"rejects": None},
        {"days": (manifest.DayCount(day=date(2026, 1, 6), events=4), manifest.DayCount(day=date(2026, 1, 5), events=0))},
    ],
)
def test_a_batch_that_does_not_add_up_is_refused(lake, change):
    batch = mixed(lake).batches()[0]
    commit.reconcile(batch)
    with pytest.raises(LakeError, match="batch 1"):
        commit.reconcile(msgspec.structs.replace(batch, **change))


# --- rejects and replay


def test_rejects_keep_bytes_position_and_reason(lake):
    raw = b'{"id":"\xff","t":1}'
    batch = lake.run([lake.record("a"), raw, b"junk", b"junk"]).batch
    kept = list(rejects.read(lake.home, batch.rejects))
    assert [(reject.raw, reject.position, reject.origin, reject.source) for reject in kept] == [
        (raw, 2, "memory", "src"),
        (b"junk", 3, "memory", "src"),
        (b"junk", 4, "memory", "src"),
    ]
    assert len({reject.identity for reject in kept}) == 3
    assert kept[0].reason.startswith("no valid UTF-8")


def test_a_damaged_reject_file_is_a_lake_error(lake):
    file = lake.run([b"junk%d" % n for n in range(50)]).batch.rejects
    path = lake.home.root / file.path
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2], whole[:40] + b"\0" + whole[41:]):
        path.write_bytes(content)
        with pytest.raises(LakeError, match="restore it"):
            list(rejects.read(lake.home, file))
    path.unlink()
    with pytest.raises(LakeError, match="restore it"):
        list(rejects.read(lake.home, file))


def test_a_mended_dialect_replays_rejects_once_and_keeps_them(lake, sums):
    old = lake.dialect
    lake.run([b'{"id":"a","when":1}', b"junk"])
    lake.dialect = parse_dialect("plain", old.sql.replace("-- time: t", "-- time: t, when"), where="test")
    open_ones = replay.unresolved(lake.home, lake.batches())
    ready = replay.readable(open_ones, lake.dialect)
    assert [reject.raw for reject in ready] == [b'{"id":"a","when":1}']
    pieces = list(replay.RejectSource(ready).read([]))
    outcome = lake.run(*pieces, replayed=[reject.identity for reject in ready])
    assert sums(outcome)[:2] == (1, 1)
    assert [reject.raw for reject in replay.unresolved(lake.home, lake.batches())] == [b"junk"]
    assert lake.batches()[0].rejects.count == 2
    assert lake.run([b'{"id":"a","when":1}', b"junk"]).batch is None


# --- rederive


def test_lost_parquet_is_made_again_byte_for_byte(lake):
    before = mixed(lake).tree()
    for file in lake.files():
        (lake.home.root / file.events).unlink()
    lost = missing(lake.home, lake.batches())
    assert len(lost) == len(lake.files())
    assert again(lake, lost).changed == len(lost)
    assert lake.tree() == before
    assert again(lake).changed == 0


def test_a_changed_dialect_changes_columns_but_no_uid(lake):
    uids = mixed(lake).uids()
    lake.dialect = parse_dialect("plain", lake.dialect.sql.replace("record ->> '$.action'", "'changed'"), where="test")
    assert again(lake).changed == len(lake.files())
    assert lake.uids() == uids
    assert set(lake.rows("action")) == {("changed",)}


def test_a_header_that_old_records_do_not_fit_is_refused(lake):
    before = mixed(lake).tree()
    lake.dialect = parse_dialect("plain", lake.dialect.sql.replace("-- time: t", "-- time: other"), where="test")
    with pytest.raises(LakeError, match="line 0 is no event"):
        again(lake)
    assert lake.tree() == before


@pytest.mark.parametrize(
    ("old", "new"),
    [("-- id: id\n", "-- id: v\n"), ("-- id: id\n", "-- id:\n"), ("-- unit: ms", "-- unit: s"), ("-- time: t", "-- time: v, t")],
)
def test_no_dialect_may_change_a_stored_uid_or_time(lake, old, new):
    lake.run([b'{"id":"a","t":1000,"v":2000}', b'{"id":"b","t":3000,"v":1}'])
    before = lake.tree()
    lake.dialect = parse_dialect("plain", lake.dialect.sql.replace(old, new), where="test")
    with pytest.raises(LakeError, match="the dialect's header changed"):
        again(lake)
    assert lake.tree() == before


def test_lost_parquet_is_not_made_with_other_times(lake):
    lake.run([b'{"id":"a","t":1000}'])
    (lake.home.root / lake.files()[0].events).unlink()
    lake.dialect = parse_dialect("plain", lake.dialect.sql.replace("unit: ms", "unit: s"), where="test")
    with pytest.raises(LakeError, match="other times than the manifest says"):
        again(lake)


def test_a_spoiled_uid_is_mended_from_the_evidence(lake):
    before = mixed(lake).tree()
    path = lake.home.root / lake.files()[0].events
    table = pq.read_table(path, partitioning=None)
    column = table.column_names.index("uid")
    pq.write_table(table.set_column(column, "uid", pa.array(["src/x"] * len(table))), path)
    assert again(lake).changed == 1
    assert lake.tree() == before


def test_many_row_groups_and_threads_give_the_same_bytes(lake, monkeypatch):
    monkeypatch.setattr(derive, "ROW_GROUP", 2048)
    chance = random.Random(7)
    lake.run(*[[lake.record(f"e{at}-{n}", 5, chance.randrange(86_400)) for n in range(3000)] for at in range(4)])
    path = lake.home.root / lake.files()[0].events
    before = path.read_bytes()
    assert pq.read_metadata(path).num_row_groups > 3
    path.unlink()
    again(lake)
    assert path.read_bytes() == before


def test_damaged_or_missing_evidence_is_never_turned_into_rows(lake):
    path = lake.home.root / mixed(lake).files()[0].path
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    before = lake.tree()
    with pytest.raises(LakeError, match="the manifest says"):
        again(lake)
    assert lake.tree() == before
    path.unlink()
    with pytest.raises(LakeError, match="missing"):
        again(lake)


# --- inspection


def spoiled(lake, statement):
    """The problems found after the first Parquet was written anew by ``statement`` over relation ``t``."""
    batch = mixed(lake).batches()[0]
    path = lake.home.root / batch.evidence[0].events
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"CREATE TABLE t AS SELECT * FROM read_parquet('{path}', hive_partitioning = false)")
    connection.execute(f"COPY ({statement}) TO '{path}' (FORMAT parquet)")
    return {problem.check for problem in inspect(lake.home, batch)}


def test_a_sound_batch_has_no_problem(lake):
    for batch in mixed(lake).batches():
        assert inspect(lake.home, batch) == []


@pytest.mark.parametrize(
    ("statement", "check"),
    [
        ("SELECT * FROM t LIMIT 1", "counts_reconcile"),
        ("SELECT * EXCLUDE action FROM t", "schema"),
        ("SELECT * REPLACE (CAST(line AS BIGINT) AS line) FROM t", "schema"),
        ("SELECT * REPLACE ('src/a' AS uid) FROM t", "uid_unique"),
        ("SELECT * FROM t ORDER BY event_id DESC, line", "row_order"),
        ("SELECT * REPLACE (occurred_at + INTERVAL 1 DAY AS occurred_at) FROM t", "row_order"),
    ],
)
def test_each_check_finds_its_fault(lake, statement, check):
    assert check in spoiled(lake, statement)


def test_evidence_of_another_size_or_gone_is_found(lake):
    batch = mixed(lake).batches()[0]
    path = lake.home.root / batch.evidence[0].path
    path.write_bytes(path.read_bytes() + b"x")
    assert {problem.check for problem in inspect(lake.home, batch)} == {"counts_reconcile"}
    path.unlink()
    assert "is missing" in inspect(lake.home, batch)[0].text


def test_a_reject_file_of_another_size_or_gone_is_found(lake):
    batch = mixed(lake).batches()[0]
    path = lake.home.root / batch.rejects.path
    path.write_bytes(path.read_bytes()[:-1])
    assert [(problem.check, problem.day) for problem in inspect(lake.home, batch)] == [("counts_reconcile", None)]
    path.unlink()
    assert "is missing" in inspect(lake.home, batch)[0].text


def test_a_uid_that_an_earlier_batch_has_on_the_same_day_is_found(lake):
    lake.run([lake.record("a")])
    lake.run([lake.record("b")])
    first, second = lake.batches()
    assert inspect(lake.home, second, [first]) == []
    path = lake.home.root / second.evidence[0].events
    table = pq.read_table(path, partitioning=None)
    column = table.column_names.index("uid")
    pq.write_table(table.set_column(column, "uid", pa.array(["src/a"])), path)
    assert inspect(lake.home, second) == []
    assert [problem.check for problem in inspect(lake.home, second, [first])] == ["uid_unique"]


def test_a_torn_parquet_is_a_problem_not_a_crash(lake):
    batch = mixed(lake).batches()[0]
    (lake.home.root / batch.evidence[0].events).write_bytes(b"PAR1")
    assert {problem.day for problem in inspect(lake.home, batch)} == {date(2026, 1, 5)}


# --- the relation


def test_leaf_index_runs_through_all_files_in_evidence_order(lake):
    rows = mixed(lake).rows("leaf_index, event_id, uid, source_ip")
    assert [row[0] for row in rows] == list(range(len(lake.stored())))
    for (_, event_id, _, _), record in zip(rows, lake.stored(), strict=True):
        assert json.loads(record).get("id", event_id) == event_id
    assert rows[0][3] == "2001:db8::1"


def test_no_files_are_an_empty_relation_with_the_same_columns(lake):
    connection = connect(threads=1)
    relate(connection, lake.home, [])
    assert connection.execute("SELECT * FROM events").fetchall() == []
    empty = connection.execute("DESCRIBE events").fetchall()
    relate(connection, lake.home, mixed(lake).files())
    assert connection.execute("DESCRIBE events").fetchall() == empty


def test_a_missing_parquet_is_named(lake):
    (lake.home.root / mixed(lake).files()[0].events).unlink()
    with pytest.raises(LakeError, match="rederive"):
        relate(connect(threads=1), lake.home, lake.files())
