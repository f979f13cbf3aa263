"""Schema and Field: what the columns of a frame are, and how two schemas differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct, json

from runfolio.differences import ChangeType, Difference, differences
from runfolio.errors import DataError, NotFoundError
from runfolio.field import Field, Profile, label_text

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = [
    "ChangeType",
    "Difference",
    "Field",
    "Profile",
    "Schema",
    "Schemas",
    "is_frame",
    "of_data",
    "parts_of",
    "rows_of",
]


class Schema(Struct, frozen=True, kw_only=True, tag_field="kind", tag="schema", eq=False):
    """What a frame's columns are, in their order.

    `schema_id` is a digest of all its content and `structure_id` one of names, dtypes and nullability, so that equal
    schemas have equal ids on every machine. `rows` is the number of rows; `seq` is the place in the journal that the
    schema was read from, else 0. Schemas compare by their ids.

    >>> import pandas as pd
    >>> schema = Schema.from_data(pd.DataFrame({"age": [31, 40], "weight": [71.5, None]}))
    >>> schema.columns
    ['age', 'weight']
    >>> str(schema["age"]), str(schema["weight"])
    ('int64, 31 to 40', 'float64, 1 missing, 71.5 to 71.5')
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
    def from_data(cls, data: pd.DataFrame, *, profile: Profile = "full") -> Schema:
        """The schema of a frame.

        Column labels that are no text are named by their `repr`. A column's nullability is that of its dtype: integers
        and booleans of NumPy can't hold missing values, everything else can. `profile` chooses what is told of values:
        `full` has statistics, which take the most time, `digest` digests and how many are missing, `names` nothing.

        Raises DataError if `data` is no pandas DataFrame.
        """
        return cls.infer(data, None, profile)

    @classmethod
    def infer(cls, data: pd.DataFrame, table: pa.Table | None, profile: Profile) -> Schema:
        """The same; where `frames.prepare` made a table of the frame already, values are taken from that."""
        if not is_frame(data):
            raise DataError(
                f"a schema is inferred from a pandas DataFrame, not from {type(data).__name__}",
                remedy="pass the frame itself",
            )
        from runfolio import profiles  # noqa: PLC0415  (pandas and pyarrow take half a second to import)

        return cls.of(len(data), profiles.fields_of(profiles.columns_of(data, table, profile), profile))

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

        A field that only `other` has is a CREATE and one that it lacks a DELETE; another dtype is a TRANSFORM, and an
        UPDATE means that values or properties changed, which takes digests to tell where the number of rows is the
        same; a rename is a DELETE and a CREATE that name each other. See `differences` for more.

        >>> before = Schema.of(3, [Field(name="a", dtype="int64", nullable=False, nulls=0)])
        >>> after = Schema.of(3, [Field(name="a", dtype="float64", nullable=True, nulls=0)])
        >>> [(change.type, change.target) for change in before.diff(after)]
        [('TRANSFORM', 'a')]
        """
        return differences(self.fields, self.rows, other.fields, other.rows)


Schemas = Schema | dict[str, Schema] | None
"""The schema of data of one part, those of data of several parts by their names, or none."""


def of_data(data: Any, profile: Profile) -> Schemas:
    """The schema of a frame, those of a dict of frames, or None for what is no table."""
    if isinstance(data, dict):
        found = {label_text(name): of_data(part, profile) for name, part in data.items()}
        parts = {name: schema for name, schema in found.items() if isinstance(schema, Schema)}
        return parts if parts and len(parts) == len(found) else None
    return Schema.from_data(data, profile=profile) if is_frame(data) else None


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


def _digest(content: object) -> str:
    from hashlib import blake2b  # noqa: PLC0415  (loads OpenSSL)

    return blake2b(json.encode(content), digest_size=16).hexdigest()


def _native_text(table: pa.Table, position: int) -> pa.ChunkedArray | None:
    """The column if its nulls are all that is missing, which a column of another type or of JSON need not show."""
    import pyarrow as pa  # noqa: PLC0415

    field = table.schema.field(position)
    return table.column(position) if pa.types.is_large_string(field.type) and not field.metadata else None
