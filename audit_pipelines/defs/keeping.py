"""Keeping and letting go: retention policy, legal holds, purges and erasures, each with its statement.

A removal is committed (``removals/<n>.json``), then stated in the log, and only then files are deleted; a
killed run goes on from where it was. What does not belong here: which files go (``lake.purge``,
``lake.erase``) and how they are chosen for a purge (``retention``).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from audit_pipelines.batch import Batch, evidence_files
from audit_pipelines.defs import accessfiles
from audit_pipelines.defs.station import Station
from audit_pipelines.digest import sha256
from audit_pipelines.errors import SealError, SettingsError
from audit_pipelines.home import Home
from audit_pipelines.lake import erase as erase_module
from audit_pipelines.lake import erased, purge
from audit_pipelines.lake.read import connect, relate
from audit_pipelines.removal import Removal, Taken, encode, removals
from audit_pipelines.seal import sealed
from audit_pipelines.seal import statements as st
from audit_pipelines.seal.ledger import covers
from audit_pipelines.seal.sealed import SealedLog

_LEAVES_AT_ONCE, _FILES_AT_ONCE = 2000, 60
"""In one statement; both together stay below its limit of 65,535 bytes."""


@dataclass(frozen=True, slots=True)
class Located:
    """An event of the log."""

    uid: str
    source: str
    day: date
    leaf: int


def finish(found: SealedLog) -> None:
    """State every removal that is committed and not stated, then delete what removals name.

    Raises:
        SealError: a removal was not made by ``enforce`` or ``erase``: it is not signed, and nothing is deleted.
    """
    done = removals(found.home)
    stated = found.ledger.removals()
    for removal in done:
        if removal.number not in stated:
            path = found.home.removal(removal.number)
            if not found.statements.notary.was_announced(path.name, sha256(path)):
                todo = "find out who wrote it; without it, or restored from a backup, the night goes on"
                raise SealError("was not made by purge or erase: it is not signed", where=str(path), todo=todo)
            found.state(*statements_of(found.home, removal))
    for removal in done:
        purge.delete(found.home, removal)


def statements_of(home: Home, removal: Removal) -> Sequence[st.AnyStatement]:
    """A purge: one statement a file. An erasure: one, or several where its leaves would not fit."""
    if removal.kind == "purge":
        return [_purge(removal, item) for item in removal.taken]
    named = st.digested(home, home.removal(removal.number))
    leaves = sorted(leaf for item in removal.taken for leaf in item.leaves)
    files = [
        st.Rewritten(path=item.path, sha256=item.sha256, new_path=item.new_path, new_sha256=item.new_sha256)
        for item in removal.taken
    ]
    parts = max(1, -(-len(leaves) // _LEAVES_AT_ONCE), -(-len(files) // _FILES_AT_ONCE))
    return [
        st.Erasure(
            at=removal.at,
            removal=named,
            leaves=tuple(leaves[part * _LEAVES_AT_ONCE : (part + 1) * _LEAVES_AT_ONCE]),
            files=tuple(files[part * _FILES_AT_ONCE : (part + 1) * _FILES_AT_ONCE]),
            ground=removal.ground,
            approver=removal.approver,
        )
        for part in range(parts)
    ]


def _purge(removal: Removal, item: Taken) -> st.Purge:
    return st.Purge(
        at=removal.at,
        removal=removal.number,
        what=item.what,
        path=item.path,
        sha256=item.sha256,
        source=item.source,
        day=item.day,
        first=item.first,
        count=item.count,
        newest=item.newest,
        months=item.months,
        limit=item.limit,
        approver=removal.approver,
    )


def state_policy(found: SealedLog, station: Station) -> None:
    """State the settings' retention policy where it is not the one in force."""
    wanted, known = sealed.stated_policy(station.settings), found.ledger.policy()
    if (wanted.months, dict(wanted.sources)) != (known.months, dict(known.sources)):
        found.state(st.Policy(at=station.now(), months=wanted.months, sources=dict(wanted.sources)))


def plan(station: Station, *, approver: str = "policy") -> purge.Plan:
    """What is past the retention that the settings say, and not held; reads only."""
    known = sealed.read_ledger(station.home)
    sealed_ones = known.batches() if known else {}
    batches = [batch for batch in station.batches() if batch.seq in sealed_ones]

    def held(source: str | None, day: date) -> bool:
        return known is not None and known.held(source, day)

    return purge.plan(station.home, batches, sealed.stated_policy(station.settings), station.now(), held, approver=approver)


def enforce(station: Station, *, approver: str) -> purge.Plan:
    """Delete what is past retention: commit the removal, state it, delete."""
    found = log_of(station)
    accessfiles.clear(station)
    state_policy(found, station)
    chosen = plan(station, approver=approver)
    if chosen.removal is not None:
        announce(found, chosen.removal)
        purge.commit_removal(station.home, chosen.removal)
    finish(found)
    return chosen


def announce(found: SealedLog, removal: Removal) -> None:
    """Beside the keys, before the removal is committed: who can write the home cannot have a removal of his own signed."""
    name = found.home.removal(removal.number).name
    found.statements.notary.announce(name, hashlib.sha256(encode(removal)).hexdigest())


def nightly(station: Station) -> None:
    """Look for what is past retention; delete it only with ``retention.enforce``. Sealed files of the access log go."""
    if sealed.read_ledger(station.home) is None:
        return
    if station.settings.retention.enforce:
        station.past = enforce(station, approver="retention.enforce")
    else:
        accessfiles.clear(station)
        station.past = plan(station)


def erase(station: Station, uids: Sequence[str], rejects: Sequence[str], *, ground: str, approver: str) -> Removal:
    """Take single events and rejects out: commit, state, delete, and judge the touched days again.

    Files of the access log that hold a copy go before; those that cannot go yet stand in ``station.copies``.

    Raises:
        LakeError: one of them is not there; nothing was changed.
        SettingsError: a legal hold keeps one of them.
    """
    from audit_pipelines.defs import judge, night

    found = log_of(station)
    _refuse_held(station, found, uids)
    station.copies = tuple(accessfiles.clear_copies(station, uids, rejects))
    done = removals(station.home)
    removal = erase_module.erase(
        station.home,
        station.batches(),
        uids,
        at=station.now(),
        ground=ground,
        approver=approver,
        digest=erased.digester(erased.own_key(station.home, done, station.salts)),
        dialect_of=lambda name: night.dialect(station.home, name),
        with_rejects=rejects,
        announce=lambda made: announce(found, made),
    )
    finish(found)
    judge.judge(station)
    return removal


def locate(home: Home, batches: Sequence[Batch], uids: Sequence[str]) -> list[Located]:
    """Where events lie: a dry run of ``erase``; uids that are not there are left out."""
    connection = connect(memory="1GB", spill=home.staging / "spill")
    try:
        relate(connection, home, evidence_files(batches))
        rows = connection.execute(
            "SELECT uid, source, CAST(occurred_at AS DATE), leaf_index FROM events"
            " WHERE uid IN (SELECT unnest($uids)) ORDER BY leaf_index",
            {"uids": list(uids)},
        ).fetchall()
    finally:
        connection.close()
    return [Located(*row) for row in rows]


def _refuse_held(station: Station, found: SealedLog, uids: Sequence[str]) -> None:
    for event in locate(station.home, station.batches(), uids):
        for name, hold in found.ledger.holds().items():
            if covers(hold, event.source, event.day):
                todo = "hold beats erasure; release it first, if that is right"
                raise SettingsError(f"is kept by the legal hold {name!r}", where=event.uid, todo=todo)


def set_hold(
    station: Station, name: str, *, source: str | None, first: date | None, last: date | None, reason: str, approver: str
) -> None:
    """State a legal hold.

    Raises:
        SettingsError: a hold of this name is in force.
    """
    found = log_of(station)
    if name in found.ledger.holds():
        raise SettingsError(f"a hold {name!r} is in force", where="holds", todo="release it first, or take another name")
    found.state(
        st.Hold(
            at=station.now(), action="set", name=name, source=source, first=first, last=last, reason=reason, approver=approver
        )
    )


def release_hold(station: Station, name: str, *, reason: str, approver: str) -> None:
    """State that a legal hold ends.

    Raises:
        SettingsError: there is no such hold.
    """
    found = log_of(station)
    if name not in found.ledger.holds():
        there = ", ".join(sorted(found.ledger.holds())) or "none"
        raise SettingsError(f"no hold {name!r} is in force", where="holds", todo=f"in force: {there}")
    found.state(st.Hold(at=station.now(), action="release", name=name, reason=reason, approver=approver))


def log_of(station: Station) -> SealedLog:
    """The log, with every batch sealed: what is decided is decided about sealed evidence."""
    from audit_pipelines.defs import sealing

    station.lock()
    sealing.seal(station)
    found = sealing.opened(station)
    if found is None:
        raise SettingsError(
            "there is no batch yet, hence no log", where=str(station.home.root), todo="run: audit-pipelines night"
        )
    return found
