"""Sealing alone: found the log of a home and seal its batches from their evidence files. Arguments: HOME LEAVES."""

import shutil
import sys
from pathlib import Path

from audit_pipelines.batch import history
from audit_pipelines.home import open_home
from audit_pipelines.seal.sealed import found_log


def main(root: str, expected: str) -> None:
    home = open_home(Path(root))
    shutil.rmtree(home.log, ignore_errors=True)
    shutil.rmtree(home.root / "keys" / "memory", ignore_errors=True)
    batches = history(home)
    log = found_log(home, home.settings(), batches[0].extracted_at)
    for batch in batches:
        log.seal(batch)
    if log.events.head().size != int(expected):
        sys.exit(f"{log.events.head().size} leaves, expected {expected}")


if __name__ == "__main__":
    main(*sys.argv[1:])
