"""Values as text for people: instants, counts, and characters that would hide or reorder what a page says.

Every value that a template prints goes through ``printable``, so that no record can carry a bidirectional override, a
control character or a lone surrogate onto a page; Jinja's autoescape does the rest. What does not belong here: escaping
of HTML (Jinja) and of CSV (``table``).
"""

import re
from datetime import UTC, datetime
from typing import Any, Final

from jinja2 import Undefined
from markupsafe import Markup

_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line feed
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u3164\uffa0"  # soft hyphen, fillers, Arabic letter mark
    "\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # zero width, bidirectional controls, separators
    "\ud800-\udfff\U000e0000-\U000e0fff]"  # lone surrogates, tags
)
"""Not among them: U+200C and U+200D, which Persian and Indic words and emoji need."""


def visible(text: str) -> str:
    """``text`` with every character that cannot be seen, or moves others, as its code point: ``⟦U+202E⟧``."""
    return _UNSEEN.sub(lambda match: f"⟦U+{ord(match[0]):04X}⟧", text)


def printable(value: Any) -> Any:
    """What Jinja prints for ``value``: markup of templates as it is, any other text with ``visible``.

    Raises:
        UndefinedError: the name is not defined.
    """
    if isinstance(value, Markup | Undefined):
        return value
    return "" if value is None else visible(str(value))


def instant(value: datetime, *, digits: int = 3) -> str:
    """In UTC, for people: ``2026-01-31 08:00:00.123``; the zone is said beside it."""
    text = value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return text[:19] if digits == 0 else text[: 20 + digits]


def machine(value: datetime) -> str:
    """In UTC, RFC 3339, for ``<time datetime>`` and URLs."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def number(value: int) -> str:
    """With thin spaces between thousands: ``1 234 567``."""
    return f"{value:,}".replace(",", "\u202f")


def size(octets: int) -> str:
    """Bytes, with three digits at most."""
    value, unit = float(octets), "bytes"
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "bytes" or value >= 100 else f"{value:.1f} {unit}"


def plural(count: int, one: str, many: str = "") -> str:
    """``1 event``, ``2 events``; ``many`` where it is not ``one`` with an s."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


FILTERS: Final = {
    "instant": instant,
    "machine": machine,
    "number": number,
    "size": size,
    "plural": plural,
    "visible": visible,
}
"""Of every template."""
