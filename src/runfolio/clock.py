"""The clocks that a Status reads: time of day, a monotonic one for durations, processor time."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from msgspec import Struct


class Clock(Struct, frozen=True):
    """Three functions: `now` gives a datetime in UTC, `monotonic` and `cpu` give seconds."""

    now: Callable[[], datetime] = partial(datetime.now, UTC)
    monotonic: Callable[[], float] = time.perf_counter
    cpu: Callable[[], float] = time.process_time


SYSTEM = Clock()


def in_utc(time: datetime | None) -> datetime | None:
    """A time as writers have it: one in another zone is sound JSON, but not ours; None for one out of all bounds."""
    if time is None or time.tzinfo is UTC:
        return time
    try:
        return time.astimezone(UTC)
    except OverflowError:
        return None
