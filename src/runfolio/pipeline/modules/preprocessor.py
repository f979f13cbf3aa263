"""Preprocessor: columns and rows made ready. Of several parts, `train` is what is learned from; see `tables.learn`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from msgspec import Meta

from runfolio.errors import InputError
from runfolio.pipeline.modules import casts, encoding, filling, selection
from runfolio.pipeline.modules.tables import Apply, Tables, each, floats, is_number, learn, require

Strategy = Literal["median", "mean", "most_frequent", "constant"]


def impute(
    data: Tables,
    *,
    columns: list[str] | None = None,
    strategy: Strategy | None = None,
    value: str | int | float | bool | None = None,
) -> Tables:
    """Fill in missing values; dtypes stay, but that a category is added where `value` is none.

    `columns` are those that have missing values in any part, unless they are named. The default `strategy` is `median`
    for numbers and `most_frequent` for all else; of several values that are most frequent it is the smallest. In
    columns of whole numbers (`Int64`) a median or mean is rounded, a half to the even number. `constant` takes `value`,
    which has to be of the column's kind: dates are written as text.

    Raises InputError for a column that is not there, that has no values to learn from, whose kind `strategy` is not
    for, or that can't hold `value`; and if only one of `value` and `strategy: constant` is given.

    >>> impute(pd.DataFrame({"age": [1.0, None, 3.0], "name": ["b", "b", None]})).values.tolist()
    [[1.0, 'b'], [2.0, 'b'], [3.0, 'b']]
    """
    if (strategy == "constant") != (value is not None):
        raise InputError("strategy: constant and value go together", remedy="give both or neither", key="value")

    def learner(train: pd.DataFrame) -> Apply:
        if columns is not None:
            require(train, columns)

        @cache
        def fill(name: str) -> Any:
            require(train, [name])
            return value if strategy == "constant" else filling.learned(train[name], strategy)

        def apply(frame: pd.DataFrame) -> pd.DataFrame:
            names = list(frame.columns) if columns is None else require(frame, columns)
            holes = [name for name in names if frame[name].isna().any()]
            is_constant = strategy == "constant"
            return _with(frame, {name: filling.filled(frame[name], fill(name), is_constant) for name in holes})

        return apply

    return learn(data, learner)


def scale(
    data: Tables, *, columns: list[str] | None = None, kind: Literal["standard", "minmax", "robust"] = "standard"
) -> Tables:
    """Bring numbers to a common scale, as float64: less a centre, divided by a spread. Missing values stay missing.

    `standard` takes mean and standard deviation (of the values as they are, ddof 0), `minmax` the least value and the
    range, `robust` the median and the distance of the quartiles. Where the spread is 0, nothing is divided, so a
    column of one value becomes 0. `columns` are all numbers, unless they are named; booleans are none.

    Raises InputError for a column that is not there, that is no number or that has no values to learn from, or such
    large ones that there is no spread.

    >>> scale(pd.DataFrame({"a": [1, 2, 3]}), kind="minmax")["a"].tolist()
    [0.0, 0.5, 1.0]
    """

    def learner(train: pd.DataFrame) -> Apply:
        spans = {name: _span(train[name], kind) for name in _numbers(train, columns)}

        def apply(frame: pd.DataFrame) -> pd.DataFrame:
            _numbers(frame, list(spans))
            return _with(frame, {name: _scaled(frame[name], *span) for name, span in spans.items()})

        return apply

    return learn(data, learner)


def one_hot(
    data: Tables,
    *,
    columns: list[str] | None = None,
    drop_first: bool = False,
    most: Annotated[int, Meta(ge=1)] = 100,
) -> Tables:
    """Put a bool column for each value, named `{column}_{value}` and in the order of the values, in a column's place.

    A row whose value is missing, or was not seen in `train`, is False in all. `drop_first` leaves the first value out.
    `columns` are all of text and categories, unless they are named.

    Raises InputError for a column that is not there, that has no values to learn from or more than `most`, or whose new
    column would have a name that is taken.

    >>> one_hot(pd.DataFrame({"sex": ["m", "f"], "age": [1, 2]})).columns.tolist()
    ['sex_f', 'sex_m', 'age']
    """

    def learner(train: pd.DataFrame) -> Apply:
        names = encoding.textual(train) if columns is None else require(train, columns)
        values = {name: encoding.learned(train[name], most)[int(drop_first) :] for name in names}
        return lambda frame: encoding.encoded(frame, values)

    return learn(data, learner)


def cast(data: Tables, *, dtypes: dict[str, str]) -> Tables:
    """Give columns other dtypes, by their names in pandas; see `casts` for what is taken as true, or as a time.

    A value that would not be the same afterwards is refused: numbers with a fraction as integers, ones that are too
    large. Text becomes times if it is written as of ISO 8601, and true or false by these words, 1 and 0. Missing values
    stay missing. Categories are text; each part has its own.

    Raises InputError for a column that is not there, a dtype that pandas doesn't know or that can't be stored, and a
    value that can't be cast, with the first row that has one.

    >>> cast(pd.DataFrame({"a": ["1", None]}), dtypes={"a": "Int64"})["a"].tolist()
    [1, <NA>]
    """
    targets = {name: casts.target(dtype, name) for name, dtype in dtypes.items()}

    def apply(frame: pd.DataFrame) -> pd.DataFrame:
        require(frame, targets)
        return _with(frame, {name: casts.convert(frame[name], dtype) for name, dtype in targets.items()})

    return each(data, apply)


def drop(data: Tables, *, columns: list[str]) -> Tables:
    """Leave columns out. Raises InputError for one that is not there, or if none would be left."""

    def apply(frame: pd.DataFrame) -> pd.DataFrame:
        names = require(frame, columns)
        if len(names) == len(frame.columns):
            raise InputError("all columns would be dropped", remedy="keep one", key="columns")
        return frame.drop(columns=names)

    return each(data, apply)


def rename(data: Tables, *, columns: dict[str, str]) -> Tables:
    """Name columns anew, from the old name to the new one.

    Raises InputError for a column that is not there, or if two would have one name.
    """

    def apply(frame: pd.DataFrame) -> pd.DataFrame:
        require(frame, columns)
        done = frame.rename(columns=columns)
        twins = done.columns[done.columns.duplicated()]
        if len(twins):
            what = f"two columns would be named {twins[0]!r}"
            raise InputError(what, remedy="choose another name, or drop one before", column=str(twins[0]))
        return done

    return each(data, apply)


def filter(data: Tables, *, where: str | None = None, not_null: list[str] | None = None) -> Tables:
    """Keep the rows for which an expression is true, and those without missing values in some columns.

    `where` is an expression of `DataFrame.query`, in which columns go by their names (in backticks if those are no
    identifiers); where it is missing, it is not true. The index stays as it is.

    Raises InputError if neither is given, for a column that is not there, and for an expression that is wrong or gives
    anything but true or false for each row.

    >>> filter(pd.DataFrame({"age": [17, 30]}), where="age >= 18").index.tolist()
    [1]
    """
    if where is None and not_null is None:
        raise InputError("filter has nothing to go by", remedy="give where, not_null or both", key="where")

    def apply(frame: pd.DataFrame) -> pd.DataFrame:
        kept = frame if where is None else frame[selection.mask(frame, where)]
        return kept if not_null is None else kept[kept[require(kept, not_null)].notna().all(axis=1)]

    return each(data, apply)


def _with(frame: pd.DataFrame, columns: dict[str, pd.Series[Any]]) -> pd.DataFrame:
    """A new frame with these columns in the place of those of their names."""
    done = frame.copy(deep=False)
    for name, column in columns.items():
        done[name] = column
    return done


def _numbers(frame: pd.DataFrame, columns: list[str] | None) -> list[str]:
    if columns is None:
        return [name for name in frame.columns if is_number(frame[name])]
    for name in require(frame, columns):
        if not is_number(frame[name]):
            what = f"column {name!r} is {frame[name].dtype}, not numeric"
            raise InputError(what, remedy="cast it before, or leave it out", column=name)
    return columns


def _span(column: pd.Series[Any], kind: str) -> tuple[float, float]:
    values = floats(column)
    values = values[~np.isnan(values)]
    if not len(values):
        what = f"column {column.name!r} has no values to learn from"
        raise InputError(what, remedy="drop it before, or leave it out", column=str(column.name))
    with np.errstate(all="ignore"):
        center, spread = _SPANS[kind](values)
    if values.min() == values.max():  # sums of one value over and over need not be a multiple of it
        center, spread = float(values[0]), 0.0
    if not np.isfinite([center, spread]).all():
        what = f"column {column.name!r} holds numbers that are infinite or too large to be scaled"
        raise InputError(what, remedy="filter them before", column=str(column.name))
    return float(center), float(spread) or 1.0


def _scaled(column: pd.Series[Any], center: float, spread: float) -> pd.Series[Any]:
    with np.errstate(all="ignore"):
        return pd.Series((floats(column) - center) / spread, index=column.index, name=column.name)


_SPANS: dict[str, Callable[[Any], tuple[float, float]]] = {
    "standard": lambda values: (values.mean(), values.std()),
    "minmax": lambda values: (values.min(), values.max() - values.min()),
    "robust": lambda values: (np.median(values), np.subtract(*np.quantile(values, [0.75, 0.25]))),
}
