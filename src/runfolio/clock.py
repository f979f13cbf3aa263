"""The clocks that a Status reads: time of day, a monotonic one for durations, processor time."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone

from msgspec import Struct


def utc_now() -> datetime:
    """The time of day in UTC, with microseconds."""
    return datetime.now(timezone.utc)


class Clock(Struct, frozen=True):
    """Three functions: `now` gives a datetime in UTC, `monotonic` and `cpu` give seconds."""

    now: Callable[[], datetime] = utc_now
    monotonic: Callable[[], float] = time.perf_counter
    cpu: Callable[[], float] = time.process_time


SYSTEM = Clock()
