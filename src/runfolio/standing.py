"""Where a run stands: the state getters' answer, as a fold over its records.

Metadata, results and the experiment path answer as of the latest restored snapshot plus what came later; without a
restore, as of everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from msgspec import ValidationError, convert

from runfolio.records import Event, Metadata, Path, Result, Snapshot
from runfolio.schema import Schemas
from runfolio.timeline import Timeline

DESCRIBING_MODULES = frozenset({"Describer", "Evaluator", "Reporter"})
"""Modules whose output describes data instead of changing it: no changes are recorded for them."""

FOLDED_KINDS = ("snapshot", "result", "event")


class Standing:
    """The metadata by module, the results by key, the steps that were committed, and the last of them with its path."""

    def __init__(self) -> None:
        self.metadata: dict[str, Schemas] = {}
        self.results: dict[str, Result] = {}
        self.experiments: dict[str, str] = {}
        self.committed: dict[Path, Metadata] = {}
        self.path: Path = ()
        self.last: Snapshot[Metadata] | None = None
        self.passed_on: Schemas = None

    def copy(self) -> Standing:
        """The same moment, which then goes its own way."""
        found = Standing()
        found.metadata, found.results = dict(self.metadata), dict(self.results)
        found.experiments, found.path = dict(self.experiments), self.path
        found.committed = dict(self.committed)
        found.last, found.passed_on = self.last, self.passed_on
        return found

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
            self.passed_on = passed_on(module, snapshot.metadata)
            self.path = path_of(snapshot.context)
            self.committed[self.path] = snapshot.metadata
            self.experiments = {step.module_name: step.experiment_name for step in self.path}
        elif experiment is not None:
            self._take_experiment(module, experiment)

    def _take_experiment(self, module: str, experiment: str) -> None:
        """By hand there is no path: a module that comes again begins another branch from its place on."""
        modules = list(self.experiments)
        kept = modules[: modules.index(module)] if module in modules else modules
        self.experiments = {name: self.experiments[name] for name in kept} | {module: experiment}


def fold(timeline: Timeline) -> Standing:
    """Where a run stands at the end of a timeline.

    A restore whose snapshot is lost is passed over: the run then stands where it stood before.
    """
    standing = Standing()
    for _, standing in walk(timeline):  # noqa: B007  (the last one is meant)
        pass
    return standing


def walk(timeline: Timeline) -> Iterator[tuple[Any, Standing]]:
    """Each record that a state is made of, with where the run stands just before it; at last None, with its end."""
    records = timeline.of(*FOLDED_KINDS)
    restored = {record.snapshot_id for record in records if is_restore(record)}
    moments: dict[str, Standing] = {}
    standing = Standing()
    for record in records:
        yield record, standing
        if is_restore(record):
            standing = moments.get(record.snapshot_id, standing).copy()
        else:
            standing.take(record)
        if restored and isinstance(record, Snapshot) and record.snapshot_id in restored:
            moments[record.snapshot_id] = standing.copy()
    yield None, standing


def passed_on(module: str, metadata: Metadata) -> Schemas:
    """What the next step has as its input: what this one gave, or got if it gave no table or only describes one."""
    describes = metadata.schema_after is None or module in DESCRIBING_MODULES
    return metadata.schema_before if describes else metadata.schema_after


def is_restore(record: Any) -> bool:
    """Whether a record takes the state back to an earlier snapshot."""
    return isinstance(record, Event) and record.type == "restore"


def path_of(context: dict[str, Any]) -> Path:
    """The experiment path that a step's snapshots and events carry in their context."""
    try:
        return convert(context.get("path", ()), Path)
    except ValidationError:  # it is a context, in which another writer may put what it likes
        return ()


def key_of(path: Path) -> str:
    """The experiment key of a path.

    >>> from runfolio.records import PathStep
    >>> key_of((PathStep("Loader", "a"), PathStep("Preprocessor", "scale")))
    'Loader[a]_Preprocessor[scale]'
    """
    return "_".join(f"{step.module_name}[{step.experiment_name}]" for step in path)


class RowsThrough:
    """The rows that come into a run and go out of it, by the after-snapshots that are taken in."""

    def __init__(self, snapshots: Iterable[Any] = ()) -> None:
        self._first: tuple[datetime, int] | None = None
        self._last: tuple[datetime, int] | None = None
        for snapshot in snapshots:
            self.take(snapshot)

    @property
    def rows(self) -> tuple[int | None, int | None]:
        """The rows that the first step with a table got, or gave if it got none, and those that the last one gave."""
        return (None if self._first is None else self._first[1], None if self._last is None else self._last[1])

    def take(self, snapshot: Any) -> None:
        """Take a snapshot in, in any order."""
        if not isinstance(snapshot, Snapshot) or snapshot.context.get("point") != "after":
            return
        time, got, gave = snapshot.timestamp, snapshot.rows_before, snapshot.rows_after
        first = gave if got is None else got
        if first is not None and (self._first is None or time < self._first[0]):
            self._first = time, first
        if gave is not None and (self._last is None or time >= self._last[0]):
            self._last = time, gave
