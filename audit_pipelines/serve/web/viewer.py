"""The viewer of events: a page, its further rows, its counts and its chart.

Everything that may take long is asked for after the first rows are shown; without scripts the same addresses are pages
of their own. What does not belong here: one event (``event``), files (``export``), and the conditions (``view``).
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from audit_pipelines.event import CATEGORIES, OUTCOMES
from audit_pipelines.serve import access, pages, sessions
from audit_pipelines.serve.catalog import Snapshot
from audit_pipelines.serve.engine import QueryTimeout
from audit_pipelines.serve.filters import BadParameter, Filter
from audit_pipelines.serve.gate import gate_of
from audit_pipelines.serve.principal import SHOWS_EVENTS, Principal
from audit_pipelines.serve.reader import reader_of, visible
from audit_pipelines.serve.search import FACETS, Place
from audit_pipelines.serve.security import needs
from audit_pipelines.serve.signin import start_of
from audit_pipelines.serve.web import terms
from audit_pipelines.serve.web.chart import BELOW, HEIGHT, chart
from audit_pipelines.serve.web.opened import opened_link
from audit_pipelines.serve.web.view import LABELS, View

router = APIRouter(include_in_schema=False)
ROWS: Final = 60
"""Of a page."""
LAST_UID: Final = "\U0010ffff"
"""After every other: with the first row's time it names the page that begins with this row, at this size of the log."""
Reads = Annotated[Principal, Depends(needs("read", action="audit_log.searched", links=SHOWS_EVENTS))]


@router.get("/", name="root")
async def root(request: Request) -> Response:
    """The first page of whoever asks."""
    principal = sessions.principal_of(request, gate_of(request))[0] if sessions.signed_in(request) else None
    to = pages.address(request, "audit_logs") if principal is None else pages.below(request, start_of(principal))
    return RedirectResponse(to, 303)


@router.get("/audit-logs", name="audit_logs")
def audit_logs(request: Request, principal: Reads) -> Response:
    """The viewer: the newest events that fulfil the filter."""
    try:
        view = View.of(request, principal)
        values = _rows(view)
    except BadParameter as error:
        return _refused(request, principal, error)
    if not view.wanted.pairs():
        access.sharpen(request, "audit_log.viewed")
    return pages.page(request, "viewer.html.j2", **values, **_around(view, principal))


@router.get("/audit-logs/rows", name="audit_logs_rows")
def rows(request: Request, principal: Reads) -> Response:
    """Further rows, for the script that shows them when the end comes near."""
    return pages.page(request, "rows.html.j2", **_rows(View.of(request, principal)))


@router.get("/audit-logs/facets", name="audit_logs_facets")
def facets(request: Request, principal: Reads) -> Response:
    """How many events there are of each value; each list is counted without its own conditions."""
    view = View.of(request, principal)
    found = view.reader.ask(lambda log: list(_facets(view, principal, log)))
    return pages.page(request, "facets.html.j2", facets=found, view=view, plain=terms.plain)


@router.get("/audit-logs/histogram", name="audit_logs_histogram")
def histogram(request: Request, principal: Reads) -> Response:
    """Events over time, and how many there are: every one is in a bar."""
    view = View.of(request, principal)
    bars = view.reader.ask(lambda log: view.reader.search.histogram(log, view.filters))
    total = sum(bar.events for bar in bars)
    drawn = chart(bars, view.period)
    return pages.page(request, "histogram.html.j2", chart=drawn, height=HEIGHT, below=BELOW, total=total, view=view)


@dataclass(frozen=True, slots=True)
class _Value:
    value: str
    label: str
    events: int
    href: str
    """Empty where no filter can have it: too long, or one too many."""
    chosen: bool


@dataclass(frozen=True, slots=True)
class _Range:
    label: str
    href: str
    here: bool


@dataclass(frozen=True, slots=True)
class _Facet:
    label: str
    name: str
    values: list[_Value] | None
    """None where counting took too long."""


def _facets(view: View, principal: Principal, log: Snapshot) -> Iterator[_Facet]:
    """The lists, as far as they are counted within the time of one query."""
    search, until = view.reader.search, monotonic() + view.reader.engine.limit
    for name in FACETS:
        values = None
        if monotonic() < until:
            with contextlib.suppress(QueryTimeout):
                counted = search.facet(log, visible(principal, view.wanted.without(name)), name)
                chosen = getattr(view.wanted, name)
                values = [
                    _Value(one.value, one.label, one.events, view.toggled(name, one.value), one.value in chosen)
                    for one in counted
                ]
        yield _Facet(LABELS[name], name, values)


def _rows(view: View) -> dict[str, Any]:
    """One page of rows, and where the next one begins."""
    place, size = view.begin()

    def ask(now: Snapshot) -> dict[str, Any]:
        log = view.log(size, now)
        events, more = view.reader.search.page(log, view.filters, place, ROWS)
        following = view.cursor(log, more) if more else ""
        again = view.cursor(log, Place("desc", events[0]["time"], LAST_UID)) if events else ""
        return {
            "events": events,
            "older": view.href("audit_logs", cursor=following) if following else "",
            "older_rows": view.href("audit_logs_rows", cursor=following) if following else "",
            "again": view.href("audit_logs_rows", cursor=again) if again else "",
            "size": log.size,
            "total": view.reader.search.stated(log, view.filters),
        }

    return view.reader.ask(ask) | {"first": size is None, "view": view, "plain": terms.plain}


def _around(view: View, principal: Principal) -> dict[str, Any]:
    """What the page shows around its rows."""
    return {
        "chips": view.chips(),
        "categories": CATEGORIES,
        "outcomes": OUTCOMES,
        "sources": _sources(view, principal),
        "ranges": _ranges(view),
        "labels": LABELS,
        "typed": lambda name: _typed(view.request, name),
        "moment": lambda value: value.isoformat()[:23].removesuffix("+00:0").removesuffix("+00:00") if value else "",
        "wrong": None,
        "may_export": principal.may("export"),
        "link": opened_link(view.request, principal),
    }


def _typed(request: Request, name: str) -> str:
    """What a field had, where it could not be understood; a day as such a field wants it."""
    text = request.query_params.get(name, "")
    return f"{text}T00:00" if name in ("from", "to") and len(text) == 10 else text


def _ranges(view: View) -> list[_Range]:
    """Periods of whole days that end with today, for one click."""
    today = view.reader.now().date()
    rest = [(name, value) for name, value in view.wanted.pairs() if name not in ("from", "to")]
    own = [pair for pair in view.wanted.pairs() if pair not in rest]
    found = []
    for days, label in ((1, "Today"), (7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "365 days"), (0, "All")):
        period = [("from", (today - timedelta(days=days - 1)).isoformat())] if days else []
        found.append(_Range(label, view.with_pairs([*period, *rest]), own == period))
    return found


def _sources(view: View, principal: Principal) -> list[str]:
    """The sources to choose from: a restricted link is not told of those it cannot see."""
    if principal.restriction is not None:
        return sorted(view.wanted.source)
    named = [source.name for source in view.reader.settings.sources]
    return list(dict.fromkeys([*named, *view.wanted.source]))


def _refused(request: Request, principal: Principal, error: BadParameter) -> Response:
    """The page with what is wrong beside the form, and no rows."""
    reader = reader_of(request)
    view = View(request, reader, Filter(), visible(principal, Filter()))
    values = _around(view, principal) | {"wrong": error}
    empty = {
        "events": [],
        "older": "",
        "older_rows": "",
        "first": True,
        "size": 0,
        "total": None,
        "view": view,
        "plain": terms.plain,
    }
    return pages.page(request, "viewer.html.j2", status=400, **empty, **values)
