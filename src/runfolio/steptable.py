"""The steps of a run as people count them: what ran in which order, how long, and what became of the rows.

A step's start, timing and snapshots are records of their own. Its timing has the id that its start named. Its snapshots
have its experiment path, and where a path was run more than once, the n-th of each belong together.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path as FilePath

from msgspec import Struct

from runfolio.history import History
from runfolio.records import Configured, Event, Metadata, Path, PathStep, Snapshot, Timing, converted
from runfolio.schema import Schemas, parts_of
from runfolio.standing import path_of
from runfolio.timeline import Stream
from runfolio.view import RunView

Totals = tuple[int | None, int | None, int | None, int | None]
"""The rows before and after a step, and the missing values."""


_UNKNOWN: Totals = (None, None, None, None)


class StepRow(Struct, frozen=True, kw_only=True):
    """One step, or what was timed inside one, with a `depth` above 0 then.

    `outcome` is `running` while its run goes on, and `unfinished` where that ended without the step's end; there is
    then no duration, but perhaps a last sample of progress. A step of a plan that did not begin is `waiting` while its
    run goes on, and `not reached` then; it has no `record_id` and no start. `error` is one line. Rows and nulls, the
    missing values of all columns, are those of all parts together, null where that is not known.
    """

    record_id: str | None
    module_name: str
    experiment_name: str
    step_name: str
    depth: int
    outcome: str
    start_time: datetime | None
    duration_seconds: float | None = None
    rows_before: int | None = None
    rows_after: int | None = None
    nulls_before: int | None = None
    nulls_after: int | None = None
    done: float | None = None
    total: float | None = None
    unit: str | None = None
    error: str | None = None


def steps_of(run: RunView) -> list[StepRow]:
    """The steps of a run in the order in which they began, each followed by what was timed inside it.

    Those that its plan has and that did not begin come last.
    """
    going_on = run.state == "in_progress"
    events = run.events
    found = _table(events, run.timing_records, run.snapshots, _of_last_attempt(events) if going_on else set())
    begun = {path_of(event.context) for event in events if event.type == "step"}
    return found + _not_begun(events, begun, going_on=going_on)


class Follower:
    """The steps of a run that goes on, looked at again and again: each look takes what is new, however long the run is.

    What writers of an `earlier` attempt wrote is passed over.
    """

    def __init__(self, folder: FilePath, earlier: Collection[str] = ()) -> None:
        self._history = History(folder)
        self._earlier = frozenset(earlier)
        self._held: dict[str, Stream] = {}
        self._told: set[str | None] = set()

    def look(self) -> tuple[list[StepRow], list[StepRow]]:
        """The steps that ended since the last look, and what is running, with its inner steps. Raises FormatError."""
        self._history.refresh()
        ended: list[StepRow] = []
        running: list[StepRow] = []
        for writer, stream in self._history.timeline.streams.items():
            held = self._held.setdefault(writer, {"event": [], "timing": [], "snapshot": []})
            for kind in held:
                held[kind] += stream.get(kind, ())
            stream.clear()  # it is this History's own, and grows otherwise as the run does
            if writer not in self._earlier:
                new, going_on = self._steps(held)
                ended += new
                running += going_on
        return ended, running

    def _steps(self, held: Stream) -> tuple[list[StepRow], list[StepRow]]:
        """The same of one writer; what is over is dropped from what is held of it."""
        begun = {event.record_id: event for event in held["event"] if event.type == "step"}
        ends = {timing.record_id: timing.seq for timing in held["timing"] if timing.outcome == "failed"}
        commits = {path_of(one.context): one.seq for one in held["snapshot"] if one.context.get("point") == "after"}
        rows = _table(held["event"], held["timing"], held["snapshot"], set(begun))
        ended: list[StepRow] = []
        last, open_since = 0, []
        for row in rows:
            if row.depth or row.record_id not in begun:
                continue
            event = begun[row.record_id]
            end = ends.get(row.record_id) if row.outcome == "failed" else commits.get(path_of(event.context))
            if end is None or row.outcome == "running":
                open_since.append(event.seq)
            else:
                last = max(last, end)
                ended += [] if row.record_id in self._told else [row]
                self._told.add(row.record_id)
        if all(seq > last for seq in open_since):
            for kind, records in held.items():
                held[kind] = [record for record in records if record.seq > last]
        return ended, [row for row in rows if row.outcome == "running"]


def _table(
    events: list[Event], timed: list[Timing], snapshots: list[Snapshot[Metadata]], running: set[str | None]
) -> list[StepRow]:
    """The steps that began, in order; `running` tells which of those without a timing may be."""
    begun = {event.record_id: event for event in events if event.type == "step" and event.record_id}
    timings = {timing.record_id: timing for timing in timed}
    samples = {event.record_id: event for event in events if event.type == "progress" and event.record_id}
    totals = _totals(snapshots, timed, list(begun.values()))
    found = []
    for record_id, depth in _in_order(begun | timings):
        timing, record = timings.get(record_id), timings.get(record_id) or begun[record_id]
        sample = None if timing else samples.get(record_id)
        error = timing.context.get("error") if timing and timing.outcome == "failed" else None
        rows_before, rows_after, nulls_before, nulls_after = totals.get(record_id, _UNKNOWN)
        found.append(
            StepRow(
                record_id=record_id,
                module_name=record.module_name or "",
                experiment_name=record.experiment_name or "",
                step_name=record.step_name or "",
                depth=depth,
                outcome=timing.outcome if timing else "running" if record_id in running else "unfinished",
                start_time=_start(record),
                duration_seconds=timing.duration_seconds if timing else None,
                rows_before=rows_before,
                rows_after=rows_after,
                nulls_before=nulls_before,
                nulls_after=nulls_after,
                done=sample.done if sample else None,
                total=sample.total if sample else None,
                unit=sample.unit if sample else None,
                error=error.partition("\n")[0] if isinstance(error, str) else None,
            )
        )
    return found


def _of_last_attempt(events: list[Event]) -> set[str | None]:
    """The steps that began since the run was last begun or resumed."""
    found: set[str | None] = set()
    for event in events:
        if event.type == "state":
            found.clear()
        elif event.type == "step":
            found.add(event.record_id)
    return found


def _not_begun(events: list[Event], begun: set[Path], *, going_on: bool) -> list[StepRow]:
    """The steps of the plan that did not begin."""
    configured = [event for event in events if event.type == "config"]
    told = converted(configured[-1].context, Configured) if configured else None
    paths = [] if told is None else told.paths
    outcome = "waiting" if going_on else "not reached"
    return [
        StepRow(
            record_id=None,
            module_name=path[-1].module_name,
            experiment_name=path[-1].experiment_name,
            step_name="run",
            depth=0,
            outcome=outcome,
            start_time=None,
        )
        for path in paths
        if path not in begun
    ]


def _totals(snapshots: list[Snapshot[Metadata]], timings: list[Timing], begun: list[Event]) -> dict[str, Totals]:
    """Rows and missing values by step: of one that was committed by its after-snapshot, of another by that of before.

    A timing that was recorded by hand goes with the snapshot that was, if there is one of its experiment.
    """
    taken: dict[tuple[object, Path], deque[Totals]] = defaultdict(deque)
    for snapshot in snapshots:
        path = path_of(snapshot.context) or (PathStep(snapshot.module_name or "", snapshot.experiment_name or ""),)
        taken[str(snapshot.context.get("point")), path].append(_totals_of(snapshot))
    found: dict[str, Totals] = {}
    paths: dict[str, Path] = {}
    for event in begun:
        record_id = event.record_id or ""
        paths[record_id] = path_of(event.context)
        waiting = taken["before", paths[record_id]]
        found[record_id] = waiting.popleft() if waiting else _UNKNOWN
    for timing in timings:
        by_hand = (PathStep(timing.module_name, timing.experiment_name),)
        point = "after" if timing.record_id in paths else "manual"
        waiting = taken[point, paths.get(timing.record_id, by_hand)]
        if timing.outcome == "completed" and waiting and (point == "after" or timing.parent_id is None):
            found[timing.record_id] = waiting.popleft()
    return found


def _totals_of(snapshot: Snapshot[Metadata]) -> Totals:
    metadata = snapshot.metadata
    nulls = nulls_of(metadata.schema_before), nulls_of(metadata.schema_after)
    return snapshot.rows_before, snapshot.rows_after, *nulls


def nulls_of(schemas: Schemas) -> int | None:
    """The missing values of all columns of all parts; None where there is no table, or they were not counted."""
    counts = [field.nulls for _, schema in parts_of(schemas) for field in schema.fields]
    return None if schemas is None or None in counts else sum(count for count in counts if count is not None)


def _in_order(records: dict[str, Event | Timing]) -> Iterator[tuple[str, int]]:
    """Each id and its depth. A parent must have begun before, so that no wrong record makes a circle."""
    inside: dict[str | None, list[str]] = defaultdict(list)
    known: set[str] = set()
    for record_id, record in sorted(records.items(), key=lambda item: (_start(item[1]), item[0])):
        inside[record.parent_id if record.parent_id in known else None].append(record_id)
        known.add(record_id)
    stack = [(record_id, 0) for record_id in reversed(inside[None])]
    while stack:
        record_id, depth = stack.pop()
        yield record_id, depth
        stack += [(inner, depth + 1) for inner in reversed(inside[record_id])]


def _start(record: Event | Timing) -> datetime:
    return record.start_time if isinstance(record, Timing) else record.timestamp
