"""The model as HTML: Jinja with autoescape, strict names, and every printed text made safe on its way out.

No template can forget to escape: what leaves a ``{{ }}`` passes ``finalize``, and the usual ``safe`` filter,
which would switch escaping off, is replaced by one that escapes more. What does not belong here: PDF.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup

from audit_pipelines.errors import ReportError
from audit_pipelines.typeset import charts
from audit_pipelines.typeset.text import Escape, shorten

_GUARD = 1_200
"""Characters of any one printed text; values were cut to fewer when the model was made."""
_NOTHING = "\N{EN DASH}"
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
# Names are spelled out here because strftime's follow the machine's locale.


def html(model: Mapping[str, Any], folders: Sequence[Path], escape: Escape, *, report_sha256: str) -> str:
    """The whole document.

    Args:
        model: as ``compute`` made it (or read back from ``report.json``).
        folders: template folders, a customer's before the shipped.
        escape: knows what the fonts can print.
        report_sha256: digest of ``report.json``, printed beside the lists' digests.

    Raises:
        ReportError: a template is missing, has an error, or names what the model has not.
    """
    environment = _environment(folders, escape)
    figures = {figure["id"]: figure for figure in model["figures"]}
    try:
        return environment.get_template("report/report.html.j2").render(model=model, figures=figures, report_sha256=report_sha256)
    except jinja2.TemplateError as error:
        place = f"{getattr(error, 'name', None) or 'templates/report'}:{getattr(error, 'lineno', None) or '?'}"
        raise ReportError(f"template error: {error}", where=place, todo="mend the template, or remove your copy of it") from None


def _environment(folders: Sequence[Path], escape: Escape) -> jinja2.Environment:
    def finalize(value: object) -> object:
        if isinstance(value, Markup):
            return value
        if isinstance(value, jinja2.Undefined):
            return str(value)
        return escape(shorten(str(_NOTHING if value is None else value), _GUARD))

    def safe(value: object) -> Markup:
        return Markup.escape(escape(shorten(str(value))))

    def lines(text: str) -> Markup:
        return Markup.escape(escape.lines(text))

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([str(folder) for folder in folders]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    environment.filters.update(
        safe=safe,
        lines=lines,
        number=number,
        day=day,
        month=month,
        time=time,
        clock=clock,
        shown=shown,
    )
    environment.globals.update(bars=charts.bars, heat=charts.heat, trend=charts.trend)
    return environment


def number(value: object) -> str:
    """``12,345``; decimals as they are, at most two; None as a dash."""
    if value is None:
        return _NOTHING
    if isinstance(value, float):
        return f"{value:,.2f}".rstrip("0").rstrip(".")
    return f"{value:,}" if isinstance(value, int) else str(value)


def day(value: str) -> str:
    """``2026-05-03`` as ``Sun 3 May``."""
    when = date.fromisoformat(value[:10])
    return f"{_WEEKDAYS[when.weekday()]} {when.day} {_MONTHS[when.month - 1][:3]}"


def month(value: str) -> str:
    """``2026-05`` as ``May 2026``."""
    when = date.fromisoformat(f"{value[:7]}-01")
    return f"{_MONTHS[when.month - 1]} {when.year}"


def time(value: str) -> str:
    """``2026-05-03 14:07:09``, UTC."""
    return f"{datetime.fromisoformat(value):%Y-%m-%d %H:%M:%S}"


def moment(value: str) -> str:
    """``3 May 14:07:09``, UTC."""
    when = datetime.fromisoformat(value)
    return f"{when.day} {_MONTHS[when.month - 1][:3]} {when:%H:%M:%S}"


def clock(value: str) -> str:
    """``1 May 2026, 00:00 UTC``."""
    when = datetime.fromisoformat(value)
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year}, {when:%H:%M} UTC"


def lag(seconds: float) -> str:
    """``3 d 4 h``, ``5 h 12 min``, ``8 min 20 s`` or ``4 s``: the two largest parts."""
    sign, rest = ("\N{MINUS SIGN}" if seconds < 0 else ""), abs(int(seconds))
    parts: list[str] = []
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        amount, rest = divmod(rest, size)
        if amount or parts or unit == "s":
            parts.append(f"{amount} {unit}")
    return sign + " ".join(parts[:2])


_FORMS: Final[Mapping[str, Callable[[Any], str]]] = {
    "number": number,
    "percent": lambda share: f"{share:.1%}",
    "seconds": lag,
    "time": time,
    "moment": moment,
    "day": day,
    "month": month,
}


def shown(value: object, form: str) -> str:
    """A table cell's text by its column's format; what does not fit the format prints as it is."""
    if value is None or value == "":
        return _NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or _NOTHING
    try:
        return _FORMS.get(form, str)(value)
    except (ValueError, TypeError):
        return str(value)
