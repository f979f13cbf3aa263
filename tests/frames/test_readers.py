"""duckdb and polars read what is native in a file, and find the same values there."""

import datetime
import math

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from runfolio import frames

from .builders import objects
from .corpus import NATIVE

INCOMPARABLE = {
    "duckdb": {
        "half": "it reads them as float32, or refuses them",
        "null": "a column of nulls alone is one of integers for it",
        "map": "pyarrow gives pairs where other tools' Arrow has structs",
        "extension": "pyarrow gives UUIDs where other tools' Arrow has text or bytes",
        "duration": "Parquet has no such type: they are integers without Arrow's schema",
        "time32": "it counts microseconds",
        "time64": "it counts microseconds",
    },
    "polars": {
        "half": "older versions refuse them",
        "null": "a column of nulls alone has no values to compare",
        "map": "it reads a list of pairs",
        "extension": "pyarrow gives UUIDs where other tools' Arrow has text or bytes",
        "duration": "it has no unit of seconds",
        "time32": "it counts nanoseconds",
        "time64": "it counts nanoseconds",
    },
}
"""Words in the names of Arrow types that are read, but not compared, and why."""

FAR = {"times last second", "times far", "times last second and one"}
"""Milliseconds beyond the microseconds that both tools count in."""


def stored(name, folder):
    path = folder / "frame.parquet"
    table = frames.prepare(NATIVE[name]())
    frames.store(table, str(path))
    return path, table


@pytest.mark.parametrize("name", [name for name in NATIVE if name not in FAR])
def test_duckdb_reads_native_values(name, tmp_path):
    path, table = stored(name, tmp_path)
    if any(pa.types.is_float16(kind) for kind in table.schema.types):
        return
    with duckdb.connect() as connection:
        relation = connection.sql("select * from read_parquet($1)", params=[str(path)])
        check(pa.RecordBatchReader.from_stream(relation).read_all(), table, INCOMPARABLE["duckdb"])


@pytest.mark.parametrize("name", [name for name in NATIVE if name not in FAR])
def test_polars_reads_native_values(name, tmp_path):
    path, table = stored(name, tmp_path)
    check(pl.read_parquet(path).to_arrow(), table, INCOMPARABLE["polars"])


def check(found, table, incomparable):
    assert (found.num_columns, len(found)) == (table.num_columns, len(table))
    for column, wanted in zip(found.columns, table.columns, strict=True):
        if not any(word in str(wanted.type) for word in incomparable):
            assert all(map(same, plain(column), plain(wanted)))


def plain(column):
    """The values in Python; times as microseconds since 1970."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64())
    if "timestamp" in str(column.type):
        column = pa.chunked_array([pa.nulls(len(column))])  # within intervals: seen when they stand alone
    return column.to_pylist()


def same(found, wanted):
    """Whether another tool's value is that of the file, with NaN for NaN and null for null."""
    if found is None or wanted is None:
        return found is wanted
    if isinstance(wanted, float):
        return (math.isnan(wanted) and math.isnan(found)) or float(found) == wanted
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(same, found, wanted))
    if isinstance(wanted, dict):
        return list(found) == list(wanted) and all(map(same, found.values(), wanted.values()))
    return bool(found == wanted)


def plain_frame():
    return pd.DataFrame(
        {
            "n": [1, 2, 3],
            "x": [0.5, math.nan, -1.0],
            "o": objects("a", math.nan, "ä")["a"],
            "s": pd.array(["a", None, "b"], dtype="string"),
            "c": pd.Categorical(["u", "v", "u"], categories=["v", "u"]),
            "k": pd.Categorical([20, 10, 20], categories=[20, 10]),
            "t": pd.to_datetime(["2024-01-01", "2024-01-02", None]),
            "d": objects(datetime.date(2024, 1, 1), None, datetime.date(1969, 1, 1))["a"],
            "v": objects(np.array([1.5]), np.array([2.5, 3.5]), np.array([]))["a"],
            "j": objects(1, "a", None)["a"],
        }
    )


PLAIN = [
    (1, 0.5, "a", "a", "u", 20, datetime.datetime(2024, 1, 1), datetime.date(2024, 1, 1), [1.5], "1"),
    (2, None, None, None, "v", 10, datetime.datetime(2024, 1, 2), None, [2.5, 3.5], '"a"'),
    (3, -1.0, "ä", "b", "u", 20, None, datetime.date(1969, 1, 1), [], None),
]


@pytest.fixture
def plain_file(tmp_path):
    path = tmp_path / "frame.parquet"
    frames.store(frames.prepare(plain_frame()), str(path))
    return path


def test_duckdb_reads_the_values(plain_file):
    with duckdb.connect() as connection:
        assert connection.execute("select * from read_parquet(?)", [str(plain_file)]).fetchall() == PLAIN


def test_polars_reads_the_values(plain_file):
    assert pl.read_parquet(plain_file).rows() == PLAIN


def test_pandas_reads_the_index(tmp_path):
    frame = plain_frame()[["n"]].set_axis(pd.MultiIndex.from_arrays([[1, 2, 3], ["a", "b", "c"]], names=["k", None]))
    frames.store(frames.prepare(frame), str(tmp_path / "frame.parquet"))
    found = pd.read_parquet(tmp_path / "frame.parquet")
    assert (list(found.columns), list(found.index.names)) == (["n"], ["k", None])
    assert found.index.tolist() == frame.index.tolist()


def test_pandas_reads_the_values(plain_file):
    found = pd.read_parquet(plain_file)
    assert found["n"].tolist() == [1, 2, 3]
    assert found["c"].cat.categories.tolist() == ["v", "u"]
