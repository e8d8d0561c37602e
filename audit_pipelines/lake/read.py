"""The relation ``events``: chosen Parquet files of the lake as one DuckDB view.

Queries, findings, drops and reports read this view and never a path. What does not belong here: the
choice of files, which comes from batch manifests (``batch.evidence_files``).
"""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from audit_pipelines.batch import EvidenceFile
from audit_pipelines.errors import LakeError
from audit_pipelines.event import COLUMNS
from audit_pipelines.home import Home

LEAF_INDEX = "(CAST(regexp_extract(filename, '(\\d+)-\\d+(?:\\.e\\d+)?\\.parquet$', 1) AS BIGINT) + line) AS leaf_index"
"""The file's name holds its first leaf; DuckDB works it out once a vector, and only where it is asked for."""


def connect(*, memory: str = "2GB", threads: int | None = None, spill: Path | None = None) -> duckdb.DuckDBPyConnection:
    """A DuckDB of its own in memory, in UTC, that can neither install nor load extensions.

    Args:
        memory: DuckDB's limit; above it sorts and joins spill to ``spill``.
        threads: worker threads; by default all cores.
        spill: folder for what does not fit, removed by DuckDB when done.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    if threads is not None:
        config["threads"] = threads
    if spill is not None:
        config["temp_directory"] = str(spill)
    connection = duckdb.connect(config=config)
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def relate(connection: duckdb.DuckDBPyConnection, home: Home, files: Sequence[EvidenceFile], *, name: str = "events") -> None:
    """Create (or replace) the view ``name`` over ``files``: the canonical columns and ``leaf_index``.

    Raises:
        LakeError: a Parquet file is missing; ``rederive`` makes it again.
    """
    if not files:
        nulls = ", ".join(f'CAST(NULL AS {column.type}) AS "{column.name}"' for column in COLUMNS)
        connection.execute(f"CREATE OR REPLACE VIEW {name} AS SELECT {nulls}, CAST(NULL AS BIGINT) AS leaf_index WHERE false")
        return
    paths = [home.root / file.events for file in files]
    for path in paths:
        if not path.is_file():
            raise LakeError("a derived file is missing", where=str(path), todo="make it again with: audit-pipelines rederive")
    relation = connection.read_parquet([str(path) for path in paths], filename=True, hive_partitioning=False)
    columns = ", ".join(f'"{column.name}"' for column in COLUMNS)
    relation.project(f"{columns}, {LEAF_INDEX}").create_view(name, replace=True)
