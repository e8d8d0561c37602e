"""The ocsf_parquet format: one Parquet a class that holds all that `ocsf` says, typed, sorted, and the same every time."""

import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from audit_pipelines.errors import DropError
from audit_pipelines.ship.format import load_format, render
from audit_pipelines.ship.parquet import RECORD_CLASS, ClassFile, write_parquet, write_records
from audit_pipelines.shipped import shipped

TEMPLATES = shipped("templates") / "siem"
RENDERED = render(load_format("ocsf_parquet", [TEMPLATES]), line_budget=None, organisation="acme")
KNOWN = [action for action, *_ in RENDERED.module.actions]


def written(connection: duckdb.DuckDBPyConnection, folder: Path) -> list[ClassFile]:
    folder.mkdir(parents=True, exist_ok=True)
    return write_parquet(connection, RENDERED, folder=folder, stem="ocsf_parquet")


def without_nulls(value):
    """A row as JSON has it: what is NULL is left out, and so is an object of which nothing is left."""
    if isinstance(value, dict):
        inner = {key: without_nulls(item) for key, item in value.items()}
        return {key: item for key, item in inner.items() if item is not None} or None
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def rows(file: ClassFile) -> list[dict]:
    return [without_nulls(row) for row in pq.read_table(file.body.path).to_pylist()]


def lines(connection: duckdb.DuckDBPyConnection) -> dict[str, dict]:
    """The events of the format `ocsf`, by uid."""
    select = render(load_format("ocsf", [TEMPLATES]), line_budget=None, organisation="acme").sql
    return {
        uid: without_nulls(json.loads(line)) for uid, line in connection.execute(f"SELECT uid, line FROM ({select})").fetchall()
    }


def events_of_every_action(drops) -> list[dict]:
    variants = [
        {"changes": [{"field": "max", "before": "1.00", "after": '{"a": [1, "x"]}'}], "request_id": "req", "api_key_id": "key"},
        dict.fromkeys(("actor_id", "actor_name", "actor_email", "targets", "changes", "source_ip", "user_agent", "category", "outcome")),
        {"actor_type": "robot", "actor_email": "none", "outcome": "redacted", "source_ip": "AWS Internal", "targets": [{"type": "x", "id": None, "name": None}]},
        {"actor_name": "\x00\x7f\u2028\U0001f600", "target_name": ':null"\\', "user_agent": "x" * 100_000},
    ]  # fmt: skip
    columns = [variant | {"action": action} for action in [*KNOWN, "odd", None] for variant in variants]
    return [drops.event(number, **row) for number, row in enumerate(columns)]


def test_a_row_says_all_that_a_line_says(drops, tmp_path):
    connection = drops.relation(events_of_every_action(drops))
    expected = lines(connection)
    files = written(connection, tmp_path)
    found = {row["metadata"]["uid"]: row for file in files for row in rows(file)}
    assert found == expected
    assert {file.class_uid for file in files} == set(RENDERED.module.classes) - {RECORD_CLASS}


def test_every_real_record_comes_through(real, tmp_path):
    connection = real()
    expected = lines(connection)
    files = written(connection, tmp_path)
    assert {row["metadata"]["uid"]: row for file in files for row in rows(file)} == expected
    assert sum(file.body.rows for file in files) == len(expected) > 0


def test_a_file_holds_one_class_in_order_of_time_then_uid(drops, tmp_path):
    same = datetime(2026, 1, 5, 12, tzinfo=UTC)
    events = [
        drops.event(n, uid=uid, occurred_at=same, action=action)
        for n, (uid, action) in enumerate([("b", "odd"), ("é", "odd"), ("Z", "odd"), ("a", "authentication.login")])
    ]
    events.append(drops.event(4, uid="y", occurred_at=datetime(2026, 1, 5, 11, 59, 59, 999_999, tzinfo=UTC), action="odd"))
    login, api = written(drops.relation(events), tmp_path)
    assert [row["metadata"]["uid"] for row in rows(api)] == ["y", "Z", "b", "é"]
    assert {row["class_uid"] for row in rows(api)} == {6003}
    assert (login.class_uid, login.body.rows) == (3002, 1)
    assert (api.body.first_uid, api.body.last_uid, api.body.min_leaf, api.body.max_leaf) == ("y", "é", 0, 4)
    assert (api.body.min_time, api.body.max_time) == (datetime(2026, 1, 5, 11, 59, 59, 999_999, tzinfo=UTC), same)
    assert (api.body.unmapped, login.body.unmapped, api.body.truncated) == (4, 0, 0)


def test_columns_have_the_types_of_ocsf_in_any_reader(drops, tmp_path):
    (file,) = written(drops.relation([drops.event(0)]), tmp_path)
    described = dict(
        duckdb.execute(f"SELECT column_name, column_type FROM (DESCRIBE FROM read_parquet('{file.body.path}'))").fetchall()
    )
    assert described["time"] == described["type_uid"] == "BIGINT"
    assert described["class_uid"] == described["severity_id"] == "INTEGER"
    assert re.match(r"STRUCT\(.*uid.* VARCHAR.*logged_time BIGINT", described["metadata"])
    assert pq.ParquetFile(file.body.path).metadata.row_group(0).column(0).compression == "ZSTD"


def test_the_same_events_give_the_same_bytes(drops, tmp_path):
    events = events_of_every_action(drops)
    once = written(drops.relation(events), tmp_path / "once")
    again = written(drops.relation(events[::-1]), tmp_path / "again")
    assert [file.body.path.read_bytes() for file in once] == [file.body.path.read_bytes() for file in again]


def test_the_body_names_size_and_digest_of_the_file(drops, tmp_path):
    (file,) = written(drops.relation([drops.event(0)]), tmp_path)
    raw = file.body.path.read_bytes()
    assert (len(raw), hashlib.sha256(raw).hexdigest()) == (file.body.bytes, file.body.sha256)
    assert file.body.path.stat().st_mode & 0o777 == 0o640


def test_many_events_are_row_groups_of_one_file(drops, tmp_path):
    connection = drops.relation([drops.event(0)])
    connection.execute(
        "CREATE TABLE many AS SELECT * REPLACE (uid || i AS uid, occurred_at + to_milliseconds(i) AS occurred_at, i AS leaf_index)"
        " FROM events, range(140_000) t(i); DROP TABLE events; ALTER TABLE many RENAME TO events"
    )
    (file,) = written(connection, tmp_path)
    metadata = pq.ParquetFile(file.body.path).metadata
    assert (metadata.num_rows, file.body.rows, file.body.max_leaf) == (140_000, 140_000, 139_999)
    assert metadata.num_row_groups < 10
    times = duckdb.execute(f"SELECT time FROM read_parquet('{file.body.path}')").fetchnumpy()["time"]
    assert (times[1:] >= times[:-1]).all()


def test_an_empty_day_has_no_class(drops, tmp_path):
    assert written(drops.relation([]), tmp_path) == []


def test_batch_records_are_events_of_a_class_of_their_own(tmp_path):
    record = {
        "id": "000007.20260105.ocsf_parquet.00",
        "organisation": "acme",
        "count": 3,
        "extracted_at": "2026-01-06T01:30:00.123456Z",
    }
    texts = [RENDERED.batch_record(record | {"part": part}) for part in range(2)]
    file = write_records(duckdb.connect(), RENDERED, texts, folder=tmp_path, stem="ocsf_parquet")
    first, second = rows(file)
    assert (file.class_uid, file.body.rows) == (1008, 0)
    assert (first["class_uid"], first["activity_id"], first["count"]) == (1008, 3, 3)
    assert [json.loads(row["unmapped"]["batch"])["part"] for row in (first, second)] == [0, 1]
    expected = json.loads(texts[0])
    assert first | {"unmapped": None} == expected | {"unmapped": None}
    assert json.loads(first["unmapped"]["batch"]) == expected["unmapped"]["batch"]


def test_published_files_have_the_class_in_their_names(drops, publish):
    made = publish([drops.event(0), drops.event(1, action="authentication.login")], "ocsf_parquet")
    names = [Path(file.path).name for file in made.formats[0].files]
    assert [re.sub(r"[0-9a-f]{8}\.parquet$", "parquet", name) for name in names] == [
        "acme.ocsf_parquet.20260105.b000007.p00.c3002.parquet",
        "acme.ocsf_parquet.20260105.b000007.p01.c3004.parquet",
        "acme.ocsf_parquet.20260105.b000007.p02.c1008.parquet",
    ]
    folder = publish.drops / "ocsf_parquet"
    told, seen = duckdb.execute(
        "SELECT (SELECT sum(count) FROM read_parquet($records)), (SELECT count(DISTINCT metadata.uid) FROM read_parquet($events, union_by_name = true))",
        {"records": f"{folder}/*.c1008.*.parquet", "events": f"{folder}/*.c[36]*.parquet"},
    ).fetchone()
    assert told == seen == 2


def test_a_published_empty_day_says_so(drops, publish):
    made = publish([], "ocsf_parquet")
    (file,) = made.formats[0].files
    (row,) = pq.read_table(publish.drops / file.path).to_pylist()
    assert (row["class_uid"], row["count"]) == (1008, 0)


BROKEN = """-- version: 1
-- delivery: parquet
{%- set columns = {1008: {'count': 'BIGINT'}, 1: {'a': 'VARCHAR'}} %}
SELECT '{"a":"b"}' AS line, CLASS AS class_uid, uid, occurred_at, leaf_index, false AS truncated, false AS unmapped FROM events
"""


@pytest.mark.parametrize(
    ("number", "what"),
    [
        ("2", "class 2 has no columns"),
        ("1008", "class 1008 has no columns"),
        ("CAST(NULL AS INTEGER)", "'class' is NULL"),
        ("nothing", "SELECT fails"),
    ],
)
def test_a_template_of_ones_own_that_is_wrong_stops_the_drop(drops, tmp_path, number, what):
    (tmp_path / "own.sql.j2").write_text(BROKEN.replace("CLASS", number))
    rendered = render(load_format("own", [tmp_path]), line_budget=None, organisation="acme")
    with pytest.raises(DropError, match=what):
        write_parquet(drops.relation([drops.event(0)]), rendered, folder=tmp_path, stem="own")
