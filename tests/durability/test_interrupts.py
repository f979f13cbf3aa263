"""Signals at random moments in a process that goes on: what was acknowledged is there, and nothing looks damaged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from runfolio.verification import verify

from .nursery import Nursery
from .oracle import Verdict, judge_all, read

SEED = 20261124
SIGNALS = 50
HANDLERS = {"raise": "signals whose handler raises", "record": "signals whose handler records"}


def interrupt(nursery: Nursery, root: Path, do: str, how: str, seed: int) -> tuple[Verdict, list[str]]:
    """Record while signals come; returns what a reader gives, and what was acknowledged."""
    root.mkdir()
    with nursery.begin(do, root=str(root), how=how, signals=SIGNALS, seed=seed) as child:
        child.hear("ended", 120)
        assert child.wait() == 0
    (folder,) = root.iterdir()
    acknowledged = [label for label in child.acknowledged if label != "ended"]
    found = judge_all(read(folder), acknowledged)
    if not found.damage:
        assert verify(folder).findings == [] and list(folder.glob("*.lock")) == []
    shutil.rmtree(root)
    return found, acknowledged


@pytest.mark.parametrize("how", HANDLERS)
def test_what_was_acknowledged_before_between_and_behind_signals_is_there(nursery, tmp_path, size, tally, how):
    trials, controls, number = size(6, 200), size(10, 60), 0
    for trial in range(trials):
        found, acknowledged = interrupt(nursery, tmp_path / f"{trial}", "record_interrupted", how, SEED + trial)
        assert (found.lost, found.twice, found.is_ordered, found.damage) == ([], [], True, [])
        assert len(found.unacknowledged) <= SIGNALS
        number += len(acknowledged)
    lost = damaged = 0
    for trial in range(controls):
        found, _ = interrupt(nursery, tmp_path / f"c{trial}", "record_interrupted_and_go_on", "raise", SEED + trial)
        lost += len(found.lost)
        damaged += bool(found.damage)
    assert damaged
    tally(
        test=HANDLERS[how],
        trials=trials,
        faults=trials * SIGNALS,
        acknowledged=number,
        control=f"going on as if nothing was written damaged {damaged} of {controls} runs, {lost} lost",
        seed=SEED,
    )
