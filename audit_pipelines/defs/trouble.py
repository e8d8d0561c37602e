"""What is wrong with the pipeline, and what to do about it: one line each.

What does not belong here: finding out (``standing``, ``sealstanding``).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong."""

    text: str
    """What: ``status`` prints it."""
    todo: str
    """What helps; the operator's page prints it too."""
