"""Place: the run that is current, and where work stands in it, to be taken into another thread or process.

A thread of a pool knows nothing of the step that handed out its work, and another process not even the run. A `Place`
does, and can be pickled: whoever enters it records inside of that step, into the same run. In another process that is
done by joining the run, once in the life of that process, which leaves it at its end.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from msgspec import Struct

from runfolio.policy import OnWriteError
from runfolio.recorder import Outer, Position

if TYPE_CHECKING:
    from runfolio.status import Status

P = ParamSpec("P")
R = TypeVar("R")

_current: ContextVar[Status | None] = ContextVar("runfolio_current", default=None)
_runs: weakref.WeakValueDictionary[str, Status] = weakref.WeakValueDictionary()
"""The runs that places were taken in, by this process or by its parent before the fork."""

_joined: dict[str, Status] = {}
"""The runs of other processes that this one takes part in until its end."""

_leaving: set[tuple[str, int]] = set()


def current() -> Status | None:
    """The run of the innermost `with` block of a Status here; None outside of any, and where that has ended."""
    found = _current.get()
    return None if found is None or found._recorder.writer.is_over else found


def enter(status: Status) -> Token[Status | None]:
    """Make a run the current one, until `leave`."""
    return _current.set(status)


def leave(token: Token[Status | None] | None) -> None:
    """Make that run the current one which was so before."""
    if token is not None:
        with suppress(ValueError):  # the block was left in another context, where the run is not current
            _current.reset(token)


class Place(Struct, frozen=True, kw_only=True):
    """Where work stands in a run: behind which step, and inside of what. `Status.place` takes it.

    It can be pickled, and be entered by any thread of any process on a machine that has the run's folder, as often as
    need be, as long as the run goes on.
    """

    folder: str
    token: str
    position: Position
    outer: Outer | None
    on_write_error: OnWriteError

    @contextmanager
    def enter(self) -> Iterator[Status]:
        """Stand there: the run is the current one in this block, and what is recorded belongs to what ran there.

        Raises RunEndedError if the run has ended; in another process NotFoundError if it is not there, and UsageError
        if no one writes it.
        """
        status = self._status()
        status._recorder.writer.check_open()
        token = enter(status)
        try:
            with status._recorder.placed(self.position, self.outer):
                yield status
        finally:
            leave(token)

    def carry(self, function: Callable[P, R]) -> Carried[P, R]:
        """A function that is run at this place, whoever calls it."""
        return Carried(self, function)

    def _status(self) -> Status:
        found = _joined.get(self.token) or _runs.get(self.token)
        if found is None:
            from runfolio.status import Status  # noqa: PLC0415  (which has places)

            found = _joined[self.token] = Status.join(self.folder, on_write_error=self.on_write_error)
        if found._recorder.writer.guest and (self.token, os.getpid()) not in _leaving:
            _leave_at_exit(found)
            _leaving.add((self.token, os.getpid()))
        return found


class Carried(Generic[P, R]):
    """A function with the place where it is to be run; pickled as both."""

    def __init__(self, place: Place, function: Callable[P, R]) -> None:
        self.place, self.function = place, function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """What the function returns, with what it records at its place."""
        with self.place.enter():
            return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<{self.function!r} carried from {os.path.basename(self.place.folder)}>"  # noqa: PTH119


def register(token: str, status: Status) -> None:
    """Have places of that token lead to this run, in this process and those that it forks."""
    _runs[token] = status


def _leave_at_exit(status: Status) -> None:
    """Leave the run when this process ends: a worker of a pool ends by `os._exit`, which `atexit` knows nothing of."""
    from multiprocessing.util import Finalize  # noqa: PLC0415  (only who takes part in another's run needs it)

    def leave_run(_: Any = None) -> None:
        if status.folder is not None and status.folder.is_dir():  # a run that was removed has nobody to tell
            status.close()

    Finalize(None, leave_run, exitpriority=0)
