"""Logs and sealed homes made by hand, processes that die between two steps, and a verifier that is not ours."""

import contextlib
import hashlib
import importlib.util
import itertools
import os
import shutil
import signal
import subprocess
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import zstandard

from audit_pipelines import batch as manifest
from audit_pipelines import settings as settings_module
from audit_pipelines.batch import Batch, EvidenceFile
from audit_pipelines.durable import write_atomically
from audit_pipelines.home import Home
from audit_pipelines.seal import keys, sealed
from audit_pipelines.seal.log import Log
from audit_pipelines.seal.notary import Notary
from audit_pipelines.seal.standalone import Key, open_checkpoint

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("AUDIT_SHARED", ROOT.parent / "shared"))
ORIGIN = "audit.example/test/events"
NOW = datetime(2026, 1, 20, 2, tzinfo=UTC)


@pytest.fixture(scope="session")
def tlogverify(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The independent verifier in Go, built once: x/mod's note and tlog, none of our code."""
    source = SHARED / "tools" / "tlogverify"
    if not (source / "main.go").is_file():
        pytest.skip("the sources of tlogverify are not on this machine (AUDIT_SHARED names their folder)")
    if shutil.which("go") is None:
        pytest.skip("Go is not installed")
    built = tmp_path_factory.mktemp("go") / "tlogverify"
    flags = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "CGO_ENABLED": "0"}
    command = ["go", "build", "-trimpath", "-o", str(built), "main.go"]
    done = subprocess.run(command, cwd=source, env={**os.environ, **flags}, capture_output=True, text=True, check=False)
    if "cannot find package" in done.stderr:
        pytest.skip("golang.org/x/mod is not installed (Debian: golang-golang-x-mod-dev)")
    assert done.returncode == 0, done.stderr
    return built


def load(name: str) -> ModuleType:
    """A module of this folder."""
    location = importlib.util.spec_from_file_location(f"seal_{name}", Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(location)
    location.loader.exec_module(module)
    return module


_REFERENCE = load("reference")


@pytest.fixture(scope="session")
def reference() -> ModuleType:
    """RFC 6962 as recursion: reference.py."""
    return _REFERENCE


# --- logs ---------------------------------------------------------------------------------------------------


@dataclass
class SmallLog:
    """A log with one key, in a folder of its own: ``keys``, ``log``, ``staging``."""

    root: Path
    origin: str = ORIGIN
    signers: Sequence[keys.Signer] = ()

    @property
    def folder(self) -> Path:
        return self.root / "log"

    @property
    def key_folder(self) -> Path:
        return self.root / "keys"

    def signer(self) -> keys.Signer:
        """The one key, made at the first call; the same bytes in every test."""
        if not keys.listing(self.key_folder):
            keys.make(self.key_folder, lambda count: b"\x01" * count)
        return keys.load(self.key_folder, keys.listing(self.key_folder)[0])

    def notary(self) -> Notary:
        return Notary(self.key_folder, self.signers or [self.signer()])

    def open(self) -> Log:
        notary = self.notary()
        return Log(self.folder, self.origin, notary, [signer.public for signer in notary.signers], self.root / "staging")

    def key(self) -> Key:
        return Key(self.origin, self.signer().public)

    def grow(self, leaves: Sequence[bytes], *sizes: int) -> None:
        """Extend to each of ``sizes`` in turn, with the leaf hashes ``leaves``; a new log is empty first."""
        for size in sizes if self.open().founded else (0, *sizes):
            log = self.open()
            log.extend([b"".join(leaves[log.head().size : size])])

    def moved(self, root: Path) -> "SmallLog":
        """A copy of all of it."""
        shutil.copytree(self.root, root)
        return SmallLog(root, self.origin)

    def roots(self) -> dict[int, set[bytes]]:
        """Every root under a valid signature that lies anywhere here, by size."""
        paths = [*self.folder.glob("checkpoints/*"), *self.folder.glob("checkpoint")]
        notes = {str(path): path.read_bytes() for path in paths if path.suffix != ".new"}
        memory = self.notary().memory(self.origin)
        if memory is not None and memory.note:
            notes["memory"] = memory.note.encode()
        found: dict[int, set[bytes]] = {}
        for name, note in notes.items():
            head = open_checkpoint(note, [self.key()], name)
            found.setdefault(head.size, set()).add(head.root)
        return found

    def tree(self) -> dict[str, bytes]:
        return tree(self.root)


@pytest.fixture
def small_log(tmp_path: Path) -> SmallLog:
    return SmallLog(tmp_path / "small")


@pytest.fixture(scope="session")
def small_log_at() -> Callable[..., SmallLog]:
    """Makes a log in a folder of the caller's."""
    return SmallLog


def tree(root: Path) -> dict[str, bytes]:
    """Bytes of every file but staged ones, by name."""
    skipped = ("staging", "state")
    return {
        name: path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and (name := path.relative_to(root).as_posix()).split("/")[0] not in skipped
    }


# --- deaths -------------------------------------------------------------------------------------------------

_STEPS = ("rename", "link", "unlink", "rmdir", "mkdir")
"""System calls that change names; between two of them only files under temporary names change."""


def killed(action: Callable[[], Any], number: int) -> tuple[int, int]:
    """``action`` in a child that dies by SIGKILL before its ``number``-th step (0 = never).

    Steps are the calls of ``_STEPS``, and each signature. Gives (the signal it died of, its steps); an
    exception in the child fails the test. The child opens no thread and no DuckDB.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            counted = _count(number)
            action()
            os.write(writer, str(counted()).encode())
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(writer)
    said = os.read(reader, 32)
    os.close(reader)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, f"the child failed (to die at step {number})"
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, int(said or 0)


def _count(number: int) -> Callable[[], int]:
    calls = 0

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **named)

        return call

    for name in _STEPS:
        setattr(os, name, counted(getattr(os, name)))
    keys.FileSigner.sign = counted(keys.FileSigner.sign)
    return lambda: calls


@pytest.fixture(scope="session")
def dying() -> Callable[[Callable[[], Any], int], tuple[int, int]]:
    return killed


@pytest.fixture(scope="session")
def deaths() -> Callable[[Callable[[], Any]], Iterator[int]]:
    """Numbers of all steps of an action, found by doing it once."""

    def steps(action: Callable[[], Any]) -> Iterator[int]:
        _, calls = killed(action, 0)
        assert calls > 0
        return iter(range(1, calls + 1))

    return steps


# --- sealed homes -------------------------------------------------------------------------------------------

SETTINGS = '[organisation]\nname = "Test"\nid = "test"\nstart = 2026-01-01\n'


def salted(number: int) -> bytes:
    return hashlib.sha256(b"salt %d" % number).hexdigest()[:32].encode()


@dataclass
class SealedYard:
    """A home with evidence files and batch manifests made without the lake, to be sealed."""

    root: Path
    toml: str = SETTINGS
    batches: list[Batch] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    """Every evidence line: line i is leaf i."""

    @property
    def home(self) -> Home:
        return Home(self.root)

    @property
    def settings(self) -> settings_module.Settings:
        return settings_module.parse(self.toml)

    @property
    def key_folder(self) -> Path:
        return sealed.keys_folder(self.home, self.settings)

    def make_key(self, byte: bytes = b"\x01") -> keys.FileSigner:
        return keys.make(self.key_folder, lambda count: byte * count)

    def add(self, *counts: int, source: str = "app") -> Batch:
        """A committed batch: one evidence file for each of ``counts``, on days that follow one another."""
        seq, first = len(self.batches) + 1, len(self.lines)
        days = [date(2026, 1, 1) + timedelta(days=seq + at) for at in range(len(counts))]
        evidence = tuple(self._evidence(source, day, count) for day, count in zip(days, counts, strict=True))
        made = Batch(
            seq=seq,
            run_id=f"run-{seq}",
            extracted_at=NOW + timedelta(days=seq),
            code="0.0.0",
            versions={},
            asked=tuple(days),
            first=first,
            size=len(self.lines),
            days=(),
            sources=(),
            evidence=evidence,
        )
        write_atomically(self.home.batch(seq), manifest.encode(made), staging=self.home.staging)
        self.batches.append(made)
        return made

    def _evidence(self, source: str, day: date, count: int) -> EvidenceFile:
        first = len(self.lines)
        lines = [salted(first + n) + b' {"id":"%d","note":"\xc3\xa9"}' % (first + n) for n in range(count)]
        self.lines += lines
        path = self.home.evidence(source, day, first, count)
        half = [b"".join(line + b"\n" for line in part) for part in (lines[: count // 2], lines[count // 2 :])]
        content = b"".join(zstandard.compress(part) for part in half)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        return EvidenceFile(
            source=source,
            day=day,
            path=self.home.relative(path),
            events=self.home.relative(self.home.events(source, day, first, count)),
            dialect="plain",
            first=first,
            count=count,
            sha256=hashlib.sha256(content).hexdigest(),
            bytes=len(content),
            oldest=noon,
            newest=noon + timedelta(hours=1),
            frames=((0, 0),),
        )

    def found(self) -> sealed.SealedLog:
        return sealed.found_log(self.home, self.settings, NOW)

    def open(self) -> sealed.SealedLog:
        opened = sealed.open_log(self.home, self.settings)
        assert opened is not None
        return opened

    def night(self) -> None:
        """What a night does: found the log if need be, then seal every batch that is not sealed."""
        opened = sealed.open_log(self.home, self.settings) or self.found()
        for batch in self.batches:
            if batch.seq not in opened.ledger.batches():
                opened.seal(batch)

    def moved(self, root: Path) -> "SealedYard":
        shutil.copytree(self.root, root)
        return SealedYard(root, self.toml, list(self.batches), list(self.lines))

    def tree(self) -> dict[str, bytes]:
        return tree(self.root)


@pytest.fixture
def sealed_yard(tmp_path: Path) -> SealedYard:
    """A home without batches, with its key."""
    yard = SealedYard(tmp_path / "yard")
    yard.root.mkdir()
    yard.make_key()
    return yard


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], "contextlib.AbstractContextManager[Path]"]:
    """New empty folders for the many examples of one test, removed after each."""
    base, numbers = tmp_path_factory.mktemp("scratch"), itertools.count()

    @contextlib.contextmanager
    def folder() -> Iterator[Path]:
        made = base / str(next(numbers))
        made.mkdir()
        yield made
        shutil.rmtree(made)

    return folder
