"""Object columns: native Arrow where all cells are of one type that it holds exactly, else tagged JSON.

======================================== ============================================== ==================
cells, the one type in the column        condition                                      Arrow type
======================================== ============================================== ==================
str, bytes                               no lone surrogate                              large_string, large_binary
bool, int, float                         64 bits                                        bool, int64, float64
datetime.date                                                                           date32
datetime.time, datetime.datetime         without time zone, fold 0                      time64[us], timestamp[us]
datetime.timedelta                       64 bits of microseconds                        duration[us]
decimal.Decimal                          finite, of one scale, up to 38 digits          decimal128(38, scale)
uuid.UUID                                                                               uuid
list, tuple                              the items of all cells are such a column       large_list
numpy.ndarray                            one dimension, one native number dtype         large_list
dict                                     the same keys, text, in the same order         struct
======================================== ============================================== ==================

One kind of missing value beside them is a null, and its kind is in the description. In tagged JSON a null is that as
well, and the cells of a second kind are values. NaN beside another kind of missing value is a float.
"""

from __future__ import annotations

import datetime
import decimal
import itertools
import math
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from runfolio.frames import tagged
from runfolio.frames.dtypes import MISSING, MISSING_KINDS, Description, Refusal
from runfolio.frames.floats import carry_floats, restore_floats

__all__ = ["Carrier", "carry_cells", "carry_json", "restore_cells", "restore_json"]

MAX_NESTED = 8
"""Of native lists and structs in each other; what is deeper is JSON."""

MAX_SCALE = 38
MAX_DAYS = (2**63 - 1) // (86400 * 10**6) - 1


class Carrier(NamedTuple):
    """The Arrow values that carry a column in the file, and how to restore the column from them."""

    array: pa.Array | pa.ChunkedArray
    description: Description


def carry_cells(cells: Any, depth: int = MAX_NESTED) -> Carrier:
    """Carry an array of objects, or raise `Refusal`.

    >>> carry_cells(np.array(["a", None], dtype=object)).description
    {'form': 'object', 'cells': 'str', 'missing': 'None'}
    >>> carry_cells(np.array(["a", 1], dtype=object)).array.to_pylist()
    ['"a"', '1']
    """
    kind, missing = _kinds(cells)
    if missing is _MIXED or kind is _MIXED:
        return carry_json(cells, None if missing is _MIXED else missing)
    if kind is None:
        return Carrier(pa.nulls(len(cells)), {"form": "object", "cells": None, "missing": missing})
    pack = _PACK.get(kind)
    mask = None if kind is float and missing == "nan" else _mask(cells, missing)
    packed = None if pack is None else pack(cells, mask, depth)
    if packed is None:
        return carry_json(cells, missing)
    array, more = packed
    return Carrier(array, {"form": "object", "cells": kind.__name__, "missing": missing, **more})


def restore_cells(column: pa.ChunkedArray, description: Description) -> Any:
    """Return the array of objects that a carrier stands for.

    >>> restore_cells(pa.chunked_array([["a", None]]), {"cells": "str", "missing": "nan"})
    array(['a', nan], dtype=object)
    """
    missing = MISSING[description["missing"] or "None"]
    if description["cells"] is None:
        return np.full(len(column), missing, dtype=object)
    cells = _UNPACK[description["cells"]](column, description)
    if missing is not None and column.null_count and (description["cells"], description["missing"]) != ("float", "nan"):
        cells[column.is_null().to_numpy()] = missing
    return cells


def carry_json(cells: Any, missing: str | None) -> Carrier:
    """Carry an array of objects as tagged JSON; the one kind of missing value is a null."""
    absent = type(MISSING[missing]) if missing is not None else None
    encode, texts = tagged.encode, []
    for row, cell in enumerate(cells):
        try:
            texts.append(None if type(cell) is absent and (absent is not float or math.isnan(cell)) else encode(cell))
        except Refusal as refusal:
            raise Refusal(str(refusal), row) from None
    return Carrier(pa.array(texts, pa.large_string()), {"form": "json", "missing": missing})


def restore_json(column: pa.ChunkedArray, description: Description) -> Any:
    """Return the array of objects that tagged JSON stands for."""
    missing, decode = MISSING[description["missing"] or "None"], tagged.decode
    return _objects([missing if text is None else decode(text) for text in column.to_pylist()])


# ------------------------------------------------------------------------------------------------------ what it holds

_MIXED: Any = object()
"""There is more than one kind."""


def _kinds(cells: Any) -> tuple[Any, Any]:
    """Return the one type of the cells and the one kind of missing value; None without, `_MIXED` for several."""
    types = set(map(type, cells))
    present = types - MISSING_KINDS.keys()
    missing = {MISSING_KINDS[kind] for kind in types - {float} if kind in MISSING_KINDS}
    if float in types:
        floats = [cell for cell in cells if type(cell) is float]
        nans = list(filter(math.isnan, floats))
        if len(nans) < len(floats):
            present.add(float)
        if present == {float} and len(missing) == 1:
            return float, missing.pop()
        if nans and not (all(map(tagged.is_canonical, nans)) or present == {float}):
            return _MIXED, _MIXED
        if nans:
            missing.add("nan")
    one = present.pop() if len(present) == 1 else _MIXED if present else None
    return one, missing.pop() if len(missing) == 1 else _MIXED if missing else None


def _mask(cells: Any, missing: str | None) -> Any:
    if missing is None:
        return None
    kind = type(MISSING[missing])
    return np.fromiter((type(cell) is kind for cell in cells), bool, len(cells))


def _present(cells: Any, mask: Any) -> Any:
    return cells if mask is None else cells[~mask]


def _objects(values: list[Any]) -> Any:
    array = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):  # a slice would spread lists of equal length
        array[place] = value
    return array


# ------------------------------------------------------------------------------------------------------------ packing

Packed = tuple[Any, Description] | None
Pack = Callable[[Any, Any, int], Packed]


def _pack_as(kind: pa.DataType, holds: Callable[[Any], bool] | None = None) -> Pack:
    """Pack cells of a type that Arrow converts exactly, if it holds all of them."""

    def pack(cells: Any, mask: Any, _: int) -> Packed:
        if holds is not None and not all(map(holds, _present(cells, mask))):
            return None
        try:
            return pa.array(cells, kind, from_pandas=True), {}
        except (UnicodeEncodeError, OverflowError, pa.ArrowInvalid):
            return None

    return pack


def _pack_floats(cells: Any, mask: Any, _: int) -> Packed:
    if mask is None:
        return carry_floats(cells.astype("float64"))
    values = np.where(mask, 0.0, cells).astype("float64")
    return pa.array(values, mask=mask, from_pandas=False), {}


def _pack_decimals(cells: Any, mask: Any, _: int) -> Packed:
    present = _present(cells, mask)
    scales = {cell.as_tuple().exponent for cell in present}
    scale = scales.pop() if len(scales) == 1 else None
    if not isinstance(scale, int) or not -MAX_SCALE <= scale <= 0:
        return None
    if any(len(cell.as_tuple().digits) > MAX_SCALE or (not cell and cell.is_signed()) for cell in present):
        return None
    return pa.array(cells, pa.decimal128(MAX_SCALE, -scale), from_pandas=True), {}


def _pack_uuids(cells: Any, mask: Any, _: int) -> Packed:
    found = [cell.bytes if type(cell) is uuid.UUID else None for cell in cells]
    if any(cell.is_safe is not uuid.SafeUUID.unknown for cell in _present(cells, mask)):
        return None
    return pa.ExtensionArray.from_storage(pa.uuid(), pa.array(found, pa.binary(16))), {}


def _list_array(items: Any, present: Any, mask: Any) -> pa.Array:
    lengths = np.zeros(len(present) if mask is None else len(mask), "int64")
    lengths[slice(None) if mask is None else ~mask] = [len(cell) for cell in present]
    offsets = pa.array(np.concatenate([[0], lengths.cumsum()]).astype("int64"))
    return pa.LargeListArray.from_arrays(offsets, items, mask=None if mask is None else pa.array(mask))


def _pack_lists(cells: Any, mask: Any, depth: int) -> Packed:
    present = _present(cells, mask)
    items = _objects(list(itertools.chain.from_iterable(present)))
    inner = _carry_inner(items, depth)
    return None if inner is None else (_list_array(inner.array, present, mask), {"items": inner.description})


def _pack_arrays(cells: Any, mask: Any, _: int) -> Packed:
    present = _present(cells, mask)
    dtype = present[0].dtype
    if dtype.kind not in "biuf" or not dtype.isnative or dtype == np.longdouble or dtype.metadata:
        return None
    if any(cell.ndim != 1 or cell.dtype != dtype or cell.dtype.metadata for cell in present):
        return None
    items = pa.array(np.concatenate(list(present)), from_pandas=False)
    return _list_array(items, present, mask), {"dtype": dtype.name}


def _pack_dicts(cells: Any, mask: Any, depth: int) -> Packed:
    present = _present(cells, mask)
    keys = tuple(present[0])
    if not keys or any(type(key) is not str or not key or "\0" in key or not tagged.is_text(key) for key in keys):
        return None
    if any(tuple(cell) != keys or any(type(key) is not str for key in cell) for cell in present):
        return None
    fields = [_carry_inner(_objects([cell[key] for cell in present]), depth) for key in keys]
    places = None if mask is None else pa.array(np.cumsum(~mask) - 1, mask=mask)
    arrays = []
    for field in fields:
        if field is None:
            return None
        arrays.append(field.array if places is None else field.array.take(places))
    array = pa.StructArray.from_arrays(arrays, list(keys), mask=None if mask is None else pa.array(mask))
    return array, {"fields": [field.description for field in fields if field is not None]}


def _carry_inner(items: Any, depth: int) -> Carrier | None:
    """Carry what is in lists or dicts, if it is native throughout."""
    if depth == 0:
        return None
    try:
        inner = carry_cells(items, depth - 1)
    except Refusal:
        return None  # JSON comes to the same refusal, and knows the row
    if inner.description["form"] == "json" or pa.types.is_null(inner.array.type):
        return None
    return inner if not isinstance(inner.array.type, pa.BaseExtensionType) else None


def _is_naive(cell: Any) -> bool:
    return cell.tzinfo is None and not cell.fold


_PACK: dict[type, Pack] = {
    str: _pack_as(pa.large_string()),
    bytes: _pack_as(pa.large_binary()),
    bool: _pack_as(pa.bool_()),
    int: _pack_as(pa.int64()),
    float: _pack_floats,
    datetime.date: _pack_as(pa.date32()),
    datetime.time: _pack_as(pa.time64("us"), _is_naive),
    datetime.datetime: _pack_as(pa.timestamp("us"), _is_naive),
    datetime.timedelta: _pack_as(pa.duration("us"), lambda cell: abs(cell.days) < MAX_DAYS),
    decimal.Decimal: _pack_decimals,
    uuid.UUID: _pack_uuids,
    list: _pack_lists,
    tuple: _pack_lists,
    np.ndarray: _pack_arrays,
    dict: _pack_dicts,
}

# ---------------------------------------------------------------------------------------------------------- unpacking


def _unpack_values(column: pa.ChunkedArray, _: Description) -> Any:
    return _objects(column.to_pylist())


def _unpack_text(column: pa.ChunkedArray, _: Description) -> Any:
    cells = column.to_numpy()
    return cells if len(cells) else cells.astype(object)


def _unpack_floats(column: pa.ChunkedArray, description: Description) -> Any:
    if description["missing"] in (None, "nan"):
        return restore_floats(column, description).astype(object)
    cells = column.fill_null(0.0).to_numpy().astype(object)
    cells[column.is_null().to_numpy()] = None
    return cells


def _unpack_dates(column: pa.ChunkedArray, _: Description) -> Any:
    return np.array(column.to_pandas(date_as_object=True), dtype=object)


def _unpack_uuids(column: pa.ChunkedArray, _: Description) -> Any:
    storage = [cell for chunk in column.chunks for cell in getattr(chunk, "storage", chunk).to_pylist()]
    return _objects([None if cell is None else uuid.UUID(bytes=cell) for cell in storage])


def _flat(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, Any]:
    """Return the items of all lists, and how many items each row has, -1 for a null."""
    chunks = [chunk.flatten() for chunk in column.chunks]
    counts = pc.list_value_length(column).fill_null(-1).to_numpy()
    return pa.chunked_array(chunks, column.type.value_type), counts


def _split(items: Any, counts: Any, make: Callable[[Any], Any]) -> Any:
    cells, begin = np.empty(len(counts), dtype=object), 0
    for place, count in enumerate(counts.tolist()):
        if count >= 0:
            cells[place] = make(items[begin : begin + count])
            begin += count
    return cells


def _unpack_lists(column: pa.ChunkedArray, description: Description) -> Any:
    items, counts = _flat(column)
    make = list if description["cells"] == "list" else tuple
    return _split(restore_cells(items, description["items"]).tolist(), counts, make)


def _unpack_arrays(column: pa.ChunkedArray, description: Description) -> Any:
    items, counts = _flat(column)
    values = items.to_numpy().astype(np.dtype(description["dtype"]), copy=False)
    return _split(values, counts, np.array)


def _unpack_dicts(column: pa.ChunkedArray, description: Description) -> Any:
    there = column.drop_null()
    names = [field.name for field in column.type]
    parts = [
        restore_cells(pa.chunked_array([chunk.field(place) for chunk in there.chunks], field.type), described).tolist()
        for place, (field, described) in enumerate(zip(column.type, description["fields"], strict=True))
    ]
    made = _objects([dict(zip(names, values, strict=True)) for values in zip(*parts, strict=True)])
    cells = np.empty(len(column), dtype=object)
    cells[column.is_valid().to_numpy()] = made
    return cells


_UNPACK: dict[str, Callable[[pa.ChunkedArray, Description], Any]] = {
    "str": _unpack_text,
    "bytes": _unpack_text,
    **dict.fromkeys(("bool", "int", "time", "datetime", "timedelta", "Decimal"), _unpack_values),
    "float": _unpack_floats,
    "date": _unpack_dates,
    "UUID": _unpack_uuids,
    "list": _unpack_lists,
    "tuple": _unpack_lists,
    "ndarray": _unpack_arrays,
    "dict": _unpack_dicts,
}
