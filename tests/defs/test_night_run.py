"""Nights through the same Dagster job that the command line and the scheduler run."""

import json
from datetime import date, timedelta

import pyarrow.parquet as pq
import pytest

from audit_pipelines import batch
from audit_pipelines.defs import monthly
from audit_pipelines.defs.runs import book_of
from audit_pipelines.defs.standing import standing
from audit_pipelines.errors import RunError, SealError
from tests.defs.conftest import Yard, day_of_records, record, tree

JANUARY = [date(2026, 1, 1) + timedelta(days=n) for n in range(31)]


def fill_january(yard: Yard) -> None:
    for number, day in enumerate(JANUARY):
        yard.put(f"{day}.ndjson", day_of_records(day, 20, first=1000 * number))


def test_a_night_makes_evidence_parquet_findings_and_drops(yard: Yard):
    yard.put("a.ndjson", day_of_records(date(2026, 1, 5), 30))
    station = yard.night(date(2026, 1, 6))
    made = station.outcome.batch
    assert (made.seq, made.first, made.size) == (1, 0, 30)
    (file,) = made.evidence
    assert (yard.home.root / file.path).is_file()
    assert (yard.home.root / file.events).is_file()
    assert yard.home.findings(date(2026, 1, 5), 1).is_file()
    (drop,) = yard.home.drops.glob("generic/test.generic.20260105.b000001.p00.*.ndjson")
    assert len(drop.read_bytes().splitlines()) == 31


def test_a_finished_night_run_again_changes_no_file_outside_state(yard: Yard):
    fill_january(yard)
    yard.night(date(2026, 2, 1))
    before = tree(yard.home)
    station = yard.night(date(2026, 2, 1))
    assert station.outcome.batch is None
    assert tree(yard.home) == before
    (yard.home.state / "cursors" / "terracotta.json").unlink()  # all files are read anew: all are duplicates
    station = yard.night(date(2026, 2, 1))
    assert station.outcome.sources[0].duplicates == 20 * 31
    assert tree(yard.home) == before


def test_an_event_three_weeks_late_gives_one_delta_drop_and_one_new_revision(yard: Yard):
    fill_january(yard)
    yard.put("feb.ndjson", day_of_records(date(2026, 2, 1), 5, first=90_000))
    yard.night(date(2026, 2, 4))
    yard.report(date(2026, 1, 1), date(2026, 2, 4))
    before = tree(yard.home)

    yard.put(
        "late.ndjson",
        [record(77_777, "2026-01-14T10:00:00Z", "guardrail.updated", before={"mode": "block"}, after={"mode": "off"})],
    )
    yard.night(date(2026, 2, 4))
    outdated = monthly.outdated(yard.home, batch.history(yard.home), date(2026, 2, 4))
    assert outdated == [date(2026, 1, 1)]
    yard.report(outdated[0], date(2026, 2, 4))

    new = sorted(set(tree(yard.home)) - set(before))
    after = tree(yard.home)
    changed = {name for name, digest in before.items() if after[name] != digest}
    heads = {"log/events/checkpoint", "log/statements/checkpoint"}
    assert changed - heads == {name for name in before if name.startswith("keys/memory/") and not name.endswith("lock")}
    drops = [name for name in new if name.startswith("drops/") and name.endswith(".ndjson")]
    assert len(drops) == 2, "one delta a format"
    assert all(".20260114.d000002." in name for name in drops)
    assert {name.split("/")[2] for name in new if name.startswith("reports/")} == {"r2"}
    model = json.loads((yard.home.reports / "2026-01" / "r2" / "report.json").read_bytes())
    assert "guardrail.updated" in json.dumps(model["change"]), "the change page names what came late"
    assert monthly.outdated(yard.home, batch.history(yard.home), date(2026, 2, 4)) == []


def test_a_report_of_unchanged_inputs_is_no_new_revision(yard: Yard):
    fill_january(yard)
    yard.night(date(2026, 2, 4))
    first = yard.report(date(2026, 1, 1), date(2026, 2, 4)).issued
    again = yard.report(date(2026, 1, 1), date(2026, 2, 9)).issued
    assert (first.revision, first.new) == (1, True)
    assert (again.revision, again.new) == (1, False)


def test_a_failed_source_leaves_a_partial_night_that_says_so(yard: Yard):
    yard.put("a.ndjson", day_of_records(date(2026, 1, 5), 3))
    settings = yard.home.settings_file
    settings.write_text(
        settings.read_text() + '\n[[sources]]\nname = "gone"\nkind = "files"\ndialect = "github"\npath = "nowhere"\n'
    )
    with pytest.raises(RunError, match="source gone"):
        yard.night(date(2026, 1, 6))
    assert batch.history(yard.home)[0].size == 3, "the other source's events are kept"
    assert list(yard.home.drops.glob("ecs/*.ndjson")), "and shipped"
    last = book_of(yard.home)[-1]
    assert last.status == "partial"
    assert "gone" in last.errors[0]


def test_rejects_and_gaps_are_shown(yard: Yard):
    yard.put("a.ndjson", [*day_of_records(date(2026, 1, 5), 3), b'{"id": "x", "occurred_at": "yesterday"}', b"{"])
    station = yard.night(date(2026, 1, 6))
    assert station.outcome.sources[0].rejects == 2
    found = standing(yard.home, station.now())
    assert (found.rejects, found.size, found.problems) == (2, 3, [])
    stale = standing(yard.home, station.now() + timedelta(hours=30))
    assert any("hours old" in problem for problem in stale.problems)
    later = standing(yard.home, station.now() + timedelta(days=3))
    assert any("days missing" in problem for problem in later.problems)


def test_a_damaged_file_holds_back_only_its_days_drop(yard: Yard, monkeypatch: pytest.MonkeyPatch):
    """A fault between commit and checks: the Parquet of one day comes out of order. The evidence is sealed all the same."""
    from audit_pipelines.defs import night

    real = night.extract_days

    def extract_then_damage(station, days):
        outcome = real(station, days)
        path = yard.home.root / outcome.batch.files(date(2026, 1, 5))[0].events
        rows = pq.read_table(path, partitioning=None)
        pq.write_table(rows.take(list(range(rows.num_rows))[::-1]), path)
        return outcome

    monkeypatch.setattr(night, "extract_days", extract_then_damage)
    yard.put("a.ndjson", day_of_records(date(2026, 1, 4), 4) + day_of_records(date(2026, 1, 5), 4, first=50))
    with pytest.raises(RunError, match=r"row_order, 2026-01-05"):
        yard.night(date(2026, 1, 6))
    assert list(yard.home.drops.glob("ecs/*.20260104.*.ndjson"))
    assert not list(yard.home.drops.glob("ecs/*.20260105.*.ndjson"))
    assert (yard.home.log / "events" / "checkpoints" / "8").is_file()


def test_evidence_damaged_before_it_is_sealed_is_not_sealed_nor_dropped(yard: Yard, monkeypatch: pytest.MonkeyPatch):
    """The batch stays as it is; once its file is restored, the next night seals and drops it."""
    from audit_pipelines.defs import night

    real = night.extract_days
    saved = {}

    def extract_then_damage(station, days):
        outcome = real(station, days)
        path = yard.home.root / outcome.batch.evidence[0].path
        saved[path] = path.read_bytes()
        path.write_bytes(saved[path][:-1] + b"?")
        return outcome

    yard.put("a.ndjson", day_of_records(date(2026, 1, 5), 4))
    with monkeypatch.context() as patch:
        patch.setattr(night, "extract_days", extract_then_damage)
        with pytest.raises(SealError, match=r"evidence/source=terracotta/day=2026-01-05/0-4.zst: SHA-256 is"):
            yard.night(date(2026, 1, 6))
    assert not list(yard.home.drops.glob("**/*.ndjson"))
    for path, content in saved.items():
        path.write_bytes(content)
    yard.night(date(2026, 1, 6))
    assert len(list(yard.home.drops.glob("ecs/*.ndjson"))) > 0
    assert (yard.home.log / "events" / "checkpoints" / "4").is_file()


def test_a_missing_key_stops_sealing_and_is_never_replaced(yard: Yard):
    yard.put("a.ndjson", day_of_records(date(2026, 1, 5), 4))
    yard.night(date(2026, 1, 6))
    (key,) = (yard.home.root / "keys").glob("*.pem")
    content = key.read_bytes()
    key.unlink()
    yard.put("b.ndjson", day_of_records(date(2026, 1, 6), 4, first=50))
    with pytest.raises(SealError, match=f"{key.name}: the signing key .* is missing; nothing was sealed"):
        yard.night(date(2026, 1, 7))
    assert not list((yard.home.root / "keys").glob("*.pem"))
    assert len(list(yard.home.batches.glob("*.json"))) == 2, "what was read is kept"
    key.write_bytes(content)
    key.chmod(0o600)
    yard.night(date(2026, 1, 7))
    assert (yard.home.log / "events" / "checkpoints" / "8").is_file()


def test_a_home_from_before_the_log_is_sealed_by_its_first_night(yard: Yard):
    """Batches made before are sealed in order."""
    from audit_pipelines.defs import sealing

    yard.put("a.ndjson", day_of_records(date(2026, 1, 5), 4))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sealing, "seal", lambda station: [])
        yard.night(date(2026, 1, 6))
        yard.put("b.ndjson", day_of_records(date(2026, 1, 6), 3, first=50))
        yard.night(date(2026, 1, 7))
    assert not yard.home.log.exists()
    yard.night(date(2026, 1, 8))
    assert {path.name for path in (yard.home.log / "events" / "checkpoints").iterdir()} == {"0", "4", "7"}
    assert list(yard.home.drops.glob("ecs/*.20260105.*"))
