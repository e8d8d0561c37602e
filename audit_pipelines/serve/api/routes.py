"""Every router of the API, in the order in which addresses are matched.

What does not belong here: a route.
"""

from typing import Final

from fastapi import APIRouter

from audit_pipelines.serve.api import drops, event, events, findings, heads, reports, stream, tiles

ROUTERS: Final[tuple[APIRouter, ...]] = tuple(
    module.router for module in (events, stream, event, reports, findings, heads, drops, tiles)
)
