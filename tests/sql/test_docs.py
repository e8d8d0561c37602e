"""docs/queries.md describes every query: its question, columns, parameters and what to do about a hit."""

import re
from pathlib import Path

import duckdb
import pytest

from audit_pipelines.event import COLUMNS
from audit_pipelines.sql import bind, catalogue

QUERIES = catalogue()
PLAIN = {"date": "2026-01-01", "timestamp": "2026-01-01", "integer": "1", "number": "1", "text": "UTC"}


@pytest.fixture(scope="module")
def sections():
    text = (Path(__file__).parents[2] / "docs" / "queries.md").read_text(encoding="utf-8")
    parts = re.split(r"^#{2,3} (.+)$", text, flags=re.MULTILINE)
    return {title: " ".join(body.split()) for title, body in zip(parts[1::2], parts[2::2], strict=True)}


def test_every_section_is_a_query_and_every_query_a_section(sections):
    assert {title for title in sections if "/" in title} == QUERIES.keys()


@pytest.mark.parametrize("name", QUERIES)
def test_section_says_what_the_header_says(sections, name):
    query, section = QUERIES[name], sections[name]
    assert query.question in section
    assert "; ".join(query.controls) in section
    for parameter in query.parameters:
        assert f"`{parameter.name}`" in section
        if parameter.default is not None:
            assert f"`{parameter.name}` ({parameter.type}, default {parameter.default}): {parameter.meaning}" in section


@pytest.mark.parametrize("name", [name for name in QUERIES if not QUERIES[name].is_rule])
def test_section_names_every_column(sections, name):
    query, connection = QUERIES[name], duckdb.connect()
    typed = ", ".join(f'"{column.name}" {column.type}' for column in COLUMNS)
    connection.execute(f"CREATE TABLE events ({typed}, leaf_index BIGINT)")
    bare = {parameter.name: PLAIN[parameter.type] for parameter in query.parameters}
    columns = [row[0] for row in connection.execute(f"DESCRIBE {query.text}", bind(query, bare)).fetchall()]
    assert f"Columns: {', '.join(f'`{column}`' for column in columns)}." in sections[name]


@pytest.mark.parametrize("name", [name for name in QUERIES if QUERIES[name].is_rule])
def test_rule_tells_how_to_read_and_what_to_do(sections, name):
    rule, section = QUERIES[name], sections[name]
    days = "1 day" if rule.lookback == 1 else f"{rule.lookback} days"
    assert f"Severity {rule.severity}. Looks back {days}." in section
    assert "How to read a hit:" in section
    for place, step in enumerate(rule.runbook, 1):
        assert f"{place}. {step}" in section
    (overview,) = (body for title, body in sections.items() if title.startswith("Anomalies"))
    assert f"| [{name.partition('/')[2]}](#{name.replace('/', '')}) | {rule.severity} | {days} |" in overview
