"""What holds for every dialect: the canonical columns, one row out for one row in, never an error."""

import json

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit_pipelines.event import ACTOR_TYPES, CATEGORIES, COLUMNS, OUTCOMES
from audit_pipelines.extract import DIALECTS
from audit_pipelines.record import load_dialect

NAMES = sorted(path.stem for path in DIALECTS.glob("*.sql"))
LAKE = {"uid", "source", "dialect", "target_type", "target_id", "target_name", "extracted_at"}
"""Columns that the lake adds."""

# keys that the dialects read, so that random objects hit them
WORDS = """
id occurred_at org_id type outcome category actor targets context before after name email ip user_agent action
org  @timestamp created_at user repo team data old_name new_name previous_name hashed_token token_id
integration hook_id  eventSource eventName userIdentity requestParameters responseElements resources ARN
principalId sessionContext  sessionIssuer userName readOnly errorCode ConsoleLogin accountId invokedBy
bucketName key instancesSet items
"""
KEYS = st.sampled_from(WORDS.split()) | st.text(max_size=4)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.sampled_from(
        ["{", "[", "{}", '{"a":1}', "[bot]", "a:b:c", "IAMUser", "AssumedRole", "iam.amazonaws.com", "user.login", ""]
    )
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=25
)
RECORDS = st.dictionaries(KEYS, VALUES, max_size=12)


@pytest.mark.parametrize("name", NAMES)
def test_a_dialect_gives_the_canonical_columns_with_their_types(name):
    connection = duckdb.connect()
    connection.execute("CREATE TABLE records (line INTEGER, event_id VARCHAR, occurred_at TIMESTAMPTZ, record VARCHAR)")
    found = {row[0]: row[1] for row in connection.execute(f"DESCRIBE {load_dialect(name, [DIALECTS]).sql}").fetchall()}
    wanted = {column.name: column.type for column in COLUMNS if column.name not in LAKE}
    assert set(found) == set(wanted)
    for column, kind in wanted.items():
        assert found[column].replace('"', "") == kind.replace('"', "")


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(records=st.lists(RECORDS, min_size=1, max_size=8))
def test_any_objects_give_one_row_each_and_no_error(mapped, name, records):
    rows = mapped(name, [json.dumps(record) for record in records])
    assert [row["line"] for row in rows] == list(range(len(records)))
    assert [row["event_id"] for row in rows] == [f"id-{line}" for line in range(len(records))]
    for row in rows:
        assert row["category"] in CATEGORIES
        assert row["outcome"] in OUTCOMES
        assert row["actor_type"] in ACTOR_TYPES
        assert row["targets"] is not None
        assert row["changes"] is not None
        assert all(target is not None for target in row["targets"])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "record",
    [
        "{}",
        "[]",
        "null",
        "1",
        '"text"',
        '"{"',
        '{"a":1,"a":2}',
        '{"before":{"a":1,"a":2},"after":{"a":3}}',
        '{"\\u0000":1,"before":{"\\u0000":"\\u0000"}}',
        '{"before":' + '{"a":' * 500 + "1" + "}" * 500 + "}",
        '{"targets":' + "[" * 500 + "]" * 500 + "}",
        '{"resources":[1,null,"x",[],{},{"ARN":5,"type":{}}]}',
        '{"resources":{"ARN":"x"}}',
        '{"old_a/b":1,"a/b":2,"old_":3,"previous_~":{"x":[1]}}',
        '{"actor":1e400,"id":123456789012345678901234567890}',
        '{"userIdentity":"x","requestParameters":[],"responseElements":5}',
    ],
)
def test_hostile_records_give_one_row(mapped, name, record):
    """Between two plain records: a fault must not reach its neighbours."""
    rows = mapped(name, ["{}", record, "{}"])
    assert [row["line"] for row in rows] == [0, 1, 2]
    assert rows[0] == {**rows[2], "line": 0, "event_id": "id-0"}


@pytest.mark.parametrize("name", NAMES)
def test_many_rows_across_vectors_stay_apart(mapped, name):
    """DuckDB works in vectors of 2,048 rows."""
    records = [
        json.dumps({"actor": {"id": f"a{n}"}, "actor_id": f"a{n}", "userIdentity": {"principalId": f"a{n}"}}) for n in range(5000)
    ]
    assert [row["actor_id"] for row in mapped(name, records)] == [f"a{n}" for n in range(5000)]
