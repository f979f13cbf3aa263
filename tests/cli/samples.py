"""Runs of every state, made by Status under the default root, and damaged by hand."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
from msgspec import structs

from runfolio import Status, codec, layout
from runfolio.clock import Clock

HOSTILE = "\x1b]0;owned\x07\x9b31m[bold]\u202e\u2028\x7f\r\n\t"
"""A title for the terminal, a colour, Rich's markup, a change of direction, line ends."""

NEUTRAL = r"\x1b]0;owned\x07\x9b31m[bold]\u202e\u2028\x7f\x0d\x0a\x09"

_KILLED = """
import os
from runfolio import Status
status = Status(name="killed")
step = status.step("Train", "slow").__enter__()
status.progress(412, 1000, "rows")
os._exit(9)
"""


def people() -> pd.DataFrame:
    return pd.DataFrame({"name": ["Ada", "Bob", None], "age": [36, 41, 29], "weight": [71.5, None, 64.0]})


def clock_at(start: datetime) -> Clock:
    """A clock that moves on by a second with every look at it."""
    times = (start + timedelta(seconds=count) for count in range(10_000))
    ticks = iter(range(10_000))
    return Clock(now=lambda: next(times), monotonic=lambda: float(next(ticks)), cpu=lambda: 0.0)


def begin(name: str | None, day: int = 1) -> Status:
    """A live run that began on this day of November 2026, with a loader done. No time is without microseconds."""
    status = Status(name=name, tags=["test"], clock=clock_at(datetime(2026, 11, day, 12, 0, 0, 1, tzinfo=UTC)))
    with status.step("Loader", "csv") as step:
        step.result(people())
    return status


def record(name: str | None, day: int = 1, *, error: BaseException | None = None) -> Path:
    """The folder of a run that ended: it loaded and cleaned, or failed with this error when cleaning."""
    with suppress(Exception), begin(name, day) as status, status.step("Clean", "drop_na") as step:
        if error is not None:
            raise error
        step.result(people().dropna().astype({"age": "float64"}))
    assert status.folder is not None
    return status.folder


def kill() -> Path:
    """The folder of a run whose process died in its first step."""
    assert subprocess.run([sys.executable, "-c", _KILLED], check=False).returncode == 9
    (found,) = layout.root_of(None).glob("*-killed-*")
    return found


def flip(path: Path, place: int = 40) -> None:
    """Damage one bit of a file."""
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def rewrite_manifest(folder: Path, **fields: object) -> None:
    """Write other fields into run.json, soundly."""
    path = folder / layout.RUN_FILE
    path.write_bytes(codec.encode(structs.replace(codec.decode_manifest(path.read_bytes()), **fields)))
