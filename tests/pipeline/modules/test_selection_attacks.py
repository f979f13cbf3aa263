"""Expressions of `filter` under attack: none reaches anything but the columns, changes any, or selects other rows."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from runfolio import Executor
from runfolio.errors import InputError
from runfolio.pipeline.modules.preprocessor import filter
from runfolio.pipeline.modules.selection import ATTRIBUTES


@pytest.fixture
def people() -> pd.DataFrame:
    frame = pd.DataFrame({"age": [17, 30, 40], "ok": [True, False, True], "body weight": [1.0, 2.0, np.nan]})
    frame["name"] = pd.Series(["a", "b", None], dtype=object)
    frame["maybe"] = pd.Series([True, None, False], dtype=object)
    frame["born"] = pd.to_datetime(["2026-01-01", "2025-01-01", None])
    return frame


REACHING = [
    "age.to_csv('out')",
    "age.to_csv('out') == 1",
    "ok.to_pickle('out')",
    "(age > 1).to_json('out')",
    "age.to_frame().to_csv('out')",
    "ok # \u2028age.to_csv('out')",
    "ok # \x0bage.to_csv('out')",
    "ok # \x85age.to_csv('out')",
    "name == '''\nage.to_csv('out')\n'''",
    "`age`.to_csv('out')",
    "ok or `age`.to_csv('out') == 1",
    "name == '`' or age.to_csv('out') == '`'",
    "name == r'`' or age.to_csv('out') == r'`'",
    "age['age.to_csv(\"out\")'] == 1",
    "age.eval('1')",
    "age.pipe(print)",
    "age.apply('to_csv', args=('out',))",
    "age.agg('to_csv', path_or_buf='out') == 1",
    "age.map(print)",
    "age.__class__",
    "age.__class__ == 1",
    "age.__class__.__mro__",
    "age.__init__.__globals__",
    "ok.__class__.__base__.__subclasses__()",
    "name.str._orig",
    "name.str._data.to_csv('out')",
    "age.values.tofile('out')",
    "age.array",
    "age.iloc[0]",
    "age.plot()",
    "__import__('os')",
    "__import__('os').system('touch out') == 0",
    "open('out', 'w')",
    "eval('1')",
    "exec('1')",
    "print(age)",
    "getattr(age, 'to_csv')('out')",
    "datetime.now()",
    "@people",
    "@pd",
    "@__builtins__",
    "@os.system('touch out')",
    "age @ age",
    "__pd_eval_local_people",
    "(lambda x: x)(ok)",
    "[x for x in age]",
    "f'{age}'",
    "{1: 2}",
    "age if ok else ok",
    "(y := ok)",
    "import os",
    "ok; age.to_csv('out')",
    "ok\nage.to_csv('out')",
    "del age",
    "age.isin(*[[17]])",
    "age.fillna(**{'value': 1}) > 1",
    "...",
    "b'x' == name",
    "1j > age",
]

CHANGING = [
    "age = 1",
    "age = age > 1",
    "ok = age > 20",
    "new = ok",
    "age += 1",
    "age.clip(0, 1, inplace=True)",
    "age.clip(0, 1, None, True)",
    "age.where(ok, 5, inplace=True)",
    "name.fillna('z', inplace=True)",
    "age.replace(17, 1, inplace=True)",
    "age.update([9, 9, 9])",
    "age.pop(0)",
    "age.values.fill(0)",
    "age.loc.__setitem__(0, 99)",
    "age.__setitem__(0, 99)",
    "age.sort_values(inplace=True)",
    "age.drop(0, inplace=True)",
]


@pytest.mark.parametrize("where", [*REACHING, *CHANGING])
def test_an_expression_reaches_nothing_but_columns_and_changes_none(where, people, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = people.copy(deep=True)
    with pytest.raises(InputError) as caught:
        filter(people, where=where)
    assert caught.value.key == "where" and caught.value.remedy
    assert os.listdir(tmp_path) == []  # noqa: PTH208
    pd.testing.assert_frame_equal(people, before)


def test_what_a_column_can_be_asked_for_is_neither_private_nor_in_place_nor_a_way_out():
    ways_out = {"values", "array", "index", "name", "loc", "iloc", "at", "iat", "apply", "agg", "map", "pipe", "eval"}
    assert not ATTRIBUTES & ways_out
    assert not [name for name in ATTRIBUTES if name.startswith(("_", "to_", "set_", "reset_")) or name == "sort_index"]


SHAPES = [
    ("age", "int64"),
    ("age + 1", "int64"),
    ("born", "datetime64"),
    ("True", "bool"),
    ("1", "int"),
    ("1 == 1", "bool"),
    ("'a'", "str"),
    ("None", "NoneType"),
    ("age.max() > 1", "bool"),
    ("ok.any()", "bool"),
    ("(ok,)", "list"),
    ("[ok, ok]", "list"),
    ("ok, ok", "list"),
    ("name.str", "StringMethods"),
    ("age.max", "method"),
    ("columns == 'age'", ""),
]


@pytest.mark.parametrize(("where", "given"), SHAPES)
def test_what_is_not_true_or_false_for_each_row_is_told(where, given, people):
    with pytest.raises(InputError, match=rf"gives \S*{given}.*, not true or false for each row; compare a column"):
        filter(people, where=where)


@pytest.mark.parametrize("where", ["age = 18", "age=18", "ok = True"])
def test_that_one_equals_sign_assigns_is_told(where, people):
    with pytest.raises(InputError, match="= assigns: compare by ==, as in age == 18"):
        filter(people, where=where)


@pytest.mark.parametrize(
    "where",
    ["", "  ", "\n", "age >", "age > 18 or", "(age", "age > 'x",
     "age $ 1", "body weight > 1", "`age", "age > 1\nand ok",
     "(" * 500 + "ok" + ")" * 500, "-" * 20_000 + "age > 1", "age > 1" + " or age > 1" * 3_000,
     "age > 1\0", "age > '\udc80'"],
    ids=range(16),
)  # fmt: skip
def test_what_is_no_expression_is_told_briefly(where, people):
    with pytest.raises(InputError, match="is wrong: ") as caught:
        filter(people, where=where)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("where", "column", "hint"),
    [
        ("agee > 1", "agee", "did you mean 'age'?"),
        ("AGE > 1", "AGE", "did you mean 'age'?"),
        ("`body weigth` > 1", "body weigth", "did you mean 'body weight'?"),
        ("`age ` > 1", "age ", "did you mean 'age'?"),
        ("ok and nam == 'a'", "nam", "did you mean 'name'?"),
        ("name == Ada", "Ada", "there is age, ok"),
        ("index_ > 1", "index_", "there is age, ok"),
    ],
)
def test_a_name_that_is_no_column_is_told_with_the_nearest(where, column, hint, people):
    with pytest.raises(InputError, match="which is no column") as caught:
        filter(people, where=where)
    assert caught.value.column == column and hint in str(caught.value)


@pytest.mark.parametrize(
    ("where", "hint"),
    [
        ("name.str.startwith('a')", "did you mean 'startswith'?"),
        ("name.isnan()", "did you mean 'isna'?"),
        ("name is None", r"use \.isna\(\)"),
        ("name.str[0] == 'a'", r"use \.str\.get\(0\)"),
        ("age > @limit", "write its value out"),
    ],
)
def test_what_is_meant_is_told(where, hint, people):
    with pytest.raises(InputError, match=hint):
        filter(people, where=where)


SELECTING = [
    ("ok", [0, 2]),
    ("not ok", [1]),
    ("~ok", [1]),
    ("maybe", [0]),
    ("not maybe", [2]),
    ("maybe == False", [2]),
    ("age > 18 and ok", [2]),
    ("(age > 18) & ok", [2]),
    ("ok | (age == 30)", [0, 1, 2]),
    ("18 < age <= 30", [1]),
    ("age in [17, 40]", [0, 2]),
    ("age not in (17, 40)", [1]),
    ("name in ['a']", [0]),
    ("age == age.max()", [2]),
    ("age - 1 > age.mean() / 2 * 2 % 100", [2]),
    ("abs(age - 30) < 1", [1]),
    ("sqrt(age) > 6", [2]),
    ("name == 'a'", [0]),
    ("name != 'a'", [1, 2]),
    ("name.str.startswith('a')", [0]),
    ("not name.str.startswith('a')", [1, 2]),
    ("name.str.upper() == 'B' or ok", [0, 1, 2]),
    ("name.str.get(0) == 'a'", [0]),
    ("name.isna()", [2]),
    ("name.notna() and age.between(18, 35)", [1]),
    ("name.fillna('none') == 'none'", [2]),
    ("born > '2025-06-01'", [0]),
    ("born.dt.year == 2025", [1]),
    ("`body weight` > 1", [1]),
    ("`body weight`.isna() or `age` == 30", [1, 2]),
    ("name == 'a`b'", []),
    ("name == '@a' or name == 'a # b'", []),
    ("age / 0 > 1", [0, 1, 2]),
    ("index > 0", [1, 2]),
    ("ilevel_0 == 1", [1]),
    ("ok # those", [0, 2]),
    ("  ok\n", [0, 2]),
]


@pytest.mark.parametrize(("where", "rows"), SELECTING)
def test_rows_are_those_for_which_it_is_true(where, rows, people):
    assert filter(people, where=where).index.tolist() == rows
    assert filter(people.set_axis([5, 5, 5]).rename_axis("k"), where=where.replace("index > 0", "age > 20").replace(
        "ilevel_0 == 1", "age == 30"))["age"].tolist() == [[17, 30, 40][row] for row in rows]  # fmt: skip


STRANGE = ["a'b", 'a"b', "", "#", "1a", "class", "True", "None", "index", "columns", "sin", "list", "a.b", "a-b", "@a",
           "x\\", "µ", "ﬁ", "ä", "a\0b", "_0_in_backticks_", "  ", "__class__", "inf"]  # fmt: skip


@pytest.mark.parametrize("name", STRANGE)
def test_columns_of_strange_names_are_selected_by_in_backticks_and_hinder_nothing(name):
    frame = pd.DataFrame({name: [1, 2], "age": [2, 1]})
    assert filter(frame, where="age > 1").index.tolist() == [0]
    assert filter(frame, where=f"`{name}` > 1").index.tolist() == [1]
    assert filter(frame, where=f"`{name}` + age == 3 and `{name}` < 2").index.tolist() == [0]


def test_levels_of_an_index_go_by_their_names_and_columns_take_precedence():
    levels = pd.MultiIndex.from_tuples([(1, "x"), (2, "y"), (2, "x")], names=["my key", None])
    frame = pd.DataFrame({"a": [1, 2, 3]}, index=levels)
    assert filter(frame, where="`my key` == 2 and a > 2")["a"].tolist() == [3]
    assert filter(frame, where="ilevel_1 == 'x'")["a"].tolist() == [1, 3]
    assert filter(frame.assign(**{"my key": [9, 0, 0]}), where="`my key` > 8")["a"].tolist() == [1]


@pytest.mark.parametrize("dtype", [object, "string", "string[pyarrow]", "str", "category"])
def test_text_of_any_dtype_is_compared_alike(dtype):
    dtype = pd.StringDtype(na_value=np.nan) if dtype == "str" else dtype
    frame = pd.DataFrame({"t": pd.Series(["a", None, "b"], dtype=dtype)})
    assert filter(frame, where="t == 'a'").index.tolist() == [0]
    assert filter(frame, where="t.str.contains('b')").index.tolist() == [2]
    assert filter(frame, where="t.isna()").index.tolist() == [1]


def test_of_a_table_without_rows_none_is_selected(people):
    for where in ("age > 1", "name.str.startswith('a')", "maybe", "ok and born > '2026'", "`body weight` > 1"):
        assert filter(people.iloc[:0], where=where).shape == (0, 6)


def test_an_expression_that_is_wrong_fails_a_run_with_its_part(tmp_path: Path):
    config = {
        "Loader": {"a": {"method": lambda: pd.DataFrame({"age": range(4)})}},
        "Splitter": {"s": {}},
        "Preprocessor": {"p": {"method": "filter", "where": "age.to_csv('out')"}},
    }
    with pytest.raises(InputError, match="part 'train': .*a column has no 'to_csv'"):
        Executor(config).run()
