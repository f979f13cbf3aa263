"""Reporter under attack: files read back as they were written, or are not there; each through runs."""

from __future__ import annotations

import csv
import datetime
import gzip
import io
import json
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from runfolio import Executor, load_run
from runfolio.errors import ConfigError, InputError, RunfolioError, WriteError
from runfolio.pipeline.modules import loader, tablefiles

from ...fulldisk import file_size_limit

SUFFIXES = [".csv", ".csv.gz", ".json", ".json.gz", ".jsonl", ".parquet"]


def people(rows: int = 5) -> pd.DataFrame:
    frame = pd.DataFrame(
        {"name": [None, "Ä,\"'\n;", "b", "", "c"][:rows], "x": [0.1 + 0.2, np.nan, -1e300, 5e-324, 1.0][:rows]}
    )
    frame["n"] = pd.array([2**62 + 1, None, -1, 0, 1][:rows], "Int64")
    frame["ok"] = [True, False, True, True, False][:rows]
    return frame


def report(options: dict[str, Any], *, load=people, **modules: Any) -> dict[str, Any]:
    """What a run's only Reporter gave, which is also what is read from the run's folder."""
    executor = Executor(
        {"Loader": {"a": {"method": load}}, **modules, "Reporter": {"r": {"method": "data", **options}}}
    )
    executor.run()
    (told,) = executor.get_result("Reporter").values()
    (found,) = load_run(executor.status.folder).get_result("Reporter").values()
    for one, same in zip(frames(told["data"]), frames(found["data"]), strict=True):
        pd.testing.assert_frame_equal(one, same)
    return told["data"]


def frames(data: Any) -> list[pd.DataFrame]:
    return list(data.values()) if isinstance(data, dict) else [data]


def error_of(function, *arguments) -> RunfolioError | None:
    """The error that a call ends in; any other than runfolio's own goes on."""
    try:
        function(*arguments)
    except RunfolioError as error:
        return error
    return None


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def cells(path: Path) -> dict[str, list[Any]]:
    """What a file holds, by readers that are not those of the Loader; in CSV nothing and empty text are the same."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pydict()
    if ".csv" in path.name:
        rows = list(csv.DictReader(io.StringIO(data.decode(), newline="")))
        kinds = {"name": str, "x": float, "n": int, "ok": "True".__eq__}
        return {name: [kind(row[name]) if row[name] else None for row in rows] for name, kind in kinds.items()}
    rows = [json.loads(line) for line in data.splitlines()] if path.suffix == ".jsonl" else json.loads(data)
    return {name: [row[name] for row in rows] for name in rows[0]}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_that_is_written_is_read_back_equal(suffix, tmp_path):
    path = tmp_path / "deep" / "er" / f"out{suffix}"
    given = report({"to": str(path)})
    found = cells(path)
    assert list(found) == list(given) and names(path.parent) == [f"out{suffix}"]
    for name in given:
        expected = [
            None if lost else value for value, lost in zip(given[name].tolist(), given[name].isna(), strict=True)
        ]
        assert found[name] == [value or None if value == "" and "csv" in suffix else value for value in expected]
    read = loader.file(path=path)
    assert list(read) == list(given) and read["ok"].tolist() == given["ok"].tolist()


@pytest.mark.parametrize("suffix", [".json", ".json.gz", ".jsonl"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "Float64"])
def test_what_json_has_no_number_for_is_told_and_not_made_null(suffix, dtype, tmp_path):
    table = pd.DataFrame({"a": pd.Series([1.0, None, -np.inf], index=[5, 6, 7], dtype=dtype)})
    with pytest.raises(
        InputError, match=r"column 'a' holds what JSON has no number for, row 7: -inf; .*\.csv"
    ) as caught:
        tablefiles.write(table, tmp_path / f"out{suffix}")
    assert caught.value.column == "a" and names(tmp_path) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_parts_are_files_of_their_own(suffix, tmp_path):
    given = report({"to": str(tmp_path / "out" / f"a.b{suffix}")}, Splitter={"s": {"ratio": 0.6}})
    assert names(tmp_path / "out") == [f"a.b-train{suffix}", f"a.b-validation{suffix}"]
    for name, part in given.items():
        found = loader.file(path=tmp_path / "out" / f"a.b-{name}{suffix}")
        assert found["ok"].tolist() == part["ok"].tolist() and list(found) == list(part)


@pytest.mark.parametrize(
    "name", ["out.txt", "out", "out.csv.zip", "out.xlsx", "out.parquet.gz", ".csv.", "out.csv.bz2"]
)
def test_a_suffix_that_is_not_known_is_refused_and_nothing_is_written(name, tmp_path):
    with pytest.raises(InputError, match=r"doesn't tell how to write it; let it end in \.csv") as caught:
        report({"to": str(tmp_path / "new" / name)})
    assert caught.value.key == "to" and not (tmp_path / "new").exists()


def test_a_suffix_in_capitals_is_known(tmp_path):
    report({"to": str(tmp_path / "OUT.CSV.GZ")})
    assert gzip.decompress((tmp_path / "OUT.CSV.GZ").read_bytes()).startswith(b"name,x,n,ok\n")


def test_a_target_that_is_a_folder_is_told_before_the_run(tmp_path, root):
    (tmp_path / "out.csv").mkdir()
    with pytest.raises(ConfigError, match="is a folder, not a file"):
        report({"to": str(tmp_path / "out.csv")})
    assert not root.exists()


def test_a_folder_where_a_part_would_go_is_a_write_error(tmp_path):
    (tmp_path / "out-train.csv" / "full").mkdir(parents=True)
    with pytest.raises(WriteError, match="could not write .*out-train.csv") as caught:
        report({"to": str(tmp_path / "out.csv")}, Splitter={"s": {}})
    assert caught.value.file == str(tmp_path / "out-train.csv") and caught.value.remedy
    assert [name for name in names(tmp_path) if name != "runs"] == ["out-train.csv"]


@pytest.mark.parametrize("target", ["/proc/out.csv", "{0}/file/out.csv", "{0}/" + "x" * 250 + ".csv"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_target_that_can_not_be_written_is_a_write_error(target, suffix, tmp_path):
    (tmp_path / "file").write_text("")
    path = Path(target.format(tmp_path).removesuffix(".csv") + suffix)
    with pytest.raises(WriteError, match="could not write") as caught:
        tablefiles.write(people(), path)
    assert caught.value.errno and caught.value.file == str(path) and caught.value.remedy
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_write_that_fails_leaves_the_file_as_it_was_and_nothing_beside_it(suffix, tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.random(5000), "b": rng.integers(0, 2**60, 5000)})
    path = tmp_path / f"out{suffix}"
    path.write_bytes(b"old")
    with file_size_limit(4096), pytest.raises(WriteError, match="could not write") as caught:
        tablefiles.write(table, path)
    assert caught.value.file == str(path) and path.read_bytes() == b"old"
    assert names(tmp_path) == [path.name]


def test_a_run_that_is_interrupted_while_it_writes_leaves_no_temporary_file(tmp_path):
    code = f"""
import numpy, pandas
from pathlib import Path
from runfolio.pipeline.modules import tablefiles
table = pandas.DataFrame(numpy.random.default_rng(0).random((200_000, 10)))
table.columns = list("abcdefghij")
print("writing", flush=True)
tablefiles.write(table, Path({str(tmp_path / "out.csv")!r}))
"""
    for _ in range(5):  # Python may lose a signal that comes while it frees an object
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout.readline() == b"writing\n"
            end = time.monotonic() + 20
            while not [name for name in names(tmp_path) if name.endswith(".tmp")] and time.monotonic() < end:
                time.sleep(0.005)
            process.send_signal(signal.SIGINT)
            process.communicate()
        if process.returncode != 0:
            break
        (tmp_path / "out.csv").unlink()
    assert process.returncode != 0 and names(tmp_path) == []


@pytest.mark.parametrize("suffix", SUFFIXES[:-1])
@pytest.mark.parametrize(
    ("index", "labels"),
    [
        (pd.Index([7, 9], name="key"), ["key"]),
        (pd.MultiIndex.from_tuples([(1, "x"), (2, "y")], names=["k", "l"]), ["k", "l"]),
        (pd.Index([7, 9]), []),
        (pd.to_datetime(["2026-01-01", "2026-01-02"]).rename("day"), ["day"]),
    ],
)
def test_labels_of_rows_with_a_name_are_written(suffix, index, labels, tmp_path):
    path = tmp_path / f"out{suffix}"
    tablefiles.write(pd.DataFrame({"a": [1, 2]}, index=index), path)
    found = loader.file(path=path)
    assert list(found) == [*labels, "a"] and len(found) == 2


def test_an_index_of_the_name_of_a_column_is_told(tmp_path):
    with pytest.raises(InputError, match="rename that column before"):
        report({"to": str(tmp_path / "out.csv")}, load=lambda: pd.DataFrame({"a": [1]}, index=pd.Index([1], name="a")))


def test_a_report_is_data_without_to_and_told_with_it(tmp_path):
    def summary(data: pd.DataFrame) -> dict[str, Any]:
        return {"rows": len(data)}

    describer = {"Describer": {"d": {"method": summary}}}
    executor = Executor(
        {"Loader": {"a": {"method": people}}, **describer, "Reporter": {"r": {"method": "data", "source": "Describer"}}}
    )
    executor.run()
    (found,) = load_run(executor.status.folder).get_result("Reporter").values()
    assert found["data"] == {"rows": 5}
    for suffix in (".csv", ".parquet"):
        with pytest.raises(InputError, match="a dict can't be written .*leave `to` out"):
            report({"source": "Describer", "to": str(tmp_path / f"out{suffix}")}, **describer)
    assert names(tmp_path) == ["runs"]


@pytest.mark.parametrize("method", ["timing", "schema"])
def test_timings_and_schemas_are_written_and_stored(method, tmp_path):
    for suffix in (".csv", ".json.gz", ".parquet"):
        given = report({"method": method, "to": str(tmp_path / f"out{suffix}")}, Splitter={"s": {}})
        found = loader.file(path=tmp_path / f"out{suffix}")
        assert list(found) == list(given) and len(found) == len(given) > 0


KINDS = {
    "complex": [1j, 2j],
    "decimals": pd.Series([Decimal("1.5"), None], dtype=object),
    "dates": pd.Series([datetime.date(2026, 1, 1), None], dtype=object),
    "bytes": pd.Series([b"\xff", None], dtype=object),
    "lists": pd.Series([[1, np.nan], None], dtype=object),
    "mixed": pd.Series([1, "a"], dtype=object),
    "surrogate": pd.Series(["\udc80", None], dtype=object),
    "infinite": [np.inf, -np.inf],
    "months": pd.PeriodIndex(["2026-01", None], freq="M"),
    "spans": pd.to_timedelta([1, None], unit="s"),
    "intervals": pd.arrays.IntervalArray.from_breaks([1, 2, 3]),
    "category": pd.Categorical(["a", None]),
    "zoned": pd.to_datetime(["2026-01-01", None], utc=True),
    "objects": pd.Series([object(), None], dtype=object),
    "huge": pd.Series([2**70, None], dtype=object),
    "numpy": pd.Series([np.int64(1), np.float32(0.5)], dtype=object),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", [".csv", ".json", ".parquet"])
def test_values_of_any_kind_are_written_or_told(kind, suffix, tmp_path):
    table, path = pd.DataFrame({"a": KINDS[kind]}), tmp_path / f"out{suffix}"
    before = table.copy(deep=True)
    error = error_of(tablefiles.write, table, path)
    assert error is None or error.remedy
    assert names(tmp_path) == ([path.name] if error is None else [])
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize("suffix", [".csv", ".json", ".parquet"])
@pytest.mark.parametrize("labels", [[1, 2], [("a", 1), ("a", 2)], [1, "1"], ["a", None]], ids=str)
def test_labels_that_are_no_text_raise_nothing_foreign(labels, suffix, tmp_path):
    table = pd.DataFrame([[1, 2], [3, 4]], columns=labels)
    error = error_of(tablefiles.write, table, tmp_path / f"out{suffix}")
    assert error is None or error.remedy
    assert not [name for name in names(tmp_path) if name.endswith(".tmp")]
