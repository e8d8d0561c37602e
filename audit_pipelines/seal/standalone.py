#!/usr/bin/env python3
"""Verify an evidence bundle of audit-pipelines offline, with nothing but Python's standard library (3.9 or newer).

Bundles carry a copy, the package imports it: one reading of each rule. RFC 6962 (Merkle trees), RFC 8032 (Ed25519), C2SP
notes and checkpoints; docs/format.md has every byte. Raises only ``Bad``, writes nothing; below 400 lines, for one sitting.
"""

# ruff: noqa: D204, E401, E701, I001, SIM905, T201, UP017
# fmt: off
from __future__ import annotations
import argparse, base64, calendar, contextlib, functools, hashlib, json, os, re, struct, zipfile, zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

EMPTY_ROOT = hashlib.sha256(b"").digest()
ED25519 = b"\x01"  # signature type of a log's key in a vkey (C2SP signed-note)
_NOTE = re.compile("([^\0-\x1f]+)\n(0|[1-9][0-9]{0,18})\n([^\0-\x1f]+)\n\n((?:\u2014 [^\0-\x20]+ [^\0-\x20]+\n)+)")
_P, _L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493  # RFC 8032, section 5.1
_D = -121665 * pow(121666, -1, _P) % _P
_Point = tuple[int, int, int, int]
_LINE = re.compile(rb"([0-9a-f]{32}) (.+)|!([0-9a-f]{64})", re.DOTALL)
_RECORD = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=int)  # int("NaN") is an error, as NaN is in JSON
_KINDS = "genesis batch conflict drop report policy hold purge erasure rederive key incident".split()

class Bad(Exception):  # noqa: N818 - the word that the verdict prints
    """The evidence does not hold; the text says what, where."""
def check(holds: bool, text: str) -> None:
    """Raise ``Bad`` with ``text`` unless ``holds``."""
    if not holds: raise Bad(text)
def leaf_hash(data: bytes) -> bytes:
    """Hash of a leaf (RFC 6962, 2.1)."""
    return hashlib.sha256(b"\x00" + data).digest()
def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node (RFC 6962, 2.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()

@dataclass
class Edge:
    """The right edge of a tree: roots of the largest perfect subtrees that cover its leaves, largest first."""
    size: int = 0
    nodes: list[bytes] = field(default_factory=list)
    @classmethod
    def of(cls, size: int, nodes: Sequence[bytes]) -> Edge:  # from a file: one hash for each bit set in ``size``
        check(len(nodes) == bin(size).count("1"), f"{len(nodes)} hashes cannot be the edge of {size} leaves")  # noqa: FURB161
        return cls(size, list(nodes))
    def append(self, node: bytes, height: int = 0) -> None:  # a leaf, or a perfect subtree of 2**height leaves
        check(self.size % (1 << height) == 0, f"a subtree of {1 << height} leaves cannot follow {self.size}")
        at = self.size >> height
        while at & 1:
            node, at = node_hash(self.nodes.pop(), node), at >> 1
        self.nodes.append(node)
        self.size += 1 << height
    def root(self) -> bytes:  # the tree's root
        return functools.reduce(lambda root, left: node_hash(left, root), reversed(self.nodes)) if self.nodes else EMPTY_ROOT
def tail(first: int, size: int) -> list[int]:
    """Heights of the subtrees that cover leaves [first, size) after an edge of ``first`` leaves, in order."""
    heights = []
    while first < size:
        height = (first & -first).bit_length() - 1 if first else size.bit_length() - 1
        heights.append(min(height, (size - first).bit_length() - 1))
        first += 1 << heights[-1]
    return heights

def check_consistency(old: tuple[int, bytes], new: tuple[int, bytes], proof: Sequence[bytes]) -> None:
    """Check that the tree (size, root) ``new`` is ``old``, only longer (RFC 6962, 2.1.2)."""
    (m, n), nodes = (old[0], new[0]), list(proof)
    check(m <= n, f"the log shrank from {m} to {n} leaves")
    roots = _roots(m, n, nodes, old[1]) if m else (EMPTY_ROOT, new[1] if n else EMPTY_ROOT)
    check(roots == (old[1], new[1]) and not nodes, f"the log of {n} leaves is not the one of {m} leaves, only longer: a fork")
def _roots(m: int, n: int, proof: list[bytes], old: bytes) -> tuple[bytes, bytes]:
    """Roots of the first m and of all n leaves of a subtree; the proof is taken from its end, ``old`` is known or empty."""
    node, half = old if m == n and old else proof.pop() if proof else b"", (1 << (n - 1).bit_length()) >> 1
    if m == n: return node, node
    a, b = _roots(m - half, n - half, proof, b"") if m > half else _roots(m, half, proof, old)
    return (node_hash(node, a), node_hash(node, b)) if m > half else (a, node_hash(b, node))

def _add(a: _Point, b: _Point) -> _Point:
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % _P, (a[1] + a[0]) * (b[1] + b[0]) % _P
    g, h = 2 * a[3] * b[3] * _D % _P, 2 * a[2] * b[2] % _P
    w, x, y, z = f - e, h - g, h + g, f + e
    return w * x % _P, y * z % _P, x * y % _P, w * z % _P
def _point(data: bytes) -> _Point:
    y, sign = int.from_bytes(data, "little") & (1 << 255) - 1, data[31] >> 7
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    x = x if x * x % _P == square else x * pow(2, (_P - 1) // 4, _P) % _P
    check(y < _P and x * x % _P == square and (x != 0 or not sign), "a key is no point of the curve")
    x = x if x & 1 == sign else _P - x
    return x, y, 1, x * y % _P
def ed25519(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether ``signature`` (64 bytes) is ``public``'s (32 bytes) over ``message``."""
    s, total = int.from_bytes(signature[32:], "little"), (0, 1, 1, 0)
    if len(signature) != 64 or len(public) != 32 or s >= _L: return False
    with contextlib.suppress(Bad):
        x, y, z, t = _point(public)
        k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % _L
        minus, base = (-x % _P, y, z, -t % _P), _point(bytes.fromhex("58" + "66" * 31))
        both = _add(base, minus)
        for bit in range(252, -1, -1):
            total = _add(total, total)
            if pair := (s >> bit & 1) | (k >> bit & 1) << 1: total = _add(total, (base, minus, both)[pair - 1])
        inverse = pow(total[2], -1, _P)
        x, y = total[0] * inverse % _P, total[1] * inverse % _P
        return (y | (x & 1) << 255).to_bytes(32, "little") == signature[:32]
    return False

def strict_base64(text: str, length: int, what: str) -> bytes:
    """Exactly ``length`` bytes (0 = any number) in the one canonical spelling (RFC 4648, 4)."""
    with contextlib.suppress(ValueError):
        data = base64.b64decode(text, validate=True)
        if base64.b64encode(data).decode() == text and length in (0, len(data)): return data
    raise Bad(f"{what} is not base64 of {length or 'some'} bytes: {text[:60]!r}")
class Key(NamedTuple):
    """A log's public key under a name; both together make the key id."""
    name: str
    public: bytes
    @property
    def id(self) -> bytes:  # first four bytes of SHA-256(name || LF || type || key)
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]
    @property
    def vkey(self) -> str:  # ``name+id+base64(type || key)``
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(ED25519 + self.public).decode()}"
    @property
    def fingerprint(self) -> str:  # SHA-256 of type and key, in hex: the same for every log that the key signs
        return hashlib.sha256(ED25519 + self.public).hexdigest()
def parse_vkey(text: str) -> Key:
    """A key from its vkey line."""
    name, _, encoded = text.partition("+")
    key = Key(name, strict_base64(encoded.partition("+")[2], 33, "the key of a vkey")[1:])
    check(bool(re.fullmatch(r"[^\s+\ud800-\udfff]+", name)) and key.vkey == text, f"{text[:80]!r} is no vkey of an Ed25519 key")
    return key

class Checkpoint(NamedTuple):
    """A signed tree head; ``signers`` are the keys whose signatures were verified."""
    origin: str
    size: int
    root: bytes
    signers: tuple[Key, ...] = ()
    @property
    def body(self) -> bytes:  # the bytes that are signed
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n".encode()
    @property
    def head(self) -> tuple[int, bytes]:  # size and root
        return self.size, self.root
def open_checkpoint(data: bytes, keys: Iterable[Key], what: str) -> Checkpoint:
    """Parse a checkpoint and verify its signatures by ``keys``; with no keys at all nothing is verified."""
    text, trusted, signers = data.decode("utf-8", "replace"), list(keys), []
    note = _NOTE.fullmatch(text)
    if note is None or text.encode() != data:
        raise Bad(f"{what}: is not three lines (origin, size, root), a blank one, and signatures")
    found = Checkpoint(note[1], int(note[2]), strict_base64(note[3], 32, f"{what}: the root"))
    check(found.size > 0 or found.root == EMPTY_ROOT, f"{what}: the root of an empty tree is wrong")
    known = {(key.name, key.id): key for key in trusted if key.name == found.origin}
    for _, name, signature in (line.split(" ") for line in note[4][:-1].split("\n")):
        raw = strict_base64(signature, 0, f"{what}: a signature")
        check(len(raw) > 4 and text.count(f" {signature}\n") == 1, f"{what}: a signature is too short, or there twice")
        if key := known.get((name, raw[:4])):
            check(ed25519(key.public, found.body, raw[4:]), f"{what}: the signature by {key.name}+{key.id.hex()} is wrong")
            signers.append(key)
    check(bool(signers) == bool(trusted), f"{what}: no signature by a key that is trusted")
    return found._replace(signers=tuple(signers))
def _zip_files(path: Path) -> dict[str, Callable[[], bytes]]:
    """The files of a zip of exactly the shape that the writer makes: no byte before, between or after them."""
    infos, central, offset, files = zipfile.ZipFile(path).infolist(), b"", 0, dict[str, Callable[[], bytes]]()
    with path.open("rb") as file:
        for info in infos:
            name = info.filename.encode()
            fixed = (20, 0, 8, 0, 33, info.CRC, info.compress_size, info.file_size, len(name), 0)
            file.seek(offset)
            good = file.read(30 + len(name)) == struct.pack("<4s5H3I2H", b"PK\3\4", *fixed) + name and info.filename not in files
            check(good and info.compress_size > 0, f"the header of {info.filename!r} in the zip is not as it must be")
            central += struct.pack("<4s6H3I5H2I", b"PK\1\2", 0x0314, *fixed, 0, 0, 0, 0o100644 << 16, offset) + name
            files[info.filename] = functools.partial(_inflate, path, offset + 30 + len(name), info)
            offset += 30 + len(name) + info.compress_size
        file.seek(offset)
        end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, len(infos), len(infos), len(central), offset, 0)
        check(file.read() == central + end, "the zip holds bytes that belong to no file")
    return files
def _inflate(path: Path, offset: int, info: zipfile.ZipInfo) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        raw, stream = file.read(info.compress_size), zlib.decompressobj(-15)
    data, before, last = stream.decompress(raw[:-1], info.file_size + 1), stream.copy(), raw[-1]
    end = stream.decompress(raw[-1:])
    good = stream.eof and not stream.unused_data and (len(data + end), zlib.crc32(data + end)) == (info.file_size, info.CRC)
    with contextlib.suppress(zlib.error):  # the last byte may have bits after the stream's end: none of them may be set
        good &= not (last and before.decompress(bytes([last ^ 1 << last.bit_length() - 1])) == end and before.eof)
    check(good, "its entry in the zip is damaged, or holds more than the file")
    return data + end
def moment(text: str) -> datetime:
    """A time as statements and manifests have it: RFC 3339 in UTC with Z and up to six decimals."""
    return datetime.strptime(text.replace("Z", "+0000" if "." in text else ".0+0000"), "%Y-%m-%dT%H:%M:%S.%f%z")
def limit_date(today: date, months: int) -> date:
    """First day that is still kept on ``today``; a day that the earlier month does not have becomes its last."""
    year, month = divmod(today.year * 12 + today.month - 1 - months, 12)
    return date(year, month + 1, min(today.day, calendar.monthrange(year, month + 1)[1])) if year > 0 else date.min
class Rules:
    """What is in force after the statements that were followed (JSON objects); ``keys`` has True for those that may sign."""
    def __init__(self) -> None:
        self.policy, self.holds, self.keys = dict[str, Any](), list[dict[str, Any]](), dict[bytes, bool]()
        self.latest = datetime.min.replace(tzinfo=timezone.utc)
    def follow(self, said: dict[str, Any]) -> None:  # take in the next statement
        kind, adds = said["type"], said.get("action") not in ("release", "retire")
        self.latest = max(self.latest, moment(said.get("at") or said.get("extracted_at") or "0001-01-01T00:00:00Z"))
        self.policy = said if kind in ("genesis", "policy") else self.policy
        if kind in ("genesis", "key"): self.keys[strict_base64(said["public_key"], 33, "a key").removeprefix(ED25519)] = adds
        if kind == "hold": self.holds = [hold for hold in self.holds if adds or hold["name"] != said["name"]] + [said] * adds
def judge_purge(said: dict[str, Any], rules: Rules, file: dict[str, Any]) -> None:
    """Check that the rules before it allowed the purge statement of ``file``, an evidence entry of a manifest (JSON objects)."""
    what = f"the purge of leaves {file['first']} to {file['first'] + file['count'] - 1}"
    wrong = [name for name in ("source", "day", "first", "count", "newest") if said[name] != file[name]]
    check(not wrong, f"{what}: {wrong} are not the manifest's")
    at, months = moment(said["at"]), max(1, rules.policy["sources"].get(file["source"], rules.policy["months"]))
    limit = limit_date(at.date(), months)
    check(at >= rules.latest, f"{what} is of {at}, an earlier statement of {rules.latest}")
    check((said["months"], said["limit"]) == (months, str(limit)), f"{what}: the policy is {months} months, the limit {limit}")
    check(moment(file["newest"]).date() < limit, f"{what}: the newest event, {file['newest']}, is not before {limit}")
    for hold in rules.holds:
        covers = hold["source"] in (None, file["source"]) and (hold["first"] or "") <= file["day"] <= (hold["last"] or "9999-99")
        check(not covers, f"{what}: the legal hold {hold['name']!r} was in force")
class Report(NamedTuple):
    """Evidence that holds (else ``Bad`` is raised): ``GOOD`` or ``CONSISTENT, SIGNER UNKNOWN``, of what, and how many."""
    verdict: str
    scope: str
    counts: dict[str, int]
class _Audit:
    def __init__(self, path: Path) -> None:
        self.path, self.at, self.sums, self.unread = path, path.name, dict[str, str](), dict[str, Callable[[], bytes]]()
        self.rules, self.edge, self.states = Rules(), Edge(), [(EMPTY_ROOT, dict[bytes, bool]())]  # root, keys; by statements
        self.floor, self.batches = self.rules.latest, [(0, self.rules.latest, (0, EMPTY_ROOT))]  # number, time, head of each
        self.files, self.purged, self.erased = dict[int, dict[str, Any]](), set[int](), set[int]()
        self.counts = dict.fromkeys(("files", "disclosed", "withheld", "erased", "purged"), 0)
    def open(self) -> None:
        for item in self.path.rglob("*"):  # of a folder; a zip has none
            check(not item.is_symlink() and (item.is_file() or item.is_dir()), f"{item.name!r} is neither a file nor a folder")
            if item.is_file(): self.unread[item.relative_to(self.path).as_posix()] = item.read_bytes
        self.unread = self.unread if self.path.is_dir() else _zip_files(self.path)
        sums = [line.decode().partition("  ") for line in self.lines("SHA256SUMS")]
        self.sums = {name: digest for digest, _, name in sums}
        odd = sorted(self.sums.keys() ^ self.unread.keys())
        check([name for _, _, name in sums] == sorted(self.unread), f"is not one line a file, in order; odd: {odd[:1]}")
    def read(self, name: str) -> bytes:
        self.at = name
        check(name in self.unread, "is missing")
        data = self.unread.pop(name)()
        check(not self.sums or hashlib.sha256(data).hexdigest() == self.sums[name], "its digest is not the one in SHA256SUMS")
        return data
    def lines(self, name: str) -> list[bytes]:
        *lines, rest = self.read(name).split(b"\n")
        check(not rest, "its last line has no end")
        return lines
    def run(self, trusted: Sequence[str]) -> Report:
        self.open()
        self.about, self.vkeys = self.read("bundle.json"), self.lines("keys.txt")
        self.made = json.loads(self.about)
        self.first, self.until, self.leaf = (self.made["scope"][name] for name in ("first", "until", "leaf"))
        keys = [parse_vkey(line.decode()) for line in self.vkeys]
        trust = {key.public for key in keys if not trusted or {key.vkey, key.fingerprint} & {*trusted}}
        check(bool(trust), f"has none of the keys you trust, but {sorted({key.fingerprint for key in keys})}")
        self.notes = {name[12:]: self.read(name) for name in sorted(self.unread) if name.startswith("checkpoints/")}
        heads = {name: open_checkpoint(note, keys, f"checkpoints/{name}") for name, note in self.notes.items()}
        for line in self.lines("statements.ndjson"): self.statement(line)
        self.heads(heads, trust)
        self.described(heads)
        for name in [name for name in heads if name.endswith(".old")]: self.consistency(name[:-4], heads[name], heads[name[:-4]])
        self.evidence(heads["events"].head)
        for name in ["README.md", "verify_bundle.py", *self.made["tokens"]]: self.read(name)
        check(not self.unread, f"{sorted(self.unread)[:1]} is no part of a bundle")
        self.counts.update(statements=len(self.states) - 1, batches=len(self.batches) - 1, leaves=heads["events"].size)
        return Report("GOOD" if trusted else "CONSISTENT, SIGNER UNKNOWN", self.scope, self.counts)
    def statement(self, line: bytes) -> None:
        self.at, kind = f"statements.ndjson, line {len(self.states)}", (said := json.loads(line))["type"]
        check(json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode() == line, "is not JSON in its one form")
        check(moment(said.get("at") or said.get("extracted_at") or "9999-12-31T00:00:00Z") >= self.floor, "is older than a purge")
        check(kind in _KINDS and said["v"] == 1 and (kind == "genesis") == (len(self.states) == 1), f"no {kind} may stand here")
        if kind == "batch": self.batch(said)
        if kind == "erasure": self.erased.update(said["leaves"])
        if kind == "genesis": self.genesis = said
        if kind == "purge" and said["what"] == "evidence" and said["first"] in self.files:
            judge_purge(said, self.rules, self.files[said["first"]])
            self.floor = moment(said["at"])  # nothing after it is older: a purge dated ahead would outrun the policy
            self.purged.add(said["first"])
        self.rules.follow(said)
        self.edge.append(leaf_hash(line))
        self.states.append((self.edge.root(), dict(self.rules.keys)))
    def batch(self, said: dict[str, Any]) -> None:
        seq, first, size, root = said["seq"], *(said["events"][name] for name in ("first", "size", "root"))
        check((seq, first) == (len(self.batches), self.batches[-1][2][0]) and first <= size, f"batch {seq} is not the next")
        self.batches.append((len(self.states), moment(said["extracted_at"]), (size, strict_base64(root, 32, "root"))))
        if self.leaf is not None and not first <= self.leaf < size: return
        data = self.read(f"manifests/{seq:06d}.json")
        check(hashlib.sha256(data).hexdigest() == said["manifest"]["sha256"], "is not the manifest that was sealed")
        for file in [*json.loads(data)["evidence"], {"first": size, "count": 1, "day": ""}]:
            check(file["first"] == first and file["count"] > 0, f"its evidence leaves out leaf {first}, or has it twice")
            first += file["count"]
            if self.first <= file["day"] < self.until and (self.leaf is None or first - file["count"] <= self.leaf < first):
                self.files[file["first"]] = file
    def heads(self, heads: dict[str, Checkpoint], trust: set[bytes]) -> None:
        for name, head in heads.items():
            self.at, log, size = f"checkpoints/{name}", name.split(".")[0], heads[name.replace("events", "statements")].size
            check(0 < size < len(self.states), f"is of {size} statements, the bundle has {len(self.states) - 1}")
            batches = [entry[0] for entry in self.batches if entry[2] == head.head]  # an events head is signed before these
            good = self.states[size][0] == head.root if log == "statements" else bool(batches)
            check(good and head.origin == f"{self.genesis['origin']}/{log}", "does not fit the statements")
            keys = self.states[size if log == "statements" else max(batches[0], 1)][1]
            signed = any(keys.get(key.public) and key.public in trust for key in head.signers)
            alone = len(head.signers) == self.notes[name].count("\n\u2014".encode())
            check(signed and alone, "has no signature by a key that you trust and that was in force" + " alone" * signed)
        good = (heads["statements"].size, heads["events"].head) == (len(self.states) - 1, self.batches[-1][2])
        check(good, "the checkpoints are not those of the last statement")
        past = [entry for entry in self.batches if entry[1] < moment(f"{self.first}T00:00:00Z")][1:]
        there = "events.old" in heads and (heads["events.old"].head, self.batches[len(past)][0] <= heads["statements.old"].size)
        check(there == (bool(past) and (past[-1][2], True)), "the old checkpoints are not those before the scope")
    def described(self, heads: dict[str, Checkpoint]) -> None:
        self.at, kind, day = "bundle.json, keys.txt", self.made["scope"]["kind"], date.fromisoformat(self.first)
        until = limit_date(day, -1) if kind == "month" else day + timedelta(1)
        good = type(self.leaf) is int and bool(self.files) if kind == "event" else self.leaf is None
        check(good and (kind in ("day", "event") or (kind == "month" and day.day == 1)), "no such scope")
        sizes = sorted(head.size for name, head in heads.items() if name == f"statements.{head.size}")
        check(len(heads) == 2 + 2 * ("events.old" in heads) + len(sizes), f"not all of {[*heads]} are a bundle's checkpoints")
        scope = {"kind": kind, "first": str(day), "until": str(until), "leaf": self.leaf}
        about = {"format": 1, "organisation": self.genesis["organisation"], "scope": scope, "events_size": heads["events"].size,
                 "statements_size": heads["statements"].size, "made_by": self.made["made_by"],
                 "tokens": [f"anchors/{size}.tsr" for size in sizes]}
        check(self.about.decode() == json.dumps(about, indent=1, ensure_ascii=False) + "\n", f"is not as it must be: {about}")
        self.scope = f"{about['organisation']}, {kind} {day}" + ("" if self.leaf is None else f", leaf {self.leaf}")
        vkeys = [Key(f"{self.genesis['origin']}/{log}", key).vkey for key in self.rules.keys for log in ("events", "statements")]
        check([line.decode() for line in self.vkeys] == vkeys, "are not the keys of the statements")
        self.counts["purged"] = sum(self.files[first]["count"] for first in self.purged)
    def evidence(self, head: tuple[int, bytes]) -> None:
        for file in [file for first, file in self.files.items() if first not in self.purged]:
            first, count = (file["first"], file["count"]) if self.leaf is None else (self.leaf, 1)
            name, heights = f"proofs/{first}-{count}.range", tail(first + count, head[0])
            lines = [line.decode() for line in self.lines(name)]
            after = 2 + bin(first).count("1")  # noqa: FURB161
            good = [*lines[:2], *lines[after : after + 1]] == [f"leaves {first} {count} {head[0]}", "before", "after"]
            check(good and len(lines) == after + 1 + len(heights), "is no range proof of these leaves")
            before, behind = ([strict_base64(line, 32, name) for line in part] for part in (lines[2:after], lines[after + 1 :]))
            edge, text = Edge.of(first, before), f"evidence/source={file['source']}/day={file['day']}/{first}-{count}.txt"
            salt, self.at, root = self.leaves(edge, text, count), text, edge.root()
            for height, node in zip(heights, behind): edge.append(node, height)  # noqa: B905
            good = edge.root() == head[1] and dict(entry[2] for entry in self.batches).get(first + count, root) == root
            check(good, f"leaves {first} to {first + count - 1} are not those of the signed log, in this order")
            if self.leaf is not None: self.inclusion(head[0], before, behind, salt)
    def inclusion(self, size: int, before: list[bytes], behind: list[bytes], salt: bytes | None) -> None:
        path = []  # RFC 6962, 2.1.1: all of these hashes stand in the range proof
        for height in range((size - 1).bit_length()):
            if (at := self.leaf >> height) & 1: path.append(before.pop())
            elif at < size - 1 >> height: path.append(behind.pop(0) if at + 2 << height <= size else Edge(0, behind).root())
        hashes = "".join(f"{base64.b64encode(node).decode()}\n" for node in path)
        extra = f"extra {base64.b64encode(bytes.fromhex(salt.decode())).decode()}\n" if salt else ""
        text = f"c2sp.org/tlog-proof@v1\n{extra}index {self.leaf}\n{hashes}\n".encode() + self.notes["events"]
        check(self.read(f"proofs/{self.leaf}.tlog-proof") == text, "is not the proof of this leaf")
    def consistency(self, log: str, old: Checkpoint, new: Checkpoint) -> None:
        lines = self.read(f"proofs/{log}.consistency").decode().split("\n")
        proof, note = lines[1 : lines.index("")], lines[lines.index("") + 1 :]
        check(lines[0] == f"old {old.size}" and "\n".join(note).encode() == self.notes[log], "is of other checkpoints")
        check_consistency(old.head, new.head, [strict_base64(line, 32, "a hash") for line in proof])
    def leaves(self, edge: Edge, name: str, count: int) -> bytes | None:
        lines = self.lines(name)
        check(len(lines) == count, f"has {len(lines)} lines, the manifest {count}")
        self.counts["files"] += 1
        for number, line in enumerate(lines, start=1):
            self.at, gone = f"{name}, line {number} (leaf {edge.size})", edge.size in self.erased
            if (found := _LINE.fullmatch(line)) is None: raise Bad("is neither SALT RECORD nor !HASH")
            salt, record, hidden = found.groups()
            check(not gone or record is None, "its record was erased, and is here")
            with contextlib.suppress(RecursionError):  # nested deeper than this Python can follow
                check(record is None or isinstance(_RECORD.decode(record.decode()), dict), "its record is no JSON object")
            self.counts["disclosed" if record else "erased" if gone else "withheld"] += 1
            edge.append(leaf_hash(bytes.fromhex(salt.decode()) + record) if record else bytes.fromhex(hidden.decode()))
        return salt

def verify(path: Path, keys: Sequence[str]) -> Report:
    """Check a bundle; ``keys`` are vkeys or fingerprints to trust, none = tell only whether all fits together."""
    audit = _Audit(Path(path))
    try:
        return audit.run(keys)
    except Exception as error:  # noqa: BLE001 - whatever bytes make fail is bad evidence
        raise Bad(f"{audit.at}: {error if isinstance(error, Bad) else f'malformed, {error!r}'}") from None
def main(argv: Sequence[str] | None = None) -> int:
    """Check a bundle from the command line: 0 = GOOD, 1 = BAD, 2 = signer unknown, or called in a wrong way."""
    parser = argparse.ArgumentParser(description="Verify an evidence bundle; needs no network.")
    parser.add_argument("bundle", type=Path, help="the zip, or the folder that it was unpacked to")
    parser.add_argument("--key", action="append", default=[], help="fingerprint or vkey that you trust, not from the bundle")
    parser.add_argument("--no-key", action="store_true", help="check only that all fits together")
    given = parser.parse_args(argv)
    if bool(given.key) == given.no_key: parser.error("either --key or --no-key is needed")
    if not os.access(given.bundle, os.R_OK): parser.error(f"{given.bundle} cannot be read")
    try: report = verify(given.bundle, given.key)
    except Bad as error: return print(ascii(f"BAD: {error}")[1:-1]) or 1
    for what, count in {"evidence of": ascii(report.scope)[1:-1], **report.counts}.items(): print(f"{what:12}{count}")
    print("not checked: README.md, verify_bundle.py, time-stamp tokens, and what came before sealing\n" + report.verdict)
    return 0 if given.key else 2
if __name__ == "__main__":
    raise SystemExit(main())
