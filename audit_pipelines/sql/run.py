"""Running a query: its parameters checked against its header, its rows as plain tuples.

The connection brings the relation ``events``; nothing here knows where its rows come from. What does not
belong here: what is asked (the ``.sql`` files) and what is done with the rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from audit_pipelines.errors import QueryError
from audit_pipelines.sql.query import Query, Value


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to one query."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    """Values as DuckDB gives them: ``date``, ``datetime`` in UTC, ``int``, ``float``, ``str``, ``list``, ``None``."""

    def records(self) -> list[dict[str, Any]]:
        """The rows as dicts by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def bind(query: Query, params: Mapping[str, object]) -> dict[str, Value]:
    """All parameters of ``query`` with their values: those given, converted, and the defaults of the rest.

    Args:
        query: whose header names the parameters.
        params: by name; text is converted to the declared type.

    Raises:
        QueryError: a parameter is missing, surplus or not of its type; the text names it.

    """
    declared = {parameter.name: parameter for parameter in query.parameters}
    surplus = sorted(params.keys() - declared.keys())
    if surplus:
        todo = f"it takes: {', '.join(declared) or 'none'}"
        raise QueryError(f"unknown parameter {', '.join(surplus)}", where=query.name, todo=todo)
    missing = [name for name, parameter in declared.items() if parameter.default is None and name not in params]
    if missing:
        todo = "; ".join(f"{name}: {declared[name].meaning}" for name in missing)
        raise QueryError(f"missing parameter {', '.join(missing)}", where=query.name, todo=todo)
    values: dict[str, Value] = {}
    for name, parameter in declared.items():
        try:
            values[name] = parameter.value(params[name]) if name in params else parameter.value(parameter.default)
        except ValueError:
            where, todo = f"{query.name}: {name}", parameter.meaning
            raise QueryError(f"{params[name]!r} is no {parameter.type}", where=where, todo=todo) from None
    return values


def run(connection: duckdb.DuckDBPyConnection, query: Query, params: Mapping[str, object]) -> Result:
    """Ask ``query`` of the relation ``events`` of ``connection``.

    The session's time zone is set to UTC: days and months are UTC's whoever asks.

    Raises:
        QueryError: a wrong parameter, or DuckDB could not answer (out of memory, no ``events``, a damaged file).

    """
    values = bind(query, params)
    try:
        connection.execute("SET TimeZone = 'UTC'")
        answer = connection.execute(query.text, values)
        columns = tuple(column[0] for column in answer.description or ())
        return Result(columns, tuple(answer.fetchall()))
    except duckdb.Error as error:
        what = str(error).strip().partition("\n")[0]
        raise QueryError(what, where=query.name, todo="check the relation `events` and the parameters") from error
