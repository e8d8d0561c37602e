"""The same night as a plain Python loop: what one writes in an afternoon, with the json module and dicts.

Reads the records line by line, validates, drops duplicates by a dict, keeps the evidence (salted lines, zstd) and
the rejects, writes sorted Parquet by pyarrow, and both drops (canonical and ECS) by ``json.dumps``, with SHA-256
of every file. It leaves out what the night does besides: rules, checks, parts, manifests, fsync. Arguments:
RECORDS FOLDER.
"""

import base64
import hashlib
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

CATEGORIES = {
    "authentication": "authentication",
    "api_key": "authentication",
    "review": "review",
    "guardrail": "configuration",
    "integration": "configuration",
    "plan": "billing",
    "seat": "billing",
    "drift_scan": "drift",
}
ECS = {"authentication": "authentication", "configuration": "configuration", "billing": "configuration"}
TYPES = {"created": "creation", "updated": "change", "deleted": "deletion", "completed": "end"}
FRONT = ("uid", "event_id", "source", "dialect", "org_id", "category", "action", "outcome", "actor_type", "actor_id")
MIDDLE = ("actor_name", "actor_email", "target_type", "target_id", "target_name", "source_ip", "user_agent")
END = ("api_key_id", "session_id", "request_id")


def schema() -> pa.Schema:
    """The canonical columns."""
    target = pa.struct([("type", pa.string()), ("id", pa.string()), ("name", pa.string())])
    change = pa.struct([("field", pa.string()), ("before", pa.string()), ("after", pa.string())])
    texts = [(name, pa.string()) for name in (*FRONT, *MIDDLE, *END)]
    times = [(name, pa.timestamp("us", "UTC")) for name in ("occurred_at", "extracted_at")]
    return pa.schema([*texts, *times, ("targets", pa.list_(target)), ("changes", pa.list_(change)), ("line", pa.int32())])


def parse(line: bytes) -> dict[str, Any]:
    """A valid record.

    Raises:
        ValueError: it is none.
    """
    record = json.loads(line)
    if not isinstance(record, dict) or not isinstance(record.get("id"), str):
        raise ValueError("no object with an id")
    for name in ("actor", "context", "before", "after"):
        if not isinstance(record.get(name), dict | None):
            raise ValueError(f"{name} is no object")
    if not isinstance(record.get("targets"), list | None):
        raise ValueError("targets is no list")
    record["occurred_at"] = datetime.fromisoformat(record["occurred_at"])
    return record


def changes(before: dict[str, Any] | None, after: dict[str, Any] | None) -> list[dict[str, Any]]:
    """What differs, field by field, as JSON texts."""
    old, new = before or {}, after or {}
    found = []
    for field in {**old, **new}:
        if (field in old) != (field in new) or old.get(field) != new.get(field):
            sides = (("before", old), ("after", new))
            texts = {side: json.dumps(values[field]) if field in values else None for side, values in sides}
            found.append({"field": field, **texts})
    return found


def canonical(record: dict[str, Any], line: int, extracted_at: datetime) -> dict[str, Any]:
    """The event of a record."""
    actor, context = record.get("actor") or {}, record.get("context") or {}
    targets = [{key: target.get(key) for key in ("type", "id", "name")} for target in record.get("targets") or []]
    first = targets[0] if targets else {}
    return {
        "uid": f"bulk/{record['id']}",
        "event_id": record["id"],
        "occurred_at": record["occurred_at"],
        "source": "bulk",
        "dialect": "terracotta",
        "org_id": record.get("org_id"),
        "category": CATEGORIES.get(record["type"].partition(".")[0], "other"),
        "action": record["type"],
        "outcome": record.get("outcome") or "unknown",
        "actor_type": actor.get("type") or "unknown",
        "actor_id": actor.get("id"),
        "actor_name": actor.get("name"),
        "actor_email": actor.get("email"),
        "targets": targets,
        "target_type": first.get("type"),
        "target_id": first.get("id"),
        "target_name": first.get("name"),
        "source_ip": context.get("ip"),
        "user_agent": context.get("user_agent"),
        "changes": changes(record.get("before"), record.get("after")),
        "api_key_id": context.get("api_key_id"),
        "session_id": context.get("session_id"),
        "request_id": context.get("request_id"),
        "extracted_at": extracted_at,
        "line": line,
    }


def plain(event: dict[str, Any]) -> dict[str, Any]:
    """The event for the canonical drop: no empty members, times as text."""
    kept = {key: value for key, value in event.items() if value is not None}
    kept["occurred_at"], kept["extracted_at"] = event["occurred_at"].isoformat(), event["extracted_at"].isoformat()
    return kept


def ecs(event: dict[str, Any]) -> dict[str, Any]:
    """The event in ECS."""
    verb = event["action"].rpartition(".")[2]
    people = [event[key] for key in ("actor_name", "actor_email", "actor_id") if event[key]]
    own = ("event_id", "line", "source", "dialect", "category", "actor_type", "targets", *END)
    return {
        "@timestamp": event["occurred_at"].isoformat(),
        "doc_id": event["uid"],
        "message": " ".join(filter(None, (event["actor_name"], event["action"], event["target_type"], event["target_name"]))),
        "ecs": {"version": "9.4.0"},
        "event": {
            "kind": "event",
            "category": [ECS.get(event["category"], "api")],
            "type": [TYPES.get(verb, "start")],
            "action": event["action"],
            "outcome": event["outcome"],
            "id": event["uid"],
            "created": event["extracted_at"].isoformat(),
            "module": "audit_pipelines",
            "dataset": "audit_pipelines.audit",
            "provider": event["source"],
        },
        "organization": {"id": event["org_id"]},
        "service": {"name": event["source"]},
        "user": {"id": event["actor_id"], "name": event["actor_name"], "email": event["actor_email"]},
        "source": {"ip": event["source_ip"]},
        "user_agent": {"original": event["user_agent"]},
        "related": {"ip": [event["source_ip"]], "user": people},
        "data_stream": {"type": "logs", "dataset": "audit_pipelines.audit", "namespace": "default"},
        "audit_pipelines": {
            **{key: event[key] for key in own if event[key] is not None},
            **({"changes": json.dumps(event["changes"])} if event["changes"] else {}),
        },
    }


def read(records: Path, folder: Path) -> list[dict[str, Any]]:
    """Records to evidence, rejects and events."""
    seen: dict[str, bytes] = {}
    events: list[dict[str, Any]] = []
    extracted_at = datetime.now(UTC)
    compressor = zstandard.ZstdCompressor(level=1)
    with (
        open(records, "rb") as source,
        open(folder / "evidence.zst", "wb") as file,
        compressor.stream_writer(file) as evidence,
        open(folder / "rejects.ndjson", "w", encoding="utf-8") as rejects,
    ):
        for number, raw in enumerate(source, start=1):
            line = raw.rstrip(b"\r\n")
            try:
                record = parse(line)
            except (ValueError, KeyError, TypeError) as error:
                kept = base64.b64encode(line).decode()
                rejects.write(json.dumps({"position": number, "reason": str(error), "raw": kept}) + "\n")
                continue
            if seen.get(record["id"]) == line:
                continue
            seen[record["id"]] = line
            evidence.write(os.urandom(16).hex().encode() + b" " + line + b"\n")
            events.append(canonical(record, len(events), extracted_at))
    return events


def main(records: str, out: str) -> None:
    folder = Path(out)
    events = read(Path(records), folder)
    events.sort(key=lambda event: (event["occurred_at"], event["event_id"]))
    pq.write_table(pa.Table.from_pylist(events, schema()), folder / "events.parquet", compression="zstd")
    for name, shape in (("generic", plain), ("ecs", ecs)):
        with open(folder / f"{name}.ndjson", "w", encoding="utf-8") as drop:
            drop.writelines(json.dumps(shape(event), ensure_ascii=False, separators=(",", ":")) + "\n" for event in events)
    sums = {}
    for path in sorted(folder.iterdir()):
        with open(path, "rb") as file:
            sums[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    (folder / "SHA256SUMS").write_text("".join(f"{value}  {name}\n" for name, value in sums.items()), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
