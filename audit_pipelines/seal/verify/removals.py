"""Removals against their statements, and purges against policy and holds: what may be missing, and why.

What does not belong here: whether what is left is as it was (``evidence``).
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from audit_pipelines import removal
from audit_pipelines.batch import Batch
from audit_pipelines.errors import LakeError
from audit_pipelines.home import Home
from audit_pipelines.removal import Removal, Taken
from audit_pipelines.seal import statements as st
from audit_pipelines.seal.ledger import Ledger
from audit_pipelines.seal.verify.check import Check, Fault, counted, listed
from audit_pipelines.seal.verify.purge import judge


@dataclass(frozen=True, slots=True)
class Removed:
    """What removals have taken."""

    done: tuple[Removal, ...]
    stated: tuple[Removal, ...]
    """Those that statements name: only what they took may be missing, for deleting comes after stating."""
    erased: frozenset[int]
    """Leaves whose record must be gone."""
    check: Check


_REMOVAL: Final = re.compile(r"removals/([0-9]{6,9})\.json")
Stated = dict[int, list[tuple[int, st.Purge | st.Erasure]]]


def check_removals(home: Home, ledger: Ledger, batches: Sequence[Batch], now: datetime) -> Removed:
    """Every removal file has its statements and the other way round; purges keep to the policy then in force."""
    faults: list[Fault] = []
    done = _read(home, faults)
    stated = _stated(ledger, faults)
    newest = max(stated, default=0)
    notes = []
    for item in done:
        file = home.relative(home.removal(item.number))
        if item.number in stated:
            faults += _compare(home, item, stated[item.number])
        elif item.number < newest:
            faults.append(Fault("no statement names this removal", file))
        else:  # readers leave out what it names already, and the next night would sign it
            faults.append(Fault("is not stated: a run was killed, or someone made it up; look before a night states it", file))
    there = {item.number for item in done}
    for number in sorted(set(stated) - there):
        index = stated[number][0][0]
        faults.append(Fault(f"is missing; statement {index} names it", home.relative(home.removal(number))))
    faults += judge(ledger, batches, done, now)
    notes += _undeleted(home, done)
    erased = {leaf for found in stated.values() for _, item in found if isinstance(item, st.Erasure) for leaf in item.leaves}
    text = (
        f"{counted(len(done), 'removal')}: {counted(len(ledger.purges()), 'purged file')}, {counted(len(erased), 'erased event')}"
    )
    return Removed(
        tuple(done),
        tuple(item for item in done if item.number in stated),
        frozenset(erased),
        Check("removals", text, tuple(faults), tuple(notes)),
    )


def _read(home: Home, faults: list[Fault]) -> list[Removal]:
    """The removals that can be read; a damaged or missing one is a fault."""
    numbers = sorted(int(path.stem) for path in home.removals.glob("*.json") if path.stem.isdecimal())
    found = []
    for number in numbers:
        try:
            found.append(removal.load(home, number))
        except LakeError as error:
            faults.append(Fault(error.what, home.relative(home.removal(number))))
    gaps = sorted(set(range(1, max(numbers, default=0))) - set(numbers))
    return [*found] if not gaps else [item for item in found if item.number < gaps[0]]


def _stated(ledger: Ledger, faults: list[Fault]) -> Stated:
    found: Stated = {}
    for index, item in enumerate(ledger.statements):
        if isinstance(item, st.Purge):
            found.setdefault(item.removal, []).append((index, item))
        elif isinstance(item, st.Erasure):
            match = _REMOVAL.fullmatch(item.removal.path)
            if match:
                found.setdefault(int(match[1]), []).append((index, item))
            else:
                faults.append(Fault(f"statement {index} (erasure) names no removal: {item.removal.path}"))
    return found


def _compare(home: Home, item: Removal, stated: list[tuple[int, st.Purge | st.Erasure]]) -> list[Fault]:
    file = home.relative(home.removal(item.number))
    erasures = [found for _, found in stated if isinstance(found, st.Erasure)]
    purges = [found for _, found in stated if isinstance(found, st.Purge)]
    if item.kind == "erasure":
        if purges or not erasures:
            return [Fault("is an erasure, its statements are not", file)]
        return _compare_erasure(home, item, erasures, file)
    if erasures:
        return [Fault("is a purge, its statements are not", file)]
    ours = Counter(map(_purge_key, item.taken))
    theirs = Counter(map(_purge_key, purges))
    faults = [Fault("no purge statement names it", key[1]) for key in (ours - theirs)]
    faults += [Fault(f"a purge statement names it, {file} does not", key[1]) for key in (theirs - ours)]
    if any((found.at, found.approver) != (item.at, item.approver) for found in purges):
        faults.append(Fault("time or approver differ from the statement's", file))
    return faults


def _purge_key(item: Taken | st.Purge) -> tuple[str, str, str, object, object, object, object, object, object, object]:
    return (
        item.what, item.path, item.sha256, item.source, item.day, item.first, item.count, item.newest, item.months, item.limit
    )  # fmt: skip


def _compare_erasure(home: Home, item: Removal, stated: Iterable[st.Erasure], file: str) -> list[Fault]:
    digest = hashlib.sha256(home.removal(item.number).read_bytes()).hexdigest()
    faults = []
    leaves: Counter[int] = Counter()
    files: Counter[tuple[str, str, str | None, str | None]] = Counter()
    for found in stated:
        if found.removal.sha256 != digest:
            faults.append(Fault(f"SHA-256 is {digest}, its statement says {found.removal.sha256}", file))
        leaves.update(found.leaves)
        files.update((entry.path, entry.sha256, entry.new_path, entry.new_sha256) for entry in found.files)
    if leaves != Counter(leaf for taken in item.taken for leaf in taken.leaves):
        faults.append(Fault("names other leaves than its statement", file))
    if files != Counter((taken.path, taken.sha256, taken.new_path, taken.new_sha256) for taken in item.taken):
        faults.append(Fault("names other files than its statement", file))
    return faults


def _undeleted(home: Home, done: Iterable[Removal]) -> list[str]:
    """Findings do not count: they may have been made again under the same name."""
    left = [
        (item.number, taken.path)
        for item in done
        for taken in item.taken
        if taken.what != "findings" and (home.root / taken.path).is_file()
    ]
    if not left:
        return []
    return [
        f"{counted(len(left), 'file')} of removal {listed(sorted({number for number, _ in left}))} not deleted yet: {left[0][1]}"
    ]
