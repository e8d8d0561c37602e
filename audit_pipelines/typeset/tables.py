"""Rows as printed tables: columns, the first rows, totals, last month, and the whole as a list beside.

Every table of the model has the same form, wherever its rows come from, so that one template prints all.
What does not belong here: which tables there are.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from audit_pipelines.typeset.asking import Rows, column_index
from audit_pipelines.typeset.spec import Block, Column, Compare
from audit_pipelines.typeset.text import CUT, plain

PERSONAL: Final = frozenset({"actor_name", "actor_email"})
"""Columns that are always withheld under ``identity = "pseudonym"``, printed or not."""
WITHHELD: Final = "withheld"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A list beside the report that the PDF carries too."""

    name: str
    description: str
    content: bytes
    rows: int | None
    """Lines that are entries; None = it is no list."""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass(slots=True)
class Listing:
    """Collects rows as NDJSON: one JSON object a line, members in column order, UTF-8, LF."""

    keys: Sequence[str]
    parts: bytearray = field(default_factory=bytearray)
    count: int = 0

    def add(self, row: Sequence[object]) -> None:
        members = {key: plain(value, None) for key, value in zip(self.keys, row, strict=True)}
        line = json.dumps(members, ensure_ascii=False, separators=(",", ":"))
        # A lone surrogate becomes its JSON escape: the file stays valid UTF-8, the value whole.
        self.parts += line.encode("utf-8", "backslashreplace") + b"\n"
        self.count += 1


@dataclass(frozen=True, slots=True)
class Result:
    """A query's rows on their way into a table."""

    query: str
    columns: Sequence[str]
    rows: Iterable[Sequence[object]]


@dataclass(frozen=True, slots=True)
class Withhold:
    """Replaces names and addresses under ``pseudonym``; otherwise leaves rows as they are."""

    keys: frozenset[str]

    def __call__(self, columns: Sequence[str], row: Sequence[object]) -> Sequence[object]:
        if not self.keys:
            return row
        pairs = zip(columns, row, strict=True)
        return tuple(WITHHELD if key in self.keys and value is not None else value for key, value in pairs)


def describe(column: Column) -> dict[str, object]:
    """A column as the model has it."""
    return {"key": column.key, "label": column.label, "format": column.format, "width": column.width, "once": column.once}


def columns_of(block: Block, found: Sequence[str]) -> tuple[Column, ...]:
    """The block's columns; without any, one for each that the query gives."""
    return block.columns or tuple(Column(key=key, label=key.replace("_", " ").capitalize()) for key in found)


def tabulate(
    block: Block, result: Result, *, limit: int, withhold: Withhold, listing: Listing | None = None
) -> dict[str, object]:
    """The table's part of the model: the first ``limit`` rows, the number of all, totals over all.

    Reads ``result.rows`` once and keeps only what is printed.

    Raises:
        ReportError: a column of the block is not in the result.
    """
    columns = columns_of(block, result.columns)
    places = [column_index(result.columns, column.key, query=result.query) for column in columns]
    sums: dict[str, int | float | Decimal] = dict.fromkeys(block.totals, 0)
    summed = [(key, column_index(result.columns, key, query=result.query)) for key in block.totals]
    group = column_index(result.columns, block.group, query=result.query) if block.group else None
    before: object = None
    joined: list[int] = []
    printed: list[list[object]] = []
    count = 0
    for row in result.rows:
        count += 1
        shown = withhold(result.columns, row)
        if listing is not None:
            listing.add(shown)
        for key, place in summed:
            if isinstance(amount := row[place], int | float | Decimal):
                sums[key] += amount  # type: ignore[operator]  # one column is of one type
        if len(printed) < limit:
            printed.append([plain(shown[place]) for place in places])
            if group is not None and row[group] == before:
                joined.append(len(printed) - 1)
        before = row[group] if group is not None else None
    return {
        "columns": [describe(column) for column in columns],
        "rows": printed,
        "joined": joined,
        "count": count,
        "printed": len(printed),
        "totals": {key: plain(value) for key, value in sums.items()},
    }


def compared(compare: Compare, this: Rows, last: Rows | None, *, query: str) -> Result:
    """A result with a column ``last``; keys that only last month had follow, with 0 for this month.

    Where there is no last month the column is None throughout.
    """
    keys = [this.index(key, query=query) for key in compare.key]
    place = this.index(compare.value, query=query)
    before: dict[tuple[object, ...], object] = {}
    for row in last.rows if last else ():
        before[tuple(row[key] for key in keys)] = row[place]
    rows = []
    for row in this.rows:
        then = before.pop(tuple(row[key] for key in keys), 0 if last else None)
        rows.append((*row, then))
    for values, then in before.items():
        blank: list[object] = [None] * len(this.columns)
        for key, value in zip(keys, values, strict=True):
            blank[key] = value
        blank[place] = 0
        rows.append((*blank, then))
    return Result(query, (*this.columns, "last"), rows)


def fixed(
    columns: Sequence[Column], rows: Iterable[Sequence[object]], *, totals: Mapping[str, object] | None = None, cut: int = CUT
) -> dict[str, object]:
    """A table whose rows are facts: printed whole."""
    shown = [[plain(value, cut) for value in row] for row in rows]
    return {
        "columns": [describe(column) for column in columns],
        "rows": shown,
        "count": len(shown),
        "printed": len(shown),
        "totals": dict(totals or {}),
    }
