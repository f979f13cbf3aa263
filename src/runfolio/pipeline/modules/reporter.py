"""Reporter: data, timings and schemas of a branch as tables, which are results of the run and, if wanted, files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from runfolio.errors import InputError
from runfolio.files import write_error
from runfolio.pipeline.context import StepContext
from runfolio.pipeline.parameters import OutputFile
from runfolio.schema import parts_of


def data(data: Any, *, step: StepContext, to: OutputFile | None = None, source: str | None = None) -> Any:
    """The data of the step before, or that of an earlier module, `source`, of the branch; written to a file, if given.

    Raises InputError for a kind of file that is not known, WriteError.
    """
    return _report(data if source is None else step.data(source), to)


def timing(data: Any, *, step: StepContext, to: OutputFile | None = None) -> Any:
    """The timings of the steps of this branch, as `Status.get_timing` has them; written to a file, if given.

    Raises InputError for a kind of file that is not known, WriteError.
    """
    return _report(step.timings(), to)


def schema(data: Any, *, step: StepContext, to: OutputFile | None = None) -> Any:
    """A row for each column that each module of this branch gave; written to a file, if given.

    `module_name`, `experiment_name`, `part`, `column`, `dtype` (text), `nullable` (bool), `missing` and `rows` (int64).

    Raises InputError for a kind of file that is not known, WriteError.
    """
    rows = [
        (one.module_name, one.experiment_name, part, field.name, field.dtype, field.nullable, field.nulls, found.rows)
        for one in step.branch[:-1]
        for part, found in parts_of(step.schema(one.module_name))
        for field in found.fields
    ]
    dtypes = {"module_name": "string", "experiment_name": "string", "part": "string", "column": "string"}
    dtypes |= {"dtype": "string", "nullable": "bool", "missing": "int64", "rows": "int64"}
    return _report(pd.DataFrame(rows, columns=list(dtypes)).astype(dtypes), to)


def _report(tables: Any, to: Path | None) -> Any:
    """Write what is to be written, and give it back."""
    if to is None:
        return tables
    write = _writer(to)
    parts = {to: tables}
    if isinstance(tables, dict) and all(isinstance(table, pd.DataFrame) for table in tables.values()):
        parts = {_of_part(to, name): table for name, table in tables.items()}
    for path, table in parts.items():
        if not isinstance(table, pd.DataFrame):
            raise InputError(f"can't write a {type(table).__name__} to {path.name}", remedy="leave out `to`", key="to")
        _put(path, table, write)
    return tables


def _put(path: Path, table: pd.DataFrame, write: Callable[[pd.DataFrame, Path], Any]) -> None:
    """Write a table at a temporary place first, so that the file is there whole or not at all."""
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(table, temporary)
        temporary.replace(path)
    except OSError as error:
        raise write_error(error, path) from error
    finally:
        if temporary.exists():
            temporary.unlink()


_WRITERS: dict[str, Callable[[pd.DataFrame, Path], Any]] = {
    ".csv": lambda table, path: table.to_csv(path, index=_has_labels(table)),
    ".tsv": lambda table, path: table.to_csv(path, sep="\t", index=_has_labels(table)),
    ".json": lambda table, path: _flat(table).to_json(path, orient="records", date_format="iso"),
    ".jsonl": lambda table, path: _flat(table).to_json(path, orient="records", lines=True, date_format="iso"),
    ".parquet": lambda table, path: table.to_parquet(path),
}


def _writer(path: Path) -> Callable[[pd.DataFrame, Path], Any]:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    compressed = bool(suffixes) and suffixes[-1] in (".gz", ".bz2", ".xz", ".zst")
    kind = suffixes[-2] if compressed and len(suffixes) > 1 else suffixes[-1] if suffixes else ""
    if kind not in _WRITERS or (compressed and kind == ".parquet"):
        raise InputError(
            f"can't tell from its name what to write to {path.name}",
            remedy=f"let it end in {', '.join(_WRITERS)}",
            file=str(path),
            key="to",
        )
    return _WRITERS[kind]


def _of_part(path: Path, part: str) -> Path:
    """`report.csv.gz` of the part train is `report-train.csv.gz`."""
    name = part.replace("/", "-").replace("\0", "-")
    stem, dot, suffix = path.name.partition(".")
    return path.with_name(f"{stem}-{name}{dot}{suffix}")


def _has_labels(table: pd.DataFrame) -> bool:
    """Whether the index says something: it has a name, or is none of numbers."""
    return any(name is not None for name in table.index.names) or not pd.api.types.is_integer_dtype(table.index.dtype)


def _flat(table: pd.DataFrame) -> pd.DataFrame:
    return table.reset_index() if _has_labels(table) else table
