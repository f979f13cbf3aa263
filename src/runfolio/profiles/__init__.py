"""Profiles: what is told of the columns of a table, by the values that they hold."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import InvalidOperation
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from msgspec import structs
from xxhash import xxh3_128

from runfolio import frames
from runfolio.field import Field, Profile, Statistics, label_text
from runfolio.frames.refusal import Refusal
from runfolio.profiles.digests import Digest, digest_of
from runfolio.profiles.statistics import Summary

__all__ = ["Column", "Profiler", "columns_of", "digest_of_values", "fields_of"]

MAX_CATEGORIES = 100
REMEMBERED = 1024
FEW_CELLS = 100_000


class Column(NamedTuple):
    """One column of a table of any kind: what its library says of it, and its values as Arrow has them.

    `kind` is set where the Arrow type doesn't say what the values are, such as tagged JSON; `spell` then makes of a
    minimum or maximum what the column's library shows of it, if anything. `array` is None where Arrow can't hold the
    values.
    """

    name: str
    dtype: str
    nullable: bool
    array: pa.Array | pa.ChunkedArray | None
    kind: str = ""
    nulls: int | None = None
    categories: tuple[str, ...] | None = None
    ordered: bool = False
    spell: Callable[[str], str | None] | None = None


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
            statistics=self._statistics(column) if self._profile == "full" and self._known else None,
        )

    def _statistics(self, column: Column) -> Statistics:
        return _spelled(self._summary.statistics(_shown(column)), column)


def fields_of(columns: list[Column], profile: Profile) -> list[Field]:
    """The fields of whole columns, several at a time: most of the work is done outside of Python.

    Statistics are taken once for values of one digest: most columns go through most steps as they are.
    """

    def field(column: Column) -> Field:
        profiler = Profiler("digest" if profile == "full" else profile)
        profiler.feed(column)
        found = profiler.field()
        return found if profile != "full" else structs.replace(found, statistics=_statistics_of(column, found))

    cells = sum(0 if column.array is None else len(column.array) for column in columns)
    if profile == "names" or cells < FEW_CELLS:
        return list(map(field, columns))
    with ThreadPoolExecutor(max(pa.cpu_count(), 1)) as pool:
        return list(pool.map(field, columns))


_known: OrderedDict[tuple[str, str | None, str], Statistics] = OrderedDict()
_known_mutex = Lock()


def _statistics_of(column: Column, field: Field) -> Statistics | None:
    """The statistics of a column, remembered by what they hang on: dtype and values."""
    if field.digest is None:
        return None
    key = field.dtype, field.dtype_digest, field.digest
    with _known_mutex:
        found = _known.pop(key, None)
    if found is None:
        summary = Summary()
        summary.feed(column.array)
        found = _spelled(summary.statistics(_shown(column)), column)
    with _known_mutex:
        _known[key] = found
        while len(_known) > REMEMBERED:
            _known.popitem(last=False)
    return found


def _after_fork() -> None:
    global _known_mutex  # noqa: PLW0603  (another thread of the parent may have held it)
    _known_mutex = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _spelled(found: Statistics, column: Column) -> Statistics:
    """Statistics whose range is spelled as the column's library does."""
    if column.spell is None:
        return found
    low, high = (None if end is None else column.spell(end) for end in (found.minimum, found.maximum))
    return structs.replace(found, minimum=low, maximum=high, mean=None, standard_deviation=None)


def columns_of(frame: pd.DataFrame, table: pa.Table | None, profile: Profile) -> list[Column]:
    """The columns of a pandas frame; `table` is what `frames.prepare` made of it, where that is at hand."""
    found = []
    for position, label in enumerate(frame.columns):
        values = frame.iloc[:, position]
        name = label_text(label)
        if profile == "names":
            found.append(_named(name, values.dtype))
        else:
            array, form = _carried(values) if table is None else _prepared(table, position)
            found.append(_column(name, values, array, form))
    return found


def digest_of_values(values: pd.Series[Any]) -> str | None:
    """The digest of a column's values, as its field has it; None where Arrow can't hold them."""
    column = _column("", values, *_carried(values))
    return None if column.array is None else digest_of(column.array, column.kind)


def _named(name: str, dtype: Any) -> Column:
    """What there is to tell without the values."""
    nullable = not (isinstance(dtype, np.dtype) and dtype.kind in "iub")
    return Column(name=name, dtype=str(dtype), nullable=nullable, array=None)


def _column(name: str, values: pd.Series[Any], array: Any, form: str) -> Column:
    dtype: Any = values.dtype
    column = _named(name, dtype)._replace(array=array)
    if array is None or form == "json":
        kind = "" if array is None else "json"
        return column._replace(kind=kind, nulls=_missing(values), spell=lambda _: None)
    if dtype.kind == "c":
        return column._replace(nulls=_missing(values))
    if isinstance(dtype, pd.CategoricalDtype):
        return column._replace(categories=tuple(map(label_text, dtype.categories)), ordered=bool(dtype.ordered))
    if isinstance(dtype, pd.PeriodDtype):
        return column._replace(kind=str(dtype), spell=lambda text: _period(text, dtype.freq))
    return column


def _missing(values: pd.Series[Any]) -> int | None:
    try:
        return int(values.isna().sum())
    except InvalidOperation:  # a signalling NaN of decimal can't even be asked whether it is one
        return None


def _period(ordinal: str, freq: Any) -> str | None:
    if type(freq) is pd.offsets.BDay:  # deprecated: pandas warns when it makes one
        return None
    made: Any = pd.PeriodIndex  # whose stubs lack the method
    return str(made.from_ordinals([int(ordinal)], freq=freq)[0])


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
