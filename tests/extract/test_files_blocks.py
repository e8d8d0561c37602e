"""Large files: blocks of bounded size, long lines, limits."""

import gzip
import json

from audit_pipelines.record import BLOCK_BYTES


def lines(count: int, width: int) -> list[bytes]:
    return [json.dumps({"id": number, "pad": "x" * width}).encode() for number in range(count)]


def test_no_line_is_lost_or_cut_at_the_edges_of_blocks(read, put):
    records = lines(30_000, 300)
    put("x.ndjson", b"\n".join(records))
    given = read()
    assert given.records == records
    assert given.positions == list(range(1, 30_001))
    assert len(given.blocks) > 3
    assert max(len(block.data) for block in given.blocks) < 2 * BLOCK_BYTES


def test_the_same_from_gzip(read, put):
    records = lines(30_000, 300)
    put("x.ndjson.gz", gzip.compress(b"\n".join(records)))
    assert read().records == records


def test_a_line_longer_than_many_blocks_is_whole(read, put):
    records = [b'{"a":1}', json.dumps({"pad": "y" * (5 * BLOCK_BYTES)}).encode(), b'{"b":2}']
    put("x.ndjson", b"\n".join(records))
    assert read().records == records


def test_a_long_first_line_is_whole(read, put):
    records = [json.dumps({"pad": "y" * (3 * BLOCK_BYTES)}).encode(), b'{"b":2}']
    put("x.ndjson", b"\n".join(records))
    assert read().records == records


def test_a_line_beyond_the_limit_is_refused_and_its_neighbours_are_not(read, put):
    limit = 2 * BLOCK_BYTES
    huge = b"h" * (4 * BLOCK_BYTES)
    put("x.ndjson", b'{"a":1}\n' + huge + b'\n{"b":2}\n')
    given = read(limit=limit)
    assert given.records == [b'{"a":1}', b'{"b":2}']
    assert given.positions == [1, 3]
    (refusal,) = given.refusals
    assert refusal.position == 2
    assert f"a line of {len(huge)} bytes" in refusal.reason
    assert 0 < len(refusal.raw) <= 1 << 20
    assert huge.startswith(refusal.raw)


def test_an_endless_last_line_is_refused(read, put):
    put("x.ndjson", b'{"a":1}\n' + b"h" * (4 * BLOCK_BYTES))
    given = read(limit=BLOCK_BYTES)
    assert given.records == [b'{"a":1}']
    assert f"a line of {4 * BLOCK_BYTES} bytes" in given.refusals[0].reason


def test_a_file_that_is_one_endless_line_is_refused(read, put):
    put("x.ndjson", b"[" * (4 * BLOCK_BYTES))
    (refusal,) = read(limit=BLOCK_BYTES).refusals
    assert f"a line of {4 * BLOCK_BYTES} bytes" in refusal.reason


def test_a_document_beyond_the_limit_is_refused(read, put):
    put("x.json", b"[\n" + b",\n".join(lines(10_000, 500)) + b"\n]")
    (refusal,) = read(limit=BLOCK_BYTES).refusals
    assert "split it or write it as NDJSON" in refusal.reason
    assert len(refusal.raw) <= 1 << 20


def test_a_large_list_comes_in_blocks_with_ordinals(read, put):
    records = lines(20_000, 300)
    put("x.json", b"[" + b",\n".join(records) + b"]")
    given = read()
    assert given.records == records
    assert given.positions == list(range(1, 20_001))
    assert len(given.blocks) > 2
