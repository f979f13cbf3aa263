"""Loading a run, against CRC-32 and a typed msgspec decode of the same lines; each in a fresh process.

As a script it is one of the sides: `python load.py runfolio|limit FOLDER` prints the seconds that it took.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any
from zlib import crc32

from msgspec import json

BOUND = 2.0
LIMIT = "crc32 + typed msgspec decode of each line, records kept"


def measure(sizes: Any, folder: Path) -> list[Any]:
    """One run of changes alone."""
    from children import answer
    from measure import pair

    run, cache = str(_recorded(sizes.loaded, folder)), folder / "bytecode"
    ours, theirs = ((lambda side=side: answer("load", [side, run], cache)) for side in ("runfolio", "limit"))
    what = f"{sizes.loaded:,} changes"
    return [pair("load", what, LIMIT, unit="s", batches=sizes.loads, ours=ours, theirs=theirs, bound=BOUND)]


def _recorded(count: int, folder: Path) -> Path:
    from record import record_plain

    from runfolio import Status

    with Status(root=folder) as status:
        record_plain(status, count)
    assert status.folder is not None
    return status.folder


def _runfolio(folder: str) -> tuple[float, int]:
    from runfolio import load_run

    start = time.perf_counter()
    changes = load_run(folder).changes
    return time.perf_counter() - start, len(changes)


def _limit(folder: str) -> tuple[float, int]:
    from runfolio.records import Change

    start = time.perf_counter()
    decode, changes = json.Decoder(Change).decode, []
    with Path(folder, "changes.jsonl").open("rb") as file:
        for line in file:
            crc32(line)
            changes.append(decode(line))
    return time.perf_counter() - start, len(changes)


if __name__ == "__main__":
    seconds, found = (_runfolio if sys.argv[1] == "runfolio" else _limit)(sys.argv[2])
    assert found
    print(seconds)
