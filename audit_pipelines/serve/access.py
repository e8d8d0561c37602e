"""Reading the log is logged: each marked request becomes a record, durable before its answer begins.

A route's guard marks the request (``mark``); routes add what was read (``touched``) and may sharpen the action. The
middleware appends the record when the answer starts, so that a streamed answer is recorded before its first byte. If
the record cannot be made durable, the answer is 503 and nothing is served. Not recorded: requests without any
credentials, those over a rate limit (they read nothing), and anonymous reads that ``public_log`` opens. Secrets never
get in: what looks like a token is cut, paths of links and queries of sign-ins are left out, bodies are not looked at.
What does not belong here: the file (``journal``).
"""

import logging
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

import msgspec
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from audit_pipelines.serve.gate import gate_of
from audit_pipelines.serve.principal import Principal
from audit_pipelines.serve.tokens import SECRET

LOGGER = logging.getLogger(__name__)
_LONGEST = 2048
_SILENT_QUERY = ("/sign-in", "/l/")
"""Paths whose query may hold what lets somebody in (an authorization code)."""
ACTIONS: Final = frozenset(
    {
        "audit_log.viewed",
        "audit_log.searched",
        "audit_log.event_viewed",
        "audit_log.record_viewed",
        "audit_log.proof_viewed",
        "audit_log.exported",
        "report.listed",
        "report.viewed",
        "report.downloaded",
        "bundle.downloaded",
        "log.verified",
        "log.checkpoint_read",
        "log.tile_read",
        "finding.viewed",
        "drop.listed",
        "operator.viewed",
        "link.opened",
        "authentication.login",
        "authentication.logout",
        "access.denied",
    }
)
"""Every action there is: the source ``audit-pipelines`` maps these."""
TargetType = Literal["event", "report", "bundle", "drop", "finding", "link", "audit_log"]


class WithheldError(Exception):
    """The record of an answer could not be made durable: the answer stops here."""


@dataclass(slots=True)
class Mark:
    """What the record of one request will say beyond the request itself."""

    action: str
    principal: Principal | None = None
    targets: list[dict[str, str | None]] = field(default_factory=list)
    failed: bool = False
    """Whether it is a failure whatever the status says (a redirect to the sign-in page)."""


def mark(connection: HTTPConnection, action: str, principal: Principal | None = None, *, failed: bool = False) -> None:
    """Have this request recorded as ``action``; a later mark replaces the action and keeps the targets."""
    assert action in ACTIONS, action
    there: Mark | None = getattr(connection.state, "mark", None)
    targets = there.targets if there else []
    known = principal or (there.principal if there else None)
    connection.state.mark = Mark(action, known, targets, failed)


def unmark(connection: HTTPConnection) -> None:
    """Have this request not recorded."""
    connection.state.mark = None


def sharpen(request: Request, action: str) -> None:
    """Say more exactly what a marked request does, e.g. that a view without any filter was no search."""
    assert action in ACTIONS, action
    if (there := getattr(request.state, "mark", None)) is not None:
        there.action = action


def touched(request: Request, kind: TargetType, id_: str, name: str | None = None) -> None:
    """Add what this request reads to its record."""
    if (there := getattr(request.state, "mark", None)) is not None:
        there.targets.append({"type": kind, "id": _safe(id_), "name": _safe(name) if name else None})


def request_id(connection: HTTPConnection) -> str:
    """The id of this request, as in its record and on error pages."""
    if not hasattr(connection.state, "request_id"):
        connection.state.request_id = f"req_{secrets.token_hex(16)}"
    return str(connection.state.request_id)


def record(connection: HTTPConnection, made: Mark, status: int, now: datetime) -> dict[str, Any]:
    """The record of one request, in the shape that the dialect ``audit-pipelines`` reads."""
    route_path = path_of(connection.scope)
    silent = route_path.startswith(_SILENT_QUERY)
    who = made.principal
    return {
        "id": f"acc_{secrets.token_hex(16)}",
        "time": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "action": made.action,
        "outcome": "failure" if made.failed or status >= 400 else "success",
        "status": status,
        "actor": _actor(who),
        "context": {
            "ip": connection.client.host if connection.client else None,
            "user_agent": _safe(connection.headers.get("user-agent", "")) or None,
            "session_id": who.session if who else None,
            "api_key_id": who.id if who and who.kind in ("token", "link") else None,
            "request_id": request_id(connection),
        },
        "request": {
            "method": connection.scope["method"],
            "path": "/l/" if route_path.startswith("/l/") else _safe(route_path),
            "query": "" if silent else _safe(connection.scope["query_string"].decode("latin-1")),
        },
        "targets": made.targets,
    }


def path_of(scope: Mapping[str, Any]) -> str:
    """The path within the application, without a proxy's prefix."""
    path, prefix = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(prefix) if prefix and path.startswith(f"{prefix}/") else path


def _actor(who: Principal | None) -> dict[str, str | None]:
    if who is None or who.kind == "public":
        return {"type": "unknown", "id": None, "name": None, "email": None}
    return {"type": "user" if who.session else "service", "id": who.id, "name": who.name, "email": who.email}


def _safe(text: str) -> str:
    """``text`` without secrets, and not longer than a record can bear."""
    return re.sub(SECRET, r"ap\1_\2_...", text)[:_LONGEST]


class AccessLog:
    """ASGI middleware: the record first, then the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        withheld = False

        async def send_recorded(message: Message) -> None:
            nonlocal withheld
            if message["type"] == "http.response.start" and not await _recorded(connection, message["status"]):
                withheld = True
            if withheld:
                raise WithheldError
            await send(message)

        try:
            await self._app(scope, receive, send_recorded)
        except Exception:
            if not withheld:
                raise
        if withheld:
            from audit_pipelines.serve.problems import answer

            response = answer(Request(scope, receive), 503, "The access log cannot be written, so nothing is shown.")
            await response(scope, receive, send)


async def _recorded(connection: HTTPConnection, status: int) -> bool:
    """Whether the record of this request is durable, or none is due."""
    made: Mark | None = getattr(connection.state, "mark", None)
    if made is None or status == 429:
        return True
    gate = gate_of(connection)
    line = record(connection, made, status, gate.now())
    try:
        await gate.journal.append(line["time"][:10], msgspec.json.encode(line))
    except OSError as error:
        LOGGER.error("the access log cannot be written, so the answer is withheld: %s", error)
        return False
    return True
