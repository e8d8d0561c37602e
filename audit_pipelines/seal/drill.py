"""The drill: a copy of a sealed batch is altered, and verification has to notice.

The batch, the file and the alteration follow from a seed that nobody knows before the night's checkpoint.
The copy has the batch's manifest, its statement, one evidence file and that file's tiles. An insider's
alteration is made consistent as far as someone without the key can make it: digests and statements are
changed to fit. First the untouched copy must pass. What does not belong here: verifying a home (``verify``).
"""

import base64
import hashlib
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import zstandard

from audit_pipelines.batch import Batch, EvidenceFile
from audit_pipelines.durable import make_folder
from audit_pipelines.errors import AuditError, EvidenceError
from audit_pipelines.home import Home
from audit_pipelines.seal import leaves, proofs
from audit_pipelines.seal import statements as st
from audit_pipelines.seal.log import read_checkpoint
from audit_pipelines.seal.sealed import SealedLog
from audit_pipelines.seal.standalone import Bad, Edge, Key, check, leaf_hash, node_hash, open_checkpoint, tail
from audit_pipelines.seal.tiles import Tiles

Lines = list[bytes]


@dataclass(slots=True)
class Copy:
    """What verification gets to see; an alteration changes some of it."""

    lines: Lines
    tiles: bytes
    """Leaf hashes as the tiles have them."""
    evidence: Path
    manifest: bytes
    statement: bytes
    first: int
    before: list[bytes]
    after: list[bytes]
    size: int
    """Of the events log."""
    index: int
    path: list[bytes]
    """Inclusion of the statement."""
    events: bytes
    statements: bytes
    """The two checkpoints."""


def drill(home: Home, found: SealedLog, batches: Sequence[Batch], *, seed: bytes, scratch: Path) -> st.Drill | None:
    """Alter a copy and say whether that was noticed; None = there is nothing to try it on.

    Raises:
        EvidenceError: the untouched copy does not pass: the home itself is damaged.
    """
    dice = random.Random(seed)  # noqa: S311 - chosen by the checkpoint's hash, so that a rerun chooses the same
    known = found.ledger.batches()
    choices = [(batch, file) for batch in batches if batch.seq in known for file in batch.evidence if file.rows]
    if not choices:
        return None
    batch = dice.choice(sorted({entry.seq for entry, _ in choices}))
    file = dice.choice([entry for other, entry in choices if other.seq == batch])
    try:
        try:
            copy = _copy(home, found, batch, file, scratch)
            fault = _fault(copy, found)
        except (AuditError, OSError) as error:
            raise EvidenceError(f"cannot be copied: {error}", where=file.path, todo="run: audit-pipelines verify") from None
        if fault is not None:
            raise EvidenceError(f"does not verify: {fault}", where=file.path, todo="run: audit-pipelines verify")
        name = dice.choice(sorted(ALTERATIONS))
        ALTERATIONS[name](copy, dice)
        fault = _fault(copy, found)
        return st.Drill(batch=batch, alteration=name, caught=fault is not None, message=fault or "not noticed")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _copy(home: Home, found: SealedLog, seq: int, file: EvidenceFile, scratch: Path) -> Copy:
    make_folder(scratch)
    target = scratch / "evidence.zst"
    shutil.copyfile(home.root / file.path, target)
    index, statement = found.ledger.batches()[seq]
    size, whole = statement.events.size, found.statements.head().size
    tiles, notes = Tiles(found.events.folder), Tiles(found.statements.folder)
    return Copy(
        lines=[line for block in leaves.lines(target) for line in block],
        tiles=tiles.leaves(file.first, file.end),
        evidence=target,
        manifest=home.batch(seq).read_bytes(),
        statement=st.encode(statement),
        first=file.first,
        before=proofs.edge(tiles, file.first),
        after=proofs.after(tiles, file.end, size),
        size=size,
        index=index,
        path=proofs.inclusion(notes, index, whole),
        events=read_checkpoint(found.events.folder, size),
        statements=read_checkpoint(found.statements.folder, whole),
    )


def _fault(copy: Copy, found: SealedLog) -> str | None:
    """What is wrong with the copy, in one line; None = it verifies."""
    try:
        _verify(copy, found)
    except (Bad, AuditError) as error:
        return str(error)[:200]
    return None


def _verify(copy: Copy, found: SealedLog) -> None:
    events = open_checkpoint(copy.events, found.events.keys, "events checkpoint")
    statements = open_checkpoint(copy.statements, found.statements.keys, "statements checkpoint")
    _check_inclusion(copy, statements.size, statements.root)
    batch = st.decode(copy.statement, "batch statement")
    check(isinstance(batch, st.Batch), "the statement is no batch statement")
    assert isinstance(batch, st.Batch)
    digest = hashlib.sha256(copy.manifest).hexdigest()
    check(batch.manifest.sha256 == digest, "the manifest is not the one that was stated")
    check(batch.events.size == events.size and batch.events.root == _text(events.root), "the head is not the one stated")
    hashes = b"".join(leaves.leaf(line, f"line {at}") for at, line in enumerate(copy.lines))
    for at in range(0, max(len(hashes), len(copy.tiles)), 32):
        check(hashes[at : at + 32] == copy.tiles[at : at + 32], f"leaf {copy.first + at // 32} is not the one in the tiles")
    edge = Edge.of(copy.first, copy.before)
    for at in range(0, len(hashes), 32):
        edge.append(hashes[at : at + 32])
    heights = tail(edge.size, copy.size)
    check(len(heights) == len(copy.after), "the leaves do not fit between their neighbours")
    for node, height in zip(copy.after, heights, strict=True):
        edge.append(node, height)
    check(edge.root() == events.root, "the leaves do not give the root that was signed")


def _check_inclusion(copy: Copy, size: int, root: bytes) -> None:
    """RFC 9162, 2.1.3.2."""
    node, at, last = leaf_hash(copy.statement), copy.index, size - 1
    for item in copy.path:
        check(last > 0, "the statement's proof is too long")
        if at & 1 or at == last:
            node = node_hash(item, node)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            node = node_hash(node, item)
        at, last = at >> 1, last >> 1
    check(last == 0 and node == root, "the statement is not in the log")


def _text(root: bytes) -> str:
    return base64.b64encode(root).decode()


# --- alterations --------------------------------------------------------------------------------------------


def _flip(copy: Copy, dice: random.Random) -> None:
    at = dice.randrange(len(copy.lines))
    line = bytearray(copy.lines[at])
    line[dice.randrange(len(line))] ^= 1 << dice.randrange(8)
    copy.lines[at] = bytes(line)


def _drop(copy: Copy, dice: random.Random) -> None:
    del copy.lines[dice.randrange(len(copy.lines))]


def _double(copy: Copy, dice: random.Random) -> None:
    at = dice.randrange(len(copy.lines))
    copy.lines.insert(at, copy.lines[at])


def _insert(copy: Copy, dice: random.Random) -> None:
    salt = dice.randbytes(16).hex().encode()
    copy.lines.insert(dice.randrange(len(copy.lines) + 1), salt + b' {"id":"made up"}')


def _swap(copy: Copy, dice: random.Random) -> None:
    if len(set(copy.lines)) < 2:
        _insert(copy, dice)
        return
    at = dice.randrange(len(copy.lines) - 1)
    copy.lines[at], copy.lines[at + 1] = copy.lines[at + 1], copy.lines[at]


def _truncate(copy: Copy, dice: random.Random) -> None:
    del copy.lines[dice.randrange(len(copy.lines)) :]


def _fit_tiles(copy: Copy, dice: random.Random) -> None:
    """A changed record whose leaf in the tiles was changed too."""
    at = dice.randrange(len(copy.lines))
    copy.lines[at] = dice.randbytes(16).hex().encode() + b" " + copy.lines[at][33:] + b" "
    copy.tiles = copy.tiles[: at * 32] + leaves.leaf(copy.lines[at], "line") + copy.tiles[at * 32 + 32 :]


def _fit_manifest(copy: Copy, dice: random.Random) -> None:
    """A changed record whose manifest has the new digest, as the statement then has."""
    _flip(copy, dice)
    content = zstandard.ZstdCompressor().compress(b"".join(b"%s\n" % line for line in copy.lines))
    made = msgspec.json.decode(copy.manifest)
    for file in made["evidence"]:
        if file["first"] == copy.first:
            file["sha256"], file["bytes"] = hashlib.sha256(content).hexdigest(), len(content)
    copy.manifest = msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n"
    batch = st.decode(copy.statement, "statement")
    assert isinstance(batch, st.Batch)
    digest = st.Digested(path=batch.manifest.path, sha256=hashlib.sha256(copy.manifest).hexdigest())
    copy.statement = st.encode(msgspec.structs.replace(batch, manifest=digest))


def _other_key(copy: Copy, dice: random.Random) -> None:
    """A whole line of evidence left out, everything computed anew, and signed with another key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    head = open_checkpoint(copy.events, [], "events checkpoint")
    secret = Ed25519PrivateKey.from_private_bytes(dice.randbytes(32))
    key = Key(head.origin, secret.public_key().public_bytes_raw())
    line = _text(key.id + secret.sign(head.body))
    copy.events = head.body + f"\n\u2014 {key.name} {line}\n".encode()


def _other_tile(copy: Copy, dice: random.Random) -> None:
    at = dice.randrange(len(copy.tiles))
    copy.tiles = copy.tiles[:at] + bytes([copy.tiles[at] ^ 1]) + copy.tiles[at + 1 :]


ALTERATIONS: Final[dict[str, Callable[[Copy, random.Random], None]]] = {
    "a bit of a record or salt": _flip,
    "a record left out": _drop,
    "a record doubled": _double,
    "a record made up": _insert,
    "two records swapped": _swap,
    "the end cut off": _truncate,
    "a record and its tile": _fit_tiles,
    "a record, its manifest and its statement": _fit_manifest,
    "a checkpoint signed with another key": _other_key,
    "a bit of a tile": _other_tile,
}
