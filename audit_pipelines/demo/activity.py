"""The everyday events that change nothing: logins, reviews, drift scans.

Each function makes one event of an ``Act``, or a pair. What does not belong here: how many of them a
day has (``days``).
"""

import random
from typing import Final, Protocol

from audit_pipelines.demo.organisation import Organisation, Thing
from audit_pipelines.demo.register import Act
from audit_pipelines.demo.wire import Event, event_id


class Maker(Protocol):
    """What events are made with: chance and the organisation. A ``Register`` is one."""

    @property
    def rng(self) -> random.Random: ...

    @property
    def organisation(self) -> Organisation: ...


SIGN_IN: Final = ("password", "single_sign_on", "single_sign_on", "security_key")


def _make(maker: Maker, act: Act, type_: str, targets: str, outcome: str | None = None, more: str = "") -> Event:
    context = act.origin.context(maker.rng)
    return Event(event_id(act.at, maker.rng), act.at, type_, act.actor, targets, context, outcome=outcome, more=more)


def _application(maker: Maker) -> str:
    return f'{{"type":"organisation","id":"{maker.organisation.id}","name":"{maker.organisation.name}"}}'


def login(maker: Maker, *, act: Act) -> Event:
    """Someone signs in."""
    more = f',"method":"{maker.rng.choice(SIGN_IN)}","mfa":{"true" if maker.rng.random() < 0.9 else "false"}'
    return _make(maker, act, "authentication.login", _application(maker), "success", more)


def failed_login(maker: Maker, *, act: Act) -> Event:
    """Someone tries to sign in and fails."""
    more = ',"method":"password","reason":"bad_password"'
    return _make(maker, act, "authentication.login", _application(maker), "failure", more)


def logout(maker: Maker, *, act: Act) -> Event:
    """Someone signs out."""
    return _make(maker, act, "authentication.logout", _application(maker))


def _review(maker: Maker, repository: Thing) -> tuple[str, str]:
    """A new review: its targets, and the members that both of its events have."""
    rng = maker.rng
    number, files = rng.randrange(100, 9999), rng.randrange(1, 60)
    targets = f'{{"type":"review","id":"rev_{rng.getrandbits(40):010x}","name":"#{number}"}},{repository.json}'
    return targets, f',"commit":"{rng.getrandbits(160):040x}","branch":"change/{rng.getrandbits(24):06x}","files":{files}'


def review_triggered(maker: Maker, *, act: Act, repository: Thing) -> Event:
    """A review of an infrastructure change starts."""
    targets, more = _review(maker, repository)
    return _make(maker, act, "review.triggered", targets, None, more)


def review_completed(maker: Maker, *, act: Act, repository: Thing) -> Event:
    """A review on its own ends (its start is not part of the story)."""
    targets, more = _review(maker, repository)
    return completed(maker, act, targets, more)


def completed(maker: Maker, act: Act, targets: str, more: str) -> Event:
    """The review with these ``targets`` and members ends."""
    rng = maker.rng
    passed = rng.random() < 0.82
    findings = 0 if passed else rng.randrange(1, 14)
    verdict = "passed" if passed else "changes_requested"
    result = f'{more},"verdict":"{verdict}","findings":{findings},"score":{rng.randrange(400, 1000) / 10:.1f}'
    return _make(maker, act, "review.completed", targets, "success" if rng.random() < 0.985 else "failure", result)


def review(maker: Maker, act: Act, done: Act, repository: Thing) -> tuple[Event, Event]:
    """A review from start to end: two events about the same thing."""
    targets, more = _review(maker, repository)
    started = _make(maker, act, "review.triggered", targets, None, more)
    return started, completed(maker, done, targets, more)


def drift_scan(maker: Maker, act: Act, done: Act, workspace: Thing) -> tuple[Event, Event]:
    """A scan for drift between code and cloud: two events."""
    rng = maker.rng
    targets = f'{{"type":"drift_scan","id":"scan_{rng.getrandbits(40):010x}","name":"{workspace.name}"}},{workspace.json}'
    resources = rng.randrange(150, 4200)
    more = f',"schedule":"every 4 hours","resources":{resources}'
    started = _make(maker, act, "drift_scan.initiated", targets, None, more)
    drifted = 0 if rng.random() < 0.8 else rng.randrange(1, 12)
    ended = _make(maker, done, "drift_scan.completed", targets, "success", f'{more},"drifted":{drifted}')
    return started, ended
