"""A pickle of the whole state, made again after each record."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from beside import reasons
from beside.trackers import RECORD

TITLE = "pickle, each time"
REQUIRES = ("pandas", "pyarrow")
SHOWN: tuple[str, ...] = ()
IMPORTS = ("pandas",)
CALLS = {
    "log": "`pickle.dump` of a list of all records to a temporary file, and `os.replace`, after each",
    "store": "`pickle.dump(frame)`; `pickle.load`",
    "load": "`pickle.load` of each run",
    "follow": "`pickle.load`, as fast as it goes",
}
CANNOT: dict[str, str] = {}
AHEAD = {
    "store": reasons.MEMORY_AS_IT_IS,
    "large": reasons.MEMORY_AS_IT_IS,
    "table": reasons.LISTED,
    "records": reasons.SMALL,
    "follow": reasons.SPINNING,
}


class Session:
    """The state in memory, and where it goes."""

    def __init__(self, path: Path, *, always: bool) -> None:
        self._path, self._always = path, always
        self._state: list[dict[str, Any]] = []

    def log(self, number: int) -> None:
        """Append it, then write all of it."""
        self._state.append({**RECORD, "change_id": number})
        if self._always:
            self.save()

    def save(self) -> None:
        """Put the whole state in the file's place."""
        part = self._path.with_suffix(".part")
        with part.open("wb") as file:
            pickle.dump(self._state, file, pickle.HIGHEST_PROTOCOL)
        part.replace(self._path)

    def store(self, key: str, frame: Any) -> None:
        """A file of its own."""
        with self._path.with_name(f"{key}.frame").open("wb") as file:
            pickle.dump(frame, file, pickle.HIGHEST_PROTOCOL)


def session(folder: Path, body: Callable[[Session], None], number: int = 0, *, always: bool = True) -> None:
    """A file for the run, saved last at its end."""
    run = Session(folder / f"run-{number:06d}.pickle", always=always)
    body(run)
    run.save()


def count(folder: Path) -> int:
    """Records in the files that are there."""
    return records(folder)


def fetch(folder: Path, key: str) -> Any:
    """The frame."""
    with (folder / f"{key}.frame").open("rb") as file:
        return pickle.load(file)


def _states(folder: Path) -> list[list[dict[str, Any]]]:
    found = []
    for path in folder.glob("run-*.pickle"):
        with path.open("rb") as file:
            found.append(pickle.load(file))
    return found


def table(folder: Path) -> int:
    """What is in each state: all of it has to be read."""
    return len([(len(state), state[0]["timestamp"], state[-1]["timestamp"]) for state in _states(folder)])


def records(folder: Path) -> int:
    """All records of all states."""
    return sum(map(len, _states(folder)))
