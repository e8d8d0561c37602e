"""The people, service accounts and things of the demo organisation, built from a seed.

What does not belong here: when people work (``workday``) and what changes over time (``history``).
Addresses are from the documentation ranges (RFC 5737, RFC 3849), domains from RFC 2606.
"""

import random
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from audit_pipelines.demo import names
from audit_pipelines.demo.names import Office
from audit_pipelines.demo.wire import Actor, actor, stream, target, token

BROWSERS: Final = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
)
PHONE: Final = "Mozilla/5.0 (Linux; Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0"
TIMEZONE: Final = "Europe/Berlin"
"""Head office: changes by hand are made on its working days, 08:00 to 18:30 of its clock."""
ADMINS: Final = {"Hamburg": 5, "Kraków": 3, "Porto": 2, "Pune": 2}
ON_LEAVE: Final = ("Boston", 0)
"""Office and number of the one person who is away nearly all the time."""
_UNFOLDED: Final = str.maketrans({"ß": "ss", "ł": "l", "Ł": "L", "ø": "o", "đ": "d"})
_SERVICES: Final = (
    # name, reviews on a full working day, client
    ("ci-main", 430, "larkspur-ci/4.12 (runner; linux)"),
    ("ci-mobile", 260, "larkspur-ci/4.12 (runner; darwin)"),
    ("merge-queue", 220, "merge-queue/2.3"),
    ("plan-preview", 150, "plan-preview/0.9.4"),
    ("release-train", 70, "release-train/1.7.0"),
    ("sandbox-reaper", 90, "sandbox-reaper/0.4"),
    ("policy-sync", 30, "policy-sync/3.1.2"),
)


@dataclass(frozen=True, slots=True)
class Person:
    """Someone with a seat. ``joined`` and ``left`` are the days of the seat's events; work lies between."""

    actor: Actor
    office: Office
    admin: bool
    home: str
    """Address at home; always the same one."""
    agents: tuple[str, ...]
    start: float
    """Usual start of work, local hour."""
    home_days: tuple[int, ...]
    """Weekdays at home, Monday = 0."""
    reviews: float
    """Reviews started by hand on a usual day."""
    joined: date | None
    left: date | None
    away: tuple[tuple[date, date], ...]
    """Vacations, both ends included."""
    on_leave: bool
    """Away from the second week to the end."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service account: works with API keys, from a few fixed addresses."""

    actor: Actor
    agent: str
    addresses: tuple[str, ...]
    reviews: int
    """Reviews on a full working day."""


@dataclass(frozen=True, slots=True)
class Thing:
    """A repository or workspace: its id, name and JSON text as a target."""

    id: str
    name: str
    json: str


@dataclass(frozen=True, slots=True)
class Organisation:
    """Who and what there is."""

    id: str
    name: str
    domain: str
    timezone: str
    people: tuple[Person, ...]
    services: tuple[Service, ...]
    repositories: tuple[Thing, ...]
    workspaces: tuple[Thing, ...]
    scheduler: Actor
    engine: Actor

    @property
    def admins(self) -> tuple[Person, ...]:
        """People who may change guardrails, keys, integrations, seats and the plan."""
        return tuple(person for person in self.people if person.admin)


def build(seed: int, hiring: tuple[date, ...], first: date, last: date) -> Organisation:
    """The organisation of ``seed``; ``hiring`` are days on which someone may join or leave, in order."""
    rng = stream(seed, "organisation")
    return Organisation(
        id=token(rng, "org", 12),
        name=names.ORGANISATION,
        domain=names.DOMAIN,
        timezone=TIMEZONE,
        people=tuple(_people(rng, hiring, first, last)),
        services=tuple(_services(rng)),
        repositories=tuple(_things(rng, "repository", "repo", names.REPOSITORIES)),
        workspaces=tuple(_things(rng, "workspace", "ws", names.WORKSPACES)),
        scheduler=actor("system", "sys_scheduler", "Scheduler"),
        engine=actor("system", "sys_review_engine", "Review engine"),
    )


def fold(name: str) -> str:
    """A name as the left side of an e-mail address: lower case, ASCII."""
    plain = unicodedata.normalize("NFKD", name.translate(_UNFOLDED)).encode("ascii", "ignore").decode()
    return plain.lower()


def _people(rng: random.Random, hiring: tuple[date, ...], first: date, last: date) -> Iterator[Person]:
    homes = [f"203.0.113.{number}" for number in range(10, 240)]
    rng.shuffle(homes)
    moves = _moves(rng, hiring)
    for office in names.OFFICES:
        given, family = office.given.split(), office.family.split()
        rng.shuffle(given)
        rng.shuffle(family)
        for number in range(office.head_count):
            admin = number < ADMINS.get(office.city, 0)
            on_leave = (office.city, number) == ON_LEAVE
            joined, left = (None, None) if admin or on_leave else next(moves)
            name = f"{given[number]} {family[number]}"
            email = f"{fold(given[number])}.{fold(family[number])}@{names.DOMAIN}"
            six = f"2001:db8:{rng.randrange(256, 65536):x}:{rng.randrange(256, 65536):x}::{rng.randrange(2, 4096):x}"
            yield Person(
                actor=actor("user", token(rng, "usr", 12), name, email),
                office=office,
                admin=admin,
                home=six if rng.random() < 0.3 else homes.pop(),
                agents=(rng.choice(BROWSERS), PHONE) if rng.random() < 0.25 else (rng.choice(BROWSERS),),
                start=rng.gauss(8.9, 0.5),
                home_days=tuple(sorted(rng.sample(range(5), rng.choice((1, 2, 2, 3, 4))))),
                reviews=rng.uniform(1.5, 6.0),
                joined=joined,
                left=left,
                away=((first + timedelta(days=9), last),) if on_leave else _vacations(rng, first, last),
                on_leave=on_leave,
            )


def _moves(rng: random.Random, hiring: tuple[date, ...]) -> Iterator[tuple[date | None, date | None]]:
    """Who joins and leaves: about every sixth of those asked for; the first to move joins, the second leaves."""
    for number, day in enumerate(rng.sample(hiring, min(len(hiring), 12))):
        while rng.random() >= 0.16:
            yield None, None
        joins = number == 0 or (number > 1 and rng.random() < 0.6)
        yield (day, None) if joins else (None, day)
    while True:
        yield None, None


def _vacations(rng: random.Random, first: date, last: date) -> tuple[tuple[date, date], ...]:
    span = (last - first).days
    starts = [first + timedelta(days=rng.randrange(span + 1)) for _ in range(rng.randrange(3))]
    return tuple((start, start + timedelta(days=rng.choice((2, 4, 6, 11)))) for start in sorted(starts))


def _services(rng: random.Random) -> Iterator[Service]:
    addresses = [f"192.0.2.{number}" for number in range(16, 64)]
    rng.shuffle(addresses)
    for name, reviews, agent in _SERVICES:
        own = tuple(addresses.pop() for _ in range(rng.choice((2, 3))))
        email = f"{name}@svc.{names.DOMAIN}"
        yield Service(actor("service", token(rng, "svc", 12), name, email), agent, own, reviews)


def _things(rng: random.Random, kind: str, prefix: str, called: tuple[str, ...]) -> Iterator[Thing]:
    for name in called:
        identity = token(rng, prefix, 10)
        yield Thing(identity, name, target(kind, identity, name))
