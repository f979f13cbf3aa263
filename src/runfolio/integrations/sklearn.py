"""scikit-learn: a Pipeline recorded step by step.

The estimators themselves are left alone. While a pipeline is tracked, the methods that are recorded are watched on
their classes, which lets all other objects through; so estimators can be cloned, pickled and configured as always.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from runfolio import calls
from runfolio.errors import UsageError
from runfolio.place import current
from runfolio.recorder import Position
from runfolio.status import Status
from runfolio.tables import kind_of

__all__ = ["track"]

METHODS = (
    *("fit", "fit_transform", "fit_predict", "partial_fit", "transform", "inverse_transform"),
    *("predict", "predict_proba", "predict_log_proba", "decision_function", "score_samples", "score"),
)
"""The methods that are recorded."""


@contextmanager
def track(pipeline: Any, status: Status | None = None) -> Iterator[Status]:
    """Record what a scikit-learn Pipeline does in this block: each call of each of its steps is a step of the run.

    The step's name is the module, the method its experiment: `scale[fit_transform]_model[fit]`. Each call of the
    pipeline begins at the place where the block began; when it comes again, experiments are numbered (`predict_2`). A
    method that a step's own method calls is a timing nested in it, as is everything in a step that runs already.

    Inputs and results are tables as they are; arrays are stored as frames, with the rows' labels of what they were made
    of and the columns of `get_feature_names_out` (of predictions: the classes, or the method). What can't be stored,
    such as a sparse matrix, is told by a message. Targets and fitted estimators are not stored.

    The run is `status`, else the current one, else one of its own, which ends with the block. What the pipeline gives
    and raises is as without it. Clones are others, and not recorded: those of a grid search, and the transformers
    that a pipeline with `memory` fits. Raises UsageError for what is no Pipeline, or is tracked already.

    >>> import pandas as pd
    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> data, target = pd.DataFrame({"age": [31.0, 40.0, 52.0]}), [1.0, 2.0, 3.0]
    >>> pipeline = make_pipeline(StandardScaler(), LinearRegression())
    >>> with Status(root=root) as status, track(pipeline):
    ...     predicted = pipeline.fit(data, target).predict(data)
    >>> for path in status.get_timing()[["module_name", "experiment_name"]].itertuples(index=False):
    ...     print(*path)
    standardscaler fit_transform
    linearregression fit
    standardscaler transform
    linearregression predict
    >>> status.results["standardscaler[fit_transform]"]["data"]["age"].round(2).to_list()
    [-1.16, -0.12, 1.28]
    """
    _check(pipeline)
    with ExitStack() as stack:
        found = status or current()
        if found is None:
            found = stack.enter_context(Status(name=type(pipeline).__name__))
        found.start()
        tracker = _Tracker(pipeline, found)
        stack.enter_context(_watched(tracker))
        yield found


def _check(pipeline: Any) -> None:
    try:
        from sklearn.pipeline import Pipeline  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise UsageError("scikit-learn is not installed", remedy="pip install 'runfolio[sklearn]'") from error
    if not isinstance(pipeline, Pipeline):
        kind = type(pipeline).__name__
        raise UsageError(f"track is for a Pipeline, and this is a {kind}", remedy="make_pipeline(...) makes one of it")


class _Thread(threading.local):
    """What one thread does with a pipeline: the calls that run, and what the last one gave, with its frame."""

    def __init__(self) -> None:
        self.running: list[tuple[int, str]] = []
        self.gave: tuple[Any, Any] | None = None


class _Tracker:
    """One pipeline that is tracked."""

    def __init__(self, pipeline: Any, status: Status) -> None:
        self.pipeline = pipeline
        self._recorder = status._recorder
        self._base: Position = status._recorder.position
        self._thread = _Thread()

    @property
    def estimators(self) -> list[Any]:
        """The pipeline and its steps."""
        return [self.pipeline, *(one for _, one in self.pipeline.steps if one is not None and not isinstance(one, str))]

    def name_of(self, estimator: Any) -> str | None:
        """The name of a step; that of the pipeline is empty, and there is None of what is no part of it."""
        if estimator is self.pipeline:
            return ""
        return next((name for name, one in self.pipeline.steps if one is estimator), None)

    def call(self, estimator: Any, name: str, method: str, bound: Callable[..., Any]) -> Callable[..., Any]:
        """The method, recorded."""

        @functools.wraps(bound)
        def recorded(*args: Any, **kwargs: Any) -> Any:
            running, call = self._thread.running, (id(estimator), method)
            if self._recorder.writer.is_over or call in running:  # its class calls that of its base
                return bound(*args, **kwargs)
            running.append(call)
            try:
                if not name:
                    return self._pipeline(lambda: bound(*args, **kwargs))
                return self._step(estimator, name, method, lambda: bound(*args, **kwargs), (*args, *kwargs.values()))
            finally:
                running.pop()

        return recorded

    def _pipeline(self, bound: Callable[[], Any]) -> Any:
        """A call of the pipeline itself, whose steps begin a path."""
        if len(self._thread.running) == 1:
            self._recorder.move_to(self._base)
        try:
            return bound()
        finally:
            self._thread.gave = None

    def _step(
        self, estimator: Any, name: str, method: str, bound: Callable[[], Any], arguments: tuple[Any, ...]
    ) -> Any:
        recorder = self._recorder
        if recorder.innermost is not None:
            return calls.timed(recorder, (name, method, method), bound)
        data = self._input(arguments[0] if arguments else None)

        def kept(returned: Any) -> Any:
            found = _stored(estimator, method, returned, data)
            self._thread.gave = (returned, found) if self._in_pipeline else None
            return found

        after = recorder.position
        with recorder.named(after, name, method) as experiment:
            step = calls.begun(recorder, (name, experiment, method), data, after)
            return calls.run(step, bound, kept)

    @property
    def _in_pipeline(self) -> bool:
        return bool(self._thread.running) and self._thread.running[0][0] == id(self.pipeline)

    def _input(self, data: Any) -> Any:
        """What a step works on, as a table; the frame of what the one before it gave."""
        if self._thread.gave is not None and self._thread.gave[0] is data:
            data = self._thread.gave[1]
        elif _is_array(data):
            data = _frame(data, _numbered("x", data), None)
        return data if kind_of(data) is not None else None


def _stored(estimator: Any, method: str, returned: Any, data: Any) -> Any:
    """What is stored of what a method returned."""
    if returned is estimator:
        return None
    if _is_array(returned):
        return _frame(returned, _columns(estimator, method, returned, data), data)
    if type(returned).__module__ == "numpy" and hasattr(returned, "item") and not getattr(returned, "shape", (1,)):
        return returned.item()
    return returned


def _is_array(data: Any) -> bool:
    """Whether data is an array of NumPy of one or two dimensions, which a frame can hold."""
    return type(data).__module__ == "numpy" and getattr(data, "ndim", 0) in (1, 2)


def _frame(array: Any, columns: list[str], data: Any) -> Any:
    import pandas as pd  # noqa: PLC0415  (as all that needs it)

    index = getattr(data, "index", None)
    fits = isinstance(index, pd.Index) and len(index) == len(array)
    return pd.DataFrame(array, index=index if fits else None, columns=columns, copy=False)


def _columns(estimator: Any, method: str, array: Any, data: Any) -> list[str]:
    """The names of what a method gives: of features as the estimator tells, of predictions by class or method."""
    width = array.shape[1] if array.ndim > 1 else 1
    given = [str(name) for name in getattr(data, "columns", ())]
    if method in ("transform", "fit_transform"):
        names = _features(estimator, given or None)
        if len(names) == width:
            return names
        return given if len(given) == width else _numbered("x", array)
    names = [str(name) for name in getattr(estimator, "classes_", ())]
    if array.ndim > 1 and len(names) == width and len(set(names)) == width:
        return names
    return [method] if array.ndim == 1 else _numbered(method, array)


def _features(estimator: Any, given: list[str] | None) -> list[str]:
    try:
        return [str(name) for name in estimator.get_feature_names_out(given)]
    except Exception:  # noqa: BLE001  (an estimator that has no names for its features, for any reason of its own)
        return []


def _numbered(name: str, array: Any) -> list[str]:
    return [f"{name}{number}" for number in range(array.shape[1] if array.ndim > 1 else 1)]


# What is watched on classes

_lock = threading.RLock()
_trackers: list[_Tracker] = []
_watched_classes: Counter[type] = Counter()


class _Watched:
    """A method on a class: that of tracked estimators is recorded, that of all others goes through."""

    def __init__(self, name: str, original: Any, own: Any) -> None:
        self._name, self.original, self.own = name, original, own

    def __get__(self, estimator: Any, owner: type | None = None) -> Any:
        bound = self.original.__get__(estimator, owner)
        if estimator is None:
            return bound
        for tracker in list(_trackers):
            name = tracker.name_of(estimator)
            if name is not None:
                return tracker.call(estimator, name, self._name, bound)
        return bound

    def __reduce__(self) -> tuple[Any, ...]:
        return _itself, (self.original,)  # where a class is pickled as a whole, it is so without this


def _itself(original: Any) -> Any:
    return original


@contextmanager
def _watched(tracker: _Tracker) -> Iterator[None]:
    classes = {type(one) for one in tracker.estimators}
    with _lock:
        if any(one.pipeline is tracker.pipeline for one in _trackers):
            raise UsageError("this pipeline is tracked already", remedy="track it once at a time")
        for one in classes:
            _watch(one)
        _trackers.append(tracker)
    try:
        yield
    finally:
        with _lock:
            _trackers.remove(tracker)
            for one in classes:
                _let_go(one)


def _watch(kind: type) -> None:
    _watched_classes[kind] += 1
    if _watched_classes[kind] > 1:
        return
    for name in METHODS:
        original = inspect.getattr_static(kind, name, None)
        if hasattr(original, "__get__"):
            setattr(kind, name, _Watched(name, original, kind.__dict__.get(name)))


def _let_go(kind: type) -> None:
    _watched_classes[kind] -= 1
    if _watched_classes[kind]:
        return
    del _watched_classes[kind]
    for name in METHODS:
        found = kind.__dict__.get(name)
        if isinstance(found, _Watched):
            if found.own is None:
                delattr(kind, name)
            else:
                setattr(kind, name, found.own)
