"""The place in a walk over pages: an opaque text that a client gives back to get the next page.

It says where the last page ended, in (time, uid), and at which size of the log the walk began, so that what
nights add meanwhile neither comes twice nor moves anything. It grants nothing: filter and rights are those of
each request. A cursor of another filter is refused. What does not belong here: reading pages (``search``).
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from audit_pipelines.serve.catalog import Snapshot
from audit_pipelines.serve.filters import BadParameter, Filter

Order = Literal["desc", "asc"]
_LONGEST: Final = 4096
_FIRST: Final = -62_135_596_800_000_000
_LAST: Final = 253_402_300_799_999_999
"""The microseconds of the years 1 and 9999, since 1970."""


class Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where to go on."""

    size: int
    """Size of the events log at which the walk began."""
    order: Order
    time: int
    """Of the last event given, microseconds since 1970."""
    uid: str
    query: str
    """Names the filter."""
    total: int | None = None
    """Events of the whole walk, where they were counted."""


def query_name(filters: Sequence[Filter]) -> str:
    """A short digest of the filters, to tell a cursor of another query."""
    return hashlib.sha256(repr([item.pairs() for item in filters]).encode()).hexdigest()[:16]


def encode(cursor: Cursor) -> str:
    """As text for a URL."""
    return base64.urlsafe_b64encode(msgspec.json.encode(cursor)).decode().rstrip("=")


def decode(text: str, *, query: str, order: Order) -> Cursor:
    """Read a cursor that a client gives back.

    Raises:
        BadParameter: it is none of ours, or one of another query.
    """
    try:
        if len(text) > _LONGEST or not text.isascii():
            raise ValueError(text)
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        cursor = msgspec.json.decode(raw, type=Cursor)
    except (ValueError, binascii.Error, msgspec.MsgspecError, RecursionError):
        raise BadParameter("cursor", "is none; give next_cursor of the page before as it was") from None
    if cursor.size < 0 or not _FIRST <= cursor.time <= _LAST or "\0" in cursor.uid:
        raise BadParameter("cursor", "is none; give next_cursor of the page before as it was")
    if cursor.query != query or cursor.order != order:
        raise BadParameter("cursor", "belongs to another query; begin without one")
    return cursor


def log_at(newest: Snapshot, size: int) -> Snapshot:
    """The log at the size that a cursor names.

    Raises:
        BadParameter: it never had that size.
    """
    try:
        return newest.at(size)
    except LookupError:
        raise BadParameter("cursor", "is of another log; begin without one") from None
