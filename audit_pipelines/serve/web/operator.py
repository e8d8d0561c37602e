"""The operator's page: what is wrong first and what to do, then how everything stands.

What does not belong here: finding out (``defs.standing``, ``operating``).
"""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from audit_pipelines.defs.standing import standing
from audit_pipelines.serve import operating
from audit_pipelines.serve.pages import page
from audit_pipelines.serve.principal import Principal
from audit_pipelines.serve.reader import reader_of
from audit_pipelines.serve.security import needs

router = APIRouter(include_in_schema=False)
_Operating = Annotated[Principal, Depends(needs("admin", action="operator.viewed", links=()))]


@router.get("/operator", name="operator")
def operator(request: Request, principal: _Operating) -> Response:  # noqa: ARG001 - the check is in the dependency
    """How the pipeline stands now."""
    reader = reader_of(request)
    now = reader.now()
    log = reader.log()
    return page(
        request,
        "operator.html.j2",
        stands=standing(reader.home, now),
        runs=operating.runs(reader.home, reader.settings.serve.dagster_url),
        disk=operating.disk(reader.home, log, now),
        now=now,
        dagster=reader.settings.serve.dagster_url,
    )
