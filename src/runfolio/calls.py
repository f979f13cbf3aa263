"""Calls: plain functions as steps. Which functions can be, what of their arguments is a step's data, what is kept.

Whoever calls a function must get what it returns, recorded or not: a result that can't be stored is left out, which a
message of the step and a warning tell. What the disk refuses goes the way of the run's `on_write_error`.
"""

from __future__ import annotations

import functools
import inspect
import os
import warnings
import weakref
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any, ParamSpec, TypeVar

from runfolio.artifacts import uses_up
from runfolio.errors import DataError, RunfolioError, UsageError, WriteWarning
from runfolio.parts import flattened, holds_table
from runfolio.recorder import Position, Recorder
from runfolio.step import Step
from runfolio.tables import kind_of

P = ParamSpec("P")
R = TypeVar("R")


def plain(function: Any, decorator: str) -> str:
    """The name of a function that can be decorated. Raises UsageError for one whose call does not run it."""
    if not callable(function) or inspect.isclass(function):
        kind = "a class" if inspect.isclass(function) else f"a {type(function).__name__}"
        remedy = f"put {decorator} on a plain function"
        raise UsageError(f"{decorator} is on {kind}, {function!r}", remedy=remedy, key=decorator)
    inner = inspect.unwrap(function)
    while isinstance(inner, functools.partial):
        inner = inner.func
    kinds = (
        (inspect.iscoroutinefunction, "async"),
        (inspect.isasyncgenfunction, "an async generator"),
        (inspect.isgeneratorfunction, "a generator"),
    )
    name = str(getattr(inner, "__name__", type(inner).__name__))
    for is_kind, kind in kinds:
        if is_kind(inner):
            remedy = "a call of it runs nothing yet: decorate the plain functions that it calls"
            raise UsageError(f"{decorator} is on {name}, which is {kind}", remedy=remedy, key=decorator)
    return name


def stepped(function: Callable[P, R], make: Callable[[Any], Step]) -> Callable[P, R]:
    """A function of which each call is a step, made for the first table among its arguments."""
    plain(function, "status.step")

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with make(first_table(chain(args, kwargs.values()))) as step:
            returned = function(*args, **kwargs)
            return returned if returned is None else step.result(returned)

    return call


def first_table(values: Iterable[Any]) -> Any:
    """The first of these that is a table, or a dict that holds some; None if none is. No iterator is used up."""
    return next((value for value in values if is_at_hand(value)), None)


def is_at_hand(data: Any) -> bool:
    """Whether data is a table, or a dict of parts with one, which can be read without being used up."""
    if not isinstance(data, dict):
        return kind_of(data) is not None
    try:
        return holds_table(data) and not uses_up(data) and any(kind_of(leaf) for _, leaf in flattened(data))
    except DataError:  # its keys are no text
        return False


def begun(
    recorder: Recorder, names: tuple[str, str, str], data: Any, after: Position, context: dict[str, Any] | None = None
) -> Step:
    """A step that runs; whoever calls has it end by `ended`."""
    return Step(recorder, names, data=data, after=after, context=context or {}).__enter__()


def ended(step: Step, error: BaseException | None = None) -> None:
    """End a step, as failed if there is an error, which is the caller's to raise."""
    if error is None:
        step.__exit__(None, None, None)
    else:
        step.__exit__(type(error), error, error.__traceback__)


def run(step: Step, function: Callable[[], R], kept: Callable[[R], Any] | None = None) -> R:
    """What a function returns that is called in a step, which ends with it; `kept` makes of it what is stored."""
    try:
        returned = function()
        keep(step, returned if kept is None else _unmeasured(step, lambda: kept(returned)))
    except BaseException as error:
        ended(step, error)
        raise
    ended(step)
    return returned


def timed(recorder: Recorder, names: tuple[str, str, str], bound: Callable[[], R]) -> R:
    """What a function returns that is called inside of what runs, and timed there."""
    running = recorder.begin(*names, {})
    try:
        returned = bound()
    except BaseException as error:
        if running.pid == os.getpid():  # a forked child leaves the call as well; the timing is its parent's
            try:
                recorder.finish(running, "failed", {"error": recorder.told_of(error)})
            except RunfolioError as failure:
                error.add_note(f"runfolio could not record that {names[1]} failed: {failure}")
        raise
    if running.pid == os.getpid():
        recorder.finish(running, "completed", {})
    return returned


def _unmeasured(step: Step, function: Callable[[], R]) -> R:
    running = step._begun()
    since = running.ticks()
    try:
        return function()
    finally:
        running.leave_out(since)


def keep(step: Step, returned: Any) -> None:
    """Store what a function returned, where it can be: a table, a dict or tuple with tables, or a report."""
    if returned is None:
        return
    data = returned
    if type(data) is tuple or (isinstance(data, tuple) and hasattr(data, "_fields")):
        names = getattr(data, "_fields", map(str, range(len(data))))
        data = dict(zip(names, data, strict=True))
    try:
        if uses_up(data):
            step.log("its result is not stored: it is an iterator, which storing would use up")
        else:
            step.result(data)
    except DataError as error:
        is_table = first_table([data]) is not None
        step.log(f"its result is not stored: {step._recorder.told_of(error)}", "warning" if is_table else "info")
        if is_table:  # a reader will look for it in vain
            warnings.warn(f"{step.key}: its result is not stored: {error}", WriteWarning, stacklevel=4)


class Origins:
    """Which step gave a table, told by the table itself as long as it lives."""

    def __init__(self) -> None:
        self._positions: dict[int, tuple[weakref.ref[Any], Position]] = {}

    def put(self, returned: Any, position: Position) -> None:
        """Remember what a step gave: a table, or those in a dict, list or tuple."""
        if isinstance(returned, dict | list | tuple):
            for one in returned.values() if isinstance(returned, dict) else returned:
                self.put(one, position)
        elif kind_of(returned) is not None:
            number, positions = id(returned), self._positions
            try:
                positions[number] = weakref.ref(returned, lambda _: positions.pop(number, None)), position
            except TypeError:  # it can't be told whether it lives
                return

    def of(self, data: Any) -> Position | None:
        """Where the step stands that gave this very object; None if none did."""
        if isinstance(data, dict):
            return next(filter(None, map(self.of, data.values())), None)
        found = self._positions.get(id(data))
        return found[1] if found is not None and found[0]() is data else None
