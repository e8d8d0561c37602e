"""What is kept and what goes, over a whole home: nights report it, commands decide it, the log states it."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from audit_pipelines.batch import history
from audit_pipelines.cli import main
from audit_pipelines.defs import keeping
from audit_pipelines.defs.station import Station
from audit_pipelines.defs.verifying import verify_home
from audit_pipelines.errors import RunError, SealError, SettingsError
from audit_pipelines.removal import removals
from audit_pipelines.seal import sealed
from audit_pipelines.seal import statements as st
from tests.defs.conftest import Yard, day_of_records

LATER = datetime(2027, 1, 6, 2, tzinfo=UTC)
"""The fifth of January 2026 is past twelve months, the sixth is not."""


@pytest.fixture
def old_yard(yard: Yard) -> Yard:
    """A home with two days that lie a year back."""
    yard.put("a.ndjson", day_of_records(date(2026, 1, 5), 6) + day_of_records(date(2026, 1, 6), 4, first=50))
    yard.night(date(2026, 1, 7))
    return yard


def station(yard: Yard, now: datetime = LATER) -> Station:
    return Station(yard.home, "test", who="test", now=lambda: now)


def setting(yard: Yard, text: str) -> None:
    """``[retention]`` with another text."""
    content = yard.home.settings_file.read_text()
    head, _, rest = content.partition("[retention]\n")
    yard.home.settings_file.write_text(f"{head}[retention]\n{text}\n" + rest[rest.index("\n[") :])


def purge(yard: Yard, now: datetime = LATER) -> keeping.purge.Plan:
    own = station(yard, now)
    try:
        return keeping.enforce(own, approver="the test")
    finally:
        own.close()


def faults(yard: Yard, now: datetime = LATER) -> list[str]:
    """What verification finds, in its own words."""
    return [fault.text for fault in verify_home(yard.home, now=now).faults]


def statements(yard: Yard, kind: type) -> list:
    return [item for item in sealed.read_ledger(yard.home).statements if isinstance(item, kind)]


def test_a_night_reports_what_is_past_and_deletes_nothing(old_yard: Yard):
    before = len(history(old_yard.home)[0].files(date(2026, 1, 5)))
    done = old_yard.night(date(2027, 1, 6))
    assert (done.past.files, done.past.events, done.past.days) == (1, 6, (date(2026, 1, 5),))
    assert len(history(old_yard.home)[0].files(date(2026, 1, 5))) == before
    assert statements(old_yard, st.Purge) == []


def test_with_enforce_the_night_deletes_and_states_each_file(old_yard: Yard):
    setting(old_yard, "months = 12\nenforce = true")
    old_yard.night(date(2027, 1, 6))
    stated = statements(old_yard, st.Purge)
    assert {(item.what, item.day) for item in stated} == {
        ("evidence", date(2026, 1, 5)), ("findings", date(2026, 1, 5)), ("drop", date(2026, 1, 5)),
    }  # fmt: skip
    assert all(not (old_yard.home.root / item.path).exists() for item in stated)
    assert {item.limit for item in stated if item.what == "evidence"} == {date(2026, 1, 6)}
    assert list((old_yard.home.root / "evidence").rglob("day=2026-01-06/*.zst")), "the next day is kept"
    assert faults(old_yard) == []


def test_a_purged_day_is_not_taken_again(old_yard: Yard):
    purge(old_yard)
    (old_yard.inbox / "again.ndjson").write_bytes((old_yard.inbox / "a.ndjson").read_bytes())
    done = old_yard.night(date(2027, 1, 7))
    result = done.outcome.sources[0]
    assert (result.expired, result.duplicates, result.events) == (6, 4, 0)


def test_a_change_of_policy_is_a_statement_and_later_purges_are_judged_by_it(old_yard: Yard):
    setting(old_yard, "months = 1\nsources = { terracotta = 24 }")
    old_yard.night(date(2027, 1, 6))
    (policy,) = statements(old_yard, st.Policy)
    assert (policy.months, policy.sources) == (1, {"terracotta": 24})
    assert purge(old_yard).removal is None, "24 months for this source"
    setting(old_yard, "months = 1")
    assert purge(old_yard).files == 2
    assert faults(old_yard) == []


def test_a_hold_beats_the_purge_until_it_is_released(old_yard: Yard):
    own = station(old_yard)
    keeping.set_hold(own, "case-7", source=None, first=date(2026, 1, 5), last=None, reason="court", approver="legal")
    own.close()
    chosen = purge(old_yard)
    assert (chosen.removal, chosen.held) == (None, 1)
    own = station(old_yard)
    with pytest.raises(SettingsError, match="is in force"):
        keeping.set_hold(own, "case-7", source=None, first=None, last=None, reason="", approver="")
    with pytest.raises(SettingsError, match="no hold 'case-8' is in force"):
        keeping.release_hold(own, "case-8", reason="", approver="")
    keeping.release_hold(own, "case-7", reason="settled", approver="legal")
    own.close()
    assert purge(old_yard).files == 1
    assert faults(old_yard) == []


def test_a_hold_beats_an_erasure(old_yard: Yard):
    own = station(old_yard)
    keeping.set_hold(own, "case-7", source="terracotta", first=None, last=None, reason="court", approver="legal")
    with pytest.raises(SettingsError, match="kept by the legal hold 'case-7'"):
        keeping.erase(own, ["terracotta/evt_000001"], [], ground="request", approver="dpo")
    own.close()
    assert removals(old_yard.home) == ()


def test_an_erased_event_is_gone_and_the_proof_of_the_rest_is_whole(old_yard: Yard):
    own = station(old_yard)
    keeping.erase(own, ["terracotta/evt_000001"], [], ground="request 12", approver="dpo")
    own.close()
    (erasure,) = statements(old_yard, st.Erasure)
    assert (erasure.leaves, erasure.ground) == ((1,), "request 12")
    assert faults(old_yard) == []
    old_yard.night(date(2026, 1, 8))
    (old_yard.inbox / "again.ndjson").write_bytes((old_yard.inbox / "a.ndjson").read_bytes())
    result = old_yard.night(date(2026, 1, 8)).outcome.sources[0]
    assert (result.erased, result.duplicates) == (1, 9)


def test_a_purge_before_its_time_does_not_verify(old_yard: Yard, monkeypatch: pytest.MonkeyPatch):
    """Somebody with the key deletes what the policy still keeps, and states it."""
    monkeypatch.setattr(keeping.purge, "plan", _too_early(keeping.purge.plan))
    purge(old_yard, datetime(2026, 3, 1, tzinfo=UTC))
    found = faults(old_yard)
    assert len([text for text in found if "the policy is 12 months, the limit 2025-03-01" in text]) == 2, found


def _too_early(real):
    def plan(home, batches, policy, at, held, *, approver):
        return real(home, batches, type(policy)(months=1), at, held, approver=approver)

    return plan


def test_a_removal_that_somebody_slipped_in_is_neither_signed_nor_followed(old_yard: Yard):
    """Who can write the home but not the keys' folder writes a removal of his own."""
    own = station(old_yard)
    own.lock()
    planned = keeping.plan(own, approver="nobody").removal
    keeping.purge.commit_removal(old_yard.home, planned)
    own.close()
    with pytest.raises(SealError, match="was not made by purge or erase"):
        old_yard.night(date(2027, 1, 6))
    assert all((old_yard.home.root / item.path).exists() for item in planned.taken)
    assert statements(old_yard, st.Purge) == []


def _defaults(now: datetime) -> tuple:
    """``Station``'s defaults with another clock: the commands have no way to set one."""
    from audit_pipelines.defs import station as module

    return tuple((lambda: now) if value is module.utc_now else value for value in Station.__init__.__defaults__)


def test_the_commands_show_first_and_act_only_when_told(old_yard: Yard, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Station.__init__, "__defaults__", _defaults(LATER))

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(main, ["--home", str(old_yard.home.root), *arguments])
        assert done.exit_code == 0, done.output
        return done.output

    assert "terracotta: 6 events in 1 files" in run("purge")
    assert "nothing was changed" in run("erase", "--event", "terracotta/evt_000050")
    assert removals(old_yard.home) == ()
    run("holds", "set", "case-1", "--from", "2026-01-05", "--to", "2026-01-05", "--reason", "court", "--approver", "legal")
    assert "case-1: source all, 2026-01-05 to 2026-01-05" in run("holds", "list")
    run("holds", "release", "case-1", "--reason", "settled", "--approver", "legal")
    assert "no hold is in force" in run("holds", "list")
    assert "Not reached" in run("erase", "--event", "terracotta/evt_000050", "--yes", "--ground", "request", "--approver", "dpo")
    assert len(removals(old_yard.home)) == 1


def test_a_drill_that_finds_the_home_damaged_makes_the_night_partial(old_yard: Yard):
    for path in (old_yard.home.root / "evidence").rglob("*.zst"):
        content = bytearray(path.read_bytes())
        content[-30] ^= 1
        path.write_bytes(bytes(content))
    with pytest.raises(RunError, match=r"drill: .*evidence/source=terracotta"):
        old_yard.night(date(2026, 1, 8))


def test_every_night_leaves_the_result_of_its_drill(old_yard: Yard):
    old_yard.night(date(2026, 1, 8))
    old_yard.night(date(2026, 1, 9))
    lines = [json.loads(line) for line in (old_yard.home.state / "drills.ndjson").read_text().splitlines()]
    assert len(lines) == 3
    assert all(line["caught"] for line in lines)
    stated = [item.drill.alteration for item in statements(old_yard, st.Drop)]
    assert stated == [line["alteration"] for line in lines]


def test_a_torn_line_of_drills_is_no_fault(old_yard: Yard, tmp_path: Path):
    from audit_pipelines.defs.attesting import last_drill

    book = old_yard.home.state / "drills.ndjson"
    with book.open("ab") as file:
        file.write(b'{"at":"2026-01-08T0')
    assert last_drill(old_yard.home)[1].batch == 1
    book.unlink()
    assert last_drill(old_yard.home) is None
