"""Sign-in by OpenID Connect, against a real provider on loopback."""

import re
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

import httpx2
import oidc_provider_mock
import pytest
from fastapi import APIRouter, Depends

from audit_pipelines.errors import SettingsError
from audit_pipelines.serve import app as application
from audit_pipelines.serve.oidc import rules_for
from audit_pipelines.serve.principal import Principal
from audit_pipelines.serve.security import needs
from audit_pipelines.serving import ServeOidc

routes = APIRouter()
CORS = {"sec-fetch-mode": "cors"}
GRANTS = {"groups=auditors": ["auditor"], "email=*@example.com": ["read"], "sub=root": ["admin"]}


@routes.get("/probe")
async def probe(principal: Annotated[Principal, Depends(needs("read", "auditor", action="audit_log.viewed"))]) -> dict:
    return {
        "kind": principal.kind,
        "id": principal.id,
        "name": principal.name,
        "email": principal.email,
        "may": sorted(principal.scopes),
    }


PEOPLE = {
    "alice": {"email": "alice@example.com", "email_verified": True, "name": "Alice", "groups": ["auditors", "staff"]},
    "bob": {"email": "Bob@Example.com", "email_verified": True},
    "mallory": {"email": "mallory@example.com", "email_verified": False, "groups": ["staff"]},
    "root": {},
}


@pytest.fixture(scope="module")
def issuer():
    with oidc_provider_mock.run_server_in_thread(require_nonce=True) as server:
        address = f"http://localhost:{server.server_port}"
        for sub, claims in PEOPLE.items():
            httpx2.put(f"{address}/users/{sub}", json=claims).raise_for_status()
        yield address


def settings(issuer, grants=GRANTS):
    lines = ", ".join(f'"{rule}" = {scopes}' for rule, scopes in grants.items())
    return (
        f'[serve.oidc]\nissuer = "{issuer}"\nclient_id = "viewer"\nclient_secret_env = "OIDC_SECRET"\n'
        f"grants = {{ {lines} }}\n".replace("'", '"')
    )


@pytest.fixture
def door(serving, issuer, monkeypatch):
    monkeypatch.setenv("OIDC_SECRET", "the client's secret")
    with serving(settings(issuer), routes) as door:
        yield door


def sign_in(client, sub, **params):
    """The way of a browser: to the provider, the name there, and back with a code."""
    sent = client.get("/sign-in/oidc", params=params)
    back = httpx2.post(sent.headers["location"], data={"sub": sub})
    return client.get(back.headers["location"])


def test_the_provider_is_asked_for_a_code_with_pkce_state_and_nonce(door, issuer):
    sent = door.client().get("/sign-in/oidc")
    asked = parse_qs(urlsplit(sent.headers["location"]).query)
    assert sent.headers["location"].startswith(f"{issuer}/oauth2/authorize?")
    assert asked["response_type"] == ["code"]
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == [f"{door.url}/sign-in/oidc/callback"]
    assert set(asked) >= {"state", "nonce", "code_challenge", "client_id", "scope"}


@pytest.mark.parametrize(
    ("sub", "name", "email", "may"),
    [
        ("alice", "Alice", "alice@example.com", ["auditor", "read"]),
        ("bob", "Bob@Example.com", "Bob@Example.com", ["read"]),
        ("root", "root", None, ["admin"]),
    ],
)
def test_claims_grant_scopes(door, sub, name, email, may):
    client = door.client()
    assert sign_in(client, sub).status_code == 303
    assert client.get("/probe").json() == {"kind": "oidc", "id": sub, "name": name, "email": email, "may": may}
    made = door.records()[0]
    assert (made["action"], made["outcome"]) == ("authentication.login", "success")
    assert made["actor"] == {"type": "user", "id": sub, "name": name, "email": email}
    assert made["request"] == {"method": "GET", "path": "/sign-in/oidc/callback", "query": ""}


def test_an_address_that_the_provider_did_not_verify_grants_nothing(door):
    client = door.client()
    answer = sign_in(client, "mallory")
    assert answer.status_code == 403
    assert "nothing here is granted to you" in answer.text
    assert client.get("/probe", headers=CORS).status_code == 401
    assert [(made["action"], made["outcome"], made["actor"]["id"]) for made in door.records()] == [
        ("authentication.login", "failure", "mallory")
    ]


def test_a_sign_in_leads_back_to_own_pages(door):
    assert sign_in(door.client(), "alice", next="/probe?x=1").headers["location"] == "/probe?x=1"
    assert sign_in(door.client(), "alice", next="https://evil.example").headers["location"] == "/audit-logs"


def test_an_answer_of_the_provider_is_taken_once_and_by_the_browser_that_asked(door):
    client, other = door.client(), door.client()
    back = httpx2.post(client.get("/sign-in/oidc").headers["location"], data={"sub": "alice"}).headers["location"]
    assert other.get(back, headers=CORS).status_code == 401
    assert client.get(back).status_code == 303
    assert client.get(back, headers=CORS).status_code == 401


@pytest.mark.parametrize("query", ["", "?error=access_denied", "?code=x&state=y", "?state=%00&code=%ff"])
def test_a_callback_that_nobody_asked_for_signs_nobody_in(door, query):
    client = door.client()
    assert client.get(f"/sign-in/oidc/callback{query}", headers=CORS).status_code == 401
    assert client.get("/probe", headers=CORS).status_code == 401


def test_a_changed_state_signs_nobody_in(door):
    client = door.client()
    back = httpx2.post(client.get("/sign-in/oidc").headers["location"], data={"sub": "alice"}).headers["location"]
    assert client.get(re.sub(r"state=\w\w", "state=xx", back), headers=CORS).status_code == 401


def test_a_grant_that_is_taken_away_ends_or_narrows_sessions(serving, door, issuer):
    client = door.client()
    sign_in(client, "alice")
    sign_in(other := door.client(), "bob")
    with serving(settings(issuer, {"groups=auditors": ["auditor"]}), routes) as later:
        kept = later.client(cookies=client.cookies)
        assert later.home.root == door.home.root
        # Without a tokens file each process has a signing secret of its own, so these cookies are nobody's here.
        assert kept.get("/probe", headers=CORS).status_code == 401
    door.token("read")
    with serving(settings(issuer), routes) as first:
        sign_in(client := first.client(), "alice")
        sign_in(other := first.client(), "bob")
    with serving(settings(issuer, {"groups=auditors": ["auditor"]}), routes) as later:
        assert later.client(cookies=client.cookies).get("/probe").json()["may"] == ["auditor"]
        assert later.client(cookies=other.cookies).get("/probe", headers=CORS).status_code == 401


def test_the_public_address_is_where_the_provider_sends_people_back_to(serving, issuer, monkeypatch):
    monkeypatch.setenv("OIDC_SECRET", "x")
    public = '[serve]\npublic_url = "https://example.com/audit"\n'
    with serving(public + settings(issuer), routes) as door:
        sent = door.client().get("/sign-in/oidc").headers["location"]
        assert parse_qs(urlsplit(sent).query)["redirect_uri"] == ["https://example.com/audit/sign-in/oidc/callback"]


def test_a_provider_that_cannot_be_reached_is_said_to_be(serving, unused_port, monkeypatch):
    monkeypatch.setenv("OIDC_SECRET", "x")
    with serving(settings(f"http://localhost:{unused_port}"), routes) as door:
        answer = door.client().get("/sign-in/oidc")
        assert answer.status_code == 502
        assert "cannot be reached" in answer.text


def test_a_provider_that_calls_itself_otherwise_is_not_believed(serving, issuer, monkeypatch):
    monkeypatch.setenv("OIDC_SECRET", "x")
    with serving(settings(f"{issuer}/"), routes) as door:
        client = door.client()
        assert sign_in(client, "alice").headers["location"].startswith("/sign-in?next=")
        assert client.get("/probe", headers=CORS).status_code == 401


def test_without_the_clients_secret_nothing_starts(home, clock, issuer, monkeypatch):
    monkeypatch.delenv("OIDC_SECRET", raising=False)
    with home.settings_file.open("a") as file:
        file.write(settings(issuer))
    with pytest.raises(SettingsError, match="OIDC_SECRET is not set"):
        application.build(home, now=clock)


@pytest.mark.parametrize(
    ("rule", "claims", "fits"),
    [
        ("groups=a", {"groups": ["b", "a"]}, True),
        ("groups=a", {"groups": "a"}, True),
        ("groups=a", {"groups": ["A", "ab"]}, False),
        ("groups=a*", {"groups": ["ab"]}, True),
        ("groups=*", {}, False),
        ("groups=*", {"groups": []}, False),
        ("groups=1", {"groups": [1]}, False),
        ("email=*@example.com", {"email": "X@EXAMPLE.com", "email_verified": True}, True),
        ("email=*@example.com", {"email": "x@example.com"}, False),
        ("email=*@example.com", {"email": "x@example.com", "email_verified": "true"}, False),
        ("email=*@example.com", {"email": "x@example.com.evil", "email_verified": True}, False),
        ("email=*@example.com", {"email": "x@exampleXcom", "email_verified": True}, False),
        ("email=*@example.com", {"email": "x\n@example.com", "email_verified": True}, False),
        ("a=b=c", {"a": "b=c"}, True),
    ],
)
def test_a_rule_fits_a_claim_as_a_whole(rule, claims, fits):
    oidc = ServeOidc(issuer="https://x", client_id="x", client_secret_env="X", grants={rule: ("read",)})
    assert rules_for(claims, oidc) == ((rule,) if fits else ())
