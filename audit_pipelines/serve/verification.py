"""What the verification page does: a month's bundle and its reports, checked step by step as an auditor would.

The bundle is judged by the stand-alone verifier, the same file that auditors run, in a process of its own without
this program's packages. What does not belong here: the verifier (``seal.standalone``) and the page's looks.
"""

import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from audit_pipelines.seal import standalone
from audit_pipelines.seal.bundle import Bundled
from audit_pipelines.serve.revisions import Revision

LIMIT: Final = 120.0
"""Seconds that the verifier may take."""
Outcome = Literal["passed", "failed", "open"]
"""``open``: it was not checked here; the step says why."""


@dataclass(frozen=True, slots=True)
class Step:
    """One check and what came of it."""

    title: str
    outcome: Outcome
    words: str
    """What it means."""
    output: str = ""
    """What the tool printed."""


@dataclass(frozen=True, slots=True)
class Verification:
    """All steps, and what they amount to."""

    bundle: str
    """Its file name."""
    sha256: str
    steps: tuple[Step, ...]

    @property
    def outcome(self) -> Outcome:
        """The worst of the steps that say something of the evidence."""
        outcomes = {step.outcome for step in self.steps}
        return "failed" if "failed" in outcomes else "passed"


def verify(bundled: Bundled, revisions: Sequence[Revision], fingerprints: Sequence[str], *, known: bool) -> Verification:
    """Check a bundle and the reports of its month.

    Args:
        bundled: the month's bundle.
        revisions: its issued reports.
        fingerprints: keys to trust.
        known: whether somebody gave them; else they are what the home itself says.
    """
    steps = [
        _packed(bundled),
        _digests(bundled.path),
        *_judged(bundled.path, fingerprints, known=known),
        *(_report(revision, bundled.path) for revision in revisions),
        *_tokens(bundled.path),
    ]
    return Verification(bundled.path.name, bundled.sha256, tuple(steps))


def _packed(bundled: Bundled) -> Step:
    words = (
        f"{bundled.files:,} evidence files with {bundled.disclosed:,} records, {bundled.withheld:,} records by their hash alone. "
        "The same log gives the same bytes, so a bundle that you download has the same SHA-256."
    )
    if bundled.unsealed:
        words += f" {bundled.unsealed} batches are not sealed yet and not in it."
    return Step("The bundle was packed", "passed", words, f"{bundled.sha256}  {bundled.path.name}")


def _digests(path: Path) -> Step:
    """``sha256sum -c SHA256SUMS``."""
    title = "Every file in the bundle is the one that SHA256SUMS names"
    with zipfile.ZipFile(path) as archive:
        lines = [line.partition("  ") for line in archive.read("SHA256SUMS").decode().splitlines()]
        sums = {name: digest for digest, _, name in lines}
        names = [name for name in archive.namelist() if name != "SHA256SUMS"]
        odd = sorted(set(names) ^ sums.keys())
        odd += [name for name in names if name in sums and _digest(archive, name) != sums[name]]
    if odd:
        return Step(title, "failed", f"{len(odd)} files are not.", "\n".join(odd[:20]))
    return Step(title, "passed", f"{len(names):,} files, none missing, none besides.")


def _digest(archive: zipfile.ZipFile, name: str) -> str:
    with archive.open(name) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # a ZipExtFile is a readable binary file


def _judged(path: Path, fingerprints: Sequence[str], *, known: bool) -> Iterator[Step]:
    """The stand-alone verifier's verdict, and what it stands for."""
    keys = [word for fingerprint in fingerprints for word in ("--key", fingerprint)] or ["--no-key"]
    command = [sys.executable, "-I", "-S", str(standalone.__file__), path.name, *keys]
    shown = " ".join(["$ python3 -I verify_bundle.py", path.name, *keys])
    title = "verify_bundle.py: records, order, statements and signatures"
    try:
        run = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, timeout=LIMIT, check=False, env={})
    except subprocess.TimeoutExpired:
        words = f"It takes longer than {LIMIT:g} s, which is more than a page may. Run it yourself, with the commands below."
        yield Step(title, "open", words, shown)
        return
    output = f"{shown}\n{run.stdout}{run.stderr}".rstrip()
    verdict = run.stdout.strip().splitlines()[-1:] or [run.stderr.strip()]
    if run.returncode != 0:
        words = "Something does not hold. The last line names the file, the line and the leaf, or the key that is missing."
        yield Step(title, "failed", words, output)
        return
    yield Step(title, "passed", f"Its verdict is {verdict[0]}. It found that:", output)
    for text in _FOUND:
        yield Step(text, "passed", "")
    if not known:
        words = (
            "The fingerprint came from this server. Compare it with the one that the operator gave you in person or on "
            "paper, or type that one in: whoever made up a log would have put his own key beside it."
        )
        yield Step("Whose key it is, you have to say", "open", words, "\n".join(fingerprints))


_FOUND: Final = (
    "Every record of the month is there, whole and in its order; what was erased or purged is stated, and was allowed then.",
    "The records are the leaves of the signed log, between the events before and after them.",
    "The log only grew since the head that was signed before the month began, if there was one.",
    "Every checkpoint is signed by the key, and the key was in force then.",
)


def _report(revision: Revision, path: Path) -> Step:
    """Whether the files of a revision are those that the log states."""
    title = f"Report r{revision.number} is the one that the log states"
    if revision.statement is None:
        return Step(title, "open", "The log does not state it yet: the next run will.")
    with zipfile.ZipFile(path) as archive:
        lines = archive.read("statements.ndjson").split(b"\n")
    index = revision.statement.index
    here = index < len(lines) and b'"type":"report"' in lines[index]
    wrong = [f"{file.name}: SHA-256 {file.sha256}, stated {file.stated}" for file in revision.files if file.altered]
    wrong += [f"{name}: is missing" for name in revision.missing]
    wrong += [revision.statement.fault] if revision.statement.fault else []
    wrong += [] if here else [f"statement {index} is not in the bundle"]
    if wrong:
        return Step(title, "failed", "Its files are not those that were issued.", "\n".join(wrong))
    stated = sum(file.stated is not None for file in revision.files)
    words = (
        f"Statement {index} names {stated} files, and all of them are here with the same SHA-256. The statement's path leads "
        f"to the root of the checkpoint over {revision.statement.size} statements, which the log's key signed."
    )
    return Step(title, "passed", words)


def _tokens(path: Path) -> Iterator[Step]:
    with zipfile.ZipFile(path) as archive:
        tokens = [name for name in archive.namelist() if name.startswith("anchors/")]
    if tokens:
        words = (
            f"{len(tokens)} in the bundle. They are checked with openssl and the authority's own certificate, which only you "
            "can get from the authority: see the commands below."
        )
        yield Step("Time-stamp tokens", "open", words, "\n".join(tokens))
