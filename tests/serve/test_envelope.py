"""Headers of every answer, which host is answered for, how large a request may be, and what errors look like."""

from typing import Annotated

import pytest
from fastapi import APIRouter, Depends

from audit_pipelines.errors import LakeError, QueryError
from audit_pipelines.serve.principal import Principal
from audit_pipelines.serve.security import needs

routes = APIRouter()
Reads = Annotated[Principal, Depends(needs("read", action="audit_log.searched"))]
FAULTS = {
    "query": QueryError("no such column", where="q"),
    "lake": LakeError("a digest differs", where="/somewhere/secret.parquet"),
    "surprise": ZeroDivisionError("inside"),
}


@routes.get("/v1/probe/{fault}")
@routes.get("/probe/{fault}")
async def faulty(fault: str, principal: Reads) -> str:
    raise FAULTS[fault]


@pytest.fixture
def door(serving):
    with serving("", routes) as door:
        yield door


ANSWERS = {
    "a page": ("/sign-in", 200),
    "a redirect": ("/probe/query", 303),
    "nothing there": ("/nothing", 404),
    "no such method": ("/l/x/y", 404),
    "a problem": ("/v1/probe/query", 401),
    "sign of life": ("/healthz", 200),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_every_answer_has_the_headers(door, kind):
    path, status = ANSWERS[kind]
    answer = door.client().get(path)
    assert answer.status_code == status
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        **dict.fromkeys(("script-src", "style-src", "img-src", "font-src", "connect-src", "form-action"), "'self'"),
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    assert {name: answer.headers[name] for name in ("referrer-policy", "x-content-type-options", "cache-control")} == {
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
    }
    assert answer.headers["cross-origin-opener-policy"] == answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in answer.headers["permissions-policy"]
    assert "strict-transport-security" not in answer.headers
    assert "server" not in answer.headers


def test_behind_tls_browsers_are_told_to_stay_there(serving):
    with serving('[serve]\npublic_url = "https://audit.example.com"\n') as door:
        assert door.client().get("/healthz").headers["strict-transport-security"] == "max-age=31536000"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8321", "localhost.evil.example", "", "[", "audit.example.com@evil"]
)
def test_a_request_for_another_host_is_refused(serving, host):
    with serving('[serve]\npublic_url = "https://audit.example.com"\n') as door:
        answer = door.client().get("/healthz", headers={"host": host})
        assert answer.status_code == 400
        assert "content-security-policy" in answer.headers or not host  # without a host the server itself refuses


@pytest.mark.parametrize("host", ["audit.example.com", "AUDIT.example.com:443", "localhost:8321", "127.0.0.1", "[::1]:8321"])
def test_a_request_for_this_host_is_answered(serving, host):
    with serving('[serve]\npublic_url = "https://audit.example.com"\n') as door:
        assert door.client().get("/healthz", headers={"host": host}).status_code == 200


def test_a_form_that_is_too_large_is_refused(door):
    client = door.client()
    field = door.csrf_in(client.get("/sign-in").text)
    answer = client.post("/sign-in", data={"csrf": field, "token": "x" * 70_000})
    assert answer.status_code == 413
    assert "content-security-policy" in answer.headers


def test_a_body_without_a_length_is_measured_as_it_comes(door):
    def parts():
        for _ in range(20):
            yield b"csrf=" + b"x" * 8000

    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert door.client().post("/sign-in", content=parts(), headers=headers).status_code == 413


def test_an_upload_is_no_form_of_ours(door):
    client = door.client()
    field = door.csrf_in(client.get("/sign-in").text)
    assert client.post("/sign-in", data={"csrf": field}, files={"token": b"x"}).status_code == 400


def test_errors_are_problems_for_programs(door):
    client = door.client(door.token("read"))
    answer = client.get("/v1/probe/query")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "q: no such column",
        "request_id": answer.headers["x-request-id"],
    }


@pytest.mark.parametrize(("fault", "status"), [("lake", 503), ("surprise", 500)])
def test_errors_of_ours_say_nothing_about_the_inside_and_are_logged(door, caplog, fault, status):
    answer = door.client(door.token("read")).get(f"/v1/probe/{fault}")
    assert answer.status_code == status
    assert "secret.parquet" not in answer.text
    assert "inside" not in answer.text
    assert answer.json()["request_id"] in caplog.text


def test_errors_are_pages_for_people(door):
    answer = door.signed_in(door.token("read")).get("/probe/surprise")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["x-request-id"] in answer.text


def test_a_method_that_an_address_does_not_take_is_refused(door):
    answer = door.client().delete("/sign-out")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_monitoring_may_ask_without_wanting_a_body(door):
    answer = door.client().head("/healthz")
    assert (answer.status_code, answer.content) == (200, b"")


def test_there_is_an_openapi_document_and_no_page_that_loads_scripts_from_elsewhere(door):
    assert door.client().get("/v1/openapi.json").json()["openapi"].startswith("3.")
    assert [door.client().get(path).status_code for path in ("/docs", "/redoc")] == [404, 404]
