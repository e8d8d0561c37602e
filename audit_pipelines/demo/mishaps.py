"""Incidents from inside: a loop in a pipeline, changes at night, guardrails deleted or switched off.

Each function writes one script; its first line says what happens.
"""

from datetime import UTC, datetime, time, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from audit_pipelines.demo.activity import login, review_triggered
from audit_pipelines.demo.incidents import Beat, Script, Stage, Step
from audit_pipelines.demo.register import Act, Register
from audit_pipelines.demo.wire import moment, origin, token

DELETED = 12


def volume_outlier(stage: Stage) -> Script:
    """A service account starts hundreds of reviews more than it ever did: a loop in a pipeline."""
    rng = stage.rng("volume_outlier")
    service = rng.choice(stage.organisation.services[1:4])
    start = moment(stage.day, rng.uniform(9, 15) * 3600)
    times = sorted(start + timedelta(seconds=rng.uniform(0, 7200)) for _ in range(service.reviews * 4))
    repository = rng.choice(stage.organisation.repositories)
    beats = []
    for at in times:
        source = origin(address=service.addresses[0], agent=service.agent, key=stage.key_of(service.actor.id, at))
        beats.append(Beat(at, partial(review_triggered, act=Act(at, service.actor, source), repository=repository)))
    story = f"{service.actor.name} started reviews in a loop"
    return Script("volume_outlier", stage.day, service.actor.id, story, tuple(beats))


def off_hours_administration(stage: Stage) -> Script:
    """An admin of head office changes settings from home between two and four at night."""
    rng = stage.rng("off_hours_administration")
    admins = [admin for admin in stage.organisation.admins if admin.office.zone == stage.organisation.timezone]
    person = rng.choice(admins)
    midnight = datetime.combine(stage.day, time.min, ZoneInfo(stage.organisation.timezone)).astimezone(UTC)
    # From 02:00 on, a night at head office is in the same UTC day.
    start = midnight + timedelta(hours=rng.uniform(2.2, 3.8))
    place = (person.office.country, person.office.city)
    source = origin(address=person.home, agent=person.agents[0], session=token(rng, "ses"), place=place)
    acts = [Act(start + timedelta(seconds=gap), person.actor, source) for gap in (0, 130, 300, 420, 700)]
    changes: list[Step] = [partial(Register.update_guardrail, act=act) for act in acts[1:4]]
    changes.append(partial(Register.connect, act=acts[4]))
    beats = [Beat(acts[0].at, partial(login, act=acts[0]), shows=False)]
    beats += [Beat(act.at, step) for act, step in zip(acts[1:], changes, strict=True)]
    story = f"{person.actor.name} changed settings at night"
    return Script("off_hours_administration", stage.day, person.actor.id, story, tuple(beats))


def mass_deletion(stage: Stage) -> Script:
    """An admin deletes a dozen guardrails within minutes; a colleague makes new ones the next working day."""
    rng = stage.rng("mass_deletion")
    start, work = stage.admin("mass_deletion")
    times = [start + timedelta(seconds=11 * number + rng.uniform(0, 6)) for number in range(DELETED)]
    beats = [Beat(at, partial(Register.delete_guardrail, act=Act(at, work.person.actor, work.origin))) for at in times]
    repair = stage.repair("mass_deletion repair")
    if repair:
        moments = [repair[0] + timedelta(seconds=70 * number) for number in range(DELETED)]
        acts = [Act(at, repair[1].person.actor, repair[1].origin) for at in moments]
        beats += [Beat(act.at, partial(Register.create_guardrail, act=act), shows=False) for act in acts]
    story = f"{work.person.actor.name} deleted {DELETED} guardrails"
    return Script("mass_deletion", stage.day, work.person.actor.id, story, tuple(beats), ("guardrail_weakened",))


def guardrail_weakened(stage: Stage) -> Script:
    """An admin switches an enforced guardrail off."""
    at, work = stage.admin("guardrail_weakened")
    act = Act(at, work.person.actor, work.origin)
    beat = Beat(at, partial(Register.weaken_guardrail, act=act))
    return Script("guardrail_weakened", stage.day, "", f"{act.actor.name} switched a guardrail off", (beat,))
