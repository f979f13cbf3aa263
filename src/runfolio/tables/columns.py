"""What is told of a table's columns, whatever its kind, without storing it."""

from __future__ import annotations

from typing import Any

from runfolio import profiles
from runfolio.field import Field, Profile
from runfolio.profiles import Column, Profiler
from runfolio.tables import FRAME, POLARS, SERIES, arrow_form, pandas_form, polars_form
from runfolio.tables.streams import tables_of

__all__ = ["told"]


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


def _columns(data: Any, kind: str, profile: Profile) -> list[Column]:
    if kind == SERIES:
        return profiles.columns_of(pandas_form.frame_of(data), None, profile)
    if kind == FRAME:
        return profiles.columns_of(data, None, profile)
    return polars_form.columns_of(data, profile) if kind == POLARS else arrow_form.columns_of(data, profile)
