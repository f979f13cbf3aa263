"""Results: the data of an experiment as files, written before their commit line and read when asked for."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct, json

from runfolio import limits
from runfolio import parts as names
from runfolio.errors import DamageError, DataError, NotFoundError, UsageError, WithheldError
from runfolio.field import Profile
from runfolio.files import create, make_folder, put, remove, sha256, write_error
from runfolio.parts import is_utf8
from runfolio.records import Format, Part, Result
from runfolio.schema import Schema, Schemas, parts_of
from runfolio.tables import REPORT, STREAM, is_exported, is_stream, kind_of, refuse_lookalikes
from runfolio.tables.batches import Batches
from runfolio.values import MAX_DEPTH

if TYPE_CHECKING:
    from pathlib import Path

    from runfolio.policy import Policy
    from runfolio.tables.forms import Carried

Ticks = Callable[[], tuple[float, float]]
"""The monotonic and the processor clock, in seconds."""


class StoredResult(Mapping[str, Any]):
    """One stored result: `["data"]` and `["schema"]`, as the specification has it.

    The data is read from its files when it is first asked for and checked against the commit line's digest; it is then
    kept as long as this object is. It comes back as what it was, a stream of tables as `Batches`. Nested data is a
    nested dict, and so is its schema, in which reports have None. `record` is the commit line. Of data that the run
    left out there is the schema alone: `is_withheld` tells, and asking for the data raises WithheldError.

    `read`, `batches` and `dataset` read a part as something else, or some of its columns, and keep nothing.
    """

    def __init__(self, folder: Path, record: Result, schemas: Mapping[str, Schema]) -> None:
        self.record = record
        self._folder = folder
        self._schemas = schemas
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in ("data", "schema"):
            raise KeyError(name)
        if name not in self._loaded:
            self._loaded[name] = self.read() if name == "data" else self._schema()
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(("data", "schema"))

    def __len__(self) -> int:
        return 2

    def __repr__(self) -> str:
        told = (part.file or f"withheld ({part.withheld})" for part in self.record.parts)
        return f"<result {self.record.key!r}: {', '.join(told)}>"

    @property
    def is_withheld(self) -> bool:
        """Whether the data, or a part of it, was left out or removed on purpose."""
        return any(part.withheld is not None for part in self.record.parts)

    @property
    def parts(self) -> list[str]:
        """The names of the parts, in their order; none where the result has one part without a name."""
        return [part.name for part in self.record.parts if part.name is not None]

    def read(self, part: str | None = None, *, columns: list[Any] | None = None, as_: str | None = None) -> Any:
        """The data, or one part of it, anew: these columns of it, as `pandas`, `arrow` or `polars`.

        Without `as_` a table is of its own kind. With it, what pandas makes of Arrow's values or the other way round:
        a frame's index is left out, and a stream is one table. Reports are what they are.

        Raises NotFoundError for a part or column that is not there, WithheldError for data that was left out, and
        DamageError for a file that is not as written.
        """
        if part is None and columns is None:
            return names.joined((one.name, self._read(one, None, as_)) for one in self.record.parts)
        return self._read(self._table(part, "columns are read"), columns, as_)

    def batches(
        self,
        part: str | None = None,
        *,
        columns: list[Any] | None = None,
        size: int | None = None,
        as_: str | None = None,
    ) -> Batches:
        """A table's rows in pieces: as they were stored, or of at most `size` rows each; read while they are used.

        Columns and `as_` are as for `read`, and so is what is raised.
        """
        found = self._there(self._table(part, "batches are"))
        return Batches(self._folder, found, self._schema_of(found), columns=columns, size=size, as_=as_)

    def dataset(self, part: str | None = None) -> Any:
        """A table's file as a `pyarrow.dataset.Dataset`, as `Batches.dataset` gives it."""
        return self.batches(part).dataset()

    def _table(self, name: str | None, what: str) -> Part:
        found = [part for part in self.record.parts if name is None or part.name == name]
        if name is not None and not found:
            raise NotFoundError(
                f"no part {name!r} in the result {self.record.key!r}",
                remedy=f"it has {self.parts or 'one part, without a name'}",
                key=name,
            )
        if len(found) > 1:
            raise UsageError(f"{what} of one part", remedy=f"name one of {self.parts}", key="part")
        return found[0]

    def _there(self, part: Part) -> Part:
        if part.withheld is not None:
            raise withheld_error(self.record, part.withheld)
        return part

    def _read(self, part: Part, columns: list[Any] | None, as_: str | None) -> Any:
        self._there(part)
        if part.format == "json":
            if columns is not None:
                raise UsageError(
                    f"the result {self.record.key!r} is a report, which has no columns", remedy="read it without"
                )
            return _report(self._folder, part)
        found = Batches(self._folder, part, self._schema_of(part), columns=columns, as_=as_)
        return found if part.type.startswith(STREAM) and as_ is None else found.read()

    def _schema_of(self, part: Part) -> Schema | None:
        return None if part.schema_id is None else self._schemas.get(part.schema_id)

    def _schema(self) -> Schemas:
        return names.joined((part.name, self._schema_of(part)) for part in self.record.parts)  # type: ignore[no-any-return]


def withheld_error(record: Result, reason: str) -> WithheldError:
    """What asking for data raises that is not in the folder on purpose."""
    results = f"results of the module {record.path[-1].module_name}" if record.path else "such results"
    what, remedy = {
        "schema": (
            f"was not stored: {results} are recorded by their schema alone",
            "its schema is there; to have the data stored, run again with results='full' for it",
        ),
        "pruned": (
            "was pruned: it was removed to free its space",
            "its schema is there; to have the data, run again",
        ),
        "redacted": (f"was removed: {results} were redacted", "its schema is there; to have the data, run again"),
    }.get(reason, (f"is withheld: {reason}", "its schema is there"))
    return WithheldError(f"the data of {record.key!r} {what}", reason=reason, remedy=remedy, key=record.key)


NewFile = Callable[[str, str], "tuple[Path, Path]"]
"""Gives for a decoration and a suffix the path of a new file, and the temporary path to write it at first."""


class Means(NamedTuple):
    """What the files of a result are written with."""

    new_file: NewFile
    profile: Profile
    policy: Policy
    ticks: Ticks


class Content(Struct, frozen=True):
    """What one file of a result is to hold, checked: a table and its schema, a stream of tables, or a report's text."""

    name: str | None
    type: str
    carried: Carried | None
    stream: Any
    report: bytes
    shape: tuple[int | None, int | None]
    schema: Schema | None

    @property
    def format(self) -> Format:
        """The form of the file, which is its suffix too."""
        return "json" if self.type == REPORT else "parquet"


class Written(NamedTuple):
    """A file that was written: its part of the commit line, its schema, the time that a stream took by itself."""

    part: Part
    schema: Schema | None
    spent: tuple[float, float] = (0.0, 0.0)


def contents_of(data: Any, given: Schemas, profile: Profile) -> list[Content]:
    """What the files of a result are to hold, with the schemas given or, without any, their own of that profile.

    Raises DataError if the data would not come back exactly; what is in a stream shows when it is written.
    """
    schemas = dict(parts_of(given))
    return [_content(name, part, schemas.get(name), profile) for name, part in names.flattened(data)]


def schemas_of(written: list[Written] | list[Content]) -> Schemas:
    """The schema of a result, that of each part where there are several, None for a report."""
    found = {_name_of(one): one.schema for one in written if one.schema is not None}
    if None in found:
        return found[None]
    return {name: schema for name, schema in found.items() if name is not None} or None


def write_parts(means: Means, decoration: str, contents: list[Content]) -> list[Written]:
    """Write the files of a result and say what they are; the commit line is the caller's.

    Raises WriteError, DataError, and what a stream raises; no file stays then.
    """
    written: list[Written] = []
    paths: list[Path] = []
    try:
        for content in contents:
            path, temporary = means.new_file(
                f"{decoration}-{content.name}" if content.name else decoration, content.format
            )
            paths.append(path)
            written.append(_write(means, content, path, temporary))
    except BaseException:
        for path in paths:
            remove(path)
        raise
    return written


def passed_on(data: Any, folder: Path, written: list[Written]) -> Any:
    """The data as its next user takes it: streams that writing used up are read from their files instead."""
    found = {one.part.name: one for one in written}
    if not uses_up(data):
        return data

    def leaf_of(name: str | None, leaf: Any) -> Any:
        return Batches(folder, found[name].part, found[name].schema) if is_used_up(leaf) else leaf

    return names.joined((name, leaf_of(name, leaf)) for name, leaf in names.flattened(data))


def uses_up(data: Any) -> bool:
    """Whether to write the data, or a part of it, takes it from who gave it."""
    return any(is_used_up(leaf) for _, leaf in names.flattened(data))


def _name_of(one: Written | Content) -> str | None:
    return one.part.name if isinstance(one, Written) else one.name


def is_used_up(leaf: Any) -> bool:
    """Whether reading this leaf of the data takes it from who gave it."""
    return is_stream(leaf) and not isinstance(leaf, (list, Batches)) and not is_exported(leaf)


def _report(folder: Path, part: Part) -> Any:
    """The report of one part. Raises DamageError."""
    from runfolio.tables.tablefile import VERIFY, Checked, checked  # noqa: PLC0415

    file = Checked(folder, part)
    with checked(file) as handle:
        limits.admit(os.fstat(handle.fileno()).st_size, str(file.path))
        data = handle.read()
    try:
        return json.decode(data)
    except (ValueError, RecursionError) as error:
        raise DamageError(f"{file.path} is no JSON report: {error}", remedy=VERIFY, file=str(file.path)) from error


def _content(name: str | None, data: Any, schema: Schema | None, profile: Profile) -> Content:
    what = "the result" if name is None else f"part {name!r}"
    refuse_lookalikes(data, what)
    kind = kind_of(data)
    if kind is not None:
        return _table_content(name, kind, data, schema, profile)
    if is_stream(data):
        return Content(name, STREAM, None, data, b"", (None, None), schema)
    problem = _no_report(data, "the result", 0)
    if problem:
        raise DataError(
            f"can't store {what}: {problem}",
            remedy="store a table, an iterator of tables, a dict of them, or a report of text, numbers and such",
            problems=(problem,),
        )
    return Content(name, REPORT, None, None, json.encode(data) + b"\n", (None, None), None)


def _table_content(name: str | None, kind: str, data: Any, schema: Schema | None, profile: Profile) -> Content:
    from runfolio import profiles  # noqa: PLC0415  (pandas and pyarrow take half a second to import)
    from runfolio.tables.forms import form_of  # noqa: PLC0415

    with _Naming(name):
        carried = form_of(kind).carry(data)
    rows, width = len(data) if hasattr(data, "__len__") else data.num_rows, _width(data)
    if schema is None:
        fields = profiles.fields_of(carried.columns(carried.table, profile), profile)
        schema = Schema.of(rows, fields)
    return Content(name, kind, carried, None, b"", (rows, width), schema)


def _width(data: Any) -> int:
    shape = data.shape
    return shape[1] if len(shape) > 1 else 1


class _Naming:
    """Names the part in a DataError that comes out of the block."""

    def __init__(self, name: str | None) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, DataError) and self._name is not None:
            error.what = f"part {self._name!r}: {error.what}"


def _write(means: Means, content: Content, path: Path, temporary: Path) -> Written:
    """Write one file: at a temporary path first, so that it is there whole or not at all."""
    try:
        try:
            with suppress(FileExistsError):
                make_folder(path.parent, means.policy)
            if path.parent.is_symlink():  # who put it there would choose where the data go
                raise NotADirectoryError(errno.ENOTDIR, "it is a symbolic link", str(path.parent))
            os.close(create(temporary, means.policy))
            if content.stream is None:
                _write_whole(content, temporary)
        except OSError as error:
            raise write_error(error, path) from error
        return _put_in_place(means, content, path, temporary)
    except BaseException:
        remove(temporary)
        raise


def _write_whole(content: Content, temporary: Path) -> None:
    if content.carried is None:
        temporary.write_bytes(content.report)
        return
    from runfolio import frames  # noqa: PLC0415
    from runfolio.tables import footers  # noqa: PLC0415

    table = content.carried.table
    metadata = {**(table.schema.metadata or {}), footers.FOOTER_KEY: footers.encode(content.carried.footer)}
    with _Naming(content.name):
        frames.store(table.replace_schema_metadata(metadata), str(temporary))


def _put_in_place(means: Means, content: Content, path: Path, temporary: Path) -> Written:
    kind, schema, (rows, columns), spent = content.type, content.schema, content.shape, (0.0, 0.0)
    if content.stream is not None:
        from runfolio.tables import streams  # noqa: PLC0415

        with _Naming(content.name):
            found = streams.write(content.stream, temporary, means.profile if schema is None else None, means.ticks)
        kind, rows, columns, spent = found.type, found.rows, found.columns, found.spent
        schema = schema or Schema.of(found.rows, found.fields or [])
    try:
        size, digest = sha256(temporary)
        put(temporary, path, means.policy)
    except OSError as error:
        raise write_error(error, path) from error
    part = Part(
        name=content.name,
        file=f"{path.parent.name}/{path.name}",
        format=content.format,
        rows=rows,
        columns=columns,
        bytes=size,
        sha256=digest,
        schema_id=None if schema is None else schema.schema_id,
        type=kind,
    )
    return Written(part, schema, spent)


def _no_report(data: Any, place: str, depth: int) -> str | None:
    """Why data would not come back from JSON just as it is, or None."""
    kind = type(data)
    if depth >= MAX_DEPTH and kind in (dict, list):
        return f"{place} is nested more than {MAX_DEPTH} levels deep"
    if kind is dict:
        wrong = next((key for key in data if type(key) is not str or not is_utf8(key)), None)
        if wrong is not None:
            return f"the key {wrong!r} of {place} is no text"
        found = (_no_report(value, f"{place}[{key!r}]", depth + 1) for key, value in data.items())
        return next(filter(None, found), None)
    if kind is list:
        found = (_no_report(value, f"{place}[{index}]", depth + 1) for index, value in enumerate(data))
        return next(filter(None, found), None)
    if kind is float and not math.isfinite(data):
        return f"{place} is {data}, which is not JSON"
    if kind is int and not -(2**63) <= data < 2**64:
        return f"{place} is an integer of more than 64 bits"
    if kind is str and not is_utf8(data):
        return f"{place} holds a lone surrogate, which is not UTF-8"
    return (
        None
        if data is None or kind in (str, int, float, bool)
        else f"{place} is a {kind.__module__}.{kind.__qualname__}"
    )
