"""Why a frame is refused: everything that would not come back exactly, listed in one `DataError`.

`dtypes` judges the values of one column or index level; this module judges all else: labels, names, index, attrs,
flags. It imports pandas, so `runfolio.frames` imports it only when a frame is at hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa

from runfolio.errors import DataError
from runfolio.frames.dtypes import Description, Refusal, describe
from runfolio.frames.indexes import lost_freqs, stored_levels

__all__ = ["describe_all", "unconvertible"]

INDEX_TYPES = (
    *(pd.Index, pd.RangeIndex, pd.DatetimeIndex, pd.TimedeltaIndex, pd.PeriodIndex, pd.IntervalIndex),
    *(pd.CategoricalIndex, pd.MultiIndex),
)

# Of lists and dicts in attrs. pandas copies them with Python's stack, which has room for some hundreds.
MAX_DEPTH = 100


class Problem(NamedTuple):
    """A reason why a frame is refused, and the column it is about."""

    text: str
    column: str | None = None


class Part(NamedTuple):
    """A column or an index level: its place in words, its label if it is a column, its values."""

    place: str
    column: str | None
    values: Any


def describe_all(frame: pd.DataFrame) -> list[Description]:
    """Return a description of each column, then of each stored index level, or raise `DataError`.

    >>> describe_all(pd.DataFrame({"a": [1]}, index=[0.5]))
    [{'form': 'numpy', 'dtype': 'int64'}, {'form': 'numpy', 'dtype': 'float64'}]
    """
    if type(frame) is not pd.DataFrame:
        what = f"it is a {type(frame).__module__}.{type(frame).__qualname__}, not a pandas.DataFrame"
        raise _error([Problem(what)])
    if not _is_json(frame.attrs):  # no way to look further, as pandas copies the attrs with each column it gives
        raise _error([Problem("its attrs are not plain JSON (dict, list, str, bool, None, finite numbers)")])
    parts = list(_parts(frame))
    descriptions, problems = _describe(parts)
    whole = [*_frame_problems(frame), *_label_problems(frame.columns), *_index_problems(frame.index)]
    if whole or problems:
        raise _error([*whole, *problems, *_conversion_problems(parts)])
    return descriptions


def unconvertible(frame: pd.DataFrame, error: Exception) -> DataError:
    """Return the error that names the columns at which Arrow's conversion of a described frame failed."""
    return _error(_conversion_problems(list(_parts(frame))) or [Problem(f"it can't be converted: {error}")])


def _error(problems: list[Problem]) -> DataError:
    listed = tuple(problem.text for problem in problems)
    return DataError(
        f"the frame would not come back exactly: {'; '.join(listed)}",
        problems=listed,
        remedy="convert or drop what is named here, then try again",
        column=next((problem.column for problem in problems if problem.column is not None), None),
    )


def _frame_problems(frame: pd.DataFrame) -> list[Problem]:
    """Return what keeps the frame from coming back, its labels and values aside."""
    problems = []
    if not frame.shape[1]:
        problems.append(Problem("it has no columns"))
    if not frame.flags.allows_duplicate_labels:
        problems.append(Problem("its flags are not the default: allows_duplicate_labels is False"))
    return problems


def _is_json(value: Any) -> bool:
    """Whether the value comes back from JSON equal and of the same types throughout."""
    try:
        json.dumps(value, allow_nan=False)  # refuses cycles, nan and integers of more than 4,300 digits
    except (ValueError, TypeError, RecursionError):
        return False
    return _is_json_type(value, MAX_DEPTH)


def _is_json_type(value: Any, depth: int) -> bool:
    if type(value) in (dict, list) and depth == 0:
        return False
    if type(value) is dict:
        return all(_is_text(key) and _is_json_type(item, depth - 1) for key, item in value.items())
    if type(value) is list:
        return all(_is_json_type(item, depth - 1) for item in value)
    return value is None or type(value) in (bool, int, float) or _is_text(value)


def _is_text(value: Any) -> bool:
    """Whether the value is a plain str that UTF-8 can hold, which a lone surrogate can't be.

    >>> _is_text("ä"), _is_text(chr(0xDC80)), _is_text(1)
    (True, False, False)
    """
    return type(value) is str and not any("\ud800" <= character <= "\udfff" for character in value)


def _label_problems(labels: Any) -> list[Problem]:
    """Return what keeps the column labels from being the columns' names in a Parquet file."""
    if type(labels) is not pd.Index or not (labels.dtype == object or isinstance(labels.dtype, pd.StringDtype)):
        return [Problem(f"the column labels are a {type(labels).__name__} of {labels.dtype}, not of str")]
    problems = [
        Problem(f"column {label!r}: the label is {type(label).__name__}, not plain str text", _name_of(label))
        for label in labels
        if not _is_text(label)
    ]
    problems += [
        Problem(f"column {label!r}: more than one column has this label", _name_of(label))
        for label in labels[labels.duplicated()].unique()
    ]
    if not _is_name(labels.name):
        problems.append(Problem(f"the columns' name {labels.name!r} is not plain str text"))
    return problems


def _index_problems(index: Any) -> list[Problem]:
    """Return what keeps the row labels, their values aside, from coming back exactly."""
    if type(index) not in INDEX_TYPES:
        return [Problem(f"index: it is a {type(index).__module__}.{type(index).__qualname__}")]
    problems = [f"index: the name {name!r} is not plain str text" for name in index.names if not _is_name(name)]
    if isinstance(index, (pd.DatetimeIndex, pd.TimedeltaIndex)) and index.freq is not None:
        problems.append(f"index: its freq {index.freqstr} would be lost; set frame.index.freq = None")
    if isinstance(index, pd.MultiIndex):
        problems += _level_problems(index)
    return [Problem(text) for text in problems]


def _level_problems(index: pd.MultiIndex) -> list[str]:
    problems = [
        f"index level {number}: labels of {level.dtype} of which some are missing"
        for number, level in enumerate(index.levels)
        if level.dtype != index.get_level_values(number).dtype
    ]
    for number in lost_freqs(index):
        problems.append(f"index level {number}: its freq would be lost; make the index of labels without one")
    return problems


def _is_name(name: Any) -> bool:
    return name is None or _is_text(name)


def _parts(frame: pd.DataFrame) -> Iterator[Part]:
    for label, values in frame.items():
        yield Part(f"column {label!r}", _name_of(label), values)
    levels = stored_levels(frame.index)
    for number, values in enumerate(levels):
        name = number if values.name is None else repr(values.name)
        yield Part("index" if len(levels) == 1 else f"index level {name}", None, values)


def _name_of(label: Any) -> str:
    """Return a column's label as an error's `column` field names it.

    >>> _name_of("a"), _name_of(1)
    ('a', '1')
    """
    return label if type(label) is str else repr(label)


def _describe(parts: list[Part]) -> tuple[list[Description], list[Problem]]:
    descriptions, problems = [], []
    for place, column, values in parts:
        try:
            descriptions.append(describe(values))
        except Refusal as refusal:
            problems.append(Problem(f"{place}: {refusal}", column))
    return descriptions, problems


def _conversion_problems(parts: list[Part]) -> list[Problem]:
    """Find the columns that Arrow can't take, such as text with lone surrogates, which pass cheaper checks."""
    problems = []
    for part in parts:
        if _describe([part])[1]:
            continue
        try:
            pa.array(part.values, from_pandas=True)
        except UnicodeEncodeError:
            problems.append(Problem(f"{part.place}: text with a lone surrogate", part.column))
        except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
            problems.append(Problem(f"{part.place}: {error}", part.column))
    return problems
