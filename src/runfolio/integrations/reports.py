"""Reports of other packages in the form that a run stores: tables as they are, all else as JSON has it.

==========================================  ==========================================================================
what a package gives                        what is stored
==========================================  ==========================================================================
a frame or Series, at any depth             itself; it comes back exactly
a dict                                      a dict; keys that are no text as they are spelled in JSON: `1` is `"1"`
a list or tuple with a table in it          a dict of its items by their places: `"0"`, `"1"`
a set                                       a list, ordered by the JSON text of its items
NaN and infinities outside of tables        the texts `"NaN"`, `"Infinity"`, `"-Infinity"`
an array or Index                           a list
None, and anything else                     its normal form, as contexts have it: see `runfolio.values`
==========================================  ==========================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import json

from runfolio.tables import is_frame, kind_of
from runfolio.values import as_text, normal


def storable(data: Any) -> Any:
    """The form of data that `Status.store_result` takes.

    >>> storable({"details": {1: {"b", "a"}, "scores": (0.5, float("nan"))}, "none": None})
    {'details': {'1': ['a', 'b'], 'scores': [0.5, 'NaN']}, 'none': None}
    """
    if kind_of(data) is not None:
        return data
    if isinstance(data, Mapping):
        return {name: storable(data[key]) for name, key in _names(data).items()}
    if isinstance(data, list | tuple):
        items = [storable(item) for item in data]
        return {str(place): item for place, item in enumerate(items)} if any(map(_holds_table, items)) else items
    return normal(data.tolist() if getattr(data, "ndim", 0) > 0 and hasattr(data, "tolist") else data)


def spelled(data: Any) -> tuple[Any, list[str]]:
    """The same form, in which columns of pandas' `object` that hold anything but text are text, and their names.

    For frames with cells that no file holds exactly, which are objects of some class.

    >>> import pandas as pd
    >>> form, columns = spelled(pd.DataFrame({"id": [1, 2], "by": [len, "none"]}))
    >>> form["by"].tolist(), columns
    (['<built-in function len>', 'none'], ['by'])
    """
    if is_frame(data):
        columns = [data.iloc[:, place] for place in range(data.shape[1])]
        places = [place for place, column in enumerate(columns) if _is_mixed(column)]
        found = data.copy(deep=False)
        for place in places:
            found.isetitem(place, _as_texts(columns[place]))
        return found, [str(data.columns[place]) for place in places]
    if isinstance(data, dict):
        below = {name: spelled(part) for name, part in data.items()}
        return {name: part for name, (part, _) in below.items()}, [one for _, names in below.values() for one in names]
    return data, []


def _names(data: Mapping[Any, Any]) -> dict[str, Any]:
    """The keys by their names; of two that are spelled alike, the later one is named by its `repr`."""
    found: dict[str, Any] = {}
    for key in data:
        name = normal(key)
        name = name if isinstance(name, str) else json.encode(name).decode()
        found[repr(key) if name in found else name] = key
    return found


def _holds_table(data: Any) -> bool:
    if isinstance(data, Mapping):
        return any(map(_holds_table, data.values()))
    return kind_of(data) is not None or (isinstance(data, list | tuple) and any(map(_holds_table, data)))


def _as_texts(column: Any) -> Any:
    values = [value if missing else as_text(value) for value, missing in zip(column, column.isna(), strict=True)]
    return type(column)(values, index=column.index, name=column.name, dtype=object)


def _is_mixed(column: Any) -> bool:
    return column.dtype.kind == "O" and not all(isinstance(value, str) for value in column.dropna())
