"""The auditor's door: months, revisions, files and bundles, as they lie in the home and not otherwise."""

import hashlib
import http.client
import json
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from audit_pipelines.defs import bundling
from audit_pipelines.lake import lock
from audit_pipelines.seal.bundle import Scope
from audit_pipelines.seal.standalone import verify
from audit_pipelines.serve import bundles
from tests.serve.conftest import copied, opened
from tests.serve.web.auditors import MONTH, rows, words


@pytest.fixture
def client(audited):
    with audited.client(audited.token("auditor")) as client:
        yield client


@pytest.fixture
def own(audited_home, clock, tmp_path):
    """The door of a home that a test may change."""
    with opened(copied(audited_home, tmp_path), clock) as door:
        yield door


def folder(door, revision="r2") -> Path:
    return door.home.reports / MONTH / revision


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tree(door) -> dict[str, str]:
    """Digest of every file of the home but the access log's."""
    files = [path for path in door.home.root.rglob("*") if path.is_file() and not path.is_relative_to(door.home.access)]
    return {str(path.relative_to(door.home.root)): sha256(path) for path in files}


def test_the_list_has_every_month_with_its_newest_revision_and_the_digests_of_its_files(audited, client):
    months = {row[0].split()[0]: row[1:] for row in rows(client.get("/reports").text) if row[0].startswith("20")}
    assert list(months) == ["2026-02", "2026-01", "2025-12"]
    state, revision, issued, size, digests, _ = months[MONTH]
    assert state == "outdated revised"
    assert revision.startswith("r2")
    assert (
        datetime.fromisoformat(f"{issued}+00:00").date()
        == datetime.fromtimestamp((folder(audited) / "report.json").stat().st_mtime, UTC).date()
    )
    assert int(size) == json.loads((folder(audited) / "report.json").read_bytes())["log_size"]
    document = next(folder(audited).glob("*.pdf"))
    assert digests.split() == [sha256(document), sha256(folder(audited) / "report.json")]
    assert months["2025-12"][0] == "no report yet"


def test_a_report_that_says_what_the_log_says_is_current(sealed_door):
    page = sealed_door.client(sealed_door.token("auditor")).get("/reports").text
    assert [row[1] for row in rows(page)[1:]] == ["current"]


def test_a_month_shows_its_revisions_newest_first_and_what_each_changed(client):
    page = client.get(f"/reports/{MONTH}").text
    text = words(page)
    assert text.index("Revision 2") < text.index("Revision 1")
    assert "1 late event and 0 decisions came after revision 1" in text
    assert ["Events stored", "202", "203", "T1, manifests"] in rows(page.split("What this revision changed")[1])
    assert "A new revision is due." in text
    assert "replaced by r2" in text


def test_figures_at_a_glance_are_those_of_the_report(audited, client):
    page = client.get(f"/reports/{MONTH}").text
    for figure in json.loads((folder(audited) / "report.json").read_bytes())["figures"]:
        if figure["key"]:
            assert f"<dt>{figure['label']}</dt><dd>{figure['value']}</dd>" in page


@pytest.mark.parametrize("revision", ["r1", "r2"])
def test_every_file_of_the_folder_is_listed_and_is_what_is_downloaded(audited, client, revision):
    page = client.get(f"/reports/{MONTH}").text
    paths = [path for path in folder(audited, revision).rglob("*") if path.is_file()]
    assert len(paths) > 10
    for path in paths:
        name = path.relative_to(folder(audited, revision)).as_posix()
        assert f"/reports/{MONTH}/{revision}/{name}" in page
        assert sha256(path) in page
        answer = client.get(f"/reports/{MONTH}/{revision}/{name}")
        assert answer.content == path.read_bytes()
        assert answer.headers["content-disposition"] == f'attachment; filename="{path.name}"'


def test_a_pdf_can_be_shown_in_the_browser_and_nothing_else_can(audited, client):
    document = next(folder(audited).glob("*.pdf"))
    answer = client.get(f"/reports/{MONTH}/r2/{document.name}", params={"inline": "true"})
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"].startswith("inline")
    answer = client.get(f"/reports/{MONTH}/r2/report.json", params={"inline": "true"})
    assert answer.headers["content-disposition"].startswith("attachment")


def test_the_log_states_the_report_and_the_page_says_where(audited, client):
    index = int((folder(audited) / "proof/report.tlog-proof").read_text().split("index ")[1].split("\n")[0])
    text = words(client.get(f"/reports/{MONTH}").text)
    assert f"number {index} of the log of statements" in text
    assert "the statement leads to that root" in text
    assert text.count("as stated in the log") == 2


@pytest.mark.parametrize(
    "path",
    [
        "r2/..%2f..%2f..%2faudit.toml",
        "r2/../../../audit.toml",
        "r2/..%2f..%2f..%2fstate%2ftokens.json",
        "r2/%2e%2e/%2e%2e/%2e%2e/audit.toml",
        "r2/%2fetc%2fpasswd",
        "r2//etc/passwd",
        "r2/report.json%00.pdf",
        "r2/%00",
        "r2/.",
        "r2/proof",
        "r2/proof/../report.json",
        "r2/r1/report.json",
        "r2/REPORT.JSON",
        "r2/report.json/",
        "..%2f..%2fkeys/x",
        "r02/report.json",
        "r3/report.json",
        "r99999999999999999999999999/report.json",
        "r2/%c3%28",
        "r2/" + "a" * 5000,
    ],
)
def test_a_name_that_the_folder_does_not_list_is_nothing(audited, path):
    parts = urlsplit(audited.url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port)
    connection.putrequest("GET", f"/reports/{MONTH}/{path}", skip_accept_encoding=True)
    connection.putheader("Authorization", f"Bearer {audited.token('auditor')}")
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 404
    assert b"organisation" not in answer.read()
    connection.close()


@pytest.mark.parametrize(
    "month", ["2026-13", "2026-1", "0000-01", "9999-12", "2026-01%00", "%2e%2e", "\uff12\uff10\uff12\uff16-01"]
)
def test_what_is_no_month_of_the_log_is_nothing(client, month):
    for address in (f"/reports/{month}", f"/reports/{month}/bundle", f"/reports/{month}/r1/report.json"):
        assert client.get(address).status_code == 404


def test_what_later_work_adds_to_a_revision_appears_by_itself(own):
    name = "annex/owner's <img src=x onerror=alert(1)>?#%41.html"
    added = folder(own) / name
    added.parent.mkdir()
    added.write_text("<script>alert(1)</script>")
    client = own.client(own.token("auditor"))
    page = client.get(f"/reports/{MONTH}").text
    assert name in [row[0] for row in rows(page) if row[-1:] == ["came later"]]
    assert "<img" not in page
    assert sha256(added) in page
    answer = client.get(f"/reports/{MONTH}/r2/{quote(name)}")
    assert answer.content == added.read_bytes()
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert own.records()[-1]["targets"] == [{"type": "report", "id": f"{MONTH}/r2/{name}", "name": None}]


def test_a_link_of_the_file_system_is_no_file_of_a_revision(own):
    (folder(own) / "linked.toml").symlink_to(own.home.settings_file)
    (folder(own) / "keys").symlink_to(own.home.root / "keys")
    (own.home.reports / MONTH / "r7").symlink_to(own.home.root / "keys")
    client = own.client(own.token("auditor"))
    page = client.get(f"/reports/{MONTH}").text
    assert "linked.toml" not in words(page)
    for path in ("r2/linked.toml", "r2/keys", "r7/report.json"):
        assert client.get(f"/reports/{MONTH}/{path}").status_code == 404


def test_a_file_that_was_altered_since_is_said_to_be(own):
    path = folder(own, "r1") / "report.json"
    path.write_bytes(path.read_bytes().replace(b'"Events stored"', b'"Events  stored"'))
    (folder(own, "r1") / "findings.ndjson").unlink()
    text = words(own.client(own.token("auditor")).get(f"/reports/{MONTH}").text)
    assert "not as stated in the log" in text
    assert "report.json is not the file that the log states." in text
    assert "findings.ndjson is missing." in text
    assert text.count("Figures at a glance") == 1  # those of r2: an altered file tells no figures


def test_a_report_json_that_is_none_leaves_a_page_that_says_so(own):
    (folder(own) / "report.json").write_bytes(b"[")
    client = own.client(own.token("auditor"))
    assert "not as stated" in words(client.get("/reports").text)
    assert "report.json is not the file that the log states." in words(client.get(f"/reports/{MONTH}").text)


def test_the_bundle_is_the_one_that_the_command_writes_and_is_good(audited, client, tmp_path):
    answer = client.get(f"/reports/{MONTH}/bundle")
    assert answer.headers["content-disposition"] == f'attachment; filename="test.evidence.{MONTH}.zip"'
    path = tmp_path / "served.zip"
    path.write_bytes(answer.content)
    fingerprint = words(client.get("/verify").text).split("If they differ, stop.")[1].split()[0]
    assert verify(path, [fingerprint]).verdict == "GOOD"
    month = date(2026, 1, 1)
    made = bundling.bundle(audited.home, Scope("month", month, month.replace(month=2)), tmp_path)
    assert made.path.read_bytes() == answer.content
    assert int(answer.headers["content-length"]) == len(answer.content)


def test_a_bundle_leaves_nothing_behind_in_the_home_or_beside_it_and_needs_no_lock(own, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    client = own.client(own.token("auditor"))
    client.get("/reports")
    before = tree(own)
    with lock.hold(own.home.lock_file, who="a night", wait=0):
        held = tree(own)
        assert client.get(f"/reports/{MONTH}/bundle").status_code == 200
        assert tree(own) == held
    assert tree(own).keys() == before.keys()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_without_room_for_it_the_answer_says_that_the_operator_must_act(own, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    answer = own.client(own.token("auditor")).get(f"/reports/{MONTH}/bundle")
    assert answer.status_code == 503
    assert "must be put right by the operator" in answer.json()["detail"]
    assert str(tmp_path) not in answer.text


def test_only_so_many_bundles_are_packed_at_once(own):
    client = own.client(own.token("auditor"))
    turns = own.app.state.auditing.bundles._turns
    for _ in range(bundles.AT_ONCE):
        turns.acquire()
    answer = client.get(f"/reports/{MONTH}/bundle")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    turns.release()
    assert client.get(f"/reports/{MONTH}/bundle").status_code == 200


def test_a_link_to_a_report_shows_that_month_and_says_what_it_is(audited):
    client = audited.linked(report=MONTH, name="Jo of Audit & Co")
    page = client.get("/reports").text
    assert [row[0].split()[0] for row in rows(page)[1:]] == [MONTH]
    assert "You came by a link. Test gave it to “Jo of Audit & Co” on 2026-02-06 12:00:00" in words(page)
    assert f"It shows the report and the evidence of {MONTH}, and nothing else. It works until 2026-02-20 12:00:00" in words(page)
    assert client.get(f"/reports/{MONTH}/bundle").status_code == 200
    for path in ("/reports/2025-12", "/reports/2025-12/bundle", "/reports/2026-02/bundle"):
        assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("since", "until", "shown"),
    [
        ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", [MONTH]),
        ("2025-12-01T00:00:00Z", "2026-02-01T00:00:00Z", [MONTH, "2025-12"]),
        ("2026-01-01T00:00:00.000001Z", "2026-02-01T00:00:00Z", []),
        ("2026-01-01T00:00:00Z", "2026-01-31T23:59:59Z", []),
    ],
)
def test_a_link_to_a_period_shows_months_that_lie_wholly_inside(audited, since, until, shown):
    client = audited.linked(since=datetime.fromisoformat(since), until=datetime.fromisoformat(until))
    listed = [row[0].split()[0] for row in rows(client.get("/reports").text)[1:]]
    assert listed == shown
    for month in (MONTH, "2025-12"):
        expected = 200 if month in shown else 404
        assert client.get(f"/reports/{month}").status_code == expected
        assert client.get(f"/reports/{month}/bundle").status_code == expected
    assert client.get(f"/reports/{MONTH}/r1/report.json").status_code == (200 if MONTH in shown else 404)


def test_what_was_taken_stands_in_the_access_log(audited, client):
    taken = {
        "/reports": ("report.listed", None),
        f"/reports/{MONTH}": ("report.viewed", MONTH),
        f"/reports/{MONTH}/r1/report.json": ("report.downloaded", f"{MONTH}/r1/report.json"),
        f"/reports/{MONTH}/bundle": ("bundle.downloaded", MONTH),
    }
    for path, (action, target) in taken.items():
        record = audited.record_of(client.get(path))
        assert (record["action"], [one["id"] for one in record["targets"]]) == (action, [target] if target else [])
