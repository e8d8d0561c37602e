"""How the log stands: what is sealed and what is not yet, who signs, drill, anchors, retention.

What does not belong here: verifying (``verify``), and printing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from audit_pipelines.batch import Batch, evidence_files
from audit_pipelines.defs.attesting import last_drill
from audit_pipelines.defs.trouble import Trouble
from audit_pipelines.errors import AuditError
from audit_pipelines.home import Home
from audit_pipelines.retention import is_past
from audit_pipelines.seal import anchor, keys, sealed
from audit_pipelines.seal.ledger import Ledger


@dataclass(frozen=True, slots=True)
class SealStanding:
    """What ``status`` says of the log."""

    size: int
    """Sealed leaves."""
    statements: int
    unsealed: int
    """Batches that wait."""
    signers: tuple[str, ...]
    """Fingerprints of the keys in force."""
    fault: str
    """Why the log cannot be read; empty = it can."""
    drilled: datetime | None
    drill: str
    """What the last drill altered and what became of it."""
    drill_missed: bool
    tokens_missing: int
    """Checkpoints that were to get a time-stamp token and have none yet."""
    anchor_fault: str
    past: int
    """Events past their retention and not held."""
    holds: tuple[str, ...]
    removals: int

    @property
    def problems(self) -> list[str]:
        """What is wrong; empty = nothing."""
        return [trouble.text for trouble in self.troubles]

    @property
    def troubles(self) -> list[Trouble]:
        """The same, with what to do."""
        found = []
        if self.fault:
            found.append(
                Trouble(f"the log cannot be read: {self.fault}", "restore log/ from a backup: docs/operations.md, Restoring")
            )
        if self.unsealed:
            todo = "see to the signing key, then run: audit-pipelines night"
            found.append(Trouble(f"{self.unsealed} batches are not sealed", todo))
        if self.drill_missed:
            todo = "report this fault of the program, and do not rely on verify until it is mended"
            found.append(Trouble(f"the last drill was not noticed: {self.drill}", todo))
        if self.tokens_missing:
            text = f"{self.tokens_missing} checkpoints without their time-stamp token ({self.anchor_fault})"
            found.append(Trouble(text, "the next night asks again; see whether seal.timestamp_url answers"))
        elif self.anchor_fault:
            text = f"the last checkpoint is not cosigned ({self.anchor_fault})"
            found.append(Trouble(text, "the next night asks again; see whether seal.witness_url answers"))
        return found


def seal_standing(home: Home, batches: Sequence[Batch], now: datetime) -> SealStanding:
    """Look at the log; reads statements and small files only."""
    known, fault = _ledger(home)
    drill, due = last_drill(home), anchor.missing(home)
    sealed_ones = known.batches() if known else {}
    policy = sealed.stated_policy(home.settings())
    past = [
        file
        for file in evidence_files(batches)
        if is_past(file.newest, now, policy.months_for(file.source)) and not (known and known.held(file.source, file.day))
    ]
    return SealStanding(
        size=max((item.events.size for _, item in sealed_ones.values()), default=0),
        statements=len(known.statements) if known else 0,
        unsealed=sum(batch.seq not in sealed_ones for batch in batches),
        signers=tuple(keys.fingerprint(keys.public_of(text, "log")) for text in known.signing_keys()) if known else (),
        fault=fault,
        drilled=drill[0] if drill else None,
        drill=f"batch {drill[1].batch}, {drill[1].alteration}: {drill[1].message}" if drill else "",
        drill_missed=bool(drill and not drill[1].caught),
        tokens_missing=len(due.tokens),
        anchor_fault=due.reason,
        past=sum(file.rows for file in past),
        holds=tuple(sorted(known.holds())) if known else (),
        removals=len(known.removals()) if known else 0,
    )


def _ledger(home: Home) -> tuple[Ledger | None, str]:
    try:
        return sealed.read_ledger(home), ""
    except AuditError as error:
        return None, str(error)
