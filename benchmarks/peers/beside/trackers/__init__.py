"""A module for each tracker, and what it has: see `Tracker`.

They import what they use where they use it: each runs in an environment that has its own tracker alone.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

JOBS = ("log", "store", "load", "follow")
NAMES = (
    *("runfolio", "logs", "sqlite", "pickled", "pickled_last", "tensorboard", "aims", "dvc", "sacreds", "track"),
    *("wandboffline", "mlfile", "mlsqlite"),
)
RECORD = {
    "kind": "change",
    "change_id": 1,
    "timestamp": "2026-11-23T12:00:00.000000Z",
    "type": "TRANSFORM",
    "target": "bill_length_mm",
    "before": None,
    "after": None,
    "module_name": "Preprocessor",
    "experiment_name": "scale",
    "snapshot_id": None,
    "details": {"method": "astype", "rows": 344},
}
"""What is logged: a schema change, about 270 bytes as JSON, as runfolio has it but for its part, count and checksum."""


class Session(Protocol):
    """A run of a tracker that is being written."""

    def log(self, number: int) -> None:
        """Write one record, as the tracker's documentation does it."""

    def store(self, key: str, frame: Any) -> None:
        """Store a frame as a result."""


class Tracker(Protocol):
    """What a module has. Folders are empty when they are written to first."""

    TITLE: str
    REQUIRES: tuple[str, ...]
    SHOWN: tuple[str, ...]
    IMPORTS: tuple[str, ...]
    CALLS: dict[str, str]
    CANNOT: dict[str, str]
    AHEAD: dict[str, str]

    def session(self, folder: Path, body: Callable[[Session], None], number: int = 0) -> None:
        """A run from its start to its end."""

    def count(self, folder: Path) -> int:
        """How many records of the run in a folder its own reader finds now."""

    def fetch(self, folder: Path, key: str) -> Any:
        """A frame that was stored."""

    def table(self, folder: Path) -> int:
        """Make the table of all runs; how many rows it has."""

    def records(self, folder: Path) -> int:
        """Read all records of all runs; how many they are."""


def tracker(name: str) -> Any:
    """The module of a tracker."""
    return importlib.import_module(f"beside.trackers.{name}")


def follow(module: Any, folder: Path) -> Iterator[int]:
    """How many records are there, again and again: by the tracker's own follower, or its reader without a pause."""
    if hasattr(module, "follow"):
        yield from module.follow(folder)
        return
    while True:
        yield module.count(folder)
