"""A feed: what comes into a run, or into all runs under a root, each record once; and whether there is more to come.

A feed reads only what is new, keeps nothing of it but what tells the state, and waits without being busy.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Self

from runfolio import manifest
from runfolio import root as roots
from runfolio.alarm import Alarm
from runfolio.errors import FormatError, RunfolioError
from runfolio.history import History
from runfolio.lock import Life
from runfolio.run import life_of, lives_of
from runfolio.view import RunView

if TYPE_CHECKING:
    from pathlib import Path

    from runfolio.records import State

LEAVING_SECONDS = 3.0
"""So long after its end a run is waited for whose writers have not left yet: guests notice an end within a second."""

_LEAVING_PAUSE = 0.05

_ENDED = ("completed", "failed")
_BEGINNING = datetime.min.replace(tzinfo=UTC)


class Feed:
    """What comes into a run. `take` gives what is new, `wait` waits for more, until it `is_over`.

    It belongs to one thread; `wake` may be called from any. Raises FormatError where the folder is gone, is none, or
    another run's took its place.
    """

    def __init__(self, folder: Path, *, poll: bool = False, alarm: Alarm | None = None) -> None:
        self.folder = folder
        self.is_over = False
        self._history = History(folder)
        self._view = _State(self._history)
        self._latest: dict[str, datetime] = {}
        self._restarts = 0
        self._next_look = 0.0
        self._leaving: float | None = None
        self._owns = alarm is None
        self._alarm = Alarm(poll=poll) if alarm is None else alarm
        if self._owns:
            self._alarm.add(folder)

    def take(self) -> list[Any]:
        """The records that came since the last call: those of one writer in order, those of several merged by time."""
        return [record for _, record in self.take_kinds()]

    def take_kinds(self) -> list[tuple[str, Any]]:
        """The same, each with its kind."""
        if self.is_over:
            return []
        looks = self._view.lives is None or time.monotonic() >= self._next_look or self._leaving is not None
        if looks:
            self._look()
        rows = self._read(looks=looks)
        if not rows and not self._history.has_more:
            rows = self._ending()
        self._alarm.found(self.folder, anything=bool(rows))
        return rows

    def wait(self, seconds: float | None = None) -> None:
        """Wait until there may be more, `wake` is called, or the seconds are over."""
        if self.is_over or self.has_more:
            return
        if self.is_leaving:
            seconds = min(_LEAVING_PAUSE, LEAVING_SECONDS if seconds is None else seconds)
        self._alarm.wait(seconds)
        self._alarm.due()

    @property
    def is_leaving(self) -> bool:
        """Whether the run has ended, and its writers are about to leave."""
        return self._leaving is not None

    def wake(self) -> None:
        """End a wait."""
        self._alarm.ring()

    def close(self) -> None:
        """Give threads and watches back. Safe to call twice."""
        self.is_over = True
        if self._owns:
            self._alarm.close()
        else:
            self._alarm.remove(self.folder)

    @property
    def state(self) -> State:
        """The state by what was taken so far."""
        return self._view.state

    @property
    def state_reason(self) -> str:
        """How it is known."""
        return self._view.state_reason

    @property
    def run_id(self) -> str | None:
        """The run's id; None as long as its first line was not taken."""
        return self._view.run_id

    def _look(self) -> None:
        """Look who lives. What is read behind is then all that those who are gone have written."""
        self._view.lives = lives_of(self.folder)
        self._next_look = time.monotonic() + 1.0

    def _read(self, *, looks: bool) -> list[tuple[str, Any]]:
        rows = self._merged(self._history.take(looks=looks))
        if self._history.restarts != self._restarts:
            self._restarts = self._history.restarts
            self._check_place()
        return rows

    def _ending(self) -> list[tuple[str, Any]]:
        """What came since, if nobody writes any more, which is then all there is."""
        if self.state == "in_progress":
            return []
        self._look()
        rows = self._read(looks=True)
        if rows or self._history.has_more:
            return rows
        now = time.monotonic()
        alive = any(life.alive for life in (self._view.lives or {}).values())
        if self.state in _ENDED and alive:
            self._leaving = self._leaving or now + LEAVING_SECONDS
            self.is_over = now >= self._leaving
        else:
            self.is_over = self.state in (*_ENDED, "interrupted") or not alive
        return []

    @property
    def has_more(self) -> bool:
        """Whether the last `take` left something that is there: it takes a block of each journal."""
        return self._history.has_more

    def skip(self) -> None:
        """Pass over what is there."""
        while self.take_kinds() or self.has_more:
            pass

    def _merged(self, taken: list[tuple[str, str, Any]]) -> list[tuple[str, Any]]:
        """Records of several writers by time; a writer's own order stays, whatever its clock does."""
        timed: list[tuple[datetime, str, str, Any]] = []
        for writer, kind, record in taken:
            latest = self._latest.get(writer) or self._left_by(writer)
            self._latest[writer] = latest = max(latest, getattr(record, "timestamp", latest))
            timed.append((latest, writer, kind, record))
        if len(self._latest) > 1:
            timed.sort(key=itemgetter(0))
        return [(kind, record) for _, _, kind, record in timed]

    def _left_by(self, writer: str) -> datetime:
        """The latest time of the writer that this one goes on for."""
        chain = self._history.marks.chain(writer) if writer in self._history.marks.streams else ()
        return max((self._latest[name] for name in chain if name in self._latest), default=_BEGINNING)

    def _check_place(self) -> None:
        """Raise FormatError if a journal was replaced by one of another run."""
        try:
            found = manifest.read(self.folder).run_id
        except RunfolioError:
            return
        if self.run_id not in (None, found):
            raise FormatError(
                f"the run {found} is now in the place of {self.run_id}",
                remedy="follow that one, by its own name",
                file=str(self.folder),
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class RootFeed:
    """What comes into the runs under a root, those that appear included. It is never over.

    Runs that are there and have ended are passed over if only what comes is wanted, by `skips`. A run that is removed
    comes to its end, and so does one that can't be read.
    """

    def __init__(self, root: Path, *, poll: bool = False, skips: bool = False) -> None:
        self.root = root
        self.feeds: dict[str, Feed] = {}
        self._alarm = Alarm(poll=poll)
        self._known: set[str] = set()
        self._new: list[str] = []
        self._is_round = True
        self._find()
        self._alarm.add(root)
        if skips:
            self._skip()

    def take(self) -> list[tuple[str, Any]]:
        """The records that came since the last call, each with the id of its run."""
        return [(name, record) for name, _, record in self.take_kinds()]

    def take_kinds(self) -> list[tuple[str, str, Any]]:
        """The same, each with its kind as well."""
        due, is_round = self._alarm.due(), self._is_round
        self._is_round = False
        if is_round or self.root in due:
            self._find()
            self._alarm.found(self.root, anything=bool(self._new))
        rows = self._begin(self._new.pop(0)) if self._new else []
        for name, feed in list(self.feeds.items()):
            if is_round or feed.folder in due or feed.has_more or feed.is_leaving:
                rows += self._taken(name, feed)
        return rows

    @property
    def has_more(self) -> bool:
        """Whether the last `take` left something that is there."""
        return bool(self._new) or any(feed.has_more for feed in self.feeds.values())

    def wait(self, seconds: float | None = None) -> None:
        """Wait until there may be more, `wake` is called, or the seconds are over."""
        if self.has_more:
            return
        if any(feed.is_leaving for feed in self.feeds.values()):
            seconds = min(_LEAVING_PAUSE, LEAVING_SECONDS if seconds is None else seconds)
        self._is_round |= self._alarm.wait(seconds)

    def wake(self) -> None:
        """End a wait."""
        self._alarm.ring()

    def close(self) -> None:
        """Give threads and watches back. Safe to call twice."""
        self._alarm.close()
        self.feeds.clear()
        self._new.clear()

    def _find(self) -> None:
        """Look for runs that are new, the oldest first."""
        found = [name for name in reversed(roots.folders(self.root)) if name not in self._known]
        self._known.update(found)
        self._new += found

    def _begin(self, name: str) -> list[tuple[str, str, Any]]:
        """Follow a run from now on; it is watched once that is worth it."""
        feed = self.feeds[name] = Feed(self.root / name, alarm=self._alarm)
        rows = self._taken(name, feed)
        while name in self.feeds and feed.has_more:
            rows += self._taken(name, feed)
        if name in self.feeds:
            self._alarm.add(feed.folder)
        return rows

    def _taken(self, name: str, feed: Feed) -> list[tuple[str, str, Any]]:
        try:
            rows = feed.take_kinds()
        except FormatError:  # it was removed, or is none
            feed.is_over = True
            rows = []
        if feed.is_over:
            feed.close()
            del self.feeds[name]
        return [(feed.run_id or name, kind, record) for kind, record in rows]

    def _skip(self) -> None:
        for name in self._new:
            self._begin(name)
        self._new.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _State(RunView):
    """The state of a run, by the few records that tell it."""

    _history: History

    def __init__(self, history: History) -> None:
        super().__init__(history, history.marks)
        self.lives: dict[str, Life] | None = None

    def _life(self) -> Life:
        if self.lives is None:
            return Life(True, "it was not asked yet")
        return life_of(self._history.marks, self._state_event(), self.lives)
