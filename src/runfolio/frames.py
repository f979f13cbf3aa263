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
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from runfolio.errors import DamageError, DataError, FormatError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["WRITE_OPTIONS", "check", "read", "write"]

WRITE_OPTIONS: dict[str, Any] = {
    "compression": "zstd",
    "compression_level": 1,
    "use_compliant_nested_type": False,
}

FOOTER_KEY = b"runfolio"
FOOTER_VERSION = 1


class Problem(NamedTuple):
    """A reason why a frame is refused, and the column it is about."""

    text: str
    column: str | None = None


class Part(NamedTuple):
    """A column or an index level: its place in words, its label if it is a column, its values."""

    place: str
    column: str | None
    values: Any


def check(frame: pd.DataFrame) -> None:
    """Raise `DataError`, listing every problem, unless the frame would come back exactly.

    >>> import pandas as pd
    >>> check(pd.DataFrame({"a": [1, 2], "b": [{"mixed"}, 3]}))
    Traceback (most recent call last):
    ...
    runfolio.errors.DataError: the frame would not come back exactly: column 'b': object cells of \
type int and set; convert or drop what is named here, then try again
    """
    _table(frame)


def write(frame: pd.DataFrame, path: str) -> None:
    """Check the frame, then write it to a Parquet file at the path; the frame is left as it is.

    >>> import pandas as pd, tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(pd.DataFrame({"a": [1, 2]}), f"{folder}/frame.parquet")
    ...     print(read(pathlib.Path(folder, "frame.parquet").read_bytes()))
       a
    0  1
    1  2
    """
    import pyarrow.parquet as pq

    pq.write_table(_table(frame), path, **WRITE_OPTIONS)


def read(data: bytes | memoryview) -> pd.DataFrame:
    """Return the frame that a file's bytes hold, exactly as it was given to `write`.

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
        raise FormatError(
            f"this machine doesn't know a time zone: {error}", remedy="install tzdata"
        ) from error


# ---------------------------------------------------------------------------------------------------- writing


def _table(frame: pd.DataFrame) -> pa.Table:
    """Return the frame as the Arrow table to write, its footer included, or raise `DataError`."""
    import pyarrow as pa

    from runfolio.indexes import index_problems, label_problems

    problems = _whole_frame_problems(frame)
    if problems:
        raise _error(problems)
    parts = list(_parts(frame))
    descriptions, value_problems = _describe(parts)
    problems = [*label_problems(frame.columns), *value_problems, *index_problems(frame.index)]
    if problems:
        raise _error([*problems, *_conversion_problems(parts)])
    try:
        table = _convert(frame)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise _error(_conversion_problems(parts) or [Problem(f"it can't be converted: {error}")]) from error
    return table.replace_schema_metadata(
        {**table.schema.metadata, FOOTER_KEY: _footer_bytes(frame, descriptions)}
    )


def _error(problems: list[Problem]) -> DataError:
    listed = tuple(problem.text for problem in problems)
    return DataError(
        f"the frame would not come back exactly: {'; '.join(listed)}",
        problems=listed,
        remedy="convert or drop what is named here, then try again",
        column=next((problem.column for problem in problems if problem.column is not None), None),
    )


def _whole_frame_problems(frame: Any) -> list[Problem]:
    import pandas as pd

    if type(frame) is not pd.DataFrame:
        return [
            Problem(f"it is a {type(frame).__module__}.{type(frame).__qualname__}, not a pandas.DataFrame")
        ]
    problems = []
    if not frame.shape[1]:
        problems.append(Problem("it has no columns"))
    if not frame.flags.allows_duplicate_labels:
        problems.append(Problem("its flags are not the default: allows_duplicate_labels is False"))
    if not _is_json(frame.attrs):
        problems.append(Problem("its attrs are not plain JSON (dict, list, str, bool, None, finite numbers)"))
    return problems


def _is_json(value: Any) -> bool:
    """Whether the value comes back from JSON equal and of the same types throughout."""
    try:
        json.dumps(
            value, allow_nan=False
        )  # refuses cycles, great depth and integers of more than 4,300 digits
        return _is_json_type(value)
    except (ValueError, TypeError, RecursionError):
        return False


def _is_json_type(value: Any) -> bool:
    if type(value) is dict:
        return all(is_text(key) and _is_json_type(item) for key, item in value.items())
    if type(value) is list:
        return all(map(_is_json_type, value))
    return value is None or type(value) in (bool, int, float) or is_text(value)


def is_text(value: Any) -> bool:
    """Whether the value is a plain str that UTF-8 can hold, which a lone surrogate can't be.

    >>> is_text("ä"), is_text(chr(0xDC80)), is_text(1)
    (True, False, False)
    """
    return type(value) is str and not any("\ud800" <= character <= "\udfff" for character in value)


def name_of(label: Any) -> str:
    """Return a column's label as an error's `column` field names it.

    >>> name_of("a"), name_of(1)
    ('a', '1')
    """
    return label if type(label) is str else repr(label)


def _parts(frame: pd.DataFrame) -> Iterator[Part]:
    from runfolio.indexes import stored_levels

    for label, values in frame.items():
        yield Part(f"column {label!r}", name_of(label), values)
    levels = stored_levels(frame.index)
    for number, values in enumerate(levels):
        name = number if values.name is None else repr(values.name)
        yield Part("index" if len(levels) == 1 else f"index level {name}", None, values)


def _describe(parts: list[Part]) -> tuple[list[dict[str, Any]], list[Problem]]:
    from runfolio.dtypes import Refusal, describe

    descriptions, problems = [], []
    for place, column, values in parts:
        try:
            descriptions.append(describe(values))
        except Refusal as refusal:
            problems.append(Problem(f"{place}: {refusal}", column))
    return descriptions, problems


def _conversion_problems(parts: list[Part]) -> list[Problem]:
    """Find the columns that Arrow can't take, such as text with lone surrogates, which pass cheaper checks."""
    import pyarrow as pa

    problems = []
    for part in parts:
        if _describe([part])[1]:
            continue
        try:
            pa.array(part.values, from_pandas=True)
        except UnicodeEncodeError:
            problems.append(
                Problem(f"{part.place}: text with a lone surrogate", part.column)
            )
        except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
            problems.append(Problem(f"{part.place}: {error}", part.column))
    return problems


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
    from runfolio.indexes import describe_index, describe_labels

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

    from runfolio.dtypes import restore
    from runfolio.indexes import restore_index, restore_labels

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
