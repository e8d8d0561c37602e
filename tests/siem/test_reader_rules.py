"""Negative controls: files that break the rules of a drop are lost, doubled or garbled by real readers.

They show that the readers of test_readers.py would notice, and why a drop is as it is. The same kits are used. After
each wrong doing a right file follows: when a reader has sent that, it has looked at all the others.
"""

import hashlib
import json
import zlib
from pathlib import Path

import pytest

from audit_pipelines.ship.parts import Limits


class Bench:
    """A folder under the eyes of the Collector, with files of the real publisher to spoil."""

    def __init__(self, siem, root: Path) -> None:
        self.siem = siem
        self.watched, self.made = root / "watched", root / "made"
        self.watched.mkdir()
        self.otelcol = siem.Otelcol(root)
        self.number = 0

    def drop(self, count: int, first: int) -> list[bytes]:
        """Lines of a `generic` drop of `count` events, the batch record first."""
        self.number += 1
        home = self.siem.ship.Publisher(self.made / f"{self.number}")
        rows = [self.siem.ship.event(number) for number in range(first, first + count)]
        made = home(rows, "generic", seq=self.number, first=first)
        (file,) = made.formats[0].files
        return (home.drops / file.path).read_bytes().splitlines(keepends=True)

    def put(self, name: str, lines: list[bytes]) -> None:
        """The right way: written elsewhere, then renamed."""
        aside = self.made / "aside"
        aside.write_bytes(b"".join(lines))
        aside.rename(self.watched / f"{name}.ndjson")

    def read(self, name: str) -> list:
        """What the Collector made of a file: an object a line, or text where the line was no JSON."""
        return [
            self.siem.plain(record["body"])
            for record in self.otelcol.records()
            if {"key": "log.file.name", "value": {"stringValue": f"{name}.ndjson"}} in record["attributes"]
        ]

    def uids(self, name: str) -> set[str]:
        return {value["uid"] for value in self.read(name) if isinstance(value, dict) and "uid" in value}

    def looked(self) -> None:
        """Wait until the Collector has read all that lies there now, by one more file."""
        lines = self.drop(3, 9000 + 10 * self.number)
        name = f"right-{self.number}"
        self.put(name, lines)
        self.siem.until(lambda: len(self.uids(name)) == 3, f"{name} is read")


@pytest.fixture(scope="module")
def bench(siem, tmp_path_factory):
    siem.need("otelcol")
    bench = Bench(siem, tmp_path_factory.mktemp("bench"))
    bench.otelcol.start(siem.kit("otelcol/otelcol.yaml", **{
        "/srv/audit/drops/ecs": f"{bench.watched}", "http://127.0.0.1:4318": f"{bench.otelcol.sink.url}\n    encoding: json",
        "poll_interval: 10s": "poll_interval: 200ms",
    }))  # fmt: skip
    yield bench
    bench.otelcol.stop()


def test_a_late_drop_as_it_should_be_is_read(bench):
    first, late = bench.drop(20, 100), bench.drop(2, 120)
    bench.put("base", first)
    bench.put("delta", late)
    bench.looked()
    assert len(bench.uids("base")) == 20
    assert len(bench.uids("delta")) == 2


def test_a_writer_that_is_seen_writing_breaks_a_line(bench):
    lines = bench.drop(5, 200)
    with open(bench.watched / "slow.ndjson", "wb") as file:
        file.write(b"".join(lines[:-1]) + lines[-1][:200])
        file.flush()
        bench.siem.until(lambda: any(isinstance(value, str) for value in bench.read("slow")), "half a line is sent")
        file.write(lines[-1][200:])
    bench.looked()
    assert len(bench.uids("slow")) == 4
    assert [value for value in bench.read("slow") if isinstance(value, str)], "parse errors"


def test_a_corrected_file_with_the_same_head_loses_the_late_event(bench):
    lines, (_, late) = bench.drop(20, 300), bench.drop(1, 320)
    bench.put("rev1", lines)
    bench.looked()
    bench.put("rev2", [*lines[:10], late, *lines[10:]])
    bench.looked()
    assert len(bench.uids("rev1")) == 20
    assert json.loads(late)["uid"] not in bench.uids("rev1") | bench.uids("rev2")


def test_a_file_rewritten_in_place_loses_its_event(bench):
    lines = bench.drop(20, 400)
    bench.put("changed", lines)
    bench.looked()
    other = lines[5].replace(b"evt_000404", b"evt_999404")
    assert other != lines[5]
    bench.put("changed", [*lines[:5], other, *lines[6:]])
    bench.looked()
    assert json.loads(other)["uid"] not in bench.uids("changed")


def test_two_drops_with_one_head_are_taken_for_one(bench):
    """What a drop without its own batch record would be."""
    head, *events = bench.drop(6, 500)
    bench.put("one", [head, *events[:3]])
    bench.looked()
    bench.put("two", [head, *events[3:]])
    bench.looked()
    assert len(bench.uids("one")) == 3
    assert bench.uids("two") == set()


def test_rsyslog_cuts_a_line_of_9000_bytes(siem, osmem, tmp_path):
    """More than the line budget: rsyslog's own limit is 8 KiB."""
    siem.need("rsyslog")
    rsyslog, watched = siem.Rsyslog(tmp_path), tmp_path / "watched"
    watched.mkdir()
    document = {
        "@timestamp": "2026-02-05T00:00:00.000000Z",
        "doc_id": "control/fits",
        "event": {"id": "control/fits", "kind": "event"},
    }
    long = document | {"doc_id": "control/long", "message": "x" * 9_000}
    (watched / "a.ndjson").write_text("".join(json.dumps(line) + "\n" for line in (long, document)))
    rsyslog.start(siem.kit("rsyslog/60-audit-pipelines.conf", **{
        "/srv/audit/drops/ecs": f"{watched}", 'serverport="9200"': f'serverport="{osmem.url.rpartition(":")[2]}"',
        "/var/log": f"{tmp_path}", '"audit-pipelines-"': '"control-"',
    }))  # fmt: skip
    try:
        siem.until(lambda: osmem.count("control-*") == 1, "the line that fits")
        unparsed = tmp_path / "audit-pipelines-unparsed.log"
        siem.until(unparsed.exists, "the line that does not")
    finally:
        rsyslog.stop()
    assert [hit["_id"] for hit in osmem.documents("control-*")] == ["control/fits"]


FINGERPRINTS = {
    "filebeat": lambda raw: hashlib.sha256(raw[:1024]).digest() if len(raw) >= 1024 else None,
    "splunk": lambda raw: zlib.crc32(raw[:256]),
    "otelcol": lambda raw: raw[:1000],
    "vector": lambda raw: zlib.crc32(raw.split(b"\n", 1)[0]) if b"\n" in raw else None,
}
"""How readers tell files apart (None = never read). filebeat, Splunk and Vector are not run here."""


@pytest.mark.parametrize("reader", FINGERPRINTS)
def test_every_drop_is_a_file_of_its_own_to(reader, siem, tmp_path):
    heads = []
    for seq, count in enumerate((0, 1, 1, 40), 1):
        home = siem.ship.Publisher(tmp_path)
        rows = [siem.ship.event(number) for number in range(count)]
        made = home(rows, "generic", "ecs", seq=seq, kind="b", limits=Limits(rows=10))
        heads += [FINGERPRINTS[reader]((home.drops / file.path).read_bytes()) for entry in made.formats for file in entry.files]
    assert len(heads) == 14
    assert None not in heads
    assert len(set(heads)) == len(heads)


def test_a_drop_without_padding_would_never_be_read_by_filebeat(siem, tmp_path):
    home = siem.ship.Publisher(tmp_path)
    made = home([siem.ship.event(0)], "generic")
    raw = (home.drops / made.formats[0].files[0].path).read_bytes()
    event = raw.splitlines(keepends=True)[1]
    assert len(event) < 1024
    assert FINGERPRINTS["filebeat"](event) is None
    assert FINGERPRINTS["filebeat"](raw) is not None


def test_drops_that_begin_with_an_equal_event_would_be_one_file(siem):
    """Why the batch record comes first: the same event again (a full re-drop) has the same head."""
    line = json.dumps(siem.ship.event(0), default=str).encode() + b"\n"
    for fingerprint in FINGERPRINTS.values():
        assert fingerprint(line * 3) == fingerprint(line * 3 + b"{}\n")
