"""A query: one ``.sql`` file whose header comment says what it asks, what it takes and what to do about a hit.

The header is the unbroken run of comment lines at the top of the file. ``-- key: value`` begins an entry,
a comment line indented by three spaces or more goes on with the one before::

    -- question: Which addresses failed to sign in again and again within minutes?
    -- severity: high
    -- controls: SOC2 CC7.2; ISO A.8.16
    -- lookback: 1
    -- parameter: since timestamp: first day, 00:00 UTC, inclusive
    -- parameter: threshold integer = 10: fewest failures in one window
    -- runbook: Read the agents of the failures.

What does not belong here: running a query (``run``) and finding its file (the package).
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from audit_pipelines.errors import QueryError

Value = date | datetime | int | float | str
"""What a parameter may hold (``datetime`` with its zone)."""

TYPES: Final = ("date", "timestamp", "integer", "number", "text")
SEVERITIES: Final = ("low", "medium", "high", "critical")
RULES: Final = "anomalies/"
"""The folder whose queries are rules: they need a severity, controls, a lookback and a runbook."""

_KEYS = ("question", "severity", "controls", "lookback", "parameter", "runbook")
_ENTRY = re.compile(r"-- (\w+): *(.*)")
_MORE = re.compile(r"-- {3,}(.*)")
_PARAMETER = re.compile(r"(\w+) (\w+)(?: = (.+?))?: +(.+)")
_LEGAL_TODO = "the header is described in audit_pipelines/sql/query.py"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One ``$name`` of a statement."""

    name: str
    type: str
    """One of TYPES. A ``timestamp`` is an instant, a ``number`` may have decimals."""
    meaning: str
    default: Value | None = None
    """``None``: the caller must give it."""

    def value(self, given: object) -> Value:
        """``given`` as the declared type; text, as from a command line, is read.

        A timestamp without a time is 00:00, one without a zone is UTC.

        Raises:
            ValueError: it is not of that type.

        """
        match self.type, given:
            case _, bool():
                raise ValueError(given)
            case "text", str():
                return given
            case "integer", int() | str():
                return int(given)
            case "number", int() | float() | str():
                return float(given)
            case "date", str():
                return date.fromisoformat(given)
            case "date", date() if not isinstance(given, datetime):
                return given
            case "timestamp", str() | date():
                return _instant(given)
        raise ValueError(given)


@dataclass(frozen=True, slots=True)
class Query:
    """One question and the statement that answers it."""

    name: str
    """``folder/stem`` of its file, e.g. ``anomalies/failed_login_burst``."""
    question: str
    text: str
    """The whole file: what is run, printed and digested."""
    parameters: tuple[Parameter, ...] = ()
    controls: tuple[str, ...] = ()
    """Ids of controls a hit speaks to, e.g. ``SOC2 CC7.2``."""
    severity: str | None = None
    """One of SEVERITIES; rules only."""
    lookback: int = 0
    """Rules: how many days before a day decide what is found on it."""
    runbook: tuple[str, ...] = ()
    """Rules: what to do about a hit, three steps."""

    @property
    def sha256(self) -> str:
        """Digest of the file's bytes: which text made a figure."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def is_rule(self) -> bool:
        """Whether its rows are findings."""
        return self.name.startswith(RULES)


def parse(name: str, text: str, *, where: str) -> Query:
    """Read a query from the text of its file.

    Args:
        name: ``folder/stem``.
        text: the file.
        where: what an error names, usually the path.

    Raises:
        QueryError: the header is incomplete or says something impossible.

    """
    entries = _entries(text, where)
    try:
        query = Query(
            name=name,
            question=" ".join(entries["question"]),
            text=text,
            parameters=tuple(_parameter(entry) for entry in entries["parameter"]),
            controls=tuple(part.strip() for entry in entries["controls"] for part in entry.split(";")),
            severity=entries["severity"][0] if entries["severity"] else None,
            lookback=int(entries["lookback"][0]) if entries["lookback"] else 0,
            runbook=tuple(entries["runbook"]),
        )
    except ValueError as error:
        raise QueryError(f"impossible header: {error}", where=where, todo=_LEGAL_TODO) from None
    _check(query, where)
    return query


def _entries(text: str, where: str) -> dict[str, list[str]]:
    """The header's entries by key, in order."""
    entries: dict[str, list[str]] = {key: [] for key in _KEYS}
    current: list[str] = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        if more := _MORE.fullmatch(line):
            current[-1:] = [f"{current[-1]} {more[1].strip()}"] if current else []
        elif (entry := _ENTRY.fullmatch(line)) and entry[1] in entries:
            current = entries[entry[1]]
            current.append(entry[2].strip())
        else:
            raise QueryError(f"no header line: {line!r}", where=where, todo=_LEGAL_TODO)
    return entries


def _parameter(entry: str) -> Parameter:
    match = _PARAMETER.fullmatch(entry)
    if match is None or match[2] not in TYPES:
        raise ValueError(f"parameter {entry!r} is not NAME TYPE [= DEFAULT]: MEANING")
    parameter = Parameter(name=match[1], type=match[2], meaning=match[4])
    if match[3] is None:
        return parameter
    return Parameter(parameter.name, parameter.type, parameter.meaning, parameter.value(match[3]))


def _check(query: Query, where: str) -> None:
    missing = [] if query.question else ["question"]
    if query.is_rule:
        missing += [key for key in ("controls", "lookback") if not getattr(query, key)]
        missing += ["severity"] if query.severity not in SEVERITIES else []
        missing += ["runbook"] if len(query.runbook) != 3 else []
    if missing:
        todo = f"a rule needs {', '.join(SEVERITIES)} as severity and a runbook of 3 steps; {_LEGAL_TODO}"
        raise QueryError(f"incomplete header: {', '.join(missing)}", where=where, todo=todo)


def _instant(given: str | date) -> datetime:
    """A date, a time or its ISO 8601 text as an instant; UTC where no zone is given."""
    if isinstance(given, str):
        given = datetime.fromisoformat(given)
    if not isinstance(given, datetime):
        given = datetime(given.year, given.month, given.day, tzinfo=UTC)
    return given if given.tzinfo else given.replace(tzinfo=UTC)
