"""The OpenAPI document: what FastAPI finds out by itself, made whole.

Added are how to authorise, the problem that every route may answer (RFC 9457), and headers; taken out is what FastAPI
assumes of its own errors. What does not belong here: parameters (``asked``) and shapes (``shapes``).
"""

from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from audit_pipelines.serve import problems

Responses = dict[int | str, dict[str, Any]]
_ABOUT: Final = """\
The audit log of one organisation: events, their records and proofs, findings, reports, and the signed log itself.

Send `Authorization: Bearer apt_...`; `audit-pipelines tokens new` makes tokens. Times are UTC. Every error is a problem
of RFC 9457 whose `detail` says what is wrong. A parameter that a route does not know is an error. Members that you do
not know are to be ignored. docs/api.md tells it as a story."""
_STRING: Final = {"type": "string"}
_HEADERS: Final[dict[str, Any]] = {
    "X-Request-Id": {"description": "Names this request in the access log.", "schema": _STRING},
    "RateLimit-Policy": {"description": "Requests a minute (draft-ietf-httpapi-ratelimit-headers).", "schema": _STRING},
    "RateLimit": {"description": "Requests left, and seconds until all are there again.", "schema": _STRING},
}
_ETAG: Final = {"ETag": {"description": "Send it as `If-None-Match`: 304 while nothing has changed.", "schema": _STRING}}


def router() -> APIRouter:
    """A router whose operations are called as its routes are, so that generated clients get plain names."""
    return APIRouter(generate_unique_id_function=lambda route: route.name)


def kept(model: type[BaseModel]) -> Responses:
    """For a route that answers ``model`` with an ETag."""
    return {200: {"model": model, "description": "What was asked for.", "headers": _ETAG}, 304: {"description": "Unchanged."}}


def text(media_type: str, description: str, headers: dict[str, Any] | None = None) -> Responses:
    """For a route that answers something else than JSON."""
    schema = {"type": "string"} if media_type.startswith("text/") else {"type": "string", "format": "binary"}
    return {200: {"description": description, "content": {media_type: {"schema": schema}}, "headers": headers or {}}}


def kept_text(media_type: str) -> Responses:
    """For a route that answers text with an ETag."""
    return {**text(media_type, "What was asked for.", _ETAG), 304: {"description": "Unchanged."}}


def describe(app: FastAPI) -> None:
    """Let ``app`` answer with the whole document; made once, when it is first asked for."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _whole(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the way FastAPI names for this


def _whole(app: FastAPI) -> dict[str, Any]:
    made = get_openapi(title="Audit log", version=app.version, description=_ABOUT, routes=app.routes)
    components = made.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = problems.SCHEMA
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    bearer = {"type": "http", "scheme": "bearer", "description": "A token; the browser's session does, too."}
    components["securitySchemes"] = {"token": bearer}
    for path, operations in made["paths"].items():
        for operation in operations.values():
            responses = operation["responses"]
            responses.pop("422", None)
            for response in responses.values():
                response["headers"] = {**_HEADERS, **response.get("headers", {})}
            responses.update(problems.RESPONSES)
            operation["security"] = [{"token": []}, {}] if path.startswith("/log/") else [{"token": []}]
    return made
