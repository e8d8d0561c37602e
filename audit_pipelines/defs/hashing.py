"""The key that drops hash columns with: made once, kept in ``state/drops.key``, never replaced unasked.

With another key the same person gets another digest, and a SIEM can no longer follow anyone. So a key that was
used and is gone is an error. Whoever has it can test guesses against the digests (docs/threats.md). What does not
belong here: hashing (``ship.privacy``).
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from audit_pipelines.defs.station import Station
from audit_pipelines.drop import Drop
from audit_pipelines.durable import write_atomically
from audit_pipelines.errors import DropError
from audit_pipelines.home import Home
from audit_pipelines.ship.manifest import read
from audit_pipelines.ship.privacy import KEY_BYTES, key_id


def key_file(home: Home) -> Path:
    """Where the key is: 64 hex digits and a line feed, for its owner alone."""
    return home.state / "drops.key"


def key(station: Station, wanted: Sequence[Drop]) -> bytes | None:
    """The key, made if none was ever used; None where no format hashes anything.

    Raises:
        DropError: it is damaged, or gone while manifests name it.
    """
    if not any(drop.enabled and drop.hash for drop in wanted):
        return None
    found = _read(key_file(station.home))
    if found is not None:
        return found
    if (used := _newest_used(station.home)) is not None:
        todo = "restore it from a backup; or begin anew, with other digests for the same values: audit-pipelines drops new-key"
        raise DropError(f"key {used} is gone", where=str(key_file(station.home)), todo=todo)
    return new_key(station.home, station.salts)


def new_key(home: Home, chance: Callable[[int], bytes]) -> bytes:
    """Make a key in the place of the one there is, if any."""
    made = chance(KEY_BYTES)
    write_atomically(key_file(home), made.hex().encode() + b"\n", staging=home.staging, mode=0o600)
    return made


def name_of(home: Home) -> str:
    """The id of the key there is, as manifests have it; empty if there is none."""
    found = _read(key_file(home))
    return key_id(found) if found else ""


def _read(path: Path) -> bytes | None:
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DropError(f"cannot be read: {error}", where=str(path), todo="restore it from a backup") from None
    if not re.fullmatch(f"[0-9a-f]{{{2 * KEY_BYTES}}}\n?", text):
        raise DropError("is no key", where=str(path), todo=f"restore it from a backup: {2 * KEY_BYTES} hex digits")
    return bytes.fromhex(text)


def _newest_used(home: Home) -> str | None:
    """The key that the newest manifest with one names."""
    for path in sorted((home.drops / "_manifests").glob("*.manifest.json"), reverse=True):
        try:
            made = read(path)
        except DropError:
            continue  # the drop itself complains of it
        for entry in made.formats if made else ():
            if entry.privacy and entry.privacy.hash_key:
                return entry.privacy.hash_key
    return None
