"""Browser sessions: a signed cookie with ids and times, looked up anew with every request.

The cookie (Starlette's SessionMiddleware, itsdangerous) is signed, not secret: it says which token or link, or which
user of the OIDC provider, signed in and when. What that opens is read from the tokens file or the settings each time,
so that a revocation, an expiry or a changed grant ends or narrows the session at once. The lifetime is absolute. What
does not belong here: how somebody signs in.
"""

import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from starlette.requests import HTTPConnection

from audit_pipelines.serve.principal import Principal
from audit_pipelines.serving import Serve
from audit_pipelines.settings import seconds

if TYPE_CHECKING:
    from audit_pipelines.serve.gate import Gate


class Ended:
    """Sessions that were signed out: their cookie counts no more, even where somebody kept a copy.

    Kept in memory until the session would have ended anyway; after a restart a kept copy counts again until then,
    which revoking its token ends.
    """

    def __init__(self) -> None:
        self._until: dict[str, datetime] = {}

    def add(self, session: str, until: datetime, now: datetime) -> None:
        self._until = {one: end for one, end in self._until.items() if end > now}
        self._until[session] = until

    def __contains__(self, session: str) -> bool:
        return session in self._until


def lifetime(serve: Serve) -> timedelta:
    """How long a session lasts."""
    return timedelta(seconds=seconds(serve.session, key="serve.session"))


def cookie(serve: Serve) -> dict[str, Any]:
    """Arguments of the SessionMiddleware: HttpOnly always; Secure but on plain loopback; a prefixed name where it can be."""
    path = f"{serve.prefix}/" if serve.prefix else "/"
    name = "audit_session"
    if serve.https:  # browsers refuse such names without Secure, and __Host- with another path
        name = f"__Host-{name}" if path == "/" else f"__Secure-{name}"
    return {
        "session_cookie": name,
        "path": path,
        "same_site": "lax",
        "https_only": serve.https,
        "max_age": int(lifetime(serve).total_seconds()),
    }


def begin(connection: HTTPConnection, now: datetime, **identity: object) -> str:
    """Begin a session for ``identity`` (``kind``, ``of`` and more); returns its id. Whatever was there before ends."""
    connection.session.clear()
    session = f"ses_{secrets.token_hex(16)}"
    connection.session.update(id=session, began=int(now.timestamp()), csrf=secrets.token_urlsafe(24), **identity)
    return session


def end(connection: HTTPConnection, gate: "Gate") -> None:
    """End the session of ``connection``, if it has one."""
    if (session := connection.session.get("id")) is not None:
        now = gate.now()
        gate.ended.add(str(session), now + lifetime(gate.settings.serve), now)
    connection.session.clear()


def csrf_token(connection: HTTPConnection) -> str:
    """The value that a form of this browser must carry (hidden field ``csrf``); made when there is none yet."""
    if "csrf" not in connection.session:
        connection.session["csrf"] = secrets.token_urlsafe(24)
    return str(connection.session["csrf"])


def signed_in(connection: HTTPConnection) -> bool:
    """Whether the cookie claims a session; not whether it still counts."""
    return "id" in connection.session


def principal_of(connection: HTTPConnection, gate: "Gate") -> tuple[Principal | None, bool]:
    """Whoever the cookie is of, and whether the session still counts.

    Returns:
        ``(None, False)`` when it names nobody that is known.
    """
    held = connection.session
    session, began, now = str(held["id"]), datetime.fromtimestamp(int(held["began"]), tz=gate.now().tzinfo), gate.now()
    counts = session not in gate.ended and now < began + lifetime(gate.settings.serve)
    if held.get("kind") == "oidc":
        return _of_provider(held, session, gate.settings.serve), counts
    grant = gate.tokens.grant(str(held.get("of", "")))
    if grant is None:
        return None, False
    return grant.principal(session), counts and grant.live(now)


def _of_provider(held: dict[str, Any], session: str, serve: Serve) -> Principal | None:
    """A user of the OIDC provider, with what the rules that fitted at sign-in grant by the settings of today."""
    if serve.oidc is None or held.get("issuer") != serve.oidc.issuer:
        return None
    scopes = {scope for rule in held.get("rules", ()) for scope in serve.oidc.grants.get(rule, ())}
    if not scopes:
        return None
    return Principal("oidc", str(held["of"]), str(held["name"]), held.get("email"), frozenset(scopes), None, session)
