"""Who may what: every credential, scope and kind of link, at routes that state what they need."""

from typing import Annotated

import pytest
from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute, iter_route_contexts

from audit_pipelines.serve import app as application
from audit_pipelines.serve.principal import Principal
from audit_pipelines.serve.security import OPEN, Needs, needs, posted

routes = APIRouter()
NEEDED = {
    "/probe": needs("read", action="audit_log.viewed"),
    "/probe/export": needs("export", action="audit_log.exported"),
    "/probe/reports": needs("auditor", action="report.listed", links=("report", "period")),
    "/probe/findings": needs("read", "auditor", action="finding.viewed", links=("period",)),
    "/probe/operator": needs("admin", action="operator.viewed"),
    "/log/probe": needs("read", action="log.checkpoint_read", links=(), public=True),
    "/v1/probe": needs("read", action="audit_log.searched"),
}
for path, guard in NEEDED.items():

    async def answer(principal: Annotated[Principal, Depends(guard)], limit: int = 1) -> dict:
        return {"id": principal.id, "session": principal.session, "limit": limit}

    routes.add_api_route(path, answer)


@pytest.fixture
def door(serving):
    with serving("", routes) as door:
        yield door


OPENED = {
    ("read",): {"/probe", "/probe/findings", "/log/probe", "/v1/probe"},
    ("export",): set(),
    ("read", "export"): {"/probe", "/probe/export", "/probe/findings", "/log/probe", "/v1/probe"},
    ("auditor",): {"/probe/reports", "/probe/findings"},
    ("admin",): set(NEEDED),
}


@pytest.mark.parametrize("scopes", OPENED, ids=" ".join)
def test_a_token_opens_what_its_scopes_say(door, scopes):
    client = door.client(door.token(*scopes))
    found = {path: client.get(path).status_code for path in NEEDED}
    assert found == {path: 200 if path in OPENED[scopes] else 403 for path in NEEDED}


@pytest.mark.parametrize(
    ("limits", "opened"),
    [
        ({"report": "2026-04"}, {"/probe/reports"}),
        ({"actor": "usr_1"}, {"/probe", "/probe/export", "/v1/probe"}),
        ("period", {"/probe", "/probe/export", "/v1/probe", "/probe/reports", "/probe/findings"}),
    ],
    ids=["report", "actor", "period"],
)
def test_a_link_opens_what_its_kind_says(door, clock, limits, opened):
    limits = {"since": clock(), "until": clock().replace(month=6)} if limits == "period" else limits
    secret = door.link(**limits)
    with door.client() as client:
        assert door.post_form(client, f"/l/{secret}").status_code == 303
        found = {path: client.get(path).status_code for path in NEEDED}
    assert found == {path: 200 if path in opened else 403 for path in NEEDED}


def test_without_credentials_nothing_opens(door):
    found = {path: door.client().get(path, headers={"sec-fetch-mode": "cors"}).status_code for path in NEEDED}
    assert set(found.values()) == {401}


@pytest.mark.parametrize("spoil", ["another secret", "another id", "no token at all", "a link's secret", "basic", "empty"])
def test_wrong_credentials_open_nothing(door, spoil):
    token = door.token("admin")
    header = {
        "another secret": f"Bearer {token[:-2]}{'AA' if token[-2:] != 'AA' else 'BB'}",
        "another id": f"Bearer {token.replace(token[4:16], '0' * 12)}",
        "no token at all": "Bearer x\u00e4".encode("latin-1"),
        "a link's secret": f"Bearer {door.link(report='2026-04')}",
        "basic": f"Basic {token}",
        "empty": "Bearer",
    }[spoil]
    answer = door.client().get("/probe", headers={"authorization": header})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["detail"] == "This is no token of this log."


def test_an_expired_token_opens_nothing(door, clock):
    client = door.client(door.token("read", days=1))
    assert client.get("/probe").status_code == 200
    clock.passes(days=1)
    assert client.get("/probe").status_code == 401


def test_a_revoked_token_opens_nothing_from_the_next_request_on(door):
    token = door.token("read")
    client = door.client(token)
    assert client.get("/probe").status_code == 200
    door.revoke(token)
    assert client.get("/probe").json()["detail"] == "This token has expired or was revoked."


def test_a_wrong_bearer_is_not_made_good_by_a_session(door):
    client = door.signed_in(door.token("read"))
    assert client.get("/probe").status_code == 200
    assert client.get("/probe", headers={"authorization": "Bearer apt_x"}).status_code == 401


def test_a_damaged_file_of_tokens_lets_nobody_in(door):
    client = door.client(door.token("admin"))
    (door.home.state / "tokens.json").write_text("{}")
    answer = client.get("/v1/probe")
    assert answer.status_code == 503
    assert str(door.home.root) not in answer.text


def test_a_person_is_sent_to_the_sign_in_page_and_a_program_is_told(door):
    page = door.client().get("/probe?limit=2", headers={"sec-fetch-mode": "navigate"})
    assert (page.status_code, page.headers["location"]) == (303, "/sign-in?next=/probe%3Flimit%3D2")
    fetched = door.client().get("/probe", headers={"sec-fetch-mode": "cors"})
    assert (fetched.status_code, fetched.headers["content-type"]) == (401, "text/html; charset=utf-8")
    asked = door.client().get("/v1/probe")
    assert (asked.status_code, asked.headers["content-type"]) == (401, "application/problem+json")


def test_a_query_parameter_that_the_api_does_not_know_is_refused(door):
    client = door.client(door.token("read"))
    assert client.get("/v1/probe?limit=2").json()["limit"] == 2
    answer = client.get("/v1/probe?limti=2")
    assert answer.status_code == 400
    assert answer.json()["detail"] == "limti: unknown parameter; this address knows limit."


def test_a_parameter_of_the_wrong_kind_is_named(door):
    answer = door.client(door.token("read")).get("/v1/probe?limit=many")
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("limit: ")


def test_checkpoint_and_tiles_can_be_opened_to_everyone(serving):
    with serving("[serve]\npublic_log = true\n", routes) as door:
        assert door.client().get("/log/probe").json()["id"] == "public"
        assert door.client().get("/probe", headers={"sec-fetch-mode": "cors"}).status_code == 401
        assert door.records() == []


def dependencies(dependant):
    for one in dependant.dependencies:
        yield one.call
        yield from dependencies(one)


def unguarded(app) -> list[str]:
    """Routes that neither need a principal nor stand in OPEN, and forms that are sent without the hidden field."""
    found = []
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        calls = list(dependencies(route.dependant)) if isinstance(route, APIRoute) else []
        if route.name not in OPEN and not any(isinstance(call, Needs) for call in calls):
            found.append(f"{route.name} is open")
        if {"POST", "PUT", "PATCH", "DELETE"} & set(route.methods or ()) and posted not in calls:
            found.append(f"{route.name} takes any form")
    return found


def test_every_route_states_what_it_needs_or_is_listed_as_open(home, clock, monkeypatch):
    monkeypatch.setenv("SECRET", "x")
    oidc = '[serve.oidc]\nissuer = "https://id.example.com"\nclient_id = "x"\nclient_secret_env = "SECRET"\n'
    with home.settings_file.open("a") as file:
        file.write(oidc + 'grants = {"sub=x" = ["read"]}\n')
    app = application.build(home, now=clock)
    assert unguarded(app) == []
    assert {context.original_route.name for context in iter_route_contexts(app.routes)} >= {"sign_in", "openapi", "sign_in_oidc"}


def test_a_route_that_forgets_it_is_found(home, clock):
    app = application.build(home, now=clock)
    app.add_api_route("/forgotten", lambda: "", methods=["POST"], name="forgotten")
    assert unguarded(app) == ["forgotten is open", "forgotten takes any form"]
