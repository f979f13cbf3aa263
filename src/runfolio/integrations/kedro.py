"""Kedro: hooks that record its pipelines. The pipeline is the module, each node an experiment.

A project's `settings.py` has them record every run, by whichever runner::

    from runfolio.integrations.kedro import RunfolioHooks

    HOOKS = (RunfolioHooks(),)

A worker of the ParallelRunner has hooks of its own, which find the run by the environment: it joins that and leaves it.
"""

from __future__ import annotations

import os
import threading
import warnings
from contextlib import ExitStack
from typing import Any

from msgspec import Struct, json

from runfolio import calls
from runfolio.errors import UsageError, WriteWarning
from runfolio.place import Place, current
from runfolio.policy import OnWriteError
from runfolio.recorder import Outer, Position
from runfolio.standing import path_of
from runfolio.status import Status
from runfolio.step import Step

try:
    from kedro.framework.hooks import hook_impl
except ImportError as missing:
    raise UsageError("Kedro is not installed", remedy="pip install 'runfolio[kedro]'") from missing

__all__ = ["RunfolioHooks"]

_VARIABLE = "RUNFOLIO_KEDRO"


class _Told(Struct, frozen=True):
    """What a worker process is told of the run, by the environment."""

    module: str
    folder: str
    token: str
    outer: Outer | None
    on_write_error: OnWriteError


class _Running(Struct, frozen=True):
    """One node that runs in this process."""

    step: Step
    stack: ExitStack


class RunfolioHooks:
    """Hooks for `settings.py`: each run of a pipeline is a run, each node a step of it.

    The run is the one that is current where the session runs, else one of its own, made with the options that `Status`
    has, and named after the pipeline unless `name` is among them. A node's inputs and outputs that are tables are
    the step's input and result: the table itself where there is one, else a dict of them by dataset. A node follows the
    one that made its first input that a node made; its snapshots name all its datasets in their context. Data that
    can't be stored are told by a message of the step and a WriteWarning.
    """

    def __init__(self, **options: Any) -> None:
        Status(**options)  # what can't be is refused here, and not when a pipeline runs
        self._options = options
        self._status: Status | None = None
        self._is_own = False
        self._module = ""
        self._place: Place | None = None
        self._running: dict[tuple[int, str], _Running] = {}

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any]) -> None:
        """Begin the run, or take the one that is current."""
        module = _pipeline_of(run_params)
        found = current()
        self._is_own = found is None
        if found is None:
            found = Status(**{"name": module.strip("_"), "sequence": [module], **self._options})
        found.start()
        self._status = found
        taken = {snapshot.module_name for snapshot in found.snapshots}
        number, self._module = 1, module
        while self._module in taken:
            number += 1
            self._module = f"{module}_{number}"
        self._place = place = found.place()
        told = _Told(self._module, place.folder, place.token, place.outer, place.on_write_error)
        os.environ[_VARIABLE] = json.encode(told).decode()

    @hook_impl
    def after_pipeline_run(self, run_params: dict[str, Any], pipeline: Any) -> None:
        """End the run, if it is the pipeline's own."""
        status, module = self._forget()
        if status is None:
            return
        if not run_params.get("only_missing_outputs"):
            _tell_missing(status, module, [node.name for node in pipeline.nodes])
        if self._is_own:
            status.complete()

    @hook_impl
    def on_pipeline_error(self, error: Exception) -> None:
        """End the run as failed, if it is the pipeline's own."""
        for running in self._running.values():  # another hook failed between
            calls.ended(running.step, error)
        status, _ = self._forget()
        if status is not None and self._is_own:
            status.fail(error)

    @hook_impl
    def before_node_run(self, node: Any, inputs: dict[str, Any]) -> None:
        """Begin a node's step."""
        place = self._found()
        if place is None:
            return
        stack = ExitStack()
        status = stack.enter_context(place.enter())
        names = (self._module, node.name, "run")
        context = {"inputs": list(node.inputs), "outputs": list(node.outputs)}
        try:
            after = _made_by(status, self._module, node.inputs) or place.position
            step = calls.begun(status._recorder, names, _tables(inputs), after, context)
        except BaseException:
            stack.close()
            raise
        self._running[threading.get_ident(), node.name] = _Running(step, stack)

    @hook_impl
    def after_node_run(self, node: Any, outputs: dict[str, Any]) -> None:
        """End a node's step, with its result."""
        running = self._running.pop((threading.get_ident(), node.name), None)
        if running is not None:
            with running.stack:
                try:
                    calls.keep(running.step, _tables(outputs))
                except BaseException as error:
                    calls.ended(running.step, error)
                    raise
                calls.ended(running.step)

    @hook_impl
    def on_node_error(self, error: Exception, node: Any) -> None:
        """End a node's step as failed."""
        running = self._running.pop((threading.get_ident(), node.name), None)
        if running is not None:
            with running.stack:
                calls.ended(running.step, error)

    def _found(self) -> Place | None:
        """Where nodes are recorded; None where there is no run, as where a runner is used without a session."""
        if self._place is None and _VARIABLE in os.environ:
            told = json.decode(os.environ[_VARIABLE], type=_Told)
            self._module = told.module
            self._place = Place(
                folder=told.folder,
                token=told.token,
                position=Position(),
                outer=told.outer,
                on_write_error=told.on_write_error,
            )
        return self._place

    def _forget(self) -> tuple[Status | None, str]:
        """The run and its module, which no further node belongs to."""
        status, self._status, self._place = self._status, None, None
        self._running.clear()
        os.environ.pop(_VARIABLE, None)
        return status, self._module


def _pipeline_of(run_params: dict[str, Any]) -> str:
    names = run_params.get("pipeline_names") or [run_params.get("pipeline_name") or "__default__"]
    return "+".join(map(str, names))


def _tell_missing(status: Status, module: str, nodes: list[str]) -> None:
    """Record and warn of nodes that ran where no hook was called."""
    timed = {one.experiment_name for one in status.get_timing_records(module)}
    missing = [name for name in nodes if name not in timed]
    if missing:
        told = f"{len(missing)} of {len(nodes)} nodes were not recorded: the runner's workers load no hooks"
        status.log(told, "warning", context={"nodes": missing})
        warnings.warn(f"{told}; have them forked: KEDRO_MP_CONTEXT=fork", WriteWarning, stacklevel=2)


def _tables(datasets: dict[str, Any]) -> Any:
    """The tables among datasets: itself where there is one, else a dict of them; None where there are none."""
    found = {_dataset(name): data for name, data in datasets.items() if calls.is_at_hand(data)}
    return next(iter(found.values()), None) if len(found) < 2 else found  # noqa: PLR2004


def _made_by(status: Status, module: str, inputs: list[str]) -> Position | None:
    """Where the node stands that made the first of these datasets that one made, perhaps in another process."""
    made = {}
    for snapshot in status.snapshots:
        if snapshot.module_name == module and snapshot.context.get("point") == "after":
            for name in snapshot.context.get("outputs", ()):
                made[_dataset(name)] = path_of(snapshot.context)
    path = next((made[name] for name in map(_dataset, inputs) if name in made), None)
    return None if path is None else status._position_at((one.module_name, one.experiment_name) for one in path)


def _dataset(name: str) -> str:
    """The name of a dataset without how it is read: `cars@pandas` is `cars`."""
    return name.partition("@")[0]
