"""Events as JSON lines: the canonical event of the drop format ``generic``, or the records as they were received.

The API and exports give the same text as the drops, made by the same template in DuckDB. A stream is a walk over
pages, so that its memory is one page however long it is. What does not belong here: envelopes and headers.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from audit_pipelines.serve.catalog import Snapshot
from audit_pipelines.serve.engine import Engine
from audit_pipelines.serve.event import Events
from audit_pipelines.serve.filters import Filter, where
from audit_pipelines.serve.search import Place, Search
from audit_pipelines.serve.sql import over, statement, through
from audit_pipelines.ship.format import load_format, render
from audit_pipelines.shipped import shipped

STREAM_ROWS: Final = 32_768
"""Events of one page of a stream."""
LARGEST: Final = 64 << 20
"""Bytes of the records of one page: a page with larger ones is shorter."""
Form = Literal["event", "record"]


@dataclass(frozen=True, slots=True)
class LinesPage:
    """Some lines in order, without line feeds."""

    lines: list[bytes]
    more: Place | None


class Lines:
    """Lines of events. Safe to use from several threads."""

    def __init__(self, engine: Engine, search: Search, events: Events) -> None:
        self._engine, self._search, self._events = engine, search, events

    def page(self, log: Snapshot, filters: Sequence[Filter], place: Place, rows: int, form: Form = "event") -> LinesPage:
        """Up to ``rows`` lines after ``place``, in its order.

        Raises:
            QueryTimeout: it took too long.
            FilesChanged: a file is gone since the manifests were read.
            LakeError: evidence is damaged (``record`` only).
        """
        if form == "event":
            found = self._search.walk(log, filters, place, rows, "lines", canonical())
            return LinesPage([row[3].encode() for row in found.rows], found.more)
        found = self._search.walk(log, filters, place, rows, "places")
        lines = self._events.records(log, [row[2] for row in found.rows], most=LARGEST)
        if len(lines) < len(found.rows):
            uid, time = found.rows[len(lines) - 1][:2]
            return LinesPage(lines, Place(place.order, time, uid))
        return LinesPage(lines, found.more)

    def one(self, log: Snapshot, filters: Sequence[Filter], leaf: int) -> bytes | None:
        """The line of the event at ``leaf``; None if there is none, or ``filters`` hide it. Raises as ``page``."""
        file = log.file_of(leaf)
        if file is None:
            return None
        condition, params = where(filters)
        rows = self._engine.ask(over(condition, through(canonical(), statement("line"))), [file], {**params, "leaf": leaf})
        return str(rows[0][0]).encode() if rows else None

    def stream(self, log: Snapshot, filters: Sequence[Filter], place: Place, form: Form = "event") -> Iterator[list[bytes]]:
        """All lines after ``place``, a page at a time; raises as ``page``."""
        following: Place | None = place
        while following is not None:
            page = self.page(log, filters, following, STREAM_ROWS, form)
            yield page.lines
            following = page.more


@functools.cache
def canonical() -> str:
    """The SELECT of the format ``generic`` over ``events``: shipped, so that the API is the same in every home."""
    form = load_format("generic", [shipped("templates") / "siem"])
    return render(form, line_budget=None, organisation="").sql
