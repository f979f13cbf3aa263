"""Random kill -9: what was acknowledged is there, the run reads as interrupted at once, and can be resumed."""

from __future__ import annotations

import inspect
import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from runfolio import Status
from runfolio.errors import FormatError
from runfolio.run import Run

from .nursery import Nursery
from .oracle import Verdict, judge_all, labels, read

SEED = 20261123
LONGEST = 0.03
"""Seconds until a kill, at most: every fourth time from before the run has begun, else from its first record."""

WORKLOADS: dict[str, dict[str, Any]] = {
    "changes from one thread": {"what": "changes"},
    "changes from four threads": {"what": "threads"},
    "steps with messages, snapshots, timings and results": {"what": "steps"},
    "results in files": {"what": "reports"},
    "lines of 500 KB": {"what": "long_lines"},
    "changes, durability power": {"what": "changes", "durability": "power"},
}
FIRST = {"changes": "change:", "threads": "change:", "long_lines": "change:", "steps": "began:", "reports": "result:"}
"""What a workload acknowledges first."""
IN_FLIGHT = {"threads": 4}
"""Calls that can be in flight at once, where that is not one."""


class Killed(NamedTuple):
    """What a writer acknowledged before it was killed, and when that was, by the monotonic clock."""

    acknowledged: list[str]
    at: float


class Trial(NamedTuple):
    """What was acknowledged, and what a reader gave after the kill."""

    acknowledged: list[str]
    run: Run | None
    verdict: Verdict | None
    seconds: float
    """From the kill until a reader said that the run is interrupted."""


def kill(nursery: Nursery, root: Path, delay: float, *, do: str = "record", hear: str = "up", **wanted: Any) -> Killed:
    """Begin or resume a run, and kill its writer after so long."""
    with nursery.begin(do, root=str(root), **wanted) as child:
        child.hear(hear)
        assert child.listen(delay), "it ended by itself"
        at = time.monotonic()
        child.kill()
        assert child.wait() == signal.SIGKILL
    return Killed([label for label in child.acknowledged if label != "up"], at)


def look(root: Path, *kills: Killed) -> Trial:
    """What a reader gives of the run whose writer was killed just now, wherever in its beginning that was."""
    acknowledged, at = [label for killed in kills for label in killed.acknowledged], kills[-1].at
    try:
        (folder,) = root.iterdir()
        run = read(folder)
        while run.state == "in_progress" and time.monotonic() < at + 5:
            run.refresh()
    except (ValueError, FileNotFoundError, FormatError):  # neither a folder, nor anything in it
        return Trial(acknowledged, None, None, 0)
    seconds = time.monotonic() - at
    return Trial(acknowledged, run, judge_all(run, acknowledged), seconds)


def assert_nothing_is_lost(trial: Trial, in_flight: int) -> None:
    """The oracle, for a run whose writers are dead."""
    if trial.run is None or trial.verdict is None:
        assert not trial.acknowledged
        return
    found = trial.verdict
    assert (found.lost, found.twice, found.is_ordered) == ([], [], True)
    assert len(found.unacknowledged) <= in_flight
    assert len(found.damage) <= 1
    if trial.acknowledged:
        assert trial.run.state == "interrupted" and "its lock is free" in trial.run.state_reason
        assert trial.seconds < 1
        assert all(finding.reason.startswith("torn:") for finding in found.damage)


def assert_can_be_resumed(run: Run) -> None:
    """Go on with a run that was interrupted: all that was there is there, and nothing is damaged any more."""
    before = labels(run)
    status = Status.resume(run.folder)
    status.log("0-999999999")
    status.complete()
    after = read(run.folder)
    assert (after.state, after.damage) == ("completed", [])
    assert sorted(labels(after)) == sorted([*before, "log:0-999999999"])


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_killed_writers_run_has_all_that_was_acknowledged(nursery, tmp_path, size, tally, workload):
    wanted = WORKLOADS[workload]
    if "durability" in wanted and "durability" not in inspect.signature(Status).parameters:
        pytest.skip("this version has one level of durability")
    rng, trials = random.Random(SEED), size(30, 1500)
    acknowledged = torn = 0
    slowest = 0.0
    for number in range(trials):
        root = tmp_path / f"{number}"
        root.mkdir()
        hear = FIRST[wanted["what"]] if number % 4 else "up"
        trial = look(root, kill(nursery, root, rng.uniform(0, LONGEST), hear=hear, **wanted))
        assert_nothing_is_lost(trial, IN_FLIGHT.get(wanted["what"], 1))
        if trial.run is not None and trial.run.state == "interrupted":
            torn += any(finding.reason.startswith("torn:") for finding in trial.verdict.damage)
            assert_can_be_resumed(trial.run)
        acknowledged += len(trial.acknowledged)
        slowest = max(slowest, trial.seconds)
        shutil.rmtree(root)
    lost, of = buffered_writing_loses(nursery, tmp_path, rng, size(3, 50))
    assert lost
    tally(
        test=f"kill -9: {workload}; {torn} torn, seen as interrupted within {slowest * 1000:.0f} ms",
        trials=trials,
        faults=trials,
        acknowledged=acknowledged,
        control=f"buffered writing lost {lost:,} of {of:,}",
        seed=SEED,
    )


def test_a_run_that_is_killed_resumed_and_killed_again_has_all_that_was_acknowledged(nursery, tmp_path, size, tally):
    rng, trials = random.Random(SEED), size(25, 1500)
    acknowledged = 0
    for number in range(trials):
        root = tmp_path / f"{number}"
        root.mkdir()
        first = kill(nursery, root, rng.uniform(0, LONGEST), what="steps", hear="began:")
        second = kill(nursery, root, rng.uniform(0, LONGEST), what="steps", worker=1, resume=True)
        trial = look(root, first, second)
        assert_nothing_is_lost(trial, 2)
        assert_can_be_resumed(trial.run)
        acknowledged += len(trial.acknowledged)
        shutil.rmtree(root)
    lost, of = buffered_writing_loses(nursery, tmp_path, rng, size(3, 50))
    assert lost
    tally(
        test="kill -9: runs that were killed and resumed",
        trials=trials,
        faults=2 * trials,
        acknowledged=acknowledged,
        control=f"buffered writing lost {lost:,} of {of:,}",
        seed=SEED,
    )


def buffered_writing_loses(nursery: Nursery, tmp_path: Path, rng: random.Random, trials: int) -> tuple[int, int]:
    """The negative control: how much the same oracle misses where lines go through buffered files."""
    lost = of = 0
    for number in range(trials):
        root = tmp_path / f"buffered-{number}"
        root.mkdir()
        hear, delay = "change:", rng.uniform(0, LONGEST)
        found = look(root, kill(nursery, root, delay, do="record_buffered", hear=hear, what="changes"))
        lost += len(found.verdict.lost)
        of += len(found.acknowledged)
        shutil.rmtree(root)
    return lost, of
