"""What the built-in modules share: columns by name, and errors that tell which column and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd
from pandas.api import types

from runfolio.errors import InputError
from runfolio.pipeline.source import nearest

Data = pd.DataFrame | dict[str, pd.DataFrame]
"""What a step works on: a frame, or frames by the names of their parts."""


def check_columns(frame: pd.DataFrame, columns: Iterable[str]) -> list[str]:
    """These columns, which must all be there. Raises InputError, which names the nearest for the first that is not."""
    wanted, known = list(columns), [str(label) for label in frame.columns]
    for column in wanted:
        if column not in frame.columns:
            raise InputError(f"no column {column!r} in the data", remedy=nearest(column, known), column=column)
    return wanted


def check_frame(data: Any, what: str) -> pd.DataFrame:
    """Data that must be one frame. Raises InputError."""
    if isinstance(data, pd.DataFrame):
        return data
    raise InputError(
        f"{what} works on a frame, and got a {type(data).__name__}", remedy="put it behind a step that gives one"
    )


def is_number(column: pd.Series[Any]) -> bool:
    """Whether a column holds real numbers; booleans are none."""
    return (
        bool(types.is_numeric_dtype(column)) and not types.is_bool_dtype(column) and not types.is_complex_dtype(column)
    )


def is_text(column: pd.Series[Any]) -> bool:
    """Whether a column holds text, as itself or as categories."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return True
    return bool(types.is_string_dtype(column.dtype) or types.is_object_dtype(column.dtype))


def numeric(frame: pd.DataFrame, columns: list[str] | None, what: str) -> list[str]:
    """The columns named, which must be numbers, or all that are. Raises InputError."""
    if columns is None:
        return [name for name in frame.columns if is_number(frame[name])]
    for name in check_columns(frame, columns):
        if not is_number(frame[name]):
            raise InputError(
                f"can't {what} column {name!r}: it is {frame[name].dtype}, not a number",
                remedy="cast it before, or leave it out",
                column=name,
            )
    return columns


def apply(learn: Any, data: Data, what: str) -> Data:
    """Learn from a frame, or from the part `train` of several (the first if none is named so), and apply it to all.

    So nothing of a validation part goes into what it is prepared by.
    """
    if isinstance(data, pd.DataFrame):
        return learn(data)(data)  # type: ignore[no-any-return]
    if not isinstance(data, dict) or not data or not all(isinstance(part, pd.DataFrame) for part in data.values()):
        check_frame(data, what)
    assert isinstance(data, dict)
    learned = learn(data["train"] if "train" in data else next(iter(data.values())))
    return {name: learned(part) for name, part in data.items()}
