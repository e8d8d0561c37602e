"""Query results inside one report: asked once, numbered Q-01 and on, small ones kept for reuse.

What does not belong here: running SQL (the caller's ``Ask``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from audit_pipelines.errors import ReportError
from audit_pipelines.typeset.facts import Ask, QueryText, Table
from audit_pipelines.typeset.spec import ReportSpec


@dataclass(frozen=True, slots=True)
class Rows:
    """A result that was read whole: column names and rows."""

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]

    def index(self, key: str, *, query: str) -> int:
        """The place of a column.

        Raises:
            ReportError: the query gives no such column.
        """
        return column_index(self.columns, key, query=query)


def column_index(columns: Sequence[str], key: str, *, query: str) -> int:
    """The place of ``key`` among a query's columns, or a ``ReportError`` that lists them."""
    try:
        return columns.index(key)
    except ValueError:
        todo = f"it gives: {', '.join(columns)}"
        raise ReportError(f"query {query} gives no column {key!r}", where="report.toml", todo=todo) from None


@dataclass(slots=True)
class Asking:
    """Both months' ``Ask`` with a memory."""

    this: Ask
    last: Ask | None
    kept: dict[tuple[object, ...], Rows] = field(default_factory=dict)

    def stream(self, name: str, params: Mapping[str, object]) -> Table:
        """The month's result, not kept: it may be long."""
        kept = self.kept.get((False, name, *sorted(params.items())))
        return self.this(name, params) if kept is None else Table(kept.columns, kept.rows)

    def rows(self, name: str, params: Mapping[str, object], *, last: bool = False) -> Rows | None:
        """The result, whole. None for last month where there is none."""
        ask = self.last if last else self.this
        if ask is None:
            return None
        key = (last, name, *sorted(params.items()))
        if key not in self.kept:
            table = ask(name, params)
            self.kept[key] = Rows(table.columns, tuple(tuple(row) for row in table.rows))
        return self.kept[key]


def references(spec: ReportSpec, rules: Sequence[str], queries: Sequence[QueryText]) -> dict[str, tuple[str, QueryText]]:
    """Query name -> (Q-01, its text), numbered in the order in which the report first names them.

    Raises:
        ReportError: the report names a query that does not exist.
    """
    texts = {query.name: query for query in queries}
    names = [figure.query for figure in spec.figures]
    for block in spec.blocks:
        names += [block.query, *block.queries.values(), *(rules if block.kind == "rules" else ())]
    numbered: dict[str, tuple[str, QueryText]] = {}
    for name in filter(None, names):
        if name not in texts:
            raise ReportError(f"no query {name!r}", where="report.toml", todo=f"there are: {', '.join(sorted(texts))}")
        numbered.setdefault(name, (f"Q-{len(numbered) + 1:02}", texts[name]))
    return numbered
