"""Mutations of golden bytes: as bytes, and as JSON, so that the decoder behind a checksum is reached."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any

TOKENS = (
    *(b"\n", b"\r", b"\0", b"\n\n", b"{", b"}", b"[", b"]", b'"', b",", b":", b"\\", b"\\u0000", b"\\ud800", b"\xff"),
    *(b"\xef\xbb\xbf", b"null", b"true", b"NaN", b"Infinity", b"-", b"1e999", b"0x10", b"//", b'"kind":"event",'),
    *(b',"crc":"00000000"}', b',"crc":"', b'"seq":1,', b"[" * 5000, b'{"a":' * 5000, b" " * 50, b"9" * 400),
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 7, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63), -(2**63) - 1, 10**40),
    *(0.0, -0.0, 0.5, 1e308, -1e308, 5e-324, 1e16, 1.0, "", " ", "x", "\0", "\n", "\x1b[31m", "\ud800", "é", "𝄞", "*"),
    *("../../etc/passwd", "results/../run.json", "results/000001-loader-a.parquet", "results/x", "a/b", "~", "~1/~0"),
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"),
    *("2026-11-23T07:30:00", "2026-02-30T00:00:00Z", "2026-11-23T07:30:00.5+05:30", "main", "event", "snapshot"),
    *("restore", "segment", "state", "step", "config", "in_progress", "completed", "failed", "interrupted", "after"),
    *("manual", "before", "parquet", "json", "report", "pandas.Series", "batches of pandas.DataFrame", "pyarrow.Table"),
    *("batches of ", "CREATE", "TRANSFORM", "snapshot-000001", "snapshot-000003", "int64", "NaT", "nan", "1e400"),
    *({"writer": "main"}, {"writer": []}, {"writer": {}, "files": []}, {"writer": "main", "files": [["x", 1, 2]]}),
    *({"point": "after"}, {"point": "after", "path": []}, {"point": []}, {"point": "manual"}, {"path": [["a", "b"]]}),
    *([], {}, [[]], [{}], {"": None}, [None], ["a"], {"a": {"b": []}}, [1, "1", 1.0], "x" * 70_000, list(range(3000))),
)
"""What may stand in any field: its bounds, other types, names that mean something elsewhere."""


def of_bytes(data: bytes, other: bytes, chosen: random.Random) -> bytes:
    """The data with a few stretches of it dropped, doubled, spliced with another file, or with a token between."""
    found = data
    for _ in range(chosen.choice((1, 1, 1, 2, 4))):
        begin = chosen.randrange(len(found) + 1)
        length = chosen.choice((1, 2, 5, 20, 100, 1000))
        stretch = found[begin : begin + length]
        place = chosen.randrange(len(other) + 1)
        found = chosen.choice(
            (
                found[:begin] + found[begin + length :],
                found[:begin] + stretch + found[begin:],
                found[:begin] + chosen.choice(TOKENS) + found[begin:],
                found[:begin] + chosen.choice(TOKENS) + found[begin + length :],
                found[:begin] + other[place : place + length] + found[begin + length :],
                found[:begin] + other[place:],
                found[:begin] + chosen.randbytes(min(length, 64)) + found[begin:],
                found[:begin],
            )
        )
    return found


def of_json(value: Any, other: Any, chosen: random.Random) -> bytes:
    """The JSON of a value of which something was exchanged, dropped, doubled, moved, nested or misspelled."""
    found = copy.deepcopy(value)
    for _ in range(chosen.choice((1, 1, 1, 2))):
        found = _changed(found, other, chosen)
    text = json.dumps(found, separators=(",", ":"), ensure_ascii=chosen.random() < 0.5).encode(errors="surrogatepass")
    return text if chosen.random() < 0.85 else _misspelled(text, chosen)


def _changed(value: Any, other: Any, chosen: random.Random) -> Any:
    free = value.get("context") if isinstance(value, dict) and chosen.random() < 0.5 else None
    places = _places(free) or _places(value)  # in a context anything may stand: it is not told by its type
    if not places:
        return chosen.choice(VALUES)
    container, key = chosen.choice(places)
    action: Callable[[], Any] = chosen.choice(
        (
            lambda: container.__setitem__(key, copy.deepcopy(chosen.choice(VALUES))),
            lambda: container.__setitem__(key, copy.deepcopy(chosen.choice(VALUES))),
            lambda: container.__setitem__(key, _like(container[key], chosen)),
            lambda: container.__setitem__(key, _like(container[key], chosen)),
            lambda: container.__delitem__(key),
            lambda: container.__setitem__(key, _of_other_type(container[key])),
            lambda: container.__setitem__(key, _nested(container[key], chosen)),
            lambda: container.__setitem__(key, _taken(other, chosen)),
            lambda: _add(container, key, chosen),
        )
    )
    action()
    return value


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Each container in a value with each of its keys."""
    found: list[tuple[Any, Any]] = []
    rest = [value]
    while rest:
        one = rest.pop()
        if isinstance(one, (dict, list)):
            keys = list(one) if isinstance(one, dict) else range(min(len(one), 50))
            found += [(one, key) for key in keys]
            rest += [one[key] for key in keys]
    return found


def _like(value: Any, chosen: random.Random) -> Any:
    """A value of the same type, which is the hardest to tell from a sound one."""
    if isinstance(value, (dict, list)):
        return type(value)()
    alike = [one for one in VALUES if type(one) is type(value)]
    return chosen.choice(alike) if alike else "x"


def _of_other_type(value: Any) -> Any:
    if isinstance(value, (dict, list)):
        return list(value.values()) if isinstance(value, dict) else {str(place): one for place, one in enumerate(value)}
    return [value] if isinstance(value, str) else str(value)


def _nested(value: Any, chosen: random.Random) -> Any:
    for _ in range(chosen.choice((1, 2, 63, 65, 90))):
        value = {"a": value} if chosen.random() < 0.5 else [value]
    return value


def _taken(other: Any, chosen: random.Random) -> Any:
    """A part of another value."""
    places = _places(other)
    if not places:
        return copy.deepcopy(other)
    container, key = chosen.choice(places)
    return copy.deepcopy(container[key])


def _add(container: Any, key: Any, chosen: random.Random) -> None:
    if isinstance(container, list):
        container.extend(copy.deepcopy(container) * chosen.choice((1, 3)))
    else:
        container[chosen.choice(("", "kind", "seq", "x", "context", "\ud800"))] = copy.deepcopy(container[key])


def _misspelled(text: bytes, chosen: random.Random) -> bytes:
    """JSON that is no longer quite the same, if it is any: keys doubled, numbers of other forms, blanks between."""
    place = chosen.randrange(len(text) + 1)
    return chosen.choice(
        (
            text.replace(b"{", b'{"seq":1,"kind":"x",', 1),
            text.replace(b",", b" ,\t", 3),
            text.replace(b"0", b"0e0", 1),
            text.replace(b":1", b":1.0", 1),
            text.replace(b"null", b"NaN", 1),
            text.replace(b"null", b"1" + b"0" * 400, 1),
            text[:place] + chosen.choice(TOKENS) + text[place:],
        )
    )
