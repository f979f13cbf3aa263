"""What the built-in modules share: the tables that they are handed, part by part, and the columns named in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from difflib import get_close_matches
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype, is_bool_dtype, is_complex_dtype, is_numeric_dtype

from runfolio.errors import InputError
from runfolio.parts import holds_table
from runfolio.tables import kind_of

Tables: TypeAlias = pd.DataFrame | dict[str, pd.DataFrame]
"""A table, or several by the names of their parts."""

Apply: TypeAlias = Callable[[pd.DataFrame], pd.DataFrame]
"""What was learned from one table, to be applied to it and to others."""

TRAIN = "train"
"""The part that is learned from."""

SHOWN_NAMES = 12
SHOWN_CHARACTERS = 60


def each(data: Any, apply: Apply) -> Tables:
    """Apply a function to the table, or to each of its parts.

    Raises InputError if `data` is neither, and what the function raises, with the part's name.
    """
    return learn(data, lambda _: apply)


def learn(data: Any, learner: Callable[[pd.DataFrame], Apply]) -> Tables:
    """Apply to each part what is learned from one of them alone: from `train`, else from the first.

    So nothing of the others gets into what is learned.

    >>> parts = {"train": pd.DataFrame({"a": [1, 3]}), "validation": pd.DataFrame({"a": [9]})}
    >>> learn(parts, lambda train: lambda frame: frame - train.min())["validation"]["a"].tolist()
    [8]
    """
    if not isinstance(data, dict):
        frame = _checked(data)
        return learner(frame)(frame)
    parts = {name: _in_part(name, _checked, part) for name, part in data.items()}
    if not parts:
        raise InputError("there is no table to work on, for the data have no parts", remedy="load one first")
    teacher = TRAIN if TRAIN in parts else next(iter(parts))
    apply = _in_part(teacher, learner, parts[teacher])
    return {name: _in_part(name, apply, part) for name, part in parts.items()}


def require(frame: pd.DataFrame, names: Iterable[str]) -> list[str]:
    """The names, each once, if all of them are columns. Raises InputError with the nearest name for one that is not.

    >>> require(pd.DataFrame({"age": [1], "name": ["a"]}), ["agee"])
    Traceback (most recent call last):
    ...
    runfolio.errors.InputError: no column 'agee' in the data; did you mean 'age'?
    """
    found = list(dict.fromkeys(names))
    for name in found:
        if name not in frame.columns:
            raise no_column(frame, name)
    return found


def no_column(frame: pd.DataFrame, name: str) -> InputError:
    """The error for a column that is not there."""
    return InputError(f"no column {name!r} in the data", remedy=nearest_column(frame, name), column=name)


def nearest_column(frame: pd.DataFrame, name: str) -> str:
    """A hint at the column that was meant, or at those that there are."""
    return nearest(name, [str(label) for label in frame.columns])


def nearest(name: str, names: Sequence[str]) -> str:
    """A hint at the name that was meant, or at the first of those that there are."""
    close = get_close_matches(name, names, n=1) or [known for known in names if known.lower() == name.lower()]
    if close:
        return f"did you mean {close[0]!r}?"
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return f"there is {', '.join(names[:SHOWN_NAMES])}{more}" if names else "there is none"


def cell(column: pd.Series[Any], position: int) -> str:
    """A cell by its row's label, as messages show it.

    >>> cell(pd.Series(["x", "y"], index=[10, 20]), 1)
    "row 20: 'y'"
    """
    value = column.iloc[position]
    text = repr(value.item() if isinstance(value, np.generic) else value)
    short = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
    return f"row {column.index[position]}: {short}"


def is_number(column: pd.Series[Any]) -> bool:
    """Whether a column counts as numeric: integers and floats of any dtype, but neither booleans nor complex."""
    dtype = column.dtype
    return is_numeric_dtype(dtype) and not is_bool_dtype(dtype) and not is_complex_dtype(dtype)


def is_text(column: pd.Series[Any]) -> bool:
    """Whether a column holds text: of a string dtype, or objects that are all text or missing."""
    if isinstance(column.dtype, pd.StringDtype):
        return True
    return column.dtype == object and infer_dtype(column, skipna=True) in ("string", "empty")


def floats(column: pd.Series[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The values of a numeric column as float64, NaN where they are missing."""
    return column.to_numpy(dtype="float64", na_value=np.nan)


def most_frequent(column: pd.Series[Any]) -> tuple[Hashable, int]:
    """The value that most rows have, and how many have it; the smallest of several. The column has one at least.

    >>> most_frequent(pd.Series(["b", "a", "b", "a", "c"]))
    ('a', 2)
    """
    counts = Counter(column.dropna().tolist())
    highest = max(counts.values())
    values = [value for value, count in counts.items() if count == highest]
    try:
        return min(values), highest
    except TypeError:  # values that have no order
        return values[0], highest


def _in_part(name: str, function: Callable[[Any], Any], part: Any) -> Any:
    try:
        return function(part)
    except InputError as error:
        raise InputError(f"part {name!r}: {error.what}", remedy=error.remedy, column=error.column) from error


def _checked(frame: Any) -> pd.DataFrame:
    if not isinstance(frame, pd.DataFrame):
        if holds_table(frame):
            what = kind_of(frame) or ("a dict" if isinstance(frame, dict) else "a stream of tables")
            raise InputError(
                f"built-in modules work on pandas frames, and this is {what if ' ' in what else f'a {what}'}",
                remedy="have a step before make pandas frames of it",
            )
        raise InputError(
            f"there is no table to work on, but {'nothing' if frame is None else f'a {type(frame).__name__}'}",
            remedy="have a step before give a table, such as one of a Loader",
        )
    if isinstance(frame.columns, pd.MultiIndex):
        what = f"the columns have {frame.columns.nlevels} rows of labels"
        raise InputError(what, remedy="have a step before join each column's labels to one")
    twins = frame.columns[frame.columns.duplicated()]
    if len(twins):
        raise InputError(f"more than one column is named {twins[0]!r}", remedy="rename one", column=str(twins[0]))
    return frame
