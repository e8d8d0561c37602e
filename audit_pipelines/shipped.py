"""Where the shipped ``reports/`` and ``templates/`` are: beside the package in a checkout, inside it in a wheel."""

from pathlib import Path


def shipped(name: str) -> Path:
    """The folder ``name`` (``reports`` or ``templates``).

    The checkout comes first, so that an editable install never reads a stale copy; it is recognised by
    its ``pyproject.toml``, so that a stray ``site-packages/templates`` can never win.
    """
    here = Path(__file__).parent
    if (here.parent / "pyproject.toml").is_file():
        return here.parent / name
    return here / "_shipped" / name
