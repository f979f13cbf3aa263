"""`runfolio history`: what became of one column."""

from __future__ import annotations

import json

import msgspec
import pandas as pd

from runfolio import Status, load_run

from .conftest import Cli
from .samples import HOSTILE, NEUTRAL, begin, flip, people, record
from .test_commands import on_terminal, without_colour


def branches() -> Status:
    """A loader; two cleaners that begin branches, of which each is split."""
    with begin("branches") as status:
        for name in ("named", "dropped"):
            with status.step("Clean", name, data=people(), after=[("Loader", "csv")]) as step:
                found = people().rename(columns={"weight": "kg"}) if name == "named" else people()[["name", "age"]]
                step.result(found)
            with status.step("Splitter", "half", data=found) as step:
                step.result({"train": found[:2], "test": found[2:]})
    return status


def history(cli: Cli, *args: str) -> str:
    result = cli("history", "latest", *args)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()[3:]]


def test_each_step_that_touched_it_is_a_line(cli: Cli):
    record("people")
    out = history(cli, "age")
    assert out.splitlines()[0] == f"age in {load_run('latest').run_id}"
    assert out.splitlines()[2].split() == ["step", "change", "rows", "nulls", "dtype", "range"]
    assert lines(out) == [
        "Loader[csv] CREATE 3 0 int64 29 to 41",
        "Clean[drop_na] TRANSFORM 3 → 1 0 int64 → float64 29 to 41 → 36.0 to 36.0",
    ]


def test_names_are_told_where_there_are_several(cli: Cli):
    branches()
    out = history(cli, "kg", "--path", "Loader[csv]_Clean[named]")
    assert out.startswith("kg, also weight in ")
    assert [line.split()[1:4] for line in lines(out)] == [["CREATE", "weight", "3"], ["RENAME", "to", "kg"]]


def test_branches_are_indented_below_their_fork_and_named_though_they_did_not_touch_it(cli: Cli):
    branches()
    shown = [line.rstrip() for line in history(cli, "age").splitlines()[3:]]
    assert [line[: len(line) - len(line.lstrip())] + line.split()[0] for line in shown] == [
        "Loader[csv]",
        "  Clean[named]",
        "  Splitter[half]",
        "                  test",
        "  Clean[dropped]",
        "  Splitter[half]",
        "                  test",
    ]
    assert shown[1] == "  Clean[named]"


def test_a_part_can_be_chosen(cli: Cli):
    branches()
    assert "test" not in history(cli, "age", "--part", "train")


def test_what_was_undone_says_so(cli: Cli):
    status = begin("undone")
    loaded = status.snapshots[-1].snapshot_id
    with status.step("Clean", "x", data=people()) as step:
        step.result(people().drop(columns="age"))
    status.restore_from_snapshot(loaded)
    status.complete()
    assert "Clean[x] DELETE, undone 3" in lines(history(cli, "age"))[1]


def test_a_column_that_no_step_touched_is_told_so(cli: Cli):
    with Status() as status, status.step("Clean", "idle", data=people()) as step:
        step.result(people())
    assert history(cli, "age").splitlines()[1:] == ["no step touched it"]


def test_what_is_not_there_is_an_error(cli: Cli):
    record("people")
    for args, message in (
        (["agee"], "no step had a column 'agee'; there is 'age'"),
        (["age", "--path", "x"], "no step 'x'"),
    ):
        result = cli("history", "latest", *args)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith(f"runfolio: {message}")


def test_damage_is_told_on_standard_error(cli: Cli):
    folder = record("people")
    flip(folder / "timings.jsonl")
    result = cli("history", "latest", "age")
    assert result.exit_code == 0 and len(lines(result.stdout)) == 2
    assert result.stderr.startswith(f"runfolio: {folder} is damaged: timings.jsonl, line 1")


def test_json_is_the_list_that_the_library_gives(cli: Cli):
    record("people")
    touches = load_run("latest").column_history("age")
    assert json.loads(history(cli, "age", "--json")) == json.loads(msgspec.json.encode(touches))


def test_texts_from_files_are_neutralised(cli: Cli):
    with Status() as status, status.step(HOSTILE, HOSTILE) as step:
        step.result({HOSTILE: pd.DataFrame({HOSTILE: [HOSTILE]})})
    out = history(cli, HOSTILE)
    assert set(out) - {"\n", "…"} <= set(map(chr, range(0x20, 0x7F)))
    assert f"{NEUTRAL} in " in out and f"{NEUTRAL}[{NEUTRAL}]" in out


def test_it_fits_a_terminal(cli: Cli):
    branches()
    for columns, titles in (
        (120, ["step", "part", "change", "rows", "nulls", "dtype", "range"]),
        (60, ["step", "part", "change", "nulls"]),
    ):
        _, shown = on_terminal("history", "latest", "kg", columns=columns)
        text = without_colour(shown).splitlines()
        assert max(map(len, text)) <= columns
        assert next(line for line in text if line.startswith("step")).split() == titles
