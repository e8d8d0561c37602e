"""Checkpoints of a home as they lie there: which were signed, by whom, and whether by the right keys.

A home's own genesis and key statements say which keys were in force; whoever verifies may name a key that
they know from elsewhere, and then everything must follow from that one. Roots are not looked at here
(``tiles``).
"""

from bisect import bisect_left
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from audit_pipelines.errors import EvidenceError
from audit_pipelines.home import Home
from audit_pipelines.seal.keys import fingerprint, public_of
from audit_pipelines.seal.ledger import Ledger
from audit_pipelines.seal.log import checkpoint_path
from audit_pipelines.seal.standalone import Bad, Checkpoint, open_checkpoint, parse_vkey
from audit_pipelines.seal.standalone import Key as NoteKey
from audit_pipelines.seal.statements import Key
from audit_pipelines.seal.verify.check import Check, Fault, counted

_HEX: Final = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Head:
    """One checkpoint file."""

    file: str
    """Relative to the home."""
    data: bytes
    note: Checkpoint
    """Parsed; its signatures are not verified yet."""


@dataclass(slots=True)
class Heads:
    """All checkpoints of one log."""

    folder: Path
    name: str
    """``events`` or ``statements``."""
    sizes: dict[int, Head] = field(default_factory=dict)
    """``checkpoints/<size>``, smallest first."""
    current: Head | None = None
    """``checkpoint``."""
    faults: list[Fault] = field(default_factory=list)

    def keep(self, sizes: Container[int]) -> None:
        """Forget checkpoints of other sizes: nobody who counts has signed them."""
        self.sizes = {size: head for size, head in self.sizes.items() if size in sizes}
        if self.current and self.current.note.size not in sizes:
            self.current = None

    @property
    def newest(self) -> Head | None:
        """The one with the most leaves."""
        return max(
            [*self.sizes.values(), *([self.current] if self.current else [])], key=lambda head: head.note.size, default=None
        )

    @property
    def roots(self) -> dict[int, bytes]:
        """What the checkpoints say, by size."""
        return {head.note.size: head.note.root for head in self.all()}

    def all(self) -> list[Head]:
        """Each note once, smallest first; ``checkpoint`` only where it is no copy."""
        stored = self.sizes.get(self.current.note.size) if self.current else None
        extra = [self.current] if self.current and (stored is None or stored.data != self.current.data) else []
        return sorted([*self.sizes.values(), *extra], key=lambda head: head.note.size)

    @property
    def size(self) -> int:
        """Leaves of the log: what the newest checkpoint says."""
        return self.newest.note.size if self.newest else 0


def read_heads(home: Home, folder: Path) -> Heads:
    """Every checkpoint of a log, parsed; what cannot be parsed is a fault."""
    found = Heads(folder, folder.name)
    there = folder / "checkpoints"
    names = sorted((path.name for path in there.iterdir()), key=lambda name: (len(name), name)) if there.is_dir() else []
    for name in names:
        if name.endswith(".new"):
            continue  # a killed run left it; the next one takes it over
        head = _head(home, there / name, found.faults)
        if head is None:
            continue
        if str(head.note.size) == name:
            found.sizes[head.note.size] = head
        else:
            found.faults.append(Fault(f"is a checkpoint of {head.note.size} leaves", head.file))
    found.current = _head(home, checkpoint_path(folder), found.faults)
    if found.current is not None:
        stored = found.sizes.get(found.current.note.size)
        if stored is None:
            found.faults.append(Fault("is missing", f"{home.relative(there)}/{found.current.note.size}"))
        elif stored.data != found.current.data:
            found.faults.append(Fault(f"differs from {stored.file}", found.current.file))
    return found


def _head(home: Home, path: Path, faults: list[Fault]) -> Head | None:
    file = home.relative(path)
    try:
        data = path.read_bytes()
        return Head(file, data, open_checkpoint(data, [], "checkpoint"))
    except FileNotFoundError:
        faults.append(Fault("is missing", file))
    except (OSError, Bad) as error:
        faults.append(Fault(f"cannot be read: {error}", file))
    return None


def parse_given(given: Sequence[str]) -> list[str]:
    """Fingerprints of keys given as fingerprint or vkey.

    Raises:
        EvidenceError: one is neither.
    """
    found = []
    for text in given:
        lower = text.strip().lower()
        if len(lower) == 64 and _HEX.issuperset(lower):
            found.append(lower)
            continue
        try:
            found.append(parse_vkey(text.strip()).fingerprint)
        except Bad as error:
            todo = "give 64 hex digits (the fingerprint) or name+id+base64 (the vkey)"
            raise EvidenceError(f"no key: {error}", where="--key", todo=todo) from None
    return found


class Force:
    """Which keys were in force before which statement."""

    def __init__(self, ledger: Ledger) -> None:
        self.publics = {text: public_of(text, "statements") for text in ledger.all_keys()}
        self._changes = [index for index, item in enumerate(ledger.statements) if isinstance(item, Key)]
        self._states = [self._set(ledger.signing_keys(index)) for index in [*self._changes, None]]
        self._known = [self._set(Ledger(ledger.statements[:index]).all_keys()) for index in [*self._changes, None]]

    def _set(self, texts: Iterable[str]) -> frozenset[bytes]:
        return frozenset(self.publics[text] for text in texts)

    def signing(self, before: int) -> frozenset[bytes]:
        """Keys that signed before statement ``before``."""
        return self._states[bisect_left(self._changes, before)]

    def stated(self, before: int) -> frozenset[bytes]:
        """Keys that statements before ``before`` ever named."""
        return self._known[bisect_left(self._changes, before)]


@dataclass(frozen=True, slots=True)
class Note:
    """A checkpoint whose signatures are to be verified."""

    data: bytes
    name: str
    """Of the log that it has to be of."""
    publics: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Signed:
    """Which keys have signed a checkpoint; or what is wrong with it."""

    publics: frozenset[bytes]
    fault: str = ""


def examine(note: Note) -> Signed:
    """Verify the signatures of one checkpoint; runs in other processes."""
    try:
        origin = open_checkpoint(note.data, [], "checkpoint").origin
        if origin != note.name:
            return Signed(frozenset(), f"is of the log {origin}, this one is {note.name}")
        found = open_checkpoint(note.data, [NoteKey(note.name, public) for public in note.publics], "checkpoint")
    except Bad as error:
        return Signed(frozenset(), str(error).removeprefix("checkpoint: "))
    return Signed(frozenset(key.public for key in found.signers))


@dataclass(frozen=True, slots=True)
class Signers:
    """What came of looking at the signatures."""

    check: Check
    text: str
    trusted: bool


Examine = Callable[[Sequence[Note]], Iterable[Signed]]


def _one_by_one(notes: Sequence[Note]) -> Iterable[Signed]:
    return map(examine, notes)


def check_signatures(
    ledger: Ledger, events: Heads, statements: Heads, given: Sequence[str], verified: Examine = _one_by_one
) -> Signers:
    """Every checkpoint by every key that was in force then; the newest ones by a key that is trusted.

    Checkpoints that no key of the log has signed are forgotten: ``events`` and ``statements`` lack them afterwards.

    Raises:
        SealError: a key in the statements is none.
    """
    force = Force(ledger)
    faults: list[Fault] = []
    signed: dict[str, dict[int, frozenset[bytes]]] = {}
    for heads in (statements, events):
        needed = _needed(force, ledger, heads)
        notes = [Note(head.data, f"{ledger.genesis.origin}/{heads.name}", tuple(force.publics.values())) for head in heads.all()]
        signed[heads.name] = {}
        for head, found in zip(heads.all(), verified(notes), strict=True):
            signed[heads.name][head.note.size] = found.publics
            lacking = needed[head.note.size] - found.publics
            if found.fault:
                faults.append(Fault(found.fault, head.file))
            elif lacking:
                names = ", ".join(sorted(fingerprint(public)[:16] for public in lacking))
                faults.append(Fault(f"the key {names}, in force then, has not signed", head.file))
        faults += heads.faults
    trusted = _vouched(force, signed["statements"], given or [fingerprint(force.publics[ledger.genesis.public_key])])
    for heads in (statements, events):
        if heads.newest and not signed[heads.name].get(heads.size, frozenset()) & trusted:
            faults.append(Fault("is not signed by a key that is trusted", heads.newest.file))
        heads.keep({size for size, by in signed[heads.name].items() if by})
    unknown = [key for key in given if key not in {fingerprint(public) for public in force.publics.values()}]
    text = f"{counted(sum(map(len, signed.values())), 'checkpoint')} of both logs"
    told = tuple(f"the key {key} was given, and this log does not know it" for key in unknown)
    signer = _signer_text(force, trusted, len(ledger.statements), given)
    return Signers(Check("signatures", text, tuple(faults), told), signer, bool(given))


def _needed(force: Force, ledger: Ledger, heads: Heads) -> dict[int, frozenset[bytes]]:
    """Keys that must have signed, by size of the log."""
    sizes = [head.note.size for head in heads.all()]
    if heads.name == "statements":  # the keys from before it sign it; one that it retires need not
        return {size: force.signing(before) & force.signing(size) for before, size in zip([0, *sizes], sizes, strict=False)}
    ends = {batch.events.size: index for index, batch in sorted(ledger.batches().values(), key=lambda at: at[0], reverse=True)}
    return {size: force.signing(ends.get(size, len(ledger.statements) if size else 1)) for size in sizes}


def _signer_text(force: Force, trusted: frozenset[bytes], size: int, given: Sequence[str]) -> str:
    names = ", ".join(sorted(fingerprint(public) for public in force.signing(size) & trusted))
    if not names:
        return "signer unknown: no key that was given has signed here"
    if given:
        return f"signer {names}, by the key that was given"
    return f"signer as the home itself states: compare the fingerprint {names} with the one you were given"


def _vouched(force: Force, signed: dict[int, frozenset[bytes]], given: Sequence[str]) -> frozenset[bytes]:
    """Keys that follow from those given: each key stated under a checkpoint that a vouched one signed."""
    found = frozenset(public for public in force.publics.values() if fingerprint(public) in given)
    for size in sorted(signed):
        if signed[size] & found:
            found |= force.stated(size)
    return found
