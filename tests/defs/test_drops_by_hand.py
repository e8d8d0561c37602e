"""Drops over a whole home: archived, made once more, hashed with a key that must not get lost; and what verify says."""

import hashlib
import os
import shutil
import stat
from datetime import UTC, date, datetime, timedelta

import pytest
from click.testing import CliRunner

from audit_pipelines.batch import history
from audit_pipelines.cli import main
from audit_pipelines.defs import archiving, drops, keeping, redropping
from audit_pipelines.defs.standing import standing
from audit_pipelines.defs.station import Station
from audit_pipelines.defs.verifying import verify_home
from audit_pipelines.errors import DropError, SettingsError
from audit_pipelines.seal import sealed
from audit_pipelines.seal import statements as st
from tests.defs.conftest import Yard, day_of_records, tree

FIFTH, SIXTH = date(2026, 1, 5), date(2026, 1, 6)
NOW = datetime(2026, 1, 8, 3, tzinfo=UTC)
A_YEAR_LATER = datetime(2027, 1, 6, 2, tzinfo=UTC)


def setting(yard: Yard, text: str) -> None:
    """The drops' tables, replaced."""
    content = yard.home.settings_file.read_text()
    begin = content.index("[drops.")
    end = content.index("\n[", content.rindex("[drops."))
    yard.home.settings_file.write_text(content[:begin] + text + "\n" + content[end:])


def fill(yard: Yard) -> None:
    yard.put("a.ndjson", day_of_records(FIFTH, 6) + day_of_records(SIXTH, 4, first=50))
    yard.night(date(2026, 1, 7))


def station(yard: Yard, now: datetime = NOW) -> Station:
    return Station(yard.home, "test", who="test", now=lambda: now)


def again(yard: Yard, form: str = "generic", first: date = FIFTH, last: date = SIXTH, **options) -> tuple[list, list]:
    own = station(yard)
    try:
        return redropping.again(own, form, first, last, **{"allow_duplicates": False} | options)
    finally:
        own.close()


def faults(yard: Yard, now: datetime = NOW) -> list[str]:
    return [fault.text for fault in verify_home(yard.home, now=now).faults]


def bodies(yard: Yard, pattern: str) -> list[bytes]:
    """What follows line 1, of the files in order."""
    return [path.read_bytes().partition(b"\n")[2] for path in sorted(yard.home.drops.glob(pattern))]


def age(yard: Yard, days: int) -> None:
    """As if every drop file had been published so many days before NOW."""
    when = (NOW - timedelta(days=days)).timestamp()
    for path in yard.home.drops.glob("*/*.ndjson"):
        os.utime(path, (when, when))


# --- the archive --------------------------------------------------------------------------------------------


def test_old_files_leave_the_folders_that_readers_look_at(yard: Yard):
    fill(yard)
    setting(yard, "[drops.generic]\narchive_days = 30\n[drops.ecs]")
    age(yard, 31)
    before = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in yard.home.drops.glob("generic/*")}
    kept = sorted(yard.home.drops.glob("ecs/*"))
    assert archiving.archive(yard.home, yard.home.settings(), NOW) == len(before)
    assert list(yard.home.drops.glob("generic/*")) == []
    assert sorted(yard.home.drops.glob("ecs/*")) == kept
    moved = yard.home.drops / "_archive" / "2026" / "01" / "generic"
    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in moved.iterdir()} == before
    assert archiving.archive(yard.home, yard.home.settings(), NOW) == 0
    assert faults(yard) == []
    assert drops.compare(station(yard)) == []
    assert standing(yard.home, NOW).undropped == 0
    rows = [item for item in redropping.listing(yard.home, "generic") if item.rows]
    assert [(item.day, item.rows, item.files, item.archived, item.gone) for item in rows] == [
        (FIFTH, 6, 1, 1, 0),
        (SIXTH, 4, 1, 1, 0),
    ]


def test_the_night_archives_and_changes_nothing_else(yard: Yard):
    fill(yard)
    setting(yard, "[drops.generic]\narchive_days = 2\n[drops.ecs]")
    age(yard, 3)
    yard.night(date(2026, 1, 8))
    assert list(yard.home.drops.glob("generic/*.20260105.*")) == []
    assert len(list(yard.home.drops.glob("_archive/2026/01/generic/*.20260105.*"))) == 1
    before = tree(yard.home)
    yard.night(date(2026, 1, 8))
    assert tree(yard.home) == before


def test_what_is_young_or_not_whole_stays(yard: Yard):
    fill(yard)
    setting(yard, "[drops.generic]\narchive_days = 30\n[drops.ecs]")
    age(yard, 29)
    assert archiving.archive(yard.home, yard.home.settings(), NOW) == 0
    age(yard, 40)
    (yard.home.drops / "_manifests" / "20260105.b000001.manifest.json").unlink()
    (yard.home.drops / "generic" / "notes.txt").write_text("mine")
    archiving.archive(yard.home, yard.home.settings(), NOW)
    assert sorted(path.name.split(".")[2] for path in yard.home.drops.glob("generic/*.ndjson")) == ["20260105"]
    assert (yard.home.drops / "generic" / "notes.txt").exists()


def test_an_archived_file_that_was_altered_does_not_verify(yard: Yard):
    fill(yard)
    setting(yard, "[drops.generic]\narchive_days = 30\n[drops.ecs]")
    age(yard, 31)
    archiving.archive(yard.home, yard.home.settings(), NOW)
    victim = next(yard.home.drops.glob("_archive/2026/01/generic/*.20260105.*"))
    victim.write_bytes(victim.read_bytes().replace(b"success", b"failure"))
    assert any("SHA-256 is" in text for text in faults(yard))
    planted = victim.with_name(victim.name.replace(".p00.", ".p07."))
    planted.write_bytes(b"{}\n")
    assert "no stated manifest names it" in faults(yard)


def test_a_purge_takes_archived_files_too(yard: Yard):
    fill(yard)
    setting(yard, "[drops.generic]\narchive_days = 30\n[drops.ecs]")
    again(yard)
    age(yard, 31)
    archiving.archive(yard.home, yard.home.settings(), NOW)
    own = station(yard, A_YEAR_LATER)
    keeping.enforce(own, approver="the test")
    own.close()
    assert list(yard.home.drops.rglob("*.20260105.*.ndjson")) == []
    assert list(yard.home.drops.rglob("*.20260106.*.ndjson")) != []
    assert faults(yard, A_YEAR_LATER) == []


@pytest.mark.parametrize("put", [os.link, shutil.copyfile], ids=["two names of one file", "two equal files"])
def test_of_a_file_in_both_places_the_archived_one_is_kept(yard: Yard, put):
    """A power cut may leave two names, a backup that was put back two files."""
    fill(yard)
    setting(yard, "[drops.generic]\narchive_days = 30\n[drops.ecs]")
    age(yard, 31)
    archiving.archive(yard.home, yard.home.settings(), NOW)
    moved = sorted(yard.home.drops.glob("_archive/2026/01/generic/*"))
    for path in moved:
        put(path, yard.home.drops / "generic" / path.name)
    age(yard, 31)
    assert archiving.archive(yard.home, yard.home.settings(), NOW) == len(moved)
    assert list(yard.home.drops.glob("generic/*")) == []
    assert sorted(yard.home.drops.glob("_archive/2026/01/generic/*")) == moved
    assert faults(yard) == []


def test_a_file_that_would_replace_another_in_the_archive_stays(yard: Yard):
    fill(yard)
    setting(yard, "[drops.generic]\narchive_days = 30\n[drops.ecs]")
    age(yard, 31)
    path = next(yard.home.drops.glob("generic/*.20260105.*"))
    other = yard.home.drops / "_archive" / "2026" / "01" / "generic" / path.name
    other.parent.mkdir(parents=True)
    other.write_bytes(b"{}\n")
    archiving.archive(yard.home, yard.home.settings(), NOW)
    assert path.exists()
    assert other.read_bytes() == b"{}\n"


# --- once more ----------------------------------------------------------------------------------------------


def test_days_once_more(yard: Yard):
    fill(yard)
    made, left = again(yard)
    assert left == []
    assert [(item.day, item.kind, item.formats[0].rows) for item in made if item.totals.events] == [
        (FIFTH, "r", 6),
        (SIXTH, "r", 4),
    ]
    first = yard.home.drops / "_manifests" / "20260105.b000001.manifest.json"
    mine = next(item for item in made if item.day == FIFTH)
    assert (mine.redrop_of.path, mine.redrop_of.sha256) == (
        yard.home.relative(first),
        hashlib.sha256(first.read_bytes()).hexdigest(),
    )
    assert bodies(yard, "generic/*.20260105.r000001.1.*") == bodies(yard, "generic/*.20260105.b000001.*")
    stated = [item for item in sealed.read_ledger(yard.home).statements if isinstance(item, st.Drop)]
    assert {file.path for item in stated for file in item.manifests if ".r000001.1." in file.path} == {
        f"drops/_manifests/{item.day:%Y%m%d}.r000001.1.manifest.json" for item in made
    }
    assert faults(yard) == []
    again(yard, first=FIFTH, last=FIFTH)
    assert len(list(yard.home.drops.glob("generic/*.20260105.r000001.2.*"))) == 1
    before = tree(yard.home)
    yard.night(date(2026, 1, 7))
    assert tree(yard.home) == before, "a night leaves them alone"


def test_a_target_that_keeps_every_copy_is_refused(yard: Yard):
    fill(yard)
    setting(yard, "[drops.generic]\n[drops.splunk]")
    before = tree(yard.home)
    with pytest.raises(DropError, match="keeps every copy"):
        again(yard, "splunk")
    assert {name: digest for name, digest in tree(yard.home).items() if name != "audit.toml"} == {
        name: digest for name, digest in before.items() if name != "audit.toml"
    }
    made, _ = again(yard, "splunk", allow_duplicates=True)
    assert sum(item.formats[0].rows for item in made) == 10
    assert faults(yard) == []


def test_a_format_that_is_not_there(yard: Yard):
    fill(yard)
    with pytest.raises(SettingsError, match="no format 'ocsf'"):
        again(yard, "ocsf")


def test_what_a_killed_run_has_not_stated_is_stated_by_the_night(yard: Yard, monkeypatch: pytest.MonkeyPatch):
    fill(yard)
    with monkeypatch.context() as patch:
        patch.setattr("audit_pipelines.defs.attesting.attest_redrops", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            again(yard)
    assert "no stated manifest names it" in faults(yard)
    yard.night(date(2026, 1, 7))
    assert faults(yard) == []


def test_a_killed_run_goes_on_with_its_own_files(yard: Yard):
    fill(yard)
    again(yard, first=FIFTH, last=FIFTH)
    whole = {path.name for path in yard.home.drops.glob("generic/*")}
    copy = yard.home.root.parent / "copy"
    shutil.copytree(yard.home.root, copy)
    lost = Yard.__new__(Yard)
    lost.home = type(yard.home)(copy)
    for path in (copy / "drops" / "_manifests").glob("20260105.r000001.1.*"):
        path.unlink()
    made = redropping._number(lost.home, "generic", 1, FIFTH), redropping._number(lost.home, "ecs", 1, FIFTH)
    assert made == (1, 2), "the same format goes on, another takes the next number"
    assert {path.name for path in (copy / "drops" / "generic").iterdir()} == whole


def cut_off(yard: Yard, monkeypatch: pytest.MonkeyPatch, day: date, **options) -> None:
    """A call for both days that dies when it comes to ``day``."""
    real = drops.publish

    def publish(own, wanted, batch, name, *arguments, **named):
        if name.day == day:
            raise KeyboardInterrupt
        return real(own, wanted, batch, name, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(drops, "publish", publish)
        with pytest.raises(KeyboardInterrupt):
            again(yard, **options)


def tokens(yard: Yard, form: str = "generic") -> list[tuple[date, str]]:
    return [(item.day, item.token) for item in redropping.listing(yard.home, form) if item.token.startswith("r") and item.rows]


def test_the_same_call_goes_on_and_another_begins_anew(yard: Yard, monkeypatch: pytest.MonkeyPatch):
    fill(yard)
    setting(yard, "[drops.generic]\n[drops.ecs]")
    cut_off(yard, monkeypatch, SIXTH)
    again(yard, "ecs")
    assert tokens(yard) == [(FIFTH, "r000001.1")]
    assert tokens(yard, "ecs") == [(FIFTH, "r000001.2"), (SIXTH, "r000001.2")]
    again(yard)
    assert tokens(yard) == [(FIFTH, "r000001.1"), (SIXTH, "r000001.1")], "as if nothing had come in between"
    assert list(yard.home.state.glob("again*")) == []
    again(yard, first=FIFTH, last=FIFTH)
    assert [token for day, token in tokens(yard) if day == FIFTH] == ["r000001.1", "r000001.3"]
    assert faults(yard) == []


def test_what_was_published_before_an_erasure_is_published_again(yard: Yard, monkeypatch: pytest.MonkeyPatch):
    """Its file is gone, and whoever asked for the day still has not got it."""
    fill(yard)
    cut_off(yard, monkeypatch, SIXTH)
    own = station(yard)
    keeping.erase(own, ["terracotta/evt_000002"], [], ground="the test", approver="the test")
    own.close()
    yard.night(date(2026, 1, 7))
    again(yard)
    rows = {(item.token, item.rows, item.gone) for item in redropping.listing(yard.home, "generic") if item.day == FIFTH}
    assert rows == {("b000001", 6, 1), ("r000001.1", 6, 1), ("r000001.2", 5, 0)}
    assert faults(yard) == []


@pytest.mark.parametrize("way", ["erased", "purged"])
def test_what_a_killed_call_left_without_a_manifest_goes_too(yard: Yard, monkeypatch: pytest.MonkeyPatch, way: str):
    """Nobody has listed the file yet, but a reader may see what is in it."""
    fill(yard)
    with monkeypatch.context() as patch:
        patch.setattr(
            "audit_pipelines.ship.publish.durable.write_atomically", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            again(yard, first=FIFTH, last=FIFTH)
    (left,) = yard.home.drops.glob("generic/*.20260105.r000001.1.*")
    now = NOW if way == "erased" else A_YEAR_LATER
    own = station(yard, now)
    if way == "erased":
        keeping.erase(own, ["terracotta/evt_000002"], [], ground="the test", approver="the test")
    else:
        keeping.enforce(own, approver="the test")
    own.close()
    assert not left.exists()
    if way == "erased":
        again(yard, first=FIFTH, last=FIFTH)
        assert [
            (item.token, item.rows)
            for item in redropping.listing(yard.home, "generic")
            if item.token.startswith("r") and item.day == FIFTH
        ] == [("r000001.1", 5)]
    assert faults(yard, now) == []


def test_a_damaged_note_of_a_call_is_no_obstacle(yard: Yard, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    fill(yard)
    cut_off(yard, monkeypatch, SIXTH)
    (yard.home.state / "again-generic.json").write_bytes(b"{")
    again(yard)
    assert "begins anew" in caplog.text
    assert [token for day, token in tokens(yard) if day == FIFTH] == ["r000001.1", "r000001.2"]
    assert list(yard.home.state.glob("again*")) == []
    assert faults(yard) == []


def test_purged_days_are_left_out(yard: Yard):
    fill(yard)
    own = station(yard, A_YEAR_LATER)
    keeping.enforce(own, approver="the test")
    own.close()
    made, left = again(yard, first=FIFTH, last=FIFTH)
    assert (made, left) == ([], ["batch 1, 2026-01-05: purged"])


def test_commands(yard: Yard):
    fill(yard)
    run = CliRunner().invoke
    home = ["--home", str(yard.home.root), "drops"]
    done = run(main, [*home, "again", "--format", "ecs", "--from", "2026-01-05", "--to", "2026-01-05"])
    assert (done.exit_code, done.output) == (0, "2026-01-05, batch 1: 6 events in 1 files\n")
    done = run(main, [*home, "list", "--format", "ecs"])
    assert [line.split()[:4] for line in done.output.splitlines() if line.startswith("2026-01-05")] == [
        ["2026-01-05", "ecs", "b000001", "6"],
        ["2026-01-05", "ecs", "r000001.1", "6"],
    ]
    done = run(main, [*home, "again", "--format", "splunk", "--from", "2026-01-05", "--to", "2026-01-05"])
    assert done.exit_code == 2


# --- the key of hashed columns ------------------------------------------------------------------------------

HASHED = '[drops.generic]\nhash = ["actor_id"]\nredact = ["actor_name", "actor_email"]\nexcept = {action = ["authentication.logout"]}\n[drops.ecs]\nenabled = false'


def actors(yard: Yard, pattern: str) -> set[str]:
    import json

    return {json.loads(line)["actor"]["id"] for body in bodies(yard, pattern) for line in body.splitlines()}


def test_the_same_person_has_the_same_digest_every_night(yard: Yard):
    setting(yard, HASHED)
    fill(yard)
    file = yard.home.state / "drops.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    key = file.read_bytes()
    yard.put("b.ndjson", day_of_records(date(2026, 1, 7), 6))
    yard.night(date(2026, 1, 8))
    assert file.read_bytes() == key
    assert actors(yard, "generic/*.20260105.*") == actors(yard, "generic/*.20260107.*")
    assert not any(b"usr_" in body or b"@example.com" in body or b"Person" in body for body in bodies(yard, "generic/*"))
    assert faults(yard) == []


def test_a_lost_key_stops_the_drop_and_says_so(yard: Yard):
    setting(yard, HASHED)
    fill(yard)
    (yard.home.state / "drops.key").unlink()
    yard.put("b.ndjson", day_of_records(date(2026, 1, 7), 3))
    with pytest.raises(DropError, match="is gone") as caught:
        yard.night(date(2026, 1, 8))
    assert "drops new-key" in caught.value.todo
    done = CliRunner().invoke(main, ["--home", str(yard.home.root), "drops", "new-key", "--yes"])
    assert done.exit_code == 0
    yard.night(date(2026, 1, 8))
    assert drops.due(yard.home, history(yard.home)) == []
    assert actors(yard, "generic/*.20260105.*").isdisjoint(actors(yard, "generic/*.20260107.*"))


def test_a_damaged_key_is_named(yard: Yard):
    setting(yard, HASHED)
    (yard.home.state / "drops.key").write_text("no key")
    with pytest.raises(DropError, match="is no key"):
        fill(yard)


def test_without_hashed_columns_there_is_no_key(yard: Yard):
    fill(yard)
    assert not (yard.home.state / "drops.key").exists()
