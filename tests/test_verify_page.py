"""The auditor's page does what it says: every marked block of docs/verify.md is run, and sees an alteration."""

import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.defs.conftest import Yard, day_of_records, record
from tests.seal.conftest import tlogverify  # noqa: F401 - a fixture
from tests.seal.test_timestamp import Authority

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "verify.md").read_text(encoding="utf-8")
MARK = "run by tests/test_verify_page.py"

pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("openssl", "xxd", "zstdcat")), reason="openssl, xxd and zstdcat are needed"
)


def blocks(text: str) -> dict[str, str]:
    """Marked blocks by name; those of one name are one script."""
    found: dict[str, str] = {}
    for name, body in re.findall(
        rf"^<!-- {re.escape(MARK)}: ([\w-]+) -->\n```sh\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL
    ):
        found[name] = found.get(name, "") + body
    return found


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A time-stamping authority on loopback: (address, its root certificates)."""
    made = Authority(tmp_path_factory.mktemp("authority"))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            answer = made.reply(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/", made.roots
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def home(tmp_path_factory, authority):
    """300 events in December, 252 in January, January's report.

    Only the last night has its token: the authority's clock is the real one, and a batch after a token must not seem older.
    """
    yard = Yard(tmp_path_factory.mktemp("page"), start=date(2025, 12, 30))
    yard.put("a.ndjson", day_of_records(date(2025, 12, 30), 300))
    yard.night(date(2025, 12, 31))
    settings = yard.home.settings_file
    settings.write_text(
        settings.read_text().replace("[drops.generic]", f'timestamp_url = "{authority[0]}"\n\n[drops.generic]', 1)
    )
    yard.put("b.ndjson", [record(900, "2026-01-05T08:00:00Z"), *day_of_records(date(2026, 1, 6), 251, first=400)])
    yard.night(date(2026, 2, 4))
    yard.report(date(2026, 1, 1), date(2026, 2, 4))
    return yard.home.root


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    """`audit-pipelines` on the path: this checkout, run by this interpreter."""
    folder = tmp_path_factory.mktemp("bin")
    command = folder / "audit-pipelines"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m audit_pipelines "$@"\n')
    command.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def fingerprint(home):
    from audit_pipelines.defs import signing
    from audit_pipelines.home import Home

    return signing.keys(Home(home))[0].fingerprint


def vkeys(home: Path, folder: Path) -> None:
    """`events.vkey` and `statements.vkey`, as an auditor was given them."""
    from audit_pipelines.defs import signing
    from audit_pipelines.home import Home

    for vkey in signing.keys(Home(home))[0].vkeys:
        (folder / f"{vkey.partition('+')[0].rpartition('/')[2]}.vkey").write_text(f"{vkey}\n")


@pytest.fixture
def shell(tools, fingerprint):
    """Runs a script of the page as a reader would type it, stopping at the first command that fails."""

    def run(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess:
        known = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "fingerprint": fingerprint}
        known.pop("AUDIT_HOME", None)
        command = ["sh", "-e", "-c", script]
        return subprocess.run(command, cwd=folder, env=known | environment, capture_output=True, text=True, timeout=120)

    return run


@pytest.fixture
def copy(home, tmp_path):
    """The home as an auditor may read it: without the key."""
    made = Path(shutil.copytree(home, tmp_path / "copy", ignore=shutil.ignore_patterns("state", "keys", "inbox")))
    vkeys(home, made)
    return made


def without(script: str, tool: str) -> str:
    """A block less the commands of one tool."""
    whole = re.sub(r"\\\n\s*", "", script)
    return "\n".join(line for line in whole.splitlines() if not line.startswith(tool))


def test_a_whole_home_is_good(shell, copy):
    done = shell(without(blocks(PAGE)["home"], "tlogverify"), copy)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "GOOD"), done.stdout + done.stderr


def test_a_c2sp_verifier_finds_the_home_good(shell, copy, tlogverify):  # noqa: F811
    done = shell(without(blocks(PAGE)["home"], "audit-pipelines"), copy, PATH=f"{tlogverify.parent}:{os.environ['PATH']}")
    assert (done.returncode, done.stdout.splitlines().count("OK")) == (0, 4), done.stdout + done.stderr


def test_an_altered_home_is_bad(shell, copy):
    (file,) = (copy / "evidence/source=terracotta/day=2026-01-06").glob("*.zst")
    shutil.copy(copy / "evidence/source=terracotta/day=2025-12-30/0-300.zst", file)
    done = shell('audit-pipelines --home . verify --key "$fingerprint"', copy)
    assert done.returncode == 1
    assert f"evidence/source=terracotta/day=2026-01-06/{file.name}" in done.stdout


def test_a_report_is_as_stated(shell, copy):
    done = shell(blocks(PAGE)["functions"] + blocks(PAGE)["report"], copy)
    assert done.returncode == 0, done.stderr
    first, *files = done.stdout.splitlines()
    assert re.fullmatch(r"leaf \d+ of \d+: proven", first)
    assert len(files) > 3
    assert all(line.endswith(": as stated") for line in files)


def test_a_c2sp_verifier_finds_the_report_stated(shell, copy, tlogverify):  # noqa: F811
    folder = copy / "reports/2026-01/r1"
    vkeys(copy, folder)
    done = shell(blocks(PAGE)["c2sp-report"], folder, PATH=f"{tlogverify.parent}:{os.environ['PATH']}")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "OK"), done.stdout + done.stderr


def test_an_altered_report_is_not(shell, copy):
    pdf = next((copy / "reports/2026-01/r1").glob("*.pdf"))
    pdf.write_bytes(pdf.read_bytes() + b"\n")
    done = shell(blocks(PAGE)["functions"] + blocks(PAGE)["report"], copy)
    assert f"{pdf.name}: NOT AS STATED" in done.stdout.splitlines()


def test_an_altered_statement_is_not_proven(shell, copy):
    statement = copy / "reports/2026-01/r1/proof/statement.json"
    statement.write_text(statement.read_text().replace('"revision":1', '"revision":2'))
    done = shell(blocks(PAGE)["functions"] + blocks(PAGE)["report"], copy)
    assert (done.returncode, done.stdout) == (1, "")


# --- At the auditor's desk: bundles ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def given(home, tools, tmp_path_factory):
    """The folder with what the operator gave: a month, an event, drops; and what came from elsewhere."""
    folder = tmp_path_factory.mktemp("given")
    for scope in (["--month", "2026-01"], ["--event", "terracotta/evt_000407"]):
        command = [tools / "audit-pipelines", "--home", home, "bundle", *scope, "--output", folder]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
    shutil.copy(ROOT / "audit_pipelines" / "seal" / "standalone.py", folder / "verify_bundle.py")
    shutil.copytree(home / "drops", folder / "drops")
    vkeys(home, folder)
    return folder


@pytest.fixture
def desk(given, authority, tmp_path):
    """A copy of it, with the event unpacked into `e` and the authority's root certificates."""
    made = Path(shutil.copytree(given, tmp_path / "desk"))
    (event,) = made.glob("*.evidence.event-*.zip")
    zipfile.ZipFile(event).extractall(made / "e")
    shutil.copy(authority[1], made / "ca.pem")
    return made


BUNDLE = "test.evidence.2026-01.zip"


def unpack(desk: Path) -> None:
    zipfile.ZipFile(desk / BUNDLE).extractall(desk / "b")


def test_a_bundle_is_good_by_the_verifier_and_by_hand(shell, desk):
    done = shell(blocks(PAGE)["bundle"], desk, bundle=BUNDLE)
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.splitlines()
    order = ["GOOD", "files agree", "this is the key", "Signature Verified Successfully"]
    assert [line for line in said if line in order] == order


def test_every_verdict_of_the_page_can_be_had(shell, desk):
    table = dict(re.findall(r"^\| `([A-Z, ]+)(?:: \.\.\.)?` \| (\d) \|", PAGE, flags=re.MULTILINE))
    good = shell(f'python3 -I verify_bundle.py {BUNDLE} --key "$fingerprint"', desk)
    unknown = shell(f"python3 -I verify_bundle.py {BUNDLE} --no-key", desk)
    data = bytearray((desk / BUNDLE).read_bytes())
    data[len(data) // 2] ^= 1
    (desk / BUNDLE).write_bytes(data)
    bad = shell(f'python3 -I verify_bundle.py {BUNDLE} --key "$fingerprint"', desk)
    found = {re.split(":", done.stdout.splitlines()[-1])[0]: str(done.returncode) for done in (good, unknown, bad)}
    assert found == table


def test_another_key_is_seen_by_hand(shell, desk):
    script = blocks(PAGE)["bundle"].partition("\n")[2]
    done = shell(script, desk, bundle=BUNDLE, fingerprint="0" * 64)
    assert "this is the key" not in done.stdout


def test_an_event_is_proven_by_hand(shell, desk):
    done = shell(blocks(PAGE)["functions"] + blocks(PAGE)["event"], desk)
    assert re.fullmatch(r"leaf \d+ of 552: proven\n", done.stdout), done.stderr


def test_an_altered_event_is_not(shell, desk):
    (line,) = desk.glob("e/evidence/*/*/*.txt")
    line.write_bytes(line.read_bytes().replace(b"success", b"failure"))
    done = shell(blocks(PAGE)["functions"] + blocks(PAGE)["event"], desk)
    assert (done.returncode, done.stdout) == (1, "")


def test_a_token_is_verified_by_openssl(shell, desk):
    unpack(desk)
    done = shell(blocks(PAGE)["token"], desk)
    assert (done.returncode, done.stdout.count("Verification: OK")) == (0, 2), done.stdout + done.stderr
    assert "Time stamp:" in done.stdout


def test_a_token_over_another_checkpoint_is_not(shell, desk):
    unpack(desk)
    (checkpoint,) = (desk / "b" / "checkpoints").glob("statements.[0-9]*")
    shutil.copy(desk / "b" / "checkpoints" / "events", checkpoint)
    assert shell(blocks(PAGE)["token"], desk).returncode == 1


def test_a_drop_is_as_stated(shell, desk):
    unpack(desk)
    first, *files = shell(blocks(PAGE)["drop"], desk).stdout.splitlines()
    assert first == "the manifest is stated"
    assert [line.rpartition(": ")[2] for line in files] == ["as stated", "as stated"]


def test_an_altered_drop_is_not(shell, desk):
    unpack(desk)
    file = next((desk / "drops" / "ecs").glob("*.20260105.*"))
    file.write_bytes(file.read_bytes() + b"\n")
    assert f"drops/ecs/{file.name}: NOT AS STATED" in shell(blocks(PAGE)["drop"], desk).stdout


def test_a_c2sp_verifier_finds_bundles_good(shell, desk, tlogverify):  # noqa: F811
    unpack(desk)
    done = shell(blocks(PAGE)["c2sp"] + blocks(PAGE)["c2sp-event"], desk, PATH=f"{tlogverify.parent}:{os.environ['PATH']}")
    assert (done.returncode, done.stdout.splitlines().count("OK")) == (0, 4), done.stdout + done.stderr


def test_every_block_of_the_page_is_run_or_says_what_to_set():
    fenced = re.findall(r"^```sh\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    plain = [body for body in fenced if not any(body in script for script in blocks(PAGE).values())]
    assert [re.findall(r"^(\w+)=", body, flags=re.MULTILINE) for body in plain] == [["bundle", "fingerprint"]]
    source = Path(__file__).read_text(encoding="utf-8")
    assert all(f'blocks(PAGE)["{name}"]' in source for name in blocks(PAGE))
