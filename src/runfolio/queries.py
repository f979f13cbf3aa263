"""Queries: SQL over all runs under a root, by DuckDB, to which the sound lines of the journals are given.

Views have the columns of the record types, with the types that these say; nothing is inferred from what is there. Each
line is held against its checksum and its type first, as by any reader. DuckDB's own one does neither, makes a row of
nulls of what does not fit, and fails as a whole where a journal is a link. It takes several times as long for 1,000
small runs, and a sixth of the time for one journal of 200,000 lines.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain, count
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, inspect, json, structs

from runfolio import layout
from runfolio.catalog import RunRow, scan
from runfolio.codec import LINE_TYPES
from runfolio.errors import DamageWarning, UsageError
from runfolio.lines import RunJournal, batches, journals_of
from runfolio.records import Finding, briefly

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa

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
        FROM (SELECT * EXCLUDE (parts), unnest(parts) AS part FROM {lines})""",
    "fields": """
        SELECT run_id, schema_id, structure_id, "rows", position, field.*
        FROM (SELECT * EXCLUDE (fields), unnest(fields) AS field, generate_subscripts(fields, 1) AS position
              FROM (SELECT DISTINCT ON (run_id, schema_id) * FROM {lines}))""",
}
_ALL = "SELECT run_id, writer, * EXCLUDE (run_id, writer, folder) FROM {lines}"
_INSERT = """
    INSERT INTO {table}
    SELECT run_id, folder, writer, unnest(from_json(line, {types})) FROM _lines WHERE json_valid(line)"""


def sql(
    root: str | PathLike[str] | None, query: str, parameters: Mapping[str, Any] | Sequence[Any] | None = None
) -> pd.DataFrame:
    """What a SELECT of DuckDB's SQL gives over all runs under a root, as a frame.

    `root` is by default (None) the environment variable RUNFOLIO_RUNS, else `runs`. The views are `runs`, a row each as
    `list_runs` has it; `snapshots`, `changes`, `timings` and `events`, a row a record with its `run_id` and `writer`;
    `results`, a row a part with the path of its `file`; and `fields`, a row a column of each schema. `context` and
    `details` are JSON. Times are TIMESTAMPTZ, in UTC. `parameters` are those of `?` or `$name` in the query.

    The query reads what is under the root, and nothing else; it changes nothing. Lines that are damaged are left out,
    and a DamageWarning says so. Needs the extra `sql`.

    Raises UsageError for a query that is no SELECT, that DuckDB refuses, or whose answer no frame can hold,
    NotFoundError if the root is a file.

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
    found, damage = ask(root, query, parameters)
    if damage:
        message = f"lines under {layout.root_of(root)} are left out: {briefly(damage)}; `runfolio verify` lists them"
        warnings.warn(message, DamageWarning, stacklevel=2)
    return found


def ask(
    root: str | PathLike[str] | None, query: str, parameters: Mapping[str, Any] | Sequence[Any] | None = None
) -> tuple[pd.DataFrame, list[Finding]]:
    """The same, with what was left out; files are named from the root."""
    _check(query)
    base = Path(os.path.abspath(layout.root_of(root)))  # noqa: PTH100  (links stay)
    with _connection() as connection:
        import duckdb  # noqa: PLC0415  (it is an extra)

        try:
            damage = _prepare(connection, base, list(scan(base)), _meant(query))
            statements = connection.extract_statements(query)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise UsageError("the query is not one SELECT", remedy="write a single SELECT", key="query")
            return _frame(connection.sql(query, params=parameters).to_arrow_table()), damage
        except duckdb.Error as error:
            raise UsageError(f"the query can't be run: {error}", remedy=_remedy(error), key="query") from error


def _check(query: object) -> None:
    """Raise UsageError for what is no text."""
    try:
        if isinstance(query, str) and query.encode():
            return
    except UnicodeEncodeError as error:
        raise UsageError(f"the query is no text: {error}", remedy="write it in UTF-8", key="query") from error
    raise UsageError("the query is not one SELECT", remedy="write a single SELECT", key="query")


def _frame(table: pa.Table) -> pd.DataFrame:
    """A table of Arrow's with the dtypes that `list_runs` has; sums are integers where these can hold them.

    Columns of one name are told apart as DuckDB's own frames have them. Raises UsageError.
    """
    import pandas as pd  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    table = pa.table([_narrow(column) for column in table.columns], names=_distinct(table.column_names))
    dtypes = {pa.int64(): pd.Int64Dtype(), pa.string(): pd.StringDtype()}
    try:
        return table.to_pandas(types_mapper=dtypes.get)  # type: ignore[no-any-return]
    except (pa.ArrowException, ValueError, OverflowError) as error:
        message = f"no frame can hold the answer: {error}"
        raise UsageError(message, remedy="cast such a column to VARCHAR", key="query") from error


def _narrow(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """DuckDB's sum of integers is a number of 38 digits, which would be an object of Python's in each row."""
    import pyarrow as pa  # noqa: PLC0415

    if column.type != pa.decimal128(38, 0):
        return column
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:
        return column


def _distinct(names: Iterable[str]) -> list[str]:
    """Each name once: a second `a` is `a_1`, as in DuckDB's own frames.

    >>> _distinct(["a", "a", "b", "a", "a_1"])
    ['a', 'a_1', 'b', 'a_2', 'a_1_1']
    """
    found: dict[str, None] = {}
    for name in names:
        others = (f"{name}_{number}" for number in count(1))
        found[next(new for new in chain([name], others) if new not in found)] = None
    return list(found)


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


def _prepare(connection: duckdb.DuckDBPyConnection, base: Path, rows: list[RunRow], views: list[str]) -> list[Finding]:
    """Make these views, and let the connection read nothing but what is under the root from then on."""
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET temp_directory = ''")  # it would be in the current folder, and could be read
    connection.register("_runs", _table(rows))
    connection.execute("CREATE TABLE runs AS SELECT * FROM _runs")
    connection.unregister("_runs")
    found: dict[str, list[RunJournal]] = {VIEWS[view]: [] for view in views}
    for row in rows if views else ():
        for journal in journals_of(row):
            if journal.kind in found:
                found[journal.kind].append(journal)
    connection.execute("CREATE SCHEMA lines")
    damage: list[Finding] = []
    for view in views:
        table = f"lines.{VIEWS[view]}"
        _fill(connection, table, VIEWS[view], found[VIEWS[view]], damage)
        connection.execute(f"CREATE VIEW {view} AS {_SELECT.get(view, _ALL).format(lines=table)}")
    connection.execute(f"SET allowed_directories = [{_quoted(str(base))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return damage


def _fill(
    connection: duckdb.DuckDBPyConnection, table: str, kind: str, files: list[RunJournal], damage: list[Finding]
) -> None:
    """Make the table of the sound lines of a kind, a batch after the other."""
    types = columns_of(LINE_TYPES[kind])
    columns = {"run_id": "VARCHAR", "folder": "VARCHAR", "writer": "VARCHAR", **types}
    connection.execute(f"CREATE TABLE {table} ({', '.join(f'{_named(name)} {of}' for name, of in columns.items())})")
    insert = _INSERT.format(table=table, types=_quoted(json.encode(types).decode()))
    for batch in batches(files, damage):
        connection.register("_lines", batch)
        connection.execute(insert)
        connection.unregister("_lines")


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
