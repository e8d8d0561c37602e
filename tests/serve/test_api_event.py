"""GET /v1/audit-logs/{id}: one event, its record, and a proof that holds; and what is said of events that are not shown."""

import base64
import json
from datetime import UTC, date, datetime

import pytest

from audit_pipelines.defs import keeping
from audit_pipelines.defs.station import Station
from audit_pipelines.seal.standalone import leaf_hash
from tests.defs.conftest import Yard, record
from tests.seal.conftest import load
from tests.serve.conftest import Clock, opened

reference = load("reference")


@pytest.fixture(scope="module")
def client(sealed_door):
    return sealed_door.client(sealed_door.token("read"))


def proof_of(found: dict) -> tuple[bytes, int, list[bytes], bytes]:
    """Salt, index, path and checkpoint of a C2SP tlog-proof."""
    head, checkpoint = found["proof"]["tlog_proof"].split("\n\n", 1)
    version, extra, index, *path = head.split("\n")
    assert version == "c2sp.org/tlog-proof@v1"
    hashes = [base64.b64decode(line) for line in path]
    return base64.b64decode(extra.removeprefix("extra ")), int(index.removeprefix("index ")), hashes, checkpoint


@pytest.mark.parametrize("number", [0, 1, 255, 256, 3000, 7102])
def test_the_proof_leads_from_the_record_to_the_signed_root(client, sealed_records, number):
    id_ = json.loads(sealed_records[number])["id"]
    found = client.get(f"/v1/audit-logs/terracotta/{id_}").raise_for_status().json()
    salt, index, path, checkpoint = proof_of(found)
    assert found["record"].encode() == sealed_records[number]
    leaf = leaf_hash(salt + found["record"].encode())
    _, size, root, *_ = checkpoint.split("\n")
    assert reference.root_by(leaf, index, int(size), path) == base64.b64decode(root)
    proof = found["proof"]
    assert (proof["leaf_hash"], proof["salt"], proof["leaf_index"]) == (leaf.hex(), salt.hex(), index)
    assert (proof["log_size"], proof["checkpoint"]) == (int(size), checkpoint)


def test_the_event_is_the_one_of_the_list(client):
    (listed,) = client.get("/v1/audit-logs?limit=1").json()["data"]
    found = client.get(f"/v1/audit-logs/{listed['uid']}").json()
    assert found["event"] == listed
    assert json.loads(found["record"])["id"] == listed["event_id"]


def test_the_evidence_is_where_it_is_said_to_be(sealed, client):
    (listed,) = client.get("/v1/audit-logs?limit=1").json()["data"]
    evidence = client.get(f"/v1/audit-logs/{listed['uid']}").json()["evidence"]
    assert evidence["path"].endswith(".zst")
    assert (sealed.root / evidence["path"]).is_file()
    assert evidence["batch"] == 3


def test_uid_source_id_and_an_escaped_slash_name_the_same_event(client):
    (listed,) = client.get("/v1/audit-logs?limit=1").json()["data"]
    names = [listed["uid"], listed["event_id"], listed["uid"].replace("/", "%2F")]
    assert len({client.get(f"/v1/audit-logs/{name}").content for name in names}) == 1


def test_an_unchanged_event_is_304(client):
    (listed,) = client.get("/v1/audit-logs?limit=1").json()["data"]
    first = client.get(f"/v1/audit-logs/{listed['uid']}")
    again = client.get(f"/v1/audit-logs/{listed['uid']}", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "name", ["nothing", "terracotta/nothing", "%00", "..%2f..%2faudit.toml", "x" * 3000, "%F0%9F%98%80", "", "/"]
)
def test_an_id_that_nothing_has(client, name):
    answer = client.get(f"/v1/audit-logs/{name}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_the_access_log_says_which_event_was_looked_at(sealed_door, client):
    (listed,) = client.get("/v1/audit-logs?limit=1").json()["data"]
    last = sealed_door.record_of(client.get(f"/v1/audit-logs/{listed['event_id']}"))
    assert last["action"] == "audit_log.event_viewed"
    assert last["targets"] == [{"type": "event", "id": listed["uid"], "name": None}]


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A home with an id of which there are two records, and an event that was erased; served."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", "")
        patch.setenv("AUDIT_HOME", "")
        yard = Yard(tmp_path_factory.mktemp("odd"))
        yard.put("a.ndjson", [record(number, f"2026-01-02T10:00:0{number}Z") for number in range(5)])
        yard.put("b.ndjson", [record(3, "2026-01-02T11:00:00Z", outcome="failure")])
        yard.night(date(2026, 1, 3))
        station = Station(yard.home, "erasing", now=lambda: datetime(2026, 1, 3, 9, tzinfo=UTC))
        keeping.erase(station, ["terracotta/evt_000001"], [], ground="request 12", approver="dpo")
        station.close()
    clock = Clock()
    clock.time = datetime(2026, 1, 4, tzinfo=UTC)
    with opened(yard.home, clock) as door:
        yield door


def test_an_id_that_several_events_have_asks_for_a_uid(odd):
    client = odd.client(odd.token("read"))
    answer = client.get("/v1/audit-logs/evt_000003")
    assert answer.status_code == 409
    assert "terracotta/evt_000003, terracotta/evt_000003~2" in answer.json()["detail"]
    assert client.get("/v1/audit-logs/terracotta/evt_000003~2").json()["event"]["outcome"] == "failure"


def test_an_erased_event_is_gone_and_only_who_sees_all_is_told(odd):
    for name in ("terracotta/evt_000001", "evt_000001"):
        answer = odd.client(odd.token("read")).get(f"/v1/audit-logs/{name}")
        assert (answer.status_code, "was erased" in answer.json()["detail"]) == (410, True)
        assert odd.linked(actor="usr_1").get(f"/v1/audit-logs/{name}").status_code == 404
        assert odd.linked(actor="usr_2").get(f"/v1/audit-logs/{name}").status_code == 404
    listed = odd.client(odd.token("read")).get("/v1/audit-logs?format=record").json()
    assert [entry["id"] for entry in listed["data"]] == ["evt_000003", "evt_000004", "evt_000003", "evt_000002", "evt_000000"]
    assert (listed["total"], listed["log"]["size"]) == (5, 6)
