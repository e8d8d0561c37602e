"""Answers that were given lately, so that a page and its parts ask once.

They never become wrong: their key names the log's size and the filter. What does not belong here: asking (``search``).
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

_KEPT: Final = 500
Kept = TypeVar("Kept")


@dataclass(slots=True)
class _Answer:
    lock: threading.Lock = field(default_factory=threading.Lock)
    value: Any = None
    """In a list of one, when it is there."""


class Answers:
    """The last answers; a thread that comes second waits for the first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, _Answer] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Kept]) -> Kept:
        """The answer kept under ``key``, or ``make``'s; a failure is not kept."""
        with self._lock:
            answer = self._kept.setdefault(key, _Answer())
            self._kept.move_to_end(key)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        with answer.lock:
            if answer.value is None:
                answer.value = [make()]
            kept: Kept = answer.value[0]
        return kept
