"""Tasks of verification over all cores: spawned processes, in order, with progress.

Small homes are looked at in this process: starting others costs more. What does not belong here: what the
tasks do; they and their arguments are light, since every process imports them.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Final, TypeVar

from audit_pipelines.errors import EvidenceError

Task = TypeVar("Task")
Found = TypeVar("Found")
SMALL: Final = 8 << 20
"""Bytes to read below which one process is enough."""


def spread(work: Callable[[Task], Found], tasks: Sequence[Task], *, cost: int, workers: int | None = None) -> Iterator[Found]:
    """What ``work`` gives for each task, in order.

    Args:
        work: a function of a module, so that another process can import it.
        tasks: plain values.
        cost: bytes that all of them will read.
        workers: processes; by default one a core.

    Raises:
        EvidenceError: a process died (killed, or out of memory).
    """
    count = min(workers or os.cpu_count() or 1, len(tasks))
    if count < 2 or cost < SMALL:
        yield from map(work, tasks)
        return
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(count, mp_context=context) as pool:
            yield from pool.map(work, tasks)
    except BrokenProcessPool:
        todo = "is there memory enough? run it again"
        raise EvidenceError("a process that was verifying ended early", where="verify", todo=todo) from None
