"""The model: figures with their source, tables with their limits, lists with every row."""

import dataclasses
import hashlib
import json
from datetime import date

import pytest

from audit_pipelines.errors import ReportError
from audit_pipelines.shipped import shipped
from audit_pipelines.typeset import facts as f
from audit_pipelines.typeset import spec
from audit_pipelines.typeset.model import compute
from audit_pipelines.typeset.pdf import encode


def blocks(computed):
    return {block["id"]: block for section in computed.model["sections"] for block in section["blocks"]}


def figures(computed):
    return {figure["id"]: figure for figure in computed.model["figures"]}


def test_every_figure_has_its_value_last_months_and_its_query(computed, sample_month, month):
    def failed(start):
        where = "occurred_at >= $a AND occurred_at < $b AND category = 'authentication' AND outcome = 'failure'"
        times = {"a": sample_month.at(start), "b": sample_month.at(f.MonthFacts(start).until)}
        return month.execute(f"SELECT count(*) FROM events WHERE {where}", times).fetchone()[0]

    found = figures(computed)["signins-failed"]
    assert (found["value"], found["last"]) == (failed(sample_month.MONTH), failed(sample_month.LAST))
    assert found["query"] == "activity/by_category_outcome"
    assert found["query_sha256"] == next(q.sha256 for q in sample_month.queries() if q.name == found["query"])
    assert found["ref"] == "T10, Q-01"
    assert all(figure["query_sha256"] for figure in computed.model["figures"] if figure["query"])


def test_manifests_and_the_lake_are_compared_day_by_day(computed):
    table = blocks(computed)["population"]
    assert len(table["rows"]) == 31
    assert table["totals"]["stored"] == table["totals"]["counted"] > 0
    assert table["totals"]["difference"] == 0


def test_the_chart_and_its_table_have_the_same_numbers(computed):
    block = blocks(computed)["by-day"]
    sums = {series["name"]: sum(series["values"]) for series in block["chart"]["series"]}
    assert list(sums.values()) == [block["totals"][column["key"]] for column in block["columns"][1:-1]]
    assert sum(sums.values()) == block["totals"]["all"] == figures(computed)["stored"]["value"]


def test_each_list_has_every_row_and_the_model_its_digest(computed):
    for entry, attachment in zip(computed.model["attachments"], computed.attachments, strict=True):
        assert entry["sha256"] == hashlib.sha256(attachment.content).hexdigest()
        if entry["rows"] is None:
            continue
        lines = attachment.content.splitlines()
        assert len(lines) == entry["rows"]
        assert all(isinstance(json.loads(line), dict) for line in lines)


@pytest.mark.parametrize(("rows", "printed"), [(500, 500), (501, 500), (1_234, 500)])
def test_500_rows_are_printed_and_all_are_listed(small, rows, printed):
    computed = small("x", rows=[(date(2026, 2, 1), f"row {n}", "x", 1) for n in range(rows)])
    table = blocks(computed)["rows"]
    assert (len(table["rows"]), table["printed"], table["count"]) == (printed, printed, rows)
    assert table["rows"][0][1] == "row 0"
    assert table["rows"][-1][1] == f"row {printed - 1}"
    assert table["totals"] == {"events": rows}
    assert next(item.rows for item in computed.attachments if item.name == "rows.ndjson") == rows


def test_the_list_holds_a_value_whole_and_the_table_its_beginning(small):
    computed = small("y" * (1 << 20))
    listed = json.loads(next(item.content for item in computed.attachments if item.name == "rows.ndjson"))
    assert listed["text"] == "y" * (1 << 20)
    cut = f"(1,048,576 characters, sha256 {hashlib.sha256(b'y' * (1 << 20)).hexdigest()[:16]})"
    assert blocks(computed)["rows"]["rows"][0][1] == f"{'y' * 200}… {cut}"
    assert blocks(computed)["pivot"]["rows"][0][0].endswith(cut)
    assert blocks(computed)["chart"]["chart"]["series"][0]["name"].endswith(cut)
    without_texts = {**computed.model, "queries": []}  # a query's text is printed whole
    assert len(encode(without_texts)) < 100_000


def test_a_rule_without_a_hit_is_a_row_with_0(computed, sample_month):
    rows = blocks(computed)["rules"]["rows"]
    assert len(rows) == len(sample_month.RULES)
    assert any(row[4] == 0 for row in rows)


def test_findings_come_by_severity_then_time(computed):
    order = ["critical", "high", "medium", "low"]
    rows = blocks(computed)["findings"]["rows"]
    keys = [(order.index(row[0].removesuffix(", late")), row[1]) for row in rows]
    assert keys == sorted(keys)


def test_what_the_log_cannot_show_is_derived_from_its_data(computed):
    said = " ".join(row[1] for row in blocks(computed)["gaps"]["rows"])
    assert "session_id: absent in" in said
    assert "did not say whether the action succeeded" in said
    assert "3 records could not be read as events" in said


def test_names_are_withheld_under_pseudonym(sample_month, month):
    facts = dataclasses.replace(sample_month.facts(month), identity="pseudonym")
    monthly = spec.load("monthly", [shipped("reports")])
    computed = compute(monthly, facts, sample_month.asker(month, sample_month.MONTH), None, sample_month.queries())
    names = {row[0] for row in month.execute("SELECT DISTINCT actor_name FROM events").fetchall()}
    changes = next(item.content for item in computed.attachments if item.name == "configuration-changes.ndjson").decode()
    tables = json.dumps(
        [blocks(computed)[name]["rows"] for name in ("actors", "signins", "changes", "duties")], ensure_ascii=False
    )
    assert not any(name in tables + changes for name in names)
    assert "withheld" in tables
    assert "withheld" in changes


def test_without_a_month_before_nothing_is_compared(sample_month, month):
    facts = dataclasses.replace(sample_month.facts(month), last=None)
    monthly = spec.load("monthly", [shipped("reports")])
    computed = compute(monthly, facts, sample_month.asker(month, sample_month.MONTH), None, sample_month.queries())
    assert all(figure["last"] is None for figure in computed.model["figures"])


def test_an_action_of_last_month_only_is_a_row_with_0(sample_month, month):
    ask, ask_last = (sample_month.asker(month, when) for when in (sample_month.MONTH, sample_month.LAST))

    def without(name, params):
        table = ask(name, params)
        keep = [row for row in table.rows if name != "activity/by_action" or row[1] != "data.exported"]
        return f.Table(table.columns, keep)

    monthly = spec.load("monthly", [shipped("reports")])
    computed = compute(monthly, sample_month.facts(month), without, ask_last, sample_month.queries())
    row = next(row for row in blocks(computed)["actions"]["rows"] if row[0] == "data.exported")
    assert row[4] == 0
    assert row[5] > 0


def test_a_later_revision_says_what_changed(sample_month, month):
    change = sample_month.sample(month, revision=2).model["change"]
    assert change["previous"]["revision"] == 1
    assert change["events"]["count"] == 3
    assert ["Events that came late", 0, 3] in [row[:3] for row in change["figures"]["rows"]]


def test_a_column_or_query_that_does_not_exist_is_named(sample_month, month):
    text = (shipped("reports") / "monthly" / "report.toml").read_text(encoding="utf-8")
    for old, new, says in (
        ('key = "median_seconds"', 'key = "mean_seconds"', "mean_seconds"),
        ("activity/ingest_lag", "activity/ingest_leg", "ingest_leg"),
    ):
        broken = spec.parse(text.replace(old, new))
        with pytest.raises(ReportError, match=says):
            compute(
                broken, sample_month.facts(month), sample_month.asker(month, sample_month.MONTH), None, sample_month.queries()
            )


def test_the_model_is_the_same_each_time(sample_month, month, computed):
    assert encode(sample_month.sample(month).model) == encode(computed.model)
