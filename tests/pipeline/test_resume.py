"""Runs that failed or were killed at each step in turn, and were resumed: they end as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from runfolio import Executor, Status, attempt, list_runs, load_run
from runfolio.errors import ConfigError, DamageError, NotFoundError, RunEndedError, UsageError
from runfolio.pipeline import provenance
from runfolio.repair import repair
from runfolio.view import RunView

from . import kept

GRID = """
Run: {name: grid}
Loader:
  few: {method: kept:load, rows: 20}
  many: {method: kept:load, rows: 40, start: 7}
Preprocessor:
  drop: {method: kept:drop_missing}
  ratio: {method: kept:add_ratio}
Describer:
  d: {method: kept:describe}
Splitter:
  halves: {method: kept:halve}
Model:
  one: {method: kept:fit, scale: 1}
  ten: {method: kept:fit, scale: 10}
"""
KEYS = [
    key
    for loader in ("few", "many")
    for key in [
        f"Loader[{loader}]",
        *(
            f"Loader[{loader}]_Preprocessor[{worker}]{rest}"
            for worker in ("drop", "ratio")
            for rest in (
                "",
                "_Describer[d]",
                "_Describer[d]_Splitter[halves]",
                "_Describer[d]_Splitter[halves]_Model[one]",
                "_Describer[d]_Splitter[halves]_Model[ten]",
            )
        ),
    ]
]


def undisturbed(root: Path) -> RunView:
    executor = Executor(GRID, root=root)
    executor.run()
    return executor.status


def assert_as_if_nothing_had_happened(run: RunView, wanted: RunView, *, timed_twice: str | None = None) -> None:
    assert run.state == "completed" and run.damage == []
    assert list(run.results) == list(wanted.results) == KEYS
    for key in KEYS:
        found, other = run.results[key], wanted.results[key]
        assert found["schema"] == other["schema"]
        if isinstance(other["data"], dict):
            assert list(found["data"]) == list(other["data"])
            for part in other["data"]:
                pd.testing.assert_frame_equal(found["data"][part], other["data"][part])
        else:
            pd.testing.assert_frame_equal(found["data"], other["data"])
    assert committed_changes(run) == committed_changes(wanted)
    assert list(run.get_result()) == list(wanted.get_result())
    assert run.get_full_expt() == wanted.get_full_expt()
    assert run.sequence == wanted.sequence
    completed = run.get_timing().query("outcome == 'completed'")
    names = (completed["module_name"] + "[" + completed["experiment_name"] + "]").to_list()
    for key in KEYS:
        assert key.endswith(names.pop(0))
        if key == timed_twice:
            assert key.endswith(names.pop(0))
    assert names == []


def committed_changes(run: RunView) -> list[tuple]:
    """The changes of steps that were committed; a step that was stopped may have left some before."""
    ids = {snapshot.snapshot_id for snapshot in run.snapshots}
    return [
        (change.type, change.target, change.part, change.before, change.after, change.module_name)
        for change in run.changes
        if change.snapshot_id in ids
    ]


def in_a_process(root: Path, code: str = "", **environment: str) -> int:
    program = f"from runfolio import Executor\n{code}\nExecutor({GRID!r}, root={str(root)!r}).run()"
    return subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **environment}, capture_output=True, check=False, timeout=60
    ).returncode


class TestAtEachStep:
    @pytest.mark.parametrize("key", KEYS)
    def test_one_that_failed_there(self, key, ledger, trouble, tmp_path):
        wanted = undisturbed(tmp_path / "other")
        before = len(ledger.keys())
        trouble(key, "raise")
        executor = Executor(GRID)
        with pytest.raises(ValueError, match="told to"):
            executor.run()
        trouble()
        again = Executor.resume(executor.status.folder)
        assert again.status.state == "failed", "nothing is written before it runs"
        again.run()
        assert ledger.keys()[before:] == [*KEYS[: KEYS.index(key) + 1], *KEYS[KEYS.index(key) :]]
        for run in (again.status, load_run(executor.status.folder)):
            assert_as_if_nothing_had_happened(run, wanted)

    @pytest.mark.parametrize("key", KEYS)
    def test_one_that_was_killed_there(self, key, ledger, trouble, tmp_path, root):
        wanted = undisturbed(tmp_path / "other")
        before = len(ledger.keys())
        assert in_a_process(root, KEPT_TROUBLE=f"{key}=kill") == -signal.SIGKILL
        run = load_run("latest")
        assert run.state == "interrupted" and list(run.results) == KEYS[: KEYS.index(key)]
        Executor.resume("latest").run()
        assert ledger.keys()[before:] == [*KEYS[: KEYS.index(key) + 1], *KEYS[KEYS.index(key) :]]
        assert_as_if_nothing_had_happened(load_run("latest"), wanted)
        subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=run.folder, check=True)

    def test_one_that_failed_at_every_step_in_turn(self, ledger, trouble, tmp_path):
        """As many attempts as there are steps, each one step further."""
        wanted = undisturbed(tmp_path / "other")
        executor = Executor(GRID)
        for key in KEYS:
            trouble(key, "raise")
            with pytest.raises(ValueError, match="told to"):
                executor.run()
            executor = Executor.resume(executor.status.folder)
        trouble()
        executor.run()
        assert_as_if_nothing_had_happened(load_run(executor.status.folder), wanted)
        timing = executor.get_timing()
        assert list(timing["outcome"]).count("failed") == len(KEYS), "what earlier attempts took stays"
        assert len(executor.status._history.timeline.streams) == len(KEYS) + 1


class TestBetweenTheWritesOfAStep:
    """Killed when a step's result, its changes or its timing were written, and the step was not committed."""

    MOMENTS = {"store": "its result", "change": "a change", "finish": "its timing"}

    @pytest.mark.parametrize("moment", MOMENTS)
    @pytest.mark.parametrize("key", [KEYS[0], KEYS[1], KEYS[6], KEYS[12]])
    def test_it_is_run_again(self, key, moment, ledger, tmp_path, root):
        wanted = undisturbed(tmp_path / "other")
        before = len(ledger.keys())
        code = f"""
import os, signal
from runfolio.recorder import Recorder
from runfolio.step import Step
original, enter, current = Recorder.{moment}, Step.__enter__, []
def begin(step):
    current[:] = [enter(step).key]
    return step
def stop(*args, **kwargs):
    found = original(*args, **kwargs)
    if current == [{key!r}]:
        os.kill(os.getpid(), signal.SIGKILL)
    return found
Recorder.{moment}, Step.__enter__ = stop, begin
"""
        assert in_a_process(root, code) == -signal.SIGKILL
        run = load_run("latest")
        assert run.state == "interrupted" and list(run.results) == KEYS[: KEYS.index(key) + 1]
        Executor.resume("latest").run()
        assert ledger.keys()[before:].count(key) == 2
        assert_as_if_nothing_had_happened(load_run("latest"), wanted, timed_twice=key if moment == "finish" else None)


class TestContinued:
    def test_only_failed_steps_and_what_follows_them_run_again(self, ledger, trouble, tmp_path):
        wanted = undisturbed(tmp_path / "other")
        before = len(ledger.keys())
        key = "Loader[few]_Preprocessor[drop]"
        trouble(key, "raise")
        executor = Executor(GRID.replace("Run: {", "Run: {on_error: continue, "))
        with pytest.raises(Exception, match="1 of 22 steps failed"):
            executor.run()
        first = len(ledger.keys())
        trouble()
        Executor.resume(executor.status.folder).run()
        assert ledger.keys()[first:] == [other for other in KEYS if other == key or other.startswith(f"{key}_")]
        assert sorted(ledger.keys()[before:]) == sorted([*KEYS, key])
        run = load_run(executor.status.folder)
        assert run.is_completed() and set(run.results) == set(KEYS)
        for key in KEYS:
            assert run.results[key]["schema"] == wanted.results[key]["schema"]


@pytest.fixture
def failed(ledger, tmp_path, monkeypatch) -> Path:
    """A folder with a pipeline, its input and its module, which can be made to fail."""
    monkeypatch.delitem(sys.modules, "more", raising=False)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "in.csv").write_text("a,b\n1,2\n3,4\n")
    (tmp_path / "conf" / "p.yaml").write_text(
        "Loader:\n  raw: {path: in.csv}\nNext:\n  first: {method: more:add}\n  second: {method: more:add, number: 2}\n"
    )
    (tmp_path / "conf" / "more.py").write_text(
        "import os\n\ndef add(data, number=1):\n"
        "    if number == 2 and 'FAIL' in os.environ:\n        raise ValueError('told to')\n    return data + number\n"
    )
    return tmp_path / "conf"


@pytest.fixture
def folder(failed, monkeypatch) -> Path:
    """The folder of a run of it, whose last step failed."""
    monkeypatch.syspath_prepend(str(failed))
    monkeypatch.setenv("FAIL", "1")
    executor = Executor(failed / "p.yaml")
    with pytest.raises(ValueError):
        executor.run()
    monkeypatch.delenv("FAIL")
    return executor.status.folder


class TestWhatMustBeTheSame:
    def test_it_goes_on_where_all_is_as_it_was(self, folder, failed):
        executor = Executor.resume(folder, failed / "p.yaml")
        executor.run()
        assert executor.is_execution_completed() and len(executor.get_result()) == 2

    def test_from_the_folder_alone_and_from_elsewhere(self, folder, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        executor = Executor.resume(folder.name)
        executor.run()
        assert executor.is_execution_completed()

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            (
                lambda conf, patch: edit(conf / "p.yaml", "more:add}", "more:add, number: 5}"),
                "Next\\[first\\] is declared otherwise than",
            ),
            (lambda conf, patch: edit(conf / "p.yaml", "first", "third"), "Next\\[first\\] was run, and is no longer"),
            (lambda conf, patch: edit(conf / "in.csv", "3", "5"), "the input file in.csv is another one"),
            (lambda conf, patch: edit(conf / "in.csv", "4\n", "4\n5,6\n"), "the input file in.csv is another one"),
            (
                lambda conf, patch: patch.setattr(
                    provenance, "_version", lambda name: "0.0.1" if name == "pandas" else "1"
                ),
                f"pandas was {pd.__version__} and is 0.0.1",
            ),
        ],
        ids=["a parameter", "an experiment", "an input", "more input", "a version"],
    )
    def test_what_differs_is_told_and_refused_unless_told_otherwise(self, folder, failed, change, problem, monkeypatch):
        before = [path.stat().st_size for path in sorted(folder.iterdir())]
        change(failed, monkeypatch)
        with pytest.raises(ConfigError, match=f"can't be resumed as it was begun(?s:.*){problem}"):
            Executor.resume(folder, failed / "p.yaml")
        assert [path.stat().st_size for path in sorted(folder.iterdir())] == before, "nothing was written"
        executor = Executor.resume(folder, failed / "p.yaml", anyway=True)
        executor.run()
        assert executor.is_execution_completed()

    def test_a_comment_a_name_or_the_order_of_parameters_is_no_difference(self, folder, failed):
        text = (failed / "p.yaml").read_text().replace("{method: more:add, number: 2}", "{number: 2, method: more:add}")
        (failed / "p.yaml").write_text(f"# again\nRun: {{name: other, tags: [x]}}\n{text}")
        Executor.resume(folder, failed / "p.yaml").run()

    def test_steps_that_are_still_to_run_may_be_mended_and_further_ones_added(self, folder, failed):
        edit(failed / "p.yaml", "number: 2", "number: 3")
        (failed / "p.yaml").write_text((failed / "p.yaml").read_text() + "  fourth: {method: more:add, number: 4}\n")
        executor = Executor.resume(folder, failed / "p.yaml")
        executor.run()
        assert [result["data"]["a"][0] for result in executor.get_result().values()] == [2, 4, 5]

    def test_what_differed_is_recorded_where_it_went_on_anyway(self, folder, failed):
        edit(failed / "in.csv", "3", "5")
        executor = Executor.resume(folder, failed / "p.yaml", anyway=True)
        executor.run()
        (event,) = [event for event in load_run(folder).events if event.level == "warning"]
        assert event.message == "resumed although the input file in.csv is another one"

    def test_a_lost_input_file_is_told(self, folder, failed):
        (failed / "in.csv").unlink()
        with pytest.raises(ConfigError, match="no file 'in.csv'"):
            Executor.resume(folder)

    def test_a_result_that_is_lost_and_needed_is_told_and_not_taken_for_none(self, folder):
        (folder / load_run(folder).results["Loader[raw]"].record.parts[0].file).unlink()
        sound = repair(folder).folder
        with pytest.raises(DamageError, match=r"what Loader\[raw\] gave is lost, and a step .* needs it") as caught:
            Executor.resume(sound).run()
        assert caught.value.key == "Loader[raw]"

    def test_the_inputs_of_steps_that_are_still_to_run_may_be_others(self, failed, monkeypatch):
        monkeypatch.syspath_prepend(str(failed))
        (failed / "p.yaml").write_text("A:\n  x: {method: more:boom}\nLoader:\n  raw: {path: in.csv}\n")
        (failed / "more.py").write_text("def boom():\n    raise ValueError\n")
        executor = Executor(failed / "p.yaml")
        with pytest.raises(ValueError):
            executor.run()
        edit(failed / "in.csv", "3", "5")
        Executor.resume(executor.status.folder)

    def test_a_masked_secret_must_be_given_again(self, ledger, trouble):
        failing = {"method": lambda data, password: 1 / 0, "password": "x"}
        config = {"L": {"l": {"method": kept.load, "rows": 3}}, "S": {"s": failing}}
        executor = Executor(config)
        with pytest.raises(ZeroDivisionError):
            executor.run()
        with pytest.raises(ConfigError, match="secrets are masked in it"):
            Executor.resume(executor.status.folder)
        failing["method"] = lambda data, password: {"ok": password}
        again = Executor.resume(executor.status.folder, config)
        again.run()
        assert again.get_result().popitem()[1]["data"] == {"ok": "x"}
        assert "'x'" not in (executor.status.folder / "config.yaml").read_text()


def edit(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new))


class TestRefused:
    def test_a_run_that_is_completed(self, ledger):
        status = undisturbed(None)
        with pytest.raises(UsageError, match="can't be resumed: it is completed"):
            Executor.resume(status.folder)

    def test_a_run_that_is_still_written(self):
        with Status() as status:
            status.log("x")
            with pytest.raises(UsageError, match="it is in_progress, its writer, process .* holds its lock; wait"):
                Executor.resume(status.folder)
            with pytest.raises(UsageError, match="it is in_progress"):
                Status.resume(status.folder)

    def test_a_run_that_no_executor_made(self):
        status = Status()
        status.fail("no")
        with pytest.raises(UsageError, match="was not run from a configuration; Status.resume"):
            Executor.resume(status.folder)

    def test_no_run(self, root):
        with pytest.raises(NotFoundError):
            Executor.resume("latest")

    def test_the_second_of_two_that_resume_at_once(self, ledger, trouble):
        trouble(KEYS[2], "raise")
        executor = Executor(GRID)
        with pytest.raises(ValueError):
            executor.run()
        trouble()
        first, second = (Executor.resume(executor.status.folder) for _ in range(2))
        status = Status.resume(executor.status.folder)
        with pytest.raises(UsageError, match="can't be resumed: it is in_progress"):
            first.run()
        status.fail("stopped")
        second.run()
        assert load_run(executor.status.folder).is_completed() and load_run(executor.status.folder).damage == []

    def test_one_that_looked_before_another_resumed(self):
        status = Status()
        status.fail("no")
        looked = attempt.left_behind(status.folder)
        first = Status.resume(status.folder)
        with pytest.raises(UsageError, match="can't be resumed: its writer, process .* holds its lock"):
            Status(root=status.folder.parent)._recorder.resume(looked)
        first.complete()
        run = load_run(status.folder)
        assert (run.state, run.damage, len(run._history.timeline.streams)) == ("completed", [], 2)


class TestByHand:
    """`Status.resume`: the same without an Executor."""

    def test_what_was_recorded_stays_and_the_next_step_follows_the_last_one(self, people):
        status = Status(name="people", tags=["t"], sequence=["Loader", "Clean", "Report"])
        with status.step("Loader", "csv") as step:
            step.result(people)
        took = status.get_timing()["duration_seconds"].sum()
        status.fail("the power went")
        again = Status.resume(status.folder)
        assert (again.run_id, again.name, again.tags, again.sequence) == (
            status.run_id,
            "people",
            ["t"],
            ["Loader", "Clean", "Report"],
        )
        assert again.state == "in_progress" and again.error is None and again.folder == status.folder
        with again.step("Clean", "drop") as step:
            step.result(people.dropna())
        again.complete()
        run = load_run(status.folder)
        assert (run.state, run.damage) == ("completed", [])
        assert list(run.get_result()) == ["Loader[csv]_Clean[drop]"]
        assert run.get_timing()["duration_seconds"].iloc[0] == took
        points = [snapshot["context"]["point"] for snapshot in run.snapshots]
        assert points == ["start", "before", "after", "failed", "resume", "before", "after", "completed"]
        assert run.start_time == status.start_time
        with pytest.raises(RunEndedError):
            again.log("more")
        with pytest.raises(RunEndedError):
            status.log("more")

    def test_run_json_and_the_list_of_runs_know_all_attempts(self, people):
        status = Status(name="people")
        with status.step("Loader", "csv") as step:
            step.result(people)
        status.fail("no")
        assert load_run(status.folder).error is not None
        again = Status.resume(status.folder)
        (row,) = list_runs().to_dict("records")
        assert (row["state"], row["error"]) == ("in_progress", None) or row["state"] == "in_progress"
        again.complete()
        (row,) = list_runs().to_dict("records")
        assert (row["state"], row["steps"], row["results"]) == ("completed", 1, 1)
        found = json.loads((status.folder / "run.json").read_text())
        assert len(found["segments"]) == 2 and found["error"] is None
        assert found["totals"]["events"] == len(load_run(status.folder).events)

    def test_a_folder_that_was_renamed_keeps_its_run_id(self, root):
        status = Status(name="people")
        status.fail("no")
        moved = root / "renamed"
        status.folder.rename(moved)
        again = Status.resume(moved)
        again.complete()
        assert load_run(moved).run_id == status.folder.name and load_run(moved).damage == []

    def test_the_duration_is_that_of_the_attempts_together(self, people):
        status = Status()
        status.log("x")
        time.sleep(0.05)
        status.fail("no")
        time.sleep(0.3)
        again = Status.resume(status.folder)
        again.complete()
        assert 0.05 <= again.duration_seconds < 0.3

    def test_a_step_goes_on_from_any_that_was_committed(self, people):
        status = Status()
        for name in ("a", "b"):
            with status.step("Loader", name, after=None) as step:
                step.result(people)
        status.fail("no")
        again = Status.resume(status.folder)
        with again.step("Clean", "x", after=[("Loader", "a")]) as step:
            step.result(people.dropna())
        with pytest.raises(NotFoundError, match=r"no step Loader\[c\] was committed"):
            again.step("Clean", "y", after=[("Loader", "c")])
        assert "Loader[a]_Clean[x]" in again.results
        assert [change.target for change in again.get_change_history("Clean")] == ["*"]
        again.complete()

    def test_a_torn_line_is_left_behind(self, people):
        status = Status()
        status.log("x")
        with (status.folder / "events.jsonl").open("ab") as file:
            file.write(b'{"kind":"event","se')
        status._recorder.writer._owned[0].close(ended=False)
        with pytest.warns(match="torn: 19 bytes"):
            assert load_run(status.folder).state == "interrupted"
        again = Status.resume(status.folder)
        again.complete()
        run = load_run(status.folder)
        assert (run.state, run.damage) == ("completed", [])
        assert [event.message for event in run.events if event.type == "log"] == ["x"]


def answers(run: RunView) -> dict[str, object]:
    """What every getter of a run says."""
    modules = [module for module in run.sequence if run.get_snapshots(module)]
    return {
        **{name: getattr(run, name) for name in ("run_id", "name", "tags", "state", "sequence", "opaque", "damage")},
        **{name: getattr(run, name) for name in ("start_time", "end_time", "duration_seconds", "error")},
        **{name: getattr(run, name) for name in ("snapshots", "changes", "timing_records", "events", "result_records")},
        "is_completed": run.is_completed(),
        "results": [(key, stored.record, stored["schema"]) for key, stored in run.results.items()],
        "get_result": list(run.get_result()),
        "of modules": {
            module: (
                list(run.get_result(module)),
                run.get_snapshots(module),
                run.get_change_history(module),
                run.get_timing_records(module),
                run.get_metadata_evolution(module),
            )
            for module in modules
        },
        "get_metadata": {module: run.get_metadata(module) for module in run.get_status_summary()["metadata_modules"]},
        "get_timing": run.get_timing(nested=True).to_dict("records"),
        "get_full_expt": run.get_full_expt(),
        "get_status_summary": run.get_status_summary(),
        "at": {
            s.snapshot_id: (list(run.at(s.snapshot_id).results), run.at(s.snapshot_id).sequence) for s in run.snapshots
        },
    }


class TestLiveAndLoaded:
    def test_every_getter_of_a_resumed_run_answers_the_same_at_each_step(self, ledger, trouble):
        looks = []

        def look(data, step):
            looks.append(step.key)
            assert answers(load_run(step.status.folder)) == answers(step.status)
            return data

        config = {
            "Loader": {"few": {"method": kept.load, "rows": 20}, "many": {"method": kept.load, "rows": 30}},
            "First": {"look": {"method": look}},
            "Preprocessor": {"drop": {"method": kept.drop_missing}, "ratio": {"method": kept.add_ratio}},
            "Second": {"look": {"method": look}},
        }
        executor = Executor(config)
        for key in [step.key for step in executor.plan if step.module_name in ("Loader", "Preprocessor")]:
            trouble(key, "raise")
            with pytest.raises(ValueError, match="told to"):
                executor.run()
            assert answers(load_run(executor.status.folder)) == answers(executor.status)
            executor = Executor.resume(executor.status.folder, config)
        trouble()
        executor.run()
        assert len(looks) == 6 and executor.is_execution_completed()
        assert answers(load_run(executor.status.folder)) == answers(executor.status)
