"""Preprocessor: what is done to columns and rows before data is used.

Of several parts, what has to be learned (means, categories) is learned from `train` and applied to each; see `apply`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pandas as pd
from msgspec import Meta

from runfolio.errors import InputError
from runfolio.pipeline.modules.columns import Data, apply, check_columns, is_number, is_text, numeric
from runfolio.pipeline.source import nearest

Value = str | int | float | bool
Frame = pd.DataFrame


def impute(
    data: Data,
    *,
    columns: list[str] | None = None,
    strategy: Literal["median", "mean", "most_frequent", "constant"] | None = None,
    value: Value | None = None,
) -> Data:
    """Fill in missing values: with the median of numbers and the most frequent of others, or as `strategy` says.

    `columns` are by default all; of those that may hold missing values in any part. The most frequent of several is the
    smallest. The median or mean of whole numbers (`Int64`) is rounded, half to even, and keeps their dtype. `value` is
    what a `constant` is.

    Raises InputError for a column that is not there, has no value to learn from, or can't take the value.
    """
    if (strategy == "constant") != (value is not None):
        raise InputError("value and strategy: constant go together", remedy="give both, or neither", key="value")

    def learn(train: Frame) -> Any:
        names = list(train.columns) if columns is None else check_columns(train, columns)
        parts = list(data.values()) if isinstance(data, dict) else [data]
        missing = [name for name in names if any(name in part and part[name].isna().any() for part in parts)]
        fills = {name: _fill(train[name], strategy, value) for name in missing}
        return lambda frame: frame.assign(**{name: _filled(frame[name], fill) for name, fill in fills.items()})

    return apply(learn, data, "impute")


def _fill(column: pd.Series[Any], strategy: str | None, value: Value | None) -> Any:
    name = str(column.name)
    if strategy == "constant":
        return value
    if column.notna().sum() == 0:
        raise InputError(
            f"column {name!r} has nothing but missing values to learn from",
            remedy="drop it, or give a value with strategy: constant",
            column=name,
        )
    how = strategy or ("median" if is_number(column) else "most_frequent")
    if how == "most_frequent":
        return column.mode().iloc[0]
    if not is_number(column):
        raise InputError(
            f"column {name!r} is {column.dtype} and has no {how}",
            remedy="use strategy: most_frequent, or leave it out",
            column=name,
        )
    found = column.median() if how == "median" else column.mean()
    return round(found) if pd.api.types.is_integer_dtype(column.dtype) else found


def _filled(column: pd.Series[Any], fill: Any) -> pd.Series[Any]:
    name = str(column.name)
    try:
        if isinstance(column.dtype, pd.CategoricalDtype) and fill not in column.cat.categories:
            column = column.cat.add_categories([fill])
        filled = column.where(column.notna(), fill)
        return filled if filled.dtype == column.dtype else filled.astype(column.dtype)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"column {name!r}, which is {column.dtype}, can't take the value {fill!r}",
            remedy="give one of its type, or cast it before",
            column=name,
        ) from error


def scale(
    data: Data, *, columns: list[str] | None = None, kind: Literal["standard", "minmax", "robust"] = "standard"
) -> Data:
    """Bring numbers to one scale: float64 with mean 0 and standard deviation 1, or within 0 to 1, or by quartiles.

    `standard` takes the population's standard deviation (ddof 0), as scikit-learn does; `robust` takes the median and
    the distance between the quartiles. A constant column becomes 0. `columns` are by default all numbers.

    Raises InputError for a column that is not there or no number.
    """

    def learn(train: Frame) -> Any:
        names = numeric(train, columns, "scale")
        spans = {name: _span(train[name].astype("float64"), kind) for name in names}
        return lambda frame: frame.assign(
            **{name: (frame[name].astype("float64") - centre) / width for name, (centre, width) in spans.items()}
        )

    return apply(learn, data, "scale")


def _span(column: pd.Series[Any], kind: str) -> tuple[float, float]:
    """Centre and width of a column's values; a width of 1 where they are all the same."""
    if kind == "minmax":
        centre, width = column.min(), column.max() - column.min()
    elif kind == "robust":
        centre, width = column.median(), column.quantile(0.75) - column.quantile(0.25)
    else:
        centre, width = column.mean(), column.std(ddof=0)
    return float(centre), float(width) if width > 0 else 1.0


def one_hot(
    data: Data, *, columns: list[str] | None = None, drop_first: bool = False, most: Annotated[int, Meta(ge=1)] = 100
) -> Data:
    """A column of booleans, `column_value`, in the place of each column of text, for each of its values in order.

    A value that was not there to learn from is False in all of them, as is a missing one. `columns` are by default all
    of text or categories. `drop_first` leaves out the first value.

    Raises InputError for a column that is not there, has more than `most` values, or would get a name that is taken.
    """

    def learn(train: Frame) -> Any:
        names = [name for name in train.columns if is_text(train[name])] if columns is None else columns
        values = {name: _values(train[name], most)[drop_first:] for name in check_columns(train, names)}
        return lambda frame: _encoded(frame, values)

    return apply(learn, data, "one_hot")


def _values(column: pd.Series[Any], most: int) -> list[Any]:
    found = column.dropna().unique()
    if len(found) > most:
        raise InputError(
            f"column {str(column.name)!r} has {len(found):,} values, and one_hot would make a column of each",
            remedy=f"leave it out, or allow them with most: {len(found)}",
            column=str(column.name),
        )
    return sorted(found, key=lambda value: (type(value).__name__, value))


def _encoded(frame: Frame, values: dict[str, list[Any]]) -> Frame:
    columns: dict[str, pd.Series[Any]] = {}
    for name in frame.columns:
        new = (
            {f"{name}_{value}": frame[name].eq(value).fillna(False).astype(bool) for value in values[name]}
            if (name in values)
            else {name: frame[name]}
        )
        taken = [label for label in new if label in columns or (name in values and label in frame.columns)]
        if taken or (name in values and len(new) < len(values[name])):
            label = taken[0] if taken else str(name)
            raise InputError(f"one_hot would make a second column {label!r}", remedy="rename one", column=str(name))
        columns |= new
    return pd.DataFrame(columns, index=frame.index)


def cast(data: Data, *, dtypes: dict[str, str]) -> Data:
    """Other dtypes for columns, by the names that pandas has for them, such as `Int64`, `category`, `datetime64[us]`.

    Raises InputError for a column that is not there, a dtype that there is not, and the first value that has no place
    in it.
    """

    def learn(train: Frame) -> Any:
        check_columns(train, dtypes)
        return lambda frame: frame.assign(**{name: _cast(frame[name], dtype) for name, dtype in dtypes.items()})

    return apply(learn, data, "cast")


def _cast(column: pd.Series[Any], dtype: str) -> pd.Series[Any]:
    name = str(column.name)
    try:
        wanted = pd.api.types.pandas_dtype(dtype)
    except (TypeError, ValueError) as error:
        raise InputError(f"no dtype {dtype!r}", remedy="see pandas' list of dtypes", column=name) from error
    try:
        return column.astype(wanted)
    except (TypeError, ValueError, OverflowError, ArithmeticError) as error:
        row, value = _first_that_fails(column, wanted)
        where = "" if row is None else f": row {row} holds {value!r}"
        raise InputError(
            f"column {name!r} can't be cast from {column.dtype} to {dtype}{where}",
            remedy="mend or filter such values before",
            column=name,
        ) from error


def _first_that_fails(column: pd.Series[Any], dtype: Any) -> tuple[Any, Any]:
    """The label and the value of the first row that can't be cast, by halves; (None, None) if each one can."""
    low, high = 0, len(column)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            column.iloc[low:middle].astype(dtype)
            low = middle
        except (TypeError, ValueError, OverflowError, ArithmeticError):
            high = middle
    try:
        column.iloc[low:high].astype(dtype)
    except (TypeError, ValueError, OverflowError, ArithmeticError):
        return column.index[low], column.iloc[low]
    return None, None


def drop(data: Data, *, columns: list[str]) -> Data:
    """The data without these columns. Raises InputError for one that is not there, or if none would be left."""

    def learn(train: Frame) -> Any:
        if len(set(check_columns(train, columns))) == len(train.columns):
            raise InputError("drop would leave no column", remedy="keep one at least")
        return lambda frame: frame.drop(columns=columns)

    return apply(learn, data, "drop")


def rename(data: Data, *, columns: dict[str, str]) -> Data:
    """Other names for columns, old to new. Raises InputError for one that is not there, and for two that become one."""

    def learn(train: Frame) -> Any:
        check_columns(train, columns)
        names = [columns.get(name, name) for name in train.columns]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"rename would make two columns {twice!r}", remedy="drop one before", column=str(twice))
        return lambda frame: frame.rename(columns=columns)

    return apply(learn, data, "rename")


def filter(data: Data, *, where: str | None = None, not_null: list[str] | None = None) -> Data:  # noqa: A001
    """The rows for which an expression of `pandas.DataFrame.query` is true, and that miss none of some values.

    `where` is such as `age > 30 and name == "Ada"`, with names that are no words in backticks. Rows keep their index.

    Raises InputError for a column that is not there, and an expression that is none or gives no true and false.
    """
    if where is None and not_null is None:
        raise InputError("filter has nothing to go by", remedy="give where, not_null, or both")

    def learn(train: Frame) -> Any:
        check_columns(train, not_null or ())
        return lambda frame: _where(frame.dropna(subset=not_null) if not_null else frame, where)

    return apply(learn, data, "filter")


def _where(frame: Frame, where: str | None) -> Frame:
    if where is None:
        return frame
    try:
        found = frame.query(where, engine="python", local_dict={}, global_dict={})
    except pd.errors.UndefinedVariableError as error:
        name = str(error).split("'")[1] if "'" in str(error) else ""
        raise InputError(
            f"no column {name!r} for {where!r}", remedy=nearest(name, [str(label) for label in frame]), column=name
        ) from error
    except Exception as error:
        raise InputError(
            f"{where!r} is no expression for rows: {str(error).partition(chr(10))[0] or type(error).__name__}",
            remedy="see pandas.DataFrame.query",
            key="where",
        ) from error
    if not isinstance(found, pd.DataFrame) or len(found.columns) != len(frame.columns):
        raise InputError(f"{where!r} gives no true or false for each row", remedy="compare something", key="where")
    return found
