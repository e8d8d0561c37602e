"""A SIEM format: a Jinja template that renders to one DuckDB SELECT, one value of ``line`` an event.

Header lines ``-- key: value`` state version, line budgets, delivery and where files end. ``_macros.sql.j2`` of
the same folders is put in front, and a format may import or include another one of these folders by name; the
digest covers every text used. The SELECT reads the relation ``events`` and gives line (VARCHAR), uid,
occurred_at, leaf_index, truncated and unmapped (BOOLEAN). A macro ``batch_record(batch)`` may shape line 1.
What does not belong here: order, files and names, which are the same for every format.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, cast

from jinja2 import DictLoader, Environment, StrictUndefined, TemplateError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from audit_pipelines.errors import DropError, SettingsError
from audit_pipelines.ship import jsontext
from audit_pipelines.ship.parts import PART_BYTES, PART_ROWS

MACROS: Final = "_macros.sql.j2"
_SUFFIX: Final = ".sql.j2"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_]{0,31}")
_SIBLING: Final = re.compile(r"_?[a-z0-9][a-z0-9_]{0,31}\.sql\.j2")
_KEYS: Final = ("version", "line budget", "least line budget", "delivery", "lines", "file bytes", "part rows")
_HEADER: Final = re.compile(rf"^-- ({'|'.join(_KEYS)}):\s*(\S+)\s*$", re.MULTILINE)
_NUMBERS: Final = {
    "line budget": 0,
    "least line budget": 0,
    "lines": 1,
    "file bytes": PART_BYTES,
    "part rows": PART_ROWS,
}
"""Header lines that are whole numbers, with what counts where they are absent."""

Delivery = Literal["watched", "post", "parquet"]
"""How files reach a target: tailed in their folder, sent as they are, or as Parquet in an object store."""


@dataclass(frozen=True, slots=True)
class Format:
    """One format as it was loaded."""

    name: str
    template: str
    """Jinja text, the shared macros in front."""
    sha256: str
    """Digest of ``template`` and of all texts that it uses."""
    default_line_budget: int | None
    """Longest line in bytes, without its line feed; None = no limit."""
    version: str
    """Of the format: for ``ecs`` the ECS version."""
    least_line_budget: int
    """The smallest budget that the template can keep whatever the event holds."""
    delivery: Delivery = "watched"
    lines: int = 1
    """Text lines that one event gives."""
    file_bytes: int = PART_BYTES
    """A part ends before its lines would exceed this many bytes; a longer event is a part."""
    part_rows: int = PART_ROWS
    """A part ends at this many events."""
    used: tuple[tuple[str, str], ...] = ()
    """Names and texts of the other templates that it imports or includes."""

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
    """Find ``<name>.sql.j2`` in the first of ``folders`` that has it; the macros and what it imports likewise.

    Args:
        name: the format's name, part of file names: a-z, 0-9 and _.
        folders: the home's own templates before the shipped ones.

    Raises:
        SettingsError: there is no such format, its header is incomplete, or it uses a template that is not there.
    """
    path = _find(name + _SUFFIX, folders) if _NAME.fullmatch(name) else None
    if path is None:
        known = sorted({p.name.removesuffix(_SUFFIX) for f in folders for p in f.glob(f"[!_]*{_SUFFIX}")})
        raise SettingsError(f"no format {name!r}", where=f"audit.toml: drops.{name}", todo=f"there are: {', '.join(known)}")
    header, numbers = _header(path)
    template = _with_macros(path, folders)
    used = _used(path, template, folders)
    digest = hashlib.sha256(template.encode())
    for other, text in used:
        digest.update(f"\0{other}\0{text}".encode())
    return Format(
        name=name,
        template=template,
        sha256=digest.hexdigest(),
        default_line_budget=numbers["line budget"] or None,
        version=header["version"],
        least_line_budget=numbers["least line budget"],
        delivery=cast("Delivery", header.get("delivery", "watched")),
        lines=numbers["lines"],
        file_bytes=numbers["file bytes"],
        part_rows=numbers["part rows"],
        used=used,
    )


def _header(path: Path) -> tuple[dict[str, str], dict[str, int]]:
    """The header lines of a template, and those that are numbers.

    Raises:
        SettingsError: one is missing or impossible.
    """
    header = dict(_HEADER.findall(path.read_text(encoding="utf-8")))
    todo = "a format begins with: -- version: TEXT / -- line budget: BYTES / -- least line budget: BYTES"
    if "version" not in header:
        raise SettingsError("incomplete header", where=str(path), todo=todo)
    texts = {key: header.get(key, str(default)) for key, default in _NUMBERS.items()}
    wrong = [key for key, text in texts.items() if not re.fullmatch("[0-9]{1,12}", text)]
    if wrong:
        raise SettingsError("incomplete header", where=f"{path}: {wrong[0]}", todo=todo)
    numbers = {key: int(text) for key, text in texts.items()}
    wrong = [key for key in ("lines", "file bytes", "part rows") if numbers[key] < 1]
    if wrong or header.get("delivery", "watched") not in ("watched", "post", "parquet"):
        todo = "delivery is watched, post or parquet; lines, file bytes and part rows are 1 or more"
        raise SettingsError("impossible header", where=f"{path}: {wrong[0] if wrong else 'delivery'}", todo=todo)
    return header, numbers


def _with_macros(path: Path, folders: Sequence[Path]) -> str:
    macros = _find(MACROS, folders) if not path.name.startswith("_") else None
    return (macros.read_text(encoding="utf-8") if macros else "") + path.read_text(encoding="utf-8")


def _used(path: Path, template: str, folders: Sequence[Path]) -> tuple[tuple[str, str], ...]:
    """Every template that ``template`` imports or includes, at any depth, by name.

    Raises:
        SettingsError: one is not named by a literal, not in ``folders``, or cannot be parsed.
    """
    found: dict[str, str] = {}
    waiting = [template]
    while waiting:
        for name in _names(waiting.pop()):
            where = _find(name, folders) if name and _SIBLING.fullmatch(name) else None
            if name is None or where is None:
                what = f"uses {name!r}, which is no template here" if name else "uses a template whose name is not written out"
                raise SettingsError(what, where=str(path), todo=f'name a file of the same folders, e.g. "ecs{_SUFFIX}"')
            if name not in found and where != path:
                found[name] = _with_macros(where, folders)
                waiting.append(found[name])
    return tuple(sorted(found.items()))


def _names(template: str) -> list[str | None]:
    try:
        return list(meta.find_referenced_templates(_environment({}).parse(template)))
    except TemplateError:
        return []  # rendering says what is wrong with it


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


def render(form: Format, *, line_budget: int | None, organisation: str, now: str = "") -> Rendered:
    """Fill in the template.

    Args:
        form: the format.
        line_budget: longest line in bytes; None = no limit.
        organisation: the organisation's id.
        now: the batch's ``extracted_at``, RFC 3339; a template that compares times with it needs it.

    Raises:
        DropError: the template is broken.
    """
    values = {"line_budget": line_budget or 0, "organisation": organisation, "now": now}
    environment = _environment(dict(form.used))
    environment.globals.update(values)  # so that imported templates see them too, with and without context
    try:
        module = environment.from_string(form.template).make_module(values)
    except (TemplateError, TypeError, ValueError, RecursionError) as error:
        todo = "mend the template; docs/siem/README.md says what it may use"
        raise DropError(f"template cannot be rendered: {error}", where=f"{form.name}{_SUFFIX}", todo=todo) from None
    return Rendered(sql=str(module).strip(), module=module)


def _environment(templates: Mapping[str, str]) -> Environment:
    # A template comes from the home and writes SQL, not HTML: no escaping, but no way to Python's objects either.
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False, loader=DictLoader(templates))
    environment.filters["tojson_compact"] = jsontext.dumps
    return environment
