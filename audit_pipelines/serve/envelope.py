"""What goes around every request and answer: response headers, the Host check, where a form may come from.

What does not belong here: who may what (``security``).
"""

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from audit_pipelines.serve.access import path_of, request_id
from audit_pipelines.serve.problems import answer
from audit_pipelines.serve.ratelimit import Allowance
from audit_pipelines.serving import LOCAL_NAMES, Serve

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "accelerometer=(), camera=(), geolocation=(), gyroscope=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""On every answer."""
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Envelope:
    """ASGI middleware: a proxy's path prefix for what is inside, and the headers of every answer, errors included."""

    def __init__(self, app: ASGIApp, *, serve: Serve) -> None:
        self._app, self._https, self._prefix = app, serve.https, serve.prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["root_path"] = self._prefix  # whether the proxy takes it off the path or not
        connection = HTTPConnection(scope)

        async def send_dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers["X-Request-Id"] = request_id(connection)
                if self._https:
                    headers["Strict-Transport-Security"] = "max-age=31536000"
                if not path_of(scope).startswith("/static/"):
                    headers.setdefault("Cache-Control", "no-store")
                allowance: Allowance | None = getattr(connection.state, "allowance", None)
                for name, value in (allowance.headers() if allowance else {}).items():
                    headers[name] = value
            await send(message)

        await self._app(scope, receive, send_dressed)


class Doorstep:
    """ASGI middleware: refuse what is meant for another host, and forms that another site sent.

    A Host header of another name would be a page of another site that its own name server points here (DNS
    rebinding). What changes something (POST) must come from a page of ours: ``Sec-Fetch-Site`` says so in today's
    browsers, ``Origin`` in older ones; the form's hidden field is checked besides (``security.posted``).
    """

    def __init__(self, app: ASGIApp, *, serve: Serve) -> None:
        self._app = app
        public = urlsplit(serve.public_url)
        self._origin = f"{public.scheme}://{public.netloc}" if serve.public_url else ""
        self._names = {*LOCAL_NAMES, serve.host.lower(), public.hostname or serve.host.lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        wrong = None
        if _name(host) not in self._names:
            wrong = (400, "This server does not answer to that name; the setting serve.public_url says which one it has.")
        elif scope["method"] not in _READING and not self._own(headers, f"{scope['scheme']}://{host}"):
            wrong = (403, "Another site sent this form.")
        if wrong is None:
            await self._app(scope, receive, send)
        else:
            await answer(Request(scope, receive), *wrong)(scope, receive, send)

    def _own(self, headers: Headers, here: str) -> bool:
        """Whether a page of ours sent this, as far as the browser says.

        ``Origin`` is ``null`` on our own forms, too, because of our Referrer-Policy (Fetch, section 3.2), so it tells
        nothing then.
        """
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site in ("same-origin", "none")
        return headers.get("origin", "null") in ("null", here, self._origin)


def _name(host: str) -> str:
    """The host name of a Host header, without port and brackets."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""
