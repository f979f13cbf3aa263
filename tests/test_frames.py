"""A frame comes back exactly or is refused with the reasons; `ACCEPTED` and `REFUSED` are the tables of both."""

import datetime
import decimal
import io
import json
import math
import struct
import subprocess
import sys
import warnings
import zoneinfo

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from runfolio import frames
from runfolio.errors import DamageError, DataError, FormatError

UTC = datetime.UTC
TIMES = np.array(["2024-03-31T00:30:00", "NaT", "1969-12-31T23:59:59"], dtype="datetime64[s]")
LAST_SECOND = (2**63 - 1) // 1000 - 1
PANDAS_3 = int(pd.__version__.partition(".")[0]) >= 3


def column(values, dtype=None, **more):
    return pd.DataFrame({"a": pd.Series(values, dtype=dtype)}, **more)


def objects(*cells):
    """Return a frame whose column `a` is of dtype object and holds these very cells."""
    array = np.empty(len(cells), dtype=object)
    array[:] = cells
    return column(array, object)


def indexed(index):
    """Return a frame with this index for its rows."""
    return pd.DataFrame({"v": np.arange(len(index), dtype="int64")}, index=index)


def text(dtype, *cells):
    return column(pd.array(list(cells), dtype=dtype))


def zoned(zone, unit="us"):
    stamps = pd.DatetimeIndex(TIMES.astype(f"datetime64[{unit}]")).tz_localize(datetime.UTC).tz_convert(zone)
    return column(stamps)


def category(values, **dtype):
    return column(pd.Categorical(values, **dtype))


def labelled(labels):
    return pd.DataFrame([range(len(labels))], columns=labels)


def with_attrs(attrs):
    frame = column([1])
    frame.attrs = attrs
    return frame


def level_index(*arrays, **more):
    return indexed(pd.MultiIndex.from_arrays(arrays, **more))


STRING_DTYPES = [pd.StringDtype(storage, na_value=na) for storage in ("python", "pyarrow") for na in (pd.NA, np.nan)]
NUMBERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
ARROW_TYPES = [
    *(
        pa.bool_(),
        pa.int8(),
        pa.uint64(),
        pa.float32(),
        pa.string(),
        pa.large_string(),
        pa.binary(),
        pa.date32(),
    ),
    *(pa.timestamp("ns"), pa.timestamp("us", "Europe/Paris"), pa.duration("s"), pa.decimal128(9, 2)),
]
ARROW_CELLS = {
    **{
        pa.bool_(): True,
        pa.int8(): 1,
        pa.uint64(): 2**64 - 1,
        pa.float32(): 0.5,
        pa.string(): "ä",
        pa.large_string(): "b",
    },
    **{pa.binary(): b"\0", pa.date32(): datetime.date(2024, 1, 1), pa.duration("s"): datetime.timedelta(1)},
    **{pa.timestamp("ns"): datetime.datetime(2024, 1, 1), pa.decimal128(9, 2): decimal.Decimal("1.20")},
    pa.timestamp("us", "Europe/Paris"): datetime.datetime(2024, 1, 1, tzinfo=UTC),
}

ACCEPTED = {
    # numbers and truth
    **{f"numbers {d}": lambda d=d: column([np.iinfo(d).min, 0, np.iinfo(d).max], d) for d in NUMBERS},
    **{
        f"numbers {d}": lambda d=d: column([math.nan, math.inf, -math.inf, -0.0, np.finfo(d).tiny], d)
        for d in ("float16", "float32", "float64")
    },
    "numbers all nan": lambda: column([math.nan, math.nan], "float32"),
    "bool": lambda: column([True, False]),
    "two blocks interleaved": lambda: pd.DataFrame({"a": [1], "b": [1.5], "c": [2], "d": ["x"], "e": [True]}),
    **{
        f"nullable {d}": lambda d=d: column([0, None, np.iinfo(d.lower()).max], d)
        for d in ["Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64"]
    },
    "nullable Float32": lambda: column([0.5, None, -0.0], "Float32"),
    "nullable Float64": lambda: column([0.5, None, math.inf], "Float64"),
    "nullable boolean": lambda: column([True, None, False], "boolean"),
    "nullable all missing": lambda: column([None, None], "Int64"),
    # times
    **{
        f"times {u}": lambda u=u: pd.DataFrame({"a": TIMES.astype(f"datetime64[{u}]")}) for u in ("s", "ms", "us", "ns")
    },
    **{f"zoned {u}": lambda u=u: zoned(zoneinfo.ZoneInfo("Europe/Paris"), u) for u in ("s", "ms", "us", "ns")},
    **{
        f"spans {u}": lambda u=u: column(np.array([-1, "NaT", 2**62], dtype=f"timedelta64[{u}]"))
        for u in ("s", "ms", "us", "ns")
    },
    "zone timezone.utc": lambda: zoned(datetime.UTC),
    "zone ZoneInfo UTC": lambda: zoned(zoneinfo.ZoneInfo("UTC")),
    "zone offset east": lambda: zoned(datetime.timezone(datetime.timedelta(hours=5, minutes=45))),
    "zone offset west": lambda: zoned(datetime.timezone(datetime.timedelta(hours=-3, minutes=-30))),
    "zone as pandas spells it": lambda: zoned("America/New_York"),
    "times early and late": lambda: column(np.array(["0001-01-01", "9999-12-31"], dtype="datetime64[s]")),
    "times last second": lambda: column(np.array([LAST_SECOND, -LAST_SECOND], dtype="datetime64[s]")),
    "periods": lambda: column(pd.PeriodIndex(["2024-01", None, "1969-12"], freq="M")),
    "periods of two weeks": lambda: column(pd.period_range("2024", periods=2, freq="2W-SUN")),
    "intervals int64": lambda: column(pd.interval_range(0, 3, closed="left")),
    "intervals float64": lambda: column(pd.arrays.IntervalArray.from_tuples([(0.5, 1.5), None], closed="both")),
    "intervals of times": lambda: column(pd.IntervalIndex.from_breaks(pd.to_datetime(["2024", "2025", "2026"]))),
    # text, by dtype
    **{f"text {d!r}": lambda d=d: text(d, "a", "", "ä\0€😀", None) for d in STRING_DTYPES},
    **{f"text {d!r} none missing": lambda d=d: text(d, "a", "b") for d in STRING_DTYPES},
    **{f"text {d!r} all missing": lambda d=d: text(d, None, None) for d in STRING_DTYPES},
    "text as pandas infers it": lambda: pd.DataFrame({"a": ["x", "y"]}),
    "text object": lambda: objects("a", "", "ä\0€😀"),
    **{f"text object {m!r}": lambda m=m: objects("a", m, "b", m) for m in (None, math.nan, pd.NA)},
    **{f"object all {m!r}": lambda m=m: objects(m, m) for m in (None, math.nan, pd.NA, pd.NaT)},
    "object of no cells": objects,
    "bytes object": lambda: objects(b"a", b"\xff\0", b""),
    "bytes object None": lambda: objects(b"a", None),
    "date object": lambda: objects(datetime.date.min, datetime.date(2024, 2, 29), datetime.date.max),
    "date object None": lambda: objects(None, datetime.date(2024, 2, 29)),
    # categories
    "category": lambda: category(["b", "a", None, "b"]),
    "category ordered": lambda: category(["b", "a"], categories=["b", "a", "unused"], ordered=True),
    "category object labels": lambda: category(["b"], categories=pd.Index(["b", "a"], dtype=object)),
    "category str labels": lambda: category(["b"], categories=pd.Index(["b", "a"], dtype=STRING_DTYPES[3])),
    "category string labels": lambda: category(["b"], categories=pd.Index(["b", "a"], dtype="string")),
    "category named labels": lambda: category(["b"], categories=pd.Index(["b", "a"], name="k")),
    "category all missing": lambda: category([None, None], categories=["b", "a"]),
    "category no categories": lambda: category([None], categories=pd.Index([], dtype=object)),
    "category no rows": lambda: category([], categories=["b", "a"], ordered=True),
    "category of nothing": lambda: category([]),
    "category of nothing but nan": lambda: column([math.nan]).astype("category"),
    "category 300": lambda: category([f"{i}" for i in range(300)]),
    # Arrow's own
    **{f"arrow {t}": lambda t=t: column([ARROW_CELLS[t], None], pd.ArrowDtype(t)) for t in ARROW_TYPES},
    "arrow nan beside null": lambda: column(pd.array(pa.array([math.nan, None]), pd.ArrowDtype(pa.float64()))),
    # labels
    "labels object": lambda: labelled(pd.Index(["b", "a", ""], dtype=object)),
    **{f"labels {d!r}": lambda d=d: labelled(pd.Index(["b", "a"], dtype=d)) for d in STRING_DTYPES},
    "labels named": lambda: labelled(pd.Index(["b", "a"], name="n")),
    "labels odd": lambda: labelled(["a.b", "A", "a", " ", "a\0b", "ä😀", "1", "__index_level_0__", "runfolio"]),
    "attrs": lambda: with_attrs({"a": [1, 2.5, None, True, {"b": "ä"}], "": {}, "big": 10**30, "z": -0.0}),
    "attrs deep": lambda: with_attrs({"a": nested(98)}),
    # rows
    "no rows": lambda: pd.DataFrame({"a": pd.Series([], dtype="int8"), "b": pd.Series([], dtype="datetime64[s]")}),
    "no rows of many dtypes": lambda: pd.DataFrame(
        {
            str(d): pd.Series([], dtype=d)
            for d in (
                "float32",
                "bool",
                "object",
                "Int64",
                "boolean",
                "string",
                "datetime64[ns, UTC]",
                "period[D]",
            )
        }
    ),
    "no rows, object index": lambda: indexed(pd.Index([], dtype=object)),
    "range": lambda: indexed(pd.RangeIndex(5, 11, 2)),
    "range down, named": lambda: indexed(pd.RangeIndex(3, 0, -1, name="n")),
    "range empty": lambda: indexed(pd.RangeIndex(4, 4, name="")),
    "range far": lambda: indexed(pd.RangeIndex(10**18, 10**18 + 2)),
    "index int64 like a range": lambda: indexed(pd.Index([0, 1, 2], dtype="int64")),
    "index uint8": lambda: indexed(pd.Index([3, 3, 255], dtype="uint8", name="n")),
    "index float32": lambda: indexed(pd.Index([0.5, math.nan], dtype="float32")),
    "index bool": lambda: indexed(pd.Index([True, False])),
    "index Int64": lambda: indexed(pd.Index([1, None], dtype="Int64")),
    "index object": lambda: indexed(pd.Index(["a", None, "a"], dtype=object, name="n")),
    "index object nan": lambda: indexed(pd.Index(["a", math.nan], dtype=object)),
    **{f"index {d!r}": lambda d=d: indexed(pd.Index(["a", None], dtype=d)) for d in STRING_DTYPES},
    "index dates": lambda: indexed(pd.Index([datetime.date(2024, 1, 1), None], dtype=object)),
    **{
        f"index times {u}": lambda u=u: indexed(pd.DatetimeIndex(TIMES.astype(f"M8[{u}]")))
        for u in ("s", "ms", "us", "ns")
    },
    "index zoned": lambda: indexed(pd.DatetimeIndex(zoned(zoneinfo.ZoneInfo("Asia/Tokyo"))["a"], name="t")),
    "index spans": lambda: indexed(pd.TimedeltaIndex(np.array([1, "NaT"], dtype="timedelta64[ns]"))),
    "index periods": lambda: indexed(pd.period_range("2024", periods=3, freq="Q")),
    "index intervals": lambda: indexed(pd.interval_range(0, 2)),
    "index category": lambda: indexed(pd.CategoricalIndex(["b", "a"], categories=["b", "a", "c"], ordered=True)),
    "index named as a column": lambda: indexed(pd.Index([4, 5], name="v")),
    "index of level name": lambda: labelled(["__index_level_0__"]).set_axis([7]),
    "levels": lambda: level_index(["a", "a", "b"], [1, 2, 1], names=["k", None]),
    "levels of times": lambda: indexed(
        pd.MultiIndex.from_product([pd.date_range("2024", periods=2), ["a", "b"]], names=["t", "k"])
    ),
    "levels of freq": lambda: level_index(pd.date_range("2024", periods=3), pd.timedelta_range("1h", periods=3)),
    "levels of freq, some used": lambda: level_index(pd.date_range("2024", periods=5, freq="MS")).iloc[[1, 3]],
    "levels with nan": lambda: level_index(["a", math.nan], [0.5, math.nan], [pd.NaT, pd.Timestamp(0)]),
    "levels of category": lambda: level_index(pd.Categorical(["b", "a"], ["b", "a", "c"]), [True, False]),
    "levels unused": lambda: level_index(["a", "b", "c"], [1, 2, 3]).iloc[:2],
    "levels of one name": lambda: level_index([1, 2], ["a", "b"], names=["k", "k"]),
    "levels named as a column": lambda: level_index([1, 2], ["a", "b"], names=["v", "__index_level_1__"]),
    "levels only one": lambda: level_index([1, 2], names=["k"]),
    "levels of every dtype": lambda: indexed(
        pd.MultiIndex.from_arrays(
            [
                pd.period_range("2024", periods=2, freq="D"),
                pd.interval_range(0, 2),
                pd.array([2, 1], dtype="Int64"),
                pd.array(["b", "a"], dtype="string"),
                pd.array([1, 2], dtype=pd.ArrowDtype(pa.int8())),
                pd.DatetimeIndex(TIMES[::2].astype("datetime64[ms]")).tz_localize(UTC),
                pd.Index([datetime.date(2024, 1, 1), datetime.date(2023, 1, 1)], dtype=object),
                [True, False],
            ]
        )
    ),
    "levels no rows": lambda: level_index(["a"], [1], names=["k", "l"]).iloc[:0],
}
if not PANDAS_3:
    import pytz

    ACCEPTED |= {
        "zone pytz": lambda: zoned(pytz.timezone("Europe/Paris")),
        "zone pytz UTC": lambda: zoned(pytz.UTC),
        "zone pytz offset": lambda: zoned(pytz.FixedOffset(-90)),
    }


class Text(str):
    """A str that isn't one."""

    __slots__ = ()


class Frame(pd.DataFrame):
    """A frame that isn't one."""


REFUSED = {
    # cells
    "int and str": (lambda: objects(1, "a"), "column 'a': object cells of type int and str"),
    "ints": (lambda: objects(1, 2), "object cells of type int"),
    "floats": (lambda: objects(1.5, math.nan), "object cells of type float"),
    "float beside text": (lambda: objects("a", 1.5), "object cells of type float and str"),
    "float and nan beside text": (lambda: objects("a", 1.5, math.nan), "object cells of type float and str"),
    "bools": (lambda: objects(True, None), "object cells of type NoneType and bool"),
    "list": (lambda: objects([1], [2]), "object cells of type list"),
    "dict": (lambda: objects({"a": 1}, None), "type NoneType and dict"),
    "set": (lambda: objects({1}), "of type set"),
    "tuple": (lambda: objects((1, 2), (3,)), "of type tuple"),
    "array": (lambda: objects(np.arange(2), np.arange(3)), "of type numpy.ndarray"),
    "Decimal": (lambda: objects(decimal.Decimal("1.0")), "of type decimal.Decimal"),
    "Decimal NaN": (lambda: objects("a", decimal.Decimal("NaN")), "of type decimal.Decimal and str"),
    "time": (lambda: objects(datetime.time(1)), "of type datetime.time"),
    "datetime": (lambda: objects(datetime.datetime(2024, 1, 1)), "of type datetime.datetime"),
    "datetime beside date": (
        lambda: objects(datetime.datetime(2024, 1, 1), datetime.date(2024, 1, 1)),
        "of type datetime.date and datetime.datetime",
    ),
    "Timestamp": (lambda: objects(pd.Timestamp(0)), "of type pandas"),
    "np.str_": (lambda: objects(np.str_("a")), "of type numpy.str_"),
    "str subclass": (lambda: objects("a", Text("a")), "Text"),
    "bytes and str": (lambda: objects(b"a", "a"), "of type bytes and str"),
    "text, None and nan": (
        lambda: objects("a", None, math.nan),
        "two or more kinds of missing value, None and nan",
    ),
    "text, None and NA": (
        lambda: objects("a", None, pd.NA),
        "two or more kinds of missing value, NA and None",
    ),
    "only None and nan": (
        lambda: objects(None, math.nan),
        "two or more kinds of missing value, None and nan",
    ),
    "text and NaT": (lambda: objects("a", pd.NaT), "cells of type str beside NaT"),
    "date and nan": (lambda: objects(datetime.date(2024, 1, 1), math.nan), "cells of type date beside nan"),
    "bytes and NA": (lambda: objects(b"a", pd.NA), "cells of type bytes beside NA"),
    "np.float64 nan beside text": (lambda: objects("a", np.float64("nan")), "of type numpy.float64 and str"),
    "lone surrogate": (lambda: objects("a", "\udc80"), "column 'a': text with a lone surrogate"),
    "lone surrogate in string": (
        lambda: text(STRING_DTYPES[0], "\udc80"),
        "column 'a': text with a lone surrogate",
    ),
    "lone surrogate in category": (
        lambda: column(pd.Categorical.from_codes([0], pd.Index(["\udc80"], dtype=object))),
        "column 'a': text with a lone surrogate",
    ),
    "lone surrogate in unused category": (
        lambda: category([], categories=pd.Index(["\udc80"], dtype=object)),
        "column 'a': text with a lone surrogate",
    ),
    "lone surrogate in index": (
        lambda: indexed(pd.Index(["\udc80"], dtype=object)),
        "index: text with a lone surrogate",
    ),
    "np.str_ in string": (
        lambda: column(pd.arrays.StringArray(np.array([np.str_("a")], dtype=object))),
        "string cells of type numpy.str_",
    ),
    # dtypes
    "complex": (lambda: column([1j]), "dtype complex128"),
    "longdouble": (lambda: column([1], np.longdouble), "dtype float128"),
    "big-endian": (lambda: column(np.array([1], dtype=">i8")), "dtype >i8 in foreign byte order"),
    "sparse": (lambda: column(pd.arrays.SparseArray([0, 1])), "dtype Sparse[int64, 0]"),
    "Float64 NaN beside NA": (
        lambda: column(pd.arrays.FloatingArray(np.array([math.nan, 1]), np.array([False, True]))),
        "NaN beside NA",
    ),
    "categories of int": (lambda: category([1, 2]), "categories of int64, not of text"),
    "categories mixed": (
        lambda: category([1, "a"]),
        "column 'a': categories: object cells of type int and str",
    ),
    "categories of times": (lambda: category(pd.to_datetime(["2024"])), "not of text"),
    "categories of dates": (lambda: category([datetime.date(2024, 1, 1)]), "categories of date, not of text"),
    "categories oddly named": (
        lambda: category(["a"], categories=pd.Index(["a"], name=1)),
        "categories whose own name is int",
    ),
    "far seconds": (lambda: column(np.array([0, 2**60], dtype="datetime64[s]")), "row 1 holds a time beyond"),
    "far seconds by one": (
        lambda: column(np.array([-LAST_SECOND - 1], dtype="datetime64[s]")),
        "row 0 holds a time beyond",
    ),
    "periods of business days": (lambda: column(business_days()), "periods of business days"),
    "far seconds, zoned": (
        lambda: column(pd.DatetimeIndex(np.array([-(2**60)], dtype="M8[s]")).tz_localize(UTC)),
        "row 0 holds a time beyond",
    ),
    "zone of seconds": (
        lambda: zoned(datetime.timezone(datetime.timedelta(seconds=30))),
        "time zone datetime.timezone",
    ),
    "zone of a name": (
        lambda: zoned(datetime.timezone(datetime.timedelta(hours=1), "CET")),
        "which Parquet can't name",
    ),
    "zone of dateutil": (lambda: zoned("dateutil/Europe/Paris"), "use one of zoneinfo or datetime.timezone"),
    "zone without a key": (lambda: zoned(keyless_zone()), "which Parquet can't name"),
    "intervals of spans": (
        lambda: column(pd.interval_range(pd.Timedelta(0), periods=2)),
        "intervals of timedelta64",
    ),
    "arrow list": (lambda: column([[1]], pd.ArrowDtype(pa.list_(pa.int64()))), "Arrow type list<"),
    "arrow seconds": (lambda: column([None], pd.ArrowDtype(pa.timestamp("s"))), "Arrow type timestamp[s]"),
    "arrow date64": (lambda: column([None], pd.ArrowDtype(pa.date64())), "Arrow type date64"),
    # labels
    "label int": (lambda: labelled([1]), "column labels are"),
    "labels mixed": (lambda: labelled(["a", 1]), "column 1: the label is int"),
    "label None": (lambda: labelled(["a", None]), "the label is"),
    "label tuple": (lambda: labelled(pd.Index([("a", 1), "b"], tupleize_cols=False)), "the label is tuple"),
    "label np.str_": (lambda: labelled(pd.Index([np.str_("a")], dtype=object)), "the label is str_"),
    "label surrogate": (lambda: labelled(pd.Index(["\ud800"], dtype=object)), "column '\\ud800': the label"),
    "labels twice": (lambda: labelled(["a", "b", "a"]), "column 'a': more than one column has this label"),
    "labels multi": (lambda: labelled(pd.MultiIndex.from_tuples([("a", "b")])), "labels are a MultiIndex"),
    "labels category": (lambda: labelled(pd.CategoricalIndex(["a"])), "labels are a CategoricalIndex"),
    "labels range": (lambda: pd.DataFrame([[1, 2]]), "labels are a RangeIndex"),
    "labels' name": (lambda: labelled(pd.Index(["a"], name=1)), "the columns' name 1"),
    # rows
    "freq": (lambda: indexed(pd.date_range("2024", periods=2)), "index: its freq D"),
    "freq of spans": (lambda: indexed(pd.timedelta_range("1h", periods=2)), "index: its freq"),
    "index mixed": (lambda: indexed(pd.Index([1, "a"])), "index: object cells of type int and str"),
    "index name int": (lambda: indexed(pd.Index([1], name=0)), "index: the name 0"),
    "index name tuple": (lambda: indexed(pd.RangeIndex(2, name=("a", 1))), "index: the name ('a', 1)"),
    "index name surrogate": (lambda: indexed(pd.Index([1], name="\ud800")), "index: the name '\\ud800'"),
    "level name int": (lambda: level_index([1], [2], names=["a", 1]), "index: the name 1"),
    "level with missing ints": (
        lambda: indexed(pd.MultiIndex([[1, 2], ["a"]], [[0, -1], [0, 0]])),
        "index level 0: labels of int64 of which some are missing",
    ),
    "level of descending freq": (
        lambda: indexed(pd.MultiIndex([pd.date_range("2024", periods=2, freq="-1D")], [[0, 1]])),
        "index level 0: its freq",
    ),
    "level of a freq without text": (
        lambda: level_index(pd.date_range("2024-01-01", periods=3, freq=pd.DateOffset(days=2))),
        "index level 0: its freq",
    ),
    "level of odd cells": (
        lambda: level_index([(1, 2)], ["a"], names=["k", None]),
        "index level 'k': object cells of type",
    ),
    # the whole frame
    "no columns": (lambda: pd.DataFrame(index=[1, 2]), "it has no columns"),
    "flags": (lambda: column([1]).set_flags(allows_duplicate_labels=False), "allows_duplicate_labels"),
    "subclass": (lambda: Frame({"a": [1]}), "Frame, not a pandas.DataFrame"),
    "series": (lambda: pd.Series([1]), "Series, not a pandas.DataFrame"),
    "polars": (lambda: pl.DataFrame({"a": [1]}), "DataFrame, not a pandas.DataFrame"),
    "attrs int key": (lambda: with_attrs({1: 2}), "its attrs are not plain JSON"),
    "attrs tuple": (lambda: with_attrs({"a": (1,)}), "its attrs"),
    "attrs nan": (lambda: with_attrs({"a": math.nan}), "its attrs"),
    "attrs numpy": (lambda: with_attrs({"a": np.float64(1)}), "its attrs"),
    "attrs surrogate": (lambda: with_attrs({"a": "\ud800"}), "its attrs"),
    "attrs uncopyable": (lambda: with_attrs({"a": sys._getframe()}), "its attrs"),
    "attrs of a cycle": (lambda: with_attrs(cycle()), "its attrs"),
    "attrs too deep": (lambda: with_attrs({"a": nested(100)}), "its attrs"),
    "attrs deep": (lambda: with_attrs({"a": nested(100_000)}), "its attrs"),
    "attrs huge": (lambda: with_attrs({"a": 10**5000}), "its attrs"),
}


def business_days():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return pd.arrays.PeriodArray(np.array([0, 1]), dtype=pd.PeriodDtype("B"))


def cycle():
    value = {}
    value["a"] = value
    return value


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def keyless_zone():
    """Return a zone read from a file, which knows no key; its bytes are the smallest that are a zone."""
    header = b"TZif" + b"\0" * 16 + struct.pack(">6l", 0, 0, 0, 0, 1, 4)
    return zoneinfo.ZoneInfo.from_file(io.BytesIO(header + struct.pack(">lbb", 0, 0, 0) + b"UTC\0"))


# ------------------------------------------------------------------------------------------------ what exact means


def assert_exactly_equal(found, expected):
    """Compare everything that a frame's owner can see, types and kinds of missing value included."""
    if isinstance(expected.index, pd.MultiIndex):  # whose unused labels pandas 2 compares too
        found, expected = (f.set_axis(f.index.remove_unused_levels()) for f in (found, expected))
    exact = ("check_exact", "check_freq", "check_flags", "check_column_type", "check_index_type")
    assert type(found) is type(expected)
    assert_frame_equal(found, expected, **dict.fromkeys(exact, True))
    assert repr(found.attrs) == repr(expected.attrs)
    assert_same_index(found.columns, expected.columns)
    assert_same_index(found.index, expected.index)
    for position in range(expected.shape[1]):
        assert_same_values(found.iloc[:, position], expected.iloc[:, position])


def assert_same_index(found, expected):
    assert type(found) is type(expected)
    assert repr(list(found.names)) == repr(list(expected.names))
    if isinstance(expected, pd.MultiIndex):
        for number, level in enumerate(expected.levels):
            assert_same_index(found.get_level_values(number), expected.get_level_values(number))
            assert found.levels[number].dtype == level.dtype
            assert getattr(found.levels[number], "freq", None) == getattr(level, "freq", None)
    elif isinstance(expected, pd.RangeIndex):
        assert (found.start, found.stop, found.step) == (expected.start, expected.stop, expected.step)
    else:
        assert_same_values(found, expected)
        assert getattr(found, "freq", None) == getattr(expected, "freq", None)


def assert_same_values(found, expected):
    assert dtype_facts(found.dtype) == dtype_facts(expected.dtype)
    assert type(found.array) is type(expected.array)
    cells, wanted = found.astype(object).tolist(), expected.astype(object).tolist()
    assert list(map(type, cells)) == list(map(type, wanted))
    assert list(map(repr, cells)) == list(map(repr, wanted))


def dtype_facts(dtype):
    """Return what `==` between dtypes overlooks: kind of zone, storage and NA, the categories' own dtype and name."""
    more = [str(dtype)]
    if isinstance(dtype, pd.DatetimeTZDtype):
        more += [dtype.unit, type(dtype.tz), repr(dtype.tz)]
    elif isinstance(dtype, pd.StringDtype):
        more += [dtype.storage, repr(dtype.na_value)]
    elif isinstance(dtype, pd.CategoricalDtype):
        more += [
            dtype.ordered,
            dtype_facts(dtype.categories.dtype),
            list(dtype.categories),
            dtype.categories.name,
        ]
    elif isinstance(dtype, np.dtype):
        more += [dtype.str]
    return more


def round_trip(frame, folder):
    path = folder / "frame.parquet"
    frames.store(frames.prepare(frame), str(path))
    return frames.read(path.read_bytes())


# -------------------------------------------------------------------------------------------------------- the tests


@pytest.mark.parametrize("name", ACCEPTED)
def test_an_accepted_frame_comes_back_exactly(name, tmp_path):
    frame = ACCEPTED[name]()
    frames.prepare(frame)
    assert_exactly_equal(round_trip(frame, tmp_path), ACCEPTED[name]())


@pytest.mark.parametrize("name", ACCEPTED)
def test_writing_leaves_the_frame_as_it_was(name, tmp_path):
    frame = ACCEPTED[name]()
    round_trip(frame, tmp_path)
    assert_exactly_equal(frame, ACCEPTED[name]())


@pytest.mark.parametrize("name", ACCEPTED)
def test_an_accepted_frame_without_its_rows_comes_back_exactly(name, tmp_path):
    frame = ACCEPTED[name]().iloc[:0]
    assert_exactly_equal(round_trip(frame, tmp_path), frame)


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_frame_of_many_row_groups_comes_back_exactly(name, tmp_path, monkeypatch):
    monkeypatch.setitem(frames.WRITE_OPTIONS, "row_group_size", 1)
    assert_exactly_equal(round_trip(ACCEPTED[name](), tmp_path), ACCEPTED[name]())


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_frame_that_came_back_can_be_changed(name, tmp_path):
    frame = round_trip(ACCEPTED[name](), tmp_path)
    if len(frame):
        frame.iloc[0, 0] = frame.iloc[-1, 0]


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_frame_is_named_before_anything_is_written(name, tmp_path):
    make, words = REFUSED[name]
    path = tmp_path / "frame.parquet"
    with pytest.raises(DataError) as caught:
        frames.store(frames.prepare(make()), str(path))
    assert any(words in problem for problem in caught.value.problems), caught.value.problems
    assert caught.value.remedy
    str(caught.value).encode()
    assert not path.exists()
    with pytest.raises(DataError):
        frames.prepare(make())


# ------------------------------------------------------------------------------------------------------- refusals


def test_an_error_lists_every_problem_and_names_the_first_column():
    frame = pd.DataFrame({"ok": [1], "x": objects([1])["a"], "y": [1j], "z": objects("\udc80")["a"]})
    frame.index = pd.Index([(1,)], name=0, tupleize_cols=False)
    frame.columns.name = 7
    frame.flags.allows_duplicate_labels = False
    with pytest.raises(DataError) as caught:
        frames.prepare(frame)
    assert caught.value.problems == (
        "its flags are not the default: allows_duplicate_labels is False",
        "the columns' name 7 is not plain str text",
        "index: the name 0 is not plain str text",
        "column 'x': object cells of type list",
        "column 'y': dtype complex128 has no exact form in Parquet",
        "index: object cells of type tuple",
        "column 'z': text with a lone surrogate",
    )
    assert caught.value.column == "x"
    assert all(problem in str(caught.value) for problem in caught.value.problems)


def test_a_problem_of_the_index_names_no_column():
    with pytest.raises(DataError) as caught:
        frames.prepare(indexed(pd.Index([1], name=0)))
    assert caught.value.column is None


def test_what_only_the_writing_finds_out_is_refused_too(tmp_path, monkeypatch):
    def write_table(*_, **__):
        raise pa.ArrowCapacityError("a cell is too large")

    monkeypatch.setattr(pq, "write_table", write_table)
    with pytest.raises(DataError, match="can't be written: a cell is too large"):
        frames.store(frames.prepare(column([1])), str(tmp_path / "frame.parquet"))


# ----------------------------------------------------------------------------------------------------- other tools


def plain_frame():
    return pd.DataFrame(
        {
            "n": [1, 2, 3],
            "x": [0.5, math.nan, -1.0],
            "o": objects("a", math.nan, "ä")["a"],
            "s": pd.array(["a", None, "b"], dtype="string"),
            "c": pd.Categorical(["u", "v", "u"], categories=["v", "u"]),
            "t": pd.to_datetime(["2024-01-01", "2024-01-02", None]),
            "d": objects(datetime.date(2024, 1, 1), None, datetime.date(1969, 1, 1))["a"],
        }
    )


PLAIN = [
    (1, 0.5, "a", "a", "u", datetime.datetime(2024, 1, 1), datetime.date(2024, 1, 1)),
    (2, None, None, None, "v", datetime.datetime(2024, 1, 2), None),
    (3, -1.0, "ä", "b", "u", None, datetime.date(1969, 1, 1)),
]


def test_duckdb_reads_the_values(tmp_path):
    path = tmp_path / "frame.parquet"
    frames.store(frames.prepare(plain_frame()), str(path))
    with duckdb.connect() as connection:
        assert connection.execute("select * from read_parquet(?)", [str(path)]).fetchall() == PLAIN


def test_polars_reads_the_values(tmp_path):
    path = tmp_path / "frame.parquet"
    frames.store(frames.prepare(plain_frame()), str(path))
    assert pl.read_parquet(path).rows() == PLAIN


def test_pandas_reads_the_values(tmp_path):
    path = tmp_path / "frame.parquet"
    frames.store(frames.prepare(plain_frame()), str(path))
    found = pd.read_parquet(path)
    assert found["n"].tolist() == [1, 2, 3]
    assert found["c"].cat.categories.tolist() == ["v", "u"]


@pytest.mark.parametrize("name", ["levels of one name", "levels named as a column", "index of level name"])
def test_polars_reads_levels_whose_names_are_taken(name, tmp_path):
    path = tmp_path / "frame.parquet"
    frames.store(frames.prepare(ACCEPTED[name]()), str(path))
    assert len(set(pl.read_parquet(path).columns)) == len(pq.read_schema(path).names)


# --------------------------------------------------------------------------------------------------------- reading


def written(frame, folder, **changes):
    """Return the bytes of the frame's file, with these changes to the footer."""
    path = folder / "frame.parquet"
    frames.store(frames.prepare(frame), str(path))
    table = pq.read_table(path)
    footer = json.loads(table.schema.metadata[frames.FOOTER_KEY]) | changes
    pq.write_table(table.replace_schema_metadata({frames.FOOTER_KEY: json.dumps(footer)}), path)
    return path.read_bytes()


def test_a_frame_needs_no_other_metadata_than_the_footer(tmp_path):
    frame = plain_frame().drop(columns="c")  # Arrow's own metadata tells that a column is a dictionary
    assert_exactly_equal(frames.read(written(frame, tmp_path)), frame)


def test_a_frame_is_read_from_a_memoryview(tmp_path):
    assert_exactly_equal(frames.read(memoryview(written(column([1]), tmp_path))), column([1]))


def test_a_file_of_a_newer_format_is_named(tmp_path):
    with pytest.raises(FormatError, match="reads up to 1; update runfolio"):
        frames.read(written(column([1]), tmp_path, version=2))


def test_a_file_of_another_writer_is_named(tmp_path):
    column([1]).to_parquet(tmp_path / "frame.parquet")
    with pytest.raises(FormatError, match="not written by runfolio"):
        frames.read((tmp_path / "frame.parquet").read_bytes())


@pytest.mark.parametrize("cut", [slice(0, 0), slice(0, 100), slice(100, None)])
def test_a_cut_file_is_damage(cut, tmp_path):
    with pytest.raises(DamageError):
        frames.read(written(column([1]), tmp_path)[cut])


def with_zone(folder, *zone):
    dtype = {"form": "zoned", "unit": "us", "zone": zone}
    return frames.read(written(zoned(UTC), folder, columns=[dtype]))["a"].dtype.tz


def test_a_zone_that_this_machine_does_not_know_is_named(tmp_path):
    with pytest.raises(FormatError, match="Mars/Olympus"):
        with_zone(tmp_path, "zoneinfo", "Mars/Olympus")


def test_a_zone_of_pytz_comes_back_without_pytz_as_its_like(tmp_path, monkeypatch):
    monkeypatch.setattr("runfolio.frames.dtypes.find_spec", lambda name: None)
    assert repr(with_zone(tmp_path, "pytz", "Europe/Paris")) == "zoneinfo.ZoneInfo(key='Europe/Paris')"
    assert with_zone(tmp_path, "pytz", 5400.0) == datetime.timezone(datetime.timedelta(minutes=90))


def test_importing_frames_imports_neither_pandas_nor_pyarrow():
    program = "import runfolio.frames, sys; print({'pandas', 'pyarrow', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


# ---------------------------------------------------------------------------------------------------


# --------------------------------------------------------------------------------------------- any frame at all

MISSING = st.sampled_from([None, math.nan, pd.NA, pd.NaT])
SURROGATE = st.just("\udc80")
ODD = st.one_of(
    *(MISSING, st.integers(-3, 3), st.floats(), st.booleans(), st.text(max_size=3), SURROGATE),
    st.sampled_from([b"b", np.str_("s"), np.float64("nan"), datetime.date(2024, 1, 1), 1j, pd.Timestamp(0)]),
    *(st.builds(list, st.just("ab")), st.builds(dict, st.just([("k", 1)])), st.just((1,))),
)
LABELS = st.text(max_size=2) | st.sampled_from(["a", "\ud800", 1, None, ("a", 1), "__index_level_0__"])
OFTEN_GOOD_LABELS = st.one_of(*[st.sampled_from("abcdefgh")] * 6, LABELS)
TEXTS = st.text(max_size=3) | st.none()
CELLS = {
    **dict.fromkeys(("int8", "uint8", "int64", "uint64"), st.integers(0, 100)),
    **{"float16": st.floats(width=16), "float32": st.floats(width=32), "float64": st.floats()},
    **{"bool": st.booleans(), "complex64": st.just(1j), "Sparse[int64]": st.integers(0, 1)},
    **{"Int8": st.none() | st.integers(0, 9), "boolean": st.none() | st.booleans()},
    **{"Float64": st.none() | st.floats(allow_nan=False), "period[D]": st.none() | st.just("2024-01-01")},
    **{f"datetime64[{unit}]": st.integers(-(2**63), 2**63 - 1) for unit in ("s", "ms", "us", "ns")},
    **{"timedelta64[s]": st.integers(-(2**63), 2**63 - 1), "datetime64[ns, Asia/Tokyo]": st.integers(0, 2**60)},
    **{"string[python]": TEXTS, "string[pyarrow]": TEXTS, "string[pyarrow_numpy]": TEXTS},
    **dict.fromkeys(("category", "category of numbers"), st.integers(-1, 1)),
}
CATEGORIES = {"category": pd.Index(["b", "a"], dtype=object), "category of numbers": [2, 1]}


@st.composite
def object_arrays(draw, rows):
    """Draw cells that are often of one type with one kind of missing value, as most real columns are."""
    usual = draw(st.sampled_from([st.text(max_size=3), st.text("a\udc80"), st.dates(), st.binary(max_size=2), ODD]))
    cells = usual | st.just(draw(MISSING)) if draw(st.booleans()) else usual
    array = np.empty(rows, dtype=object)
    array[:] = draw(st.lists(cells, min_size=rows, max_size=rows))
    return array


@st.composite
def arrays(draw, rows):
    dtype = draw(st.sampled_from([*["object"] * 9, *CELLS]))
    if dtype == "object":
        return draw(object_arrays(rows))
    cells = draw(st.lists(CELLS[dtype], min_size=rows, max_size=rows))
    if dtype in CATEGORIES:
        return pd.Categorical.from_codes(cells, CATEGORIES[dtype], ordered=draw(st.booleans()))
    if "64[" in dtype and "," not in dtype and "Sparse" not in dtype:
        return np.array(cells, dtype="int64").view(dtype)
    if dtype == "string[pyarrow_numpy]":
        return pd.array(cells, dtype=STRING_DTYPES[3])
    return np.array(cells, dtype=dtype) if dtype in np.sctypeDict else pd.array(cells, dtype=dtype)


@st.composite
def indexes(draw, rows):
    count = draw(st.sampled_from([0, 0, 1, 2]))
    names = draw(st.lists(st.none() | OFTEN_GOOD_LABELS, min_size=count + 1, max_size=count + 1))
    if not count:
        start, step = draw(st.integers(-5, 5)), draw(st.sampled_from([1, 2, -1]))
        return pd.RangeIndex(start, start + rows * step, step, name=names[0])
    levels = draw(st.lists(arrays(rows), min_size=count, max_size=count))
    try:
        made = [pd.Index(level, dtype=level.dtype) for level in levels]
        return made[0].rename(names[0]) if count == 1 else pd.MultiIndex.from_arrays(made, names=names[:count])
    except (TypeError, ValueError, NotImplementedError):  # pandas has no such index: unhashable, float16, ...
        return reject()


@st.composite
def any_frames(draw):
    rows, columns = draw(st.integers(0, 4)), draw(st.sampled_from([1, 1, 2, 3, 0]))
    values = draw(st.lists(arrays(rows), min_size=columns, max_size=columns))
    index = draw(indexes(rows))
    series = {n: pd.Series(array, index=index, dtype=array.dtype) for n, array in enumerate(values)}
    frame = pd.DataFrame(series, index=index)
    labels = draw(st.lists(OFTEN_GOOD_LABELS, min_size=columns, max_size=columns))
    frame.columns = pd.Index(labels, dtype=object, tupleize_cols=False, name=draw(st.none() | OFTEN_GOOD_LABELS))
    frame.attrs = draw(st.sampled_from([{}, {}, {}, {"a": [1]}]) | st.dictionaries(LABELS, ODD, max_size=1))
    return frame


@settings(max_examples=150, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(frame=any_frames())
def test_any_frame_comes_back_exactly_or_is_refused(frame, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "any.parquet"
    path.unlink(missing_ok=True)
    try:
        frames.store(frames.prepare(frame), str(path))
    except DataError:
        assert not path.exists()
        return
    assert_exactly_equal(frames.read(path.read_bytes()), frame)
