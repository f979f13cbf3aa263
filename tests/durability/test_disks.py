"""Disks that fail for real: full, limited, read-only, without descriptors; folders and files that go while in use.

In each trial a run is written, the fault comes and goes, and the run is ended and read.
"""

from __future__ import annotations

import errno
import os
import random
import resource
import shutil
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from runfolio import Status
from runfolio.clock import Clock
from runfolio.errors import WriteError, WriteWarning

from ..fulldisk import file_size_limit
from . import oracle

SEED = 20261125


class Recording:
    """A run under test: writes changes and results, and keeps what was acknowledged and which errors came."""

    def __init__(self, root: Path, seeded: random.Random, on_write_error: str = "raise") -> None:
        self.seeded = seeded
        self.seconds = 0.0
        self.status = Status(root=root, on_write_error=on_write_error, clock=Clock(monotonic=lambda: self.seconds))
        self.status.start()
        self.folder = self.status.folder
        self.changes: list[str] = []
        self.results: list[str] = []
        self.errors: list[WriteError] = []
        self._number = 0

    @property
    def _lost(self) -> int:
        return self.status._recorder.writer.losses.total

    def change(self) -> None:
        name = f"w-{self._number}"
        padding = "x" * self.seeded.randrange(3000)
        self._do(self.changes, name, lambda: self.status.record_change("UPDATE", name, {"padding": padding}))

    def result(self) -> None:
        name = f"r-{self._number}"
        self._do(self.results, name, lambda: self.status.store_result(name, {"name": name, "rows": ["x" * 500] * 20}))

    def _do(self, acknowledged: list[str], name: str, call: Callable[[], object]) -> None:
        self._number += 1
        lost = self._lost
        try:
            call()
        except WriteError as error:
            self.errors.append(error)
        else:
            if self._lost == lost:
                acknowledged.append(name)

    def write(self, count: int) -> None:
        for _ in range(count):
            self.change() if self.seeded.random() < 0.8 else self.result()

    def end(self) -> oracle.Run:
        """End the run after the fault: it is not to fail any more; and read it."""
        self.seconds += 10
        known = len(self.errors)
        self.write(3)
        assert self.errors[known:] == []
        self.status.complete()
        return oracle.read(self.folder)

    def judge(self, run: oracle.Run) -> int:
        """How much of what was acknowledged is lost; nothing else is there, for nothing was in flight."""
        verdict = oracle.judge(self.folder, self.changes)
        assert not verdict.unacknowledged and not verdict.twice and verdict.is_ordered, verdict
        lost_results = set(self.results) - run.results.keys()
        assert all(run.results[key]["data"]["name"] == key for key in run.results)
        return len(verdict.lost) + len(lost_results)


class Fault(NamedTuple):
    """What makes a run fail: `come` makes the fault in its folder for as long as it is entered."""

    come: Callable[[Path, random.Random], AbstractContextManager[None]]
    numbers: set[int]
    """The errno of what may come of it."""
    place: Callable[[Path], AbstractContextManager[Path]]
    """Gives a root to write to, made in a folder."""


def _run(*command: str) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{' '.join(command[:2])} does not work here: {done.stderr.strip()}")


@contextmanager
def plain(folder: Path) -> Iterator[Path]:
    yield folder


@contextmanager
def small(folder: Path) -> Iterator[Path]:
    """A disk of a megabyte."""
    _run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def full(folder: Path, seeded: random.Random) -> Iterator[None]:
    """The disk is full but for some pages."""
    filler = folder.parent / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    os.truncate(filler, max(filler.stat().st_size - 4096 * seeded.randrange(3), 0))
    yield
    filler.unlink()


@contextmanager
def limited(folder: Path, seeded: random.Random) -> Iterator[None]:
    """No file may grow beyond a size."""
    size = max(path.stat().st_size for path in folder.glob("*.jsonl")) + seeded.randrange(2000)
    with file_size_limit(size):
        yield


@contextmanager
def without_descriptors(folder: Path, seeded: random.Random) -> Iterator[None]:
    """No further file can be opened."""
    free = os.dup(0)
    os.close(free)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@contextmanager
def read_only(folder: Path, seeded: random.Random) -> Iterator[None]:
    """A read-only mount over the root: what is open can be written, and nothing else."""
    root = str(folder.parent)
    _run("mount", "--bind", root, root)
    try:
        _run("mount", "-o", "remount,ro,bind", root)
        yield
    finally:
        subprocess.run(["umount", root], check=True)


@contextmanager
def immutable(folder: Path, seeded: random.Random) -> Iterator[None]:
    """Nothing may be made in the folder, and no line added to a journal, or to any."""
    journals = sorted(folder.glob("*.jsonl"))
    paths = [folder, *seeded.choice([journals[:1], journals])]
    _run("chattr", "+i", *map(str, paths))
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", *map(str, paths)], check=True)


FAULTS = {
    "full-disk": Fault(full, {errno.ENOSPC}, small),
    "limit-of-file-sizes": Fault(limited, {errno.EFBIG, errno.ENOSPC}, plain),
    "no-descriptors": Fault(without_descriptors, {errno.EMFILE}, plain),
    "read-only-mount": Fault(read_only, {errno.EROFS}, plain),
    "immutable-files": Fault(immutable, {errno.EPERM}, plain),
}


@pytest.fixture
def place(tmp_path: Path) -> Callable[[Fault, int], AbstractContextManager[Path]]:
    """A place to write to of its own for each trial."""

    def make(fault: Fault, number: int) -> AbstractContextManager[Path]:
        folder = tmp_path / f"trial-{number}"
        folder.mkdir()
        return fault.place(folder)

    return make


def suffer(fault: Fault, root: Path, seeded: random.Random, on_write_error: str) -> tuple[Recording, int]:
    """Write before, during and after a fault; gives what was recorded, and how much of it is lost."""
    recording = Recording(root, seeded, on_write_error)
    recording.write(seeded.randrange(1, 20))
    assert not recording.errors
    with fault.come(recording.folder, seeded):
        recording.write(20)
        recording.result()
    run = recording.end()
    judge_errors(fault, recording)
    assert run.state == "completed" and run.lost == recording._lost
    assert bool(run.damage) == bool(run.lost), run.damage
    assert all(finding.reason.startswith("the run went on without") for finding in run.damage), run.damage
    return recording, recording.judge(run)


def judge_errors(fault: Fault, recording: Recording) -> None:
    """Each error says the number, the file and what to do."""
    for error in recording.errors:
        assert error.errno in fault.numbers, error
        assert error.file.startswith(str(recording.folder)) and error.remedy, error


@pytest.mark.parametrize("name", FAULTS)
def test_a_disk_that_fails_and_comes_back_loses_nothing_acknowledged(name, place, size, tally):
    fault = FAULTS[name]
    found = []
    for number in range(size(6, 400)):
        with place(fault, number) as root, warnings.catch_warnings():
            warnings.simplefilter("ignore", WriteWarning)
            found.append(suffer(fault, root, random.Random(SEED + number), ("raise", "warn")[number % 2]))
    fired = [recording for recording, _ in found if recording.errors or recording._lost]
    assert len(fired) == len(found), "a fault made nothing fail"
    if name == "full-disk":
        assert any("bytes were written" in str(error) for one in fired for error in one.errors), "no write was short"
    with place(fault, -1) as root:
        control = buffered(fault, root) if name in {"full-disk", "limit-of-file-sizes"} else unharmed(root)
    tally(
        test=f"disks: {name.replace('-', ' ')}",
        trials=len(found),
        faults=len(fired),
        acknowledged=sum(len(one.changes) + len(one.results) for one, _ in found),
        lost=sum(lost for _, lost in found),
        control=control,
        seed=SEED,
    )


def buffered(fault: Fault, root: Path) -> str:
    """The negative control: a file that Python buffers, on the same disk."""
    folder = root / "run"
    folder.mkdir()
    path = folder / "changes.jsonl"
    path.write_text("")
    file = path.open("a")
    with fault.come(folder, random.Random(SEED)), suppress(OSError):
        for number in range(100):
            file.write(f"w-{number} {'x' * 70}\n")  # it returns, and so the line counts as acknowledged
    with suppress(OSError), fault.come(folder, random.Random(SEED)):
        file.close()
    kept = path.read_text().count("\n")
    assert kept < 100, "the control lost nothing: this fault proves nothing"
    return f"a buffered file: {100 - kept} of 100 lines lost"


def unharmed(root: Path) -> str:
    """The control of faults that only hinder opening: without them, the same writes all succeed."""
    recording = Recording(root, random.Random(SEED))
    recording.write(20)
    recording.result()
    recording.status.complete()
    assert not recording.errors and len(recording.changes) + len(recording.results) == 21
    return "without the fault: 0 of 21 writes fail"


def test_a_full_disk_of_results_leaves_the_journals_alone(tmp_path, size, tally):
    acknowledged = lost = failed = 0
    for number in range(size(4, 200)):
        recording = Recording(tmp_path / f"trial-{number}", random.Random(SEED + number))
        results = recording.folder / "results"
        results.mkdir()
        with small(results):
            with full(results / "x", random.Random(0)):
                recording.write(10)
                recording.result()
                assert recording.errors and all("/results/" in error.file for error in recording.errors)
                assert {error.errno for error in recording.errors} == {errno.ENOSPC}
                failed += 1
            recording.result()
            run = recording.end()
            assert len(list(recording.folder.glob("changes*.jsonl"))) == 1
            assert run.damage == []
            lost += recording.judge(run)
            acknowledged += len(recording.changes) + len(recording.results)
    tally(
        test="disks: that of the results is full",
        trials=failed,
        faults=failed,
        acknowledged=acknowledged,
        lost=lost,
        control=unharmed(tmp_path / "control"),
        seed=SEED,
    )


def removed(folder: Path) -> None:
    shutil.rmtree(folder)


def renamed(folder: Path) -> None:
    folder.rename(folder.with_name("away"))


def replaced(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def until_told(recordings: list[Recording]) -> float:
    """Write to all until each was told; gives the seconds that it took."""
    begun = time.monotonic()
    while not all(recording.errors for recording in recordings) and time.monotonic() < begun + 5:
        for recording in recordings:
            if not recording.errors:
                recording.change()
        time.sleep(0.02)
    return time.monotonic() - begun


@pytest.mark.parametrize("vanish", [removed, renamed, replaced])
def test_a_folder_that_goes_while_it_is_written_to_is_told_within_a_second(vanish, tmp_path, size, tally):
    recordings = [Recording(tmp_path / str(number), random.Random(number)) for number in range(size(10, 200))]
    for recording in recordings:
        recording.write(3)
        vanish(recording.folder)
    seconds = until_told(recordings)
    told = [recording for recording in recordings if recording.errors]
    assert len(told) == len(recordings) and seconds < 1 + 0.005 * len(recordings), seconds
    for recording in told:
        (error,) = recording.errors
        assert (error.errno, error.file) == (errno.ENOENT, str(recording.folder)) and "bring the folder back" in str(
            error
        )
    lost = sum(put_back(vanish, recording) for recording in recordings)
    tally(
        test=f"folders {vanish.__name__} while live",
        trials=len(recordings),
        faults=len(told),
        acknowledged=None if vanish is not renamed else sum(len(one.changes) for one in recordings),
        lost=lost,
        control=f"a descriptor alone: {void_lines(tmp_path)} of 100 lines taken into a removed folder",
    )


def put_back(vanish: Callable[[Path], None], recording: Recording) -> int:
    """Where the folder can come back the run goes on, and lost nothing; where it can't, it can't be ended."""
    away = recording.folder.with_name("away")
    if vanish is renamed:
        away.rename(recording.folder)
        run = recording.end()
        assert run.damage == []
        return recording.judge(run)
    with pytest.raises(WriteError):
        recording.status.complete()
    assert not recording.folder.exists() or list(recording.folder.iterdir()) == []
    return 0


def void_lines(folder: Path) -> int:
    """The negative control: how many lines a descriptor takes after its folder was removed."""
    gone = folder / "gone"
    gone.mkdir()
    fd = os.open(gone / "changes.jsonl", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    shutil.rmtree(gone)
    taken = sum(os.write(fd, b"line\n") == 5 for _ in range(100))
    os.close(fd)
    assert taken == 100
    return taken


def test_a_journal_that_is_removed_is_told_as_damage_and_no_other(tmp_path, size, tally):
    recordings = [Recording(tmp_path / str(number), random.Random(number)) for number in range(size(10, 200))]
    for recording in recordings:
        recording.change()
        (recording.folder / "changes.jsonl").unlink()
        recording.result()
    time.sleep(1.0)
    kept = [len(recording.changes) for recording in recordings]
    found = [recording.end() for recording in recordings]
    silent = 0
    for recording, run, before in zip(recordings, found, kept, strict=True):
        others = [finding.reason for finding in run.damage if finding.file != "changes.jsonl"]
        assert all("is in no journal" in reason for reason in others), run.damage
        silent += not run.damage
        assert not recording.errors
        assert [change.target for change in run.changes] == recording.changes[before:]
        assert set(recording.results) == run.results.keys()
    tally(
        test="journals removed while live",
        trials=len(found),
        faults=len(found),
        acknowledged=None,
        silent=silent,
        control=f"a descriptor alone: {void_lines(tmp_path)} of 100 lines taken into a removed folder",
    )
