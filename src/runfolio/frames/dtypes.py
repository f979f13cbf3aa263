"""How a dtype is described in a file's footer, and made again from it.

A description is a small JSON object. Its `form` names the row of the table that makes the dtype:

========== ================================ ============================================================
form       further keys                     stands for
========== ================================ ============================================================
numpy      dtype                            `int64`, `float32`, `datetime64[s]`; `>i8` in foreign order
object                                      Python objects
masked     dtype                            `Int64`, `Float32`, `boolean`
string     storage, missing                 pandas' string dtypes: `str` and `string`, in Python or Arrow
zoned      unit, zone: [kind, value]        datetimes in a time zone
period     freq                             periods
interval   closed, side: description        intervals of any dtype
sparse     values: description, fill, index `pandas.SparseDtype`
arrow      type, schema                     `pandas.ArrowDtype`: type as text, and as a schema in base64
========== ================================ ============================================================

Categories are described in `labels`, as their labels are part of the dtype. This module imports pandas and pyarrow,
so `runfolio.frames` imports it only when a frame is at hand.
"""

from __future__ import annotations

import base64
import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.api.types import pandas_dtype

from runfolio.frames import tagged
from runfolio.frames.refusal import Refusal
from runfolio.frames.zones import describe_zone, restore_zone

__all__ = ["MISSING", "MISSING_KINDS", "Description", "Refusal", "describe_dtype", "restore_dtype"]

Description: TypeAlias = dict[str, Any]

MISSING: dict[str, Any] = {"None": None, "nan": np.nan, "NA": pd.NA, "NaT": pd.NaT}
MISSING_KINDS = {type(value): kind for kind, value in MISSING.items()}

MASKED = {
    *(f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)),
    *("Float32", "Float64", "boolean"),
}

NUMPY_DTYPES = frozenset(
    {
        *(np.dtype(f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)),
        *map(np.dtype, ("bool", "float16", "float32", "float64", "longdouble")),
        *map(np.dtype, ("complex64", "complex128", "clongdouble")),
        *(np.dtype(f"{kind}64[{unit}]") for kind in ("datetime", "timedelta") for unit in ("s", "ms", "us", "ns")),
    }
)


def describe_dtype(dtype: Any) -> Description:
    """Return how to make the dtype again, or raise `Refusal`.

    >>> describe_dtype(np.dtype("int8")), describe_dtype(pd.PeriodDtype("M"))
    ({'form': 'numpy', 'dtype': 'int8'}, {'form': 'period', 'freq': 'M'})
    """
    if isinstance(dtype, np.dtype):
        return _describe_numpy(dtype)
    if type(dtype) in _MASKED_TYPES:
        return {"form": "masked", "dtype": dtype.name}
    family = _DESCRIBE.get(type(dtype))
    if family is None:
        raise Refusal(f"dtype {dtype} has no exact form in Parquet")
    return family(dtype)


def restore_dtype(description: Description) -> Any:
    """Return the dtype that a footer describes.

    >>> restore_dtype({"form": "masked", "dtype": "Int64"})
    Int64Dtype()
    """
    return _RESTORE[description["form"]](description)


def _describe_numpy(dtype: np.dtype[Any]) -> Description:
    if dtype.kind == "O":
        return {"form": "object"}
    if dtype.newbyteorder("=") not in NUMPY_DTYPES:
        raise Refusal(f"dtype {dtype} has no exact form in Parquet")
    return {"form": "numpy", "dtype": dtype.name if dtype.isnative else dtype.str}


def _restore_numpy(description: Description) -> np.dtype[Any]:
    dtype = np.dtype(description["dtype"])
    if dtype.newbyteorder("=") not in NUMPY_DTYPES:
        raise ValueError(f"no dtype of a column: {dtype}")
    return dtype


def _restore_masked(description: Description) -> Any:
    if description["dtype"] not in MASKED:
        raise ValueError(f"no nullable dtype: {description['dtype']!r}")
    return pandas_dtype(description["dtype"])


def _describe_string(dtype: Any) -> Description:
    return {"form": "string", "storage": dtype.storage, "missing": MISSING_KINDS[type(dtype.na_value)]}


def _restore_string(description: Description) -> Any:
    return pd.StringDtype(description["storage"], na_value=MISSING[description["missing"]])


def _describe_zoned(dtype: Any) -> Description:
    return {"form": "zoned", "unit": dtype.unit, "zone": describe_zone(dtype.tz)}


def _restore_zoned(description: Description) -> Any:
    return pd.DatetimeTZDtype(description["unit"], restore_zone(description["zone"]))


def _describe_period(dtype: Any) -> Description:
    found = {"form": "period", "freq": str(dtype)[len("period[") : -1]}
    if _restore_period(found) != dtype:
        raise Refusal(f"periods of {dtype.freq!r}, which its text does not tell")
    return found


def _restore_period(description: Description) -> Any:
    if description["freq"] != "B":
        return pd.PeriodDtype(description["freq"])
    with warnings.catch_warnings():  # those of business days are deprecated
        warnings.simplefilter("ignore", FutureWarning)
        return pd.PeriodDtype("B")


def _describe_interval(dtype: Any) -> Description:
    if dtype.subtype is None:
        raise Refusal("intervals of no dtype")
    return {"form": "interval", "closed": dtype.closed, "side": describe_dtype(dtype.subtype)}


def _restore_interval(description: Description) -> Any:
    return pd.IntervalDtype(restore_dtype(description["side"]), description["closed"])


def _describe_sparse(dtype: Any) -> Description:
    values = describe_dtype(dtype.subtype)
    return {"form": "sparse", "values": values, "fill": tagged.tag(dtype.fill_value)}


def _restore_sparse(description: Description) -> Any:
    return pd.SparseDtype(restore_dtype(description["values"]), tagged.untag(description["fill"]))


def _describe_arrow(dtype: Any) -> Description:
    kind = dtype.pyarrow_dtype
    schema = pa.schema([pa.field("", kind)]).serialize().to_pybytes()
    return {"form": "arrow", "type": str(kind), "schema": base64.b64encode(schema).decode("ascii")}


def _restore_arrow(description: Description) -> Any:
    schema = base64.b64decode(description["schema"], validate=True)
    return pd.ArrowDtype(pa.ipc.read_schema(pa.py_buffer(schema)).field(0).type)


_MASKED_TYPES = {type(pandas_dtype(name)) for name in MASKED}

_DESCRIBE: dict[type, Callable[[Any], Description]] = {
    pd.StringDtype: _describe_string,
    pd.DatetimeTZDtype: _describe_zoned,
    pd.PeriodDtype: _describe_period,
    pd.IntervalDtype: _describe_interval,
    pd.SparseDtype: _describe_sparse,
    pd.ArrowDtype: _describe_arrow,
}

_RESTORE: dict[str, Callable[[Description], Any]] = {
    "numpy": _restore_numpy,
    "object": lambda _: np.dtype(object),
    "masked": _restore_masked,
    "string": _restore_string,
    "zoned": _restore_zoned,
    "period": _restore_period,
    "interval": _restore_interval,
    "sparse": _restore_sparse,
    "arrow": _restore_arrow,
}
