"""Months that a principal sees: a report or a bundle shows its whole month, so that a link must cover all of it.

What does not belong here: what there is of a month (``revisions``, ``bundles``).
"""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from typing import Final

from audit_pipelines.batch import Batch
from audit_pipelines.defs.monthfacts import Month
from audit_pipelines.serve.principal import Principal

_NAME: Final = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


def named(text: str) -> Month | None:
    """The month called ``2026-01``; None if that is no month's name."""
    return Month(date.fromisoformat(f"{text}-01")) if _NAME.fullmatch(text) and not text.startswith("0000") else None


def name(month: Month) -> str:
    """``2026-01``."""
    return f"{month.first:%Y-%m}"


def open_to(principal: Principal, month: Month) -> bool:
    """Whether the whole of ``month`` is what ``principal`` may see; links of an actor see no month."""
    limit = principal.restriction
    if limit is None:
        return True
    if limit.report is not None:
        return limit.report == name(month)
    if limit.actor is not None:
        return False
    since, until = limit.since, limit.until
    return (since is None or since <= _begin(month.first)) and (until is None or _begin(month.until) <= until)


def in_log(batches: Iterable[Batch]) -> set[str]:
    """Names of the months that a night has asked for, or found events of."""
    return {f"{day.day:%Y-%m}" for batch in batches for day in batch.days}


def _begin(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
