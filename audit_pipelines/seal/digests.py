"""Digests of files as statements and manifests name them: SHA-256 in lower-case hex.

What does not belong here: hashes of the tree (``tiles``, ``leaves``).
"""

import hashlib
from pathlib import Path

from audit_pipelines.errors import SealError
from audit_pipelines.home import Home
from audit_pipelines.seal import statements as st


def digested(home: Home, path: Path) -> st.Digested:
    """A file's path and digest, as statements name it."""
    return st.Digested(path=home.relative(path), sha256=sha256(path))


def sha256(path: Path) -> str:
    """Digest of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_digest(path: Path, expected: str) -> None:
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
