"""A Merkle tree beside a bare loop, over the same lines of evidence in memory. Arguments: tree|bare HOME FOLDER.

``bare`` takes SHA-256 of every line; ``tree`` makes leaf hashes, all nodes, tiles on disk and the root.
"""

import hashlib
import sys
from pathlib import Path

from audit_pipelines.batch import history
from audit_pipelines.home import open_home
from audit_pipelines.seal import leaves
from audit_pipelines.seal.tiles import TileWriter


def main(way: str, root: str, folder: str) -> None:
    home = open_home(Path(root))
    files = [home.root / file.path for batch in history(home) for file in batch.evidence]
    if way == "bare":
        sha = hashlib.sha256
        for path in files:
            for block in leaves.lines(path):
                for line in block:
                    sha(line).digest()
    else:
        writer = TileWriter(Path(folder), 0)
        for path in files:
            for block in leaves.hashes(path):
                writer.extend(block)
        writer.finish().root()


if __name__ == "__main__":
    main(*sys.argv[1:])
