"""The relation ``events`` from a few rows, with every column that a test does not speak of filled in."""

from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa
import pytest

from audit_pipelines.event import COLUMNS

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
STRUCT = {
    "targets": pa.list_(pa.struct([("type", pa.string()), ("id", pa.string()), ("name", pa.string())])),
    "changes": pa.list_(pa.struct([("field", pa.string()), ("before", pa.string()), ("after", pa.string())])),
}
TYPES = {"VARCHAR": pa.string(), "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", tz="UTC"), "INTEGER": pa.int32()}
SCHEMA = pa.schema([(c.name, STRUCT.get(c.name) or TYPES[c.type]) for c in COLUMNS] + [("leaf_index", pa.int64())])


def whole(place: int, row: dict) -> dict:
    """``row`` with the columns it leaves out: a successful act of the person u-ada at noon."""
    event_id = row.get("event_id", f"e{place}")
    base = {
        "uid": f"{row.get('source', 'terracotta')}/{event_id}",
        "event_id": event_id,
        "occurred_at": NOON + timedelta(minutes=place),
        "source": "terracotta",
        "dialect": "terracotta",
        "org_id": "org-1",
        "category": "other",
        "action": "thing.done",
        "outcome": "success",
        "actor_type": "user",
        "actor_id": "u-ada",
        "targets": [],
        "changes": [],
        "line": place,
        "leaf_index": place,
    }
    full = {**dict.fromkeys(SCHEMA.names), **base, **row}
    full["changes"] = [{"before": None, "after": None, **change} for change in full["changes"]]
    full["extracted_at"] = full["extracted_at"] or full["occurred_at"] + timedelta(hours=12)
    unknown = full.keys() - set(SCHEMA.names)
    assert not unknown, f"no such column: {unknown}"
    return {name: value if value != "NULL" else None for name, value in full.items()}


@pytest.fixture
def relate():
    """rows -> a connection whose relation ``events`` holds exactly them."""

    def connect(rows: list[dict]) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect()
        table = pa.Table.from_pylist([whole(place, row) for place, row in enumerate(rows)], schema=SCHEMA)
        connection.register("given", table)
        types = ", ".join(f'CAST("{c.name}" AS {c.type}) AS "{c.name}"' for c in COLUMNS)
        connection.execute(f"CREATE TABLE events AS SELECT {types}, leaf_index FROM given")
        return connection

    return connect
