"""Progress: what runs, how far that is, what is to come, and how long it may take; by all records, or look by look."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import types
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from runfolio import Executor, Status, list_runs, load_run
from runfolio.clock import Clock
from runfolio.estimate import Samples, earlier_durations
from runfolio.progress import Live, Running, progress_of
from runfolio.steptable import StepRow, steps_of

from .cli.samples import begin, people

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def looked(live: Live) -> tuple[list[StepRow], list[Running]]:
    found = live.look()
    return found.ended, found.progress.running


def run_of(seconds: dict[str, float], name: str = "nightly", *, fails: bool = False) -> Status:
    """A run whose steps took so long, each by its experiment's name, by a clock that only they move."""
    ticks = [0.0]
    status = Status(name=name, clock=Clock(now=lambda: at(ticks[0] - 86400), monotonic=lambda: ticks[0]))
    for experiment, duration in seconds.items():
        with status.step("Fit", experiment, after=None):
            ticks[0] += duration
    if fails:
        status.fail("on purpose")
    else:
        status.complete()
    return status


class TestRates:
    def test_are_those_of_the_last_half_minute(self):
        samples = Samples(at(0))
        for second in range(60):
            samples.take(at(second), second * 100)
        for second in range(60, 100):
            samples.take(at(second), 6000 + (second - 60) * 10)
        assert samples.rate == 10
        assert samples.seconds_left(7000, at(99)) == 61
        assert samples.seconds_left(7000, at(109)) == 51
        assert samples.seconds_left(7000, at(999)) is None

    def test_of_one_sample_are_those_since_the_start(self):
        samples = Samples(at(0))
        samples.take(at(4), 100)
        assert (samples.rate, samples.seconds_left(300, at(4))) == (25, 8)

    @pytest.mark.parametrize("done", [[], [0], [0, 0], [5, 5]])
    def test_are_none_where_nothing_was_done(self, done):
        samples = Samples(at(0))
        for number, count in enumerate(done):
            samples.take(at(40 * number), count)
            samples.take(at(40 * number + 20), count)
            samples.take(at(40 * number + 38), count)
        assert (samples.rate, samples.seconds_left(10, at(100))) == (None, None)

    def test_begin_anew_where_something_else_is_counted(self):
        samples = Samples(at(0))
        samples.take(at(1), 900)
        samples.take(at(2), 1)
        samples.take(at(4), 5)
        assert samples.rate == 2

    def test_say_nothing_of_more_than_the_total_or_of_none(self):
        samples = Samples(at(0))
        samples.take(at(1), 10)
        assert samples.seconds_left(9, at(1)) is samples.seconds_left(None, at(1)) is None


class TestGetProgress:
    def test_tells_what_runs_how_far_it_is_and_how_fast(self):
        ticks = [0.0]
        clock = Clock(now=lambda: at(ticks[0]), monotonic=lambda: ticks[0])
        status = Status(name="people", clock=clock)
        with status.step("Loader", "csv") as step:
            step.result(people())
        with status.step("Fit", "model") as step:
            ticks[0] = 10
            step.progress(50, 200, "rows")
            ticks[0] = 12
            with status.step("Inner", "fold"):
                found = progress_of(load_run(status.folder), clock)
                fit, inner = found.running
                assert (fit.module_name, fit.depth, fit.elapsed_seconds) == ("Fit", 0, 12)
                assert (fit.done, fit.total, fit.unit, fit.rate, fit.seconds_left) == (50, 200, "rows", 5, 28)
                assert (inner.module_name, inner.depth, inner.done, inner.rate, inner.seconds_left) == (
                    "Inner", 1, None, None, None
                )  # fmt: skip
                assert (found.steps_done, found.steps_total, found.waiting, found.seconds_left) == (1, None, [], None)
        status.complete()
        ended = load_run(status.folder).get_progress()
        assert (ended.running, ended.steps_done) == ([], 2), "what is inside another is a part of it"

    def test_of_a_status_that_wrote_nothing_is_empty(self):
        found = Status().get_progress()
        assert (found.running, found.steps_done, found.steps_total, found.seconds_left) == ([], 0, None, None)

    def test_without_a_total_or_an_earlier_run_makes_nothing_up(self):
        with Status(name="first") as status, status.step("Fit", "model") as step:
            step.progress(5)
            (running,) = status.get_progress().running
            assert running.seconds_left is None

    def test_goes_by_the_median_of_the_last_five_runs_of_the_same_name(self):
        for seconds in (1000, 10, 12, 14, 16, 18):
            run_of({"model": seconds})
        run_of({"model": 5000}, "another")
        run_of({"model": 5000}, fails=True)
        ticks = [0.0]
        clock = Clock(now=lambda: at(ticks[0]), monotonic=lambda: ticks[0])
        status = Status(name="nightly", clock=clock)
        with status.step("Fit", "model", after=None):
            ticks[0] = 4
            (running,) = progress_of(status, clock).running
            assert running.seconds_left in {median - 4 for median in (12, 13, 14, 15, 16)}
            ticks[0] = 40
            (running,) = progress_of(status, clock).running
            assert running.seconds_left is None, "it has taken longer already"
        status.complete()


CONFIG = """
Loader: {{a: {{method: "plan_kit:load"}}}}
Middle: {{b: {{method: "plan_kit:look"}}}}
Last: {{c: {{method: "plan_kit:keep", by: {by}}}}}
"""


@pytest.fixture
def kit(monkeypatch) -> list:
    """A module for pipelines, whose `look` keeps how far the run is that it is in."""
    module, seen = types.ModuleType("plan_kit"), []
    ticks = [0.0]

    def look(data):
        seen.append(load_run("latest").get_progress())
        with Live(load_run("latest").folder) as live:
            seen.append(live.look().progress)
        return data

    def keep(data, by=1):
        time.sleep(0.002)
        return data

    module.load, module.look, module.keep, module.ticks = people, look, keep, ticks
    for function in (people, look, keep):
        monkeypatch.setattr(function, "__module__", "plan_kit")
    monkeypatch.setitem(sys.modules, "plan_kit", module)
    return seen


class TestPlan:
    def test_tells_what_is_to_come_and_when_all_may_be_done_once_it_was_done_before(self, kit, monkeypatch):
        monkeypatch.setattr("runfolio.estimate.EARLIER_RUNS", 1)
        for by in (1, 2, 1):
            Executor(yaml.safe_load(CONFIG.format(by=by)), name="planned").run()
        for number, found in enumerate(kit):
            assert (found.steps_done, found.steps_total) == (1, 3)
            assert [[step.module_name for step in path] for path in found.waiting] == [["Loader", "Middle", "Last"]]
            assert [step.module_name for step in found.running] == ["Middle"]
            if number < 2:
                assert found.seconds_left is None
        assert kit[-1].seconds_left is None or kit[-1].seconds_left > 0.002

    def test_of_the_same_configuration_comes_before_one_of_the_same_name(self, kit):
        for by in (1, 2):
            Executor(yaml.safe_load(CONFIG.format(by=by)), name="planned").run()
        first, second = list_runs()["folder"].map(load_run)[::-1]
        for run in (first, second):
            digest = next(event for event in run.events if event.type == "config").context["sha256"]
            found = earlier_durations(run.folder, run.name, datetime.now(UTC), digest)
            path = next(path for path in found if path[-1].module_name == "Last")
            timing = next(timing for timing in run.timing_records if timing.module_name == "Last")
            assert found[path] == timing.duration_seconds


def test_a_step_that_an_earlier_attempt_left_runs_no_more():
    status = Status(name="people")
    status.step("Fit", "left").__enter__()
    status.fail("on purpose")
    live = Live(status.folder)
    resumed = Status.resume(status.folder)
    with resumed.step("Fit", "again"):
        assert [step.experiment_name for step in live.look().progress.running] == ["again"]
        assert [step.experiment_name for step in resumed.get_progress().running] == ["again"]
    live.close()
    resumed.complete()


class TestLive:
    def test_looks_find_each_step_once_and_hold_nothing_that_is_over(self):
        status = begin("people")
        live = Live(status.folder)
        ended, running = looked(live)
        assert ([step.module_name for step in ended], running) == (["Loader"], [])
        with status.step("Clean", "a") as step:
            step.progress(1, 2, "rows")
            with status.step("Inner", "b"):
                ended, running = looked(live)
                assert ended == []
                assert [(row.module_name, row.depth) for row in running] == [("Clean", 0), ("Inner", 1)]
                assert (running[0].done, running[0].total, running[0].unit) == (1, 2, "rows")
        with contextlib.suppress(ValueError), status.step("Fit", "c"):
            raise ValueError("told to")
        ended, running = looked(live)
        assert [(row.module_name, row.outcome) for row in ended] == [("Clean", "completed"), ("Fit", "failed")]
        status.complete()
        assert looked(live) == ([], [])
        assert {len(records) for held in live._workers.values() for records in held._held.values()} <= {0, 1}

    def test_steps_of_several_threads_are_found_once(self):
        status = begin("people")
        live, found = Live(status.folder), []

        def other(number: int) -> None:
            with status.step("Other", str(number), after=None):
                pass

        with status.step("Clean", "a"):
            for number in range(3):
                thread = threading.Thread(target=other, args=[number])
                thread.start()
                thread.join()
                found += live.look().ended
        found += live.look().ended
        status.complete()
        names = [f"{row.module_name}[{row.experiment_name}]" for row in found]
        assert names == ["Loader[csv]", "Other[0]", "Other[1]", "Other[2]", "Clean[a]"]

    def test_it_finds_what_there_is_all_at_once_or_bit_by_bit(self):
        status = begin("people")
        live, found = Live(status.folder), []
        for number in range(20):
            with status.step("Clean", str(number), after=[("Loader", "csv")]) as step:
                step.result(status.results["Loader[csv]"]["data"][: number % 3])
                found += live.look().ended if number % 2 else []
            found += live.look().ended if number % 3 else []
        status.complete()
        found += live.look().ended
        with Live(status.folder) as whole:
            assert found == steps_of(load_run(status.folder)) == whole.look().ended


def test_a_step_that_goes_on_part_way_is_not_fast_for_what_was_done_before():
    samples = Samples(at(0))
    for second, done in ((1, 900), (2, 901), (3, 902)):
        samples.take(at(second), done)
    assert (samples.rate, samples.seconds_left(1000, at(3))) == (1, 98)


def test_samples_of_one_time_take_neither_time_nor_memory():
    samples = Samples(at(0))
    for number in range(50_000):
        samples.take(at(0), number)
    samples.take(at(60), 60_000)
    assert len(samples._samples) <= 1000
