"""A home's door: the real application on a real uvicorn on loopback, with a clock of one's own."""

import fcntl
import json
import os
import re
import shutil
import socket as socketlib
import threading
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx2
import pytest

from audit_pipelines.demo.plan import plan
from audit_pipelines.home import Home, open_home
from audit_pipelines.serve import app as application
from audit_pipelines.serve import listening, minting
from audit_pipelines.serve.tokens import Limits
from tests.defs.conftest import Yard

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

    def linked(self, **limits) -> httpx2.Client:
        """A browser in which a new link is open."""
        client = self.client()
        answer = self.post_form(client, f"/l/{self.link(**limits)}")
        assert answer.status_code == 303, answer.text
        return client

    def records(self) -> list[dict]:
        """The access log, oldest first."""
        files = sorted((self.home.state / "access").glob("*.ndjson"))
        return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]

    def record_of(self, answer: httpx2.Response) -> dict:
        """What the access log says of the request that ``answer`` answers."""
        (found,) = [one for one in self.records() if one["context"]["request_id"] == answer.headers["x-request-id"]]
        return found


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def home(tmp_path):
    (tmp_path / "audit.toml").write_text(SETTINGS)
    return open_home(tmp_path)


@contextmanager
def opened(home: Home, clock: Clock, *routers):
    """Serve ``home`` while the block lasts; ``routers`` are more routes."""
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


@pytest.fixture
def serving(home, clock):
    """Serve ``home`` while the block lasts; ``settings`` are more lines of audit.toml, ``routers`` more routes."""

    @contextmanager
    def serve(settings: str = "", *routers):
        home.settings_file.write_text(SETTINGS + settings)
        with opened(home, clock, *routers) as door:
            yield door

    return serve


def _any_port(serve):
    import msgspec

    return msgspec.structs.replace(serve, port=0)


LARKSPUR = plan(seed=7, today=date(2026, 2, 10))
"""The demo's made-up organisation."""
DAYS = (date(2026, 1, 29), date(2026, 1, 30), date(2026, 1, 31))
"""Those of its days that the sealed home has: two working days and a Saturday."""


def made_once(tmp_path_factory, name: str, make) -> Home:
    """The home that ``make(folder)`` fills: by one worker of pytest-xdist, while the others wait and then read it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("DAGSTER_HOME", "")  # a night sets them for its process
                patch.setenv("AUDIT_HOME", "")
                make(folder)
            (folder / "made").touch()
    return open_home(folder / "home")


def fill_sealed(folder) -> None:
    yard = Yard(folder, start=DAYS[0])
    for day in DAYS:
        yard.put(f"{day}.ndjson", LARKSPUR.records(day))
        yard.night(day + timedelta(days=1))
    yard.report(DAYS[0].replace(day=1), date(2026, 2, 5))
    with yard.home.settings_file.open("a") as settings:
        settings.write("\n[serve]\nrequests_a_minute = 1000000\n")


def copied(home: Home, folder) -> Home:
    """A home of one's own, which nobody has read yet: reading writes tokens and the access log."""
    kept = shutil.ignore_patterns("access", "tokens.json")
    return open_home(Path(shutil.copytree(home.root, folder / "home", symlinks=True, ignore=kept)))


@pytest.fixture(scope="session")
def sealed_once(tmp_path_factory) -> Home:
    """A home with some days of the demo's organisation, sealed, judged, dropped and reported."""
    return made_once(tmp_path_factory, "sealed", fill_sealed)


@pytest.fixture(scope="session")
def sealed(sealed_once, tmp_path_factory) -> Home:
    """This worker's copy of it; no test changes it but by reading."""
    return copied(sealed_once, tmp_path_factory.mktemp("sealed"))


@pytest.fixture(scope="session")
def sealed_records() -> list[bytes]:
    """The records of the sealed home, oldest first."""
    return [record for day in DAYS for record in LARKSPUR.records(day)]


@pytest.fixture(scope="module")
def sealed_door(sealed):
    """The sealed home, served while a module's tests last."""
    clock = Clock()
    clock.time = datetime(2026, 2, 5, 12, tzinfo=UTC)
    with opened(sealed, clock) as door:
        yield door


@pytest.fixture
def unused_port():
    """A port of loopback on which nothing listens."""
    with socketlib.create_server(("127.0.0.1", 0)) as socket:
        return socket.getsockname()[1]
