"""Comparison: two runs side by side."""

from __future__ import annotations

import pandas as pd
import pytest

from runfolio import Executor, Status, load_run
from runfolio.comparison import Comparison, compare
from runfolio.view import RunView

from .test_lineage import birds, load, step


def record(frame: pd.DataFrame, function=lambda frame: frame) -> RunView:
    with Status() as status:
        frame = load(status, frame)
        step(status, "Clean[some]", frame, function)
    return load_run(status.folder)


def told(found: Comparison) -> list[tuple[str, str, str | None, str | None]]:
    return [(pair.key.rpartition("_")[2], pair.type, pair.name_a, pair.name_b) for pair in found.columns]


class TestColumns:
    def test_runs_that_did_the_same_are_equal(self):
        found = compare(record(birds()), record(birds()))
        assert found.equal and found.columns == [] and found["notes"] == []
        assert found.a.run_id != found.b.run_id and found.a.state == "completed"

    def test_columns_are_only_in_one_of_another_dtype_renamed_or_of_other_values(self):
        a = record(birds().assign(old=1))
        b = record(
            birds().assign(new="x").rename(columns={"sex": "sexe"}).astype({"year": "float64"}).assign(Depth=1.5)
        )
        found = compare(a, b)
        assert not found.equal
        expected = [
            ("DELETE", "old", None),
            ("UPDATE", "Depth", "Depth"),
            ("RENAME", "sex", "sexe"),
            ("TRANSFORM", "year", "year"),
            ("CREATE", None, "new"),
        ]
        assert told(found) == [(key, *one) for key in ("Loader[birds]", "Clean[some]") for one in expected]
        depth = found.columns[1]
        assert (depth.a.nulls, depth.b.nulls, depth.a.statistics.maximum, depth.b.statistics.mean) == (
            1,
            0,
            "19.3",
            1.5,
        )

    def test_values_are_told_by_their_digests_though_no_statistic_differs(self):
        a, b = record(pd.DataFrame({"a": [1, 2, 2, 3], "b": 0})), record(pd.DataFrame({"a": [2, 1, 2, 3], "b": 0}))
        (pair, _) = compare(a, b).columns
        assert (pair.type, pair.name_a, pair.same_values) == ("UPDATE", "a", False)
        assert pair.a == pair.b

    def test_values_of_other_rows_are_told_by_their_digests_too(self):
        a, b = record(pd.DataFrame({"a": ["x", "y", "y"]})), record(pd.DataFrame({"a": ["x", "y", "x", "y"]}))
        table, pair, *_ = compare(a, b).columns
        assert (table.name_a, pair.name_a, pair.same_values) == ("*", "a", False)
        assert pair.a == pair.b

    def test_other_rows_are_told_with_the_statistics_that_differ(self):
        found = compare(record(birds()), record(birds(), lambda frame: frame[frame["year"] < 2009]))
        assert told(found) == [
            ("Clean[some]", "UPDATE", "*", "*"),
            ("Clean[some]", "UPDATE", "Depth", "Depth"),
            ("Clean[some]", "UPDATE", "sex", "sex"),
            ("Clean[some]", "UPDATE", "year", "year"),
        ]
        table, *_, year = found.columns
        assert (table.a.rows, table.b.rows) == (5, 3)
        assert (year.a.statistics.maximum, year.b.statistics.maximum) == ("2009", "2008")

    def test_without_digests_the_schemas_alone_are_compared(self):
        runs = []
        for value in (1, 2):
            with Status(profile="names") as status:
                load(status, pd.DataFrame({"a": [value]}))
            runs.append(status)
        assert compare(*runs).equal

    def test_parts_are_compared_by_name(self):
        def split(**parts: int):
            return record(birds(), lambda frame: {name: frame[:rows] for name, rows in parts.items()})

        found = compare(split(train=2, test=5), split(train=2, holdout=4))
        assert [(pair.part, pair.type, pair.a and pair.a.rows, pair.b and pair.b.rows) for pair in found.columns] == [
            ("test", "DELETE", 5, None), ("holdout", "CREATE", None, 4)
        ]  # fmt: skip


class TestSteps:
    def test_they_are_paired_by_path_with_durations_and_rows(self):
        found = compare(record(birds()), record(birds(), lambda frame: frame[:2]))
        assert [step.key for step in found.steps] == ["Loader[birds]", "Loader[birds]_Clean[some]"]
        clean = found.steps[1]
        assert (clean.a.rows_after, clean.b.rows_after) == (5, 2)
        assert clean.ratio == pytest.approx(clean.b.duration_seconds / clean.a.duration_seconds)
        timings = load_run(found.a.run_id).timing_records
        assert [step.a.duration_seconds for step in found.steps] == [timing.duration_seconds for timing in timings]

    def test_those_of_one_run_stand_behind_the_step_that_they_follow(self):
        with Status() as a:
            loaded = load(a)
            step(a, "Clean[x]", loaded, lambda frame: frame)
            with a.step("Model", "m", after=[("Loader", "birds")]) as running:
                running.log("last")
        with Status() as b:
            loaded = load(b)
            step(b, "Clean[x]", loaded, lambda frame: frame)
            step(b, "Clean[y]", loaded, lambda frame: frame)
        found = compare(a, b)
        assert [(one.key.rpartition("_")[2], one.a is None, one.b is None) for one in found.steps] == [
            ("Loader[birds]", False, False),
            ("Clean[x]", False, False),
            ("Clean[y]", True, False),
            ("Model[m]", False, True),
        ]
        assert [one.ratio for one in found.steps[2:]] == [None, None] and not found.equal

    def test_a_step_that_failed_or_was_undone_is_in_one_run_only(self):
        with Status() as undone:
            frame = load(undone)
            start = undone.snapshots[-1].snapshot_id
            step(undone, "Clean[some]", frame, lambda frame: frame)
            undone.restore_from_snapshot(start)
        (alone,) = [one for one in compare(undone, record(birds())).steps if one.a is None]
        assert alone.key == "Loader[birds]_Clean[some]"

    def test_steps_by_hand_are_paired_by_module_and_experiment(self):
        runs = []
        for rows in (5, 3):
            with Status() as status:
                status.record_snapshot("Clean", "some", {"schema_before": birds(), "schema_after": birds()[:rows]})
                status.record_timing("Clean", "some", "run", 0, rows)
            runs.append(status)
        found = compare(*runs)
        (pair,) = found.steps
        assert (pair.key, pair.a.duration_seconds, pair.ratio) == ("Clean[some]", 5.0, 0.6)
        assert told(found)[0] == ("Clean[some]", "UPDATE", "*", "*")


class TestConfiguration:
    def run(self, **settings: object) -> RunView:
        config = {"Loader": {"birds": {"method": birds}}, "Splitter": {"half": {"ratio": 0.5, **settings}}}
        executor = Executor(config)
        executor.run()
        return load_run(executor.status.folder)

    def test_settings_are_told_by_their_place(self):
        found = compare(self.run(seed=1), self.run(seed=2, num_samples=1))
        assert [(one.name, one.a, one.b) for one in found.configuration] == [
            ("Splitter.half.seed", "1", "2"),
            ("Splitter.half.num_samples", None, "1"),
        ]
        assert not found.equal and found.versions == []

    def test_the_same_ones_are_no_difference(self):
        assert compare(self.run(seed=1), self.run(seed=1)).equal

    def test_a_run_without_one_has_none_of_its_settings(self):
        found = compare(self.run(seed=1), record(birds()))
        assert {one.b for one in found.configuration} == {None}
        assert ("Splitter.half.ratio", "0.5") in [(one.name, one.a) for one in found.configuration]

    def test_one_that_can_not_be_read_is_noted(self):
        run = self.run(seed=1)
        (run.folder / "config.yaml").write_text("Loader: {a: [")
        (note,) = compare(run, self.run(seed=1)).notes
        assert note.startswith("the configuration of a can't be read: ")

    def test_input_files_are_told_by_size_and_digest(self, tmp_path):
        runs = []
        for text in ("a\n1\n", "a\n1\n2\n"):
            (tmp_path / "file.csv").write_text(text)
            executor = Executor({"Loader": {"one": {"path": str(tmp_path / "file.csv")}}})
            executor.run()
            runs.append(executor.status)
        (file,) = compare(*runs).inputs
        assert file.a.startswith("4 bytes, sha256 ") and file.b.startswith("6 bytes, sha256 ")


@pytest.mark.filterwarnings("ignore::runfolio.errors.DamageWarning")
def test_damage_is_noted():
    run = record(birds())
    path = run.folder / "changes.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"CREATE"', b'"DELETE"', 1))
    (note,) = compare(record(birds()), load_run(run.folder)).notes
    assert note.startswith("b is damaged: changes.jsonl, line 1")


def test_another_state_is_a_difference():
    failed = Status()
    failed.fail("no")
    with Status() as completed:
        pass
    assert not compare(failed, completed).equal
