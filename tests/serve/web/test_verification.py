"""The verification page runs the auditor's own verifier, says what came of each step, and gives commands that work."""

import shutil
import subprocess

import pytest
import zstandard

from audit_pipelines.serve import verification
from tests.serve.conftest import copied, opened
from tests.serve.web.auditors import MONTH, code, words

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def own(audited_home, clock, tmp_path):
    with opened(copied(audited_home, tmp_path), clock) as door:
        yield door


def verified(door, client, month=MONTH, **fields) -> str:
    return door.post_form(client, "/verify", month=month, **fields).text


def outcomes(page: str) -> list[str]:
    return [part.split('"')[0] for part in page.split('data-outcome="')[1:]]


@pytest.fixture
def client(audited):
    return audited.signed_in(audited.token("auditor"))


def fingerprint(client) -> str:
    return code(client.get("/verify").text, "fingerprint 1")


def test_a_month_holds_and_whose_key_it_is_stays_open(audited, client):
    page = verified(audited, client)
    assert "everything that was checked holds" in words(page)
    assert "GOOD" in code(page, "verify_bundle.py: records, order, statements and signatures")
    assert outcomes(page).count("open") == 1
    assert "Whose key it is, you have to say" in words(page)


def test_with_the_fingerprint_that_was_given_nothing_stays_open(audited, client):
    page = verified(audited, client, fingerprint=fingerprint(client).upper())
    assert set(outcomes(page)) == {"passed"}
    assert "Report r2 is the one that the log states" in words(page)


def test_another_fingerprint_fails_and_the_output_says_which_key_there_is(audited, client):
    page = verified(audited, client, fingerprint="0" * 64)
    assert "something does not hold" in words(page)
    output = code(page, "verify_bundle.py: records, order, statements and signatures")
    assert "has none of the keys you trust" in output
    assert fingerprint(client) in output


@pytest.mark.parametrize("text", ["abc", "g" * 64, "--key", "$(id)", "0" * 64 + "\n;id", " ".join(["0" * 64] * 11)])
def test_what_is_no_fingerprint_is_not_given_to_the_verifier(audited, client, text):
    answer = audited.post_form(client, "/verify", month=MONTH, fingerprint=text)
    assert answer.status_code == 400
    assert "A fingerprint has 64 digits" in words(answer.text)
    assert outcomes(answer.text) == []


@pytest.mark.parametrize("month", ["", "2026-13", "2027-01", "../..", "2026-01\0"])
def test_a_month_that_the_log_has_not_is_nothing(audited, client, month):
    assert audited.post_form(client, "/verify", month=month).status_code == 404
    if month:
        assert client.get("/verify", params={"month": month}).status_code == 404


def test_nothing_runs_for_a_form_of_another_page(audited, client):
    assert client.post("/verify", data={"month": MONTH}).status_code == 403
    assert client.post("/verify", data={"month": MONTH, "csrf": "x"}).status_code == 403


def test_an_altered_record_is_found_and_the_page_names_its_line(own):
    path = next((own.home.root / "evidence/source=terracotta/day=2026-01-05").glob("*.zst"))
    with path.open("rb") as file:
        text = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read()
    assert b'"success"' in text
    path.write_bytes(zstandard.compress(text.replace(b'"success"', b'"failure"', 1)))
    page = verified(own, own.signed_in(own.token("auditor")))
    assert "something does not hold" in words(page)
    assert "are not those of the signed log" in code(page, "verify_bundle.py: records, order, statements and signatures")


def test_an_altered_report_is_found(own):
    path = next((own.home.reports / MONTH / "r2").glob("*.pdf"))
    path.write_bytes(path.read_bytes() + b"\n")
    page = verified(own, own.signed_in(own.token("auditor")))
    assert path.name in code(page, "Report r2 is the one that the log states")
    assert outcomes(page).count("failed") == 1


def test_a_verifier_that_takes_too_long_is_stopped_and_said_to_be_open(audited, client, monkeypatch):
    monkeypatch.setattr(verification, "LIMIT", 1e-6)
    page = verified(audited, client)
    assert "which is more than a page may. Run it yourself" in words(page)
    assert "open" in outcomes(page)


def test_a_month_without_a_report_can_be_verified_too(audited, client):
    assert "everything that was checked holds" in words(verified(audited, client, month="2025-12"))


def test_a_link_verifies_its_own_month_and_no_other(audited):
    client = audited.linked(report=MONTH)
    page = client.get("/verify").text
    assert "2025-12" not in page
    assert "everything that was checked holds" in words(verified(audited, client))
    assert audited.post_form(client, "/verify", month="2025-12").status_code == 404


def test_it_is_recorded(audited, client):
    record = audited.record_of(audited.post_form(client, "/verify", month=MONTH))
    assert (record["action"], record["targets"][0]["id"]) == ("log.verified", MONTH)


@pytest.mark.skipif(any(shutil.which(tool) is None for tool in ("openssl", "xxd", "bash")), reason="openssl and xxd are needed")
def test_the_commands_of_the_page_do_what_it_says(audited, client, tmp_path):
    page = client.get("/verify", params={"month": MONTH}).text
    (tmp_path / f"test.evidence.{MONTH}.zip").write_bytes(client.get(f"/reports/{MONTH}/bundle").content)
    document = next((audited.home.reports / MONTH / "r2").glob("*.pdf"))
    (tmp_path / "report.pdf").write_bytes(document.read_bytes())
    script = "".join(code(page, f"commands {name}") for name in ("of the verifier", "by hand", "for a report"))
    run = subprocess.run(["bash", "-eu"], input=script, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert [line for line in lines if line in ("GOOD", "files agree", "this is the key", "Signature Verified Successfully", "1")] == [
        "GOOD", "files agree", "this is the key", "Signature Verified Successfully", "1",
    ]  # fmt: skip


def test_the_address_of_the_bundle_is_the_one_that_others_reach(audited, client):
    page = client.get("/verify", params={"month": MONTH}).text
    assert f"{audited.url}/reports/{MONTH}/bundle" in code(page, "commands to download")
