"""The access log through whole nights: it becomes events, its files go once they are sealed, and nothing else changes."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from audit_pipelines.batch import history
from audit_pipelines.cli import main
from audit_pipelines.defs import accessfiles, drops, judge, keeping, mending, night, sealing, sources
from audit_pipelines.defs.standing import standing
from audit_pipelines.defs.station import Progress, Station
from audit_pipelines.defs.verifying import verify_home
from audit_pipelines.errors import SettingsError
from audit_pipelines.settings import ACCESS
from audit_pipelines.sql import findings
from tests.defs.conftest import Yard, access, day_of_records, served

FIFTH, SIXTH, SEVENTH = (date(2026, 1, day) for day in (5, 6, 7))


def fifth(yard: Yard) -> Path:
    """Events of the fifth, and two accesses."""
    yard.put("a.ndjson", day_of_records(FIFTH, 5))
    return served(yard, FIFTH, access(1, "2026-01-05T09:00:00Z") + access(2, "2026-01-05T10:00:00Z", "report.downloaded"))


def station(yard: Yard, today: date) -> Station:
    return Station(yard.home, "test", who="test", now=lambda: datetime(today.year, today.month, today.day, 3, tzinfo=UTC))


def own(done: Station):
    """What the access log gave in a night."""
    (result,) = [result for result in done.outcome.sources if result.name == ACCESS]
    return result


def faults(yard: Yard, today: date) -> list[str]:
    return [
        fault.text for fault in verify_home(yard.home, now=datetime(today.year, today.month, today.day, 4, tzinfo=UTC)).faults
    ]


def test_a_night_takes_what_was_read_as_a_source_of_its_own(yard: Yard):
    fifth(yard)
    done = yard.night(SIXTH)
    assert [(result.name, result.kind, result.events) for result in done.outcome.sources] == [
        ("terracotta", "files", 5),
        (ACCESS, "access", 2),
    ]
    made = history(yard.home)[0]
    assert {file.source: file.count for file in made.evidence} == {"terracotta": 5, ACCESS: 2}
    assert list(yard.home.drops.glob("generic/*.20260105.b000001.*"))
    located = keeping.locate(yard.home, [made], [f"{ACCESS}/acc_{1:032x}"])
    assert [event.day for event in located] == [FIFTH]
    assert faults(yard, SIXTH) == []


def test_a_home_that_was_never_served_knows_no_such_source(yard: Yard):
    yard.put("a.ndjson", day_of_records(FIFTH, 5))
    yard.home.access.mkdir(parents=True)
    done = yard.night(SIXTH)
    assert [result.name for result in done.outcome.sources] == ["terracotta"]
    assert [source.name for source in standing(yard.home, done.now()).sources] == ["terracotta"]
    with pytest.raises(SettingsError, match=ACCESS):
        mending.known_source(yard.home, ACCESS)


def test_once_there_it_stays_a_source_and_is_silent_without_a_gap(yard: Yard):
    """Nobody reads for days: no gap, no finding, and what was stored can be derived again."""
    fifth(yard)
    yard.night(SIXTH)
    for day in range(7, 12):
        yard.put(f"{day}.ndjson", day_of_records(date(2026, 1, day - 1), 3, first=1000 * day))
        done = yard.night(date(2026, 1, day))
    assert list(yard.home.access.iterdir()) == []
    assert [source.name for source in sources.of(yard.home, history(yard.home))] == ["terracotta", ACCESS]
    found = standing(yard.home, done.now())
    (quiet,) = [source for source in found.sources if source.name == ACCESS]
    assert (quiet.events, quiet.missing, quiet.error) == (2, (), None)
    assert found.problems == []
    assert mending.rederive_days(yard.home, None, None, ACCESS, progress=Progress()).files == 1


def test_a_file_goes_when_its_day_is_before_yesterday_and_all_of_it_is_sealed(yard: Yard):
    path = fifth(yard)
    yard.night(SIXTH)
    assert path.is_file(), "yesterday's"
    served(yard, SIXTH, access(3, "2026-01-06T09:00:00Z"))
    yard.night(SEVENTH)
    assert [path.name[:10] for path in yard.home.access.iterdir()] == ["2026-01-06"]
    assert json.loads((yard.home.state / "cursors" / f"{ACCESS}.json").read_bytes()).keys() <= {
        "state/access/2026-01-05.0a1b2c3d.ndjson",
        "state/access/2026-01-06.0a1b2c3d.ndjson",
    }
    assert faults(yard, SEVENTH) == []


def test_nothing_goes_before_it_is_sealed(yard: Yard):
    """Committed is not enough: the manifest itself could still be lost."""
    path = fifth(yard)
    run = station(yard, date(2026, 1, 9))
    try:
        run.lock()
        night.extract_days(run, [FIFTH])
        assert accessfiles.clear(run) == 0
        sealing.seal(run)
        assert accessfiles.clear(run) == 1
    finally:
        run.close()
    assert not path.exists()


def test_what_is_no_reading_of_a_sealed_batch_stays(yard: Yard):
    """A line that came later, or a cursor that is newer than the batches, as after a restore."""
    path = fifth(yard)
    yard.night(SIXTH)
    with path.open("ab") as file:
        file.write(access(3, "2026-01-05T23:59:59.999999Z"))
    status = path.stat()
    cursor = {"state/access/" + path.name: [status.st_size, status.st_mtime_ns]}
    (yard.home.state / "cursors" / f"{ACCESS}.json").write_text(json.dumps(cursor))
    yard.night(date(2026, 1, 9))
    assert path.is_file()
    (yard.home.state / "cursors" / f"{ACCESS}.json").unlink()
    assert own(yard.night(date(2026, 1, 10))).events == 1
    assert not path.exists()


def test_files_of_others_are_left(yard: Yard):
    fifth(yard)
    (yard.home.access / "copy.ndjson").write_bytes(access(9, "2026-01-05T09:00:00Z"))
    yard.night(date(2026, 1, 9))
    assert [path.name for path in yard.home.access.iterdir()] == ["copy.ndjson"]


def test_a_file_that_grows_is_read_again_and_nothing_is_doubled_or_late(yard: Yard):
    """At two in the morning today's file has two hours; the rest of its day is no late event."""
    yard.put("a.ndjson", day_of_records(FIFTH, 5))
    served(yard, SIXTH, access(1, "2026-01-06T01:00:00Z") + b'{"id":"acc_')
    first = own(yard.night(SIXTH))
    assert (first.events, first.rejects) == (1, 0)
    path = yard.home.access / "2026-01-06.0a1b2c3d.ndjson"
    path.write_bytes(access(1, "2026-01-06T01:00:00Z") + access(2, "2026-01-06T03:00:00Z"))
    yard.put("b.ndjson", day_of_records(SIXTH, 5, first=50))
    second = yard.night(SEVENTH)
    committed = {result.name: result for result in second.outcome.batch.sources}
    assert (committed[ACCESS].events, committed[ACCESS].duplicates, committed[ACCESS].late) == (1, 1, 0)
    served(yard, SIXTH, access(3, "2026-01-06T23:59:00Z"))
    third = yard.night(date(2026, 1, 8))
    assert {result.name: result.late for result in third.outcome.batch.sources}[ACCESS] == 1, "its day was over"
    assert faults(yard, date(2026, 1, 8)) == []


def test_a_torn_line_becomes_a_reject_when_its_day_is_over_and_then_the_file_goes(yard: Yard):
    path = fifth(yard)
    with path.open("ab") as file:
        file.write(b'{"id":"acc_3","ti')
    assert own(yard.night(FIFTH)).rejects == 0
    assert own(yard.night(SIXTH)).rejects == 1
    yard.night(SEVENTH)
    assert not path.exists()
    (kept,) = mending.unresolved(yard.home)
    assert (kept.source, kept.raw) == (ACCESS, b'{"id":"acc_3","ti')


def test_a_lost_cursor_costs_reading_again(yard: Yard):
    fifth(yard)
    yard.night(SIXTH)
    (yard.home.state / "cursors" / f"{ACCESS}.json").unlink()
    again = own(yard.night(SIXTH))
    assert (again.events, again.duplicates) == (0, 2)


def erase(yard: Yard, today: date, uids: list[str], rejects: list[str]) -> tuple[str, ...]:
    run = station(yard, today)
    try:
        keeping.erase(run, uids, rejects, ground="request 7", approver="the test")
        return run.copies
    finally:
        run.close()


def test_an_erasure_takes_the_copy_of_yesterday_with_it(yard: Yard):
    path = fifth(yard)
    served(yard, SIXTH, access(3, "2026-01-06T00:30:00Z"))
    yard.night(SIXTH)
    assert erase(yard, SIXTH, [f"{ACCESS}/acc_{2:032x}"], []) == ()
    assert not path.exists()
    assert len(list(yard.home.access.iterdir())) == 1, "files without it stay"
    assert faults(yard, SIXTH) == []


def test_a_copy_that_is_still_written_to_is_named_and_never_read_back(yard: Yard):
    yard.put("a.ndjson", day_of_records(FIFTH, 5))
    path = served(yard, SIXTH, access(1, "2026-01-06T00:30:00Z") + access(2, "2026-01-06T00:40:00Z"))
    yard.night(SIXTH)
    assert erase(yard, SIXTH, [f"{ACCESS}/acc_{1:032x}"], []) == (f"state/access/{path.name}",)
    served(yard, SIXTH, access(3, "2026-01-06T09:00:00Z"))
    later = own(yard.night(SEVENTH))
    assert (later.erased, later.duplicates, later.events) == (1, 1, 1)
    yard.night(date(2026, 1, 8))
    assert not path.exists()
    assert faults(yard, date(2026, 1, 8)) == []


def test_the_command_names_the_copies_that_are_left(yard: Yard):
    today = datetime.now(UTC)
    path = served(yard, today.date(), access(1, today.isoformat()))
    with yard.jobs(today) as jobs:
        jobs.night([today.date()])
    uid = f"{ACCESS}/acc_{1:032x}"
    said = CliRunner().invoke(
        main, ["--home", str(yard.home.root), "erase", "--event", uid, "--yes", "--ground", "g", "--approver", "a"]
    )
    assert said.exit_code == 0, said.output
    assert f"still holds a copy: state/access/{path.name}" in said.output


def test_an_erased_reject_has_no_copy_left_either(yard: Yard):
    path = fifth(yard)
    with path.open("ab") as file:
        file.write(b'{"id":"acc_3","ti')
    yard.night(SIXTH)
    (kept,) = mending.unresolved(yard.home)
    assert erase(yard, SIXTH, [], [kept.identity]) == ()
    assert not path.exists()


def test_a_purge_leaves_no_copy(yard: Yard):
    """By the command alone, without a night in between."""
    path = fifth(yard)
    yard.night(SIXTH)
    run = station(yard, date(2027, 3, 1))
    try:
        chosen = keeping.enforce(run, approver="the test")
    finally:
        run.close()
    assert chosen.events == 7
    assert not path.exists()


def test_rejects_of_the_access_log_can_be_replayed_like_others(yard: Yard):
    """The home's own dialect overrides the shipped one, e.g. where a version wrote another member."""
    odd = access(1, "2026-01-05T09:00:00Z").replace(b'"time"', b'"at"')
    served(yard, FIFTH, odd)
    assert own(yard.night(SIXTH)).rejects == 1
    folder = yard.home.root / "dialects"
    folder.mkdir()
    shipped = (Path(night.__file__).parents[1] / "extract" / "dialects" / f"{ACCESS}.sql").read_text()
    (folder / f"{ACCESS}.sql").write_text(shipped.replace("-- time: time", "-- time: time, at"))
    replayed = mending.replay_rejects(yard.home, ACCESS)
    assert replayed.batch.size - replayed.batch.first == 1


def test_a_home_without_another_source_takes_its_access_log(yard: Yard):
    text = yard.home.settings_file.read_text()
    yard.home.settings_file.write_text(text[: text.index("[[sources]]")])
    served(yard, datetime.now(UTC).date() - timedelta(days=1), access(1, "2026-01-05T09:00:00Z"))
    said = CliRunner().invoke(main, ["--home", str(yard.home.root), "night"])
    assert said.exit_code == 0, said.output
    assert f"{ACCESS}: 1 records: 1 events" in said.output


def test_a_day_that_is_not_over_is_not_called_silent(yard: Yard):
    """Accesses of the early morning make the day one to be judged; its other sources come with the next night."""
    monday = date(2026, 2, 9)
    for week in range(1, 6):
        day = monday - timedelta(weeks=week)
        yard.put(f"{day}.ndjson", day_of_records(day, 40, first=1000 * week))
    served(yard, monday, access(1, "2026-02-09T01:00:00Z"))
    yard.night(monday)
    assert findings.read([yard.home.findings(monday, 1)]) == []
    yard.night(monday + timedelta(days=1))
    (hit,) = findings.read([yard.home.findings(monday, 2)])
    assert (hit.rule, hit.subject) == ("source_silent", "terracotta")
    assert judge.due(yard.home, history(yard.home)) == {1: [], 2: []}
    assert drops.due(yard.home, history(yard.home)) == []


def test_a_report_has_it_as_a_source_in_a_month_with_events_of_it(yard: Yard):
    fifth(yard)
    yard.put("b.ndjson", day_of_records(date(2026, 2, 3), 5, first=500))
    yard.night(date(2026, 3, 4))
    january, february = (yard.report(month, date(2026, 3, 5)).issued for month in (date(2026, 1, 1), date(2026, 2, 1)))
    assert (january.draft, february.draft) == ("", "")
    said = (january.folder / "report.json").read_text()
    assert ACCESS in said
    assert "reading its files leaves no event" in said
    assert "other than the 1 configured sources (terracotta)" in said
    assert "reading its files leaves no event" not in (february.folder / "report.json").read_text()
