"""Filters: what the parameters of a URL mean, how they are written back, and what is refused."""

from datetime import UTC, datetime

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_pipelines.serve import filters
from audit_pipelines.serve.filters import LISTS, NAMES, BadParameter, Filter, micros, parse, where

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def test_no_parameter_is_no_condition():
    assert parse([]) == Filter()
    assert where([Filter()]) == ("true", {})


def test_every_name_is_read_and_written_back():
    pairs = [("from", "2026-01-01"), ("to", "2026-02-01T12:00:00Z"), ("category", "access"), ("category", "billing")]
    pairs += [("action", "a.b"), ("outcome", "failure"), ("source", "s"), ("user", "ada@example.com"), ("address", "192.0.2.1")]
    pairs += [("target", "gr_1"), ("api_key", "key_1"), ("session", "ses_1"), ("q", "guard")]
    assert {name for name, _ in pairs} == set(NAMES)
    assert parse(pairs).pairs() == pairs


def test_other_names_are_left_to_the_caller():
    assert parse([("limit", "5"), ("cursor", "x")]) == Filter()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-05", datetime(2026, 1, 5, tzinfo=UTC)),
        ("2026-01-05T12:00:00Z", NOON),
        ("2026-01-05T13:00:00+01:00", NOON),
        ("2026-01-05T13:00:00 01:00", NOON),  # a plus sign that nobody escaped
        ("2026-01-05T12:00", NOON),
    ],
)
def test_a_day_or_an_instant(text, moment):
    assert parse([("from", text)]).since == moment


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2026-13-01",
        "2026-1-1",
        "0",
        "99999-01-01",
        "2026-01-01T25:00Z",
        "0001-01-01T00:00+14:00",
        "\u0662\u0660\u0662\u0666-\u0660\u0661-\u0660\u0661",
    ],
)
def test_what_is_no_time_is_refused_by_name(text):
    with pytest.raises(BadParameter, match="from: write a date"):
        parse([("from", text)])


@pytest.mark.parametrize(
    ("pairs", "says"),
    [
        ([("from", "2026-01-02"), ("to", "2026-01-02")], "to: must be later"),
        ([("q", "a"), ("q", "b")], "q: is given twice"),
        ([("user", "x" * 501)], "user: is longer"),
        ([("user", f"u{n}") for n in range(51)], "user: is given more than 50"),
        ([("q", "\0")], "q: has characters"),
        ([("q", "\ud800")], "q: has characters"),
    ],
)
def test_what_is_refused(pairs, says):
    with pytest.raises(BadParameter, match=says):
        parse(pairs)


def test_alternatives_of_one_list_and_all_of_several():
    condition, params = where([parse([("action", "a"), ("action", "b"), ("outcome", "failure")])])
    assert condition == '"action" IN ($f0_action_0, $f0_action_1) AND "outcome" = $f0_outcome_0'
    assert params == {"f0_action_0": "a", "f0_action_1": "b", "f0_outcome_0": "failure"}


def test_two_filters_hold_together_and_do_not_share_parameters():
    condition, params = where([Filter(action=("a",)), Filter(action=("b",))])
    assert condition.count("AND") == 1
    assert sorted(params.values()) == ["a", "b"]


def test_an_address_asks_one_column_and_a_name_asks_three():
    assert "actor_id" not in where([Filter(user=("ada@example.com",))])[0]
    assert where([Filter(user=("usr_1",))])[0].count("OR") == 2


def test_the_counts_of_a_list_leave_its_own_choice_out():
    chosen = Filter(action=("a",), outcome=("failure",))
    assert chosen.without("action") == Filter(outcome=("failure",))


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.text(max_size=40)), max_size=8))
def test_whatever_is_given_is_bound_or_refused(pairs):
    """No text of a request is ever part of a statement."""
    try:
        wanted = parse(pairs)
    except BadParameter:
        return
    condition, params = where([wanted])
    names = [f"f0_{name}" for name in ("since", "until", *LISTS, "address", "target", "api_key", "session", "part", "id")]
    assert all(any(name.startswith(known) for known in names) for name in params)
    known = condition
    for name in sorted(params, key=len, reverse=True):
        known = known.replace(f"${name}", "?")
    assert "$" not in known
    for value in params.values():
        assert not isinstance(value, str) or len(value) < 12 or value not in known


@given(st.datetimes(timezones=st.just(UTC)))
def test_microseconds_are_duckdbs(moment):
    with duckdb.connect() as connection:
        found = connection.execute("SELECT epoch_us(make_timestamptz($at))", {"at": micros(moment)}).fetchone()
    assert found == (micros(moment),)


def test_the_bounds_of_several_filters():
    first, second = Filter(since=NOON), Filter(since=datetime(2026, 1, 1, tzinfo=UTC), until=datetime(2026, 2, 1, tzinfo=UTC))
    assert filters.since([first, second]) == NOON
    assert filters.until([first, second]) == datetime(2026, 2, 1, tzinfo=UTC)
    assert filters.since([Filter()]) is None
