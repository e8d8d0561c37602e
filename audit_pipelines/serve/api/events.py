"""``GET /v1/audit-logs``: the events of a filter, a page at a time.

The first page fixes the size of the log: what nights add while somebody walks through the pages changes nothing in the
walk, so that it gives each event once, and ``total`` stays true. What does not belong here: one event (``event``), and
all of them in one answer (``stream``).
"""

from typing import Annotated

from fastapi import Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from audit_pipelines import __version__
from audit_pipelines.serve.access import sharpen
from audit_pipelines.serve.api import document
from audit_pipelines.serve.api.answers import page, tag_of, tagged, unchanged
from audit_pipelines.serve.api.asked import Listed
from audit_pipelines.serve.api.shapes import EventPage
from audit_pipelines.serve.catalog import Snapshot
from audit_pipelines.serve.cursor import Cursor, decode, encode, log_at, query_name
from audit_pipelines.serve.engine import QueryTimeout
from audit_pipelines.serve.filters import Filter, parse
from audit_pipelines.serve.principal import SHOWS_EVENTS, Principal
from audit_pipelines.serve.reader import Reader, reader_of, visible
from audit_pipelines.serve.search import Place
from audit_pipelines.serve.security import needs

router = document.router()
_Searching = Annotated[Principal, Depends(needs("read", action="audit_log.searched", links=SHOWS_EVENTS))]
Filters = tuple[Filter, ...]


@router.get("/v1/audit-logs", name="api_audit_logs", summary="Events, a page at a time", responses=document.kept(EventPage))
def audit_logs(request: Request, principal: _Searching, asked: Annotated[Listed, Query()]) -> Response:
    """The events that fulfil the filter.

    Ask again with `cursor` = `next_cursor` until it is null. A page may have fewer entries than `limit`, or none,
    where few events match or records are large: only a null `next_cursor` is the end.
    """
    wanted = parse(request.query_params.multi_items())
    if wanted == Filter():
        sharpen(request, "audit_log.viewed")
    reader, filters = reader_of(request), visible(principal, wanted)
    return reader.ask(lambda log: _answer(request, reader, filters, asked, log))


def _answer(request: Request, reader: Reader, filters: Filters, asked: Listed, newest: Snapshot) -> Response:
    query = query_name(filters)
    begun = decode(asked.cursor, query=query, order=asked.order) if asked.cursor else None
    log = log_at(newest, begun.size) if begun else newest
    tag = tag_of(__version__, log.key, log.size, query, asked.form, asked.order, asked.limit, asked.cursor)
    if known := unchanged(request, tag):
        return known
    place = Place.after(begun) if begun else Place(asked.order)
    found = reader.lines.page(log, filters, place, asked.limit, asked.form)
    total = begun.total if begun else _total(reader, log, filters)
    following = None
    if found.more is not None and total != 0:
        assert found.more.time is not None, "a page ends somewhere"
        following = encode(Cursor(log.size, asked.order, found.more.time, found.more.uid, query, total))
    return tagged(page(found.lines, following, total, log={"size": log.size}), tag)


def _total(reader: Reader, log: Snapshot, filters: Filters) -> int | None:
    """How many events the whole walk has; None where counting them takes too long."""
    try:
        return reader.search.count(log, filters)
    except QueryTimeout:
        return None
