"""Loader under attack: no file makes it raise anything but InputError, or ConfigError before the run."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest

from runfolio import Executor
from runfolio.errors import ConfigError, InputError
from runfolio.pipeline.modules import loader

from .loading import CSV, EXCEL, PARQUET, load, refused, zipped

FILES = [
    ("empty.csv", b"", "is empty"),
    ("empty.parquet", b"", "is empty"),
    ("lines.csv", b"\n\n\n", "has no columns"),
    ("ragged.csv", b"a,b\n1,2\n1,2,3\n", "line 3"),
    ("latin.csv", b"a,b\n1,\xe4\n", "byte 0xe4 in line 2.*set encoding"),
    ("utf-16.csv", "a,b\n1,2\n".encode("utf-16"), "byte 0xff in line 1.*utf-16"),
    ("no.parquet", b"name,age\n", "as Parquet"),
    ("zeros.parquet", b"\0" * 100, "as Parquet"),
    ("cut.parquet", PARQUET[:-20], "as Parquet"),
    ("holed.parquet", PARQUET[:50] + b"x" * 100 + PARQUET[150:], "as Parquet"),
    ("open.json", b'[{"a":1},\n', "as JSON, line 2"),
    ("nul.json", b"\0", "as JSON"),
    ("number.json", b"3", "it holds a single value, not an array of objects"),
    ("text.json", b'"abc"', "it holds a single value"),
    ("object.json", b'{"a":1}', "it holds a single object, not an array of them"),
    ("uneven.json", b'{"a":[1,2],"b":[1]}', "as JSON"),
    ("huge.json", b'[{"a":123456789012345678901234567890}]', "too big"),
    ("null.json", b"null", "table without columns"),
    ("array.json", b"[]", "table without columns"),
    ("braces.json", b"{}", "table without columns"),
    ("nul.jsonl", b'{"a":1}\n\0\n', "as JSON Lines, line 2"),
    ("cut.csv.gz", gzip.compress(CSV * 99)[:-10], "damaged or cut short"),
    ("cut.csv.xz", lzma.compress(CSV * 99)[:-10], "damaged or cut short"),
    ("cut.csv.bz2", bz2.compress(CSV * 99)[:-10], "damaged or cut short"),
    ("cut.csv.zip", zipped("a")[:-10], "damaged or cut short"),
    ("sum.csv.gz", gzip.compress(CSV)[:-8] + b"\0" * 8, "damaged or cut short"),
    ("cut.json.gz", gzip.compress(b"[1, 2, 3]" * 99)[:-10], "damaged or cut short"),
    ("empty.csv.gz", gzip.compress(b""), "has no columns"),
    ("empty.json.gz", gzip.compress(b""), "as JSON"),
    ("plain.csv.gz", CSV, "damaged or cut short"),
    ("plain.csv.bz2", CSV, "Invalid data stream"),
    ("two.csv.zip", zipped("a", "b"), r"Multiple files found.*'a', 'b'"),
    ("none.csv.zip", zipped(), "Zero files found"),
    ("no.xlsx", b"abc", "as Excel"),
    ("no.xls", b"abc", "as Excel"),
    ("no.ods", zipped("a"), "a zip archive of another kind"),
    ("other.xlsx", zipped("a"), "a zip archive of another kind"),
    ("cut.xlsx", EXCEL[:-100], "damaged or cut short"),
]


@pytest.mark.parametrize(("name", "data", "message"), FILES, ids=[name for name, *_ in FILES])
def test_a_run_names_the_file_that_can_not_be_read(name, data, message, write):
    assert re.search(message, str(refused(write(name, data))))


def test_a_file_that_goes_between_check_and_run_is_told(write):
    path = write("a.csv", CSV)
    executor = Executor({"Loader": {"a": {"path": str(path)}}})
    path.unlink()
    with pytest.raises(InputError, match="No such file") as caught:
        executor.run()
    assert caught.value.file == str(path) and executor.status.state == "failed"


def test_a_folder_and_a_file_that_is_not_there_are_told_before_the_run(tmp_path, root):
    (tmp_path / "folder.csv").mkdir()
    for name, message in (("folder.csv", "is a folder, not a file"), ("folder.cs", "did you mean 'folder.csv'")):
        with pytest.raises(ConfigError, match=message):
            Executor({"Loader": {"a": {"path": str(tmp_path / name)}}})
    assert not root.exists()


def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "a.csv")
    with pytest.raises(ConfigError, match="is no regular file"):
        Executor({"Loader": {"a": {"path": str(tmp_path / "a.csv")}}})


@pytest.mark.parametrize("name", ["a.csvv", "a", "a.CSVX", "a.gz"])
def test_a_suffix_that_tells_nothing_is_refused_with_those_that_do(name, write):
    assert "name a method, such as csv" in str(refused(write(name, CSV)))


@pytest.mark.parametrize(
    ("name", "pack"),
    [("A.CSV", bytes), ("a.CSV.GZ", gzip.compress), ("a.csv.Xz", lzma.compress), ("a.csv.BZ2", bz2.compress)],
)
def test_suffixes_in_capitals_are_read(name, pack, write):
    assert load(write(name, pack(CSV)))["age"].tolist() == [36, 41]


def test_only_a_header_is_a_table_without_rows(write):
    found = load(write("a.csv", b"name,age\n"))
    assert found.shape == (0, 2) and list(found) == ["name", "age"]


@pytest.mark.parametrize("engine", ["c", "python", "pyarrow"])
def test_nul_bytes_in_text_are_read(engine, write):
    found = load(write("a.csv", b"a,b\n1,x\0y\n2,z\n"), engine=engine)
    assert found["a"].tolist() == [1, 2] and found["b"][1] == "z"


def test_a_sheet_without_cells_is_named(tmp_path):
    with pd.ExcelWriter(tmp_path / "a.xlsx") as writer:
        pd.DataFrame({"a": [1]}).to_excel(writer, sheet_name="full", index=False)
        pd.DataFrame().to_excel(writer, sheet_name="void", index=False)
    assert "sheet 'void' was read as a table without columns" in str(refused(tmp_path / "a.xlsx", sheet_name=None))
    assert load(tmp_path / "a.xlsx")["a"].tolist() == [1]


def test_without_openpyxl_a_run_says_what_to_install(write, monkeypatch):
    path = write("a.xlsx", EXCEL)
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    assert str(refused(path)).endswith("openpyxl is not installed; pip install openpyxl")


WARNING = [
    ("a.csv", b"d\n2026-01-01\nsoon\n", {"parse_dates": ["d"], "date_format": None}, True),
    ("a.csv", b"a,b\n1,2\n1,2,3\n", {"on_bad_lines": "warn"}, True),
    ("a.csv", b"a\n" + b"1\n" * 1_100_000 + b"x\n", {}, False),
    ("a.csv", CSV, {}, False),
    ("a.csv", CSV, {"sep": None}, False),
    ("a.csv", b"d\n2026-01-01\n2026-01-02\n", {"parse_dates": ["d"]}, False),
    ("a.json", b'[{"date":"2026-01-01","a":1}]', {}, False),
    ("a.jsonl", b'{"a":1}\n', {}, False),
    ("a.parquet", PARQUET, {}, False),
    ("a.xlsx", EXCEL, {}, False),
]


@pytest.mark.parametrize(("name", "data", "options", "warns"), WARNING)
def test_what_pandas_warns_of_is_passed_on_and_breaks_no_run(name, data, options, warns, write):
    """A date that is none is the one thing of these that some versions are silent about."""
    path = write(name, data)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("error")
        found = load(path, **options)
    assert len(found)
    assert bool(told) == warns or "parse_dates" in options


def test_that_dtypes_were_guessed_by_pieces_is_a_warning_under_w_error(write):
    path = write("a.csv", b"a\n" + b"1\n" * 1_100_000 + b"x\n")
    with pytest.warns(pd.errors.DtypeWarning):
        assert len(loader.csv(path=path, low_memory=True)) == 1_100_001


def test_a_run_under_w_error_is_a_run(tmp_path, write):
    path = write("a.csv", b"a,b\n1,2\n1,2,3\n")
    config = {"Loader": {"a": {"path": str(path), "on_bad_lines": "warn"}}}
    code = f"from runfolio import Executor; Executor({config!r}).run()"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "Skipping line 3" in done.stderr


VALUES = {
    "f": [0.1 + 0.2, None, -1e300],
    "i": [1, 2, 2**53 + 1],
    "t": ["a", None, "ü"],
    "b": [True, False, True],
}


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("backend", [None, "numpy_nullable", "pyarrow"])
@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.jsonl", "a.parquet", "a.xlsx"])
def test_values_of_any_backend_are_stored_and_come_back(name, backend, tmp_path):
    frame, path = pd.DataFrame(VALUES), tmp_path / name
    {
        ".csv": lambda: frame.to_csv(path, index=False),
        ".json": lambda: frame.to_json(path, orient="records", double_precision=15),
        ".jsonl": lambda: frame.to_json(path, orient="records", lines=True, double_precision=15),
        ".parquet": lambda: frame.to_parquet(path),
        ".xlsx": lambda: frame.to_excel(path, index=False),
    }[path.suffix]()
    found = load(path, **({} if backend is None else {"dtype_backend": backend}))
    assert list(found) == list(frame) and len(found) == 3
    assert np.isclose(float(found["f"][0]), 0.3) and bool(found["f"].isna()[1]) and bool(found["t"].isna()[1])
