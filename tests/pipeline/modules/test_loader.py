"""Loader: real files of each format, read by their suffix and by name; and all that can be wrong with a file."""

from __future__ import annotations

import bz2
import gzip
import importlib.util
import inspect
import lzma
import subprocess
import sys
import typing
import warnings
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from runfolio.errors import InputError
from runfolio.pipeline.modules import BUILT_IN, loader
from runfolio.pipeline.parameters import InputFile

METHODS = list(BUILT_IN["Loader"])
CSV = b"name,age\nAda,36\nBob,41\n"
JSON = b'[{"name":"Ada","age":36},{"name":"Bob","age":41}]'
LINES = b'{"name":"Ada","age":36}\n{"name":"Bob","age":41}\n'
COMPRESS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


@pytest.fixture
def people() -> pd.DataFrame:
    return pd.DataFrame({"name": ["Ada", "Bob"], "age": [36, 41]})


def parquet_of(folder: Path, frame: pd.DataFrame) -> bytes:
    frame.to_parquet(folder / "made")
    return (folder / "made").read_bytes()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", CSV),
        ("A.CSV", CSV),
        ("a.b.csv", CSV),
        ("a.tsv", CSV.replace(b",", b"\t")),
        ("a.tab", CSV.replace(b",", b"\t")),
        ("a.json", JSON),
        ("a.jsonl", LINES),
        ("a.ndjson", LINES),
    ],
)
@pytest.mark.parametrize("suffix", ["", *COMPRESS])
def test_a_text_file_is_read_by_its_suffix_compressed_or_not(name, data, suffix, write, people, stored):  # noqa: PLR0917
    path = write(name + suffix, COMPRESS.get(suffix, bytes)(data))
    pd.testing.assert_frame_equal(loader.file(path=path), people)
    stored(loader.file(path=path))


def test_a_zip_of_one_file_is_read(tmp_path, people):
    with zipfile.ZipFile(tmp_path / "a.csv.zip", "w") as archive:
        archive.writestr("a.csv", CSV)
    pd.testing.assert_frame_equal(loader.file(path=tmp_path / "a.csv.zip"), people)


def test_parquet_and_excel_are_read_by_their_suffix(tmp_path, people, stored):
    people.to_parquet(tmp_path / "a.parquet")
    people.to_excel(tmp_path / "a.xlsx", index=False)
    for name in ("a.parquet", "a.xlsx"):
        pd.testing.assert_frame_equal(stored(loader.file(path=tmp_path / name)), people)
    assert list(loader.file(path=tmp_path / "a.parquet", columns=["age"])) == ["age"]


def test_a_method_reads_a_file_of_any_name(write, people):
    for method, data in {"csv": CSV, "tsv": CSV.replace(b",", b"\t"), "json": JSON, "json_lines": LINES}.items():
        pd.testing.assert_frame_equal(getattr(loader, method)(path=write("data", data)), people)


def test_sheets_are_parts_of_their_names(tmp_path, people, stored):
    with pd.ExcelWriter(tmp_path / "a.xlsx") as writer:
        people.to_excel(writer, sheet_name="one", index=False)
        pd.DataFrame({2026: [1.5]}).to_excel(writer, sheet_name="two", index=False)
    assert {
        name: list(part) for name, part in stored(loader.excel(path=tmp_path / "a.xlsx", sheet_name=None)).items()
    } == {
        "one": ["name", "age"],
        "two": ["2026"],
    }
    assert list(loader.excel(path=tmp_path / "a.xlsx", sheet_name=[1])) == ["1"]


def test_the_options_are_those_of_pandas(write):
    path = write("a.csv", b"x;1,5;z\n")
    assert loader.csv(path=path, sep=";", decimal=",", header=None, names=["a", "b", "c"])["b"].tolist() == [1.5]
    assert loader.csv(path=write("b.csv", CSV), index_col="name").index.name == "name"
    assert loader.file(path=write("c.csv", CSV), nrows=1)["age"].tolist() == [36]
    assert list(loader.tsv(path=write("d.tsv", b"a\tb\n1\t2\n"), usecols=["b"])) == ["b"]


@pytest.mark.parametrize("options", [{"sep": "::"}, {"sep": None}, {"sep": "::", "skipfooter": 1}])
def test_no_option_makes_pandas_warn_of_another_engine(options, write):
    assert list(loader.csv(path=write("a.csv", b"a::b\n1::2\n3::4\n"), **options)) in (
        ["a", "b"],
        ["a", "Unnamed: 1", "b"],
    )


def test_lines_that_are_skipped_on_demand_are_no_failure_under_w_error(write):
    path = write("a.csv", b"a,b\n1,2\n1,2,3\n")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("error")
        assert len(loader.csv(path=path, on_bad_lines="warn")) == 1
    assert ["Skipping line 3" in str(one.message) for one in told] == [True]


def test_dtypes_do_not_depend_on_pieces_of_the_file(write):
    path = write("a.csv", b"a\n" + b"1\n" * (2**20 + 1) + b"x\n")
    assert {type(value) for value in loader.csv(path=path)["a"]} == {str}


def test_labels_become_text_and_booleans_with_gaps_boolean(write, stored):
    frame = stored(loader.csv(path=write("a.csv", b"1,True\n2,\n"), header=None))
    assert list(frame) == ["0", "1"]
    assert str(frame["1"].dtype) == "boolean" and frame["1"].isna().tolist() == [False, True]
    assert stored(loader.csv(path=write("b.csv", b"1,2\n"), header=None, index_col=0)).index.name == "0"


# What is wrong with a file

NEEDS_ZSTANDARD = importlib.util.find_spec("zstandard") is not None or sys.version_info >= (3, 14)

BAD = [
    ("empty.csv", b"", {}, "is empty", None),
    ("blank.csv", b"\n\n", {}, "has no columns", None),
    ("ragged.csv", b"a,b\n1,2\n1,2,3\n", {}, "Expected 2 fields in line 3", 3),
    ("ragged.csv", b"a,b\n1,2\n1,2,3\n", {"engine": "python"}, "in line 3", 3),
    ("ragged.csv", b"a,b\n1,2\n1,2,3\n", {"engine": "pyarrow"}, "Expected 2 columns", None),
    ("quote.csv", b'a,b\n1,2\n1,"2\n3,4\n', {}, "line 3: EOF inside string", 3),
    ("latin.csv", b"a,b\n1,x\n1,\xe4\n", {}, "byte 0xe4 in line 3.*set encoding", 3),
    ("latin.csv.gz", gzip.compress(b"a,b\n1,\xe4x\n"), {}, "byte 0xe4", None),
    ("latin.jsonl", b'{"a":1}\n{"a":"\xe4"}\n', {}, "byte 0xe4 in line 2", 2),
    ("named.csv", b"a\n1\n", {"encoding": "utf-9"}, "unknown encoding: utf-9", None),
    ("cut.csv.gz", gzip.compress(CSV * 99)[:50], {}, "damaged or cut short", None),
    ("not.csv.gz", CSV, {}, "damaged or cut short", None),
    ("not.csv.bz2", CSV, {}, "can't be read", None),
    ("not.csv.xz", CSV, {}, "damaged or cut short", None),
    ("not.csv.zip", CSV, {}, "damaged or cut short", None),
    ("bad.json", b'[{"a":1},\n{"a":}]', {}, "as JSON, line 2", 2),
    ("scalar.json", b"3", {}, "as JSON", None),
    ("deep.json", b"[" * 100_000, {}, "as JSON", None),
    ("series.json", b'{"a":1}', {"typ": "series"}, "read as a Series, not as a table", None),
    ("bad.jsonl", b'{"a":1}\n\n{"a":\n', {}, "as JSON Lines, line 3", 3),
    ("not.parquet", b"name,age\nAda,36\n", {}, "as Parquet: .*not a parquet file", None),
    ("not.xlsx", b"abc", {}, "as Excel: Excel file format", None),
    ("cut.xlsx", b"PK\x03\x04abcdefghijkl", {}, "damaged or cut short", None),
    ("old.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1abcdef", {}, r"not installed; pip install \S+$", None),
    ("option.csv", CSV, {"nrows": "x"}, "'nrows' must be an integer", None),
    ("option.csv", CSV, {"sep": 5}, "as CSV", None),
    ("option.csv", CSV, {"usecols": ["agee"]}, "agee", None),
    ("option.csv", CSV, {"dtype": {"name": "int64"}}, "as CSV", None),
    ("option.csv", CSV, {"index_col": "agee"}, "agee", None),
    ("header.csv", b"a,b\nc,d\n1,2\n", {"header": [0, 1]}, "2 rows of column labels; set header to one row", None),
    ("twins.csv", b"1,2\n", {"header": None, "names": [1, "1"]}, "two columns '1'", None),
]


@pytest.mark.parametrize(("name", "data", "options", "message", "line"), BAD)
def test_what_is_wrong_with_a_file_is_told_with_its_name(name, data, options, message, line, write):  # noqa: PLR0917
    path = write(name, data)
    with pytest.raises(InputError, match=message) as caught:
        loader.file(path=path, **options)
    assert (caught.value.file, caught.value.line) == (str(path), line)
    assert caught.value.remedy and str(path) in str(caught.value)


def test_a_missing_file_a_folder_and_one_without_permission_are_told(tmp_path, write, monkeypatch):
    with pytest.raises(InputError, match="there is no file"):
        loader.csv(path=tmp_path / "a.csv")
    (tmp_path / "folder.parquet").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        loader.file(path=tmp_path / "folder.parquet")
    path = write("b.csv", CSV)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match="no permission") as caught:
        loader.csv(path=path)
    assert isinstance(caught.value.__cause__, PermissionError)


@pytest.mark.parametrize("name", ["a.txt", "a", "a.gz", "a.tar.gz", ".csv"])
def test_a_suffix_that_tells_no_format_is_refused_with_those_that_do(name, write):
    with pytest.raises(InputError, match=r"tells no format.*\.csv, \.tsv.*\.parquet"):
        loader.file(path=write(name, CSV))


@pytest.mark.parametrize("name", ["a.parquet.gz", "a.xlsx.zip"])
def test_formats_that_are_compressed_in_themselves_are_not_decompressed(name, write):
    with pytest.raises(InputError, match="decompress it"):
        loader.file(path=write(name, CSV))


@pytest.mark.skipif(NEEDS_ZSTANDARD, reason="zstandard is installed")
def test_a_package_that_is_missing_is_named(write):
    with pytest.raises(InputError, match="zstandard is not installed; pip install zstandard"):
        loader.file(path=write("a.csv.zst", CSV))


def test_excel_without_openpyxl_says_what_to_install(tmp_path, people):
    people.to_excel(tmp_path / "a.xlsx", index=False)
    code = f"""
import sys
sys.modules["openpyxl"] = None
from pathlib import Path
from runfolio.errors import InputError
from runfolio.pipeline.modules import loader
try:
    loader.excel(path=Path({str(tmp_path / "a.xlsx")!r}), engine="openpyxl")
except InputError as error:
    print(error)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip().endswith("openpyxl is not installed; pip install openpyxl")


def test_an_option_that_the_chosen_method_lacks_is_refused(write):
    with pytest.raises(InputError, match="json_lines has no option 'sep'; there is"):
        loader.file(path=write("a.jsonl", LINES), sep=";")


# Signatures


@pytest.mark.parametrize("method", METHODS)
def test_signatures_are_by_keyword_and_the_path_is_an_input_file(method):
    function = getattr(loader, method)
    parameters = inspect.signature(function).parameters
    assert typing.get_type_hints(function, include_extras=True)["path"] == InputFile
    assert next(iter(parameters)) == "path" and parameters["path"].default is inspect.Parameter.empty
    kinds = {parameter.kind for parameter in parameters.values()}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize(
    ("method", "has", "lacks"),
    [
        ("csv", {"sep", "dtype", "nrows"}, {"iterator", "chunksize", "storage_options", "filepath_or_buffer"}),
        ("tsv", {"dtype"}, {"sep", "delimiter", "dialect"}),
        ("json", {"orient", "dtype"}, {"lines", "chunksize", "path_or_buf"}),
        ("json_lines", {"dtype"}, {"lines", "orient", "typ"}),
        ("parquet", {"columns", "filters"}, {"filesystem", "kwargs", "use_nullable_dtypes"}),
        ("excel", {"sheet_name", "header"}, {"io", "storage_options", "date_parser"}),
    ],
)
def test_options_are_those_that_make_sense(method, has, lacks):
    names = set(inspect.signature(getattr(loader, method)).parameters)
    assert has <= names and not lacks & names
