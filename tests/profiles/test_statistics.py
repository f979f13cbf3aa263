"""Statistics: those that pandas gives, whatever pieces the values come in."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runfolio.field import Statistics
from runfolio.profiles.statistics import Summary


def summary(array, pieces=1):
    found = Summary()
    size = max(1, -(-len(array) // pieces))
    for start in range(0, len(array), size):
        found.feed(array.slice(start, size))
    return found.statistics()


@pytest.mark.parametrize(
    ("values", "kind", "distinct", "low", "high"),
    [
        ([3, 1, None, 3], pa.int8(), 2, "1", "3"),
        ([2**64 - 1, 0], pa.uint64(), 2, "0", "18446744073709551615"),
        ([0.5, float("nan"), None, -2.0], pa.float64(), 2, "-2.0", "0.5"),
        ([1.5, 0.25], pa.float16(), 2, "0.25", "1.5"),
        ([float("inf"), 1.0], pa.float64(), 2, "1.0", "inf"),
        ([-0.0, 0.0], pa.float64(), 1, "0.0", "0.0"),
        ([True, False, True], pa.bool_(), 2, "False", "True"),
        (["b", "a", None], pa.string(), 2, "a", "b"),
        (["b", "a", None], pa.string_view(), 2, "a", "b"),
        (["b", "a", None], pa.dictionary(pa.int8(), pa.string()), 2, "a", "b"),
        ([Decimal("1.50"), Decimal("0.25")], pa.decimal128(4, 2), 2, "0.25", "1.50"),
        ([dt.date(2026, 11, 22), None], pa.date32(), 1, "2026-11-22", "2026-11-22"),
        ([dt.datetime(2026, 11, 22, 18, 48)], pa.timestamp("s"), 1, "2026-11-22 18:48:00", "2026-11-22 18:48:00"),
        ([90_061_000], pa.duration("ms"), 1, "1 days 01:01:01", "1 days 01:01:01"),
        ([dt.time(1, 2, 3)], pa.time64("us"), 1, "01:02:03", "01:02:03"),
        ([b"b", b"a"], pa.binary(), 2, "b'a'", "b'b'"),
        ([None, None], pa.int64(), 0, None, None),
        ([], pa.int64(), 0, None, None),
        ([None], pa.null(), None, None, None),
        ([[1], [1]], pa.list_(pa.int64()), None, None, None),
        ([{"a": 1}], pa.struct([("a", pa.int64())]), None, None, None),
    ],
)
def test_distinct_values_and_range(values, kind, distinct, low, high):
    found = summary(pa.array(values, kind))
    assert (found.distinct, found.minimum, found.maximum) == (distinct, low, high)
    assert found.distinct_is_exact


def test_instants_are_spelled_in_utc():
    array = pa.array([0], pa.timestamp("s", "Europe/Paris"))
    assert summary(array).minimum == "1970-01-01 00:00:00Z"


def test_long_text_is_cut():
    found = summary(pa.array(["x" * 1000]))
    assert found.minimum == "x" * 199 + "…"


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6), st.integers(-1000, 1000).map(float)), max_size=40),
    st.integers(1, 5),
)
def test_numbers_have_the_mean_and_deviation_of_pandas_in_any_pieces(values, pieces):
    found, series = summary(pa.array(values, pa.float64()), pieces), pd.Series(values, dtype="float64")
    for mine, theirs in ((found.mean, series.mean()), (found.standard_deviation, series.std())):
        assert (mine is None and math.isnan(theirs)) or mine == pytest.approx(theirs, rel=1e-9, abs=1e-6)
    present = series.dropna()
    assert found.minimum == (None if present.empty else repr(float(present.min()) + 0.0))
    assert found.maximum == (None if present.empty else repr(float(present.max()) + 0.0))
    assert found.distinct == present.nunique()


def test_what_is_not_finite_is_null():
    found = summary(pa.array([1.0, math.inf]))
    assert (found.mean, found.standard_deviation) == (None, None)


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.string(), pa.timestamp("us")])
@pytest.mark.parametrize("pieces", [1, 7])
def test_many_distinct_values_are_estimated_within_some_percent(kind, pieces):
    numbers = pa.array(np.random.default_rng(7).integers(0, 400_000, 600_000))
    array = numbers.cast(kind) if kind != pa.timestamp("us") else numbers.view(kind)
    expected = len(numbers.unique())
    found = summary(array, pieces)
    assert not found.distinct_is_exact
    assert found.distinct == pytest.approx(expected, rel=0.08)


def test_nothing_fed_is_nothing_known():
    assert Summary().statistics() == Statistics(distinct=0)
