"""Which records of a block are stored already: the decision, made on bytes.

The same id and the same bytes are a duplicate; the same id with other bytes is a conflict and gets the
next number; a hash shared by different ids means nothing. A usual suspect costs one comparison. An id (or
a forged hash) with many records would cost the square of their number: such a crowd is read once and its
digests are kept for the rest of the run. What does not belong here: where stored bytes are (``known``).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from audit_pipelines.lake.ids import Hashes, IdIndex, Locators
from audit_pipelines.lake.known import StoredRecords
from audit_pipelines.lake.sieve import Fault, Sieve

_KEPT_FROM: Final = 8
"""A crowd of so many records is remembered; a smaller one is cheaper to read again."""
Positions = npt.NDArray[np.intp]


@dataclass(slots=True)
class Kin:
    """What is stored under one id."""

    digests: set[bytes] = field(default_factory=set)
    """SHA-256 of each record."""
    number: int = 0
    """The highest n of ``~n``; the first record has 1. Removals leave holes, so it is not their count."""


Crowd = dict[str, Kin]
"""Ids that share one hash."""


def content_id(record: bytes, number: int) -> str:
    """Id of a record that has none: SHA-256 of its bytes and its ordinal among equal ones."""
    return f"sha256:{hashlib.sha256(record).hexdigest()}:{number}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to become of a block that has suspects."""

    kept: list[int]
    """Positions to store."""
    conflicts: dict[int, int]
    """Position -> n, of the kept ones that share an id with an earlier record: the n-th of that id."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The events of one block."""

    records: Sequence[bytes]
    ids: Sequence[str]
    copies: dict[int, int]
    """Position -> ordinal, of further copies of a record without an id."""
    hashes: Hashes


class Duplicates:
    """Decides on the arrivals of one source, block by block."""

    def __init__(self, sieve: Sieve, index: IdIndex, stored: StoredRecords) -> None:
        self._sieve, self._index, self._stored = sieve, index, stored
        self._crowds: dict[int, Crowd] = {}

    def decide(self, block: Arrivals) -> Verdict | None:
        """What to keep; None = everything, and nothing is a conflict."""
        crowded = self._crowded(block.hashes)
        alone = np.flatnonzero(~crowded)
        places, locators = self._index.suspects(block.hashes[alone])
        if len(places) == 0 and len(alone) == len(block.hashes):
            return None
        positions = alone[places]
        crowded[_repeated(positions)] = True
        single = ~crowded[positions]
        dropped: set[int] = set()
        conflicts: dict[int, int] = {}
        self._singles(block, positions[single], locators[single], dropped, conflicts)
        self._crowd(block, np.flatnonzero(crowded), dropped, conflicts)
        return Verdict([position for position in range(len(block.records)) if position not in dropped], conflicts)

    def _crowded(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """Positions whose hash occurs twice in the block, or is that of a known crowd."""
        ordered = np.sort(hashes)
        repeated = ordered[1:][ordered[1:] == ordered[:-1]]
        if len(repeated) == 0 and not self._crowds:
            return np.zeros(len(hashes), np.bool_)
        return np.isin(hashes, np.concatenate([repeated, np.fromiter(self._crowds, np.uint64, len(self._crowds))]))

    def _singles(
        self, block: Arrivals, positions: Positions, locators: Locators, dropped: set[int], conflicts: dict[int, int]
    ) -> None:
        """Each of ``positions`` has one suspect in the index and none in the block."""
        records = [block.records[position] for position in positions.tolist()]
        equal = self._stored.equal(locators, records)
        for position, locator, same in zip(positions.tolist(), locators.tolist(), equal, strict=True):
            if same and self._stored.copy_number(locator) == block.copies.get(position, 0):
                dropped.add(position)
            elif self._stored_id(locator, block.ids[position]) == block.ids[position]:
                conflicts[position] = self._stored.number(locator) + 1

    def _crowd(self, block: Arrivals, positions: Positions, dropped: set[int], conflicts: dict[int, int]) -> None:
        """``positions`` have several suspects, in the index or in the block."""
        hashes = block.hashes[positions]
        self._gather(dict(zip(hashes.tolist(), (block.ids[position] for position in positions.tolist()), strict=True)))
        for position, name in zip(positions.tolist(), hashes.tolist(), strict=True):
            kin = self._crowds[name].setdefault(block.ids[position], Kin())
            digest = hashlib.sha256(block.records[position]).digest()
            if digest in kin.digests:
                dropped.add(position)
                continue
            kin.digests.add(digest)
            kin.number += 1
            if kin.number > 1:
                conflicts[position] = kin.number
        for name in set(hashes.tolist()):
            if sum(len(kin.digests) for kin in self._crowds[name].values()) < _KEPT_FROM:
                del self._crowds[name]

    def _gather(self, wanted: dict[int, str]) -> None:
        """Read what is stored under hashes (each with an id that has it) that are not known yet."""
        new = np.array([name for name in wanted if name not in self._crowds], np.uint64)
        for name in new.tolist():
            self._crowds[name] = {}
        places, locators = self._index.suspects(new)
        names = new[places].tolist()
        for name, locator in sorted(zip(names, locators.tolist(), strict=True), key=lambda pair: max(pair[1], ~pair[1])):
            kin = self._crowds[name].setdefault(self._stored_id(locator, wanted[name]), Kin())
            kin.digests.add(hashlib.sha256(self._stored.record(locator)).digest())
            kin.number = max(kin.number, self._stored.number(locator))

    def _stored_id(self, locator: int, likely: str) -> str:
        """The id of a stored record as its own bytes say; ``likely`` if the dialect no longer reads them."""
        record = self._stored.record(locator)
        try:
            event_id = self._sieve.examine(record)[0]
        except Fault:
            return likely
        return event_id if event_id is not None else content_id(record, self._stored.copy_number(locator))


def _repeated(positions: Positions) -> Positions:
    """Those that occur more than once."""
    values, counts = np.unique(positions, return_counts=True)
    return values[counts > 1]
