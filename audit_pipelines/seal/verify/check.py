"""What verification says: checks, faults and a verdict, as plain values.

What does not belong here: looking at anything (``verify_*``) and printing (``cli``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final, Protocol


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that does not hold, and where; what is unknown is empty or None."""

    text: str
    file: str = ""
    """Relative to the home."""
    day: date | None = None
    """Event day (UTC)."""
    line: int | None = None
    """Line of the file, from 0."""
    leaf: int | None = None
    """Leaf index in the events log."""
    uid: str | None = None
    """The event, where a derived file still tells it."""
    columns: tuple[str, ...] = ()
    """Columns that differ from the record."""

    def __str__(self) -> str:
        parts = [
            self.file,
            f"day {self.day}" if self.day else "",
            f"line {self.line}" if self.line is not None else "",
            f"leaf {self.leaf}" if self.leaf is not None else "",
            f"event {self.uid}" if self.uid else "",
        ]
        place = ", ".join(part for part in parts if part)
        return f"{place}: {self.text}" if place else self.text


@dataclass(frozen=True, slots=True)
class Check:
    """One kind of thing that was checked."""

    name: str
    text: str
    """What was checked, with counts."""
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()
    """What could not be checked, or is worth knowing and no fault."""


class Outcome(StrEnum):
    """The verdict in one word."""

    GOOD = "GOOD"
    BAD = "BAD"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Everything that was found out about one home."""

    signer: str
    """Who signed, and on whose word."""
    trusted: bool
    """Whether the reader named the key; else the home itself did."""
    checks: tuple[Check, ...]

    @property
    def faults(self) -> list[Fault]:
        """All of them, in the order of the checks."""
        return [fault for check in self.checks for fault in check.faults]

    @property
    def outcome(self) -> Outcome:
        """Good unless there is a fault."""
        return Outcome.BAD if self.faults else Outcome.GOOD


class Progress(Protocol):
    """Told how far a stage is."""

    def begin(self, stage: str, total: int | None) -> None:
        """A stage begins; ``total`` steps if known."""

    def advance(self, stage: str, steps: int) -> None:
        """``steps`` further."""

    def end(self, stage: str) -> None:
        """The stage is done."""


class Silent:
    """Tells nobody."""

    def begin(self, stage: str, total: int | None) -> None:
        """Nothing."""

    def advance(self, stage: str, steps: int) -> None:
        """Nothing."""

    def end(self, stage: str) -> None:
        """Nothing."""


LIMITS: Final = (
    "findings: the rules make them from the columns of the events, and can make them again",
    "events that the source never gave, or that were left out before they were sealed: ask the source again",
    "the clock of this machine: only a time-stamp token or a witness bounds it",
)
"""What no verification of a home can see."""


def counted(number: int, word: str, words: str = "") -> str:
    """``1 file``, ``1,200 files``."""
    return f"{number:,} {word if number == 1 else words or word + 's'}"


def listed(numbers: Sequence[int]) -> str:
    """Numbers in a text: the first few of many."""
    shown = ", ".join(map(str, numbers[:5])) or "none"
    return shown + (f" and {len(numbers) - 5:,} more" if len(numbers) > 5 else "")
