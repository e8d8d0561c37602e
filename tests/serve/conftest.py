"""A home's door: the real application on a real uvicorn on loopback, with a clock of one's own."""

import json
import re
import socket as socketlib
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from audit_pipelines.home import Home, open_home
from audit_pipelines.serve import app as application
from audit_pipelines.serve import listening, minting
from audit_pipelines.serve.tokens import Limits

SETTINGS = """
[organisation]
name = "Acme Ltd"
id = "acme"
start = 2026-05-01
"""


class Clock:
    """The time, until somebody moves it on."""

    def __init__(self):
        self.time = datetime(2026, 5, 5, 12, tzinfo=UTC)

    def __call__(self):
        return self.time

    def passes(self, **span):
        self.time += timedelta(**span)


class Door:
    """A running server, and what a test wants of it."""

    def __init__(self, home: Home, clock: Clock, app, url: str):
        self.home, self.clock, self.app, self.url = home, clock, app, url

    def token(self, *scopes: str, name: str = "Alice", days: int = 90) -> str:
        _, text = minting.new_token(self.home, name, frozenset(scopes), now=self.clock(), lasts=timedelta(days=days))
        return text

    def link(self, *, name: str = "Auditor", days: int = 14, **limits) -> str:
        _, text = minting.new_link(self.home, name, Limits(**limits), now=self.clock(), lasts=timedelta(days=days))
        return text

    def revoke(self, text: str) -> None:
        minting.revoke(self.home, text.split("_")[1], now=self.clock())

    def client(self, token: str | None = None, **options) -> httpx2.Client:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx2.Client(base_url=self.url, headers=headers, **options)

    def signed_in(self, token: str) -> httpx2.Client:
        """A browser in which somebody has signed in with ``token``."""
        client = self.client()
        answer = self.post_form(client, "/sign-in", token=token)
        assert answer.status_code == 303, answer.text
        return client

    @staticmethod
    def csrf_in(page: str) -> str:
        """The hidden field of a page's form."""
        return re.search(r'name="csrf" value="([^"]+)"', page)[1]

    def post_form(self, client: httpx2.Client, path: str, page: str | None = None, **fields) -> httpx2.Response:
        """Load the page with the form (by default at the same address), fill it in and send it."""
        return client.post(path, data={"csrf": self.csrf_in(client.get(page or path).text), **fields})

    def records(self) -> list[dict]:
        """The access log, oldest first."""
        files = sorted((self.home.state / "access").glob("*.ndjson"))
        return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def home(tmp_path):
    (tmp_path / "audit.toml").write_text(SETTINGS)
    return open_home(tmp_path)


@pytest.fixture
def serving(home, clock):
    """Serve ``home`` while the block lasts; ``settings`` are more lines of audit.toml, ``routers`` more routes."""

    @contextmanager
    def serve(settings: str = "", *routers):
        home.settings_file.write_text(SETTINGS + settings)
        loaded = home.settings()
        app = application.build(home, now=clock, settings=loaded)
        for router in routers:
            app.include_router(router)
        server = listening.server(app, loaded.serve, home)
        with listening.listen(_any_port(loaded.serve)) as socket:  # from here on the kernel takes connections
            thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]})
            thread.start()
            try:
                yield Door(home, clock, app, f"http://127.0.0.1:{socket.getsockname()[1]}")
            finally:
                server.should_exit = True
                thread.join()

    return serve


def _any_port(serve):
    import msgspec

    return msgspec.structs.replace(serve, port=0)


@pytest.fixture
def unused_port():
    """A port of loopback on which nothing listens."""
    with socketlib.create_server(("127.0.0.1", 0)) as socket:
        return socket.getsockname()[1]
