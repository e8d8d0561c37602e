"""Reads a home through ``serve`` on loopback, as a browser and a script do; tells the median of its requests.

A server of its own is started, asked a few times to warm up, then measured; at the end it is stopped and its
largest memory taken. No two measured requests ask the same, so that none is answered from memory. The last line
of the output is what counts: ``{"wall": seconds, "peak": MiB}``. Arguments: HOME WHAT, one of ``CASES``.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

import httpx2

from audit_pipelines.home import open_home
from audit_pipelines.serve.catalog import Catalog
from audit_pipelines.serve.cursor import Cursor, encode, query_name
from audit_pipelines.serve.engine import Engine
from audit_pipelines.serve.filters import Filter
from audit_pipelines.serve.search import Search
from bench.measure import python

WARM, TIMES, READERS = 3, 15, 50
_DAY = timedelta(days=1)


@dataclass(slots=True)
class Server:
    """A running ``serve`` and somebody who may read."""

    home: Path
    client: httpx2.Client
    process: subprocess.Popen[bytes]
    size: int
    newest: datetime
    search: Search

    def get(self, path: str, **query: object) -> httpx2.Response:
        """One answer, read to its end; anything but 200 is an error."""
        answer = self.client.get(path, params={name: str(value) for name, value in query.items()})
        answer.raise_for_status()
        return answer


@contextmanager
def serving(home: Path) -> Iterator[Server]:
    """Start, wait until it answers, stop."""
    (home / "state" / "tokens.json").unlink(missing_ok=True)
    argv = python("audit_pipelines", "--home", home, "tokens", "new", "--name", "bench", "--scope", "read", "--scope", "export")
    token = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()
    settings = home / "audit.toml"
    if "[serve]" not in settings.read_text(encoding="utf-8"):
        settings.write_text(settings.read_text(encoding="utf-8") + "\n[serve]\nrequests_a_minute = 1000000\n", encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(python("audit_pipelines", "--home", home, "serve", "--port", port))
    headers, limits = {"Authorization": f"Bearer {token}"}, httpx2.Limits(max_connections=READERS)
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=120, limits=limits) as client:
            _wait(client)
            log = Catalog(open_home(home)).now()
            assert log.newest is not None
            yield Server(home, client, process, log.size, log.newest, Search(Engine(open_home(home), memory="1GB", seconds=60)))
    finally:
        process.send_signal(signal.SIGTERM)


def _wait(client: httpx2.Client) -> None:
    for _ in range(600):
        try:
            client.get("/healthz").raise_for_status()
        except httpx2.TransportError:
            time.sleep(0.1)
        else:
            return
    sys.exit("serve does not answer")


def first_page(server: Server, _: int) -> None:
    """The viewer as it opens."""
    server.get("/audit-logs")


def by_user_and_type(server: Server, number: int) -> None:
    """The viewer with a user and an action, another user each time."""
    server.get("/audit-logs", user=f"person.{40 + 3 * number}@larkspur.example", action="guardrail.updated")


def first_rows(server: Server, _: int) -> None:
    """The API's first page, to compare the deep ones with."""
    server.get("/v1/audit-logs", limit=100)


def deep_rows(server: Server, number: int) -> None:
    """The API's page after a cursor from deep in the log, as if all before it had been read."""
    moment = server.newest - _DAY * (20 * (number + 1) % 340)
    at = int(moment.timestamp() * 1_000_000) + 43_200_000_000
    cursor = Cursor(server.size, "desc", at, "bulk/", query_name([Filter()]), server.size)
    server.get("/v1/audit-logs", limit=100, cursor=encode(cursor))


def facet(server: Server, number: int) -> None:
    """How many events of each action, over the whole year but another minute each time; asked without HTTP."""
    log = Catalog(open_home(server.home)).now()
    since = server.newest - 364 * _DAY + timedelta(minutes=number)
    assert server.search.facet(log, [Filter(since=since)], "action")


def stream(server: Server, _: int) -> None:
    """The newest ten days as NDJSON, counted."""
    until = (server.newest + _DAY).date()
    query = urlencode({"from": str(until - 10 * _DAY), "to": str(until)})
    lines = 0
    with server.client.stream("GET", f"/v1/audit-logs.ndjson?{query}") as answer:
        answer.raise_for_status()
        for piece in answer.iter_raw():
            lines += piece.count(b"\n")
        expected = int(answer.headers["Audit-Log-Events"])
    assert lines == expected > 0, (lines, expected)


def many_readers(server: Server, number: int) -> None:
    """Fifty at once, each another filter; one error ends it all."""

    def read(reader: int) -> None:
        first_rows(server, 0)
        server.get("/audit-logs", user=f"person.{200 + number * READERS + reader}@larkspur.example", action="seat.added")

    with ThreadPoolExecutor(READERS) as pool:
        for done in [pool.submit(read, reader) for reader in range(READERS)]:
            done.result()


CASES: dict[str, tuple[Callable[[Server, int], None], int]] = {
    "first": (first_page, TIMES),
    "filter": (by_user_and_type, TIMES),
    "facet": (facet, TIMES),
    "rows": (first_rows, TIMES),
    "deep": (deep_rows, TIMES),
    "stream": (stream, 1),
    "readers": (many_readers, 1),
}
"""What is asked, and how often."""


def main(root: str, what: str) -> None:
    """Measure one case."""
    ask, times = CASES[what]
    with serving(Path(root)) as server:
        for number in range(WARM):
            first_page(server, number) if what in ("stream", "readers") else ask(server, TIMES + number)
        walls = []
        for number in range(times):
            start = time.perf_counter()
            ask(server, number)
            walls.append(time.perf_counter() - start)
    _, _, usage = os.wait4(server.process.pid, 0)
    server.process.returncode = 0
    print(json.dumps({"wall": median(walls), "peak": usage.ru_maxrss / 1024}))
    print(f"{datetime.now(UTC):%H:%M:%S} {what}: {min(walls):.3f} to {max(walls):.3f} s", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
