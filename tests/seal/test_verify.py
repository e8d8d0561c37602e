"""``audit-pipelines verify`` over a sealed home: what it looks at, what it says, and what is no fault.

Attacks have a file of their own (test_attacks.py); here are the rights and wrongs that they leave out: keys and
their rotation, removals, runs that were killed, restored homes, anchors, the command itself, and flipped bits.
"""

import base64
import hashlib
import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType

import duckdb
import msgspec
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from audit_pipelines.batch import history, load
from audit_pipelines.cli import main
from audit_pipelines.defs import keeping, night, restoring, signing
from audit_pipelines.errors import EvidenceError
from audit_pipelines.home import Home
from audit_pipelines.removal import removals
from audit_pipelines.seal import keys, sealed, timestamp
from audit_pipelines.seal import statements as st
from audit_pipelines.seal.appending import finish_pending, keep_pending
from audit_pipelines.seal.ledger import Ledger
from audit_pipelines.seal.log import checkpoint_path, checkpoint_sizes
from audit_pipelines.seal.standalone import Checkpoint, Key
from audit_pipelines.seal.tiles import Tiles
from audit_pipelines.seal.verify import evidence as verify_evidence
from audit_pipelines.seal.verify import pool as verify_pool
from audit_pipelines.seal.verify.batches import read_manifests
from audit_pipelines.seal.verify.check import Outcome, Verdict
from audit_pipelines.seal.verify.old import check_old
from audit_pipelines.seal.verify.whole import verify


def _load(name: str) -> ModuleType:
    location = importlib.util.spec_from_file_location(f"verify_{name}", Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(location)
    location.loader.exec_module(module)
    return module


made = _load("sealed_home")
checked, told = made.checked, made.told
MOMENT = datetime(2026, 2, 3, tzinfo=UTC)
LATER = datetime(2027, 1, 10, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return made.build(tmp_path_factory.getbasetemp())


@pytest.fixture
def home(untouched: Home, tmp_path: Path) -> Home:
    return made.copied(untouched, tmp_path)


def texts(verdict: Verdict) -> dict[str, str]:
    return {check.name: check.text for check in verdict.checks}


def notes(verdict: Verdict) -> list[str]:
    return [note for check in verdict.checks for note in check.notes]


# --- a sound home -------------------------------------------------------------------------------------------


def test_it_says_what_it_looked_at(home):
    verdict = checked(home, derived=True)
    assert texts(verdict) == {
        "signatures": "15 checkpoints of both logs",
        "events log": "3 tiles of 363 leaves, 5 roots",
        "statements log": "1 tile of 11 leaves, 10 roots",
        "statements": "11 statements, of 4 batches",
        "batches": "4 manifests by statement, ranges and digests",
        "removals": "0 removals: 0 purged files, 0 erased events",
        "evidence": "6 files, 363 lines against 363 leaves",
        "rejects": "1 file",
        "drops": "22 files of 11 manifests",
        "reports": "2 files of 1 revision",
        "anchors": "0 tokens, 0 cosignatures",
        "signer": "its memory of 2 logs",
        "old logs": "0 logs",
        "columns": "363 rows of 6 files, all 25 columns",
    }
    assert told(verdict) == []


def test_it_changes_nothing(home):
    before = made.beside("defs/conftest.py").tree(home)
    checked(home, derived=True)
    assert made.beside("defs/conftest.py").tree(home) == before


def test_more_processes_find_the_same(home, monkeypatch):
    monkeypatch.setattr(verify_pool, "SMALL", 0)
    path = home.root / load(home, 2).evidence[0].path
    lines = made.lines_of(path)
    made.write_lines(path, [*lines[:9], lines[9] + b" ", *lines[10:]])
    found = [verify(home, home.settings(), now=made.NOW, workers=number) for number in (1, 2)]
    assert told(found[0]) == told(found[1]) != []


def test_a_process_that_dies_is_an_error_of_verification():
    tasks = [verify_evidence.Digest("/dev/null", "a", "", ""), verify_evidence.Digest("/dev/null", "b", "", "")]
    with pytest.raises(EvidenceError, match="ended early"):
        list(verify_pool.spread(_die, tasks, cost=1 << 40, workers=2))


def _die(_task: object) -> None:
    os._exit(9)


def test_the_core_needs_nothing_heavy():
    """Workers import it, and an auditor's machine may have only it."""
    code = (
        "import sys; import audit_pipelines.seal.verify\n"
        "heavy = {'dagster', 'duckdb', 'pyarrow', 'weasyprint', 'numpy', 'jinja2', 'urllib3', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- columns ------------------------------------------------------------------------------------------------


def rewrite_columns(path: Path, select: str) -> None:
    """Write a Parquet file anew, with the metadata it had; ``select`` reads from ``old``."""
    metadata = {key.decode(): value.decode() for key, value in pq.read_metadata(path).metadata.items() if key != b"ARROW:schema"}
    pairs = ", ".join(f"{name}: '{value}'" for name, value in metadata.items())
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"CREATE VIEW old AS SELECT * FROM read_parquet('{path}', hive_partitioning = false)")
        connection.execute(f"COPY ({select}) TO '{path}.new' (FORMAT parquet, KV_METADATA {{{pairs}}})")
    Path(f"{path}.new").rename(path)


@pytest.mark.parametrize(
    ("select", "place", "text"),
    [
        ("SELECT * FROM old WHERE line <> 7", "line 7, leaf 307, event terracotta/evt_002007", "has no row for this record"),
        ("FROM old UNION ALL FROM old WHERE line = 7", "", "has a row more than once"),
        ("FROM old UNION ALL SELECT * REPLACE (99 AS line) FROM old WHERE line = 7", "line 99, leaf 399", "that no record gives"),
        ("SELECT * REPLACE ('eve' AS actor_name) FROM old WHERE line < 25", "line 0, leaf 300", "from its record: actor_name"),
        ("SELECT * EXCLUDE (outcome) FROM old", "", "cannot be compared"),
    ],
)
def test_columns_that_the_records_do_not_give(home, select, place, text):
    path = home.root / load(home, 2).evidence[0].events
    rewrite_columns(path, select)
    assert told(checked(home)) == []
    said = told(checked(home, derived=True))
    assert said[0].startswith(f"{home.relative(path)}, day 2026-01-03")
    assert place in said[0]
    assert text in said[0]


def test_a_torn_derived_file_is_a_fault_and_a_missing_one_is_told(home):
    one, two = (home.root / load(home, seq).evidence[0].events for seq in (1, 2))
    one.write_bytes(one.read_bytes()[:100])
    two.unlink()
    verdict = checked(home, derived=True)
    (said,) = told(verdict)
    assert said.startswith(f"{home.relative(one)}, day 2026-01-02: cannot be compared: ")
    assert "1 derived file missing: the next night makes them again" in notes(verdict)


def test_a_dialect_that_is_gone_is_asked_for(home):
    """A home's own dialect made the columns; without it nobody can say whether they are right."""
    path = home.root / load(home, 2).evidence[0].events
    table = pq.read_table(path)
    stated = next(result.dialect_sha256 for result in load(home, 2).sources)
    log = sealed.open_log(home, home.settings())
    days = {"first": date(2026, 1, 3), "last": date(2026, 1, 3)}
    new = {"old_dialect_sha256": stated, "new_dialect_sha256": "cd" * 32}
    log.state(st.Rederive(at=MOMENT, source="terracotta", files=1, rows_changed=0, **days, **new))
    pq.write_table(table.cast(table.schema.with_metadata({"dialect_sha256": "cd" * 32})), path)
    (said,) = told(checked(home, derived=True))
    assert said.endswith("its dialect cdcdcdcdcdcdcdcd is not here any more: put it into dialects/")


# --- keys ---------------------------------------------------------------------------------------------------


def test_a_key_is_given_as_fingerprint_or_vkey(home):
    public = keys.listing(home.root / "keys")[0]
    given = [Key("audit-pipelines/test/statements", public).vkey]
    for some in ([made.key_of(home)], given, [made.key_of(home).upper(), "ab" * 32]):
        verdict = checked(home, given=some)
        assert told(verdict) == []
        assert verdict.trusted
        assert verdict.signer == f"signer {made.key_of(home)}, by the key that was given"


@pytest.mark.parametrize("text", ["", "ff", "name+12345678+AAAA", "zz" * 32])
def test_what_is_no_key_is_refused(home, text):
    with pytest.raises(EvidenceError, match="no key"):
        checked(home, given=[text])


def rotated(home: Home) -> tuple[str, str]:
    """Begin a rotation, work a night, finish it, work another; the old and the new fingerprint."""
    old = made.key_of(home)
    signing.begin_rotation(home, "yearly", now=lambda: datetime(2026, 2, 3, tzinfo=UTC))
    a_night(home, date(2026, 2, 4))
    new = next(key.fingerprint for key in signing.keys(home) if key.fingerprint != old)
    signing.finish_rotation(home, "yearly", now=lambda: datetime(2026, 3, 20, tzinfo=UTC))
    a_night(home, date(2026, 3, 21))
    return old, new


def a_night(home: Home, today: date) -> None:
    day = today - timedelta(days=1)
    record = made.beside("defs/conftest.py").record(day.toordinal(), f"{day}T10:00:00+00:00")
    (home.root / "inbox" / f"{today}.ndjson").write_bytes(record + b"\n")
    made.work(home, today)


def test_after_a_rotation_the_old_key_vouches_for_the_new_one_and_the_other_way_round(home):
    old, new = rotated(home)
    for given in ([old], [new], []):
        verdict = checked(home, given=given)
        assert told(verdict) == []
        assert new in verdict.signer
        assert old not in verdict.signer


def test_during_a_rotation_both_keys_must_sign(home):
    _, new = rotated(home)
    both = [size for size in checkpoint_sizes(home.log / "events") if b"\xe2\x80\x94" in _second_line(home, size)]
    assert both
    path = checkpoint_path(home.log / "events", both[0])
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    (said,) = told(checked(home), "signatures")
    assert said == f"log/events/checkpoints/{both[0]}: the key {new[:16]}, in force then, has not signed"


def _second_line(home: Home, size: int) -> bytes:
    lines = checkpoint_path(home.log / "events", size).read_bytes().splitlines()
    return lines[5] if len(lines) > 5 else b""


def test_a_retired_key_cannot_sign_on(home):
    old, _ = rotated(home)
    public = next(public for public in keys.listing(home.root / "keys") if keys.fingerprint(public) == old)
    signer = keys.load(home.root / "keys", public)
    path = checkpoint_path(home.log / "events")
    body = path.read_bytes().partition(b"\n\n")[0] + b"\n"
    key = Key("audit-pipelines/test/events", public)
    line = base64.b64encode(key.id + signer.sign(body)).decode()
    path.write_bytes(body + f"\n\u2014 {key.name} {line}\n".encode())
    assert any("in force then, has not signed" in said for said in told(checked(home), "signatures"))


def test_an_incident_is_told(home):
    signing.note(home, "a disk was replaced", now=lambda: datetime(2026, 2, 3, tzinfo=UTC))
    verdict = checked(home)
    assert told(verdict) == []
    assert "statement 11 tells of an incident (other) on 2026-02-03: a disk was replaced" in notes(verdict)


# --- removals -----------------------------------------------------------------------------------------------


def purged(home: Home) -> None:
    station = made.station_of(home, LATER.date())
    try:
        keeping.enforce(station, approver="ada")
    finally:
        station.close()


def erased(home: Home, *uids: str) -> None:
    station = made.station_of(home, date(2026, 2, 10))
    try:
        keeping.erase(station, uids, (), ground="Art. 17", approver="ada")
    finally:
        station.close()


def test_a_purge_leaves_a_home_that_verifies(home):
    purged(home)
    assert any(file.purged for batch in history(home) for file in batch.evidence)
    verdict = checked(home, derived=True, now=LATER)
    assert told(verdict) == []
    assert texts(verdict)["removals"].startswith("1 removal: ")


def test_an_erasure_leaves_a_home_that_verifies(home):
    erased(home, "terracotta/evt_002005")
    verdict = checked(home, derived=True)
    assert told(verdict) == []
    assert texts(verdict)["removals"] == "1 removal: 0 purged files, 1 erased event"
    erased(home, "terracotta/evt_002006", "terracotta/evt_001007")
    verdict = checked(home, derived=True)
    assert told(verdict) == []
    assert texts(verdict)["removals"] == "2 removals: 0 purged files, 3 erased events"


def test_an_erased_file_may_be_purged_later(home):
    erased(home, "terracotta/evt_002005")
    purged(home)
    assert told(checked(home, derived=True, now=LATER)) == []


def test_an_erased_record_that_comes_back_is_a_fault(home):
    file = load(home, 2).evidence[0]
    lines = made.lines_of(home.root / file.path)
    erased(home, "terracotta/evt_002005")
    (new,) = [file.path for batch in history(home) for file in batch.evidence if file.erased]
    made.write_lines(home.root / new, lines)
    said = told(checked(home), "evidence")
    assert any("line 5, leaf 305" in text and text.endswith("and the record is still there") for text in said)


def test_more_erased_than_was_stated_is_a_fault(home):
    erased(home, "terracotta/evt_002005")
    (new,) = [file.path for batch in history(home) for file in batch.evidence if file.erased]
    lines = made.lines_of(home.root / new)
    lines[6] = b"!" + Tiles(home.log / "events").leaves(306, 307).hex().encode()
    made.write_lines(home.root / new, lines)
    said = told(checked(home), "evidence")
    assert any("line 6, leaf 306" in text and "no erasure statement names this leaf" in text for text in said)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda item: item["taken"][0].update(leaves=[306]), "removals/000001.json: names other leaves than its statement"),
        (lambda item: item.update(approver="eve"), "removals/000001.json: SHA-256 is"),
        (lambda item: item["taken"].pop(), "removals/000001.json: names other files than its statement"),
        (lambda item: item.update(kind="purge"), "removals/000001.json: is a purge, its statements are not"),
        (lambda item: item.update(number=2), "removals/000001.json: is removal 2"),
    ],
)
def test_a_removal_is_altered(home, change, text):
    erased(home, "terracotta/evt_002005")
    made.change_json(home.removal(1), change)
    assert any(said.startswith(text) for said in told(checked(home), "removals"))


def test_a_removal_is_deleted(home):
    erased(home, "terracotta/evt_002005")
    home.removal(1).unlink()
    assert "removals/000001.json: is missing; statement 11 names it" in told(checked(home), "removals")


def test_a_purge_that_names_other_files_than_its_statements(home):
    purged(home)
    made.change_json(home.removal(1), lambda item: item["taken"][0].update(sha256="00" * 32))
    said = told(checked(home, now=LATER), "removals")
    assert any(text.endswith("no purge statement names it") for text in said)
    assert any(text.endswith("a purge statement names it, removals/000001.json does not") for text in said)


def test_hold_beats_erasure(home):
    hold = st.Hold(at=datetime(2026, 2, 9, tzinfo=UTC), action="set", name="case 7")
    log = sealed.open_log(home, home.settings())
    log.state(hold)
    named = st.Digested(path="removals/000001.json", sha256="00" * 32)
    log.state(st.Erasure(at=datetime(2026, 2, 9, tzinfo=UTC), removal=named, leaves=(305,), files=(), ground="", approver=""))
    said = told(checked(home), "removals")
    text = "leaf 305, event terracotta/evt_002005: erased by statement 12 while the legal hold 'case 7' was in force"
    assert any(text in fault for fault in said)


def test_a_removal_without_its_statement_is_a_fault_until_the_next_night(home):
    """Nothing is deleted before it is stated, so all that it names must still be there."""
    station = made.station_of(home, LATER.date())
    chosen = keeping.plan(station)
    keeping.purge.commit_removal(home, chosen.removal)
    station.close()
    (said,) = told(checked(home, now=LATER))
    assert said.startswith("removals/000001.json: is not stated: a run was killed, or someone made it up")
    (home.root / removals(home)[0].taken[0].path).unlink()
    assert any("is missing, and no purge statement names it" in text for text in told(checked(home, now=LATER)))


def test_a_removal_that_a_killed_run_left_is_stated_by_the_next_night(home):
    station = made.station_of(home, LATER.date())
    removal = keeping.plan(station).removal
    keeping.announce(sealed.open_log(home, home.settings()), removal)
    keeping.purge.commit_removal(home, removal)
    station.close()
    a_night(home, LATER.date() + timedelta(days=1))
    assert told(checked(home, now=LATER + timedelta(days=2))) == []


# --- runs that were killed, homes that were restored --------------------------------------------------------


def extracted(home: Home) -> None:
    """A night that was killed before it sealed: one batch more."""
    record = made.beside("defs/conftest.py").record(77, "2026-02-02T10:00:00+00:00")
    (home.root / "inbox" / "n.ndjson").write_bytes(record + b"\n")
    station = made.station_of(home, date(2026, 2, 3))
    night.extract_days(station, [date(2026, 2, 2)])
    station.close()


def test_a_batch_that_is_not_sealed_yet_is_told(home):
    extracted(home)
    verdict = checked(home)
    assert told(verdict) == []
    assert "batch 5 is not sealed yet (1 event): the next night seals it" in notes(verdict)


def test_a_run_that_was_killed_after_signing_leaves(home):
    """Events are signed, their batch statement is not there yet; with ``checkpoint`` renamed or not."""
    extracted(home)
    log = sealed.open_log(home, home.settings())
    log.events.extend(log._leaves(load(home, 5)))
    verdict = checked(home)
    assert told(verdict) == []
    assert "leaves 363 to 363 are signed and no batch statement names them yet" in notes(verdict)
    checkpoint_path(home.log / "events").write_bytes(checkpoint_path(home.log / "events", 363).read_bytes())
    verdict = checked(home)
    assert told(verdict) == []
    assert any("a run was killed" in note for note in notes(verdict))
    for path in (checkpoint_path(home.log / "events", 364), home.log / "events" / "edges" / "364"):
        path.unlink()
    verdict = checked(home)  # now only the signer's memory knows, and the tiles fit it
    assert told(verdict) == []
    assert "log/events: 364 leaves were signed, 363 are sealed: a run was killed; the next one goes on" in notes(verdict)


def test_a_run_that_was_killed_after_signing_statements(home):
    log = sealed.open_log(home, home.settings())
    before = checkpoint_path(log.statements.folder).read_bytes()
    item = st.encode(st.Incident(at=datetime(2026, 2, 3, tzinfo=UTC), kind="other", text="x"))
    keep_pending(log.statements, [item])
    kept = (log.statements.folder / "pending").read_bytes()
    finish_pending(log.statements)
    (log.statements.folder / "pending").write_bytes(kept)
    checkpoint_path(log.statements.folder).write_bytes(before)
    for path in (checkpoint_path(log.statements.folder, 12), log.statements.folder / "edges" / "12"):
        path.unlink()
    verdict = checked(home)
    assert told(verdict) == []
    assert any("12 leaves were signed, 11 are sealed: a run was killed" in note for note in notes(verdict))
    (log.statements.folder / "pending").unlink()
    assert "log/statements: the log was rolled back: the signer has signed 12 leaves, it has 11" in told(checked(home), "signer")


def test_an_old_checkpoint_in_place_of_the_newest_is_a_fault(home):
    for name, size in (("events", 340), ("statements", 4)):
        folder = home.log / name
        shutil.copyfile(checkpoint_path(folder, size), checkpoint_path(folder))
        said = told(checked(home), "statements")
        assert any(text.startswith(f"log/{name}/checkpoint: is of {size} leaves, the log was signed at") for text in said)


def test_without_the_keys_folder_the_signers_memory_is_not_looked_at(home):
    shutil.rmtree(home.root / "keys")
    verdict = checked(home)
    assert told(verdict) == []
    assert "events: the signer's memory is not here" in notes(verdict)


def test_a_restored_home_with_its_new_log_verifies(home, untouched):
    made.roll_back(home, untouched.root.parent / "earlier")
    shutil.copytree(untouched.drops, home.drops, dirs_exist_ok=True)
    restoring.restored(home, (), "the disk was lost", now=lambda: datetime(2026, 2, 5, tzinfo=UTC))
    (home.root / "inbox" / "2026-02-01.ndjson").write_bytes(
        made.beside("defs/conftest.py").record(1, "2026-01-31T23:00:00+00:00") + b"\n"
    )
    verdict = checked(home, given=[made.key_of(home)])
    assert told(verdict) == []
    assert texts(verdict)["old logs"] == "1 log"
    assert "the events log before this one had 363 leaves, 362 are here: the rest was lost" in notes(verdict)
    assert any("tells of an incident (restored)" in note for note in notes(verdict))


def test_a_log_that_was_set_aside_is_verified_too(home, untouched):
    made.roll_back(home, untouched.root.parent / "earlier")
    restoring.restored(home, (), "the disk was lost", now=lambda: datetime(2026, 2, 5, tzinfo=UTC))
    path = home.root / "log.1" / "events" / "tile" / "0" / "000"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    assert any(text.startswith("log.1/events/tile/0/000: does not give its hash") for text in told(checked(home), "old logs"))


def test_the_genesis_of_a_new_log_names_a_checkpoint_that_the_old_one_never_had(home, untouched):
    made.roll_back(home, untouched.root.parent / "earlier")
    restoring.restored(home, (), "the disk was lost", now=lambda: datetime(2026, 2, 5, tzinfo=UTC))
    known = sealed.read_ledger(home)
    forged = Checkpoint("audit-pipelines/test/events", 340, b"\x05" * 32)
    genesis = msgspec.structs.replace(known.genesis, previous_events=signed(home, forged).decode())
    check, _ = check_old(home, Ledger([genesis, *known.statements[1:]]))
    text = "statement 0: the last checkpoint of the events log before is not of the log that was set aside"
    assert [str(fault) for fault in check.faults] == [text]
    assert check_old(home, known)[0].faults == ()


def signed(home: Home, head: Checkpoint) -> bytes:
    """A note by the home's key that its notary would never have given."""
    signer = keys.load(home.root / "keys", keys.listing(home.root / "keys")[0])
    key = Key(head.origin, signer.public)
    line = base64.b64encode(key.id + signer.sign(head.body)).decode()
    return head.body + f"\n\u2014 {key.name} {line}\n".encode()


def test_the_signer_remembers_another_tree(home):
    for path in (home.root / "keys" / "memory").glob("*.json"):
        memory = json.loads(path.read_bytes())
        path.write_text(json.dumps({**memory, "root": base64.b64encode(b"\x05" * 32).decode()}))
    assert told(checked(home)) == [
        "log/events: the signer has signed another root for 363 leaves",
        "log/statements: the signer has signed another root for 11 leaves",
    ]


def test_the_signer_remembers_less_than_is_signed(home):
    for path in (home.root / "keys" / "memory").glob("*.json"):
        memory = json.loads(path.read_bytes())
        path.write_text(json.dumps({**memory, "size": 4}))
    assert all("another one signed them" in said for said in told(checked(home), "signer"))
    assert len(told(checked(home), "signer")) == 2


# --- anchors ------------------------------------------------------------------------------------------------


def test_a_damaged_token_is_a_fault(home):
    path = sealed.anchors(home) / "11.tsr"
    path.parent.mkdir()
    path.write_bytes(b"\x30\x00")
    (said,) = told(checked(home), "anchors")
    assert said.startswith("log/anchors/11.tsr: is no time-stamp answer")


def test_a_token_needs_a_checkpoint(home):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = home.staging
    authority = _load("test_timestamp").Authority(folder)
    path = sealed.anchors(home) / "6.tsr"
    path.parent.mkdir()
    path.write_bytes(authority.reply(timestamp.request(b"anything", nonce=1)))
    assert told(checked(home), "anchors") == ["log/anchors/6.tsr: stamps a checkpoint of 6 statements, which is not here"]


def test_a_cosignature_is_verified_with_the_witnesss_key(home):
    path = sealed.anchors(home) / "11.cosig"
    path.parent.mkdir()
    path.write_bytes("\u2014 witness.example AAAA\n".encode())
    verdict = checked(home)
    assert "cosignatures: seal.witness_key names no key" in notes(verdict)
    toml = home.settings_file.read_text()
    key = _witness_vkey()
    home.settings_file.write_text(toml.replace("[seal]", f'[seal]\nwitness_url = "http://localhost"\nwitness_key = "{key}"', 1))
    (said,) = told(checked(home), "anchors")
    assert said.startswith("log/anchors/11.cosig: ")


def _witness_vkey() -> str:
    material = b"\x04" + b"\x05" * 32
    key_id = hashlib.sha256(b"witness.example\n" + material).hexdigest()[:8]
    return f"witness.example+{key_id}+{base64.b64encode(material).decode()}"


# --- the command --------------------------------------------------------------------------------------------


def call(home: Home | Path, *arguments: str) -> tuple[int, str, str]:
    root = home.root if isinstance(home, Home) else home
    done = CliRunner().invoke(main, ["--home", str(root), "verify", *arguments])
    return done.exit_code, done.stdout, done.stderr


def test_the_command_says_good(home):
    code, out, _ = call(home, "--key", made.key_of(home), "--rederive")
    assert code == 0
    assert out.splitlines()[-1] == "GOOD"
    assert out.splitlines()[-2] == f"signer {made.key_of(home)}, by the key that was given"
    assert "evidence        6 files, 363 lines against 363 leaves" in out


def test_the_command_says_whose_word_it_took(home):
    code, out, _ = call(home)
    assert code == 0
    assert "signer as the home itself states: compare the fingerprint" in out
    assert "columns: typed columns: --rederive compares them" in out


def test_the_command_says_bad(home):
    path = home.root / load(home, 2).evidence[0].path
    made.write_lines(path, [line + b" " for line in made.lines_of(path)])
    code, out, _ = call(home)
    assert code == 1
    assert out.splitlines()[-1] == "BAD: 22 faults"
    assert "... and 2 more (--all shows them)" in out
    code, out, _ = call(home, "--all")
    assert "more (--all" not in out
    code, out, _ = call(home, "--json")
    said = json.loads(out)
    assert (code, said["outcome"], said["faults"]) == (1, "BAD", 22)
    (evidence,) = [check for check in said["checks"] if check["name"] == "evidence"]
    fault = evidence["faults"][1]
    assert (fault["day"], fault["line"], fault["leaf"], fault["uid"]) == ("2026-01-03", 0, 300, "terracotta/evt_002000")


@pytest.mark.parametrize("given", ["ff", "zz" * 32])
def test_the_command_refuses_what_is_no_key(home, given):
    code, _, err = call(home, "--key", given)
    assert code == 2
    assert "not verified: --key: no key" in err


def test_the_command_cannot_verify_what_is_no_home(tmp_path):
    code, _, err = call(tmp_path)
    assert code == 2
    assert "not verified: " in err


def test_the_command_cannot_verify_what_was_never_sealed(tmp_path):
    fresh = made.beside("defs/conftest.py").Yard(tmp_path).home
    code, _, err = call(fresh)
    assert code == 2
    assert "nothing is sealed here yet" in err


# --- anything at all ----------------------------------------------------------------------------------------

COVERED = ("log/", "batches/", "evidence/", "rejects/", "drops/", "reports/")


def covered(home: Home) -> list[Path]:
    """Files of which no bit may change; drops and reports included."""
    files = [path for path in sorted(home.root.rglob("*")) if path.is_file()]
    return [path for path in files if home.relative(path).startswith(COVERED)]


def _flip(data: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]


def _cut(data: bytes, dice: random.Random) -> bytes:
    return data[: dice.randrange(len(data))]


def _grow(data: bytes, dice: random.Random) -> bytes:
    return data + dice.randbytes(dice.randrange(1, 40))


def _double(data: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(data))
    return data[:at] + data


@pytest.mark.parametrize("change", [_flip, _cut, _grow, _double])
def test_no_file_can_be_changed_unnoticed(home, change: Callable[[bytes, random.Random], bytes]):
    """And nothing but a verdict comes of it: 40 files each way, chosen by a seed."""
    dice = random.Random(change.__name__)
    files = [path for path in covered(home) if path.stat().st_size > 0]
    for path in dice.sample(files, 40):
        before = path.read_bytes()
        after = change(before, dice)
        if after == before:
            continue
        path.write_bytes(after)
        verdict = verify(home, home.settings(), now=made.NOW)
        assert verdict.outcome is Outcome.BAD, home.relative(path)
        path.write_bytes(before)
    assert told(checked(home)) == []


NAMED = st.Digested(path="x", sha256="00")
PURGE = {"at": MOMENT, "removal": 1, "what": "evidence", "sha256": "", "approver": ""}
NOTHING = dict.fromkeys(["source", "day", "first", "count", "newest", "months", "limit"])
BATCH = {
    "run_id": "",
    "extracted_at": MOMENT,
    "manifest": NAMED,
    "oldest": None,
    "newest": None,
    "late": 0,
    "rejects": 0,
    "code": "",
}


@pytest.mark.parametrize(
    "item",
    [
        st.Purge(**PURGE, **NOTHING, path="evidence/a\0b"),
        st.Purge(**PURGE, **NOTHING, path="/etc/hostname"),
        st.Purge(**PURGE, **{**NOTHING, "months": 10**18, "first": -1, "count": 10**18}, path="../../x"),
        st.Purge(**{**PURGE, "removal": -(10**12)}, **NOTHING, path=""),
        st.Erasure(
            at=MOMENT,
            removal=st.Digested(path="removals/\0.json", sha256=""),
            leaves=(-5, 10**18),
            files=(),
            ground="",
            approver="",
        ),
        st.Erasure(at=MOMENT, removal=st.Digested(path="9" * 5000, sha256=""), leaves=(), files=(), ground="", approver=""),
        st.Batch(seq=-1, events=st.Range(first=5, size=-5, root="no"), previous_token_sha256="no", **BATCH),
        st.Batch(seq=10**18, events=st.Range(first=363, size=10**18, root=""), previous_token_sha256=None, **BATCH),
        st.Report(month="/etc", revision=1, log_size=10**18, statements=-1, files=(st.Digested(path="/", sha256=""),)),
        st.Report(month="\0", revision=-1, log_size=0, statements=0, files=(st.Digested(path="\0", sha256=""),)),
        st.Drop(batch=99, part=7, parts=-1, manifests=(NAMED, st.Digested(path="batches/000001.json", sha256=""))),
        st.Drop(batch=1, part=0, parts=1, manifests=(st.Digested(path="\0", sha256=""),)),
        st.Conflict(batch=2, leaves=((10**18, None),)),
        st.Policy(at=datetime(1, 1, 1, tzinfo=UTC), months=-(10**12), sources={"terracotta": 10**12}),
        st.Hold(at=MOMENT, action="release", name="never set"),
    ],
    ids=lambda item: type(item).__name__,
)
def test_odd_statements_under_a_good_signature_end_in_a_verdict(home, item):
    """Whoever has the key can sign any nonsense; then it is the nonsense that is looked at."""
    sealed.open_log(home, home.settings()).state(item)
    verdict = checked(home)
    assert told(verdict) != [] or isinstance(item, st.Policy | st.Hold)


EMPTY = {"first": 363, "size": 363}
ROOT = base64.b64encode(b"\x05" * 32).decode()


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (st.Batch(seq=7, events=st.Range(**EMPTY, root=ROOT), previous_token_sha256=None, **BATCH), "batch 5 should be next"),
        (
            st.Batch(seq=5, events=st.Range(**EMPTY, root=ROOT), previous_token_sha256=None, **BATCH),
            "statement 11 (batch 5): the root it states is not that of 363 leaves",
        ),
        (
            st.Batch(seq=5, events=st.Range(first=363, size=400, root=ROOT), previous_token_sha256=None, **BATCH),
            "log/events: batches are stated up to 400 leaves, the log ends at 363: it was cut",
        ),
        (
            st.Batch(seq=5, events=st.Range(first=360, size=363, root=ROOT), previous_token_sha256=None, **BATCH),
            "leaves 360 to 363 do not follow 363: the ranges do not tile the log",
        ),
        (
            st.Batch(seq=2, events=st.Range(**EMPTY, root=ROOT), previous_token_sha256=None, **BATCH),
            "batches/000002.json: is not the manifest that statement 11 names",
        ),
    ],
    ids=["number", "root", "size", "range", "again"],
)
def test_a_batch_statement_that_lies(home, item, text):
    sealed.open_log(home, home.settings()).state(item)
    assert any(text in said for said in told(checked(home)))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda batch: batch["evidence"][0].update(first=301), "begins at leaf 301, the file before ends at 300"),
        (lambda batch: batch["evidence"][0].update(count=39), "its evidence ends at leaf 339, the batch at 340"),
        (lambda batch: batch.update(first=299), "leaves: the manifest says (299, 340), the statement (300, 340)"),
        (lambda batch: batch["sources"][0].update(late=4), "late events: the manifest says 4, the statement 0"),
        (lambda batch: batch["evidence"][0].update(conflicts=[[3, 2]]), "its conflicts are leaves 303, the statements say none"),
    ],
)
def test_a_manifest_that_contradicts_its_statement(home, change, text):
    """Whoever has the key can state the digest of a manifest that is not true to itself or to the statement."""
    made.change_json(home.batch(2), change)
    known = sealed.read_ledger(home)
    index, batch = known.batches()[2]
    digest = st.Digested(path="batches/000002.json", sha256=hashlib.sha256(home.batch(2).read_bytes()).hexdigest())
    statements = list(known.statements)
    statements[index] = msgspec.structs.replace(batch, manifest=digest)
    faults = read_manifests(home, Ledger(statements)).check.faults
    assert any(text in str(fault) for fault in faults)


def test_a_manifest_that_cannot_be_read_leaves_its_evidence_unchecked(home):
    home.batch(2).write_bytes(home.batch(2).read_bytes()[:-9])
    verdict = checked(home)
    (said,) = told(verdict)
    assert said.startswith("batches/000002.json: is not the manifest that statement 3 names: damaged manifest")
    assert "evidence of batch 2, and files that no manifest names: a manifest cannot be read" in notes(verdict)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda form: form.update(rows=39), "generic: 40 rows and 0 withheld, the batch has 40 events of the day"),
        (lambda form: form.update(rows_withheld=1), "generic: 40 rows and 1 withheld, the batch has 40 events of the day"),
        (lambda form: form["files"][0].update(max_leaf_index=340), "names leaf 340, which is not of this batch and day"),
    ],
)
def test_a_drop_manifest_that_contradicts_its_batch(home, change, text):
    path = home.drops / "_manifests" / "20260103.b000002.manifest.json"
    made.change_json(path, lambda content: change(next(form for form in content["formats"] if form["format"] == "generic")))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    item = st.Drop(batch=2, part=0, parts=1, manifests=(st.Digested(path=home.relative(path), sha256=digest),))
    sealed.open_log(home, home.settings()).state(item)
    assert any(text in said for said in told(checked(home), "drops"))


def test_two_notes_of_one_size_are_one_too_many(home):
    """Another signature under the same head does no harm, but it is not what was sealed."""
    path = checkpoint_path(home.log / "events")
    path.write_bytes(path.read_bytes() + "\u2014 someone.example AAAAAAAA\n".encode())
    assert told(checked(home)) == ["log/events/checkpoint: differs from log/events/checkpoints/363"]
