"""The id index: which ids of a source are stored already, and where.

Sorted runs of (64-bit hash of the id, locator), merged as they grow, so that a look-up touches few of
them. A hit is only a suspicion: the caller decides on the stored bytes, so that no hash, however it is
forged, can make two events one. The runs on disk (``state/ids``) are a cache: they are made again from
the lake where they are missing. What does not belong here: comparing records (``intake``).
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import xxhash

Hashes = npt.NDArray[np.uint64]
Locators = npt.NDArray[np.int64]
FILTER_BITS: Final = 25
"""The first bits of a hash say whether anything is stored under them: 32 MiB spare most searches. When all
are set (some hundred million ids) every id is searched for, which is right and slower."""
_FILTER_SHIFT: Final = np.uint64(64 - FILTER_BITS)
_NONE: Final = np.empty(0, np.intp)
_NOWHERE: Final = np.empty(0, np.int64)
_EMPTY_BYTES: Final = 128
"""A file of no ids is a header alone, which cannot be mapped."""
MERGE_FACTOR: Final = 3
"""Runs are merged while the newer one is at least 1/3 of the older: about log3(n) runs."""


def hash_ids(ids: Iterable[str], count: int) -> Hashes:
    """XXH3-64 of each id's UTF-8 text."""
    return np.fromiter(map(xxhash.xxh3_64_intdigest, map(str.encode, ids)), np.uint64, count)


class IdIndex:
    """Hashes of ids with the places they stand at; several places may share one hash."""

    def __init__(self) -> None:
        self._runs: list[tuple[Hashes, Locators]] = []
        self._adopted = 0
        self._seen = np.zeros(1 << FILTER_BITS, np.bool_)
        self._hidden = _NOWHERE, _NOWHERE

    def __len__(self) -> int:
        return sum(len(hashes) for hashes, _ in self._runs)

    def add(self, hashes: Hashes, locators: Locators) -> None:
        """Take up a run; ``hashes`` need not be sorted."""
        if len(hashes) == 0:
            return
        self._seen[hashes >> _FILTER_SHIFT] = True
        order = np.argsort(hashes, kind="stable")
        self._push(hashes[order], locators[order])

    def _push(self, hashes: Hashes, locators: Locators) -> None:
        while len(self._runs) > self._adopted and len(self._runs[-1][0]) <= MERGE_FACTOR * len(hashes):
            older, places = self._runs.pop()
            hashes, locators = _merge(older, places, hashes, locators)
        self._runs.append((hashes, locators))

    def hide(self, spans: Sequence[tuple[int, int]]) -> None:
        """Never again suspect a locator in one of the disjoint ``spans`` (first, end)."""
        ordered = sorted(spans)
        self._hidden = (
            np.array([first for first, _ in ordered], np.int64),
            np.array([end for _, end in ordered], np.int64),
        )

    def suspects(self, hashes: Hashes) -> tuple[npt.NDArray[np.intp], Locators]:
        """Positions in ``hashes`` and, for each, a locator stored under the same hash (all pairs)."""
        positions, places = [_NONE], [_NOWHERE]
        maybe = np.flatnonzero(self._seen[hashes >> _FILTER_SHIFT])
        hashes = hashes[maybe]
        for stored, locators in self._runs if len(maybe) else ():
            left = np.searchsorted(stored, hashes, "left")
            hits = np.flatnonzero(stored[np.minimum(left, len(stored) - 1)] == hashes)
            if len(hits) == 0:
                continue
            left = left[hits]
            count = np.searchsorted(stored, hashes[hits], "right") - left
            positions.append(np.repeat(hits, count))
            starts = np.repeat(left - np.concatenate([[0], np.cumsum(count)[:-1]]), count)
            places.append(locators[starts + np.arange(len(starts))])
        found, where = maybe[np.concatenate(positions)], np.concatenate(places)
        firsts, ends = self._hidden
        if len(firsts) and len(where):
            span = np.searchsorted(firsts, where, "right") - 1
            there = (span < 0) | (where >= ends[np.maximum(span, 0)])
            found, where = found[there], where[there]
        return found, where

    def adopt(self, hashes: Hashes, locators: Locators) -> None:
        """Take up a run that is sorted already (mapped from disk) without copying it."""
        if len(hashes):
            self._seen[hashes >> _FILTER_SHIFT] = True
            self._runs.insert(self._adopted, (hashes, locators))
            self._adopted += 1


def _merge(a: Hashes, places_a: Locators, b: Hashes, places_b: Locators) -> tuple[Hashes, Locators]:
    hashes = np.concatenate([a, b])
    order = np.argsort(hashes, kind="stable")
    return hashes[order], np.concatenate([places_a, places_b])[order]


def save_run(path: Path, hashes: Hashes, locators: Locators) -> None:
    """Write one sorted run; a torn file is noticed by ``load_run`` (the cache is then made again)."""
    order = np.argsort(hashes, kind="stable")
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_suffix(".part")
    with staged.open("wb") as file:
        np.save(file, np.stack([hashes[order].view(np.int64), locators[order]]))
        file.flush()
        os.fsync(file.fileno())  # or a power cut leaves a whole name with half of its bytes
    staged.rename(path)


def load_run(path: Path, least: int, most: int | None = None) -> tuple[Hashes, Locators] | None:
    """A saved run of ``least`` to ``most`` ids (or of exactly ``least``), mapped; None if it is missing or damaged."""
    try:
        table = np.load(path, mmap_mode="r" if path.stat().st_size > _EMPTY_BYTES else None, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    if table.ndim != 2 or table.shape[0] != 2 or table.dtype != np.int64:
        return None
    if not least <= table.shape[1] <= (least if most is None else most):
        return None
    return table[0].view(np.uint64), table[1]
