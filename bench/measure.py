"""One child process, measured from outside by wait4(2): wall, CPU, peak memory.

Wall and CPU include the interpreter's start and its imports. What does not belong here: what is run.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent


class CaseBrokeError(Exception):
    """A child ended with an error; the text is the end of what it said."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of one child."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of all cores, user and system."""
    peak: float
    """Largest resident set, MiB."""
    others: float
    """Cores that other processes kept busy meanwhile; 0 where the system does not say."""


def run(argv: Sequence[str], *, tells: bool = False) -> Sample:
    """Run ``argv`` to its end.

    Args:
        argv: the command.
        tells: the child measures itself: its last line of output is JSON with ``wall`` and ``peak``.

    Raises:
        CaseBrokeError: it did not end with 0.
    """
    with tempfile.TemporaryFile() as said:
        busy, start = _busy(), time.perf_counter()
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=ROOT, env=_environment())
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        cpu = usage.ru_utime + usage.ru_stime
        others = max(0.0, (_busy() - busy - cpu) / wall)
        if child.returncode:
            said.seek(0)
            tail = said.read().decode(errors="replace").strip().splitlines()[-12:]
            raise CaseBrokeError("\n".join([f"{' '.join(argv)} ended with {child.returncode}", *tail]))
        if tells:
            said.seek(0)
            told = next(json.loads(line) for line in reversed(said.read().splitlines()) if line.startswith(b'{"wall"'))
            return Sample(told["wall"], cpu, told["peak"], others)
    return Sample(wall, cpu, _mib(usage.ru_maxrss), others)


def python(module: str, *arguments: object) -> tuple[str, ...]:
    """The command that runs ``module`` with this interpreter."""
    return (sys.executable, "-m", module, *map(str, arguments))


def _environment() -> dict[str, str]:
    """The environment of a child: the checkout comes before whatever is installed."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _mib(maxrss: int) -> float:
    return maxrss / (1 << 20) if sys.platform == "darwin" else maxrss / (1 << 10)


def _busy() -> float:
    """Seconds that all cores together have been busy since the system started."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").split(None, 8)
    except OSError:
        return 0.0
    user, nice, system, _idle, _wait, irq, softirq = map(int, fields[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
