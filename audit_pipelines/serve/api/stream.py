"""``GET /v1/audit-logs.ndjson``: all events of a filter in one answer, one a line, in memory that does not grow.

The headers say what the answer is: the size of the log, its signed checkpoint, how many lines there are. A failure
after the first byte ends the connection without the last chunk (RFC 9112, 7.1), which every client notices; whoever
reads through a proxy that hides this counts the lines. What does not belong here: pages (``events``).
"""

import base64
from collections.abc import Iterator
from typing import Annotated, Final

from fastapi import Depends, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from audit_pipelines.errors import EvidenceError
from audit_pipelines.seal.log import read_checkpoint
from audit_pipelines.serve.api import document
from audit_pipelines.serve.api.asked import Streamed
from audit_pipelines.serve.api.events import Filters
from audit_pipelines.serve.catalog import Snapshot
from audit_pipelines.serve.filters import parse
from audit_pipelines.serve.principal import SHOWS_EVENTS, Principal
from audit_pipelines.serve.reader import Reader, reader_of, visible
from audit_pipelines.serve.search import Place
from audit_pipelines.serve.security import needs

router = document.router()
_Exporting = Annotated[Principal, Depends(needs("export", action="audit_log.exported", links=SHOWS_EVENTS))]
_HEADERS: Final = {
    "Audit-Log-Size": {"description": "Leaves of the log that this is an answer of.", "schema": {"type": "integer"}},
    "Audit-Log-Events": {"description": "Lines of the whole answer: count them.", "schema": {"type": "integer"}},
    "Audit-Log-Checkpoint": {
        "description": "The signed checkpoint at this size, base64; missing while the night has not sealed it.",
        "schema": {"type": "string", "contentEncoding": "base64"},
    },
}
_AT_ONCE: Final = 2_048
"""Lines that are handed to the server at once."""


@router.get(
    "/v1/audit-logs.ndjson",
    name="api_stream",
    summary="All events as NDJSON",
    response_class=StreamingResponse,
    responses=document.text("application/x-ndjson", "One JSON object a line, each ended by a line feed.", _HEADERS),
)
def stream(request: Request, principal: _Exporting, asked: Annotated[Streamed, Query()]) -> Response:
    """Every event that fulfils the filter, one a line, as the log is when the answer begins."""
    reader, filters = reader_of(request), visible(principal, parse(request.query_params.multi_items()))
    return reader.ask(lambda log: _answer(reader, filters, asked, log))


def _answer(reader: Reader, filters: Filters, asked: Streamed, log: Snapshot) -> Response:
    count = reader.search.count(log, filters)
    pages = reader.lines.stream(log, filters, Place(asked.order), asked.form)
    first = next(pages, [])  # what fails already here is still answered with a problem
    headers = {
        "Audit-Log-Size": str(log.size),
        "Audit-Log-Events": str(count),
        "Content-Disposition": f'attachment; filename="audit-logs.{log.size}.ndjson"',
    }
    if signed := _checkpoint(reader, log.size):
        headers["Audit-Log-Checkpoint"] = base64.b64encode(signed).decode()
    return StreamingResponse(_pieces(first, pages), headers=headers, media_type="application/x-ndjson")


def _pieces(first: list[bytes], pages: Iterator[list[bytes]]) -> Iterator[bytes]:
    """The lines of all pages, some at a time."""
    lines: list[bytes] | None = first
    while lines is not None:
        for at in range(0, len(lines), _AT_ONCE):
            yield b"\n".join(lines[at : at + _AT_ONCE]) + b"\n"
        lines = next(pages, None)


def _checkpoint(reader: Reader, size: int) -> bytes:
    """The signed head of the log at ``size``; empty while the night that made it has not sealed it."""
    try:
        return read_checkpoint(reader.home.log / "events", size)
    except EvidenceError:
        return b""
