"""Tables: which kinds of tabular data there are, each known without importing its library.

======================== ===========================================================================================
kind                     what it is; it comes back as the same
======================== ===========================================================================================
`pandas.DataFrame`       a frame, by `runfolio.frames`
`pandas.Series`          a frame of one column, with its name in the footer
`pyarrow.Table`          a table; how it was cut into chunks is not kept
`pyarrow.RecordBatch`    a table of one chunk
`polars.DataFrame`       an Arrow table, with polars' dtypes in the footer
a stream                 tables of one of these kinds, one after the other: an iterator, a list, a `RecordBatchReader`;
                         comes back as `Batches`
======================== ===========================================================================================

Anything else that has `__arrow_c_stream__`, such as a DuckDB relation, is read batch by batch and comes back as a
`pyarrow.Table`.

============= ================================================================================================
module        owns
============= ================================================================================================
`pandas_form` how a frame or Series becomes the table of a file, and back; `arrow_form`, `polars_form` likewise
`forms`       the forms by kind; other kinds on request
`footers`     the JSON in the file's metadata
`streams`     writing a file in pieces, with what is told of its columns
`tablefile`   reading a file in pieces
`batches`     `Batches`: a stream that was stored
============= ================================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from runfolio.errors import DataError

__all__ = [
    "ARROW",
    "BATCH",
    "FRAME",
    "POLARS",
    "REPORT",
    "SERIES",
    "STREAM",
    "is_batches",
    "is_exported",
    "is_frame",
    "is_stream",
    "is_table",
    "kind_of",
    "refuse_lookalikes",
    "stream_type",
]

FRAME = "pandas.DataFrame"
SERIES = "pandas.Series"
ARROW = "pyarrow.Table"
BATCH = "pyarrow.RecordBatch"
POLARS = "polars.DataFrame"
REPORT = "report"
STREAM = "batches of "
"""What the type of a stream begins with; the kind of its items follows."""

_KINDS = {
    ("pandas", "DataFrame"): FRAME,
    ("pandas", "Series"): SERIES,
    ("pyarrow", "Table"): ARROW,
    ("pyarrow", "RecordBatch"): BATCH,
    ("polars", "DataFrame"): POLARS,
}
_LOOKALIKES = {
    ("polars", "LazyFrame"): "call collect() on it first",
    ("polars", "Series"): "make a frame of it: to_frame()",
    ("pyarrow", "Array"): "give it a name in a table: pyarrow.table({'name': array})",
    ("pyarrow", "ChunkedArray"): "give it a name in a table: pyarrow.table({'name': array})",
}


def kind_of(data: Any) -> str | None:
    """The kind of a table that is at hand as a whole; None for anything else.

    >>> import pandas as pd
    >>> kind_of(pd.Series([1])), kind_of([1])
    ('pandas.Series', None)
    """
    return next((_KINDS[name] for name in _names(data) if name in _KINDS), None)


def is_frame(data: Any) -> bool:
    """Whether data is a pandas DataFrame."""
    return kind_of(data) == FRAME


def is_stream(data: Any) -> bool:
    """Whether data is a stream of tables: it may be used up by being read."""
    if isinstance(data, list):
        return any(kind_of(item) for item in data)
    if kind_of(data) or _lookalike(data):
        return False
    return isinstance(data, Iterator) or is_batches(data) or hasattr(data, "__arrow_c_stream__")


def is_batches(data: Any) -> bool:
    """Whether data is a stream that was stored already."""
    return ("runfolio", "Batches") in _names(data)


def is_exported(data: Any) -> bool:
    """Whether a stream is none of batches that are at hand in Python: it comes back as one table."""
    return not isinstance(data, (Iterator, list)) and not is_batches(data) and ("pyarrow", "Reader") not in _names(data)


def is_table(data: Any) -> bool:
    """Whether data is tabular: a table or a stream of them."""
    return kind_of(data) is not None or is_stream(data)


def stream_type(data: Any, kind: str) -> str:
    """The type of a stream of tables of that kind."""
    return ARROW if is_exported(data) else STREAM + kind


def refuse_lookalikes(data: Any, what: str) -> None:
    """Raise DataError for what is a table but not at hand as one, with a word on what to do."""
    remedy = _lookalike(data)
    if remedy:
        kind = type(data)
        name = f"{kind.__module__.partition('.')[0]}.{kind.__qualname__}"
        raise DataError(f"can't store {what}: it is a {name}", remedy=remedy, problems=(f"a {name}",))


def _lookalike(data: Any) -> str | None:
    return next((_LOOKALIKES[name] for name in _names(data) if name in _LOOKALIKES), None)


def _names(data: Any) -> Iterator[tuple[str, str]]:
    for base in type(data).__mro__:
        package, _, rest = base.__module__.partition(".")
        # pyarrow's readers of files and of streams have one base
        name = "Reader" if package == "pyarrow" and rest == "lib" and base.__name__ == "RecordBatchReader" else None
        yield package, name or base.__name__
