"""What the tests of `ship` share: rows, a publisher over real DuckDB and real files, and two strict readers."""

import gzip
import hashlib
import io
import ipaddress
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import duckdb
import pytest
import zstandard

from audit_pipelines.batch import Batch, DayCount, EvidenceFile
from audit_pipelines.drop import Drop
from audit_pipelines.event import COLUMNS
from audit_pipelines.extract import DIALECTS
from audit_pipelines.lake import derive
from audit_pipelines.lake.read import connect
from audit_pipelines.record import load_dialect
from audit_pipelines.ship.format import load_format
from audit_pipelines.ship.manifest import DropManifest, Sealed
from audit_pipelines.ship.publish import publish_day
from audit_pipelines.shipped import shipped
from tests.ship import real_records

DAY = date(2026, 1, 5)
EXTRACTED = datetime(2026, 1, 6, 1, 30, 0, 123456, tzinfo=UTC)
TEMPLATES = shipped("templates") / "siem"
VECTORS = Path(__file__).parents[1] / "vectors" / "ecs"


def event(number: int = 0, **columns) -> dict:
    """One canonical row; `number` is its leaf and its second of the day."""
    row = dict.fromkeys((column.name for column in COLUMNS), None)
    row |= {
        "uid": f"terracotta/evt_{number:06d}",
        "event_id": f"evt_{number:06d}",
        "occurred_at": datetime(2026, 1, 5, number // 3600 % 24, number // 60 % 60, number % 60, 250_000, tzinfo=UTC),
        "source": "terracotta",
        "dialect": "terracotta",
        "org_id": "org_8842",
        "category": "configuration",
        "action": "guardrail.updated",
        "outcome": "success",
        "actor_type": "user",
        "actor_id": "usr_7",
        "actor_name": "Ada Lovelace",
        "actor_email": "ada@example.com",
        "targets": [{"type": "guardrail", "id": "gr_1", "name": "No public buckets"}],
        "target_type": "guardrail",
        "target_id": "gr_1",
        "target_name": "No public buckets",
        "source_ip": "198.51.100.7",
        "user_agent": "Mozilla/5.0",
        "changes": [],
        "session_id": "ses_1",
        "extracted_at": EXTRACTED,
        "line": number,
        "leaf_index": number,
    }
    return row | columns


def relation(rows: list[dict]) -> duckdb.DuckDBPyConnection:
    """A connection whose table `events` holds `rows`."""
    connection = connect(memory="1GB", threads=2)
    types = [(column.name, column.type) for column in COLUMNS] + [("leaf_index", "BIGINT")]
    connection.execute("CREATE TABLE events (" + ", ".join(f'"{name}" {kind}' for name, kind in types) + ")")
    for row in rows:
        connection.execute(f"INSERT INTO events VALUES ({', '.join('?' * len(types))})", [row[name] for name, _ in types])
    return connection


def batch(count: int, *, seq: int = 7, day: date = DAY, first: int = 0) -> Batch:
    """The manifest of a batch whose leaves are `count` events of one day."""
    file = EvidenceFile(
        source="terracotta", day=day, path="e", events="p", dialect="terracotta", first=first, count=count,
        sha256="0" * 64, bytes=1, oldest=EXTRACTED, newest=EXTRACTED, frames=(),
    )  # fmt: skip
    return Batch(
        seq=seq, run_id="run", extracted_at=EXTRACTED, code="0.1.0", versions={}, asked=(day,), first=first, size=first + count,
        days=(DayCount(day=day, events=count),), sources=(), evidence=(file,) if count else (),
    )  # fmt: skip


SEALED = Sealed(statement=17, checkpoint=f"audit-pipelines/acme/statements\n18\n{'A' * 43}=\n\n\u2014 name {'B' * 92}\n")
"""As long as a real one with one key."""


@dataclass
class Publisher:
    """`publish_day` with everything but the rows filled in."""

    root: Path

    @property
    def drops(self) -> Path:
        return self.root / "drops"

    def __call__(
        self,
        rows,
        *formats: str,
        kind="b",
        seq=7,
        day=DAY,
        first=0,
        limits=None,
        folders=(TEMPLATES,),
        more=MappingProxyType({}),
        **settings,
    ) -> DropManifest:
        connection = relation(rows) if isinstance(rows, list) else rows
        (count,) = connection.execute("SELECT count(*) FROM events").fetchone()
        return publish_day(
            connection,
            drops=self.drops,
            staging=self.root / "state" / "staging",
            formats=[(load_format(name, folders), Drop(**settings)) for name in formats or ("generic", "ecs")],
            organisation="acme",
            batch=batch(count, seq=seq, day=day, first=first),
            manifest_sha256="ab" * 32,
            log=SEALED,
            day=day,
            kind=kind,
            limits=limits,
            **more,
        )

    def files(self) -> dict[str, bytes]:
        """Everything below `drops`, by relative name."""
        return {
            path.relative_to(self.drops).as_posix(): path.read_bytes() for path in sorted(self.drops.rglob("*")) if path.is_file()
        }

    def lines(self, made: DropManifest, form: str) -> list[bytes]:
        """The lines of a format's files without the batch records; of a format with more lines an event, all of them."""
        entry = next(entry for entry in made.formats if entry.format == form)
        skip = load_format(form, (TEMPLATES,)).lines if (TEMPLATES / f"{form}.sql.j2").exists() else 1
        return [line for file in entry.files for line in content(self.drops / file.path).splitlines(keepends=True)[skip:]]


def content(path: Path) -> bytes:
    """A drop's bytes, decompressed by another reader than the one that wrote them."""
    raw = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(raw)
    if path.suffix == ".zst":
        return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(raw), read_across_frames=True).read()
    return raw


def parse(line: bytes):
    """One line by the strict rules: UTF-8, one value, no duplicate keys, no NaN, no needless white space."""

    def unique(pairs):
        assert len({key for key, _ in pairs}) == len(pairs), "duplicate key"
        assert all(value is not None for _, value in pairs), "null member"
        return dict(pairs)

    def refuse(text):
        raise AssertionError(text)

    text = line.decode("utf-8", errors="strict")
    value = json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    for character in text.removesuffix("\n"):
        code = ord(character)
        assert code >= 0x20, f"bare control {code:x}"
        assert not 0x7F <= code <= 0x9F, f"bare control {code:x}"
        assert code not in (0x2028, 0x2029), "bare line separator"
    return value


def batch_of(value):
    """The batch record in line 1, wherever its format puts it."""
    if isinstance(value, dict):
        if isinstance(value.get("batch"), dict) and "manifest_sha256" in value["batch"]:
            return value["batch"]
        return next((found for inner in value.values() if (found := batch_of(inner))), None)
    return None


def check_bytes(path: Path, lines: int = 1) -> list:
    """All byte rules of a drop; returns the events (for formats of more lines an event: the last line of each)."""
    raw = content(path)
    assert raw.endswith(b"\n")
    assert not raw.startswith(b"\xef\xbb\xbf")
    assert b"\r" not in raw
    assert b"\n\n" not in raw
    assert len(raw) >= 1025
    split = raw.split(b"\n")[:-1]
    head, body = split[:lines], split[lines:]
    record = batch_of(parse(head[-1]))
    assert record["id"].encode() in raw[:256]
    assert record["count"] == len(body) // lines
    assert record["sha256"] == hashlib.sha256(b"".join(line + b"\n" for line in body)).hexdigest()
    events = []
    for line in body:
        events.append(parse(line))
        # A float keeps its length, however many zeros it ends with.
        kept = json.loads(line, parse_float=lambda text: int("1" * len(text)))
        compact = json.dumps(kept, ensure_ascii=False, separators=(",", ":"))
        escapes = sum(5 for c in compact if c == "\x7f")
        escapes += sum(6 - len(c.encode()) for c in compact if "\x80" <= c <= "\x9f" or c in "\u2028\u2029")
        assert len(line) == len(compact.encode()) + escapes, "white space or another escape than needed"
    return events[lines - 1 :: lines]


_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


class Ecs:
    """The official ECS list as a check: what is wrong with a document?"""

    own = ("audit_pipelines", "doc_id")

    def __init__(self) -> None:
        self.fields = json.loads((VECTORS / "ecs_flat_9.4.0.json").read_bytes())["fields"]

    def problems(self, document: dict) -> list[str]:
        flat = dict(self._flat(document, ""))
        found = [problem for name, value in flat.items() for problem in self._field(name, value)]
        found += [f"{name} is missing" for name in ("@timestamp", "ecs.version") if name not in flat]
        expected = self.fields["event.category"]["allowed_values"]
        if isinstance(flat.get("event.category"), list):
            for category in flat["event.category"]:
                types = flat.get("event.type", [])
                found += [f"{category}: unexpected {kind}" for kind in types if kind not in (expected.get(category) or [])]
        return found

    def _flat(self, value: dict, prefix: str) -> Iterator[tuple[str, object]]:
        for key, inner in value.items():
            name = prefix + key
            if name in self.own:
                continue
            if isinstance(inner, dict):
                yield from self._flat(inner, f"{name}.")
            else:
                yield name, inner

    def _field(self, name: str, value) -> Iterator[str]:
        field = self.fields.get(name)
        if field is None:
            yield f"{name} is no ECS field"
            return
        if ("array" in field.get("normalize", [])) != isinstance(value, list):
            yield f"{name}: array or not?"
        for one in value if isinstance(value, list) else [value]:
            if not self._typed(field["type"], one):
                yield f"{name}: {one!r} is no {field['type']}"
            if field.get("allowed_values") and one not in field["allowed_values"]:
                yield f"{name}: {one!r} is not allowed"

    @staticmethod
    def _typed(kind: str, value) -> bool:
        if kind == "date":
            return bool(_TIME.fullmatch(value))
        if kind == "ip":
            return bool(ipaddress.ip_address(value))
        return isinstance(value, int if kind == "long" else str)


@pytest.fixture(scope="session")
def ecs() -> Ecs:
    return Ecs()


@pytest.fixture
def publish(tmp_path) -> Publisher:
    return Publisher(tmp_path)


@pytest.fixture(scope="session")
def drops() -> SimpleNamespace:
    """The functions above: test files are imported on their own and cannot import each other."""
    return SimpleNamespace(
        event=event, relation=relation, batch=batch, content=content, parse=parse, check_bytes=check_bytes, batch_of=batch_of,
        Publisher=Publisher, DAY=DAY, SEALED=SEALED, EXTRACTED=EXTRACTED, TEMPLATES=TEMPLATES,
    )  # fmt: skip


@pytest.fixture(scope="session")
def real(tmp_path_factory) -> Callable[[], duckdb.DuckDBPyConnection]:
    """Connections whose `events` has every record of `real_records`: of the vectors and, where they are, the shared data."""
    folder = tmp_path_factory.mktemp("real")
    connection = connect(memory="1GB", threads=2)
    derive.prepare(connection)
    for place in real_records.REAL + real_records.CASES:
        dialect = load_dialect(place.dialect, [DIALECTS])
        found = real_records.records(place, dialect)
        ids, times = [f"{number}" for number in range(len(found))], [time for _, time in found]
        batch = derive.record_batch(0, ids, times, [record for record, _ in found])
        origin = derive.Origin(
            source=place.source, dialect=dialect, extracted_at=EXTRACTED, evidence_sha256="0" * 64, code="0.1.0"
        )
        derive.write_parquet(connection, [batch], folder / f"{place.source}.parquet", origin)

    def events() -> duckdb.DuckDBPyConnection:
        fresh = connect(memory="1GB", threads=2)
        files = f"read_parquet('{folder}/*.parquet')"
        fresh.execute(f"CREATE TABLE events AS SELECT *, row_number() OVER (ORDER BY uid) - 1 AS leaf_index FROM {files}")
        return fresh

    return events
