"""A small sealed home over some nights, for tests of verification: real jobs, a real key.

Events of January 2026, with a reject, a late event, a conflict and a day without events.
"""

import importlib.util
import json
import shutil
import subprocess
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType

import zstandard

from audit_pipelines.defs import attesting, drops, judge, night, sealing
from audit_pipelines.defs.station import Station, nightly_days
from audit_pipelines.defs.verifying import verify_home
from audit_pipelines.home import Home
from audit_pipelines.seal import keys
from audit_pipelines.seal.verify.check import Verdict

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LAST = date(2026, 2, 1)
"""The last night; a backup from before it lies in ``earlier``, beside the home."""


def beside(name: str) -> ModuleType:
    """The helpers of the tests of ``defs``: a home with an inbox, and nights."""
    path = Path(__file__).parents[1] / name
    location = importlib.util.spec_from_file_location(f"beside_{path.parent.name}_{path.stem}", path)
    module = importlib.util.module_from_spec(location)
    location.loader.exec_module(module)
    return module


def build(base: Path) -> Home:
    """Four nights and a report of January, made once below ``base``; without Dagster, whose runs take seconds."""
    folder = base / "sealed-home"
    if folder.is_dir():
        return Home(folder / "home")
    defs = beside("defs/conftest.py")
    yard = defs.Yard(folder)
    conflict = defs.record(2000, "2026-01-03T09:00:00+00:00", kind="user.deleted")
    late = defs.record(9000, "2026-01-02T10:00:00+00:00")
    for today, records in (
        (date(2026, 1, 3), [*defs.day_of_records(date(2026, 1, 2), 300, first=1000), b'{"broken']),
        (date(2026, 1, 4), defs.day_of_records(date(2026, 1, 3), 40, first=2000)),
        (date(2026, 1, 6), [*defs.day_of_records(date(2026, 1, 5), 20, first=3000), conflict, late]),
        (LAST, [defs.record(1, "2026-01-31T23:00:00+00:00")]),
    ):
        if today == LAST:
            shutil.copytree(yard.home.root, folder / "earlier")
        yard.put(f"{today}.ndjson", records)
        work(yard.home, today)
    station = station_of(yard.home, date(2026, 2, 5))
    folder = yard.home.reports / "2026-01" / "r1"  # what a report says is not looked at here: any files do
    folder.mkdir(parents=True)
    (folder / "report.json").write_text('{"log_size": 363}\n')
    (folder / "test.audit-report.2026-01.r1.pdf").write_bytes(b"%PDF-1.7\n")
    attesting.attest_report(station)
    station.close()
    return yard.home


def station_of(home: Home, today: date) -> Station:
    """A run's working place at 02:00 of a day, locked."""
    moment = datetime(today.year, today.month, today.day, 2, tzinfo=UTC)
    station = Station(home, f"run-{today}", who="a test", now=lambda: moment)
    station.lock()
    return station


def work(home: Home, today: date) -> None:
    """The steps of a night."""
    station = station_of(home, today)
    try:
        night.extract_days(station, nightly_days(today, home.settings())[0])
        sealing.seal(station)
        judge.judge(station)
        drops.ship(station)
        attesting.attest(station)
    finally:
        station.close()


def roll_back(home: Home, backup: Path) -> None:
    """Restore a backup over the home; the keys, and the signer's memory with them, lie elsewhere and stay."""
    for name in ("batches", "evidence", "events", "log", "drops", "reports", "rejects", "findings", "state"):
        shutil.rmtree(home.root / name, ignore_errors=True)
        if (backup / name).is_dir():
            shutil.copytree(backup / name, home.root / name)


def copied(home: Home, folder: Path) -> Home:
    """A copy to be attacked."""
    shutil.copytree(home.root, folder / "home")
    return Home(folder / "home")


def checked(home: Home, *, given: Sequence[str] = (), derived: bool = False, now: datetime = NOW) -> Verdict:
    return verify_home(home, now=now, given=given, derived=derived)


def told(verdict: Verdict, check: str = "") -> list[str]:
    """Faults in words, of one check or all."""
    return [str(fault) for found in verdict.checks for fault in found.faults if check in ("", found.name)]


def key_of(home: Home) -> str:
    """Fingerprint of the home's key, as it is handed to an auditor."""
    return keys.fingerprint(keys.listing(home.root / "keys")[0])


def lines_of(path: Path) -> list[bytes]:
    reader = zstandard.ZstdDecompressor().stream_reader(path.open("rb"), read_across_frames=True)
    return reader.read().split(b"\n")[:-1]


def write_lines(path: Path, lines: Sequence[bytes]) -> None:
    path.write_bytes(zstandard.compress(b"".join(line + b"\n" for line in lines)))


def change_json(path: Path, change: object) -> None:
    """Let ``change`` work on the content of a JSON file, and write it as manifests are written."""
    content = json.loads(path.read_bytes())
    change(content)
    path.write_bytes(json.dumps(content, indent=1).encode() + b"\n")


def run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
