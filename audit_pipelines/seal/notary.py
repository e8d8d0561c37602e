"""The notary: signs a checkpoint only if it extends the last one it signed, by its own memory.

The memory lies beside the keys, not in the home: someone who rolls the home back, cuts its log or forks it
gets no signature (RFC 6962 consistency, C2SP tlog-checkpoint). It is written before the signature is given,
so that a crash can cost a signature but never allows a second one for other leaves. What does not belong
here: making keys (``keys``) and the log's files (``log``).
"""

import base64
import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from audit_pipelines.durable import make_folder, write_atomically
from audit_pipelines.errors import SealError
from audit_pipelines.seal.keys import Signer
from audit_pipelines.seal.standalone import EMPTY_ROOT, Bad, Checkpoint, Key, check_consistency, strict_base64

_RESTORE = "the home was rolled back or its log changed; if you restored it, see docs/operations.md, Restore"
_GENESIS = 1
"""Without a memory only a log that begins is signed: the empty one, or the one that holds its genesis."""


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What was signed last for one origin."""

    origin: str
    size: Annotated[int, msgspec.Meta(ge=0)]
    root: str
    note: str
    """The signed checkpoint before this one, or this one: the newest that is known to have been given out."""


@dataclass(frozen=True, slots=True)
class Notary:
    """Signs for the logs of one home with all keys that are in force."""

    folder: Path
    """The keys' folder; the memory is in its ``memory``."""
    signers: Sequence[Signer]

    def memory(self, origin: str) -> Memory | None:
        """What was signed last; None = nothing yet.

        Raises:
            SealError: it is damaged, or of another log.
        """
        path = self._path(origin)
        try:
            found = msgspec.json.decode(path.read_bytes(), type=Memory)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise SealError(f"the signer's memory cannot be read: {error}", where=str(path), todo=_RESTORE) from None
        if found.origin != origin:
            raise SealError(f"the signer's memory is of {found.origin}", where=str(path), todo=_RESTORE)
        return found

    def sign(self, head: Checkpoint, proof: Callable[[int, int], Sequence[bytes]], *, since: int = 0) -> bytes:
        """A signed note for ``head``.

        Args:
            head: the tree head to sign.
            proof: gives consistency proofs from the log itself.
            since: size of the log's newest checkpoint. Whoever slips statements into a log can make a key of his
                own a trusted one by them; but only what was signed here stands in the memory.

        Raises:
            SealError: it does not extend what was signed before, or a key does not sign.
        """
        with self._alone():
            last = self.memory(head.origin)
            self._check(head, last, proof)
            if last is not None and last.size < since:
                what = f"signed {head.origin} at {last.size}, but its newest checkpoint is of {since}"
                raise SealError(what, where=str(self._path(head.origin)), todo=_RESTORE)
            root = base64.b64encode(head.root).decode()
            if last is None or (last.size, last.root) != (head.size, root):
                given = last.note if last else ""
                self._remember(Memory(origin=head.origin, size=head.size, root=root, note=given))
            note = head.body + b"\n" + b"".join(self._line(head, signer) for signer in self.signers)
            self._remember(Memory(origin=head.origin, size=head.size, root=root, note=note.decode()))
            return note

    def announce(self, name: str, digest: str) -> None:
        """Note that the file ``name`` of this digest will come, so that nobody else's is signed in its place."""
        path, known = self.folder / "memory" / "announced.json", self._announced()
        make_folder(path.parent)
        content = msgspec.json.encode({**known, name: digest}, order="sorted") + b"\n"
        write_atomically(path, content, staging=path.parent, mode=0o600)

    def was_announced(self, name: str, digest: str) -> bool:
        """Whether ``announce`` was told exactly this.

        Raises:
            SealError: the memory is damaged.
        """
        return self._announced().get(name) == digest

    def _announced(self) -> dict[str, str]:
        path = self.folder / "memory" / "announced.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.MsgspecError, ValueError) as error:
            raise SealError(f"the signer's memory cannot be read: {error}", where=str(path), todo=_RESTORE) from None

    def _check(self, head: Checkpoint, last: Memory | None, proof: Callable[[int, int], Sequence[bytes]]) -> None:
        where = str(self._path(head.origin))
        if last is None:
            if head.size > _GENESIS:
                raise SealError(f"has no memory of {head.origin}, which has leaves already", where=where, todo=_RESTORE)
            return
        try:
            old = (last.size, strict_base64(last.root, 32, "the root"))
            nodes = [] if last.size > head.size else proof(last.size, head.size)
            check_consistency(old, head.head, nodes)
        except Bad as error:
            raise SealError(f"refused to sign {head.origin} at {head.size}: {error}", where=where, todo=_RESTORE) from None
        if last.size == 0 and old[1] != EMPTY_ROOT:
            raise SealError("the signer's memory is damaged", where=where, todo=_RESTORE)

    def _line(self, head: Checkpoint, signer: Signer) -> bytes:
        key = Key(head.origin, signer.public)
        signature = base64.b64encode(key.id + signer.sign(head.body)).decode()
        return f"\u2014 {head.origin} {signature}\n".encode()

    def _remember(self, memory: Memory) -> None:
        path = self._path(memory.origin)
        write_atomically(path, msgspec.json.encode(memory) + b"\n", staging=path.parent, mode=0o600)

    def _path(self, origin: str) -> Path:
        return self.folder / "memory" / f"{hashlib.sha256(origin.encode()).hexdigest()[:16]}.json"

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One signature at a time, whatever home asks; the kernel frees the lock at a kill."""
        make_folder(self.folder / "memory")
        descriptor = os.open(self.folder / "memory" / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            for left in (self.folder / "memory").glob("*.part"):
                left.unlink()
            yield
        finally:
            os.close(descriptor)
