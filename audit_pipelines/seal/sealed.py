"""The sealed log of a home: both logs, opened, founded and extended.

Each batch is a contiguous range of leaves in the events log and one statement in the statements log. The
order of a batch: leaves, events checkpoint, batch statement, statements checkpoint; a killed run goes on
where it stopped. The caller holds the home's lock. What does not belong here: which batches there are and
what else is stated (``defs``).
"""

import base64
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from audit_pipelines.batch import Batch
from audit_pipelines.digest import sha256
from audit_pipelines.durable import make_folder, sync_folder
from audit_pipelines.errors import EvidenceError, SealError
from audit_pipelines.home import Home
from audit_pipelines.retention import Policy
from audit_pipelines.seal import keys, leaves, ledger
from audit_pipelines.seal import statements as st
from audit_pipelines.seal.appending import append, entries, finish_pending, keep_pending, pending
from audit_pipelines.seal.ledger import Ledger
from audit_pipelines.seal.log import Log, checkpoint_after, is_founded, read_checkpoint
from audit_pipelines.seal.notary import Notary
from audit_pipelines.seal.standalone import Bad, Edge, leaf_hash, open_checkpoint
from audit_pipelines.seal.tiles import Tiles
from audit_pipelines.settings import Settings

_PAIRS: Final = 1000
"""Conflicts in one statement."""


def keys_folder(home: Home, settings: Settings) -> Path:
    """Where the keys lie: ``seal.keys``, relative to the home."""
    return home.root / settings.seal.keys


def default_origin(settings: Settings) -> str:
    """What the names of a new log begin with."""
    return settings.seal.origin or f"audit-pipelines/{settings.organisation.id}"


@dataclass(slots=True)
class SealedLog:
    """Both logs of a home, open for appending."""

    home: Home
    events: Log
    statements: Log
    ledger: Ledger

    def state(self, *items: st.AnyStatement) -> None:
        """Append statements under one checkpoint."""
        append(self.statements, [st.encode(item) for item in items])
        self.ledger = Ledger([*self.ledger.statements, *items])

    def seal(self, batch: Batch, conflicts: Sequence[tuple[int, int | None]] = ()) -> None:
        """Seal one batch, the next in order.

        Args:
            batch: a committed batch; its evidence is read and compared with its digests.
            conflicts: (leaf, first leaf with the same id) of the batch's conflicts.

        Raises:
            SealError: it is not the next one, a file is damaged, or the notary refuses.
        """
        if batch.seq != (due := len(self.ledger.batches()) + 1):
            what = f"batch {batch.seq} cannot be sealed, batch {due} is the next"
            raise SealError(what, where=str(self.home.batch(batch.seq)), todo="seal the batches in their order")
        head = self.events.head()
        head = self.events.extend(self._leaves(batch) if head.size == batch.first else ())
        if head.size != batch.size:
            what = f"batch {batch.seq} holds leaves {batch.first} to {batch.size}, the log ends at {head.size}"
            raise SealError(what, where=str(self.events.folder), todo="see docs/operations.md, Restore")
        self.state(
            self._statement(batch, base64.b64encode(head.root).decode()),
            *(st.Conflict(batch=batch.seq, leaves=tuple(conflicts[at : at + _PAIRS])) for at in range(0, len(conflicts), _PAIRS)),
        )

    def _leaves(self, batch: Batch) -> Iterator[bytes]:
        for file in batch.evidence:
            path = self.home.root / file.path
            _check_digest(path, file.sha256)
            count = 0
            for block in leaves.hashes(path):
                count += len(block) // 32
                yield block
            if count != file.count:
                what = f"{count} lines, the manifest says {file.count}"
                raise SealError(what, where=str(path), todo="restore it from a backup")

    def _statement(self, batch: Batch, root: str) -> st.Batch:
        path = self.home.batch(batch.seq)
        return st.Batch(
            seq=batch.seq,
            run_id=batch.run_id,
            extracted_at=batch.extracted_at,
            manifest=st.digested(self.home, path),
            events=st.Range(first=batch.first, size=batch.size, root=root),
            oldest=min((file.oldest for file in batch.evidence), default=None),
            newest=max((file.newest for file in batch.evidence), default=None),
            late=sum(result.late for result in batch.sources),
            rejects=sum(result.rejects for result in batch.sources),
            previous_token_sha256=newest_token(self.home),
            code=batch.code,
        )

    def take_over(self, item: st.Batch, tiles: Tiles) -> None:
        """Append the leaves of a batch from the tiles of an older log of this home; its evidence may be purged.

        Raises:
            SealError: they do not give the root that was stated.
        """
        head = self.events.head()
        if head.size == item.events.first < item.events.size:
            head = self.events.extend([tiles.leaves(item.events.first, item.events.size)])
        if (head.size, base64.b64encode(head.root).decode()) != (item.events.size, item.events.root):
            what = f"batch {item.seq} of the old log does not give its root"
            raise SealError(what, where=str(self.events.folder), todo="run: audit-pipelines verify")

    def checkpoint_of(self, seq: int) -> tuple[int, bytes]:
        """The batch statement's index, and the first statements checkpoint that has it.

        Raises:
            EvidenceError: the batch is not sealed.
        """
        found = self.ledger.batches().get(seq)
        if found is None:
            raise EvidenceError("the batch is not sealed", where=f"batch {seq}", todo="run: audit-pipelines night")
        folder = self.statements.folder
        return found[0], read_checkpoint(folder, checkpoint_after(folder, found[0]))


def anchors(home: Home) -> Path:
    """Tokens and cosignatures of statements checkpoints, by size."""
    return home.log / "anchors"


def newest_token(home: Home) -> str | None:
    """Digest of the newest RFC 3161 token."""
    sizes = token_sizes(home)
    return sha256(anchors(home) / f"{sizes[-1]}.tsr") if sizes else None


def token_sizes(home: Home) -> list[int]:
    """Statements sizes that have a token, smallest first."""
    return sorted(int(path.stem) for path in anchors(home).glob("*.tsr") if path.stem.isdecimal())


def set_aside_logs(home: Home) -> list[Path]:
    """The folders ``log.<n>`` of logs that were set aside, oldest first."""
    found = [path for path in home.root.glob("log.*") if path.is_dir() and path.suffix[1:].isdecimal()]
    return sorted(found, key=lambda path: int(path.suffix[1:]))


def _check_digest(path: Path, expected: str) -> None:
    """Compare a file with the digest of its manifest before it is sealed.

    Raises:
        SealError: it is missing or differs.
    """
    try:
        found = sha256(path)
    except OSError as error:
        raise SealError(f"cannot be read: {error.strerror}", where=str(path), todo="restore it from a backup") from None
    if found != expected:
        todo = "it is not sealed; restore it from a backup"
        raise SealError(f"SHA-256 is {found}, the manifest says {expected}", where=str(path), todo=todo)


def read_ledger(home: Home, folder: Path | None = None) -> Ledger | None:
    """The ledger as the newest statements checkpoint has it, its root recomputed; None = not founded.

    Reads only; signatures are not verified. ``folder`` is the log's, ``log`` unless said.

    Raises:
        EvidenceError: log and checkpoint do not fit.
    """
    folder = (folder or home.log) / "statements"
    if not is_founded(folder):
        return None
    try:
        head = open_checkpoint(read_checkpoint(folder), [], str(folder / "checkpoint"))
    except Bad as error:
        raise EvidenceError(str(error), where=str(folder), todo="restore log/ from a backup") from None
    found = entries(folder, head.size)
    edge = Edge()
    for entry in found:
        edge.append(leaf_hash(entry))
    if edge.root() != head.root:
        raise EvidenceError(
            "the statements do not give the checkpoint's root", where=str(folder), todo="run: audit-pipelines verify"
        )
    return ledger.read(found, str(folder))


def begun_ledger(home: Home) -> Ledger | None:
    """The ledger of a log whose founding was killed before its first checkpoint."""
    begun = pending(home.log / "statements")
    if begun is None or (home.log / "statements" / "checkpoint").is_file():
        return None
    return ledger.read(begun[1], str(home.log / "statements" / "pending"))


def open_log(home: Home, settings: Settings) -> SealedLog | None:
    """Open a founded log, after finishing what a killed run had begun; None = there is no log yet.

    Raises:
        SealError: a key that must sign is missing or damaged.
        EvidenceError: the log is damaged.
    """
    known = read_ledger(home)
    if known is None:
        known = begun_ledger(home)
        if known is None:
            return None
        return found_with(home, settings, known.genesis)
    opened = _opened(home, settings, known)
    if pending(opened.statements.folder) is not None:
        finish_pending(opened.statements)
        known = read_ledger(home)
        assert known is not None
        opened = _opened(home, settings, known)
    return opened


def found_log(home: Home, settings: Settings, at: datetime) -> SealedLog:
    """Found the home's log with the one key in the keys' folder.

    Args:
        home: a home without a log.
        settings: its settings.
        at: the genesis statement's time.

    Raises:
        SealError: there is a log, or no key, or more than one; or the notary has signed for this name before.
    """
    if read_ledger(home) is not None or pending(home.log / "statements") is not None:
        raise SealError("there is a log already", where=str(home.log), todo="the next night goes on with it")
    folder = keys_folder(home, settings)
    there = keys.listing(folder)
    if len(there) != 1:
        what = "there is no signing key" if not there else f"{len(there)} keys, and none is in force yet"
        todo = "make one with: audit-pipelines keys new" if not there else "keep the one that is to sign, move the others away"
        raise SealError(what, where=str(folder), todo=todo)
    policy = stated_policy(settings)
    genesis = st.Genesis(
        at=at,
        organisation=settings.organisation.id,
        origin=default_origin(settings),
        public_key=keys.text_of(there[0]),
        months=policy.months,
        sources=dict(policy.sources),
    )
    return found_with(home, settings, genesis)


def stated_policy(settings: Settings) -> Policy:
    """The retention policy that the settings state."""
    return Policy(months=settings.retention.months, sources=dict(sorted(settings.retention.sources.items())))


def found_with(home: Home, settings: Settings, genesis: st.Genesis) -> SealedLog:
    """Found a log that begins with ``genesis``; kept in ``pending`` first, so that a killed founding goes on with the same."""
    opened = _opened(home, settings, Ledger([genesis]))
    if pending(opened.statements.folder) is None:
        keep_pending(opened.statements, [st.encode(genesis)])
    opened.events.extend([])
    finish_pending(opened.statements)
    return opened


def _opened(home: Home, settings: Settings, known: Ledger) -> SealedLog:
    folder = keys_folder(home, settings)
    where = str(home.log / "statements")
    signers = [keys.load(folder, keys.public_of(text, where)) for text in known.signing_keys()]
    notary = Notary(folder, signers)
    origin = known.genesis.origin
    trusted = [keys.public_of(text, where) for text in known.all_keys()]
    logs = [Log(home.log / name, f"{origin}/{name}", notary, trusted, home.staging) for name in ("events", "statements")]
    return SealedLog(home, logs[0], logs[1], known)


def set_aside(home: Home) -> Path:
    """Rename ``log`` to the first free ``log.<n>``, after a restore."""
    number = 1
    while (aside := home.root / f"log.{number}").exists():
        number += 1
    os.rename(home.log, aside)
    sync_folder(home.root)
    make_folder(home.log)
    return aside
