"""Reading the log is logged: what becomes a record, what it says, and that no answer goes out before it."""

import asyncio
import os
import stat
from typing import Annotated

import pytest
from fastapi import APIRouter, Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import StreamingResponse

from audit_pipelines.serve import access
from audit_pipelines.serve import app as application
from audit_pipelines.serve.principal import Principal
from audit_pipelines.serve.security import needs

routes = APIRouter()
Reads = Annotated[Principal, Depends(needs("read", action="audit_log.searched"))]
CORS = {"sec-fetch-mode": "cors"}


@routes.get("/probe")
async def viewer(request: Request, principal: Reads, wanted: int = 0) -> dict:
    access.touched(request, "event", "terracotta/evt_1", "a login")
    if not request.query_params:
        access.sharpen(request, "audit_log.viewed")
    if wanted == 404:
        raise HTTPException(404)
    if wanted == 500:
        raise ZeroDivisionError
    return {"wanted": wanted}


@routes.get("/probe/file")
async def file(principal: Annotated[Principal, Depends(needs("export", action="audit_log.exported"))]) -> StreamingResponse:
    async def parts():
        for _ in range(3):
            yield b"line\n"

    return StreamingResponse(parts())


@pytest.fixture
def door(serving):
    with serving("", routes) as door:
        yield door


def test_a_request_with_a_token_says_who_what_and_from_where(door):
    client = door.client(door.token("read", name="SIEM"))
    answer = client.get("/probe?wanted=1", headers={"user-agent": "curl/8"})
    (made,) = door.records()
    token = made["context"]["api_key_id"]
    assert token.startswith("tok_")
    assert made["id"].startswith("acc_")
    assert made | {"id": ""} == {
        "id": "",
        "time": "2026-05-05T12:00:00.000000Z",
        "action": "audit_log.searched",
        "outcome": "success",
        "status": 200,
        "actor": {"type": "service", "id": token, "name": "SIEM", "email": None},
        "context": {
            "ip": "127.0.0.1",
            "user_agent": "curl/8",
            "session_id": None,
            "api_key_id": token,
            "request_id": answer.headers["x-request-id"],
        },
        "request": {"method": "GET", "path": "/probe", "query": "wanted=1"},
        "targets": [{"type": "event", "id": "terracotta/evt_1", "name": "a login"}],
    }


def test_a_session_is_a_user_and_its_sign_in_and_out_are_recorded(door):
    client = door.signed_in(door.token("read", name="Alice"))
    client.get("/probe")
    door.post_form(client, "/sign-out", page="/sign-in")
    records = door.records()
    assert [made["action"] for made in records] == ["authentication.login", "audit_log.viewed", "authentication.logout"]
    assert {(made["actor"]["type"], made["actor"]["name"], made["outcome"]) for made in records} == {("user", "Alice", "success")}
    assert len({made["context"]["session_id"] for made in records}) == 1
    assert records[0]["context"]["session_id"].startswith("ses_")


def test_opening_a_link_is_recorded_without_its_secret(door):
    secret = door.link(actor="usr_1", name="Auditor")
    client = door.client()
    door.post_form(client, f"/l/{secret}")
    (made,) = door.records()
    assert (made["action"], made["request"]["path"]) == ("link.opened", "/l/")
    assert made["targets"] == [{"type": "link", "id": made["actor"]["id"], "name": "Auditor"}]


def test_what_was_denied_or_failed_is_recorded_too(door, clock):
    token, gone = door.token("read", name="SIEM"), door.token("read", name="Gone", days=1)
    client = door.client(token)
    assert client.get("/probe/file").status_code == 403
    assert client.get("/probe?wanted=404").status_code == 404
    assert client.get("/probe?wanted=x").status_code == 400
    assert client.get("/probe?wanted=500").status_code == 500
    clock.passes(days=1)
    assert door.client(gone).get("/probe").status_code == 401
    assert door.client(token[:-3] + "AAA").get("/probe").status_code == 401
    assert [(made["action"], made["outcome"], made["status"], made["actor"]["name"]) for made in door.records()] == [
        ("access.denied", "failure", 403, "SIEM"),
        ("audit_log.searched", "failure", 404, "SIEM"),
        ("audit_log.searched", "failure", 400, "SIEM"),
        ("audit_log.searched", "failure", 500, "SIEM"),
        ("access.denied", "failure", 401, "Gone"),
        ("access.denied", "failure", 401, None),  # its id is known, but anybody may claim an id
    ]


def test_a_failed_sign_in_and_a_session_that_is_over_are_recorded(door, clock):
    client = door.client()
    door.post_form(client, "/sign-in", token="apt_nonsense")
    client = door.signed_in(door.token("read", name="Alice"))
    clock.passes(hours=12)
    client.get("/probe")
    found = [(made["action"], made["outcome"], made["status"], made["actor"]["type"]) for made in door.records()]
    assert found[0] == ("authentication.login", "failure", 401, "unknown")
    assert found[2] == ("access.denied", "failure", 303, "user")


def test_what_reads_nothing_is_not_recorded(door):
    for path in ("/healthz", "/sign-in", "/l/x", "/nothing-here", "/v1/openapi.json"):
        door.client().get(path)
    assert door.client().get("/probe", headers=CORS).status_code == 401
    assert door.records() == []


def test_secrets_and_forms_never_get_into_the_log(door):
    token, link = door.token("read"), door.link(report="2026-04")
    client = door.client(token)
    client.get(f"/probe?token={token}&x={link}", headers={"user-agent": f"x {token}"})
    client.get(f"/nothing/{token}")
    browser = door.signed_in(token)
    door.post_form(browser, f"/l/{link}", note="a word from the form")
    door.post_form(browser, "/sign-in", token=link)
    held = b"".join(file.read_bytes() for file in (door.home.state / "access").iterdir())
    for word in (token[17:], link[17:], "a word from the form"):
        assert word.encode() not in held
    assert f"token={token[:16]}_...".encode() in held


def test_long_and_odd_requests_make_records_that_can_be_read(door):
    client = door.client(door.token("read"))
    client.get("/probe?" + "x" * 9000, headers={"user-agent": b"\xff\x00\x22\x0b".replace(b"\x00", b"").replace(b"\x0b", b"")})
    (made,) = door.records()
    assert len(made["request"]["query"]) == 2048
    assert made["context"]["user_agent"] == '\u00ff"'


def test_a_new_day_has_a_new_file(door, clock):
    client = door.client(door.token("read"))
    client.get("/probe")
    clock.passes(hours=12)
    client.get("/probe")
    assert [path.name[:10] for path in sorted((door.home.state / "access").iterdir())] == ["2026-05-05", "2026-05-06"]


def test_the_clients_address_is_what_a_trusted_proxy_says_and_nobody_elses_word(serving):
    forwarded = {"x-forwarded-for": "203.0.113.9, 198.51.100.7", "x-forwarded-proto": "https"}
    with serving("", routes) as door:
        answer = door.client(door.token("read")).get("/probe", headers=forwarded)
        assert door.record_of(answer)["context"]["ip"] == "127.0.0.1"
    with serving('[serve]\ntrusted_proxies = ["127.0.0.1", "198.51.100.0/24"]\n', routes) as door:
        answer = door.client(door.token("read")).get("/probe", headers=forwarded)
        assert door.record_of(answer)["context"]["ip"] == "203.0.113.9"


@pytest.mark.parametrize("path", ["/probe", "/probe/file"])
def test_nothing_is_served_when_the_log_cannot_be_written(door, path):
    client = door.client(door.token("read", "export"))
    assert client.get(path).status_code == 200
    folder = door.home.state / "access"
    folder.rename(folder.with_name("away"))
    folder.write_text("a file where the folder was")
    door.clock.passes(days=1)
    answer = client.get(path)
    assert answer.status_code == 503
    assert answer.json()["detail"] == "The access log cannot be written, so nothing is shown."
    assert "line" not in answer.text
    folder.unlink()
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/probe", "/probe/file", "/probe?wanted=404", "/probe?wanted=500"])
def test_the_record_is_on_the_disk_before_the_first_byte_goes_out(home, clock, monkeypatch, path):
    from datetime import timedelta

    from audit_pipelines.serve import minting

    _, token = minting.new_token(home, "SIEM", frozenset({"read", "export"}), now=clock(), lasts=timedelta(days=1))
    app = application.build(home, now=clock)
    app.include_router(routes)
    real, order = os.fsync, []

    def fsync(descriptor):
        real(descriptor)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            order.append("synced")

    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        order.append(message["type"])

    monkeypatch.setattr(os, "fsync", fsync)
    target, _, query = path.partition("?")
    headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {token}".encode())]
    scope = {"type": "http", "method": "GET", "path": target, "raw_path": target.encode(), "query_string": query.encode()}
    scope |= {
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
        "scheme": "http",
        "http_version": "1.1",
    }
    asyncio.run(app({**scope, "asgi": {"version": "3.0", "spec_version": "2.4"}}, receive, send))
    assert order[:2] == ["synced", "http.response.start"]
    assert order.count("synced") == 1
