"""What the sieve accepts becomes exactly one row, with every shipped dialect."""

import random
from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest

from audit_pipelines import extract
from audit_pipelines.event import NAMES
from audit_pipelines.lake.derive import Origin, canonical_ip, prepare, record_batch, write_parquet
from audit_pipelines.lake.read import connect
from audit_pipelines.lake.sieve import Sieve
from audit_pipelines.record import load_dialect

ATOMS = ["null", "true", "1", "-0", "1e400", "1" * 400, "0.1e-400", '""', '"x"', r'"\u0000"', r'"a\u0000b"', r'"\ud83d\ude00"']
ATOMS += ['"{"', '"["', r'"{\"a\":1}"', "{}", "[]", "[null]", "[[]]", "[{}]", "[1]", '["a"]', '{"":1}', '{"a":{"b":[1]}}', '":"']
ATOMS += [r'{"~":1,"/":2,"$":3,"$.a":4,"*":5,"[0]":6,"\u0000":7,"\"":8,"\\":9}', '{"a":1,"a":2}', "[" * 300 + "]" * 300]
ATOMS += [
    '[{"type":{},"id":[],"name":1e400}]',
    '[{"id":1},{"id":2},3]',
    '"::ffff:1.2.3.4"',
    r'"\u0000:"',
    '"::1%eth0"',
    '"[::1]"',
]
KEYS = {
    "terracotta": [
        "id",
        "occurred_at",
        "org_id",
        "type",
        "outcome",
        "category",
        "actor",
        "context",
        "targets",
        "before",
        "after",
    ],
    "github": [
        "_document_id",
        "@timestamp",
        "created_at",
        "action",
        "org",
        "org_id",
        "actor",
        "actor_id",
        "data",
        "user",
        "repo",
        "name",
        "actor_ip",
        "team",
        "hook_id",
    ],
    "cloudtrail": [
        "eventID",
        "eventTime",
        "eventSource",
        "eventName",
        "readOnly",
        "errorCode",
        "userIdentity",
        "requestParameters",
        "responseElements",
        "additionalEventData",
        "resources",
        "sourceIPAddress",
        "userAgent",
        "requestID",
        "errorMessage",
    ],
}
INSIDE = {
    "actor": "type id name email", "context": "ip user_agent session_id", "before": "a b ~", "after": "a b /", "data": "team user",
    "userIdentity": "type principalId userName arn sessionContext", "requestParameters": "userName roleName bucketName key",
    "responseElements": "ConsoleLogin accessKey",
}  # fmt: skip
ACTIONS = [
    '"guardrail.updated"',
    '"authentication.login"',
    '"repo.create"',
    '"user.failed_login"',
    '"ConsoleLogin"',
    '"CreateUser"',
    '"PutObject"',
]


def value(chance, key):
    if key in INSIDE and chance.random() < 0.6:
        members = [f'"{name}":{chance.choice(ATOMS)}' for name in INSIDE[key].split() if chance.random() < 0.7]
        return "{" + ",".join(members) + "}"
    return chance.choice(ATOMS)


def odd_record(chance, dialect):
    """A record with members of every wrong type, now and then with a spoiled byte."""
    parts = []
    for key in KEYS[dialect.name]:
        text = value(chance, key)
        if key in dialect.time_keys and chance.random() < 0.95:
            text = '"2026-01-05T00:00:00Z"'
        elif key in ("type", "action", "eventName") and chance.random() < 0.7:
            text = chance.choice(ACTIONS)
        if chance.random() < 0.85:
            parts.append(f'"{key}":{text}')
    chance.shuffle(parts)
    record = bytearray(("{" + ",".join(parts) + "}").encode())
    if chance.random() < 0.2:
        record[chance.randrange(len(record))] = chance.choice(b'{}[]",:\\u0x\x00\xff\xc3e1 .-\x7f')
    return bytes(record)


@pytest.mark.parametrize("name", sorted(KEYS))
def test_every_event_is_one_row(name, tmp_path):
    dialect = load_dialect(name, [extract.DIALECTS])
    connection = connect(memory="200MB", threads=1)
    prepare(connection)
    origin = Origin("src", dialect, datetime(2026, 1, 6, tzinfo=UTC), "0" * 64, "1")
    events = 0
    for seed in range(25):
        chance = random.Random(seed)
        records = [odd_record(chance, dialect) for _ in range(40)]
        sifted = Sieve(dialect).sift(b"\n".join(records), records)
        events += len(sifted.records)
        ids = [event_id or f"x{at}" for at, event_id in enumerate(sifted.ids)]
        batch = record_batch(0, ids, sifted.micros, sifted.records)
        write_parquet(connection, [batch], tmp_path / "o.parquet", origin)
        table = pq.read_table(tmp_path / "o.parquet")
        assert tuple(table.column_names) == NAMES
        assert sorted(table.column("line").to_pylist()) == list(range(len(ids)))
        assert all(
            table.column(column).null_count == 0 for column in ("uid", "event_id", "category", "action", "outcome", "actor_type")
        )
    assert events > 300


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("no:address", "no:address"),
        ("", ""),
    ],
)
def test_addresses(text, canonical):
    assert canonical_ip(text) == canonical
