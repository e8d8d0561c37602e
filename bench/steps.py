"""Which steps of ``prepare`` come first; asked of data alone, so that the measuring process stays small."""

from collections.abc import Iterable
from typing import Final

NEEDS: Final[dict[str, tuple[str, ...]]] = {
    "records": (),
    "overlap": ("records",),
    "template": ("records",),
    "stored": ("records",),
    "done": ("records",),
    "plain": ("stored",),
    "month": ("stored",),
    "year": ("stored",),
}


def order(steps: Iterable[str]) -> list[str]:
    """``steps`` and all they need, each once, needed ones first."""
    found: list[str] = []
    for step in steps:
        found += [earlier for earlier in (*order(NEEDS[step]), step) if earlier not in found]
    return list(dict.fromkeys(found))
