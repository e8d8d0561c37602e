"""The intake of one source in one run: sieve, de-duplicate, route by day.

Every record that comes in goes out exactly once: as an event, a duplicate, a new reject or a known one.
What does not belong here: fetching (``extract``), files and names (``chunks``, ``commit``).
"""

import hashlib
import itertools
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from typing import Final

import numpy as np

from audit_pipelines.batch import Reading
from audit_pipelines.errors import LakeError
from audit_pipelines.lake.chunks import Chunks, Numbers, Rows
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
        self._sieve, self._index, self._stored = sieve, index, stored
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
        records = block.records
        if b"\r" in block.data:
            records = [record.replace(b"\r", b" ") for record in records]
        sifted = self._sieve.sift(block.data, records)
        for at, reason in sifted.faults:
            self._reject(block.origin, block.positions[at], reason, block.records[at])
        self.counts["mistyped"] += sifted.mistyped
        if sifted.records:
            self._events(sifted)

    def _events(self, sifted: Sifted) -> None:
        ids, copies = self._fill(sifted)
        hashes = hash_ids(ids, len(ids))
        kept, conflicts = self._decide(sifted.records, ids, copies, hashes)
        if kept is not None:
            places = {position: at for at, position in enumerate(kept)}
            records = [sifted.records[position] for position in kept]
            ids = [ids[position] for position in kept]
            micros, hashes = sifted.micros[kept], hashes[kept]
            conflicts = {places[position]: n for position, n in conflicts.items()}
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

    def _decide(
        self, records: list[bytes], ids: list[str], copies: dict[int, int], hashes: np.ndarray[tuple[int], np.dtype[np.uint64]]
    ) -> tuple[list[int] | None, dict[int, int]]:
        """Positions to keep (None = all) and the number of each conflicting one."""
        positions, locators = self._index.suspects(hashes)
        twins = _twins(hashes)
        if len(positions) == 0 and not twins:
            return None, {}
        equal = self._stored.equal(locators, [records[position] for position in positions])
        dropped = {
            position
            for position, locator, same in zip(positions.tolist(), locators.tolist(), equal, strict=True)
            if same and self._stored.copy_number(locator) == copies.get(position, 0)
        }
        candidates: dict[int, list[int]] = {}
        for position, locator in zip(positions.tolist(), locators.tolist(), strict=True):
            if position not in dropped:
                candidates.setdefault(position, []).append(locator)
        conflicts: dict[int, int] = {}
        seen: dict[str, list[bytes]] = {}
        for position in sorted((twins | candidates.keys()) - dropped):
            event_id, record = ids[position], records[position]
            same = self._same_id(event_id, candidates.get(position, ())) + seen.get(event_id, [])
            if record in same:
                dropped.add(position)
                continue
            if same:
                conflicts[position] = len(same) + 1
            seen.setdefault(event_id, []).append(record)
        self.counts["duplicates"] += len(dropped)
        return [position for position in range(len(records)) if position not in dropped], conflicts

    def _same_id(self, event_id: str, locators: "tuple[int, ...] | list[int]") -> list[bytes]:
        """Stored records under this very id, not only under its hash."""
        found = []
        for locator in locators:
            record = self._stored.record(locator)
            stored_id = self._sieve.examine(record)[0] or content_id(record, self._stored.copy_number(locator))
            if stored_id == event_id:
                found.append(record)
        return found

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


def content_id(record: bytes, number: int) -> str:
    """Id of a record that has none: SHA-256 of its bytes and its ordinal among equal ones."""
    return f"sha256:{hashlib.sha256(record).hexdigest()}:{number}"


def _day(number: np.int64) -> date:
    return _EPOCH_DAY + timedelta(days=int(number))


def _twins(hashes: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> set[int]:
    """Positions whose hash occurs more than once in the block."""
    ordered = np.sort(hashes)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(repeated) == 0:
        return set()
    return set(itertools.chain(np.flatnonzero(np.isin(hashes, repeated)).tolist()))
