"""gzip and zstd: many members and frames, and files that are damaged."""

import functools
import gzip
import hashlib

import pytest
import zstandard

packed_at_no_time = functools.partial(gzip.compress, mtime=0)
"""The same bytes in every worker: they are part of the tests' names."""

A, B, C = b'{"id":"a"}', b'{"id":"b"}', b'{"id":"c"}'
MANY = b"".join(b'{"id":"%d","pad":"%s"}\n' % (n, hashlib.sha256(b"%d" % n).hexdigest().encode() * 4) for n in range(20_000))
SKIPPABLE = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.gz", packed_at_no_time(A + b"\n" + B + b"\n" + C)),
        ("x.json.gz", packed_at_no_time(b"[" + A + b"," + B + b"," + C + b"]")),
        ("x.ndjson.gz", packed_at_no_time(A + b"\n" + B[:3]) + packed_at_no_time(b"") + packed_at_no_time(B[3:] + b"\n" + C)),
        ("padded.gz", packed_at_no_time(A + b"\n" + B + b"\n" + C) + bytes(200_000)),
        ("x.zst", zstandard.compress(A + b"\n" + B + b"\n" + C)),
        ("x.ndjson.zst", zstandard.compress(A + b"\n" + B[:3]) + SKIPPABLE + zstandard.compress(B[3:] + b"\n" + C)),
        ("skip.zst", SKIPPABLE + zstandard.compress(A + b"\n" + B + b"\n" + C)),
    ],
)
def test_members_and_frames_are_one_stream(read, put, name, content):
    path = put(name, content)
    given = read()
    assert given.records == [A, B, C]
    (finished,) = given.finished
    assert finished.reading.sha256 == hashlib.sha256(content).hexdigest()
    assert finished.reading.bytes == len(content)
    assert finished.mark == (f"in/{name}", len(content), path.stat().st_mtime_ns)


def damaged() -> list:
    packed = {"gz": packed_at_no_time(MANY), "zst": zstandard.ZstdCompressor(write_checksum=True).compress(MANY)}
    cases = []
    for ending, content in packed.items():
        middle = len(content) // 2
        cases += [
            pytest.param(f"x.{ending}", content[:middle], id=f"{ending} cut short"),
            pytest.param(f"x.{ending}", content[:middle] + bytes(64) + content[middle + 64 :], id=f"{ending} overwritten"),
        ]
    return cases


@pytest.mark.parametrize(("name", "content"), damaged())
def test_what_a_damaged_file_still_gives_is_kept(read, put, name, content):
    put(name, content)
    given = read()
    assert given.records[:1000] == MANY.splitlines()[:1000]
    assert given.refusals[-1].position == len(given.records) + 1
    assert f"damaged file in/{name} of {len(content)} bytes" in given.refusals[-1].reason
    assert given.finished[0].mark is None, "the next run must read it again"
    assert given.finished[0].reading.sha256 == hashlib.sha256(content).hexdigest()


def test_the_unfinished_line_is_in_the_refusal(read, put):
    put("x.gz", packed_at_no_time(A + b"\n") + packed_at_no_time(B)[:-9])
    given = read()
    assert given.records[0] == A
    assert "ends early" in given.refusals[0].reason
    assert B.startswith(given.refusals[0].raw)


@pytest.mark.parametrize(("name", "packed"), [("x.gz", packed_at_no_time), ("x.zst", zstandard.compress)])
def test_garbage_after_the_end_is_told(read, put, name, packed):
    put(name, packed(A + b"\n" + B + b"\n") + b"trailing garbage")
    given = read()
    assert given.records == [A, B]
    assert given.refusals[0].raw == b""
    assert given.finished[0].mark is None


def test_a_file_that_is_no_gzip_is_told(read, put):
    put("x.gz", A)
    given = read()
    assert given.records == []
    assert "gzip" in given.refusals[0].reason


def test_a_cut_document_is_refused_with_what_could_be_read(read, put):
    content = b"[\n" + MANY.strip().replace(b"\n", b",\n") + b"\n]"
    put("x.json.gz", packed_at_no_time(content)[:-300_000])
    given = read()
    assert given.records == []
    (refusal,) = given.refusals
    assert len(refusal.raw) > 100_000
    assert content.startswith(refusal.raw)


def test_a_broken_file_does_not_keep_the_others_away(read, put):
    put("1.gz", packed_at_no_time(A)[:-4])
    put("2.ndjson", B)
    given = read()
    assert B in given.records
    assert [finished.reading.origin for finished in given.finished if finished.mark] == ["in/2.ndjson"]
