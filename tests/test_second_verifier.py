"""A second verifier, of a home's log and of an evidence bundle, written from docs/format.md alone.

Trees are RFC 6962 as the RFC defines them, recursively; Ed25519 is `cryptography`'s. From the package comes only what
makes the sample home and its bundles. What this one finds good, and what bad, must be what the page says.
"""

import base64
import calendar
import hashlib
import json
import re
import shutil
import struct
import subprocess
import sys
import zipfile
import zlib
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ROOT = Path(__file__).parents[1]


class Wrong(Exception):  # noqa: N818 - what a reader of the page would say
    """Something is not as the page says."""


def need(holds, text):
    if not holds:
        raise Wrong(text)


def sha(data):
    return hashlib.sha256(data).digest()


# --- RFC 6962, 2.1 -------------------------------------------------------------------------------------------


def mth(leaves):
    """Root of a list of leaf hashes."""
    if not leaves:
        return sha(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return sha(b"\x01" + mth(leaves[:k]) + mth(leaves[k:]))


def split(n):
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def path(m, leaves):
    """PATH(m, D)."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def proof(m, leaves, *, whole=True):
    """SUBPROOF(m, D, b); PROOF(m, D) is the one with b = true."""
    n = len(leaves)
    if m == n:
        return [] if whole else [mth(leaves)]
    k = split(n)
    if m <= k:
        return [*proof(m, leaves[:k], whole=whole), mth(leaves[k:])]
    return [*proof(m - k, leaves[k:], whole=False), mth(leaves[:k])]


def edge_of(leaves):
    """The right edge, as the page describes it."""
    found, at = [], 0
    for bit in reversed(range(len(leaves).bit_length())):
        if len(leaves) >> bit & 1:
            found.append(mth(leaves[at : at + (1 << bit)]))
            at += 1 << bit
    return found


class Growing:
    """An edge that subtrees are appended to."""

    def __init__(self, size, nodes):
        need(len(nodes) == size.bit_count(), f"an edge of {size} leaves has not {len(nodes)} hashes")
        self.size, self.nodes = size, list(nodes)

    def append(self, node, height=0):
        need(self.size % 2**height == 0, "a subtree that starts where none can")
        bit = height
        while self.size >> bit & 1:
            node = sha(b"\x01" + self.nodes.pop() + node)
            bit += 1
        self.nodes.append(node)
        self.size += 2**height

    def root(self):
        if not self.nodes:
            return sha(b"")
        root = self.nodes[-1]
        for left in reversed(self.nodes[:-1]):
            root = sha(b"\x01" + left + root)
        return root


# --- Checkpoints, keys ----------------------------------------------------------------------------------------


def b64(text, length=None):
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise Wrong(f"no base64: {text!r}") from None
    need(base64.b64encode(data).decode() == text, f"not the canonical base64: {text!r}")
    need(length in (None, len(data)), f"{len(data)} bytes of base64, not {length}")
    return data


def public_key(text):
    data = b64(text, 33)
    need(data[0] == 1, "no Ed25519 key")
    return data[1:]


def fingerprint(key):
    return sha(b"\x01" + key).hex()


def vkey(name, key):
    number = sha(name.encode() + b"\n\x01" + key)[:4].hex()
    return f"{name}+{number}+{base64.b64encode(bytes([1]) + key).decode()}"


def open_note(data, origin, keys, what):
    """(size, root, keys that signed)."""
    head, empty, lines = data.partition(b"\n\n")
    need(empty and lines.endswith(b"\n") and head.count(b"\n") == 2, f"{what}: no checkpoint")
    name, size, root = head.decode().split("\n")
    need(name == origin, f"{what}: is of {name}")
    need(re.fullmatch("0|[1-9][0-9]*", size), f"{what}: no size")
    signers = set()
    for line in lines.decode()[:-1].split("\n"):
        dash, _, rest = line.partition(" ")
        signer, _, encoded = rest.partition(" ")
        need(dash == "\u2014" and signer and encoded, f"{what}: no signature line")
        raw = b64(encoded)
        for key in keys:
            if signer == origin and raw[:4] == sha(origin.encode() + b"\n\x01" + key)[:4]:
                try:
                    Ed25519PublicKey.from_public_bytes(key).verify(raw[4:], head + b"\n")
                except InvalidSignature:
                    raise Wrong(f"{what}: a signature is wrong") from None
                signers.add(key)
    need(signers, f"{what}: nobody has signed whom we know")
    return int(size), b64(root, 32), signers


# --- Statements and the rules among them ------------------------------------------------------------------------

TYPES = {
    *("genesis", "batch", "conflict", "drop", "report", "policy", "hold", "purge", "erasure", "rederive", "key", "incident"),
}


def moment(text):
    return datetime.fromisoformat(text)


def time_of(statement):
    text = statement.get("at") or statement.get("extracted_at")
    return moment(text) if text else None


def in_force(statements, before):
    """Keys that sign before statement ``before``."""
    found = [public_key(statements[0]["public_key"])]
    for item in statements[:before]:
        if item["type"] == "key":
            key = public_key(item["public_key"])
            need((key in found) == (item["action"] == "retire"), "a key that cannot begin or end here")
            if item["action"] == "add":
                found.append(key)
            else:
                found.remove(key)
                need(found, "the last key was retired")
    return found


def every_key(statements):
    return {public_key(item["public_key"]) for item in statements if item["type"] in ("genesis", "key")}


def policy(statements, before):
    return [item for item in statements[:before] if item["type"] in ("genesis", "policy")][-1]


def holds(statements, before):
    found = {}
    for item in statements[:before]:
        if item["type"] == "hold":
            found.pop(item["name"], None)
            if item["action"] == "set":
                found[item["name"]] = item
    return list(found.values())


def limit(at, months):
    number = at.year * 12 + at.month - 1 - months
    year, month = number // 12, number % 12 + 1
    return date(year, month, min(at.day, calendar.monthrange(year, month)[1]))


def judge_purge(statements, index, file):
    """Whether the purge statement ``index`` of evidence was allowed; ``file`` is the manifest's entry."""
    item = statements[index]
    need(all(item[name] == file[name] for name in ("source", "day", "first", "count", "newest")), "a purge of another file")
    at = moment(item["at"])
    months = (rule := policy(statements, index))["sources"].get(file["source"], rule["months"])
    need(item["months"] == months and item["limit"] == str(limit(at, months)), "a purge by another policy")
    midnight = datetime.combine(limit(at, months), time(), at.tzinfo)
    need(moment(file["newest"]) < midnight, f"leaves from {file['first']} on were purged too early")
    need(all(at >= other for other in map(time_of, statements[:index]) if other), "a purge that was backdated")
    for hold in holds(statements, index):
        inside = (hold["first"] or "0000") <= file["day"] <= (hold["last"] or "9999")
        need(not (inside and hold["source"] in (None, file["source"])), f"leaves from {file['first']} on were held")


def check_statements(lines):
    """The statements, decoded, by the rules of the page but for files and roots."""
    statements = []
    for index, line in enumerate(lines):
        need(len(line) <= 65_535 and b"\n" not in line, f"statement {index} is too long")
        item = json.loads(line)
        need(item["type"] in TYPES and item["v"] == 1, f"statement {index} is of no known type")
        need((item["type"] == "genesis") == (index == 0), f"statement {index}: genesis is the first and no other")
        statements.append(item)
    in_force(statements, len(statements))
    seq, size, root = 0, 0, base64.b64encode(sha(b"")).decode()
    for item in statements:
        if item["type"] == "batch":
            seq, events = seq + 1, item["events"]
            need(item["seq"] == seq and events["first"] == size <= events["size"], f"batch {seq} does not follow")
            need(events["size"] > size or events["root"] == root, f"batch {seq}: another root without a leaf")
            size, root = events["size"], events["root"]
    return statements


def leaf(line, what):
    """Leaf hash of an evidence line, and whether its record is there."""
    if line.startswith(b"!"):
        need(re.fullmatch(b"![0-9a-f]{64}", line), f"{what}: no !HASH")
        return bytes.fromhex(line[1:].decode()), False
    need(re.match(b"[0-9a-f]{32} ", line), f"{what}: no SALT RECORD")
    return sha(b"\x00" + bytes.fromhex(line[:32].decode()) + line[33:]), True


# --- A home ----------------------------------------------------------------------------------------------------


class HomeVerifier:
    """Checks a home's log by the page; ``trusted`` is a fingerprint that the reader has from elsewhere."""

    def __init__(self, root, trusted):
        self.root, self.trusted = root, trusted

    def verify(self):
        folder = self.root / "log" / "statements"
        size = int((folder / "checkpoint").read_bytes().split(b"\n")[1])
        lines = self.entries(folder, size)
        self.statements = check_statements(lines)
        self.keys = every_key(self.statements)
        self.removals()
        self.manifests()
        leaves = self.evidence()
        by_size = {0: 0}
        for index, item in enumerate(self.statements):
            if item["type"] == "batch":
                by_size.setdefault(item["events"]["size"], index)
                root = base64.b64encode(mth(leaves[: item["events"]["size"]])).decode()
                need(item["events"]["root"] == root, f"batch {item['seq']}: its leaves do not give its root")
        sizes = self.log("statements", [sha(b"\x00" + line) for line in lines], lambda before, _: before)
        self.log("events", leaves, lambda _, size: by_size[size])
        need(sizes[-1] == size, "checkpoint is not the newest")
        return len(lines), len(leaves)

    @staticmethod
    def entries(folder, size):
        found = []
        for number in range(-(-size // 256)):
            width = min(256, size - 256 * number)
            whole = folder / "tile" / "entries" / f"{number:03d}"
            file = whole if whole.is_file() else whole.with_name(f"{number:03d}.p") / str(width)
            data = file.read_bytes()
            for _ in range(width):
                length = int.from_bytes(data[:2], "big")
                found.append(data[2 : 2 + length])
                need(len(found[-1]) == length, f"{file.name}: torn")
                data = data[2 + length :]
            need(not data or whole.is_file(), f"{file.name}: too long")
        return found

    def log(self, name, leaves, first_statement):
        """Checkpoints, edges and tiles of one log; the sizes."""
        folder, origin = self.root / "log" / name, f"{self.statements[0]['origin']}/{name}"
        sizes, before = sorted(int(file.name) for file in (folder / "checkpoints").iterdir()), 0
        for size in sizes:
            note = (folder / "checkpoints" / str(size)).read_bytes()
            found, root, signers = open_note(note, origin, self.keys, f"{name} at {size}")
            need(found == size and root == mth(leaves[:size]), f"{name} at {size}: another root")
            need(signers >= set(in_force(self.statements, first_statement(before, size))), f"{name} at {size}: a key is missing")
            edge = [b64(line, 32) for line in (folder / "edges" / str(size)).read_text().splitlines()]
            need(edge == edge_of(leaves[:size]), f"{name} at {size}: another edge")
            before = size
        need((folder / "checkpoint").read_bytes() == note, f"{name}: checkpoint is no copy of the newest")
        need(name == "events" or self.trusted in map(fingerprint, signers), "not signed by the key that we trust")
        need(sizes[-1] == len(leaves), f"{name}: {len(leaves)} leaves, signed are {sizes[-1]}")
        self.tiles(folder / "tile", leaves)
        return sizes

    @staticmethod
    def tiles(folder, leaves):
        seen = set()
        levels = {"0": leaves}
        while len(levels[str(len(levels) - 1)]) >= 256:
            below = levels[str(len(levels) - 1)]
            levels[str(len(levels))] = [mth(below[at : at + 256]) for at in range(0, len(below) // 256 * 256, 256)]
        for file in sorted(folder.rglob("*")):
            level, *names = file.relative_to(folder).parts
            if not file.is_file() or level == "entries":
                continue
            width = int(names.pop()) if names[-2:-1] and names[-2].endswith(".p") else 256
            number = int("".join(part.removeprefix("x").removesuffix(".p") for part in names))
            hashes = levels.get(level, [])[256 * number : 256 * number + width]
            need(len(hashes) == width and b"".join(hashes) == file.read_bytes(), f"tile {level}/{number} is another")
            seen.add((level, number, width))
        for level, hashes in levels.items():
            full, rest = divmod(len(hashes), 256)
            wanted = {(level, number, 256) for number in range(full)} | ({(level, full, rest)} if rest else set())
            need(wanted <= seen, f"tiles of level {level} are missing")

    def removals(self):
        """Removals by path of the file as its manifest names it, and what the statements say of them."""
        self.gone, self.instead, original = {}, {}, {}
        stated = [item for item in self.statements if item["type"] in ("purge", "erasure")]
        files = sorted((self.root / "removals").glob("*.json")) if (self.root / "removals").is_dir() else []
        for number, file in enumerate(files, start=1):
            made = json.loads(file.read_bytes())
            need(made["number"] == number == int(file.stem), f"{file.name}: a removal is missing")
            if made["kind"] == "purge":
                named = {(item["path"], item["sha256"]) for item in stated if item.get("removal") == number}
                need(named == {(item["path"], item["sha256"]) for item in made["taken"]}, f"{file.name}: other files are stated")
            else:
                digest = {"path": f"removals/{file.name}", "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
                mine = [item for item in stated if item.get("removal") == digest]
                leaves = sorted(leaf for item in mine for leaf in item["leaves"])
                need(mine and leaves == sorted(n for item in made["taken"] for n in item["leaves"]), f"{file.name}: not stated")
            for item in made["taken"]:
                if item["what"] == "evidence":
                    first = original.get(item["path"], item["path"])
                    if made["kind"] == "purge":
                        self.gone[first] = item["path"]
                    else:
                        self.instead[first] = item
                        original[item["new_path"]] = first

    def manifests(self):
        self.files, sealed = [], [item for item in self.statements if item["type"] == "batch"]
        for item in sealed:
            content = (self.root / item["manifest"]["path"]).read_bytes()
            need(hashlib.sha256(content).hexdigest() == item["manifest"]["sha256"], f"manifest {item['seq']} is another")
            made = json.loads(content)
            need(
                (made["seq"], made["first"], made["size"]) == (item["seq"], item["events"]["first"], item["events"]["size"]), "!"
            )
            self.files += made["evidence"]
        there = sorted(int(file.stem) for file in (self.root / "batches").glob("*.json"))
        need(there == list(range(1, len(sealed) + 1)), "batches and statements do not agree")

    def evidence(self):
        """Leaf hashes of everything, from the lines themselves; of purged files from the tiles."""
        leaves = []
        erased = {leaf for item in self.statements if item["type"] == "erasure" for leaf in item["leaves"]}
        for file in self.files:
            need(file["first"] == len(leaves), f"{file['path']}: the ranges do not tile the log")
            if file["path"] in self.gone:
                leaves += self.purged(file)
                continue
            entry = self.instead.get(file["path"])
            name, digest = (entry["new_path"], entry["new_sha256"]) if entry else (file["path"], file["sha256"])
            need((self.root / name).is_file(), f"{name} is missing, and no removal takes it")
            content = (self.root / name).read_bytes()
            need(hashlib.sha256(content).hexdigest() == digest, f"{name}: another digest")
            lines = subprocess.run(["zstdcat"], input=content, capture_output=True, check=True).stdout.split(b"\n")
            need(lines.pop() == b"" and len(lines) == file["count"], f"{name}: {len(lines)} lines")
            for at, line in enumerate(lines):
                found, there = leaf(line, f"{name}, line {at}")
                need(there != (file["first"] + at in erased), f"leaf {file['first'] + at}: erased and there, or gone unsaid")
                leaves.append(found)
        return leaves

    def purged(self, file):
        taken = self.gone[file["path"]]
        stated = [at for at, item in enumerate(self.statements) if item["type"] == "purge" and item["path"] == taken]
        need(len(stated) == 1, f"{file['path']}: not one purge statement")
        judge_purge(self.statements, stated[0], file)
        return [self.stored(at) for at in range(file["first"], file["first"] + file["count"])]

    def stored(self, at):
        whole = self.root / "log" / "events" / "tile" / "0" / f"{at // 256:03d}"
        file = whole if whole.is_file() else max((whole.with_name(f"{whole.name}.p")).iterdir(), key=lambda one: int(one.name))
        return file.read_bytes()[at % 256 * 32 :][:32]


# --- A bundle ----------------------------------------------------------------------------------------------------


class BundleVerifier:
    """Checks an evidence bundle in the order of the page; ``trusted`` are fingerprints."""

    def __init__(self, path, *trusted):
        self.path, self.trusted = path, trusted

    def verify(self):
        """How many records are disclosed, withheld, erased and purged."""
        self.files = unzip(self.path.read_bytes()) if self.path.is_file() else self.tree()
        self.sums()
        about = json.loads(self.take("bundle.json"))
        self.scope, self.counts = about["scope"], dict.fromkeys(("disclosed", "withheld", "erased", "purged"), 0)
        vkeys = [line.decode() for line in self.lines("keys.txt")]
        self.keys = {b64(line.split("+", 2)[2], 33)[1:] for line in vkeys}
        self.trust = {key for key in self.keys if fingerprint(key) in self.trusted}
        need(self.trust, "none of the keys that we trust")
        self.notes = {name[12:]: self.take(name) for name in sorted(self.files) if name.startswith("checkpoints/")}
        lines = self.lines("statements.ndjson")
        self.statements = check_statements(lines)
        entries = self.entries()
        self.heads([sha(b"\x00" + line) for line in lines])
        self.description(about, vkeys)
        self.consistency()
        for file in entries:
            self.evidence(file)
        for name in ["README.md", "verify_bundle.py", *about["tokens"]]:
            self.take(name)
        if self.scope["leaf"] is not None:
            self.inclusion(f"proofs/{self.scope['leaf']}.tlog-proof")
        need(not self.files, f"no part of a bundle: {sorted(self.files)}")
        return self.counts

    def tree(self):
        found = [file for file in self.path.rglob("*") if file.is_symlink() or not file.is_dir()]
        need(all(file.is_file() and not file.is_symlink() for file in found), "more than files and folders")
        return {file.relative_to(self.path).as_posix(): file.read_bytes() for file in found}

    def sums(self):
        listed = [line.decode().split("  ", 1) for line in self.lines("SHA256SUMS")]
        need([name for _, name in listed] == sorted(self.files), "SHA256SUMS does not list the files")
        for digest, name in listed:
            need(hashlib.sha256(self.files[name]).hexdigest() == digest, f"{name}: another digest")

    def take(self, name):
        need(name in self.files, f"{name} is missing")
        return self.files.pop(name)

    def lines(self, name):
        *lines, end = self.take(name).split(b"\n")
        need(end == b"", f"{name}: the last line has no end")
        return lines

    def entries(self):
        """The evidence entries of the scope that no purge has taken; manifests and purges are checked on the way."""
        first, until, leaf = self.scope["first"], self.scope["until"], self.scope["leaf"]
        found = {}
        for item in self.statements:
            events = item.get("events")
            if item["type"] != "batch" or (leaf is not None and not events["first"] <= leaf < events["size"]):
                continue
            content = self.take(f"manifests/{item['seq']:06d}.json")
            need(hashlib.sha256(content).hexdigest() == item["manifest"]["sha256"], f"manifest {item['seq']} is another")
            at = events["first"]
            for file in json.loads(content)["evidence"]:
                need(file["first"] == at and file["count"] > 0, f"manifest {item['seq']}: its ranges do not tile the log")
                at += file["count"]
                if first <= file["day"] < until and (leaf is None or file["first"] <= leaf < at):
                    found[file["first"]] = file
            need(at == events["size"], f"manifest {item['seq']}: its ranges do not tile the log")
        for index, item in enumerate(self.statements):
            if item["type"] == "purge" and item["what"] == "evidence" and item["first"] in found:
                judge_purge(self.statements, index, file := found.pop(item["first"]))
                self.counts["purged"] += file["count"]
        return list(found.values())

    def heads(self, leaves):
        origin, self.head = self.statements[0]["origin"], {}
        batches = [(at, item) for at, item in enumerate(self.statements) if item["type"] == "batch"]
        for name, note in self.notes.items():
            log, _, suffix = name.partition(".")
            size, root, signers = open_note(note, f"{origin}/{log}", self.keys, name)
            self.head[name] = (size, root)
            beside = int(self.notes["statements." + suffix if suffix else "statements"].split(b"\n")[1])
            need(beside <= len(leaves), f"{name}: of more statements than there are")
            if log == "statements":
                need(root == mth(leaves[:size]), f"{name}: the statements do not give its root")
            same = [at for at, item in batches if (item["events"]["size"], b64(item["events"]["root"], 32)) == (size, root)]
            when = beside if log == "statements" else same[0] if same else 1
            need(signers & self.trust & set(in_force(self.statements, when)), f"{name}: not signed by a key that we trust")
        need(self.head["statements"][0] == len(leaves), "more statements than were signed")
        heads = [(0, sha(b"")), *((item["events"]["size"], b64(item["events"]["root"], 32)) for _, item in batches)]
        need(self.head["events"] == heads[-1], "events: not the head of the last batch")
        start = datetime.fromisoformat(f"{self.scope['first']}T00:00:00Z")
        past = [(at, number) for number, (at, item) in enumerate(batches, start=1) if moment(item["extracted_at"]) < start]
        need(("events.old" in self.notes) == bool(past), "the old heads are not those before the scope")
        if past:
            good = self.head["events.old"] == heads[past[-1][1]] and past[-1][0] < self.head["statements.old"][0]
            need(good, "the old heads are not those before the scope")

    def description(self, about, vkeys):
        scope, genesis = self.scope, self.statements[0]
        day = date.fromisoformat(scope["first"])
        after = date(day.year + day.month // 12, day.month % 12 + 1, 1) if scope["kind"] == "month" else day + timedelta(days=1)
        need(scope["kind"] in ("month", "day", "event") and scope["until"] == str(after), "an impossible scope")
        need((scope["kind"] == "event") == (scope["leaf"] is not None), "an impossible scope")
        said = (about["format"], about["organisation"], about["events_size"], about["statements_size"])
        need(said == (1, genesis["organisation"], self.head["events"][0], self.head["statements"][0]), "bundle.json is wrong")
        named = dict.fromkeys(public_key(item["public_key"]) for item in self.statements if item["type"] in ("genesis", "key"))
        need(
            vkeys == [vkey(f"{genesis['origin']}/{log}", key) for key in named for log in ("events", "statements")],
            "keys.txt is wrong",
        )

    def consistency(self):
        for log in ("events", "statements") if "events.old" in self.notes else ():
            head, _, note = self.take(f"proofs/{log}.consistency").partition(b"\n\n")
            first, *hashes = head.decode().split("\n")
            need(note == self.notes[log] and first == f"old {self.head[f'{log}.old'][0]}", f"{log}: a proof for others")
            consistent(self.head[f"{log}.old"], self.head[log], [b64(line, 32) for line in hashes])

    def evidence(self, file):
        leaf_ = self.scope["leaf"]
        first, count = (file["first"], file["count"]) if leaf_ is None else (leaf_, 1)
        name, size = f"evidence/source={file['source']}/day={file['day']}/{first}-{count}.txt", self.head["events"][0]
        lines, erased = (
            self.lines(name),
            {one for item in self.statements for one in item.get("leaves", []) if item["type"] == "erasure"},
        )
        need(len(lines) == count, f"{name}: {len(lines)} lines, {count} are right")
        head, *proof = (line.decode() for line in self.lines(f"proofs/{first}-{count}.range"))
        need(head == f"leaves {first} {count} {size}" and proof[0] == "before" and "after" in proof, f"{name}: no range proof")
        middle = proof.index("after")
        edge = Growing(first, [b64(line, 32) for line in proof[1:middle]])
        for at, line in enumerate(lines):
            found, there = leaf(line, f"{name}, line {at}")
            need(not (there and first + at in erased), f"leaf {first + at} was erased, and is here")
            need(not there or isinstance(json.loads(line[33:].decode()), dict), f"{name}, line {at}: no JSON object")
            self.counts["disclosed" if there else "erased" if first + at in erased else "withheld"] += 1
            edge.append(found)
            self.line = (found, bytes.fromhex(line[:32].decode()) if there else b"")
        for node in proof[middle + 1 :]:
            height = 0
            while edge.size % 2 ** (height + 1) == 0 and edge.size + 2 ** (height + 1) <= size:
                height += 1
            edge.append(b64(node, 32), height)
        need((edge.size, edge.root()) == self.head["events"], f"{name}: not the leaves of the signed log")

    def inclusion(self, name):
        head, _, note = self.take(name).partition(b"\n\n")
        title, *lines = head.decode().split("\n")
        salt = lines.pop(0) if lines[0].startswith("extra ") else ""
        index, *hashes = lines
        need(title == "c2sp.org/tlog-proof@v1" and index == f"index {self.scope['leaf']}", f"{name}: no proof of this leaf")
        need(note == self.notes["events"], f"{name}: of another checkpoint")
        need(b64(salt[6:]) == self.line[1], f"{name}: another salt")
        nodes = [b64(line, 32) for line in hashes]
        need(root_of(self.scope["leaf"], self.head["events"][0], self.line[0], nodes) == self.head["events"][1], f"{name}: wrong")
        need(not nodes, f"{name}: too long")


def root_of(m, n, hashed, nodes):
    """The root of n leaves from leaf m and PATH(m, D); used hashes are taken from ``nodes``."""
    if n == 1:
        return hashed
    need(nodes, "an inclusion proof that is too short")
    k, other = split(n), nodes.pop()
    if m < k:
        return sha(b"\x01" + root_of(m, k, hashed, nodes) + other)
    return sha(b"\x01" + other + root_of(m - k, n - k, hashed, nodes))


def consistent(old, new, hashes):
    """Both roots from a proof, by the RFC's SUBPROOF read backwards."""
    nodes = list(hashes)

    def roots(m, n, whole):
        if m == n:
            root = old[1] if whole else nodes.pop(0)
            return root, root
        k = split(n)
        if m <= k:
            first, second = roots(m, k, whole)
            return first, sha(b"\x01" + second + nodes.pop(0))
        first, second = roots(m - k, n - k, False)
        left = nodes.pop(0)
        return sha(b"\x01" + left + first), sha(b"\x01" + left + second)

    try:
        good = old[0] <= new[0] and (old[0] == 0 or roots(old[0], new[0], True) == (old[1], new[1]))
    except IndexError:
        raise Wrong("a consistency proof that is too short") from None
    need(good and not nodes, f"{new[0]} leaves are not the {old[0]}, only more")


def unzip(data):
    """The entries of a zip, with every byte accounted for."""
    at, found, directory = 0, {}, b""
    while data[at : at + 4] == b"PK\3\4":
        *fixed, crc, packed, size, length, extra = struct.unpack("<5H3I2H", data[at + 4 : at + 30])
        need(fixed == [20, 0, 8, 0, 33] and extra == 0, "a header that the page does not allow")
        start = at + 30 + length
        name, stream = data[at + 30 : start].decode("ascii"), zlib.decompressobj(-15)
        try:
            content = stream.decompress(data[start : start + packed])
        except zlib.error as error:
            raise Wrong(f"{name}: {error}") from None
        need(stream.eof and not stream.unused_data and len(content) == size, f"{name}: does not end where it should")
        need(zlib.crc32(content) == crc and name not in found and ".." not in name.split("/"), f"{name}: a name or CRC")
        found[name] = content
        both = struct.pack("<5H3I5H2I", *fixed, crc, packed, size, length, 0, 0, 0, 0, 0o100644 << 16, at)
        directory += b"PK\1\2" + struct.pack("<H", 0x0314) + both + data[at + 30 : start]
        at = start + packed
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, len(found), len(found), len(directory), at, 0)
    need(data[at:] == directory + end, "a directory that the page does not allow, or bytes of no file")
    return found


# --- The sample home ---------------------------------------------------------------------------------------------

DAYS = [date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 7)]
OLD = date(2024, 2, 29)


def at(day):
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """Nights with late and conflicting events, one without any; two keys, a hold, an erasure, a purge."""
    from audit_pipelines.defs import keeping, signing
    from audit_pipelines.defs.station import Station
    from tests.defs.conftest import Yard, day_of_records, record

    yard = Yard(tmp_path_factory.mktemp("second"), start=DAYS[0])
    yard.put("old.ndjson", day_of_records(OLD, 40))
    yard.put("a.ndjson", day_of_records(DAYS[0], 300, first=100))
    yard.night(DAYS[1])
    late = [record(900, "2026-01-05T08:00:00Z"), record(100, "2026-01-05T09:00:00Z", "authentication.logout")]
    yard.put("b.ndjson", late + day_of_records(DAYS[1], 250, first=500))
    yard.night(DAYS[2])
    signing.begin_rotation(yard.home, "a test", now=lambda: at(DAYS[2]))
    yard.night(date(2026, 1, 8))
    station = Station(yard.home, "x", who="test", now=lambda: at(date(2026, 1, 8)))
    try:
        days = {"source": "terracotta", "first": DAYS[1], "last": None}
        keeping.set_hold(station, "case-1", **days, reason="a test", approver="A")
        keeping.erase(station, ["terracotta/evt_000107", "terracotta/evt_000900"], [], ground="a test", approver="A")
        assert keeping.enforce(station, approver="A").events == 40
    finally:
        station.close()
    yard.night(date(2026, 1, 9))
    return yard.home.root


@pytest.fixture(scope="module")
def trusted(sample):
    from audit_pipelines.defs import signing
    from audit_pipelines.home import Home

    return signing.keys(Home(sample))[0].fingerprint


@pytest.fixture
def home(sample, tmp_path):
    return Path(shutil.copytree(sample, tmp_path / "home", ignore=shutil.ignore_patterns("state", "inbox", "drops")))


def test_the_sample_has_one_of_everything(sample):
    lines = HomeVerifier.entries(
        sample / "log" / "statements", int((sample / "log/statements/checkpoint").read_text().split()[1])
    )
    kinds = {json.loads(line)["type"] for line in lines}
    assert kinds >= {"genesis", "batch", "conflict", "drop", "hold", "purge", "erasure", "key"}
    batches = [item["events"] for item in map(json.loads, lines) if item["type"] == "batch"]
    assert any(item["first"] == item["size"] for item in batches)


def test_a_home_is_good_by_the_page(home, trusted):
    statements, leaves = HomeVerifier(home, trusted).verify()
    assert (statements > 10, leaves) == (True, 40 + 300 + 252)


def test_another_key_is_not_trusted(home):
    with pytest.raises(Wrong, match="the key that we trust"):
        HomeVerifier(home, "0" * 64).verify()


def rewrite(file, change):
    """Change the lines of an evidence file, and nothing else."""
    lines = subprocess.run(["zstdcat", file], capture_output=True, check=True).stdout.splitlines()
    change(lines)
    text = b"".join(line + b"\n" for line in lines)
    file.write_bytes(subprocess.run(["zstd", "-q", "-c"], input=text, capture_output=True, check=True).stdout)


def first_file(home, day):
    return min(
        (home / "evidence" / "source=terracotta" / f"day={day}").glob("*.zst"), key=lambda file: int(file.name.split("-")[0])
    )


def flip(file, at=-1):
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)


def fit_manifest(home, file):
    """The manifest that names an altered file, with its new digest."""
    for manifest in (home / "batches").glob("*.json"):
        text, name = manifest.read_text(), file.relative_to(home).as_posix()
        made = json.loads(text)
        for entry in made["evidence"]:
            if entry["path"] == name:
                manifest.write_text(text.replace(entry["sha256"], hashlib.sha256(file.read_bytes()).hexdigest()))


def alterations():
    """Name -> (what is done to the files of a home, what the verifier says)."""
    held = DAYS[1]

    def without_a_record(home):
        rewrite(first_file(home, held), lambda lines: lines.pop(3))

    def with_its_manifest(home):
        file = first_file(home, held)
        rewrite(file, lambda lines: lines.reverse())
        fit_manifest(home, file)

    def a_day_gone(home):
        first_file(home, held).unlink()

    def an_erasure_unsaid(home):
        file = first_file(home, held)
        rewrite(file, lambda lines: lines.__setitem__(0, b"!" + leaf(lines[0], "")[0].hex().encode()))

    def a_removal_gone(home):
        max((home / "removals").glob("*.json")).unlink()

    def a_manifest_gone(home):
        max((home / "batches").glob("*.json")).unlink()

    def an_older_head(home):
        folder = home / "log" / "statements"
        shutil.copy(sorted((folder / "checkpoints").iterdir(), key=lambda file: int(file.name))[-2], folder / "checkpoint")

    def a_statement(home):
        for file in (home / "log/statements/tile/entries").rglob("*"):
            if file.is_file():
                file.write_bytes(file.read_bytes().replace(b'"approver":"A"', b'"approver":"B"'))

    return {
        "a record left out": (without_a_record, "another digest"),
        "records in another order, and a manifest that fits": (with_its_manifest, "manifest 2 is another"),
        "a file gone without a purge": (a_day_gone, "is missing, and no removal takes it"),
        "an erasure that nothing states": (an_erasure_unsaid, "another digest"),
        "a removal gone": (a_removal_gone, "is missing, and no removal takes it|stated"),
        "the newest manifest gone": (a_manifest_gone, "No such file"),
        "the checkpoint set back": (an_older_head, "not the newest|do not agree|another"),
        "a statement changed": (a_statement, "another"),
        "a bit of a tile": (lambda home: flip(home / "log/events/tile/0/001"), "tile 0/1 is another|do not give its root"),
        "a bit of a checkpoint": (lambda home: flip(home / "log/events/checkpoints/340", 40), "340"),
        "a bit of an edge": (lambda home: flip(home / "log/events/edges/340", 5), "another edge|base64"),
    }


@pytest.mark.parametrize("name", alterations())
def test_an_altered_home_is_bad_by_the_page(home, trusted, name):
    alter, message = alterations()[name]
    alter(home)
    with pytest.raises((Wrong, OSError), match=message):
        HomeVerifier(home, trusted).verify()


def test_a_hold_forbids_a_purge(sample):
    """The judgement itself, on statements that are like the sample's but for a hold over all days."""
    size = int((sample / "log/statements/checkpoint").read_text().split()[1])
    statements = [json.loads(line) for line in HomeVerifier.entries(sample / "log" / "statements", size)]
    index = next(at for at, item in enumerate(statements) if item["type"] == "purge" and item["what"] == "evidence")
    judge_purge(statements, index, statements[index])
    hold = next(item for item in statements if item["type"] == "hold")
    hold |= {"source": None, "first": None}
    with pytest.raises(Wrong, match="were held"):
        judge_purge(statements, index, statements[index])


def test_proofs_of_the_page_are_those_of_the_rfc():
    """The page's edge and range against the RFC's recursive definitions, for every size up to 40."""
    leaves = [sha(bytes([n])) for n in range(40)]
    for size in range(41):
        edge = Growing(size, edge_of(leaves[:size]))
        assert edge.root() == mth(leaves[:size])
        for node in leaves[size:]:
            edge.append(node)
        assert edge.root() == mth(leaves)


# --- The sample bundles --------------------------------------------------------------------------------------------


def bundled(home, folder, kind, first, until, leaf_=None, disclose=None):
    """A bundle of the sample, as the program writes it."""
    from audit_pipelines.batch import history
    from audit_pipelines.home import Home
    from audit_pipelines.seal.bundle import Scope, write_bundle

    scope = Scope(kind, first, until, leaf_)
    final = folder / f"test.evidence.{scope.name}.zip"
    where = Home(home)
    write_bundle(
        where, history(where), scope, final=final, disclose=disclose, made_by="a test", readme=lambda facts: f"{facts['files']}\n"
    )
    return final


JANUARY = ("month", date(2026, 1, 1), date(2026, 2, 1))


@pytest.fixture(scope="module")
def both(sample):
    """Fingerprints of both keys: an auditor has been given the second one, too."""
    from audit_pipelines.defs import signing
    from audit_pipelines.home import Home

    return [key.fingerprint for key in signing.keys(Home(sample))]


def test_a_month_is_good_by_the_page(sample, both, tmp_path):
    found = BundleVerifier(bundled(sample, tmp_path, *JANUARY), *both).verify()
    assert found == {"disclosed": 550, "withheld": 0, "erased": 2, "purged": 0}


def test_the_same_unpacked_is_good_too(sample, both, tmp_path):
    zipfile.ZipFile(bundled(sample, tmp_path, *JANUARY)).extractall(tmp_path / "b")
    assert BundleVerifier(tmp_path / "b", *both).verify()["disclosed"] == 550


def test_a_day_has_old_heads_and_proofs_from_them(sample, both, tmp_path):
    file = bundled(sample, tmp_path, "day", DAYS[2], date(2026, 1, 8))
    assert "proofs/events.consistency" in zipfile.ZipFile(file).namelist()
    assert BundleVerifier(file, *both).verify() == {"disclosed": 0, "withheld": 0, "erased": 0, "purged": 0}


def test_a_purged_month_counts_what_is_gone(sample, both, tmp_path):
    file = bundled(sample, tmp_path, "month", date(2024, 2, 1), date(2024, 3, 1))
    assert BundleVerifier(file, *both).verify() == {"disclosed": 0, "withheld": 0, "erased": 0, "purged": 40}


def test_withheld_records_are_counted(sample, both, tmp_path):
    file = bundled(sample, tmp_path, *JANUARY, disclose=lambda _, line: line % 2 == 0)
    found = BundleVerifier(file, *both).verify()
    assert found["disclosed"] + found["withheld"] == 550
    assert found["withheld"] > 200


@pytest.mark.parametrize("leaf_", [40, 339, 591])
def test_one_event_is_good_by_the_page(sample, both, tmp_path, leaf_):
    file = bundled(sample, tmp_path, "event", day := DAYS[leaf_ > 500], day + timedelta(days=1), leaf_)
    assert BundleVerifier(file, *both).verify()["disclosed"] == 1


def test_a_bundle_by_another_key_is_not_trusted(sample, tmp_path):
    with pytest.raises(Wrong, match="keys that we trust"):
        BundleVerifier(bundled(sample, tmp_path, *JANUARY), "0" * 64).verify()


def repacked(file, change):
    """A bundle with some files changed, and its list of digests and the zip made to fit."""
    archive = zipfile.ZipFile(file)
    found = {name: archive.read(name) for name in archive.namelist() if name != "SHA256SUMS"}
    change(found)
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(found.items()))
    with zipfile.ZipFile(file, "w") as made:
        for name, content in {**found, "SHA256SUMS": sums.encode()}.items():
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type, info.create_system, info.external_attr = zipfile.ZIP_DEFLATED, 3, 0o100644 << 16
            made.writestr(info, content)


EVIDENCE = "evidence/source=terracotta/day=2026-01-05/40-300.txt"


def bundle_alterations():
    """Name -> (change of the files, what the verifier says)."""

    def edit(name, change):
        return lambda files: files.__setitem__(name, change(files[name]))

    def swap(text):
        lines = text.splitlines(keepends=True)
        return b"".join([lines[1], lines[0], *lines[2:]])

    def less_statements(files):
        files["statements.ndjson"] = b"".join(files["statements.ndjson"].splitlines(keepends=True)[:-1])

    def an_older_head(files):
        files["checkpoints/events"] = files["checkpoints/statements"]

    def without_evidence(files):
        del files[EVIDENCE]
        del files["proofs/40-300.range"]

    return {
        "a record": (edit(EVIDENCE, lambda text: text.replace(b"evt_000103", b"evt_000109")), "not the leaves of the signed log"),
        "the order": (edit(EVIDENCE, swap), "not the leaves of the signed log"),
        "a line less": (edit(EVIDENCE, lambda text: text.split(b"\n", 1)[1]), "299 lines"),
        "a file less": (without_evidence, "is missing"),
        "a file more": (lambda files: files.update(more=b""), "no part of a bundle"),
        "a line that is none": (edit(EVIDENCE, lambda text: text.replace(b" ", b"  ", 1)), "JSON|not the leaves"),
        "a manifest": (edit("manifests/000002.json", lambda text: text + b"\n"), "manifest 2 is another"),
        "a statement": (edit("statements.ndjson", lambda text: text.replace(b'"late":2', b'"late":0')), "do not give its root"),
        "statements less": (less_statements, "more statements than there are|do not give its root"),
        "a checkpoint": (an_older_head, "events: is of"),
        "a signature": (
            edit("checkpoints/events", lambda note: note[:-9] + b"AAAAAAA=\n"),
            "signature|base64|known|whom we know",
        ),
        "a range proof": (
            edit("proofs/40-300.range", lambda text: text.replace(b"before\n", b"before\n" + b"A" * 43 + b"=\n")),
            "edge",
        ),
        "the keys": (edit("keys.txt", lambda text: text.split(b"\n", 1)[1]), "keys.txt is wrong"),
        "the scope": (edit("bundle.json", lambda text: text.replace(b"2026-02-01", b"2026-02-02")), "impossible scope"),
    }


@pytest.mark.parametrize("name", bundle_alterations())
def test_an_altered_bundle_is_bad_by_the_page(sample, both, tmp_path, name):
    change, message = bundle_alterations()[name]
    file = bundled(sample, tmp_path, *JANUARY)
    repacked(file, lambda files: None)
    BundleVerifier(file, *both).verify()
    repacked(file, change)
    with pytest.raises((Wrong, ValueError), match=message):
        BundleVerifier(file, *both).verify()
    assert (theirs := the_programs_own(file, both)).startswith("BAD: "), theirs


def the_programs_own(file, keys):
    """The last line of the verifier that is in the package and in every bundle."""
    command = [sys.executable, "-I", "-S", ROOT / "audit_pipelines" / "seal" / "standalone.py", file]
    done = subprocess.run([*command, *(word for key in keys for word in ("--key", key))], capture_output=True, text=True)
    return done.stdout.splitlines()[-1]


def test_the_programs_own_verifier_agrees(sample, both, tmp_path):
    assert the_programs_own(bundled(sample, tmp_path, *JANUARY), both) == "GOOD"


@pytest.mark.parametrize("position", [0, 31, 5000, -23, -1])
def test_a_zip_with_a_byte_too_many_is_bad_by_the_page(sample, both, tmp_path, position):
    file = bundled(sample, tmp_path, *JANUARY)
    data = file.read_bytes()
    at_ = position % (len(data) + 1)
    file.write_bytes(data[:at_] + b"\0" + data[at_:])
    with pytest.raises((Wrong, ValueError, struct.error)):
        BundleVerifier(file, *both).verify()
