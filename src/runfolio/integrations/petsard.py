"""PETsARD: its Executor runs as it is, and a Status records what it does.

Nothing of PETsARD is changed. While a run is recorded, some methods of the Executor's own objects are others: `run` and
`set_input` of each operator that waits in its queues, and `put` of its Status. They call what was there before.

An operator that is run is a step. It begins when PETsARD has handed its data to it, and its duration is that of
`operator.run`. It ends when PETsARD has taken its result.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib import metadata
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from msgspec import structs

from runfolio.errors import ConfigError, UsageError
from runfolio.field import Profile
from runfolio.integrations.operators import Follower
from runfolio.pipeline.plan import PlannedStep
from runfolio.pipeline.provenance import Provenance
from runfolio.pipeline.source import read
from runfolio.policy import OnWriteError
from runfolio.records import PathStep
from runfolio.status import Status

PACKAGES = ("petsard", "scikit-learn", "scipy", "sdmetrics", "anonymeter", "xgboost", "torch", "sdv")
"""Packages whose versions decide what PETsARD gives, as far as they are installed."""

_TAKEN_OUT = ("method", "source")
"""What Constrainers and Describers take out of the configuration that they are given, and keep."""


def track(
    executor: Any,
    *,
    name: str | None = None,
    root: str | PathLike[str] | None = None,
    tags: Iterable[str] = (),
    profile: Profile = "full",
    on_write_error: OnWriteError = "warn",
    config: Any = None,
    **options: Any,
) -> Status:
    """A Status that records what a PETsARD Executor does in its `with` block.

    Each operator's run is a step under its module and experiment: its duration, its error, the schema of what came in
    and of what it gave, the changes between these, its result (`runfolio.integrations.reports` tells in which form),
    and the files that it read. A Constrainer that validates changes nothing: its result is a report. The plan is
    recorded before, so that what is to come, and what was never reached, is known.

    `config` is the YAML file that the Executor was made from, or its text, for the run to have it as it was written;
    without it, the configuration is what the Executor holds. Secrets in it are masked. The other options are those of
    `Status`.

    The run has completed if the Executor ran all of its plan and no step failed, even where the error was caught in the
    block. What can't be recorded changes nothing of what PETsARD does: a WriteWarning says so, and the run's log. With
    `on_write_error="raise"`, a run that can't be begun is refused before anything runs.

    Raises UsageError if `executor` is none of PETsARD, ConfigError if `config` is not what it was made from.

    >>> from petsard import Executor
    >>> log, loader = {"log_output_type": "stdout", "log_level": "ERROR"}, {"filepath": "examples/penguins-raw.csv"}
    >>> executor = Executor(str({"Executor": log, "Loader": {"penguins": loader}}))  # or a YAML file
    >>> with track(executor, name="penguins", root=root) as status:
    ...     executor.run()
    >>> status.state, [timing.module_name for timing in status.timing_records]
    ('completed', ['Loader'])
    """
    options |= {"name": name, "root": root, "tags": tags, "profile": profile, "on_write_error": on_write_error}
    return _Tracked(executor, config, options)


def plan_of(executor: Any) -> list[PlannedStep]:
    """The steps that an Executor of PETsARD has still to run, in their order. Raises UsageError if it is none."""
    try:
        order = {module: place for place, module in enumerate(executor.sequence)}
        flow = list(zip(executor.config.module_flow.queue, executor.config.expt_flow.queue, strict=True))
        is_one = len(flow) == executor.config.config.qsize() and callable(executor.status.put)
    except (AttributeError, TypeError, ValueError):
        is_one = False
    if not is_one:
        raise UsageError(f"a {type(executor).__name__} is no Executor of PETsARD", remedy="pass petsard.Executor(...)")
    found: list[PlannedStep] = []
    branch: list[PlannedStep] = []
    for module, experiment in flow:
        branch = [step for step in branch if order[step.module_name] < order[module]]
        path = (*(step.path[-1] for step in branch), PathStep(module, experiment))
        branch.append(PlannedStep(len(found), path, branch[-1].number if branch else None, ()))
        found.append(branch[-1])
    return found


class _Tracked(Status):
    """The Status of an Executor that is followed in its `with` block."""

    def __init__(self, executor: Any, config: Any, options: Mapping[str, Any]) -> None:
        self._plan = plan_of(executor)
        self._provenance = _provenance(executor, config, self._plan)
        self._executor = executor
        super().__init__(sequence=executor.sequence, **options)
        self._follower = Follower(self, executor, self._plan)

    def __enter__(self) -> Self:
        if self._executor.config.config.qsize() != len(self._plan):
            raise UsageError("the executor ran before this block", remedy="enter the block that `track` gives at once")
        super().__enter__()
        self._follower.guarded("record the configuration", self._record_plan)
        if self._executor.status.status:
            self._follower.tell(
                f"this executor ran before: {len(self._plan)} of its steps are left, and what it did is another run's"
            )
        self._follower.follow()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._follower.leave(error)
        if error is None and self._recorder.writer.ended is None:
            self._follower.guarded("end the run", self._end)
        self._follower.guarded("end the run", super().__exit__, kind, error, trace)
        self._follower.tell_withheld(error)

    def _record_plan(self) -> None:
        if self.folder is not None:  # it is None where write errors are only warned of
            self._recorder.config(self._provenance.text, self._provenance.context(self.folder))

    def _end(self) -> None:
        """End the run as failed where the block ended well, but the pipeline did not."""
        ran, count = self._follower.ran, len(self._plan)
        if self._follower.failed is not None:
            error, step = self._follower.failed
            self.fail(error, module=step.module_name, experiment=step.experiment_name)
        elif ran < count:
            self.fail(f"the executor was not run to its end: {ran} of {count} steps ran")


def _provenance(executor: Any, config: Any, plan: list[PlannedStep]) -> Provenance:
    """What the Executor goes by. Paths in it start from the current folder."""
    source = read(_held(executor) if config is None else config)
    source.problems.raise_any()
    engine = "petsard"
    declared = {(module, name) for module, node in (source.root.entries or {}).items() for name in node.entries or {}}
    for step in plan:
        module, experiment = step.module_name, step.experiment_name
        if declared.isdisjoint({(module, experiment), (module, experiment.rpartition("_[")[0])}):
            raise ConfigError(
                f"the executor was made from another configuration: this one has no {module}[{experiment}]",
                remedy="pass the one that it was made from, or none",
                file=str(source.path) if source.path else None,
            )
    with suppress(metadata.PackageNotFoundError):
        engine = f"{engine} {metadata.version(engine)}"
    found = Provenance.of_source(source, plan, "stop", engine=engine, packages=PACKAGES)
    return structs.replace(found, base=Path.cwd())


def _held(executor: Any) -> dict[str, dict[str, Any]]:
    """The configuration as far as the Executor has it, with what operators took out of it in its place again."""
    found = {module: dict(experiments) for module, experiments in executor.config.yaml.items()}
    flow = executor.config
    for module, name, operator in zip(flow.module_flow.queue, flow.expt_flow.queue, flow.config.queue, strict=True):
        if module in ("Constrainer", "Describer"):
            taken = {key: getattr(operator, key, None) for key in _TAKEN_OUT} | getattr(operator, "sample_dict", {})
            kept = {key: value for key, value in taken.items() if value is not None}
            found[module][name] = kept | found[module][name]
    return found
