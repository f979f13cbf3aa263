"""Preprocessor under attack: columns of every kind, whole, empty, in parts; what is learned is learned from `train`."""

from __future__ import annotations

import copy
import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runfolio import Executor, load_run
from runfolio.errors import InputError, RunfolioError
from runfolio.frames import prepare
from runfolio.pipeline.modules.preprocessor import cast, drop, filter, impute, one_hot, rename, scale

NAN = np.nan
TIMES = pd.Series(pd.to_datetime(["2026-01-01", None, "2026-01-03", "2026-01-01"]))
TEXT = ["b", None, "a", "b"]

KINDS: dict[str, Any] = {
    "int64": [1, 2, 3, 3],
    "uint64": np.array([0, 1, 2**64 - 1, 2**64 - 1], "uint64"),
    "float32": np.array([0.5, NAN, 2, 2], "float32"),
    "float64": [0.5, NAN, 2, 2],
    "Int64": pd.array([2**60 + 1, None, 2**60 + 1, 1], "Int64"),
    "UInt8": pd.array([255, None, 0, 255], "UInt8"),
    "Float64": pd.array([0.5, None, 2, 2], "Float64"),
    "bool": [True, False, True, True],
    "boolean": pd.array([True, None, False, True], "boolean"),
    "object_text": pd.Series(TEXT, dtype=object),
    "str": pd.Series(TEXT, dtype=pd.StringDtype(na_value=NAN)),
    "string_pyarrow": pd.array(TEXT, "string[pyarrow]"),
    "string_python": pd.array(TEXT, "string[python]"),
    "category": pd.Categorical(TEXT, categories=["z", "b", "a"]),
    "ordered": pd.Categorical(TEXT, categories=["b", "a"], ordered=True),
    "times_ns": TIMES.astype("datetime64[ns]"),
    "times_us": TIMES.astype("datetime64[us]"),
    "times_ms": TIMES.astype("datetime64[ms]"),
    "times_tz": TIMES.dt.tz_localize("Europe/Berlin"),
    "spans": pd.to_timedelta([1, None, 3, 3], unit="s"),
    "months": pd.PeriodIndex(["2026-01", None, "2026-02", "2026-02"], freq="M"),
    "dates": pd.Series([datetime.date(2026, 1, 1), None, datetime.date(2025, 1, 1)] * 2, dtype=object)[:4],
    "decimals": pd.Series([Decimal("1.5"), None, Decimal("0.5"), Decimal("1.5")], dtype=object),
    "bytes": pd.Series([b"b", None, b"a", b"b"], dtype=object),
    "none_float": [NAN] * 4,
    "none_object": pd.Series([None] * 4, dtype=object),
    "none_Int64": pd.array([None] * 4, "Int64"),
    "none_times": pd.to_datetime([None] * 4),
    "none_category": pd.Categorical([None] * 4),
    "one_value": [0.1] * 4,
    "inf": [1.0, np.inf, NAN, -np.inf],
    "huge": [1e308, -1e308, NAN, 1.0],
    "arrow": pd.array([1, None, 3, 3], "int64[pyarrow]"),
    "mixed": pd.Series([1, "a", None, 2.5], dtype=object),
    "lists": pd.Series([[1], None, [2], [1]], dtype=object),
}

DTYPES = ("int64", "Int8", "UInt8", "float32", "Float64", "bool", "boolean", "str", "string", "category")
TIME_DTYPES = ("datetime64[us]", "datetime64[ns]", "datetime64[us, UTC]", "timedelta64[us]", "period[D]")
VALUES = (0, 1.5, -1, True, "x", "", "2026-01-01", "1 days", 2**70, 1e300, np.inf)


def calls(name: str) -> list:
    """Each method with each of its parameters; named twice, a column is named once."""
    twice = {"columns": [name, name]}
    return [
        (impute, {}),
        *((impute, {**twice, "strategy": how}) for how in (None, "mean", "median", "most_frequent")),
        *((impute, {**twice, "strategy": "constant", "value": value}) for value in VALUES),
        (scale, {}),
        *((scale, {**twice, "kind": kind}) for kind in ("standard", "minmax", "robust")),
        (one_hot, {}),
        *((one_hot, {**twice, "drop_first": first}) for first in (True, False)),
        *((cast, {"dtypes": {name: dtype}}) for dtype in (*DTYPES, *TIME_DTYPES)),
        (drop, twice),
        (rename, {"columns": {name: "new"}}),
        (filter, {"not_null": [name, name]}),
        *((filter, {"where": text.format(name)}) for text in ("{0}", "{0} == {0}", "{0} > 1", "`{0}`.isna()")),
    ]


def shapes(name: str) -> dict[str, Any]:
    whole = pd.DataFrame({name: KINDS[name], "other": [1, 2, 3, 4]})
    return {
        "whole": whole,
        "empty": whole.iloc[:0],
        "row": whole.iloc[:1],
        "twins": whole.set_axis([0, 0, 1, 0]),
        "levels": whole.set_axis(pd.MultiIndex.from_product([[1, 2], ["x", "y"]], names=["k", None])),
        "parts": {"validation": whole.iloc[2:], "train": whole.iloc[:2]},
        "gap": {"train": whole.iloc[[0, 2, 3]], "validation": whole.iloc[:0], "test": whole.iloc[[1]]},
    }


def given_by(function, data: Any, options: dict) -> Any:
    """What a method gives, or the InputError that it ends in; any other goes on."""
    try:
        return function(data, **options)
    except InputError as error:
        return error


def frames(data: Any) -> list[pd.DataFrame]:
    return list(data.values()) if isinstance(data, dict) else [data]


def is_storable(data: Any) -> bool:
    if isinstance(data, InputError):
        return False
    try:
        return all(prepare(frame) is not None for frame in frames(data))
    except RunfolioError:
        return False


@pytest.mark.parametrize("name", KINDS)
def test_a_column_of_any_kind_is_worked_on_or_refused_and_stays_as_it_is(name):
    all_calls = calls(name)
    for number, (shape, data) in enumerate(shapes(name).items()):
        before, can_be_stored = copy.deepcopy(data), is_storable(data)
        # Every call on the whole column, half of them on none of its rows, and some on each of the others.
        for function, options in all_calls[number :: (1, 2, 7)[min(number, 2)]]:
            found = given_by(function, data, options)
            is_told = isinstance(found, InputError) and bool(found.remedy)
            assert is_told or not can_be_stored or is_storable(found), (shape, function.__name__, options)
        for one, same in zip(frames(data), frames(before), strict=True):
            pd.testing.assert_frame_equal(one, same, obj=shape)


LABELS = [
    pd.Index([1, 2]),
    pd.Index([1.5, None], dtype=object),
    pd.to_datetime(["2026-01-01", "2026-01-02"]),
    pd.MultiIndex.from_tuples([("a", 1), ("a", 2)]),
    pd.Index(["a", NAN], dtype=object),
    pd.CategoricalIndex(["a", "b"]),
]


@pytest.mark.parametrize("labels", LABELS, ids=str)
def test_labels_that_are_no_text_raise_nothing_foreign(labels):
    frame = pd.DataFrame([[1.0, "x"], [None, None]])
    frame.columns = labels
    for function, options in [*calls("a"), *calls("1")]:
        given_by(function, frame, options)


ORDINARY = [
    (impute, {}),
    (impute, {"strategy": "most_frequent"}),
    (scale, {}),
    (scale, {"kind": "minmax"}),
    (scale, {"kind": "robust"}),
    (one_hot, {"columns": ["t", "c"]}),
    (cast, {"dtypes": {"n": "float32", "i": "string", "t": "category", "d": "str"}}),
    (drop, {"columns": ["n", "n"]}),
    (rename, {"columns": {"n": "m"}}),
    (filter, {"where": "i >= 2 or t == 'a'", "not_null": ["c", "c"]}),
]


def ordinary(rows: int = 40) -> pd.DataFrame:
    numbers = np.arange(rows)
    frame = pd.DataFrame({"n": np.where(numbers % 7, numbers / 3, NAN), "k": numbers})
    frame["i"] = pd.array([None if row % 5 == 0 else row for row in range(rows)], "Int64")
    frame["t"] = pd.Series([None if row % 6 == 0 else "abc"[row % 3] for row in range(rows)], dtype=object)
    frame["c"] = pd.Categorical(frame["t"])
    frame["d"] = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(numbers, unit="D")
    return frame


@pytest.mark.parametrize(("function", "options"), ORDINARY)
def test_what_a_run_stores_of_a_method_is_what_it_gave(function, options):
    config = {
        "Loader": {"a": {"method": ordinary}},
        "Splitter": {"s": {"seed": 1}},
        "Preprocessor": {"p": {"method": function.__name__, **options}},
    }
    executor = Executor(config)
    executor.run()
    (found,) = load_run(executor.status.folder).get_result().values()
    (split,) = load_run(executor.status.folder).get_result("Splitter").values()
    for name, part in function(split["data"], **options).items():
        pd.testing.assert_frame_equal(found["data"][name], part)


@pytest.mark.parametrize(("function", "options"), ORDINARY[:6])
def test_nothing_of_validation_changes_what_is_made_of_train(function, options):
    """Nor is a calm row of validation made into anything else by wild ones beside it."""
    train, calm = ordinary().iloc[:20], ordinary().iloc[20:30]
    wild = calm.assign(
        n=[1e200] * 9 + [-1e200],
        k=10**15,
        i=pd.array([10**15] * 10, "Int64"),
        t="wild",
        c=pd.Categorical(["wild"] * 10),
    )
    alone = function(train, **options)
    first = function({"train": train, "validation": calm}, **options)
    second = function({"train": train, "validation": pd.concat([wild, calm.astype({"c": object})])}, **options)
    for done in (first, second):
        pd.testing.assert_frame_equal(done["train"], alone)
    numbers = [name for name in first["validation"] if name not in ("c", "t")]
    kept = second["validation"].iloc[len(wild) :]
    pd.testing.assert_frame_equal(kept[numbers], first["validation"][numbers])


def test_a_column_of_whole_numbers_in_train_with_gaps_elsewhere_is_filled_and_scaled():
    parts = {"train": pd.DataFrame({"a": [1, 3]}), "validation": pd.DataFrame({"a": [NAN, 5.0]})}
    assert impute(parts)["validation"]["a"].tolist() == [2, 5]
    scaled = scale(parts)["validation"]["a"]
    assert np.isnan(scaled[0]) and scaled[1] == 3


@pytest.mark.parametrize("dtype", ["float16", "float32", "Float32"])
def test_a_constant_that_would_become_infinite_is_refused(dtype):
    frame = pd.DataFrame({"a": pd.Series([1.0, None]).astype(dtype)})
    with pytest.raises(InputError, match=f"column 'a' is {dtype}, which can't hold 1e\\+300"):
        impute(frame, strategy="constant", value=1e300)


@pytest.mark.parametrize("source", ["int64", "Float64", "boolean", "datetime64[us]", "string", "object", "category"])
def test_a_column_without_rows_gets_any_dtype(source):
    for dtype in (*DTYPES, *TIME_DTYPES):
        found = cast(pd.DataFrame({"a": pd.Series([], dtype=source)}), dtypes={"a": dtype})["a"]
        assert str(found.dtype) == dtype and len(found) == 0


numbers = st.floats(-1e6, 1e6) | st.none()


@settings(max_examples=50)
@given(train=st.lists(numbers, min_size=1, max_size=12), other=st.lists(numbers, max_size=5))
def test_scaled_values_of_train_have_their_mean_and_deviation_and_order_stays(train, other):
    parts = {
        name: pd.DataFrame({"a": pd.array(part, "Float64")}) for name, part in (("train", train), ("other", other))
    }
    if all(value is None for value in train):
        with pytest.raises(InputError, match="no values to learn from"):
            scale(parts)
        return
    for kind, low, high in (("standard", None, None), ("minmax", 0, 1)):
        done = scale(parts, kind=kind)
        found = done["train"]["a"].dropna()
        assert found.index.tolist() == [row for row, value in enumerate(train) if value is not None]
        assert all(part["a"].dtype == "float64" for part in done.values())
        assert found[parts["train"]["a"].dropna().sort_values().index].is_monotonic_increasing
        if low is not None:
            assert found.between(low, high).all()
        elif found.nunique() > 1 and parts["train"]["a"].max() - parts["train"]["a"].min() > 1e-3:
            assert abs(found.mean()) < 1e-6 and abs(found.std(ddof=0) - 1) < 1e-6


words = st.text("ab1 _", max_size=3) | st.none()


@settings(max_examples=50)
@given(train=st.lists(words, min_size=1, max_size=10), other=st.lists(words, max_size=6))
def test_of_one_hot_columns_one_is_true_where_train_has_the_value_and_none_elsewhere(train, other):
    parts = {
        name: pd.DataFrame({"a": pd.Series(part, dtype=object)}) for name, part in (("train", train), ("other", other))
    }
    known = sorted({value for value in train if value is not None})
    if not known:
        with pytest.raises(InputError, match="no values to learn from"):
            one_hot(parts, columns=["a"])
        return
    for name, found in one_hot(parts, columns=["a"]).items():
        assert found.columns.tolist() == [f"a_{value}" for value in known]
        assert set(found.dtypes.astype(str)) == {"bool"} and len(found) == len(parts[name])
        for value, row in zip(parts[name]["a"], found.to_numpy(), strict=True):
            assert [label for label, is_it in zip(known, row, strict=True) if is_it] == (
                [value] if value in known else []
            )
