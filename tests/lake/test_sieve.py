"""Each record is an event or a reject with its reason, whatever stands around it."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit_pipelines.lake.sieve import Fault, Sieve
from audit_pipelines.record import parse_dialect

DIALECT = parse_dialect("x", "-- id: id, id2\n-- time: t, t2\n-- unit: ms\n-- objects: o\n-- arrays: a\n", where="test")
SIEVE = Sieve(DIALECT)
GOOD = b'{"id":"good","t":"2026-01-05T00:00:00Z"}'
MIDNIGHT = 1_767_571_200_000_000


def outcome(record):
    """(id, micros, plain) of an event, or the reason of a reject."""
    try:
        return SIEVE.examine(record)
    except Fault as fault:
        return str(fault)


def member(text):
    """A good record with one more member."""
    return b'{"id":"good","t":"2026-01-05T00:00:00Z",' + text + b"}"


EVENTS = {
    "plain": (GOOD, ("good", MIDNIGHT, True)),
    "white space around": (b" \t" + GOOD + b" ", ("good", MIDNIGHT, True)),
    "carriage return between tokens": (GOOD.replace(b",", b",\r"), ("good", MIDNIGHT, True)),
    "duplicate keys: the last counts": (GOOD.replace(b'"good"', b'"first","id":"good"'), ("good", MIDNIGHT, True)),
    "escaped NUL in a value": (member(rb'"z":"\u0000"'), ("good", MIDNIGHT, True)),
    "escaped NUL in the id": (rb'{"id":"a\u0000","t":1}', ("a\0", 1000, True)),
    "surrogate pair": (member(rb'"z":"\ud83d\ude00"'), ("good", MIDNIGHT, True)),
    "huge integer elsewhere": (member(b'"z":' + b"1" * 5000), ("good", MIDNIGHT, True)),
    "1e400 elsewhere": (member(b'"z":1e400'), ("good", MIDNIGHT, True)),
    "nested 300 deep": (member(b'"z":' + b"[" * 300 + b"]" * 300), ("good", MIDNIGHT, True)),
    "16 MiB line": (member(b'"z":"' + b"x" * (16 << 20) + b'"'), ("good", MIDNIGHT, True)),
    "no id": (b'{"t":1}', (None, 1000, True)),
    "null id": (b'{"id":null,"t":1}', (None, 1000, True)),
    "empty id": (b'{"id":"","t":1}', (None, 1000, True)),
    "second name of the id": (b'{"id2":"b","t":1}', ("b", 1000, True)),
    "number as id": (b'{"id":7,"t":1}', ("7", 1000, False)),
    "list as id": (b'{"id":[7],"t":1}', (None, 1000, False)),
    "second name of the time": (b'{"id":"a","t2":2}', ("a", 2000, True)),
    "null time, then another": (b'{"id":"a","t":null,"t2":2}', ("a", 2000, True)),
    "fraction of a millisecond": (b'{"id":"a","t":1.5}', ("a", 1500, True)),
    "number where an object belongs": (b'{"id":"a","t":1,"o":3}', ("a", 1000, False)),
    "object where a list belongs": (b'{"id":"a","t":1,"a":{}}', ("a", 1000, False)),
    "null where an object belongs": (b'{"id":"a","t":1,"o":null,"a":null}', ("a", 1000, True)),
}
REJECTS = {
    "text": (b"hello", "no valid JSON"),
    "half a record": (GOOD[:-9], "no valid JSON"),
    "invalid UTF-8 in a value": (member(b'"z":"\xff"'), "no valid UTF-8: byte 0xff at offset"),
    "invalid UTF-8 in a key": (member(b'"\xc3":1'), "no valid UTF-8: byte 0xc3"),
    "invalid UTF-8 nested": (member(b'"z":{"y":["\xe2\x82"]}'), "no valid UTF-8"),
    "surrogate in UTF-8": (member(b'"z":"\xed\xa0\x80"'), "no valid UTF-8"),
    "NUL byte in a value": (member(b'"z":"\0"'), "no valid JSON"),
    "NUL byte outside": (GOOD + b"\0", "no valid JSON"),
    "carriage return in a text": (b'{"id":"a\rb","t":1}', "no valid JSON"),
    "lone surrogate in the id": (rb'{"id":"\ud800","t":1}', "no valid JSON"),
    "lone surrogate in a value": (member(rb'"z":"\ud800"'), "no valid JSON"),
    "byte order mark inside": (b"\xef\xbb\xbf" + GOOD, "no valid JSON"),
    "NaN": (member(b'"z":NaN'), "no valid JSON"),
    "Infinity as time": (b'{"id":"a","t":Infinity}', "no valid JSON"),
    "trailing comma": (GOOD[:-1] + b",}", "no valid JSON"),
    "single quotes": (GOOD.replace(b'"', b"'"), "no valid JSON"),
    "two documents": (GOOD + GOOD, "no valid JSON"),
    "nested 100,000 deep": (member(b'"z":' + b"[" * 100_000 + b"]" * 100_000), "nested too deeply"),
    "list": (b"[" + GOOD + b"]", "no JSON object"),
    "number": (b"3", "no JSON object"),
    "null": (b"null", "no JSON object"),
    "no time": (b'{"id":"a"}', "no time: none of t, t2 is there"),
    "null time": (b'{"id":"a","t":null}', "no time"),
    "bool as time": (b'{"id":"a","t":true}', "time is neither text nor a number but bool"),
    "object as time": (b'{"id":"a","t":{}}', "time is neither text nor a number but dict"),
    "empty time": (b'{"id":"a","t":""}', "time is no RFC 3339 text"),
    "month 13": (b'{"id":"a","t":"2026-13-01T00:00:00Z"}', "time is impossible"),
    "February 30": (b'{"id":"a","t":"2026-02-30T00:00:00Z"}', "time is impossible"),
    "time beyond all numbers": (b'{"id":"a","t":1e400}', "out of range"),
    "time of 5,000 digits": (b'{"id":"a","t":' + b"1" * 5000 + b"}", "out of range"),
    "time beyond the year 9999": (b'{"id":"a","t":9999999999999999}', "outside the years 1 to 9999"),
    "id of 5,000 digits": (b'{"id":' + b"1" * 5000 + b',"t":1}', "out of range"),
}


@pytest.mark.parametrize("name", EVENTS)
def test_is_an_event(name):
    record, expected = EVENTS[name]
    assert outcome(record) == expected


@pytest.mark.parametrize("name", REJECTS)
def test_is_a_reject_with_its_reason(name):
    record, reason = REJECTS[name]
    found = outcome(record)
    assert isinstance(found, str)
    assert reason in found


def sifted(records):
    """``outcome`` of each record, as the block's sieve sees it (but for plain, which it only counts)."""
    result = SIEVE.sift(b"\n".join(records), records)
    faults = dict(result.faults)
    events = iter(zip(result.records, result.ids, result.micros.tolist(), strict=True))
    found = []
    for at, record in enumerate(records):
        if at in faults:
            found.append(faults[at])
        else:
            kept, event_id, micros = next(events)
            assert kept == record
            found.append((event_id, micros))
    assert next(events, None) is None
    return found, result.mistyped


CASES = [record for name, (record, _) in (*EVENTS.items(), *REJECTS.items()) if len(record) < 1 << 20]
PIECES = st.sampled_from(
    [
        b'"id":',
        b'"t":',
        b'"o":',
        b'"a":',
        b"1",
        b"-1.5",
        b"true",
        b"null",
        b'""',
        b'"x"',
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b"\xff",
        b'"2026-01-05T00:00:00Z"',
        b'"2026-01-05T00:00:60+02:00"',
        b'"0000-01-01T00:00:00Z"',
        b"1767225600000",
        b" ",
        b"\\",
        b'"',
    ]
)
TORN = st.lists(PIECES, max_size=8).map(lambda parts: b"{" + b"".join(parts) + b"}")
MEMBERS = st.dictionaries(
    st.sampled_from(["id", "id2", "t", "t2", "o", "a", "z"]),
    st.sampled_from(
        [
            "1",
            "1.5",
            "true",
            "null",
            '""',
            '"x"',
            "{}",
            "[]",
            '"2026-01-05T00:00:00Z"',
            '"2026-01-05 01:02:03.123456789"',
            "1e400",
        ]
    ),
)
WHOLE = MEMBERS.map(lambda members: ("{" + ",".join(f'"{key}":{value}' for key, value in members.items()) + "}").encode())
RECORDS = st.sampled_from(CASES) | TORN | WHOLE


@settings(max_examples=300, deadline=None)
@given(st.lists(RECORDS, min_size=1, max_size=6))
def test_what_becomes_of_a_record_does_not_depend_on_its_neighbours(records):
    alone = [outcome(record) for record in records]
    expected = [found if isinstance(found, str) else found[:2] for found in alone]
    mistyped = sum(not isinstance(found, str) and not found[2] for found in alone)
    assert sifted(records) == (expected, mistyped)
    assert [sifted([record])[0][0] for record in records] == expected
    assert sifted([GOOD, *records, GOOD])[0] == [("good", MIDNIGHT), *expected, ("good", MIDNIGHT)]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40), st.integers(0, 2**32))
def test_no_bytes_make_the_sieve_fail(junk, seed):
    record = bytearray(random.Random(seed).choice(CASES))
    at = seed % (len(record) + 1)
    record[at : at + len(junk) // 2] = junk
    for given_bytes in (bytes(record), junk):
        SIEVE.sift(given_bytes, [given_bytes])


def test_how_deep_a_record_may_nest_does_not_depend_on_the_callers_stack():
    deep = [member(b'"z":' + b"[" * depth + b"]" * depth) for depth in range(700, 1100, 20)]

    def below(frames):
        return [isinstance(outcome(record), str) for record in deep] if frames == 0 else below(frames - 1)

    shallow = below(0)
    assert shallow == below(400)
    assert {True, False} == set(shallow)
