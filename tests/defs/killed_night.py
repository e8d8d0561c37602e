"""A night in a child process that dies by SIGKILL at its n-th rename.

Between two renames nothing changes but staged files, which the next run throws away: the renames are all
the states a kill can leave.

Run as a script: ``killed_night.py HOME SCRATCH [report]``. Chance, the clock and the run id are given, as
arguments of the core, so that every file must come out the same as in a night that was not killed. What
is called is what the Dagster assets call, in their order.
"""

import hashlib
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from audit_pipelines.defs import drops, judge, monthly, night
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


def die_at(number: int) -> Callable[[], int]:
    """Kill this process at the ``number``-th rename; gives how many there were."""
    calls = 0

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **named)

        return call

    os.rename = counted(os.rename)
    return lambda: calls


def night_in(root: Path, number: int, *, report: bool) -> int:
    """Run the night; the number of its renames."""
    calls = die_at(number)
    station = Station(open_home(root), "run-1", who="killed night", now=lambda: NOW, salts=Salts())
    try:
        station.lock()
        station.asked = DAYS
        night.extract_days(station, DAYS)
        judge.judge(station)
        drops.ship(station)
        drops.raise_if_partial(station)
        if report:
            monthly.report(station, date(2026, 1, 1))
    finally:
        station.close()
    return calls()


def forked(root: Path, number: int, *, report: bool = False) -> tuple[int, int]:
    """``night_in`` in a child of its own: (the signal it died of, its renames).

    This process never opens DuckDB or a thread, so that a child may.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, str(night_in(root, number, report=report)).encode())
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(writer)
    said = os.read(reader, 32)
    os.close(reader)
    status = os.waitpid(child, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit(f"the night failed (to die at call {number})")
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, int(said or 0)


def digests(root: Path) -> dict[str, str]:
    """Digest of every file of the home outside ``state/`` and the inbox."""
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    names = {path.relative_to(root).as_posix(): path for path in files}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in names.items()
        if not name.startswith(("state/", "inbox/"))
    }


def main(before: Path, scratch: Path, *, report: bool) -> None:
    """One whole night, then one killed at each rename and run again; says how many were tried."""
    whole = scratch / "whole"
    shutil.copytree(before, whole)
    _, calls = forked(whole, 0, report=report)
    expected = digests(whole)
    first = calls - 1 if report else 1
    for number in range(first, calls + 1):
        root = scratch / f"killed-{number}"
        shutil.copytree(before, root)
        if forked(root, number, report=report)[0] != signal.SIGKILL:
            sys.exit(f"was not killed at call {number}")
        forked(root, 0, report=report)
        found = digests(root)
        if found != expected:
            odd = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
            sys.exit(f"killed at call {number} of {calls}: {odd} differ")
        shutil.rmtree(root)
    print(f"{calls - first + 1} kills, {len(expected)} files the same")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), report=len(sys.argv) > 3)
