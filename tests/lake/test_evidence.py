"""Evidence files: readable by any zstd tool, one line a record, damage never passes."""

import hashlib
import io
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
import zstandard

from audit_pipelines.errors import LakeError
from audit_pipelines.lake import evidence
from audit_pipelines.lake.evidence import EvidenceWriter, FrameCache, read_lines


@pytest.fixture
def written(tmp_path, monkeypatch):
    """(path, lines, frames, size) of a file of many frames."""
    monkeypatch.setattr(evidence, "FRAME_LINES", 7)
    monkeypatch.setattr(evidence, "FRAME_BYTES", 400)
    records = [b'{"n":%d,"z":"%s"}' % (n, b"x" * (n * 37 % 300)) for n in range(100)]
    path = tmp_path / "e.zst"
    with ThreadPoolExecutor(1) as pool:
        writer = EvidenceWriter(path, lambda size: bytes(range(16)) * (size // 16), pool)
        for at in range(0, 100, 9):
            writer.write(records[at : at + 9])
        lines = [bytes(range(16)).hex().encode() + b" " + record for record in records]
        assert [writer.line(number) for number in range(100)] == lines  # framed ones and pending ones
        digest, size, frames = writer.close()
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    assert path.stat().st_size == size
    return path, lines, frames, size


def test_any_zstd_reader_gives_salt_and_record_line_by_line(written):
    path, lines, _, _ = written
    with path.open("rb") as file:
        content = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read()
    assert content == b"\n".join(lines) + b"\n"


def test_frames_are_cut_by_lines_and_by_bytes(written):
    path, lines, frames, _size = written
    ends = [*(start for _, start in frames[1:]), len(lines)]
    for (_, start), end in zip(frames, ends, strict=True):
        assert 1 <= end - start <= 7
        assert sum(len(line) + 1 for line in lines[start : end - 1]) < 400
    assert frames[0] == (0, 0)
    assert len(frames) > 100 / 7
    magic = b"\x28\xb5\x2f\xfd"
    assert all(path.read_bytes()[offset : offset + 4] == magic for offset, _ in frames)


def test_one_record_larger_than_a_frame_is_a_frame(tmp_path, monkeypatch):
    monkeypatch.setattr(evidence, "FRAME_BYTES", 100)
    with ThreadPoolExecutor(1) as pool:
        writer = EvidenceWriter(tmp_path / "e.zst", bytes, pool)
        writer.write([b"a", b"b" * 5000, b"c"])
        _, _, frames = writer.close()
    assert [start for _, start in frames] == [0, 2]


def test_every_line_is_found_by_its_frame_in_any_order(written):
    path, lines, frames, size = written
    cache = FrameCache(2)
    order = list(range(100))
    random.Random(1).shuffle(order)
    assert [cache.line(path, frames, size, number) for number in order] == [lines[number] for number in order]
    with pytest.raises(LakeError, match="no line 100"):
        cache.line(path, frames, size, 100)


@pytest.mark.parametrize("block", [1, 100, 1 << 20])
def test_reading_in_pieces_of_any_size(written, block):
    path, lines, _, _ = written
    assert [line for part in read_lines(path, block=block) for line in part] == lines


def test_damage_is_a_lake_error_or_changes_nothing(written):
    path, lines, frames, size = written
    whole = path.read_bytes()
    chance = random.Random(7)
    for _ in range(150):
        torn = bytearray(whole)
        torn[chance.randrange(size)] ^= 1 << chance.randrange(8)
        path.write_bytes(torn)
        for read in (lambda: [line for part in read_lines(path) for line in part], lambda: by_frame(path, frames, size)):
            try:
                found = read()
            except LakeError:
                continue
            assert found == lines


def by_frame(path, frames, size):
    cache = FrameCache()
    return [cache.line(path, frames, size, number) for number in range(100)]


@pytest.mark.parametrize("cut", [0.3, 0.5, 0.9])
def test_a_file_cut_short_never_gives_a_line_that_was_not_written(written, cut):
    path, lines, frames, size = written
    path.write_bytes(path.read_bytes()[: int(size * cut)])
    with pytest.raises(LakeError):
        by_frame(path, frames, size)
    found = []
    try:
        for part in read_lines(path):
            found += part
    except LakeError:
        pass
    assert found == lines[: len(found)]
    assert len(found) < 100


def test_a_missing_file_is_a_lake_error(written):
    path, _, frames, size = written
    path.unlink()
    with pytest.raises(LakeError, match="restore it"):
        list(read_lines(path))
    with pytest.raises(LakeError, match="restore it"):
        FrameCache().line(path, frames, size, 3)


def test_a_failure_to_write_is_raised(tmp_path):
    with ThreadPoolExecutor(1) as pool:
        writer = EvidenceWriter(tmp_path / "e.zst", bytes, pool)
        writer.write([b"a"])
        writer._file.close()
        writer._file = io.BytesIO()
        writer._file.close()
        with pytest.raises(ValueError, match="closed file"):
            writer.close()
