"""Describer: what tables hold, as tables: a row for each column, or how columns go together."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from runfolio.errors import InputError
from runfolio.pipeline.modules.tables import Tables, each, floats, is_number, most_frequent, require

NUMBERS = ("mean", "std", "min", "q25", "median", "q75", "max")

_DTYPES: dict[str, Any] = {
    **dict.fromkeys(("column", "dtype"), object),
    **dict.fromkeys(("rows", "missing", "distinct"), "int64"),
    **dict.fromkeys(NUMBERS, "float64"),
    **dict.fromkeys(("first", "last", "top"), object),
    "top_rows": "Int64",
}


def describe(data: Tables) -> Tables:
    """Describe each column in a row; of several parts, each in a table of its own.

    `column`, `dtype` (text); `rows`, `missing`, `distinct` (int64, of values that are there); of numbers
    `mean`, `std` (ddof 1), `min`, `q25`, `median`, `q75`, `max` (float64, NaN for all else and booleans); of other
    values that have an order `first` and `last` (text, None elsewhere); `top`, the most frequent value, the smallest of
    several (text, None without values), and `top_rows`, how many rows have it (Int64).

    Raises InputError if `data` is no table.

    >>> found = describe(pd.DataFrame({"age": [1, 3], "name": ["a", "a"]}))
    >>> found[["column", "mean", "first", "top"]].values.tolist()
    [['age', 2.0, None, '1'], ['name', nan, 'a', 'a']]
    """
    return each(data, _described)


def correlation(
    data: Tables, *, columns: list[str] | None = None, kind: Literal["pearson", "spearman"] = "pearson"
) -> Tables:
    """How pairs of numeric columns go together: `column` (text), and a float64 column for each of them.

    Of two columns, the rows count that have both values; what has no correlation, such as a constant, is NaN. `columns`
    are all numbers, unless they are named; booleans are none.

    Raises InputError for a column that is not there, is no number, or is named `column` as the first of the result is.

    >>> correlation(pd.DataFrame({"a": [1, 2, 3], "b": [3.0, 2.0, 1.0]}))["b"].tolist()
    [-1.0, 1.0]
    """
    return each(data, lambda frame: _correlated(frame, columns, kind))


def _described(frame: pd.DataFrame) -> pd.DataFrame:
    rows = [_row(str(label), frame.iloc[:, place]) for place, label in enumerate(frame.columns)]
    return pd.DataFrame(
        {name: pd.Series([row.get(name) for row in rows], dtype=dtype) for name, dtype in _DTYPES.items()}
    )


def _row(name: str, column: pd.Series[Any]) -> dict[str, Any]:
    there = _countable(column.dropna())
    row = {
        "column": name,
        "dtype": str(column.dtype),
        "rows": len(column),
        "missing": len(column) - len(there),
        "distinct": int(there.nunique()),
    }
    if not len(there):
        return row
    top, count = most_frequent(there)
    row |= {"top": str(top), "top_rows": count}
    return row | (_spread(floats(there)) if is_number(column) else _ends(there))


def _countable(column: pd.Series[Any]) -> pd.Series[Any]:
    """The values, as text if they can't be counted, such as lists."""
    try:
        column.nunique()
    except TypeError:
        return column.map(str)
    return column


def _spread(values: Any) -> dict[str, Any]:
    with np.errstate(all="ignore"):
        lower, middle, upper = np.quantile(values, [0.25, 0.5, 0.75])
        std = float(values.std(ddof=1)) if len(values) > 1 else np.nan
        found = (values.mean(), std, values.min(), lower, middle, upper, values.max())
    return dict(zip(NUMBERS, map(float, found), strict=True))


def _ends(column: pd.Series[Any]) -> dict[str, Any]:
    try:
        return {"first": str(column.min()), "last": str(column.max())}
    except TypeError:  # values that have no order, such as most categories
        return {}


def _correlated(frame: pd.DataFrame, columns: list[str] | None, kind: Literal["pearson", "spearman"]) -> pd.DataFrame:
    names = [name for name in frame.columns if is_number(frame[name])] if columns is None else require(frame, columns)
    for name in names:
        if not is_number(frame[name]) or name == "column":
            reason = (
                "named as the first column of the result" if name == "column" else f"{frame[name].dtype}, no number"
            )
            what = f"column {name!r} is {reason}"
            raise InputError(what, remedy="rename, cast or leave it out", column=name)
    values = pd.DataFrame({name: floats(frame[name]) for name in names}, columns=names, dtype="float64")
    with np.errstate(all="ignore"):
        found = values.corr(method=kind).reset_index(drop=True)
    found.insert(0, "column", pd.Series([str(name) for name in names], dtype=object))
    return found
