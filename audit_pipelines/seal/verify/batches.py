"""Batch manifests against their statements, and which files of evidence there have to be.

A manifest is believed as far as its digest stands in a statement. What does not belong here: the contents
of evidence (``evidence``) and whether removals are stated (``removals``).
"""

import hashlib
import json
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from audit_pipelines import batch as manifest
from audit_pipelines.batch import Batch, EvidenceFile
from audit_pipelines.errors import LakeError
from audit_pipelines.home import Home
from audit_pipelines.removal import Removal
from audit_pipelines.seal import statements as st
from audit_pipelines.seal.ledger import Ledger
from audit_pipelines.seal.verify.check import Check, Fault, counted, listed
from audit_pipelines.seal.verify.evidence import File


@dataclass(frozen=True, slots=True)
class Manifests:
    """The batches of a home as their manifests have them."""

    sealed: tuple[Batch, ...]
    """Those that are what their statements name."""
    later: tuple[Batch, ...]
    """Those after the last that is sealed."""
    unread: tuple[int, ...]
    """Numbers of sealed batches whose manifests are missing or cannot be read."""
    check: Check


def read_manifests(home: Home, ledger: Ledger) -> Manifests:
    """Every manifest, compared with its statement."""
    faults: list[Fault] = []
    stated = ledger.batches()
    sealed = [found for seq in sorted(stated) if (found := _sealed(home, *stated[seq], faults)) is not None]
    there = sorted(int(path.stem) for path in home.batches.glob("*.json") if path.stem.isdecimal())
    newest = max(stated, default=0)
    later = []
    for seq in there:
        if seq in stated:
            continue
        file = home.relative(home.batch(seq))
        try:
            found = manifest.load(home, seq)
            if seq < newest:
                faults.append(Fault("no statement names this batch", file))
            else:
                later.append(found)
        except LakeError as error:
            faults.append(Fault(error.what, file))
    faults += _conflict_faults(home, ledger, sealed)
    notes = []
    if later:
        leaves = sum(batch.size - batch.first for batch in later)
        text = f"batch {listed([batch.seq for batch in later])} is not sealed yet ({counted(leaves, 'event')})"
        notes.append(f"{text}: the next night seals it")
    unread = tuple(sorted(set(stated) - {batch.seq for batch in sealed}))
    text = f"{counted(len(stated), 'manifest')} by statement, ranges and digests"
    return Manifests(tuple(sealed), tuple(later), unread, Check("batches", text, tuple(faults), tuple(notes)))


def _sealed(home: Home, index: int, stated: st.Batch, faults: list[Fault]) -> Batch | None:
    path = home.batch(stated.seq)
    file = home.relative(path)
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        found = manifest.load(home, stated.seq)
    except FileNotFoundError:
        faults.append(Fault(f"is missing; statement {index} names it", file))
        return None
    except OSError as error:
        faults.append(Fault(f"cannot be read: {error.strerror}", file))
        return None
    except LakeError as error:
        faults.append(Fault(f"is not the manifest that statement {index} names: {error.what}", file))
        return None
    if digest != stated.manifest.sha256 or stated.manifest.path != file:
        faults.append(Fault(f"is not the manifest that statement {index} names: SHA-256 is {digest}", file))
        return found  # its files are looked at all the same: the faults say more
    faults += [Fault(f"statement {index} (batch {stated.seq}): {text}", file) for text in _differences(found, stated)]
    return found


def _conflict_faults(home: Home, ledger: Ledger, batches: Iterable[Batch]) -> list[Fault]:
    """Conflict statements name the leaves that the manifest says came again with other bytes."""
    stated: dict[int, set[int]] = {}
    for item in ledger.statements:
        if isinstance(item, st.Conflict):
            stated.setdefault(item.batch, set()).update(leaf for leaf, _ in item.leaves)
    return [
        Fault(
            f"its conflicts are leaves {listed(ours)}, the statements say {listed(theirs)}", home.relative(home.batch(batch.seq))
        )
        for batch in batches
        if (ours := sorted(file.first + line for file in batch.evidence for line, _ in file.conflicts))
        != (theirs := sorted(stated.get(batch.seq, ())))
    ]


def _differences(found: Batch, stated: st.Batch) -> list[str]:
    """What statement and manifest say differently of the same batch, and ranges that do not tile."""
    pairs = {
        "leaves": ((found.first, found.size), (stated.events.first, stated.events.size)),
        "run": (found.run_id, stated.run_id),
        "time of extraction": (found.extracted_at, stated.extracted_at),
        "oldest event": (min((file.oldest for file in found.evidence), default=None), stated.oldest),
        "newest event": (max((file.newest for file in found.evidence), default=None), stated.newest),
        "late events": (sum(result.late for result in found.sources), stated.late),
        "rejects": (sum(result.rejects for result in found.sources), stated.rejects),
    }
    texts = [
        f"{name}: the manifest says {ours}, the statement {theirs}" for name, (ours, theirs) in pairs.items() if ours != theirs
    ]
    at = found.first
    for file in found.evidence:
        if file.first != at or file.count < 0:
            texts.append(f"{file.path} begins at leaf {file.first}, the file before ends at {at}")
        at = file.end
    if at != found.size:
        texts.append(f"its evidence ends at leaf {at}, the batch at {found.size}")
    return texts


def present(home: Home, batches: Sequence[Batch], done: Sequence[Removal]) -> tuple[tuple[Batch, ...], list[Fault]]:
    """The batches less what removals took; where those contradict the manifests, as they were sealed."""
    try:
        return manifest.overlay(home, batches, done), []
    except LakeError as error:
        return tuple(batches), [Fault(error.what, error.where.removeprefix(f"{home.root}/"))]


def evidence_tasks(home: Home, batches: Iterable[Batch], erased: Iterable[int], size: int) -> list[File]:
    """One task for each evidence file that should be there; from leaf ``size`` on the log has no leaves to compare."""
    gone = sorted(erased)
    return [_task(home, file, gone, size) for batch in batches for file in batch.evidence if not file.purged]


def _task(home: Home, file: EvidenceFile, gone: Sequence[int], size: int) -> File:
    low, high = bisect_left(gone, file.first), bisect_left(gone, file.end)
    return File(
        path=str(home.root / file.path),
        name=file.path,
        day=file.day,
        sha256=file.sha256,
        count=file.count,
        first=file.first,
        tiles=str(home.log / "events"),
        size=size,
        erased=frozenset(leaf - file.first for leaf in gone[low:high]),
        sealed_digest=not file.sealed,
    )


def strays(home: Home, batches: Iterable[Batch], named: Iterable[str]) -> list[Fault]:
    """Evidence files that neither a manifest nor a removal names; what a killed run left is none."""
    known = {file.path for batch in batches for file in batch.evidence} | set(named) | _intended(home)
    folder = home.root / "evidence"
    found = sorted(home.relative(path) for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    return [Fault("is named by no manifest", name) for name in found if name not in known]


def _intended(home: Home) -> set[str]:
    """Files that a killed run was about to name; the next run removes them."""
    try:
        content = json.loads((home.state / "intent.json").read_bytes())
    except (OSError, ValueError):
        return set()
    return {name for name in content if isinstance(name, str)} if isinstance(content, list) else set()
