"""A home: the directory with all of one organisation's data, its paths and its format number.

Paths are pure functions of names and numbers; readers take file names from batch manifests, never from a
glob. What does not belong here: what stands in the files.
"""

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from audit_pipelines import settings as settings_module
from audit_pipelines.durable import write_atomically
from audit_pipelines.errors import HomeError
from audit_pipelines.settings import Settings

FORMAT = 1
"""The layout this version reads and writes; ``format.json`` holds the home's."""


@dataclass(frozen=True, slots=True)
class Home:
    """A home directory. All paths of one organisation's data are methods of this."""

    root: Path

    @property
    def settings_file(self) -> Path:
        return self.root / settings_module.FILE

    def settings(self) -> Settings:
        """The settings, read anew (they may change between runs)."""
        return settings_module.load(self.settings_file)

    @property
    def format_file(self) -> Path:
        return self.root / "format.json"

    @property
    def state(self) -> Path:
        """What may be lost without losing evidence: lock, cursors, caches, Dagster's instance, drafts; but see ``access``."""
        return self.root / "state"

    @property
    def staging(self) -> Path:
        """Unfinished files, on the same file system as the lake; the next run removes them."""
        return self.root / "state" / "staging"

    @property
    def access(self) -> Path:
        """What was read through ``serve``: ``<day>.<instance>.ndjson``, until a night has sealed it. Not to be lost before."""
        return self.state / "access"

    @property
    def lock_file(self) -> Path:
        return self.state / "lock"

    @property
    def batches(self) -> Path:
        return self.root / "batches"

    def batch(self, seq: int) -> Path:
        return self.batches / f"{seq:06d}.json"

    @property
    def removals(self) -> Path:
        return self.root / "removals"

    def removal(self, number: int) -> Path:
        return self.removals / f"{number:06d}.json"

    def evidence(self, source: str, day: date, first: int, count: int, *, erasure: int | None = None) -> Path:
        """``erasure`` is the number of the removal that the file was written anew for."""
        name = f"{first}-{count}{_infix(erasure)}.zst"
        return self.root / "evidence" / f"source={source}" / f"day={day}" / name

    def events(self, source: str, day: date, first: int, count: int, *, erasure: int | None = None) -> Path:
        name = f"{first}-{count}{_infix(erasure)}.parquet"
        return self.root / "events" / f"source={source}" / f"day={day}" / name

    def rejects(self, seq: int, *, erasure: int | None = None) -> Path:
        return self.root / "rejects" / f"{seq:06d}{_infix(erasure)}.ndjson.zst"

    def findings(self, day: date, seq: int) -> Path:
        return self.root / "findings" / f"day={day}" / f"{seq:06d}.parquet"

    @property
    def drops(self) -> Path:
        return self.root / "drops"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def log(self) -> Path:
        """The sealed log: ``events``, ``statements`` and ``anchors``."""
        return self.root / "log"

    def relative(self, path: Path) -> str:
        """``path`` as it stands in manifests: relative to the home, with ``/``."""
        return path.relative_to(self.root).as_posix()


def _infix(erasure: int | None) -> str:
    return "" if erasure is None else f".e{erasure}"


def open_home(root: Path) -> Home:
    """The home at ``root``, after checking that this version can use it.

    Raises:
        HomeError: no home there, or one of another format (the text says which version can).
    """
    home = Home(root.resolve())
    if not home.settings_file.is_file():
        raise HomeError("no audit.toml here", where=str(root), todo="make a home with: audit-pipelines init DIR")
    try:
        found = json.loads(home.format_file.read_bytes())["format"]
    except FileNotFoundError:
        write_format(home)
        return home
    except (OSError, ValueError, KeyError, TypeError):
        todo = 'restore it from a backup; a home of this version holds {"format": 1}'
        raise HomeError("cannot be read", where=str(home.format_file), todo=todo) from None
    if found != FORMAT:
        todo = "use the version of audit-pipelines that wrote it, or a newer one that upgrades it"
        raise HomeError(f"home format {found!r}, this version knows {FORMAT}", where=str(home.format_file), todo=todo)
    return home


def write_format(home: Home) -> None:
    """State the home's format number."""
    content = json.dumps({"format": FORMAT}).encode() + b"\n"
    write_atomically(home.format_file, content, staging=home.staging)
