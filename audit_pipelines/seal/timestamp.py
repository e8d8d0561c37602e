"""RFC 3161 time-stamp tokens: an authority outside the operator's reach says when a checkpoint existed.

What is kept is the authority's whole answer (DER TimeStampResp), so that stock OpenSSL checks it:
``openssl ts -verify -in N.tsr -data checkpoint -CAfile ca.pem``. Only plain ``granted`` counts, and only a
SHA-256 imprint. Certificates are judged at the token's own time. Parsing and signatures are
``rfc3161-client``'s (the extra ``anchor``), loaded only when a token is in hand.
What does not belong here: which checkpoint is stamped, where the file lies, when to try again next.
"""

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cryptography.x509 import load_pem_x509_certificates

from audit_pipelines.errors import EvidenceError, SealError
from audit_pipelines.seal.post import post, printable

if TYPE_CHECKING:
    from rfc3161_client import TimeStampResponse

SHA256: Final = "2.16.840.1.101.3.4.2.1"
_IMPRINT: Final = bytes.fromhex("3031300d060960864801650304020105000420")
"""DER before the digest: MessageImprint { AlgorithmIdentifier sha256, OCTET STRING of 32 }."""
_STATUS: Final = ("granted", "granted with changes", "rejected", "waiting", "revocation warning", "revoked")


def request(data: bytes, *, nonce: int) -> bytes:
    """The DER TimeStampReq for SHA-256(``data``), asking for the certificates (RFC 3161, section 2.4.1).

    Args:
        data: what is to be stamped.
        nonce: a random number of at most 64 bits; the answer must repeat it.
    """
    if not 0 <= nonce < 1 << 64:
        raise SealError("a nonce has at most 64 bits", where="time-stamp request")
    number = nonce.to_bytes(nonce.bit_length() // 8 + 1, "big")  # DER: the first bit is the sign
    version, with_certificates = b"\x02\x01\x01", b"\x01\x01\xff"
    imprint = _IMPRINT + hashlib.sha256(data).digest()
    body = version + imprint + b"\x02" + bytes([len(number)]) + number + with_certificates
    return b"\x30" + bytes([len(body)]) + body


def fetch(
    url: str,
    data: bytes,
    *,
    timeout: float,
    certificate: Path | None = None,
    chance: Callable[[int], bytes] = os.urandom,
    sleep: Callable[[float], None] = time.sleep,
) -> bytes:
    """A token over ``data`` from the authority at ``url``: the bytes to keep as ``<size>.tsr``.

    It is granted, its imprint is SHA-256(``data``), its nonce is ours; with ``certificate`` its signature holds.

    Args:
        url: the authority's address, ``http`` or ``https`` (the token protects itself).
        data: what is to be stamped.
        timeout: seconds, see ``post``.
        certificate: PEM file with the authority's root certificates. Without it the signature is not
            checked here: whoever answers at ``url`` is believed until someone verifies the token.
        chance: gives that many random bytes, for the nonce.
        sleep: waits that many seconds, before another try.

    Raises:
        SealError: no such token was given; the text says why.
    """
    _library()
    nonce = int.from_bytes(chance(8), "big")
    answer = post(url, request(data, nonce=nonce), kind="application/timestamp-query", timeout=timeout, sleep=sleep)
    if answer.status != 200:
        raise SealError(f"the request was refused ({answer.status}): {answer.said}", where=url, todo="see its message")
    try:
        token = _read(answer.body, url)
        if token.nonce != nonce:
            raise EvidenceError("the token answers another request (nonce)", where=url)
        _check(token, data, certificate, url)
    except EvidenceError as error:
        raise SealError(error.what, where=error.where, todo=error.todo or "ask the authority, or run later") from None
    return answer.body


def imprint(token: bytes, *, where: str = "time-stamp token") -> tuple[str, datetime]:
    """What a token stamps and when: SHA-256 in lower-case hex and genTime (UTC). The signature is not checked.

    Raises:
        EvidenceError: ``token`` cannot be read, or is no granted one.
        SealError: rfc3161-client is not installed.
    """
    found = _read(token, where)
    return found.imprint.hex(), found.when


def verify(token: bytes, data: bytes, roots: Path, *, where: str = "time-stamp token") -> datetime:
    """The time (UTC) at which ``data`` existed, by the word of an authority under ``roots`` (a PEM file).

    Raises:
        EvidenceError: the token cannot be read, is for other data, or its signature does not hold.
        SealError: rfc3161-client is not installed.
    """
    found = _read(token, where)
    _check(found, data, roots, where)
    return found.when


@dataclass(frozen=True, slots=True)
class _Token:
    response: "TimeStampResponse"
    imprint: bytes
    nonce: int | None
    when: datetime


def _library() -> Any:
    try:
        return import_module("rfc3161_client")
    except ImportError:
        todo = "install it: pip install 'audit-pipelines[anchor]'"
        raise SealError("time-stamp tokens need the package rfc3161-client", where="anchor", todo=todo) from None


def _read(token: bytes, where: str) -> _Token:
    """The parts of a granted token. The library raises ValueError where ASN.1 does not fit."""
    library = _library()
    try:
        response = library.decode_timestamp_response(token)
        status = response.status
        if status != 0:
            name = _STATUS[status] if 0 <= status < len(_STATUS) else "unknown"
            said = printable(" ".join(response.status_string))
            raise EvidenceError(f"no token was granted: {name} ({status}) {said}".strip(), where=where)
        stated = response.tst_info
        marked, nonce, when = stated.message_imprint, stated.nonce, stated.gen_time
        found = _Token(response, marked.message, nonce, when)
        algorithm = marked.hash_algorithm.dotted_string
    except (ValueError, OverflowError) as error:
        raise EvidenceError(f"is no time-stamp answer: {printable(str(error))}", where=where) from None
    if algorithm != SHA256 or len(found.imprint) != 32:
        raise EvidenceError(f"the token's imprint is not SHA-256 but {algorithm}", where=where)
    return found


def _check(token: _Token, data: bytes, roots: Path | None, where: str) -> None:
    if token.imprint != hashlib.sha256(data).digest():
        raise EvidenceError("the token is for other data (imprint)", where=where)
    if roots is None:
        return
    try:
        certificates = load_pem_x509_certificates(roots.read_bytes())
    except (OSError, ValueError) as error:
        todo = "name a PEM file with the authority's root certificates"
        raise EvidenceError(f"cannot be read: {printable(str(error))}", where=str(roots), todo=todo) from None
    library = _library()
    try:
        library.VerifierBuilder(roots=certificates).build().verify_message(token.response, data)
    except Exception as error:  # noqa: BLE001  # the library passes on whatever odd certificates inside a token raise
        raise EvidenceError(f"the token's signature does not hold: {printable(str(error))}", where=where) from None
