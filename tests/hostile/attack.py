"""A hostile folder in the hands of a process of its own, so that what it takes of the machine is seen."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ADDRESSES = 16 * 2**30
MEMORY = 600 * 2**20
"""So many bytes may be in use at once: what is imported takes half of it."""

SECONDS = 60


class Outcome(NamedTuple):
    """The errors that were told, all of them ours, and the most memory that was in use, in bytes."""

    errors: list[str]
    peak: int


def outcome(folder: Path, to: Path) -> Outcome:
    """Ask everything of a folder in another process; fails if that takes too much, crashes or never ends."""
    here = Path(__file__).parent
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "hostile.attack", str(folder), str(to)],
        cwd=here.parent,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(here.parent), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert found.returncode == 0, (found.returncode, found.stderr[-2000:])
    told = Outcome(*json.loads(found.stdout.splitlines()[-1]))
    assert told.peak < MEMORY, f"{told.peak:,} bytes"
    return told


def main(folder: str, to: str) -> None:
    """The other process."""
    from hostile.reading import survives

    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    errors = survives(Path(folder), Path(to))
    print(json.dumps([errors, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024]))


if __name__ == "__main__":
    main(*sys.argv[1:])
