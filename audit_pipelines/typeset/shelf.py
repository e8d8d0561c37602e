"""The files a report is set with: templates, style sheet and fonts, a customer's folder before the shipped one.

What does not belong here: reading templates (Jinja does) and what the files mean.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_NAME = re.compile(r"(?:print\.css|[a-z0-9-]+\.(?:woff2|ttf|otf))")


@dataclass(frozen=True, slots=True)
class Shelf:
    """The resources a report may use, from template folders in order: a customer's file wins."""

    folders: Sequence[Path]

    def fonts(self) -> list[Path]:
        """Every font, each name once."""
        found: dict[str, Path] = {}
        for folder in self.folders:
            for path in sorted((folder / "fonts").glob("*")):
                if _NAME.fullmatch(path.name):
                    found.setdefault(path.name, path)
        return [found[name] for name in sorted(found)]

    def read(self, name: str) -> bytes | None:
        """A resource's bytes; None for any name that is none."""
        if not _NAME.fullmatch(name):
            return None
        for folder in self.folders:
            path = folder / ("report" if name.endswith(".css") else "fonts") / name
            if path.is_file():
                return path.read_bytes()
        return None

    def digest(self) -> str:
        """SHA-256 over every template, style sheet and font that a report may use, by name."""
        files: dict[str, Path] = {path.name: path for path in self.fonts()}
        for folder in self.folders:
            for path in sorted((folder / "report").glob("*")):
                if path.is_file():
                    files.setdefault(f"report/{path.name}", path)
        lines = (f"{hashlib.sha256(files[name].read_bytes()).hexdigest()}  {name}\n" for name in sorted(files))
        return hashlib.sha256("".join(lines).encode()).hexdigest()
