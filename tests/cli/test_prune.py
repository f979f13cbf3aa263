"""`runfolio prune`: shows what goes, asks, and removes it."""

from __future__ import annotations

import json

import pytest

from runfolio import list_runs

from .conftest import Cli
from .samples import record
from .screens import Terminal


@pytest.fixture
def folders() -> list:
    return [record("people", day) for day in (1, 2, 3)]


def test_a_dry_run_shows_what_would_go_and_removes_nothing(cli: Cli, folders):
    result = cli("prune", "--keep-last", "1", "--dry-run")
    lines = result.stdout.splitlines()
    assert (result.exit_code, result.stderr) == (0, "")
    assert [line.split()[0] for line in lines[:3]] == ["run", folders[1].name, folders[0].name]
    assert lines[1].split(maxsplit=4)[1:3] == ["completed", "2026-11-02T12:00:03Z"]
    assert lines[1].endswith("not of the newest 1")
    assert lines[-1].startswith("2 runs, ")
    assert lines[-1].endswith(" would go, 1 kept")
    assert len(list_runs()) == 3


def test_with_yes_it_does_not_ask(cli: Cli, folders):
    result = cli("prune", "--keep-last", "1", "--yes")
    assert (result.exit_code, result.stdout.splitlines()[-1].split(",")[0]) == (0, "removed 2 runs")
    assert list(list_runs()["run_id"]) == [folders[2].name]


def test_where_nobody_can_be_asked_nothing_goes(cli: Cli, folders):
    result = cli("prune", "--keep-last", "1")
    assert (result.exit_code, len(list_runs())) == (2, 3)
    assert "nobody is there to ask: give --yes" in result.stderr
    assert cli("prune", "--keep-last", "1", "--json").exit_code == 2


@pytest.mark.parametrize(("answer", "left"), [("y\r", 1), ("\r", 3)])
def test_on_a_terminal_it_asks(folders, answer, left):
    with Terminal("prune", "--keep-last", "1", columns=100) as terminal:
        terminal.wait_for("Remove 2 runs for good? [y/N]:")
        terminal.press(answer)
        assert terminal.wait() == 0
        assert ("removed 2 runs" in terminal.text) == (left == 1)
    assert len(list_runs()) == left


def test_json_is_one_object(cli: Cli, folders):
    (folders[0] / "notes.txt").touch()
    found = json.loads(cli("prune", "--keep-last", "1", "--yes", "--json").stdout)
    assert (found["removed"], found["kept"], [run["folder"] for run in found["runs"]]) == (True, 1, [str(folders[1])])
    assert [left["folder"] for left in found["left"]] == [str(folders[0])]


def test_nothing_to_remove_is_said(cli: Cli, folders):
    assert cli("prune", "--older-than", "36500d").stdout == "nothing would go, 3 kept\n"


def test_what_is_left_is_told(cli: Cli, folders):
    (folders[0] / "notes.txt").touch()
    result = cli("prune", "--keep-last", "1", "--dry-run")
    assert f"left {folders[0]}: it holds notes.txt, which is no file of a run" in result.stdout


def test_data_only_keeps_the_runs(cli: Cli, folders):
    result = cli("prune", "--keep-last", "1", "--data-only", "--yes")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].startswith("removed the data of 2 runs, ")
    assert list(list_runs()["run_id"]) == [folder.name for folder in reversed(folders)]
    assert "withheld (pruned)" in cli("show", folders[0].name).stdout
    assert "pruned the data of " in cli("tail", folders[0].name).stdout
    assert "would go" not in cli("prune", "--keep-last", "1", "--data-only", "--dry-run").stdout.replace(
        "nothing would", ""
    )
