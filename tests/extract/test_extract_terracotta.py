"""The Terracotta source against a real server that pages, fails and misbehaves."""

import json
import threading
from datetime import date, timedelta
from hashlib import sha256
from urllib.parse import parse_qs, urlsplit

import pytest

from audit_pipelines import settings
from audit_pipelines.errors import SourceError
from audit_pipelines.extract.http import Client
from audit_pipelines.extract.terracotta import AHEAD, TerracottaSource
from audit_pipelines.record import Block, Finished

DAY = date(2026, 1, 5)


def source(url: str, page_size: int = 2, query: dict[str, str] | None = None) -> TerracottaSource:
    table = settings.Source(
        name="terracotta",
        kind="terracotta",
        dialect="terracotta",
        url=url,
        token_env="T",
        page_size=page_size,
        query=query or {},
    )
    client = Client(base=url, token="t", token_env="T", timeout=5, retries=0, sleep=lambda _: None)
    return TerracottaSource(table, client)


def events(day: str, count: int) -> list[dict]:
    return [{"id": f"{day}-{number}", "occurred_at": f"{day}T09:00:00Z"} for number in range(count)]


def paging(days: dict[str, int], *, total: bool = True):
    """A well-behaved service: ``days`` holds the number of events by day."""

    def answer(target: str):
        assert urlsplit(target).path == "/v1/audit-logs"
        query = {key: values[0] for key, values in parse_qs(urlsplit(target).query).items()}
        assert date.fromisoformat(query["to"]) == date.fromisoformat(query["from"]) + timedelta(days=1)
        known = events(query["from"], days.get(query["from"], 0))
        start = int(query.get("cursor", "0"))
        end = start + int(query["limit"])
        page = {"data": known[start:end], "next_cursor": str(end) if end < len(known) else None}
        return 200, {}, json.dumps(page | ({"total": len(known)} if total else {})).encode()

    return answer


def ids(pieces) -> list[str]:
    return [json.loads(record)["id"] for piece in pieces if isinstance(piece, Block) for record in piece.records]


def test_every_page_of_every_day_comes_in_order_of_the_days(service):
    days = [DAY + timedelta(days=number) for number in range(10)]
    counts = {str(day): number for number, day in enumerate(days)}
    service.answer = paging(counts)
    pieces = list(source(service.url).read(list(reversed(days))))
    assert ids(pieces) == [event["id"] for day in days for event in events(str(day), counts[str(day)])]


def test_further_parameters_go_with_every_request(service):
    """Another home's API gives records as its own source sent them: ``format=record``."""
    service.answer = paging({"2026-01-05": 3})
    assert len(ids(source(service.url, query={"format": "record", "q": "a&b"}).read([DAY]))) == 3
    assert service.asked == [
        "/v1/audit-logs?from=2026-01-05&to=2026-01-06&limit=2&format=record&q=a%26b",
        "/v1/audit-logs?from=2026-01-05&to=2026-01-06&limit=2&format=record&q=a%26b&cursor=2",
    ]


def test_each_answer_is_a_reading_with_its_request_and_digest(service):
    bodies, page = [], paging({"2026-01-05": 3})

    def answer(target):
        found = page(target)
        bodies.append(found[2])
        return found

    service.answer = answer
    readings = [piece.reading for piece in source(service.url).read([DAY]) if isinstance(piece, Finished)]
    assert [reading.origin for reading in readings] == [
        "GET /v1/audit-logs?from=2026-01-05&to=2026-01-06&limit=2",
        "GET /v1/audit-logs?from=2026-01-05&to=2026-01-06&limit=2&cursor=2",
    ]
    assert [reading.sha256 for reading in readings] == [sha256(body).hexdigest() for body in bodies]
    assert [(reading.bytes, reading.records) for reading in readings] == [(len(bodies[0]), 2), (len(bodies[1]), 1)]


def test_records_keep_their_bytes_but_for_line_ends(service):
    service.answer = lambda _: (200, {}, b'{"data":[ {"a" : 1.50,\r\n "b":2} ,{"x":"\xff"}, 7]}')
    blocks = [piece for piece in source(service.url).read([DAY]) if isinstance(piece, Block)]
    records = [record for block in blocks for record in block.records]
    assert records == [b'{"a" : 1.50,   "b":2}', b'{"x":"\xff"}', b"7"]
    assert all(record in block.data for block in blocks for record in block.records)
    assert [list(block.positions) for block in blocks] == [[1, 2, 3]]


@pytest.mark.parametrize("end", ['"next_cursor":null,', '"next_cursor":"",', ""])
def test_the_last_page_may_say_so_in_three_ways(service, end):
    service.answer = lambda _: (200, {}, f'{{{end}"data":[{{}}],"unknown":[1]}}'.encode())
    assert len(list(source(service.url).read([DAY]))) == 2
    assert len(service.asked) == 1


def test_a_cursor_is_any_text(service):
    cursors = []

    def answer(target):
        cursors.append(parse_qs(urlsplit(target).query).get("cursor"))
        return 200, {}, json.dumps({"data": [{}], "next_cursor": "a+/=& \u00fc" if len(cursors) == 1 else None}).encode()

    service.answer = answer
    list(source(service.url).read([DAY]))
    assert cursors == [None, ["a+/=& \u00fc"]]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>", "no JSON"),
        (b"", "no JSON"),
        (b'{"data":[', "no JSON"),
        (b"[]", "no list of records"),
        (b"{}", "no list of records"),
        (b'{"data":null}', "no list of records"),
        (b'{"data":{"a":1}}', "no list of records"),
        (b'{"data":[],"next_cursor":{"a":1}}', "next_cursor"),
        (b'{"data":[],"next_cursor":true}', "next_cursor"),
        (b'{"data":' + b"[" * 5000, "no JSON"),
    ],
)
def test_a_malformed_page_is_an_error_that_names_the_request(service, body, words):
    service.answer = lambda _: (200, {}, body)
    with pytest.raises(SourceError, match=words) as caught:
        list(source(service.url).read([DAY]))
    assert caught.value.kind == "malformed"
    assert "from=2026-01-05" in caught.value.where


def test_a_cursor_that_comes_again_ends_the_reading(service):
    service.answer = lambda _: (200, {}, b'{"data":[{"id":1}],"next_cursor":"again"}')
    with pytest.raises(SourceError, match="paging does not end") as caught:
        list(source(service.url).read([DAY]))
    assert caught.value.kind == "malformed"
    assert len(service.asked) == 2


def test_empty_pages_are_followed_three_times(service):
    def answer(target, after=4):
        number = int(parse_qs(urlsplit(target).query).get("cursor", ["0"])[0])
        page = {"data": [] if number else [{}], "next_cursor": str(number + 1) if number < after else None}
        return 200, {}, json.dumps(page).encode()

    service.answer = answer
    assert len(list(source(service.url).read([DAY]))) == 6
    service.answer = lambda target: answer(target, after=9)
    with pytest.raises(SourceError, match="4 pages without records"):
        list(source(service.url).read([DAY]))


@pytest.mark.parametrize("total", [5, 1])
def test_another_total_than_counted_is_incomplete_and_keeps_what_came(service, total):
    service.answer = lambda _: (200, {}, json.dumps({"data": events("2026-01-05", 2), "total": total}).encode())
    pieces = []
    with pytest.raises(SourceError, match=f"2026-01-05: 2 records came, the service counts {total}") as caught:
        pieces.extend(source(service.url).read([DAY]))
    assert caught.value.kind == "incomplete"


def test_pieces_before_an_error_have_been_handed_on(service):
    service.answer = lambda _: (200, {}, json.dumps({"data": events("2026-01-05", 2), "total": 3}).encode())
    pieces = source(service.url).read([DAY])
    assert ids([next(pieces)]) == ["2026-01-05-0", "2026-01-05-1"]


def test_a_day_that_grows_while_it_is_paged_is_complete(service):
    """The first page counts 3, meanwhile one more comes, the last page counts 4."""

    def answer(target):
        last = "cursor" in target
        known = events("2026-01-05", 4)
        page = {"data": known[2:] if last else known[:2], "next_cursor": None if last else "2", "total": 4 if last else 3}
        return 200, {}, json.dumps(page).encode()

    service.answer = answer
    assert len(ids(source(service.url).read([DAY]))) == 4


@pytest.mark.parametrize("total", ['"2"', "null", "true", "[]"])
def test_a_total_that_is_no_number_is_ignored(service, total):
    service.answer = lambda _: (200, {}, f'{{"data":[{{}},{{}}],"total":{total}}}'.encode())
    assert len(list(source(service.url).read([DAY]))) == 2


def test_a_failing_day_ends_the_reading_at_its_place(service):
    """Days before it come in full though it failed long before; days after it are not handed on."""
    good = paging({"2026-01-05": 3, "2026-01-06": 3, "2026-01-08": 3})
    failed = threading.Event()

    def answer(target):
        if "from=2026-01-07" in target:
            failed.set()
            return 404, {}, b""
        failed.wait(10)  # the other days are answered only after this one has failed
        return good(target)

    service.answer = answer
    pieces = []
    with pytest.raises(SourceError, match="from=2026-01-07"):
        pieces.extend(source(service.url).read([DAY + timedelta(days=number) for number in range(4)]))
    assert ids(pieces) == [f"2026-01-0{day}-{number}" for day in (5, 6) for number in range(3)]


def test_days_are_fetched_at_the_same_time(service):
    """A barrier opens only when ``AHEAD`` requests have come: one after the other would never open it."""
    barrier = threading.Barrier(AHEAD, timeout=10)
    good = paging({})

    def answer(target):
        barrier.wait()
        return good(target)

    service.answer = answer
    assert len(list(source(service.url).read([DAY + timedelta(days=number) for number in range(AHEAD)]))) == AHEAD


def test_a_reader_that_stops_early_ends_the_fetching(service):
    service.answer = paging({str(DAY + timedelta(days=number)): 50 for number in range(8)})
    before = set(threading.enumerate())
    reading = source(service.url, page_size=1).read([DAY + timedelta(days=number) for number in range(8)])
    next(reading)
    reading.close()
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("day-"):
            thread.join(10)
            assert not thread.is_alive()
    assert len(service.asked) < 8 * 50 / 2


def test_covered_are_the_days_asked_for_but_not_today(service):
    days = [date(2026, 1, 7), date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 1), date(2026, 1, 8)]
    covered = source("http://127.0.0.1:9").covers(days, today=date(2026, 1, 8))
    assert covered == ((date(2026, 1, 1), date(2026, 1, 1)), (date(2026, 1, 5), date(2026, 1, 7)))
