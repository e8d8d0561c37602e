"""The files of one revision, written into a folder that the caller then renames into place.

``<org>.audit-report.<YYYY-MM>.r<N>.pdf``, ``report.json``, one file for each list, the log's checkpoints,
proof and statements, and ``SHA256SUMS`` over all of them. What does not belong here: the revision's number and its final folder.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audit_pipelines.typeset.model import Computed
from audit_pipelines.typeset.pdf import REPORT_JSON, encode, render

SUMS = "SHA256SUMS"


def write_report(computed: Computed, *, folder: Path, templates: Sequence[Path]) -> tuple[Path, ...]:
    """Write the revision's files into ``folder``, which exists, and give their paths, ``SHA256SUMS`` last.

    Args:
        computed: what ``compute`` gave.
        folder: an empty staging folder on the home's file system.
        templates: ``templates`` folders, a customer's first, the shipped last.

    Raises:
        ReportError: a template is broken.
        OSError: a file cannot be written.
    """
    model: dict[str, Any] = computed.model
    contents = {
        model["file_name"]: render(model, folders=templates, attachments=computed.attachments),
        REPORT_JSON: encode(model),
        **{item.name: item.content for item in computed.attachments},
    }
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(contents.items()))
    contents[SUMS] = sums.encode()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return tuple(folder / name for name in contents)
