"""The writer of a run: makes its folder at the first write, opens segments, and ends it.

A segment that failed is never written to again: the next write opens a fresh one, whose header says where the old one
was left. A forked child has a writer of its own: it forgets its parent's segment and opens one itself when it writes.
"""

from __future__ import annotations

import os
import platform
import time
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from msgspec import structs, to_builtins

from runfolio import layout, manifest
from runfolio.clock import Clock
from runfolio.errors import FormatError, RunEndedError, UsageError
from runfolio.field import Profile
from runfolio.files import write_error
from runfolio.history import History
from runfolio.lock import boot_id, probe
from runfolio.records import (
    Continued,
    Event,
    EventType,
    Failure,
    Header,
    Manifest,
    Metadata,
    SchemaRef,
    SchemaRefs,
    SegmentFile,
    Snapshot,
    State,
    Totals,
)
from runfolio.schema import Schemas, parts_of, rows_of
from runfolio.segment import Segment
from runfolio.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from runfolio.attempt import Attempt

_TRIES = 100


class Writer:
    """Where a Status writes. Not thread-safe: its owner holds a lock around every call."""

    def __init__(
        self, *, name: str | None, sequence: list[str], tags: list[str], profile: Profile, root: Path, clock: Clock
    ) -> None:
        self.clock = clock
        self.history: History | None = None
        self.ended: State | None = None
        self._name = name
        self._run_id = ""
        self._sequence = sequence
        self._tags = tags
        self.profile = profile
        self._root = root
        self.forked = False
        self._segment: Segment | None = None
        self._owned: list[Segment] = []
        self._unsealed: tuple[Manifest, list[SegmentFile]] | None = None
        self._start_time = clock.now()
        self._start_tick = clock.monotonic()
        self._spent = 0.0
        self._steps = 0
        weakref.finalize(self, _close, self._owned)

    @property
    def folder(self) -> Path:
        """The run folder, which is there once there was a segment."""
        assert self.history is not None
        return self.history.folder

    def segment(self) -> Segment:
        """The segment to write to next, opened if need be. Raises RunEndedError, WriteError."""
        found = self._segment
        if found is not None and not found.broken:
            return found
        self.check_open()
        return self._start() if self.history is None else self._go_on(found)

    def check_open(self) -> None:
        """Raise RunEndedError if the run has ended."""
        if self.ended is not None:
            raise RunEndedError(
                f"{self.folder.name} is {self.ended}: nothing can be added to it",
                remedy="begin another run with a new Status",
            )

    def event(self, kind: EventType, **fields: Any) -> Event:
        """Write an event."""
        segment = self.segment()
        event_id = segment.new_id("event")
        record = Event(seq=segment.seq + 1, event_id=event_id, timestamp=self.clock.now(), type=kind, **fields)
        segment.write("event", record)
        return record

    def snapshot(
        self,
        module: str | None,
        experiment: str | None,
        metadata: Metadata,
        context: dict[str, Any],
        snapshot_id: str | None = None,
    ) -> Snapshot[Metadata]:
        """Write a snapshot, and before it each schema that it is the first of this segment to name."""
        refs = SchemaRefs(self.refs(metadata.schema_before), self.refs(metadata.schema_after))
        segment = self.segment()
        record = Snapshot(
            seq=segment.seq + 1,
            snapshot_id=snapshot_id or segment.new_id("snapshot"),
            timestamp=self.clock.now(),
            module_name=module,
            experiment_name=experiment,
            metadata=refs,
            rows_before=rows_of(metadata.schema_before),
            rows_after=rows_of(metadata.schema_after),
            context=context,
        )
        segment.write("snapshot", record)
        return structs.replace(record, metadata=metadata)  # type: ignore[arg-type]

    def refs(self, schemas: Schemas) -> list[SchemaRef]:
        """References to schemas, each of which is in this segment's journal when this returns."""
        refs = []
        for part, schema in parts_of(schemas):
            segment = self.segment()
            if schema.schema_id not in segment.schema_ids:
                segment.write("schema", structs.replace(schema, seq=segment.seq + 1))
                segment.schema_ids.add(schema.schema_id)
            refs.append(SchemaRef(part, schema.schema_id))
        return refs

    def header(self, run_id: str, writer: str, continues: Continued | None) -> Header:
        """What a segment's first line says."""
        return Header(
            format_version=layout.FORMAT_VERSION,
            run_id=run_id,
            name=self._name,
            sequence=self._sequence,
            tags=self._tags,
            profile=self.profile,
            writer=writer,
            host=platform.node(),
            boot_id=boot_id(),
            pid=os.getpid(),
            runfolio=__version__,
            python=platform.python_version(),
            continues=continues,
        )

    def resume(self, attempt: Attempt) -> None:
        """Begin a segment in a run that earlier attempts left, and take the run back to work.

        Raises WriteError, UsageError if another process does so too.
        """
        self.history, self._run_id = attempt.history, attempt.header.run_id
        self._start_time, self._spent = attempt.start_time, attempt.spent_seconds
        self._start_tick = self.clock.monotonic()
        segment = self._open(layout.token(8), attempt.left)
        try:
            self._refuse_others(segment)
            (self.folder / layout.SUMS_FILE).unlink(missing_ok=True)
            self.event("state", state="in_progress")
            manifest.write(self.folder, self._manifest(state="in_progress", totals=Totals(), error=None))
        except OSError as error:
            _close(self._owned)
            raise write_error(error, self.folder) from error
        except BaseException:
            _close(self._owned)
            raise

    def _refuse_others(self, segment: Segment) -> None:
        """Two that resume a run at once each see the other's lock: at most one goes on."""
        for path in self.folder.glob(layout.lock_name("*")):
            life = probe(path, time.time())
            if path != segment.lock.path and life.alive:
                segment.discard()
                raise UsageError(
                    f"{self.folder} can't be resumed: {life.reason}", remedy="wait until its writer has ended"
                )

    def count_step(self) -> None:
        """Count a finished timing that is part of no other."""
        self._steps += 1

    def end(self, state: State, failure: Failure | None) -> None:
        """Write the last event of the run, its totals and digests, and let go of everything.

        Raises WriteError. If that comes after the event, the run has ended, and a second call writes what is missing.
        Raises UsageError in a forked child, whose parent's run it is.
        """
        if self._unsealed is not None:
            self._seal(*self._unsealed)
            return
        if self.forked:
            raise UsageError("a forked process can't end its parent's run", remedy="end it where it was begun")
        duration = self._spent + self.clock.monotonic() - self._start_tick
        context: dict[str, Any] = {"duration_seconds": duration}
        if failure is not None:
            context["error"] = to_builtins(failure)
        event = self.event("state", state=state, message=failure and failure.message, context=context)
        files, self.ended = self.segment().files(), state
        self._segment = None
        ended = self._manifest(state=state, totals=Totals(), error=failure)
        try:
            self._seal(structs.replace(ended, end_time=event.timestamp, duration_seconds=duration), files)
        finally:
            _close(self._owned, ended=True)

    def _seal(self, ended: Manifest, files: list[SegmentFile]) -> None:
        """Write totals and digests: once, or until it succeeds. `files` are this process's journals at the end."""
        self._unsealed = ended, files
        try:
            totals, segments = manifest.measure(self.folder, files, self._steps)
            manifest.write(self.folder, structs.replace(ended, totals=totals, segments=segments))
            manifest.write_sums(self.folder)
        except OSError as error:
            raise write_error(error, self.folder) from error
        self._unsealed = None

    def _start(self) -> Segment:
        """Make the folder and begin the run in it."""
        self._start_time, self._start_tick = self.clock.now(), self.clock.monotonic()
        folder = self._make_folder()
        self.history, self._run_id = History(folder), folder.name
        try:
            segment = self._open(layout.MAIN_WRITER, None)
            self._start_time = self.event("state", state="in_progress").timestamp
            manifest.write(folder, self._manifest(state="in_progress", totals=Totals(), error=None))
            self.snapshot(None, None, Metadata(None, None), {"point": "start"})
        except BaseException:
            while self._owned:
                self._owned.pop().discard()
            self.history = self._segment = None
            with suppress(OSError):
                (folder / layout.RUN_FILE).unlink(missing_ok=True)
                folder.rmdir()
            raise
        return segment

    def _go_on(self, old: Segment | None) -> Segment:
        """Open a segment after one that failed, or in a forked child, whose parent may have ended the run since."""
        with suppress(FormatError):
            state = manifest.read(self.folder).state
            if state != "in_progress":
                self.ended = state
                self.check_open()
        left = None if old is None else Continued(old.writer, old.files())
        return self._open(layout.token(8), left)

    def _open(self, writer: str, continues: Continued | None) -> Segment:
        old, segment = self._segment, Segment(self.folder, writer)
        self._owned.append(segment)
        self._segment = segment
        try:
            self.event("segment", context=to_builtins(self.header(self._run_id, writer, continues)))
        except BaseException:
            self._segment = old
            self._owned.remove(segment)
            segment.discard()
            raise
        return segment

    def _make_folder(self) -> Path:
        try:
            self._root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(error, self._root) from error
        for _ in range(_TRIES):
            folder = self._root / layout.new_run_id(self._start_time, self._name)
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            except OSError as error:
                raise write_error(error, folder) from error
            return folder
        raise UsageError(f"no free run id under {self._root} in {_TRIES} tries", remedy="give the run another name")

    def _manifest(self, *, state: State, totals: Totals, error: Failure | None) -> Manifest:
        return Manifest(
            format_version=layout.FORMAT_VERSION,
            run_id=self._run_id,
            name=self._name,
            tags=self._tags,
            sequence=self._sequence,
            state=state,
            start_time=self._start_time,
            end_time=None,
            duration_seconds=None,
            host=platform.node(),
            runfolio=__version__,
            python=platform.python_version(),
            error=error,
            totals=totals,
            segments=[],
        )

    def forget_parent(self) -> None:
        """In a forked child: keep nothing that is the parent's; the next write opens a segment of its own."""
        for segment in self._owned:
            segment.abandon()
        self._owned.clear()
        self._segment = None
        if self.history is not None:
            self.forked = True
            self.history = History(self.history.folder)


def _close(owned: list[Segment], *, ended: bool = False) -> None:
    while owned:
        owned.pop().close(ended=ended)
