"""What every request needs to be let in, in one place: settings, clock, tokens, limits, sessions, access log.

What does not belong here: the checks themselves (``security``) and what is behind them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from starlette.requests import HTTPConnection

from audit_pipelines.home import Home
from audit_pipelines.serve.journal import Journal
from audit_pipelines.serve.ratelimit import Buckets
from audit_pipelines.serve.sessions import Ended
from audit_pipelines.serve.tokens import TokenStore
from audit_pipelines.settings import Settings

Clock = Callable[[], datetime]
"""The time now, UTC."""
FAILURES_A_MINUTE = 10
"""Wrong credentials and failed sign-ins that one address may offer."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Made once by ``app.build``; routes find it with ``gate_of``."""

    home: Home
    settings: Settings
    now: Clock
    tokens: TokenStore
    requests: Buckets
    """By principal."""
    failures: Buckets
    """By address."""
    ended: Ended
    journal: Journal


def open_gate(home: Home, settings: Settings, now: Clock) -> Gate:
    """The gate of ``home``."""
    return Gate(
        home=home,
        settings=settings,
        now=now,
        tokens=TokenStore(home),
        requests=Buckets("requests", settings.serve.requests_a_minute),
        failures=Buckets("failures", FAILURES_A_MINUTE),
        ended=Ended(),
        journal=Journal(home.state / "access"),
    )


def gate_of(connection: HTTPConnection) -> Gate:
    """The gate of the application that serves ``connection``."""
    return cast("Gate", connection.app.state.gate)
