"""Reading a file of a result: checked against its commit line first, then piece by piece, each page by its checksum."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from runfolio import layout
from runfolio.errors import DamageError, FormatError, NotFoundError, RunfolioError, UsageError, WithheldError
from runfolio.files import open_within, path_of
from runfolio.frames import MALFORMED
from runfolio.limits import MAX_METADATA
from runfolio.records import Part
from runfolio.tables import FRAME, footers, sizes
from runfolio.tables.forms import form_of, restored

__all__ = ["VERIFY", "Checked", "TableFile", "checked", "dataset", "opened"]

VERIFY = "fetch the file from a backup; the other results are not touched by this"
_KINDS = {"arrow": "pyarrow.Table", "polars": "polars.DataFrame"}


class Checked:
    """Where the file of a part is, and whether it was found to be what was written."""

    def __init__(self, folder: Path, part: Part) -> None:
        if part.file is None:
            raise WithheldError("the data was left out of the run", reason=part.withheld or "")
        if not layout.is_result_name(part.file):
            raise DamageError(f"{part.file!r} is no result file's path", remedy=VERIFY, file=part.file)
        self.folder = folder
        self.path = folder / part.file
        self.part = part
        self.file = part.file
        self.is_sound = False


@contextmanager
def checked(file: Checked) -> Iterator[Any]:
    """The file, opened; its digest is compared with the commit line's the first time. Raises DamageError."""
    path, part = file.path, file.part
    try:
        handle = os.fdopen(open_within(file.folder, file.file), "rb")
    except (OSError, FormatError) as error:
        raise DamageError(f"the result file {path} can't be read: {error}", remedy=VERIFY, file=str(path)) from error
    with handle:
        if not file.is_sound:
            size = os.fstat(handle.fileno()).st_size
            if size != part.bytes or file_digest(handle, "sha256").hexdigest() != part.sha256:
                raise DamageError(
                    f"the result file {path} is not what was written: its digest differs", remedy=VERIFY, file=str(path)
                )
            handle.seek(0)
            file.is_sound = True
        yield handle


@contextmanager
def opened(file: Checked) -> Iterator[TableFile]:
    """The tables of a file. Raises DamageError."""
    # A file of Python's would be let go of by Arrow's threads, which the interpreter's end would abort.
    with checked(file) as handle:
        try:
            source = pa.OSFile(path_of(handle.fileno(), file.path))
        except OSError as error:
            what = f"the result file {file.path} can't be read: {error}"
            raise DamageError(what, remedy=VERIFY, file=str(file.path)) from error
    with source:
        yield TableFile(source, file)


class TableFile:
    """A Parquet file that is open: one table, or those of a stream."""

    def __init__(self, source: Any, file: Checked) -> None:
        self._path = str(file.path)
        with self._told():
            own_footer = sizes.admitted_footer(source, self._path)
            self._parquet = pq.ParquetFile(
                source,
                page_checksum_verification=True,
                thrift_string_size_limit=MAX_METADATA,
            )
            self._sizes = sizes.Sizes(source, self._parquet, own_footer, self._path)
            footer = footers.decode(self._parquet.metadata.metadata)
            rows = self._parquet.metadata.num_rows
            if footer.get("kind") == "stream":
                self.kind: str = footer["of"]
                self.pieces = [(one["rows"], _footer(footer, one)) for one in footer["batches"]]
            else:
                own = FRAME if "kind" not in footer else _KINDS[footer["kind"]]
                self.kind = own if file.part.type.startswith("batches") else file.part.type
                self.pieces = [(rows, footer)]
            if sum(count for count, _ in self.pieces) != rows:
                raise ValueError(f"its footer is of other than {rows} rows")
        self._names: list[str] = self._parquet.schema_arrow.names

    def labels(self) -> list[Any]:
        """The labels of the columns."""
        with self._told():
            return form_of(self.kind).labels(self.pieces[0][1])

    def check(self, wanted: list[Any]) -> None:
        """Raise NotFoundError for columns that are not there, DamageError for a footer that does not tell."""
        self._stored(wanted)

    def count(self, size: int | None) -> int:
        """The number of tables."""
        return sum(1 for rows, _ in self.pieces for _ in _cuts(rows, size))

    def tables(self, wanted: list[Any] | None, size: int | None, as_: str | None) -> Iterator[Any]:
        """The tables as they were given, or of at most so many rows each. Raises NotFoundError, DamageError."""
        groups = self._groups(wanted)
        for rows, footer in self.pieces:
            for begin, count in _cuts(rows, size):
                with self._told():
                    table = _with_nulls(groups.take(count), footer.get("nulls", []))
                    found = restored(self.kind, table, _sliced(footer, begin, count, rows), wanted, as_)
                yield found

    def admit(self, wanted: list[Any] | None) -> None:
        """Raise TooLargeError if all tables together take more memory than a result may."""
        groups = self._groups(wanted)
        with self._told():
            groups.admit(self._parquet.metadata.num_rows)

    def _groups(self, wanted: list[Any] | None) -> _Groups:
        return _Groups(self._sizes, self._parquet, self._stored(wanted))

    def _stored(self, wanted: list[Any] | None) -> list[str]:
        form = form_of(self.kind)
        with self._told():
            return form.stored(self.pieces[0][1], self._names, wanted)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except NotFoundError:  # it is the caller's column that is wrong, not the file
            raise
        except RunfolioError as error:
            error.file = error.file or self._path
            raise
        except (*MALFORMED, pa.ArrowException) as error:
            raise _unreadable(self._path, error) from error


def dataset(file: Checked) -> Any:
    """The file as an Arrow dataset, once its digest was found to be right; reads verify the checksums of pages.

    Raises DamageError, UsageError for an archived run.
    """
    if file.folder.is_file():
        raise UsageError(
            f"{file.folder} is an archive, and a dataset is read by its path", remedy="unpack it, or read()"
        )
    with opened(file):  # its footer is one that may be read
        pass
    options = ds.ParquetFragmentScanOptions(page_checksum_verification=True, thrift_string_size_limit=MAX_METADATA)
    try:
        return ds.dataset(str(file.path), format=ds.ParquetFileFormat(default_fragment_scan_options=options))
    except (*MALFORMED, pa.ArrowException) as error:
        raise _unreadable(str(file.path), error) from error


def _unreadable(path: str, error: Exception) -> DamageError:
    first = str(error).partition("\n")[0]
    return DamageError(f"the result file {path} can't be read: {first}", remedy=VERIFY, file=path)


class _Groups:
    """The rows of a file, taken from the front, a row group at a time."""

    def __init__(self, sizes: sizes.Sizes, parquet: pq.ParquetFile, names: list[str]) -> None:
        self._sizes = sizes
        self._parquet = parquet
        self._names = names
        self._next = 0
        self._rest: list[pa.Table] = []

    def admit(self, count: int) -> None:
        """Raise TooLargeError if the groups that the next rows are in take more memory than a result may."""
        rows, groups = sum(table.num_rows for table in self._rest), range(self._next, self._next)
        while rows < count and groups.stop < self._parquet.num_row_groups:
            rows += self._parquet.metadata.row_group(groups.stop).num_rows
            groups = range(groups.start, groups.stop + 1)
        self._sizes.admit(self._names, groups)

    def take(self, count: int) -> pa.Table:
        """The next rows. Raises TooLargeError."""
        self.admit(count)
        while sum(table.num_rows for table in self._rest) < count:
            table = self._parquet.read_row_group(self._next, columns=self._names)
            self._rest.append(table.select(self._names))
            self._next += 1
        whole = self._rest[0] if len(self._rest) == 1 else pa.concat_tables(self._rest) if self._rest else self._empty()
        rest = whole.slice(count)
        self._rest = [rest] if rest.num_rows else []
        return whole.slice(0, count)

    def _empty(self) -> pa.Table:
        return self._parquet.schema_arrow.empty_table().select(self._names)


def _cuts(rows: int, size: int | None) -> Iterator[tuple[int, int]]:
    if size is None or rows <= size:
        yield 0, rows
        return
    for begin in range(0, rows, size):
        yield begin, min(size, rows - begin)


def _footer(footer: dict[str, Any], batch: dict[str, Any]) -> dict[str, Any]:
    form: dict[str, Any] = footer["forms"][batch["form"]]
    return {**form, "index": batch["index"]} if "index" in batch else form


def _sliced(footer: dict[str, Any], begin: int, count: int, rows: int) -> dict[str, Any]:
    if count == rows or "index" not in footer:
        return footer
    from runfolio.tables.pandas_form import sliced_index  # noqa: PLC0415  (who has no frame needs no pandas)

    return {**footer, "index": sliced_index(footer["index"], begin, count)}


def _with_nulls(table: pa.Table, names: list[str]) -> pa.Table:
    """The table with the columns that were null alone as such."""
    for name in set(names) & set(table.column_names):
        place = table.column_names.index(name)
        table = table.set_column(place, pa.field(name, pa.null()), pa.nulls(table.num_rows))
    return table
