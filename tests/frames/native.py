"""Frames that are native Parquet throughout: name and builder."""

import datetime
import decimal
import math
import uuid
import zoneinfo

import numpy as np
import pandas as pd
import pyarrow as pa

from .builders import (
    ARROW_CELLS,
    ARROW_TYPES,
    LAST_SECOND,
    NUMBERS,
    PANDAS_3,
    STRING_DTYPES,
    TIMES,
    UTC,
    business_days,
    category,
    column,
    indexed,
    labelled,
    level_index,
    nested,
    objects,
    text,
    with_attrs,
    zoned,
)

NATIVE = {
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
    "levels of category, repeated": lambda: level_index(
        [0, 0], pd.Categorical.from_codes([0, 0], pd.Index(["b", "a"], dtype=object)), names=[1, None]
    ),
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

    NATIVE |= {
        "zone pytz": lambda: zoned(pytz.timezone("Europe/Paris")),
        "zone pytz UTC": lambda: zoned(pytz.UTC),
        "zone pytz offset": lambda: zoned(pytz.FixedOffset(-90)),
    }


PAYLOAD = np.array([0x7FF8000000000001], "uint64").view("float64")[0]
MINUS_NAN = -math.nan
DATE, TIME = datetime.date(2024, 2, 29), datetime.time(23, 59, 59, 999999)
STAMP, SPAN = datetime.datetime(2024, 2, 29, 1, 2, 3, 4), datetime.timedelta(-1, 5, 7)
ID = uuid.UUID(int=2**127 + 5)
FAR = np.array(["-100000000-01-01", "NaT", "2024-01-01"], dtype="M8[s]")


def masked_nan():
    return column(pd.arrays.FloatingArray(np.array([math.nan, 1, 2.5]), np.array([False, True, False])))


def with_arrow(kind, *cells):
    return column(pd.array(pa.array(list(cells), kind), dtype=pd.ArrowDtype(kind)))


NATIVE |= {
    # floats
    "nan payload": lambda: column(np.array([1.5, PAYLOAD])),
    "nan payloads": lambda: column(np.array([PAYLOAD, MINUS_NAN, math.nan, 1.0])),
    "nan negative": lambda: column(np.array([MINUS_NAN, 1.0])),
    "nan payload float32": lambda: column(np.array([0x7FC00001, 0x7FC00000], "uint32").view("float32")),
    "nan payload float16": lambda: column(np.array([0x7E01, 0x3C00], "uint16").view("float16")),
    "Float64 NaN beside NA": masked_nan,
    "Float32 NaN": lambda: column(pd.arrays.FloatingArray(np.array([math.nan], "float32"), np.array([False]))),
    "complex128": lambda: column(np.array([1j, complex(math.nan, -0.0), complex(math.inf, 1)])),
    "complex64": lambda: column(np.array([1j, 2], "complex64")),
    **{f"big-endian {d}": lambda d=d: column(np.array([1, 0, 3], d)) for d in (">i8", ">u2", ">f8", ">f4", ">c16")},
    "big-endian nan": lambda: column(np.array([1.5, math.nan], ">f8")),
    **{
        f"sparse {v.dtype} {f!r} {k}": lambda v=v, f=f, k=k: column(pd.arrays.SparseArray(v, fill_value=f, kind=k))
        for v in (np.array([0, 1, 0]), np.array([math.nan, 1, 2]), np.array([True, False, False]))
        for f in (v[0],)
        for k in ("integer", "block")
    },
    "sparse fill one": lambda: column(pd.arrays.SparseArray([1, 1, 2], fill_value=1)),
    "sparse times": lambda: column(pd.arrays.SparseArray(TIMES.astype("M8[ns]"))),
    # times
    "times far": lambda: pd.DataFrame({"a": FAR}),
    "times far, zoned": lambda: column(pd.DatetimeIndex(FAR[1:2].repeat(2)).tz_localize(UTC)),
    "times last second and one": lambda: pd.DataFrame({"a": np.array([-LAST_SECOND - 1], dtype="M8[s]")}),
    "zone of seconds": lambda: zoned(datetime.timezone(datetime.timedelta(seconds=30))),
    "zone below a second": lambda: zoned(datetime.timezone(datetime.timedelta(hours=-1, microseconds=7))),
    "zone of a name": lambda: zoned(datetime.timezone(datetime.timedelta(hours=1), "CET")),
    "periods of business days": lambda: column(business_days()),
    "periods of hours": lambda: column(pd.period_range("2024", periods=2, freq="h")),
    "intervals of spans": lambda: column(pd.interval_range(pd.Timedelta(0), periods=2)),
    "intervals zoned": lambda: column(pd.interval_range(pd.Timestamp("2024", tz="Asia/Tokyo"), periods=2)),
    "intervals of seconds": lambda: column(pd.IntervalIndex.from_breaks(TIMES[[2, 0]])),
    "intervals missing times": lambda: column(
        pd.arrays.IntervalArray.from_tuples([(pd.Timestamp(0), pd.Timestamp(5)), None], closed="neither")
    ),
    "intervals none": lambda: column(pd.arrays.IntervalArray.from_tuples([], closed="left", dtype="interval[int64]")),
    "intervals overlapping": lambda: column(pd.arrays.IntervalArray.from_tuples([(0, 5), (1, 2), (0, 5)])),
    # objects
    "object ints": lambda: objects(1, -(2**63), 2**63 - 1),
    **{f"object ints {m!r}": lambda m=m: objects(1, m) for m in (None, math.nan, pd.NA, pd.NaT)},
    "object bools": lambda: objects(True, False),
    "object bools None": lambda: objects(True, None),
    "object floats": lambda: objects(1.5, -0.0, math.inf),
    "object floats nan": lambda: objects(1.5, math.nan),
    "object floats nan None": lambda: objects(1.5, math.nan, None),
    "object floats NA": lambda: objects(1.5, pd.NA),
    "object floats payload": lambda: objects(1.5, float(PAYLOAD), math.nan),
    "object floats one payload": lambda: objects(1.5, float(PAYLOAD)),
    **{f"object {type(v).__name__}": lambda v=v: objects(v, v) for v in (DATE, TIME, STAMP, SPAN, ID)},
    **{
        f"object {type(v).__name__} {m!r}": lambda v=v, m=m: objects(m, v, m)
        for v in (b"b", DATE, TIME, STAMP, SPAN, ID, decimal.Decimal("1.50"), [1], (1, 2), {"k": 1}, np.arange(3))
        for m in (None, math.nan, pd.NA, pd.NaT)
    },
    "text beside NaT": lambda: objects("a", pd.NaT),
    "object datetimes extreme": lambda: objects(datetime.datetime.min, datetime.datetime.max),
    "object times extreme": lambda: objects(datetime.time.min, datetime.time.max),
    "Decimals": lambda: objects(*map(decimal.Decimal, ("1.00", "-2.50", "0.00"))),
    "Decimals of 38 digits": lambda: objects(decimal.Decimal("9" * 38), decimal.Decimal(0)),
    "Decimals small": lambda: objects(decimal.Decimal("1E-38"), decimal.Decimal("-9E-38")),
    "lists": lambda: objects([1, 2], [], [3]),
    "lists of text": lambda: objects(["a"], ["b", None]),
    "lists of floats": lambda: objects([0.5, math.nan], [-0.0]),
    "lists of lists": lambda: objects([[1], []], [[2, 3]]),
    "lists of dicts": lambda: objects([{"a": 1}], [{"a": 2}, {"a": 3}]),
    "lists of arrays": lambda: objects([np.array([1.5])], [np.array([2.5, 1])]),
    "lists of dates": lambda: objects([DATE], [DATE, DATE]),
    "tuples": lambda: objects((1, 2), (3,)),
    "tuples of text": lambda: objects(("a", "b"), ()),
    "arrays int64": lambda: objects(np.arange(2), np.arange(0), np.arange(3)),
    "arrays float32": lambda: objects(np.array([0.5, math.nan], "float32"), np.array([1], "float32")),
    "arrays bool": lambda: objects(np.array([True]), np.array([False, True])),
    "arrays payload": lambda: objects(np.array([PAYLOAD, MINUS_NAN]), np.array([math.nan])),
    "dicts": lambda: objects({"a": 1, "b": "x"}, {"a": 2, "b": "y"}),
    "dicts with None": lambda: objects({"a": None, "b": 1}, {"a": "x", "b": 2}),
    "dicts of dicts": lambda: objects({"a": {"b": [1]}}, {"a": {"b": []}}),
    "dicts beside None": lambda: objects({"a": 1}, None, {"a": 3}),
    # categories
    "category int": lambda: category([3, 1, None, 3]),
    "category int8": lambda: category([1], categories=pd.Index([2, 1], dtype="int8")),
    "category float": lambda: category([0.5, None, -0.0, math.inf]),
    "category bool": lambda: category([True, False, None]),
    "category Timestamp": lambda: category(pd.to_datetime(["2024", None, "2023"])),
    "category zoned": lambda: category(pd.to_datetime(["2024", "2023"]).tz_localize("Asia/Tokyo")),
    "category Timedelta": lambda: category(pd.to_timedelta([1, 5], unit="s")),
    "category Interval": lambda: pd.DataFrame({"a": pd.cut([1, 5, 9], 3)}),
    "category Interval overlapping": lambda: category(
        pd.arrays.IntervalArray.from_tuples([(0, 5), (1, 2)]), categories=pd.IntervalIndex.from_tuples([(1, 2), (0, 5)])
    ),
    "category Period": lambda: category(pd.period_range("2024", periods=2, freq="M")),
    "category date": lambda: category([DATE, None]),
    "category freq": lambda: category([], categories=pd.date_range("2024", periods=3)),
    "category int unused": lambda: category([2], categories=[3, 2, 1], ordered=True),
    "category int no rows": lambda: category([], categories=[2, 1]),
    "category Int64": lambda: category([1], categories=pd.Index([2, 1], dtype="Int64")),
    "category named by int": lambda: category(["a"], categories=pd.Index(["a"], name=1)),
    "category object ints": lambda: category([1], categories=pd.Index([1, 2], dtype=object)),
    "category tuples": lambda: category([(1, 2)], categories=pd.Index([(1, 2), (3,)], tupleize_cols=False)),
    "category many": lambda: category([f"label {i:030}" for i in range(3000, 0, -1)]),
    # Arrow's own
    "arrow list": lambda: with_arrow(pa.list_(pa.int64()), [1, None], None, []),
    "arrow large list of text": lambda: with_arrow(pa.large_list(pa.string()), ["a"], None),
    "arrow struct": lambda: with_arrow(pa.struct({"a": pa.int8(), "b": pa.string()}), {"a": 1, "b": None}, None),
    "arrow map": lambda: with_arrow(pa.map_(pa.string(), pa.int64()), [("a", 1)], None),
    "arrow dictionary": lambda: with_arrow(pa.dictionary(pa.int8(), pa.string()), "a", None, "a"),
    "arrow dictionary of ints": lambda: with_arrow(pa.dictionary(pa.int32(), pa.int64()), 5, 7, None),
    "arrow time32 s": lambda: with_arrow(pa.time32("s"), datetime.time(1, 2, 3), None),
    "arrow time64": lambda: with_arrow(pa.time64("ns"), datetime.time(1, 2, 3), None),
    "arrow date64": lambda: with_arrow(pa.date64(), DATE, None),
    "arrow timestamp s": lambda: with_arrow(pa.timestamp("s"), STAMP.replace(microsecond=0), None),
    "arrow timestamp s zoned": lambda: with_arrow(pa.timestamp("s", "UTC"), None, 0),
    "arrow timestamp s far": lambda: with_arrow(pa.timestamp("s"), None, None, None),
    "arrow null": lambda: with_arrow(pa.null(), None, None),
    "arrow float16": lambda: with_arrow(pa.float16(), np.float16(0.5), None),
    "arrow fixed binary": lambda: with_arrow(pa.binary(2), b"ab", None),
    # labels
    "labels range": lambda: pd.DataFrame([[1, 2], [3, 4]]),
    "labels range, stepped": lambda: labelled(pd.RangeIndex(4, 0, -2, name="n")),
    "labels int": lambda: labelled([2, 1]),
    "labels int8": lambda: labelled(pd.Index([2, 1], dtype="int8")),
    "labels bool": lambda: labelled([True, False]),
    "labels bool object": lambda: labelled(pd.Index([True, "True"], dtype=object)),
    "labels float": lambda: labelled([0.5, math.nan]),
    "labels mixed": lambda: labelled(["a", 1, 2.5, None]),
    "labels 1 and '1'": lambda: labelled(pd.Index([1, "1"], dtype=object)),
    "labels None": lambda: labelled(pd.Index([None, "a"], dtype=object)),
    "labels missing kinds": lambda: labelled(pd.Index([None, math.nan, pd.NA, pd.NaT], dtype=object)),
    "labels tuple": lambda: labelled(pd.Index([("a", 1), "b"], tupleize_cols=False)),
    "labels np.str_": lambda: labelled(pd.Index([np.str_("a")], dtype=object)),
    "labels surrogate": lambda: labelled(pd.Index(["\ud800", "\\ud800"], dtype=object)),
    "labels twice": lambda: labelled(["a", "b", "a", "a_2"]),
    "labels twice of numbers": lambda: labelled([1, 1]),
    "labels multi": lambda: labelled(pd.MultiIndex.from_tuples([("a", "b"), ("a", 1)], names=["x", None])),
    "levels named by numbers": lambda: pd.DataFrame(
        {"a": [1, 2]}, index=pd.MultiIndex.from_arrays([[5, 6], [7, 8]], names=[1, 0])
    ),
    "labels multi with nan": lambda: labelled(pd.MultiIndex.from_arrays([["a", None], [1, 2]])),
    "labels multi unused": lambda: labelled(pd.MultiIndex.from_product([["a", "b"], [1, 2]])[:2]),
    "labels category": lambda: labelled(pd.CategoricalIndex(["a", "b"], categories=["b", "a", "c"], ordered=True)),
    "labels periods": lambda: labelled(pd.period_range("2024", periods=2, freq="M", name="p")),
    "labels times": lambda: labelled(pd.date_range("2024", periods=2)),
    "labels times zoned": lambda: labelled(pd.DatetimeIndex(["2024", "2025"], tz="Europe/Paris")),
    "labels spans": lambda: labelled(pd.timedelta_range("1h", periods=2)),
    "labels intervals": lambda: labelled(pd.interval_range(0, 2)),
    "labels Timestamps": lambda: labelled(pd.Index([pd.Timestamp(0), "a"], dtype=object)),
    "labels dates": lambda: labelled(pd.Index([DATE, DATE], dtype=object)),
    "labels Int64": lambda: labelled(pd.Index([1, None], dtype="Int64")),
    "labels' name": lambda: labelled(pd.Index(["a"], name=("a", 1))),
    # rows
    "no columns": lambda: pd.DataFrame(index=pd.RangeIndex(3)),
    "no columns, index": lambda: pd.DataFrame(index=pd.Index(["a", "b"], name="k")),
    "nothing": pd.DataFrame,
    "nothing by object": lambda: pd.DataFrame(columns=pd.Index([], dtype=object), index=pd.Index([], dtype=object)),
    "no rows of ranges": lambda: pd.DataFrame({0: []}),
    "freq": lambda: indexed(pd.date_range("2024", periods=3)),
    "freq of months": lambda: indexed(pd.date_range("2024", periods=3, freq="MS", name="m")),
    "freq of quarters": lambda: indexed(pd.date_range("2024", periods=3, freq="QE-NOV")),
    "freq business": lambda: indexed(pd.date_range("2024", periods=6, freq="B")),
    "freq zoned": lambda: indexed(pd.date_range("2024-03-30", periods=4, tz="Europe/Paris")),
    "freq down": lambda: indexed(pd.date_range("2024", periods=3, freq="-2h")),
    "freq of spans": lambda: indexed(pd.timedelta_range("1h", periods=2, freq="90min")),
    "freq, no rows": lambda: indexed(pd.date_range("2024", periods=0, freq="h")),
    "index name int": lambda: indexed(pd.Index([1], name=0)),
    "index name tuple": lambda: indexed(pd.RangeIndex(2, name=("a", 1))),
    "index name surrogate": lambda: indexed(pd.Index([1], name="\ud800")),
    "index name nan": lambda: indexed(pd.Index([1], name=math.nan)),
    "index name Timestamp": lambda: indexed(pd.Index([1], name=pd.Timestamp(0))),
    "index category int": lambda: indexed(pd.CategoricalIndex([2, 1], categories=[3, 2, 1])),
    "index tuples": lambda: indexed(pd.Index([(1, 2), (3, 4)], tupleize_cols=False)),
    "index complex": lambda: indexed(pd.Index([1j, 2])),
    "index float payload": lambda: indexed(pd.Index(np.array([PAYLOAD, 1.5]))),
    "index twice": lambda: indexed(pd.Index([1, 1])),
    "level name int": lambda: level_index([1], [2], names=["a", 1]),
    "level names tuple": lambda: level_index([1], [2], names=[("a",), None]),
    "level with missing ints": lambda: indexed(pd.MultiIndex([[1, 2], ["a"]], [[0, -1], [0, 0]])),
    "level with missing bools": lambda: indexed(pd.MultiIndex([[True], ["a"]], [[0, -1], [0, 0]])),
    "level of descending freq": lambda: indexed(
        pd.MultiIndex([pd.date_range("2024", periods=2, freq="-1D")], [[0, 1]])
    ),
    # the whole
    "flags": lambda: column([1]).set_flags(allows_duplicate_labels=False),
    "attrs int key": lambda: with_attrs({1: 2, "1": 3}),
    "attrs tuple": lambda: with_attrs({"a": (1, [2, {3}])}),
    "attrs nan": lambda: with_attrs({"a": math.nan, "b": math.inf}),
    "attrs numpy": lambda: with_attrs({"a": np.float64(1), "b": np.arange(4).reshape(2, 2)}),
    "attrs surrogate": lambda: with_attrs({"a": "\ud800", "\udc80": 1}),
    "attrs dollar": lambda: with_attrs({"$tuple": [1]}),
    "attrs times": lambda: with_attrs({"a": pd.Timestamp("2024", tz="UTC"), "b": STAMP.replace(tzinfo=UTC)}),
    "attrs nothing at all": lambda: with_attrs({None: None, (): {}}),
}
