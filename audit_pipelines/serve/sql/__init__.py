"""The statements that ``serve`` asks: one ``.sql`` file each, and the relation ``events`` that they read.

Values are ``$named`` parameters, the files of the relation too. What does not belong here: running them (``engine``),
and the questions of reports and rules (``audit_pipelines.sql``).
"""

import functools
from pathlib import Path
from typing import Final

from audit_pipelines.lake.read import LEAF_INDEX

_PARQUET: Final = "read_parquet($files, filename = true, hive_partitioning = false)"
_EVENTS: Final = f"(SELECT * EXCLUDE (filename), {LEAF_INDEX} FROM {_PARQUET})"  # noqa: S608 - the program's own text
"""The canonical columns and leaf_index of the files in ``$files``."""


@functools.cache
def statement(name: str) -> str:
    """The statement ``<name>.sql``: it reads the relation ``events``, or ``formatted``."""
    return (Path(__file__).parent / f"{name}.sql").read_text(encoding="utf-8")


def over(condition: str, select: str) -> str:
    """A SELECT over ``events`` = the events of ``$files`` that fulfil ``condition``, which is this program's own text."""
    return f"WITH events AS NOT MATERIALIZED (SELECT * FROM {_EVENTS} WHERE {condition})\n{select}"  # noqa: S608 - values are bound


def through(formatted: str, select: str) -> str:
    """A SELECT over ``formatted`` = the SELECT of a shipped format over ``events``."""
    return f"SELECT * FROM (WITH formatted AS (\n{formatted}\n)\n{select})"  # noqa: S608 - both are this program's own text
