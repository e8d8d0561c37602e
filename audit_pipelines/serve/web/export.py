"""The events of a filter as a file, NDJSON or CSV, which says in its first line what it is.

A stream, a page of the walk at a time: memory stays flat however many events there are. The first page is found before
the answer begins, so that a query that takes too long is an error and no empty file; an error later breaks the transfer
off, which every client notices. What does not belong here: canonical lines (``lines``), cells of CSV (``table``).
"""

from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from audit_pipelines.errors import EvidenceError
from audit_pipelines.seal.log import read_checkpoint
from audit_pipelines.serve.access import touched
from audit_pipelines.serve.catalog import Snapshot
from audit_pipelines.serve.principal import SHOWS_EVENTS, Principal, Restriction
from audit_pipelines.serve.search import Place
from audit_pipelines.serve.security import needs
from audit_pipelines.serve.web import table
from audit_pipelines.serve.web.show import machine
from audit_pipelines.serve.web.view import View

router = APIRouter(include_in_schema=False)
Format = Literal["ndjson", "csv"]
_TYPES = {"ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
Exports = Annotated[Principal, Depends(needs("export", action="audit_log.exported", links=SHOWS_EVENTS))]


@router.get("/audit-logs/export", name="audit_logs_export")
def export(request: Request, principal: Exports, format: Format = "ndjson") -> Response:  # noqa: A002 - the parameter's name
    """All events of the filter, newest first."""
    view = View.of(request, principal)
    log, pages = view.reader.ask(lambda log: (log, _begun(view, log)))
    facts = _facts(view, principal, log)
    touched(request, "audit_log", "events", f"{format}, log size {log.size}")
    name = f"{view.reader.settings.organisation.id}.audit-logs.{view.reader.now():%Y%m%dT%H%M%SZ}.{format}"
    body = _ndjson(facts, pages) if format == "ndjson" else _csv(facts, pages)
    return StreamingResponse(body, media_type=_TYPES[format], headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _begun(view: View, log: Snapshot) -> Iterator[list[bytes]]:
    """The lines of the walk, whose first page is already found."""
    pages = view.reader.lines.stream(log, view.filters, Place())
    return chain([next(pages)], pages)


def _facts(view: View, principal: Principal, log: Snapshot) -> dict[str, Any]:
    """What the export says of itself."""
    try:
        checkpoint = read_checkpoint(view.reader.home.log / "events").decode()
    except EvidenceError:
        checkpoint = None  # nothing is sealed yet
    return {
        "organisation": view.reader.settings.organisation.name,
        "filter": view.wanted.query(),
        "restriction": _restriction(principal.restriction),
        "order": "newest first",
        "log_size": log.size,
        "checkpoint": checkpoint,
        "exported_at": machine(view.reader.now()),
        "by": {"kind": principal.kind, "id": principal.id, "name": principal.name},
    }


def _restriction(limit: Restriction | None) -> dict[str, str] | None:
    """What a link keeps the export to."""
    if limit is None:
        return None
    found = {
        "from": limit.since and machine(limit.since),
        "to": limit.until and machine(limit.until),
        "user": limit.actor,
    }
    return {name: value for name, value in found.items() if value}


def _ndjson(facts: dict[str, Any], pages: Iterator[list[bytes]]) -> Iterator[bytes]:
    yield msgspec.json.encode({"export": facts}) + b"\n"
    for lines in pages:
        if lines:
            yield b"\n".join(lines) + b"\n"


def _csv(facts: dict[str, Any], pages: Iterator[list[bytes]]) -> Iterator[bytes]:
    yield table.remark(facts) + table.heading()
    for lines in pages:
        yield table.rows(lines)
