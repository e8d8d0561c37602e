"""The log of statements as pages tell of it: its ledger, and that a statement is in the signed tree.

The ledger is read again whenever the newest checkpoint is another one. An inclusion is not claimed but worked out:
from the statement's bytes and its path to the root that the checkpoint signs. What does not belong here: what
statements mean (``seal.ledger``).
"""

import threading
from dataclasses import dataclass

from audit_pipelines.errors import AuditError, EvidenceError
from audit_pipelines.home import Home
from audit_pipelines.seal import keys, proofs, sealed
from audit_pipelines.seal.appending import entries
from audit_pipelines.seal.inclusion import root_of
from audit_pipelines.seal.ledger import Ledger
from audit_pipelines.seal.log import checkpoint_after, read_checkpoint
from audit_pipelines.seal.standalone import Bad, Key, leaf_hash, open_checkpoint
from audit_pipelines.seal.tiles import Tiles


@dataclass(frozen=True, slots=True)
class Inclusion:
    """Where a statement stands in the log, and whether the arithmetic holds."""

    index: int
    """Its number; the first is 0."""
    size: int
    """Of the first checkpoint that covers it."""
    root: str
    """That checkpoint's root, in hex."""
    path: tuple[str, ...]
    """Hashes from the statement upwards, in hex."""
    signers: tuple[str, ...]
    """Fingerprints of the log's keys whose signatures on the checkpoint hold."""
    fault: str
    """Why it does not hold; empty = it does."""


class Statements:
    """The statements of one home. Safe to use from several threads."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._kept: tuple[bytes, Ledger | None] | None = None
        self._included: dict[tuple[bytes, int], Inclusion] = {}

    def head(self) -> bytes:
        """The newest checkpoint's bytes; empty where there is no log yet."""
        try:
            return read_checkpoint(self._home.log / "statements")
        except EvidenceError:
            return b""

    def ledger(self) -> Ledger | None:
        """All statements; None where there is no log yet.

        Raises:
            EvidenceError: the log is damaged.
        """
        head = self.head()
        with self._lock:
            if self._kept is None or self._kept[0] != head:
                self._kept = head, sealed.read_ledger(self._home)
                self._included.clear()
            return self._kept[1]

    def fingerprints(self) -> tuple[str, ...]:
        """Of every key that ever signed, oldest first."""
        known = self.ledger()
        return tuple(keys.fingerprint(keys.public_of(text, "log")) for text in known.all_keys()) if known else ()

    def inclusion(self, index: int) -> Inclusion:
        """Where statement ``index`` stands under the first checkpoint that covers it.

        Raises:
            EvidenceError: the log is damaged.
        """
        known, key = self.ledger(), (self.head(), index)
        if known is None or not 0 <= index < len(known.statements):
            raise EvidenceError(f"no statement {index}", where=str(self._home.log / "statements"))
        if key not in self._included:
            self._included[key] = self._work_out(known, index)
        return self._included[key]

    def _work_out(self, known: Ledger, index: int) -> Inclusion:
        folder = self._home.log / "statements"
        size = checkpoint_after(folder, index)
        path = proofs.inclusion(Tiles(folder), index, size)
        entry = entries(folder, size)[index]
        trusted = [Key(f"{known.genesis.origin}/statements", keys.public_of(text, "log")) for text in known.all_keys()]
        signers: tuple[str, ...] = ()
        try:
            found = open_checkpoint(read_checkpoint(folder, size), trusted, f"the checkpoint of {size} statements")
            signers = tuple(key.fingerprint for key in found.signers)
            good = found.root == root_of(leaf_hash(entry), index, size, path)
            fault = "" if good else "the statement does not lead to the checkpoint's root"
            fault = fault or ("" if signers else "no signature by a key of this log")
            root = found.root.hex()
        except (Bad, AuditError) as error:
            root, fault = "", str(error)
        return Inclusion(index, size, root, tuple(node.hex() for node in path), signers, fault)
