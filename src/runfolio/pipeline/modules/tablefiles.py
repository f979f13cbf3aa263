"""Tables as files: what a file's name says it is to be, each put in place whole."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from runfolio import frames
from runfolio.errors import InputError
from runfolio.files import beside, write_error
from runfolio.pipeline.modules.tables import Tables, cell, floats, is_number

Write = Callable[[pd.DataFrame, Path], None]

_NOT_IN_A_NAME = re.compile(r"[^\w.-]+")


def check(path: Path) -> str:
    """The suffix that says how a table is written to a path. Raises InputError if it says nothing."""
    found = next((suffix for suffix in _WRITERS if path.name.lower().endswith(suffix)), None)
    if found is None:
        what = f"the name of {path} doesn't tell how to write it"
        raise InputError(what, remedy=f"let it end in {', '.join(_WRITERS)}", file=str(path), key="to")
    return found


def write(tables: Any, path: Path) -> None:
    """Write a table to a path, in the format of its suffix, or each of several beside it as `name-part.csv`.

    A file is there as it was before or whole, also if writing fails. Labels of rows are written if they have a name.

    Raises InputError for a suffix that is not known, for what is no table, and for values that the format can't hold;
    DataError for a frame that Parquet would not give back; WriteError.
    """
    suffix = check(path)
    for target, table in _targets(tables, path, suffix).items():
        if not isinstance(table, pd.DataFrame):
            what = f"a {type(table).__name__} can't be written to {target}"
            raise InputError(what, remedy="leave `to` out: it is in the run's results", file=str(target), key="to")
        _put(table, target, _WRITERS[suffix])


def _targets(tables: Tables | Any, path: Path, suffix: str) -> dict[Path, Any]:
    if not isinstance(tables, dict) or not all(isinstance(table, pd.DataFrame) for table in tables.values()):
        return {path: tables}
    stem, ending = path.name[: -len(suffix)], path.name[-len(suffix) :]
    found: dict[Path, Any] = {}
    for part, table in tables.items():
        target = path.with_name(f"{stem}-{_NOT_IN_A_NAME.sub('-', str(part))}{ending}")
        if target in found:
            what = f"two parts would be written to {target}"
            raise InputError(what, remedy="name the parts by letters and digits", file=str(target), key="to")
        found[target] = table
    return found


def _put(table: pd.DataFrame, path: Path, writer: Write) -> None:
    temporary = beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            writer(table, temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise write_error(error, path) from error
    except (UnicodeEncodeError, msgspec.EncodeError, OverflowError) as error:
        what = f"the table can't be written to {path}: {error}"
        raise InputError(
            what, remedy="correct the value before, or drop its column", file=str(path), key="to"
        ) from error


def _labelled(table: pd.DataFrame) -> pd.DataFrame:
    """The table, with labels of rows that have a name as columns."""
    if all(name is None for name in table.index.names):
        return table
    try:
        return table.reset_index()
    except ValueError as error:
        what = "an index has the name of a column"
        raise InputError(what, remedy="rename that column before", key="to") from error


def _csv(table: pd.DataFrame, path: Path) -> None:
    _labelled(table).to_csv(path, index=False)


def _csv_gz(table: pd.DataFrame, path: Path) -> None:
    # Without a time and a name in it, as pandas puts there, equal tables make equal files.
    path.write_bytes(gzip.compress(_labelled(table).to_csv(index=False).encode(), mtime=0))


def _json(table: pd.DataFrame, path: Path) -> None:
    path.write_bytes(b"[" + b",\n".join(_records(table)) + b"]\n")


def _json_gz(table: pd.DataFrame, path: Path) -> None:
    path.write_bytes(gzip.compress(b"[" + b",\n".join(_records(table)) + b"]\n", mtime=0))


def _jsonl(table: pd.DataFrame, path: Path) -> None:
    path.write_bytes(b"".join(record + b"\n" for record in _records(table)))


def _parquet(table: pd.DataFrame, path: Path) -> None:
    frames.store(frames.prepare(table), str(path))


def _records(table: pd.DataFrame) -> Iterator[bytes]:
    """Each row as a JSON object. `DataFrame.to_json` would cut numbers off at 15 digits."""
    table = _labelled(table)
    labels = [str(label) for label in table.columns]
    columns = [_plain(table.iloc[:, place]) for place in range(len(labels))]
    for row in range(len(table)):
        yield msgspec.json.encode(
            dict(zip(labels, (column[row] for column in columns), strict=True)), enc_hook=_as_text
        )


def _plain(column: pd.Series[Any]) -> list[Any]:
    if is_number(column):
        infinite = np.flatnonzero(np.isinf(floats(column)))
        if len(infinite):  # which would become null
            what = f"column {column.name!r} holds what JSON has no number for, {cell(column, int(infinite[0]))}"
            raise InputError(
                what, remedy="replace it before, or write .csv or .parquet", column=str(column.name), key="to"
            )
    missing = column.isna().tolist()
    return [None if lost else value for value, lost in zip(column.tolist(), missing, strict=True)]


def _as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, pd.Timestamp) else str(value)


_WRITERS: dict[str, Write] = {
    ".csv": _csv,
    ".csv.gz": _csv_gz,
    ".json": _json,
    ".json.gz": _json_gz,
    ".jsonl": _jsonl,
    ".parquet": _parquet,
}
