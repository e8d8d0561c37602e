"""``report.toml`` as typed data: which sections a report has, in which order, from which queries.

Every key is listed here; a key that is not is an error, so that a typing slip cannot silently drop a table.
What does not belong here: looks (``templates/report``) and results (``model``).
"""

import hashlib
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from audit_pipelines.errors import ReportError

FILE = "report.toml"
_ID = re.compile(r"[a-z][a-z0-9-]{0,40}")
_LIST = re.compile(r"[a-z0-9][a-z0-9-]{0,60}\.ndjson")
_PLACE = re.compile(r"\{([a-z][a-z0-9-]*)\}")

Format = Literal["text", "mono", "number", "percent", "seconds", "time", "moment", "day", "month"]
"""``time`` has the year, ``moment`` (of an event of the month) has not."""
Kind = Literal["table", "bars", "heat", "trend", "pivot", "population", "sources", "batches", "drops", "rejects"]
Fixed = Literal["rules", "findings", "limits", "queries", "inputs"]
Integrity = Literal["checkpoints", "signers", "sealed", "drills", "decisions", "checks"]
SET_APART: Final = ("queries", "inputs", "checkpoints", "signers", "checks")
"""Kinds that are no table and have no number."""


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every table of the file."""


class Column(_Strict, frozen=True, kw_only=True):
    """One printed column: the result's column, its heading, how its values print."""

    key: str
    label: str
    format: Format = "text"
    width: float | None = None
    """Share of the table's width in percent; columns without one share the rest."""
    personal: bool = False
    """Names or addresses a person: withheld where ``[report] identity = "pseudonym"``."""
    once: bool = False
    """Printed on the first row of a group (``group`` of the block) only."""


class Compare(_Strict, frozen=True, kw_only=True):
    """Adds a column with last month's value of ``value``, found by equal ``key`` columns."""

    key: tuple[str, ...]
    value: str


class Block(_Strict, frozen=True, kw_only=True):
    """A table or chart of a section."""

    kind: Kind | Fixed | Integrity = "table"
    id: str
    title: str
    note: str = ""
    query: str = ""
    params: dict[str, str | int | float | bool] = {}
    columns: tuple[Column, ...] = ()
    """Absent: every column of the result, headed by its name."""
    rows: int | None = None
    """Printed rows at most; absent: ``print.rows``."""
    group: str = ""
    """A column of the result: rows with the same value in a row belong together."""
    attachment: str = ""
    """Name of the list with every row of the result, one JSON object a line."""
    totals: tuple[str, ...] = ()
    """Columns that get a sum in a last row."""
    compare: Compare | None = None
    x: str = ""
    """Charts: the column of the horizontal axis (heat: the hour). Pivot: the column that heads a row."""
    series: str = ""
    """Charts: the column that names a series (heat: the weekday, Monday = 1). Pivot: a column each."""
    value: str = ""
    """Charts, pivot: the column with the amount."""
    format: Format = "number"
    """Pivot: how amounts print."""
    dense: bool = False
    """Closer lines."""
    queries: dict[str, str] = {}
    """Kind ``limits``: the queries it derives from (``completeness``, ``outcomes``)."""
    standing: tuple[str, ...] = ()
    """Kind ``limits``: what no log of this kind shows, whatever the data."""


class Section(_Strict, frozen=True, kw_only=True):
    """A chapter: text, then blocks. ``{figure}`` in a text prints that figure and where it is from."""

    id: str
    title: str
    controls: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()


class Figure(_Strict, frozen=True, kw_only=True):
    """One number of the report: of a query (sum, count, first) or of the facts."""

    id: str
    label: str
    unit: str = ""
    fact: str = ""
    query: str = ""
    params: dict[str, str | int | float | bool] = {}
    pick: Literal["sum", "count", "first"] = "sum"
    column: str = ""
    where: dict[str, str | tuple[str, ...]] = {}
    """Only rows whose columns have this value, or one of these."""
    of: str = ""
    """Id of the figure that is its denominator."""
    table: str = ""
    """Id of the block that has the detail."""
    key: bool = False
    """Stands in the statement, beside last month's."""


class Print(_Strict, frozen=True, kw_only=True):
    """``[print]``: how much is printed."""

    rows: int = 500
    findings: int = 200


class ReportSpec(_Strict, frozen=True, kw_only=True):
    """The whole file."""

    name: str
    title: str
    summary: tuple[str, ...]
    """The statement's paragraphs."""
    verify: tuple[str, ...] = ()
    """Commands by which a reader checks the files."""
    print: Print = Print()
    figures: tuple[Figure, ...]
    sections: tuple[Section, ...]
    sha256: str = ""
    """Digest of the file itself; filled in when it is read."""

    @property
    def blocks(self) -> tuple[Block, ...]:
        return tuple(block for section in self.sections for block in section.blocks)


def load(name: str, folders: Sequence[Path]) -> ReportSpec:
    """The report ``name`` from the first of ``folders`` (``reports/``) that has ``<name>/report.toml``.

    Raises:
        ReportError: no such report, or its file says something impossible.
    """
    for folder in folders:
        path = folder / name / FILE
        if path.is_file():
            return parse(path.read_text(encoding="utf-8"), where=f"{name}/{FILE}")
    raise ReportError(f"no report {name!r}", where=FILE, todo="name a folder of reports/ that holds a report.toml")


def parse(text: str, *, where: str = FILE) -> ReportSpec:
    """``load`` for text that is already there."""
    try:
        spec = msgspec.convert(tomllib.loads(text), ReportSpec)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ReportError(str(error), where=where, todo="docs/report.md lists every key") from None
    _check(spec, where)
    return msgspec.structs.replace(spec, sha256=hashlib.sha256(text.encode()).hexdigest())


def _check(spec: ReportSpec, where: str) -> None:
    """What types cannot say: ids are unique and well formed, references lead somewhere."""
    blocks = [block.id for block in spec.blocks]
    figures = [figure.id for figure in spec.figures]
    for ids in ([*(section.id for section in spec.sections), *blocks], figures):
        for name in ids:
            if not _ID.fullmatch(name) or ids.count(name) > 1:
                raise ReportError(f"id {name!r} is used twice or has other characters than a-z, 0-9, -", where=where)
    for figure in spec.figures:
        _check_figure(figure, figures, blocks, where)
    texts = [*spec.summary, *(line for section in spec.sections for line in section.text)]
    for name in (name for line in texts for name in _PLACE.findall(line)):
        if name not in figures:
            raise ReportError(f"text names no figure {name!r}", where=where, todo=f"figures are: {', '.join(figures)}")
    for block in spec.blocks:
        if block.attachment and not _LIST.fullmatch(block.attachment):
            raise ReportError(
                f"{block.attachment!r} is no name for a list", where=f"{where}: {block.id}", todo="e.g. changes.ndjson"
            )
        if block.kind in ("table", "bars", "heat", "trend", "pivot") and not block.query:
            raise ReportError(f"kind {block.kind!r} needs a query", where=f"{where}: {block.id}")


def _check_figure(figure: Figure, figures: Sequence[str], blocks: Sequence[str], where: str) -> None:
    place = f"{where}: figures.{figure.id}"
    if bool(figure.fact) == bool(figure.query):
        raise ReportError("give either a fact or a query", where=place)
    if figure.query and figure.pick != "count" and not figure.column:
        raise ReportError(f"pick {figure.pick!r} needs a column", where=place)
    if figure.table and figure.table not in blocks:
        raise ReportError(f"no table {figure.table!r}", where=place)
    if figure.of and figure.of not in figures:
        raise ReportError(f"no figure {figure.of!r}", where=place)
