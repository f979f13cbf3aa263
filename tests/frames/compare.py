"""What exact means: everything that a frame's owner can see, told without the code that is tested."""

import math
import struct
from decimal import Decimal

import numpy as np
import pandas as pd
from pandas.testing import assert_frame_equal

EXACT = dict.fromkeys(("check_exact", "check_freq", "check_flags", "check_column_type", "check_index_type"), True)


def assert_exactly_equal(found, expected):
    """Compare types, labels, cells and the kinds of missing values, down to the bits of a NaN."""
    assert type(found) is type(expected)
    assert found.shape == expected.shape
    assert found.flags.allows_duplicate_labels == expected.flags.allows_duplicate_labels
    assert facts(found.attrs) == facts(expected.attrs)
    assert_same_index(found.columns, expected.columns)
    assert_same_index(found.index, expected.index)
    for position in range(expected.shape[1]):
        assert_same_values(found.iloc[:, position], expected.iloc[:, position])
    assert_equal_to_pandas(found, expected)


def assert_equal_to_pandas(found, expected):
    """`assert_frame_equal`, where it can compare the frame at all: not containers, or huge integers."""
    if isinstance(expected.index, pd.MultiIndex):  # whose unused labels pandas 2 compares too
        found, expected = (f.set_axis(f.index.remove_unused_levels()) for f in (found, expected))
    names = [*expected.index.names, *expected.columns.names]
    if any(math.isnan(name) for name in names if type(name) is float) or has_containers(expected):
        return
    try:
        assert_frame_equal(expected, expected.copy(), **EXACT)
    except (AssertionError, ValueError, TypeError, ArithmeticError, FutureWarning, DeprecationWarning):
        return
    assert_frame_equal(found, expected, **EXACT)


def has_containers(frame):
    """Whether there are cells of several values, of which pandas calls those unequal that have NaN in them."""
    parts = [frame.iloc[:, place] for place in range(frame.shape[1])]
    for labels in (frame.index, frame.columns):
        parts += [level_of(labels, number) for number in range(labels.nlevels)]
    cells = (cell for part in parts if part.dtype == object or "Sparse[object" in str(part.dtype) for cell in part)
    kinds = list | tuple | dict | set | frozenset | np.ndarray
    return any(isinstance(cell, kinds) or (type(cell) is Decimal and not cell.is_finite()) for cell in cells)


def level_of(index, number):
    """A level by its place, whatever the levels are called: by numbers, perhaps."""
    return index.set_names([None] * index.nlevels).get_level_values(number)


def assert_same_index(found, expected):
    assert type(found) is type(expected)
    assert list(map(facts, found.names)) == list(map(facts, expected.names))
    if isinstance(expected, pd.MultiIndex):
        for number, level in enumerate(expected.levels):
            assert_same_values(level_of(found, number), level_of(expected, number))
            pair = [dtype_facts(labels.levels[number].dtype) for labels in (found, expected)]
            assert pair[0] == pair[1], pair
            assert getattr(found.levels[number], "freq", None) == getattr(level, "freq", None)
    elif isinstance(expected, pd.RangeIndex):
        assert (found.start, found.stop, found.step) == (expected.start, expected.stop, expected.step)
    else:
        assert_same_values(found, expected)
        assert repr(getattr(found, "freq", None)) == repr(getattr(expected, "freq", None))


def assert_same_values(found, expected):
    assert dtype_facts(found.dtype) == dtype_facts(expected.dtype)
    assert type(found.array) is type(expected.array)
    if isinstance(expected.dtype, np.dtype) and expected.dtype.kind in "biufcmM":
        assert bits(found.to_numpy()) == bits(expected.to_numpy())
    if isinstance(expected.dtype, pd.CategoricalDtype):
        assert found.array.codes.tolist() == expected.array.codes.tolist()
    if type(expected.array).__name__ == "FloatingArray":
        there = ~np.array(expected.array._mask)
        assert bits(found.array._data[there]) == bits(expected.array._data[there])
    if isinstance(expected.dtype, pd.SparseDtype):
        assert found.array.kind == expected.array.kind
    cells = [[facts(cell) for cell in values.astype(object)] for values in (found, expected)]
    assert cells[0] == cells[1]


def bits(values):
    values = np.ascontiguousarray(values)
    if values.dtype in (np.longdouble, np.clongdouble):
        return list(map(repr, values))
    return values.tobytes()


def facts(value):
    """What a value is: its type, and all that equality overlooks."""
    kind = type(value)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if kind in (list, tuple):
        return name, [facts(item) for item in value]
    if kind in (set, frozenset):
        return name, sorted(repr(facts(item)) for item in value)
    if kind is dict:
        return name, [(facts(key), facts(item)) for key, item in value.items()]
    if kind is np.ndarray:
        items = [facts(item) for item in value.ravel()] if value.dtype == object else bits(value)
        return name, value.dtype.str, value.shape, items
    if kind is float:
        return name, struct.pack("<d", value)
    if kind is complex:
        return name, struct.pack("<dd", value.real, value.imag)
    if isinstance(value, np.generic):
        return name, value.dtype.str, bits(np.asarray(value))
    if isinstance(value, pd.Interval):
        return name, facts(value.left), facts(value.right), value.closed
    extra = [getattr(value, key, None) for key in ("fold", "unit")]
    zone = getattr(value, "tzinfo", None)
    return name, repr(value), extra, type(zone), repr(zone)


def dtype_facts(dtype):
    """What `==` between dtypes overlooks: kind of zone, storage and NA, the categories' own dtype and name."""
    found = [str(dtype)]
    if isinstance(dtype, pd.DatetimeTZDtype):
        found += [dtype.unit, type(dtype.tz), repr(dtype.tz)]
    elif isinstance(dtype, pd.StringDtype):
        found += [dtype.storage, repr(dtype.na_value)]
    elif isinstance(dtype, pd.CategoricalDtype):
        labels = dtype.categories
        found += [dtype.ordered, type(labels), dtype_facts(labels.dtype), [facts(label) for label in labels]]
        found += [facts(labels.name), repr(getattr(labels, "freq", None))]
    elif isinstance(dtype, pd.IntervalDtype):
        found += [dtype_facts(dtype.subtype)]
    elif isinstance(dtype, pd.SparseDtype):
        found += [dtype_facts(dtype.subtype), facts(dtype.fill_value)]
    elif isinstance(dtype, np.dtype):
        found += [dtype.str]
    return found
