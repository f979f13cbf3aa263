"""The specification, part by part, as far as it needs no Executor: of a live Status and of the run loaded again.

The code is that of the specification's examples, with `status` where they write `executor.status`.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from runfolio import Schema, Status, load_run
from runfolio.view import RunView

View = Callable[[Status], RunView]


def live(status: Status) -> RunView:
    return status


def loaded(status: Status) -> RunView:
    assert status.folder is not None
    return load_run(status.folder)


both = pytest.mark.parametrize("view", [live, loaded])


@pytest.fixture
def completed(status: Status) -> Status:
    status.complete()
    return status


class TestConstructor:
    def test_it_takes_no_parameters_and_starts_empty(self):
        status = Status()
        assert status.snapshots == [] and status.changes == [] and status.timing_records == []
        assert status.results == {} and status.get_result() == {}
        assert status.state == "not_started" and status.folder is None and status.run_id is None

    def test_its_folder_is_made_by_the_first_write(self, root):
        status = Status()
        assert not root.exists()
        status.log("hello")
        assert status.folder is not None and status.folder.parent == root and status.folder.is_dir()


class TestExecutionState:
    def test_it_goes_from_not_started_over_in_progress_to_completed(self):
        status = Status()
        seen = [status.state]
        status.start()
        seen.append(status.state)
        status.complete()
        assert [*seen, status.state] == ["not_started", "in_progress", "completed"]

    def test_it_goes_from_in_progress_to_failed(self):
        status = Status()
        status.fail(ValueError("no"))
        assert status.state == "failed" and not status.is_completed()

    @both
    def test_is_completed(self, completed, view):
        assert view(completed).is_completed()
        assert view(completed).state == "completed"

    @both
    def test_a_live_run_is_in_progress(self, status, view):
        assert not view(status).is_completed()
        assert view(status).state == "in_progress"


class TestResults:
    @both
    def test_the_structure_is_data_and_schema_by_experiment_key(self, status, view, people):
        results = view(status).get_result()
        exp_key = next(iter(results.keys()))
        assert exp_key == "Loader[csv]_Preprocessor[drop_na]"
        exp_result = results[exp_key]
        data, schema = exp_result["data"], exp_result["schema"]
        assert set(exp_result) == {"data", "schema"}
        assert data.shape == (1, 5) and isinstance(data, pd.DataFrame)
        assert len(schema.columns) == 5 and isinstance(schema, Schema)

    @both
    def test_every_stored_one_comes_from_results_and_by_module(self, status, view, people):
        run = view(status)
        assert list(run.results) == ["Loader[csv]", "Loader[csv]_Preprocessor[drop_na]"]
        assert list(run.get_result(module="Loader")) == ["Loader[csv]"]
        pd.testing.assert_frame_equal(run.results["Loader[csv]"]["data"], people)

    @both
    def test_they_can_be_written_in_batches(self, completed, view, tmp_path):
        results = view(completed).get_result()
        for exp_key, exp_result in results.items():
            exp_result["data"].to_csv(tmp_path / f"{exp_key}.csv")
        assert [path.name for path in tmp_path.glob("*.csv")] == ["Loader[csv]_Preprocessor[drop_na].csv"]

    @both
    def test_data_comes_by_module(self, status, view, people):
        found = view(status).get_data_by_module(["Loader", "Nobody"])
        assert list(found) == ["Loader"]
        pd.testing.assert_frame_equal(found["Loader"], people)

    @both
    def test_parts_come_as_a_dict_and_by_module_and_part(self, status, view, people):
        with status.step("Splitter", "half", data=people) as step:
            step.result({"train": people[:2], "validation": people[2:]})
        run = view(status)
        (result,) = run.get_result().values()
        assert list(result["data"]) == list(result["schema"]) == ["train", "validation"]
        assert list(run.get_data_by_module("Splitter")) == ["Splitter_train", "Splitter_validation"]


class TestSnapshots:
    @both
    def test_they_are_taken_at_the_start_before_and_after_each_module_and_at_the_end(self, completed, view):
        points = [(s["context"]["point"], s["module_name"], s["experiment_name"]) for s in view(completed).snapshots]
        assert points == [
            ("start", None, None),
            ("before", "Loader", "csv"),
            ("after", "Loader", "csv"),
            ("before", "Preprocessor", "drop_na"),
            ("after", "Preprocessor", "drop_na"),
            ("completed", "Preprocessor", "drop_na"),
        ]

    @both
    def test_their_contents_are_the_specifications(self, status, view):
        snapshot = view(status).snapshots[-1]
        assert isinstance(snapshot["snapshot_id"], str)
        assert isinstance(snapshot["timestamp"], datetime) and snapshot["timestamp"].utcoffset() == timedelta(0)
        assert snapshot["module_name"] == "Preprocessor" and snapshot["experiment_name"] == "drop_na"
        assert isinstance(snapshot["metadata"]["schema_before"], Schema)
        assert isinstance(snapshot["metadata"]["schema_after"], Schema)
        assert isinstance(snapshot["context"], dict)
        assert (snapshot.rows_before, snapshot.rows_after) == (3, 1)

    @both
    def test_their_access_prints_as_the_example_does(self, status, view, capsys):
        snapshots = view(status).snapshots
        print(f"Total snapshots: {len(snapshots)}")
        for snapshot in snapshots:
            print(f"Snapshot: {snapshot['snapshot_id']}")
            print(f"  Module: {snapshot['module_name']}")
            print(f"  Experiment: {snapshot['experiment_name']}")
            print(f"  Time: {snapshot['timestamp']}")
        assert capsys.readouterr().out.startswith("Total snapshots: 5\nSnapshot: snapshot-000001\n")

    @both
    def test_one_comes_by_its_id_and_those_of_a_module_by_its_name(self, status, view):
        run = view(status)
        assert run.get_snapshot_by_id("snapshot-000003") == run.snapshots[2]
        assert run.get_snapshot_by_id("snapshot-999999") is None
        assert run.get_snapshots("Loader") == run.snapshots[1:3]
        assert run.get_snapshots() == run.snapshots

    @both
    def test_ids_are_unique(self, completed, view):
        ids = [snapshot.snapshot_id for snapshot in view(completed).snapshots]
        assert len(set(ids)) == len(ids)


class TestChanges:
    @both
    def test_every_type_is_told_from_the_data(self, status, view):
        changes = view(status).get_change_history("Preprocessor")
        assert {(change["type"], change["target"]) for change in changes} == {
            ("UPDATE", "*"),
            ("TRANSFORM", "age"),
            ("CREATE", "bmi"),
            ("CREATE", "adult"),
        }

    @both
    def test_a_dropped_column_is_a_delete(self, status, view, people):
        with status.step("Preprocessor", "drop", data=people) as step:
            step.result(people.drop(columns="weight"))
        change = view(status).changes[-1]
        assert (change["type"], change["target"], change["after"]) == ("DELETE", "weight", None)
        assert change["before"]["dtype"] == "float64"

    @both
    def test_their_access_has_id_type_target_and_time(self, status, view):
        change = view(status).changes[0]
        assert change["change_id"] == "change-000001"
        assert change["type"] == "CREATE" and change["target"] == "name"
        assert isinstance(change["timestamp"], datetime)

    @both
    def test_the_schema_evolution_example_prints_what_a_person_can_read(self, status, view, people, capsys):
        with status.step("Preprocessor", "scale", data=people) as step:
            step.result(people.assign(weight=people["weight"] / 1000))
        for change in view(status).changes:
            if change["type"] == "UPDATE":
                print(f"  {change['target']}: {change['before']} → {change['after']}")
        assert (
            "  *: 3 rows → 1 row\n  weight: float64, 1 missing, 64.0 to 71.5 → float64, 1 missing, 0.064 to 0.0715\n"
            in capsys.readouterr().out
        )

    @both
    def test_modules_that_describe_data_change_none(self, status, view, people):
        before = len(status.changes)
        with status.step("Describer", "means", data=people) as step:
            step.result(people[["age"]].mean().to_frame("mean"))
        assert len(view(status).changes) == before


class TestTiming:
    @both
    def test_it_is_a_frame_of_the_specifications_columns(self, status, view):
        timing = view(status).get_timing()
        assert list(timing.columns) == [
            "record_id",
            "module_name",
            "experiment_name",
            "step_name",
            "start_time",
            "end_time",
            "duration_seconds",
            "cpu_seconds",
            "outcome",
            "parent_id",
        ]
        assert list(timing["module_name"]) == ["Loader", "Preprocessor"]
        assert timing["duration_seconds"].dtype == "float64" and (timing["duration_seconds"] >= 0).all()
        assert str(timing["start_time"].dtype) == "datetime64[us, UTC]"
        assert (timing["end_time"] >= timing["start_time"]).all()

    @both
    def test_its_sum_and_its_groups_are_numbers(self, status, view):
        timing = view(status).get_timing()
        total_time = timing["duration_seconds"].sum()
        module_times = timing.groupby("module_name")["duration_seconds"].sum()
        avg_time_per_module = timing.groupby("module_name")["duration_seconds"].mean()
        assert total_time == pytest.approx(module_times.sum()) == pytest.approx(avg_time_per_module.sum())

    @both
    def test_what_is_timed_inside_a_step_is_nested(self, status, view):
        with status.step("Synthesizer", "copula"):
            inner = status.start_timing("Synthesizer", "copula", "fit")
            status.end_timing(inner)
            status.record_timing("Synthesizer", "copula", "sample", 0, 1.5)
        run = view(status)
        assert list(run.get_timing()["step_name"]) == ["run", "run", "run"]
        nested = run.get_timing(nested=True)
        assert list(nested["step_name"]) == ["run", "run", "fit", "sample", "run"]
        assert set(nested["parent_id"].dropna()) == {nested["record_id"].iloc[-1]}
        assert len(run.get_timing_records("Synthesizer")) == 3

    def test_without_a_record_it_has_its_columns_and_dtypes(self):
        timing = Status().get_timing()
        assert len(timing) == 0 and timing["duration_seconds"].sum() == 0
        assert str(timing["end_time"].dtype) == "datetime64[us, UTC]"


class TestSummary:
    @both
    def test_it_has_the_specifications_keys(self, status, view):
        assert view(status).get_status_summary() == {
            "sequence": ["Loader", "Preprocessor", "Reporter"],
            "active_modules": ["Loader", "Preprocessor"],
            "metadata_modules": ["Loader", "Preprocessor"],
            "total_snapshots": 5,
            "total_changes": 7,
            "last_snapshot": "snapshot-000005",
            "last_change": "change-000007",
            "state": "in_progress",
            "last_completed": ("Preprocessor", "drop_na"),
        }

    def test_of_an_empty_run_it_is_empty(self):
        assert Status(sequence=["Loader"]).get_status_summary() == {
            "sequence": ["Loader"],
            "active_modules": [],
            "metadata_modules": [],
            "total_snapshots": 0,
            "total_changes": 0,
            "last_snapshot": None,
            "last_change": None,
            "state": "not_started",
            "last_completed": None,
        }


class TestMetadata:
    @both
    def test_of_a_module_it_is_what_that_gave_last(self, status, view, people):
        assert view(status).get_metadata("Loader") == Schema.from_data(people)
        assert view(status).get_metadata("Preprocessor")["age"].dtype == "float64"

    @both
    def test_its_evolution_is_what_went_in_and_came_out(self, status, view, people):
        evolution = view(status).get_metadata_evolution("Preprocessor")
        assert [schema.rows for schema in evolution] == [3, 1]
        assert evolution[0] == Schema.from_data(people)

    @both
    def test_the_full_experiment_is_the_current_path(self, status, view):
        assert view(status).get_full_expt() == {"Loader": "csv", "Preprocessor": "drop_na"}
        assert view(status).get_full_expt("Loader") == {"Loader": "csv"}


class TestRecovery:
    @both
    def test_at_answers_as_of_a_snapshot(self, completed, view):
        then = view(completed).at("snapshot-000003")
        assert list(then.get_result()) == ["Loader[csv]"]
        assert then.state == "in_progress" and len(then.snapshots) == 3
        assert then.get_full_expt() == {"Loader": "csv"} and len(then.get_timing()) == 1

    @both
    def test_restore_goes_back_and_is_itself_recorded(self, status, view, people):
        status.restore_from_snapshot("snapshot-000003")
        run = view(status)
        assert list(run.results) == ["Loader[csv]"] and run.get_full_expt() == {"Loader": "csv"}
        assert len(run.snapshots) == 5 and run.events[-1]["type"] == "restore"
        with status.step("Preprocessor", "drop_na", data=people) as step:
            step.result(people.head(2))
        (result,) = view(status).get_result().values()
        assert result.record.key == "Loader[csv]_Preprocessor[drop_na]" and result["schema"].rows == 2


class TestPersistence:
    def test_a_pickle_of_a_status_loads_as_a_run_that_reads(self, status, people, tmp_path):
        with (tmp_path / "status_state.pkl").open("wb") as file:
            pickle.dump(status, file)
        with (tmp_path / "status_state.pkl").open("rb") as file:
            loaded_status = pickle.load(file)
        assert loaded_status.snapshots == status.snapshots
        assert loaded_status.get_status_summary() == status.get_status_summary()
        pd.testing.assert_frame_equal(loaded_status.results["Loader[csv]"]["data"], people)

    def test_the_pickle_holds_no_data(self, status):
        assert len(pickle.dumps(status)) < 400

    def test_a_status_without_a_folder_pickles_as_empty(self):
        assert pickle.loads(pickle.dumps(Status())).state == "not_started"

    def test_the_state_outlives_the_object(self, root):
        def record() -> str:
            with Status(name="gone") as status:
                status.log("here")
            return str(status.folder)

        assert load_run(record()).events[-2]["message"] == "here"


class TestErrors:
    @both
    def test_after_an_error_the_partial_results_and_the_last_good_module_are_there(self, status, view):
        def run() -> None:
            with status, status.step("Synthesizer", "gan"):
                raise RuntimeError("out of memory")

        with pytest.raises(RuntimeError, match="out of memory"):
            run()
        after = view(status)
        assert after.state == "failed" and len(after.get_result()) == 1
        last_snapshot = after.snapshots[-1]
        assert f"Last successful module: {last_snapshot['module_name']}" == "Last successful module: Preprocessor"
        assert last_snapshot["context"]["failed_module"] == "Synthesizer"
        assert after.error is not None
        assert (after.error.type, after.error.message, after.error.module_name, after.error.experiment_name) == (
            "RuntimeError",
            "out of memory",
            "Synthesizer",
            "gan",
        )
        assert "RuntimeError: out of memory" in after.error.traceback
        assert after.get_timing()["outcome"].iloc[-1] == "failed"


def test_times_are_utc_of_now(status):
    assert abs(datetime.now(UTC) - status.snapshots[0].timestamp) < timedelta(minutes=5)
