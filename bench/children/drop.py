"""One drop as a night publishes it, of the home's first batch. Arguments: HOME DROPS COMPRESSION FORMAT ..."""

import hashlib
import sys
from pathlib import Path
from typing import Any

from audit_pipelines.batch import history
from audit_pipelines.defs.drops import MEMORY, THREADS, template_folders
from audit_pipelines.drop import Drop
from audit_pipelines.home import open_home
from audit_pipelines.lake.read import connect, relate
from audit_pipelines.ship.format import load_format
from audit_pipelines.ship.manifest import Sealed
from audit_pipelines.ship.publish import publish_day
from bench.place import DAY


def main(root: str, drops: str, compression: Any, *forms: str) -> None:
    home = open_home(Path(root))
    batch = history(home)[0]
    connection = connect(memory=MEMORY, threads=THREADS, spill=home.staging / "spill")
    relate(connection, home, batch.files(DAY))
    made = publish_day(
        connection,
        drops=Path(drops),
        staging=Path(drops) / "staging",
        formats=[(load_format(form, template_folders(home)), Drop(compression=compression)) for form in forms],
        organisation=home.settings().organisation.id,
        batch=batch,
        manifest_sha256=hashlib.sha256(home.batch(batch.seq).read_bytes()).hexdigest(),
        log=Sealed(statement=1, checkpoint="-" * 250),
        day=DAY,
        kind="b",
    )
    rows = {entry.rows for entry in made.formats}
    if rows != {batch.size}:
        sys.exit(f"{rows} lines, expected {batch.size}")


if __name__ == "__main__":
    main(*sys.argv[1:])
