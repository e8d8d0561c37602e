"""Running: parameters are checked by name and type before DuckDB sees them; its errors become ours."""

import duckdb
import pytest

from audit_pipelines.errors import QueryError
from audit_pipelines.sql import bind, find, run

TOP = "activity/top_actors"
PERIOD = {"since": "2026-01-01", "until": "2026-02-01"}


def test_missing_parameters_are_named(relate):
    with pytest.raises(QueryError, match="missing parameter since, until"):
        run(relate([]), find(TOP), {"limit": 5})


def test_surplus_parameters_are_named_and_the_right_ones_offered(relate):
    with pytest.raises(QueryError, match=r"unknown parameter top .*since, until, limit"):
        run(relate([]), find(TOP), {**PERIOD, "top": 5})


def test_wrong_type_is_named(relate):
    with pytest.raises(QueryError, match="limit: 'many' is no integer"):
        run(relate([]), find(TOP), {**PERIOD, "limit": "many"})


def test_defaults_fill_what_is_left_out():
    assert bind(find(TOP), PERIOD)["limit"] == 20
    assert bind(find(TOP), {**PERIOD, "limit": "3"})["limit"] == 3


def test_missing_relation_is_a_query_error():
    with pytest.raises(QueryError, match="events") as caught:
        run(duckdb.connect(), find(TOP), PERIOD)
    assert caught.value.where == TOP
    assert "\n" not in str(caught.value)


def test_unknown_zone_is_a_query_error(relate):
    with pytest.raises(QueryError, match="Nowhere"):
        run(relate([{}]), find("activity/hour_of_week"), {**PERIOD, "timezone": "Mars/Nowhere"})


def test_values_are_never_read_as_sql(relate):
    connection = relate([{}])
    run(connection, find("activity/sample"), {**PERIOD, "seed": "'; DROP TABLE events; --"})
    assert connection.execute("SELECT count(*) FROM events").fetchone() == (1,)


def test_event_values_may_hold_braces_and_quotes(relate):
    hostile = "{} {0} '\" %s \x00".replace("\x00", "")
    rows = [{"category": "authentication", "outcome": "failure", "source_ip": hostile} for _ in range(10)]
    rows = [{**row, "event_id": f"b{i}"} for i, row in enumerate(rows)]
    answer = run(relate(rows), find("failed_login_burst"), {"since": "2026-01-05", "until": "2026-01-06"})
    assert len(answer.rows) == 1
    assert hostile in answer.records()[0]["summary"]


def test_records_are_dicts_by_column(relate):
    answer = run(relate([{}]), find("activity/sources"), PERIOD)
    assert answer.records()[0]["events"] == 1
