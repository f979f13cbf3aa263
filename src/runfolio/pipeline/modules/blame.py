"""Which option a reader failed at: one that names a column that the file lacks, or a dtype that a value is not of."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api import types

from runfolio.errors import InputError
from runfolio.pipeline.modules import casts
from runfolio.pipeline.modules.tables import nearest

_NAMING = ("usecols", "columns", "parse_dates", "index_col")
_LAYOUT = (
    *("sep", "delimiter", "dialect", "header", "names", "skiprows", "skipinitialspace", "comment", "sheet_name"),
    *("encoding", "compression", "quotechar", "quoting", "doublequote", "escapechar", "lineterminator"),
)
"""Options that say where a file's column labels stand."""

_SPELLING = ("decimal", "thousands", "true_values", "false_values", "converters")
"""Options by which other texts are numbers than those that `casts` knows."""


def blame(kind: str, reader: Callable[..., Any], path: Path, options: dict[str, Any]) -> InputError | None:
    """The error that names the option's column, and the nearest one or the first row; None if it is none of these.

    It reads the file once more, so it is for one that could not be read.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _missing_column(reader, path, options) or _bad_cell(kind, reader, path, options)
    except Exception:  # noqa: BLE001  (the file itself is to blame, or an option that is none of these)
        return None


def _missing_column(reader: Callable[..., Any], path: Path, options: dict[str, Any]) -> InputError | None:
    named = [(option, name) for option in _NAMING for name in _names(option, options.get(option))]
    if not named:
        return None
    there = _labels(reader, path, options)
    for option, name in named:
        if name not in there:
            what = f"{path} has no column {name!r}, which {option} names"
            return InputError(what, remedy=nearest(name, there), file=str(path), column=name, key=option)
    return None


def _names(option: str, value: Any) -> list[str]:
    """The columns that an option names; text alone can be letters of a sheet's columns, but for `index_col`."""
    if isinstance(value, str) and option == "index_col":
        return [value]
    return [name for name in value if isinstance(name, str)] if isinstance(value, list | tuple) else []


def _labels(reader: Callable[..., Any], path: Path, options: dict[str, Any]) -> list[str]:
    if reader is pd.read_parquet:
        import pyarrow.parquet as pq  # noqa: PLC0415  (the others don't need it)

        return list(map(str, pq.read_schema(path).names))
    layout = {name: options[name] for name in _LAYOUT if name in options}
    if options.get("engine") == "python":
        layout["engine"] = "python"
    return list(map(str, reader(path, nrows=0, **layout).columns))


def _bad_cell(kind: str, reader: Callable[..., Any], path: Path, options: dict[str, Any]) -> InputError | None:
    dtypes = options.get("dtype")
    if not isinstance(dtypes, dict) or any(options.get(name) is not None for name in _SPELLING):
        return None
    try:
        found = {name: casts.target(dtype, name) for name, dtype in dtypes.items() if isinstance(dtype, str)}
        # That parse_dates is for times, pandas says itself.
        targets = {name: dtype for name, dtype in found.items() if not types.is_datetime64_any_dtype(dtype)}
        texts = reader(path, **{**options, "dtype": dict.fromkeys(targets, str)})
        for name, dtype in targets.items():
            casts.convert(texts[name], dtype)
    except InputError as error:
        what = f"{path} can't be read as {kind} with these dtypes: {error.what}"
        return InputError(what, remedy=error.remedy, file=str(path), column=error.column, key="dtype")
    return None
