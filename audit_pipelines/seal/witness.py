"""A client of C2SP witnesses: another party signs that our log only ever grew.

Implements https://c2sp.org/tlog-witness (``add-checkpoint``) and the Ed25519 cosignatures (type 0x04) of
https://c2sp.org/tlog-cosignature. A witness keeps the size it last signed; a log that was rolled back,
rewritten or forked gets no signature from it. What does not belong here: the proof itself (``tree``), where
cosignatures lie, and which witnesses count.
"""

import base64
import binascii
import hashlib
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from audit_pipelines.errors import EvidenceError, SealError
from audit_pipelines.seal.post import Answer, post, printable

COSIGNATURE: Final = 4
"""Signature type of Ed25519 cosignatures (tlog-cosignature)."""
MOST_HASHES: Final = 63
"""A proof of more hashes may not be sent (tlog-witness)."""
_LATEST: Final = (1 << 63) - 1
_SIZE: Final = re.compile(rb"(0|[1-9][0-9]{0,18})\n")
_CHECKPOINT: Final = re.compile(rb"([^\n]+\n(0|[1-9][0-9]{0,18})\n[^\n]+\n(?:[^\n]+\n)*)\n(?:\xe2\x80\x94 [^\n]+\n)+")
_LINE: Final = re.compile("— (\\S+) (\\S+)")


class SizeConflict(SealError):  # noqa: N818  # an outcome of the protocol: the caller goes on from ``size``
    """The witness holds a tree of another ``size`` than the old one named: prove from there and ask again.

    A size above the checkpoint's means that this log was rolled back, or that another one signs for it.
    """

    def __init__(self, size: int, *, where: str, ours: int) -> None:
        self.size = size
        what = f"the witness holds size {size}"
        todo = "send a consistency proof from there"
        if size > ours:
            what += f", more than this checkpoint's {ours}"
            todo = "the log was rolled back, or its key signs elsewhere: find out before going on"
        super().__init__(what, where=where, todo=todo)


@dataclass(frozen=True, slots=True)
class CosignatureKey:
    """A witness's key: name, 32 bytes of Ed25519, and the id that stands in its signature lines."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([COSIGNATURE]) + self.public).digest()[:4]


@dataclass(frozen=True, slots=True)
class Cosignature:
    """One signature line (with its newline), and when it was made: seconds since 1970 by the witness's clock."""

    line: bytes
    time: int


def parse_cosignature_vkey(vkey: str) -> CosignatureKey:
    """The key in a text ``name+hex(id)+base64(0x04 || public key)`` (signed-note, "Verifier keys").

    Raises:
        SealError: it is none, its id does not fit, or it is of another type.
    """
    where, todo = f"witness key {printable(vkey)}", "ask the witness for its vkey of type 0x04 (Ed25519 cosignature)"
    name, _, rest = vkey.partition("+")
    stated, _, packed = rest.partition("+")
    material = _unpacked(packed)
    if not _is_name(name) or material is None or not re.fullmatch("[0-9a-f]{8}", stated):
        raise SealError("is not name+id+key", where=where, todo=todo)
    if len(material) != 33 or material[0] != COSIGNATURE:
        raise SealError("is no Ed25519 cosignature key", where=where, todo=todo)
    key = CosignatureKey(name, material[1:])
    if key.id.hex() != stated:
        raise SealError(f"its id is {key.id.hex()}, the text says {stated}", where=where, todo=todo)
    return key


def cosign(
    url: str,
    *,
    old_size: int,
    proof: Sequence[bytes],
    checkpoint: bytes,
    vkey: str,
    timeout: float,
    sleep: Callable[[float], None] = time.sleep,
) -> bytes:
    """Ask the witness at ``url`` to sign ``checkpoint``; its signature lines, checked, ready to be kept.

    A repeated request is harmless: a witness that has signed already answers with its size (SizeConflict),
    and signs the same size again with an empty proof.

    Args:
        url: the witness's submission prefix.
        old_size: the size the witness is believed to hold, 0 at first.
        proof: the consistency proof from there (RFC 6962, section 2.1.2), hashes of 32 bytes.
        checkpoint: the signed checkpoint file, whole.
        vkey: the witness's key; lines of other keys are left out.
        timeout: seconds, see ``post``.
        sleep: waits that many seconds, before another try.

    Raises:
        SizeConflict: the witness holds another size.
        SealError: no signature: refused, unreachable, or one that does not hold.
    """
    key = parse_cosignature_vkey(vkey)
    target = url.rstrip("/") + "/add-checkpoint"
    size = _size_of(checkpoint, target)
    if len(proof) > MOST_HASHES or any(len(found) != 32 for found in proof) or not 0 <= old_size <= size:
        raise SealError(f"no proof from {old_size} to {size} of at most {MOST_HASHES} hashes", where=target)
    hashes = b"".join(base64.b64encode(found) + b"\n" for found in proof)
    body = b"old %d\n" % old_size + hashes + b"\n" + checkpoint
    answer = post(target, body, kind="text/plain", timeout=timeout, sleep=sleep)
    if answer.status == 409:
        raise _conflict(answer, target, old_size, size)
    if answer.status != 200:
        raise _refusal(answer, target)
    try:
        found = verify(answer.body, checkpoint=checkpoint, key=key, where=target)
    except EvidenceError as error:
        raise SealError(error.what, where=target, todo="ask the witness; is vkey of today?") from None
    return b"".join(cosignature.line for cosignature in found)


def verify(lines: bytes, *, checkpoint: bytes, key: CosignatureKey, where: str = "cosignatures") -> tuple[Cosignature, ...]:
    """The cosignatures of ``key`` over ``checkpoint`` among signature lines; other keys' lines are ignored.

    Raises:
        EvidenceError: a line is none, a signature of ``key`` does not hold, or there is none of it.
    """
    body, _ = _parts(checkpoint, where)
    if not lines.endswith(b"\n"):
        raise EvidenceError("signature lines end with a newline", where=where)
    found = []
    for line in lines[:-1].split(b"\n"):
        signature = _signature(line, key, where)
        if signature is not None:
            found.append(Cosignature(line + b"\n", _signed_at(signature, body, key, where)))
    if not found:
        raise EvidenceError(f"no cosignature of {printable(key.name)}", where=where)
    return tuple(found)


def _signature(line: bytes, key: CosignatureKey, where: str) -> bytes | None:
    """The signature in a line of ``key`` (without the id), None in one of another key."""
    try:
        matched = _LINE.fullmatch(line.decode())
    except UnicodeDecodeError:
        matched = None
    packed = _unpacked(matched[2]) if matched else None
    if matched is None or packed is None or len(packed) < 5 or not _is_name(matched[1]):
        raise EvidenceError("is no signature line: " + printable(line.decode("utf-8", "replace")), where=where)
    return packed[4:] if matched[1] == key.name and packed[:4] == key.id else None


def _signed_at(signature: bytes, body: bytes, key: CosignatureKey, where: str) -> int:
    """The time in a timestamped signature over a checkpoint's body, after checking it."""
    when = int.from_bytes(signature[:8], "big")
    if len(signature) != 72 or not 0 < when <= _LATEST:
        raise EvidenceError(f"the cosignature of {printable(key.name)} has no time and signature", where=where)
    try:
        message = b"cosignature/v1\ntime %d\n" % when + body
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature[8:], message)
    except (InvalidSignature, ValueError):
        raise EvidenceError(f"the cosignature of {printable(key.name)} does not hold", where=where) from None
    return when


def _parts(checkpoint: bytes, where: str) -> tuple[bytes, int]:
    """A checkpoint's body (what is signed) and its size."""
    found = _CHECKPOINT.fullmatch(checkpoint)
    if found is None:
        raise EvidenceError("is asked about something that is no checkpoint", where=where)
    return found[1], int(found[2])


def _size_of(checkpoint: bytes, where: str) -> int:
    try:
        return _parts(checkpoint, where)[1]
    except EvidenceError as error:
        raise SealError(error.what, where=where) from None


def _conflict(answer: Answer, where: str, old_size: int, ours: int) -> SealError:
    """What a 409 says. A witness that names the very size we proved from says nothing new."""
    found = _SIZE.fullmatch(answer.body)
    if answer.kind != "text/x.tlog.size" or found is None or int(found[1]) == old_size:
        return SealError(f"a conflict (409) without another size: {answer.said}", where=where, todo="ask the witness")
    return SizeConflict(int(found[1]), where=where, ours=ours)


def _refusal(answer: Answer, where: str) -> SealError:
    what, todo = {
        403: ("the witness does not know the key that signed this checkpoint", "give it the log's vkey"),
        404: ("the witness does not know this log, or the url is not its prefix", "give it the log's vkey; check url"),
        422: ("the witness refuses the proof: this is not the log it signed before", "find out why before going on"),
    }.get(answer.status, ("the witness refused the request", "see its message"))
    said = f": {answer.said}" if answer.said else ""
    return SealError(f"{what} ({answer.status}){said}", where=where, todo=todo)


def _is_name(text: str) -> bool:
    """Whether ``text`` is a key name (signed-note): not empty, UTF-8, no spaces, plus or control characters."""
    return text != "" and not any(mark.isspace() or mark == "+" or mark < " " or "\ud800" <= mark <= "\udfff" for mark in text)


def _unpacked(text: str) -> bytes | None:
    """The bytes of canonical base64, None where the text is not that."""
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return found if base64.b64encode(found).decode() == text else None
