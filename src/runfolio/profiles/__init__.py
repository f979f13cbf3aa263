"""Profiles: what is told of the columns of a table, by the values that they hold."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from xxhash import xxh3_128

from runfolio import frames
from runfolio.field import Field, Profile, label_text
from runfolio.frames.refusal import Refusal
from runfolio.profiles.digests import Digest, digest_of
from runfolio.profiles.statistics import Summary

__all__ = ["Column", "Profiler", "columns_of", "digest_of_values", "fields_of"]

MAX_CATEGORIES = 100
FEW_CELLS = 100_000


class Column(NamedTuple):
    """One column of a table of any kind: what its library says of it, and its values as Arrow has them.

    `kind` is set where the Arrow type doesn't say what the values are, such as tagged JSON. `array` is None where Arrow
    can't hold the values.
    """

    name: str
    dtype: str
    nullable: bool
    array: pa.Array | pa.ChunkedArray | None
    kind: str = ""
    nulls: int | None = None
    categories: tuple[str, ...] | None = None
    ordered: bool = False


class Profiler:
    """What is told of one column whose values come in pieces."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._digest = Digest()
        self._summary = Summary()
        self._nulls = 0
        self._known = True
        self._last: Column | None = None

    def feed(self, column: Column) -> None:
        """Go on with these values; the first piece names the column."""
        if self._last is None:
            self._digest = Digest(column.kind)
        self._last = column
        if self._profile == "names":
            return
        before = self._digest.nulls
        if column.array is None:
            self._known = False
        else:
            self._digest.feed(column.array)
            if self._profile == "full":
                self._summary.feed(column.array)
        self._nulls += self._digest.nulls - before if column.nulls is None else column.nulls

    def field(self) -> Field:
        """The field of all values so far."""
        column = self._last
        assert column is not None
        named = self._profile == "names"
        return Field(
            name=column.name,
            dtype=column.dtype,
            nullable=column.nullable,
            nulls=None if named else self._nulls,
            dtype_digest=None if named else _dtype_digest(column),
            digest=self._digest.hexdigest() if self._known and not named else None,
            statistics=self._summary.statistics(_shown(column)) if self._profile == "full" and self._known else None,
        )


def fields_of(columns: list[Column], profile: Profile) -> list[Field]:
    """The fields of whole columns, several at a time: most of the work is done outside of Python."""

    def field(column: Column) -> Field:
        profiler = Profiler(profile)
        profiler.feed(column)
        return profiler.field()

    cells = sum(0 if column.array is None else len(column.array) for column in columns)
    if profile == "names" or cells < FEW_CELLS:
        return list(map(field, columns))
    with ThreadPoolExecutor(max(pa.cpu_count(), 1)) as pool:
        return list(pool.map(field, columns))


def columns_of(frame: pd.DataFrame, table: pa.Table | None, profile: Profile) -> list[Column]:
    """The columns of a pandas frame; `table` is what `frames.prepare` made of it, where that is at hand."""
    found = []
    for position, label in enumerate(frame.columns):
        values = frame.iloc[:, position]
        array, form = None, ""
        if profile != "names":
            array, form = _carried(values) if table is None else _prepared(table, position)
        found.append(_column(label_text(label), values, array, form))
    return found


def digest_of_values(values: pd.Series[Any]) -> str | None:
    """The digest of a column's values, as its field has it; None where Arrow can't hold them."""
    column = _column("", values, *_carried(values))
    return None if column.array is None else digest_of(column.array, column.kind)


def _column(name: str, values: pd.Series, array: Any, form: str) -> Column:
    dtype = values.dtype
    categories = None
    if isinstance(dtype, pd.CategoricalDtype):
        categories = tuple(map(label_text, dtype.categories))
    by_hand = array is None or form == "json"
    return Column(
        name=name,
        dtype=str(dtype),
        nullable=not (isinstance(dtype, np.dtype) and dtype.kind in "iub"),
        array=array,
        kind=str(dtype) if isinstance(dtype, pd.PeriodDtype) else "json" if form == "json" else "",
        nulls=int(values.isna().sum()) if by_hand else None,
        categories=categories,
        ordered=bool(getattr(dtype, "ordered", False)),
    )


def _carried(values: Any) -> tuple[Any, str]:
    try:
        carrier = frames.carry(values)
    except Refusal:
        return None, ""
    return carrier.array, carrier.description["form"]


def _prepared(table: pa.Table, position: int) -> tuple[Any, str]:
    metadata = table.schema.field(position).metadata or {}
    return table.column(position), "json" if b"runfolio.encoding" in metadata else ""


def _dtype_digest(column: Column) -> str | None:
    if column.categories is None:
        return None
    return xxh3_128(repr((column.ordered, column.categories)).encode()).hexdigest()


def _shown(column: Column) -> list[str] | None:
    categories = column.categories
    return None if categories is None or len(categories) > MAX_CATEGORIES else list(categories)
