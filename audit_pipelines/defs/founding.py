"""Founding a home: the commented audit.toml, the format number, the signing key, Dagster's files.

What does not belong here: reading the settings (``settings``).
"""

import json
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

from audit_pipelines import settings
from audit_pipelines.durable import make_folder, write_atomically
from audit_pipelines.home import Home, write_format
from audit_pipelines.seal import keys
from audit_pipelines.seal.sealed import keys_folder

AUDIT_TOML = """\
# Settings of this home. Every key: docs/settings.md. A key that is not known is an error.

[organisation]
name = {name}
id = {organisation_id}                 # part of file names
start = {start}               # first day that is expected; days without events from here on are shown

# Where events come from; as many [[sources]] as you like.
#
# [[sources]]
# name = "terracotta"              # part of every uid: do not change it later
# kind = "terracotta"              # its HTTP API
# dialect = "terracotta"
# url = "https://api.example.com"
# token_env = "TERRACOTTA_TOKEN"   # environment variable with the bearer token
#
# [[sources]]
# name = "cloudtrail"
# kind = "files"                   # NDJSON, a JSON list, or an object that holds a list; plain, .gz or .zst
# dialect = "cloudtrail"           # or: github, terracotta
# path = "/data/cloudtrail"        # a folder or a glob

[schedule]                         # times are UTC
nightly = "30 1 * * *"
monthly = "0 6 4 * *"              # after the overlap of the month's last day
overlap_days = 3                   # days before yesterday that a night asks for again
revisit_days = [7, 30]             # and these many days back once more
# every = "6h"                     # extra runs that ask for today too
lock_wait = "10m"

[anomalies]                        # what the rules take for normal
timezone = {timezone}
work_start = 7
work_end = 20
work_days = [1, 2, 3, 4, 5]        # Monday = 1

[retention]
months = 12                        # how long events are kept
# enforce = true                   # delete what is older; without it, it is only shown
# sources = {{ name = 6 }}           # months of single sources

[seal]                             # the log is signed, so that others can check it
keys = "keys"                      # the signing key's folder; better a place that the home's backups do not reach
# origin = "audit.example.com/acme"  # the log's name; it is read once, when the log begins
# timestamp_url = "https://..."    # an RFC 3161 authority that stamps each night's checkpoint

[drops.generic]                    # the canonical event, whole
enabled = true

[drops.ecs]                        # Elastic Common Schema
enabled = true
# compression = "none"             # or "gzip", "zstd"
# line_budget = 8000               # longest line in bytes; 0 = no limit

[report]
prepared_by = ""
classification = "Confidential"
identity = "full"                  # or "pseudonym": ids instead of names and e-mail addresses

[notify]
command = []                       # e.g. ["/usr/local/bin/tell-me"]; gets one JSON line on standard input
"""

DAGSTER_YAML = """\
# Dagster's instance of this home. Its records may be lost without losing evidence.
telemetry:
  enabled: false
python_logs:
  managed_python_loggers: [audit_pipelines]
  python_log_level: INFO
run_monitoring:
  enabled: true
"""

WORKSPACE_YAML = """\
load_from:
  - python_module:
      module_name: audit_pipelines.definitions
      location_name: audit_pipelines
"""


def found(
    directory: Path,
    *,
    name: str,
    organisation_id: str,
    start: date,
    timezone: str = "UTC",
    sources: str = "",
    chance: Callable[[int], bytes] = os.urandom,
) -> Home:
    """Make a home with a signing key; ``sources`` is TOML text to be put after the settings.

    Raises:
        SettingsError: the name or id cannot be used.
    """
    names = {"name": json.dumps(name), "organisation_id": json.dumps(organisation_id), "timezone": json.dumps(timezone)}
    text = AUDIT_TOML.format(start=start, **names) + sources
    parsed = settings.parse(text, file=str(directory / settings.FILE))
    make_folder(directory)
    home = Home(directory.resolve())
    for folder in (home.batches, home.state, home.staging):
        make_folder(folder)
    write_dagster_files(home)
    write_format(home)
    folder = keys_folder(home, parsed)
    if not keys.listing(folder):  # a founding that was killed has made it already
        keys.make(folder, chance)
    write_atomically(home.settings_file, text.encode(), staging=home.staging)
    return home


def dagster_home(home: Home) -> Path:
    """DAGSTER_HOME of this home."""
    return home.state / "dagster"


def write_dagster_files(home: Home) -> None:
    """Dagster's instance settings and workspace, where they are missing."""
    for path, text in (
        (dagster_home(home) / "dagster.yaml", DAGSTER_YAML),
        (home.root / "workspace.yaml", WORKSPACE_YAML),
    ):
        if not path.is_file():
            make_folder(path.parent)
            write_atomically(path, text.encode(), staging=home.staging)
