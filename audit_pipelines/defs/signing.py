"""Keys and incidents over a home, under its lock: making, rotating, replacing.

What does not belong here: signing itself (``seal.notary``), batches (``sealing``), restores (``restoring``).
"""

import os
import uuid
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from audit_pipelines.defs import sealing
from audit_pipelines.defs.station import Station, utc_now
from audit_pipelines.errors import SealError
from audit_pipelines.home import Home
from audit_pipelines.seal import keys as key_files
from audit_pipelines.seal import sealed
from audit_pipelines.seal import statements as st
from audit_pipelines.seal.ledger import Ledger
from audit_pipelines.seal.sealed import SealedLog
from audit_pipelines.seal.standalone import Key

if TYPE_CHECKING:
    from collections.abc import Iterator

OVERLAP = timedelta(days=28)
"""How long both keys sign at least."""
Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class KeyStanding:
    """One key, as ``keys list`` shows it."""

    fingerprint: str
    standing: str
    vkeys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Made:
    """A new key."""

    path: Path
    fingerprint: str


def keys(home: Home) -> list[KeyStanding]:
    """Every key that signs, signed or could sign."""
    settings, known = home.settings(), sealed.read_ledger(home)
    origin = known.genesis.origin if known else sealed.default_origin(settings)
    there = [key_files.text_of(public) for public in key_files.listing(sealed.keys_folder(home, settings))]
    every = dict.fromkeys([*(known.all_keys() if known else ()), *there])
    return [_standing(text, origin, known, text in there) for text in every]


def _standing(text: str, origin: str, known: Ledger | None, here: bool) -> KeyStanding:
    public = key_files.public_of(text, "keys")
    vkeys = tuple(Key(f"{origin}/{name}", public).vkey for name in ("events", "statements"))
    signs = known is not None and text in known.signing_keys()
    if known is None or text not in known.all_keys():
        said = "signs from the first night on" if known is None else "is not in use: `keys rotate` lets it sign"
    else:
        since = _since(known, text)
        said = f"signs since {since:%Y-%m-%d}" if signs else "signs no more"
        said += "" if here or not signs else ", AND IS MISSING FROM THIS MACHINE"
    return KeyStanding(key_files.fingerprint(public), said, vkeys)


def _since(known: Ledger, text: str) -> datetime:
    began = known.genesis.at
    for item in known.statements:
        if isinstance(item, st.Key) and item.public_key == text and item.action == "add":
            began = item.at
    return began


def new(home: Home, command: Sequence[str] | None, public: Path | None) -> Made:
    """Make a key file, or register a command that signs.

    Raises:
        SealError: before the first night there is a key already, or the command does not sign.
    """
    folder = sealed.keys_folder(home, home.settings())
    if sealed.read_ledger(home) is None and key_files.listing(folder):
        todo = "it begins to sign with the first night; to use another, move it away first"
        raise SealError("there is a key already", where=str(folder), todo=todo)
    if command is None or public is None:
        made = key_files.make(folder, os.urandom)
        return Made(made.path, key_files.fingerprint(made.public))
    registered = key_files.register(folder, _public_pem(public), command)
    return Made(registered.path, key_files.fingerprint(registered.public))


def _public_pem(path: Path) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SealError(f"no public key: {error}", where=str(path), todo="openssl pkey -pubout writes one") from None
    if not isinstance(key, Ed25519PublicKey):
        raise SealError("is no Ed25519 key", where=str(path), todo="make an Ed25519 key")
    return key.public_bytes_raw()


@contextmanager
def _log(home: Home, who: str) -> "Iterator[tuple[Station, SealedLog]]":
    """The home's log under its lock, every batch sealed."""
    station = Station(home, str(uuid.uuid4()), who=who)
    try:
        station.lock()
        sealing.seal(station)
        found = sealing.opened(station)
        if found is None:
            todo = "the key signs from the first night on"
            raise SealError("there is no log yet", where=str(home.log), todo=todo)
        yield station, found
    finally:
        station.close()


def begin_rotation(home: Home, reason: str, *, now: Clock = utc_now) -> str:
    """Let another key sign beside the ones in force: a spare one of the folder, or a new one.

    Raises:
        SealError: two keys sign already.
    """
    with _log(home, "keys rotate") as (_, found):
        signing = found.ledger.signing_keys()
        if len(signing) > 1:
            raise SealError("two keys sign already", where="keys", todo="first run: audit-pipelines keys rotate --finish")
        return f"{_add(home, found, reason, now)} signs from now on, beside {_short(signing[0])}"


def _add(home: Home, found: SealedLog, reason: str, now: Clock) -> str:
    folder = sealed.keys_folder(home, home.settings())
    known = set(found.ledger.all_keys())
    spare = [public for public in key_files.listing(folder) if key_files.text_of(public) not in known]
    public = spare[0] if spare else key_files.make(folder, os.urandom).public
    key_files.load(folder, public)
    found.state(st.Key(at=now(), action="add", public_key=key_files.text_of(public), reason=reason))
    return key_files.fingerprint(public)


def finish_rotation(home: Home, reason: str, *, now: Clock = utc_now) -> str:
    """Let the oldest key sign no more.

    Raises:
        SealError: only one key signs, or the new one has not signed for ``OVERLAP``.
    """
    with _log(home, "keys rotate --finish") as (_, found):
        signing = found.ledger.signing_keys()
        if len(signing) < 2:
            raise SealError("only one key signs", where="keys", todo="begin with: audit-pipelines keys rotate")
        began = _since(found.ledger, signing[-1])
        if now() - began < OVERLAP:
            what = f"the new key signs since {began:%Y-%m-%d} only"
            raise SealError(what, where="keys", todo=f"readers need time: wait until {began + OVERLAP:%Y-%m-%d}")
        found.state(st.Key(at=now(), action="retire", public_key=signing[0], reason=reason))
        return f"{_short(signing[0])} signs no more: destroy its private key"


def compromised(home: Home, fingerprint: str, text: str, *, now: Clock = utc_now) -> str:
    """State that a key was stolen, let a new one sign, and end the stolen one at once.

    Raises:
        SealError: no such key signs.
    """
    with _log(home, "incident") as (_, found):
        matching = [key for key in found.ledger.signing_keys() if _short(key).startswith(fingerprint.lower()[:64])]
        if len(matching) != 1 or len(fingerprint) < 8:
            there = ", ".join(_short(key) for key in found.ledger.signing_keys())
            raise SealError(f"{fingerprint!r} is no key that signs", where="keys", todo=f"signing: {there}")
        stolen = matching[0]
        found.state(st.Incident(at=now(), kind="compromised", text=text, public_key=stolen))
        if len(found.ledger.signing_keys()) == 1:
            _add(home, found, "the other key was stolen", now)
        both = sealed.open_log(home, home.settings()) or found
        both.state(st.Key(at=now(), action="retire", public_key=stolen, reason="stolen"))
        rest = ", ".join(_short(key) for key in both.ledger.signing_keys())
        return f"{_short(stolen)} signs no more; {rest} does. Tell everyone who holds the old fingerprint, by another way"


def note(home: Home, text: str, *, now: Clock = utc_now) -> str:
    """State any other incident."""
    with _log(home, "incident") as (_, found):
        found.state(st.Incident(at=now(), kind="other", text=text))
        return f"stated as number {len(found.ledger.statements) - 1}"


def _short(text: str) -> str:
    return key_files.fingerprint(key_files.public_of(text, "keys"))
