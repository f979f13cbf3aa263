"""Progress: what a run is doing now, how far that is, what is to come, and when it may be done."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from pathlib import Path as FilePath
from typing import Any

from msgspec import Struct

from runfolio.clock import SYSTEM, Clock, in_utc
from runfolio.estimate import Durations, Samples, earlier_durations
from runfolio.feed import Feed
from runfolio.records import Change, Configured, Event, Path, State, converted
from runfolio.standing import path_of
from runfolio.steptable import StepRow, not_begun, steps_of, table_of
from runfolio.timeline import Stream
from runfolio.view import RunView


class Running(Struct, frozen=True, kw_only=True):
    """What is running: a step, or, with a `depth` above 0, what is timed inside one.

    `done` of `total` `unit` is its last sample of progress, `rate` how many units a second were done of late.
    `seconds_left` is by that rate, or by the durations of the same step in earlier runs; None if there is neither, or
    it has taken longer already.
    """

    record_id: str | None
    module_name: str
    experiment_name: str
    step_name: str
    depth: int
    start_time: datetime
    elapsed_seconds: float
    done: float | None
    total: float | None
    unit: str | None
    rate: float | None
    seconds_left: float | None


class Progress(Struct, frozen=True, kw_only=True):
    """How far a run is, as of now.

    `steps_done` counts the steps that were completed. `steps_total` and `waiting`, the paths of those that are to come,
    are those of a plan: None and empty without one. `seconds_left` is None unless it is known of all that runs and is
    to come.
    """

    running: list[Running]
    steps_done: int
    steps_total: int | None
    waiting: list[Path]
    seconds_left: float | None


class Look(Struct, frozen=True, kw_only=True):
    """What a look at a live run found: how far it is, and what is new since the look before."""

    state: State
    progress: Progress
    ended: list[StepRow]
    changes: list[Change]
    messages: list[Event]


def progress_of(run: RunView, clock: Clock = SYSTEM) -> Progress:
    """How far a run is by its records, as `RunView.get_progress`."""
    now, rows = clock.now(), steps_of(run)
    events = run.events
    starts = {row.record_id: row.start_time for row in rows if row.outcome == "running" and row.start_time}
    samples: dict[str | None, Samples] = {record_id: Samples(start) for record_id, start in starts.items()}
    for event in events:
        if event.type == "progress" and event.record_id in samples and event.done is not None:
            samples[event.record_id].take(event.timestamp, event.done)
    plan = _planned(events)
    durations: Durations = {}
    if run.state == "in_progress" and run.folder is not None:
        durations = earlier_durations(run.folder, run.name, run.start_time, plan.sha256 if plan else None)
    running = [_running(row, samples.get(row.record_id), durations, now) for row in rows if row.outcome == "running"]
    waiting = [row.path for row in rows if row.outcome == "waiting"]
    total = None if plan is None else len(set(plan.paths))
    return _progress(running, len(_completed(rows)), total, waiting, durations)


class Live:
    """A run that is looked at again and again: each look takes what is new, however long the run is.

    Steps that writers of an `earlier` attempt wrote are passed over. It is to be closed, and can be used in a `with`
    statement.
    """

    def __init__(
        self, folder: FilePath, earlier: Collection[str] = (), *, poll: bool = False, clock: Clock = SYSTEM
    ) -> None:
        self.feed = Feed(folder, poll=poll)
        self._earlier = frozenset(earlier)
        self._clock = clock
        self._workers: dict[str, _Worker] = {}
        self._config: Event | None = None
        self._plan: Configured | None = None
        self._planned: set[Path] = set()
        self._waiting: list[Path] | None = None
        self._begun: set[Path] = set()
        self._done: set[object] = set()
        self._ended: list[StepRow] = []
        self._changes: list[Change] = []
        self._messages: list[Event] = []

    def look(self) -> Look:
        """What there is since the last look. Raises FormatError as `Feed` does."""
        while (rows := self.feed.take_rows()) or (self.feed.has_more and not self.feed.holds_back):
            for writer, kind, record in rows:
                self._take(writer, kind, record)
        self._settle()
        ended, self._ended = sorted(self._ended, key=_start), []
        changes, self._changes = self._changes, []
        messages, self._messages = self._messages, []
        self._done |= _completed(ended)
        return Look(state=self.feed.state, progress=self._progress(), ended=ended, changes=changes, messages=messages)

    def _take(self, writer: str, kind: str, record: Any) -> None:
        if kind == "event" and record.type == "config":
            self._config, self._plan = record, converted(record.context, Configured)
            self._planned, self._waiting = set(self._plan.paths if self._plan else ()), None
        if kind == "event" and record.type == "state" and record.state == "in_progress":
            self._begin_anew()
        if kind == "snapshot" and record.context.get("point") == "after":
            self._begin(path_of(record.context))
            self._done |= self._planned & {path_of(record.context)}
        if writer in self._earlier:
            return
        if kind == "event" and record.type == "step":
            self._begin(path_of(record.context))
        elif kind == "event" and record.type == "log":
            self._messages.append(record)
        elif kind == "change":
            self._changes.append(record)
        self._workers.setdefault(writer, _Worker()).take(kind, record)

    def _begin_anew(self) -> None:
        """An attempt begins: nothing runs any more of what did in the one before."""
        self._settle()
        self._workers.clear()
        self._waiting = None
        self._begun &= self._done  # what was begun and not committed is to come again

    def _begin(self, path: Path) -> None:
        self._begun.add(path)
        self._waiting = None

    def _settle(self) -> None:
        """See what ended."""
        for worker in self._workers.values():
            self._ended += worker.ended()

    def _progress(self) -> Progress:
        total = None if self._plan is None else len(self._planned)
        if self.feed.state != "in_progress":
            return _progress([], len(self._done), total, [], {})
        now, digest = self._clock.now(), self._plan.sha256 if self._plan else None
        durations = earlier_durations(self.feed.folder, self.feed.name, self.feed.start_time, digest)
        running = [one for worker in self._workers.values() for one in worker.running(durations, now)]
        if self._waiting is None:
            rows = [] if self._config is None else not_begun([self._config], self._begun, going_on=True)
            self._waiting = [row.path for row in rows]
        return _progress(running, len(self._done), total, self._waiting, durations)

    @property
    def elapsed_seconds(self) -> float | None:
        """How long the run took, or goes on by now; None where that is not known."""
        feed = self.feed
        if feed.duration_seconds is not None or feed.state != "in_progress" or feed.start_time is None:
            return feed.duration_seconds
        return (self._clock.now() - feed.start_time).total_seconds()

    def close(self) -> None:
        """Give watches and descriptors back."""
        self.feed.close()

    def __enter__(self) -> Live:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Worker:
    """The steps of one writer, of which what is over is dropped."""

    def __init__(self) -> None:
        self._held: Stream = {"event": [], "timing": [], "snapshot": []}
        self._latest: dict[str | None, Event] = {}
        self._samples: dict[str | None, Samples] = {}
        self._told: set[str | None] = set()
        self._rows: list[StepRow] = []
        self._is_new = False

    def take(self, kind: str, record: Any) -> None:
        """Take a record that steps are made of."""
        if kind not in self._held:
            return
        if kind == "event":
            if record.type == "progress":
                self._sample(record)
            if record.type != "step":
                return
            self._samples[record.record_id] = Samples(record.timestamp)
        self._is_new = True
        self._held[kind].append(record)

    def _sample(self, event: Event) -> None:
        self._latest[event.record_id], self._is_new = event, True
        if event.record_id in self._samples and event.done is not None:
            self._samples[event.record_id].take(event.timestamp, event.done)

    def running(self, durations: Durations, now: datetime) -> Iterable[Running]:
        """What runs now."""
        return (_running(row, self._samples.get(row.record_id), durations, now) for row in self._rows)

    def ended(self) -> list[StepRow]:
        """The steps that ended since the last call."""
        if not self._is_new:
            return []
        self._is_new = False
        held = self._held
        begun = {event.record_id: event for event in held["event"]}
        ends = {timing.record_id: timing.seq for timing in held["timing"] if timing.outcome == "failed"}
        commits = {path_of(one.context): one.seq for one in held["snapshot"] if one.context.get("point") == "after"}
        rows = table_of([*held["event"], *self._latest.values()], held["timing"], held["snapshot"], set(begun))
        ended: list[StepRow] = []
        last, open_since = 0, []
        for row in rows:
            if row.depth or row.record_id not in begun:
                continue
            event = begun[row.record_id]
            end = ends.get(row.record_id) if row.outcome == "failed" else commits.get(path_of(event.context))
            if end is None or row.outcome == "running":
                open_since.append(event.seq)
            else:
                last = max(last, end)
                ended += [] if row.record_id in self._told else [row]
                self._told.add(row.record_id)
        if all(seq > last for seq in open_since):
            for kind, records in held.items():
                held[kind] = [record for record in records if record.seq > last]
            self._told &= {event.record_id for event in held["event"]}
        self._rows = [row for row in rows if row.outcome == "running"]
        kept = {row.record_id for row in self._rows}
        self._samples = {record_id: samples for record_id, samples in self._samples.items() if record_id in kept}
        self._latest = {record_id: event for record_id, event in self._latest.items() if record_id in kept}
        return ended


def _planned(events: list[Event]) -> Configured | None:
    configured = [event for event in events if event.type == "config"]
    return converted(configured[-1].context, Configured) if configured else None


def _completed(rows: Iterable[StepRow]) -> set[object]:
    """The steps that were completed: by their paths, where they have one."""
    return {row.path or row.record_id for row in rows if row.outcome == "completed" and not row.depth}


def _start(row: StepRow) -> datetime:
    assert row.start_time is not None
    return row.start_time


def _running(row: StepRow, samples: Samples | None, durations: Durations, now: datetime) -> Running:
    start = in_utc(row.start_time) or now
    elapsed = max((now - start).total_seconds(), 0.0)
    left = samples.seconds_left(row.total, now) if samples else None
    if row.total is None and row.path in durations and durations[row.path] > elapsed:
        left = durations[row.path] - elapsed
    return Running(
        record_id=row.record_id,
        module_name=row.module_name,
        experiment_name=row.experiment_name,
        step_name=row.step_name,
        depth=row.depth,
        start_time=start,
        elapsed_seconds=elapsed,
        done=row.done,
        total=row.total,
        unit=row.unit,
        rate=samples.rate if samples else None,
        seconds_left=left,
    )


def _progress(
    running: list[Running], done: int, total: int | None, waiting: list[Path], durations: Durations
) -> Progress:
    left = [one.seconds_left for one in running if not one.depth] + [durations.get(path) for path in waiting]
    known = [seconds for seconds in left if seconds is not None]
    is_known = bool(left) and len(known) == len(left) and total is not None
    return Progress(
        running=running,
        steps_done=done,
        steps_total=total,
        waiting=waiting,
        seconds_left=sum(known) if is_known else None,
    )
