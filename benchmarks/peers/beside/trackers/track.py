"""Trackio, without a Space."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from beside.trackers import RECORD

TITLE = "Trackio"
REQUIRES = ("trackio", "pandas", "pyarrow")
SHOWN = ("trackio",)
IMPORTS = ("pandas",)
CALLS = {
    "log": "`trackio.log(record)`, a dict; written by a thread of its own",
    "store": "`trackio.log({key: trackio.Table(dataframe=frame)})`; the rows of the table that is logged",
    "load": "`Api().runs(project)` with each run's config; `SQLiteStorage.get_logs`, which its page uses",
    "follow": "`SQLiteStorage.get_logs`, as fast as it goes",
}
CANNOT: dict[str, str] = {}
PROJECT = "peer"


class Session:
    """A run."""

    def __init__(self, run: Any) -> None:
        self._run = run

    def log(self, number: int) -> None:
        """The record."""
        self._run.log({**RECORD, "change_id": number})

    def store(self, key: str, frame: Any) -> None:
        """Its table."""
        import trackio

        self._run.log({key: trackio.Table(dataframe=frame)})


def session(folder: Path, body: Callable[[Session], None], number: int = 0) -> None:
    """A run of the project."""
    os.environ["TRACKIO_DIR"] = str(folder)
    import trackio

    run = trackio.init(PROJECT, name=f"run-{number:06d}", embed=False, auto_log_gpu=False, auto_log_cpu=False)
    body(Session(run))
    trackio.finish()


def _storage(folder: Path) -> Any:
    os.environ["TRACKIO_DIR"] = str(folder)
    from trackio.sqlite_storage import SQLiteStorage

    return SQLiteStorage


def _logs(folder: Path) -> list[Any]:
    storage = _storage(folder)
    if not storage.get_project_db_path(PROJECT).exists():
        return []
    runs = storage.get_run_records(PROJECT)
    return [line for run in runs for line in storage.get_logs(PROJECT, run["name"], run_id=run["id"])]


def count(folder: Path) -> int:
    """Its records."""
    return len(_logs(folder))


def fetch(folder: Path, key: str) -> Any:
    """The table's rows."""
    import pandas as pd

    value = next(line[key] for line in _logs(folder) if key in line)
    return pd.DataFrame(value["_value"] if isinstance(value, dict) else value)


def table(folder: Path) -> int:
    """Name and config of each run."""
    _storage(folder)
    from trackio import Api

    return len([(run.name, run.config) for run in Api().runs(PROJECT)])


def records(folder: Path) -> int:
    """All records of all runs."""
    return len(_logs(folder))
