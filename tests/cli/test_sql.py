"""`runfolio sql`: what a query gives, as a table or JSON."""

from __future__ import annotations

import json

from click.testing import CliRunner

from runfolio.cli.commands import commands

from .conftest import Cli
from .samples import HOSTILE, NEUTRAL, record


def test_rows_are_a_table(cli: Cli):
    record("people", 1)
    result = cli("sql", "SELECT name, state, steps, error FROM runs")
    assert (result.exit_code, result.stderr) == (0, "")
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["name", "state", "steps", "error"],
        ["people", "completed", "2"],
    ]


def test_json_is_a_list_of_objects(cli: Cli):
    record("people", 1)
    query = "SELECT name, 1.5::DOUBLE AS x, NULL AS none, [1, 2] AS list, start_time FROM runs"
    (found,) = json.loads(cli("sql", "--json", query).stdout)
    assert found.pop("start_time").startswith("2026-11-01T12:00:0")
    assert found == {"name": "people", "x": 1.5, "none": None, "list": [1, 2]}


def test_a_query_may_come_by_standard_input():
    record("people", 1)
    found = CliRunner().invoke(commands, ["sql", "-"], input="SELECT count(*) AS n FROM runs")
    assert found.stdout.split() == ["n", "1"]


def test_no_rows_are_told(cli: Cli):
    result = cli("sql", "SELECT * FROM runs")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "runfolio: no rows\n")


def test_a_wrong_query_is_one_error(cli: Cli):
    result = cli("sql", "SELECT nothing FROM runs")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("runfolio: the query can't be run: Binder Error")
    assert "Traceback" not in result.stderr


def test_what_a_terminal_would_act_upon_is_spelled_out(cli: Cli):
    record(HOSTILE, 1)
    assert NEUTRAL in cli("sql", "SELECT name FROM runs").stdout
