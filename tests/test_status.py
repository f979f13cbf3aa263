"""The write side: what each call records, what it refuses, and that nothing is lost by a refusal."""

from __future__ import annotations

import copy
import errno
import json
import os
import pickle
import resource
import shutil
import subprocess
import tempfile
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from runfolio import Field, RunfolioError, Schema, Status, load_run
from runfolio.clock import Clock
from runfolio.codec import MAX_LINE
from runfolio.errors import (
    ContextError,
    DataError,
    DuplicateKeyError,
    NotFoundError,
    ReadOnlyError,
    RunEndedError,
    UsageError,
    WriteError,
)
from runfolio.records import Description
from runfolio.view import WRITE_METHODS, RunView

from .fulldisk import file_size_limit
from .users import as_another_user


def sizes(status: Status) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in status.folder.rglob("*") if path.suffix != ".lock"}


class TestRefusals:
    CASES = {
        "a key that is taken": (lambda s: s.store_result("Loader[csv]", pd.DataFrame({"a": [1]})), DuplicateKeyError),
        "a result of an unsupported type": (lambda s: s.store_result("k", object()), DataError),
        "a result that is a set": (lambda s: s.store_result("k", {1, 2}), DataError),
        "a report that holds NaN": (lambda s: s.store_result("k", {"a": float("nan")}), DataError),
        "a report with keys that are no text": (lambda s: s.store_result("k", {1: 2}), DataError),
        "frames beside something else": (lambda s: s.store_result("k", {"a": pd.DataFrame(), "b": {1}}), DataError),
        "a frame that would come back altered": (
            lambda s: s.store_result("k", pd.DataFrame({"a": [1, "x", object()]})),
            DataError,
        ),
        "a schema that is none": (lambda s: s.store_result("k", {"a": 1}, schema="text"), DataError),
        "a schema of other parts": (
            lambda s: s.store_result("k", pd.DataFrame({"a": [1]}), {"train": Schema.of(1, [])}),
            UsageError,
        ),
        "a key that is no text": (lambda s: s.store_result(3, pd.DataFrame({"a": [1]})), UsageError),
        "a change of an unknown type": (lambda s: s.record_change("RENAME", "a"), UsageError),
        "a target that is no text": (lambda s: s.record_change("UPDATE", None), UsageError),
        "details that are no mapping": (lambda s: s.record_change("UPDATE", "a", [1]), UsageError),
        "keys that become one": (lambda s: s.record_change("UPDATE", "a", {1: 2, "1": 3}), ContextError),
        "a context nested too deeply": (lambda s: s.log("x", context={"a": nested(70)}), ContextError),
        "a context that holds itself": (lambda s: s.log("x", context=cyclic()), ContextError),
        "a record longer than a line may be": (lambda s: s.log("x" * MAX_LINE), UsageError),
        "a timing that ends before it starts": (lambda s: s.record_timing("a", "b", "c", 5, 4), UsageError),
        "a time that is none": (lambda s: s.record_timing("a", "b", "c", "noon", 4), UsageError),
        "a duration that is NaN": (
            lambda s: s.record_timing("a", "b", "c", 1, 4, duration=float("nan")),
            UsageError,
        ),
        "a negative duration": (lambda s: s.record_timing("a", "b", "c", 1, 4, duration=-1), UsageError),
        "a report nested too deeply": (lambda s: s.store_result("k", nested(65)), DataError),
        "an unknown outcome": (lambda s: s.record_timing("a", "b", "c", 1, 4, outcome="maybe"), UsageError),
        "the end of a timing that is not running": (lambda s: s.end_timing("timing-000099"), NotFoundError),
        "progress that is no number": (lambda s: s.progress("half"), UsageError),
        "infinite progress": (lambda s: s.progress(1, float("inf")), UsageError),
        "a snapshot's metadata of other keys": (lambda s: s.record_snapshot("a", "b", {"before": None}), UsageError),
        "a snapshot's schema that is none": (lambda s: s.record_snapshot("a", "b", {"schema_after": 3}), DataError),
        "going back to an unknown snapshot": (lambda s: s.restore_from_snapshot("snapshot-000099"), NotFoundError),
        "a step after something that is no step": (lambda s: s.step("a", "b", after="first"), UsageError),
        "a step without a name": (lambda s: s.step(None, "b"), UsageError),
    }

    @pytest.mark.parametrize("case", CASES)
    def test_is_a_clear_error_and_nothing_is_recorded_or_lost(self, status, case):
        call, kind = self.CASES[case]
        before = sizes(status)
        with pytest.raises(kind) as caught:
            call(status)
        assert isinstance(caught.value, RunfolioError) and str(caught.value)
        assert type(caught.value).__module__ == "runfolio.errors"
        assert sizes(status) == before
        status.log("it goes on")
        status.complete()
        run = load_run(status.folder)
        assert run.damage == [] and run.events[-2].message == "it goes on"

    def test_arguments_of_the_constructor(self):
        with pytest.raises(UsageError, match="sequence is one text"):
            Status(sequence="Loader")
        with pytest.raises(UsageError, match="name is 3"):
            Status(name=3)

    def test_a_duplicate_key_names_the_key_and_what_to_do(self, status, people):
        with pytest.raises(DuplicateKeyError, match=r"'Loader\[csv\]' already; use another key") as caught:
            status.store_result("Loader[csv]", people)
        assert caught.value.key == "Loader[csv]"

    def test_a_second_result_of_a_step(self, status, people):
        with status.step("Loader", "other") as step:
            step.result(people)
            with pytest.raises(DuplicateKeyError, match="has a result already"):
                step.result(people)

    def test_a_step_that_has_not_begun_or_that_is_entered_twice(self, status, people):
        step = status.step("Loader", "other")
        with pytest.raises(UsageError, match="has not begun"):
            step.result(people)
        with step:
            pass
        with pytest.raises(UsageError, match="was entered before"), step:
            pass


class TestEnded:
    WRITES = {
        "complete": lambda s: s.complete(),
        "fail": lambda s: s.fail("late"),
        "start": lambda s: s.start(),
        "log": lambda s: s.log("late"),
        "progress": lambda s: s.progress(1),
        "record_change": lambda s: s.record_change("UPDATE", "a"),
        "record_snapshot": lambda s: s.record_snapshot("a", "b"),
        "record_timing": lambda s: s.record_timing("a", "b", "c", 0, 1),
        "start_timing": lambda s: s.start_timing("a", "b", "c"),
        "store_result": lambda s: s.store_result("k", pd.DataFrame({"a": [1]})),
        "restore_from_snapshot": lambda s: s.restore_from_snapshot("snapshot-000001"),
        "step": lambda s: s.step("a", "b").__enter__(),
    }

    @pytest.mark.parametrize("method", WRITES)
    def test_nothing_can_be_added_to_a_completed_run(self, status, method):
        status.complete()
        before = sizes(status)
        with pytest.raises(RunEndedError, match="is completed: nothing can be added"):
            self.WRITES[method](status)
        assert sizes(status) == before

    def test_an_end_inside_a_step_is_told_at_the_steps_end(self, status):
        with pytest.raises(RunEndedError), status.step("a", "b"):
            status.complete()

    @pytest.mark.parametrize("method", sorted(WRITE_METHODS))
    def test_a_loaded_run_refuses_every_write_method(self, status, method):
        run = load_run(status.folder)
        with pytest.raises(ReadOnlyError, match=f"can't {method}: .* is there for reading only"):
            getattr(run, method)
        assert not hasattr(run, method)

    def test_the_write_methods_are_just_those_that_a_status_has_beyond_the_getters(self):
        public = {name for name in vars(Status) if not name.startswith("_")}
        assert public - set(vars(RunView)) - {"resume", "join"} == WRITE_METHODS

    def test_an_unpickled_status_refuses_to_write(self, status):
        with pytest.raises(ReadOnlyError):
            copy.copy(status).complete()


class TestLifecycle:
    def test_the_end_of_a_with_block_completes_the_run(self):
        with Status() as status:
            status.log("x")
        assert status.is_completed()

    def test_a_block_may_end_its_run_itself(self):
        with Status() as status:
            status.fail("not good enough")
        assert status.state == "failed" and status.error.message == "not good enough" and status.error.type == ""

    def test_an_interrupt_from_the_keyboard_fails_the_run(self):
        status = Status()
        with pytest.raises(KeyboardInterrupt), status:
            raise KeyboardInterrupt
        assert status.error.type == "KeyboardInterrupt"

    def test_the_lock_is_there_while_the_run_lives_and_gone_after(self, status):
        assert (status.folder / "main.lock").exists()
        status.complete()
        assert not (status.folder / "main.lock").exists()

    def test_a_run_that_is_dropped_unfinished_is_interrupted(self):
        status = Status()
        status.log("x")
        folder = status.folder
        del status
        run = load_run(folder)
        assert run.state == "interrupted" and len(run.events) == 3

    def test_two_runs_of_one_second_have_folders_of_their_own(self):
        clock = Clock(now=lambda: datetime(2026, 11, 22, 18, 48, tzinfo=UTC))
        folders = set()
        for _ in range(20):
            with Status(name="same", clock=clock) as status:
                status.log("x")
            folders.add(status.folder)
        assert len(folders) == 20

    def test_a_root_is_taken_from_the_argument_first(self, tmp_path):
        with Status(root=tmp_path / "mine") as status:
            pass
        assert status.folder.parent == tmp_path / "mine"

    def test_sha256sum_covers_every_file_of_the_run(self, status):
        status.complete()
        done = subprocess.run(
            ["sha256sum", "-c", "SHA256SUMS"], cwd=status.folder, capture_output=True, text=True, check=True
        )
        files = {str(path.relative_to(status.folder)) for path in status.folder.rglob("*") if path.is_file()}
        assert {line.removesuffix(": OK") for line in done.stdout.splitlines()} == files - {"SHA256SUMS"}

    def test_the_manifest_counts_what_the_journals_hold(self, status):
        status.complete()
        run = load_run(status.folder)
        found = pd.read_json(status.folder / "run.json", lines=True).iloc[0]
        assert found["state"] == "completed" and found["name"] == "people" and found["tags"] == ["test"]
        assert found["totals"] == {
            "snapshots": len(run.snapshots),
            "changes": len(run.changes),
            "timings": len(run.timing_records),
            "results": len(run.results),
            "schemas": 2,
            "events": len(run.events),
            "steps": len(run.get_timing()),
            "bytes": sum(
                path.stat().st_size
                for path in status.folder.rglob("*")
                if path.is_file() and path.name not in ("run.json", "SHA256SUMS")
            ),
            "rows_in": 3,
            "rows_out": 1,
        }


class TestOnDisk:
    def test_a_step_lies_in_its_order(self, status):
        lines = [json.loads(line) for path in status.folder.glob("*.jsonl") for line in path.read_bytes().splitlines()]
        lines.sort(key=lambda line: line["seq"])
        kinds = [line["kind"] for line in lines]
        assert kinds[:3] == ["event", "event", "snapshot"], "header, state, snapshot of the start"
        second = kinds[kinds.index("timing") + 2 :]
        assert second == ["snapshot", "event", "schema", "result", *["change"] * 4, "timing", "snapshot"]

    def test_changes_carry_the_id_of_the_snapshot_that_commits_their_step(self, status):
        for module in ("Loader", "Preprocessor"):
            (after,) = [s for s in status.get_snapshots(module) if s.context["point"] == "after"]
            assert {change.snapshot_id for change in status.get_change_history(module)} == {after.snapshot_id}

    def test_a_whole_second_is_spelled_with_its_microseconds(self):
        clock = Clock(now=lambda: datetime(2026, 11, 22, 18, 48, tzinfo=UTC))
        with Status(clock=clock) as status:
            status.record_timing("a", "b", "c", 0, 1)
        for name in ("events.jsonl", "timings.jsonl", "snapshots.jsonl", "run.json"):
            text = (status.folder / name).read_text()
            assert ':00Z"' not in text and '.000000Z"' in text
        assert load_run(status.folder).timing_records[0].end_time == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)

    def test_names_of_users_never_decide_a_path(self, people):
        with Status(name="../../up") as status:
            for name in ("../../../etc/passwd", "a/b", "C:\\x", "\x00", "é\udc80", "x" * 5000, ""):
                with status.step(name, name) as step:
                    step.result({name.replace("\udc80", ""): people})
        files = [path for path in status.folder.rglob("*") if path.is_file()]
        assert all(len(path.name) < 100 and path.name.isascii() for path in files)
        assert len(list((status.folder / "results").iterdir())) == 7
        assert load_run(status.folder).damage == []

    def test_a_context_comes_back_live_as_it_does_loaded(self, status):
        context = {"rate": np.float32(0.5), "path": Path("a/b"), "nan": float("nan"), 3: {"z", "a"}, "day": pd.NaT}
        status.log("x", context=context)
        normal = {"rate": 0.5, "path": "a/b", "nan": "NaN", "3": ["a", "z"], "day": None}
        assert status.events[-1].context == normal == load_run(status.folder).events[-1].context


class TestTimings:
    def test_times_are_taken_as_datetimes_naive_or_not_and_as_seconds(self, status):
        zone = timezone(timedelta(hours=2))
        aware = datetime(2026, 1, 1, 12, 0, 0, 5, tzinfo=zone)
        timing = status.record_timing("a", "b", "c", aware, pd.Timestamp(aware) + pd.Timedelta("1.5s"))
        assert timing.start_time == aware and timing.start_time.tzinfo is UTC
        assert timing.duration_seconds == 1.5
        naive = datetime(2026, 1, 1, 12)
        assert status.record_timing("a", "b", "c", naive, naive).start_time == naive.astimezone()
        assert status.record_timing("a", "b", "c", 0, 0.25).duration_seconds == 0.25

    def test_the_duration_of_a_step_leaves_out_what_recording_took(self, people):
        ticks = [0.0]

        def now() -> datetime:
            ticks[0] += 100.0  # recording reads the time of day: it takes 100 s each time
            return datetime.now(UTC)

        with Status(clock=Clock(now=now, monotonic=lambda: ticks[0], cpu=lambda: ticks[0])) as status:
            with status.step("Outer", "o"), status.step("Inner", "i") as step:
                ticks[0] += 5.0
                step.result(people)
                ticks[0] += 2.0
        inner, outer = status.timing_records
        assert inner.duration_seconds == inner.cpu_seconds == 7.0
        assert outer.duration_seconds >= 7.0

    def test_a_timing_may_be_ended_in_another_order_and_adds_its_context(self, status):
        one = status.start_timing("a", "b", "one", context={"x": 1})
        two = status.start_timing("a", "b", "two")
        first = status.end_timing(one, context={"y": 2})
        second = status.end_timing(two, outcome="failed")
        assert (first.context, second.outcome, second.parent_id) == ({"x": 1, "y": 2}, "failed", one)

    def test_a_timing_ended_by_another_thread_leaves_no_trace_in_its_own(self, status):
        begun = status.start_timing("a", "b", "one")
        worker = threading.Thread(target=status.end_timing, args=(begun,))
        worker.start()
        worker.join()
        assert status.record_timing("a", "b", "next", 0, 1).parent_id is None

    def test_a_failed_step_is_told_with_its_error_and_its_run_goes_on(self, status):
        with pytest.raises(ZeroDivisionError), status.step("a", "b"):
            1 / 0  # noqa: B018
        timing = status.timing_records[-1]
        assert timing.outcome == "failed" and timing.context["error"] == "ZeroDivisionError: division by zero"
        assert status.state == "in_progress" and status.snapshots[-1].context["point"] == "before"


class TestProgress:
    def test_is_a_sample_whose_last_value_is_written_at_the_steps_end(self):
        ticks = [0.0]
        with Status(clock=Clock(monotonic=lambda: ticks[0])) as status:
            with status.step("Loader", "rows") as step:
                for done in range(1, 1001):
                    ticks[0] += 0.001
                    step.progress(done, 1000, "rows")
            events = [event for event in status.events if event.type == "progress"]
        assert events[-1].done == 1000 and events[-1].total == 1000 and events[-1].unit == "rows"
        assert [event.done for event in events] == [1, 201, 401, 601, 801, 1000]
        assert {event.record_id for event in events} == {status.timing_records[0].record_id}

    def test_outside_of_a_step_is_the_runs(self):
        with Status() as status:
            status.progress(1, 2)
            status.progress(2, 2)
        assert [event.done for event in status.events if event.type == "progress"] == [1, 2]


class TestPaths:
    def test_a_step_follows_the_one_named_or_none(self, people):
        with Status() as status:
            with status.step("Loader", "a") as loader:
                loader.result(people)
            for name in ("x", "y"):
                with status.step("Preprocessor", name, after=loader) as step:
                    step.result(people.head(1))
            with status.step("Loader", "b", after=None) as step:
                step.result(people)
        assert list(status.get_result()) == [
            "Loader[a]_Preprocessor[x]",
            "Loader[a]_Preprocessor[y]",
            "Loader[b]",
        ]
        assert status.get_full_expt() == {"Loader": "b"}

    def test_a_step_that_failed_is_followed_by_none(self, people):
        with Status() as status:
            with pytest.raises(ValueError), status.step("Loader", "bad"):
                raise ValueError
            with status.step("Loader", "good") as step:
                step.result(people)
        assert list(status.results) == ["Loader[good]"]

    def test_without_data_a_step_is_compared_with_the_one_before(self, people):
        with Status() as status:
            with status.step("Loader", "a") as step:
                step.result(people)
            with status.step("Preprocessor", "drop") as step:
                step.result(people.drop(columns="weight"))
        assert [(c.type, c.target) for c in status.get_change_history("Preprocessor")] == [("DELETE", "weight")]

    def test_a_step_behind_one_that_describes_is_compared_with_what_that_got(self, people):
        with Status() as status:
            with status.step("Loader", "a") as step:
                step.result(people)
            with status.step("Describer", "d") as step:
                step.result({"rows": 3})
            with status.step("Reporter", "r") as step:
                step.result(people.describe())
            with status.step("Preprocessor", "drop") as step:
                step.result(people.drop(columns="weight"))
        assert [(c.type, c.target) for c in status.changes[3:]] == [("DELETE", "weight")]

    def test_a_step_inside_of_another_is_nested(self, people):
        with Status() as status, status.step("Outer", "o") as outer:
            with status.step("Inner", "i", after=None) as inner:
                inner.result(people)
            outer.result(people)
        assert len(status.get_timing()) == 1 and len(status.get_timing(nested=True)) == 2
        assert set(status.results) == {"Inner[i]", "Outer[o]"}


class TestReports:
    @pytest.mark.parametrize(
        "report", [None, True, 0, -1.5, 1e300, "text ü", [], {}, [1, [2.0, None]], {"a": {"b": [1, "x"]}, "c": 2**63}]
    )
    def test_come_back_as_they_were(self, status, report):
        result = status.store_result("report", report)
        assert result.parts[0].format == "json" and result.parts[0].rows is None
        for run in (status, load_run(status.folder)):
            found = run.results["report"]["data"]
            assert found == report and type(found) is type(report) and run.results["report"]["schema"] is None


class TestValuesBuiltByUsers:
    @pytest.mark.parametrize(
        "call",
        [
            lambda s: s.record_change("UPDATE", "c", before=Description(name=5, dtype=["x"])),
            lambda s: s.record_change("UPDATE", "c", after=Field(name="c", dtype=None, nullable=3, nulls="x")),
            lambda s: s.record_change("UPDATE", "c", after=Description(name="half \udc80")),
            lambda s: s.record_snapshot("a", "b", {"schema_after": Schema.of("q", [])}),
            lambda s: s.record_snapshot("a", "b", 5),
            lambda s: s.store_result("k", {"a": 1}, path=[("a",)]),
            lambda s: s.step("a", "b", context={"path": "x"}),
            lambda s: s.record_snapshot("a", "b", context={"point": "after"}),
            lambda s: s.get_metadata([]),
            lambda s: s.get_data_by_module(5),
            lambda s: s.step("a", "b", after=Status().step("c", "d")).__enter__(),
        ],
    )
    def test_are_refused_before_they_are_recorded_if_no_reader_could_read_them(self, status, call):
        before = sizes(status)
        with pytest.raises(UsageError):
            call(status)
        assert sizes(status) == before

    @pytest.mark.parametrize("root", [5, b"x", "a\0b"])
    def test_roots_and_names_that_are_no_path_are_refused(self, root):
        for call in (lambda: Status(root=root), lambda: load_run(root), lambda: load_run("x", root=root)):
            with pytest.raises(UsageError, match="is no path"):
                call()

    def test_a_name_longer_than_any_path_is_not_found(self):
        for name in ("x" * 5000, "/" + "x" * 5000):
            with pytest.raises(NotFoundError):
                load_run(name)

    def test_a_schema_that_ended_steps_gave_stays_theirs(self, status, people):
        with status.step("Loader", "late") as step:
            pass
        for late in (lambda: step.result(people), lambda: step.log("x"), lambda: step.progress(1)):
            with pytest.raises(UsageError, match="has ended"):
                late()

    def test_an_error_of_any_length_fails_the_run(self):
        with pytest.raises(ValueError), Status() as status:
            raise ValueError("y" * 17_000_000)
        assert status.state == "failed" and len(status.error.message) == 10_000

    def test_a_failure_names_the_experiment_that_is_given(self, status):
        status.fail("no", experiment="mine")
        assert (status.error.module_name, status.error.experiment_name) == (None, "mine")

    def test_a_view_as_of_a_snapshot_refuses_writes_and_pickles(self, status):
        then = status.at("snapshot-000001")
        with pytest.raises(ReadOnlyError):
            then.log("x")
        with pytest.raises(UsageError, match="can't be pickled"):
            pickle.dumps(then)


class TestGivenSchemas:
    def test_are_kept_as_they_are(self, status, people):
        given = Schema.of(7, [])
        status.store_result("k", people, given)
        status.store_result("parts", {"a": people, "b": people}, {"a": given, "b": Schema.from_data(people)})
        run = load_run(status.folder)
        assert run.results["k"]["schema"] == given and run.results["k"].record.parts[0].rows == 3
        assert run.results["parts"]["schema"] == {"a": given, "b": Schema.from_data(people)}

    def test_are_inferred_without_as_from_the_frame(self, status, people):
        frame = people.assign(text=pd.Series(["a", None, "b"], dtype=object), none=pd.Series([None] * 3, dtype=object))
        status.store_result("k", frame)
        assert status.results["k"]["schema"] == Schema.from_data(frame)


class TestDamage:
    def test_a_status_tells_what_a_reader_of_its_folder_would(self, root):
        with Status(root=root) as status:
            status.store_result("report", {"mean": 1.5})
            assert status.damage == []
            next((status.folder / "results").iterdir()).unlink()
            with pytest.warns(UserWarning, match="damaged: results/000001-report.json: it is missing"):
                told = load_run(status.folder).damage
            assert status.damage == told and len(told) == 1

    def test_there_is_none_before_the_first_write(self, root):
        assert Status(root=root).damage == []


class TestRefusedByTheSystem:
    def test_a_root_that_is_a_file(self, tmp_path):
        (tmp_path / "file").write_text("x")
        with pytest.raises(WriteError, match="could not write .*name another root") as caught:
            Status(root=tmp_path / "file").start()
        assert caught.value.errno in (errno.EEXIST, errno.ENOTDIR) and caught.value.file == str(tmp_path / "file")

    def test_a_root_below_a_file(self, tmp_path):
        (tmp_path / "file").write_text("x")
        with pytest.raises(WriteError) as caught:
            Status(root=tmp_path / "file" / "runs").start()
        assert caught.value.errno == errno.ENOTDIR

    def test_a_write_that_fails_is_told_and_the_next_goes_to_a_fresh_segment(self, status):
        """A limit on the size of files tears a line, as a full disk does."""
        status.log("before")
        size = (status.folder / "events.jsonl").stat().st_size
        with (
            file_size_limit(size + 20),
            pytest.raises(WriteError, match=r"events\.jsonl: 20 of \d+ bytes were written") as caught,
        ):
            status.log("torn")
        assert caught.value.errno == errno.ENOSPC
        status.log("after")
        (fresh,) = status.folder.glob("events.*.jsonl")
        assert (status.folder / "events.jsonl").stat().st_size == size + 20, "nothing is written behind a torn line"
        run = load_run(status.folder)
        assert [event.message for event in run.events if event.type == "log"] == ["before", "after"]
        header = next(e for e in run.events if e.type == "segment" and e.context["writer"] != "main")
        left = {file["file"]: file["bytes"] for file in header.context["continues"]["files"]}
        assert left["events.jsonl"] == size and fresh.name == f"events.{header.context['writer']}.jsonl"
        assert run.state == "in_progress"
        status.complete()
        ended = load_run(status.folder)
        assert ended.state == "completed"
        assert ended.damage == [], "the torn line was never acknowledged, and the fresh segment says where it left off"
        with (status.folder / "events.jsonl").open("rb+") as file:
            file.truncate(size - 1)
        with pytest.warns(UserWarning, match="damaged: events.jsonl, line .*cut"):
            load_run(status.folder)

    def test_what_failed_leaves_neither_descriptors_nor_files_and_the_chain_of_segments_is_whole(self, status):
        status.log("before")
        left = (status.folder / "events.jsonl").stat().st_size
        names = {path.name for path in status.folder.iterdir()}
        with file_size_limit(left + 5), pytest.raises(WriteError):
            status.log("torn")
        for room in (1, 200, 1, 400):
            with file_size_limit(room), pytest.raises(WriteError):
                status.log("no room for a lock, or for a first line")
        assert {path.name for path in status.folder.iterdir()} == names
        status.log("after")
        header = next(e for e in status.events if e.type == "segment" and e.context["writer"] != "main")
        assert header.context["continues"]["writer"] == "main"
        status.complete()
        assert list(status.folder.glob("*.lock")) == []

    def test_a_clock_set_back_between_two_segments_changes_no_order(self, people):
        now = [datetime(2026, 11, 22, 18, 48, tzinfo=UTC)]
        status = Status(clock=Clock(now=lambda: now[0]))
        with status.step("Loader", "a") as step:
            step.result(people)
        snapshot = status.snapshots[-1].snapshot_id
        with file_size_limit((status.folder / "events.jsonl").stat().st_size + 5), pytest.raises(WriteError):
            status.log("torn")
        now[0] -= timedelta(hours=1)
        with status.step("Preprocessor", "b") as step:
            step.result(people.head(1))
        status.restore_from_snapshot(snapshot)
        for run in (status, load_run(status.folder)):
            assert list(run.results) == ["Loader[a]"] and run.events[-1].type == "restore"
        status.complete()

    def test_an_end_that_could_not_be_written_whole_can_be_repeated(self, status):
        (status.folder / "SHA256SUMS").mkdir()
        (status.folder / "SHA256SUMS" / "x").touch()
        with pytest.raises(WriteError, match="SHA256SUMS"):
            status.complete()
        assert status.state == "completed"
        (status.folder / "SHA256SUMS" / "x").unlink()
        (status.folder / "SHA256SUMS").rmdir()
        status.complete()
        subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=status.folder, check=True)
        with pytest.raises(RunEndedError):
            status.complete()

    def test_an_end_whose_digests_could_not_be_taken_can_be_repeated(self, status):
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest_free = os.open(os.devnull, os.O_RDONLY)
        os.close(lowest_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, limit[1]))
        try:
            with pytest.raises(RunfolioError):
                status.complete()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limit)
        status.complete()
        assert load_run(status.folder).damage == []
        subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=status.folder, check=True)

    def test_what_is_no_file_of_the_run_does_not_stop_its_end(self, status):
        (status.folder / "results" / "dangling").symlink_to("nowhere")
        os.mkfifo(status.folder / "events.aa.jsonl")
        (status.folder / "config.yaml").mkdir()
        status.complete()
        assert status.is_completed() and (status.folder / "SHA256SUMS").is_file()

    def test_a_start_that_fails_leaves_no_folder(self, root):
        with pytest.raises(UsageError), Status(name="x" * 20_000_000) as status:
            status.log("x")
        assert list(root.iterdir()) == []

    def test_a_timing_whose_end_could_not_be_written_can_be_ended_again(self, status):
        begun = status.start_timing("a", "b", "c")
        with file_size_limit(1), pytest.raises(WriteError):
            status.end_timing(begun)
        assert status.end_timing(begun).record_id == begun

    def test_the_representation_of_a_run_whose_folder_is_gone_tells_so(self):
        status = Status()
        status.log("x")
        shutil.rmtree(status.folder)
        assert "no run folder at" in repr(status)

    def test_a_root_without_permission(self):
        with tempfile.TemporaryDirectory() as closed:
            Path(closed).chmod(0o555)
            with as_another_user(), pytest.raises(WriteError, match="could not write .*allow writing there") as caught:
                Status(root=Path(closed) / "runs").start()
            Path(closed).chmod(0o755)
        assert caught.value.errno == errno.EACCES

    def test_an_exception_that_cannot_say_what_it_is_stays_the_users_own(self):
        class Mute(Exception):
            def __str__(self) -> str:
                raise RuntimeError("no words")

        with pytest.raises(Mute), Status() as status, status.step("Loader", "a"):
            raise Mute
        assert status.error.type.endswith("Mute") and status.timing_records[0].outcome == "failed"

    def test_a_first_write_that_fails_can_be_tried_again(self, tmp_path):
        (tmp_path / "runs2").write_text("in the way")
        status = Status(root=tmp_path / "runs2")
        with pytest.raises(WriteError):
            status.log("x")
        assert status.folder is None and status.state == "not_started"
        (tmp_path / "runs2").unlink()
        status.log("x")
        assert len(status.events) == 3
        status.complete()


def nested(depth: int) -> list:
    found: list = []
    for _ in range(depth):
        found = [found]
    return found


def cyclic() -> dict:
    found: dict = {}
    found["self"] = found
    return found
