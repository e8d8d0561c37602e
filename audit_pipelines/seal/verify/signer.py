"""The signer's own memory against the logs: it never signed more than is here, nor another tree.

The memory lies beside the keys; on a copy of a home without them there is none. What does not belong here:
signatures (``heads``).
"""

import base64
from collections.abc import Sequence
from pathlib import Path

from audit_pipelines.batch import Batch
from audit_pipelines.errors import EvidenceError, SealError
from audit_pipelines.seal import proofs
from audit_pipelines.seal.appending import pending
from audit_pipelines.seal.ledger import Ledger
from audit_pipelines.seal.notary import Memory, Notary
from audit_pipelines.seal.standalone import Edge
from audit_pipelines.seal.verify.check import Check, Fault, counted
from audit_pipelines.seal.verify.heads import Heads
from audit_pipelines.seal.verify.sized import SizedTiles


def check_memory(folder: Path, ledger: Ledger, logs: Sequence[Heads], later: Sequence[Batch]) -> tuple[Check, int]:
    """What the signer remembers of each log; and up to which leaf the events log has its tiles.

    Args:
        folder: the keys' folder.
        ledger: of the home.
        logs: events and statements.
        later: batches that are not sealed yet.
    """
    faults, notes, seen = [], [], 0
    leaves = next(log.size for log in logs if log.name == "events")
    for log in logs:
        origin, file = f"{ledger.genesis.origin}/{log.name}", f"log/{log.name}"
        try:
            memory = Notary(folder, []).memory(origin)
        except SealError as error:
            faults.append(Fault(error.what, error.where))
            continue
        if memory is None:
            notes.append(f"{log.name}: the signer's memory is not here")
            continue
        seen += 1
        if memory.size > log.size and _is_begun(log, memory, later):
            notes.append(
                f"{file}: {memory.size} leaves were signed, {log.size} are sealed: a run was killed; the next one goes on"
            )
            leaves = memory.size if log.name == "events" else leaves
        elif memory.size > log.size:
            faults.append(Fault(f"the log was rolled back: the signer has signed {memory.size} leaves, it has {log.size}", file))
        elif memory.size < log.size:
            faults.append(
                Fault(f"the signer has signed {memory.size} leaves, the log has {log.size}: another one signed them", file)
            )
        elif base64.b64encode(log.roots.get(log.size, b"")).decode() != memory.root:
            faults.append(Fault(f"the signer has signed another root for {log.size} leaves", file))
    return Check("signer", f"its memory of {counted(seen, 'log')}", tuple(faults), tuple(notes)), leaves


def _is_begun(log: Heads, memory: Memory, later: Sequence[Batch]) -> bool:
    """Whether what was signed beyond the checkpoint is all still here: a killed run, and not a log that was cut."""
    try:
        if log.name == "statements":
            begun = pending(log.folder)
            whole = begun is not None and begun[0] == log.size and begun[0] + len(begun[1]) == memory.size
        else:
            whole = any(batch.size == memory.size for batch in later)
        root = Edge.of(memory.size, proofs.edge(SizedTiles(log.folder, memory.size), memory.size)).root() if whole else b""
    except EvidenceError:
        return False
    return base64.b64encode(root).decode() == memory.root
