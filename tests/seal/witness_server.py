"""A small real witness and a small real log for tests: C2SP tlog-witness over a recursive RFC 6962.

Nothing of the package is imported: trees, notes and cosignatures are written here a second time, after the
texts of RFC 6962 (section 2.1), c2sp.org/tlog-witness and c2sp.org/tlog-cosignature.
"""

import base64
import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def half(count: int) -> int:
    """The largest power of two below ``count``."""
    return 1 << (count - 1).bit_length() - 1


def root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, over records."""
    if len(leaves) <= 1:
        return hashlib.sha256(b"\x00" + leaves[0] if leaves else b"").digest()
    return node(root(leaves[: half(len(leaves))]), root(leaves[half(len(leaves)) :]))


def subproof(old: int, leaves: list[bytes], complete: bool) -> list[bytes]:
    """SUBPROOF of RFC 6962."""
    if old == len(leaves):
        return [] if complete else [root(leaves)]
    k = half(len(leaves))
    if old <= k:
        return [*subproof(old, leaves[:k], complete), root(leaves[k:])]
    return [*subproof(old - k, leaves[k:], False), root(leaves[:k])]


def rebuilt(old: int, new: int, proof: list[bytes], known: bytes | None) -> tuple[bytes, bytes]:
    """Old and new root as a proof gives them; hashes are taken from its end. IndexError where it is short."""
    if old == new:
        found = known if known is not None else proof.pop()
        return found, found
    k = half(new)
    other = proof.pop()
    if old <= k:
        before, left = rebuilt(old, k, proof, known)
        return before, node(left, other)
    before, right = rebuilt(old - k, new - k, proof, None)
    return node(other, before), node(other, right)


def consistent(old: int, old_root: bytes, new: int, new_root: bytes, proof: list[bytes]) -> bool:
    if old == 0:
        return proof == []
    left = list(proof)
    try:
        return rebuilt(old, new, left, old_root) == (old_root, new_root) and left == []
    except IndexError:
        return False


def key_id(name: str, kind: int, key: Ed25519PrivateKey) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + key.public_key().public_bytes_raw()).digest()[:4]


def vkey(name: str, kind: int, key: Ed25519PrivateKey) -> str:
    packed = base64.b64encode(bytes([kind]) + key.public_key().public_bytes_raw()).decode()
    return f"{name}+{key_id(name, kind, key).hex()}+{packed}"


def signature_line(name: str, identity: bytes, signature: bytes) -> bytes:
    return f"— {name} ".encode() + base64.b64encode(identity + signature) + b"\n"


def cosignature_line(name: str, key: Ed25519PrivateKey, body: bytes, time: int) -> bytes:
    signed = key.sign(b"cosignature/v1\ntime %d\n" % time + body)
    return signature_line(name, key_id(name, 4, key), time.to_bytes(8, "big") + signed)


@dataclass
class Log:
    """A log of records with its key; ``checkpoint`` and ``proof`` for any sizes."""

    origin: str
    leaves: list[bytes]
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    def checkpoint(self, size: int) -> bytes:
        body = b"%s\n%d\n%s\n" % (self.origin.encode(), size, base64.b64encode(root(self.leaves[:size])))
        return body + b"\n" + signature_line(self.origin, key_id(self.origin, 1, self.key), self.key.sign(body))

    def proof(self, old: int, new: int) -> list[bytes]:
        return subproof(old, self.leaves[:new], True) if old else []


@dataclass
class Witness:
    """Signs what grows. ``logs`` are the keys it trusts by origin, ``held`` what it last signed."""

    name: str
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    clock: Callable[[], int] = lambda: 1767225600
    logs: dict[str, Ed25519PrivateKey] = field(default_factory=dict)
    held: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def vkey(self) -> str:
        return vkey(self.name, 4, self.key)

    def add_checkpoint(self, request: bytes) -> tuple[int, str, bytes]:
        """Status, content type and body of the answer to one ``add-checkpoint``."""
        head, _, checkpoint = request.partition(b"\n\n")
        first, *hashes = head.split(b"\n")
        old, proof = int(first.removeprefix(b"old ")), [base64.b64decode(line, validate=True) for line in hashes]
        body, _, signatures = checkpoint.rpartition(b"\n\n")
        origin, size, packed = body.decode().split("\n")
        key = self.logs.get(origin)
        if key is None:
            return 404, "text/plain", b"unknown log\n"
        if not self._signed(origin, key, body + b"\n", signatures):
            return 403, "text/plain", b"no signature by the log's key\n"
        with self.lock:
            return self._judge(origin, old, int(size), base64.b64decode(packed), proof, body + b"\n")

    def _signed(self, origin: str, key: Ed25519PrivateKey, body: bytes, signatures: bytes) -> bool:
        identity = key_id(origin, 1, key)
        for line in signatures.decode().splitlines():
            _, name, packed = line.split(" ")
            given = base64.b64decode(packed)
            if (name, given[:4]) == (origin, identity):
                try:
                    key.public_key().verify(given[4:], body)
                except InvalidSignature:
                    return False
                return True
        return False

    def _judge(self, origin: str, old: int, size: int, top: bytes, proof: list[bytes], body: bytes) -> tuple[int, str, bytes]:
        held, held_root = self.held.get(origin, (0, b""))
        if old > size:
            return 400, "text/plain", b"old size above the new one\n"
        if old != held:
            return 409, "text/x.tlog.size", b"%d\n" % held
        if not consistent(old, held_root, size, top, proof) or (size == 0 and top != root([])):
            return 422, "text/plain", b"the proof does not hold\n"
        self.held[origin] = (size, top)
        return 200, "text/plain", cosignature_line(self.name, self.key, body, self.clock())


@contextlib.contextmanager
def serving(answer: Callable[[bytes], tuple[int, str, bytes]]) -> Iterator[str]:
    """A server on loopback whose ``<url>/add-checkpoint`` answers with (status, content type, body)."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["Content-Length"]))
            known = self.path == "/prefix/add-checkpoint"
            status, kind, body = answer(asked) if known else (404, "text/plain", b"no such path\n")
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/prefix"
    finally:
        server.shutdown()
        server.server_close()
