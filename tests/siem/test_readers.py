"""Stock readers, set up by our kits, watch the drops while a home publishes: every event arrives, once, readable.

The home publishes a first day, late events, the same night again, a night that is killed half way and repeated, and a
day without events. rsyslog is stopped and started again in between. What the readers must do with files that break the
rules is in test_reader_rules.py.
"""

import json
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import msgspec
import pytest

from audit_pipelines.ship.manifest import DropManifest

MONDAY = date(2026, 1, 5)
AWKWARD = 'Zoë \u2028 \x07 "quoted" \\ back\tslash 日本語 \U0001f512 \x7f'
WATCHED = ("ecs", "generic", "ocsf", "splunk", "datadog")


def formats(siem) -> list[str]:
    """Formats that are tailed from a folder and exist."""
    return [name for name in WATCHED if (siem.TESTS.parent / "templates" / "siem" / f"{name}.sql.j2").is_file()]


def events(siem, day: date, count: int, first: int) -> list[bytes]:
    """A day's records; the first are what readers stumble over: odd characters, lines just below and far over 8,000 bytes."""
    at = f"{day.isoformat()}T12:00:00Z"
    who = {"type": "user", "id": "usr_1", "name": AWKWARD, "email": "p@example.com"}
    odd = [
        siem.defs.record(first, at, actor=who),
        *(siem.defs.record(first + n, at, "guardrail.updated", before={"rule": "b"}, after={"rule": "x" * size})
          for n, size in enumerate((2_000, 5_500, 6_600, 40_000, 300_000), 1)),
    ]  # fmt: skip
    return odd + siem.defs.day_of_records(day, count - len(odd), first=first + len(odd))


def collecting(siem, form: str, drops: Path, url: str) -> str:
    """The Collector's kit for one format, changed as the kit's page says in its table."""
    page = (siem.KITS / "otelcol" / "README.md").read_text(encoding="utf-8")
    (row,) = (line for line in page.splitlines() if line.startswith(f"| `{form}` |"))
    field, kind, layout = (cell.strip(" `") for cell in row.split("|")[2:5])
    return siem.kit("otelcol/otelcol.yaml", **{
        "/srv/audit/drops/ecs": f"{drops}/{form}", "http://127.0.0.1:4318": f"{url}\n    encoding: json",
        "poll_interval: 10s": "poll_interval: 200ms", "/audit_pipelines": f"/audit_pipelines_{form}",
        'body["@timestamp"]': field, "layout_type: gotime": f"layout_type: {kind}", '"2006-01-02T15:04:05.000000Z"': f'"{layout}"',
    })  # fmt: skip


@dataclass
class Story:
    """What was published and what the readers made of it."""

    home: object
    otelcol: object
    rsyslog: object
    sink: object
    osmem: object
    before_again: dict
    after_again: dict
    death: int
    between: set[str]
    """Files of the killed night, seen before it was repeated."""

    def manifests(self) -> list[DropManifest]:
        folder = self.home.drops / "_manifests"
        return [msgspec.json.decode(path.read_bytes(), type=DropManifest) for path in sorted(folder.glob("*.manifest.json"))]

    def rows(self, form: str) -> int:
        return sum(entry.rows for made in self.manifests() for entry in made.formats if entry.format == form)

    def files(self, form: str) -> int:
        return sum(len(entry.files) for made in self.manifests() for entry in made.formats if entry.format == form)


@pytest.fixture(scope="module")
def story(siem, osmem, tmp_path_factory):
    siem.need("rsyslog", "otelcol", "osmem")
    root = tmp_path_factory.mktemp("story")
    yard = siem.defs.Yard(root, start=MONDAY)
    drops = yard.home.drops
    (yard.home.root / "audit.toml").open("a").write(
        "".join(f"\n[drops.{name}]\n" for name in formats(siem) if name not in ("ecs", "generic"))
    )
    strict = json.loads(siem.kit("elasticsearch/index-template.json"))
    strict["template"]["mappings"]["dynamic"] = "strict"
    osmem.ask("PUT", "/_index_template/audit-pipelines", strict)
    sink = siem.Sink(forward=osmem.url)
    otelcol, rsyslog = siem.Otelcol(root), siem.Rsyslog(root)
    fragment = siem.kit("rsyslog/60-audit-pipelines.conf", **{
        "/srv/audit/drops": f"{drops}", 'serverport="9200"': f'serverport="{sink.port}"', "/var/log": f"{root}",
    })  # fmt: skip
    try:
        otelcol.start(*(collecting(siem, form, drops, otelcol.sink.url) for form in formats(siem)))
        rsyslog.start(fragment)
        yield told(siem, Story(yard.home, otelcol, rsyslog, sink, osmem, {}, {}, 0, set()), yard, fragment)
    finally:
        rsyslog.stop()
        otelcol.stop()
        sink.close()


def told(siem, story: Story, yard, fragment: str) -> Story:
    """Publish everything, wait until both readers have it, and stop them."""
    days = [MONDAY + timedelta(days=n) for n in range(5)]
    yard.put("1.ndjson", events(siem, days[0], 150, 0))
    yard.night(days[1])
    yard.put("2.ndjson", events(siem, days[1], 100, 1000) + siem.defs.day_of_records(days[0], 7, first=2000))
    yard.night(days[2])
    story.before_again = siem.defs.tree(yard.home)
    yard.night(days[2])
    story.after_again = siem.defs.tree(yard.home)
    arrived(siem, story)

    story.rsyslog.stop()
    yard.put("3.ndjson", events(siem, days[2], 80, 3000) + siem.defs.day_of_records(days[1], 3, first=4000))
    known = set(yard.home.drops.rglob("*.ndjson"))
    program = siem.TESTS / "siem" / "killed_shipping.py"
    story.death = subprocess.run([sys.executable, program, yard.home.root, days[3].isoformat(), "1"], check=False).returncode
    story.between = {path.parent.name for path in yard.home.drops.rglob("*.ndjson") if path not in known}
    story.rsyslog.start(fragment)
    yard.night(days[3])
    yard.night(days[4])
    arrived(siem, story)
    story.rsyslog.stop()
    story.otelcol.process.stop()
    return story


def arrived(siem, story: Story) -> None:
    expected = story.rows("ecs") + story.files("ecs")
    siem.until(lambda: story.osmem.count("audit-pipelines-*") >= expected, f"{expected} documents")
    everything = sum(story.rows(form) + story.files(form) for form in formats(siem))
    siem.until(lambda: len(story.otelcol.records()) >= everything, f"{everything} records")


def test_the_story_was_as_told(story):
    made = {(entry.day.day, entry.kind): entry.totals.events for entry in story.manifests()}
    assert made == {(5, "b"): 150, (5, "d"): 7, (6, "b"): 100, (6, "d"): 3, (7, "b"): 80, (8, "b"): 0}
    assert story.before_again == story.after_again, "the same night again changes no file"
    assert story.death == -signal.SIGKILL
    assert len(story.between) == 1, "the killed night left a file of one format"


def test_otelcol_reads_every_event_once(siem, story):
    values = story.otelcol.values()
    assert [value for value in values if not isinstance(value, dict)] == [], "every line is JSON"
    assert story.otelcol.complaints() == []
    paths = [
        {entry["key"]: entry["value"].get("stringValue") for entry in record["attributes"]}["log.file.name"].split(".")[1]
        for record in story.otelcol.records()
    ]
    for form in formats(siem):
        lines = Counter(json.dumps(value, sort_keys=True) for value, name in zip(values, paths, strict=True) if name == form)
        assert lines.total() == len(lines) == story.rows(form) + story.files(form), form
        came = [value for value, name in zip(values, paths, strict=True) if name == form]
        seen = siem.ids(came)
        assert len(seen) == seen.total() == story.rows(form), form
        assert sum(batch["count"] for batch in siem.batches(came)) == story.rows(form), form


def test_otelcol_keeps_the_time_and_the_text(siem, story):
    by_id = {}
    for record in story.otelcol.records():
        value = siem.plain(record["body"])
        if isinstance(value, dict) and "event" in value and "@timestamp" in value:
            by_id[value["event"]["id"]] = (record, value)
    record, value = by_id["terracotta/evt_000000"]
    assert int(record["timeUnixNano"]) == 1767614400 * 10**9  # 2026-01-05T12:00:00Z
    assert value["user"]["name"] == AWKWARD


def test_rsyslog_indexes_every_event_once(siem, story):
    found = [hit["_source"] for hit in story.osmem.documents("audit-pipelines-*")]
    seen = siem.ids(found)
    assert len(seen) == seen.total() == story.rows("ecs")
    assert sum(batch["count"] for batch in siem.batches(found)) == story.rows("ecs")
    assert {hit["_id"] for hit in story.osmem.documents("audit-pipelines-*")} >= seen.keys()


def test_rsyslog_sends_no_line_twice_and_loses_none_by_parsing(story):
    actions = Counter(
        json.loads(line)["create"]["_id"]
        for body in story.sink.bodies()
        for line in body.splitlines()
        if line.startswith(b'{"create"')
    )
    assert actions.total() == len(actions) == story.rows("ecs") + story.files("ecs")
    root = story.home.root.parent
    for name in ("audit-pipelines-unparsed.log", "audit-pipelines-refused.json"):
        assert not (root / name).exists() or (root / name).read_text() == "", name
    assert story.rsyslog.complaints() == ""


def test_documents_are_the_lines(story):
    lines = {}
    for path in (story.home.drops / "ecs").glob("*.ndjson"):
        for line in path.read_bytes().splitlines():
            document = json.loads(line)
            lines[document["doc_id"]] = document
    assert {hit["_id"]: hit["_source"] for hit in story.osmem.documents("audit-pipelines-*")} == lines


def test_an_index_for_each_month_of_events(story):
    assert {hit["_index"] for hit in story.osmem.documents("audit-pipelines-*")} == {"audit-pipelines-2026.01"}


def test_read_again_from_the_beginning_nothing_comes_twice(siem, story, tmp_path):
    """A reader that has lost its places: the target refuses what it has."""
    count = story.osmem.count("audit-pipelines-*")
    again, sink = siem.Rsyslog(tmp_path), siem.Sink(forward=story.osmem.url)
    again.start(siem.kit("rsyslog/60-audit-pipelines.conf", **{
        "/srv/audit/drops": f"{story.home.drops}", 'serverport="9200"': f'serverport="{sink.port}"', "/var/log": f"{tmp_path}",
    }))  # fmt: skip
    refused = tmp_path / "audit-pipelines-refused.json"
    siem.until(
        lambda: (
            refused.exists() and refused.read_text().count('"status": 409') + refused.read_text().count('"status":409') >= count
        ),
        "refusals",
    )
    again.stop()
    sink.close()
    assert story.osmem.count("audit-pipelines-*") == count


def completeness(siem, osmem, **without: str) -> tuple[dict[str, float], dict[str, float]]:
    """By day what the batch records count and what is there, by the query in the kit's page."""
    page = (siem.KITS / "elasticsearch" / "README.md").read_text(encoding="utf-8")
    body = json.loads(page.split("<!-- completeness -->")[1].split("```json\n")[1].split("```")[0])
    answer = osmem.ask(
        "POST", "/audit-pipelines-*/_search", body | {"query": {"bool": {"must_not": [{"term": without}] if without else []}}}
    )
    days = {name: answer["aggregations"][name]["days"]["buckets"] for name in ("batches_by_day", "events_by_day")}
    counted = {bucket["key_as_string"][:10]: bucket["count"]["value"] for bucket in days["batches_by_day"]}
    return counted, {bucket["key_as_string"][:10]: bucket["events"]["value"] for bucket in days["events_by_day"]}


def test_the_query_of_the_kit_says_that_everything_is_there(siem, story):
    counted, there = completeness(siem, story.osmem)
    assert counted == {"2026-01-05": 157, "2026-01-06": 103, "2026-01-07": 80, "2026-01-08": 0}
    assert there == {day: count for day, count in counted.items() if count}


def test_the_query_of_the_kit_shows_a_lost_event_and_a_lost_file(siem, story):
    counted, there = completeness(siem, story.osmem, **{"event.id": "terracotta/evt_003050"})
    assert (counted["2026-01-07"], there["2026-01-07"]) == (80, 79)
    counted, there = completeness(siem, story.osmem, **{"audit_pipelines.batch.id": "000002.20260106.ecs.00"})
    assert "2026-01-06" not in counted or counted["2026-01-06"] < there["2026-01-06"]
