"""A pickle of the whole state, made when the run ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from beside import reasons
from beside.trackers import pickled
from beside.trackers.pickled import IMPORTS, REQUIRES, SHOWN, Session, count, fetch, records, table

__all__ = [
    "AHEAD",
    "CALLS",
    "CANNOT",
    "IMPORTS",
    "REQUIRES",
    "SHOWN",
    "TITLE",
    "count",
    "fetch",
    "records",
    "session",
    "table",
]

TITLE = "pickle, at the end"
CALLS = {
    "log": "a list in memory; `pickle.dump` when the run ends",
    "store": pickled.CALLS["store"],
    "load": pickled.CALLS["load"],
}
CANNOT = {"follow": "nothing is written before the end"}
AHEAD = {
    "log": reasons.LATER,
    "store": reasons.MEMORY_AS_IT_IS,
    "large": reasons.MEMORY_AS_IT_IS,
    "table": reasons.LISTED,
    "records": reasons.SMALL,
}


def session(folder: Path, body: Callable[[Session], None], number: int = 0) -> None:
    """A run that is only in memory until it ends."""
    pickled.session(folder, body, number, always=False)
