"""The limits, as data: the one place that says how fast is fast enough.

A gate holds for the medians of one run. ``docs/performance.md`` says why each limit is what it is. What does
not belong here: measuring (``rounds``) and printing (``table``).
"""

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["wall ratio", "cpu ratio", "times as fast", "seconds more", "wall", "cpu", "peak"]

UNITS: Final[dict[Kind, str]] = {
    "wall ratio": "x",
    "cpu ratio": "x",
    "times as fast": "x",
    "seconds more": " s",
    "wall": " s",
    "cpu": " s",
    "peak": " MiB",
}


@dataclass(frozen=True, slots=True)
class Gate:
    """One limit of one case."""

    case: str
    """Name of the case; one that ends with ``*`` means every case that begins so, and the worst counts."""
    kind: Kind
    limit: float
    """At most this; for ``times as fast`` at least this."""
    what: str
    against: str = ""
    """The case it is compared with, for ratios and differences; several, joined by `` + ``, count together."""
    aim: float | None = None
    """What it should become."""

    def met(self, value: float, limit: float | None = None) -> bool:
        """Whether ``value`` keeps the limit."""
        bound = self.limit if limit is None else limit
        return value >= bound if self.kind == "times as fast" else value <= bound


_EACH: Final = "drop datadog + drop ecs + drop generic + drop ocsf + drop splunk + drop splunk_hec"

GATES: Final = (
    Gate("ingest", "wall ratio", 2.5, "evidence and sorted Parquet, wall", "bare load", aim=2.0),
    Gate("ingest", "cpu ratio", 2.4, "evidence and sorted Parquet, CPU", "bare load", aim=2.0),
    Gate("ingest, ids stored", "wall ratio", 3.0, "as many ids stored, 2 % overlap, 0.1 % bad lines", "bare load"),
    Gate("ingest, read again", "wall ratio", 2.0, "stored records read again, nothing new", "bare load"),
    Gate("ingest*", "peak", 1024, "memory at one million events"),
    Gate("large ingest", "peak", 1280, "memory at ten million events"),
    Gate("seal", "cpu", 4.0, "sealing from evidence files, CPU"),
    Gate("seal", "peak", 600, "memory of sealing"),
    Gate("tree", "cpu ratio", 2.0, "leaves, tree and tiles, CPU", "bare hashlib loop"),
    Gate("large seal", "cpu", 40.0, "sealing ten million events, CPU"),
    Gate("large seal", "peak", 600, "memory of that"),
    Gate("large verify", "wall", 60.0, "verifying ten million events"),
    Gate("drop generic", "wall ratio", 1.5, "drop of the canonical events", "bare json generic"),
    Gate("drop ecs", "wall ratio", 1.5, "drop in ECS", "bare json ecs"),
    Gate("drop ocsf", "wall ratio", 1.5, "drop in OCSF", "bare json ocsf"),
    Gate("drop splunk", "wall ratio", 1.5, "drop for Splunk's files", "bare json splunk"),
    Gate("drop splunk_hec", "wall ratio", 1.5, "drop for Splunk's HTTP collector", "bare json splunk_hec"),
    Gate("drop datadog", "wall ratio", 1.5, "drop for Datadog", "bare json datadog"),
    Gate("drop all", "wall ratio", 1.0, "all these formats in one drop", _EACH),
    Gate("drop *", "peak", 600, "memory of the largest drop"),
    Gate("drop generic, zstd", "wall ratio", 3.0, "the canonical drop with zstd", "zstd generic"),
    Gate("drop ecs, zstd", "wall ratio", 3.0, "the ECS drop with zstd", "zstd ecs"),
    Gate("drop generic, gzip", "wall ratio", 1.7, "the canonical drop with gzip", "pigz generic"),
    Gate("drop ecs, gzip", "wall ratio", 1.7, "the ECS drop with gzip", "pigz ecs"),
    Gate("empty night", "seconds more", 1.0, "a night that brings nothing, whole command", "hollow night"),
    Gate("night", "times as fast", 4.0, "a whole night beside a plain Python loop", "plain loop", aim=10.0),
    Gate("query *", "wall", 5.0, "the slowest query of a year"),
    Gate("query *", "peak", 2048, "the largest query of a year"),
    Gate("report", "wall", 15.0, "report of a month of 3 million events"),
    Gate("report", "peak", 500, "memory of that report"),
    Gate("first page", "wall", 0.15, "the viewer's first page over a year"),
    Gate("filter by user and type", "wall", 0.3, "a filter by user and type over a year"),
    Gate("facet", "wall", 0.8, "the counts of one facet over a year"),
    Gate("API page, deep", "wall ratio", 1.2, "a page deep in the log beside the first", "API page"),
    Gate("API stream*", "wall", 20.0, "a million events from the API, 50,000 a second"),
)
