"""The histogram as figures for an SVG: where each bar stands, how high it is, what it says, and the scale.

Heights are attributes of SVG elements, for the pages allow no inline style. What does not belong here: counting
(``search``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from audit_pipelines.serve.search import Bar
from audit_pipelines.serve.web.show import machine, plural

HEIGHT: Final = 80
"""Of the highest bar, in pixels."""
BELOW: Final = 22
"""Of the deepest bar of failures: they hang below the line, in a scale of their own, for they are few."""
_GAP: Final = 0.22
"""Of a bar's width."""
_TICKS: Final = 6


@dataclass(frozen=True, slots=True)
class Column:
    """One bar as it is drawn: all events upwards, failures downwards; across in percent, upright in pixels."""

    x: float
    width: float
    y: float
    height: float
    bad_height: float
    href: str
    since: str
    until: str
    label: str
    hit_x: float
    hit_width: float


@dataclass(frozen=True, slots=True)
class Tick:
    """One mark of the time axis, in percent of its width."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """The whole histogram."""

    columns: list[Column]
    ticks: list[Tick]
    most: int
    """Events of the highest bar."""
    most_failures: int
    """Failures of the deepest one."""
    step: str
    events: int
    failures: int


def chart(bars: Sequence[Bar], href: Callable[[str, str], str]) -> Chart | None:
    """The drawing of ``bars``; ``href`` gives the address of a period. None where there is nothing to draw."""
    if not bars:
        return None
    most, worst = max(bar.events for bar in bars), max(bar.failures for bar in bars)
    slot = 100 / len(bars)
    step = bars[0].until - bars[0].since
    columns = [_column(bar, number, slot, (most, worst), href) for number, bar in enumerate(bars)]
    every = max(1, -(-len(bars) // _TICKS))
    ticks = [Tick(round(100 * number / len(bars), 2), _tick(bars[number].since, step)) for number in range(0, len(bars), every)]
    return Chart(columns, ticks, most, worst, span(step), sum(bar.events for bar in bars), sum(bar.failures for bar in bars))


def _column(bar: Bar, number: int, slot: float, most: tuple[int, int], href: Callable[[str, str], str]) -> Column:
    since, until = machine(bar.since), machine(bar.until)
    height, bad = _height(bar.events, most[0], HEIGHT), _height(bar.failures, most[1], BELOW)
    label = f"{_moment(bar.since, bar.until - bar.since)}: {plural(bar.events, 'event')}, {plural(bar.failures, 'failure')}"
    return Column(
        x=round(number * slot + slot * _GAP / 2, 3),
        width=round(slot * (1 - _GAP), 3),
        y=round(HEIGHT - height, 2),
        height=height,
        bad_height=bad,
        href=href(since, until),
        since=since,
        until=until,
        label=label,
        hit_x=round(number * slot, 3),
        hit_width=round(slot, 3),
    )


def _height(count: int, most: int, highest: int) -> float:
    """Two pixels at least where there is anything."""
    return round(max(2.0, count / most * highest), 2) if count else 0.0


def _tick(value: datetime, step: timedelta) -> str:
    if step < timedelta(hours=1):
        return value.strftime("%d %b %H:%M")
    return value.strftime("%d %b %H:%M" if step < timedelta(days=1) else "%d %b %Y")


def _moment(value: datetime, step: timedelta) -> str:
    return value.strftime("%Y-%m-%d" if step >= timedelta(days=1) else "%Y-%m-%d %H:%M UTC")


def span(step: timedelta) -> str:
    """``5 minutes``, ``1 day``, ``4 weeks``."""
    minutes = int(step.total_seconds() // 60)
    for size, one in ((7 * 1440, "week"), (1440, "day"), (60, "hour"), (1, "minute")):
        if minutes % size == 0:
            return plural(minutes // size, one)
    raise AssertionError(step)
