"""The ocsf format against the JSON Schema of each class: every action, awkward values, real records, and line 1."""

import json
from datetime import UTC
from pathlib import Path

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit_pipelines.event import ACTOR_TYPES, CATEGORIES, OUTCOMES
from audit_pipelines.ship.format import load_format, render
from audit_pipelines.shipped import shipped

VECTORS = Path(__file__).parents[1] / "vectors" / "siem" / "ocsf"
TEMPLATES = shipped("templates") / "siem"
MODULE = render(load_format("ocsf", [TEMPLATES]), line_budget=8000, organisation="acme").module
KNOWN = [action for action, *_ in MODULE.actions]
UNKNOWN = ["thing.created", "s3.GetObject", "ec2.ModifyInstanceAttribute", "repo.destroy", "git.push", "odd", ""]


class Ocsf:
    """What is wrong with an event, by the schema of its class?"""

    def __init__(self) -> None:
        paths = {int(path.name.split("_")[0]): path for path in VECTORS.glob("*.json")}
        self.schemas = {number: json.loads(path.read_bytes()) for number, path in paths.items()}
        self.checks = {number: jsonschema_rs.Draft202012Validator(schema) for number, schema in self.schemas.items()}

    def problems(self, event: dict) -> list[str]:
        check = self.checks.get(event.get("class_uid"))
        if check is None:
            return [f"no class {event.get('class_uid')}"]
        found = [f"{error.instance_path}: {error.message}" for error in check.iter_errors(event)]
        if event["type_uid"] != event["class_uid"] * 100 + event["activity_id"]:
            found.append("type_uid is not made of class and activity")
        if event["activity_id"] == 99 and not isinstance(event.get("activity_name"), str):
            found.append("an activity of the source's own has no name")
        return found


@pytest.fixture(scope="module")
def ocsf() -> Ocsf:
    return Ocsf()


def published(publish, rows, **settings) -> list[dict]:
    made = publish(rows, "ocsf", **settings)
    return [json.loads(line) for line in publish.lines(made, "ocsf")]


def test_an_action_is_named_once():
    assert len(set(KNOWN)) == len(KNOWN)


def test_the_actions_that_dialects_name_are_mapped():
    assert set(KNOWN) >= {
        "authentication.login", "authentication.logout", "api_key.created", "api_key.revoked", "review.triggered", "review.completed",
        "guardrail.created", "guardrail.updated", "guardrail.deleted", "integration.connected", "integration.disconnected",
        "plan.changed", "seat.added", "seat.removed", "drift_scan.initiated", "drift_scan.completed",
    }  # fmt: skip


def test_every_class_has_its_category_and_its_activities_in_the_schema(ocsf):
    assert set(ocsf.schemas) == set(MODULE.classes)
    for number, (category, client) in MODULE.classes.items():
        properties = ocsf.schemas[number]["properties"]
        assert properties["category_uid"]["const"] == category
        assert client is ("http_request" in properties) or number == 1008
    for action, number, activity in MODULE.actions:
        assert activity in ocsf.schemas[number]["properties"]["activity_id"]["enum"], action


NOTHING = dict.fromkeys(
    ("org_id", "actor_type", "actor_id", "actor_name", "actor_email", "targets", "target_type", "target_id", "target_name",
     "source_ip", "user_agent", "changes", "api_key_id", "session_id", "request_id", "source", "dialect", "category", "outcome"),
)  # fmt: skip


def test_every_event_is_valid(drops, publish, ocsf):
    variants = [
        {"category": c, "outcome": o, "actor_type": a}
        for c in (*CATEGORIES, None)
        for o, a in zip(OUTCOMES, ACTOR_TYPES, strict=False)
    ]
    variants += [
        NOTHING,
        NOTHING | {"session_id": "s", "api_key_id": "k"},
        NOTHING | {"actor_type": "robot", "actor_email": "not an address", "outcome": "redacted", "source_ip": "AWS Internal"},
        NOTHING | {"actor_email": "only@example.com", "targets": [], "changes": []},
        {"targets": [{"type": "user", "id": None, "name": None}, None], "target_type": "user", "target_id": None, "target_name": None},
        {"targets": [{"type": None, "id": "1", "name": None}], "target_type": None, "target_id": "1", "target_name": None},
        {"source_ip": "2001:db8::1", "actor_id": None, "actor_name": None},
    ]  # fmt: skip
    columns = [variant | {"action": action} for action in [*KNOWN, *UNKNOWN] for variant in variants]
    columns.append({"action": None})
    events = published(publish, [drops.event(number, **row) for number, row in enumerate(columns)])
    assert len(events) == len(columns)
    assert {problem for event in events for problem in ocsf.problems(event)} == set()
    assert {event["class_uid"] for event in events} == set(MODULE.classes) - {1008}


def test_what_the_table_does_not_name_is_counted(drops, publish):
    made = publish([drops.event(n, action=action) for n, action in enumerate([*UNKNOWN, *KNOWN])], "ocsf")
    assert made.formats[0].files[0].rows_unmapped == len(UNKNOWN)


@pytest.mark.parametrize(
    ("action", "activity"),
    [
        ("iam.CreateRole", 1), ("team.add_member", 1), ("thing.created", 1), ("s3.GetObject", 2), ("git.clone", 2), ("ec2.DescribeInstances", 2),
        ("repo.change_merge_setting", 3), ("ec2.ModifyInstanceAttribute", 3), ("thing.modified", 3), ("repo.destroy", 4), ("ec2.TerminateInstances", 4),
        ("git.push", 99), ("repo.additional", 99), ("getter.odd", 99), ("settings", 99), ("", 99), (None, 99),
    ],
)  # fmt: skip
def test_an_action_the_table_does_not_name_is_an_api_call(drops, publish, action, activity):
    (event,) = published(publish, [drops.event(0, action=action)])
    assert (event["class_uid"], event["activity_id"]) == (6003, activity)
    assert event["api"]["operation"] == ("unknown" if action is None else action)
    assert event.get("activity_name") == ((action if action is not None else "unknown") if activity == 99 else None)


HOSTILE = [
    "",
    "\x00",
    '"',
    "\\",
    "\x7f",
    "\u2028",
    "\ufffe",
    "\U0001f600",
    ":null",
    '{"a":null}',
    "NaN",
    "'; --",
    "a@b.c",
    "::1",
    "x" * 1000,
]
texts = st.none() | st.sampled_from(HOSTILE) | st.text(st.characters(codec="utf-8"), max_size=12)
values = st.none() | st.sampled_from(["null", "1.00", '{"a": [1, null]}', "not JSON", '"' + "x" * 500 + '"'])
emails = texts | st.emails() | st.from_regex(r"[a-z'*+/=?^_`{|}~.,-]{1,8}@[a-z.]{1,5}\.[a-z.-]{1,4}", fullmatch=True)
TEXTS = (
    "event_id", "source", "dialect", "org_id", "category", "action", "outcome", "actor_type", "actor_id", "actor_name", "target_type",
    "target_id", "target_name", "user_agent", "api_key_id", "session_id", "request_id",
)  # fmt: skip
rows = st.lists(
    st.fixed_dictionaries(
        dict.fromkeys(TEXTS, texts)
        | {
            "action": st.sampled_from(KNOWN) | texts,
            "actor_email": emails,
            "source_ip": st.ip_addresses().map(str) | texts,
            "targets": st.none() | st.lists(st.none() | st.fixed_dictionaries({"type": texts, "id": texts, "name": texts}), max_size=3),
            "changes": st.none() | st.lists(st.none() | st.fixed_dictionaries({"field": texts, "before": values, "after": values}), max_size=3),
            "occurred_at": st.datetimes(timezones=st.just(UTC)),
        }
    ),
    min_size=1,
    max_size=8,
)  # fmt: skip


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows)
def test_awkward_values_stay_valid_and_keep_the_byte_rules(drops, ocsf, tmp_path_factory, columns):
    publish = drops.Publisher(tmp_path_factory.mktemp("home"))
    made = publish([drops.event(number, **row) for number, row in enumerate(columns)], "ocsf")
    (file,) = made.formats[0].files
    events = drops.check_bytes(publish.drops / file.path)
    assert len(events) == len(columns)
    assert [problem for event in events for problem in ocsf.problems(event)] == []


WORST = ["\x7f\u2028\x00" * 10_000, "\x7f" * 118, "\u2028" * 39, '"' * 58]
"""Texts that grow most when they are escaped; the short ones are just not shortened by their raw size."""
LONG = ("uid", *TEXTS, "actor_email", "source_ip")


@pytest.mark.parametrize(
    "action", [None, "authentication.login", "guardrail.updated", "seat.added", "drift_scan.initiated", "iam.ChangePassword"]
)
@pytest.mark.parametrize("budget", [6000, 8000])
@pytest.mark.parametrize("worst", range(len(WORST)))
def test_no_line_is_longer_than_the_budget(drops, publish, ocsf, action, budget, worst):
    text = WORST[worst]
    things = [{"type": f"user{text}", "id": "i", "name": text}] * 30
    changed = [{"field": text, "before": json.dumps(text), "after": "not JSON " + text}] * 30
    columns = {name: f"{number}{text}" for number, name in enumerate(LONG)} | {"targets": things, "changes": changed}
    columns |= {"action": action} if action else {}
    made = publish([drops.event(0, **columns), drops.event(1)], "ocsf", line_budget=budget)
    long, short = sorted(publish.lines(made, "ocsf"), key=len, reverse=True)
    assert len(long) <= budget + 1
    event = json.loads(long)
    assert ocsf.problems(event) == []
    assert event["metadata"]["is_truncated"] is True
    assert event["metadata"]["untruncated_size"] >= budget // 1024
    assert "is_truncated" not in json.loads(short)["metadata"]
    assert made.formats[0].files[0].rows_truncated == 1


def test_only_changes_are_cut_where_that_is_enough(drops, publish):
    changes = [{"field": "policy", "before": '"old"', "after": json.dumps("x" * 9000)}]
    (event,) = published(publish, [drops.event(0, changes=changes, user_agent="a" * 500)])
    assert event["http_request"]["user_agent"] == "a" * 500
    assert json.loads(event["entity"]["data"]) == {"policy": "old"}
    assert json.loads(event["entity_result"]["data"])["policy"]["bytes"] == 9002


def test_every_real_record_is_valid(publish, real, ocsf):
    connection = real()
    (count,) = connection.execute("SELECT count(*) FROM events").fetchone()
    events = published(publish, connection)
    assert len(events) == count > 0
    assert {problem for event in events for problem in ocsf.problems(event)} == set()
    assert len({event["metadata"]["uid"] for event in events}) == count


@pytest.mark.parametrize(
    "changed", [{"redact": ("actor_email", "source_ip", "changes")}, {"drop": ("targets", "changes", "source_ip")}]
)
def test_what_the_settings_withhold_leaves_it_valid(drops, publish, ocsf, changed):
    changes = [{"field": "max", "before": "1", "after": "2"}]
    events = published(publish, [drops.event(n, action=action, changes=changes) for n, action in enumerate(KNOWN)], **changed)
    assert [problem for event in events for problem in ocsf.problems(event)] == []


def test_line_1_is_event_log_activity(drops, publish, ocsf):
    for rows in ([drops.event(0), drops.event(1)], []):
        made = publish(rows, "ocsf", seq=8 - len(rows))
        path = publish.drops / made.formats[0].files[0].path
        first = drops.parse(path.read_bytes().split(b"\n")[0].rstrip())
        assert ocsf.problems(first) == []
        assert (first["class_uid"], first["activity_id"], first["count"]) == (1008, 3, len(rows))
        assert first["unmapped"]["batch"]["id"] == first["metadata"]["uid"].removeprefix("acme/")
        assert first["time"] == int(drops.EXTRACTED.timestamp() * 1000)
        assert first.get("end_time") == (1767571201250 if rows else None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00.000000Z", 0),
        ("2000-02-29T12:34:56.789999Z", 951827696789),
        ("2023-03-01T00:00:00.000000Z", 1677628800000),
        ("1969-12-31T23:59:59.999000Z", -1),
        ("9999-12-31T23:59:59.999999Z", 253402300799999),
        ("0001-01-01T00:00:00.000000Z", -62135596800000),
    ],
)
def test_milliseconds_of_a_time(text, expected):
    record = {"id": "i", "organisation": "acme", "count": 0, "extracted_at": text}
    assert json.loads(MODULE.batch_record(record))["time"] == expected


def test_the_check_finds_what_is_wrong(drops, publish, ocsf):
    """The schemas are worth something only if they refuse."""
    (good,) = published(publish, [drops.event(0, action="authentication.login")])
    assert ocsf.problems(good) == []
    assert ocsf.problems(good | {"bogus": 1}) != []
    assert ocsf.problems(good | {"severity_id": "1"}) != []
    assert ocsf.problems(good | {"user": {"email_addr": "a@b.c"}}) != []
    assert ocsf.problems(good | {"type_uid": 300202}) != []
    assert ocsf.problems(good | {"src_endpoint": {"ip": "AWS Internal"}}) != []
    assert ocsf.problems({key: value for key, value in good.items() if key != "service"}) != []


def test_one_event_in_full(drops, publish):
    changes = [
        {"field": "max", "before": "1.00", "after": '{"a": [1, "x"]}'},
        {"field": "on", "before": None, "after": "true"},
        {"field": "gone", "before": None, "after": None},
    ]
    (event,) = published(
        publish, [drops.event(5, changes=changes, api_key_id="key_1", request_id="req_1", outcome="failure")], first=5
    )
    entity = {"name": "No public buckets", "uid": "gr_1", "type_id": 5, "type": "Policy"}
    assert event == {
        "metadata": {
            "version": "1.8.0", "uid": "terracotta/evt_000005", "product": {"name": "terracotta", "vendor_name": "Terracotta"},
            "source": "terracotta", "log_provider": "audit-pipelines", "event_code": "guardrail.updated", "original_event_uid": "evt_000005",
            "original_time": "2026-01-05T00:00:05.250000Z", "logged_time": 1767663000123, "sequence": 5, "tenant_uid": "org_8842",
            "correlation_uid": "req_1",
        },
        "time": 1767571205250, "class_uid": 3004, "category_uid": 3, "activity_id": 3, "type_uid": 300403, "severity_id": 2, "status_id": 2,
        "message": "Ada Lovelace guardrail.updated guardrail No public buckets (failure)",
        "actor": {
            "user": {"name": "Ada Lovelace", "uid": "usr_7", "email_addr": "ada@example.com", "type_id": 1, "credential_uid": "key_1"},
            "session": {"uid": "ses_1"},
        },
        "entity": entity | {"data": '{"max":1.00,"gone":null}'},
        "entity_result": entity | {"data": '{"max":{"a": [1, "x"]},"on":true}'},
        "src_endpoint": {"ip": "198.51.100.7"},
        "http_request": {"user_agent": "Mozilla/5.0"},
        "unmapped": {
            "leaf_index": 5, "category": "configuration", "targets": [{"type": "guardrail", "id": "gr_1", "name": "No public buckets"}],
        },
    }  # fmt: skip


def test_who_got_the_seat_is_the_user_and_who_gave_it_the_actor(drops, publish):
    seat = [{"type": "seat", "id": "s1", "name": "Seat 1"}, {"type": "user", "id": "usr_9", "name": "grace@example.com"}]
    (event,) = published(publish, [drops.event(0, action="seat.added", targets=seat)])
    assert event["user"] == {"name": "grace@example.com", "uid": "usr_9"}
    assert event["actor"]["user"]["uid"] == "usr_7"
    assert [thing["uid"] for thing in event["resources"]] == ["s1", "usr_9"]
    assert "targets" not in event["unmapped"]


def test_a_failed_login_without_an_actor_is_about_its_target(drops, publish):
    nobody = dict.fromkeys(("actor_id", "actor_name", "actor_email", "session_id"))
    target = [{"type": "user", "id": "usr_9", "name": "grace"}]
    (event,) = published(publish, [drops.event(0, action="authentication.login", outcome="failure", targets=target, **nobody)])
    assert event["user"] == {"name": "grace", "uid": "usr_9"}
    assert "actor" not in event
    assert event["unmapped"]["actor_type"] == "user"


def test_a_scan_keeps_address_and_agent_beside_the_class(drops, publish):
    scan = [{"type": "workspace", "id": "w", "name": "prod"}, {"type": "drift_scan", "id": "scan_1", "name": None}]
    (event,) = published(publish, [drops.event(0, action="drift_scan.completed", targets=scan, actor_type="system")])
    assert event["scan"] == {"uid": "scan_1", "type_id": 2}
    assert (event["unmapped"]["source_ip"], event["unmapped"]["user_agent"]) == ("198.51.100.7", "Mozilla/5.0")
    assert event["unmapped"]["actor"]["user"]["uid"] == "usr_7"
    assert not {"actor", "src_endpoint", "http_request"} & set(event)
