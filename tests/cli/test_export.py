"""`runfolio export`: the results of a run as files."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from runfolio import Status

from .conftest import Cli
from .samples import HOSTILE, NEUTRAL, flip, people, record


def test_what_was_written_is_listed(cli: Cli, tmp_path: Path):
    record("people")
    result = cli("export", "latest", "--to", str(tmp_path / "out"), "--format", "csv")
    assert (result.exit_code, result.stderr) == (0, "")
    title, *lines = [line.split() for line in result.stdout.splitlines()]
    assert title == ["file", "rows", "size", "key"]
    paths = [tmp_path / "out" / "000001-loader-csv.csv", tmp_path / "out" / "000002-clean-drop-na.csv"]
    assert lines == [
        [str(paths[0]), "3", f"{paths[0].stat().st_size}B", "Loader[csv]"],
        [str(paths[1]), "1", f"{paths[1].stat().st_size}B", "Loader[csv]_Clean[drop_na]"],
    ]


def test_parquet_is_the_default_and_results_can_be_chosen(cli: Cli, tmp_path: Path):
    record("people")
    for args in (["--key", "Loader[csv]"], ["--module", "Loader", "--force"]):
        assert cli("export", "latest", "--to", str(tmp_path / "out"), *args).exit_code == 0
        (path,) = (tmp_path / "out").iterdir()
        pd.testing.assert_frame_equal(pd.read_parquet(path)[["age"]], people()[["age"]])


def test_formulas_are_escaped_unless_they_are_wanted_raw(cli: Cli, tmp_path: Path):
    with Status() as status:
        status.store_result("x", pd.DataFrame({"a": ["=1+1"]}))
    for args, cell in (([], "'=1+1"), (["--raw", "--force"], "=1+1")):
        assert cli("export", "latest", "--to", str(tmp_path / "out"), "--format", "csv", *args).exit_code == 0
        assert (tmp_path / "out" / "000001-x.csv").read_text().splitlines() == ["a", cell]


def test_nothing_is_overwritten(cli: Cli, tmp_path: Path):
    record("people")
    args = ["export", "latest", "--to", str(tmp_path / "out")]
    assert cli(*args).exit_code == 0
    result = cli(*args)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "is there already, and 1 more" in result.stderr
    assert cli(*args, "--force").exit_code == 0


def test_a_damaged_result_is_told_and_the_others_are_written(cli: Cli, tmp_path: Path):
    folder = record("people")
    flip(folder / "results" / "000001-loader-csv.parquet")
    result = cli("export", "latest", "--to", str(tmp_path / "out"))
    assert result.exit_code == 1
    assert "000001-loader-csv.parquet is not what was written" in result.stderr
    assert [line.split()[0] for line in result.stdout.splitlines()[1:]] == [
        str(tmp_path / "out" / "000002-clean-drop-na.parquet")
    ]


def test_json_has_an_object_a_file(cli: Cli, tmp_path: Path):
    folder = record("people")
    flip(folder / "results" / "000001-loader-csv.parquet")
    result = cli("export", "latest", "--to", str(tmp_path / "out"), "--json")
    bad, good = json.loads(result.stdout)
    assert result.exit_code == 1 and bad["path"] is None and "is not what was written" in bad["error"]
    assert (good["key"], good["rows"], good["error"]) == ("Loader[csv]_Clean[drop_na]", 1, None)


def test_wrong_usage(cli: Cli, tmp_path: Path):
    assert cli("export", "latest").exit_code == 2
    assert cli("export", "latest", "--to", "x", "--format", "xlsx").exit_code == 2


def test_a_run_without_results_writes_nothing(cli: Cli, tmp_path: Path):
    with Status() as status:
        status.log("nothing")
    result = cli("export", "latest", "--to", str(tmp_path / "out"))
    assert (result.exit_code, result.stdout) == (0, "nothing was written\n")


def test_texts_from_files_are_neutralised_and_decide_no_name(cli: Cli, tmp_path: Path):
    with Status() as status:
        status.store_result(HOSTILE, {f"../{HOSTILE}": pd.DataFrame({"a": [1]})})
    result = cli("export", "latest", "--to", str(tmp_path / "out"))
    assert NEUTRAL in result.stdout and set(result.stdout) - {"\n"} <= set(map(chr, range(0x20, 0x7F)))
    (path,) = (tmp_path / "out").iterdir()
    assert path.name.isascii() and path.name.startswith("000001-")
