"""Labels in a footer: an Index whose values stand there as tagged JSON, as those of columns and of categories do.

============================== ==========================================================================
key                            content
============================== ==========================================================================
`range`                        [start, stop, step] of a RangeIndex, and nothing else but `name`
`levels`, `codes`, `names`     of a MultiIndex
`dtype`, `values`              of any other: a description as in `dtypes`, and the values
`freq`                         of a DatetimeIndex or TimedeltaIndex that has one
`name`                         the name, in tagged JSON
============================== ==========================================================================

Categorical values are described as `{"form": "category", "ordered": ..., "categories": labels}`; as labels their
codes are the values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

from runfolio.frames import tagged
from runfolio.frames.dtypes import Description, Refusal, describe_dtype, restore_dtype

__all__ = [
    "describe_categories",
    "describe_freq",
    "describe_labels",
    "restore_categories",
    "restore_labels",
    "restore_range",
    "with_freq",
]

INDEX_TYPES = (
    *(pd.Index, pd.RangeIndex, pd.DatetimeIndex, pd.TimedeltaIndex, pd.PeriodIndex, pd.IntervalIndex),
    *(pd.CategoricalIndex, pd.MultiIndex),
)


def describe_labels(labels: Any) -> Description:
    """Return how to make the labels again, or raise `Refusal`.

    >>> describe_labels(pd.Index([2, 1], name="n"))
    {'name': 'n', 'dtype': {'form': 'numpy', 'dtype': 'int64'}, 'values': [2, 1]}
    """
    if type(labels) not in INDEX_TYPES:
        raise Refusal(f"labels in a {type(labels).__module__}.{type(labels).__qualname__}")
    if isinstance(labels, pd.MultiIndex):
        return {
            "names": [tagged.tag(name) for name in labels.names],
            "levels": [describe_labels(level.rename(None)) for level in labels.levels],
            "codes": [codes.tolist() for codes in labels.codes],
        }
    name = {"name": tagged.tag(labels.name)}
    if isinstance(labels, pd.RangeIndex):
        return {**name, "range": [labels.start, labels.stop, labels.step]}
    freq = describe_freq(labels)
    found = {**name, **_describe_values(labels), **({} if freq is None else {"freq": freq})}
    if not (labels.dtype == object or isinstance(labels.dtype, pd.StringDtype)) and not _is_made_again(found, labels):
        raise Refusal(f"labels of {labels.dtype}, which pandas does not make again")
    return found


def restore_labels(description: Description) -> Any:
    """Return the labels that a footer describes.

    >>> restore_labels({"name": None, "range": [0, 2, 1]})
    RangeIndex(start=0, stop=2, step=1)
    """
    if "levels" in description:
        return pd.MultiIndex(
            levels=[restore_labels(level) for level in description["levels"]],
            codes=description["codes"],
            names=[tagged.untag(name) for name in description["names"]],
        )
    name = tagged.untag(description["name"])
    if "range" in description:
        return restore_range(description["range"], name)
    values = _restore_values(description)
    index = pd.Index(values, dtype=values.dtype, name=name, tupleize_cols=False)
    return with_freq(index, description.get("freq"))


def restore_range(bounds: list[int], name: Any) -> pd.RangeIndex:
    """Return the RangeIndex of start, stop and step. Raises ValueError for bounds that pandas would stumble over."""
    start, stop, step = bounds
    if not all(-(2**63) <= bound < 2**63 for bound in bounds):
        raise ValueError(f"an index from {start} to {stop}")
    return pd.RangeIndex(start, stop, step, name=name)


def describe_categories(dtype: pd.CategoricalDtype) -> Description:
    """Return how to make the dtype of categorical values again, or raise `Refusal`."""
    try:
        return {"form": "category", "ordered": dtype.ordered, "categories": describe_labels(dtype.categories)}
    except Refusal as refusal:
        raise Refusal(f"categories: {refusal}") from None


def restore_categories(description: Description) -> pd.CategoricalDtype:
    """Return the dtype of categorical values that a footer describes."""
    return pd.CategoricalDtype(restore_labels(description["categories"]), description["ordered"])


def describe_freq(index: Any) -> str | None:
    """Return the text of the freq of a DatetimeIndex or TimedeltaIndex, None without one; raise `Refusal`."""
    if not isinstance(index, (pd.DatetimeIndex, pd.TimedeltaIndex)) or index.freq is None:
        return None
    text: Any = index.freqstr
    try:
        if to_offset(text) == index.freq and type(to_offset(text)) is type(index.freq):
            return str(text)
    except (ValueError, Warning):  # offsets of one's own have no text
        pass
    raise Refusal(f"its freq {index.freq!r} would be lost; set frame.index.freq = None")


def with_freq(index: Any, freq: str | None) -> Any:
    """Return the index with this freq."""
    return index if freq is None else type(index)(index, freq=to_offset(freq), name=index.name)


def _describe_values(labels: Any) -> Description:
    dtype = labels.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return {"dtype": describe_categories(dtype), "values": labels.codes.tolist()}
    described = describe_dtype(dtype)
    if isinstance(dtype, np.dtype) and dtype.kind in "mM":
        values = labels.to_numpy().view("int64").tolist()
    elif isinstance(dtype, np.dtype) and dtype.kind in "biuf" and dtype != np.longdouble:
        values = [tagged.tag(value) for value in labels.to_numpy().tolist()]
    else:
        values = [tagged.tag(value) for value in labels.astype(object)]
    return {"dtype": described, "values": values}


def _restore_values(description: Description) -> Any:
    values, described = description["values"], description["dtype"]
    if described["form"] == "category":
        return pd.Categorical.from_codes(np.array(values, "int64"), dtype=restore_categories(described))
    dtype = restore_dtype(described)
    cells = [tagged.untag(value) for value in values]
    if not isinstance(dtype, np.dtype):
        return pd.array(cells, dtype=dtype)
    if dtype.kind in "mM":
        return np.array(cells, "int64").view(dtype)
    if dtype.kind != "O":
        return np.array(cells, dtype)
    array = np.empty(len(cells), dtype=object)
    for place, cell in enumerate(cells):
        array[place] = cell
    return array


def _is_made_again(description: Description, labels: Any) -> bool:
    try:
        made = restore_labels(description)
        again = _describe_values(made)
    except (ValueError, TypeError, OverflowError, Refusal):
        return False
    return type(made) is type(labels) and again == {key: description[key] for key in again}
