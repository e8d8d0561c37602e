"""A night in a child process that dies by SIGKILL at its n-th rename or removal of a file.

Between two of them nothing changes but staged files, which the next run throws away: they are all the
states a kill can leave.

Run as a script: ``killed_night.py HOME SCRATCH [report|purge|erase]``: the night alone, or what follows a whole one
(a report, a purge of everything a year later, an erasure of one event). Chance, the clock and the run id are given, as
arguments of the core, so that every file must come out the same as in a night that was not killed. What
is called is what the Dagster assets call, in their order.
"""

import hashlib
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from audit_pipelines.defs import attesting, drops, judge, keeping, monthly, night, sealing
from audit_pipelines.defs.station import Station
from audit_pipelines.home import open_home

NOW = datetime(2026, 2, 2, 2, tzinfo=UTC)
DAYS = (date(2026, 1, 30), date(2026, 1, 31), date(2026, 2, 1))


class Salts:
    """The same salts in the same order, whatever asks for them."""

    def __init__(self) -> None:
        self.drawn = 0

    def __call__(self, count: int) -> bytes:
        blocks = []
        while sum(map(len, blocks)) < count:
            blocks.append(hashlib.sha256(f"{self.drawn}".encode()).digest())
            self.drawn += 1
        return b"".join(blocks)[:count]


def die_at(number: int, changes: Sequence[str] = ("rename", "unlink")) -> Callable[[], int]:
    """Kill this process at the ``number``-th of these calls of ``os``; gives how many there were."""
    calls = 0

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **named)

        return call

    for name in changes:
        setattr(os, name, counted(getattr(os, name)))
    return lambda: calls


def nightly(station: Station) -> None:
    """What the assets of a night call."""
    station.asked = DAYS
    night.extract_days(station, DAYS)
    sealing.seal(station)
    judge.judge(station)
    drops.ship(station)
    attesting.attest(station)
    keeping.nightly(station)
    attesting.anchor_log(station)
    drops.raise_if_partial(station)


def reported(station: Station) -> None:
    monthly.report(station, date(2026, 1, 1))
    attesting.attest_report(station)


def purged(station: Station) -> None:
    keeping.enforce(station, approver="the test")


def erased(station: Station) -> None:
    """An operator who was cut off looks whether the event is still there; a night would finish the rest."""
    uids = [UID] if keeping.locate(station.home, station.batches(), [UID]) else []
    if uids:
        keeping.erase(station, uids, [], ground="the test", approver="the test")
    sealing.seal(station)
    judge.judge(station)


UID = "terracotta/evt_000105"
STEPS: dict[str, tuple[datetime, Callable[[Station], None]]] = {
    "night": (NOW, nightly),
    "report": (NOW, reported),
    "purge": (NOW.replace(year=2027, month=3), purged),
    "erase": (NOW, erased),
}


def step_in(root: Path, number: int, step: str, changes: Sequence[str] = ("rename", "unlink")) -> int:
    """Take the step; the number of its renames and removals."""
    calls = die_at(number, changes)
    now, act = STEPS[step]
    station = Station(open_home(root), f"run-{step}", who="killed", now=lambda: now, salts=Salts())
    try:
        station.lock()
        act(station)
    finally:
        station.close()
    return calls()


def forked(root: Path, number: int, step: str, changes: Sequence[str] = ("rename", "unlink")) -> tuple[int, int]:
    """``step_in`` in a child of its own: (the signal it died of, its renames and removals).

    This process never opens DuckDB or a thread, so that a child may.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, str(step_in(root, number, step, changes)).encode())
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(writer)
    said = os.read(reader, 32)
    os.close(reader)
    status = os.waitpid(child, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit(f"the {step} failed (to die at call {number})")
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, int(said or 0)


def digests(root: Path) -> dict[str, str]:
    """Digest of every file of the home outside ``state/`` and the inbox, and of the access log's files."""
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    names = {path.relative_to(root).as_posix(): path for path in files}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in names.items()
        if not name.startswith(("state/", "inbox/")) or name.startswith("state/access/")
    }


def main(before: Path, scratch: Path, step: str) -> None:
    """One whole step, then one killed at each rename and removal and taken again; says how many were tried.

    Of a night it is every fourth one, of a report every second, for they take minutes; EVERY_KILL=1 tries all.
    """
    if step != "night":
        forked(before, 0, "night")
    whole = scratch / "whole"
    shutil.copytree(before, whole)
    _, calls = forked(whole, 0, step)
    expected = digests(whole)
    step_by = 1 if os.environ.get("EVERY_KILL") else {"night": 4, "report": 2}.get(step, 1)
    tried = range(1, calls + 1, step_by)
    for number in tried:
        root = scratch / f"killed-{number}"
        shutil.copytree(before, root)
        if forked(root, number, step)[0] != signal.SIGKILL:
            sys.exit(f"was not killed at call {number}")
        forked(root, 0, step)
        found = digests(root)
        if found != expected:
            odd = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
            sys.exit(f"killed at call {number} of {calls}: {odd} differ")
        shutil.rmtree(root)
    print(f"{len(tried)} kills, {len(expected)} files the same")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "night")
