"""Small frames for the corpus, each built by a word."""

import datetime
import decimal
import io
import struct
import warnings
import zoneinfo

import numpy as np
import pandas as pd
import pyarrow as pa

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
