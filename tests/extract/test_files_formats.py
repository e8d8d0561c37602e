"""Each format that ``files`` reads, and how it is told from the others."""

import json

import pytest

A = b'{"id":"a","occurred_at":"2026-01-05T09:00:00Z"}'
B = b'{"id":"b","occurred_at":"2026-01-05T09:00:01Z"}'
BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    ("content", "positions"),
    [
        pytest.param(A + b"\n" + B + b"\n", [1, 2], id="lines"),
        pytest.param(A + b"\n" + B, [1, 2], id="last line without line end"),
        pytest.param(A + b"\r\n" + B + b"\r\n", [1, 2], id="CRLF"),
        pytest.param(BOM + A + b"\n" + B, [1, 2], id="byte order mark"),
        pytest.param(b"\n\n" + A + b"\n \t\r\n\n" + B + b"\n\n", [3, 6], id="blank lines are no records but count as lines"),
        pytest.param(b"[" + A + b"," + B + b"]", [1, 2], id="list"),
        pytest.param(BOM + b"[" + A + b"," + B + b"]\n", [1, 2], id="list with byte order mark"),
        pytest.param(b"[\n" + A + b",\n" + B + b"\n]\n", [1, 2], id="list, one a line"),
        pytest.param(b"[\n" + A + b"\n,\n" + B + b"\n]\n", [1, 2], id="list, commas on lines of their own"),
        pytest.param(b"[" + A + b"\n," + B + b"\n]", [1, 2], id="list, commas first"),
        pytest.param(b'{"Records":[' + A + b"," + B + b"]}", [1, 2], id="holder"),
        pytest.param(b'{"next":null,\n"Records":[\n' + A + b",\n" + B + b"\n]}\n", [1, 2], id="holder over lines"),
    ],
)
def test_every_format_gives_the_same_records(read, put, content, positions):
    put("x.json", content)
    given = read()
    assert given.records == [A, B]
    assert given.positions == positions
    assert given.refusals == []
    assert given.finished[0].reading.records == 2


def test_a_block_holds_every_byte_of_its_records(read, put):
    """The lake checks UTF-8 once a block."""
    put("x.ndjson", A + b"\r\n\n" + B)
    put("y.json", b"[" + A + b"," + B + b"]")
    for block in read().blocks:
        assert all(record in block.data for record in block.records)


def test_a_pretty_printed_document_becomes_one_line_a_record(read, put):
    event = {"id": "a", "note": "line\nend", "list": [1, {"x": 2}]}
    put("x.json", json.dumps([event], indent=2).replace("\n", "\r\n").encode())
    (record,) = read().records
    assert b"\n" not in record
    assert b"\r" not in record
    assert json.loads(record) == event


def test_white_space_and_numbers_inside_a_record_keep_their_bytes(read, put):
    put("x.json", b'[ {"a" : 1.50,  "b":1e2} , {} ]')
    assert read().records == [b'{"a" : 1.50,  "b":1e2}', b"{}"]


@pytest.mark.parametrize("content", [A, A + b"\n", b" " + A, BOM + A])
def test_a_lone_record_with_a_time_is_a_record_even_if_it_holds_a_list(read, put, content):
    content = content.replace(b"}", b',"targets":[{"id":1}]}')
    put("x.json", content)
    assert [json.loads(record)["id"] for record in read().records] == ["a"]


def test_a_lone_pretty_printed_record_is_a_record(read, put):
    event = {"id": "a", "occurred_at": "2026-01-05T09:00:00Z", "targets": [{"id": 1}]}
    put("x.json", json.dumps(event, indent=1).encode())
    assert [json.loads(record) for record in read().records] == [event]


def test_a_lone_object_without_time_and_list_is_left_to_the_lake(read, put):
    put("x.json", b'{"hello":1}')
    assert read().records == [b'{"hello":1}']


def test_elements_that_are_no_objects_are_records_too(read, put):
    put("x.json", b'[1,"x",null,[2],{}]')
    assert read().records == [b"1", b'"x"', b"null", b"[2]", b"{}"]


@pytest.mark.parametrize(
    "bad",
    [b"garbage", b'{"id":"x","occurred_at":', b"[2026-01-05] log opened", b"\x00\x00\x00", b"\xff\xfe", b'{"a":[', b"{"],
)
def test_ndjson_with_a_malformed_first_line_is_still_ndjson(read, put, bad):
    put("x.log", bad + b"\n" + A + b"\n" + B + b"\n")
    given = read()
    assert given.records == [bad, A, B]
    assert given.refusals == []


@pytest.mark.parametrize("bad", [b'{"id":"x","occurr', b"[2026-01-05] log opened"])
def test_one_bad_and_one_good_line_are_two_lines(read, put, bad):
    put("x.ndjson", bad + b"\n" + A + b"\n")
    assert read().records == [bad, A]


def test_nul_bytes_stay_in_their_line(read, put):
    put("x.ndjson", A + b"\n\x00\x00\x00\n" + B + b"\n")
    assert read().records == [A, b"\x00\x00\x00", B]


def test_a_return_inside_a_line_becomes_a_space_only_where_it_is_white_space(read, put):
    put("x.ndjson", A + b'\n{"a":1,\r"b":2}\n{"a":"x\ry"}\n')
    assert read().records == [A, b'{"a":1, "b":2}', b'{"a":"x\ry"}']


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"[" + A + b",", "cut short after"),
        (b"[" + A + b"] x", "trailing characters"),
        (b'[{"a":1},\n{"a":NaN}\n]', "invalid character"),
        (b'[{"a":"x\ny"}]', "invalid character"),
        (b'{\n"Records": [\n' + A + b",\n", "cut short after"),
        (b"[" * 5000, "nested too deeply"),
        (b'{"Records":[' + A + b'],"Records":[' + B + b"]}", "stands twice"),
        (b'{\n"\xff":[]\n}', "UTF-8"),
    ],
)
def test_a_malformed_document_is_one_refusal_with_all_its_bytes(read, put, content, why):
    put("x.json", content)
    given = read()
    assert given.records == []
    (refusal,) = given.refusals
    assert refusal.raw == content
    assert refusal.origin == "in/x.json"
    assert why in refusal.reason
    assert given.finished[0].reading.records == 1


def test_of_several_lists_the_settings_choose(read, put):
    put("x.json", b'{"errors":[1],"Records":[' + A + b"]}")
    (refusal,) = read().refusals
    assert "records_key" in refusal.reason
    assert "'errors', 'Records'" in refusal.reason
    assert read(records_key="Records").records == [A]


def test_a_missing_records_key_is_named(read, put):
    put("x.json", b'{"Records":[' + A + b"]}")
    (refusal,) = read(records_key="items").refusals
    assert "'items'" in refusal.reason
    assert "'Records'" in refusal.reason


def test_an_empty_list_gives_nothing_and_is_finished(read, put):
    put("x.json", b'{"Records":[]}')
    given = read()
    assert (given.records, given.refusals) == ([], [])
    assert given.finished[0].mark is not None
