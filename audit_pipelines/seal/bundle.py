"""The evidence bundle: what an outsider needs to check a month, a day or one event, as one zip.

docs/format.md, "Evidence bundle", lists the files; ``standalone`` is the verifier that reads them, and a copy
of it is inside. Evidence is plain text, for the reader's tools have no zstd. The same log and scope give the
same bytes. Memory is one evidence file. What does not belong here: which records are withheld (``defs``).
"""

import hashlib
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final, Literal

import msgspec

from audit_pipelines.batch import Batch, EvidenceFile
from audit_pipelines.digest import sha256
from audit_pipelines.durable import sync_file, sync_folder
from audit_pipelines.errors import SealError
from audit_pipelines.home import Home
from audit_pipelines.removal import removals
from audit_pipelines.seal import keys, leaves, proofs, sealed, standalone
from audit_pipelines.seal.appending import entries
from audit_pipelines.seal.ledger import Ledger
from audit_pipelines.seal.log import checkpoint_after, read_checkpoint
from audit_pipelines.seal.standalone import Key
from audit_pipelines.seal.tiles import Tiles

FORMAT: Final = 1
_FIXED: Final = (1980, 1, 1, 0, 0, 0)
"""The time of every file in the zip: a bundle says nothing of when it was packed."""
Disclose = Callable[[EvidenceFile, int], bool]
"""Whether the record of a line is disclosed; its leaf hash always is."""
Readme = Callable[[dict[str, object]], str]
"""Gives README.md from the facts of a bundle."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a bundle is about: the days [first, until), or one event of them."""

    kind: Literal["month", "day", "event"]
    first: date
    until: date
    leaf: int | None = None

    @property
    def name(self) -> str:
        """As in the file's name."""
        if self.leaf is not None:
            return f"event-{self.leaf}"
        return f"{self.first:%Y-%m}" if self.kind == "month" else str(self.first)


@dataclass(frozen=True, slots=True)
class Bundled:
    """What came of it."""

    path: Path
    sha256: str
    files: int
    """Evidence files."""
    disclosed: int
    withheld: int
    """Records that are there by their hash alone; erased ones too."""
    unsealed: int
    """Batches that are not in it, since they are not sealed yet."""


@dataclass(slots=True)
class _Packing:
    """One bundle that is being written."""

    home: Home
    ledger: Ledger
    batches: Sequence[Batch]
    scope: Scope
    archive: zipfile.ZipFile
    disclose: Disclose | None
    sums: dict[str, str]
    events: Tiles
    statements: Tiles
    disclosed: int = 0
    withheld: int = 0

    def add(self, name: str, content: bytes) -> None:
        info = zipfile.ZipInfo(name, _FIXED)
        info.compress_type, info.create_system, info.external_attr = zipfile.ZIP_DEFLATED, 3, 0o100644 << 16
        self.archive.writestr(info, content, compresslevel=6)
        self.sums[name] = hashlib.sha256(content).hexdigest()

    def log(self, name: str) -> Path:
        return self.home.log / name

    def files(self) -> Iterator[EvidenceFile]:
        """The scope's evidence that is still there."""
        for batch in self.batches:
            for file in batch.evidence:
                wanted = self.scope.leaf is None or file.first <= self.scope.leaf < file.end
                if self.scope.first <= file.day < self.scope.until and wanted and not file.purged:
                    yield file


def write_bundle(
    home: Home,
    batches: Sequence[Batch],
    scope: Scope,
    *,
    final: Path,
    disclose: Disclose | None,
    made_by: str,
    readme: Readme,
    known: Ledger | None = None,
) -> Bundled:
    """Write the bundle to ``final``; a crash leaves a ``.part`` file beside it, or the whole.

    Args:
        home: a home whose log is founded.
        batches: all batches, as ``batch.history`` gives them.
        scope: what it is about.
        final: the zip; an older one is replaced.
        disclose: which records are disclosed; None = all.
        made_by: the program and its version.
        readme: gives README.md.
        known: the log's ledger as it was before ``batches`` were read, where no lock keeps both the same.

    Raises:
        SealError: there is no log, a removal is not stated in it yet, or the zip would be larger than 2 GiB.
        EvidenceError: something in the log or the evidence is damaged.
        OSError: the disk refuses.
    """
    known = known or sealed.read_ledger(home)
    ready = [batch for batch in batches if known is not None and batch.seq in known.batches()]
    if known is None or not ready:
        raise SealError("nothing is sealed yet", where=str(home.log), todo="run: audit-pipelines night")
    if not {removal.number for removal in removals(home)} <= known.removals():
        raise SealError("a removal is not in the log yet", where=str(home.removals), todo="run: audit-pipelines night")
    part = final.with_name(f"{final.name}.part")
    try:
        with zipfile.ZipFile(part, "w", allowZip64=False) as archive:
            tiles = Tiles(home.log / "events"), Tiles(home.log / "statements")
            packing = _Packing(home, known, ready, scope, archive, disclose, {}, *tiles)
            count = _pack(packing, made_by, readme)
    except zipfile.LargeZipFile:
        part.unlink()
        raise SealError("would be larger than a plain zip can be", where=str(final), todo="bundle single days") from None
    sync_file(part)
    digest = sha256(part)
    os.rename(part, final)
    sync_folder(final.absolute().parent)
    return Bundled(final, digest, count, packing.disclosed, packing.withheld, len(batches) - len(ready))


def _pack(packing: _Packing, made_by: str, readme: Readme) -> int:
    """Everything in order, SHA256SUMS last; the number of evidence files."""
    size = packing.ledger.batches()[packing.batches[-1].seq][1].events.size
    total = len(packing.ledger.statements)
    _checkpoints(packing, size, total)
    lines = entries(packing.log("statements"), total)
    packing.add("statements.ndjson", b"".join(b"%s\n" % line for line in lines))
    for batch in packing.batches:
        if packing.scope.leaf is None or batch.first <= packing.scope.leaf < batch.size:
            packing.add(f"manifests/{batch.seq:06d}.json", packing.home.batch(batch.seq).read_bytes())
    files = list(packing.files())
    for file in files:
        _evidence(packing, file, size)
    tokens = _tokens(packing, total)
    facts = _facts(packing, size, total, tokens, made_by)
    vkeys = _vkeys(packing.ledger)
    packing.add("bundle.json", msgspec.json.format(msgspec.json.encode(facts), indent=1) + b"\n")
    packing.add("keys.txt", "".join(f"{key.vkey}\n" for key in vkeys).encode())
    packing.add("verify_bundle.py", Path(standalone.__file__).read_bytes())
    fingerprints = list(dict.fromkeys(key.fingerprint for key in vkeys))
    text = readme({**facts, "fingerprints": fingerprints, "files": len(files), "withheld": packing.withheld})
    packing.add("README.md", text.encode())
    sums = "".join(f"{digest}  {name}\n" for name, digest in sorted(packing.sums.items()))
    packing.add("SHA256SUMS", sums.encode())
    return len(files)


def _facts(packing: _Packing, size: int, total: int, tokens: Sequence[str], made_by: str) -> dict[str, object]:
    scope = packing.scope
    return {
        "format": FORMAT,
        "organisation": packing.ledger.genesis.organisation,
        "scope": {"kind": scope.kind, "first": str(scope.first), "until": str(scope.until), "leaf": scope.leaf},
        "events_size": size,
        "statements_size": total,
        "made_by": made_by,
        "tokens": list(tokens),
    }


def _vkeys(known: Ledger) -> list[Key]:
    """Every key the ledger ever had, each under the names of both logs."""
    origin = known.genesis.origin
    publics = dict.fromkeys(keys.public_of(text, "genesis") for text in known.all_keys())
    return [Key(f"{origin}/{name}", public) for public in publics for name in ("events", "statements")]


def _checkpoints(packing: _Packing, size: int, total: int) -> None:
    """The newest heads; and those after the last batch that was extracted before the scope began, with proofs."""
    newest = {"events": (size, packing.events), "statements": (total, packing.statements)}
    for name, (at, _) in newest.items():
        packing.add(f"checkpoints/{name}", read_checkpoint(packing.log(name), at))
    begins = datetime.combine(packing.scope.first, time.min, UTC)
    past = [batch for batch in packing.batches if batch.extracted_at < begins]
    if not past:
        return
    index = packing.ledger.batches()[packing.batches[len(past) - 1].seq][0]
    old = {"events": past[-1].size, "statements": checkpoint_after(packing.log("statements"), index)}
    for name, (at, tiles) in newest.items():
        packing.add(f"checkpoints/{name}.old", read_checkpoint(packing.log(name), old[name]))
        path = proofs.consistency(tiles, old[name], at)
        content = proofs.consistency_file(old[name], path, read_checkpoint(packing.log(name), at))
        packing.add(f"proofs/{name}.consistency", content)


def _evidence(packing: _Packing, file: EvidenceFile, size: int) -> None:
    """One evidence file, or of an event its one line, and its range proof."""
    leaf = packing.scope.leaf
    first, count = (file.first, file.count) if leaf is None else (leaf, 1)
    folder = f"evidence/source={file.source}/day={file.day}"
    lines = list(_lines(packing, file, first - file.first, count))
    packing.add(f"{folder}/{first}-{count}.txt", b"".join(lines))
    packing.add(f"proofs/{first}-{count}.range", proofs.range_file(packing.events, first, count, size))
    if leaf is not None:
        path = proofs.inclusion(packing.events, leaf, size)
        note = read_checkpoint(packing.log("events"), size)
        salt = None if lines[0].startswith(b"!") else bytes.fromhex(lines[0][:32].decode())
        packing.add(f"proofs/{leaf}.tlog-proof", proofs.tlog_proof(leaf, path, note, salt))


def _lines(packing: _Packing, file: EvidenceFile, first: int, count: int) -> Iterator[bytes]:
    """``count`` lines from line ``first`` on; what is not disclosed as its leaf hash."""
    begins = 0
    for block in leaves.lines(packing.home.root / file.path):
        low, high = max(first, begins), min(first + count, begins + len(block))
        for number in range(low, high):
            line = block[number - begins]
            if not line.startswith(b"!") and (packing.disclose is None or packing.disclose(file, number)):
                packing.disclosed += 1
                yield line + b"\n"
            else:
                packing.withheld += 1
                yield b"!%s\n" % leaves.leaf(line, f"{file.path}: line {number}").hex().encode()
        begins += len(block)


def _tokens(packing: _Packing, total: int) -> list[str]:
    """The first token after each batch of the scope, with the checkpoint that it is over."""
    folder = sealed.anchors(packing.home)
    sizes = [size for size in sealed.token_sizes(packing.home) if size <= total]
    known = packing.ledger.batches()
    days = {packing.scope.first + timedelta(days=n) for n in range((packing.scope.until - packing.scope.first).days)}
    mine = [known[batch.seq][0] for batch in packing.batches if any(day.day in days for day in batch.days)]
    chosen = sorted({next((size for size in sizes if size > index), 0) for index in mine} - {0})
    for size in chosen:
        packing.add(f"anchors/{size}.tsr", (folder / f"{size}.tsr").read_bytes())
        packing.add(f"checkpoints/statements.{size}", read_checkpoint(packing.log("statements"), size))
    return [f"anchors/{size}.tsr" for size in chosen]
