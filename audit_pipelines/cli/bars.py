"""Progress on a terminal: one bar a stage on standard error; nothing at all in a pipe."""

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

from audit_pipelines.defs.station import Progress

_WORDS = {
    "extract": "extracting events",
    "findings": "judging days",
    "drop": "writing drops",
    "report": "setting the report",
    "rederive": "deriving files",
}


class Bars(Progress):
    """Shows the stages; use as a context manager."""

    def __init__(self, console: Console | None = None) -> None:
        console = console or Console(stderr=True)
        self._shown = console.is_terminal and sys.stderr.isatty()
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(32), MofNCompleteColumn(), TimeElapsedColumn())
        self._bars = RichProgress(*columns, console=console, transient=True, disable=not self._shown)
        self._tasks: dict[str, TaskID] = {}
        self.label = ""

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bars.stop()

    def begin(self, stage: str, total: int | None) -> None:
        """A stage begins."""
        self.end(stage)
        words = " ".join(filter(None, [self.label, _WORDS.get(stage, stage)]))
        self._tasks[stage] = self._bars.add_task(words, total=total)

    def advance(self, stage: str, steps: int) -> None:
        """Further by ``steps``."""
        if stage in self._tasks:
            self._bars.advance(self._tasks[stage], steps)

    def end(self, stage: str) -> None:
        """Done."""
        if stage in self._tasks:
            self._bars.remove_task(self._tasks.pop(stage))
