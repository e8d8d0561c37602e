"""What the sealed log says of one month: heads, keys, and statements below T, for the report's chapter on integrity.

Everything here is a function of the events log at S and of the statements below T, so that a report made
again says the same. Time-stamp tokens come later than what they stamp, and may come late. So what counts is
not which token files are there, but which tokens batch statements below T name by digest
(``previous_token_sha256``): a batch is younger than the token that its statement names, and older than a
token that a later statement names and its own does not. No statement names a witness's cosignatures; they
are not counted. Drills count where a drop statement has them: nights that stated nothing have theirs in
``state/`` only. What does not belong here: printing (``typeset``), and which S and T (``monthly``).
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path

from audit_pipelines.batch import Batch
from audit_pipelines.defs import decisions
from audit_pipelines.defs.decisions import Reach, midnight
from audit_pipelines.defs.monthfacts import Month, touches
from audit_pipelines.errors import EvidenceError
from audit_pipelines.home import Home
from audit_pipelines.seal import keys, proofs
from audit_pipelines.seal import statements as st
from audit_pipelines.seal.appending import entries
from audit_pipelines.seal.ledger import Ledger
from audit_pipelines.seal.log import checkpoint_path, checkpoint_sizes, read_checkpoint
from audit_pipelines.seal.standalone import Bad, Edge, Key, check, check_consistency, leaf_hash, open_checkpoint, parse_vkey
from audit_pipelines.seal.tiles import WIDTH, Tiles
from audit_pipelines.typeset.integrity import DrillCount, Head, Integrity, LogFile, SealedBatch, SigningKey


def integrity(home: Home, batches: Sequence[Batch], known: Ledger, month: Month, *, size: int, statements: int) -> Integrity:
    """The chapter's facts; signatures, the consistency proof and the statements' root are verified first.

    Args:
        home: the home.
        batches: all batches below S.
        known: the ledger; statements below ``statements`` count.
        month: which month.
        size: S, at which the events log has a checkpoint.
        statements: T, at which the statements log has a checkpoint.

    Raises:
        EvidenceError: a checkpoint is missing, its signature does not hold, or the log does not fit it.
    """
    below = Ledger(known.statements[:statements])
    reach, ended = Reach.of(batches, month), decisions.index_at(below, midnight(month.until))
    earlier = _earlier(batches, month)
    first = _statements_before(home, below, earlier, reach)
    signing = _keys(below)
    try:
        trusted = [parse_vkey(key.events) for key in signing]
        events = _heads(home.log / "events", trusted, earlier.size if earlier else 0, size)
        trusted = [parse_vkey(key.statements) for key in signing]
        notes = _heads(home.log / "statements", trusted, first, statements)
        files = (*_event_files(home, events), *_statement_files(home, notes), *_key_files(signing))
    except Bad as error:
        raise EvidenceError(str(error), where=str(home.log), todo="run: audit-pipelines verify") from None
    policy = below.policy(ended)
    erasures = [(index, item) for index, item in below.erasures() if reach.changed_by(item)]
    return Integrity(
        origin=below.genesis.origin,
        keys=signing,
        events_before=events[0],
        events=events[1],
        statements_before=notes[0],
        statements=notes[1],
        batches=tuple(reversed(list(_batches(below, reach)))),
        drills=_drills(below, reach),
        policy_months=policy.months,
        policy_sources=dict(policy.sources),
        holds=tuple(sorted(below.holds(ended))),
        decisions=decisions.of_month(below, reach),
        erasures=tuple(index for index, _ in erasures),
        erased=sum(reach.taken(item) for _, item in erasures),
        files=files,
    )


def _earlier(batches: Sequence[Batch], month: Month) -> Batch | None:
    """The last batch that was extracted before the month began, and before any that touched it."""
    before = takewhile(lambda batch: not touches(batch, month), batches)
    return max(
        (batch for batch in before if batch.extracted_at < midnight(month.first)), key=lambda batch: batch.seq, default=None
    )


def _statements_before(home: Home, below: Ledger, earlier: Batch | None, reach: Reach) -> int:
    """A checkpoint of the statements log that has ``earlier`` and no statement of the month's batches."""
    known = below.batches()
    wanted = known[earlier.seq][0] + 1 if earlier else 1
    most = min((index for seq, (index, _) in known.items() if seq in reach.batches), default=len(below.statements))
    sizes = [size for size in checkpoint_sizes(home.log / "statements") if size <= most]
    return min((size for size in sizes if size >= wanted), default=max(sizes, default=1))


def _keys(below: Ledger) -> tuple[SigningKey, ...]:
    """Every key that ever signed, oldest first."""
    since = {below.genesis.public_key: 0}
    until: dict[str, int] = {}
    for index, item in enumerate(below.statements):
        if isinstance(item, st.Key):
            (since if item.action == "add" else until)[item.public_key] = index
    found = []
    for text, start in since.items():
        public = keys.public_of(text, "key statement")
        names = [Key(f"{below.genesis.origin}/{log}", public).vkey for log in ("events", "statements")]
        end = until.get(text)
        found.append(SigningKey(keys.fingerprint(public), names[0], names[1], start, end if end and end > start else None))
    return tuple(found)


def _heads(folder: Path, trusted: Sequence[Key], *sizes: int) -> list[Head]:
    """The log's checkpoints at these sizes.

    Raises:
        EvidenceError: one is missing.
        Bad: a signature does not hold, or it is of another log or size.
    """
    found = []
    for size in sizes:
        data = read_checkpoint(folder, size)
        where = str(checkpoint_path(folder, size))
        head = open_checkpoint(data, trusted, where)
        check((head.origin, head.size) == (trusted[0].name, size), f"{where}: is of {head.origin}, size {head.size}")
        found.append(Head(size, head.root, data.decode()))
    return found


def _event_files(home: Home, heads: Sequence[Head]) -> list[LogFile]:
    old, new = heads
    path = proofs.consistency(Tiles(home.log / "events"), old.size, new.size)
    check_consistency((old.size, old.root), (new.size, new.root), path)
    proof = proofs.consistency_file(old.size, path, new.text.encode())
    return [
        LogFile("events.old.checkpoint", "Signed head of the events log before the month", old.text.encode()),
        LogFile("events.checkpoint", "Signed head of the events log at size S", new.text.encode()),
        LogFile("events.consistency", "Proof that the later events log is the earlier one, only longer", proof),
    ]


def _statement_files(home: Home, heads: Sequence[Head]) -> list[LogFile]:
    """The statements from the older head to the newer, with what shows that they are all, in order."""
    old, new = heads
    folder = home.log / "statements"
    start = old.size - old.size % WIDTH
    listed = entries(folder, new.size, first=start)[old.size - start :]
    nodes = proofs.edge(Tiles(folder), old.size)
    edge = Edge.of(old.size, nodes)
    check(edge.root() == old.root, f"{folder}: the tiles do not give the root of {old.size} statements")
    for entry in listed:
        edge.append(leaf_hash(entry))
    check(edge.root() == new.root, f"{folder}: the statements do not give the root of {new.size}")
    content = b"".join(entry + b"\n" for entry in listed)
    return [
        LogFile("statements.old.checkpoint", "Signed head of the statements log before the month", old.text.encode()),
        LogFile("statements.checkpoint", "Signed head of the statements log at size T", new.text.encode()),
        LogFile("statements.edge", "Right edge of the earlier statements log", proofs.hash_lines(nodes).encode()),
        LogFile("statements.ndjson", "Every statement from the earlier head up to T", content, len(listed)),
    ]


def _key_files(signing: Sequence[SigningKey]) -> list[LogFile]:
    """One file a key and log, the newest key without a number."""
    found = []
    for number, key in enumerate(reversed(signing), start=1):
        mark = "" if number == 1 else f".{number}"
        for log, vkey in (("events", key.events), ("statements", key.statements)):
            found.append(
                LogFile(f"{log}{mark}.vkey", f"Public key {key.fingerprint[:16]} of the {log} log", f"{vkey}\n".encode())
            )
    return found


def _batches(below: Ledger, reach: Reach) -> Iterator[SealedBatch]:
    """The month's batches as their statements have them, newest first: a token is looked for in later ones."""
    conflicts: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for index, item in enumerate(below.statements):
        if isinstance(item, st.Conflict):
            conflicts[item.batch].append((index, len(item.leaves)))
    later: set[str] = set()
    known = below.batches()
    for seq in sorted(known, reverse=True):
        index, item = known[seq]
        token = item.previous_token_sha256
        if seq in reach.batches:
            yield SealedBatch(
                seq=seq,
                statement=index,
                first=item.events.first,
                size=item.events.size,
                late=item.late,
                rejects=item.rejects,
                conflicts=sum(count for _, count in conflicts[seq]),
                conflict_statements=tuple(number for number, _ in conflicts[seq]),
                names_token=token is not None,
                followed=bool(later - {token}),
            )
        if token is not None:
            later.add(token)


def _drills(below: Ledger, reach: Reach) -> tuple[DrillCount, ...]:
    """The drills that the drop statements of the month's batches have, by what was altered."""
    found = [item.drill for item in below.drops() if item.drill is not None and item.batch in reach.batches]
    times, noticed = Counter(drill.alteration for drill in found), Counter(drill.alteration for drill in found if drill.caught)
    return tuple(DrillCount(name, times[name], noticed[name]) for name in sorted(times))
