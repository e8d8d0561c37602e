"""Signing in with a token or a link, what the cookie is worth, and when a session ends."""

from typing import Annotated
from urllib.parse import urljoin

import pytest
from fastapi import APIRouter, Depends
from hypothesis import given
from hypothesis import strategies as st

from audit_pipelines.serve.principal import Principal
from audit_pipelines.serve.security import needs
from audit_pipelines.serve.signin import START, own_path

routes = APIRouter()
CORS = {"sec-fetch-mode": "cors"}


@routes.get("/probe")
async def viewer(principal: Annotated[Principal, Depends(needs("read", action="audit_log.viewed"))]) -> dict:
    return {"kind": principal.kind, "id": principal.id, "name": principal.name, "session": principal.session}


@routes.get("/probe/{month}")
async def report(month: str, principal: Annotated[Principal, Depends(needs("auditor", action="report.viewed"))]) -> dict:
    return {"month": month, "restriction": principal.restriction.report}


@pytest.fixture
def door(serving):
    with serving("", routes) as door:
        yield door


def test_signing_in_opens_the_pages_that_the_token_opens(door):
    client = door.signed_in(door.token("read", name="Alice"))
    found = client.get("/probe").json()
    assert (found["kind"], found["name"]) == ("token", "Alice")
    assert found["session"].startswith("ses_")


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites_and_holds_no_secret(door):
    token = door.token("read")
    client = door.client()
    header = door.post_form(client, "/sign-in", token=token).headers["set-cookie"]
    assert header.startswith("audit_session=")
    assert {"path=/", "httponly", "samesite=lax", "Max-Age=43200"} <= set(header.split("; "))
    assert "secure" not in header  # plain loopback: a browser would not send it back
    assert token not in header


def test_behind_tls_the_cookie_is_bound_to_host_and_path(serving):
    with serving('[serve]\npublic_url = "https://audit.example.com"\n') as door:
        header = door.client().get("/sign-in").headers["set-cookie"]
        assert header.startswith("__Host-audit_session=")
        assert {"path=/", "secure"} <= set(header.split("; "))
    with serving('[serve]\npublic_url = "https://example.com/audit"\n') as door:
        header = door.client().get("/sign-in").headers["set-cookie"]
        assert header.startswith("__Secure-audit_session=")
        assert {"path=/audit/", "secure"} <= set(header.split("; "))


def test_a_session_has_an_end_however_busy_it_is(door, clock):
    client = door.signed_in(door.token("read"))
    for _ in range(11):
        clock.passes(hours=1)
        assert client.get("/probe").status_code == 200
    clock.passes(hours=1)
    assert client.get("/probe", headers=CORS).status_code == 401


def test_a_session_ends_with_its_token(door, clock):
    short, revoked = door.token("read", days=0.1), door.token("read")
    first, second = door.signed_in(short), door.signed_in(revoked)
    clock.passes(hours=3)
    door.revoke(revoked)
    assert first.get("/probe", headers=CORS).status_code == 401
    assert second.get("/probe", headers=CORS).status_code == 401


def test_signing_out_ends_the_session_for_a_kept_copy_of_the_cookie_too(door):
    client, copy = door.signed_in(door.token("read")), door.client()
    copy.cookies.update(client.cookies)
    form = {"csrf": door.csrf_in(client.get("/sign-in").text)}
    copy.cookies.update(client.cookies)
    assert copy.get("/probe").status_code == 200
    assert client.post("/sign-out", data=form).status_code == 303
    assert client.get("/probe", headers=CORS).status_code == 401
    assert copy.get("/probe", headers=CORS).status_code == 401


def test_a_cookie_that_was_changed_is_nobodys(door):
    client = door.signed_in(door.token("read"))
    name, value = next(iter(client.cookies.items()))
    forged = door.client(cookies={name: ("A" if value[0] != "A" else "B") + value[1:]})
    assert forged.get("/probe", headers=CORS).status_code == 401


def test_signing_in_begins_a_new_session_whatever_was_there(door):
    client = door.signed_in(door.token("read", name="Alice"))
    before = client.get("/probe").json()["session"]
    assert door.post_form(client, "/sign-in", token=door.token("read", name="Bob")).status_code == 303
    after = client.get("/probe").json()
    assert after["name"] == "Bob"
    assert after["session"] != before


@pytest.mark.parametrize("field", [{}, {"csrf": ""}, {"csrf": "x"}, {"csrf": "\u00e4"}])
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/l/x"])
def test_a_form_without_this_browsers_field_is_refused(door, path, field):
    client = door.signed_in(door.token("read"))
    assert client.post(path, data={"token": door.token("read"), **field}).status_code == 403
    assert client.get("/probe").status_code == 200


def test_the_field_of_another_browser_is_refused(door):
    mine, others = door.client(), door.client()
    mine.get("/sign-in")
    field = door.csrf_in(others.get("/sign-in").text)
    assert mine.post("/sign-in", data={"token": door.token("read"), "csrf": field}).status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin", "origin": "null"}, 303),
        ({"sec-fetch-site": "cross-site", "origin": "https://evil.example"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 303),
        ({}, 303),
    ],
    ids=str,
)
def test_a_form_from_another_site_is_refused_even_with_the_field(door, headers, status):
    client = door.client()
    form = {"csrf": door.csrf_in(client.get("/sign-in").text), "token": door.token("read")}
    assert client.post("/sign-in", data=form, headers=headers).status_code == status


def test_an_older_browser_says_our_own_origin(door):
    client = door.client()
    form = {"csrf": door.csrf_in(client.get("/sign-in").text), "token": door.token("read")}
    assert client.post("/sign-in", data=form, headers={"origin": door.url}).status_code == 303


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "audit-logs", "/a\nb", "\t//e.com"],
)
def test_a_sign_in_leads_to_own_pages_only(door, elsewhere):
    assert own_path(elsewhere) == START
    client = door.client()
    answer = door.post_form(client, "/sign-in", token=door.token("read"), next=elsewhere)
    assert answer.headers["location"] == "/audit-logs"


@given(st.text(max_size=20) | st.text("/\\.:?#[]@ \t\r\nax", max_size=8))
def test_no_text_leads_elsewhere(text):
    path = own_path(text)
    assert urljoin("https://audit.example.com/sign-in", path).startswith("https://audit.example.com/")
    assert path.startswith("/")
    assert not path.startswith("//")
    assert "\\" not in path  # which browsers take for a slash


def test_a_sign_in_leads_back_to_where_it_was_asked_for(door):
    client = door.client()
    asked = client.get("/probe?action=api_key.created&q=a+b").headers["location"]
    page = client.get(asked).text
    then = page.split('name="next" value="')[1].split('"')[0].replace("&amp;", "&")
    answer = door.post_form(client, "/sign-in", token=door.token("read"), next=then)
    assert answer.headers["location"] == "/probe?action=api_key.created&q=a+b"


def test_auditors_without_the_viewer_begin_at_the_reports(door):
    assert door.post_form(door.client(), "/sign-in", token=door.token("auditor")).headers["location"] == "/reports"


def test_behind_a_prefix_every_address_has_it(serving):
    with serving('[serve]\npublic_url = "https://example.com/audit"\n', routes) as door:
        client = door.client()
        assert client.get("/probe").headers["location"] == "/audit/sign-in?next=/probe"
        assert client.get("/audit/probe").headers["location"] == "/audit/sign-in?next=/probe"
        page = client.get("/sign-in")
        assert 'action="/audit/sign-in"' in page.text
        cookie = page.headers["set-cookie"].split(";")[0]
        form = {"csrf": door.csrf_in(page.text), "token": door.token("read"), "next": "/audit-logs"}
        answer = client.post("/sign-in", data=form, headers={"cookie": cookie})
        assert answer.headers["location"] == "/audit/audit-logs"


def test_a_wrong_token_is_said_to_be_wrong_on_the_page(door):
    answer = door.post_form(door.client(), "/sign-in", token="apt_nonsense", next="/audit-logs")
    assert answer.status_code == 401
    assert "This token is unknown, has expired or was revoked." in answer.text
    assert 'name="next" value="/audit-logs"' in answer.text


def test_a_link_opens_by_a_button_and_not_by_being_fetched(door):
    secret = door.link(report="2026-04")
    client = door.client()
    assert client.get(f"/l/{secret}").status_code == 200
    assert client.get("/probe/2026-04", headers=CORS).status_code == 401
    answer = door.post_form(client, f"/l/{secret}")
    assert answer.headers["location"] == "/reports/2026-04"
    assert client.get("/probe/2026-04").json() == {"month": "2026-04", "restriction": "2026-04"}


def test_the_session_of_a_link_ends_with_the_link(door, clock):
    first, second = door.link(actor="usr_1", days=0.1), door.link(actor="usr_1")
    short, revoked = door.client(), door.client()
    door.post_form(short, f"/l/{first}")
    door.post_form(revoked, f"/l/{second}")
    assert short.get("/probe").json()["kind"] == revoked.get("/probe").json()["kind"] == "link"
    clock.passes(hours=3)
    door.revoke(second)
    assert short.get("/probe", headers=CORS).status_code == 401
    assert revoked.get("/probe", headers=CORS).status_code == 401


@pytest.mark.parametrize("way", ["expired", "revoked", "changed", "a token"])
def test_a_link_that_does_not_count_opens_nothing(door, clock, way):
    secret = door.link(report="2026-04")
    if way == "expired":
        clock.passes(days=14)
    elif way == "revoked":
        door.revoke(secret)
    secret = {"changed": secret[:-3] + "AAA", "a token": door.token("admin")}.get(way, secret)
    client = door.client()
    answer = client.post(f"/l/{secret}", data={"csrf": door.csrf_in(client.get(f"/l/{secret}").text)}, headers=CORS)
    assert answer.status_code == 401
    assert client.get("/probe/2026-04", headers=CORS).status_code == 401
