"""Frames of which a column is tagged JSON: name, builder, and the names of those columns in the file, else `a`."""

import datetime
import decimal
import fractions
import math
import pathlib
import uuid
import zoneinfo

import numpy as np
import pandas as pd

from .builders import PANDAS_3, STRING_DTYPES, UTC, category, column, indexed, level_index, nested, objects, text
from .native import DATE, PAYLOAD, STAMP

PARIS = zoneinfo.ZoneInfo("Europe/Paris")
D = decimal.Decimal

FALLEN = {
    # kinds of missing values
    "text, None and nan": lambda: objects("a", None, math.nan),
    "text, None and NA": lambda: objects("a", None, pd.NA),
    "text and all kinds": lambda: objects("a", None, math.nan, pd.NA, pd.NaT),
    "only None and nan": lambda: objects(None, math.nan),
    "text beside a payload": lambda: objects("a", float(PAYLOAD)),
    "text beside None and a negative nan": lambda: objects(None, -math.nan, "a"),
    "floats, nan, None and NA": lambda: objects(1.5, math.nan, None, pd.NA),
    "ints, nan and None": lambda: objects(1, math.nan, None),
    # mixtures
    "int and str": lambda: objects(1, "1"),
    "int and str and None": lambda: objects(1, "1", None),
    "bool and int": lambda: objects(True, 1),
    "int and float": lambda: objects(1, 1.0),
    "float beside text": lambda: objects("a", 1.5),
    "float and nan beside text": lambda: objects("a", 1.5, math.nan),
    "bytes and str": lambda: objects(b"a", "a"),
    "date and datetime": lambda: objects(DATE, STAMP),
    "list and tuple": lambda: objects([1], (1,)),
    "list and scalar": lambda: objects([1], 1),
    "everything": lambda: objects(1, 1.5, "a", b"b", None, True, DATE, STAMP, (1,), [1], {1}, {"a": 1}, D("1.0"), 1j),
    # numbers
    "int huge": lambda: objects(2**200, -(2**200)),
    "int beyond 64 bits": lambda: objects(2**63),
    "int uint64": lambda: objects(2**64 - 1, 2**64, -(2**63) - 1),
    "Decimals of mixed scale": lambda: objects(D("1.0"), D("1.00")),
    "Decimals huge": lambda: objects(D("9" * 39)),
    "Decimals odd": lambda: objects(D("NaN"), D("-Infinity"), D("sNaN12"), D("-0"), D("1E+5")),
    "Decimal minus zero": lambda: objects(D("-0.00")),
    "Decimal positive exponent": lambda: objects(D("1E+3")),
    "complex objects": lambda: objects(1j, complex(math.nan, -0.0)),
    "Fractions": lambda: objects(fractions.Fraction(1, 3), fractions.Fraction(2**100, 3)),
    "longdouble": lambda: column(np.array(["1.1", "nan", "1e400"], np.longdouble)),
    "clongdouble": lambda: column(np.array([1.5 + 2j], np.clongdouble)),
    "numpy scalars": lambda: objects(
        np.int8(1), np.float64("nan"), np.float32(0.5), np.bool_(True), np.uint64(2**64 - 1)
    ),
    "numpy scalars of one dtype": lambda: objects(np.int64(1), np.int64(2)),
    "numpy text": lambda: objects(np.str_("a\ud800"), np.bytes_(b"b"), np.str_("")),
    "numpy times": lambda: objects(np.datetime64("2024", "D"), np.datetime64("NaT"), np.timedelta64(5, "ns")),
    "numpy longdouble": lambda: objects(np.longdouble("1.1")),
    # text
    "lone surrogate": lambda: objects("a", "\udc80", "\ud83d\ude00", None),
    "lone surrogate in string": lambda: text(STRING_DTYPES[0], "\udc80", None),
    "lone surrogate in str": lambda: text(STRING_DTYPES[1], "\udc80", None, "b"),
    "lone surrogate in category": lambda: column(
        pd.Categorical.from_codes([0, -1], pd.Index(["\udc80"], dtype=object))
    ),
    "surrogate in unused category": lambda: category(["a"], categories=pd.Index(["\udc80", "a"], dtype=object)),
    "text that looks tagged": lambda: objects('{"$int":"1"}', 1, {"$int": "1"}, {"$a": 1, "b": 2}),
    # times
    "datetimes of mixed zones": lambda: objects(STAMP.replace(tzinfo=UTC), STAMP.replace(tzinfo=PARIS)),
    "datetimes with a zone": lambda: objects(STAMP.replace(tzinfo=UTC), None),
    "datetimes, one naive": lambda: objects(STAMP.replace(tzinfo=UTC), STAMP),
    "datetimes with fold": lambda: objects(STAMP.replace(fold=1), STAMP),
    "datetimes with zone and fold": lambda: objects(datetime.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=PARIS)),
    "datetimes with odd offset": lambda: objects(STAMP.replace(tzinfo=datetime.timezone(datetime.timedelta(0, 30, 5)))),
    "times with a zone": lambda: objects(datetime.time(1, tzinfo=UTC), datetime.time(2)),
    "times with fold": lambda: objects(datetime.time(1, fold=1)),
    "timedelta extreme": lambda: objects(datetime.timedelta.max, datetime.timedelta.min),
    "Timestamps": lambda: objects(pd.Timestamp(1), pd.Timestamp("2024").as_unit("s"), None),
    "Timestamps of mixed zones": lambda: objects(pd.Timestamp(0, tz="UTC"), pd.Timestamp(0, tz="Asia/Tokyo"), pd.NaT),
    "Timestamps at a fold": lambda: objects(*pd.date_range("2024-10-27", periods=5, freq="h", tz="Europe/Paris")),
    "Timedeltas": lambda: objects(pd.Timedelta(1), pd.Timedelta("1D").as_unit("s")),
    "Periods": lambda: objects(pd.Period("2024", "M"), pd.Period("2024", "D")),
    "Intervals": lambda: objects(pd.Interval(0, 1), pd.Interval(0.5, 1, "both"), None),
    "Intervals of times": lambda: objects(pd.Interval(pd.Timestamp(0), pd.Timestamp(1), "left")),
    # containers
    "sets": lambda: objects({1, "a", None}, set()),
    "frozensets": lambda: objects(frozenset({(1, 2), (3,)}), frozenset()),
    "lists of mixed": lambda: objects([1, "a"], [None]),
    "lists of nothing": lambda: objects([], []),
    "lists of None": lambda: objects([None], [None, None]),
    "lists of ids": lambda: objects([uuid.UUID(int=1)]),
    "tuples of mixed": lambda: objects((1, "a"), (2, "b")),
    "tuples nested": lambda: objects(((1, "a"), [2]), ()),
    "dicts of differing keys": lambda: objects({"a": 1}, {"b": 2}),
    "dicts of differing order": lambda: objects({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "dicts of conflicting values": lambda: objects({"a": 1}, {"a": "x"}),
    "dicts of int keys": lambda: objects({1: 2}, {(1, 2): 3, None: 4}),
    "dicts empty": lambda: objects({}, {}),
    "dicts of empty key": lambda: objects({"": 1}),
    "dicts deep": lambda: objects({"a": nested(60)}),
    "arrays of two dimensions": lambda: objects(np.arange(4).reshape(2, 2), np.zeros((0, 3))),
    "arrays of no dimension": lambda: objects(np.array(5)),
    "arrays of differing dtypes": lambda: objects(np.arange(2), np.arange(2.0)),
    "arrays of objects": lambda: objects(
        np.array([1, "a", None, [1]], dtype=object), np.array([[1], [2]], dtype=object)
    ),
    "arrays of text": lambda: objects(np.array(["a", "bc"])),
    "arrays of times": lambda: objects(np.array(["2024", "NaT"], dtype="M8[s]")),
    "arrays big-endian": lambda: objects(np.array([1, 2], ">i4")),
    "arrays complex": lambda: objects(np.array([1j])),
    # others
    "paths": lambda: objects(pathlib.Path("a/b"), pathlib.PurePosixPath("/"), pathlib.PureWindowsPath("c:\\x")),
    "ranges": lambda: objects(range(3), range(5, 0, -2)),
    "bytearray": lambda: objects(bytearray(b"a")),
    "ids and text": lambda: objects(uuid.UUID(int=1), "a"),
    "sparse objects": lambda: column(pd.arrays.SparseArray(np.array(["a", 1], dtype=object), fill_value=None)),
    "categories mixed": lambda: category([1, "a", None, 2.5]),
    "categories of frozensets": lambda: category([frozenset({1})], categories=[frozenset({1}), frozenset()]),
    "categories mixed, unused": lambda: category(["a"], categories=["a", 1, (2,)], ordered=True),
    "categories mixed, no rows": lambda: category([], categories=["a", 1]),
    # the index
    "index mixed": (lambda: indexed(pd.Index([1, "a"])), ["__index_level_0__"]),
    "index mixed named": (lambda: indexed(pd.Index([1, "a", None], name="k")), ["k"]),
    "index Timestamps": (lambda: indexed(pd.Index([pd.Timestamp(0), "a"], dtype=object)), ["__index_level_0__"]),
    "index surrogate": (lambda: indexed(pd.Index(["\udc80"], dtype=object)), ["__index_level_0__"]),
    "index frozensets": (lambda: indexed(pd.Index([frozenset({1})], dtype=object)), ["__index_level_0__"]),
    "level mixed": (lambda: level_index(["a", 1], [1, 2], names=["k", None]), ["k"]),
    "two of three": (
        lambda: pd.concat([objects(1, "a"), column([1, 2]), objects({1}, 2)], axis=1).set_axis(["x", "y", "z"], axis=1),
        ["x", "z"],
    ),
    "twice, one fallen": (
        lambda: pd.concat([objects(1, "a"), column([1, 2])], axis=1),
        ["a"],
    ),
}
if not PANDAS_3:
    import pytz

    FALLEN |= {"datetimes of pytz": lambda: objects(pytz.timezone("Europe/Paris").localize(STAMP), STAMP)}
