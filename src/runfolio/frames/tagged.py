"""Tagged JSON, `tagged-json/1`: any plain Python, NumPy or pandas value as JSON text that keeps its type.

Text, 64-bit integers, finite floats, booleans, None and lists are the JSON values that they look like, and so is a dict
whose keys are text of which none begins with `$`. Everything else is an object of one key, its tag:

==================== ======================================================================================
tag                  content
==================== ======================================================================================
`$int`               the digits of an integer beyond 64 bits
`$float`             `nan`, `inf`, `-inf`, or the 16 hex digits of another NaN
`$str`               text with lone surrogates: base64 of its UTF-8, surrogates passed
`$bytes`             base64; `$bytearray` too
`$dict`              pairs of key and value, in order
`$tuple`             the items; `$set` and `$frozenset` too, sorted by their text
`$missing`           `NA` or `NaT`
`$Decimal`           its text; `$Fraction`, `$UUID`, `$PosixPath` and other kinds of path too
`$complex`           [real, imaginary]
`$range`             [start, stop, step]
`$date`              ISO 8601; `$time` and `$datetime`: [ISO 8601 without offset, fold, zone]
`$timedelta`         [days, seconds, microseconds]
`$Timestamp`         [count, unit, zone], counted since 1970 in UTC; `$Timedelta`: [count, unit]
`$Period`            [ordinal, freq]
`$Interval`          [left, right, closed]
`$scalar`            a NumPy scalar: [dtype, base64 of its bytes]
`$array`             a NumPy array: [dtype, shape, base64 of its bytes in C order]
`$objects`           a NumPy array of objects: [shape, items]
==================== ======================================================================================

Nothing else is encoded, no subclass either, and nothing that is decoded can name code. Equal sets have equal text.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import fractions
import math
import pathlib
import re
import struct
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from runfolio.frames.refusal import Refusal, type_name
from runfolio.frames.zones import describe_zone, restore_zone

__all__ = ["ENCODING", "MAX_DEPTH", "decode", "encode", "is_canonical", "is_text", "tag", "untag"]

ENCODING = "tagged-json/1"
MAX_DEPTH = 100
"""Of containers in each other; what is deeper is refused."""

NAN_BITS = 0x7FF8000000000000
MAX_DIGITS = 4000
"""Python reads no longer integers by default."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_write = msgspec.json.Encoder().encode
_read = msgspec.json.Decoder().decode


def encode(value: Any) -> str:
    """Return the value as text of one line, or raise `Refusal`.

    >>> encode([1, "a", (2, None)]), encode({"a": float("inf")})
    ('[1,"a",{"$tuple":[2,null]}]', '{"a":{"$float":"inf"}}')
    >>> encode({3, 1}), encode({1: b"x"})
    ('{"$set":[1,3]}', '{"$dict":[[1,{"$bytes":"eA=="}]]}')
    """
    return _write(tag(value)).decode()


def decode(text: str | bytes) -> Any:
    """Return the value that text stands for.

    >>> decode('{"$tuple":[1,{"$date":"2024-02-29"}]}')
    (1, datetime.date(2024, 2, 29))
    """
    return untag(_read(text))


def is_text(value: str) -> bool:
    """Whether UTF-8 can hold the text, which it can't with a lone surrogate."""
    return _SURROGATE.search(value) is None


def is_canonical(nan: float) -> bool:
    """Whether a NaN is the one that Python and NumPy spell `nan`.

    >>> is_canonical(float("nan")), is_canonical(-float("nan"))
    (True, False)
    """
    return _bits(nan) == NAN_BITS


def tag(value: Any, depth: int = MAX_DEPTH) -> Any:
    """Return the value as plain JSON data, or raise `Refusal`."""
    kind = type(value)
    if kind is bool or value is None:
        return value
    encoder = _ENCODERS.get(kind)
    if encoder is not None:
        return encoder(value)
    if depth == 0:
        raise Refusal(f"a value nested more than {MAX_DEPTH} levels deep")
    container = _CONTAINERS.get(kind)
    if container is not None:
        return container(value, depth - 1)
    if isinstance(value, np.generic):
        return _tag_scalar(value)
    raise Refusal(f"a value of type {type_name(kind)}, which has no exact form")


def untag(data: Any) -> Any:
    """Return the value that plain JSON data stands for; raises ValueError or alike for data that `tag` doesn't give."""
    kind = type(data)
    if kind is list:
        return [untag(item) for item in data]
    if kind is not dict:
        return data
    if len(data) == 1:
        ((name, content),) = data.items()
        if name[:1] == "$":
            return _DECODERS[name](content)
    return {key: untag(item) for key, item in data.items()}


# ------------------------------------------------------------------------------------------------------ plain values


def _bits(value: float) -> int:
    found: int = struct.unpack("<Q", struct.pack("<d", value))[0]
    return found


def _tag_int(value: int) -> Any:
    if -(2**63) <= value < 2**64:
        return value
    if value.bit_length() > 3 * MAX_DIGITS:
        raise Refusal(f"an integer of more than {MAX_DIGITS} digits")
    return {"$int": str(value)}


def _tag_float(value: float) -> Any:
    if math.isfinite(value):
        return value
    if math.isinf(value):
        return {"$float": "inf" if value > 0 else "-inf"}
    return {"$float": "nan" if is_canonical(value) else f"{_bits(value):016x}"}


def _untag_float(text: str) -> float:
    if text in ("nan", "inf", "-inf"):
        return float(text)
    found: float = struct.unpack(">d", bytes.fromhex(text))[0]
    return found


def _tag_str(value: str) -> Any:
    return value if is_text(value) else {"$str": _base64(value.encode(errors="surrogatepass"))}


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _untag_path(kind: Callable[[str], Any], text: Any) -> Any:
    return kind(untag(text))


def _tag_range(value: range) -> Any:
    return {"$range": [_tag_int(number) for number in (value.start, value.stop, value.step)]}


# ------------------------------------------------------------------------------------------------------------- times


def _zone(value: Any) -> Any:
    return None if value.tzinfo is None else describe_zone(value.tzinfo)


def _tag_time(value: datetime.time) -> Any:
    return {"$time": [value.replace(tzinfo=None).isoformat(), value.fold, _zone(value)]}


def _untag_time(content: Any) -> datetime.time:
    text, fold, zone = content
    made = datetime.time.fromisoformat(text)
    return made.replace(fold=fold, tzinfo=None if zone is None else restore_zone(zone))


def _tag_datetime(value: datetime.datetime) -> Any:
    naive = value.replace(tzinfo=None, fold=0)
    zone = _zone_of_datetime(value)
    found = [naive.isoformat(), value.fold, zone]
    if zone is not None and zone[0] == "pytz" and repr(_untag_datetime(found)) != repr(value):
        raise Refusal(f"the time {value!r}, whose offset its time zone does not have then")
    return {"$datetime": found}


def _zone_of_datetime(value: datetime.datetime) -> Any:
    zone: Any = value.tzinfo
    if type(zone).__module__.partition(".")[0] == "pytz" and zone.zone is not None:
        return ["pytz", zone.zone]  # each offset of a zone is an instance of its own, told by the time
    return _zone(value)


def _untag_datetime(content: Any) -> datetime.datetime:
    text, fold, zone = content
    made = datetime.datetime.fromisoformat(text).replace(fold=fold)
    if zone is None:
        return made
    restored: Any = restore_zone(zone)
    return restored.localize(made) if hasattr(restored, "localize") else made.replace(tzinfo=restored)


def _tag_timestamp(value: pd.Timestamp) -> Any:
    zone = _zone_of_datetime(value)
    found = [int(value.asm8.view("int64")), value.unit, zone]
    made = _untag_timestamp(found)
    if repr(made) != repr(value) or made.fold != value.fold or repr(made.tzinfo) != repr(value.tzinfo):
        raise Refusal(f"the time {value!r}, which pandas does not make again")
    return {"$Timestamp": found}


def _untag_timestamp(content: Any) -> Any:
    count, unit, zone = content
    made: Any = pd.Timestamp(np.datetime64(count, unit))
    return made if zone is None else made.tz_localize("UTC").tz_convert(restore_zone(zone))


def _tag_period(value: pd.Period) -> Any:
    return {"$Period": [value.ordinal, value.freqstr]}


def _untag_period(content: Any) -> Any:
    ordinal, freq = content
    return pd.Period(ordinal=ordinal, freq=freq)


# -------------------------------------------------------------------------------------------------------- containers


def _tag_items(value: Any, depth: int) -> list[Any]:
    return [tag(item, depth) for item in value]


def _tag_set(value: Any, depth: int) -> list[Any]:
    return sorted(_tag_items(value, depth), key=_write)


def _tag_dict(value: dict[Any, Any], depth: int) -> Any:
    if all(type(key) is str and key[:1] != "$" and is_text(key) for key in value):
        return {key: tag(item, depth) for key, item in value.items()}
    return {"$dict": [[tag(key, depth), tag(item, depth)] for key, item in value.items()]}


def _tag_interval(value: Any, depth: int) -> Any:
    return {"$Interval": [tag(value.left, depth), tag(value.right, depth), value.closed]}


def _untag_interval(content: Any) -> Any:
    left, right, closed = content
    return pd.Interval(untag(left), untag(right), closed)


def _tag_scalar(value: np.generic) -> Any:
    if type(value) is not value.dtype.type:
        raise Refusal(f"a value of type {type_name(type(value))}, which has no exact form")
    array = np.asarray(value)
    return {"$scalar": [_dtype_text(array.dtype), _base64(_content(array))]}


def _untag_scalar(content: Any) -> Any:
    text, data = content
    return np.frombuffer(_bytes(data), _dtype(text), count=1)[0]


def _tag_array(value: Any, depth: int) -> Any:
    if value.dtype == object:
        return {"$objects": [list(value.shape), _tag_items(value.ravel().tolist(), depth)]}
    return {"$array": [_dtype_text(value.dtype), list(value.shape), _base64(_content(value))]}


def _untag_array(content: Any) -> Any:
    text, shape, data = content
    dtype = _dtype(text)
    if not dtype.itemsize or not math.prod(shape):
        return np.empty(shape, dtype) if not math.prod(shape) else np.zeros(shape, dtype)
    return np.frombuffer(_bytes(data), dtype).reshape(shape).copy()


def _untag_objects(content: Any) -> Any:
    shape, items = content
    flat = np.empty(len(items), dtype=object)
    for place, item in enumerate(items):  # a slice would spread lists of equal length
        flat[place] = untag(item)
    return flat.reshape(shape)


def _dtype_text(dtype: np.dtype[Any]) -> str:
    if dtype.kind not in "biufcmMSU" or dtype.metadata or dtype.fields or np.dtype(dtype.str) != dtype:
        raise Refusal(f"NumPy values of dtype {dtype}")
    return dtype.str


def _dtype(text: str) -> np.dtype[Any]:
    dtype = np.dtype(text)
    if dtype.kind not in "biufcmMSU":
        raise ValueError(f"no plain dtype: {text!r}")
    return dtype


def _content(array: Any) -> bytes:
    if array.dtype in (np.longdouble, np.clongdouble) and np.finfo(array.dtype).nmant == 63:  # noqa: PLR2004
        raw = np.frombuffer(array.tobytes(), np.uint8).reshape(-1, 16).copy()
        raw[:, 10:] = 0  # 80 bits are kept in 128, and what is in the others is left to chance
        return raw.tobytes()
    found: bytes = array.tobytes()
    return found


# ------------------------------------------------------------------------------------------------------------ tables

_PATHS = {kind.__name__: kind for kind in (type(pathlib.Path()), pathlib.PurePosixPath, pathlib.PureWindowsPath)}
_NA_TYPE, _NAT_TYPE = type(pd.NA), type(pd.NaT)

_ENCODERS: dict[type, Callable[[Any], Any]] = {
    int: _tag_int,
    float: _tag_float,
    str: _tag_str,
    bytes: lambda value: {"$bytes": _base64(value)},
    bytearray: lambda value: {"$bytearray": _base64(value)},
    complex: lambda value: {"$complex": [_tag_float(value.real), _tag_float(value.imag)]},
    range: _tag_range,
    decimal.Decimal: lambda value: {"$Decimal": str(value)},
    fractions.Fraction: lambda value: {"$Fraction": [_tag_int(value.numerator), _tag_int(value.denominator)]},
    uuid.UUID: lambda value: {"$UUID": str(value)},
    **{kind: lambda value: {f"${type(value).__name__}": _tag_str(str(value))} for kind in _PATHS.values()},
    _NA_TYPE: lambda _: {"$missing": "NA"},
    _NAT_TYPE: lambda _: {"$missing": "NaT"},
    datetime.date: lambda value: {"$date": value.isoformat()},
    datetime.time: _tag_time,
    datetime.datetime: _tag_datetime,
    datetime.timedelta: lambda value: {"$timedelta": [value.days, value.seconds, value.microseconds]},
    pd.Timestamp: _tag_timestamp,
    pd.Timedelta: lambda value: {"$Timedelta": [int(value.asm8.view("int64")), value.unit]},
    pd.Period: _tag_period,
}

_CONTAINERS: dict[type, Callable[[Any, int], Any]] = {
    list: _tag_items,
    tuple: lambda value, depth: {"$tuple": _tag_items(value, depth)},
    set: lambda value, depth: {"$set": _tag_set(value, depth)},
    frozenset: lambda value, depth: {"$frozenset": _tag_set(value, depth)},
    dict: _tag_dict,
    np.ndarray: _tag_array,
    pd.Interval: _tag_interval,
}

_DECODERS: dict[str, Callable[[Any], Any]] = {
    "$int": int,
    "$float": _untag_float,
    "$str": lambda text: _bytes(text).decode(errors="surrogatepass"),
    "$bytes": _bytes,
    "$bytearray": lambda text: bytearray(_bytes(text)),
    "$complex": lambda pair: complex(untag(pair[0]), untag(pair[1])),
    "$range": lambda numbers: range(*map(untag, numbers)),
    "$Decimal": decimal.Decimal,
    "$Fraction": lambda pair: fractions.Fraction(untag(pair[0]), untag(pair[1])),
    "$UUID": uuid.UUID,
    **{f"${name}": partial(_untag_path, kind) for name, kind in _PATHS.items()},
    "$missing": lambda name: {"NA": pd.NA, "NaT": pd.NaT}[name],
    "$date": datetime.date.fromisoformat,
    "$time": _untag_time,
    "$datetime": _untag_datetime,
    "$timedelta": lambda parts: datetime.timedelta(*parts),
    "$Timestamp": _untag_timestamp,
    "$Timedelta": lambda pair: pd.Timedelta(np.timedelta64(*pair)),
    "$Period": _untag_period,
    "$Interval": _untag_interval,
    "$scalar": _untag_scalar,
    "$array": _untag_array,
    "$objects": _untag_objects,
    "$tuple": lambda items: tuple(map(untag, items)),
    "$set": lambda items: set(map(untag, items)),
    "$frozenset": lambda items: frozenset(map(untag, items)),
    "$dict": lambda pairs: {untag(key): untag(item) for key, item in pairs},
}
