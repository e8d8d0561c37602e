"""JSON as drops write it: compact, UTF-8, with every control character and line separator escaped (RFC 8259).

For the few texts that Python makes (batch records); the lines of events are made in SQL by the same rules
(``templates/siem/_macros.sql.j2``). What does not belong here: what the members mean.
"""

import hashlib
import json
from datetime import UTC, datetime
from typing import Final

_BARE: Final = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), 0x2028, 0x2029)}
"""What ``json`` leaves as it is, but some readers take for a line end or a control code."""

CLIP_BYTES: Final = 120
"""Longest JSON string that ``clip`` leaves alone; the templates' ``floor`` level uses the same."""


def dumps(value: object) -> str:
    """``value`` as one line of JSON, members in the order they have; NaN and infinities are a ValueError."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).translate(_BARE)


def instant(moment: datetime) -> str:
    """RFC 3339 in UTC with six decimals: ``2026-01-05T01:30:00.000000Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def clip(text: str) -> str:
    """``text``, or its first 8 characters, size in bytes and SHA-256 where it is long."""
    if len(dumps(text).encode()) <= CLIP_BYTES:
        return text
    raw = text.encode()
    return f"{text[:8]}~{len(raw)}~{hashlib.sha256(raw).hexdigest()}"
