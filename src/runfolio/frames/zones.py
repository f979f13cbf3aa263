"""Time zones in a footer: a pair of the library that made the zone and what it made it of.

=========== ======================================= =====================================
kind        value                                   zone
=========== ======================================= =====================================
`timezone`  microseconds east of UTC, or            `datetime.timezone`
            that and the name it was given
`zoneinfo`  key                                     `zoneinfo.ZoneInfo`
`pytz`      key, or seconds east of UTC             of pytz, else the same zone of Python
=========== ======================================= =====================================
"""

from __future__ import annotations

import datetime
import zoneinfo
from importlib.util import find_spec
from typing import Any

from runfolio.frames.refusal import Refusal

__all__ = ["arrow_zone", "describe_zone", "restore_zone"]

MICROSECOND = datetime.timedelta(microseconds=1)


def describe_zone(zone: Any) -> list[Any]:
    """Return what `restore_zone` makes the zone of again, or raise `Refusal`.

    >>> describe_zone(zoneinfo.ZoneInfo("Europe/Paris")), describe_zone(datetime.UTC)
    (['zoneinfo', 'Europe/Paris'], ['timezone', 0])
    """
    found = _find(zone)
    if found is None or found[1] is None or repr(restore_zone(found)) != repr(zone):
        raise Refusal(f"time zone {zone!r}; use one of zoneinfo with a key, or of datetime.timezone")
    return found


def _find(zone: Any) -> list[Any] | None:
    if type(zone) is datetime.timezone:
        offset = zone.utcoffset(None) // MICROSECOND
        name = zone.tzname(None)
        plain = datetime.timezone(zone.utcoffset(None)).tzname(None)
        return ["timezone", offset] if name == plain else ["timezone", [offset, name]]
    if type(zone) is zoneinfo.ZoneInfo:
        return ["zoneinfo", zone.key]
    if type(zone).__module__.partition(".")[0] == "pytz":
        return ["pytz", zone.zone if zone.zone is not None else zone.utcoffset(None).total_seconds()]
    return None


def restore_zone(description: list[Any]) -> datetime.tzinfo:
    """Return the zone that a footer describes; one of pytz without pytz as its like.

    >>> restore_zone(["timezone", 3_600_000_000])
    datetime.timezone(datetime.timedelta(seconds=3600))
    """
    kind, value = description
    if kind == "pytz" and find_spec("pytz") is not None:  # pandas 3 doesn't need pytz, so it may be missing
        import pytz  # type: ignore[import-untyped,unused-ignore]  # noqa: PLC0415

        zone = pytz.timezone(value) if isinstance(value, str) else pytz.FixedOffset(value / 60)
        return zone  # type: ignore[no-any-return]
    if kind in ("zoneinfo", "pytz") and isinstance(value, str):
        return zoneinfo.ZoneInfo(value)
    if kind == "pytz":
        return datetime.timezone(datetime.timedelta(seconds=value))
    if kind != "timezone":
        raise ValueError(f"no kind of time zone: {kind!r}")
    if isinstance(value, list):
        return datetime.timezone(datetime.timedelta(microseconds=value[0]), value[1])
    return datetime.timezone(datetime.timedelta(microseconds=value))


def arrow_zone(description: list[Any]) -> str:
    """Return the zone's name for Arrow: its key, or UTC for an offset, which polars would not read.

    >>> arrow_zone(["zoneinfo", "Asia/Tokyo"]), arrow_zone(["timezone", 3_600_000_000])
    ('Asia/Tokyo', 'UTC')
    """
    value = description[1]
    return value if isinstance(value, str) else "UTC"
