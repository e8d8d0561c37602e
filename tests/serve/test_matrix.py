"""Every route that there is, asked by everyone there can be: who gets in stands in one table."""

import pytest
from fastapi.routing import iter_route_contexts

from audit_pipelines.serve.security import OPEN

EVENTS = {"read", "read export", "admin", "link to a period", "link to an actor"}
EXPORTS = {"read export", "admin", "link to a period", "link to an actor"}
REPORTS = {"auditor", "admin", "link to a report", "link to a period"}
FINDINGS = {"read", "read export", "auditor", "admin", "link to a period"}
LOG = {"read", "read export", "admin"}
GETS_IN = {
    "audit_logs": EVENTS,
    "audit_logs_rows": EVENTS,
    "audit_logs_facets": EVENTS,
    "audit_logs_histogram": EVENTS,
    "audit_log_event": EVENTS,
    "audit_log_record": EVENTS,
    "audit_log_proof": EVENTS,
    "audit_logs_export": EXPORTS,
    "reports": REPORTS,
    "report": REPORTS,
    "report_file": REPORTS,
    "bundle": REPORTS,
    "verify": REPORTS,
    "verify_month": REPORTS,
    "findings": FINDINGS,
    "finding": FINDINGS,
    "operator": {"admin"},
    "api_audit_logs": EVENTS,
    "api_audit_log": EVENTS,
    "api_stream": EXPORTS,
    "api_reports": REPORTS,
    "api_findings": FINDINGS,
    "api_checkpoint": FINDINGS | REPORTS | EVENTS,
    "api_drops": {"admin"},
    "log_checkpoint": LOG | {"auditor"},
    "log_tile": LOG,
}
"""Name of a route -> who gets in; everybody else is refused."""
TOKENS = {"read", "export", "read export", "auditor", "admin"}
LINKS = {
    "link to a report": {"report": "2026-04"},
    "link to a period": {"since": "2026-04-01T00:00:00Z", "until": "2026-05-01T00:00:00Z"},
    "link to an actor": {"actor": "usr_1"},
}
NOBODY = {"nobody", "expired token", "revoked token", "expired link", "revoked link"}
VALUES = {"leaf": "0", "month": "2026-04", "revision": "r1", "file": "report.pdf", "finding": "x", "id": "x", "log": "events"}


def addresses(app) -> dict[str, tuple[str, str]]:
    """Name of each guarded route -> method and an address that it matches."""
    found = {}
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if route.name not in OPEN:
            values = {name: VALUES.get(name, "0/000") for name in route.param_convertors}
            found[route.name] = (min(route.methods), str(app.url_path_for(route.name, **values)))
    return found


def browser_of(door, who):
    """A client that carries what ``who`` has, and the hidden field that its forms need."""
    from datetime import datetime

    limits = {key: datetime.fromisoformat(value) if value[-1] == "Z" else value for key, value in LINKS.get(who, {}).items()}
    client = door.client()
    if who in LINKS or who.endswith("link"):
        secret = door.link(**(limits or {"report": "2026-04"}))
        door.post_form(client, f"/l/{secret}")
    elif who != "nobody":
        secret = door.token(*(who.split() if who in TOKENS else ["admin"]))
        door.post_form(client, "/sign-in", token=secret)
    field = door.csrf_in(client.get("/sign-in").text)
    if who.startswith("revoked"):
        door.revoke(secret)
    elif who.startswith("expired"):
        door.clock.passes(days=90)
    return client, field


@pytest.mark.parametrize("who", sorted(TOKENS | LINKS.keys() | NOBODY))
def test_everyone_gets_in_where_the_table_says_and_nowhere_else(serving, who):
    with serving() as door:
        browser, field = browser_of(door, who)
        found = {}
        for name, (method, address) in addresses(door.app).items():
            door.clock.passes(minutes=1)  # wrong credentials are limited
            client = door.client(cookies=browser.cookies)
            form = {"data": {"csrf": field, "month": "2026-04"}} if method == "POST" else {}
            found[name] = client.request(method, address, headers={"sec-fetch-mode": "cors"}, **form).status_code
    refused = 401 if who in NOBODY else 403
    assert {name for name, status in found.items() if status != refused} == {
        name for name, principals in GETS_IN.items() if who in principals
    }
    assert {name: status for name, status in found.items() if status >= 500} == {}


@pytest.mark.parametrize("way", ["expired", "revoked", "another secret"])
def test_a_bearer_token_that_does_not_count_opens_no_route(serving, way):
    with serving() as door:
        token = door.token("admin", days=1)
        client = door.client(token[:-3] + "AAA" if way == "another secret" else token)
        if way == "expired":
            door.clock.passes(days=1)
        elif way == "revoked":
            door.revoke(token)
        found = set()
        for method, address in addresses(door.app).values():
            door.clock.passes(minutes=1)  # wrong credentials are limited
            if method == "GET":
                found.add(client.get(address).status_code)
    assert found == {401}


def test_the_table_names_every_route(serving):
    with serving() as door:
        assert addresses(door.app).keys() == GETS_IN.keys()
