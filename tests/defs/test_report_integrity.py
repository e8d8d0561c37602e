"""The report's chapter on integrity, counted again by other means; and which S and T a revision is computed from."""

import base64
import hashlib
import json
import shutil
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import zstandard

from audit_pipelines import batch
from audit_pipelines.defs import attesting, keeping, monthly, night, signing
from audit_pipelines.defs.station import Station
from audit_pipelines.errors import EvidenceError, ReportError, SealError
from audit_pipelines.home import Home
from audit_pipelines.seal import sealed
from tests.defs.conftest import Yard, day_of_records, record
from tests.seal import reference
from tests.seal.conftest import tlogverify  # noqa: F401  # a fixture

JANUARY = date(2026, 1, 1)
REPORT = """
name = "monthly"
title = "Audit log report"
summary = ["{batches-sealed} batches, {drills-noticed} alterations noticed, {statements-listed} statements."]
figures = [
    { id = "batches", label = "Batches", fact = "batches", table = "batches" },
    { id = "batches-sealed", label = "Sealed", fact = "batches-sealed", of = "batches", table = "sealed", key = true },
    { id = "statements-listed", label = "Statements", fact = "statements-listed" },
    { id = "drills", label = "Drills", fact = "drills" },
    { id = "drills-noticed", label = "Noticed", fact = "drills-noticed", of = "drills" },
    { id = "erased", label = "Erased", fact = "events-erased" },
    { id = "stored", label = "Stored", fact = "stored" },
]
[[sections]]
id = "integrity"
title = "Integrity of the log"
blocks = [
    { kind = "batches", id = "batches", title = "Batches" },
    { kind = "sealed", id = "sealed", title = "Sealed" },
    { kind = "checkpoints", id = "checkpoints", title = "Heads" },
    { kind = "signers", id = "signers", title = "Keys" },
    { kind = "checks", id = "checks", title = "Checks" },
    { kind = "drills", id = "drills", title = "Drills" },
    { kind = "decisions", id = "decisions", title = "Decisions" },
]
"""
"""Short, so that a revision is set in a moment; the shipped report's pages have tests of their own."""


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Nights of December, January and the first of February, and r1 of January."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DAGSTER_HOME", "AUDIT_HOME"):
            patch.setenv(name, "")
        yard = Yard(tmp_path_factory.mktemp("yard"), start=date(2025, 12, 30))
        toml = yard.home.reports / "monthly" / "report.toml"
        toml.parent.mkdir(parents=True)
        toml.write_text(REPORT)
        for number, day in enumerate([date(2025, 12, 30), date(2026, 1, 12), date(2026, 1, 31)]):
            records = day_of_records(day, 30, first=1000 * number)
            if number == 1:
                records.append(records[3].replace(b"success", b"failure"))  # the same id, other bytes
            yard.put(f"{day}.ndjson", records)
            yard.night(day + timedelta(days=1))
        yard.night(date(2026, 2, 4))
        yard.report(JANUARY, date(2026, 2, 4))
    return yard.home


@pytest.fixture
def home(first: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A copy of it."""
    for name in ("DAGSTER_HOME", "AUDIT_HOME"):
        monkeypatch.setenv(name, "")
    shutil.copytree(first.root, tmp_path / "home", symlinks=True)
    return Home(tmp_path / "home")


@pytest.fixture
def station(home: Home):
    """A run at 10 February."""
    made = Station(home, "run", who="test", now=lambda: datetime(2026, 2, 10, 6, tzinfo=UTC))
    made.lock()
    yield made
    made.close()


def revision(home: Home, number: int = 1) -> Path:
    return home.reports / "2026-01" / f"r{number}"


def model(home: Home, number: int = 1) -> dict:
    return json.loads((revision(home, number) / "report.json").read_bytes())


def block(made: dict, name: str) -> dict:
    return next(entry for section in made["sections"] for entry in section["blocks"] if entry["id"] == name)


def figures(made: dict) -> dict:
    return {figure["id"]: figure["value"] for figure in made["figures"]}


def lines(home: Home) -> list[bytes]:
    return (revision(home) / "statements.ndjson").read_bytes().splitlines()


def head(home: Home, name: str) -> tuple[int, bytes]:
    _, size, root = (revision(home) / name).read_text().split("\n")[:3]
    return int(size), base64.b64decode(root)


def leaves(home: Home) -> list[bytes]:
    """Leaf hashes from the evidence files as zstd and a text editor show them."""
    found = []
    for path in sorted(home.root.glob("evidence/*/*/*.zst"), key=lambda path: int(path.name.split("-")[0])):
        with path.open("rb") as file:
            text = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read()
        for line in text.splitlines():
            salt, record_bytes = line.split(b" ", 1)
            found.append(hashlib.sha256(b"\0" + bytes.fromhex(salt.decode()) + record_bytes).digest())
    return found


def take(station: Station, name: str, records: list[bytes]) -> None:
    """A batch that is committed and not sealed."""
    path = station.home.root / "inbox" / name
    path.write_bytes(b"".join(entry + b"\n" for entry in records))
    night.extract_days(station, [date(2026, 2, 5)])


# --- what the chapter says --------------------------------------------------------------------------------------


def test_the_heads_are_those_of_the_evidence(first: Home):
    found = leaves(first)
    size, root = head(first, "events.checkpoint")
    assert size == model(first)["log_size"] == 91
    assert reference.mth(found[:size]) == root
    old_size, old_root = head(first, "events.old.checkpoint")
    assert (old_size, old_root) == (30, reference.mth(found[:30])), "after the last batch before the month"
    proof = (revision(first) / "events.consistency").read_text().split("\n\n")[0].split("\n")
    assert proof[0] == "old 30"
    assert [base64.b64decode(line) for line in proof[1:]] == reference.proof(30, found[:size])
    assert model(first)["integrity"]["heads"][1]["root_hex"] == root.hex()


def test_the_statements_are_all_there_were_and_give_the_printed_root(first: Home):
    (old_size, old_root), (size, root) = head(first, "statements.old.checkpoint"), head(first, "statements.checkpoint")
    assert size == model(first)["statements_size"] == model(first)["inputs"]["statements_size"]
    assert len(lines(first)) == size - old_size == figures(model(first))["statements-listed"]
    everything = sealed.read_ledger(first)
    assert everything is not None
    before = [reference.leaf(entry) for entry in entries(first)[:old_size]]
    assert reference.mth(before) == old_root
    assert reference.mth([*before, *(reference.leaf(line) for line in lines(first))]) == root


def entries(home: Home) -> list[bytes]:
    """The statements from the log's entry bundle (fewer than 256 here): two bytes of length, then the entry."""
    bundle = max(home.root.glob("log/statements/tile/entries/000.p/*"), key=lambda path: int(path.name)).read_bytes()
    found, at = [], 0
    while at < len(bundle):
        length = int.from_bytes(bundle[at : at + 2], "big")
        found.append(bundle[at + 2 : at + 2 + length])
        at += 2 + length
    return found


def test_every_row_can_be_counted_again_in_the_statements_beside(first: Home):
    old_size, _ = head(first, "statements.old.checkpoint")
    stated = [(old_size + place, json.loads(line)) for place, line in enumerate(lines(first))]
    batches = {item["seq"]: (place, item) for place, item in stated if item["type"] == "batch"}
    made = model(first)
    rows = block(made, "batches")["rows"]
    assert [(row[0], row[1]) for row in rows] == [
        (seq, place) for seq, (place, _) in batches.items() if seq in {row[0] for row in rows}
    ]
    for row in rows:
        manifest = first.root / batches[row[0]][1]["manifest"]["path"]
        assert batches[row[0]][1]["manifest"]["sha256"] == hashlib.sha256(manifest.read_bytes()).hexdigest()
    said = {row[0]: row[1] for row in block(made, "sealed")["rows"]}
    mine = [batches[row[0]][1] for row in rows]
    assert said["Batches of the month, sealed"] == f"{len(rows)} of {len(rows)}"
    assert said["Their entries in the log"] == str(sum(item["events"]["size"] - item["events"]["first"] for item in mine))
    assert said["Events in them that came late"] == str(sum(item["late"] for item in mine))
    conflicts = [item for _, item in stated if item["type"] == "conflict" and item["batch"] in {row[0] for row in rows}]
    assert said["Records under an id seen before, with other bytes"] == "1" == str(sum(len(item["leaves"]) for item in conflicts))
    drills = [
        item["drill"] for _, item in stated if item["type"] == "drop" and item["drill"] and item["batch"] in {r[0] for r in rows}
    ]
    assert figures(made)["drills"] == len(drills) > 0
    assert figures(made)["drills-noticed"] == sum(drill["caught"] for drill in drills) == len(drills)


def test_the_key_is_the_one_of_the_folder(first: Home):
    (key,) = model(first)["integrity"]["keys"]
    pem = next((first.root / "keys").glob("*.pem"))
    assert key["fingerprint"][:16] == pem.stem
    line = (revision(first) / "events.vkey").read_text().strip()
    assert line == key["events"]
    assert hashlib.sha256(base64.b64decode(line.split("+", 2)[2])).hexdigest() == key["fingerprint"]


def test_the_printed_commands_succeed_with_tools_that_are_not_ours(home: Home, tlogverify: Path):  # noqa: F811
    environment = {"PATH": f"{tlogverify.parent}:/usr/bin:/bin"}
    commands = [check["command"] for check in model(home)["integrity"]["checks"][:5]]

    def run(command: str) -> subprocess.CompletedProcess[str]:
        folder = revision(home)
        return subprocess.run(command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, check=False)

    if shutil.which("pdfdetach") is None:
        commands[0] = "sha256sum -c SHA256SUMS"
    results = [run(command) for command in commands]
    assert [result.returncode for result in results] == [0] * 5, results
    assert model(home)["integrity"]["keys"][0]["fingerprint"] in results[1].stdout
    assert results[4].stdout.endswith("OK\n1\n"), "the statement names the PDF's digest"
    pdf = next(revision(home).glob("*.pdf"))
    pdf.chmod(0o600)
    pdf.write_bytes(pdf.read_bytes() + b"%\n")
    assert run(commands[4]).stdout.endswith("OK\n0\n")
    stated = revision(home) / "statements.ndjson"
    stated.chmod(0o600)
    stated.write_bytes(stated.read_bytes().replace(b'"late":0', b'"late":1', 1))
    assert run(commands[3]).returncode == 1


def test_the_checkpoint_of_a_month_leads_to_that_of_the_next(home: Home, tlogverify: Path):  # noqa: F811
    command = [tlogverify, "consistency", "-vkey", f"@{revision(home) / 'events.vkey'}"]
    command += ["-old", revision(home) / "events.checkpoint", "-new", home.log / "events" / "checkpoint"]
    done = subprocess.run([*command, "-tiles", home.log / "events"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_in_the_logs_first_month_the_proof_begins_with_nothing(station: Station, tlogverify: Path):  # noqa: F811
    issued = monthly.report(station, date(2025, 12, 1))
    made = json.loads((issued.folder / "report.json").read_bytes())
    assert [entry["size"] for entry in made["integrity"]["heads"]][:2] == [0, 30]
    assert made["integrity"]["statements_before"] == 1
    assert block(made, "decisions")["rows"][0][1] == "begin"
    for check in made["integrity"]["checks"][2:4]:
        command = check["command"].replace("tlogverify", str(tlogverify))
        done = subprocess.run(command, shell=True, cwd=issued.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_log_that_does_not_fit_its_checkpoint_is_not_reported(station: Station, home: Home):
    shutil.rmtree(home.reports / "2026-01")
    bundle = max(home.root.glob("log/statements/tile/entries/000.p/*"), key=lambda path: int(path.name))
    bundle.write_bytes(bundle.read_bytes().replace(b'"late":0', b'"late":1', 1))
    with pytest.raises(EvidenceError):
        monthly.report(station, JANUARY)


def test_a_checkpoint_by_another_key_is_not_printed(station: Station, home: Home):
    shutil.rmtree(home.reports / "2026-01")
    path = home.log / "events" / "checkpoints" / "91"
    note = path.read_text()
    at = note.rindex("=") - 4
    path.write_text(note[:at] + ("AAAA" if note[at : at + 4] != "AAAA" else "BBBB") + note[at + 4 :])
    with pytest.raises(EvidenceError, match="checkpoints/91"):
        monthly.report(station, JANUARY)


def test_tokens_count_where_statements_name_them(station: Station, home: Home):
    token = home.log / "anchors" / f"{model(home)['statements_size']}.tsr"
    token.parent.mkdir(exist_ok=True)
    token.write_bytes(b"a token")
    monthly.report(station, JANUARY)
    assert not revision(home, 2).exists(), "a token that arrived since changes no report"
    take(station, "late.ndjson", [record(70_000, "2026-01-12T23:00:00Z")])
    monthly.report(station, JANUARY)
    last = json.loads((revision(home, 2) / "statements.ndjson").read_bytes().splitlines()[-1])
    assert last["previous_token_sha256"] == hashlib.sha256(b"a token").hexdigest()
    said = {row[0]: row[1] for row in block(model(home, 2), "sealed")["rows"]}
    batches = figures(model(home, 2))["batches"]
    assert said["Batches younger than a time-stamp token"] == f"1 of {batches}"
    assert said["Batches older than a time-stamp token"] == f"{batches - 1} of {batches}"


def test_holds_policies_and_keys_of_the_month_are_listed(station: Station, home: Home, tlogverify: Path):  # noqa: F811
    shutil.rmtree(home.reports / "2026-01")
    january = datetime(2026, 1, 20, 9, tzinfo=UTC)
    station.now = lambda: january
    keeping.set_hold(station, "matter-1", source="terracotta", first=date(2026, 1, 2), last=None, reason="asked", approver="A")
    keeping.set_hold(station, "matter-2", source=None, first=None, last=None, reason="asked", approver="A")
    keeping.release_hold(station, "matter-2", reason="done", approver="A")
    station.now = lambda: datetime(2026, 2, 10, 6, tzinfo=UTC)
    keeping.release_hold(station, "matter-1", reason="done in February", approver="A")
    station.close()
    signing.begin_rotation(home, "yearly", now=lambda: january)
    station.lock()
    issued = monthly.report(station, JANUARY)
    made = json.loads((issued.folder / "report.json").read_bytes())
    said = {row[0]: row[1] for row in block(made, "sealed")["rows"]}
    assert said["Legal holds when the month ended"] == "1: matter-1"
    rows = [row[1:4] for row in block(made, "decisions")["rows"]]
    assert rows[0] == ["hold", "matter-1 is set: terracotta, from 2026-01-02 on; asked", "A"]
    assert [row[0] for row in rows] == ["hold", "hold", "hold", "key"]
    assert "February" not in json.dumps(rows)
    assert [key["until"] for key in made["integrity"]["keys"]] == [None, None]
    for check in made["integrity"]["checks"][2:4]:
        assert "-vkey @" in check["command"]
        assert ".2.vkey" in check["command"]
        command = check["command"].replace("tlogverify", str(tlogverify))
        done = subprocess.run(command, shell=True, cwd=issued.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


# --- S and T ----------------------------------------------------------------------------------------------------


def test_later_statements_that_do_not_touch_the_month_change_nothing(station: Station, home: Home):
    keeping.set_hold(station, "matter-1", source=None, first=None, last=None, reason="asked", approver="A")
    take(station, "feb.ndjson", day_of_records(date(2026, 2, 4), 5, first=50_000))
    attesting.attest_report(station)
    stated = sealed.read_ledger(home)
    assert stated is not None
    assert len(stated.statements) > model(home)["statements_size"]
    assert monthly.outdated(home, batch.history(home), date(2026, 2, 10)) == []
    issued = monthly.report(station, JANUARY)
    assert (issued.new, issued.revision, issued.kept) == (False, 1, "")


def test_a_late_event_moves_s_and_t_and_is_sealed_first(station: Station, home: Home):
    take(station, "late.ndjson", [record(70_000, "2026-01-12T23:00:00Z")])
    assert head_size(home) == 91, "the batch is not sealed yet"
    assert monthly.outdated(home, batch.history(home), date(2026, 2, 10)) == [JANUARY]
    issued = monthly.report(station, JANUARY)
    assert (issued.new, issued.revision) == (True, 2)
    assert head_size(home) == 92
    before, made = model(home), model(home, 2)
    assert made["log_size"] == 92
    assert made["statements_size"] > before["statements_size"]
    assert made["integrity"]["heads"][0] == before["integrity"]["heads"][0]
    assert figures(made)["batches-sealed"] == figures(before)["batches-sealed"] + 1
    assert monthly.outdated(home, batch.history(home), date(2026, 2, 10)) == []


def head_size(home: Home) -> int:
    return int((home.log / "events" / "checkpoint").read_text().split("\n")[1])


def test_an_erasure_moves_t_alone(station: Station, home: Home):
    keeping.erase(station, ["terracotta/evt_001004"], [], ground="a request", approver="B")
    assert monthly.outdated(home, batch.history(home), date(2026, 2, 10)) == [JANUARY]
    issued = monthly.report(station, JANUARY)
    assert (issued.new, issued.revision) == (True, 2)
    before, made = model(home), model(home, 2)
    assert made["log_size"] == before["log_size"]
    assert made["statements_size"] > before["statements_size"]
    assert figures(made)["stored"] == figures(before)["stored"] - 1
    assert figures(made)["erased"] == 1
    (row,) = made["change"]["decisions"]["rows"]
    assert row[1:4] == ["erasure", "1 events, 1 of them of this month; a request", "B"]
    assert monthly.outdated(home, batch.history(home), date(2026, 2, 10)) == []
    assert not monthly.report(station, JANUARY).new


def test_an_erasure_of_another_month_changes_nothing(station: Station, home: Home):
    keeping.erase(station, ["terracotta/evt_000004"], [], ground="a request", approver="B")
    assert monthly.outdated(home, batch.history(home), date(2026, 2, 10)) == []
    assert not monthly.report(station, JANUARY).new


def test_a_removal_that_a_killed_run_left_unstated_is_stated_first(station: Station, home: Home, monkeypatch):
    def killed(found: object) -> None:
        if home.removal(1).exists():
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(keeping, "finish", killed)
        with pytest.raises(KeyboardInterrupt):
            keeping.erase(station, ["terracotta/evt_001004"], [], ground="a request", approver="B")
    issued = monthly.report(station, JANUARY)
    assert issued.new
    assert figures(model(home, 2))["erased"] == 1


def test_without_the_key_a_report_of_unsealed_events_is_an_error(station: Station, home: Home):
    take(station, "late.ndjson", [record(70_000, "2026-01-12T23:00:00Z")])
    for path in (home.root / "keys").glob("*.pem"):
        path.rename(path.with_suffix(".away"))
    with pytest.raises(SealError, match="signing key"):
        monthly.report(station, JANUARY)
    assert not revision(home, 2).exists()


# --- purged days ------------------------------------------------------------------------------------------------


@pytest.fixture
def purged(home: Home):
    """A year later: December and January are past their 12 months."""
    made = Station(home, "run", who="test", now=lambda: datetime(2027, 3, 1, 6, tzinfo=UTC))
    made.lock()
    assert keeping.enforce(made, approver="C").removal is not None
    yield made
    made.close()


def test_a_month_with_purged_days_keeps_its_revision(purged: Station, home: Home, caplog: pytest.LogCaptureFixture):
    assert monthly.outdated(home, batch.history(home), date(2027, 3, 1)) == []
    issued = monthly.report(purged, JANUARY)
    assert (issued.folder, issued.revision, issued.size, issued.new) == (revision(home), 1, 91, False)
    assert "days of 2026-01 are purged" in issued.kept
    assert issued.kept in caplog.text


def test_a_month_with_purged_days_that_was_never_issued_cannot_be(purged: Station):
    with pytest.raises(ReportError, match="days of this month are purged"):
        monthly.report(purged, date(2025, 12, 1))
