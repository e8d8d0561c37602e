"""Leaf hashes of evidence files: one a line, the same by two roads, and a bad line named."""

import contextlib
import hashlib
import json
import random
import re
import shutil
import subprocess

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from audit_pipelines.errors import EvidenceError
from audit_pipelines.seal.leaves import hashes, leaf, lines

SALT = "00112233445566778899aabbccddeeff"
RECORD = '{"id":"évt_1"}'.encode()
LINE = SALT.encode() + b" " + RECORD


def written(path, *frames: bytes):
    path.write_bytes(b"".join(zstandard.compress(frame) for frame in frames))
    return path


def test_a_leaf_is_the_hash_of_a_zero_byte_salt_and_record():
    assert leaf(LINE, "x") == hashlib.sha256(b"\x00" + bytes.fromhex(SALT) + RECORD).digest()


@pytest.mark.skipif(not all(map(shutil.which, ("bash", "xxd", "sha256sum"))), reason="bash, xxd or sha256sum is missing")
def test_a_leaf_can_be_hashed_with_everyday_tools(tmp_path):
    (tmp_path / "record.json").write_bytes(RECORD)
    recipe = r"""{ printf '\0'; printf %s "$SALT_HEX" | xxd -r -p; cat record.json; } | sha256sum"""
    command = ["bash", "-c", recipe]
    done = subprocess.run(
        command, cwd=tmp_path, env={"SALT_HEX": SALT, "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[0] == leaf(LINE, "x").hex()


def test_an_erased_leaf_is_its_own_hash():
    assert leaf(b"!" + b"ab" * 32, "x") == b"\xab" * 32


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"!",
        LINE[:32],
        LINE[1:],
        LINE.replace(b" ", b"\t", 1),
        SALT.upper().encode() + b" " + RECORD,
        SALT[:30].encode() + b"  " + RECORD,
        SALT[:30].encode() + b"\xc3\xa9 " + RECORD,
        SALT[:31].encode() + b"g " + RECORD,
        b"!" + b"ab" * 31,
        b"!" + b"ab" * 33,
        b"!" + b"AB" * 32,
        b"!" + b"ab " * 21 + b"a",
        b" !" + b"ab" * 32,
    ],
)
def test_any_other_line_is_refused_by_its_number(tmp_path, line):
    path = written(tmp_path / "0-4.zst", LINE + b"\n" + LINE + b"\n", LINE + b"\n" + line + b"\n")
    with pytest.raises(EvidenceError, match=re.escape(f"{path}: line 3: is neither SALT RECORD nor !HASH")):
        list(hashes(path))


def test_lines_across_frames_and_blocks(tmp_path):
    chance = random.Random(1)
    content = [SALT.encode() + b" " + chance.randbytes(size).replace(b"\n", b"n") for size in (0, 1, 3_000_000, 5, 1_048_543, 2)]
    parts = b"".join(line + b"\n" for line in content)
    path = written(tmp_path / "x.zst", parts[:7], parts[7:2_000_000], b"", parts[2_000_000:])
    assert [line for block in lines(path) for line in block] == content
    assert b"".join(hashes(path)) == b"".join(leaf(line, "x") for line in content)


def test_records_are_hashed_as_bytes_whatever_they_are(tmp_path):
    odd = [b"", b" ", b"\xff\xfe", b'{"a":1,"a":2}', b"\r", b"!", "\u2028".encode(), b"\x00" * 70]
    path = written(tmp_path / "x.zst", b"".join(SALT.encode() + b" " + record + b"\n" for record in odd))
    wanted = [hashlib.sha256(b"\x00" + bytes.fromhex(SALT) + record).digest() for record in odd]
    assert b"".join(hashes(path)) == b"".join(wanted)


_LINES = st.lists(
    st.tuples(
        st.binary(min_size=16, max_size=16), st.binary(max_size=80).map(lambda data: data.replace(b"\n", b"")), st.booleans()
    ),
    max_size=20,
)


@settings(max_examples=80, deadline=None)
@given(content=_LINES, cut=st.integers(0, 500))
def test_disclosed_and_erased_lines_give_the_same_leaves(scratch, content, cut):
    wanted = [hashlib.sha256(b"\x00" + salt + record).digest() for salt, record, _ in content]
    text = b"".join(
        b"!%s\n" % digest.hex().encode() if erased else b"%s %s\n" % (salt.hex().encode(), record)
        for digest, (salt, record, erased) in zip(wanted, content, strict=True)
    )
    with scratch() as folder:
        path = written(folder / "x.zst", text[:cut], text[cut:])
        assert b"".join(hashes(path)) == b"".join(wanted)


def test_an_empty_file_has_no_leaf(tmp_path):
    assert list(hashes(written(tmp_path / "x.zst", b""))) == []
    (tmp_path / "y.zst").write_bytes(b"")
    assert list(hashes(tmp_path / "y.zst")) == []


def test_a_line_without_an_end_is_refused(tmp_path):
    path = written(tmp_path / "x.zst", LINE + b"\n" + LINE)
    with pytest.raises(EvidenceError, match=re.escape(f"{path}: the last line has no end")):
        list(hashes(path))


def test_a_file_that_is_not_there_or_not_zstd_is_named(tmp_path):
    with pytest.raises(EvidenceError, match=r"0-1.zst: cannot be read: .*No such file"):
        list(hashes(tmp_path / "0-1.zst"))
    (tmp_path / "0-1.zst").write_bytes(b"plain text, not compressed\n")
    with pytest.raises(EvidenceError, match=r"0-1.zst: cannot be read: zstd"):
        list(hashes(tmp_path / "0-1.zst"))
    path = written(tmp_path / "0-2.zst", LINE + b"\n")
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(EvidenceError, match=r"0-2.zst: cannot be read: zstd"):
        list(hashes(path))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_gives_an_error_or_other_leaves_but_no_other_error(scratch, data):
    text = b"".join(SALT.encode() + b" " + json.dumps({"n": number}).encode() + b"\n" for number in range(20))
    good = bytearray(zstandard.compress(text[:300]) + zstandard.compress(text[300:]))
    for _ in range(data.draw(st.integers(1, 3))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    kept = data.draw(st.one_of(st.none(), st.integers(0, len(good))))
    with scratch() as folder:
        (folder / "x.zst").write_bytes(good[:kept])
        with contextlib.suppress(EvidenceError):
            assert all(len(block) % 32 == 0 for block in hashes(folder / "x.zst"))
