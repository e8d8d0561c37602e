"""One fresh process, measured by the kernel: wall time, CPU time of all its threads, greatest resident memory.

The process that measures must stay small: Linux counts the memory of the forking process into the child's
``ru_maxrss``. So all preparation runs in processes of its own too.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class BrokenCaseError(Exception):
    """A case did not end well: there is nothing to measure."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One run."""

    wall: float
    cpu: float
    mib: float


def run(argv: Sequence[str], log: Path) -> Sample:
    """Run ``argv`` to its end; its output goes to ``log``.

    Raises:
        BrokenCaseError: it ended with another exit code than 0.
    """
    os.sync()  # what earlier runs wrote is not to be paid for by this one
    with open(log, "ab") as output:
        began = time.monotonic()
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise BrokenCaseError(f"{' '.join(argv)}: exit code {process.returncode}, see {log}")
    return Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def python(module: str, *arguments: object) -> list[str]:
    """The command that runs ``module`` with this interpreter."""
    return [sys.executable, "-m", module, *map(str, arguments)]
