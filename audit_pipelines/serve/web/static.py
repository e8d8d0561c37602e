"""The style sheet, the scripts and the fonts: read once, under a digest of them all, so that browsers keep them.

What does not belong here: any other file; a name from a request is looked up among these and never becomes a path.
"""

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

from audit_pipelines.shipped import shipped

router = APIRouter(include_in_schema=False)
_TYPES: Final = {
    ".svg": "image/svg+xml",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".woff2": "font/woff2",
}
_FOREVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}


@dataclass(frozen=True, slots=True)
class Files:
    """All files by name, and what names them together."""

    digest: str
    content: Mapping[str, tuple[bytes, str]]
    """Bytes and media type."""


@functools.cache
def files() -> Files:
    """The files of ``templates/viewer/static`` and the fonts; they do not change while the process runs."""
    templates = shipped("templates")
    paths = [*(templates / "viewer" / "static").iterdir(), *(templates / "fonts").glob("*.woff2")]
    content = {path.name: (path.read_bytes(), _TYPES[path.suffix]) for path in sorted(paths) if path.suffix in _TYPES}
    digest = hashlib.sha256()
    for name, (data, _) in content.items():
        digest.update(f"{name} {len(data)}\n".encode() + data)
    return Files(digest.hexdigest()[:16], content)


@router.get("/static/{digest}/{name}", name="static")
async def send(digest: str, name: str) -> Response:
    """One static file."""
    there = files()
    if digest != there.digest or name not in there.content:
        raise HTTPException(404)
    data, kind = there.content[name]
    return Response(data, media_type=kind, headers=_FOREVER)
