"""Provenance: what a pipeline goes by, as its run records it, and whether that is still so when the run is resumed."""

from __future__ import annotations

import functools
import os
import platform
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from msgspec import Struct, to_builtins

from runfolio import layout
from runfolio.errors import ConfigError, FormatError, UsageError
from runfolio.files import read_bytes, sha256
from runfolio.pipeline.plan import PlannedStep
from runfolio.pipeline.secrets import written
from runfolio.pipeline.source import MAX_BYTES, Source, from_yaml
from runfolio.records import Configured, Input, Planned, Seed, Version, converted
from runfolio.records import Path as StepPath
from runfolio.run import Run
from runfolio.standing import path_of

PACKAGES = ("runfolio", "pandas", "numpy", "pyarrow")
"""Packages whose versions decide what any pipeline gives; beside them those that callables come from."""

SEEDS = ("seed", "random_seed", "random_state")
"""What parameters are called that random numbers begin with."""


class Provenance(Struct, frozen=True, kw_only=True):
    """What a pipeline goes by: its configuration without secrets, and all that the `config` event tells."""

    text: str
    base: Path
    told: Configured

    @classmethod
    def of_source(
        cls,
        source: Source,
        plan: list[PlannedStep],
        on_error: str,
        *,
        engine: str | None = None,
        packages: Iterable[str] = (),
    ) -> Provenance:
        """That of a configuration that was just read; `packages` are further ones whose versions count."""
        configuration = written(source)
        told = Configured(
            copy="",
            file=source.path.name if source.path else None,
            base="",
            sha256=configuration.digest,
            is_whole=configuration.is_whole,
            on_error=on_error,
            versions=_versions(plan, packages),
            engine=engine,
            plan=[_planned(step, configuration.experiments) for step in plan],
            seeds=_seeds(plan),
        )
        return cls(text=configuration.text, base=source.base, told=told)

    @classmethod
    def of_run(cls, run: Run) -> Provenance:
        """That of a run, as of its last attempt. Raises UsageError if no Executor ran it, FormatError."""
        folder = run.folder
        assert folder is not None
        events = [event for event in run.events if event.type == "config"]
        told = converted(events[-1].context, Configured) if events else None
        if told is None:
            raise UsageError(
                f"{folder} was not run from a configuration", remedy="Status.resume goes on with a run by hand"
            )
        if told.engine is not None:
            raise UsageError(f"{folder} was run by {told.engine}", remedy="begin another run: that can't be resumed")
        if "\0" in told.base:
            raise FormatError(
                f"{folder} was run from the folder {told.base!r}, which is none", remedy="give the configuration"
            )
        path = folder / (told.copy if layout.is_config_name(told.copy) else layout.config_name(layout.MAIN_WRITER))
        try:
            text = read_bytes(path, MAX_BYTES).decode()
        except (OSError, FormatError, UnicodeDecodeError) as error:
            raise FormatError(
                f"{path} can't be read: {error}", remedy="give the configuration", file=str(path)
            ) from error
        return cls(text=text, base=Path(os.path.normpath(folder.absolute() / told.base)), told=told)

    def source(self) -> Source:
        """The configuration from the run's folder. Raises ConfigError if that does not say all that was given."""
        if not self.told.is_whole:
            raise ConfigError(
                f"{self.told.copy} does not say all that was configured",
                problems=("secrets are masked in it, and objects that YAML has no form for are left out",),
                remedy="give the configuration again, beside the run",
            )
        return from_yaml(self.text, Path(self.told.file) if self.told.file else None, self.base)

    def context(self, folder: Path) -> dict[str, Any]:
        """The context of the `config` event, in a run's folder."""
        base = os.path.relpath(self.base, folder.absolute())
        found: dict[str, Any] = to_builtins(self.told)
        return {**found, "base": base}


def differences(run: Run, before: Provenance, now: Provenance) -> list[str]:
    """How committed steps, their input files and the package versions are not those of a run that is to be resumed."""
    found = _other_steps(run, now.told)
    versions = {one.name: one.version for one in now.told.versions}
    for one in before.told.versions:
        other = versions.get(one.name, _version(one.name))
        if other != one.version:
            found.append(f"{one.name} was {one.version} and is {other or 'not installed'}")
    committed = run._stand().committed
    steps = {event.record_id: path_of(event.context) for event in run.events if event.type == "step"}
    for event in run.events:
        file = converted(event.context, Input) if event.type == "input" else None
        if file is not None and steps.get(event.record_id) in committed:
            found += _other_file(now.base, file)
    return list(dict.fromkeys(found))


def _other_steps(run: Run, now: Configured) -> list[str]:
    """The committed steps that are no longer declared as they were when they ran."""
    declared, ran, found = _digests(now), _digests_when_run(run), []
    for path in run._stand().committed:
        name = f"{path[-1].module_name}[{path[-1].experiment_name}]"
        if path not in declared:
            found.append(f"{name} was run, and is no longer declared there")
        elif declared[path] != ran.get(path, declared[path]):
            found.append(f"{name} is declared otherwise than when it ran")
    return found


def _digests_when_run(run: Run) -> dict[StepPath, str]:
    """What each committed step declared in the attempt that committed it: each wrote a segment of its own."""
    found: dict[StepPath, str] = {}
    for stream in run._history.timeline.streams.values():
        told = next(
            (converted(one.context, Configured) for one in stream.get("event", ()) if one.type == "config"), None
        )
        digests = {} if told is None else _digests(told)
        after = (one for one in stream.get("snapshot", ()) if one.context.get("point") == "after")
        found |= {path: digests[path] for path in map(path_of, (one.context for one in after)) if path in digests}
    return found


def _digests(told: Configured) -> dict[StepPath, str]:
    """The digest of each step of a plan, by its path."""
    return {path: step.sha256 for path, step in zip(told.paths, told.plan, strict=False)}


def _planned(step: PlannedStep, experiments: dict[tuple[str, str], str]) -> Planned:
    name = (step.module_name, step.experiment_name)
    if name not in experiments:  # one of several samples
        name = (step.module_name, step.experiment_name.rpartition("_[")[0])
    return Planned(step.module_name, step.experiment_name, step.parent, experiments[name])


def _seeds(plan: list[PlannedStep]) -> list[Seed]:
    """The parameters that seeds are usually called, by their places."""
    found = {
        _place_of(step, number, name): str(value)
        for step in plan
        for number, call in enumerate(step.calls)
        for name, value in call.parameters.items()
        if name in SEEDS and type(value) is int and name in call.places
    }
    return [Seed(name, value) for name, value in found.items()]


def _place_of(step: PlannedStep, number: int, name: str) -> str:
    """Where a parameter stands: `Splitter.half.seed`, or `Splitter.half[1].seed` in a list of calls."""
    *above, last = step.calls[number].places[name].names
    return f"{'.'.join(above)}{f'[{number}]' if len(step.calls) > 1 else ''}.{last}"


def _other_file(base: Path, file: Input) -> list[str]:
    try:
        size, digest = sha256((base / file.path).resolve())
    except (OSError, FormatError, ValueError) as error:  # the latter of what can't be a path
        reason = getattr(error, "strerror", None) or getattr(error, "what", None) or str(error)
        return [f"the input file {file.path} can't be read: {reason}"]
    return [] if (size, digest) == (file.bytes, file.sha256) else [f"the input file {file.path} is another one"]


def _versions(plan: list[PlannedStep], packages: Iterable[str]) -> list[Version]:
    homes = {str(getattr(call.function, "__module__", "")).partition(".")[0] for step in plan for call in step.calls}
    names = [*PACKAGES, *packages]
    if homes - {*PACKAGES, *sys.stdlib_module_names, ""}:
        distributions = _distributions(tuple(sys.path))
        names += sorted({name for home in homes for name in distributions.get(home, ())} - {*PACKAGES})
    found = [Version(name, version) for name in names if (version := _version(name))]
    return [Version("python", platform.python_version()), *found]


@functools.lru_cache(maxsize=1)
def _distributions(path: tuple[str, ...]) -> Mapping[str, list[str]]:
    """The distributions that each package comes from; finding out takes 0.2 s."""
    return metadata.packages_distributions()


def _version(name: str) -> str | None:
    if name == "python":
        return platform.python_version()
    try:
        return metadata.version(name)
    except (metadata.PackageNotFoundError, ValueError):  # the latter of what can't be a package's name
        return None
