"""The check in front of every route: who asks, may they, how often, and what the access log will say.

A route states all of it in one place::

    principal: Annotated[Principal, Depends(needs("read", action="audit_log.searched"))]

and every route either does or stands in ``OPEN``. What does not belong here: what a principal sees of an answer
(restrictions are applied where the data is read), and the headers of answers (``envelope``).
"""

import hmac
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request

from audit_pipelines.serve import access, sessions
from audit_pipelines.serve.gate import Gate, gate_of
from audit_pipelines.serve.principal import LINKS, PUBLIC, SCOPES, LinkKind, Principal
from audit_pipelines.serve.ratelimit import Allowance, address_key

OPEN: Final = frozenset(
    {
        "root",
        "static",
        "healthz",
        "openapi",
        "sign_in",
        "sign_in_token",
        "sign_in_oidc",
        "sign_in_oidc_callback",
        "sign_out",
        "link",
        "open_link",
    }
)
"""Routes without a principal, by name: they show nothing of the log."""
_MOST_FIELDS = 20


@dataclass(frozen=True, slots=True)
class Needs:
    """The dependency of one route; call ``needs`` to make one."""

    scopes: tuple[str, ...]
    action: str
    links: tuple[LinkKind, ...]
    public: bool

    async def __call__(self, request: Request) -> Principal:
        """Whoever asks, once it is clear that they may.

        Raises:
            HTTPException: 401 without credentials or with ones that do not count, 403 without the scope or by a link
                of another kind, 429 too often, 400 for a query parameter that a route below ``/v1`` does not declare.
        """
        gate = gate_of(request)
        principal = _credentials(request, gate)
        if principal is None:
            if self.public and gate.settings.serve.public_log:
                _limit(request, gate.requests.take(f"address {_address(request)}", gate.now()))
                return PUBLIC
            raise _unauthorized("Sign in, or send a token: Authorization: Bearer apt_...")
        request.state.principal = principal
        access.mark(request, self.action, principal)
        _limit(request, gate.requests.take(f"{principal.kind} {principal.id}", gate.now()))
        if not any(principal.may(scope) for scope in self.scopes):
            access.mark(request, "access.denied", principal, failed=True)
            raise HTTPException(403, f"This needs the scope {' or '.join(self.scopes)}.")
        if principal.restriction is not None and principal.restriction.kind not in self.links:
            access.mark(request, "access.denied", principal, failed=True)
            raise HTTPException(403, "A link of this kind does not open this.")
        if access.path_of(request.scope).startswith("/v1/"):
            _only_declared(request)
        return principal


def needs(*scopes: str, action: str, links: Collection[LinkKind] = LINKS, public: bool = False) -> Needs:
    """The dependency of a route that shows something of the log.

    Args:
        scopes: any one of these opens it (``admin`` always does).
        action: what the access log calls it, of ``access.ACTIONS``.
        links: kinds of links that may come here; ``()`` = none, because a restriction could not be kept.
        public: whether ``serve.public_log`` opens it to everyone; such reads are not recorded.
    """
    assert set(scopes) <= SCOPES.keys(), scopes
    assert action in access.ACTIONS, action
    return Needs(scopes, action, tuple(links), public)


def _credentials(request: Request, gate: Gate) -> Principal | None:
    """Whoever the bearer token or else the session is of; ``None`` without either.

    Raises:
        HTTPException: there are some, and they do not count.
    """
    header = request.headers.get("authorization")
    if header is not None:
        scheme, _, text = header.partition(" ")
        shown = gate.tokens.present(text.strip(), "token") if scheme.lower() == "bearer" else None
        if shown is None or shown.grant is None or not shown.right:
            raise refused(request, None, "This is no token of this log.")
        principal = shown.grant.principal(None)
        if not shown.grant.live(gate.now()):
            raise refused(request, principal, "This token has expired or was revoked.")
        return principal
    if not sessions.signed_in(request):
        return None
    known, counts = sessions.principal_of(request, gate)
    if known is None or not counts:
        request.session.clear()
        raise refused(request, known, "Your session is over: sign in again.")
    return known


def refused(request: Request, principal: Principal | None, detail: str, action: str = "access.denied") -> HTTPException:
    """The error for credentials that do not count: recorded, and only so many a minute and address."""
    gate = gate_of(request)
    allowance = gate.failures.take(_address(request), gate.now())
    if not allowance.allowed:
        access.unmark(request)
        return HTTPException(429, "Too many wrong credentials from this address.", allowance.headers())
    access.mark(request, action, principal, failed=True)
    return _unauthorized(detail)


def _unauthorized(detail: str) -> HTTPException:
    return HTTPException(401, detail, {"WWW-Authenticate": "Bearer"})


def _limit(request: Request, allowance: Allowance) -> None:
    request.state.allowance = allowance
    if not allowance.allowed:
        raise HTTPException(429, f"At most {allowance.limit} requests a minute; try again in {allowance.wait} s.")


def _address(request: Request) -> str:
    return address_key(request.client.host if request.client else "")


async def posted(request: Request) -> FormData:
    """The form of a POST, once it is clear that a page of ours sent it for this browser.

    Raises:
        HTTPException: 403, the hidden field ``csrf`` is not this session's.
    """
    form = await request.form(max_files=0, max_fields=_MOST_FIELDS)
    given, held = form.get("csrf"), request.session.get("csrf")
    if not isinstance(given, str) or not held or not hmac.compare_digest(given.encode(), str(held).encode()):
        raise HTTPException(403, "This form is out of date: go back, load the page again and repeat it.")
    return form


def _only_declared(request: Request) -> None:
    """Refuse query parameters that a route of the API does not know: a typing slip must not widen what is asked for."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return
    known = {field.alias for field in get_flat_params(route.dependant)} - request.path_params.keys()
    for name in request.query_params:
        if name not in known:
            raise HTTPException(400, f"{name}: unknown parameter; this address knows {', '.join(sorted(known)) or 'none'}.")
