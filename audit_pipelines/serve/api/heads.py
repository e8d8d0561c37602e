"""``GET /v1/checkpoint``: the newest signed heads of both logs, and the keys that they are checked with.

Links may read it: the size of the log stands in every proof anyway. What does not belong here: tiles (``tiles``).
"""

import base64
from typing import Annotated, Any, Final

import msgspec
from fastapi import Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from audit_pipelines.seal import keys
from audit_pipelines.seal.ledger import Ledger
from audit_pipelines.seal.log import read_checkpoint
from audit_pipelines.seal.standalone import Key, open_checkpoint
from audit_pipelines.serve.api import document
from audit_pipelines.serve.api.answers import whole
from audit_pipelines.serve.api.shapes import Heads
from audit_pipelines.serve.auditing import auditing_of
from audit_pipelines.serve.principal import Principal
from audit_pipelines.serve.reader import Reader, reader_of
from audit_pipelines.serve.security import needs

router = document.router()
_Reading = Annotated[Principal, Depends(needs("read", "auditor", action="log.checkpoint_read"))]
LOGS: Final = ("events", "statements")


@router.get("/v1/checkpoint", name="api_checkpoint", summary="The signed heads of the log", responses=document.kept(Heads))
def checkpoint(request: Request, _: _Reading) -> Response:
    """The newest checkpoint of the log of events and of the log of statements, and every key that ever signed."""
    known = auditing_of(request).statements.ledger()
    if known is None:
        raise HTTPException(404, "Nothing is sealed here yet.")
    reader = reader_of(request)
    body = {name: _head(reader, name) for name in LOGS} | {"keys": _keys(known)}
    return whole(request, msgspec.json.encode(body))


def _head(reader: Reader, log: str) -> dict[str, Any]:
    text = read_checkpoint(reader.home.log / log)
    head = open_checkpoint(text, [], log)
    root = base64.b64encode(head.root).decode()
    return {"origin": head.origin, "size": head.size, "root": root, "checkpoint": text.decode()}


def _keys(known: Ledger) -> list[dict[str, Any]]:
    """Every key, oldest first."""
    origin, signing = known.genesis.origin, known.signing_keys()
    found = []
    for text in known.all_keys():
        public = keys.public_of(text, "the log of statements")
        vkeys = {name: Key(f"{origin}/{name}", public).vkey for name in LOGS}
        found.append({"fingerprint": keys.fingerprint(public), "signs": text in signing, "vkeys": vkeys})
    return found
