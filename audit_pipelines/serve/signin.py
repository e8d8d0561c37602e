"""Signing in and out: with a token, with a link; OIDC has its own module.

What does not belong here: what a session is (``sessions``).
"""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from audit_pipelines.serve import access, pages, sessions
from audit_pipelines.serve.gate import gate_of
from audit_pipelines.serve.principal import Principal
from audit_pipelines.serve.security import posted, refused
from audit_pipelines.serve.tokens import Grant

router = APIRouter(include_in_schema=False)
START = "/audit-logs"
_Posted = Annotated[FormData, Depends(posted)]


def own_path(text: str) -> str:
    """``text`` if it is a path of this application, else the start page: a sign-in never sends anybody elsewhere."""
    own = text.startswith("/") and not text.startswith("//") and "\\" not in text and text.isprintable()
    return text if own else START


def start_of(principal: Principal) -> str:
    """The first page for somebody: auditors have no viewer."""
    if principal.restriction is not None and principal.restriction.report is not None:
        return f"/reports/{principal.restriction.report}"
    return START if principal.may("read") else "/reports"


@router.get("/sign-in", name="sign_in")
async def sign_in(request: Request, next: str = "") -> Response:  # noqa: A002 - the query parameter's name
    """The page with the field for a token."""
    return _page(request, next)


def _page(request: Request, then: str, wrong: str = "", status: int = 200) -> Response:
    oidc = gate_of(request).settings.serve.oidc is not None
    return pages.page(request, "sign_in.html.j2", status=status, next=own_path(then) if then else "", wrong=wrong, oidc=oidc)


@router.post("/sign-in", name="sign_in_token")
async def sign_in_token(request: Request, form: _Posted) -> Response:
    """Open a session with a token."""
    gate = gate_of(request)
    shown = gate.tokens.present(str(form.get("token", "")).strip(), "token")
    then = str(form.get("next", ""))
    if shown.grant is None or not shown.right or not shown.grant.live(gate.now()):
        principal = shown.grant.principal(None) if shown.grant and shown.right else None
        error = refused(request, principal, "This token is unknown, has expired or was revoked.", "authentication.login")
        return _page(request, then, str(error.detail), error.status_code)
    return _open(request, shown.grant, "authentication.login", then)


def _open(request: Request, grant: Grant, action: str, then: str = "") -> Response:
    """Begin the session of a token or link, and go on."""
    session = sessions.begin(request, gate_of(request).now(), kind=grant.kind, of=grant.public_id)
    principal = grant.principal(session)
    access.mark(request, action, principal)
    if grant.kind == "link":
        access.touched(request, "link", grant.public_id, grant.name)
    return RedirectResponse(pages.below(request, own_path(then) if then else start_of(principal)), 303)


@router.post("/sign-out", name="sign_out")
async def sign_out(request: Request, form: _Posted) -> Response:  # noqa: ARG001 - the check is in the dependency
    """End the session."""
    gate = gate_of(request)
    if sessions.signed_in(request):
        principal, _ = sessions.principal_of(request, gate)
        access.mark(request, "authentication.logout", principal)
    sessions.end(request, gate)
    return RedirectResponse(pages.address(request, "sign_in"), 303)


@router.get("/l/{secret}", name="link")
async def link(request: Request, secret: str) -> Response:
    """The page of a link, with a button: what fetches addresses ahead of people must not open anything."""
    return pages.page(request, "link.html.j2", secret=secret)


@router.post("/l/{secret}", name="open_link")
async def open_link(request: Request, secret: str, form: _Posted) -> Response:  # noqa: ARG001 - the check is in the dependency
    """Open the session of a link; it ends with the link."""
    gate = gate_of(request)
    shown = gate.tokens.present(secret, "link")
    if shown.grant is None or not shown.right or not shown.grant.live(gate.now()):
        principal = shown.grant.principal(None) if shown.grant and shown.right else None
        raise refused(request, principal, "This link is unknown, has expired or was revoked. Ask for a new one.", "link.opened")
    return _open(request, shown.grant, "link.opened")
