"""`runfolio diff`: two runs side by side."""

from __future__ import annotations

import json

import msgspec
import pandas as pd

from runfolio import Executor, Status, load_run
from runfolio.comparison import compare

from .conftest import Cli
from .samples import HOSTILE, NEUTRAL, begin, flip, people, record
from .test_commands import on_terminal, without_colour


def two() -> tuple[str, str]:
    """The ids of a run, and of one that went another way."""
    a = record("a", 1)
    with begin("b", 2) as status:
        with status.step("Clean", "drop_na") as step:
            step.result(people()[:2].rename(columns={"weight": "kg"}))
        with status.step("Model", "more") as step:
            step.result(people())
    return a.name, status.run_id


def diff(cli: Cli, *args: str) -> str:
    result = cli("diff", *args)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def section(out: str, title: str) -> list[str]:
    _, _, rest = out.partition(f"\n{title}\n")
    return [" ".join(line.split()) for line in rest.partition("\n\n")[0].splitlines()][1:]


class TestText:
    def test_it_begins_with_both_and_ends_with_what_differs(self, cli: Cli):
        a, b = two()
        lines = diff(cli, a, b).splitlines()
        assert [line.split()[:3] for line in lines[:2]] == [["A", a, "completed"], ["B", b, "completed"]]
        assert lines[-1] == "differ by 1 step in one run only, 5 differences in 1 table"

    def test_steps_are_side_by_side(self, cli: Cli):
        a, b = two()
        assert section(diff(cli, a, b), "Steps") == [
            "Loader[csv] 2.00s 2.00s 1.00 3 3",
            "Clean[drop_na] 2.00s 2.00s 1.00 1 2",
            "Model[more] - 2.00s - - 3 only in B",
        ]

    def test_columns_are_side_by_side_by_experiment(self, cli: Cli):
        a, b = two()
        assert section(diff(cli, a, b), "Loader[csv]_Clean[drop_na]") == [
            "the table rows 1 row 2 rows",
            "weight only in A float64, 0 missing, 71.5 to 71.5, mean 71.5, 1 distinct",
            "age dtype float64, 36.0 to 36.0, mean 36, 1 distinct int64, 36 to 41, mean 38.5, 2 distinct",
            "kg only in B float64, 1 missing, 71.5 to 71.5, mean 71.5, 1 distinct",
            "name values Ada to Ada, 1 distinct Ada to Bob, 2 distinct",
        ]

    def test_equal_runs_say_so(self, cli: Cli):
        a, b = record("a", 1), record("b", 2)
        out = diff(cli, a.name, b.name)
        assert out.endswith("\nequal: 2 steps, and all that they gave\n")
        assert "dtype" not in out

    def test_settings_are_side_by_side(self, cli: Cli):
        for seed in (1, 2):
            config = {"Loader": {"a": {"method": people}}, "Splitter": {"b": {"seed": seed, "ratio": 0.5}}}
            Executor(config, name=f"seed{seed}").run()
        names = {load_run(folder).name: folder for folder in _folders()}
        out = diff(cli, names["seed1"], names["seed2"])
        assert section(out, "Configuration") == ["Splitter.b.seed 1 2"]

    def test_many_are_shortened(self, cli: Cli):
        for value in (1, 2):
            with Status() as status, status.step("Wide", "frame") as step:
                step.result(pd.DataFrame({f"c{number}": [value] for number in range(25)}))
        out = diff(cli, *_folders())
        assert "… and 5 more\n" in out and "25 differences in 1 table" in out

    def test_damage_is_told_on_standard_error(self, cli: Cli):
        folder = record("people")
        flip(folder / "timings.jsonl")
        result = cli("diff", "latest", "latest")
        assert result.exit_code == 0
        assert result.stderr.startswith("runfolio: a is damaged: timings.jsonl, line 1")

    def test_texts_from_files_are_neutralised(self, cli: Cli):
        for value in (HOSTILE, "y"):
            with Status() as status, status.step(HOSTILE, HOSTILE) as step:
                step.result({HOSTILE: pd.DataFrame({HOSTILE: [value]})})
        out = diff(cli, *_folders())
        assert set(out) - {"\n", "…"} <= set(map(chr, range(0x20, 0x7F)))
        assert NEUTRAL in out

    def test_it_fits_a_terminal(self, cli: Cli):
        a, b = two()
        for columns in (120, 80, 60):
            _, shown = on_terminal("diff", a, b, columns=columns)
            text = without_colour(shown)
            assert max(map(len, text.splitlines())) <= columns
            assert "only in" in text


class TestExitCode:
    def test_a_difference_is_a_failure_only_if_that_is_asked_for(self, cli: Cli):
        a, b = two()
        assert cli("diff", a, b).exit_code == 0
        assert cli("diff", a, b, "--exit-code").exit_code == 1
        assert cli("diff", a, a, "--exit-code").exit_code == 0

    def test_two_runs_are_named(self, cli: Cli):
        assert cli("diff", "latest").exit_code == 2
        assert cli("diff", "latest", "latest").exit_code == 1


def test_json_is_what_the_library_gives(cli: Cli):
    a, b = two()
    found = json.loads(diff(cli, a, b, "--json"))
    assert found == json.loads(msgspec.json.encode(compare(load_run(a), load_run(b))))
    assert list(found) == ["a", "b", "equal", "configuration", "versions", "inputs", "steps", "columns", "notes"]


def _folders() -> list[str]:
    from runfolio.catalog import scan

    return [row.folder for row in scan()]
