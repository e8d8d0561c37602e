"""Taking files out of the home: the commit of a removal, the files that hang on evidence, and deletion.

Order: (1) an erasure's new files under new names and (2) the removal, by the same intent as a batch's files;
(3) its statements are sealed (not here); (4) ``delete``. What does not belong here: choosing what goes
(``purge``, ``erase``).
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Final

import msgspec

from audit_pipelines import removal as removal_module
from audit_pipelines.batch import Batch, kind_of
from audit_pipelines.digest import sha256
from audit_pipelines.drop import archived, where_it_lies
from audit_pipelines.durable import make_folder, sync_folder
from audit_pipelines.errors import LakeError
from audit_pipelines.home import Home
from audit_pipelines.lake.commit import publish_named
from audit_pipelines.removal import Removal, Taken

log = logging.getLogger(__name__)
_FOLDERS: Final = {"evidence": "evidence", "rejects": "rejects", "findings": "findings", "drop": "drops"}
_RESTORE: Final = "restore it from a backup"


class _DropFile(msgspec.Struct, frozen=True):
    path: str
    sha256: str
    min_leaf_index: int | None = None
    max_leaf_index: int | None = None


class _DropFormat(msgspec.Struct, frozen=True):
    files: tuple[_DropFile, ...] = ()


class _DropManifest(msgspec.Struct, frozen=True):
    """What is needed of a drop manifest (stage ``ship`` writes it)."""

    formats: tuple[_DropFormat, ...]


def drop_files(home: Home, batches: Sequence[Batch], batch: Batch, day: date, leaves: Sequence[int] | None = None) -> list[Taken]:
    """The drop files of a batch and day that exist, archived or not: all, or those whose leaf range has one of ``leaves``.

    ``path`` is the name in the drop manifest, wherever the file lies. Files that a killed publisher left without a
    manifest are among them, whatever their leaves: a reader may have them in sight.

    Raises:
        LakeError: the drop manifest is damaged.
    """
    token = f"{kind_of(batches, batch.seq, day)}{batch.seq:06d}"
    folder = home.drops / "_manifests"
    again = sorted(folder.glob(f"{day:%Y%m%d}.r{batch.seq:06d}.*.manifest.json"))
    listed = [
        file
        for path in (folder / f"{day:%Y%m%d}.{token}.manifest.json", *again)
        for entry in _formats(path)
        for file in entry.files
    ]
    return [
        Taken(what="drop", path=f"drops/{file.path}", sha256=file.sha256, day=day)
        for file in listed
        if (leaves is None or _has_one(file, leaves)) and where_it_lies(home.drops, file.path, day).is_file()
    ] + _unlisted(home, batch, day, {file.path for file in listed})


def _unlisted(home: Home, batch: Batch, day: date, listed: set[str]) -> list[Taken]:
    found = sorted(home.drops.glob(f"[!_]*/*.{day:%Y%m%d}.[bdr]{batch.seq:06d}.*"))
    return [
        Taken(what="drop", path=home.relative(path), sha256=sha256(path), day=day)
        for path in found
        if path.relative_to(home.drops).as_posix() not in listed
    ]


def _formats(path: Path) -> tuple[_DropFormat, ...]:
    """What a drop manifest lists; nothing where there is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_DropManifest).formats
    except FileNotFoundError:
        return ()
    except (msgspec.MsgspecError, OSError, ValueError) as error:
        raise LakeError(f"damaged drop manifest: {error}", where=str(path), todo=_RESTORE) from None


def _has_one(file: _DropFile, leaves: Sequence[int]) -> bool:
    low, high = file.min_leaf_index, file.max_leaf_index
    return low is not None and high is not None and any(low <= leaf <= high for leaf in leaves)


def findings_files(home: Home, batches: Iterable[Batch], days: Iterable[date]) -> list[Taken]:
    """The findings files of ``days`` that exist, oldest batch first."""
    wanted = set(days)
    pairs = [(day.day, home.findings(day.day, batch.seq)) for batch in batches for day in batch.days if day.day in wanted]
    return [findings_file(home, path, day) for day, path in pairs if path.is_file()]


def findings_file(home: Home, path: Path, day: date) -> Taken:
    """One findings file as it lies on disk."""
    return Taken(what="findings", path=home.relative(path), sha256=sha256(path), day=day)


def commit_removal(home: Home, removal: Removal, pairs: Sequence[tuple[Path, Path]] = ()) -> None:
    """Give the new files (staged, final) their names and write the removal: from then on it holds.

    The caller holds the lock and has recovered.

    Raises:
        LakeError: it is not the next removal, or a file is in the way; nothing was committed.
    """
    expected = len(removal_module.removals(home)) + 1
    if removal.number != expected or not removal.taken:
        what = f"removal {removal.number} of {len(removal.taken)} files, the next is {expected}"
        raise LakeError(what, where=str(home.removals), todo="plan it again: another removal came in between")
    make_folder(home.removals)
    derived = {entry.new_events for entry in removal.taken if entry.new_events}
    publish_named(home, list(pairs), home.removal(removal.number), removal_module.encode(removal), derived)


def is_deleted(home: Home, removal: Removal) -> bool:
    """Whether nothing is left to delete.

    Findings do not count: they may have been made again under the same name.
    """
    return not any(
        (home.root / name).exists()
        for entry in removal.taken
        for name in (*_places(entry), entry.events)
        if name and entry.what != "findings"
    )


def _places(entry: Taken) -> tuple[str, ...]:
    """Where the file may lie: a drop file in its folder, or archived since."""
    if entry.what != "drop" or entry.day is None:
        return (entry.path,)
    drops = Path("drops")
    return (entry.path, archived(drops, entry.path.removeprefix("drops/"), entry.day).as_posix())


def delete(home: Home, removal: Removal) -> int:
    """Delete the old files of a committed removal whose statements are sealed; how many. Does nothing the second time.

    Files whose names are used again (findings) go first and only while their bytes are the old ones; a crash
    leaves files that the next call deletes.

    Raises:
        LakeError: the removal is not the committed one, or names a file outside the lake; nothing was deleted.
    """
    if removal_module.load(home, removal.number) != removal:
        raise LakeError("is another removal", where=str(home.removal(removal.number)), todo=_RESTORE)
    steps = [[_checked(home, removal, name) for name in names] for names in _steps(removal)]
    if is_deleted(home, removal):
        return 0
    old = {entry.path: entry.sha256 for entry in removal.taken if entry.what == "findings"}
    deleted = 0
    for paths in steps:
        folders = set()
        for path in paths:
            if path.is_file() and old.get(home.relative(path)) in (None, sha256(path)):
                path.unlink()
                folders.add(path.parent)
                deleted += 1
        for folder in sorted(folders):
            sync_folder(folder)
    _remove_empty(home, {path.parent for paths in steps for path in paths})
    log.info("removal %d: %d files deleted", removal.number, deleted)
    return deleted


def _steps(removal: Removal) -> Iterator[list[str]]:
    """Names in groups; each group is durable before the next begins, and what ``is_deleted`` looks at is last."""
    for what in ("findings", "drop"):
        yield [path for entry in removal.taken if entry.what == what for path in _places(entry)]
    yield [entry.events for entry in removal.taken if entry.events]
    yield [entry.path for entry in removal.taken if entry.what in ("evidence", "rejects")]


def _checked(home: Home, removal: Removal, name: str) -> Path:
    """A path inside the folders that removals are about; anything else is no name that this program wrote."""
    top = name.partition("/")[0]
    if top not in {*_FOLDERS.values(), "events"} or ".." in name.split("/"):
        raise LakeError(f"names {name}, which is no file of the lake", where=str(home.removal(removal.number)), todo=_RESTORE)
    return home.root / name


def _remove_empty(home: Home, folders: Iterable[Path]) -> None:
    """Remove folders of days and sources in which nothing is left."""
    kept = {home.root / top for top in ("evidence", "events", "findings", "rejects")}
    for folder in sorted(folders):
        current = folder
        while current.is_relative_to(home.root) and current not in kept and not current.is_relative_to(home.drops):
            if not current.is_dir() or any(current.iterdir()):
                break
            current.rmdir()
            current = current.parent
            sync_folder(current)
