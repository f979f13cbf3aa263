"""Step: one module's experiment while it runs, recorded from its beginning to its commit.

On disk a step is its before-snapshot, its start, its result, the changes, its timing, and last its after-snapshot: that
commits it. The ids of timing and after-snapshot are taken at the start, for what is recorded on the way names them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, Self, TypeVar

from msgspec import to_builtins

from runfolio.arguments import number, optional_text, text
from runfolio.errors import DuplicateKeyError, FormatError, InputError, RunfolioError, UsageError
from runfolio.files import sha256
from runfolio.layout import path_text
from runfolio.recorder import Position, Recorder, Running
from runfolio.records import Description, Input, Metadata, PathStep
from runfolio.schema import Schemas
from runfolio.standing import DESCRIBING_MODULES, key_of, passed_on
from runfolio.values import plain_text

if TYPE_CHECKING:
    from pathlib import Path

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Step:
    """A step of a run, to be used in a `with` statement or as a decorator. `Status.step` makes it.

    `path` is its experiment path, `key` the name that people know it by. A step that leaves its block by an exception
    is recorded as failed; the run goes on, unless the exception ends that as well.
    """

    def __init__(
        self,
        recorder: Recorder,
        names: tuple[str, str, str],
        *,
        data: Any,
        after: Step | Position | Literal["last"],
        context: dict[str, Any],
    ) -> None:
        self.module_name, self.experiment_name, self.step_name = names
        self.path: tuple[PathStep, ...] = ()
        self._recorder = recorder
        self._data = data
        self._kept: dict[str | None, Any] = {}
        self._after = after
        self._context = context
        self._before: Schemas = None
        self._schemas: Schemas = None
        self._has_result = False
        self._running: Running | None = None
        self._ended = False

    @property
    def key(self) -> str:
        """The experiment key of this step's result, such as `Loader[a]_Preprocessor[scale]`; empty before it began."""
        return key_of(self.path)

    def _position_in(self, recorder: Recorder) -> Position:
        """Where this step stands, for those that follow it."""
        if self._recorder is not recorder or not self.path:
            what = "has not begun" if not self.path else f"{self.key} is one of another run"
            raise UsageError(f"the step to go on after {what}", remedy="name a step of this run", key="after")
        return Position(self.path, passed_on(self.module_name, Metadata(self._before, self._schemas)))

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Each call of a plain function as such a step, where `with` is not used: `@status.step("Clean", "drop_na")`.

        The first table among the arguments is its input, unless `data` was given, and what the function returns its
        result, which raises what `result` raises. Raises UsageError for a class, a generator function and an async one.

        >>> import pandas as pd
        >>> from runfolio import Status
        >>> with Status(root=root) as status:
        ...     @status.step("Clean", "drop_na")
        ...     def drop_na(frame: pd.DataFrame) -> pd.DataFrame:
        ...         return frame.dropna()
        ...     found = pd.DataFrame({"age": [31, None]}).pipe(drop_na)
        >>> len(found), [change["target"] for change in status.changes]
        (1, ['*'])
        """
        from runfolio import calls  # noqa: PLC0415  (which makes steps)

        if self.path:
            raise UsageError(f"step {self.key} was entered before", remedy="make a new step for each time")
        names = (self.module_name, self.experiment_name, self.step_name)
        given, after, context = self._data, self._after, self._context

        def make(data: Any) -> Step:
            return Step(self._recorder, names, data=data if given is None else given, after=after, context=context)

        return calls.stepped(function, make)

    def __enter__(self) -> Self:
        if self.path:
            raise UsageError(f"step {self.key} was entered before", remedy="make a new step for each time")
        recorder = self._recorder
        before = self._predecessor()
        self.path = (*before.path, PathStep(self.module_name, self.experiment_name))
        self._before = before.schemas if self._data is None else recorder.input_schemas(self._data, self.path)
        self._keep(self._data)
        self._data = None
        with recorder.mutex:
            self._snapshot("before", Metadata(self._before, None))
            running = recorder.begin(self.module_name, self.experiment_name, self.step_name, self._context)
            try:
                running.snapshot_id = recorder.writer.segment().new_id("snapshot")
                recorder.step(running, self.path)
            except BaseException:
                recorder.drop(running)
                raise
        self._running = running
        running.begun = running.ticks()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        running = self._begun()
        if running.pid != os.getpid():  # a forked child leaves the block as well; the step is its parent's
            return
        self._ended = True
        self._kept = {}
        if error is None:
            try:
                self._commit(running)
            except BaseException:
                self._free()
                raise
            return
        self._free()
        try:
            self._fail(running, error)
        except RunfolioError as failure:
            error.add_note(f"runfolio could not record that step {self.key} failed: {failure}")

    def result(self, data: T) -> T:
        """Store what the step gave, and how it differs from the step's input; returns the data itself.

        Takes the data that `Status.store_result` takes and raises what that raises. A step has one result. An iterator
        is used up by being stored: `Batches` of what was stored are returned in its place. The time that it takes to
        give its tables is the step's own.
        """
        running = self._begun()
        if self._has_result:
            raise DuplicateKeyError(
                f"step {self.key} has a result already",
                remedy="give several frames as a dict of them, or make a step for each",
                key=self.key,
            )
        since = running.ticks()
        stored = self._recorder.store(self.key, data, None, self.path)
        self._has_result, self._schemas = True, stored.schemas
        if self.module_name not in DESCRIBING_MODULES:
            self._record_changes(running, data)
        self._recorder.leave_out((since[0] + stored.spent[0], since[1] + stored.spent[1]))
        return stored.data  # type: ignore[no-any-return]

    def progress(self, done: float, total: float | None = None, unit: str | None = None) -> None:
        """How far the step is, as `Status.progress`."""
        self._recorder.progress(self._begun(), *progress_fields(done, total, unit))

    def log(self, message: str, level: str = "info") -> None:
        """Record a message of this step, as `Status.log`."""
        self._recorder.log(self._begun(), text(message, "message"), text(level, "level"), {})

    def input(self, path: str | os.PathLike[str], *, name: str | None = None) -> Path:
        """Record a file that the step reads, with its size and SHA-256, and return its path.

        It is recorded under the path as given, or under `name`. Raises InputError if it can't be read.
        """
        from pathlib import Path  # noqa: PLC0415  (see layout.root_of)

        running = self._begun()
        since = running.ticks()
        found = Path(path_text(path, "path"))
        try:
            size, digest = sha256(found.resolve())
        except (OSError, FormatError) as error:
            reason = error.strerror if isinstance(error, OSError) else error.what
            raise InputError(f"can't read the file {found}: {reason}", file=str(found)) from error
        told = Input(path=plain_text(name or str(found)), bytes=size, sha256=digest)
        self._recorder.input(running, to_builtins(told))
        self._recorder.leave_out(since)
        return found

    def _keep(self, data: Any) -> None:
        """Take what came in as it is now: rows of the result are matched with it."""
        if data is not None:
            from runfolio import changes  # noqa: PLC0415  (a step without data has none)

            self._kept = changes.kept_of(data)

    def _begun(self) -> Running:
        if self._running is None or self._ended:
            raise UsageError(
                f"step {self.key} has ended" if self._ended else "the step has not begun",
                remedy="use it inside of its block: `with status.step(...) as step:`",
            )
        return self._running

    def _predecessor(self) -> Position:
        if isinstance(self._after, Step):
            return self._after._position_in(self._recorder)
        return self._recorder.position if self._after == "last" else self._after

    def _snapshot(self, point: str, metadata: Metadata, snapshot_id: str | None = None) -> None:
        context = {**self._context, "point": point, "path": to_builtins(self.path)}
        self._recorder.snapshot(self.module_name, self.experiment_name, metadata, context, snapshot_id)

    def _record_changes(self, running: Running, data: Any) -> None:
        from runfolio import changes  # noqa: PLC0415  (likewise)

        hiding, told = self._recorder.concealment, self._recorder.privacy.told(self.module_name)
        sides = hiding.comparable(self._before), hiding.comparable(self._schemas)
        found = changes.between(sides[0], self._kept, sides[1], changes.frames_of(data))
        for part, difference in hiding.differences(found, self._before, self._schemas, told):
            self._recorder.change(
                change_type=difference.type,
                target=difference.target,
                part=part,
                before=Description.of(difference.before),
                after=Description.of(difference.after),
                module=self.module_name,
                experiment=self.experiment_name,
                snapshot_id=running.snapshot_id,
                details=difference.details,
            )

    def _free(self) -> None:
        """Let the step be made again: what it stored belongs to no step that was committed."""
        if self._has_result:
            self._recorder.free(self.key)

    def _commit(self, running: Running) -> None:
        with self._recorder.mutex:
            self._recorder.finish(running, "completed", self._context)
            self._snapshot("after", Metadata(self._before, self._schemas), running.snapshot_id)
        self._recorder.move_to(self._position_in(self._recorder))

    def _fail(self, running: Running, error: BaseException) -> None:
        self._recorder.failed(self.module_name, self.experiment_name)
        self._recorder.finish(running, "failed", {**self._context, "error": self._recorder.told_of(error)})


def progress_fields(done: float, total: float | None, unit: str | None) -> tuple[float, float | None, str | None]:
    """The fields of a sample of progress. Raises UsageError for what is no finite number."""
    return number(done, "done"), None if total is None else number(total, "total"), optional_text(unit, "unit")
