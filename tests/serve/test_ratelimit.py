"""How often somebody may ask, and what the answer says about it."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import pytest
from fastapi import APIRouter, Depends

from audit_pipelines.serve.principal import Principal
from audit_pipelines.serve.ratelimit import Buckets, address_key
from audit_pipelines.serve.security import needs

NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)
routes = APIRouter()


@routes.get("/v1/probe")
async def probe(principal: Annotated[Principal, Depends(needs("read", action="audit_log.searched"))]) -> str:
    return "read"


@pytest.fixture
def door(serving):
    with serving("[serve]\nrequests_a_minute = 3\n", routes) as door:
        yield door


def test_a_bucket_holds_a_minute_and_fills_evenly():
    bucket = Buckets("requests", 60)
    assert [bucket.take("a", NOON).allowed for _ in range(61)] == [True] * 60 + [False]
    assert bucket.take("b", NOON).left == 59
    later = NOON + timedelta(seconds=2)
    assert [bucket.take("a", later).allowed for _ in range(3)] == [True, True, False]


def test_the_headers_are_those_of_the_draft():
    bucket = Buckets("requests", 2)
    assert bucket.take("a", NOON).headers() == {"RateLimit-Policy": '"requests";q=2;w=60', "RateLimit": '"requests";r=1;t=30'}
    bucket.take("a", NOON)
    assert bucket.take("a", NOON).headers() == {
        "RateLimit-Policy": '"requests";q=2;w=60',
        "RateLimit": '"requests";r=0;t=60',
        "Retry-After": "30",
    }


def test_a_clock_that_goes_back_gives_nothing_and_takes_nothing():
    bucket = Buckets("requests", 1)
    bucket.take("a", NOON)
    assert not bucket.take("a", NOON - timedelta(hours=1)).allowed
    assert bucket.take("a", NOON + timedelta(minutes=1)).allowed


def test_memory_is_bounded():
    bucket = Buckets("failures", 1, most=100)
    for number in range(1000):
        bucket.take(f"192.0.2.{number}", NOON)
    assert len(bucket) == 100
    assert not bucket.take("192.0.2.999", NOON).allowed


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("unix", "unix"),
    ],
)
def test_one_subscriber_is_one_address(address, key):
    assert address_key(address) == key


def test_a_principal_who_asks_too_often_is_told_when_to_come_back(door, clock):
    client = door.client(door.token("read"))
    assert [client.get("/v1/probe").headers["ratelimit"] for _ in range(3)] == [
        f'"requests";r={n};t={60 - 20 * n}' for n in (2, 1, 0)
    ]
    answer = client.get("/v1/probe")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "20")
    assert answer.headers["content-type"] == "application/problem+json"
    assert door.client(door.token("read")).get("/v1/probe").status_code == 200  # another one has a bucket of its own
    clock.passes(seconds=20)
    assert client.get("/v1/probe").status_code == 200


def test_what_was_refused_for_its_number_is_not_recorded(door):
    client = door.client(door.token("read"))
    for _ in range(10):
        client.get("/v1/probe")
    assert [made["status"] for made in door.records()] == [200] * 3


def test_wrong_credentials_are_counted_by_address_and_right_ones_still_open(door, clock):
    wrong = door.client("apt_000000000000_" + "x" * 43)
    assert [wrong.get("/v1/probe").status_code for _ in range(12)] == [401] * 10 + [429] * 2
    page = door.post_form(door.client(), "/sign-in", token="wrong")
    assert page.status_code == 429
    assert len(door.records()) == 10
    assert door.client(door.token("read")).get("/v1/probe").status_code == 200
    clock.passes(seconds=6)
    assert wrong.get("/v1/probe").status_code == 401
