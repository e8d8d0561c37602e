"""Tiles of a log as its newest checkpoint has them.

A partial tile that an older checkpoint had may still lie there; a reader of few hashes could be given that
one. Verification reads the widest that was signed, so that every hash it uses is one that gives the root.
"""

from pathlib import Path

from audit_pipelines.seal.tiles import HASH, WIDTH, Tiles


class SizedTiles(Tiles):
    """``Tiles`` of a log of ``size`` leaves."""

    def __init__(self, folder: Path, size: int, *, keep: int = 64) -> None:
        super().__init__(folder, keep=keep)
        self._size = size

    def tile(self, level: int, number: int, width: int) -> bytes:
        """The first ``width`` hashes of the tile that the log of this size has.

        Raises:
            EvidenceError: it is missing or has another length.
        """
        whole = min(WIDTH, (self._size >> 8 * level) - number * WIDTH)
        return super().tile(level, number, max(whole, width))[: width * HASH]
