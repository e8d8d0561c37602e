"""Large or conflicting programs, run on demand: `pytest -m tenzir tests/siem` with them on PATH (docs/siem/README.md).

Tenzir's HEC and bulk endpoints take the formats that are posted as they are; Fluent Bit (inside Tenzir) and syslog-ng
tail the drops as our kits say; Splunk AppInspect judges the add-on.
"""

import json
import os
import re
import shutil
import subprocess
import tarfile
import urllib.request

import pytest

pytestmark = pytest.mark.tenzir


def program(name: str) -> str:
    found = shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not on PATH: docs/siem/README.md says how to get it")
    return found


def publish(siem, root, form: str, count: int = 60):
    """A folder with three drops of a format: (folder, uids)."""
    if not (siem.ship.TEMPLATES / f"{form}.sql.j2").is_file():
        pytest.skip(f"there is no format {form}")
    home = siem.ship.Publisher(root)
    rows = [siem.ship.event(number, actor_name="Zoë \u2028 日本") for number in range(count)]
    for seq, (first, last) in enumerate(((0, count // 2), (count // 2, count), (count, count)), 1):
        home(rows[first:last], form, seq=seq, first=first)
    return home.drops / form, {row["uid"] for row in rows}


def post(url: str, body: bytes, headers: dict[str, str]) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, data=body, headers=headers), timeout=60) as answer:
        return answer.read()


def taken(siem, root, pipeline: str, port: int, sent, expected: int) -> list[dict]:
    """What a Tenzir endpoint makes of what `sent` posts."""
    out = root / "taken.ndjson"
    process = siem.Process([program("tenzir"), f"{pipeline} | write_ndjson"], root / "tenzir.log", out)
    try:
        siem.until(lambda: answers(port), "Tenzir's endpoint")
        sent()
        siem.until(lambda: out.exists() and out.read_bytes().count(b"\n") >= expected, f"{expected} events")
    finally:
        process.stop()
    assert "warning" not in process.said(), process.said()[:2000]
    return [json.loads(line) for line in out.read_bytes().splitlines()]


def answers(port: int) -> bool:
    import socket

    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0


def test_a_hec_endpoint_takes_splunk_hec_as_it_is(siem, tmp_path):
    folder, uids = publish(siem, tmp_path, "splunk_hec")
    port = siem.free_port()

    def send() -> None:
        for path in sorted(folder.iterdir()):
            post(f"http://127.0.0.1:{port}/services/collector/event", path.read_bytes(), {"Authorization": "Splunk T"})

    events = taken(siem, tmp_path, f'accept_splunk "127.0.0.1:{port}", hec_token="T"', port, send, len(uids) + 3)
    found = [event.get("event", event) for event in events]
    assert sorted(event["event_id"] for event in found if event.get("event_type") != "batch") == sorted(uids)


def test_a_bulk_endpoint_takes_ecs_bulk_as_it_is(siem, tmp_path):
    folder, uids = publish(siem, tmp_path, "ecs_bulk")
    port = siem.free_port()

    def send() -> None:
        for path in sorted(folder.iterdir()):
            post(f"http://127.0.0.1:{port}/_bulk", path.read_bytes(), {"Content-Type": "application/x-ndjson"})

    events = taken(siem, tmp_path, f'accept_elasticsearch "127.0.0.1:{port}"', port, send, len(uids) + 3)
    assert sorted(event["event"]["id"] for event in events if event["event"]["kind"] == "event") == sorted(uids)


@pytest.mark.parametrize("form", ["ecs", "generic", "ocsf", "splunk", "datadog"])
def test_fluent_bit_tails_the_drops(form, siem, tmp_path):
    folder, uids = publish(siem, tmp_path, form)
    kit = siem.kit("fluent-bit/fluent-bit.yaml")
    options = dict(
        re.findall(r"^      (read_from_head|buffer_chunk_size|buffer_max_size|refresh_interval): (\S+)", kit, re.MULTILINE)
    )
    assert len(options) == 4
    given = ", ".join(
        f'{name}: "{value}"' for name, value in {"path": f"{folder}/*.ndjson", **options, "refresh_interval": "1"}.items()
    )
    out = tmp_path / "tailed.ndjson"
    pipeline = f'from_fluent_bit "tail", options={{{given}}} | write_ndjson'
    process = siem.Process([program("tenzir"), pipeline], tmp_path / "tenzir.log", out)
    try:
        siem.until(lambda: out.exists() and out.read_bytes().count(b"\n") >= len(uids) + 3, f"{len(uids)} events")
    finally:
        process.stop()
    came = [json.loads(line)["message"]["log"] for line in out.read_bytes().splitlines()]  # Tenzir reads JSON and times
    assert [line for line in came if not isinstance(line, dict)] == []
    seen = siem.ids(came)
    assert seen.keys() == uids
    assert seen.total() == len(uids)
    assert sum(batch["count"] for batch in siem.batches(came)) == len(uids)
    assert {str(siem.first(line, (("actor", "name"), ("user", "name"), ("user_name",), ("usr", "name"), ("actor", "user", "name"))))
            for line in came if not siem.is_batch(line)} == {"Zoë \u2028 日本"}  # fmt: skip


def test_syslog_ng_indexes_every_event_once(siem, osmem, tmp_path):
    folder, uids = publish(siem, tmp_path, "ecs")
    config = tmp_path / "syslog-ng.conf"
    version = subprocess.run([program("syslog-ng"), "--version"], capture_output=True, text=True, check=True).stdout
    config.write_text(f"@version: {re.search(r'Config version: ([0-9.]+)', version)[1]}\n" + siem.kit("syslog-ng/audit-pipelines.conf", **{
        "/srv/audit/drops/ecs": f"{folder}", "http://127.0.0.1:9200": osmem.url, "audit-pipelines-$": "syslog-ng-$",
    }))  # fmt: skip
    arguments = [
        "-F",
        "--no-caps",
        "-f",
        config,
        "-R",
        tmp_path / "persist",
        "-p",
        tmp_path / "pid",
        "-c",
        tmp_path / "ctl",
        "-e",
    ]
    process = siem.Process([program("syslog-ng"), *arguments], tmp_path / "syslog-ng.log")
    try:
        siem.until(lambda: osmem.count("syslog-ng-*") >= len(uids) + 3, "documents")
    finally:
        process.stop()
    found = osmem.documents("syslog-ng-*")
    lines = [json.loads(line) for path in folder.iterdir() for line in path.read_bytes().splitlines()]
    assert {hit["_id"]: hit["_source"] for hit in found} == {line["doc_id"]: line for line in lines}
    assert {hit["_index"] for hit in found} == {"syslog-ng-2026.01"}


def test_app_inspect_finds_no_fault_in_the_add_on(siem, tmp_path):
    def modes(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.mode = 0o755 if entry.isdir() else 0o644
        return entry

    package, report = tmp_path / "TA-audit-pipelines.tgz", tmp_path / "report.json"
    with tarfile.open(package, "w:gz") as archive:
        archive.add(siem.KITS / "splunk" / "TA-audit-pipelines", "TA-audit-pipelines", filter=modes)
    arguments = ["inspect", package, "--mode", "precert", "--output-file", report, "--data-format", "json"]
    subprocess.run(
        [program("splunk-appinspect"), *arguments], capture_output=True, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"}
    )
    summary = json.loads(report.read_text())["summary"]
    assert (summary["error"], summary["failure"], summary["future_failure"], summary["warning"]) == (0, 0, 0, 0)
    assert summary["success"] > 50
