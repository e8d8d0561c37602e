"""The one HTTP exchange of anchors: a small body out, a small body back, no redirects.

What does not belong here: what the bodies are (``timestamp``, ``witness``).
"""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError, LocationValueError, ReadTimeoutError, SSLError

from audit_pipelines.errors import SealError

ANSWER_LIMIT: Final = 64 << 10
"""Largest answer in bytes; a token with its certificates has 1 to 6 KiB."""
RETRIES: Final = 2
"""How often a request is sent again after a lost connection or a 5xx."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer below 300 or from 400 to 499; ``kind`` is its content type without parameters."""

    status: int
    kind: str
    body: bytes

    @property
    def said(self) -> str:
        """The beginning of the body, fit for a line of a log."""
        return printable(self.body[:1000].decode("utf-8", "replace"))


def printable(text: str, longest: int = 200) -> str:
    """``text`` cut, with control characters escaped."""
    return "".join(mark if mark.isprintable() else repr(mark)[1:-1] for mark in text.strip()[:longest])


def post(
    url: str,
    body: bytes,
    *,
    kind: str,
    timeout: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Answer:
    """Send ``body`` and give the answer; lost connections and 5xx are tried again.

    Args:
        url: where to, ``http`` or ``https``, without user.
        body: what is sent.
        kind: its content type.
        timeout: seconds to wait for a connection, for the first byte, and for the rest of the body.
        sleep: waits that many seconds, before a second and a third try.
        clock: seconds of a clock that only goes forward.

    Raises:
        SealError: no address, no connection, no answer in time, 3xx, 5xx to the end, more than ANSWER_LIMIT.
    """
    _check_address(url)
    failure = SealError("not asked", where=url)
    with urllib3.PoolManager(timeout=urllib3.Timeout(connect=timeout, read=timeout), retries=False) as pool:
        for attempt in range(RETRIES + 1):
            if attempt:
                sleep(2.0 ** (attempt - 1))
            try:
                answer = _once(pool, url, body, kind, timeout, clock)
            except SSLError as error:
                todo = "mend the certificate, or name its authority in SSL_CERT_FILE"
                raise SealError(f"no safe connection: {printable(str(error))}", where=url, todo=todo) from None
            except ReadTimeoutError:
                raise _late(url, timeout) from None
            except LocationValueError:
                raise _no_address(url) from None
            except HTTPError as error:
                what, todo = f"no connection: {printable(str(error))}", "check url, network and firewall"
                failure = SealError(what, where=url, todo=todo)
                continue
            if answer.status < 500:
                return answer
            failure = SealError(f"the service failed ({answer.status}): {answer.said}", where=url, todo="run later")
    raise failure


def _once(pool: urllib3.PoolManager, url: str, body: bytes, kind: str, timeout: float, clock: Callable[[], float]) -> Answer:
    headers = {"Content-Type": kind, "Accept-Encoding": "identity"}
    response = pool.request("POST", url, body=body, headers=headers, redirect=False, preload_content=False)
    with contextlib.closing(response):
        if 300 <= response.status < 400:
            what = f"redirects ({response.status}) to {printable(response.headers.get('Location', ''), 100)}"
            raise SealError(what, where=url, todo="redirects are not followed: set url to the address meant")
        content, deadline = bytearray(), clock() + timeout
        while piece := response.read1(ANSWER_LIMIT, decode_content=False):
            content += piece
            if len(content) > ANSWER_LIMIT:
                raise SealError(f"an answer of more than {ANSWER_LIMIT} bytes", where=url, todo="is this the right url?")
            if clock() > deadline:  # the socket's time-out is for each piece: a trickle would never end
                raise _late(url, timeout)
    given = response.headers.get("Content-Type", "")
    return Answer(response.status, given.partition(";")[0].strip().lower(), bytes(content))


def _late(url: str, timeout: float) -> SealError:
    return SealError(f"no whole answer within {timeout:g} s", where=url, todo="raise the time-out, or run later")


def _no_address(url: str) -> SealError:
    return SealError("is no address of a service", where=printable(url), todo="write https://host[/path], without user")


def _check_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        raise _no_address(url) from None
    if not good or parts.username is not None or parts.fragment or not url.isascii() or not url.isprintable():
        raise _no_address(url)
