"""Times of records as microseconds since 1970-01-01 UTC.

RFC 3339 text (also with a space for T, an offset without colon, or no offset = UTC) and epoch numbers.
Finer digits are cut, never rounded: an event must not move into the next day.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit_pipelines.record import TimeUnit

_TEXT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d)(?::(\d\d)(?::(\d\d)(?:[.,](\d{1,18}))?)?)?\s?(?:([Zz])|([+-])(\d\d)(?::?(\d\d))?)?",
    re.ASCII,
)
_FACTOR: dict[TimeUnit, int] = {"s": 1_000_000, "ms": 1_000, "us": 1}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOWEST = -62_135_596_800_000_000
_HIGHEST = 253_402_300_799_999_999
_OUTSIDE = "time is outside the years 1 to 9999"
_UTC_MICROS = pa.timestamp("us", "UTC")


class TimeError(ValueError):
    """A time that cannot be read; its text is the reason of a reject."""


def parse_texts(times: list[str]) -> npt.NDArray[np.int64]:
    """Many RFC 3339 texts at once; raises TimeError if any is not of the plain form."""
    try:
        column = pa.array(times, pa.string()).cast(_UTC_MICROS)
    except (pa.ArrowInvalid, ValueError) as error:
        raise TimeError(str(error)) from None
    micros = cast("npt.NDArray[np.int64]", column.view(pa.int64()).to_numpy())
    if len(micros) and not (micros.min() >= _LOWEST and micros.max() <= _HIGHEST):
        raise TimeError(_OUTSIDE)
    return micros


def parse_text(text: str) -> int:
    """One time, in any form this module knows."""
    match = _TEXT.fullmatch(text.strip())
    if match is None:
        raise TimeError(f"time is no RFC 3339 text: {text[:40]!r}")
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    leap = second == 60
    try:
        moment = datetime(year, month, day, hour, minute, 59 if leap else second, tzinfo=_zone(*match.group(9, 10, 11)))
    except ValueError as error:
        raise TimeError(f"time is impossible: {text[:40]!r} ({error})") from None
    fraction = int((match[7] or "").ljust(6, "0")[:6])
    span = moment - _EPOCH
    return _checked((span.days * 86_400 + span.seconds + leap) * 1_000_000 + fraction)


def _zone(sign: str | None, hours: str | None, minutes: str | None) -> timezone:
    """The offset as a zone; raises ValueError for 24 hours and more, or 60 minutes and more."""
    if sign is None:
        return UTC
    if int(minutes or 0) > 59:
        raise ValueError("offset minutes must be in 0..59")
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    return timezone(offset if sign == "+" else -offset)


def parse_number(number: float, unit: TimeUnit) -> int:
    """An epoch number in ``unit``s."""
    if isinstance(number, int):
        return _checked(number * _FACTOR[unit])
    if number != number or abs(number) > 1e18:  # NaN is not equal to itself
        raise TimeError(f"time is out of range: {number!r}")
    return _checked(int(number * _FACTOR[unit]))


def _checked(micros: int) -> int:
    if not _LOWEST <= micros <= _HIGHEST:
        raise TimeError(_OUTSIDE)
    return micros
