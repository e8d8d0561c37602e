"""The datadog format against Datadog's limits and its official client: every action, awkward values, real records, line 1."""

import gzip
import hashlib
import ipaddress
import json
import re
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from audit_pipelines.event import CATEGORIES, OUTCOMES
from audit_pipelines.extract import DIALECTS
from audit_pipelines.ship.format import load_format, render
from audit_pipelines.shipped import shipped

FORM = load_format("datadog", [shipped("templates") / "siem"])
MODULE = render(FORM, line_budget=8000, organisation="acme").module
KNOWN = [action for action, *_ in MODULE.actions]
OTHER = ["iam.CreateRole", "sts.AssumeRole", "user.two_factor_challenge_failure", "git.push", "odd", "", None]
TAKEN_AS_TIME = ("timestamp", "date", "_timestamp", "Timestamp", "eventTime", "published_date")
ALLOWED = {"date", "message", "status", "ddsource", "service", "ddtags", "evt", "usr", "network", "http", "audit"}


def leaves(value, path=(), depth=1) -> Iterator[tuple[tuple[str, ...], object, int]]:
    """Path, value and depth of every attribute; each element of a list counts as one."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key), depth + isinstance(inner, dict | list))
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, path, depth)
    else:
        yield path, value, depth


def problems(log: dict) -> list[str]:
    """What Datadog would refuse, cut or read otherwise."""
    found = [f"{name} is unknown at the top" for name in set(log) - ALLOWED]
    found += [
        f"{name} must be text"
        for name in ("message", "ddsource", "service", "ddtags", "status")
        if not isinstance(log.get(name), str) or not log[name]
    ]
    attributes = list(leaves(log))
    if len(attributes) >= 256:
        found.append(f"{len(attributes)} attributes")
    for path, value, depth in attributes:
        if depth >= 10:
            found.append(f"{path} is {depth} deep")
        if any(len(key) >= 50 for key in path):
            found.append(f"{path} has a long key")
        if isinstance(value, str) and len(value.encode()) > (75 if path == ("message",) else 25) * 1024:
            found.append(f"{path} is cut when grouped")
    for tag in log.get("ddtags", "").split(","):
        if not re.fullmatch(r"[a-z][a-z0-9_.:/-]{0,199}", tag) or ":" not in tag:
            found.append(f"{tag!r} is no tag")
    if len(json.dumps(log).encode()) > 1_000_000:
        found.append("more than 1 MB")
    return found


@pytest.fixture
def logs(publish):
    def run(rows, **settings) -> list[dict]:
        made = publish(rows, "datadog", **settings)
        return [json.loads(line) for line in publish.lines(made, "datadog")]

    return run


def numbered(drops, rows: list[dict]) -> list[dict]:
    return [drops.event(number, **row) for number, row in enumerate(rows)]


def test_every_action_of_a_dialect_is_in_the_table_once():
    named = {name for path in DIALECTS.glob("*.sql") for name in re.findall(r"THEN '([a-z_]+\.[a-z_]+)'", path.read_text())}
    assert len(set(KNOWN)) == len(KNOWN)
    assert set(KNOWN) >= named >= {"authentication.login", "drift_scan.initiated"}


def test_every_log_keeps_the_limits(drops, logs):
    rows = [
        {"action": action, "category": category, "outcome": outcome}
        for action in KNOWN + OTHER
        for category in (*CATEGORIES, None)
        for outcome in OUTCOMES
    ]
    found = logs(numbered(drops, rows))
    assert len(found) == len(rows)
    assert {problem for log in found for problem in problems(log)} == set()
    words = {log["evt"]["category"] for log in found}
    assert words == {"authentication", "iam", "configuration", "billing", "review", "drift", "data", "other"}
    assert {(log["status"], log["evt"]["outcome"]) for log in found} == {
        ("info", "success"),
        ("warn", "failure"),
        ("info", "unknown"),
    }


@pytest.mark.parametrize("budget", [None, 0, 6000, 900_000])
def test_a_huge_event_keeps_the_limits_whatever_the_budget(drops, logs, budget):
    many = [
        {"field": f"field {n} " + "k" * 60, "before": json.dumps({"deep": [[[[[[[[[[[["x"]]]]]]]]]]]]}), "after": "1"}
        for n in range(300)
    ]
    targets = [{"type": "t", "id": str(n), "name": "n" * 90} for n in range(300)]
    names = ("user_agent", "actor_name", "target_name", "source_ip", "session_id", "request_id", "api_key_id", "org_id", "action")
    long = "ü\x7f" * 20_000
    rows = [{name: long} for name in names] + [
        {"changes": many, "targets": targets},
        {"changes": many[:2], "targets": targets[:2]},
    ]
    rows += [dict.fromkeys(names, "\x7f" * 118) | {"targets": targets, "changes": many}]
    found = logs(numbered(drops, rows), line_budget=budget)
    assert {problem for log in found for problem in problems(log)} == set()
    assert [log["audit"].get("truncated", False) for log in found] == [True] * 10 + [False, True]
    assert json.loads(found[-2]["audit"]["changes"])[0]["before"] == {"deep": [[[[[[[[[[[["x"]]]]]]]]]]]]}
    assert found[0]["http"]["useragent"] == f"{long[:8]}~60000~{hashlib.sha256(long.encode()).hexdigest()}"


def test_real_records(real, publish):
    connection = real()
    made = publish(connection, "datadog")
    found = [json.loads(line) for line in publish.lines(made, "datadog")]
    count = connection.execute("SELECT count(*) FROM events").fetchone()[0]
    assert len({log["evt"]["id"] for log in found}) == len(found) == count
    assert {problem for log in found for problem in problems(log)} == set()
    assert not any("date" in log for log in found), "they are years old, and one case is of the future"
    assert {tag for log in found for tag in log["ddtags"].split(",")} <= {
        "organisation:acme",
        "late_event:true",
        "early_event:true",
    }
    for log in found:
        if "network" in log:
            ipaddress.ip_address(log["network"]["client"]["ip"])
    assert any("source_address" in log["audit"] for log in found)  # an AWS service instead of an address


def test_no_reserved_date_is_older_than_datadog_takes(drops, logs):
    """G7: Datadog takes 18 hours back and 2 ahead; half an hour is kept for the delivery."""
    past, ahead, tick = timedelta(hours=17, minutes=30), timedelta(hours=2), timedelta(microseconds=1)
    moments = [
        drops.EXTRACTED - past - tick,
        drops.EXTRACTED - past,
        drops.EXTRACTED,
        drops.EXTRACTED + ahead,
        drops.EXTRACTED + ahead + tick,
    ]
    found = logs([drops.event(number, occurred_at=moment) for number, moment in enumerate(moments)])
    assert [log["audit"]["event_time"] for log in found] == [f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}" for moment in moments]
    assert [log.get("date") for log in found] == [None, *(log["audit"]["event_time"] for log in found[1:4]), None]
    assert [log["ddtags"] for log in found] == [
        "organisation:acme,late_event:true", "organisation:acme", "organisation:acme", "organisation:acme", "organisation:acme,early_event:true",
    ]  # fmt: skip
    assert not any(name in log for log in found for name in TAKEN_AS_TIME if name != "date")


def test_age_counts_at_the_time_of_the_batch_that_is_published(drops):
    """Where the publisher says `now`, it counts; else the events' own extracted_at."""
    connection = drops.relation([drops.event(0, occurred_at=drops.EXTRACTED)])
    for now, dated in (("", True), ("2026-01-06T19:00:00.123456Z", True), ("2026-01-06T19:00:00.123457Z", False)):
        sql = render(FORM, line_budget=8000, organisation="acme", now=now).sql
        ((line,),) = connection.execute(f"SELECT line FROM ({sql})").fetchall()
        assert ("date" in json.loads(line)) is dated


@pytest.mark.parametrize(
    ("action", "category", "word"),
    [
        ("authentication.login", "authentication", "authentication"), ("api_key.created", "authentication", "iam"), ("seat.added", "billing", "iam"),
        ("guardrail.updated", "configuration", "configuration"), ("plan.changed", "billing", "billing"), ("review.triggered", "review", "review"),
        ("drift_scan.completed", "drift", "drift"), ("sts.AssumeRole", "authentication", "authentication"),
        ("iam.CreateLoginProfile", "authentication", "iam"), ("team.add_member", "access", "iam"), ("s3.GetObject", "data", "data"), ("odd", None, "other"),
    ],
)  # fmt: skip
def test_category_of_an_action(drops, logs, action, category, word):
    (log,) = logs([drops.event(0, action=action, category=category)])
    assert (log["evt"]["name"], log["evt"]["category"]) == (action, word)


def test_one_log_in_full(drops, logs):
    changes = [{"field": "max", "before": "1.00", "after": '{"a": [1, "x"]}'}, {"field": "on", "before": None, "after": "true"}]
    when = datetime.fromisoformat("2026-01-05T23:00:05.250000Z")
    row = drops.event(5, occurred_at=when, changes=changes, api_key_id="key_1", request_id="req_1", outcome="failure")
    (log,) = logs([row], first=5)
    assert log == {
        "date": "2026-01-05T23:00:05.250000Z",
        "message": "Ada Lovelace guardrail.updated guardrail No public buckets (failure)",
        "status": "warn", "ddsource": "audit-pipelines", "service": "terracotta", "ddtags": "organisation:acme",
        "evt": {"id": "terracotta/evt_000005", "name": "guardrail.updated", "category": "configuration", "outcome": "failure"},
        "usr": {"id": "usr_7", "name": "Ada Lovelace", "email": "ada@example.com"},
        "network": {"client": {"ip": "198.51.100.7"}},
        "http": {"useragent": "Mozilla/5.0"},
        "audit": {
            "event_time": "2026-01-05T23:00:05.250000Z", "event_id": "evt_000005", "leaf_index": 5, "dialect": "terracotta",
            "org_id": "org_8842", "category": "configuration", "actor_type": "user",
            "target": {"type": "guardrail", "id": "gr_1", "name": "No public buckets"}, "changed": ["max", "on"],
            "changes": '[{"field":"max","before":1.00,"after":{"a": [1, "x"]}},{"field":"on","after":true}]',
            "api_key_id": "key_1", "session_id": "ses_1", "request_id": "req_1", "extracted_at": "2026-01-06T01:30:00.123456Z",
        },
    }  # fmt: skip


def test_targets_are_there_when_they_say_more_than_the_first(drops, logs):
    first, second = {"type": "guardrail", "id": "gr_1", "name": "No public buckets"}, {"type": "user", "id": "u", "name": None}
    one, two, other, none = logs(
        numbered(drops, [{"targets": [first]}, {"targets": [first, second]}, {"targets": [second]}, {"targets": []}])
    )
    assert "targets" not in one["audit"]
    assert "targets" not in none["audit"]
    assert json.loads(two["audit"]["targets"]) == [first, {"type": "user", "id": "u"}]
    assert json.loads(other["audit"]["targets"]) == [{"type": "user", "id": "u"}]


def test_line_1_is_a_log_too(drops, publish):
    for rows in ([drops.event(0)], []):
        made = publish(rows, "datadog", seq=8 - len(rows))
        head = (publish.drops / made.formats[0].files[0].path).read_bytes().split(b"\n")[0]
        log = json.loads(head)
        assert problems(log) == []
        assert (log["evt"]["name"], log["audit"]["batch"]["count"]) == ("batch", len(rows))
        assert log["evt"]["id"] == f"acme/{log['audit']['batch']['id']}"
        assert log["date"] == "2026-01-06T01:30:00.123456Z"
        assert b'"sha256":"' + made.formats[0].files[0].body_sha256.encode() in head[:256]


@pytest.fixture
def intake() -> Iterator[tuple[str, list]]:
    """A loopback server in the place of Datadog's: its address, and the requests it was sent."""
    requests = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            requests.append((self.path, dict(self.headers), body))
            self.send_response(202)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", requests
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_official_client_sends_every_line_unchanged(real, drops, publish, intake):
    """Its model checks each log; a request has at most 1,000 logs and 5 MB."""
    client = pytest.importorskip("datadog_api_client", reason="datadog-api-client is not installed: pip install --group siem")
    from datadog_api_client.v2.api.logs_api import LogsApi
    from datadog_api_client.v2.model.content_encoding import ContentEncoding
    from datadog_api_client.v2.model.http_log import HTTPLog
    from datadog_api_client.v2.model.http_log_item import HTTPLogItem

    address, requests = intake
    made = publish(real(), "datadog")
    sent = [json.loads(line) for file in made.formats[0].files for line in drops.content(publish.drops / file.path).splitlines()]
    configuration = client.Configuration(api_key={"apiKeyAuth": "key"})
    configuration.enable_retry = False
    with client.ApiClient(configuration) as api_client:
        api = LogsApi(api_client)
        api._submit_log_endpoint.settings["servers"] = [{"url": address, "description": "loopback"}]
        for start in range(0, len(sent), 1000):
            logs = HTTPLog([HTTPLogItem(**log) for log in sent[start : start + 1000]])
            api.submit_log(logs, content_encoding=ContentEncoding.GZIP)
    got = []
    for path, headers, body in requests:
        raw = gzip.decompress(body)
        assert (path, headers["DD-API-KEY"]) == ("/api/v2/logs", "key")
        assert len(raw) <= 5_000_000
        got += json.loads(raw)
    assert got == sent
    assert len(sent) == made.totals.events + 1


def test_the_check_finds_what_is_wrong(drops, logs):
    """The limits are worth something only if they refuse."""
    (log,) = logs([drops.event(0)])
    assert problems(log) == []
    deep = "x"
    for _ in range(10):
        deep = {"k": deep}
    assert problems(log | {"message": ""}) != []
    assert problems(log | {"eventTime": "2026-01-05T00:00:00Z"}) != []
    assert problems(log | {"audit": {f"k{n}": n for n in range(256)}}) != []
    assert problems(log | {"audit": deep}) != []
    assert problems(log | {"audit": {"k" * 50: 1}}) != []
    assert problems(log | {"audit": {"k": "x" * 26_000}}) != []
    assert problems(log | {"ddtags": "Organisation:Acme"}) != []
