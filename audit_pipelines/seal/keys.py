"""Keys: the files and commands that sign, one a key, in a folder apart from the lake.

``<id>.pem`` is an Ed25519 private key (PKCS #8, mode 0600), ``<id>.json`` names a command that signs (HSM,
KMS, agent): it gets the bytes on standard input and answers with the signature, 64 bytes or base64 of them.
``<id>`` is the first 16 digits of the key's fingerprint. A key is made once and never replaced. What does
not belong here: which keys are in force (``ledger``) and what they may sign (``notary``).
"""

import base64
import os
import re
import stat
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Protocol

import msgspec

from audit_pipelines.durable import make_folder, sync_folder
from audit_pipelines.errors import SealError
from audit_pipelines.seal.standalone import ED25519, Bad, Key, ed25519, strict_base64

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

COMMAND_SECONDS: Final = 60
_BACKUP: Final = "restore it from a backup; docs/operations.md, Keys"
_NAME: Final = re.compile(r"[0-9a-f]{16}\.(pem|json)")


class Signer(Protocol):
    """Whatever signs with one Ed25519 key."""

    @property
    def public(self) -> bytes:
        """The 32 bytes of the public key."""
        ...

    def sign(self, message: bytes) -> bytes:
        """64 bytes (RFC 8032)."""
        ...


@dataclass(frozen=True, slots=True)
class FileSigner:
    """A private key in a file."""

    path: Path
    public: bytes

    def sign(self, message: bytes) -> bytes:
        """Read the key, sign, forget it."""
        return _private(self.path).sign(message)


class CommandFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``<id>.json``."""

    public_key: str
    command: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]


@dataclass(frozen=True, slots=True)
class CommandSigner:
    """A command that signs; its answer is verified before it is used."""

    path: Path
    public: bytes
    command: tuple[str, ...]

    def sign(self, message: bytes) -> bytes:
        """Run the command.

        Raises:
            SealError: it failed, took too long, or gave no signature by this key.
        """
        todo = f"mend what {self.path} names"
        try:
            done = subprocess.run(self.command, input=message, capture_output=True, timeout=COMMAND_SECONDS, check=True)
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode(errors="replace").strip()[-200:]
            raise SealError(f"the signing command failed: {said or error.returncode}", where=str(self.path), todo=todo) from None
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise SealError(f"the signing command failed: {error}", where=str(self.path), todo=todo) from None
        answer = done.stdout
        if len(answer) != 64:
            try:
                answer = strict_base64(answer.decode("ascii").strip(), 64, "the answer")
            except (Bad, UnicodeDecodeError):
                raise SealError("the signing command gave no signature", where=str(self.path), todo=todo) from None
        if not ed25519(self.public, message, answer):
            raise SealError("the signing command signed with another key", where=str(self.path), todo=todo)
        return answer


def text_of(public: bytes) -> str:
    """A public key as statements have it: base64 of 0x01 and its 32 bytes."""
    return base64.b64encode(ED25519 + public).decode()


def public_of(text: str, where: str) -> bytes:
    """The 32 bytes of ``text_of``.

    Raises:
        SealError: it is no such text.
    """
    try:
        data = strict_base64(text, 33, "public key")
    except Bad as error:
        raise SealError(str(error), where=where, todo=_BACKUP) from None
    if data[:1] != ED25519:
        raise SealError("is no Ed25519 key", where=where, todo="Ed25519 is the only kind of key")
    return data[1:]


def fingerprint(public: bytes) -> str:
    """SHA-256 over type and key, in hex: what is handed to auditors."""
    return Key("", public).fingerprint


def make(folder: Path, chance: Callable[[int], bytes]) -> FileSigner:
    """A new private key in ``folder``; ``chance`` gives random bytes.

    Raises:
        SealError: the folder cannot be written.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.from_private_bytes(chance(32))
    public = key.public_key().public_bytes_raw()
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path = folder / f"{fingerprint(public)[:16]}.pem"
    _create(path, key.private_bytes(encoding, form, serialization.NoEncryption()))
    return FileSigner(path, public)


def register(folder: Path, public: bytes, command: Sequence[str]) -> CommandSigner:
    """Note that ``command`` signs for ``public``, after one trial.

    Raises:
        SealError: the command does not sign with this key, or the key is there already.
    """
    path = folder / f"{fingerprint(public)[:16]}.json"
    signer = CommandSigner(path, public, tuple(command))
    signer.sign(b"audit-pipelines: a trial, not a checkpoint\n")
    content = CommandFile(public_key=text_of(public), command=signer.command)
    _create(path, msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")
    return signer


def load(folder: Path, public: bytes) -> Signer:
    """The signer for ``public``.

    Raises:
        SealError: it is missing, unreadable, open to others, or another key.
    """
    short = fingerprint(public)[:16]
    pem, command = folder / f"{short}.pem", folder / f"{short}.json"
    if command.is_file():
        return _command(command, public)
    if not pem.is_file():
        what = f"the signing key {short} is missing; nothing was sealed, and no other key takes its place"
        raise SealError(what, where=str(pem), todo=_BACKUP)
    if pem.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SealError("the signing key can be read by others", where=str(pem), todo=f"chmod 600 {pem}")
    if _private(pem).public_key().public_bytes_raw() != public:
        raise SealError("holds another key than its name says", where=str(pem), todo=_BACKUP)
    return FileSigner(pem, public)


def listing(folder: Path) -> list[bytes]:
    """Public keys of all signers in the folder, by file name.

    Raises:
        SealError: a file of it cannot be read.
    """
    found = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if _NAME.fullmatch(path.name):
            public = (
                _private(path).public_key().public_bytes_raw()
                if path.suffix == ".pem"
                else public_of(_command_file(path).public_key, str(path))
            )
            found.append(public)
    return found


def _command(path: Path, public: bytes) -> CommandSigner:
    content = _command_file(path)
    if public_of(content.public_key, str(path)) != public:
        raise SealError("holds another key than its name says", where=str(path), todo=_BACKUP)
    return CommandSigner(path, public, content.command)


def _command_file(path: Path) -> CommandFile:
    try:
        return msgspec.json.decode(path.read_bytes(), type=CommandFile)
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise SealError(f"cannot be read: {error}", where=str(path), todo=_BACKUP) from None


def _private(path: Path) -> "Ed25519PrivateKey":
    from cryptography.exceptions import InternalError, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm, InternalError) as error:
        what = f"the signing key cannot be read: {str(error).partition(chr(10))[0]}; nothing was sealed"
        raise SealError(what, where=str(path), todo=_BACKUP) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SealError("is no Ed25519 key; nothing was sealed", where=str(path), todo=_BACKUP)
    return key


def _create(path: Path, content: bytes) -> None:
    """Write a file that must be new, for its owner only; a crash may leave it under ``.new``."""
    new = path.with_suffix(f"{path.suffix}.new")
    try:
        make_folder(path.parent)
        path.parent.chmod(0o700)
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _publish(new, path)
    except OSError as error:
        raise SealError(f"cannot be written: {error}", where=str(path), todo="make the folder writable") from None


def _publish(new: Path, path: Path) -> None:
    """Give a file its name, unless that is taken."""
    try:
        os.link(new, path)
    except FileExistsError:
        raise SealError("this key is there already", where=str(path), todo="keys list shows it") from None
    finally:
        new.unlink(missing_ok=True)
    sync_folder(path.parent)
