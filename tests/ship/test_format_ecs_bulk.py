"""The ecs_bulk format: the documents of `ecs` behind `create` actions, as bodies that the official clients send as they are."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import elasticsearch
import opensearchpy
import opensearchpy.helpers
import pytest
from elasticsearch import helpers

from audit_pipelines.event import CATEGORIES, OUTCOMES
from audit_pipelines.ship.format import load_format, render
from audit_pipelines.shipped import shipped

FORMAT = load_format("ecs_bulk", [shipped("templates") / "siem"])
KNOWN = [action for action, *_ in render(FORMAT, line_budget=8000, organisation="acme").module.actions]
HOSTILE = ["\x00", "\x7f", "\u2028", '"', "\\", "\n", "\r\n", "\U0001f600", ":null", "x" * 3000, ""]


def pairs(publish, made) -> list[tuple[dict, dict]]:
    """(action, document) of every event, batch records left out."""
    values = [json.loads(line) for line in publish.lines(made, "ecs_bulk")]
    return list(zip(values[::2], values[1::2], strict=True))


def test_a_file_is_a_body_of_at_most_ten_megabytes():
    assert (FORMAT.delivery, FORMAT.lines, FORMAT.file_bytes) == ("post", 2, 10_000_000)


def test_documents_are_those_of_ecs_and_valid(drops, publish, ecs):
    columns = [
        {"action": action, "category": c, "outcome": o}
        for action in [*KNOWN, "odd", None]
        for c, o in zip(CATEGORIES, OUTCOMES * 3, strict=False)
    ]
    columns += [
        {name: text}
        for name in ("action", "actor_name", "source_ip", "user_agent", "uid")
        for text in HOSTILE
        if text or name != "uid"
    ]
    events = [drops.event(number, **{"uid": f"terracotta/{number}"} | row) for number, row in enumerate(columns)]
    made = publish(events, "ecs", "ecs_bulk")
    found = pairs(publish, made)
    assert [document for _, document in found] == [json.loads(line) for line in publish.lines(made, "ecs")]
    assert {problem for _, document in found for problem in ecs.problems(document)} == set()
    for action, document in found:
        assert action == {"create": {"_id": document["doc_id"]}}
    assert len({action["create"]["_id"] for action, _ in found}) == len(events)
    for file in made.formats[1].files:
        assert len(drops.check_bytes(publish.drops / file.path, lines=2)) == file.rows


def test_an_id_is_never_longer_than_elasticsearch_takes(drops, publish):
    uids = ["s/" + "ü" * 600, "s/" + "\u2028" * 600, "s/" + "x" * 119, "s/" + "x" * 80]
    made = publish([drops.event(n, uid=uid) for n, uid in enumerate(uids)], "ecs", "ecs_bulk", line_budget=0)
    found = pairs(publish, made)
    assert all(len(action["create"]["_id"].encode()) <= 512 for action, _ in found)
    assert [document["event"]["id"] for _, document in found] == uids
    assert found[3][0]["create"]["_id"] == uids[3]
    assert found[2][0]["create"]["_id"] != uids[2]


def test_a_long_event_keeps_its_id_under_any_budget(drops, publish):
    rows = [drops.event(0, uid="s/" + "x" * 200, user_agent="a" * 9000)]
    made = [publish(rows, "ecs_bulk", seq=seq, line_budget=budget) for seq, budget in ((1, 0), (2, 6000))]
    (whole, _), (cut, document) = (pairs(publish, one)[0] for one in made)
    assert whole == cut
    assert document["audit_pipelines"]["truncated"] is True


WORST = ["\x7f" * 118, "\u2028" * 39, '"' * 58, "\x7f\u2028\x00" * 300]
COLUMNS = (
    "uid", "event_id", "source", "dialect", "org_id", "category", "action", "outcome", "actor_type", "actor_id", "actor_name",
    "actor_email", "target_type", "target_id", "target_name", "source_ip", "user_agent", "api_key_id", "session_id", "request_id",
)  # fmt: skip


@pytest.mark.parametrize("worst", range(len(WORST)))
def test_texts_that_grow_most_when_escaped_stay_within_the_least_budget(drops, publish, ecs, worst):
    text = WORST[worst]
    things = [{"type": text, "id": "i", "name": text}] * 30
    changed = [{"field": text, "before": json.dumps(text), "after": "not JSON " + text}] * 30
    columns = {name: f"{number}{text}" for number, name in enumerate(COLUMNS)} | {
        "targets": things,
        "changes": changed,
        "outcome": "failure",
    }
    rows = [drops.event(0, **columns), drops.event(1, **columns | {"action": "seat.added", "uid": f"u{text}"})]
    made = publish(rows, "generic", "ecs", "ecs_bulk", line_budget=6000)
    for form in ("generic", "ecs", "ecs_bulk"):
        assert max(map(len, publish.lines(made, form))) <= 6001
    assert {problem for _, document in pairs(publish, made) for problem in ecs.problems(document)} == set()


def test_every_real_record_is_valid(publish, real, ecs):
    connection = real()
    (count,) = connection.execute("SELECT count(*) FROM events").fetchone()
    found = pairs(publish, publish(connection, "ecs_bulk"))
    assert len({action["create"]["_id"] for action, _ in found}) == count > 0
    assert {problem for _, document in found for problem in ecs.problems(document)} == set()


def test_the_batch_record_is_a_document_too(drops, publish, ecs):
    made = publish([], "ecs_bulk")
    action, document = publish.files()[made.formats[0].files[0].path].split(b"\n")[:2]
    assert json.loads(action) == {"create": {"_id": json.loads(document)["doc_id"]}}
    assert ecs.problems(json.loads(document)) == []
    assert json.loads(document)["audit_pipelines"]["batch"]["count"] == 0


class Index(ThreadingHTTPServer):
    """The part of the _bulk API that counts: a strict reader of actions, and one document an id."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.documents: dict[str, dict] = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def bulk(self, body: bytes) -> list[dict]:
        assert body.endswith(b"\n")
        lines = body.split(b"\n")[:-1]
        items = []
        for action, document in zip(lines[::2], lines[1::2], strict=True):
            ((kind, target),) = json.loads(action).items()
            assert kind == "create"
            new = target["_id"] not in self.documents
            self.documents.setdefault(target["_id"], json.loads(document))
            error = {} if new else {"error": {"type": "version_conflict_engine_exception", "reason": "document already exists"}}
            items.append({kind: {"_id": target["_id"], "status": 201 if new else 409, **error}})
        return items


class Answers(BaseHTTPRequestHandler):
    server: Index

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["Content-Type"].endswith(("x-ndjson", "x-ndjson; compatible-with=9", "application/json"))
        items = self.server.bulk(body)
        errors = any(item["create"]["status"] != 201 for item in items)
        answer = json.dumps({"took": 1, "errors": errors, "items": items}).encode()
        self.send_response(200)
        self.send_header("X-Elastic-Product", "Elasticsearch")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def do_PUT(self) -> None:
        self.do_POST()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def index():
    server = Index()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def body(drops, publish) -> bytes:
    made = publish([drops.event(n, action=action) for n, action in enumerate(KNOWN)], "ecs_bulk")
    return publish.files()[made.formats[0].files[0].path]


def test_opensearch_py_sends_a_file_as_it_is_and_once_more_without_doubles(body, index):
    client = opensearchpy.OpenSearch(index.url)
    first = client.bulk(body=body.decode(), index="audit")
    again = client.bulk(body=body.decode(), index="audit")
    assert not first["errors"]
    assert {item["create"]["status"] for item in again["items"]} == {409}
    assert len(index.documents) == len(KNOWN) + 1


def test_elasticsearch_py_sends_a_file_as_it_is(body, index):
    with elasticsearch.Elasticsearch(index.url) as client:
        answer = client.bulk(operations=body.splitlines(), index="audit")
    assert not answer["errors"]
    assert len(index.documents) == len(KNOWN) + 1


@pytest.mark.parametrize("library", ["elasticsearch", "opensearch"])
def test_the_bulk_helpers_take_the_same_actions(body, index, library):
    lines = [json.loads(line) for line in body.splitlines()]
    actions = [
        {"_op_type": "create", "_index": "audit", **action["create"], **document}
        for action, document in zip(lines[::2], lines[1::2], strict=True)
    ]
    client, bulk = {
        "elasticsearch": (elasticsearch.Elasticsearch(index.url), helpers.bulk),
        "opensearch": (opensearchpy.OpenSearch(index.url), opensearchpy.helpers.bulk),
    }[library]
    assert bulk(client, actions)[0] == len(KNOWN) + 1
    done, errors = bulk(client, actions, raise_on_error=False)
    assert (done, {error["create"]["status"] for error in errors}) == (0, {409})
    assert all("_id" not in document for document in index.documents.values())
    client.close()
