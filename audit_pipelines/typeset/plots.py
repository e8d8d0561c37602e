"""Query results as charts: the numbers of a chart, and the table of the same numbers that stands below it.

What does not belong here: geometry (``charts``) and drawing (``templates/report/charts.html.j2``).
"""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from audit_pipelines.event import CATEGORIES
from audit_pipelines.typeset.asking import Rows
from audit_pipelines.typeset.spec import Block, Column
from audit_pipelines.typeset.tables import fixed
from audit_pipelines.typeset.text import plain, shorten

SERIES: Final = 8
"""Series that can be told apart; smaller ones are summed as ``others``."""
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
Grid = dict[tuple[str, str], int | float]


def _grid(block: Block, table: Rows) -> Grid:
    """(x, series) -> amount."""
    x = table.index(block.x, query=block.query)
    series = table.index(block.series, query=block.query) if block.series else None
    value = table.index(block.value, query=block.query)
    grid: Grid = {}
    for row in table.rows:
        key = (_key(row[x]), "" if series is None else _key(row[series]))
        amount = row[value]
        number = float(amount) if isinstance(amount, Decimal) else amount
        grid[key] = grid.get(key, 0) + (number if isinstance(number, int | float) else 0)
    return grid


def _key(value: object) -> str:
    if isinstance(value, datetime):
        return value.date().isoformat()
    return str(plain(value, None))


def bars(block: Block, table: Rows, days: Sequence[date]) -> dict[str, object]:
    """Stacked bars, one a day; every day of the month has a place, also one without events."""
    grid = _grid(block, table)
    labels = [day.isoformat() for day in days]
    sums: dict[str, int | float] = {}
    for (_, name), amount in grid.items():
        sums[name] = sums.get(name, 0) + amount
    names = sorted((name for name, amount in sums.items() if amount), key=_order)
    if len(names) > SERIES:
        kept = sorted(names, key=lambda name: -sums[name])[: SERIES - 1]
        rest = set(names) - set(kept)
        names = [name for name in names if name in kept] + ["others"]
        for (day, name), amount in list(grid.items()):
            if name in rest:
                grid[day, "others"] = grid.get((day, "others"), 0) + amount
    series = [{"name": shorten(name), "values": [plain(grid.get((day, name), 0)) for day in labels]} for name in names]
    columns = [Column(key="day", label="Day", format="day", width=13)]
    columns += [Column(key=f"s{place}", label=_heading(name), format="number") for place, name in enumerate(names)]
    columns += [Column(key="all", label="All", format="number")]
    rows = [
        [day, *(grid.get((day, name), 0) for name in names), sum(grid.get((day, name), 0) for name in names)] for day in labels
    ]
    totals = {column.key: plain(sum(row[place] for row in rows)) for place, column in enumerate(columns) if place}  # type: ignore[misc]  # numbers after the first
    return {"chart": {"kind": "bars", "x": labels, "series": series}, **fixed(columns, rows, totals=totals), "dense": True}


def heat(block: Block, table: Rows) -> dict[str, object]:
    """Events by weekday and hour, UTC; the table has an hour a row."""
    grid = _grid(block, table)
    values = [[grid.get((str(hour), str(day)), 0) for hour in range(24)] for day in range(1, 8)]
    columns = [Column(key="hour", label="Hour, UTC", width=12)]
    columns += [Column(key=f"d{place}", label=name, format="number") for place, name in enumerate(WEEKDAYS, start=1)]
    rows = [[f"{hour:02}:00", *(day[hour] for day in values)] for hour in range(24)]
    totals = {f"d{place}": sum(day) for place, day in enumerate(values, start=1)}
    chart = {"kind": "heat", "x": [f"{hour:02}" for hour in range(24)], "y": list(WEEKDAYS), "values": plain(values)}
    return {"chart": chart, **fixed(columns, rows, totals=totals), "dense": True}


def pivot(block: Block, table: Rows) -> dict[str, object]:
    """A row for each value of ``x``, a column for each of ``series``; an absent pair is None."""
    grid = _grid(block, table)
    names = sorted({name for _, name in grid}, key=_order)
    columns = [Column(key="x", label=block.x.capitalize(), format="mono", width=18)]
    columns += [Column(key=f"s{place}", label=_heading(name), format=block.format) for place, name in enumerate(names)]
    rows = [[x, *(grid.get((x, name)) for name in names)] for x in dict.fromkeys(x for x, _ in grid)]
    return fixed(columns, rows)


def _order(name: str) -> tuple[int, str]:
    """Categories in their own order, other names after them."""
    return (CATEGORIES.index(name) if name in CATEGORIES else len(CATEGORIES), name)


def _heading(name: str) -> str:
    """Our own words begin with a capital; any other value stays as it is."""
    return name.capitalize() if name in CATEGORIES else shorten(name)


def trend(block: Block, table: Rows) -> dict[str, object]:
    """One amount a month, as a line; the table has the columns the block asks for."""
    grid = _grid(block, table)
    labels = sorted({x for x, _ in grid})[-13:]
    points = [plain(sum(amount for (x, _), amount in grid.items() if x == label)) for label in labels]
    return {"chart": {"kind": "trend", "x": labels, "values": points}}
