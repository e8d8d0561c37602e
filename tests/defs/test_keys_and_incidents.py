"""Keys over the years of a log: the first, the month of two, the stolen one; and a log after a restore."""

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from audit_pipelines.defs import restoring, signing
from audit_pipelines.errors import SealError
from audit_pipelines.seal import keys, sealed
from audit_pipelines.seal import statements as st
from audit_pipelines.seal.log import read_checkpoint
from audit_pipelines.seal.standalone import Key, open_checkpoint
from tests.defs.conftest import Yard, day_of_records

NOW = datetime(2026, 1, 6, 12, tzinfo=UTC)


@pytest.fixture
def sealed_yard(yard: Yard) -> Yard:
    """A home after one night."""
    yard.put("a.ndjson", day_of_records(date(2026, 1, 5), 6))
    yard.night(date(2026, 1, 6))
    return yard


def later(days: int):
    return lambda: NOW + timedelta(days=days)


def signers(yard: Yard, name: str) -> set[str]:
    """Fingerprints of the keys that signed the newest checkpoint."""
    ledger = sealed.read_ledger(yard.home)
    trusted = [Key(f"{ledger.genesis.origin}/{name}", keys.public_of(text, "")) for text in ledger.all_keys()]
    head = open_checkpoint(read_checkpoint(yard.home.log / name), trusted, name)
    return {key.fingerprint for key in head.signers}


def more(yard: Yard, day: int, first: int) -> None:
    yard.put(f"{day}.ndjson", day_of_records(date(2026, 1, day), 3, first=first))
    yard.night(date(2026, 1, day + 1))


def test_before_the_first_night_a_key_is_there_and_a_second_one_is_refused(yard: Yard):
    (key,) = signing.keys(yard.home)
    assert key.standing == "signs from the first night on"
    assert [vkey.partition("+")[0] for vkey in key.vkeys] == ["audit-pipelines/test/events", "audit-pipelines/test/statements"]
    with pytest.raises(SealError, match="there is a key already"):
        signing.new(yard.home, None, None)


def test_a_month_of_two_keys(sealed_yard: Yard):
    yard = sealed_yard
    (old,) = signers(yard, "events")
    with pytest.raises(SealError, match="only one key signs"):
        signing.finish_rotation(yard.home, "test", now=later(0))
    signing.begin_rotation(yard.home, "yearly", now=later(0))
    assert signers(yard, "statements") == {old}, "the statement of the new key is signed by the old one"
    with pytest.raises(SealError, match="two keys sign already"):
        signing.begin_rotation(yard.home, "again", now=later(1))
    more(yard, 6, 100)
    both = signers(yard, "events")
    assert len(both) == 2
    with pytest.raises(SealError, match="the new key signs since 2026-01-06 only"):
        signing.finish_rotation(yard.home, "too early", now=later(27))
    signing.finish_rotation(yard.home, "yearly", now=later(28))
    more(yard, 7, 200)
    assert signers(yard, "events") == both - {old}
    assert [key.standing.partition(" 2")[0] for key in signing.keys(yard.home)] == ["signs no more", "signs since"]
    ledger = sealed.read_ledger(yard.home)
    assert [item.action for item in ledger.statements if isinstance(item, st.Key)] == ["add", "retire"]


def test_after_the_rotation_the_old_private_key_is_not_needed(sealed_yard: Yard):
    yard = sealed_yard
    (old,) = signers(yard, "events")
    signing.begin_rotation(yard.home, "yearly", now=later(0))
    signing.finish_rotation(yard.home, "yearly", now=later(30))
    (yard.home.root / "keys" / f"{old[:16]}.pem").unlink()
    more(yard, 6, 100)
    assert old not in signers(yard, "events")


def test_a_stolen_key_ends_at_once(sealed_yard: Yard):
    yard = sealed_yard
    (old,) = signers(yard, "events")
    with pytest.raises(SealError, match="'0000000000' is no key that signs"):
        signing.compromised(yard.home, "0000000000", "test", now=later(0))
    signing.compromised(yard.home, old[:16], "laptop lost", now=later(0))
    more(yard, 6, 100)
    assert old not in signers(yard, "events")
    kinds = [type(item).__name__ for item in sealed.read_ledger(yard.home).statements]
    assert kinds[kinds.index("Incident") :][:3] == ["Incident", "Key", "Key"]


def test_a_note_is_a_statement(sealed_yard: Yard):
    assert "stated as number" in signing.note(sealed_yard.home, "the source was down on Sunday", now=later(0))
    assert sealed.read_ledger(sealed_yard.home).statements[-1].text == "the source was down on Sunday"


def roll_back(yard: Yard, tmp_path: Path) -> bytes:
    """A backup of the home, one more night, then the backup restored - but the keys' folder, which no backup has.

    Gives the last statements checkpoint that is lost.
    """
    backup = tmp_path / "backup"
    shutil.copytree(yard.home.root, backup, ignore=shutil.ignore_patterns("keys"))
    more(yard, 6, 100)
    lost = read_checkpoint(yard.home.log / "statements")
    for path in yard.home.root.iterdir():
        if path.name != "keys":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(backup, yard.home.root, dirs_exist_ok=True)
    return lost


def test_a_restored_home_is_refused_by_the_signer_until_the_restore_is_stated(sealed_yard: Yard, tmp_path: Path):
    yard = sealed_yard
    lost = roll_back(yard, tmp_path)
    with pytest.raises(SealError, match=r"refused to sign audit-pipelines/test/events.*a fork"):
        more(yard, 6, 100)
    said = restoring.restored(yard.home, [], "disk died", now=later(1))
    assert "audit-pipelines/test/log2" in said
    ledger = sealed.read_ledger(yard.home)
    assert ledger.genesis.previous_statements == lost.decode(), "the signer remembered the newest checkpoint"
    assert sorted(ledger.batches()) == [1, 2]
    old = sealed.read_ledger(yard.home, yard.home.root / "log.1")
    assert old.genesis.origin == "audit-pipelines/test"
    more(yard, 7, 300)
    assert sorted(sealed.read_ledger(yard.home).batches()) == [1, 2, 3]


def test_the_statements_of_the_old_log_are_taken_over_word_for_word(sealed_yard: Yard, tmp_path: Path):
    yard = sealed_yard
    roll_back(yard, tmp_path)
    restoring.restored(yard.home, [], "disk died", now=later(1))
    old = sealed.read_ledger(yard.home, yard.home.root / "log.1")
    new = sealed.read_ledger(yard.home)
    assert new.statements[1 : len(old.statements)] == old.statements[1:]
    assert isinstance(new.statements[len(old.statements)], st.Incident)


def test_a_restore_that_was_killed_goes_on(sealed_yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    yard = sealed_yard
    roll_back(yard, tmp_path)

    class KilledError(BaseException):
        pass

    def killed(*_: object) -> None:
        raise KilledError

    real = sealed.set_aside
    for place, name, act in (
        (sealed, "set_aside", lambda home: (real(home), killed())),
        (sealed, "found_with", killed),
        (sealed.SealedLog, "take_over", killed),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, act)
            with pytest.raises(KilledError):
                restoring.restored(yard.home, [], "disk died", now=later(1))
    restoring.restored(yard.home, [], "disk died", now=later(1))
    assert sealed.read_ledger(yard.home).genesis.origin == "audit-pipelines/test/log2", "one new log, not three"
    assert sorted(path.name for path in yard.home.root.glob("log*")) == ["log", "log.1"]


def test_a_checkpoint_that_others_signed_is_no_last_checkpoint(sealed_yard: Yard):
    forged = read_checkpoint(sealed_yard.home.log / "events").replace(b"\n6\n", b"\n7\n")
    with pytest.raises(SealError, match="the signature by"):
        restoring.restored(sealed_yard.home, [forged], "", now=later(1))


def test_what_a_restored_log_had_pending_does_not_stop_the_restore(sealed_yard: Yard, tmp_path: Path):
    """The backup was taken in the middle of an append."""
    yard = sealed_yard
    (yard.home.log / "statements" / "pending").write_bytes(b'3\n{"type":"incident"}\n')
    shutil.copytree(yard.home.root, tmp_path / "backup", ignore=shutil.ignore_patterns("keys"))
    (yard.home.log / "statements" / "pending").unlink()
    more(yard, 6, 100)
    for path in yard.home.root.iterdir():
        if path.name != "keys":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(tmp_path / "backup", yard.home.root, dirs_exist_ok=True)
    with pytest.raises(SealError, match="was not written by this home's runs"):
        yard.night(date(2026, 1, 8))
    assert "log2" in restoring.restored(yard.home, [], "disk died", now=later(1))
    yard.night(date(2026, 1, 9))


def test_a_key_that_is_lost_without_a_backup_ends_its_log_and_a_new_one_goes_on(sealed_yard: Yard):
    yard = sealed_yard
    (lost,) = signers(yard, "events")
    (yard.home.root / "keys" / f"{lost[:16]}.pem").unlink()
    with pytest.raises(SealError, match="is missing; nothing was sealed"):
        more(yard, 6, 100)
    restoring.restored(yard.home, [], "", key_lost=True, now=later(1))
    more(yard, 7, 200)
    ledger = sealed.read_ledger(yard.home)
    assert (ledger.genesis.origin, sorted(ledger.batches())) == ("audit-pipelines/test/log2", [1, 2, 3])
    assert lost not in signers(yard, "events")
    assert ledger.genesis.previous_statements is not None
