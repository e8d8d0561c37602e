"""Who asks, and what they may: scopes, restrictions of links, and the principal that routes get.

What does not belong here: how somebody shows who they are (``tokens``, ``sessions``, ``oidc``), and the check in
front of a route (``security``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

SCOPES: Final[Mapping[str, str]] = {
    "read": "the viewer: events, details, proofs, findings, checkpoint and tiles",
    "export": "events as files; goes with read",
    "auditor": "reports, their files and bundles, verification, findings and checkpoint",
    "admin": "the operator's page, the drops, and all of the others",
}
"""Every scope, and what it opens."""

LinkKind = Literal["report", "period", "actor"]
LINKS: Final[tuple[LinkKind, ...]] = ("report", "period", "actor")
"""What a link can be restricted to."""
SHOWS_EVENTS: Final[tuple[LinkKind, ...]] = ("period", "actor")
"""Links that show events."""
LINK_SCOPES: Final[Mapping[LinkKind, frozenset[str]]] = {
    "report": frozenset({"auditor"}),
    "period": frozenset({"read", "export", "auditor"}),
    "actor": frozenset({"read", "export"}),
}
"""The scopes that a link of each kind carries, always within its restriction."""


@dataclass(frozen=True, slots=True)
class Restriction:
    """The part of the log that a link shows; what lies outside is as if it did not exist."""

    report: str | None = None
    """One month, e.g. ``2026-01``: its report and bundle, no events."""
    since: datetime | None = None
    """First moment of the period, UTC."""
    until: datetime | None = None
    """The moment after the period, UTC."""
    actor: str | None = None
    """Id or e-mail address of the one actor whose events are shown."""

    @property
    def kind(self) -> LinkKind:
        if self.report is not None:
            return "report"
        return "period" if self.actor is None else "actor"


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever a request comes from, after their credentials were checked."""

    kind: Literal["token", "link", "oidc", "public"]
    """``public``: nobody in particular, where a setting opens a route to everyone."""
    id: str
    """Public id of the token (``tok_...``) or link (``lnk_...``), ``sub`` of OIDC; never a secret."""
    name: str
    email: str | None
    scopes: frozenset[str]
    restriction: Restriction | None
    session: str | None
    """Id of the browser session; ``None`` = a bearer token."""

    def may(self, scope: str) -> bool:
        """Whether the scopes open ``scope``: admin opens all, export needs read beside it."""
        if "admin" in self.scopes:
            return True
        return scope in self.scopes and (scope != "export" or "read" in self.scopes)


PUBLIC: Final = Principal("public", "public", "everyone", None, frozenset(), None, None)
"""The principal of ``serve.public_log``: anyone, without credentials."""
