"""Erased events stay out: the home keeps a keyed digest of each erased id, never the id.

The digest is keyed BLAKE2b (RFC 7693, 32 bytes) of ``<source>/<event_id>``, which is the uid without
``~n``: every record under an erased id is refused. The key lies in ``state/erased.key``; without it nobody
can try guessed ids against the digests. What does not belong here: erasing (``erase``).
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from audit_pipelines.durable import exclusive_umask, write_atomically
from audit_pipelines.errors import LakeError
from audit_pipelines.home import Home
from audit_pipelines.removal import Removal

KEY_BYTES: Final = 32
DIGEST_BYTES: Final = 32
_TODO: Final = "restore state/erased.key from a backup: without it erased events that a source still offers would come back"
Digest = Callable[[str], str]
"""Gives the keyed digest of a text in hex."""


def key_file(home: Home) -> Path:
    """Where the key lies."""
    return home.state / "erased.key"


def digester(key: bytes) -> Digest:
    """The digest under ``key``."""
    return lambda text: hashlib.blake2b(text.encode(), key=key, digest_size=DIGEST_BYTES).hexdigest()


def load_key(home: Home, removals: Sequence[Removal]) -> bytes:
    """The key that the digests in ``removals`` were made with.

    Raises:
        LakeError: it is missing, damaged or another one.
    """
    path = key_file(home)
    try:
        key = path.read_bytes()
    except OSError as error:
        raise LakeError(f"the key of the erasures cannot be read: {error.strerror}", where=str(path), todo=_TODO) from None
    digest = digester(key[:KEY_BYTES])
    if len(key) != KEY_BYTES or any(removal.check not in (None, digest("")) for removal in removals):
        raise LakeError("is not the key that the erasures were made with", where=str(path), todo=_TODO)
    return key


def own_key(home: Home, removals: Sequence[Removal], chance: Callable[[int], bytes] = os.urandom) -> bytes:
    """The home's key; made of ``chance`` before the first erasure. The caller holds the lock.

    Raises:
        LakeError: there are erasures, and their key is missing or another one.
    """
    path = key_file(home)
    if not path.exists() and not any(removal.erased for removal in removals):
        with exclusive_umask(0o077):
            write_atomically(path, chance(KEY_BYTES), staging=home.staging, mode=0o600)
    return load_key(home, removals)


class ErasedIds:
    """The ids that are refused.

    Raises:
        LakeError: something was erased, and the key is missing or another one.
    """

    def __init__(self, home: Home, removals: Sequence[Removal]) -> None:
        self._digests = frozenset(digest for removal in removals for digest in removal.erased)
        self._digest = digester(load_key(home, removals)) if self._digests else None

    def refuses(self, source: str, ids: Sequence[str]) -> list[int]:
        """Positions of the ids that were erased; costs nothing where nothing ever was."""
        if self._digest is None:
            return []
        digest, erased = self._digest, self._digests
        return [at for at, event_id in enumerate(ids) if digest(f"{source}/{event_id}") in erased]
