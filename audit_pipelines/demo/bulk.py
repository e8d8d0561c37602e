"""Very many records of one day, fast: for measurements, where the day's story does not matter.

The records have the shape of the demo's (``wire``), but are filled into a few hundred templates. They
come nearly in order of time, as a log's buffers give them. What does not belong here: anything that says
what a record means.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

from audit_pipelines.demo import activity, organisation
from audit_pipelines.demo.days import Routine
from audit_pipelines.demo.history import History
from audit_pipelines.demo.register import Act, Register
from audit_pipelines.demo.wire import Event, moment, origin, render, stream, token

TEMPLATES: Final = 512
CHANGING: Final = 0.12
"""Share of records with ``before`` and ``after``."""
JITTER: Final = 3_000_000
"""Microseconds by which neighbours may be out of order."""
_DAY: Final = 86_400_000_000


def bulk(day: date, count: int, seed: int) -> Iterator[bytes]:
    """``count`` NDJSON lines, each with its line end, about 750 bytes, distinct ids, all of ``day``.

    Deterministic: the same arguments give the same bytes.
    """
    rng = stream(seed, "bulk", day)
    templates = _templates(seed, day)
    pick, chance, bits = rng.randrange, rng.random, rng.getrandbits
    start = int(moment(day).timestamp()) * 1000
    step = (_DAY - JITTER) / max(1, count)
    date_text = str(day).encode()
    for number in range(count):
        at = int(number * step + chance() * JITTER)
        second, micro = divmod(at, 1_000_000)
        minute, second = divmod(second, 60)
        hour, minute = divmod(minute, 60)
        # The number in the id makes it distinct, whatever chance does.
        noise = bits(96)
        yield templates[pick(TEMPLATES)] % (
            *(start + at // 1000, number, noise & 0xFFFFFFFF),
            *(date_text, hour, minute, second, micro, noise >> 32),
        )


def _templates(seed: int, day: date) -> list[bytes]:
    """Rendered events with their ids, times and request ids made into places to fill."""
    people = organisation.build(seed, (), day, day)
    changing = round(TEMPLATES * CHANGING)
    register = Register(stream(seed, "bulk changes"), people)
    register.fill()
    routine = Routine(stream(seed, "bulk templates"), people, History({}, {}, ()), day)
    events = [register.update_guardrail(_act(routine)) for _ in range(changing)]
    while len(events) < TEMPLATES:
        events += _unchanging(routine)
    return [_places(event, people.id) for event in events[:TEMPLATES]]


def _unchanging(routine: Routine) -> list[Event]:
    things = routine.organisation
    act = _act(routine)
    pair = activity.review(routine, act, _act(routine), routine.rng.choice(things.repositories))
    scans = activity.drift_scan(routine, act, act, routine.rng.choice(things.workspaces))
    return [*pair, *activity.review(routine, act, act, things.repositories[0]), activity.login(routine, act=act), scans[0]]


def _act(routine: Routine) -> Act:
    rng, people = routine.rng, routine.organisation
    at = moment(routine.day) + timedelta(seconds=1)
    if rng.random() < 0.6:
        service = rng.choice(people.services)
        return Act(at, service.actor, origin(address=service.addresses[0], agent=service.agent, key=token(rng, "key")))
    person = rng.choice(people.people)
    place = (person.office.country, person.office.city)
    return Act(at, person.actor, origin(address=person.home, agent=person.agents[0], session=token(rng, "ses"), place=place))


def _places(event: Event, organisation_id: str) -> bytes:
    line = render(event, organisation_id).replace(b"%", b"%%")
    at = event.at.isoformat(timespec="microseconds")[:26].encode()
    line = line.replace(event.id.encode(), b"evt_%012x%08x%08x", 1).replace(at, b"%sT%02d:%02d:%02d.%06d", 1)
    head, mark, tail = line.partition(b'"request_id":"req_')
    return head + mark + b"%016x" + tail[16:] + b"\n"
