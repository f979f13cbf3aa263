"""A feed: what comes into a run, or into all runs under a root, each record once; and whether there is more to come.

A feed reads only what is new, keeps nothing of it but what tells the state, and waits without being busy.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Self

from runfolio import manifest
from runfolio.alarm import Alarm
from runfolio.arrivals import Arrivals
from runfolio.errors import FormatError, RunfolioError
from runfolio.files import TRANSIENT, journals
from runfolio.history import History
from runfolio.lock import Life
from runfolio.run import life_of, lives_of, torn
from runfolio.view import RunView

if TYPE_CHECKING:
    from pathlib import Path

    from runfolio.records import Failure, Finding, State

LEAVING_SECONDS = 3.0
"""So long after its end a run is waited for whose writers have not left yet: guests notice an end within a second."""

AWAY_SECONDS = 2.0
"""So long a folder may be away, or without a lock: one is moved away and back, or replaced by a copy."""

_LEAVING_PAUSE = 0.05

_ENDED = ("completed", "failed")
_BEGINNING = datetime.min.replace(tzinfo=UTC)


class Feed:
    """What comes into a run. `take` gives what is new, `wait` waits for more, until it `is_over`.

    It belongs to one thread; `wake` may be called from any. Raises FormatError where the folder is no run, stays away,
    or another run's took its place. It is watched when it is first waited for: an ended run never is.
    """

    def __init__(self, folder: Path, *, poll: bool = False, alarm: Alarm | None = None) -> None:
        self.folder = folder
        self.is_over = False
        self._history = History(folder)
        self._view = _State(self._history)
        self._latest: dict[str, datetime] = {}
        self._odd = 0
        self._torn: list[Finding] = []
        self._next_look = 0.0
        self._leaving: float | None = None
        self._away: float | None = None
        self._owns = alarm is None
        self._alarm = Alarm(poll=poll) if alarm is None else alarm
        self._is_watched = False

    def take(self) -> list[Any]:
        """The records that came since the last call: those of one writer in order, those of several merged by time."""
        return [record for _, record in self.take_kinds()]

    def take_kinds(self) -> list[tuple[str, Any]]:
        """The same, each with its kind."""
        return [(kind, record) for _, kind, record in self.take_rows()]

    def take_rows(self) -> list[tuple[str, str, Any]]:
        """The same, each with its writer and its kind."""
        if self.is_over:
            return []
        try:
            rows = self._take()
        except FormatError as error:
            if not self._is_away(error):
                raise
            return []
        self._away = None if rows else self._away
        self._alarm.found(self.folder, anything=bool(rows))
        return rows

    def _take(self) -> list[tuple[str, str, Any]]:
        looks = self._view.lives is None or time.monotonic() >= self._next_look or self._leaving is not None
        if looks:
            self._look()
        rows = self._read(looks=looks)
        if not rows and not self._history.has_more:
            rows = self._ending()
        return rows

    def wait(self, seconds: float | None = None) -> None:
        """Wait until there may be more, `wake` is called, or the seconds are over."""
        if self.is_over or (self.has_more and self._away is None):
            return
        self.watch()
        if self.is_leaving:
            seconds = min(_LEAVING_PAUSE, LEAVING_SECONDS if seconds is None else seconds)
        self._alarm.wait(seconds)
        self._alarm.due()

    def watch(self) -> None:
        """Have the folder watched from now on. What came before is found by the next look, which is due at once."""
        if not self._is_watched:
            self._is_watched = True
            self._alarm.add(self.folder)

    @property
    def damage(self) -> list[Finding]:
        """What was not as it was written, among what was taken so far, with torn last lines once it is over."""
        return [*self._history.findings, *self._torn]

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
        elif self._is_watched:
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

    @property
    def name(self) -> str | None:
        """The name given to the run."""
        return self._view.name

    @property
    def start_time(self) -> datetime | None:
        """When the run was started."""
        return self._view.start_time

    @property
    def duration_seconds(self) -> float | None:
        """How long the run took; None before its end."""
        return self._view.duration_seconds

    @property
    def error(self) -> Failure | None:
        """Why the run failed."""
        return self._view.error

    def _look(self) -> None:
        """Look who lives. What is read behind is then all that those who are gone have written."""
        self._view.lives = lives_of(self.folder)
        self._next_look = time.monotonic() + 1.0
        self._check_place()  # a file of another run may have the number of the one that was here

    def _read(self, *, looks: bool) -> list[tuple[str, str, Any]]:
        rows = self._merged(self._history.take(looks=looks))
        odd = self._history.restarts + len(self._history.findings)
        if odd != self._odd:
            self._odd = odd
            self._check_place()
        return rows

    def _is_away(self, error: FormatError) -> bool:
        """Whether an error tells that the folder is gone that was there, or can't be opened, and not for long."""
        cause = error.__cause__
        is_transient = isinstance(cause, OSError) and cause.errno in TRANSIENT
        if not is_transient and (
            self._view.lives is None or not isinstance(cause, (FileNotFoundError, NotADirectoryError))
        ):
            return False
        self._away = self._away or time.monotonic()
        return time.monotonic() - self._away < AWAY_SECONDS

    def _ending(self) -> list[tuple[str, str, Any]]:
        """What came since, if nobody writes any more, which is then all there is."""
        if self.state == "in_progress" or self._history.holds_back:
            self._away = None
            return []
        self._look()
        rows = self._read(looks=True)
        if rows or self._history.has_more:
            return rows
        now, lives = time.monotonic(), self._view.lives or {}
        alive = any(life.alive for life in lives.values())
        if self.state in _ENDED:
            self._leaving = self._leaving or now + LEAVING_SECONDS
            self.is_over = not alive or now >= self._leaving
        elif lives or self.state == "not_started":
            self.is_over = not alive
        else:  # it has no lock, which comes again if the folder is being replaced
            self._away = self._away or now
            self.is_over = now - self._away >= AWAY_SECONDS
        if self.is_over:
            self._torn = torn(self._history, self._history.marks, lives)
        if self.is_over and self.state == "not_started" and not journals(self.folder):
            raise FormatError(
                f"{self.folder} is no run folder: it has no records",
                remedy="`runfolio ls` lists the runs",
                file=str(self.folder),
            )
        return []

    @property
    def has_more(self) -> bool:
        """Whether the last `take` left something that is there: it takes a block of each journal."""
        return self._history.has_more

    @property
    def holds_back(self) -> bool:
        """Whether the last `take` left something that waits for what is before it, which may be lost."""
        return self._history.holds_back

    def skip(self) -> None:
        """Pass over what is there."""
        while self.take_kinds() or self.has_more:
            pass

    def _merged(self, taken: list[tuple[str, str, Any]]) -> list[tuple[str, str, Any]]:
        """Records of several writers by time; a writer's own order stays, whatever its clock does."""
        timed: list[tuple[datetime, str, str, Any]] = []
        for writer, kind, record in taken:
            latest = self._latest.get(writer) or self._left_by(writer)
            self._latest[writer] = latest = max(latest, getattr(record, "timestamp", latest))
            timed.append((latest, writer, kind, record))
        if len(self._latest) > 1:
            timed.sort(key=itemgetter(0))
        return [row[1:] for row in timed]

    def _left_by(self, writer: str) -> datetime:
        """The latest time of the writer that this one goes on for."""
        chain = self._history.marks.chain(writer) if writer in self._history.marks.streams else ()
        return max((self._latest[name] for name in chain if name in self._latest), default=_BEGINNING)

    def _check_place(self) -> None:
        """Raise FormatError if a journal was replaced by one of another run."""
        try:
            found = manifest.read(self.folder).run_id
        except RunfolioError as error:
            if error.key == manifest.VERSION:
                raise
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

    state: State | None = None
    state_reason: str | None = None
    run_id: str | None = None
    is_over = False
    damage: tuple[Finding, ...] = ()

    def __init__(self, root: Path, *, poll: bool = False, skips: bool = False) -> None:
        self.folder = root
        self.feeds: dict[str, Feed] = {}
        self._alarm = Alarm(poll=poll)
        self._arrivals = Arrivals(root)
        self._new: list[str] = self._arrivals.new()
        self._again: set[str] = set()
        self._is_round = True
        self._alarm.add(root)
        if skips:
            self._skip()

    def take(self) -> list[tuple[str, Any]]:
        """The records that came since the last call, each with the id of its run."""
        return [pair for _, pair in self.take_kinds()]

    def take_kinds(self) -> list[tuple[str, tuple[str, Any]]]:
        """The same, each pair with the kind of its record."""
        due, is_round = self._alarm.due(), self._is_round
        self._is_round = False
        if is_round or self.folder in due:
            self._new += self._arrivals.new()
            self._alarm.found(self.folder, anything=bool(self._new))
        if self._new:
            name = self._new.pop(0)
            self.feeds[name] = Feed(self.folder / name, alarm=self._alarm)
            self._again.add(name)
        again, self._again = self._again, set()
        rows: list[tuple[str, tuple[str, Any]]] = []
        for name, feed in list(self.feeds.items()):
            if is_round or name in again or feed.folder in due or feed.is_leaving:
                rows += self._taken(name, feed)
        return rows

    @property
    def has_more(self) -> bool:
        """Whether the last `take` left something that is there."""
        return bool(self._new or self._again)

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
        self._again.clear()

    def _taken(self, name: str, feed: Feed) -> list[tuple[str, tuple[str, Any]]]:
        """A block of what came into a run. It is watched once all was taken, unless it is over by then."""
        try:
            rows = feed.take_kinds()
        except FormatError:  # it was removed, or is none
            feed.is_over = True
            rows = []
        if feed.is_over:
            feed.close()
            del self.feeds[name]
        elif rows or feed.has_more:
            self._again.add(name)
        else:
            feed.watch()
        return [(kind, (feed.run_id or name, record)) for kind, record in rows]

    def _skip(self) -> None:
        """Pass over what is there; runs that have ended need not be read for that."""
        self._new = [name for name in self._new if not manifest.is_over(self.folder / name)]
        while self.has_more:
            self.take_kinds()

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
