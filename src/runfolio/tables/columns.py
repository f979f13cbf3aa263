"""What is told of a table's columns, whatever its kind, without storing it."""

from __future__ import annotations

from typing import Any

from runfolio import profiles
from runfolio.errors import DataError
from runfolio.field import Field, Profile
from runfolio.profiles import Column, Profiler
from runfolio.tables import FRAME, POLARS, SERIES, arrow_form, kind_of, pandas_form, polars_form
from runfolio.tables.streams import SAME, tables_of

__all__ = ["told", "told_of_all"]


def told(data: Any, kind: str | None, profile: Profile) -> tuple[int, list[Field]]:
    """The number of rows and the fields of a table; what is of no kind exports an Arrow stream."""
    if kind is not None:
        return len(data), profiles.fields_of(_columns(data, kind, profile), profile)
    rows, profilers = 0, None
    for batch in tables_of(data):
        columns = arrow_form.columns_of(batch, profile)
        profilers = profilers or [Profiler(profile) for _ in columns]
        for profiler, column in zip(profilers, columns, strict=True):
            profiler.feed(column)
        rows += batch.num_rows
    return rows, [profiler.field() for profiler in profilers or ()]


def told_of_all(tables: list[Any], profile: Profile) -> tuple[str, int, list[Field]]:
    """The kind of tables that belong together, the number of all their rows, and their fields.

    Raises DataError if there is none, or they are not of one kind and the same columns.
    """
    if not tables:
        raise DataError(
            "the stream has no table, so that its columns are not known", remedy="give at least an empty one"
        )
    kind, first = kind_of(tables[0]), type(tables[0]).__name__
    profilers: list[Profiler] = []
    names: list[str] = []
    for number, table in enumerate(tables):
        if kind is None or kind_of(table) != kind:
            what = f"batch {number} is a {type(table).__name__}, and the first a {first}"
            raise DataError(what, remedy="give tables of one kind")
        columns = _columns(table, kind, profile)
        found = [column.name for column in columns]
        names = names if profilers else found
        if found != names:
            raise DataError(f"batch {number} does not fit the first: its columns are others", remedy=SAME)
        profilers = profilers or [Profiler(profile) for _ in columns]
        for profiler, column in zip(profilers, columns, strict=True):
            profiler.feed(column)
    return kind or "", sum(map(len, tables)), [profiler.field() for profiler in profilers]


def _columns(data: Any, kind: str, profile: Profile) -> list[Column]:
    if kind == SERIES:
        return profiles.columns_of(pandas_form.frame_of(data), None, profile)
    if kind == FRAME:
        return profiles.columns_of(data, None, profile)
    return polars_form.columns_of(data, profile) if kind == POLARS else arrow_form.columns_of(data, profile)
