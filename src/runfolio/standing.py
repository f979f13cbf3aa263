"""Where a run stands: the state getters' answer, as a fold over its records.

Metadata, results and the experiment path answer as of the latest restored snapshot plus what came later; without a
restore, as of everything.
"""

from __future__ import annotations

from typing import Any

from runfolio.records import Event, Metadata, PathStep, Result, Snapshot
from runfolio.schema import Schemas
from runfolio.timeline import Timeline

FOLDED_KINDS = ("snapshot", "result", "event")


class Standing:
    """The metadata by module, the results by key, and the last finished step with its path."""

    def __init__(self) -> None:
        self.metadata: dict[str, Schemas] = {}
        self.results: dict[str, Result] = {}
        self.experiments: dict[str, str] = {}
        self.path: tuple[PathStep, ...] = ()
        self.last: Snapshot[Metadata] | None = None

    def take(self, record: Any) -> None:
        """Move on by one record."""
        if isinstance(record, Result):
            self.results[record.key] = record
        elif isinstance(record, Snapshot):
            self._take_snapshot(record)

    def _take_snapshot(self, snapshot: Snapshot[Metadata]) -> None:
        point = snapshot.context.get("point")
        module, experiment = snapshot.module_name, snapshot.experiment_name
        if point not in ("after", "manual") or module is None:
            return
        if snapshot.metadata.schema_after is not None:
            self.metadata[module] = snapshot.metadata.schema_after
        self.last = snapshot
        if point == "after":
            self.path = path_of(snapshot.context)
            self.experiments = {step.module_name: step.experiment_name for step in self.path}
        elif experiment is not None:
            self._take_experiment(module, experiment)

    def _take_experiment(self, module: str, experiment: str) -> None:
        """By hand there is no path: a module that comes again begins another branch from its place on."""
        modules = list(self.experiments)
        kept = modules[: modules.index(module)] if module in modules else modules
        self.experiments = {name: self.experiments[name] for name in kept} | {module: experiment}


def fold(timeline: Timeline) -> Standing:
    """Where a run stands at the end of a timeline."""
    records = timeline.of(*FOLDED_KINDS)
    restores = [index for index, record in enumerate(records) if is_restore(record)]
    standing = Standing()
    if restores:
        standing = fold(timeline.until(records[restores[-1]].snapshot_id))
        records = records[restores[-1] + 1 :]
    for record in records:
        standing.take(record)
    return standing


def is_restore(record: Any) -> bool:
    """Whether a record takes the state back to an earlier snapshot."""
    return isinstance(record, Event) and record.type == "restore"


def path_of(context: dict[str, Any]) -> tuple[PathStep, ...]:
    """The experiment path that a step's snapshots and events carry in their context."""
    rows = context.get("path")
    if not isinstance(rows, list):
        return ()
    return tuple(
        PathStep(row["module_name"], row["experiment_name"])
        for row in rows
        if isinstance(row, dict) and {"module_name", "experiment_name"} <= row.keys()
    )
