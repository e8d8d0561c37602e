"""The auditor's door: issued reports by month, their revisions and files, and the month's evidence bundle.

What a revision's folder holds is what is listed, so that later additions to reports appear here by themselves. What
does not belong here: reading the folders (``revisions``) and making bundles (``bundles``).
"""

import base64
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from audit_pipelines.defs.monthfacts import Month
from audit_pipelines.serve import months
from audit_pipelines.serve.access import touched
from audit_pipelines.serve.auditing import auditing_of
from audit_pipelines.serve.bundles import Busy, pieces
from audit_pipelines.serve.pages import page
from audit_pipelines.serve.principal import LinkKind, Principal
from audit_pipelines.serve.reader import reader_of
from audit_pipelines.serve.revisions import Revision
from audit_pipelines.serve.security import needs
from audit_pipelines.serve.web.opened import opened_link

router = APIRouter(include_in_schema=False)
LINKED: Final[tuple[LinkKind, ...]] = ("report", "period")
"""Kinds of links that open months."""
_Listing = Annotated[Principal, Depends(needs("auditor", action="report.listed", links=LINKED))]
_Viewing = Annotated[Principal, Depends(needs("auditor", action="report.viewed", links=LINKED))]
_Loading = Annotated[Principal, Depends(needs("auditor", action="report.downloaded", links=LINKED))]
_Bundling = Annotated[Principal, Depends(needs("auditor", action="bundle.downloaded", links=LINKED))]
_TYPES: Final = {
    ".pdf": "application/pdf",
    ".json": "application/json",
    ".ndjson": "application/x-ndjson",
    ".csv": "text/csv; charset=utf-8",
    ".zip": "application/zip",
    **dict.fromkeys(
        ("", ".txt", ".md", ".vkey", ".checkpoint", ".consistency", ".edge", ".tlog-proof"), "text/plain; charset=utf-8"
    ),
}
"""Of files that are told apart; any other, HTML and SVG too, is bytes to be saved."""
_OCTETS: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Line:
    """One month of the list."""

    month: str
    newest: Revision | None
    """None: no report was issued yet."""
    outdated: bool


@router.get("/reports", name="reports")
def reports(request: Request, principal: _Listing) -> Response:
    """Every month that the principal may see, newest first."""
    reader, auditing = reader_of(request), auditing_of(request)
    log = reader.log()
    issued = set(auditing.revisions.months())
    names = sorted(issued | months.in_log(log.batches), reverse=True)
    seen = [month for name in names if (month := months.named(name)) and months.open_to(principal, month)]
    outdated = auditing.revisions.outdated(log, reader.now().date())
    names = [months.name(month) for month in seen]
    lines = [Line(name, auditing.revisions.newest(name), name in outdated) for name in names]
    return page(request, "reports.html.j2", lines=lines, link=opened_link(request, principal))


@router.get("/reports/{month}", name="report")
def report(request: Request, month: str, principal: _Viewing) -> Response:
    """All revisions of one month."""
    reader, auditing = reader_of(request), auditing_of(request)
    span = _month(principal, month)
    found = auditing.revisions.of(month)
    log = reader.log()
    in_log = month in months.in_log(log.batches)
    if not found and not in_log:
        raise HTTPException(404)
    touched(request, "report", month)
    return page(
        request,
        "report.html.j2",
        month=month,
        span=span,
        revisions=found,
        outdated=month in auditing.revisions.outdated(log, reader.now().date()),
        in_log=in_log,
        describe=_descriptions,
        link=opened_link(request, principal),
    )


@router.get("/reports/{month}/bundle", name="bundle")
def bundle(request: Request, month: str, principal: _Bundling) -> Response:
    """The month's evidence bundle, made now."""
    span = _month(principal, month)
    if month not in months.in_log(reader_of(request).log().batches):
        raise HTTPException(404)
    touched(request, "bundle", month)
    try:
        made, file = auditing_of(request).bundles.opened(span)
    except Busy:
        raise HTTPException(503, _BUSY, {"Retry-After": "30"}) from None
    size = file.seek(0, 2)
    file.seek(0)
    digest = base64.b64encode(bytes.fromhex(made.sha256)).decode()
    headers = {
        "Content-Length": str(size),
        "Content-Disposition": f'attachment; filename="{made.path.name}"',
        "Repr-Digest": f"sha-256=:{digest}:",
    }
    return StreamingResponse(pieces(file), media_type="application/zip", headers=headers)


_BUSY: Final = "Other bundles are being packed; try again in half a minute."


@router.get("/reports/{month}/{revision}/{file:path}", name="report_file")
def report_file(request: Request, month: str, revision: str, file: str, principal: _Loading, inline: bool = False) -> Response:
    """One file of a revision; ``inline`` shows a PDF instead of saving it."""
    _month(principal, month)
    there = auditing_of(request).revisions.file(month, revision, file)
    if there is None:
        raise HTTPException(404)
    touched(request, "report", f"{month}/{revision}/{file}")
    kind = _TYPES.get(there.path.suffix.lower(), _OCTETS)
    shown = inline and kind == "application/pdf"
    digest = base64.b64encode(bytes.fromhex(there.sha256)).decode()
    return FileResponse(
        there.path,
        media_type=kind,
        filename=there.path.name,
        content_disposition_type="inline" if shown else "attachment",
        headers={"Repr-Digest": f"sha-256=:{digest}:"},
    )


def _month(principal: Principal, name: str) -> Month:
    """The month of that name.

    Raises:
        HTTPException: 404, there is no such month, or none for this principal: links do not tell these apart.
    """
    month = months.named(name)
    if month is None or not months.open_to(principal, month):
        raise HTTPException(404)
    return month


def _descriptions(revision: Revision) -> dict[str, str]:
    """What each file is, where ``report.json`` says so, and for the files that every revision has."""
    listed = revision.made.get("attachments")
    said = {
        str(item["name"]): str(item.get("description", ""))
        for item in (listed if isinstance(listed, list) else ())
        if isinstance(item, dict) and "name" in item
    }
    return {str(revision.made.get("file_name", "")): "The report", **_ALWAYS, **said}


_ALWAYS: Final = {
    "report.json": "Every figure of the report, with its query",
    "SHA256SUMS": "Digests of the files, for sha256sum -c",
    "proof/statement.json": "The log's statement of this report",
    "proof/report.tlog-proof": "The proof that the statement is in the log",
}
