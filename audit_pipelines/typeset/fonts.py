"""Which characters the bundled fonts can print.

A character without a glyph would be taken from whatever font the machine has (other bytes on another
machine), or print as an empty box. What does not belong here: the choice of fonts (``print.css``).
"""

from collections.abc import Iterable
from pathlib import Path

from fontTools.ttLib import TTFont, TTLibError

from audit_pipelines.errors import ReportError


def coverage(fonts: Iterable[Path]) -> frozenset[int]:
    """The code points that at least one of ``fonts`` (woff2, ttf, otf) has a glyph for.

    Raises:
        ReportError: a file is no font.
    """
    points: set[int] = set()
    for path in fonts:
        try:
            with TTFont(path, lazy=True) as font:
                points.update(font.getBestCmap() or {})
        except (TTLibError, OSError, ValueError, ImportError, AssertionError) as error:
            raise ReportError(f"no readable font: {error}", where=str(path), todo="put the file back, or remove it") from None
    return frozenset(points)
