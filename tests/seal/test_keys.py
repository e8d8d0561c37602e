"""Keys: one file a key, for its owner only, never replaced; commands are believed only after a check."""

import base64
import hashlib
import re
import stat
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as serial
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from audit_pipelines.errors import SealError
from audit_pipelines.seal import keys
from audit_pipelines.seal.standalone import ed25519

SIGNS = """#!{python}
import base64, sys
from cryptography.hazmat.primitives.serialization import load_pem_private_key
signature = load_pem_private_key(open({pem!r}, "rb").read(), None).sign(sys.stdin.buffer.read())
{answer}
"""
RAW = "sys.stdout.buffer.write(signature)"
TEXT = "print(base64.b64encode(signature).decode())"


def one(count):
    return b"\x01" * count


def pem_of(key) -> bytes:
    return key.private_bytes(serial.Encoding.PEM, serial.PrivateFormat.PKCS8, serial.NoEncryption())


def script(path, text):
    path.write_text(text)
    path.chmod(0o700)
    return (str(path),)


@pytest.fixture
def hsm(tmp_path):
    """A command that signs, and its public key: the private one lies elsewhere."""
    key = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
    (tmp_path / "hsm.pem").write_bytes(pem_of(key))

    def command(answer=RAW):
        return script(tmp_path / "sign", SIGNS.format(python=sys.executable, pem=str(tmp_path / "hsm.pem"), answer=answer))

    return key.public_key().public_bytes_raw(), command


# --- files ----------------------------------------------------------------------------------------------------


def test_a_new_key_is_for_its_owner_only_and_signs(tmp_path):
    made = keys.make(tmp_path / "keys", one)
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.path.parent.stat().st_mode) == 0o700
    assert made.path.name == f"{keys.fingerprint(made.public)[:16]}.pem"
    loaded = keys.load(tmp_path / "keys", made.public)
    Ed25519PublicKey.from_public_bytes(made.public).verify(loaded.sign(b"text"), b"text")
    assert keys.listing(tmp_path / "keys") == [made.public]
    assert [path.name for path in made.path.parent.iterdir()] == [made.path.name]


def test_the_fingerprint_is_sha256_over_type_and_key(tmp_path):
    assert keys.fingerprint(b"\x05" * 32) == hashlib.sha256(b"\x01" + b"\x05" * 32).hexdigest()


def test_a_key_is_never_replaced(tmp_path):
    made = keys.make(tmp_path, one)
    before = made.path.read_bytes()
    with pytest.raises(SealError, match=r"\.pem: this key is there already"):
        keys.make(tmp_path, one)
    made.path.write_bytes(b"damaged")
    with pytest.raises(SealError, match="there already"):
        keys.make(tmp_path, one)
    assert made.path.read_bytes() == b"damaged" != before
    assert [path.name for path in tmp_path.iterdir()] == [made.path.name]


@pytest.mark.parametrize("step", range(1, 6))
def test_a_kill_while_a_key_is_made_leaves_none_or_a_whole_one(tmp_path, dying, step):
    dying(lambda: keys.make(tmp_path / "keys", one), step)
    there = keys.listing(tmp_path / "keys")
    if not there:
        there = [keys.make(tmp_path / "keys", one).public]
    assert keys.load(tmp_path / "keys", there[0]).sign(b"x")
    other = keys.make(tmp_path / "keys", lambda count: b"\x02" * count)
    assert stat.S_IMODE(other.path.stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SealError, match=r"file/\w{16}\.pem: cannot be written: .* \(make the folder writable\)"):
        keys.make(tmp_path / "file", one)


def test_a_missing_key_is_a_clear_error_and_no_other_takes_its_place(tmp_path):
    made = keys.make(tmp_path, one)
    keys.make(tmp_path, lambda count: b"\x02" * count)
    made.path.unlink()
    with pytest.raises(SealError, match=rf"{made.path}: the signing key {made.path.stem} is missing; nothing was sealed"):
        keys.load(tmp_path, made.public)
    assert not made.path.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_key_that_others_can_read_does_not_sign(tmp_path, mode):
    made = keys.make(tmp_path, one)
    made.path.chmod(mode)
    with pytest.raises(SealError, match=r"can be read by others \(chmod 600 "):
        keys.load(tmp_path, made.public)


def test_another_key_under_the_name_is_noticed(tmp_path):
    made = keys.make(tmp_path, one)
    made.path.write_bytes(pem_of(Ed25519PrivateKey.generate()))
    with pytest.raises(SealError, match=rf"{made.path}: holds another key than its name says"):
        keys.load(tmp_path, made.public)


@pytest.mark.parametrize(
    "other", [lambda: rsa.generate_private_key(65537, 2048), lambda: ec.generate_private_key(ec.SECP256R1())], ids=["rsa", "p256"]
)
def test_a_key_of_another_kind_is_noticed(tmp_path, other):
    made = keys.make(tmp_path, one)
    made.path.write_bytes(pem_of(other()))
    for look in (lambda: keys.load(tmp_path, made.public), lambda: keys.listing(tmp_path)):
        with pytest.raises(SealError, match=rf"{made.path}: is no Ed25519 key; nothing was sealed"):
            look()


def test_an_encrypted_key_is_noticed(tmp_path):
    made = keys.make(tmp_path, one)
    encrypted = Ed25519PrivateKey.from_private_bytes(one(32)).private_bytes(
        serial.Encoding.PEM, serial.PrivateFormat.PKCS8, serial.BestAvailableEncryption(b"word")
    )
    made.path.write_bytes(encrypted)
    with pytest.raises(SealError, match="cannot be read: Password was not given"):
        keys.load(tmp_path, made.public)


@pytest.mark.parametrize("content", [b"", b"x", b"-----BEGIN PRIVATE KEY-----\n", b"\xff" * 100])
def test_a_damaged_key_file_is_named(tmp_path, content):
    made = keys.make(tmp_path, one)
    made.path.write_bytes(content)
    with pytest.raises(SealError, match=rf"{made.path}: the signing key cannot be read: .+; nothing was sealed \(restore it"):
        keys.load(tmp_path, made.public)


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 47), bit=st.integers(0, 7))
def test_a_flipped_bit_in_a_key_gives_a_seal_error_and_no_other(scratch, at, bit):
    with scratch() as folder:
        made = keys.make(folder, one)
        data = bytearray(base64.b64decode(b"".join(made.path.read_bytes().splitlines()[1:-1])))
        data[at] ^= 1 << bit
        made.path.write_bytes(b"-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----\n" % base64.b64encode(bytes(data)))
        with pytest.raises(SealError, match=str(made.path)):
            keys.load(folder, made.public)


def test_a_key_that_vanishes_between_loading_and_signing_is_named(tmp_path):
    made = keys.make(tmp_path, one)
    signer = keys.load(tmp_path, made.public)
    made.path.unlink()
    with pytest.raises(SealError, match=rf"{made.path}: the signing key cannot be read"):
        signer.sign(b"x")


def test_other_files_in_the_folder_are_no_keys(tmp_path):
    made = keys.make(tmp_path, one)
    for name in ("notes.txt", "0123456789abcdef.pem.new", "0123.pem", "0123456789ABCDEF.pem"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "memory").mkdir()
    assert keys.listing(tmp_path) == [made.public]
    assert keys.listing(tmp_path / "absent") == []


def test_a_public_key_as_text():
    text = keys.text_of(b"\x05" * 32)
    assert base64.b64decode(text) == b"\x01" + b"\x05" * 32
    assert keys.public_of(text, "here") == b"\x05" * 32
    for bad in (
        "",
        "é",
        text[:-1],
        text + "\n",
        base64.b64encode(b"\x01" * 32).decode(),
        base64.b64encode(b"\x04" + b"\x05" * 32).decode(),
    ):
        with pytest.raises(SealError, match=r"^here: "):
            keys.public_of(bad, "here")


# --- commands -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [RAW, TEXT], ids=["bytes", "base64"])
def test_a_command_signs(tmp_path, hsm, answer):
    public, command = hsm
    keys.register(tmp_path / "keys", public, command(answer))
    signer = keys.load(tmp_path / "keys", public)
    assert ed25519(public, b"text", signer.sign(b"text"))
    assert keys.listing(tmp_path / "keys") == [public]
    [path] = (tmp_path / "keys").iterdir()
    assert path.name == f"{keys.fingerprint(public)[:16]}.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(SealError, match="this key is there already"):
        keys.register(tmp_path / "keys", public, command(answer))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("#!/bin/sh\necho 'no token in the slot' >&2\nexit 3\n", "the signing command failed: no token in the slot"),
        ("#!/bin/sh\nexit 3\n", "the signing command failed: 3"),
        ("#!/bin/sh\nkill -9 $$\n", "the signing command failed: -9"),
        ("#!/bin/sh\n", "the signing command gave no signature"),
        ("#!/bin/sh\necho hello\n", "the signing command gave no signature"),
        ("#!/bin/sh\nhead -c 200 /dev/zero\n", "the signing command gave no signature"),
        ("#!/bin/sh\nhead -c 64 /dev/zero\n", "the signing command signed with another key"),
        ("#!/absent/interpreter\n", "the signing command failed: .*No such file"),
    ],
    ids=["says-why", "fails", "dies", "silent", "chats", "too-long", "lies", "absent"],
)
def test_a_command_that_does_not_sign_is_a_clear_error(tmp_path, hsm, text, says):
    public, command = hsm
    registered = keys.register(tmp_path / "keys", public, command())
    script(tmp_path / "sign", text)
    with pytest.raises(SealError, match=rf"{registered.path}: {says}.* \(mend what {registered.path} names\)"):
        keys.load(tmp_path / "keys", public).sign(b"text")


def test_a_command_that_signs_something_else_is_refused(tmp_path, hsm):
    public, command = hsm
    text = Path(*command()).read_text().replace("sys.stdin.buffer.read()", "b'something else'")
    with pytest.raises(SealError, match="signed with another key"):
        keys.register(tmp_path / "keys", public, script(tmp_path / "sign", text))
    assert not (tmp_path / "keys").exists()


def test_a_command_that_signs_with_another_key_is_refused(tmp_path, hsm):
    _, command = hsm
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    with pytest.raises(SealError, match="signed with another key"):
        keys.register(tmp_path / "keys", other, command())


def test_a_command_that_hangs_is_stopped(tmp_path, hsm, monkeypatch):
    public, command = hsm
    keys.register(tmp_path / "keys", public, command())
    script(tmp_path / "sign", "#!/bin/sh\nexec sleep 600\n")
    monkeypatch.setattr(keys, "COMMAND_SECONDS", 0.05)
    with pytest.raises(SealError, match=r"the signing command failed: .*timed out"):
        keys.load(tmp_path / "keys", public).sign(b"text")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b"\xff",
        b"{}",
        b'{"public_key":"%s","command":[]}',
        b'{"public_key":"%s","command":"sign"}',
        b'{"public_key":"%s","command":["sign"],"shell":true}',
        b'{"public_key":"AAAA","command":["sign"]}',
    ],
)
def test_a_damaged_command_file_is_named(tmp_path, hsm, content):
    public, command = hsm
    path = keys.register(tmp_path / "keys", public, command()).path
    path.write_bytes(content.replace(b"%s", keys.text_of(public).encode()))
    for look in (lambda: keys.load(path.parent, public), lambda: keys.listing(path.parent)):
        with pytest.raises(SealError, match=re.escape(str(path))):
            look()


def test_a_command_file_of_another_key_is_noticed(tmp_path, hsm):
    public, command = hsm
    path = keys.register(tmp_path / "keys", public, command()).path
    other = keys.text_of(b"\x05" * 32)
    path.write_text(path.read_text().replace(keys.text_of(public), other))
    with pytest.raises(SealError, match="holds another key than its name says"):
        keys.load(path.parent, public)


def test_a_command_with_a_zero_byte_is_a_seal_error(tmp_path, hsm):
    public, _ = hsm
    with pytest.raises(SealError, match="the signing command failed: embedded null byte"):
        keys.register(tmp_path / "keys", public, ["sign\0"])
