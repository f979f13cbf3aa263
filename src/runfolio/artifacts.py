"""Results: the data of an experiment as files, written before their commit line and read when asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct, json

from runfolio import layout
from runfolio.errors import DamageError, DataError, FormatError
from runfolio.field import Profile
from runfolio.files import read_bytes, sha256, write_error
from runfolio.records import Format, Part, Result
from runfolio.schema import Schema, Schemas, is_frame, parts_of
from runfolio.values import MAX_DEPTH

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa


class StoredResult(Mapping[str, Any]):
    """One stored result: `["data"]` and `["schema"]`, as the specification has it.

    The data is read from its files when it is first asked for and checked against the commit line's digest; it is then
    kept as long as this object is. Data of several parts is a dict of frames, and so is its schema. `record` is the
    commit line.
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
            self._loaded[name] = self._data() if name == "data" else self._schema()
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(("data", "schema"))

    def __len__(self) -> int:
        return 2

    def __repr__(self) -> str:
        return f"<result {self.record.key!r}: {', '.join(part.file for part in self.record.parts)}>"

    def _data(self) -> Any:
        return _joined((part.name, read_part(self._folder, part)) for part in self.record.parts)

    def _schema(self) -> Schemas:
        found = _joined(
            (part.name, None if part.schema_id is None else self._schemas.get(part.schema_id))
            for part in self.record.parts
        )
        return found  # type: ignore[no-any-return]


_VERIFY = "fetch the file from a backup; the other results are not touched by this"

NewFile = Callable[[str, str], "tuple[Path, Path]"]
"""Gives for a decoration and a suffix the path of a new file, and the temporary path to write it at first."""


class Content(Struct, frozen=True):
    """What one file of a result is to hold, checked: the table of a frame and its schema, or the text of a report."""

    name: str | None
    table: pa.Table | None
    report: bytes
    shape: tuple[int | None, int | None]
    schema: Schema | None

    @property
    def format(self) -> Format:
        """The form of the file, which is its suffix too."""
        return "json" if self.table is None else "parquet"


def contents_of(data: Any, given: Schemas, profile: Profile) -> list[Content]:
    """What the files of a result are to hold, with the schemas given or, without any, their own of that profile.

    Raises DataError if the data would not come back exactly.
    """
    schemas = dict(parts_of(given))
    return [_content(name, part, schemas.get(name), profile) for name, part in split(data)]


def schemas_of(contents: list[Content]) -> Schemas:
    """The schema of a result, that of each part where there are several, None for a report."""
    found = {content.name: content.schema for content in contents if content.schema is not None}
    if None in found:
        return found[None]
    return {name: schema for name, schema in found.items() if name is not None} or None


def write_parts(new_file: NewFile, decoration: str, contents: list[Content]) -> list[Part]:
    """Write the files of a result and say what they are; the commit line is the caller's. Raises WriteError."""
    written = []
    for content in contents:
        path, temporary = new_file(f"{decoration}-{content.name}" if content.name else decoration, content.format)
        written.append(_write(content, path, temporary))
    return written


def split(data: Any) -> list[tuple[str | None, Any]]:
    """The named parts of data: those of a dict of frames, else all of it without a name.

    Raises DataError for a dict that holds frames beside something else, or under names that are no text.
    """
    if not isinstance(data, dict) or not any(is_frame(part) for part in data.values()):
        return [(None, data)]
    wrong = [name for name, part in data.items() if not is_frame(part) or type(name) is not str or not _is_utf8(name)]
    if wrong:
        raise DataError(
            f"a result of several parts is a dict of frames by name, but {wrong[0]!r} is "
            + ("no name in text" if is_frame(data[wrong[0]]) else f"a {type(data[wrong[0]]).__name__}"),
            remedy="store the rest under a key of its own",
            problems=tuple(map(repr, wrong)),
        )
    return list(data.items())


def read_part(folder: Path, part: Part) -> Any:
    """The frame or report of one part. Raises DamageError."""
    if not layout.is_result_name(part.file):
        raise DamageError(f"{part.file!r} is no result file's path", remedy=_VERIFY, file=part.file)
    path = folder / part.file
    try:
        data = read_bytes(path, None)
    except (OSError, FormatError) as error:
        raise DamageError(f"the result file {path} can't be read: {error}", remedy=_VERIFY, file=str(path)) from error
    from hashlib import sha256 as digest  # noqa: PLC0415  (loads OpenSSL)

    if len(data) != part.bytes or digest(data).hexdigest() != part.sha256:
        raise DamageError(
            f"the result file {path} is not what was written: its digest differs", remedy=_VERIFY, file=str(path)
        )
    if part.format == "json":
        try:
            return json.decode(data)
        except (ValueError, RecursionError) as error:
            raise DamageError(f"{path} is no JSON report: {error}", remedy=_VERIFY, file=str(path)) from error
    from runfolio import frames  # noqa: PLC0415  (pandas and pyarrow are loaded when data is asked for)

    return frames.read(data)


def _content(name: str | None, data: Any, schema: Schema | None, profile: Profile) -> Content:
    if is_frame(data):
        table = _table(name, data)
        found = Schema.infer(data, table, profile) if schema is None else schema
        return Content(name, table, b"", data.shape, found)
    problem = _no_report(data, "the result", 0)
    if problem:
        raise DataError(
            f"can't store {'the result' if name is None else f'part {name!r}'}: {problem}",
            remedy="store a pandas DataFrame, a dict of them, or a report of dicts, lists, text, numbers and None",
            problems=(problem,),
        )
    return Content(name, None, json.encode(data) + b"\n", (None, None), None)


def _table(name: str | None, frame: pd.DataFrame) -> pa.Table:
    from runfolio import frames  # noqa: PLC0415

    try:
        return frames.prepare(frame)
    except DataError as error:
        if name is None:
            raise
        what = f"part {name!r}: {error.what}"
        raise DataError(
            what, problems=error.problems, remedy=error.remedy, column=error.column, row=error.row
        ) from error


def _write(content: Content, path: Path, temporary: Path) -> Part:
    """Write one file: at a temporary path first, so that it is there whole or not at all."""
    try:
        path.parent.mkdir(exist_ok=True)
        if content.table is None:
            temporary.write_bytes(content.report)
        else:
            from runfolio import frames  # noqa: PLC0415

            frames.store(content.table, str(temporary))
        size, digest = sha256(temporary)
        temporary.replace(path)
    except OSError as error:
        raise write_error(error, path) from error
    finally:
        temporary.unlink(missing_ok=True)
    rows, columns = content.shape
    return Part(
        name=content.name,
        file=f"{path.parent.name}/{path.name}",
        format=content.format,
        rows=rows,
        columns=columns,
        bytes=size,
        sha256=digest,
        schema_id=None if content.schema is None else content.schema.schema_id,
    )


def _no_report(data: Any, place: str, depth: int) -> str | None:
    """Why data would not come back from JSON just as it is, or None."""
    kind = type(data)
    if depth >= MAX_DEPTH and kind in (dict, list):
        return f"{place} is nested more than {MAX_DEPTH} levels deep"
    if kind is dict:
        wrong = next((key for key in data if type(key) is not str or not _is_utf8(key)), None)
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
    if kind is str and not _is_utf8(data):
        return f"{place} holds a lone surrogate, which is not UTF-8"
    return (
        None
        if data is None or kind in (str, int, float, bool)
        else f"{place} is a {kind.__module__}.{kind.__qualname__}"
    )


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _joined(parts: Iterator[tuple[str | None, Any]]) -> Any:
    found = dict(parts)
    return found.get(None) if None in found else found
