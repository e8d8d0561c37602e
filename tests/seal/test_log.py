"""A log on disk: what it holds after each append, after a death between any two steps, and when it is damaged."""

import contextlib
import random
import shutil
import signal
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit_pipelines.errors import EvidenceError, SealError
from audit_pipelines.seal import keys, proofs
from audit_pipelines.seal.appending import append, entries, finish_pending, keep_pending, pending
from audit_pipelines.seal.log import checkpoint_sizes, is_founded, read_checkpoint, read_edge
from audit_pipelines.seal.standalone import Bad, open_checkpoint
from audit_pipelines.seal.tiles import Tiles


def statements(count, start=0):
    return [b'{"n":%d}' % number for number in range(start, start + count)]


# --- extend ---------------------------------------------------------------------------------------------------


def test_a_log_begins_with_an_empty_checkpoint(small_log, reference):
    log = small_log.open()
    assert (log.founded, log.head().size) == (False, 0)
    head = log.extend([])
    assert (head.size, head.root, log.founded) == (0, reference.EMPTY, True)
    assert small_log.tree().keys() >= {"log/checkpoint", "log/checkpoints/0", "log/edges/0"}
    assert read_edge(small_log.folder, 0).nodes == []


def test_every_size_that_was_signed_has_checkpoint_and_edge(small_log, reference):
    leaves, sizes = reference.numbered(700), [0, 1, 200, 255, 256, 257, 700]
    small_log.grow(leaves, *sizes)
    assert checkpoint_sizes(small_log.folder) == sizes
    for size in sizes:
        head = open_checkpoint(read_checkpoint(small_log.folder, size), [small_log.key()], "note")
        assert (head.size, head.root) == (size, reference.mth(leaves[:size]))
        assert read_edge(small_log.folder, size).nodes == reference.edge(leaves[:size])
        assert (small_log.folder / "edges" / str(size)).read_text() == proofs.hash_lines(reference.edge(leaves[:size]))
    assert read_checkpoint(small_log.folder) == read_checkpoint(small_log.folder, 700)


def test_nothing_new_changes_nothing(small_log, reference):
    leaves = reference.numbered(300)
    small_log.grow(leaves, 300)
    before = {path: path.stat().st_mtime_ns for path in small_log.folder.rglob("*")}
    assert small_log.open().extend([]).size == 300
    assert small_log.open().extend([b""]).size == 300
    assert before == {path: path.stat().st_mtime_ns for path in small_log.folder.rglob("*")}


def test_partial_tiles_are_deleted_only_when_the_full_one_is_there(small_log, reference):
    leaves = reference.numbered(1600)
    for size, partial in [(100, {"100"}), (200, {"100", "200"}), (256, set()), (300, {"44"}), (1500, {"220"}), (1600, {"64"})]:
        small_log.grow(leaves, size)
        assert {path.name for path in small_log.folder.glob("tile/0/*.p/*")} == partial
    assert {path.name for path in small_log.folder.glob("tile/1/000.p/*")} == {"1", "5", "6"}


def test_two_keys_sign_during_a_rotation(small_log, reference):
    first = small_log.signer()
    small_log.grow(reference.numbered(1), 1)
    second = keys.make(small_log.key_folder, lambda count: b"\x02" * count)
    small_log.signers = [first, second]
    small_log.grow(reference.numbered(2), 2)
    assert {key.public for key in small_log.open().head().signers} == {first.public, second.public}
    small_log.signers = [second]
    shutil.copy(small_log.folder / "checkpoints" / "1", small_log.folder / "checkpoint")
    with pytest.raises(EvidenceError, match="no signature by a key that is trusted"):
        small_log.open().head()


@settings(max_examples=25, deadline=None)
@given(steps=st.lists(st.sampled_from([0, 1, 2, 5, 100, 254, 255, 256, 257, 300]), min_size=1, max_size=5), data=st.data())
def test_random_appends_give_the_reference_root_edge_and_proofs(scratch, small_log_at, reference, steps, data):
    sizes = sorted({0, *(sum(steps[: at + 1]) for at in range(len(steps)))})
    leaves = reference.numbered(sizes[-1])
    with scratch() as folder:
        small = small_log_at(folder)
        small.grow(leaves, *sizes)
        assert small.open().head().root == reference.mth(leaves)
        assert small.roots() == {size: {reference.mth(leaves[:size])} for size in sizes}
        tiles = Tiles(small.folder)
        old, new = sorted(data.draw(st.sampled_from(sizes)) for _ in range(2))
        assert read_edge(small.folder, new).nodes == reference.edge(leaves[:new]) == proofs.edge(tiles, new)
        assert proofs.consistency(tiles, old, new) == reference.proof(old, leaves[:new])
        if new:
            index = data.draw(st.integers(0, new - 1))
            assert proofs.inclusion(tiles, index, new) == reference.path(index, leaves[:new])


@settings(max_examples=20, deadline=None)
@given(counts=st.lists(st.sampled_from([1, 2, 3, 100, 255, 256, 300]), min_size=1, max_size=5))
def test_random_statements_are_all_there_at_every_size(scratch, small_log_at, reference, counts):
    with scratch() as folder:
        small = small_log_at(folder)
        total = 0
        for number, count in enumerate(counts):
            if number == 0:
                small.open().extend([])
                append(small.open(), statements(1))
                total = 1
            append(small.open(), statements(count, start=total))
            total += count
        everything = statements(total)
        for size in checkpoint_sizes(small.folder):
            assert entries(small.folder, size) == everything[:size]
            note = open_checkpoint(read_checkpoint(small.folder, size), [small.key()], "note")
            assert note.root == reference.mth([reference.leaf(entry) for entry in everything[:size]])
        assert pending(small.folder) is None
        partial = {path.parent.name for path in small.folder.glob("tile/*/*.p/*")}
        assert partial <= {f"{total // 256:03d}.p", f"{(total >> 8) // 256:03d}.p"}


# --- refusals -------------------------------------------------------------------------------------------------


def test_another_log_in_the_folder_is_refused(small_log, reference):
    small_log.grow(reference.numbered(10), 1, 10)
    (small_log.folder / "checkpoint").unlink()
    shutil.copy(small_log.folder / "checkpoints" / "1", small_log.folder / "checkpoint")
    before = small_log.tree()
    log = small_log.open()
    with pytest.raises(SealError, match=r"tile/0/000.p/10: is there with other content"):
        log.extend([b"".join(reference.numbered(9, start=50))])
    assert small_log.tree() == before


def test_a_log_that_was_rolled_back_gets_no_signature(small_log, reference, tmp_path):
    leaves = reference.numbered(20)
    small_log.grow(leaves, 1, 5)
    shutil.copytree(small_log.folder, tmp_path / "backup")
    small_log.grow(leaves, 20)
    shutil.rmtree(small_log.folder)
    (tmp_path / "backup").rename(small_log.folder)
    with pytest.raises(SealError, match=r"refused to sign .* at 6: the log shrank from 20 to 6 leaves"):
        small_log.grow(leaves, 6)
    with pytest.raises(SealError, match=r"at 20: .*a fork"):
        small_log.open().extend([b"".join(reference.numbered(15, start=90))])
    assert checkpoint_sizes(small_log.folder) == [0, 1, 5]
    assert small_log.open().head().size == 5


def test_a_second_checkpoint_of_one_size_is_refused(small_log, small_log_at, reference, tmp_path):
    """``checkpoints/<size>`` is there, signed by our key, and of other leaves."""
    leaves = reference.numbered(3)
    small_log.grow(leaves, 1)
    other = small_log_at(tmp_path / "other")
    other.grow([leaves[0], *reference.numbered(2, start=7)], 1, 3)
    shutil.copy(other.folder / "checkpoints" / "3", small_log.folder / "checkpoints" / "3")
    with pytest.raises(SealError, match=r"checkpoints/3: is the checkpoint of another log"):
        small_log.grow(leaves, 3)
    assert small_log.open().head().size == 1


# --- statements -----------------------------------------------------------------------------------------------


@pytest.fixture
def statement_log(small_log):
    """Three statements."""
    append(small_log.open(), statements(1))
    append(small_log.open(), statements(2, start=1))
    return small_log


def test_entry_bundles_are_lengths_and_bytes(statement_log):
    bundle = (statement_log.folder / "tile/entries/000.p/3").read_bytes()
    assert bundle == b"".join(len(entry).to_bytes(2, "big") + entry for entry in statements(3))


def test_the_longest_statement_there_may_be(statement_log):
    longest = b"x" * 65_535
    append(statement_log.open(), [longest])
    assert entries(statement_log.folder, 4)[3] == longest


def test_no_statement_is_no_checkpoint(statement_log):
    before = statement_log.tree()
    assert append(statement_log.open(), []).size == 3
    assert statement_log.tree() == before


def test_statements_wait_for_those_that_were_begun(statement_log):
    """Their leaves may be in the notary's memory: others in their place would brick the log."""

    class Failing:
        public = statement_log.signer().public

        def sign(self, message):
            raise SealError("the signing command failed")

    statement_log.signers = [Failing()]
    with pytest.raises(SealError, match="the signing command failed"):
        append(statement_log.open(), statements(1, start=3))
    statement_log.signers = ()
    with pytest.raises(SealError, match=r"log/pending: statements before these are not sealed yet \(run it again"):
        append(statement_log.open(), [b"other"])
    assert finish_pending(statement_log.open()).size == 4
    append(statement_log.open(), [b"other"])
    assert entries(statement_log.folder, 5) == [*statements(4), b"other"]


def test_what_is_pending_is_finished_with_the_same_bytes(statement_log):
    keep_pending(statement_log.open(), statements(2, start=3))
    assert pending(statement_log.folder) == (3, statements(2, start=3))
    assert finish_pending(statement_log.open()).size == 5
    assert entries(statement_log.folder, 5) == statements(5)
    assert pending(statement_log.folder) is None
    assert finish_pending(statement_log.open()).size == 5


def test_what_is_pending_and_sealed_already_goes(statement_log):
    append(statement_log.open(), statements(2, start=3))
    (statement_log.folder / "pending").write_bytes(b'1\n{"n":1}\n{"n":2}\n')
    assert finish_pending(statement_log.open()).size == 5
    assert not (statement_log.folder / "pending").exists()


@pytest.mark.parametrize("content", [b'1\n{"n":7}\n', b'9\n{"n":9}\n', b'2\n{"n":2}\n{"n":3}\n', b'0\n{"n":0}\n{"n":2}\n'])
def test_what_is_pending_and_does_not_fit_the_log_stays(statement_log, content):
    path = statement_log.folder / "pending"
    path.write_bytes(content)
    with pytest.raises(EvidenceError, match=rf"{path}: begins at \d, the log ends at 3"):
        finish_pending(statement_log.open())
    assert path.read_bytes() == content


# --- deaths ---------------------------------------------------------------------------------------------------


def extended(leaves, size):
    def action(small):
        small.grow(leaves, size)
        assert small.open().extend([]).size == size

    return action


def appended(new):
    """What a run does: finish what was begun, then append what is not there."""

    def action(small):
        log = small.open()
        size = finish_pending(log).size
        append(log, new[size - int((small.root / "before").read_text()) :])

    return action


CASES = {
    "the first checkpoint": ([], 0),
    "a first tile": ([1], 3),
    "a full tile": ([1, 250], 300),
    "a tile exactly": ([1, 200], 256),
    "several tiles": ([1, 100], 1000),
    "an upper partial tile": ([1, 600], 800),
}


@pytest.mark.parametrize("case", CASES)
def test_a_death_at_any_step_of_extend(small_log, reference, deaths, dying, tmp_path, case):
    before, size = CASES[case]
    leaves = reference.numbered(size)
    if before:
        small_log.grow(leaves, *before)
    survives(small_log, extended(leaves, size), deaths, dying, tmp_path)


@pytest.mark.parametrize(("before", "count"), [(0, 1), (1, 1), (254, 2), (254, 4), (256, 1), (250, 300)])
def test_a_death_at_any_step_of_append(small_log, deaths, dying, tmp_path, before, count):
    small_log.signer()
    (small_log.root / "before").write_text(str(before))
    for at in {0, 1} if before else {}:
        append(small_log.open(), statements(1 if at == 0 else before - 1, start=at))
    survives(small_log, appended(statements(count, start=before)), deaths, dying, tmp_path)
    assert entries(small_log.folder, before) == statements(before)


def survives(small_log, action, deaths, dying, tmp_path):
    """Kill the action at every step; then again during the rerun; the end is always the same, byte for byte."""
    small_log.signer()
    whole = small_log.moved(tmp_path / "whole")
    action(whole)
    wanted, roots = whole.tree(), whole.roots()
    chance = random.Random(1)
    counted = small_log.moved(tmp_path / "counted")
    steps = list(deaths(lambda: action(counted)))
    for step in steps:
        killed = small_log.moved(tmp_path / f"killed-{step}")
        assert dying(lambda killed=killed: action(killed), step)[0] == signal.SIGKILL
        sound(killed, roots)
        if step % 3 == 0:
            dying(lambda killed=killed: action(killed), chance.randrange(1, len(steps)))
            sound(killed, roots)
        action(killed)
        assert killed.tree() == wanted
        shutil.rmtree(killed.root)


def sound(small, roots):
    """After a death: one root a size, the right one; no partial tile is gone while its full one is not there."""
    assert all(found <= roots[size] for size, found in small.roots().items())
    head = small.open().head()
    tiles = Tiles(small.folder)
    for size in checkpoint_sizes(small.folder):
        assert proofs.edge(tiles, size) == proofs.edge(Tiles(small.root.parent / "whole" / "log"), size)
    assert tiles.leaves(0, head.size) == Tiles(small.root.parent / "whole" / "log").leaves(0, head.size)


# --- damage ---------------------------------------------------------------------------------------------------


@pytest.fixture
def grown(small_log, reference):
    """A log of 300 leaves, and one more leaf to be added."""
    small_log.grow(reference.numbered(300), 1, 300)
    return small_log, reference.numbered(301)


def refused(small, leaves, name, says=None):
    before = small.tree()
    with pytest.raises(EvidenceError, match=says) as caught:
        small.grow(leaves, len(leaves))
    assert str(small.folder / name) in str(caught.value)
    assert small.tree() == before, "nothing was written"


@pytest.mark.parametrize("name", ["tile/0/001.p/44", "tile/1/000.p/1"])
def test_an_open_tile_that_was_changed_is_named(grown, name):
    small, leaves = grown
    path = small.folder / name
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    refused(small, leaves, name, "tiles and checkpoint do not agree")


@pytest.mark.parametrize("name", ["tile/0/001.p/44", "tile/1/000.p/1"])
def test_an_open_tile_that_is_torn_or_gone_is_named(grown, name):
    small, leaves = grown
    path = small.folder / name
    path.write_bytes(path.read_bytes()[:-1])
    refused(small, leaves, name, r"a tile of \d+ bytes")
    path.unlink()
    refused(small, leaves, name.split(".")[0], "a tile is missing")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n300\n", "\n301\n"),
        ("\n300\n", "\n0300\n"),
        ("test/events\n", "test/other\n"),
        ("\n\n", "\nextension\n\n"),
        ("\n\n", "\n"),
        ("—", "-"),
        ("=\n", "\n"),
        ("— ", "—"),
    ],
)
def test_a_checkpoint_that_was_changed_is_named(grown, old, new):
    small, leaves = grown
    path = small.folder / "checkpoint"
    path.write_text(path.read_text().replace(old, new, 1))
    refused(small, leaves, "checkpoint")


@pytest.mark.parametrize("content", [b"", b"\xff", b"\n\n\n", b"\x00" * 100])
def test_a_checkpoint_that_is_none_is_named(grown, content):
    small, leaves = grown
    (small.folder / "checkpoint").write_bytes(content)
    refused(small, leaves, "checkpoint")


def test_a_checkpoint_of_another_log_of_the_same_key_is_named(grown, small_log_at, tmp_path):
    small, leaves = grown
    other = small_log_at(tmp_path / "other", origin="audit.example/test/statements")
    other.grow(leaves, 1)
    (small.folder / "checkpoint").write_bytes(read_checkpoint(other.folder))
    refused(small, leaves, "checkpoint", "no signature by a key that is trusted")


def test_a_checkpoint_that_is_gone_is_no_new_log(grown):
    small, leaves = grown
    (small.folder / "checkpoint").unlink()
    refused(small, leaves, "checkpoint", "no checkpoint, though the log was signed at 300")
    with pytest.raises(EvidenceError, match="signed at 300"):
        is_founded(small.folder)


def test_a_checkpoint_of_another_tree_is_named(grown, small_log_at, reference, tmp_path):
    """Signed by our key, of the same size: tiles and edge speak against it."""
    small, leaves = grown
    other = small_log_at(tmp_path / "other")
    other.grow(reference.numbered(300, start=1), 1, 300)
    (small.folder / "checkpoint").write_bytes(read_checkpoint(other.folder))
    refused(small, leaves, "checkpoint", "tiles and checkpoint do not agree")


@pytest.mark.parametrize("content", [b"", b"AAAA\n", b"\xff\xfe", "é\n".encode(), b"A" * 44])
def test_a_damaged_edge_is_named(grown, content):
    small, _ = grown
    path = small.folder / "edges" / "300"
    path.write_bytes(content)
    with pytest.raises(EvidenceError, match=rf"{path}: no edge"):
        read_edge(small.folder, 300)
    path.unlink()
    with pytest.raises(EvidenceError, match=rf"{path}: no edge: .*No such file"):
        read_edge(small.folder, 300)


def test_a_checkpoint_that_is_not_there_is_named(grown):
    small, _ = grown
    with pytest.raises(EvidenceError, match=r"checkpoints/7: no checkpoint: No such file"):
        read_checkpoint(small.folder, 7)


DAMAGED_PENDING = [
    b"",
    b"\n",
    b"3",
    b"3\n",
    b"3\n\n",
    b'3\n{"n":3}',
    b'x\n{"n":3}\n',
    b'-1\n{"n":3}\n',
    b' 3\n{"n":3}\n',
    b'+3\n{"n":3}\n',
    b'3_0\n{"n":3}\n',
    b'\xff\n{"n":3}\n',
    b"3\n" + b"x" * 65_536 + b"\n",
    b"9" * 10_000 + b"\nx\n",
]


@pytest.mark.parametrize("content", DAMAGED_PENDING)
def test_a_damaged_pending_is_named_and_stays(statement_log, content):
    path = statement_log.folder / "pending"
    path.write_bytes(content)
    before = statement_log.tree()
    for look in (lambda: pending(statement_log.folder), lambda: finish_pending(statement_log.open())):
        with pytest.raises(EvidenceError, match=rf"{path}: "):
            look()
    assert statement_log.tree() == before


def test_a_pending_that_is_a_folder_is_named(statement_log):
    (statement_log.folder / "pending").mkdir()
    with pytest.raises(EvidenceError, match="pending: cannot be read"):
        pending(statement_log.folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: data[:-1], "the last statement is torn"),
        (lambda data: data + b"\x00", "the last statement is torn"),
        (lambda data: data + b"\x00\x01x", "4 statements, 3 are right"),
        (lambda data: data[:18], "2 statements, 3 are right"),
        (lambda data: b"", "0 statements, 3 are right"),
        (lambda data: b"\xff" + data[1:], "the last statement is torn"),
    ],
)
def test_a_damaged_bundle_is_named(statement_log, change, says):
    path = statement_log.folder / "tile/entries/000.p/3"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(EvidenceError, match=rf"{path}: {says}"):
        entries(statement_log.folder, 3)
    with pytest.raises(EvidenceError, match=rf"{path}: {says}"):
        append(statement_log.open(), statements(1, start=3))


def test_a_missing_bundle_is_named(statement_log):
    (statement_log.folder / "tile/entries/000.p/3").unlink()
    with pytest.raises(EvidenceError, match=r"tile/entries/000: statements cannot be read: No such file"):
        entries(statement_log.folder, 3)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_parsers_let_no_other_error_out(scratch, data):
    """Random bytes, and random changes of good ones."""
    good = {
        "checkpoint": "a/b\n1\n{0}\n\n— a/b {0}\n".format("A" * 43 + "=").encode(),
        "edges/3": ("A" * 43 + "=\n").encode() * 2,
        "pending": b'3\n{"n":3}\n{"n":4}\n',
        "tile/entries/000.p/3": b"\x00\x01a\x00\x01b\x00\x01c",
    }
    name = data.draw(st.sampled_from(sorted(good)))
    content = bytearray(data.draw(st.one_of(st.binary(max_size=80), st.just(good[name]))))
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(content)))
        content[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    with scratch() as folder:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        look = {
            "checkpoint": lambda: open_checkpoint(bytes(content), [], str(folder / name)),
            "edges/3": lambda: read_edge(folder, 3),
            "pending": lambda: pending(folder),
            "tile/entries/000.p/3": lambda: entries(folder, 3),
        }[name]
        with contextlib.suppress(EvidenceError, Bad):
            look()


# --- without our code -----------------------------------------------------------------------------------------

RECIPE = r"""
# checkpoint = a signed note: three lines of text, an empty line, lines "— name base64(key id, signature)".
sed '/^$/,$d' checkpoint > text
line=$(grep '^—' checkpoint | head -n 1)
printf %s "${line##* }" | base64 -d | tail -c +5 > sig
# vkey = name+id+base64(0x01, key); the 12 bytes before the key say "Ed25519" in DER
{ printf 302a300506032b6570032100 | xxd -r -p; printf %s "${VKEY##*+}" | base64 -d | tail -c +2; } > key.der
openssl pkeyutl -verify -pubin -keyform DER -inkey key.der -rawin -in text -sigfile sig
"""


@pytest.mark.skipif(
    not all(map(shutil.which, ("bash", "openssl", "xxd", "base64"))), reason="bash, openssl, xxd or base64 is missing"
)
def test_openssl_verifies_a_checkpoint(small_log, reference):
    small_log.grow(reference.numbered(10), 1, 10)

    def run():
        environment = {"VKEY": small_log.key().vkey, "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        command = ["bash", "-ec", RECIPE]
        return subprocess.run(command, cwd=small_log.folder, env=environment, capture_output=True, text=True, check=False)

    done = run()
    assert (done.returncode, "Signature Verified Successfully" in done.stdout) == (0, True), done
    path = small_log.folder / "checkpoint"
    path.write_text(path.read_text().replace("\n10\n", "\n11\n"))
    done = run()
    assert (done.returncode, "Verification Failure" in done.stdout + done.stderr) == (1, True), done
