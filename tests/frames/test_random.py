"""Frames beyond the corpus: each comes back exactly, or is refused and nothing written.

A long run of 10,000 examples: `RUNFOLIO_FRAMES_EXAMPLES=10000 python -m pytest tests/frames/test_random.py --timeout 0`
"""

import datetime
import math
import os
import pathlib
import uuid

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import HealthCheck, event, given, reject, settings
from hypothesis import strategies as st

from runfolio import frames
from runfolio.errors import DataError

from .builders import STRING_DTYPES
from .compare import assert_exactly_equal

EXAMPLES = int(os.environ.get("RUNFOLIO_FRAMES_EXAMPLES", "200"))

MISSING = st.sampled_from([None, math.nan, pd.NA, pd.NaT])
SURROGATE = st.sampled_from(["\udc80", "a\ud800"])
ZONES = st.none() | st.sampled_from([datetime.UTC, datetime.timezone(datetime.timedelta(seconds=-7))])
DECIMALS = st.decimals() | st.decimals(-99, 99, places=2, allow_nan=False)
PLAIN = [
    *(st.integers(-3, 3), st.integers(), st.floats(), st.booleans(), st.text(max_size=3), st.binary(max_size=2)),
    *(st.dates(), st.times(), st.times(timezones=ZONES), st.datetimes(), st.datetimes(timezones=ZONES)),
    *(st.timedeltas(), st.uuids(), DECIMALS, st.complex_numbers(), st.fractions()),
]
ODD = st.one_of(
    *(MISSING, SURROGATE, *PLAIN),
    st.sampled_from([np.str_("s"), np.float64("nan"), np.int8(3), pd.Timestamp(0), pd.Timedelta(5), pd.Period("2024")]),
    st.sampled_from([pathlib.PurePosixPath("a"), range(3), pd.Interval(0, 1), Ellipsis, len, uuid.UUID(int=0)]),
    st.builds(lambda items: np.array(items, "int16"), st.lists(st.integers(-9, 9), max_size=3)),
)
SCALARS = st.one_of(MISSING, SURROGATE, *PLAIN)
HASHABLE = st.one_of(st.none(), st.integers(), st.text(max_size=2), st.tuples(st.integers(0, 3)))
NESTED = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(HASHABLE, inner, max_size=3),
        st.sets(HASHABLE, max_size=3),
        st.frozensets(HASHABLE, max_size=3),
    ),
    max_leaves=6,
)
LISTS = [
    *(st.lists(kind, max_size=3) for kind in (st.integers(0, 9), st.floats(), st.text(max_size=2), st.dates())),
    st.lists(st.integers(0, 9), max_size=2).map(tuple),
    st.lists(st.lists(st.booleans(), max_size=2), max_size=2),
    st.fixed_dictionaries({"a": st.integers(0, 9), "b": st.text(max_size=2) | st.none()}),
    st.lists(st.floats(), max_size=3).map(lambda items: np.array(items, "float64")),
]
LABELS = st.one_of(
    st.text(max_size=2),
    st.sampled_from(["a", "\ud800", 1, "1", True, None, ("a", 1), "__index_level_0__", "a.b", "A", 2.5, math.nan]),
)
TEXTS = st.text(max_size=3) | st.none()
CELLS = {
    **dict.fromkeys(("int8", "uint8", "int64", "uint64", ">i4"), st.integers(0, 100)),
    **{"float16": st.floats(width=16), "float32": st.floats(width=32), "float64": st.floats(), ">f8": st.floats()},
    **{"bool": st.booleans(), "complex64": st.just(1j), "complex128": st.complex_numbers()},
    **{"longdouble": st.floats(), "Sparse[int64]": st.integers(0, 1), "Sparse[float64]": st.floats()},
    **{"Int8": st.none() | st.integers(0, 9), "boolean": st.none() | st.booleans()},
    **{"Float64": st.none() | st.floats(allow_nan=False)},
    **{f"period[{freq}]": st.none() | st.just("2024-01-01") for freq in ("D", "M", "h")},
    **{f"datetime64[{unit}]": st.integers(-(2**63), 2**63 - 1) for unit in ("s", "ms", "us", "ns")},
    **{"timedelta64[s]": st.integers(-(2**63), 2**63 - 1), "datetime64[ns, Asia/Tokyo]": st.integers(0, 2**60)},
    **{"string[python]": TEXTS, "string[pyarrow]": TEXTS, "str": TEXTS},
    **dict.fromkeys(("category text", "category ints", "category mixed", "category times"), st.integers(-1, 1)),
    "arrow list": st.none() | st.lists(st.integers(0, 9), max_size=2),
    "arrow time": st.none() | st.just(datetime.time(1, 2, 3)),
}
CATEGORIES = {
    "category text": pd.Index(["b", "a"], dtype=object),
    "category ints": pd.Index([2, 1]),
    "category mixed": pd.Index(["a", 1], dtype=object),
    "category times": pd.date_range("2024", periods=2),
}
ARROW = {"arrow list": pa.list_(pa.int64()), "arrow time": pa.time32("s")}


@st.composite
def object_arrays(draw, rows):
    """Cells that are often of one type with one kind of missing value, as most real columns are."""
    usual = draw(st.sampled_from([*PLAIN, *LISTS, *LISTS, st.text("a\udc80"), ODD, NESTED]))
    cells = usual | st.just(draw(MISSING)) if draw(st.booleans()) else usual
    array = np.empty(rows, dtype=object)
    for place, cell in enumerate(draw(st.lists(cells, min_size=rows, max_size=rows))):
        array[place] = cell
    return array


@st.composite
def arrays(draw, rows):
    dtype = draw(st.sampled_from([*["object"] * 16, *CELLS]))
    if dtype == "object":
        return draw(object_arrays(rows))
    cells = draw(st.lists(CELLS[dtype], min_size=rows, max_size=rows))
    if dtype in CATEGORIES:
        return pd.Categorical.from_codes(cells, CATEGORIES[dtype], ordered=draw(st.booleans()))
    if dtype in ARROW:
        return pd.array(pa.array(cells, ARROW[dtype]), dtype=pd.ArrowDtype(ARROW[dtype]))
    if "64[" in dtype and "," not in dtype and "Sparse" not in dtype:
        return np.array(cells, dtype="int64").view(dtype)
    if dtype == "str":
        return pd.array(cells, dtype=STRING_DTYPES[3])
    return np.array(cells, dtype=dtype) if dtype[0] == ">" or dtype in np.sctypeDict else pd.array(cells, dtype=dtype)


@st.composite
def indexes(draw, rows):
    count = draw(st.sampled_from([0, 0, 1, 2]))
    names = draw(st.lists(st.none() | LABELS, min_size=count + 1, max_size=count + 1))
    if not count:
        start, step = draw(st.integers(-5, 5)), draw(st.sampled_from([1, 2, -1]))
        return pd.RangeIndex(start, start + rows * step, step, name=names[0])
    levels = draw(st.lists(arrays(rows), min_size=count, max_size=count))
    try:
        made = [pd.Index(level, dtype=level.dtype, tupleize_cols=False) for level in levels]
        found = made[0].rename(names[0]) if count == 1 else pd.MultiIndex.from_arrays(made, names=names[:count])
        repr(found)
        for number in range(count):
            found.get_level_values(number)
    except Exception:  # noqa: BLE001  (pandas has no such index: unhashable, float16, ...)
        return reject()
    return found


@st.composite
def column_labels(draw, count):
    kind = draw(st.sampled_from(["object", "object", "range", "array", "multi"]))
    if kind == "range":
        return pd.RangeIndex(count)
    if kind == "multi" and count:
        pairs = draw(st.lists(st.tuples(LABELS, LABELS), min_size=count, max_size=count))
        try:
            return pd.MultiIndex.from_tuples(pairs, names=draw(st.sampled_from([["a", 1], [None, None]])))
        except Exception:  # noqa: BLE001  (labels that pandas can't sort, or takes for text)
            return reject()
    labels = draw(st.lists(LABELS, min_size=count, max_size=count))
    return pd.Index(labels, dtype=object, tupleize_cols=False, name=draw(st.none() | LABELS))


@st.composite
def any_frames(draw):
    rows, columns = draw(st.integers(0, 4)), draw(st.sampled_from([1, 1, 2, 3, 0]))
    values = draw(st.lists(arrays(rows), min_size=columns, max_size=columns))
    index = draw(indexes(rows))
    series = {n: pd.Series(array, index=index, dtype=array.dtype) for n, array in enumerate(values)}
    frame = pd.DataFrame(series, index=index)
    frame.columns = draw(column_labels(columns))
    frame.attrs = draw(st.sampled_from([{}, {}, {}, {"a": [1]}]) | st.dictionaries(HASHABLE, NESTED, max_size=2))
    return frame


@settings(max_examples=EXAMPLES, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(frame=any_frames())
def test_any_frame_comes_back_exactly_or_is_refused(frame, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "any.parquet"
    path.unlink(missing_ok=True)
    try:
        frames.store(frames.prepare(frame), str(path))
    except DataError:
        assert not path.exists()
        event("refused")
        return
    event("exact")
    assert_exactly_equal(frames.read(path.read_bytes()), frame)
