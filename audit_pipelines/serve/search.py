"""Pages, counts, facets and the histogram of a filter over a snapshot of the log.

A page is found from its end of the log: days are looked at newest (or oldest) first, few at the beginning and then
more at a time, and none that the cursor has passed, so that a deep page costs what the first does. Within these
days the times alone are read first, then the other columns of few rows in the files that have them. Answers that only
the manifests are needed for run no query; the others are kept, for a snapshot never changes. What does not belong here:
one event (``event``).
"""

import bisect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from time import monotonic
from typing import Any, Final, Literal

from audit_pipelines.batch import EvidenceFile
from audit_pipelines.serve import filters as conditions
from audit_pipelines.serve.answers import Answers
from audit_pipelines.serve.catalog import Snapshot
from audit_pipelines.serve.cursor import Cursor, Order
from audit_pipelines.serve.engine import Engine, Params, Row
from audit_pipelines.serve.filters import EPOCH, Filter, micros, where
from audit_pipelines.serve.sql import over, statement, through

FACETS: Final = ("category", "action", "outcome", "source", "user")
FACET_ROWS: Final = 20
BARS: Final = 120
"""Bars of a histogram at most."""
_FIRST_LOOK: Final = 200_000
"""Events whose files are looked at first; then four times as many, and so on."""
PATIENCE: Final = 4.0
"""Seconds after which a page is given as far as it was found."""
_STEPS: Final = tuple(
    timedelta(**{unit: value})
    for unit, values in (("minutes", (1, 5, 15)), ("hours", (1, 3, 6, 12)), ("days", (1, 7, 28, 364)))
    for value in values
)
_DAY: Final = timedelta(days=1)
_COLUMNS: Final = (
    "uid", "time", "leaf_index", "event_id", "occurred_at", "source", "category", "action", "outcome", "actor_type", "actor_id",
    "actor_name", "actor_email", "targets", "target_type", "target_id", "target_name", "source_ip", "user_agent", "changes",
    "api_key_id", "session_id", "request_id", "extracted_at",
)  # fmt: skip
"""Of page_newest.sql and page_oldest.sql, in order."""

_NAMES: Final = {"desc": "newest", "asc": "oldest"}
What = Literal["page", "lines", "places"]
Event = dict[str, Any]
"""One row by column."""


@dataclass(frozen=True, slots=True)
class Count:
    """One value of a facet."""

    value: str
    label: str
    events: int


@dataclass(frozen=True, slots=True)
class Bar:
    """One step of the histogram."""

    since: datetime
    until: datetime
    events: int
    failures: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: after an event, in an order."""

    order: Order = "desc"
    time: int | None = None
    """Microseconds since 1970 of the event before; None = at the very beginning."""
    uid: str = ""

    @classmethod
    def after(cls, cursor: Cursor) -> "Place":
        """Where ``cursor`` says."""
        return cls(cursor.order, cursor.time, cursor.uid)

    def condition(self) -> tuple[str, dict[str, Any]]:
        """What events after this place fulfil."""
        if self.time is None:
            return "true", {}
        sign = "<" if self.order == "desc" else ">"
        moment = "make_timestamptz($place_time)"
        text = f"occurred_at {sign}= {moment} AND (occurred_at {sign} {moment} OR uid {sign} $place_uid)"
        return text, {"place_time": self.time, "place_uid": self.uid}


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows in order; each begins with uid, time in microseconds since 1970 and leaf index."""

    rows: list[Row]
    more: Place | None
    """Where the next page begins; None = there is none. It may turn out empty: where few events match, a page ends
    when it has taken ``PATIENCE``."""


class Search:
    """Questions about the events, answered by one engine. Safe to use from several threads."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = monotonic) -> None:
        self._engine, self._clock = engine, clock
        self._answers = Answers()

    def page(self, log: Snapshot, filters: Sequence[Filter], place: Place, rows: int) -> tuple[list[Event], Place | None]:
        """Up to ``rows`` events after ``place`` in its order, and where the next page begins.

        Raises:
            QueryTimeout: it took too long.
            FilesChanged: a file is gone since the manifests were read.
        """
        found = self.walk(log, filters, place, rows, "page")
        return [dict(zip(_COLUMNS, row, strict=True)) for row in found.rows], found.more

    def walk(self, log: Snapshot, filters: Sequence[Filter], place: Place, rows: int, what: What, formatted: str = "") -> Page:
        """Up to ``rows`` rows of a statement after ``place``, in its order; fewer where finding them takes long.

        Args:
            log: the log at one size.
            filters: which events.
            place: where to begin.
            rows: how many.
            what: which columns: of ``page_*.sql``, ``lines_*.sql`` or ``places_*.sql``.
            formatted: for ``lines``, the SELECT of a format over ``events``.

        Raises:
            QueryTimeout: it took too long.
            FilesChanged: a file is gone since the manifests were read.
        """
        select = statement(f"{what}_{_NAMES[place.order]}")
        if formatted:
            select = through(formatted, select)
        condition, params = _after(filters, place)
        condition = f"{condition} AND occurred_at {'>=' if place.order == 'desc' else '<='} make_timestamptz($edge)"
        found: list[Row] = []
        until = self._clock() + PATIENCE
        for files in self._looks(log, filters, place):
            wanted = rows + 1 - len(found)
            times = self._times(files, filters, place, wanted)
            if times:
                near = _at(files, times)  # rare events are in few of the files that had to be looked at
                found += self._engine.ask(over(condition, select), near, {**params, "edge": times[-1], "rows": wanted})
            if len(found) > rows:
                return Page(found[:rows], Place(place.order, found[rows - 1][1], found[rows - 1][0]))
            if self._clock() > until:
                return Page(found, _behind(files, place.order))
        return Page(found, None)

    def _looks(self, log: Snapshot, filters: Sequence[Filter], place: Place) -> Iterator[list[EvidenceFile]]:
        """The files to look at, some days at a time, in the order of the walk."""
        since, until = conditions.since(filters), conditions.until(filters)
        newest_first = place.order == "desc"
        if place.time is not None:
            at = EPOCH + timedelta(microseconds=place.time)
            if newest_first:
                until = min(until, at + timedelta(microseconds=1)) if until else at + timedelta(microseconds=1)
            else:
                since = max(since, at) if since else at
        look: list[EvidenceFile] = []
        size, limit = 0, _FIRST_LOOK
        for files in log.days(since, until, newest_first=newest_first):
            look += files
            size += sum(file.rows for file in files)
            if size >= limit:
                yield look
                look, size, limit = [], 0, limit * 4
        if look:
            yield look

    def _times(self, files: Sequence[EvidenceFile], filters: Sequence[Filter], place: Place, rows: int) -> list[int]:
        """When the first ``rows`` events in ``files`` are, in the order of the walk."""
        condition, params = _after(filters, place)
        found = self._engine.ask(over(condition, statement(f"times_{_NAMES[place.order]}")), files, {**params, "rows": rows})
        return [time for (time,) in found]

    def count(self, log: Snapshot, filters: Sequence[Filter]) -> int:
        """How many events fulfil ``filters``."""
        stated = self.stated(log, filters)
        if stated is not None:
            return stated
        return self._answers.get((log.key, log.size, "count", tuple(filters)), lambda: self._counted(log, filters))

    def stated(self, log: Snapshot, filters: Sequence[Filter]) -> int | None:
        """How many events fulfil ``filters`` if the manifests say so, for whole days are asked for; None = count them."""
        if not _whole_days(filters):
            return None
        return sum(file.rows for file in log.within(conditions.since(filters), conditions.until(filters)))

    def _counted(self, log: Snapshot, filters: Sequence[Filter]) -> int:
        rows = self._ask("count", log, filters, {})
        return rows[0][0] if rows else 0

    def facet(self, log: Snapshot, filters: Sequence[Filter], name: str, rows: int = FACET_ROWS) -> list[Count]:
        """The most frequent values of one of ``FACETS`` among the events that fulfil ``filters``."""
        key = (log.key, log.size, "facet", name, rows, tuple(filters))
        found = self._answers.get(key, lambda: self._ask(f"facet_{name}", log, filters, {"rows": rows}))
        return [Count(*row) for row in found]

    def histogram(self, log: Snapshot, filters: Sequence[Filter]) -> list[Bar]:
        """Events over the time that is asked about, in at most ``BARS`` steps without a gap; empty without events.

        The first of ``filters`` is the reader's own; what the others leave of the log is all that its ends may tell.
        """
        known = self.extent(log, filters[1:])
        if known is None:
            return []
        since = max(conditions.since(filters) or known[0], known[0])
        until = min(conditions.until(filters) or known[1], known[1])
        if since >= until:
            return []
        step = next((step for step in _STEPS if (until - since) / step <= BARS - 1), _STEPS[-1])
        key = (log.key, log.size, "histogram", step, tuple(filters))
        params = {"step": micros(EPOCH + step)}
        rows = self._answers.get(key, lambda: self._ask("histogram", log, filters, params))
        counts = {low: (events, failures) for low, events, failures in rows}
        first, width = micros(since) // params["step"], params["step"]
        starts = [number * width for number in range(first, (micros(until) - 1) // width + 1)]
        return [
            Bar(EPOCH + timedelta(microseconds=at), EPOCH + timedelta(microseconds=at + width), *counts.get(at, (0, 0)))
            for at in starts
        ]

    def extent(self, log: Snapshot, filters: Sequence[Filter]) -> tuple[datetime, datetime] | None:
        """The first moment that has events, and the first after all of them; None without events."""
        if not filters and log.oldest is not None and log.newest is not None:
            return log.oldest, log.newest + timedelta(microseconds=1)
        key = (log.key, log.size, "extent", tuple(filters))
        ((first, last),) = self._answers.get(key, lambda: self._ask("extent", log, filters, {})) or ((None, None),)
        if first is None or last is None:
            return None
        return EPOCH + timedelta(microseconds=first), EPOCH + timedelta(microseconds=last + 1)

    def _ask(self, name: str, log: Snapshot, filters: Sequence[Filter], params: Params) -> list[tuple[Any, ...]]:
        condition, bound = where(filters)
        files = log.within(conditions.since(filters), conditions.until(filters))
        return self._engine.ask(over(condition, statement(name)), files, {**bound, **params})


def _after(filters: Sequence[Filter], place: Place) -> tuple[str, dict[str, Any]]:
    """A condition for the events that fulfil ``filters`` and come after ``place``, and its parameters."""
    condition, params = where(filters)
    after, more = place.condition()
    return f"{condition} AND {after}", {**params, **more}


def _at(files: Sequence[EvidenceFile], times: Sequence[int]) -> list[EvidenceFile]:
    """Those of ``files`` that may have an event of one of ``times`` (microseconds since 1970)."""
    ordered = sorted(times)

    def holds(file: EvidenceFile) -> bool:
        at = bisect.bisect_left(ordered, micros(file.oldest))
        return at < len(ordered) and ordered[at] <= micros(file.newest)

    return [file for file in files if holds(file)]


def _behind(files: Sequence[EvidenceFile], order: Order) -> Place:
    """The place after everything in ``files``, which hold whole days, and before everything of the next day."""
    days = [file.day for file in files]
    if order == "desc":
        return Place(order, micros(datetime.combine(min(days), time.min, UTC)) - 1, "\U0010ffff")
    return Place(order, micros(datetime.combine(max(days), time.min, UTC) + _DAY), "")


def _whole_days(filters: Sequence[Filter]) -> bool:
    """Whether the filters ask for whole days and nothing else."""
    ends = [end for item in filters for end in (item.since, item.until) if end is not None]
    return all(item.bounds_only for item in filters) and all(end.timetz() == time(tzinfo=UTC) for end in ends)
