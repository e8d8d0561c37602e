"""The HTTP client against a real server: retries, waits, and what each failure is called."""

import gzip
import socket
import threading
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from audit_pipelines.errors import SourceError
from audit_pipelines.extract.http import Client

TOKEN = "secret-token-4711"
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


def client(url: str, waits: list[float] | None = None, **options) -> Client:
    options = {"retries": 2, "timeout": 5.0, "token": TOKEN, "clock": NOW.timestamp} | options
    return Client(base=url, token_env="API_TOKEN", sleep=[].append if waits is None else waits.append, **options)


def script(*answers):
    """Answers one after the other, the last one for ever."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def test_a_request_carries_the_token_and_gives_the_body(service):
    service.answer = script((200, {}, b"{}"))
    assert client(service.url).get("/v1/x?a=1") == b"{}"
    assert service.asked == ["/v1/x?a=1"]
    assert service.tokens == [f"Bearer {TOKEN}"]


def test_a_base_with_a_path_is_kept(service):
    service.answer = script((200, {}, b"{}"))
    client(f"{service.url}/audit/").get("/v1/x")
    assert service.asked == ["/audit/v1/x"]


def test_a_compressed_answer_is_unpacked(service):
    service.answer = script((200, {"Content-Encoding": "gzip"}, gzip.compress(b"hello")))
    assert client(service.url).get("/") == b"hello"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_passing_failures_are_tried_again_with_growing_waits(service, status):
    waits = []
    service.answer = script((status, {}, b""), (status, {}, b""), (200, {}, b"ok"))
    assert client(service.url, waits).get("/") == b"ok"
    assert waits == [1.0, 2.0]


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("7", 7.0),
        ("0", 0.0),
        (format_datetime(NOW.replace(minute=1), usegmt=True), 60.0),
        (format_datetime(NOW.replace(hour=11), usegmt=True), 0.0),
        ("soon", 1.0),
        ("-5", 1.0),
        ("", 1.0),
    ],
)
def test_retry_after_is_obeyed(service, header, wait):
    waits = []
    service.answer = script((429, {"Retry-After": header}, b""), (200, {}, b""))
    client(service.url, waits).get("/")
    assert waits == [wait]


@pytest.mark.parametrize("header", ["86400", "9" * 40, "Fri, 01 Jan 2027 00:00:00 GMT"])
def test_a_wait_is_never_longer_than_five_minutes_and_the_log_says_so(service, caplog, header):
    waits = []
    service.answer = script((503, {"Retry-After": header}, b""), (200, {}, b""))
    client(service.url, waits).get("/")
    assert waits == [300.0]
    assert "waiting 300 s, the most this program waits" in caplog.text


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (401, b'{"message":"token expired"}', "auth", ["401", "token expired", "API_TOKEN"]),
        (402, b"", "plan", ["402", "plan", "API_TOKEN"]),
        (403, b'{"error":{"message":"Enterprise only"}}', "plan", ["403", "Enterprise only"]),
        (404, b"<html>nope</html>", "missing", ["404", "correct url"]),
        (429, b"", "rate", ["429", "after 3 tries"]),
        (500, b"", "server", ["500", "after 3 tries"]),
        (503, b'{"detail":"maintenance"}', "server", ["maintenance"]),
        (301, b"", "redirect", ["301", "not followed"]),
        (400, b'{"error":"bad cursor"}', "request", ["400", "bad cursor"]),
        (418, b"\x1b[31mteapot\x00\n" + b"x" * 500, "request", ["418", "\\x1b[31mteapot\\x00"]),
        (400, b"[" * 5000, "request", ["400"]),
    ],
)
def test_each_failure_has_a_kind_and_says_what_to_do(service, status, body, kind, words):
    service.answer = script((status, {"Location": "https://elsewhere.example/v2"}, body))
    with pytest.raises(SourceError) as caught:
        client(service.url).get("/v1/audit-logs?from=2026-01-05")
    text = str(caught.value)
    assert caught.value.kind == kind
    for word in [*words, "/v1/audit-logs?from=2026-01-05"]:
        assert word in text
    assert text.isprintable()
    assert len(text) < 600


def test_only_passing_failures_are_tried_again(service):
    service.answer = script((403, {}, b""))
    with pytest.raises(SourceError):
        client(service.url).get("/")
    assert len(service.asked) == 1


def test_a_redirect_is_not_followed_with_the_token(service):
    service.answer = script((302, {"Location": f"{service.url}/other"}, b""))
    with pytest.raises(SourceError, match="redirects"):
        client(service.url).get("/")
    assert service.asked == ["/"]


def test_the_token_is_in_no_text(service, caplog):
    caplog.set_level("DEBUG", logger="audit_pipelines")
    service.answer = script((500, {"Retry-After": "400"}, b""), (400, {}, f"bad token {TOKEN}".encode()))
    made = client(service.url)
    with pytest.raises(SourceError) as caught:
        made.get("/")
    for text in (str(caught.value), repr(caught.value), repr(made), caplog.text):
        assert TOKEN not in text
    assert "bad token [token]" in str(caught.value)


@pytest.mark.parametrize("token", ["two words", "line\nend", "t\u00f6ken", "\x00"])
def test_a_token_that_cannot_be_one_is_refused_without_printing_it(token):
    with pytest.raises(SourceError) as caught:
        client("https://api.example", token=token)
    assert caught.value.kind == "auth"
    assert token not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["api.example", "ftp://api.example", "https://", "https://user:pass@api.example", "https://a/?x=1"]
)
def test_an_url_that_is_no_address_is_refused(url):
    with pytest.raises(SourceError, match="no address") as caught:
        client(url)
    assert "pass" not in str(caught.value).replace("password", "")


def test_no_answer_in_time_is_a_timeout(service):
    done = threading.Event()
    service.answer = lambda _: (done.wait(10), (200, {}, b""))[1]
    waits = []
    with pytest.raises(SourceError, match="after 2 tries") as caught:
        client(service.url, waits, timeout=0.05, retries=1).get("/")
    done.set()
    assert caught.value.kind == "timeout"
    assert waits == [1.0]


def test_a_refused_connection_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        port = taken.getsockname()[1]
        with pytest.raises(SourceError, match="no connection") as caught:
            client(f"http://127.0.0.1:{port}", retries=1).get("/")
    assert caught.value.kind == "connection"


def test_a_body_that_breaks_off_is_tried_again(service):
    service.answer = script((200, {"Content-Length": "100", "Connection": "close"}, b"half"), (200, {}, b"whole"))
    waits = []
    assert client(service.url, waits, timeout=0.5).get("/") == b"whole"
    assert waits == [1.0]


def test_a_body_beyond_the_limit_is_refused(service):
    service.answer = lambda _: (200, {"Content-Encoding": "gzip"}, gzip.compress(bytes(10_000_000)))
    with pytest.raises(SourceError, match="more than 1000 bytes") as caught:
        client(service.url, body_limit=1000).get("/")
    assert caught.value.kind == "size"
