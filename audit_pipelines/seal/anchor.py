"""Anchors: a time-stamp token and a witness's cosignature on the last statements checkpoint of a run.

Both are kept beside the log, ``anchors/<size>.tsr`` and ``anchors/<size>.cosig``, and neither stops a night:
what is missing is remembered in ``state/anchors.json``, tried again by the next run and shown by ``status``.
What does not belong here: the protocols (``timestamp``, ``witness``).
"""

import logging
from typing import Final

import msgspec

from audit_pipelines import settings as settings_module
from audit_pipelines.durable import write_atomically
from audit_pipelines.errors import AuditError
from audit_pipelines.home import Home
from audit_pipelines.seal import proofs, timestamp, witness
from audit_pipelines.seal.log import read_checkpoint
from audit_pipelines.seal.sealed import SealedLog, anchors
from audit_pipelines.seal.tiles import Tiles, write_once
from audit_pipelines.settings import Seal

log = logging.getLogger(__name__)
_AT_ONCE: Final = 31
"""Missing tokens that one run asks for at most."""


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """``state/anchors.json``: statements checkpoints, by size, that have no token or cosignature yet."""

    tokens: tuple[int, ...] = ()
    cosignature: int | None = None
    reason: str = ""
    """Why the last attempt failed."""


def missing(home: Home) -> Missing:
    """What is still to be got; a lost file forgets only what to try again."""
    try:
        return msgspec.json.decode((home.state / "anchors.json").read_bytes(), type=Missing)
    except (OSError, msgspec.MsgspecError, ValueError):
        return Missing()


def anchor(found: SealedLog, seal: Seal) -> Missing:
    """Get what the settings ask for on the newest statements checkpoint, and what earlier runs did not get."""
    before = missing(found.home)
    size = found.statements.head().size
    tokens, why_token = _tokens(found, seal, before, size) if seal.timestamp_url else ((), "")
    cosignature, why_witness = _cosignature(found, seal, size) if seal.witness_url else (None, "")
    now = Missing(tokens=tokens, cosignature=cosignature, reason="; ".join(filter(None, (why_token, why_witness))))
    if now != before:
        write_atomically(found.home.state / "anchors.json", msgspec.json.encode(now) + b"\n", staging=found.home.staging)
    if now.reason:
        log.warning("not anchored: %s", now.reason)
    return now


def _tokens(found: SealedLog, seal: Seal, before: Missing, size: int) -> tuple[tuple[int, ...], str]:
    """The newest first: it vouches for all that came before."""
    folder = anchors(found.home)
    due = [at for at in sorted({*before.tokens, size}, reverse=True) if not (folder / f"{at}.tsr").is_file()]
    wait = settings_module.seconds(seal.timeout, key="seal.timeout")
    certificate = found.home.root / seal.timestamp_certificate if seal.timestamp_certificate else None
    for done, at in enumerate(due[:_AT_ONCE]):
        try:
            data = read_checkpoint(found.statements.folder, at)
            token = timestamp.fetch(seal.timestamp_url, data, timeout=wait, certificate=certificate)
        except AuditError as error:
            return tuple(sorted(due[done:])), str(error)
        write_once({folder / f"{at}.tsr": token})
    return tuple(sorted(due[_AT_ONCE:])), ""


def _cosignature(found: SealedLog, seal: Seal, size: int) -> tuple[int | None, str]:
    folder = anchors(found.home)
    if (folder / f"{size}.cosig").is_file():
        return None, ""
    held = max((int(path.stem) for path in folder.glob("*.cosig") if path.stem.isdecimal()), default=0)
    try:
        lines = _cosigned(found, seal, held, size)
    except AuditError as error:
        return size, str(error)
    write_once({folder / f"{size}.cosig": lines})
    return None, ""


def _cosigned(found: SealedLog, seal: Seal, held: int, size: int) -> bytes:
    """Ask with a proof from what we think the witness holds, and once more from what it says it holds."""
    try:
        return _ask(found, seal, held, size)
    except witness.SizeConflict as conflict:
        if conflict.size > size:
            raise
        return _ask(found, seal, conflict.size, size)


def _ask(found: SealedLog, seal: Seal, old: int, size: int) -> bytes:
    return witness.cosign(
        seal.witness_url,
        old_size=old,
        proof=proofs.consistency(Tiles(found.statements.folder), old, size),
        checkpoint=read_checkpoint(found.statements.folder, size),
        vkey=seal.witness_key,
        timeout=settings_module.seconds(seal.timeout, key="seal.timeout"),
    )
