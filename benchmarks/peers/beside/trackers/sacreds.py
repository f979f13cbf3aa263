"""Sacred with its FileStorageObserver."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from beside import reasons

TITLE = "Sacred, files"
REQUIRES = ("sacred", "setuptools<80", "pandas", "pyarrow")
SHOWN = ("sacred",)
IMPORTS = ("sacred.observers", "pandas", "pyarrow.parquet")
CALLS = {
    "log": "`run.log_scalar(name, number, step)`: a number, not a record; written at the heartbeat, every 10 s",
    "store": "`frame.to_parquet` by hand, `run.add_artifact(path)`; the file by `read_parquet`",
    "load": "it has no reader of files: `run.json` of each run; its `metrics.json`",
    "follow": "it has no reader of files: its `metrics.json`, as fast as it goes",
}
CANNOT: dict[str, str] = {}
AHEAD = {
    "log": reasons.HEARTBEAT,
    "store": reasons.PLAIN,
    "large": reasons.PLAIN,
    "table": reasons.BY_HAND,
    "records": reasons.BY_HAND,
}
METRIC = "change"


class Session:
    """A run."""

    def __init__(self, run: Any) -> None:
        self._run = run

    def log(self, number: int) -> None:
        """A number."""
        self._run.log_scalar(METRIC, float(number), number)

    def store(self, key: str, frame: Any) -> None:
        """A Parquet file that is copied."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{key}.parquet"
            frame.to_parquet(path)
            self._run.add_artifact(str(path))


def session(folder: Path, body: Callable[[Session], None], number: int = 0) -> None:
    """The body is the experiment's main function."""
    from sacred import Experiment
    from sacred.observers import FileStorageObserver

    experiment = Experiment("peer", save_git_info=False)
    experiment.observers.append(FileStorageObserver(str(folder)))

    @experiment.main
    def main(_run: Any) -> None:
        body(Session(_run))

    experiment.run(options={"--loglevel": "ERROR"})


def _runs(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.isdigit()]


def count(folder: Path) -> int:
    """Numbers that are written."""
    return records(folder)


def fetch(folder: Path, key: str) -> Any:
    """The file."""
    import pandas as pd

    return pd.read_parquet(_runs(folder)[0] / f"{key}.parquet")


def table(folder: Path) -> int:
    """What `run.json` says of each."""
    return len([json.loads((path / "run.json").read_bytes()) for path in _runs(folder)])


def records(folder: Path) -> int:
    """All numbers of all runs."""
    found: list[float] = []
    for path in _runs(folder):
        file = path / "metrics.json"
        if file.exists():
            with contextlib.suppress(json.JSONDecodeError):  # it is being written anew
                found += json.loads(file.read_text()).get(METRIC, {"values": []})["values"]
    return len(found)
