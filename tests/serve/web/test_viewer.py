"""The viewer over HTTP: what a filter finds, what a link hides, and what is said when something cannot be answered."""

import html
import re
from datetime import UTC, datetime

import pytest

from tests.serve.conftest import DAYS
from tests.serve.web.conftest import waiting


def leaves(page: str) -> list[int]:
    """The events that a page lists, in its order."""
    return [int(leaf) for leaf in re.findall(r'/events/(\d+)" data-open', page)]


def counts(page: str, name: str) -> dict[str, int]:
    """The values of one list of counts."""
    part = page.split(f'id="facet-{name}"')[1].split("</ul>", maxsplit=1)[0] if f'id="facet-{name}"' in page else ""
    rows = re.findall(r'title="\w+(?: out)?: ([^"]*)".*?<span class="count">([^<]*)<', part, re.DOTALL)
    return {html.unescape(value): int(number.replace("\u202f", "")) for value, number in rows}


def total(page: str) -> int:
    return int(re.search(r"data-total-here>([\d\u202f]+) events?<", page)[1].replace("\u202f", ""))


@pytest.fixture
def reader(door):
    return door.client(door.token("read", "export"))


def test_older_pages_give_each_event_once_and_end(door, reader):
    path, found = "/audit-logs?category=configuration", []
    while path:
        page = reader.get(path).text
        found += leaves(page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        path = html.unescape(following[1]) if following else None
    assert len(found) == len(set(found)) == total(reader.get("/audit-logs/histogram?category=configuration").text)
    assert "no older events" in page


def test_rows_and_page_list_the_same(reader):
    page = reader.get("/audit-logs?category=review").text
    older = html.unescape(re.search(r'rel="next" href="([^"]+)"', page)[1])
    rows = html.unescape(re.search(r'data-older="([^"]+)"', page)[1])
    assert leaves(reader.get(older).text) == leaves(reader.get(rows).text) != leaves(page)


def test_rows_that_were_let_go_come_back_as_they_were(reader):
    for path in ("/audit-logs", html.unescape(re.search(r'data-older="([^"]+)"', reader.get("/audit-logs").text)[1])):
        page = reader.get(path).text
        again = reader.get(html.unescape(re.search(r'<tbody data-source="([^"]+)"', page)[1])).text
        assert leaves(again) == leaves(page)


def test_a_fragment_is_the_page_without_what_is_around_it(reader):
    whole = reader.get("/audit-logs/rows").text
    part = reader.get("/audit-logs/rows", headers={"X-Fragment": "1"}).text
    assert whole.startswith("<!doctype html>")
    assert "<html" not in part
    assert leaves(part) == leaves(whole)


def test_each_list_is_counted_without_its_own_conditions(reader):
    every = reader.get("/audit-logs/facets").text
    chosen = reader.get("/audit-logs/facets?outcome=failure").text
    assert counts(chosen, "outcome") == counts(every, "outcome")
    assert sum(counts(chosen, "category").values()) == counts(every, "outcome")["failure"]


def test_a_view_is_no_search_and_both_are_recorded(door, reader):
    reader.get("/audit-logs")
    assert door.records()[-1]["action"] == "audit_log.viewed"
    reader.get("/audit-logs?q=login")
    assert door.records()[-1]["action"] == "audit_log.searched"
    assert door.records()[-1]["request"]["query"] == "q=login"


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("from=yesterday", "From: write a date"),
        ("from=2026-02-01&to=2026-01-01", "Before: must be later"),
        ("cursor=x", "cursor: is none"),
        ("q=" + "a" * 501, "Text: is longer"),
        ("address=1&address=2", "Address: is given twice"),
    ],
)
def test_what_cannot_be_understood_is_said_beside_the_form(reader, query, says):
    answer = reader.get(f"/audit-logs?{query}")
    assert answer.status_code == 400
    assert says in re.sub("<[^>]+>", "", answer.text)
    assert 'role="search"' in answer.text
    assert "data-load" not in answer.text  # nothing that would look like an answer


def test_what_was_typed_stays_in_the_form(reader):
    page = reader.get("/audit-logs?from=2026-02-01&to=2026-01-01&q=guardrail").text
    for text in ("2026-02-01T00:00", "2026-01-01T00:00", "guardrail"):
        assert f'value="{text}"' in page


def test_a_query_that_takes_too_long_is_told_plainly(door):
    browser = door.signed_in(door.token("read"))
    with waiting(door):
        answer = browser.get("/audit-logs/histogram?q=nobody+ever+asked+this")
        part = browser.get("/audit-logs/histogram?q=nobody+ever+asked+this", headers={"X-Fragment": "1"})
    assert answer.status_code == 503
    assert "narrow it" in answer.text
    assert re.search(r"^<p class=\"refused\" role=\"alert\">.*narrow it.*</p>$", part.text.strip())
    assert answer.headers["retry-after"]


def test_counts_that_take_too_long_are_left_out_and_the_page_says_so(door, reader):
    with waiting(door):
        answer = reader.get("/audit-logs/facets?q=nor+this")
    assert answer.status_code == 200
    assert answer.text.count("Not counted") == 5


def test_a_period_link_sees_nothing_outside(door):
    since, until = (datetime(day.year, day.month, day.day, tzinfo=UTC) for day in DAYS[1:])
    client = door.client()
    opened = door.post_form(client, f"/l/{door.link(since=since, until=until)}")
    assert opened.status_code == 303
    whole = door.client(door.token("read"))
    within = f"?from={DAYS[1]}&to={DAYS[2]}"
    assert leaves(client.get("/audit-logs").text) == leaves(whole.get(f"/audit-logs{within}").text)
    assert total(client.get("/audit-logs/histogram").text) == total(whole.get(f"/audit-logs/histogram{within}").text)
    for name in ("category", "action", "outcome", "source", "user"):
        assert counts(client.get("/audit-logs/facets").text, name) == counts(whole.get(f"/audit-logs/facets{within}").text, name)
    assert leaves(client.get(f"/audit-logs?to={DAYS[1]}").text) == []
    outside = leaves(whole.get(f"/audit-logs?from={DAYS[2]}").text)[0]
    for path in ("", "/record", "/proof"):
        assert client.get(f"/audit-logs/events/{outside}{path}").status_code == 404


def test_an_actor_link_exports_that_actor_only(door):
    client = door.client()
    door.post_form(client, f"/l/{door.link(actor='ci-main@svc.larkspur.example')}")
    page = client.get("/audit-logs/facets").text
    assert set(counts(page, "user")) == {"ci-main@svc.larkspur.example"}
    lines = client.get("/audit-logs/export").content.splitlines()
    assert b'"restriction":{"user":"ci-main@svc.larkspur.example"}' in lines[0]
    assert len(lines) - 1 == counts(page, "user")["ci-main@svc.larkspur.example"]
    assert all(b'"ci-main@svc.larkspur.example"' in line for line in lines[1:])


def test_reading_does_not_open_the_export(door):
    client = door.client(door.token("read"))
    assert client.get("/audit-logs/export").status_code == 403
    assert "/audit-logs/export" not in client.get("/audit-logs").text


def test_every_address_on_the_pages_has_the_proxys_prefix(serving):
    with serving('[serve]\npublic_url = "https://audit.example.com/acme"\n') as door:
        client = door.client(door.token("admin"))
        client.headers["host"] = "audit.example.com"
        page = client.get("/audit-logs?outcome=failure").text
        addresses = re.findall(r'(?:href|src|action|data-load|data-older)="([^"#]+)"', page)
        assert len(addresses) > 10
        assert [address for address in addresses if not address.startswith("/acme/")] == []
