"""All events of one day: the changes of the history, and the everyday ones made on demand.

A day is a pure function of seed, organisation, history and date; no other day has to be made first.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from audit_pipelines.demo import activity
from audit_pipelines.demo.history import History
from audit_pipelines.demo.organisation import Organisation, Service
from audit_pipelines.demo.register import Act
from audit_pipelines.demo.wire import Event, Origin, moment, origin, stream
from audit_pipelines.demo.workday import Workday, workday

_LAST_START: Final = 85_500
"""Reviews and scans start before this second, so that they end on the same day."""
_SCAN_HOURS: Final = (0, 4, 8, 12, 16, 20)
COMMAND_LINE: Final = "tc-cli/1.8.2 (linux)"


@dataclass(frozen=True, slots=True)
class Routine:
    """One day's chance and the organisation: an ``activity.Maker``."""

    rng: random.Random
    organisation: Organisation
    history: History
    day: date


def events(seed: int, organisation: Organisation, history: History, day: date) -> list[Event]:
    """The events of ``day`` in order of time."""
    routine = Routine(stream(seed, "day", day), organisation, history, day)
    present = [work for person in organisation.people if (work := workday(seed, person, day))]
    found = list(history.changes[day])
    for work in present:
        found += _sessions(routine, work)
        found += _own_reviews(routine, work)
    for service in organisation.services:
        found += _service_reviews(routine, service, present)
    found += _drift_scans(routine)
    found.sort(key=lambda event: (event.at, event.id))
    return found


def _sessions(routine: Routine, work: Workday) -> Iterator[Event]:
    """Signing in (sometimes at the second try, sometimes again after lunch) and out."""
    rng, who = routine.rng, work.person.actor
    times = [work.start]
    if rng.random() < 0.35:
        times.append(work.at(rng.uniform(0.4, 0.6)))
    for at in times:
        for wrong in range(rng.choice((0,) * 24 + (1, 1, 2))):
            act = Act(at - timedelta(seconds=22 * (wrong + 1)), who, work.origin)
            yield activity.failed_login(routine, act=act)
        yield activity.login(routine, act=Act(at, who, work.origin))
    if rng.random() < 0.7:
        yield activity.logout(routine, act=Act(work.end, who, work.origin))


def _own_reviews(routine: Routine, work: Workday) -> Iterator[Event]:
    """Reviews started by hand, in the browser or (with an own API key) from the command line."""
    rng, person = routine.rng, work.person
    hours = (work.end - work.start).total_seconds() / 3600
    count = max(0, round(rng.gauss(person.reviews, 1.2) * hours / 8.5))
    for _ in range(count):
        at = work.at(rng.uniform(0.01, 0.97))
        key = routine.history.key_of(person.actor.id, at)
        source = work.origin
        if key and rng.random() < 0.5:
            place = (person.office.country, person.office.city)
            source = origin(address=source.address, agent=COMMAND_LINE, key=key, place=place)
        done = Act(at + timedelta(seconds=rng.uniform(15, 200)), routine.organisation.engine, _INSIDE)
        yield from activity.review(routine, Act(at, person.actor, source), done, rng.choice(routine.organisation.repositories))


_INSIDE: Final = origin(address=None, agent=None)
"""The product itself: no address, no client."""


def _service_reviews(routine: Routine, service: Service, present: list[Workday]) -> Iterator[Event]:
    """Reviews by a service account: they follow the people's hours, with a share of jobs around the clock."""
    rng = routine.rng
    staff = len(present) / (0.88 * len(routine.organisation.people))
    mean = service.reviews * (0.13 + 0.87 * min(1.0, staff))
    origins: dict[tuple[str, str], Origin] = {}
    for _ in range(max(1, round(rng.gauss(mean, mean**0.5)))):
        at = _busy_time(routine, present)
        done = at + timedelta(seconds=rng.uniform(8, 240))
        repository = rng.choice(routine.organisation.repositories)
        address = rng.choice(service.addresses)
        acts = []
        for time in (at, done):
            key = routine.history.key_of(service.actor.id, time) or ""
            source = origins.get((address, key))
            if source is None:
                source = origins[address, key] = origin(address=address, agent=service.agent, key=key)
            acts.append(Act(time, service.actor, source))
        yield from activity.review(routine, acts[0], acts[1], repository)


def _busy_time(routine: Routine, present: list[Workday]) -> datetime:
    rng = routine.rng
    if present and rng.random() < 0.85:
        at = rng.choice(present).at(rng.random())
        if at < moment(routine.day, _LAST_START):
            return at
    return moment(routine.day, rng.random() * _LAST_START)


def _drift_scans(routine: Routine) -> Iterator[Event]:
    """Every four hours, one workspace after the other."""
    rng, scheduler = routine.rng, routine.organisation.scheduler
    for hour in _SCAN_HOURS:
        for number, workspace in enumerate(routine.organisation.workspaces):
            at = moment(routine.day, hour * 3600 + number * 20 + rng.uniform(0, 4))
            done = at + timedelta(seconds=rng.uniform(40, 600))
            yield from activity.drift_scan(routine, Act(at, scheduler, _INSIDE), Act(done, scheduler, _INSIDE), workspace)
