"""Publish, and be killed on the way: run by test_drop_killed.py as a program of its own.

Usage: killed_publisher.py HOME N FORMAT. Publishes the day of HOME/events.parquet, and dies by SIGKILL before the
N-th system call that makes something durable (fsync, rename, mkdir). Prints what it did otherwise.
A program of its own, because a fork of a process that has run DuckDB has its locks but not its threads.
"""

import importlib.util
import os
import signal
import sys
from pathlib import Path

CALLS = 0


def killing(call, number: int):
    """`call`, after death at the `number`-th of all counted calls."""

    def counted(*arguments, **keywords):
        global CALLS
        CALLS += 1
        if number == CALLS:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **keywords)

    return counted


ROOT = Path(__file__).parents[2]


def load():
    """What the tests share: importing it runs no DuckDB."""
    spec = importlib.util.spec_from_file_location("ship_conftest", Path(__file__).with_name("conftest.py"))
    drops = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = drops
    spec.loader.exec_module(drops)
    return drops


def publish(drops, root: Path, form: str) -> None:
    connection = drops.connect(memory="500MB", threads=1)
    connection.execute(f"CREATE VIEW events AS FROM read_parquet('{root / 'events.parquet'}')")
    from audit_pipelines.ship.parts import Limits

    drops.Publisher(root)(connection, form, limits=Limits(rows=3))


def main(root: Path, number: int, form: str) -> None:
    """Fork a child for every death from the `number`-th call on, each in HOME/<n>, until one lives."""
    drops = load()
    while True:
        home = root / f"{number}"
        home.mkdir()
        (home / "events.parquet").symlink_to(root / "events.parquet")
        child = os.fork()
        if child == 0:
            for name in ("fsync", "rename", "mkdir"):
                setattr(os, name, killing(getattr(os, name), number))
            publish(drops, home, form)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(number, os.waitstatus_to_exitcode(status), flush=True)
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            return
        number += 1


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
