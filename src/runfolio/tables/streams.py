"""Streams: tables that come one after the other, written to one file without being held together in memory.

All are of the kind of the first, and of its columns and types; a column of nothing but nulls fits any. Each comes back
as it was given, whatever row groups it shares with others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import GeneratorType
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import json

from runfolio.errors import DataError
from runfolio.field import Field, Profile
from runfolio.files import write_error
from runfolio.frames import ENCODING_KEY, UNWRITABLE, WRITE_OPTIONS
from runfolio.frames.labels import restore_labels
from runfolio.frames.names import carrier_names
from runfolio.frames.tagged import untag
from runfolio.profiles import FEW_CELLS, Profiler
from runfolio.tables import footers, is_exported, kind_of, stream_type
from runfolio.tables.forms import Carried, form_of

__all__ = ["Stored", "Ticks", "tables_of", "write"]

GROUP_ROWS = 2**18
GROUP_BYTES = 2**26
"""A row group is written once it has so much: batches of a few rows share one."""

SAME = "give all batches the same columns and dtypes"

Ticks = Callable[[], tuple[float, float]]


class Stored(NamedTuple):
    """What was written: the type of the part, its shape, its fields if asked for, the time that the stream took."""

    type: str
    rows: int
    columns: int
    fields: list[Field] | None
    spent: tuple[float, float]


def tables_of(data: Any) -> Iterator[Any]:
    """The tables of a stream. What its source raises goes through, but for what comes out of Arrow and C."""
    if hasattr(data, "read_next_batch") or is_exported(data):
        yield from _exported(data)
        return
    yield from data


def write(data: Any, path: Path, profile: Profile | None, ticks: Ticks) -> Stored:
    """Write a stream to a file at the path, which is the caller's to remove where this raises.

    `profile` is None where no fields are asked for. Raises DataError for what does not fit or would not come back
    exactly, WriteError, and what the stream itself raises.
    """
    source = tables_of(data)
    spent, sink = (0.0, 0.0), None
    try:
        while True:
            begun = ticks()
            item = next(source, None)
            spent = _sum(spent, ticks(), begun)
            if item is None:
                break
            sink = sink or _Sink(path, item, profile)
            sink.add(item)
        if sink is None:
            raise DataError(
                "the stream has no table, so that its columns are not known", remedy="give at least an empty one"
            )
        fields = sink.finish()
        return Stored(stream_type(data, sink.kind), sink.rows, sink.width, fields, spent)
    finally:
        if sink is not None:
            sink.close()
        if isinstance(data, GeneratorType):
            data.close()


class _Sink:
    """The file while it is written."""

    def __init__(self, path: Path, first: Any, profile: Profile | None) -> None:
        self.kind = kind_of(first) or ""
        self.rows = self.width = 0
        self._path = path
        self._profile = profile
        self._profilers: list[Profiler] = []
        self._pool: ThreadPoolExecutor | None = None
        self._schema: pa.Schema | None = None
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.Table] = []
        self._forms: dict[bytes, int] = {}
        self._batches: list[dict[str, Any]] = []

    def add(self, item: Any) -> None:
        """Go on with a table."""
        number = len(self._batches)
        carried = self._carry(item, number)
        if self._schema is None:
            carried = _with_index(carried)
            self._schema, self.width = carried.table.schema, _width(carried)
        table, nulls = _fitted(carried, self._schema, number)
        self._tell(carried, table, item)
        self._note(carried.footer, table.num_rows, nulls)
        self.rows += table.num_rows
        self._waiting.append(table)
        if self._is_due():
            self._flush()

    def finish(self) -> list[Field] | None:
        """Write what is left, and the footer."""
        self._flush()
        forms = [json.decode(form) for form in self._forms]
        footer = {"kind": "stream", "of": self.kind, "forms": forms, "batches": self._batches}
        assert self._writer is not None
        try:
            self._writer.add_key_value_metadata({footers.FOOTER_KEY: footers.encode(footer)})
            self._writer.close()
        except OSError as error:
            raise write_error(error, self._path) from error
        return None if self._profile is None else [profiler.field() for profiler in self._profilers]

    def close(self) -> None:
        """Let go of the file, and of the threads."""
        if self._pool is not None:
            self._pool.shutdown()
        if self._writer is not None:
            with suppress(OSError, pa.ArrowException):  # where it failed before
                self._writer.close()

    def _carry(self, item: Any, number: int) -> Carried:
        kind = kind_of(item)
        if kind is None or kind != self.kind:
            wanted = f"the first is a {self.kind}" if self.kind else "a stream is of tables"
            raise DataError(
                f"batch {number} is a {type(item).__name__}, and {wanted}", remedy="give tables of one kind"
            )
        try:
            return form_of(kind).carry(item)
        except DataError as error:
            error.what = f"batch {number}: {error.what}"
            error.args = (str(error),)
            raise

    def _tell(self, carried: Carried, table: pa.Table, item: Any) -> None:
        if self._profile is None:
            return
        columns = carried.columns(table, self._profile)
        self._profilers = self._profilers or [Profiler(self._profile) for _ in columns]
        if table.num_rows * len(columns) < FEW_CELLS:
            for profiler, column in zip(self._profilers, columns, strict=True):
                profiler.feed(column)
            return
        self._pool = self._pool or ThreadPoolExecutor(max(pa.cpu_count(), 1))
        list(self._pool.map(Profiler.feed, self._profilers, columns))

    def _note(self, footer: dict[str, Any], rows: int, nulls: list[str]) -> None:
        form = {key: value for key, value in footer.items() if key != "index"}
        if nulls:
            form["nulls"] = nulls
        batch = {"rows": rows, "form": self._forms.setdefault(json.encode(form), len(self._forms))}
        self._batches.append({**batch, "index": footer["index"]} if "index" in footer else batch)

    def _is_due(self) -> bool:
        rows = sum(table.num_rows for table in self._waiting)
        return bool(rows >= GROUP_ROWS or sum(table.nbytes for table in self._waiting) >= GROUP_BYTES)

    def _flush(self) -> None:
        assert self._schema is not None
        waiting, self._waiting = self._waiting, []
        try:
            if self._writer is None:
                self._writer = pq.ParquetWriter(str(self._path), self._schema, **WRITE_OPTIONS)
            if any(table.num_rows for table in waiting):
                self._writer.write_table(pa.concat_tables(waiting))
        except pa.ArrowException as error:
            raise DataError(
                f"the stream can't be written: {error}", problems=(str(error),), remedy=UNWRITABLE
            ) from error
        except OSError as error:
            raise write_error(error, self._path) from error


def _width(carried: Carried) -> int:
    """The number of the table's own columns; those of an index come behind."""
    if "columns" in carried.footer:
        return len(carried.footer["columns"])
    return len(carried.footer["types"])


def _with_index(carried: Carried) -> Carried:
    """A first frame whose index is a range has a column of nulls for it, as those after it may need one."""
    index = carried.footer.get("index", {})
    if "range" not in index or not _width(carried):
        return carried
    labels = restore_labels(carried.footer["labels"])
    name = carrier_names(labels, [untag(index["name"])])[-1]
    return carried._replace(table=carried.table.append_column(name, pa.nulls(carried.table.num_rows, pa.int64())))


def _fitted(carried: Carried, schema: pa.Schema, number: int) -> tuple[pa.Table, list[str]]:
    """The table with the columns of the first, and the names of those that are null alone. Raises DataError."""
    table, count = carried.table, _width(carried)
    arrays: list[Any] = table.columns
    if len(schema) == table.num_columns + 1 and "range" in carried.footer.get("index", {}):
        arrays = [*arrays, pa.nulls(table.num_rows, schema.field(len(arrays)).type)]
    names, wanted = table.column_names[:count], schema.names[:count]
    if len(arrays) != len(schema) or names != wanted:
        odd = next((name for name in [*names, *wanted] if (name in names) != (name in wanted)), None)
        what = f"column {odd!r} is not in all of them" if odd else "they are in another order"
        levels = names == wanted
        raise DataError(
            f"batch {number} does not fit the first: "
            + ("its index has another number of levels" if levels else f"of its columns, {what}"),
            remedy="reset its index, or give all batches one like it" if levels else SAME,
            column=None if levels else odd,
        )
    nulls: list[str] = []
    for place, field in enumerate(schema):
        array = arrays[place]
        given = table.schema.field(place) if place < table.num_columns else field
        if array.type == field.type and _encoding(given) == _encoding(field):
            _check_nulls(array, field, number)
        elif pa.types.is_null(array.type):
            arrays[place] = pa.nulls(table.num_rows, field.type)
            nulls.append(field.name)
        else:
            raise _misfit(given, field, number, is_column=place < count)
    return pa.Table.from_arrays(arrays, schema=schema), nulls


def _check_nulls(array: Any, field: pa.Field, number: int) -> None:
    if not field.nullable and array.null_count:
        raise DataError(
            f"batch {number} does not fit the first: column {field.name!r} has nulls, and was declared without",
            remedy=SAME,
            column=field.name,
        )


def _misfit(given: pa.Field, field: pa.Field, number: int, *, is_column: bool) -> DataError:
    what = f"column {field.name!r}" if is_column else "its index"
    types = [f"{one.type}{' of tagged JSON' if _encoding(one) else ''}" for one in (given, field)]
    return DataError(
        f"batch {number} does not fit the first: {what} is of Arrow type {types[0]}, not {types[1]}",
        remedy=SAME,
        column=field.name if is_column else None,
    )


def _encoding(field: pa.Field) -> bytes | None:
    return (field.metadata or {}).get(ENCODING_KEY)


def _exported(data: Any) -> Iterator[Any]:
    """The batches of a stream in C; an empty one where it has none. What fails in there has no Python traceback."""
    try:
        reader = data if hasattr(data, "read_next_batch") else pa.RecordBatchReader.from_stream(data)
    except (pa.ArrowException, OSError, TypeError) as error:
        raise DataError(
            f"a {type(data).__name__} is no stream of tables: {error}", remedy="give it as a table with named columns"
        ) from error
    number = 0
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            break
        except (pa.ArrowException, OSError) as error:
            first = str(error).partition("\n")[0]
            raise DataError(
                f"the stream broke off behind batch {number}: {first}", remedy="see to its source, then try again"
            ) from error
        yield batch
        number += 1
    if not number:
        yield pa.RecordBatch.from_arrays([pa.array([], field.type) for field in reader.schema], schema=reader.schema)


def _sum(total: tuple[float, float], now: tuple[float, float], begun: tuple[float, float]) -> tuple[float, float]:
    return total[0] + now[0] - begun[0], total[1] + now[1] - begun[1]
