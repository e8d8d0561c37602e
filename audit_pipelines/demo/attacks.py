"""Incidents from outside: guessed passwords, stolen sessions and keys, a revived account.

Each function writes one script; its first line says what happens. All strange addresses are from the
documentation ranges (RFC 5737).
"""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from audit_pipelines.demo.activity import failed_login, login, review_completed, review_triggered
from audit_pipelines.demo.incidents import Beat, Script, Stage
from audit_pipelines.demo.organisation import BROWSERS, Person
from audit_pipelines.demo.register import Act, Key, Register
from audit_pipelines.demo.wire import Actor, Origin, moment, origin, text, token

_SCRIPTED = "python-requests/2.32.4"


def failed_login_burst(stage: Stage) -> Script:
    """Many failed logins to three accounts from one address within eight minutes."""
    rng = stage.rng("failed_login_burst")
    known = [person.actor for person in rng.sample(stage.regulars(), 2)]
    accounts = [*known, _unknown(f"{rng.choice(('admin', 'root', 'backup'))}@{stage.organisation.domain}")]
    beats = _failures(stage, rng, [rng.choice(accounts) for _ in range(rng.randrange(35, 70))], minutes=8)
    return Script("failed_login_burst", stage.day, stage.strange(), "Passwords guessed from one address", beats)


def password_spray(stage: Stage) -> Script:
    """One or two passwords tried for each of fourteen accounts, slowly, from one address."""
    rng = stage.rng("password_spray")
    accounts = [person.actor for person in rng.sample(stage.regulars(), 14)]
    beats = _failures(stage, rng, accounts + accounts[:4], minutes=50, even=True)
    return Script("password_spray", stage.day, stage.strange(), "A common password tried for many accounts", beats)


def success_after_failures(stage: Stage) -> Script:
    """Nine wrong passwords for one account from a strange address, then the right one."""
    rng = stage.rng("success_after_failures")
    person = stage.victim(rng)
    wrong = _failures(stage, rng, [person.actor] * 9, minutes=15, even=True)
    source = origin(address=stage.strange(), agent=_SCRIPTED, session=token(rng, "ses"))
    act = Act(wrong[-1].at + timedelta(seconds=40), person.actor, source)
    beats = (*wrong, Beat(act.at, partial(login, act=act)))
    story = f"The password of {person.actor.name} was guessed"
    return Script("success_after_failures", stage.day, person.actor.id, story, beats, ("first_seen_address",))


def first_seen_address(stage: Stage) -> Script:
    """A known person logs in from a new network and looks around."""
    rng = stage.rng("first_seen_address")
    person = stage.victim(rng)
    source = origin(address=stage.strange(), agent=rng.choice(BROWSERS), session=token(rng, "ses"))
    beats = _visit(stage, person, source, moment(stage.day, rng.uniform(8, 20) * 3600))
    return Script("first_seen_address", stage.day, person.actor.id, f"{person.actor.name} from a new network", beats)


def dormant_actor_returned(stage: Stage) -> Script:
    """Somebody signs in, from home, as the person who has been on leave for weeks."""
    rng = stage.rng("dormant_actor_returned")
    person = next(person for person in stage.organisation.people if person.on_leave)
    source = origin(address=person.home, agent=person.agents[0], session=token(rng, "ses"))
    beats = _visit(stage, person, source, moment(stage.day, rng.uniform(13, 20) * 3600))
    return Script("dormant_actor_returned", stage.day, person.actor.id, f"{person.actor.name}, on leave, signed in", beats)


def session_moved(stage: Stage) -> Script:
    """A colleague's running session is used from another address by another client."""
    rng = stage.rng("session_moved")
    start, work = stage.colleague(rng)
    source = origin(address=stage.strange(), agent=_SCRIPTED, session=work.session)
    repository = rng.choice(stage.organisation.repositories)
    acts = [Act(start + timedelta(seconds=gap), work.person.actor, source) for gap in (0, 20, 55, 71)]
    # The owner looks at something just before, so that the session is seen at both places within minutes.
    owner = Act(start - timedelta(minutes=2), work.person.actor, work.origin)
    beats = [Beat(owner.at, partial(review_triggered, act=owner, repository=repository))]
    beats += [Beat(act.at, partial(review_triggered, act=act, repository=repository)) for act in acts]
    story = f"The session of {work.person.actor.name} was stolen"
    return Script("session_moved", stage.day, work.person.actor.id, story, tuple(beats), ("first_seen_address",))


def new_key_foreign_address(stage: Stage) -> Script:
    """A new API key is used within the hour from an address never seen, and revoked the next working day."""
    rng = stage.rng("new_key_foreign_address")
    at, work = stage.colleague(rng)
    holder = work.person.actor
    key = Key(token(rng, "key"), f"{holder.name}: laptop", holder.id)
    made = Act(at, holder, work.origin)
    beats = [Beat(made.at, partial(Register.create_key, act=made, key=key))]
    source = origin(address=stage.strange(), agent="tc-cli/1.8.2 (linux)", key=key.id)
    repository = rng.choice(stage.organisation.repositories)
    for number in range(18):
        act = Act(made.at + timedelta(seconds=1500 + 47 * number), holder, source)
        done = Act(act.at + timedelta(seconds=31), holder, source)
        beats.append(Beat(act.at, partial(review_triggered, act=act, repository=repository)))
        beats.append(Beat(done.at, partial(review_completed, act=done, repository=repository)))
    repair = stage.repair("new key")
    if repair:
        act = Act(repair[0], repair[1].person.actor, repair[1].origin)
        beats.append(Beat(act.at, partial(Register.revoke_key, act=act, identity=key.id), shows=False))
    story = f"A new key of {holder.name} leaked"
    return Script("new_key_foreign_address", stage.day, key.id, story, tuple(beats), ("first_seen_address",))


def _unknown(email: str) -> Actor:
    """Somebody who tries to sign in to an account that does not exist."""
    return Actor("user", "", "", email, text({"type": "user", "id": None, "name": None, "email": email}))


def _failures(
    stage: Stage, rng: random.Random, accounts: Sequence[Actor], *, minutes: int, even: bool = False
) -> tuple[Beat, ...]:
    """One failed login for each of ``accounts`` within ``minutes``, at chance times or ``even`` ones."""
    source = origin(address=stage.strange(), agent=_SCRIPTED)
    start, step = moment(stage.day, rng.uniform(1, 22) * 3600), minutes * 60 / len(accounts)
    gaps = [number * step if even else rng.uniform(0, minutes * 60) for number in range(len(accounts))]
    acts = [Act(start + timedelta(seconds=gap), account, source) for gap, account in zip(sorted(gaps), accounts, strict=True)]
    return tuple(Beat(act.at, partial(failed_login, act=act)) for act in acts)


def _visit(stage: Stage, person: Person, source: Origin, start: datetime) -> tuple[Beat, ...]:
    """A login and three reviews within seven minutes."""
    acts = [Act(start + timedelta(seconds=gap), person.actor, source) for gap in (0, 95, 260, 410)]
    repository = stage.organisation.repositories[0]
    reviews = [Beat(act.at, partial(review_triggered, act=act, repository=repository)) for act in acts[1:]]
    return (Beat(start, partial(login, act=acts[0])), *reviews)
