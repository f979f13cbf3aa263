"""Every kind of table and report comes back as it was, from the live run and the loaded one, or is refused at once."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import signal
import subprocess
import sys
import textwrap
from decimal import Decimal

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal as assert_polars_equal

from runfolio import Executor, Schema, Status, load_run
from runfolio.artifacts import StoredResult
from runfolio.errors import DamageError, DataError, FormatError, InputError, NotFoundError, RunfolioError, UsageError
from runfolio.records import Part, Result
from runfolio.tables.batches import Batches

NEW_PYARROW = int(pa.__version__.partition(".")[0]) >= 24


def column(values, kind):
    return pa.table({"a": pa.array(values, kind)})


def coded(values, *, ordered=False, index=None):
    labels = pa.array(["low", "high", "never"])
    return pa.table(
        {"a": pa.DictionaryArray.from_arrays(pa.array(values, index or pa.int32()), labels, ordered=ordered)}
    )


def extension(kind, storage):
    return pa.table({"a": pa.ExtensionArray.from_storage(kind, storage)})


def twice():
    return pa.table([pa.array([1]), pa.array(["x"])], names=["a", "a"])


STRUCT = pa.struct([pa.field("n", pa.int8(), nullable=False, metadata={"k": "v"}), ("s", pa.string())])

ARROW = {
    "null": lambda: column([None, None], pa.null()),
    "boolean": lambda: column([True, None], pa.bool_()),
    "int8": lambda: column([1, None, -1], pa.int8()),
    "int64": lambda: column([1, None, -1], pa.int64()),
    "uint8": lambda: column([1, None], pa.uint8()),
    "uint64 beyond int64": lambda: column([2**64 - 1, None], pa.uint64()),
    "float16": lambda: column([1.5, None, float("nan")], pa.float16()),
    "float32": lambda: column([1.5, None, float("inf")], pa.float32()),
    "float64 with nan and null": lambda: column([1.5, None, float("nan"), -0.0], pa.float64()),
    "decimal32": lambda: column([Decimal("1.5"), None], pa.decimal32(5, 2)),
    "decimal64": lambda: column([Decimal("1.5"), None], pa.decimal64(12, 2)),
    "decimal128": lambda: column([Decimal("1.5"), None], pa.decimal128(12, 2)),
    "decimal256": lambda: column([Decimal("1.5"), None], pa.decimal256(50, 2)),
    "string": lambda: column(["a", None, ""], pa.string()),
    "large_string": lambda: column(["a", None, "Gödel 🐧"], pa.large_string()),
    "string_view": lambda: column(["a", None, "x" * 40], pa.string_view()),
    "binary": lambda: column([b"a", None, b""], pa.binary()),
    "large_binary": lambda: column([b"a", None], pa.large_binary()),
    "binary_view": lambda: column([b"a", None], pa.binary_view()),
    "fixed_size_binary": lambda: column([b"ab", None], pa.binary(2)),
    "date32": lambda: column([1, None], pa.date32()),
    "date64": lambda: column([86_400_000, None], pa.date64()),
    "time32[s]": lambda: column([1, None], pa.time32("s")),
    "time32[ms]": lambda: column([1, None], pa.time32("ms")),
    "time64[us]": lambda: column([1, None], pa.time64("us")),
    "time64[ns]": lambda: column([1, None], pa.time64("ns")),
    "timestamp[s]": lambda: column([1, None], pa.timestamp("s")),
    "timestamp[s] beyond milliseconds": lambda: column([2**62, None], pa.timestamp("s")),
    "timestamp[s] in a zone": lambda: column([1, None], pa.timestamp("s", "Europe/Paris")),
    "timestamp[ns] in a zone": lambda: column([1, None], pa.timestamp("ns", "Europe/Paris")),
    "duration[s]": lambda: column([1, None], pa.duration("s")),
    "duration[ns]": lambda: column([1, None], pa.duration("ns")),
    "dictionary": lambda: coded([1, None, 0]),
    "dictionary, ordered": lambda: coded([1, None, 0], ordered=True),
    "dictionary of small codes": lambda: coded([1, 0], index=pa.int8()),
    "dictionary without rows": lambda: coded([]),
    "dictionary of integers": lambda: pa.table({"a": pa.array([7, None, 5]).dictionary_encode()}),
    "dictionary of seconds": lambda: pa.table({"a": pa.array([7, None], pa.timestamp("s")).dictionary_encode()}),
    "dictionaries that differ by chunk": lambda: pa.table(
        {"a": pa.chunked_array([pa.array(["x"]).dictionary_encode(), pa.array(["y", "x"]).dictionary_encode()])}
    ),
    "list": lambda: column([[1, None], None, []], pa.list_(pa.int64())),
    "list of lists": lambda: column([[["a"], None], None], pa.list_(pa.list_(pa.string()))),
    "list of seconds": lambda: column([[1, None], None], pa.list_(pa.timestamp("s"))),
    "large_list": lambda: column([[1, None], None, []], pa.large_list(pa.int8())),
    "fixed_size_list": lambda: column([[1, 2], None, [None, 3]], pa.list_(pa.int8(), 2)),
    "list_view": lambda: column([[1, 2], None, []], pa.list_view(pa.int8())),
    "large_list_view": lambda: column([[1, 2], None], pa.large_list_view(pa.int8())),
    "struct": lambda: column([{"n": 1, "s": None}, {"n": 2, "s": "x"}], STRUCT),
    "struct with nulls": lambda: column([{"n": 1}, None], pa.struct([("n", pa.int8())])),
    "struct of seconds": lambda: column([{"t": 1}, None], pa.struct([("t", pa.time32("s"))])),
    "map": lambda: column([[("a", 1)], None], pa.map_(pa.string(), pa.int8())),
    "run_end_encoded": lambda: pa.table(
        {"a": pa.RunEndEncodedArray.from_arrays(pa.array([2, 3]), pa.array([1, None]))}
    ),
    "uuid": lambda: extension(pa.uuid(), pa.array([b"0" * 16, None], pa.binary(16))),
    "bool8": lambda: extension(pa.bool8(), pa.array([1, None], pa.int8())),
    "tensor": lambda: extension(pa.fixed_shape_tensor(pa.int8(), (2,)), pa.array([[1, 2]], pa.list_(pa.int8(), 2))),
    "opaque": lambda: extension(pa.opaque(pa.int8(), "x", "y"), pa.array([1], pa.int8())),
    "no rows": lambda: pa.schema([("a", pa.int64()), ("b", pa.string())]).empty_table(),
    "no columns": lambda: pa.table({"a": [1, 2, 3]}).select([]),
    "nothing": lambda: pa.table({}),
    "the same name twice": twice,
    "a name with a dot, beside a struct": lambda: pa.table({"a": [{"b": 1}], "a.b": ["x"]}),
    "metadata": lambda: pa.table({"a": [1]}).replace_schema_metadata({"k": "v", "runfolio": "mine"}),
    "metadata of a field": lambda: pa.table(
        [pa.array([1])], schema=pa.schema([pa.field("a", pa.int64(), nullable=False, metadata={"unit": "kg"})])
    ),
    "chunks": lambda: pa.table({"a": pa.chunked_array([[1, 2], [], [3]])}),
    "a slice": lambda: pa.table({"a": ["x", None, "z"], "b": [[1], [2], None]}).slice(1),
}

POLARS = {
    "integers": lambda: pl.DataFrame({"a": [1, None]}, schema={"a": pl.Int8}),
    "unsigned": lambda: pl.DataFrame({"a": [2**64 - 1, None]}, schema={"a": pl.UInt64}),
    "floats with nan and null": lambda: pl.DataFrame({"a": [1.5, None, float("nan")]}),
    "booleans": lambda: pl.DataFrame({"a": [True, None]}),
    "text": lambda: pl.DataFrame({"a": ["x", None, "x" * 40]}),
    "binary": lambda: pl.DataFrame({"a": [b"x", None]}),
    "null": lambda: pl.DataFrame({"a": [None, None]}),
    "categorical": lambda: pl.DataFrame({"a": ["x", None, "y"]}, schema={"a": pl.Categorical}),
    "enum": lambda: pl.DataFrame({"a": ["b", None]}, schema={"a": pl.Enum(["never", "b", "a"])}),
    "enum without rows": lambda: pl.DataFrame({"a": []}, schema={"a": pl.Enum(["b", "a"])}),
    "datetime": lambda: pl.DataFrame({"a": [dt.datetime(2026, 1, 1), None]}, schema={"a": pl.Datetime("ms")}),
    "datetime in a zone": lambda: pl.DataFrame(
        {"a": [dt.datetime(2026, 1, 1)]}, schema={"a": pl.Datetime("ns", "Europe/Paris")}
    ),
    "date": lambda: pl.DataFrame({"a": [dt.date(2026, 1, 1), None]}),
    "time": lambda: pl.DataFrame({"a": [dt.time(1, 2, 3), None]}),
    "duration": lambda: pl.DataFrame({"a": [dt.timedelta(1), None]}, schema={"a": pl.Duration("ms")}),
    "decimal": lambda: pl.DataFrame({"a": [Decimal("1.50"), None]}, schema={"a": pl.Decimal(10, 2)}),
    "list": lambda: pl.DataFrame({"a": [[1, None], None, []]}),
    "list of categorical": lambda: pl.DataFrame({"a": [["x"], None]}, schema={"a": pl.List(pl.Categorical)}),
    "array": lambda: pl.DataFrame({"a": [[1, 2], None]}, schema={"a": pl.Array(pl.Int8, 2)}),
    "array of arrays": lambda: pl.DataFrame({"a": [[[1, 2]]]}, schema={"a": pl.Array(pl.Int8, (1, 2))}),
    "struct": lambda: pl.DataFrame({"a": [{"x": 1, "y": "z"}]}),
    "struct of enum": lambda: pl.DataFrame({"a": [{"x": "q"}]}, schema={"a": pl.Struct({"x": pl.Enum(["q"])})}),
    "no rows": lambda: pl.DataFrame({"a": []}, schema={"a": pl.Int64}),
    "nothing": pl.DataFrame,
}

SERIES = {
    "without a name": lambda: pd.Series([1, 2]),
    "named by text": lambda: pd.Series(["a", None], name="x"),
    "named by a number": lambda: pd.Series([1.5], name=3),
    "named by a tuple": lambda: pd.Series([1.5], name=("a", 1)),
    "with an index": lambda: pd.Series([1, 2], index=pd.date_range("2026-01-01", periods=2, name="day"), name="x"),
    "categorical": lambda: pd.Series(["b", "a"], dtype=pd.CategoricalDtype(["c", "b", "a"], ordered=True)),
    "of objects": lambda: pd.Series([1, "a", (2, 3), None], dtype=object),
    "empty": lambda: pd.Series([], dtype="int8", name="x"),
    "with attrs": lambda: with_attrs(pd.Series([1], name="x")),
}

REPORTS = {
    "none": lambda: None,
    "text": lambda: "report",
    "number": lambda: 0.5,
    "list": lambda: [1, None, {"a": [True]}],
    "an empty list": list,
    "an empty dict": dict,
    "nested dicts": lambda: {"a": {"b": {"c": [1.5]}}, "d": None},
}

NESTED = {
    "frames beside a score": lambda: {"train": pd.DataFrame({"a": [1]}), "score": 0.9},
    "nested": lambda: {"split": {"train": pd.DataFrame({"a": [1]}), "test": pl.DataFrame({"a": [2]})}, "n": [1, 2]},
    "keys with / and ~": lambda: {"a/b": {"~": pa.table({"x": [1]}), "~1/": {"m": 1}}, "": pd.Series([1])},
    "empty dicts": lambda: {"a": pd.DataFrame({"a": [1]}), "b": {}, "c": {"d": {}}},
    "another order": lambda: {"z": pd.DataFrame({"a": [1]}), "a": None, "m": {"x": pa.table({"b": [1]}), "b": 2}},
}


def with_attrs(series):
    series.attrs = {"unit": "kg", 3: (1, 2)}
    return series.set_flags(allows_duplicate_labels=False)


def same(found, wanted):
    """Whether two values are equal in every respect, their types included."""
    assert type(found) is type(wanted)
    if isinstance(wanted, dict):
        assert list(found) == list(wanted)
        for key in wanted:
            same(found[key], wanted[key])
    elif isinstance(wanted, pd.Series):
        pd.testing.assert_series_equal(found, wanted, check_freq=True)
        assert type(found.name) is type(wanted.name) and found.attrs == wanted.attrs and found.flags == wanted.flags
    elif isinstance(wanted, pd.DataFrame):
        pd.testing.assert_frame_equal(found, wanted, check_freq=True)
        assert type(found.index) is type(wanted.index)
    elif isinstance(wanted, pl.DataFrame):
        assert found.schema == wanted.schema
        assert_polars_equal(found, wanted, categorical_as_str=True)
    elif isinstance(wanted, pa.Table | pa.RecordBatch):
        assert found.schema.equals(wanted.schema, check_metadata=True)
        assert found.num_rows == wanted.num_rows
        for one, other in zip(found.columns, wanted.columns, strict=True):
            assert listed(one) == listed(other)
            if pa.types.is_dictionary(one.type) and getattr(other, "num_chunks", 2) == 1:
                assert one.chunk(0).equals(other.chunk(0))
    else:
        assert found == wanted


def listed(values):
    """What an Arrow column holds, as text: NaN is itself, and a time beyond Python's its number."""
    try:
        return repr(values.to_pylist())
    except (OverflowError, ValueError, pa.ArrowException):
        return repr(values.cast(pa.int64()).to_pylist())


def stored(data):
    """What the live run and the loaded one give back, each with its schema."""
    with Status() as status:
        status.store_result("k", data)
        live = status.results["k"]
    return [live, load_run(status.folder).results["k"]]


CASES = {
    f"{group}: {name}": make
    for group, cases in (
        *(("arrow", ARROW), ("polars", POLARS), ("series", SERIES), ("report", REPORTS), ("nested", NESTED)),
    )
    for name, make in cases.items()
}


@pytest.mark.parametrize("case", CASES)
def test_it_comes_back_as_it_was(case):
    data = CASES[case]()
    for found in stored(data):
        same(found["data"], CASES[case]())


def test_there_are_many_kinds():
    assert len(CASES) >= 60


def test_a_record_batch_comes_back_as_one():
    batch = pa.record_batch({"a": [1, 2], "b": ["x", None]})
    for found in stored(batch):
        same(found["data"], batch)


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith(("arrow", "polars"))])
def test_every_table_can_be_read_as_another_kind(case):
    data = CASES[case]()
    found = stored(data)[1]
    frame, table = found.read(as_="pandas"), found.read(as_="arrow")
    assert type(frame) is pd.DataFrame and type(table) is pa.Table
    assert len(table) == len(data) and (len(frame) == len(data) or not len(frame.columns))
    assert list(frame.columns) == table.column_names


def test_no_digit_is_lost_in_pandas():
    found = stored(pa.table({"a": [2**62 + 1, None], "b": [True, None], "c": [1, 2]}))[1].read(as_="pandas")
    assert found["a"][0] == 2**62 + 1 and [str(dtype) for dtype in found.dtypes] == ["Int64", "boolean", "int64"]


def test_a_pandas_frame_can_be_read_as_others():
    found = stored(pd.DataFrame({"a": [1, 2], "b": ["x", None]}, index=["k", "l"]))[1]
    assert found.read(as_="arrow").to_pydict() == {"a": [1, 2], "b": ["x", None]}
    assert found.read(as_="polars").rows() == [(1, "x"), (2, None)]
    assert found.read(as_="pandas").index.tolist() == ["k", "l"]


ORDERED = pa.DictionaryArray.from_arrays(pa.array([0], pa.int8()), pa.array(["x"]), ordered=True)

REFUSED = {
    "a LazyFrame": (lambda: pl.LazyFrame({"a": [1]}), r"polars\.LazyFrame; call collect\(\)"),
    "a polars Series": (lambda: pl.Series([1]), r"polars\.Series; make a frame of it: to_frame\(\)"),
    "an Arrow array": (lambda: pa.chunked_array([[1]]), "give it a name in a table"),
    "polars objects": (
        lambda: pl.DataFrame({"a": [1], "b": pl.Series([{1}], dtype=pl.Object)}),
        "column 'b': .*Object",
    ),
    "128-bit integers": (lambda: pl.DataFrame({"a": [1]}, schema={"a": pl.Int128}), "column 'a': .*Int128"),
    "lists of objects": (
        lambda: pl.DataFrame({"a": [[1]]}, schema={"a": pl.List(pl.Int128)}),
        "column 'a': .*Int128",
    ),
    "an Arrow interval": (lambda: pa.table({"a": [pa.MonthDayNano([1, 2, 3])]}), "column 'a' of type month_day_nano"),
    "a union": (
        lambda: pa.table({"a": pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])}),
        "column 'a' of type sparse_union",
    ),
    "a struct of nothing": (lambda: column([{}], pa.struct([])), "column 'a' of type struct<>"),
    "a dictionary with a null": (
        lambda: pa.table({"a": pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array(["x", None]))}),
        "column 'a': its dictionary holds a null",
    ),
    "an order inside of a list": (
        lambda: pa.table({"a": pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), ORDERED)}),
        "column 'a': the order of a dictionary",
    ),
    "nulls where none may be": (
        lambda: pa.table([pa.array([None], pa.int8())], schema=pa.schema([pa.field("a", pa.int8(), nullable=False)])),
        "column 'a': it is declared without nulls",
    ),
    "a Series of anything": (lambda: pd.Series([1, print]), "row 1: a value of type"),
    "a part that is refused": (
        lambda: {"t": {"x": pa.table({"a": [pa.MonthDayNano([1, 2, 3])]})}},
        "part 't/x': the t",
    ),
    "a key of a dict that is no text": (lambda: {"t": {3: pa.table({"a": [1]})}}, "but 3 in 't' is none"),
    "a leaf that is neither": (lambda: {"t": pd.DataFrame(), "x": {1, 2}}, "part 'x': the result is a builtins.set"),
    "a tuple of tables": (lambda: (pd.DataFrame(), pd.DataFrame()), "builtins.tuple"),
    "a broken relation": (
        lambda: duckdb.sql("select cast(case when i = 9999 then 'x' else '1' end as int) a from range(10000) t(i)"),
        "the stream broke off behind batch 0: .*Conversion Error",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_at_once_and_nothing_stays(case):
    make, words = REFUSED[case]
    with Status() as status:
        status.log("begun")
        with pytest.raises(DataError, match=words) as caught:
            status.store_result("k", make())
        assert caught.value.remedy
        assert not list(status.folder.glob("results/*")) and not list(status.folder.glob("results/.*"))
        status.store_result("k", pd.DataFrame({"a": [1]}))
    assert load_run(status.folder).damage == []


class TestColumns:
    @pytest.mark.parametrize(
        "data",
        [
            pd.DataFrame({"a": [1], "b": ["x"], "c": [2.5]}, index=["k"]),
            pa.table({"a": [1], "b": ["x"], "c": [2.5]}),
            pl.DataFrame({"a": [1], "b": ["x"], "c": [2.5]}),
        ],
        ids=["pandas", "arrow", "polars"],
    )
    def test_are_chosen_in_the_order_asked_for(self, data):
        found = stored(data)[1]
        same(
            found.read(columns=["c", "a"]),
            data[["c", "a"]] if isinstance(data, pd.DataFrame) else data.select(["c", "a"]),
        )
        with pytest.raises(NotFoundError, match=r"no column 'd'.*\['a', 'b', 'c'\]"):
            found.read(columns=["a", "d"])
        with pytest.raises(NotFoundError, match="'d'"):
            found.batches(columns=["d"])

    def test_of_a_dictionary_keep_it(self):
        table = coded([1, 0]).append_column("b", pa.array([1, 2]))
        same(stored(table)[1].read(columns=["b", "a"]), table.select(["b", "a"]))

    def test_are_asked_for_of_one_part(self):
        found = stored({"x": pd.DataFrame({"a": [1], "b": [2]}), "y": {"z": 1}})[1]
        same(found.read("x", columns=["b"]), pd.DataFrame({"b": [2]}))
        assert found.parts == ["x", "y"] and found.read("y") == {"z": 1}
        with pytest.raises(UsageError, match=r"one part; name one of \['x', 'y'\]"):
            found.read(columns=["a"])
        with pytest.raises(NotFoundError, match=r"no part 'q'.*\['x', 'y'\]"):
            found.read("q")
        with pytest.raises(UsageError, match="is a report"):
            found.read("y", columns=["a"])

    @pytest.mark.parametrize("wrong", [{"as_": "numpy"}, {"columns": "a"}])
    def test_nonsense_is_told(self, wrong):
        with pytest.raises(UsageError):
            stored(pd.DataFrame({"a": [1]}))[1].read(**wrong)

    def test_that_polars_can_t_hold_are_told(self):
        for found, wanted in ((stored(pl.DataFrame({"a": [1]}))[1], ["a", "a"]), (stored(twice())[1], None)):
            with pytest.raises(DataError, match="polars can't hold the table"):
                found.read(columns=wanted, as_="polars")


class TestSchemas:
    def test_equal_values_have_equal_digests_in_every_library(self):
        values = {"a": [1, 2], "b": ["x", None], "c": [1.5, 2.5]}
        found = [Schema.from_data(make(values)) for make in (pd.DataFrame, pa.table, pl.DataFrame)]
        found.append(Schema.from_data(duckdb.from_arrow(pa.table(values))))
        assert len({tuple(field.digest for field in schema.fields) for schema in found}) == 1
        assert [str(field.dtype) for field in found[1].fields] == ["int64", "string", "double"]
        assert [str(field.dtype) for field in found[2].fields] == ["Int64", "String", "Float64"]

    def test_a_results_schema_is_that_of_its_data(self):
        for make in (ARROW["dictionary"], POLARS["enum"], POLARS["struct"], SERIES["categorical"]):
            assert stored(make())[1]["schema"] == Schema.from_data(make())

    def test_nested_data_has_a_nested_schema(self):
        data = NESTED["keys with / and ~"]()
        found = stored(data)[1]
        assert list(found["schema"]) == ["a/b", ""] and found["schema"]["a/b"]["~1/"] is None
        assert found["schema"]["a/b"]["~"] == Schema.from_data(data["a/b"]["~"])
        assert found.parts == ["a~1b/~0", "a~1b/~01~1", ""]
        with Status() as status:
            status.store_result("k", data, found["schema"])
        assert status.results["k"]["schema"] == found["schema"]

    def test_objects_of_polars_have_a_field_without_a_digest(self):
        field = Schema.from_data(pl.DataFrame({"a": pl.Series([{1}, None], dtype=pl.Object)}))["a"]
        assert (field.dtype, field.nulls, field.digest) == ("Object", 1, None)


class Broken(Exception):
    pass


def frames(count=4, rows=3):
    for number in range(count):
        index = pd.RangeIndex(number, number + rows) if number % 2 else [f"r{n}" for n in range(rows)]
        yield pd.DataFrame({"a": range(rows), "b": [f"{number}"] * rows}, index=pd.Index(index))


STREAMS = {
    "frames": lambda: [pd.DataFrame({"a": [1, 2], "b": ["x", None]}), pd.DataFrame({"a": [3], "b": ["y"]})],
    "frames of some rows of others": lambda: [
        frame[frame["a"] > 1] for frame in (pd.DataFrame({"a": range(n, n + 4)}) for n in range(3))
    ],
    "categories that differ": lambda: [
        pd.DataFrame({"a": pd.Categorical(["x"], ["x", "q"])}),
        pd.DataFrame({"a": pd.Categorical(["y", "x"], ["y", "x"])}),
    ],
    "frames with attrs": lambda: [with_frame_attrs(number) for number in range(3)],
    "a column of nothing but nulls": lambda: [
        pd.DataFrame({"a": pd.Series(["x"], dtype=object)}),
        pd.DataFrame({"a": pd.Series([None], dtype=object)}),
    ],
    "empty frames between": lambda: [pd.DataFrame({"a": [1.5]}), pd.DataFrame({"a": [1.5]}).head(0)],
    "an empty frame": lambda: [pd.DataFrame({"a": pd.Series([], dtype="int64")})],
    "days": lambda: [pd.DataFrame({"a": [1, 2]}, pd.date_range(f"2026-0{n}-01", periods=2)) for n in (1, 2)],
    "tables": lambda: [pa.table({"a": [1, 2]}), pa.table({"a": [3]})],
    "tables of dictionaries": lambda: [coded([1]), coded([0, 1]), pa.table({"a": pa.array(["z"]).dictionary_encode()})],
    "record batches": lambda: [pa.record_batch({"a": [1, None]}), pa.record_batch({"a": [3, 4]})],
    "polars": lambda: [POLARS["enum"](), POLARS["enum"]().head(1)],
    "polars categories": lambda: [POLARS["categorical"](), POLARS["categorical"]().tail(1)],
}


def with_frame_attrs(number):
    frame = pd.DataFrame({"a": [number]})
    frame.attrs = {"number": number}
    return frame


class TestStreams:
    @pytest.mark.parametrize("given_as", [iter, list], ids=["iterator", "list"])
    @pytest.mark.parametrize("case", STREAMS)
    def test_every_batch_comes_back_as_it_was(self, case, given_as):
        for found in stored(given_as(STREAMS[case]())):
            batches = found["data"]
            assert isinstance(batches, Batches) and len(batches) == len(STREAMS[case]())
            for _ in range(2):
                for one, other in zip(batches, STREAMS[case](), strict=True):
                    same(one, other)

    def test_row_groups_are_not_batches(self, monkeypatch):
        monkeypatch.setattr("runfolio.tables.streams.GROUP_ROWS", 10)
        with Status() as status:
            status.store_result("k", (pa.table({"a": range(n, n + 7)}) for n in range(9)))
        found = load_run(status.folder).results["k"]
        fragment = next(found.dataset().get_fragments())
        assert [group.num_rows for group in fragment.row_groups] == [14, 14, 14, 14, 7]
        assert [table["a"][0].as_py() for table in found["data"]] == list(range(9))
        assert [len(table) for table in found.batches(size=5)] == [5, 2] * 9

    def test_the_schema_is_that_of_the_whole(self):
        whole = pd.DataFrame({"a": range(100), "b": [f"{n % 7}" for n in range(100)], "c": [None, 1.5] * 50})
        found = stored(whole.iloc[begin : begin + 13] for begin in range(0, 100, 13))[1]
        one, other = found["schema"], Schema.from_data(whole)
        assert [field.digest for field in one.fields] == [field.digest for field in other.fields]
        assert (one.rows, one.structure_id, one["c"].nulls) == (100, other.structure_id, 50)
        assert (one["a"].statistics.minimum, one["a"].statistics.maximum) == ("0", "99")

    def test_it_can_be_read_whole_and_by_columns(self):
        found = stored(iter(STREAMS["frames"]()))[1]
        same(found["data"].read(), pd.concat(STREAMS["frames"]()))
        assert found.read(as_="polars").rows() == [(1, "x"), (2, None), (3, "y")]
        assert found["data"].select(["b"]).read("arrow").to_pydict() == {"b": ["x", None, "y"]}
        assert found["data"].columns == ["a", "b"] and found["data"].select(["b"]).columns == ["b"]
        assert repr(found["data"]) == "<batches of pandas.DataFrame: 3 rows, 2 columns>"
        assert found["data"].schema == found["schema"]
        with pytest.raises(NotFoundError, match=r"'q'.*\['a', 'b'\]"):
            found["data"].select(["q"])

    def test_a_dataset_is_lazy_and_has_the_columns_of_the_file(self):
        dataset = stored(iter(STREAMS["tables"]()))[1].dataset()
        assert isinstance(dataset, ds.Dataset)
        assert dataset.to_table(filter=ds.field("a") > 1, columns=["a"]).to_pydict() == {"a": [2, 3]}

    @pytest.mark.parametrize("size", [1, 2, 5])
    def test_a_whole_frame_can_be_read_in_pieces(self, size):
        frame = pd.DataFrame({"a": range(7), "b": pd.Categorical(list("aabbabb"))}, pd.RangeIndex(10, 24, 2))
        found = list(stored(frame)[1].batches(size=size))
        assert [len(piece) for piece in found] == [len(frame.iloc[n : n + size]) for n in range(0, 7, size)]
        for number, piece in enumerate(found):
            same(piece, frame.iloc[number * size : (number + 1) * size])

    def test_what_exports_a_stream_comes_back_as_an_arrow_table(self):
        relation = duckdb.sql("select i, i::varchar as s from range(3000) t(i)")
        for found in stored(relation):
            assert found["data"].equals(relation.to_arrow_table())
            assert found.record.parts[0].type == "pyarrow.Table"
            assert sum(map(len, found.batches(size=100))) == 3000

    def test_a_reader_without_batches_has_an_empty_one(self):
        schema = pa.schema([("a", pa.int8())])
        found = stored(pa.RecordBatchReader.from_batches(schema, []))[1]["data"]
        assert [batch.num_rows for batch in found] == [0] and found.read().schema == schema

    def test_a_stream_is_a_part_as_well(self):
        data = {"x": iter(STREAMS["tables"]()), "n": 2}
        with Status() as status, status.step("Split", "a") as step:
            passed = step.result(data)
        assert isinstance(passed["x"], Batches) and passed["n"] == 2
        same(list(passed["x"])[1], pa.table({"a": [3]}))


def breaking(error):
    yield pd.DataFrame({"a": [1]})
    raise error


MISFITS = {
    "another type": ([pd.DataFrame({"a": [1]}), pd.DataFrame({"a": ["x"]})], "batch 1 .*column 'a' is of Arrow type"),
    "another column": ([pa.table({"a": [1]}), pa.table({"b": [1]})], "batch 1 .*column '[ab]' is not in all"),
    "one column more": ([pa.table({"a": [1]}), pa.table({"a": [1], "b": [1]})], "batch 1 .*column 'b' is not in all"),
    "another order": (
        [pa.table({"a": [1], "b": [1]}), pa.table({"b": [1], "a": [1]})],
        "batch 1 .*in another order",
    ),
    "another kind": (
        [pa.table({"a": [1]}), pd.DataFrame({"a": [1]})],
        "batch 1 is a DataFrame, and the first is a pya",
    ),
    "no table": ([1, 2], "batch 0 is a int, and a stream is of tables"),
    "another index": (
        [pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1]}, index=["x"])],
        "batch 1 .*its index is of Arrow type",
    ),
    "levels of an index": (
        [pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1]}, index=pd.MultiIndex.from_tuples([(1, 2)]))],
        "batch 1 .*number of levels; reset its index",
    ),
    "tagged JSON": (
        [pd.DataFrame({"a": pd.Series(["x"], dtype=object)}), pd.DataFrame({"a": pd.Series([1, "x"], dtype=object)})],
        "batch 1 .*of tagged JSON",
    ),
    "what can't be stored": ([pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [print]})], "batch 1: .*column 'a', row 0"),
    "nothing": ([], "has no table"),
}


class TestBrokenStreams:
    @pytest.mark.parametrize("case", MISFITS)
    def test_what_does_not_fit_is_told_and_nothing_stays(self, case):
        batches, words = MISFITS[case]
        with Status() as status:
            with pytest.raises(DataError, match=words) as caught:
                status.store_result("k", iter(batches))
            assert isinstance(caught.value, RunfolioError) and caught.value.remedy
            assert not any(status.folder.glob("results/*")) and status.results == {}
            status.store_result("k", iter([pa.table({"a": [1]})]))
        assert load_run(status.folder).damage == []

    @pytest.mark.parametrize(
        "error", [Broken("mine"), OSError(5, "mine"), pa.ArrowInvalid("mine"), KeyboardInterrupt()]
    )
    def test_an_error_of_the_stream_itself_goes_through(self, error):
        with Status() as status:
            with pytest.raises(type(error)) as caught:
                status.store_result("k", {"whole": pd.DataFrame({"a": [1]}), "x": breaking(error)})
            assert caught.value is error and not any(status.folder.glob("results/*"))
            status.store_result("k", 1)

    def test_a_killed_process_leaves_a_run_without_the_result(self, tmp_path):
        code = """
            import os, signal, pandas as pd
            from runfolio import Status

            def batches():
                for number in range(9):
                    yield pd.DataFrame({"a": range(300_000)})
                os.kill(os.getpid(), signal.SIGKILL)

            status = Status(root="runs")
            status.store_result("before", pd.DataFrame({"a": [1]}))
            status.store_result("k", batches())
        """
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=tmp_path, check=False, env=os.environ)
        assert done.returncode == -signal.SIGKILL
        run = load_run("latest", root=tmp_path / "runs")
        assert list(run.results) == ["before"] and run.damage == [] and run.state == "interrupted"
        assert any(run.folder.glob("results/.*"))

    @pytest.mark.parametrize("place", [0.1, 0.5, 0.99])
    @pytest.mark.parametrize("damage", ["a flipped bit", "a cut"])
    def test_damage_is_seen_before_the_first_batch(self, damage, place):
        with Status() as status:
            status.store_result("k", (pa.table({"a": range(5000)}) for _ in range(3)))
        found = load_run(status.folder).results["k"]
        path = next(status.folder.glob("results/*"))
        content = bytearray(path.read_bytes())
        at = int(len(content) * place)
        content[at] ^= 1
        path.write_bytes(content if damage == "a flipped bit" else content[:at])
        for read in (lambda: next(iter(found["data"])), lambda: found.read(as_="pandas"), found.dataset):
            with pytest.raises(DamageError, match="is not what was written") as caught:
                read()
            assert caught.value.file == str(path)

    def test_damage_that_comes_later_is_seen_by_the_pages(self):
        with Status() as status:
            status.store_result("k", iter([pa.table({"a": np.random.default_rng(1).integers(0, 2**60, 5000)})]))
        batches = load_run(status.folder).results["k"]["data"]
        dataset = batches.dataset()
        assert len(list(batches)) == 1
        path = next(status.folder.glob("results/*"))
        content = bytearray(path.read_bytes())
        content[len(content) // 3] ^= 1
        path.write_bytes(content)
        with pytest.raises(DamageError, match="can't be read"):
            list(batches)
        with pytest.raises(OSError, match="checksum|CRC"):
            dataset.to_table()


class TestPipeline:
    def test_a_module_may_be_a_generator(self):
        def load():
            for number in range(3):
                yield pd.DataFrame({"a": [number, number]})

        def double(data):
            return (frame * 2 for frame in data)

        executor = Executor({"Loader": {"x": {"method": load}}, "Clean": {"y": {"method": double}}})
        executor.run()
        found = executor.get_result()["Loader[x]_Clean[y]"]["data"]
        assert found.read()["a"].tolist() == [0, 0, 2, 2, 4, 4]
        assert [(change.type, change.target) for change in executor.status.changes] == [
            ("CREATE", "a"),
            ("UPDATE", "a"),
        ]

    def test_polars_frames_and_nested_dicts_are_passed_on(self):
        config = {
            "Loader": {"x": {"method": lambda: pl.DataFrame({"a": [1, 2, 3, 4]})}},
            "Splitter": {
                "y": {"method": lambda data: {"s": {"train": data.head(3), "test": data.tail(1)}, "share": 0.75}}
            },
            "Clean": {"z": {"method": lambda data: data["s"]["train"].to_pandas()}},
        }
        executor = Executor(config)
        executor.run()
        assert executor.get_result()["Loader[x]_Splitter[y]_Clean[z]"]["data"]["a"].tolist() == [1, 2, 3]
        split = executor.get_result("Splitter")["Loader[x]_Splitter[y]"]
        assert split["data"]["share"] == 0.75 and split["schema"]["s"]["test"].rows == 1
        assert set(executor.status.get_data_by_module("Splitter")) == {"Splitter_s", "Splitter_share"}
        assert set(executor.status.get_metadata("Splitter")) == {"s/train", "s/test"}

    @pytest.mark.parametrize(
        ("data", "words"),
        [
            (POLARS["integers"], "this is a polars.DataFrame"),
            (lambda: iter(STREAMS["tables"]()), "this is a stream of tables"),
            (lambda: {"x": {"y": pd.DataFrame({"a": [1.5]})}}, "part 'x': .* this is a dict"),
        ],
        ids=["polars", "stream", "nested"],
    )
    def test_a_built_in_module_says_what_it_works_on(self, data, words):
        executor = Executor({"Loader": {"x": {"method": data}}, "Preprocessor": {"y": {"method": "scale"}}})
        with pytest.raises(InputError, match=f"{words}; have a step before make pandas frames of it"):
            executor.run()

    def test_the_time_that_a_stream_takes_is_its_steps(self):
        ticks = iter(range(10**6))
        from runfolio.clock import Clock

        clock = Clock(monotonic=lambda: float(next(ticks)))

        def slow():
            for _ in range(3):
                for _ in range(100):
                    next(ticks)
                yield pd.DataFrame({"a": [1]})

        with Status(clock=clock) as status, status.step("Loader", "x") as step:
            step.result(slow())
        assert 300 <= status.timing_records[0].duration_seconds < 330


def test_polars_is_needed_to_read_its_frames_as_such_alone(tmp_path):
    with Status(root=tmp_path / "runs") as status:
        status.store_result("k", POLARS["enum"]())
    code = """
        import sys
        sys.modules["polars"] = None
        from runfolio import load_run
        from runfolio.errors import FormatError
        found = load_run("latest", root="runs").results["k"]
        assert list(found.read(as_="pandas")["a"])[0] == "b"
        try:
            found["data"]
        except FormatError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "polars is not installed" in done.stdout and 'read(as_="pandas")' in done.stdout


def test_neither_polars_nor_duckdb_is_imported_for_others(tmp_path):
    code = """
        import sys, pandas as pd, pyarrow as pa
        from runfolio import Status
        with Status(root="runs") as status:
            status.store_result("a", pd.DataFrame({"a": [1]}))
            status.store_result("b", iter([pa.table({"a": [1]})]))
            list(status.results["b"]["data"])
        assert not {"polars", "duckdb"} & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=tmp_path, check=True)


def test_a_part_of_an_older_line_is_a_frame():
    part = Part(name=None, file="results/a", format="parquet", rows=1, columns=1, bytes=1, sha256="", schema_id=None)
    assert part.type == "pandas.DataFrame"


def test_a_type_that_this_version_does_not_know():
    with Status() as status:
        status.store_result("k", pd.DataFrame({"a": [1]}))
    journal = status.folder / "results.jsonl"
    from zlib import crc32

    content = journal.read_bytes().rstrip(b"\n")[:-18].replace(b"pandas.DataFrame", b"pandas.DataFrome")
    journal.write_bytes(content + b',"crc":"%08x"}\n' % crc32(content))
    with pytest.raises(FormatError, match="'pandas.DataFrome' is not known; update runfolio"):
        load_run(status.folder).results["k"]["data"]


@pytest.mark.parametrize("read", ["columns", "batches", "dataset"])
def test_a_file_with_a_digest_put_right_that_makes_no_sense_is_damage(read, tmp_path):
    with Status() as status:
        status.store_result("k", pa.table({"a": [1]}))
    record = load_run(status.folder).results["k"].record
    path = status.folder / record.parts[0].file
    if read == "dataset":
        path.write_bytes(path.read_bytes().replace(b"PAR1", b"PARX"))
    else:
        table = pq.read_table(path)
        footer = table.schema.metadata[b"runfolio"].replace(b'"types":["int64"]', b'"types":["int64","x"]')
        pq.write_table(table.replace_schema_metadata({b"runfolio": footer}), path)
    content = path.read_bytes()
    fields = {**dict(record.parts[0]), "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    stored = StoredResult(status.folder, Result(**{**dict(record), "parts": [Part(**fields)]}), {})
    asked = {
        "columns": lambda: stored.read(columns=["a"]),
        "batches": lambda: list(stored.batches()),
        "dataset": stored.dataset,
    }
    with pytest.raises(DamageError, match="can't be read: |does not fit its file") as caught:
        asked[read]()
    assert caught.value.file == str(path)


VALUES = {
    pa.int32(): st.integers(-(2**31), 2**31 - 1),
    pa.float64(): st.floats(),
    pa.string(): st.text(max_size=5),
    pa.timestamp("s"): st.integers(-(2**63), 2**63 - 1),
    pa.date64(): st.integers(-(10**6), 10**6).map(lambda days: days * 86_400_000),
    pa.list_(pa.time32("s")): st.lists(st.integers(0, 86_399), max_size=3),
    pa.dictionary(pa.int8(), pa.string()): st.sampled_from(["a", "b"]),
}


@given(st.data())
def test_any_arrow_table(data):
    from runfolio.tables.forms import form_of, restored

    rows = data.draw(st.integers(0, 6))
    kinds = data.draw(st.lists(st.sampled_from(list(VALUES)), max_size=4))
    arrays = [
        pa.array(data.draw(st.lists(st.none() | VALUES[kind], min_size=rows, max_size=rows)), kind) for kind in kinds
    ]
    table = pa.table(arrays, names=[data.draw(st.sampled_from("ab")) for _ in kinds])
    carried = form_of("pyarrow.Table").carry(table)
    same(restored("pyarrow.Table", carried.table, carried.footer, None, None), table)


def test_categories_are_no_part_of_a_dtype_and_so_not_of_names_alone():
    kind = pl.Enum(["SECRET"])
    frame = pl.DataFrame(
        {"a": ["SECRET"], "b": [["SECRET"]], "c": [{"x": "SECRET"}], "d": [["SECRET", "SECRET"]]},
        schema={"a": kind, "b": pl.List(kind), "c": pl.Struct({"x": kind}), "d": pl.Array(kind, 2)},
    )
    found = Schema.from_data(frame, profile="names")
    assert [field.dtype for field in found.fields] == [
        "Enum",
        "List(Enum)",
        "Struct({'x': Enum})",
        "Array(Enum, shape=(2,))",
    ]
    assert "SECRET" not in repr(found)
    assert Schema.from_data(frame)["a"].statistics.categories == ["SECRET"]
