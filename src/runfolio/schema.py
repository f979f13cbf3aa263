"""Schema and Field: what the columns of a frame are, and how two schemas differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct, json

from runfolio.errors import DataError, NotFoundError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

ChangeType = Literal["CREATE", "UPDATE", "DELETE", "TRANSFORM"]


class Field(Struct, frozen=True, kw_only=True):
    """One column: name, dtype as pandas spells it, whether that can hold missing values, how many there are."""

    name: str
    dtype: str
    nullable: bool
    nulls: int

    def __str__(self) -> str:
        return f"{self.dtype}, {self.nulls} missing" if self.nulls else self.dtype


class Difference(Struct, frozen=True):
    """How one field differs between two schemas: `before` is None for a CREATE, `after` for a DELETE."""

    type: ChangeType
    name: str
    before: Field | None
    after: Field | None


class Schema(Struct, frozen=True, kw_only=True, tag_field="kind", tag="schema", eq=False):
    """What a frame's columns are, in their order.

    `schema_id` is a digest of all its content and `structure_id` one of names, dtypes and nullability, so that equal
    schemas have equal ids on every machine. `rows` is the number of rows; `seq` is the place in the journal that the
    schema was read from, else 0. Schemas compare by their ids.

    >>> import pandas as pd
    >>> schema = Schema.from_data(pd.DataFrame({"age": [31, 40], "weight": [71.5, None]}))
    >>> schema.columns
    ['age', 'weight']
    >>> schema["weight"]
    Field(name='weight', dtype='float64', nullable=True, nulls=1)
    """

    seq: int = 0
    schema_id: str
    structure_id: str
    rows: int
    fields: list[Field]

    @classmethod
    def of(cls, rows: int, fields: list[Field]) -> Schema:
        """A schema of these fields, with the ids that they give it."""
        structure = [(field.name, field.dtype, field.nullable) for field in fields]
        return cls(schema_id=_digest((rows, fields)), structure_id=_digest(structure), rows=rows, fields=fields)

    @classmethod
    def from_data(cls, data: pd.DataFrame) -> Schema:
        """The schema of a frame.

        Column labels that are no text are named by their `repr`. A column's nullability is that of its dtype: integers
        and booleans of NumPy can't hold missing values, everything else can.

        Raises DataError if `data` is no pandas DataFrame.
        """
        return cls.infer(data, None)

    @classmethod
    def infer(cls, data: pd.DataFrame, table: pa.Table | None) -> Schema:
        """The same; where the frame's Arrow table is at hand, missing text is counted there, which is much faster."""
        import numpy as np  # noqa: PLC0415  (NumPy and pandas take 0.3 s, and most commands need neither)
        import pandas as pd  # noqa: PLC0415

        if not isinstance(data, pd.DataFrame):
            raise DataError(
                f"a schema is inferred from a pandas DataFrame, not from {type(data).__name__}",
                remedy="pass the frame itself",
            )
        fields = []
        for position, label in enumerate(data.columns):
            column = data.iloc[:, position]
            text = _native_text(table, position) if table is not None and column.dtype == object else None
            fields.append(
                Field(
                    name=_label(label),
                    dtype=str(column.dtype),
                    nullable=not (isinstance(column.dtype, np.dtype) and column.dtype.kind in "iub"),
                    nulls=int(column.isna().sum()) if text is None else text.null_count,
                )
            )
        return cls.of(len(data), fields)

    @property
    def columns(self) -> list[str]:
        """The names of the fields, in their order."""
        return [field.name for field in self.fields]

    def __getitem__(self, name: str) -> Field:
        for field in self.fields:
            if field.name == name:
                return field
        raise NotFoundError(f"no column {name!r} in the schema", remedy=f"it has {self.columns}", column=name)

    def __contains__(self, name: object) -> bool:
        return any(field.name == name for field in self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schema) and self.schema_id == other.schema_id

    def __hash__(self) -> int:
        return hash(self.schema_id)

    def diff(self, other: Schema) -> list[Difference]:
        """How `other`, taken as the later of the two, differs from this schema.

        A field that only `other` has is a CREATE and one that it lacks a DELETE; another dtype is a TRANSFORM and
        anything else that differs in a field an UPDATE. Deleted fields come first, then the others in `other`'s order.
        Of fields with one name, the first is compared with the first, and so on.

        >>> before = Schema.of(3, [Field(name="a", dtype="int64", nullable=False, nulls=0)])
        >>> after = Schema.of(3, [Field(name="a", dtype="float64", nullable=True, nulls=0)])
        >>> [(change.type, change.name) for change in before.diff(after)]
        [('TRANSFORM', 'a')]
        """
        olds, news = dict(_numbered(self.fields)), dict(_numbered(other.fields))
        deleted = [Difference("DELETE", old.name, old, None) for key, old in olds.items() if key not in news]
        return deleted + [
            Difference(_change_type(olds.get(key), new), new.name, olds.get(key), new)
            for key, new in news.items()
            if olds.get(key) != new
        ]


Schemas = Schema | dict[str, Schema] | None
"""The schema of data of one part, those of data of several parts by their names, or none."""


def of_data(data: Any) -> Schemas:
    """The schema of a frame, those of a dict of frames, or None for what is no table."""
    if isinstance(data, dict):
        found = {_label(name): of_data(part) for name, part in data.items()}
        parts = {name: schema for name, schema in found.items() if isinstance(schema, Schema)}
        return parts if parts and len(parts) == len(found) else None
    return Schema.from_data(data) if is_frame(data) else None


def is_frame(data: Any) -> bool:
    """Whether data is a pandas DataFrame; pandas is not imported to find out."""
    return any(base.__name__ == "DataFrame" and base.__module__.startswith("pandas") for base in type(data).__mro__)


def rows_of(schemas: Schemas) -> int | None:
    """The number of rows, over all parts; None where there is no table."""
    if schemas is None:
        return None
    return schemas.rows if isinstance(schemas, Schema) else sum(schema.rows for schema in schemas.values())


def parts_of(schemas: Schemas) -> list[tuple[str | None, Schema]]:
    """The named parts; data of one part has one part without a name."""
    if schemas is None:
        return []
    return [(None, schemas)] if isinstance(schemas, Schema) else list(schemas.items())


def diff_parts(before: Schemas, after: Schemas) -> Iterator[tuple[str | None, Difference]]:
    """How the parts of a step's output differ from its input.

    A part is compared with the input's part of the same name, else with the input's first part: a splitter's parts with
    the frame that was split. Without an input every field is a CREATE.
    """
    olds = dict(parts_of(before))
    first = next(iter(olds.values()), Schema.of(0, []))
    for part, new in parts_of(after):
        for difference in olds.get(part, first).diff(new):
            yield part, difference


def _change_type(before: Field | None, after: Field) -> ChangeType:
    if before is None:
        return "CREATE"
    return "UPDATE" if before.dtype == after.dtype else "TRANSFORM"


def _numbered(fields: list[Field]) -> Iterator[tuple[tuple[str, int], Field]]:
    """Each field under its name and how often that name came before."""
    seen: dict[str, int] = {}
    for field in fields:
        count = seen.get(field.name, 0)
        seen[field.name] = count + 1
        yield (field.name, count), field


def _label(label: object) -> str:
    text = label if type(label) is str else repr(label)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _digest(content: object) -> str:
    from hashlib import blake2b  # noqa: PLC0415  (loads OpenSSL)

    return blake2b(json.encode(content), digest_size=16).hexdigest()


def _native_text(table: pa.Table, position: int) -> pa.ChunkedArray | None:
    """The column if its nulls are all that is missing, which a column of another type or of JSON need not show."""
    import pyarrow as pa  # noqa: PLC0415

    field = table.schema.field(position)
    return table.column(position) if pa.types.is_large_string(field.type) and not field.metadata else None
