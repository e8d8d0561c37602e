"""``GET /v1/drops``: what was written for a SIEM, by batch and day: the drop manifests as they are.

Links never come here: a manifest counts what they may not see. What does not belong here: the drops themselves, which
a SIEM takes from the home's folder.
"""

import base64
import binascii
import re
from typing import Annotated, Final

from fastapi import Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from audit_pipelines.home import Home
from audit_pipelines.serve.access import touched
from audit_pipelines.serve.api import document
from audit_pipelines.serve.api.answers import page, whole
from audit_pipelines.serve.api.asked import Shipped
from audit_pipelines.serve.api.shapes import DropPage
from audit_pipelines.serve.filters import BadParameter
from audit_pipelines.serve.principal import Principal
from audit_pipelines.serve.reader import reader_of
from audit_pipelines.serve.security import needs

router = document.router()
_Listing = Annotated[Principal, Depends(needs("admin", action="drop.listed", links=()))]
_NAME: Final = re.compile(r"([0-9]{8})\.([bdr])([0-9]{6,12})(?:\.([1-9][0-9]{0,8}))?\.manifest\.json")
Key = tuple[int, str, int]
"""Batch, day, how-manieth: the newest is the largest."""


@router.get("/v1/drops", name="api_drops", summary="Drops for a SIEM", responses=document.kept(DropPage))
def drops(request: Request, _: _Listing, asked: Annotated[Shipped, Query()]) -> Response:
    """The drop manifests, the newest batch first: each names a batch and a day, and the files of each format."""
    home = reader_of(request).home
    found = _names(home)
    wanted = sorted(found, reverse=True)
    if asked.cursor:
        last = _decoded(asked.cursor)
        wanted = [key for key in wanted if key < last]
    shown = wanted[: asked.limit]
    folder = home.drops / "_manifests"
    data = [(folder / found[key]).read_bytes().strip() for key in shown]
    for key in shown:
        touched(request, "drop", found[key].removesuffix(".manifest.json"))
    following = _encoded(shown[-1]) if len(wanted) > len(shown) else None
    return whole(request, page(data, following, len(found)))


def _names(home: Home) -> dict[Key, str]:
    """Every manifest's file name."""
    folder = home.drops / "_manifests"
    paths = folder.iterdir() if folder.is_dir() else ()
    matches = [match for path in paths if (match := _NAME.fullmatch(path.name))]
    return {(int(match[3]), match[1], int(match[4] or 0)): match[0] for match in matches}


def _encoded(key: Key) -> str:
    return base64.urlsafe_b64encode(":".join(map(str, key)).encode()).decode().rstrip("=")


def _decoded(text: str) -> Key:
    """What ``_encoded`` made.

    Raises:
        BadParameter: it did not make this.
    """
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (ValueError, binascii.Error):
        raw = ""
    match = re.fullmatch(r"([0-9]{1,12}):([0-9]{8}):([0-9]{1,9})", raw, re.ASCII)
    if match is None:
        raise BadParameter("cursor", "is none; give next_cursor of the page before as it was")
    return int(match[1]), match[2], int(match[3])
