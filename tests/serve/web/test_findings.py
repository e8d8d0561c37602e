"""The findings: filters in the address, the newest look at each day, evidence with proofs, and what links may see."""

from datetime import UTC, datetime

import pytest

from tests.serve.web.auditors import HOSTILE, rows, words

BURST = "151 failed sign-ins from 203.0.113.9 to 7 account(s), up to 151 within 10 minutes."


@pytest.fixture
def client(audited):
    return audited.client(audited.token("read"))


def noted(client, query="") -> list[str]:
    """The subjects of the findings that the page lists, in its order."""
    answer = client.get(f"/findings?{query}")
    assert answer.status_code == 200, answer.text
    return [row[3] for row in rows(answer.text) if len(row) == 6][1:]


def first(client, query="") -> str:
    """The address of the first finding that the page lists."""
    page = client.get(f"/findings?{query}").text
    return "/findings/" + page.split('data-label="Noted"><a href="')[1].split('"')[0].rsplit("/", 1)[1]


def test_of_each_day_the_newest_look_counts(client):
    page = words(client.get("/findings").text)
    assert BURST in page
    assert "150 failed sign-ins" not in page


@pytest.mark.parametrize(
    ("query", "subjects"),
    [
        ("", [HOSTILE, "203.0.113.9"]),
        ("severity=high", [HOSTILE, "203.0.113.9"]),
        ("severity=low", []),
        ("severity=low&severity=high", [HOSTILE, "203.0.113.9"]),
        ("rule=failed_login_burst", [HOSTILE, "203.0.113.9"]),
        ("rule=mass_deletion", []),
        ("subject=203.0.113", ["203.0.113.9"]),
        ("subject=SCRIPT", [HOSTILE]),
        ("subject=%25", []),
        ("from=2026-01-07", [HOSTILE]),
        ("to=2026-01-07", ["203.0.113.9"]),
        ("from=2026-01-06&to=2026-01-07", ["203.0.113.9"]),
        ("from=2026-01-06T08:05:00Z&to=2026-01-09", []),
        ("order=subject", ["203.0.113.9", HOSTILE]),
        ("order=severity", [HOSTILE, "203.0.113.9"]),
        ("order=rule", [HOSTILE, "203.0.113.9"]),
        ("page=2", []),
    ],
)
def test_the_address_says_which_and_in_which_order(client, query, subjects):
    assert noted(client, query) == subjects


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("severity=worst", "severity: is one of low"),
        ("rule=../x", "rule: is the name of a rule"),
        ("order=1;drop", "order: is one of time"),
        ("page=0", "page: is a number"),
        ("page=-1", "page: is a number"),
        ("page=٣", "page: is a number"),
        ("page=99999999999", "page: is a number"),
        ("from=yesterday", "from: write a date"),
        ("to=2026-02-30", "to: write a date"),
        (f"subject={'x' * 201}", "subject: is longer"),
    ],
)
def test_what_cannot_be_understood_is_refused_by_its_name(client, query, says):
    answer = client.get(f"/findings?{query}")
    assert answer.status_code == 400
    assert says in answer.json()["detail"]


def test_a_finding_tells_its_rule_what_to_do_and_its_evidence_with_proofs(audited, client):
    page = client.get(first(client, "subject=203.0.113.9")).text
    text = words(page)
    assert BURST in text
    assert "Which addresses failed to sign in again and again within minutes?" in text
    assert "SOC2 CC7.2" in text
    assert "Block source_ip at the identity provider" in text
    assert "The finding rests on 151 events and names the first 100." in text
    evidence = rows(page)[1:]
    assert len(evidence) == 100
    assert evidence[0][0] == "2026-01-06 08:00:00.000"
    assert {row[4] for row in evidence} == {"203.0.113.9"}
    link = page.split('data-label="Event"><a href="')[1].split('"')[0]
    assert "evt_002000" in client.get(link).text
    assert audited.record_of(client.get(first(client)))["targets"][0]["type"] == "finding"


def test_somebody_with_the_scope_of_auditors_alone_sees_evidence_without_links_that_they_could_not_open(audited):
    client = audited.client(audited.token("auditor"))
    page = client.get(first(client)).text
    assert "terracotta/evt_003000" in page
    assert "details and proof" not in page


def test_what_somebody_wrote_into_a_record_stays_text(client):
    for path in ("/findings", first(client, "subject=script")):
        page = client.get(path).text
        assert HOSTILE not in page
        assert HOSTILE in words(page) or "document.title='hit'" in words(page)


@pytest.mark.parametrize("name", ["x", "2026-01-06-0000000000000000", "2026-13-01-0123456789abcdef", "9999-99-99-0", "%00"])
def test_a_finding_that_there_is_not_is_nothing(client, name):
    assert client.get(f"/findings/{name}").status_code == 404


@pytest.mark.parametrize(
    ("since", "until", "subjects"),
    [
        ("2026-01-01T00:00", "2026-02-01T00:00", [HOSTILE, "203.0.113.9"]),
        ("2026-01-05T00:00", "2026-01-06T08:05", ["203.0.113.9"]),
        ("2026-01-05T00:00", "2026-01-06T08:04:59", []),  # its last event is too late
        ("2026-01-05T00:01", "2026-01-07T00:00", []),  # the rule looks back one day, and part of it is outside
        ("2026-01-06T00:00", "2026-01-10T00:00", [HOSTILE]),
    ],
)
def test_a_link_to_a_period_sees_findings_wholly_inside_with_what_their_rule_looked_at(audited, client, since, until, subjects):
    since, until = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (since, until))
    linked = audited.linked(since=since, until=until)
    assert noted(linked) == subjects
    for subject, query in ((HOSTILE, "subject=script"), ("203.0.113.9", "subject=203")):
        assert linked.get(first(client, query)).status_code == (200 if subject in subjects else 404)
    counted = words(linked.get("/findings").text).split("▲ high ")
    assert (str(len(subjects)) in counted[-1][:3]) or len(counted) == 1


@pytest.mark.parametrize("limits", [{"actor": "usr_1"}, {"report": "2026-01"}], ids=["actor", "report"])
def test_links_of_other_kinds_see_none(audited, client, limits):
    linked = audited.linked(**limits)
    assert linked.get("/findings").status_code == 403
    assert linked.get(first(client)).status_code == 403
