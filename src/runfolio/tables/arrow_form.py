"""Arrow tables: columns as they are, but for types that Parquet has not, which are there as their like.

=========================================== ================================================================
type                                        in the file
=========================================== ================================================================
timestamp and time32 in seconds             in milliseconds; timestamps beyond these as int64
date64                                      timestamp in milliseconds
dictionary                                  text as a dictionary, else values; the dictionary is in the footer
fixed_size_list, list_view, large_list_view large_list
decimal32, decimal64                        decimal128
run_end_encoded                             its values
extension                                   its storage
=========================================== ================================================================

The exact type is in the footer. Whether a column of a rarer type comes back is tried, in memory, with all its values.
What is not kept is how a column was cut into chunks, and what stands where a value is null.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from runfolio.errors import DataError, FormatError, NotFoundError
from runfolio.field import Profile, label_text
from runfolio.frames import ROWS_NAME, WRITE_OPTIONS
from runfolio.frames.names import carrier_names
from runfolio.frames.refusal import Refusal
from runfolio.tables.forms import Carried
from runfolio.tables.messages import is_compressed

__all__ = ["BATCHES", "TABLES", "describe", "schema_of"]

TRIED_ROWS = 2**16
"""At once, so that a trial takes little memory."""

_t = pa.types
_SIMPLE: tuple[Callable[[pa.DataType], bool], ...] = (
    *(_t.is_boolean, _t.is_integer, _t.is_floating, _t.is_string, _t.is_large_string, _t.is_binary, _t.is_null),
    *(_t.is_large_binary, _t.is_date32, _t.is_decimal128, _t.is_duration, _t.is_time64, _t.is_fixed_size_binary),
)
_LISTS = (_t.is_fixed_size_list, _t.is_list_view, _t.is_large_list_view)


class _Tables:
    """An Arrow table."""

    def carry(self, data: Any) -> Carried:
        """The table of a file. Raises DataError if it would not come back exactly."""
        arrays, encoded = _carry_all(data)
        names = carrier_names(data.schema.names, [])
        given = data.schema
        fields = [
            pa.field(name, array.type, field.nullable, field.metadata)
            for name, array, field in zip(names, arrays, given, strict=True)
        ]
        if not fields:
            arrays, fields = [pa.nulls(data.num_rows)], [pa.field(ROWS_NAME, pa.null())]
        schema = pa.schema(fields, metadata=given.metadata)
        footer = {"kind": "arrow", **describe(given), "encoded": encoded}
        return Carried(_table(arrays, schema), footer, lambda table, profile: columns_of(data, profile))

    def labels(self, footer: dict[str, Any]) -> list[Any]:
        """The labels of the columns."""
        return list(schema_of(footer).names)

    def stored(self, footer: dict[str, Any], names: list[str], wanted: list[Any] | None) -> list[str]:
        """Of these names in the file, those that hold the columns. Raises NotFoundError."""
        return names if wanted is None else [names[place] for place in places(self.labels(footer), wanted)]

    def restore(self, table: pa.Table, footer: dict[str, Any], wanted: list[Any] | None) -> Any:
        """What these columns of a file stand for."""
        schema = schema_of(footer)
        chosen = range(len(schema)) if wanted is None else places(schema.names, wanted)
        arrays = []
        for column, place in zip(table.columns, chosen, strict=False):
            labels = footer["encoded"].get(str(place))
            arrays.append(_restored(column, schema.field(place).type, None if labels is None else _array(labels)))
        found = pa.schema([schema.field(place) for place in chosen], metadata=schema.metadata)
        if not arrays:
            return table.replace_schema_metadata(schema.metadata).select([])
        return _table(arrays, found)

    def plain(self, table: pa.Table, footer: dict[str, Any], wanted: list[Any] | None) -> pa.Table:
        """The same as an Arrow table."""
        return _Tables.restore(self, table, footer, wanted)


class _Batches(_Tables):
    """A record batch: a table of one chunk."""

    def carry(self, data: Any) -> Carried:
        """The table of a file. Raises DataError if it would not come back exactly."""
        return super().carry(pa.Table.from_batches([data]))

    def restore(self, table: pa.Table, footer: dict[str, Any], wanted: list[Any] | None) -> Any:
        """What these columns of a file stand for."""
        return one_batch(super().restore(table, footer, wanted))


TABLES = _Tables()
BATCHES = _Batches()


def one_batch(table: pa.Table) -> pa.RecordBatch:
    """A table's rows as one batch."""
    if not table.num_columns:
        return pa.RecordBatch.from_struct_array(pa.array([{}] * table.num_rows, pa.struct([]))).replace_schema_metadata(
            table.schema.metadata
        )
    arrays = []
    for column in table.columns:
        whole = column.combine_chunks() if column.num_chunks else pa.array([], column.type)
        arrays.append(whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole)
    return pa.RecordBatch.from_arrays(arrays, schema=table.schema)


def columns_of(table: pa.Table, profile: Profile) -> list[Any]:
    """The columns of an Arrow table, to be profiled."""
    from runfolio.profiles import Column  # noqa: PLC0415  (it imports much)

    return [
        Column(label_text(field.name), str(field.type), field.nullable, None if profile == "names" else column)
        for field, column in zip(table.schema, table.columns, strict=True)
    ]


def describe(schema: pa.Schema) -> dict[str, Any]:
    """What a footer has of a schema."""
    return {
        "schema": base64.b64encode(schema.serialize().to_pybytes()).decode("ascii"),
        "types": [str(field.type) for field in schema],
    }


def schema_of(footer: dict[str, Any]) -> pa.Schema:
    """The schema in a footer. Raises FormatError where an extension type of it is not registered here."""
    schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(footer["schema"], validate=True)))
    for field, wanted in zip(schema, footer["types"], strict=True):
        if str(field.type) != wanted and "extension<" in wanted:
            raise FormatError(
                f"the type {wanted} of column {field.name!r} is not known here",
                remedy="register it with pyarrow.register_extension_type first",
            )
    return schema


def places(names: list[str], wanted: Iterable[Any]) -> list[int]:
    """Where the columns of these names are; all of them where a name is there twice. Raises NotFoundError."""
    found = []
    for name in wanted:
        here = [place for place, other in enumerate(names) if other == name]
        if not here:
            raise NotFoundError(f"no column {name!r} in the table", remedy=f"there are {names}", column=str(name))
        found += here
    return found


def _table(arrays: list[Any], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_arrays(arrays, schema=schema)


def _carry_all(table: pa.Table) -> tuple[list[Any], dict[str, str]]:
    arrays, encoded, problems = [], {}, []
    for place, (field, column) in enumerate(zip(table.schema, table.columns, strict=True)):
        try:
            stored, labels = _carry(column, field)
        except Refusal as refusal:
            problems.append((field.name, f"column {field.name!r}: {refusal}"))
            continue
        except (pa.ArrowException, ValueError, TypeError, OverflowError, NotImplementedError) as error:
            problems.append((field.name, f"column {field.name!r} of type {field.type}: {_first_line(error)}"))
            continue
        arrays.append(stored)
        if labels is not None:
            encoded[str(place)] = _bytes(labels)
    if problems:
        listed = tuple(text for _, text in problems)
        raise DataError(
            f"the table would not come back exactly: {'; '.join(listed)}",
            problems=listed,
            remedy="convert or drop what is named here, then try again",
            column=problems[0][0],
        )
    return arrays, encoded


def _carry(column: pa.ChunkedArray, field: pa.Field) -> tuple[Any, Any]:
    """The column as it is stored, and the dictionary that the footer is to have."""
    kind = field.type
    if not field.nullable and column.null_count:
        raise Refusal("it is declared without nulls, and has some")
    if _is_plain(kind):
        return column, None
    labels = None
    if _t.is_dictionary(kind):
        column, labels = _one_dictionary(column)
    elif _holds_view(kind) and not _is_view(kind):
        raise Refusal(f"a list_view inside of {kind} would not come back")
    elif _holds_ordered(kind):
        raise Refusal(f"the order of a dictionary inside of {kind} would be lost")
    stored = _cast(column, _stored_type(kind))
    _try(column, stored, kind, labels)
    return stored, labels


def _one_dictionary(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.Array]:
    if column.num_chunks > 1:
        column = column.unify_dictionaries()
    labels = column.chunk(0).dictionary if column.num_chunks else pa.array([], column.type.value_type)
    if labels.null_count or len(pc.unique(labels)) != len(labels):
        raise Refusal("its dictionary holds a null, or a value twice")
    return column, labels


def _is_plain(kind: pa.DataType) -> bool:
    """Whether Parquet gives back just this type, and any value of it."""
    if _t.is_timestamp(kind) or _t.is_time32(kind):
        return bool(kind.unit != "s")
    if _t.is_list(kind) or _t.is_large_list(kind):
        return _is_plain(kind.value_type)
    if _t.is_struct(kind):
        return kind.num_fields > 0 and all(_is_plain(field.type) for field in kind)
    return any(is_kind(kind) for is_kind in _SIMPLE)


def _holds_ordered(kind: pa.DataType) -> bool:
    if _t.is_dictionary(kind):
        return bool(kind.ordered)
    return any(_holds_ordered(kind.field(number).type) for number in range(kind.num_fields))


def _is_view(kind: pa.DataType) -> bool:
    return bool(_t.is_list_view(kind) or _t.is_large_list_view(kind))


def _holds_view(kind: pa.DataType) -> bool:
    return _is_view(kind) or any(_holds_view(kind.field(number).type) for number in range(kind.num_fields))


def _by_value(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """A list_view as a list or the other way round, without the cast, which makes wrong offsets (pyarrow 26)."""
    return pa.chunked_array([pa.array(chunk.to_pylist(), kind) for chunk in column.chunks], kind)


def _stored_type(kind: pa.DataType) -> pa.DataType:
    """The type that stands in the file."""
    if isinstance(kind, pa.BaseExtensionType):
        return _stored_type(kind.storage_type)
    if _t.is_dictionary(kind):
        values = _stored_type(kind.value_type)
        return pa.dictionary(pa.int32(), values) if _t.is_string(values) or _t.is_large_string(values) else values
    if _t.is_run_end_encoded(kind):
        return _stored_type(kind.value_type)
    if _t.is_timestamp(kind):
        return pa.timestamp("ms", kind.tz) if kind.unit == "s" else kind
    if _t.is_decimal32(kind) or _t.is_decimal64(kind):
        return pa.decimal128(kind.precision, kind.scale)
    if _t.is_string_view(kind) or _t.is_binary_view(kind):
        return pa.large_string() if _t.is_string_view(kind) else pa.large_binary()
    if any(is_kind(kind) for is_kind in _LISTS):
        return pa.large_list(_stored_field(kind.value_field))
    if _t.is_list(kind):
        return pa.list_(_stored_field(kind.value_field))
    if _t.is_large_list(kind):
        return pa.large_list(_stored_field(kind.value_field))
    if _t.is_struct(kind):
        return pa.struct([_stored_field(field) for field in kind])
    if _t.is_map(kind):
        return pa.map_(_stored_type(kind.key_type), _stored_field(kind.item_field))
    return {pa.time32("s"): pa.time32("ms"), pa.date64(): pa.timestamp("ms")}.get(kind, kind)


def _stored_field(field: pa.Field) -> pa.Field:
    return field.with_type(_stored_type(field.type))


def _cast(column: Any, kind: pa.DataType) -> Any:
    if column.type == kind:
        return column
    if isinstance(column.type, pa.BaseExtensionType):
        storage = pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)
        return _cast(storage, kind)
    if _t.is_run_end_encoded(column.type):
        chunks = [pc.run_end_decode(chunk) for chunk in column.chunks]
        return _cast(pa.chunked_array(chunks, column.type.value_type), kind)
    if _is_view(column.type):
        return _by_value(column, kind)
    if _t.is_fixed_size_list(column.type):
        return pa.chunked_array([_as_list(chunk, kind) for chunk in column.chunks], kind)
    if _t.is_dictionary(column.type) and not _t.is_dictionary(kind):
        return _cast(column.cast(column.type.value_type), kind)
    try:
        return column.cast(kind)
    except pa.ArrowInvalid:
        if _t.is_timestamp(column.type):  # seconds beyond what milliseconds can count
            return column.cast(pa.int64())
        raise


def _as_list(chunk: Any, kind: pa.DataType) -> Any:
    """A fixed_size_list as a list, without the cast, which leaves values under nulls (pyarrow 21)."""
    missing = chunk.is_null()
    lengths = np.where(missing.to_numpy(zero_copy_only=False), 0, chunk.type.list_size)
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int64())
    values = _cast(pa.chunked_array([chunk.flatten()]), kind.value_type).combine_chunks()
    values = values if isinstance(values, pa.Array) else pa.concat_arrays(values.chunks)
    return pa.LargeListArray.from_arrays(offsets, values, kind, mask=missing if chunk.null_count else None)


def _restored(column: pa.ChunkedArray, kind: pa.DataType, labels: pa.Array | None) -> pa.ChunkedArray:
    """A column of a file as what it was."""
    if labels is not None:
        return _encoded(column, kind, labels)
    if column.type.equals(kind, check_metadata=True):
        return column
    if isinstance(kind, pa.BaseExtensionType):
        storage = _restored(column, kind.storage_type, None)
        return pa.chunked_array([pa.ExtensionArray.from_storage(kind, chunk) for chunk in storage.chunks], kind)
    if _t.is_run_end_encoded(kind):
        values = _restored(column, kind.value_type, None)
        chunks = [pc.run_end_encode(chunk, run_end_type=kind.run_end_type) for chunk in values.chunks]
        return pa.chunked_array(chunks, kind)
    return _by_value(column, kind) if _is_view(kind) else column.cast(kind)


def _encoded(column: pa.ChunkedArray, kind: pa.DataType, labels: pa.Array) -> pa.ChunkedArray:
    """A column of values, or of another dictionary, coded by these labels."""
    chunks = []
    for chunk in column.chunks or [pa.array([], column.type)]:
        found = chunk if _t.is_dictionary(chunk.type) else chunk.dictionary_encode()
        values = _restored(pa.chunked_array([found.dictionary]), kind.value_type, None).combine_chunks()
        codes = pc.index_in(values, value_set=labels)
        used = found.indices.drop_null()
        if codes.null_count and pc.take(codes, used).null_count:
            raise ValueError("a value that is not in its dictionary")
        indices = pc.take(codes, found.indices).cast(kind.index_type)
        chunks.append(pa.DictionaryArray.from_arrays(indices, labels, ordered=kind.ordered))
    return pa.chunked_array(chunks, kind)


def _try(column: Any, stored: Any, kind: pa.DataType, labels: Any) -> None:
    """Refuse what does not come back from a file in memory."""
    from runfolio.profiles.digests import digest_of  # noqa: PLC0415  (it imports much)

    for begin in range(0, max(len(column), 1), TRIED_ROWS):
        buffer = pa.BufferOutputStream()
        pq.write_table(pa.table({"a": stored.slice(begin, TRIED_ROWS)}), buffer, **WRITE_OPTIONS)
        made = _restored(pq.read_table(pa.BufferReader(buffer.getvalue()))["a"], kind, labels)
        wanted = column.slice(begin, TRIED_ROWS)
        if not made.type.equals(kind, check_metadata=True) or len(made) != len(wanted):
            raise Refusal(f"its type {kind} would come back as {made.type}")
        if made.null_count != wanted.null_count or digest_of(made) != digest_of(wanted):
            raise Refusal(f"values of type {kind} would come back as others")


def _bytes(labels: pa.Array) -> str:
    sink = pa.BufferOutputStream()
    batch = pa.record_batch([labels], names=["labels"])
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return base64.b64encode(sink.getvalue().to_pybytes()).decode("ascii")


def _array(text: str) -> pa.Array:
    """The dictionary of a footer. Raises ValueError if it is none.

    Arrow trusts what it is told of offsets, and unpacks what is compressed however much that is: it is checked whole,
    and may not take more than its bytes.
    """
    data = base64.b64decode(text, validate=True)
    messages = list(pa.ipc.MessageReader.open_stream(data))
    if [message.type for message in messages] != ["schema", "record batch"] or is_compressed(messages[1].metadata):
        raise ValueError("a dictionary that is none")
    batch = pa.ipc.open_stream(data).read_next_batch()
    if not batch.num_columns:
        raise ValueError("a dictionary that is none")
    labels = batch.column(0)
    labels.validate(full=True)
    return labels


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
