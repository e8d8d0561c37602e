"""What one run works with: the home, the clock, chance, the lock, and what it has seen so far.

One ``Station`` lives from a run's first asset to its last, so that the lock is held from reading the
stored ids to the last drop. What does not belong here: what the stages do.
"""

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from audit_pipelines import __version__, batch, durable, settings
from audit_pipelines.batch import Batch
from audit_pipelines.errors import AuditError
from audit_pipelines.home import Home
from audit_pipelines.lake import commit, lock
from audit_pipelines.lake.inspect import Problem
from audit_pipelines.lake.run import Outcome
from audit_pipelines.settings import Settings

if TYPE_CHECKING:
    from audit_pipelines.defs.monthly import Issued
    from audit_pipelines.lake.purge import Plan

log = logging.getLogger(__name__)


class Progress:
    """Told how far a stage is; this one is silent (a pipe, a log, Dagster)."""

    def begin(self, stage: str, total: int | None) -> None:
        """A stage begins; ``total`` steps if known."""

    def advance(self, stage: str, steps: int) -> None:
        """``steps`` further."""

    def end(self, stage: str) -> None:
        """The stage is done."""


def utc_now() -> datetime:
    """The clock of every run outside tests and the demo."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Station:
    """One run's working place."""

    home: Home
    run_id: str
    who: str = "a run"
    now: Callable[[], datetime] = utc_now
    salts: Callable[[int], bytes] = os.urandom
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    progress: Progress = field(default_factory=Progress)
    on_lock: Callable[[], None] = lambda: None
    """Called once when the lock is first held."""
    outcome: Outcome | None = None
    problems: list[Problem] | None = None
    issued: "Issued | None" = None
    """The report that this run made."""
    past: "Plan | None" = None
    """What this run found past its retention, and deleted if ``retention.enforce`` is set."""
    copies: tuple[str, ...] = ()
    """Files of the access log that still hold what this run has erased."""
    drill_fault: str = ""
    """What the night's drill found wrong; empty = nothing."""
    failures: list[str] = field(default_factory=list)
    first_error: AuditError | None = None
    started: datetime | None = None
    asked: tuple[date, ...] = ()
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _locked: bool = False

    @property
    def settings(self) -> Settings:
        """The home's settings."""
        return self.home.settings()

    @property
    def code(self) -> str:
        """Version of this program, for manifests."""
        return __version__

    def lock(self) -> None:
        """Hold the home's lock until ``close``; the first call also clears up after a killed run.

        Raises:
            LockError: another run holds it for longer than ``schedule.lock_wait``.
        """
        if self._locked:
            return
        wait = settings.seconds(self.settings.schedule.lock_wait, key="schedule.lock_wait")
        self._stack.enter_context(durable.exclusive_umask())
        self._stack.enter_context(lock.hold(self.home.lock_file, who=self.who, wait=wait))
        self._locked = True
        self.started = self.now()
        commit.recover(self.home, self.batches())
        self.on_lock()

    def batches(self) -> tuple[Batch, ...]:
        """All committed batches, read anew."""
        return batch.history(self.home)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Run one stage under the lock; a failure is remembered for the notification."""
        try:
            self.lock()
            yield
        except AuditError as error:
            self.failures.append(f"{name}: {error}")
            self.first_error = self.first_error or error
            raise
        except Exception as error:
            self.failures.append(f"{name}: {type(error).__name__}: {error}")
            raise

    def close(self) -> None:
        """Free the lock."""
        self._stack.close()
        self._locked = False

    @property
    def locked(self) -> bool:
        """Whether this station ever came to work."""
        return self._locked


def nightly_days(today: date, config: Settings) -> tuple[tuple[date, ...], tuple[date, ...]]:
    """The days a night asks for: the open range up to yesterday, and older days looked at once more.

    No day is before ``organisation.start``; both are empty on the first day of all.
    """
    start, schedule = config.organisation.start, config.schedule
    span = tuple(today - timedelta(days=back) for back in range(schedule.overlap_days + 1, 0, -1))
    again = sorted(today - timedelta(days=back) for back in schedule.revisit_days)
    return tuple(day for day in span if day >= start), tuple(day for day in again if day >= start and day not in span)
