"""Which rows of a step's input its output still has, as far as their index tells.

Rows are matched by their labels where the output's index is a unique part of the input's, or the other way round: rows
that were dropped, added or reordered. A fresh index (0, 1, 2, ...) tells nothing once the number of rows changed: that
of `head(3)` and that of `reset_index` look the same. Nor does an index of another name, which was made of other values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runfolio.differences import Rows
from runfolio.field import Field

if TYPE_CHECKING:
    import pandas as pd


def matched_rows(before: pd.DataFrame, olds: list[Field], after: pd.DataFrame, news: list[Field]) -> Rows | None:
    """How rows of two frames match by their index; None where that is not known, or they have the same places.

    `olds` are the fields of `before` as it came in: a column that was changed in place since counts as changed.
    """
    if not _comparable(before.index, after.index):
        return None
    found = before.index.get_indexer(after.index)
    if (found >= 0).all():
        return _rows(before, olds, after, news, kept=found, places=None)
    found = after.index.get_indexer(before.index)
    if (found >= 0).all():
        return _rows(before, olds, after, news, kept=None, places=found)
    return None


def _comparable(before: pd.Index, after: pd.Index) -> bool:
    if not len(after) or list(before.names) != list(after.names) or before.equals(after) or _is_fresh(after):
        return False
    return before.is_unique and after.is_unique


def _is_fresh(index: Any) -> bool:
    import pandas as pd  # noqa: PLC0415  (who has no frame needs no pandas)

    return type(index) is pd.RangeIndex and index.start == 0 and index.step == 1


def _rows(
    before: pd.DataFrame, olds: list[Field], after: pd.DataFrame, news: list[Field], *, kept: Any, places: Any
) -> Rows:
    """`kept` are the rows of `before` that `after` has, `places` those of `after` that `before` has; None for all."""
    details: dict[str, Any] = {"added": max(len(after) - len(before), 0), "dropped": max(len(before) - len(after), 0)}
    order = kept if places is None else places
    if (order[1:] < order[:-1]).any():
        details["reordered"] = True

    def digest_before(place: int) -> str | None:
        whole = olds[place].digest
        if whole is None:
            return None
        column = before.iloc[:, place]
        if _digest(column) != whole:
            return "changed in place"
        return whole if kept is None else _digest(column.take(kept))

    def digest_after(place: int) -> str | None:
        return news[place].digest if places is None else _digest(after.iloc[:, place].take(places))

    return Rows(details, digest_before, digest_after)


def _digest(values: Any) -> str | None:
    from runfolio.profiles import digest_of_values  # noqa: PLC0415

    return digest_of_values(values)
