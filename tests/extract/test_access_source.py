"""The access log as a source: whole lines of a file that grows, and torn lines of one that does not any more."""

import hashlib
import json
import os
from datetime import date

import pytest

from audit_pipelines.errors import SourceError
from audit_pipelines.extract.access import AccessSource
from audit_pipelines.home import Home
from audit_pipelines.record import Block

TODAY = date(2026, 1, 6)
NOW, BEFORE = "2026-01-06.0a1b2c3d.ndjson", "2026-01-05.0a1b2c3d.ndjson"


@pytest.fixture
def home(tmp_path) -> Home:
    made = Home(tmp_path)
    made.access.mkdir(parents=True)
    return made


@pytest.fixture
def read(home, given):
    def read(seen=None, today=TODAY):
        return given(list(AccessSource(home, seen or {}, today).read([])))

    return read


def seen(found) -> dict:
    """What the next run knows of the files that were read whole."""
    return {piece.mark[0]: piece.mark[1:] for piece in found.finished if piece.mark}


def line(number: int) -> bytes:
    return json.dumps({"id": f"acc_{number}", "time": "2026-01-06T00:00:00Z"}).encode() + b"\n"


def test_every_file_is_read_in_the_order_of_days(home, read):
    (home.access / NOW).write_bytes(line(3))
    (home.access / BEFORE).write_bytes(line(1) + line(2))
    assert [json.loads(record)["id"] for record in read().records] == ["acc_1", "acc_2", "acc_3"]


def test_a_home_that_was_never_served_has_nothing(tmp_path, given):
    assert given(list(AccessSource(Home(tmp_path), {}, TODAY).read([]))).pieces == []


@pytest.mark.parametrize("half", [b"{", line(2)[:-1], "é".encode()[:1], b"x" * 200_000])
def test_a_half_line_of_today_waits_until_it_is_whole(home, read, half):
    """Even when it looks whole: only its line feed says so."""
    path = home.access / NOW
    path.write_bytes(line(1) + half)
    found = read()
    assert found.records == [line(1)[:-1]]
    assert found.refusals == []
    (finished,) = found.finished
    assert finished.mark is None
    assert (finished.reading.bytes, finished.reading.records) == (len(line(1)), 1)
    assert finished.reading.sha256 == hashlib.sha256(line(1)).hexdigest()

    path.write_bytes(line(1) + line(2))
    later = read(seen(found))
    assert later.records == [line(1)[:-1], line(2)[:-1]], "duplicates are the lake's to drop"
    assert seen(later) == {"state/access/" + NOW: (path.stat().st_size, path.stat().st_mtime_ns)}


def test_a_file_with_nothing_but_a_half_line_gives_nothing(home, read):
    (home.access / NOW).write_bytes(b'{"id":')
    assert (read().blocks, read().refusals) == ([], [])


def test_what_is_appended_while_it_is_read_is_left(home, given):
    """The first block is handed on, then the writer goes on: the reading is of what was there at its begin."""
    path = home.access / NOW
    path.write_bytes(line(1) + b'{"half')
    pieces = AccessSource(home, {}, TODAY).read([])
    first = next(pieces)
    with path.open("ab") as file:
        file.write(b'":1}\n' + line(2))
    rest = given(list(pieces))
    assert isinstance(first, Block)
    assert first.records == [line(1)[:-1]]
    assert rest.records == []
    assert rest.finished[0].reading.bytes == len(line(1))


def test_a_line_that_a_kill_has_torn_comes_when_its_day_is_over(home, read):
    """The same file, untouched since: not skipped as read, for it was not read whole."""
    (home.access / NOW).write_bytes(line(1) + b'{"id":"acc_2","ti')
    known = seen(read())
    assert known == {}
    tomorrow = read(known, date(2026, 1, 7))
    assert tomorrow.records == [line(1)[:-1], b'{"id":"acc_2","ti'], "the lake makes a reject of it"
    assert tomorrow.positions == [1, 2]
    assert seen(tomorrow) != {}


def test_an_unchanged_file_is_skipped(home, read):
    (home.access / NOW).write_bytes(line(1))
    known = seen(read())
    assert read(known).pieces == []
    with (home.access / NOW).open("ab") as file:
        file.write(line(2))
    assert len(read(known).records) == 2


def test_the_last_line_feed_is_found_however_far_back_it_is(home, read):
    long = b'{"id":"' + b"x" * 300_000 + b'"}\n'
    (home.access / NOW).write_bytes(line(1) + long + b"y" * 150_000)
    assert [len(record) for record in read().records] == [len(line(1)) - 1, len(long) - 1]


def test_a_file_that_serve_has_not_named_is_read_whole(home, read):
    (home.access / "copy.ndjson").write_bytes(line(1) + b"{")
    assert len(read().records) == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_named_after_the_others(home):
    (home.access / BEFORE).write_bytes(line(1))
    (home.access / BEFORE).chmod(0)
    (home.access / NOW).write_bytes(line(2))
    pieces = AccessSource(home, {}, TODAY).read([])
    assert next(pieces).records == [line(2)[:-1]]
    with pytest.raises(SourceError, match=BEFORE) as caught:
        list(pieces)
    assert caught.value.kind == "unreadable"


def test_all_days_before_today_are_covered(home):
    assert AccessSource(home, {}, TODAY).covers([], TODAY) == ((date(1970, 1, 1), date(2026, 1, 5)),)
