"""Every query answers its cases: the rows of ``<folder>/<query>.toml`` in, exactly the rows it names out.

A case is ``[[case]]`` with ``name``, ``params``, ``events`` and ``rows``. An event says only what matters
(``conftest.whole`` fills the rest; the text NULL is no value). ``repeat = 5, every = "30s"`` makes five of
it, half a minute apart; ``{i}`` in a text is its number. In a row that is expected, ``uids`` may be
``"burst-0..burst-9"``, and a column that is left out must be NULL.
"""

import re
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audit_pipelines.sql import bind, catalogue, run

HERE = Path(__file__).parent
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
CONTRACT = ("day", "subject", "window_start", "window_end", "score", "summary", "uids", "evidence_count")
QUERIES = catalogue()
RULES = [name for name, query in QUERIES.items() if query.is_rule]


def cases(name):
    return tomllib.loads((HERE / f"{name}.toml").read_text(encoding="utf-8"))["case"]


def expand(events):
    for event in events:
        event = dict(event)
        every = event.pop("every", "1s")
        step = timedelta(seconds=int(every[:-1]) * UNITS[every[-1]])
        for i in range(event.pop("repeat", 1)):
            copy = {key: value.replace("{i}", str(i)) if isinstance(value, str) else value for key, value in event.items()}
            if "occurred_at" in event:
                copy["occurred_at"] = event["occurred_at"] + i * step
            yield copy


def uids(given):
    """``"a-3..a-5"`` -> the three uids; a list stays."""
    if isinstance(given, list):
        return [f"terracotta/{one}" for one in given]
    stem, first, last = re.fullmatch(r"(.*-)(\d+)\.\.\1(\d+)", given).groups()
    return [f"terracotta/{stem}{i}" for i in range(int(first), int(last) + 1)]


CASES = [pytest.param(name, case, id=f"{name}: {case['name']}") for name in QUERIES for case in cases(name)]


@pytest.mark.parametrize(("name", "case"), CASES)
def test_answers_exactly(relate, name, case):
    connection = relate(list(expand(case.get("events", []))))
    answer = run(connection, QUERIES[name], case.get("params", {}))
    expected = [{**dict.fromkeys(answer.columns), **row} for row in case.get("rows", [])]
    for row in expected:
        assert row.keys() == set(answer.columns)
        if QUERIES[name].is_rule:
            row["uids"] = uids(row["uids"])
    assert answer.records() == expected


@pytest.mark.parametrize("name", RULES)
def test_rule_has_hits_and_near_misses(name):
    hits = [case for case in cases(name) if case.get("rows")]
    misses = [case for case in cases(name) if not case.get("rows")]
    assert len(hits) >= 2, "a rule needs two cases that it finds"
    assert len(misses) >= 2, "a rule needs two cases that it nearly finds"


@pytest.mark.parametrize("name", RULES)
def test_rule_keeps_the_contract_of_findings(relate, name):
    query = QUERIES[name]
    connection, period = relate([]), {"since": "2026-01-05", "until": "2026-01-06"}
    answer = run(connection, query, period)
    assert answer.columns == CONTRACT
    assert answer.rows == ()
    described = connection.execute(f"DESCRIBE {query.text}", bind(query, period)).fetchall()
    types = [row[1] for row in described]
    zone = "TIMESTAMP WITH TIME ZONE"
    assert types == ["DATE", "VARCHAR", zone, zone, "DOUBLE", "VARCHAR", "VARCHAR[]", "BIGINT"]


@pytest.mark.parametrize("name", QUERIES)
def test_does_not_depend_on_the_zone_of_the_session(relate, name):
    hit = next(case for case in cases(name) if case.get("rows"))
    events = list(expand(hit.get("events", [])))
    here, there = relate(events), relate(events)
    there.execute("SET TimeZone = 'Pacific/Auckland'")
    assert run(there, QUERIES[name], hit.get("params", {})) == run(here, QUERIES[name], hit.get("params", {}))


PERIODS = [name for name, query in QUERIES.items() if {"since", "until"} <= {p.name for p in query.parameters}]


def hit_of(name):
    case = next(case for case in cases(name) if case.get("rows") and case.get("events"))
    return list(expand(case["events"])), case["params"]


@pytest.mark.parametrize("name", PERIODS)
def test_the_end_of_the_period_is_exclusive(relate, name):
    events, params = hit_of(name)
    until = datetime.fromisoformat(params["until"]).replace(tzinfo=UTC)
    later = [{**event, "event_id": f"later-{n}", "occurred_at": until} for n, event in enumerate(events)]
    assert run(relate(events + later), QUERIES[name], params) == run(relate(events), QUERIES[name], params)


@pytest.mark.parametrize("name", [name for name in PERIODS if not QUERIES[name].is_rule])
def test_the_start_of_the_period_is_inclusive(relate, name):
    events, params = hit_of(name)
    since = datetime.fromisoformat(params["since"]).replace(tzinfo=UTC)
    at_start = relate([{**event, "occurred_at": since, "extracted_at": since} for event in events])
    assert run(at_start, QUERIES[name], params) != run(relate([]), QUERIES[name], params)


def test_every_case_file_belongs_to_a_query():
    files = {path.relative_to(HERE).with_suffix("").as_posix() for path in HERE.glob("*/*.toml")}
    assert files == QUERIES.keys()
