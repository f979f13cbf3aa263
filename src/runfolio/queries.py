"""Queries: SQL over all runs under a root, by DuckDB, which reads the journals themselves.

Views have the columns of the record types, with the types that these say; nothing is inferred from what is there. A
line that DuckDB can't read as such a record, like the torn last one of a killed writer, is left out. Checksums are not
compared: `runfolio verify` does that.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, inspect, structs

from runfolio import layout
from runfolio.catalog import RunRow, scan
from runfolio.codec import LINE_TYPES
from runfolio.errors import FormatError, UsageError
from runfolio.files import journals
from runfolio.limits import MAX_LINE

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

VIEWS = {
    "snapshots": "snapshot",
    "changes": "change",
    "timings": "timing",
    "events": "event",
    "results": "result",
    "fields": "schema",
}
"""The views of records, and the kind of line that each has; `results` has a row a part, `fields` one a column."""

_PLAIN = {
    inspect.StrType: "VARCHAR",
    inspect.IntType: "BIGINT",
    inspect.FloatType: "DOUBLE",
    inspect.BoolType: "BOOLEAN",
    inspect.DateTimeType: "TIMESTAMPTZ",
    inspect.LiteralType: "VARCHAR",
    inspect.DictType: "JSON",
    inspect.AnyType: "JSON",
}
_SELECT = {
    "results": """
        SELECT run_id, writer, seq, "timestamp", key, path[-1].module_name AS module_name,
               path[-1].experiment_name AS experiment_name, path, part.name AS part, folder || '/' || part.file AS file,
               part.* EXCLUDE (name, file)
        FROM (SELECT * EXCLUDE (parts), unnest(parts) AS part FROM lines)""",
    "fields": """
        SELECT run_id, schema_id, structure_id, "rows", position, field.*
        FROM (SELECT * EXCLUDE (fields), unnest(fields) AS field, generate_subscripts(fields, 1) AS position
              FROM (SELECT DISTINCT ON (run_id, schema_id) * FROM lines))""",
}
_ALL = "SELECT run_id, writer, * EXCLUDE (run_id, writer, folder) FROM lines"
_LINES = """
    SELECT runs.run_id, runs.folder,
           coalesce(nullif(regexp_extract(filename, '[.]([a-z0-9]+)[.]jsonl$', 1), ''), 'main') AS writer,
           read.* EXCLUDE (filename, kind)
    FROM read_json({files}, format = 'newline_delimited', columns = {{{columns}}}, ignore_errors = true,
                   filename = true, maximum_object_size = {most}) AS read
    JOIN runs ON runs.folder = regexp_replace(filename, '/[^/]*$', '')
    WHERE kind = '{kind}'"""
_NOTHING = "SELECT NULL::VARCHAR AS run_id, NULL::VARCHAR AS folder, NULL::VARCHAR AS writer, {columns} WHERE false"


def sql(
    root: str | PathLike[str] | None, query: str, parameters: Mapping[str, Any] | Sequence[Any] | None = None
) -> pd.DataFrame:
    """What a SELECT of DuckDB's SQL gives over all runs under a root, as a frame.

    `root` is by default (None) the environment variable RUNFOLIO_RUNS, else `runs`. The views are `runs`, a row each as
    `list_runs` has it; `snapshots`, `changes`, `timings` and `events`, a row a record with its `run_id` and `writer`;
    `results`, a row a part with the path of its `file`; and `fields`, a row a column of each schema. `context` and
    `details` are JSON. Times are TIMESTAMPTZ, in UTC. `parameters` are those of `?` or `$name` in the query.

    The query reads what is under the root, and nothing else; it changes nothing. Needs the extra `sql`.

    Raises UsageError for a query that is no SELECT, or that DuckDB refuses, NotFoundError if the root is a file.

    >>> import pandas as pd
    >>> from runfolio import Status, sql
    >>> with Status(name="people", root=root) as status, status.step("Loader", "two") as step:
    ...     people = step.result(pd.DataFrame({"age": [31, 40]}))
    >>> sql(root, "SELECT name, state, rows_out FROM runs").values.tolist()
    [['people', 'completed', 2]]
    >>> (file,) = sql(root, "SELECT file FROM results WHERE key = ?", ["Loader[two]"])["file"]
    >>> sql(root, "SELECT max(age) AS oldest FROM read_parquet($file)", {"file": file})["oldest"].tolist()
    [40]
    """
    base = Path(os.path.abspath(layout.root_of(root)))  # noqa: PTH100  (links stay)
    with _connection() as connection:
        import duckdb  # noqa: PLC0415  (it is an extra)

        _prepare(connection, base, list(scan(base)), _meant(query))
        try:
            statements = connection.extract_statements(query)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise UsageError("the query is not one SELECT", remedy="write a single SELECT", key="query")
            return _frame(connection.sql(query, params=parameters).to_arrow_table())
        except duckdb.Error as error:
            raise UsageError(f"the query can't be run: {error}", remedy=_remedy(error), key="query") from error


def _frame(table: Any) -> pd.DataFrame:
    """A table of Arrow's with the dtypes that `list_runs` has."""
    import pandas as pd  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    dtypes = {pa.int64(): pd.Int64Dtype(), pa.string(): pd.StringDtype()}
    return table.to_pandas(types_mapper=dtypes.get)  # type: ignore[no-any-return]


def _connection() -> duckdb.DuckDBPyConnection:
    """A database in memory. Raises UsageError where DuckDB is not installed."""
    try:
        import duckdb  # noqa: PLC0415  (it is an extra)
    except ImportError as error:
        raise UsageError("DuckDB is not installed", remedy="pip install 'runfolio[sql]'") from error
    switched_off = dict.fromkeys(("autoinstall_known_extensions", "autoload_known_extensions"), "false")
    return duckdb.connect(":memory:", config={**switched_off, "python_enable_replacements": "false"})


def _remedy(error: Exception) -> str:
    if "file system operations are disabled" in str(error):
        return "a query reads what is under its root alone"
    return "the views are runs, " + ", ".join(VIEWS)


def _meant(query: str) -> list[str]:
    """The views that a query names, or all where it names none: to make one takes a look into each folder."""
    named = set(re.findall(r"\w+", query.lower()))
    found = [view for view in VIEWS if view in named]
    return found if found or "runs" in named else list(VIEWS)


def _prepare(connection: duckdb.DuckDBPyConnection, base: Path, rows: list[RunRow], views: list[str]) -> None:
    """Make these views, and let the connection read nothing but what is under the root from then on."""
    connection.execute("SET TimeZone = 'UTC'")
    connection.register("_runs", _table(rows))
    connection.execute("CREATE TABLE runs AS SELECT * FROM _runs")
    connection.unregister("_runs")
    files: dict[str, list[str]] = {VIEWS[view]: [] for view in views}
    for row in rows if views else ():
        for kind, path in _journals(Path(row.folder)):
            if kind in files:
                files[kind].append(path)
    for view in views:
        lines = _lines(VIEWS[view], files[VIEWS[view]])
        connection.execute(f"CREATE VIEW {view} AS WITH lines AS ({lines}) {_SELECT.get(view, _ALL)}")
    connection.execute(f"SET allowed_directories = [{_quoted(str(base))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _journals(folder: Path) -> Iterator[tuple[str, str]]:
    try:
        found = journals(folder)
    except FormatError:  # it was removed meanwhile
        return
    yield from ((kind, str(path)) for kind, _, path in found if kind in LINE_TYPES and path.is_file())


def _lines(kind: str, files: list[str]) -> str:
    """The lines of a kind: what is no such line is a row of nulls to DuckDB, and left out."""
    columns = columns_of(LINE_TYPES[kind])
    if not files:
        return _NOTHING.format(columns=", ".join(f"NULL::{of} AS {_named(name)}" for name, of in columns.items()))
    names = ", ".join(map(_quoted, files))
    spelled = ", ".join(f"{_quoted(name)}: {_quoted(of)}" for name, of in {"kind": "VARCHAR", **columns}.items())
    return _LINES.format(files=f"[{names}]", columns=spelled, most=MAX_LINE, kind=kind)


def columns_of(kind: Any) -> dict[str, str]:
    """The columns of a record type, and what DuckDB calls their types.

    >>> from runfolio.records import Timing
    >>> list(columns_of(Timing).items())[5:7]
    [('start_time', 'TIMESTAMPTZ'), ('end_time', 'TIMESTAMPTZ')]
    """
    found = inspect.type_info(kind)
    assert isinstance(found, inspect.StructType)
    return {field.encode_name: _type_of(field.type) for field in found.fields}


def _type_of(found: inspect.Type) -> str:
    if isinstance(found, inspect.Metadata):
        return _type_of(found.type)
    if isinstance(found, inspect.UnionType):
        (only,) = (one for one in found.types if not isinstance(one, inspect.NoneType))
        return _type_of(only)
    if isinstance(found, inspect.ListType | inspect.VarTupleType):
        return f"{_type_of(found.item_type)}[]"
    if isinstance(found, inspect.StructType):
        return f"STRUCT({', '.join(f'{_named(field.encode_name)} {_type_of(field.type)}' for field in found.fields)})"
    return _PLAIN[type(found)]


def _table(rows: list[RunRow]) -> Any:
    """The runs as a table of Arrow's, with absolute folders: their columns' types are the same for none."""
    import pyarrow as pa  # noqa: PLC0415

    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64(), datetime: pa.timestamp("us", "UTC")}
    types = {name: kinds.get(kind, pa.string()) for name, kind in _python_types(RunRow).items()}
    columns = {**types, "tags": pa.list_(pa.string())}
    values = [{**structs.asdict(row), "folder": os.path.abspath(row.folder)} for row in rows]  # noqa: PTH100
    return pa.Table.from_pylist(values, schema=pa.schema(list(columns.items())))


def _python_types(kind: type[Struct]) -> dict[str, type]:
    plain = {inspect.IntType: int, inspect.FloatType: float, inspect.DateTimeType: datetime}
    found = inspect.type_info(kind)
    assert isinstance(found, inspect.StructType)
    return {
        field.name: next((plain[type(one)] for one in _alternatives(field.type) if type(one) in plain), str)
        for field in found.fields
    }


def _alternatives(found: inspect.Type) -> tuple[inspect.Type, ...]:
    return found.types if isinstance(found, inspect.UnionType) else (found,)


def _named(column: str) -> str:
    return f'"{column}"'


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
