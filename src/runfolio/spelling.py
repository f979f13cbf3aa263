"""How people read numbers, sizes, durations and times: in a terminal, and in a notebook."""

from __future__ import annotations

from datetime import datetime


def duration(seconds: float | None) -> str:
    """A duration in at most two units.

    >>> [duration(seconds) for seconds in (0.00002, 0.0971, 12.34, 125, 11000, 200000)]
    ['<0.1ms', '97ms', '12.3s', '2m05s', '3h03m', '2d07h']
    """
    if seconds is None:
        return "-"
    if seconds < 0.0995:  # noqa: PLR2004
        milliseconds = max(seconds, 0.0) * 1000
        if milliseconds < 0.05:  # noqa: PLR2004
            return "<0.1ms"
        return f"{milliseconds:.1f}ms" if milliseconds < 9.95 else f"{milliseconds:.0f}ms"  # noqa: PLR2004
    if seconds < 59.95:  # noqa: PLR2004
        return f"{seconds:.2f}s" if seconds < 9.995 else f"{seconds:.1f}s"  # noqa: PLR2004
    if seconds >= 1e9:  # noqa: PLR2004  (no run takes 30 years; a damaged one may say so)
        return f"{seconds:.0e}s"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}d{hour:02}h"
    return f"{hours}h{minute:02}m" if hours else f"{minute}m{second:02}s"


def size(count: int | None) -> str:
    """A number of bytes, in powers of 1000.

    >>> [size(count) for count in (999, 119_981, 4_200_000)]
    ['999B', '120kB', '4.2MB']
    """
    if count is None:
        return "-"
    if count < 1000:  # noqa: PLR2004
        return f"{count}B"
    value, unit = count / 1000, "kB"
    for larger in ("MB", "GB", "TB", "PB"):
        if value < 999.5:  # noqa: PLR2004
            break
        value, unit = value / 1000, larger
    return f"{value:.0f}{unit}" if value >= 9.95 else f"{value:.1f}{unit}"  # noqa: PLR2004


def number(value: int | None) -> str:
    """A count, its thousands separated."""
    return "-" if value is None else f"{value:,}"


def counted(count: int | None, noun: str) -> str:
    """A count and what it is of.

    >>> counted(1, "step"), counted(1200, "step")
    ('1 step', '1,200 steps')
    """
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


def stamp(time: datetime | None) -> str:
    """A time in UTC as ISO 8601 to the second, without a blank."""
    return "-" if time is None else time.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def age(time: datetime | None, now: datetime) -> str:
    """How long ago a time is, in one unit.

    >>> from datetime import UTC, timedelta
    >>> now = datetime(2026, 11, 22, 18, 48, tzinfo=UTC)
    >>> age(now - timedelta(minutes=5), now), age(now - timedelta(days=40), now)
    ('5 min ago', '40 days ago')
    """
    if time is None:
        return "-"
    seconds = max(int((now - time).total_seconds()), 0)
    for length, unit in ((86400, "day"), (3600, "hour"), (60, "min")):
        if seconds >= length:
            count = seconds // length
            return f"{count} {unit}{'s' if count > 1 and unit != 'min' else ''} ago"
    return f"{seconds} s ago"


def amount(done: float, total: float | None, unit: str | None) -> str:
    """How much is done.

    >>> amount(342.0, 1344.0, "rows"), amount(0.5, None, None)
    ('342 of 1,344 rows', '0.5')
    """
    of_all = "" if total is None else f" of {total:,.12g}"
    return f"{done:,.12g}{of_all} {unit or ''}".rstrip()
