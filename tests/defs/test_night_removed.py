"""Nights, queries and reports over a home from which something has been purged or erased."""

from datetime import UTC, date, datetime, timedelta

import pytest

from audit_pipelines import batch
from audit_pipelines.defs import asking, drops, judge, mending, monthly
from audit_pipelines.defs.standing import standing
from audit_pipelines.defs.station import Progress
from audit_pipelines.lake import erase, erased, purge
from audit_pipelines.removal import removals
from audit_pipelines.retention import Policy
from audit_pipelines.sql import findings
from tests.defs.conftest import Yard, announce, day_of_records, record, tree

FIFTH, SIXTH, SEVENTH = (date(2026, 1, day) for day in (5, 6, 7))
WEAK = {"before": {"mode": "block"}, "after": {"mode": "off"}}


def three_days(yard: Yard) -> None:
    for number, day in enumerate((FIFTH, SIXTH, SEVENTH)):
        odd = record(900 + number, f"{day}T10:00:00Z", "guardrail.updated", **WEAK)
        yard.put(f"{day}.ndjson", [*day_of_records(day, 10, first=100 * number), odd])
    yard.night(date(2026, 1, 8))


def purge_before(yard: Yard, day: date) -> purge.Plan:
    at = datetime(day.year + 1, day.month, day.day, 2, tzinfo=UTC)
    made = purge.plan(yard.home, batch.history(yard.home), Policy(months=12), at, lambda source, day: False)
    announce(yard.home, made.removal)
    purge.commit_removal(yard.home, made.removal)
    purge.delete(yard.home, made.removal)
    return made


def unsealed(yard: Yard) -> dict[str, str]:
    """All but the log and its keys: the night states the removal, which these tests leave to it."""
    return {name: digest for name, digest in tree(yard.home).items() if not name.startswith(("log/", "keys/"))}


def erase_uids(yard: Yard, *uids: str):
    from audit_pipelines.defs import night

    digest = erased.digester(erased.own_key(yard.home, removals(yard.home)))
    made = erase.erase(
        yard.home, batch.history(yard.home), uids, at=datetime(2026, 1, 8, tzinfo=UTC), ground="Art. 17", approver="dpo",
        digest=digest, dialect_of=lambda name: night.dialect(yard.home, name),
        announce=lambda removal: announce(yard.home, removal),
    )  # fmt: skip
    erase.delete(yard.home, made)
    return made


def test_a_night_after_a_purge_makes_nothing_of_the_purged_days_again(yard: Yard):
    three_days(yard)
    made = purge_before(yard, SIXTH)
    assert (made.events, made.count("findings"), made.count("drop")) == (11, 1, 2)
    assert not yard.home.findings(FIFTH, 1).exists()
    assert list(yard.home.drops.glob("*/*.20260105.*")) == []
    before = unsealed(yard)
    (yard.home.state / "cursors" / "terracotta.json").unlink()  # every file is read anew
    station = yard.night(date(2026, 1, 8))
    (result,) = station.outcome.sources
    assert (result.expired, result.duplicates, station.outcome.batch) == (11, 22, None)
    assert unsealed(yard) == before
    found = standing(yard.home, station.now())
    assert (found.problems, found.undropped, found.unjudged, found.strays) == ([], 0, 0, ())
    assert (found.size, found.sources[0].events, found.oldest.date()) == (33, 22, SIXTH)


def test_a_day_purged_before_its_drop_was_made_needs_none(yard: Yard):
    three_days(yard)
    for path in (yard.home.drops / "_manifests").glob("20260105.*"):
        path.unlink()
    assert [day for _, day, _ in drops.due(yard.home, batch.history(yard.home))] == [FIFTH]
    purge_before(yard, SIXTH)
    assert drops.due(yard.home, batch.history(yard.home)) == []


def test_a_night_after_an_erasure_makes_the_findings_again_without_the_event(yard: Yard):
    three_days(yard)
    path = yard.home.findings(SIXTH, 1)
    assert any("terracotta/evt_000901" in hit.uids for hit in findings.read([path]))
    made = erase_uids(yard, "terracotta/evt_000901")
    assert next(entry.what for entry in made.taken) == "evidence"
    assert judge.due(yard.home, batch.history(yard.home))[1] != []
    (yard.home.state / "cursors" / "terracotta.json").unlink()
    station = yard.night(date(2026, 1, 8))
    (result,) = station.outcome.sources
    assert (result.erased, result.duplicates, station.outcome.batch) == (1, 32, None)
    assert not any("terracotta/evt_000901" in hit.uids for hit in findings.read([path]))
    assert standing(yard.home, station.now()).problems == []
    before = tree(yard.home)
    erase.delete(yard.home, made)
    yard.night(date(2026, 1, 8))
    assert tree(yard.home) == before


def test_an_event_erased_before_its_drop_was_made_is_not_in_it(yard: Yard):
    three_days(yard)
    for path in [*(yard.home.drops / "_manifests").glob("20260106.*"), *yard.home.drops.glob("*/*.20260106.*")]:
        path.unlink()
    erase_uids(yard, "terracotta/evt_000901")
    yard.night(date(2026, 1, 8))
    (drop,) = yard.home.drops.glob("generic/*.20260106.*.ndjson")
    assert len(drop.read_bytes().splitlines()) == 1 + 10
    assert b"evt_000901" not in drop.read_bytes()


def test_queries_rederivation_and_the_rest_of_the_home_see_what_is_left(yard: Yard):
    three_days(yard)
    purge_before(yard, SIXTH)
    erase_uids(yard, "terracotta/evt_000901")
    assert sum(file.rows for file in batch.evidence_files(batch.history(yard.home))) == 21
    done = mending.rederive_days(yard.home, None, None, None, progress=Progress())
    assert (done.files, done.changed) == (2, 0)
    _columns, rows = asking.ask(yard.home, "configuration_changes", {}, date(2026, 1, 8))
    assert len(rows) == 1
    assert mending.unresolved(yard.home) == []


def test_a_report_counts_what_is_left_and_its_sums_hold(yard: Yard):
    for number in range(31):
        yard.put(f"{number}.ndjson", day_of_records(date(2026, 1, 1) + timedelta(days=number), 5, first=1000 * number))
    yard.night(date(2026, 2, 4))
    erase_uids(yard, "terracotta/evt_003001")
    (yard.home.state / "cursors" / "terracotta.json").unlink()
    yard.put("more.ndjson", day_of_records(date(2026, 1, 20), 1, first=99_000))
    yard.night(date(2026, 2, 4))
    issued = yard.report(date(2026, 1, 1), date(2026, 2, 4)).issued
    import json

    model = json.loads((issued.folder / "report.json").read_bytes())
    figures = {figure["id"]: figure["value"] for figure in model["figures"]}
    assert (issued.size, figures["stored"]) == (156, 155)
    assert "Refused" in json.dumps(model)
    assert monthly.outdated(yard.home, batch.history(yard.home), date(2026, 2, 4)) == []


@pytest.mark.parametrize("name", ["evidence", "events"])
def test_a_file_that_awaits_deletion_is_no_stray(yard: Yard, name: str):
    three_days(yard)
    old = batch.history(yard.home)[0].evidence[0]
    content = (yard.home.root / (old.path if name == "evidence" else old.events)).read_bytes()
    erase_uids(yard, "terracotta/evt_000900")
    (yard.home.root / (old.path if name == "evidence" else old.events)).write_bytes(content)
    assert standing(yard.home, datetime(2026, 1, 8, 3, tzinfo=UTC)).strays == ()
    (yard.home.root / name / "other").write_bytes(b"x")
    assert standing(yard.home, datetime(2026, 1, 8, 3, tzinfo=UTC)).strays == (f"{name}/other",)
