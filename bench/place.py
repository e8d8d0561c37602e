"""The temporary folder of one run of the benchmarks, and the inputs in it: each made once, by a child.

What does not belong here: what an input holds (``children.make``, ``children.year``).
"""

import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from bench import homes
from bench.measure import ROOT, python, run

DAY: Final = date(2024, 11, 6)
"""The day of the million events."""
LAST: Final = date(2024, 12, 30)
"""The last day of the year of events, so that November lies whole in it."""
MONTH: Final = "2024-11"


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything lies, and how much of it there is."""

    root: Path
    events: int
    """Events of the one day."""
    days: int
    """Days of the year's home."""

    @property
    def a_day(self) -> int:
        """Events a day of the year's home."""
        return max(100, self.events // 10)

    @property
    def work(self) -> Path:
        """What single runs write."""
        return self.root / "work"

    def clean(self, name: str) -> Path:
        """``work/<name>``, not there any more; its parent is."""
        path = self.work / name
        shutil.rmtree(path, ignore_errors=True)
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def records(self) -> Path:
        """The day's records, NDJSON."""
        return self._file("records.ndjson", "records", self.events, 1)

    def many(self) -> Path:
        """Ten times as many records of the same day."""
        return self._file("many.ndjson", "records", 10 * self.events, 3)

    def mixed(self) -> Path:
        """Mostly new records, 2 % of them stored before (a few under another text), 0.1 % bad lines."""
        return self._file("mixed.ndjson", "mixed", self.records())

    def stored(self) -> Path:
        """A home after the night that read ``records``: drops and findings too."""
        home = self.root / "stored"
        if not home.exists():
            homes.write(home, self.records())
            run(python("audit_pipelines", "--home", home, "night"))
        return home

    def lines(self, form: str) -> Path:
        """The drop of that home in one format, as one plain file."""
        path = self.root / f"{form}.ndjson"
        if not path.exists():
            with open(path, "wb") as file:
                for part in sorted((self.stored() / "drops" / form).iterdir()):
                    with open(part, "rb") as source:
                        shutil.copyfileobj(source, file, 1 << 20)
        return path

    def year(self) -> Path:
        """A home with a year of events."""
        home = self.root / "year"
        if not home.exists():
            run(python("bench.children.year", home, LAST, self.days, self.a_day))
        return home

    def _file(self, name: str, *arguments: object) -> Path:
        path = self.root / name
        if not path.exists():
            run(python("bench.children.make", path, DAY, *arguments))
        return path


def formats() -> list[str]:
    """Formats for which there is a plain COPY of the same fields."""
    return sorted(path.stem for path in (ROOT / "bench" / "bare").glob("*.sql"))


def queries() -> list[str]:
    """Names of all queries, without importing DuckDB into this process."""
    root = ROOT / "audit_pipelines" / "sql"
    return sorted(path.relative_to(root).with_suffix("").as_posix() for path in root.glob("*/*.sql"))
