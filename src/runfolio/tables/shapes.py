"""What the footer of a result's Parquet file says of its shape, held against its commit line and its schema.

Only the footer is read, so that a small file which unpacks to a large table costs nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from runfolio.errors import DamageError, RunfolioError
from runfolio.files import open_within, path_of
from runfolio.frames import MALFORMED
from runfolio.limits import MAX_METADATA
from runfolio.tables import footers, sizes

if TYPE_CHECKING:
    from pathlib import Path

    from runfolio.schema import Schema

__all__ = ["Shape", "shape_of"]


class Shape(Struct, frozen=True):
    """The rows and columns of a file's table or tables, the names of the columns and those dtypes that it spells."""

    rows: int
    columns: int
    names: list[str]
    dtypes: list[str | None]

    def differences(self, schema: Schema) -> Iterator[str]:
        """How a schema tells of another table than this one.

        Names are compared where no two are equal, dtypes where the footer spells them as schemas do.
        """
        fields = schema.fields
        if (schema.rows, len(fields)) != (self.rows, self.columns):
            yield f"{self.rows} rows and {self.columns} columns, and {schema.rows} and {len(fields)} by its schema"
            return
        names = schema.columns
        if len(set(names)) == len(names) and names != self.names:
            yield "other names of columns than its schema"
        for field, dtype in zip(fields, self.dtypes, strict=False):
            if dtype not in (None, field.dtype):
                yield f"a column {field.name!r} of dtype {dtype}, which is {field.dtype} by its schema"


def shape_of(folder: Path, name: str) -> Shape:
    """The shape of a result's file. Raises DamageError if it has no footer that a writer wrote, FormatError."""
    import pyarrow as pa  # noqa: PLC0415  (a run without tables needs none of it)
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        with (
            os.fdopen(open_within(folder, name), "rb") as opened,
            pa.OSFile(path_of(opened.fileno(), folder / name)) as source,
        ):
            sizes.admitted_footer(source, str(folder / name))
            file = pq.ParquetFile(source, thrift_string_size_limit=MAX_METADATA)
            footer = footers.decode(file.metadata.metadata)
            return _shape(footer, file.metadata.num_rows, file.schema_arrow.names)
    except RunfolioError:
        raise
    except (*MALFORMED, pa.ArrowException) as error:
        raise DamageError(f"it has no footer of a table: {error}") from error


def _shape(footer: dict[str, Any], rows: int, names: list[str]) -> Shape:
    forms = footer["forms"] if footer.get("kind") == "stream" else [footer]
    if not forms:
        return Shape(rows, 0, [], [])
    dtypes = _dtypes(forms[0])
    spelled = [dtype if len(forms) == 1 else None for dtype in dtypes]
    return Shape(rows, len(dtypes), names[: len(dtypes)], spelled)


def _dtypes(form: dict[str, Any]) -> list[str | None]:
    if form.get("kind") == "polars":
        return [dtype if isinstance(dtype, str) else None for dtype in form["dtypes"]]
    if form.get("kind") == "arrow":
        return list(form["types"])
    return [_dtype(column) for column in form["columns"]]


def _dtype(column: dict[str, Any]) -> str | None:
    form = column.get("form")
    if form in ("numpy", "masked"):
        return column.get("dtype")
    return {"object": "object", "category": "category"}.get(str(form))
