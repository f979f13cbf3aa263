"""Reporter: data, timings and schemas of a branch as tables, which are results of the run, and files if asked for.

Each callable gives the table back, and writes it to `to` if that is set: as .csv, .csv.gz, .json, .json.gz, .jsonl or
.parquet, several parts as `name-part.csv`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from runfolio.errors import InputError
from runfolio.pipeline.context import StepContext
from runfolio.pipeline.modules import tablefiles
from runfolio.pipeline.parameters import OutputFile
from runfolio.schema import parts_of

_FIELDS: dict[str, Any] = {
    **dict.fromkeys(("module_name", "experiment_name", "part", "column", "dtype"), object),
    "nullable": "bool",
    **dict.fromkeys(("missing", "rows"), "int64"),
}


def data(data: Any, *, step: StepContext, to: OutputFile | None = None, source: str | None = None) -> Any:
    """Report the data of the step before, or what the earlier module `source` of this branch gave.

    Raises InputError if there are none, or `to` has another suffix; NotFoundError if there is no such module or it gave
    nothing; WriteError.
    """
    _check(to)
    found = data if source is None else step.data(source)
    if found is None:
        raise InputError("there are no data to report", remedy="have a step before that gives some, or name a source")
    return _reported(found, to)


def timing(data: Any, *, step: StepContext, to: OutputFile | None = None) -> pd.DataFrame:
    """Report the timings of the finished steps of this branch, in the columns of `Status.get_timing`.

    Raises InputError if `to` has another suffix; WriteError.
    """
    _check(to)
    found: pd.DataFrame = _reported(step.timings(), to)
    return found


def schema(data: Any, *, step: StepContext, to: OutputFile | None = None) -> pd.DataFrame:
    """Report each column that the earlier modules of this branch gave, in their order.

    `module_name`, `experiment_name`, `part` (None where there is one only), `column`, `dtype` (text), `nullable`
    (bool), `missing`, `rows` (int64). A module that gave no table has no rows.

    Raises InputError if `to` has another suffix; WriteError.
    """
    _check(to)
    rows = [
        (one.module_name, one.experiment_name, part, field.name, field.dtype, field.nullable, field.nulls, found.rows)
        for one in step.branch[:-1]
        for part, found in parts_of(step.schema(one.module_name))
        for field in found.fields
    ]
    columns = {
        name: pd.Series([row[place] for row in rows], dtype=dtype)
        for place, (name, dtype) in enumerate(_FIELDS.items())
    }
    table: pd.DataFrame = _reported(pd.DataFrame(columns), to)
    return table


def _check(to: Path | None) -> None:
    """Refuse a file's name before any work is done."""
    if to is not None:
        tablefiles.check(to)


def _reported(found: Any, to: Path | None) -> Any:
    if to is not None:
        tablefiles.write(found, to)
    return found
