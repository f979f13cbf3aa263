"""What can't be written: raised, or counted while the pipeline runs on; nothing is lost in silence.

The faults are real: a limit on the size of files (`RLIMIT_FSIZE`, with its signal ignored) gives short writes and
EFBIG, a file in the place of a folder ENOTDIR.
"""

from __future__ import annotations

import errno
import shutil
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress

import pandas as pd
import pytest

from runfolio import Executor, Run, Status, list_runs, load_run, losses
from runfolio.clock import Clock
from runfolio.errors import DamageWarning, UsageError, WriteError, WriteWarning

from .fulldisk import file_size_limit


def targets(run) -> list[str]:
    return [change.target for change in run.changes]


@pytest.fixture
def ticks() -> list[float]:
    return [0.0]


@pytest.fixture
def lossy(ticks) -> Iterator[Status]:
    """A run that goes on whatever happens, with a clock that stands still."""
    status = Status(name="lossy", on_write_error="warn", clock=Clock(monotonic=lambda: ticks[0]))
    status.record_change("UPDATE", "kept")
    yield status
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WriteWarning)
        if status.state == "in_progress":
            status.complete()


class TestRaised:
    def test_a_short_write_is_an_error_with_its_number_and_file(self):
        status = Status()
        status.record_change("UPDATE", "first")
        path = status.folder / "changes.jsonl"
        with file_size_limit(path.stat().st_size + 10), pytest.raises(WriteError, match="10 of .* bytes") as caught:
            status.record_change("UPDATE", "second")
        assert (caught.value.errno, caught.value.file) == (errno.ENOSPC, str(path))
        status.complete()

    def test_later_writes_go_on_in_a_fresh_segment_and_the_torn_line_is_no_damage(self):
        status = Status()
        status.record_change("UPDATE", "first")
        size = (status.folder / "changes.jsonl").stat().st_size
        with file_size_limit(size + 10), pytest.raises(WriteError):
            status.record_change("UPDATE", "second")
        status.record_change("UPDATE", "third")
        for run in (status, load_run(status.folder)):
            assert targets(run) == ["first", "third"] and run.lost == 0
        assert (status.folder / "changes.jsonl").stat().st_size == size + 10
        assert len(list(status.folder.glob("changes.*.jsonl"))) == 1
        status.complete()

    def test_what_fails_for_good_is_told_each_time_and_no_descriptor_is_left(self, root):
        status = Status()
        status.record_change("UPDATE", "first")
        with file_size_limit(1):
            for _ in range(50):
                with pytest.raises(WriteError):
                    status.record_change("UPDATE", "x")
        status.record_change("UPDATE", "last")
        assert targets(load_run(status.folder)) == ["first", "last"]
        assert len(list(status.folder.glob("*.lock"))) == 2
        status.complete()

    def test_a_run_that_can_not_begin_leaves_no_folder(self, root):
        status = Status()
        with file_size_limit(1), pytest.raises(WriteError):
            status.start()
        assert list(root.iterdir()) == [] and status.folder is None
        status.start()
        assert load_run(status.folder).damage == []
        status.complete()

    def test_an_end_that_could_not_be_told_can_be_told_again(self):
        status = Status()
        status.start()
        (status.folder / "run.json").unlink()
        (status.folder / "run.json").mkdir()
        with pytest.raises(WriteError, match=r"run\.json"):
            status.complete()
        (status.folder / "run.json").rmdir()
        status.complete()
        assert load_run(status.folder).damage == []


class TestVanished:
    """A write to a file that was removed succeeds: only a look tells."""

    def wait_for(self, status: Status) -> tuple[int | None, str]:
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline:
            try:
                status.record_change("UPDATE", "into the void")
            except WriteError as error:
                return error.errno, str(error)
            time.sleep(0.01)
        raise AssertionError("it was not noticed within a second")

    def test_a_folder_that_is_removed_is_noticed_within_a_second(self):
        status = Status()
        status.record_change("UPDATE", "acknowledged")
        shutil.rmtree(status.folder)
        number, message = self.wait_for(status)
        assert number == errno.ENOENT and str(status.folder) in message
        assert "moved, removed or replaced" in message or "moved or removed" in message

    def test_one_that_is_moved_away_is_too_and_when_it_is_back_the_run_goes_on(self, root):
        status = Status()
        status.record_change("UPDATE", "before")
        status.folder.rename(root / "away")
        assert self.wait_for(status)[0] == errno.ENOENT
        (root / "away").rename(status.folder)
        status.record_change("UPDATE", "back")
        found = targets(load_run(status.folder))
        assert (found[0], found[-1]) == ("before", "back")
        status.complete()

    def test_nothing_is_written_into_another_folder_of_that_name(self):
        status = Status()
        status.start()
        shutil.rmtree(status.folder)
        status.folder.mkdir()
        self.wait_for(status)
        assert list(status.folder.iterdir()) == []

    def test_a_journal_that_is_removed_is_told_as_damage_and_the_run_goes_on_in_another(self):
        status = Status()
        status.record_change("UPDATE", "removed")
        (status.folder / "changes.jsonl").unlink()
        time.sleep(1)
        status.record_change("UPDATE", "kept")
        run = Run(status.folder)
        assert targets(run) == ["kept"] and any("missing" in finding.reason for finding in run.damage)
        with pytest.warns(DamageWarning):
            load_run(status.folder)
        status.complete()

    def test_a_lock_that_is_removed_is_followed_by_another(self):
        status = Status()
        status.start()
        (status.folder / "main.lock").unlink()
        assert load_run(status.folder).state == "interrupted"
        time.sleep(1)
        status.record_change("UPDATE", "x")
        run = load_run(status.folder)
        assert run.state == "in_progress" and "holds its lock" in run.state_reason and run.damage == []
        with pytest.raises(UsageError, match="can't be resumed: it is in_progress"):
            Status.resume(status.folder)
        status.complete()

    def test_a_process_may_go_to_another_folder(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        status = Status(root="here")
        status.start()
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        time.sleep(0.8)
        status.record_change("UPDATE", "x")
        status.store_result("report", {"a": 1})
        assert status.folder.is_absolute() and targets(status) == ["x"]
        status.complete()
        assert load_run(tmp_path / "here" / status.folder.name).damage == []


class TestCounted:
    def test_the_pipeline_runs_on_and_a_warning_comes_once(self, lossy):
        with file_size_limit(1), pytest.warns(WriteWarning, match="the run goes on") as caught:
            for n in range(20):
                assert lossy.record_change("UPDATE", f"lost-{n}").target == f"lost-{n}"
        assert len(caught) == 1 and lossy.lost == 20
        assert targets(lossy) == ["kept"]

    def test_when_it_can_be_written_again_the_run_tells_what_it_lost(self, lossy, ticks):
        with file_size_limit(1), pytest.warns(WriteWarning):
            for n in range(20):
                lossy.record_change("UPDATE", f"lost-{n}")
        ticks[0] += losses.RETRY_SECONDS
        lossy.record_change("UPDATE", "back")
        run = Run(lossy.folder)
        for one in (lossy, run):
            assert targets(one) == ["kept", "back"] and one.lost == 20
        (finding,) = run.damage
        assert "went on without 20 records" in finding.reason
        event = next(event for event in run.events if event.type == "lost")
        assert event.context == {"records": 20, "results": 0, "error": event.message, "errno": event.context["errno"]}

    def test_it_is_tried_again_once_a_second_and_not_for_each_record(self, lossy, ticks):
        with file_size_limit(1), pytest.warns(WriteWarning):
            lossy.record_change("UPDATE", "lost")
        lossy.record_change("UPDATE", "lost, too")
        assert targets(lossy) == ["kept"]
        ticks[0] += losses.RETRY_SECONDS
        lossy.record_change("UPDATE", "back")
        assert targets(lossy) == ["kept", "back"] and lossy.lost == 2

    def test_the_run_says_so_when_it_ends_and_the_list_of_runs_marks_it(self, lossy, root):
        with file_size_limit(1), pytest.warns(WriteWarning):
            lossy.record_change("UPDATE", "lost")
        with pytest.warns(WriteWarning, match="that could not be written and are lost: 1$"):
            lossy.complete()
        assert Run(lossy.folder).state == "completed"
        assert list_runs()["damage"].to_list() == ["1 records could not be written"]
        with pytest.warns(DamageWarning, match="went on without 1 record"):
            load_run(lossy.folder)

    def test_an_end_that_can_not_be_written_reads_as_interrupted(self, lossy):
        with file_size_limit(1), pytest.warns(WriteWarning) as caught:
            lossy.complete()
        first, last = (str(warning.message) for warning in caught)
        assert "the run goes on" in first and "the folder could not be told so" in last
        assert Run(lossy.folder).state == lossy.state == "interrupted"
        assert lossy.state_reason == "its end could not be written"

    def test_a_result_that_can_not_be_stored_goes_to_the_next_step_all_the_same(self, lossy, people):
        (lossy.folder / "results").touch()
        with pytest.warns(WriteWarning, match="results"):
            with lossy.step("Loader", "csv") as step:
                frame = step.result(people)
            with lossy.step("Clean", "drop", data=frame) as step:
                step.result(frame.dropna())
        pd.testing.assert_frame_equal(frame, people)
        run = Run(lossy.folder)
        assert run.lost == 2 and run.results == {} and len(run.timing_records) == 2
        assert run.get_metadata("Loader").rows == 3

    def test_a_stream_that_can_not_be_stored_is_an_error_for_it_is_used_up(self, lossy, people):
        (lossy.folder / "results").touch()
        with pytest.raises(WriteError), lossy.step("Loader", "csv") as step:
            step.result(iter([people, people]))

    def test_without_any_folder_the_pipeline_runs_on(self, tmp_path, people):
        (tmp_path / "file").touch()
        status = Status(root=tmp_path / "file" / "runs", on_write_error="warn")
        with pytest.warns(WriteWarning):
            with status, status.step("Loader", "csv") as step:
                step.progress(1)
                step.log("x")
                assert step.result(people) is people
        assert status.folder is None and status.changes == [] and status.lost > 4

    def test_so_does_an_executors(self, tmp_path):
        (tmp_path / "file").touch()
        (tmp_path / "a.csv").write_text("a\n1\n")
        run = {"root": str(tmp_path / "file" / "runs"), "on_write_error": "warn"}
        executor = Executor({"Run": run, "Loader": {"csv": {"path": str(tmp_path / "a.csv")}}})
        with pytest.warns(WriteWarning):
            executor.run()
        assert executor.get_result() == {}

    def test_records_that_are_wrong_are_refused_as_ever(self, lossy):
        with pytest.raises(UsageError):
            lossy.record_change("UPDATED", "x")
        assert lossy.lost == 0


def test_what_is_lost_with_the_folder_is_still_counted(root):
    status = Status(on_write_error="warn")
    status.log("kept")
    shutil.rmtree(status.folder)
    with pytest.warns(WriteWarning):
        while not status.lost:
            status.log("gone with it")
            time.sleep(0.05)
        assert status.lost > 0
        status.complete()


class TestTold:
    """What others than the process that ended a run have lost: `runfolio ls` tells of it, too."""

    def test_what_a_guest_lost(self, root, ticks):
        status = Status()
        status.start()
        guest = Status.join(status.folder, on_write_error="warn", clock=Clock(monotonic=lambda: ticks[0]))
        lose(guest, 3)
        ticks[0] += losses.RETRY_SECONDS
        guest.log("back")
        with pytest.warns(WriteWarning):
            guest.close()
        status.complete()
        assert list_runs(root).damage.tolist() == ["3 records could not be written"]

    def test_what_a_guest_lost_that_left_after_the_end(self, root, ticks):
        status = Status()
        status.start()
        guest = Status.join(status.folder, on_write_error="warn", clock=Clock(monotonic=lambda: ticks[0]))
        lose(guest, 3)
        ticks[0] += losses.RETRY_SECONDS
        guest.log("back")
        status.complete()
        with pytest.warns(WriteWarning):
            guest.close()
        assert list_runs(root).damage.tolist() == ["3 records could not be written"]

    def test_what_was_lost_before_the_run_was_resumed(self, root, lossy, ticks):
        lose(lossy, 3)
        ticks[0] += losses.RETRY_SECONDS
        with pytest.warns(WriteWarning):
            lossy.fail("on purpose")
        resumed = Status.resume(lossy.folder)
        resumed.complete()
        assert list_runs(root).damage.tolist() == ["3 records could not be written"]


def lose(status: Status, number: int) -> None:
    status.log("kept")
    (journal,) = (path for path in status.folder.glob("events*.jsonl") if b"kept" in path.read_bytes())
    with file_size_limit(journal.stat().st_size), pytest.warns(WriteWarning, match="the run goes on"):
        for _ in range(number):
            status.log("lost")


class TestStoredAgain:
    """What was lost, or belongs to no step that was committed, takes no key."""

    def test_a_result_that_was_lost(self, people, ticks):
        status = Status(on_write_error="warn", clock=Clock(monotonic=lambda: ticks[0]))
        status.start()
        with file_size_limit(1000), pytest.warns(WriteWarning):
            status.store_result("people", people)
            status.log("lost as well")
        ticks[0] += losses.RETRY_SECONDS
        status.store_result("people", people)
        with pytest.warns(WriteWarning):
            status.complete()
        with pytest.warns(DamageWarning):
            assert load_run(status.folder).results["people"]["data"].equals(people)

    def test_the_result_of_a_step_whose_end_could_not_be_written(self, people):
        status = Status()
        step = status.step("Loader", "csv").__enter__()
        step.result(people.head(1))
        with file_size_limit(100), pytest.raises(WriteError):
            step.__exit__(None, None, None)
        with status.step("Loader", "csv") as step:
            step.result(people)
        status.complete()
        run = load_run(status.folder)
        assert run.results["Loader[csv]"]["data"].equals(people)

    def test_the_result_of_a_step_that_failed(self, people):
        with Status() as status:
            for tries in range(2):
                with suppress(ZeroDivisionError), status.step("Loader", "csv") as step:
                    step.result(people.head(tries + 1))
                    1 // tries
        run = load_run(status.folder)
        assert run.results["Loader[csv]"]["data"].equals(people.head(2))
