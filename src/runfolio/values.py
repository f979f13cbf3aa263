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
from collections.abc import Callable, KeysView, Mapping, Set, ValuesView
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from msgspec import Struct, json, structs, to_builtins

from runfolio.errors import ContextError, UsageError

MAX_DEPTH = 64
MAX_REPR = 1000
_MIN_INT, _MAX_INT = -(2**63), 2**64 - 1


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


def _normal(value: Any, place: tuple[Any, ...]) -> Any:
    plain = _PLAIN.get(type(value))
    if plain is not None:
        return plain(value)
    if len(place) >= MAX_DEPTH:
        raise ContextError(
            f"a value is nested more than {MAX_DEPTH} levels deep at {_show(place)}",
            remedy="flatten it, or pass its repr",
        )
    kind = type(value)
    if kind is dict:
        return _object(value, place)
    if kind is list or kind is tuple:
        return [_normal(item, (*place, index)) for index, item in enumerate(value)]
    return _other(value, place)


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


def _object(mapping: Mapping[Any, Any], place: tuple[Any, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in mapping.items():
        name = key if type(key) is str and key.isascii() else _key(key, place)
        if name in found:
            raise ContextError(
                f"two keys become {name!r} at {_show(place)}", remedy="give them names that differ as text", key=name
            )
        plain = _PLAIN.get(type(value))
        found[name] = _normal(value, (*place, key)) if plain is None else plain(value)
    return found


def _key(key: Any, place: tuple[Any, ...]) -> str:
    found = _normal(key, place)
    return found if isinstance(found, str) else json.encode(found).decode()


def _other(value: Any, place: tuple[Any, ...]) -> Any:
    for kinds, convert in _CONVERT:
        if isinstance(value, kinds):
            return convert(value, place)
    if hasattr(type(value), "__dataclass_fields__"):
        return _object({name: getattr(value, name) for name in type(value).__dataclass_fields__}, place)
    module = type(value).__module__.partition(".")[0]
    if module == "numpy":
        return _numpy(value, place)
    if module == "pandas" and type(value).__name__ in ("NAType", "NaTType"):
        return None
    return _repr(value)


def _numpy(value: Any, place: tuple[Any, ...]) -> Any:
    name = type(value).__name__
    if name == "datetime64":
        found = str(value)
        return None if found == "NaT" else found
    if name in ("ndarray", "timedelta64") or hasattr(value, "dtype"):
        plain = value.tolist()
        return _repr(value) if type(plain) is type(value) else _normal(plain, place)
    return _repr(value)


def _set(value: Any, place: tuple[Any, ...]) -> list[Any]:
    return sorted((_normal(item, (*place, index)) for index, item in enumerate(value)), key=json.encode)


def _datetime(value: datetime, place: tuple[Any, ...]) -> str | None:
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


def _show(place: tuple[Any, ...]) -> str:
    shown = "".join(f"[{key!r}]" for key in place[:8])
    return (shown or "the top") + ("…" if len(place) > 8 else "")  # noqa: PLR2004


_PLAIN: dict[type, Callable[[Any], Any]] = {
    str: plain_text,
    int: _int,
    float: _float,
    bool: bool,
    type(None): lambda value: None,
}

_CONVERT: list[tuple[Any, Callable[[Any, tuple[Any, ...]], Any]]] = [
    (Enum, lambda value, place: _normal(value.value, (*place, "value"))),
    (str, lambda value, place: plain_text(value)),
    (int, lambda value, place: _int(value)),
    (float, lambda value, place: _float(value)),
    (datetime, _datetime),
    ((date, time), lambda value, place: value.isoformat()),
    (timedelta, lambda value, place: to_builtins(timedelta(value.days, value.seconds, value.microseconds))),
    ((Decimal, UUID), lambda value, place: str(value)),
    (os.PathLike, lambda value, place: _normal(os.fspath(value), place)),
    ((bytes, bytearray, memoryview), lambda value, place: to_builtins(bytes(value))),
    (Mapping, _object),
    ((list, tuple, deque, range, KeysView, ValuesView), lambda value, place: _normal(list(value), place)),
    (Set, _set),
    (Struct, lambda value, place: _object(structs.asdict(value), place)),
]
