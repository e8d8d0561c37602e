"""``audit-pipelines serve``: where it listens, what it refuses, what it says, how it ends."""

import os
import pty
import signal
import ssl
import subprocess
import sys

import httpx2
import pytest
from click.testing import CliRunner

from audit_pipelines.cli import main
from audit_pipelines.serve import listening
from audit_pipelines.serving import Serve


def start(home, port, **options):
    command = [sys.executable, "-m", "audit_pipelines", "--home", str(home.root), "serve", "--port", str(port)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, **options)


def answers(process, url, **options):
    """Ask until the server listens, or its process has ended."""
    while process.poll() is None:
        try:
            return httpx2.get(url, **options)
        except httpx2.ConnectError:
            continue
    pytest.fail(process.stderr.read().decode())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_is_silent_in_a_pipe_and_ends_cleanly(home, unused_port, number):
    with start(home, unused_port, stdout=subprocess.PIPE) as process:
        assert answers(process, f"http://127.0.0.1:{unused_port}/healthz").text == "ok\n"
        process.send_signal(number)
        assert process.communicate() == (b"", b"")
    assert process.returncode == 0


def test_on_a_terminal_it_says_where_it_is(home, unused_port):
    outer, inner = pty.openpty()
    with start(home, unused_port, stdout=inner) as process:
        os.close(inner)
        said = os.read(outer, 1000).decode()
        process.terminate()
    os.close(outer)
    assert said == f"Acme Ltd: http://127.0.0.1:{unused_port} (Ctrl-C ends it)\r\n"


def test_it_speaks_tls_with_the_files_of_the_settings(home, unused_port, certificate):
    with home.settings_file.open("a") as file:
        file.write('[serve]\ntls_certificate = "cert.pem"\ntls_key = "key.pem"\n')
    trusting = ssl.create_default_context(cafile=home.root / "cert.pem")
    with start(home, unused_port, stdout=subprocess.PIPE) as process:
        answer = answers(process, f"https://localhost:{unused_port}/healthz", verify=trusting)
        process.terminate()
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


@pytest.fixture
def certificate(home):
    """A certificate for localhost, and its key, in the home."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    made = x509.CertificateBuilder(
        name, name, key.public_key(), 1, datetime(2026, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(days=1)
    )
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    (home.root / "cert.pem").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    (home.root / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))


PUBLIC = [
    ({"host": "0.0.0.0"}, "a public address needs TLS or a stated proxy"),
    ({"host": "192.0.2.1"}, "a public address needs TLS or a stated proxy"),
    ({"host": "audit.example.com"}, "a public address needs TLS or a stated proxy"),
    ({"host": "::"}, "a public address needs TLS or a stated proxy"),
    ({"host": "0.0.0.0", "public_url": "https://a.example"}, "a public address needs TLS or a stated proxy"),
    ({"host": "0.0.0.0", "trusted_proxies": ("192.0.2.1",)}, "a public address needs TLS or a stated proxy"),
    ({"host": "0.0.0.0", "tls_certificate": "c", "tls_key": "k"}, "all addresses, but no name that browsers use"),
    ({"host": "192.0.2.1", "tls_certificate": "c", "tls_key": "k"}, None),
    ({"host": "0.0.0.0", "tls_certificate": "c", "tls_key": "k", "public_url": "https://a.example"}, None),
    ({"host": "0.0.0.0", "public_url": "https://a.example", "trusted_proxies": ("192.0.2.1",)}, None),
    ({"host": "127.0.0.1"}, None),
    ({"host": "127.9.9.9"}, None),
    ({"host": "::1"}, None),
    ({"host": "localhost"}, None),
]


@pytest.mark.parametrize(("given", "refusal"), PUBLIC, ids=str)
def test_a_public_address_without_tls_or_a_proxy_is_refused(given, refusal):
    from audit_pipelines.errors import SettingsError

    if refusal is None:
        listening.check_address(Serve(**given))
    else:
        with pytest.raises(SettingsError, match=refusal):
            listening.check_address(Serve(**given))


@pytest.mark.parametrize(
    ("words", "settings", "says"),
    [
        (["--host", "0.0.0.0"], "", "a public address needs TLS or a stated proxy"),
        (["--host", "127.0.0.1"], '[serve]\ntls_certificate = "none.pem"\ntls_key = "none.pem"\n', "no such file"),
        (["--host", "127.0.0.1"], '[serve]\ntls_certificate = "audit.toml"\ntls_key = "audit.toml"\n', "TLS cannot be set up"),
    ],
)
def test_what_cannot_be_served_is_said_in_one_line(home, words, settings, says):
    with home.settings_file.open("a") as file:
        file.write(settings)
    found = CliRunner().invoke(main, ["--home", str(home.root), "serve", *words])
    assert found.exit_code == 2
    assert says in found.stderr
    assert found.stderr.count("\n") == 1


def test_an_address_that_is_taken_is_said_to_be(home):
    with listening.listen(Serve(port=0)) as socket:
        found = CliRunner().invoke(main, ["--home", str(home.root), "serve", "--port", str(socket.getsockname()[1])])
    assert found.exit_code == 2
    assert "cannot listen: Address already in use" in found.stderr


@pytest.mark.parametrize(
    ("serve", "address"),
    [
        ({}, "http://127.0.0.1:"),
        ({"host": "::1"}, "http://[::1]:"),
        ({"public_url": "https://a.example/x"}, "https://a.example/x"),
    ],
    ids=str,
)
def test_the_address_is_one_to_open_in_a_browser(serve, address):
    serve = Serve(port=0, **serve)
    with listening.listen(serve) as socket:
        assert listening.address_of(serve, socket).startswith(address)
