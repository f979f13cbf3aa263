"""How a column gets another dtype: exactly, or not at all, and then the first row that stands against it is named."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from runfolio import frames
from runfolio.errors import InputError
from runfolio.frames.dtypes import Refusal
from runfolio.pipeline.modules.tables import cell, is_text, nearest

COMMON = (
    *("int64", "Int64", "int32", "Int32", "int8", "Int8", "uint8", "UInt8", "float64", "Float64", "float32"),
    *("bool", "boolean", "str", "string", "category", "datetime64[us]", "datetime64[us, UTC]", "timedelta64[us]"),
)
"""Names that a wrong one is compared with."""

_TRUTH = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
_OFFSET = r"(?:Z|[+-]\d{2}:?\d{2})"
_ISO = re.compile(rf"\d{{4}}-\d{{2}}-\d{{2}}(?:[T ]\d{{2}}:\d{{2}}(?::\d{{2}}(?:\.\d{{1,9}})?)?{_OFFSET}?)?")
_FAILURES = (
    ValueError,
    TypeError,
    OverflowError,
    ArithmeticError,
    KeyError,
    AttributeError,
    NotImplementedError,
    Warning,
)


def target(name: str, column: str | None = None) -> Any:
    """The dtype of that name; `str` is the one of pandas 3 in older versions too.

    Raises InputError if there is none, or its values could not be stored.

    >>> target("Int8"), target("in64")
    Traceback (most recent call last):
    ...
    runfolio.errors.InputError: no dtype 'in64'; did you mean 'int64'?
    """
    if name == "str":
        return pd.StringDtype(na_value=np.nan)
    try:
        dtype = types.pandas_dtype(name)
        empty = pd.Series([], dtype=dtype)
        if empty.dtype == object:
            raise Refusal("objects could be anything")
        frames.carry(empty)
    except Refusal as refusal:
        raise InputError(f"dtype {name!r}: {refusal}", remedy="name another", column=column) from refusal
    except (*_FAILURES, SyntaxError) as error:
        raise InputError(f"no dtype {name!r}", remedy=nearest(name, COMMON), column=column) from error
    return dtype


def convert(column: pd.Series[Any], dtype: Any) -> pd.Series[Any]:
    """The column with this dtype. Raises InputError, with the first row whose value it can't hold.

    >>> convert(pd.Series(["1", "x"], name="age"), target("int64"))
    Traceback (most recent call last):
    ...
    runfolio.errors.InputError: column 'age' can't be cast to int64, row 1: 'x'; \
correct the value, or name another dtype
    """
    if column.dtype == dtype:
        return column
    if not len(column):
        none: pd.Series[Any] = pd.Series([], dtype=dtype, index=column.index, name=column.name)
        return none
    plain = column.astype(object).infer_objects() if isinstance(column.dtype, pd.CategoricalDtype) else column
    try:
        return _converted(plain, dtype)
    except _FAILURES as error:
        position = _first_failing(plain, dtype)
        is_missing = bool(pd.isna(plain.iloc[position : position + 1]).any())
        raise InputError(
            f"column {column.name!r} can't be cast to {dtype}, {cell(plain, position)}",
            remedy=_remedy(plain, dtype, is_missing),
            column=str(column.name),
        ) from error


def _converted(column: pd.Series[Any], dtype: Any) -> pd.Series[Any]:
    missing = column.isna()
    if isinstance(dtype, np.dtype) and dtype.kind in "iub" and missing.any():
        raise ValueError(f"{dtype} has no missing values")
    with np.errstate(all="ignore"):
        done = _method(dtype)(column, dtype)
    if (done.isna() & ~missing).any():
        raise ValueError("a value would be lost")
    return done


def _method(dtype: Any) -> Callable[[pd.Series[Any], Any], pd.Series[Any]]:
    if types.is_bool_dtype(dtype):
        return _to_booleans
    if types.is_numeric_dtype(dtype):
        return _to_numbers
    if isinstance(dtype, pd.DatetimeTZDtype) or (isinstance(dtype, np.dtype) and dtype.kind == "M"):
        return _to_times
    return _to_categories if isinstance(dtype, pd.CategoricalDtype) else _to_others


def _to_others(column: pd.Series[Any], dtype: Any) -> pd.Series[Any]:
    return column.astype(dtype)


def _to_categories(column: pd.Series[Any], dtype: Any) -> pd.Series[Any]:
    if not is_text(column):
        raise TypeError("categories are text")
    return column.astype(dtype)


def _to_booleans(column: pd.Series[Any], dtype: Any) -> pd.Series[Any]:
    """By the word: pandas itself takes every text that is not empty as true."""
    words = [
        None if lost else _TRUTH.get(str(value).strip().lower())
        for value, lost in zip(column, column.isna(), strict=True)
    ]
    found = pd.Series(words, index=column.index, name=column.name, dtype="boolean")
    if (found.isna() & column.notna()).any():
        raise ValueError("neither true nor false")
    return found.astype(dtype)


def _to_numbers(column: pd.Series[Any], dtype: Any) -> pd.Series[Any]:
    numbers = pd.to_numeric(column, dtype_backend="numpy_nullable") if is_text(column) else column
    done = numbers.astype(dtype)
    if types.is_integer_dtype(dtype) and types.is_numeric_dtype(numbers.dtype):
        # NumPy cuts fractions off and lets what is too large begin anew; Python compares numbers exactly.
        there = column.notna()
        if not (done[there].astype(object) == numbers[there].astype(object)).all():
            raise ValueError("another number would come out")
    if types.is_float_dtype(dtype) and np.isinf(_floats(done)).sum() > np.isinf(_floats(numbers)).sum():
        raise OverflowError("a number is too large")
    return done


def _floats(column: pd.Series[Any]) -> Any:
    return column.to_numpy(dtype="float64", na_value=np.nan)


def _to_times(column: pd.Series[Any], dtype: Any) -> pd.Series[Any]:
    zone = getattr(dtype, "tz", None)
    if is_text(column):
        return _texts_to_times(column, dtype, zone)
    if isinstance(column.dtype, np.dtype) and column.dtype.kind == "M" and zone is not None:
        column = _localized(column, zone)
    done: pd.Series[Any] = column.astype(dtype)
    return done


def _localized(column: Any, zone: Any) -> Any:
    try:
        return column.dt.tz_localize(zone)
    except Exception as error:  # each library of time zones has errors of its own for hours that are none or twice
        raise ValueError(str(error)) from error


def _texts_to_times(column: pd.Series[Any], dtype: Any, zone: Any) -> pd.Series[Any]:
    """ISO 8601 alone, for pandas guesses whether 01/02 is in January; without an offset, the zone's own time."""
    texts = column.dropna().map(str.strip)
    if not texts.map(lambda text: _ISO.fullmatch(text) is not None).all():
        raise ValueError("no time as of ISO 8601")
    with_offset = texts.str.contains(rf"{_OFFSET}$", regex=True) & texts.str.contains(":", regex=False)
    if zone is None and with_offset.any():
        raise ValueError("an offset would be lost")
    if zone is not None and with_offset.any() and not with_offset.all():
        raise ValueError("some have an offset and others have none")
    unit = getattr(dtype, "unit", None) or np.datetime_data(dtype)[0]
    plain: Any = texts.astype(object)
    found = plain.astype(f"datetime64[{unit}, UTC]" if with_offset.any() else f"datetime64[{unit}]")
    if zone is not None:
        found = found.dt.tz_convert(zone) if with_offset.any() else _localized(found, zone)
    values = pd.Series(pd.NaT, index=range(len(column)), dtype=dtype)
    values[column.notna().to_numpy()] = found.array
    return pd.Series(values.array, index=column.index, name=column.name)


def _first_failing(column: pd.Series[Any], dtype: Any) -> int:
    """The position of the first row without which the rows up to it could be cast."""
    low, high = 0, len(column)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            _converted(column.iloc[:middle], dtype)
        except _FAILURES:
            high = middle
        else:
            low = middle
    return max(high - 1, 0)


def _remedy(column: pd.Series[Any], dtype: Any, is_missing: bool) -> str:
    if is_missing:
        nullable = "boolean" if types.is_bool_dtype(dtype) else str(dtype).replace("i", "I", 1).replace("uI", "UI", 1)
        return f"impute it before, or cast to {nullable}"
    if isinstance(dtype, pd.CategoricalDtype):
        return "categories are text: cast to string first"
    if types.is_datetime64_any_dtype(dtype) and is_text(column):
        return (
            "write all times as of ISO 8601, with an offset or all without, or read them by date_format of the Loader"
        )
    return "correct the value, or name another dtype"
