"""RFC 3161 tokens from a real authority: ``openssl ts`` behind a small server on loopback."""

import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from audit_pipelines.errors import AuditError, EvidenceError, SealError
from audit_pipelines.seal import post, timestamp

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")

DATA = "audit.example/test/statements\n3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— audit.example AAAA\n".encode()
CONFIG = """
[tsa]
default_tsa = authority
[authority]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
certs = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4
digests = {digests}
accuracy = secs:1
clock_precision_digits = {precision}
ess_cert_id_alg = sha256
"""


def openssl(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(["openssl", "ts", *map(str, arguments)], capture_output=True, check=False)


def certificate(name: str, key, issuer: str, issuer_key, *extensions: tuple[x509.ExtensionType, bool]) -> bytes:
    now = datetime.now(UTC)
    named = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)]) for text in (name, issuer)]
    built = x509.CertificateBuilder().subject_name(named[0]).issuer_name(named[1]).public_key(key.public_key())
    built = built.serial_number(x509.random_serial_number())
    built = built.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=30))
    for extension, critical in extensions:
        built = built.add_extension(extension, critical)
    return built.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class Authority:
    """A time-stamping authority: a root, a signer's certificate under it, and OpenSSL to answer queries."""

    def __init__(self, folder: Path, *, digests: str = "sha256", precision: int = 0) -> None:
        root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        stamping = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.TIME_STAMPING])
        self.folder, self.roots = folder, folder / "ca.pem"
        self.roots.write_bytes(certificate("Root", root_key, "Root", root_key, (x509.BasicConstraints(True, None), True)))
        (folder / "tsa.pem").write_bytes(certificate("Authority", key, "Root", root_key, (stamping, True)))
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        (folder / "tsa.key").write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
        (folder / "serial").write_text("01")
        (folder / "tsa.cnf").write_text(CONFIG.format(folder=folder, digests=digests, precision=precision))

    def reply(self, query: bytes) -> bytes:
        asked, answer = self.folder / "query.tsq", self.folder / "answer.tsr"
        asked.write_bytes(query)
        done = openssl("-reply", "-config", self.folder / "tsa.cnf", "-queryfile", asked, "-out", answer)
        assert done.returncode == 0, done.stderr
        return answer.read_bytes()


@dataclass
class Service:
    """A server that answers POSTs from a script: a function from body to (status, headers, body)."""

    url: str
    answer: Callable[[bytes], tuple[int, dict[str, str], bytes]]
    asked: list[tuple[str, str]] = field(default_factory=list)


@pytest.fixture
def service() -> Iterator[Service]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            known.asked.append((self.path, self.headers["Content-Type"]))
            status, headers, answer = known.answer(body)
            try:
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(answer))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)
            except OSError:
                pass  # the client has gone: that is what some tests want

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    known = Service(f"http://127.0.0.1:{server.server_address[1]}/tsa", lambda _: (500, {}, b""))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield known
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def token(authority) -> bytes:
    return authority.reply(timestamp.request(DATA, nonce=4711))


def script(*answers):
    """Answers one after the other, the last one for ever."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def fetch(service: Service, *, waits: list[float] | None = None, **options) -> bytes:
    options = {"timeout": 10.0} | options
    return timestamp.fetch(service.url, DATA, sleep=([] if waits is None else waits).append, **options)


def test_a_token_is_fetched_and_stock_openssl_accepts_it(service, authority, tmp_path):
    service.answer = lambda query: (200, {"Content-Type": "application/timestamp-reply"}, authority.reply(query))
    (tmp_path / "3.tsr").write_bytes(fetch(service, certificate=authority.roots))
    (tmp_path / "checkpoint").write_bytes(DATA)
    assert service.asked == [("/tsa", "application/timestamp-query")]
    check = ("-verify", "-in", tmp_path / "3.tsr", "-data", tmp_path / "checkpoint", "-CAfile", authority.roots)
    assert openssl(*check).returncode == 0
    (tmp_path / "checkpoint").write_bytes(DATA.replace(b"\n3\n", b"\n4\n"))
    assert openssl(*check).returncode != 0


def test_imprint_and_time_are_read_and_the_signature_is_verified(authority, token):
    digest, when = timestamp.imprint(token)
    assert digest == hashlib_of(DATA)
    assert when.tzinfo is UTC
    assert timestamp.verify(token, DATA, authority.roots) == when


def hashlib_of(data: bytes) -> str:
    return subprocess.run(["openssl", "sha256", "-r"], input=data, capture_output=True, check=True).stdout[:64].decode()


def test_a_time_with_fractions_is_read(tmp_path):
    authority = Authority(tmp_path, precision=3)
    token = authority.reply(timestamp.request(DATA, nonce=1))
    assert timestamp.verify(token, DATA, authority.roots) == timestamp.imprint(token)[1]


@pytest.mark.parametrize("nonce", [0, 1, 127, 128, 255, 256, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
def test_openssl_reads_the_request_as_it_is_meant(nonce, tmp_path):
    (tmp_path / "q").write_bytes(timestamp.request(DATA, nonce=nonce))
    (tmp_path / "data").write_bytes(DATA)
    text = openssl("-query", "-in", tmp_path / "q", "-text").stdout.decode()
    stated = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    assert stated["Hash Algorithm"] == "sha256"
    assert int(stated["Nonce"], 16) == nonce
    assert stated["Certificate required"] == "yes"


@pytest.mark.parametrize("nonce", [-1, 1 << 64])
def test_a_nonce_of_more_than_64_bits_is_refused(nonce):
    with pytest.raises(SealError, match="64 bits"):
        timestamp.request(DATA, nonce=nonce)


def test_changed_data_is_refused(authority, token):
    with pytest.raises(EvidenceError, match="other data"):
        timestamp.verify(token, DATA + b" ", authority.roots)


def test_a_token_of_another_authority_is_refused_where_roots_are_given(service, authority, tmp_path):
    other = Authority(tmp_path)
    service.answer = lambda query: (200, {}, other.reply(query))
    with pytest.raises(SealError, match="signature does not hold"):
        fetch(service, certificate=authority.roots)
    assert timestamp.verify(fetch(service), DATA, other.roots)


def test_an_answer_to_another_request_is_refused(service, authority):
    service.answer = lambda _: (200, {}, authority.reply(timestamp.request(DATA, nonce=5)))
    with pytest.raises(SealError, match="another request"):
        fetch(service, chance=lambda count: bytes(count))
    assert fetch(service, chance=lambda count: bytes([5]).rjust(count, b"\0"))


def test_an_answer_without_nonce_is_refused(service, authority, tmp_path):
    (tmp_path / "data").write_bytes(DATA)
    query = openssl("-query", "-data", tmp_path / "data", "-sha256", "-no_nonce", "-cert").stdout
    service.answer = lambda _: (200, {}, authority.reply(query))
    with pytest.raises(SealError, match="another request"):
        fetch(service, chance=lambda count: bytes(count))


def test_a_token_over_other_data_is_refused(service, authority):
    service.answer = lambda _: (200, {}, authority.reply(timestamp.request(b"other", nonce=0)))
    with pytest.raises(SealError, match="other data"):
        fetch(service, chance=lambda count: bytes(count))


@pytest.mark.parametrize("digest", ["sha512", "sha3-256"])
def test_an_imprint_that_is_not_sha256_is_refused(digest, tmp_path):
    (tmp_path / "data").write_bytes(DATA)
    query = openssl("-query", "-data", tmp_path / "data", f"-{digest}", "-cert").stdout
    with pytest.raises(EvidenceError, match="not SHA-256"):
        timestamp.imprint(Authority(tmp_path, digests=f"sha256, {digest}").reply(query))


def test_a_rejection_is_told_in_the_authority_s_words(service, tmp_path):
    picky = Authority(tmp_path, digests="sha512")
    service.answer = lambda query: (200, {}, picky.reply(query))
    with pytest.raises(SealError, match=r"no token was granted: rejected \(2\) .*not supported"):
        fetch(service)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((200, {}, b""), "no time-stamp answer"),
        ((200, {}, b"<html>hello</html>"), "no time-stamp answer"),
        ((200, {}, bytes.fromhex("30053003020100")), "no time-stamp answer"),  # granted, but no token inside
        ((200, {}, b"x" * (post.ANSWER_LIMIT + 1)), "more than 65536 bytes"),
        ((404, {}, b"no\x1b[31m such page"), r"refused \(404\): no\\x1b\[31m such page"),
        ((429, {}, b""), r"refused \(429\)"),
        ((302, {"Location": "/other"}, b""), r"redirects \(302\) to /other"),
    ],
)
def test_an_answer_that_is_no_token_is_refused_at_once(service, answer, says):
    waits = []
    service.answer = script(answer)
    with pytest.raises(SealError, match=says):
        fetch(service, waits=waits)
    assert (len(service.asked), waits) == (1, [])


def test_a_failing_service_is_asked_again(service, authority):
    waits = []
    answers = [(500, {}, b""), (200, {"Content-Length": "99"}, b"cut")]
    service.answer = lambda query: answers.pop(0) if answers else (200, {}, authority.reply(query))
    assert fetch(service, waits=waits)
    assert waits == [1.0, 2.0]


def test_a_service_that_goes_on_failing_is_given_up(service):
    waits = []
    service.answer = script((503, {}, b"closed for today"))
    with pytest.raises(SealError, match=r"failed \(503\): closed for today"):
        fetch(service, waits=waits)
    assert (len(service.asked), waits) == (3, [1.0, 2.0])


def test_no_connection_is_tried_again_and_told(service):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        service.url = f"http://127.0.0.1:{free.getsockname()[1]}"
    waits = []
    with pytest.raises(SealError, match="no connection"):
        fetch(service, waits=waits)
    assert waits == [1.0, 2.0]


def test_a_service_that_never_answers_is_waited_for_once():
    waits = []
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(SealError, match=r"no whole answer within 0\.05 s"):
        timestamp.fetch(f"http://127.0.0.1:{silent.getsockname()[1]}", DATA, timeout=0.05, sleep=waits.append)
    assert waits == []


def test_an_answer_that_trickles_past_the_time_out_is_left(service):
    service.answer = script((200, {}, b"slow"))
    clock = iter(range(0, 1000, 100))
    with pytest.raises(SealError, match="no whole answer within 5 s"):
        post.post(service.url, b"x", kind="text/plain", timeout=5.0, clock=lambda: next(clock))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "tsa",
        "ftp://a/",
        "http://",
        "http://[1",
        "http://a:b/",
        "http://u:p@a/",
        "http://a/#x",
        "http://a b/",
        "http://a:0/",
        "http://é/",
    ],
)
def test_what_is_no_address_is_refused(url):
    with pytest.raises(SealError, match="no address"):
        timestamp.fetch(url, DATA, timeout=1.0)


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_roots_that_cannot_be_read_are_named(content, token, tmp_path):
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(EvidenceError, match=r"ca\.pem: cannot be read"):
        timestamp.verify(token, DATA, tmp_path / "ca.pem")


def test_without_the_package_the_error_says_what_to_install(service, monkeypatch):
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    for use in (lambda: fetch(service), lambda: timestamp.imprint(b""), lambda: timestamp.verify(b"", b"", Path("x"))):
        with pytest.raises(SealError, match=r"audit-pipelines\[anchor\]"):
            use()
    assert service.asked == []


def test_the_package_is_loaded_only_when_needed():
    check = "import sys, audit_pipelines.seal.timestamp; sys.exit('rfc3161_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_no_changed_byte_of_a_token_gives_another_time_or_another_error(authority, token):
    when, refused = timestamp.verify(token, DATA, authority.roots), 0
    for place in range(len(token)):
        changed = token[:place] + bytes([token[place] ^ 1]) + token[place + 1 :]
        try:
            assert timestamp.verify(changed, DATA, authority.roots) == when
        except EvidenceError:
            refused += 1
    assert refused > len(token) * 0.8  # the rest stands outside of what is signed


@given(st.binary(max_size=200))
def test_garbage_raises_nothing_but_our_errors(content):
    with pytest.raises(AuditError):
        timestamp.imprint(content)


@given(st.data())
def test_a_mangled_token_raises_nothing_but_our_errors(authority, token, data):
    start = data.draw(st.integers(0, len(token)))
    end = data.draw(st.integers(start, min(len(token), start + 40)))
    mangled = token[:start] + data.draw(st.binary(max_size=40)) + token[end:]
    try:
        timestamp.imprint(mangled)
        timestamp.verify(mangled, DATA, authority.roots)
    except AuditError:
        pass
