"""Logs that a restore set aside (``log.<n>``), and what the present log says of the one before it.

Their events were sealed anew in the log that follows, so evidence is not looked at here.
"""

from collections.abc import Iterable

from audit_pipelines.errors import SealError
from audit_pipelines.home import Home
from audit_pipelines.seal.keys import public_of
from audit_pipelines.seal.ledger import Ledger
from audit_pipelines.seal.sealed import set_aside_logs
from audit_pipelines.seal.standalone import Bad, Checkpoint, Key, open_checkpoint
from audit_pipelines.seal.verify.check import Check, Fault, counted
from audit_pipelines.seal.verify.heads import Heads, check_signatures, read_heads
from audit_pipelines.seal.verify.statements import check_statements, read_ledger
from audit_pipelines.seal.verify.tiles import examine, groups, tiles_check
from audit_pipelines.seal.verify.told import Told


def check_old(home: Home, ledger: Ledger) -> tuple[Check, list[Told]]:
    """Signatures, tiles and statements of each old log, and whether the present one follows the last of them."""
    faults: list[Fault] = []
    notes: list[str] = []
    there = set_aside_logs(home)
    keys = set(ledger.all_keys())
    told: list[Told] = []
    last: dict[str, Heads] = {}
    for folder in there:
        last = {name: read_heads(home, folder / name) for name in ("events", "statements")}
        known, found, unread = read_ledger(home, last["statements"])
        if known is None:
            faults += unread or [Fault("holds no statements", home.relative(folder))]
            continue
        keys |= set(known.all_keys())
        faults += check_signatures(known, last["events"], last["statements"], ()).check.faults
        for heads in last.values():
            broken = [fault for group in groups(heads.folder, heads.size) for fault in examine(group)]
            faults += tiles_check(home, heads, broken).faults
        faults += check_statements(home, last["statements"], known, found, unread, last["events"].roots).faults
        told.append(Told.of(known, found, last["statements"]))
    faults += _previous(ledger, keys, last, notes)
    return Check("old logs", counted(len(there), "log"), tuple(faults), tuple(notes)), told


def _previous(ledger: Ledger, keys: set[str], last: dict[str, Heads], notes: list[str]) -> list[Fault]:
    """The checkpoints that the genesis statement says came before."""
    faults = []
    for name, text in (("events", ledger.genesis.previous_events), ("statements", ledger.genesis.previous_statements)):
        if not text:
            continue
        what = f"statement 0: the last checkpoint of the {name} log before"
        try:
            note = _opened(text, keys)
        except (Bad, SealError) as error:
            faults.append(Fault(f"{what}: {error}"))
            continue
        if not last:
            notes.append(f"the {name} log before this one ({note.size} leaves) is not here")
        elif note.size > last[name].size:
            notes.append(f"the {name} log before this one had {note.size} leaves, {last[name].size} are here: the rest was lost")
        elif last[name].roots.get(note.size) != note.root:
            faults.append(Fault(f"{what} is not of the log that was set aside"))
    return faults


def _opened(text: str, keys: Iterable[str]) -> Checkpoint:
    origin = open_checkpoint(text.encode(), [], "checkpoint").origin
    return open_checkpoint(text.encode(), [Key(origin, public_of(key, "statements")) for key in keys], "checkpoint")
