"""PETsARD's operators as steps: what is recorded when its Executor hands one its input, runs it, and takes its result.

No operator is kept alive, for each holds its data. Whatever fails here is told, and changes nothing of what PETsARD
does.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from runfolio.arguments import message_of
from runfolio.errors import DataError, WriteWarning
from runfolio.integrations.replacing import Replacements
from runfolio.integrations.reports import spelled, storable
from runfolio.pipeline.plan import PlannedStep
from runfolio.recorder import Position
from runfolio.records import Path as StepPath
from runfolio.schema import Schemas
from runfolio.status import Status
from runfolio.step import Step
from runfolio.tables import kind_of

T = TypeVar("T")

_LOADERS = ("ori_loader_adapter", "ctrl_loader_adapter", "loader_adapter")


class _Opened:
    """A step that runs, unless it could not be begun, of an operator that PETsARD is about to take the result of."""

    def __init__(self, planned: PlannedStep, operator: weakref.ref[Any], step: Step | None) -> None:
        self.planned, self.operator, self.step = planned, operator, step
        self.spent = (0.0, 0.0)
        """The seconds and processor seconds of the operator's run."""


class Follower:
    """Follows an Executor through its plan, as far as it goes."""

    def __init__(self, status: Status, executor: Any, plan: Sequence[PlannedStep]) -> None:
        self.failed: tuple[BaseException, PlannedStep] | None = None
        """The first error of a step, and the step."""
        self.ran = 0
        self._status, self._recorder = status, status._recorder
        self._executor = executor
        self._plan = plan
        self._replaced = Replacements()
        self._opened: _Opened | None = None
        self._passed_on: dict[StepPath, Schemas] = {}
        self._withheld: list[Warning] = []

    def follow(self) -> None:
        """Be called from here on."""
        for planned, operator in zip(self._plan, list(self._executor.config.config.queue), strict=True):
            reference = weakref.ref(operator)
            self._replaced.add(operator, "set_input", partial(self._set_input, planned, reference))
            self._replaced.add(operator, "run", partial(self._run, planned, reference))
        self._replaced.add(self._executor.status, "put", self._put)

    def leave(self, error: BaseException | None) -> None:
        """Restore what was there before. A step that is open has failed."""
        self._replaced.restore()
        if self._opened is not None:
            self._fail(self._opened, error or RuntimeError("PETsARD did not take the result of this step"))

    # What PETsARD calls. The first argument of each is replaced by what was called before.

    def _set_input(
        self, planned: PlannedStep, operator: weakref.ref[Any], before: Callable[..., T], *args: Any, **given: Any
    ) -> T:
        try:
            return before(*args, **given)
        except BaseException as error:
            self._fail(self._open(planned, operator, None), error)
            raise

    def _run(
        self, planned: PlannedStep, operator: weakref.ref[Any], before: Callable[..., T], *args: Any, **given: Any
    ) -> T:
        opened = self._open(planned, operator, args[0] if args else given.get("input"))
        try:
            found = before(*args, **given)
        except BaseException as error:
            self._fail(opened, error)
            raise
        self.guarded(f"take the time of {planned.key}", self._stop, opened)
        return found

    def _put(self, before: Callable[..., T], module: str, experiment: str, operator: Any) -> T:
        opened = self._opened
        if opened is None or opened.operator() is not operator:
            return before(module, experiment, operator)
        try:
            found = before(module, experiment, operator)
        except BaseException as error:
            self._fail(opened, error)
            raise
        self._commit(opened, operator)
        return found

    # Steps

    def _stop(self, opened: _Opened) -> None:
        if opened.step is not None:
            opened.spent = opened.step._begun().spent()

    def _open(self, planned: PlannedStep, operator: weakref.ref[Any], given: Any) -> _Opened:
        step = self.guarded(f"record that {planned.key} begins", self._begin, planned, operator(), given)
        self._opened = _Opened(planned, operator, step)
        return self._opened

    def _begin(self, planned: PlannedStep, operator: Any, given: Any) -> Step:
        data = _data_of(planned.module_name, given)
        came_in = self._passed_on.get(planned.path[:-1]) if planned.module_name == "Reporter" else None
        step = Step(
            self._recorder,
            (planned.module_name, planned.experiment_name, "run"),
            data=data,
            after=Position(planned.path[:-1], came_in),
            context={},
        )
        step.__enter__()
        for file in _files_of(operator):
            self.guarded(f"record that {planned.key} reads {file}", step.input, file)
        return step

    def _fail(self, opened: _Opened, error: BaseException) -> None:
        self._opened = None
        self.ran += 1
        self.failed = self.failed or (error, opened.planned)
        if opened.step is not None:
            what = f"record that {opened.planned.key} failed"
            self.guarded(what, opened.step.__exit__, type(error), error, error.__traceback__)

    def _commit(self, opened: _Opened, operator: Any) -> None:
        self._opened = None
        self.ran += 1
        step, key = opened.step, opened.planned.key
        if step is None:
            return
        self.guarded(f"store the result of {key}", self._store, step, operator)
        self.guarded(f"record that {key} ended", self._end, step, opened.spent)
        self._passed_on[step.path] = step._position_in(self._recorder).schemas

    def _end(self, step: Step, spent: tuple[float, float]) -> None:
        """Commit a step whose duration is what its operator's run took."""
        running = step._begun()
        (wall, cpu), (wall_begun, cpu_begun) = running.ticks(), running.begun
        running.unmeasured = (wall - wall_begun - spent[0], cpu - cpu_begun - spent[1])
        step.__exit__(None, None, None)

    def _store(self, step: Step, operator: Any) -> None:
        validation, data = _validation_of(operator), storable(operator.get_result())
        if validation is None:
            self._as_far_as_possible(step.key, step.result, data)
            return
        # It says what is wrong with the data, which go on as they are: no change, and no schema of its own.
        path = [(one.module_name, one.experiment_name) for one in step.path]
        self._as_far_as_possible(step.key, partial(self._status.store_result, step.key, path=path), data)
        if validation:
            key = f"{step.key}.validation"
            self._as_far_as_possible(key, partial(self._status.store_result, key), storable(validation))

    def _as_far_as_possible(self, key: str, store: Callable[[Any], Any], data: Any) -> None:
        """Store data, where need be with cells spelled as text."""
        try:
            store(data)
        except DataError as error:
            found, columns = spelled(data)
            if not columns:
                raise
            store(found)
            self.tell(f"the result of {key} has columns stored as text: {', '.join(columns)}; {message_of(error)}")

    # What goes wrong

    def guarded(self, what: str, function: Callable[..., T], *args: Any) -> T | None:
        """What a function of ours gives; its error is told, and goes no further."""
        try:
            return function(*args)
        except Exception as error:  # noqa: BLE001  (whatever it is, it is not the pipeline's)
            self.tell(f"runfolio could not {what}: {type(error).__name__}: {message_of(error)}", level="error")
            return None

    def tell(self, message: str, *, level: str = "warning") -> None:
        """Warn of something, and note it in the run if that can be done."""
        try:
            warnings.warn(message, WriteWarning, stacklevel=2)
        except WriteWarning as warning:  # warnings are errors here, but not the pipeline's
            self._withheld.append(warning)
        with suppress(Exception):  # it was warned of
            self._status.log(message, level=level)

    def tell_withheld(self, error: BaseException | None) -> None:
        """Raise a warning that was to be an error, now that the pipeline has ended; an error of its own comes first."""
        for warning in self._withheld if error is not None else ():
            error.add_note(f"{type(warning).__name__}: {warning}")  # type: ignore[union-attr]  # it is not None
        if self._withheld and error is None:
            raise self._withheld[0]


def _data_of(module: str, given: Any) -> Any:
    """The tables that an operator was given; a Reporter is given all that there is, which counts as nothing new."""
    data = given.get("data") if isinstance(given, Mapping) else None
    if module == "Reporter" or kind_of(data) is not None:
        return None if module == "Reporter" else data
    if not isinstance(data, Mapping):
        return None
    return {str(name): table for name, table in data.items() if kind_of(table) is not None} or None


def _validation_of(operator: Any) -> Any:
    """The report of an operator that validates its data, {} where its result is that report; else None."""
    several = getattr(operator, "validation_results", None)
    if several:
        return operator.get_validation_result()
    return {} if getattr(operator, "validation_result", None) is not None else None


def _files_of(operator: Any) -> Iterator[str]:
    """The files that an operator is going to read, as its configuration names them."""
    loaders = [operator, *(getattr(operator, name, None) for name in _LOADERS)]
    for loader in filter(None, (getattr(one, "loader", None) for one in loaders)):
        for name in ("filepath", "schema_path"):
            path = getattr(getattr(loader, "config", None), name, None)
            if isinstance(path, str) and Path(path).is_file():
                yield path
