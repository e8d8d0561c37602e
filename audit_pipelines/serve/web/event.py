"""One event whole: who, what, from where, on what; what it changed; the record as received; the proof that it is sealed.

The page is also what the viewer's script puts below a row. What does not belong here: reading it (``serve.event``), and
comparing values (``diff``).
"""

import base64
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends
from fastapi import Path as PathParameter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from audit_pipelines.serve import access, pages
from audit_pipelines.serve.event import Proof, Whole
from audit_pipelines.serve.filters import BadParameter, Filter, parse
from audit_pipelines.serve.principal import SHOWS_EVENTS, Principal
from audit_pipelines.serve.reader import reader_of, visible
from audit_pipelines.serve.security import needs
from audit_pipelines.serve.web import jsontext, terms
from audit_pipelines.serve.web.commands import commands
from audit_pipelines.serve.web.diff import change
from audit_pipelines.serve.web.opened import opened_link

router = APIRouter(include_in_schema=False)
SHOWN: Final = 65_536
"""Characters of a record that the page shows; the download has all."""
Leaf = Annotated[int, PathParameter(ge=0, lt=2**62)]


@dataclass(frozen=True, slots=True)
class Head:
    """What a proof leads to, as the page shows it."""

    origin: str
    size: int
    root: str
    """Hex."""
    note: str
    """The signed text whole."""
    path: list[str]
    """Hashes from the leaf upwards, hex."""


@router.get("/audit-logs/events/{leaf}", name="audit_log_event")
def event(
    request: Request,
    leaf: Leaf,
    principal: Annotated[Principal, Depends(needs("read", action="audit_log.event_viewed", links=SHOWS_EVENTS))],
) -> Response:
    """The event at ``leaf``."""
    whole = _found(request, principal, leaf)
    text = whole.record.decode("utf-8", "replace")
    return pages.page(
        request,
        "event.html.j2",
        event=whole.event,
        whole=whole,
        link=opened_link(request, principal),
        title=terms.plain(whole.event["action"] or "unknown"),
        changes=[change(one["field"], one["before"], one["after"]) for one in whole.event["changes"] or ()],
        record=text[:SHOWN],
        cut=len(text) > SHOWN,
        pretty=jsontext.lines(text),
        head=_head(whole.proof) if whole.proof else None,
        commands=commands(_stem(request, leaf)),
        filtered=lambda name, value: _filtered(request, name, value),
    )


@router.get("/audit-logs/events/{leaf}/record", name="audit_log_record")
def record(
    request: Request,
    leaf: Leaf,
    principal: Annotated[Principal, Depends(needs("read", action="audit_log.record_viewed", links=SHOWS_EVENTS))],
) -> Response:
    """The record as its source sent it, byte for byte."""
    whole = _found(request, principal, leaf)
    return _file(whole.record, f"{_stem(request, leaf)}.record", "application/octet-stream")


@router.get("/audit-logs/events/{leaf}/proof", name="audit_log_proof")
def proof(
    request: Request,
    leaf: Leaf,
    principal: Annotated[Principal, Depends(needs("read", action="audit_log.proof_viewed", links=SHOWS_EVENTS))],
) -> Response:
    """The proof of inclusion as a file (C2SP tlog-proof)."""
    whole = _found(request, principal, leaf)
    if whole.proof is None:
        raise HTTPException(404, "This event is not sealed yet; the night seals it.")
    return _file(whole.proof.text(whole.salt), f"{_stem(request, leaf)}.tlog-proof", "text/plain; charset=utf-8")


def _found(request: Request, principal: Principal, leaf: int) -> Whole:
    """The event, noted in the access log.

    Raises:
        HTTPException: 404, there is none that the principal may see.
    """
    reader = reader_of(request)
    whole = reader.ask(lambda log: reader.events.find(log, visible(principal, Filter()), leaf))
    if whole is None:
        raise HTTPException(404, "There is no such event, or none that you may see; it may have been erased or purged.")
    access.touched(request, "event", whole.event["uid"])
    return whole


def _file(data: bytes, name: str, kind: str) -> Response:
    return Response(data, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _stem(request: Request, leaf: int) -> str:
    """Of the names of downloaded files."""
    return f"{reader_of(request).settings.organisation.id}.event-{leaf}"


def _filtered(request: Request, name: str, value: str) -> str:
    """The address of the viewer with one condition; empty where no filter can have the value."""
    try:
        return f"{pages.address(request, 'audit_logs')}?{parse([(name, value)]).query()}"
    except BadParameter:
        return ""


def _head(found: Proof) -> Head:
    """The signed head of a proof, in parts; nothing is verified here."""
    note = found.checkpoint.decode("utf-8", "replace")
    origin, _, root = note.split("\n", 3)[:3]
    return Head(origin, found.size, base64.b64decode(root).hex(), note, [node.hex() for node in found.path])
