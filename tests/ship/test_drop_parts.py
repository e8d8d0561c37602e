"""Where files end, and how they are compressed."""

import subprocess

import pytest

from audit_pipelines.ship.codec import CODECS
from audit_pipelines.ship.parts import PART_BYTES, PART_ROWS, RECORD_BYTES, Limits


def test_a_part_ends_at_its_rows(drops, publish):
    made = publish([drops.event(number) for number in range(10)], "generic", limits=Limits(rows=4))
    assert [(file.rows, file.part) for file in made.formats[0].files] == [(4, 0), (4, 1), (2, 2)]
    assert [file.min_leaf_index for file in made.formats[0].files] == [0, 4, 8]


def test_a_part_ends_before_its_bytes_and_a_giant_line_is_a_part(drops, publish):
    rows = [drops.event(number, user_agent="x" * (100_000 if number == 3 else 1000)) for number in range(8)]
    made = publish(rows, "generic", limits=Limits(bytes=4500))
    assert [file.rows for file in made.formats[0].files] == [2, 1, 1, 2, 2]
    assert [file.body_bytes > 4500 for file in made.formats[0].files] == [False, False, True, False, False]
    lines = publish.lines(made, "generic")
    assert sum(map(len, lines)) == sum(file.body_bytes for file in made.formats[0].files)
    assert len(set(lines)) == 8


def test_a_line_that_just_fits_is_taken(drops, publish):
    rows = [drops.event(number) for number in range(4)]
    size = publish(rows, "generic").formats[0].files[0].body_bytes
    for limit, expected in ((size, [4]), (size - 1, [3, 1]), (size // 4, [1, 1, 1, 1])):
        made = drops.Publisher(publish.root / str(limit))(rows, "generic", limits=Limits(bytes=limit))
        assert [file.rows for file in made.formats[0].files] == expected


def test_the_shipped_limits(drops, publish):
    assert (PART_ROWS, PART_BYTES) == (100_000, 64 << 20)
    connection = drops.relation([drops.event(0)])
    connection.execute(
        "CREATE TABLE many AS SELECT * REPLACE (uid || i AS uid, i AS leaf_index, occurred_at + to_milliseconds(i) AS occurred_at)"
        " FROM events, range(100001) t(i)"
    )
    connection.execute("DROP TABLE events; ALTER TABLE many RENAME TO events; ALTER TABLE events DROP COLUMN i")
    made = publish(connection, "generic")
    assert (
        [file.rows for file in made.formats[0].files] == [100_000, 1] if made.formats[0].files[0].body_bytes < PART_BYTES else [1]
    )
    assert all(file.body_bytes <= PART_BYTES for file in made.formats[0].files)


@pytest.mark.parametrize(("compression", "command"), [("gzip", "gzip -dc"), ("zstd", "zstd -dcq")])
def test_compressed_files_hold_the_same_bytes(drops, publish, compression, command):
    rows = [drops.event(number, user_agent=f"{number}" * 2000) for number in range(40)]
    plain = publish(rows, "generic", limits=Limits(rows=25))
    packed_home = drops.Publisher(publish.root / compression)
    packed = packed_home(rows, "generic", compression=compression, limits=Limits(rows=25))
    for file, other in zip(plain.formats[0].files, packed.formats[0].files, strict=True):
        assert other.path.endswith({"gzip": ".ndjson.gz", "zstd": ".ndjson.zst"}[compression])
        path = packed_home.drops / other.path
        assert drops.content(path) == (publish.drops / file.path).read_bytes()
        done = subprocess.run([*command.split(), path], capture_output=True, check=True)
        assert done.stdout == (publish.drops / file.path).read_bytes()
        assert (file.body_sha256, file.rows) == (other.body_sha256, other.rows)
        assert other.bytes < file.bytes


def test_gzip_holds_no_time(drops, publish):
    made = publish([drops.event(0)], "generic", compression="gzip")
    raw = (publish.drops / made.formats[0].files[0].path).read_bytes()
    assert raw[:2] == b"\x1f\x8b"
    assert raw[4:8] == b"\0\0\0\0"


@pytest.mark.parametrize("name", list(CODECS))
def test_the_frame_of_line_1_has_one_size(name):
    codec = CODECS[name]
    sizes = {len(codec.frame(line.ljust(RECORD_BYTES))) for line in (b"", b"\xff" * RECORD_BYTES, bytes(range(256)) * 8)}
    assert len(sizes) == 1


@pytest.mark.parametrize("name", list(CODECS))
def test_compressed_bytes_do_not_depend_on_how_lines_arrive(name):
    data = b"".join(b'{"uid":"terracotta/evt_%06d","action":"guardrail.updated"}\n' % number for number in range(200_000))

    def packed(step: int) -> bytes:
        stream = CODECS[name].stream()
        pieces = [
            bytes(piece) for start in range(0, len(data), step) for piece in stream.write(memoryview(data)[start : start + step])
        ]
        return b"".join(pieces) + b"".join(bytes(piece) for piece in stream.finish())

    assert packed(len(data)) == packed(1_000_003) == packed(70_001)
