"""The questions put to the log: one ``.sql`` file each, and how to find and run them.

``retention/`` asks what is kept and since when, ``activity/`` what was done, ``anomalies/`` what looks
wrong (rules: their rows are findings). Every query reads the relation ``events`` (the canonical columns
of ``event`` and ``leaf_index``) and takes its values as ``$named`` parameters. docs/queries.md describes
them all. What does not belong here: paths, and which days ``events`` holds.
"""

from difflib import get_close_matches
from pathlib import Path

from audit_pipelines.errors import QueryError
from audit_pipelines.sql.query import Parameter, Query, Value, parse
from audit_pipelines.sql.run import Result, bind, run

__all__ = ["Parameter", "Query", "Result", "Value", "bind", "catalogue", "find", "run"]


def catalogue(folder: Path | None = None) -> dict[str, Query]:
    """Every query by name, in the order of the names.

    Args:
        folder: holds ``<folder>/<stem>.sql``; by default the queries that come with the program.

    Raises:
        QueryError: a file's header is incomplete.

    """
    root = folder or Path(__file__).parent
    paths = sorted(root.glob("*/*.sql"))
    names = [path.relative_to(root).with_suffix("").as_posix() for path in paths]
    texts = [path.read_text(encoding="utf-8") for path in paths]
    return {name: parse(name, text, where=f"{name}.sql") for name, text in zip(names, texts, strict=True)}


def find(name: str) -> Query:
    """The query called ``name``; the folder may be left out where the stem is unique.

    Raises:
        QueryError: there is none; the text names those that come close.

    """
    queries = catalogue()
    if name in queries:
        return queries[name]
    stems = [known for known in queries if known.partition("/")[2] == name]
    if len(stems) == 1:
        return queries[stems[0]]
    close = get_close_matches(name, queries, cutoff=0.4) or list(queries)
    raise QueryError(f"no query {name!r}", where="sql", todo=f"there are: {', '.join(close)}")
