"""Headers: what a ``.sql`` file must say about itself, and that it says the truth."""

import contextlib
import hashlib
from datetime import UTC, date, datetime

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_pipelines.errors import QueryError
from audit_pipelines.sql import catalogue, find, run
from audit_pipelines.sql.query import TYPES, Parameter, parse

QUERIES = catalogue()
PLAIN = {"date": "2026-01-01", "timestamp": "2026-01-01", "integer": "1", "number": "1", "text": "UTC"}
RULE = """\
-- question: Which addresses failed
--   again and again?
-- severity: high
-- controls: SOC2 CC7.2; PCI 10.4.1
-- lookback: 1
-- parameter: since timestamp: first day
-- parameter: threshold integer = 10: fewest failures
-- runbook: One.
-- runbook: Two.
-- runbook: Three.

SELECT $since, $threshold
"""


def test_header_is_read():
    rule = parse("anomalies/burst", RULE, where="burst.sql")
    assert rule.question == "Which addresses failed again and again?"
    assert rule.severity == "high"
    assert rule.controls == ("SOC2 CC7.2", "PCI 10.4.1")
    assert rule.lookback == 1
    assert rule.parameters == (
        Parameter("since", "timestamp", "first day"),
        Parameter("threshold", "integer", "fewest failures", 10),
    )
    assert rule.runbook == ("One.", "Two.", "Three.")
    assert rule.is_rule


def test_digest_is_that_of_the_file():
    rule = parse("anomalies/burst", RULE, where="burst.sql")
    changed = parse("anomalies/burst", RULE.replace("$threshold\n", "$threshold \n"), where="burst.sql")
    assert rule.sha256 == hashlib.sha256(RULE.encode()).hexdigest()
    assert rule.sha256 != changed.sha256


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("severity: high", "severity: grave", "severity"),
        ("-- severity: high\n", "", "severity"),
        ("-- runbook: Three.\n", "", "runbook"),
        ("lookback: 1", "lookback: 0", "lookback"),
        ("lookback: 1", "lookback: one", "one"),
        ("threshold integer = 10:", "threshold integer = ten:", "ten"),
        ("threshold integer = 10:", "threshold whole = 10:", "whole"),
        ("-- severity", "-- severitty", "severitty"),
        ("-- question: Which addresses failed\n--   again and again?\n", "", "question"),
    ],
)
def test_incomplete_header_is_refused_by_name(old, new, says):
    assert old in RULE
    with pytest.raises(QueryError, match=says) as caught:
        parse("anomalies/burst", RULE.replace(old, new), where="burst.sql")
    assert caught.value.where == "burst.sql"


@given(st.text())
def test_any_text_is_a_query_or_a_query_error(text):
    with contextlib.suppress(QueryError):
        parse("anomalies/any", text, where="any.sql")


@pytest.mark.parametrize("name", QUERIES)
def test_header_lists_exactly_the_parameters_of_the_statement(name):
    statements = duckdb.connect().extract_statements(QUERIES[name].text)
    assert len(statements) == 1
    assert {parameter.name for parameter in QUERIES[name].parameters} == set(statements[0].named_parameters)


@pytest.mark.parametrize("name", QUERIES)
def test_query_reads_events_and_no_file(name):
    bare = {parameter.name: PLAIN[parameter.type] for parameter in QUERIES[name].parameters}
    with pytest.raises(QueryError, match="events"):
        run(duckdb.connect(), QUERIES[name], bare)
    for word in ("read_parquet", "read_csv", "read_json", ".parquet", "://", "current_date", "now()", "random()"):
        assert word not in QUERIES[name].text.lower()


@pytest.mark.parametrize("name", QUERIES)
def test_lines_are_short_and_end_clean(name):
    text = QUERIES[name].text
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    for line in text.splitlines():
        assert line == line.rstrip()
        assert len(line) <= 150 or line.startswith("-- ")


def test_every_folder_is_there():
    assert {name.partition("/")[0] for name in QUERIES} == {"retention", "activity", "anomalies"}
    assert sum(query.is_rule for query in QUERIES.values()) >= 7


def test_find_takes_the_name_or_the_stem():
    assert find("anomalies/failed_login_burst") is not None
    assert find("failed_login_burst").name == "anomalies/failed_login_burst"


def test_find_offers_close_names():
    with pytest.raises(QueryError, match="anomalies/failed_login_burst"):
        find("anomalies/failed_logins_burst")


@pytest.mark.parametrize(
    ("type_", "given_", "value"),
    [
        ("integer", "10", 10),
        ("number", "0.5", 0.5),
        ("number", 2, 2.0),
        ("text", "UTC", "UTC"),
        ("date", "2026-01-05", date(2026, 1, 5)),
        ("timestamp", "2026-01-05", datetime(2026, 1, 5, tzinfo=UTC)),
        ("timestamp", "2026-01-05T06:00:00+01:00", datetime(2026, 1, 5, 5, tzinfo=UTC)),
        ("timestamp", date(2026, 1, 5), datetime(2026, 1, 5, tzinfo=UTC)),
    ],
)
def test_text_becomes_the_declared_type(type_, given_, value):
    assert Parameter("p", type_, "meaning").value(given_) == value


@pytest.mark.parametrize(
    ("type_", "given_"),
    [
        ("integer", "ten"),
        ("integer", 1.5),
        ("integer", True),
        ("date", datetime(2026, 1, 5, tzinfo=UTC)),
        ("text", 1),
        ("timestamp", "noon"),
        ("number", None),
    ],
)
def test_another_type_is_refused(type_, given_):
    assert type_ in TYPES
    with pytest.raises(ValueError):
        Parameter("p", type_, "meaning").value(given_)
