"""Values as columns of true and false: learned from a column, and told of each row."""

from __future__ import annotations

from typing import Any

import pandas as pd

from runfolio.errors import InputError
from runfolio.pipeline.modules.tables import is_text, require


def textual(frame: pd.DataFrame) -> list[str]:
    """The columns of text and of categories."""
    return [
        name for name in frame.columns if is_text(frame[name]) or isinstance(frame[name].dtype, pd.CategoricalDtype)
    ]


def learned(column: pd.Series[Any], most: int) -> list[Any]:
    """The values in their order. Raises InputError if there are none, or more than `most`."""
    name = str(column.name)
    try:
        values = column.dropna().astype(object).unique().tolist()
    except TypeError as error:
        what = f"column {name!r} holds values that can't be told apart, such as lists"
        raise InputError(what, remedy="drop it before, or leave it out", column=name) from error
    if not values:
        what = f"column {name!r} has no values to learn from"
        raise InputError(what, remedy="drop it before, or leave it out", column=name)
    if len(values) > most:
        what = f"column {name!r} has {len(values):,} values, more than {most:,}"
        raise InputError(what, remedy="set most, drop the column before, or leave it out", column=name)
    try:
        return sorted(values)
    except TypeError:  # values of several kinds have no order of their own
        return sorted(values, key=str)


def encoded(frame: pd.DataFrame, values: dict[str, list[Any]]) -> pd.DataFrame:
    """The frame with a column for each value of a column in its place. Raises InputError if a name is taken."""
    require(frame, values)
    labels: list[str] = []
    columns: list[pd.Series[Any]] = []
    for name in frame.columns:
        found = [frame[name]] if name not in values else _columns(frame[name], values[name])
        for column in found:
            if column.name in labels or (name in values and column.name in frame.columns and column.name not in values):
                raise _taken(str(name), str(column.name))
            labels.append(str(column.name) if name in values else name)
            columns.append(column)
    if not columns:
        raise InputError("no column would be left", remedy="leave drop_first out", key="drop_first")
    done = pd.concat(columns, axis=1)
    dtype = frame.columns.dtype if isinstance(frame.columns.dtype, pd.StringDtype) else object
    done.columns = pd.Index(labels, dtype=dtype, name=frame.columns.name)
    done.attrs = dict(frame.attrs)
    return done


def _columns(column: pd.Series[Any], values: list[Any]) -> list[pd.Series[Any]]:
    # Older versions of pandas would make dates of objects, and warn of it.
    codes = pd.Index(values, dtype=object).get_indexer(pd.Index(column.astype(object), dtype=object))
    return [
        pd.Series(codes == code, index=column.index, name=f"{column.name}_{value}") for code, value in enumerate(values)
    ]


def _taken(name: str, label: str) -> InputError:
    what = f"column {name!r} would make a column {label!r}, of which there is one already"
    return InputError(what, remedy="rename one before", column=name)
