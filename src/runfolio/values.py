r"""The normal form of what users put into contexts and details: plain JSON values, the same live and read back.

=====================================================  ===============================================================
a value                                                its normal form
=====================================================  ===============================================================
None, bool, str, float; int of up to 64 bits           itself (NumPy's scalars as Python's)
a larger int, Decimal, UUID                            its digits as text
NaN, infinity, -infinity                               the text "NaN", "Infinity", "-Infinity"
pandas.NA, pandas.NaT, numpy NaT                       null
date, time, datetime, numpy.datetime64                 ISO 8601 text, as it is: no zone is added or changed
timedelta                                              ISO 8601 duration, "P1DT30S"
a path                                                 its text
bytes                                                  base64 text
Enum                                                   the normal form of its value
dict and other mappings, dataclass, msgspec Struct     an object; keys that are no text become what JSON writes for them
list, tuple, deque, range, NumPy array                 an array
set, frozenset                                         an array, ordered by the JSON text of its items
anything else                                          its `repr`, at most 1,000 characters
a lone surrogate in any text                           its escape, as in Python source: `\udc80`
=====================================================  ===============================================================

Refused, with a ContextError that names the place: two keys of a mapping that become the same text, and more than
64 levels.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Iterable, KeysView, Mapping, Set, ValuesView
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from msgspec import Struct, json, structs, to_builtins

from runfolio.errors import ContextError, UsageError

MAX_DEPTH = 64
MAX_REPR = 1000
_NANOSECONDS = {
    "W": 7 * 86_400 * 10**9,
    "D": 86_400 * 10**9,
    "h": 3600 * 10**9,
    "m": 60 * 10**9,
    "s": 10**9,
    "ms": 10**6,
    "us": 1000,
    "ns": 1,
}
_MIN_INT, _MAX_INT = -(2**63), 2**64 - 1


Place = tuple[Any, ...]
"""The keys and numbers that lead to a value."""


def normal(value: Any) -> Any:
    """The normal form of a value.

    >>> normal({"rates": (0.5, float("nan")), 3: {"b", "a"}})
    {'rates': [0.5, 'NaN'], '3': ['a', 'b']}

    Raises ContextError.
    """
    return _normal(value, ())


def normal_object(value: Any, what: str) -> dict[str, Any]:
    """The normal form of a context, which is a mapping or None (an empty one)."""
    if value is None:
        return {}
    if type(value) is dict and _is_plain(value):
        return value.copy()
    found = _normal(value, ())
    if isinstance(found, dict):
        return found
    raise UsageError(f"{what} is a {type(value).__name__}", remedy=f"pass {what} as a dict", key=what)


def as_text(value: Any) -> str | None:
    """A value recorded by hand as text: text as it is, None of None, anything else as the JSON of its normal form."""
    found = normal(value)
    return found if found is None or isinstance(found, str) else json.encode(found).decode()


def _normal(value: Any, place: Place) -> Any:
    plain = _PLAIN.get(type(value))
    return _other(value, place) if plain is None else plain(value)


def _is_plain(mapping: dict[Any, Any]) -> bool:
    """Whether a flat dict is its own normal form: most contexts are, and the hot path has no time to rebuild them."""
    for key, value in mapping.items():
        if type(key) is not str or not key.isascii():
            return False
        kind = type(value)
        if kind is str:
            if not value.isascii():
                return False
        elif kind is int:
            if not _MIN_INT <= value <= _MAX_INT:
                return False
        elif kind is float:
            if not math.isfinite(value):
                return False
        elif kind is not bool and value is not None:
            return False
    return True


def _object(mapping: Mapping[Any, Any], place: Place) -> dict[str, Any]:
    _check_depth(place)
    found: dict[str, Any] = {}
    for key, value in mapping.items():
        name = key if type(key) is str and key.isascii() else _key(key, place)
        if name in found:
            raise ContextError(
                f"two keys become {name!r} at {_show(place)}", remedy="give them names that differ as text", key=name
            )
        found[name] = _normal(value, (*place, key))
    return found


def _key(key: Any, place: Place) -> str:
    found = _normal(key, place)
    return found if isinstance(found, str) else json.encode(found).decode()


def _array(items: Iterable[Any], place: Place) -> list[Any]:
    _check_depth(place)
    return [_normal(item, (*place, index)) for index, item in enumerate(items)]


def _other(value: Any, place: Place) -> Any:
    for kinds, convert in _CONVERT:
        if isinstance(value, kinds):
            return convert(value, place)
    if hasattr(type(value), "__dataclass_fields__"):
        return _dataclass(value, place)
    module = type(value).__module__.partition(".")[0]
    if module == "numpy":
        return _numpy(value, place)
    if module == "pandas" and type(value).__name__ in ("NAType", "NaTType"):
        return None
    return _repr(value)


def _dataclass(value: Any, place: Place) -> dict[str, Any]:
    from dataclasses import fields  # noqa: PLC0415  (few contexts hold one)

    return _object({field.name: getattr(value, field.name) for field in fields(value)}, place)


def _numpy(value: Any, place: Place) -> Any:
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    if kind is None:
        return _repr(value)
    if getattr(value, "ndim", 0) > 0:
        return _array(value if kind in "mM" else value.tolist(), place)
    if kind == "m":
        return _numpy_duration(value)
    if kind == "M":
        found = str(value)
        return None if found == "NaT" else found
    plain = value.tolist()
    return _repr(value) if type(plain) is type(value) else _normal(plain, place)


def _numpy_duration(value: Any) -> str | None:
    from numpy import datetime_data, isnat  # noqa: PLC0415  (the value is NumPy's, which is loaded then)

    if isnat(value):
        return None
    unit, count = datetime_data(value.dtype)
    factor = _NANOSECONDS.get(unit)
    return _repr(value) if factor is None else _duration(int(value.astype("int64")) * count * factor)


def _timedelta(value: timedelta, place: Place) -> str:
    microseconds = (value.days * 86_400 + value.seconds) * 10**6 + value.microseconds
    return _duration(microseconds * 1000 + getattr(value, "nanoseconds", 0))  # pandas has nanoseconds as well


def _duration(nanoseconds: int) -> str:
    """An ISO 8601 duration in days and seconds."""
    days, rest = divmod(abs(nanoseconds), 86_400 * 10**9)
    seconds, fraction = divmod(rest, 10**9)
    time = f"T{seconds}" + f".{fraction:09d}".rstrip("0").rstrip(".") + "S" if rest else ""
    return ("-" if nanoseconds < 0 else "") + "P" + (f"{days}D" if days or not rest else "") + time


def _set(value: Any, place: Place) -> list[Any]:
    return sorted(_array(value, place), key=json.encode)


def _check_depth(place: Place) -> None:
    if len(place) >= MAX_DEPTH:
        raise ContextError(
            f"a value is nested more than {MAX_DEPTH} levels deep at {_show(place)}",
            remedy="flatten it, or pass its repr",
        )


def _datetime(value: datetime, place: Place) -> str | None:
    found = value.isoformat()
    return None if found == "NaT" else found


def _float(value: float) -> float | str:
    if math.isfinite(value):
        return float(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _int(value: int) -> int | str:
    return int(value) if _MIN_INT <= value <= _MAX_INT else _digits(value)


def _digits(value: int) -> str:
    try:
        return str(int(value))
    except ValueError:  # Python refuses to spell out more than 4,300 digits
        return hex(value)


def plain_text(value: str) -> str:
    """Text as UTF-8 can hold it: lone surrogates spelled out, subclasses of str as str."""
    plain = value if type(value) is str else str.__str__(value)
    return plain if plain.isascii() else plain.encode("utf-8", "backslashreplace").decode()


def _repr(value: Any) -> str:
    try:
        found = repr(value)
    except Exception:  # noqa: BLE001  (the object is the user's, and so is what its repr raises)
        found = object.__repr__(value)
    return plain_text(found[:MAX_REPR])


def _show(place: Place) -> str:
    shown = "".join(f"[{key!r}]" for key in place[:8])
    return (shown or "the top") + ("…" if len(place) > 8 else "")  # noqa: PLR2004


_PLAIN: dict[type, Callable[[Any], Any]] = {
    str: plain_text,
    int: _int,
    float: _float,
    bool: bool,
    type(None): lambda value: None,
}

_CONVERT: list[tuple[Any, Callable[[Any, Place], Any]]] = [
    (dict, _object),
    ((list, tuple), _array),
    (Enum, lambda value, place: _normal(value.value, place)),
    (str, lambda value, place: plain_text(value)),
    (int, lambda value, place: _int(value)),
    (float, lambda value, place: _float(value)),
    (datetime, _datetime),
    ((date, time), lambda value, place: value.isoformat()),
    (timedelta, _timedelta),
    ((Decimal, UUID), lambda value, place: str(value)),
    ((bytes, bytearray, memoryview), lambda value, place: to_builtins(bytes(value))),
    (Mapping, _object),
    ((deque, range, KeysView, ValuesView), _array),
    (Set, _set),
    (Struct, lambda value, place: _object(structs.asdict(value), place)),
    (os.PathLike, lambda value, place: _normal(os.fspath(value), place)),
]
"""In this order: an Enum can be a text or a number, and KeysView a set."""
