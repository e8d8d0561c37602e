"""Which incident happens on which day of the span.

At most one a day; some in each month, every kind at least once, three in the last days. What does not
belong here: what happens in them (``attacks``, ``mishaps``).
"""

from collections.abc import Callable
from datetime import date
from typing import Final

from audit_pipelines.demo import attacks, mishaps
from audit_pipelines.demo.incidents import Script, Stage
from audit_pipelines.demo.wire import stream
from audit_pipelines.demo.workday import business_day

SCRIPTS: Final[dict[str, Callable[[Stage], Script]]] = {
    "dormant_actor_returned": attacks.dormant_actor_returned,
    "failed_login_burst": attacks.failed_login_burst,
    "first_seen_address": attacks.first_seen_address,
    "guardrail_weakened": mishaps.guardrail_weakened,
    "mass_deletion": mishaps.mass_deletion,
    "new_key_foreign_address": attacks.new_key_foreign_address,
    "off_hours_administration": mishaps.off_hours_administration,
    "password_spray": attacks.password_spray,
    "session_moved": attacks.session_moved,
    "success_after_failures": attacks.success_after_failures,
    "volume_outlier": mishaps.volume_outlier,
}
"""By kind, which is the name of the rule that should fire."""
ANY_DAY: Final = ("failed_login_burst", "first_seen_address", "off_hours_administration", "password_spray")
"""Kinds that need nobody at work."""
NO_HISTORY: Final = ("failed_login_burst", "guardrail_weakened", "mass_deletion", "off_hours_administration", "password_spray")
"""Kinds that can be told without weeks of earlier days: the only ones of the first month."""
_MONTHLY: Final = (4, 6, 7, 2)
"""Incidents of each month, the unfinished one last."""
_LAST: Final = 6


def schedule(seed: int, days: tuple[date, ...]) -> tuple[tuple[date, str], ...]:
    """Days and kinds, in order of time."""
    rng = stream(seed, "schedule")
    end = days[-_LAST:]
    chosen: list[tuple[date, str]] = list(zip((end[1], end[3], end[4]), rng.sample(ANY_DAY, 3), strict=True))
    # Each kind is used once before any is used again, but the person on leave returns only once.
    fresh = [kind for kind in SCRIPTS if kind != "dormant_actor_returned"]
    rng.shuffle(fresh)
    months = sorted({(day.year, day.month) for day in days})
    for number, month in enumerate(months):
        # The first days of a span are left alone: neither people nor rules know what is usual then.
        free = [day for day in days[3:-_LAST] if (day.year, day.month) == month and business_day(day)]
        usable = [kind for kind in fresh if number or kind in NO_HISTORY]
        kinds = usable[: min(len(free), _MONTHLY[number]) - (number == 2)]
        fresh = [kind for kind in fresh if kind not in kinds] + kinds
        if number == 2:
            kinds.append("dormant_actor_returned")
        chosen += zip(sorted(rng.sample(free, len(kinds))), rng.sample(kinds, len(kinds)), strict=True)
    return tuple(sorted(chosen))
