"""The witness client against a real witness: growing is signed, everything else is told apart."""

import base64
import contextlib
import itertools

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from audit_pipelines.errors import AuditError, EvidenceError, SealError
from audit_pipelines.seal import witness
from audit_pipelines.seal.witness import Cosignature, CosignatureKey, SizeConflict
from tests.seal.witness_server import Log, Witness, cosignature_line, key_id, serving, signature_line, vkey

ORIGIN = "audit.example/test/statements"
LEAVES = [b"record %d" % number for number in range(40)]
LOG = Log(ORIGIN, LEAVES)
FORK = Log(ORIGIN, [*LEAVES[:2], b"another", *LEAVES[3:]], LOG.key)
"""The same log's key over another history from leaf 2 on."""
OTHER = Witness("witness.example/other")


@pytest.fixture
def one() -> Witness:
    """A witness that trusts the log and has signed nothing yet."""
    return Witness("witness.example/one", logs={ORIGIN: LOG.key})


def ask(url: str, trusted: Witness, old: int, new: int, *, log: Log = LOG, waits: list[float] | None = None) -> bytes:
    proof, checkpoint = log.proof(old, new), log.checkpoint(new)
    wait = ([] if waits is None else waits).append
    return witness.cosign(url, old_size=old, proof=proof, checkpoint=checkpoint, vkey=trusted.vkey, timeout=10.0, sleep=wait)


def body(size: int, log: Log = LOG) -> bytes:
    return log.checkpoint(size).partition(b"\n\n")[0] + b"\n"


def test_the_first_checkpoint_is_signed_and_its_time_is_read(one):
    with serving(one.add_checkpoint) as url:
        line = ask(url + "/", one, 0, 3)
    found = witness.verify(line, checkpoint=LOG.checkpoint(3), key=witness.parse_cosignature_vkey(one.vkey))
    assert found == (Cosignature(line, 1767225600),)
    assert line == cosignature_line(one.name, one.key, body(3), 1767225600)


def test_a_cosigned_checkpoint_is_asked_about_like_a_plain_one(one):
    with serving(one.add_checkpoint) as url:
        both = LOG.checkpoint(3) + ask(url, one, 0, 3)
        options = {"old_size": 3, "proof": [], "checkpoint": both, "vkey": one.vkey, "timeout": 10.0}
        assert both == LOG.checkpoint(3) + witness.cosign(url, **options)


@pytest.mark.parametrize("step", [1, 2, 3, 7, 13])
def test_each_next_checkpoint_is_signed(one, step):
    sizes = list(range(0, len(LEAVES) + 1, step))
    with serving(one.add_checkpoint) as url:
        for old, new in itertools.pairwise(sizes):
            assert ask(url, one, old, new)
            assert one.held[ORIGIN][0] == new


def test_a_conflict_names_the_size_to_prove_from(one):
    with serving(one.add_checkpoint) as url:
        ask(url, one, 0, 5)
        with pytest.raises(SizeConflict, match="holds size 5") as caught:
            ask(url, one, 0, 12)
        assert ask(url, one, caught.value.size, 12)


def test_a_request_whose_answer_was_lost_is_repeated_from_the_size_held(one):
    with serving(one.add_checkpoint) as url:
        ask(url, one, 0, 5)
        assert ask(url, one, 5, 9)
        with pytest.raises(SizeConflict) as caught:
            ask(url, one, 5, 9)
        assert caught.value.size == 9
        assert ask(url, one, 9, 9)


def test_a_log_that_was_rolled_back_hears_of_it(one):
    with serving(one.add_checkpoint) as url:
        ask(url, one, 0, 9)
        with pytest.raises(SizeConflict, match=r"size 9, more than this checkpoint's 5 \(the log was rolled back"):
            ask(url, one, 0, 5)


@pytest.mark.parametrize("size", [5, 8])
def test_a_fork_is_refused(one, size):
    with serving(one.add_checkpoint) as url:
        ask(url, one, 0, 5)
        with pytest.raises(SealError, match=r"refuses the proof: this is not the log it signed before \(422\)"):
            ask(url, one, 5, size, log=FORK)
        assert ask(url, one, 5, 8)


def test_a_wrong_proof_is_refused(one):
    with serving(one.add_checkpoint) as url:
        ask(url, one, 0, 5)
        for proof in (LOG.proof(4, 8), LOG.proof(5, 8)[:-1], [*LOG.proof(5, 8), bytes(32)], []):
            with pytest.raises(SealError, match="422"):
                witness.cosign(url, old_size=5, proof=proof, checkpoint=LOG.checkpoint(8), vkey=one.vkey, timeout=10.0)


def test_a_log_the_witness_does_not_know_is_refused(one):
    with serving(one.add_checkpoint) as url:
        with pytest.raises(SealError, match=r"does not know this log.* \(404\)"):
            ask(url, one, 0, 3, log=Log("audit.example/unknown", LEAVES))
        with pytest.raises(SealError, match=r"does not know the key.* \(403\)"):
            ask(url, one, 0, 3, log=Log(ORIGIN, LEAVES))


def test_a_failing_witness_is_asked_again_and_given_up(one):
    waits, answers = [], [(500, "text/plain", b""), (503, "text/plain", b"")]
    with serving(lambda asked: answers.pop() if answers else one.add_checkpoint(asked)) as url:
        assert ask(url, one, 0, 3, waits=waits)
    with serving(lambda _: (500, "text/plain", b"disk full")) as url, pytest.raises(SealError, match="disk full"):
        ask(url, one, 3, 4, waits=waits)
    assert waits == [1.0, 2.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("text/plain", b"7\n"),
        ("text/x.tlog.size", b"7"),
        ("text/x.tlog.size", b"07\n"),
        ("text/x.tlog.size", b"-7\n"),
        ("text/x.tlog.size", b"7\n\n"),
        ("text/x.tlog.size", b"\xd9\xa7\n"),
        ("text/x.tlog.size", b""),
        ("text/x.tlog.size", b"3\n"),  # the size that was named: asking again from there would never end
    ],
)
def test_a_conflict_without_another_size_is_no_reason_to_ask_again(one, kind, text):
    with serving(lambda _: (409, kind, text)) as url, pytest.raises(SealError, match="without another size") as caught:
        ask(url, one, 3, 5)
    assert not isinstance(caught.value, SizeConflict)


def test_a_conflict_s_content_type_may_have_parameters(one):
    with serving(lambda _: (409, "Text/X.tlog.size; charset=utf-8", b"7\n")) as url, pytest.raises(SizeConflict):
        ask(url, one, 3, 9)


def test_lines_of_other_keys_are_left_out(one):
    ours = cosignature_line(one.name, one.key, body(3), 7)
    others = [
        cosignature_line(OTHER.name, OTHER.key, body(3), 7),
        signature_line(one.name, b"abcd", bytes(72)),  # our name, another key's id
        signature_line("witness.example/x", key_id(one.name, 4, one.key), bytes(72)),  # our id, another name
        signature_line(one.name, key_id(one.name, 6, one.key), bytes(2428)),  # a type that is not known here
    ]
    with serving(lambda _: (200, "text/plain", b"".join([*others[:2], ours, *others[2:]]))) as url:
        assert ask(url, one, 0, 3) == ours
    with serving(lambda _: (200, "text/plain", b"".join(others))) as url, pytest.raises(SealError, match="no cosignature"):
        ask(url, one, 0, 3)


def of(size: int = 3, time: int = 7, log: Log = LOG):
    return lambda one: cosignature_line(one.name, one.key, body(size, log), time)


def with_signature(signature: bytes):
    return lambda one: signature_line(one.name, key_id(one.name, 4, one.key), signature)


def loose(line: bytes) -> bytes:
    """The same bytes in base64 that is not canonical: a bit is set that belongs to none of them."""
    other = line[:-4] + bytes([line[-4] + 1]) + line[-3:]
    assert base64.b64decode(line.split(b" ")[2]) == base64.b64decode(other.split(b" ")[2])
    return other


def changed(place: int):
    def change(one: Witness) -> bytes:
        packed = bytearray(base64.b64decode(of()(one).split(b" ")[2]))
        packed[place] ^= 1
        return signature_line(one.name, bytes(packed[:4]), bytes(packed[4:]))

    return change


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (of(size=4), "does not hold"),
        (of(log=FORK), "does not hold"),
        (changed(11), "does not hold"),  # the time
        (changed(12), "does not hold"),  # the signature
        (changed(75), "does not hold"),
        (lambda one: of()(one) + changed(75)(one), "does not hold"),
        (of(time=0), "no time and signature"),
        (of(time=1 << 63), "no time and signature"),
        (with_signature(b"\1" * 64), "no time and signature"),
        (with_signature(b"\1" * 73), "no time and signature"),
        (with_signature(b"\1"), "no time and signature"),
        (lambda one: of()(one)[:-1], "end with a newline"),
        (lambda one: of()(one) + b"\n", "no signature line"),
        (lambda one: of()(one).replace(b"\n", b"\r\n"), "no signature line"),
        (lambda one: of()(one).replace(b"=", b""), "no signature line"),
        (lambda one: of()(one) + loose(of()(one)), "no signature line"),
        (lambda one: of()(one) + signature_line("a+b", b"abcd", bytes(72)), "no signature line"),
        (lambda one: b"", "end with a newline"),
        (lambda one: b"\xff\n", "no signature line"),
    ],
)
def test_a_cosignature_that_does_not_hold_is_refused(one, lines, says):
    with serving(lambda _: (200, "text/plain", lines(one))) as url, pytest.raises(SealError, match=says):
        ask(url, one, 0, 3)


def test_a_cosignature_of_another_key_of_the_same_name_is_refused(one):
    impostor = Witness(one.name)
    with serving(lambda _: (200, "text/plain", of()(impostor))) as url, pytest.raises(SealError, match="no cosignature"):
        ask(url, one, 0, 3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"old_size": 4},
        {"old_size": -1},
        {"proof": [bytes(32)] * 64},
        {"proof": [bytes(31)]},
        {"checkpoint": b""},
        {"checkpoint": body(3)},
        {"checkpoint": LOG.checkpoint(3)[:-1]},
        {"checkpoint": LOG.checkpoint(3).replace(b"\n3\n", b"\n03\n")},
    ],
)
def test_what_is_no_request_is_never_sent(one, wrong):
    asked = []
    right = {"old_size": 0, "proof": [], "checkpoint": LOG.checkpoint(3), "vkey": one.vkey, "timeout": 10.0}
    with serving(lambda request: asked.append(request) or (500, "", b"")) as url, pytest.raises(SealError):
        witness.cosign(url, **right | wrong)
    assert asked == []


def test_a_vkey_gives_name_key_and_id(one):
    key = witness.parse_cosignature_vkey(one.vkey)
    assert key == CosignatureKey(one.name, one.key.public_key().public_bytes_raw())
    assert key.id == key_id(one.name, 4, one.key)


KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
GOOD = vkey("w", 4, KEY)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not name"),
        ("w", "not name"),
        (GOOD.removeprefix("w"), "not name"),
        (GOOD.replace("w+", "a b+"), "not name"),
        (GOOD.replace("w+", "a\ud800b+"), "not name"),
        (GOOD.replace("w+", "a\x00b+"), "not name"),
        (GOOD + "\n", "not name"),
        (GOOD[:-1], "not name"),
        (GOOD.replace(GOOD[2:10], GOOD[2:10].upper()), "not name"),
        (GOOD.replace(GOOD[2:10], "00000000"), "its id is"),
        (GOOD.replace("w+", "v+"), "its id is"),
        (vkey("w", 1, KEY), "no Ed25519 cosignature key"),
        ("w+" + GOOD[2:10] + "+" + base64.b64encode(b"\x04" + bytes(31)).decode(), "no Ed25519 cosignature key"),
    ],
)
def test_what_is_no_cosignature_vkey_is_refused(text, says):
    assert witness.parse_cosignature_vkey(GOOD).name == "w"
    with pytest.raises(SealError, match=says):
        witness.parse_cosignature_vkey(text)


@given(st.text(alphabet=st.sampled_from("w+4aA=/ \n—é\x00") | st.characters(), max_size=80))
def test_any_text_as_vkey_raises_nothing_but_our_errors(text):
    with contextlib.suppress(AuditError):
        witness.parse_cosignature_vkey(text)


@given(
    st.binary(max_size=120)
    | st.tuples(st.sampled_from(["— w ", "—w", "— w  "]), st.binary(max_size=90)).map(
        lambda made: made[0].encode() + base64.b64encode(made[1]) + b"\n"
    )
)
def test_any_bytes_as_signature_lines_raise_nothing_but_our_errors(lines):
    with pytest.raises(EvidenceError):
        witness.verify(lines, checkpoint=LOG.checkpoint(3), key=witness.parse_cosignature_vkey(GOOD))


@given(st.binary(max_size=120))
def test_any_bytes_as_checkpoint_raise_nothing_but_our_errors(content):
    line = cosignature_line("w", KEY, body(3), 7)
    with pytest.raises(EvidenceError):
        witness.verify(line, checkpoint=content, key=witness.parse_cosignature_vkey(GOOD))
