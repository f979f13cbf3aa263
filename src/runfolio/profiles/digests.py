"""A digest of a column's values: equal values give equal digests, and others don't.

The digest is the XXH3 (128 bit, https://xxhash.com) of a text that names the kind of value, the number of rows, and the
digests of these streams, which are the same however an array is chunked, sliced, laid out or coded:

=========== =======================================================================================================
missing     the rows (int64) that are null; a NaN counts as one, unless the column has nulls beside it: NaN, then,
            is a stream of its own
boolean     a byte each
integer     int64, whatever the width; the rows whose value is 2**63 or more
float       float64; 0.0 and -0.0 differ, the bits that a NaN carries don't count
timestamp   whole seconds since 1970 and nanoseconds beyond them, whatever the unit; with a time zone, the instant
duration    likewise; so are times of a day
date        days since 1970
text        the length of each in UTF-8 (int64), and the bytes; likewise binary
decimal     the digits as text: 1.0 and 1.00 differ
list        the length of each, and the digest of all elements together
struct      name and digest of each child
other       what Python shows of each value, as text
=========== =======================================================================================================

A missing value is zero, or of length zero, in the streams of values. A dictionary's values stand for themselves, so
that a categorical column and a column of text have one digest. int64 and float64 are different kinds: 1 is not 1.0.
What is stored as tagged JSON is a kind of its own, by its text.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from xxhash import xxh3_128

__all__ = ["PER_SECOND", "Digest", "digest_of"]

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def digest_of(array: pa.Array | pa.ChunkedArray, kind: str = "") -> str:
    """The digest of an array's values: 32 hex digits. `kind` names what they are where their type doesn't tell.

    >>> digest_of(pa.array([1, 2], pa.int8())) == digest_of(pa.chunked_array([[1], [2]]))
    True
    >>> digest_of(pa.array(["ab", "c"])) == digest_of(pa.array(["a", "bc"]))
    False
    """
    digest = Digest(kind)
    digest.feed(array)
    return digest.hexdigest()


class Digest:
    """The digest of values that come in pieces, all of one type."""

    def __init__(self, kind: str = "") -> None:
        self._kind = kind
        self._values: _Values | None = None

    def feed(self, array: pa.Array | pa.ChunkedArray) -> None:
        """Go on with these values."""
        pieces = array.chunks if isinstance(array, pa.ChunkedArray) else [array]
        for piece in pieces or [pa.array([], array.type)]:
            kind, plain = _plain(piece)
            if self._values is None:
                self._values = _values_of(kind, plain.type)
            self._values.feed(plain)

    def hexdigest(self) -> str:
        """The digest of all values so far."""
        found = "" if self._values is None else self._values.summary()
        return xxh3_128(f"{self._kind} {found}".encode()).hexdigest()

    @property
    def nulls(self) -> int:
        """How many values were missing so far, NaN included."""
        return 0 if self._values is None else self._values.nulls


class _Values(ABC):
    """A kind of values: how many there are, which are missing, and the streams of what they are."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.rows = 0
        self.nulls = 0
        self._missing = _Rows()

    def feed(self, array: Any) -> None:
        """Go on with the values of a plain array."""
        if array.null_count:
            self._missing.add(np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False)), self.rows)
            self.nulls += array.null_count
        self.take(array)
        self.rows += len(array)

    def summary(self) -> str:
        """A text that is the same for equal values only."""
        return " ".join([self.kind, str(self.rows), self.missing(), *self.digests()])

    def missing(self) -> str:
        """The digest of what is missing."""
        return self._missing.hexdigest()

    @abstractmethod
    def take(self, array: Any) -> None:
        """Add the values to their streams, a missing one as zero or empty."""

    @abstractmethod
    def digests(self) -> list[str]:
        """The digest of each stream of values."""


class _Rows:
    """A stream of row numbers."""

    def __init__(self) -> None:
        self._hash = xxh3_128()
        self.count = 0

    def add(self, rows: Any, offset: int) -> None:
        """Go on with these row numbers, counted from an offset."""
        self._hash.update(_bytes(rows.astype("<i8", copy=False) + offset))
        self.count += len(rows)

    def hexdigest(self) -> str:
        """The digest of all row numbers so far; a dash for none."""
        return self._hash.hexdigest() if self.count else "-"


class _Nulls(_Values):
    """Nothing but missing values."""

    def take(self, array: Any) -> None:
        """Add the values of a plain array to their streams."""

    def digests(self) -> list[str]:
        """The digest of each stream of values."""
        return []


class _Plain(_Values):
    """Booleans and dates: one stream of numbers."""

    dtype = "<i8"

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self._hash = xxh3_128()

    def take(self, array: Any) -> None:
        """Add the values of a plain array to their streams."""
        self._hash.update(_bytes(self.numbers(array).astype(self.dtype, copy=False)))

    def numbers(self, array: Any) -> Any:
        """The values as numbers, a missing one as zero."""
        return _numpy(array, False if self.kind == "boolean" else 0)

    def digests(self) -> list[str]:
        """The digest of each stream of values."""
        return [self._hash.hexdigest()]


class _Booleans(_Plain):
    dtype = "u1"


class _Integers(_Plain):
    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self._large = _Rows()

    def numbers(self, array: Any) -> Any:
        """The values as numbers, a missing one as zero."""
        found = super().numbers(array)
        if found.dtype == np.uint64:
            self._large.add(np.flatnonzero(found >= np.uint64(2**63)), self.rows)
        return found

    def digests(self) -> list[str]:
        """The digest of each stream of values."""
        return [*super().digests(), self._large.hexdigest()]


class _Floats(_Plain):
    """NaN is a missing value as a null is, unless there are both."""

    dtype = "<f8"

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self._nan = _Rows()
        self._either = _Rows()

    def numbers(self, array: Any) -> Any:
        """The values as numbers, a missing one as zero."""
        found = array.to_numpy(zero_copy_only=False)  # in which a null is a NaN
        absent = np.isnan(found)
        rows = np.flatnonzero(absent)
        if not len(rows):
            return found
        self._either.add(rows, self.rows)
        nan = rows[array.is_valid().to_numpy(zero_copy_only=False)[rows]] if array.null_count else rows
        self._nan.add(nan, self.rows)
        self.nulls += len(nan)
        return np.where(absent, 0.0, found)

    def missing(self) -> str:
        """The digest of what is missing."""
        if self._nan.count and self._missing.count:
            return f"{self._missing.hexdigest()}/{self._nan.hexdigest()}"
        return self._either.hexdigest()


class _Times(_Values):
    """Points in time, durations and times of a day: whole seconds, and nanoseconds beyond them."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self._seconds, self._nanoseconds = xxh3_128(), xxh3_128()

    def take(self, array: Any) -> None:
        """Add the values of a plain array to their streams."""
        each = PER_SECOND[array.type.unit]
        counts = _numpy(array.view(pa.int32() if pa.types.is_time32(array.type) else pa.int64()), 0).astype("<i8")
        seconds = counts // each
        self._seconds.update(_bytes(seconds))
        self._nanoseconds.update(_bytes(((counts - seconds * each) * (10**9 // each)).astype("<u4")))

    def digests(self) -> list[str]:
        """The digest of each stream of values."""
        return [self._seconds.hexdigest(), self._nanoseconds.hexdigest()]


class _Texts(_Values):
    """Text and bytes: the lengths, and all bytes one after the other."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self._lengths, self._content = xxh3_128(), xxh3_128()

    def take(self, array: Any) -> None:
        """Add the values of a plain array to their streams."""
        if array.null_count:
            array = array.fill_null("" if pa.types.is_large_string(array.type) else b"")
        _, offsets, content = array.buffers()
        if not len(array) or offsets is None:
            return
        ends = np.frombuffer(offsets, "<i8", len(array) + 1, array.offset * 8)
        self._lengths.update(_bytes(np.diff(ends)))
        if content is not None:
            self._content.update(memoryview(content)[ends[0] : ends[-1]])

    def digests(self) -> list[str]:
        """The digest of each stream of values."""
        return [self._lengths.hexdigest(), self._content.hexdigest()]


class _Lists(_Values):
    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self._lengths, self._elements = xxh3_128(), Digest()

    def take(self, array: Any) -> None:
        """Add the values of a plain array to their streams."""
        self._lengths.update(_bytes(_numpy(pc.list_value_length(array), 0).astype("<i8", copy=False)))
        self._elements.feed(array.flatten())

    def digests(self) -> list[str]:
        """The digest of each stream of values."""
        return [self._lengths.hexdigest(), self._elements.hexdigest()]


class _Structs(_Values):
    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self._children: list[tuple[str, Digest]] = []

    def take(self, array: Any) -> None:
        """Add the values of a plain array to their streams."""
        self._children = self._children or [(field.name, Digest()) for field in array.type]
        for (_, child), values in zip(self._children, array.flatten(), strict=True):
            child.feed(values)

    def digests(self) -> list[str]:
        """The digest of each stream of values."""
        return [f"{name!r}:{child.hexdigest()}" for name, child in self._children]


_KINDS: dict[str, type[_Values]] = {
    "null": _Nulls,
    "boolean": _Booleans,
    "integer": _Integers,
    "float": _Floats,
    "timestamp": _Times,
    "instant": _Times,
    "duration": _Times,
    "time": _Times,
    "date": _Plain,
    "list": _Lists,
    "struct": _Structs,
}


def _values_of(kind: str, plain_type: pa.DataType) -> _Values:
    return _KINDS.get(kind, _Texts)(kind)


def _plain(array: Any) -> tuple[str, Any]:
    """The kind of an array's values, and the array in that kind's one layout."""
    found = array.type
    for is_kind, kind, layout in _LAYOUTS:
        if is_kind(found):
            return (kind(found) if callable(kind) else kind), layout(array)
    for is_wrapped, unwrap in _WRAPPED:
        if is_wrapped(found):
            return _plain(unwrap(array))
    return f"other {found}", pa.array([None if v is None else repr(v) for v in array.to_pylist()], pa.large_string())


def _numpy(array: Any, zero: Any) -> Any:
    return (array.fill_null(zero) if array.null_count else array).to_numpy(zero_copy_only=False)


def _bytes(values: Any) -> Any:
    return np.ascontiguousarray(values).view("u1").data if len(values) else b""


def _as_is(array: Any) -> Any:
    return array


def _cast(target: pa.DataType) -> Callable[[Any], Any]:
    return lambda array: array.cast(target)


_t = pa.types
_LAYOUTS: tuple[tuple[Callable[[Any], bool], Any, Callable[[Any], Any]], ...] = (
    (_t.is_null, "null", _as_is),
    (_t.is_boolean, "boolean", _as_is),
    (_t.is_integer, "integer", _as_is),
    (_t.is_floating, "float", _as_is),
    (_t.is_timestamp, lambda found: "timestamp" if found.tz is None else "instant", _as_is),
    (_t.is_duration, "duration", _as_is),
    (_t.is_time, "time", _as_is),
    (_t.is_date, "date", lambda array: array.cast(pa.date32()).view(pa.int32())),
    (_t.is_large_string, "text", _as_is),
    (_t.is_large_binary, "binary", _as_is),
    (_t.is_decimal, "decimal", lambda array: array.cast(pa.string()).cast(pa.large_string())),
    (_t.is_list, "list", _as_is),
    (_t.is_large_list, "list", _as_is),
    (_t.is_fixed_size_list, "list", lambda array: array.cast(pa.large_list(array.type.value_field))),
    (_t.is_struct, "struct", _as_is),
)
_WRAPPED: tuple[tuple[Callable[[Any], bool], Callable[[Any], Any]], ...] = (
    (lambda found: isinstance(found, pa.BaseExtensionType), lambda array: array.storage),
    (_t.is_dictionary, lambda array: array.dictionary_decode()),
    (_t.is_run_end_encoded, pc.run_end_decode),
    (_t.is_string, _cast(pa.large_string())),
    (_t.is_string_view, _cast(pa.large_string())),
    (_t.is_binary, _cast(pa.large_binary())),
    (_t.is_binary_view, _cast(pa.large_binary())),
    (_t.is_fixed_size_binary, lambda array: array.cast(pa.binary()).cast(pa.large_binary())),
    (_t.is_list_view, lambda array: pa.array(array.to_pylist(), pa.large_list(array.type.value_field))),
    (_t.is_large_list_view, lambda array: pa.array(array.to_pylist(), pa.large_list(array.type.value_field))),
    (_t.is_map, lambda array: array.cast(pa.list_(pa.struct([array.type.key_field, array.type.item_field])))),
)
