"""An independent model of a run: what the calls of `Status` must have recorded, in plain Python.

It knows the documents and the arguments of the calls, and nothing of the package under test: no import of it, no
digest, no file. A record is a dict in the order of its fields on disk, with datetimes for times and `Table`s for
schemas; `on_disk` spells it as its line does. `answers` gives what every getter must say at any point of the history.

A call that must be refused raises `Refusal` here, with the name of the error that the package must raise.
"""

import base64
import dataclasses
import datetime as dt
import decimal
import enum
import json
import math
import pathlib
import re
import traceback
import uuid
from collections import deque
from collections.abc import KeysView, Mapping, Set, ValuesView
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd

NOT_FOUND = "NotFoundError"
DESCRIBING = ("Describer", "Evaluator", "Reporter")
PROGRESS_SECONDS = 0.2
MAX_LEVELS = 64
SIDE = ("name", "dtype", "nullable", "nulls", "statistics", "rows", "value")


class Refusal(Exception):
    """The package must refuse this call with the error of this name, and record nothing."""

    def __init__(self, error):
        super().__init__(error)
        self.error = error


@dataclasses.dataclass
class Hands:
    """What the clocks show: the time of day, and seconds of the monotonic and the processor clock."""

    now: dt.datetime
    tick: float = 100.0
    cpu: float = 1.0


# ------------------------------------------------------------------------------------------------------ normal form


def normal(value: Any, level: int = 0) -> Any:
    """The normal form of a value, written anew from the table in the package's documentation."""
    if isinstance(value, enum.Enum):
        return normal(value.value, level)
    if value is None or value is pd.NA or value is pd.NaT or _is_numpy_nat(value):
        return None
    for kinds, convert in SCALARS:
        if isinstance(value, kinds):
            return convert(value)
    if not _is_container(value):
        return escaped(repr(value)[:1000])
    if level >= MAX_LEVELS:
        raise Refusal("ContextError")
    return _container(value, level + 1)


def normal_object(value: Any) -> dict:
    if value is None:
        return {}
    found = normal(value)
    if not isinstance(found, dict):
        raise Refusal("UsageError")
    return found


def escaped(text: str) -> str:
    """Text with lone surrogates as Python source spells them."""
    return "".join(rf"\u{ord(char):04x}" if 0xD800 <= ord(char) < 0xE000 else char for char in text)


def json_text(value: Any) -> str:
    """The JSON of a normal form, without spaces."""
    if isinstance(value, float):
        return _float_text(value)
    if isinstance(value, list):
        return f"[{','.join(map(json_text, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json_text(key)}:{json_text(item)}" for key, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def duration_text(value: Any) -> str:
    """An ISO 8601 duration in days and seconds, to the nanosecond where the value has them."""
    nanos = _nanoseconds(value)
    days, rest = divmod(abs(nanos), 86_400 * 10**9)
    seconds, fraction = divmod(rest, 10**9)
    time = f"{seconds}.{fraction:09d}".rstrip("0") if fraction else str(seconds)
    found = (f"{days}D" if days else "") + (f"T{time}S" if rest else "")
    return f"{'-' if nanos < 0 else ''}P{found or '0D'}"


def _nanoseconds(value):
    if isinstance(value, np.timedelta64):
        return int(value.astype("timedelta64[ns]").astype("int64"))
    micros = (value.days * 86_400 + value.seconds) * 10**6 + value.microseconds
    return micros * 1000 + getattr(value, "nanoseconds", 0)


def _is_numpy_nat(value):
    return isinstance(value, np.datetime64 | np.timedelta64) and bool(np.isnat(value))


def _is_container(value):
    kinds = (Mapping, Set, list, tuple, deque, range, np.ndarray, msgspec.Struct, KeysView, ValuesView)
    return isinstance(value, kinds) or (dataclasses.is_dataclass(value) and not isinstance(value, type))


def _container(value, level):
    if isinstance(value, Mapping):
        return _object(value.items(), level)
    if dataclasses.is_dataclass(value):
        return _object([(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)], level)
    if isinstance(value, msgspec.Struct):
        return _object([(name, getattr(value, name)) for name in value.__struct_fields__], level)
    items = [normal(item, level) for item in value]
    if isinstance(value, Set) and not isinstance(value, KeysView):
        items.sort(key=lambda item: json_text(item).encode())
    return items


def _object(pairs, level):
    found = {}
    for key, item in pairs:
        form = normal(key, level)
        name = form if isinstance(form, str) else json_text(form)
        if name in found:
            raise Refusal("ContextError")
        found[name] = normal(item, level)
    return found


def _float(value):
    plain = float(value)
    if math.isnan(plain):
        return "NaN"
    return ("Infinity" if plain > 0 else "-Infinity") if math.isinf(plain) else plain


def _float_text(value):
    if value == 0 or 1e-5 <= abs(value) < 1e16:
        found = format(decimal.Decimal(repr(value)), "f")
        return found if "." in found else f"{found}.0"
    return re.sub(r"e([-+])0*", lambda sign: "e" + sign[1].strip("+"), repr(value))


SCALARS = [
    (str, escaped),
    ((dt.timedelta, np.timedelta64), duration_text),  # NumPy's is one of its integers
    ((bool, np.bool_), bool),
    ((int, np.integer), lambda value: int(value) if -(2**63) <= int(value) < 2**64 else str(int(value))),
    ((float, np.float16, np.float32, np.float64), _float),
    (np.datetime64, str),
    ((dt.date, dt.time), lambda value: value.isoformat()),
    ((decimal.Decimal, uuid.UUID), str),
    (pathlib.PurePath, lambda value: escaped(str(value))),
    ((bytes, bytearray, memoryview), lambda value: base64.b64encode(bytes(value)).decode()),
]


# ---------------------------------------------------------------------------------------------------------- schemas


class Table(NamedTuple):
    """A schema: the rows, and of each column its name, dtype, nullability, number of missing values and its look."""

    rows: int
    fields: tuple[tuple[str, str, bool, int, tuple], ...]


class FieldOf(NamedTuple):
    """One side of a change given as a field of a schema."""

    name: str
    dtype: str
    nullable: bool
    nulls: int


def table_of(frame: pd.DataFrame) -> Table:
    fields = []
    for position, label in enumerate(frame.columns):
        cells = frame.iloc[:, position]
        dense = str(cells.dtype) == "bool" or re.fullmatch(r"u?int\d+", str(cells.dtype)) is not None
        name = escaped(label) if type(label) is str else escaped(repr(label))
        fields.append((name, str(cells.dtype), not dense, int(cells.isna().to_numpy().sum()), look_of(cells)))
    return Table(len(frame), tuple(fields))


def look_of(cells: pd.Series) -> tuple:
    """What two columns have alike just where a digest must say that their values, and categories, are equal."""
    dtype, categories = str(cells.dtype), None
    if dtype == "category":
        categories, dtype = (bool(cells.cat.ordered), tuple(cells.cat.categories)), str(cells.cat.categories.dtype)
    values = tuple(None if missing else _look(cell) for cell, missing in zip(cells, cells.isna(), strict=True))
    kind = re.sub(r"\d+.*", "", dtype).lower().removeprefix("u")
    if kind in ("object", "str", "string"):
        kind = "text" if any(value is not None for value in values) or dtype != "object" else "nothing"
    return kind, values, categories


def _look(cell):
    return cell.value if isinstance(cell, pd.Timestamp) else repr(float(cell)) if isinstance(cell, float) else cell


def tables_of(data: Any) -> Any:
    """The schema of a frame, those of a dict of frames, None of anything else."""
    if isinstance(data, pd.DataFrame):
        return table_of(data)
    frames = frames_of(data)
    return {name: table_of(part) for name, part in frames.items()} or None


def frames_of(data: Any) -> dict:
    """The frames of a dict of parts."""
    parts = data.items() if isinstance(data, dict) else ()
    return {name: part for name, part in parts if isinstance(part, pd.DataFrame)}


def parts_of(tables: Any) -> list:
    if tables is None:
        return []
    return [(None, tables)] if isinstance(tables, Table) else list(tables.items())


def rows_of(tables: Any) -> int | None:
    return None if tables is None else sum(table.rows for _, table in parts_of(tables))


def differences(before: Any, after: Any) -> list:
    """Type, part, and the old and the new field of every change that a step's output makes to its input."""
    olds = parts_of(before)
    named = dict(olds)
    found = []
    for part, new in parts_of(after):
        old = named[part] if part in named else olds[0][1] if olds else Table(0, ())
        found += [(kind, part, one, other, details) for kind, one, other, details in _difference(old, new)]
    return found


def _difference(old, new):
    """The changes of one part; no frame of these tests has an index by which rows could be matched."""
    olds, news = _occurrences(old), _occurrences(new)
    gone = [field for place, field in olds if place not in dict(news)]
    come = [field for place, field in news if place not in dict(olds)]
    found = []
    moved = [place for place, _ in olds if place in dict(news)] != [place for place, _ in news if place in dict(olds)]
    if olds and (old.rows != new.rows or moved):
        found.append(("UPDATE", old.rows, new.rows, {"columns_reordered": True} if moved else {}))
    renamed = {
        one: other for one in gone for other in come if _is_renamed(one, other, gone, come, (old.rows, new.rows))
    }
    found += [("DELETE", one, None, {"renamed_to": renamed[one][0]} if one in renamed else {}) for one in gone]
    sources = {other: one for one, other in renamed.items()}
    for place, field in news:
        before = dict(olds).get(place)
        if before is None:
            details = {"renamed_from": sources[field][0]} if field in sources else {}
            found.append(("CREATE", None, field, details))
        elif before[1] != field[1]:
            found.append(("TRANSFORM", before, field, {}))
        elif (before[2], before[4][2]) != (field[2], field[4][2]) or (old.rows == new.rows and before[4] != field[4]):
            found.append(("UPDATE", before, field, {}))
    return found


def _is_renamed(one, other, gone, come, rows):
    """Whether they have equal dtype and values, and no other of those that went or came has."""
    alike = [field for field in (*gone, *come) if (field[1], field[4]) == (one[1], one[4])]
    return rows[0] == rows[1] > 0 and len(alike) == 2 and one in alike and other in alike


def _occurrences(table):
    names = [field[0] for field in table.fields]
    return [((field[0], names[:index].count(field[0])), field) for index, field in enumerate(table.fields)]


# --------------------------------------------------------------------------------------------------------- the disk


def on_disk(record: dict) -> dict:
    """A record as its line spells it, with a `Table` in place of its schema's id."""
    found = {name: _spelled(value) for name, value in record.items()}
    if record["kind"] == "snapshot":
        found["metadata"] = {
            side: [{"part": part, "schema_id": table} for part, table in parts_of(tables)]
            for side, tables in record["metadata"].items()
        }
    if record["kind"] == "schema":
        names = ("name", "dtype", "nullable", "nulls", "look")
        found["fields"] = [dict(zip(names, field, strict=True)) for field in record["fields"]]
    return found


def _spelled(value):
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return list(value) if type(value) is tuple else value


# ----------------------------------------------------------------------------------------------------------- states


class State:
    """What a restore goes back to: metadata, results, the experiments, and the last finished step."""

    def __init__(self):
        self.metadata = {}
        self.results = {}
        self.experiments = {}
        self.path = ()
        self.gave = None
        self.last = None

    def copy(self):
        twin = State()
        twin.__dict__ = {name: dict(value) if type(value) is dict else value for name, value in vars(self).items()}
        return twin

    def take_snapshot(self, record):
        point, module, experiment = record["context"]["point"], record["module_name"], record["experiment_name"]
        if point not in ("after", "manual") or module is None:
            return
        self.last = record
        after = record["metadata"]["schema_after"]
        if after is not None:
            self.metadata[module] = after
        if point == "after":
            self.path = _pairs(record["context"]["path"])
            self.gave = _passed_on(module, record["metadata"]["schema_before"], after)
            self.experiments = dict(self.path)
        elif experiment is not None:
            names = list(self.experiments)
            for name in names[names.index(module) :] if module in names else []:
                del self.experiments[name]
            self.experiments[module] = experiment


def _passed_on(module, before, after):
    """What the step after this one gets: what this one gave, or got if that is no table or only describes one."""
    return before if after is None or module in DESCRIBING else after


def states_of(records: list[dict]) -> tuple[State, dict[str, State]]:
    """The state after these records, and that at each snapshot."""
    state, at = State(), {}
    for record in records:
        if record["kind"] == "result":
            state.results[record["key"]] = record
        elif record["kind"] == "snapshot":
            state.take_snapshot(record)
            at[record["snapshot_id"]] = state.copy()
        elif record["kind"] == "event" and record["type"] == "restore":
            state = at[record["snapshot_id"]].copy()
    return state, at


def _pairs(rows):
    return tuple((row["module_name"], row["experiment_name"]) for row in rows)


def _rows(pairs):
    return [{"module_name": module, "experiment_name": experiment} for module, experiment in pairs]


# --------------------------------------------------------------------------------------------------------- answers


def answers(records: list[dict], modules: list[str], ids: list[str], *, alive: bool = True) -> dict[str, Any]:
    """What every getter says after these records; `alive` tells whether a reader finds the writer at work."""
    state = states_of(records)[0]
    snapshots, changes, timings, events = (_of(records, kind) for kind in ("snapshot", "change", "timing", "event"))
    header = next((event["context"] for event in events if event["type"] == "segment"), None)
    states = [event for event in events if event["type"] == "state"]
    stands = states[-1]["state"] if states else "not_started"
    ended = states[-1] if stands in ("completed", "failed") else None
    if stands == "in_progress" and not alive:
        stands = "interrupted"
    sequence = list(dict.fromkeys([*(header["sequence"] if header else ()), *_modules(snapshots, ("before",))]))
    results = list(state.results.values())
    return {
        "run_id": header and header["run_id"],
        "name": header and header["name"],
        "tags": header["tags"] if header else [],
        "state": stands,
        "is_completed": stands == "completed",
        "start_time": states[0]["timestamp"] if states else None,
        "end_time": ended and ended["timestamp"],
        "duration_seconds": ended and ended["context"]["duration_seconds"],
        "error": ended and ended["context"].get("error"),
        "sequence": sequence,
        "snapshots": snapshots,
        "changes": changes,
        "timing_records": timings,
        "events": events,
        "results": _shown(results),
        "get_result": _shown(_ends(results)),
        "result_records": _of(records, "result"),
        "get_timing": [_row(timing) for timing in timings if timing["parent_id"] is None],
        "get_timing_nested": [_row(timing) for timing in timings],
        "get_status_summary": {
            "sequence": sequence,
            "active_modules": _modules(snapshots),
            "metadata_modules": list(state.metadata),
            "total_snapshots": len(snapshots),
            "total_changes": len(changes),
            "last_snapshot": snapshots[-1]["snapshot_id"] if snapshots else None,
            "last_change": changes[-1]["change_id"] if changes else None,
            "state": stands,
            "last_completed": state.last and (state.last["module_name"], state.last["experiment_name"]),
        },
        "get_full_expt": state.experiments,
        "by_id": {name: next((one for one in snapshots if one["snapshot_id"] == name), None) for name in ids},
        "by_module": {
            module: {
                "get_snapshots": [one["snapshot_id"] for one in snapshots if one["module_name"] == module],
                "get_change_history": [one["change_id"] for one in changes if one["module_name"] == module],
                "get_timing_records": [one["record_id"] for one in timings if one["module_name"] == module],
                "get_metadata": state.metadata.get(module, NOT_FOUND),
                "get_metadata_evolution": _evolution(snapshots, module),
                "get_full_expt": _up_to(state.experiments, module),
                "get_result": _shown([one for one in results if _last_module(one) == module]),
            }
            for module in modules
        },
    }


def data_by_module(records: list[dict], modules: list[str]) -> dict[str, Any]:
    """The results whose data `get_data_by_module` gives: its names, each with a record and a part's name or None."""
    found = {}
    for module in modules:
        of_module = [one for one in states_of(records)[0].results.values() if _last_module(one) == module]
        for part in of_module[-1]["parts"] if of_module else ():
            name = part["name"]
            found[module if name is None else f"{module}_{name}"] = (of_module[-1], name)
    return found


def _of(records, kind):
    return [record for record in records if record["kind"] == kind]


def _modules(snapshots, more=()):
    points = ("after", "manual", *more)
    found = [one["module_name"] for one in snapshots if one["context"]["point"] in points]
    return list(dict.fromkeys(module for module in found if module is not None))


def _evolution(snapshots, module):
    metadata = [one["metadata"] for one in snapshots if one["module_name"] == module]
    return list(dict.fromkeys(table for sides in metadata for side in sides.values() for _, table in parts_of(side)))


def _up_to(experiments, module):
    if module not in experiments:
        return NOT_FOUND
    names = list(experiments)
    return {name: experiments[name] for name in names[: names.index(module) + 1]}


def _last_module(result):
    return result["path"][-1]["module_name"] if result["path"] else None


def _ends(results):
    """The results whose path no other result's path goes on from; one without a path stands for itself."""
    paths = [_pairs(one["path"]) for one in results]
    return [
        one
        for one, path in zip(results, paths, strict=True)
        if not path or not any(len(longer) > len(path) and longer[: len(path)] == path for longer in paths)
    ]


def _shown(results):
    return {one["key"]: {"record": one, "schema": schema_of(one)} for one in results}


def schema_of(result: dict) -> Any:
    """The schema of a result: one, or one by part, or None."""
    found = {part["name"]: part["schema_id"] for part in result["parts"]}
    return found.get(None, found)


def _row(timing):
    names = ("record_id", "module_name", "experiment_name", "step_name", "start_time", "end_time", "duration_seconds")
    return {name: timing[name] for name in (*names, "cpu_seconds", "outcome", "parent_id")}


# ------------------------------------------------------------------------------------------------------ the ledger


class Begun:
    """A step or a timing that runs."""

    def __init__(self, names, hands, record_id, parent_id, context):
        self.module, self.experiment, self.step_name = names
        self.record_id, self.parent_id, self.context = record_id, parent_id, context
        self.start, self.tick, self.cpu = hands.now, hands.tick, hands.cpu
        self.snapshot_id = None


class Step:
    """A step as asked for."""

    def __init__(self, names, data, after, context):
        self.names, self.data, self.after, self.context = names, data, after, context
        self.path, self.before, self.gave = (), None, None
        self.has_result = False
        self.begun = None

    @property
    def passes_on(self):
        return _passed_on(self.names[0], self.before, self.gave)


class Ledger:
    """The records of one run, and what its writer must know between two calls.

    `machine` is what the header says of where the run is written, which no call tells.
    """

    def __init__(self, hands: Hands, *, name, sequence, tags, machine):
        self.hands = hands
        self.records: list[dict] = []
        self.data: dict[int, Any] = {}
        self.ended = False
        self.header = {
            "format_version": 1,
            "run_id": None,
            "name": None if name is None else escaped(name),
            "sequence": [escaped(module) for module in sequence],
            "tags": [escaped(tag) for tag in tags],
            "results": "full",
            "profile": "digest",
            "modules": [],
            "durability": "process",
            "writer": "main",
            **machine,
            "continues": None,
        }
        self.timings: dict[str, Begun] = {}
        self._running: list[Begun] = []
        self._position: tuple = ((), None)
        self._keys: set[str] = set()
        self._last: dict | None = None
        self._failed: tuple = (None, None)
        self._progress: dict = {}
        self._counts: dict[str, int] = {}
        self._tables: set[Table] = set()
        self._start_tick = 0.0

    # The run

    def start(self):
        self._open()

    def complete(self):
        self._end("completed", None)

    def fail(self, error, *, module=None, experiment=None):
        given = module is not None or experiment is not None
        module, experiment = (module, experiment) if given else self._failed
        failure = {"type": "", "message": error, "traceback": ""}
        if isinstance(error, BaseException):
            lines = "".join(traceback.format_exception(error))
            failure = {"type": type(error).__qualname__, "message": str(error), "traceback": lines}
        failure |= {"module_name": module, "experiment_name": experiment}
        self._end("failed", {name: None if text is None else escaped(text) for name, text in failure.items()})

    def _open(self):
        if self.ended:
            raise Refusal("RunEndedError")
        if self.records:
            return
        self._start_tick = self.hands.tick
        self._event("segment", context=self.header)
        self._event("state", state="in_progress")
        self._snapshot(None, None, (None, None), {"point": "start"})

    def _end(self, state, failure):
        self._open()
        self._flush(None)
        context = {"point": state}
        if failure is not None:
            context |= {
                "failed_module": failure["module_name"],
                "failed_experiment": failure["experiment_name"],
                "error_type": failure["type"],
                "error": failure["message"],
                "traceback": failure["traceback"],
            }
        last = self._last or {"module_name": None, "experiment_name": None, "metadata": {"schema_after": None}}
        tables = last["metadata"]["schema_after"]
        self._snapshot(last["module_name"], last["experiment_name"], (tables, tables), context)
        duration = {"duration_seconds": self.hands.tick - self._start_tick}
        error = {} if failure is None else {"error": failure}
        self._event("state", state=state, message=failure and failure["message"], context=duration | error)
        self.ended = True

    # Steps and timings

    def step(self, module, experiment, *, data=None, after="last", step_name="run", context=None):
        return Step(tuple(map(escaped, (module, experiment, step_name))), data, after, normal_object(context))

    def enter(self, step):
        if isinstance(step.after, Step):
            path, before = step.after.path, step.after.passes_on
        else:
            path, before = self._position if step.after == "last" else ((), None)
        step.path = (*path, step.names[:2])
        step.before = before if step.data is None else tables_of(step.data)
        context = {**step.context, "point": "before", "path": _rows(step.path)}
        self._open()
        self._snapshot(*step.names[:2], (step.before, None), context)
        step.begun = self._begin(step.names, step.context)
        step.begun.snapshot_id = self._id("snapshot")
        ids = {"record_id": step.begun.record_id, "parent_id": step.begun.parent_id}
        self._event("step", **self._names(step.begun), **ids, context={"path": _rows(step.path)})

    def result(self, step, data):
        if step.has_result:
            raise Refusal("DuplicateKeyError")
        tables = tables_of(data)
        self._store(self.key_of(step), data, tables, step.path)
        step.has_result, step.gave = True, tables
        found = differences(step.before, tables) if step.names[0] not in DESCRIBING else ()
        for kind, part, before, after, details in found:
            of_table = isinstance(before, int)
            self._change(
                type=kind,
                target="*" if of_table else (after or before)[0],
                part=part,
                before=_side_of(before),
                after=_side_of(after),
                module_name=step.names[0],
                experiment_name=step.names[1],
                snapshot_id=step.begun.snapshot_id,
                details=details,
            )

    def key_of(self, step):
        return "_".join(f"{module}[{experiment}]" for module, experiment in step.path)

    def exit(self, step, error):
        """End a step; one that fails only adds a note to its error where even that can't be recorded."""
        begun = step.begun
        if error is not None:
            self._failed = step.names[:2]
            described = escaped(f"{type(error).__name__}: {error}"[:1000])
            try:
                self._finish(begun, "failed", {**step.context, "error": described})
            except Refusal:
                return
        else:
            self._finish(begun, "completed", step.context)
            context = {**step.context, "point": "after", "path": _rows(step.path)}
            self._snapshot(*step.names[:2], (step.before, step.gave), context, begun.snapshot_id)
            self._position = (step.path, step.passes_on)

    def start_timing(self, module, experiment, step, *, context=None):
        names, found = tuple(map(escaped, (module, experiment, step))), normal_object(context)
        self._open()
        begun = self._begin(names, found)
        self.timings[begun.record_id] = begun
        return begun.record_id

    def end_timing(self, record_id, *, context=None, outcome="completed"):
        added = normal_object(context)
        _allowed(outcome, ("completed", "failed"))
        if record_id not in self.timings:
            raise Refusal(NOT_FOUND)
        begun = self.timings.pop(record_id)
        return self._finish(begun, outcome, begun.context | added)

    def record_timing(self, module, experiment, step, start, end, *, duration=None, outcome="completed", context=None):
        start, end = (_instant(time) for time in (start, end))
        if end < start:
            raise Refusal("UsageError")
        seconds = (end - start).total_seconds() if duration is None else _number(duration)
        if seconds < 0:
            raise Refusal("UsageError")
        _allowed(outcome, ("completed", "failed"))
        found = normal_object(context)
        self._open()
        inner = self._innermost
        return self._timing(
            self._id("timing"),
            tuple(map(escaped, (module, experiment, step))),
            start_time=start,
            end_time=end,
            duration_seconds=seconds,
            cpu_seconds=None,
            outcome=outcome,
            parent_id=inner and inner.record_id,
            context=found,
        )

    # Snapshots, changes, results

    def record_snapshot(self, module, experiment, metadata=None, *, context=None):
        found = {"point": "manual", **normal_object(context)}
        sides = [(metadata or {}).get(side) for side in ("schema_before", "schema_after")]
        tables = tuple(map(tables_of, map(_escaped_parts, sides)))
        self._open()
        return self._snapshot(_name(module), _name(experiment), tables, found)

    def record_change(
        self, change_type, target, details=None, *, before=None, after=None, part=None, module=None, experiment=None
    ):
        _allowed(change_type, ("CREATE", "UPDATE", "DELETE", "TRANSFORM"))
        found, sides = normal_object(details), (_side(before), _side(after))
        self._open()
        inner = next((begun for begun in reversed(self._running) if begun.snapshot_id), None)
        if inner is not None and module is None:
            module, experiment = inner.module, experiment or inner.experiment
        return self._change(
            type=change_type,
            target=escaped(target),
            part=_name(part),
            before=sides[0],
            after=sides[1],
            module_name=_name(module),
            experiment_name=_name(experiment),
            snapshot_id=inner and inner.snapshot_id,
            details=found,
        )

    def store_result(self, exp_key, data, schema=None, *, path=()):
        tables = tables_of(data) if schema is None else tables_of(schema)
        if [part for part, _ in parts_of(tables)] != [part for part, _ in parts_of(tables_of(data))]:
            raise Refusal("UsageError")
        steps = tuple((escaped(module), escaped(experiment)) for module, experiment in path)
        return self._store(escaped(exp_key), data, tables, steps)

    # Progress, messages, restore

    def progress(self, done, total=None, unit=None, *, step=None):
        fields = {"done": _number(done), "total": None if total is None else _number(total), "unit": _name(unit)}
        begun = step.begun if step else self._innermost
        self._open()
        place = begun and begun.record_id
        due, _ = self._progress.get(place, (self.hands.tick, None))
        sample = {**self._names(begun), "record_id": place, **fields}
        if self.hands.tick < due:
            self._progress[place] = (due, sample)
        else:
            self._event("progress", **sample)
            self._progress[place] = (self.hands.tick + PROGRESS_SECONDS, None)

    def log(self, message, level="info", *, context=None, step=None):
        found = normal_object(context)
        begun = step.begun if step else self._innermost
        self._open()
        place = {**self._names(begun), "record_id": begun and begun.record_id}
        return self._event("log", **place, message=escaped(message), level=escaped(level), context=found)

    def restore_from_snapshot(self, snapshot_id):
        states = states_of(self.records)[1]
        if snapshot_id not in states:
            raise Refusal(NOT_FOUND)
        self._open()
        state = states[snapshot_id]
        self._keys, self._last, self._position = set(state.results), state.last, (state.path, state.gave)
        return self._event("restore", snapshot_id=snapshot_id)

    # Records

    @property
    def _innermost(self):
        return self._running[-1] if self._running else None

    def _names(self, begun):
        if begun is None:
            return {}
        return {"module_name": begun.module, "experiment_name": begun.experiment, "step_name": begun.step_name}

    def _begin(self, names, context):
        outer = self._innermost
        begun = Begun(names, self.hands, self._id("timing"), outer and outer.record_id, context)
        self._running.append(begun)
        return begun

    def _finish(self, begun, outcome, context):
        self._running = [one for one in self._running if one is not begun]
        if self.ended:
            raise Refusal("RunEndedError")
        self._flush(begun.record_id)
        return self._timing(
            begun.record_id,
            (begun.module, begun.experiment, begun.step_name),
            start_time=begun.start,
            end_time=max(begun.start, self.hands.now),
            duration_seconds=self.hands.tick - begun.tick,
            cpu_seconds=self.hands.cpu - begun.cpu,
            outcome=outcome,
            parent_id=begun.parent_id,
            context=context,
        )

    def _flush(self, place):
        _, sample = self._progress.pop(place, (0.0, None))
        if sample is not None:
            self._event("progress", **sample)

    def _timing(self, record_id, names, **fields):
        named = dict(zip(("module_name", "experiment_name", "step_name"), names, strict=True))
        return self._add("timing", record_id=record_id, **named, **fields)

    def _snapshot(self, module, experiment, sides, context, snapshot_id=None):
        for tables in sides:
            self._describe(tables)
        record = self._add(
            "snapshot",
            snapshot_id=snapshot_id or self._id("snapshot"),
            timestamp=self.hands.now,
            module_name=module,
            experiment_name=experiment,
            metadata=dict(zip(("schema_before", "schema_after"), sides, strict=True)),
            rows_before=rows_of(sides[0]),
            rows_after=rows_of(sides[1]),
            context=context,
        )
        if context["point"] in ("after", "manual") and module is not None:
            self._last, self._failed = record, (None, None)
        return record

    def _change(self, **fields):
        return self._add("change", change_id=self._id("change"), timestamp=self.hands.now, **fields)

    def _store(self, key, data, tables, path):
        if self.ended:
            raise Refusal("RunEndedError")
        if key in self._keys:
            raise Refusal("DuplicateKeyError")
        if not _storable(data):
            raise Refusal("DataError")
        self._open()
        self._describe(tables)
        split = data if frames_of(data) else {None: data}
        named = dict(parts_of(tables))
        parts = [_part(name, part, named.get(name)) for name, part in split.items()]
        record = self._add("result", key=key, path=tuple(_rows(path)), parts=parts, timestamp=self.hands.now)
        self._keys.add(key)
        self.data[record["seq"]] = data
        return record

    def _describe(self, tables):
        """Each schema once, before the first line that names it."""
        for _, table in parts_of(tables):
            if table not in self._tables:
                self._tables.add(table)
                self._add("schema", rows=table.rows, fields=list(table.fields))

    def _event(self, kind, **fields):
        empty = dict.fromkeys(EVENT_FIELDS)
        return self._add(
            "event",
            event_id=self._id("event"),
            timestamp=self.hands.now,
            type=kind,
            **(empty | {"context": {}} | fields),
        )

    def _id(self, noun):
        self._counts[noun] = self._counts.get(noun, 0) + 1
        return f"{noun}-{self._counts[noun]:06d}"

    def _add(self, kind, **fields):
        record = {"kind": kind, "seq": len(self.records) + 1, **fields}
        self.records.append(record)
        return record


EVENT_FIELDS = (
    "module_name",
    "experiment_name",
    "step_name",
    "record_id",
    "parent_id",
    "state",
    "done",
    "total",
    "unit",
    "level",
    "message",
    "snapshot_id",
)


def _name(value):
    return None if value is None else escaped(value)


def _escaped_parts(side):
    return {escaped(name): part for name, part in side.items()} if isinstance(side, dict) else side


def _allowed(value, values):
    if value not in values:
        raise Refusal("UsageError")


def _number(value):
    if not math.isfinite(value):
        raise Refusal("UsageError")
    return float(value)


def _instant(value):
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC)
    return dt.datetime.fromtimestamp(float(value), dt.UTC)


def _side_of(value):
    """One side of a change that was noticed: the rows of a table, a field of a schema, or nothing."""
    if isinstance(value, int):
        return dict.fromkeys(SIDE) | {"rows": value}
    return None if value is None else _side(FieldOf(*value[:4]))


def _side(value):
    """One side of a change: a field as it is, anything else as text."""
    if value is None:
        return None
    fields = dict.fromkeys(SIDE)
    if isinstance(value, FieldOf):
        return fields | value._asdict()
    form = normal(value)
    return fields | {"value": form if form is None or isinstance(form, str) else json_text(form)}


def _part(name, data, table):
    frame = isinstance(data, pd.DataFrame)
    return {
        "name": name,
        "format": "parquet" if frame else "json",
        "rows": len(data) if frame else None,
        "columns": len(data.columns) if frame else None,
        "schema_id": table,
        "type": "pandas.DataFrame" if frame else "report",
        "withheld": None,
    }


def _storable(data):
    """Whether data is one frame, frames by name, or what JSON gives back just as it is."""
    if isinstance(data, pd.DataFrame):
        return not any(isinstance(cell, type) for cell in data.to_numpy(dtype=object).ravel())
    if frames_of(data):
        names_are_text = all(type(name) is str and escaped(name) == name for name in data)
        return names_are_text and all(map(_storable, data.values()))
    return _is_report(data)


def _is_report(data):
    if type(data) is dict:
        return all(type(key) is str and _is_report(key) and _is_report(item) for key, item in data.items())
    if type(data) is list:
        return all(map(_is_report, data))
    if type(data) is str:
        return escaped(data) == data
    if type(data) is float:
        return math.isfinite(data)
    return data is None or type(data) is bool or (type(data) is int and -(2**63) <= data < 2**64)
