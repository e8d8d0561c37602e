"""Old drop files go out of the folders that readers look at: ``archive_days`` after their publication.

By rename, to a place that follows from their manifest alone (``drop.archived``): whoever looks for a file looks in
both. What does not belong here: deleting (``keeping``), which never depends on where a file lies.
"""

import logging
import os
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from audit_pipelines.digest import sha256
from audit_pipelines.drop import archived
from audit_pipelines.durable import make_folder, sync_folder
from audit_pipelines.home import Home
from audit_pipelines.settings import Settings

log = logging.getLogger(__name__)
_NAME = re.compile(r"[a-z0-9_-]+\.[a-z0-9_]+\.(\d{8})\.((?:[bd]\d{6,})|(?:r\d{6,}\.\d+))\.p\d+\..*")


def archive(home: Home, settings: Settings, now: datetime) -> int:
    """Move what is old enough; how many files. A file is as old as its name in the folder: its mtime.

    Files of a drop whose manifest is not there yet stay. Killed at any point, every file is in one of the two places.
    Where a power cut or a backup has put a file into both, the one that readers see goes.
    """
    moved = 0
    for form, drop in settings.drops.items():
        if drop.archive_days is None:
            continue
        before = now - timedelta(days=drop.archive_days)
        touched = set()
        for path, day in _old(home, form, before):
            target = archived(home.drops, f"{form}/{path.name}", day)
            make_folder(target.parent)
            if not _move(path, target):
                continue
            touched.add(target.parent)
            moved += 1
        for folder in sorted(touched):  # the new names first: a power cut may then leave two names, never none
            sync_folder(folder)
        if touched:
            sync_folder(home.drops / form)
    if moved:
        log.info("%d drop files archived", moved)
    return moved


def _move(path: Path, target: Path) -> bool:
    """Rename, or remove the second of two equal files: rename(2) does nothing where both names are of one file."""
    if not target.exists():
        os.rename(path, target)
    elif sha256(path) == sha256(target):
        path.unlink()
    else:
        log.error("%s stays: %s is another file of that name", path, target)
        return False
    return True


def _old(home: Home, form: str, before: datetime) -> Iterator[tuple[Path, date]]:
    folder = home.drops / form
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        match = _NAME.fullmatch(path.name)
        if match is None or datetime.fromtimestamp(path.stat().st_mtime, UTC) >= before:
            continue
        if (home.drops / "_manifests" / f"{match[1]}.{match[2]}.manifest.json").is_file():
            yield path, datetime.strptime(match[1], "%Y%m%d").replace(tzinfo=UTC).date()
