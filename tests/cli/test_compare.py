"""`runfolio compare`: runs side by side by their numbers."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from runfolio import Executor, Status

from .conftest import Cli
from .samples import HOSTILE, NEUTRAL, flip
from .test_commands import on_terminal, without_colour


def load(rows: int) -> pd.DataFrame:
    return pd.DataFrame({"age": range(rows)})


def score(frame: pd.DataFrame) -> dict[str, float]:
    return {"auc": len(frame) / 8}


def grid(*sizes: int) -> list[str]:
    """The ids of runs over tables of these sizes."""
    found = []
    for rows in sizes:
        config = {"Loader": {"a": {"method": load, "rows": rows}}, "Evaluator": {"e": {"method": score}}}
        executor = Executor(config, name="grid")
        executor.run()
        found.append(executor.status.run_id)
    return found


def compare(cli: Cli, *args: str) -> str:
    result = cli("compare", *args)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def section(out: str, title: str) -> list[str]:
    _, _, rest = out.partition(f"\n{title}\n")
    return [" ".join(line.split()) for line in rest.partition("\n\n")[0].splitlines()][1:]


def test_a_few_runs_have_a_column_each_under_a_letter(cli: Cli):
    ids = grid(3, 4)
    out = compare(cli, *ids)
    assert [line.split()[:3] for line in out.splitlines()[1:3]] == [
        ["A", ids[0], "completed"],
        ["B", ids[1], "completed"],
    ]
    assert section(out, "Parameters") == ["Loader.a.rows 3 4"]
    assert [line.split()[0] for line in section(out, "Durations")] == ["Loader[a]", "Loader[a]_Evaluator[e]"]
    assert section(out, "Rows") == ["Loader[a] 3 4"]
    assert section(out, "Reports") == ["Loader[a]_Evaluator[e].auc 0.375 0.5"]


def test_all_shows_all_parameters(cli: Cli):
    out = compare(cli, *grid(3, 3), "--all")
    assert "Loader.a.rows 3 3" in section(out, "Parameters")


def test_what_a_run_does_not_have_is_a_dash(cli: Cli):
    with Status(name="bare") as status:
        pass
    out = compare(cli, *grid(3), status.run_id)
    assert section(out, "Rows") == ["Loader[a] 3 -"]


def test_it_is_sorted(cli: Cli):
    ids = grid(4, 2, 3)
    out = compare(cli, *ids, "--sort", "auc")
    assert [line.split()[1] for line in out.splitlines()[1:4]] == [ids[1], ids[2], ids[0]]
    out = compare(cli, *ids, "--sort", "Loader.a.rows", "--descending")
    assert section(out, "Rows") == ["Loader[a] 4 3 2"]


def test_many_runs_have_a_line_each_first_what_they_are_sorted_by(cli: Cli):
    ids = grid(*range(9, 0, -1))
    lines = compare(cli, *ids, "--sort", "auc").splitlines()
    assert lines[0].split("  ")[0] == "run" and "took  Loader[a]_Evaluator[e].auc  Loader.a.rows" in " ".join(
        lines[0].split(" ")
    )
    assert [line.split()[0] for line in lines[1:]] == ids[::-1]
    assert [line.split()[4:6] for line in lines[1:3]] == [["0.125", "1"], ["0.25", "2"]]


@pytest.mark.parametrize("count", [8, 9])
def test_it_fits_a_terminal(cli: Cli, count: int):
    ids = grid(*range(1, count + 1))
    for columns in (120, 80, 60):
        _, shown = on_terminal("compare", *ids, columns=columns)
        text = without_colour(shown)
        assert max(map(len, text.splitlines())) <= columns
        assert all(name in text for name in ids) and "Loader.a.rows" in text


def test_json_is_a_list_of_runs(cli: Cli):
    ids = grid(3, 4)
    found = json.loads(compare(cli, *ids, "--json", "--sort", "auc", "--descending"))
    assert [run["run_id"] for run in found] == ids[::-1]
    assert found[0]["parameters"] == {"Loader.a.rows": 4}
    assert found[0]["rows"] == {"Loader[a]": 4} and found[0]["reports"] == {"Loader[a]_Evaluator[e].auc": 0.5}


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        ((), 2, "Missing argument 'RUN...'"),
        (("nope",), 1, "no run 'nope' under "),
        (("latest", "--sort", "f1"), 1, "no quantity 'f1' in these runs"),
        (("latest", "--sort", "seconds"), 1, "3 quantities have 'seconds' in their names: "),
    ],
)
def test_what_is_not_there_is_one_line(cli: Cli, args: tuple[str, ...], code: int, message: str):
    grid(2)
    result = cli("compare", *args)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith(f"runfolio: {message}") and result.stderr.count("\n") == 1


def test_damage_is_told_and_is_no_failure(cli: Cli):
    with Status() as status, status.step("Loader", "a") as step:
        step.result(load(2))
    flip(status.folder / "changes.jsonl")
    result = cli("compare", status.run_id)
    assert result.exit_code == 0 and result.stderr.startswith(f"runfolio: {status.run_id} is damaged: changes.jsonl")


def test_names_from_files_are_neutralised(cli: Cli):
    with Status() as status, status.step("Evaluator", HOSTILE) as step:
        step.result({HOSTILE: 1})
    out = compare(cli, status.run_id)
    assert HOSTILE not in out and "\x1b" not in out and NEUTRAL in out
