"""Live writers are read while they write at full speed: every record once, in order, and nothing ever looks wrong."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from msgspec.json import decode

from runfolio.files import journals
from runfolio.history import Finding, History
from runfolio.run import Run

from .children import THREADS
from .nursery import Nursery
from .oracle import read

ROUND = 0.6
"""Seconds for which one run is written; a long test has many runs, for a reader keeps all its records in memory."""


class Tailing:
    """What came of a run so far, and what was wrong with it."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.records: dict[str, Counter[str]] = {"change": Counter(), "log": Counter()}
        self.wrong = 0
        self.amid = 0
        self.unfinished = 0
        self._taken: Counter[tuple[str, str]] = Counter()

    def take(self) -> None:
        """What came since: it must be the next of its worker, each time."""
        changes = self._new("change")
        self.amid += bool(changes)
        self.unfinished += any(tail.rest for _, tail in self.history.tails())
        for change in changes:
            self._take("change", change.target)
        for event in self._new("event"):
            if event.type == "log":
                self._take("log", event.message)

    def _new(self, kind: str) -> list[Any]:
        found = []
        for writer, stream in self.history.timeline.streams.items():
            records = stream.get(kind, [])
            found += records[self._taken[writer, kind] :]
            self._taken[writer, kind] = len(records)
        return found

    def _take(self, kind: str, name: str) -> None:
        worker, _, number = name.partition("-")
        self.wrong += self.records[kind][worker] != int(number)
        self.records[kind][worker] += 1


class HastyReader:
    """Not to be done: takes what stands behind the last newline for a line, and a gap in the count for a loss."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.damaged = self.lost = 0
        self._offsets: Counter[Path] = Counter()
        self._next: dict[str, int] = {}

    def refresh(self) -> None:
        """Read on."""
        for writer in {writer for _, writer, _ in journals(self.folder)}:
            paths = [path for _, name, path in journals(self.folder) if name == writer]
            numbers = {seq for path in paths for seq in self._read(path)}
            if numbers:
                begin, top = self._next.get(writer, 1), max(numbers)
                self.lost += sum(seq not in numbers for seq in range(begin, top))
                self._next[writer] = max(top + 1, begin)

    def _read(self, path: Path) -> list[int]:
        with path.open("rb") as file:
            file.seek(self._offsets[path])
            data = file.read()
        self._offsets[path] += len(data)
        lines = data.removesuffix(b"\n").split(b"\n") if data else []
        sound = [line for line in lines if line.endswith(b',"crc":"%08x"}' % crc32(line[:-18]))]
        self.damaged += len(lines) - len(sound)
        return [decode(line)["seq"] for line in sound]


def by_history(folder: Path) -> tuple[History, Callable[[], list[Finding]]]:
    """The reader alone."""
    history = History(folder)

    def refresh() -> list[Finding]:
        history.refresh()
        return history.findings

    return history, refresh


def by_run(folder: Path) -> tuple[History, Callable[[], list[Finding]]]:
    """A run that is refreshed: it looks at the locks, the manifest and the results as well."""
    run = read(folder)

    def refresh() -> list[Finding]:
        run.refresh()
        assert run.state != "interrupted", run.state_reason
        return run.damage

    return run._history, refresh


LIVE = {
    "a run of one process": (by_run, {"do": "alone"}),
    "a run of two processes": (by_history, {"do": "crowd", "processes": 2}),
}


@pytest.mark.parametrize("case", LIVE)
def test_a_reader_of_live_writers_gets_every_record_once_and_in_order(nursery, tmp_path, size, tally, case):
    reader, writers = LIVE[case]
    refreshes = amid = unfinished = acknowledged = 0
    for number in range(size(1, 500)):
        root = tmp_path / f"{number}"
        with nursery.begin(root=str(root), seconds=ROUND, **writers) as child:
            folder = Path(child.hear("folder:"))
            history, refresh = reader(folder)
            tailing = Tailing(history)
            while child.listen(0):
                assert refresh() == []
                tailing.take()
                refreshes += 1
            assert refresh() == []
            tailing.take()
            assert child.wait() == 0
        counts = child.counts()
        assert len(counts) == THREADS * writers.get("processes", 1)
        assert (tailing.records, tailing.wrong) == ({"change": counts, "log": counts}, 0)
        assert Run(folder).state == "completed"
        acknowledged += 2 * sum(counts.values())
        amid, unfinished = amid + tailing.amid, unfinished + tailing.unfinished
        shutil.rmtree(root)
    hasty = read_hastily(nursery, tmp_path / "control")
    assert hasty.lost
    tally(
        test=f"live tail of {case}: {refreshes:,} looks, {unfinished:,} at an unfinished line",
        trials=refreshes,
        faults=amid,
        acknowledged=acknowledged,
        control=f"a hasty reader took {hasty.damaged:,} lines for damaged and {hasty.lost:,} for lost within 0.3 s",
    )


def read_hastily(nursery: Nursery, root: Path) -> HastyReader:
    """The negative control: it goes wrong sooner or later, on a busy machine later."""
    for _ in range(20):
        with nursery.begin("alone", root=str(root), seconds=0.3) as child:
            hasty = HastyReader(Path(child.hear("folder:")))
            while child.listen(0):
                hasty.refresh()
        shutil.rmtree(root)
        if hasty.lost:
            break
    return hasty
