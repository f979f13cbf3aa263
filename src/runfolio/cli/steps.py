"""The steps of a run as people count them: what ran in which order, how long, and what became of the rows.

A step's start, timing and snapshots are records of their own. Its timing has the id that its start named; its snapshots
are found by their experiment path, of which the n-th time is the n-th time everywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

from runfolio.records import Event, Metadata, Snapshot, Timing
from runfolio.run import Run


class StepRow(Struct, frozen=True, kw_only=True):
    """One step. `outcome` is `running` on a live run and `unfinished` on one that ended without the step's end.

    `depth` is 0 but for what was timed inside another step. `error` is one line.
    """

    record_id: str
    module_name: str
    experiment_name: str
    step_name: str
    depth: int
    outcome: Literal["completed", "failed", "running", "unfinished"]
    start_time: datetime
    duration_seconds: float | None
    rows_before: int | None
    rows_after: int | None
    progress: str | None
    error: str | None


def steps_of(run: Run) -> list[StepRow]:
    """The steps of a run in the order in which they began, nested ones behind those that they are part of."""
    begun = {event.record_id: event for event in run.events if event.type == "step" and event.record_id}
    timings = {timing.record_id: timing for timing in run.timing_records}
    finder = _Rows(run.snapshots)
    rows = _rows_by_step(finder, begun, timings)
    progress = {event.record_id: _progress(event) for event in run.events if event.type == "progress"}
    unended: Literal["running", "unfinished"] = "running" if run.state == "in_progress" else "unfinished"
    depths: dict[str, int] = {}
    found = []
    for record in sorted([*timings.values(), *(begun[i] for i in begun if i not in timings)], key=_start):
        record_id = record.record_id or ""
        depths[record_id] = depths.get(record.parent_id or "", -1) + 1
        timing = record if isinstance(record, Timing) else None
        before, after = rows.get(record_id, (None, None))
        found.append(
            StepRow(
                record_id=record_id,
                module_name=record.module_name or "",
                experiment_name=record.experiment_name or "",
                step_name=record.step_name or "",
                depth=depths[record_id],
                outcome=timing.outcome if timing else unended,
                start_time=_start(record),
                duration_seconds=timing.duration_seconds if timing else None,
                rows_before=before,
                rows_after=after,
                progress=None if timing else progress.get(record_id),
                error=_error(timing.context) if timing else None,
            )
        )
    return _nested(found, {row.record_id: _parent(begun, timings, row.record_id) for row in found})


class _Rows:
    """Rows before and after, by experiment path; each snapshot is found once."""

    def __init__(self, snapshots: Iterable[Snapshot[Metadata]]) -> None:
        self._waiting: dict[tuple[Any, ...], list[Snapshot[Metadata]]] = {}
        for snapshot in snapshots:
            key = (snapshot.context.get("point"), snapshot.module_name, snapshot.experiment_name, _path(snapshot.context))
            self._waiting.setdefault(key, []).append(snapshot)
        self._taken: Counter[tuple[Any, ...]] = Counter()

    def take(self, point: str, record: Event | Timing, path: str) -> tuple[int | None, int | None]:
        """The rows of the next snapshot of this point and path; Nones where there is none."""
        key = (point, record.module_name, record.experiment_name, path)
        waiting, taken = self._waiting.get(key, []), self._taken[key]
        self._taken[key] += 1
        return (waiting[taken].rows_before, waiting[taken].rows_after) if taken < len(waiting) else (None, None)
