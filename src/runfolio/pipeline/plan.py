"""The plan: every step of a pipeline, depth first, each shared prefix of experiments once."""

from __future__ import annotations

import os
import re
from pathlib import Path as FilePath
from typing import Any

from msgspec import Struct, structs

from runfolio.pipeline.callables import Call
from runfolio.pipeline.grammar import Experiment, Module, Pipeline
from runfolio.pipeline.source import Place, Problems, nearest, shown
from runfolio.records import Path, PathStep
from runfolio.standing import key_of

MAX_STEPS = 100_000
MAX_MODULES = 200
_MAX_TOLD = 10**15

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
    if _has_too_many(pipeline, problems):
        return []
    modules = [(module.name, _sampled(module, problems)) for module in pipeline.modules]
    steps: list[PlannedStep] = []
    # Depth, the step before, and the experiment; the first experiment of a module last, for it is taken next.
    ahead: list[tuple[int, int | None, Experiment]] = [
        (0, None, experiment) for _, experiments in modules[:1] for experiment in reversed(experiments)
    ]
    while ahead:
        depth, parent, experiment = ahead.pop()
        before = () if parent is None else steps[parent].path
        path = (*before, PathStep(modules[depth][0], experiment.name))
        calls = tuple(_filled_in(call, path, problems) for call in experiment.calls)
        step = PlannedStep(len(steps), path, parent, calls)
        steps.append(step)
        if depth + 1 < len(modules):
            ahead += [(depth + 1, step.number, below) for below in reversed(modules[depth + 1][1])]
    _check_files(steps, problems)
    return steps


def _has_too_many(pipeline: Pipeline, problems: Problems) -> bool:
    """Whether there are more modules or steps than are planned; no step is made to tell so."""
    modules = pipeline.modules
    if len(modules) > MAX_MODULES:
        problems.add(modules[MAX_MODULES].place, f"there are {len(modules):,} modules, more than {MAX_MODULES:,}")
        return True
    count, branches = 0, 1
    widest = max(modules, key=lambda module: module.width, default=None)
    for module in modules:
        branches *= module.width
        count += branches
    if count <= MAX_STEPS or widest is None:
        return False
    number = f"{count:,}" if count < _MAX_TOLD else f"over {_MAX_TOLD:,}"
    problems.add(
        widest.place,
        f"the plan has {number} steps, more than {MAX_STEPS:,}; this module has the most experiments, {widest.width:,}"
        if widest.width < _MAX_TOLD
        else f"the plan has {number} steps, more than {MAX_STEPS:,}",
    )
    return True


def _sampled(module: Module, problems: Problems) -> list[Experiment]:
    """A module's experiments, one for each sample."""
    found = [one for experiment in module.experiments for one in experiment.sampled()]
    names: set[str] = set()
    for experiment in found:
        if experiment.name in names:
            problems.add(experiment.place, f"two experiments have the name {shown(experiment.name)}")
        names.add(experiment.name)
    return found


# Files


def _filled_in(call: Call, path: Path, problems: Problems) -> Call:
    """A call whose outputs have the names of the path's experiments in the place of `{Module}`."""
    if not call.outputs:
        return call
    names = {step.module_name: _file_name(step.experiment_name) for step in path}
    filled: dict[str, Any] = dict(call.parameters)
    for parameter in call.outputs:
        text = call.parameters[parameter]
        for field in _FIELD.findall(text):
            if field not in names:
                what = f"no module {shown(field)} on this branch; {nearest(field, names)}"
                problems.add(call.places[parameter], what)
        filled[parameter] = call.base / _FIELD.sub(lambda found: names.get(found[1], found[0]), text)
    return structs.replace(call, parameters=filled)


def _file_name(experiment: str) -> str:
    """An experiment's name as a part of a file's name, of at most 100 bytes, that leads to no other folder."""
    plain = _NOT_IN_A_NAME.sub("-", experiment).lstrip(".")
    return plain.encode()[:100].decode(errors="ignore") or "-"


def _check_files(steps: list[PlannedStep], problems: Problems) -> None:
    """No step may write what another reads or writes."""
    calls = [(step, call) for step in steps for call in step.calls]
    inputs = {_real(call.parameters[name]) for _, call in calls for name in call.inputs}
    writers: dict[FilePath, tuple[PlannedStep, Place]] = {}
    told: set[Place] = set()
    for step, call in calls:
        for name in call.outputs:
            place = call.places[name]
            path = _real(call.parameters[name])
            if path in writers and place not in told:
                told.add(place)
                other, elsewhere = writers[path]
                problems.add(place, _clash(path, other, step, is_same=place == elsewhere))
            writers.setdefault(path, (step, place))
            if place in told:
                continue
            what = _no_output(path, call.parameters[name], inputs)
            if what:
                told.add(place)
                problems.add(place, what)


def _no_output(path: FilePath, given: FilePath, inputs: set[FilePath]) -> str | None:
    if path in inputs:
        return f"{shown(given.name)} is read by this pipeline, and would be written over"
    try:
        if path.is_dir():
            return f"{shown(str(given))} is a folder, not a file"
        if path.exists() and not path.is_file():
            return f"{shown(str(given))} is no regular file"
    except OSError as error:
        return f"the file {shown(str(given))} can't be written: {error.strerror}"
    return None


def _clash(path: FilePath, one: PlannedStep, two: PlannedStep, *, is_same: bool) -> str:
    what = f"{one.key} and {two.key} would both write {shown(path.name)}"
    if one is two:
        return f"two parameters of {two.key} would both write {shown(path.name)}; give one another name"
    apart = [(a, b) for a, b in zip(one.path, two.path, strict=False) if a != b]
    if not is_same or not apart or any(a.module_name != b.module_name for a, b in apart):
        return f"{what}; give one another name"
    if any(_file_name(a.experiment_name) == _file_name(b.experiment_name) for a, b in apart):
        return f"{what}; give experiments names that differ in letters or digits"
    return f"{what}; put {''.join(f'{{{a.module_name}}}' for a, _ in apart)} in its name"


def _real(path: FilePath) -> FilePath:
    """A path without symbolic links, as far as they lead anywhere."""
    return FilePath(os.path.realpath(path))
