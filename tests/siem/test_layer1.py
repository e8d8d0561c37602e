"""Every format there is, over every action of every dialect and over every real record: byte rules, guarantees G1 to G7.

The guarantees stand in docs/siem/README.md under these numbers. What a single format must say is tested in tests/ship.
"""

import hashlib
import json
import re
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from audit_pipelines.extract import DIALECTS
from audit_pipelines.ship.format import load_format
from audit_pipelines.ship.parts import Limits
from audit_pipelines.shipped import shipped
from tests.ship import real_records

FOLDER = shipped("templates") / "siem"
FORMATS = {
    path.name.removesuffix(".sql.j2"): load_format(path.name.removesuffix(".sql.j2"), (FOLDER,))
    for path in sorted(FOLDER.glob("[!_]*.sql.j2"))
}
TEXT = [name for name, form in FORMATS.items() if form.delivery != "parquet"]
ACTIONS = sorted(
    {match for path in DIALECTS.glob("*.sql") for match in re.findall(r"'([a-z_]+\.[a-z_]+)'", path.read_text(encoding="utf-8"))}
    | {
        match
        for path in FOLDER.glob("*.sql.j2")
        for match in re.findall(r"^    \('([a-z_]+\.[a-z_]+)',", path.read_text(), re.MULTILINE)
    }
    | {"repo.destroy", "s3.GetObject", "nobody.knows.this", "odd", ""}
)
AWKWARD = 'Zoë \u2028 \x07 "q" \\ \t 日本 \U0001f512 \x7f \x85'
LATE = timedelta(hours=17, minutes=30)


def rows(siem) -> list[dict]:
    """An event of each action and outcome, plain, bare and with everything that is awkward."""
    shapes = [
        {},
        {"targets": [], "target_type": None, "target_id": None, "target_name": None, "actor_id": None, "actor_name": None, "actor_email": None},
        {
            "actor_name": AWKWARD, "source_ip": "not an address", "user_agent": AWKWARD * 5, "request_id": AWKWARD,
            "targets": [{"type": "user", "id": AWKWARD, "name": None}, {"type": None, "id": "x" * 4000, "name": "y" * 4000}],
            "changes": [{"field": "rule", "before": json.dumps(AWKWARD * 300), "after": "1" + "0" * 40}, {"field": None, "before": None, "after": "no json"}],
        },
    ]  # fmt: skip
    cases = [(action, outcome, shape) for action in ACTIONS for outcome in ("success", "failure", "unknown") for shape in shapes]
    return [siem.ship.event(n * 61, leaf_index=n, action=a, outcome=o, **shape) for n, (a, o, shape) in enumerate(cases)]


@dataclass
class Made:
    """Base, late events and an empty later drop of one day in every format."""

    home: Callable
    manifests: list
    uids: Counter
    late: Callable
    """The late events once more, to be published again: (rows, first leaf)."""

    def __iter__(self):
        return iter((self.home, self.manifests, self.uids))


LIMITS = {"every action": Limits(rows=150), "real records": Limits(rows=1000)}


@pytest.fixture(scope="module", params=LIMITS)
def made(request, siem, tmp_path_factory):
    """Drops of invented events, or of all real records there are."""
    home = siem.ship.Publisher(tmp_path_factory.mktemp("made"))
    part = invented(siem) if request.param == "every action" else recorded(siem, request.getfixturevalue("real"))
    uids = part(None)[1]
    manifests = []
    for seq, kind, which in ((1, "b", "base"), (2, "d", "late"), (3, "d", "none")):
        events, _, first = part(which)
        manifests.append(home(events, *FORMATS, seq=seq, kind=kind, first=first, limits=LIMITS[request.param]))
    return Made(home, manifests, uids, lambda: (*part("late")[::2], LIMITS[request.param]))


def invented(siem) -> Callable:
    """`rows`, in three parts: (rows, uids, first leaf) of "base", "late", "none" or all."""
    events = rows(siem)
    size = len(events) - 20
    spans = {None: (0, None), "base": (0, size), "late": (size, None), "none": (len(events), None)}

    def part(which: str | None):
        begin, end = spans[which]
        return events[begin:end], Counter(event["uid"] for event in events[begin:end]), begin

    return part


def recorded(siem, real) -> Callable:
    """The real records, in the same three parts; where the shared data is not there, those of tests/vectors."""
    ((count,),) = real().execute("SELECT count(*) FROM events").fetchall()
    assert count >= 20
    size = count - 15
    spans = {None: (0, count), "base": (0, size), "late": (size, count), "none": (count, count)}

    def part(which: str | None):
        connection = real()
        connection.execute(
            "DELETE FROM events WHERE leaf_index < $begin OR leaf_index >= $end",
            dict(zip(("begin", "end"), spans[which], strict=True)),
        )
        return connection, Counter(uid for (uid,) in connection.execute("SELECT uid FROM events").fetchall()), spans[which][0]

    return part


def files(home, manifests, form):
    """Paths of a format's files, with their manifest entries."""
    return [
        (home.drops / file.path, file)
        for made in manifests
        for entry in made.formats
        if entry.format == form
        for file in entry.files
    ]


def checked(siem, home, manifests, form) -> list[dict]:
    """Every event of a text format, after the byte rules have been checked."""
    paths = [path for path, _ in files(home, manifests, form)]
    if form == "splunk_hec":  # its times have six decimals, more than Python writes
        return [event for path in paths for event in hec_events(siem, path)]
    return [event for path in paths for event in siem.ship.check_bytes(path, FORMATS[form].lines)]


def hec_events(siem, path) -> list[dict]:
    head, *body = path.read_bytes().split(b"\n")[:-1]
    assert siem.ship.batch_of(siem.ship.parse(head))["count"] == len(body)
    for line in body:
        text = re.sub(r'"time":[0-9]+[.][0-9]{6}([,}])', r'"time":0\1', line.decode(), count=1)
        assert '"time":0' in text
    return [siem.ship.parse(line) for line in body]


def test_there_is_something_to_test():
    assert set(FORMATS) >= {"generic", "ecs", "ocsf", "splunk", "splunk_hec", "datadog", "ecs_bulk", "ocsf_parquet"}
    assert len(ACTIONS) >= 20


@pytest.mark.skipif(
    not real_records.SHARED.is_dir(), reason="the shared data is not here (AUDIT_SHARED): only the records of tests/vectors"
)
def test_every_record_of_the_shared_data_that_a_dialect_reads_is_here(real):
    counted = dict(real().execute("SELECT source, count(*) FROM events GROUP BY 1").fetchall())
    assert counted == {place.source: place.count for place in real_records.REAL + real_records.CASES}


@pytest.mark.parametrize("form", TEXT)
def test_lines_keep_the_byte_rules_and_the_budget(siem, made, form):
    home, manifests, _ = made
    assert checked(siem, home, manifests, form)
    budget = FORMATS[form].default_line_budget
    lines = FORMATS[form].lines
    for path, _ in files(home, manifests, form):
        raw = path.read_bytes().splitlines()[lines:]
        events = [b"\n".join(raw[n : n + lines]) for n in range(0, len(raw), lines)]
        assert not budget or max(map(len, events), default=0) <= budget


@pytest.mark.parametrize("form", TEXT)
def test_g2_every_event_is_in_one_file(siem, made, form):
    home, manifests, uids = made
    assert siem.ids(checked(siem, home, manifests, form)) == uids
    assert set(uids.values()) == {1}


def test_g3_all_formats_hold_the_same_events(made):
    _, manifests, uids = made
    for one in manifests:
        assert {entry.rows for entry in one.formats} == {one.totals.events}
    assert sum(one.totals.events for one in manifests) == len(uids)


@pytest.mark.parametrize("form", FORMATS)
def test_g4_the_manifest_says_what_the_files_are(made, form):
    home, manifests, _ = made
    for path, file in files(home, manifests, form):
        raw = path.read_bytes()
        assert hashlib.sha256(raw).hexdigest() == file.sha256
        assert len(raw) == file.bytes
        assert f".{file.sha256[:8]}." in path.name


def test_g4_sha256sum_agrees(made):
    home, _, _ = made
    for sums in sorted((home.drops / "_manifests").glob("*SHA256SUMS")):
        subprocess.run(["sha256sum", "--strict", "--quiet", "-c", sums], cwd=home.drops, check=True)


def test_g1_g5_published_again_nothing_changes(siem, made, tmp_path):
    home, _, _ = made
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in home.drops.rglob("*") if path.is_file()}
    events, first, limits = made.late()
    home(events, *FORMATS, seq=2, kind="d", first=first, limits=limits)
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in home.drops.rglob("*") if path.is_file()} == before
    other = siem.ship.Publisher(tmp_path)
    other(events, *FORMATS, seq=2, kind="d", first=first, limits=limits)
    again = other.files()
    assert again
    assert again == {name: content for name, content in home.files().items() if name in again}


def test_g6_no_file_is_taken_for_another(made):
    home, manifests, _ = made
    found = [path.read_bytes() for form in TEXT for path, _ in files(home, manifests, form)]
    assert min(map(len, found)) >= 1025
    assert len({raw[:256] for raw in found}) == len(found) >= 3 * len(TEXT)


@pytest.mark.parametrize("age", [timedelta(minutes=1), LATE, LATE + timedelta(microseconds=1), timedelta(days=40)])
def test_g7_datadog_gets_no_reserved_date_that_it_would_refuse(siem, tmp_path, age):
    home = siem.ship.Publisher(tmp_path)
    row = siem.ship.event(0, occurred_at=siem.ship.EXTRACTED - age)
    made = home([row], "datadog")
    (line,) = (json.loads(line) for line in home.lines(made, "datadog"))
    dates = {
        name: line[name]
        for name in ("timestamp", "date", "_timestamp", "Timestamp", "eventTime", "published_date")
        if name in line
    }
    assert bool(dates) == (age <= LATE)
    assert datetime.fromisoformat(line["audit"]["event_time"]).astimezone(UTC) == row["occurred_at"]
    assert ("late_event:true" in line.get("ddtags", "")) == (age > LATE)


def test_g7_of_real_records_too(siem, real, tmp_path):
    """As if a quarter of them had just happened, and the others were just young enough, just too old, and old."""
    ages = (timedelta(0), LATE, LATE + timedelta(microseconds=1), timedelta(days=40))
    connection = real()
    for number, age in enumerate(ages):
        values = {"moment": siem.ship.EXTRACTED - age, "number": number}
        connection.execute("UPDATE events SET occurred_at = $moment WHERE leaf_index % 4 = $number", values)
    home = siem.ship.Publisher(tmp_path)
    made = home(connection, "datadog")
    logs = [json.loads(line) for line in home.lines(made, "datadog")]
    said = {("date" in log, "late_event:true" in log["ddtags"], ages[log["audit"]["leaf_index"] % 4] > LATE) for log in logs}
    assert said == {(True, False, False), (False, True, True)}


def official(osmem, siem) -> None:
    """The ECS component templates, with what servers with the OpenSearch API do not know put otherwise; strict."""

    def plain(value):
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in value.items() if key != "synthetic_source_keep"}
        return {"constant_keyword": "keyword", "match_only_text": "text"}.get(value, value) if isinstance(value, str) else value

    folder = siem.TESTS / "vectors" / "ecs" / "component_templates"
    names = []
    for path in sorted(folder.glob("*.json")):
        osmem.ask("PUT", f"/_component_template/ecs-{path.stem}", plain(json.loads(path.read_bytes())))
        names.append(f"ecs-{path.stem}")
    own = json.loads(siem.kit("elasticsearch/index-template.json"))["template"]["mappings"]["properties"]
    own = {name: own[name] for name in ("doc_id", "service", "audit_pipelines")}
    strict = {"mappings": {"dynamic": "strict", "properties": own}}
    osmem.ask(
        "PUT",
        "/_index_template/official",
        {"index_patterns": ["official-*"], "composed_of": names, "template": strict, "priority": 600},
    )


@pytest.mark.parametrize("client", ["opensearch-py", "elasticsearch-py"])
def test_the_official_clients_index_ecs_once_by_the_official_templates(siem, osmem, made, client):
    home, manifests, _ = made
    documents = [json.loads(line) for path, _ in files(home, manifests, "ecs") for line in path.read_bytes().splitlines()]
    official(osmem, siem)
    sink = siem.Sink(forward=osmem.url)  # says that it is Elasticsearch, and puts the media type right
    index = f"official-{client}-{len(documents)}"
    actions = [{"_op_type": "create", "_index": index, "_id": document["doc_id"], **document} for document in documents]
    if client == "opensearch-py":
        from opensearchpy import OpenSearch, helpers

        server = OpenSearch(hosts=[osmem.url])
    else:
        from elasticsearch import Elasticsearch, helpers

        server = Elasticsearch(sink.url)
    try:
        assert helpers.bulk(server, actions) == (len(documents), [])
        done, refused = helpers.bulk(server, actions, raise_on_error=False)
        assert done == 0
        assert {error["create"]["status"] for error in refused} == {409}
        assert len(refused) == osmem.count(index) == len(documents)
    finally:
        server.close()
        sink.close()


def test_bulk_bodies_are_taken_as_they_are(siem, osmem, made):
    home, manifests, uids = made
    official(osmem, siem)
    index = f"official-bulk-{len(uids)}"
    for path, _ in files(home, manifests, "ecs_bulk"):
        body = path.read_bytes()
        answer = osmem.ask("POST", f"/{index}/_bulk", body)
        assert answer["errors"] is False
        assert len(body) <= 10_000_000
    assert osmem.count(index) == len(uids) + len(files(home, manifests, "ecs_bulk"))


def test_the_kits_index_template_has_the_official_types(siem):
    fields = json.loads((siem.TESTS / "vectors" / "ecs" / "ecs_flat_9.4.0.json").read_bytes())["fields"]
    same = {"constant_keyword": "keyword", "match_only_text": "text"}

    def walk(properties: dict, prefix: str = ""):
        for name, field in properties.items():
            if "properties" in field:
                yield from walk(field["properties"], f"{prefix}{name}.")
            else:
                yield prefix + name, field["type"]

    own = json.loads(siem.kit("elasticsearch/index-template.json"))["template"]["mappings"]["properties"]
    found = {name: kind for name, kind in walk(own) if not name.startswith(("audit_pipelines.", "doc_id"))}
    assert found == {name: same.get(fields[name]["type"], fields[name]["type"]) for name in found}


def test_the_official_datadog_client_sends_our_records(siem, made):
    from datadog_api_client import ApiClient, Configuration
    from datadog_api_client.v2.api.logs_api import LogsApi
    from datadog_api_client.v2.model.content_encoding import ContentEncoding
    from datadog_api_client.v2.model.http_log import HTTPLog
    from datadog_api_client.v2.model.http_log_item import HTTPLogItem

    home, manifests, _ = made
    logs = [json.loads(line) for path, _ in files(home, manifests, "datadog") for line in path.read_bytes().splitlines()]
    sink = siem.Sink()
    configuration = Configuration(api_key={"apiKeyAuth": "k"})
    try:
        with ApiClient(configuration) as client:
            api = LogsApi(client)
            api._submit_log_endpoint.settings["servers"] = [{"url": sink.url, "variables": {}}]
            for first in range(0, len(logs), 1000):
                some = HTTPLog([HTTPLogItem(**log) for log in logs[first : first + 1000]])
                api.submit_log(some, content_encoding=ContentEncoding.GZIP)
        bodies = sink.bodies()
    finally:
        sink.close()
    assert max(map(len, bodies)) <= 5_000_000
    assert [log for body in bodies for log in json.loads(body)] == logs
