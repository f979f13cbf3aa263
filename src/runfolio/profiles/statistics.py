"""What a column's values amount to, taken from pieces that come one after the other."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from runfolio.field import Statistics
from runfolio.profiles.digests import PER_SECOND

__all__ = ["Summary"]

TEXT_LIMIT = 200
PIECE = 2**16
EXACT_LIMIT = 2**16
SKETCH_SIZE = 4096


class Summary:
    """The statistics of values that come in pieces, all of one type."""

    def __init__(self) -> None:
        self._distinct: _Distinct | None = _Distinct()
        self._range: tuple[Any, Any] | None = None
        self._moments: _Moments | None = None

    def feed(self, array: pa.Array | pa.ChunkedArray) -> None:
        """Go on with these values; NaN and null are left out."""
        for piece in array.chunks if isinstance(array, pa.ChunkedArray) else [array]:
            self._feed(_present(piece))

    def statistics(self, categories: list[str] | None = None) -> Statistics:
        """The statistics of all values so far."""
        low, high = (None, None) if self._range is None else map(_spelled, self._range)
        mean, deviation = (None, None) if self._moments is None else self._moments.both()
        distinct = self._distinct
        return Statistics(
            distinct=None if distinct is None else distinct.count(),
            distinct_is_exact=distinct is None or distinct.is_exact,
            minimum=low,
            maximum=high,
            mean=mean,
            standard_deviation=deviation,
            categories=categories,
        )

    def _feed(self, array: Any) -> None:
        if pa.types.is_nested(array.type) or pa.types.is_null(array.type):
            self._distinct = None
            return
        try:
            if self._distinct is not None:
                self._distinct.feed(array)
        except pa.ArrowNotImplementedError:  # such as of months, days and nanoseconds
            self._distinct = None
        if not len(array):
            return
        try:
            ends = _ends(array)
        except pa.ArrowNotImplementedError:  # such as of calendar intervals
            return
        self._range = ends if self._range is None else _wider(self._range, ends)
        if _is_number(array.type):
            self._moments = self._moments or _Moments()
            self._moments.feed(array)


class _Moments:
    """Number, mean and sum of squared deviations, merged by the formulas of Chan, Golub and LeVeque (1979)."""

    def __init__(self) -> None:
        self._count, self._mean, self._squares = 0, 0.0, 0.0

    def feed(self, array: Any) -> None:
        """Go on with these values."""
        values = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        with np.errstate(all="ignore"):
            mean = float(values.mean())
            squares = float(np.square(values - mean).sum())
        count, gap = len(values), mean - self._mean
        total = self._count + count
        self._squares += squares + gap * gap * self._count * count / total
        self._mean += gap * count / total
        self._count = total

    def both(self) -> tuple[float | None, float | None]:
        """Mean and standard deviation; None where they are not finite."""
        deviation = math.sqrt(self._squares / (self._count - 1)) if self._count > 1 and self._squares >= 0 else math.nan
        return _finite(self._mean), _finite(deviation)


class _Distinct:
    """How many different values there are: all of them kept while they are few, else estimated.

    The estimate is that of the k minimum values of a hash (Bar-Yossef et al., 2002); with k of 4,096 its standard error
    is about 1.6 percent.
    """

    def __init__(self) -> None:
        self._seen: Any = None
        self._smallest: Any = None

    @property
    def is_exact(self) -> bool:
        """Whether all values are kept."""
        return self._smallest is None

    def feed(self, array: Any) -> None:
        """Go on with these values."""
        for start in range(0, len(array), PIECE):
            self._feed(array.slice(start, PIECE))

    def count(self) -> int:
        """How many there are, or about how many."""
        if self._smallest is None:
            return 0 if self._seen is None else len(self._seen)
        return round((SKETCH_SIZE - 1) / (float(self._smallest[-1]) / 2**64))

    def _feed(self, array: Any) -> None:
        if self._smallest is not None:
            self._sketch(array)
            return
        found = pc.unique(array)
        self._seen = found if self._seen is None else pc.unique(pa.concat_arrays([self._seen, found]))
        if len(self._seen) > EXACT_LIMIT:
            seen, self._seen = self._seen, None
            self._sketch(seen)

    def _sketch(self, array: Any) -> None:
        hashes = pd.util.hash_array(_hashable(array), categorize=False)
        if self._smallest is not None:
            hashes = np.concatenate([self._smallest, hashes[hashes < self._smallest[-1]]])
        hashes.sort()  # NumPy's own unique takes thirty times as long
        self._smallest = hashes[np.append(True, hashes[1:] != hashes[:-1])][:SKETCH_SIZE]


def _hashable(array: Any) -> Any:
    if pa.types.is_primitive(array.type):
        return array.to_numpy(zero_copy_only=False)
    texts = array if pa.types.is_large_string(array.type) else array.cast(pa.large_string(), safe=False)
    return texts.to_numpy(zero_copy_only=False)


def _present(array: Any) -> Any:
    """The values that are not missing, in a type that can be counted and compared."""
    if isinstance(array.type, pa.BaseExtensionType):
        return _present(array.storage)
    if pa.types.is_dictionary(array.type):
        return _present(array.dictionary_decode())
    if pa.types.is_run_end_encoded(array.type):
        return _present(pc.run_end_decode(array))
    if pa.types.is_string_view(array.type) or pa.types.is_binary_view(array.type):
        array = array.cast(pa.large_string() if pa.types.is_string_view(array.type) else pa.large_binary())
    if pa.types.is_decimal32(array.type) or pa.types.is_decimal64(array.type):
        array = array.cast(pa.decimal128(array.type.precision, array.type.scale))
    if pa.types.is_float16(array.type):
        array = array.cast(pa.float32())
    if pa.types.is_floating(array.type):
        array = array.filter(pc.invert(pc.is_nan(array))).drop_null()
        return pc.add(array, pa.scalar(0, array.type))  # -0.0 becomes 0.0, of which it is no other number
    return array.drop_null() if array.null_count else array


def _ends(array: Any) -> tuple[Any, Any]:
    if pa.types.is_duration(array.type):
        low, high = _ends(array.view(pa.int64()))
        return low.cast(array.type), high.cast(array.type)
    found = pc.min_max(array)
    return found["min"], found["max"]


def _wider(one: tuple[Any, Any], other: tuple[Any, Any]) -> tuple[Any, Any]:
    low = one[0] if pc.less_equal(one[0], other[0]).as_py() else other[0]
    high = one[1] if pc.greater_equal(one[1], other[1]).as_py() else other[1]
    return low, high


def _is_number(found: pa.DataType) -> bool:
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal)
    return any(is_kind(found) for is_kind in kinds)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _spelled(value: pa.Scalar) -> str:
    """A value as people write it; times as ISO 8601, instants in UTC."""
    if pa.types.is_temporal(value.type) and not pa.types.is_date(value.type):
        text = _duration(value) if pa.types.is_duration(value.type) else _time(value)
    else:
        text = str(value.as_py())
    return text if len(text) <= TEXT_LIMIT else f"{text[: TEXT_LIMIT - 1]}…"


def _time(value: pa.Scalar) -> str:
    if pa.types.is_timestamp(value.type) and value.type.tz is not None:
        value = value.cast(pa.timestamp(value.type.unit, "UTC"))  # not every zone has rules on every machine
    return _short(str(value.cast(pa.string())))


def _short(time: str) -> str:
    """A time without the digits of its fraction that are 0.

    >>> _short("18:48:00.500000"), _short("1970-01-01 00:00:00.000Z"), _short("18:48:00")
    ('18:48:00.5', '1970-01-01 00:00:00Z', '18:48:00')
    """
    return re.sub(r"\.?0+(?=\D*$)", "", time) if "." in time else time


def _duration(value: pa.Scalar) -> str:
    """A duration as pandas spells it, however long it is.

    >>> _duration(pa.scalar(-1, pa.duration("s"))), _duration(pa.scalar(90_061_500, pa.duration("ms")))
    ('-1 days +23:59:59', '1 days 01:01:01.5')
    """
    each = PER_SECOND[value.type.unit]
    seconds, fraction = divmod(value.value, each)
    days, rest = divmod(seconds, 86_400)
    digits = f".{fraction / each:.9f}"[3:].rstrip("0")
    clock = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}{'.' if digits else ''}{digits}"
    return f"{days} days {'+' if days < 0 else ''}{clock}"
