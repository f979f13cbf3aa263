"""How the labels of a frame's columns and rows are described in a file's footer, and restored from it.

The footer of `runfolio.frames` documents the form. Like `runfolio.frames.dtypes`, this module imports pandas.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa
from pandas.tseries.frequencies import to_offset

from runfolio.frames.dtypes import Description, describe, restore

__all__ = ["describe_index", "describe_labels", "lost_freqs", "restore_index", "restore_labels", "stored_levels"]


def describe_labels(labels: pd.Index) -> Description:
    """Return how to restore the labels, whose values are the columns' names in the file.

    >>> describe_labels(pd.Index(["a", "b"], dtype=object, name="n"))
    {'name': 'n', 'dtype': {'form': 'object', 'cells': 'str', 'missing': None}}
    """
    return {"name": labels.name, "dtype": describe(labels)}


def restore_labels(names: list[str], description: Description) -> pd.Index:
    """Return the labels that columns of these names have."""
    return _restore_level(pa.chunked_array([pa.array(names, pa.string())]), description)


def lost_freqs(index: Any) -> list[int]:
    """Return the numbers of the levels of a MultiIndex whose freq would not come back.

    Levels are made anew in ascending order, and take a freq from its text.
    """

    def comes_back(level: Any) -> bool:
        try:
            return bool(to_offset(level.freqstr) == level.freq and level.is_monotonic_increasing)
        except ValueError:  # offsets of one's own have no text
            return False

    levels = enumerate(_freq_levels(index))
    return [number for number, level in levels if level is not None and not comes_back(level)]


def _freq_levels(index: pd.MultiIndex) -> list[Any]:
    """Return each level that has a freq without the labels that no row has, and None for the other levels."""
    if not any(map(_has_freq, index.levels)):
        return [None] * index.nlevels
    return [level if _has_freq(level) else None for level in index.remove_unused_levels().levels]


def _has_freq(level: Any) -> bool:
    """Whether it has a freq of its own; that of periods is part of their dtype."""
    return isinstance(level, (pd.DatetimeIndex, pd.TimedeltaIndex)) and level.freq is not None


def stored_levels(index: pd.Index) -> list[Any]:
    """Return the values of each level that is a column of the file; a RangeIndex has none."""
    return [] if type(index) is pd.RangeIndex else [index.get_level_values(number) for number in range(index.nlevels)]


def describe_index(index: Any, dtypes: list[Description]) -> Description:
    """Return how to restore the row labels, given the descriptions of their levels.

    >>> describe_index(pd.RangeIndex(3), [])
    {'range': [0, 3, 1], 'name': None}
    """
    if isinstance(index, pd.RangeIndex):
        return {"range": [index.start, index.stop, index.step], "name": index.name}
    if not isinstance(index, pd.MultiIndex):
        return {"levels": [{"name": index.name, "dtype": dtypes[0], "freq": None}], "multi": False}
    freqs = [level if level is None else level.freqstr for level in _freq_levels(index)]
    levels = zip(index.names, dtypes, freqs, strict=True)
    return {"levels": [{"name": name, "dtype": dtype, "freq": freq} for name, dtype, freq in levels], "multi": True}


def restore_index(description: Description, columns: list[pa.ChunkedArray]) -> pd.Index:
    """Return the row labels, given the columns of the file that follow the frame's own."""
    if "range" in description:
        start, stop, step = description["range"]
        return pd.RangeIndex(start, stop, step, name=description["name"])
    levels = [_restore_level(*pair) for pair in zip(columns, description["levels"], strict=True)]
    if not description["multi"]:
        return levels[0]
    index = pd.MultiIndex.from_arrays(levels, names=[level.name for level in levels])
    for number, level in enumerate(description["levels"]):
        if level["freq"] is not None:
            made: Any = index.levels[number]
            index = index.set_levels(type(made)(made, freq=to_offset(level["freq"])), level=number)
    return index


def _restore_level(column: pa.ChunkedArray, description: Description) -> pd.Index:
    # NumPy sees some values in Arrow's read-only memory, hence the copy; the dtype keeps pandas 3 from inferring.
    values = restore(column, description["dtype"])
    index: pd.Index = pd.Index(values, dtype=values.dtype, name=description["name"], copy=True)
    return index
