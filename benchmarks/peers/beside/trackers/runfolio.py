"""runfolio itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

TITLE = "runfolio"
REQUIRES = ("pandas", "pyarrow")
SHOWN = ("runfolio", "pandas", "pyarrow")
IMPORTS = ("runfolio.catalog", "runfolio.run", "runfolio.status", "runfolio.frames", "pyarrow.parquet", "pandas")
CALLS = {
    "log": '`status.record_change("TRANSFORM", …)`',
    "store": "`status.store_result(key, frame)`, profile `full`; `load_run(folder).results[key]`",
    "load": "`list_runs(root)`; `load_run(folder).changes`",
    "follow": "`follow(folder)`",
}
CANNOT: dict[str, str] = {}
AHEAD: dict[str, str] = {}


class Session:
    """A run by hand."""

    def __init__(self, status: Any) -> None:
        self._status = status

    def log(self, number: int) -> None:
        """A change."""
        details = {"method": "astype", "rows": 344}
        self._status.record_change("TRANSFORM", "bill_length_mm", details, module="Preprocessor", experiment="scale")

    def store(self, key: str, frame: Any) -> None:
        """A result."""
        self._status.store_result(key, frame)


def session(folder: Path, body: Callable[[Session], None], number: int = 0) -> None:
    """A run that is completed."""
    from runfolio import Status

    with Status(name=f"peer {number}", root=folder) as status:
        body(Session(status))


def _runs(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if not path.name.startswith(".")]


def count(folder: Path) -> int:
    """Its changes."""
    from runfolio import load_run

    return len(load_run(_runs(folder)[0]).changes)


def follow(folder: Path) -> Iterator[int]:
    """Each change as it comes."""
    from runfolio import follow as following

    for number, _ in enumerate(following(_runs(folder)[0], kinds="change"), 1):
        yield number


def fetch(folder: Path, key: str) -> Any:
    """A result's data."""
    from runfolio import load_run

    return load_run(_runs(folder)[0]).results[key]["data"]


def table(folder: Path) -> int:
    """The frame of all runs."""
    from runfolio import list_runs

    return len(list_runs(folder))


def records(folder: Path) -> int:
    """The changes of all runs."""
    from runfolio import load_run

    return sum(len(load_run(path).changes) for path in _runs(folder))
