"""A pandas frame as one Parquet file: it comes back exactly, or is refused before a byte is written.

The values stay native Parquet, so that duckdb, polars and `pandas.read_parquet` read the files too. What
Parquet and pandas' own metadata lose is JSON under the footer key `runfolio`::

    {
      "version": 1,
      "columns": [{"form": "numpy", "dtype": "int64"}, ...],        one description each, as in dtypes.py
      "labels":  {"name": null, "dtype": {"form": "object", ...}},  the Index of the column labels
      "index":   {"range": [0, 3, 1], "name": null}                 a RangeIndex, which is no column
              or {"levels": [{"name": "k", "dtype": {...},          the columns after the frame's own
                              "freq": null}, ...],                  that of a level of a MultiIndex
                  "multi": false},                                  whether it is a MultiIndex
      "attrs":   {}
    }

A MultiIndex comes back as its `remove_unused_levels()`, with equal labels in every row: labels that no row has,
and the order within its `levels`, are how pandas keeps it, not what the frame says.
"""

# ruff: noqa: PLC0415
# pandas and pyarrow take half a second to import, which a run that records no frame should not pay.

from __future__ import annotations

import json
import zoneinfo
from typing import TYPE_CHECKING, Any

from runfolio.errors import DamageError, DataError, FormatError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["WRITE_OPTIONS", "prepare", "read", "store"]

WRITE_OPTIONS: dict[str, Any] = {
    "compression": "zstd",
    "compression_level": 1,
    "use_compliant_nested_type": False,
}

FOOTER_KEY = b"runfolio"
FOOTER_VERSION = 1

UNWRITABLE = "convert or drop what Parquet can't hold, then try again"


def prepare(frame: pd.DataFrame) -> pa.Table:
    """The frame as the table that `store` writes; the frame is left as it is.

    Raises DataError, listing every problem, if the frame would not come back exactly.

    >>> import pandas as pd
    >>> prepare(pd.DataFrame({"a": [1, 2]})).column_names
    ['a']
    >>> prepare(pd.DataFrame({"a": [1, 2], "b": [{"mixed"}, 3]}))
    Traceback (most recent call last):
    ...
    runfolio.errors.DataError: the frame would not come back exactly: column 'b': object cells of \
type int and set; convert or drop what is named here, then try again
    """
    import pyarrow as pa

    from runfolio.frames.refusals import describe_all, unconvertible

    descriptions = describe_all(frame)
    try:
        table = _convert(frame)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise unconvertible(frame, error) from error
    metadata = {**table.schema.metadata, FOOTER_KEY: _footer_bytes(frame, descriptions)}
    return table.replace_schema_metadata(metadata)


def store(table: pa.Table, path: str) -> None:
    """Write a table that `prepare` returned to a Parquet file at the path.

    >>> import pandas as pd, tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store(prepare(pd.DataFrame({"a": [1, 2]})), f"{folder}/frame.parquet")
    ...     len(read(pathlib.Path(folder, "frame.parquet").read_bytes()))
    2
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        pq.write_table(table, path, **WRITE_OPTIONS)
    except pa.ArrowException as error:  # such as a cell of more than 2 GB
        raise DataError(f"the frame can't be written: {error}", problems=(str(error),), remedy=UNWRITABLE) from error


def read(data: bytes | memoryview) -> pd.DataFrame:
    """Return the frame that a file's bytes hold, exactly as it was given to `prepare`.

    >>> read(b"not a Parquet file")
    Traceback (most recent call last):
    ...
    runfolio.errors.DamageError: the file is no whole Parquet file
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(pa.BufferReader(data)).read()
    except (pa.ArrowException, OSError) as error:
        raise DamageError("the file is no whole Parquet file") from error
    footer = _footer(table)
    try:
        return _frame(table, footer)
    except zoneinfo.ZoneInfoNotFoundError as error:
        raise FormatError(f"this machine doesn't know a time zone: {error}", remedy="install tzdata") from error


# ---------------------------------------------------------------------------------------------------- writing


def _convert(frame: pd.DataFrame) -> pa.Table:
    import pyarrow as pa

    table = pa.Table.from_pandas(frame)
    if len(set(table.schema.names)) == len(table.schema.names):
        return table
    # Older pyarrow gives levels of one name (or an unnamed one beside a column called `__index_level_0__`) the same
    # name in the file, which polars and pandas can't read.
    carrier = frame.copy(deep=False)
    names = (f"__index_{number}__" for number in range(len(frame.columns) + frame.index.nlevels))
    free = [name for name in names if name not in frame.columns]
    carrier.index = frame.index.set_names(free[: frame.index.nlevels])
    return pa.Table.from_pandas(carrier)


def _footer_bytes(frame: pd.DataFrame, descriptions: list[dict[str, Any]]) -> bytes:
    from runfolio.frames.indexes import describe_index, describe_labels

    count = len(frame.columns)
    footer = {
        "version": FOOTER_VERSION,
        "columns": descriptions[:count],
        "labels": describe_labels(frame.columns),
        "index": describe_index(frame.index, descriptions[count:]),
        "attrs": frame.attrs,
    }
    return json.dumps(footer, separators=(",", ":")).encode()


# ---------------------------------------------------------------------------------------------------- reading


def _footer(table: pa.Table) -> dict[str, Any]:
    text = (table.schema.metadata or {}).get(FOOTER_KEY)
    if text is None:
        remedy = "read it with pandas.read_parquet"
        raise FormatError("the Parquet file was not written by runfolio", remedy=remedy)
    footer: dict[str, Any] = json.loads(text)
    if footer["version"] > FOOTER_VERSION:
        what = f"the frame is of format {footer['version']}, and this runfolio reads up to {FOOTER_VERSION}"
        raise FormatError(what, remedy="update runfolio")
    return footer


def _frame(table: pa.Table, footer: dict[str, Any]) -> pd.DataFrame:
    import pandas as pd

    from runfolio.frames.dtypes import restore
    from runfolio.frames.indexes import restore_index, restore_labels

    count = len(footer["columns"])
    index = restore_index(footer["index"], table.columns[count:])
    series = {}
    for number, (column, dtype) in enumerate(zip(table.columns[:count], footer["columns"], strict=True)):
        values = restore(column, dtype)
        # A Series keeps its dtype only when it is told: pandas 3 makes `str` of objects that are all text.
        series[number] = pd.Series(values, index=index, dtype=values.dtype, copy=False)
    frame = pd.DataFrame(series, index=index)
    frame.columns = restore_labels(table.schema.names[:count], footer["labels"])
    frame.attrs = footer["attrs"]
    return frame
