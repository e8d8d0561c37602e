"""Making and revoking tokens and links: the only writer of ``state/tokens.json``, behind the command ``tokens``.

Changes are made under a lock of their own, so that two commands at once lose neither a token nor a revocation, and
written atomically, readable by the owner alone. What does not belong here: the command line.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Literal, cast

import msgspec

from audit_pipelines.durable import make_folder, write_atomically
from audit_pipelines.errors import HomeError
from audit_pipelines.home import Home
from audit_pipelines.serve.principal import LINK_SCOPES, SCOPES, LinkKind
from audit_pipelines.serve.tokens import Grant, Limits, Tokens, digest, path, read

Scope = Literal["read", "export", "auditor", "admin"]


def new_token(home: Home, name: str, scopes: frozenset[str], *, now: datetime, lasts: timedelta) -> tuple[Grant, str]:
    """Make a token; the text that opens the log is returned once and kept nowhere.

    Raises:
        HomeError: the tokens file is damaged or cannot be written.
    """
    assert scopes <= SCOPES.keys()
    return _add(home, "token", name, scopes, None, now=now, lasts=lasts)


def new_link(home: Home, name: str, limits: Limits, *, now: datetime, lasts: timedelta) -> tuple[Grant, str]:
    """Make a link that shows what ``limits`` say; its secret is returned once."""
    kind: LinkKind = "report" if limits.report else "actor" if limits.actor else "period"
    return _add(home, "link", name, LINK_SCOPES[kind], limits, now=now, lasts=lasts)


def revoke(home: Home, id_: str, *, now: datetime) -> Grant:
    """Revoke a token or link by its id, with or without the prefix; one that was revoked before stays so.

    Raises:
        HomeError: there is none with that id.
    """
    bare = id_.partition("_")[2] if id_.startswith(("tok_", "lnk_")) else id_
    with _changing(home) as (tokens, write):
        there = next((grant for grant in tokens.grants if grant.id == bare), None)
        if there is None:
            raise HomeError(f"no token or link {id_!r}", where=str(path(home)), todo="see: audit-pipelines tokens list")
        gone = msgspec.structs.replace(there, revoked=there.revoked or now)
        grants = tuple(gone if grant.id == bare else grant for grant in tokens.grants)
        write.append(msgspec.structs.replace(tokens, grants=grants))
    return gone


def _add(
    home: Home,
    kind: Literal["token", "link"],
    name: str,
    scopes: frozenset[str],
    limits: Limits | None,
    *,
    now: datetime,
    lasts: timedelta,
) -> tuple[Grant, str]:
    secret = secrets.token_urlsafe(32)
    with _changing(home) as (tokens, write):
        grant = Grant(
            kind=kind,
            id=secrets.token_hex(6),
            sha256=digest(secret),
            name=name,
            scopes=tuple(cast("Scope", scope) for scope in SCOPES if scope in scopes),
            created=now,
            expires=now + lasts,
            restriction=limits,
        )
        write.append(msgspec.structs.replace(tokens, grants=(*tokens.grants, grant)))
    return grant, f"ap{kind[0]}_{grant.id}_{secret}"


@contextmanager
def _changing(home: Home) -> Iterator[tuple[Tokens, list[Tokens]]]:
    """The tokens as they are, and where to put what they become; held alone from reading to writing."""
    make_folder(home.state)
    # Its mode is given, not left to the umask: that belongs to the whole process, and threads would restore each other's.
    with open(os.open(home.state / "tokens.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        become: list[Tokens] = []
        yield read(home) or Tokens(session_secret=secrets.token_hex(32)), become
        for tokens in become:
            content = msgspec.json.format(msgspec.json.encode(tokens), indent=2) + b"\n"
            write_atomically(path(home), content, staging=home.staging, mode=0o600)
