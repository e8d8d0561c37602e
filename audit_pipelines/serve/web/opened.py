"""What the page of an opened link says of it: what it shows, until when, and who gave it.

What does not belong here: opening links (``signin``).
"""

from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request

from audit_pipelines.serve.gate import gate_of
from audit_pipelines.serve.principal import Principal, Restriction


@dataclass(frozen=True, slots=True)
class OpenedLink:
    """A link that somebody has opened."""

    name: str
    """What the operator called it when it was made: for whom it is."""
    limit: Restriction
    created: datetime
    expires: datetime


def opened_link(request: Request, principal: Principal) -> OpenedLink | None:
    """The link that ``principal`` came by; None for everyone else."""
    grant = gate_of(request).tokens.grant(principal.id) if principal.kind == "link" else None
    if grant is None or principal.restriction is None:
        return None
    return OpenedLink(grant.name, principal.restriction, grant.created, grant.expires)
