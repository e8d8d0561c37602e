"""What the pages for auditors read with, beside the ``Reader``: statements, reports, bundles, findings; one for a process.

What does not belong here: who may see it, and the pages.
"""

from dataclasses import dataclass

from fastapi import Request

from audit_pipelines.home import Home
from audit_pipelines.serve.bundles import Bundles
from audit_pipelines.serve.findings import Findings
from audit_pipelines.serve.revisions import Revisions
from audit_pipelines.serve.statements import Statements


@dataclass(frozen=True, slots=True)
class Auditing:
    """A home as auditors see it."""

    statements: Statements
    revisions: Revisions
    bundles: Bundles
    findings: Findings

    @classmethod
    def of(cls, home: Home) -> "Auditing":
        """Reads nothing yet."""
        statements = Statements(home)
        return cls(statements, Revisions(home, statements), Bundles(home), Findings(home))


def auditing_of(request: Request) -> Auditing:
    """The process's, for routes."""
    auditing: Auditing = request.app.state.auditing
    return auditing
