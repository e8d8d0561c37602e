"""Verification of a whole home: every check in turn, and a verdict. Nothing is written.

What was sealed is compared with what is here: signatures, tiles, statements, manifests, evidence, removals,
rejects, drops, reports, anchors. Nothing that lies in the home is believed without a reason: keys follow from
the one that the reader names, statements from signed roots, files from statements. What does not belong
here: derived files (``defs.verifying``) and bundles (``standalone``).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from audit_pipelines.batch import Batch
from audit_pipelines.errors import AuditError, EvidenceError
from audit_pipelines.home import Home
from audit_pipelines.seal.ledger import Ledger
from audit_pipelines.seal.sealed import keys_folder
from audit_pipelines.seal.verify import evidence as line_check
from audit_pipelines.seal.verify import heads as head_check
from audit_pipelines.seal.verify import tiles as tile_check
from audit_pipelines.seal.verify.anchors import check_anchors
from audit_pipelines.seal.verify.batches import evidence_tasks, present, read_manifests, strays
from audit_pipelines.seal.verify.check import Check, Fault, Progress, Silent, Verdict, counted, listed
from audit_pipelines.seal.verify.evidence import Digest
from audit_pipelines.seal.verify.files import check_drops, check_rejects
from audit_pipelines.seal.verify.heads import Heads, Note, Signed, check_signatures, parse_given, read_heads
from audit_pipelines.seal.verify.old import check_old
from audit_pipelines.seal.verify.pool import spread
from audit_pipelines.seal.verify.removals import check_removals
from audit_pipelines.seal.verify.reports import check_reports
from audit_pipelines.seal.verify.signer import check_memory
from audit_pipelines.seal.verify.statements import check_interrupted, check_statements, read_ledger
from audit_pipelines.seal.verify.tiles import tiles_check
from audit_pipelines.seal.verify.told import Told
from audit_pipelines.settings import Settings

Task = TypeVar("Task")
Found = TypeVar("Found")
_UNFORESEEN: Final = (AuditError, OSError, ValueError, OverflowError, RecursionError)
"""What odd names, times and depths in a signed statement may raise where nobody looked for them."""


def verify(
    home: Home,
    settings: Settings,
    *,
    now: datetime,
    given: Sequence[str] = (),
    progress: Progress | None = None,
    workers: int | None = None,
) -> Verdict:
    """Check everything that is sealed in a home; what does not hold is a fault of the verdict, not an error.

    Args:
        home: the home, which is only read.
        settings: its settings: where keys lie, what is anchored.
        now: the moment; no purge may be of a later one.
        given: keys that the reader knows from elsewhere, as fingerprint or vkey; none = the home's own word.
        progress: is told how far it is.
        workers: processes; by default one a core.

    Raises:
        EvidenceError: a given key is none, there is nothing sealed to verify, or a process of ours died.
    """
    keys = parse_given(given)
    try:
        return _verify(_Work(home, settings, now, progress or Silent(), workers), keys)
    except EvidenceError:
        raise
    except _UNFORESEEN as error:
        raise EvidenceError(f"cannot be verified: {error}", where=str(home.root), todo="is it a copy of a whole home?") from None


def _verify(work: "_Work", keys: Sequence[str]) -> Verdict:
    if work.statements.newest is None:
        return work.without_log()
    known, entries, unread = read_ledger(work.home, work.statements)
    if known is None:
        faults = (*work.statements.faults, *unread)
        rest = "nothing else could be checked: everything follows from the statements"
        check = Check("statements", "could not be read", faults, (rest,))
        return Verdict("nobody", bool(keys), (check,))
    signers = check_signatures(known, work.events, work.statements, keys, work.signatures)
    work.checks.append(signers.check)
    work.tiles()
    work.add("statements", lambda: work.statements_check(known, entries, unread))
    work.follow(known, entries)
    return Verdict(signers.text, signers.trusted, tuple(work.checks))


@dataclass(slots=True)
class _Work:
    """One verification, going on."""

    home: Home
    settings: Settings
    now: datetime
    progress: Progress
    workers: int | None
    events: Heads = field(init=False)
    statements: Heads = field(init=False)
    checks: list[Check] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.events = read_heads(self.home, self.home.log / "events")
        self.statements = read_heads(self.home, self.home.log / "statements")

    def without_log(self) -> Verdict:
        """The verdict on a home that has no statements."""
        there = any(self.home.batches.glob("*.json")) or any((keys_folder(self.home, self.settings) / "memory").glob("*.json"))
        if not there:
            raise EvidenceError("nothing is sealed here yet", where=str(self.home.root), todo="run: audit-pipelines night")
        faults = self.statements.faults or [Fault("holds no checkpoint", "log/statements")]
        return Verdict("nobody", trusted=False, checks=(Check("signatures", "there is no log", tuple(faults)),))

    def add(self, name: str, made: Callable[[], Check]) -> None:
        """One check; what it cannot read is its fault, and the others go on."""
        try:
            self.checks.append(made())
        except _UNFORESEEN as error:
            what = f"{error.where}: {error.what}" if isinstance(error, AuditError) else f"{type(error).__name__}: {error}"
            self.checks.append(Check(name, "could not be checked to the end", (Fault(what),)))

    def signatures(self, notes: Sequence[Note]) -> Iterator[Signed]:
        """Signatures of many checkpoints; one takes as long as reading some kilobytes."""
        return self.spread("checking signatures", head_check.examine, notes, cost=len(notes) * 20_000)

    def tiles(self) -> None:
        """The trees of both logs."""
        for heads in (self.events, self.statements):
            tasks = list(tile_check.groups(heads.folder, heads.size))
            found = self.spread(f"checking {heads.name} tiles", tile_check.examine, tasks, cost=heads.size * 32)
            broken = [fault for some in found for fault in some]
            self.add(f"{heads.name} log", partial(tiles_check, self.home, heads, broken))

    def statements_check(self, known: Ledger, entries: Sequence[bytes], unread: Sequence[Fault]) -> Check:
        """Statements, and whether the newest checkpoints are the ones they should be."""
        made = check_statements(self.home, self.statements, known, entries, unread, self.events.roots)
        faults, notes = check_interrupted(known, self.events, self.statements)
        return Check(made.name, made.text, (*made.faults, *faults), (*made.notes, *notes))

    def follow(self, known: Ledger, entries: Sequence[bytes]) -> None:
        """What follows from the statements: files, and what others hold."""
        home = self.home
        manifests = read_manifests(home, known)
        removed = check_removals(home, known, manifests.sealed, self.now)
        batches, unfit = present(home, (*manifests.sealed, *manifests.later), removed.stated)
        logs = (self.events, self.statements)
        signer, leaves = check_memory(keys_folder(home, self.settings), known, logs, manifests.later)
        everything = [*manifests.sealed, *manifests.later, *batches]
        named = [path for item in removed.done for taken in item.taken for path in (taken.path, taken.new_path) if path]
        self.checks.append(manifests.check)
        self.checks.append(Check(removed.check.name, removed.check.text, (*removed.check.faults, *unfit), removed.check.notes))
        stray = strays(home, everything, named) if not manifests.unread else ()
        note = f"evidence of batch {listed(manifests.unread)}, and files that no manifest names: a manifest cannot be read"
        notes = (note,) if manifests.unread else ()
        self.add("evidence", lambda: self.evidence(batches, removed.erased, leaves, stray, notes))
        self.add("rejects", lambda: check_rejects(home, batches, self.digests("checking rejects")))
        old, before = check_old(home, known)
        told = [Told.of(known, entries, self.statements), *before]
        of_drops, of_reports = self.digests("checking drops"), self.digests("checking reports")
        self.add("drops", lambda: check_drops(home, manifests.sealed, told, removed.stated, of_drops))
        self.add("reports", lambda: check_reports(home, told, self.events, of_reports))
        self.add("anchors", lambda: check_anchors(home, self.settings, told))
        self.checks += [signer, old]

    def evidence(
        self, batches: Sequence[Batch], erased: frozenset[int], leaves: int, stray: Sequence[Fault], notes: tuple[str, ...]
    ) -> Check:
        """Every evidence file, line by line."""
        tasks = evidence_tasks(self.home, batches, erased, leaves)
        cost = sum(_size(Path(task.path)) for task in tasks)
        found = self.spread("checking evidence", line_check.examine, tasks, cost=cost)
        faults = [fault for some in found for fault in some]
        lines = sum(task.count for task in tasks)
        text = f"{counted(len(tasks), 'file')}, {counted(lines, 'line')} against {counted(leaves, 'leaf', 'leaves')}"
        return Check("evidence", text, (*faults, *stray), notes)

    def spread(self, stage: str, work: Callable[[Task], Found], tasks: Sequence[Task], *, cost: int) -> Iterator[Found]:
        """``pool.spread`` with progress."""
        self.progress.begin(stage, len(tasks))
        for found in spread(work, tasks, cost=cost, workers=self.workers):
            self.progress.advance(stage, 1)
            yield found
        self.progress.end(stage)

    def digests(self, stage: str) -> Callable[[Sequence[Digest]], Iterator[str]]:
        """Digests of files, over all cores."""

        def made(tasks: Sequence[Digest]) -> Iterator[str]:
            cost = sum(_size(Path(task.path)) for task in tasks)
            return self.spread(stage, line_check.digest, tasks, cost=cost)

        return made


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
