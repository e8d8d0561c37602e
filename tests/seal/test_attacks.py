"""Attacks by someone who can write the home, and who notices: rows 1 to 20 of the table of attacks.

Level A writes every file and has no key, level B signs too. Each test does to the files of a sealed home what
the attacker would do, and looks at what is said by ``audit-pipelines verify``, by the signer, by tlogverify
(in Go, none of our code) with what an auditor holds, or by OpenSSL.
"""

import base64
import hashlib
import importlib.util
import json
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType

import duckdb
import msgspec
import pyarrow.parquet as pq
import pytest

from audit_pipelines import removal
from audit_pipelines.batch import EvidenceFile, encode, load
from audit_pipelines.defs import sealing
from audit_pipelines.durable import write_atomically
from audit_pipelines.errors import SealError
from audit_pipelines.home import Home
from audit_pipelines.retention import limit
from audit_pipelines.seal import keys, sealed, timestamp
from audit_pipelines.seal import statements as st
from audit_pipelines.seal.log import checkpoint_path, checkpoint_sizes, read_checkpoint
from audit_pipelines.seal.standalone import Key
from audit_pipelines.seal.tiles import Tiles
from audit_pipelines.seal.verify.check import Outcome


def _load(name: str) -> ModuleType:
    location = importlib.util.spec_from_file_location(f"attacks_{name}", Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(location)
    location.loader.exec_module(module)
    return module


made = _load("sealed_home")
checked, told = made.checked, made.told
THIRD = date(2026, 1, 3)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return made.build(tmp_path_factory.getbasetemp())


@pytest.fixture
def home(untouched: Home, tmp_path: Path) -> Home:
    """A copy to be attacked."""
    return made.copied(untouched, tmp_path)


@pytest.fixture
def backup(untouched: Home) -> Path:
    """The home as it was before the last night."""
    return untouched.root.parent / "earlier"


def evidence_of(home: Home, day: date = THIRD, seq: int = 2) -> EvidenceFile:
    (found,) = load(home, seq).files(day)
    return found


def rewrite(home: Home, change: Callable[[list[bytes]], object], file: EvidenceFile | None = None) -> EvidenceFile:
    """Let ``change`` work on the lines of one evidence file (by default of 3 January), and compress them again."""
    file = file or evidence_of(home)
    path = home.root / file.path
    lines = made.lines_of(path)
    change(lines)
    made.write_lines(path, lines)
    return file


def cover(home: Home, file: EvidenceFile, seq: int = 2) -> None:
    """Give the manifest the digest and length that the altered file has now."""
    content = (home.root / file.path).read_bytes()

    def change(batch: dict) -> None:
        for entry in batch["evidence"]:
            if entry["path"] == file.path:
                entry["sha256"], entry["bytes"] = hashlib.sha256(content).hexdigest(), len(content)

    made.change_json(home.batch(seq), change)


class Auditor:
    """Someone outside, with the log's key, checkpoints seen earlier, and tlogverify."""

    def __init__(self, tlogverify: Path, home: Home, folder: Path) -> None:
        public = keys.listing(home.root / "keys")[0]
        self.tool, self.folder = tlogverify, folder
        self.vkeys = {name: Key(f"audit-pipelines/test/{name}", public).vkey for name in ("events", "statements")}
        self.held = folder / "held"
        shutil.copytree(home.log, self.held)

    def says(self, command: str, log: str, **options: object) -> str:
        """Exit code and all that it printed."""
        arguments = [part for name, value in options.items() for part in (f"-{name}", value)]
        done = made.run(self.tool, command, "-vkey", self.vkeys[log], *arguments)
        return f"{done.returncode} {done.stdout}{done.stderr}"

    def batch(self, home: Home, seq: int = 2) -> str:
        """``tlogverify batch`` over the evidence of one batch, against checkpoints and edge held earlier."""
        batch = load(home, seq)
        leaves = self.folder / "leaves.txt"
        lines = [line for file in batch.evidence for line in made.lines_of(home.root / file.path)]
        leaves.write_bytes(b"".join(line + b"\n" for line in lines))
        old, events = batch.first, self.held / "events"
        names = {"old": events / "checkpoints" / str(old), "edge": events / "edges" / str(old)}
        return self.says(
            "batch", "events", **names, new=events / "checkpoints" / str(batch.size), leaves=leaves, format="disclosed"
        )

    def consistent(self, home: Home, log: str = "events") -> str:
        """Whether the log of today is the one held, only longer."""
        old, new = self.held / log / "checkpoint", home.log / log / "checkpoint"
        return self.says("consistency", log, old=old, new=new, tiles=home.log / log)


@pytest.fixture
def auditor(tlogverify: Path, untouched: Home, tmp_path: Path) -> Auditor:
    return Auditor(tlogverify, untouched, tmp_path / "auditor")


def test_nobody_attacked(home, auditor):
    verdict = checked(home, given=[made.key_of(home)], derived=True)
    assert told(verdict) == []
    assert verdict.outcome is Outcome.GOOD
    assert auditor.batch(home).startswith("0 ")
    for log in ("events", "statements"):
        assert auditor.consistent(home, log).startswith("0 ")
        assert auditor.says("tiles", log, dir=home.log / log).startswith("0 ")


# --- 1 to 3, 6, 7, 14: the records of a sealed day ----------------------------------------------------------


def _one_byte(at: int) -> Callable[[list[bytes]], None]:
    def change(lines: list[bytes]) -> None:
        line = bytearray(lines[5])
        line[at] = ord("0") if line[at] != ord("0") else ord("1")
        lines[5] = bytes(line)

    return change


@pytest.mark.parametrize("covered", [False, True], ids=["plain", "with the manifest"])
@pytest.mark.parametrize("at", [3, 60], ids=["salt", "record"])
def test_1_a_record_is_edited(home, auditor, at, covered):
    file = rewrite(home, _one_byte(at))
    if covered:
        cover(home, file)
    verdict = checked(home)
    text = f"{file.path}, day 2026-01-03, line 5, leaf 305, event terracotta/evt_002005: is not the record that was sealed here"
    assert any(said.startswith(text) for said in told(verdict, "evidence"))
    assert any("SHA-256 is" in said for said in told(verdict, "evidence")) != covered
    assert (told(verdict, "batches") != []) == covered
    assert auditor.batch(home).startswith("1 BAD")
    assert "batch gives root" in auditor.batch(home)


def test_2_a_typed_column_is_edited(home):
    file = evidence_of(home)
    path = home.root / file.events
    metadata = {key.decode(): value.decode() for key, value in pq.read_metadata(path).metadata.items() if key != b"ARROW:schema"}
    pairs = ", ".join(f"{name}: '{value}'" for name, value in metadata.items())
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            f"COPY (SELECT * REPLACE (CASE WHEN line = 7 THEN 'failure' ELSE outcome END AS outcome) FROM read_parquet('{path}', "
            f"hive_partitioning = false)) TO '{path}.new' (FORMAT parquet, KV_METADATA {{{pairs}}})"
        )
    Path(f"{path}.new").rename(path)
    assert told(checked(home)) == []  # reports and rules read the columns: they have a check of their own
    (said,) = told(checked(home, derived=True))
    text = f"{file.events}, day 2026-01-03, line 7, leaf 307, event terracotta/evt_002007: differs from its record: outcome"
    assert said == text


def test_2_a_column_is_edited_and_another_dialect_named(home):
    file = evidence_of(home)
    path = home.root / file.events
    table = pq.read_table(path)
    schema = table.schema.with_metadata({"dialect_sha256": "ab" * 32})
    pq.write_table(table.cast(schema), path)
    (said,) = told(checked(home, derived=True))
    assert said.startswith(f"{file.events}, day 2026-01-03: says it was made by dialect abab")


@pytest.mark.parametrize("covered", [False, True], ids=["plain", "with the manifest"])
def test_3_a_record_is_deleted(home, auditor, covered):
    file = rewrite(home, lambda lines: lines.pop(7))
    if covered:
        cover(home, file)
    said = told(checked(home), "evidence")
    assert f"{file.path}, day 2026-01-03, leaf 300: has 39 lines, 40 were sealed" in said
    assert any("line 7, leaf 307" in text for text in said)
    assert auditor.batch(home).startswith("1 BAD")
    assert "batch has 39 leaves" in auditor.batch(home)


def test_3_a_record_is_deleted_as_if_it_had_been_erased(home):
    leaf = Tiles(home.log / "events").leaves(307, 308).hex().encode()
    file = rewrite(home, lambda lines: lines.__setitem__(7, b"!" + leaf))
    cover(home, file)
    said = told(checked(home), "evidence")
    text = f"{file.path}, day 2026-01-03, line 7, leaf 307, event terracotta/evt_002007: the record is gone, and no erasure"
    assert any(fault.startswith(text) for fault in said)


def test_4_a_day_is_deleted(home):
    file = evidence_of(home)
    (home.root / file.path).unlink()
    (home.root / file.events).unlink()
    text = f"{file.path}, day 2026-01-03, leaf 300: is missing, and no purge statement names it"
    assert told(checked(home)) == [text]


def test_4_a_day_is_deleted_and_the_manifest_closed_over_it(home):
    file = evidence_of(home)
    (home.root / file.path).unlink()
    batch = load(home, 2)
    home.batch(2).write_bytes(encode(msgspec.structs.replace(batch, evidence=(), size=batch.first)))
    assert any(
        "batches/000002.json: is not the manifest that statement 3 names" in said for said in told(checked(home), "batches")
    )


def test_4_a_whole_batch_is_deleted(home):
    file = evidence_of(home)
    (home.root / file.path).unlink()
    home.batch(2).unlink()
    assert "batches/000002.json: is missing; statement 3 names it" in told(checked(home), "batches")


def test_6_records_are_reordered(home, auditor):
    def swap(lines: list[bytes]) -> None:
        lines[3], lines[4] = lines[4], lines[3]

    file = rewrite(home, swap)
    cover(home, file)
    said = told(checked(home), "evidence")
    assert [text.split(":")[0].split(", ")[2:4] for text in said] == [["line 3", "leaf 303"], ["line 4", "leaf 304"]]
    assert auditor.batch(home).startswith("1 BAD")


def test_7_a_record_is_inserted_into_a_sealed_day(home, auditor):
    file = rewrite(home, lambda lines: lines.insert(9, b"00" * 16 + b' {"id":"made up"}'))
    cover(home, file)
    said = told(checked(home), "evidence")
    assert f"{file.path}, day 2026-01-03, leaf 300: has 41 lines, 40 were sealed" in said
    assert "batch has 41 leaves" in auditor.batch(home)


def test_7_a_file_is_added_to_a_sealed_day(home):
    path = home.evidence("terracotta", THIRD, 900, 1)
    made.write_lines(path, [b"00" * 16 + b" {}"])
    assert told(checked(home)) == [f"{home.relative(path)}: is named by no manifest"]


def test_8_a_backdated_record_arrives_late(home):
    """Level B feeds the source. No hash can fail: the batch that brought it says so, and its statement counts it."""
    backdated = made.beside("defs/conftest.py").record(7777, "2026-01-03T12:00:00+00:00")
    (home.root / "inbox").mkdir(exist_ok=True)
    (home.root / "inbox" / "z.ndjson").write_bytes(backdated + b"\n")
    made.work(home, date(2026, 2, 20))
    assert told(checked(home)) == []
    _, stated = sealed.read_ledger(home).batches()[5]
    assert (stated.late, stated.oldest.date(), stated.extracted_at.date()) == (1, THIRD, date(2026, 2, 20))


def test_14_the_file_of_a_day_is_swapped_for_another(home, auditor):
    ours, other = evidence_of(home), evidence_of(home, date(2026, 1, 5), 3)
    one, two = home.root / ours.path, home.root / other.path
    content = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(content)
    said = told(checked(home), "evidence")
    assert any(text.startswith(f"{ours.path}, day 2026-01-03: SHA-256 is") for text in said)
    assert any(
        text.startswith(f"{other.path}, day 2026-01-05, leaf {other.first}: has 40 lines, 20 were sealed") for text in said
    )
    assert auditor.batch(home).startswith("1 BAD")


# --- 5: purges ----------------------------------------------------------------------------------------------


def purge(home: Home, file: EvidenceFile, at: datetime, *, state: bool = True, **changes: object) -> None:
    """Take a file out as a purge does, with the real key if ``state``; ``changes`` are lies in what is said of it."""
    said = {
        "what": "evidence",
        "path": file.path,
        "sha256": file.sha256,
        "source": file.source,
        "day": file.day,
        "first": file.first,
        "count": file.count,
        "newest": file.newest,
        "months": 12,
        "limit": limit(at, 12),
    } | changes
    taken = removal.Taken(events=file.events, **said)
    found = removal.Removal(number=1, kind="purge", at=at, approver="me", ground="retention", taken=(taken,))
    write_atomically(home.removal(1), removal.encode(found), staging=home.staging)
    if state:
        log = sealed.open_log(home, home.settings())
        log.state(st.Purge(at=at, removal=1, approver="me", **said))
    (home.root / file.path).unlink()
    (home.root / file.events).unlink()


LATER = datetime(2027, 1, 4, tzinfo=UTC)
"""The first moment at which 3 January 2026 may go, by a policy of 12 months."""


def test_5_a_purge_that_the_policy_allows_is_no_attack(home):
    purge(home, evidence_of(home), LATER)
    verdict = checked(home, now=LATER, derived=True)
    assert told(verdict) == []
    assert "1 purged file" in next(check.text for check in verdict.checks if check.name == "removals")


@pytest.mark.parametrize(
    ("at", "lies", "now", "text"),
    [
        (LATER - timedelta(seconds=1), {}, LATER, "is not before 2026-01-03"),
        (datetime(2026, 3, 1, tzinfo=UTC), {"months": 1, "limit": date(2026, 2, 1)}, LATER, "the policy is 12 months"),
        (datetime(2026, 3, 1, tzinfo=UTC), {"limit": date(2026, 2, 1)}, LATER, "the policy is 12 months, the limit"),
        (LATER, {"newest": datetime(2020, 1, 1, tzinfo=UTC)}, LATER, "['newest'] are not the manifest's"),
        (LATER, {}, made.NOW, "is of 2027-01-04T00:00:00+00:00, and that is yet to come"),
        (datetime(2026, 1, 20, tzinfo=UTC), {}, LATER, "an earlier statement of 2026-02-01"),
    ],
    ids=["a second too soon", "other months", "another limit", "another newest event", "a time to come", "a time gone by"],
)
def test_5_a_purge_states_what_is_not_so(home, at, lies, now, text):
    file = evidence_of(home)
    purge(home, file, at, **lies)
    said = told(checked(home, now=now), "removals")
    assert any(
        fault.startswith(f"{file.path}, day 2026-01-03, leaf 300: its purge (statement 11) is not allowed") for fault in said
    )
    assert any(text in fault for fault in said)


def test_5_a_legal_hold_kept_it(home):
    hold = st.Hold(at=LATER, action="set", name="case 7", source="terracotta", first=THIRD, last=THIRD)
    sealed.open_log(home, home.settings()).state(hold)
    purge(home, evidence_of(home), LATER)
    (said,) = told(checked(home, now=LATER))
    assert "the legal hold 'case 7' was in force" in said


def test_5_a_removal_is_forged_without_the_key(home):
    """Level A: readers believe ``removals/`` at once, and the next night would state it."""
    file = evidence_of(home)
    purge(home, file, LATER, state=False)
    verdict = checked(home, now=LATER)
    assert any(said.startswith("removals/000001.json: is not stated") for said in told(verdict))
    assert any(f"{file.path}, day 2026-01-03, leaf 300: is missing" in said for said in told(verdict))


# --- 9 to 13: the log as a whole ----------------------------------------------------------------------------


def test_9_the_tail_is_cut_off(home, auditor):
    """The last batch and everything that says so in the log goes; the drop that went out with it says otherwise."""
    last = load(home, 4)
    for file in last.evidence:
        (home.root / file.path).unlink()
    home.batch(4).unlink()
    index, _ = sealed.read_ledger(home).batches()[4]
    for log, size in (("events", last.first), ("statements", index)):
        folder = home.log / log
        for gone in (at for at in checkpoint_sizes(folder) if at > size):
            checkpoint_path(folder, gone).unlink()
            (folder / "edges" / str(gone)).unlink()
        checkpoint_path(folder).write_bytes(read_checkpoint(folder, size))
    said = told(checked(home))
    assert "log/events: the log was rolled back: the signer has signed 363 leaves, it has 362" in said
    assert "log/statements: the log was rolled back: the signer has signed 11 leaves, it has 8" in said
    assert any("drops/_manifests/" in text and "the log has 8: it was rolled back" in text for text in said)
    assert "shrank" in auditor.consistent(home)
    assert auditor.consistent(home).startswith("1 ")


def test_10_a_backup_is_restored(home, backup, auditor):
    made.roll_back(home, backup)
    said = told(checked(home))
    assert "log/events: the log was rolled back: the signer has signed 363 leaves, it has 362" in said
    for log in ("events", "statements"):
        assert "shrank" in auditor.consistent(home, log)


def test_10_the_signer_does_not_go_on_from_a_backup(home, backup):
    made.roll_back(home, backup)
    record = made.beside("defs/conftest.py").record(8, "2026-02-02T10:00:00+00:00")
    (home.root / "inbox" / "e.ndjson").write_bytes(record + b"\n")
    with pytest.raises(SealError, match="refused to sign"):
        made.work(home, date(2026, 2, 3))


def test_10_nor_when_its_memory_was_deleted_with_the_log(home, backup, auditor):
    made.roll_back(home, backup)
    shutil.rmtree(home.root / "keys" / "memory")
    record = made.beside("defs/conftest.py").record(8, "2026-02-02T10:00:00+00:00")
    (home.root / "inbox" / "e.ndjson").write_bytes(record + b"\n")
    with pytest.raises(SealError, match="has no memory of audit-pipelines/test/events, which has leaves already"):
        made.work(home, date(2026, 2, 3))
    assert "shrank" in auditor.consistent(home)


def rewrite_history(home: Home, signer_byte: bytes | None = None) -> None:
    """Change a record of batch 2, then make manifests, log and statements anew; with another key if one is given."""
    file = rewrite(home, _one_byte(60))
    cover(home, file)
    shutil.rmtree(home.log)
    shutil.rmtree(home.root / "keys" / "memory")
    if signer_byte is not None:
        shutil.rmtree(home.root / "keys")
        keys.make(home.root / "keys", lambda count: signer_byte * count)
    for name in ("drops", "reports"):
        shutil.rmtree(home.root / name)
    station = made.station_of(home, date(2026, 2, 6))
    try:
        sealing.seal(station)
    finally:
        station.close()


def test_11_history_is_rewritten_and_signed_with_the_real_key(home, auditor):
    """Alone, the new log is whole: only who holds an older checkpoint sees that it is another one."""
    rewrite_history(home)
    assert told(checked(home, given=[made.key_of(home)])) == []
    assert auditor.consistent(home).startswith("1 BAD")
    assert auditor.batch(home).startswith("1 BAD")
    assert "batch gives root" in auditor.batch(home)


def test_11_a_drop_that_was_left_remembers_the_log_before(home, untouched):
    rewrite_history(home)
    shutil.copytree(untouched.drops, home.drops)
    assert any("statements that is not this log's" in said for said in told(checked(home), "drops"))


def test_12_the_log_is_signed_with_another_key(home, untouched, auditor):
    right = made.key_of(untouched)
    rewrite_history(home, b"\x07")
    verdict = checked(home, given=[right])
    assert [said.split(": ")[1] for said in told(verdict)] == ["is not signed by a key that is trusted"] * 2
    assert verdict.signer == "signer unknown: no key that was given has signed here"
    assert "no verifiable signatures" in auditor.consistent(home)
    alone = checked(home)
    assert alone.signer.startswith("signer as the home itself states: compare the fingerprint")
    assert right not in alone.signer


def test_12_one_checkpoint_is_signed_with_another_key(home):
    foreign = keys.make(home.staging / "foreign", lambda count: b"\x09" * count)
    path = checkpoint_path(home.log / "events", 340)
    body = path.read_bytes().partition(b"\n\n")[0] + b"\n"
    key = Key("audit-pipelines/test/events", foreign.public)
    line = base64.b64encode(key.id + foreign.sign(body)).decode()
    path.write_bytes(body + f"\n\u2014 {key.name} {line}\n".encode())
    assert "log/events/checkpoints/340: no signature by a key that is trusted" in told(checked(home), "signatures")


def test_12_a_checkpoint_of_the_other_log_is_no_checkpoint_of_this_one(home):
    shutil.copyfile(checkpoint_path(home.log / "statements", 10), checkpoint_path(home.log / "events"))
    text = "log/events/checkpoint: is of the log audit-pipelines/test/statements, this one is audit-pipelines/test/events"
    assert text in told(checked(home), "signatures")


def test_13_the_log_is_forked(home, untouched, tmp_path, auditor):
    """Two logs of one size, both signed by the real key: by themselves each is whole, side by side they convict."""
    rewrite_history(home)
    size = checkpoint_sizes(home.log / "events")[-1]
    assert size == checkpoint_sizes(untouched.log / "events")[-1]
    assert "fork" in auditor.consistent(home)


def test_13_the_signer_signs_one_branch_only(home, backup):
    """The branch that was taken back and grown otherwise."""
    made.roll_back(home, backup)
    for number in (1, 2):
        record = made.beside("defs/conftest.py").record(50 + number, f"2026-01-31T0{number}:00:00+00:00")
        (home.root / "inbox" / f"f{number}.ndjson").write_bytes(record + b"\n")
    (home.root / "inbox" / "2026-02-01.ndjson").unlink()
    with pytest.raises(SealError, match="is not the one of 363 leaves"):
        made.work(home, date(2026, 2, 1))


# --- 15 to 17: manifests, reports, drops --------------------------------------------------------------------


def test_15_a_manifest_is_altered(home):
    made.change_json(home.batch(2), lambda batch: batch.update(code="9.9.9"))
    (said,) = told(checked(home))
    assert said.startswith("batches/000002.json: is not the manifest that statement 3 names: SHA-256 is")


def _bundle(home: Home) -> Path:
    """The newest bundle of statements."""
    folder = home.log / "statements" / "tile" / "entries" / "000.p"
    return folder / str(max(int(path.name) for path in folder.iterdir()))


def test_15_a_manifest_is_altered_with_its_statement(home, auditor):
    before = hashlib.sha256(home.batch(2).read_bytes()).hexdigest().encode()
    made.change_json(home.batch(2), lambda batch: batch.update(code="9.9.9"))
    after = hashlib.sha256(home.batch(2).read_bytes()).hexdigest().encode()
    bundle = _bundle(home)
    bundle.write_bytes(bundle.read_bytes().replace(before, after))
    said = told(checked(home), "statements")
    assert f"{home.relative(bundle)}: statement 3 is not the one that was sealed" in said
    statement = sealed.read_ledger  # the root does not fit any more, so no run goes on from here either
    with pytest.raises(Exception, match="do not give the checkpoint's root"):
        statement(home)


def test_16_a_report_is_altered(home, auditor, tmp_path):
    pdf = home.reports / "2026-01" / "r1" / "test.audit-report.2026-01.r1.pdf"
    proof = pdf.parent / "proof"
    record = tmp_path / "statement"
    record.write_bytes((proof / "statement.json").read_bytes().removesuffix(b"\n"))
    good = auditor.says("inclusion", "statements", proof=proof / "report.tlog-proof", record=record)
    assert good.startswith("0 ")
    pdf.write_bytes(b"%PDF-1.7 nothing to see\n")
    (said,) = told(checked(home))
    assert said.startswith(f"{home.relative(pdf)}: SHA-256 is")
    assert "statement 10 (report 2026-01 r1) says" in said
    stated = {entry["path"]: entry["sha256"] for entry in json.loads(record.read_bytes())["files"]}
    assert made.run("sha256sum", pdf).stdout.split()[0] != stated[home.relative(pdf)]
    record.write_bytes(record.read_bytes().replace(b'"revision":1', b'"revision":2'))
    assert auditor.says("inclusion", "statements", proof=proof / "report.tlog-proof", record=record).startswith("1 BAD")


def test_16_a_report_or_its_proof_is_replaced(home):
    folder = home.reports / "2026-01" / "r1"
    (folder / "report.json").unlink()
    (folder / "extra.pdf").write_bytes(b"%PDF")
    (folder / "proof" / "report.tlog-proof").write_bytes(b"c2sp.org/tlog-proof@v1\n")
    assert sorted(told(checked(home))) == [
        "reports/2026-01/r1/extra.pdf: is not part of the report that was stated",
        "reports/2026-01/r1/proof/report.tlog-proof: is not what the log gives",
        "reports/2026-01/r1/report.json: is missing; a report statement names it",
    ]


def drop_of(home: Home, day: date = THIRD, seq: int = 2) -> Path:
    (found,) = home.drops.glob(f"generic/*.{day:%Y%m%d}.b{seq:06d}.*")
    return found


@pytest.mark.parametrize(
    "change", [lambda data: data.replace(b"success", b"failure", 1), lambda data: data[:-300]], ids=["alter", "cut"]
)
def test_17_a_drop_is_altered(home, change):
    path = drop_of(home)
    path.write_bytes(change(path.read_bytes()))
    (said,) = told(checked(home))
    assert said.startswith(f"{home.relative(path)}, day 2026-01-03: SHA-256 is")
    assert "its drop manifest says" in said


def test_17_a_drop_is_altered_with_its_manifest(home):
    path = drop_of(home)
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_bytes(path.read_bytes().replace(b"success", b"failure", 1))
    after = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest = home.drops / "_manifests" / "20260103.b000002.manifest.json"
    for file in (manifest, manifest.with_name("20260103.b000002.SHA256SUMS")):
        file.write_text(file.read_text().replace(before, after))
    said = told(checked(home))
    assert said[0].startswith(f"{home.relative(manifest)}, day 2026-01-03: SHA-256 is")
    assert "its drop statement says" in said[0]


def test_17_a_drop_is_added(home):
    path = drop_of(home)
    path.with_name(path.name.replace("p00", "p07")).write_bytes(b"{}\n")
    (said,) = told(checked(home))
    assert said.endswith(": no stated manifest names it")


def test_17_a_drop_that_a_reader_took_away_is_no_attack(home):
    drop_of(home).unlink()
    verdict = checked(home)
    assert told(verdict) == []
    assert "1 drop file not here: taken away by a reader" in [note for check in verdict.checks for note in check.notes]


# --- 18, 19: the log's own files ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("log", "tile", "text"),
    [
        ("events", "0/000", "does not give its hash in the level above (tile 0, hash 0); it covers leaves 0 to 255"),
        ("events", "0/001.p/107", "the tiles do not give the root that was signed at 363"),
        ("events", "1/000.p/1", "the tiles do not give the root that was signed at 363"),
        ("statements", "0/000.p/11", "the tiles do not give the root that was signed at 11"),
        ("statements", "0/000.p/4", "is not the beginning of the tile that followed it"),
        ("statements", "entries/000.p/4", "is not the beginning of the bundle that followed it"),
    ],
)
def test_18_a_tile_is_altered(home, auditor, log, tile, text):
    path = home.log / log / "tile" / tile
    data = bytearray(path.read_bytes())
    data[8] ^= 1
    path.write_bytes(data)
    assert any(text in said for said in told(checked(home), f"{log} log") + told(checked(home), "statements"))
    if "entries" not in tile and "p/4" not in tile:  # the others belong to older checkpoints
        assert auditor.says("tiles", log, dir=home.log / log).startswith("1 ")


def test_18_a_record_is_edited_with_its_leaf_in_the_tiles(home, auditor):
    file = rewrite(home, _one_byte(60))
    cover(home, file)
    line = made.lines_of(home.root / file.path)[5]
    leaf = hashlib.sha256(b"\x00" + bytes.fromhex(line[:32].decode()) + line[33:]).digest()
    path = home.log / "events" / "tile" / "0" / "001.p" / "107"
    data = path.read_bytes()
    path.write_bytes(data[: 49 * 32] + leaf + data[50 * 32 :])
    said = told(checked(home))
    assert any("the tiles do not give the root that was signed at 363" in text for text in said)
    assert auditor.says("tiles", "events", dir=home.log / "events").startswith("1 ")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("events/tile/0/000", "log/events/tile/0/000: a tile cannot be read"),
        ("events/edges/340", "log/events/edges/340: no edge"),
        ("events/checkpoint", "log/events/checkpoint: is missing"),
        ("events/checkpoints/340", "statement 3 (batch 2): there is no checkpoint of 340 leaves"),
        ("events/checkpoints/363", "log/events/checkpoints/363: is missing"),
        ("statements/checkpoint", "log/statements/checkpoint: is missing"),
        ("statements/tile/entries/000.p/11", "log/statements/tile/entries/000: statements cannot be read"),
        ("statements/tile/0/000.p/11", "a tile is missing"),
    ],
)
def test_19_something_of_the_log_is_deleted(home, path, text):
    (home.log / path).unlink()
    assert any(text in said for said in told(checked(home)))


def test_19_the_whole_log_is_deleted(home):
    shutil.rmtree(home.log)
    verdict = checked(home)
    assert told(verdict) == ["log/statements/checkpoint: is missing"]


# --- 20: time -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> object:
    """A real authority: OpenSSL with a certificate of its own."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    return _load("test_timestamp").Authority(tmp_path_factory.mktemp("authority"))


def stamp(home: Home, authority: object) -> Path:
    """A token over the newest statements checkpoint, of now."""
    size = checkpoint_sizes(home.log / "statements")[-1]
    path = sealed.anchors(home) / f"{size}.tsr"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(authority.reply(timestamp.request(read_checkpoint(home.log / "statements", size), nonce=size)))
    return path


def next_night(home: Home, today: date) -> None:
    record = made.beside("defs/conftest.py").record(4242, f"{today - timedelta(days=1)}T10:00:00+00:00")
    (home.root / "inbox" / "g.ndjson").write_bytes(record + b"\n")
    made.work(home, today)


def test_20_tokens_bound_the_time_of_a_batch(home, authority):
    today = datetime.now(UTC)
    stamp(home, authority)
    next_night(home, today.date())
    stamp(home, authority)
    verdict = checked(home, now=today)
    assert [said for said in told(verdict) if "statement 11" in said] == []


def test_20_a_batch_is_backdated(home, authority):
    """With the key, a statement can say any time; the token that it names was not there then."""
    stamp(home, authority)
    next_night(home, date(2026, 2, 9))
    said = told(checked(home), "anchors")
    assert len(said) >= 1
    assert any(
        text.startswith("statement 11 (batch 5): says it was extracted on 2026-02-09") and text.endswith("backdated")
        for text in said
    )


def test_20_a_token_is_put_beside_another_checkpoint(home, authority):
    token = stamp(home, authority)
    moved = token.with_name("5.tsr")
    token.rename(moved)
    said = told(checked(home), "anchors")
    assert said == ["log/anchors/5.tsr: is not over checkpoints/5: its imprint is another"]
    data = checkpoint_path(home.log / "statements", 5)
    done = made.run("openssl", "ts", "-verify", "-in", moved, "-data", data, "-CAfile", authority.roots)
    assert done.returncode != 0
    assert "FAILED" in done.stdout


def test_20_a_token_that_a_statement_names_is_deleted(home, authority):
    token = stamp(home, authority)
    next_night(home, datetime.now(UTC).date())
    token.unlink()
    assert "log/anchors: the token that statement 11 (batch 5) names is gone" in told(checked(home), "anchors")
