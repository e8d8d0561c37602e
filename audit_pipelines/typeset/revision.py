"""The page of a later revision: which late events and erasures came, and which figures they changed.

What does not belong here: deciding that a revision is due.
"""

from collections.abc import Mapping, Sequence

from audit_pipelines.typeset import chapter
from audit_pipelines.typeset.facts import Facts
from audit_pipelines.typeset.spec import Column
from audit_pipelines.typeset.tables import fixed


def change(facts: Facts, figures: Sequence[Mapping[str, object]], *, limit: int = 200) -> dict[str, object]:
    """What this revision has that the one before had not; at most ``limit`` late events are printed."""
    previous = facts.previous
    assert previous is not None
    late = sorted(previous.late, key=lambda event: (event.occurred_at, event.uid))
    events = fixed(
        (
            Column(key="occurred_at", label="Occurred at, UTC", format="moment", width=15),
            Column(key="lag", label="Reached the log after", format="seconds", width=13),
            Column(key="batch", label="Batch", width=8),
            Column(key="actor", label="Actor", width=20),
            Column(key="action", label="Action", format="mono", width=20),
            Column(key="target", label="Target", width=24),
        ),
        [
            [e.occurred_at, e.lag, e.batch, e.actor if facts.identity == "full" else "withheld", e.action, e.target]
            for e in late[:limit]
        ],
    )
    changed = [
        [figure["label"], previous.figures.get(str(figure["id"])), figure["value"], figure["ref"]]
        for figure in figures
        if figure["id"] in previous.figures and previous.figures[str(figure["id"])] != figure["value"]
    ]
    since = previous.statements or 0
    taken = [item for item in facts.integrity.decisions if item.changes and item.statements[-1] >= since]
    return {
        "decisions": chapter.listed(taken),
        "previous": {"revision": previous.revision, "log_size": previous.size, "report_sha256": previous.report_sha256},
        "figures": _figures(facts, changed),
        "events": {**events, "count": len(late)},
    }


def _figures(facts: Facts, changed: Sequence[Sequence[object]]) -> dict[str, object]:
    """The figures that differ, before and now."""
    assert facts.previous is not None
    return fixed(
        (
            Column(key="label", label="Figure", width=46),
            Column(key="before", label=f"r{facts.previous.revision}", format="number", width=17),
            Column(key="now", label=f"r{facts.revision}", format="number", width=17),
            Column(key="ref", label="Reference", width=20),
        ),
        changed,
    )
