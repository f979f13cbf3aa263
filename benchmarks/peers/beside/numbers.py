"""Times and ratios as they are told."""

from __future__ import annotations

import re

UNITS = (("s", 1.0), ("ms", 1e3), ("µs", 1e6), ("ns", 1e9))


def spell(seconds: float) -> str:
    """A time in the unit that suits it: `6.3 µs`."""
    unit, factor = next((one for one in UNITS if seconds * one[1] >= 1), UNITS[-1])
    return f"{_digits(seconds * factor)} {unit}"


def times(ratio: float | None) -> str:
    """A ratio: `12x`."""
    return "" if ratio is None else f"{_digits(ratio)}x"


def _digits(value: float) -> str:
    text = f"{value:,.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"
    return re.sub(r"\.0$", "", text)
