"""When people work: public holidays, vacations, hours, and from where.

A day's work of one person is a pure function of seed, person and day, so that every part of the demo
speaks of the same session. The holidays are the well-known ones of each country, not a legal calendar.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

from audit_pipelines.demo.organisation import Organisation, Person
from audit_pipelines.demo.wire import Origin, moment, origin, stream, token

HEAD_OFFICE: Final = "DE"
_NEW_YEAR, _LABOUR, _CHRISTMAS, _SECOND = (1, 1), (5, 1), (12, 25), (12, 26)
_FIXED: Final = {
    "DE": (_NEW_YEAR, _LABOUR, (10, 3), (10, 31), _CHRISTMAS, _SECOND),
    "PL": (_NEW_YEAR, (1, 6), _LABOUR, (5, 3), (8, 15), (11, 1), (11, 11), _CHRISTMAS, _SECOND),
    "PT": (_NEW_YEAR, (4, 25), _LABOUR, (6, 10), (8, 15), (10, 5), (11, 1), (12, 1), (12, 8), _CHRISTMAS),
    "IN": (_NEW_YEAR, (1, 26), _LABOUR, (8, 15), (10, 2), _CHRISTMAS),
    "US": (_NEW_YEAR, (6, 19), (7, 4), (11, 11), _CHRISTMAS),
    "BR": (_NEW_YEAR, (4, 21), _LABOUR, (9, 7), (10, 12), (11, 2), (11, 15), (11, 20), _CHRISTMAS),
    "SG": (_NEW_YEAR, _LABOUR, (8, 9), _CHRISTMAS),
}
_EASTER: Final = {"DE": (-2, 1, 39, 50), "PL": (1, 60), "PT": (-2, 60), "IN": (-2,), "US": (), "BR": (-2, 60), "SG": (-2,)}
"""Days after Easter Sunday."""
_US_MONDAYS: Final = ((1, 3), (2, 3), (9, 1))
"""(month, which Monday of it)."""


@dataclass(frozen=True, slots=True)
class Workday:
    """One person's day: its start and end (UTC, inside the UTC day) and the origin of its requests."""

    person: Person
    start: datetime
    end: datetime
    session: str
    agent: str
    origin: Origin

    def at(self, share: float) -> datetime:
        """The time after ``share`` (0 to 1) of the day's work."""
        return self.start + (self.end - self.start) * share


@cache
def easter(year: int) -> date:
    """Easter Sunday (the Gregorian computus of Butcher and Meeus)."""
    century, rest = divmod(year, 100)
    golden = year % 19
    shift = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - century // 4 - shift + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (rest // 4) - epact - rest % 4) % 7
    late = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)


def holiday(country: str, day: date) -> bool:
    """Whether ``day`` is a public holiday in ``country``."""
    if (day.month, day.day) in _FIXED[country] or (day - easter(day.year)).days in _EASTER[country]:
        return True
    if country != "US":
        return False
    week = (day.day - 1) // 7 + 1
    thursday = day.day - (day.weekday() - 3)
    thanksgiving = day.month == 11 and day.weekday() in (3, 4) and 22 <= thursday <= 28
    return thanksgiving or (day.weekday() == 0 and (day.month, week) in _US_MONDAYS)


def business_day(day: date) -> bool:
    """Whether head office works on ``day``."""
    return day.weekday() < 5 and not holiday(HEAD_OFFICE, day)


def workday(seed: int, person: Person, day: date) -> Workday | None:
    """The work of ``person`` on ``day``, or None: weekend, holiday, vacation, sick, no seat."""
    if (person.joined and day <= person.joined) or (person.left and day >= person.left):
        return None
    rng = stream(seed, "workday", person.actor.id, day)
    free = day.weekday() > 4 or holiday(person.office.country, day)
    away = any(start <= day <= end for start, end in person.away)
    # A few look in on a free day, from home and for an hour or two; about 3 % are ill on a working day.
    if away or rng.random() < (0.96 if free else 0.03):
        return None
    hour = person.start + rng.gauss(0, 0.35) + (rng.uniform(1, 7) if free else 0)
    length = rng.uniform(0.6, 2.2) if free else rng.uniform(7.6, 9.6)
    local = datetime.combine(day, time.min, ZoneInfo(person.office.zone)).astimezone(UTC)
    # Each session stays inside one UTC day, so that any day can be made alone; no office is so far east or
    # west that this cuts off more than a few minutes.
    start = max(local + timedelta(hours=hour), moment(day, 60))
    end = min(start + timedelta(hours=length), moment(day, 85_800))
    session = token(rng, "ses")
    agent = rng.choice(person.agents)
    # Now and then a day is swapped.
    home = free or (day.weekday() in person.home_days) != (rng.random() < 0.06)
    address = person.home if home else person.office.address
    place = (person.office.country, person.office.city)
    return Workday(person, start, end, session, agent, origin(address=address, agent=agent, session=session, place=place))


def within_hours(organisation: Organisation, work: Workday, share: float) -> datetime | None:
    """The time after ``share`` of the part of ``work`` that lies in the hours for changes, or None."""
    day = work.start.date()
    midnight = datetime.combine(day, time.min, ZoneInfo(organisation.timezone)).astimezone(UTC)
    since = max(work.start + timedelta(minutes=3), midnight + timedelta(hours=8))
    until = min(work.end - timedelta(minutes=3), midnight + timedelta(hours=18.5))
    return since + (until - since) * share if business_day(day) and since < until else None


def change_slot(seed: int, organisation: Organisation, day: date, *words: object) -> tuple[datetime, Workday] | None:
    """An admin at work on ``day`` and a time inside the hours for changes, or None if there is none."""
    rng = stream(seed, "slot", day, *words)
    for person in rng.sample(organisation.admins, len(organisation.admins)):
        work = workday(seed, person, day)
        at = within_hours(organisation, work, rng.random()) if work else None
        if work and at:
            return at, work
    return None
