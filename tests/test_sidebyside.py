"""Side by side: any number of runs by their numbers, a row each."""

from __future__ import annotations

from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from runfolio import Executor, Status, compare_runs, load_run, sidebyside
from runfolio.errors import NotFoundError, UsageError
from runfolio.run import Run
from runfolio.sidebyside import side_by_side


def load(rows: int, kind: Any = None) -> pd.DataFrame:
    return pd.DataFrame({"age": range(rows)})


def score(frame: pd.DataFrame) -> dict[str, Any]:
    return {"auc": len(frame) / 100, "folds": [1, 2.5, None], "passed": True, "name": "x", "none": None}


def record(rows: int, kind: Any = None, **options: Any) -> Run:
    config = {"Loader": {"a": {"method": load, "rows": rows, "kind": kind}}, "Evaluator": {"e": {"method": score}}}
    executor = Executor(config, **options)
    executor.run()
    return load_run(executor.status.folder)


def reported(module: str, data: Any) -> dict[str, float]:
    with Status() as status, status.step(module, "m") as step:
        step.result(data)
    (run,) = side_by_side([status]).runs
    return {name.removeprefix(f"{module}[m]"): value for name, value in run.reports.items()}


class TestNumbers:
    def test_parameters_durations_rows_and_reports_of_each_run(self):
        run = record(25)
        (found,) = side_by_side([run]).runs
        assert (found.run_id, found.state, found.duration_seconds) == (run.run_id, "completed", run.duration_seconds)
        assert found.parameters["Loader.a.rows"] == 25
        assert found.rows == {"Loader[a]": 25}
        timings = {timing.module_name: timing.duration_seconds for timing in run.timing_records}
        assert found.seconds == {
            "Loader[a]": timings["Loader"],
            "Loader[a]_Evaluator[e]": timings["Evaluator"],
        }
        key = "Loader[a]_Evaluator[e]"
        assert found.reports == {f"{key}.auc": 0.25, f"{key}.folds[0]": 1, f"{key}.folds[1]": 2.5}

    def test_settings_of_the_run_are_no_parameters_and_a_seed_by_hand_is_one(self):
        executor = Executor({"Run": {"name": "y", "tags": ["t"]}, "Loader": {"a": {"method": load, "rows": 1}}})
        executor.run()
        one, other = side_by_side([executor.status, load_run(_recorded(Status(name="x", seed=2**80)))]).runs
        assert list(one.parameters) == ["Loader.a.method", "Loader.a.rows"]
        assert other.parameters == {"seed": 2**80} and other.name == "x"

    def test_the_parameters_that_differ(self):
        found = side_by_side([record(1, 1), record(2, True), record(2, "1")])
        assert found.differing().names("parameters") == ["Loader.a.rows", "Loader.a.kind"]
        assert side_by_side([record(3), record(3)]).differing().names("parameters") == []
        assert side_by_side([record(3, 1), record(3, "1")]).differing().names("parameters") == ["Loader.a.kind"]

    def test_a_failed_run_has_what_it_came_to(self):
        status = Status()
        with status.step("Loader", "a") as step:
            step.result(load(2))
        with pytest.raises(ZeroDivisionError), status.step("Evaluator", "e"):
            1 / 0  # noqa: B018
        status.fail("no")
        (found,) = side_by_side([status]).runs
        assert (found.state, found.rows, found.reports) == ("failed", {"Loader[a]": 2}, {})

    def test_a_run_that_has_not_begun(self):
        (found,) = side_by_side([Status()]).runs
        assert (found.run_id, found.state, found.rows, found.reports) == (None, "not_started", {}, {})


class TestReports:
    @pytest.mark.parametrize(
        "frame",
        [
            pd.DataFrame({"who": ["a", "b"], "mean": [1.5, None], "n": [1, 2], "ok": [True, False]}),
            pd.DataFrame({"mean": [1.5, None], "n": [1, 2]}, index=["a", "b"]),
            pl.DataFrame({"who": ["a", "b"], "mean": [1.5, None], "n": [1, 2]}),
            pa.table({"who": ["a", "b"], "mean": [1.5, None], "n": [1, 2]}),
        ],
        ids=["first texts", "index", "polars", "arrow"],
    )
    def test_a_small_frame_by_row_and_column(self, frame: Any):
        assert reported("Describer", frame) == {".a.mean": 1.5, ".a.n": 1, ".b.n": 2}

    def test_one_row_needs_no_name_and_rows_without_names_have_numbers(self):
        assert reported("Evaluator", pd.DataFrame({"auc": [0.5]})) == {".auc": 0.5}
        assert reported("Evaluator", pd.DataFrame({"auc": [0.5, 0.25]})) == {"[0].auc": 0.5, "[1].auc": 0.25}
        twice = pd.DataFrame({"who": ["a", "a"], "auc": [0.5, 0.25]})
        assert reported("Evaluator", twice) == {"[0].auc": 0.5, "[1].auc": 0.25}

    def test_labels_of_several_levels_and_series(self):
        frame = pd.DataFrame({("a", "x"): [1]}, index=pd.MultiIndex.from_tuples([("r", 1)]))
        assert reported("Describer", frame) == {".r.1.a.x": 1}
        assert reported("Describer", pd.Series([1.5], index=["mean"], name="age")) == {".mean.age": 1.5}

    def test_parts_have_their_names(self):
        data = {"train": {"auc": 0.5}, "cells": pd.DataFrame({"n": [3]})}
        assert reported("Evaluator", data) == {".train.auc": 0.5, ".cells.n": 3}

    def test_tables_of_other_modules_and_large_ones_are_no_reports(self):
        assert reported("Loader", pd.DataFrame({"n": [3]})) == {}
        assert reported("Describer", pd.DataFrame({"n": range(501)})) == {}
        assert len(reported("Describer", pd.DataFrame({"n": range(500)}))) == 500

    def test_of_too_many_numbers_the_first_are_told_and_that_is_said(self):
        with Status() as status:
            status.store_result("many", list(range(600)))
        found = side_by_side([status])
        assert len(found.runs[0].reports) == 500 and found.runs[0].reports["many[499]"] == 499
        assert found.notes == [f"{status.run_id}: of the 600 numbers of many the first 500 are told"]

    def test_a_damaged_report_is_a_note_and_hides_nothing_else(self):
        with Status() as status:
            status.store_result("bad", {"n": 1})
            status.store_result("good", {"n": 2})
        path = status.folder / status.result_records[0].parts[0].file
        path.write_bytes(path.read_bytes().replace(b"1", b"7"))
        found = side_by_side([Run(status.folder)])
        assert found.runs[0].reports == {"good.n": 2}
        assert len(found.notes) == 1 and found.notes[0].startswith(f"{status.run_id}: ")

    def test_a_report_that_is_withheld_is_none_and_no_note(self):
        with Status(results="schema") as status:
            status.store_result("score", {"auc": 0.5})
        found = side_by_side([status])
        assert (found.runs[0].reports, found.notes) == ({}, [])

    def test_a_report_that_is_too_large_is_not_read(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(sidebyside, "MOST_BYTES", 3)
        assert reported("Evaluator", {"n": 1}) == {}


class TestSorting:
    def test_by_a_quantity_up_and_down_and_those_without_it_last(self):
        runs = [record(2), load_run(_recorded(Status())), record(1), record(3)]
        found = side_by_side(runs)
        assert [run.rows.get("Loader[a]") for run in found.sorted_by("rows Loader[a]").runs] == [1, 2, 3, None]
        assert [run.rows.get("Loader[a]") for run in found.sorted_by("auc", descending=True).runs] == [3, 2, 1, None]
        assert [run.state for run in found.sorted_by("state").runs] == ["completed"] * 4

    def test_numbers_come_before_texts(self):
        found = side_by_side([record(1, "x"), record(1, 10), record(1, 9)]).sorted_by("Loader.a.kind")
        assert [run.parameters["Loader.a.kind"] for run in found.runs] == [9, 10, "x"]

    def test_a_name_that_none_or_several_have_is_refused(self):
        found = side_by_side([record(1)])
        with pytest.raises(NotFoundError, match="no quantity 'f1' in these runs"):
            found.sorted_by("f1")
        with pytest.raises(UsageError, match=r"2 quantities have 'folds' in their names: .*folds\[0\], .*folds\[1\]"):
            found.sorted_by("folds")


class TestFrames:
    def test_a_row_a_run_with_the_types_of_its_columns(self):
        runs = [record(25, 1), record(50, 2.5), load_run(_recorded(Status(name="bare")))]
        frame = compare_runs(runs)
        assert list(frame["run_id"]) == [run.run_id for run in runs]
        assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
            "run_id": "string",
            "name": "string",
            "state": "string",
            "start_time": "datetime64[us, UTC]",
            "duration_seconds": "float64",
            "Loader.a.rows": "Int64",
            "Loader.a.kind": "float64",
            "seconds Loader[a]": "float64",
            "seconds Loader[a]_Evaluator[e]": "float64",
            "rows Loader[a]": "Int64",
            "Loader[a]_Evaluator[e].auc": "float64",
            "Loader[a]_Evaluator[e].folds[0]": "Int64",
            "Loader[a]_Evaluator[e].folds[1]": "float64",
            "Loader.a.method": "string",
            "Evaluator.e.method": "string",
        }
        assert frame["Loader[a]_Evaluator[e].auc"].tolist()[:2] == [0.25, 0.5]
        assert frame["rows Loader[a]"].isna().tolist() == [False, False, True]

    def test_all_parameters_when_asked_for(self):
        runs = [record(1), record(1)]
        assert "Loader.a.rows" not in compare_runs(runs)
        assert compare_runs(runs, all_parameters=True)["Loader.a.rows"].tolist() == [1, 1]

    def test_runs_are_named_as_everywhere(self, root):
        run = record(4)
        frame = compare_runs(["latest", run.folder, run], sort="auc")
        assert frame["run_id"].tolist() == [run.run_id] * 3
        assert compare_runs([run.run_id], root=root)["rows Loader[a]"].tolist() == [4]
        with pytest.raises(NotFoundError):
            compare_runs(["nope"])

    def test_no_runs_are_an_empty_frame_with_its_columns(self):
        frame = compare_runs([])
        assert len(frame) == 0 and list(frame)[:3] == ["run_id", "name", "state"]

    @pytest.mark.parametrize("runs", ["latest", 0])
    def test_one_run_alone_is_refused(self, runs: Any):
        run = runs or record(1)
        with pytest.raises(UsageError, match="pass a list of runs"):
            compare_runs(run)


def _recorded(status: Status) -> Any:
    with status:
        pass
    return status.folder
