"""Every real record of a dialect of ours, and where it lies: `tests/vectors` always, the shared data where it is there.

The shared data (`../shared/data`, or `$AUDIT_SHARED/data`) holds more logs than there are dialects here; what is in the
table below is all of it that a shipped dialect reads. Records that are wrapped (LookupEvents, a detection case) are taken
out of their wrapping; those without a time that the lake takes are left out, as the lake would reject them.
What does not belong here: what is checked on them.
"""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from audit_pipelines.lake.times import TimeError, parse_number, parse_text
from audit_pipelines.record import Dialect

TESTS = Path(__file__).parents[1]
SHARED = Path(os.environ.get("AUDIT_SHARED", TESTS.parents[1] / "shared")) / "data"
VECTORS = TESTS / "vectors"


def as_it_is(value: dict) -> Iterator[dict]:
    yield value


def looked_up(value: dict) -> Iterator[dict]:
    """The answer of LookupEvents has the record as text."""
    yield json.loads(value["CloudTrailEvent"])


def through_logstash(value: dict) -> Iterator[dict]:
    """Logstash has renamed the time and added its version."""
    value = dict(value)
    value.pop("@version")
    yield {"eventTime": value.pop("@timestamp"), **value}


def of_case(*kinds: str) -> Callable[[dict], Iterator[dict]]:
    """The event of a detection case: written by hand, or cut down to what one rule reads."""

    def taken(case: dict) -> Iterator[dict]:
        event = case["event"]
        if set(case.get("log_types") or ()) & set(kinds) and isinstance(event, dict):
            inner = event.get("Records")
            yield from inner if isinstance(inner, list) else (event,)

    return taken


@dataclass(frozen=True)
class Place:
    """Records of one dialect in one folder."""

    source: str
    dialect: str
    files: str
    """Path and pattern below tests/vectors or the shared data."""
    count: int
    """How many records there are that the lake takes."""
    take: Callable[[dict], Iterator[dict]] = as_it_is
    root: Path = SHARED


REAL = (
    Place("vectors_github", "github", "github/*json", 11, root=VECTORS),
    Place("vectors_cloudtrail", "cloudtrail", "cloudtrail/*json", 9, root=VECTORS),
    Place("vectors_root", "cloudtrail", "cloudtrail_shapes/root.ndjson", 2, root=VECTORS),
    Place("vectors_federated", "cloudtrail", "cloudtrail_shapes/federated.json", 1, root=VECTORS),
    Place("vectors_service", "cloudtrail", "cloudtrail_shapes/service.ndjson", 1, root=VECTORS),
    Place("vectors_lookup", "cloudtrail", "cloudtrail_shapes/lookup_events.jsonl", 1, looked_up, root=VECTORS),
    Place("vectors_logstash", "cloudtrail", "cloudtrail_shapes/logstash.ndjson", 1, through_logstash, root=VECTORS),
    Place("github_audit_azure", "github", "github_audit_azure/*json", 63),
    Place("cloudtrail_invictus", "cloudtrail", "cloudtrail_invictus/*json", 2140),
    Place("cloudtrail_stratus", "cloudtrail", "cloudtrail_stratus/*json", 257),
    Place("cloudtrail_cribl", "cloudtrail", "cloudtrail_cribl/*json", 44),
    Place("panther_scenarios", "cloudtrail", "panther_scenarios/*cloudtrail.ndjson", 27),
    Place("plaso", "cloudtrail", "plaso/aws_cloudtrail.jsonl", 6, looked_up),
    Place("otrf", "cloudtrail", "otrf/ec2_proxy_s3_exfiltration*.json", 103, through_logstash),
)
"""Whole records of real accounts, but for panther_scenarios, which are whole records of made-up stories."""

CASES = (
    Place("panther_cases_aws", "cloudtrail", "panther_cases/cases.ndjson", 316, of_case("AWS.CloudTrail")),
    Place("panther_cases_github", "github", "panther_cases/cases.ndjson", 62, of_case("GitHub.Audit")),
    Place("streamalert_cases_aws", "cloudtrail", "streamalert_cases/cases.ndjson", 24, of_case("cloudtrail:events")),
    Place("streamalert_cases_github", "github", "streamalert_cases/cases.ndjson", 18, of_case("ghe:general")),
)
"""Detection cases of two public rule sets: no real records, but shapes that nobody here thought of."""


def records(place: Place, dialect: Dialect) -> list[tuple[bytes, int]]:
    """The records of a place with their times in microseconds."""
    found = []
    for path in sorted(place.root.glob(place.files)):
        for value in _values(path.read_text(encoding="utf-8")):
            for record in place.take(value):
                time = _time(record, dialect)
                if time is not None:
                    found.append((json.dumps(record, ensure_ascii=False).encode(), time))
    return found


def _values(text: str) -> Iterator[dict]:
    """NDJSON, a list, or CloudTrail's object that holds one."""
    if text.startswith(("[", '{"Records":')):
        whole = json.loads(text)
        yield from whole["Records"] if isinstance(whole, dict) else whole
    else:
        yield from (json.loads(line) for line in text.splitlines() if line.strip())


def _time(record: dict, dialect: Dialect) -> int | None:
    value = next((record[key] for key in dialect.time_keys if key in record), None)
    try:
        if isinstance(value, str):
            return parse_text(value)
        return parse_number(value, dialect.time_unit) if isinstance(value, int | float) else None
    except TimeError:
        return None
