"""Values of `pandas.ArrowDtype`: as they are, but for types that Parquet gives back as others.

Timestamps and times in seconds are milliseconds in the file, date64 is a timestamp, and a dictionary its values; the
type is in the footer. Whether nested and rare types come back is tried on some rows, in memory.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from runfolio.frames.dtypes import Description
from runfolio.frames.refusal import Refusal

__all__ = ["WRITE_OPTIONS", "carry_arrow", "restore_arrow"]

WRITE_OPTIONS: dict[str, Any] = {"use_compliant_nested_type": False}
TRIED_ROWS = 64

_LIKE = {
    pa.time32("s"): pa.time32("ms"),
    pa.date64(): pa.timestamp("ms"),
}

_SIMPLE = (
    *(pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_string, pa.types.is_large_string),
    *(pa.types.is_binary, pa.types.is_large_binary, pa.types.is_date32, pa.types.is_decimal128, pa.types.is_duration),
)


def carry_arrow(values: Any, _: Description) -> Any:
    """Return the Arrow values to store, or raise `Refusal`.

    >>> import pandas as pd
    >>> carry_arrow(pd.array([1, None], dtype=pd.ArrowDtype(pa.time32("s"))), {}).type
    Time32Type(time32[ms])
    """
    kind = values.dtype.pyarrow_dtype
    column = values.__arrow_array__()
    if any(accepts(kind) for accepts in _SIMPLE):
        return column
    try:
        stored = _cast(column, _stored_type(kind))
        _try(column, stored, kind)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise Refusal(f"Arrow type {kind} does not come back from Parquet as it was: {error}") from None
    return stored


def restore_arrow(column: pa.ChunkedArray, dtype: Any) -> Any:
    """Return the pandas array of this dtype."""
    return dtype.__from_arrow__(_restored(column, dtype.pyarrow_dtype))


def _stored_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _stored_type(kind.value_type)
    if pa.types.is_timestamp(kind) and kind.unit == "s":
        return pa.timestamp("ms", kind.tz)
    return _LIKE.get(kind, kind)


def _cast(column: Any, kind: pa.DataType) -> Any:
    if column.type == kind:
        return column
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    try:
        return column.cast(kind)
    except pa.ArrowInvalid:
        if pa.types.is_timestamp(column.type):  # seconds beyond what milliseconds can count
            return column.cast(pa.int64())
        raise


def _restored(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if column.type == kind:
        return column
    if not pa.types.is_dictionary(kind):
        return column.cast(kind)
    values = _restored(column, kind.value_type)
    chunks = [chunk.dictionary_encode().cast(kind) for chunk in values.chunks]
    return pa.chunked_array(chunks, kind)


def _try(column: Any, stored: Any, kind: pa.DataType) -> None:
    table = pa.table({"a": stored.slice(0, TRIED_ROWS)})
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer, **WRITE_OPTIONS)
    read = pq.read_table(pa.BufferReader(buffer.getvalue()))["a"]
    made = _restored(read, kind)
    wanted = column.slice(0, TRIED_ROWS)
    if made.type != kind or repr(made.to_pylist()) != repr(wanted.to_pylist()):
        raise ValueError("another value or type would come back")
