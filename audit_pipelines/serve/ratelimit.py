"""How often somebody may ask: a bucket of requests for each principal, and one of failures for each address.

A bucket holds as many requests as a minute allows and fills evenly (token bucket), so a short burst is served and a
long one is not. The headers are those of the IETF draft draft-ietf-httpapi-ratelimit-headers-10 (``RateLimit-Policy``
and ``RateLimit``), and ``Retry-After`` of RFC 9110. What does not belong here: who a principal is.
"""

import ipaddress
import math
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

_WINDOW = 60.0
"""Seconds that a full bucket takes to fill."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left for one key after it was asked for."""

    name: str
    allowed: bool
    limit: int
    """Requests a minute."""
    left: int
    reset: int
    """Seconds until all of it is there again."""
    wait: int
    """Seconds until one more is allowed; 0 = now."""

    def headers(self) -> dict[str, str]:
        """The fields for the answer; with ``Retry-After`` when nothing is left."""
        fields = {
            "RateLimit-Policy": f'"{self.name}";q={self.limit};w={_WINDOW:.0f}',
            "RateLimit": f'"{self.name}";r={self.left};t={self.reset}',
        }
        return fields if self.allowed else {**fields, "Retry-After": str(self.wait)}


class Buckets:
    """One bucket a key. Memory is bounded: beyond ``most`` keys the one unused for longest is forgotten."""

    def __init__(self, name: str, a_minute: int, *, most: int = 10_000) -> None:
        self._name, self._limit, self._most = name, a_minute, most
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._levels)

    def take(self, key: str, now: datetime) -> Allowance:
        """Take one from the bucket of ``key``, if it holds one."""
        moment = now.timestamp()
        level, before = self._levels.pop(key, (float(self._limit), moment))
        level = min(self._limit, level + max(0.0, moment - before) * self._limit / _WINDOW)
        allowed = level >= 1
        level -= allowed
        self._levels[key] = (level, moment)
        if len(self._levels) > self._most:
            self._levels.popitem(last=False)
        seconds = _WINDOW / self._limit
        reset, wait = math.ceil((self._limit - level) * seconds), 0 if level >= 1 else math.ceil((1 - level) * seconds)
        return Allowance(self._name, allowed, self._limit, int(level), reset, max(wait, 0 if allowed else 1))


def address_key(address: str) -> str:
    """Whom an address stands for: itself, or the /64 that one IPv6 subscriber has to choose from."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
