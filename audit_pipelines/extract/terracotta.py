"""The source kind ``terracotta``: audit events of an organisation, asked for day by day.

The API as this module takes it (docs/sources.md says what is assumed): ``GET
/v1/audit-logs?from=2026-01-05&to=2026-01-06&limit=1000[&cursor=...]``, ``to`` excluded, answers
``{"data": [...], "next_cursor": "..." or null, "total": N}``. The setting ``query`` adds parameters to each
request. What does not belong here: connections and retries (``http``), and what a record means (the dialect).
"""

import queue
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import msgspec

from audit_pipelines import settings
from audit_pipelines.batch import Reading
from audit_pipelines.errors import SourceError
from audit_pipelines.extract.documents import blocks, records_of
from audit_pipelines.extract.http import Client
from audit_pipelines.record import Finished, Piece

PATH = "/v1/audit-logs"
AHEAD = 4
"""Days that are fetched at the same time."""
BUFFERED = 2
"""Pages of one day that may wait to be taken."""
EMPTY_PAGES = 3
"""Pages without records in a row that are followed."""


class _Page(msgspec.Struct):
    """The envelope of an answer; unknown members are ignored."""

    data: list[msgspec.Raw]
    next_cursor: Any = None
    total: Any = None


@dataclass(slots=True)
class _Window:
    """One day on its way: pages in order, then the error that ended it or None."""

    day: date
    items: "queue.Queue[list[Piece] | SourceError | None]" = field(default_factory=lambda: queue.Queue(BUFFERED))


class TerracottaSource:
    """An organisation's audit log behind the API."""

    def __init__(self, source: settings.Source, client: Client) -> None:
        self._source, self._client = source, client

    def covers(self, days: Sequence[date], today: date) -> tuple[tuple[date, date], ...]:
        """The days asked for, as ranges; today itself is not over and never covered."""
        ranges: list[tuple[date, date]] = []
        for day in sorted({day for day in days if day < today}):
            if ranges and ranges[-1][1] + timedelta(days=1) == day:
                ranges[-1] = (ranges[-1][0], day)
            else:
                ranges.append((day, day))
        return tuple(ranges)

    def read(self, days: Sequence[date]) -> Iterator[Piece]:
        """The records of ``days`` in the order of the days, up to ``AHEAD`` days fetched at once.

        Raises:
            SourceError: a day could not be read to its end; the days before it were given in full.
        """
        stop = threading.Event()
        waiting = deque(sorted(set(days)))
        running: deque[_Window] = deque()
        try:
            while waiting or running:
                while waiting and len(running) < AHEAD:
                    window = _Window(waiting.popleft())
                    threading.Thread(target=self._fetch, args=(window, stop), daemon=True, name=f"day-{window.day}").start()
                    running.append(window)
                yield from _taken(running.popleft())
        finally:
            stop.set()

    def _fetch(self, window: _Window, stop: threading.Event) -> None:
        """Fill a window; runs in a thread of its own and ends soon after ``stop``."""
        end: SourceError | None = None
        try:
            for pieces in self.pages(window.day):
                if not _put(window, pieces, stop):
                    return
        except SourceError as error:
            end = error
        except Exception as error:  # noqa: BLE001  # a fault here must reach the reader, not die with the thread
            end = SourceError(f"{type(error).__name__} while reading {window.day}", where=self._client.base, kind="other")
        _put(window, end, stop)

    def pages(self, day: date) -> Iterator[list[Piece]]:
        """The pages of one day: blocks, then the finished reading of the answer they came from.

        Raises:
            SourceError: ``malformed``: an answer is none, or paging does not move; ``incomplete``: fewer
                or more records than the service itself counts; and those of ``Client.get``.
        """
        cursor, seen, empty = "", {""}, 0
        count = 0
        totals: list[int] = []
        while True:
            target = self._target(day, cursor)
            body = self._client.get(target)
            page = self._decode(body, target)
            yield self._pieces(page, body, target)
            count += len(page.data)
            if isinstance(page.total, int) and not isinstance(page.total, bool):
                totals.append(page.total)
            cursor = self._next(page, target)
            if not cursor:
                break
            empty = 0 if page.data else empty + 1
            if cursor in seen or empty > EMPTY_PAGES:
                why = "gives a cursor again that it gave before" if cursor in seen else f"gives {empty} pages without records"
                raise self._malformed(f"paging does not end: the service {why}", target)
            seen.add(cursor)
        # A day that is not over may grow between its pages: its first or its last total must fit.
        if totals and count not in (totals[0], totals[-1]):
            what = f"{day}: {count} records came, the service counts {totals[-1]}"
            raise SourceError(what, where=self._where(target), todo="the next run asks again", kind="incomplete")

    def _target(self, day: date, cursor: str) -> str:
        span = {"from": day.isoformat(), "to": (day + timedelta(days=1)).isoformat(), "limit": str(self._source.page_size)}
        return f"{PATH}?{urlencode(span | self._source.query | ({'cursor': cursor} if cursor else {}))}"

    def _decode(self, body: bytes, target: str) -> _Page:
        try:
            return msgspec.json.decode(body, type=_Page)
        except msgspec.ValidationError as error:
            raise self._malformed(f"the answer has no list of records: {error}", target) from None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise self._malformed(f"the answer is no JSON: {error}", target) from None

    def _next(self, page: _Page, target: str) -> str:
        """The next page's cursor; empty at the last page."""
        cursor = page.next_cursor
        if cursor is None or isinstance(cursor, str):
            return cursor or ""
        if isinstance(cursor, int) and not isinstance(cursor, bool):
            return str(cursor)
        raise self._malformed("next_cursor is neither text nor null", target)

    def _pieces(self, page: _Page, body: bytes, target: str) -> list[Piece]:
        origin = f"GET {target}"
        reading = Reading(origin=origin, sha256=sha256(body).hexdigest(), bytes=len(body), records=len(page.data))
        return [*blocks(records_of(page.data), origin), Finished(reading=reading)]

    def _malformed(self, what: str, target: str) -> SourceError:
        todo = "docs/sources.md says what is expected; report it to the service"
        return SourceError(what, where=self._where(target), todo=todo, kind="malformed")

    def _where(self, target: str) -> str:
        return f"GET {self._client.base.rstrip('/')}{target}"


def _put(window: _Window, item: list[Piece] | SourceError | None, stop: threading.Event) -> bool:
    """Hand ``item`` on; False if nobody takes it any more."""
    while not stop.is_set():
        try:
            window.items.put(item, timeout=0.1)
        except queue.Full:
            continue
        return True
    return False


def _taken(window: _Window) -> Iterator[Piece]:
    """The pieces of a window as they come, to its end."""
    while (item := window.items.get()) is not None:
        if isinstance(item, SourceError):
            raise item
        yield from item
