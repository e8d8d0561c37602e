"""The report's figures: single numbers, each with its source and last month's value.

A figure is of a query (a sum, a count or the first value of the rows that match) or of the facts (counts
from batch manifests and findings). What does not belong here: tables.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from audit_pipelines.errors import ReportError
from audit_pipelines.typeset import chapter
from audit_pipelines.typeset.asking import Asking, Rows
from audit_pipelines.typeset.facts import Facts, MonthFacts, QueryText
from audit_pipelines.typeset.spec import Figure
from audit_pipelines.typeset.text import plain

Number = int | float | None
_GRAVE: Final = ("high", "critical")


def _days_covered(month: MonthFacts) -> int:
    """Days that every source has given in full."""
    states: dict[object, bool] = {}
    for entry in month.population:
        states[entry.day] = states.get(entry.day, True) and entry.covered
    return sum(states.values())


MONTHLY: Final[Mapping[str, Callable[[MonthFacts], int]]] = {
    "days": lambda month: len(month.days),
    "days-covered": _days_covered,
    "stored": lambda month: sum(entry.stored for entry in month.population),
    "late": lambda month: sum(entry.late for entry in month.population),
    "rejects": lambda month: sum(entry.count for entry in month.rejects),
    "findings": lambda month: len(month.findings),
    "findings-high": lambda month: sum(finding.severity in _GRAVE for finding in month.findings),
    "findings-late": lambda month: sum(finding.late for finding in month.findings),
    "rules": lambda month: len(month.rules),
    "rules-complete": lambda month: sum(rule.days_run == rule.days for rule in month.rules),
    "rule-days": lambda month: sum(rule.days_run for rule in month.rules),
    "rule-days-due": lambda month: sum(rule.days for rule in month.rules),
}
"""Figures of one month's facts."""

STANDING: Final[Mapping[str, Callable[[Facts], int]]] = {
    "log-size": lambda facts: facts.size,
    "sources": lambda facts: len(facts.sources),
    "batches": lambda facts: len(facts.batches),
    "retention-months": lambda facts: facts.retention_months,
    "drop-records": lambda facts: sum(drop.records for drop in facts.drops),
    "drop-manifests": lambda facts: len(facts.drops),
}
"""Figures without a last month."""


ORIGIN: Final[Mapping[str, str]] = {
    "days": "calendar",
    "retention-months": "settings",
    "findings": "findings files",
    "findings-high": "findings files",
    "findings-late": "findings files",
    **dict.fromkeys(chapter.FIGURES, "statements"),
}
"""Where a fact is from; of the others the batch manifests."""


@dataclass(frozen=True, slots=True)
class FigureMaker:
    """Computes figures; ``numbers`` gives each query's reference and text, ``tables`` each block's ref."""

    facts: Facts
    asking: Asking
    numbers: Mapping[str, tuple[str, QueryText]]
    tables: Mapping[str, str]

    def __call__(self, figure: Figure) -> dict[str, object]:
        """The figure as ``report.json`` has it.

        Raises:
            ReportError: it names a fact or column that does not exist.
        """
        value, last = self._fact(figure) if figure.fact else self._query(figure)
        reference, query = self.numbers[figure.query] if figure.query else (ORIGIN.get(figure.fact, "manifests"), None)
        return {
            "id": figure.id,
            "label": figure.label,
            "unit": figure.unit,
            "value": value,
            "last": last,
            "of": figure.of or None,
            "query": query.name if query else None,
            "query_sha256": query.sha256 if query else None,
            "ref": ", ".join(filter(None, (self.tables.get(figure.table, ""), reference))),
            "key": figure.key,
        }

    def _fact(self, figure: Figure) -> tuple[Number, Number]:
        if (monthly := MONTHLY.get(figure.fact)) is not None:
            return monthly(self.facts.this), monthly(self.facts.last) if self.facts.last else None
        if (standing := STANDING.get(figure.fact)) is not None:
            return standing(self.facts), None
        if (stated := chapter.FIGURES.get(figure.fact)) is not None:
            return stated(self.facts.integrity), None
        todo = f"there are: {', '.join([*MONTHLY, *STANDING, *chapter.FIGURES])}"
        raise ReportError(f"no fact {figure.fact!r}", where=f"report.toml: figures.{figure.id}", todo=todo)

    def _query(self, figure: Figure) -> tuple[Number, Number]:
        this = self.asking.rows(figure.query, figure.params)
        last = self.asking.rows(figure.query, figure.params, last=True)
        return picked(figure, this), picked(figure, last)


def picked(figure: Figure, table: Rows | None) -> Number:
    """The figure's number from a result; None where there is no result, or no first row."""
    if table is None:
        return None
    wanted = [
        (table.index(key, query=figure.query), {value} if isinstance(value, str) else set(value))
        for key, value in figure.where.items()
    ]
    rows = [row for row in table.rows if all(str(row[place]) in values for place, values in wanted)]
    if figure.pick == "count":
        return len(rows)
    place = table.index(figure.column, query=figure.query)
    values = [row[place] for row in rows]
    numbers = [value for value in values if isinstance(value, int | float | Decimal)]
    if figure.pick == "first":
        numbers = numbers[:1]
        if not numbers:
            return None
    total = plain(sum(numbers))
    return total if isinstance(total, int | float) else None
