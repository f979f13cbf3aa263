"""Places: what threads and processes of pools record is inside of the step that handed out the work."""

from __future__ import annotations

import contextvars
import multiprocessing
import os
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pandas as pd
import pytest

from runfolio import Status, load_run, tracked
from runfolio.errors import RunEndedError, UsageError
from runfolio.place import current

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """Let a process that is spawned find the functions here."""
    monkeypatch.syspath_prepend(Path(__file__).parent.parent)


@tracked(module="Part")
def half(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.head(len(frame) // 2)


def by_hand(number: int) -> str:
    status = current()
    with status.step("Worker", f"part {number}") as step:
        status.log(f"log {number}")
        step.result(pd.DataFrame({"n": [number]}))
    status.record_change("UPDATE", f"column {number}")
    status.progress(number, 10)
    status.progress(number + 1, 10)
    return step.key


def die(_: int) -> None:
    with current().step("Worker", "killed"):
        os.kill(os.getpid(), 9)


def pool_of(method: str) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method))


def parents(run, module: str) -> list[str | None]:
    return [timing.parent_id for timing in run.timing_records if timing.module_name == module]


def id_of(run, module: str, experiment: str) -> str:
    (found,) = [t for t in run.timing_records if (t.module_name, t.experiment_name) == (module, experiment)]
    return found.record_id


def assert_whole(status: Status) -> None:
    run = load_run(status.folder)
    assert (run.state, run.damage) == ("completed", [])
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=run.folder, check=True)


class TestThreads:
    def test_carried_calls_are_inside_of_the_step_that_handed_them_out(self, people):
        with Status() as status, ThreadPoolExecutor(2) as pool:
            for name in ("one", "two"):
                with status.step("Fit", name, data=people):
                    list(pool.map(status.carry(half), [people] * 4))
        for index, name in enumerate(("one", "two")):
            assert parents(status, "Part")[4 * index : 4 * index + 4] == [id_of(status, "Fit", name)] * 4
        assert_whole(status)

    def test_in_a_run_without_a_step_they_are_steps_behind_the_last_one(self, people):
        with Status() as status, ThreadPoolExecutor(3) as pool:
            with status.step("Loader", "csv") as step:
                step.result(people)
            list(pool.map(status.carry(half), [people] * 4))
        assert parents(status, "Part") == [None] * 4
        assert set(status.get_result()) == {f"Loader[csv]_Part[half{end}]" for end in ("", "_2", "_3", "_4")}

    def test_what_is_recorded_by_hand_is_of_the_step_as_well(self, people):
        with Status() as status, ThreadPoolExecutor(1) as pool:
            with status.step("Loader", "csv") as step:
                step.result(people)
            with status.step("Fit", "all"):
                assert pool.submit(status.carry(by_hand), 3).result() == "Loader[csv]_Worker[part 3]"
        assert parents(status, "Worker") == [id_of(status, "Fit", "all")]
        (change,) = [change for change in status.changes if change.target == "column 3"]
        assert (change.module_name, change.snapshot_id) == ("Fit", status.get_snapshots("Fit")[1].snapshot_id)
        samples = {event.record_id for event in status.events if event.type == "progress"}
        assert samples == {id_of(status, "Fit", "all")}

    def test_a_thread_stands_where_it_stood_when_the_place_is_left(self, people):
        with Status() as status:
            with status.step("Loader", "a") as step:
                step.result(people)
            place = status.place()
            with status.step("Clean", "b") as step:
                step.result(people)
                with place.enter() as entered:
                    assert entered is status
                    with status.step("Clean", "c") as other:
                        assert other.key == "Loader[a]_Clean[c]"
                half(people)
        assert parents(status, "Part") == [id_of(status, "Clean", "b")]
        assert [t.parent_id for t in status.timing_records if t.experiment_name == "c"] == [None]

    def test_a_copied_context_has_the_run_and_no_place_in_it(self, people):
        with Status() as status, ThreadPoolExecutor(1) as pool:
            pool.submit(contextvars.copy_context().run, half, people).result()
            assert pool.submit(half, people).result().shape == (1, 3)
        assert parents(status, "Part") == [None]

    def test_an_ended_run_takes_nobody(self, people):
        with Status() as status:
            carried = status.carry(by_hand)
            place = status.place()
        with pytest.raises(RunEndedError):
            carried(1)
        with pytest.raises(RunEndedError), place.enter():
            pass
        assert current() is None

    def test_the_run_begins_where_a_place_is_taken(self):
        status = Status()
        status.place()
        assert status.state == "in_progress"
        status.complete()


class TestProcesses:
    @pytest.mark.parametrize("method", ["fork", "forkserver"])
    def test_each_step_has_the_calls_that_it_handed_out_though_the_workers_stay(self, people, method):
        with Status() as status, pool_of(method) as pool:
            for name in ("one", "two"):
                with status.step("Fit", name, data=people) as step:
                    step.result(pd.concat(pool.map(status.carry(half), [people] * 3)))
        fits = [id_of(status, "Fit", name) for name in ("one", "two")]
        assert sorted(map(str, parents(status, "Part"))) == sorted([fits[0]] * 3 + [fits[1]] * 3)
        assert list(status.get_timing()["module_name"]) == ["Fit", "Fit"]
        assert [path.name for path in status.folder.glob("*.lock")] == [], "a worker has not left"
        assert_whole(status)

    @pytest.mark.parametrize("method", ["fork", "spawn"])
    def test_steps_by_hand_follow_the_last_step_before(self, people, method):
        with Status() as status:
            with status.step("Loader", "csv") as step:
                step.result(people)
            with pool_of(method) as pool:
                found = list(pool.map(status.carry(by_hand), range(3)))
        assert found == [f"Loader[csv]_Worker[part {number}]" for number in range(3)]
        assert set(status.get_result()) == set(found)
        assert {event.message for event in status.events if event.type == "log"} == {"log 0", "log 1", "log 2"}
        assert_whole(status)

    def test_tracked_calls_of_several_processes_have_keys_of_their_own(self, people):
        with Status() as status:
            with pool_of("fork") as pool:
                list(pool.map(status.carry(half), [people] * 6))
            half(people)
        assert len(status.results) == 7 and "Part[half]" in status.results
        assert_whole(status)

    def test_a_sample_of_progress_is_written_when_its_call_ends(self):
        with Status() as status, status.step("Fit", "all"):
            with pool_of("fork") as pool:
                pool.submit(status.carry(by_hand), 7).result()
            assert [event.done for event in status.events if event.type == "progress"] == [7, 8]

    def test_a_worker_that_is_killed_leaves_a_step_that_did_not_end_and_a_sound_run(self, people):
        with Status() as status:
            with status.step("Fit", "all", data=people) as step, pool_of("fork") as pool:
                with pytest.raises(BrokenProcessPool):
                    pool.submit(status.carry(die), 1).result()
                step.result(people)
        run = load_run(status.folder)
        begun = [event for event in run.events if event.type == "step"]
        assert [(event.experiment_name, event.parent_id) for event in begun] == [
            ("all", None),
            ("killed", id_of(run, "Fit", "all")),
        ]
        assert [timing.module_name for timing in run.timing_records] == ["Fit"]
        assert_whole(status)

    def test_a_place_goes_into_a_process_of_any_kind(self, people, tmp_path):
        code = (
            "import pickle, sys\nfrom runfolio.place import current\n"
            "place = pickle.load(open(sys.argv[1], 'rb'))\n"
            "with place.enter() as status:\n    assert current() is status\n    status.log('from afar')\n"
        )
        with Status() as status, status.step("Fit", "all"):
            (tmp_path / "place").write_bytes(pickle.dumps(status.place()))
            subprocess.run([sys.executable, "-c", code, str(tmp_path / "place")], check=True)
            (event,) = [event for event in status.events if event.type == "log"]
        assert (event.message, event.module_name) == ("from afar", "Fit")
        assert_whole(status)

    def test_a_run_that_has_ended_is_not_joined(self):
        with Status() as status:
            place = status.place()
        with pool_of("spawn") as pool, pytest.raises(UsageError, match="can't be joined: it is completed"):
            pool.submit(place.carry(by_hand), 1).result()

    def test_a_pool_that_outlives_the_run_leaves_it_sound(self, people):
        with pool_of("spawn") as pool:
            with Status() as status, status.step("Fit", "all"):
                pool.submit(status.carry(half), people).result()
        assert parents(status, "Part") == [id_of(status, "Fit", "all")]
        assert_whole(status)
