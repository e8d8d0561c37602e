"""Sign-in by an OpenID Connect provider: authorization code with PKCE and nonce, and what claims grant.

Authlib does the protocol (OpenID Connect Core 1.0, RFC 7636): state, nonce and code verifier wait in the browser's
signed cookie; issuer, audience, signature and times of the id token are checked. ``[serve.oidc] grants`` says which
claims open what. An e-mail address counts only when the provider says that it is verified: otherwise a user of some
providers could claim anybody's. What does not belong here: sessions (``sessions``).
"""

import logging
import os
import re
from collections.abc import Mapping
from typing import Any, Final

import httpx2
from authlib.common.errors import AuthlibBaseError  # type: ignore[import-untyped] # no types shipped
from authlib.integrations.starlette_client import OAuth  # type: ignore[import-untyped] # same
from fastapi import APIRouter
from joserfc.errors import JoseError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from audit_pipelines.errors import SettingsError
from audit_pipelines.serve import access, pages, sessions
from audit_pipelines.serve.gate import gate_of
from audit_pipelines.serve.principal import Principal
from audit_pipelines.serve.security import refused
from audit_pipelines.serve.signin import own_path, start_of
from audit_pipelines.serving import Serve, ServeOidc

LOGGER = logging.getLogger(__name__)
router = APIRouter(include_in_schema=False)
_PATIENCE: Final = 10.0
"""Seconds that the provider has for each answer."""
_THEN = "sign_in_next"
"""In the cookie: where to go after a sign-in."""
_LONGEST_NAME = 200
_FAILURES = (AuthlibBaseError, JoseError, httpx2.HTTPError, RuntimeError, ValueError, KeyError, TypeError)
"""What Authlib raises when a provider cannot be reached, or says something that does not fit."""


def client(oidc: ServeOidc) -> Any:
    """Authlib's client for the provider; its metadata is read with the first sign-in.

    Raises:
        SettingsError: the environment variable with the client's secret is not set.
    """
    secret = os.environ.get(oidc.client_secret_env, "")
    if not secret:
        where, todo = "serve.oidc.client_secret_env", f"set {oidc.client_secret_env} to the secret of the client"
        raise SettingsError(f"{oidc.client_secret_env} is not set", where=where, todo=todo)
    return OAuth().register(
        "oidc",
        client_id=oidc.client_id,
        client_secret=secret,
        server_metadata_url=oidc.issuer.rstrip("/") + "/.well-known/openid-configuration",
        client_kwargs={"scope": oidc.scope, "code_challenge_method": "S256", "timeout": _PATIENCE},
    )


def rules_for(claims: Mapping[str, object], oidc: ServeOidc) -> tuple[str, ...]:
    """The lines of ``grants`` that fit ``claims``; a claim may be a text or a list of texts."""
    return tuple(rule for rule in oidc.grants if _fits(claims, *rule.split("=", 1)))


def _fits(claims: Mapping[str, object], name: str, pattern: str) -> bool:
    held = claims.get(name)
    if name == "email" and claims.get("email_verified") is not True:
        return False
    wanted = re.compile(".*".join(map(re.escape, pattern.split("*"))), re.IGNORECASE if name == "email" else 0)
    values = held if isinstance(held, list) else [held]
    return any(isinstance(value, str) and wanted.fullmatch(value) is not None for value in values)


def _callback(request: Request, serve: Serve) -> str:
    """The redirect URI as the provider knows it: below ``public_url``, or the address that the browser used."""
    path = str(request.app.url_path_for("sign_in_oidc_callback"))
    if serve.public_url:
        return serve.public_url.rstrip("/") + path
    return f"{request.url.scheme}://{request.url.netloc}{path}"


@router.get("/sign-in/oidc", name="sign_in_oidc")
async def start(request: Request, next: str = "") -> Response:  # noqa: A002 - the query parameter's name
    """Send the browser to the provider."""
    serve = gate_of(request).settings.serve
    provider = request.app.state.oidc
    request.session[_THEN] = own_path(next) if next else ""
    try:
        found: Response = await provider.authorize_redirect(request, _callback(request, serve))
    except _FAILURES as error:
        LOGGER.error("the OIDC provider cannot be used: %s", error)
        raise HTTPException(502, "The sign-in provider cannot be reached; try again later, or use a token.") from None
    return found


@router.get("/sign-in/oidc/callback", name="sign_in_oidc_callback")
async def callback(request: Request) -> Response:
    """Take the code that the provider sent the browser back with, and begin a session."""
    gate = gate_of(request)
    provider, then = request.app.state.oidc, str(request.session.get(_THEN, ""))
    oidc = gate.settings.serve.oidc
    assert oidc is not None
    try:
        claims = await _claims(request, provider, oidc)
    except _FAILURES as error:
        LOGGER.warning("a sign-in by OIDC failed: %s: %s", type(error).__name__, error)
        raise refused(request, None, "The sign-in did not work; begin again.", action="authentication.login") from None
    rules = rules_for(claims, oidc)
    email = claims.get("email") if claims.get("email_verified") is True else None
    person = str(claims["sub"])
    name = str(claims.get("name") or email or claims.get("preferred_username") or person)[:_LONGEST_NAME]
    if not rules:
        nobody = Principal("oidc", person, name, email, frozenset(), None, None)
        access.mark(request, "authentication.login", nobody, failed=True)
        raise HTTPException(403, f"You are signed in as {name}, but nothing here is granted to you.")
    sessions.begin(request, gate.now(), kind="oidc", of=person, issuer=oidc.issuer, name=name, email=email, rules=list(rules))
    principal, _ = sessions.principal_of(request, gate)
    assert principal is not None
    access.mark(request, "authentication.login", principal)
    return RedirectResponse(pages.below(request, own_path(then) if then else start_of(principal)), 303)


async def _claims(request: Request, provider: Any, oidc: ServeOidc) -> dict[str, Any]:
    """What the provider says about the user: the id token, and the userinfo endpoint where there is one."""
    metadata = await provider.load_server_metadata()
    if metadata.get("issuer") != oidc.issuer:
        msg = f"the provider calls itself {metadata.get('issuer')!r}"
        raise ValueError(msg)
    options = {
        "iss": {"essential": True, "value": oidc.issuer},
        "aud": {"essential": True, "value": oidc.client_id},
    }
    token = await provider.authorize_access_token(request, claims_options=options)
    claims = dict(token["userinfo"])
    if metadata.get("userinfo_endpoint"):
        more = dict(await provider.userinfo(token=token))
        if more.get("sub") != claims["sub"]:
            msg = "the userinfo is another user's"
            raise ValueError(msg)
        claims = {**more, **claims}
    return claims
