"""The application: middleware, handlers of errors, and the routers, put together.

What does not belong here: a route of its own but the sign of life.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import PlainTextResponse
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from audit_pipelines import __version__
from audit_pipelines.errors import AuditError
from audit_pipelines.home import Home
from audit_pipelines.serve import problems, sessions, signin
from audit_pipelines.serve.access import AccessLog
from audit_pipelines.serve.api import document, routes
from audit_pipelines.serve.auditing import Auditing
from audit_pipelines.serve.engine import FilesChanged, QueryTimeout
from audit_pipelines.serve.envelope import Doorstep, Envelope
from audit_pipelines.serve.filters import BadParameter
from audit_pipelines.serve.gate import Gate, open_gate
from audit_pipelines.serve.reader import Reader
from audit_pipelines.serve.web import event, export, findings, operator, reports, static, verification, viewer
from audit_pipelines.settings import Settings

LARGEST_BODY = 64 * 1024
"""Bytes of a request's body: forms are all that is ever sent here."""
life = APIRouter(include_in_schema=False)


@life.api_route("/healthz", methods=["GET", "HEAD"], name="healthz")
async def healthz() -> PlainTextResponse:
    """Whether the process answers; says nothing about the home."""
    return PlainTextResponse("ok\n")


def routers() -> tuple[APIRouter, ...]:
    """Every router there is, in the order in which addresses are matched."""
    auditors = (reports.router, verification.router, findings.router, operator.router)
    events = (viewer.router, export.router, event.router)
    return (life, signin.router, static.router, *events, *auditors, *routes.ROUTERS)


def build(home: Home, *, now: Callable[[], datetime], settings: Settings | None = None) -> FastAPI:
    """The application over ``home``; ``now`` gives the time in UTC.

    Raises:
        SettingsError: the settings are not as they must be, or the OIDC client's secret is not set.
        HomeError: the tokens file is damaged.
    """
    settings = settings or home.settings()
    gate = open_gate(home, settings, now)
    app = FastAPI(
        title="audit-pipelines",
        version=__version__,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=_middleware(gate),
        exception_handlers=_HANDLERS,
        lifespan=_lifespan,
    )
    app.state.gate, app.state.reader, app.state.auditing = gate, Reader.open(home, settings, now), Auditing.of(home)
    for router in routers():
        app.include_router(router)
    if settings.serve.oidc is not None:
        from audit_pipelines.serve import oidc  # Authlib is loaded only where it is used

        app.state.oidc = oidc.client(settings.serve.oidc)
        app.include_router(oidc.router)
    document.describe(app)
    return app


_HANDLERS: dict[int | type[Exception], Any] = {
    HTTPException: problems.on_http,
    RequestValidationError: problems.on_invalid,
    BadParameter: problems.on_bad_parameter,
    QueryTimeout: problems.on_unready,
    FilesChanged: problems.on_unready,
    AuditError: problems.on_known,
}


def _middleware(gate: Gate) -> list[Middleware]:
    """From the outside in: a request meets the first one first, an answer the last one."""
    serve = gate.settings.serve
    secret = gate.tokens.session_secret()
    proxies = [Middleware(ProxyHeadersMiddleware, trusted_hosts=list(serve.trusted_proxies))] if serve.trusted_proxies else []
    return [
        Middleware(Envelope, serve=serve),
        *proxies,
        Middleware(SessionMiddleware, secret_key=secret, **sessions.cookie(serve)),
        Middleware(Doorstep, serve=serve),
        Middleware(AccessLog),
        Middleware(problems.Faults),
        Middleware(RequestBodyLimitMiddleware, max_body_size=LARGEST_BODY),
    ]


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.reader.close()
    app.state.gate.journal.close()
