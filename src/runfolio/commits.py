"""Commits: what each step of a run that was committed left behind, in order.

A step is committed by its after-snapshot. Its changes name that snapshot; a change whose snapshot does not exist is one
of a step that did not finish, and is no part of any commit. What was recorded by hand outside of steps is here as well:
a snapshot with its schemas, or a change alone.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct, structs

from runfolio.records import Change, Event, Metadata, Path, Snapshot, Timing
from runfolio.schema import Compared, Schema, compared, parts_of
from runfolio.standing import DESCRIBING_MODULES, is_restore, key_of, path_of
from runfolio.timeline import Timeline


class Commit(Struct, frozen=True, kw_only=True):
    """One step that was committed, or what was recorded by hand outside of steps.

    `place` is its place in the list and `parent` that of the step that it followed. `snapshot` is None for a change
    alone. `path` is empty outside of steps. `undone` tells that a restore went back behind it.
    """

    place: int
    parent: int | None
    snapshot: Snapshot[Metadata] | None
    path: Path
    changes: list[Change]
    timing: Timing | None
    undone: bool = False

    @property
    def module_name(self) -> str | None:
        """The module's name."""
        return (self.snapshot or self.changes[0]).module_name

    @property
    def experiment_name(self) -> str | None:
        """The experiment's name."""
        return (self.snapshot or self.changes[0]).experiment_name

    @property
    def timestamp(self) -> datetime:
        """When it was committed."""
        return (self.snapshot or self.changes[0]).timestamp

    @property
    def key(self) -> str:
        """The experiment key of its path; of what has none, the module and experiment as far as they are known."""
        if self.path or self.module_name is None:
            return key_of(self.path)
        return self.module_name if self.experiment_name is None else f"{self.module_name}[{self.experiment_name}]"

    @property
    def describes(self) -> bool:
        """Whether its output describes data instead of changing it, or is none."""
        if self.snapshot is None:
            return True
        return self.module_name in DESCRIBING_MODULES or self.snapshot.metadata.schema_after is None

    def compared(self) -> list[Compared]:
        """Each part of what it gave with the one that it is compared with, as for its changes."""
        if self.snapshot is None or self.describes:
            return []
        return compared(self.snapshot.metadata.schema_before, self.snapshot.metadata.schema_after)

    def before(self) -> dict[str | None, Schema]:
        """The parts of its input."""
        return {} if self.snapshot is None else dict(parts_of(self.snapshot.metadata.schema_before))

    def given(self) -> dict[str | None, Schema]:
        """The parts that a step after it gets: what it gave, or got if it gave no table or only describes one."""
        if self.snapshot is None or self.describes:
            return self.before()
        return dict(parts_of(self.snapshot.metadata.schema_after))


def commits_of(timeline: Timeline) -> list[Commit]:
    """The commits of a run, in order."""
    records = timeline.of("snapshot", "change", "timing", "event")
    reader = _Reader({record.snapshot_id for record in records if is_restore(record)})
    for record in records:
        reader.take(record)
    return list(reader.commits())


class _Reader:
    """Takes records in order; a restore goes back to what was committed at its snapshot."""

    def __init__(self, restored: set[str | None]) -> None:
        self._restored = restored
        self._moments: dict[str, tuple[list[int], dict[Path, int]]] = {}
        self._found: list[Commit] = []
        self._current: list[int] = []
        self._latest: dict[Path, int] = {}
        self._changes: dict[str, list[Change]] = defaultdict(list)
        self._paths: dict[str, Path] = {}
        self._timed: dict[Path, Timing] = {}
        self._timed_by_hand: dict[tuple[str | None, str | None], deque[Timing]] = defaultdict(deque)

    def take(self, record: Snapshot[Metadata] | Change | Timing | Event) -> None:
        """Move on by one record."""
        if isinstance(record, Change):
            self._take_change(record)
        elif isinstance(record, Timing):
            self._take_timing(record)
        elif isinstance(record, Snapshot):
            self._take_snapshot(record)
        elif isinstance(record, Event):
            self._take_event(record)

    def commits(self) -> Iterator[Commit]:
        """What was committed, now that all records were taken."""
        current = set(self._current)
        for commit in self._found:
            timing = commit.timing
            if timing is None and commit.snapshot is not None and not commit.path:
                timed = self._timed_by_hand[commit.module_name, commit.experiment_name]
                timing = timed.popleft() if timed else None
            yield structs.replace(commit, timing=timing, undone=commit.place not in current)

    def _take_change(self, change: Change) -> None:
        if change.snapshot_id is None:
            self._add(None, (), [change])
        else:
            self._changes[change.snapshot_id].append(change)

    def _take_timing(self, timing: Timing) -> None:
        if timing.outcome != "completed":
            return
        if timing.record_id in self._paths:
            self._timed[self._paths[timing.record_id]] = timing
        elif timing.parent_id is None:
            self._timed_by_hand[timing.module_name, timing.experiment_name].append(timing)

    def _take_snapshot(self, snapshot: Snapshot[Metadata]) -> None:
        point = snapshot.context.get("point")
        if point == "after":
            self._add(snapshot, path_of(snapshot.context), self._changes.pop(snapshot.snapshot_id, []))
        elif point == "manual" and snapshot.module_name is not None:
            self._add(snapshot, (), [])
        if snapshot.snapshot_id in self._restored:
            self._moments[snapshot.snapshot_id] = list(self._current), dict(self._latest)

    def _take_event(self, event: Event) -> None:
        if event.type == "step" and event.record_id is not None:
            self._paths[event.record_id] = path_of(event.context)
        elif is_restore(event) and event.snapshot_id in self._moments:
            current, latest = self._moments[event.snapshot_id]
            self._current, self._latest = list(current), dict(latest)

    def _add(self, snapshot: Snapshot[Metadata] | None, path: Path, changes: list[Change]) -> None:
        place = len(self._found)
        parent = self._latest.get(path[:-1]) if path else self._latest.get(())
        timing = self._timed.pop(path, None) if path else None
        self._found.append(
            Commit(place=place, parent=parent, snapshot=snapshot, path=path, changes=changes, timing=timing)
        )
        self._current.append(place)
        if snapshot is not None:
            self._latest[path] = place
