"""Quantities as people write them: a time span, a time, a number of bytes."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from numbers import Integral

from runfolio.errors import UsageError

Moment = datetime | timedelta | str
"""A time, or how long ago it was."""

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_NUMBER = r"(\d{1,15}(?:\.\d{1,6})?)"
_SPAN = re.compile(rf"{_NUMBER}\s*([smhdw])", re.IGNORECASE)
_BYTES = re.compile(rf"{_NUMBER}\s*([kmgtp]?)(i?)b?", re.IGNORECASE)


def span(value: timedelta | str, what: str) -> timedelta:
    """A time span: a timedelta, or a number of seconds, minutes, hours, days or weeks. Raises UsageError.

    >>> [str(span(text, "older_than")) for text in ("36h", "30d", "1.5 w")]
    ['1 day, 12:00:00', '30 days, 0:00:00', '10 days, 12:00:00']
    """
    if isinstance(value, timedelta) and value >= timedelta():
        return value
    found = _SPAN.fullmatch(value.strip()) if isinstance(value, str) else None
    seconds = float(found[1]) * _SECONDS[found[2].lower()] if found else math.inf
    if seconds > timedelta.max.total_seconds():
        raise UsageError(f"{what} is {value!r}", remedy="write it as 90m, 36h, 30d or 2w", key=what)
    return timedelta(seconds=seconds)


def moment(value: Moment, what: str, now: datetime) -> datetime:
    """A time in UTC: a datetime (a naive one is local time), ISO 8601 text, or a time span before now.

    Raises UsageError.

    >>> now = datetime(2026, 11, 22, 18, 48, tzinfo=UTC)
    >>> [str(moment(text, "since", now)) for text in ("36h", "2026-11-20T06:00Z", "2026-11-20T06:00+02:00")]
    ['2026-11-21 06:48:00+00:00', '2026-11-20 06:00:00+00:00', '2026-11-20 04:00:00+00:00']
    """
    try:
        if isinstance(value, timedelta) or (isinstance(value, str) and _SPAN.fullmatch(value.strip())):
            return now - span(value, what)
        found = datetime.fromisoformat(value.strip()) if isinstance(value, str) else value
        return found.astimezone(UTC)
    except (ValueError, OverflowError, AttributeError, TypeError, OSError) as error:
        raise UsageError(
            f"{what} is {value!r}",
            remedy="write a time span before now such as 36h or 7d, or a time: 2026-11-22",
            key=what,
        ) from error


def byte_count(value: int | str, what: str) -> int:
    """A number of bytes: powers of 1000, or of 1024 with an i. Raises UsageError.

    >>> [byte_count(text, "max_size") for text in ("500", "10GB", "1.5 MiB", "2k")]
    [500, 10000000000, 1572864, 2000]
    """
    if isinstance(value, Integral) and not isinstance(value, bool) and value >= 0:
        return int(value)
    found = _BYTES.fullmatch(value.strip()) if isinstance(value, str) else None
    if not found or (found[3] and not found[2]):
        raise UsageError(f"{what} is {value!r}", remedy="write it as 500MB, 10GB or 2GiB", key=what)
    unit = 1024 if found[3] else 1000
    return int(float(found[1]) * float(unit ** _POWERS[found[2].lower()]))
