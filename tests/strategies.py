"""What hypothesis draws for the tests: awkward contexts, small frames, and the write calls of a run.

A call is a `Call`: what the clocks do before it, the method's name, and its arguments. Arguments that only a run can
give (a step, a snapshot's id, a timing's id) are numbers here, which the driver takes modulo what there is.
"""

import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import pathlib
import uuid
from collections import OrderedDict, deque, namedtuple
from typing import Any, ClassVar

import msgspec
import numpy as np
import pandas as pd
from hypothesis import strategies as st

from .ledger import FieldOf

# ---------------------------------------------------------------------------------------------------------- contexts


class Colour(enum.Enum):
    RED = "red"
    PAIR = (1, float("nan"))


class Level(enum.IntEnum):
    LOW = 1


class Mode(enum.StrEnum):
    FAST = "fast"


DATA = pathlib.PurePosixPath("data/ä")


@dataclasses.dataclass(frozen=True)
class Settings:
    rate: float
    where: pathlib.PurePosixPath = DATA
    nested: Any = None


@dataclasses.dataclass(frozen=True)
class Counted:
    """A dataclass with a class variable, which is no field of it."""

    count: int
    limit: ClassVar[int] = 3


@dataclasses.dataclass
class Initialised:
    """A dataclass that is given something to begin with, and does not keep it."""

    start: dataclasses.InitVar[int]
    count: int = 1


class Options(msgspec.Struct, frozen=True):
    depth: int
    tags: tuple[str, ...] = ("a", "b")


class Text(str):
    """A subclass of text."""

    __slots__ = ()


class Unspeakable:
    """An object of the user's own, with a long repr."""

    def __repr__(self):
        return "<unspeakable \udc80>" + "x" * 2000


Point = namedtuple("Point", ("x", "y"))
ZONES = [dt.UTC, dt.timezone(dt.timedelta(hours=5, minutes=45)), dt.timezone(-dt.timedelta(hours=3))]

SCALARS = [
    None,
    True,
    False,
    0,
    -1,
    2**63,
    2**64 - 1,
    2**64,
    -(2**63) - 1,
    10**30,
    0.0,
    -0.0,
    0.1,
    1e16,
    1e-7,
    5e-324,
    1.7976931348623157e308,
    float("nan"),
    float("inf"),
    float("-inf"),
    "",
    "plain",
    "naïve Größe 模块 🐧",
    "\x00\x07\x1b[31m\x7f\x85",
    "\u2028 \ufeff \uffff",
    'line\nline\r\t"quoted" \\back/',
    "lone \udc80 \ud800",
    Text("sub\udcff"),
    np.int64(-7),
    np.uint64(2**64 - 1),
    np.int8(3),
    np.float32(0.1),
    np.float64("nan"),
    np.float16("inf"),
    np.bool_(True),
    np.str_("numpy \ud800"),
    np.datetime64("2026-11-22T18:48:00.5"),
    np.datetime64("2026-11-22T18:48:00.000000001"),
    np.datetime64("2026-11"),
    np.datetime64("NaT", "s"),
    np.timedelta64("NaT", "s"),
    pathlib.PurePosixPath("/data/ä/\udcff.csv"),
    pathlib.PureWindowsPath("C:\\data"),
    dt.date(2026, 11, 22),
    dt.datetime(2026, 11, 22, 18, 48),
    dt.datetime(2026, 11, 22, 18, 48, 0, 7, dt.UTC),
    dt.datetime(1, 1, 1, tzinfo=ZONES[1]),
    dt.time(18, 48, 0, 1),
    dt.time(0, 0, tzinfo=ZONES[2]),
    dt.timedelta(1, 30),
    dt.timedelta(0),
    dt.timedelta(microseconds=-1),
    dt.timedelta(-2, 5, 70),
    Colour.RED,
    Colour.PAIR,
    Level.LOW,
    Mode.FAST,
    decimal.Decimal("1.10"),
    decimal.Decimal("NaN"),
    uuid.UUID(int=5),
    b"\x00\xffbytes",
    bytearray(b"array"),
    pd.Timestamp("2026-11-22 18:48:00.000000001", tz="UTC"),
    pd.Timestamp("2026-11-22"),
    pd.Timedelta(days=1, seconds=5),
    pd.NaT,
    pd.NA,
    fractions.Fraction(1, 3),
    3 + 4j,
    range(3),
    dict,
    Settings(0.5),
    Settings(float("inf"), nested=[Settings(1.0)]),
    Options(3),
    Point(1, np.float32(2)),
]
"""Values that are no plain text and number, and some that are."""

UNSPEAKABLE = Unspeakable()
"""Hypothesis can't print this one, and so does not draw it."""

ARRAYS = [
    np.array([1.5, np.nan, -np.inf]),
    np.array([[1, 2], [3, 4]], dtype="uint8"),
    np.array([True, False]),
    np.array(["a", "\ud800"]),
    np.array([None, "x", 2**70], dtype=object),
    np.array([]),
    deque([1, "two"]),
    {"k": 1}.keys(),
    OrderedDict(b=1, a=2),
    {}.values(),
]

scalars = st.one_of(
    st.sampled_from(SCALARS),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(st.characters(), max_size=6),
    st.dates(),
    st.datetimes(timezones=st.one_of(st.none(), st.sampled_from(ZONES))),
    st.timedeltas(),
    st.decimals(places=2),
)


def _hashable(value):
    try:
        hash(value)
    except TypeError:
        return False
    return True


hashables = st.recursive(
    scalars.filter(_hashable),
    lambda inner: st.one_of(st.tuples(inner, inner), st.frozensets(inner, max_size=3)),
    max_leaves=3,
)

keys = st.one_of(st.text(max_size=4), st.sampled_from(["a", "b", "c", "point"]), hashables)

values = st.recursive(
    st.one_of(scalars, st.sampled_from(ARRAYS)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.sets(hashables, max_size=4),
        st.frozensets(hashables, max_size=3),
        st.dictionaries(keys, inner, max_size=3),
        st.builds(Settings, st.floats(), nested=inner),
    ),
    max_leaves=6,
)

NO_POINT = "point"
"""The one key of a context that has a meaning of its own: snapshots' contexts say there which point it is."""


def _without_point(context):
    return {key: value for key, value in context.items() if not (isinstance(key, str) and key == NO_POINT)}


contexts = st.one_of(
    st.none(),
    st.just({}),
    st.dictionaries(keys, values, max_size=3).map(_without_point),
    st.dictionaries(st.sampled_from(["a", 1, "1", None, "null"]), scalars, max_size=3),
)
snapshot_contexts = st.one_of(contexts, st.sampled_from([{"point": "checkpoint"}, {"point": 3}, {"point": None}]))


# ------------------------------------------------------------------------------------------------------------ frames


def _frames():
    ages, names = [31, 40, 25], ["Ada", None, "Gödel 🐧"]
    index = pd.Index(["x", "y", "z"], name="key")
    return [
        pd.DataFrame({"age": ages, "name": names}),
        pd.DataFrame({"age": [31.0, None, 25.0], "name": names}),
        pd.DataFrame({"age": [31.0, None, None], "name": names}),
        pd.DataFrame({"age": ages}),
        pd.DataFrame({"age": ages[:2]}),
        pd.DataFrame({"name": pd.Categorical(["a", "b", "a"]), "age": pd.array([1, None, 3], dtype="Int64")}),
        pd.DataFrame({"when": pd.to_datetime(["2026-11-22", None, "1970-01-01"], utc=True), "ok": [True, False, True]}),
        pd.DataFrame({"age": []}),
        pd.DataFrame({"-0.0": [-0.0, float("nan"), 5e-324]}, index=index),
    ]


FRAMES = _frames()
ODD_FRAMES = [
    pd.DataFrame(),
    pd.DataFrame([[1, 2.5], [3, 4.5]], columns=["twice", "twice"]),
    pd.DataFrame([[1, 2.5], [3, None]], columns=["twice", "twice"]),
    pd.DataFrame([[1, "x"]], columns=[0, ("tuple", 1)]),
    pd.DataFrame([[1]], columns=pd.Index(["lone \ud800"], dtype=object)),
]
"""Frames to take a schema of, which are not stored."""

PARTS = ["train", "test", "ä b"]

frames = st.sampled_from(FRAMES)
frame_dicts = st.dictionaries(st.sampled_from(PARTS), frames, min_size=1, max_size=3)
sides = st.one_of(st.none(), st.sampled_from([*FRAMES, *ODD_FRAMES]), frame_dicts, st.just({}))

reports = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=5),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=5,
)

UNSUPPORTED = [
    float("nan"),
    {"a": [1, float("inf")]},
    {1: "a"},
    {"a", "b"},
    (1, 2),
    2**64,
    "lone \ud800",
    b"bytes",
    np.float64(1),
    pd.Series([int]),
    {"frame": FRAMES[0], "other": {3}},
    {0: FRAMES[0]},
    {"lone \ud800": FRAMES[0]},
    pd.DataFrame({"a": [int, str]}),
]
"""What can't come back exactly, and is refused."""

mixed = st.builds(lambda parts, score: {**parts, "score": score}, frame_dicts, st.floats(0, 1))
good_data = st.one_of(frames, frames, frame_dicts, mixed, reports)
data = st.one_of(good_data, good_data, good_data, st.sampled_from(UNSUPPORTED))


# ------------------------------------------------------------------------------------------------------------- calls


@dataclasses.dataclass
class Call:
    """A call of a method, after some time went by; `jump` sets the time of day alone, as people do."""

    method: str
    arguments: dict[str, Any] = dataclasses.field(default_factory=dict)
    wait: float = 0.0
    jump: float = 0.0

    def __repr__(self):
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        time = f" after {self.wait} s" if self.wait else ""
        return f"{self.method}({arguments}){time}" + (f", clock set by {self.jump} s" if self.jump else "")


MODULES = ["Loader", "Clean", "Describer", "Splitter 模块", "lone \udc80"]
EXPERIMENTS = ["a", "b", "x]_Clean[y"]
modules, experiments = st.sampled_from(MODULES), st.sampled_from(EXPERIMENTS)
maybe_module, maybe_experiment = st.one_of(st.none(), modules), st.one_of(st.none(), experiments)
waits = st.sampled_from([0.0, 0.0, 0.05, 0.125, 0.2, 1.0, 3600.5])
jumps = st.sampled_from([0.0, 0.0, 0.0, 0.0, -5.0])
texts = st.one_of(st.sampled_from(["message", "", "\x1b]0;title\x07", "lone \udcff"]), st.text(max_size=8))
units = st.one_of(st.none(), st.sampled_from(["rows", "%"]))
outcomes = st.sampled_from(["completed", "completed", "failed", "lost"])
numbers = st.sampled_from([0, 1, 3, 0.5, 100, np.int64(7), float("nan")])
picks = st.integers(0, 9)
times = st.one_of(
    st.sampled_from(
        [
            0,
            0.5,
            1732300000.123456,
            1732300000,
            dt.datetime(2026, 11, 22, 18, 48, tzinfo=dt.UTC),
            pd.Timestamp(0, tz="UTC"),
        ]
    ),
    st.datetimes(dt.datetime(1950, 1, 1), dt.datetime(2100, 1, 1), timezones=st.sampled_from(ZONES)),
)
sides_of_changes = st.one_of(
    values, st.none(), st.builds(FieldOf, st.just("age"), st.just("int64"), st.booleans(), st.integers(0, 9))
)
errors = st.one_of(
    texts,
    st.sampled_from([ValueError("bad \ud800 value"), KeyError("k"), RuntimeError()]),
    st.just(ZeroDivisionError("0")),
)


def call(method, **arguments):
    return st.builds(Call, st.just(method), st.fixed_dictionaries(arguments), waits, jumps)


enter = call(
    "enter",
    module=modules,
    experiment=experiments,
    data=st.one_of(st.none(), st.none(), st.none(), sides, reports),
    after=st.one_of(st.just("last"), st.just("last"), st.none(), picks),
    step_name=st.sampled_from(["run", "fit"]),
    context=contexts,
)
result = call("result", data=data)
leave = call(
    "exit", error=st.one_of(st.none(), st.none(), st.sampled_from([ValueError("bad \ud800"), OSError(5, "x")]))
)
progress = call("progress", done=numbers, total=st.one_of(st.none(), numbers), unit=units, of_step=st.booleans())
store = call(
    "store_result",
    exp_key=st.sampled_from(["key", "Loader[a]", "Loader[b]_Clean[a]", "lone \udc80", "lone \\udc80"]),
    data=data,
    schema=st.one_of(st.none(), st.none(), frames),
    path=st.lists(st.tuples(modules, experiments), max_size=2),
)
snapshot = call(
    "record_snapshot",
    module=maybe_module,
    experiment=maybe_experiment,
    metadata=st.one_of(st.none(), st.fixed_dictionaries({}, optional={"schema_before": sides, "schema_after": sides})),
    as_schemas=st.booleans(),
    context=snapshot_contexts,
)
change = call(
    "record_change",
    change_type=st.sampled_from(["CREATE", "UPDATE", "DELETE", "TRANSFORM", "RENAME"]),
    target=texts,
    details=contexts,
    before=sides_of_changes,
    after=sides_of_changes,
    part=st.one_of(st.none(), st.sampled_from(PARTS)),
    module=maybe_module,
    experiment=maybe_experiment,
)
timing = call(
    "record_timing",
    module=modules,
    experiment=experiments,
    step=texts,
    start=times,
    end=times,
    duration=st.one_of(st.none(), st.sampled_from([0.25, 3, np.float32(0.1), float("inf"), -1])),
    outcome=outcomes,
    context=contexts,
)
begin_timing = call("start_timing", module=modules, experiment=experiments, step=texts, context=contexts)
end_timing = call("end_timing", pick=picks, outcome=outcomes, context=contexts)
log = call("log", message=texts, level=st.sampled_from(["info", "warning"]), context=contexts, of_step=st.booleans())
restore = call("restore_from_snapshot", pick=picks)

inner = st.one_of(progress, log, change, snapshot, begin_timing, end_timing, store, timing, restore, result)
block = st.tuples(enter, st.lists(inner, max_size=2), result, leave).map(
    lambda found: [found[0], *found[1], found[2], found[3]]
)
loose = st.one_of(block, block, st.one_of(inner, enter, leave, call("start"), progress).map(lambda one: [one]))
ending = st.one_of(
    st.just([]),
    call("complete").map(lambda one: [one]),
    st.builds(
        lambda *found: list(found),
        call("fail", error=errors, module=maybe_module, experiment=maybe_experiment),
    ),
)
afterwards = st.lists(st.one_of(inner, enter, leave, call("start"), call("complete")), max_size=2)

runs = st.builds(
    lambda blocks, last, more: [*[one for found in blocks for one in found][:12], *last, *more],
    st.lists(loose, min_size=2, max_size=6),
    ending,
    afterwards,
)
faces = st.fixed_dictionaries(
    {
        "name": st.sampled_from([None, "Penguins ä", "lone \ud800", ""]),
        "sequence": st.sampled_from([[], ["Loader", "Clean"], ["Reporter", "lone \udc80"]]),
        "tags": st.sampled_from([[], ["nightly", "ä\ud800"]]),
    }
)
