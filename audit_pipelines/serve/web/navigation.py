"""The pages that somebody sees in the navigation: those that the guards of the routes would open.

What does not belong here: the guards (each route's ``needs``), with which a test compares this table.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from audit_pipelines.serve.access import path_of
from audit_pipelines.serve.principal import LINKS, LinkKind, Principal


@dataclass(frozen=True, slots=True)
class Entry:
    """One page of the navigation."""

    route: str
    """The route's name."""
    label: str
    scopes: tuple[str, ...]
    """Any one of these opens it."""
    links: tuple[LinkKind, ...] = ()
    """Kinds of links that may go there."""

    def open_to(self, principal: Principal) -> bool:
        """Whether ``principal`` may go there."""
        limit = principal.restriction
        return any(principal.may(scope) for scope in self.scopes) and (limit is None or limit.kind in self.links)


ENTRIES: Final = (
    Entry("audit_logs", "Events", ("read",), ("period", "actor")),
    Entry("findings", "Findings", ("read", "auditor"), ("period",)),
    Entry("reports", "Reports", ("auditor",), ("report", "period")),
    Entry("verify", "Verify", ("auditor",), ("report", "period")),
    Entry("operator", "Operator", ("admin",), ()),
)
assert set(LINKS) >= {kind for entry in ENTRIES for kind in entry.links}


@dataclass(frozen=True, slots=True)
class Link:
    """An entry as it is printed."""

    label: str
    href: str
    here: bool
    """Whether the page that is shown is this one, or below it."""


def links(request: Request, address: Callable[[str], str]) -> list[Link]:
    """The navigation of whoever asks; empty for nobody. ``address`` gives a route's address."""
    principal: Principal | None = getattr(request.state, "principal", None)
    if principal is None:
        return []
    path = path_of(request.scope)
    found = []
    for entry in ENTRIES:
        if entry.open_to(principal):
            own = str(request.app.url_path_for(entry.route))
            found.append(Link(entry.label, address(entry.route), path == own or path.startswith(f"{own}/")))
    return found
