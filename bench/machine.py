"""The machine and the libraries in general words: enough to judge the figures, nothing that tells whose it is."""

import os
import platform
from importlib.metadata import version

_LIBRARIES = ("duckdb", "pyarrow", "msgspec", "numpy", "zstandard", "dagster", "weasyprint")


def describe() -> list[str]:
    """Lines for the head of the results."""
    memory = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30))
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return [
        f"Machine: {usable} cores ({platform.machine()}), about {memory} GiB of memory, {platform.system()}; cache warm.",
        f"Versions: Python {platform.python_version()}, {libraries}.",
    ]
