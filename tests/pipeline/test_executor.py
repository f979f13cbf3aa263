"""The Executor: a grid of experiments against a ledger kept by the modules themselves, failures, what is recorded."""

from __future__ import annotations

import gc
import pickle
import subprocess
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from runfolio import Executor, load_run
from runfolio.errors import ConfigError, DataError, StepsError, UsageError, WriteError
from runfolio.view import RunView

from . import kept

GRID = """
Run: {name: grid, tags: [three]}
Loader:
  few: {method: kept:load, rows: 20}
  many: {method: kept:load, rows: 40, start: 7}
  "odd ]_y[ name/..": {method: kept:load, rows: 30, start: 1}
Preprocessor:
  drop: {method: kept:drop_missing}
  ratio: {method: kept:add_ratio, factor: 4}
Splitter:
  halves: {method: kept:halve}
Model:
  one: {method: kept:fit, scale: 1}
  ten: {method: kept:fit, scale: 10}
"""


def expected_steps() -> list[tuple[str, object, object]]:
    """Key, input and output of each step of the grid, by plain loops over plain functions."""
    steps = []
    loads = {"few": (20, 0), "many": (40, 7), "odd ]_y[ name/..": (30, 1)}
    for loader, (rows, start) in loads.items():
        loaded = kept.made(rows, start)
        steps.append((f"Loader[{loader}]", None, loaded))
        for name, work in (("drop", kept.dropped), ("ratio", lambda data: kept.with_ratio(data, 4))):
            worked = work(loaded)
            steps.append((f"Loader[{loader}]_Preprocessor[{name}]", loaded, worked))
            parts = kept.halves(worked)
            key = f"Loader[{loader}]_Preprocessor[{name}]_Splitter[halves]"
            steps.append((key, worked, parts))
            for model, scale in (("one", 1), ("ten", 10)):
                steps.append((f"{key}_Model[{model}]", parts, kept.fitted(parts, scale)))
    return steps


def expected_changes(before: object, after: object) -> list[tuple[str | None, str, str]]:
    """Part, type and target of each change, told without runfolio."""
    if isinstance(after, dict) or isinstance(before, dict):
        first = next(iter(before.values())) if isinstance(before, dict) else before
        pairs = (
            [(part, before if not isinstance(before, dict) else first, after[part]) for part in after]
            if isinstance(after, dict)
            else [(None, first, after)]
        )
    else:
        pairs = [(None, before, after)]
    found = []
    for part, old, new in pairs:
        old_columns = [] if old is None else list(old.columns)
        if old is not None and len(old) != len(new):
            found.append((part, "UPDATE", "*"))
        for column in old_columns:
            if column not in new.columns:
                found.append((part, "DELETE", column))
        for column in new.columns:
            if column not in old_columns:
                found.append((part, "CREATE", column))
            elif old[column].dtype != new[column].dtype:
                found.append((part, "TRANSFORM", column))
            elif is_known_to_differ(old[column], new[column]):
                found.append((part, "UPDATE", column))
    return sorted(found, key=str)


def is_known_to_differ(old: pd.Series, new: pd.Series) -> bool:
    """Whether values changed, of rows that have kept their place or their label."""
    if len(old) == len(new):
        return not old.reset_index(drop=True).equals(new.reset_index(drop=True))
    is_fresh = new.index.equals(pd.RangeIndex(len(new)))
    return not is_fresh and new.index.isin(old.index).all() and not old[new.index].equals(new)


def assert_same(found: object, wanted: object) -> None:
    if isinstance(wanted, dict):
        assert list(found) == list(wanted)
        for part in wanted:
            pd.testing.assert_frame_equal(found[part], wanted[part])
    else:
        pd.testing.assert_frame_equal(found, wanted)


@pytest.fixture
def grid(ledger) -> Executor:
    executor = Executor(GRID)
    executor.run()
    return executor


@pytest.fixture(params=["live", "loaded"])
def view(request, grid) -> RunView:
    return grid.status if request.param == "live" else load_run(grid.status.folder)


class TestGrid:
    """Three loaders, two preprocessors, a splitter of two parts, two models."""

    def test_the_plan_is_depth_first_with_each_prefix_once(self, ledger):
        executor = Executor(GRID)
        keys = [step.key for step in executor.plan]
        assert keys == [key for key, _, _ in expected_steps()]
        assert len(keys) == len(set(keys)) == 3 + 6 + 6 + 12
        parents = {step.key: None if step.parent is None else keys[step.parent] for step in executor.plan}
        assert all(parent is None or key.startswith(f"{parent}_") for key, parent in parents.items())
        assert ledger.keys() == [] and executor.status.state == "not_started"

    def test_each_step_ran_once_in_the_order_of_the_plan(self, grid, ledger):
        assert ledger.keys() == [step.key for step in grid.plan]

    def test_every_result_is_what_the_modules_give_without_it(self, view):
        wanted = expected_steps()
        assert list(view.results) == [key for key, _, _ in wanted]
        for key, _, result in wanted:
            assert_same(view.results[key]["data"], result)
        assert list(view.get_result()) == [key for key, _, _ in wanted if "Model[" in key]

    def test_the_changes_are_those_between_input_and_output(self, view):
        by_step = {s.snapshot_id: s for s in view.snapshots if s["context"]["point"] == "after"}
        found = {}
        for change in view.changes:
            path = by_step[change.snapshot_id].context["path"]
            key = "_".join(f"{step['module_name']}[{step['experiment_name']}]" for step in path)
            found.setdefault(key, []).append((change.part, change.type, change.target))
        for key, before, after in expected_steps():
            if isinstance(before, dict) or isinstance(after, dict):
                continue  # parts that come and go: the schema's own tests say what is compared with what
            assert sorted(found.pop(key, []), key=str) == expected_changes(before, after), key
        assert all(len(path) and "Splitter" in path for path in found)

    def test_each_steps_snapshots_have_the_rows_of_its_input_and_output(self, view):
        rows = {}
        for snapshot in view.snapshots:
            if snapshot["context"]["point"] == "after":
                path = snapshot["context"]["path"]
                key = "_".join(f"{step['module_name']}[{step['experiment_name']}]" for step in path)
                rows[key] = (snapshot.rows_before, snapshot.rows_after)
        assert rows == {key: (count(before), count(after)) for key, before, after in expected_steps()}

    def test_there_is_a_timing_for_each_step_and_nested_ones_in_it(self, view, ledger):
        timing = view.get_timing()
        names = timing["module_name"] + "[" + timing["experiment_name"] + "]"
        assert all(key.endswith(name) for key, name in zip(ledger.keys(), names, strict=True))
        assert set(timing["outcome"]) == {"completed"}
        assert (timing["start_time"].to_numpy()[1:] >= timing["end_time"].to_numpy()[:-1]).all()
        begun = pd.to_datetime([line["time"] for line in ledger.lines()], unit="s", utc=True)
        slack = pd.Timedelta("1ms")
        assert (timing["start_time"] - slack <= begun).all() and (begun <= timing["end_time"] + slack).all()
        nested = view.get_timing(nested=True)
        assert list(nested["step_name"]).count("inner") == 12

    def test_no_more_is_kept_than_a_branch_needs(self, ledger, monkeypatch):
        monkeypatch.setenv("KEPT_ALL", "1")
        Executor(GRID).run()
        alive = {line["key"]: line["alive"] for line in ledger.lines()}
        for key, count in alive.items():
            depth = (
                key.count("Loader[") + key.count("_Preprocessor[") + 2 * key.count("_Splitter[") + key.count("_Model[")
            )
            assert count <= depth - 1, "a data set for each step before, two for a splitter's"
        gc.collect()
        assert sum(ref() is not None for ref in kept.ALIVE) == 0

    def test_the_rest_of_the_status_api_knows_the_grid(self, view):
        assert view.state == "completed" and view.is_completed()
        assert (view.name, view.tags) == ("grid", ["three"])
        assert view.sequence == ["Loader", "Preprocessor", "Splitter", "Model"]
        assert view.get_full_expt() == {
            "Loader": "odd ]_y[ name/..",
            "Preprocessor": "ratio",
            "Splitter": "halves",
            "Model": "ten",
        }
        assert list(view.get_result("Splitter").popitem()[1]["data"]) == ["train", "validation"]

    def test_memory_is_that_of_one_branch(self):
        """Twelve branches of 16 MB a step take little more than one does."""

        def load(start: int) -> pd.DataFrame:
            return pd.DataFrame({name: np.arange(500_000.0) + start for name in "abcd"})

        peaks = []
        for branches in (1, 12):
            loaders = {f"l{number}": {"method": load, "start": number} for number in range(branches)}
            executor = Executor({"Loader": loaders, "Next": {"twice": {"method": lambda data: data * 2}}})
            tracemalloc.start()
            executor.run()
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert 32e6 < peaks[1] < 1.5 * peaks[0]


def count(data: object) -> int | None:
    if data is None:
        return None
    return sum(map(len, data.values())) if isinstance(data, dict) else len(data)


class TestRun:
    def test_a_second_run_is_refused(self, grid):
        with pytest.raises(UsageError, match="was run before"):
            grid.run()

    def test_the_status_is_there_before_and_the_folder_with_the_first_step(self, ledger, root):
        executor = Executor(GRID)
        assert executor.status.state == "not_started" and executor.status.folder is None and not root.exists()
        assert executor.get_result() == {} and len(executor.get_timing()) == 0
        assert not executor.is_execution_completed()

    def test_its_status_can_be_pickled(self, grid):
        assert pickle.loads(pickle.dumps(grid.status)).get_full_expt() == grid.status.get_full_expt()

    def test_name_tags_and_root_given_take_precedence(self, ledger, tmp_path):
        config = {"Run": {"name": "a", "tags": ["b"], "root": str(tmp_path / "x")}, "L": {"l": {"method": dict}}}
        executor = Executor(config, name="c", tags=["d"], root=tmp_path / "y")
        executor.run()
        assert (executor.status.name, executor.status.tags) == ("c", ["b", "d"])
        assert executor.status.folder.parent == tmp_path / "y"

    def test_a_file_gives_the_run_its_name(self, ledger, tmp_path):
        path = tmp_path / "nightly grid.yaml"
        path.write_text("L: {l: {method: kept:load, rows: 3}}")
        executor = Executor(path)
        executor.run()
        assert executor.status.name == "nightly grid"
        assert "-nightly-grid-" in executor.status.folder.name

    def test_an_unwritable_root_is_told_before_anything_runs(self, ledger, tmp_path):
        (tmp_path / "file").write_text("")
        executor = Executor(GRID, root=tmp_path / "file")
        with pytest.raises(WriteError, match="a part of that path is a file"):
            executor.run()
        assert ledger.keys() == []


class TestWhatIsRecorded:
    def test_the_configuration_as_given_without_its_secrets(self, ledger):
        text = GRID + "Upload: # to the archive\n  s3: {method: kept:describe, step: 1}\n"
        executor = Executor(GRID)
        executor.run()
        assert (executor.status.folder / "config.yaml").read_text() == GRID
        with pytest.raises(ConfigError):
            Executor(text.replace("step: 1", "token: abc"))

    def test_plan_and_versions_are_in_the_config_event(self, grid):
        (event,) = [event for event in grid.status.events if event.type == "config"]
        assert len(event.context["plan"]) == 27 and event.context["is_whole"] and event.context["file"] is None
        versions = {one["name"]: one["version"] for one in event.context["versions"]}
        assert versions["pandas"] == pd.__version__ and "python" in versions
        assert not Path(event.context["base"]).is_absolute()

    def test_what_modules_say_progress_changes_and_messages(self, ledger):
        def talk(data, step):
            step.log("so far", level="warning")
            step.progress(3, 4, "rows")
            step.change("UPDATE", "age", {"by": "hand"}, before=1, after=2)
            return data

        executor = Executor({"Loader": {"a": {"method": kept.load, "rows": 4}}, "Talk": {"t": {"method": talk}}})
        executor.run()
        status = executor.status
        assert [(e.message, e.level, e.module_name) for e in status.events if e.type == "log"] == [
            ("so far", "warning", "Talk")
        ]
        assert [(e.done, e.total, e.unit) for e in status.events if e.type == "progress"] == [(3.0, 4.0, "rows")]
        assert [change.details for change in status.changes if change.details] == [{"by": "hand"}]

    def test_input_files_with_size_and_digest(self, ledger, tmp_path):
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "a.csv").write_text("x\n1\n")
        (tmp_path / "p.yaml").write_text("Loader: {a: {path: in/a.csv}}")
        executor = Executor(tmp_path / "p.yaml")
        executor.run()
        (event,) = [event for event in executor.status.events if event.type == "input"]
        assert event.context["path"] == "in/a.csv" and event.context["bytes"] == 4
        assert event.module_name == "Loader" and len(event.context["sha256"]) == 64

    def test_sha256sum_verifies_the_folder_with_its_configuration(self, grid):
        folder = grid.status.folder
        subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=folder, check=True)
        assert "config.yaml" in (folder / "SHA256SUMS").read_text()


class TestWhatStepsGet:
    def run(self, **modules) -> Executor:
        executor = Executor({name: {"x": {"method": function}} for name, function in modules.items()})
        executor.run()
        return executor

    def test_one_that_describes_passes_its_input_on(self):
        executor = self.run(
            Loader=lambda: kept.made(10, 0), Describer=kept.described, Next=lambda data: {"columns": list(data.columns)}
        )
        (result,) = executor.get_result().values()
        assert result["data"] == {"columns": ["id", "age", "name"]}

    def test_one_that_gives_a_report_passes_its_input_on(self):
        executor = self.run(Loader=lambda: kept.made(10, 0), Check=lambda data: {"ok": True}, Next=kept.count_rows)
        assert executor.get_result().popitem()[1]["data"] == 10

    def test_data_of_any_earlier_module_and_its_schema(self):
        def look(data, step):
            assert [one.module_name for one in step.branch] == ["Loader", "Describer", "Clean", "Look"]
            assert step.schema("Loader").columns == ["id", "age", "name"]
            return {
                "loader": len(step.data("Loader")),
                "described": len(step.data("Describer")),
                "own": len(step.data()),
            }

        executor = self.run(Loader=lambda: kept.made(10, 0), Describer=kept.described, Clean=kept.dropped, Look=look)
        assert executor.get_result().popitem()[1]["data"] == {"loader": 10, "described": 3, "own": 8}

    def test_a_module_that_is_not_on_the_branch_is_an_error(self):
        with pytest.raises(LookupError, match="no module 'Nobody' before Loader.* there is Loader"):
            self.run(Loader=lambda: kept.made(2, 0), Look=lambda data, step: step.data("Nobody"))

    def test_changing_the_input_in_place_changes_it_for_nobody_else(self):
        def spoil(data):
            data["age"] = -1.0
            return data

        config = {
            "Loader": {"a": {"method": lambda: kept.made(6, 0)}},
            "Describer": {"d": {"method": kept.described}, "spoil": {"method": spoil}},
            "Work": {"spoil": {"method": spoil}, "copy": {"method": lambda data: data.copy()}},
        }
        executor = Executor(config)
        executor.run()
        for key, result in executor.get_result("Work").items():
            wanted = kept.made(6, 0)
            assert_same(result["data"], spoil(wanted) if key.endswith("Work[spoil]") else wanted)

    def test_changing_a_parameter_in_place_changes_it_for_no_other_branch(self):
        seen = []

        def spoil(data, names: list[str], more: dict):
            seen.append((list(names), dict(more)))
            names.append("x")
            more["y"] = 1
            return data

        config = {
            "Loader": {name: {"method": lambda: kept.made(2, 0)} for name in "ab"},
            "Next": {"n": {"method": spoil, "names": ["age"], "more": {"k": [1]}}},
        }
        Executor(config).run()
        assert seen == [(["age"], {"k": [1]})] * 2

    def test_calls_in_a_list_follow_each_other_in_one_step(self):
        config = {
            "Loader": {"a": {"method": lambda: kept.made(10, 0)}},
            "Clean": {"both": [{"method": kept.dropped}, {"method": kept.with_ratio, "factor": 2}]},
        }
        executor = Executor(config)
        executor.run()
        assert_same(executor.get_result().popitem()[1]["data"], kept.with_ratio(kept.dropped(kept.made(10, 0)), 2))
        assert len(executor.get_timing()) == 2 and len(executor.get_timing(nested=True)) == 4


class TestFailure:
    KEY = "Loader[many]_Preprocessor[drop]"

    def test_the_original_exception_comes_with_a_note(self, ledger, trouble):
        trouble(self.KEY, "raise")
        executor = Executor(GRID)
        with pytest.raises(ValueError, match="^told to\n") as caught:
            executor.run()
        assert caught.value.__notes__ == [
            f"raised in {self.KEY}, step 11 of 27, of the run in {executor.status.folder}"
        ]
        for run in (executor.status, load_run(executor.status.folder)):
            assert run.state == "failed" and run.error.type == "ValueError"
            assert (run.error.module_name, run.error.experiment_name) == ("Preprocessor", "drop")
            assert "kept.py" in run.error.traceback and "executor.py" not in run.error.traceback
            assert list(run.results) == [key for key, _, _ in expected_steps()][:10]
            assert run.snapshots[-1].module_name == "Loader", "the last good state"
            assert list(run.get_timing()["outcome"]) == ["completed"] * 10 + ["failed"]

    def test_ctrl_c_is_recorded_as_such(self, ledger, trouble):
        trouble(self.KEY, "interrupt")
        executor = Executor(GRID)
        with pytest.raises(KeyboardInterrupt):
            executor.run()
        assert (executor.status.state, executor.status.error.type) == ("failed", "KeyboardInterrupt")

    def test_on_error_continue_runs_what_does_not_depend_on_it(self, ledger, trouble):
        trouble(self.KEY, "raise")
        executor = Executor(GRID.replace("Run: {", "Run: {on_error: continue, "))
        with pytest.raises(StepsError, match="1 of 27 steps failed: .*told to") as caught:
            executor.run()
        assert [type(error) for error in caught.value.errors] == [ValueError]
        unreached = [key for key, _, _ in expected_steps() if key.startswith(f"{self.KEY}_")]
        assert ledger.keys() == [key for key, _, _ in expected_steps() if key not in unreached]
        assert load_run(executor.status.folder).state == "failed"
        assert set(executor.status.results) == {key for key, _, _ in expected_steps() if self.KEY not in key}

    def test_on_error_continue_stops_for_ctrl_c(self, ledger, trouble):
        trouble(self.KEY, "interrupt")
        executor = Executor(GRID.replace("Run: {", "Run: {on_error: continue, "))
        with pytest.raises(KeyboardInterrupt):
            executor.run()
        assert ledger.keys()[-1] == self.KEY

    @pytest.mark.parametrize(
        ("result", "message"),
        [
            (None, "returned nothing; return a frame"),
            (object(), "can't store the result: the result is a builtins.object"),
            ({"a": pd.DataFrame({"x": [1]}), "b": {3}}, "can't store part 'b': the result is a builtins.set"),
            (pd.DataFrame({"x": [1, object()]}), "'x', row 1"),
            (pd.Series([1, print]), "row 1: a value of type"),
            ((kept.made(1, 0), kept.made(1, 0)), "the result is a builtins.tuple"),
        ],
        ids=["nothing", "an object", "frames and more", "mixed types", "a series", "a tuple"],
    )
    def test_nonsense_is_refused_and_the_step_failed(self, result, message):
        executor = Executor({"Loader": {"a": {"method": lambda: result}}})
        with pytest.raises(DataError, match=message) as caught:
            executor.run()
        assert "raised in Loader[a], step 1 of 1" in caught.value.__notes__[0]
        assert executor.status.state == "failed" and executor.status.results == {}

    def test_memory_is_let_go_of_after_a_failure(self, ledger, trouble):
        trouble(self.KEY, "raise")
        with pytest.raises(ValueError):
            Executor(GRID).run()
        gc.collect()
        assert sum(ref() is not None for ref in kept.ALIVE) == 0
