"""Labelled incidents: what they are, and what their scripts are written with.

Each ``Incident`` says which anomaly rule should find it, when, about whom, and by which events, so that
findings can be scored. An incident is a script of timed steps (``attacks``, ``mishaps``); ``history``
plays them between the everyday changes. What does not belong here: the rules (``sql/anomalies``).
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from audit_pipelines.demo.organisation import Organisation, Person
from audit_pipelines.demo.register import Register
from audit_pipelines.demo.wire import Event, stream
from audit_pipelines.demo.workday import Workday, change_slot, within_hours, workday

Step = Callable[[Register], Event]


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that a rule should find."""

    kind: str
    """Name of the anomaly rule that should fire."""
    day: date
    subject: str
    """What the rule's finding is about: the id of an actor, a key or a guardrail, or an address."""
    event_ids: tuple[str, ...]
    """The events that show it, in order of time, all of ``day``."""
    story: str
    also: tuple[str, ...]
    """Other rules that rightly fire at the same events."""


@dataclass(frozen=True, slots=True)
class Beat:
    """One step of a script: ``shows`` says whether its event is evidence of the incident or its aftermath."""

    at: datetime
    step: Step
    shows: bool = True


@dataclass(frozen=True, slots=True)
class Script:
    """An incident before it is played."""

    kind: str
    day: date
    subject: str
    """Empty: the first target of the first event, which is known only when played."""
    story: str
    beats: tuple[Beat, ...]
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stage:
    """What a script is written with.

    ``key_of`` gives the API key of a service account at a time. ``taken`` is shared by all scripts of a
    span: the people who have had an incident (a second one would not be the first sight of a new network).
    """

    seed: int
    organisation: Organisation
    day: date
    key_of: Callable[[str, datetime], str]
    taken: set[str]

    def rng(self, kind: str) -> random.Random:
        return stream(self.seed, "incident", kind, self.day)

    def strange(self) -> str:
        """An address that nobody else uses, of a network that no person uses; another one on every day."""
        return f"192.0.2.{100 + self.day.toordinal() % 150}"

    def regulars(self) -> tuple[Person, ...]:
        """People who are no admins and there all the time."""
        return tuple(
            person for person in self.organisation.people if not (person.admin or person.joined or person.left or person.on_leave)
        )

    def victim(self, rng: random.Random) -> Person:
        """A regular who has had no incident yet."""
        person = rng.choice([person for person in self.regulars() if person.actor.id not in self.taken])
        self.taken.add(person.actor.id)
        return person

    def colleague(self, rng: random.Random) -> tuple[datetime, Workday]:
        """A regular without an incident who works on the day, and a time inside the hours for changes."""
        people = [person for person in self.regulars() if person.actor.id not in self.taken]
        for person in rng.sample(people, len(people)):
            work = workday(self.seed, person, self.day)
            at = within_hours(self.organisation, work, rng.uniform(0.1, 0.5)) if work else None
            if work and at:
                self.taken.add(person.actor.id)
                return at, work
        raise AssertionError(f"nobody works on {self.day}")  # scripts that need people are for working days

    def admin(self, word: str) -> tuple[datetime, Workday]:
        """An admin at work on the day, and a time inside the hours for changes."""
        slot = change_slot(self.seed, self.organisation, self.day, word)
        assert slot is not None  # scripts that need admins are for working days
        return slot

    def repair(self, word: str) -> tuple[datetime, Workday] | None:
        """An admin and a time on the first working day after the incident."""
        for gap in range(1, 8):
            slot = change_slot(self.seed, self.organisation, self.day + timedelta(days=gap), word)
            if slot:
                return slot
        return None
