"""The page of one event: everything there is to know of it."""

import html
import re

import pytest


@pytest.fixture
def reader(door):
    return door.client(door.token("read"))


def test_it_says_who_what_where_on_what_and_how_it_was_received(door, reader):
    leaf = 17
    view = door.app.state.reader
    whole = view.events.find(view.log(), [], leaf)
    text = html.unescape(re.sub("<[^>]+>", "", reader.get(f"/audit-logs/events/{leaf}").text))
    event = whole.event
    for name in ("action", "category", "outcome", "actor_name", "source", "event_id", "request_id"):
        assert event[name] in text, name
    for name in ("source_ip", "user_agent", "api_key_id", "session_id", "actor_email"):
        assert (event[name] or "") in text, name
    for target in event["targets"]:
        assert target["id"] in text
    assert whole.record.decode() in text
    assert f"{whole.evidence.path}, line {event['line'] + 1}" in text
    assert whole.leaf_hash.hex() in text
    assert whole.proof.checkpoint.decode() in text


def test_the_record_and_the_proof_are_files(door, reader):
    view = door.app.state.reader
    whole = view.events.find(view.log(), [], 3)
    assert reader.get("/audit-logs/events/3/record").content == whole.record
    proof = reader.get("/audit-logs/events/3/proof")
    assert proof.content == whole.proof.text(whole.salt)
    assert proof.headers["content-disposition"] == 'attachment; filename="test.event-3.tlog-proof"'


def test_each_look_is_recorded_with_the_event_it_was_at(door, reader):
    for path, action in (("", "event_viewed"), ("/record", "record_viewed"), ("/proof", "proof_viewed")):
        reader.get(f"/audit-logs/events/3{path}")
        last = door.records()[-1]
        assert last["action"] == f"audit_log.{action}"
        assert [target["type"] for target in last["targets"]] == ["event"]
        assert last["targets"][0]["id"].startswith("terracotta/")


@pytest.mark.parametrize("leaf", ["999999999", str(2**61)])
def test_a_leaf_that_is_none_is_not_found(reader, leaf):
    assert reader.get(f"/audit-logs/events/{leaf}").status_code == 404


@pytest.mark.parametrize("leaf", ["-1", "x", str(2**70), "1e3"])
def test_what_is_no_number_of_a_leaf_is_refused(reader, leaf):
    assert reader.get(f"/audit-logs/events/{leaf}").status_code == 400
