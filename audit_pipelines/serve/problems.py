"""Answers to what went wrong: ``application/problem+json`` (RFC 9457) for programs, a page for people.

What does not belong here: deciding what is wrong.
"""

import logging
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from audit_pipelines.errors import AuditError, QueryError
from audit_pipelines.serve import pages
from audit_pipelines.serve.access import WithheldError, path_of, request_id
from audit_pipelines.serve.engine import FilesChanged

LOGGER = logging.getLogger(__name__)
MEDIA_TYPE: Final = "application/problem+json"
RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    "4XX": {
        "description": "The request cannot be answered; `detail` says why.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    },
    "5XX": {
        "description": "The server cannot answer.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    },
}
"""For the OpenAPI document: what every route may answer instead."""
SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": {"type": "string", "const": "about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
    },
}
"""``#/components/schemas/Problem``."""


def for_program(request: Request) -> bool:
    """Whether the answer is read by a program: the API, the log's files, and whoever sends a bearer token."""
    return path_of(request.scope).startswith(("/v1/", "/log/")) or "authorization" in request.headers


def answer(request: Request, status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    """The problem or the page that says what is wrong."""
    title = HTTPStatus(status).phrase
    if for_program(request):
        body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "request_id": request_id(request)}
        return JSONResponse(body, status, headers, MEDIA_TYPE)
    if status == 401 and request.method == "GET" and request.headers.get("sec-fetch-mode", "navigate") == "navigate":
        asked = path_of(request.scope) + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"{pages.address(request, 'sign_in')}?next={quote(asked, safe='/')}", 303, headers)
    response = pages.page(
        request, "error.html.j2", status=status, title=title, detail=detail, code=status, request_id=request_id(request)
    )
    response.headers.update(headers or {})
    return response


async def on_http(request: Request, error: Exception) -> Response:
    """Starlette's and FastAPI's own errors, and those that routes raise."""
    assert isinstance(error, HTTPException)
    standard = error.detail == HTTPStatus(error.status_code).phrase
    detail = _PLAIN.get(error.status_code, error.detail) if standard else error.detail
    return answer(request, error.status_code, detail, dict(error.headers or {}))


_PLAIN: Final = {
    404: "There is nothing at this address, or nothing that you may see.",
    405: "This address does not take that method.",
}


async def on_invalid(request: Request, error: Exception) -> Response:
    """A parameter that is missing, unknown or not what it should be."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
    return answer(request, 400, f"{name}: {first['msg']}")


async def on_bad_parameter(request: Request, error: Exception) -> Response:
    """A parameter that a route reads by itself."""
    return answer(request, 400, str(error))


async def on_unready(request: Request, error: Exception) -> Response:
    """A query that took too long or too much, or a file that a removal took meanwhile: not now, perhaps soon."""
    if isinstance(error, FilesChanged):
        return answer(request, 503, "The log has just changed; ask once more.", {"Retry-After": "1"})
    return answer(request, 503, f"The query {error}: narrow it, or ask again later.", {"Retry-After": "5"})


async def on_known(request: Request, error: Exception) -> Response:
    """Errors of the program's family: what was asked wrongly is the asker's, the rest is ours and logged."""
    assert isinstance(error, AuditError)
    if isinstance(error, QueryError):
        return answer(request, 400, str(error))
    LOGGER.error("%s: %s", request_id(request), error)
    return answer(request, 503, "Something here must be put right by the operator; the server's log says what.")


class Faults:
    """ASGI middleware: an error nobody expected becomes a 500 that says nothing about the inside, and is logged."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        except WithheldError:
            raise
        except Exception:
            request = Request(scope, receive)
            LOGGER.exception("%s failed", request_id(request))
            if started:
                raise
            await _unexpected(request)(scope, receive, send)


def _unexpected(request: Request) -> Response:
    """The answer to an error that nobody expected, even if it was in the page that says so."""
    try:
        return answer(request, 500, "An error that nobody expected; the server's log has it.")
    except Exception:
        LOGGER.exception("%s: the error page failed, too", request_id(request))
        return PlainTextResponse(f"Internal Server Error, request {request_id(request)}\n", 500)
