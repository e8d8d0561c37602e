"""What the log cannot show: derived from its data where it can be, standing sentences for the rest.

What does not belong here: findings, which the log does show.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from audit_pipelines.event import CATEGORIES
from audit_pipelines.typeset.asking import Asking, Rows
from audit_pipelines.typeset.facts import Facts, QueryText
from audit_pipelines.typeset.figures import MONTHLY
from audit_pipelines.typeset.spec import Block, Column
from audit_pipelines.typeset.tables import fixed

_OPTIONAL: Final = frozenset({"changes", "api_key_id", "outcome"})
"""Fields whose absence is normal, or said elsewhere."""

_SENTENCE: Final = 1_000
"""Characters of a limit that are printed: it is a sentence, not a value."""


def limits(block: Block, facts: Facts, asking: Asking, numbers: Mapping[str, tuple[str, QueryText]]) -> dict[str, object]:
    """Sentences about this month's data, then the standing ones, each with where it is from.

    ``queries.completeness`` gives the columns of ``activity/field_completeness``, ``queries.outcomes`` of
    ``activity/by_category_outcome``; either may be absent.
    """
    said: list[tuple[str, str, str]] = [*_facts(facts)]
    if name := block.queries.get("outcomes"):
        said += [(topic, text, numbers[name][0]) for topic, text in _outcomes(asking.rows(name, block.params), name)]
    if name := block.queries.get("completeness"):
        said += [(topic, text, numbers[name][0]) for topic, text in _fields(asking.rows(name, block.params), name)]
    said += [("Standing", text, "standing") for text in block.standing]
    columns = (Column(key="topic", label="Topic", width=14), Column(key="text", label="What this log cannot show", width=72))
    source = Column(key="source", label="Derived from", width=14)
    return fixed((*columns, source), said, cut=_SENTENCE)


def _facts(facts: Facts) -> Iterable[tuple[str, str, str]]:
    month = facts.this
    configured = [source for source in facts.sources if source.kind != "access"]
    names = ", ".join(source.name for source in configured)
    yield (
        "Sources",
        f"Events of systems other than the {len(configured)} configured sources ({names or 'none'}) were not read.",
        "manifests",
    )
    if len(configured) < len(facts.sources):
        yield (
            "Reading",
            "Reading of this log is recorded where it went through the viewer or the API; reading its files leaves no event.",
            "manifests",
        )
    covered, days = MONTHLY["days-covered"](month), MONTHLY["days"](month)
    if covered < days:
        yield (
            "Days",
            f"{days - covered} of {days} days were not read in full by every source; events of them may be missing.",
            "manifests",
        )
    empty = [day for day in month.days if not any(entry.stored for entry in month.population if entry.day == day)]
    if empty:
        yield (
            "Days",
            f"{len(empty)} of {days} days had 0 events; the log cannot tell a quiet day from a source that logged nothing.",
            "manifests",
        )
    if lost := sum(entry.count for entry in month.rejects):
        yield (
            "Rejects",
            f"{lost:,} records could not be read as events; they were kept and are in no figure of this report.",
            "manifests",
        )


def _outcomes(table: Rows | None, query: str) -> Iterable[tuple[str, str]]:
    if table is None:
        return
    category, events, failure, unknown = (table.index(key, query=query) for key in ("category", "events", "failure", "unknown"))
    counts = {str(row[category]): [_whole(row[place]) for place in (events, failure, unknown)] for row in table.rows}
    every, failed, unstated = (sum(count[place] for count in counts.values()) for place in range(3))
    absent = [name for name in CATEGORIES if name != "other" and not counts.get(name, [0])[0]]
    if absent:
        yield "Categories", f"No event of these categories was seen in the month: {', '.join(absent)}. They may not be logged."
    if unstated:
        yield "Outcome", f"{unstated:,} of {every:,} events ({unstated / every:.1%}) did not say whether the action succeeded."
    if every and not failed:
        yield "Outcome", f"0 of {every:,} events were failures; the sources may not log failed attempts."


def _fields(table: Rows | None, query: str) -> Iterable[tuple[str, str]]:
    """Fields that are absent in some events, over all categories; those for which absence says little are left out."""
    if table is None:
        return
    field, filled, events = (table.index(key, query=query) for key in ("column", "filled", "events"))
    sums: dict[str, list[int]] = {}
    for row in table.rows:
        if str(row[field]) in _OPTIONAL:
            continue
        both = sums.setdefault(str(row[field]), [0, 0])
        both[0] += _whole(row[filled])
        both[1] += _whole(row[events])
    for name, (have, every) in sums.items():
        if have < every:
            yield "Fields", f"{name}: absent in {every - have:,} of {every:,} events ({(every - have) / every:.1%})."


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
