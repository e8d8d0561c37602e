"""Which months somebody sees: a link must cover all of a month."""

from datetime import UTC, datetime

import pytest

from audit_pipelines.serve import months
from audit_pipelines.serve.principal import Principal, Restriction


def somebody(**limits) -> Principal:
    return Principal("link", "lnk_1", "x", None, frozenset({"auditor"}), Restriction(**limits) if limits else None, None)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-1", "2026-00", "2026-13", "0000-01", "2026-01-01", " 2026-01", "2026-01\n", "\uff12026-01"]
)
def test_what_is_no_month(text):
    assert months.named(text) is None


def test_a_month_by_its_name():
    month = months.named("2026-12")
    assert (str(month.first), str(month.until), months.name(month)) == ("2026-12-01", "2027-01-01", "2026-12")


@pytest.mark.parametrize(
    ("limits", "seen"),
    [
        ({}, True),
        ({"report": "2026-02"}, True),
        ({"report": "2026-01"}, False),
        ({"since": at("2026-02-01"), "until": at("2026-03-01")}, True),
        ({"since": at("2020-01-01"), "until": at("2030-01-01")}, True),
        ({"since": at("2026-02-01T00:00:01"), "until": at("2026-03-01")}, False),
        ({"since": at("2026-02-01"), "until": at("2026-02-28T23:59:59.999999")}, False),
        ({"since": at("2026-03-01"), "until": at("2026-04-01")}, False),
        ({"actor": "usr_1"}, False),
    ],
)
def test_a_link_must_cover_all_of_a_month(limits, seen):
    assert months.open_to(somebody(**limits), months.named("2026-02")) is seen
