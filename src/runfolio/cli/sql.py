"""`runfolio sql`: a query over all runs under a root."""

from __future__ import annotations

import json
import sys

import click

from runfolio.cli.options import EXIT_CODES, json_option, root_option
from runfolio.cli.terminal import Column, complain, echo_json, page
from runfolio.queries import sql


@click.command("sql", epilog=EXIT_CODES)
@click.argument("query")
@root_option
@json_option
def command(query: str, root: str | None, as_json: bool) -> None:
    """Ask all runs under a root by a SELECT of DuckDB's SQL. With - the query is read from standard input.

    Views: runs, snapshots, changes, timings, events, results (a row a part, with the path of its file), fields (a row
    a column of a schema). The query reads what is under the root, and changes nothing.

    It needs DuckDB: pip install 'runfolio[sql]'.

    \b
    Examples:
      runfolio sql "SELECT name, state, duration_seconds FROM runs"
      runfolio sql "SELECT run_id, target FROM changes WHERE type = 'DELETE'"
      runfolio sql --json "DESCRIBE timings" | jq -r '.[].column_name'
    """  # noqa: D301  (\b is click's: it keeps the lines that follow)
    found = sql(root, sys.stdin.read() if query == "-" else query)
    if as_json:
        echo_json(json.loads(found.to_json(orient="records", date_format="iso", date_unit="us", double_precision=15)))
        return
    if found.empty:
        complain("no rows")
        return
    columns = [Column(title=name, right=found[name].dtype.kind in "iuf") for name in found.columns]
    texts = found.astype(object).where(found.notna(), "").to_numpy().tolist()
    page().table(columns, [[str(value) for value in row] for row in texts])
