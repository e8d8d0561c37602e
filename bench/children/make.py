"""Makes input files. Arguments: FILE DAY ``records`` COUNT SEED, or FILE DAY ``mixed`` RECORDS."""

import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from audit_pipelines.demo.bulk import bulk

BAD = (
    b'{"id":"evt_cut","occurred_at":"2024-11-06T00:00:00Z","actor":{"type":"us\n',
    b"no JSON at all\n",
    b'{"id":"evt_month","occurred_at":"2024-13-06T00:00:00Z"}\n',
    b'{"id":"evt_bytes","occurred_at":"2024-11-06T00:00:00Z","type":"\xff"}\n',
)
"""Cut, no JSON, no time, no UTF-8; a number in front keeps them apart."""


def records(file: Path, day: date, count: str, seed: str) -> None:
    """``count`` records of ``day``."""
    with open(file, "wb") as out:
        out.writelines(bulk(day, int(count), int(seed)))


def mixed(file: Path, day: date, stored: str) -> None:
    """As many lines as ``stored`` has: 2 % of them from there (1 in 20 under another text), 0.1 % bad, the rest new."""
    with open(stored, "rb") as known:
        count = sum(1 for _ in known)
    with open(stored, "rb") as known, open(file, "wb") as out:
        out.writelines(_mix(known, bulk(day, count, 2)))


def _mix(known: Iterator[bytes], new: Iterator[bytes]) -> Iterator[bytes]:
    for number, (old, fresh) in enumerate(zip(known, new, strict=True)):
        if number % 1000 == 525:
            yield b"%d %b" % (number, BAD[number // 1000 % len(BAD)])
        elif number % 1000 == 0:
            yield old.replace(b'"schema_version":"', b'"schema_version":"other ', 1)
        elif number % 50 == 0:
            yield old
        else:
            yield fresh


def main(file: str, day: str, what: str, *arguments: str) -> None:
    make = {"records": records, "mixed": mixed}[what]
    make(Path(file), date.fromisoformat(day), *arguments)  # type: ignore[operator]


if __name__ == "__main__":
    main(*sys.argv[1:])
