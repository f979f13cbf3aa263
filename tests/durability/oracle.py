"""The one oracle: what the reader gives = what was acknowledged, plus at most what was in flight.

Writers under test record changes whose targets are `<worker>-<number>`, numbers counting up from 0, and acknowledge
each after its call returned. Those of `children.py` record other kinds as well, and acknowledge `<kind>:<name>`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from runfolio.artifacts import StoredResult
from runfolio.errors import DamageError
from runfolio.history import Finding
from runfolio.records import Change
from runfolio.run import Run
from runfolio.view import RunView

from .children import long_payload, payload, report


class Verdict(NamedTuple):
    """What a reader gave, held against what was acknowledged."""

    given: int
    lost: list[str]
    """Acknowledged, and not given."""
    unacknowledged: list[str]
    """Given, and not acknowledged: what was in flight."""
    twice: list[str]
    is_ordered: bool
    damage: list[Finding]


def read(folder: Path) -> Run:
    """The run, damaged or not."""
    return Run(folder)


def judge(folder: Path, acknowledged: Iterable[str]) -> Verdict:
    """Read a folder and hold the targets of its changes against those that were acknowledged."""
    run = read(folder)
    return compare([change.target for change in run.changes], acknowledged, run.damage)


def judge_all(run: Run, acknowledged: Iterable[str]) -> Verdict:
    """Hold the records of every kind, and all that is in them, against those that were acknowledged."""
    return compare(labels(run), acknowledged, run.damage)


def compare(given: list[str], acknowledged: Iterable[str], damage: list[Finding]) -> Verdict:
    """Hold what was given against what was acknowledged; what stands before the last `-` has one order."""
    counts, wanted = Counter(given), set(acknowledged)
    numbers: dict[str, int] = {}
    ordered = True
    for target in given:
        worker, _, number = target.rpartition("-")
        ordered &= int(number) > numbers.get(worker, -1)
        numbers[worker] = int(number)
    return Verdict(
        given=len(given),
        lost=sorted(wanted - counts.keys()),
        unacknowledged=sorted(counts.keys() - wanted),
        twice=sorted(target for target, count in counts.items() if count > 1),
        is_ordered=ordered,
        damage=damage,
    )


def labels(run: RunView) -> list[str]:
    """What `children.py` acknowledges, of all records whose content is as it was recorded."""
    found = [f"change:{one.target}" for one in run.changes if _is_as_recorded(one)]
    found += [f"log:{one.message}" for one in run.events if one.type == "log"]
    found += [f"began:{one.experiment_name}" for one in run.events if one.type == "step"]
    for snapshot in run.snapshots:
        name, context = snapshot.experiment_name, snapshot.context
        if context["point"] == "manual" and context == {"point": "manual", **payload(name)}:
            found.append(f"snapshot:{name}")
    found += [
        f"timing:{one.experiment_name}" for one in run.timing_records if one.context == payload(one.experiment_name)
    ]
    timed = {one.experiment_name for one in run.timing_records if one.step_name == "run"}
    after = [one for one in run.snapshots if one.context["point"] == "after"]
    found += [f"ended:{one.experiment_name}" for one in after if one.experiment_name in timed]
    for one in run.result_records:
        name = one.path[-1].experiment_name if one.path else one.key
        (stored,) = run._stored([one]).values()  # those as well that a restore went back behind
        if _is_whole(stored, name):
            found.append(f"result:{name}")
    return found


def _is_whole(stored: StoredResult, name: str) -> bool:
    try:
        return stored["data"] == report(name)
    except DamageError:
        return False


def _is_as_recorded(change: Change) -> bool:
    return change.details == payload(change.target) or change.details == long_payload(change.target)
