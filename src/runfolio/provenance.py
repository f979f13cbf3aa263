"""Provenance: what a person needs to repeat a run, as it is taken when an attempt begins, and as events tell it.

A `state` event that begins an attempt has it in its context, so that a run that was killed has it as well; that of the
end has the packages that were imported by then. `config` and `input` events tell the rest. Values of environment
variables are never taken.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

from msgspec import ValidationError, convert, structs, to_builtins

from runfolio import packages
from runfolio.masking import masked_command
from runfolio.records import Configuration, Configured, Event, Input, Provenance, Seed, Version, converted
from runfolio.repository import repository_of
from runfolio.values import plain_text

if TYPE_CHECKING:
    from pathlib import Path

EVENTS = ("state", "config", "input")
"""The types of event that tell it."""

MOST_INPUTS = 100
"""So many inputs are in `run.json`; the events have all."""

SEED = "seed"
_KEY = "provenance"
_PACKAGES = "packages"
_MOST_WORDS = 1_000
_MOST_LETTERS = 1_000


class Telling:
    """The events of one process that tell it, kept for `run.json`: of inputs, as many as that has."""

    def __init__(self) -> None:
        self._others: list[Event] = []
        self._inputs: dict[Any, Event] = {}

    def take(self, event: Event) -> None:
        """Keep an event."""
        path = event.context.get("path")
        if event.type != "input":
            self._others.append(event)
        elif path in self._inputs or len(self._inputs) < MOST_INPUTS:
            self._inputs[path] = event

    def events(self) -> list[Event]:
        """What was kept, inputs last."""
        return [*self._others, *self._inputs.values()]


def taken(seed: int | None) -> Provenance:
    """That of an attempt that begins now in this process; it takes as long as git, which `repository` bounds."""
    return Provenance(
        command=_command(),
        packages=packages.imported(thorough=False),
        git=repository_of(*_places()),
        seeds=[] if seed is None else [Seed(SEED, str(seed))],
    )


def began(provenance: Provenance | None, folder: Path) -> dict[str, Any]:
    """The context of the event that begins an attempt, in a run's folder."""
    if provenance is None:
        return {}
    try:
        current = plain_text(os.path.relpath(os.getcwd(), folder))  # noqa: PTH109
    except (OSError, ValueError):  # it was removed, or is on another drive
        current = None
    return {_KEY: to_builtins(structs.replace(provenance, folder=current))}


def ended(provenance: Provenance | None) -> dict[str, Any]:
    """What the context of the event at the end has of it: the packages, if there are more of them than at first."""
    found = [] if provenance is None else packages.imported(thorough=True)
    return {_PACKAGES: to_builtins(found)} if found and provenance and found != provenance.packages else {}


def told(events: Iterable[Event], most_inputs: int | None = None) -> Provenance | None:
    """What the events of a run tell, in their order; None where its last attempt did not take it."""
    found: Provenance | None = None
    configured: Configured | None = None
    inputs: dict[str, Input] = {}
    for event in events:
        if event.type == "state" and event.state == "in_progress":
            earlier, found = found, converted(event.context.get(_KEY), Provenance)
            if found and earlier and not found.seeds:  # a seed is the run's
                found = structs.replace(found, seeds=earlier.seeds)
        elif event.type == "state" and found is not None:
            found = structs.replace(found, packages=_packages(event) or found.packages)
        elif event.type == "config":
            configured = converted(event.context, Configured) or configured
        elif event.type == "input" and (file := converted(event.context, Input)) is not None:
            inputs[file.path] = file
    if found is None:
        return None
    files = list(islice(inputs.values(), most_inputs))
    if configured is None:
        return structs.replace(found, inputs=files)
    configuration = Configuration(configured.copy, configured.file, configured.sha256)
    seeds = [*found.seeds, *configured.seeds]
    return structs.replace(found, inputs=files, configuration=configuration, seeds=seeds)


def _packages(event: Event) -> list[Version]:
    try:
        return convert(event.context.get(_PACKAGES, []), list[Version])
    except ValidationError:
        return []


def _command() -> list[str]:
    """The words of the command line, as far as a person reads them."""
    words = masked_command(map(plain_text, sys.orig_argv[:_MOST_WORDS]))
    return [word if len(word) <= _MOST_LETTERS else f"{word[:_MOST_LETTERS]}…" for word in words]


def _places() -> list[str]:
    """Where a repository is looked for: around the main script, unless that is installed, and the current folder."""
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    found: list[str] = []
    with suppress(OSError, ValueError):  # the current folder was removed
        if isinstance(script, str) and not os.path.abspath(script).startswith(_installed()):  # noqa: PTH100
            found.append(os.path.dirname(os.path.realpath(script)))  # noqa: PTH120
        found.append(os.getcwd())  # noqa: PTH109  (paths as text, for every run takes this way)
    return found


def _installed() -> tuple[str, ...]:
    return tuple(os.path.join(home, "") for home in (sys.prefix, sys.base_prefix))  # noqa: PTH118
