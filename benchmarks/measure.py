"""One measurement: runfolio and its limit side by side in many small batches, and what is said of it.

Other work on the machine slows both sides of a batch alike, so the ratio is taken batch by batch; its median is the
answer. Beside it stand both sides' median, and their best, which the other work disturbs least.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Batch = Callable[[], float]
"""Runs one batch; gives the seconds of one operation."""

UNITS = {"s": 1.0, "ms": 1e3, "µs": 1e6, "MiB": 1 / 2**20}


@dataclass(frozen=True)
class Sizes:
    """How much each group does."""

    changes: int
    change_batches: int
    rows: tuple[int, ...]
    result_batches: tuple[int, ...]
    loaded: int
    loads: int
    runs: int
    scans: int
    listed: int
    starts: int
    written: int
    flights: int
    flight_batches: int
    stream_rows: int
    streamed: int
    stream_batches: int
    followed: float
    tracked: int
    tracked_batches: int


FULL = Sizes(
    changes=50,
    change_batches=2_000,
    rows=(1_000_000, 10_000),
    result_batches=(9, 60),
    loaded=1_000_000,
    loads=5,
    runs=10_000,
    scans=15,
    listed=100,
    starts=31,
    written=1_000_000,
    flights=336_776,
    flight_batches=7,
    stream_rows=10_000_000,
    streamed=1_000_000,
    stream_batches=5,
    followed=20.0,
    tracked=200_000,
    tracked_batches=7,
)
QUICK = Sizes(
    changes=10,
    change_batches=20,
    rows=(2_000, 200),
    result_batches=(3, 3),
    loaded=2_000,
    loads=1,
    runs=50,
    scans=3,
    listed=5,
    starts=3,
    written=5_000,
    flights=2_000,
    flight_batches=1,
    stream_rows=2_000,
    streamed=2_000,
    stream_batches=1,
    followed=0.2,
    tracked=2_000,
    tracked_batches=2,
)


@dataclass(frozen=True)
class Row:
    """One line of the table: both sides, in seconds or bytes. Without a bound it is there for information."""

    group: str
    what: str
    limit: str
    unit: str
    ours: list[float]
    theirs: list[float]
    ratio: float
    bound: float | None

    @property
    def verdict(self) -> str:
        """`ok`, `over`, or nothing where there is no bound."""
        if self.bound is None:
            return ""
        return "ok" if self.ratio <= self.bound else "over"

    def to_json(self) -> dict[str, Any]:
        """The row as JSON, in seconds or bytes."""
        sides = {"runfolio": self.ours, "limit": self.theirs}
        return {
            "group": self.group,
            "what": self.what,
            "held_against": self.limit,
            "unit": "bytes" if self.unit == "MiB" else "seconds",
            **{name: {"median": statistics.median(side), "best": min(side)} for name, side in sides.items()},
            "batches": len(self.ours),
            "ratio": round(self.ratio, 3),
            "bound": self.bound,
            "verdict": self.verdict,
        }

    def to_markdown(self) -> str:
        """The row of the table."""
        bound = "" if self.bound is None else f"{self.bound:g}"
        sides = (spell(side, self.unit) for side in (self.ours, self.theirs))
        cells = (f"{self.group}: {self.what}", *sides, self.limit, f"{self.ratio:.2f}", bound, self.verdict)
        return f"| {' | '.join(cells)} |"


def spell(side: list[float], unit: str) -> str:
    """Median and best of a side: `7.31 (6.80) µs`."""
    median, best = (_digits(value * UNITS[unit]) for value in (statistics.median(side), min(side)))
    return f"{median} ({best}) {unit}" if len(side) > 1 else f"{median} {unit}"


def _digits(value: float) -> str:
    """A number with three digits, or all that stand before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}"


def interleaved(batches: int, *sides: Batch) -> list[list[float]]:
    """Run the sides in turn, so many batches each, beginning with another one each time; gives each side's times."""
    times: list[list[float]] = [[] for _ in sides]
    for batch in range(batches):
        order = list(range(len(sides)))
        for index in order[batch % len(sides) :] + order[: batch % len(sides)]:
            times[index].append(sides[index]())
    return times


def pair(
    group: str, what: str, limit: str, *, unit: str, batches: int, ours: Batch, theirs: Batch, bound: float | None
) -> Row:
    """Measure runfolio against its limit; a batch of each that is not counted comes first."""
    interleaved(1, ours, theirs)
    mine, other = interleaved(batches, ours, theirs)
    ratio = statistics.median(one / two for one, two in zip(mine, other, strict=True))
    return Row(group, what, limit, unit, mine, other, ratio, bound)


def timed(work: Callable[[], Any], count: int = 1) -> Batch:
    """A batch that does this work, of so many operations."""

    def batch() -> float:
        start = time.perf_counter()
        work()
        return (time.perf_counter() - start) / count

    return batch
