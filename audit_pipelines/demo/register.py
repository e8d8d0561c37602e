"""What the organisation has at a moment: guardrails, API keys, seats, integrations, its plan.

Each method makes one change and returns its event, so that no event can speak of a thing that is not
there. Changes must come in order of time. What does not belong here: who makes which change when
(``history``, ``incidents``).
"""

import random
from dataclasses import dataclass, field, replace
from datetime import datetime

from audit_pipelines.demo import names
from audit_pipelines.demo.organisation import Organisation, Person
from audit_pipelines.demo.wire import Actor, Event, Origin, event_id, target, text, token


@dataclass(frozen=True, slots=True)
class Act:
    """Somebody doing something at a time, from somewhere."""

    at: datetime
    actor: Actor
    origin: Origin


@dataclass(frozen=True, slots=True)
class Guardrail:
    """A rule for infrastructure changes."""

    id: str
    name: str
    mode: str
    """``enforce``, ``warn`` or ``off``."""
    threshold: int
    version: int

    def json(self) -> str:
        return text({"mode": self.mode, "threshold": self.threshold, "version": self.version})


@dataclass(frozen=True, slots=True)
class Key:
    """An API key: ``holder`` is the actor that uses it."""

    id: str
    name: str
    holder: str


@dataclass(slots=True)
class Register:
    """The state, and the chance that fills in the details of changes."""

    rng: random.Random
    organisation: Organisation
    guardrails: dict[str, Guardrail] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)
    seats: dict[str, Person] = field(default_factory=dict)
    integrations: dict[str, str] = field(default_factory=dict)
    bought: int = 90
    """Seats in the plan."""

    def fill(self) -> None:
        """The state before the first day."""
        for name in names.GUARDRAILS:
            identity = token(self.rng, "gr", 10)
            mode = self.rng.choice(("enforce", "enforce", "enforce", "warn"))
            self.guardrails[identity] = Guardrail(identity, name, mode, self.rng.randrange(1, 9), self.rng.randrange(1, 20))
        self.seats = {person.actor.id: person for person in self.organisation.people if person.joined is None}
        self.integrations = {token(self.rng, "int", 10): name for name in names.INTEGRATIONS[:5]}

    def _event(self, act: Act, type_: str, about: str, before: str = "null", after: str = "null") -> Event:
        identity = event_id(act.at, self.rng)
        return Event(identity, act.at, type_, act.actor, about, act.origin.context(self.rng), before, after)

    def create_guardrail(self, act: Act, name: str | None = None) -> Event:
        used = {guardrail.name for guardrail in self.guardrails.values()}
        free = [option for option in names.MORE_GUARDRAILS + names.GUARDRAILS if option not in used]
        chosen = name or (self.rng.choice(free) if free else f"Rule for {self.rng.choice(names.REPOSITORIES)}")
        new = Guardrail(token(self.rng, "gr", 10), chosen, self.rng.choice(("enforce", "warn")), self.rng.randrange(1, 9), 1)
        self.guardrails[new.id] = new
        return self._event(act, "guardrail.created", target("guardrail", new.id, new.name), after=new.json())

    def update_guardrail(self, act: Act) -> Event:
        """An everyday change: the threshold moves, sometimes the mode (never to ``off``)."""
        old = self.rng.choice(list(self.guardrails.values()))
        threshold = max(1, old.threshold + self.rng.choice((-2, -1, 1, 2)))
        mode = "enforce" if old.mode != "enforce" and self.rng.random() < 0.5 else old.mode
        return self._replace(act, old, mode, threshold)

    def weaken_guardrail(self, act: Act) -> Event:
        """A guardrail that was enforced is switched off and its threshold raised."""
        enforced = [guardrail for guardrail in self.guardrails.values() if guardrail.mode == "enforce"]
        return self._replace(act, self.rng.choice(enforced), "off", 99)

    def _replace(self, act: Act, old: Guardrail, mode: str, threshold: int) -> Event:
        new = replace(old, mode=mode, threshold=threshold, version=old.version + 1)
        self.guardrails[old.id] = new
        return self._event(act, "guardrail.updated", target("guardrail", old.id, old.name), old.json(), new.json())

    def delete_guardrail(self, act: Act) -> Event:
        old = self.guardrails.pop(self.rng.choice(list(self.guardrails)))
        return self._event(act, "guardrail.deleted", target("guardrail", old.id, old.name), before=old.json())

    def create_key(self, act: Act, key: Key) -> Event:
        self.keys[key.id] = key
        after = text({"name": key.name, "holder": key.holder, "scopes": ["reviews:write"], "expires_in_days": 90})
        return self._event(act, "api_key.created", target("api_key", key.id, key.name), after=after)

    def revoke_key(self, act: Act, identity: str) -> Event:
        key = self.keys.pop(identity)
        before = text({"name": key.name, "holder": key.holder, "state": "active"})
        about = target("api_key", key.id, key.name)
        return self._event(act, "api_key.revoked", about, before, before.replace('"active"', '"revoked"'))

    def connect(self, act: Act) -> Event:
        identity, name = token(self.rng, "int", 10), self.rng.choice(names.INTEGRATIONS)
        self.integrations[identity] = name
        after = text({"kind": name, "state": "connected"})
        return self._event(act, "integration.connected", target("integration", identity, name), after=after)

    def disconnect(self, act: Act) -> Event:
        identity = self.rng.choice(list(self.integrations))
        name = self.integrations.pop(identity)
        before = text({"kind": name, "state": "connected"})
        return self._event(act, "integration.disconnected", target("integration", identity, name), before)

    def add_seat(self, act: Act, person: Person) -> Event:
        before = text({"seats_used": len(self.seats)})
        self.seats[person.actor.id] = person
        about = target("user", person.actor.id, person.actor.name)
        return self._event(act, "seat.added", about, before, text({"seats_used": len(self.seats)}))

    def remove_seat(self, act: Act, person: Person) -> Event:
        before = text({"seats_used": len(self.seats)})
        del self.seats[person.actor.id]
        about = target("user", person.actor.id, person.actor.name)
        return self._event(act, "seat.removed", about, before, text({"seats_used": len(self.seats)}))

    def change_plan(self, act: Act) -> Event:
        before = text({"plan": "enterprise", "seats": self.bought, "monthly_price": 29.90})
        self.bought += 10
        after = text({"plan": "enterprise", "seats": self.bought, "monthly_price": 29.90})
        return self._event(act, "plan.changed", target("plan", "plan_enterprise", "Enterprise"), before, after)
