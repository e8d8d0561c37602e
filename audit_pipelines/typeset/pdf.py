"""HTML to PDF with WeasyPrint: sealed against the network and the file system, equal bytes for equal input.

The only resources are ``report:NAME``: the style sheet and the fonts of the template folders. Anything else
ends the render. Subset fonts carry a time stamp, taken from ``SOURCE_DATE_EPOCH``, which is set here to the
end of the period; so two renders give the same bytes wherever and whenever they run, with equal versions
of WeasyPrint, fontTools, Pango and HarfBuzz. What does not belong here: what the pages say.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import weasyprint
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

from audit_pipelines.errors import ReportError
from audit_pipelines.typeset.fonts import coverage
from audit_pipelines.typeset.pages import html
from audit_pipelines.typeset.shelf import Shelf
from audit_pipelines.typeset.tables import Attachment
from audit_pipelines.typeset.text import Escape

SCHEME: Final = "report:"
REPORT_JSON: Final = "report.json"
_TYPES: Final = {"css": "text/css", "woff2": "font/woff2", "ttf": "font/ttf", "otf": "font/otf"}


class SealedFetcher(URLFetcher):  # type: ignore[misc]  # WeasyPrint ships no types
    """Gives ``report:`` resources and refuses every other address, which ends the render."""

    def __init__(self, shelf: Shelf) -> None:
        super().__init__()
        self._shelf = shelf

    def fetch(self, url: str, headers: Mapping[str, str] | None = None) -> URLFetcherResponse:  # noqa: ARG002  # WeasyPrint's signature
        """The resource.

        Raises:
            FatalURLFetchingError: it is none of the bundled ones.
        """
        name = url.removeprefix(SCHEME)
        content = self._shelf.read(name) if url.startswith(SCHEME) else None
        if content is None:
            raise FatalURLFetchingError(f"refused: {url[:200]!r}")
        return URLFetcherResponse(url, content, {"Content-Type": _TYPES[name.rsplit(".", 1)[1]]})


def encode(model: Mapping[str, object]) -> bytes:
    """``report.json``: the model as ASCII JSON with sorted members, one final newline."""
    return json.dumps(model, indent=1, sort_keys=True).encode("ascii") + b"\n"


def render(model: Mapping[str, Any], *, folders: Sequence[Path], attachments: Sequence[Attachment]) -> bytes:
    """The PDF.

    Args:
        model: as ``compute`` made it, or ``report.json`` read back.
        folders: ``templates`` folders, a customer's first, the shipped last.
        attachments: lists that the PDF carries; ``report.json`` is added.

    Raises:
        ReportError: a template is broken, a font unreadable, or a page asked for an outside resource.
    """
    shelf = Shelf(folders)
    escape = Escape(coverage(shelf.fonts()))
    content = encode(model)
    text = html(model, folders, escape, report_sha256=hashlib.sha256(content).hexdigest())
    until = datetime.fromisoformat(model["period"]["until"])
    data = Attachment(REPORT_JSON, "Every figure, its query and digest", content, 0)
    files = [
        weasyprint.Attachment(
            string=item.content,
            name=item.name,
            description=item.description,
            created=until,
            modified=until,
            relationship="Data" if item is data else "Source",
        )
        for item in (data, *attachments)
    ]
    fetcher = SealedFetcher(shelf)
    fonts = FontConfiguration()
    with _epoch(int(until.timestamp())):
        try:
            sheet = weasyprint.CSS(url=f"{SCHEME}print.css", url_fetcher=fetcher, font_config=fonts, base_url=SCHEME)
            page = weasyprint.HTML(string=text, url_fetcher=fetcher, base_url=SCHEME)
            made = page.write_pdf(stylesheets=[sheet], font_config=fonts, attachments=files, pdf_tags=True, custom_metadata=False)
        except FatalURLFetchingError as error:
            raise ReportError(f"a page asked for an outside resource: {error}", where="templates/report") from None
    assert isinstance(made, bytes)
    return made


@contextmanager
def _epoch(seconds: int) -> Iterator[None]:
    """``SOURCE_DATE_EPOCH`` for the time of a render; fontTools reads it when a subset is saved."""
    name = "SOURCE_DATE_EPOCH"
    before = os.environ.get(name)
    os.environ[name] = str(seconds)
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
