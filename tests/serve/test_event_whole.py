"""One event whole: what is shown is what a verifier checks."""

import base64
from datetime import date

import pytest

from audit_pipelines.seal.standalone import leaf_hash, node_hash
from audit_pipelines.serve.catalog import Catalog
from audit_pipelines.serve.engine import Engine
from audit_pipelines.serve.event import Events
from audit_pipelines.serve.filters import Filter
from audit_pipelines.serve.lines import STREAM_ROWS, Lines
from audit_pipelines.serve.search import Place, Search
from tests.defs.conftest import Yard, day_of_records

RECORDS = day_of_records(date(2026, 1, 2), 300)


@pytest.fixture(scope="module")
def yard(tmp_path_factory):
    found = Yard(tmp_path_factory.mktemp("events"))
    found.put("one.ndjson", RECORDS)
    found.night(date(2026, 1, 3))
    return found


@pytest.fixture(scope="module")
def engine(yard):
    found = Engine(yard.home, memory="500MB", seconds=30)
    yield found
    found.close()


@pytest.fixture(scope="module")
def events(yard, engine):
    return Events(yard.home, engine)


@pytest.fixture(scope="module")
def log(yard):
    return Catalog(yard.home).now()


def rfc6962_root(index: int, size: int, leaf: bytes, path: tuple[bytes, ...]) -> bytes:
    """RFC 9162, 2.1.3.2: the root that an inclusion proof gives."""
    at, last, root = index, size - 1, leaf
    for other in path:
        if at & 1 or at == last:
            root = node_hash(other, root)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            root = node_hash(root, other)
        at, last = at >> 1, last >> 1
    assert last == 0
    return root


@pytest.mark.parametrize("leaf", [0, 1, 255, 256, 299])
def test_record_salt_and_proof_give_the_signed_root(events, log, leaf):
    found = events.find(log, [Filter()], leaf)
    assert found.event["leaf_index"] == leaf
    assert found.record in RECORDS
    assert found.leaf_hash == leaf_hash(found.salt + found.record)
    root = rfc6962_root(leaf, found.proof.size, found.leaf_hash, found.proof.path)
    assert root == base64.b64decode(found.proof.checkpoint.split(b"\n")[2])
    assert found.proof.text(found.salt).startswith(b"c2sp.org/tlog-proof@v1\n")


def test_what_a_filter_hides_is_not_there(events, log):
    assert events.find(log, [Filter(user=("p0@example.com",))], 0) is not None
    assert events.find(log, [Filter(user=("p1@example.com",))], 0) is None
    assert events.leaves(log, [Filter(user=("p1@example.com",))], "terracotta/evt_000000") == []
    assert events.find(log, [Filter()], 300) is None
    assert events.find(log, [Filter()], -1) is None


@pytest.mark.parametrize("identity", ["terracotta/evt_000007", "evt_000007"])
def test_an_event_is_found_by_its_uid_and_by_its_id(events, log, identity):
    assert events.leaves(log, [Filter()], identity) == [7]


def test_records_come_as_the_source_sent_them(engine, events, log):
    lines = Lines(engine, Search(engine), events)
    page = lines.page(log, [Filter()], Place("asc"), 1000, "record")
    assert page.lines == RECORDS
    assert page.more is None


def test_a_stream_is_all_of_the_pages(engine, events, log, monkeypatch):
    monkeypatch.setattr("audit_pipelines.serve.lines.STREAM_ROWS", 70)
    lines = Lines(engine, Search(engine), events)
    pages = list(lines.stream(log, [Filter()], Place("asc"), "record"))
    assert [len(page) for page in pages] == [70, 70, 70, 70, 20]
    assert [line for page in pages for line in page] == RECORDS
    assert STREAM_ROWS > 70


def test_canonical_lines_are_those_of_the_drop(yard, engine, events, log):
    lines = Lines(engine, Search(engine), events).page(log, [Filter()], Place("asc"), 1000).lines
    (drop,) = (yard.home.drops / "generic").glob("*.20260102.*.ndjson")
    assert drop.read_bytes().split(b"\n")[1:-1] == lines
