"""The board in lines: what stays where there is little room, and what no number can break."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

from runfolio.cli.board import Board, Heading, bar, left, running_line, total_line
from runfolio.cli.terminal import plain
from runfolio.progress import Look, Progress, Running
from runfolio.records import Failure, PathStep
from runfolio.steptable import StepRow

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HEADING = Heading("20261123T120000Z-people-abcd", "people", "in_progress", "its writer holds its lock", 12.0)


def text(line) -> str:
    return "".join(map(plain, line))


def running(number: int, **fields: object) -> Running:
    nothing = {"done": None, "total": None, "unit": None, "rate": None, "seconds_left": None}
    return Running(
        record_id=f"timing-{number}",
        module_name="Fit",
        experiment_name=str(number),
        step_name="run",
        depth=0,
        start_time=NOON,
        elapsed_seconds=3.0,
        **{**nothing, **fields},
    )


def ended(number: int) -> StepRow:
    return StepRow(
        record_id=f"timing-{number}",
        module_name="Load",
        experiment_name=str(number),
        step_name="run",
        path=(),
        depth=0,
        outcome="completed",
        start_time=NOON + timedelta(seconds=number),
        duration_seconds=1.0,
    )


def look(*, done: int = 0, running: list[Running] | None = None, waiting: int = 0) -> Look:
    paths = [(PathStep("Wait", str(number)),) for number in range(waiting)]
    progress = Progress(
        running=running or [], steps_done=done, steps_total=done + waiting + 1, waiting=paths, seconds_left=None
    )
    return Look(
        state="in_progress",
        progress=progress,
        ended=[ended(number) for number in range(done)],
        changes=[],
        messages=[],
    )


def board(**wanted: object) -> Board:
    found = Board()
    found.take(look(**wanted))
    return found


@pytest.mark.parametrize("height", [5, 8, 12, 20, 40, 200])
def test_what_runs_stays_however_high_the_screen_is(height):
    lines = [text(line) for line in board(done=100, running=[running(1000)], waiting=30).lines(HEADING, None, height)]
    assert len(lines) <= height
    assert any(line.startswith("Fit[1000]") for line in lines) or height < 7
    shown = [line for line in lines if line.startswith("Load")]
    to_come = [line for line in lines if line.startswith("Wait")]
    if height >= 12:
        assert shown[-1].startswith("Load[99]")
    if height == 200:
        assert (len(shown), len(to_come)) == (100, 30)
    elif height >= 12:
        assert f"… {100 - len(shown)} steps before" in lines
        assert f"… {30 - len(to_come)} steps to come" in lines


def test_steps_that_ran_when_the_run_was_cut_off_are_unfinished():
    found = board(done=1, running=[running(7)])
    cut = Heading("run", None, "interrupted", "its lock is free", None)
    lines = [text(line) for line in found.lines(cut, None, None)]
    assert "Fit[7]   unfinished" in lines
    assert lines[1] == "interrupted: its lock is free"


def test_an_error_is_told_in_full():
    failure = Failure(
        type="ValueError", message="no", traceback="Traceback:\n  here\nValueError: no\n", module_name="Fit",
        experiment_name="a",
    )  # fmt: skip
    lines = [text(line) for line in board().lines(HEADING, failure, None)]
    assert lines[-4:] == ["Error in Fit[a]", "Traceback:", "  here", "ValueError: no"]


@pytest.mark.parametrize(
    ("share", "full"), [(0, 0), (0.5, 10), (1, 20), (2, 20), (-1, 0), (math.inf, 20), (1e308, 20), (0.999, 19)]
)
def test_bars_are_between_empty_and_full(share, full):
    drawn = "".join(map(plain, bar(share)))
    assert drawn == "█" * full + "░" * (20 - full)


@pytest.mark.parametrize(
    ("seconds", "told"), [(None, ""), (0.2, "  about 1s left"), (59.4, "  about 59s left"), (125, "  about 2m05s left")]
)
def test_times_to_come_are_about_so_much_or_nothing(seconds, told):
    assert plain(left(seconds)) == told


def test_a_running_step_tells_what_is_known_of_it():
    assert text(running_line(running(1), 8)) == "Fit[1]    running  3.00s"
    assert text(running_line(running(1, done=5.0), 8)) == "Fit[1]    running  3.00s  5"
    line = running_line(running(1, done=5.0, total=20.0, unit="rows", rate=1.6666, seconds_left=9.0), 8)
    assert text(line) == f"Fit[1]    running  3.00s  {'█' * 5}{'░' * 15}  5 of 20 rows  about 9s left  1.67 rows/s"


def test_without_a_plan_steps_are_counted_alone():
    progress = Progress(running=[], steps_done=1, steps_total=None, waiting=[], seconds_left=None)
    assert text(total_line(progress)) == "1 step done"
