"""One run at a time: ``flock`` on ``state/lock``, which the kernel frees when its holder dies."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from audit_pipelines.durable import make_folder
from audit_pipelines.errors import LockError

POLL_SECONDS = 0.5


@contextlib.contextmanager
def hold(
    path: Path, *, who: str, wait: float, sleep: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic
) -> Iterator[None]:
    """Hold the lock at ``path``; wait up to ``wait`` seconds for another holder to finish.

    Raises:
        LockError: it is still held; the text names the holder.
    """
    make_folder(path.parent)
    deadline = clock() + wait
    with path.open("a+b") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if clock() >= deadline:
                    todo = "wait for it, or end it; a killed run frees the lock by itself"
                    raise LockError(f"held by {holder(path)}", where=str(path), todo=todo) from None
                sleep(POLL_SECONDS)
        file.seek(0)
        file.truncate()
        file.write(json.dumps({"pid": os.getpid(), "who": who}).encode())
        file.flush()
        yield


def holder(path: Path) -> str:
    """Who wrote the lock last, in words."""
    try:
        entry = json.loads(path.read_bytes())
        return f"{entry['who']} (process {entry['pid']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def is_held(path: Path) -> bool:
    """Whether a run is going on right now."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
