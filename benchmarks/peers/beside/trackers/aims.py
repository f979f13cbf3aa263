"""Aim, with a repository in the folder."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from beside import reasons

TITLE = "Aim"
REQUIRES = ("aim", "pandas", "pyarrow", "setuptools<80")
SHOWN = ("aim",)
IMPORTS = ("aim", "pandas", "pyarrow.parquet")
CALLS = {
    "log": "`run.track(number, name=…, step=…)`: a number, not a record",
    "store": "`frame.to_parquet` by hand, `run.log_artifact(path, block=True)`; the artifact's file by `read_parquet`",
    "load": "the index made before; `Repo.iter_runs`, name, times and state of each; `values` of each run's metric",
    "follow": "the index made again, then `run.get_metric`, as fast as it goes",
}
CANNOT: dict[str, str] = {}
AHEAD = {"store": reasons.PLAIN, "large": reasons.PLAIN, "table": reasons.INDEX, "records": reasons.INDEX}
METRIC = "change"


class Session:
    """A run."""

    def __init__(self, run: Any) -> None:
        self._run = run

    def log(self, number: int) -> None:
        """A number."""
        self._run.track(float(number), name=METRIC, step=number)

    def store(self, key: str, frame: Any) -> None:
        """A Parquet file that is copied."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{key}.parquet"
            frame.to_parquet(path)
            self._run.log_artifact(str(path), name=f"{key}.parquet", block=True)


def session(folder: Path, body: Callable[[Session], None], number: int = 0) -> None:
    """A run in the repository, artifacts in a folder beside."""
    import aim

    run = aim.Run(repo=str(folder))
    run.set_artifacts_uri(f"file://{folder}/artifacts")
    body(Session(run))
    run.close()


def prepare(folder: Path) -> None:
    """Index the runs, as `aim storage reindex` does: its SDK lists and reads only what is indexed."""
    import aim

    aim.Repo(str(folder))._recreate_index()


def _values(run: Any) -> int:
    from aim.storage.context import Context

    metric = run.get_metric(METRIC, Context({}))
    return 0 if metric is None else len(metric.values.values_list())


def count(folder: Path) -> int:
    """Its numbers, indexed again."""
    prepare(folder)
    return records(folder)


def fetch(folder: Path, key: str) -> Any:
    """The file."""
    import pandas as pd

    return pd.read_parquet(next((folder / "artifacts").rglob(f"{key}.parquet")))


def table(folder: Path) -> int:
    """Name, times and state of each."""
    import aim

    return len([(run.name, run.created_at, run.end_time, run.active) for run in aim.Repo(str(folder)).iter_runs()])


def records(folder: Path) -> int:
    """All numbers of all runs."""
    import aim

    return sum(map(_values, aim.Repo(str(folder)).iter_runs()))
