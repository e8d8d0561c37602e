"""``/log``: both logs as C2SP tlog-tiles, so that any client of transparency logs can follow them.

Paths and media types are those of c2sp.org/tlog-tiles. A tile's address is read as numbers, and the file's name is made
from the numbers: no text of a request reaches the file system. Only what the newest checkpoint signs is handed out, so
that a tile may be kept for good. What does not belong here: proofs of single events (``event``).
"""

import re
from typing import Annotated, Final, Literal, NoReturn

from fastapi import Depends, Path
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from audit_pipelines.errors import EvidenceError
from audit_pipelines.seal.log import read_checkpoint
from audit_pipelines.seal.tiles import WIDTH, tile_path
from audit_pipelines.serve.api import document
from audit_pipelines.serve.api.answers import whole
from audit_pipelines.serve.event import checkpoint_size
from audit_pipelines.serve.principal import Principal
from audit_pipelines.serve.reader import Reader, reader_of
from audit_pipelines.serve.security import needs

router = document.router()
_CHECKPOINT: Final = needs("read", "auditor", action="log.checkpoint_read", links=(), public=True)
_TILE: Final = needs("read", action="log.tile_read", links=(), public=True)
_NAME: Final = r"([0-9]|[1-5][0-9]|6[0-3]|entries)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?"
_PLAIN: Final = "text/plain; charset=utf-8"
_BYTES: Final = "application/octet-stream"
_LEVEL_BITS: Final = 8
_Log = Annotated[Literal["events", "statements"], Path(description="Which log.")]
_Tile = Annotated[
    str,
    Path(
        description="`<L>/<N>` for 256 hashes of level L, `<L>/<N>.p/<W>` for the first W of them; `entries/<N>` for statements.",
        examples=["0/000.p/6", "1/x001/x234/067", "entries/000"],
        json_schema_extra={"pattern": f"^{_NAME}$"},
    ),
]


@router.get(
    "/log/{log}/checkpoint",
    name="log_checkpoint",
    summary="A log's newest checkpoint",
    responses=document.kept_text("text/plain"),
)
def checkpoint(request: Request, principal: Annotated[Principal, Depends(_CHECKPOINT)], log: _Log) -> Response:  # noqa: ARG001 - the guard
    """The newest signed head (C2SP tlog-checkpoint)."""
    return whole(request, _signed(reader_of(request), log), _PLAIN)


@router.get(
    "/log/{log}/tile/{tile:path}",
    name="log_tile",
    summary="A tile of a log",
    responses=document.text(_BYTES, "Hashes, or entries."),
)
def tile(request: Request, principal: Annotated[Principal, Depends(_TILE)], log: _Log, tile: _Tile) -> Response:
    """A tile of hashes, or a bundle of entries; it never changes.

    Entries are there for statements only. A partial tile may be gone once the full one is there.
    """
    reader = reader_of(request)
    level, number, width = _numbers(tile)
    if level == "entries" and principal.kind == "public":  # `serve.public_log` opens what holds hashes only
        raise HTTPException(401, "Entries need a token.", {"WWW-Authenticate": "Bearer"})
    if level == "entries" and log == "events":
        _nothing()
    leaves = checkpoint_size(_signed(reader, log))
    signed = leaves if level == "entries" else leaves >> (_LEVEL_BITS * int(level))
    if number * WIDTH + width > signed:
        _nothing()
    try:
        content = tile_path(reader.home.log / log, level, number, width).read_bytes()
    except OSError:
        _nothing()
    share = "public" if principal.kind == "public" else "private"
    return Response(content, headers={"Cache-Control": f"{share}, max-age=31536000, immutable"}, media_type=_BYTES)


def _numbers(name: str) -> tuple[int | Literal["entries"], int, int]:
    """Level, number and width of a tile."""
    match = re.fullmatch(_NAME, name)
    groups = match[2].replace("x", "").split("/") if match else []
    if match is None or (len(groups) > 1 and groups[0] == "000") or len(groups) > 5:
        _nothing()
    width = int(match[3] or WIDTH)
    if match[3] and width >= WIDTH:
        _nothing()
    return "entries" if match[1] == "entries" else int(match[1]), int("".join(groups)), width


def _signed(reader: Reader, log: str) -> bytes:
    try:
        return read_checkpoint(reader.home.log / log)
    except EvidenceError:
        _nothing()


def _nothing() -> NoReturn:
    raise HTTPException(404, "The log has no such tile, or not any more: take the full one, of the newest checkpoint.")
