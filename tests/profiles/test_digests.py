"""Digests: equal exactly where the values are, however they are laid out."""

from __future__ import annotations

import datetime as dt
import json
import os
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runfolio.profiles import digest_of_values
from runfolio.profiles.digests import Digest, digest_of

EXAMPLES = int(os.environ.get("RUNFOLIO_DIGEST_EXAMPLES", "300"))
"""`RUNFOLIO_DIGEST_EXAMPLES=20000 pytest tests/profiles/test_digests.py --timeout 0` is the long run."""

NAN = float("nan")
DAYS = st.dates(dt.date(1969, 12, 30), dt.date(1970, 1, 2))
INSTANTS = st.sampled_from([dt.datetime(1969, 12, 31, 23, 59, 59, 999_999), dt.datetime(1970, 1, 1), dt.datetime.max])

KINDS = {
    "null": (st.none(), (pa.null(),)),
    "boolean": (st.booleans(), (pa.bool_(),)),
    "integer": (st.integers(0, 3), (pa.int8(), pa.uint8(), pa.int64(), pa.uint64())),
    "wide integer": (st.sampled_from([-1, 2**63, 2**64 - 1, 0]), (pa.int64(), pa.uint64())),
    "float": (st.sampled_from([0.0, -0.0, 1.5, float("inf")]), (pa.float16(), pa.float32(), pa.float64())),
    "text": (st.text("ab", max_size=2), (pa.string(), pa.large_string(), pa.string_view())),
    "binary": (st.binary(max_size=2), (pa.binary(), pa.large_binary())),
    "date": (DAYS, (pa.date32(), pa.date64())),
    "timestamp": (INSTANTS, (pa.timestamp("us"),)),
    "decimal": (st.sampled_from([Decimal("1.0"), Decimal("2.5")]), (pa.decimal128(5, 1), pa.decimal256(9, 1))),
    "list": (st.lists(st.integers(0, 1), max_size=2), (pa.list_(pa.int64()), pa.large_list(pa.int8()))),
    "struct": (
        st.builds(lambda a, b: {"a": a, "b": b}, st.integers(0, 1), st.sampled_from(["", None])),
        (pa.struct([("a", pa.int64()), ("b", pa.string())]),),
    ),
}


@st.composite
def columns(draw, kind):
    """Values of a kind, as Arrow lays them out in one of several ways."""
    cells, types = KINDS[kind]
    values = draw(st.lists(st.one_of(st.none(), cells), max_size=6))
    numbers = [value for value in values if isinstance(value, int)]
    fitting = [one for one in types if kind != "wide integer" or _fits(numbers, one)]
    if not fitting:
        return values[:0], pa.array([], types[0])
    array = pa.array(values, draw(st.sampled_from(fitting)))
    return values, draw(st.sampled_from(LAYOUTS))(array)


def _fits(numbers, arrow_type):
    low, high = (0, 2**64) if arrow_type == pa.uint64() else (-(2**63), 2**63)
    return all(low <= number < high for number in numbers)


def _sliced(array):
    return pa.concat_arrays([array, array]).slice(len(array))


def _chunked(array):
    return pa.chunked_array([array.slice(0, 1), array.slice(1, 0), array.slice(1)], array.type)


def _coded(array):
    """As a dictionary whose values stand in another order than the cells."""
    codable = pa.types.is_string(array.type) or pa.types.is_integer(array.type)
    if not codable or not len(array):
        return array
    whole = array.dictionary_encode()
    labels = pa.array(whole.dictionary.to_pylist()[::-1], array.type)
    codes = [None if code is None else len(labels) - 1 - code for code in whole.indices.to_pylist()]
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int8()), labels)


LAYOUTS = (lambda array: array, _sliced, _chunked, _coded)


def look(values):
    """What must be equal just where the digests are: text that tells 0.0 from -0.0 and 1 from True."""
    return repr(values)


@pytest.mark.parametrize("kind", KINDS)
def test_digests_are_equal_exactly_when_the_values_are(kind):
    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
    @given(columns(kind), columns(kind))
    def holds(one, other):
        (values, array), (others, another) = one, other
        assert (digest_of(array) == digest_of(another)) == (look(values) == look(others))

    holds()


@pytest.mark.parametrize("kind", KINDS)
def test_pieces_have_the_digest_of_the_whole(kind):
    @settings(max_examples=30, deadline=None, derandomize=True)
    @given(columns(kind), st.integers(0, 6))
    def holds(column, place):
        _, array = column
        whole = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        digest = Digest()
        digest.feed(whole.slice(0, place))
        digest.feed(whole.slice(place))
        assert digest.hexdigest() == digest_of(array)

    holds()


def test_columns_of_different_kinds_differ():
    arrays = [pa.array(values) for values in ([1], [1.0], [True], ["1"], [b"1"], [None], [[1]], [{"a": 1}])]
    arrays += [pa.array([1], kind) for kind in (pa.timestamp("s"), pa.timestamp("s", "UTC"), pa.duration("s"))]
    arrays += [pa.array([1], kind) for kind in (pa.date32(), pa.time32("s"))]
    assert len({digest_of(array) for array in arrays}) == len(arrays)
    assert digest_of(pa.array(["1"]), "json") != digest_of(pa.array(["1"]))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("kind", [pa.timestamp, pa.duration])
def test_the_unit_of_times_does_not_count(kind, unit):
    array = pa.array([-1, None, 0, 5], kind("s")).cast(kind(unit))
    assert digest_of(array) == digest_of(pa.array([-1, None, 0, 5], kind("s")))


def test_the_zone_of_an_instant_does_not_count_but_that_it_has_one():
    naive, utc, paris = (pa.array([0], pa.timestamp("us", zone)) for zone in (None, "UTC", "Europe/Paris"))
    assert digest_of(utc) == digest_of(paris) != digest_of(naive)


def test_integers_beyond_those_of_64_bits_with_a_sign_are_no_others():
    assert digest_of(pa.array([2**64 - 1], pa.uint64())) != digest_of(pa.array([-1]))


def test_what_stands_under_a_null_does_not_count():
    def masked(values, kind):
        clean = pa.array(values, kind)
        buffers = [pa.py_buffer(b"\x05"), *clean.buffers()[1:]]
        return pa.Array.from_buffers(kind, len(values), buffers)

    for one, other, kind in (
        ([1, 2, 3], [1, 9, 3], pa.int64()),
        ([1.0, 2.0, 3.0], [1.0, NAN, 3.0], pa.float64()),
        (["a", "bb", "c"], ["a", "dddd", "c"], pa.string()),
    ):
        assert digest_of(masked(one, kind)) == digest_of(masked(other, kind))


def test_a_nan_is_a_missing_value_unless_there_are_nulls_beside_it():
    nans, nulls = pa.array([1.0, NAN, NAN]), pa.array([1.0, None, None])
    assert digest_of(nans) == digest_of(nulls)
    mixed, swapped = pa.array([1.0, NAN, None]), pa.array([1.0, None, NAN])
    assert len({digest_of(one) for one in (nans, mixed, swapped)}) == 3


def test_the_bits_of_a_nan_do_not_count():
    odd = np.array([0x7FF8000000000001, 0x3FF0000000000000], "u8").view("f8")
    assert digest_of(pa.array(odd)) == digest_of(pa.array([NAN, 1.0]))


def test_kinds_of_arrays_that_are_rare_have_digests():
    rare = [
        pa.array([[1], None], pa.list_view(pa.int64())),
        pa.array([[1, 2], None], pa.list_(pa.int64(), 2)),
        pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
        pa.array([(1, 2, 3), None], pa.month_day_nano_interval()),
        pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["x", "y"])),
        pa.array([b"ab", None], pa.binary(2)),
        pa.array([b"ab", None], pa.binary_view()),
    ]
    assert len({digest_of(array) for array in rare}) == len(rare) - 1  # the last two hold the same values
    for array in rare:
        assert digest_of(array.slice(1)) == digest_of(_sliced(array).slice(1)) if len(array) == 2 else True


SERIES = {
    "integers": lambda: pd.Series([1, 2, 3]),
    "small integers": lambda: pd.Series([1, 2, 3], dtype="uint8"),
    "nullable integers": lambda: pd.Series([1, None, 3], dtype="Int64"),
    "floats": lambda: pd.Series([0.5, NAN, -0.0]),
    "booleans": lambda: pd.Series([True, False]),
    "text": lambda: pd.Series(["a", None, "ä"]),
    "text as objects": lambda: pd.Series(["a", None, "ä"], dtype=object),
    "text with NaN": lambda: pd.Series(["a", NAN, "ä"], dtype=object),
    "text of pandas": lambda: pd.Series(["a", None, "ä"], dtype="string"),
    "categories": lambda: pd.Series(pd.Categorical(["a", None, "ä"], categories=["ä", "b", "a"])),
    "times": lambda: pd.Series(pd.to_datetime(["2026-11-22 18:48", None])),
    "instants": lambda: pd.Series(pd.to_datetime(["2026-11-22 18:48", None], utc=True)),
    "durations": lambda: pd.Series(pd.to_timedelta([1, None], unit="s")),
    "dates": lambda: pd.Series([dt.date(2026, 11, 22), None], dtype=object),
    "decimals": lambda: pd.Series([Decimal("1.0"), Decimal("2.5")], dtype=object),
    "mixed": lambda: pd.Series([1, "a", None, NAN], dtype=object),
    "sets": lambda: pd.Series([{2, 1}, {"b", "a"}], dtype=object),
    "lists": lambda: pd.Series([[1], [2, 3]], dtype=object),
    "months": lambda: pd.Series(pd.period_range("2026-01", periods=2, freq="M")),
    "complex": lambda: pd.Series([1 + 2j]),
    "sparse": lambda: pd.Series(pd.arrays.SparseArray([0, 1, 0])),
}
SAME = (
    ("text", "text as objects", "text with NaN", "text of pandas", "categories"),
    ("integers", "small integers"),
)
"""Columns whose values are equal; no two others are."""

GOLDEN = Path(__file__).with_name("digests.json")
"""The digests as every version of pandas, NumPy and pyarrow must give them; see
`test_all_versions_of_the_libraries_agree`."""


def test_columns_of_pandas_have_equal_digests_just_where_their_values_are_equal():
    found = {name: digest_of_values(make()) for name, make in SERIES.items()}
    for one, digest in found.items():
        for other, another in found.items():
            expected = one == other or any(one in names and other in names for names in SAME)
            assert (digest == another) == expected, (one, other)


def test_all_versions_of_the_libraries_agree():
    assert {name: digest_of_values(make()) for name, make in SERIES.items()} == json.loads(GOLDEN.read_text())
