"""`runfolio archive`, and commands that are given an archive."""

from __future__ import annotations

import json

from .conftest import Cli
from .samples import record


def test_the_archive_is_told_and_read_by_every_command(cli: Cli):
    folder = record("people")
    result = cli("archive", "latest")
    path = f"{folder}.zip"
    head, last = result.stdout.splitlines()
    assert (result.exit_code, head.split()[:3], last) == (0, [folder.name, "10", "files,"], path)
    for command in ("show", "tail", "verify"):
        there, archived = cli(command, str(folder)), cli(command, path)
        assert (archived.exit_code, archived.stderr) == (0, "")
        assert archived.stdout.replace(path, str(folder)) == there.stdout
    assert "equal: 2 steps" in cli("diff", path, str(folder)).stdout


def test_json_is_one_object(cli: Cli, tmp_path):
    folder = record("people")
    (folder / "mine.txt").touch()
    found = json.loads(cli("archive", "latest", "--to", str(tmp_path / "x.zip"), "--json").stdout)
    assert (found["run_id"], found["path"], found["left_out"]) == (folder.name, str(tmp_path / "x.zip"), ["mine.txt"])
    assert found["bytes"] == (tmp_path / "x.zip").stat().st_size


def test_what_is_left_out_is_told(cli: Cli):
    (record("people") / "mine.txt").touch()
    assert "left out, for it is no file of a run: mine.txt" in cli("archive", "latest").stdout


def test_an_archive_that_is_there_is_an_error(cli: Cli):
    record("people")
    assert cli("archive", "latest").exit_code == 0
    result = cli("archive", "latest")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "is there already; name a file that is not there yet" in result.stderr
