"""`runfolio repair`, and what `show` says of a run that was repaired."""

from __future__ import annotations

import json

from msgspec import to_builtins

from runfolio import load_run
from runfolio.repair import repairs

from .conftest import Cli
from .samples import flip, record


def test_the_new_run_is_told_with_what_is_in_it_and_what_is_lost(cli: Cli):
    folder = record("people")
    (folder / "results" / "000001-loader-csv.parquet").unlink()
    result = cli("repair", "latest")
    new = folder.with_name(f"{folder.name}-repaired")
    lines = sum(len(path.read_bytes().splitlines()) for path in folder.glob("*.jsonl"))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        new.name,
        f"{lines - 1} lines and 1 file are intact; 1 finding",
        "lost: results/000001-loader-csv.parquet",
        str(new),
    ]
    assert cli("verify", str(new)).exit_code == 0


def test_json_is_one_object(cli: Cli, tmp_path):
    folder = record("people")
    flip(folder / "changes.jsonl")
    found = json.loads(cli("repair", "latest", "--to", str(tmp_path / "new"), "--json").stdout)
    assert list(found) == [
        *("run_id", "folder", "source", "lines", "files", "findings", "left_out", "lines_left_out"),
    ]
    assert (found["run_id"], found["folder"], found["source"]) == ("new", str(tmp_path / "new"), folder.name)


def test_a_sound_run_is_refused(cli: Cli):
    record("people")
    result = cli("repair", "latest")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "is sound: there is nothing to repair; `runfolio verify` tells what it is" in result.stderr


def test_show_says_what_a_run_was_repaired_from_and_what_was_lost(cli: Cli):
    folder = record("people")
    flip(folder / "changes.jsonl")
    (folder / "results" / "000001-loader-csv.parquet").unlink()
    cli("repair", "latest")
    new = folder.with_name(f"{folder.name}-repaired")
    lines = cli("show", str(new)).stdout.splitlines()
    (repair,) = repairs(load_run(new))
    place = lines.index(f"Repaired from {folder.name}, in which was found")
    assert lines[place + 1 :] == [*map(str, repair.findings), "lost: results/000001-loader-csv.parquet"]
    assert "changes.jsonl, line 1, byte 0: its checksum does not match" in lines
    found = json.loads(cli("show", str(new), "--json").stdout)
    assert found["repairs"] == [to_builtins(repair)]
    assert found["run"]["damage"] is None
