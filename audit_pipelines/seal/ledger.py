"""The ledger: what follows from the statements, in their order - keys, policy, holds, batches, removals.

What does not belong here: whether the statements are the log's (``log``, ``verify``) and writing them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from audit_pipelines.errors import EvidenceError
from audit_pipelines.retention import Policy
from audit_pipelines.seal import statements as st
from audit_pipelines.seal.statements import AnyStatement


@dataclass(frozen=True, slots=True)
class Ledger:
    """All statements of a log, decoded; ``statements[i]`` is leaf i."""

    statements: Sequence[AnyStatement]

    @property
    def genesis(self) -> st.Genesis:
        """Statement 0."""
        first = self.statements[0]
        assert isinstance(first, st.Genesis)
        return first

    def batches(self) -> dict[int, tuple[int, st.Batch]]:
        """Batch statements by the batch's number, each with its own index."""
        return {item.seq: (index, item) for index, item in enumerate(self.statements) if isinstance(item, st.Batch)}

    def dropped(self) -> set[int]:
        """Numbers of the batches whose drop statements are whole."""
        return {item.batch for item in self.statements if isinstance(item, st.Drop) and item.part == item.parts - 1}

    def drops(self) -> Iterator[st.Drop]:
        """Every drop statement."""
        return (item for item in self.statements if isinstance(item, st.Drop))

    def reports(self) -> dict[tuple[str, int], tuple[int, st.Report]]:
        """Report statements by month and revision, each with its own index."""
        found = enumerate(self.statements)
        return {(item.month, item.revision): (index, item) for index, item in found if isinstance(item, st.Report)}

    def purges(self) -> dict[str, tuple[int, st.Purge]]:
        """Purge statements by path, each with its own index."""
        return {item.path: (index, item) for index, item in enumerate(self.statements) if isinstance(item, st.Purge)}

    def erasures(self) -> list[tuple[int, st.Erasure]]:
        """Erasure statements with their indices."""
        return [(index, item) for index, item in enumerate(self.statements) if isinstance(item, st.Erasure)]

    def removals(self) -> set[int]:
        """Numbers of the removals that are stated."""
        purged = {item.removal for item in self.statements if isinstance(item, st.Purge)}
        names = [Path(item.removal.path).stem for _, item in self.erasures()]
        return purged | {int(name) for name in names if name.isdecimal()}

    def policy(self, before: int | None = None) -> Policy:
        """The retention policy in force before statement ``before``, or now."""
        found = Policy(months=self.genesis.months, sources=self.genesis.sources)
        for item in self.statements[:before]:
            if isinstance(item, st.Policy):
                found = Policy(months=item.months, sources=item.sources)
        return found

    def holds(self, before: int | None = None) -> dict[str, st.Hold]:
        """Legal holds in force before statement ``before``, or now, by name."""
        found: dict[str, st.Hold] = {}
        for item in self.statements[:before]:
            if isinstance(item, st.Hold):
                if item.action == "set":
                    found[item.name] = item
                else:
                    found.pop(item.name, None)
        return found

    def held(self, source: str | None, day: date, before: int | None = None) -> bool:
        """Whether a hold covers the day of the source; None = of any source."""
        return any(covers(hold, source, day) for hold in self.holds(before).values())

    def signing_keys(self, before: int | None = None) -> list[str]:
        """Public keys that sign before statement ``before``, or now, oldest first."""
        found = [self.genesis.public_key]
        for item in self.statements[:before]:
            if isinstance(item, st.Key):
                if item.action == "add":
                    found.append(item.public_key)
                else:
                    found.remove(item.public_key)
        return found

    def all_keys(self) -> list[str]:
        """Every public key that ever signed."""
        added = [item.public_key for item in self.statements if isinstance(item, st.Key) and item.action == "add"]
        return [self.genesis.public_key, *added]


def covers(hold: st.Hold, source: str | None, day: date) -> bool:
    """Whether ``hold`` keeps the day of the source."""
    right_source = hold.source is None or source is None or hold.source == source
    return right_source and (hold.first is None or hold.first <= day) and (hold.last is None or day <= hold.last)


def read(entries: Sequence[bytes], where: str) -> Ledger:
    """Decode all statements and check what they presuppose of each other.

    Raises:
        EvidenceError: one cannot be read, the first is no genesis, a later one is, or a key is retired that does not sign.
    """
    found = [st.decode(entry, f"{where}: statement {index}") for index, entry in enumerate(entries)]
    kinds = [isinstance(item, st.Genesis) for item in found]
    if not kinds or not kinds[0] or any(kinds[1:]):
        raise EvidenceError("does not begin with its one genesis statement", where=where, todo="restore log/ from a backup")
    signing = {found[0].public_key} if isinstance(found[0], st.Genesis) else set()
    for index, item in enumerate(found):
        if not isinstance(item, st.Key):
            continue
        if (item.public_key in signing) == (item.action == "add") or (item.action == "retire" and len(signing) == 1):
            raise EvidenceError(f"cannot {item.action} this key", where=f"{where}: statement {index}")
        signing ^= {item.public_key}
    return Ledger(found)
