"""/v1/reports, /v1/findings, /v1/drops: what auditors and operators fetch by script."""

import hashlib
import json

import pytest

from audit_pipelines.sql import findings
from tests.serve.conftest import DAYS


@pytest.fixture(scope="module")
def auditor(sealed_door):
    return sealed_door.client(sealed_door.token("auditor"))


@pytest.fixture(scope="module")
def admin(sealed_door):
    return sealed_door.client(sealed_door.token("admin"))


def test_every_file_of_a_report_with_its_digest_and_address(sealed_door, auditor):
    answer = auditor.get("/v1/reports")
    (report,) = answer.json()["data"]
    assert (report["month"], report["revision"], report["log_size"], report["sound"]) == ("2026-01", 1, 7103, True)
    names = {file["name"] for file in report["files"]}
    assert names >= {"report.json", "SHA256SUMS", "test.audit-report.2026-01.r1.pdf", "proof/report.tlog-proof"}
    for file in report["files"]:
        content = auditor.get(file["url"]).raise_for_status().content
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file["bytes"], file["sha256"])
    assert auditor.get("/v1/reports", headers={"if-none-match": answer.headers["etag"]}).status_code == 304
    assert sealed_door.record_of(answer)["action"] == "report.listed"


def test_reports_are_for_auditors(sealed_door, admin):
    assert sealed_door.client(sealed_door.token("read", "export")).get("/v1/reports").status_code == 403
    assert admin.get("/v1/reports").status_code == 200


def judged(home) -> list[findings.Finding]:
    """All findings, straight from the files."""
    return [hit for day in DAYS for hit in findings.read(sorted((home.root / "findings" / f"day={day}").iterdir()))]


def test_findings_the_latest_first(sealed, sealed_door, auditor):
    answer = auditor.get("/v1/findings")
    found, wanted = answer.json(), judged(sealed)
    assert found["total"] == len(found["data"]) == len(wanted) > 0
    assert found["next_cursor"] is None
    assert {(hit["rule"], hit["subject"], tuple(hit["uids"])) for hit in found["data"]} == {
        (hit.rule, hit.subject, hit.uids) for hit in wanted
    }
    recorded = sealed_door.record_of(answer)
    assert (recorded["action"], len(recorded["targets"])) == ("finding.viewed", len(wanted))


def test_findings_by_severity_rule_and_time(sealed, auditor):
    (one,) = judged(sealed)
    counts = {
        f"severity={one.severity}": 1,
        "severity=low": 0,
        f"rule={one.rule}": 1,
        "rule=no_such_rule": 0,
        f"from={one.day}": 1,
        f"to={one.day}": 0,
    }
    assert {query: auditor.get(f"/v1/findings?{query}").json()["total"] for query in counts} == counts


@pytest.fixture
def many_findings(sealed_door, monkeypatch):
    """The one finding of the sealed home, as if it were 25."""
    import dataclasses
    from datetime import timedelta

    auditing = sealed_door.app.state.auditing
    (one,) = judged(sealed_door.home)
    copies = [
        dataclasses.replace(one, window_end=one.window_end + timedelta(seconds=number // 3), subject=f"s{number % 3}")
        for number in range(25)
    ]
    monkeypatch.setattr(type(auditing.findings), "_all", lambda *_: iter(copies))
    return copies


@pytest.mark.parametrize("limit", [1, 7, 25])
def test_a_walk_through_findings_gives_each_once(auditor, many_findings, limit):
    pages = [auditor.get(f"/v1/findings?limit={limit}").json()]
    while following := pages[-1]["next_cursor"]:
        pages.append(auditor.get(f"/v1/findings?limit={limit}&cursor={following}").json())
    found = [(hit["window_end"], hit["subject"]) for page in pages for hit in page["data"]]
    assert len(found) == len(set(found)) == 25
    assert found == sorted(found, reverse=True)
    assert {page["total"] for page in pages} == {25}


def test_drops_are_their_manifests(sealed, sealed_door, admin):
    answer = admin.get("/v1/drops")
    found = answer.json()
    assert [drop["batch"] for drop in found["data"]] == ["000003.20260131", "000002.20260130", "000001.20260129"]
    assert (found["total"], found["next_cursor"]) == (3, None)
    for drop in found["data"]:
        path = sealed.drops / "_manifests" / f"{drop['day'].replace('-', '')}.b{drop['seq']:06d}.manifest.json"
        assert drop == json.loads(path.read_bytes())
    assert [target["id"] for target in sealed_door.record_of(answer)["targets"]] == [
        "20260131.b000003",
        "20260130.b000002",
        "20260129.b000001",
    ]


def test_a_walk_through_drops(admin):
    pages = [admin.get("/v1/drops?limit=2").json()]
    pages.append(admin.get(f"/v1/drops?limit=2&cursor={pages[0]['next_cursor']}").json())
    assert [[drop["seq"] for drop in page["data"]] for page in pages] == [[3, 2], [1]]
    assert pages[1]["next_cursor"] is None


@pytest.mark.parametrize("path", ["/v1/findings", "/v1/drops"])
@pytest.mark.parametrize("cursor", ["x", "AAAA", "W10", "WzEsMl0", "%C3%A4", "MToyOjM", "a" * 5000])
def test_a_cursor_that_is_none(admin, path, cursor):
    answer = admin.get(f"{path}?cursor={cursor}")
    assert (answer.status_code, answer.json()["detail"][:16]) == (400, "cursor: is none;")


def test_drops_are_for_the_operator(sealed_door):
    assert sealed_door.client(sealed_door.token("read", "export", "auditor")).get("/v1/drops").status_code == 403
