"""The demo of one seed, and all its events in a slim form, made once for all tests of this folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import msgspec
import pytest

from audit_pipelines.demo.plan import Demo, plan


@dataclass(frozen=True, slots=True)
class Seen:
    """What the tests look at of one record."""

    id: str
    day: date
    at: str
    type: str
    outcome: str | None
    actor: str | None
    target: str
    address: str | None
    key: str | None
    session: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    size: int


def read(day: date, record: bytes) -> Seen:
    event = msgspec.json.decode(record)
    context = event["context"]
    return Seen(
        event["id"],
        day,
        event["occurred_at"],
        event["type"],
        event.get("outcome"),
        event["actor"]["id"],
        event["targets"][0]["id"],
        context["ip"],
        context["api_key_id"],
        context["session_id"],
        event["before"],
        event["after"],
        len(record),
    )


def _all(demo: Demo) -> Iterator[Seen]:
    for day in demo.days():
        for record in demo.records(day):
            yield read(day, record)


@pytest.fixture(scope="session")
def demo() -> Demo:
    return plan(seed=7, today=date(2026, 2, 10))


@pytest.fixture(scope="session")
def seen(demo: Demo) -> list[Seen]:
    """Every event of the span in order of time."""
    return list(_all(demo))
