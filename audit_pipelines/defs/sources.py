"""The sources of a home: those that ``audit.toml`` names, and its own access log where it was ever served.

What does not belong here: reading them (``extract``), the order of a night (``night``).
"""

from collections.abc import Sequence

from audit_pipelines.batch import Batch
from audit_pipelines.extract.access import files
from audit_pipelines.home import Home
from audit_pipelines.settings import ACCESS, Source

BUILT_IN = Source(name=ACCESS, kind="access", dialect=ACCESS)
"""What was read through ``serve``. It is silent when nobody looks: that is neither a gap nor a finding."""


def of(home: Home, batches: Sequence[Batch]) -> tuple[Source, ...]:
    """The configured sources, then the built-in one if there is a file or an event of it."""
    there = has_events(batches) or bool(files(home))
    return (*home.settings().sources, *([BUILT_IN] if there else []))


def has_events(batches: Sequence[Batch]) -> bool:
    """Whether the log has events of the access log, removed ones included."""
    return any(file.source == ACCESS for batch in batches for file in batch.evidence)
