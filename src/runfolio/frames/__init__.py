"""A pandas frame as one Parquet file: it comes back exactly, or is refused before a byte is written.

What Parquet holds exactly is native in the file, so that duckdb, polars and `pandas.read_parquet` read it. A column
that it can't hold is text, each row in tagged JSON (`tagged`); the metadata of its field says so. Everything else that
makes a frame come back is in the footer (`footer`): labels, index, attrs, flags, and how to restore each column.

==================== ======================================================================================
module               owns
==================== ======================================================================================
`footer`             the footer's JSON and version
`names`              the columns' names in the file
`refusals`           a whole frame and every reason against it
`indexes`            row labels
`carriers`           one column as Arrow values, and back; of these `objects`, `floats`, `categories`, `arrow`
`labels`, `dtypes`   labels and dtypes in the footer
`tagged`, `zones`    any value as JSON; time zones
==================== ======================================================================================

A MultiIndex comes back with equal labels in every row; labels that no row has, and the order within its `levels`, are
how pandas keeps it, not what the frame says.
"""

# ruff: noqa: PLC0415
# pandas and pyarrow take half a second to import, which a run that records no frame should not pay.

from __future__ import annotations

import zoneinfo
from typing import TYPE_CHECKING, Any

from runfolio.errors import DamageError, DataError, FormatError, NotFoundError
from runfolio.limits import MAX_METADATA

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from runfolio.frames.carriers import Carrier

__all__ = ["WRITE_OPTIONS", "assemble", "carry", "column_names", "places_of", "prepare", "read", "restore", "store"]

WRITE_OPTIONS: dict[str, Any] = {
    "compression": "zstd",
    "compression_level": 1,
    "use_compliant_nested_type": False,
    "write_page_checksum": True,
}

ENCODING_KEY = b"runfolio.encoding"
ROWS_NAME = "__rows__"
"""Of the column of nulls in the file of a frame without any, which has its number of rows."""

UNWRITABLE = "convert or drop what Parquet can't hold, then try again"
MALFORMED = (
    *(ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, MemoryError),
    *(AssertionError, NotImplementedError, OSError, Warning),
)


def carry(values: pd.Series[Any] | pd.Index) -> Carrier:
    """The Arrow values that carry a column or an index, and how it is restored from them.

    Equal values have an equal carrier. The description's form is `json` where Parquet can't hold them as they are.
    Raises `dtypes.Refusal` if they would not come back exactly.

    >>> import pandas as pd
    >>> carry(pd.Series([{1}, None], dtype=object)).array.to_pylist()
    ['{"$set":[1]}', None]
    """
    from runfolio.frames import carriers

    return carriers.carry(values)


def prepare(frame: pd.DataFrame) -> pa.Table:
    """The frame as the table that `store` writes; the frame is left as it is.

    Raises DataError, listing every problem, if the frame would not come back exactly.

    >>> import pandas as pd
    >>> prepare(pd.DataFrame({"a": [1, 2]})).column_names
    ['a']
    >>> prepare(pd.DataFrame({"a": [1, 2], "b": [3, print]}))
    Traceback (most recent call last):
    ...
    runfolio.errors.DataError: the frame would not come back exactly: column 'b', row 1: a value of type \
builtin_function_or_method, which has no exact form; convert or drop what is named here, then try again
    """
    import pyarrow as pa

    from runfolio.frames.footer import FOOTER_KEY, encode_footer
    from runfolio.frames.names import carrier_names, pandas_metadata
    from runfolio.frames.refusals import carry_frame

    carried = carry_frame(frame)
    count = len(frame.columns)
    names = carrier_names(frame.columns, frame.index.names if len(carried.carriers) > count else [])
    content = {
        "columns": [carrier.description for carrier in carried.carriers[:count]],
        "labels": carried.labels,
        "index": carried.rows,
        "attrs": carried.attrs,
        "flags": {"allows_duplicate_labels": frame.flags.allows_duplicate_labels},
    }
    arrays = [carrier.array for carrier in carried.carriers]
    fields = [_field(name, carrier) for name, carrier in zip(names, carried.carriers, strict=True)]
    if not fields:
        arrays, fields = [pa.nulls(len(frame))], [pa.field(ROWS_NAME, pa.null())]
    metadata = {FOOTER_KEY: encode_footer(content), b"pandas": pandas_metadata(names[count:], frame.index.names)}
    return pa.table(arrays, schema=pa.schema(fields, metadata=metadata))


def restore(table: pa.Table) -> pd.DataFrame:
    """The frame that a table of `prepare` stands for.

    >>> import pandas as pd
    >>> restore(prepare(pd.DataFrame({"a": [1, (2, 3)]})))
            a
    0       1
    1  (2, 3)
    """
    from runfolio.frames.footer import decode_footer

    return assemble(table, decode_footer(table.schema.metadata), None)


def column_names(table: pa.Table) -> list[str]:
    """The names in the file of the frame's columns, in their order; each is there once, whatever the labels are.

    >>> import pandas as pd
    >>> column_names(prepare(pd.DataFrame([[1, 2]], columns=["a", "a"], index=["x"])))
    ['a', 'a_2']
    """
    from runfolio.frames.footer import decode_footer

    names: list[str] = table.column_names
    return names[: len(decode_footer(table.schema.metadata)["columns"])]


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


def read(data: bytes | memoryview, columns: list[Any] | None = None) -> pd.DataFrame:
    """The frame that a file's bytes hold, exactly as it was given to `prepare`; or these columns of it, by label.

    Raises NotFoundError for a label that it has not.

    >>> read(b"not a Parquet file")
    Traceback (most recent call last):
    ...
    runfolio.errors.DamageError: the file is no whole Parquet file
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from runfolio.frames.footer import decode_footer

    try:
        file = pq.ParquetFile(
            pa.BufferReader(data),
            page_checksum_verification=True,
            thrift_string_size_limit=MAX_METADATA,
        )
        footer = decode_footer(file.schema_arrow.metadata)
        if columns is None:
            return assemble(file.read(), footer, None)
        places = places_of(footer, columns)
        names: list[str] = file.schema_arrow.names
        chosen = [names[place] for place in places] + names[len(footer["columns"]) :]
        table = file.read(columns=chosen).select(chosen)
    except (pa.ArrowException, OSError) as error:
        raise DamageError("the file is no whole Parquet file") from error
    return assemble(table, footer, places)


def _field(name: str, carrier: Carrier) -> pa.Field:
    import pyarrow as pa

    from runfolio.frames.tagged import ENCODING

    is_json = carrier.description["form"] == "json"
    return pa.field(name, carrier.array.type, metadata={ENCODING_KEY: ENCODING.encode()} if is_json else None)


def places_of(footer: dict[str, Any], wanted: list[Any]) -> list[int]:
    """Where in the file the columns of these labels are; labels of another type are others.

    Raises NotFoundError for a label that is not there, DamageError for a malformed footer.
    """
    from runfolio.frames.labels import restore_labels
    from runfolio.frames.tagged import encode

    try:
        labels = [encode(_plain(label)) for label in restore_labels(footer["labels"])]
    except MALFORMED as error:
        raise DamageError(f"the frame's footer is malformed: {error}") from error
    places = []
    for label in wanted:
        found = [place for place, text in enumerate(labels) if text == _text(label)]
        if not found:
            remedy = "labels are found by value and type, as frame.columns has them"
            raise NotFoundError(f"the frame has no column {label!r}", remedy=remedy, column=str(label))
        places += found
    return places


def _plain(label: Any) -> Any:
    import numpy as np

    return label.item() if isinstance(label, (np.number, np.bool_)) else label


def _text(label: Any) -> str | None:
    from runfolio.frames.refusal import Refusal
    from runfolio.frames.tagged import encode

    try:
        return encode(_plain(label))
    except Refusal:
        return None


def assemble(table: pa.Table, footer: dict[str, Any], places: list[int] | None) -> pd.DataFrame:
    """The frame of a footer that was decoded, of the columns at these places or of all.

    Raises DamageError for a footer that does not fit its table, FormatError for a time zone that is not known here.
    """
    try:
        return _frame(table, footer, places)
    except zoneinfo.ZoneInfoNotFoundError as error:
        raise FormatError(f"this machine doesn't know a time zone: {error}", remedy="install tzdata") from error
    except MALFORMED as error:
        raise DamageError(f"the frame's footer does not fit its file: {type(error).__name__}: {error}") from error


def _frame(table: pa.Table, footer: dict[str, Any], places: list[int] | None) -> pd.DataFrame:
    import pandas as pd

    from runfolio.frames.carriers import restore_values
    from runfolio.frames.indexes import restore_index
    from runfolio.frames.labels import restore_labels
    from runfolio.frames.tagged import untag

    described = footer["columns"] if places is None else [footer["columns"][place] for place in places]
    count = len(described)
    index = restore_index(footer["index"], _levels(table, count))
    if table.num_columns and len(index) != table.num_rows:
        raise ValueError(f"an index of {len(index)} rows for {table.num_rows}")
    series = {}
    for number, (column, description) in enumerate(zip(table.columns[:count], described, strict=True)):
        values = restore_values(column, description)
        # A Series keeps its dtype only when it is told: pandas 3 makes `str` of objects that are all text.
        series[number] = pd.Series(values, index=index, dtype=values.dtype, copy=False)
    frame = pd.DataFrame(series, index=index)
    labels = restore_labels(footer["labels"])
    frame.columns = labels if places is None else labels.take(places)
    frame.attrs = untag(footer["attrs"])
    flags: Any = frame.flags  # of which pandas-stubs knows nothing
    flags.allows_duplicate_labels = footer["flags"]["allows_duplicate_labels"]
    return frame


def _levels(table: pa.Table, count: int) -> list[pa.ChunkedArray]:
    is_placeholder = table.column_names[count:] == [ROWS_NAME] and str(table.schema.types[count]) == "null"
    return [] if is_placeholder else table.columns[count:]
