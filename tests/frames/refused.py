"""Frames that are refused: name, builder, the words of the reason, column and row."""

import collections
import datetime
import decimal
import enum
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from .builders import column, cycle, indexed, keyless_zone, nested, objects, with_attrs, zoned


class Text(str):
    """A str that isn't one."""

    __slots__ = ()


class Frame(pd.DataFrame):
    """A frame that isn't one."""


class Labels(pd.Index):
    """An Index that isn't one."""


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 1


Point = collections.namedtuple("Point", "x y")


class Anything:
    pass


def subclassed(kind, *values):
    return type(f"My{kind.__name__}", (kind,), {})(*values)


def deep_set(depth):
    value = frozenset()
    for _ in range(depth):
        value = frozenset({value})
    return value


def strange_labels():
    index = object.__new__(Labels)
    index.__dict__.update(pd.Index(["a"]).__dict__)
    index._data = np.array(["a"], dtype=object)
    index._name = None
    index._cache = {}
    index._reset_identity()
    return index


ODD_CELLS = {
    "str subclass": Text("a"),
    "int subclass": subclassed(int, 1),
    "dict subclass": collections.OrderedDict(a=1),
    "defaultdict": collections.defaultdict(list),
    "Counter": collections.Counter("a"),
    "namedtuple": Point(1, 2),
    "list subclass": subclassed(list),
    "array subclass": np.ma.array([1]),
    "datetime subclass": subclassed(datetime.datetime, 2024, 1, 1),
    "Decimal subclass": subclassed(decimal.Decimal, 1),
    "Enum": Colour.RED,
    "IntEnum": Level.LOW,
    "function": len,
    "class": int,
    "object": Anything(),
    "module": sys,
    "structured scalar": np.array([(1, 2)], dtype="i4,i4")[0],
    "structured array": np.array([(1, 2)], dtype="i4,i4"),
    "frame in a cell": pd.DataFrame({"a": [1]}),
    "series in a cell": pd.Series([1]),
    "offset": pd.offsets.Day(),
    "Ellipsis": ...,
    "generator": (i for i in ()),
    "deep list": nested(200),
    "deep set": deep_set(150),
    "cycle": cycle(),
    "zone without a key": datetime.datetime(2024, 1, 1, tzinfo=keyless_zone()),
    "integer of 5000 digits": 10**5000,
    "within a list": [[Anything()]],
    "within a dict": {"a": {1: Colour.RED}},
    "as a key": {Colour.RED: 1},
    "memoryview": memoryview(b"a"),
}

REFUSED = {
    **{
        name: (lambda cell=cell: objects(1, "a", cell), "column 'a', row 2: ", "a", 2)
        for name, cell in ODD_CELLS.items()
    },
    "str subclass in string": (
        lambda: column(pd.arrays.StringArray(np.array([np.str_("a")], dtype=object))),
        "string cells of type numpy.str_",
        "a",
        None,
    ),
    "str subclasses alone": (lambda: objects(Text("a"), Text("b")), "Text, which has no exact form", "a", 0),
    "zone of dateutil": (
        lambda: zoned("dateutil/Europe/Paris"),
        "use one of zoneinfo with a key, or of datetime.timezone",
        "a",
        None,
    ),
    "zone without a key, dtype": (lambda: zoned(keyless_zone()), "use one of zoneinfo with a key", "a", None),
    "arrow union": (
        lambda: column(pd.array(pa.array([None, None]), dtype=pd.ArrowDtype(pa.null()))).assign(
            b=pd.array(
                pa.chunked_array([pa.array([(0, 0, 1), None], pa.month_day_nano_interval())]),
                dtype=pd.ArrowDtype(pa.month_day_nano_interval()),
            )
        ),
        "does not come back from Parquet",
        "b",
        None,
    ),
    "label of an object": (
        lambda: pd.DataFrame([[1]], columns=pd.Index([Anything()], dtype=object)),
        "the column labels: a value of type",
        None,
        None,
    ),
    "labels in a subclass": (lambda: pd.DataFrame([[1]], columns=strange_labels()), "the column labels: ", None, None),
    "index name of an object": (lambda: indexed(pd.Index([1], name=Colour.RED)), "index: a value of type", None, None),
    "index of objects": (lambda: indexed(pd.Index([Colour.RED], dtype=object)), "index, row 0: a value of", None, 0),
    "category of objects": (
        lambda: column(pd.Categorical([Colour.RED])),
        "column 'a': categories: a value of type",
        "a",
        None,
    ),
    "freq without text": (
        lambda: indexed(pd.date_range("2024-01-01", periods=3, freq=pd.DateOffset(days=2))),
        "index: its freq",
        None,
        None,
    ),
    "freq of holidays": (
        lambda: indexed(pd.bdate_range("2024-01-01", periods=3, freq="C", holidays=["2024-01-02"])),
        "index: its freq",
        None,
        None,
    ),
    "subclass": (lambda: Frame({"a": [1]}), "Frame, not a pandas.DataFrame", None, None),
    "series": (lambda: pd.Series([1]), "Series, not a pandas.DataFrame", None, None),
    "polars": (lambda: pl.DataFrame({"a": [1]}), "DataFrame, not a pandas.DataFrame", None, None),
    "attrs of an object": (lambda: with_attrs({"a": Anything()}), "its attrs: a value of type", None, None),
    "attrs of a frame": (lambda: with_attrs({"a": pd.DataFrame()}), "its attrs: a value of type", None, None),
    "attrs uncopyable": (lambda: with_attrs({"a": sys._getframe()}), "its attrs: ", None, None),
    "attrs of a cycle": (lambda: with_attrs(cycle()), "its attrs: a value nested", None, None),
    "attrs too deep": (lambda: with_attrs({"a": nested(100)}), "its attrs: a value nested", None, None),
    "attrs far too deep": (lambda: with_attrs({"a": nested(100_000)}), "its attrs: a value nested", None, None),
    "attrs huge": (lambda: with_attrs({"a": 10**5000}), "its attrs: an integer", None, None),
}
