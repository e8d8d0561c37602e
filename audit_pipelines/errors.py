"""Every error this program raises on purpose: one root, few leaves.

::

    AuditError
    ├── SettingsError     audit.toml is missing, unreadable or says something impossible
    ├── HomeError         the home directory is not one, or of another format
    ├── LockError         another run holds the home
    ├── SourceError       a source could not be read (has ``kind``: auth, plan, missing, rate, server, ...)
    ├── LakeError         a file of the lake is missing, damaged or contradicts its manifest
    ├── SealError         the log cannot be extended: key, signer, tile or statement is not as it must be
    ├── EvidenceError     verification found something that cannot be read or does not fit
    ├── QueryError        a query does not exist, or was given the wrong parameters
    ├── DropError         a drop could not be published, or an existing one differs
    ├── ReportError       a report cannot be issued (month open, day unread, template broken)
    └── RunError          a run ended, but not whole (a source failed, a check failed)

Each says what happened, where, and what to do next; ``str()`` gives one line.
"""


class AuditError(Exception):
    """Root of the family. ``where`` names a file, key, URL or day; ``todo`` is the next step."""

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", todo: str = "") -> None:
        self.what, self.where, self.todo = what, where, todo
        super().__init__(what)

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        step = f" ({self.todo})" if self.todo else ""
        return " ".join(f"{place}{self.what}{step}".split("\n"))


class SettingsError(AuditError):
    """audit.toml is missing, unreadable, or has an unknown key or an impossible value."""

    exit_code = 2


class HomeError(AuditError):
    """The directory is no home, or a home of a format this version cannot use."""

    exit_code = 2


class LockError(AuditError):
    """Another run holds the home's lock; its holder is named in the text."""

    exit_code = 4


class SourceError(AuditError):
    """A source could not be read. ``kind`` says why in one word."""

    def __init__(self, what: str, *, where: str = "", todo: str = "", kind: str = "other") -> None:
        self.kind = kind
        super().__init__(what, where=where, todo=todo)


class LakeError(AuditError):
    """A file of the lake is missing, damaged, or contradicts the manifest that names it."""


class SealError(AuditError):
    """The log cannot be extended: a key, the signer's state, a tile or a statement is not as it must be."""


class EvidenceError(AuditError):
    """Evidence cannot be read or does not fit: the only error that verification raises."""


class QueryError(AuditError):
    """No such query, or a parameter is missing, surplus or of the wrong type."""

    exit_code = 2


class DropError(AuditError):
    """A drop could not be published, or a published one differs from what it should be."""


class ReportError(AuditError):
    """A report cannot be issued."""


class RunError(AuditError):
    """The run committed what it could, but is not whole: its text says what is missing."""

    exit_code = 3
