"""The digest by which manifests and statements name a file.

What does not belong here: hashes of the Merkle tree (``seal``), digests of bytes in memory (hashlib).
"""

import hashlib
from pathlib import Path


def sha256(path: Path) -> str:
    """SHA-256 (FIPS 180-4) of a file as it lies on disk, in lower-case hex; memory does not grow with it.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
