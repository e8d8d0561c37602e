"""Homes for the benchmarks: settings as text, a signing key, copies of a prepared home. Imports nothing of the program."""

import os
import shutil
from datetime import date
from pathlib import Path

from bench.measure import python, run

SOURCE = "bulk"
START = date(2024, 1, 1)
_SETTINGS = """\
[organisation]
name = "Larkspur Freight Systems"
id = "larkspur"
start = {start}

[[sources]]
name = "{source}"
kind = "files"
dialect = "terracotta"
path = "{path}"
"""

_KEYS: dict[str, bytes] = {}


def write(home: Path, records: Path, *, start: date = START) -> Path:
    """A new home whose one source reads ``records``; its key is made once and used for all."""
    home.mkdir(parents=True)
    (home / "audit.toml").write_text(_SETTINGS.format(start=start, source=SOURCE, path=records), encoding="utf-8")
    if not _KEYS:
        run(python("audit_pipelines", "--home", home, "keys", "new"))
        _KEYS.update({path.name: path.read_bytes() for path in (home / "keys").glob("*.pem")})
    (home / "keys").mkdir(exist_ok=True)
    for name, content in _KEYS.items():
        (home / "keys" / name).write_bytes(content)
        os.chmod(home / "keys" / name, 0o600)
    return home


def copy(prepared: Path, home: Path, records: Path) -> Path:
    """A copy of a home that reads ``records``, whatever it has read before."""
    shutil.copytree(prepared, home)
    shutil.rmtree(home / "state" / "cursors", ignore_errors=True)
    settings = home / "audit.toml"
    lines = settings.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith("path = ")]
    settings.write_text("\n".join([*kept, f'path = "{records}"', ""]), encoding="utf-8")
    return home
