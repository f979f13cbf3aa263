"""Preprocessor: what each method does to columns of each kind, learned from `train` alone; and what it refuses."""

from __future__ import annotations

import datetime
import inspect
import typing

import msgspec
import numpy as np
import pandas as pd
import pytest

from runfolio.errors import InputError
from runfolio.pipeline.modules import BUILT_IN, preprocessor
from runfolio.pipeline.modules.preprocessor import cast, drop, filter, impute, one_hot, rename, scale

NA, NAN = pd.NA, np.nan
METHODS = list(BUILT_IN["Preprocessor"])
DATE = datetime.date(2026, 1, 1)
NEW_YEAR = {"strategy": "constant", "value": "2026-01-01"}
LATER = pd.Timestamp("2026-01-02 03:04:05.5")
EIGHT, TEN = (pd.Timestamp(f"2026-07-02 {hour}:00", tz="UTC") for hour in ("08", "10"))


def one(values, dtype=None) -> pd.DataFrame:
    return pd.DataFrame({"a": pd.Series(values, dtype=dtype)})


# Of all methods

CALLS = [
    (impute, {}),
    (scale, {}),
    (one_hot, {}),
    (cast, {"dtypes": {"n": "float32", "t": "category"}}),
    (drop, {"columns": ["n"]}),
    (rename, {"columns": {"n": "m"}}),
    (filter, {"where": "n > 1", "not_null": ["t"]}),
]


@pytest.fixture
def mixed() -> pd.DataFrame:
    frame = pd.DataFrame({"n": [1.0, 2.0, NAN, 4.0], "t": ["a", None, "b", "b"], "k": [1, 2, 3, 4]}, index=[5, 6, 7, 9])
    frame["i"] = pd.array([1, None, 4, 4], "Int64")
    frame["c"] = pd.Categorical(["x", "y", None, "y"])
    frame["b"] = pd.array([True, None, True, False], "boolean")
    frame["d"] = pd.to_datetime(["2026-01-01", None, "2026-01-03", "2026-01-03"], utc=True)
    frame.attrs = {"from": "here"}
    return frame


@pytest.mark.parametrize(("function", "options"), CALLS)
def test_a_method_changes_no_input_and_gives_what_can_be_stored(function, options, mixed, stored):
    before = mixed.copy()
    whole = stored(function(mixed, **options))
    parts = {"train": mixed.iloc[[0, 1, 3]], "validation": mixed.iloc[[2]]}
    done = stored(function(parts, **options))
    assert list(done) == ["train", "validation"] and list(done["train"]) == list(done["validation"]) == list(whole)
    pd.testing.assert_frame_equal(mixed, before)
    assert whole.attrs == before.attrs and whole.index.isin(before.index).all()


@pytest.mark.parametrize(("function", "options"), CALLS[:3])
def test_nothing_of_the_other_parts_is_learned(function, options, mixed):
    train, other = mixed.iloc[[0, 1, 3]], mixed.iloc[[2]]
    wild = other.assign(n=1e9, k=10**9, i=pd.array([10**9], "Int64"), t="zz", c=pd.Categorical(["zz"]))
    calm = function({"validation": other, "train": train}, **options)
    again = function({"validation": wild, "train": train}, **options)
    alone = function(train, **options)
    for done in (calm, again):
        pd.testing.assert_frame_equal(done["train"], alone)
    assert list(again["validation"]) == list(calm["validation"])


def test_without_a_train_part_the_first_is_learned_from():
    done = impute({"one": one([1.0, NAN]), "two": one([9.0, NAN])})
    assert [part["a"].tolist() for part in done.values()] == [[1, 1], [9, 1]]


@pytest.mark.parametrize(("function", "options"), CALLS)
@pytest.mark.parametrize("data", [None, [1], {"a": 1}, {}, pd.DataFrame([[1, 2]], columns=["x", "x"])])
def test_what_is_no_table_is_refused(function, options, data):
    with pytest.raises(InputError):
        function(data, **options)


@pytest.mark.parametrize(
    ("function", "options"),
    [
        (impute, {"columns": ["agee"]}),
        (scale, {"columns": ["agee"]}),
        (one_hot, {"columns": ["agee"]}),
        (cast, {"dtypes": {"agee": "int64"}}),
        (drop, {"columns": ["agee"]}),
        (rename, {"columns": {"agee": "x"}}),
        (filter, {"where": "agee > 1"}),
        (filter, {"not_null": ["agee"]}),
    ],
)
def test_a_column_that_is_not_there_is_told_with_the_nearest(function, options, people):
    with pytest.raises(InputError, match=r"'agee'.*did you mean 'age'\?") as caught:
        function(people, **options)
    assert caught.value.column == "agee"
    with pytest.raises(InputError, match=r"part 'validation': .*'agee'|part 'train': .*'agee'"):
        function({"train": people, "validation": people}, **options)


def test_a_part_that_lacks_a_column_is_named():
    with pytest.raises(InputError, match="part 'validation': no column 'a' in the data; there is b"):
        scale({"train": one([1.0, 2.0]), "validation": pd.DataFrame({"b": [1]})})


@pytest.mark.parametrize("method", METHODS)
def test_parameters_can_be_checked_before_a_run(method):
    function = getattr(preprocessor, method)
    hints = typing.get_type_hints(function, include_extras=True)
    parameters = list(inspect.signature(function).parameters.values())
    assert parameters[0].name == "data" and parameters[0].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    for parameter in parameters[1:]:
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert([{"neither": "this"}], hints[parameter.name])


# impute


@pytest.mark.parametrize(
    ("values", "dtype", "options", "filled"),
    [
        ([1.0, 2.0, 9.0, NAN], "float64", {}, 2.0),
        ([1.0, 2.0, 9.0, NAN], "float64", {"strategy": "mean"}, 4.0),
        ([1.0, 2.0, 1.0, NAN], "float64", {"strategy": "most_frequent"}, 1.0),
        ([1.0, NAN], "float32", {"strategy": "constant", "value": 0.5}, 0.5),
        ([1, 2, NA], "Int64", {}, 2),
        ([3, 4, NA], "Int64", {"strategy": "mean"}, 4),
        ([2, 3, NA], "Int8", {}, 2),
        ([1, NA], "Int64", {"strategy": "constant", "value": 7.0}, 7),
        (["b", "a", "b", "a", None], object, {}, "a"),
        (["b", None], "string", {}, "b"),
        (["b", None], "str", {"strategy": "constant", "value": "?"}, "?"),
        (["b", "b", None], "category", {}, "b"),
        (["b", None], "category", {"strategy": "constant", "value": "?"}, "?"),
        ([True, True, False, None], "boolean", {}, True),
        ([True, None], "boolean", {"strategy": "constant", "value": False}, False),
        (["2026-01-02", "2026-01-02", None], "datetime64[us]", {}, pd.Timestamp("2026-01-02")),
        (["2026-01-02", None], "datetime64[us, UTC]", NEW_YEAR, pd.Timestamp("2026-01-01", tz="UTC")),
        ([DATE, None], object, {}, DATE),
        ([None, NAN], "float64", {"strategy": "constant", "value": 1}, 1.0),
    ],
)  # fmt: skip
def test_missing_values_are_filled_by_one_of_their_kind(values, dtype, options, filled, stored):
    data = one(values, dtype)
    found = impute(data, **options)["a"]
    assert found.iloc[-1] == filled and not found.isna().any()
    if dtype != "category":
        assert found.dtype == data["a"].dtype
    assert found[data["a"].notna()].tolist() == data["a"].dropna().tolist()
    stored(found.to_frame())


def test_columns_without_gaps_and_those_not_named_stay_as_they_are():
    data = pd.DataFrame({"a": [1.0, NAN], "b": [NAN, 2.0], "k": [1, 2]})
    found = impute(data, columns=["a", "k"])
    assert found["a"].tolist() == [1, 1] and found["b"].isna().tolist() == [True, False] and found["k"].dtype == "int64"


def test_a_column_with_gaps_in_another_part_only_is_filled_from_train():
    done = impute({"train": one([1, 2, 6]), "validation": one([NAN, 5.0])})
    assert done["train"]["a"].dtype == "int64" and done["validation"]["a"].tolist() == [2, 5]


def test_equal_labels_of_rows_are_no_hindrance():
    assert impute(one([1.0, NAN, NAN]).set_axis([0, 0, 1]))["a"].tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("values", "dtype", "options", "message"),
    [
        ([1.0, NAN], None, {"strategy": "constant"}, "constant and value go together"),
        ([1.0, NAN], None, {"value": 1}, "constant and value go together"),
        (["x", None], None, {"strategy": "mean"}, "which has no mean; use strategy: most_frequent"),
        (["x", None], None, {"strategy": "median"}, "which has no median"),
        ([True, None], "boolean", {"strategy": "mean"}, "boolean, which has no mean"),
        ([NAN, NAN], None, {}, "column 'a' has no values to learn from; drop it"),
        ([np.inf, NAN], None, {"strategy": "mean"}, "infinite or too large"),
        ([1.0, NAN], None, {"strategy": "constant", "value": "x"}, "float64, which can't hold 'x'"),
        ([1.0, NAN], None, {"strategy": "constant", "value": True}, "can't hold True"),
        ([1.0, NAN], None, {"strategy": "constant", "value": NAN}, "can't hold nan"),
        ([1, NA], "Int64", {"strategy": "constant", "value": 0.5}, "Int64, which can't hold 0.5"),
        ([1, NA], "Int8", {"strategy": "constant", "value": 300}, "Int8, which can't hold 300"),
        (["x", None], None, {"strategy": "constant", "value": 1}, "can't hold 1"),
        ([True, None], "boolean", {"strategy": "constant", "value": "no"}, "boolean, which can't hold 'no'"),
        ([DATE, None], object, {"strategy": "constant", "value": "2026-01-01"}, "object, which can't hold"),
        (["2026-01-01", None], "datetime64[us]", {"strategy": "constant", "value": "soon"}, "can't be cast.*'soon'"),
        ([[1], None], object, {}, "values that can't be counted"),
    ],
)
def test_what_can_not_stand_in_is_refused(values, dtype, options, message):
    with pytest.raises(InputError, match=message):
        impute(one(values, dtype), **options)


# scale


@pytest.mark.parametrize(
    ("kind", "values", "scaled"),
    [
        ("standard", [1, 2, 3], [-np.sqrt(1.5), 0, np.sqrt(1.5)]),
        ("minmax", [1, 2, 5], [0, 0.25, 1]),
        ("robust", [1, 2, 3, 4, 100], [-1, -0.5, 0, 0.5, 48.5]),
        ("robust", [1, 1, 1, 1, 5], [0, 0, 0, 0, 4]),
        *((kind, [0.1] * 3, [0, 0, 0]) for kind in ("standard", "minmax", "robust")),
        ("standard", [1, NAN, 3], [-1, NAN, 1]),
    ],
)
def test_numbers_are_scaled_as_float64(kind, values, scaled):
    found = scale(one(values), kind=kind)["a"]
    assert found.dtype == "float64"
    np.testing.assert_allclose(found, scaled, atol=1e-15)


def test_numbers_of_any_dtype_are_scaled_and_nothing_else_is():
    data = one([1, NA, 3], "Int64").assign(b=[True, False, True], t=["x", "y", "z"], f=np.array([1, 2, 3], "float32"))
    found = scale(data)
    assert found["a"].tolist()[::2] == [-1, 1] and np.isnan(found["a"][1])
    assert found.dtypes[["a", "f"]].tolist() == ["float64"] * 2
    pd.testing.assert_frame_equal(found[["b", "t"]], data[["b", "t"]])
    assert scale(data, columns=["f"])["a"].dtype == "Int64"


def test_values_are_scaled_by_the_span_of_train():
    done = scale({"train": one([0, 10]), "validation": one([5, 20])}, kind="minmax")
    assert done["validation"]["a"].tolist() == [0.5, 2]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["x"], "column 'a' is .*, not numeric; cast it"),
        ([True], "bool, not numeric"),
        ([NAN], "no values to learn from"),
        ([1.0, np.inf], "infinite or too large"),
        ([1e308, -1e308], "infinite or too large"),
    ],
)
def test_what_has_no_scale_is_refused(values, message):
    with pytest.raises(InputError, match=message):
        scale(one(values), columns=["a"])


# one_hot


def test_values_become_columns_in_the_place_of_theirs():
    data = pd.DataFrame({"n": [1, 2, 3, 4], "t": ["b", "a", None, "b"], "z": [1.0, 2, 3, 4]})
    found = one_hot(data)
    assert found.columns.tolist() == ["n", "t_a", "t_b", "z"]
    assert found.dtypes.astype(str).tolist() == ["int64", "bool", "bool", "float64"]
    assert found["t_a"].tolist() == [False, True, False, False]
    assert found["t_b"].tolist() == [True, False, False, True]
    assert one_hot(data, drop_first=True).columns.tolist() == ["n", "t_b", "z"]
    assert one_hot(data, columns=["n"]).columns.tolist() == ["n_1", "n_2", "n_3", "n_4", "t", "z"]


@pytest.mark.parametrize("dtype", [object, "string", "str", "category"])
def test_values_that_train_lacks_are_false_in_all(dtype):
    done = one_hot({"train": one(["b", "a", None], dtype), "validation": one(["c", "a", None], dtype)})
    assert done["validation"].to_numpy().tolist() == [[False, False], [True, False], [False, False]]


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (one(list("abc")), {"most": 2}, "column 'a' has 3 values, more than 2; set most"),
        (one(["x"]).assign(a_x=1), {}, "make a column 'a_x', of which there is one already"),
        (pd.DataFrame({"a": ["b_c"], "a_b": ["c"]}), {}, "make a column 'a_b_c'"),
        (one([None, None], "string"), {}, "no values to learn from"),
        (one([[1], [2]], object), {"columns": ["a"]}, "can't be told apart"),
        (one(["x"]), {"drop_first": True}, "no column would be left"),
    ],
)
def test_what_would_make_no_good_columns_is_refused(data, options, message):
    with pytest.raises(InputError, match=message):
        one_hot(data, **options)


def test_as_many_values_as_are_allowed_pass():
    assert one_hot(one(list("abc")), most=3).shape == (3, 3)


# cast

US, UTC, BERLIN = "datetime64[us]", "datetime64[us, UTC]", "datetime64[us, Europe/Berlin]"


@pytest.mark.parametrize(
    ("values", "source", "dtype", "cells"),
    [
        (["1", "-2"], object, "int64", [1, -2]),
        (["1", None], object, "Int64", [1, NA]),
        (["9007199254740993", None], "string", "Int64", [9007199254740993, NA]),
        (["1.5", None], object, "float64", [1.5, NAN]),
        (["1", "2"], "category", "int64", [1, 2]),
        ([1.0, NAN], "float64", "Int64", [1, NA]),
        ([1, 2], "int64", "float32", [1, 2]),
        ([1, 0], "int64", "bool", [True, False]),
        (["True", "false"], object, "bool", [True, False]),
        ([1.0, NAN], "float64", "boolean", [True, NA]),
        ([True, False], "bool", "int64", [1, 0]),
        ([1.5, NAN], "float64", "str", ["1.5", NAN]),
        ([1, NA], "Int64", "string", ["1", NA]),
        (["2026-01-02", None], US, "str", ["2026-01-02", NAN]),
        (["a", None], object, "category", ["a", NAN]),
        (["2026-01-02", None, "2026-01-02T03:04:05.5"], object, US, [pd.Timestamp("2026-01-02"), pd.NaT, LATER]),
        (["0001-01-01"], object, US, [pd.Timestamp("0001-01-01")]),
        (["2026-01-02"], object, UTC, [pd.Timestamp("2026-01-02", tz="UTC")]),
        (["2026-07-02 10:00"], "string", BERLIN, [EIGHT]),
        (["2026-07-02T10:00:00+02:00", "2026-07-02T10:00Z"], object, UTC, [EIGHT, TEN]),
        (["2026-07-02 10:00"], US, BERLIN, [EIGHT]),
        (["2026-07-02 10:00"], UTC, BERLIN, [TEN]),
        ([None, None], object, US, [pd.NaT, pd.NaT]),
    ],
)  # fmt: skip
def test_values_are_the_same_as_another_dtype(values, source, dtype, cells, stored):
    data = one(values, source).set_axis([f"r{number}" for number in range(len(values))])
    found = stored(cast(data, dtypes={"a": dtype}))["a"]
    assert str(found.dtype) == dtype and found.index.equals(data.index)
    for value, cell in zip(found.tolist(), cells, strict=True):
        assert (pd.isna(value) and pd.isna(cell)) or value == cell


@pytest.mark.parametrize(
    ("values", "source", "dtype", "place"),
    [
        (["1", "2", "x", "y"], object, "int64", "row 30: 'x'"),
        (["1", "1.5"], object, "Int64", "row 20: '1.5'"),
        ([1.0, 2.0, 2.5], "float64", "int64", "row 30: 2.5"),
        ([1.0, NAN], "float64", "int64", "row 20: nan; impute it before, or cast to Int64"),
        (["true", None], object, "bool", "row 20: .*; impute it before, or cast to boolean"),
        ([1, NA], "Int64", "uint8", "row 20: <NA>; .*cast to UInt8"),
        (["2026-01-01", None], US, "int64", "row 20: NaT; impute it before"),
        ([1, 300], "int64", "int8", "row 20: 300"),
        ([0, -1], "int64", "uint8", "row 20: -1"),
        ([1.0, np.inf], "float64", "int64", "row 20: inf"),
        ([1.0, 1e300], "float64", "float32", r"row 20: 1e\+300"),
        (["true", "maybe"], object, "boolean", "row 20: 'maybe'"),
        ([1, 2], "int64", "bool", "row 20: 2"),
        (["2026-01-01", "13/02/2026"], object, US, "row 20: '13/02/2026'; write all times as of ISO 8601"),
        (["2026-01-01", "2026-02-30"], object, US, "row 20: '2026-02-30'"),
        (["2026-01-01", "2026-01-01T00:00Z"], object, US, "row 20: '2026-01-01T00:00Z'"),
        (
            ["2026-01-01", "2026-01-01T00:00Z"],
            object,
            UTC,
            "row 20: '2026-01-01T00:00Z'.*with an offset or all without",
        ),
        (["2026-03-29 01:00", "2026-03-29 02:30"], object, BERLIN, "row 20"),
        (["2026-01-01"], UTC, US, "row 10"),
        ([1, 2], "int64", "category", "row 10: 1; categories are text: cast to string first"),
        (["x" * 99], object, "float64", "row 10: 'x{59}…"),
    ],
)
def test_the_first_row_that_can_not_be_cast_is_named(values, source, dtype, place):
    data = one(values, source).set_axis([10 * (number + 1) for number in range(len(values))])
    with pytest.raises(InputError, match=f"column 'a' can't be cast to .*, {place}") as caught:
        cast(data, dtypes={"a": dtype})
    assert caught.value.column == "a" and caught.value.__cause__ is not None


@pytest.mark.parametrize(
    ("dtype", "message"),
    [
        ("in64", "no dtype 'in64'; did you mean 'int64'"),
        ("datetime64[us, Foo/Bar]", "no dtype 'datetime64"),
        ("", "no dtype ''; there is int64"),
        ("object", "dtype 'object': objects could be anything"),
        ("U5", "dtype 'U5'"),
        ("datetime64", "datetime64"),
    ],
)
def test_a_dtype_that_is_none_or_can_not_be_stored_is_refused(dtype, message):
    with pytest.raises(InputError, match=message) as caught:
        cast(one([1]), dtypes={"a": dtype})
    assert caught.value.column == "a"


def test_a_table_without_rows_is_cast():
    for dtype in ("int64", "bool", "str", "category", US, UTC, "timedelta64[us]", "period[D]"):
        assert str(cast(one([], object), dtypes={"a": dtype})["a"].dtype) == dtype


# drop, rename, filter


def test_columns_are_dropped_and_renamed(people):
    assert list(drop(people, columns=["age", "age"])) == ["name", "weight"]
    assert list(rename(people, columns={"age": "weight", "weight": "age"})) == ["name", "weight", "age"]


@pytest.mark.parametrize(
    ("function", "columns", "message"),
    [
        (drop, ["name", "age", "weight"], "all columns would be dropped"),
        (rename, {"age": "name"}, "two columns would be named 'name'"),
        (rename, {"age": "x", "name": "x"}, "two columns would be named 'x'"),
    ],
)
def test_columns_that_would_be_none_or_twins_are_refused(function, columns, message, people):
    with pytest.raises(InputError, match=message):
        function(people, columns=columns)


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        ({"where": "age > 30"}, [0, 1]),
        ({"where": "name == 'Ada' or age < 30"}, [0, 2]),
        ({"where": "`body weight` > 1"}, [0, 2]),
        ({"where": "ok"}, [0]),
        ({"where": "not (age > 30)"}, [2]),
        ({"where": "index == 1"}, [1]),
        ({"where": "name.str.startswith('B') == True"}, [1]),
        ({"where": "age > 99"}, []),
        ({"not_null": ["body weight"]}, [0, 2]),
        ({"not_null": []}, [0, 1, 2]),
        ({"where": "age > 30", "not_null": ["name", "body weight"]}, [0]),
    ],
)
def test_rows_are_kept_with_their_labels(options, rows, people, stored):
    data = people.rename(columns={"weight": "body weight"}).assign(ok=pd.array([True, None, False], "boolean"))
    assert stored(filter(data, **options)).index.tolist() == rows


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (None, "nothing to go by"),
        ("agee > 1", "'agee > 1' names 'agee', which is no column; did you mean 'age'"),
        ("@people > 1", "names a variable, @people, and there are none"),
        ("@pd.io", "names a variable, @pd"),
        ("age >", "is wrong"),
        ("", "is wrong"),
        ("name > 1", "is wrong"),
        ("age.nothing", "is wrong"),
        ("__import__('os')", "is wrong"),
        ("age", "gives int64, not true or false"),
        ("age + 1", "gives int64"),
        ("x = age", "gives DataFrame"),
        ("1 == 1", "gives bool"),
        ("age.gt(30).sort_index(ascending=False)", "gives its rows in another order"),
        ("age.gt(30).head(1)", "gives its rows in another order, or others"),
    ],
)
def test_an_expression_that_does_not_tell_rows_apart_is_refused(where, message, people):
    with pytest.raises(InputError, match=message) as caught:
        filter(people, where=where)
    assert caught.value.key == "where"
