"""What a reader asks for: the filter of the viewer and of the API, as parameters of a URL and as SQL conditions.

Every value is a bound parameter. A link's restriction is a filter too and is put beside the reader's own. What
does not belong here: running queries (``search``) and the names' validation by FastAPI (``api``, ``web``).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, time
from typing import Any, Final
from urllib.parse import urlencode

LONGEST: Final = 500
"""Characters of one value."""
MOST: Final = 50
"""Values of one name."""
LISTS: Final = ("category", "action", "outcome", "source", "user")
TEXTS: Final = ("address", "target", "api_key", "session", "q")
NAMES: Final = ("from", "to", *LISTS, *TEXTS)
"""Names of the parameters, in the order of a canonical URL."""
_PARTS: Final = ("action", "actor_id", "actor_name", "actor_email", "target_type", "target_name", "source_ip", "user_agent")
"""Columns that free text is looked for in; their values repeat, so that each is looked at once a file."""
_IDS: Final = ("uid", "event_id", "target_id", "request_id")
"""Columns that free text must equal: nearly every value differs."""
MOMENT: Final = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
"""A date, or an instant in the form of RFC 3339; the seconds may be left out, and the offset, which is then UTC."""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9999, 12, 31, tzinfo=UTC)


class BadParameter(ValueError):  # noqa: N818 - an answer to the request
    """A parameter that cannot be understood: its name, and what is wrong."""

    def __init__(self, name: str, what: str) -> None:
        self.name, self.what = name, what
        super().__init__(f"{name}: {what}")


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions that all hold; values of one list are alternatives."""

    since: datetime | None = None
    until: datetime | None = None
    """The first moment that is too late."""
    category: tuple[str, ...] = ()
    action: tuple[str, ...] = ()
    outcome: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    user: tuple[str, ...] = ()
    """An actor's e-mail address, id or name, whole."""
    address: str = ""
    target: str = ""
    """Id or name of any of the targets, whole."""
    api_key: str = ""
    session: str = ""
    q: str = ""
    """Part of an action, actor, target's name, address or agent, in any case; or a whole id."""

    @property
    def bounds_only(self) -> bool:
        """Whether nothing but the time is asked about."""
        return not any(getattr(self, name) for name in (*LISTS, *TEXTS))

    def without(self, name: str) -> "Filter":
        """The same less one list, for the counts of its alternatives."""
        return Filter(**{field.name: getattr(self, field.name) for field in fields(self) if field.name != name})

    def pairs(self) -> list[tuple[str, str]]:
        """As parameters of a URL, in canonical order."""
        found = [(name, _text(value)) for name, value in (("from", self.since), ("to", self.until)) if value is not None]
        found += [(name, value) for name in LISTS for value in getattr(self, name)]
        return found + [(name, getattr(self, name)) for name in TEXTS if getattr(self, name)]

    def query(self, **more: str) -> str:
        """The URL's query, without the question mark; ``more`` is added at its end."""
        return urlencode([*self.pairs(), *more.items()])


def parse(params: Iterable[tuple[str, str]]) -> Filter:
    """Read a filter from the parameters of a URL; names that are none of ``NAMES`` are left to the caller.

    Raises:
        BadParameter: a value is no date, too long, or there are too many.
    """
    given: dict[str, list[str]] = {}
    for name, value in params:
        if name in NAMES and _checked(name, value).strip():
            given.setdefault(name, []).append(value)
    values: dict[str, Any] = {name: _alternatives(name, given.get(name, [])) for name in LISTS}
    values |= {name: _single(name, given.get(name, [])) for name in TEXTS}
    since, until = (moment(name, _single(name, given.get(name, []))) for name in ("from", "to"))
    if since is not None and until is not None and until <= since:
        raise BadParameter("to", "must be later than from")
    return Filter(since=since, until=until, **values)


def moment(name: str, text: str) -> datetime | None:
    """What ``MOMENT`` describes; a date is its 00:00 UTC, and a space is the ``+`` of an offset that was not escaped.

    Raises:
        BadParameter: it is neither.
    """
    if not text:
        return None
    try:
        text = text.replace(" ", "+") if "T" in text else text
        if not re.fullmatch(MOMENT, text):
            raise ValueError(text)
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadParameter(name, "write a date like 2026-01-31 or an instant like 2026-01-31T08:00:00Z") from None


def _checked(name: str, value: str) -> str:
    if len(value) > LONGEST:
        raise BadParameter(name, f"is longer than {LONGEST} characters")
    if "\0" in value or any(0xD800 <= ord(char) <= 0xDFFF for char in value):
        raise BadParameter(name, "has characters that no text has")
    return value


def _alternatives(name: str, values: Sequence[str]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(values))
    if len(found) > MOST:
        raise BadParameter(name, f"is given more than {MOST} times")
    return found


def _single(name: str, values: Sequence[str]) -> str:
    if len(set(values)) > 1:
        raise BadParameter(name, "is given twice")
    return values[0].strip() if values else ""


def _text(value: datetime) -> str:
    """A day as its date, any other instant whole."""
    if value.timetz() == time(tzinfo=UTC):
        return value.date().isoformat()
    return value.isoformat().replace("+00:00", "Z")


def since(filters: Iterable[Filter]) -> datetime | None:
    """The latest of the beginnings; None = from the first event on."""
    return max((item.since for item in filters if item.since is not None), default=None)


def until(filters: Iterable[Filter]) -> datetime | None:
    """The earliest of the ends; None = to the last event."""
    return min((item.until for item in filters if item.until is not None), default=None)


def where(filters: Sequence[Filter]) -> tuple[str, dict[str, Any]]:
    """A condition that holds where all ``filters`` do, and its parameters."""
    parts: list[str] = []
    params: dict[str, Any] = {}
    for number, item in enumerate(filters):
        for text, values in _conditions(item, f"f{number}"):
            parts.append(text)
            params |= values
    return " AND ".join(parts) or "true", params


def _conditions(item: Filter, prefix: str) -> Iterable[tuple[str, Mapping[str, Any]]]:
    if item.since is not None:
        yield f"occurred_at >= make_timestamptz(${prefix}_since)", {f"{prefix}_since": micros(item.since)}
    if item.until is not None:
        yield f"occurred_at < make_timestamptz(${prefix}_until)", {f"{prefix}_until": micros(item.until)}
    for name in ("category", "action", "outcome", "source"):
        if values := getattr(item, name):
            yield _among(f'"{name}"', values, f"{prefix}_{name}")
    if item.user:
        yield _user(item.user, f"{prefix}_user")
    for name, column in (("address", "source_ip"), ("api_key", "api_key_id"), ("session", "session_id")):
        if value := getattr(item, name):
            yield f"{column} = ${prefix}_{name}", {f"{prefix}_{name}": value}
    if item.target:
        text = f"len(list_filter(targets, lambda t: t.id = ${prefix}_target OR t.name = ${prefix}_target)) > 0"
        yield text, {f"{prefix}_target": item.target}
    if item.q:
        parts = [f'contains(lower("{column}"), ${prefix}_part)' for column in _PARTS]
        parts += [f"{column} = ${prefix}_id" for column in _IDS]
        yield f"({' OR '.join(parts)})", {f"{prefix}_part": item.q.lower(), f"{prefix}_id": item.q}


def _among(column: str, values: Sequence[str], prefix: str) -> tuple[str, Mapping[str, Any]]:
    params = {f"{prefix}_{number}": value for number, value in enumerate(values)}
    names = ", ".join(f"${name}" for name in params)
    return (f"{column} = {names}" if len(params) == 1 else f"{column} IN ({names})"), params


def _user(values: Sequence[str], prefix: str) -> tuple[str, Mapping[str, Any]]:
    """One column where that is enough: files without the value are then skipped by their statistics."""
    if all("@" in value for value in values):
        return _among("actor_email", values, prefix)
    conditions = [_among(column, values, prefix) for column in ("actor_id", "actor_name", "actor_email")]
    return f"({' OR '.join(text for text, _ in conditions)})", conditions[0][1]


def micros(value: datetime) -> int:
    """Microseconds since 1970."""
    delta = min(value, _LATEST) - EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
