"""One query over a home: which days it needs, and its parameters from settings, options and defaults."""

from collections.abc import Mapping
from datetime import date, timedelta

from audit_pipelines import sql
from audit_pipelines.batch import evidence_files, history
from audit_pipelines.defs.judge import rule_settings
from audit_pipelines.errors import QueryError
from audit_pipelines.home import Home
from audit_pipelines.lake.read import connect, relate
from audit_pipelines.retention import limit_date
from audit_pipelines.sql.query import Query

_DAY = timedelta(days=1)


def known() -> list[Query]:
    """Every query, by name."""
    return list(sql.catalogue().values())


def ask(
    home: Home, name: str, params: Mapping[str, object], today: date, first: date | None = None, last: date | None = None
) -> tuple[tuple[str, ...], tuple[tuple[object, ...], ...]]:
    """Columns and rows of the query ``name`` over the days from ``first`` to ``last``, both included.

    Raises:
        QueryError: no such query, or a parameter is wrong.
    """
    query = sql.find(name)
    batches, settings = history(home), home.settings()
    names = {parameter.name for parameter in query.parameters}
    days = [file.day for file in evidence_files(batches)] or [settings.organisation.start]
    since, until = first or min(days), (last or max(days)) + _DAY
    if (first or last) and not names & {"since", "until"}:
        raise QueryError("takes no period", where=query.name, todo="leave --from and --to out")
    given = {
        **rule_settings(settings),
        "limit_date": limit_date(today, settings.retention.months),
        "since": since,
        "until": until,
    }
    chosen = {key: value for key, value in given.items() if key in names}
    bounded = {"since", "until"} <= names
    back = timedelta(days=query.lookback)
    files = evidence_files(batches, since=since - back, until=until) if bounded else evidence_files(batches)
    connection = connect(spill=home.staging / "spill")
    try:
        relate(connection, home, files)
        result = sql.run(connection, query, {**chosen, **params})
    finally:
        connection.close()
    return result.columns, result.rows
