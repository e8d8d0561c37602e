"""What runs with the same ``--folder`` came to, group by group, so that ``--only`` adds to the table.

One file, ``FOLDER/results.json``. A group is kept and replaced whole: a case and its limit always come from one
run. Results of another number of events, or of another machine or library, are not mixed in. What does not
belong here: judging (``rounds``) and printing (``table``).
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from bench.measure import ROOT, Sample

NAME: Final = "results.json"
_MEASURED: Final = ("audit_pipelines", "bench", "templates")
"""Folders whose files decide what a figure is a figure of."""
_UNMEASURED: Final = ("RESULTS.md", "__pycache__")


@dataclass(frozen=True, slots=True)
class Measured:
    """One group, as measured at one time."""

    title: str
    samples: Mapping[str, tuple[Sample, ...]]
    broken: Mapping[str, str]
    """What a case, or the making of the group's inputs, said when it ended with an error."""
    at: str
    """Day of the measurement, UTC."""
    seconds: float
    machine: str
    before: str
    """``program()`` before the first case ..."""
    after: str
    """... and after the last; not the same if somebody edited a file meanwhile."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The results of one size of benchmark in one folder."""

    folder: Path
    size: str
    """Which results belong together, as ``1000000 events, 365 days``."""

    def load(self, machine: str) -> dict[str, Measured]:
        """Groups by name; those that ``machine`` did not measure are left out."""
        groups = self._sizes().get(self.size, {})
        found = {name: _group(entry) for name, entry in groups.items()}
        return {name: group for name, group in found.items() if group.machine == machine}

    def add(self, name: str, group: Measured) -> None:
        """Keep ``group`` in place of what was kept under its name. A crash leaves the old file or the new one."""
        sizes = self._sizes()
        sizes.setdefault(self.size, {})[name] = asdict(group)
        path = self.folder / NAME
        staged = path.with_suffix(".part")
        staged.write_text(json.dumps(sizes, indent=1), encoding="utf-8")
        os.replace(staged, path)

    def _sizes(self) -> dict[str, dict[str, Any]]:
        try:
            sizes: dict[str, dict[str, Any]] = json.loads((self.folder / NAME).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return sizes


def _group(entry: Mapping[str, Any]) -> Measured:
    samples = {name: tuple(Sample(**sample) for sample in own) for name, own in entry["samples"].items()}
    return Measured(**{**entry, "samples": samples})


def program() -> str:
    """SHA-256 of everything whose change may change a figure: the program, its formats and queries, the benchmarks."""
    digest = hashlib.sha256()
    for path in sorted(path for name in _MEASURED for path in (ROOT / name).rglob("*") if path.is_file()):
        parts = path.relative_to(ROOT).parts
        if not any(part in _UNMEASURED for part in parts):
            digest.update("/".join(parts).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
