"""Reporter: what a branch did as tables and files, seen through the Executor."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from runfolio import Executor
from runfolio.errors import DataError, InputError, NotFoundError, WriteError
from runfolio.pipeline.modules import reporter, tablefiles

SUFFIXES = [".csv", ".csv.gz", ".json", ".json.gz", ".jsonl", ".parquet"]


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame({"name": ["Ä", None], "x": [0.1 + 0.2, np.nan], "n": pd.array([2**60 + 1, None], "Int64")})


def read(path: Path) -> pd.DataFrame:
    if path.name.endswith(".parquet"):
        return pd.read_parquet(path)
    if ".json" in path.name:
        data = path.read_bytes()
        text = gzip.decompress(data) if path.suffix == ".gz" else data
        rows = [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else json.loads(text)
        return pd.DataFrame(rows)
    return pd.read_csv(path, converters={"x": lambda text: float(text or "nan")})


def load() -> pd.DataFrame:
    return pd.DataFrame({"name": ["Ada", None, "Cem", "Dee"], "age": [36, 41, 29, 50]})


def run(reports: dict, *, split: bool = False) -> dict:
    config: dict = {"Loader": {"a": {"method": load}}, "Describer": {"d": {}}}
    if split:
        config["Splitter"] = {"half": {"ratio": 0.5}}
    executor = Executor({**config, "Reporter": reports})
    executor.run()
    results = executor.get_result()
    return {key.rpartition("Reporter")[2].strip("[]"): found["data"] for key, found in results.items()}


def test_each_method_gives_its_table():
    of = {"method": "data", "source": "Describer"}
    found = run({"data": {"method": "data"}, "of": of, "t": {"method": "timing"}, "s": {"method": "schema"}})
    pd.testing.assert_frame_equal(found["data"], load())
    assert found["of"]["column"].tolist() == ["name", "age"]
    assert found["t"]["module_name"].tolist() == ["Loader", "Describer"]
    schema = found["s"]
    assert schema.dtypes.astype(str).to_dict() == {
        **dict.fromkeys(("module_name", "experiment_name", "part", "column", "dtype"), "object"),
        "nullable": "bool",
        "missing": "int64",
        "rows": "int64",
    }
    loaded = schema[schema["module_name"] == "Loader"]
    assert loaded[["column", "nullable", "missing", "rows"]].values.tolist() == [
        ["name", True, 1, 4],
        ["age", False, 0, 4],
    ]
    assert schema["part"].isna().all() and set(schema["module_name"]) == {"Loader", "Describer"}


def test_parts_are_told_in_a_schema_and_written_one_file_each(tmp_path):
    found = run(
        {"s": {"method": "schema"}, "d": {"method": "data", "to": str(tmp_path / "out" / "people.csv.gz")}}, split=True
    )
    parts = found["s"].dropna(subset=["part"])
    assert parts[["part", "column", "rows"]].values.tolist() == [
        [part, column, 2] for part in ("train", "validation") for column in ("name", "age")
    ]
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["people-train.csv.gz", "people-validation.csv.gz"]
    assert read(tmp_path / "out" / names[0])["age"].tolist() == found["d"]["train"]["age"].tolist()


def test_a_source_that_is_not_on_the_branch_is_refused():
    with pytest.raises(NotFoundError, match="no module 'Loadr'"):
        run({"d": {"method": "data", "source": "Loadr"}})


def test_nothing_to_report_is_refused():
    with pytest.raises(InputError, match="no data to report"):
        reporter.data(None, step=None)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_has_every_value_in_full(suffix, tmp_path, table):
    path = tmp_path / "deep" / f"a.b{suffix}"
    before = table.copy()
    assert reporter.data(table, step=None, to=path) is table
    found = read(path)
    assert found["x"][0] == 0.1 + 0.2 and pd.isna(found["x"][1])
    assert found["name"][0] == "Ä" and pd.isna(found["name"][1])
    assert str(2**60 + 1) in (path.read_text() if suffix in (".csv", ".json", ".jsonl") else str(2**60 + 1))
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_equal_tables_make_equal_files_and_replace_what_was_there(suffix, tmp_path, table):
    one, two = tmp_path / f"one{suffix}", tmp_path / f"two{suffix}"
    two.write_bytes(b"old")
    for path in (one, two):
        tablefiles.write(table, path)
    assert one.read_bytes() == two.read_bytes()


def test_times_are_written_as_of_iso_8601(tmp_path):
    times = pd.to_datetime(["2026-01-02T03:04:05.123456+00:00", None], utc=True)
    tablefiles.write(pd.DataFrame({"t": times, "d": pd.to_timedelta([1, 2], unit="s")}), tmp_path / "a.jsonl")
    first, second = map(json.loads, (tmp_path / "a.jsonl").read_text().splitlines())
    assert (first["t"], first["d"]) == ("2026-01-02T03:04:05.123456+00:00", "0 days 00:00:01") and second["t"] is None


@pytest.mark.parametrize("suffix", SUFFIXES[:-1])
def test_labels_of_rows_are_written_if_they_have_a_name(suffix, tmp_path):
    table = pd.DataFrame({"a": [1, 2]}, index=[7, 9])
    tablefiles.write(table, tmp_path / f"a{suffix}")
    assert read(tmp_path / f"a{suffix}").columns.tolist() == ["a"]
    tablefiles.write(table.rename_axis("key"), tmp_path / f"a{suffix}")
    assert read(tmp_path / f"a{suffix}")["key"].tolist() == [7, 9]
    with pytest.raises(InputError, match="index has the name of a column"):
        tablefiles.write(table.rename_axis("a"), tmp_path / f"a{suffix}")


def test_a_table_without_rows_is_written(tmp_path, table):
    for suffix in SUFFIXES:
        tablefiles.write(table.iloc[:0], tmp_path / f"a{suffix}")
    assert json.loads((tmp_path / "a.json").read_text()) == []


@pytest.mark.parametrize("name", ["a.txt", "a", "a.parquet.gz", "a.csv.bz2", "a.jsonl.gz"])
@pytest.mark.parametrize("method", [reporter.data, reporter.timing, reporter.schema])
def test_a_name_that_tells_no_format_is_refused_before_any_work(name, method, tmp_path):
    with pytest.raises(InputError, match=r"doesn't tell how to write it; let it end in \.csv"):
        method(None, step=None, to=tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_what_can_not_be_written_leaves_the_file_as_it_was(tmp_path, table, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_text("old")
    with pytest.raises(InputError, match="can't be written"):
        tablefiles.write(pd.DataFrame({"a": pd.Series(["\udc80"], dtype=object)}), path)
    with pytest.raises(InputError, match="a list can't be written"):
        tablefiles.write([1], path)
    with pytest.raises(DataError):
        tablefiles.write(pd.DataFrame({"a": pd.Series([1, object()], dtype=object)}), tmp_path / "a.parquet")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(pd.DataFrame, "to_csv", refuse)
    with pytest.raises(WriteError) as caught:
        tablefiles.write(table, path)
    assert caught.value.errno == 28 and caught.value.file == str(path)
    assert [one.name for one in tmp_path.iterdir()] == ["a.csv"] and path.read_text() == "old"


def test_a_folder_that_can_not_be_made_is_a_write_error(tmp_path, table):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="could not write"):
        tablefiles.write(table, tmp_path / "file" / "a.csv")


def test_names_of_parts_stay_inside_the_folder(tmp_path, table):
    tablefiles.write({"a/../b": table, "c d": table}, tmp_path / "x.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x-a-..-b.csv", "x-c-d.csv"]
    with pytest.raises(InputError, match="two parts would be written"):
        tablefiles.write({"a b": table, "a/b": table}, tmp_path / "y.csv")
