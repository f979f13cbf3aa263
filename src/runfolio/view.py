"""RunView: every getter of the Status API, over the records of a run folder.

There is one implementation of each: a live Status answers from its own folder by these, as does a run that was loaded,
and either as of one of its snapshots.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NoReturn

from runfolio import forks
from runfolio.arguments import optional_text, text, texts
from runfolio.clock import in_utc
from runfolio.errors import NotFoundError, ReadOnlyError, RunfolioError, UsageError
from runfolio.history import History
from runfolio.lock import Life
from runfolio.naming import named, notes_in
from runfolio.provenance import told
from runfolio.records import (
    Change,
    Event,
    Failure,
    Finding,
    Header,
    Lost,
    Metadata,
    Note,
    Opaque,
    Provenance,
    Result,
    Snapshot,
    State,
    Timing,
    converted,
)
from runfolio.records import Path as StepPath
from runfolio.schema import Schema, Schemas, parts_of
from runfolio.standing import FOLDED_KINDS, Standing, fold, is_restore
from runfolio.timeline import Timeline

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from runfolio.artifacts import StoredResult
    from runfolio.lineage import Paths, Touch
    from runfolio.progress import Progress

WRITE_METHODS = frozenset(
    {
        "carry",
        "close",
        "complete",
        "end_timing",
        "fail",
        "log",
        "place",
        "progress",
        "record_change",
        "record_snapshot",
        "record_timing",
        "restore_from_snapshot",
        "start",
        "start_timing",
        "step",
        "store_result",
    }
)

_TIMING_TEXT = ("record_id", "module_name", "experiment_name", "step_name")


class RunView:
    """The getters of a run.

    Records come as they are stored, in order; `snapshots`, `changes` and `timing_records` are all history, while
    metadata, results and experiments are those of the current state: as of the latest restored snapshot plus what came
    later. Lists and dicts that a getter returns are the caller's to change; what is in a record is not.
    """

    def __init__(self, history: History | None, timeline: Timeline | None = None) -> None:
        self._mutex = threading.RLock()
        self._history = history
        self._cut = timeline
        self._standing = Standing()
        self._taken: dict[str, int] | None = None
        forks.register(self)

    # What the run is

    @property
    def folder(self) -> Path | None:
        """The run folder; None before the first write."""
        return None if self._history is None else self._history.folder

    @property
    def run_id(self) -> str | None:
        """The run's id, which names its folder when it is made; None before the first write."""
        header = self._header()
        return None if header is None else header.run_id or None

    @property
    def name(self) -> str | None:
        """The name given to the run, the last one if it was renamed."""
        return self._named()[0]

    @property
    def tags(self) -> list[str]:
        """The tags given to the run."""
        return self._named()[1]

    @property
    def notes(self) -> list[Note]:
        """The notes given to the run, in order, each with `timestamp` and `text`.

        >>> from runfolio import Status, load_run
        >>> from runfolio.amendments import note
        >>> with Status(root=root) as status:
        ...     _ = status.log("nothing to do")
        >>> _ = note(status.folder, "a trial")
        >>> [note.text for note in load_run(status.folder).notes]
        ['a trial']
        """
        return notes_in(self._events("amend"))

    @property
    def provenance(self) -> Provenance | None:
        """What is needed to repeat the run: command, packages, git commit, seeds, configuration, input files.

        It is that of the last attempt, with the inputs of all. None for a run that did not take it.

        >>> from runfolio import Status
        >>> with Status(root=root, seed=7) as status:
        ...     status.log("drawn")["level"]
        'info'
        >>> status.provenance.seeds, status.provenance.packages[0].name
        ([Seed(name='seed', value='7')], 'python')
        """
        return told(self._see().of("event"))

    @property
    def damage(self) -> list[Finding]:
        """Every finding of something that is not as it was written, by file, line and byte; empty for a sound run."""
        self._see()
        return [] if self._history is None else list(self._history.findings)

    # How it stands

    @property
    def state(self) -> State:
        """`not_started`, `in_progress`, `completed`, `failed`; `interrupted` where the writer went without an end."""
        event = self._state_event()
        if event is None or event.state is None:
            return "not_started"
        return "interrupted" if event.state == "in_progress" and not self._life().alive else event.state

    @property
    def state_reason(self) -> str:
        """How the state is known, in words."""
        event = self._state_event()
        if event is None:
            return "nothing was written yet"
        if event.state == "in_progress":
            return self._life().reason
        said = in_utc(event.timestamp)
        return "its writer said so" if said is None else f"its writer said so at {said:%Y-%m-%d %H:%M:%S} UTC"

    def is_completed(self) -> bool:
        """Whether the run ended well."""
        return self.state == "completed"

    @property
    def start_time(self) -> datetime | None:
        """When the run was started, in UTC."""
        started = self._events("state")
        return in_utc(started[0].timestamp) if started else None

    @property
    def end_time(self) -> datetime | None:
        """When the run was completed or failed, in UTC; None while it goes on, and where it was interrupted."""
        event = self._state_event()
        return None if event is None or event.state == "in_progress" else in_utc(event.timestamp)

    @property
    def duration_seconds(self) -> float | None:
        """How long the run took by a monotonic clock; None before its end."""
        event = self._state_event()
        found = None if event is None else event.context.get("duration_seconds")
        return found if isinstance(found, float) else None

    @property
    def error(self) -> Failure | None:
        """Why the run failed; None where it did not."""
        event = self._state_event()
        if event is None or event.state != "failed":
            return None
        return converted(event.context.get("error"), Failure)

    def get_status_summary(self) -> dict[str, Any]:
        """The specification's summary, and the `state` and `last_completed` (module, experiment) beside it."""
        timeline, standing = self._see(), self._stand()
        snapshots, changes = timeline.of("snapshot"), timeline.of("change")
        last = standing.last
        return {
            "sequence": self.sequence,
            "active_modules": self._modules(finished=True),
            "metadata_modules": list(standing.metadata),
            "total_snapshots": len(snapshots),
            "total_changes": len(changes),
            "last_snapshot": snapshots[-1].snapshot_id if snapshots else None,
            "last_change": changes[-1].change_id if changes else None,
            "state": self.state,
            "last_completed": None if last is None else (last.module_name, last.experiment_name),
        }

    @property
    def sequence(self) -> list[str]:
        """The order of the modules: as declared, then those met beyond that in the order in which they began."""
        header = self._header()
        declared = [] if header is None else header.sequence
        return list(dict.fromkeys([*declared, *self._modules(finished=False)]))

    # Records

    @property
    def snapshots(self) -> list[Snapshot[Metadata]]:
        """All snapshots."""
        return list(self._see().of("snapshot"))

    @property
    def changes(self) -> list[Change]:
        """All schema changes."""
        return list(self._see().of("change"))

    @property
    def timing_records(self) -> list[Timing]:
        """All finished timings, nested ones included."""
        return list(self._see().of("timing"))

    @property
    def result_records(self) -> list[Result]:
        """The commit lines of all results, those that a restore went back behind included."""
        return list(self._see().of("result"))

    @property
    def events(self) -> list[Event]:
        """All events: state changes, step starts, progress, log messages, restores."""
        return list(self._see().of("event"))

    @property
    def lost(self) -> int:
        """How many records and results could not be written while the run went on (`on_write_error="warn"`)."""
        found = (converted(event.context, Lost) for event in self._events("lost"))
        return sum(lost.records + lost.results for lost in found if lost)

    @property
    def opaque(self) -> list[Opaque]:
        """Lines of kinds that this version of runfolio does not know."""
        return list(self._see().of("opaque"))

    def get_snapshots(self, module: str | None = None) -> list[Snapshot[Metadata]]:
        """The snapshots of a module, or all."""
        return _of_module(self.snapshots, module)

    def get_snapshot_by_id(self, snapshot_id: str) -> Snapshot[Metadata] | None:
        """The snapshot of that id, or None."""
        return self._see().snapshot(snapshot_id) if isinstance(snapshot_id, str) else None

    def get_change_history(self, module: str | None = None) -> list[Change]:
        """The schema changes of a module, or all."""
        return _of_module(self.changes, module)

    def column_history(self, column: str, *, path: Paths | None = None, part: str | None = None) -> list[Touch]:
        """Every step that touched a column, in order, across renames: what it did, and how the column was and became.

        It is found by any of its names, and followed both ways from there, along all branches, or along the one that
        leads to `path`: (module, experiment) pairs, or a key such as `Loader[a]_Preprocessor[scale]`. `part` leaves out
        the other parts of data of several. A step that only dropped or added rows is told if the column's missing
        values or range changed by it. Steps that did not finish are left out, those that a restore went back behind
        are `undone`. Changes that were recorded by hand belong to it. See `lineage` for the types.

        >>> import pandas as pd
        >>> from runfolio import Status
        >>> with Status(root=root) as status:
        ...     with status.step("Loader", "two") as step:
        ...         frame = step.result(pd.DataFrame({"Age": [36.0, None]}))
        ...     with status.step("Clean", "names", data=frame) as step:
        ...         frame = step.result(frame.rename(columns={"Age": "age"}))
        ...     with status.step("Clean", "drop_na", data=frame) as step:
        ...         frame = step.result(frame.dropna())
        >>> for touch in status.column_history("age"):
        ...     print(touch.type, touch.name_after, touch.after.nulls, touch.rows_after)
        CREATE Age 1 2
        RENAME age 1 2
        ROWS age 0 1

        Raises NotFoundError, which names those that look alike, if no step had such a column, or there is no such path.
        """
        from runfolio.lineage import column_history  # noqa: PLC0415  (recording needs none of it)

        return column_history(self._see(), column, path=path, part=part)

    def get_timing_records(self, module: str | None = None) -> list[Timing]:
        """The finished timings of a module, or all; nested ones included."""
        return _of_module(self.timing_records, module)

    def get_timing(self, *, nested: bool = False) -> pd.DataFrame:
        """The finished timings, a row each; those of one thread's steps don't overlap, so their sum is the time spent.

        Columns: record_id, module_name, experiment_name, step_name (text), start_time, end_time (datetime64[us, UTC]),
        duration_seconds, cpu_seconds (float64, seconds), outcome and parent_id (text). With `nested`, what was timed
        inside a step comes as well, with that step's record_id as its parent_id.
        """
        import pandas as pd  # noqa: PLC0415  (pandas takes 0.3 s; only who asks for a frame waits for it)

        timings = [timing for timing in self._see().of("timing") if nested or timing.parent_id is None]
        times = pd.DatetimeTZDtype("us", "UTC")
        columns: dict[str, Any] = {name: [getattr(timing, name) for timing in timings] for name in _TIMING_TEXT}
        for name in ("start_time", "end_time"):
            columns[name] = pd.Series([in_utc(getattr(timing, name)) for timing in timings], dtype=times)
        for name in ("duration_seconds", "cpu_seconds"):
            columns[name] = pd.Series([getattr(timing, name) for timing in timings], dtype="float64")
        columns["outcome"] = [timing.outcome for timing in timings]
        columns["parent_id"] = pd.Series([timing.parent_id for timing in timings], dtype=object)
        return pd.DataFrame(columns)

    def get_progress(self) -> Progress:
        """What is running and how far it is, what is to come by the plan, and how long that may take.

        What a step has left is estimated by its own progress, or by how long it took in earlier runs of the same name
        under the same root; where there is neither, it is None. See `progress` for the types.

        >>> from runfolio import Status
        >>> with Status(root=root) as status, status.step("Loader", "two") as step:
        ...     step.progress(3, 12, "files")
        ...     for one in status.get_progress().running:
        ...         print(one.module_name, one.done, one.total, one.unit)
        Loader 3.0 12.0 files
        """
        from runfolio.progress import progress_of  # noqa: PLC0415  (recording needs none of it)

        return progress_of(self)

    # State: metadata, results, experiments

    def get_metadata(self, module: str) -> Schemas:
        """The schema of what a module gave last: a dict of schemas where that has several parts.

        Raises NotFoundError if the module has none.
        """
        metadata = self._stand().metadata
        if text(module, "module") not in metadata:
            raise NotFoundError(
                f"no metadata of a module {module!r}",
                remedy=f"there is some of {list(metadata) or 'no module'}",
                key=module,
            )
        found = metadata[module]
        return dict(found) if isinstance(found, dict) else found

    def get_metadata_evolution(self, module: str) -> list[Schema]:
        """The distinct schemas that went into a module and came out of it, in order."""
        metadata = [snapshot.metadata for snapshot in self.get_snapshots(module)]
        schemas = (
            schema
            for pair in metadata
            for side in (pair.schema_before, pair.schema_after)
            for _, schema in parts_of(side)
        )
        return list(dict.fromkeys(schemas))

    @property
    def results(self) -> dict[str, StoredResult]:
        """Every stored result by its key."""
        return self._stored(list(self._stand().results.values()))

    def get_result(self, module: str | None = None) -> dict[str, StoredResult]:
        """The results at the end of each experiment path reached so far, or all those of a module, by key.

        Each has `["data"]`, read when it is asked for, and `["schema"]`.
        """
        records = list(self._stand().results.values())
        if optional_text(module, "module") is not None:
            return self._stored(record for record in records if record.path and record.path[-1].module_name == module)
        inner = _gone_on_from(record.path for record in records)
        return self._stored(record for record in records if record.path not in inner)

    def get_data_by_module(self, modules: str | list[str]) -> dict[str, Any]:
        """The data of each of these modules' latest result, by the module's name.

        Data of several parts comes as `module_key`, for each key of the outermost dict; a module without a result is
        left out.
        """
        wanted = [modules] if isinstance(modules, str) else texts(modules, "modules")
        results = list(self._stand().results.values())
        latest = {record.path[-1].module_name: record for record in results if record.path}
        found: dict[str, Any] = {}
        for module, stored in zip(wanted, map(latest.get, wanted), strict=True):
            if stored is None:
                continue
            data = self._stored([stored])[stored.key]["data"]
            named = all(part.name is not None for part in stored.parts)
            found |= {f"{module}_{key}": part for key, part in data.items()} if named else {module: data}
        return found

    def get_full_expt(self, module: str | None = None) -> dict[str, str]:
        """The experiment of each module on the current path, up to and including `module` if given.

        Raises NotFoundError if the module is not on the path.
        """
        experiments = self._stand().experiments
        if module is None:
            return dict(experiments)
        if text(module, "module") not in experiments:
            raise NotFoundError(
                f"module {module!r} is not on the current path", remedy=f"that has {list(experiments)}", key=module
            )
        names = list(experiments)
        return {name: experiments[name] for name in names[: names.index(module) + 1]}

    def at(self, snapshot_id: str) -> RunView:
        """The same getters as of a snapshot. Raises NotFoundError."""
        timeline = self._see().until(text(snapshot_id, "snapshot_id"))
        return RunView(self._history, timeline)

    def __repr__(self) -> str:
        try:
            return f"<{type(self).__name__} {self.run_id or 'without a folder yet'}: {self.state}>"
        except RunfolioError as error:  # such as of a folder that was deleted
            return f"<{type(self).__name__}: {error.what}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: a summary, the steps and a timeline, or the `repr` where there is nothing to read."""
        from runfolio.html import plain, summary_of  # noqa: PLC0415  (only a notebook needs it)

        try:
            return plain(repr(self)) if self.folder is None else summary_of(self)
        except Exception as error:  # noqa: BLE001  (a notebook goes on, whatever a folder holds)
            known = isinstance(error, RunfolioError)
            return plain(repr(self) if known else f"<{type(self).__name__}: it can't be shown: {error!r}>")

    def __getattr__(self, name: str) -> NoReturn:
        if name in WRITE_METHODS:
            raise ReadOnlyError(
                f"can't {name}: {self.run_id or 'this view'} is there for reading only",
                remedy="write through the Status that made the run, or make a new one",
                key=name,
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __reduce__(self) -> tuple[Any, ...]:
        if self._history is None:
            return RunView, (None,)
        raise UsageError("a view as of a snapshot can't be pickled", remedy="pickle the run, and call at() again")

    def _after_fork(self) -> None:
        """Have a mutex of the child's own; what another thread was just counting is counted anew."""
        if not self._mutex.acquire(blocking=False):
            self._standing, self._taken = Standing(), None
        self._mutex = threading.RLock()

    # How the getters read

    def _see(self) -> Timeline:
        """The records to answer from; a live Status reads on before."""
        if self._cut is not None:
            return self._cut
        return Timeline({}) if self._history is None else self._history.timeline

    def _life(self) -> Life:
        """Whether the writer of the run lives: here it does, for the answer is as of a moment when it wrote."""
        return Life(True, "its writer was at work at that moment")

    def _stand(self) -> Standing:
        """Where the run stands, moved on by the records that came since the last time."""
        with self._mutex:
            timeline = self._see()
            counts = {kind: timeline.count(kind) for kind in FOLDED_KINDS}
            if counts != self._taken:
                new = None if self._taken is None else _since(timeline, self._taken)
                if new is None:
                    self._standing = fold(timeline)
                else:
                    for record in new:
                        self._standing.take(record)
                self._taken = counts
            return self._standing

    def _stored(self, records: Iterable[Result]) -> dict[str, StoredResult]:
        if self._history is None:
            return {}
        from runfolio.artifacts import StoredResult  # noqa: PLC0415  (a run that only records needs none of it)

        return {record.key: StoredResult(self._history.folder, record, self._history.schemas) for record in records}

    def _events(self, *types: str) -> list[Event]:
        return [event for event in self._see().of("event") if event.type in types]

    def _state_event(self) -> Event | None:
        return next((event for event in reversed(self._see().of("event")) if event.type == "state"), None)

    def _header(self) -> Header | None:
        event = next((event for event in self._see().of("event") if event.type == "segment"), None)
        return None if event is None else converted(event.context, Header)

    def _named(self) -> tuple[str | None, list[str]]:
        header = self._header()
        return (None, []) if header is None else named(header.name, header.tags, self._events("amend"))

    def _modules(self, *, finished: bool) -> list[str]:
        """The modules in order: those that finished a step, or all that began one."""
        points = ("after", "manual") if finished else ("before", "after", "manual")
        return list(
            dict.fromkeys(
                snapshot.module_name
                for snapshot in self._see().of("snapshot")
                if snapshot.module_name is not None and snapshot.context.get("point") in points
            )
        )


def _gone_on_from(paths: Iterable[StepPath]) -> set[StepPath]:
    """Those of the paths that others go on from: in their order, the next one does."""
    ordered = sorted(set(paths), key=lambda path: [(step.module_name, step.experiment_name) for step in path])
    return {path for path, after in pairwise(ordered) if path and after[: len(path)] == path}


def _of_module(records: list[Any], module: str | None) -> list[Any]:
    wanted = optional_text(module, "module")
    return records if wanted is None else [record for record in records if record.module_name == wanted]


def _since(timeline: Timeline, taken: dict[str, int]) -> list[Any] | None:
    """What came behind these counts, where that is all there is to a new answer: one writer, and no restore."""
    if len(timeline.streams) != 1:
        return None
    (stream,) = timeline.streams.values()
    new = [record for kind in FOLDED_KINDS for record in stream.get(kind, [])[taken[kind] :]]
    return None if any(map(is_restore, new)) else sorted(new, key=lambda record: record.seq)
