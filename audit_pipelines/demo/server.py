"""The demo's audit-log API: a real HTTP/1.1 server on loopback.

It speaks what ``docs/demo.md`` states: ``GET /v1/audit-logs?from=DAY&to=DAY&limit=N&cursor=C``, ``to``
exclusive, bearer token, pages ``{"data": [...], "next_cursor": ..., "total": N}`` in order of time. Records
stand in a page byte for byte. What does not belong here: what the records say (``plan``).
"""

import base64
import binascii
import hmac
import json
import sys
import threading
from collections import OrderedDict
from datetime import UTC, date, datetime, time, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Final, Self
from urllib.parse import parse_qs, urlsplit

from audit_pipelines.demo.plan import Demo, Made

PATH: Final = "/v1/audit-logs"
PAGE: Final = 1000
LARGEST_PAGE: Final = 5000
_BUSY: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class _Refused(Exception):  # noqa: N818  # an answer, not an error of this program
    """The request is answered with an error."""

    def __init__(self, status: HTTPStatus, code: str, message: str) -> None:
        self.status, self.code, self.message = status, code, message


class Shelf:
    """Days that are being paged: made when first asked for, the least recently used dropped."""

    def __init__(self, demo: Demo, keep: int) -> None:
        self._demo, self._keep = demo, keep
        self._days: OrderedDict[date, tuple[Made, ...]] = OrderedDict()
        self._counts: dict[date, tuple[int, datetime]] = {}
        self._lock = threading.Lock()

    def day(self, day: date) -> tuple[Made, ...]:
        """The records of a day, readable or not yet."""
        with self._lock:
            made = self._days.pop(day, None)
            if made is None:
                made = self._demo.made(day)
            self._days[day] = made
            while len(self._days) > self._keep:
                self._days.popitem(last=False)
            return made

    def count(self, day: date, as_of: datetime) -> int:
        """How many records of a day can be read at ``as_of``."""
        known = self._counts.get(day)
        if known and known[1] <= as_of:
            return known[0]
        made = self.day(day)
        if made:
            self._counts[day] = len(made), max(each.available_at for each in made)
        return sum(each.available_at <= as_of for each in made)

    def page(self, first: date, end: date, at: tuple[date, int], limit: int, as_of: datetime) -> tuple[list[bytes], str | None]:
        """Up to ``limit`` records of first <= day < end from place ``at`` on, and the cursor of the rest.

        A cursor is a place among all records of a day, readable or not: it stays right when late ones appear.
        """
        found: list[bytes] = []
        day, place = max(at, (first, 0))
        while day < end:
            made = self.day(day)
            for number in range(place, len(made)):
                if made[number].available_at <= as_of:
                    if len(found) == limit:
                        return found, _cursor(day, number)
                    found.append(made[number].record)
            day, place = day + timedelta(days=1), 0
        return found, None

    def span(self, first: date, end: date) -> tuple[date, date]:
        """The part of first <= day < end that can have records."""
        return max(first, self._demo.first), min(end, self._demo.last + timedelta(days=1))


def _cursor(day: date, place: int) -> str:
    return base64.urlsafe_b64encode(f"{day} {place}".encode()).decode()


def _place(cursor: str) -> tuple[date, int]:
    try:
        day, place = base64.b64decode(cursor, altchars=b"-_", validate=True).decode().split(" ")
        return date.fromisoformat(day), int(place)
    except (binascii.Error, ValueError):
        raise _Refused(HTTPStatus.BAD_REQUEST, "bad_cursor", "cursor is not one that this API gave") from None


class DemoServer:
    """Serves a ``Demo`` while the ``with`` block runs.

    ``token`` is what requests must carry; ``port`` 0 takes a free one; ``fail_every`` answers every n-th
    request with 429 and 503 in turn (0: none); ``keep_days`` is how many days stay in memory (about 3 MB each). ``as_of`` is the
    server's clock: it gives only records that can be read by then. With ``audited`` false the organisation's
    plan has no audit log, and every request is answered with 402.
    """

    def __init__(self, demo: Demo, token: str, *, port: int = 0, fail_every: int = 0, keep_days: int = 35) -> None:
        self.token, self.fail_every = token, fail_every
        self.audited = True
        self.as_of = datetime.combine(demo.today, time(1, 30), UTC)
        self.requests = 0
        """Requests answered so far, refused ones too."""
        self.faults = 0
        """How many of them were answered with 429 or 503 on purpose."""
        self._shelf = Shelf(demo, keep_days)
        self._lock = threading.Lock()
        served = self

        class Handler(_Handler):
            demo_server = served

        self._http = _Server(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), name="demo-server", daemon=True)

    @property
    def url(self) -> str:
        """Base address, for ``url`` in ``audit.toml``."""
        return f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def answer(self, target: str, authorization: str) -> bytes:
        """The body of the answer to ``GET target``; raises ``_Refused``."""
        with self._lock:
            self.requests += 1
            busy = bool(self.fail_every) and self.requests % self.fail_every == 0
            self.faults += busy
            status = _BUSY[self.faults % len(_BUSY)]
        if busy:
            raise _Refused(status, "busy", "try again")
        url = urlsplit(target)
        if url.path != PATH:
            raise _Refused(HTTPStatus.NOT_FOUND, "not_found", f"there is only {PATH}")
        if not hmac.compare_digest(authorization.encode(), f"Bearer {self.token}".encode()):
            raise _Refused(HTTPStatus.UNAUTHORIZED, "unauthorized", "a valid bearer token is needed")
        if not self.audited:
            raise _Refused(HTTPStatus.PAYMENT_REQUIRED, "plan_required", "the audit log is part of the Enterprise plan")
        return self._list({name: values[-1] for name, values in parse_qs(url.query, keep_blank_values=True).items()})

    def _list(self, query: dict[str, str]) -> bytes:
        first, end, limit = _day(query, "from"), _day(query, "to"), _limit(query)
        if first >= end:
            raise _Refused(HTTPStatus.BAD_REQUEST, "bad_range", "from must be before to, which is exclusive")
        at = _place(query["cursor"]) if query.get("cursor") else (first, 0)
        as_of = self.as_of
        first, end = self._shelf.span(first, end)
        total = sum(self._shelf.count(first + timedelta(days=gap), as_of) for gap in range(max(0, (end - first).days)))
        records, following = self._shelf.page(first, end, at, limit, as_of)
        return b'{"data":[%s],"next_cursor":%s,"total":%d}' % (b",".join(records), json.dumps(following).encode(), total)


def _day(query: dict[str, str], name: str) -> date:
    try:
        return datetime.strptime(query[name], "%Y-%m-%d").replace(tzinfo=UTC).date()
    except (KeyError, ValueError):
        raise _Refused(HTTPStatus.BAD_REQUEST, "bad_date", f"{name} must be a day such as 2026-01-31") from None


def _limit(query: dict[str, str]) -> int:
    text = query.get("limit", str(PAGE))
    if not (text.isascii() and text.isdigit() and int(text[:9]) > 0):
        raise _Refused(HTTPStatus.BAD_REQUEST, "bad_limit", f"limit must be 1 to {LARGEST_PAGE}")
    return min(int(text[:9]), LARGEST_PAGE)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a client may hold its connection open

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing where a client went away; anything else is a fault here and is shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # the base class names a private type


class _Handler(BaseHTTPRequestHandler):
    """One connection; silent, kept alive, one write an answer."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    demo_server: DemoServer

    def do_GET(self) -> None:
        try:
            self._send(HTTPStatus.OK, self.demo_server.answer(self.path, self.headers.get("Authorization", "")))
        except _Refused as refused:
            body = json.dumps({"error": {"code": refused.code, "message": refused.message}}).encode()
            self._send(refused.status, body)

    def _send(self, status: HTTPStatus, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            self.send_header("Retry-After", "0")
        if status == HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", "Bearer")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Say nothing: the client's own log tells the story."""
