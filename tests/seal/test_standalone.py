"""The verifier's primitives against the RFCs and against `cryptography`; what they refuse, and that only ``Bad`` leaves them."""

import base64
import calendar
import contextlib
import hashlib
import random
from datetime import UTC, date, datetime, timedelta

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import example, given, settings
from hypothesis import strategies as st

from audit_pipelines.seal import standalone
from audit_pipelines.seal.standalone import (
    Bad,
    Checkpoint,
    Edge,
    Key,
    Rules,
    check_consistency,
    ed25519,
    judge_purge,
    leaf_hash,
    limit_date,
    moment,
    node_hash,
    open_checkpoint,
    parse_vkey,
    strict_base64,
    tail,
)
from tests.seal import bundle_craft as craft
from tests.seal import reference as rfc

LARGEST = 70
LEAVES = rfc.numbered(LARGEST + 1)
ROOTS = [rfc.mth(LEAVES[:size]) for size in range(LARGEST + 1)]


# --- Trees: RFC 6962, 2.1 -----------------------------------------------------------------------------------------


def test_hashes_are_the_rfcs():
    assert standalone.EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert leaf_hash(b"a") == hashlib.sha256(b"\0a").digest() == rfc.leaf(b"a")
    assert node_hash(b"a" * 32, b"b" * 32) == rfc.node(b"a" * 32, b"b" * 32)


def test_an_edge_has_the_root_of_the_recursion_at_every_size():
    edge = Edge()
    for size, leaf in enumerate(LEAVES):
        if size <= LARGEST:
            assert (edge.size, edge.root(), edge.nodes) == (size, ROOTS[size], rfc.edge(LEAVES[:size]))
            assert Edge.of(size, edge.nodes).root() == ROOTS[size]
        edge.append(leaf)


def test_an_edge_and_the_subtrees_behind_it_give_the_root_from_every_place():
    for size in range(LARGEST + 1):
        for first in range(size + 1):
            heights, behind = tail(first, size), craft.after(first, LEAVES[:size])
            assert len(heights) == len(behind)
            edge = Edge.of(first, rfc.edge(LEAVES[:first]))
            for height, node in zip(heights, behind, strict=True):
                edge.append(node, height)
            assert (edge.size, edge.root()) == (size, ROOTS[size])


def test_an_edge_of_another_number_of_hashes_is_refused():
    for size in range(20):
        nodes = rfc.edge(LEAVES[:size])
        for wrong in ([*nodes, LEAVES[0]], nodes[1:]):
            if wrong != nodes:
                with pytest.raises(Bad, match=f"{len(wrong)} hashes cannot be the edge of {size} leaves"):
                    Edge.of(size, wrong)


def test_a_subtree_does_not_follow_where_none_can_start():
    for size in range(1, 20):
        for height in range(1, 5):
            edge = Edge.of(size, rfc.edge(LEAVES[:size]))
            if size % 2**height:
                with pytest.raises(Bad, match=f"a subtree of {2**height} leaves cannot follow {size}"):
                    edge.append(LEAVES[0], height)


@pytest.mark.parametrize("new", range(LARGEST + 1))
def test_consistency_proofs_are_those_of_the_rfc_and_no_others(new):
    for old in range(new + 1):
        heads = (old, ROOTS[old]), (new, ROOTS[new])
        proof = rfc.proof(old, LEAVES[:new])
        check_consistency(*heads, proof)
        for wrong in altered(proof):
            with pytest.raises(Bad, match=f"the log of {new} leaves is not the one of {old} leaves, only longer: a fork"):
                check_consistency(*heads, wrong)


def altered(proof):
    """Every hash changed in a bit, dropped, doubled; one more in every place; neighbours swapped; cut."""
    for at, node in enumerate(proof):
        bit = at * 37 % 256
        yield [
            *proof[:at],
            bytes(byte ^ (1 << bit % 8 if place == bit // 8 else 0) for place, byte in enumerate(node)),
            *proof[at + 1 :],
        ]
        yield [*proof[:at], *proof[at + 1 :]]
        yield [*proof[:at], node, *proof[at:]]
        if at:
            yield [*proof[: at - 1], node, proof[at - 1], *proof[at + 1 :]]
    for at in range(len(proof) + 1):
        yield [*proof[:at], LEAVES[LARGEST], *proof[at:]]


def test_a_log_does_not_shrink_fork_or_come_from_nothing():
    with pytest.raises(Bad, match=r"the log shrank from 7 to 6 leaves"):
        check_consistency((7, ROOTS[7]), (6, ROOTS[6]), [])
    for size in (0, 1, 2, 64):
        with pytest.raises(Bad, match=r"a fork"):
            check_consistency((size, ROOTS[size]), (size, ROOTS[size + 1]), [])
    for old, new in ((1, 2), (3, 7), (8, 70)):
        for heads in (((old, ROOTS[old - 1]), (new, ROOTS[new])), ((old, ROOTS[old]), (new, ROOTS[new - 1]))):
            with pytest.raises(Bad, match=r"a fork"):
                check_consistency(*heads, rfc.proof(old, LEAVES[:new]))


# --- Ed25519: RFC 8032 --------------------------------------------------------------------------------------------

VECTORS = {  # section 7.1: public key, message, signature
    "TEST 1": (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    "TEST 2": (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    "TEST 3": (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
    "TEST SHA(abc)": (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        (
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
            "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        ),
        (
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
            "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704"
        ),
    ),
}
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493


def by_cryptography(public, message, signature):
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@pytest.mark.parametrize("name", VECTORS)
def test_the_rfcs_vectors_hold_and_no_flipped_bit_does(name):
    public, message, signature = (bytes.fromhex(text) for text in VECTORS[name])
    assert ed25519(public, message, signature)
    assert by_cryptography(public, message, signature)
    for bit in random.Random(name).sample(range(512), 24):
        assert not ed25519(public, message, flipped(signature, bit))
    for bit in random.Random(name).sample(range(256), 12):
        assert not ed25519(flipped(public, bit), message, signature)
    assert not ed25519(public, message + b"\0", signature)


def flipped(data, bit):
    return data[: bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1 :]


@pytest.mark.parametrize("name", VECTORS)
def test_s_is_below_the_order(name):
    public, message, signature = (bytes.fromhex(text) for text in VECTORS[name])
    s = int.from_bytes(signature[32:], "little")
    for wrong in (s + L, s + 2 * L, L, L - 1, 2**256 - 1, 0):
        if wrong < 2**256:
            assert not ed25519(public, message, signature[:32] + wrong.to_bytes(32, "little"))


@pytest.mark.parametrize("cut", [(b"", b""), (b"\0", b""), (b"", b"\0"), (None, b""), (b"", None)], ids=str)
def test_other_lengths_are_no_signature(cut):
    public, message, signature = (bytes.fromhex(text) for text in VECTORS["TEST 2"])
    key, end = (value[:-1] if more is None else value + more for value, more in zip((public, signature), cut, strict=True))
    assert ed25519(key, message, end) == (cut == (b"", b""))


def test_points_have_one_spelling():
    """y below p, and no sign where x is 0: other spellings of a point are no key (RFC 8032, 5.1.3)."""
    identity = (1).to_bytes(32, "little")  # x = 0, y = 1: any R = sB verifies with it
    s = 5
    message = b"m"
    r = multiple(s)
    assert ed25519(identity, message, r + s.to_bytes(32, "little"))
    for wrong in (1 | 1 << 255, P + 1, P + 1 | 1 << 255):
        assert not ed25519(wrong.to_bytes(32, "little"), message, r + s.to_bytes(32, "little"))
    for y in range(P, 2**255):  # the 19 spellings beyond p
        assert not ed25519(y.to_bytes(32, "little"), message, r + s.to_bytes(32, "little"))
    for y in range(2, 50):
        if not on_curve(y):
            with pytest.raises(Bad, match="a key is no point of the curve"):
                standalone._point(y.to_bytes(32, "little"))
            assert not ed25519(y.to_bytes(32, "little"), message, r + s.to_bytes(32, "little"))


def multiple(s):
    """s times the base point, encoded, by the affine addition law of RFC 8032, 5.1.4, and nobody's library."""
    d = -121665 * pow(121666, -1, P) % P
    y = 4 * pow(5, -1, P) % P
    square = (y * y - 1) * pow(d * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * pow(2, (P - 1) // 4, P) % P
    base = (P - x if x & 1 else x, y)

    def add(a, b):
        t = d * a[0] * b[0] * a[1] * b[1] % P
        return (
            (a[0] * b[1] + b[0] * a[1]) * pow(1 + t, -1, P) % P,
            (a[1] * b[1] + a[0] * b[0]) * pow(1 - t, -1, P) % P,
        )

    total = (0, 1)
    for _ in range(s):
        total = add(total, base)
    return (total[1] | (total[0] & 1) << 255).to_bytes(32, "little")


def on_curve(y):
    d = -121665 * pow(121666, -1, P) % P
    square = (y * y - 1) * pow(d * y * y + 1, -1, P) % P
    return square == 0 or pow(square, (P - 1) // 2, P) == 1


@settings(max_examples=25, deadline=None)
@given(secret=st.binary(min_size=32, max_size=32), message=st.binary(max_size=200), bit=st.integers(0, 511))
def test_signatures_agree_with_cryptography(secret, message, bit):
    private = Ed25519PrivateKey.from_private_bytes(secret)
    public, signature = private.public_key().public_bytes_raw(), private.sign(message)
    assert ed25519(public, message, signature)
    wrong = flipped(signature, bit)
    assert ed25519(public, message, wrong) == by_cryptography(public, message, wrong) is False


@settings(max_examples=60, deadline=None)
@given(public=st.binary(max_size=40), message=st.binary(max_size=9), signature=st.binary(max_size=70))
@example(b"\0" * 32, b"", b"\0" * 64)
@example(b"\xff" * 32, b"", b"\0" * 64)
def test_any_bytes_are_a_signature_or_not(public, message, signature):
    assert ed25519(public, message, signature) in (True, False)


# --- Base64, vkeys ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["YR==", "YQ", "YQ=", "Y Q==", "YQ==\n", "YQ===", "_w==", "\u0661w==", "YQ==YQ=="])
def test_base64_has_one_spelling(text):
    with pytest.raises(Bad, match="it is not base64 of 1 bytes"):
        strict_base64(text, 1, "it")


PEN = craft.Pen(3)
KEY = Key("audit.example/a", PEN.raw[1:])
OTHER = craft.Pen(4)


def test_a_vkey_is_read_and_written():
    assert parse_vkey(PEN.vkey("audit.example/a")) == KEY
    assert (KEY.vkey, KEY.fingerprint, KEY.id) == (PEN.vkey(KEY.name), PEN.fingerprint, PEN.number(KEY.name))
    # the one of the signed-note specification's own example
    peter = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    assert parse_vkey(peter).name == "PeterNeumann"


ID = KEY.id.hex()
NO_VKEYS = {
    "no key": f"{KEY.name}+{ID}",
    "another id": f"{KEY.name}+00000000+{PEN.public}",
    "an id in capitals": f"{KEY.name}+{ID.upper()}+{PEN.public}",
    "a name with a space": PEN.vkey("a b"),
    "a name with a plus": PEN.vkey("a+b"),
    "no name": PEN.vkey(""),
    "a line feed": KEY.vkey + "\n",
    "a space before": " " + KEY.vkey,
    "another type": f"{KEY.name}+{ID}+{craft.b64(bytes([4]) + KEY.public)}",
    "a shorter key": f"{KEY.name}+{ID}+{craft.b64(bytes([1]) + KEY.public[1:])}",
    "other base64": KEY.vkey[:-1] + chr(ord(KEY.vkey[-1]) + 1),
    "half a character": f"a\ud800+{ID}+{PEN.public}",
    "nothing": "",
}


@pytest.mark.parametrize("name", NO_VKEYS)
def test_what_is_no_vkey(name):
    with pytest.raises(Bad, match=r"the key of a vkey|is no vkey of an Ed25519 key"):
        parse_vkey(NO_VKEYS[name])


def only_bad(action):
    """Do it; nothing but ``Bad`` may come out."""
    with contextlib.suppress(Bad):
        action()


def near(text):
    """The text with a few pieces of it replaced, taken out or put elsewhere."""
    piece = st.tuples(
        st.integers(0, len(text)), st.integers(0, 6), st.text(max_size=4) | st.sampled_from(["\n", "+", " ", "\u2014", "="])
    )

    def change(pieces):
        changed = text
        for at, gone, new in pieces:
            changed = changed[:at] + new + changed[at + gone :]
        return changed

    return st.lists(piece, min_size=1, max_size=3).map(change)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80) | near(KEY.vkey))
def test_parsing_a_vkey_lets_nothing_but_bad_out(text):
    only_bad(lambda: parse_vkey(text))


# --- Checkpoints: C2SP signed-note, tlog-checkpoint ---------------------------------------------------------------

ROOT = ROOTS[7]
NOTE = craft.note(KEY.name, 7, ROOT, [PEN])
HEAD, LINE = NOTE.split(b"\n\n")[0] + b"\n", NOTE.split(b"\n\n")[1]
TEXT = base64.b64encode(ROOT)


def signed(body, *pens):
    """A note of any body, truly signed."""
    return body + b"\n" + "".join(pen.line(KEY.name, body) for pen in pens or (PEN,)).encode()


def test_a_checkpoint_is_opened():
    found = open_checkpoint(NOTE, [KEY], "it")
    assert found == Checkpoint(KEY.name, 7, ROOT, (KEY,))
    assert (found.body, found.head) == (HEAD, (7, ROOT))
    assert open_checkpoint(signed(HEAD), [KEY], "it") == found
    assert open_checkpoint(NOTE, [], "it").signers == ()


MALFORMED = {
    "empty": b"",
    "no signature": HEAD + b"\n",
    "no blank line": HEAD + LINE,
    "two blank lines": HEAD + b"\n\n" + LINE,
    "a blank line at the end": NOTE + b"\n",
    "no line end": NOTE[:-1],
    "carriage returns": NOTE.replace(b"\n", b"\r\n"),
    "a fourth line": signed(HEAD + b"more\n"),
    "two lines": signed(b"\n".join(HEAD.split(b"\n")[:2]) + b"\n"),
    "no origin": signed(b"\n7\n" + TEXT + b"\n"),
    "size with a zero": signed(HEAD.replace(b"\n7\n", b"\n07\n")),
    "size with a sign": signed(HEAD.replace(b"\n7\n", b"\n+7\n")),
    "negative size": signed(HEAD.replace(b"\n7\n", b"\n-7\n")),
    "no size": signed(HEAD.replace(b"\n7\n", b"\n\n")),
    "size of 20 digits": signed(HEAD.replace(b"\n7\n", b"\n" + b"1" * 20 + b"\n")),
    "other digits": signed(HEAD.replace(b"\n7\n", "\n\u0667\n".encode())),
    "size as text": signed(HEAD.replace(b"\n7\n", b"\nseven\n")),
    "a tab in the origin": signed(b"a\t" + HEAD),
    "no UTF-8": signed(b"\xff" + HEAD),
    "NUL": signed(b"\0" + HEAD),
    "another dash": NOTE.replace("\u2014".encode(), b"-"),
    "no space after the dash": NOTE.replace("\u2014 ".encode(), "\u2014".encode()),
    "two spaces": NOTE.replace("\u2014 ".encode(), "\u2014  ".encode()),
    "a line of text among signatures": NOTE + b"hello\n",
    "a signature without a name": NOTE.replace(f"\u2014 {KEY.name}".encode(), "\u2014".encode()),
    "a third word": NOTE[:-1] + b" more\n",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_checkpoint_is_refused(name):
    with pytest.raises(Bad, match=r"^it: is not three lines"):
        open_checkpoint(MALFORMED[name], [KEY], "it")


def test_root_and_signature_are_strict_base64():
    for root in (b"AAAA", TEXT[:-2] + b"==", TEXT + b"=", TEXT.replace(b"=", b""), base64.urlsafe_b64encode(b"\xff" * 32)):
        with pytest.raises(Bad, match=r"^it: the root is not base64 of 32 bytes"):
            open_checkpoint(signed(HEAD.replace(TEXT, root)), [KEY], "it")
    with pytest.raises(Bad, match=r"^it: a signature is not base64"):
        open_checkpoint(NOTE[:-1] + b"=\n", [KEY], "it")
    for short in (b"", b"\0", KEY.id):
        end = f"\u2014 {KEY.name} ".encode() + (base64.b64encode(short) or b"====") + b"\n"
        with pytest.raises(Bad, match=r"^it: a signature is (too short|not base64)"):
            open_checkpoint(NOTE + end, [KEY], "it")


def test_an_empty_tree_has_its_root():
    assert open_checkpoint(craft.note(KEY.name, 0, rfc.EMPTY, [PEN]), [KEY], "it").head == (0, rfc.EMPTY)
    with pytest.raises(Bad, match=r"^it: the root of an empty tree is wrong"):
        open_checkpoint(craft.note(KEY.name, 0, ROOT, [PEN]), [KEY], "it")


def test_two_signatures_are_both_verified():
    second = Key(KEY.name, OTHER.raw[1:])
    both = craft.note(KEY.name, 7, ROOT, [PEN, OTHER])
    assert open_checkpoint(both, [KEY, second], "it").signers == (KEY, second)
    assert open_checkpoint(both, [second], "it").signers == (second,)
    spoilt = NOTE + OTHER.line(KEY.name, b"another body\n").encode()
    assert open_checkpoint(spoilt, [KEY], "it").signers == (KEY,)  # by nobody that we know: no matter
    with pytest.raises(Bad, match=f"^it: the signature by {KEY.name.replace('.', '[.]')}[+]{second.id.hex()} is wrong"):
        open_checkpoint(spoilt, [KEY, second], "it")


def test_a_signature_stands_there_once():
    with pytest.raises(Bad, match=r"^it: a signature is too short, or there twice"):
        open_checkpoint(NOTE + LINE, [KEY], "it")


def test_unknown_signatures_are_ignored_and_are_not_enough():
    witness = "\u2014 witness.example " + base64.b64encode(b"\x99" * 80).decode() + "\n"
    assert open_checkpoint(NOTE + witness.encode(), [KEY], "it").signers == (KEY,)
    for note in (craft.note(KEY.name, 7, ROOT, [OTHER]), HEAD + b"\n" + witness.encode()):
        with pytest.raises(Bad, match=r"^it: no signature by a key that is trusted"):
            open_checkpoint(note, [KEY], "it")


def test_a_wrong_signature_under_a_known_id_is_refused():
    with pytest.raises(Bad, match=r"the signature by .* is wrong"):
        open_checkpoint(NOTE.replace(b"\n7\n", b"\n8\n"), [KEY], "it")
    for bit in random.Random(5).sample(range(32, 544), 20):
        raw = flipped(base64.b64decode(LINE.split(b" ")[2]), bit)
        note = HEAD + b"\n" + b" ".join([*LINE.split(b" ")[:2], base64.b64encode(raw) + b"\n"])
        with pytest.raises(Bad, match=r"the signature by .* is wrong"):
            open_checkpoint(note, [KEY], "it")


def test_a_key_signs_under_its_name_alone():
    """The same key under another log's name is no key of this log."""
    with pytest.raises(Bad, match=r"no signature by a key that is trusted"):
        open_checkpoint(NOTE, [Key("audit.example/b", KEY.public)], "it")
    elsewhere = HEAD + b"\n" + PEN.line("audit.example/b", HEAD).encode()
    with pytest.raises(Bad, match=r"no signature by a key that is trusted"):
        open_checkpoint(elsewhere, [KEY, Key("audit.example/b", KEY.public)], "it")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300) | near(NOTE.decode()).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_opening_a_checkpoint_lets_nothing_but_bad_out(data):
    only_bad(lambda: open_checkpoint(data, [KEY], "it"))


# --- Purges -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("today", "months", "limit"),
    [
        ("2026-01-15", 12, "2025-01-15"),
        ("2026-01-15", 1, "2025-12-15"),
        ("2026-12-31", 12, "2025-12-31"),
        ("2026-03-31", 1, "2026-02-28"),
        ("2024-03-31", 1, "2024-02-29"),
        ("2024-02-29", 12, "2023-02-28"),
        ("2024-02-29", 48, "2020-02-29"),
        ("2100-03-31", 1, "2100-02-28"),
        ("2000-03-30", 1, "2000-02-29"),
        ("2026-05-31", 3, "2026-02-28"),
        ("2026-01-31", 2, "2025-11-30"),
        ("2026-01-01", 0, "2026-01-01"),
        ("2026-01-01", 12 * 2026, "0001-01-01"),
    ],
)
def test_the_limit_is_the_same_day_months_before(today, months, limit):
    assert limit_date(date.fromisoformat(today), months) == date.fromisoformat(limit)


@settings(max_examples=200, deadline=None)
@given(st.dates(min_value=date(1990, 1, 1), max_value=date(2200, 1, 1)), st.integers(1, 240))
def test_the_limit_is_in_the_month_before_and_no_earlier_than_need_be(today, months):
    limit = limit_date(today, months)
    assert (today.year - limit.year) * 12 + today.month - limit.month == months
    assert limit.day == min(today.day, calendar.monthrange(limit.year, limit.month)[1])


def test_times_have_up_to_six_decimals():
    assert moment("2026-01-05T02:00:00Z") == datetime(2026, 1, 5, 2, tzinfo=UTC)
    assert moment("2026-01-05T02:00:00.25Z") == datetime(2026, 1, 5, 2, 0, 0, 250_000, tzinfo=UTC)
    assert moment("2026-01-05T02:00:00.000001Z") - moment("2026-01-05T02:00:00Z") == timedelta(microseconds=1)
    for wrong in ("2026-01-05", "2026-01-05T02:00:00", "2026-02-30T00:00:00Z", ""):
        with pytest.raises(ValueError):
            moment(wrong)


FILE = {"source": "app", "day": "2024-03-31", "first": 10, "count": 5, "newest": "2024-03-31T23:59:59.999999Z"}
GENESIS = {
    "type": "genesis",
    "at": "2024-01-01T00:00:00Z",
    "public_key": PEN.public,
    "months": 12,
    "sources": {"slow": 24, "app": 13},
}


def purge(**members):
    """The statement of a purge of FILE on the first day that allows it."""
    return {**FILE, "type": "purge", "at": "2025-05-01T00:00:00Z", "months": 13, "limit": "2024-04-01", **members}


def rules(*statements):
    found = Rules()
    for said in (GENESIS, *statements):
        found.follow(said)
    return found


def hold(name="case", action="set", **members):
    return {
        "type": "hold",
        "at": "2024-02-01T00:00:00Z",
        "action": action,
        "name": name,
        "source": None,
        "first": None,
        "last": None,
    } | members


def policy(months, **sources):
    return {"type": "policy", "at": "2024-02-01T00:00:00Z", "months": months, "sources": sources}


ALLOWED = {
    "by the source's own months": (rules(), purge(), FILE),
    "by the months for all": (rules(policy(13)), purge(), FILE),
    "by a newer policy": (rules(policy(12, app=1)), purge(months=1, limit="2025-04-01"), FILE),
    "a hold of another source": (rules(hold(source="slow")), purge(), FILE),
    "a hold of later days": (rules(hold(first="2024-04-01")), purge(), FILE),
    "a hold of earlier days": (rules(hold(last="2024-03-30")), purge(), FILE),
    "a released hold": (rules(hold(), hold(action="release")), purge(), FILE),
    "at the moment of the statement before": (rules({"type": "batch", "extracted_at": "2025-05-01T00:00:00Z"}), purge(), FILE),
}
FORBIDDEN = {
    "the newest event is of the first day that is kept": (
        *(rules(), purge(newest="2024-04-01T00:00:00Z"), {**FILE, "newest": "2024-04-01T00:00:00Z"}),
        "the newest event, 2024-04-01T00:00:00Z, is not before 2024-04-01",
    ),
    "a day too early": (
        *(rules(), purge(at="2025-04-30T23:59:59Z", limit="2024-03-30"), FILE),
        "the newest event, .* is not before 2024-03-30",
    ),
    "another limit": (rules(), purge(limit="2024-05-01"), FILE, "the policy is 13 months, the limit 2024-04-01"),
    "other months": (rules(), purge(months=12), FILE, "the policy is 13 months, the limit 2024-04-01"),
    "the months of another source": (rules(policy(12, slow=13)), purge(), FILE, "the policy is 12 months"),
    "the policy before": (rules(policy(24)), purge(), FILE, "the policy is 24 months"),
    "before an earlier statement": (
        *(rules({"type": "batch", "extracted_at": "2025-05-01T00:00:01Z"}), purge(), FILE),
        "is of 2025-05-01 00:00:00[+]00:00, an earlier statement of 2025-05-01 00:00:01",
    ),
    "a hold of everything": (rules(hold()), purge(), FILE, "the legal hold 'case' was in force"),
    "a hold of the source": (rules(hold(source="app")), purge(), FILE, "the legal hold 'case' was in force"),
    "a hold of the day alone": (rules(hold(first=FILE["day"], last=FILE["day"])), purge(), FILE, "the legal hold"),
    "a hold that came back": (rules(hold(), hold(action="release"), hold()), purge(), FILE, "the legal hold"),
    "another hold released": (rules(hold(), hold("other", action="release")), purge(), FILE, "the legal hold 'case'"),
    "two holds, one released": (rules(hold(), hold("b"), hold(action="release")), purge(), FILE, "the legal hold 'b'"),
    **{
        f"another {name}": (rules(), purge(**{name: value}), FILE, f"\\['{name}'\\] are not the manifest's")
        for name, value in (
            *(("source", "slow"), ("day", "2024-03-30"), ("first", 9), ("count", 4)),
            *(("newest", "2024-03-30T00:00:00Z"), ("source", None)),
        )
    },
}


@pytest.mark.parametrize("name", ALLOWED)
def test_a_purge_that_the_rules_allow(name):
    before, said, file = ALLOWED[name]
    judge_purge(said, before, file)


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_purge_that_the_rules_forbid(name):
    before, said, file, says = FORBIDDEN[name]
    with pytest.raises(Bad, match=f"^the purge of leaves 10 to 14.*{says}"):
        judge_purge(said, before, file)


@pytest.mark.parametrize(
    ("at", "limit", "newest", "good"),
    [
        ("2025-03-31T00:00:00Z", "2024-02-29", "2024-02-28T23:59:59Z", True),
        ("2025-03-31T00:00:00Z", "2024-02-29", "2024-02-29T00:00:00Z", False),
        ("2026-03-31T00:00:00Z", "2025-02-28", "2025-02-27T23:59:59.9Z", True),
        ("2026-03-31T00:00:00Z", "2025-02-28", "2025-02-28T00:00:00Z", False),
        ("2026-03-01T00:00:00Z", "2025-02-01", "2025-01-31T23:59:59Z", True),
    ],
)
def test_months_ends_and_leap_years(at, limit, newest, good):
    file = {**FILE, "day": newest[:10], "newest": newest}
    said = {**purge(at=at, limit=limit), "day": newest[:10], "newest": newest}
    if good:
        judge_purge(said, rules(), file)
    else:
        with pytest.raises(Bad, match=f"is not before {limit}"):
            judge_purge(said, rules(), file)


def test_keys_are_added_and_retired():
    added = {"type": "key", "at": "2024-02-01T00:00:00Z", "action": "add", "public_key": OTHER.public}
    retired = {**added, "action": "retire", "public_key": PEN.public}
    assert rules().keys == {KEY.public: True}
    assert rules(added, retired).keys == {KEY.public: False, OTHER.raw[1:]: True}


# --- Anything at all ----------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_verifying_any_bytes_lets_nothing_but_bad_out(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.zip"
    path.write_bytes(data)
    with pytest.raises(Bad, match=r"^any[.]zip: "):
        standalone.verify(path, [])


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.just(PEN.public) | st.just("2026-01-05"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_bundle_with_any_value_anywhere_lets_nothing_but_bad_out(tmp_path_factory, data):
    """Signed by the log's key: a member of a statement, of a manifest or of bundle.json has any value, or is not there."""
    insider = craft.story()
    said = insider.say("hold", at="2026-02-04T00:00:00Z", action="set", name="x", source="a", first=None, last=None)
    insider.purge("2026-02-05T00:00:00Z", 1, 0, 12, "2025-02-05")
    target = data.draw(st.sampled_from([*insider.statements, *insider.manifests.values(), insider.manifests[1]["evidence"][0]]))
    name = data.draw(st.sampled_from(sorted(target)))
    value = data.draw(VALUES)
    insider.sealed()
    target[name] = value
    try:
        files = insider.files(*craft.JANUARY)
    except Exception:
        return  # not even a bundle
    path = craft.packed(tmp_path_factory.getbasetemp() / "signed.zip", files)
    only_bad(lambda: standalone.verify(path, [insider.fingerprint()]))
    assert said["type"] is not None or target is said
