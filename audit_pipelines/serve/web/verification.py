"""The verification page: a month's evidence checked here, and the commands with which anybody checks it elsewhere.

What does not belong here: the checks (``verification``, and behind it the stand-alone verifier).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from audit_pipelines.defs import bundling
from audit_pipelines.defs.monthfacts import Month
from audit_pipelines.seal.bundle import Scope
from audit_pipelines.serve import months
from audit_pipelines.serve.access import touched
from audit_pipelines.serve.auditing import auditing_of
from audit_pipelines.serve.bundles import Busy
from audit_pipelines.serve.pages import address, page
from audit_pipelines.serve.principal import Principal
from audit_pipelines.serve.reader import reader_of
from audit_pipelines.serve.security import needs, posted
from audit_pipelines.serve.verification import Verification
from audit_pipelines.serve.verification import verify as check
from audit_pipelines.serve.web.opened import opened_link
from audit_pipelines.serve.web.reports import LINKED

router = APIRouter(include_in_schema=False)
_Looking = Annotated[Principal, Depends(needs("auditor", action="log.checkpoint_read", links=LINKED))]
_Verifying = Annotated[Principal, Depends(needs("auditor", action="log.verified", links=LINKED))]
_Posted = Annotated[FormData, Depends(posted)]
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")
_MOST_KEYS: Final = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """What the form says."""

    month: str
    """Empty where there is nothing to verify."""
    given: str = ""
    """Fingerprints as they were typed."""
    wrong: str = ""


@router.get("/verify", name="verify")
def verify(request: Request, principal: _Looking, month: str = "") -> Response:
    """The form, the keys and the commands."""
    known = _months(request, principal)
    if month and month not in known:
        raise HTTPException(404)
    return _page(request, principal, known, Asked(month or _first(request, known)))


@router.post("/verify", name="verify_month")
def verify_month(request: Request, principal: _Verifying, form: _Posted) -> Response:
    """Run the checks and show what came of each."""
    known, month, typed = _months(request, principal), str(form.get("month", "")), str(form.get("fingerprint", ""))
    span = months.named(month)
    if span is None or month not in known:
        raise HTTPException(404)
    touched(request, "bundle", month)
    given = typed.lower().replace(",", " ").split()
    if len(given) > _MOST_KEYS or not all(_FINGERPRINT.fullmatch(one) for one in given):
        wrong = "A fingerprint has 64 digits, 0 to 9 and a to f."
        return _page(request, principal, known, Asked(month, typed[:1000], wrong), status=400)
    try:
        result = _run(request, span, given)
    except Busy:
        raise HTTPException(503, "Other bundles are being checked; try again in half a minute.", {"Retry-After": "30"}) from None
    return _page(request, principal, known, Asked(month, " ".join(given)), result)


def _run(request: Request, month: Month, given: Sequence[str]) -> Verification:
    auditing = auditing_of(request)
    with auditing.bundles.made(month) as bundled:
        revisions = auditing.revisions.of(months.name(month))
        return check(bundled, revisions, given or auditing.statements.fingerprints(), known=bool(given))


def _months(request: Request, principal: Principal) -> list[str]:
    """Months whose evidence the principal may have, newest first."""
    names = sorted(months.in_log(reader_of(request).log().batches), reverse=True)
    return [name for name in names if (month := months.named(name)) and months.open_to(principal, month)]


def _first(request: Request, known: Sequence[str]) -> str:
    """The newest month with a report, or else the newest."""
    issued = set(auditing_of(request).revisions.months())
    return next((name for name in known if name in issued), known[0] if known else "")


def _page(
    request: Request,
    principal: Principal,
    known: Sequence[str],
    asked: Asked,
    result: Verification | None = None,
    status: int = 200,
) -> Response:
    auditing, reader = auditing_of(request), reader_of(request)
    month = months.named(asked.month)
    return page(
        request,
        "verify.html.j2",
        status=status,
        months=known,
        asked=asked,
        result=result,
        fingerprints=auditing.statements.fingerprints(),
        ledger=auditing.statements.ledger(),
        bundle=bundling.file_name(reader.home, Scope("month", month.first, month.until)) if month else "",
        bundle_address=_absolute(request, address(request, "bundle", month=asked.month)) if month else "",
        link=opened_link(request, principal),
    )


def _absolute(request: Request, path: str) -> str:
    """An address of this server as a command line needs it."""
    public = reader_of(request).settings.serve.public_url
    base = public.removesuffix(reader_of(request).settings.serve.prefix) if public else str(request.base_url).rstrip("/")
    return f"{base.rstrip('/')}{path}"
