"""A new log after a restore: it names the lost one's last checkpoints and says again what still holds.

The signer refuses to go on with a log that was rolled back, as it must. So the restored log is set aside as
``log.<n>`` and a new one, under a new name, takes over its leaves and statements as far as the home still has
their batches. A killed restore goes on where it stopped. What does not belong here: backups themselves.
"""

import os
import uuid
from collections.abc import Sequence
from pathlib import Path

import msgspec

from audit_pipelines.defs import sealing
from audit_pipelines.defs.signing import Clock
from audit_pipelines.defs.station import Station, utc_now
from audit_pipelines.digest import sha256
from audit_pipelines.errors import SealError
from audit_pipelines.home import Home
from audit_pipelines.seal import keys, sealed
from audit_pipelines.seal import statements as st
from audit_pipelines.seal.ledger import Ledger
from audit_pipelines.seal.notary import Notary
from audit_pipelines.seal.sealed import SealedLog
from audit_pipelines.seal.standalone import Bad, Checkpoint, Key, open_checkpoint
from audit_pipelines.seal.tiles import Tiles

_AT_ONCE = 256
"""Statements under one checkpoint: fewer signatures than one each."""


def restored(home: Home, newer: Sequence[bytes], text: str, *, key_lost: bool = False, now: Clock = utc_now) -> str:
    """Begin a new log; what was done, in one line.

    Args:
        home: the restored home.
        newer: checkpoints of the lost log that are newer than what this machine has, e.g. from drops.
        text: what happened, for the statement.
        key_lost: the private key is gone and there is no backup: another key of the folder, or a new one, signs.
        now: the clock.

    Raises:
        SealError: there is no log to go on from, or a checkpoint of ``newer`` is not signed by its keys.
    """
    station = Station(home, str(uuid.uuid4()), who="incident --restored")
    try:
        station.lock()
        found, old, folder = _begun(home, station) or _begin(home, station, newer, key_lost=key_lost)
        _take_over(station, found, old, Tiles(folder / "events"))
        found.state(st.Incident(at=now(), kind="restored", text=text or ("the signing key was lost" if key_lost else "")))
        sealing.seal(station)
        return f"a new log, {found.ledger.genesis.origin}, names the lost one; the old one is in {folder.name}"
    finally:
        station.close()


def _begun(home: Home, station: Station) -> tuple[SealedLog, Ledger, Path] | None:
    """A new log that a killed restore has founded and not finished."""
    known, aside = sealed.read_ledger(home) or sealed.begun_ledger(home), sealed.set_aside_logs(home)
    if known is None or known.genesis.previous_statements is None or not aside:
        return None  # what a restored log has pending is not looked at: the notary would refuse it, as it must
    found = sealed.open_log(home, station.settings)
    assert found is not None
    if any(isinstance(item, st.Incident) and item.kind == "restored" for item in found.ledger.statements):
        return None
    old = sealed.read_ledger(home, aside[-1])
    return (found, old, aside[-1]) if old else None


def _begin(home: Home, station: Station, newer: Sequence[bytes], *, key_lost: bool) -> tuple[SealedLog, Ledger, Path]:
    """Set the old log aside and found the new one; a kill in between leaves ``log.<n>`` and no log."""
    old, aside = sealed.read_ledger(home), sealed.set_aside_logs(home)
    if old is None and aside:
        old = sealed.read_ledger(home, aside[-1])
    if old is None:
        raise SealError("there is no log to go on from", where=str(home.log), todo="restore log/ too, or run a night")
    origin = old.genesis.origin
    notes = [_last(home, old, f"{origin}/{name}", newer) for name in ("events", "statements")]
    folder = sealed.set_aside(home) if (home.log / "statements" / "checkpoint").is_file() else aside[-1]
    genesis = msgspec.structs.replace(
        old.genesis,
        origin=_next_origin(origin),
        public_key=_another_key(home, station, old) if key_lost else old.signing_keys()[-1],
        previous_events=notes[0],
        previous_statements=notes[1],
    )
    return sealed.found_with(home, station.settings, genesis), old, folder


def _another_key(home: Home, station: Station, old: Ledger) -> str:
    folder = sealed.keys_folder(home, station.settings)
    spare = [public for public in keys.listing(folder) if keys.text_of(public) not in old.all_keys()]
    return keys.text_of(spare[0] if spare else keys.make(folder, os.urandom).public)


def _take_over(station: Station, found: SealedLog, old: Ledger, tiles: Tiles) -> None:
    """Append what the old log said, word for word, up to the first batch that the home no longer has.

    Keys are not taken over: the new log begins with the newest of them alone.
    """
    there = {batch.seq: batch for batch in station.batches()}
    waiting: list[st.AnyStatement] = []
    for item in old.statements[len(found.ledger.statements) + _skipped(found, old) :]:
        if isinstance(item, st.Key):
            continue
        if isinstance(item, st.Batch):
            batch = there.get(item.seq)
            if batch is None or sha256(station.home.batch(item.seq)) != item.manifest.sha256:
                break
            found.take_over(item, tiles)
        waiting.append(item)
        if len(waiting) >= _AT_ONCE:
            found.state(*waiting)
            waiting = []
    found.state(*waiting)


def _skipped(found: SealedLog, old: Ledger) -> int:
    """Key statements among those that were taken over already."""
    taken, skipped = len(found.ledger.statements) - 1, 0
    for item in old.statements[1:]:
        if isinstance(item, st.Key):
            skipped += 1
        elif taken == 0:
            break
        else:
            taken -= 1
    return skipped


def _next_origin(origin: str) -> str:
    """``acme`` becomes ``acme/log2``, that ``acme/log3``: no two logs share a name."""
    stem, _, last = origin.rpartition("/log")
    return f"{stem}/log{int(last) + 1}" if stem and last.isdecimal() else f"{origin}/log2"


def _last(home: Home, known: Ledger, name: str, newer: Sequence[bytes]) -> str:
    """The newest checkpoint of the log ``name`` that can be had: from the home, the signer's memory, ``newer``."""
    trusted = [Key(name, keys.public_of(text, "genesis")) for text in known.all_keys()]
    memory = Notary(sealed.keys_folder(home, home.settings()), []).memory(name)
    folders = [home.log, *sealed.set_aside_logs(home)]
    texts = [path.read_bytes() for folder in folders if (path := folder / name.rpartition("/")[2] / "checkpoint").is_file()]
    texts += [memory.note.encode()] if memory and memory.note else []
    found: dict[bytes, Checkpoint] = {}
    for data in [*texts, *newer]:
        try:
            if open_checkpoint(data, [], "checkpoint").origin == name:
                found[data] = open_checkpoint(data, trusted, name)
        except Bad as error:
            raise SealError(str(error), where=name, todo="give checkpoints as the log signed them") from None
    return max(found, key=lambda data: found[data].size).decode() if found else ""
