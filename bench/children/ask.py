"""One query over a whole home, as the command ``query`` asks it, without printing. Arguments: HOME NAME."""

import sys
from pathlib import Path

from audit_pipelines.defs.asking import ask
from audit_pipelines.home import open_home
from audit_pipelines.sql import find
from bench.place import LAST

GIVEN = {"seed": "bench"}
"""Values of parameters that neither settings nor the period give."""


def main(home: str, name: str) -> None:
    free = {parameter.name for parameter in find(name).parameters} & GIVEN.keys()
    ask(open_home(Path(home)), name, {key: GIVEN[key] for key in free}, LAST)


if __name__ == "__main__":
    main(*sys.argv[1:])
