"""Statements of a home: each is the leaf it should be, all can be read, and batches follow one another.

What does not belong here: whether what a statement says is true (``batches``, ``removals``,
``files``).
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from audit_pipelines.errors import EvidenceError, SealError
from audit_pipelines.home import Home
from audit_pipelines.seal import ledger
from audit_pipelines.seal import statements as st
from audit_pipelines.seal.appending import entries
from audit_pipelines.seal.keys import public_of
from audit_pipelines.seal.ledger import Ledger
from audit_pipelines.seal.standalone import leaf_hash
from audit_pipelines.seal.tiles import HASH, WIDTH, tile_path
from audit_pipelines.seal.verify.check import Check, Fault, counted
from audit_pipelines.seal.verify.heads import Heads
from audit_pipelines.seal.verify.sized import SizedTiles
from audit_pipelines.seal.verify.tiles import tile_number


def read_ledger(home: Home, heads: Heads) -> tuple[Ledger | None, list[bytes], list[Fault]]:
    """The ledger and its entries, as the newest checkpoint has them whose statements can be read at all."""
    faults: list[Fault] = []
    found: list[bytes] = []
    notes = {head.note.size for head in (*heads.sizes.values(), heads.current) if head}
    for size in sorted(notes, reverse=True):
        try:
            found = entries(heads.folder, size)
            known = ledger.read(found, "log")
            for text in known.all_keys():
                public_of(text, "log")
            return known, found, faults[:1]
        except EvidenceError as error:
            where = _relative(home, error.where)
            text = f"{where.removeprefix('log: ')}: {error.what}" if where.startswith("log") else error.what
            faults.append(Fault(text, home.relative(heads.folder) if where.startswith("log: ") else where))
        except SealError as error:
            faults.append(Fault(f"a key in it {error.what}", home.relative(heads.folder)))
    return None, [], faults[:1]


def _relative(home: Home, where: str) -> str:
    return where.removeprefix(f"{home.root}/")


def check_statements(
    home: Home, heads: Heads, known: Ledger | None, found: Sequence[bytes], faults: Sequence[Fault], roots: Mapping[int, bytes]
) -> Check:
    """Entries against tiles, and the rules that batch statements keep.

    Args:
        home: the home.
        heads: of the statements log.
        known: the ledger, if it could be read.
        found: the entries.
        faults: what reading them said.
        roots: of the events log, as they were signed, by size.
    """
    all_faults = [*faults, *_leaf_faults(home, heads.folder, found), *_bundle_faults(home, heads.folder, found)]
    if known is not None:
        all_faults += _order_faults(known, roots)
    kinds = counted(len(found), "statement")
    text = f"{kinds}, of {counted(len(known.batches()), 'batch', 'batches')}" if known else kinds
    return Check("statements", text, tuple(all_faults), tuple(_incidents(known)) if known else ())


def _incidents(known: Ledger) -> Iterator[str]:
    """What the log itself says went wrong."""
    for index, item in enumerate(known.statements):
        if isinstance(item, st.Incident):
            yield f"statement {index} tells of an incident ({item.kind}) on {item.at.date()}: {item.text}"
        elif isinstance(item, st.Drop) and item.drill is not None and not item.drill.caught:
            yield f"statement {index} tells of a drill that went unnoticed: {item.drill.alteration} of batch {item.drill.batch}"


def _leaf_faults(home: Home, folder: Path, found: Sequence[bytes]) -> list[Fault]:
    try:
        leaves = SizedTiles(folder, len(found)).leaves(0, len(found))
    except EvidenceError as error:
        return [Fault(error.what, _relative(home, error.where))]
    faults = []
    for index, entry in enumerate(found):
        if leaf_hash(entry) != leaves[index * HASH : (index + 1) * HASH]:
            width = min(WIDTH, len(found) - index // WIDTH * WIDTH)
            path = tile_path(folder, "entries", index // WIDTH, width)
            path = path if path.is_file() else tile_path(folder, "entries", index // WIDTH)
            faults.append(Fault(f"statement {index} is not the one that was sealed", home.relative(path)))
    return faults


def _bundle_faults(home: Home, folder: Path, found: Sequence[bytes]) -> list[Fault]:
    """Bundles that older checkpoints had, which are left, must be the beginnings of those that followed."""
    faults = []
    for path in sorted((folder / "tile" / "entries").glob("**/*.p/*")):
        number = tile_number(path)
        if number is None or not path.name.isdecimal():
            continue
        first, width = number * WIDTH, int(path.name)
        some = found[first : first + width]
        if len(some) == width and path.read_bytes() != b"".join(len(entry).to_bytes(2, "big") + entry for entry in some):
            faults.append(Fault("is not the beginning of the bundle that followed it", home.relative(path)))
    return faults


def _order_faults(known: Ledger, roots: Mapping[int, bytes]) -> list[Fault]:
    """Batches are stated once each, in order; their ranges tile the log, their roots are its roots."""
    faults, size, expected = [], 0, 1
    for index, item in enumerate(known.statements):
        if not isinstance(item, st.Batch):
            continue
        name, now = f"statement {index} (batch {item.seq})", item.events
        if item.seq != expected:
            faults.append(Fault(f"{name}: batch {expected} should be next"))
        if now.first != size or now.size < now.first:
            faults.append(Fault(f"{name}: leaves {now.first} to {now.size} do not follow {size}: the ranges do not tile the log"))
        root = roots.get(now.size)
        if root is None:
            faults.append(Fault(f"{name}: there is no checkpoint of {now.size} leaves"))
        elif base64.b64encode(root).decode() != now.root:
            faults.append(Fault(f"{name}: the root it states is not that of {now.size} leaves"))
        size, expected = now.size, item.seq + 1
    return faults


def check_interrupted(known: Ledger, events: Heads, statements: Heads) -> tuple[list[Fault], list[str]]:
    """Whether ``checkpoint`` is the newest one: a killed run may leave it one behind, and then the work is open."""
    faults, notes = [], []
    stated = max((item.events.size for _, item in known.batches().values()), default=0)
    begun = {"statements": (statements.folder / "pending").is_file(), "events": True}
    for heads in (events, statements):
        current = heads.current.note.size if heads.current else None
        if current is not None and current < heads.size:
            text = f"is of {current} leaves, the log was signed at {heads.size}"
            if begun[heads.name] and (heads.name == "statements" or stated <= current):
                notes.append(f"log/{heads.name}/checkpoint {text}: a run was killed; the next one goes on")
            else:
                faults.append(Fault(f"{text}: it was rolled back", heads.current.file if heads.current else ""))
    if stated < events.size:
        notes.append(f"leaves {stated} to {events.size - 1} are signed and no batch statement names them yet")
    if stated > events.size:
        faults.append(Fault(f"batches are stated up to {stated} leaves, the log ends at {events.size}: it was cut", "log/events"))
    return faults, notes
