"""Batches: a stream of tables that was stored, to be read in pieces as often as one likes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from runfolio.errors import UsageError
from runfolio.records import Part
from runfolio.schema import Schema
from runfolio.tables import ARROW, BATCH, POLARS, kind_of

if TYPE_CHECKING:
    from pathlib import Path

    from runfolio.tables.tablefile import Checked, TableFile

__all__ = ["Batches"]


class Batches:
    """Tables one after the other, read from a result's file while they are asked for.

    Iterating gives each as it was given to be stored; `len()` is their number, `rows` that of all their rows. Several
    may iterate at once. The file's digest is compared with the commit line's before the first read, and the checksum of
    each page as it is read; DamageError is raised for a file that is not what was written.

    >>> import pandas as pd
    >>> from runfolio import Status
    >>> with Status(root=root) as status, status.step("Loader", "parts") as step:
    ...     parts = step.result(pd.DataFrame({"n": [number] * 3}) for number in range(2))
    >>> parts
    <batches of pandas.DataFrame: 6 rows, 1 columns>
    >>> [len(frame) for frame in parts], int(parts.read()["n"].sum())
    ([3, 3], 3)
    """

    def __init__(
        self,
        folder: Path,
        part: Part,
        schema: Schema | None,
        *,
        columns: list[Any] | None = None,
        size: int | None = None,
        as_: str | None = None,
    ) -> None:
        from runfolio.tables.forms import checked_word  # noqa: PLC0415  (pandas and pyarrow are loaded to read)
        from runfolio.tables.tablefile import Checked  # noqa: PLC0415

        if size is not None and (type(size) is not int or size < 1):
            raise UsageError(f"size is {size!r}", remedy="pass a number of rows", key="size")
        if columns is not None and (isinstance(columns, str) or not hasattr(columns, "__iter__")):
            raise UsageError(f"columns is {columns!r}", remedy=f"pass a list: columns=[{columns!r}]", key="columns")
        self.schema = schema
        self._file: Checked = Checked(folder, part)
        self._columns = None if columns is None else list(columns)
        self._size = size
        self._as = checked_word(as_)
        if self._columns is not None:
            with self._open() as table:
                table.check(self._columns)

    @property
    def rows(self) -> int:
        """The number of rows of all tables together."""
        return self._file.part.rows or 0

    @property
    def columns(self) -> list[Any]:
        """The labels of the columns, as the first table has them."""
        if self._columns is not None:
            return list(self._columns)
        with self._open() as table:
            return table.labels()

    def __len__(self) -> int:
        with self._open() as table:
            return table.count(self._size)

    def __iter__(self) -> Iterator[Any]:
        with self._open() as table:
            yield from table.tables(self._columns, self._size, self._as)

    def select(self, columns: list[Any]) -> Batches:
        """The same with these columns alone, of which no others are read. Raises NotFoundError."""
        return self._like(columns=columns)

    def read(self, as_: str | None = None) -> Any:
        """All tables as one: of their own kind (record batches as a table), or as `pandas`, `arrow` or `polars`."""
        with self._open() as table:
            table.admit(self._columns)
        parts = list(self if as_ is None else self._like(as_=as_))
        return parts[0] if self._file.part.type == BATCH and self._size is None else _whole(parts)

    def dataset(self) -> Any:
        """The file as a `pyarrow.dataset.Dataset`: lazy, with the columns of the file as docs/format.md describes them.

        It outlives the check of the digest; from then on the checksums of pages are what tells damage.
        """
        from runfolio.tables.tablefile import dataset  # noqa: PLC0415

        return dataset(self._file)

    def __repr__(self) -> str:
        part = self._file.part
        number = part.columns if self._columns is None else len(self._columns)
        kind = part.type if part.type.startswith("batches") else f"batches of {part.type}"
        return f"<{kind}: {self.rows:,} rows, {number} columns>"

    def _like(self, **changed: Any) -> Batches:
        options = {"columns": self._columns, "size": self._size, "as_": self._as, **changed}
        file = self._file
        found = Batches(file.folder, file.part, self.schema, **options)
        found._file.is_sound = found._file.is_sound or file.is_sound
        return found

    def _open(self) -> AbstractContextManager[TableFile]:
        from runfolio.tables.tablefile import opened  # noqa: PLC0415

        return opened(self._file)


def _whole(parts: list[Any]) -> Any:
    kind = kind_of(parts[0])
    if kind == BATCH:
        import pyarrow as pa  # noqa: PLC0415

        return pa.Table.from_batches(parts)
    if len(parts) == 1:
        return parts[0]
    if kind == ARROW:
        import pyarrow as pa  # noqa: PLC0415

        return pa.concat_tables(parts)
    if kind == POLARS:
        from runfolio.tables.polars_form import polars, told  # noqa: PLC0415

        with told():
            return polars().concat(parts)
    import pandas as pd  # noqa: PLC0415

    return pd.concat(parts)
