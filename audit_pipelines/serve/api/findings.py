"""``GET /v1/findings``: what the rules found, the latest first, a page at a time.

The cursor keeps the size of the log: the walk sees the judgements as they were when it began. What does not belong here:
reading findings and who sees which (``serve.findings``).
"""

import base64
import binascii
from datetime import datetime
from typing import Annotated

import msgspec
from fastapi import Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from audit_pipelines.serve.access import touched
from audit_pipelines.serve.api import document
from audit_pipelines.serve.api.answers import page, whole
from audit_pipelines.serve.api.asked import FoundOnes
from audit_pipelines.serve.api.shapes import FindingPage
from audit_pipelines.serve.auditing import auditing_of
from audit_pipelines.serve.cursor import log_at
from audit_pipelines.serve.filters import BadParameter, parse
from audit_pipelines.serve.findings import Wanted, identity
from audit_pipelines.serve.principal import Principal
from audit_pipelines.serve.reader import reader_of
from audit_pipelines.serve.security import needs
from audit_pipelines.sql.findings import Finding

router = document.router()
_Viewing = Annotated[Principal, Depends(needs("read", "auditor", action="finding.viewed", links=("period",)))]
Key = tuple[datetime, str, str, str]


class _Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The size of the log, and the last finding given."""

    size: int
    key: tuple[Annotated[datetime, msgspec.Meta(tz=True)], str, str, str]


@router.get("/v1/findings", name="api_findings", summary="What the rules found", responses=document.kept(FindingPage))
def findings(request: Request, principal: _Viewing, asked: Annotated[FoundOnes, Query()]) -> Response:
    """Findings whose window ends in the period.

    A link sees those that lie wholly in its period, with every day that their rule looked at.
    """
    period = parse((name, value) for name, value in request.query_params.multi_items() if name in ("from", "to"))
    wanted = Wanted(tuple(asked.severity), tuple(asked.rule), since=period.since, until=period.until)
    newest = reader_of(request).log()
    begun = _decoded(asked.cursor) if asked.cursor else None
    log = log_at(newest, begun.size) if begun else newest
    found = auditing_of(request).findings.find(log, principal, wanted).findings
    left = [hit for hit in found if begun is None or _key(hit) < begun.key]
    shown = left[: asked.limit]
    for hit in shown:
        touched(request, "finding", identity(hit), hit.rule)
    following = _encoded(_Cursor(log.size, _key(shown[-1]))) if len(left) > len(shown) else None
    return whole(request, page(map(msgspec.json.encode, shown), following, len(found)))


def _key(finding: Finding) -> Key:
    """What findings are in order of (``serve.findings``)."""
    return (finding.window_end, finding.rule, finding.subject, finding.summary)


def _encoded(cursor: _Cursor) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(cursor)).decode().rstrip("=")


def _decoded(text: str) -> _Cursor:
    """What ``_encoded`` made.

    Raises:
        BadParameter: it did not make this.
    """
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(raw, type=_Cursor)
    except (ValueError, binascii.Error, msgspec.MsgspecError, RecursionError):
        raise BadParameter("cursor", "is none; give next_cursor of the page before as it was") from None
