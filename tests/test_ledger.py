"""Every getter, live and loaded, says after every call what an independent ledger of the calls' arguments says.

The same holds of a copy of the folder, and of a folder whose last line is cut at any byte: it is the ledger's answer
before that record. The calls are drawn by hypothesis (`strategies.py`), the answers by `ledger.py`, which knows nothing
of the package.

The environment variable RUNFOLIO_LEDGER_EXAMPLES sets the number of random runs, for a long hunt:

    RUNFOLIO_LEDGER_EXAMPLES=5000 pytest tests/test_ledger.py -k random --timeout 0
"""

import ast
import copy
import datetime as dt
import hashlib
import inspect
import itertools
import json
import os
import platform
import re
import shutil
import sys
import tempfile
import zlib
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from msgspec import Struct
from pandas.testing import assert_frame_equal

import runfolio
from runfolio import Field, Schema, Status, errors, load_run
from runfolio.clock import Clock
from runfolio.records import Part

from . import ledger as ledgers
from .ledger import NOT_FOUND, FieldOf, Hands, Ledger, Refusal, Table, answers, on_disk
from .strategies import ARRAYS, FRAMES, SCALARS, UNSPEAKABLE, Call, Counted, Initialised, contexts, faces, runs

EXAMPLES = int(os.environ.get("RUNFOLIO_LEDGER_EXAMPLES", "80"))
BEGINNING = dt.datetime(2026, 11, 22, 18, 48, tzinfo=dt.UTC)
NOBODY = "nobody"
JOURNALS = {
    "snapshot": "snapshots.jsonl",
    "change": "changes.jsonl",
    "timing": "timings.jsonl",
    "result": "results.jsonl",
    "schema": "schemas.jsonl",
    "event": "events.jsonl",
}
SCHEMA_IDS: dict[str, Table] = {}
"""The schema of each id met in any run: an id belongs to one content on every machine, and a content to one id."""
STRUCTURE_IDS: dict[str, tuple] = {}
LOOKS: dict[tuple, tuple] = {}
"""The look of each pair of digests met: equal digests just where dtype aside the columns are equal."""

OPEN = {}
"""Where the package does not do what its documents say. The random runs go around these; who mends one deletes it here,
and everything about it is tested."""


def unless_open(name):
    return pytest.mark.xfail(name in OPEN, reason=OPEN.get(name, ""), strict=True)


# ------------------------------------------------------------------------------------------- what the package says


def plain(value):
    """A record, and what it holds, in the ledger's form."""
    if isinstance(value, Schema):
        fields = tuple(
            (field.name, field.dtype, field.nullable, field.nulls, LOOKS[field.dtype_digest, field.digest])
            for field in value.fields
        )
        return Table(value.rows, fields)
    if isinstance(value, Part):
        names = ("name", "format", "rows", "columns", "schema_id", "type", "withheld")
        table = None if value.schema_id is None else SCHEMA_IDS[value.schema_id]
        return {name: value[name] for name in names} | {"schema_id": table}
    if isinstance(value, Struct):
        kind = value.__struct_config__.tag
        fields = {name: plain(getattr(value, name)) for name in value.__struct_fields__}
        return {"kind": kind, **fields} if kind else fields
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return type(value)(map(plain, value)) if type(value) in (list, tuple) else value


def exact(value):
    """A value so that only equal types in equal order are equal: 1 is no 1.0 and no True, and 0.0 is no -0.0."""
    if isinstance(value, Table):
        return value
    if isinstance(value, dict):
        return [(name, exact(item)) for name, item in value.items()]
    if isinstance(value, list | tuple):
        return type(value).__name__, [exact(item) for item in value]
    if isinstance(value, dt.datetime):
        return value.isoformat(), value.tzinfo
    return (type(value).__name__, repr(value)) if isinstance(value, float | bool) else value


def observed(view, modules, ids, *, frames=True):
    """What every getter of a view says; frames of timings take most of the time, and are left out where told."""
    timings = {"get_timing": view.get_timing(), "get_timing_nested": view.get_timing(nested=True)} if frames else {}
    return {
        "run_id": view.run_id,
        "name": view.name,
        "tags": view.tags,
        "state": view.state,
        "is_completed": view.is_completed(),
        "start_time": view.start_time,
        "end_time": view.end_time,
        "duration_seconds": view.duration_seconds,
        "error": plain(view.error),
        "sequence": view.sequence,
        "snapshots": plain(view.snapshots),
        "changes": plain(view.changes),
        "timing_records": plain(view.timing_records),
        "events": plain(view.events),
        "results": _stored(view.results),
        "get_result": _stored(view.get_result()),
        "result_records": plain(view.result_records),
        **{name: _timing_rows(frame) for name, frame in timings.items()},
        "get_status_summary": view.get_status_summary(),
        "get_full_expt": view.get_full_expt(),
        "by_id": {name: plain(view.get_snapshot_by_id(name)) for name in ids},
        "by_module": {module: _of_module(view, module) for module in modules},
    }


def same(found, expected):
    """Compare what getters said with what they must say."""
    for getter, answer in found.items():
        assert exact(answer) == expected[getter], getter


def _of_module(view, module):
    return {
        "get_snapshots": [one["snapshot_id"] for one in view.get_snapshots(module)],
        "get_change_history": [one["change_id"] for one in view.get_change_history(module)],
        "get_timing_records": [one["record_id"] for one in view.get_timing_records(module)],
        "get_metadata": _found(view.get_metadata, module),
        "get_metadata_evolution": plain(view.get_metadata_evolution(module)),
        "get_full_expt": _found(view.get_full_expt, module),
        "get_result": _stored(view.get_result(module=module)),
    }


def _found(getter, module):
    try:
        return plain(getter(module))
    except errors.NotFoundError:
        return NOT_FOUND


def _stored(results):
    return {key: {"record": plain(one.record), "schema": plain(one["schema"])} for key, one in results.items()}


def _timing_rows(frame):
    times = ("start_time", "end_time")
    assert [str(frame[name].dtype) for name in times] == ["datetime64[us, UTC]"] * 2
    assert [str(frame[name].dtype) for name in ("duration_seconds", "cpu_seconds")] == ["float64"] * 2
    columns = {name: frame[name].tolist() for name in frame.columns}
    columns |= {name: [time.to_pydatetime().astimezone(dt.UTC) for time in columns[name]] for name in times}
    columns["cpu_seconds"] = [None if np.isnan(cpu) else cpu for cpu in columns["cpu_seconds"]]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def same_data(found, stored):
    if isinstance(stored, pd.DataFrame):
        assert_frame_equal(found, stored, check_exact=True, check_freq=True, check_column_type=True)
    elif isinstance(stored, dict) and any(isinstance(part, pd.DataFrame) for part in stored.values()):
        assert list(found) == list(stored)
        for name, part in stored.items():
            same_data(found[name], part)
    else:
        assert exact(found) == exact(stored)


# ------------------------------------------------------------------------------------------------------ the two sides


class Recording:
    """A Status and a ledger that get the same calls, and are compared after each."""

    def __init__(self, base: Path, face: dict, *, every_byte: bool = False, around: Collection[str] = ()):
        self.base = base
        self.around = around
        self.every_byte = every_byte
        self.hands = Hands(BEGINNING)
        clock = Clock(now=lambda: self.hands.now, monotonic=lambda: self.hands.tick, cpu=lambda: self.hands.cpu)
        self.status = Status(**face, root=base / "runs", clock=clock, profile="digest", provenance=False)
        self.ledger = Ledger(self.hands, **face, machine=_machine())
        self.steps: list[tuple] = []
        self.open: list[tuple] = []
        self.manifest: bytes | None = None
        self.lock = base / "lock"
        self.sizes = dict.fromkeys(JOURNALS, 0)
        self.spans: dict[int, tuple[int, int]] = {}
        self.copies = itertools.count()
        self.cut_kinds: set[tuple] = set()

    def perform(self, call: Call):
        self.hands.now += dt.timedelta(seconds=call.wait + call.jump)
        self.hands.tick += call.wait
        self.hands.cpu += call.wait / 2
        count = len(self.ledger.records)
        own = getattr(self, f"do_{call.method}", None)
        done = own(**call.arguments) if own else self.both(call.method, **call.arguments)
        self.compare(count, done)

    def finish(self):
        """Let go of the lock; what a run without an end looks like was compared before."""
        if self.status.state == "in_progress":
            self.status.complete()

    # Calls

    def both(self, method, *arguments, **more):
        """Call this method of the ledger and of the Status."""
        return self.pair(
            lambda: getattr(self.ledger, method)(*arguments, **more),
            lambda: getattr(self.status, method)(*arguments, **more),
        )

    def pair(self, expecting, doing):
        """Call the ledger, then the package: what both gave, or None where the package refused as the ledger did."""
        try:
            expected = expecting()
        except Refusal as refusal:
            error = getattr(errors, refusal.error)
        else:
            return expected, doing()
        with pytest.raises(error) as caught:
            doing()
        assert caught.type is error
        return None

    def do_enter(self, after, **arguments):
        if isinstance(after, int):
            after = self.steps[after % len(self.steps)] if self.steps else "last"
        afters = after if isinstance(after, tuple) else (after, after)
        steps = self.pair(
            lambda: self.ledger.step(**arguments, after=afters[0]),
            lambda: self.status.step(**arguments, after=afters[1]),
        )
        if steps is None or self.pair(lambda: self.ledger.enter(steps[0]), steps[1].__enter__) is None:
            return
        self.steps.append(steps)
        self.open.append(steps)
        assert steps[1].key == self.ledger.key_of(steps[0])

    def do_result(self, data):
        if self.open:
            mine, theirs = self.open[-1]
            done = self.pair(lambda: self.ledger.result(mine, data), lambda: theirs.result(data))
            assert done is None or done[1] is data

    def do_exit(self, error):
        if self.open:
            mine, theirs = self.open.pop()
            error = error and _raised(error)
            leaving = (type(error), error, error and error.__traceback__) if error else (None, None, None)
            done = self.pair(lambda: self.ledger.exit(mine, error), lambda: theirs.__exit__(*leaving))
            assert done is None or not done[1]

    def do_progress(self, of_step, **arguments):
        if of_step and self.open:
            mine, theirs = self.open[-1]
            self.pair(lambda: self.ledger.progress(**arguments, step=mine), lambda: theirs.progress(**arguments))
        else:
            self.both("progress", **arguments)

    def do_log(self, of_step, context, **arguments):
        if not of_step or not self.open:
            return self.both("log", **arguments, context=context)
        mine, theirs = self.open[-1]
        self.pair(lambda: self.ledger.log(**arguments, step=mine), lambda: theirs.log(**arguments))
        return None

    def do_end_timing(self, pick, **arguments):
        names = [*self.ledger.timings, "timing-999999"]
        return self.both("end_timing", names[pick % len(names)], **arguments)

    def do_restore_from_snapshot(self, pick):
        states = ledgers.states_of(self.ledger.records)[1]
        names = [*states, "snapshot-999999"]
        state = states.get(names[pick % len(names)])
        if "given" in self.around and state and state.last and state.last["metadata"]["schema_after"] != state.gave:
            return None
        return self.both("restore_from_snapshot", names[pick % len(names)])

    def do_record_snapshot(self, metadata, as_schemas, **arguments):
        sides = {side: _schemas(data) for side, data in metadata.items()} if metadata and as_schemas else metadata
        return self.pair(
            lambda: self.ledger.record_snapshot(**arguments, metadata=metadata),
            lambda: self.status.record_snapshot(**arguments, metadata=sides),
        )

    def do_store_result(self, **arguments):
        if "first" in self.around and not self.ledger.records:
            self.both("start")
        return self.both("store_result", **arguments)

    def do_record_change(self, before, after, **arguments):
        if "timing" in self.around and self.ledger.timings:
            return None
        sides = {name: _field(side) for name, side in (("before", before), ("after", after))}
        return self.pair(
            lambda: self.ledger.record_change(**arguments, before=before, after=after),
            lambda: self.status.record_change(**arguments, **sides),
        )

    def do_fail(self, error, **arguments):
        return self.both("fail", error if isinstance(error, str) else _raised(error), **arguments)

    # Comparisons

    def compare(self, count, done):
        """Compare what was recorded by a call, `count` records having been there before."""
        folder = self.status.folder
        records = self.ledger.records
        if records and self.ledger.header["run_id"] is None:
            self.ledger.header["run_id"] = folder.name
            slug = re.sub("[^a-z0-9]+", "-", (self.status.name or "").lower()).strip("-") or "run"
            assert re.fullmatch(rf"{self.hands.now:%Y%m%dT%H%M%SZ}-{slug}-[a-z0-9]{{4}}", folder.name)
        new = records[count:]
        if folder is not None:
            self.compare_lines(new)
        if done is not None and done[1] is not None:
            assert exact(plain(done[1])) == exact(done[0])
        if records:
            self.compare_view(self.status, records)
        else:
            self.compare_face()
        if not new:
            return
        self.compare_view(sound(folder), records, data=True)
        twin = shutil.copytree(folder, self.base / f"copy-{next(self.copies)}")
        self.compare_view(sound(twin), records, data=True)
        self.compare_moments(sound(twin), records)
        self.compare_cuts(twin, count)
        shutil.rmtree(twin)
        self.keep()

    def compare_face(self):
        """Before the first write, a Status knows what it was made with, and has nothing to tell."""
        status, header = self.status, self.ledger.header
        assert (status.folder, status.run_id, status.state) == (None, None, "not_started")
        assert (status.name, status.tags, status.sequence) == (header["name"], header["tags"], header["sequence"])
        assert (status.snapshots, status.results, status.events, status.get_full_expt()) == ([], {}, [], {})

    def compare_lines(self, new):
        """The lines of these records, and no others, were added to the journals, just as the format has them."""
        lines = {}
        for kind, name in JOURNALS.items():
            found = (_bytes(self.status.folder / name) or b"")[self.sizes[kind] :]
            assert found.endswith(b"\n") or not found
            lines[kind] = found.split(b"\n")[:-1]
        assert {kind: len(found) for kind, found in lines.items()} == {
            kind: sum(record["kind"] == kind for record in new) for kind in JOURNALS
        }
        for record in new:
            kind = record["kind"]
            line = lines[kind].pop(0)
            self.spans[record["seq"]] = (self.sizes[kind], self.sizes[kind] + len(line) + 1)
            self.sizes[kind] = self.spans[record["seq"]][1]
            if kind == "schema":
                learn(json.loads(line)["fields"], record["fields"])
            assert exact(self.parsed(line)) == exact(on_disk(record))

    def parsed(self, line):
        """The fields of a line in the ledger's form, its digests checked."""
        body, _, crc = line.rpartition(b',"crc":')
        assert crc == b'"%08x"}' % zlib.crc32(body)
        fields = json.loads(line)
        del fields["crc"]
        if fields["kind"] == "schema":
            for field in fields["fields"]:
                field["look"] = LOOKS[field.pop("dtype_digest"), field.pop("digest")]
                assert field.pop("statistics") is None
            rows = [tuple(field.values()) for field in fields["fields"]]
            known_by(SCHEMA_IDS, fields.pop("schema_id"), Table(fields["rows"], tuple(rows)))
            known_by(STRUCTURE_IDS, fields.pop("structure_id"), tuple(row[:3] for row in rows))
        if fields["kind"] == "snapshot":
            for ref in (ref for refs in fields["metadata"].values() for ref in refs):
                ref["schema_id"] = SCHEMA_IDS[ref["schema_id"]]
        for part in fields.get("parts", ()):
            content = (self.status.folder / part.pop("file")).read_bytes()
            assert (part.pop("bytes"), part.pop("sha256")) == (len(content), hashlib.sha256(content).hexdigest())
            part["schema_id"] = part["schema_id"] and SCHEMA_IDS[part["schema_id"]]
        return fields

    def compare_view(self, view, records, *, data=False, alive=True):
        modules, ids = self.asked()
        same(observed(view, modules, ids), self.expected(records, alive=alive))
        if data:
            self.compare_data(view, records, modules)

    def asked(self):
        """The modules and snapshots to ask for."""
        records = self.ledger.records
        modules = dict.fromkeys(record["module_name"] for record in records if record.get("module_name"))
        return [*modules, NOBODY], [*(one["snapshot_id"] for one in records if one["kind"] == "snapshot"), "snapshot-0"]

    def expected(self, records, *, alive=True):
        found = answers(records, *self.asked(), alive=alive)
        return {getter: exact(answer) for getter, answer in found.items()}

    def compare_data(self, view, records, modules):
        for key, stored in view.results.items():
            record = ledgers.states_of(records)[0].results[key]
            same_data(stored["data"], self.ledger.data[record["seq"]])
        found = view.get_data_by_module(modules)
        expected = ledgers.data_by_module(records, modules)
        assert list(found) == list(expected)
        for name, (record, part) in expected.items():
            data = self.ledger.data[record["seq"]]
            same_data(found[name], data if part is None else data[part])

    def compare_moments(self, run, records):
        """`at` gives the getters as of a snapshot: here of the first two and the last two."""
        places = [index for index, record in enumerate(records, 1) if record["kind"] == "snapshot"]
        for place in dict.fromkeys([*places[:2], *places[-2:]]):
            self.compare_view(run.at(records[place - 1]["snapshot_id"]), records[:place])
        with pytest.raises(errors.NotFoundError):
            run.at("snapshot-999999")

    def compare_cuts(self, twin, count):
        """Cut the lines of a copy one by one from behind, each at several bytes or at every one, down to `count`."""
        records = self.ledger.records
        modules, ids = self.asked()
        if self.ledger.ended:
            # The end let go of the lock and wrote run.json, which knows that something is missing.
            expected = self.expected(records[:-1], alive=False)
            for _ in self.cuts(twin, records[-1]):
                same(observed(damaged(twin, JOURNALS["event"]), modules, ids, frames=False), expected)
        if not self.put_back(twin):
            return
        for place in range(len(records), count, -1):
            expected = self.expected(records[: place - 1])
            for _ in self.cuts(twin, records[place - 1]):
                same(observed(sound(twin), modules, ids, frames=False), expected)
            if place == len(records):
                self.compare_dead(twin, records[place - 1], records[: place - 1])

    def compare_dead(self, twin, record, records):
        """Without a sign of life, an unfinished line is one that never will be."""
        path, lock = twin / JOURNALS[record["kind"]], twin / "main.lock"
        mtime = lock.stat().st_mtime
        os.utime(lock, (mtime - 100, mtime - 100))
        if (twin / "run.json").exists():
            self.compare_view(sound(twin), records, alive=False)
        whole = (self.status.folder / path.name).read_bytes()
        start, end = self.spans[record["seq"]]
        path.write_bytes(whole[: (start + end) // 2])
        self.compare_view(damaged(twin, path.name), records, alive=False)
        os.truncate(path, start)
        os.utime(lock, (mtime, mtime))

    def cuts(self, twin, record):
        """Truncate the record's line, the last of its journal, to ever fewer bytes; at last none of it is left.

        With `every_byte`, the first line of each kind of record and event is cut at every byte.
        """
        path = twin / JOURNALS[record["kind"]]
        start, end = self.spans[record["seq"]]
        some = {end - 1, end - 2, end - 12, end - 19, (start + end) // 2, start + 1, start}
        every = self.every_byte and (record["kind"], record.get("type")) not in self.cut_kinds
        self.cut_kinds.add((record["kind"], record.get("type")))
        for cut in range(end - 1, start - 1, -1) if every else sorted(some, reverse=True):
            if cut <= path.stat().st_size:
                os.truncate(path, cut)
                yield cut

    def compare_losses(self):
        """A line lost from behind a journal of an ended run is reported; all that the others hold is there.

        It is lost where it was cut off, and where one digit of its checksum is another.
        """
        records = self.ledger.records
        for kind in {record["kind"] for record in records} - {"event", "schema"}:
            lost = [record for record in records if record["kind"] == kind][-1]
            rest = [record for record in records if record is not lost]
            twin = shutil.copytree(self.status.folder, self.base / f"copy-{next(self.copies)}")
            path = twin / JOURNALS[kind]
            start, end = self.spans[lost["seq"]]
            digit = path.read_bytes()[end - 4 : end - 3]
            with path.open("r+b") as file:
                file.seek(end - 4)
                file.write(b"1" if digit == b"0" else b"0")
            self.compare_view(damaged(twin, path.name), rest)
            os.truncate(path, start)
            self.compare_view(damaged(twin, path.name), rest)

    def put_back(self, twin):
        """Give a copy the manifest and the lock of before the call, as a writer that was killed in it left them."""
        (twin / "SHA256SUMS").unlink(missing_ok=True)
        (twin / "run.json").unlink()
        if self.manifest is not None:
            (twin / "run.json").write_bytes(self.manifest)
        if not (twin / "main.lock").exists() and self.lock.exists():
            self.lock.replace(twin / "main.lock")
        return (twin / "main.lock").exists()

    def keep(self):
        """Keep the manifest and a copy of the lock; it must be another file than the lock, which goes at the end."""
        self.manifest = (self.status.folder / "run.json").read_bytes()
        if not self.ledger.ended:
            shutil.copy2(self.status.folder / "main.lock", self.lock)


def sound(folder):
    """The run of a folder in which nothing is amiss; a warning would be an error."""
    run = load_run(folder)
    assert run.damage == []
    return run


def damaged(folder, file):
    """The run of a folder in which this file is not as it was written: it warns once."""
    with pytest.warns(errors.DamageWarning) as caught:
        run = load_run(folder)
    assert len(caught) == 1
    assert file in [found.file for found in run.damage]
    return run


def known_by(ids, found, content):
    assert ids.setdefault(found, content) == content
    assert [one for one, other in ids.items() if other == content] == [found]


def learn(fields, expected):
    """Take in which digests the package gave to columns of which look."""
    for field, (*_, look) in zip(fields, expected, strict=True):
        known_by(LOOKS, (field["dtype_digest"], field["digest"]), look)


def _machine():
    boot = Path("/proc/sys/kernel/random/boot_id")
    return {
        "host": platform.node(),
        "boot_id": boot.read_text().strip() if boot.exists() else "",
        "pid": os.getpid(),
        "runfolio": runfolio.__version__,
        "python": platform.python_version(),
    }


def nested(levels, value):
    return value if not levels else [nested(levels - 1, value)]


def _schemas(data):
    if isinstance(data, dict):
        return {name: Schema.from_data(part, profile="digest") for name, part in data.items()}
    return None if data is None else Schema.from_data(data, profile="digest")


def _field(side):
    return Field(**side._asdict()) if isinstance(side, FieldOf) else side


def _raised(error):
    """A copy of an error that was raised, and so has a traceback."""
    try:
        raise copy.copy(error)
    except Exception as raised:  # noqa: BLE001
        return raised


def _bytes(path):
    return path.read_bytes() if path.exists() else None


# ------------------------------------------------------------------------------------------------------------- tests


def test_the_ledger_imports_nothing_of_the_package():
    tree = ast.parse(Path(ledgers.__file__).read_text(encoding="utf-8"))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not [name for name in modules if name is None or name.startswith(("runfolio", "tests", "importlib"))]


def record(calls, face, base, **options):
    recording = Recording(base, face, **options)
    try:
        for call in calls:
            recording.perform(call)
        if recording.ledger.ended:
            recording.compare_losses()
    finally:
        recording.finish()


def calls_of(*calls):
    """A run of calls, each a method's name with its arguments."""
    return [Call(method, arguments, wait=0.125) for method, arguments in calls]


def step_calls(module, experiment, data, *inside, given=None, error=None, after="last"):
    names = {"module": module, "experiment": experiment, "data": given, "step_name": "run", "context": {"n": {1}}}
    more = [] if data is None else [("result", {"data": data})]
    return [("enter", names | {"after": after}), *inside, *more, ("exit", {"error": error})]


def timing_calls(*inside):
    names = {"module": "Loader", "experiment": "a", "step": "parse", "context": {"when": BEGINNING}}
    ended = {"pick": 0, "outcome": "completed", "context": {"rows": np.int64(3)}}
    return [("start_timing", names), *inside, ("end_timing", ended)]


def progress_call(done):
    return "progress", {"done": done, "total": 9, "unit": "rows", "of_step": True}


def log_call(message, **context):
    return "log", {"message": message, "level": "info", "context": context, "of_step": False}


def snapshot_call(module, experiment, **metadata):
    names = {"module": module, "experiment": experiment, "as_schemas": True, "context": None}
    return "record_snapshot", names | {"metadata": metadata}


def change_call(**more):
    named = {"details": {"why": float("nan")}, "before": 1.5, "after": None, "part": None, "module": None}
    return "record_change", {"change_type": "UPDATE", "target": "age", "experiment": None} | named | more


def store_call(key, data, *path):
    return "store_result", {"exp_key": key, "data": data, "schema": None, "path": path}


SPLIT = {"train": FRAMES[0], "test": FRAMES[4]}
EVERYTHING = calls_of(
    *step_calls(
        "Loader", "a", FRAMES[0], *timing_calls(progress_call(1), progress_call(2), log_call("in", at=Path("ä")))
    ),
    *step_calls("Clean", "b", FRAMES[1], change_call(), ("restore_from_snapshot", {"pick": 2})),
    *step_calls("Splitter", "c", SPLIT, *step_calls("Inner", "d", {"rows": 3}), given=FRAMES[1]),
    snapshot_call("Clean", "manual", schema_before=FRAMES[0], schema_after=SPLIT),
    store_call("report", [1, "two"], ("Clean", "manual"), ("Reporter", "r")),
    ("restore_from_snapshot", {"pick": 4}),
    store_call("report", {"again": None}, ("Clean", "manual"), ("Reporter", "r")),
    *step_calls("Clean", "bad", None, error=ValueError("lone \ud800")),
    ("fail", {"error": KeyError("k"), "module": None, "experiment": None}),
)
"""A run with every kind of record, two restores, nested steps, and a failure."""


def test_a_line_cut_at_any_byte_leaves_what_was_there_before_it(tmp_path):
    record(EVERYTHING, {"name": "Every byte", "sequence": ["Clean"], "tags": []}, tmp_path, every_byte=True)


@pytest.mark.timeout(900)  # a failure is made small, which takes minutes
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
)
@example(calls=EVERYTHING, face={"name": None, "sequence": ["Loader"], "tags": ["t"]})
@given(calls=runs, face=faces)
def test_random_calls_are_answered_as_the_ledger_says(calls, face):
    with tempfile.TemporaryDirectory() as base:
        record(calls, face, Path(base), around=OPEN)


def test_contexts_come_back_in_their_normal_form(tmp_path):
    status = Status(root=tmp_path)
    expected = []

    @settings(max_examples=EXAMPLES * 10, derandomize=True, deadline=None)
    @given(context=contexts)
    def log(context):
        try:
            form = ledgers.normal_object(context)
        except Refusal as refusal:
            with pytest.raises(getattr(errors, refusal.error)):
                status.log("context", context=context)
        else:
            expected.append(exact(form))
            assert exact(status.log("context", context=context).context) == expected[-1]

    log()
    for view in (status, load_run(status.folder)):
        assert [exact(event.context) for event in view.events if event.type == "log"] == expected
    status.complete()


UNLIKE_THE_TABLE = [
    ("times", np.array(["2026-11-22", "NaT"], dtype="datetime64[ns]")),
    ("times", np.timedelta64(5, "ns")),
    ("times", pd.Timedelta(5, "ns")),
    ("dataclass", Counted(1)),
    ("dataclass", Initialised(1)),
    ("deep", nested(63, Path("a"))),
    ("deep", nested(63, dt.date(2026, 11, 22))),
]


@pytest.mark.parametrize(
    "value",
    [
        *SCALARS,
        *ARRAYS,
        UNSPEAKABLE,
        *(pytest.param(value, marks=unless_open(name)) for name, value in UNLIKE_THE_TABLE),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_has_the_normal_form_that_the_table_says(value, tmp_path):
    with Status(root=tmp_path) as status:
        found = status.log("value", context={"value": value}).context
        assert exact(found) == exact({"value": ledgers.normal(value)})
        assert exact(load_run(status.folder).events[-1].context) == exact(found)


def test_more_than_64_levels_are_refused(tmp_path):
    status = Status(root=tmp_path)
    for value in ("text", (), {}):
        with pytest.raises(errors.ContextError):
            status.log("deep", context={"value": nested(64, value)})
    assert status.state == "not_started"
    with status:
        assert status.log("as deep as may be", context={"value": nested(63, "text")}).context["value"]


def given_calls(*calls):
    """A test of one fixed run, for what the random ones go around."""

    def run(tmp_path):
        record(calls_of(*calls), {"name": None, "sequence": [], "tags": []}, tmp_path)

    return run


test_a_refused_result_does_not_start_the_run = unless_open("first")(
    given_calls(store_call("key", {1}), ("start", {}), store_call("key", {"a": 1}))
)
test_after_a_restore_a_step_goes_on_from_what_the_step_before_gave = unless_open("given")(
    given_calls(
        *step_calls("Loader", "a", FRAMES[0]),
        snapshot_call("Other", None, schema_after=FRAMES[3]),
        ("restore_from_snapshot", {"pick": 3}),
        *step_calls("Clean", "b", FRAMES[0]),
    )
)
test_after_a_restore_a_step_goes_on_from_what_a_describing_step_got = unless_open("given")(
    given_calls(
        *step_calls("Loader", "a", FRAMES[0]),
        *step_calls("Describer", "d", FRAMES[3]),
        ("restore_from_snapshot", {"pick": 4}),
        *step_calls("Clean", "b", FRAMES[0]),
    )
)
test_a_change_belongs_to_the_step_that_runs_also_inside_a_timing = unless_open("timing")(
    given_calls(*step_calls("Loader", "a", FRAMES[0], *timing_calls(change_call())))
)


@unless_open("shared")
def test_what_getters_return_is_the_callers_to_change(tmp_path):
    with Status(root=tmp_path) as status:
        with status.step("Splitter", "a") as step:
            step.result(SPLIT)
        for view in (status, load_run(status.folder)):
            for found in (view.snapshots, view.changes, view.events, view.results, view.get_full_expt(), view.tags):
                found.clear()
            view.get_status_summary().clear()
            view.sequence.clear()
            view.get_metadata("Splitter").clear()
            assert plain(view.get_metadata("Splitter")) == ledgers.tables_of(SPLIT)
            assert list(view.results) == ["Splitter[a]"]
            assert view.get_full_expt() == {"Splitter": "a"}


@unless_open("lost")
def test_a_lost_snapshot_that_was_restored_hides_nothing_else(tmp_path):
    with Status(root=tmp_path) as status:
        restored = status.record_snapshot("Loader", "a", {"schema_after": FRAMES[0]})
        status.restore_from_snapshot(restored.snapshot_id)
        with status.step("Clean", "b") as step:
            step.result(FRAMES[1])
    path = status.folder / "snapshots.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"manual"', b'"Manual"'))
    run = damaged(status.folder, path.name)
    assert list(run.results) == ["Clean[b]"]
    assert run.get_full_expt() == {"Clean": "b"}


@unless_open("many")
def test_a_run_may_go_back_as_often_as_it_likes(tmp_path):
    with Status(root=tmp_path) as status:
        for number in range(200):
            status.restore_from_snapshot(status.record_snapshot("Loader", str(number)).snapshot_id)
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(len(inspect.stack(0)) + 150)
        try:
            assert load_run(status.folder).get_full_expt() == {"Loader": "199"}
        finally:
            sys.setrecursionlimit(limit)
