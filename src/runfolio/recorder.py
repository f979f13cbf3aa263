"""The recorder: what Status and its steps write, and what must be known between two writes.

It keeps of a run only what its folder can't be asked for: what is running in which thread, where each thread stands
among the experiments, progress that is not yet due, and which keys are taken.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct, structs, to_builtins

from runfolio import forks, layout
from runfolio.arguments import described
from runfolio.clock import Clock
from runfolio.concealment import Concealment
from runfolio.errors import DuplicateKeyError, RunEndedError, WriteError
from runfolio.field import ChangeType
from runfolio.privacy import Told, profile_of
from runfolio.records import (
    Change,
    Description,
    Event,
    Failure,
    Metadata,
    Outcome,
    PathStep,
    Result,
    Snapshot,
    State,
    Timing,
)
from runfolio.schema import Schemas, of_data
from runfolio.standing import Standing, key_of
from runfolio.writer import Writer

if TYPE_CHECKING:
    from pathlib import Path

    from runfolio.artifacts import Written
    from runfolio.attempt import Attempt

PROGRESS_SECONDS = 0.2
"""Progress is a sample: one so often, and the last when its step ends."""


class Position(Struct, frozen=True):
    """Where a thread stands among the experiments: the path of its last step, and the schema of what that gave."""

    path: tuple[PathStep, ...] = ()
    schemas: Schemas = None


class Stored(Struct, frozen=True):
    """A stored result: its commit line, its schema as given or inferred, the data for who goes on with it.

    `spent` are the seconds and processor seconds that streams took to give what was stored.
    """

    record: Result
    schemas: Schemas
    data: Any
    spent: tuple[float, float]


class Running:
    """A timing that has begun and has not ended."""

    def __init__(
        self,
        recorder: Recorder,
        names: tuple[str, str, str],
        context: dict[str, Any],
        parent: Running | Outer | None,
        record_id: str,
    ) -> None:
        self.module_name, self.experiment_name, self.step_name = names
        self.context = context
        self.record_id = record_id
        self.parent_id: str | None = parent.record_id if parent else None
        self.snapshot_id: str | None = None
        self.stack = recorder.thread.running
        self.pid = os.getpid()
        self.clock = recorder.clock
        self.start_time = self.clock.now()
        self.unmeasured = (0.0, 0.0)
        self.begun = self.ticks()

    def ticks(self) -> tuple[float, float]:
        """The monotonic and the processor clock, in seconds."""
        return self.clock.monotonic(), self.clock.cpu()

    def leave_out(self, since: tuple[float, float]) -> None:
        """Leave what passed since these ticks out of the duration."""
        self.unmeasured = _sum(self.unmeasured, _since(self.ticks(), since))

    def spent(self) -> tuple[float, float]:
        """Duration and processor time until now, in seconds."""
        wall, cpu = _since(_since(self.ticks(), self.begun), self.unmeasured)
        return max(wall, 0.0), max(cpu, 0.0)


class Outer(Struct, frozen=True, kw_only=True):
    """What runs in another thread or process, for work that was handed out there: it is timed where it runs."""

    module_name: str
    experiment_name: str
    step_name: str
    record_id: str
    snapshot_id: str | None

    def leave_out(self, since: tuple[float, float]) -> None:
        """Nothing: what is recorded here takes no time there."""


class Held:
    """The last sample of progress that is not written yet, and when one is due again."""

    __slots__ = ("due", "sample")

    def __init__(self, due: float) -> None:
        self.due = due
        self.sample: tuple[Running | Outer | None, float, float | None, str | None] | None = None


class _Thread(threading.local):
    """What one thread runs, the innermost last, and where it stands since the last restore that it knows of."""

    def __init__(self) -> None:
        self.running: list[Running | Outer] = []
        self.position = Position()
        self.restores = 0


class Recorder:
    """Writes the records of one run. Thread-safe; `mutex` makes several calls one."""

    def __init__(self, writer: Writer) -> None:
        self.privacy = writer.privacy
        self.privacy_is_open = writer.privacy.is_open
        self.concealment = Concealment(writer.privacy)
        self.mutex = threading.RLock()
        self.writer = writer
        self.clock: Clock = writer.clock
        self._now, self._monotonic = writer.clock.now, writer.clock.monotonic
        self.thread = _Thread()
        self._restored = Position()
        self._restores = 0
        self._keys: set[str] = set()
        self._last: Snapshot[Metadata] | None = None
        self._failed: tuple[str, str] | None = None
        self._progress: dict[str | None, Held] = {}
        self._numbers: dict[str, int] = {}
        forks.register(self)

    @property
    def innermost(self) -> Running | Outer | None:
        """What runs innermost in this thread: a step, or a timing that was begun by hand."""
        running = self.thread.running
        return running[-1] if running else None

    @property
    def position(self) -> Position:
        """Where this thread stands: behind the last step that it finished since the last restore, else as restored."""
        thread = self.thread
        if thread.restores != self._restores:
            thread.restores, thread.position = self._restores, self._restored
        return thread.position

    def move_to(self, position: Position) -> None:
        """Let this thread stand behind a step that it finished, even one that was begun before the last restore."""
        self.thread.restores, self.thread.position = self._restores, position

    @property
    def step_running(self) -> Running | Outer | None:
        """The step that runs innermost in this thread."""
        return next((running for running in reversed(self.thread.running) if running.snapshot_id is not None), None)

    # Places

    @property
    def outer(self) -> Outer | None:
        """What runs innermost in this thread, as others are told of it."""
        found = self.innermost
        if found is None or isinstance(found, Outer):
            return found
        return Outer(**_names(found), record_id=found.record_id, snapshot_id=found.snapshot_id)  # type: ignore[arg-type]

    @contextmanager
    def placed(self, position: Position, outer: Outer | None) -> Iterator[None]:
        """Let this thread stand at that position, inside of what runs elsewhere, until the block ends."""
        thread = self.thread
        before = thread.running, thread.position, thread.restores
        thread.running = [] if outer is None else [outer]
        self.move_to(position)
        try:
            yield
        finally:
            thread.running, thread.position, thread.restores = before
            if outer is not None and self.writer.guest and not self.writer.is_over:
                with self.mutex:  # whoever runs it does not know of the samples of another process
                    self.flush_progress(outer.record_id)

    @contextmanager
    def named(self, after: Position, module: str, experiment: str) -> Iterator[str]:
        """A name for an experiment that makes a key of its own: as it is, or numbered; free again if the block fails.

        Another process can't be asked which it takes, so that those of a guest end in its writer's id.
        """
        with self.mutex:
            own = f"{experiment}_{self.writer.segment().writer}" if self.writer.guest else experiment
            base = key_of((*after.path, PathStep(module, own)))
            number, found = self._numbers.get(base, 0), ""
            while not found or key_of((*after.path, PathStep(module, found))) in self._keys:
                number += 1
                found = own if number == 1 else f"{own}_{number}"
            self._numbers[base] = number
        try:
            yield found
        except BaseException:
            with self.mutex:
                if self._numbers.get(base) == number:
                    self._numbers[base] = number - 1
            raise

    def _after_fork(self) -> None:
        """In a forked child: no other thread holds the mutex, and the parent's segment is not this process's."""
        self.mutex = threading.RLock()
        self._progress.clear()
        self.writer.forget_parent()

    # Timings

    def begin(self, module: str, experiment: str, step_name: str, context: dict[str, Any]) -> Running:
        """Begin a timing in this thread, inside of what it runs already."""
        with self.mutex:
            record_id = self.writer.segment().new_id("timing")
        running = Running(self, (module, experiment, step_name), context, self.innermost, record_id)
        running.stack.append(running)
        return running

    def step(self, running: Running, path: tuple[PathStep, ...]) -> Event:
        """Write that a step began."""
        fields = {**_names(running), "record_id": running.record_id, "parent_id": running.parent_id}
        with self.mutex:
            return self.writer.event("step", **fields, context={"path": to_builtins(path)})

    def finish(self, running: Running, outcome: Outcome, context: dict[str, Any]) -> Timing:
        """Record a timing that ends now; its last progress comes before."""
        wall, cpu = running.spent()
        end = max(self.clock.now(), running.start_time)
        self.drop(running)
        with self.mutex:
            self.flush_progress(running.record_id)
            return self.timing(
                running.record_id,
                (running.module_name, running.experiment_name, running.step_name),
                start_time=running.start_time,
                end_time=end,
                duration_seconds=wall,
                cpu_seconds=cpu,
                outcome=outcome,
                parent_id=running.parent_id,
                context=context,
            )

    def drop(self, running: Running) -> None:
        """Forget a timing that runs, whichever thread began it."""
        if running in running.stack:
            running.stack.remove(running)

    def timing(self, record_id: str | None, names: tuple[str, str, str], **fields: Any) -> Timing:
        """Write a timing."""
        module, experiment, step_name = names
        with self.mutex:
            segment = self.writer.segment()
            record = Timing(
                seq=0,
                record_id=record_id or segment.new_id("timing"),
                module_name=module,
                experiment_name=experiment,
                step_name=step_name,
                **fields,
            )
            if segment.write("timing", record) and record.parent_id is None:
                self.writer.count_step()
        return record

    def leave_out(self, since: tuple[float, float]) -> None:
        """Leave what passed since these ticks out of all that runs in this thread."""
        for running in self.thread.running:
            running.leave_out(since)

    # Snapshots, changes, results

    def snapshot(
        self,
        module: str | None,
        experiment: str | None,
        metadata: Metadata,
        context: dict[str, Any],
        snapshot_id: str | None = None,
    ) -> Snapshot[Metadata]:
        """Write a snapshot."""
        with self.mutex:
            found = self.writer.snapshot(module, experiment, metadata, context, snapshot_id)
            if context["point"] in ("after", "manual") and module is not None:
                self._last, self._failed = found, None
            return found

    def change(  # noqa: PLR0917  (the hot path: keywords cost a tenth of it)
        self,
        change_type: ChangeType,
        target: str,
        part: str | None,
        before: Description | None,
        after: Description | None,
        module: str | None,
        experiment: str | None,
        snapshot_id: str | None,
        details: dict[str, Any],
    ) -> Change:
        """Write a change."""
        with self.mutex:
            segment = self.writer.segment()
            record = Change(
                seq=0,
                change_id=segment.new_id("change"),
                timestamp=self._now(),
                type=change_type,
                target=target,
                part=part,
                before=before,
                after=after,
                module_name=module,
                experiment_name=experiment,
                snapshot_id=snapshot_id,
                details=details,
            )
            segment.write("change", record)
        return record

    def store(self, key: str, data: Any, given: Schemas, path: tuple[PathStep, ...]) -> Stored:
        """Write the files of a result, then its commit line.

        The files are written without holding the mutex, so that a stream may record what it does meanwhile.
        """
        with self.mutex:
            self.writer.check_open()
            if key in self._keys:
                raise DuplicateKeyError(
                    f"a result is stored under {key!r} already",
                    remedy="use another key, or go back before it with restore_from_snapshot",
                    key=key,
                )
            self._keys.add(key)
        try:
            return self._store(key, data, given, path)
        except BaseException:
            self.free(key)
            raise

    def free(self, key: str) -> None:
        """Let a key be stored again: what was stored by it is lost, or its step was not committed."""
        self._keys.discard(key)

    def module_of(self, path: tuple[PathStep, ...]) -> str | None:
        """The module whose data this is: the last of its path, else that of the step that runs in this thread."""
        running = None if path else self.step_running
        return path[-1].module_name if path else None if running is None else running.module_name

    def input_schemas(self, data: Any, path: tuple[PathStep, ...]) -> Schemas:
        """The schema of what a step of this path works on, which may be of any module before it: by the strictest."""
        told = self.privacy.strictest(step.module_name for step in path)
        return self.concealment.schemas(of_data(data, profile_of(told)), told)

    def told_of(self, error: BaseException) -> str:
        """An error in a line; without its message where data is withheld, which it may quote."""
        return described(error, concealed=self.privacy.withholds)

    def _store(self, key: str, data: Any, given: Schemas, path: tuple[PathStep, ...]) -> Stored:
        module = self.module_of(path)
        given = self.concealment.schemas(given, profile_of(self.privacy.told(module)))
        if not self.privacy.stores(module):
            return self._withhold(key, data, given, path, self.privacy.told(module))
        from runfolio import artifacts  # noqa: PLC0415  (not every run has results)

        profile = profile_of(self.privacy.told(module))
        decoration = f"{path[-1].module_name}-{path[-1].experiment_name}" if path else key
        contents = artifacts.contents_of(data, given, profile)
        means = artifacts.Means(self._new_file, profile, self.writer.policy, self._ticks)
        try:
            written = artifacts.write_parts(means, decoration, contents)
        except WriteError as error:
            if artifacts.uses_up(data):  # there is nothing left to go on with
                raise
            with self.mutex:
                self.writer.lose("result", error)
                self.free(key)
            record = Result(seq=0, key=key, path=path, parts=[], timestamp=self.clock.now())
            return Stored(record, artifacts.schemas_of(contents), data, (0.0, 0.0))
        stored = self._commit(key, path, [self._concealed(one, profile) for one in written])
        return structs.replace(stored, data=artifacts.passed_on(data, self.writer.folder, written))

    def _withhold(self, key: str, data: Any, given: Schemas, path: tuple[PathStep, ...], told: Told) -> Stored:
        """Write of a result what there is to tell of it, and no data."""
        from runfolio import outlines  # noqa: PLC0415  (few runs withhold)

        written, data = outlines.outlined(data, given, profile_of(told), self._ticks)
        stored = self._commit(key, path, [self._concealed(one, told) for one in written])
        return structs.replace(stored, data=data)

    def _concealed(self, one: Written, told: Told) -> Written:
        """A part and its schema with no more in them than this word allows."""
        if told == "full":
            return one
        schema = None if one.schema is None else self.concealment.schema(one.schema, told)
        name = self.concealment.part(one.part.name, told)
        part = structs.replace(one.part, name=name, schema_id=None if schema is None else schema.schema_id)
        return one._replace(part=part, schema=schema)

    def _commit(self, key: str, path: tuple[PathStep, ...], written: list[Written]) -> Stored:
        """Write the line of a result whose parts are what they are to be; its data is the caller's."""
        from runfolio.artifacts import schemas_of  # noqa: PLC0415  (not every run has results)

        schemas = schemas_of(written)
        with self.mutex:
            segment = self.writer.segment()
            self.writer.refs(segment, schemas)
            now = self.clock.now()
            record = Result(seq=0, key=key, path=path, parts=[one.part for one in written], timestamp=now)
            if not segment.write("result", record):
                self.free(key)
        walls, cpus = zip(*(one.spent for one in written), strict=True)
        return Stored(record, schemas, None, (sum(walls), sum(cpus)))

    def _ticks(self) -> tuple[float, float]:
        return self.clock.monotonic(), self.clock.cpu()

    def _new_file(self, decoration: str, suffix: str) -> tuple[Path, Path]:
        with self.mutex:
            return self.writer.segment().new_result_file(decoration, suffix)

    # Progress and messages

    def progress(self, running: Running | Outer | None, done: float, total: float | None, unit: str | None) -> None:
        """Take a sample of progress: written if the last one written is old enough, else kept until then."""
        record_id = running.record_id if running else None
        now = self._monotonic()
        with self.mutex:
            held = self._progress.get(record_id)
            if held is not None and now < held.due:  # the hot path: what is written is made of the last sample alone
                self.writer.check_open()
                held.sample = running, done, total, unit
                return
            self._sample(running, done, total, unit)
            self._progress[record_id] = Held(now + PROGRESS_SECONDS)

    def _sample(self, running: Running | Outer | None, done: float, total: float | None, unit: str | None) -> None:
        record_id = running.record_id if running else None
        self.writer.event("progress", **_names(running), record_id=record_id, done=done, total=total, unit=unit)

    def flush_progress(self, record_id: str | None) -> None:
        """Write the sample that is not written yet."""
        held = self._progress.pop(record_id, None)
        if held is not None and held.sample is not None:
            self._sample(*held.sample)

    def log(self, running: Running | Outer | None, message: str, level: str, context: dict[str, Any]) -> Event:
        """Write a message."""
        record_id = running.record_id if running else None
        with self.mutex:
            return self.writer.event(
                "log", **_names(running), record_id=record_id, message=message, level=level, context=context
            )

    # Configuration and inputs

    def config(self, text: str, context: dict[str, Any]) -> Event:
        """Keep the configuration that the run goes by, and record what there is to tell of it."""
        with self.mutex:
            name = layout.config_name(self.writer.segment().writer)
            try:
                self.writer.put(name, text.encode())
            except WriteError as error:
                self.writer.lose("config", error)
            return self.writer.configured({**context, "copy": name})

    def input(self, running: Running, context: dict[str, Any]) -> Event:
        """Record a file that a step reads."""
        with self.mutex:
            return self.writer.event("input", **_names(running), record_id=running.record_id, context=context)

    # The run's own state

    def failed(self, module: str, experiment: str) -> None:
        """Remember which step failed, should the run fail for it."""
        self._failed = (module, experiment)

    def failed_step(self) -> tuple[str | None, str | None]:
        """The step that failed since the last one that did not."""
        return self._failed or (None, None)

    def end(self, state: Literal["completed", "failed"], failure: Failure | None) -> None:
        """Take the last snapshot, which describes the last good state, and end the run."""
        with self.mutex:
            if self.writer.ended is None:
                self.writer.hurry()
                self.flush_progress(None)
                self._last_snapshot(state, failure)
            self.writer.end(state, failure)

    def restore(self, snapshot_id: str, standing: Standing) -> Event:
        """Record that the state goes back to a snapshot, and go on from there in every thread."""
        with self.mutex:
            event = self.writer.event("restore", snapshot_id=snapshot_id)
            self._keys = set(standing.results)
            self._numbers.clear()
            self._last = standing.last
            self._restored = Position(standing.path, standing.passed_on)
            self._restores += 1
        return event

    def join(self, attempt: Attempt) -> None:
        """Take part in a run that another process writes. What it stored so far can't be stored again."""
        with self.mutex, self._let_go_on_failure():
            self.writer.join(attempt)
            self._keys = set(attempt.standing.results)

    def leave(self, error: BaseException | None) -> None:
        """Let go of a run that goes on without this process, and say in it if an error is why."""
        with self.mutex:
            try:
                if error is not None and self.writer.ended is None:
                    self.log(None, self.told_of(error), "error", {})
                self.flush_progress(None)
            except RunEndedError:  # it has just been noticed
                pass
            finally:
                self.writer.leave()

    def resume(self, attempt: Attempt) -> None:
        """Take up a run where it was left: what no committed step stored can be stored again."""
        standing = attempt.standing
        with self.mutex, self._let_go_on_failure():
            self.writer.resume(attempt)
            committed = (key for key, result in standing.results.items() if result.path in standing.committed)
            self._keys = {*committed, *(key for key, result in standing.results.items() if not result.path)}
            self._last = standing.last
            self._restored = Position(standing.path, standing.passed_on)
            self._restores += 1
            self._snapshot_of_last({"point": "resume"})

    @contextmanager
    def _let_go_on_failure(self) -> Iterator[None]:
        """Hold no lock if the block fails: who catches the error may try again."""
        try:
            yield
        except BaseException:
            self.writer.let_go()
            raise

    def _last_snapshot(self, state: State, failure: Failure | None) -> None:
        context: dict[str, Any] = {"point": state}
        if failure is not None:
            context |= {
                "failed_module": failure.module_name,
                "failed_experiment": failure.experiment_name,
                "error_type": failure.type,
                "error": failure.message,
                "traceback": failure.traceback,
            }
        self._snapshot_of_last(context)

    def _snapshot_of_last(self, context: dict[str, Any]) -> None:
        """A snapshot at a change of the run's own state, which describes its last good one."""
        last = self._last
        schemas = last.metadata.schema_after if last else None
        names = (last.module_name, last.experiment_name) if last else (None, None)
        self.snapshot(*names, Metadata(schemas, schemas), context)


def _names(running: Running | Outer | None) -> dict[str, str | None]:
    if running is None:
        return {}
    return {
        "module_name": running.module_name,
        "experiment_name": running.experiment_name,
        "step_name": running.step_name,
    }


def _since(later: tuple[float, float], earlier: tuple[float, float]) -> tuple[float, float]:
    return later[0] - earlier[0], later[1] - earlier[1]


def _sum(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    return one[0] + other[0], one[1] + other[1]
