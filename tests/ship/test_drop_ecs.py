"""The ecs format against the official field list: every action of the table, and actions it does not name."""

import json

import pytest

from audit_pipelines.event import CATEGORIES, OUTCOMES
from audit_pipelines.ship.format import load_format, render
from audit_pipelines.shipped import shipped

MODULE = render(load_format("ecs", [shipped("templates") / "siem"]), line_budget=8000, organisation="acme").module
KNOWN = [action for action, *_ in MODULE.actions]


def test_an_action_is_named_once():
    assert len(set(KNOWN)) == len(KNOWN)


def test_the_home_source_is_mapped_whole():
    assert set(KNOWN) >= {
        "authentication.login", "authentication.logout", "api_key.created", "api_key.revoked", "review.triggered", "review.completed",
        "guardrail.created", "guardrail.updated", "guardrail.deleted", "integration.connected", "integration.disconnected",
        "plan.changed", "seat.added", "seat.removed", "drift_scan.initiated", "drift_scan.completed",
    }  # fmt: skip


def test_every_document_is_valid_ecs(drops, publish, ecs):
    unknown = ["thing.created", "thing.added", "thing.updated", "thing.deleted", "thing.seen", "odd"]
    events = [
        drops.event(0, action=action, category=category, outcome=outcome)
        for action in KNOWN + unknown
        for category in (*CATEGORIES, "surprise", None)
        for outcome in OUTCOMES
    ]
    events = [
        row | drops.event(n, action=row["action"], category=row["category"], outcome=row["outcome"])
        for n, row in enumerate(events)
    ]
    made = publish(events, "ecs")
    documents = [json.loads(line) for line in publish.lines(made, "ecs")]
    assert len(documents) == len(events)
    problems = {problem for document in documents for problem in ecs.problems(document)}
    assert problems == set()
    assert made.formats[0].files[0].rows_unmapped == len(unknown) * (len(CATEGORIES) + 2) * len(OUTCOMES)


def test_every_real_record_is_valid_ecs(publish, real, ecs):
    connection = real()
    ((count,),) = connection.execute("SELECT count(*) FROM events").fetchall()
    documents = [json.loads(line) for line in publish.lines(publish(connection, "ecs"), "ecs")]
    assert len({document["doc_id"] for document in documents}) == len(documents) == count > 0
    assert {problem for document in documents for problem in ecs.problems(document)} == set()


def test_line_1_is_valid_ecs_too(drops, publish, ecs):
    for rows in ([drops.event(0)], []):
        made = publish(rows, "ecs", seq=8 - len(rows))
        first = json.loads((publish.drops / made.formats[0].files[0].path).read_bytes().split(b"\n")[0])
        assert ecs.problems(first) == []
        assert (first["event"]["kind"], first["event"]["type"]) == ("state", ["info"])
        assert first["audit_pipelines"]["batch"]["count"] == len(rows)


def test_the_check_finds_what_is_wrong(ecs):
    """The list is worth something only if it refuses."""
    good = {"@timestamp": "2026-01-05T00:00:00.000000Z", "ecs": {"version": "9.4.0"}}
    assert ecs.problems(good) == []
    assert ecs.problems(good | {"event": {"category": "iam"}}) != []
    assert ecs.problems(good | {"event": {"category": ["authentication"], "type": ["creation"]}}) != []
    assert ecs.problems(good | {"event": {"kind": "batch"}}) != []
    assert ecs.problems(good | {"terracotta": {"x": "y"}}) != []
    assert ecs.problems(good | {"event": {"sequence": "1"}}) != []


@pytest.mark.parametrize(
    ("action", "category", "types"),
    [
        ("authentication.login", ["authentication"], ["start"]),
        ("seat.removed", ["iam"], ["user", "deletion"]),
        ("drift_scan.completed", ["api"], ["end"]),
        ("role.added", ["iam"], ["creation"]),
    ],
)
def test_category_and_type(drops, publish, action, category, types):
    made = publish([drops.event(0, action=action, category="access")], "ecs")
    (document,) = map(json.loads, publish.lines(made, "ecs"))
    assert (document["event"]["category"], document["event"]["type"]) == (category, types)


def test_a_failure_with_an_unknown_action_created_nothing(drops, publish):
    made = publish([drops.event(0, action="role.added", category="access", outcome="failure")], "ecs")
    (document,) = map(json.loads, publish.lines(made, "ecs"))
    assert document["event"]["type"] == ["info"]
    assert document["event"]["outcome"] == "failure"


def test_who_got_the_seat_is_the_target_user(drops, publish):
    seat = [{"type": "seat", "id": "s1", "name": "Seat 1"}, {"type": "user", "id": "usr_9", "name": "grace@example.com"}]
    made = publish(
        [drops.event(0, action="seat.added", targets=seat), drops.event(1, action="guardrail.updated", targets=seat)], "ecs"
    )
    added, updated = map(json.loads, publish.lines(made, "ecs"))
    assert added["user"]["target"] == {"id": "usr_9", "name": "grace@example.com"}
    assert added["related"]["user"] == ["Ada Lovelace", "ada@example.com", "usr_7", "grace@example.com", "usr_9"]
    assert "target" not in updated["user"]


def test_one_document_in_full(drops, publish):
    changes = [{"field": "max", "before": "1.00", "after": '{"a": [1, "x"]}'}, {"field": "on", "before": None, "after": "true"}]
    made = publish([drops.event(5, changes=changes, api_key_id="key_1", request_id="req_1", outcome="failure")], "ecs", first=5)
    (document,) = map(json.loads, publish.lines(made, "ecs"))
    assert document == {
        "@timestamp": "2026-01-05T00:00:05.250000Z",
        "doc_id": "terracotta/evt_000005",
        "message": "Ada Lovelace guardrail.updated guardrail No public buckets (failure)",
        "ecs": {"version": "9.4.0"},
        "event": {
            "kind": "event", "category": ["configuration"], "type": ["change"], "action": "guardrail.updated", "outcome": "failure",
            "id": "terracotta/evt_000005", "created": "2026-01-06T01:30:00.123456Z", "module": "audit_pipelines",
            "dataset": "audit_pipelines.audit", "provider": "terracotta", "sequence": 5,
        },
        "organization": {"id": "org_8842"},
        "service": {"name": "terracotta"},
        "user": {"id": "usr_7", "name": "Ada Lovelace", "email": "ada@example.com"},
        "source": {"ip": "198.51.100.7"},
        "user_agent": {"original": "Mozilla/5.0"},
        "related": {"ip": ["198.51.100.7"], "user": ["Ada Lovelace", "ada@example.com", "usr_7"]},
        "data_stream": {"type": "logs", "dataset": "audit_pipelines.audit", "namespace": "default"},
        "audit_pipelines": {
            "event_id": "evt_000005", "leaf_index": 5, "source": "terracotta", "dialect": "terracotta", "category": "configuration",
            "actor_type": "user", "targets": [{"type": "guardrail", "id": "gr_1", "name": "No public buckets"}],
            "changes": '[{"field":"max","before":1.00,"after":{"a": [1, "x"]}},{"field":"on","after":true}]',
            "api_key_id": "key_1", "session_id": "ses_1", "request_id": "req_1",
        },
    }  # fmt: skip
