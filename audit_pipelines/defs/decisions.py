"""What was decided or happened beside the nights, as statements have it, and which of it concerns one month.

Policies, holds, purges, erasures, keys, new mappings, incidents. A statement is of a month by its own time,
and concerns it too where it takes or changes the month's events. What does not belong here: making them
(``keeping``, ``signing``) and printing them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from itertools import groupby

from audit_pipelines.batch import Batch
from audit_pipelines.defs.monthfacts import Month, touches
from audit_pipelines.seal import keys
from audit_pipelines.seal import statements as st
from audit_pipelines.seal.ledger import Ledger
from audit_pipelines.typeset.integrity import Decision, days

_Decided = st.Genesis | st.Policy | st.Hold | st.Purge | st.Erasure | st.Rederive | st.Key | st.Incident
_KINDS = {st.Genesis: "begin", st.Policy: "policy", st.Rederive: "mapping"}


@dataclass(frozen=True, slots=True)
class Reach:
    """The leaves of a month's events, and the batches that touched it."""

    month: Month
    leaves: tuple[tuple[int, int], ...]
    """(first, end) of each evidence file."""
    batches: frozenset[int]

    @classmethod
    def of(cls, batches: Sequence[Batch], month: Month) -> "Reach":
        """The reach of ``month`` among ``batches``."""
        files = [file for batch in batches for file in batch.evidence if month.has(file.day)]
        touching = frozenset(batch.seq for batch in batches if touches(batch, month))
        return cls(month, tuple((file.first, file.end) for file in files), touching)

    def taken(self, item: st.Erasure) -> int:
        """How many of the month's events the erasure took."""
        return sum(any(first <= leaf < end for first, end in self.leaves) for leaf in item.leaves)

    def changed_by(self, item: st.AnyStatement) -> bool:
        """Whether figures of the month may differ after this statement, at the same size of the log."""
        if isinstance(item, st.Erasure):
            return self.taken(item) > 0 or any(self._rejects(file.path) for file in item.files)
        if isinstance(item, st.Rederive):
            return item.rows_changed > 0 and item.first < self.month.until and item.last >= self.month.first
        return False

    def _rejects(self, path: str) -> bool:
        folder, _, name = path.partition("/")
        seq = name.partition(".")[0]
        return folder == "rejects" and seq.isdecimal() and int(seq) in self.batches

    def has(self, item: _Decided) -> bool:
        """Whether the statement is of the month, or takes or changes its events."""
        own = midnight(self.month.first) <= item.at < midnight(self.month.until)
        return own or self.changed_by(item) or (isinstance(item, st.Purge) and item.day is not None and self.month.has(item.day))


def index_at(known: Ledger, moment: datetime) -> int:
    """The number of statements before the first decision of ``moment`` or later."""
    later = (index for index, item in enumerate(known.statements) if isinstance(item, _Decided) and item.at >= moment)
    return next(later, len(known.statements))


def of_month(known: Ledger, reach: Reach) -> tuple[Decision, ...]:
    """The month's decisions in the order of their statements; a removal's many statements are one."""
    found = [(index, item) for index, item in enumerate(known.statements) if isinstance(item, _Decided) and reach.has(item)]
    together = [list(group) for _, group in groupby(found, key=_one)]
    return tuple(_decision([index for index, _ in group], [item for _, item in group], reach) for group in together)


def _one(numbered: tuple[int, _Decided]) -> object:
    """What statements of one removal have in common."""
    index, item = numbered
    if isinstance(item, st.Purge):
        return ("purge", item.removal)
    return ("erasure", item.removal.path) if isinstance(item, st.Erasure) else index


def _decision(numbers: list[int], items: list[_Decided], reach: Reach) -> Decision:
    item = items[0]
    kind = _KINDS.get(type(item), type(item).__name__.lower())
    by = item.approver if isinstance(item, st.Hold | st.Purge | st.Erasure) else ""
    return Decision(kind, item.at, tuple(numbers), _text(items, reach), by, any(map(reach.changed_by, items)))


def _text(items: list[_Decided], reach: Reach) -> str:
    match items[0]:
        case st.Genesis() as item:
            return f"the log {item.origin} begins; {_policy(item.months, item.sources)}"
        case st.Policy() as item:
            return _policy(item.months, item.sources)
        case st.Hold(action="set") as item:
            return f"{item.name} is set: {item.source or 'all sources'}, {days(item.first, item.last)}; {item.reason}"
        case st.Hold() as item:
            return f"{item.name} is released; {item.reason}"
        case st.Purge():
            return _purge([item for item in items if isinstance(item, st.Purge)])
        case st.Erasure() as item:
            erasures = [entry for entry in items if isinstance(entry, st.Erasure)]
            count, own = sum(len(entry.leaves) for entry in erasures), sum(map(reach.taken, erasures))
            return f"{count:,} events, {own:,} of them of this month; {item.ground}"
        case st.Rederive() as item:
            return f"{item.source}, {item.first} to {item.last}: {item.rows_changed:,} rows changed in {item.files:,} files"
        case st.Key() as item:
            done = "signs from here on" if item.action == "add" else "signs no more"
            return f"{keys.fingerprint(keys.public_of(item.public_key, 'key statement'))[:16]} {done}; {item.reason}"
        case st.Incident() as item:
            return f"{item.kind}: {item.text}"


def _policy(months: int, sources: dict[str, int]) -> str:
    return f"events are kept {months} months" + "".join(f", of {name} {count}" for name, count in sorted(sources.items()))


def _purge(items: list[st.Purge]) -> str:
    counts = Counter(item.what for item in items)
    events = sum(item.count or 0 for item in items if item.what == "evidence")
    gone = sorted(item.day for item in items if item.day is not None)
    span = f"; days {gone[0]} to {gone[-1]}" if gone else ""
    return f"{events:,} events; files: {', '.join(f'{count:,} {what}' for what, count in sorted(counts.items()))}{span}"


def midnight(day: date) -> datetime:
    """The day's first moment, UTC."""
    return datetime.combine(day, time.min, UTC)
