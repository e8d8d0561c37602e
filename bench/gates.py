"""What is promised, in one place: the figure of a case and the most (or least) it may be."""

from dataclasses import dataclass
from typing import Final, Literal

Figure = Literal["wall ratio", "cpu ratio", "times as fast", "seconds more", "seconds", "MiB"]


@dataclass(frozen=True, slots=True)
class Gate:
    """One promise about one case; ``times as fast`` is a least value, all others are greatest values."""

    case: str
    figure: Figure
    limit: float
    aim: float | None = None
    """What is aimed at beyond the promise; only shown."""

    @property
    def at_least(self) -> bool:
        return self.figure == "times as fast"

    def met(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit


DROPS: Final = ("generic", "ecs")

GATES: Final = (
    Gate("ingest", "wall ratio", 2.5, aim=2),
    Gate("ingest", "cpu ratio", 2.4, aim=2),
    Gate("ingest", "MiB", 1024),
    Gate("ingest-overlap", "wall ratio", 3),
    Gate("ingest-overlap", "MiB", 1024),
    Gate("reread", "wall ratio", 2),
    Gate("reread", "MiB", 1024),
    Gate("ten-million", "MiB", 1280),
    *(Gate(f"drop-{form}", "wall ratio", 1.5) for form in DROPS),
    *(Gate(f"drop-{form}-zstd", "wall ratio", 3) for form in DROPS),
    Gate("empty-night", "seconds more", 1),
    Gate("queries-year", "seconds", 5),
    Gate("queries-year", "MiB", 2048),
    Gate("report", "seconds", 15),
    Gate("report", "MiB", 500),
    Gate("night", "times as fast", 4, aim=10),
)
