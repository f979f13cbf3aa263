"""The steps of a run as people count them: what ran in which order, how long, and what became of the rows.

A step's start, timing and snapshots are records of their own. Its timing has the id that its start named. Its snapshots
have its experiment path, and where a path was run more than once, the n-th of each belong together.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from runfolio.records import Configured, Event, Metadata, Path, PathStep, Snapshot, Timing, converted
from runfolio.schema import Schemas, parts_of
from runfolio.standing import path_of
from runfolio.view import RunView

Totals = tuple[int | None, int | None, int | None, int | None]
"""The rows before and after a step, and the missing values."""


_UNKNOWN: Totals = (None, None, None, None)


class StepRow(Struct, frozen=True, kw_only=True):
    """One step, or what was timed inside one, with a `depth` above 0 then.

    `outcome` is `running` while its run goes on, and `unfinished` where that ended without the step's end; there is
    then no duration, but perhaps a last sample of progress. A step of a plan that did not begin is `waiting` while its
    run goes on, and `not reached` then; it has no `record_id` and no start. `error` is one line. Rows and nulls, the
    missing values of all columns, are those of all parts together, null where that is not known. `path` is the step's
    experiment path; a timing that was begun by hand has none.
    """

    record_id: str | None
    module_name: str
    experiment_name: str
    step_name: str
    path: Path
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
    found = table_of(events, run.timing_records, run.snapshots, _of_last_attempt(events) if going_on else set())
    begun = {path_of(event.context) for event in events if event.type == "step"}
    return found + not_begun(events, begun, going_on=going_on)


def table_of(
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
                path=path_of(begun[record_id].context) if record_id in begun else (),
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


def not_begun(events: list[Event], begun: set[Path], *, going_on: bool) -> list[StepRow]:
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
            path=path,
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
