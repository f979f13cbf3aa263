"""The grammar of a pipeline: module, then experiment, then parameters; and a section `Run` of settings.

::

    Run:
      name: penguins                  settings of the run: the fields of `Settings`
    Loader:                           a module: any name; the order in the file is the order of the steps
      raw:                            an experiment: any name; several of a module branch
        path: penguins-raw.csv        a parameter of the callable that `method` names
    Preprocessor:
      clean:
        - method: filter              a list: calls that follow each other within one step
          not_null: [body_mass]
        - method: scale
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from msgspec import Struct, ValidationError, convert, structs

from runfolio.pipeline.callables import Call, bind, find, in_words, name_of
from runfolio.pipeline.modules import BUILT_IN, DEFAULT_METHODS
from runfolio.pipeline.source import Node, Place, Problems, Source, nearest

RUN = "Run"
METHOD = "method"
MAX_SAMPLES = 100_001
"""One more than a plan has steps at most, which is told there."""


class Settings(Struct, frozen=True, kw_only=True):
    """The section `Run`: name and tags of the run, the folder that holds the runs, and what a failing step does."""

    name: str | None = None
    tags: list[str] = []
    root: str | None = None
    on_error: Literal["stop", "continue"] = "stop"


class Experiment(Struct, frozen=True):
    """A module's experiment: the calls that make its step, each of which gets what the one before gave."""

    name: str
    calls: tuple[Call, ...]
    place: Place


class Module(Struct, frozen=True):
    """A module and its experiments."""

    name: str
    experiments: tuple[Experiment, ...]


class Pipeline(Struct, frozen=True):
    """What a configuration declares."""

    settings: Settings
    modules: tuple[Module, ...]


def parse(source: Source) -> Pipeline:
    """The pipeline that a configuration declares, as far as it is right; what is not is added to its problems."""
    return _Parser(source.base, source.problems).pipeline(source.root)


class _Parser:
    """Makes a pipeline of a tree, and collects what is wrong with it."""

    def __init__(self, base: Path, problems: Problems) -> None:
        self._base = base
        self._problem = problems.add
        self._problems = problems

    def pipeline(self, node: Node) -> Pipeline:
        """The whole configuration."""
        if node.entries is None and not node.is_empty:
            self._problem(node.place, "expected a mapping of modules")
            return Pipeline(Settings(), ())
        entries = node.entries or {}
        settings = self._settings(entries[RUN]) if RUN in entries else Settings()
        modules: list[Module] = []
        for name, below in entries.items():
            if name != RUN:
                modules.append(self._module(name, below, is_first=not modules))
        if not modules:
            self._problem(node.place, "it declares no module")
        return Pipeline(settings, tuple(modules))

    def _settings(self, node: Node) -> Settings:
        if node.entries is None:
            if node.value is not None:
                self._problem(node.place, f"expected a mapping of {', '.join(Settings.__struct_fields__)}")
            return Settings()
        types = {field.name: field.type for field in structs.fields(Settings)}
        found: dict[str, Any] = {}
        for name, entry in node.entries.items():
            if name not in types:
                self._problem(entry.place, f"no such setting; {nearest(name, list(types))}")
                continue
            try:
                found[name] = convert(entry.value, types[name])
            except ValidationError as error:
                self._problem(entry.place, in_words(error))
        return Settings(**found)

    def _module(self, name: str, node: Node, *, is_first: bool) -> Module:
        if not name:
            self._problem(node.place, "a module's name is empty")
        if node.is_empty:
            self._problem(node.place, "the module has no experiment")
        elif node.entries is None:
            self._problem(node.place, "expected a mapping of experiments")
        experiments: list[Experiment] = []
        for experiment, below in (node.entries or {}).items():
            experiments += _sampled(self._experiment(name, experiment, below, is_first=is_first))
        names: set[str] = set()
        for found in experiments:
            if found.name in names:
                self._problem(found.place, f"two experiments have the name {found.name!r}")
            names.add(found.name)
        return Module(name, tuple(experiments))

    def _experiment(self, module: str, name: str, node: Node, *, is_first: bool) -> Experiment:
        if not name:
            self._problem(node.place, "an experiment's name is empty")
        parts = [node] if node.items is None else node.items
        if not parts:
            self._problem(node.place, "the list has no call")
        calls = [self._call(module, part, has_data=not is_first or index > 0) for index, part in enumerate(parts)]
        return Experiment(name, tuple(call for call in calls if call is not None), node.place)

    def _call(self, module: str, node: Node, *, has_data: bool) -> Call | None:
        if node.entries is None and node.value is not None:
            self._problem(node.place, "expected a mapping of parameters")
            return None
        given = dict(node.entries or {})
        named = given.pop(METHOD, None)
        place = node.place if named is None else named.place
        method = DEFAULT_METHODS.get(module) if named is None else named.value
        if method is None:
            known = ", ".join(BUILT_IN.get(module, ()))
            hint = f"there is {known}" if known else "write method: package.module:callable"
            self._problem(place, f"no method; {hint}")
            return None
        function = find(module, method, place, self._problems)
        if function is None:
            return None
        text = method if isinstance(method, str) else name_of(function)
        call, wrong = bind(text, function, given, has_data=has_data, place=node.place, base=self._base)
        for where, what in wrong:
            self._problem(where, what)
        return call


def _sampled(experiment: Experiment) -> list[Experiment]:
    """One experiment for each sample where several are wanted: `name_[3-1]`, `name_[3-2]`, `name_[3-3]`."""
    count = experiment.calls[0].samples if len(experiment.calls) == 1 else 1
    if count <= 1:
        return [experiment]
    (call,) = experiment.calls
    return [
        Experiment(
            f"{experiment.name}_[{count}-{index}]",
            (structs.replace(call, parameters={**call.parameters, "sample": index}),),
            experiment.place,
        )
        for index in range(1, min(count, MAX_SAMPLES) + 1)
    ]
