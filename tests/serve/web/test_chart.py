"""The histogram's figures."""

from datetime import UTC, datetime, timedelta

import pytest

from audit_pipelines.serve.search import Bar
from audit_pipelines.serve.web.chart import BELOW, HEIGHT, chart, span


def bars(*counts: tuple[int, int]) -> list[Bar]:
    day = timedelta(days=1)
    first = datetime(2026, 1, 1, tzinfo=UTC)
    return [Bar(first + day * at, first + day * (at + 1), events, failures) for at, (events, failures) in enumerate(counts)]


def test_nothing_is_no_chart():
    assert chart([], lambda since, until: "") is None


def test_bars_are_in_scale_and_the_least_can_be_seen():
    made = chart(bars((1000, 10), (500, 5), (1, 0), (0, 0)), lambda since, until: f"?{since}..{until}")
    assert [column.height for column in made.columns] == [HEIGHT, HEIGHT / 2, 2.0, 0.0]
    assert [column.bad_height for column in made.columns] == [BELOW, BELOW / 2, 0.0, 0.0]
    assert [column.y + column.height for column in made.columns] == [HEIGHT] * 4
    assert (made.events, made.failures, made.most, made.most_failures, made.step) == (1501, 15, 1000, 10, "1 day")
    assert made.columns[0].href == "?2026-01-01T00:00:00Z..2026-01-02T00:00:00Z"
    assert made.columns[1].label == "2026-01-02: 500 events, 5 failures"


def test_bars_fill_the_width_and_ticks_stand_at_bars():
    made = chart(bars(*[(1, 0)] * 13), lambda since, until: "")
    assert made.columns[-1].hit_x + made.columns[-1].hit_width == pytest.approx(100, abs=0.01)
    assert [tick.text for tick in made.ticks] == [f"{day:02d} Jan 2026" for day in (1, 4, 7, 10, 13)]


@pytest.mark.parametrize(
    ("step", "text"),
    [
        ({"minutes": 5}, "5 minutes"),
        ({"hours": 1}, "1 hour"),
        ({"hours": 12}, "12 hours"),
        ({"days": 1}, "1 day"),
        ({"days": 28}, "4 weeks"),
    ],
)
def test_steps_have_names(step, text):
    assert span(timedelta(**step)) == text
