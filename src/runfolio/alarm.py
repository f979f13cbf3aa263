"""What wakes a reader of folders: events of the file system, polling of what is hot, and a round about once a second.

Events are hints only. They may be lost (the queue overflows, a watch is on a folder that was replaced), may never come
(network file systems), or can't be had (the limit of watches is reached): then the round finds what is new, and a
folder of which no event tells is polled from then on. While records come fast, the watch is dropped and the folder is
polled, for each event costs more than a look. Facts and figures: watchdog issues 409, 427, 504, 654, 793.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from watchdog.events import FileSystemEvent
    from watchdog.observers.api import BaseObserver

ROUND_SECONDS = 1.0
"""After so long each folder is looked at, whatever was heard of it."""

HOT_SECONDS = 0.005
"""The pause between two looks at a folder in which records come fast."""

POLL_SECONDS = 0.05
"""The pause between two looks at a folder of which no events come, while something did a moment ago."""

LAZY_SECONDS = 0.5
"""The same for one in which nothing came for long."""

_SHARE = 0.1
"""By how much of the time since something came the pause grows."""

COOL_SECONDS = 0.25
"""A hot folder without anything new for so long is watched again."""

_HOT_LOOKS = 20
_HOT_WITHIN = 0.1
"""A folder is hot when this many looks within this many seconds found something: 200 a second."""

_MISSES = 2
"""So many rounds in turn that found what no event had told of show that no events come."""


class Alarm:
    """Wakes whoever waits for changes in some folders. Safe to `ring` from any thread; the rest is its owner's."""

    def __init__(self, *, poll: bool = False) -> None:
        self._polls = poll
        self._mutex = threading.Lock()
        self._bell = threading.Event()
        self._rung: set[Path] = set()
        self._folders: dict[Path, _Watched] = {}
        self._observer: BaseObserver | None = None
        self._round = time.monotonic() + ROUND_SECONDS
        self._pid = os.getpid()

    def add(self, folder: Path) -> None:
        """Watch a folder as well; it is due at once."""
        self._leave_to_parent()
        self._folders[folder] = watched = _Watched(folder)
        self._watch(watched)
        self.ring(folder)

    def remove(self, folder: Path) -> None:
        """Watch it no more."""
        self._leave_to_parent()
        watched = self._folders.pop(folder, None)
        if watched is not None:
            self._unwatch(watched)

    def ring(self, folder: Path | None = None) -> None:
        """End a wait; a folder that is named is due."""
        with self._mutex:
            if folder is not None:
                self._rung.add(folder)
            self._bell.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until a folder is due, somebody rings, or the seconds are over; tells whether a round is due."""
        self._leave_to_parent()
        now = time.monotonic()
        end = self._round if seconds is None else min(self._round, now + seconds)
        self._bell.wait(max(min(end, now + self._pause()) - now, 0.0))
        self._bell.clear()  # here alone: who rings while nobody waits ends the next wait
        if time.monotonic() < self._round:
            return False
        self._round = time.monotonic() + ROUND_SECONDS
        for watched in self._folders.values():
            watched.is_by_round = True
            self._check(watched)
        return True

    def due(self) -> set[Path]:
        """The folders of which events told since the last call, and those that are polled."""
        with self._mutex:
            rung, self._rung = self._rung, set()
        for folder in rung & self._folders.keys():
            self._folders[folder].is_rung = True
        now = time.monotonic()
        return rung | {name for name, one in self._folders.items() if one.is_polled and now >= one.next_look}

    def found(self, folder: Path, *, anything: bool) -> None:
        """Be told whether a look at a folder found anything new: how it is watched goes by that."""
        watched = self._folders.get(folder)
        if watched is None:
            return
        now = time.monotonic()
        with self._mutex:
            was_rung = watched.is_rung or folder in self._rung
        was_by_round = watched.is_by_round
        watched.is_rung = watched.is_by_round = False
        if anything:
            watched.last = now
            watched.looks.append(now)
            if was_rung or watched.is_polled:
                watched.misses = 0
            elif was_by_round:  # any other look may just have come before its event
                watched.misses += 1
            if watched.misses >= _MISSES:
                watched.is_deaf = True
                self._unwatch(watched)
            elif watched.watch is not None and watched.is_hot:
                self._unwatch(watched)
        elif watched.is_polled and watched.looks and now - watched.last > COOL_SECONDS:
            watched.looks.clear()
            self._watch(watched)
            if not watched.is_polled:
                self.ring(folder)  # for what came before the watch was there
        watched.next_look = now + watched.pause(now)

    def close(self) -> None:
        """Stop all threads, and give watches back. Safe to call twice; a forked child leaves its parent's alone."""
        self._leave_to_parent()
        observer, self._observer = self._observer, None
        self._folders.clear()
        if observer is not None:
            observer.stop()
            observer.join()

    def _leave_to_parent(self) -> None:
        """In a forked child, which has none of the threads: poll. To give up a watch would take it from the parent."""
        if os.getpid() != self._pid:
            self._pid, self._observer, self._polls = os.getpid(), None, True
            for watched in self._folders.values():
                watched.watch = None

    def _pause(self) -> float:
        """How long to wait at most for what is polled."""
        polled = [watched.next_look for watched in self._folders.values() if watched.is_polled]
        return max(min(polled, default=self._round) - time.monotonic(), 0.0)

    def _watch(self, watched: _Watched) -> None:
        """Watch a folder, or poll it where it can't be watched."""
        if self._polls or watched.is_deaf:
            return
        try:
            watched.place = _place(watched.folder)
            path = os.path.realpath(watched.folder)  # a watch of a link would tell nothing of what is behind it
            watched.watch = self._started().schedule(_handler(self, watched.folder), path, event_filter=_events())
        except OSError:  # the limit of watches or of descriptors, or the folder is gone
            watched.watch = None

    def _unwatch(self, watched: _Watched) -> None:
        watch, watched.watch = watched.watch, None
        if watch is not None and self._observer is not None:
            with suppress(KeyError, OSError):
                self._observer.unschedule(watch)

    def _check(self, watched: _Watched) -> None:
        """Watch a folder anew that took the place of the one that was watched, or that could not be before."""
        if watched.watch is not None:
            with suppress(OSError):
                if _place(watched.folder) == watched.place:
                    return
            self._unwatch(watched)
        elif watched.is_hot or watched.is_deaf:
            return
        self._watch(watched)

    def _started(self) -> BaseObserver:
        if self._observer is None:
            from watchdog.observers import Observer  # noqa: PLC0415  (an import of 86 ms, for those who wait)

            observer = Observer()
            observer.start()
            self._observer = observer
        return self._observer


class _Watched:
    """A folder, and how it is watched."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.watch: Any = None
        self.place: tuple[int, int] | None = None
        self.last = time.monotonic()
        self.next_look = 0.0
        self.looks: deque[float] = deque(maxlen=_HOT_LOOKS)
        self.misses = 0
        self.is_rung = False
        self.is_by_round = False
        self.is_deaf = False

    @property
    def is_polled(self) -> bool:
        """Whether it is looked at again and again, for it has no watch."""
        return self.watch is None

    def pause(self, now: float) -> float:
        """The seconds from one look to the next where it is polled."""
        quiet = now - self.last
        return HOT_SECONDS if quiet <= COOL_SECONDS else min(max(POLL_SECONDS, quiet * _SHARE), LAZY_SECONDS)

    @property
    def is_hot(self) -> bool:
        """Whether records come fast."""
        return len(self.looks) == _HOT_LOOKS and self.looks[-1] - self.looks[0] < _HOT_WITHIN


def _place(folder: Path) -> tuple[int, int]:
    found = folder.stat()
    return found.st_dev, found.st_ino


def _events() -> list[type[FileSystemEvent]]:
    """What a watch tells of. Opening and closing are left out: to look at a file does both."""
    from watchdog import events  # noqa: PLC0415

    files = [events.FileModifiedEvent, events.FileCreatedEvent, events.FileDeletedEvent, events.FileMovedEvent]
    return [*files, events.DirCreatedEvent, events.DirDeletedEvent, events.DirMovedEvent]


def _handler(alarm: Alarm, folder: Path) -> Any:
    """A handler that only rings: an exception in one would end the thread that calls it."""
    from watchdog.events import FileSystemEventHandler  # noqa: PLC0415

    class Handler(FileSystemEventHandler):
        def on_any_event(self, event: Any) -> None:
            alarm.ring(folder)

    return Handler()
