"""A small real home over NDJSON files, and nights at any moment of a clock of one's own."""

import hashlib
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from audit_pipelines.defs import founding, keeping
from audit_pipelines.defs.inprocess import Jobs
from audit_pipelines.defs.station import Station, nightly_days
from audit_pipelines.home import Home
from audit_pipelines.removal import Removal
from audit_pipelines.seal import sealed

SOURCE = """
[[sources]]
name = "terracotta"
kind = "files"
dialect = "terracotta"
path = "inbox"
"""


def record(number: int, when: str, kind: str = "authentication.login", **members: object) -> bytes:
    """One record of the home source; ``when`` is RFC 3339."""
    made = {
        "id": f"evt_{number:06d}",
        "occurred_at": when,
        "org_id": "org_test",
        "type": kind,
        "outcome": "success",
        "actor": {
            "type": "user",
            "id": f"usr_{number % 7}",
            "name": f"Person {number % 7}",
            "email": f"p{number % 7}@example.com",
        },
        "targets": [],
        "context": {"ip": f"192.0.2.{number % 50}", "user_agent": "tests", "session_id": f"ses_{number % 9}"},
        "before": None,
        "after": None,
        **members,
    }
    return json.dumps(made, separators=(",", ":")).encode()


def access(number: int, when: str, action: str = "audit_log.viewed", **members: object) -> bytes:
    """One line as ``serve`` writes it."""
    made = {
        "id": f"acc_{number:032x}",
        "time": when,
        "action": action,
        "outcome": "success",
        "status": 200,
        "actor": {"type": "user", "id": "usr_1", "name": "Ada", "email": "ada@example.org"},
        "context": {"ip": "192.0.2.1", "user_agent": "tests", "session_id": "ses_1", "api_key_id": None, "request_id": "req_1"},
        "request": {"method": "GET", "path": "/audit-logs", "query": ""},
        "targets": [],
        **members,
    }
    return json.dumps(made, separators=(",", ":")).encode() + b"\n"


def day_of_records(day: date, count: int, *, first: int = 0) -> list[bytes]:
    """``count`` logins spread over a day."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    step = timedelta(days=1) / (count + 1)
    return [record(first + n, (start + step * (n + 1)).isoformat()) for n in range(count)]


def tree(home: Home) -> dict[str, str]:
    """Digest of every file outside ``state/``, by name."""
    return {
        home.relative(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(home.root.rglob("*"))
        if path.is_file() and not home.relative(path).startswith(("state/", "inbox/"))
    }


def announce(home: Home, removal: Removal) -> None:
    """Tell the signer of a removal that a test makes itself, as the commands do."""
    keeping.announce(sealed.open_log(home, home.settings()), removal)


class Yard:
    """A home under test."""

    def __init__(self, folder: Path, *, start: date = date(2026, 1, 1), sources: str = SOURCE) -> None:
        self.home = founding.found(folder / "home", name="Test", organisation_id="test", start=start, sources=sources)
        self.inbox = self.home.root / "inbox"
        self.inbox.mkdir()

    def put(self, name: str, records: list[bytes]) -> Path:
        """A file in the source's folder."""
        path = self.inbox / name
        path.write_bytes(b"".join(record + b"\n" for record in records))
        return path

    def jobs(self, now: datetime) -> Jobs:
        return Jobs(self.home, lambda home, run_id: Station(home, run_id, who="test", now=lambda: now))

    def night(self, today: date) -> Station:
        """The nightly job as it would run on ``today`` at 02:00 UTC."""
        now = datetime(today.year, today.month, today.day, 2, tzinfo=UTC)
        span, again = nightly_days(today, self.home.settings())
        with self.jobs(now) as jobs:
            return jobs.night(span, again)

    def report(self, month: date, today: date) -> Station:
        with self.jobs(datetime(today.year, today.month, today.day, 6, tzinfo=UTC)) as jobs:
            return jobs.report(month)


def served(yard: Yard, day: date, content: bytes) -> Path:
    """More of a day's access file."""
    yard.home.access.mkdir(parents=True, exist_ok=True)
    path = yard.home.access / f"{day}.0a1b2c3d.ndjson"
    with path.open("ab") as file:
        file.write(content)
    return path


@pytest.fixture
def yard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Yard:
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.setenv("AUDIT_HOME", "")
    return Yard(tmp_path)
