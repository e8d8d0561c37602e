"""The terracotta dialect: the source's own events, one by one."""

import json

import pytest

TYPES = {
    "authentication.login": "authentication",
    "authentication.logout": "authentication",
    "api_key.created": "authentication",
    "api_key.revoked": "authentication",
    "review.triggered": "review",
    "review.completed": "review",
    "guardrail.created": "configuration",
    "guardrail.updated": "configuration",
    "guardrail.deleted": "configuration",
    "integration.connected": "configuration",
    "integration.disconnected": "configuration",
    "plan.changed": "billing",
    "seat.added": "billing",
    "seat.removed": "billing",
    "drift_scan.initiated": "drift",
    "drift_scan.completed": "drift",
}
FULL = {
    "id": "evt_1",
    "occurred_at": "2026-01-05T09:12:33.123456Z",
    "org_id": "org_1",
    "type": "guardrail.updated",
    "outcome": "success",
    "actor": {"type": "user", "id": "usr_1", "name": "Ada", "email": "ada@example.org"},
    "targets": [{"type": "guardrail", "id": "grd_1", "name": "No secrets"}],
    "context": {
        "ip": "203.0.113.7",
        "user_agent": "Mozilla/5.0",
        "session_id": "ses_1",
        "api_key_id": "key_1",
        "request_id": "req_1",
    },
    "before": {"mode": "warn", "threshold": 3, "labels": ["a"]},
    "after": {"mode": "block", "threshold": 3, "labels": ["a"], "owner": None},
}


@pytest.fixture
def one(mapped):
    def one(record) -> dict:
        (row,) = mapped("terracotta", [record if isinstance(record, str) else json.dumps(record)])
        return row

    return one


def test_a_full_record(one):
    row = one(FULL)
    del row["line"], row["event_id"], row["occurred_at"]
    assert row == {
        "org_id": "org_1",
        "category": "configuration",
        "action": "guardrail.updated",
        "outcome": "success",
        "actor_type": "user",
        "actor_id": "usr_1",
        "actor_name": "Ada",
        "actor_email": "ada@example.org",
        "targets": [{"type": "guardrail", "id": "grd_1", "name": "No secrets"}],
        "source_ip": "203.0.113.7",
        "user_agent": "Mozilla/5.0",
        "changes": [
            {"field": "mode", "before": '"warn"', "after": '"block"'},
            {"field": "owner", "before": None, "after": "null"},
        ],
        "api_key_id": "key_1",
        "session_id": "ses_1",
        "request_id": "req_1",
    }


@pytest.mark.parametrize(("action", "category"), TYPES.items())
def test_every_type_keeps_its_name_and_has_a_category(one, action, category):
    row = one({"type": action, "category": "other"})
    assert (row["action"], row["category"]) == (action, category)


@pytest.mark.parametrize(
    ("given", "category"),
    [("access", "access"), ("data", "data"), ("drift", "drift"), ("nonsense", "other"), (None, "other"), (["data"], "other")],
)
def test_a_type_that_is_not_known_brings_its_own_category(one, given, category):
    assert one({"type": "export.started", "category": given})["category"] == category


@pytest.mark.parametrize(
    ("given", "outcome"),
    [("success", "success"), ("failure", "failure"), ("Success", "unknown"), (None, "unknown"), (1, "unknown")],
)
def test_outcome(one, given, outcome):
    assert one({"outcome": given})["outcome"] == outcome


@pytest.mark.parametrize(
    ("given", "kind"), [("user", "user"), ("service", "service"), ("system", "system"), ("robot", "unknown"), (None, "unknown")]
)
def test_actor_type(one, given, kind):
    assert one({"actor": {"type": given}})["actor_type"] == kind


@pytest.mark.parametrize(
    ("targets", "found"),
    [
        (None, []),
        ([], []),
        ("x", []),
        ("[{x", []),
        ({"id": "a"}, []),
        ([None, 1, "x", []], []),
        ([{"id": "a"}], [(None, "a", None)]),
        ([{"id": 5, "name": True}], [(None, "5", "true")]),
        ([{"id": "a", "name": "{x}"}], [(None, "a", "{x}")]),
        ([{"id": "a", "more": {"x": 1}}], [(None, "a", None)]),
        ([{"id": {"x": 1}, "type": ["t"], "name": "n"}], [(None, None, "n")]),
        ([{"type": "t", "id": "a"}, {"type": "t", "id": "b"}], [("t", "a", None), ("t", "b", None)]),
        ([{"id": "a"}, {"id": {"x": 1}, "name": "[n]"}], [(None, "a", None), (None, None, "[n]")]),
        ([{"id": "a"}, None, {"id": "b"}], [(None, "a", None), (None, "b", None)]),
        ([None, {"id": "b"}], [(None, "b", None)]),
        ([{"id": str(n)} for n in range(50)], [(None, str(n), None) for n in range(50)]),
    ],
)
def test_targets(one, targets, found):
    assert [(target["type"], target["id"], target["name"]) for target in one({"targets": targets})["targets"]] == found


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        (None, None, []),
        ({"a": 1}, {"a": 1}, []),
        (None, {"a": 1, "b": "x"}, [("a", None, "1"), ("b", None, '"x"')]),
        ({"a": 1}, None, [("a", "1", None)]),
        ({"a": 1}, {"a": "1"}, [("a", "1", '"1"')]),
        ({"a": None}, {}, [("a", "null", None)]),
        ({"b": 1, "a": 1}, {"c": 1, "a": 2}, [("b", "1", None), ("a", "1", "2"), ("c", None, "1")]),
        ({"a": {"x": [1]}}, {"a": {"x": [2]}}, [("a", '{"x":[1]}', '{"x":[2]}')]),
        ({"a/b": 1, "~": 1, "~1": 1, "": 1, "*": 1, 'q"': 1, "$.x": 1, "é": 1, "0": 1}, {}, None),
        ("x", {"a": 1}, [("a", None, "1")]),
        ("{x", '{"a":1}', []),
        ([1], 5, []),
    ],
)
def test_changes(one, before, after, found):
    if found is None:
        found = [(key, "1", None) for key in before]
    changes = one({"before": before, "after": after})["changes"]
    assert [(change["field"], change["before"], change["after"]) for change in changes] == found


TEXTS = {
    "org_id": lambda value: {"org_id": value},
    "action": lambda value: {"type": value},
    "actor_id": lambda value: {"actor": {"id": value}},
    "actor_name": lambda value: {"actor": {"name": value}},
    "actor_email": lambda value: {"actor": {"email": value}},
    "source_ip": lambda value: {"context": {"ip": value}},
    "user_agent": lambda value: {"context": {"user_agent": value}},
    "session_id": lambda value: {"context": {"session_id": value}},
    "api_key_id": lambda value: {"context": {"api_key_id": value}},
    "request_id": lambda value: {"context": {"request_id": value}},
}


VALUES = [
    ("text", "text"),
    ("[bot] {x}", "[bot] {x}"),
    ("{x}", "{x}"),
    ("", ""),
    ("nul\x00 \u202e \U0001f600", "nul\x00 \u202e \U0001f600"),
    (12, "12"),
    (True, "true"),
    (None, None),
    ({"a": 1}, None),
    ([], None),
    (["text"], None),
]
"""A value in a record, and the text it becomes: an object or a list in the place of a text is NULL."""


@pytest.mark.parametrize("column", TEXTS)
def test_a_text_is_kept_as_it_is_and_a_fault_touches_no_other_column(mapped, column):
    records = []
    for value, _ in VALUES:
        record = TEXTS[column](value)
        record["context"] = {"user_agent": "neighbour"} | record.get("context", {})
        records.append(json.dumps(record))
    rows = mapped("terracotta", records)
    assert [row[column] for row in rows] == [found for _, found in VALUES]
    if column != "user_agent":
        assert {row["user_agent"] for row in rows} == {"neighbour"}


@pytest.mark.parametrize("member", ["actor", "context", "targets", "before", "after", "org_id", "type"])
def test_members_of_another_type_never_stop_the_mapping(mapped, member):
    rows = mapped("terracotta", [json.dumps(FULL | {member: value}) for value in (1, "x", [1], {"x": 1}, True, None)])
    assert {row["request_id"] for row in rows} == {None if member == "context" else "req_1"}
