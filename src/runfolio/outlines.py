"""Outlines: what is told of a result whose data is withheld, its parts with their rows, columns and schemas.

Nothing is written and nothing refused for what a file could not hold. A stream is drawn whole into memory, for there is
no file that it could be read from again.
"""

from __future__ import annotations

from types import GeneratorType
from typing import Any, NamedTuple

from runfolio import parts as names
from runfolio.artifacts import Ticks, Written, is_used_up
from runfolio.field import Profile
from runfolio.records import Format, Part
from runfolio.schema import Schema, Schemas, parts_of
from runfolio.tables import REPORT, is_stream, kind_of, refuse_lookalikes

__all__ = ["outlined"]


class _Outline(NamedTuple):
    """A part: its type and shape, its schema, the data for who goes on with it, the time that a stream took."""

    type: str
    shape: tuple[int | None, int | None]
    schema: Schema | None
    data: Any
    spent: tuple[float, float] = (0.0, 0.0)


def outlined(data: Any, given: Schemas, profile: Profile, ticks: Ticks) -> tuple[list[Written], Any]:
    """The parts of a result with the schemas given, or their own of that profile; and the data for who goes on with it.

    Streams that were used up are lists of their tables there.
    Raises DataError for what is no result, and what a stream raises.
    """
    schemas = dict(parts_of(given))
    found = {name: _outline(name, leaf, schemas.get(name), profile, ticks) for name, leaf in names.flattened(data)}
    written = [Written(_part(name, one), one.schema, one.spent) for name, one in found.items()]
    return written, names.joined((name, one.data) for name, one in found.items()) if _is_drawn(found, data) else data


def _is_drawn(found: dict[str | None, _Outline], data: Any) -> bool:
    return any(found[name].data is not leaf for name, leaf in names.flattened(data))


def _outline(name: str | None, leaf: Any, schema: Schema | None, profile: Profile, ticks: Ticks) -> _Outline:
    refuse_lookalikes(leaf, "the result" if name is None else f"part {name!r}")
    kind = kind_of(leaf)
    if kind is not None:
        shape = leaf.shape if len(leaf.shape) > 1 else (*leaf.shape, 1)
        return _Outline(kind, shape, schema or Schema.from_data(leaf, profile=profile), leaf)
    if is_stream(leaf):
        return _stream(leaf, schema, profile, ticks)
    return _Outline(REPORT, (None, None), None, leaf)


def _stream(leaf: Any, schema: Schema | None, profile: Profile, ticks: Ticks) -> _Outline:
    from runfolio.tables import columns, stream_type  # noqa: PLC0415  (loads pandas and pyarrow)
    from runfolio.tables.streams import tables_of  # noqa: PLC0415

    begun = ticks()
    try:
        tables = list(tables_of(leaf))
    finally:
        if isinstance(leaf, GeneratorType):
            leaf.close()
    spent = tuple(now - then for now, then in zip(ticks(), begun, strict=True))
    kind, rows, fields = columns.told_of_all(tables, profile)
    found = schema or Schema.of(rows, fields)
    data = tables if is_used_up(leaf) else leaf
    return _Outline(stream_type(leaf, kind), (rows, len(fields)), found, data, spent)  # type: ignore[arg-type]


def _part(name: str | None, one: _Outline) -> Part:
    form: Format = "json" if one.type == REPORT else "parquet"
    return Part(
        name=name,
        file=None,
        format=form,
        rows=one.shape[0],
        columns=one.shape[1],
        bytes=None,
        sha256=None,
        schema_id=None if one.schema is None else one.schema.schema_id,
        type=one.type,
        withheld="schema",
    )
