"""The only HTTP client: GET with a bearer token, time-outs, back-off and plain words for every failure.

Tried again: connection errors, time-outs, and the statuses 429, 500, 502, 503 and 504, after the wait that
Retry-After asks for (RFC 9110, section 10.2.3: seconds or a date) or a growing one. Redirects are not
followed: the token would go along. What does not belong here: what an answer holds (``terracotta``).
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import msgspec
import urllib3
from urllib3.exceptions import HTTPError, NewConnectionError, SSLError, TimeoutError  # noqa: A004  # urllib3's own

from audit_pipelines.errors import SourceError

LONGEST_WAIT = 300.0
"""Seconds that one wait may last, whatever Retry-After says; the log tells when it is cut."""
BODY_LIMIT = 512 << 20
"""Largest body in bytes, after decompression."""
AGAIN = frozenset({429, 500, 502, 503, 504})
_PIECE = 1 << 20
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    retry_after: str
    location: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """GET requests to one service. Safe to use from several threads.

    Args:
        base: address without a path of the API, ``https://...``.
        token: bearer token; it appears in no text of this program.
        token_env: the variable it came from, named in errors.
        timeout: seconds to wait for a connection, and for each piece of an answer.
        retries: how often a request is tried again.
        sleep: waits that many seconds.
        clock: seconds since 1970, for Retry-After dates.
        body_limit: largest body in bytes.
    """

    base: str
    token: str = field(repr=False)
    token_env: str
    timeout: float
    retries: int
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.time
    body_limit: int = BODY_LIMIT
    _pool: urllib3.PoolManager = field(init=False, repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.base)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            todo = 'write url = "https://host[/path]", without user, password and query'
            raise SourceError("url is no address of a service", where="audit.toml: sources.url", todo=todo, kind="connection")
        if not self.token.isascii() or not self.token.isprintable() or " " in self.token:
            what = f"the value of {self.token_env} has characters that no token has"
            raise SourceError(what, where=self.base, todo=f"set {self.token_env} to the token alone", kind="auth")
        limits = urllib3.Timeout(connect=self.timeout, read=self.timeout)
        object.__setattr__(self, "_pool", urllib3.PoolManager(maxsize=8, timeout=limits, retries=False))

    def get(self, target: str) -> bytes:
        """The body of a 200 answer to ``GET base + target`` (path and query).

        Raises:
            SourceError: its ``kind`` says why in a word: auth, plan, missing, rate, server, timeout,
                connection, redirect, size, request.
        """
        for attempt in range(self.retries + 1):
            last = attempt == self.retries
            try:
                answer = self._once(target)
            except SSLError as error:
                todo = "mend the certificate, or name its authority in SSL_CERT_FILE"
                raise self._error(f"no safe connection: {error}", target, todo, "connection") from None
            except HTTPError as error:
                if last:
                    raise self._unreachable(error, target) from None
                self._wait(attempt, "", type(error).__name__, target)
                continue
            if answer.status == 200:
                return answer.body
            if last or answer.status not in AGAIN:
                raise self._refused(answer, target)
            self._wait(attempt, answer.retry_after, str(answer.status), target)
        raise AssertionError("unreachable")  # pragma: no cover

    def _once(self, target: str) -> _Answer:
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json", "Accept-Encoding": "gzip"}
        url = self.base.rstrip("/") + target
        response = self._pool.request("GET", url, headers=headers, redirect=False, preload_content=False)
        try:
            body = self._body(response, target)
        except BaseException:
            response.close()  # half an answer is left on this connection
            raise
        response.release_conn()
        given = response.headers
        return _Answer(response.status, body, given.get("Retry-After", ""), given.get("Location", ""))

    def _body(self, response: urllib3.BaseHTTPResponse, target: str) -> bytes:
        body = bytearray()
        while piece := response.read(_PIECE, decode_content=True):
            body += piece
            if len(body) > self.body_limit:
                what, todo = f"an answer of more than {self.body_limit} bytes", "lower page_size of the source"
                raise self._error(what, target, todo, "size")
        return bytes(body)

    def _wait(self, attempt: int, retry_after: str, why: str, target: str) -> None:
        asked = self._asked(retry_after)
        seconds = min(2.0**attempt, LONGEST_WAIT) if asked is None else min(asked, LONGEST_WAIT)
        if asked is not None and asked > LONGEST_WAIT:
            _log.warning(
                "%s: asks to wait %.0f s; waiting %.0f s, the most this program waits", self._where(target), asked, seconds
            )
        _log.info("%s: %s; trying again in %.1f s", self._where(target), why, seconds)
        self.sleep(seconds)

    def _asked(self, retry_after: str) -> float | None:
        """Seconds that a Retry-After asks for; None where it says nothing that can be understood."""
        text = retry_after.strip()
        if text.isascii() and text.isdigit():
            return float(text[:9])
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (moment - datetime.fromtimestamp(self.clock(), UTC)).total_seconds())

    def _refused(self, answer: _Answer, target: str) -> SourceError:
        """The error for an answer that is not 200 and will not be tried again."""
        status = answer.status
        said = self._said(answer.body)
        said = f": {said}" if said else ""
        tries = f" after {self.retries + 1} tries" if self.retries else ""
        if status == 401:
            return self._error(f"the token was refused (401){said}", target, f"renew the token in {self.token_env}", "auth")
        if status in (402, 403):
            todo = f"the plan must include audit logs, and the token in {self.token_env} the right to read them"
            return self._error(f"audit logs are not open to this token ({status}){said}", target, todo, "plan")
        if status == 404:
            return self._error(f"no such address (404){said}", target, "correct url of the source", "missing")
        if status == 429:
            wait = f", asks to wait {self._clean(answer.retry_after, 40)}" if answer.retry_after else ""
            return self._error(f"too many requests (429){tries}{wait}{said}", target, "run later, or raise retries", "rate")
        if status >= 500:
            return self._error(
                f"the service failed ({status}){tries}{said}", target, "run later; what was read is kept", "server"
            )
        if 300 <= status < 400:
            host = self._clean(urlsplit(answer.location).netloc or answer.location, 100)
            what = f"redirects ({status}) to {host}; redirects are not followed, the token would go along"
            return self._error(what, target, "set url to the address meant", "redirect")
        return self._error(f"the request was refused ({status}){said}", target, "see the service's message", "request")

    def _unreachable(self, error: HTTPError, target: str) -> SourceError:
        tries = f" after {self.retries + 1} tries" if self.retries else ""
        # a refused connection is a kind of time-out to urllib3
        if isinstance(error, TimeoutError) and not isinstance(error, NewConnectionError):
            what = f"no answer within {self.timeout:g} s{tries}"
            return self._error(what, target, "raise timeout of the source, or run later", "timeout")
        what = f"no connection{tries}: {self._clean(str(error), 200)}"
        return self._error(what, target, "check url, network and firewall", "connection")

    def _said(self, body: bytes) -> str:
        """The server's own message: a usual member of a JSON object, else the beginning of the body."""
        try:
            found = msgspec.json.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return self._clean(body[:1000].decode("utf-8", "replace"), 200)
        for key in ("message", "error", "detail", "title"):
            value = found.get(key) if isinstance(found, dict) else None
            value = value.get("message") if isinstance(value, dict) else value
            if isinstance(value, str) and value:
                return self._clean(value, 200)
        return ""

    def _clean(self, text: str, longest: int) -> str:
        """``text`` for a log: without the token, control characters escaped, cut."""
        text = text.replace(self.token, "[token]").strip()
        return "".join(mark if mark.isprintable() else repr(mark)[1:-1] for mark in text[:longest])

    def _where(self, target: str) -> str:
        return f"GET {self.base.rstrip('/')}{target}"

    def _error(self, what: str, target: str, todo: str, kind: str) -> SourceError:
        return SourceError(what, where=self._where(target), todo=todo, kind=kind)
