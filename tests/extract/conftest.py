"""Real parts for the tests of ``extract``: a DuckDB for dialects, a folder of files, a server on loopback."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from audit_pipelines import settings
from audit_pipelines.extract import DIALECTS
from audit_pipelines.extract.files import FilesSource
from audit_pipelines.record import Block, Finished, Piece, Refusal, load_dialect, parse_dialect

WHEN = datetime(2026, 1, 5, 9, 12, 33, 123456, UTC)


@dataclass
class Given:
    """What a source gave, sorted by kind."""

    pieces: list[Piece]

    @property
    def records(self) -> list[bytes]:
        return [record for block in self.blocks for record in block.records]

    @property
    def blocks(self) -> list[Block]:
        return [piece for piece in self.pieces if isinstance(piece, Block)]

    @property
    def positions(self) -> list[int]:
        return [position for block in self.blocks for position in block.positions]

    @property
    def refusals(self) -> list[Refusal]:
        return [piece for piece in self.pieces if isinstance(piece, Refusal)]

    @property
    def finished(self) -> list[Finished]:
        return [piece for piece in self.pieces if isinstance(piece, Finished)]


@pytest.fixture
def given() -> type[Given]:
    return Given


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Given]:
    """Read files below ``tmp_path`` as a source would: ``read("folder")``."""

    def read(path: str = "in", *, records_key=None, seen=None, time="occurred_at", **options) -> Given:
        source = settings.Source(name="archive", kind="files", dialect="any", path=path, records_key=records_key)
        dialect = parse_dialect("any", f"-- id: id\n-- time: {time}\n", where="here")
        return Given(list(FilesSource(source, tmp_path, dialect, seen or {}, **options).read([])))

    return read


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, bytes], Path]:
    """Write a file below ``tmp_path/in``."""

    def put(name: str, content: bytes) -> Path:
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    return put


@pytest.fixture(scope="session")
def mapped() -> Callable[[str, list[str]], list[dict]]:
    """Run a shipped dialect over records: ``mapped("github", records)`` gives one dict a record."""
    connection = duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})
    connection.execute("SET TimeZone = 'UTC'")

    def run(name: str, records: list[str]) -> list[dict]:
        lines = range(len(records))
        table = pa.table(
            {
                "line": pa.array(lines, pa.int32()),
                "event_id": [f"id-{line}" for line in lines],
                "occurred_at": pa.array([WHEN for _ in lines], pa.timestamp("us", tz="UTC")),
                "record": pa.array(records, pa.string()),
            }
        )
        connection.register("records", table)
        found = connection.sql(load_dialect(name, [DIALECTS]).sql).to_arrow_table()
        connection.unregister("records")
        return sorted(found.to_pylist(), key=lambda row: row["line"])

    return run


@dataclass
class Service:
    """A server on loopback that answers from a script and keeps what it was asked."""

    url: str
    answer: Callable[[str], tuple[int, dict[str, str], bytes]]
    asked: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)


@pytest.fixture
def service() -> Iterator[Service]:
    """Set ``service.answer`` to a function from path and query to (status, headers, body)."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with lock:
                known.asked.append(self.path)
                known.tokens.append(self.headers.get("Authorization", ""))
            status, headers, body = known.answer(self.path)
            try:
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(body))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                pass  # the client has gone: that is what some tests want

        def log_message(self, *_: object) -> None:
            pass

    lock = threading.Lock()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    known = Service(f"http://127.0.0.1:{server.server_address[1]}", lambda _: (500, {}, b""))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield known
    server.shutdown()
    server.server_close()
