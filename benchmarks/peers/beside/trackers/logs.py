"""The standard library's logging, with a formatter that makes JSON lines."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from beside import reasons
from beside.trackers import RECORD

TITLE = "logging, JSON lines"
REQUIRES = ("pandas", "pyarrow")
SHOWN: tuple[str, ...] = ()
IMPORTS: tuple[str, ...] = ()
CALLS = {
    "log": '`logger.info("change", extra=…)`, a `FileHandler`, a formatter by `json.dumps`',
    "load": "`json.loads` of each line; a run's row is what its first and last line say",
    "follow": "its file read on by hand, as fast as it goes",
}
CANNOT = {"store": "it has no results"}
AHEAD = {"table": reasons.LISTED, "records": reasons.SMALL, "follow": reasons.SPINNING}


class Formatter(logging.Formatter):
    """A line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The fields that were given, and the time."""
        return json.dumps({**record.fields, "time": record.created})  # type: ignore[attr-defined]


class Session:
    """A logger with one file."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def log(self, number: int) -> None:
        """A line."""
        self._logger.info("change", extra={"fields": {**RECORD, "change_id": number}})


def session(folder: Path, body: Callable[[Session], None], number: int = 0) -> None:
    """A file in the folder."""
    handler = logging.FileHandler(folder / f"run-{number:06d}.jsonl")
    handler.setFormatter(Formatter())
    logger = logging.Logger("peer")
    logger.addHandler(handler)
    body(Session(logger))
    handler.close()


def count(folder: Path) -> int:
    """Lines that are whole."""
    return records(folder)


def table(folder: Path) -> int:
    """What the first and the last line of each file say."""
    rows = []
    for path in folder.iterdir():
        lines = path.read_bytes().splitlines()
        rows.append((path.name, json.loads(lines[0])["time"], json.loads(lines[-1])["time"], len(lines)))
    return len(rows)


def records(folder: Path) -> int:
    """All lines of all files."""
    found: list[Any] = []
    for path in folder.iterdir():
        with path.open("rb") as file:
            found += [json.loads(line) for line in file if line.endswith(b"\n")]
    return len(found)
