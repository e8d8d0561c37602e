"""Events as CSV (RFC 4180) that no spreadsheet takes for formulas, and the line in front that says what it is.

A cell that a spreadsheet could read as a formula (OWASP, CSV Injection) gets an apostrophe in front; characters that
hide or reorder text stand as their code points. The canonical lines of NDJSON are exact; this is for people. What does
not belong here: which events.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from audit_pipelines.serve.web.show import visible

COLUMNS: Final = (
    "occurred_at", "category", "action", "outcome", "actor_type", "actor_id", "actor_name", "actor_email", "target_type",
    "target_id", "target_name", "targets", "source_ip", "user_agent", "changes", "api_key_id", "session_id", "request_id",
    "source", "dialect", "org_id", "uid", "event_id", "extracted_at", "leaf_index",
)  # fmt: skip
"""Of a row; ``targets`` and ``changes`` are JSON."""
_FORMULA: Final = re.compile("[\\s\ufeff\u200b'\"]*[=+\\-@\uff1d\uff0b\uff0d\uff20\t\r\n|%]")
_PLAIN: Final = re.compile(r"[A-Za-z0-9{\[][ -~]*")
"""Most cells: nothing has to be looked at twice."""


def cell(value: Any) -> str:
    """One value as text that stays text."""
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if _PLAIN.fullmatch(text):
        return text
    inert = visible(text).replace("\t", "⟦U+0009⟧").replace("\n", "⟦U+000A⟧")
    return f"'{inert}" if _FORMULA.match(text) else inert


def heading() -> bytes:
    """The row of names."""
    return (",".join(COLUMNS) + "\r\n").encode()


def rows(lines: Iterable[bytes]) -> bytes:
    """Rows of canonical JSON lines."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    for line in lines:
        event: dict[str, Any] = msgspec.json.decode(line)
        event |= {f"actor_{name}": value for name, value in (event.pop("actor", None) or {}).items()}
        writer.writerow([cell(event.get(name)) for name in COLUMNS])
    return text.getvalue().encode()


def remark(facts: Mapping[str, Any]) -> bytes:
    """A line that begins with ``#`` and says what the export is, as parameters of a URL.

    So it holds no comma, semicolon, quote, tab or line feed: it is one cell, and none that a spreadsheet works out.
    """
    pairs = [(name, value if isinstance(value, str) else msgspec.json.encode(value).decode()) for name, value in facts.items()]
    return f"# audit-pipelines export: {urlencode([pair for pair in pairs if pair[1] not in ('', 'null')])}\r\n".encode()
