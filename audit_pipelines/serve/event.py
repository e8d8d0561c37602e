"""One event whole: its columns, the record as it was received, and the proof that it is in the sealed log.

The record and its salt come from the evidence file, the proof from the log's tiles and its newest checkpoint, so
that what is shown is what a verifier checks. What does not belong here: who may see it, and the page (``web``).
"""

import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from audit_pipelines.batch import EvidenceFile
from audit_pipelines.errors import EvidenceError
from audit_pipelines.home import Home
from audit_pipelines.lake.evidence import ERASED, RECORD_AT, SALT_BYTES, FrameCache, leaf_hash
from audit_pipelines.seal import proofs
from audit_pipelines.seal.log import read_checkpoint
from audit_pipelines.seal.tiles import Tiles
from audit_pipelines.serve.catalog import Snapshot
from audit_pipelines.serve.engine import Engine, FilesChanged
from audit_pipelines.serve.filters import Filter, where
from audit_pipelines.serve.sql import over, statement

_COLUMNS: Final = (
    "uid", "event_id", "occurred_at", "source", "dialect", "org_id", "category", "action", "outcome", "actor_type", "actor_id",
    "actor_name", "actor_email", "targets", "target_type", "target_id", "target_name", "source_ip", "user_agent", "changes",
    "api_key_id", "session_id", "request_id", "extracted_at", "line", "leaf_index",
)  # fmt: skip
"""Of leaf.sql, in order."""


@dataclass(frozen=True, slots=True)
class Proof:
    """That a leaf is in the log of ``size`` leaves, whose head is signed."""

    leaf: int
    size: int
    path: tuple[bytes, ...]
    """Hashes from the leaf upwards (RFC 6962, 2.1.1)."""
    checkpoint: bytes
    """The signed head (C2SP tlog-checkpoint)."""

    def text(self, salt: bytes) -> bytes:
        """As a file (C2SP tlog-proof), with the salt that the leaf's hash needs."""
        return proofs.tlog_proof(self.leaf, self.path, self.checkpoint, salt)


@dataclass(frozen=True, slots=True)
class Whole:
    """An event, and what its figures rest on."""

    event: dict[str, Any]
    """By column; ``targets`` and ``changes`` are lists of dicts."""
    record: bytes
    """As the source sent it."""
    salt: bytes
    leaf_hash: bytes
    batch: int
    evidence: EvidenceFile
    proof: Proof | None
    """None while its batch is not sealed."""


class Events:
    """Single events of a home. Safe to use from several threads."""

    def __init__(self, home: Home, engine: Engine) -> None:
        self._home, self._engine = home, engine

    def find(self, log: Snapshot, filters: Sequence[Filter], leaf: int) -> Whole | None:
        """The event at ``leaf``; None if there is none, it is erased or purged, or ``filters`` hide it.

        Raises:
            LakeError, EvidenceError: evidence or log is damaged.
            QueryTimeout: it took too long.
            FilesChanged: a file is gone since the manifests were read.
        """
        file, batch = log.file_of(leaf), log.batch_of(leaf)
        if file is None or batch is None or leaf - file.first in file.erased:
            return None
        condition, params = where(filters)
        rows = self._engine.ask(over(condition, statement("leaf")), [file], {**params, "leaf": leaf})
        if not rows:
            return None
        line = FrameCache(1).line(self._home.root / file.path, file.frames, file.bytes, leaf - file.first)
        if line.startswith(ERASED):
            return None
        return Whole(
            event=dict(zip(_COLUMNS, rows[0], strict=True)),
            record=line[RECORD_AT:],
            salt=binascii.unhexlify(line[: 2 * SALT_BYTES]),
            leaf_hash=leaf_hash(line),
            batch=batch.seq,
            evidence=file,
            proof=self.prove(leaf),
        )

    def leaves(self, log: Snapshot, filters: Sequence[Filter], identity: str) -> list[int]:
        """The leaves of the events with this uid, or this id of their source, that ``filters`` show."""
        condition, params = where(filters)
        for name in ("leaves_uid", "leaves_event_id"):  # one column each: files without the value are then skipped
            found = self._engine.ask(over(condition, statement(name)), log.files, {**params, "id": identity})
            if found:
                return [leaf for (leaf,) in found]
        return []

    def records(self, log: Snapshot, leaves: Sequence[int], *, most: int) -> list[bytes]:
        """The records at ``leaves`` as their sources sent them, in this order; the first ones only where all are too large.

        Args:
            log: the log.
            leaves: of events that are still there.
            most: bytes of all records together; one record is given whatever its size.

        Raises:
            LakeError: evidence is damaged.
            FilesChanged: a leaf is purged by now.
        """
        files = [log.file_of(leaf) for leaf in leaves]
        there = [file for file in files if file is not None]
        if len(there) != len(leaves):
            raise FilesChanged("purged")
        count = len(leaves)
        while (lines := self.lines(there[:count], leaves[:count], most=most)) is None:
            count = (count + 1) // 2
        return [line[RECORD_AT:] for line in lines]

    def lines(self, files: Sequence[EvidenceFile], leaves: Sequence[int], *, most: int) -> list[bytes] | None:
        """``SALT RECORD`` of each leaf; ``files`` are the leaves' own. None where they are more than ``most`` bytes.

        Each frame is read once, in whatever order its lines are wanted.
        """
        frames = FrameCache(1)
        root = self._home.root
        found: dict[int, bytes] = {}
        for file, leaf in sorted(zip(files, leaves, strict=True), key=lambda item: item[1]):
            line = frames.line(root / file.path, file.frames, file.bytes, leaf - file.first)
            most -= len(line)
            if most < 0 and len(leaves) > 1:
                return None
            found[leaf] = line
        return [found[leaf] for leaf in leaves]

    def prove(self, leaf: int) -> Proof | None:
        """The proof under the newest checkpoint; None if that does not reach the leaf yet."""
        folder = self._home.log / "events"
        try:
            checkpoint = read_checkpoint(folder)
        except EvidenceError:
            return None
        size = checkpoint_size(checkpoint)
        if leaf >= size:
            return None
        return Proof(leaf, size, tuple(proofs.inclusion(Tiles(folder), leaf, size)), checkpoint)


def checkpoint_size(checkpoint: bytes) -> int:
    """The size that a signed head states on its second line; nothing is verified here."""
    return int(checkpoint.split(b"\n", 2)[1])
