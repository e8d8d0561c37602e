"""The intake of one source in one run: sieve, de-duplicate, route by day.

Every record that comes in goes out exactly once: as an event, a duplicate, a new reject or a known one, or
refused because the event was erased or its day purged.
What does not belong here: fetching (``extract``), which records are duplicates (``duplicates``), files and
names (``chunks``, ``commit``).
"""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

import numpy as np

from audit_pipelines.batch import Reading
from audit_pipelines.errors import LakeError
from audit_pipelines.lake.chunks import Chunks, Numbers, Rows
from audit_pipelines.lake.duplicates import Arrivals, Duplicates, content_id
from audit_pipelines.lake.erased import ErasedIds
from audit_pipelines.lake.ids import IdIndex, hash_ids
from audit_pipelines.lake.known import StoredRecords
from audit_pipelines.lake.rejects import RejectWriter
from audit_pipelines.lake.sieve import Sieve, Sifted
from audit_pipelines.record import Block, Finished, Piece, Refusal

DAY_MICROS: Final = 86_400_000_000
_EPOCH_DAY: Final = date(1970, 1, 1)
WAYS: Final = ("events", "duplicates", "rejects", "known_rejects", "erased", "expired")
"""Where a record can go."""
Progress = Callable[[str, int, int], None]
"""Told (source, records, bytes) after each block."""


@dataclass(frozen=True, slots=True)
class Removed:
    """What of one source has been taken out of the home, and is refused."""

    ids: ErasedIds
    days: frozenset[date] = frozenset()
    """Days of the source that a purge has taken."""


@dataclass(frozen=True, slots=True)
class _Events:
    """Events of one block, column by column."""

    records: list[bytes]
    ids: list[str]
    micros: Numbers
    copies: dict[int, int]
    """Position -> ordinal, of further copies of a record without an id."""

    def only(self, kept: list[int]) -> "_Events":
        """Those at the positions ``kept``."""
        places = {position: at for at, position in enumerate(kept)}
        return _Events(
            [self.records[position] for position in kept],
            [self.ids[position] for position in kept],
            self.micros[kept],
            {places[position]: n for position, n in self.copies.items() if position in places},
        )


class Intake:
    """Takes up the pieces of one source."""

    def __init__(
        self,
        source: str,
        sieve: Sieve,
        index: IdIndex,
        stored: StoredRecords,
        chunks: Chunks,
        rejects: RejectWriter,
        removed: Removed,
    ) -> None:
        self.source = source
        self._removed = removed
        self._sieve, self._index = sieve, index
        self._duplicates = Duplicates(sieve, index, stored)
        self._chunks, self._rejects = chunks, rejects
        self._copies: Counter[bytes] = Counter()
        self.counts: Counter[str] = Counter()
        self.readings: list[Reading] = []
        self.marks: list[tuple[str, int, int]] = []

    def take(self, piece: Piece) -> None:
        """One piece of the source."""
        if isinstance(piece, Block):
            self.counts["records"] += len(piece.records)
            self._block(piece)
        elif isinstance(piece, Refusal):
            self.counts["records"] += 1
            self._reject(piece.origin, piece.position, piece.reason, piece.raw)
        else:
            self._finished(piece)

    def _finished(self, piece: Finished) -> None:
        self.readings.append(piece.reading)
        if piece.mark is not None:
            self.marks.append(piece.mark)

    def _reject(self, origin: str, position: int, reason: str, raw: bytes) -> None:
        new = self._rejects.add(self.source, origin, position, reason, raw)
        self.counts["rejects" if new else "known_rejects"] += 1

    def _block(self, block: Block) -> None:
        sifted = self._sieve.sift(block.data, block.records)
        for at, reason in sifted.faults:
            self._reject(block.origin, block.positions[at], reason, block.records[at])
        self.counts["mistyped"] += sifted.mistyped
        if b"\r" in block.data:  # after the sieve: in valid JSON it is white space, in a text it is a fault
            sifted = replace(sifted, records=[record.replace(b"\r", b" ") for record in sifted.records])
        if sifted.records:
            self._events(sifted)

    def _events(self, sifted: Sifted) -> None:
        ids, copies = self._fill(sifted)
        arrived = self._admitted(_Events(sifted.records, ids, sifted.micros, copies))
        if not arrived.records:
            return
        hashes = hash_ids(arrived.ids, len(arrived.ids))
        verdict = self._duplicates.decide(Arrivals(arrived.records, arrived.ids, arrived.copies, hashes))
        conflicts: dict[int, int] = {}
        if verdict is not None:
            self.counts["duplicates"] += len(arrived.ids) - len(verdict.kept)
            places = {position: at for at, position in enumerate(verdict.kept)}
            arrived, hashes = arrived.only(verdict.kept), hashes[verdict.kept]
            conflicts = {places[position]: n for position, n in verdict.conflicts.items()}
        self.counts["events"] += len(arrived.records)
        self.counts["conflicts"] += len(conflicts)
        if arrived.records:
            copies = arrived.copies
            rows = Rows(arrived.records, arrived.ids, arrived.micros, hashes, sorted(conflicts.items()), sorted(copies.items()))
            self._index.add(hashes, self._route(rows))

    def _admitted(self, arrived: "_Events") -> "_Events":
        """Less the events that an erasure has taken out of the home, and the days that a purge has."""
        erased = set(self._removed.ids.refuses(self.source, arrived.ids))
        expired: set[int] = set()
        if self._removed.days:
            days = np.fromiter(((day - _EPOCH_DAY).days for day in self._removed.days), np.int64)
            expired = set(np.flatnonzero(np.isin(arrived.micros // DAY_MICROS, days)).tolist()) - erased
        self.counts["erased"] += len(erased)
        self.counts["expired"] += len(expired)
        refused = erased | expired
        return arrived.only([at for at in range(len(arrived.ids)) if at not in refused]) if refused else arrived

    def _fill(self, sifted: Sifted) -> tuple[list[str], dict[int, int]]:
        """Ids for all: the content digest and an ordinal among equal records where there is none."""
        copies: dict[int, int] = {}
        ids: list[str] = []
        for position, event_id in enumerate(sifted.ids):
            if event_id is not None:
                ids.append(event_id)
                continue
            digest = hashlib.sha256(sifted.records[position]).digest()
            number = self._copies[digest]
            self._copies[digest] += 1
            ids.append(content_id(sifted.records[position], number))
            if number:
                copies[position] = number
        return ids, copies

    def _route(self, rows: Rows) -> Numbers:
        """Hand each day's rows to its chunk; locators in the rows' order."""
        days = rows.micros // DAY_MICROS
        if days[0] == days[-1] and (days == days[0]).all():
            return self._chunks.add(_day(days[0]), rows)
        order = np.argsort(days, kind="stable")
        locators = np.empty(len(days), np.int64)
        bounds = np.flatnonzero(np.diff(days[order])) + 1
        for span in np.split(order, bounds):
            chosen = span.tolist()
            places = {position: at for at, position in enumerate(chosen)}
            part = Rows(
                [rows.records[position] for position in chosen],
                [rows.ids[position] for position in chosen],
                rows.micros[span],
                rows.hashes[span],
                [(places[position], n) for position, n in rows.conflicts if position in places],
                [(places[position], n) for position, n in rows.copies if position in places],
            )
            locators[span] = self._chunks.add(_day(days[chosen[0]]), part)
        return locators

    def check(self) -> None:
        """Every record went somewhere.

        Raises:
            LakeError: the counts do not add up; such a run is never committed.
        """
        counts = self.counts
        out = sum(counts[way] for way in WAYS)
        if counts["records"] != out:
            todo = "this is a fault of the program: nothing was committed, please report it"
            raise LakeError(f"{counts['records']} records came in, {out} went out", where=f"source {self.source}", todo=todo)


def _day(number: np.int64) -> date:
    return _EPOCH_DAY + timedelta(days=int(number))
