"""The history of batches has no gap, or it is an error that names the manifest."""

from datetime import UTC, date, datetime

import msgspec
import pytest

from audit_pipelines import batch as manifest
from audit_pipelines.batch import Batch, DayCount
from audit_pipelines.errors import LakeError
from audit_pipelines.home import Home


def made(seq, first, size, day=5):
    return Batch(
        seq=seq, run_id="r", extracted_at=datetime(2026, 1, 6, tzinfo=UTC), code="0", versions={}, asked=(), first=first, size=size,
        days=(DayCount(day=date(2026, 1, day), events=size - first),), sources=(), evidence=(),
    )  # fmt: skip


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path)
    home.batches.mkdir()
    for batch in (made(1, 0, 3), made(2, 3, 3, 6), made(3, 3, 9)):
        home.batch(batch.seq).write_bytes(manifest.encode(batch))
    return home


def test_history_in_order(home):
    assert [batch.seq for batch in manifest.history(home)] == [1, 2, 3]
    (home.batches / "notes.json").write_text("{}")
    assert len(manifest.history(home)) == 3


def test_no_batches_yet(tmp_path):
    assert manifest.history(Home(tmp_path)) == ()


@pytest.mark.parametrize("seq", [1, 2])
def test_a_missing_manifest(home, seq):
    home.batch(seq).unlink()
    with pytest.raises(LakeError, match=f"{seq:06d}.json: a batch manifest is missing"):
        manifest.history(home)


def test_leaf_ranges_that_do_not_meet(home):
    home.batch(2).write_bytes(manifest.encode(made(2, 3, 4)))
    with pytest.raises(LakeError, match="starts at leaf 3, the log ends at 4"):
        manifest.history(home)


def test_a_manifest_under_another_number(home):
    home.batch(2).write_bytes(home.batch(1).read_bytes())
    with pytest.raises(LakeError, match="is the manifest of batch 1"):
        manifest.history(home)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff", b'{"seq":"1"}'])
def test_a_damaged_manifest(home, content):
    home.batch(2).write_bytes(content)
    with pytest.raises(LakeError, match="damaged manifest"):
        manifest.history(home)


def test_a_manifest_of_another_format(home):
    content = msgspec.json.decode(home.batch(1).read_bytes())
    home.batch(1).write_bytes(msgspec.json.encode({**content, "format": 2}))
    with pytest.raises(LakeError, match="manifest format 2, this version knows 1"):
        manifest.history(home)


def test_members_of_a_newer_version_are_ignored(home):
    content = msgspec.json.decode(home.batch(1).read_bytes())
    home.batch(1).write_bytes(msgspec.json.encode({**content, "new": [1]}))
    assert manifest.load(home, 1) == made(1, 0, 3)


def test_first_file_of_a_day_and_later_ones(home):
    batches = manifest.history(home)
    assert [manifest.kind_of(batches, batch.seq, batch.days[0].day) for batch in batches] == ["b", "b", "d"]
