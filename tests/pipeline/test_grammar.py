"""The grammar: what is no pipeline, settings, samples; each refusal with the place of what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from runfolio import Executor
from runfolio.errors import ConfigError

SETTINGS = "name, tags, root, on_error, results, profile, durability, access, on_write_error"


def load(rows: int = 1):
    return {"rows": rows}


def draw(data=None, *, num_samples: int = 1, sample: int = 1):
    return {"sample": sample, "of": num_samples}


def must_draw(data=None, *, num_samples: int, sample: int):
    return {"sample": sample, "of": num_samples}


def draw_three(data=None, *, sample: int = 1, num_samples: int = 3):
    return {"sample": sample, "of": num_samples}


def draw_any(data=None, *, sample=1, num_samples=1):
    return {"sample": sample, "of": int(num_samples)}


def problems_of(config: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        Executor(config)
    return list(caught.value.problems)


def keys_of(config: object) -> list[str]:
    return [step.key for step in Executor(config).plan]


class TestShape:
    L = "L: {a: {method: 'builtins:dict'}}\n"

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("- a\n- b", "line 1, column 1: expected a mapping of modules, got a list"),
            ("just text\n", "line 1, column 1: expected a mapping of modules, got text"),
            ("3\n", "line 1, column 1: expected a mapping of modules, got a number"),
            ("Run: {name: a}", "line 1, column 1: it declares no module"),
            (L + "M:", "line 2, column 1: M: the module has no experiment"),
            (L + "M: {}", "line 2, column 4: M: the module has no experiment"),
            (L + "M: []", "line 2, column 4: M: the module has no experiment"),
            (L + "M: ''", "line 2, column 4: M: expected a mapping of experiments, got text"),
            (L + "M: [a]", "line 2, column 4: M: expected a mapping of experiments, got a list"),
            (L + "M: 3", "line 2, column 4: M: expected a mapping of experiments, got a number"),
            (L + "M: true", "line 2, column 4: M: expected a mapping of experiments, got true or false"),
            (L + "M: 2024-01-01", "line 2, column 4: M: expected a mapping of experiments, got date"),
            (L + "run: abc",
            "line 2, column 6: run: expected a mapping of experiments, got text; for settings, write Run"),
            (L + "RUN: {name: x}", "RUN → name: expected a mapping of parameters, got text; for settings, write Run"),
            (L + "M: {a: 3}", "line 2, column 8: M → a: expected a mapping of parameters, got a number"),
            (L + "M: {a: [3]}", "line 2, column 9: M → a: expected a mapping of parameters, got a number"),
            (L + "M: {a: [[{}]]}", "line 2, column 9: M → a: expected a mapping of parameters, got a list"),
            (L + "M: {a: []}", "line 2, column 8: M → a: the list has no call"),
            (L + "M:\n  ? ''\n  : {method: 'builtins:dict'}",
            "line 3, column 5: M → '': an experiment's name is empty"),
            (L + "M: {'': {method: 'builtins:dict'}}", "line 2, column 9: M → '': an experiment's name is empty"),
            (L + "M:\n  ' ': {method: 'builtins:dict'}", "line 3, column 8: M → ' ': an experiment's name is empty"),
            (L + "'': {a: {method: 'builtins:dict'}}", "line 2, column 5: '': a module's name is empty"),
            (L + '"\\n": {a: {method: "builtins:dict"}}', "line 2, column 7: '\\n': a module's name is empty"),
        ],
    )  # fmt: skip
    def test_what_is_no_pipeline(self, text, told):
        (found,) = problems_of(text)
        assert told in found

    def test_in_a_dict(self):
        assert problems_of({}) == ["it declares no module"]
        assert problems_of({"M": None}) == ["M: the module has no experiment"]
        assert problems_of({"M": load}) == ["M: expected a mapping of experiments, got function"]
        assert problems_of({"M": {"a": load}}) == ["M → a: expected a mapping of parameters, got function"]
        assert problems_of({"": {"": {"method": dict}}}) == [
            "'': a module's name is empty",
            "'' → '': an experiment's name is empty",
        ]

    def test_modules_and_experiments_are_in_the_order_given(self):
        config = {name: {key: {"method": dict} for key in "zab"} for name in ("Z", "A")}
        assert keys_of(config)[:5] == ["Z[z]", "Z[z]_A[z]", "Z[z]_A[a]", "Z[z]_A[b]", "Z[a]"]

    def test_run_may_stand_anywhere_and_is_no_module(self):
        assert keys_of({"A": {"a": {"method": load}}, "Run": {"name": "x"}, "B": {"b": {"method": dict}}}) == [
            "A[a]",
            "A[a]_B[b]",
        ]
        assert keys_of({"Run": None, "A": {"a": {"method": load}}}) == ["A[a]"]
        assert keys_of({"Run": {}, "A": {"a": {"method": load}}}) == ["A[a]"]

    def test_a_list_of_calls_is_one_step_and_the_first_of_the_first_module_has_no_data(self):
        config = {"A": {"a": [{"method": draw}, {"method": draw}, {"method": dict}]}, "B": {"b": [{"method": draw}]}}
        step, after = Executor(config).plan
        assert [call.data for call in step.calls] == [None, "data", ""]
        assert [call.data for call in after.calls] == ["data"]
        assert [method.partition(":")[2] for method in step.methods] == ["draw", "draw", "dict"]


class TestSettings:
    @pytest.mark.parametrize(
        ("settings", "told"),
        [
            ("nmae: x", "Run → nmae: no such setting; did you mean 'name'?"),
            ("colour: x", f"Run → colour: no such setting; there is {SETTINGS}"),
            ("name: 3", "Run → name: expected str | null, got int"),
            ("name: ''", "Run → name: it is empty text"),
            ("tags: a", "Run → tags: expected list, got str"),
            ("tags: [1]", "Run → tags: expected str, got int at [0]"),
            ("tags: [a, '']", "Run → tags: it is empty text"),
            ("root: [a]", "Run → root: expected str | null, got list"),
            ('root: "a\\0b"', "Run → root: it holds a null character"),
            ("on_error: contineu", "Run → on_error: expected 'stop' or 'continue', got 'contineu'; "
             "did you mean 'continue'?"),
            ("on_error: no", "Run → on_error: expected str, got bool"),
        ],
    )  # fmt: skip
    def test_one_that_is_wrong(self, settings, told):
        (found,) = problems_of(f"Run:\n  {settings}\nL: {{a: {{method: 'builtins:dict'}}}}")
        assert found.startswith("line 2, column ") and found.endswith(told)

    @pytest.mark.parametrize(("run", "got"), [("3", "a number"), ("[name]", "a list"), ("name", "text")])
    def test_what_is_no_settings(self, run, got):
        (found,) = problems_of(f"Run: {run}\nL: {{a: {{method: 'builtins:dict'}}}}")
        assert found == f"line 1, column 6: Run: expected a mapping of {SETTINGS}, got {got}"

    def test_ones_that_are_right(self, tmp_path):
        text = "Run: {name: x, tags: [a, b], root: null, on_error: continue}\nL: {a: {method: 'builtins:dict'}}"
        executor = Executor(text)
        assert (executor.status.name, executor.status.tags) == ("x", ["a", "b"])
        executor = Executor({"Run": {"root": tmp_path / "r", "name": None, "tags": None}, "L": {"a": {"method": load}}})
        executor.run()
        assert executor.status.folder.parent == tmp_path / "r"

    def test_any_text_is_a_name(self):
        for name in ("a/b", "..", "é\n", "x" * 5000, "\ud800"):
            executor = Executor({"Run": {"name": name, "tags": [name]}, "L": {"a": {"method": load}}})
            executor.run()
            assert executor.status.folder.parent == Path(executor.status.folder.parent.parent, "runs")


class TestSamples:
    @pytest.mark.parametrize("method", [draw, must_draw, draw_any])
    @pytest.mark.parametrize("count", [1, 2, 11, np.int64(3)])
    def test_a_callable_of_both_parameters_is_run_once_for_each(self, method, count):
        executor = Executor({"S": {"x": {"method": method, "num_samples": count}}})
        executor.run()
        names = ["x"] if count == 1 else [f"x_[{count}-{index}]" for index in range(1, count + 1)]
        results = executor.get_result()
        assert list(results) == [f"S[{name}]" for name in names]
        assert [result["data"]["sample"] for result in results.values()] == list(range(1, count + 1))
        assert {result["data"]["of"] for result in results.values()} == {count}

    def test_its_own_number_counts_where_none_is_given(self):
        assert keys_of({"S": {"x": {"method": draw_three}}}) == ["S[x_[3-1]]", "S[x_[3-2]]", "S[x_[3-3]]"]
        assert problems_of({"S": {"x": {"method": must_draw}}}) == ["S → x: missing parameter 'num_samples'"]

    def test_one_sample_that_is_asked_for_is_the_only_one(self):
        executor = Executor({"S": {"x": {"method": draw, "num_samples": 3, "sample": 2}}})
        executor.run()
        assert {key: result["data"] for key, result in executor.get_result().items()} == {
            "S[x]": {"sample": 2, "of": 3}
        }

    @pytest.mark.parametrize("count", [0, -3, True, False])
    def test_a_number_that_is_none_is_one(self, count):
        assert keys_of({"S": {"x": {"method": draw_any, "num_samples": count}}}) == ["S[x]"]

    def test_within_a_list_of_calls(self):
        config = {"S": {"x": [{"method": load}, {"method": draw, "num_samples": 2}, {"method": dict}]}}
        executor = Executor(config)
        executor.run()
        assert {key: result["data"]["sample"] for key, result in executor.get_result().items()} == {
            "S[x_[2-1]]": 1,
            "S[x_[2-2]]": 2,
        }
        config["S"]["x"].append({"method": draw, "num_samples": 3})
        assert problems_of(config) == ["S → x: several calls of one list draw samples; make an experiment of each"]

    def test_the_splitters_own(self):
        text = "L: {a: {method: 'builtins:dict'}}\nSplitter: {s: {num_samples: 2}, t: {num_samples: 0}}"
        (told,) = problems_of(text)
        assert told == "line 2, column 50: Splitter → t → num_samples: expected int >= 1"
        assert len(keys_of(text.replace("0}", "1}"))) == 4

    def test_names_of_samples_are_not_to_be_taken_by_another(self):
        config = {"S": {"x": {"method": draw, "num_samples": 2}, "x_[2-2]": {"method": load}}}
        assert problems_of(config) == ["S → x_[2-2]: two experiments have the name 'x_[2-2]'"]
        text = "S:\n  x_[2-1]: {method: 'builtins:dict'}\n  x: {method: random, num_samples: 2}\n"
        assert problems_of(text.replace("S:", "Splitter:"))[-1].startswith("line 3, column ")
