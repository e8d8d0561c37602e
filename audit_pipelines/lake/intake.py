"""The intake of one source in one run: sieve, de-duplicate, route by day.

Every record that comes in goes out exactly once: as an event, a duplicate, a new reject or a known one.
What does not belong here: fetching (``extract``), which records are duplicates (``duplicates``), files and
names (``chunks``, ``commit``).
"""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Final

import numpy as np

from audit_pipelines.batch import Reading
from audit_pipelines.errors import LakeError
from audit_pipelines.lake.chunks import Chunks, Numbers, Rows
from audit_pipelines.lake.duplicates import Arrivals, Duplicates, content_id
from audit_pipelines.lake.ids import IdIndex, hash_ids
from audit_pipelines.lake.known import StoredRecords
from audit_pipelines.lake.rejects import RejectWriter
from audit_pipelines.lake.sieve import Sieve, Sifted
from audit_pipelines.record import Block, Finished, Piece, Refusal

DAY_MICROS: Final = 86_400_000_000
_EPOCH_DAY: Final = date(1970, 1, 1)
Progress = Callable[[str, int, int], None]
"""Told (source, records, bytes) after each block."""


class Intake:
    """Takes up the pieces of one source."""

    def __init__(
        self, source: str, sieve: Sieve, index: IdIndex, stored: StoredRecords, chunks: Chunks, rejects: RejectWriter
    ) -> None:
        self.source = source
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
        hashes = hash_ids(ids, len(ids))
        verdict = self._duplicates.decide(Arrivals(sifted.records, ids, copies, hashes))
        conflicts: dict[int, int] = {}
        if verdict is not None:
            kept = verdict.kept
            self.counts["duplicates"] += len(ids) - len(kept)
            places = {position: at for at, position in enumerate(kept)}
            records = [sifted.records[position] for position in kept]
            ids = [ids[position] for position in kept]
            micros, hashes = sifted.micros[kept], hashes[kept]
            conflicts = {places[position]: n for position, n in verdict.conflicts.items()}
            copies = {places[position]: n for position, n in copies.items() if position in places}
        else:
            records, micros = sifted.records, sifted.micros
        self.counts["events"] += len(records)
        self.counts["conflicts"] += len(conflicts)
        if records:
            rows = Rows(records, ids, micros, hashes, sorted(conflicts.items()), sorted(copies.items()))
            self._index.add(hashes, self._route(rows))

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
        out = sum(counts[way] for way in ("events", "duplicates", "rejects", "known_rejects"))
        if counts["records"] != out:
            todo = "this is a fault of the program: nothing was committed, please report it"
            raise LakeError(f"{counts['records']} records came in, {out} went out", where=f"source {self.source}", todo=todo)


def _day(number: np.int64) -> date:
    return _EPOCH_DAY + timedelta(days=int(number))
