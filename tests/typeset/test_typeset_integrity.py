"""The chapter on integrity: heads and keys as the log has them, rows that can be counted again, plain limits."""

import base64
import io
import re
from dataclasses import replace
from datetime import date

import pytest

from audit_pipelines.shipped import shipped
from audit_pipelines.typeset import integrity as i
from audit_pipelines.typeset.model import compute
from audit_pipelines.typeset.pdf import render
from audit_pipelines.typeset.spec import load


def squeezed(text):
    return re.sub(r"\s+", "", text)


def blocks(computed):
    return {block["id"]: block for section in computed.model["sections"] for block in section["blocks"]}


@pytest.fixture(scope="session")
def chapter(pages):
    """The text of the chapter's pages."""
    first = next(at for at, page in enumerate(pages) if "2Integrityofthelog" in squeezed(page) and "Contents" not in page)
    last = next(at for at, page in enumerate(pages) if at > first and "3Activity" in squeezed(page))
    return "\n".join(pages[first:last])


def test_heads_are_printed_as_text_and_in_groups_of_eight_digits(computed, chapter):
    facts = computed.model["integrity"]
    assert [head["size"] for head in facts["heads"]] == [150_101, computed.model["log_size"], computed.model["statements_size"]]
    for head in facts["heads"]:
        root = base64.b64decode(head["root"])
        assert head["groups"].replace(" ", "") == root.hex()
        assert all(len(group) == 8 for group in head["groups"].split(" "))
        assert squeezed(head["groups"]) in squeezed(chapter)
        assert squeezed(head["text"]) in squeezed(chapter)


def test_keys_are_printed_for_comparison_only(computed, chapter):
    (key,) = computed.model["integrity"]["keys"]
    for text in (key["groups"], key["events"], key["statements"]):
        assert squeezed(text) in squeezed(chapter)
    assert "forcomparisonwiththeonethatyouweregivenbyanotherway" in squeezed(chapter)


def test_every_command_is_printed_and_goes_on_as_a_shell_reads_it(computed, chapter):
    for check in computed.model["integrity"]["checks"]:
        assert squeezed(check["command"]) in squeezed(chapter)
        assert all(len(line) <= 100 for line in check["command"].split("\n"))
        assert "\\\n" not in check["command"].replace("\\\n    -", ""), "a line goes on only where a flag begins"
    assert computed.model["file_name"] in computed.model["integrity"]["checks"][0]["command"]


def test_rotated_keys_are_all_given_to_the_checks(sample_month, month):
    facts = sample_month.facts(month)
    more = (*facts.integrity.files, i.LogFile("events.2.vkey", "", b""), i.LogFile("statements.2.vkey", "", b""))
    old = i.SigningKey("cd" * 32, "e", "s", since=0, until=9)
    changed = replace(facts, integrity=replace(facts.integrity, files=more, keys=(old, *facts.integrity.keys)))
    commands = commands_of(sample_month, month, changed)
    assert "-vkey @events.vkey -vkey @events.2.vkey" in commands[2]
    assert "cd" * 32 not in commands[5], "a bundle is checked with keys that sign today"


def commands_of(sample_month, month, facts):
    spec = load("monthly", [shipped("reports")])
    made = compute(spec, facts, sample_month.asker(month, sample_month.MONTH), None, sample_month.queries())
    return [check["command"] for check in made.model["integrity"]["checks"]]


def test_what_the_log_states_is_a_row_each_with_its_statements(computed):
    rows = {row[0]: row[1:] for row in blocks(computed)["sealed"]["rows"]}
    assert rows["Batches of the month, sealed"] == ["31 of 31", ", ".join(str(n) for n in range(61, 122, 2))]
    assert rows["Batches older than a time-stamp token"][0] == "30 of 31"
    assert rows["Retention policy when the month ended"][0] == "12 months; files: 18"
    assert rows["Legal holds when the month ended"][0] == "1: matter-7"
    assert rows["Events of the month that were erased"] == ["1", "101-102"]
    assert rows["Drills stated, and alterations noticed"][0] == "31, all noticed"


def test_a_drill_that_was_missed_is_not_rounded_up(sample_month, month):
    facts = sample_month.facts(month)
    missed = (i.DrillCount("two records swapped", 17, 16),)
    spec = load("monthly", [shipped("reports")])
    changed = replace(facts, integrity=replace(facts.integrity, drills=missed))
    made = compute(spec, changed, sample_month.asker(month, sample_month.MONTH), None, sample_month.queries())
    rows = {row[0]: row[1] for row in blocks(made)["sealed"]["rows"]}
    assert rows["Drills stated, and alterations noticed"] == "17, 16 noticed"
    assert next(figure["value"] for figure in made.model["figures"] if figure["id"] == "drills-noticed") == 16


def test_every_batch_row_has_its_statement(computed):
    table = blocks(computed)["batches"]
    place = [column["key"] for column in table["columns"]].index("statement")
    assert [row[place] for row in table["rows"]] == list(range(61, 122, 2))


def test_an_erasure_since_the_last_revision_stands_on_the_page_of_changes(sample_month, month):
    changed = sample_month.sample(month, revision=2)
    (row,) = changed.model["change"]["decisions"]["rows"]
    assert row[1:3] == ["erasure", "3 events, 1 of them of this month; a request under article 17"]
    assert row[4] == "101-102"
    pypdf = pytest.importorskip("pypdf")
    made = render(changed.model, folders=[shipped("templates")], attachments=changed.attachments)
    text = squeezed("".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(made)).pages))
    assert "Erasuresandnewmappingssincethen" in text


def test_the_limits_are_said_and_nothing_more_is_promised(pages, chapter):
    said = " ".join(" ".join(pages).split()).lower()
    assert "tamper-evident" in said
    assert "evidence starts at sealing" in " ".join(chapter.split()).lower()
    for promise in ("tamper-" + "proof", "tamper " + "proof", "cannot be " + "altered", "immutable", "not yet bound"):
        assert promise not in said


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        (None, None, "all days"),
        (date(2026, 1, 2), None, "from 2026-01-02 on"),
        (None, date(2026, 1, 2), "up to 2026-01-02"),
        (date(2026, 1, 2), date(2026, 1, 3), "2026-01-02 to 2026-01-03"),
    ],
)
def test_the_days_of_a_hold_in_words(first, last, text):
    assert i.days(first, last) == text
