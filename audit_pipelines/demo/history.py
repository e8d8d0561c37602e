"""The whole span's changes, in order: configuration, keys, seats, the plan, and the incidents.

They depend on each other (what is deleted cannot be updated), so they are played once from the first day
to the last; the events of a day that change nothing are made on demand (``days``).
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial

from audit_pipelines.demo.incidents import Beat, Incident, Script, Stage
from audit_pipelines.demo.organisation import Organisation, Person, Service
from audit_pipelines.demo.register import Act, Key, Register
from audit_pipelines.demo.schedule import SCRIPTS, schedule
from audit_pipelines.demo.wire import Event, moment, origin, stream, token
from audit_pipelines.demo.workday import business_day, change_slot, within_hours, workday

_KINDS = ("update",) * 22 + ("create",) * 2 + ("delete",) + ("connect", "disconnect")


@dataclass(frozen=True, slots=True)
class Use:
    """When an API key is used: from ``since`` to ``until`` (None: to the end of the span)."""

    key: str
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True, slots=True)
class History:
    """What was changed on which day, which keys were in use when, and the incidents."""

    changes: dict[date, tuple[Event, ...]]
    uses: dict[str, tuple[Use, ...]]
    """By holder: the id of a person or a service account."""
    incidents: tuple[Incident, ...]

    def key_of(self, holder: str, at: datetime) -> str | None:
        """The key that ``holder`` uses at a time, if any; the newest where two are valid."""
        return _key_of(self.uses, holder, at)


def _key_of(uses: dict[str, tuple[Use, ...]], holder: str, at: datetime) -> str | None:
    for use in reversed(uses.get(holder, ())):
        if (use.since is None or use.since <= at) and (use.until is None or at < use.until):
            return use.key
    return None


def write(seed: int, organisation: Organisation, days: tuple[date, ...]) -> History:
    """Play the span of ``days`` for ``organisation``."""
    register = Register(stream(seed, "register"), organisation)
    register.fill()
    keys = _Keys(seed, days, register)
    keys.plan()
    uses = {holder: tuple(found) for holder, found in keys.uses.items()}

    def service_key(holder: str, at: datetime) -> str:
        found = _key_of(uses, holder, at)
        assert found is not None  # a service account always has a key
        return found

    taken: set[str] = set()
    scripts = [SCRIPTS[kind](Stage(seed, organisation, day, service_key, taken)) for day, kind in schedule(seed, days)]
    everyday = [*keys.beats, *_seats(seed, organisation, days), *_plans(seed, organisation, days)]
    for day in days:
        everyday += _configuration(seed, organisation, day, service_key)
    beats: list[tuple[Beat, Script | None]] = [(beat, None) for beat in everyday]
    beats += [(beat, script) for script in scripts for beat in script.beats]
    return _play(register, days, uses, sorted(beats, key=lambda pair: pair[0].at))


def _play(
    register: Register, days: tuple[date, ...], uses: dict[str, tuple[Use, ...]], beats: list[tuple[Beat, Script | None]]
) -> History:
    changes: dict[date, list[Event]] = {day: [] for day in days}
    shown: dict[Script, list[Event]] = {}
    for beat, script in beats:
        if beat.at.date() not in changes:
            continue  # an aftermath beyond the span
        event = beat.step(register)
        changes[beat.at.date()].append(event)
        if script and beat.shows:
            shown.setdefault(script, []).append(event)
    found = sorted((_label(script, events) for script, events in shown.items()), key=lambda incident: incident.day)
    return History({day: tuple(events) for day, events in changes.items()}, uses, tuple(found))


def _label(script: Script, events: list[Event]) -> Incident:
    subject = script.subject or json.loads(events[0].targets)["id"]
    return Incident(script.kind, script.day, subject, tuple(event.id for event in events), script.story, script.also)


def _configuration(seed: int, organisation: Organisation, day: date, key_of: Callable[[str, datetime], str]) -> Iterator[Beat]:
    """Three to a dozen changes on a working day, most by hand, some by the service account for policies."""
    if not business_day(day):
        return
    rng = stream(seed, "configuration", day)
    robot = organisation.services[-1]
    for number in range(rng.randrange(3, 13)):
        slot = change_slot(seed, organisation, day, number)
        if slot is None:
            return
        if rng.random() < 0.2:
            at = moment(day, rng.uniform(5, 21) * 3600)
            source = origin(address=robot.addresses[0], agent=robot.agent, key=key_of(robot.actor.id, at))
            yield Beat(at, partial(_change, act=Act(at, robot.actor, source), kind="update"))
        else:
            act = Act(slot[0], slot[1].person.actor, slot[1].origin)
            yield Beat(act.at, partial(_change, act=act, kind=rng.choice(_KINDS)))


def _change(register: Register, *, act: Act, kind: str) -> Event:
    """A change of ``kind``; where it would leave too little, the contrary one."""
    if kind == "update":
        return register.update_guardrail(act)
    if kind == "create" or (kind == "delete" and len(register.guardrails) < 20):
        return register.create_guardrail(act)
    if kind == "delete":
        return register.delete_guardrail(act)
    if kind == "connect" or len(register.integrations) < 3:
        return register.connect(act)
    return register.disconnect(act)


def _seats(seed: int, organisation: Organisation, days: tuple[date, ...]) -> Iterator[Beat]:
    for person in organisation.people:
        steps: tuple[tuple[date | None, Callable[..., Event]], ...] = (
            (person.joined, Register.add_seat),
            (person.left, Register.remove_seat),
        )
        for day, step in steps:
            act = _admin_act(seed, organisation, day, days[-1], person.actor.id) if day else None
            if act:
                yield Beat(act.at, partial(step, act=act, person=person))


def _plans(seed: int, organisation: Organisation, days: tuple[date, ...]) -> Iterator[Beat]:
    """More seats are bought twice in a span."""
    for share in (0.2, 0.7):
        act = _admin_act(seed, organisation, days[int(len(days) * share)], days[-1], "plan")
        if act:
            yield Beat(act.at, partial(Register.change_plan, act=act))


def _admin_act(seed: int, organisation: Organisation, day: date, last: date, *words: object) -> Act | None:
    """An admin's act on ``day`` or the next day when one is at work; None if that is after ``last``."""
    while day <= last:
        slot = change_slot(seed, organisation, day, *words)
        if slot:
            return Act(slot[0], slot[1].person.actor, slot[1].origin)
        day += timedelta(days=1)
    return None


class _Keys:
    """Plans which keys there are and when they are used, before anything is played."""

    def __init__(self, seed: int, days: tuple[date, ...], register: Register) -> None:
        self.seed, self.days, self.register = seed, days, register
        self.organisation, self.rng = register.organisation, stream(seed, "keys")
        self.uses: dict[str, list[Use]] = {}
        self.beats: list[Beat] = []

    def plan(self) -> None:
        for service in self.organisation.services:
            self._rotate(service)
        for person in self.organisation.people:
            if not person.joined and not person.left and self.rng.random() < 0.4:
                self._own(person)

    def _rotate(self, service: Service) -> None:
        """A service account changes its key every few weeks: the new one is in use before the old is revoked."""
        holder, since, number = service.actor.id, None, 1
        key = Key(token(self.rng, "key"), f"{service.actor.name} {number}", holder)
        self.register.keys[key.id] = key
        day = self.days[0] + timedelta(days=self.rng.randrange(5, 40))
        while True:
            made = _admin_act(self.seed, self.organisation, day, self.days[-1], holder, "new")
            if made is None:
                self.uses.setdefault(holder, []).append(Use(key.id, since, None))
                return
            switch = made.at + timedelta(hours=1)
            self.uses.setdefault(holder, []).append(Use(key.id, since, switch))
            after = made.at.date() + timedelta(days=self.rng.randrange(1, 4))
            self._revoke(_admin_act(self.seed, self.organisation, after, self.days[-1], holder, "old"), key)
            number, since = number + 1, switch
            key = Key(token(self.rng, "key"), f"{service.actor.name} {number}", holder)
            self.beats.append(Beat(made.at, partial(Register.create_key, act=made, key=key)))
            day = made.at.date() + timedelta(days=self.rng.randrange(25, 50))

    def _own(self, person: Person) -> None:
        """A person makes a key for the command line, and later revokes it."""
        made = self._act_of(person, self.days[0] + timedelta(days=self.rng.randrange(len(self.days))))
        if made is None:
            return
        key = Key(token(self.rng, "key"), f"{person.actor.name}: command line", person.actor.id)
        self.beats.append(Beat(made.at, partial(Register.create_key, act=made, key=key)))
        ended = self._act_of(person, made.at.date() + timedelta(days=self.rng.randrange(10, 60)))
        self._revoke(ended, key)
        self.uses[person.actor.id] = [Use(key.id, made.at, ended.at if ended else None)]

    def _revoke(self, act: Act | None, key: Key) -> None:
        if act:
            self.beats.append(Beat(act.at, partial(Register.revoke_key, act=act, identity=key.id)))

    def _act_of(self, person: Person, day: date) -> Act | None:
        """The person's own act on ``day`` or the next working day, inside the hours for changes."""
        while day <= self.days[-1]:
            work = workday(self.seed, person, day)
            at = within_hours(self.organisation, work, self.rng.random()) if work else None
            if work and at:
                return Act(at, person.actor, work.origin)
            day += timedelta(days=1)
        return None
