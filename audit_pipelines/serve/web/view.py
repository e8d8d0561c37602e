"""What one request of the viewer asks for: its filter, who sees it, the log it reads, and the addresses that follow.

What does not belong here: routes (``viewer``, ``export``), and how it is printed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from audit_pipelines.serve import cursor, pages
from audit_pipelines.serve.catalog import Snapshot
from audit_pipelines.serve.cursor import Cursor
from audit_pipelines.serve.filters import LISTS, NAMES, BadParameter, Filter, parse
from audit_pipelines.serve.principal import Principal
from audit_pipelines.serve.reader import Reader, reader_of, visible
from audit_pipelines.serve.search import Place

LABELS: Final = {
    "from": "From",
    "to": "Before",
    "category": "Category",
    "action": "Action",
    "outcome": "Outcome",
    "source": "Source",
    "user": "User",
    "address": "Address",
    "target": "Target",
    "api_key": "API key",
    "session": "Session",
    "q": "Text",
}
"""Names of parameters for people."""
assert tuple(LABELS) == NAMES


@dataclass(frozen=True, slots=True)
class Chip:
    """One condition of the filter, and the address without it."""

    label: str
    value: str
    name: str
    href: str


@dataclass(frozen=True, slots=True)
class View:
    """A filter over the log as somebody may see it."""

    request: Request
    reader: Reader
    wanted: Filter
    filters: tuple[Filter, ...]
    """What is wanted, within what the principal may see."""

    @classmethod
    def of(cls, request: Request, principal: Principal) -> "View":
        """The view that a request asks for.

        Raises:
            BadParameter: a value of the filter cannot be understood.
        """
        wanted = parse(request.query_params.multi_items())
        return cls(request, reader_of(request), wanted, visible(principal, wanted))

    def begin(self) -> tuple[Place, int | None]:
        """Where the page begins, and the size of the log at which the walk began; None = it begins here.

        Raises:
            BadParameter: the cursor is none, or of another query.
        """
        text = self.request.query_params.get("cursor", "")
        if not text:
            return Place(), None
        given = cursor.decode(text, query=cursor.query_name(self.filters), order="desc")
        return Place.after(given), given.size

    def log(self, size: int | None, now: Snapshot) -> Snapshot:
        """The log at the size of a walk.

        Raises:
            BadParameter: no batch ends there.
        """
        return now if size is None else cursor.log_at(now, size)

    def cursor(self, log: Snapshot, more: Place) -> str:
        """The cursor of the page that begins at ``more``."""
        return cursor.encode(Cursor(log.size, more.order, more.time or 0, more.uid, cursor.query_name(self.filters)))

    def href(self, route: str, wanted: Filter | None = None, **more: str) -> str:
        """The address of a route with this filter, or with ``wanted``."""
        query = (self.wanted if wanted is None else wanted).query(**more)
        return pages.address(self.request, route) + (f"?{query}" if query else "")

    def with_pairs(self, pairs: Iterable[tuple[str, str]]) -> str:
        """The viewer's address with these conditions."""
        return self.href("audit_logs", parse(pairs))

    def chips(self) -> list[Chip]:
        """The conditions, in canonical order."""
        pairs = self.wanted.pairs()
        return [
            Chip(LABELS[name], value, name, self.with_pairs(pairs[:number] + pairs[number + 1 :]))
            for number, (name, value) in enumerate(pairs)
        ]

    def toggled(self, name: str, value: str) -> str:
        """The address with ``value`` added to the list ``name``, or taken out; empty where no filter can have it."""
        assert name in LISTS
        pair, pairs = (name, value), self.wanted.pairs()
        try:
            return self.with_pairs([one for one in pairs if one != pair] if pair in pairs else [*pairs, pair])
        except BadParameter:
            return ""

    def period(self, since: str, until: str) -> str:
        """The address with this period in place of the own one."""
        rest = [(name, value) for name, value in self.wanted.pairs() if name not in ("from", "to")]
        return self.with_pairs([("from", since), ("to", until), *rest])
