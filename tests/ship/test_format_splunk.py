"""The splunk and splunk_hec formats against Splunk's own field lists: every action, awkward values, real records, line 1."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audit_pipelines.event import CATEGORIES, OUTCOMES
from audit_pipelines.extract import DIALECTS
from audit_pipelines.ship.format import load_format, render
from audit_pipelines.shipped import shipped

VECTORS = Path(__file__).parents[1] / "vectors" / "siem" / "splunk_cim"
FORMATS = ("splunk", "splunk_hec")
MODULE = render(load_format("splunk", [shipped("templates") / "siem"]), line_budget=8000, organisation="acme").module
KNOWN = [action for action, *_ in MODULE.actions]
OTHER = [
    "iam.CreateRole", "iam.DeleteRolePolicy", "ec2.DescribeInstances", "cloudtrail.StopLogging", "sts.AssumeRole", "repo.destroy",
    "org.update_member", "user.sign_in_from_unrecognized_device", "thing.created", "thing.removed", "odd", "", None,
]  # fmt: skip
RESERVED = re.compile(r"(dest|src|user|dvc|src_user)_(bunit|category|priority)")


class Cim:
    """What is wrong with an event, by the official list of its data model?"""

    def __init__(self) -> None:
        self.tags = {"authentication": {"authentication"}, "change": {"change"}, "account": {"change", "account"}}
        lists = [json.loads((VECTORS / f"{name}.json").read_bytes()) for name in ("Authentication", "Change")]
        self.datasets = list(self._datasets([top for one in lists for top in one["objects"]], []))

    def _datasets(self, datasets, inherited):
        for dataset in datasets:
            fields = inherited + dataset["fields"]
            yield {frozenset(tags) for tags in dataset["tags"]}, fields
            yield from self._datasets(dataset.get("child_dataset", []), fields)

    def fields(self, model: str) -> list[dict]:
        """Of the datasets that ask for no more tags than the model has."""
        found = {}
        for tags, fields in self.datasets:
            if any(wanted <= self.tags[model] for wanted in tags):
                found |= {field["name"]: field for field in fields}
        return list(found.values())

    def problems(self, event: dict) -> list[str]:
        found = [f"{name} is reserved" for name in event if RESERVED.fullmatch(name)]
        if event["cim"] == "none":
            return found
        for field in self.fields(event["cim"]):
            name, value = field["name"], event.get(field["name"])
            needed = field["type"] == "required" or (name == "result" and event.get("status") == "failure")
            needed |= name == "src_user" and event["cim"] == "account"
            if needed and not value:
                found.append(f"{event['cim']}: {name} is missing")
            for one in value if isinstance(value, list) else [value] if value is not None else []:
                if not isinstance(one, str):
                    found.append(f"{name}: {one!r} is no text")
                if field.get("expected_values") and one not in field["expected_values"]:
                    found.append(f"{name}: {one!r} is not expected")
                if '"' in one and "validity" in field and '\\"' in field["validity"]:
                    found.append(f"{name}: a quotation mark voids it")
        if event["cim"] != "authentication" and (event["cim"] == "account") != (event.get("object_category") == "user"):
            found.append("object_category is user only with the tag account")
        return found


@pytest.fixture(scope="module")
def cim() -> Cim:
    return Cim()


def events_of(lines: list[bytes], form: str) -> list[dict]:
    """The events, taken out of their envelopes, which are checked."""
    values = [json.loads(line) for line in lines]
    if form == "splunk":
        return values
    for value in values:
        assert list(value) == ["time", "host", "source", "sourcetype", "event"]
        assert isinstance(value["time"], int | float)
        assert value["host"]
        assert (value["source"], value["sourcetype"]) == ("audit-pipelines:acme", "audit_pipelines:event")
        assert value["event"]
    return [value["event"] for value in values]


@pytest.fixture
def splunk(publish):
    """Rows as events of both formats, which must be the same."""

    def run(rows, **settings) -> list[dict]:
        made = publish(rows, *FORMATS, **settings)
        bare, enveloped = (events_of(publish.lines(made, form), form) for form in FORMATS)
        assert bare == enveloped
        return bare

    return run


def numbered(drops, rows: list[dict]) -> list[dict]:
    return [drops.event(number, **row) for number, row in enumerate(rows)]


def dialect_actions() -> set[str]:
    """The common names that the shipped dialects give; those of the home source are its own."""
    return {name for path in DIALECTS.glob("*.sql") for name in re.findall(r"THEN '([a-z_]+\.[a-z_]+)'", path.read_text())}


def test_every_action_of_a_dialect_is_in_the_table_once():
    assert len(set(KNOWN)) == len(KNOWN)
    assert set(KNOWN) >= dialect_actions() >= {"authentication.login", "drift_scan.initiated"}


def test_every_event_fills_its_data_model(drops, splunk, cim):
    def row(action, category, outcome, kind):
        targets = [{"type": kind, "id": "i", "name": None}]
        return {"action": action, "category": category, "outcome": outcome, "target_type": kind, "targets": targets}

    rows = [
        row(action, category, outcome, "guardrail")
        for action in KNOWN
        for category in ("billing", None)
        for outcome in (*OUTCOMES, None)
    ]
    rows += [
        row(action, category, outcome, kind)
        for action in OTHER
        for category in (*CATEGORIES, "surprise", None)
        for outcome in ("failure", None)
        for kind in ("user", None)
    ]
    events = splunk(numbered(drops, rows))
    assert len(events) == len(rows)
    assert {problem for event in events for problem in cim.problems(event)} == set()
    assert {event["cim"] for event in events} == {"authentication", "change", "account", "none"}


def test_an_event_that_knows_nothing_fills_its_data_model_too(drops, splunk, cim):
    names = (
        "org_id",
        "actor_type",
        "actor_id",
        "actor_name",
        "actor_email",
        "targets",
        "target_type",
        "target_id",
        "target_name",
    )
    names += ("source_ip", "user_agent", "changes", "session_id", "event_id", "dialect")
    rows = [dict.fromkeys(names, empty if name else None) | {"action": action, "targets": None, "changes": None}
            for action in KNOWN + OTHER for empty, name in (("", True), (None, False))]  # fmt: skip
    events = splunk(numbered(drops, rows))
    assert {problem for event in events for problem in cim.problems(event)} == set()
    assert {event["user"] for event in events} == {"unknown"}


def test_awkward_values(drops, splunk, cim):
    awkward = ['"', 'a"b', "\\", "\x00", "\x7f\u2028", "'", "$user$", "[]", "{}", "日本語", "x" * 3000, "\x85" * 500]
    rows = [
        {"action": action, "actor_email": text, "target_id": text, "target_name": text, "source_ip": text, "user_agent": text,
         "changes": [{"field": text, "before": json.dumps(text), "after": None}], "targets": [{"type": "user", "id": text, "name": text}]}
        for action in ("guardrail.updated", "seat.added", "authentication.login", "iam.AttachUserPolicy") for text in awkward
    ]  # fmt: skip
    events = splunk(numbered(drops, rows))
    assert {problem for event in events for problem in cim.problems(event)} == set()
    quoted = events[1]
    assert (quoted["object"], quoted["object_id"], quoted["object_attrs"]) == ('a"b', "a'b", ["a'b"])
    assert quoted["audit"]["changes"] == [{"field": 'a"b', "before": '"a\\"b"'}]


def test_real_records(real, publish, cim):
    connection = real()
    known = "', '".join(KNOWN)
    counted = 'SELECT count(*), count(*) FILTER (WHERE "action" NOT IN (\'' + known + '\') OR "action" IS NULL) FROM events'
    rows, unnamed = connection.execute(counted).fetchone()
    made = publish(connection, *FORMATS)
    for entry in made.formats:
        events = events_of(publish.lines(made, entry.format), entry.format)
        assert len({event["event_id"] for event in events}) == len(events) == rows
        assert {problem for event in events for problem in cim.problems(event)} == set()
        assert sum(file.rows_unmapped for file in entry.files) == unnamed
    reads = {event["cim"] for event in events if re.search(r"\.(Get|List|Describe)[A-Z]", event["event_type"])} - {
        "authentication"
    }
    assert reads == {"none"}
    products = {event["vendor_product"] for event in events}
    assert products == {"GitHub", "AWS CloudTrail"}


@pytest.mark.parametrize(
    ("action", "category", "kind", "model", "word", "change"),
    [
        ("authentication.login", "authentication", None, "authentication", "success", None),
        ("api_key.created", "authentication", "api_key", "change", "created", "AAA"),
        ("api_key.revoked", "authentication", "api_key", "change", "deleted", "AAA"),
        ("seat.added", "billing", "user", "account", "created", "AAA"),
        ("guardrail.updated", "configuration", "guardrail", "change", "modified", "configuration"),
        ("integration.disconnected", "configuration", "integration", "change", "deleted", "integration"),
        ("plan.changed", "billing", "plan", "change", "modified", "billing"),
        ("review.completed", "review", "review", "none", "completed", None),
        # by their words: what is deleted must be the target itself
        ("iam.DeleteRole", "configuration", "role", "change", "deleted", "configuration"),
        ("iam.DeleteRolePolicy", "configuration", "role", "change", "modified", "configuration"),
        ("lambda.CreateFunction20150331", "configuration", "function", "change", "created", "configuration"),
        ("s3.DeleteBucket", "configuration", "AWS::S3::Bucket", "change", "deleted", "configuration"),
        ("cloudtrail.StopLogging", "configuration", "trail", "change", "stopped", "configuration"),
        ("iam.AttachUserPolicy", "configuration", "user", "account", "modified", "AAA"),
        ("org.update_member", "access", "user", "account", "modified", "AAA"),
        ("repo.destroy", "configuration", "repository", "change", "deleted", "configuration"),
        ("role.added", "access", "role", "change", "created", "AAA"),
        ("ec2.DescribeInstances", "access", None, "none", "read", None),
        ("s3.DeleteObject", "data", "AWS::S3::Object", "none", "deleted", None),
        ("sts.AssumeRole", "authentication", "role", "authentication", "success", None),
        ("user.two_factor_challenge_success", "authentication", "user", "authentication", "success", None),
        ("sns.Publish", "configuration", "topic", "none", "unknown", None),
    ],
)  # fmt: skip
def test_model_and_words_of_an_action(drops, splunk, action, category, kind, model, word, change):
    targets = [{"type": kind, "id": "t1", "name": "T"}] if kind else []
    (event,) = splunk([drops.event(0, action=action, category=category, target_type=kind, targets=targets)])
    assert (event["cim"], event["action"], event.get("change_type")) == (model, word, change)


def test_outcomes(drops, splunk):
    rows = [
        {"action": action, "outcome": outcome} for action in ("authentication.login", "guardrail.updated") for outcome in OUTCOMES
    ]
    said = [(event["action"], event["status"], event.get("result")) for event in splunk(numbered(drops, rows))]
    assert said == [
        ("success", "success", None), ("failure", "failure", None), ("pending", "unknown", None),
        ("modified", "success", None), ("modified", "failure", "failure"), ("modified", "success", "outcome unknown"),
    ]  # fmt: skip


def test_of_an_account_change_user_is_who_was_changed(drops, splunk):
    targets = [{"type": "seat", "id": "s1", "name": "Seat 1"}, {"type": "user", "id": "usr_9", "name": "grace@example.com"}]
    (event,) = splunk([drops.event(0, action="seat.removed", targets=targets)])
    assert (event["user"], event["user_id"], event["src_user"], event["src_user_id"]) == (
        "grace@example.com", "usr_9", "ada@example.com", "usr_7",
    )  # fmt: skip
    assert (event["object_category"], event["object"], event["object_id"]) == ("user", "grace@example.com", "usr_9")


def test_one_event_in_full(drops, publish):
    changes = [{"field": "max", "before": "1.00", "after": '{"a": [1, "x"]}'}, {"field": "on", "before": None, "after": "true"}]
    made = publish(
        [drops.event(5, changes=changes, api_key_id="key_1", request_id="req_1", outcome="failure")], *FORMATS, first=5
    )
    (line,) = publish.lines(made, "splunk")
    event = {
        "time": "2026-01-05T00:00:05.250000Z", "event_id": "terracotta/evt_000005", "event_type": "guardrail.updated", "cim": "change",
        "action": "modified", "status": "failure", "result": "failure", "app": "terracotta", "dest": "terracotta", "dvc": "terracotta",
        "src": "198.51.100.7", "user": "ada@example.com", "user_id": "usr_7", "user_name": "Ada Lovelace",
        "user_email": "ada@example.com", "user_type": "user", "user_agent": "Mozilla/5.0", "session_id": "ses_1",
        "change_type": "configuration", "command": "guardrail.updated", "object_category": "guardrail", "object": "No public buckets",
        "object_id": "gr_1", "object_attrs": ["max", "on"], "vendor_product": "Terracotta", "vendor_account": "org_8842",
        "audit": {
            "event_id": "evt_000005", "leaf_index": 5, "dialect": "terracotta", "category": "configuration", "outcome": "failure",
            "target_type": "guardrail", "targets": [{"type": "guardrail", "id": "gr_1", "name": "No public buckets"}],
            "changes": [changes[0], {"field": "on", "after": "true"}], "api_key_id": "key_1", "request_id": "req_1",
            "extracted_at": "2026-01-06T01:30:00.123456Z",
        },
    }  # fmt: skip
    assert json.loads(line) == event
    (line,) = publish.lines(made, "splunk_hec")
    assert line.startswith(b'{"time":1767571205.250000,"host":"terracotta",')
    assert json.loads(line)["event"] == event


@pytest.mark.parametrize(
    "when",
    [
        datetime(2026, 1, 5, 23, 59, 59, 999999, UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 58, 500000, UTC),
    ],
)
def test_hec_time_is_exact(drops, publish, when):
    made = publish([drops.event(0, occurred_at=when)], "splunk_hec")
    (line,) = publish.lines(made, "splunk_hec")
    written = re.match(rb'\{"time":(-?\d+)\.(\d{6}),', line)
    whole, micro = int(written[1]), int(written[2])
    sign = -1 if written[1].startswith(b"-") else 1
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=whole, microseconds=sign * micro) == when


def test_line_1_is_an_event_that_splunk_can_count(drops, publish):
    made = publish([drops.event(0)], *FORMATS)
    heads = [(publish.drops / entry.files[0].path).read_bytes().split(b"\n")[0] for entry in made.formats]
    bare, enveloped = map(json.loads, heads)
    assert list(bare)[:2] == ["time", "batch"]  # the time stamp comes first
    assert bare["time"] == "2026-01-06T01:30:00.123456Z"
    assert (bare["event_type"], bare["batch"]["count"]) == ("batch", 1)
    assert bare["event_id"] == f"acme/{bare['batch']['id']}"
    assert (enveloped["event"]["batch"]["format"], enveloped["sourcetype"]) == ("splunk_hec", "audit_pipelines:event")
    assert b'"time":1767663000.123456,' in heads[1]
    assert all(
        b'"sha256":"' + entry.files[0].body_sha256.encode() in head[:256] for head, entry in zip(heads, made.formats, strict=True)
    )


def test_hec_batches_stay_in_the_limits(drops, publish):
    """Many posters send 1 MB at a time: no envelope may come near it, none may lack an event or hold a list of them."""
    made = publish([drops.event(number, user_agent="x" * 7000 * number) for number in range(3)], "splunk_hec")
    (file,) = made.formats[0].files
    for line in (publish.drops / file.path).read_bytes().splitlines():
        value = json.loads(line)
        assert isinstance(value["event"], dict)
        assert len(line) <= 8000
        assert set(value) <= {"time", "host", "source", "sourcetype", "event"}


LONG = "\x7f\u2028\x00" * 10_000
TEXTS = (
    "uid", "event_id", "source", "dialect", "org_id", "category", "outcome", "actor_type", "actor_id", "actor_name", "actor_email",
    "target_id", "target_name", "source_ip", "user_agent", "api_key_id", "session_id", "request_id",
)  # fmt: skip


@pytest.mark.parametrize(
    "text", [LONG, "\x7f" * 110, "\x85" * 55, '"' * 55], ids=["long", "six bytes of one", "six bytes of two", "two bytes of one"]
)
def test_no_line_is_ever_longer_than_the_least_budget(drops, publish, text):
    things = [{"type": text, "id": "i", "name": text}] * 8
    changed = [{"field": text, "before": json.dumps(text), "after": "no JSON " + text}] * 8
    unlike = {name: f"{number}{text}" for number, name in enumerate(TEXTS)}
    actions = ("seat.added", "iam.AttachUserPolicy", "authentication.login", text)
    rows = [unlike | {"uid": f"{n}{text}", "action": action, "target_type": "user"} for n, action in enumerate(actions)]
    made = publish(
        [drops.event(n, targets=things, changes=changed, **row) for n, row in enumerate(rows)], *FORMATS, line_budget=6000
    )
    for entry in made.formats:
        lines = publish.lines(made, entry.format)
        assert max(map(len, lines)) - 1 <= 6000
        assert all(b'"truncated":true' in line for line in lines)
        assert entry.files[0].rows_truncated == len(rows)
        drops.check_bytes(publish.drops / entry.files[0].path)


def test_the_check_finds_what_is_wrong(drops, splunk, cim):
    """The list is worth something only if it refuses."""
    login, update, seat = splunk(
        numbered(drops, [{"action": action} for action in ("authentication.login", "guardrail.updated", "seat.added")])
    )
    assert cim.problems(login) == cim.problems(update) == cim.problems(seat) == []
    assert cim.problems(login | {"action": "ok"}) != []
    assert cim.problems(login | {"src": ""}) != []
    assert cim.problems(update | {"object_category": "user"}) != []
    assert cim.problems(update | {"object_id": 'a"b'}) != []
    assert cim.problems(update | {"status": "failure"}) != []
    assert cim.problems(seat | {"object_category": "seat"}) != []
    assert cim.problems({name: value for name, value in seat.items() if name != "src_user"}) != []
    assert cim.problems({name: value for name, value in update.items() if name != "command"}) != []
    assert cim.problems(login | {"src_category": "web"}) != []
