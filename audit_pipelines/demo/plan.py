"""The demo's plan: which days, which of them late, and the records of each.

The span ends yesterday and begins three whole months before the current one. Everything follows from
the seed and today's date. What does not belong here: serving it (``server``).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from audit_pipelines.demo import days as days_module
from audit_pipelines.demo import history as history_module
from audit_pipelines.demo import organisation as organisation_module
from audit_pipelines.demo.history import History
from audit_pipelines.demo.incidents import Incident
from audit_pipelines.demo.organisation import Organisation
from audit_pipelines.demo.wire import render, stream
from audit_pipelines.demo.workday import business_day

MONTHS: Final = 3
NIGHTS: Final = 5
"""Fewest nights that are extracted one by one."""
PROMPT: Final = timedelta(seconds=90)
"""How long after it happened an event can usually be read."""
LATE: Final = timedelta(days=2, hours=17)
"""After the start of its day: when a late event can be read; inside the overlap of three days."""
VERY_LATE: Final = timedelta(days=21)


@dataclass(frozen=True, slots=True)
class Made:
    """One record and when the API begins to give it."""

    id: str
    occurred_at: datetime
    available_at: datetime
    record: bytes


@dataclass(frozen=True, slots=True)
class Demo:
    """The whole made-up past, ready to be made day by day."""

    seed: int
    today: date
    first: date
    last: date
    """Yesterday."""
    backfills: tuple[tuple[date, date], ...]
    """Three ranges of days, both ends included: what each month's backfill asks for."""
    nights: tuple[date, ...]
    """The days after them, each extracted by a night of its own (at least ``NIGHTS``)."""
    late_day: date
    """One of ``nights``: five of its events can be read only from the evening of ``late_seen`` on."""
    very_late_day: date | None
    """A day one event of which comes three weeks late, if one was asked for."""
    organisation: Organisation
    history: History

    @property
    def late_seen(self) -> date:
        """The night of this day is the first that is given the late events."""
        return self.late_day + timedelta(days=LATE.days)

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """What the rules should find, in order of days."""
        return self.history.incidents

    def days(self) -> tuple[date, ...]:
        """Every day from the first to the last."""
        return _range(self.first, self.last)

    def made(self, day: date) -> tuple[Made, ...]:
        """The day's records in order of time, with the times from which they can be read; empty outside the span."""
        if not self.first <= day <= self.last:
            return ()
        events = days_module.events(self.seed, self.organisation, self.history, day)
        late = self._late(day, len(events))
        return tuple(
            Made(event.id, event.at, late.get(number, event.at + PROMPT), render(event, self.organisation.id))
            for number, event in enumerate(events)
        )

    def records(self, day: date) -> list[bytes]:
        """The day's records, late ones too, in order of time."""
        return [made.record for made in self.made(day)]

    def _late(self, day: date, count: int) -> dict[int, datetime]:
        """Places of the day's late events, and when each can be read."""
        start = datetime.combine(day, time.min, UTC)
        rng = stream(self.seed, "late", day)
        if day == self.late_day:
            return {number: start + LATE + timedelta(minutes=number % 7) for number in rng.sample(range(count), 5)}
        if day == self.very_late_day:
            return {rng.randrange(count): start + VERY_LATE}
        return {}


def plan(*, seed: int, today: date, very_late: date | None = None) -> Demo:
    """The demo of ``seed`` (another seed, another past) as seen on ``today`` (the span ends the day before).

    One event of the day ``very_late``, if given, can be read only three weeks later.
    """
    months = _months_before(today)
    first, last = months[0][0], today - timedelta(days=1)
    # Early in a month there are not enough days since the last whole one: its end is then left to the nights.
    nights = _range(min(today.replace(day=1), today - timedelta(days=NIGHTS)), last)
    span = _range(first, last)
    hiring = tuple(day for day in span[10:-8] if business_day(day))
    organisation = organisation_module.build(seed, hiring, first, last)
    return Demo(
        seed=seed,
        today=today,
        first=first,
        last=last,
        backfills=(*months[:-1], (months[-1][0], nights[0] - timedelta(days=1))),
        nights=nights,
        late_day=nights[1],
        very_late_day=very_late,
        organisation=organisation,
        history=history_module.write(seed, organisation, span),
    )


def _months_before(today: date) -> list[tuple[date, date]]:
    """First and last day of the whole months before that of ``today``."""
    months: list[tuple[date, date]] = []
    end = today.replace(day=1)
    for _ in range(MONTHS):
        start = (end - timedelta(days=1)).replace(day=1)
        months.insert(0, (start, end - timedelta(days=1)))
        end = start
    return months


def _range(first: date, last: date) -> tuple[date, ...]:
    return tuple(_walk(first, last))


def _walk(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += timedelta(days=1)
