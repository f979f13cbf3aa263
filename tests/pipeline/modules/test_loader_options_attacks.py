"""Options of the Loader under attack: none makes it raise anything but InputError, or ConfigError before the run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runfolio import Executor
from runfolio.errors import ConfigError

from .loading import CSV, EXCEL, PARQUET, refused

OPTIONS = [
    ("a.csv", {"sep": 3}, None, "as CSV"),
    ("a.csv", {"sep": ""}, None, "as CSV"),
    ("a.csv", {"usecols": ["agee"]}, "agee", "which usecols names; did you mean 'age'"),
    ("a.csv", {"usecols": ["nope"]}, "nope", "which usecols names; there is name, age"),
    ("a.csv", {"parse_dates": ["agee"]}, "agee", "which parse_dates names; did you mean 'age'"),
    ("a.csv", {"index_col": "agee"}, "agee", "which index_col names; did you mean 'age'"),
    ("a.csv", {"index_col": ["name", "agee"]}, "agee", "did you mean 'age'"),
    ("a.csv", {"usecols": ["agee"], "sep": "[,]"}, "agee", "did you mean 'age'"),
    ("a.csv", {"dtype": {"age": "nope"}}, "age", "no dtype 'nope'"),
    ("a.csv", {"dtype": {"age": "in64"}}, "age", "did you mean 'int64'"),
    ("a.csv", {"dtype": {"name": "int64"}}, "name", "column 'name' can't be cast to int64, row 0: 'Ada'"),
    ("a.csv", {"dtype": {"name": "datetime64[ns]"}}, None, "parse_dates"),
    ("a.csv", {"dtype": 3}, None, "as CSV"),
    ("a.csv", {"encoding": "nope"}, None, "unknown encoding: nope"),
    ("a.csv", {"encoding": 3}, None, "as CSV"),
    ("a.csv", {"encoding": "utf-16"}, None, "as CSV"),
    ("a.csv", {"encoding_errors": "nope"}, None, "as CSV"),
    ("a.csv", {"engine": "nope"}, None, "Unknown engine: nope"),
    ("a.csv", {"engine": 3}, None, "as CSV"),
    ("a.csv", {"engine": "c", "sep": "::"}, None, "as CSV"),
    ("a.csv", {"nrows": -1}, None, "'nrows' must be an integer >=0"),
    ("a.csv", {"nrows": 1.5}, None, "'nrows' must be an integer >=0"),
    ("a.csv", {"header": 99}, None, "as CSV"),
    ("a.csv", {"header": []}, None, "as CSV"),
    ("a.csv", {"skiprows": 99}, None, "has no columns"),
    ("a.csv", {"names": ["a", "a"]}, None, "as CSV"),
    ("a.csv", {"names": []}, None, "without columns"),
    ("a.csv", {"usecols": []}, None, "without columns"),
    ("a.csv", {"index_col": ["name", "age"]}, None, "without columns"),
    ("a.csv", {"converters": {"age": "int"}}, None, "as CSV"),
    ("a.csv", {"compression": "nope"}, None, "as CSV"),
    ("a.csv", {"compression": "gzip"}, None, "damaged or cut short"),
    ("a.csv", {"quoting": 99}, None, "as CSV"),
    ("a.csv", {"sep": "[("}, None, "as CSV"),
    ("a.parquet", {"columns": ["agee"]}, "agee", "which columns names; did you mean 'age'"),
    ("a.parquet", {"columns": 3}, None, "as Parquet"),
    ("a.parquet", {"columns": []}, None, "without columns"),
    ("a.parquet", {"engine": "nope"}, None, "as Parquet"),
    ("a.parquet", {"engine": "fastparquet"}, None, "fastparquet is not installed; pip install fastparquet"),
    ("a.parquet", {"filters": [["age", "~", 1]]}, None, "as Parquet"),
    ("a.parquet", {"filters": [["age", ">", "x"]]}, None, "as Parquet"),
    ("a.json", {"orient": "split"}, None, "as JSON"),
    ("a.json", {"orient": "table"}, None, "as JSON"),
    ("a.json", {"typ": "series"}, None, "not as a table"),
    ("a.json", {"encoding": "nope"}, None, "unknown encoding"),
    ("a.jsonl", {"nrows": -1}, None, "'nrows' must be an integer"),
    ("a.xlsx", {"sheet_name": "nope"}, None, "Worksheet named 'nope' not found"),
    ("a.xlsx", {"sheet_name": 9}, None, "as Excel"),
    ("a.xlsx", {"usecols": ["agee"]}, "agee", "did you mean 'age'"),
    ("a.xlsx", {"header": 5000}, None, "as Excel"),
    ("a.xlsx", {"engine": "nope"}, None, "as Excel"),
    ("a.xlsx", {"engine": "xlrd"}, None, "xlrd is not installed; pip install xlrd"),
    ("a.csv", {"sheet_name": "x"}, None, "csv has no option 'sheet_name'"),
    ("a.parquet", {"usecols": ["age"]}, None, "parquet has no option 'usecols'"),
]
DATA = {".csv": CSV, ".parquet": PARQUET, ".xlsx": EXCEL, ".json": b'[{"age":1}]', ".jsonl": b'{"age":1}\n'}


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("name", "options", "column", "message"), OPTIONS)
def test_a_run_names_the_option_that_pandas_refuses(name, options, column, message, write):
    error = refused(write(name, DATA[Path(name).suffix]), **options)
    assert re.search(message, str(error)) and error.column == column


def test_the_first_row_that_is_not_of_a_dtype_is_named(write):
    path = write("a.csv", b"id,age\n1,36\n2,\n3,x\n")
    assert "column 'age' can't be cast to Int64, row 2: 'x'" in str(
        refused(path, dtype={"id": "int64", "age": "Int64"})
    )
    assert "row 1: nan; impute it before, or cast to Int64" in str(refused(path, dtype={"age": "int64"}))


@pytest.mark.parametrize("encoding", [None, "utf-8", "ascii", "cp1252"])
def test_the_line_that_is_not_of_an_encoding_is_named(encoding, write):
    path = write("a.csv", b"a\n" * 9 + b"\x81\n")
    error = refused(path, **({} if encoding is None else {"encoding": encoding}))
    assert error.line == 10 and "byte 0x81 in line 10" in str(error)


@pytest.mark.parametrize(
    ("method", "option", "hint"),
    [
        ("file", "sepp", "sep"),
        ("file", "sheetname", "sheet_name"),
        ("csv", "sepp", "sep"),
        ("excel", "usecol", "usecols"),
    ],
)
def test_an_option_that_no_method_has_is_told_before_the_run(method, option, hint, write, root):
    path = write("a.csv", CSV)
    with pytest.raises(ConfigError, match=f"has no parameter '{option}'; did you mean '{hint}'"):
        Executor({"Loader": {"a": {"method": method, "path": str(path), option: 1}}})
    assert not root.exists()
