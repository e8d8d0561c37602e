"""The notary signs what extends its memory, and nothing else, whoever asks and however often it dies."""

import base64
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit_pipelines.errors import EvidenceError, SealError
from audit_pipelines.seal import keys
from audit_pipelines.seal.notary import Notary
from audit_pipelines.seal.standalone import Checkpoint, Key, open_checkpoint

ORIGIN = "audit.example/test/events"


@pytest.fixture
def folder(tmp_path):
    keys.make(tmp_path / "keys", lambda count: b"\x01" * count)
    return tmp_path / "keys"


@pytest.fixture
def public(folder):
    return keys.listing(folder)[0]


@pytest.fixture
def notary(folder, public):
    return Notary(folder, [keys.load(folder, public)])


@pytest.fixture
def asks(reference):
    """Asks a notary to sign the tree of some leaves, with honest proofs."""

    def ask(notary, leaves, origin=ORIGIN):
        head = Checkpoint(origin, len(leaves), reference.mth(leaves))
        return notary.sign(head, lambda old, new: reference.proof(old, leaves[:new]))

    return ask


def memory_file(folder) -> Path:
    [path] = folder.glob("memory/*.json")
    return path


def test_a_log_that_grows_is_signed(notary, asks, reference, public):
    leaves = reference.numbered(40)
    for size in (0, 1, 2, 3, 17, 17, 40):
        note = asks(notary, leaves[:size])
        found = open_checkpoint(note, [Key(ORIGIN, public)], "note")
        assert (found.size, found.root, len(found.signers)) == (size, reference.mth(leaves[:size]), 1)
        memory = notary.memory(ORIGIN)
        assert (memory.size, memory.note.encode()) == (size, note)


def test_the_note_is_origin_size_root_and_a_line_for_each_key(folder, asks, reference):
    keys.make(folder, lambda count: b"\x02" * count)
    signers = [keys.load(folder, public) for public in keys.listing(folder)]
    leaves = reference.numbered(1)
    lines = asks(Notary(folder, signers), leaves).decode().split("\n")
    assert lines[:4] == [ORIGIN, "1", base64.b64encode(leaves[0]).decode(), ""]
    assert [line.rpartition(" ")[0] for line in lines[4:]] == [f"— {ORIGIN}", f"— {ORIGIN}", ""]
    ids = [base64.b64decode(line.rpartition(" ")[2])[:4] for line in lines[4:6]]
    assert ids == [Key(ORIGIN, signer.public).id for signer in signers]
    both = [Key(ORIGIN, signer.public) for signer in signers]
    assert open_checkpoint("\n".join(lines).encode(), both, "note").signers == tuple(both)


def test_signing_again_gives_the_same_note(notary, asks, reference):
    leaves = reference.numbered(1)
    assert asks(notary, leaves) == asks(notary, leaves)


# --- refusals -------------------------------------------------------------------------------------------------


@pytest.fixture
def at_eight(notary, asks, reference):
    """A notary that has signed eight leaves, and them."""
    leaves = reference.numbered(8)
    asks(notary, leaves[:1])
    asks(notary, leaves)
    return notary, leaves


def refused(notary, head, proof, says):
    before = notary.memory(head.origin)
    with pytest.raises(SealError, match=says) as caught:
        notary.sign(head, proof)
    assert notary.memory(head.origin) == before
    assert str(memory_file(notary.folder)) in str(caught.value)
    assert "the home was rolled back or its log changed" in caught.value.todo


def test_a_shorter_tree_is_refused(at_eight, reference):
    notary, leaves = at_eight
    for size in range(8):
        head = Checkpoint(ORIGIN, size, reference.mth(leaves[:size]))
        refused(notary, head, lambda old, new: [], f"refused to sign {ORIGIN} at {size}: the log shrank from 8 to {size}")


def test_a_fork_of_the_same_size_is_refused(at_eight, reference):
    notary, leaves = at_eight
    head = Checkpoint(ORIGIN, 8, reference.mth([*leaves[:7], reference.leaf(b"other")]))
    refused(notary, head, lambda old, new: [], "at 8: .*a fork")


@pytest.mark.parametrize("changed", range(8))
def test_a_longer_tree_that_changes_a_leaf_is_refused(at_eight, reference, changed):
    notary, leaves = at_eight
    other = [*leaves, *reference.numbered(5, start=8)]
    other[changed] = reference.leaf(b"other")
    head = Checkpoint(ORIGIN, 13, reference.mth(other))
    for proof in (reference.proof(8, other), reference.proof(8, [*leaves, *other[8:]]), []):
        refused(notary, head, lambda old, new, proof=proof: proof, "at 13: ")


def test_a_proof_that_is_cut_or_extended_is_refused(at_eight, reference):
    notary, leaves = at_eight
    longer = [*leaves, *reference.numbered(5, start=8)]
    head, proof = Checkpoint(ORIGIN, 13, reference.mth(longer)), reference.proof(8, longer)
    for wrong in (proof[:-1], proof[1:], [*proof, proof[0]], []):
        refused(notary, head, lambda old, new, wrong=wrong: wrong, "at 13: ")
    assert notary.sign(head, lambda old, new: proof)


def test_a_lost_memory_is_no_licence(at_eight, asks, reference):
    notary, leaves = at_eight
    memory_file(notary.folder).unlink()
    for size in (2, 8, 13):
        head = Checkpoint(ORIGIN, size, reference.mth(reference.numbered(size)))
        with pytest.raises(SealError, match=rf"has no memory of {ORIGIN}, which has leaves already"):
            notary.sign(head, lambda old, new: [])
    assert list(notary.folder.glob("memory/*.json")) == []
    assert asks(notary, leaves[:1], origin="another/log")


def test_each_log_has_its_own_memory(notary, asks, reference):
    leaves = reference.numbered(3)
    for origin in ("a/events", "a/statements"):
        for size in range(4):
            asks(notary, leaves[:size], origin=origin)
    paths = sorted(notary.folder.glob("memory/*.json"))
    assert len(paths) == 2
    paths[0].write_bytes(paths[1].read_bytes())
    said = []
    for origin in ("a/events", "a/statements"):
        try:
            asks(notary, leaves, origin=origin)
        except SealError as error:
            said.append(error.what)
    assert said in ([f"the signer's memory is of a/{name}"] for name in ("events", "statements"))


def test_an_error_of_the_log_itself_is_handed_on(at_eight, reference):
    notary, _ = at_eight
    before = notary.memory(ORIGIN)

    def proof(old, new):
        raise EvidenceError("a tile is missing", where="tile/0/000")

    with pytest.raises(EvidenceError, match="tile/0/000"):
        notary.sign(Checkpoint(ORIGIN, 9, reference.EMPTY), proof)
    assert notary.memory(ORIGIN) == before


def test_a_log_whose_newest_checkpoint_it_has_not_signed_is_refused(at_eight, reference):
    notary, leaves = at_eight
    longer = [*leaves, *reference.numbered(5, start=8)]
    head = Checkpoint(ORIGIN, 13, reference.mth(longer))
    with pytest.raises(SealError, match=f"signed {ORIGIN} at 8, but its newest checkpoint is of 9"):
        notary.sign(head, lambda old, new: reference.proof(old, longer), since=9)
    assert notary.memory(ORIGIN).size == 8
    assert notary.sign(head, lambda old, new: reference.proof(old, longer), since=8)


DAMAGED = [
    b"",
    b"{",
    b"[" * 100_000,
    b"\xff\xfe",
    b"{}",
    b"null",
    b'{"origin":"%o","size":-5,"root":"%r","note":""}',
    b'{"origin":"%o","size":"8","root":"%r","note":""}',
    b'{"origin":"%o","size":8,"root":"AAAA","note":""}',
    b'{"origin":"%o","size":8,"root":"\xc3\xa9","note":""}',
    b'{"origin":"%o","size":0,"root":"%r","note":""}',
    b'{"origin":"other/log","size":8,"root":"%r","note":""}',
]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_memory_is_named_and_nothing_is_signed(at_eight, asks, reference, content):
    notary, leaves = at_eight
    path = memory_file(notary.folder)
    content = content.replace(b"%o", ORIGIN.encode()).replace(b"%r", base64.b64encode(reference.mth(leaves)))
    path.write_bytes(content)
    with pytest.raises(SealError, match=str(path)):
        asks(notary, [*leaves, *reference.numbered(1, start=8)])
    assert path.read_bytes() == content


@settings(max_examples=100, deadline=None)
@given(
    content=st.one_of(
        st.binary(max_size=60),
        st.text(max_size=60).map(str.encode),
        st.builds(
            lambda size, root: json.dumps({"origin": ORIGIN, "size": size, "root": root, "note": ""}).encode(),
            st.integers(-(2**70), 2**70),
            st.text(max_size=50),
        ),
    )
)
def test_any_memory_gives_a_seal_error_or_none(scratch, reference, content):
    with scratch() as folder:
        public = keys.make(folder, lambda count: b"\x01" * count).public
        notary = Notary(folder, [keys.load(folder, public)])
        leaves = reference.numbered(1)
        notary.sign(Checkpoint(ORIGIN, 1, leaves[0]), lambda old, new: [])
        path = memory_file(folder)
        path.write_bytes(content)
        with pytest.raises(SealError, match=str(path)):
            notary.sign(Checkpoint(ORIGIN, 2, reference.EMPTY), lambda old, new: [reference.EMPTY])


# --- memory first, then the signature -------------------------------------------------------------------------


@dataclass(frozen=True)
class Watching:
    """A signer that looks at the notary's memory when it is asked, and may fail then."""

    signer: keys.Signer
    folder: Path
    seen: list
    fails: bool = False

    @property
    def public(self):
        return self.signer.public

    def sign(self, message):
        self.seen.append(json.loads(memory_file(self.folder).read_bytes())["size"])
        if self.fails:
            raise SealError("the signing command failed")
        return self.signer.sign(message)


def test_the_memory_is_written_before_the_signature(folder, public, asks, reference):
    leaves, seen = reference.numbered(4), []
    notary = Notary(folder, [Watching(keys.load(folder, public), folder, seen)])
    for size in (0, 1, 4):
        asks(notary, leaves[:size])
    assert seen == [0, 1, 4]


def test_a_signature_that_fails_binds_to_the_same_leaves(notary, folder, public, asks, reference):
    leaves = reference.numbered(4)
    given_out = asks(notary, leaves[:1])
    failing = Notary(folder, [Watching(keys.load(folder, public), folder, [], fails=True)])
    with pytest.raises(SealError, match="the signing command failed"):
        asks(failing, leaves)
    memory = notary.memory(ORIGIN)
    assert (memory.size, memory.note.encode()) == (4, given_out), "what was given out last is still known"
    with pytest.raises(SealError, match="a fork"):
        asks(notary, [*leaves[:3], reference.leaf(b"other")])
    assert asks(notary, leaves)


def test_the_memory_is_for_its_owner_only(at_eight):
    notary, _ = at_eight
    assert stat.S_IMODE(memory_file(notary.folder).stat().st_mode) == 0o600
    assert stat.S_IMODE((notary.folder / "memory" / "lock").stat().st_mode) == 0o600


@pytest.mark.parametrize("step", range(1, 5))
def test_a_kill_at_any_step_never_lets_it_sign_a_fork(notary, folder, asks, reference, dying, step):
    leaves, fork = reference.numbered(2), [reference.leaf(b"0"), reference.leaf(b"other")]
    asks(notary, leaves[:1])
    dying(lambda: asks(notary, leaves), step)
    if notary.memory(ORIGIN).size == 2:
        with pytest.raises(SealError, match="a fork"):
            asks(notary, fork)
    assert open_checkpoint(asks(notary, leaves), [], "note").size == 2
    assert sorted(path.suffix for path in (folder / "memory").iterdir()) == ["", ".json"], "nothing else is left"


# --- two at once ----------------------------------------------------------------------------------------------


def test_two_at_once_never_get_notes_of_one_size_and_two_roots(notary, folder, public, asks, reference, tmp_path):
    """Two processes with two views of the log, let go at the same moment, again and again."""
    common = reference.numbered(1)
    asks(notary, common)
    refusals = 0
    for turn in range(15):
        views = [[*common, reference.leaf(b"%d %d" % (turn, who))] for who in range(2)]
        gate, opener = os.pipe()
        children = [
            _child(gate, opener, lambda view=view: asks(notary, view), tmp_path / str(who)) for who, view in enumerate(views)
        ]
        os.close(gate)
        os.close(opener)
        assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]
        notes = [(tmp_path / str(who)).read_bytes() for who in range(2)]
        signed = [open_checkpoint(note, [Key(ORIGIN, public)], "note").root for note in notes if note != b"refused"]
        assert len(signed) == 1
        refusals += notes.count(b"refused")
        common = views[0] if reference.mth(views[0]) == signed[0] else views[1]
    assert refusals == 15


def _child(gate, opener, action, answer):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(opener)
            os.read(gate, 1)  # returns when the parent has closed its end
            try:
                answer.write_bytes(action())
            except SealError:
                answer.write_bytes(b"refused")
            code = 0
        finally:
            os._exit(code)
    return child
