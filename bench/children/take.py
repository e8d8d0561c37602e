"""The ingest as a night does it, alone: read the home's sources, commit one batch.

Breaks if the counts are not those expected. Arguments: HOME EVENTS DUPLICATES CONFLICTS REJECTS.
"""

import sys
from pathlib import Path

from audit_pipelines.defs.night import extract_days
from audit_pipelines.defs.station import Station
from audit_pipelines.home import open_home
from bench.place import DAY


def main(home: str, *expected: str) -> None:
    station = Station(open_home(Path(home)), "bench", who="bench")
    with station.step("events"):
        outcome = extract_days(station, (DAY,))
    station.close()
    result = outcome.sources[0]
    found = (result.events, result.duplicates, result.conflicts, result.rejects)
    if outcome.errors or found != tuple(map(int, expected)):
        sys.exit(f"events, duplicates, conflicts, rejects: {found}, expected {expected}; {outcome.errors}")


if __name__ == "__main__":
    main(*sys.argv[1:])
