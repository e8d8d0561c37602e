"""The nginx of docs/serve.md in front of a real server: TLS, a path prefix, forwarded addresses, and no secret in its log."""

import os
import re
import shutil
import socket
import ssl
import subprocess
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.serve.conftest import copied, opened
from tests.serve.web.auditors import MONTH

NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
PAGE = (Path(__file__).parents[3] / "docs" / "serve.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.skipif(NGINX is None or shutil.which("openssl") is None, reason="nginx and openssl are needed")


def block(name: str) -> str:
    """The marked block of the page."""
    return re.search(
        rf"^<!-- run by tests/serve/web/test_behind_nginx.py: {name} -->\n```\w+\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL
    )[1]


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=example.com"]
    made += ["-addext", "subjectAltName=DNS:example.com", "-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"]
    subprocess.run(made, check=True, capture_output=True)
    return folder


def configured(folder: Path, certificate: Path, ports: dict[str, int]) -> Path:
    """The page's file with this test's ports and paths, inside the smallest nginx.conf there is."""
    site = block("nginx")
    for pattern, text in {
        r"^\s*listen \[::\].*\n": "",
        r"listen 80;": f"listen 127.0.0.1:{ports['plain']};",
        r"listen 443 ssl;": f"listen 127.0.0.1:{ports['tls']} ssl;",
        r"/etc/letsencrypt/live/example\.com": str(certificate),
        r"127\.0\.0\.1:8321": f"127.0.0.1:{ports['serve']}",
        r"/var/log/nginx": str(folder),
    }.items():
        site, count = re.subn(pattern, text, site, flags=re.MULTILINE)
        assert count, pattern
    (folder / "site.conf").write_text(site)
    temp = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log;\nevents {{}}\nhttp {{ {temp} access_log off; include {folder}/site.conf; }}\n"
    )
    return folder / "nginx.conf"


@contextmanager
def running(config: Path):
    """nginx while the block lasts."""
    subprocess.run([NGINX, "-t", "-c", config, "-e", config.parent / "error.log"], check=True, capture_output=True)
    process = subprocess.Popen([NGINX, "-c", config, "-e", config.parent / "error.log"])
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture(scope="module")
def front(audited_home, clock, certificate, tmp_path_factory):
    """The door behind nginx: (door, a client that sees what browsers see, nginx's folder)."""
    folder = tmp_path_factory.mktemp("nginx")
    home = copied(audited_home, tmp_path_factory.mktemp("behind"))
    text = home.settings_file.read_text()
    home.settings_file.write_text(text.replace("[serve]\n", block("toml")))
    with opened(home, clock) as door:
        plain, tls = free_ports(2)
        ports = {"plain": plain, "tls": tls, "serve": int(door.url.rsplit(":", 1)[1])}
        with running(configured(folder, certificate, ports)):
            yield door, ports, folder


@pytest.fixture
def browser(front, certificate):
    """A client that resolves example.com to the nginx of the test, and trusts its certificate."""
    _, ports, _ = front
    context = ssl.create_default_context(cafile=str(certificate / "fullchain.pem"))

    class Here(httpx2.HTTPTransport):
        def handle_request(self, request):
            here = request.url.copy_with(host="127.0.0.1", port=ports["tls"])
            extensions = {**request.extensions, "sni_hostname": "example.com"}
            sent = httpx2.Request(request.method, here, headers=request.headers, stream=request.stream, extensions=extensions)
            return super().handle_request(sent)

    transport = Here(verify=context, retries=20)
    with httpx2.Client(transport=transport, base_url="https://example.com") as client:
        yield client


def test_a_browser_signs_in_reads_and_downloads_below_the_prefix(front, browser):
    door, _, _ = front
    answer = browser.get("/audit/reports")
    assert (answer.status_code, answer.headers.get("location")) == (303, "/audit/sign-in?next=/reports"), answer.text
    answer = door.post_form(browser, "/audit/sign-in", token=door.token("admin"))
    assert (answer.status_code, answer.headers["location"]) == (303, "/audit/audit-logs")
    cookie = answer.headers["set-cookie"].lower()
    assert "secure" in cookie
    assert "httponly" in cookie
    assert "path=/audit/" in cookie
    page = browser.get(f"/audit/reports/{MONTH}").text
    links = set(re.findall(r'(?:href|src|action)="(/[^"]*)"', page))
    assert links
    assert all(link.startswith("/audit/") for link in links)
    assert all(browser.get(link).status_code == 200 for link in links if "/static/" in link)
    bundle = browser.get(f"/audit/reports/{MONTH}/bundle")
    assert bundle.content[:2] == b"PK"
    assert len(bundle.content) == int(bundle.headers["content-length"])
    result = door.post_form(browser, "/audit/verify", month=MONTH)
    assert "everything that was checked holds" in result.text
    assert f"https://example.com/audit/reports/{MONTH}/bundle" in result.text


def test_the_address_of_the_client_counts_and_not_what_it_claims(front, browser):
    door, _, _ = front
    bearer = {"authorization": f"Bearer {door.token('auditor')}", "x-forwarded-for": "198.51.100.1", "x-forwarded-proto": "http"}
    answer = browser.get("/audit/reports", headers=bearer)
    assert answer.status_code == 200
    assert answer.headers["strict-transport-security"]
    assert door.record_of(answer)["context"]["ip"] == "127.0.0.1"


def test_plain_http_leads_to_tls_and_the_bare_prefix_to_the_pages(front, browser):
    _, ports, _ = front
    answer = httpx2.get(f"http://127.0.0.1:{ports['plain']}/audit/reports?x=1", headers={"host": "example.com"})
    assert (answer.status_code, answer.headers["location"]) == (301, "https://example.com/audit/reports?x=1")
    answer = browser.get("/audit")
    assert answer.status_code == 308
    assert browser.get("/").status_code == 404


def test_no_secret_is_in_the_log_of_nginx_and_its_lines_lead_to_ours(front, browser):
    door, _, folder = front
    secret = door.link(report=MONTH)
    assert door.post_form(browser, f"/audit/l/{secret}").status_code == 303
    browser.get("/audit/sign-in/oidc/callback?code=very-secret&state=x")
    answer = browser.get(f"/audit/reports/{MONTH}")
    logged = (folder / "audit.log").read_text()
    assert secret not in logged
    assert "very-secret" not in logged
    assert f"GET /audit/reports/{MONTH}" in logged
    assert answer.headers["x-request-id"] in logged


def test_a_body_that_no_form_has_is_refused_by_nginx(front, browser):
    assert browser.post("/audit/sign-in", content=b"x" * 70_000).status_code == 413
