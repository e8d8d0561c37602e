"""Removals laid over manifests: what readers see afterwards, and what contradicts itself is an error."""

from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_pipelines import batch as manifest
from audit_pipelines import removal as removal_module
from audit_pipelines.batch import Batch, DayCount, EvidenceFile, RejectFile
from audit_pipelines.errors import LakeError
from audit_pipelines.home import Home
from audit_pipelines.removal import Removal, Taken

AT = datetime(2026, 2, 1, tzinfo=UTC)


def evidence(first, count=4, day=5):
    when = datetime(2026, 1, day, tzinfo=UTC)
    return EvidenceFile(
        source="src", day=date(2026, 1, day), path=f"evidence/{first}", events=f"events/{first}", dialect="plain", first=first,
        count=count, sha256=f"{first:064x}", bytes=9, oldest=when, newest=when, frames=((0, 0),), conflicts=((1, 2),),
    )  # fmt: skip


def made(seq, files, *, rejects=None):
    days = [
        DayCount(day=day, events=sum(file.count for file in files if file.day == day))
        for day in sorted({file.day for file in files})
    ]
    return Batch(
        seq=seq, run_id="r", extracted_at=AT, code="0", versions={"a": "1"}, asked=(date(2026, 1, 5),), first=files[0].first,
        size=files[-1].end, days=tuple(days), sources=(), evidence=tuple(files), rejects=rejects,
    )  # fmt: skip


BATCHES = (
    made(1, [evidence(0), evidence(4, day=6)], rejects=RejectFile(path="rejects/1", sha256="r" * 64, bytes=5, count=2)),
    made(2, [evidence(8)]),
)


def taken(file, number=0, leaves=()):
    """``file`` as a purge takes it, or as the erasure ``number`` replaces it."""
    entry = Taken(what="evidence", path=file.path, sha256=file.sha256, events=file.events, first=file.first, count=file.count)
    if not leaves:
        return entry
    new = {"new_path": f"{file.path}.e{number}", "new_events": f"{file.events}.e{number}", "new_sha256": f"{number:064x}"}
    return msgspec.structs.replace(entry, **new, new_bytes=7, frames=((0, 0), (3, 2)), leaves=tuple(leaves))


def removal(number, kind, *entries):
    return Removal(number=number, kind=kind, at=AT, approver="a", ground="g", taken=entries)


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path)
    home.batches.mkdir()
    home.removals.mkdir()
    for batch in BATCHES:
        home.batch(batch.seq).write_bytes(manifest.encode(batch))
    return home


def write(home, *removals):
    for entry in removals:
        home.removal(entry.number).write_bytes(removal_module.encode(entry))


def test_without_removals_history_is_the_manifests(home):
    assert manifest.history(home) == manifest.manifests(home) == BATCHES


def test_a_purged_file_keeps_its_leaves_and_is_not_among_the_files(home):
    write(home, removal(1, "purge", taken(BATCHES[0].evidence[0])))
    one, two = manifest.history(home)
    assert [(file.first, file.count, file.rows, file.purged) for file in one.evidence] == [(0, 4, 0, True), (4, 4, 4, False)]
    assert [file.first for file in manifest.evidence_files((one, two))] == [4, 8]
    assert one.files(date(2026, 1, 5)) == ()
    assert (one.is_purged(date(2026, 1, 5)), one.is_purged(date(2026, 1, 6)), two.is_purged(date(2026, 1, 5))) == (
        True,
        False,
        False,
    )
    assert manifest.purged_days((one, two), "src") == {date(2026, 1, 5)}
    assert manifest.purged_days((one, two)) == frozenset(), "another file of the day is still there"
    assert manifest.manifests(home) == BATCHES


def test_erasures_of_one_file_add_up(home):
    first = BATCHES[0].evidence[0]
    once = removal(1, "erasure", taken(first, 1, [2]))
    after = manifest.overlay(home, BATCHES, [once])[0].evidence[0]
    write(home, once, removal(2, "erasure", taken(after, 2, [0])))
    file = manifest.history(home)[0].evidence[0]
    assert (file.path, file.events, file.sha256, file.bytes) == ("evidence/0.e1.e2", "events/0.e1.e2", f"{2:064x}", 7)
    assert (file.erased, file.rows, file.frames, file.sealed) == ((0, 2), 2, ((0, 0), (3, 2)), first.sha256)
    assert (file.first, file.count, file.conflicts) == (first.first, first.count, first.conflicts)


def test_rejects_are_replaced_and_purged(home):
    old = Taken(what="rejects", path="rejects/1", sha256="r" * 64, count=2)
    new = msgspec.structs.replace(old, new_path="rejects/1.e1", new_sha256="s" * 64, new_bytes=4)
    write(home, removal(1, "erasure", new))
    assert manifest.history(home)[0].rejects == RejectFile(path="rejects/1.e1", sha256="s" * 64, bytes=4, count=2)
    write(home, removal(2, "purge", Taken(what="rejects", path="rejects/1.e1", sha256="s" * 64, count=2)))
    assert manifest.history(home)[0].rejects.purged


def test_a_manifest_never_says_what_only_a_removal_may(home):
    content = msgspec.json.decode(home.batch(1).read_bytes())
    assert not {"purged", "erased", "sealed"} & (content["evidence"][0].keys() | content["rejects"].keys())
    content["evidence"][0] |= {"purged": True, "erased": [1], "sealed": "x"}
    content["rejects"]["purged"] = True
    home.batch(1).write_bytes(msgspec.json.encode(content))
    assert manifest.history(home) == BATCHES


def test_a_batch_seen_through_removals_is_encoded_without_them(home):
    write(home, removal(1, "purge", taken(BATCHES[0].evidence[0])))
    assert manifest.encode(manifest.history(home)[0]) == home.batch(1).read_bytes()


FILE = BATCHES[0].evidence[0]
WRONG = {
    "another path": msgspec.structs.replace(taken(FILE), path="evidence/none"),
    "another digest": msgspec.structs.replace(taken(FILE), sha256="0" * 63 + "f"),
    "another range": msgspec.structs.replace(taken(FILE), first=4),
    "another count": msgspec.structs.replace(taken(FILE), count=3),
}


@pytest.mark.parametrize("entry", WRONG.values(), ids=list(WRONG))
@pytest.mark.parametrize("kind", ["purge", "erasure"])
def test_a_removal_that_does_not_fit(home, entry, kind):
    write(home, removal(1, kind, entry))
    with pytest.raises(LakeError, match=r"000001\.json: does not fit the manifests: evidence/"):
        manifest.history(home)


@pytest.mark.parametrize("leaves", [[4], [-1], [0, 9]])
def test_an_erasure_of_leaves_that_the_file_does_not_have(home, leaves):
    write(home, removal(1, "erasure", taken(FILE, 1, leaves)))
    with pytest.raises(LakeError, match="does not fit"):
        manifest.history(home)


def test_an_erasure_without_what_stands_in_the_place(home):
    write(home, removal(1, "erasure", msgspec.structs.replace(taken(FILE, 1, [1]), new_path=None)))
    with pytest.raises(LakeError, match="does not fit"):
        manifest.history(home)


def test_a_file_is_purged_once(home):
    write(home, removal(1, "purge", taken(FILE)), removal(2, "purge", taken(FILE)))
    with pytest.raises(LakeError, match=r"000002\.json: does not fit"):
        manifest.history(home)


def test_a_missing_removal(home):
    write(home, removal(1, "purge", taken(FILE)), removal(2, "purge", taken(BATCHES[1].evidence[0])))
    home.removal(1).unlink()
    with pytest.raises(LakeError, match=r"000001\.json: a removal is missing"):
        manifest.history(home)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: {**c, "number": 2}, "is removal 2"),
        (lambda c: {**c, "format": 9}, "format 9"),
        (lambda c: {}, "damaged removal"),
    ],
)
def test_a_removal_that_is_not_what_it_should_be(home, change, says):
    write(home, removal(1, "purge", taken(FILE)))
    home.removal(1).write_bytes(msgspec.json.encode(change(msgspec.json.decode(home.removal(1).read_bytes()))))
    with pytest.raises(LakeError, match=says):
        manifest.history(home)


def test_a_removal_comes_back_as_it_was_written(home):
    one = removal(1, "erasure", taken(FILE, 1, [1, 2]))
    write(home, one)
    assert removal_module.removals(home) == (one,)
    assert home.removal(1).read_bytes().endswith(b"}\n")


STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, 2), st.sets(st.integers(0, 3), max_size=3)), max_size=8)


@given(STEPS)
def test_any_history_of_removals_leaves_ranges_and_counts_right(steps):
    """Against a model: which leaves are there, by what was taken so far."""
    home, there, removals = Home(Path("unused")), set(range(12)), []
    for purge, which, lines in steps:
        now = manifest.overlay(home, BATCHES, removals)
        file = [file for batch in now for file in batch.evidence][which]
        fresh = sorted(line + file.first for line in lines if line + file.first in there)
        number = len(removals) + 1
        if file.purged or (not purge and not fresh):
            continue
        entry = taken(file) if purge else taken(file, number, fresh)
        removals.append(removal(number, "purge" if purge else "erasure", entry))
        there -= set(range(file.first, file.end)) if purge else set(fresh)
    after = manifest.overlay(home, BATCHES, removals)
    files = [file for batch in after for file in batch.evidence]
    assert [(file.first, file.end) for file in files] == [(0, 4), (4, 8), (8, 12)]
    assert {
        file.first + line for file in files if not file.purged for line in range(file.count) if line not in file.erased
    } == there
    assert sum(file.rows for file in files) == len(there)
    assert sum(file.rows for file in manifest.evidence_files(after)) == len(there)
