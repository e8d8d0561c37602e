r"""Event values as text that is safe to print: nothing reverses, hides, overlaps or lacks a glyph.

A character is printed as it is if a bundled font has it and it is visible on its own. Every other one is
printed as ``\u{HEX}``, and so is a backslash that would look like such an escape: no two values print alike
because of escaping. What does not belong here: HTML escaping (Jinja's autoescape does it, always).
"""

import hashlib
import math
import unicodedata
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

CUT = 200
"""Characters of a value that are printed; lists beside the report hold the whole."""

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs", "Mn", "Mc", "Me"})
"""Unicode categories that print nothing by themselves, or change how their neighbours print."""


def shorten(value: str, limit: int = CUT) -> str:
    """``value``, or its first ``limit`` characters with its full length and the start of its SHA-256."""
    if len(value) <= limit:
        return value
    # A lone surrogate has no UTF-8; surrogatepass keeps the digest defined and distinct.
    digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{value[:limit]}… ({len(value):,} characters, sha256 {digest})"


@dataclass(frozen=True, slots=True)
class Escape:
    """Makes text printable with a given set of characters (code points the fonts have)."""

    known: AbstractSet[int]

    def __call__(self, value: str) -> str:
        """One line of text: line ends, and spaces that would collapse, are escaped too."""
        if value.isascii() and value.isprintable() and "\\u{" not in value and "  " not in value and value == value.strip():
            return value
        pieces = [self._piece(value, index) for index in range(len(value))]
        return "".join(pieces)

    def lines(self, value: str) -> str:
        """Text that is printed as it stands, line by line (query texts): line ends and spaces stay.

        A line beyond 1,000 characters is cut as a value is: setting one endless line takes minutes.
        """
        cut = (shorten(line, 1_000) for line in value.expandtabs(4).split("\n"))
        return "\n".join("".join(self._character(character) for character in line) for line in cut)

    def _piece(self, value: str, index: int) -> str:
        character = value[index]
        if character == " " and (index == 0 or index == len(value) - 1 or value[index - 1] == " "):
            return "\\u{20}"
        if character == "\\" and value[index + 1 : index + 3] == "u{":
            return "\\u{5C}"
        return self._character(character)

    def _character(self, character: str) -> str:
        if character == " " or (ord(character) in self.known and unicodedata.category(character) not in _HIDDEN):
            return character
        return f"\\u{{{ord(character):X}}}"


def plain(value: object, limit: int | None = CUT) -> object:
    """``value`` as JSON has it: times in RFC 3339 with ``Z``, long text cut (``None`` = never).

    Numbers that JSON cannot hold become None.
    """
    if isinstance(value, str):
        return value if limit is None else shorten(value, limit)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, dict):
        return {str(key): plain(item, limit) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item, limit) for item in value]
    return _scalar(value, limit)


def _scalar(value: object, limit: int | None) -> object:
    if isinstance(value, float | Decimal):
        number = float(value)
        return None if not math.isfinite(number) else int(number) if number == int(number) else number
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return plain(value.hex() if isinstance(value, bytes) else str(value), limit)


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC; a time without a zone is taken for UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")
