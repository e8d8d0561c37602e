"""``GET /v1/audit-logs/{id}``: one event, its record as it was received, and the proof that the sealed log has it.

What does not belong here: checking the proof; whoever asks does that (docs/api.md).
"""

import re
from typing import Annotated, Any, Final

import msgspec
from fastapi import Depends, Path
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from audit_pipelines.errors import LakeError
from audit_pipelines.lake.erased import ErasedIds
from audit_pipelines.removal import removals
from audit_pipelines.serve.access import touched
from audit_pipelines.serve.api import document
from audit_pipelines.serve.api.answers import whole
from audit_pipelines.serve.api.events import Filters
from audit_pipelines.serve.api.shapes import OneEvent
from audit_pipelines.serve.catalog import Snapshot
from audit_pipelines.serve.event import Whole
from audit_pipelines.serve.filters import Filter
from audit_pipelines.serve.principal import SHOWS_EVENTS, Principal
from audit_pipelines.serve.reader import Reader, reader_of, visible
from audit_pipelines.serve.security import needs

router = document.router()
_Viewing = Annotated[Principal, Depends(needs("read", action="audit_log.event_viewed", links=SHOWS_EVENTS))]
_Id = Annotated[
    str,
    Path(
        alias="id",
        description="The event's `uid` (`source/id`; the slash as it is, or as `%2F`), or the id that its source gave it.",
        examples=["terracotta/evt_01a2054ada6d73d6a5ce8f768a334042"],
    ),
]
_LONGEST: Final = 2_000
_SHOWN: Final = 20
"""Uids that an answer names where an id stands for several events."""


@router.get(
    "/v1/audit-logs/{id:path}",
    name="api_audit_log",
    summary="One event with its proof",
    responses=document.kept(OneEvent),
)
def audit_log(request: Request, principal: _Viewing, identity: _Id) -> Response:
    """One event, the record it was read from, and its proof of inclusion under the newest signed checkpoint."""
    reader, filters = reader_of(request), visible(principal, Filter())
    found, body = reader.ask(lambda log: _answer(reader, log, principal, filters, identity))
    touched(request, "event", str(found.event["uid"]))
    return whole(request, body)


def _answer(reader: Reader, log: Snapshot, principal: Principal, filters: Filters, identity: str) -> tuple[Whole, bytes]:
    leaves = reader.events.leaves(log, filters, identity) if _plausible(identity) else []
    if len(leaves) > 1:
        uids = [str(found.event["uid"]) for leaf in leaves[:_SHOWN] if (found := reader.events.find(log, filters, leaf))]
        raise HTTPException(409, f"{len(leaves)} events have this id; ask for one of them by its uid: {', '.join(uids)}")
    found = reader.events.find(log, filters, leaves[0]) if leaves else None
    line = reader.lines.one(log, filters, leaves[0]) if leaves else None
    if found is None or line is None:
        if principal.restriction is None and _erased(reader, log, identity):
            raise HTTPException(410, "This event was erased; a statement in the log says when, and on which ground.")
        raise HTTPException(404, "There is no event with this id, or none that you may see.")
    return found, _body(found, line, restricted=principal.restriction is not None)


def _plausible(identity: str) -> bool:
    return 0 < len(identity) <= _LONGEST and "\0" not in identity


def _body(found: Whole, line: bytes, *, restricted: bool) -> bytes:
    """The answer. A link is not told which file the record lies in: its name says how many others do."""
    file, proof = found.evidence, found.proof
    body: dict[str, Any] = {
        "event": msgspec.Raw(line),
        "record": found.record.decode(),
        "evidence": None
        if restricted
        else {"batch": found.batch, "path": file.path, "line": found.event["line"], "sha256": file.sha256},
        "proof": None
        if proof is None
        else {
            "leaf_index": proof.leaf,
            "leaf_hash": found.leaf_hash.hex(),
            "salt": found.salt.hex(),
            "log_size": proof.size,
            "checkpoint": proof.checkpoint.decode(),
            "tlog_proof": proof.text(found.salt).decode(),
        },
    }
    return msgspec.json.encode(body)


def _erased(reader: Reader, log: Snapshot, identity: str) -> bool:
    """Whether the event of that uid, or of that id of any source, was erased; only who may see all is told."""
    if not _plausible(identity):
        return False
    try:
        erased = ErasedIds(reader.home, removals(reader.home))
    except LakeError:  # their key is not readable here: then nobody can say
        return False
    bare = re.sub(r"~[0-9]+$", "", identity)
    source, slash, rest = bare.partition("/")
    if slash and erased.refuses(source, [rest]):
        return True
    sources = {file.source for batch in log.batches for file in batch.evidence}
    return any(erased.refuses(name, [bare]) for name in sorted(sources))
