"""Export: the results of a run as files that other programs read, one a part.

Files are named as the run's own result files are, which no user's name decides. Each is written whole under a temporary
name and then put in place. Tables become

=======  ===============================================================================================================
format   has
=======  ===============================================================================================================
parquet  the stored file as it is, once its digest was checked
arrow    an Arrow IPC file (Feather version 2)
csv      comma-separated values as of RFC 4180 in UTF-8, missing ones empty; see below
json     JSON Lines: an object a row, missing values, NaN and infinities as null, times as ISO 8601
=======  ===============================================================================================================

and reports are the stored JSON in each. In `arrow`, what Arrow has no type for is text. In `csv` and `json`, an index
that says more than the rows' numbers comes as the first columns.

A spreadsheet runs a cell that begins with `=`, `+`, `-`, `@` or some control characters as a formula, whoever wrote it
(https://owasp.org/www-community/attacks/CSV_Injection); some pass over blanks before these. Such cells and column names
are given a leading apostrophe in CSV, unless `raw` is asked for. Numbers are left alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from numbers import Number
from typing import TYPE_CHECKING, Any, Literal, get_args

from msgspec import Struct, field, json, structs

from runfolio import arguments, layout
from runfolio.artifacts import StoredResult, withheld_error
from runfolio.errors import DamageError, FormatError, NotFoundError, RunfolioError, UsageError
from runfolio.field import label_text
from runfolio.files import beside, open_within, write_error
from runfolio.records import Part, Subscriptable
from runfolio.tables import is_batches
from runfolio.values import normal, plain_text
from runfolio.view import RunView

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa

ExportFormat = Literal["csv", "parquet", "json", "arrow"]
FORMATS: tuple[str, ...] = get_args(ExportFormat)

SUFFIXES = {"csv": "csv", "parquet": "parquet", "json": "jsonl", "arrow": "arrow"}
"""Of the files of tables; that of a report is `json`."""

_FORMULA = re.compile("[\\s\0\u200b-\u200f\u2060\ufeff]*[=+\\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
"""What a text begins with that a spreadsheet may run: full-width signs are signs, and blanks before them fall away."""

_BATCH = 10_000
_COPY_BYTES = 1 << 20


class Exported(Subscriptable, frozen=True, kw_only=True):
    """One file that was written, or that could not be: `error` then says why, and `path` is None."""

    key: str
    part: str | None
    file: str | None
    path: str | None
    rows: int | None
    bytes: int | None
    error: str | None = None


def export(
    run: RunView,
    to: str | os.PathLike[str],
    *,
    format: ExportFormat = "parquet",
    keys: Iterable[str] = (),
    modules: Iterable[str] = (),
    raw: bool = False,
    force: bool = False,
) -> list[Exported]:
    r"""Write the results of a run to files in a folder, which is made if need be; all, or those of keys and modules.

    Results are those of the run's current state. A damaged result, or one
    whose data was left out of the run, has its `error`, and the others are written. Nothing
    that is there is overwritten, unless with `force`. `raw` leaves CSV cells as they are.

    >>> import pandas as pd
    >>> from runfolio import Status
    >>> with Status(root=root) as status:
    ...     with status.step("Loader", "two") as step:
    ...         frame = step.result(pd.DataFrame({"name": ["Ada", "=1+1"], "age": [36, -1]}))
    >>> (written,) = export(status, root / "out", format="csv")
    >>> from pathlib import Path
    >>> written.rows, Path(written.path).read_text()
    (2, "name,age\nAda,36\n'=1+1,-1\n")

    Raises UsageError if a file is there already or `to` is the run's own folder, NotFoundError for a key or module
    without a result, WriteError.
    """
    from pathlib import Path  # noqa: PLC0415  (see layout.root_of)

    kind: ExportFormat = arguments.one_of(format, FORMATS, "format")
    folder, home = Path(layout.path_text(to, "to")), run.folder
    stored = _chosen(run, arguments.texts(keys, "keys"), arguments.texts(modules, "modules"))
    jobs = [(result, part, _name(part, kind)) for result in stored for part in result.record.parts]
    exporter = _Exporter(folder=folder, format=kind, cell=_as_it_is if raw else escaped)
    if home is not None and _is_within(folder, home):
        raise UsageError(f"{folder} is in the run's own folder", remedy="export to another one", key="to")
    names = [name for *_, name in jobs if name is not None]
    there = sorted({name for name in names if os.path.lexists(folder / name)})
    if there and not force:
        more = f", and {len(there) - 1} more" if len(there) > 1 else ""
        raise UsageError(
            f"{folder / there[0]} is there already{more}",
            remedy="export to another folder, or overwrite: force=True, or --force",
            key="to",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(error, folder) from error
    return [exporter.export(result, part, name) for result, part, name in jobs]


def escaped(value: Any) -> Any:
    """A cell that a spreadsheet shows as it is, instead of running it.

    >>> escaped("=HYPERLINK(A1)"), escaped("  =A1"), escaped("a=b"), escaped(-1)
    ("'=HYPERLINK(A1)", "'  =A1", 'a=b', -1)
    """
    if isinstance(value, Number):
        return value
    text = value if isinstance(value, str) else str(value)
    return f"'{text}" if _FORMULA.match(text) else value


def _as_it_is(value: Any) -> Any:
    return value


def _chosen(run: RunView, keys: list[str], modules: list[str]) -> list[StoredResult]:
    results = run.results
    ends = {key: stored.record.path[-1].module_name for key, stored in results.items() if stored.record.path}
    for wanted, known, what in ((keys, set(results), "key"), (modules, set(ends.values()), "module")):
        missing = next((one for one in wanted if one not in known), None)
        if missing is not None:
            remedy = f"there is {', '.join(map(repr, sorted(known)))}" if known else "the run has stored no result yet"
            raise NotFoundError(f"no result of a {what} {missing!r}", remedy=remedy, key=missing)
    everything = not keys and not modules
    return [
        stored for key, stored in results.items() if everything or key in keys or (key in ends and ends[key] in modules)
    ]


def _name(part: Part, kind: ExportFormat) -> str | None:
    """The file's name; None if the stored one has a path that no writer gives, or was left out."""
    if part.file is None or not layout.is_result_name(part.file):
        return None
    stem = part.file.removeprefix(f"{layout.RESULTS_FOLDER}/").rpartition(".")[0]
    return f"{stem}.{'json' if part.format == 'json' else SUFFIXES[kind]}" if stem else None


def _is_within(folder: Path, home: Path) -> bool:
    return folder.resolve().is_relative_to(home.resolve())


class _Exporter(Struct, frozen=True, kw_only=True):
    """Writes one file after the other; `cell` makes a text what it is to be in CSV."""

    folder: Path
    format: ExportFormat
    cell: Callable[[Any], Any]
    taken: set[str] = field(default_factory=set)

    def export(self, stored: StoredResult, part: Part, name: str | None) -> Exported:
        """Write one file, and tell of it; a result that can't be read is told as well. Raises WriteError."""
        told = Exported(key=stored.record.key, part=part.name, file=part.file, path=None, rows=part.rows, bytes=None)
        if part.withheld is not None:
            return structs.replace(told, error=str(withheld_error(stored.record, part.withheld)))
        if name is None or name in self.taken:
            what = "is no result file's path" if name is None else "is the name of two results"
            return structs.replace(told, error=f"{part.file!r} {what}: the records are not those of a writer")
        self.taken.add(name)
        path = self.folder / name
        temporary = beside(path)
        try:
            self._write(temporary, stored, part)
            size = temporary.stat().st_size
            temporary.replace(path)
        except RunfolioError as error:
            return structs.replace(told, error=str(error))
        except OSError as error:
            raise write_error(error, path) from error
        finally:
            with suppress(OSError):
                temporary.unlink()
        return structs.replace(told, path=str(path), bytes=size)

    def _write(self, temporary: Path, stored: StoredResult, part: Part) -> None:
        if part.format == "json" or self.format == "parquet":
            _copy(stored._folder, temporary, part, part.file or "")
            return
        data = _data(stored, part)
        if self.format == "csv":
            _write_csv(_frame(data), temporary, self.cell)
        elif self.format == "json":
            _write_json(_frame(data), temporary)
        else:
            _write_arrow(_table(data), temporary)


def _copy(folder: Path, target: Path, part: Part, file: str) -> None:
    """Copy a stored file, checking on the way that it is what was written. Raises DamageError."""
    from hashlib import sha256  # noqa: PLC0415  (loads OpenSSL)

    digest, size, source = sha256(), 0, folder / file
    try:
        fd = open_within(folder, file)
    except (OSError, FormatError) as error:
        raise DamageError(f"the result file {source} can't be read: {error}", file=str(source)) from error
    with os.fdopen(fd, "rb") as opened, target.open("wb") as copy:
        whole = os.fstat(fd).st_size == part.bytes  # another one may be of any size: it is not copied
        while whole and (block := opened.read(_COPY_BYTES)):
            digest.update(block)
            size += len(block)
            copy.write(block)
    if size != part.bytes or digest.hexdigest() != part.sha256:
        raise DamageError(
            f"the result file {source} is not what was written: its digest differs",
            remedy="fetch the file from a backup; the other results are not touched by this",
            file=str(source),
        )


# Data as frames and tables


def _data(stored: StoredResult, part: Part) -> Any:
    """The data of one part alone, a stream as one table. Raises DamageError."""
    data = stored.read(part.name)
    return data.read() if is_batches(data) else data


def _frame(data: Any) -> pd.DataFrame:
    """Data of any kind of table as a pandas frame, whose index has become columns unless it only counts the rows."""
    import pandas as pd  # noqa: PLC0415

    if isinstance(data, pd.Series):
        data = data.to_frame(name="value" if data.name is None else data.name)
    if not isinstance(data, pd.DataFrame):  # with Arrow's dtypes integers stay what they are where some are missing
        data = _table(data).to_pandas(types_mapper=pd.ArrowDtype, ignore_metadata=True)
    frame: pd.DataFrame = data
    index = frame.index
    columns = [frame.iloc[:, place].array for place in range(frame.shape[1])]
    labels = list(map(label_text, frame.columns))
    if not (type(index) is pd.RangeIndex and index.start == 0 and index.step == 1):
        unnamed = index.set_names([None] * index.nlevels)  # or a number that is a level's name would be taken for it
        columns[:0] = [unnamed.get_level_values(level).array for level in range(index.nlevels)]
        labels[:0] = ["index" if name is None else label_text(name) for name in index.names]
    found = pd.DataFrame(dict(enumerate(columns)), index=range(len(frame)))
    found.columns = pd.Index(_distinct(labels), dtype=object)
    return found


def _distinct(labels: Iterable[str]) -> list[str]:
    """Labels that all differ: a second `a` is `a.1`, as pandas reads it."""
    found: dict[str, None] = {}
    for label in labels:
        name, count = label, 0
        while name in found:
            count += 1
            name = f"{label}.{count}"
        found[name] = None
    return list(found)


def _table(data: Any) -> pa.Table:
    """Data of any kind of table as one of Arrow's."""
    import pyarrow as pa  # noqa: PLC0415

    if isinstance(data, pa.Table):
        return data
    if hasattr(data, "to_arrow"):  # polars
        return data.to_arrow()
    frame = _frame(data)
    return pa.table({name: _array(frame[name]) for name in frame.columns})


def _array(column: pd.Series) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    try:
        return pa.array(column, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):  # cells of several types, or of none of Arrow's
        return pa.array([None if _is_missing(cell) else str(cell) for cell in column], pa.large_string())


def _is_missing(cell: Any) -> bool:
    import pandas as pd  # noqa: PLC0415

    return bool(pd.api.types.is_scalar(cell) and pd.isna(cell))


# Writing them


def _write_csv(frame: pd.DataFrame, path: Path, cell: Callable[[Any], Any]) -> None:
    """Rows end as RFC 4180 has them, which lets the writer quote a lone carriage return in a text as well."""
    import pandas as pd  # noqa: PLC0415

    columns = {place: _with_cells(frame.iloc[:, place], cell) for place in range(frame.shape[1])}
    shown = pd.DataFrame(columns, index=frame.index)
    shown.columns = pd.Index(_distinct(map(cell, frame.columns)), dtype=object)
    shown.to_csv(path, index=False, lineterminator="\r\n", encoding="utf-8", errors="backslashreplace")


def _with_cells(column: pd.Series, cell: Callable[[Any], Any]) -> pd.Series:
    """The column with each text as it is to be written; what holds no text is left as it is."""
    import pandas as pd  # noqa: PLC0415

    kinds = pd.api.types
    no_text = (kinds.is_numeric_dtype, kinds.is_datetime64_any_dtype, kinds.is_timedelta64_dtype)
    if any(is_kind(column.dtype) for is_kind in no_text):
        return column
    return column.astype(object).map(cell, na_action="ignore")


def _write_json(frame: pd.DataFrame, path: Path) -> None:
    encoder = json.Encoder()
    with path.open("wb") as file:
        for start in range(0, len(frame), _BATCH):
            file.write(encoder.encode_lines(_rows(frame.iloc[start : start + _BATCH])))


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    names = [plain_text(name) for name in frame.columns]
    cells = [frame.iloc[:, place].astype(object).tolist() for place in range(len(names))]
    return [dict(zip(names, map(_json_cell, row), strict=True)) for row in zip(*cells, strict=True)]


def _json_cell(cell: Any) -> Any:
    """A cell as JSON has it: plain ones as they are, any other in the normal form of contexts."""
    if cell is None or type(cell) is bool:
        return cell
    if type(cell) is float:  # NaN and infinities become null
        return cell
    return None if type(cell) is not str and _is_missing(cell) else normal(cell)


def _write_arrow(table: pa.Table, path: Path) -> None:
    import pyarrow as pa  # noqa: PLC0415

    with pa.OSFile(os.fsencode(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
