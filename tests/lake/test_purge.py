"""Purge: a dry run first, whole files, and nothing that is purged comes back or is missed by a reader."""

import json
from datetime import UTC, date, datetime

import msgspec
import pytest

from audit_pipelines import batch as manifest
from audit_pipelines import removal as removal_module
from audit_pipelines.errors import LakeError
from audit_pipelines.lake import chunks, commit, purge, rederive, replay
from audit_pipelines.lake.inspect import inspect
from audit_pipelines.lake.known import IdCache
from audit_pipelines.removal import removals
from audit_pipelines.retention import Policy

YEAR = Policy(months=12)


def nobody(source, day):
    return False


def on(month, day, year=2027):
    return datetime(year, month, day, 2, tzinfo=UTC)


def purged(lake, at, policy=YEAR, held=nobody):
    """Plan, commit, delete."""
    made = purge.plan(lake.home, lake.batches(), policy, at, held)
    if made.removal:
        purge.commit_removal(lake.home, made.removal)
        purge.delete(lake.home, made.removal)
    return made


def put(lake, name, content=b"x"):
    path = lake.home.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def drop(lake, seq, day, kind="b"):
    """A drop of one file, as stage ``ship`` would publish it."""
    name = f"generic/o.generic.2026{day:%m%d}.{kind}{seq:06d}.p00.ndjson"
    put(lake, f"drops/{name}")
    files = [{"path": name, "sha256": "0" * 64, "min_leaf_index": 0, "max_leaf_index": 3, "rows": 4}]
    body = json.dumps({"formats": [{"format": "generic", "files": files}]})
    put(lake, f"drops/_manifests/{day:%Y%m%d}.{kind}{seq:06d}.manifest.json", body.encode())
    return f"drops/{name}"


def three_days(lake, **kwargs):
    return lake.run([lake.record(f"e{n}", 5 + n % 3, n) for n in range(12)], asked=[5, 6, 7], **kwargs)


def test_a_plan_changes_nothing_and_says_what_would_go(lake):
    three_days(lake)
    before = lake.tree()
    made = purge.plan(lake.home, lake.batches(), YEAR, on(1, 7), nobody)
    assert lake.tree() == before
    (share,) = made.shares
    assert (share.source, share.months, share.limit, share.files, share.events) == ("src", 12, date(2026, 1, 7), 2, 8)
    assert made.days == (date(2026, 1, 5), date(2026, 1, 6))
    assert made.bytes == sum(file.bytes for file in lake.files()[:2])
    entry = made.removal.taken[0]
    assert (entry.path, entry.sha256, entry.count) == (lake.files()[0].path, lake.files()[0].sha256, 4)
    assert (entry.newest, entry.months, entry.limit) == (lake.files()[0].newest, 12, date(2026, 1, 7))
    assert (made.removal.kind, made.removal.ground) == ("purge", "retention")


def test_nothing_is_past_its_limit(lake):
    three_days(lake)
    made = purge.plan(lake.home, lake.batches(), YEAR, on(1, 5), nobody)
    assert (made.removal, made.files, made.days) == (None, 0, ())


def test_the_newest_event_decides_to_the_microsecond(lake):
    def at(text):
        return json.dumps({"id": text, "t": text}).encode()

    lake.run([at("2026-01-05T23:59:59.999999Z")])
    lake.run([at("2026-01-06T00:00:00.000000Z")])
    made = purge.plan(lake.home, lake.batches(), YEAR, on(1, 6), nobody)
    assert [entry.day.day for entry in made.removal.taken] == [5]


def test_sources_have_months_of_their_own_and_holds_keep_a_source_and_day(lake):
    three_days(lake)
    three_days(lake, source="other")
    policy = Policy(months=12, sources={"other": 13})
    assert [share.source for share in purge.plan(lake.home, lake.batches(), policy, on(1, 20), nobody).shares] == ["src"]
    made = purge.plan(lake.home, lake.batches(), YEAR, on(1, 20), lambda source, day: source == "src" and day.day == 6)
    assert [(share.source, [day.day for day in share.days]) for share in made.shares] == [("other", [5, 6, 7]), ("src", [5, 7])]
    assert made.held == 1


def test_what_is_purged_is_gone_from_the_disk_and_from_every_reader(lake):
    three_days(lake)
    gone = lake.files()[:2]
    purged(lake, on(1, 7))
    assert not any((lake.home.root / name).exists() for file in gone for name in (file.path, file.events))
    assert not (lake.home.root / gone[0].path).parent.exists(), "empty folders go too"
    assert lake.uids() == [f"src/e{n}" for n in (2, 5, 8, 11)]
    (batch,) = lake.batches()
    assert inspect(lake.home, batch) == []
    assert rederive.missing(lake.home, lake.batches()) == []
    assert (batch.size, sum(file.count for file in batch.evidence)) == (12, 12)
    assert purge.plan(lake.home, lake.batches(), YEAR, on(1, 7), nobody).removal is None


def test_deleting_again_does_nothing(lake):
    three_days(lake)
    made = purged(lake, on(1, 7))
    assert purge.is_deleted(lake.home, made.removal)
    assert purge.delete(lake.home, made.removal) == 0


def test_events_of_purged_days_are_refused_and_counted_and_make_no_batch(lake):
    records = [lake.record(f"e{n}", 5 + n % 3, n) for n in range(12)]
    lake.run(records, asked=[5, 6, 7])
    purged(lake, on(1, 7))
    before = lake.tree()
    outcome = lake.run([*records, lake.record("never seen", 5)], asked=[5, 6, 7])
    (result,) = outcome.sources
    assert (result.records, result.expired, result.duplicates, result.events) == (13, 9, 4, 0)
    assert outcome.batch is None
    assert lake.tree() == before
    outcome = lake.run([*records, lake.record("new", 7)])
    assert (outcome.sources[0].expired, outcome.batch.sources[0].expired, outcome.sources[0].events) == (8, 8, 1)
    assert inspect(lake.home, lake.batches()[-1], lake.batches()[:-1]) == []


def test_another_sources_events_of_that_day_are_taken(lake):
    three_days(lake)
    purged(lake, on(1, 7))
    assert lake.run([lake.record("e0", 5)], source="other").sources[0].events == 1


def test_a_conflicting_record_gets_a_number_that_none_had(lake):
    """The first record of an id is purged, its conflict is not: the next conflict must not be ~2 again."""
    lake.run([lake.record("a", 5), lake.record("a", 8, v=1)])
    assert lake.uids() == ["src/a", "src/a~2"]
    purged(lake, on(1, 7))
    lake.run([lake.record("a", 9, v=2)])
    lake.run([lake.record("a", 9, v=n) for n in range(3, 6)])
    assert lake.uids() == ["src/a~2", "src/a~3", "src/a~4", "src/a~5", "src/a~6"]


@pytest.mark.parametrize("lost", [False, True])
def test_the_id_cache_works_with_purged_batches_in_the_middle(lake, lost):
    for day in (5, 6, 5, 7, 5, 5, 8):
        lake.run([lake.record(f"{day}-{len(lake.batches())}-{n}", day, n) for n in range(3)])
    live = [lake.record(f"{day}-{at}-{n}", day, n) for at, day in ((1, 6), (3, 7), (6, 8)) for n in range(3)]
    folder = lake.home.state / "ids" / "src"
    saved = sorted(folder.glob("*.npy"))
    purged(lake, on(1, 6))
    if lost:
        for path in saved:
            path.unlink()
    for _ in range(2):
        assert lake.run(live).sources[0].duplicates == 9
    if not lost:
        assert sorted(folder.glob("*.npy")) == saved, "a purge does not cost making the cache again"
    index = IdCache(lake.home, "src").load(lake.batches())
    assert len(index) == (9 if lost else 21)
    for file in lake.files():
        (lake.home.root / file.events).write_bytes(b"not to be read")
    IdCache(lake.home, "src").load(lake.batches())


def test_rejects_go_with_the_longest_months_of_their_batch(lake):
    lake.run([b"junk", b"more"], [lake.record("a", 5)])  # extracted on 2026-01-20
    assert purge.plan(lake.home, lake.batches(), YEAR, on(1, 20), nobody).count("rejects") == 0
    assert purge.plan(lake.home, lake.batches(), Policy(months=1, sources={"src": 24}), on(1, 21), nobody).removal is None
    held = purge.plan(lake.home, lake.batches(), YEAR, on(1, 21), lambda source, day: day == date(2026, 1, 5))
    assert (held.removal, held.held) == (None, 2)
    path = lake.home.root / lake.batches()[0].rejects.path
    made = purged(lake, on(1, 21))
    assert made.count("rejects") == 1
    assert not path.exists()
    assert replay.unresolved(lake.home, lake.batches()) == []
    assert inspect(lake.home, lake.batches()[0]) == []


def test_findings_go_when_no_evidence_of_their_day_is_left(lake):
    three_days(lake)
    lake.run([lake.record("x", 5)], source="other")
    for batch in lake.batches():
        for day in batch.days:
            put(lake, lake.home.relative(lake.home.findings(day.day, batch.seq)))
    policy = Policy(months=12, sources={"other": 24})
    made = purge.plan(lake.home, lake.batches(), policy, on(1, 7), nobody)
    assert [entry.path for entry in made.removal.taken if entry.what == "findings"] == ["findings/day=2026-01-06/000001.parquet"]
    made = purge.plan(lake.home, lake.batches(), YEAR, on(1, 7), nobody)
    assert [(entry.day.day, entry.path[-14:]) for entry in made.removal.taken if entry.what == "findings"] == [
        (5, "000001.parquet"), (6, "000001.parquet"), (5, "000002.parquet"),
    ]  # fmt: skip


def test_drop_files_go_with_their_events_and_their_manifests_stay(lake):
    three_days(lake)
    lake.run([lake.record("late", 5)])
    names = [drop(lake, 1, date(2026, 1, day)) for day in (5, 6, 7)] + [drop(lake, 2, date(2026, 1, 5), "d")]
    (lake.home.root / names[1]).unlink()  # taken away by its reader
    made = purged(lake, on(1, 7))
    assert [entry.path for entry in made.removal.taken if entry.what == "drop"] == [names[0], names[3]]
    assert [(lake.home.root / name).exists() for name in names] == [False, False, True, False]
    assert len(list((lake.home.drops / "_manifests").iterdir())) == 4


def test_findings_that_were_made_again_are_not_deleted_by_a_later_call(lake):
    three_days(lake)
    path = put(lake, "findings/day=2026-01-05/000001.parquet", b"old")
    made = purged(lake, on(1, 7))
    assert not path.exists()
    put(lake, "findings/day=2026-01-05/000001.parquet", b"old")
    assert purge.delete(lake.home, made.removal) == 0
    assert path.exists()


def test_dying_at_any_step_of_a_purge_and_running_again(new_lake, dying):
    def prepared():
        lake = new_lake()
        three_days(lake)
        lake.run([b"junk"], asked=[8], now=datetime(2026, 1, 4, tzinfo=UTC))
        drop(lake, 1, date(2026, 1, 5))
        put(lake, "findings/day=2026-01-05/000001.parquet")
        return lake

    def go(lake):
        """A run: clear up, go forward with what is committed, then plan."""
        commit.recover(lake.home, lake.batches())
        for entry in removals(lake.home):
            purge.delete(lake.home, entry)
        purged(lake, on(1, 7))

    whole = prepared()
    steps = dying(10**9, lambda: go(whole))
    expected = whole.tree()
    assert steps > 15
    for step in range(1, steps + 1):
        lake = prepared()
        assert dying(step, lambda lake=lake: go(lake)) == step
        there = set(lake.tree())
        assert {name for name in expected if not name.startswith("removals/")} <= there, "what stays was never away"
        if not removals(lake.home):
            assert set(prepared().tree()) <= there, "nothing is deleted before the removal stands"
        assert len(lake.uids()) == (4 if removals(lake.home) else 12), "readers meet no missing file"
        go(lake)
        assert lake.tree() == expected, step


def test_only_the_committed_removal_deletes(lake):
    three_days(lake)
    made = purge.plan(lake.home, lake.batches(), YEAR, on(1, 7), nobody)
    with pytest.raises(LakeError, match="no such removal"):
        purge.delete(lake.home, made.removal)
    purge.commit_removal(lake.home, made.removal)
    with pytest.raises(LakeError, match="is another removal"):
        purge.delete(lake.home, msgspec.structs.replace(made.removal, approver="x"))
    with pytest.raises(LakeError, match="the next is 2"):
        purge.commit_removal(lake.home, made.removal)


@pytest.mark.parametrize("name", ["audit.toml", "evidence/../audit.toml", "batches/000001.json", "/etc/hostname"])
def test_no_other_file_is_ever_deleted(lake, name):
    three_days(lake)
    put(lake, "audit.toml")
    made = purge.plan(lake.home, lake.batches(), YEAR, on(1, 7), nobody).removal
    odd = msgspec.structs.replace(made, taken=(*made.taken, msgspec.structs.replace(made.taken[0], what="drop", path=name)))
    lake.home.removals.mkdir()
    lake.home.removal(1).write_bytes(removal_module.encode(odd))
    before = lake.tree()
    with pytest.raises(LakeError, match="no file of the lake"):
        purge.delete(lake.home, odd)
    assert lake.tree() == before


def test_many_chunks_and_batches_of_a_day_go_as_one(lake, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_LINES", 3)
    three_days(lake)
    lake.run([lake.record(f"late{n}", 5, n) for n in range(7)])
    made = purged(lake, on(1, 6))
    assert (made.files, made.events) == (2 + 3, 11)
    assert manifest.purged_days(lake.batches()) == {date(2026, 1, 5)}
    assert all((lake.home.root / file.path).exists() for file in lake.files())
