"""The chapter on the log's integrity: its tables, the heads and keys as printed, and the commands that check them.

Every figure is one that a reader can count again in ``statements.ndjson``, which goes with the report. What
does not belong here: gathering (the caller's ``Integrity``) and looks (``templates/report``).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from audit_pipelines.typeset.facts import Facts
from audit_pipelines.typeset.integrity import Decision, Head, Integrity
from audit_pipelines.typeset.ledgers import ranges
from audit_pipelines.typeset.spec import Column
from audit_pipelines.typeset.tables import Attachment, fixed
from audit_pipelines.typeset.text import plain

Model = dict[str, object]
_TEXT: Final = 1_000
"""Characters of a decision's text that are printed; the statement has the whole."""

_WIDTH: Final = 98
"""Characters of a command's line on the page."""

FIGURES: Final[Mapping[str, Callable[[Integrity], int]]] = {
    "statements-size": lambda found: found.statements.size,
    "statements-listed": lambda found: found.statements.size - found.statements_before.size,
    "batches-sealed": lambda found: len(found.batches),
    "batches-followed": lambda found: sum(batch.followed for batch in found.batches),
    "drills": lambda found: sum(drill.times for drill in found.drills),
    "drills-noticed": lambda found: sum(drill.noticed for drill in found.drills),
    "decisions": lambda found: len(found.decisions),
    "events-erased": lambda found: found.erased,
}
"""Facts that a report's figures may name."""


def groups(text: str) -> str:
    """Hex digits in groups of eight, to be compared by eye."""
    return " ".join(text[at : at + 8] for at in range(0, len(text), 8))


def model(facts: Facts) -> Model:
    """The part of ``report.json`` that the chapter's own pages print."""
    found = facts.integrity
    return {
        "origin": plain(found.origin),
        "keys": [
            {
                "fingerprint": key.fingerprint,
                "groups": groups(key.fingerprint),
                "events": key.events,
                "statements": key.statements,
                "since": key.since,
                "until": key.until,
            }
            for key in found.keys
        ],
        "heads": [
            _head("Events log before the month", found.events_before, "events.old.checkpoint"),
            _head("Events log of this report, size S", found.events, "events.checkpoint"),
            _head("Statements log of this report, size T", found.statements, "statements.checkpoint"),
        ],
        "statements_before": found.statements_before.size,
        "checks": _checks(facts),
    }


def _head(title: str, head: Head, file: str) -> Model:
    return {
        "title": title,
        "size": head.size,
        "root": head.root_base64,
        "root_hex": head.root.hex(),
        "groups": groups(head.root.hex()),
        "text": head.text,
        "file": file,
    }


def attachments(facts: Facts) -> list[Attachment]:
    """Checkpoints, proof, keys and statements."""
    return [Attachment(file.name, file.description, file.content, file.lines) for file in facts.integrity.files]


def _checks(facts: Facts) -> list[Model]:
    """What a reader checks, with what, in the order in which each rests on the one before."""
    events, statements = (
        " ".join(
            f"-vkey @{file.name}" for file in facts.integrity.files if file.name.startswith(f"{log}.") and "vkey" in file.name
        )
        for log in ("events", "statements")
    )
    signing = [key.fingerprint for key in facts.integrity.keys if key.until is None]
    pdf, proof = facts.pdf_name, "proof/report.tlog-proof"
    bundle = f"{facts.organisation.id}.evidence.{facts.this.month:%Y-%m}.zip"
    given = " ".join(f"--key {fingerprint}" for fingerprint in signing)
    inclusion = f"tlogverify inclusion {statements} -proof {proof} -record proof/statement.json -line"
    batch = f"tlogverify batch {statements} -old statements.old.checkpoint -edge statements.edge"
    kept = f"tlogverify consistency {events} -old YOURS -new log/events/checkpoint -tiles log/events"
    found = (
        ("The files belong together; the PDF carries all of them but SHA256SUMS", "pdfdetach, sha256sum",
         f"pdfdetach -saveall {pdf}\nsha256sum -c SHA256SUMS"),
        ("The key is the one you were given by another way", "sha256sum",
         "cut -d+ -f3- events.vkey | base64 -d | sha256sum"),
        ("The events log of this report is the one of before the month, only longer", "tlogverify",
         f"tlogverify consistency {events} -old events.old.checkpoint -proof events.consistency"),
        ("statements.ndjson has every statement made since then up to T, in order", "tlogverify",
         f"{batch} -new statements.checkpoint -leaves statements.ndjson -format lines"),
        ("This PDF is the one that was stated in the log after it was made", "tlogverify, sha256sum",
         f'{inclusion}\ngrep -c "$(sha256sum {pdf} | cut -c 1-64)" proof/statement.json'),
        ("The month's records are those that were sealed: the evidence bundle, which you ask for", "Python",
         f"python3 verify_bundle.py {bundle} {given}"),
        ("A checkpoint that you kept, of a drop or an earlier report, is of this log: at the home", "tlogverify", kept),
        ("The whole home: tiles, files, drops, reports, removals", "the program itself", "audit-pipelines verify"),
    )  # fmt: skip
    return [{"shows": shows, "tool": tool, "command": _folded(command)} for shows, tool, command in found]


def _folded(command: str) -> str:
    """Lines that are too long for the page go on in the next one, as a shell reads them."""
    lines = []
    for line in command.split("\n"):
        parts = line.split(" -")
        whole = parts[0]
        for part in parts[1:]:
            fits = len(whole.rpartition("\n")[2]) + len(part) + 4 <= _WIDTH
            whole += f" -{part}" if fits else f" \\\n    -{part}"
        lines.append(whole)
    return "\n".join(lines)


def sealed(facts: Facts) -> Model:
    """What the statements say of the month, a question a row, with the statements' numbers."""
    found = facts.integrity
    batches, count = found.batches, len(found.batches)
    conflicts = [number for batch in batches for number in batch.conflict_statements]
    named = sum(batch.names_token for batch in batches)
    differs = "".join(f"; {source}: {months}" for source, months in sorted(found.policy_sources.items()))
    tried, noticed = FIGURES["drills"](found), FIGURES["drills-noticed"](found)
    rows: list[list[object]] = [
        [
            "Batches of the month, sealed",
            f"{count:,} of {len(facts.batches):,}",
            ranges([batch.statement for batch in batches]),
        ],
        ["Their entries in the log", f"{sum(batch.size - batch.first for batch in batches):,}", ""],
        ["Events in them that came late", f"{sum(batch.late for batch in batches):,}", ""],
        ["Records not readable as events", f"{sum(batch.rejects for batch in batches):,}", ""],
        [
            "Records under an id seen before, with other bytes",
            f"{sum(batch.conflicts for batch in batches):,}",
            ranges(conflicts),
        ],
        ["Drills stated, and alterations noticed", f"{tried:,}, {'all' if tried == noticed else f'{noticed:,}'} noticed", ""],
        ["Batches younger than a time-stamp token", f"{named:,} of {count:,}", ""],
        ["Batches older than a time-stamp token", f"{FIGURES['batches-followed'](found):,} of {count:,}", ""],
        ["Retention policy when the month ended", f"{found.policy_months} months{differs}", ""],
        ["Legal holds when the month ended", f"{len(found.holds)}" + (f": {', '.join(found.holds)}" if found.holds else ""), ""],
        ["Events of the month that were erased", f"{found.erased:,}", ranges(found.erasures)],
    ]
    columns = (
        Column(key="what", label="What", width=42),
        Column(key="stated", label="Stated", width=28),
        Column(key="statements", label="Statements", width=30),
    )
    return fixed(columns, rows)


def drills(facts: Facts) -> Model:
    """The alterations that drills tried on copies of batches."""
    columns = (
        Column(key="alteration", label="Altered in a copy"),
        Column(key="times", label="Times", format="number", width=14),
        Column(key="noticed", label="Noticed", format="number", width=14),
    )
    rows = [[drill.alteration, drill.times, drill.noticed] for drill in facts.integrity.drills]
    totals = {"times": sum(drill.times for drill in facts.integrity.drills)}
    return fixed(columns, rows, totals={**totals, "noticed": sum(drill.noticed for drill in facts.integrity.drills)})


def decisions(facts: Facts) -> Model:
    """Policies, holds, purges, erasures, keys and incidents, with who stated them."""
    return listed(facts.integrity.decisions)


def listed(found: Iterable[Decision]) -> Model:
    """Decisions as a table."""
    columns = (
        Column(key="at", label="Stated at, UTC", format="time", width=20),
        Column(key="kind", label="Kind", width=10),
        Column(key="text", label="What", width=41),
        Column(key="by", label="By", width=14),
        Column(key="statements", label="Statements", width=15),
    )
    rows = [[item.at, item.kind, item.text, item.by, ranges(item.statements)] for item in found]
    return fixed(columns, rows, cut=_TEXT)
