"""What one format may not see: a SELECT between the lake's relation ``events`` and the template.

Every format, a home's own too, reads what this gives: columns redacted, replaced by keyed digests or left empty,
and without the events that a filter withholds. Where a value stands in two columns (``target_id`` is also in
``targets``), both are changed. The digest is HMAC-SHA-256 (RFC 2104, FIPS 180-4), its first 32 hex digits.
What does not belong here: which columns may be changed (``drop``), and where the key lies (``defs``).
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

from audit_pipelines.drop import Drop, Match
from audit_pipelines.errors import DropError
from audit_pipelines.event import COLUMNS

REDACTED: Final = "redacted"
KEY_BYTES: Final = 32
_BLOCK: Final = 64
"""Bytes of a block of SHA-256."""
_TARGET: Final = {"target_type": "type", "target_id": "id", "target_name": "name"}
_OTHERS: Final = ("org_id", "dialect", "actor_type", "actor_id", "actor_name", "actor_email", "source_ip", "user_agent",
                  "api_key_id", "session_id", "request_id")  # fmt: skip

_TYPES: Final = {column.name: column.type for column in COLUMNS}

Change = Callable[[str], str]
"""SQL of a text -> SQL of what stands in its place."""


def key_id(key: bytes) -> str:
    """Names a key without giving it away: manifests say with which one values were hashed."""
    return hashlib.sha256(b"audit-pipelines drop key\0" + key).hexdigest()[:16]


def veil(drop: Drop, key: bytes | None) -> str:
    """The SELECT over ``main.events``; it ends in a WHERE clause, to which more may be added with AND.

    Raises:
        DropError: columns are to be hashed, and there is no key.
    """
    if drop.hash and key is None:
        raise DropError("there is no key to hash with", where="audit.toml: drops", todo="give publish_day a hash_key")
    changes: dict[str, Change] = {
        **dict.fromkeys(drop.redact, lambda x: f"CASE WHEN {x} IS NOT NULL THEN '{REDACTED}' END"),
        **dict.fromkeys(drop.hash, _hashed(key or b"")),
        **dict.fromkeys(drop.drop, lambda _: "CAST(NULL AS VARCHAR)"),
    }
    replaced = [f'{changes[column](_name(column))} AS "{column}"' for column in _OTHERS if column in changes]
    replaced += _targets(changes, emptied="targets" in drop.drop)
    replaced += _changes(changes.get("changes"), emptied="changes" in drop.drop)
    star = f"* REPLACE ({', '.join(replaced)})" if replaced else "*"
    return f"SELECT {star} FROM main.events WHERE {_condition(drop)}"  # noqa: S608 - names and literals of the settings


def _name(column: str) -> str:
    return f'"{column}"'


def _targets(changes: dict[str, Change], *, emptied: bool) -> list[str]:
    """``targets`` and the columns of the first target. ``targets`` means ids and names; the type says nothing of anyone."""
    whole = changes.get("targets")
    if emptied:
        return [f"CAST(NULL AS {_TYPES['targets']}) AS targets", *(f'CAST(NULL AS VARCHAR) AS "{column}"' for column in _TARGET)]
    parts = {column: changes.get(column, whole if column != "target_type" else None) for column in _TARGET}
    if not any(parts.values()):
        return []
    fields = [f'"{field}" := {_changed(parts[column], f"t.{_name(field)}")}' for column, field in _TARGET.items()]
    listed = f"list_transform(targets, lambda t: CASE WHEN t IS NOT NULL THEN struct_pack({', '.join(fields)}) END) AS targets"
    return [listed, *(f'{change(_name(column))} AS "{column}"' for column, change in parts.items() if change)]


def _changed(change: Change | None, sql: str) -> str:
    return change(sql) if change else sql


def _changes(change: Change | None, *, emptied: bool) -> list[str]:
    """``before`` and ``after`` are JSON texts, and stay such; the field's name is kept."""
    if change is None:
        return []
    if emptied:
        return [f"CAST(NULL AS {_TYPES['changes']}) AS changes"]
    texts = [f'"{name}" := CAST(to_json({change(f"c.{_name(name)}")}) AS VARCHAR)' for name in ("before", "after")]
    made = f"struct_pack(field := c.field, {', '.join(texts)})"
    return [f"list_transform(changes, lambda c: CASE WHEN c IS NOT NULL THEN {made} END) AS changes"]


def _hashed(key: bytes) -> Change:
    """HMAC in SQL: no value passes through Python."""
    padded = key.ljust(_BLOCK, b"\0")
    inner, outer = (f"from_hex('{bytes(byte ^ pad for byte in padded).hex()}')" for pad in (0x36, 0x5C))
    return lambda x: f"left(sha256({outer} || from_hex(sha256({inner} || encode({x})))), 32)"


def _condition(drop: Drop) -> str:
    parts = [f"({' AND '.join(_matches(drop.only))})"] if drop.only else []
    parts += [f"NOT ({' OR '.join(_matches(drop.leave_out))})"] if drop.leave_out else []
    return " AND ".join(parts) or "true"


def _matches(match: Match) -> list[str]:
    columns = {"coalesce(category, 'other')": match.category, "coalesce(\"action\", '')": match.action, "source": match.source}
    return [_one_of(column, values) for column, values in columns.items() if values]


def _one_of(column: str, values: Sequence[str]) -> str:
    tests = [
        f"starts_with({column}, {_literal(value[:-1])})" if value.endswith("*") else f"{column} = {_literal(value)}"
        for value in values
    ]
    return f"coalesce({' OR '.join(tests)}, false)"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
