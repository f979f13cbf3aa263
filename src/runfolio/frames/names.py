"""The names of columns in a file: text, each once, and as near to the labels as can be."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import count
from typing import Any

__all__ = ["carrier_names", "pandas_metadata"]


def carrier_names(labels: Iterable[Any], levels: Iterable[Any]) -> list[str]:
    """Return a name for each column and then each stored level of the index.

    >>> carrier_names(["a", 1, "a", ("b", 2)], ["a", None, "k"])
    ['a', '1', 'a_2', "('b', 2)", '__index_level_0__', '__index_level_1__', 'k']
    """
    labels = list(labels)
    reserved = {label for label in labels if type(label) is str}
    names: dict[str, None] = {}
    for label in labels:
        text = _text(label)
        own = type(label) is str and text == label and text not in names
        names[text if own else _free(text, reserved | names.keys() if text in reserved or text in names else ())] = None
    for number, level in enumerate(levels):
        text = _text(level)
        own = type(level) is str and text == level and text not in names
        names[text if own else _free(f"__index_level_{number}__", names.keys())] = None
    return list(names)


def pandas_metadata(names: list[str], labels: Iterable[Any]) -> bytes:
    """Return what tells `pandas.read_parquet` which columns of a file are the index.

    >>> pandas_metadata([], [None])
    b'{"index_columns": [], "column_indexes": [], "columns": []}'
    """
    levels = [
        {
            "name": None if label is None else _text(label),
            "field_name": name,
            "pandas_type": "object",
            "numpy_type": "object",
            "metadata": None,
        }
        for name, label in zip(names, labels, strict=False)
    ]
    return json.dumps({"index_columns": names, "column_indexes": [], "columns": levels}).encode()


def _text(label: Any) -> str:
    """Return the label as text; one that is no text may have any `repr`."""
    text = label if type(label) is str else repr(label)
    return text.encode(errors="backslashreplace").decode().replace("\0", "\\x00")  # which polars can't read in names


def _free(text: str, taken: Iterable[str]) -> str:
    taken = set(taken)
    if text not in taken:
        return text
    return next(f"{text}_{number}" for number in count(2) if f"{text}_{number}" not in taken)
