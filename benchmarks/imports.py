"""Importing `Status` and listing runs on the command line, against `import msgspec`: whole processes.

What a bare interpreter needs is taken off both sides.
"""

from __future__ import annotations

import statistics
from pathlib import Path

from children import seconds
from data import ended_run, ended_runs
from measure import Row, Sizes, interleaved

LIMIT = "import msgspec"
BARE = ["-c", "pass"]
MSGSPEC = ["-c", "import msgspec"]
STATUS = ["-c", "from runfolio import Status"]


def measure(sizes: Sizes, folder: Path) -> list[Row]:
    """The import, and `ls` of some runs."""
    root = folder / "root"
    ended_runs(root, ended_run(folder), sizes.listed)
    ls = ["-m", "runfolio", "ls", "--root", str(root)]
    commands = [
        ("from runfolio import Status", STATUS, 1.5),
        (f"runfolio ls on {sizes.listed} runs, piped", ls, 3.0),
        (f"runfolio ls --json on {sizes.listed} runs", [*ls, "--json"], 3.0),
    ]
    return _rows(sizes, folder / "bytecode", commands)


def _rows(sizes: Sizes, cache: Path, commands: list[tuple[str, list[str], float]]) -> list[Row]:
    processes = [BARE, MSGSPEC, *(command for _, command, _ in commands)]
    sides = [(lambda command=command: seconds(command, cache)) for command in processes]
    interleaved(2, *sides)  # the first fills the bytecode cache
    bare, limit, *ours = interleaved(sizes.starts, *sides)
    start = statistics.median(bare)
    theirs = _above(limit, start)
    held_against = f"{LIMIT}, both above a bare start of {start * 1e3:.1f} ms"
    rows = []
    for (what, _, bound), side in zip(commands, ours, strict=True):
        mine = _above(side, start)
        ratio = statistics.median(mine) / statistics.median(theirs)
        rows.append(Row("import", what, held_against, "ms", mine, theirs, ratio, bound))
    return rows


def _above(side: list[float], start: float) -> list[float]:
    return [value - start for value in side]
