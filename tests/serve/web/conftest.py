"""Pages as people see them: the real server, and Debian's Chromium, which watches for what no page may ever do."""

import json
import os
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from audit_pipelines.serve.engine import AT_ONCE
from tests.defs.conftest import Yard, record
from tests.serve.conftest import Clock, copied, made_once, opened

CHROMIUM = Path("/usr/bin/chromium")
DAY = date(2026, 1, 2)


@pytest.fixture(scope="module")
def clock():
    found = Clock()
    found.time = datetime(2026, 2, 5, 12, tzinfo=UTC)
    return found


@pytest.fixture(scope="module")
def door(sealed, clock, tmp_path_factory):
    """The door of a home with three days of a made-up organisation."""
    with opened(copied(sealed, tmp_path_factory.mktemp("door")), clock) as door:
        yield door


@contextmanager
def waiting(door):
    """While others have all turns of the database, so that a query waits until its time is over."""
    engine = door.app.state.reader.engine
    limit, engine._seconds = engine._seconds, 0.01
    for _ in range(AT_ONCE):
        engine._turns.acquire()
    try:
        yield
    finally:
        engine._turns.release(AT_ONCE)
        engine._seconds = limit


SCRIPT = "<script>document.title='hit';alert(1)</script>"
PAYLOADS = {
    "script": SCRIPT,
    "attribute": "\"'><img src=x onerror=alert(1)>",
    "handler": "' onmouseover='alert(1)' autofocus onfocus='alert(1)",
    "style": "</style><style>*{display:none!important}</style>",
    "svg": "<svg onload=alert(1)><use href='data:image/svg+xml,x#x'/></svg>",
    "frame": "<iframe src=//evil.example></iframe><link rel=stylesheet href=//evil.example/x.css>",
    "template": "{{ 7*7 }}{% raw %}${7*7}<!--",
    "closing": "</td></tr></table></main></body></html><h1>hit</h1>",
    "address": "javascript:alert(1)",
    "formula": '=HYPERLINK("http://evil.example","x")',
    "command": "@SUM(1+1)*cmd|' /C calc'!A0",
    "plus": "+1+1",
    "minus": "-2+3",
    "wide": "\uff1d1+1",
    "cells": 'a","=1+1\n=1+1;=1+1',
    "tab": "\t=1+1",
    "bidi": "user\u202egpj.exe\u2066\u2069",
    "unseen": "a\u200bb\u00adc\ufeffd\x1b[31m\x07",
    "tags": "x\U000e0041\U000e0042",
    "rtl": "שלום עולם",
    "nul": "a\x00b",
    "long": "long " * 200,
}
"""What somebody could write into any column."""


def hostile_records() -> list[bytes]:
    """One record for each payload, with it in every place that a record has."""
    found = []
    for number, value in enumerate(PAYLOADS.values()):
        one = record(
            number,
            f"2026-01-02T08:{number:02d}:00.5Z",
            value,
            actor={"type": "user", "id": value, "name": value, "email": value},
            targets=[{"type": value, "id": value, "name": value}, {"type": value, "id": value, "name": value}],
            context={"ip": value, "user_agent": value, "session_id": value, "api_key_id": value, "request_id": value},
            before={value: value, "deep": {"a": {value: [value, 1]}}},
            after={value: f"{value}!", "deep": {"a": {value: [value, 2]}}},
            org_id=value,
        )
        found.append(one)
    return found


def nested_record() -> bytes:
    """A guardrail that somebody changed, with a rule deep inside."""
    rules = [{"id": number, "branch": "main", "reviewers": 2, "paths": [f"infra/{number}", "modules"]} for number in range(6)]
    other = json.loads(json.dumps(rules))
    other[3]["reviewers"] = 1
    other.append({"id": 6, "branch": "release", "reviewers": 2})
    return record(
        900,
        "2026-01-02T12:00:00.25Z",
        "guardrail.updated",
        targets=[{"type": "guardrail", "id": "gr_1", "name": "Two reviewers"}, {"type": "workspace", "id": "ws_9", "name": None}],
        before={"mode": "enforce", "rules": rules},
        after={"mode": "warn", "rules": other},
    )


@pytest.fixture(scope="module")
def hostile(clock, tmp_path_factory):
    """The door of a home in which every column of every event but one tries something."""
    yard = Yard(tmp_path_factory.mktemp("hostile"))
    yard.put("one.ndjson", [*hostile_records(), nested_record()])
    yard.night(date(2026, 1, 3))
    with opened(yard.home, clock) as door:
        yield door


@pytest.fixture(scope="module")
def chromium():
    """Debian's Chromium; in CI it must be there. Not for longer than a module: Playwright's loop runs in this thread."""
    if not CHROMIUM.exists():
        assert not os.environ.get("CI"), "chromium: not installed, but CI must look at the pages"
        pytest.skip("chromium: not installed (make test installs what it can)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


class Tab:
    """One tab, and what went wrong in it."""

    def __init__(self, page, door):
        self.page, self.door, self.faults = page, door, []
        page.on("dialog", lambda dialog: (self.faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        page.on("console", self._console)
        page.on("request", self._request)

    def _console(self, message):
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.faults.append(f"console: {message.text}")  # breaches of the content security policy are here, too

    def _request(self, request):
        if not request.url.startswith((self.door.url, "blob:")):
            self.faults.append(f"request: {request.url}")

    def go(self, path: str):
        return self.page.goto(self.door.url + path)

    def sign_in(self, *scopes: str):
        self.go("/sign-in")
        self.page.fill("#token", self.door.token(*(scopes or ("read", "export"))))
        self.page.click("main button[type=submit]")
        return self

    def settled(self):
        """Once the chart and the counts are there."""
        self.page.wait_for_selector("[data-bars], [data-total-here]")
        self.page.wait_for_selector(".facets", state="attached")
        return self


@pytest.fixture
def tab(chromium, door):
    """Opens tabs of a browser of one's own; at the end nothing may have gone wrong in any of them."""
    with tabs(chromium) as make:
        yield lambda door=door, **options: make(door, **options)


@contextmanager
def tabs(chromium):
    made, contexts = [], []

    def make(door, **options):
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        context.set_default_timeout(20_000)
        contexts.append(context)
        made.append(Tab(context.new_page(), door))
        return made[-1]

    try:
        yield make
        assert [fault for one in made for fault in one.faults] == []
    finally:
        for context in contexts:
            context.close()


@pytest.fixture(scope="session")
def audited_home(tmp_path_factory):
    """A home with two revisions of a report and findings; no test changes it."""
    from tests.serve.web.auditors import audited

    return made_once(tmp_path_factory, "audited", audited)


@pytest.fixture(scope="module")
def audited(audited_home, clock, tmp_path_factory):
    """The door of a copy of it; what a module's tests change must not matter to the others of the module."""
    clock.time = datetime(2026, 2, 6, 12, tzinfo=UTC)
    with opened(copied(audited_home, tmp_path_factory.mktemp("audited")), clock) as door:
        yield door
