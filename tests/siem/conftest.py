"""Real readers on loopback, as the kits in docs/siem configure them, and a home that publishes under their eyes."""

import gzip
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType, SimpleNamespace
from urllib.error import HTTPError

import pytest

TESTS = Path(__file__).parents[1]
KITS = TESTS.parent / "docs" / "siem"
PATIENCE = 60.0
"""Seconds after which a reader that says nothing has failed."""


def borrowed(name: str, path: Path) -> ModuleType:
    """Another folder's conftest or script: test files are imported on their own and cannot import each other."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for another program. There is nothing to be told by, so this asks ten times a second."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not in {PATIENCE:.0f} s")
        threading.Event().wait(0.1)


def kit(name: str, **changes: str) -> str:
    """A shipped file with every text in `changes` replaced; each must occur, or the test would prove nothing."""
    text = (KITS / name).read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text, f"{name}: {old}"
        text = text.replace(old, new)
    return text


class Process:
    """A program that is ended by a signal to its own id."""

    def __init__(self, arguments: list[str | Path], log: Path, out: Path | None = None) -> None:
        self.log = log
        with open(log, "ab") as errors, open(out or log, "ab") as output:
            self.process = subprocess.Popen([str(a) for a in arguments], stdin=subprocess.DEVNULL, stdout=output, stderr=errors)

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        """End it in order, so that it keeps its places and sends what it holds."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Sink:
    """An HTTP server on loopback that keeps what is posted, and passes it on where `forward` is given."""

    def __init__(self, forward: str | None = None) -> None:
        self.requests: list[tuple[str, bytes]] = []
        self.headers: list[dict[str, str]] = []
        self.lock = threading.Lock()
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.read()
                if body and self.command == "POST":
                    with sink.lock:
                        sink.requests.append((self.path, body))
                        sink.headers.append(dict(self.headers))
                status, content = sink.pass_on(forward, self.command, self.path, body) if forward else (200, b"{}")
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("X-Elastic-Product", "Elasticsearch")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            def read(self) -> bytes:
                if "chunked" in self.headers.get("Transfer-Encoding", ""):
                    body = b""
                    while size := int(self.rfile.readline().split(b";")[0], 16):
                        body += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                else:
                    body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

            do_GET = do_POST = do_PUT = do_HEAD = answer  # noqa: N815 - the names that BaseHTTPRequestHandler calls

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @staticmethod
    def pass_on(url: str, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        # Elastic's clients name a media type of their own, which only Elastic's servers know.
        kind = "application/x-ndjson" if path.partition("?")[0].endswith("_bulk") else "application/json"
        request = urllib.request.Request(url + path, data=body or None, method=method, headers={"Content-Type": kind})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, answer.read()
        except HTTPError as error:
            return error.code, error.read()

    def bodies(self) -> list[bytes]:
        with self.lock:
            return [body for _, body in self.requests]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def plain(value: dict) -> object:
    """An OTLP `AnyValue` as Python has it."""
    ((kind, inner),) = value.items() if value else (("none", None),)
    if kind == "kvlistValue":
        return {entry["key"]: plain(entry["value"]) for entry in inner.get("values", [])}
    if kind == "arrayValue":
        return [plain(entry) for entry in inner.get("values", [])]
    return int(inner) if kind == "intValue" else inner


@dataclass
class Otelcol:
    """The Collector's filelog reader; what it sends is kept by a sink."""

    folder: Path
    sink: Sink = field(default_factory=Sink)
    process: Process | None = None

    def start(self, *configs: str) -> None:
        """One Collector with all the files, as ``--config`` given several times; and without a metrics port."""
        arguments = [otelcol_binary()]
        for number, config in enumerate((*configs, "service: {telemetry: {metrics: {level: none}}}\n")):
            path = self.folder / f"otelcol-{number}.yaml"
            path.write_text(config, encoding="utf-8")
            arguments += ["--config", path]
        self.process = Process(arguments, self.folder / "otelcol.log")
        until(lambda: "Everything is ready" in self.process.said(), "the Collector's start")

    def records(self) -> list[dict]:
        """Every log record it has sent."""
        return [
            record
            for body in self.sink.bodies()
            for resource in json.loads(body)["resourceLogs"]
            for scope in resource["scopeLogs"]
            for record in scope["logRecords"]
        ]

    def values(self) -> list:
        """Their bodies: objects where the line was JSON, text where not."""
        return [plain(record.get("body", {})) for record in self.records()]

    def complaints(self) -> list[str]:
        """What it warns of; that a folder has no files yet is no fault."""
        lines = [line for line in self.process.said().splitlines() if re.search(r"\t(warn|error)\t", line)]
        return [line for line in lines if "no files match the configured criteria" not in line]

    def stop(self) -> None:
        if self.process:
            self.process.stop()
        self.sink.close()


@dataclass
class Rsyslog:
    """rsyslogd with a main configuration like Debian's, which includes the kit's file."""

    folder: Path
    process: Process | None = None

    def start(self, fragment: str, before: str = "") -> None:
        (self.folder / "work").mkdir(exist_ok=True)
        (self.folder / "60-audit-pipelines.conf").write_text(fragment, encoding="utf-8")
        (self.folder / "rsyslog.conf").write_text(
            f'{before}\nglobal(workDirectory="{self.folder / "work"}")\n'
            f'include(file="{self.folder / "60-audit-pipelines.conf"}" mode="required")\n'
            f'if $syslogtag startswith "rsyslogd" then action(type="omfile" file="{self.folder / "own.log"}")\n',
            encoding="utf-8",
        )
        arguments = [shutil.which("rsyslogd"), "-n", "-f", self.folder / "rsyslog.conf", "-i", self.folder / "pid"]
        self.process = Process(arguments, self.folder / "rsyslog.log")

    def complaints(self) -> str:
        """What it says of its own: files that are not there are no fault, all else is."""
        own = self.folder / "own.log"
        text = self.process.said() + (own.read_text(encoding="utf-8", errors="replace") if own.exists() else "")
        return "\n".join(line for line in text.splitlines() if re.search(r"error|fail|suspend|could not", line, re.IGNORECASE))

    def stop(self) -> None:
        if self.process:
            self.process.stop()


class Osmem:
    """A server with the OpenSearch API, in memory."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        binary = Path(importlib.util.find_spec("osmem_server").origin).parent / "bin" / "osmem-server"
        self.url = f"http://127.0.0.1:{port}"
        arguments = [binary, "-addr", f"127.0.0.1:{port}", "-no-stdin-watch", "-parent-pid", f"{os.getpid()}"]
        self.process = Process(arguments, folder / "osmem.log")
        until(self.answers, "the OpenSearch server's start")

    def answers(self) -> bool:
        try:
            return "version" in self.ask("GET", "/")
        except OSError:
            return False

    def ask(self, method: str, path: str, body: object = None) -> dict:
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method, headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return json.loads(answer.read() or b"{}")
        except HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()[:500]}") from None

    def documents(self, index: str) -> list[dict]:
        """All documents of the indices, each with ``_id`` and ``_index``."""
        found = self.ask("GET", f"/{index}/_search", {"size": 10_000, "query": {"match_all": {}}})
        return found["hits"]["hits"]

    def count(self, index: str) -> int:
        try:
            return self.ask("GET", f"/{index}/_count")["count"]
        except AssertionError:
            return 0

    def stop(self) -> None:
        self.process.stop()


def otelcol_binary() -> Path | None:
    found = importlib.util.find_spec("otel_collector")
    path = next((Path(found.origin).parent / "bin").glob("otelcol*linux_amd64"), None) if found else None
    if path and not os.access(path, os.X_OK):  # the wheel does not say that it is a program
        path.chmod(path.stat().st_mode | 0o111)
    return path


def missing(*names: str) -> str | None:
    """Why these programs cannot run here, or None. In CI they must."""
    there = {
        "rsyslog": shutil.which("rsyslogd") and next(Path("/usr/lib").glob("**/rsyslog/omelasticsearch.so"), None),
        "otelcol": otelcol_binary(),
        "osmem": importlib.util.find_spec("osmem_server"),
    }
    absent = [name for name in names if not there[name]]
    if absent and os.environ.get("CI"):
        raise AssertionError(f"{', '.join(absent)}: not installed, but CI must run these readers")
    return f"{', '.join(absent)}: not installed (make test installs what it can)" if absent else None


def need(*names: str) -> None:
    if reason := missing(*names):
        pytest.skip(reason)


BATCH = (("batch",), ("audit_pipelines", "batch"), ("unmapped", "batch"), ("event", "batch"), ("audit", "batch"))
"""Where the formats keep the batch record."""
UID = (("uid",), ("event", "id"), ("metadata", "uid"), ("event_id",), ("event", "event_id"), ("evt", "id"))
"""Where they keep the event's id."""


def first(document: dict, places: tuple[tuple[str, ...], ...]) -> object:
    """What stands at the first of the places that there is."""
    for place in places:
        value: object = document
        for key in place:
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            return value
    return None


def is_batch(document: dict) -> bool:
    return first(document, BATCH) is not None


def batches(documents: Iterable[dict]) -> list[dict]:
    return [batch for document in documents if (batch := first(document, BATCH))]


def ids(documents: Iterable[dict]) -> Counter:
    """How often each event came, by uid."""
    return Counter(first(document, UID) for document in documents if not is_batch(document))


SHIP = borrowed("ship_conftest", TESTS / "ship" / "conftest.py")
real, ecs = SHIP.real, SHIP.ecs  # its fixtures: real records; the official ECS list


@pytest.fixture(scope="session")
def siem() -> SimpleNamespace:
    """The functions and classes above, for test files."""
    return SimpleNamespace(
        KITS=KITS, TESTS=TESTS, Process=Process, Sink=Sink, Otelcol=Otelcol, Rsyslog=Rsyslog, Osmem=Osmem, until=until, kit=kit,
        need=need, first=first, UID=UID, batches=batches, ids=ids, is_batch=is_batch, plain=plain, free_port=free_port, borrowed=borrowed,
        defs=borrowed("defs_conftest", TESTS / "defs" / "conftest.py"), ship=SHIP,
    )  # fmt: skip


@pytest.fixture(scope="session")
def osmem(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Osmem]:
    need("osmem")
    server = Osmem(tmp_path_factory.mktemp("osmem"))
    yield server
    server.stop()
