"""The navigation shows what the guards open, no more and no less."""

import re

import pytest

from audit_pipelines.serve.web.navigation import ENTRIES

WHO = {
    "read": {"scopes": ("read",)},
    "auditor": {"scopes": ("auditor",)},
    "export": {"scopes": ("export",)},
    "admin": {"scopes": ("admin",)},
    "report link": {"report": "2026-01"},
    "actor link": {"actor": "usr_1"},
}


@pytest.mark.parametrize("who", WHO)
def test_it_lists_the_pages_that_open(door, who):
    given = dict(WHO[who])
    if "scopes" in given:
        client = door.client(door.token(*given["scopes"]))
    else:
        client = door.client()
        door.post_form(client, f"/l/{door.link(**given)}")
    paths = {entry.route: str(door.app.url_path_for(entry.route)) for entry in ENTRIES}
    opened = {path for path in paths.values() if client.get(path).status_code == 200}
    shown = client.get(min(opened) if opened else "/audit-logs", headers={"accept": "text/html"}).text
    tabs = set(re.findall(r'<li><a href="([^"]+)"', shown.split('<nav class="tabs"')[1].split("</nav>")[0])) if opened else set()
    assert tabs == opened


def test_the_page_that_is_shown_is_marked(door):
    client = door.client(door.token("admin"))
    assert '<a href="/audit-logs" aria-current="page">Events</a>' in client.get("/audit-logs/facets").text
