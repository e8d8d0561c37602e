"""A walk through the pages while nights are added: each event of the log it began with comes once, and no other."""

from datetime import UTC, date, datetime

import pytest

from tests.defs.conftest import Yard, day_of_records, record
from tests.serve.conftest import Clock, opened

DAYS = [date(2026, 1, day) for day in (5, 6, 7)]


@pytest.fixture
def growing(tmp_path, monkeypatch):
    """A home of two nights, and two more whose events are of old days and new ones, at the very times of older events."""
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.setenv("AUDIT_HOME", "")
    yard = Yard(tmp_path, start=DAYS[0])
    with yard.home.settings_file.open("a") as settings:
        settings.write("\n[serve]\nrequests_a_minute = 1000000\n")
    for number, day in enumerate(DAYS[:2]):
        yard.put(f"{day}.ndjson", day_of_records(day, 120, first=1000 * number))
    yard.night(date(2026, 1, 7))
    return yard


def grow(yard: Yard, night: int) -> None:
    """One more night: late events between the old ones and at their very times, and a day of its own."""
    old = [record(5000 + 100 * night + n, f"2026-01-0{5 + n % 2}T{n % 24:02d}:00:00Z") for n in range(30)]
    same = day_of_records(DAYS[0], 120, first=6000 + 1000 * night)[::5]
    own = day_of_records(DAYS[2], 20, first=9000 + 100 * night)
    yard.put(f"late{night}.ndjson", old + same + own)
    yard.night(date(2026, 1, 8 + night))


def test_what_nights_add_does_not_touch_a_walk(growing):
    clock = Clock()
    clock.time = datetime(2026, 1, 20, tzinfo=UTC)
    with opened(growing.home, clock) as door:
        client = door.client(door.token("read", days=900))
        whole = {order: get(client, limit=10_000, order=order) for order in ("desc", "asc")}
        walks = {(order, limit): [get(client, limit=limit, order=order)] for order in whole for limit in (1, 7, 50, 239)}
        for night in (0, 1):
            for (order, limit), pages in walks.items():
                for _ in range(2 if limit > 1 else 60):
                    go_on(client, pages, limit=limit, order=order)
            grow(growing, night)
        for (order, limit), pages in walks.items():
            while go_on(client, pages, limit=limit, order=order):
                pass
            assert [event for page in pages for event in page["data"]] == whole[order]["data"], (order, limit)
            assert {page["total"] for page in pages} == {240}
            assert {page["log"]["size"] for page in pages} == {240}
        fresh = get(client, limit=10_000, source="terracotta")
        everything = get(client, limit=10_000)
    assert fresh["total"] == len(fresh["data"]) == 240 + 2 * (30 + 24 + 20)
    old = {event["uid"] for event in whole["desc"]["data"]}
    assert [event for event in fresh["data"] if event["uid"] in old] == whole["desc"]["data"]
    assert everything["total"] > fresh["total"], "the walks themselves are events by now"


def get(client, **query) -> dict:
    return client.get("/v1/audit-logs", params=query).raise_for_status().json()


def go_on(client, pages, **query) -> bool:
    """Add the next page; False if there is none."""
    following = pages[-1]["next_cursor"]
    if following:
        pages.append(get(client, cursor=following, **query))
    return bool(following)
