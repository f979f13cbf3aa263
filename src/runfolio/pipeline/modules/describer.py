"""Describer: what a frame holds, in a row for each column."""

from __future__ import annotations

from typing import Any, Literal

import pandas as pd
from pandas.api import types

from runfolio.pipeline.modules.columns import Data, check_frame, is_number, numeric

_NUMBERS = ("mean", "std", "min", "q25", "median", "q75", "max")


def describe(data: Data) -> Data:
    """A row for each column: its dtype, how many values it has, and what they are like.

    `column`, `dtype` (text); `rows`, `missing`, `distinct` (int64); of numbers `mean`, `std` (ddof 1), `min`, `q25`,
    `median`, `q75`, `max` (float64, missing elsewhere); of others `first` and `last` in their order and `top`, the most
    frequent (text, missing elsewhere), of several the first, with its `top_rows` (Int64).
    """
    if isinstance(data, dict):
        return {name: _described(check_frame(part, "describe")) for name, part in data.items()}
    return _described(check_frame(data, "describe"))


def correlation(
    data: Data, *, columns: list[str] | None = None, kind: Literal["pearson", "spearman"] = "pearson"
) -> Data:
    """How pairs of columns of numbers go together: `column` (text), and a column of float64 for each.

    Pairs with a missing value don't count. `columns` are by default all numbers. Raises InputError for one that is not
    there or no number.
    """
    if isinstance(data, dict):
        return {name: _correlated(check_frame(part, "correlation"), columns, kind) for name, part in data.items()}
    return _correlated(check_frame(data, "correlation"), columns, kind)


def _described(frame: pd.DataFrame) -> pd.DataFrame:
    rows = [_row(str(name), frame.iloc[:, place]) for place, name in enumerate(frame.columns)]
    dtypes = {"column": "str", "dtype": "str", "rows": "int64", "missing": "int64", "distinct": "int64"}
    dtypes |= dict.fromkeys(_NUMBERS, "float64")
    dtypes |= {"first": "str", "last": "str", "top": "str", "top_rows": "Int64"}
    return pd.DataFrame(
        {
            name: pd.Series([row.get(name) for row in rows], dtype="string" if dtype == "str" else dtype)
            for name, dtype in dtypes.items()
        }
    )


def _row(name: str, column: pd.Series[Any]) -> dict[str, Any]:
    there = column.dropna()
    row = {
        "column": name,
        "dtype": str(column.dtype),
        "rows": len(column),
        "missing": len(column) - len(there),
        "distinct": there.nunique(),
    }
    if not len(there):
        return row
    if is_number(column):
        values = there.astype("float64")
        quantiles = values.quantile([0.25, 0.5, 0.75])
        spread = (values.mean(), values.std(), values.min(), *quantiles, values.max())
        return row | dict(zip(_NUMBERS, map(float, spread), strict=True))
    counts = there.astype("str").value_counts()
    best = sorted(counts.index[counts == counts.max()])[0]
    row |= {"top": best, "top_rows": int(counts.max())}
    if types.is_datetime64_any_dtype(column.dtype) or types.is_timedelta64_dtype(column.dtype):
        return row | {"first": str(there.min()), "last": str(there.max())}
    texts = sorted(counts.index)
    return row | {"first": texts[0], "last": texts[-1]}


def _correlated(frame: pd.DataFrame, columns: list[str] | None, kind: str) -> pd.DataFrame:
    names = numeric(frame, columns, "correlate")
    values = frame[names].astype("float64")
    found = (values.rank() if kind == "spearman" else values).corr()
    return pd.concat([pd.Series(names, name="column", dtype="string"), found.reset_index(drop=True)], axis=1)
