"""Estimates: how fast something goes, and how long it may take yet; None where there is nothing to go by.

A step that tells its progress is estimated by that, any other by how long the same step took in earlier runs of the
same pipeline: those under the same root that completed, of the same name and, if there are such, configuration.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice
from pathlib import Path as FilePath
from statistics import median

from msgspec import Struct

from runfolio import history as records
from runfolio.catalog import RunRow, scan
from runfolio.errors import RunfolioError
from runfolio.records import Configured, Path, Timing, converted
from runfolio.standing import path_of

WINDOW = timedelta(seconds=30)
"""A rate is that of the last samples, as far back as this: what goes slower now is not told by how it began."""

MOST_SAMPLES = 1000
"""Our own writers take some 150 in that time."""

EARLIER_RUNS = 5
"""So many earlier runs are gone by, the latest ones."""

SEARCHED = 200
"""So many runs are looked through for them."""


class Samples:
    """The last samples of a step's progress."""

    def __init__(self, start: datetime) -> None:
        self._start: tuple[datetime, float] | None = (start, 0.0)
        self._samples: deque[tuple[datetime, float]] = deque(maxlen=MOST_SAMPLES)

    def take(self, time: datetime, done: float) -> None:
        """Take a sample; one behind the last starts anew, for something else is counted then."""
        if self._samples and done < self._samples[-1][1]:
            self._samples.clear()
            self._start = None
        self._samples.append((time, done))
        while len(self._samples) > 2 and time - self._samples[0][0] > WINDOW:  # noqa: PLR2004  (a rate needs two)
            self._samples.popleft()

    @property
    def rate(self) -> float | None:
        """Units a second; None where nothing was done between two samples. That of one alone is since the start."""
        first = self._samples[0] if len(self._samples) > 1 else self._start
        if first is None or not self._samples:
            return None
        (start, before), (end, done) = first, self._samples[-1]
        seconds = (end - start).total_seconds()
        rate = (done - before) / seconds if seconds > 0 else 0.0
        return rate if 0 < rate < math.inf else None

    def seconds_left(self, total: float | None, now: datetime) -> float | None:
        """How long it takes from now until the total is done, at this rate; None if it should be done by now."""
        rate = self.rate
        if rate is None or total is None or self._samples[-1][1] > total:
            return None
        time, done = self._samples[-1]
        left = (total - done) / rate - (now - time).total_seconds()
        return left if 0 < left < math.inf else None


Durations = dict[Path, float]
"""The seconds that steps took, by their paths."""


class Earlier(Struct, frozen=True):
    """An earlier run: the digest of the configuration that it went by, and how long its steps took."""

    digest: str | None
    durations: Durations


@lru_cache(maxsize=64)
def earlier_durations(folder: FilePath, name: str | None, start: datetime | None, digest: str | None) -> Durations:
    """The median durations of the steps of earlier runs of the same pipeline; empty where there are no such runs.

    `name`, `start` and `digest` are those of the run in that folder. They are read once
    for a run.
    """
    if name is None or start is None:
        return {}
    rows = (row for row in islice(scan(folder.parent), SEARCHED) if _is_earlier(row, name, start))
    found = list(filter(None, map(_read, islice(rows, 2 * EARLIER_RUNS))))
    alike = [one for one in found if one.digest == digest] or found
    taken: dict[Path, list[float]] = defaultdict(list)
    for one in alike[:EARLIER_RUNS]:
        for path, seconds in one.durations.items():
            taken[path].append(seconds)
    return {path: median(seconds) for path, seconds in taken.items()}


def _is_earlier(row: RunRow, name: str, start: datetime) -> bool:
    return row.state == "completed" and row.name == name and row.start_time is not None and row.start_time < start


def _read(row: RunRow) -> Earlier | None:
    """What there is to go by in a run; None if it can't be read."""
    folder, digest, paths = FilePath(row.folder), None, {}
    try:
        for event in records.scan(folder, "event"):
            if event.type == "step":
                paths[event.record_id] = path_of(event.context)
            elif event.type == "config":
                told = converted(event.context, Configured)
                digest = told.sha256 if told else digest
        timings = (one for one in records.scan(folder, "timing") if one.record_id in paths)
        return Earlier(digest, {paths[one.record_id]: one.duration_seconds for one in timings if _is_done(one)})
    except (RunfolioError, OSError):
        return None


def _is_done(timing: Timing) -> bool:
    return timing.outcome == "completed"
