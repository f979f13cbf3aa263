"""TensorBoardX, read by TensorBoard's own event reader."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from beside import reasons
from beside.trackers import RECORD

TITLE = "TensorBoardX"
REQUIRES = ("tensorboardX", "tensorboard", "pandas", "pyarrow")
SHOWN = ("tensorboardX", "tensorboard")
IMPORTS = ("tensorboardX", "tensorboard.backend.event_processing.event_accumulator")
CALLS = {
    "log": "`SummaryWriter.add_text`, the record as JSON",
    "load": "TensorBoard's `EventAccumulator` on each run: a row by its tags; all its tensors",
    "follow": "`EventAccumulator.Reload`, as fast as it goes",
}
CANNOT = {"store": "it has no tables and no files of one's own"}
AHEAD = {"table": reasons.LISTED, "records": reasons.SMALL}
TAG = "change"


class Session:
    """A writer."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def log(self, number: int) -> None:
        """A text."""
        self._writer.add_text(TAG, json.dumps({**RECORD, "change_id": number}), number)


def session(folder: Path, body: Callable[[Session], None], number: int = 0) -> None:
    """An event file in a folder for the run."""
    from tensorboardX import SummaryWriter

    with SummaryWriter(str(folder / f"run-{number:06d}")) as writer:
        body(Session(writer))


def _accumulator(path: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(path), size_guidance={"tensors": 0})


def _texts(accumulator: Any) -> int:
    tags = accumulator.Tags()["tensors"]
    return sum(len(accumulator.Tensors(tag)) for tag in tags)


def count(folder: Path) -> int:
    """Texts that are there."""
    return records(folder)


def follow(folder: Path) -> Iterator[int]:
    """Reload reads on."""
    accumulator = _accumulator(folder / "run-000000")
    while True:
        accumulator.Reload()
        yield _texts(accumulator)


def table(folder: Path) -> int:
    """What it knows of each run: it has to read all of it."""
    return len([(path.name, _accumulator(path).Reload().Tags()) for path in folder.iterdir()])


def records(folder: Path) -> int:
    """All texts of all runs."""
    return sum(_texts(_accumulator(path).Reload()) for path in folder.iterdir())
