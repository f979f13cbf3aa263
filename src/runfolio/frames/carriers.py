"""Carriers: a column or an index level as Arrow values that Parquet holds exactly, and back.

A description is that of the dtype (`dtypes`, `labels`) with what restoring the values takes beside it:

=========== ===================================================================================================
form        Arrow values
=========== ===================================================================================================
numpy       as they are; seconds as milliseconds or, beyond these, int64; complex numbers as {re, im}
object      as in `objects`, with `cells`, `missing` and more
masked      as they are; NaN is no null
string      large_string
zoned       timestamps in the zone, or in UTC if Arrow has no name for it
period      their ordinals
interval    {left, right}, each as `side` describes it
sparse      all values, as `values` describes them; `index` is the kind of its index
category    the values; text as a dictionary
arrow       as they are; what Parquet has not as its like
json        tagged JSON, with `missing`; `dtype` describes what is no column of objects
=========== ===================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from runfolio.frames.arrow import carry_arrow, restore_arrow
from runfolio.frames.categories import codes_of, is_dictionary
from runfolio.frames.dtypes import MISSING_KINDS, Description, describe_dtype, restore_dtype
from runfolio.frames.floats import carry_floats, restore_floats
from runfolio.frames.labels import describe_categories, restore_categories
from runfolio.frames.objects import Carrier, carry_cells, carry_json, restore_cells, restore_json
from runfolio.frames.refusal import Refusal, type_name

__all__ = ["Carrier", "carry", "restore_values"]


def carry(values: Any) -> Carrier:
    """Carry a Series or an Index, or raise `Refusal`.

    >>> carry(pd.Series([1, 2], dtype="int8")).description
    {'form': 'numpy', 'dtype': 'int8'}
    >>> carry(pd.Series(["a", 1], dtype=object)).description
    {'form': 'json', 'missing': None}
    """
    dtype = values.dtype
    if isinstance(dtype, np.dtype):
        return carry_cells(values.to_numpy()) if dtype.kind == "O" else _carry_numpy(values.to_numpy())
    if isinstance(dtype, pd.CategoricalDtype):
        return _carry_category(values.array)
    description = describe_dtype(dtype)
    return _CARRY[description["form"]](values.array, description)


def restore_values(column: pa.ChunkedArray, description: Description) -> Any:
    """Return the NumPy or pandas array that a column of a file stands for.

    >>> restore_values(pa.chunked_array([[1, 2]]), {"form": "numpy", "dtype": "int8"})
    array([1, 2], dtype=int8)
    """
    return RESTORE[description["form"]](column, description)


def _chunked(array: Any) -> pa.ChunkedArray:
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


def _as_json(cells: Any, description: Description) -> Carrier:
    carrier = carry_json(cells, None)
    return Carrier(carrier.array, {**carrier.description, "dtype": description})


# -------------------------------------------------------------------------------------------------------------- NumPy


def _carry_numpy(values: Any) -> Carrier:
    description = describe_dtype(values.dtype)
    native = values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))
    kind = native.dtype.kind
    if native.dtype in (np.longdouble, np.clongdouble):
        return _as_json(_scalars(native), description)
    if kind == "f":
        array, more = carry_floats(native)
        return Carrier(array, {**description, **more})
    if kind == "c":
        sides = [pa.array(np.ascontiguousarray(side), from_pandas=False) for side in (native.real, native.imag)]
        return Carrier(pa.StructArray.from_arrays(sides, ["re", "im"]), description)
    if native.dtype == "datetime64[s]":
        return Carrier(_carry_seconds(native), description)
    return Carrier(pa.array(native, from_pandas=True), description)


def _scalars(values: Any) -> Any:
    cells = np.empty(len(values), dtype=object)
    for place in range(len(values)):
        cells[place] = values[place]
    return cells


def _carry_seconds(values: Any) -> pa.Array:
    """Parquet has no unit of seconds, and milliseconds end sooner; what is beyond them are seconds as integers."""
    seconds = values.view("int64")
    limit = (2**63 - 1) // 1000 - 1  # one less, as NumPy's cast back overflows at the lower end
    missing = np.isnat(values)
    if (((seconds > limit) | (seconds < -limit)) & ~missing).any():
        return pa.array(seconds, mask=missing)
    return pa.array(values.astype("datetime64[ms]"), from_pandas=True)


def _restore_numpy(column: pa.ChunkedArray, description: Description) -> Any:
    dtype = restore_dtype(description)
    if dtype.kind == "f":
        return restore_floats(column, description).astype(dtype, copy=False)
    if dtype.kind == "c":
        return _restore_complex(column, dtype)
    if dtype.kind == "M" and pa.types.is_integer(column.type):
        return column.fill_null(np.iinfo("int64").min).to_numpy().view(dtype)
    return column.to_numpy().astype(dtype, copy=False)


def _restore_complex(column: pa.ChunkedArray, dtype: Any) -> Any:
    values = np.empty(len(column), dtype.newbyteorder("="))
    flat = column.combine_chunks() if column.num_chunks else pa.array([], column.type)
    chunks = flat.chunks if isinstance(flat, pa.ChunkedArray) else [flat]
    begin = 0
    for chunk in chunks:
        part = values[begin : begin + len(chunk)]
        part.real, part.imag = (chunk.field(place).to_numpy(zero_copy_only=False) for place in (0, 1))
        begin += len(chunk)
    return values.astype(dtype, copy=False)


# ---------------------------------------------------------------------------------------------------------- extensions


def _carry_masked(values: Any, description: Description) -> Carrier:
    return Carrier(pa.array(values._data, mask=values._mask, from_pandas=False), description)


def _restore_masked(column: pa.ChunkedArray, description: Description) -> Any:
    dtype = restore_dtype(description)
    mask = column.is_null().to_numpy().copy()
    filled = column.fill_null(pa.scalar(1, pa.int8()).cast(column.type)) if column.null_count else column
    return dtype.construct_array_type()(filled.to_numpy().copy(), mask)


def _carry_string(values: Any, description: Description) -> Carrier:
    if isinstance(values, pd.arrays.ArrowStringArray):
        array: Any = pa.array(values)
        return Carrier(array if pa.types.is_large_string(array.type) else array.cast(pa.large_string()), description)
    # Only Python storage can hold a subclass of str. `pandas.arrays.StringArray` is that, whatever its dtype says.
    cells = values.to_numpy(dtype=object)
    odd = set(map(type, cells)) - {str, type(values.dtype.na_value)}
    if odd:
        raise Refusal(f"{values.dtype} cells of type {' and '.join(sorted(map(type_name, odd)))}")
    try:
        return Carrier(pa.array(cells, pa.large_string(), from_pandas=True), description)
    except UnicodeEncodeError:
        carrier = carry_json(cells, MISSING_KINDS[type(values.dtype.na_value)])
        return Carrier(carrier.array, {**carrier.description, "dtype": description})


def _restore_string(column: pa.ChunkedArray, description: Description) -> Any:
    dtype = restore_dtype(description)
    if dtype.storage == "python":  # pandas 2.3's __from_arrow__ makes an array of another class where nan is missing
        return pd.array(column.to_numpy(), dtype=dtype)
    return dtype.__from_arrow__(column.cast(pa.large_string()))


def _carry_zoned(values: Any, description: Description) -> Carrier:
    from runfolio.frames.zones import arrow_zone  # noqa: PLC0415

    unit = description["unit"]
    naive = values.asi8.view(f"M8[{unit}]")
    array = _carry_seconds(naive) if unit == "s" else pa.array(naive, from_pandas=True)
    if pa.types.is_timestamp(array.type):
        array = array.cast(pa.timestamp(array.type.unit, arrow_zone(description["zone"])))
    return Carrier(array, description)


def _restore_zoned(column: pa.ChunkedArray, description: Description) -> Any:
    dtype = restore_dtype(description)
    stamps = column.cast(pa.int64()).fill_null(np.iinfo("int64").min).to_numpy()
    unit = column.type.unit if pa.types.is_timestamp(column.type) else "s"
    naive = stamps.view(f"M8[{unit}]").astype(f"M8[{description['unit']}]")
    return pd.DatetimeIndex(naive).tz_localize("UTC").tz_convert(dtype.tz).array


def _carry_period(values: Any, description: Description) -> Carrier:
    return Carrier(pa.array(values.asi8, mask=values.isna()), description)


def _restore_period(column: pa.ChunkedArray, description: Description) -> Any:
    ordinals = column.fill_null(np.iinfo("int64").min).to_numpy().copy()
    return pd.arrays.PeriodArray(ordinals, dtype=restore_dtype(description))


def _carry_interval(values: Any, description: Description) -> Carrier:
    sides = [carry(side) for side in (values.left, values.right)]
    if sides[0].description != sides[1].description or sides[0].array.type != sides[1].array.type:
        raise Refusal(f"intervals of {values.dtype.subtype} whose sides differ in form")
    arrays = [side.array.combine_chunks() if isinstance(side.array, pa.ChunkedArray) else side.array for side in sides]
    missing = values.isna()
    mask = pa.array(missing) if missing.any() else None
    array = pa.StructArray.from_arrays(arrays, ["left", "right"], mask=mask)
    return Carrier(array, {**description, "side": sides[0].description})


def _restore_interval(column: pa.ChunkedArray, description: Description) -> Any:
    parts = [chunk.flatten() for chunk in column.chunks]
    sides = [
        restore_values(pa.chunked_array([part[place] for part in parts], column.type.field(place).type), described)
        for place, described in enumerate([description["side"]] * 2)
    ]
    left, right = (pd.Index(side, dtype=side.dtype) for side in sides)
    return pd.arrays.IntervalArray.from_arrays(left, right, closed=description["closed"])


def _carry_sparse(values: Any, description: Description) -> Carrier:
    dense = carry(pd.Series(np.asarray(values), dtype=values.dtype.subtype))
    described = {**description, "values": dense.description, "index": values.kind}
    if dense.description["form"] == "json":
        return Carrier(dense.array, {**dense.description, "dtype": described})
    return Carrier(dense.array, described)


def _restore_sparse(column: pa.ChunkedArray, description: Description) -> Any:
    from runfolio.frames import tagged  # noqa: PLC0415

    dense = restore_values(column, description["values"])
    dtype = pd.SparseDtype(dense.dtype, tagged.untag(description["fill"]))
    return pd.arrays.SparseArray(dense, dtype=dtype, kind=description["index"])


# ---------------------------------------------------------------------------------------------------------- categories


def _carry_category(values: Any) -> Carrier:
    description = describe_categories(values.dtype)
    labels, codes = carry(values.categories), np.asarray(values.codes, "int32")
    missing = codes < 0
    places = pa.array(codes, mask=missing if missing.any() else None)
    flat = labels.array.combine_chunks() if isinstance(labels.array, pa.ChunkedArray) else labels.array
    if is_dictionary(labels.description, flat):
        return Carrier(pa.DictionaryArray.from_arrays(places, flat, ordered=bool(values.ordered)), description)
    if labels.description["form"] == "json":
        taken = flat.take(places)
        return Carrier(taken, {"form": "json", "missing": "nan", "dtype": description})
    return Carrier(flat.take(places), {**description, "values": labels.description})


def _restore_category(column: pa.ChunkedArray, description: Description) -> Any:
    dtype = restore_categories(description)
    labels = _chunked(carry(dtype.categories).array).combine_chunks()
    values = None if "values" not in description else restore_values(column.drop_null(), description["values"])
    return pd.Categorical.from_codes(codes_of(column, labels, values, dtype.categories), dtype=dtype)


# ---------------------------------------------------------------------------------------------------------------- JSON


def _restore_json(column: pa.ChunkedArray, description: Description) -> Any:
    described = description.get("dtype")
    if described is None:
        return restore_json(column, description)
    if described["form"] in ("category", "sparse"):
        return RESTORE[described["form"]](column, described)
    cells, dtype = restore_json(column, description), restore_dtype(described)
    return pd.array(cells, dtype=dtype) if not isinstance(dtype, np.dtype) else np.array(list(cells), dtype=dtype)


_CARRY: dict[str, Callable[[Any, Description], Carrier]] = {
    "masked": _carry_masked,
    "string": _carry_string,
    "zoned": _carry_zoned,
    "period": _carry_period,
    "interval": _carry_interval,
    "sparse": _carry_sparse,
    "arrow": lambda values, description: Carrier(carry_arrow(values, description), description),
}

RESTORE: dict[str, Callable[[pa.ChunkedArray, Description], Any]] = {
    "numpy": _restore_numpy,
    "object": restore_cells,
    "masked": _restore_masked,
    "string": _restore_string,
    "zoned": _restore_zoned,
    "period": _restore_period,
    "interval": _restore_interval,
    "sparse": _restore_sparse,
    "category": _restore_category,
    "arrow": lambda column, description: restore_arrow(column, restore_dtype(description)),
    "json": _restore_json,
}
