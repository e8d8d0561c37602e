"""Bundles of a real home: what is in them, for whom they are good, and that writing one is repeatable and can be killed.

Each check of the verifier fails alone in test_bundle_checks.py, random damage is in test_bundle_mutations.py.
"""

import base64
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from audit_pipelines.batch import history
from audit_pipelines.defs import bundling, keeping, sealing, signing
from audit_pipelines.errors import SealError
from audit_pipelines.seal import sealed, standalone
from audit_pipelines.seal.bundle import Scope, write_bundle
from audit_pipelines.seal.log import checkpoint_sizes
from audit_pipelines.seal.standalone import Bad, verify
from tests.defs.conftest import Yard, day_of_records, record
from tests.seal import bundle_craft as craft
from tests.seal import sealed_home

OLD, FEBRUARY = date(2024, 2, 29), date(2026, 2, 1)
SOURCES = """
[[sources]]
name = "first"
kind = "files"
dialect = "terracotta"
path = "inbox"

[[sources]]
name = "second"
kind = "files"
dialect = "terracotta"
path = "inbox2"
"""


def month(year, number):
    return Scope("month", date(year, number, 1), date(year + number // 12, number % 12 + 1, 1))


def day(when):
    return Scope("day", when, when + timedelta(days=1))


@pytest.fixture(scope="module")
def yard(tmp_path_factory):
    """Nights in January and February; a late event; two sources; a second key; an erasure, and a purge of 2024."""
    made = Yard(tmp_path_factory.mktemp("bundles"), start=date(2026, 1, 1), sources=SOURCES)
    second = made.home.root / "inbox2"
    second.mkdir()
    made.put("old.ndjson", day_of_records(OLD, 30))
    made.put("a.ndjson", day_of_records(date(2026, 1, 5), 300, first=100))
    mixed = [record(600 + n, f"2026-01-05T1{n}:00:00Z", "user.deleted" if n % 2 else "authentication.login") for n in range(10)]
    (second / "a.ndjson").write_bytes(b"".join(line + b"\n" for line in mixed))
    sealed_home.work(made.home, date(2026, 1, 6))
    made.put("b.ndjson", [*day_of_records(date(2026, 2, 3), 200, first=700), record(950, "2026-02-01T08:00:00Z")])
    sealed_home.work(made.home, date(2026, 2, 4))
    signing.begin_rotation(made.home, "a test", now=lambda: datetime(2026, 2, 4, 12, tzinfo=UTC))
    made.put("c.ndjson", [record(960, "2026-02-04T08:00:00Z"), record(961, "2026-02-01T09:00:00Z")])
    sealed_home.work(made.home, date(2026, 2, 5))
    station = sealed_home.station_of(made.home, date(2026, 2, 6))
    try:
        keeping.erase(station, ["first/evt_000107", "second/evt_000602"], [], ground="a test", approver="A")
        assert keeping.enforce(station, approver="A").events == 30
    finally:
        station.close()
    return made


@pytest.fixture(scope="module")
def home(yard):
    return yard.home


@pytest.fixture(scope="module")
def fingerprints(home):
    return [key.fingerprint for key in signing.keys(home)]  # the oldest first


@pytest.fixture
def make(home, tmp_path):
    """Writes the bundle of a scope: (what came of it, the files in it)."""

    def bundle(scope, **disclosed):
        made = bundling.bundle(home, scope, tmp_path, **disclosed)
        return made, craft.unpacked(made.path)

    return bundle


# --- Scopes -------------------------------------------------------------------------------------------------------


def test_the_first_month_has_no_older_heads(make, fingerprints):
    made, files = make(month(2026, 1))
    assert (made.path.name, made.files, made.disclosed, made.withheld, made.unsealed) == (
        "test.evidence.2026-01.zip",
        2,
        308,
        2,
        0,
    )
    assert made.sha256 == hashlib.sha256(made.path.read_bytes()).hexdigest()
    assert set(files) == {
        *("README.md", "SHA256SUMS", "bundle.json", "keys.txt", "statements.ndjson", "verify_bundle.py"),
        *("checkpoints/events", "checkpoints/statements"),
        *(f"manifests/00000{seq}.json" for seq in (1, 2, 3)),
        *("evidence/source=first/day=2026-01-05/30-300.txt", "evidence/source=second/day=2026-01-05/330-10.txt"),
        *("proofs/30-300.range", "proofs/330-10.range"),
    }
    report = verify(made.path, fingerprints)
    assert (report.verdict, report.scope) == ("GOOD", "test, month 2026-01-01")
    seen = {"files": 2, "disclosed": 308, "withheld": 0, "erased": 2, "purged": 0, "batches": 3, "leaves": 543}
    assert report.counts == {**seen, "statements": len(files["statements.ndjson"].splitlines())}


def test_a_later_month_has_the_heads_from_before_it_and_their_proofs(make, fingerprints):
    made, files = make(month(2026, 2))
    assert verify(made.path, fingerprints).counts["disclosed"] == made.disclosed == 203
    added = {name for name in files if name.endswith((".old", ".consistency"))}
    assert added == {f"checkpoints/{log}.old" for log in ("events", "statements")} | {
        f"proofs/{log}.consistency" for log in ("events", "statements")
    }
    assert files["checkpoints/events.old"].split(b"\n")[1] == b"340"
    assert files["proofs/events.consistency"].startswith(b"old 340\n")
    assert files["proofs/events.consistency"].endswith(b"\n\n" + files["checkpoints/events"])


def test_a_day_has_its_late_events(make, fingerprints):
    made, files = make(day(date(2026, 2, 1)))
    assert sorted(name for name in files if name.startswith("evidence/")) == [
        "evidence/source=first/day=2026-02-01/340-1.txt",
        "evidence/source=first/day=2026-02-01/541-1.txt",
    ]
    assert verify(made.path, fingerprints).scope == "test, day 2026-02-01"


def test_an_event_stands_alone(home, make, fingerprints):
    scope = bundling.scope_of_event(home, "first/evt_000960")
    made, files = make(scope)
    assert (made.path.name, made.disclosed) == ("test.evidence.event-542.zip", 1)
    assert {name for name in files if name.startswith(("evidence/", "manifests/", "proofs/"))} == {
        "evidence/source=first/day=2026-02-04/542-1.txt",
        "manifests/000003.json",
        "proofs/542-1.range",
        "proofs/542.tlog-proof",
        *("proofs/events.consistency", "proofs/statements.consistency"),
    }
    report = verify(made.path, fingerprints)
    assert (report.verdict, report.scope, report.counts["disclosed"]) == ("GOOD", "test, event 2026-02-04, leaf 542", 1)


@pytest.mark.parametrize("leaf", [30, 37, 300, 329, 340, 341, 500, 540, 541, 542])
def test_events_in_every_corner_of_the_tree(home, make, fingerprints, leaf):
    (file,) = (file for batch in history(home) for file in batch.evidence if file.first <= leaf < file.end)
    made, _ = make(Scope("event", file.day, file.day + timedelta(days=1), leaf))
    assert verify(made.path, fingerprints).counts["files"] == 1


def test_purged_evidence_is_accounted_for(make, fingerprints):
    made, files = make(month(2024, 2))
    assert not [name for name in files if name.startswith("evidence/")]
    assert verify(made.path, fingerprints).counts["purged"] == 30


def test_records_of_one_category_alone(make, fingerprints):
    made, files = make(day(date(2026, 1, 5)), categories=["other"])
    shown = [line for line in files["evidence/source=second/day=2026-01-05/330-10.txt"].splitlines() if line[:1] != b"!"]
    assert {json.loads(line[33:])["type"] for line in shown} == {"user.deleted"}
    counts = verify(made.path, fingerprints).counts
    assert (made.disclosed, made.withheld) == (5, 305)
    assert (counts["disclosed"], counts["withheld"], counts["erased"]) == (5, 303, 2)


def test_records_of_one_source_alone(make, fingerprints):
    made, files = make(day(date(2026, 1, 5)), sources=["second"])
    assert {line[:1] for line in files["evidence/source=first/day=2026-01-05/30-300.txt"].splitlines()} == {b"!"}
    counts = verify(made.path, fingerprints).counts
    assert (counts["disclosed"], counts["withheld"], counts["erased"]) == (9, 299, 2)


def test_an_event_that_is_withheld_proves_its_hash(home, make, fingerprints):
    made, files = make(bundling.scope_of_event(home, "first/evt_000960"), sources=["second"])
    assert files["evidence/source=first/day=2026-02-04/542-1.txt"].startswith(b"!")
    assert b"\nextra " not in files["proofs/542.tlog-proof"]
    assert verify(made.path, fingerprints).counts["withheld"] == 1


def test_tokens_come_with_the_checkpoints_they_are_over(home, make, fingerprints, tmp_path):
    sizes = checkpoint_sizes(home.log / "statements")
    folder = sealed.anchors(home)
    folder.mkdir(exist_ok=True)
    chosen = [sizes[3], sizes[-1]]
    try:
        for size in chosen:
            (folder / f"{size}.tsr").write_bytes(b"a token over %d" % size)
        made, files = make(month(2026, 2))
    finally:
        for size in chosen:
            (folder / f"{size}.tsr").unlink()
    tokens = json.loads(files["bundle.json"])["tokens"]
    assert tokens
    assert set(tokens) <= {f"anchors/{size}.tsr" for size in chosen}
    for token in tokens:
        assert files[f"checkpoints/statements.{token[8:-4]}"].split(b"\n")[1].decode() == token[8:-4]
        assert f"\n    openssl ts -verify -in {token} " in files["README.md"].decode()
    assert verify(made.path, fingerprints).verdict == "GOOD"


# --- Keys, forms --------------------------------------------------------------------------------------------------


def test_rotated_keys(make, fingerprints):
    """Heads from before the rotation are signed by the first key alone; both sign now."""
    made, files = make(month(2026, 2))
    assert len(fingerprints) == 2
    assert [len(files[f"checkpoints/{name}"].splitlines()) for name in ("events.old", "statements")] == [5, 6]
    assert len(files["keys.txt"].splitlines()) == 4
    assert verify(made.path, fingerprints[:1]).verdict == "GOOD"
    with pytest.raises(Bad, match=r"\.old: has no signature by a key that you trust and that was in force"):
        verify(made.path, fingerprints[1:])
    with pytest.raises(Bad, match="has none of the keys you trust"):
        verify(made.path, ["0" * 64])
    assert verify(made.path, []).verdict == "CONSISTENT, SIGNER UNKNOWN"


def test_unpacked_it_is_the_same_bundle(make, fingerprints, tmp_path):
    made, files = make(month(2026, 2))
    with zipfile.ZipFile(made.path) as archive:
        archive.extractall(tmp_path / "tree")
    assert verify(tmp_path / "tree", fingerprints) == verify(made.path, fingerprints)
    shutil.rmtree(tmp_path / "tree")
    assert verify(craft.packed(tmp_path / "again.zip", files), fingerprints) == verify(made.path, fingerprints)


def test_the_same_scope_gives_the_same_bytes(make, tmp_path):
    made, _ = make(month(2026, 2), categories=["authentication"])
    before = made.path.read_bytes()
    again, _ = make(month(2026, 2), categories=["authentication"])
    assert (again, again.path.read_bytes()) == (made, before)
    assert [path.name for path in tmp_path.iterdir()] == [made.path.name]


def test_the_verifier_inside_is_the_packages(make):
    _, files = make(month(2026, 2))
    assert files["verify_bundle.py"] == Path(standalone.__file__).read_bytes()


# --- What refuses -------------------------------------------------------------------------------------------------


def written(home, folder, **changed):
    """The bundle of February, without DuckDB and without Dagster."""
    arguments = {"final": folder / "b.zip", "disclose": None, "made_by": "a test", "readme": lambda facts: "read me\n"}
    return write_bundle(home, history(home), month(2026, 2), **arguments | changed)


def test_a_zip_that_would_need_extensions_is_not_made(home, tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 60_000)
    with pytest.raises(SealError, match="would be larger than a plain zip can be") as caught:
        written(home, tmp_path)
    assert "bundle single days" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_more_files_than_a_plain_zip_holds(home, tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 10)
    with pytest.raises(SealError, match="would be larger than a plain zip can be"):
        written(home, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_removal_that_is_not_stated_yet_comes_first(yard, tmp_path, monkeypatch):
    """A run died between a removal and its statement: what it removed would be missing without a reason."""
    home = sealed_home.copied(yard.home, tmp_path)
    station = sealed_home.station_of(home, date(2026, 2, 7))
    with monkeypatch.context() as patch:
        patch.setattr(keeping, "finish", lambda found: None)
        try:
            keeping.erase(station, ["first/evt_000110"], [], ground="a test", approver="A")
        finally:
            station.close()
    with pytest.raises(SealError, match="a removal is not in the log yet"):
        written(home, tmp_path)
    station = sealed_home.station_of(home, date(2026, 2, 8))
    try:
        sealing.seal(station)
    finally:
        station.close()
    made = written(home, tmp_path)
    assert verify(made.path, []).verdict == "CONSISTENT, SIGNER UNKNOWN"


def test_nothing_sealed_and_nothing_asked_for(home, tmp_path):
    with pytest.raises(SealError, match="no night has asked for these days"):
        bundling.bundle(home, day(date(2025, 1, 1)), tmp_path)
    with pytest.raises(SealError, match="nothing is sealed yet"):
        write_bundle(home, [], month(2026, 2), final=tmp_path / "b.zip", disclose=None, made_by="", readme=str)
    with pytest.raises(SealError, match="is not in the log"):
        bundling.scope_of_event(home, "first/evt_999999")


# --- Death --------------------------------------------------------------------------------------------------------


def dying(action, number):
    """``action`` in a child that dies before its ``number``-th write, sync or rename (0 = never): the signal, the steps."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            steps = _counted(number)
            action()
            os.write(writer, str(steps()).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    said = os.read(reader, 32)
    os.close(reader)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, f"the child failed (to die at step {number})"
    return (os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0), int(said or 0)


def _counted(number):
    calls = 0

    def wrap(real):
        def call(*arguments, **named):
            nonlocal calls
            calls += 1
            if calls == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **named)

        return call

    os.rename, os.fsync = wrap(os.rename), wrap(os.fsync)
    zipfile.ZipFile.writestr = wrap(zipfile.ZipFile.writestr)
    zipfile.ZipFile._write_end_record = wrap(zipfile.ZipFile._write_end_record)
    return lambda: calls


@pytest.mark.parametrize("older", [False, True], ids=["first bundle", "over an older one"])
def test_killed_at_any_step_it_leaves_a_part_or_all_and_begins_anew(home, tmp_path, older):
    wanted = written(home, tmp_path).path.read_bytes()
    _, steps = dying(lambda: written(home, tmp_path), 0)
    assert steps > 15
    for number in range(1, steps + 1):
        final = tmp_path / "b.zip"
        final.unlink()
        if older:
            final.write_bytes(b"an older bundle")
        assert dying(lambda: written(home, tmp_path), number)[0] == signal.SIGKILL
        assert {path.name for path in tmp_path.iterdir()} <= {"b.zip", "b.zip.part"}
        left = final.read_bytes() if final.exists() else None
        assert left in (b"an older bundle" if older else None, wanted)
        assert written(home, tmp_path).path.read_bytes() == wanted
        assert [path.name for path in tmp_path.iterdir()] == ["b.zip"]


# --- With other people's tools ------------------------------------------------------------------------------------


def go(tlogverify, files, folder, log, *words):
    vkey = next(line for line in files["keys.txt"].decode().splitlines() if f"/{log}+" in line)
    done = subprocess.run(
        [tlogverify, words[0], "-vkey", vkey, *words[1:]], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.rstrip().split("\n")[-1]) == (0, "OK"), done.stdout + done.stderr


def test_a_c2sp_verifier_takes_its_proofs(home, make, tlogverify, tmp_path):
    _, files = make(bundling.scope_of_event(home, "first/evt_000960"))
    folder = craft.folder(tmp_path / "tree", files)
    for log in ("events", "statements"):
        go(tlogverify, files, folder, log, "checkpoint", "-checkpoint", f"checkpoints/{log}")
        proof = ("-old", f"checkpoints/{log}.old", "-proof", f"proofs/{log}.consistency")
        go(tlogverify, files, folder, log, "consistency", *proof)
    line = files["evidence/source=first/day=2026-02-04/542-1.txt"]
    (folder / "record").write_bytes(line[33:-1])
    go(tlogverify, files, folder, "events", "inclusion", "-proof", "proofs/542.tlog-proof", "-record", "record", "-salted")
    (folder / "statement-leaves").write_bytes(files["statements.ndjson"])
    go(
        *(tlogverify, files, folder, "statements", "root"),
        *("-leaves", "statement-leaves", "-format", "lines", "-checkpoint", "checkpoints/statements"),
    )


NEEDED = ("openssl", "sha256sum", "xxd", "base64")


@pytest.mark.skipif(any(shutil.which(tool) is None for tool in NEEDED), reason=f"{', '.join(NEEDED)} are needed")
def test_the_readmes_commands_run_as_they_are_written(home, make, fingerprints, tmp_path):
    _, files = make(bundling.scope_of_event(home, "first/evt_000960"))
    folder = craft.folder(tmp_path / "tree", files)
    text = files["README.md"].decode()
    recipe = text[text.index("## The same with tools that you have") :]
    commands = re.findall(r"^    (.*)$", recipe, flags=re.MULTILINE)
    (evidence,) = (name for name in files if name.startswith("evidence/"))
    assert commands[1].endswith("evidence/source=.../day=.../....txt)")
    script = "\n".join(commands).replace("evidence/source=.../day=.../....txt", evidence)
    done = subprocess.run(["sh", "-e", "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    listed = [line for line in lines if line.endswith(": OK")]
    assert len(listed) == len(files) - 1
    line = files[evidence][:-1]
    leaf = hashlib.sha256(b"\0" + bytes.fromhex(line[:32].decode()) + line[33:]).hexdigest()
    assert lines[len(listed)] == f"{leaf}  -"
    assert "Signature Verified Successfully" in lines[len(listed) + 1]
    assert lines[len(listed) + 2] == f"{fingerprints[0]}  -"
    assert "\n\n" + "".join(f"    {fingerprint}\n" for fingerprint in fingerprints) + "\n" in text
    (folder / "checkpoints" / "events").write_bytes(files["checkpoints/events"].replace(b"\n543\n", b"\n542\n"))
    done = subprocess.run(["sh", "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert "Signature Verified Successfully" not in done.stdout
    assert "checkpoints/events: FAILED" in done.stdout


def test_the_readmes_first_command_runs(make, fingerprints, tmp_path):
    made, files = make(month(2026, 1))
    (command,) = re.findall(r"^    (python3 verify_bundle\.py .*)$", files["README.md"].decode(), flags=re.MULTILINE)
    (tmp_path / "verify_bundle.py").write_bytes(files["verify_bundle.py"])
    words = command.replace("THIS-BUNDLE.zip", made.path.name).replace("FINGERPRINT", fingerprints[0]).split()
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "GOOD"), done.stdout + done.stderr


def test_the_proof_of_an_event_is_read_back_by_hand(home, make):
    """salt and record give the leaf; with the path it is the root that the checkpoint signs (RFC 6962, 2.1.1)."""
    _, files = make(bundling.scope_of_event(home, "second/evt_000601"))
    (name,) = (name for name in files if name.startswith("evidence/"))
    head, _, note = files[next(name for name in files if name.endswith(".tlog-proof"))].partition(b"\n\n")
    title, extra, index, *path = head.decode().split("\n")
    assert (title, extra[:6], index) == ("c2sp.org/tlog-proof@v1", "extra ", "index 331")
    leaf = craft.rfc.leaf(base64.b64decode(extra[6:]) + files[name][33:-1])
    root = craft.rfc.root_by(leaf, 331, 543, [base64.b64decode(node) for node in path])
    assert note.split(b"\n")[2] == base64.b64encode(root)
