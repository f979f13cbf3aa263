"""Floats: a NaN is a null in the file, unless NaNs of more than one kind stand in the column.

Other tools take nulls for what is missing and NaN for a number, and pandas' NaN means the former. The bits of the one
kind of NaN are in the description where they are not the usual ones (`nan`, as hex digits); where there are several,
none is a null.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

__all__ = ["carry_floats", "restore_floats"]


def carry_floats(values: Any) -> tuple[pa.Array, dict[str, Any]]:
    """Return the Arrow array of native floats, and what `restore_floats` must be told to restore them.

    >>> carry_floats(np.array([1.5, np.nan]))[0].null_count, carry_floats(np.array([0.0, -np.nan]))[1]
    (1, {'nan': 'fff8000000000000'})
    """
    array = pa.array(values, from_pandas=True)
    if not array.null_count:
        return array, {}
    bits = _bits(values, values.dtype)[np.isnan(values)]
    if (bits != bits[0]).any():
        return pa.array(values, from_pandas=False), {}
    usual = _bits(np.array([np.nan], values.dtype), values.dtype)[0]
    return array, {} if bits[0] == usual else {"nan": f"{int(bits[0]):0{values.itemsize * 2}x}"}


def restore_floats(column: pa.ChunkedArray, description: dict[str, Any]) -> Any:
    """Return the NumPy array of floats."""
    values = column.to_numpy()
    dtype = np.dtype(column.type.to_pandas_dtype())
    if column.null_count and ("nan" in description or dtype == np.float16):  # of which NaN comes with other bits
        values = values.astype(dtype)
        unsigned = f"uint{dtype.itemsize * 8}"
        nan = int(description["nan"], 16) if "nan" in description else _bits(np.array([np.nan], dtype), dtype)[0]
        values.view(unsigned)[column.is_null().to_numpy()] = np.array(nan, unsigned)
    return values


def _bits(values: Any, dtype: Any) -> Any:
    return np.ascontiguousarray(values).view(f"uint{dtype.itemsize * 8}")
