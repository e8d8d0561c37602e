"""What every route reads with: the home, its catalog, and the questions about events; one for a process.

What does not belong here: who may read (``principal``), and the routes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from fastapi import Request

from audit_pipelines.home import Home
from audit_pipelines.serve.catalog import Catalog, Snapshot
from audit_pipelines.serve.engine import Engine, FilesChanged
from audit_pipelines.serve.event import Events
from audit_pipelines.serve.filters import Filter
from audit_pipelines.serve.lines import Lines
from audit_pipelines.serve.principal import Principal
from audit_pipelines.serve.search import Search
from audit_pipelines.settings import Settings, seconds

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Reader:
    """A home that is read."""

    home: Home
    settings: Settings
    """As they were when the process began."""
    now: Callable[[], datetime]
    catalog: Catalog
    engine: Engine
    search: Search
    events: Events
    lines: Lines

    @classmethod
    def open(cls, home: Home, settings: Settings, now: Callable[[], datetime]) -> "Reader":
        """Open the home's events; ``close`` gives the memory back."""
        limit = seconds(settings.serve.query_timeout, key="serve.query_timeout")
        engine = Engine(home, memory=settings.serve.memory, seconds=limit)
        search, events = Search(engine), Events(home, engine)
        return cls(home, settings, now, Catalog(home), engine, search, events, Lines(engine, search, events))

    def log(self) -> Snapshot:
        """The log as it is now."""
        return self.catalog.now()

    def ask(self, question: Callable[[Snapshot], Answer]) -> Answer:
        """What ``question`` says of the log as it is now; asked once more where a removal came between.

        Raises:
            FilesChanged: and another one.
        """
        try:
            return question(self.log())
        except FilesChanged:
            return question(self.log())

    def close(self) -> None:
        """End the engine."""
        self.engine.close()


def reader_of(request: Request) -> Reader:
    """The process's reader, for routes."""
    reader: Reader = request.app.state.reader
    return reader


def visible(principal: Principal, wanted: Filter) -> tuple[Filter, ...]:
    """The filters that count: what is wanted, and what the principal's link restricts it to.

    Every question about events goes through here, so that nothing outside a link is read, counted or told by facets.
    """
    limit = principal.restriction
    if limit is None:
        return (wanted,)
    if limit.report is not None:
        first = datetime.fromisoformat(f"{limit.report}-01").replace(tzinfo=UTC)
        return (wanted, Filter(since=first, until=(first + timedelta(days=32)).replace(day=1)))
    return (wanted, Filter(since=limit.since, until=limit.until, user=(limit.actor,) if limit.actor else ()))
