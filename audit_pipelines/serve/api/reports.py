"""``GET /v1/reports``: the issued reports, their files, digests, and where each is loaded from.

The files themselves are those of the pages (``web.reports``), at the same addresses and for the same tokens. What does
not belong here: who sees which month (``months``).
"""

from typing import Annotated, Any

import msgspec
from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response

from audit_pipelines.serve import months
from audit_pipelines.serve.api import document
from audit_pipelines.serve.api.answers import whole
from audit_pipelines.serve.api.shapes import Reports
from audit_pipelines.serve.auditing import auditing_of
from audit_pipelines.serve.pages import address
from audit_pipelines.serve.principal import Principal
from audit_pipelines.serve.revisions import Revision
from audit_pipelines.serve.security import needs

router = document.router()
_Listing = Annotated[Principal, Depends(needs("auditor", action="report.listed", links=("report", "period")))]


@router.get("/v1/reports", name="api_reports", summary="Issued reports", responses=document.kept(Reports))
def reports(request: Request, principal: _Listing) -> Response:
    """Every revision of every month that may be seen; a link sees the months that lie wholly in it."""
    revisions = auditing_of(request).revisions
    seen = [name for name in revisions.months() if (month := months.named(name)) and months.open_to(principal, month)]
    data = [_one(request, revision) for name in seen for revision in revisions.of(name)]
    return whole(request, msgspec.json.encode({"data": data}))


def _one(request: Request, revision: Revision) -> dict[str, Any]:
    size = revision.made.get("log_size")
    return {
        "month": revision.month,
        "revision": revision.number,
        "log_size": size if isinstance(size, int) else None,
        "statement": revision.statement.index if revision.statement else None,
        "sound": revision.sound,
        "files": [
            {
                "name": file.name,
                "bytes": file.size,
                "sha256": file.sha256,
                "url": address(request, "report_file", month=revision.month, revision=revision.name, file=file.name),
            }
            for file in revision.files
        ],
    }
