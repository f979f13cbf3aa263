"""Column history: every step that touched a column, under any name, on every branch."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from runfolio import Executor, Status, load_run
from runfolio.errors import NotFoundError, UsageError
from runfolio.lineage import Touch
from runfolio.view import RunView


def birds() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Depth": [18.7, None, 18.0, 19.3, 17.1],
            "sex": ["m", "f", "f", None, "m"],
            "year": [2007, 2007, 2008, 2009, 2009],
        }
    )


def told(touches: list[Touch]) -> list[tuple[str, str, str | None, str | None]]:
    return [(touch.key.rpartition("_")[2], touch.type, touch.name_before, touch.name_after) for touch in touches]


def load(status: Status, frame: pd.DataFrame | None = None, **options: object) -> pd.DataFrame:
    return step(status, "Loader[birds]", None, lambda _: birds() if frame is None else frame, **options)


def step(status: Status, name: str, data: object, function: Callable, **options: object):
    """A step named as its key is, which gives what the function makes of the data."""
    module, _, experiment = name.removesuffix("]").partition("[")
    with status.step(module, experiment, data=data, **options) as running:
        return running.result(function(data))


RENAMED = {"Depth": "depth"}


class TestTypes:
    def test_each_type_is_told_with_what_was_and_what_became(self):
        status = Status()
        frame = load(status)
        frame = step(status, "Clean[names]", frame, lambda frame: frame.rename(columns=RENAMED))
        frame = step(status, "Clean[twice]", frame, lambda frame: frame.assign(depth=frame["depth"] * 2))
        frame = step(status, "Clean[other]", frame, lambda frame: frame.assign(sex="x"))
        frame = step(status, "Clean[filled]", frame, lambda frame: frame[frame["depth"].notna()])
        frame = step(status, "Clean[single]", frame, lambda frame: frame.astype({"depth": "float32"}))
        frame = step(status, "Clean[gone]", frame, lambda frame: frame.drop(columns="depth"))
        touches = status.column_history("depth")
        assert told(touches) == [
            ("Loader[birds]", "CREATE", None, "Depth"),
            ("Clean[names]", "RENAME", "Depth", "depth"),
            ("Clean[twice]", "UPDATE", "depth", "depth"),
            ("Clean[filled]", "ROWS", "depth", "depth"),
            ("Clean[single]", "TRANSFORM", "depth", "depth"),
            ("Clean[gone]", "DELETE", "depth", None),
        ]
        assert [touch.before is None for touch in touches] == [True, False, False, False, False, False]
        assert [touch.after and touch.after.nulls for touch in touches] == [1, 1, 1, 0, 0, None]
        assert [touch.after and touch.after.statistics.maximum for touch in touches[:3]] == ["19.3", "19.3", "38.6"]
        assert [(touch.rows_before, touch.rows_after) for touch in touches] == [
            (None, 5), (5, 5), (5, 5), (5, 4), (4, 4), (4, 4)
        ]  # fmt: skip
        assert touches[4].before.dtype == "float64" and touches[4].after.dtype == "float32"
        status.complete()

    def test_a_step_that_dropped_rows_but_no_end_of_the_range_did_not_touch_it(self):
        with Status() as status:
            frame = load(status, pd.DataFrame({"a": [1, 2, 3], "b": [3, 1, 2]}))
            step(status, "Clean[less]", frame, lambda frame: frame[frame["a"] != 2])
        assert told(status.column_history("a")) == [("Loader[birds]", "CREATE", None, "a")]
        assert told(status.column_history("b"))[1:] == [("Clean[less]", "ROWS", "b", "b")]

    def test_a_touch_names_its_step_and_its_changes(self):
        with Status() as status:
            frame = load(status)
            step(status, "Clean[names]", frame, lambda frame: frame.rename(columns=RENAMED))
        touch = status.column_history("depth")[-1]
        snapshot = status.get_snapshot_by_id(touch["snapshot_id"])
        assert snapshot is not None and snapshot.context["point"] == "after" and snapshot.timestamp == touch.timestamp
        changes = {change.change_id: change.type for change in status.changes}
        assert [changes[change_id] for change_id in touch.change_ids] == ["DELETE", "CREATE"]
        assert touch.key == "Loader[birds]_Clean[names]" and touch.path[-1].experiment_name == "names"

    def test_a_describing_step_touches_nothing(self):
        with Status() as status:
            frame = load(status)
            step(status, "Describer[means]", frame, lambda frame: frame[["year"]].mean().to_frame("Depth"))
            step(status, "Clean[names]", frame, lambda frame: frame.rename(columns=RENAMED))
        assert [name for name, *_ in told(status.column_history("depth"))] == ["Loader[birds]", "Clean[names]"]


class TestNames:
    def test_any_name_finds_the_whole_chain(self):
        with Status() as status:
            frame = load(status)
            frame = step(status, "Clean[one]", frame, lambda frame: frame.rename(columns=RENAMED))
            frame = step(status, "Clean[two]", frame, lambda frame: frame.rename(columns={"depth": "bill"}))
        found = status.column_history("Depth")
        assert [touch.name_after for touch in found] == ["Depth", "depth", "bill"]
        assert status.column_history("depth") == status.column_history("bill") == found

    def test_one_that_was_dropped_and_made_anew_is_told_on(self):
        with Status() as status:
            frame = load(status)
            frame = step(status, "Clean[drop]", frame, lambda frame: frame.drop(columns="sex"))
            frame = step(status, "Clean[idle]", frame, lambda frame: frame)
            frame = step(status, "Clean[again]", frame, lambda frame: frame.assign(sex=1))
        assert [touch.type for touch in status.column_history("sex")] == ["CREATE", "DELETE", "CREATE"]

    def test_another_column_that_takes_the_old_name_belongs_to_it_but_not_to_the_new_name(self):
        """`x` became `y`; the `x` that came later was never `y`."""
        with Status() as status:
            frame = load(status, pd.DataFrame({"x": [1, 2]}))
            frame = step(status, "Clean[one]", frame, lambda frame: frame.rename(columns={"x": "y"}))
            frame = step(status, "Clean[two]", frame, lambda frame: frame.assign(x=[7, 8]))
            frame = step(status, "Clean[three]", frame, lambda frame: frame.assign(x=[8, 9]))
        assert [touch.type for touch in status.column_history("y")] == ["CREATE", "RENAME"]
        assert [touch.type for touch in status.column_history("x")] == ["CREATE", "RENAME", "CREATE", "UPDATE"]

    def test_one_that_never_was_is_an_error_that_names_close_ones(self):
        with Status() as status:
            load(status)
        with pytest.raises(NotFoundError, match="no step had a column 'Dept'; there is 'Depth'") as caught:
            status.column_history("Dept")
        assert caught.value.column == "Dept"
        with pytest.raises(NotFoundError, match="there are 'Depth', 'sex', 'year'"):
            status.column_history("quite another")
        with pytest.raises(NotFoundError, match="no step has recorded a table yet"):
            Status().column_history("a")

    def test_one_that_no_step_touched_has_an_empty_history(self):
        with Status() as status:
            step(status, "Clean[idle]", birds(), lambda frame: frame)
        assert status.column_history("sex") == []


class TestBranches:
    def config(self) -> dict:
        return {
            "Loader": {"birds": {"method": birds}},
            "Clean": {
                "kept": {"method": "rename", "columns": {"Depth": "depth"}},
                "dropped": {"method": "drop", "columns": ["Depth"]},
            },
            "Splitter": {"half": {"ratio": 0.6, "seed": 1}},
        }

    @pytest.fixture
    def run(self) -> RunView:
        config = self.config()
        config["Preprocessor"] = config.pop("Clean")
        config["Splitter"] = config.pop("Splitter")
        executor = Executor(config)
        executor.run()
        return executor.status

    def test_all_are_followed_from_a_name_in_one_of_them(self, run: RunView):
        found = run.column_history("depth")
        assert [(touch.key.split("_")[1:], touch.type) for touch in found if touch.type != "ROWS"] == [
            ([], "CREATE"),
            (["Preprocessor[kept]"], "RENAME"),
            (["Preprocessor[dropped]"], "DELETE"),
        ]
        parts = [touch.part for touch in found if touch.type == "ROWS"]
        assert parts and set(parts) <= {"train", "validation"}
        assert all(touch.rows_before == 5 for touch in found if touch.type == "ROWS")

    def test_a_path_limits_it_to_the_branch_that_leads_there(self, run: RunView):
        key = "Loader[birds]_Preprocessor[dropped]"
        found = run.column_history("Depth", path=key)
        assert [touch.type for touch in found] == ["CREATE", "DELETE"]
        assert run.column_history("Depth", path=[("Loader", "birds"), ("Preprocessor", "dropped")]) == found
        assert run.column_history("Depth", path=found[-1].path) == found
        with pytest.raises(NotFoundError, match="no step had a column 'depth'"):
            run.column_history("depth", path=key)

    def test_a_path_that_was_not_committed_is_an_error_that_names_close_ones(self, run: RunView):
        with pytest.raises(NotFoundError, match=r"there is Loader\[birds\]_Preprocessor\[kept\]"):
            run.column_history("Depth", path="Loader[birds]_Preprocessor[keep]")
        with pytest.raises(UsageError, match="path is 3"):
            run.column_history("Depth", path=3)

    def test_a_part_limits_it_to_that_part_and_what_came_before(self, run: RunView):
        found = run.column_history("depth", part="train")
        assert {touch.part for touch in found} <= {None, "train"}
        assert [touch.type for touch in found if touch.part is None] == ["CREATE", "RENAME", "DELETE"]

    def test_it_is_the_same_of_a_loaded_run_and_as_of_a_snapshot(self, run: RunView):
        loaded = load_run(run.folder)
        assert loaded.column_history("depth") == run.column_history("depth")
        first = next(one for one in loaded.snapshots if one.context["point"] == "after")
        assert [touch.type for touch in loaded.at(first.snapshot_id).column_history("Depth")] == ["CREATE"]


class TestParts:
    def test_a_name_that_several_tables_have_is_told_of_each(self):
        with Status() as status:
            tables = {"a": pd.DataFrame({"id": [1, 2]}), "b": pd.DataFrame({"id": [3, 4]})}
            load(status, tables)
            step(status, "Clean[b]", tables, lambda data: {**data, "b": data["b"].rename(columns={"id": "key"})})
        found = [(touch.part, touch.type) for touch in status.column_history("id")]
        assert found == [("a", "CREATE"), ("b", "CREATE"), ("b", "RENAME")]
        assert [touch.part for touch in status.column_history("key")] == ["b", "b"]
        assert [touch.type for touch in status.column_history("id", part="a")] == ["CREATE"]

    def test_a_step_that_goes_on_with_one_part_follows_that(self):
        with Status() as status:
            tables = {"a": pd.DataFrame({"id": [1, 2]}), "b": pd.DataFrame({"id": [3, 4]})}
            load(status, tables)
            step(status, "Clean[names]", tables["b"], lambda frame: frame.rename(columns={"id": "key"}))
        found = [(touch.part, touch.type) for touch in status.column_history("key")]
        assert found == [("b", "CREATE"), (None, "RENAME")]

    def test_parts_of_one_table_are_one_column_and_part_chooses_among_them(self):
        with Status() as status:
            frame = load(status)
            parts = step(status, "Splitter[two]", frame, lambda frame: {"train": frame[:3], "test": frame[3:]})
            step(status, "Clean[names]", parts["train"], lambda frame: frame.rename(columns={"year": "when"}))
        everything = [(touch.part, touch.type) for touch in status.column_history("when")]
        assert everything == [(None, "CREATE"), ("train", "ROWS"), ("test", "ROWS"), (None, "RENAME")]
        chosen = [(touch.part, touch.type) for touch in status.column_history("when", part="train")]
        assert chosen == [(None, "CREATE"), ("train", "ROWS"), (None, "RENAME")]


class TestHistory:
    def test_a_step_that_did_not_finish_is_left_out_and_its_retry_is_told(self):
        with Status() as status:
            frame = load(status)

            def fail() -> None:
                with status.step("Clean", "drop", data=frame) as running:
                    running.result(frame.drop(columns="sex"))
                    raise ZeroDivisionError

            with pytest.raises(ZeroDivisionError):
                fail()
            snapshots = status.snapshots
            touches = status.column_history("sex")
            assert [change.type for change in status.changes if change.target == "sex"] == ["CREATE", "DELETE"]
            assert [touch.type for touch in touches] == ["CREATE"]
            status.restore_from_snapshot(snapshots[2].snapshot_id)
            step(status, "Clean[drop]", frame, lambda frame: frame.drop(columns="sex"))
        assert [touch.type for touch in status.column_history("sex")] == ["CREATE", "DELETE"]

    def test_what_a_restore_went_back_behind_is_undone(self):
        with Status() as status:
            frame = load(status)
            loaded = status.snapshots[-1].snapshot_id
            step(status, "Clean[a]", frame, lambda frame: frame.rename(columns=RENAMED))
            status.restore_from_snapshot(loaded)
            step(status, "Clean[b]", frame, lambda frame: frame.drop(columns="Depth"))
        found = [(touch.type, touch.undone) for touch in status.column_history("Depth")]
        assert found == [("CREATE", False), ("RENAME", True), ("DELETE", False)]

    def test_a_step_after_a_restore_follows_the_step_that_was_gone_back_to(self):
        with Status() as status:
            frame = load(status)
            loaded = status.snapshots[-1].snapshot_id
            first = step(status, "Clean[a]", frame, lambda frame: frame.rename(columns={"Depth": "one"}))
            cleaned = status.snapshots[-1].snapshot_id
            status.restore_from_snapshot(loaded)
            step(status, "Clean[a]", frame, lambda frame: frame.rename(columns={"Depth": "two"}))
            status.restore_from_snapshot(cleaned)
            step(status, "Clean[b]", first, lambda frame: frame.rename(columns={"one": "three"}))
        found = [(touch.name_after, touch.undone) for touch in status.column_history("three")]
        assert found == [("Depth", False), ("one", False), ("two", True), ("three", False)]

    def test_changes_by_hand_belong_to_it(self):
        with Status() as status:
            status.record_change("CREATE", "a", after="made by hand", module="Extern")
            status.record_change("DELETE", "a", {"renamed_to": "b"})
            with status.step("Clean", "own") as running:
                status.record_change("UPDATE", "b", before="1", after="2")
                running.log("no result")
        found = status.column_history("b")
        expected = [("Extern", "CREATE"), ("", "RENAME"), ("Clean[own]", "UPDATE")]
        assert [(touch.key, touch.type) for touch in found] == expected
        assert (found[0].after.value, found[1].name_after, found[2].before.value) == ("made by hand", "b", "1")

    def test_snapshots_by_hand_belong_to_it(self):
        with Status() as status:
            before, after = birds(), birds().dropna()
            status.record_snapshot("Clean", "some", {"schema_before": before, "schema_after": after})
        (touch,) = status.column_history("Depth")
        assert (touch.key, touch.type, touch.before.nulls, touch.after.nulls) == ("Clean[some]", "ROWS", 1, 0)

    def test_without_statistics_the_changes_are_told_all_the_same(self):
        with Status(profile="names") as status:
            frame = load(status)
            frame = step(status, "Clean[less]", frame, lambda frame: frame.dropna())
            step(status, "Clean[drop]", frame, lambda frame: frame.drop(columns="Depth"))
        assert [touch.type for touch in status.column_history("Depth")] == ["CREATE", "DELETE"]
