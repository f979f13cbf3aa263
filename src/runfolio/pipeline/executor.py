"""The Executor: runs a declared pipeline step by step, through a Status that records it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

from msgspec import structs

from runfolio.arguments import message_of
from runfolio.artifacts import StoredResult
from runfolio.errors import ConfigError, DataError, StepsError, UsageError
from runfolio.pipeline.branches import Branches, made_again
from runfolio.pipeline.callables import STEP, Call
from runfolio.pipeline.context import StepContext
from runfolio.pipeline.grammar import Settings, parse
from runfolio.pipeline.plan import PlannedStep, plan
from runfolio.pipeline.provenance import Provenance, differences
from runfolio.pipeline.source import Source, nearest, read
from runfolio.privacy import OTHERS, Results, Told, merged
from runfolio.run import Run, load_run
from runfolio.standing import DESCRIBING_MODULES
from runfolio.status import Status
from runfolio.step import Step
from runfolio.view import RunView

if TYPE_CHECKING:
    import pandas as pd


class Executor:
    """A pipeline: checked and planned when it is made, then run once.

    `config` is the path of a YAML file, YAML text, or a dict of modules; paths in it start from the file's folder, else
    from the current one. `name`, `root`, `results` and `profile` take precedence over those of its section `Run`,
    `tags` are added. `plan` lists the steps in the order in which they run, `status` is the run.

    Data that is withheld from the run folder (`results`, as for `Status`) is kept in memory while a step to come may
    ask for it.

    Raises ConfigError, which names every problem of the configuration by its place, and UsageError for `results` or
    `profile` that name a module which is not there.

    >>> import pandas as pd
    >>> def load(rows: int) -> pd.DataFrame:
    ...     return pd.DataFrame({"age": range(rows)})
    >>> config = {"Loader": {"few": {"method": load, "rows": 2}, "many": {"method": load, "rows": 2000}}}
    >>> executor = Executor(config, root=root)
    >>> [step.key for step in executor.plan], executor.status.state
    (['Loader[few]', 'Loader[many]'], 'not_started')
    >>> executor.run()
    >>> executor.is_execution_completed(), len(executor.get_result()["Loader[many]"]["data"])
    (True, 2000)
    """

    status: RunView
    """The Status that records the run; of a run that is to be resumed, the run as it was left, until `run()`."""

    plan: list[PlannedStep]

    def __init__(
        self,
        config: Any,
        *,
        name: str | None = None,
        tags: Iterable[str] = (),
        root: str | os.PathLike[str] | None = None,
        results: Results | Mapping[str, Results] | None = None,
        profile: Told | Mapping[str, Told] | None = None,
    ) -> None:
        source = read(config)
        settings = self._declare(source, results, profile)
        self.status = Status(
            name=name or settings.name or (source.path.stem if source.path else None),
            sequence=dict.fromkeys(step.module_name for step in self.plan),
            tags=[*settings.tags, *tags],
            root=settings.root if root is None else root,
            results=settings.results or "full",
            profile=settings.profile or "full",
            durability=settings.durability,
            access=settings.access,
            on_write_error=settings.on_write_error,
        )

    @classmethod
    def resume(
        cls,
        run: str | os.PathLike[str],
        config: Any = None,
        *,
        root: str | os.PathLike[str] | None = None,
        anyway: bool = False,
        results: Results | Mapping[str, Results] | None = None,
        profile: Told | Mapping[str, Told] | None = None,
    ) -> Self:
        """An Executor that goes on with a run that was interrupted or failed: its `run()` runs the steps that are left.

        `run` is named as for `load_run`. The configuration is that of the run's folder unless it is given, which is
        needed where secrets are masked there. `results` and `profile` are those of the run so far, unless they or a
        configuration that says them are given. What committed steps gave is read from the folder; one whose data was
        withheld is run again where a step that is left needs it, or may ask for it.

        Steps that are still to run may be declared otherwise than before, and further ones be added. Raises ConfigError
        if committed steps, their input files or package versions are not those of the run, which are then its
        `problems`; with `anyway` it goes on all the same, and each is recorded as a warning. Raises UsageError if the
        run was not made by an Executor, is completed, or still written, NotFoundError if there is none.
        """
        found = load_run(run, root=root)
        if found.state not in ("interrupted", "failed"):
            raise UsageError(
                f"{found.folder} can't be resumed: it is {found.state}, {found.state_reason}",
                remedy="begin another run" if found.state != "in_progress" else "wait until its writer has ended",
            )
        before = Provenance.of_run(found)
        executor = cls.__new__(cls)
        executor._declare(before.source() if config is None else read(config), results, profile)
        if config is None:  # what was said when it began is in the run's records
            executor._settings = structs.replace(executor._settings, results=results, profile=profile)
        executor.status = found
        executor._differences = problems = differences(found, before, executor._provenance)
        if problems and not anyway:
            raise ConfigError(
                f"{found.folder} can't be resumed as it was begun:",
                problems=tuple(problems),
                remedy="bring them back, begin another run, or go on anyway: anyway=True, or --anyway",
            )
        return executor

    def _declare(self, source: Source, results: Any, profile: Any) -> Settings:
        pipeline = parse(source)
        self.plan = plan(pipeline, source.problems)
        source.problems.raise_any()
        modules = [module.name for module in pipeline.modules]
        for what, given in (("results", results), ("profile", profile)):
            _check_named(given, modules, what)
        self._base = source.base
        self._on_error = pipeline.settings.on_error
        said = pipeline.settings
        self._settings = structs.replace(
            said, results=merged(said.results, results), profile=merged(said.profile, profile)
        )
        self._provenance = Provenance.of_source(source, self.plan, self._on_error)
        self._differences: list[str] = []
        self._ran = False
        return self._settings

    def run(self) -> None:
        """Run the steps of the plan, depth first; each is recorded as it happens.

        What a step raises ends the run as failed and reaches the caller, with a note that names the step and the
        folder; Ctrl-C too. With `on_error: continue` the steps that don't depend on it go on, and StepsError is raised
        at the end. Raises UsageError when called again.
        """
        if self._ran:
            raise UsageError("this pipeline was run before", remedy="make another Executor")
        self._ran = True
        status = self._begin()
        with status:
            failed = _Execution(self.plan, status, self._base, on_error=self._on_error).run()
            if failed:
                first = self.plan[next(iter(failed))]
                error = _steps_error(self.plan, failed)
                status.fail(error, module=first.module_name, experiment=first.experiment_name)
                raise error

    def get_result(self, module: str | None = None) -> dict[str, StoredResult]:
        """The results at the end of each experiment path, or those of a module, as `Status.get_result`."""
        return self.status.get_result(module)

    def get_timing(self, *, nested: bool = False) -> pd.DataFrame:
        """The timings, as `Status.get_timing`."""
        return self.status.get_timing(nested=nested)

    def is_execution_completed(self) -> bool:
        """Whether the pipeline ran to its end, and nothing failed."""
        return self.status.is_completed()

    def __repr__(self) -> str:
        return f"<Executor of {len(self.plan)} steps: {self.status.state}>"

    def _begin(self) -> Status:
        if isinstance(self.status, Run):
            assert self.status.folder is not None
            self.status = Status.resume(
                self.status.folder.absolute(),
                results=self._settings.results,
                profile=self._settings.profile,
                durability=self._settings.durability,
                on_write_error=self._settings.on_write_error,
            )
        assert isinstance(self.status, Status)
        self.status.start()
        folder = self.status.folder
        if folder is not None:  # it is None where write errors are only warned of
            self.status._recorder.config(self._provenance.text, self._provenance.context(folder))
        for difference in self._differences:
            self.status.log(f"resumed although {difference}", level="warning")
        return self.status


class _Execution:
    """One run of a plan's steps."""

    def __init__(self, plan: list[PlannedStep], status: Status, base: os.PathLike[str], *, on_error: str) -> None:
        committed = status._stand().committed
        self._plan = plan
        self._status = status
        self._base = base
        self._on_error = on_error
        left = [step for step in plan if step.path not in committed]
        self._again = made_again(plan, status, left)
        self._to_run = sorted([*left, *self._again], key=lambda step: step.number)
        self._branches = Branches(plan, status, self._to_run, status._recorder.privacy)
        self._steps: dict[int, Step] = {}
        self._failed: dict[int, Exception] = {}

    def run(self) -> dict[int, Exception]:
        """Run what is not committed yet; returns what failed by its number, where that does not stop the others."""
        for planned in self._again:
            self._status._recorder.free(planned.key)
            self._status.log(f"{planned.key} is run again: its data was withheld, and a step that is left may need it")
        unreachable: set[int | None] = set()
        for planned in self._to_run:
            if planned.parent in unreachable:
                unreachable.add(planned.number)
                self._branches.release(planned)
            elif not self._run_step(planned):
                unreachable.add(planned.number)
            self._branches.done(planned)
        return self._failed

    def _run_step(self, planned: PlannedStep) -> bool:
        """Run a step, and tell whether it was committed."""
        try:
            data = self._branches.take(planned)
            with self._status.step(planned.module_name, planned.experiment_name, after=self._before(planned)) as step:
                step._keep(data)
                result = self._call_all(planned, step, self._branches.lend(planned, data))
                if result is not None:
                    result = step.result(result)
        except BaseException as error:
            place = f"{planned.key}, step {planned.number + 1} of {len(self._plan)}"
            error.add_note(f"raised in {place}, of the run in {self._status.folder}")
            if self._on_error == "stop" or not isinstance(error, Exception):
                raise
            self._failed[planned.number] = error
            return False
        self._steps[planned.number] = step
        self._branches.put(planned, data, result)
        return True

    def _before(self, planned: PlannedStep) -> Step | list[tuple[str, str]]:
        """The step that this one follows, or its path where an earlier attempt ran it."""
        found = None if planned.parent is None else self._steps.get(planned.parent)
        return found or [(step.module_name, step.experiment_name) for step in planned.path[:-1]]

    def _call_all(self, planned: PlannedStep, step: Step, data: Any) -> Any:
        """What the last of a step's calls gives; each gets what the one before it gave."""
        context = StepContext(self._status, step, data, self._branches.result)
        result: Any = None
        for call in planned.calls:
            if len(planned.calls) == 1:
                result = self._call(call, step, context, data)
            else:
                with context.timed(call.method):
                    result = self._call(call, step, context, data)
            if result is None and planned.module_name not in DESCRIBING_MODULES:
                raise DataError(
                    f"{call.method} returned nothing", remedy="return a frame, a dict of frames, or a report"
                )
            data = data if result is None else result
        return result

    def _call(self, call: Call, step: Step, context: StepContext, data: Any) -> Any:
        for name in call.inputs:
            path = call.parameters[name]
            step.input(path, name=os.path.relpath(path, self._base))
        keywords = {name: _own(value) for name, value in call.parameters.items()}
        if call.takes_step:
            keywords[STEP] = context
        if call.data is None:
            return call.function(**keywords)
        return call.function(**{call.data: data}, **keywords) if call.data else call.function(data, **keywords)


def _check_named(given: Any, modules: list[str], what: str) -> None:
    """Raise UsageError for words of modules that the pipeline does not have."""
    for module in given if isinstance(given, Mapping) else ():
        if module != OTHERS and module not in modules:
            remedy = nearest(str(module), modules)
            raise UsageError(f"{what} names the module {module!r}, which there is not", remedy=remedy, key=what)


def _own(value: Any) -> Any:
    """Lists and dicts of the configuration anew, for a call to do with what it likes."""
    if type(value) is list:
        return [_own(item) for item in value]
    return {key: _own(item) for key, item in value.items()} if type(value) is dict else value


def _steps_error(plan: list[PlannedStep], failed: dict[int, Exception]) -> StepsError:
    told = [f"{plan[number]}: {type(error).__name__}: {message_of(error)}" for number, error in failed.items()]
    return StepsError(
        f"{len(failed)} of {len(plan)} steps failed: {'; '.join(told)}",
        errors=tuple(failed.values()),
        remedy="the others ran, but for those that follow a failed one",
    )
