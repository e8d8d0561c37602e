"""``audit.toml`` as typed settings: every key, its default and what it means.

A key that is not listed here is an error, and so is a value of another type: a typing slip in a settings
file must not silently switch retention or a drop off. What does not belong here: paths of a home
(``home``) and secrets, which come from the environment variables that the settings name.
"""

import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Literal, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from audit_pipelines.drop import Drop, check_drop
from audit_pipelines.errors import SettingsError
from audit_pipelines.serving import Serve, check_serve

FILE = "audit.toml"
ACCESS = "audit-pipelines"
"""Name and dialect of the built-in source: the home's own access log, which no settings name (``Source.kind`` ``access``)."""
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,40}[a-z0-9])?")
_ORIGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,200}")
_DURATION = re.compile(r"(\d+)(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_ASKED = ("from", "to", "limit", "cursor")
_SLUG_RULE = "use 1 to 42 of a-z, 0-9, - and _, a letter or digit at both ends"


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every table: immutable, keyword only, no unknown keys."""


class Organisation(_Strict, frozen=True, kw_only=True):
    """``[organisation]``: whose log this is."""

    name: str
    id: str
    """Short name for file names: lower-case letters, digits, ``-`` and ``_``."""
    start: date
    """First day that is expected; earlier events are kept and shown as out of range."""


class Source(_Strict, frozen=True, kw_only=True):
    """``[[sources]]``: one origin of records."""

    name: str
    kind: Literal["files", "terracotta", "access"]
    """``access`` is built in and never configured."""
    dialect: str
    path: str | None = None
    """kind ``files``: a folder or a glob; relative paths are relative to the home."""
    records_key: str | None = None
    """kind ``files``: the key that holds the list in a JSON object; by default the only list there is."""
    url: str | None = None
    """kind ``terracotta``: base address of the API."""
    token_env: str | None = None
    """kind ``terracotta``: name of the environment variable with the bearer token."""
    query: dict[str, str] = {}
    """kind ``terracotta``: more parameters for every request, e.g. ``{ format = "record" }``; no secrets."""
    page_size: int = 1000
    timeout: str = "30s"
    """Longest wait for a connection and for each read."""
    retries: int = 5


class Schedule(_Strict, frozen=True, kw_only=True):
    """``[schedule]``: when Dagster runs, and which days a night asks for again."""

    nightly: str = "30 1 * * *"
    monthly: str = "0 6 4 * *"
    every: str = ""
    """Optional extra runs that ask for today too, e.g. ``"6h"``."""
    overlap_days: int = 3
    revisit_days: tuple[int, ...] = (7, 30)
    lock_wait: str = "10m"


class Anomalies(_Strict, frozen=True, kw_only=True):
    """``[anomalies]``: what the rules take for normal here."""

    timezone: str = "UTC"
    work_start: int = 7
    work_end: int = 20
    work_days: tuple[int, ...] = (1, 2, 3, 4, 5)
    """ISO weekdays, Monday = 1."""


class Retention(_Strict, frozen=True, kw_only=True):
    """``[retention]``: how long events are kept."""

    months: int = 12
    enforce: bool = False
    """Whether a night deletes what is past the limit."""
    sources: dict[str, int] = {}
    """Months by source name, where they differ; also of sources that are no longer configured."""


class Seal(_Strict, frozen=True, kw_only=True):
    """``[seal]``: how the log is signed and anchored."""

    keys: str = "keys"
    """Folder of the signing keys, relative to the home; better a place that the home's backups do not reach."""
    origin: str = ""
    """Name of the log, e.g. ``"audit.example.com/acme"``; read once, when the log begins. By default made of the id."""
    timestamp_url: str = ""
    """An RFC 3161 time-stamping authority; empty = none."""
    timestamp_certificate: str = ""
    """PEM file with the authority's root certificates, relative to the home; empty = tokens are kept unverified."""
    witness_url: str = ""
    """A C2SP witness; empty = none."""
    witness_key: str = ""
    """The witness's vkey (Ed25519 cosignature, type 0x04)."""
    timeout: str = "15s"
    """Longest wait for the authority or the witness."""


class Report(_Strict, frozen=True, kw_only=True):
    """``[report]``: what the monthly report prints about itself."""

    prepared_by: str = ""
    classification: str = "Confidential"
    identity: Literal["full", "pseudonym"] = "full"
    """``pseudonym`` prints actor ids instead of names and e-mail addresses."""


class Notify(_Strict, frozen=True, kw_only=True):
    """``[notify]``: who is told when a night was not whole."""

    command: tuple[str, ...] = ()
    """A command and its arguments; gets one JSON line on standard input."""


class Settings(_Strict, frozen=True, kw_only=True):
    """The whole of ``audit.toml``."""

    organisation: Organisation
    sources: tuple[Source, ...] = ()
    schedule: Schedule = Schedule()
    anomalies: Anomalies = Anomalies()
    retention: Retention = Retention()
    seal: Seal = Seal()
    drops: dict[str, Drop] = msgspec.field(default_factory=lambda: {"generic": Drop(), "ecs": Drop()})
    report: Report = Report()
    notify: Notify = Notify()
    serve: Serve = Serve()


T = TypeVar("T")


def seconds(text: str, *, key: str, file: str = FILE) -> int:
    """``"90s"``, ``"10m"``, ``"6h"``, ``"1d"`` in seconds."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise SettingsError(f"{text!r} is no duration", where=f"{file}: {key}", todo='write e.g. "30s", "10m" or "6h"')
    return int(match[1]) * _SECONDS[match[2]]


def load(path: Path) -> Settings:
    """Read and check ``audit.toml``.

    Raises:
        SettingsError: one line that names the file, the key and the cure.
    """
    return parse(_read(path), file=str(path))


def parse(text: str, *, file: str = FILE) -> Settings:
    """``load`` for text that is already there."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"no valid TOML: {error}", where=file, todo="mend the line named") from None
    try:
        settings = msgspec.convert(tables, Settings)
    except msgspec.ValidationError as error:
        raise SettingsError(_plain(str(error)), where=file, todo="docs/settings.md lists every key") from None
    _check(settings, file)
    return settings


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        todo = "make a home with: audit-pipelines init DIR"
        raise SettingsError("no such file", where=str(path), todo=todo) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot be read: {error}", where=str(path), todo="make it readable UTF-8") from None


def _plain(message: str) -> str:
    """Msgspec's ``... - at `$.sources[0].kind``` as ``sources[0].kind: ...``."""
    what, _, place = message.partition(" - at `$")
    key = place.strip("`.").removesuffix("`")
    what = what.replace("Object contains unknown field", "unknown key").replace("Object missing required field", "missing key")
    return f"{key}: {what}" if key else what


def _check(settings: Settings, file: str) -> None:
    """What types alone cannot say."""
    organisation = settings.organisation
    if not _SLUG.fullmatch(organisation.id):
        raise SettingsError(
            f"{organisation.id!r} cannot be part of a file name", where=f"{file}: organisation.id", todo=_SLUG_RULE
        )
    _check_sources(settings.sources, file)
    _check_schedule(settings, file)
    _check_seal(settings.seal, file)
    for name, drop in settings.drops.items():
        if not _SLUG.fullmatch(name):
            raise SettingsError(f"{name!r} cannot be part of a file name", where=f"{file}: drops", todo=_SLUG_RULE)
        check_drop(drop, f"{file}: drops.{name}")
    _check_retention(settings.retention, file)
    check_serve(settings.serve, f"{file}: serve")
    for key in ("query_timeout", "session"):
        _some_time(getattr(settings.serve, key), f"serve.{key}", file)


def _check_retention(retention: Retention, file: str) -> None:
    where = f"{file}: retention"
    if retention.months < 1:
        raise SettingsError("must be at least 1", where=f"{where}.months", todo="the default is 12")
    for name, months in retention.sources.items():
        if not _SLUG.fullmatch(name):
            raise SettingsError(f"{name!r} cannot be a source's name", where=f"{where}.sources", todo=_SLUG_RULE)
        if months < 1:
            raise SettingsError("must be at least 1", where=f"{where}.sources.{name}", todo="write a number of months")


def _check_seal(seal: Seal, file: str) -> None:
    if seal.origin and not _ORIGIN.fullmatch(seal.origin):
        todo = 'write a name like "audit.example.com/acme": no spaces, no plus sign'
        raise SettingsError(f"{seal.origin!r} is no name of a log", where=f"{file}: seal.origin", todo=todo)
    if bool(seal.witness_url) != bool(seal.witness_key):
        todo = "set both or neither"
        raise SettingsError("a witness needs witness_url and witness_key", where=f"{file}: seal", todo=todo)
    if not seal.keys:
        raise SettingsError("must not be empty", where=f"{file}: seal.keys", todo='the default is "keys"')
    _some_time(seal.timeout, "seal.timeout", file)


def _check_sources(sources: tuple[Source, ...], file: str) -> None:
    names: set[str] = set()
    for number, source in enumerate(sources):
        where = f"{file}: sources[{number}]"
        if not _SLUG.fullmatch(source.name):
            raise SettingsError(f"{source.name!r} cannot be part of a file name", where=f"{where}.name", todo=_SLUG_RULE)
        if source.name in names:
            raise SettingsError(f"{source.name!r} is used twice", where=f"{where}.name", todo="give each source its own name")
        names.add(source.name)
        if source.name == ACCESS or source.kind == "access":
            todo = "leave it out (a night takes state/access by itself), or give another source another name"
            raise SettingsError(f"{ACCESS!r} is the home's own access log, which is built in", where=f"{where}.name", todo=todo)
        for key in ("path",) if source.kind == "files" else ("url", "token_env"):
            if not getattr(source, key):
                raise SettingsError(f"kind {source.kind!r} needs {key!r}", where=where, todo=f"add {key} = ...")
        if not 1 <= source.page_size <= 100_000:
            raise SettingsError("must be 1 to 100000", where=f"{where}.page_size", todo="the default is 1000")
        if source.retries < 0:
            raise SettingsError("must not be negative", where=f"{where}.retries", todo="the default is 5")
        _some_time(source.timeout, f"sources[{number}].timeout", file)
        _check_query(source, f"{where}.query")


def _check_query(source: Source, where: str) -> None:
    """What every request sets by itself cannot be set again."""
    for name in source.query:
        if not name or name in _ASKED:
            raise SettingsError(f"{name!r} is no further parameter", where=where, todo=f"not {', '.join(_ASKED)}")


def _some_time(text: str, key: str, file: str) -> None:
    """A duration that is not zero."""
    if seconds(text, key=key, file=file) == 0:
        raise SettingsError("must be longer than zero", where=f"{file}: {key}", todo='write e.g. "30s" or "6h"')


def _check_schedule(settings: Settings, file: str) -> None:
    schedule, anomalies = settings.schedule, settings.anomalies
    seconds(schedule.lock_wait, key="schedule.lock_wait", file=file)
    if schedule.every:
        _some_time(schedule.every, "schedule.every", file)
    if schedule.overlap_days < 0 or any(days < 1 for days in schedule.revisit_days):
        raise SettingsError("days must be positive", where=f"{file}: schedule", todo="overlap_days = 3, revisit_days = [7, 30]")
    for key in ("nightly", "monthly"):
        if len(getattr(schedule, key).split()) != 5:
            raise SettingsError("no cron line", where=f"{file}: schedule.{key}", todo='write five fields, e.g. "30 1 * * *"')
    try:
        ZoneInfo(anomalies.timezone)
    except (KeyError, ValueError, OSError):
        todo = 'use an IANA name, e.g. "Europe/Berlin"'
        raise SettingsError(f"{anomalies.timezone!r} is no time zone", where=f"{file}: anomalies.timezone", todo=todo) from None
    if not 0 <= anomalies.work_start < anomalies.work_end <= 24 or not set(anomalies.work_days) <= set(range(1, 8)):
        todo = "hours 0 to 24, start before end, days 1 (Monday) to 7"
        raise SettingsError("impossible working time", where=f"{file}: anomalies", todo=todo)
