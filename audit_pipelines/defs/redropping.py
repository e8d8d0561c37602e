"""Drops by hand: what there is, and days once more for a SIEM that lost them.

A drop made again has new files with new batch ids, so that readers take them for new; the target must know events
by their ids, or has them twice. ``state/again-<format>.json`` says, from before the first file to after the statement, which
numbers a call has given: a call that was killed goes on with them. What does not belong here: what a night ships
(``drops``).
"""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec

from audit_pipelines.batch import Batch, kind_of
from audit_pipelines.defs import attesting, drops, hashing
from audit_pipelines.defs.station import Station
from audit_pipelines.digest import sha256
from audit_pipelines.drop import Drop, where_it_lies
from audit_pipelines.durable import write_atomically
from audit_pipelines.errors import DropError, SettingsError
from audit_pipelines.home import Home
from audit_pipelines.removal import removals
from audit_pipelines.seal import sealed
from audit_pipelines.ship.format import Format, load_format
from audit_pipelines.ship.manifest import BatchManifest, DropManifest, Name, Sealed, read

log = logging.getLogger(__name__)
NO_DEDUPLICATION = ("splunk", "datadog")
"""Formats, by the beginning of their names, whose targets keep every copy of an event."""


def again(
    station: Station, form: str, first: date, last: date, *, allow_duplicates: bool
) -> tuple[list[DropManifest], list[str]]:
    """Publish the days from ``first`` to ``last`` in one format once more, and state it in the log.

    Settings, templates and erasures count as they are now. What was never published in any format is left to the
    night; a format that did not exist then gets its first files this way. Killed at any point, the same call goes on
    with what it has published, also when a night has stated that in between.

    Returns:
        The new manifests, and why batches and days were left out.

    Raises:
        DropError: the target would have events twice and ``allow_duplicates`` is not set.
        SettingsError: the format is not in the settings.
    """
    settings = station.settings
    wanted = settings.drops.get(form)
    if wanted is None or not wanted.enabled:
        todo = f"there are: {', '.join(name for name, drop in settings.drops.items() if drop.enabled)}"
        raise SettingsError(f"no format {form!r}", where=f"audit.toml: drops.{form}", todo=todo)
    if form.startswith(NO_DEDUPLICATION) and not allow_duplicates:
        todo = "delete the days there first, and add --allow-duplicates"
        raise DropError("this target keeps every copy of an event", where=f"--format {form}", todo=todo)
    with station.step("drops again"):
        chosen, left = _chosen(station, first, last)
        key = hashing.key(station, [wanted])
        loaded = [(load_format(form, drops.template_folders(station.home)), wanted)]
        places = drops.places(station, {batch.seq for batch, _, _ in chosen})
        call = _begun(station.home, form, first, last, chosen)
        made = [_again(station, loaded, places, key, *item, call.number(*item[:2])) for item in chosen]
        found = sealed.open_log(station.home, settings)
        if found is not None:
            attesting.attest_redrops(found, station.home)
            attesting.anchor_log(station)
        _file(station.home, form).unlink(missing_ok=True)
    return made, left


def _chosen(station: Station, first: date, last: date) -> tuple[list[tuple[Batch, date, Path]], list[str]]:
    """Batches and days with the manifest of their drop; and those without one."""
    batches = station.batches()
    chosen, left = [], []
    for batch in batches:
        for day in batch.days:
            if not first <= day.day <= last:
                continue
            path = Name(batch.seq, day.day, kind_of(batches, batch.seq, day.day)).manifest(station.home.drops)
            if batch.is_purged(day.day):
                left.append(f"batch {batch.seq}, {day.day}: purged")
            elif not path.is_file():
                left.append(f"batch {batch.seq}, {day.day}: not published yet, the next night does it")
            else:
                chosen.append((batch, day.day, path))
    return chosen, left


def _again(
    station: Station,
    wanted: Sequence[tuple[Format, Drop]],
    places: Mapping[int, Sealed],
    key: bytes | None,
    batch: Batch,
    day: date,
    path: Path,
    number: int,
) -> DropManifest:
    home = station.home
    if batch.seq not in places:
        raise DropError(f"batch {batch.seq} is not sealed", where=str(home.batch(batch.seq)), todo="run a night first")
    origin = BatchManifest(path=home.relative(path), sha256=sha256(path))
    name = Name(batch.seq, day, "r", number)
    return drops.publish(station, wanted, batch, name, places[batch.seq], hash_key=key, redrop_of=origin)


class _Call(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``state/again-<format>.json``: a call that is not done."""

    format: str
    first: date
    last: date
    removals: int
    """How many there were when it began: what was published before an erasure is no longer what is asked for."""
    numbers: dict[str, int]
    """Of each batch and day (``000007.20260105``), the number that its drop has in this call."""

    def number(self, batch: Batch, day: date) -> int:
        return self.numbers[_key(batch, day)]


def _key(batch: Batch, day: date) -> str:
    return Name(batch.seq, day, "r").batch


def _file(home: Home, form: str) -> Path:
    return home.state / f"again-{form}.json"


def _begun(home: Home, form: str, first: date, last: date, chosen: Sequence[tuple[Batch, date, Path]]) -> _Call:
    """The call with a number for each drop: those of the same call if it was killed, else the next ones, written down."""
    new = _Call(format=form, first=first, last=last, removals=len(removals(home)), numbers={})
    old = _unfinished(_file(home, form))
    kept = old.numbers if old is not None and msgspec.structs.replace(old, numbers={}) == new else {}
    numbers = {_key(batch, day): kept.get(_key(batch, day)) or _number(home, form, batch.seq, day) for batch, day, _ in chosen}
    call = msgspec.structs.replace(new, numbers=numbers)
    if numbers and call != old:
        write_atomically(_file(home, form), msgspec.json.encode(call) + b"\n", staging=home.staging)
    return call


def _unfinished(path: Path) -> _Call | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Call)
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, OSError, ValueError) as error:
        log.warning("%s: cannot be read (%s); a call that was killed begins anew", path, error)
        return None


def _promised(home: Home, form: str, key: str) -> set[int]:
    """Numbers that killed calls of other formats will go on with."""
    calls = [_unfinished(path) for path in home.state.glob("again-*.json") if path != _file(home, form)]
    return {call.numbers[key] for call in calls if call is not None and key in call.numbers}


def _number(home: Home, form: str, seq: int, day: date) -> int:
    """The next number that no file has, or that of this format's files that a killed run left without a manifest."""
    begin = f"{day:%Y%m%d}.r{seq:06d}."
    pattern = re.compile(rf"(?:.*\.)?{re.escape(begin)}(\d+)\..*")
    done = {
        int(match[1])
        for path in (home.drops / "_manifests").glob(f"{begin}*.manifest.json")
        if (match := pattern.fullmatch(path.name))
    }
    done |= _promised(home, form, Name(seq, day, "r").batch)
    used = {path.parent.name: set[int]() for path in home.drops.glob("*/")}
    for path in home.drops.glob(f"*/*.{begin}*"):
        if match := pattern.fullmatch(path.name):
            used.setdefault(path.parent.name, set()).add(int(match[1]))
    own = used.get(form, set()) - done
    return min(own) if own else max({0, *done, *(number for numbers in used.values() for number in numbers)}) + 1


@dataclass(frozen=True, slots=True)
class Listed:
    """One drop of one format, for ``drops list``."""

    day: date
    form: str
    token: str
    """Kind and batch: ``b000007``, ``r000007.1``."""
    files: int
    rows: int
    withheld: int
    bytes: int
    archived: int
    """Files that lie in ``drops/_archive``."""
    gone: int
    """Files in neither place: a reader or a removal took them."""


def listing(home: Home, form: str | None = None) -> list[Listed]:
    """Every published drop, by day, format and batch.

    Raises:
        DropError: a manifest is damaged.
    """
    found = []
    for path in sorted((home.drops / "_manifests").glob("*.manifest.json")):
        made = read(path)
        if made is not None:
            token = path.name.removesuffix(".manifest.json").partition(".")[2]
            found += list(_listed(home, made, token, form))
    return sorted(found, key=lambda item: (item.day, item.form, item.token[1:], item.token))


def _listed(home: Home, made: DropManifest, token: str, form: str | None) -> Iterator[Listed]:
    for entry in made.formats:
        if form not in (None, entry.format):
            continue
        places = [where_it_lies(home.drops, file.path, made.day) for file in entry.files]
        yield Listed(
            day=made.day,
            form=entry.format,
            token=token,
            files=len(entry.files),
            rows=entry.rows,
            withheld=entry.rows_withheld,
            bytes=sum(file.bytes for file in entry.files),
            archived=sum(place.is_relative_to(home.drops / "_archive") for place in places),
            gone=sum(not place.exists() for place in places),
        )
