"""`runfolio sql`: what a query gives, as a table or JSON."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from runfolio.cli.commands import commands

from .conftest import Cli
from .samples import HOSTILE, NEUTRAL, flip, record


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


@pytest.mark.parametrize("form", [(), ("--json",), ("--csv",)])
@pytest.mark.parametrize(
    "value",
    [
        "1 AS a, 2",
        "INTERVAL 1 MONTH",
        "'\\xff'::BLOB",
        "TIMESTAMPTZ 'infinity'",
        "DATE '9999-01-01'",
        "MAP {[1]: 1}",
        "'nan'::DOUBLE",
    ],
)
def test_values_of_any_type_are_shown(cli: Cli, form: tuple[str, ...], value: str):
    result = cli("sql", *form, f"SELECT {value} AS a")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "a" in result.stdout


def test_sums_are_numbers_in_json(cli: Cli):
    record("people", 1)
    assert json.loads(cli("sql", "--json", "SELECT sum(steps) AS steps FROM runs").stdout) == [{"steps": 2}]


def test_csv_has_a_line_of_names_and_a_line_a_row(cli: Cli):
    query = "SELECT 'x,y' AS a, NULL AS b, [1, 2] AS c, '=1+1' AS d, -1 AS e, TIMESTAMPTZ '2026-11-01T12:00:00Z' AS f"
    result = cli("sql", "--csv", query)
    assert result.stdout == 'a,b,c,d,e,f\n"x,y",,"[1,2]",\'=1+1,-1,2026-11-01T12:00:00.000000Z\n'
    assert cli("sql", "--csv", "SELECT 1 AS a LIMIT 0").stdout == "a\n"


def test_csv_and_json_are_not_both(cli: Cli):
    result = cli("sql", "--csv", "--json", "SELECT 1")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "are two forms" in result.stderr


def test_damage_is_told_and_fails_nothing(cli: Cli):
    flip(record("people", 1) / "changes.jsonl")
    result = cli("sql", "SELECT count(*) AS n FROM changes")
    assert result.exit_code == 0
    assert result.stderr.startswith("runfolio: lines are left out: ")
    assert "changes.jsonl, line 1, byte 0: its checksum does not match" in result.stderr
    assert "runfolio verify lists them" in result.stderr


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
