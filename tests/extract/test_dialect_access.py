"""The dialect ``audit-pipelines`` over records as ``serve`` writes them."""

import json

import pytest

RECORD = {
    "id": "acc_0f",
    "time": "2026-11-28T20:37:09.123456Z",
    "action": "audit_log.searched",
    "outcome": "success",
    "status": 200,
    "actor": {"type": "service", "id": "tok_1", "name": "siem", "email": None},
    "context": {
        "ip": "192.0.2.1",
        "user_agent": "curl/8",
        "session_id": None,
        "api_key_id": "tok_1",
        "request_id": "req_1",
    },
    "request": {"method": "GET", "path": "/v1/audit-logs", "query": "action=seat.added"},
    "targets": [{"type": "audit_log", "id": "acme", "name": None}],
}


def row(mapped, **changes) -> dict:
    (found,) = mapped("audit-pipelines", [json.dumps(RECORD | changes)])
    return found


def test_every_column_comes_from_its_member_and_the_request_from_none(mapped):
    found = row(mapped)
    assert found.pop("occurred_at")
    assert found == {
        "line": 0,
        "event_id": "id-0",
        "org_id": None,
        "category": "access",
        "action": "audit_log.searched",
        "outcome": "success",
        "actor_type": "service",
        "actor_id": "tok_1",
        "actor_name": "siem",
        "actor_email": None,
        "targets": [{"type": "audit_log", "id": "acme", "name": None}],
        "source_ip": "192.0.2.1",
        "user_agent": "curl/8",
        "changes": [],
        "api_key_id": "tok_1",
        "session_id": None,
        "request_id": "req_1",
    }


@pytest.mark.parametrize(
    ("action", "category"),
    [
        ("authentication.login", "authentication"),
        ("authentication.logout", "authentication"),
        ("audit_log.exported", "data"),
        ("report.downloaded", "data"),
        ("bundle.downloaded", "data"),
        ("report.viewed", "access"),
        ("log.tile_read", "access"),
        ("link.opened", "access"),
        ("access.denied", "access"),
        ("exported", "data"),
        (None, "other"),
    ],
)
def test_the_action_gives_the_category(mapped, action, category):
    assert row(mapped, action=action)["category"] == category


def test_a_refused_request_is_a_failure_of_somebody_unknown(mapped):
    nobody = {"type": "unknown", "id": None, "name": None, "email": None}
    found = row(mapped, action="access.denied", outcome="failure", status=403, actor=nobody, targets=[])
    assert (found["outcome"], found["actor_type"], found["actor_id"], found["targets"]) == ("failure", "unknown", None, [])


def test_an_object_where_a_text_belongs_gives_nothing(mapped):
    found = row(mapped, action={"a": 1}, actor={"type": ["user"], "id": {"x": 1}, "name": 5}, targets={"type": "event"})
    assert (found["action"], found["actor_type"], found["actor_id"], found["actor_name"]) == (None, "unknown", None, "5")
    assert found["targets"] == []
