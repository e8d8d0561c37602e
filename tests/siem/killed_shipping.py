"""A night that dies by SIGKILL when it has given N files of a drop their names: run by test_readers.py.

Usage: killed_shipping.py HOME YYYY-MM-DD N. A program of its own, because a fork of a process that has run DuckDB has
its locks but not its threads.
"""

import importlib.util
import os
import signal
import sys
from datetime import date
from pathlib import Path


def die_after(names: int) -> None:
    """Kill this process before it renames anything more into a format's folder."""
    real, done = os.rename, 0

    def rename(source, target, **named):
        nonlocal done
        if Path(target).suffix == ".ndjson":
            if done == names:
                os.kill(os.getpid(), signal.SIGKILL)
            done += 1
        return real(source, target, **named)

    os.rename = rename


def main(root: Path, today: date, names: int) -> None:
    spec = importlib.util.spec_from_file_location("defs_conftest", Path(__file__).parents[1] / "defs" / "conftest.py")
    sys.modules[spec.name] = defs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(defs)
    yard = object.__new__(defs.Yard)
    yard.home = defs.Home(root)
    die_after(names)
    yard.night(today)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    main(Path(sys.argv[1]), date.fromisoformat(sys.argv[2]), int(sys.argv[3]))
