"""Tokens and links: how they look, what is kept of them, and the file they are kept in.

A token is ``apt_<id>_<secret>``, the secret of a link ``apl_<id>_<secret>``: 12 hex digits that may be shown, and 32
random bytes as base64url. Kept is the secret's SHA-256 only. A slow hash would protect a secret that somebody could
guess; nobody guesses 256 random bits, so a fast one is as safe and lets every request be checked anew.
``state/tokens.json`` is written by the command ``tokens`` alone (``minting``); ``serve`` reads it, again whenever it
changed, so that a revocation counts with the next request. What does not belong here: sessions.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from audit_pipelines.errors import HomeError
from audit_pipelines.home import Home
from audit_pipelines.serve.principal import Principal, Restriction

FORMAT: Final = 1
SECRET: Final = re.compile(r"ap([tl])_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
"""What a token or a link's secret looks like, anywhere in a text."""
_TODO = "restore it from a backup, or delete it and make new tokens with: audit-pipelines tokens new"
_Aware = Annotated[datetime, msgspec.Meta(tz=True)]


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what the file holds: who may read the log is not a place for guesses."""


class Limits(_Strict, frozen=True, kw_only=True):
    """A restriction as the file holds it: one of a report, a period, an actor."""

    report: Annotated[str, msgspec.Meta(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")] | None = None
    since: _Aware | None = None
    until: _Aware | None = None
    actor: Annotated[str, msgspec.Meta(min_length=1)] | None = None

    def __post_init__(self) -> None:
        """Refuse what would restrict to nothing, or to two things."""
        ways = [self.report is not None, self.since is not None or self.until is not None, self.actor is not None]
        if ways.count(True) != 1 or (self.since is None) != (self.until is None):
            msg = "exactly one of report, since with until, actor"
            raise ValueError(msg)
        if self.since is not None and self.until is not None and self.until <= self.since:
            msg = "until is not after since"
            raise ValueError(msg)


class Grant(_Strict, frozen=True, kw_only=True):
    """One token or link."""

    kind: Literal["token", "link"]
    id: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{12}$")]
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    """Of the secret's characters."""
    name: str
    scopes: tuple[Literal["read", "export", "auditor", "admin"], ...]
    created: _Aware
    expires: _Aware
    revoked: _Aware | None = None
    restriction: Limits | None = None

    def __post_init__(self) -> None:
        """Refuse a link without a restriction, and a token that has one."""
        if (self.kind == "link") != (self.restriction is not None):
            msg = "a link has a restriction, a token has none"
            raise ValueError(msg)

    @property
    def public_id(self) -> str:
        """The id as people and the access log see it."""
        return f"{'tok' if self.kind == 'token' else 'lnk'}_{self.id}"

    def live(self, now: datetime) -> bool:
        """Whether it opens anything at ``now``."""
        return self.revoked is None and now < self.expires

    def principal(self, session: str | None) -> Principal:
        """Whoever comes with this; ``session`` is the id of the browser session, ``None`` for a bearer."""
        limits = self.restriction
        restriction = Restriction(limits.report, limits.since, limits.until, limits.actor) if limits else None
        return Principal(self.kind, self.public_id, self.name, None, frozenset(self.scopes), restriction, session)


class Tokens(_Strict, frozen=True, kw_only=True):
    """The whole of ``state/tokens.json``."""

    format: Literal[1] = FORMAT
    session_secret: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    """What session cookies are signed with."""
    grants: tuple[Grant, ...] = ()

    def by_id(self, kind: str, id_: str) -> Grant | None:
        """The grant of a kind with that id (12 hex digits)."""
        return next((one for one in self.grants if one.id == id_ and one.kind == kind), None)


@dataclass(frozen=True, slots=True)
class Presented:
    """A secret that somebody presents: the id it claims, and whether it is right."""

    grant: Grant | None
    """The grant of the claimed id, if there is one; not yet proof of anything."""
    right: bool
    """Whether the secret is that grant's."""


def path(home: Home) -> Path:
    """Where the tokens of a home are kept."""
    return home.state / "tokens.json"


def digest(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode("ascii")).hexdigest()


def read(home: Home) -> Tokens | None:
    """The tokens of ``home``; ``None`` when none were ever made.

    Raises:
        HomeError: the file cannot be read, or is not what the command wrote. Nobody gets in then.
    """
    try:
        content = path(home).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HomeError(f"cannot be read: {error.strerror}", where=str(path(home)), todo="see to its owner and mode") from None
    try:
        found = msgspec.json.decode(content, type=Tokens, strict=True)
    except (msgspec.MsgspecError, ValueError) as error:
        raise HomeError(f"damaged: {error}", where=str(path(home)), todo=_TODO) from None
    if len({grant.id for grant in found.grants}) != len(found.grants):
        raise HomeError("damaged: an id is there twice", where=str(path(home)), todo=_TODO)
    return found


class TokenStore:
    """The tokens as ``serve`` sees them: read again whenever the file is another one."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._seen: tuple[int, int, int] | None = None
        self._tokens: Tokens | None = None
        self._without_file = secrets.token_hex(32)

    def current(self) -> Tokens | None:
        """The tokens as they are on disk now.

        Raises:
            HomeError: the file is damaged.
        """
        try:
            status = path(self._home).stat()
        except OSError:
            self._seen, self._tokens = None, read(self._home)  # none, or an error that says why
            return self._tokens
        stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        if stamp != self._seen:
            self._tokens, self._seen = read(self._home), stamp
        return self._tokens

    def grant(self, public_id: str) -> Grant | None:
        """The token or link with that public id, live or not."""
        tokens = self.current()
        kind = {"tok": "token", "lnk": "link"}.get(public_id[:3])
        return tokens.by_id(kind, public_id[4:]) if tokens and kind else None

    def present(self, text: str, kind: Literal["token", "link"]) -> Presented:
        """Look up a secret that somebody presents; its time and revocation are the caller's to check."""
        match = SECRET.fullmatch(text)
        tokens = self.current()
        if match is None or tokens is None or match[1] != kind[0]:
            return Presented(None, right=False)
        grant = tokens.by_id(kind, match[2])
        known = grant.sha256 if grant else digest("")
        return Presented(grant, right=hmac.compare_digest(known, digest(match[3])) and grant is not None)

    def session_secret(self) -> str:
        """What cookies are signed with; without a file one that lasts as long as the process."""
        tokens = self.current()
        return tokens.session_secret if tokens else self._without_file
