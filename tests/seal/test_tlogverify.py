"""Our logs and proofs before a verifier that shares no code with us: Go's x/mod, driven through its program."""

import itertools
import subprocess

import pytest

from audit_pipelines.seal import keys, proofs
from audit_pipelines.seal.appending import append
from audit_pipelines.seal.leaves import leaf
from audit_pipelines.seal.log import read_checkpoint
from audit_pipelines.seal.standalone import Key
from audit_pipelines.seal.tiles import Tiles

SIZES = [0, 1, 2, 255, 256, 257, 1000, 65_535, 65_536, 65_537]
STEPS = list(itertools.pairwise(SIZES))


def line(number):
    return b"%032x " % (number * 0x9E3779B97F4A7C15) + b'{"id":%d,"name":"\xc3\xa9"}' % number


@pytest.fixture(scope="module")
def lines():
    return [line(number) for number in range(SIZES[-1])]


@pytest.fixture(scope="module")
def grown(tmp_path_factory, small_log_at, lines):
    """A log that was signed at each of SIZES."""
    small = small_log_at(tmp_path_factory.mktemp("grown"))
    small.grow([leaf(item, "line") for item in lines], *SIZES)
    return small


@pytest.fixture
def verify(tlogverify, grown, tmp_path):
    """Runs it with a key, by default the log's: (exit code, all it said). Bytes are handed over as files."""

    def run(command, *switches, key=None, **flags):
        arguments = ["-vkey", (key or grown.key()).vkey, *switches]
        for name, value in flags.items():
            path = tmp_path / name
            if isinstance(value, bytes):
                path.write_bytes(value)
            arguments += [f"-{name}", str(path if isinstance(value, bytes) else value)]
        done = subprocess.run([tlogverify, command, *arguments], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


def good(answer):
    assert (answer[0], answer[1].rstrip().split("\n")[-1]) == (0, "OK"), answer


def bad(answer, says):
    assert answer[0] == 1, answer
    assert says in answer[1]


@pytest.mark.parametrize("size", SIZES)
def test_checkpoints_are_accepted(verify, grown, size):
    code, text = verify("checkpoint", checkpoint=grown.folder / "checkpoints" / str(size))
    good((code, text))
    assert f"size       {size}\n" in text
    assert f"signed by  {grown.key().vkey.rpartition('+')[0]}" in text


@pytest.mark.parametrize("size", SIZES)
def test_tiles_are_accepted_at_every_size_that_was_signed(verify, grown, size):
    good(verify("tiles", dir=grown.folder, checkpoint=grown.folder / "checkpoints" / str(size)))


@pytest.mark.parametrize(("old", "new"), STEPS)
def test_each_batch_is_accepted_with_the_edge_before_it(verify, grown, lines, old, new):
    checkpoints = grown.folder / "checkpoints"
    content = b"".join(item + b"\n" for item in lines[old:new])
    named = {"old": checkpoints / str(old), "new": checkpoints / str(new), "edge": grown.folder / "edges" / str(old)}
    code, text = verify("batch", **named, leaves=content, format="disclosed")
    good((code, text))
    assert f"leaves {old} to {new - 1} are exactly this file" in text
    withheld = b"!%s\n" % leaf(lines[old], "line").hex().encode() + content.partition(b"\n")[2]
    code, text = verify("batch", **named, leaves=withheld, format="disclosed")
    good((code, text))
    assert "withheld   1" in text
    bad(verify("batch", **named, leaves=content.replace(b'"name"', b'"nome"', 1), format="disclosed"), "batch gives root")
    bad(verify("batch", **named, leaves=content.partition(b"\n")[2], format="disclosed"), f"batch has {new - old - 1} leaves")


@pytest.mark.parametrize("size", [size for size in SIZES if size])
def test_inclusion_proofs_are_accepted(verify, grown, lines, size):
    tiles, note = Tiles(grown.folder), read_checkpoint(grown.folder, size)
    for index in sorted({0, 1, size // 2, 255, 256, size - 1} & set(range(size))):
        salt, _, record = lines[index].partition(b" ")
        proof = proofs.tlog_proof(index, proofs.inclusion(tiles, index, size), note, bytes.fromhex(salt.decode()))
        code, text = verify("inclusion", "-salted", proof=proof, record=record)
        good((code, text))
        assert leaf(lines[index], "line").hex() in text
        bad(verify("inclusion", "-salted", proof=proof, record=record + b" "), f"leaf {index}: ")
        bad(verify("inclusion", proof=proof, record=record), f"leaf {index}: ")


def test_a_proof_for_another_place_is_refused(verify, grown, lines):
    tiles, note = Tiles(grown.folder), read_checkpoint(grown.folder, 1000)
    salt, _, record = lines[7].partition(b" ")
    proof = proofs.tlog_proof(8, proofs.inclusion(tiles, 7, 1000), note, bytes.fromhex(salt.decode()))
    bad(verify("inclusion", "-salted", proof=proof, record=record), "leaf 8: ")


@pytest.mark.parametrize("old", SIZES)
def test_consistency_proofs_are_accepted_from_every_size_to_every_later_one(verify, grown, old):
    tiles = Tiles(grown.folder)
    for new in SIZES[SIZES.index(old) :]:
        path = proofs.consistency(tiles, old, new)
        proof = proofs.consistency_file(old, path, read_checkpoint(grown.folder, new))
        older = grown.folder / "checkpoints" / str(old)
        good(verify("consistency", old=older, proof=proof))
        if path:
            altered = proofs.consistency_file(old, [*path[:-1], b"\x00" * 32], read_checkpoint(grown.folder, new))
            bad(verify("consistency", old=older, proof=altered), f"consistency {old} -> {new}")


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_flipped_bit_in_a_tile_is_found_at_every_level(verify, grown, tmp_path, level):
    copy = grown.moved(tmp_path / "copy")
    path = next(path for path in sorted((copy.folder / "tile" / str(level)).rglob("*")) if path.is_file())
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    bad(verify("tiles", dir=copy.folder), "BAD: ")


def test_another_key_is_refused(verify, grown, small_log_at, tmp_path):
    other = small_log_at(tmp_path / "other")
    thief = keys.make(other.key_folder, lambda count: b"\x09" * count)
    bad(
        verify("checkpoint", key=Key(grown.origin, thief.public), checkpoint=grown.folder / "checkpoint"),
        "no verifiable signatures",
    )


def test_both_keys_of_a_rotation_are_enough_alone(verify, small_log_at, tmp_path):
    small = small_log_at(tmp_path / "rotating")
    first = small.signer()
    second = keys.make(small.key_folder, lambda count: b"\x02" * count)
    small.signers = [first, second]
    small.grow([b"\x05" * 32], 1)
    for signer in (first, second):
        good(verify("tiles", key=Key(small.origin, signer.public), dir=small.folder))


def test_a_log_of_statements_is_accepted_too(verify, small_log_at, tmp_path):
    small = small_log_at(tmp_path / "stated", origin="audit.example/test/statements")
    statements = [b'{"n":%d}' % number for number in range(300)]
    append(small.open(), statements[:1])
    append(small.open(), statements[1:])
    good(verify("tiles", key=small.key(), dir=small.folder))
    content = b"".join(item + b"\n" for item in statements)
    good(verify("root", key=small.key(), leaves=content, format="lines", checkpoint=small.folder / "checkpoint"))
    proof = proofs.tlog_proof(299, proofs.inclusion(Tiles(small.folder), 299, 300), read_checkpoint(small.folder))
    good(verify("inclusion", key=small.key(), proof=proof, record=statements[299]))
