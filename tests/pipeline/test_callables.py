"""What `method` names, and a call of it: found, and held against the callable's signature and annotations."""

from __future__ import annotations

import functools
import importlib.metadata
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from runfolio import Executor, load_run
from runfolio.errors import ConfigError
from runfolio.pipeline.callables import Call, name_of
from runfolio.pipeline.grammar import parse
from runfolio.pipeline.modules import BUILT_IN, DEFAULT_METHODS
from runfolio.pipeline.parameters import InputFile, OutputFile
from runfolio.pipeline.plan import plan
from runfolio.pipeline.source import read

from ..users import as_another_user

MINE = '''
"""A module of a user's own, with annotations as text."""
from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from msgspec import Meta, Struct

from runfolio.pipeline.parameters import InputFile, OutputFile

if TYPE_CHECKING:
    from nowhere import Unknown

T = TypeVar("T")


def plain(rows: int, start: int = 0):
    return {"rows": rows, "start": start}


def some_rows(data, count: int = 1):
    return {"data": data, "count": count}


def anything(data=None, **options):
    return {"data": data, **options}


def variadic(*parts, sep=" "):
    return {"parts": list(parts), "sep": sep}


def only_keywords(*, path: str):
    return {"path": path}


def positional(data, other, /, *, flag=False):
    return {}


def one_positional(data, /, flag=False):
    return {"data": data, "flag": flag}


def positional_and_all(data, /, **options):
    return {"data": data, **options}


def stepping(step, data=None, rows: int = 1):
    return {"key": step.key, "data": data, "rows": rows}


def own_step(data=None, *, step: int = 0):
    return {"step": step if isinstance(step, int) else "context"}


def unresolvable(step: Unknown, path: InputFile, count: int = 1, other: Unknown | None = None):
    return {"path": str(path), "count": count}


class Model:
    """A callable class."""

    def __init__(self, rows: int, name: str = ""):
        self.rows = rows

    def __call__(self, data=None, *, rate: float = 0.5):
        return {"rate": rate}

    def method(self, data=None, *, rate: float = 0.5):
        return {"rate": rate}

    @classmethod
    def made(cls, rate: float):
        return {"rate": rate}

    @staticmethod
    def static(rate: float):
        return {"rate": rate}


class New:
    def __new__(cls, rows: int):
        return {"rows": rows}


@dataclass
class Data:
    rows: int
    names: list[str] = ()


model = Model(1)
method = model.method
half = functools.partial(plain, start=5)
first = functools.partial(plain, 3)
zqxj = None
number = 3


def loud(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)
    return inner


wrapped = loud(plain)


def signed(**options):
    return options


signed.__signature__ = inspect.Signature(
    [
        inspect.Parameter("path", inspect.Parameter.KEYWORD_ONLY, annotation=InputFile),
        inspect.Parameter("rows", inspect.Parameter.KEYWORD_ONLY, annotation=int, default=1),
    ]
)


def wrongly_signed(**options):
    return options


wrongly_signed.__signature__ = 3


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Options(Struct):
    rate: float
    names: list[str] = []


class Own:
    pass


def typed(
    i: int = 0, f: float = 0.0, b: bool = False, s: str = "", n: int | None = None,
    lit: Literal["left", "right", 3] = 3,
    ls: list[str] = [], ds: dict[str, str] = {}, di: dict[str, int] = {},
    ratio: Annotated[float, Meta(gt=0, lt=1)] = 0.5,
    short: Annotated[str, Meta(max_length=3)] = "", p: Path = Path(), po: Path | None = None, c: Colour = Colour.RED,
    o: Options | None = None, own: Own | None = None, own_or_text: Own | str = "", frame: pd.DataFrame | None = None,
    dtype: np.dtype = None, call: Callable[[int], int] = len, sq: Sequence[str] = (), t: T = None, anything: Any = None,
    obj: object = None, u: int | str = 0, tup: tuple[int, int] = (0, 0), paths: list[Path] = [],
    lits: list[Literal["a"]] = [],
    documented: Annotated[str, "input"] = "", kind: type = int, later: "NoSuchName" = None,
):
    return {}


def files(src: InputFile, other: InputFile | None = None, to: OutputFile | None = None):
    return {"src": str(src), "is_path": isinstance(src, Path), "to": str(to)}


def draw(num_samples: int = 1, sample: int = 1):
    return {"sample": sample}
'''


@pytest.fixture(autouse=True)
def mine(tmp_path, monkeypatch) -> Path:
    """A folder on Python's path, the current one too, with the module `mine_of_tests`."""
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "mine_of_tests.py").write_text(MINE)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.chdir(folder)
    monkeypatch.delitem(__import__("sys").modules, "mine_of_tests", raising=False)
    return folder


def first(method: object, **parameters: object) -> dict:
    """A configuration whose first module has one experiment."""
    return {"First": {"x": {"method": named(method), **parameters}}}


def second(method: object, **parameters: object) -> dict:
    return {**first("plain", rows=1), "Second": {"x": {"method": named(method), **parameters}}}


def named(method: object) -> object:
    return f"mine_of_tests:{method}" if isinstance(method, str) and ":" not in method else method


def problems_of(config: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        Executor(config)
    return list(caught.value.problems)


def calls_of(config: object) -> list[Call]:
    """What would be called."""
    source = read(config)
    steps = plan(parse(source), source.problems)
    source.problems.raise_any()
    return [step.calls[0] for step in steps]


def call_of(config: object) -> Call:
    (call,) = calls_of(config)
    return call


def given_by(config: object) -> dict:
    """What the last step gave."""
    executor = Executor(config)
    executor.run()
    return executor.get_result().popitem()[1]["data"]


class TestMethods:
    @pytest.mark.parametrize(
        ("method", "told"),
        [
            ("json:loods", "no 'loods' in 'json'; did you mean 'loads'?"),
            ("json:decoder.JSONDecodr", "no 'JSONDecodr' in 'json'; did you mean 'JSONDecoder'?"),
            ("json:zzzzz", "no 'zzzzz' in 'json'"),
            ("jsn:loads", "no module 'jsn': it is neither installed nor on Python's path; did you mean 'json'?"),
            ("mine_of_test:plain", "no module 'mine_of_test': it is neither installed nor on Python's path; "
             "did you mean 'mine_of_tests'?"),
            ("json.decodr:loads", "no module 'json.decodr': it is neither installed nor on Python's path; "
             "did you mean 'json.decoder'?"),
            ("math.sub:sin", "no module 'math.sub': it is neither installed nor on Python's path"),
            ("mine_of_tests:number", "'mine_of_tests:number' is of type int, which can't be called"),
            ("mine_of_tests:zqxj", "no 'zqxj' in 'mine_of_tests'"),
            ("json:", "'json:' names no callable; write package.module:callable"),
            (":loads", "':loads' names no callable; write package.module:callable"),
            (".json:loads", "'.json:loads' names no callable; write package.module:callable"),
            ("json:loads:x", "'json:loads:x' names no callable; write package.module:callable"),
            ("a b:c", "'a b:c' names no callable; write package.module:callable"),
            ("x:\ud800", r"'x:\ud800' names no callable; write package.module:callable"),
            ("pandas.read_csv", "no method 'pandas.read_csv'; write package.module:callable to name one of your own"),
            ("plain", "no method 'plain'; write package.module:callable to name one of your own"),
            (3, "method is 3, which is no text"),
            ([1], "method is [1], which is no text"),
            ({"a": 1}, "method is {'a': 1}, which is no text"),
            ("", "no method ''; write package.module:callable to name one of your own"),
        ],
    )  # fmt: skip
    def test_one_that_is_not_there(self, method, told):
        assert problems_of({"First": {"x": {"method": method}}}) == [f"First → x → method: {told}"]

    def test_those_of_built_in_modules(self):
        tell = {
            ("Preprocessor", "scal"): "no method 'scal'; did you mean 'scale'?",
            (
                "Preprocesor",
                "scale",
            ): "no method 'scale' in a module 'Preprocesor'; did you mean the module 'Preprocessor'?",
            (
                "preprocessor",
                "scale",
            ): "no method 'scale' in a module 'preprocessor'; did you mean the module 'Preprocessor'?",
            (
                "Splitter",
                "zzz",
            ): "no method 'zzz'; there is random, or write package.module:callable to name one of your own",
            ("Splitter", "a.b"): "no method 'a.b'; write package.module:callable to name one of your own",
        }
        for (module, method), told in tell.items():
            found = problems_of({"First": {"x": {"method": "builtins:dict"}}, module: {"x": {"method": method}}})
            assert found == [f"{module} → x → method: {told}"]

    def test_an_experiment_without_one(self):
        assert problems_of({"Mine": {"x": {"a": 1}}}) == ["Mine → x: no method; write method: package.module:callable"]
        assert problems_of({"Mine": {"x": {"method": None}}}) == [
            "Mine → x → method: no method; write method: package.module:callable"
        ]
        (told,) = problems_of({"L": {"x": {"method": dict}}, "Preprocessor": {"x": {}}})
        assert told == f"Preprocessor → x: no method; there is {', '.join(BUILT_IN['Preprocessor'])}"
        (told,) = problems_of({"loader": {"x": {"path": "a.csv"}}})
        assert told == "loader → x: no method; did you mean the module 'Loader'?"

    def test_every_built_in_is_there_and_each_default_is_one(self):
        for module, methods in BUILT_IN.items():
            for target in methods.values():
                assert callable(importlib.metadata.EntryPoint("x", target, "y").load())
            assert DEFAULT_METHODS.get(module, next(iter(methods))) in methods

    def test_modules_that_fail_when_they_are_imported(self, mine):
        for name, text in {
            "raises": "raise ValueError('not today\\nor ever')",
            "leaves": "import sys; sys.exit(3)",
            "needs": "import no_such_module_at_all",
            "broken": "def (",
            "warns": "import warnings; warnings.warn('old', DeprecationWarning)",
        }.items():
            (mine / f"{name}_of_tests.py").write_text(text)
        told = {
            "raises": "importing 'raises_of_tests' failed: ValueError: not today or ever",
            "leaves": "importing 'leaves_of_tests' failed: SystemExit: 3",
            "needs": "importing 'needs_of_tests' failed: No module named 'no_such_module_at_all'",
            "broken": "importing 'broken_of_tests' failed: SyntaxError: invalid syntax (broken_of_tests.py, line 1)",
            "warns": "importing 'warns_of_tests' failed: DeprecationWarning: old",
        }
        for name, what in told.items():
            assert problems_of({"M": {"x": {"method": f"{name}_of_tests:f"}}}) == [f"M → x → method: {what}"]

    def test_attributes_that_are_computed(self, mine):
        (mine / "lazy_of_tests.py").write_text(
            "def __getattr__(name):\n    if name == 'made': return lambda: {'a': 1}\n    raise RuntimeError(name)\n"
            "def __dir__():\n    raise OSError\n"
        )
        assert given_by({"M": {"x": {"method": "lazy_of_tests:made"}}}) == {"a": 1}
        assert problems_of({"M": {"x": {"method": "lazy_of_tests:maed"}}}) == [
            "M → x → method: no 'maed' in 'lazy_of_tests'"
        ]

    def offer(self, folder: Path, name: str, *lines: str) -> None:
        info = folder / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("\n".join(["[runfolio.modules]", *lines]))

    def test_entry_points_of_installed_packages(self, tmp_path, monkeypatch):
        self.offer(
            tmp_path / "site", "one", "double = mine_of_tests:some_rows", "same = json:loads [extra]", "lost = jsn:x"
        )
        self.offer(tmp_path / "site", "two", "double = json:dumps", "same = json:loads")
        monkeypatch.syspath_prepend(str(tmp_path / "site"))
        assert given_by({"M": {"x": {"method": "same", "s": "[1]"}}}) == [1]
        assert problems_of({"M": {"x": {"method": "double"}}}) == [
            "M → x → method: several packages offer a method 'double': json:dumps, mine_of_tests:some_rows; "
            "write one out"
        ]
        assert problems_of({"M": {"x": {"method": "sahme"}}})[0].endswith("no method 'sahme'; did you mean 'same'?")
        assert "no module 'jsn'" in problems_of({"M": {"x": {"method": "lost"}}})[0]

    def test_names_of_callables(self):
        found = [name_of(each) for each in (Path.cwd, dict, functools.partial(os.getcwd), np.mean, lambda: 1)]
        assert found[:3] == ["pathlib:Path.cwd", "builtins:dict", "posix:getcwd"]
        assert found[3:] == ["numpy:mean", f"{__name__}:TestMethods.test_names_of_callables.<locals>.<lambda>"]


class TestParameters:
    @pytest.mark.parametrize(
        ("config", "told"),
        [
            (first("plain"), ["First → x: missing parameter 'rows' (there is no step before that could give it data)"]),
            (first("plain", rows=1, stat=2), ["First → x → stat: mine_of_tests:plain has no parameter 'stat'; "
             "did you mean 'start'?"]),
            (first("plain", rows=1, zzz=2), ["First → x → zzz: mine_of_tests:plain has no parameter 'zzz'; "
             "there is rows, start"]),
            (first("only_keywords"), ["First → x: missing parameter 'path'"]),
            (second("only_keywords"), ["Second → x: missing parameter 'path'"]),
            (first("variadic", parts=[1]), ["First → x → parts: mine_of_tests:variadic has no parameter 'parts'; "
             "there is sep"]),
            (first("some_rows"),
            ["First → x: missing parameter 'data' (there is no step before that could give it data)"]),
            (first("one_positional"), ["First → x: parameter 'data' can't be set by name, and there is no step before "
             "that could give it data"]),
            (second("positional"), ["Second → x: parameter 'other' can be given by position only"]),
            (second("one_positional", data=1),
            ["Second → x → data: parameter 'data' of mine_of_tests:one_positional can be "
             "given by position only"]),
            (first("Model"), ["First → x: missing parameter 'rows' (there is no step before that could give it data)"]),
            (first("Model", rows="3"), ["First → x → rows: expected int, got str"]),
            (first("New", rows="3"), ["First → x → rows: expected int, got str"]),
            (first("Data", rows=1, names="a"), ["First → x → names: expected list, got str"]),
            (first("model", rate="x"), ["First → x → rate: expected float, got str"]),
            (first("method", rate="x"), ["First → x → rate: expected float, got str"]),
            (first("Model.made", rate="x"), ["First → x → rate: expected float, got str"]),
            (first("Model.static", rate="x"), ["First → x → rate: expected float, got str"]),
            (first("Model.static", self=1, rate=1),
            ["First → x → self: mine_of_tests:Model.static has no parameter 'self'; "
             "there is rate"]),
            (first("half", rows="x", start="y"), ["First → x → rows: expected int, got str",
                                                 "First → x → start: expected int, got str"]),
            (first("first", rows=1, start=2), ["First → x → rows: mine_of_tests:first has no parameter 'rows'; "
             "there is start"]),
            (first("wrapped", rows="x"), ["First → x → rows: expected int, got str"]),
            (first("wrapped", row=1),
            ["First → x: missing parameter 'rows' (there is no step before that could give it "
             "data)", "First → x → row: mine_of_tests:wrapped has no parameter 'row'; did you mean 'rows'?"]),
            (first("signed", path="nothing", rows="x"), ["First → x → path: no file 'nothing' in the current folder",
                                                        "First → x → rows: expected int, got str"]),
            (first("unresolvable", path="nothing", count="x"),
            ["First → x → path: no file 'nothing' in the current folder",
                                                               "First → x → count: expected int, got str"]),
            (first("plain", **{"rows": 1, "a b\nc": 1}), ["First → x → 'a b\\nc': mine_of_tests:plain has no parameter "
             "'a b\\nc'; there is rows, start"]),
        ],
        ids=lambda value: str(value)[:50],
    )  # fmt: skip
    def test_what_the_signature_does_not_take(self, config, told):
        assert problems_of(config) == told

    def test_the_method_itself_may_be_a_callable_in_a_dict(self):
        @dataclass
        class Made:
            rows: int

        assert given_by({"M": {"x": {"method": lambda: {"a": 1}}}}) == {"a": 1}
        assert given_by({"M": {"x": {"method": functools.partial(dict, a=1), "b": 2}}}) == {"a": 1, "b": 2}
        assert problems_of({"M": {"x": {"method": Made, "rows": "x"}}}) == ["M → x → rows: expected int, got str"]

    @pytest.mark.parametrize("method", ["builtins:dict", "operator:itemgetter", "builtins:max", "math:hypot"])
    def test_a_callable_without_a_signature_takes_anything(self, method):
        assert len(Executor({"M": {"x": {"method": method, "whatever": 1, "step": 2}}}).plan) == 1

    def test_a_signature_that_is_none(self):
        assert given_by(first("wrongly_signed", a=1)) == {"a": 1}

    def test_any_keyword_is_taken_where_the_signature_does(self):
        assert given_by(first("anything", a=1, data_=2)) == {"data": None, "a": 1, "data_": 2}
        assert given_by(second("anything", a=1))["a"] == 1


class TestData:
    BEFORE = {"rows": 1, "start": 0}

    @pytest.mark.parametrize(
        ("config", "result"),
        [
            (second("some_rows"), {"data": BEFORE, "count": 1}),
            (second("some_rows", data=5), {"data": 5, "count": 1}),
            (second("some_rows", data=None), {"data": None, "count": 1}),
            (second("anything"), {"data": BEFORE}),
            (second("variadic"), {"parts": [BEFORE], "sep": " "}),
            (second("one_positional"), {"data": BEFORE, "flag": False}),
            (second("positional_and_all", data=3), {"data": 3}),
            (second("only_keywords", path="x"), {"path": "x"}),
            (second("stepping"), {"key": "First[x]_Second[x]", "data": BEFORE, "rows": 1}),
            (second("stepping", data=3, rows=2), {"key": "First[x]_Second[x]", "data": 3, "rows": 2}),
            (first("stepping"), {"key": "First[x]", "data": None, "rows": 1}),
            (first("own_step"), {"step": "context"}),
            (first("own_step", step=3), {"step": 3}),
            (first("half", rows=2), {"rows": 2, "start": 5}),
            (first("first", start=2), {"rows": 3, "start": 2}),
            (second("builtins:dict", a=1), {"rows": 1, "start": 0, "a": 1}),
        ],
        ids=lambda value: str(value)[-60:],
    )
    def test_goes_to_the_first_positional_parameter_unless_that_is_set(self, config, result):
        assert self.carried(config) == result

    @staticmethod
    def carried(config: dict) -> dict:
        """What the last step gave, where every step passes on what it gave, which a report does not."""
        before = {}
        for call in calls_of(config):
            step = type("Step", (), {"key": "First[x]_Second[x]" if before else "First[x]"})
            keywords = {**call.parameters, **({"step": step} if call.takes_step else {})}
            data = [before] if call.data == "" else []
            if call.data:
                keywords[call.data] = before
            before = call.function(*data, **keywords)
        return before

    def test_pandas_readers_are_loaders_as_they_are(self, mine):
        (mine / "a.csv").write_text("x;y\n1;2\n")
        config = "Loader: {a: {method: 'pandas:read_csv', filepath_or_buffer: a.csv, sep: ;, nrows: 1}}"
        executor = Executor(config)
        executor.run()
        pd.testing.assert_frame_equal(executor.get_result()["Loader[a]"]["data"], pd.DataFrame({"x": [1], "y": [2]}))
        (told,) = problems_of("Loader: {a: {method: 'pandas:read_csv'}}")
        assert told == (
            "line 1, column 13: Loader → a: missing parameter 'filepath_or_buffer' "
            "(there is no step before that could give it data)"
        )

    def test_what_pandas_2_leaves_out_of_its_own_annotations_is_not_refused(self):
        call = call_of(first("pandas:read_csv", filepath_or_buffer="a.csv", float_precision="round_trip"))
        assert call.parameters["float_precision"] == "round_trip"

    def test_pandas_methods_and_functions_take_the_data_before(self):
        config = {
            "L": {"a": {"method": lambda: pd.DataFrame({"x": [2, 1], "y": [1, None]})}},
            "M": {"a": {"method": "pandas:DataFrame.dropna", "subset": ["y"]}, "b": {"method": "pandas:isna"}},
            "N": {"a": {"method": "pandas:DataFrame.astype", "dtype": {"x": "float64"}}},
        }
        executor = Executor(config)
        executor.run()
        assert len(executor.get_result()["L[a]_M[a]_N[a]"]["data"]) == 1


class TestTypes:
    @pytest.mark.parametrize(
        ("value", "told"),
        [
            ("i: 1.5", "expected int, got float"),
            ("i: 1.0", "expected int, got float"),
            ("i: true", "expected int, got bool"),
            ("i: '1'", "expected int, got str"),
            ("i:", "expected int, got null"),
            ("i: [1]", "expected int, got list"),
            ("f: x", "expected float, got str"),
            ("f: true", "expected float, got bool"),
            ("b: 1", "expected bool, got int"),
            ("b: 'yes'", "expected bool, got str"),
            ("s: 1", "expected str, got int; put it in quotes"),
            ("s: no", "expected str, got bool; put it in quotes"),
            ("s: 2024-01-01", "expected str, got date; put it in quotes"),
            ("s: 1e3", "expected str, got float; put it in quotes"),
            ("s: [a]", "expected str, got list"),
            ("s: {a: b}", "expected str, got mapping"),
            ("s:", "expected str, got null"),
            ("n: x", "expected int | null, got str"),
            ("lit: lefft", "expected 'left' or 'right' or 3, got 'lefft'; did you mean 'left'?"),
            ("lit: 4", "expected 'left' or 'right' or 3, got 4"),
            ("ls: a", "expected list, got str"),
            ("ls: [a, 1]", "expected str, got int at [1]"),
            ("ds: {a: 1}", "expected str, got int"),
            ("ds: {1: a}", "expected str, got int as a name"),
            ("ds: [a]", "expected mapping, got list"),
            ("di: {a: 1, b: x}", "expected int, got str"),
            ("ratio: 1.5", "expected float < 1.0"),
            ("ratio: 0", "expected float > 0.0"),
            ("short: long", "expected str of length <= 3"),
            ("p: 3", "expected a path, got int"),
            ("p:", "expected a path, got null"),
            ("po: [a]", "expected a path, got list"),
            ("c: bleu", "expected 'red' or 'blue', got 'bleu'; did you mean 'blue'?"),
            ("o: {}", "missing field rate"),
            ("o: {rate: x}", "expected float, got str at .rate"),
            ("sq: a", "expected list, got str"),
            ("u: 1.5", "expected int | str, got float"),
            ("tup: [1, 2, 3]", "expected list of length 2, got 3"),
            ("paths: [a, 3]", "expected a path, got int at [1]"),
            ("lits: [a, b]", "expected 'a', got 'b' at [1]"),
        ],
    )
    def test_a_wrong_one(self, value, told):
        name = value.partition(":")[0]
        (found,) = problems_of(f"M:\n  x:\n    method: mine_of_tests:typed\n    {value}\n")
        assert found.partition(f"M → x → {name}: ")[2] == told
        assert found.startswith("line 4, column ")

    @pytest.mark.parametrize(
        ("name", "value", "taken"),
        [
            ("i", 3, 3), ("i", np.int64(3), 3), ("i", 10**30, 10**30), ("f", 3, 3.0), ("f", np.float32(0.5), 0.5),
            ("b", np.True_, True), ("s", np.str_("a"), "a"), ("n", None, None), ("lit", "left", "left"), ("lit", 3, 3),
            ("ls", ("a",), ["a"]), ("p", "a/b", Path("a/b")), ("p", Path("a"), Path("a")), ("po", None, None),
            ("po", "a", Path("a")), ("own", 3, 3), ("own", None, None), ("own_or_text", 3, 3), ("frame", "x", "x"),
            ("dtype", "int64", "int64"), ("call", "x", "x"), ("sq", ["a"], ["a"]), ("t", 3, 3), ("anything", [1], [1]),
            ("obj", [1], [1]), ("tup", [1, 2], (1, 2)), ("paths", ["a"], [Path("a")]), ("documented", "a", "a"),
            ("kind", "x", "x"), ("later", 3, 3), ("ratio", 0.25, 0.25), ("di", {"a": 1}, {"a": 1}),
        ],
    )  # fmt: skip
    def test_a_right_one_or_one_that_cannot_be_told(self, name, value, taken):
        found = call_of(first("typed", **{name: value})).parameters[name]
        assert found == taken and type(found) is type(taken)

    def test_ones_that_are_made(self):
        import mine_of_tests

        (step,) = Executor(first("typed", c="blue", o={"rate": 1, "names": ["a"]})).plan
        found = step.calls[0].parameters
        assert found["c"] is mine_of_tests.Colour.BLUE and found["o"] == mine_of_tests.Options(1.0, ["a"])

    def test_what_is_not_annotated_is_handed_on_untouched(self):
        frame, mark = pd.DataFrame({"a": [1]}), object()
        (step,) = Executor(first("anything", a=frame, b=(1, 2), c={1: mark}, d={1, 2})).plan
        found = step.calls[0].parameters
        assert found["a"] is frame and found["b"] == (1, 2) and found["c"][1] is mark and found["d"] == {1, 2}


class TestFiles:
    def told(self, **parameters: object) -> str:
        (found,) = problems_of(first("files", **parameters))
        return found.partition(": ")[2]

    def test_an_input_that_is_not_there(self, mine, monkeypatch):
        (mine / "sub").mkdir()
        (mine / "people.csv").touch()
        (mine / "sub" / "people.csv").touch()
        (mine / "link.csv").symlink_to("nowhere")
        os.mkfifo(mine / "fifo")
        assert self.told(src="poeple.csv") == "no file 'poeple.csv' in the current folder; did you mean 'people.csv'?"
        assert self.told(src="sub/peopl.csv") == "no file 'sub/peopl.csv' in ./sub; did you mean 'people.csv'?"
        assert self.told(src="zzz") == "no file 'zzz' in the current folder"
        assert self.told(src="su/a.csv") == "no file 'su/a.csv': there is no folder ./su"
        assert self.told(src="/nowhere/a.csv") == "no file '/nowhere/a.csv': there is no folder /nowhere"
        assert self.told(src="sub") == "'sub' is a folder, not a file"
        assert self.told(src="") == "'' is no path"
        assert self.told(src="fifo") == "'fifo' is no regular file"
        assert self.told(src="/dev/null") == "'/dev/null' is no regular file"
        assert self.told(src="link.csv").startswith("no file 'link.csv' in the current folder")
        assert self.told(src="a\0b") == r"'a\x00b' is no path"
        assert self.told(src="\ud800") == r"'\ud800' is no path"
        assert self.told(src="~no_such_user/x") == "there is no home folder for '~no_such_user'"
        assert self.told(src="x" * 300).startswith("the file 'xxxxxx") and "File name too long" in self.told(
            src="x" * 300
        )
        assert self.told(src=3) == "expected a path, got int"
        assert self.told(src=["a"]) == "expected a path, got list"
        assert self.told(src=None) == "expected a path, got null"

    @pytest.mark.parametrize("url", ["https://user:hunter2@example.org/a.csv", "s3://bucket/key", "file:///etc/passwd"])
    def test_a_url_is_refused_and_not_repeated(self, url):
        assert self.told(src=url) == "it is a URL: only local files are read and written, so that a run can be repeated"

    def test_an_input_without_permission(self):
        path = Path("/tmp") / f"closed-{os.getpid()}.csv"
        path.touch(0)
        self.told(src="nothing")  # the other user may not import it
        try:
            with as_another_user():
                assert self.told(src=str(path)) == f"no permission to read the file {str(path)!r}"
        finally:
            path.unlink()

    def test_paths_start_from_the_folder_of_the_configuration(self, tmp_path, mine):
        (tmp_path / "a.csv").touch()
        (tmp_path / "p.yaml").write_text("M: {x: {method: 'mine_of_tests:files', src: a.csv, to: out/b.csv}}")
        executor = Executor(tmp_path / "p.yaml")
        executor.run()
        assert executor.get_result()["M[x]"]["data"] == {
            "src": str(tmp_path / "a.csv"), "is_path": True, "to": str(tmp_path / "out" / "b.csv")
        }  # fmt: skip
        (mine / "b.csv").touch()
        config = "M: {x: {method: 'mine_of_tests:files', src: b.csv, other: null, to: }}"
        assert given_by(config) == {"src": str(mine / "b.csv"), "is_path": True, "to": "None"}

    def test_a_home_folder(self, mine, monkeypatch):
        monkeypatch.setenv("HOME", str(mine))
        (mine / "a.csv").touch()
        assert given_by(first("files", src="~/a.csv", to="~/b.csv")) == {
            "src": str(mine / "a.csv"), "is_path": True, "to": str(mine / "b.csv")
        }  # fmt: skip

    def test_inputs_are_checked_where_other_annotations_cannot_be_resolved(self, mine):
        (mine / "a.csv").write_text("x")
        config = first("unresolvable", path="a.csv")
        executor = Executor(config)
        assert executor.plan[0].calls[0].inputs == ("path",)
        executor.run()
        assert [e.context["bytes"] for e in load_run(executor.status.folder).events if e.type == "input"] == [1]

    def test_the_annotations_themselves(self):
        def function(path: InputFile, to: OutputFile | None = None) -> dict[str, Any]:
            return {"path": str(path)}

        (told,) = problems_of({"M": {"x": {"method": function, "path": "no.csv", "to": None}}})
        assert told == "M → x → path: no file 'no.csv' in the current folder"
