"""The plain Python loop that a night is compared with: one dict an event, no vectors, no second thread.

It does what a night does to its data: reads the records, validates them, drops duplicates, keeps what the
source said (zstd), writes sorted Parquet and one NDJSON drop a format. It has no salts, manifests, rules or
checks and survives no crash: what is left out makes it faster, not slower.
"""

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard


def canonical(record: dict[str, Any], extracted_at: str) -> dict[str, Any]:
    """The canonical columns of one record."""
    actor, context = record.get("actor") or {}, record.get("context") or {}
    targets = [{key: target.get(key) for key in ("type", "id", "name")} for target in record.get("targets") or []]
    first = targets[0] if targets else {}
    before, after = record.get("before") or {}, record.get("after") or {}
    return {
        "uid": f"terracotta/{record['id']}",
        "event_id": record["id"],
        "occurred_at": record["occurred_at"],
        "source": "terracotta",
        "dialect": "terracotta",
        "org_id": record.get("org_id"),
        "category": record["type"].partition(".")[0],
        "action": record["type"],
        "outcome": record.get("outcome", "unknown"),
        **{f"actor_{key}": actor.get(key) for key in ("type", "id", "name", "email")},
        "targets": targets,
        **{f"target_{key}": first.get(key) for key in ("type", "id", "name")},
        "source_ip": context.get("ip"),
        "user_agent": context.get("user_agent"),
        "changes": [
            {"field": key, "before": json.dumps(before.get(key)), "after": json.dumps(after.get(key))}
            for key in {**before, **after}
            if before.get(key) != after.get(key)
        ],
        **{key: context.get(key) for key in ("api_key_id", "session_id", "request_id")},
        "extracted_at": extracted_at,
    }


def ecs(event: dict[str, Any]) -> dict[str, Any]:
    """An Elastic document of one event."""
    return {
        "@timestamp": event["occurred_at"],
        "ecs": {"version": "9.4.0"},
        "event": {"kind": "event", "action": event["action"], "outcome": event["outcome"], "id": event["uid"]},
        "organization": {"id": event["org_id"]},
        "user": {"id": event["actor_id"], "name": event["actor_name"], "email": event["actor_email"]},
        "source": {"ip": event["source_ip"]},
        "user_agent": {"original": event["user_agent"]},
        "audit_pipelines": {
            key: event[key] for key in ("event_id", "category", "targets", "changes", "session_id", "request_id")
        },
    }


def read(path: Path, evidence: Path) -> list[dict[str, Any]]:
    """The canonical events of a file, without duplicates, in order of time."""
    seen: dict[str, dict[str, Any]] = {}
    with open(path, "rb") as lines, open(evidence, "wb") as raw, zstandard.ZstdCompressor(level=3).stream_writer(raw) as kept:
        for line in lines:
            try:
                record = json.loads(line)
                moment = datetime.fromisoformat(record["occurred_at"])
                if not isinstance(record["id"], str) or not isinstance(record["type"], str) or moment.tzinfo is None:
                    continue
            except (ValueError, KeyError, TypeError):
                continue
            if record["id"] not in seen:
                seen[record["id"]] = canonical(record, "2025-06-03T02:00:00Z")
                kept.write(line)
    return sorted(seen.values(), key=lambda event: (event["occurred_at"], event["event_id"]))


def main(path: Path, folder: Path) -> None:
    """Evidence, Parquet and two drops of ``path`` into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    events = read(path, folder / "evidence.zst")
    pq.write_table(pa.Table.from_pylist(events), folder / "events.parquet", compression="zstd")
    with (
        open(folder / "generic.ndjson", "w", encoding="utf-8") as generic,
        open(folder / "ecs.ndjson", "w", encoding="utf-8") as other,
    ):
        for event in events:
            generic.write(json.dumps(event) + "\n")
            other.write(json.dumps(ecs(event)) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
