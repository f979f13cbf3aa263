"""Describer: what is told of each column, and how columns go together."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest

from runfolio.errors import InputError
from runfolio.pipeline.modules.describer import correlation, describe

DTYPES = {
    **dict.fromkeys(("column", "dtype", "first", "last", "top"), "object"),
    **dict.fromkeys(("rows", "missing", "distinct"), "int64"),
    **dict.fromkeys(("mean", "std", "min", "q25", "median", "q75", "max"), "float64"),
    "top_rows": "Int64",
}


ONE, TWO = "2026-01-01 00:00:00", "2026-01-02 00:00:00"


def row_of(values) -> dict:
    return describe(pd.DataFrame({"a": values})).iloc[0].to_dict()


def test_numbers_have_their_spread():
    row = row_of([1.0, 2.0, 2.0, 7.0, np.nan])
    assert (row["rows"], row["missing"], row["distinct"]) == (5, 1, 3)
    assert (row["mean"], row["min"], row["q25"], row["median"], row["q75"], row["max"]) == (3.0, 1, 1.75, 2, 3.25, 7)
    assert row["std"] == pytest.approx(np.std([1, 2, 2, 7], ddof=1))
    assert (row["top"], row["top_rows"], row["first"], row["last"]) == ("2.0", 2, None, None)


@pytest.mark.parametrize(
    ("values", "first", "last", "top", "count"),
    [
        (["b", "a", "b", "a", "c", None], "a", "c", "a", 2),
        ([True, False, True], "False", "True", "True", 2),
        (pd.to_datetime(["2026-01-02", "2026-01-01", None]), ONE, TWO, ONE, 1),
        ([datetime.date(2026, 1, 2), datetime.date(2026, 1, 1)], "2026-01-01", "2026-01-02", "2026-01-01", 1),
        (pd.Categorical(["a", "b", "b"]), None, None, "b", 2),
        (pd.Categorical(["a", "b"], categories=["b", "a"], ordered=True), "b", "a", "a", 1),
        (pd.Series([1, "a", "a"], dtype=object), None, None, "a", 2),
        (pd.Series([[1], [1], [2]], dtype=object), "[1]", "[2]", "[1]", 2),
        (pd.Series([None, None], dtype=object), None, None, None, None),
    ],
)  # fmt: skip
def test_other_values_have_their_ends_and_the_most_frequent(values, first, last, top, count):
    row = row_of(values)
    assert (row["first"], row["last"], row["top"]) == (first, last, top)
    assert pd.isna(row["top_rows"]) if count is None else row["top_rows"] == count
    assert np.isnan([row["mean"], row["max"]]).all()


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": [1, 2], "b": ["x", None]}),
        pd.DataFrame({"a": pd.array([1, None], "Int64"), "b": pd.array([None, None], "boolean")}),
        pd.DataFrame({"a": [np.nan, np.nan], "b": [None, None]}),
        pd.DataFrame({"a": [1.0, np.inf], "b": [1e308, -1e308]}),
        pd.DataFrame({"a": pd.Series([], dtype="float64"), "b": pd.Series([], dtype=object)}),
        pd.DataFrame({"a": [1]}),
        pd.DataFrame(index=[1, 2]),
    ],
)
def test_tables_are_well_typed_whatever_is_described(frame, stored):
    found = describe(frame)
    assert found.dtypes.astype(str).to_dict() == DTYPES and len(found) == frame.shape[1]
    stored(found)
    matrix = correlation(frame)
    assert set(matrix.dtypes.astype(str)) <= {"object", "float64"} and matrix.columns[0] == "column"
    stored(matrix)


def test_parts_are_described_each_for_itself(people, stored):
    found = stored(describe({"train": people, "validation": people.iloc[:1]}))
    assert [part["rows"].unique().tolist() for part in found.values()] == [[3], [1]]


def test_a_description_leaves_its_input_as_it_is(people):
    before = people.copy()
    describe(people)
    correlation(people)
    pd.testing.assert_frame_equal(people, before)


def test_correlation_is_of_numbers_by_values_or_by_ranks():
    frame = pd.DataFrame({"a": [1, 2, 3, 4], "b": [1.0, 4.0, 9.0, 100.0], "c": list("wxyz"), "d": [True, False] * 2})
    assert correlation(frame).columns.tolist() == ["column", "a", "b"]
    assert correlation(frame)["column"].tolist() == ["a", "b"]
    assert correlation(frame)["b"][0] == pytest.approx(np.corrcoef(frame["a"], frame["b"])[0, 1])
    assert correlation(frame, kind="spearman")["b"][0] == pytest.approx(1)
    assert correlation(frame, columns=["b"]).columns.tolist() == ["column", "b"]


def test_ranks_are_those_of_rows_that_have_both_values():
    frame = pd.DataFrame({"a": [1, 2, 3, 4.0], "b": [1, np.nan, 3, 2.0], "e": pd.array([1, None, 3, 2], "Int64")})
    assert correlation(frame, kind="spearman")["b"][0] == pytest.approx(0.5)
    assert correlation(frame)["e"][1] == pytest.approx(1)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["agee"], "no column 'agee' in the data; did you mean 'age'"),
        (["name"], "column 'name' is .*, no number"),
        (["column"], "named as the first column of the result"),
    ],
)
def test_columns_that_have_no_correlation_are_refused(columns, message, people):
    with pytest.raises(InputError, match=message) as caught:
        correlation(people.assign(column=1), columns=columns)
    assert caught.value.column == columns[0]


@pytest.mark.parametrize("function", [describe, correlation])
def test_what_is_no_table_is_refused(function):
    for data in (None, {"a": 1}, {}, [1]):
        with pytest.raises(InputError):
            function(data)
