"""Erasure of single records: nothing of them can be had back, and the proof of all others stays whole."""

import base64
import dataclasses
import hashlib
import itertools
import json
from datetime import UTC, date, datetime

import duckdb
import pytest
import zstandard

from audit_pipelines import batch as manifest
from audit_pipelines.errors import LakeError
from audit_pipelines.lake import chunks, commit, erase, erased, evidence, purge, rederive, rejects, replay
from audit_pipelines.lake.erase import erase as erase_rows
from audit_pipelines.lake.evidence import read_lines
from audit_pipelines.lake.inspect import inspect
from audit_pipelines.lake.known import IdCache
from audit_pipelines.removal import removals
from audit_pipelines.retention import Policy

AT = datetime(2026, 2, 1, tzinfo=UTC)
SECRET = "mallory-7f3a"


def chance(size):
    return bytes(range(size))


def key(lake):
    return erased.digester(erased.own_key(lake.home, removals(lake.home), chance))


def erase_now(lake, *uids, with_rejects=(), delete=True):
    made = erase_rows(
        lake.home, lake.batches(), uids, at=AT, ground="Art. 17", approver="dpo", digest=key(lake),
        dialect_of=lambda name: lake.dialect, with_rejects=with_rejects,
    )  # fmt: skip
    if delete:
        erase.delete(lake.home, made)
    return made


def lines_of(lake):
    """Every evidence line in leaf order."""
    return [line for file in lake.files() for lines in read_lines(lake.home.root / file.path) for line in lines]


def plain_leaf_hash(line):
    """RFC 6962, written down once more."""
    return hashlib.sha256(b"\x00" + bytes.fromhex(line[:32].decode()) + line[33:]).hexdigest()


def found_in_home(lake, needle):
    """Files of the home that hold ``needle`` in any form that this program writes."""
    hits = []
    for path in sorted(lake.home.root.rglob("*")):
        if not path.is_file():
            continue
        content = path.read_bytes()
        if path.name.endswith(".zst"):
            reader = zstandard.ZstdDecompressor().stream_reader(content, read_across_frames=True)
            content = reader.read()
        if path.suffix == ".parquet":
            rows = duckdb.sql(f"SELECT * FROM read_parquet('{path}', hive_partitioning = false)").fetchall()
            content += repr(rows).encode()
        if path.name.endswith(".ndjson.zst"):
            content += b"".join(base64.b64decode(json.loads(line)["base64"]) for line in content.splitlines())
        if needle in content:
            hits.append(lake.home.relative(path))
    return hits


def crowd(lake):
    """Three days, two batches, one person in two of them."""
    lake.run([lake.record(f"e{n}", 5 + n % 3, n, action="login") for n in range(12)], asked=[5, 6, 7])
    lake.run([lake.record("s1", 5, 50, action=SECRET), lake.record("s2", 6, action=SECRET), lake.record("e99", 5, 99)])


def test_the_record_is_nowhere_in_the_home(lake):
    crowd(lake)
    assert found_in_home(lake, SECRET.encode()) != []
    erase_now(lake, "src/s1", "src/s2")
    assert found_in_home(lake, SECRET.encode()) == []
    assert not any("src/s1" in str(uid) for uid in lake.uids())
    assert found_in_home(lake, b"src/s1") == [], "not even its id"


def test_the_line_is_the_leafs_hash_and_all_other_lines_are_the_same_bytes(lake):
    crowd(lake)
    before, rows = lines_of(lake), lake.rows("leaf_index, uid, occurred_at, line, action")
    (leaf,) = [leaf for leaf, uid, *_ in rows if uid == "src/s1"]
    made = erase_now(lake, "src/s1")
    after = lines_of(lake)
    assert after[leaf] == b"!" + plain_leaf_hash(before[leaf]).encode()
    assert [a for at, a in enumerate(after) if at != leaf] == [b for at, b in enumerate(before) if at != leaf]
    assert lake.rows("leaf_index, uid, occurred_at, line, action") == [row for row in rows if row[0] != leaf]
    assert [entry.leaves for entry in made.taken] == [(leaf,)]
    assert lake.batches()[-1].size == 15


def test_what_is_left_is_sound_and_can_be_derived_again(lake):
    crowd(lake)
    erase_now(lake, "src/s1", "src/e0", "src/e3")
    batches = lake.batches()
    assert inspect(lake.home, batches[0]) == inspect(lake.home, batches[1], batches[:1]) == []
    before = lake.tree()
    wanted = [(batch, file) for batch in batches for file in batch.evidence]
    assert rederive.rederive(lake.home, wanted, lambda name: lake.dialect).changed == 0
    for _, file in wanted:
        (lake.home.root / file.events).unlink()
    assert rederive.rederive(lake.home, rederive.missing(lake.home, batches), lambda name: lake.dialect).changed == len(wanted)
    assert lake.tree() == before


def test_old_manifests_are_not_touched(lake):
    crowd(lake)
    before = {name: digest for name, digest in lake.tree().items() if name.startswith("batches/")}
    erase_now(lake, "src/s1")
    assert {name: digest for name, digest in lake.tree().items() if name.startswith("batches/")} == before
    assert [file.sealed for file in lake.files() if file.erased] == [manifest.manifests(lake.home)[1].evidence[0].sha256]


def test_the_event_offered_again_is_refused_and_counted_and_makes_no_batch(lake):
    crowd(lake)
    again = [lake.record("s1", 5, 50, action=SECRET), lake.record("e99", 5, 99)]
    erase_now(lake, "src/s1")
    before = lake.tree()
    outcome = lake.run(again, [lake.record("s1", 9, other="bytes")])
    (result,) = outcome.sources
    assert (result.records, result.erased, result.duplicates, result.events, outcome.batch) == (3, 2, 1, 0, None)
    assert lake.tree() == before
    outcome = lake.run(again, [lake.record("new", 5)])
    assert (outcome.batch.sources[0].erased, outcome.batch.sources[0].events) == (1, 1)
    assert "src/s1" not in lake.uids()


def test_the_same_id_of_another_source_is_another_event(lake):
    crowd(lake)
    erase_now(lake, "src/s1")
    outcome = lake.run([lake.record("s1", 5)], source="other")
    assert (outcome.sources[0].events, outcome.sources[0].erased) == (1, 0)


def test_records_without_an_id_are_erased_and_refused_one_by_one(lake):
    block = [lake.record(None, 5), lake.record(None, 5), lake.record(None, 5)]
    lake.run(block)
    first, second, third = lake.uids()
    erase_now(lake, second)
    outcome = lake.run(block)
    assert (outcome.sources[0].erased, outcome.sources[0].duplicates, outcome.batch) == (1, 2, None)
    assert lake.uids() == [first, third]


def test_a_conflicting_record_is_erased_alone_and_its_id_is_refused(lake):
    lake.run([lake.record("a", 5), lake.record("a", 5, v=1)])
    erase_now(lake, "src/a~2")
    assert lake.uids() == ["src/a"]
    outcome = lake.run([lake.record("a", 5, v=2)])
    assert outcome.sources[0].erased == 1


def test_a_second_erasure_in_the_same_file(lake):
    crowd(lake)
    before = lines_of(lake)
    first = erase_now(lake, "src/s1")
    second = erase_now(lake, "src/e99")
    (file,) = [file for file in lake.files() if file.erased]
    assert file.path.endswith(f"{file.first}-{file.count}.e2.zst")
    assert file.events.endswith(f"{file.first}-{file.count}.e2.parquet")
    assert (file.erased, file.rows) == ((0, 1), 0)
    assert second.taken[0].path == first.taken[0].new_path
    assert not (lake.home.root / first.taken[0].new_path).exists()
    assert lines_of(lake)[file.first : file.end] == [
        b"!" + plain_leaf_hash(line).encode() for line in before[file.first : file.end]
    ]
    assert inspect(lake.home, lake.batches()[1], lake.batches()[:1]) == []
    for number in range(3):
        path = sorted((lake.home.state / "ids" / "src").glob("*.npy"))
        for saved in path if number else ():
            saved.unlink()
        assert lake.run([lake.record(f"e{n}", 5 + n % 3, n, action="login") for n in range(12)]).batch is None


def test_an_erased_event_cannot_be_erased_again_and_an_unknown_one_is_named(lake):
    crowd(lake)
    erase_now(lake, "src/s1")
    before = lake.tree()
    for uids in (["src/s1"], ["src/e1", "src/nobody"]):
        with pytest.raises(LakeError, match=f"there is no event '{uids[-1]}'"):
            erase_now(lake, *uids)
    with pytest.raises(LakeError, match="nothing is named"):
        erase_now(lake)
    assert lake.tree() == before
    assert len(removals(lake.home)) == 1


def test_damaged_evidence_is_not_rewritten(lake):
    crowd(lake)
    path = lake.home.root / lake.files()[-1].path
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(LakeError, match="SHA-256"):
        erase_now(lake, "src/s2")
    assert removals(lake.home) == ()


def test_frames_are_cut_by_the_writers_rule(lake, monkeypatch):
    monkeypatch.setattr(evidence, "FRAME_LINES", 4)
    lake.run([lake.record(f"e{n}", 5, n) for n in range(11)])
    erase_now(lake, "src/e0", "src/e5", "src/e10")
    (file,) = lake.files()
    assert [line for _, line in file.frames] == [0, 4, 8]
    cache = evidence.FrameCache()
    assert [cache.line(lake.home.root / file.path, file.frames, file.bytes, n) for n in range(11)] == lines_of(lake)
    assert [n for n, line in enumerate(lines_of(lake)) if line.startswith(b"!")] == [0, 5, 10]


def test_rejects_are_erased_by_identity_and_stay_known(lake, sums):
    lake.run([b"junk " + SECRET.encode(), b"more"], [lake.record("a")])
    one, two = rejects.read_all(lake.home, lake.batches())
    made = erase_now(lake, with_rejects=[one.identity])
    assert (made.taken[0].what, made.taken[0].new_path, made.erased) == ("rejects", "rejects/000001.e1.ndjson.zst", ())
    kept = list(rejects.read_all(lake.home, lake.batches()))
    assert [entry.identity for entry in kept] == [one.identity, two.identity]
    assert (kept[0].is_erased, kept[1]) == (True, two)
    assert found_in_home(lake, SECRET.encode()) == []
    assert replay.unresolved(lake.home, lake.batches()) == [two]
    assert sums(lake.run([b"junk " + SECRET.encode(), b"more"])) == (2, 0, 0, 0, 0, 2)
    assert inspect(lake.home, lake.batches()[0]) == []
    with pytest.raises(LakeError, match="there is no reject"):
        erase_now(lake, with_rejects=[one.identity])


def test_a_reject_that_became_an_event_goes_with_it(lake):
    mended = lake.dialect
    raw = lake.record("a", 5, action=SECRET).replace(b"{", b"{\r", 1)
    lake.dialect = dataclasses.replace(mended, time_keys=("nothing",))
    lake.run([raw])
    lake.dialect = mended
    (reject,) = replay.unresolved(lake.home, lake.batches())
    lake.run([raw], replayed=[reject.identity])
    made = erase_now(lake, "src/a")
    assert [entry.what for entry in made.taken] == ["evidence", "rejects"]
    assert found_in_home(lake, SECRET.encode()) == []


def put_findings(lake, day, seq, uids=()):
    path = lake.home.findings(date(2026, 1, day), seq)
    path.parent.mkdir(parents=True, exist_ok=True)
    duckdb.execute(f"COPY (SELECT $uids::VARCHAR[] AS uids) TO '{path}' (FORMAT parquet)", {"uids": list(uids)})
    return lake.home.relative(path)


def test_findings_of_the_touched_days_go_and_those_that_name_the_event(lake):
    crowd(lake)
    touched = [put_findings(lake, 5, 1), put_findings(lake, 5, 2)]
    others = [put_findings(lake, 6, 1), put_findings(lake, 7, 1)]
    named = put_findings(lake, 6, 2, ["src/e1", "src/s1"])
    made = erase_now(lake, "src/s1", delete=False)
    assert sorted(entry.path for entry in made.taken if entry.what == "findings") == sorted([*touched, named])
    assert all((lake.home.root / name).exists() for name in touched), "nothing is deleted yet"
    erase.delete(lake.home, made)
    assert [(lake.home.root / name).exists() for name in (*touched, named, *others)] == [False, False, False, True, True]


def test_drop_files_with_the_rows_go(lake):
    crowd(lake)
    files = []
    for part, (low, high) in enumerate(((12, 12), (13, 13), (None, None))):
        name = f"ecs/o.ecs.20260105.d000002.p{part:02d}.ndjson"
        path = lake.home.drops / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        files.append({"path": name, "sha256": "0" * 64, "min_leaf_index": low, "max_leaf_index": high})
    folder = lake.home.drops / "_manifests"
    folder.mkdir()
    (folder / "20260105.d000002.manifest.json").write_text(json.dumps({"formats": [{"files": files}]}))
    made = erase_now(lake, "src/s1")
    (leaf,) = made.taken[0].leaves
    assert [path.name[-9:-7] for path in sorted((lake.home.drops / "ecs").iterdir())] == ["00" if leaf == 13 else "01", "02"]
    assert [entry.day for entry in made.taken if entry.what == "drop"] == [date(2026, 1, 5)]


def test_a_purge_after_an_erasure_takes_the_new_file(lake):
    crowd(lake)
    erase_now(lake, "src/s1")
    made = purge.plan(lake.home, lake.batches(), Policy(months=12), datetime(2027, 1, 8, tzinfo=UTC), lambda source, day: False)
    assert made.events == 14
    purge.commit_removal(lake.home, made.removal)
    purge.delete(lake.home, made.removal)
    assert lake.files() == ()
    assert not any((lake.home.root / "evidence").rglob("*.zst"))
    outcome = lake.run([lake.record("s1", 5, 50, action=SECRET), lake.record("e0", 5)])
    assert (outcome.sources[0].erased, outcome.sources[0].expired) == (1, 1)


def test_the_id_cache_survives_an_erasure(lake):
    crowd(lake)
    saved = sorted((lake.home.state / "ids" / "src").glob("*.npy"))
    erase_now(lake, "src/s1")
    for file in lake.files():
        (lake.home.root / file.events).write_bytes(b"not to be read")
    IdCache(lake.home, "src").load(lake.batches())
    assert sorted((lake.home.state / "ids" / "src").glob("*.npy")) == saved


def test_colliding_ids_never_meet_an_erased_line(lake, monkeypatch):
    """All ids share one hash, so every decision reads every stored line that is still there."""
    import numpy as np

    from audit_pipelines.lake import ids, intake, known

    for module in (ids, intake, known):
        monkeypatch.setattr(module, "hash_ids", lambda texts, count: np.zeros(count, np.uint64))
    crowd(lake)
    erase_now(lake, "src/s1", "src/e4")
    outcome = lake.run([lake.record("new", 5), lake.record("e99", 5, 99), lake.record("s1", 5), lake.record("e99", 5, v=2)])
    (result,) = outcome.sources
    assert (result.events, result.duplicates, result.erased, result.conflicts) == (2, 1, 1, 1)
    assert set(lake.uids()) >= {"src/new", "src/e99", "src/e99~2"}


class TestKey:
    """The key of the digests."""

    def test_is_made_once_and_only_its_owner_reads_it(self, lake):
        crowd(lake)
        erase_now(lake, "src/s1")
        path = lake.home.state / "erased.key"
        assert path.read_bytes() == bytes(range(32))
        assert path.stat().st_mode & 0o777 == 0o600
        assert erased.own_key(lake.home, removals(lake.home), lambda size: b"other") == bytes(range(32))

    def test_the_removal_holds_digests_that_say_nothing_without_it(self, lake):
        crowd(lake)
        made = erase_now(lake, "src/s1", "src/s2")
        wanted = [
            hashlib.blake2b(f"src/{name}".encode(), key=bytes(range(32)), digest_size=32).hexdigest() for name in ("s1", "s2")
        ]
        assert list(made.erased) == sorted(wanted)
        assert b"s1" not in lake.home.removal(1).read_bytes().replace(b"sha", b"")

    @pytest.mark.parametrize(
        "damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"\1" * 32), lambda path: path.write_bytes(b"")]
    )
    def test_lost_or_another_one_stops_the_run_and_says_what_to_do(self, lake, damage):
        crowd(lake)
        erase_now(lake, "src/s1")
        damage(lake.home.state / "erased.key")
        before = lake.tree()
        with pytest.raises(LakeError, match=r"restore state/erased\.key from a backup"):
            lake.run([lake.record("s1", 5)])
        with pytest.raises(LakeError, match=r"erased\.key"):
            erase_now(lake, "src/s2")
        assert lake.tree() == before

    def test_is_not_needed_where_nothing_was_erased(self, lake):
        crowd(lake)
        assert erased.ErasedIds(lake.home, ()).refuses("src", ["s1"]) == []
        assert not (lake.home.state / "erased.key").exists()


def test_dying_at_any_step_of_an_erasure_and_running_again(new_lake, dying, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_LINES", 3)

    def prepared():
        lake = new_lake()
        lake.run([lake.record(f"e{n}", 5 + n % 2, n) for n in range(8)] + [b"junk"], asked=[5])
        put_findings(lake, 5, 1)
        return lake

    def go(lake):
        """A run: clear up, go forward with what is committed, then erase what is still there."""
        commit.recover(lake.home, lake.batches())
        for entry in removals(lake.home):
            erase.delete(lake.home, entry)
        left = [uid for uid in ("src/e2", "src/e7") if uid in lake.uids()]
        names = [entry.identity for entry in rejects.read_all(lake.home, lake.batches()) if not entry.is_erased]
        if left:
            erase_now(lake, *left, with_rejects=names)

    whole = prepared()
    original = set(whole.tree())
    steps = dying(10**9, lambda: go(whole))
    expected = whole.tree()
    assert steps > 25
    states = set()
    for step in range(1, steps + 1):
        lake = prepared()
        assert dying(step, lambda lake=lake: go(lake)) >= step
        committed = len(removals(lake.home))
        states.add(committed)
        assert len(lake.uids()) == (6 if committed else 8), step
        if not committed:
            assert original <= set(lake.tree()), "nothing is deleted before the removal stands"
        go(lake)
        assert lake.tree() == expected, step
        assert list(lake.home.staging.iterdir()) == []
    assert states == {0, 1}


def test_numbers_of_purges_and_erasures_are_one_row(lake):
    crowd(lake)
    made = purge.plan(lake.home, lake.batches(), Policy(months=12), datetime(2027, 1, 6, tzinfo=UTC), lambda source, day: False)
    purge.commit_removal(lake.home, made.removal)
    erase_now(lake, "src/s2")
    assert [(entry.number, entry.kind) for entry in removals(lake.home)] == [(1, "purge"), (2, "erasure")]
    assert list(itertools.chain(*(entry.leaves for entry in removals(lake.home)[1].taken))) != []
