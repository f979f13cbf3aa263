"""Concealment: what must not be recorded taken out of schemas, changes and errors, by the privacy of a run.

Names are hashed with a random key that each process which begins, joins or resumes a run makes for itself and writes
nowhere: without it nobody can try what a hash may be of. Forked processes share their parent's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator

from msgspec import structs

from runfolio.differences import TABLE, Difference
from runfolio.field import Field
from runfolio.parts import name_of
from runfolio.privacy import Privacy, Told, profile_of
from runfolio.records import Description
from runfolio.schema import Schema, Schemas, parts_of

MARK = "#"
"""What a hashed name begins with."""

_RENAMED = ("renamed_to", "renamed_from")


class Pseudonyms:
    """Hashes of names, the same for the same name while the process lives."""

    def __init__(self) -> None:
        self._key = os.urandom(32)
        self._hashes: dict[str, str] = {}
        self._names: dict[str, str] = {}

    def hash(self, name: str) -> str:
        """The hash of a name; one that is a hash already stays what it is.

        >>> one, other = Pseudonyms(), Pseudonyms()
        >>> one.hash("age") == one.hash("age") == one.hash(one.hash("age")) != other.hash("age")
        True
        """
        if name in self._names:
            return name
        found = self._hashes.get(name)
        if found is None:
            from hashlib import blake2b  # noqa: PLC0415  (loads OpenSSL)

            found = MARK + blake2b(name.encode(errors="surrogatepass"), digest_size=8, key=self._key).hexdigest()
            self._hashes[name], self._names[found] = found, name
        return found

    def name(self, hashed: str) -> str:
        """The name of a hash that this process made; anything else as it is."""
        return self._names.get(hashed, hashed)


class Concealment:
    """Conceals by the privacy of one run; `pseudonyms` are this process's."""

    def __init__(self, privacy: Privacy) -> None:
        self.privacy = privacy
        self._pseudonyms = Pseudonyms()

    def schemas(self, schemas: Schemas, told: Told) -> Schemas:
        """Schemas with no more in them than this word allows."""
        if told == "full" or schemas is None:
            return schemas
        if isinstance(schemas, Schema):
            return self.schema(schemas, told)
        named = ((self.part(part, told), schema) for part, schema in schemas.items())
        return {part or "": self.schema(schema, told) for part, schema in named}

    def schema(self, schema: Schema, told: Told) -> Schema:
        """The same of one."""
        fields = [_reduced(field, told) for field in schema.fields]
        if told == "hashed":
            fields = [structs.replace(field, name=self._pseudonyms.hash(field.name)) for field in fields]
        return schema if fields == schema.fields else Schema.of(schema.rows, fields)

    def part(self, name: str | None, told: Told) -> str | None:
        """The name of a part."""
        return name if name is None or told != "hashed" else _each_key(name, self._pseudonyms.hash)

    def description(self, given: Description | None, told: Told) -> Description | None:
        """One side of a change that was recorded by hand: what was inferred of the values is taken out."""
        if given is None or told == "full":
            return given
        hidden = structs.replace(given, statistics=None)
        if told == "digest":
            return hidden
        dtype = None if given.dtype is None else plain_dtype(given.dtype, told)
        return structs.replace(hidden, nulls=None, dtype=dtype, name=given.name and self.column(given.name, told))

    def column(self, name: str, told: Told) -> str:
        """The name of a column, or `*` of the whole table."""
        return name if told != "hashed" or name == TABLE else self._pseudonyms.hash(name)

    def comparable(self, schemas: Schemas) -> Schemas:
        """Schemas by the names behind the hashes, which are in memory alone, so that they can be compared."""
        found = {part: self._renamed(schema, self._pseudonyms.name) for part, schema in parts_of(schemas)}
        if None in found:
            return found[None]
        return {_each_key(part, self._pseudonyms.name): schema for part, schema in found.items() if part} or None

    def differences(
        self, found: Iterable[tuple[str | None, Difference]], before: Schemas, after: Schemas, told: Told
    ) -> Iterator[tuple[str | None, Difference]]:
        """Differences of comparable schemas, with the names by which these are recorded: a column's new one first."""
        known = _names(after) | (set() if told == "hashed" else _names(before))

        def shown(name: str) -> str:
            return name if name in known or name == TABLE else self._pseudonyms.hash(name)

        def side(field: Field | int | None) -> Field | int | None:
            return structs.replace(field, name=shown(field.name)) if isinstance(field, Field) else field

        for part, one in found:
            details = {key: shown(value) if key in _RENAMED else value for key, value in one.details.items()}
            target = shown(one.target)
            yield self.part(part, told), Difference(one.type, target, side(one.before), side(one.after), details)

    def _renamed(self, schema: Schema, rename: Callable[[str], str]) -> Schema:
        fields = [structs.replace(field, name=rename(field.name)) for field in schema.fields]
        return schema if fields == schema.fields else Schema.of(schema.rows, fields)


def plain_dtype(dtype: str, told: Told) -> str:
    """The spelling of a dtype without the values that some have in it, and without names where these are hashed.

    >>> plain_dtype("Enum(categories=['a', 'b'])", "names"), plain_dtype("Sparse[int64, 7]", "names")
    ('Enum(…)', 'Sparse[int64, …]')
    >>> plain_dtype("list<item: struct<name: string>>", "hashed"), plain_dtype("datetime64[us, UTC]", "hashed")
    ('list<…>', 'datetime64[us, UTC]')
    """
    if profile_of(told) != "names":
        return dtype
    head, found, _ = dtype.partition("Enum(")
    if found:
        dtype = f"{head}Enum(…)"
    if dtype.startswith("Sparse["):
        dtype = f"{dtype.partition(',')[0].rstrip(']')}, …]"
    if told == "hashed":
        for opening, closing in (("<", ">"), ("Struct(", ")")):
            head, found, _ = dtype.partition(opening)
            dtype = f"{head}{opening}…{closing}" if found else dtype
    return dtype


def _reduced(field: Field, told: Told) -> Field:
    """A field with no more in it than a word allows."""
    if told == "digest":
        return structs.replace(field, statistics=None)
    return Field(name=field.name, dtype=plain_dtype(field.dtype, told), nullable=field.nullable, nulls=None)


def _names(schemas: Schemas) -> set[str]:
    return {field.name for _, schema in parts_of(schemas) for field in schema.fields}


def _each_key(name: str, change: Callable[[str], str]) -> str:
    """A part's name with each key of it changed."""
    keys = (key.replace("~1", "/").replace("~0", "~") for key in name.split("/"))
    return name_of([change(key) for key in keys])
