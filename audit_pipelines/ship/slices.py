"""The lines of one format in (occurred_at, uid) order, in bounded memory: sorted a slice of time at a time.

Cut points are found once a drop and used by every format; two slices are made at a time, each on a thread of its
own, and written in turn. A batch of lines comes as one Arrow column whose data buffer is already text, so no line ever
becomes a Python object. What does not belong here: what a line says (``format``) and files (``parts``).
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit_pipelines.errors import DropError

SLICE_ROWS: Final = 49_152
"""Events a slice, but those of one microsecond stay together. Fewer cost time (each slice is planned anew and reads whole
row groups), more cost memory."""
_LANES: Final = 2
"""Slices that are made or written at a time: one mostly lies in one row group, which DuckDB reads on one thread."""
_ROWS_A_BATCH: Final = 2048
"""One DuckDB vector: keeps memory low when lines are long."""
Slice = tuple[int, int]
"""From and before, in microseconds since 1970."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Some sorted events: their bytes, and the columns that say what they are."""

    data: memoryview
    ends: npt.NDArray[np.int64]
    """ends[i] is where event i begins, ends[i + 1] where it ends."""
    uid: Any
    time: npt.NDArray[np.int64]
    """Microseconds since 1970."""
    leaf: npt.NDArray[np.int64]
    truncated: npt.NDArray[np.int64]
    unmapped: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask of the relation for one format."""

    select: str
    """The rendered template."""
    veil: str
    """What the format may see, as the relation ``events``: a SELECT over ``main.events`` that ends in a WHERE clause."""
    budget: int | None
    """Longest text line in bytes; None = no limit."""
    lines: int
    """Text lines an event."""
    where: str
    """The template's name, for errors."""

    def over(self, inside: str = "true") -> str:
        """The query for the events that fulfil ``inside``, without an order."""
        return f"WITH events AS NOT MATERIALIZED ({self.veil} AND {inside})\nSELECT * FROM (\n{self.select}\n)"


def slices(connection: duckdb.DuckDBPyConnection, rows: int = SLICE_ROWS) -> list[Slice]:
    """Ranges of time that hold about ``rows`` events each and together all of ``events``; at least one."""
    found = connection.execute("SELECT epoch_us(occurred_at) AS time FROM main.events").fetchnumpy()["time"]
    times = np.sort(np.asarray(found, np.int64))
    if not len(times):
        return [(0, 1)]
    cuts = np.unique(times[::rows])
    return [(int(first), int(last)) for first, last in zip(cuts, [*cuts[1:], times[-1] + 1], strict=True)]


def ordered(connection: duckdb.DuckDBPyConnection, question: Question, parts: Sequence[Slice]) -> Iterator[Lines]:
    """The lines in (occurred_at, uid) order, a vector at a time.

    Raises:
        DropError: the SELECT fails, gives NULL, another number of text lines, or one longer than the budget.
    """
    with ThreadPoolExecutor(_LANES) as threads:
        try:
            lanes = [_Lane.open(connection, question) for _ in parts[:_LANES]]
            made = [threads.submit(lane.make, part) for lane, part in zip(lanes, parts, strict=False)]
            for number in range(len(parts)):
                turn = number % _LANES
                for batch in made[turn].result():
                    yield _lines(batch, question)
                if number + _LANES < len(parts):
                    made[turn] = threads.submit(lanes[turn].make, parts[number + _LANES])
        except duckdb.Error as error:
            todo = "mend the template, or report it if it is a shipped one"
            what = f"the SELECT fails: {str(error).splitlines()[0]}"
            raise DropError(what, where=question.where, todo=todo) from None
        for lane in lanes:
            lane.cursor.close()


@dataclass(frozen=True, slots=True)
class _Lane:
    """A cursor on which the query is prepared, so that it is parsed once."""

    cursor: duckdb.DuckDBPyConnection

    @classmethod
    def open(cls, connection: duckdb.DuckDBPyConnection, question: Question) -> "_Lane":
        flags = "CAST(truncated AS BIGINT) AS truncated, CAST(unmapped AS BIGINT) AS unmapped"
        columns = f"line || chr(10) AS line, uid, epoch_us(occurred_at) AS time, CAST(leaf_index AS BIGINT) AS leaf, {flags}"
        inside = "occurred_at >= make_timestamptz($first) AND occurred_at < make_timestamptz($before)"
        # Lines are made before the sort: a template need not keep the order.
        query = f"SELECT {columns} FROM ({question.over(inside)}\n) ORDER BY occurred_at, uid"  # noqa: S608 - the template is the query
        cursor = connection.cursor()
        # Offsets of 64 bits: a vector of 16 MiB lines has more than 2 GiB.
        cursor.execute("SET TimeZone = 'UTC'; SET arrow_large_buffer_size = true")
        cursor.execute(f"PREPARE slice AS {query}")
        return cls(cursor)

    def make(self, part: Slice) -> Iterator[pa.RecordBatch]:
        """Make and sort the lines of a slice, which DuckDB keeps; they are copied out as they are asked for."""
        query = f"EXECUTE slice(first := {part[0]}, before := {part[1]})"
        reader = self.cursor.sql(query).to_arrow_reader(_ROWS_A_BATCH)
        first = next(reader, None)
        return chain([first], reader) if first is not None else iter(())


def _lines(batch: pa.RecordBatch, question: Question) -> Lines:
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    for name, column in columns.items():
        if column.null_count:
            todo = "mend the template: lines and their keys are never NULL"
            raise DropError(f"column {name!r} is NULL", where=question.where, todo=todo)
    text = columns.pop("line")
    ends = np.frombuffer(text.buffers()[1], np.int64)[text.offset : text.offset + len(text) + 1]
    data = memoryview(text.buffers()[2] or b"")
    longest = _longest(data, ends, question)
    if question.budget is not None and longest > question.budget:
        what = f"a line of {longest} bytes, the budget is {question.budget}"
        raise DropError(what, where=question.where, todo="mend the template")
    uid = columns.pop("uid")
    return Lines(data=data, ends=ends, uid=uid, **{name: column.to_numpy() for name, column in columns.items()})


def _longest(data: memoryview, ends: npt.NDArray[np.int64], question: Question) -> int:
    """Bytes of the longest text line, without its line feed.

    Raises:
        DropError: an event has more or fewer text lines than the format says.
    """
    if len(ends) < 2:
        return 0
    text = data[ends[0] : ends[-1]]
    if question.lines == 1:
        right = bytes(text).count(b"\n") == len(ends) - 1
        longest = int(np.diff(ends).max()) - 1
    else:
        feeds = np.flatnonzero(np.frombuffer(text, np.uint8) == 10) + ends[0] + 1
        last = feeds[question.lines - 1 :: question.lines]
        right = len(feeds) == (len(ends) - 1) * question.lines and bool((last == ends[1:]).all())
        longest = int(np.diff(feeds, prepend=ends[0]).max()) - 1
    if not right:
        what = f"an event that is not {question.lines} text lines"
        raise DropError(what, where=question.where, todo="mend the template: no line feeds but between the lines of an event")
    return longest
