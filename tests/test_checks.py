"""Checks: limits that a run's steps must keep to."""

from __future__ import annotations

import pandas as pd
import pytest

from runfolio import Executor, Status, load_run
from runfolio.checks import Violation, check, share
from runfolio.errors import UsageError

from .test_lineage import birds, load, step


def cells(violations: list[Violation]) -> list[tuple[str, str | None, str]]:
    return [(one.key.rpartition("_")[2], one.column, one.limit) for one in violations]


def hundred() -> pd.DataFrame:
    return pd.DataFrame({"a": range(100), "b": [float(number) for number in range(100)]})


class TestRows:
    @pytest.mark.parametrize(
        ("kept", "limit", "ok"), [(95, "5%", True), (94, "5%", False), (100, 0, True), (99, 0, False)]
    )
    def test_a_loss_up_to_the_limit_is_none(self, kept: int, limit: object, ok: bool):
        with Status() as status:
            frame = load(status, hundred())
            step(status, "Clean[less]", frame, lambda frame: frame[:kept])
        found = check(status, max_row_loss=limit)
        assert (found.ok, found.steps, found["state"]) == (ok, 2, "completed")
        assert cells(found.violations) == (
            [] if ok else [("Clean[less]", None, f"row loss at most {limit}{'%' * (limit == 0)}")]
        )

    def test_the_violation_says_which_step_and_how_much(self):
        with Status() as status:
            frame = load(status, hundred())
            step(status, "Clean[less]", frame, lambda frame: frame[:90])
        (found,) = check(status, max_row_loss=0.05).violations
        assert (found.key, found.found) == ("Loader[birds]_Clean[less]", "10%: 100 → 90 rows")
        assert found.snapshot_id == status.snapshots[4].snapshot_id == "snapshot-000005"

    def test_a_gain_is_no_loss_and_an_empty_table_can_lose_none(self):
        with Status() as status:
            frame = load(status, hundred()[:0])
            frame = step(status, "Clean[same]", frame, lambda frame: frame)
            step(status, "Clean[more]", frame, lambda frame: hundred())
        assert check(status, max_row_loss=0).ok

    def test_a_split_loses_no_rows_unless_some_are_in_no_part(self):
        with Status() as status:
            frame = load(status, hundred())
            start = status.snapshots[-1].snapshot_id
            step(status, "Splitter[whole]", frame, lambda frame: {"train": frame[:80], "test": frame[80:]})
            status.restore_from_snapshot(start)
            step(status, "Splitter[lossy]", frame, lambda frame: {"train": frame[:80], "test": frame[90:]})
        found = check(status, max_row_loss="5%")
        assert [(one.key, one.found) for one in found.violations] == [
            ("Loader[birds]_Splitter[lossy]", "10%: 100 → 90 rows")
        ]

    def test_parts_that_stay_are_checked_each(self):
        with Status() as status:
            parts = {"big": hundred(), "small": hundred()[:10]}
            load(status, parts)
            step(status, "Clean[small]", parts, lambda parts: {**parts, "small": parts["small"][:5]})
        (found,) = check(status, max_row_loss="10%").violations
        assert (found.part, found.found) == ("small", "50%: 10 → 5 rows")

    def test_a_step_that_describes_loses_nothing(self):
        with Status() as status:
            frame = load(status, hundred())
            step(status, "Reporter[means]", frame, lambda frame: frame.mean().to_frame("mean"))
        found = check(status, max_row_loss=0)
        assert (found.ok, found.steps) == (True, 1)


class TestNulls:
    def holes(self, count: int) -> pd.DataFrame:
        frame = hundred()
        frame.loc[: count - 1, "b"] = None
        return frame

    @pytest.mark.parametrize(("limit", "ok"), [("2.99%", False), ("3%", True)])
    def test_an_increase_is_held_against_the_share_before(self, limit: str, ok: bool):
        with Status() as status:
            load(status, self.holes(2))
            step(status, "Join[other]", self.holes(2), lambda _: self.holes(5))
        found = check(status, max_null_increase=limit)
        assert found.ok is ok
        assert [(one.column, one.found) for one in found.violations] == ([] if ok else [("b", "3%: 2% → 5% missing")])

    def test_missing_values_that_stay_become_a_larger_share_where_others_go(self):
        with Status() as status:
            frame = load(status, self.holes(10))
            step(status, "Clean[half]", frame, lambda frame: frame[:50])
        (found,) = check(status, max_null_increase="5%").violations
        assert found.found == "10%: 10% → 20% missing"

    def test_a_renamed_column_is_held_against_its_old_name(self):
        with Status() as status:
            frame = load(status, self.holes(10))
            renamed = frame.rename(columns={"b": "c"})
            step(status, "Clean[names]", frame, lambda frame: renamed.drop(index=range(50, 99)))
        assert [one.column for one in check(status, max_null_increase="5%").violations] == ["c"]

    def test_a_new_column_has_no_increase(self):
        with Status() as status:
            frame = load(status, hundred())
            step(status, "Clean[new]", frame, lambda frame: frame.assign(c=None))
        assert check(status, max_null_increase=0).ok

    def test_a_run_that_did_not_count_them_can_not_be_checked(self):
        with Status(profile="names") as status:
            frame = load(status)
            step(status, "Clean[less]", frame, lambda frame: frame[:4])
        found = check(status, max_null_increase="1%")
        assert (found.ok, found.violations) == (False, [])
        assert found.unchecked == ["Loader[birds]_Clean[less]: its missing values were not counted"]
        assert check(status, max_row_loss="20%", no_drop="*").ok


class TestColumns:
    @pytest.fixture
    def status(self):
        with Status() as status:
            frame = load(status)
            frame = step(status, "Clean[names]", frame, lambda frame: frame.rename(columns={"Depth": "depth"}))
            frame = step(status, "Clean[types]", frame, lambda frame: frame.astype({"year": "float64"}))
            step(status, "Clean[drop]", frame, lambda frame: frame.drop(columns=["depth", "sex"]))
        return status

    def test_a_rename_is_no_drop_and_a_drop_under_another_name_is_one(self, status: Status):
        assert check(status, no_drop=["year"]).ok
        found = check(status, no_drop="Depth")
        assert cells(found.violations) == [("Clean[drop]", "depth", "no drop of Depth")]

    def test_every_column_is_meant_by_a_star(self, status: Status):
        assert cells(check(status, no_drop="*").violations) == [
            ("Clean[drop]", "depth", "no drop"),
            ("Clean[drop]", "sex", "no drop"),
        ]
        assert cells(check(status, no_retype="*").violations) == [("Clean[types]", "year", "no retype")]

    def test_a_retype_says_from_what_to_what(self, status: Status):
        (found,) = check(status, no_retype=["year", "depth"]).violations
        assert (found.column, found.found) == ("year", "int64 → float64")

    def test_names_of_one_column_are_told_once(self, status: Status):
        assert len(check(status, no_drop=["depth", "Depth"]).violations) == 1

    def test_a_column_that_never_was_can_not_be_checked(self, status: Status):
        found = check(status, no_drop=["yaer"])
        assert not found.ok
        assert found.unchecked == ["no drop of 'yaer': no step had a column 'yaer'; there is 'year'"]

    def test_violations_come_in_the_order_of_the_steps(self, status: Status):
        found = check(status, max_row_loss=0, no_drop="*", no_retype="*")
        assert [one.column for one in found.violations] == ["year", "depth", "sex"]

    def test_changes_by_hand_count(self):
        with Status() as status:
            load(status)
            status.record_change("DELETE", "sex", module="Extern")
        (found,) = check(status, no_drop="*").violations
        assert (found.key, found.found) == ("Extern", "dropped")
        assert not check(status, no_drop="sex").ok


class TestRuns:
    def test_all_branches_are_checked(self):
        config = {
            "Loader": {"birds": {"method": birds}},
            "Preprocessor": {"a": {"method": "drop", "columns": ["sex"]}, "b": {"method": "drop", "columns": ["year"]}},
        }
        executor = Executor(config)
        executor.run()
        found = check(load_run(executor.status.folder), no_drop=["sex", "year"])
        assert cells(found.violations) == [
            ("Preprocessor[a]", "sex", "no drop"),
            ("Preprocessor[b]", "year", "no drop"),
        ]
        assert found.steps == 3

    def test_of_a_failed_run_what_it_committed_is_checked(self):
        def run() -> None:
            with status:
                frame = load(status, hundred())
                step(status, "Clean[less]", frame, lambda frame: frame[:10])
                with status.step("Clean", "none") as running:
                    running.result(frame[:0])
                    raise ZeroDivisionError

        status = Status()
        with pytest.raises(ZeroDivisionError):
            run()
        found = check(status, max_row_loss="50%")
        assert (found.state, found.steps, cells(found.violations)) == (
            "failed", 2, [("Clean[less]", None, "row loss at most 50%")]
        )  # fmt: skip
        (state,) = check(status, state="completed").violations
        assert (state.limit, state.found.partition(",")[0]) == ("state completed", "failed")

    def test_a_step_that_was_undone_is_not_checked(self):
        with Status() as status:
            frame = load(status)
            start = status.snapshots[-1].snapshot_id
            step(status, "Clean[bad]", frame, lambda frame: frame[:1].drop(columns="sex"))
            status.restore_from_snapshot(start)
        assert check(status, max_row_loss=0, no_drop="*").ok and check(status, no_drop="sex").ok

    def test_a_run_without_a_committed_step_can_not_be_checked(self):
        with Status() as status:
            status.log("nothing")
        assert check(status, max_row_loss=0).unchecked == ["no step that gives a table was committed"]
        assert check(status, state="completed").ok

    @pytest.mark.filterwarnings("ignore::runfolio.errors.DamageWarning")
    def test_a_run_whose_records_are_damaged_can_not_be_checked(self):
        with Status() as status:
            frame = load(status)
            step(status, "Clean[drop]", frame, lambda frame: frame.drop(columns="sex"))
        path = status.folder / "changes.jsonl"
        path.write_bytes(path.read_bytes().replace(b'"DELETE"', b'"CREATE"'))
        found = check(load_run(status.folder), no_drop="sex")
        assert not found.ok and found.unchecked[0].startswith("records are damaged: changes.jsonl, line 4")


class TestLimits:
    def test_without_any_there_is_nothing_to_check(self):
        with pytest.raises(UsageError, match="no limit to check"):
            check(Status())

    @pytest.mark.parametrize("value", ["5", 5, "-1%", "101%", "much", "", "%", float("nan"), None, "1e400"])
    def test_a_share_is_from_0_to_1(self, value: object):
        with pytest.raises(UsageError, match="write"):
            share(value, "max_row_loss")

    @pytest.mark.parametrize(("value", "found"), [("5%", 0.05), (" 100 %", 1.0), ("0", 0.0), (1, 1.0), ("0.5%", 0.005)])
    def test_a_share_is_a_percentage_or_a_fraction(self, value: object, found: float):
        assert share(value, "max_row_loss") == found
