"""follow: the records of a run, those that are there and then those that come, until it ends.

Events of the file system wake the reader, and cost nothing where nothing happens; what they miss is found about once a
second. See `runfolio.alarm`.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
import warnings
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from os import PathLike
from typing import Any, Generic, Literal, Self, TypeVar, cast

from runfolio import layout
from runfolio import root as roots
from runfolio.errors import DamageWarning, InterruptedRunWarning, UsageError
from runfolio.feed import Feed, RootFeed
from runfolio.records import State, briefly
from runfolio.view import RunView

Start = Literal["beginning", "now"]
T = TypeVar("T")

_STARTS = ("beginning", "now")
_STOP_SECONDS = 0.1
"""A stop event is looked at so often."""


def follow(
    run: str | PathLike[str] | RunView,
    *,
    root: str | PathLike[str] | None = None,
    start: Start = "beginning",
    kinds: str | Iterable[str] | None = None,
    timeout: float | None = None,
    stop: threading.Event | None = None,
    poll: bool = False,
) -> Following[Any]:
    """The records of a run, each once: what is there, then what comes, until the run ends.

    `run` is named as for `load_run`, or is a Status or a loaded run. Records are those of `runfolio.records`, those of
    one writer in the order of `seq`, those of several merged by time as they come. `start="now"` passes over what is
    there. `kinds` are the kinds wanted: snapshot, change, timing, result, schema, event. The iteration ends with the
    run; when nothing came for `timeout` seconds; or when the event `stop` is set. A run whose writer is gone without
    an end ends with an InterruptedRunWarning, a damaged one with a DamageWarning. `state` tells which it was.
    `poll=True` does without events of the file system, which network file systems don't give; where none come, that
    happens by itself.

    It iterates by `for` and by `async for`; a `with` block, or `close()`, gives its threads and watches back, which
    happens by itself when it comes to its end.

    Raises NotFoundError, UsageError; and FormatError, also on the way, if the folder is removed or another run's.

    >>> from runfolio import Status, follow
    >>> with Status(name="nightly", root=root) as status:
    ...     status.log("nothing to do")["level"]
    'info'
    >>> following = follow(status, kinds="event")
    >>> [event.message for event in following if event.type == "log"], following.state
    (['nothing to do'], 'completed')
    """
    folder = run.folder if isinstance(run, RunView) else roots.find(run, root)
    if folder is None:
        raise UsageError("this run has no folder yet", remedy="start() it first")
    wanted = _wanted(start, kinds)
    feed = Feed(folder.absolute(), poll=poll)
    found: Following[Any] = Following(feed, wanted, timeout, stop)
    if start == "now":
        try:
            feed.skip()
        except BaseException:
            found.close()
            raise
    return found


def follow_root(
    root: str | PathLike[str] | None = None,
    *,
    start: Start = "beginning",
    kinds: str | Iterable[str] | None = None,
    timeout: float | None = None,
    stop: threading.Event | None = None,
    poll: bool = False,
) -> Following[tuple[str, Any]]:
    """The records of all runs under a root, runs that appear included: pairs of a run id and a record.

    `root` is by default the environment variable RUNFOLIO_RUNS, else `runs`. `start="now"` passes over what is there.
    The root need not be there yet. It ends by `timeout` or `stop` alone; all else is as with `follow`. Raises
    NotFoundError if the root is a file, UsageError.

    >>> from runfolio import Status, follow_root
    >>> with Status(name="nightly", root=root) as status:
    ...     status.log("nothing to do")["level"]
    'info'
    >>> pairs = follow_root(root, kinds="event", timeout=0)
    >>> [event.message for run_id, event in pairs if event.type == "log" and run_id == status.run_id]
    ['nothing to do']
    """
    wanted = _wanted(start, kinds)
    feed = RootFeed(layout.root_of(root).absolute(), poll=poll, skips=start == "now")
    return Following(feed, wanted, timeout, stop)


class Following(Iterator[T], AsyncIterator[T], Generic[T]):
    """What `follow` and `follow_root` give: iterate over it, once."""

    def __init__(
        self,
        feed: Feed | RootFeed,
        wanted: frozenset[str] | None,
        timeout: float | None,
        stop: threading.Event | None,
    ) -> None:
        self._feed = feed
        self._wanted = wanted
        self._timeout = timeout
        self._stop = stop
        self._ready: deque[T] = deque()
        self._mutex = threading.RLock()  # a signal's handler may close what waits
        self._pid = os.getpid()
        self._is_closed = False
        self._is_left = False

    @property
    def state(self) -> State | None:
        """The run's state by what was given so far; None for a root."""
        return self._feed.state

    @property
    def state_reason(self) -> str | None:
        """How it is known."""
        return self._feed.state_reason

    @property
    def run_id(self) -> str | None:
        """The id of the run; None for a root, and as long as nothing was read."""
        return self._feed.run_id

    def close(self) -> None:
        """End the iteration, and give threads and watches back. Safe to call twice, and from any thread."""
        self._is_closed = True
        if os.getpid() != self._pid:
            return  # in a forked child nobody may be there to give the mutex back, and all is the parent's
        self._feed.wake()
        with self._mutex:
            self._ready.clear()
            self._feed.close()

    def __next__(self) -> T:
        while not self._ready:
            if not self._fill():
                raise StopIteration
        return self._ready.popleft()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while not self._ready:
            try:
                is_there = await asyncio.to_thread(self._fill)
            except asyncio.CancelledError:
                self._is_left = True  # the thread comes to its end, and what it finds is given by the next call
                self._feed.wake()
                raise
            if not is_there:
                raise StopAsyncIteration
        return self._ready.popleft()

    def _fill(self) -> bool:
        """Wait until there is something to give; False if nothing will come. Raises UsageError in a forked child."""
        if os.getpid() != self._pid:
            raise UsageError("this is followed by the process that forked this one", remedy="follow it anew here")
        end = None if self._timeout is None else time.monotonic() + self._timeout
        with self._mutex:
            try:
                return self._filled(end)
            except BaseException:
                self._feed.close()
                raise

    def _filled(self, end: float | None) -> bool:
        while not self._ready:
            if self._is_left:
                self._is_left = False
                return True
            if self._is_closed or (self._stop is not None and self._stop.is_set()):
                break
            rows = self._feed.take_kinds()
            self._ready.extend(cast(T, item) for kind, item in rows if self._wanted is None or kind in self._wanted)
            left = None if end is None else end - time.monotonic()
            if self._ready:
                return True
            if rows:  # what came may have been the end
                continue
            if self._feed.is_over or (left is not None and left <= 0 and not self._feed.has_more):
                break
            pause = _STOP_SECONDS if self._stop is not None else None
            self._feed.wait(min(filter(None, (left, pause)), default=None))
        if self._ready:
            return True
        self._feed.close()
        if not self._is_closed:
            self._is_closed = True
            self._tell_end()
        return False

    def _tell_end(self) -> None:
        """Warn of what is not as it was written, and of a run that came to no end."""
        found = self._feed.damage
        if found:
            warnings.warn(f"{self._feed.folder} is damaged: {briefly(found)}", DamageWarning, stacklevel=5)
        if self._feed.is_over and self.state == "interrupted":
            warnings.warn(f"{self.run_id} is interrupted: {self.state_reason}", InterruptedRunWarning, stacklevel=5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if not self._is_closed:
            self.close()


def _wanted(start: str, kinds: str | Iterable[str] | None) -> frozenset[str] | None:
    """The kinds that are wanted; None for all. Raises UsageError."""
    if start not in _STARTS:
        raise UsageError(f"start is {start!r}", remedy="it is 'beginning' or 'now'", key="start")
    wanted = None if kinds is None else frozenset([kinds] if isinstance(kinds, str) else kinds)
    unknown = (wanted or frozenset()).difference(layout.STEMS)
    if unknown:
        known = ", ".join(layout.STEMS)
        raise UsageError(f"no kind {min(map(str, unknown))!r}", remedy=f"a kind is one of {known}", key="kinds")
    return wanted
