"""``report.toml`` says what a report holds; a slip in it is an error, not a missing table."""

import pytest

from audit_pipelines import sql
from audit_pipelines.errors import ReportError
from audit_pipelines.shipped import shipped
from audit_pipelines.typeset import figures, spec


@pytest.fixture
def text():
    return (shipped("reports") / "monthly" / "report.toml").read_text(encoding="utf-8")


def test_the_monthly_report_is_read_and_its_queries_exist():
    monthly = spec.load("monthly", [shipped("reports")])
    named = {block.query for block in monthly.blocks} | {figure.query for figure in monthly.figures}
    assert {name for name in named if name} <= set(sql.catalogue())
    assert monthly.sha256


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('title = "Audit log report"', 'title = "x"\ntitel = "y"', "titel"),
        ('format = "seconds"', 'format = "parsecs"', "parsecs"),
        ('kind = "bars"', 'kind = "pie"', "pie"),
        ("{stored} events, read", "{stord} events, read", "stord"),
        ('id = "actions"', 'id = "outcomes"', "outcomes"),
        ('fact = "late"', 'column = "x"', "either a fact or a query"),
        ('of = "days"', 'of = "weeks"', "weeks"),
        ('table = "outcomes"', 'table = "nowhere"', "nowhere"),
        ('attachment = "findings.ndjson"', 'attachment = "../findings.ndjson"', "no name for a list"),
        ("[print]", "[print", "line"),
    ],
)
def test_a_slip_is_named(text, old, new, says):
    assert old in text
    with pytest.raises(ReportError, match=says):
        spec.parse(text.replace(old, new, 1))


def test_a_customers_file_wins(tmp_path, text):
    own = tmp_path / "monthly" / "report.toml"
    own.parent.mkdir()
    own.write_text(text.replace("Audit log report", "Our report"), encoding="utf-8")
    assert spec.load("monthly", [tmp_path, shipped("reports")]).title == "Our report"
    with pytest.raises(ReportError, match="no report 'weekly'"):
        spec.load("weekly", [tmp_path])


def test_every_key_is_in_the_documentation():
    documented = (shipped("reports").parent / "docs" / "report.md").read_text(encoding="utf-8")
    structs = (spec.ReportSpec, spec.Print, spec.Figure, spec.Section, spec.Block, spec.Column, spec.Compare)
    names = {name for struct in structs for name in struct.__struct_fields__} - {"sha256"}
    assert not [name for name in sorted(names) if f"`{name}`" not in documented]
    facts = {*figures.MONTHLY, *figures.STANDING}
    assert not [name for name in sorted(facts) if f"`{name}`" not in documented]
