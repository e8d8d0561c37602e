"""What somebody wrote into a record stays text: in every page, every fragment and every export."""

import csv
import html
import io
import json
import re
from urllib.parse import urlencode

import pytest

from audit_pipelines.serve.web.show import visible
from tests.serve.web.conftest import PAYLOADS, SCRIPT

PAGES = ("/audit-logs", "/audit-logs/facets", "/audit-logs/histogram", "/audit-logs/rows")
MADE = "main script, main style, main img, main iframe, main link, main object, main use, [onerror], [onload], [onmouseover], [onfocus], [autofocus]"
"""What no template makes: if it is there, a value made it."""
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)


def untouched(tab, title: str) -> None:
    """Nothing that a value says has happened to the page."""
    assert tab.page.title() == title
    assert tab.page.locator(MADE).count() == 0
    assert tab.page.get_by_text("hit", exact=True).count() == 0
    assert tab.page.locator("main").is_visible()
    schemes = tab.page.locator("a[href]").evaluate_all("all => all.map(one => one.href.baseVal ?? one.protocol)")
    assert not [scheme for scheme in schemes if scheme.startswith(("javascript:", "data:"))]


def test_the_viewer_and_every_open_event_show_values_as_text(tab, hostile):
    tab = tab(hostile).sign_in().settled()
    links = tab.page.locator("[data-open]")
    for number in range(links.count()):
        links.nth(number).focus()
        tab.page.keyboard.press("Enter")
        tab.page.locator("tr.opened").nth(number).locator("xpath=following-sibling::tr[1]").locator(".event-grid").wait_for()
    for button in tab.page.locator("[data-show-rest]").all():
        button.click()
    for row in tab.page.locator("td.actor bdi").all()[:10]:
        row.dispatch_event("mouseover")
    untouched(tab, "Audit events · Test")
    shown = tab.page.locator("main").inner_text()
    assert SCRIPT in shown
    assert "⟦U+202E⟧" in shown
    assert "שלום" in shown  # what is merely right to left is no control
    assert UNSEEN.search(shown) is None


@pytest.mark.parametrize("path", PAGES)
def test_counts_chart_and_rows_show_values_as_text(tab, hostile, path):
    tab = tab(hostile).sign_in()
    tab.go(path)
    untouched(tab, tab.page.title())


def test_a_hostile_filter_is_text_in_its_chip_and_finds_its_event(tab, hostile):
    tab = tab(hostile).sign_in()
    for name, value in PAYLOADS.items():
        if name in ("nul", "long"):
            continue  # no filter can have them: the pages then show the value without a link
        tab.go(f"/audit-logs?{urlencode({'target': value})}")
        tab.settled()
        untouched(tab, "Audit events · Test")
        assert tab.page.locator(".chip bdi").text_content() == visible(value.strip()), name
        found = tab.page.locator("tr[data-event]").count()
        assert found == (name != "tab"), name  # white space around a condition is cut off


@pytest.mark.parametrize("leaf", range(len(PAYLOADS)))
def test_no_page_of_an_event_has_a_character_that_cannot_be_seen(hostile, leaf):
    client = hostile.client(hostile.token("read"))
    for headers in ({}, {"X-Fragment": "1"}):
        answer = client.get(f"/audit-logs/events/{leaf}", headers=headers)
        assert answer.status_code == 200
        assert UNSEEN.search(html.unescape(answer.text)) is None
        assert "<script>document" not in answer.text


def test_a_record_is_given_as_a_download_byte_for_byte_whatever_it_says(hostile):
    client = hostile.client(hostile.token("read"))
    answer = client.get("/audit-logs/events/0/record")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == 'attachment; filename="test.event-0.record"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert SCRIPT.encode() in answer.content


FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def test_no_cell_of_a_csv_is_a_formula_and_no_line_hides_anything(hostile):
    client = hostile.client(hostile.token("read", "export"))
    text = client.get("/audit-logs/export?format=csv").content.decode()
    remark, table = text.split("\r\n", 1)
    assert remark.startswith("# audit-pipelines export: ")
    assert not set(remark) & set(',;"\t\n')
    rows = list(csv.DictReader(io.StringIO(table, newline=""), strict=True))
    assert len(rows) == len(PAYLOADS) + 1
    cells = [cell for row in rows for cell in row.values()]
    assert not [cell for cell in cells if cell.startswith(FORMULA)]
    assert not [cell for cell in cells if re.search(r"[\t\r\n]", cell) or UNSEEN.search(cell)]
    assert {row["actor_name"].lstrip("'") for row in rows} >= {visible(PAYLOADS["bidi"]), PAYLOADS["formula"], SCRIPT}


def test_an_export_as_ndjson_is_exact(hostile):
    client = hostile.client(hostile.token("read", "export"))
    _, *lines = client.get("/audit-logs/export").content.splitlines()
    names = {json.loads(line)["actor"]["name"] for line in lines}
    assert names >= set(PAYLOADS.values())
