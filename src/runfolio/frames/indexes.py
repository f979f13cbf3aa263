"""The row labels: which of them are columns of the file, and how an index is made of these again.

A RangeIndex is in the footer alone. Any other index has one column a level, described as
`{"levels": [{"name", "values", "freq"}, ...], "multi": whether it is a MultiIndex}`. A level of a MultiIndex that
pandas would not make of its values (integers of which some are missing, or a freq) is carried as categories whose
labels are the level; it has `"level": true`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from runfolio.frames import tagged
from runfolio.frames.carriers import restore_values
from runfolio.frames.dtypes import Description
from runfolio.frames.labels import INDEX_TYPES, describe_freq, restore_range, with_freq
from runfolio.frames.refusal import Refusal

__all__ = ["describe_index", "restore_index", "stored_levels"]


def stored_levels(index: Any) -> list[Any]:
    """Return the values of each level that is a column of the file; a RangeIndex has none."""
    if type(index) not in INDEX_TYPES:
        raise Refusal(f"it is a {type(index).__module__}.{type(index).__qualname__}")
    if isinstance(index, pd.RangeIndex):
        return []
    if not isinstance(index, pd.MultiIndex):
        return [index]
    return [_level_values(index, number) for number in range(index.nlevels)]


def _level_values(index: pd.MultiIndex, number: int) -> Any:
    level: Any = index.levels[number]
    if isinstance(level.dtype, pd.CategoricalDtype):  # of which get_level_values infers the categories' dtype anew
        codes = np.append(level.codes, -1)[index.codes[number]]
        return pd.Series(pd.Categorical.from_codes(codes, dtype=level.dtype))
    if not _is_kept(index, number):
        return _labels(index, number)
    return pd.Series(pd.Categorical.from_codes(index.codes[number], index.levels[number].rename(None)))


def _labels(index: pd.MultiIndex, number: int) -> Any:
    """The labels of a level by its place: pandas takes a number that is a level's name for that name."""
    return index.set_names([None] * index.nlevels).get_level_values(number)


def _is_kept(index: pd.MultiIndex, number: int) -> bool:
    """Whether the level is kept with its labels, as it would be another if it was made of its values."""
    level: Any = index.levels[number]
    if isinstance(level.dtype, pd.CategoricalDtype):
        return False
    return getattr(level, "freq", None) is not None or level.dtype != _labels(index, number).dtype


def describe_index(index: Any, descriptions: list[Description]) -> Description:
    """Return how to make the row labels again, given the descriptions of their levels; raise `Refusal`.

    >>> describe_index(pd.RangeIndex(3), [])
    {'range': [0, 3, 1], 'name': None}
    """
    if isinstance(index, pd.RangeIndex):
        return {"range": [index.start, index.stop, index.step], "name": tagged.tag(index.name)}
    levels = [
        {"name": tagged.tag(name), "values": description}
        for name, description in zip(index.names, descriptions, strict=True)
    ]
    if isinstance(index, pd.MultiIndex):
        found = [{**level, "level": _is_kept(index, number)} for number, level in enumerate(levels)]
        return {"levels": found, "multi": True}
    return {"levels": [{**levels[0], "freq": describe_freq(index)}], "multi": False}


def restore_index(description: Description, columns: list[pa.ChunkedArray]) -> Any:
    """Return the row labels, given the columns of the file that follow the frame's own."""
    if "range" in description:
        return restore_range(description["range"], tagged.untag(description["name"]))
    pairs = list(zip(columns, description["levels"], strict=True))
    names = [tagged.untag(level["name"]) for _, level in pairs]
    values = [restore_values(column, level["values"]) for column, level in pairs]
    if description["multi"]:
        return _multi_index(values, names, [level["level"] for _, level in pairs])
    return with_freq(_plain_index(values[0], names[0]), description["levels"][0]["freq"])


def _plain_index(values: Any, name: Any) -> Any:
    # NumPy sees some values in Arrow's read-only memory, hence the copy; the dtype keeps pandas 3 from inferring.
    return pd.Index(values, dtype=values.dtype, name=name, copy=True, tupleize_cols=False)


def _multi_index(values: list[Any], names: list[Any], kept: list[bool]) -> pd.MultiIndex:
    index = pd.MultiIndex.from_arrays([_plain_index(array, None) for array in values])
    levels: list[Any] = [
        values[number].categories if is_kept else index.levels[number] for number, is_kept in enumerate(kept)
    ]
    codes: list[Any] = [values[number].codes if is_kept else index.codes[number] for number, is_kept in enumerate(kept)]
    return pd.MultiIndex(levels=levels, codes=codes, names=names, verify_integrity=False)
