"""Loader: one file as a table, by the readers of pandas and with their options.

A table is as its reader gives it, but for what could not be stored: labels of columns that are no text become text, and
booleans of which some are missing become `boolean`. Compression goes by the suffix (.gz, .bz2, .zip, .xz, .zst).
"""

from __future__ import annotations

import inspect
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import infer_dtype
from pandas.errors import DtypeWarning, ParserWarning

from runfolio.errors import InputError
from runfolio.pipeline.modules import unreadable
from runfolio.pipeline.modules.blame import blame
from runfolio.pipeline.modules.tables import Tables, nearest
from runfolio.pipeline.parameters import InputFile

# What a configuration has no use for, or pandas is about to remove.
_LEFT_OUT = frozenset(
    (
        *("iterator", "chunksize", "storage_options", "filesystem", "lines"),
        *("verbose", "infer_datetime_format", "keep_date_col", "date_parser", "delim_whitespace"),
        *("use_nullable_dtypes",),
    )
)


def _with_options_of(
    reader: Callable[..., Any], *fixed: str
) -> Callable[[Callable[..., Tables]], Callable[..., Tables]]:
    """Give a function the reader's options as its signature, so that they can be checked before it is called."""
    takes = list(inspect.signature(reader).parameters.values())[1:]
    options = [
        inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=option.default)
        for option in takes
        if option.kind is not inspect.Parameter.VAR_KEYWORD and option.name not in _LEFT_OUT.union(fixed)
    ]
    path = inspect.Parameter("path", inspect.Parameter.KEYWORD_ONLY, annotation=InputFile)

    def decorate(function: Callable[..., Tables]) -> Callable[..., Tables]:
        function.__signature__ = inspect.Signature([path, *options], return_annotation=Tables)  # type: ignore[attr-defined]
        return function

    return decorate


def file(*, path: InputFile, **options: Any) -> Tables:
    r"""Read a file as its suffix says, with the options of that method.

    .csv, .tsv and .tab, .json, .jsonl and .ndjson, .parquet and .pq, .xlsx, .xlsm, .xlsb, .xls and .ods are known,
    text formats also with the suffix of a compression behind. Raises InputError for another suffix, an option that the
    method doesn't have, and as that method.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "people.csv")
    ...     _ = path.write_text("name,age\nAda,36\n")
    ...     file(path=path)["age"].tolist()
    [36]
    """
    method = _method_for(path)
    takes = list(inspect.signature(method).parameters)
    for name in options:
        if name not in takes:
            what = f"{path}: {method.__name__} has no option {name!r}"
            raise InputError(what, remedy=nearest(name, takes[1:]), file=str(path), key=name)
    return method(path=path, **options)


@_with_options_of(pd.read_csv)
def csv(*, path: InputFile, **options: Any) -> Tables:
    """Read a CSV file; the options are those of `pandas.read_csv`.

    `low_memory` is False unless it is set: dtypes then depend on the whole column. Raises InputError, naming the line
    where it is known, if the file can't be read with these options.
    """
    return _read("CSV", pd.read_csv, path, _stable(options))


@_with_options_of(pd.read_csv, "sep", "delimiter", "dialect")
def tsv(*, path: InputFile, **options: Any) -> Tables:
    """Read a file of values between tabs; options and errors are those of `csv`, without `sep`."""
    return _read("TSV", pd.read_csv, path, _stable({**options, "sep": "\t"}))


@_with_options_of(pd.read_json)
def json(*, path: InputFile, **options: Any) -> Tables:
    """Read a JSON file, by default an array of objects; the options are those of `pandas.read_json`, such as `orient`.

    Raises InputError, naming the line where it is known, if the file can't be read with these options as a table.
    """
    return _read("JSON", pd.read_json, path, options)


@_with_options_of(pd.read_json, "orient", "typ")
def json_lines(*, path: InputFile, **options: Any) -> Tables:
    """Read a file with a JSON object in each line; options and errors are those of `json`, without `orient`, `typ`."""
    return _read("JSON Lines", pd.read_json, path, {**options, "lines": True})


@_with_options_of(pd.read_parquet)
def parquet(*, path: InputFile, **options: Any) -> Tables:
    """Read a Parquet file; the options are those of `pandas.read_parquet`, such as `columns`.

    Raises InputError if the file is none, or can't be read with these options.
    """
    return _read("Parquet", pd.read_parquet, path, options)


@_with_options_of(pd.read_excel)
def excel(*, path: InputFile, **options: Any) -> Tables:
    """Read a sheet of an Excel or OpenDocument file; the options are those of `pandas.read_excel`.

    With `sheet_name: null` or a list, each sheet is a part of its name. Raises InputError if the file is none, the
    package that reads it is not installed (openpyxl for .xlsx), or it can't be read with these options.
    """
    return _read("Excel", pd.read_excel, path, options)


_BY_SUFFIX: dict[str, Callable[..., Tables]] = {
    ".csv": csv,
    **dict.fromkeys((".tsv", ".tab"), tsv),
    ".json": json,
    **dict.fromkeys((".jsonl", ".ndjson"), json_lines),
    **dict.fromkeys((".parquet", ".pq"), parquet),
    **dict.fromkeys((".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"), excel),
}


def _all_options() -> inspect.Signature:
    """Those of all methods, so that a name that none has is found before a run, when the file's suffix is not known."""
    options: dict[str, inspect.Parameter] = {}
    for method in dict.fromkeys(_BY_SUFFIX.values()):
        for name, option in inspect.signature(method).parameters.items():
            options.setdefault(name, option if name == "path" else option.replace(default=None))
    return inspect.Signature(list(options.values()), return_annotation=Tables)


file.__signature__ = _all_options()  # type: ignore[attr-defined]


def _method_for(path: Path) -> Callable[..., Tables]:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    compression = suffixes.pop() if suffixes and suffixes[-1] in unreadable.COMPRESSIONS else None
    suffix = suffixes[-1] if suffixes else ""
    method = _BY_SUFFIX.get(suffix)
    if method is None:
        raise InputError(
            f"{path} has {f'the suffix {suffix!r}' if suffix else 'no suffix'}, which tells no format",
            remedy=f"name a method, such as csv, or a file with one of {', '.join(_BY_SUFFIX)}",
            file=str(path),
        )
    if compression is not None and method in (parquet, excel):
        raise InputError(f"{path}: {suffix} is not read from {compression}", remedy="decompress it", file=str(path))
    return method


def _stable(options: dict[str, Any]) -> dict[str, Any]:
    """The options of `pandas.read_csv`, so that it neither guesses dtypes by pieces nor warns of another engine."""
    separator = options.get("sep", options.get("delimiter", ","))
    is_pattern = isinstance(separator, str) and len(separator) > 1 and separator != r"\s+"
    if options.get("engine") is None and (separator is None or is_pattern or options.get("skipfooter")):
        options = {**options, "engine": "python"}
    return {"low_memory": False, **options} if options.get("engine") in (None, "c") else options


def _read(kind: str, reader: Callable[..., Any], path: Path, options: dict[str, Any]) -> Tables:
    unreadable.check(path)
    try:
        with warnings.catch_warnings():
            # What a reader only warns of, such as lines skipped on demand, is no failure under `python -W error`.
            for category in (
                ParserWarning,
                DtypeWarning,
                UserWarning,
                FutureWarning,
                DeprecationWarning,
                RuntimeWarning,
            ):
                warnings.simplefilter("default", category)
            found = reader(path, **options)
    except MemoryError:
        raise
    except Exception as error:  # readers raise errors of many libraries, and any at all for options of a wrong type
        told = None if isinstance(error, ImportError) else blame(kind, reader, path, options)
        raise told or unreadable.explain(error, path, kind, options.get("encoding")) from error
    if isinstance(found, dict):
        return {str(name): _storable(part, path, f", sheet {str(name)!r}") for name, part in found.items()}
    if not isinstance(found, pd.DataFrame):
        raise InputError(
            f"{path} was read as a {type(found).__name__}, not as a table",
            remedy="leave out the option that asks for it, such as typ",
            file=str(path),
        )
    return _storable(found, path)


def _storable(frame: pd.DataFrame, path: Path, where: str = "") -> pd.DataFrame:
    if not len(frame.columns):
        remedy = "name a file that has data in it, or options that leave a column"
        raise InputError(f"{path}{where} was read as a table without columns", remedy=remedy, file=str(path))
    if isinstance(frame.columns, pd.MultiIndex):
        raise InputError(
            f"{path} was read with {frame.columns.nlevels} rows of column labels",
            remedy="set header to one row",
            file=str(path),
        )
    labels = [_as_text(label) for label in frame.columns]
    twin = _first_twin(labels)
    if twin is not None:
        raise InputError(f"{path} has two columns {twin!r}", remedy="name them apart", file=str(path), column=twin)
    if labels != list(frame.columns):
        frame.columns = pd.Index(labels, dtype=object, name=frame.columns.name)
    frame.index.names = [None if name is None else _as_text(name) for name in frame.index.names]
    for label in frame.columns:
        if frame[label].dtype == object and infer_dtype(frame[label], skipna=True) == "boolean":
            frame[label] = frame[label].astype("boolean")
    return frame


def _as_text(label: Any) -> str:
    return label if type(label) is str else str(label)


def _first_twin(labels: list[str]) -> str | None:
    return next((label for label, count in Counter(labels).items() if count > 1), None)
