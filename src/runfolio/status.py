"""Status: the Status API's write side, into one run folder; its read side is that folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, Self, TypeVar

from runfolio import arguments, layout, place
from runfolio.arguments import (
    CHANGE_TYPES,
    OUTCOMES,
    POINTS,
    description,
    instant,
    number,
    one_of,
    optional_text,
    text,
)
from runfolio.clock import SYSTEM, Clock
from runfolio.errors import FormatError, NotFoundError, RunfolioError, UsageError, WriteError
from runfolio.field import ChangeType
from runfolio.lock import Life
from runfolio.place import Carried, Place
from runfolio.policy import Access, Durability, OnWriteError
from runfolio.privacy import Privacy, Results, Told, profile_of
from runfolio.recorder import Position, Recorder, Running
from runfolio.records import (
    Change,
    Event,
    Finding,
    Header,
    Metadata,
    Outcome,
    Result,
    Snapshot,
    Timing,
)
from runfolio.schema import Schemas
from runfolio.standing import fold, key_of, passed_on
from runfolio.step import Step, progress_fields
from runfolio.timeline import Timeline
from runfolio.values import normal_object
from runfolio.view import RunView
from runfolio.writer import Writer

if TYPE_CHECKING:
    from contextvars import Token
    from pathlib import Path

    from runfolio.attempt import Attempt


P = ParamSpec("P")
R = TypeVar("R")


class Status(RunView):
    """A run while it is recorded: every write is in its folder before the call returns.

    The folder is made at the first write, or when a `with` block begins, under `root` (by default the environment
    variable RUNFOLIO_RUNS, else `runs`), and named by the run id. `name` and `tags` are for people; `sequence` is the
    planned order of modules. All getters of `RunView` answer from the folder. One Status may be used by several
    threads.

    `profile` says what is told of the values of columns: `full` has statistics (range, mean, distinct values), `digest`
    what is needed to tell whether they changed, `names` nothing but names and dtypes, `hashed` hashes in the place of
    names. `results` says whether data is stored (`full`), or withheld: with `schema` a result is its rows, columns and
    schema, and errors are recorded without messages, for these may quote data. Both take a word, or a mapping of a
    module's name to one, in which `*` stands for all that are not named. docs/privacy.md has what each records.

    What was recorded survives the end of the `process`, however it ends; with `durability="power"` it is on the disk,
    and survives the loss of power too, for some tenths of a millisecond a write. Files and folders are for their
    `owner` alone unless `access="umask"`. What can't be written is raised; with `on_write_error="warn"` the pipeline
    runs on, what was lost is counted, and the run says so when it ends and when it is read. `clock` is what times are
    read from.

    How to repeat the run is recorded when it begins: the command line without secrets, the versions of packages, the
    git commit, for which git gets at most three quarters of a second, and the `seed`, which is recorded and no more.
    With `provenance=False` none of that is.

    In a `with` statement the run is completed at the end of the block, and failed where an exception leaves it.

    >>> import pandas as pd
    >>> with Status(name="people", root=root) as status:
    ...     with status.step("Loader", "two") as step:
    ...         people = step.result(pd.DataFrame({"age": [31, 40]}))
    ...     with status.step("Clean", "under_40", data=people) as step:
    ...         people = step.result(people[people["age"] < 40])
    >>> status.state, list(status.get_result()), [change["type"] for change in status.changes]
    ('completed', ['Loader[two]_Clean[under_40]'], ['CREATE', 'UPDATE'])

    Write methods raise RunEndedError after the run's end, WriteError where the operating system refuses, and UsageError
    for arguments that can't be recorded; nothing is recorded then. After a WriteError the next call tries anew.
    """

    def __init__(
        self,
        *,
        name: str | None = None,
        sequence: Iterable[str] = (),
        root: str | PathLike[str] | None = None,
        tags: Iterable[str] = (),
        results: Results | Mapping[str, Results] = "full",
        profile: Told | Mapping[str, Told] = "full",
        durability: Durability = "process",
        access: Access = "owner",
        on_write_error: OnWriteError = "raise",
        seed: int | None = None,
        provenance: bool = True,
        clock: Clock = SYSTEM,
    ) -> None:
        super().__init__(None)
        writer = Writer(
            name=optional_text(name, "name"),
            sequence=arguments.texts(sequence, "sequence"),
            tags=arguments.texts(tags, "tags"),
            privacy=Privacy.of(results, profile),
            root=layout.root_of(root),
            policy=arguments.policy(durability, access, on_write_error),
            clock=clock,
            takes_provenance=provenance,
            seed=arguments.optional_integer(seed, "seed"),
        )
        self._recorder = Recorder(writer)
        self._timings: dict[str, Running] = {}
        self._entered_by = 0
        self._entered: Token[Status | None] | None = None
        self._token = ""

    # The run

    @classmethod
    def resume(
        cls,
        run: str | PathLike[str],
        *,
        root: str | PathLike[str] | None = None,
        results: Results | Mapping[str, Results] | None = None,
        profile: Told | Mapping[str, Told] | None = None,
        durability: Durability | None = None,
        on_write_error: OnWriteError = "raise",
        clock: Clock = SYSTEM,
    ) -> Self:
        """Go on with a run that was interrupted or failed, in its own folder: it is in progress when this returns.

        `run` is named as for `load_run`; `results`, `profile` and `durability` are by default those of the run so far.
        All that was recorded stays, timings included. The next step follows the last one that was committed; what a
        step had stored before it was stopped can be stored again.

        Raises NotFoundError, UsageError if the run is completed or its writer lives, WriteError.
        """
        from runfolio import attempt  # noqa: PLC0415  (few resume a run)
        from runfolio.root import find  # noqa: PLC0415

        found = attempt.left_behind(find(run, root))
        status = cls._of(found, Privacy.of_header(found.header, results, profile), durability, on_write_error, clock)
        status._recorder.resume(found)
        return status

    @classmethod
    def join(
        cls,
        run: str | PathLike[str],
        *,
        root: str | PathLike[str] | None = None,
        results: Results | Mapping[str, Results] | None = None,
        profile: Told | Mapping[str, Told] | None = None,
        durability: Durability | None = None,
        on_write_error: OnWriteError = "raise",
        clock: Clock = SYSTEM,
    ) -> Self:
        """Take part in a run that another process began, perhaps on another machine that has its folder.

        `run` is named as for `load_run`. What is recorded goes into files of this process's own. A step follows the
        last one of its thread in this process, or the one named by `after`. `close()`, or the end of a `with` block,
        leaves the run, which goes on: the process that began it ends it, after the others have left.

        Raises NotFoundError, UsageError if no one writes the run, WriteError.

        >>> with Status(name="parent", root=root) as status:
        ...     status.start()
        ...     with Status.join(status.folder) as worker:  # in another process
        ...         worker.log("part 1 is done")["message"]
        'part 1 is done'
        >>> status.state, status.events[-2].message
        ('completed', 'part 1 is done')
        """
        from runfolio import attempt  # noqa: PLC0415  (few join a run)
        from runfolio.root import find  # noqa: PLC0415

        found = attempt.under_way(find(run, root))
        status = cls._of(found, Privacy.of_header(found.header, results, profile), durability, on_write_error, clock)
        status._recorder.join(found)
        return status

    @classmethod
    def _of(
        cls,
        found: Attempt,
        privacy: Privacy,
        durability: Durability | None,
        on_write_error: OnWriteError,
        clock: Clock,
    ) -> Self:
        """A Status for a run that is there."""
        header, folder = found.header, found.history.folder
        return cls(
            name=header.name,
            sequence=header.sequence,
            root=folder.parent,
            tags=header.tags,
            results=privacy.results,
            profile=privacy.profile,
            durability=found.policy.durability if durability is None else durability,
            access=found.policy.access,
            on_write_error=on_write_error,
            provenance=found.has_provenance,
            clock=clock,
        )

    def start(self) -> None:
        """Begin the run: make its folder. The first write does so by itself; a second call changes nothing."""
        with self._recorder.mutex:
            self._recorder.writer.segment()

    def complete(self) -> None:
        """End the run well: take its last snapshot, write totals and digests, let go of the lock."""
        self._recorder.end("completed", None)

    def fail(self, error: BaseException | str, *, module: str | None = None, experiment: str | None = None) -> None:
        """End the run as failed. The step named is by default the one that failed last, if none finished since."""
        names = (optional_text(module, "module"), optional_text(experiment, "experiment"))
        place = self._recorder.failed_step() if names == (None, None) else names
        failure = arguments.failure(error, *place, concealed=self._recorder.privacy.withholds)
        self._recorder.end("failed", failure)

    def close(self) -> None:
        """Leave a run that was joined, or that this forked process's parent began; it goes on without this process.

        Raises UsageError in the process that began the run, which ends it by `complete` or `fail`.
        """
        self._recorder.leave(None)

    def __enter__(self) -> Self:
        self._entered_by = os.getpid()
        if self._recorder.writer.ended is None:
            self.start()  # what is forked in the block then takes part in this run
        self._entered = place.enter(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        place.leave(self._entered)
        self._entered = None
        guest = self._recorder.writer.guest
        if self._entered_by != os.getpid() or (self._recorder.writer.ended is not None and not guest):
            return  # this is a forked child, and the run its parent's; or it was ended in the block
        if error is None:
            self._recorder.leave(None) if guest else self.complete()
            return
        try:
            self._recorder.leave(error) if guest else self.fail(error)
        except RunfolioError as failure:
            error.add_note(f"runfolio could not record that the run failed: {failure}")

    # Steps and timings

    def step(
        self,
        module: str,
        experiment: str,
        *,
        data: Any = None,
        after: Step | Iterable[tuple[str, str]] | Literal["last"] | None = "last",
        step_name: str = "run",
        context: Mapping[str, Any] | None = None,
    ) -> Step:
        """A step, for a `with` statement or a decorator; its snapshots, changes and timing are recorded by themselves.

        `data` is its input (a table, or a dict that holds some), which its result is compared with; without it, that is
        what the step before gave, or got if it gave no table or only described one. The step follows the last one that
        this thread finished, or the one given as `after`, or none (None): that makes its path, and so its key. `after`
        is a step, or the (module, experiment) pairs of the path of one that was committed, perhaps before the run was
        resumed; NotFoundError is raised if none was.
        """
        before = (
            after
            if isinstance(after, Step) or (isinstance(after, str) and after == "last")
            else self._position_at(after)
        )
        names = (text(module, "module"), text(experiment, "experiment"), text(step_name, "step_name"))
        found = arguments.free_of(normal_object(context, "context"), ("point", "path", "error"))
        return Step(self._recorder, names, data=data, after=before, context=found)

    def _position_at(self, after: Iterable[tuple[str, str]] | None) -> Position:
        """Where a step stands that was committed: None and an empty path are before any."""
        if not isinstance(after, Iterable | None) or isinstance(after, str):
            raise UsageError(f"after is {after!r}", remedy="pass a step, None for a new path, or nothing", key="after")
        path = arguments.path(() if after is None else after)
        if not path:
            return Position()
        metadata = self._stand().committed.get(path)
        if metadata is None:
            raise NotFoundError(
                f"no step {key_of(path)} was committed", remedy="name the whole path, from its first step", key="after"
            )
        return Position(path, passed_on(path[-1].module_name, metadata))

    def place(self) -> Place:
        """Where this thread stands in the run, for work that it hands out: a thread or process may enter it.

        What is recorded there is inside of the step that runs here, or follows the last one of this thread. A place can
        be pickled. Another process joins the run as it enters one, and leaves it as it ends.

        >>> with Status(root=root) as status, status.step("Fit", "all") as step:
        ...     place = status.place()
        ...     with place.enter() as worker:  # in another thread or process
        ...         message = worker.log("part 1 is done")
        >>> message.module_name, message.record_id == status.timing_records[0].record_id
        ('Fit', True)
        """
        self.start()
        folder = self.folder
        if folder is None:
            raise UsageError(
                "the run has no folder that others could record into", remedy="see what could not be written"
            )
        if not self._token:
            self._token = layout.token(16)
            place.register(self._token, self)
        recorder = self._recorder
        return Place(
            folder=str(folder.absolute()),
            token=self._token,
            position=recorder.position,
            outer=recorder.outer,
            on_write_error=recorder.writer.policy.on_write_error,
        )

    def carry(self, function: Callable[P, R]) -> Carried[P, R]:
        """A function to be run by a thread or process of a pool, which records at the place where this is called.

        It can be pickled where the function can. `place` says what is recorded how.

        >>> from concurrent.futures import ThreadPoolExecutor
        >>> from runfolio import tracked
        >>> square = tracked(module="Square", experiment="one")(lambda number: number**2)
        >>> with Status(root=root) as status, ThreadPoolExecutor() as pool:
        ...     with status.step("Squares", "all") as step:
        ...         squares = list(pool.map(status.carry(square), [1, 2, 3]))
        >>> squares, status.get_timing(nested=True)["module_name"].to_list()
        ([1, 4, 9], ['Square', 'Square', 'Square', 'Squares'])
        """
        return self.place().carry(function)

    def start_timing(self, module: str, experiment: str, step: str, *, context: Mapping[str, Any] | None = None) -> str:
        """Begin a timing by hand; returns its record_id, to end it with. Inside a step it is a nested one."""
        names = (text(module, "module"), text(experiment, "experiment"), text(step, "step"))
        running = self._recorder.begin(*names, normal_object(context, "context"))
        self._timings[running.record_id] = running
        return running.record_id

    def end_timing(
        self, record_id: str, *, context: Mapping[str, Any] | None = None, outcome: Outcome = "completed"
    ) -> Timing:
        """End a timing that was begun by hand; `context` is added to that of its beginning.

        Raises NotFoundError if none of that id is running.
        """
        added = normal_object(context, "context")
        one_of(outcome, OUTCOMES, "outcome")
        running = self._timings.pop(text(record_id, "record_id"), None)
        if running is None:
            raise NotFoundError(
                f"no timing {record_id!r} is running",
                remedy="start_timing gives the id to end it with",
                key=str(record_id),
            )
        try:
            return self._recorder.finish(running, outcome, {**running.context, **added})
        except WriteError:
            self._timings[record_id] = running  # so that it can be ended once the cause is gone
            raise

    def record_timing(
        self,
        module: str,
        experiment: str,
        step: str,
        start: Any,
        end: Any,
        *,
        duration: float | None = None,
        outcome: Outcome = "completed",
        context: Mapping[str, Any] | None = None,
    ) -> Timing:
        """Record a timing that was taken elsewhere.

        `start` and `end` are datetimes (naive ones are local time) or seconds since 1970. `duration`, in seconds, is
        their difference unless given. Inside a step it is a nested one.
        """
        names = (text(module, "module"), text(experiment, "experiment"), text(step, "step"))
        start_time, end_time = instant(start, "start"), instant(end, "end")
        if end_time < start_time:
            raise UsageError(f"end {end_time} is before start {start_time}", remedy="swap them?", key="end")
        seconds = (end_time - start_time).total_seconds() if duration is None else number(duration, "duration")
        if seconds < 0:
            raise UsageError(f"duration is {seconds}", remedy="pass the seconds that it took", key="duration")
        outer = self._recorder.innermost
        return self._recorder.timing(
            None,
            names,
            start_time=start_time,
            end_time=end_time,
            duration_seconds=seconds,
            cpu_seconds=None,
            outcome=one_of(outcome, OUTCOMES, "outcome"),
            parent_id=outer.record_id if outer else None,
            context=normal_object(context, "context"),
        )

    # Snapshots, changes, results

    def record_snapshot(
        self,
        module: str | None,
        experiment: str | None,
        metadata: Mapping[str, Any] | Metadata | None = None,
        *,
        context: Mapping[str, Any] | None = None,
    ) -> Snapshot[Metadata]:
        """Record a snapshot by hand.

        `metadata` holds `schema_before` and `schema_after`: each a Schema, a frame to infer it from, a dict of these by
        part, or None. The context's `point` is `manual` unless it is given; it can't be one of those that runs and
        steps take by themselves.
        """
        found = {"point": "manual", **normal_object(context, "context")}
        if found["point"] in POINTS:
            arguments.free_of(found, ("point",))
        names = (optional_text(module, "module"), optional_text(experiment, "experiment"))
        told, hiding = self._recorder.privacy.told(names[0]), self._recorder.concealment
        given = arguments.metadata(metadata, profile_of(told))
        hidden = Metadata(hiding.schemas(given.schema_before, told), hiding.schemas(given.schema_after, told))
        return self._recorder.snapshot(*names, hidden, found)

    def record_change(
        self,
        change_type: ChangeType,
        target: str,
        details: Mapping[str, Any] | None = None,
        *,
        before: Any = None,
        after: Any = None,
        part: str | None = None,
        module: str | None = None,
        experiment: str | None = None,
    ) -> Change:
        """Record a change of the schema by hand; module and experiment are by default those of the step that runs.

        `before` and `after` are Descriptions or Fields, or values, which are kept as text.
        """
        # The hot path: what is None or plain already takes no call.
        recorder = self._recorder
        running = recorder.step_running if recorder.thread.running else None
        if running is not None and module is None:
            module, experiment = running.module_name, experiment or running.experiment_name
        if not recorder.privacy_is_open:
            told, hiding = recorder.privacy.told(module), recorder.concealment
            target = hiding.column(text(target, "target"), told)
            before, after = (one and hiding.description(description(one), told) for one in (before, after))
            part = hiding.part(part and text(part, "part"), told)
        return recorder.change(
            change_type
            if type(change_type) is str and change_type in CHANGE_TYPES
            else one_of(change_type, CHANGE_TYPES, "change_type"),
            target if type(target) is str and target.isascii() else text(target, "target"),
            None if part is None else text(part, "part"),
            None if before is None else description(before),
            None if after is None else description(after),
            None if module is None else text(module, "module"),
            None if experiment is None else text(experiment, "experiment"),
            None if running is None else running.snapshot_id,
            {} if details is None else normal_object(details, "details"),
        )

    def store_result(
        self, exp_key: str, data: Any, schema: Schemas = None, *, path: Iterable[tuple[str, str]] = ()
    ) -> Result:
        """Store a result: a table as Parquet, a report (dicts, lists, text, numbers, None) as JSON.

        A table is a frame or Series of pandas, a Table or RecordBatch of pyarrow, a frame of polars, or anything that
        exports an Arrow stream, such as a DuckDB relation, which comes back as a pyarrow Table. An iterator, a list or
        a RecordBatchReader of tables is written one after the other, so that it may be larger than memory; it comes
        back as `Batches`. A dict that holds a table at any depth is stored as its parts, each a table or a report.

        The schema is inferred from the data unless it is given. `path` holds the (module, experiment) pairs that led to
        it; without them, the key alone says so.

        Raises DataError if the data would not come back exactly, DuplicateKeyError for a key that is taken, and what a
        stream raises; nothing is stored then.
        """
        key = text(exp_key, "exp_key")
        steps = arguments.path(path)
        told = self._recorder.privacy.told(self._recorder.module_of(steps))
        given = arguments.schemas_for(data, schema, profile_of(told))
        return self._recorder.store(key, data, given, steps).record

    # Progress, messages, restore

    def progress(self, done: float, total: float | None = None, unit: str | None = None) -> None:
        """How far the step that runs in this thread is: `done` of `total` `unit`.

        A sample: at most five a second are written, and the last when the step ends, so that a call for every row costs
        next to nothing.
        """
        self._recorder.progress(self._recorder.innermost, *progress_fields(done, total, unit))

    def log(self, message: str, level: str = "info", *, context: Mapping[str, Any] | None = None) -> Event:
        """Record a message, of the step that runs in this thread."""
        found = normal_object(context, "context")
        return self._recorder.log(self._recorder.innermost, text(message, "message"), text(level, "level"), found)

    def restore_from_snapshot(self, snapshot_id: str) -> Event:
        """Go back to a snapshot: metadata, results and experiments are as of then, plus what comes from now on.

        All history stays, this call included. Keys of results that were stored after the snapshot can be stored again,
        and the next step follows the last one before it. Raises NotFoundError.
        """
        with self._recorder.mutex:
            standing = fold(self._see().until(text(snapshot_id, "snapshot_id")))
            return self._recorder.restore(snapshot_id, standing)

    # The read side

    def _see(self) -> Timeline:
        with self._recorder.mutex:
            history = self._history = self._recorder.writer.history
            if history is not None:
                history.refresh()
        return super()._see()

    def _header(self) -> Header | None:
        writer = self._recorder.writer
        return writer.header("", layout.MAIN_WRITER, None) if writer.history is None else super()._header()

    def _life(self) -> Life:
        if self._recorder.writer.guest and self.folder is not None:
            from runfolio.run import life_of, lives_of  # noqa: PLC0415  (the run is another process's)

            return life_of(super()._see(), self._state_event(), lives_of(self.folder))
        if self._recorder.writer.ended is not None:
            return Life(False, "its end could not be written")
        return Life(True, "this process writes it")

    @property
    def damage(self) -> list[Finding]:
        """Every finding of something that is not as it was written, by file, line and byte; empty for a sound run.

        The folder is read anew, as `load_run` reads it.
        """
        from runfolio.run import Run  # noqa: PLC0415  (who writes needs no reader)

        folder = self.folder
        return [] if folder is None else Run(folder).damage

    @property
    def lost(self) -> int:
        """How many records and results could not be written so far, those included that the folder can't tell."""
        losses = self._recorder.writer.losses
        try:
            told = super().lost
        except FormatError:  # the folder is gone, and what this process lost is known here
            return losses.total
        return told + (losses.untold.records + losses.untold.results if losses.untold else 0)

    @property
    def folder(self) -> Path | None:
        """The run folder; None before the first write."""
        self._history = self._recorder.writer.history
        return super().folder

    def _after_fork(self) -> None:
        """Have the timings that were begun by hand to be the parent's."""
        super()._after_fork()
        self._timings.clear()

    def __reduce__(self) -> tuple[Any, ...]:
        """A pickle holds where the folder is, never its data; it loads as a run that only reads."""
        if self.folder is None:
            return super().__reduce__()
        from runfolio.run import load_run  # noqa: PLC0415  (few pickle their Status)

        return load_run, (str(self.folder.absolute()),)
