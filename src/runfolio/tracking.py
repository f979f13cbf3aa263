"""The decorator `tracked`: a plain function whose calls are recorded wherever a run is current."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from itertools import chain
from typing import Any, ParamSpec, TypeVar, overload

from runfolio import calls
from runfolio.arguments import optional_text
from runfolio.place import current
from runfolio.recorder import Position, Recorder
from runfolio.step import Step

P = ParamSpec("P")
R = TypeVar("R")

_origins: weakref.WeakKeyDictionary[Recorder, calls.Origins] = weakref.WeakKeyDictionary()


@overload
def tracked(function: Callable[P, R], /) -> Callable[P, R]: ...


@overload
def tracked(
    *, module: str | None = None, experiment: str | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def tracked(function: Any = None, /, *, module: str | None = None, experiment: str | None = None) -> Any:
    """Record each call of a function as a step of the run that is current; without one it is a plain call.

    The current run is that of the `with` block of a Status which the call is made in. The first table among the
    arguments is the step's input, what the function returns its result: a table, a dict or tuple of them, or a report.
    `module` and `experiment` are by default the function's name; where that makes a key that is taken, the experiment
    is numbered: `clean`, `clean_2`.

    A step follows the one that gave its input, that very object; where no call did, the last step of this thread; and
    a function that takes no table begins a new path. Inside a step that runs, also that of another tracked function, a
    call is a timing nested in it, whose result is not stored.

    The caller gets what the function returns, or raises. A result that can't be stored is told by a message of the
    step, with a WriteWarning where it holds a table. Raises UsageError for what is no plain function: a class, a
    generator function, an async one. Calls raise WriteError where the run can't be written, as all that is recorded.

    >>> import pandas as pd
    >>> from runfolio import Status, tracked
    >>> @tracked
    ... def load() -> pd.DataFrame:
    ...     return pd.DataFrame({"age": [31, None]})
    >>> @tracked(module="Clean")
    ... def drop_na(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    ...     return frame.dropna(subset=[column])
    >>> with Status(root=root) as status:
    ...     people = load().pipe(drop_na, "age")
    >>> list(status.get_result()), len(people), len(drop_na(people, "age"))
    (['load[load]_Clean[drop_na]'], 1, 1)
    """
    optional_text(module, "module")
    optional_text(experiment, "experiment")
    if function is None:
        return functools.partial(_decorate, module=module, experiment=experiment)
    return _decorate(function, module=module, experiment=experiment)


def _decorate(function: Callable[P, R], *, module: str | None, experiment: str | None) -> Callable[P, R]:
    name = calls.plain(function, "tracked")
    names = (name if module is None else module, name if experiment is None else experiment)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        status = current()
        if status is None:
            return function(*args, **kwargs)
        recorder = status._recorder
        bound = functools.partial(function, *args, **kwargs)
        if recorder.innermost is not None:
            return calls.timed(recorder, (*names, names[1]), bound)
        return _step(recorder, names, calls.first_table(chain(args, kwargs.values())), bound)

    return call


def _step(recorder: Recorder, names: tuple[str, str], data: Any, bound: Callable[[], R]) -> R:
    origins = _origins.setdefault(recorder, calls.Origins())
    after = Position() if data is None else origins.of(data) or recorder.position
    with recorder.named(after, *names) as experiment:
        step = calls.begun(recorder, (names[0], experiment, "run"), data, after)
        returned = calls.run(step, bound)
    origins.put(returned, _position_of(step))
    return returned


def _position_of(step: Step) -> Position:
    return step._position_in(step._recorder)
