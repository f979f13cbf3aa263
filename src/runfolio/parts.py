"""Parts: a nested dict of tables and reports as a flat list of named leaves, and back.

A part's name is its keys joined by `/`, in each of which `~` is `~0` and `/` is `~1`: a JSON Pointer (RFC 6901) without
the first `/`. A dict that holds no table at any depth is one leaf.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from runfolio.errors import DataError
from runfolio.tables import is_table
from runfolio.values import MAX_DEPTH

__all__ = ["flattened", "holds_table", "is_utf8", "joined", "name_of"]

Leaves = list[tuple[str | None, Any]]


def name_of(keys: Iterable[str]) -> str:
    """The name of the part under these keys.

    >>> name_of(["train", "a/b"])
    'train/a~1b'
    """
    return "/".join(key.replace("~", "~0").replace("/", "~1") for key in keys)


def holds_table(data: Any, depth: int = 0) -> bool:
    """Whether data is a table, or a dict that holds one at any depth."""
    if isinstance(data, dict):
        return depth < MAX_DEPTH and any(holds_table(part, depth + 1) for part in data.values())
    return is_table(data)


def flattened(data: Any, *, spell: Callable[[Any], str] | None = None) -> Leaves:
    """The named leaves of a dict that holds tables, else all of data without a name.

    Raises DataError for keys that are no text, unless there is a function that spells them.

    >>> import pandas as pd
    >>> [name for name, _ in flattened({"train": {"x": pd.DataFrame()}, "score": 0.9})]
    ['train/x', 'score']
    """
    if not isinstance(data, dict) or not holds_table(data):
        return [(None, data)]
    return [(name_of(keys), leaf) for keys, leaf in _leaves(data, (), spell)]


def joined(parts: Iterable[tuple[str | None, Any]]) -> Any:
    """The data whose leaves these are.

    >>> joined([("train/x", 1), ("score", 2)])
    {'train': {'x': 1}, 'score': 2}
    """
    found: dict[str, Any] = {}
    for name, leaf in parts:
        if name is None:
            return leaf
        *outer, last = (key.replace("~1", "/").replace("~0", "~") for key in name.split("/"))
        place = found
        for key in outer:
            inner = place.setdefault(key, {})
            place = inner if isinstance(inner, dict) else place
        place[last] = leaf
    return found


def _leaves(
    data: dict[Any, Any], outer: tuple[str, ...], spell: Callable[[Any], str] | None
) -> Iterable[tuple[tuple[str, ...], Any]]:
    for label, part in data.items():
        key = label if spell is None else spell(label)
        if type(key) is not str or not is_utf8(key):
            raise DataError(
                f"a part is named by text, but {key!r} {f'in {name_of(outer)!r} ' if outer else ''}is none",
                remedy="use keys of text",
                problems=(repr(key),),
            )
        keys = (*outer, key)
        if isinstance(part, dict) and holds_table(part, len(keys)):
            yield from _leaves(part, keys, spell)
        else:
            yield keys, part


def is_utf8(text: str) -> bool:
    """Whether text has no lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
