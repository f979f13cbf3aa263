"""Schema and Field: what the columns of a table are, and how two schemas differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct, json

from runfolio.errors import DataError, NotFoundError
from runfolio.field import Field, Profile, label_text
from runfolio.tables import is_batches, is_stream, kind_of

if TYPE_CHECKING:
    from runfolio.differences import Difference

__all__ = [
    "Compared",
    "Field",
    "Profile",
    "Schema",
    "Schemas",
    "compared",
    "of_data",
    "parts_of",
    "rows_of",
]


class Schema(Struct, frozen=True, kw_only=True, tag_field="kind", tag="schema", eq=False):
    """What a table's columns are, in their order.

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
    def from_data(cls, data: Any, *, profile: Profile = "full") -> Schema:
        """The schema of a table: of pandas, pyarrow or polars, or what exports an Arrow stream, which is read through.

        Column labels that are no text are named by their `repr`. A column's nullability is that of its dtype in pandas,
        where integers and booleans of NumPy can't hold missing values, and of its field in Arrow; in polars every
        column can hold them. `profile` chooses what is told of values: `full` has statistics, which take the most time,
        `digest` digests and how many are missing, `names` nothing. Equal values have equal digests in every library.

        Raises DataError if `data` is no table.
        """
        kind = kind_of(data)
        if kind is None and not (is_stream(data) and hasattr(data, "__arrow_c_stream__")):
            raise DataError(
                f"a schema is inferred from a table, not from {type(data).__name__}",
                remedy="pass a frame or table of pandas, pyarrow or polars itself",
            )
        from runfolio.tables import columns  # noqa: PLC0415  (pandas and pyarrow take half a second to import)

        return cls.of(*columns.told(data, kind, profile))

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
        from runfolio.differences import differences  # noqa: PLC0415  (a run that only records needs none of it)

        return differences(self.fields, self.rows, other.fields, other.rows)


Schemas = Schema | dict[str, Schema] | None
"""The schema of data of one part, those of data of several parts by their names, or none."""


def of_data(data: Any, profile: Profile) -> Schemas:
    """The schema of a table, those of a nested dict's tables by the names of their parts, None where there is none.

    A stream that reading would use up has none; one that was stored has that of its result.
    """
    from runfolio.parts import flattened  # noqa: PLC0415  (only data needs it)

    found = {name: _schema_of(leaf, profile) for name, leaf in flattened(data, spell=label_text)}
    if None in found:
        return found[None]
    return {name: schema for name, schema in found.items() if name is not None and schema is not None} or None


def _schema_of(data: Any, profile: Profile) -> Schema | None:
    if kind_of(data) is not None:
        return Schema.from_data(data, profile=profile)
    return getattr(data, "schema", None) if is_batches(data) else None


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


class Compared(Struct, frozen=True):
    """A part of what a step gave, and the part of its input that it is compared with, if there is one."""

    part: str | None
    source: str | None
    old: Schema | None
    new: Schema


def compared(before: Schemas, after: Schemas) -> list[Compared]:
    """Each part of a step's output with the input's part of the same name, else with the input's first part.

    So a splitter's parts are compared with the frame that was split.
    """
    olds = dict(parts_of(before))
    first = next(iter(olds), None)
    pairs = [(part, part if part in olds else first, new) for part, new in parts_of(after)]
    return [Compared(part, source, olds.get(source), new) for part, source, new in pairs]


def _digest(content: object) -> str:
    from hashlib import blake2b  # noqa: PLC0415  (loads OpenSSL)

    return blake2b(json.encode(content), digest_size=16).hexdigest()
