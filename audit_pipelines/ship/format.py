"""A SIEM format: a Jinja template that renders to one DuckDB SELECT, one JSON line an event.

Header lines ``-- key: value`` state version and line budgets. ``_macros.sql.j2`` of the same folders is put
in front, so that the digest covers both. The SELECT reads the relation ``events`` and gives line (VARCHAR),
uid, occurred_at, leaf_index, truncated and unmapped (BOOLEAN). A macro ``batch_record(batch)`` may shape
line 1. What does not belong here: order, files and names, which are the same for every format.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from audit_pipelines.errors import DropError, SettingsError
from audit_pipelines.ship import jsontext

MACROS: Final = "_macros.sql.j2"
_SUFFIX: Final = ".sql.j2"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_]{0,31}")
_HEADER: Final = re.compile(r"^-- (version|line budget|least line budget):\s*(\S+)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Format:
    """One format as it was loaded."""

    name: str
    template: str
    """Jinja text, the shared macros in front."""
    sha256: str
    """Digest of ``template``."""
    default_line_budget: int | None
    """Longest line in bytes, without its line feed; None = no limit."""
    version: str
    """Of the format: for ``ecs`` the ECS version."""
    least_line_budget: int
    """The smallest budget that the template can keep whatever the event holds."""

    def budget(self, wanted: int | None) -> int | None:
        """The line budget that counts: ``wanted`` of the settings (0 = none), else the format's own.

        Raises:
            DropError: the template cannot keep lines that short.
        """
        budget = (self.default_line_budget or 0) if wanted is None else wanted
        if 0 < budget < self.least_line_budget or budget < 0:
            todo = f"at least {self.least_line_budget}, or 0 for no limit"
            raise DropError(f"{budget} bytes are too few", where=f"audit.toml: drops.{self.name}.line_budget", todo=todo)
        return budget or None


def load_format(name: str, folders: Sequence[Path]) -> Format:
    """Find ``<name>.sql.j2`` in the first of ``folders`` that has it; the macros likewise.

    Args:
        name: the format's name, part of file names: a-z, 0-9 and _.
        folders: the home's own templates before the shipped ones.

    Raises:
        SettingsError: there is no such format, or its header is incomplete.
    """
    path = _find(name + _SUFFIX, folders) if _NAME.fullmatch(name) else None
    if path is None:
        known = sorted({p.name.removesuffix(_SUFFIX) for f in folders for p in f.glob(f"[!_]*{_SUFFIX}")})
        raise SettingsError(f"no format {name!r}", where=f"audit.toml: drops.{name}", todo=f"there are: {', '.join(known)}")
    macros = _find(MACROS, folders)
    own = path.read_text(encoding="utf-8")
    header = dict(_HEADER.findall(own))
    budget, least = header.get("line budget", "0"), header.get("least line budget", "0")
    if "version" not in header or not (budget + least).isdecimal():
        todo = "a format begins with: -- version: TEXT / -- line budget: BYTES / -- least line budget: BYTES"
        raise SettingsError("incomplete header", where=str(path), todo=todo)
    template = (macros.read_text(encoding="utf-8") if macros else "") + own
    return Format(
        name=name,
        template=template,
        sha256=hashlib.sha256(template.encode()).hexdigest(),
        default_line_budget=int(budget) or None,
        version=header["version"],
        least_line_budget=int(least),
    )


def _find(file: str, folders: Sequence[Path]) -> Path | None:
    return next((folder / file for folder in folders if (folder / file).is_file()), None)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A format made ready for one drop."""

    sql: str
    """The SELECT, without an order."""
    module: Any
    """The template's module: its macros and its settings, such as the ``actions`` of ``ecs``."""

    def batch_record(self, batch: Mapping[str, object]) -> str:
        """Line 1 as JSON text: ``{"batch": ...}``, or what the template makes of it."""
        shape = getattr(self.module, "batch_record", None)
        return jsontext.dumps({"batch": batch}) if shape is None else str(shape(batch)).strip()


def render(form: Format, *, line_budget: int | None, organisation: str) -> Rendered:
    """Fill in the template.

    Raises:
        DropError: the template is broken.
    """
    try:
        module = (
            _environment().from_string(form.template).make_module({"line_budget": line_budget or 0, "organisation": organisation})
        )
    except (TemplateError, TypeError, ValueError) as error:
        todo = "mend the template; docs/siem/README.md says what it may use"
        raise DropError(f"template cannot be rendered: {error}", where=f"{form.name}{_SUFFIX}", todo=todo) from None
    return Rendered(sql=str(module).strip(), module=module)


def _environment() -> Environment:
    # A template comes from the home and writes SQL, not HTML: no escaping, but no way to Python's objects either.
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    environment.filters["tojson_compact"] = jsontext.dumps
    return environment
