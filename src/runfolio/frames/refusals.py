"""Carry a whole frame: all its columns and levels in several threads, and every reason against it in one `DataError`.

It imports pandas, so `runfolio.frames` imports it only when a frame is at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa

from runfolio.errors import DataError
from runfolio.frames import tagged
from runfolio.frames.carriers import Carrier, carry
from runfolio.frames.indexes import describe_index, stored_levels
from runfolio.frames.labels import describe_labels
from runfolio.frames.refusal import Refusal, type_name

__all__ = ["Carried", "carry_frame"]

MANY_CELLS = 100_000
"""From which on threads pay."""


class Carried(NamedTuple):
    """A frame's carriers, those of the levels after those of the columns; labels, row labels and attrs described."""

    carriers: list[Carrier]
    labels: dict[str, Any]
    rows: Any
    attrs: Any


class Problem(NamedTuple):
    """A reason why a frame is refused, and the column and row it is about."""

    text: str
    column: str | None = None
    row: int | None = None


class Part(NamedTuple):
    """A column or an index level: its place in words, its label if it is a column, its values."""

    place: str
    column: str | None
    values: Any


def carry_frame(frame: pd.DataFrame) -> Carried:
    """Return what a file is to hold, or raise `DataError`.

    >>> [carrier.array.type for carrier in carry_frame(pd.DataFrame({"a": [1]}, index=[0.5])).carriers]
    [DataType(int64), DataType(double)]
    """
    if type(frame) is not pd.DataFrame:
        raise _error([Problem(f"it is a {type_name(type(frame))}, not a pandas.DataFrame")])
    problems: list[Problem] = []
    attrs = _try(lambda: tagged.tag(frame.attrs), "its attrs", problems)
    if problems:  # no way to look further, as pandas copies the attrs with each column it gives
        raise _error(problems)
    bare = _bare(frame)
    labels = _try(lambda: describe_labels(bare.columns), "the column labels", problems)
    levels = _try(lambda: stored_levels(bare.index), "index", problems) or []
    parts = [*_columns(bare), *_levels(bare.index, levels)]
    carriers = _carry_all(parts, problems)
    index = None if problems else _try(lambda: _index(bare, carriers), "index", problems)
    if problems:
        raise _error(problems)
    return Carried(carriers, labels, index, attrs)


def _bare(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame without what pandas copies with each column, or checks."""
    bare = frame.copy(deep=False)
    bare.attrs = {}
    return bare.set_flags(allows_duplicate_labels=True)


def _index(frame: pd.DataFrame, carriers: list[Carrier]) -> dict[str, Any]:
    return describe_index(frame.index, [carrier.description for carrier in carriers[len(frame.columns) :]])


def _try(work: Callable[[], Any], place: str, problems: list[Problem]) -> Any:
    try:
        return work()
    except Refusal as refusal:
        problems.append(Problem(f"{place}: {refusal}"))
    except RecursionError:
        problems.append(Problem(f"{place}: a value that is nested too deeply"))
    return None


def _columns(frame: pd.DataFrame) -> Iterator[Part]:
    for place, label in enumerate(frame.columns):
        yield Part(f"column {label!r}", label if type(label) is str else repr(label), frame.iloc[:, place])


def _levels(index: pd.Index, levels: list[Any]) -> Iterator[Part]:
    for number, values in enumerate(levels):
        name = number if index.names[number] is None else repr(index.names[number])
        yield Part("index" if len(levels) == 1 else f"index level {name}", None, values)


def _carry_all(parts: list[Part], problems: list[Problem]) -> list[Carrier]:
    if sum(len(part.values) for part in parts) < MANY_CELLS:
        found = list(map(_carry, parts))
    else:
        with ThreadPoolExecutor(pa.cpu_count()) as pool:
            found = list(pool.map(_carry, parts))
    problems += [one for one in found if isinstance(one, Problem)]
    return [one for one in found if isinstance(one, Carrier)]


def _carry(part: Part) -> Carrier | Problem:
    try:
        return carry(part.values)
    except Refusal as refusal:
        place = part.place if refusal.row is None else f"{part.place}, row {refusal.row}"
        return Problem(f"{place}: {refusal}", part.column, refusal.row)
    except RecursionError:
        return Problem(f"{part.place}: a value that is nested too deeply", part.column)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        return Problem(f"{part.place}: {error}", part.column)


def _error(problems: list[Problem]) -> DataError:
    listed = tuple(problem.text for problem in problems)
    first = next((problem for problem in problems if problem.column is not None), problems[0])
    return DataError(
        f"the frame would not come back exactly: {'; '.join(listed)}",
        problems=listed,
        remedy="convert or drop what is named here, then try again",
        column=first.column,
        row=first.row,
    )
