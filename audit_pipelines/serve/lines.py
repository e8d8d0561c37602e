"""Events as JSON lines: the canonical event of the drop format ``generic``, or the records as they were received.

The API and exports give the same text as the drops, made by the same template in DuckDB. A stream is a walk over
pages, so that its memory is one page however long it is. What does not belong here: envelopes and headers.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from audit_pipelines.serve.catalog import Snapshot
from audit_pipelines.serve.event import Events
from audit_pipelines.serve.filters import Filter
from audit_pipelines.serve.search import Place, Search
from audit_pipelines.ship.format import load_format, render
from audit_pipelines.shipped import shipped

STREAM_ROWS: Final = 16_384
"""Events of one page of a stream."""
Form = Literal["event", "record"]


@dataclass(frozen=True, slots=True)
class LinesPage:
    """Some lines in order, without line feeds."""

    lines: list[bytes]
    last: tuple[int, str] | None
    """Time and uid of the last."""
    more: Place | None


class Lines:
    """Lines of events. Safe to use from several threads."""

    def __init__(self, search: Search, events: Events) -> None:
        self._search, self._events = search, events

    def page(self, log: Snapshot, filters: Sequence[Filter], place: Place, rows: int, form: Form = "event") -> LinesPage:
        """Up to ``rows`` lines after ``place``, in its order.

        Raises:
            QueryTimeout: it took too long.
            FilesChanged: a file is gone since the manifests were read.
            LakeError: evidence is damaged (``record`` only).
        """
        if form == "event":
            found = self._search.walk(log, filters, place, rows, "lines", canonical())
            lines = [row[3].encode() for row in found.rows]
        else:
            found = self._search.walk(log, filters, place, rows, "places")
            lines = self._events.records(log, [row[2] for row in found.rows])
        last = (found.rows[-1][1], found.rows[-1][0]) if found.rows else None
        return LinesPage(lines, last, found.more)

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
