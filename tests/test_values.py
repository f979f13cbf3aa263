"""The normal form of contexts: the documented table, a row a case."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import math
import uuid
from collections import OrderedDict, deque
from pathlib import Path, PureWindowsPath
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runfolio.errors import ContextError, UsageError
from runfolio.values import as_text, normal, normal_object


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Named(str):
    pass


class Odd:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


@dataclasses.dataclass
class Point:
    x: float
    label: Any = None


class Pair(msgspec.Struct):
    a: int
    b: set


CASES = [
    (None, None),
    (True, True),
    (3, 3),
    (2**64 - 1, 2**64 - 1),
    (-(2**63), -(2**63)),
    (2**64, "18446744073709551616"),
    (0.1, 0.1),
    (-0.0, -0.0),
    (math.nan, "NaN"),
    (math.inf, "Infinity"),
    (-math.inf, "-Infinity"),
    ("naïve \x00 \u2028", "naïve \x00 \u2028"),
    ("half \udc80", "half \\udc80"),
    (Named("sub"), "sub"),
    (np.int64(7), 7),
    (np.uint8(7), 7),
    (np.float32(0.5), 0.5),
    (np.float64("nan"), "NaN"),
    (np.bool_(True), True),
    (np.str_("text"), "text"),
    (np.datetime64("2026-11-22"), "2026-11-22"),
    (np.datetime64("NaT", "s"), None),
    (np.timedelta64(90, "s"), "PT90S"),
    (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    (np.array([0.5, np.nan]), [0.5, "NaN"]),
    (pd.NA, None),
    (pd.NaT, None),
    (pd.Timestamp("2026-11-22T18:48:00.5", tz="UTC"), "2026-11-22T18:48:00.500000+00:00"),
    (pd.Timedelta("1min"), "PT60S"),
    (dt.date(2026, 11, 22), "2026-11-22"),
    (dt.time(18, 48), "18:48:00"),
    (dt.datetime(2026, 11, 22, 18, 48), "2026-11-22T18:48:00"),
    (dt.timedelta(days=1, seconds=30), "P1DT30S"),
    (Path("data/a.csv"), "data/a.csv"),
    (PureWindowsPath("C:/x"), "C:\\x"),
    (b"bytes", "Ynl0ZXM="),
    (decimal.Decimal("1.00"), "1.00"),
    (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (Colour.RED, "red"),
    (Level.HIGH, 3),
    ((1, (2, 3)), [1, [2, 3]]),
    (deque([1]), [1]),
    (range(3), [0, 1, 2]),
    ({"b", "a"}, ["a", "b"]),
    (frozenset({2, 10, 1}), [1, 10, 2]),
    ({(1, 2), (0, 5)}, [[0, 5], [1, 2]]),
    (OrderedDict(z=1, a=2), {"z": 1, "a": 2}),
    ({"a": 1}.keys(), ["a"]),
    ({None: 1, True: 2, 1.5: 3, 7: 4, (1, 2): 5}, {"null": 1, "true": 2, "1.5": 3, "7": 4, "[1,2]": 5}),
    ({dt.date(2026, 1, 1): {"nested": {1}}}, {"2026-01-01": {"nested": [1]}}),
    (Point(1.0, Path("p")), {"x": 1.0, "label": "p"}),
    (Pair(1, {2}), {"a": 1, "b": [2]}),
    (complex(1, 2), "(1+2j)"),
    (len, "<built-in function len>"),
]


@pytest.mark.parametrize(
    ("value", "expected"), CASES, ids=[f"{type(v).__name__}-{i}" for i, (v, _) in enumerate(CASES)]
)
def test_a_value_has_its_documented_form_which_json_gives_back(value, expected):
    found = normal(value)
    assert found == expected
    assert type(found) is type(expected)
    assert msgspec.json.decode(msgspec.json.encode(found)) == found
    assert normal(found) == found, "the normal form is its own"
    assert normal_object({"v": value}, "context") == {"v": expected}


def test_what_has_no_form_is_its_repr_of_at_most_1000_characters():
    assert normal(pd.DataFrame({"a": range(1000)}))[:4] == "    "
    assert len(normal(Named)) < 100
    assert len(normal(np.longdouble(1))) <= 1000
    assert normal(Odd()).startswith("<")


def test_keys_that_become_one_are_refused_with_their_place():
    with pytest.raises(ContextError, match=r"two keys become '1' at \['a'\]\[0\]") as caught:
        normal({"a": [{1: "x", "1": "y"}]})
    assert caught.value.key == "1"


def test_64_levels_are_taken_and_more_refused():
    value: Any = 1
    for _ in range(64):
        value = [value]
    assert normal(value) == value
    with pytest.raises(ContextError, match="more than 64 levels"):
        normal([value])


def test_a_context_is_a_mapping_or_none():
    assert normal_object(None, "context") == {}
    assert normal_object(Point(1.0), "context") == {"x": 1.0, "label": None}
    with pytest.raises(UsageError, match="context is a list"):
        normal_object([1], "context")


def test_a_context_is_taken_as_it_is_at_that_moment():
    given_by_user = {"a": 1}
    found = normal_object(given_by_user, "context")
    given_by_user["a"] = 2
    assert found == {"a": 1}


def test_values_by_hand_are_text():
    assert [as_text(v) for v in (None, "x", 1, [1, "a"], 0.5)] == [None, "x", "1", '[1,"a"]', "0.5"]


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text()
        | st.binary()
        | st.dates()
        | st.timedeltas(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner, inner),
        max_leaves=20,
    )
)
def test_any_value_is_refused_or_comes_back_from_json_as_it_is(value):
    try:
        found = normal(value)
    except ContextError:
        return
    assert msgspec.json.decode(msgspec.json.encode(found)) == found
