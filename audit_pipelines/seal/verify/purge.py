"""Whether purges kept to the policy, and purges and erasures to legal holds.

The rule itself is ``standalone``'s, the same that an evidence bundle is checked with. What does not belong
here: removal files (``removals``).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from audit_pipelines.batch import Batch, EvidenceFile
from audit_pipelines.removal import Removal
from audit_pipelines.retention import Policy, is_past, limit
from audit_pipelines.seal import statements as st
from audit_pipelines.seal.ledger import Ledger, covers
from audit_pipelines.seal.standalone import Bad, Rules, judge_purge
from audit_pipelines.seal.verify.check import Fault


def judge(ledger: Ledger, batches: Sequence[Batch], done: Iterable[Removal], now: datetime) -> list[Fault]:
    """What is wrong with purge statements; ``batches`` are as they were sealed."""
    renamed = {taken.new_path: taken.path for item in done for taken in item.taken if taken.new_path}
    evidence = {file.path: file for batch in batches for file in batch.evidence}
    rejects = {batch.rejects.path: batch for batch in batches if batch.rejects is not None}
    faults = []
    seen: set[str] = set()
    rules = Rules()
    for index, item in enumerate(ledger.statements):
        if isinstance(item, st.Purge):
            origin = item.path
            for _ in renamed:  # an erased file has another name than the one its batch gave it
                origin = renamed.get(origin, origin)
            text = _judged(ledger, rules, index, item, evidence.get(origin), rejects.get(origin))
            text = text or ("it was purged before" if item.path in seen else "") or _too_late(item, now)
            if text:
                faults.append(
                    Fault(f"its purge (statement {index}) is not allowed: {text}", item.path, item.day, leaf=item.first)
                )
            seen.add(item.path)
        if isinstance(item, st.Erasure):
            faults += _held(ledger, index, item, evidence.values())
        rules.follow(msgspec.to_builtins(item))
    return faults


def _held(ledger: Ledger, index: int, item: st.Erasure, files: Iterable[EvidenceFile]) -> list[Fault]:
    """Hold beats erasure."""
    holds = ledger.holds(index).values()
    faults = []
    for file in files if holds else ():
        leaves = [leaf for leaf in item.leaves if file.first <= leaf < file.end]
        names = sorted(hold.name for hold in holds if covers(hold, file.source, file.day))
        if leaves and names:
            text = f"erased by statement {index} while the legal hold {names[0]!r} was in force"
            faults.append(Fault(text, file.path, file.day, leaves[0] - file.first, leaves[0]))
    return faults


def _judged(ledger: Ledger, rules: Rules, index: int, item: st.Purge, file: EvidenceFile | None, batch: Batch | None) -> str:
    if item.what not in ("evidence", "rejects"):
        return ""  # findings and drops are copies: nothing is lost with them
    if item.what == "rejects" and batch is not None:
        return _rejects(ledger, ledger.policy(index), batch, index, item)
    if item.what == "rejects" or file is None:
        return "no manifest names the file"
    try:
        judge_purge(msgspec.to_builtins(item), rules, msgspec.to_builtins(file))
    except (Bad, ValueError, TypeError, KeyError, OverflowError) as error:
        return str(error)
    return ""


def _rejects(ledger: Ledger, policy: Policy, batch: Batch, index: int, item: st.Purge) -> str:
    """A reject has no time of its own: it stays as long as anything that came with it may."""
    days = {batch.extracted_at.date(), *(day.day for day in batch.days)}
    if any(ledger.held(result.name, day, index) for result in batch.sources for day in days):
        return "a legal hold kept it"
    months = max((policy.months_for(result.name) for result in batch.sources), default=policy.months)
    return _past(item, batch.extracted_at, months)


def _past(item: st.Purge, newest: datetime, months: int) -> str:
    if item.newest != newest:
        return (
            f"its newest event is of {newest.isoformat()}, the statement says {item.newest.isoformat() if item.newest else None}"
        )
    if item.months != months:
        return f"the policy in force was {months} months, the statement says {item.months}"
    if item.limit != limit(item.at, months):
        return f"the limit was {limit(item.at, months)}, the statement says {item.limit}"
    if not is_past(newest, item.at, months):
        return f"its newest event, of {newest.isoformat()}, was not {months} months old on {item.at.date()}"
    return ""


def _too_late(item: st.Purge, now: datetime) -> str:
    """A time to come would shift the limit."""
    return f"it is of {item.at.isoformat()}, and that is yet to come" if item.at > now else ""
