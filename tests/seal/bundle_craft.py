"""Bundles in pieces: unpack, alter, sum up again, pack; and bundles that somebody who holds the key makes up.

Written from docs/format.md, over the recursive RFC 6962 of ``reference``, with a zip writer of its own: nothing here
comes from the package. So a bundle that this makes and the verifier takes is one that both read the page to mean.
"""

import base64
import hashlib
import json
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.seal import reference as rfc

Files = dict[str, bytes]


# --- Zips -----------------------------------------------------------------------------------------------------


def unpacked(path: Path) -> Files:
    """Content of every entry, by name."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def summed(files: Files) -> Files:
    """The same files with SHA256SUMS that fit."""
    rest = {name: content for name, content in files.items() if name != "SHA256SUMS"}
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(rest.items()))
    return rest | {"SHA256SUMS": sums.encode()}


@dataclass
class Entry:
    """One entry of a zip, each field to be spoilt."""

    name: bytes
    content: bytes
    version: int = 20
    flags: int = 0
    method: int = 8
    time: int = 0
    date: int = 33
    extra: bytes = b""
    comment: bytes = b""
    made_by: int = 0x0314
    attributes: int = 0o100644 << 16
    before: bytes = b""
    """Bytes between the entry before and this one."""
    after: bytes = b""
    """Bytes after the deflate stream, counted as part of it."""
    crc: int | None = None
    local_name: bytes | None = None

    def stream(self) -> bytes:
        if self.method == 0:
            return self.content
        packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        return packer.compress(self.content) + packer.flush() + self.after


def zipped(entries: list[Entry], *, comment: bytes = b"", behind: bytes = b"", front: bytes = b"") -> bytes:
    """A zip, byte by byte."""
    data, directory = front, b""
    for entry in entries:
        stream = entry.stream()
        crc = zlib.crc32(entry.content) if entry.crc is None else entry.crc
        fixed = (entry.version, entry.flags, entry.method, entry.time, entry.date, crc, len(stream), len(entry.content))
        data += entry.before
        central = struct.pack("<4sH5H3I", b"PK\1\2", entry.made_by, *fixed)
        central += struct.pack("<5H2I", len(entry.name), len(entry.extra), len(entry.comment), 0, 0, entry.attributes, len(data))
        directory += central + entry.name + entry.extra + entry.comment
        local = entry.name if entry.local_name is None else entry.local_name
        data += struct.pack("<4s5H3I2H", b"PK\3\4", *fixed, len(local), len(entry.extra)) + local + entry.extra + stream
    count = len(entries)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, len(directory), len(data), len(comment))
    return data + directory + end + comment + behind


def entries(files: Files) -> list[Entry]:
    """Entries of the one form that a bundle has."""
    return [Entry(name.encode(), content) for name, content in files.items()]


def packed(path: Path, files: Files, *, again: bool = True) -> Path:
    """A zip of the strict form; ``again`` = with sums that fit."""
    path.write_bytes(zipped(entries(summed(files) if again else files)))
    return path


def folder(path: Path, files: Files) -> Path:
    """The tree that the zip holds."""
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


# --- Bundles from nothing ---------------------------------------------------------------------------------------


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def hashes(nodes: list[bytes]) -> str:
    return "".join(f"{b64(node)}\n" for node in nodes)


class Pen:
    """A signing key of the insider's."""

    def __init__(self, byte: int) -> None:
        self.private = Ed25519PrivateKey.from_private_bytes(bytes([byte]) * 32)
        self.raw = b"\x01" + self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def public(self) -> str:
        return b64(self.raw)

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.raw).hexdigest()

    def number(self, name: str) -> bytes:
        return hashlib.sha256(name.encode() + b"\n" + self.raw).digest()[:4]

    def vkey(self, name: str) -> str:
        return f"{name}+{self.number(name).hex()}+{self.public}"

    def line(self, name: str, body: bytes) -> str:
        return f"\u2014 {name} {b64(self.number(name) + self.private.sign(body))}\n"


def note(origin: str, size: int, root: bytes, pens: list[Pen]) -> bytes:
    """A checkpoint."""
    body = f"{origin}\n{size}\n{b64(root)}\n"
    return f"{body}\n{''.join(pen.line(origin, body.encode()) for pen in pens)}".encode()


def after(first: int, leaves: list[bytes]) -> list[bytes]:
    """Roots of the largest aligned subtrees that cover ``leaves`` from ``first`` on, in order."""
    found, at = [], first
    while at < len(leaves):
        width = 1
        while at % (2 * width) == 0 and at + 2 * width <= len(leaves):
            width *= 2
        found.append(rfc.mth(leaves[at : at + width]))
        at += width
    return found


def dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass
class Insider:
    """Who may write and sign anything. Statements are objects until ``files`` seals them; ``None`` is filled in then."""

    origin: str = "audit.example/insider"
    pens: list[Pen] = field(default_factory=lambda: [Pen(7)])
    statements: list[dict] = field(default_factory=list)
    manifests: dict[int, dict] = field(default_factory=dict)
    lines: list[bytes] = field(default_factory=list)
    """``SALT RECORD`` of every leaf."""
    withheld: set[int] = field(default_factory=set)
    signs: dict[str, list[Pen]] = field(default_factory=dict)
    """Who signs a checkpoint, by its name in the bundle; else ``pens``."""
    tokens: list[int] = field(default_factory=list)
    old_size: int | None = None
    """Size of ``statements.old``; by default just after the batch."""

    def say(self, kind: str, **members: object) -> dict:
        self.statements.append({"type": kind, "v": 1, **members})
        return self.statements[-1]

    def genesis(self, **members: object) -> dict:
        at, rules = "2026-01-01T00:00:00Z", {"months": 12, "sources": {"b": 24}}
        own = {"organisation": "insider", "origin": self.origin, "public_key": self.pens[0].public}
        return self.say("genesis", at=at, **{**own, **rules, **members})

    def batch(self, at: str, *files: tuple[str, str, int]) -> dict:
        """A batch extracted ``at`` of files (source, day, count)."""
        seq, start, listed = len(self.manifests) + 1, len(self.lines), []
        for source, day, count in files:
            first = len(self.lines)
            self.lines += [b'%032x {"id":%d}' % (number * 7919, number) for number in range(first, first + count)]
            listed.append({"source": source, "day": day, "first": first, "count": count, "newest": f"{day}T12:00:00.5Z"})
        self.manifests[seq] = {"format": 1, "seq": seq, "first": start, "size": len(self.lines), "evidence": listed}
        events = {"first": start, "size": len(self.lines), "root": None}
        return self.say("batch", seq=seq, extracted_at=at, manifest={"path": "", "sha256": None}, events=events)

    def purge(self, at: str, seq: int, number: int, months: int, limit: str, **members: object) -> dict:
        """A purge of an evidence file, as its manifest has it."""
        file = dict(self.manifests[seq]["evidence"][number])
        return self.say("purge", at=at, what="evidence", months=months, limit=limit, **{**file, **members})

    def leaves(self) -> list[bytes]:
        return [rfc.leaf(bytes.fromhex(line[:32].decode()) + line[33:]) for line in self.lines]

    def sealed(self) -> list[bytes]:
        """The statements' bytes."""
        leaves = self.leaves()
        for said in self.statements:
            if said["type"] == "batch":
                if said["manifest"]["sha256"] is None:
                    said["manifest"]["sha256"] = hashlib.sha256(dump(self.manifests[said["seq"]])).hexdigest()
                if said["events"]["root"] is None:
                    said["events"]["root"] = b64(rfc.mth(leaves[: said["events"]["size"]]))
        return [dump(said) for said in self.statements]

    def fingerprint(self) -> str:
        return self.pens[0].fingerprint

    def files(self, kind: str, first: str, until: str, leaf: int | None = None) -> Files:
        """The bundle of a scope."""
        lines, leaves = self.sealed(), self.leaves()
        statements = [rfc.leaf(line) for line in lines]
        logs, heads = {"events": leaves, "statements": statements}, {"events": len(leaves), "statements": len(lines)}
        batches = [(index, said) for index, said in enumerate(self.statements) if said["type"] == "batch"]
        past = [(index, said) for index, said in batches if said["extracted_at"] < first]
        if past:
            heads |= {"events.old": past[-1][1]["events"]["size"], "statements.old": self.old_size or past[-1][0] + 1}
        heads |= {f"statements.{size}": size for size in self.tokens}
        made: Files = {"README.md": b"read me\n", "verify_bundle.py": b"pass\n"}
        for name, size in heads.items():
            log = name.split(".")[0]
            head = note(f"{self.origin}/{log}", size, rfc.mth(logs[log][:size]), self.signs.get(name, self.pens))
            made[f"checkpoints/{name}"] = head
        for log in logs if past else ():
            proof = hashes(rfc.proof(heads[f"{log}.old"], logs[log]))
            made[f"proofs/{log}.consistency"] = f"old {heads[f'{log}.old']}\n{proof}\n".encode() + made[f"checkpoints/{log}"]
        made["statements.ndjson"] = b"".join(line + b"\n" for line in lines)
        purged = {said["first"] for said in self.statements if said["type"] == "purge" and said["what"] == "evidence"}
        for _, said in batches:
            if leaf is None or said["events"]["first"] <= leaf < said["events"]["size"]:
                made[f"manifests/{said['seq']:06d}.json"] = dump(self.manifests[said["seq"]])
        for file in [file for manifest in self.manifests.values() for file in manifest["evidence"]]:
            inside = leaf is None or file["first"] <= leaf < file["first"] + file["count"]
            if first <= file["day"] < until and inside and file["first"] not in purged:
                start, count = (file["first"], file["count"]) if leaf is None else (leaf, 1)
                made |= self._evidence(f"evidence/source={file['source']}/day={file['day']}", start, count, leaves)
                if leaf is not None:
                    made |= self._inclusion(leaf, leaves, made["checkpoints/events"])
        names = dict.fromkeys(said["public_key"] for said in self.statements if said["type"] in ("genesis", "key"))
        pens = [pen for name in names for pen in self._everyone() if pen.public == name]
        both = [pen.vkey(f"{self.origin}/{log}") for pen in pens for log in logs]
        made["keys.txt"] = "".join(f"{vkey}\n" for vkey in both).encode()
        made |= {f"anchors/{size}.tsr": b"a token" for size in self.tokens}
        about = {
            "format": 1,
            "organisation": self.statements[0].get("organisation"),
            "scope": {"kind": kind, "first": first, "until": until, "leaf": leaf},
            "events_size": len(leaves),
            "statements_size": len(lines),
            "made_by": "an insider",
            "tokens": [f"anchors/{size}.tsr" for size in self.tokens],
        }
        made["bundle.json"] = json.dumps(about, indent=1, ensure_ascii=False).encode() + b"\n"
        return made

    def _everyone(self) -> list[Pen]:
        return list({pen.public: pen for pen in [*self.pens, *(pen for pens in self.signs.values() for pen in pens)]}.values())

    def _evidence(self, where: str, first: int, count: int, leaves: list[bytes]) -> Files:
        erased = {leaf for said in self.statements if said["type"] == "erasure" for leaf in said["leaves"]}
        shown = [
            b"!%s\n" % leaves[at].hex().encode() if at in self.withheld | erased else self.lines[at] + b"\n"
            for at in range(first, first + count)
        ]
        before, behind = hashes(rfc.edge(leaves[:first])), hashes(after(first + count, leaves))
        proof = f"leaves {first} {count} {len(leaves)}\nbefore\n{before}after\n{behind}"
        return {f"{where}/{first}-{count}.txt": b"".join(shown), f"proofs/{first}-{count}.range": proof.encode()}

    def _inclusion(self, leaf: int, leaves: list[bytes], head: bytes) -> Files:
        salt = b64(bytes.fromhex(self.lines[leaf][:32].decode()))
        extra = "" if leaf in self.withheld else f"extra {salt}\n"
        text = f"c2sp.org/tlog-proof@v1\n{extra}index {leaf}\n{hashes(rfc.path(leaf, leaves))}\n"
        return {f"proofs/{leaf}.tlog-proof": text.encode() + head}


JANUARY = ("month", "2026-01-01", "2026-02-01")
FEBRUARY = ("month", "2026-02-01", "2026-03-01")


def story() -> Insider:
    """Three batches: one in January; in February one with the rest of January, and one with a late event."""
    insider = Insider()
    insider.genesis()
    insider.batch("2026-01-03T02:00:00Z", ("a", "2024-02-29", 3), ("a", "2026-01-02", 5), ("b", "2026-01-02", 2))
    insider.batch("2026-02-02T02:00:00.25Z", ("a", "2026-01-31", 2), ("a", "2026-02-01", 4), ("b", "2026-02-01", 1))
    insider.batch("2026-02-03T02:00:00Z", ("a", "2026-02-01", 1), ("a", "2026-02-02", 3))
    return insider
