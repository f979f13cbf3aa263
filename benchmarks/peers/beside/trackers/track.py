"""Trackio, without a Space."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from beside import reasons
from beside.trackers import RECORD

TITLE = "Trackio"
REQUIRES = ("trackio", "pandas", "pyarrow")
SHOWN = ("trackio",)
IMPORTS = ("pandas",)
CALLS = {
    "log": "`trackio.log(record)`, a dict; written by a thread of its own",
    "store": "`frame.to_parquet` by hand, `trackio.log_artifact(path)`; `trackio.use_artifact(name).download()` and "
    "`read_parquet` (a `trackio.Table` with times in it is skipped with a warning)",
    "load": "`Api().runs(project)` with each run's config; `SQLiteStorage.get_logs`, which its page uses",
    "follow": "`SQLiteStorage.get_logs`, as fast as it goes",
}
CANNOT: dict[str, str] = {}
AHEAD = {"store": reasons.PLAIN, "large": reasons.PLAIN}
PROJECT = "peer"


class Session:
    """A run."""

    def __init__(self, run: Any) -> None:
        self._run = run

    def log(self, number: int) -> None:
        """The record."""
        self._run.log({**RECORD, "change_id": number})

    def store(self, key: str, frame: Any) -> None:
        """A Parquet file that is copied."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{key}.parquet"
            frame.to_parquet(path)
            self._run.log_artifact(path, name=key, type="dataset")


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
    """The file, by a run that uses it."""
    os.environ["TRACKIO_DIR"] = str(folder)
    import pandas as pd
    import trackio

    run = trackio.init(PROJECT, name="reader", embed=False, auto_log_gpu=False, auto_log_cpu=False)
    place = run.use_artifact(key).download(root=folder.parent / "downloaded")
    return pd.read_parquet(Path(place) / f"{key}.parquet")


def table(folder: Path) -> int:
    """Name and config of each run."""
    _storage(folder)
    from trackio import Api

    return len([(run.name, run.config) for run in Api().runs(PROJECT)])


def records(folder: Path) -> int:
    """All records of all runs."""
    return len(_logs(folder))
