"""One process of a job, in the environment of one tracker: `python -m beside.worker ACTION TRACKER FOLDER {arguments}`.

Its last line on standard output is the answer as JSON. What trackers print goes to standard error.
"""

from __future__ import annotations

import importlib
import json
import mmap
import os
import runpy
import signal
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from beside import trackers

FRAMES = Path(__file__).parents[2] / "frames.py"
SLOT = struct.Struct("d")
_out = sys.stdout


def say(answer: Any) -> None:
    """A line for the process that started this one."""
    print(json.dumps(answer), file=_out, flush=True)


def frame(rows: int) -> Any:
    """The frame that runfolio is measured with."""
    return runpy.run_path(str(FRAMES))["frame"](rows)


def log(module: Any, folder: Path, count: int, cap: float, times: str) -> None:
    """Records one after another, until there are so many or the time is over; then die at once.

    The seconds of each call are in a file that is mapped, which the death leaves as it is: first how many they are.
    """
    with Path(times).open("r+b") as file:
        slots = mmap.mmap(file.fileno(), 0)

    def body(run: trackers.Session) -> None:
        run.log(0)
        clock, end = time.perf_counter, time.perf_counter() + cap
        number = 0
        while number < count:
            number += 1
            before = clock()
            run.log(number)
            after = clock()
            SLOT.pack_into(slots, number * SLOT.size, after - before)
            if after > end:
                break
        SLOT.pack_into(slots, 0, number)
        os.kill(os.getpid(), signal.SIGKILL)

    module.session(folder, body)


def count(module: Any, folder: Path) -> None:
    """What its reader finds."""
    say(module.count(folder))


def write(module: Any, folder: Path) -> None:
    """A record for each line of standard input; each answered by when the call began and returned."""

    def body(run: trackers.Session) -> None:
        run.log(0)
        say("ready")
        for number, _ in enumerate(sys.stdin, 1):
            before = time.monotonic_ns()
            run.log(number)
            say([before, time.monotonic_ns()])
        os.kill(os.getpid(), signal.SIGKILL)

    module.session(folder, body)


def look(module: Any, folder: Path) -> None:
    """How many records there are, for each line of standard input."""
    module.count(folder)
    say("ready")
    for _ in sys.stdin:
        say(module.count(folder))


def follow(module: Any, folder: Path, count: int) -> None:
    """When each count of records was seen first, until there are so many."""
    say("ready")
    seen = 0
    for number in trackers.follow(module, folder):
        now = time.monotonic_ns()
        if number > seen:
            seen = number
            say([number, now])
        if seen >= count:
            return


def store(module: Any, folder: Path, rows: int, count: int) -> None:
    """Frames, from the first call to the end of the run."""
    data, begun = frame(rows), 0.0

    def body(run: trackers.Session) -> None:
        nonlocal begun
        begun = time.perf_counter()
        for number in range(count):
            run.store(f"frame{number}", data)

    module.session(folder, body)
    say(time.perf_counter() - begun)


def fetch(module: Any, folder: Path, rows: int, count: int) -> None:
    """The last frame that was stored: how long that took, and what differs."""
    start = time.perf_counter()
    found = module.fetch(folder, f"frame{count - 1}")
    seconds = time.perf_counter() - start
    say({"seconds": seconds, "differs": difference(found, frame(rows))})


def difference(found: Any, expected: Any) -> str:
    """What a frame that came back has not as it was; nothing if it is the same in all."""
    from pandas.testing import assert_frame_equal

    if list(found.columns) != list(expected.columns):
        return "columns"
    if not found.index.equals(expected.index) or found.index.dtype != expected.index.dtype:
        return "the index"
    wrong = [name for name in expected if found[name].dtype != expected[name].dtype]
    if wrong[1:]:
        return f"dtypes of {len(wrong)} of {len(expected.columns)} columns"
    if wrong:
        return f"{expected[wrong[0]].dtype} became {found[wrong[0]].dtype}"
    try:
        assert_frame_equal(found, expected, check_exact=True)
    except AssertionError:
        return "values"
    return ""


def make(module: Any, folder: Path, runs: int, records: int, cap: float) -> None:
    """Past runs, until there are so many or the time is over."""

    def body(run: trackers.Session) -> None:
        for number in range(1, records + 1):
            run.log(number)

    end, made = time.perf_counter() + cap, 0
    while made < runs and time.perf_counter() < end:
        if hasattr(module, "make"):
            module.make(folder, made, records)
        else:
            module.session(folder, body, made)
        made += 1
    say(made)


def read(module: Any, folder: Path, what: str) -> None:
    """The table of past runs, or all their records."""
    work: Callable[[Path], int] = getattr(module, what)
    if hasattr(module, "prepare"):
        module.prepare(folder)
    start = time.perf_counter()
    found = work(folder)
    say({"seconds": time.perf_counter() - start, "found": found})


ACTIONS = {one.__name__: one for one in (log, count, write, look, follow, store, fetch, make, read)}


def main() -> None:
    """Do what the command line says."""
    global _out  # noqa: PLW0603
    _out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    action, name, folder, arguments = sys.argv[1:]
    module = trackers.tracker(name)
    for package in module.IMPORTS:  # no job pays for them
        importlib.import_module(package)
    ACTIONS[action](module, Path(folder), **json.loads(arguments))
    _out.flush()


if __name__ == "__main__":
    main()
