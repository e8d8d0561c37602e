"""What others hold, as far as a copy lies here: tokens, cosignatures, and the signer's own memory.

What does not belong here: asking anyone (``timestamp.fetch``, ``witness.cosign``).
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from audit_pipelines.errors import AuditError, EvidenceError, SealError
from audit_pipelines.home import Home
from audit_pipelines.seal import statements as st
from audit_pipelines.seal.ledger import Ledger
from audit_pipelines.seal.verify.check import Check, Fault, counted
from audit_pipelines.seal.verify.heads import Heads
from audit_pipelines.seal.verify.told import Told
from audit_pipelines.settings import Settings

_SLACK: Final = timedelta(days=1)
"""How far the clock that extracts may be from the one that stamps; the night itself takes some of it."""
Times = Mapping[int, tuple[str, datetime]]
"""By size of the statements log: SHA-256 of the token, and its time."""


def check_anchors(home: Home, settings: Settings, told: Sequence[Told]) -> Check:
    """Tokens and cosignatures over the checkpoints they lie beside, and the times they bound.

    Args:
        home: the home.
        settings: with the authority's roots and the witness's key, if there are.
        told: statements logs, the present one first; the others' tokens are still named by it.
    """
    faults: list[Fault] = []
    notes: list[str] = []
    roots = home.root / settings.seal.timestamp_certificate if settings.seal.timestamp_certificate else None
    times: list[Times | None] = []
    tokens = cosignatures = 0
    for log in told:
        found = _by_size(log.anchors, ".tsr")
        times.append(_tokens(home, found, log.heads, roots, faults, notes))
        tokens += len(found)
        signed = _by_size(log.anchors, ".cosig")
        faults += _cosignatures(home, signed, log.heads, settings.seal.witness_key, notes)
        cosignatures += len(signed)
    read = [some for some in times if some is not None]
    if times[0] is not None:
        by_digest = dict(pair for some in read for pair in some.values())
        faults += _sandwich(told[0].ledger, times[0], by_digest, damaged=len(by_digest) < tokens)
    if tokens and roots is None:
        notes.append("signatures of tokens: seal.timestamp_certificate names no roots; openssl ts -verify checks them")
    if not tokens and not cosignatures:
        notes.append("no token and no cosignature: nothing here bounds the time of the log from outside")
    text = f"{counted(tokens, 'token')}, {counted(cosignatures, 'cosignature')}"
    return Check("anchors", text, tuple(faults), tuple(dict.fromkeys(notes)))


def _by_size(folder: Path, suffix: str) -> dict[int, Path]:
    found = {int(path.stem): path for path in folder.glob(f"*{suffix}") if path.stem.isdecimal()}
    return dict(sorted(found.items()))


def _tokens(
    home: Home, tokens: Mapping[int, Path], statements: Heads, roots: Path | None, faults: list[Fault], notes: list[str]
) -> Times | None:
    from audit_pipelines.seal import timestamp

    found = {}
    for size, path in tokens.items():
        file, head = home.relative(path), statements.sizes.get(size)
        try:
            token = path.read_bytes()
            imprint, when = timestamp.imprint(token, where=file)
            if head is None:
                raise EvidenceError(f"stamps a checkpoint of {size} statements, which is not here")
            if imprint != hashlib.sha256(head.data).hexdigest():
                raise EvidenceError(f"is not over checkpoints/{size}: its imprint is another")
            if roots is not None:
                timestamp.verify(token, head.data, roots, where=file)
        except SealError as error:
            notes.append(f"{counted(len(tokens), 'token')} not looked at: {error.what} ({error.todo})")
            return None
        except (EvidenceError, OSError) as error:
            faults.append(Fault(error.what if isinstance(error, AuditError) else str(error), file))
            continue
        found[size] = (hashlib.sha256(token).hexdigest(), when)
    if tokens and roots is None:
        notes.append("signatures of tokens: seal.timestamp_certificate names no roots; openssl ts -verify checks them")
    return found


def _sandwich(ledger: Ledger, times: Times, by_digest: Mapping[str, datetime], *, damaged: bool) -> list[Fault]:
    """Each batch lies between the token it names and the tokens over it."""
    faults = []
    for seq, (index, item) in sorted(ledger.batches().items()):
        before = by_digest.get(item.previous_token_sha256) if item.previous_token_sha256 else None
        if item.previous_token_sha256 and before is None and not damaged:
            faults.append(Fault(f"the token that statement {index} (batch {seq}) names is gone", "log/anchors"))
        after = min((when for size, (_, when) in times.items() if size > index), default=None)
        text = _time_fault(item, before, after)
        if text:
            faults.append(Fault(f"statement {index} (batch {seq}): {text}"))
    return faults


def _time_fault(item: st.Batch, before: datetime | None, after: datetime | None) -> str:
    if before is not None and after is not None and after < before:
        return f"names a token of {before.isoformat()}, and was itself stamped before that, on {after.isoformat()}"
    if before is not None and item.extracted_at < before - _SLACK:
        return f"says it was extracted on {item.extracted_at.isoformat()}, and names a token of {before.isoformat()}: backdated"
    if after is not None and item.extracted_at > after + _SLACK:
        return f"says it was extracted on {item.extracted_at.isoformat()}, and was stamped on {after.isoformat()}: postdated"
    return ""


def _cosignatures(home: Home, found: Mapping[int, Path], statements: Heads, vkey: str, notes: list[str]) -> list[Fault]:
    if not found:
        return []
    if not vkey:
        notes.append("cosignatures: seal.witness_key names no key")
        return []
    from audit_pipelines.seal import witness

    faults = []
    for size, path in found.items():
        file, head = home.relative(path), statements.sizes.get(size)
        try:
            if head is None:
                raise EvidenceError(f"signs a checkpoint of {size} statements, which is not here")
            witness.verify(path.read_bytes(), checkpoint=head.data, key=witness.parse_cosignature_vkey(vkey), where=file)
        except (AuditError, OSError) as error:
            faults.append(Fault(error.what if isinstance(error, AuditError) else str(error), file))
    return faults
