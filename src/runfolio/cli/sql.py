"""`runfolio sql`: a query over all runs under a root."""

from __future__ import annotations

import csv
import io
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
from msgspec import json

from runfolio.cli.options import EXIT_CODES, json_option, root_option
from runfolio.cli.terminal import Column, complain, echo_json, echo_line, page
from runfolio.export import escaped
from runfolio.queries import ask
from runfolio.records import briefly
from runfolio.values import normal

if TYPE_CHECKING:
    import pandas as pd


@click.command("sql", epilog=EXIT_CODES)
@click.argument("query")
@root_option
@click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values, lists and objects as JSON.")
@json_option
def command(query: str, root: str | None, *, as_csv: bool, as_json: bool) -> None:
    """Ask all runs under a root by a SELECT of DuckDB's SQL. With - the query is read from standard input.

    Views: runs, snapshots, changes, timings, events, results (a row a part, with the path of its file), fields (a row
    a column of a schema). The query reads what is under the root, and changes nothing. Damaged lines are left out and
    told. In CSV, text that a spreadsheet would run as a formula gets an apostrophe before it.

    It needs DuckDB: pip install 'runfolio[sql]'.

    \b
    Examples:
      runfolio sql "SELECT name, state, duration_seconds FROM runs"
      runfolio sql "SELECT run_id, target FROM changes WHERE type = 'DELETE'"
      runfolio sql --json "DESCRIBE timings" | jq -r '.[].column_name'
    """  # noqa: D301  (\b is click's: it keeps the lines that follow)
    if as_csv and as_json:
        raise click.UsageError("--csv and --json are two forms of one answer: leave one out")
    found, damage = ask(root, sys.stdin.read() if query == "-" else query)
    rows = [[_value(cell) for cell in row] for row in _cells(found)]
    if as_json:
        echo_json([dict(zip(found.columns, row, strict=True)) for row in rows])
    elif as_csv:
        _print_csv([[_in_csv(name) for name in found.columns], *([_in_csv(value) for value in row] for row in rows)])
    elif rows:
        columns = [Column(title=name, right=found[name].dtype.kind in "iuf") for name in found.columns]
        page().table(columns, [[_text(value) for value in row] for row in rows])
    else:
        complain("no rows")
    if damage:
        complain(f"lines are left out: {briefly(damage)}", "runfolio verify lists them")


def _cells(frame: pd.DataFrame) -> list[list[Any]]:
    """The rows, None for what is missing."""
    columns = [frame[name].astype(object).where(frame[name].notna(), None).tolist() for name in frame.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def _value(cell: Any) -> Any:
    """A cell as JSON has it, times as in a run's files; those of a year that Python has not as well."""
    if isinstance(cell, datetime):
        as_numpy: Any = getattr(cell, "asm8", cell)
        return f"{as_numpy}{'' if cell.tzinfo is None else 'Z'}"
    return normal(cell)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return (
        value
        if isinstance(value, str)
        else json.encode(value).decode()
        if isinstance(value, (list, dict))
        else str(value)
    )


def _in_csv(value: Any) -> str:
    return _text(escaped(value) if isinstance(value, str) else value)


def _print_csv(lines: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    echo_line(text.getvalue().encode(errors="backslashreplace"))
