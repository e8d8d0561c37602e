"""Findings: the hits of the rules, evaluated over days and kept in one immutable file a batch and day.

The rules see the leaves up to their batch and no later ones; a late event makes its own day be looked at
again, in a new file. What does not belong here: the rules (``anomalies/*.sql``) and which days to look at.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from audit_pipelines.sql.query import Query
from audit_pipelines.sql.run import run

SCHEMA: Final = pa.schema(
    [
        pa.field("rule", pa.string()),
        pa.field("severity", pa.string()),
        pa.field("day", pa.date32()),
        pa.field("subject", pa.string()),
        pa.field("window_start", pa.timestamp("us", "UTC")),
        pa.field("window_end", pa.timestamp("us", "UTC")),
        pa.field("score", pa.float64()),
        pa.field("summary", pa.string()),
        pa.field("uids", pa.list_(pa.string())),
        pa.field("evidence_count", pa.int64()),
        pa.field("query_sha256", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One hit of one rule."""

    rule: str
    severity: str
    day: date
    """UTC day of the window's end."""
    subject: str
    window_start: datetime
    window_end: datetime
    score: float | None
    summary: str
    uids: tuple[str, ...]
    """Evidence in order of time, at most 100."""
    evidence_count: int
    query_sha256: str


def lookback(rules: Iterable[Query]) -> int:
    """Days before a day that the relation ``events`` must hold for it to be judged."""
    return max((rule.lookback for rule in rules), default=0)


def evaluate(
    connection: duckdb.DuckDBPyConnection, rules: Iterable[Query], since: date, until: date, settings: Mapping[str, object]
) -> list[Finding]:
    """Every hit of ``rules`` on the days since <= day < until, in order of day, rule, subject and time.

    Args:
        connection: its ``events`` holds these days and ``lookback(rules)`` days before.
        rules: queries of ``anomalies/``.
        since: first day.
        until: the day after the last.
        settings: values for parameters of these names, where a rule has them (e.g. ``timezone``).

    """
    found = []
    for rule in rules:
        names = {parameter.name for parameter in rule.parameters}
        params = {name: value for name, value in settings.items() if name in names}
        result = run(connection, rule, {**params, "since": _midnight(since), "until": _midnight(until)})
        found += [_finding(rule, row) for row in result.records()]
    return sorted(found, key=lambda hit: (hit.day, hit.rule, hit.subject, hit.window_start, hit.window_end, hit.summary))


def write(path: Path, findings: Sequence[Finding]) -> None:
    """Write one day's findings as Parquet (empty = looked at, nothing found)."""
    columns = [pa.array([_cell(finding, field.name) for finding in findings], field.type) for field in SCHEMA]
    pq.write_table(pa.Table.from_arrays(columns, schema=SCHEMA), path, compression="zstd")


def read(paths: Sequence[Path]) -> list[Finding]:
    """The findings of some files, in the files' order."""
    return [
        Finding(**{**row, "uids": tuple(row["uids"])})
        for path in paths
        for row in pq.read_table(path, schema=SCHEMA, partitioning=None).to_pylist()
    ]


def _finding(rule: Query, row: Mapping[str, Any]) -> Finding:
    return Finding(
        rule=rule.name.partition("/")[2],
        severity=rule.severity or "low",
        day=row["day"],
        subject=row["subject"] or "",
        window_start=row["window_start"],
        window_end=row["window_end"],
        score=row["score"],
        summary=row["summary"],
        uids=tuple(row["uids"]),
        evidence_count=row["evidence_count"],
        query_sha256=rule.sha256,
    )


def _cell(finding: Finding, name: str) -> object:
    value = getattr(finding, name)
    return list(value) if name == "uids" else value


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
