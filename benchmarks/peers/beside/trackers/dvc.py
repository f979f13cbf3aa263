"""DVCLive, without a DVC repository."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from beside import reasons

TITLE = "DVCLive"
REQUIRES = ("dvclive", "pandas", "pyarrow")
SHOWN = ("dvclive", "dvc")
IMPORTS = ("dvclive",)
CALLS = {
    "log": "`live.log_metric(name, number)`, `live.next_step()`; `save_dvc_exp=False`: a number, not a record",
    "load": "it has no reader of its own: `metrics.json` of each run; its TSV file by `csv`",
    "follow": "it has no reader of its own: its TSV file by `csv`, as fast as it goes",
}
CANNOT = {"store": "`log_artifact` needs a Git and DVC repository, and files that one wrote oneself"}
AHEAD = {"table": reasons.BY_HAND, "records": reasons.TEXT, "follow": reasons.SPINNING}
METRIC = "change"


class Session:
    """A run."""

    def __init__(self, live: Any) -> None:
        self._live = live

    def log(self, number: int) -> None:
        """A number, and the step's end."""
        self._live.log_metric(METRIC, float(number))
        self._live.next_step()


def session(folder: Path, body: Callable[[Session], None], number: int = 0) -> None:
    """A folder for the run."""
    from dvclive import Live

    with Live(str(folder / f"run-{number:06d}"), save_dvc_exp=False, dvcyaml=False) as live:
        body(Session(live))


def count(folder: Path) -> int:
    """Lines of its file."""
    return records(folder)


def table(folder: Path) -> int:
    """The summary of each."""
    return len([json.loads((path / "metrics.json").read_bytes()) for path in folder.iterdir()])


def records(folder: Path) -> int:
    """All numbers of all runs."""
    found: list[float] = []
    for path in folder.glob(f"*/plots/metrics/{METRIC}.tsv"):
        with path.open(newline="") as file:
            found += [float(row[METRIC]) for row in csv.DictReader(file, delimiter="\t") if row[METRIC]]
    return len(found)
