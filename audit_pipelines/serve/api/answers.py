"""Bodies and headers that the routes have in common: JSON made of parts that are JSON already, ETag and 304.

An answer with an ETag may be kept by whoever asked, and by nobody in between; it is asked for again each time, and
costs no query while nothing has changed (RFC 9110, 8.8.3 and 13.1.2). What does not belong here: what is answered.
"""

import hashlib
from collections.abc import Hashable, Iterable
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

JSON: Final = "application/json"
_AGAIN: Final = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}


def tag_of(*parts: Hashable) -> str:
    """A strong ETag for an answer that ``parts`` determine."""
    return f'"{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"'


def unchanged(request: Request, tag: str) -> Response | None:
    """304 where the client has this very answer."""
    known = request.headers.get("if-none-match", "")
    if known.strip() == "*" or tag in (item.strip().removeprefix("W/") for item in known.split(",")):
        return Response(status_code=304, headers={"ETag": tag, **_AGAIN})
    return None


def tagged(body: bytes, tag: str, media_type: str = JSON) -> Response:
    """200 with an ETag."""
    return Response(body, headers={"ETag": tag, **_AGAIN}, media_type=media_type)


def whole(request: Request, body: bytes, media_type: str = JSON) -> Response:
    """200, or 304 where the client has these bytes."""
    tag = tag_of(body)
    return unchanged(request, tag) or tagged(body, tag, media_type)


def page(data: Iterable[bytes], following: str | None, total: int | None, **more: object) -> bytes:
    """The envelope of a page around entries that are JSON texts: they stand in it byte for byte."""
    rest = msgspec.json.encode({"next_cursor": following, "total": total, **more})
    return b'{"data":[%b],%b' % (b",".join(data), rest[1:])
