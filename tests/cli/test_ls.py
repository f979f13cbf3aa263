"""`runfolio ls`: a line a run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from msgspec import to_builtins

from runfolio.catalog import scan
from runfolio.spelling import duration, size, stamp

from .conftest import Cli
from .samples import HOSTILE, NEUTRAL, begin, flip, kill, record, rewrite_manifest


def lines(cli: Cli, *args: str) -> list[list[str]]:
    result = cli("ls", *args)
    assert (result.exit_code, result.stderr) == (0, "")
    return [line.split() for line in result.stdout.splitlines()]


def test_a_run_is_one_line_of_words(cli: Cli):
    folder = record("people", day=22)
    (row,) = scan()
    assert lines(cli) == [
        ["run", "state", "started", "took", "steps", "size"],
        [folder.name, "completed", stamp(row.start_time), duration(row.duration_seconds), "2", size(row.bytes)],
    ]


def test_each_state_is_told_newest_run_first(cli: Cli):
    live = begin("live", 3)
    record("failed", 2, error=ValueError("no column 'x'"))
    record("completed", 1)
    found = lines(cli)[1:]
    assert [line[1] for line in found] == ["in_progress", "failed", "completed"]
    assert found[1][6:] == ["ValueError:", "no", "column", "'x'"]
    live.complete()


def test_a_killed_run_is_interrupted(cli: Cli):
    kill()
    assert lines(cli)[1][1] == "interrupted"


def test_a_damaged_run_is_marked_and_told_why(cli: Cli):
    flip(record("people") / "run.json")
    line = lines(cli)[1]
    assert line[1] == "completed,damaged"
    assert " ".join(line[6:]) == "run.json: its checksum does not match"


def test_a_run_that_can_not_be_read_is_listed(cli: Cli):
    folder = record("people")
    rewrite_manifest(folder, format_version=2)
    line = lines(cli)[1]
    assert line[:6] == [folder.name, "unreadable", "-", "-", "-", "-"]
    assert "format version 2" in " ".join(line)


def test_options_choose_the_runs(cli: Cli):
    record("nightly full", 1)
    record("nightly quick", 2, error=ValueError("no"))
    record("weekly", 3)
    assert len(lines(cli, "--limit", "2")) == 3
    assert [line[1] for line in lines(cli, "--name", "nightly")[1:]] == ["failed", "completed"]
    assert [line[1] for line in lines(cli, "--name", "night*", "--state", "failed")[1:]] == ["failed"]
    assert len(lines(cli, "--state", "failed", "--state", "completed")) == 4


def test_a_limit_keeps_older_runs_unread(cli: Cli, monkeypatch):
    read = []
    monkeypatch.setattr("runfolio.catalog._ended", read.append)
    record("old", 1)
    new = record("new", 2)
    cli("ls", "--limit", "1")
    assert read == [str(new)]


def test_the_root_is_that_of_the_option_the_environment_or_runs_here(cli: Cli, tmp_path: Path, monkeypatch):
    folder = record("people")
    shutil.copytree(folder.parent, tmp_path / "elsewhere" / "runs")
    assert lines(cli)[1:] == lines(cli, "--root", str(tmp_path / "elsewhere" / "runs"))[1:]
    monkeypatch.delenv("RUNFOLIO_RUNS")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert lines(cli)[1][0] == folder.name


def test_no_runs_are_no_output_and_no_failure(cli: Cli, root: Path):
    result = cli("ls")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"runfolio: no run under {root}\n")
    record("people")
    assert cli("ls", "--name", "x").stderr == f"runfolio: no such run under {root}\n"
    assert cli("ls", "--name", "x", "--json").stdout == "[]\n"


def test_json_has_every_field_of_every_run(cli: Cli):
    record("people", 1)
    record("failed", 2, error=ValueError("no"))
    assert json.loads(cli("ls", "--json").stdout) == to_builtins(list(scan()))
    assert json.loads(cli("ls", "--json", "--limit", "1").stdout)[0]["start_time"].startswith("2026-11-02T12:00:")


def test_texts_from_files_are_neutralised(cli: Cli, root: Path):
    folder = record("people", error=ValueError(HOSTILE))
    folder.rename(root / HOSTILE)
    out = cli("ls").stdout
    assert out.splitlines()[1].startswith(NEUTRAL)
    assert "ValueError: " + NEUTRAL.partition(r"\u2028")[0] in out
    assert json.loads(cli("ls", "--json").stdout)[0]["folder"] == str(root / HOSTILE)


def test_a_name_that_is_no_utf_8_is_listed(cli: Cli, root: Path):
    record("people").rename(root / "odd\udcff")
    assert cli("ls").stdout.splitlines()[1].startswith(r"odd\udcff ")
    assert json.loads(cli("ls", "--json").stdout)[0]["folder"] == str(root / "odd\udcff")


def test_tags_and_times_choose_runs(cli: Cli):
    for day in (1, 2, 3):
        record(f"{day}", day)
    begun = [json.loads(cli("ls", "--json", *args).stdout) for args in (("--since", "2026-11-02"), ("--tag", "test"))]
    assert [[row["name"] for row in rows] for rows in begun] == [["3", "2"], ["3", "2", "1"]]
    assert "no such run" in cli("ls", "--tag", "other").stderr
    assert "no such run" in cli("ls", "--since", "1s").stderr
    result = cli("ls", "--until", "yesterday")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "--until is 'yesterday'; write a time span before now such as 36h or 7d" in result.stderr
