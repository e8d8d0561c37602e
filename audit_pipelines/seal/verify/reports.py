"""Issued reports against their statements, and the proofs that lie beside them.

What does not belong here: what a report says.
"""

from collections.abc import Sequence
from pathlib import Path

from audit_pipelines.errors import EvidenceError
from audit_pipelines.home import Home
from audit_pipelines.seal import proofs
from audit_pipelines.seal import statements as st
from audit_pipelines.seal.verify.check import Check, Fault, counted
from audit_pipelines.seal.verify.evidence import Digest
from audit_pipelines.seal.verify.files import Digests, compare
from audit_pipelines.seal.verify.heads import Heads
from audit_pipelines.seal.verify.sized import SizedTiles
from audit_pipelines.seal.verify.told import Told


def check_reports(home: Home, told: Sequence[Told], events: Heads, digests: Digests) -> Check:
    """Every file of every stated revision; revisions that no statement names."""
    stated = told[0].reports
    tasks, faults = [], []
    for (month, revision), (index, item) in sorted(stated.items()):
        whose = f"statement {index} (report {month} r{revision})"
        tasks += [Digest(str(home.root / file.path), file.path, file.sha256, whose) for file in item.files]
        faults += _log_faults(item, index, events)
        faults += _proof_faults(home, home.reports / month / f"r{revision}" / "proof", month, revision, told)
    faults += [fault for _, fault in compare(digests, tasks, "is missing; a report statement names it") if fault]
    named = {task.name for task in tasks}
    notes = []
    for folder in sorted(home.reports.glob("????-??/r*")) if home.reports.is_dir() else ():
        number = folder.name[1:]
        if number.isdecimal() and (folder.parent.name, int(number)) not in stated:
            newer = int(number) > max((revision for month, revision in stated if month == folder.parent.name), default=0)
            text = f"{home.relative(folder)} is not stated yet"
            if newer:
                notes.append(f"{text}: the next report run does that")
            else:
                faults.append(Fault("no statement names this revision", home.relative(folder)))
        elif number.isdecimal():
            extra = sorted(home.relative(path) for path in folder.iterdir() if path.is_file())
            faults += [Fault("is not part of the report that was stated", name) for name in extra if name not in named]
    return Check("reports", f"{counted(len(tasks), 'file')} of {counted(len(stated), 'revision')}", tuple(faults), tuple(notes))


def _log_faults(item: st.Report, index: int, events: Heads) -> list[Fault]:
    if item.log_size > events.size or item.statements > index:
        text = (
            f"statement {index} (report {item.month} r{item.revision}): is made from {item.log_size} leaves and {item.statements}"
        )
        return [Fault(f"{text} statements, which were not there")]
    return []


def _proof_faults(home: Home, folder: Path, month: str, revision: int, told: Sequence[Told]) -> list[Fault]:
    """``proof/`` is made of the log that was there then, so it can be made again and compared."""
    file = folder / "report.tlog-proof"
    if not file.is_file():
        return []
    content = file.read_bytes()
    for log in told:
        stated = log.reports.get((month, revision))
        sizes = [size for size in log.heads.sizes if stated is not None and size > stated[0]]
        if stated is None or not sizes:
            continue
        size = min(sizes)
        try:
            path = proofs.inclusion(SizedTiles(log.heads.folder, log.size), stated[0], size)
        except EvidenceError as error:
            return [Fault(f"cannot be compared: {error.what}", home.relative(file))]
        if content == proofs.tlog_proof(stated[0], path, log.heads.sizes[size].data):
            statement = folder / "statement.json"
            good = not statement.is_file() or statement.read_bytes() == log.entries[stated[0]] + b"\n"
            return [] if good else [Fault("is not the statement", home.relative(statement))]
    return [Fault("is not what the log gives", home.relative(file))]
