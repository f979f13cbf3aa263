"""Export: results as files that other programs read."""

from __future__ import annotations

import csv
import datetime as dt
import decimal
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from runfolio import Status, load_run
from runfolio.errors import NotFoundError, UsageError, WriteError
from runfolio.export import FORMATS, Exported, escaped, export
from runfolio.view import RunView


def stored(*data: object, **named: object) -> RunView:
    """A run with these results."""
    with Status() as status:
        for number, one in enumerate(data):
            status.store_result(f"result {number}", one)
        for module, one in named.items():
            with status.step(module, "x", after=None) as step:
                step.result(one)
    return load_run(status.folder)


def exported(run: RunView, to: Path, form: str, **options: object) -> Path:
    (found,) = export(run, to, format=form, **options)
    assert found.error is None and found.path is not None
    assert Path(found.path).stat().st_size == found.bytes
    return Path(found.path)


def rows_of(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


STARTS = ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"]
STARTS += [" =", "\xa0@", "\u3000+", "\u200b-", "\ufeff=", "\0=", " \t \uff1d"]
"""What a spreadsheet may run: signs, full-width ones, and these behind blanks of any sort."""

MIXED = pd.DataFrame(
    {
        "text": ["Ada", None, 'Ö,"\n'],
        "whole": [1, -2, 3],
        "part": [0.1, float("nan"), float("inf")],
        "flag": [True, False, True],
        "when": pd.to_datetime(["2026-11-22 18:48", None, "2026-11-23 00:00"]),
        "maybe": pd.array([1, None, 3], dtype="Int64"),
        "kind": pd.Categorical(["a", "b", None]),
        "took": pd.to_timedelta(["90s", None, "1D"]),
    }
)


@pytest.mark.parametrize("form", FORMATS)
def test_a_stream_is_one_file(tmp_path: Path, form: str):
    status = Status()
    status.store_result("stream", (pd.DataFrame({"a": [number]}) for number in range(3)))
    status.complete()
    (found,) = export(load_run(status.folder), tmp_path, format=form)
    assert (found.error, found.rows) == (None, 3)


class TestFiles:
    def test_every_result_has_a_file_a_part_named_as_the_stored_one(self, tmp_path: Path):
        run = stored({"train": MIXED, "../test": MIXED[:1]}, {"score": 0.5}, Loader=MIXED)
        found = export(run, tmp_path / "new" / "out", format="csv")
        assert [(one.key, one.part, one.rows) for one in found] == [
            ("result 0", "train", 3),
            ("result 0", "..~1test", 1),
            ("result 1", None, None),
            ("Loader[x]", None, 3),
        ]
        names = [Path(one["path"]).name for one in found]
        assert names == [
            "000001-result-0-train.csv",
            "000002-result-0-1test.csv",
            "000003-result-1.json",
            "000004-loader-x.csv",
        ]
        assert sorted(path.name for path in (tmp_path / "new" / "out").iterdir()) == names

    def test_only_what_is_asked_for_is_written(self, tmp_path: Path):
        run = stored(MIXED, Loader=MIXED, Clean=MIXED)
        by_key = export(run, tmp_path, keys=["result 0"], modules=["Clean"])
        assert [one.key for one in by_key] == ["result 0", "Clean[x]"]
        for options in ({"keys": ["result"]}, {"modules": ["clean"]}):
            with pytest.raises(NotFoundError, match=r"there is '(Clean\[x\]|Clean')"):
                export(run, tmp_path, **options)

    def test_nothing_is_overwritten_unless_it_is_forced(self, tmp_path: Path):
        run = stored(MIXED, MIXED)
        there = tmp_path / "000002-result-1.csv"
        there.write_text("mine")
        with pytest.raises(UsageError, match=r"000002-result-1\.csv is there already; .*--force"):
            export(run, tmp_path, format="csv")
        assert there.read_text() == "mine" and len(list(tmp_path.glob("*.csv"))) == 1
        export(run, tmp_path, format="csv", force=True)
        assert there.read_text().startswith("text,")

    def test_a_link_that_is_in_the_way_is_replaced_not_followed(self, tmp_path: Path):
        target = tmp_path / "elsewhere"
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "000001-result-0.csv").symlink_to(target)
        with pytest.raises(UsageError, match="is there already"):
            export(stored(MIXED), tmp_path / "out", format="csv")
        path = exported(stored(MIXED), tmp_path / "out", "csv", force=True)
        assert not target.exists() and not path.is_symlink()

    def test_the_runs_own_folder_is_left_alone(self, tmp_path: Path):
        run = stored(MIXED)
        (tmp_path / "link").symlink_to(run.folder)
        for folder in (run.folder, run.folder / "results", tmp_path / "link" / "new"):
            with pytest.raises(UsageError, match="is in the run's own folder"):
                export(run, folder, force=True)

    def test_a_folder_that_can_not_be_written_is_an_error(self, tmp_path: Path):
        (tmp_path / "file").write_text("")
        with pytest.raises(WriteError, match="could not write"):
            export(stored(MIXED), tmp_path / "file" / "out")

    def test_the_format_is_one_of_a_few(self, tmp_path: Path):
        with pytest.raises(UsageError, match="csv, parquet, json, arrow"):
            export(stored(MIXED), tmp_path, format="xlsx")

    @pytest.mark.filterwarnings("ignore::runfolio.errors.DamageWarning")
    @pytest.mark.parametrize("form", FORMATS)
    def test_a_damaged_result_is_told_and_the_others_are_written(self, form: str, tmp_path: Path):
        run = stored(MIXED, MIXED, MIXED, {"report": 1})
        first, second, *_ = sorted((run.folder / "results").iterdir())
        first.write_bytes(first.read_bytes()[:-1] + b"?")
        second.unlink()
        found = export(load_run(run.folder), tmp_path / "out", format=form)
        assert [one.path is None for one in found] == [True, True, False, False]
        assert "000001-result-0.parquet is not what was written" in found[0].error
        assert "000002-result-1.parquet can't be read" in found[1].error
        assert len(list((tmp_path / "out").iterdir())) == 2, "a temporary file is left"

    @pytest.mark.parametrize("form", FORMATS)
    def test_a_report_is_the_stored_json(self, form: str, tmp_path: Path):
        report = {"scores": [0.5, None], "=name": "=1+1"}
        path = exported(stored(report), tmp_path, form)
        assert path.suffix == ".json" and json.loads(path.read_bytes()) == report

    def test_a_path_that_no_writer_gives_decides_nothing(self, tmp_path: Path):
        """By a record whose line is sound, of a writer that means ill."""
        from msgspec import structs

        run = stored(MIXED)
        (record,) = run.result_records
        (part,) = record.parts
        for file, message in (
            ("results/../../evil.parquet", "no result file's path"),
            (part.file, "the name of two results"),
        ):
            parts = [part, structs.replace(part, file=file)]
            run._history.timeline.streams["main"]["result"][0] = structs.replace(record, parts=parts)
            run._stand().results[record.key] = structs.replace(record, parts=parts)
            good, bad = export(run, tmp_path, format="csv", force=True)
            assert good.error is None and message in bad.error
            assert [path.name for path in tmp_path.rglob("*.csv")] == ["000001-result-0.csv"]


class TestParquet:
    def test_it_is_the_stored_file_byte_for_byte(self, tmp_path: Path):
        run = stored(MIXED)
        (part,) = run.results["result 0"].record.parts
        assert exported(run, tmp_path, "parquet").read_bytes() == (run.folder / part.file).read_bytes()


class TestCsv:
    def test_it_reads_back_as_it_was(self, tmp_path: Path):
        rows = rows_of(exported(stored(MIXED), tmp_path, "csv"))
        assert rows[0] == list(MIXED.columns)
        assert rows[1] == ["Ada", "1", "0.1", "True", "2026-11-22 18:48:00", "1", "a", "0 days 00:01:30"]
        assert rows[2] == ["", "-2", "", "False", "", "", "b", ""]
        assert rows[3][:3] == ['Ö,"\n', "3", "inf"]

    @pytest.mark.parametrize("start", STARTS, ids=ascii)
    def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(self, start: str, tmp_path: Path):
        frame = pd.DataFrame({f"{start}A": [f"{start}1+1", f"1{start}1", ""]})
        rows = rows_of(exported(stored(frame), tmp_path / "safe", "csv"))
        assert rows == [[f"'{start}A"], [f"'{start}1+1"], [f"1{start}1"], [""]]
        raw = rows_of(exported(stored(frame), tmp_path / "raw", "csv", raw=True))
        assert raw == [[f"{start}A"], [f"{start}1+1"], [f"1{start}1"], [""]]

    def test_in_every_kind_of_column_and_in_the_index(self, tmp_path: Path):
        bad = ["=1", "ok"]
        frame = pd.DataFrame(
            {
                "object": pd.Series(bad, dtype=object),
                "string": pd.array(bad, dtype="string"),
                "category": pd.Categorical(bad),
            }
        ).set_index(pd.Index(bad, name="=name"))
        rows = rows_of(exported(stored(frame), tmp_path, "csv"))
        assert rows == [["'=name", "object", "string", "category"], ["'=1"] * 4, ["ok"] * 4]

    def test_numbers_are_left_alone(self, tmp_path: Path):
        frame = pd.DataFrame({"a": [-1, 2], "b": [-0.5, 1e300], "c": [decimal.Decimal("-1.50"), None]})
        assert rows_of(exported(stored(frame), tmp_path, "csv"))[1:] == [["-1", "-0.5", "-1.50"], ["2", "1e+300", ""]]
        assert escaped(np.float64(-1)) == -1

    def test_a_lone_carriage_return_begins_no_row_of_its_own(self, tmp_path: Path):
        path = exported(stored(pd.DataFrame({"a": ["x\r=1+1"], "b": ["y"]})), tmp_path, "csv")
        assert path.read_bytes() == b'a,b\r\n"x\r=1+1",y\r\n'


class TestJson:
    def test_it_has_an_object_a_row_exactly(self, tmp_path: Path):
        path = exported(stored(MIXED), tmp_path, "json")
        assert path.suffix == ".jsonl"
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        assert rows == [
            {"text": "Ada", "whole": 1, "part": 0.1, "flag": True, "when": "2026-11-22T18:48:00", "maybe": 1,
             "kind": "a", "took": "PT90S"},
            {"text": None, "whole": -2, "part": None, "flag": False, "when": None, "maybe": None, "kind": "b",
             "took": None},
            {"text": "Ö,\"\n", "whole": 3, "part": None, "flag": True, "when": "2026-11-23T00:00:00", "maybe": 3,
             "kind": None, "took": "P1D"},
        ]  # fmt: skip

    def test_floats_have_all_their_digits_and_integers_their_64_bits(self, tmp_path: Path):
        frame = pd.DataFrame({"a": [0.1 + 0.2, 5e-324], "b": np.array([2**64 - 1, 0], dtype="uint64")})
        lines = exported(stored(frame), tmp_path, "json").read_text().splitlines()
        assert [json.loads(line) for line in lines] == frame.to_dict("records")

    def test_many_rows_are_all_there_in_order(self, tmp_path: Path):
        path = exported(stored(pd.DataFrame({"a": range(20_001)})), tmp_path, "json")
        assert [json.loads(line)["a"] for line in path.read_text().splitlines()] == list(range(20_001))


class TestArrow:
    def test_it_reads_back_as_it_was(self, tmp_path: Path):
        path = exported(stored(MIXED), tmp_path, "arrow")
        with pa.OSFile(str(path)) as file:
            found = pa.ipc.open_file(file).read_all()
        assert found.column_names == list(MIXED.columns)
        assert found["whole"].to_pylist() == [1, -2, 3] and found["maybe"].to_pylist() == [1, None, 3]
        assert found["when"].to_pylist()[0] == dt.datetime(2026, 11, 22, 18, 48)
        assert found["kind"].to_pylist() == ["a", "b", None] and found["text"].to_pylist()[0] == "Ada"

    def test_what_arrow_has_no_type_for_is_text(self, tmp_path: Path):
        path = exported(stored(pd.DataFrame({"a": [1, "x", None]}, dtype=object)), tmp_path, "arrow")
        with pa.OSFile(str(path)) as file:
            assert pa.ipc.open_file(file).read_all()["a"].to_pylist() == ["1", "x", None]


class TestIndex:
    def test_one_that_only_counts_the_rows_is_left_out(self, tmp_path: Path):
        assert rows_of(exported(stored(pd.DataFrame({"a": [1]})), tmp_path, "csv")) == [["a"], ["1"]]

    def test_any_other_comes_first_under_names_that_differ(self, tmp_path: Path):
        frame = pd.DataFrame({"a": [1, 2], "index": [3, 4]}, index=[7, 5])
        expected = [["index", "a", "index.1"], ["7", "1", "3"], ["5", "2", "4"]]
        assert rows_of(exported(stored(frame), tmp_path, "csv")) == expected

    def test_a_multiindex_has_a_column_a_level(self, tmp_path: Path):
        index = pd.MultiIndex.from_tuples([("x", 1), ("y", 2)], names=["k", None])
        frame = pd.DataFrame({"a": [1, 2]}, index=index)
        lines = exported(stored(frame), tmp_path, "json").read_text().splitlines()
        assert [json.loads(line) for line in lines] == [{"k": "x", "index": 1, "a": 1}, {"k": "y", "index": 2, "a": 2}]


@pytest.mark.parametrize("kind", ["arrow", "polars"])
def test_tables_of_other_libraries_keep_their_integers(kind: str, tmp_path: Path):
    import polars as pl

    from runfolio.export import _frame, _write_csv, _write_json

    table = pa.table({"a": [1, None], "b": ["=x", "y"]})
    frame = _frame(table if kind == "arrow" else pl.from_arrow(table))
    _write_csv(frame, tmp_path / "csv", escaped)
    assert rows_of(tmp_path / "csv") == [["a", "b"], ["1", "'=x"], ["", "y"]]
    _write_json(frame, tmp_path / "json")
    lines = (tmp_path / "json").read_text().splitlines()
    assert lines == ['{"a":1,"b":"=x"}', '{"a":null,"b":"y"}']


def test_what_was_written_answers_as_records_do(tmp_path: Path):
    (found,) = export(stored(MIXED), tmp_path)
    assert isinstance(found, Exported) and found["rows"] == 3
