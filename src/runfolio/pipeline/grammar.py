"""The grammar of a pipeline: module, then experiment, then parameters; and a section `Run` of settings.

::

    Run:
      name: penguins                  settings of the run: the fields of `Settings`
      results: {raw: schema}          of some, a word for each module; `*` is all others
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

import os
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct, ValidationError, convert, structs

from runfolio.errors import UsageError
from runfolio.pipeline.callables import SAMPLE, Call, bind, find, in_words, name_of
from runfolio.pipeline.modules import BUILT_IN, DEFAULT_METHODS
from runfolio.pipeline.source import Node, Place, Problems, Source, closest, nearest, shown
from runfolio.policy import Access, Durability, OnWriteError
from runfolio.privacy import OTHERS, Privacy, Results, Told

RUN = "Run"
_BY_MODULE: dict[str, Any] = {"results": Results, "profile": Told}
"""The settings that take a word, or a mapping of modules to words."""

METHOD = "method"


class Settings(Struct, frozen=True, kw_only=True):
    """The section `Run`: name and tags of the run, the folder that holds the runs, and how it is recorded.

    `on_error` says what a failing step does; `results`, `profile`, `durability`, `access` and `on_write_error` are
    those of `Status`, the former two None where nothing is said.
    """

    name: str | None = None
    tags: list[str] = []
    root: str | None = None
    on_error: Literal["stop", "continue"] = "stop"
    results: Results | dict[str, Results] | None = None
    profile: Told | dict[str, Told] | None = None
    durability: Durability = "process"
    access: Access = "owner"
    on_write_error: OnWriteError = "raise"


class Experiment(Struct, frozen=True):
    """A module's experiment: the calls that make its step, each of which gets what the one before gave."""

    name: str
    calls: tuple[Call, ...]
    place: Place

    @property
    def samples(self) -> int:
        """How many experiments it stands for: one for each sample that a call of it is to draw."""
        return max((call.samples for call in self.calls), default=1)

    def sampled(self) -> list[Experiment]:
        """One experiment for each sample where several are wanted: `name_[3-1]`, `name_[3-2]`, `name_[3-3]`."""
        count = self.samples
        if count == 1:
            return [self]
        return [
            Experiment(
                f"{self.name}_[{count}-{index}]", tuple(_of_sample(call, index) for call in self.calls), self.place
            )
            for index in range(1, count + 1)
        ]


def _of_sample(call: Call, index: int) -> Call:
    return call if call.samples == 1 else structs.replace(call, parameters={**call.parameters, SAMPLE: index})


class Module(Struct, frozen=True):
    """A module and its experiments, of which those of several samples stand for one each."""

    name: str
    experiments: tuple[Experiment, ...]
    place: Place

    @property
    def width(self) -> int:
        """How many experiments there are, each sample counted."""
        return sum(experiment.samples for experiment in self.experiments)


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
            self._problem(node.place, f"expected a mapping of modules, got {_kind(node)}")
            return Pipeline(Settings(), ())
        entries = node.entries or {}
        settings = self._settings(entries[RUN]) if RUN in entries else Settings()
        modules: list[Module] = []
        for name, below in entries.items():
            if name != RUN:
                modules.append(self._module(name, below, is_first=not modules))
        if not modules:
            self._problem(node.place, "it declares no module")
        if RUN in entries:
            self._check_modules(entries[RUN].entries or {}, [module.name for module in modules], settings)
        return Pipeline(settings, tuple(modules))

    def _settings(self, node: Node) -> Settings:
        types = {field.name: field.type for field in structs.fields(Settings)}
        if node.entries is None and node.value is not None:
            self._problem(node.place, f"expected a mapping of {', '.join(types)}, got {_kind(node)}")
        found: dict[str, Any] = {}
        for name, entry in (node.entries or {}).items():
            if name not in types:
                self._problem(entry.place, f"no such setting; {nearest(name, types)}")
                continue
            value = entry.value
            if value is None:  # as if it were not there
                continue
            if isinstance(value, os.PathLike):
                value = os.fspath(value)
            if name in _BY_MODULE:
                found[name] = self._by_module(entry, _BY_MODULE[name])
                continue
            try:
                found[name] = convert(value, types[name])
            except ValidationError as error:
                self._problem(entry.place, in_words(error, types[name]))
            else:
                self._check_text(entry, found[name])
        return Settings(**found)

    def _by_module(self, node: Node, allowed: Any) -> Any:
        """A word, or those of modules; None for one that is wrong."""
        if node.entries is not None:
            words = {name: self._by_module(entry, allowed) for name, entry in node.entries.items()}
            return {name: word for name, word in words.items() if isinstance(word, str)}
        if node.value is None:
            return None
        try:
            return convert(node.value, allowed)
        except ValidationError as error:
            self._problem(node.place, in_words(error, allowed))
            return None

    def _check_modules(self, run: dict[str, Node], modules: list[str], settings: Settings) -> None:
        """Modules that settings name are there, and no names are hashed that stand in stored data."""
        for name in _BY_MODULE:
            for module, entry in (run[name].entries or {}).items() if name in run else ():
                if module != OTHERS and module not in modules:
                    self._problem(entry.place, f"there is no module {shown(module)}; {nearest(module, modules)}")
        try:
            Privacy.of(settings.results or "full", settings.profile or "full")
        except UsageError as error:
            self._problem(run["profile"].place, f"{error.what}; {error.remedy}")

    def _check_text(self, node: Node, value: str | list[str]) -> None:
        texts = [value] if isinstance(value, str) else value
        if any("\0" in text for text in texts):
            self._problem(node.place, "it holds a null character")
        if not all(texts):
            self._problem(node.place, "it is empty text")

    def _module(self, name: str, node: Node, *, is_first: bool) -> Module:
        if not name.strip():
            self._problem(node.place, "a module's name is empty")
        if node.is_empty:
            self._problem(node.place, "the module has no experiment")
        elif node.entries is None:
            meant = f"; for settings, write {RUN}" if name.lower() == RUN.lower() else ""
            self._problem(node.place, f"expected a mapping of experiments, got {_kind(node)}{meant}")
        experiments = [
            self._experiment(name, experiment, below, is_first=is_first)
            for experiment, below in (node.entries or {}).items()
        ]
        return Module(name, tuple(experiments), node.place)

    def _experiment(self, module: str, name: str, node: Node, *, is_first: bool) -> Experiment:
        if not name.strip():
            self._problem(node.place, "an experiment's name is empty")
        parts = [node] if node.items is None else node.items
        if not parts:
            self._problem(node.place, "the list has no call")
        found = [self._call(module, part, has_data=not is_first or index > 0) for index, part in enumerate(parts)]
        calls = tuple(call for call in found if call is not None)
        if sum(call.samples > 1 for call in calls) > 1:
            self._problem(node.place, "several calls of one list draw samples; make an experiment of each")
        return Experiment(name, calls, node.place)

    def _call(self, module: str, node: Node, *, has_data: bool) -> Call | None:
        if node.entries is None and node.value is not None:
            meant = f"; for settings, write {RUN}" if module.lower() == RUN.lower() else ""
            self._problem(node.place, f"expected a mapping of parameters, got {_kind(node)}{meant}")
            return None
        given = dict(node.entries or {})
        named = given.pop(METHOD, None)
        place = node.place if named is None else named.place
        method = DEFAULT_METHODS.get(module) if named is None else named.value
        if method is None:
            known = ", ".join(BUILT_IN.get(module, ()))
            self._problem(place, f"no method; {f'there is {known}' if known else self._other(module)}")
            return None
        function = find(module, method, place, self._problems)
        if function is None:
            return None
        text = method if isinstance(method, str) else name_of(function)
        call, wrong = bind(text, function, given, has_data=has_data, place=node.place, base=self._base)
        for where, what in wrong:
            self._problem(where, what)
        return call

    def _other(self, module: str) -> str:
        meant = closest(module, BUILT_IN)
        return f"did you mean the module {meant!r}?" if meant else "write method: package.module:callable"


def _kind(node: Node) -> str:
    if node.entries is not None or node.items is not None:
        return "a mapping" if node.items is None else "a list"
    value = node.value
    return {str: "text", bool: "true or false", int: "a number", float: "a number"}.get(
        type(value), type(value).__name__
    )
