"""What stands in for missing values: learned from a column, and put into it or another of its name."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from runfolio.errors import InputError
from runfolio.pipeline.modules import casts
from runfolio.pipeline.modules.tables import floats, is_number, is_text, most_frequent


def learned(column: pd.Series[Any], strategy: str | None) -> Any:
    """The value that stands in; without a strategy the median of numbers, else the most frequent.

    Raises InputError if the column has no values, or the strategy is not for their kind.
    """
    name = str(column.name)
    if column.isna().all():
        what = f"column {name!r} has no values to learn from"
        raise InputError(what, remedy="drop it before, or fill it with strategy: constant", column=name)
    how = strategy or ("median" if is_number(column) else "most_frequent")
    if how == "most_frequent":
        return _most_frequent(column)
    if not is_number(column):
        what = f"column {name!r} is {column.dtype}, which has no {how}"
        raise InputError(what, remedy="use strategy: most_frequent, or name other columns", column=name)
    with np.errstate(all="ignore"):
        values = floats(column)
        found = float(np.nanmean(values) if how == "mean" else np.nanmedian(values))
    if not math.isfinite(found):
        what = f"column {name!r} holds numbers that are infinite or too large to have a {how}"
        raise InputError(what, remedy="filter them before", column=name)
    return found


def filled(column: pd.Series[Any], fill: Any, is_constant: bool) -> pd.Series[Any]:
    """The column with a value in the place of missing ones, and its dtype. Raises InputError if it can't hold that."""
    if is_constant:
        fill = _fitting(column, fill)
    elif types.is_integer_dtype(column.dtype) and isinstance(fill, float):
        fill = round(fill)
    _check_range(column, fill)
    if isinstance(column.dtype, pd.CategoricalDtype) and fill not in column.cat.categories:
        column = column.cat.add_categories([fill])
    values = column.array.copy()
    try:
        values[column.isna().to_numpy()] = fill
    except (TypeError, ValueError, OverflowError) as error:
        raise _misfit(column, fill) from error
    done: pd.Series[Any] = pd.Series(values, index=column.index, name=column.name, dtype=values.dtype)
    return done


def _most_frequent(column: pd.Series[Any]) -> Any:
    try:
        return most_frequent(column)[0]
    except TypeError as error:
        what = f"column {column.name!r} holds values that can't be counted, such as lists"
        raise InputError(what, remedy="drop it before, or leave it out", column=str(column.name)) from error


def _fitting(column: pd.Series[Any], value: Any) -> Any:
    """The value as one of the column's kind."""
    is_bool = isinstance(value, bool)
    if is_number(column):
        fits = isinstance(value, int | float) and not is_bool and math.isfinite(value)
        fits = fits and (value == int(value) or not types.is_integer_dtype(column.dtype))
        if fits and types.is_integer_dtype(column.dtype):
            value = int(value)
    elif types.is_bool_dtype(column.dtype):
        fits = is_bool
    else:
        fits = isinstance(value, str)
    if not fits:
        raise _misfit(column, value)
    if is_number(column) or is_bool or is_text(column) or isinstance(column.dtype, pd.CategoricalDtype):
        return value
    if column.dtype == object:  # dates, bytes and mixtures, of which no text is one
        raise _misfit(column, value)
    return casts.convert(pd.Series([value], name=column.name, dtype=object), column.dtype).iloc[0]


def _check_range(column: pd.Series[Any], fill: Any) -> None:
    """A number that is too large would begin anew in some versions of NumPy, or become infinite."""
    if is_number(column):
        try:
            casts.convert(pd.Series([fill]), column.dtype)
        except InputError as error:
            raise _misfit(column, fill) from error


def _misfit(column: pd.Series[Any], value: Any) -> InputError:
    return InputError(
        f"column {column.name!r} is {column.dtype}, which can't hold {value!r}",
        remedy="give a value of its kind, or cast it before",
        column=str(column.name),
    )
