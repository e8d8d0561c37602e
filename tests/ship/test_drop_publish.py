"""Names, the batch record, the manifest, and what happens to what is already there."""

import hashlib
import json
import re
import subprocess
import zlib
from datetime import date

import pytest

from audit_pipelines.errors import DropError
from audit_pipelines.ship.manifest import encode, published
from audit_pipelines.ship.parts import Limits


def test_names(drops, publish):
    made = publish([drops.event(0)], "generic")
    (file,) = made.formats[0].files
    assert re.fullmatch(r"generic/acme\.generic\.20260105\.b000007\.p00\.[0-9a-f]{8}\.ndjson", file.path)
    raw = (publish.drops / file.path).read_bytes()
    assert hashlib.sha256(raw).hexdigest() == file.sha256
    assert file.path.split(".")[-2] == file.sha256[:8]
    assert sorted(publish.files()) == [
        "_manifests/20260105.b000007.SHA256SUMS",
        "_manifests/20260105.b000007.manifest.json",
        file.path,
    ]


def test_a_later_batch_is_a_delta(drops, publish):
    base = publish([drops.event(number) for number in range(3)])
    late = publish([drops.event(number) for number in range(3, 5)], kind="d", seq=8, first=3)
    assert all(".d000008.p00." in file.path for entry in late.formats for file in entry.files)
    assert (late.delta, late.totals.events, base.delta) == (True, 2, False)
    assert published(publish.drops, 7, drops.DAY, "b") == base
    assert published(publish.drops, 8, drops.DAY, "d") == late
    assert published(publish.drops, 8, drops.DAY, "b") is None


def test_the_batch_record(drops, publish):
    made = publish([drops.event(number) for number in range(5)], "generic", limits=Limits(rows=2))
    records = [json.loads((publish.drops / file.path).read_bytes().split(b"\n")[0])["batch"] for file in made.formats[0].files]
    last = (publish.drops / made.formats[0].files[2].path).read_bytes()
    assert records[2] == {
        "id": "000007.20260105.generic.02", "organisation": "acme", "sha256": hashlib.sha256(last.partition(b"\n")[2]).hexdigest(),
        "kind": "b", "seq": 7, "part": 2, "parts": 3, "day": "2026-01-05", "count": 1, "truncated": 0, "unmapped": 0,
        "first_time": "2026-01-05T00:00:04.250000Z", "last_time": "2026-01-05T00:00:04.250000Z",
        "first_uid": "terracotta/evt_000004", "last_uid": "terracotta/evt_000004", "min_leaf_index": 4, "max_leaf_index": 4,
        "manifest": "batches/000007.json", "manifest_sha256": "ab" * 32,
        "statement": drops.SEALED.statement, "checkpoint": drops.SEALED.checkpoint, "format": "generic", "format_version": "1",
        "template_sha256": made.formats[0].template_sha256, "producer": "audit-pipelines 0.1.0",
        "extracted_at": "2026-01-06T01:30:00.123456Z",
    }  # fmt: skip
    assert [record["count"] for record in records] == [2, 2, 1]
    assert sum(record["count"] for record in records) == made.totals.events


def test_readers_that_fingerprint_a_files_head_see_every_file_as_new(drops, publish):
    """filebeat hashes 1,024 bytes (and skips smaller files), Splunk takes a CRC of 256, OTel 1,000 bytes, Vector line 1."""
    same = [drops.event(number, uid="u", event_id="e") for number in range(4)]
    for row in same:
        row["occurred_at"] = same[0]["occurred_at"]
    publish(same[:2], limits=Limits(rows=1))
    publish(same[2:], kind="d", seq=8, first=2, limits=Limits(rows=1))
    publish([], day=date(2026, 1, 6), seq=9, first=4)
    publish([], day=date(2026, 1, 7), seq=9, first=4)
    files = [raw for name, raw in publish.files().items() if name.endswith(".ndjson")]
    assert len(files) == 12
    assert min(map(len, files)) >= 1025
    for mark in (lambda raw: hashlib.sha256(raw[:1024]).digest(), lambda raw: zlib.crc32(raw[:256]), lambda raw: raw[:1000],
                 lambda raw: zlib.crc32(raw.split(b"\n")[0])):  # fmt: skip
        assert len(set(map(mark, files))) == len(files)


def test_the_same_day_of_two_organisations_differs_in_its_first_256_bytes(drops, publish):
    publish([])
    heads = [raw[:256] for name, raw in publish.files().items() if name.endswith(".ndjson")]
    assert all(b'"organisation":"acme"' in head for head in heads)


def test_an_empty_day_says_so(drops, publish):
    made = publish([])
    for entry in made.formats:
        (file,) = entry.files
        raw = (publish.drops / file.path).read_bytes()
        assert raw.count(b"\n") == 1
        assert b'"count":0' in raw
        assert (file.rows, file.first_uid, file.min_time, file.min_leaf_index) == (0, None, None, None)
        assert file.body_sha256 == hashlib.sha256(b"").hexdigest()


def test_the_manifest_counts(drops, publish):
    rows = [drops.event(0), drops.event(1, action="seat.added"), drops.event(2, action="x.y", outcome="failure")]
    made = publish(rows)
    assert made.totals.by_action == {"guardrail.updated": 1, "seat.added": 1, "x.y": 1}
    assert made.totals.by_outcome == {"failure": 1, "success": 2}
    assert {entry.format: entry.rows for entry in made.formats} == {"generic": 3, "ecs": 3}
    assert {entry.format: entry.line_budget for entry in made.formats} == {"generic": None, "ecs": 8000}
    assert made.formats[1].files[0].rows_unmapped == 1
    path = publish.drops / "_manifests" / "20260105.b000007.manifest.json"
    assert path.read_bytes() == encode(made)
    assert published(publish.drops, 7, drops.DAY, "b") == made


def test_sha256sum_checks_a_drop(drops, publish):
    publish([drops.event(number) for number in range(5)], limits=Limits(rows=2))
    check = ["sha256sum", "--strict", "-c", "_manifests/20260105.b000007.SHA256SUMS"]
    done = subprocess.run(check, cwd=publish.drops, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": OK\n") == 7
    victim = next(publish.drops.glob("ecs/*p01*"))
    victim.write_bytes(victim.read_bytes().replace(b"Ada", b"Eve"))
    assert subprocess.run(check, cwd=publish.drops, capture_output=True, check=False).returncode == 1


def test_published_files_are_not_for_everyone(drops, publish):
    publish([drops.event(0)])
    assert {path.stat().st_mode & 0o777 for path in publish.drops.rglob("*") if path.is_file()} == {0o640}


def test_a_second_run_changes_nothing(drops, publish):
    rows = [drops.event(0)]
    made = publish(rows)
    before = {path: path.stat().st_mtime_ns for path in publish.drops.rglob("*")}
    assert publish(rows) == made
    assert {path: path.stat().st_mtime_ns for path in publish.drops.rglob("*")} == before


def test_a_drop_that_readers_have_consumed_is_not_made_again(drops, publish):
    """Splunk's batch input deletes what it has read; the manifest says that it was there."""
    made = publish([drops.event(0)], "ecs")
    (publish.drops / made.formats[0].files[0].path).unlink()
    assert publish([drops.event(0)], "ecs") == made
    assert not any(name.endswith(".ndjson") for name in publish.files())


def test_files_of_an_interrupted_run_are_adopted(drops, publish):
    rows = [drops.event(number) for number in range(4)]
    publish(rows, limits=Limits(rows=2))
    whole = publish.files()
    gone = publish.drops / "_manifests" / "20260105.b000007.manifest.json"
    gone.unlink()
    kept = next(publish.drops.glob("generic/*p00*"))
    inode = kept.stat().st_ino
    next(publish.drops.glob("generic/*p01*")).unlink()
    publish(rows, limits=Limits(rows=2))
    assert publish.files() == whole
    assert kept.stat().st_ino == inode


def test_leftovers_in_staging_are_cleared(drops, publish):
    left = publish.root / "state" / "staging" / "drop.000007.20260105.b" / "generic.0"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half a li")
    publish([drops.event(0)])
    assert not left.parent.exists()


@pytest.mark.parametrize("change", [{"outcome": "failure"}, {"uid": "other"}])
def test_another_file_of_the_same_batch_and_day_is_an_error(drops, publish, change):
    publish([drops.event(0)], "ecs")
    before = publish.files()
    (publish.drops / "_manifests" / "20260105.b000007.manifest.json").unlink()
    with pytest.raises(DropError, match="other content"):
        publish([drops.event(0, **change)], "ecs")
    del before["_manifests/20260105.b000007.manifest.json"]
    assert publish.files() == before


def test_a_file_that_was_changed_in_place_is_an_error(drops, publish):
    made = publish([drops.event(0)], "ecs")
    (publish.drops / "_manifests" / "20260105.b000007.manifest.json").unlink()
    victim = publish.drops / made.formats[0].files[0].path
    victim.write_bytes(victim.read_bytes() + b"{}\n")
    with pytest.raises(DropError, match="other content"):
        publish([drops.event(0)], "ecs")


def test_a_base_published_as_a_delta_is_an_error(drops, publish):
    publish([drops.event(0)], "ecs")
    with pytest.raises(DropError, match="other content"):
        publish([drops.event(0)], "ecs", kind="d")


def test_rows_that_the_batch_does_not_have_are_not_published(drops, publish):
    connection = drops.relation([drops.event(0), drops.event(9)])
    with pytest.raises(DropError, match="leaves 0 to 9, the batch has 2 of 0 to 1"):
        publish(connection)
    assert not publish.drops.exists()


def test_a_disabled_format_is_left_out(drops, publish):
    assert publish([drops.event(0)], "ecs", enabled=False).formats == ()


def test_a_damaged_manifest_is_named(drops, publish):
    publish([drops.event(0)])
    path = publish.drops / "_manifests" / "20260105.b000007.manifest.json"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DropError, match="damaged") as caught:
        published(publish.drops, 7, drops.DAY, "b")
    assert caught.value.where == str(path)


def test_output_depends_on_nothing_but_its_input(drops, tmp_path):
    rows = [drops.event(number) for number in range(50)]
    first, second = drops.Publisher(tmp_path / "a"), drops.Publisher(tmp_path / "b")
    first(drops.relation(rows))
    connection = drops.relation(rows[::-1])
    connection.execute("SET threads = 1; SET TimeZone = 'Asia/Kolkata'")
    second(connection)
    assert first.files() == second.files()
