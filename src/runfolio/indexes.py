"""The labels of a frame's columns and rows: what is wrong with them, how they are described, and restored.

The footer of `runfolio.frames` documents the form. Like `runfolio.dtypes`, this module imports pandas.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa
from pandas.tseries.frequencies import to_offset

from runfolio.dtypes import Description, describe, restore
from runfolio.frames import Problem, is_text, name_of

__all__ = [
    "describe_index",
    "describe_labels",
    "index_problems",
    "label_problems",
    "restore_index",
    "restore_labels",
    "stored_levels",
]

INDEX_TYPES = (
    *(pd.Index, pd.RangeIndex, pd.DatetimeIndex, pd.TimedeltaIndex, pd.PeriodIndex, pd.IntervalIndex),
    *(pd.CategoricalIndex, pd.MultiIndex),
)


def label_problems(labels: Any) -> list[Problem]:
    """Return what keeps the column labels from being the columns' names in a Parquet file."""
    if type(labels) is not pd.Index or not (
        labels.dtype == object or isinstance(labels.dtype, pd.StringDtype)
    ):
        return [Problem(f"the column labels are a {type(labels).__name__} of {labels.dtype}, not of str")]
    problems = [
        Problem(f"column {label!r}: the label is {type(label).__name__}, not plain str text", name_of(label))
        for label in labels
        if not is_text(label)
    ]
    problems += [
        Problem(f"column {label!r}: more than one column has this label", name_of(label))
        for label in labels[labels.duplicated()].unique()
    ]
    if not _is_name(labels.name):
        problems.append(Problem(f"the columns' name {labels.name!r} is not plain str text"))
    return problems


def describe_labels(labels: pd.Index) -> Description:
    """Return how to restore the labels, whose values are the columns' names in the file.

    >>> describe_labels(pd.Index(["a", "b"], dtype=object, name="n"))
    {'name': 'n', 'dtype': {'form': 'object', 'cells': 'str', 'missing': None}}
    """
    return {"name": labels.name, "dtype": describe(labels)}


def restore_labels(names: list[str], description: Description) -> pd.Index:
    """Return the labels that columns of these names have."""
    return _restore_level(pa.chunked_array([pa.array(names, pa.string())]), description)


def index_problems(index: Any) -> list[Problem]:
    """Return what keeps the row labels, their values aside, from coming back exactly."""
    if type(index) not in INDEX_TYPES:
        return [Problem(f"index: it is a {type(index).__module__}.{type(index).__qualname__}")]
    problems = [
        f"index: the name {name!r} is not plain str text" for name in index.names if not _is_name(name)
    ]
    if isinstance(index, (pd.DatetimeIndex, pd.TimedeltaIndex)) and index.freq is not None:
        problems.append(f"index: its freq {index.freqstr} would be lost; set frame.index.freq = None")
    if isinstance(index, pd.MultiIndex):
        problems += _level_problems(index)
    return [Problem(text) for text in problems]


def _level_problems(index: pd.MultiIndex) -> list[str]:
    problems = []
    used = _used_levels(index)
    for number, level in enumerate(index.levels):
        if level.dtype != index.get_level_values(number).dtype:
            problems.append(f"index level {number}: labels of {level.dtype} of which some are missing")
        if getattr(level, "freq", None) is None or isinstance(level, pd.PeriodIndex):
            continue
        try:
            _with_freq(used[number].sort_values(), used[number].freqstr)
        except ValueError:
            problems.append(
                f"index level {number}: its freq {level.freqstr} would be lost; leave out the freq"
            )
    return problems


def _used_levels(index: pd.MultiIndex) -> Any:
    """Return the levels as they come back: without the labels that no row has."""
    return index.remove_unused_levels().levels


def _with_freq(level: Any, freq: str | None) -> Any:
    """Return the level with this freq, which must fit its labels."""
    return level if freq is None else type(level)(level, freq=to_offset(freq))


def stored_levels(index: pd.Index) -> list[Any]:
    """Return the values of each level that is a column of the file; a RangeIndex has none."""
    return (
        []
        if type(index) is pd.RangeIndex
        else [index.get_level_values(number) for number in range(index.nlevels)]
    )


def describe_index(index: Any, dtypes: list[Description]) -> Description:
    """Return how to restore the row labels, given the descriptions of their levels.

    >>> describe_index(pd.RangeIndex(3), [])
    {'range': [0, 3, 1], 'name': None}
    """
    if isinstance(index, pd.RangeIndex):
        return {"range": [index.start, index.stop, index.step], "name": index.name}
    multi = isinstance(index, pd.MultiIndex)
    freqs = [_freq(level) for level in _used_levels(index)] if multi else [None]
    levels = zip(index.names, dtypes, freqs, strict=True)
    return {
        "levels": [{"name": name, "dtype": dtype, "freq": freq} for name, dtype, freq in levels],
        "multi": multi,
    }


def _freq(level: Any) -> str | None:
    """Return the freq of a level of a MultiIndex; that of periods is part of their dtype."""
    return level.freqstr if isinstance(level, (pd.DatetimeIndex, pd.TimedeltaIndex)) else None


def restore_index(description: Description, columns: list[pa.ChunkedArray]) -> pd.Index:
    """Return the row labels, given the columns of the file that follow the frame's own."""
    if "range" in description:
        start, stop, step = description["range"]
        return pd.RangeIndex(start, stop, step, name=description["name"])
    levels = [_restore_level(*pair) for pair in zip(columns, description["levels"], strict=True)]
    if not description["multi"]:
        return levels[0]
    index = pd.MultiIndex.from_arrays(levels, names=[level.name for level in levels])
    freqs = [level["freq"] for level in description["levels"]]
    if not any(freqs):
        return index
    return index.set_levels([_with_freq(*pair) for pair in zip(index.levels, freqs, strict=True)])


def _restore_level(column: pa.ChunkedArray, description: Description) -> pd.Index:
    # NumPy sees some values in Arrow's read-only memory, hence the copy; the dtype keeps pandas 3 from inferring.
    values = restore(column, description["dtype"])
    return pd.Index(values, dtype=values.dtype, name=description["name"], copy=True)


def _is_name(name: Any) -> bool:
    return name is None or is_text(name)
