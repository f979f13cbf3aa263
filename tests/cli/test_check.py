"""`runfolio check`: whether a run's steps keep to limits, for continuous integration."""

from __future__ import annotations

import json

import msgspec
import pandas as pd
import pytest

from runfolio import Status, load_run
from runfolio.checks import check

from .conftest import Cli
from .samples import HOSTILE, NEUTRAL, begin, flip, kill, record


class TestText:
    def test_a_run_that_keeps_to_them_is_ok(self, cli: Cli):
        record("people")
        result = cli("check", "latest", "--max-row-loss", "70%", "--max-null-increase", "0", "--no-drop")
        assert (result.exit_code, result.stdout, result.stderr) == (0, "ok: 2 steps checked\n", "")

    def test_each_violation_is_a_line(self, cli: Cli):
        record("people")
        result = cli("check", "latest", "--max-row-loss", "5%", "--no-retype")
        assert (result.exit_code, result.stderr) == (1, "")
        assert [" ".join(line.split()) for line in result.stdout.splitlines()] == [
            "step column limit found",
            "Loader[csv]_Clean[drop_na] row loss at most 5% 66.7%: 3 → 1 rows",
            "Loader[csv]_Clean[drop_na] age no retype int64 → float64",
            "",
            "2 violated: 2 steps checked",
        ]

    def test_of_a_run_that_did_not_complete_what_it_committed_is_checked_and_that_is_said(self, cli: Cli):
        record("people", error=ValueError("no"))
        result = cli("check", "latest", "--max-row-loss", "5%")
        assert (result.exit_code, result.stdout) == (
            0,
            "the run is failed: what it has committed was checked\nok: 1 step checked\n",
        )
        result = cli("check", "latest", "--max-row-loss", "5%", "--require-state", "completed")
        assert result.exit_code == 1 and "state completed  failed, its writer said so" in result.stdout

    def test_what_can_not_be_checked_is_no_pass(self, cli: Cli):
        with Status(profile="names") as status, status.step("Clean", "x", data=pd.DataFrame({"a": [1]})) as step:
            step.result(pd.DataFrame({"a": [None]}))
        result = cli("check", "latest", "--max-null-increase", "1%", "--no-drop", "b")
        assert (result.exit_code, result.stdout.splitlines()) == (
            1,
            [
                "can't be checked: Clean[x]: its missing values were not counted",
                "can't be checked: no drop of 'b': no step had a column 'b'; there are 'a'",
                "0 violated: 1 step checked",
            ],
        )

    def test_a_run_that_was_killed_in_its_first_step_can_not_be_checked(self, cli: Cli):
        kill()
        result = cli("check", "latest", "--max-row-loss", "5%")
        assert result.exit_code == 1
        assert "can't be checked: no step that gives a table was committed\nthe run is interrupted: " in result.stdout

    def test_damaged_records_can_not_be_checked_and_a_damaged_result_can(self, cli: Cli):
        folder = record("people")
        (folder / "results" / "000001-loader-csv.parquet").unlink()
        assert cli("check", "latest", "--max-row-loss", "70%").exit_code == 0
        flip(folder / "changes.jsonl")
        result = cli("check", "latest", "--max-row-loss", "70%")
        assert result.exit_code == 1
        assert "can't be checked: records are damaged: changes.jsonl, line 1" in result.stdout

    def test_texts_from_files_are_neutralised(self, cli: Cli):
        with Status() as status, status.step(HOSTILE, HOSTILE, data=pd.DataFrame({HOSTILE: [1]})) as step:
            step.result(pd.DataFrame({"b": ["x"]}))
        result = cli("check", "latest", "--no-drop")
        assert result.exit_code == 1 and NEUTRAL in result.stdout
        assert set(result.stdout) - {"\n"} <= set(map(chr, range(0x20, 0x7F)))


class TestOptions:
    def test_columns_are_repeated_or_all_are_meant(self, cli: Cli):
        with begin("drop") as status, status.step("Clean", "x") as step:
            step.result(pd.DataFrame({"age": [36, 41, 29]}))
        for args, count in (
            (["--no-drop", "name", "--no-drop", "weight", "--no-drop", "age"], 2),
            (["--no-drop", "weight"], 1),
            (["--no-drop"], 2),
            (["--no-drop", "--no-retype"], 2),
            (["--no-drop=*"], 2),
        ):
            found = json.loads(cli("check", "latest", *args, "--json").stdout)
            assert len(found["violations"]) == count, args

    @pytest.mark.parametrize(
        ("args", "message"),
        [
            (["latest"], "Give at least one limit"),
            (["--no-retype", "latest"], "Missing argument 'RUN' before --no-retype"),
            (["--max-row-loss", "5%"], "Missing argument 'RUN'; see"),
            (["latest", "--max-row-loss", "5"], "'5' is no share from 0 to 1: write 5% or 0.05"),
            (["latest", "--max-null-increase", "-1%"], "'-1%' is no share"),
            (["latest", "--require-state", "done"], "'done' is not one of"),
        ],
    )
    def test_wrong_usage_has_an_exit_code_of_its_own(self, cli: Cli, args: list[str], message: str):
        record("people")
        result = cli("check", *args)
        assert (result.exit_code, result.stdout) == (2, "")
        assert message in result.stderr


class TestJson:
    def test_it_is_what_the_library_gives(self, cli: Cli):
        folder = record("people")
        result = cli("check", str(folder), "--max-row-loss", "5%", "--no-retype", "--json")
        assert result.exit_code == 1
        expected = check(load_run(folder), max_row_loss="5%", no_retype="*")
        assert json.loads(result.stdout) == json.loads(msgspec.json.encode(expected))
        assert [one["column"] for one in json.loads(result.stdout)["violations"]] == [None, "age"]
