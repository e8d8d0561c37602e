"""Archiving, or publishing days once more, in a child that dies by SIGKILL at its n-th change of names.

Run as a script: ``killed_drops.py HOME SCRATCH archive|again|night``. The home gets two nights, so that a day has late
events; where files are to be archived, some days are published again too. Then the step is taken whole, and once for
each rename, removal and new folder in it: killed there, looked at as a reader would, taken again, and compared.
``night`` is ``again`` with a night between the kill and the second call: other statements, the same drops; every second
kill is tried, all with EVERY_KILL=1.
"""

import hashlib
import os
import re
import shutil
import signal
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from audit_pipelines.defs import drops, redropping
from audit_pipelines.defs.station import Station
from audit_pipelines.drop import where_it_lies
from tests.defs.conftest import day_of_records
from tests.defs.killed_night import DAYS, NOW, STEPS, digests, forked, nightly

FORM = "ecs"
LATER = NOW + timedelta(days=1)
CHANGES = ("rename", "unlink", "mkdir", "rmdir")


def again(station: Station) -> None:
    """The day with late events: two drops."""
    redropping.again(station, FORM, DAYS[0], DAYS[0], allow_duplicates=False)


STEPS |= {
    "later": (LATER, nightly),
    "again": (LATER, again),
    "archive": (LATER + timedelta(days=31), drops.ship),  # a night without new events ships nothing, and archives
}


def prepared(root: Path, step: str) -> None:
    """Two nights; and what the step needs."""
    with open(root / "audit.toml", "a", encoding="utf-8") as settings:
        settings.write("\n[drops.ocsf_parquet]\n")
    forked(root, 0, "night")
    (root / "inbox" / "late.ndjson").write_bytes(b"".join(line + b"\n" for line in day_of_records(DAYS[0], 4, first=300)))
    forked(root, 0, "later")
    if step == "archive":
        forked(root, 0, "again")
        file = root / "audit.toml"
        text = file.read_text(encoding="utf-8")
        file.write_text(re.sub(r"(?m)^(\[drops\..*)$", r"\1\narchive_days = 30", text), encoding="utf-8")
        for path in root.glob("drops/[!_]*/*"):
            os.utime(path, (LATER.timestamp(), LATER.timestamp()))


def visible(root: Path) -> dict[str, bytes]:
    """What readers of the formats' folders and of the archive see: every file, by name."""
    found: dict[str, bytes] = {}
    for path in [*root.glob("drops/[!_]*/*"), *root.glob("drops/_archive/*/*/*/*")]:
        if path.name in found:
            sys.exit(f"{path.name} lies in two folders")
        found[path.name] = path.read_bytes()
    return found


def look(root: Path, whole: dict[str, bytes]) -> None:
    """What holds at any moment: files are whole and final, none begins like another, sums and manifests are right."""
    files = visible(root)
    odd = sorted(name for name, content in files.items() if whole.get(name) != content)
    if odd:
        sys.exit(f"not files of the whole run: {odd}")
    if len({content[:256] for content in files.values() if content[:4] != b"PAR1"}) != sum(
        c[:4] != b"PAR1" for c in files.values()
    ):
        sys.exit("two files begin alike")
    for sums in (root / "drops" / "_manifests").glob("*.SHA256SUMS"):
        day = datetime.strptime(sums.name[:8], "%Y%m%d").replace(tzinfo=UTC).date()
        for line in sums.read_text(encoding="utf-8").splitlines():
            check(root, *line.split("  "), day)


def check(root: Path, digest: str, name: str, day: date) -> None:
    """One line of SHA256SUMS; a manifest, which is written after it, may be missing."""
    path = where_it_lies(root / "drops", name, day)
    if name.startswith("_manifests/") and not path.exists():
        return
    if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
        sys.exit(f"{name} is not what SHA256SUMS says")


def compared(root: Path, step: str) -> dict[str, str]:
    """The files that must come out the same: a night in between states what it finds, and signs more often."""
    return {name: digest for name, digest in digests(root).items() if step != "night" or name.startswith("drops/")}


def main(home: Path, scratch: Path, step: str) -> None:
    taken = "again" if step == "night" else step
    prepared(home, step)
    whole = scratch / "whole"
    shutil.copytree(home, whole)
    _, calls = forked(whole, 0, taken, CHANGES)
    expected, files = compared(whole, step), visible(whole)
    look(whole, files)
    tried = range(1, calls + 1, 2 if step == "night" and not os.environ.get("EVERY_KILL") else 1)
    for number in tried:
        root = scratch / f"killed-{number}"
        shutil.copytree(home, root)
        if forked(root, number, taken, CHANGES)[0] != signal.SIGKILL:
            sys.exit(f"was not killed at call {number}")
        look(root, files)
        for act in ("later", taken) if step == "night" else (taken,):
            forked(root, 0, act)
        found = compared(root, step)
        if found != expected:
            odd = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
            sys.exit(f"killed at call {number} of {calls}: {odd} differ")
        look(root, files)
        shutil.rmtree(root)
    print(f"{len(tried)} kills, {len(files)} files in sight")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
