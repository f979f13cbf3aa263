"""The one oracle: what the reader gives = what was acknowledged, plus at most what was in flight.

Writers under test record changes whose targets are `<worker>-<number>`, numbers counting up from 0, and acknowledge
each after its call returned.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from runfolio.errors import DamageWarning
from runfolio.history import Finding
from runfolio.run import Run


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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DamageWarning)
        return Run(folder)


def judge(folder: Path, acknowledged: Iterable[str]) -> Verdict:
    """Read a folder and hold the targets of its changes against those that were acknowledged."""
    run = read(folder)
    given = [change.target for change in run.changes]
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
        damage=run.damage,
    )
