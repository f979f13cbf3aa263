"""Describer under attack: what pandas tells of a column, too, is told alike; nothing warns, and all can be stored."""

from __future__ import annotations

import datetime
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runfolio import Executor, load_run
from runfolio.errors import InputError
from runfolio.frames import prepare
from runfolio.pipeline.modules.describer import correlation, describe

NAN = np.nan
NAMES = {"mean": "mean", "std": "std", "min": "min", "25%": "q25", "50%": "median", "75%": "q75", "max": "max"}
TIMES = pd.Series(pd.to_datetime(["2026-01-03", None, "2026-01-01", "2026-01-03"]))

NUMBERS = {
    "int64": [1, 2, 2, 7],
    "int8": np.array([-128, 127, 127, 1], "int8"),
    "uint64": np.array([2**64 - 1, 1, 1, 2], "uint64"),
    "large": [2**60 + 1, 2**60 + 3, 1, 1],
    "float32": np.array([0.1, NAN, 2, 1e30], "float32"),
    "float64": [0.1, NAN, -2, 1e100],
    "Int64": pd.array([3, None, 1, 1], "Int64"),
    "Float64": pd.array([0.5, None, 1, 1], "Float64"),
    "arrow": pd.array([3, None, 1, 1], "int64[pyarrow]"),
    "one": [NAN, NAN, NAN, 5.0],
    "none": [NAN] * 4,
    "none_Int64": pd.array([None] * 4, "Int64"),
}

OTHERS = {
    "bool": ([True, False, True, True], "bool", 2, "False", "True", "True", 3),
    "boolean": (pd.array([True, None, False, True], "boolean"), "boolean", 2, "False", "True", "True", 2),
    "text": (pd.Series(["b", "B", "a", None], dtype=object), "object", 3, "B", "b", "B", 1),
    "string": (pd.array(["b", "A", "b", None], "string"), "string", 2, "A", "b", "b", 2),
    "blank": (pd.Series(["", " ", "", None], dtype=object), "object", 2, "", " ", "", 2),
    "times": (TIMES, str(TIMES.dtype), 2, "2026-01-01 00:00:00", "2026-01-03 00:00:00", "2026-01-03 00:00:00", 2),
    "zoned": (TIMES.astype("datetime64[ms]").dt.tz_localize("Europe/Berlin"), "datetime64[ms, Europe/Berlin]", 2,
              "2026-01-01 00:00:00+01:00", "2026-01-03 00:00:00+01:00", "2026-01-03 00:00:00+01:00", 2),
    "spans": (pd.Series(pd.to_timedelta([2, None, 1, 2], unit="s")).astype("timedelta64[us]"), "timedelta64[us]", 2,
              "0 days 00:00:01", "0 days 00:00:02", "0 days 00:00:02", 2),
    "category": (pd.Categorical(["a", None, "b", "b"]), "category", 2, None, None, "b", 2),
    "ordered": (pd.Categorical(["a", None, "b", "b"], categories=["b", "a", "z"], ordered=True), "category", 2,
                "b", "a", "b", 2),
    "decimals": (pd.Series([Decimal("1.5"), None, Decimal("0.5"), Decimal("1.50")], dtype=object), "object", 2,
                 "0.5", "1.5", "1.5", 2),
    "dates": (pd.Series([datetime.date(2026, 1, 1), None, datetime.date(2025, 1, 1), None], dtype=object), "object", 2,
              "2025-01-01", "2026-01-01", "2025-01-01", 1),
    "clock": (pd.Series([datetime.time(1), None, datetime.time(0), None], dtype=object), "object", 2,
              "00:00:00", "01:00:00", "00:00:00", 1),
    "bytes": (pd.Series([b"b", None, b"a", b"b"], dtype=object), "object", 2, "b'a'", "b'b'", "b'b'", 2),
    "mixed": (pd.Series([2, "a", None, "a"], dtype=object), "object", 2, None, None, "a", 2),
    "lists": (pd.Series([[2], None, [1], [2]], dtype=object), "object", 2, "[1]", "[2]", "[2]", 2),
    "months": (pd.PeriodIndex(["2026-02", None, "2026-01", "2026-02"], freq="M"), "period[M]", 2,
               "2026-01", "2026-02", "2026-02", 2),
    "none": (pd.Series([None] * 4, dtype=object), "object", 0, None, None, None, None),
    "none_text": (pd.array([None] * 4, "string"), "string", 0, None, None, None, None),
    "none_times": (pd.Series([None] * 4, dtype="datetime64[us]"), "datetime64[us]", 0, None, None, None, None),
    "none_category": (pd.Categorical([None] * 4, categories=["a"]), "category", 0, None, None, None, None),
}  # fmt: skip


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_are_told_as_pandas_does(kind):
    column = pd.Series(NUMBERS[kind])
    row = describe(pd.DataFrame({"a": column})).iloc[0]
    expected = column.astype("float64").describe()
    assert row["rows"] - row["missing"] == expected["count"] and row["distinct"] == column.nunique()
    for theirs, ours in NAMES.items():
        np.testing.assert_allclose(row[ours], expected[theirs], rtol=1e-12, err_msg=ours)
    assert row["first"] is None and row["last"] is None
    counts = column.value_counts()
    assert (pd.isna(row["top_rows"]) and row["top"] is None) if counts.empty else row["top_rows"] == counts.max()


@pytest.mark.parametrize("kind", OTHERS)
def test_other_values_are_told_by_their_ends_and_the_most_frequent(kind):
    values, dtype, distinct, first, last, top, count = OTHERS[kind]
    row = describe(pd.DataFrame({"a": values})).iloc[0]
    assert (row["dtype"], row["distinct"], row["first"], row["last"], row["top"]) == (dtype, distinct, first, last, top)
    assert pd.isna(row["top_rows"]) if count is None else row["top_rows"] == count
    assert row[list(NAMES.values())].isna().all()


def test_the_most_frequent_of_text_is_as_frequent_as_pandas_tells():
    column = pd.Series(list("abcabcaxxyyx"))
    row, expected = describe(pd.DataFrame({"a": column})).iloc[0], column.describe()
    assert (row["distinct"], row["top_rows"]) == (expected["unique"], expected["freq"])
    assert row["top"] == "a", "of a and x the smaller"


@pytest.mark.parametrize("rows", [0, 1, 4])
def test_columns_of_all_kinds_are_told_in_one_table_that_can_be_stored(rows):
    columns = {**NUMBERS, **{f"other_{name}": values for name, (values, *_) in OTHERS.items()}}
    frame = pd.DataFrame(columns).iloc[:rows]
    before = frame.copy(deep=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, matrices = describe(frame), [correlation(frame, kind=kind) for kind in ("pearson", "spearman")]
    assert found["column"].tolist() == list(frame) and (found["rows"] == rows).all()
    for table in (found, *matrices):
        prepare(table)
    pd.testing.assert_frame_equal(frame, before)


def test_what_is_infinite_is_told_without_warnings():
    frame = pd.DataFrame({"up": [1.0, np.inf], "both": [np.inf, -np.inf], "huge": [1e308, 1e308]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = describe(frame)
    assert found[["min", "max"]].values.tolist() == [[1, np.inf], [-np.inf, np.inf], [1e308, 1e308]]


COLUMNS = {
    "a": [1.0, 2, 3, 4, 5, NAN],
    "b": [2.0, 1, NAN, 9, 4, 4],
    "c": pd.array([5, None, 1, 1, 2, 8], "Int64"),
    "i": [3, 1, 4, 1, 5, 9],
    "same": [7.0] * 6,
    "none": [NAN] * 6,
    "inf": [np.inf, 1, 2, 3, 4, 5],
    "one": [NAN, NAN, 1, NAN, NAN, NAN],
    "twice": [0.1] * 5 + [NAN],
}


@pytest.mark.parametrize("kind", ["pearson", "spearman"])
def test_correlation_is_that_of_pandas_without_warnings(kind):
    frame = pd.DataFrame({**COLUMNS, "flag": [True, False] * 3, "t": list("abcdef")})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = correlation(frame, kind=kind)
    assert found["column"].tolist() == list(COLUMNS) and list(found) == ["column", *COLUMNS]
    with np.errstate(all="ignore"):
        expected = frame[list(COLUMNS)].astype("float64").corr(method=kind)
    np.testing.assert_allclose(found.drop(columns="column").to_numpy(), expected.to_numpy(), rtol=1e-12)
    assert found["same"].isna().all() and found["none"].isna().all()


values = st.lists(st.floats(-1e6, 1e6, width=32) | st.none(), min_size=1, max_size=20)


@given(values=values)
def test_any_numbers_are_told_as_pandas_does(values):
    column = pd.Series(values, dtype="float64")
    row, expected = describe(pd.DataFrame({"a": column})).iloc[0], column.describe()
    found = [row[ours] for ours in NAMES.values()]
    np.testing.assert_allclose(found, [expected[theirs] for theirs in NAMES], rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize(
    "labels", [pd.Index([1, 2]), pd.MultiIndex.from_tuples([("a", 1), ("a", 2)]), pd.Index(["a", None], dtype=object)]
)
def test_labels_that_are_no_text_raise_nothing_foreign(labels):
    frame = pd.DataFrame([[1, 2], [3, 4]]).set_axis(labels, axis=1)
    for function in (describe, correlation):
        if isinstance(labels, pd.MultiIndex):
            with pytest.raises(InputError, match="the columns have 2 rows of labels"):
                function(frame)
        else:
            assert len(function(frame)) == 2


@pytest.mark.parametrize("options", [{}, {"method": "correlation"}, {"method": "correlation", "kind": "spearman"}])
def test_what_a_run_stores_is_what_was_told(options):
    frame = pd.DataFrame(COLUMNS)
    config = {"Loader": {"a": {"method": lambda: frame}}, "Splitter": {"s": {}}, "Describer": {"d": options}}
    executor = Executor(config)
    executor.run()
    (told,) = executor.get_result().values()
    (found,) = load_run(executor.status.folder).get_result().values()
    for name, part in told["data"].items():
        pd.testing.assert_frame_equal(found["data"][name], part)
