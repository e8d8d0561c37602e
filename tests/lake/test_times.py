"""Times become microseconds since 1970-01-01 UTC; finer digits are cut."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit_pipelines.lake.times import TimeError, parse_number, parse_text, parse_texts


def micros(*parts):
    return (datetime(*parts, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-05T10:20:30Z", micros(2026, 1, 5, 10, 20, 30)),
        ("2026-01-05t10:20:30z", micros(2026, 1, 5, 10, 20, 30)),
        ("2026-01-05 10:20:30", micros(2026, 1, 5, 10, 20, 30)),
        (" 2026-01-05T10:20:30 Z ", micros(2026, 1, 5, 10, 20, 30)),
        ("2026-01-05T10:20Z", micros(2026, 1, 5, 10, 20)),
        ("2026-01-05T10:20:30.5Z", micros(2026, 1, 5, 10, 20, 30, 500_000)),
        ("2026-01-05T10:20:30,5Z", micros(2026, 1, 5, 10, 20, 30, 500_000)),
        ("2026-01-05T23:59:59.999999999Z", micros(2026, 1, 5, 23, 59, 59, 999_999)),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("2026-01-05T00:30:00+01:00", micros(2026, 1, 4, 23, 30)),
        ("2026-01-05T00:30:00+0130", micros(2026, 1, 4, 23, 0)),
        ("2026-01-05T23:30:00-01", micros(2026, 1, 6, 0, 30)),
        ("2026-01-05T00:00:00-00:00", micros(2026, 1, 5)),
        ("2016-12-31T23:59:60Z", micros(2017, 1, 1)),
        ("2016-12-31T23:59:60.5Z", micros(2017, 1, 1, 0, 0, 0, 500_000)),
        ("0001-01-01T00:00:00Z", micros(1, 1, 1)),
        ("9999-12-31T23:59:59.999999Z", micros(9999, 12, 31, 23, 59, 59, 999_999)),
    ],
)
def test_text(text, expected):
    assert parse_text(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-01-05",
        "2026-1-5T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-01-05T24:00:00Z",
        "2026-01-05T00:60:00Z",
        "2026-01-05T00:00:61Z",
        "2026-01-05T00:00:00+24:00",
        "2026-01-05T00:00:00+01:75",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-01:00",
        "0001-01-01T00:00:00+01:00",
        "12026-01-01T00:00:00Z",
        "2026-01-05T00:00:00.Z",
        "٢٠٢٦-01-05T00:00:00Z",
    ],
)
def test_no_time(text):
    with pytest.raises(TimeError):
        parse_text(text)
    with pytest.raises(TimeError):
        parse_texts(["2026-01-05T00:00:00Z", text])


@pytest.mark.parametrize(
    ("number", "unit", "expected"),
    [
        (1, "s", 1_000_000),
        (1, "ms", 1_000),
        (1, "us", 1),
        (1.5, "s", 1_500_000),
        (0.0019, "ms", 1),
        (-1, "ms", -1_000),
        (0, "s", 0),
    ],
)
def test_number(number, unit, expected):
    assert parse_number(number, unit) == expected


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), 1e300, 10**30, -(10**17)])
def test_no_number(number):
    with pytest.raises(TimeError):
        parse_number(number, "ms")


MOMENTS = st.datetimes(
    datetime(1, 1, 3),  # noqa: DTZ001 - the zone is drawn
    datetime(9999, 12, 29),  # noqa: DTZ001 - as above
    timezones=st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m))),
)


@settings(max_examples=200, deadline=None)
@given(MOMENTS, st.sampled_from(["T", " "]))
def test_every_moment_comes_back(moment, letter):
    expected = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert parse_text(moment.isoformat(letter)) == expected


DIGITS = st.integers(0, 99).map(lambda number: f"{number:02d}")
NEAR = st.tuples(
    st.integers(0, 9999).map(lambda year: f"{year:04d}"), DIGITS, DIGITS, st.sampled_from("Tt _"), DIGITS, DIGITS, DIGITS,
    st.sampled_from(["", ".", ".1", ".123456", ".1234567", ",5", ".123456789"]),
    st.sampled_from(["", "Z", "z", " Z", "+00:00", "-00:30", "+0130", "+24:00", "+23:60", "-12", "+1", "Zx"]),
).map(lambda p: f"{p[0]}-{p[1]}-{p[2]}{p[3]}{p[4]}:{p[5]}:{p[6]}{p[7]}{p[8]}")  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(NEAR | MOMENTS.map(datetime.isoformat) | st.text("0123456789-:TZ+. ", max_size=30))
def test_many_at_once_and_one_at_a_time_agree(text):
    """What the fast way reads, the slow way reads alike."""
    try:
        fast = parse_texts([text]).tolist()
    except TimeError:
        return
    assert fast == [parse_text(text)]
