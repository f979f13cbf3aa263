"""How each dtype of a column or an index level is described in a file's footer, and restored from it.

A description is a small JSON object. Its `form` names the row of the table that restores it:

========== ================================ ============================================================
form       further keys                     stands for
========== ================================ ============================================================
numpy      dtype                            `int64`, `float32`, `bool`, `datetime64[s]`, `timedelta64[ns]`
extension  dtype                            `Int64`, `boolean`, `period[M]`, `interval[int64, right]`
string     storage, missing                 pandas' string dtypes: `str` and `string`, in Python or Arrow
zoned      unit, zone: [kind, value]        datetimes in a time zone
category   ordered, labels, name[, values]  categories of text; values only where there are no rows
arrow      dtype                            `pandas.ArrowDtype`
object     cells, missing                   text, bytes or dates as Python objects
========== ================================ ============================================================

`missing` is the kind of missing value, one of `None`, `nan`, `NA`, `NaT`, or null where there is none. What
has no description is refused by `Refusal`, whose text is the reason.

This module imports pandas and pyarrow, so `runfolio.frames` imports it only when a frame is at hand.
"""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.api.types import infer_dtype, pandas_dtype

__all__ = ["Refusal", "describe", "restore"]

Description: TypeAlias = dict[str, Any]

MISSING: dict[str, Any] = {"None": None, "nan": np.nan, "NA": pd.NA, "NaT": pd.NaT}
MISSING_TYPES = {type(value): kind for kind, value in MISSING.items()}


class Refusal(Exception):
    """The values would not come back exactly, for the reason that is its text; users see a DataError."""


class CellType(NamedTuple):
    """A type of cell that object columns may hold: pandas' word for it, and the missing kinds beside it."""

    inferred: str
    missing: frozenset[str]


CELL_TYPES: dict[type, CellType] = {
    str: CellType("string", frozenset({"None", "nan", "NA"})),
    bytes: CellType("bytes", frozenset({"None"})),
    datetime.date: CellType("date", frozenset({"None"})),
}

NUMPY_DTYPES = frozenset(
    np.dtype(name)
    for name in (
        *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64"),
        *(f"{kind}64[{unit}]" for kind in ("datetime", "timedelta") for unit in ("s", "ms", "us", "ns")),
    )
)

INTERVAL_DTYPES = frozenset(np.dtype(name) for name in ("int64", "float64", "datetime64[ns]", "datetime64[us]"))

# Each of these comes out of Parquet as the type it went in; time32, date64 and timestamp[s] change their unit.
ARROW_TYPES: tuple[Callable[[Any], bool], ...] = (
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_date32,
    pa.types.is_decimal128,
    pa.types.is_duration,
    lambda kind: pa.types.is_timestamp(kind) and kind.unit != "s",
)


def describe(values: Any) -> Description:
    """Return how to restore these values (a Series or an Index) exactly, or raise `Refusal`.

    >>> describe(pd.Series([1, 2], dtype="int8"))
    {'form': 'numpy', 'dtype': 'int8'}
    >>> describe(pd.Series(["a", None], dtype=object))
    {'form': 'object', 'cells': 'str', 'missing': 'None'}
    """
    dtype = values.dtype
    if isinstance(dtype, np.dtype):
        return _describe_object(values) if dtype.kind == "O" else _describe_numpy(values)
    family = DESCRIBE.get(type(dtype))
    if family is None:
        raise Refusal(f"dtype {dtype} has no exact form in Parquet")
    return family(values)


def restore(column: pa.ChunkedArray, description: Description) -> Any:
    """Return the NumPy or pandas array that a column of a file stands for.

    >>> column = pa.chunked_array([["a", None]])
    >>> restore(column, {"form": "object", "cells": "str", "missing": "nan"})
    array(['a', nan], dtype=object)
    """
    return RESTORE[description["form"]](column, description)


def _describe_numpy(values: Any) -> Description:
    dtype = values.dtype
    if dtype not in NUMPY_DTYPES:
        order = "" if dtype.isnative else " in foreign byte order"
        raise Refusal(f"dtype {dtype}{order} has no exact form in Parquet")
    if dtype == "datetime64[s]":
        _refuse_far_seconds(values.to_numpy().view("int64"))
    return {"form": "numpy", "dtype": dtype.name}


def _refuse_far_seconds(seconds: Any) -> None:
    """Parquet has no unit of seconds, so they are stored as milliseconds, which end sooner."""
    limit = (2**63 - 1) // 1000 - 1  # one less, as NumPy's cast back overflows at the lower end
    far = (np.abs(seconds) > limit) & (seconds != np.iinfo("int64").min)  # which stands for NaT
    if far.any():
        raise Refusal(f"row {int(far.argmax())} holds a time beyond the milliseconds that Parquet can count")


def _restore_numpy(column: pa.ChunkedArray, description: Description) -> Any:
    return column.to_numpy().astype(description["dtype"], copy=False)


def _describe_object(values: Any) -> Description:
    cells = values.to_numpy()
    types = set(map(type, cells))
    missing = types & MISSING_TYPES.keys()
    present = types - missing
    inferred = infer_dtype(cells, skipna=True) if float in missing else ""
    if float in missing and inferred != (_inferred(present) if present else "empty"):
        raise Refusal(_mixture(types))  # floats that are numbers, not only NaN
    if len(missing) > 1:
        kinds = " and ".join(sorted(MISSING_TYPES[kind] for kind in missing))
        raise Refusal(f"cells hold two or more kinds of missing value, {kinds}; use one")
    kind = MISSING_TYPES[missing.pop()] if missing else None
    if not present:
        return {"form": "object", "cells": None, "missing": kind}
    cell = present.pop()
    if present or cell not in CELL_TYPES:
        raise Refusal(_mixture(types))
    if kind is not None and kind not in CELL_TYPES[cell].missing:
        raise Refusal(f"cells of type {cell.__name__} beside {kind} as the missing value")
    return {"form": "object", "cells": cell.__name__, "missing": kind}


def _inferred(present: set[type]) -> str:
    """Return what pandas calls cells of these types; no word of its own for a mixture."""
    found = [CELL_TYPES[cell].inferred for cell in present if cell in CELL_TYPES]
    return found[0] if len(found) == len(present) == 1 else "none of them"


def _mixture(types: set[type]) -> str:
    return f"object cells of type {' and '.join(sorted(map(_type_name, types)))}"


def _type_name(kind: type) -> str:
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _restore_object(column: pa.ChunkedArray, description: Description) -> Any:
    missing = MISSING[description["missing"] or "None"]
    if description["cells"] is None:
        return np.full(len(column), missing, dtype=object)
    if description["cells"] == "date":
        cells = column.to_pandas(date_as_object=True).to_numpy(dtype=object)
    else:
        cells = column.to_numpy()
    if missing is not None and column.null_count:
        cells[column.is_null().to_numpy()] = missing
    return cells


def _describe_extension(values: Any) -> Description:
    return {"form": "extension", "dtype": str(values.dtype)}


def _describe_float(values: Any) -> Description:
    if np.isnan(values.array.to_numpy(dtype=values.dtype.numpy_dtype, na_value=0)).any():
        raise Refusal("NaN beside NA, which become one in Parquet; use one of them")
    return _describe_extension(values)


def _describe_period(values: Any) -> Description:
    if type(values.dtype.freq) is pd.offsets.BDay:  # deprecated: pandas warns when it makes one again
        raise Refusal("periods of business days, which pandas is about to remove")
    return _describe_extension(values)


def _describe_interval(values: Any) -> Description:
    if values.dtype.subtype not in INTERVAL_DTYPES:
        raise Refusal(f"intervals of {values.dtype.subtype}")
    return _describe_extension(values)


def _restore_extension(column: pa.ChunkedArray, description: Description) -> Any:
    dtype: Any = pandas_dtype(description["dtype"])
    return dtype.__from_arrow__(_storage(column))


def _storage(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Unwrap pandas' extension types, which exist only in a process that has made one before."""
    if not isinstance(column.type, pa.BaseExtensionType):
        return column
    return pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)


def _describe_string(values: Any) -> Description:
    dtype = values.dtype
    # Only Python storage can hold a subclass of str. `pandas.arrays.StringArray` is that, whatever its dtype says.
    if not isinstance(values.array, pd.arrays.ArrowStringArray):
        odd = set(map(type, values.to_numpy(dtype=object))) - {str, type(dtype.na_value)}
        if odd:
            raise Refusal(f"{dtype} cells of type {' and '.join(sorted(map(_type_name, odd)))}")
    return {"form": "string", "storage": dtype.storage, "missing": MISSING_TYPES[type(dtype.na_value)]}


def _restore_string(column: pa.ChunkedArray, description: Description) -> Any:
    dtype: Any = pd.StringDtype(description["storage"], na_value=MISSING[description["missing"]])
    if dtype.storage == "python":  # pandas 2.3's __from_arrow__ makes an array of another class where nan is missing
        return pd.array(column.to_numpy(), dtype=dtype)
    return dtype.__from_arrow__(column.cast(pa.large_string()))


def _describe_zoned(values: Any) -> Description:
    dtype = values.dtype
    if dtype.unit == "s":
        _refuse_far_seconds(values.array.asi8)
    return {"form": "zoned", "unit": dtype.unit, "zone": _describe_zone(dtype.tz)}


def _describe_zone(zone: Any) -> list[Any]:
    library = type(zone).__module__.partition(".")[0]
    found: list[Any]
    if type(zone) is datetime.timezone:
        found = ["timezone", zone.utcoffset(None).total_seconds()]
    elif type(zone) is zoneinfo.ZoneInfo:
        found = ["zoneinfo", zone.key]
    elif library == "pytz" and zone.zone is not None:
        found = ["pytz", zone.zone]
    elif library == "pytz":
        found = ["pytz", zone.utcoffset(None).total_seconds()]
    else:
        raise Refusal(f"time zone {zone!r}; use one of zoneinfo or datetime.timezone")
    fraction = found[1] % 60 if isinstance(found[1], float) else 0
    # Names of offsets and zones read from files have no place in Parquet: they show in the repr.
    if found[1] is None or fraction or repr(_restore_zone(*found)) != repr(zone):
        raise Refusal(f"time zone {zone!r}, which Parquet can't name; use one with a key, or whole minutes")
    return found


def _restore_zone(kind: str, value: Any) -> datetime.tzinfo:
    if kind == "pytz" and find_spec("pytz") is not None:  # pandas 3 doesn't need pytz, so it may be missing
        import pytz  # type: ignore[import-untyped,unused-ignore]  # noqa: PLC0415

        zone = pytz.timezone(value) if isinstance(value, str) else pytz.FixedOffset(value / 60)
        return zone  # type: ignore[no-any-return]
    if isinstance(value, str):
        return zoneinfo.ZoneInfo(value)
    return datetime.timezone(datetime.timedelta(seconds=value))


def _restore_zoned(column: pa.ChunkedArray, description: Description) -> Any:
    dtype: Any = pd.DatetimeTZDtype(description["unit"], _restore_zone(*description["zone"]))
    return dtype.__from_arrow__(column)


def _describe_category(values: Any) -> Description:
    dtype = values.dtype
    categories = dtype.categories
    if len(categories) and not (categories.dtype == object or isinstance(categories.dtype, pd.StringDtype)):
        raise Refusal(f"categories of {categories.dtype}, not of text")
    try:
        labels = describe(categories)
    except Refusal as refusal:
        raise Refusal(f"categories: {refusal}") from None
    if labels.get("cells") not in (None, "str"):
        raise Refusal(f"categories of {labels['cells']}, not of text")
    if categories.name is not None and type(categories.name) is not str:
        raise Refusal(f"categories whose own name is {_type_name(type(categories.name))}, not str")
    found = {"form": "category", "ordered": bool(dtype.ordered), "labels": labels, "name": categories.name}
    # Parquet keeps the order and unused categories in a dictionary, which a column without rows doesn't have.
    return found if len(values) and len(categories) else {**found, "values": list(categories)}


def _restore_category(column: pa.ChunkedArray, description: Description) -> Any:
    if "values" in description:
        labels, codes = pa.array(description["values"], pa.string()), np.full(len(column), -1)
    else:
        whole = column.unify_dictionaries().combine_chunks()
        labels, codes = whole.dictionary, whole.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    values = restore(pa.chunked_array([labels]), description["labels"])
    categories = pd.Index(values, dtype=values.dtype, name=description["name"])
    return pd.Categorical.from_codes(codes, dtype=pd.CategoricalDtype(categories, description["ordered"]))


def _describe_arrow(values: Any) -> Description:
    kind = values.dtype.pyarrow_dtype
    if not any(accepts(kind) for accepts in ARROW_TYPES):
        raise Refusal(f"Arrow type {kind} does not come back from Parquet as it was")
    return {"form": "arrow", "dtype": str(kind)}


def _restore_arrow(column: pa.ChunkedArray, _: Description) -> Any:
    dtype: Any = pd.ArrowDtype(column.type)
    return dtype.__from_arrow__(column)


DESCRIBE: dict[type, Callable[[Any], Description]] = {
    **{
        type(pandas_dtype(f"{name}{bits}")): _describe_extension for name in ("Int", "UInt") for bits in (8, 16, 32, 64)
    },
    pd.BooleanDtype: _describe_extension,
    pd.Float32Dtype: _describe_float,
    pd.Float64Dtype: _describe_float,
    pd.PeriodDtype: _describe_period,
    pd.IntervalDtype: _describe_interval,
    pd.StringDtype: _describe_string,
    pd.DatetimeTZDtype: _describe_zoned,
    pd.CategoricalDtype: _describe_category,
    pd.ArrowDtype: _describe_arrow,
}

RESTORE: dict[str, Callable[[pa.ChunkedArray, Description], Any]] = {
    "numpy": _restore_numpy,
    "extension": _restore_extension,
    "string": _restore_string,
    "zoned": _restore_zoned,
    "category": _restore_category,
    "arrow": _restore_arrow,
    "object": _restore_object,
}
