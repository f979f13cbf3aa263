"""A hostile folder in the hands of a process of its own, so that what it takes of the machine is seen."""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from msgspec import structs

from runfolio.artifacts import StoredResult
from runfolio.tables.batches import Batches

ADDRESSES = 16 * 2**30
MEMORY = 600 * 2**20
"""So many bytes may be in use at once: what is imported takes half of it."""

SECONDS = 60
CHANGES = 150


class Outcome(NamedTuple):
    """The errors that were told, all of them ours, and the most memory that was in use, in bytes."""

    errors: list[str]
    peak: int


def outcome(folder: Path, to: Path, deed: str = "everything") -> Outcome:
    """Do something to a folder in another process; fails if that takes too much, crashes or never ends."""
    here = Path(__file__).parent
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "hostile.attack", deed, str(folder), str(to)],
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


# In the other process


def everything(folder: Path, to: Path) -> list[str]:
    """Every command, every getter."""
    from hostile.reading import survives

    return survives(folder, to)


def tables(folder: Path, to: Path) -> list[str]:
    """Read all tables, as they are and with bytes that somebody changed and put the right digest on."""
    from runfolio import load_run
    from runfolio.errors import RunfolioError

    chance = random.Random(5)
    found = []
    for result in load_run(folder).results.values():
        (part,) = result.record.parts
        data = (folder / part.file).read_bytes()
        length = int.from_bytes(data[-8:-4], "little")
        for number in range(CHANGES):
            changed = bytearray(data)
            begin = len(data) - 8 - length if number % 2 else 4
            for _ in range(chance.choice([1, 1, 2, 4])):
                changed[chance.randrange(begin, len(data))] = chance.choice(
                    [0, 1, 127, 128, 255, chance.randrange(256)]
                )
            try:
                read(folder, result, bytes(changed))
            except RunfolioError as error:
                found.append(str(error))
    return found


def read(folder: Path, result: StoredResult, data: bytes) -> None:
    """Read a result whose file holds other bytes, which its line tells of rightly."""
    (part,) = result.record.parts
    (folder / part.file).write_bytes(data)
    told = structs.replace(part, bytes=len(data), sha256=sha256(data).hexdigest())
    forged = type(result)(folder, structs.replace(result.record, parts=[told]), result._schemas)
    found = forged.read()
    if isinstance(found, Batches):
        list(found)


def main(deed: str, folder: str, to: str) -> None:
    """Do it, and print what came of it."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    errors = {"everything": everything, "tables": tables}[deed](Path(folder), Path(to))
    print(json.dumps([errors, _peak()]))


def _peak() -> int:
    """The most memory of this process, in bytes; `getrusage` has that of the process that it was forked from, too."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
