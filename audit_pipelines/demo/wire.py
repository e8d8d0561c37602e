"""The JSON text of an event as the demo's API sends it, and the seeded chance behind it.

One compact object an event, UTF-8, members always in the same order; ``outcome`` and the last members
are there only for some types. What does not belong here: which events happen (``history``, ``days``).
"""

import json
import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

SCHEMA: Final = "2025-10"
"""Value of ``schema_version``, a member that no canonical column is made of."""


def stream(*words: object) -> random.Random:
    """Chance that gives the same numbers in every process: seeded with text, never with ``hash()``."""
    return random.Random("|".join(str(word) for word in words))  # noqa: S311  # repeatable on purpose, no secret


def text(value: object) -> str:
    """Compact JSON, letters beyond ASCII as themselves."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def moment(day: date, second: float = 0.0) -> datetime:
    """The UTC time ``second`` seconds after the start of ``day``."""
    return datetime.combine(day, time.min, UTC) + timedelta(seconds=second)


def token(rng: random.Random, prefix: str, digits: int = 16) -> str:
    """A made-up id such as ``key_3f...``."""
    return f"{prefix}_{rng.getrandbits(4 * digits):0{digits}x}"


def target(kind: str, identity: str, name: str) -> str:
    """One member of ``targets`` as JSON text."""
    return text({"type": kind, "id": identity, "name": name})


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did something; ``json`` is made once because thousands of events repeat it."""

    type: str
    id: str
    name: str
    email: str | None
    json: str


def actor(kind: str, identity: str, name: str, email: str | None = None) -> Actor:
    """An ``Actor`` with its JSON text."""
    return Actor(kind, identity, name, email, text({"type": kind, "id": identity, "name": name, "email": email}))


@dataclass(frozen=True, slots=True)
class Origin:
    """Where requests come from: ``context`` but for the request id, which each event draws anew."""

    address: str | None
    head: str
    tail: str

    def context(self, rng: random.Random) -> str:
        return f"{self.head}{rng.getrandbits(64):016x}{self.tail}"


def origin(
    *,
    address: str | None,
    agent: str | None,
    session: str | None = None,
    key: str | None = None,
    place: tuple[str, str] | None = None,
) -> Origin:
    """The ``context`` of requests from ``address``; ``place`` is (country, city), left out where unknown."""
    head = text({"ip": address, "user_agent": agent, "session_id": session, "api_key_id": key})
    geo = f',"geo":{text({"country": place[0], "city": place[1]})}' if place else ""
    return Origin(address, f'{head[:-1]},"request_id":"req_', f'"{geo}}}')


@dataclass(frozen=True, slots=True)
class Event:
    """One event before it is text; ``targets``, ``context``, ``before``, ``after``, ``more`` are JSON texts."""

    id: str
    at: datetime
    type: str
    actor: Actor
    targets: str
    context: str
    before: str = "null"
    after: str = "null"
    outcome: str | None = None
    more: str = ""
    """Further members, each with a comma before it."""


def event_id(at: datetime, rng: random.Random) -> str:
    """An id that sorts by time: 48 bits of milliseconds, 80 bits of chance."""
    return f"evt_{int(at.timestamp() * 1000):012x}{rng.getrandbits(80):020x}"


def render(event: Event, organisation: str) -> bytes:
    """The record: the exact bytes that the API sends for ``event``."""
    outcome = f'"outcome":"{event.outcome}",' if event.outcome else ""
    at = event.at.isoformat(timespec="microseconds")[:26]
    return (
        f'{{"id":"{event.id}","occurred_at":"{at}Z","org_id":"{organisation}","type":"{event.type}",{outcome}'
        f'"actor":{event.actor.json},"targets":[{event.targets}],"context":{event.context},'
        f'"before":{event.before},"after":{event.after},"schema_version":"{SCHEMA}"{event.more}}}'
    ).encode()
