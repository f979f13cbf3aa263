"""Functions as steps: `@runfolio.tracked` and `@status.step(...)`."""

from __future__ import annotations

import asyncio
import functools
import inspect
import pickle
import threading
from collections import namedtuple

import pandas as pd
import polars as pl
import pytest

from runfolio import Status, load_run, tracked
from runfolio.errors import DataError, DuplicateKeyError, UsageError, WriteWarning


@tracked
def load(rows: int = 3) -> pd.DataFrame:
    """Some people."""
    return pd.DataFrame({"age": range(rows), "weight": [1.5] * rows})


@tracked(module="Clean")
def older(frame: pd.DataFrame, than: int = 0) -> pd.DataFrame:
    return frame[frame["age"] > than]


@tracked
def twice(frame: pd.DataFrame) -> pd.DataFrame:
    return older(older(frame))


@tracked
def broken(frame: pd.DataFrame) -> pd.DataFrame:
    raise ValueError(f"{len(frame)} rows are too many")


def keys(run) -> list[str]:
    return list(run.results)


class TestTracked:
    def test_calls_in_a_run_are_its_steps_with_results_changes_and_keys(self):
        with Status() as status:
            found = load().pipe(older, than=1)
        run = load_run(status.folder)
        assert keys(run) == ["load[load]", "load[load]_Clean[older]"]
        pd.testing.assert_frame_equal(run.results["load[load]_Clean[older]"]["data"], found)
        rows = [(change.type, change.target) for change in run.changes if change.module_name == "Clean"]
        assert rows == [("UPDATE", "*")]
        assert run.get_snapshots("Clean")[0].rows_before == 3
        assert run.damage == [] and run.state == "completed"

    def test_outside_of_a_run_a_call_is_a_call(self, root):
        assert len(older(load())) == 2
        with Status() as status:
            pass
        load()
        status = Status()
        load()
        assert not root.exists() or len(list(root.iterdir())) == 1
        assert status.state == "not_started"

    def test_a_run_that_was_ended_in_its_block_is_current_no_more(self):
        with Status() as status:
            status.complete()
            assert len(load()) == 3
        assert status.timing_records == []

    def test_after_a_block_the_run_around_it_is_current_again(self):
        with Status() as outer:
            with Status() as inner:
                load()
            load()
        assert keys(outer) == keys(inner) == ["load[load]"]

    def test_runs_of_several_threads_do_not_mix(self):
        barrier, found = threading.Barrier(3), {}

        def record(number: int) -> None:
            with Status() as status:
                barrier.wait(20)
                for _ in range(number + 1):
                    load()
                barrier.wait(20)
            found[number] = len(status.timing_records)

        threads = [threading.Thread(target=record, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == {0: 1, 1: 2, 2: 3}

    def test_runs_of_several_tasks_do_not_mix(self):
        async def record(number: int) -> int:
            with Status() as status:
                await asyncio.sleep(0)
                for _ in range(number):
                    load()
                    await asyncio.sleep(0)
            return len(status.timing_records)

        async def both() -> list[int]:
            return await asyncio.gather(record(1), record(2))

        assert asyncio.run(both()) == [1, 2]

    def test_a_function_keeps_its_name_signature_docstring_and_pickle(self):
        assert (load.__name__, load.__doc__) == ("load", "Some people.")
        assert str(inspect.signature(older)).startswith("(frame:")
        assert pickle.loads(pickle.dumps(load)) is load

    def test_nested_calls_are_timings_inside_of_the_outer_step_and_count_once(self):
        with Status() as status:
            twice(load())
        assert keys(status) == ["load[load]", "load[load]_twice[twice]"]
        rows = status.get_timing(nested=True)
        outer = rows[rows["module_name"] == "twice"].iloc[0]
        inner = rows[rows["module_name"] == "Clean"]
        assert inner["parent_id"].to_list() == [outer["record_id"]] * 2
        assert inner["duration_seconds"].sum() <= outer["duration_seconds"]
        assert list(status.get_timing()["module_name"]) == ["load", "twice"]

    def test_a_call_in_a_step_by_hand_is_a_timing_of_it(self):
        with Status() as status, status.step("Loader", "two") as step:
            step.result(load(2))
        (outer,) = [timing for timing in status.timing_records if timing.module_name == "Loader"]
        (inner,) = [timing for timing in status.timing_records if timing.module_name == "load"]
        assert (inner.parent_id, inner.step_name) == (outer.record_id, "load")
        assert keys(status) == ["Loader[two]"]

    def test_what_a_call_raises_reaches_the_caller_unchanged_and_is_recorded(self):
        with Status() as status:
            people = load()
            with pytest.raises(ValueError, match="^3 rows are too many$") as caught:
                broken(people)
            assert not hasattr(caught.value, "__notes__")
            with pytest.raises(ValueError):
                twice(people.drop(columns="age").pipe(broken))
            older(people)
        outcomes = [(timing.module_name, timing.outcome) for timing in status.timing_records]
        assert outcomes == [("load", "completed"), ("broken", "failed"), ("broken", "failed"), ("Clean", "completed")]
        assert {t.experiment_name for t in status.timing_records if t.module_name == "broken"} == {"broken"}
        assert status.state == "completed"

    def test_a_nested_call_that_raises_is_a_failed_timing(self):
        with Status() as status:
            with pytest.raises(ValueError), status.step("Fit", "a"):
                broken(load())
        (inner,) = [timing for timing in status.timing_records if timing.module_name == "broken"]
        assert inner.outcome == "failed" and inner.context == {"error": "ValueError: 3 rows are too many"}

    def test_a_step_follows_the_one_that_gave_its_input(self):
        with Status() as status:
            people = load()
            few = older(people)
            twice(people)
            twice(few)
        assert keys(status)[2:] == ["load[load]_twice[twice]", "load[load]_Clean[older]_twice[twice]"]

    def test_an_input_that_no_step_gave_follows_the_last_step(self):
        with Status() as status:
            older(load().assign(more=1))
        assert keys(status) == ["load[load]", "load[load]_Clean[older]"]

    def test_calls_that_come_again_have_numbers(self):
        with Status() as status:
            for rows in (2, 3, 4):
                load(rows).pipe(older)
            people = load(5)
            older(people), older(people)
        assert keys(status)[::2][:3] == ["load[load]", "load[load_2]", "load[load_3]"]
        assert keys(status)[-2:] == ["load[load_4]_Clean[older]", "load[load_4]_Clean[older_2]"]

    def test_a_call_that_failed_leaves_its_name_to_the_next(self):
        @tracked
        def second(frame, fails=[True]):  # noqa: B006
            if fails.pop() if fails else False:
                raise ValueError
            return frame

        with Status() as status:
            people = load()
            with pytest.raises(ValueError):
                second(people)
            second(people)
        assert keys(status)[-1] == "load[load]_second[second]"

    def test_module_and_experiment_are_as_named(self):
        with Status() as status:
            tracked(lambda: pd.DataFrame({"a": [1]}), module="Loader", experiment="one")
            tracked(module="Loader", experiment="two")(functools.partial(load, 2))()
        assert keys(status) == ["Loader[two]"]

    @pytest.mark.parametrize("table", [pl.DataFrame({"a": [1]}), pd.Series([1], name="a")], ids=["polars", "series"])
    def test_tables_of_other_kinds_are_results_too(self, table):
        with Status() as status:
            tracked(experiment="x")(lambda data: data)(table)
        (result,) = status.results.values()
        assert type(result["data"]) is type(table)

    def test_a_tuple_is_stored_by_number_or_name_and_returned_as_it_is(self):
        split = tracked(module="Split")(lambda frame: (frame.head(1), frame.tail(2)))
        pair = namedtuple("Pair", "train test")
        named = tracked(module="Named")(lambda frame: pair(frame.head(1), frame.tail(2)))
        with Status() as status:
            people = load()
            one, two = split(people)
            assert type(named(people)) is pair
            older(two)
        assert status.results["load[load]_Split[<lambda>]"].parts == ["0", "1"]
        assert status.results["load[load]_Named[<lambda>]"].parts == ["train", "test"]
        assert keys(status)[-1] == "load[load]_Split[<lambda>]_Clean[older]"
        assert len(one) == 1

    def test_a_report_is_stored_and_what_is_none_is_told_by_a_message(self):
        report, model = tracked(module="Report")(len), tracked(module="Fit")(lambda frame: object())
        with Status() as status:
            people = load()
            assert report(people) == 3
            assert type(model(people)) is object
        assert status.results["load[load]_Report[len]"]["data"] == 3
        (event,) = [event for event in status.events if event.type == "log"]
        assert event.module_name == "Fit" and event.message.startswith("its result is not stored: ")

    def test_an_iterator_is_left_to_the_caller(self):
        numbers = tracked(module="Numbers")(lambda: iter([pd.DataFrame({"a": [1]})]))
        with Status() as status:
            assert len(list(numbers())) == 1
        assert keys(status) == [] and "iterator" in str([event.message for event in status.events])

    def test_a_table_that_can_not_be_stored_is_warned_of_and_given_to_the_caller(self):
        odd = tracked(module="Odd")(lambda frame: frame.assign(odd=[object()] * len(frame)))
        with Status() as status:
            people = load()
            with pytest.warns(WriteWarning, match=r"Odd\[<lambda>\]: its result is not stored: .*odd"):
                found = odd(people)
            older(found.drop(columns="odd"))
        assert "odd" in found
        assert [timing.outcome for timing in status.timing_records] == ["completed"] * 3
        assert keys(status)[-1] == "load[load]_Odd[<lambda>]_Clean[older]"

    def test_where_data_is_withheld_no_message_quotes_it(self):
        @tracked
        def quoting(frame):
            raise ValueError("canary of a nested call")

        @tracked
        def canary(frame):
            with pytest.raises(ValueError):
                quoting(frame)
            return {"canary of a key": object(), 3: frame}

        with Status(results="schema", profile="names") as status:
            canary(load())
        assert [timing.outcome for timing in status.timing_records] == ["completed", "failed", "completed"]
        assert any("not stored" in str(event.message) for event in status.events)
        text = b"".join(path.read_bytes() for path in status.folder.rglob("*") if path.is_file())
        assert b"canary of" not in text and b"canary" in text

    def test_what_is_no_plain_function_is_refused_by_name(self):
        async def fetch(): ...

        def pieces():
            yield 1

        async def both():
            yield 1

        for function, kind in ((fetch, "async"), (pieces, "a generator"), (both, "an async generator")):
            with pytest.raises(UsageError, match=f"tracked is on {function.__name__}, which is {kind}; a call of it"):
                tracked(function)
            with pytest.raises(UsageError, match="which is async"):
                tracked(functools.partial(fetch))
        for wrong, kind in ((pd.DataFrame, "a class"), ("Clean", "a str"), (3, "a int")):
            with pytest.raises(UsageError, match=f"tracked is on {kind}"):
                tracked(wrong)
        with pytest.raises(UsageError, match="module is 3"):
            tracked(module=3)

    def test_methods_are_tracked_by_their_first_table(self):
        class Cleaner:
            @tracked(module="Cleaner")
            def clean(self, frame):
                return frame.head(1)

        with Status() as status:
            Cleaner().clean(frame=load())
        assert keys(status) == ["load[load]", "load[load]_Cleaner[clean]"]

    def test_after_a_restore_names_are_free_again(self):
        with Status() as status:
            people = load()
            loaded = status.snapshots[-1].snapshot_id
            older(people)
            status.restore_from_snapshot(loaded)
            older(people)
        assert keys(status) == ["load[load]", "load[load]_Clean[older]"]

    def test_tables_that_are_gone_are_not_remembered(self):
        from runfolio import tracking

        with Status() as status:
            for _ in range(5):
                load()
            kept = load()
            assert len(tracking._origins[status._recorder]._positions) == 1
            assert len(kept) == 3


class TestStepDecorator:
    def test_each_call_is_a_step_that_follows_the_last(self):
        with Status() as status:

            @status.step("Clean", "drop_na")
            def drop_na(frame: pd.DataFrame) -> pd.DataFrame:
                return frame.dropna()

            assert drop_na.__name__ == "drop_na"
            people = drop_na(load().assign(city=["Lima", None, "Oslo"]))
            drop_na(people)
        assert keys(status)[1:] == ["load[load]_Clean[drop_na]", "load[load]_Clean[drop_na]_Clean[drop_na]"]
        assert [snapshot.rows_before for snapshot in status.get_snapshots("Clean")][:4:2] == [3, 2]

    def test_given_data_is_the_input_and_a_fixed_place_is_taken_once(self, people):
        with Status() as status:

            @status.step("Clean", "few", data=people, after=None, step_name="cut", context={"by": "hand"})
            def few(frame: pd.DataFrame) -> pd.DataFrame:
                return frame.head(1)

            few(people.head(2))
            assert status.get_snapshots("Clean")[0].rows_before == 3
            assert (status.timing_records[0].step_name, status.timing_records[0].context) == ("cut", {"by": "hand"})
            with pytest.raises(DuplicateKeyError):
                few(people)

    def test_it_raises_what_the_function_and_what_result_raise(self, people):
        with Status() as status:

            @status.step("Clean", "a")
            def cut(frame: pd.DataFrame) -> object:
                return frame if len(frame) == 1 else 1 / len(frame.head(0)) if len(frame) == 2 else object()

            with pytest.raises(ZeroDivisionError):
                cut(people.head(2))
            with pytest.raises(DataError, match="is a builtins.object"):
                cut(people)
            cut(people.head(1))
        assert [timing.outcome for timing in status.timing_records] == ["failed", "failed", "completed"]

    def test_a_function_that_gives_nothing_has_no_result(self):
        with Status() as status:
            assert status.step("Notify", "all")(lambda: None)() is None
        assert len(status.timing_records) == 1 and keys(status) == []

    def test_what_is_no_plain_function_is_refused(self):
        with Status() as status:

            async def fetch(): ...

            with pytest.raises(UsageError, match=r"status\.step is on fetch, which is async"):
                status.step("Loader", "a")(fetch)
            with status.step("Loader", "a") as step:
                with pytest.raises(UsageError, match="was entered before"):
                    step(load)

    def test_a_method_of_the_context_manager_is_unchanged(self, people):
        with Status() as status, status.step("Loader", "a") as step:
            step.result(people)
        assert keys(status) == ["Loader[a]"]
