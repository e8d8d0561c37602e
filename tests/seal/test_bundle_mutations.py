"""A thousand random alterations of sealed bundles of real records: none is taken; a hundred untouched copies all are.

Half are made to the bytes of the zip. The others are made to the files in it, which are then packed again in the strict
form with SHA256SUMS that fit: what somebody would do who means it. Seeds are fixed; a failure names its mutation.

Two things are no alteration: other bytes of a deflate stream that give the same file, for deflate has many; and what the
verdict says it does not rest on (README.md, verify_bundle.py, tokens, ``made_by``: see test_bundle_checks.py).
"""

import base64
import contextlib
import io
import json
import shutil
import zipfile
import zlib
from datetime import date
from pathlib import Path
from random import Random

import pytest

from audit_pipelines.batch import history
from audit_pipelines.defs import signing
from audit_pipelines.seal.bundle import Scope, write_bundle
from audit_pipelines.seal.standalone import Bad, verify
from tests.defs.conftest import Yard
from tests.seal import bundle_craft as craft
from tests.seal import sealed_home

VECTORS = Path(__file__).parents[1] / "vectors"
SOURCES = """
[[sources]]
name = "github"
kind = "files"
dialect = "github"
path = "inbox"

[[sources]]
name = "cloudtrail"
kind = "files"
dialect = "cloudtrail"
path = "trail"
"""
JULY, MARCH = Scope("month", date(2023, 7, 1), date(2023, 8, 1)), Scope("month", date(2024, 3, 1), date(2024, 4, 1))
PARTS = 4
FREE = ("README.md", "verify_bundle.py", "SHA256SUMS")
"""Files that only the sums bind, and the sums."""


class Sealed:
    """July and March of one log, and March as it was before the last night."""

    def __init__(self, folder: Path) -> None:
        yard = Yard(folder, start=date(2023, 7, 1), sources=SOURCES)
        trail = yard.home.root / "trail"
        trail.mkdir()
        shutil.copy(VECTORS / "cloudtrail" / "delivered.json", trail)
        sealed_home.work(yard.home, date(2023, 7, 11))
        records = (VECTORS / "github" / "security_log.ndjson").read_bytes().splitlines()
        yard.put("a.ndjson", records[4:])
        sealed_home.work(yard.home, date(2024, 3, 22))
        older = self.bundle(yard, MARCH, folder / "older.zip")
        yard.put("b.ndjson", records[:4])
        sealed_home.work(yard.home, date(2024, 3, 27))
        self.key = signing.keys(yard.home)[0].fingerprint
        self.paths = [self.bundle(yard, MARCH, folder / "march.zip"), self.bundle(yard, JULY, folder / "july.zip")]
        self.files = [craft.unpacked(path) for path in self.paths]
        self.older = [craft.unpacked(older), craft.unpacked(older)]

    @staticmethod
    def bundle(yard, scope, path):
        made = {"disclose": None, "made_by": "a test", "readme": lambda facts: "read me\n"}
        return write_bundle(yard.home, history(yard.home), scope, final=path, **made).path


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    return Sealed(tmp_path_factory.mktemp("mutations"))


# --- Of any bytes -------------------------------------------------------------------------------------------------


def run(dice, data, longest=40):
    """A stretch of the bytes: where it starts and ends."""
    start = dice.randrange(len(data))
    return start, min(len(data), start + dice.randint(1, longest))


def flip(dice, data):
    at, bit = dice.randrange(len(data)), dice.randrange(8)
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def drop(dice, data):
    start, end = run(dice, data)
    return data[:start] + data[end:]


def insert(dice, data):
    at = dice.randrange(len(data) + 1)
    return data[:at] + dice.randbytes(dice.randint(1, 40)) + data[at:]


def duplicate(dice, data):
    start, end = run(dice, data)
    return data[:end] + data[start:]


def swap(dice, data):
    (a, b), (c, d) = sorted([run(dice, data), run(dice, data)])
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:] if b <= c else data[:a] + data[b:]


def truncate(dice, data):
    return data[: dice.randrange(len(data))]


def append(dice, data):
    return data + dice.choice([b"\0", b"\n", b"PK\5\6" + bytes(18), data[-22:], data, dice.randbytes(9)])


# --- Of a zip -----------------------------------------------------------------------------------------------------


def behind_a_stream(dice, data):
    """Bytes after one of the deflate streams, inside its entry."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = [craft.Entry(name.encode(), archive.read(name)) for name in archive.namelist()]
    entry = dice.choice(entries)
    entry.after = dice.choice([b"\0", b"\3\0", dice.randbytes(5), entry.stream()])
    return craft.zipped(entries)


# --- Of the files in it -------------------------------------------------------------------------------------------


def in_a_file(change):
    """The change, made to one file."""

    def whole(dice, files, older):
        name = dice.choice(sorted(set(files) - set(FREE)))
        return files | {name: change(dice, files[name])}

    return whole


def in_lines(change):
    """The change, made to the lines of one file."""

    def whole(dice, files, older):
        name = dice.choice(sorted(set(files) - set(FREE)))
        lines = files[name].splitlines(keepends=True)
        change(dice, lines, files)
        return files | {name: b"".join(lines)}

    return whole


def drop_line(dice, lines, files):
    lines.pop(dice.randrange(len(lines)))


def insert_line(dice, lines, files):
    """Any line of any file."""
    other = files[dice.choice(sorted(files))].splitlines(keepends=True)
    lines.insert(dice.randrange(len(lines) + 1), dice.choice([*other, b"\n"]))


def swap_lines(dice, lines, files):
    a, b = dice.randrange(len(lines)), dice.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]


def duplicate_line(dice, lines, files):
    at = dice.randrange(len(lines))
    lines.insert(dice.randrange(at, len(lines) + 1), lines[at])


def swap_files(dice, files, older):
    """Contents of two files of one kind: of two days, batches, heads, logs."""
    kinds = {}
    for name in files:
        kinds.setdefault(name.split("/")[0], []).append(name)
    a, b = dice.sample(sorted(dice.choice([names for kind, names in sorted(kinds.items()) if len(names) > 1])), 2)
    return files | {a: files[b], b: files[a]}


def roll_back(dice, files, older):
    """Some files, not all, as they are in an older bundle; or as if they had never been."""
    changed = sorted(name for name in {**files, **older} if files.get(name) != older.get(name) and name not in FREE)
    chosen = dice.sample(changed, dice.randint(1, len(changed) - 1))
    mixed = files | {name: older[name] for name in chosen if name in older}
    return {name: content for name, content in mixed.items() if name not in chosen or name in older}


def sign_again(dice, files, older):
    """Heads signed by another key, which may stand in keys.txt, beside the right one or for it."""
    pen = craft.Pen(dice.randrange(1, 256))
    heads = [name for name in files if name.startswith("checkpoints/")]
    made = dict(files)
    for name in dice.sample(heads, dice.randint(1, len(heads))):
        origin, size, root = files[name].decode().split("\n")[:3]
        at = dice.choice([int(size), int(size) - 1, int(size) + 1, int(size)])
        head = craft.note(origin, at, base64.b64decode(root) if dice.random() < 0.7 else dice.randbytes(32), [pen])
        made[name] = head + (b"" if dice.random() < 0.5 else files[name].split(b"\n\n")[1])
    origin = files["checkpoints/events"].split(b"/events\n")[0].decode()
    own = "".join(f"{pen.vkey(f'{origin}/{log}')}\n" for log in ("events", "statements")).encode()
    made["keys.txt"] = dice.choice([files["keys.txt"], own, own + files["keys.txt"], files["keys.txt"] + own])
    if dice.random() < 0.5:  # a genesis statement that names the key, too
        first, _, rest = made["statements.ndjson"].partition(b"\n")
        said = json.loads(first) | {"public_key": pen.public}
        made["statements.ndjson"] = craft.dump(said) + b"\n" + rest
    return made


ZIP = {flip: 120, drop: 50, insert: 50, duplicate: 50, swap: 50, truncate: 50, append: 50, behind_a_stream: 50}
CONTENTS = {
    ("flip", in_a_file(flip)): 80,
    ("drop", in_a_file(drop)): 50,
    ("duplicate", in_a_file(duplicate)): 50,
    ("drop a line", in_lines(drop_line)): 50,
    ("insert a line", in_lines(insert_line)): 50,
    ("swap lines", in_lines(swap_lines)): 50,
    ("duplicate a line", in_lines(duplicate_line)): 50,
    ("swap files", swap_files): 50,
    ("roll back", roll_back): 50,
    ("sign again", sign_again): 50,
}


def numbered(kinds, part):
    """The mutations of one part: kind and number."""
    return [(kind, number) for kind, count in kinds.items() for number in range(count) if number % PARTS == part]


def test_there_are_a_thousand():
    assert sum(ZIP.values()) + sum(CONTENTS.values()) == 1000
    assert sum(len(numbered(kinds, part)) for kinds in (ZIP, CONTENTS) for part in range(PARTS)) == 1000
    assert min(*ZIP.values(), *CONTENTS.values()) >= 50


def meaning(files):
    """What the verdict rests on."""
    rest = {name: content for name, content in files.items() if name not in FREE}
    with contextlib.suppress(ValueError, TypeError):
        about = json.loads(rest["bundle.json"])
        if json.dumps(about, indent=1, ensure_ascii=False).encode() + b"\n" == rest["bundle.json"]:
            rest["bundle.json"] = {**about, "made_by": ""}
    return rest


def contents(path):
    """Files of a zip however it is packed; None if it cannot be read."""
    try:
        return craft.unpacked(path)
    except (zipfile.BadZipFile, OSError, NotImplementedError, zlib.error, RuntimeError, EOFError, ValueError):
        return None


@pytest.mark.parametrize("part", range(PARTS))
def test_an_altered_zip_is_refused(sealed, tmp_path, part):
    taken, path = [], tmp_path / "b.zip"
    for kind, number in numbered(ZIP, part):
        dice, which = Random(f"{kind.__name__} {number}"), number // PARTS % 2
        data = sealed.paths[which].read_bytes()
        altered = data
        while altered == data:
            altered = kind(dice, data)
        path.write_bytes(altered)
        try:
            verify(path, [sealed.key])
        except Bad:
            continue
        if contents(path) != sealed.files[which]:
            taken.append(f"{kind.__name__} {number}")
    assert taken == []


@pytest.mark.parametrize("part", range(PARTS))
def test_altered_files_with_sums_that_fit_are_refused(sealed, tmp_path, part):
    taken = []
    for (name, change), number in numbered(CONTENTS, part):
        dice, which = Random(f"{name} {number}"), number // PARTS % 2
        files = sealed.files[which]
        altered = files
        while meaning(altered) == meaning(files):
            altered = change(dice, files, sealed.older[which])
        with contextlib.suppress(Bad):
            verify(craft.packed(tmp_path / "b.zip", altered), [sealed.key])
            taken.append(f"{name} {number}: {[item for item in altered if altered[item] != files.get(item)]}")
    assert taken == []


@pytest.mark.parametrize("part", range(PARTS))
def test_untouched_copies_are_good(sealed, tmp_path, part):
    for number in range(25):
        which = number % 2
        path = tmp_path / f"{number}.zip"
        if number < 9:
            shutil.copy(sealed.paths[which], path)
        elif number < 17:
            craft.packed(
                path, dict(Random(number + 25 * part).sample(sorted(sealed.files[which].items()), len(sealed.files[which])))
            )
        else:
            craft.folder(path, sealed.files[which])
        report = verify(path, [sealed.key])
        assert (report.verdict, report.counts["disclosed"]) == ("GOOD", (10, 9)[which])
