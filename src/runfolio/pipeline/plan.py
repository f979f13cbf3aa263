"""The plan: every step of a pipeline, depth first, each shared prefix of experiments once."""

from __future__ import annotations

import math
import re
from pathlib import Path as FilePath
from typing import Any

from msgspec import Struct, structs

from runfolio.pipeline.callables import Call
from runfolio.pipeline.grammar import Experiment, Pipeline
from runfolio.pipeline.source import Problems, nearest
from runfolio.records import Path, PathStep
from runfolio.step import key_of

MAX_STEPS = 100_000

_FIELD = re.compile(r"\{([^{}]*)\}")
_NOT_IN_A_NAME = re.compile(r"[^\w.-]+")


class PlannedStep(Struct, frozen=True):
    """A step to come: its number in the order of running, its experiment path, and the number of the step before it."""

    number: int
    path: Path
    parent: int | None
    calls: tuple[Call, ...]

    @property
    def module_name(self) -> str:
        """The module."""
        return self.path[-1].module_name

    @property
    def experiment_name(self) -> str:
        """The experiment."""
        return self.path[-1].experiment_name

    @property
    def key(self) -> str:
        """The experiment key, such as `Loader[a]_Preprocessor[scale]`."""
        return key_of(self.path)

    @property
    def methods(self) -> tuple[str, ...]:
        """What is called, as the configuration names it."""
        return tuple(call.method for call in self.calls)

    def __str__(self) -> str:
        return self.key


def plan(pipeline: Pipeline, problems: Problems) -> list[PlannedStep]:
    """All steps in the order in which they run; none where there are too many, which is then a problem."""
    widths = [len(module.experiments) for module in pipeline.modules]
    count = sum(math.prod(widths[: depth + 1]) for depth in range(len(widths)))
    if count > MAX_STEPS:
        problems.add(pipeline.modules[0].experiments[0].place, f"the plan has {count:,} steps, more than {MAX_STEPS:,}")
        return []
    steps: list[PlannedStep] = []
    ahead: list[tuple[int, int | None, Experiment]] = _branches(pipeline, 0, None)
    while ahead:
        depth, parent, experiment = ahead.pop()
        before = () if parent is None else steps[parent].path
        path = (*before, PathStep(pipeline.modules[depth].name, experiment.name))
        calls = tuple(_filled_in(call, path, problems) for call in experiment.calls)
        step = PlannedStep(len(steps), path, parent, calls)
        steps.append(step)
        if depth + 1 < len(pipeline.modules):
            ahead += _branches(pipeline, depth + 1, step.number)
    _check_files(steps, problems)
    return steps


def _branches(pipeline: Pipeline, depth: int, parent: int | None) -> list[tuple[int, int | None, Experiment]]:
    """The experiments of a module, the first one last, for that is taken next."""
    if not pipeline.modules:
        return []
    return [(depth, parent, experiment) for experiment in reversed(pipeline.modules[depth].experiments)]


def _filled_in(call: Call, path: Path, problems: Problems) -> Call:
    """A call whose outputs have the names of the path's experiments in the place of `{Module}`."""
    if not call.outputs:
        return call
    names = {step.module_name: _file_name(step.experiment_name) for step in path}
    filled: dict[str, Any] = dict(call.parameters)
    for parameter in call.outputs:
        text = str(call.parameters[parameter])
        for field in _FIELD.findall(text):
            if field not in names:
                problems.add(
                    call.place, f"{parameter}: no module {field!r} on this branch; {nearest(field, list(names))}"
                )
        filled[parameter] = FilePath(_FIELD.sub(lambda found: names.get(found[1], found[0]), text))
    return structs.replace(call, parameters=filled)


def _file_name(experiment: str) -> str:
    return _NOT_IN_A_NAME.sub("-", experiment).lstrip(".")[:100] or "-"


def _check_files(steps: list[PlannedStep], problems: Problems) -> None:
    """No step may write what another reads or writes."""
    calls = [(step, call) for step in steps for call in step.calls]
    inputs = {call.parameters[name].resolve() for _, call in calls for name in call.inputs}
    writers: dict[FilePath, PlannedStep] = {}
    for step, call in calls:
        for name in call.outputs:
            path = call.parameters[name].resolve()
            if path in inputs:
                problems.add(call.place, f"{name}: {path.name} is read by this pipeline, and would be written over")
            other = writers.setdefault(path, step)
            if other is not step:
                apart = [one.module_name for one, two in zip(other.path, step.path, strict=False) if one != two]
                problems.add(
                    call.place,
                    f"{name}: {other.key} and {step.key} would both write {path.name}; "
                    f"put {''.join(f'{{{module}}}' for module in apart)} in its name",
                )
