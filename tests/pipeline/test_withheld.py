"""Withheld data in a pipeline: in memory while a step may ask for it, and made again in a run that is resumed."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pandas as pd
import pytest

from runfolio import Executor
from runfolio.errors import WithheldError

LOADER = {"results": {"Loader": "schema"}}


class Modules:
    """A pipeline whose modules count their calls, and of which one can be made to fail."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.fails = True

    def load(self) -> pd.DataFrame:
        self.calls.append("load")
        return pd.DataFrame({"n": [1, 2, 3]})

    def clean(self, data: pd.DataFrame) -> pd.DataFrame:
        self.calls.append("clean")
        data["n"] += 1
        return data[data["n"] > 2]

    def describe(self, data: pd.DataFrame) -> pd.DataFrame:
        self.calls.append("describe")
        return data.describe()

    def count(self, data: pd.DataFrame) -> pd.DataFrame:
        self.calls.append("count")
        if self.fails:
            raise ValueError("not yet")
        return pd.DataFrame({"rows": [len(data)]})

    def compare(self, data: pd.DataFrame, step: Any) -> pd.DataFrame:
        self.calls.append("compare")
        if self.fails:
            raise ValueError("not yet")
        return pd.DataFrame({"before": [step.data("Loader")["n"].sum()], "after": [data["n"].sum()]})


def config(modules: Modules, run: dict[str, Any], *names: str) -> dict[str, Any]:
    methods = {"Loader": modules.load, "Clean": modules.clean, "Describer": modules.describe}
    methods |= {"Count": modules.count, "Compare": modules.compare}
    return {"Run": run} | {name: {"x": {"method": methods[name]}} for name in names}


def resumed(modules: Modules, run: dict[str, Any], *names: str) -> tuple[Executor, list[str]]:
    """A run that failed in its last module and was then resumed, and what that called."""
    first = Executor(config(modules, run, *names))
    with pytest.raises(ValueError, match="not yet"):
        first.run()
    modules.calls.clear()
    modules.fails = False
    assert first.status.folder is not None
    second = Executor.resume(first.status.folder, config(modules, run, *names))
    second.run()
    return second, modules.calls


def last(executor: Executor) -> dict[str, list[int]]:
    """What the last step gave."""
    (stored,) = executor.get_result().values()
    return stored["data"].to_dict("list")  # type: ignore[no-any-return]


@pytest.fixture
def modules() -> Modules:
    return Modules()


def test_a_step_gets_withheld_data_of_an_earlier_module_as_it_was(modules: Modules) -> None:
    modules.fails = False
    executor = Executor(config(modules, LOADER, "Loader", "Clean", "Compare"))
    executor.run()
    assert last(executor) == {"before": [6], "after": [7]}
    with pytest.raises(WithheldError):
        executor.status.get_data_by_module("Loader")


def test_withheld_data_is_let_go_when_no_step_can_ask_for_it_any_more() -> None:
    kept: list[weakref.ref[pd.DataFrame]] = []
    there: list[bool] = []

    def load() -> pd.DataFrame:
        frame = pd.DataFrame({"n": [1]})
        kept.append(weakref.ref(frame))
        return frame

    def ask(data: pd.DataFrame, step: Any) -> pd.DataFrame:
        step.data("Loader")
        return pd.DataFrame({"m": [2]})

    def look(data: pd.DataFrame) -> pd.DataFrame:
        gc.collect()
        there.append(kept[0]() is not None)
        return data

    steps = {"Ask": ask, "First": look, "Second": look}
    later = {name: {"x": {"method": method}} for name, method in steps.items()}
    executor = Executor({"Run": LOADER, "Loader": {"x": {"method": load}}, **later})
    executor.run()
    assert there == [False, False]


def test_a_withheld_stream_is_passed_on_as_a_list_of_its_tables() -> None:
    def load() -> Any:
        return (pd.DataFrame({"n": [count]}) for count in range(3))

    def total(data: Any) -> pd.DataFrame:
        return pd.DataFrame({"sum": [sum(int(frame["n"].sum()) for frame in data)]})

    executor = Executor({"Run": LOADER, "Loader": {"x": {"method": load}}, "Total": {"x": {"method": total}}})
    executor.run()
    assert last(executor) == {"sum": [3]}
    assert executor.status.results["Loader[x]"].record.parts[0].rows == 3


def test_tables_of_a_withheld_stream_are_lent_as_copies() -> None:
    def load() -> Any:
        return (pd.DataFrame({"n": [count]}) for count in range(3))

    def change(data: Any, step: Any) -> pd.DataFrame:
        for frame in data:
            frame["n"] += 100
        return pd.DataFrame({"sum": [sum(int(frame["n"].sum()) for frame in step.data("Loader"))]})

    executor = Executor({"Run": LOADER, "Loader": {"x": {"method": load}}, "Change": {"x": {"method": change}}})
    executor.run()
    assert last(executor) == {"sum": [3]}


def test_a_resumed_run_makes_withheld_data_again_that_a_step_works_on(modules: Modules) -> None:
    executor, calls = resumed(modules, {"results": "schema"}, "Loader", "Clean", "Count")
    assert calls == ["load", "clean", "count"]
    told = [event.message for event in executor.status.events if event.type == "log"]
    assert [message.partition(" is run again")[0] for message in told if message] == ["Loader[x]", "Loader[x]_Clean[x]"]
    assert executor.status.damage == []
    assert executor.status.is_completed()


def test_a_resumed_run_reads_what_was_stored_and_makes_nothing_again(modules: Modules) -> None:
    executor, calls = resumed(modules, LOADER, "Loader", "Clean", "Count")
    assert calls == ["count"]
    assert last(executor) == {"rows": [2]}


def test_a_resumed_run_makes_again_what_a_step_may_ask_for(modules: Modules) -> None:
    executor, calls = resumed(modules, LOADER, "Loader", "Clean", "Compare")
    assert calls == ["load", "compare"]
    assert last(executor) == {"before": [6], "after": [7]}


def test_withheld_data_behind_a_module_that_describes_is_made_again_and_that_is_not(modules: Modules) -> None:
    executor, calls = resumed(modules, LOADER, "Loader", "Describer", "Count")
    assert calls == ["load", "count"]
    assert last(executor) == {"rows": [3]}


def test_a_resumed_run_stores_what_its_configuration_now_says(modules: Modules) -> None:
    first = Executor(config(modules, {"results": "schema"}, "Loader", "Count"))
    with pytest.raises(ValueError, match="not yet"):
        first.run()
    modules.fails = False
    assert first.status.folder is not None
    second = Executor.resume(first.status.folder, config(modules, {"results": "full"}, "Loader", "Count"))
    second.run()
    assert second.status.results["Loader[x]"]["data"]["n"].tolist() == [1, 2, 3]


def test_a_run_that_is_resumed_by_its_own_configuration_withholds_as_it_began(tmp_path: Any) -> None:
    (tmp_path / "people.csv").write_text("name\nAda\n")
    text = f"""
Run: {{results: full, profile: full}}
Loader: {{a: {{path: {tmp_path}/people.csv}}}}
Preprocessor: {{b: {{method: scale, columns: [nme]}}}}
"""
    first = Executor(text, results={"Loader": "schema"}, profile={"Loader": "names"})
    with pytest.raises(Exception, match="nme"):
        first.run()
    assert first.status.folder is not None
    second = Executor.resume(first.status.folder)
    with pytest.raises(Exception, match="nme"):
        second.run()
    assert all(stored.is_withheld for stored in second.status.results.values())
    assert second.status.results["Loader[a]"]["schema"]["name"].digest is None
