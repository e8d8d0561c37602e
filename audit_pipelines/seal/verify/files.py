"""Files that statements name by digest: rejects, drops and reports.

Their digests are taken in other processes (``evidence.digest``). What does not belong here: evidence.
"""

import hashlib
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import msgspec

from audit_pipelines.batch import Batch
from audit_pipelines.drop import where_it_lies
from audit_pipelines.home import Home
from audit_pipelines.removal import Removal
from audit_pipelines.seal import statements as st
from audit_pipelines.seal.ledger import Ledger
from audit_pipelines.seal.standalone import Bad, open_checkpoint
from audit_pipelines.seal.verify.check import Check, Fault, counted
from audit_pipelines.seal.verify.evidence import Digest
from audit_pipelines.seal.verify.told import Told, named

_SEQ: Final = re.compile(r"\.[bdr](\d{6,})(?:\.\d+)?\.p\d+\.")
Digests = Callable[[Sequence[Digest]], Iterable[str]]
"""SHA-256 of each file in hex, ``""`` where it is missing, or ``!`` and why it cannot be read."""


def compare(digests: Digests, tasks: Sequence[Digest], missing: str = "is missing") -> Iterator[tuple[Digest, Fault | None]]:
    """Each file with its fault; ``missing`` is the text for a file that is not there."""
    for task, found in zip(tasks, digests(tasks), strict=True):
        if found == task.sha256:
            yield task, None
        elif not found:
            yield task, Fault(missing, task.name, task.day)
        elif found.startswith("!"):
            yield task, Fault(f"cannot be read: {found[1:]}", task.name, task.day)
        else:
            yield task, Fault(f"SHA-256 is {found}, {task.whose} says {task.sha256}", task.name, task.day)


def check_rejects(home: Home, batches: Iterable[Batch], digests: Digests) -> Check:
    """Reject files by the digests of their manifests, or of the erasure that replaced them."""
    tasks = [
        Digest(
            str(home.root / batch.rejects.path), batch.rejects.path, batch.rejects.sha256, f"the manifest of batch {batch.seq}"
        )
        for batch in batches
        if batch.rejects is not None and not batch.rejects.purged
    ]
    faults = [fault for _, fault in compare(digests, tasks, "is missing, and no purge statement names it") if fault]
    return Check("rejects", counted(len(tasks), "file"), tuple(faults))


# --- drops --------------------------------------------------------------------------------------------------


class _Named(msgspec.Struct, frozen=True):
    path: str
    sha256: str
    rows: int
    min_leaf_index: int | None = None
    max_leaf_index: int | None = None


class _Form(msgspec.Struct, frozen=True):
    format: str
    rows: int
    rows_withheld: int
    files: tuple[_Named, ...]


class _Log(msgspec.Struct, frozen=True):
    statement: int
    checkpoint: str


class _Digested(msgspec.Struct, frozen=True):
    path: str
    sha256: str


class _DropManifest(msgspec.Struct, frozen=True):
    """What is looked at of ``drops/_manifests/*.manifest.json``."""

    seq: int
    day: date
    batch_manifest: _Digested
    log: _Log | None = None
    """None: a drop from before the home had a sealed log."""
    formats: tuple[_Form, ...] = ()


@dataclass(slots=True)
class _Drops:
    home: Home
    batches: Mapping[int, Batch]
    told: Sequence[Told]
    """The present log first."""
    faults: list[Fault]
    tasks: list[Digest]

    def read(self, stated: st.Digested, seq: int) -> None:
        """One drop manifest: its digest, what it says of its batch, and the files it names."""
        path = self.home.root / stated.path
        try:
            content = path.read_bytes()
            found = msgspec.json.decode(content, type=_DropManifest)
        except FileNotFoundError:
            self.faults.append(Fault(f"is missing; the drop statement of batch {seq} names it", stated.path))
            return
        except (OSError, msgspec.MsgspecError, ValueError) as error:
            self.faults.append(Fault(f"cannot be read: {error}", stated.path))
            return
        if (digest := hashlib.sha256(content).hexdigest()) != stated.sha256:
            self.faults.append(Fault(f"SHA-256 is {digest}, its drop statement says {stated.sha256}", stated.path, found.day))
        texts = [*self._content(found, seq), *self._log(found, seq), *self._sums(stated, digest, found)]
        self.faults += [Fault(text, stated.path, found.day) for text in texts]
        self.tasks += [
            Digest(
                str(where_it_lies(self.home.drops, file.path, found.day)),
                f"drops/{file.path}",
                file.sha256,
                "its drop manifest",
                found.day,
            )
            for form in found.formats
            for file in form.files
        ]

    def read_later(self, stated: Container[str]) -> None:
        """Manifests that no statement names yet: what they say of the log must not be more than there is."""
        for path in sorted((self.home.drops / "_manifests").glob("*.manifest.json")):
            name = self.home.relative(path)
            if name in stated:
                continue
            try:
                found = msgspec.json.decode(path.read_bytes(), type=_DropManifest)
            except (OSError, msgspec.MsgspecError, ValueError):
                continue  # a killed run left it; the next one writes it anew
            self.faults += [Fault(text, name, found.day) for text in self._log(found, found.seq)]

    def _content(self, found: _DropManifest, seq: int) -> Iterator[str]:
        stated = self.told[0].batches.get(seq)
        if stated is None or found.seq != seq or found.batch_manifest.sha256 != stated[1].manifest.sha256:
            yield f"is not made from the manifest of batch {seq}"
        batch = self.batches.get(seq)
        events = sum(file.count for file in batch.evidence if file.day == found.day) if batch else None
        for form in found.formats:
            rows = sum(file.rows for file in form.files)
            if rows != form.rows or (events is not None and form.rows + form.rows_withheld > events):
                yield f"{form.format}: {rows} rows and {form.rows_withheld} withheld, the batch has {events} events of the day"
            if batch is None:
                continue
            ranges = [(file.first, file.end) for file in batch.evidence if file.day == found.day]
            for file in form.files:
                for leaf in (file.min_leaf_index, file.max_leaf_index):
                    if leaf is not None and not any(first <= leaf < end for first, end in ranges):
                        yield f"{file.path} names leaf {leaf}, which is not of this batch and day"

    def _log(self, found: _DropManifest, seq: int) -> Iterator[str]:
        """The checkpoint that went to the SIEM with the drop must be one of this home's logs."""
        if found.log is None:
            return
        try:
            note = open_checkpoint(found.log.checkpoint.encode(), [], "its checkpoint")
        except Bad as error:
            yield str(error)
            return
        log = named(self.told, note.origin)
        if log is None:
            yield f"holds a checkpoint of the log {note.origin}, which is not here"
            return
        root = log.roots.get(note.size)
        if note.size > log.size and log is self.told[0]:
            yield f"holds a checkpoint of {note.size} statements, the log has {log.size}: it was rolled back"
        elif note.size <= log.size and root != note.root:
            yield f"holds a checkpoint of {note.size} statements that is not this log's"
        stated = log.batches.get(seq)
        if stated is not None and stated[0] != found.log.statement:
            yield f"says that batch {seq} is statement {found.log.statement}, it is {stated[0]}"

    def _sums(self, stated: st.Digested, digest: str, found: _DropManifest) -> Iterator[str]:
        name = stated.path.removesuffix(".manifest.json") + ".SHA256SUMS"
        expected = {f"{file.sha256}  {file.path}" for form in found.formats for file in form.files}
        expected.add(f"{digest}  {stated.path.removeprefix('drops/')}")
        try:
            lines = (self.home.root / name).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            yield f"{name} cannot be read"
            return
        if set(lines) != expected:
            yield f"{name} names other files or digests"


def check_drops(home: Home, batches: Sequence[Batch], told: Sequence[Told], done: Iterable[Removal], digests: Digests) -> Check:
    """Drop manifests by their statements, drop files by their manifests; absent files are readers' or purged."""
    ledger = told[0].ledger
    taken = frozenset(entry.path for item in done for entry in item.taken if entry.what == "drop")
    drops = _Drops(home, {batch.seq: batch for batch in batches}, told, [], [])
    for item in ledger.drops():
        for file in item.manifests:
            drops.read(file, item.batch)
    drops.read_later({file.path for item in ledger.drops() for file in item.manifests})
    gone = 0
    for task, fault in compare(digests, drops.tasks, "is absent"):
        if fault and fault.text == "is absent":
            gone += task.name not in taken
        elif fault:
            drops.faults.append(fault)
    faults = [*drops.faults, *_unnamed(home, ledger, {task.name for task in drops.tasks})]
    notes = [f"{counted(gone, 'drop file')} not here: taken away by a reader"] if gone else []
    open_ones = sorted(set(ledger.batches()) - ledger.dropped())
    if open_ones:
        notes.append(f"the drops of {counted(len(open_ones), 'batch', 'batches')} are not stated yet")
    manifests = sum(len(item.manifests) for item in ledger.drops())
    text = f"{counted(len(drops.tasks) - gone, 'file')} of {counted(manifests, 'manifest')}"
    return Check("drops", text, tuple(faults), tuple(notes))


def _unnamed(home: Home, ledger: Ledger, known: set[str]) -> list[Fault]:
    """Drop files of stated batches that no manifest names; those of later batches are work in progress."""
    stated = ledger.dropped()
    found = []
    for path in sorted([*home.drops.glob("*/*"), *home.drops.glob("_archive/*/*/*/*")]) if home.drops.is_dir() else ():
        name = f"drops/{path.parent.name}/{path.name}"
        match = _SEQ.search(path.name)
        if path.is_file() and path.parent.name != "_manifests" and name not in known and match and int(match[1]) in stated:
            found.append(Fault("no stated manifest names it", home.relative(path)))
    return found
