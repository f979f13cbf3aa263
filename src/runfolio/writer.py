"""The writer of a run: makes its folder at the first write, opens segments, and ends it.

A segment that failed is never written to again: the next write opens a fresh one, whose header says where the old one
was left. A forked child has a writer of its own: it forgets its parent's segment and opens one itself when it writes.
So has a process that joins a run. Neither ends it: they are its guests.
"""

from __future__ import annotations

import errno
import os
import platform
import time
import warnings
import weakref
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import structs, to_builtins

from runfolio import layout, manifest, provenance
from runfolio.clock import Clock
from runfolio.errors import FormatError, RunEndedError, UsageError, WriteError, WriteWarning
from runfolio.files import make_folder, remove, replace, write_error
from runfolio.history import History
from runfolio.lock import boot_id, probe
from runfolio.losses import Losses, Void
from runfolio.naming import named
from runfolio.policy import Policy
from runfolio.privacy import OTHERS, Privacy
from runfolio.records import (
    Continued,
    Event,
    EventType,
    Failure,
    Header,
    Manifest,
    Metadata,
    Provenance,
    SchemaRef,
    SchemaRefs,
    SegmentFile,
    Snapshot,
    State,
    Totals,
)
from runfolio.schema import Schemas, parts_of, rows_of
from runfolio.segment import Segment
from runfolio.standing import RowsThrough
from runfolio.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from runfolio.attempt import Attempt

_TRIES = 100
_EVENTS = layout.journal_name("event", layout.MAIN_WRITER)


class Writer:
    """Where a Status writes. Not thread-safe: its owner holds a lock around every call."""

    def __init__(
        self,
        *,
        name: str | None,
        sequence: list[str],
        tags: list[str],
        privacy: Privacy,
        root: Path,
        policy: Policy,
        clock: Clock,
        takes_provenance: bool = True,
        seed: int | None = None,
    ) -> None:
        self.clock = clock
        self.history: History | None = None
        self.ended: State | None = None
        self._name = name
        self._run_id = ""
        self._sequence = sequence
        self._tags = tags
        self.privacy = privacy
        self._root = root
        self.policy = policy
        self.losses = Losses()
        self.guest = False
        """Whether the run is another process's: the parent of this one, or that of a run that was joined."""
        self._left = False
        self._is_starting = False
        self._is_orphan = False
        self._void: Void | None = None
        self._segment: Segment | None = None
        self._owned: list[Segment] = []
        self._writers: set[str] = set()
        self._takes_provenance, self._seed = takes_provenance, seed
        self._provenance: Provenance | None = None
        self._telling = provenance.Telling()
        self._unsealed: tuple[Manifest, list[SegmentFile]] | None = None
        self._start_time = clock.now()
        self._start_tick = clock.monotonic()
        self._spent = 0.0
        self._steps = 0
        self._through = RowsThrough()
        weakref.finalize(self, _abandoned, self._owned)

    @property
    def folder(self) -> Path:
        """The run folder, which is there once there was a segment."""
        assert self.history is not None
        return self.history.folder

    @property
    def is_over(self) -> bool:
        """Whether the run has ended, or this process has left it: nothing more can be written."""
        return self._left or self.ended is not None

    def segment(self) -> Segment | Void:
        """The segment to write to next, opened if need be. Raises RunEndedError, WriteError.

        Where write errors are only warned of, a void comes in place of one that can't be opened.
        """
        found = self._segment
        if found is not None and not found.broken and not found.busy:
            return found
        self.check_open()
        return self._next() if self.policy.on_write_error == "raise" else self._next_or_void()

    def check_open(self) -> None:
        """Raise RunEndedError if the run has ended, or this process has left it; UsageError if it can't begin it."""
        if self._is_orphan:
            raise UsageError(
                "the run had not begun when this process was forked: parent and child would each make one of their own",
                remedy="start() it before, or make a Status in the child",
            )
        if self._is_starting:
            raise UsageError(
                "the run is just being made, and can't take a record from a signal's handler",
                remedy="start() it before the signal may come",
            )
        if self._left:
            raise RunEndedError(f"this process has left {self.folder.name}", remedy="join it again: Status.join(...)")
        if self.ended is not None:
            raise RunEndedError(
                f"{self.folder.name if self.history else 'the run'} is {self.ended}: nothing can be added to it",
                remedy="begin another run with a new Status",
            )

    def lose(self, kind: str, error: WriteError) -> None:
        """Count what could not be written beside the journals, and tell of it in them; or raise it, by the policy."""
        if self.policy.on_write_error == "raise":
            raise error
        self.losses.add(kind, error)
        segment = self.segment()
        if isinstance(segment, Segment):
            with suppress(WriteError):
                self._tell(segment)

    def put(self, name: str, data: bytes) -> None:
        """Put a file into the folder. Raises WriteError."""
        if self.history is None:
            assert self._void is not None
            self._void.new_result_file("", "")
        replace(self.folder / name, data, self.policy)

    def event(self, kind: EventType, **fields: Any) -> Event:
        """Write an event."""
        return self._event(self.segment(), kind, **fields)[0]

    def _event(self, segment: Segment | Void, kind: EventType, **fields: Any) -> tuple[Event, bool]:
        """The same into this segment, and whether it is there."""
        event_id = segment.new_id("event")
        record = Event(seq=0, event_id=event_id, timestamp=self.clock.now(), type=kind, **fields)
        is_there = segment.write("event", record)
        if is_there and kind in provenance.EVENTS:
            self._telling.take(record)
        return record, is_there

    def snapshot(
        self,
        module: str | None,
        experiment: str | None,
        metadata: Metadata,
        context: dict[str, Any],
        snapshot_id: str | None = None,
    ) -> Snapshot[Metadata]:
        """Write a snapshot, and before it each schema that it is the first of this segment to name."""
        segment = self.segment()
        before, after = metadata.schema_before, metadata.schema_after
        refs = SchemaRefs(self.refs(segment, before), self.refs(segment, after))
        record = Snapshot(
            seq=0,
            snapshot_id=snapshot_id or segment.new_id("snapshot"),
            timestamp=self.clock.now(),
            module_name=module,
            experiment_name=experiment,
            metadata=refs,
            rows_before=rows_of(metadata.schema_before),
            rows_after=rows_of(metadata.schema_after),
            context=context,
        )
        if segment.write("snapshot", record):
            self._through.take(record)
        return structs.replace(record, metadata=metadata)  # type: ignore[arg-type]

    def refs(self, segment: Segment | Void, schemas: Schemas) -> list[SchemaRef]:
        """References to schemas, each of which is in this segment's journal when this returns."""
        refs = []
        for part, schema in parts_of(schemas):
            if schema.schema_id not in segment.schema_ids:
                segment.write("schema", structs.replace(schema, seq=0))
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
            results=self.privacy.results[OTHERS],
            profile=self.privacy.profile[OTHERS],
            modules=self.privacy.recorded(),
            durability=self.policy.durability,
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
        self._take_up(attempt)
        self._take_provenance()
        self._spent, self._start_tick = attempt.spent_seconds, self.clock.monotonic()
        segment = self._open(layout.token(8), attempt.left)
        try:
            self._refuse_others(segment)
            (self.folder / layout.SUMS_FILE).unlink(missing_ok=True)
            self._begin()
            self._write_manifest()
        except OSError as error:
            self._close()
            raise write_error(error, self.folder) from error
        except BaseException:
            self._close()
            raise
        self._settle(segment)

    def join(self, attempt: Attempt) -> None:
        """Begin a segment in a run that another process writes. Raises WriteError."""
        self.guest = True
        self._take_up(attempt)
        self._settle(self._open(layout.token(8), None))

    def leave(self) -> None:
        """Let go of the segment of a guest. Raises WriteError, UsageError in the process that began the run.

        Where the run has ended meanwhile, its totals and digests are taken again.
        """
        if not self.guest:
            raise UsageError("this process began the run", remedy="complete() or fail() ends it")
        if self._left:
            return
        with suppress(RunEndedError):
            self.hurry()
            self.segment()
        self._left, self._segment = True, None
        try:
            self._close(ended=True)
            if manifest.is_over(self.folder):
                self._measure_again()
        finally:
            self.losses.warn(self.folder)

    def let_go(self) -> None:
        """Give locks and descriptors back without an end. Safe to call twice."""
        with suppress(WriteError):
            _close(self._owned)

    def _take_up(self, attempt: Attempt) -> None:
        self.history, self._run_id = attempt.history, attempt.header.run_id
        self._start_time = attempt.start_time

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

    def hurry(self) -> None:
        """Where nothing could be written, try again at once: what comes next is the last."""
        segment = self.segment()
        if isinstance(segment, Void):
            segment.hurry()

    def end(self, state: State, failure: Failure | None) -> None:
        """Write the last event of the run, its totals and digests, and let go of everything.

        Raises WriteError. If that comes after the event, the run has ended, and a second call writes what is missing.
        Raises UsageError for a guest, whose run it is not.
        """
        if self._unsealed is not None:
            self._seal(*self._unsealed)
            return
        if self.guest:
            raise UsageError("the run is another process's", remedy="end it where it was begun; close() leaves it")
        duration = self._spent + self.clock.monotonic() - self._start_tick
        context: dict[str, Any] = {"duration_seconds": duration, **provenance.ended(self._provenance)}
        if failure is not None:
            context["error"] = to_builtins(failure)
        self.hurry()
        segment = self.segment()  # a signal's handler that records meanwhile has another
        event, is_told = self._event(
            segment, "state", state=state, message=failure and failure.message, context=context
        )
        self._segment, self.ended = None, state
        if not is_told:  # the folder can't tell that the run has ended: it reads as interrupted
            self._close()
            self.losses.warn(self.history and self.folder)
            return
        ended = self._manifest(state=state, totals=Totals(), error=failure)
        try:
            self._seal(structs.replace(ended, end_time=event.timestamp, duration_seconds=duration), segment.files())
        finally:
            self._close(ended=True)

    def _seal(self, ended: Manifest, files: list[SegmentFile]) -> None:
        """Write totals and digests: once, or until it succeeds. `files` are this process's journals at the end."""
        self._unsealed = ended, files
        try:
            totals, segments = manifest.measure(self.folder, files, self._steps, self._through)
            others = manifest.events(self.folder, self._writers)
            lost = self.losses.total + manifest.lost(others)
            whole = provenance.told([*others, *self._telling.events()], provenance.MOST_INPUTS)
            name, tags = named(ended.name, ended.tags, others)
            sealed = structs.replace(
                ended, name=name, tags=tags, lost=lost, totals=totals, segments=segments, provenance=whole
            )
            manifest.write(self.folder, sealed, self.policy)
            manifest.write_sums(self.folder, self.policy)
        except (OSError, FormatError, WriteError) as error:
            failed = self._write_error(error)
            if self.policy.on_write_error == "raise":
                raise failed from error
            warnings.warn(f"{failed.what}: the run has ended without its totals", WriteWarning, stacklevel=2)
        else:
            self._unsealed = None
        self.losses.warn(self.folder)

    def _write_error(self, error: Exception) -> WriteError:
        cause = error if isinstance(error, OSError) else error.__cause__
        if isinstance(error, WriteError) or not isinstance(cause, OSError):
            return error if isinstance(error, WriteError) else WriteError(str(error), file=str(self.folder))
        return write_error(cause, self.folder)

    def _measure_again(self) -> None:
        """A guest that leaves after the end: what it wrote is told of in the totals and digests, too."""
        try:
            found, untold = manifest.read(self.folder), self.losses.untold
            manifest.seal_again(self.folder, found, self.policy, untold.records + untold.results if untold else 0)
        except (OSError, FormatError) as error:
            raise self._write_error(error) from error

    def _close(self, *, ended: bool = False) -> None:
        """Let go of all segments. Raises WriteError, or warns, if the system tells only now that it kept none."""
        try:
            _close(self._owned, ended=ended)
        except WriteError as error:
            if self.policy.on_write_error == "raise":
                raise
            self.losses.add("journal", error)

    def _start(self) -> Segment:
        """Make the folder and begin the run in it."""
        self._is_starting = True
        try:
            self._take_provenance()
            self._start_time, self._start_tick = self.clock.now(), self.clock.monotonic()
            folder = self._make_folder()
            self.history, self._run_id = History(folder), folder.name
        finally:
            self._is_starting = False
        try:
            segment = self._open(layout.MAIN_WRITER, None)
            self._start_time = self._begin().timestamp
            self._write_manifest()
            self.snapshot(None, None, Metadata(None, None), {"point": "start"})
        except BaseException:
            while self._owned:
                self._owned.pop().discard()
            self.history = self._segment = None
            remove(folder / layout.RUN_FILE)
            with suppress(OSError):
                folder.rmdir()
            raise
        return segment

    def _take_provenance(self) -> None:
        """Look around before the run begins, and once, however often its beginning fails."""
        if self._takes_provenance and self._provenance is None:
            self._provenance = provenance.taken(self._seed)

    def _begin(self) -> Event:
        """Write that an attempt begins."""
        return self.event("state", state="in_progress", context=provenance.began(self._provenance, self.folder))

    def configured(self, context: dict[str, Any]) -> Event:
        """Write what pipeline the run goes by, and have `run.json` say so. Raises WriteError."""
        event = self.event("config", context=context)
        if self._provenance is not None and self.history is not None:
            try:
                self._write_manifest()
            except WriteError as error:
                self.lose("manifest", error)
        return event

    def _next(self) -> Segment:
        segment = self._start() if self.history is None else self._go_on(self._segment)
        self._settle(segment)
        return segment

    def _next_or_void(self) -> Segment | Void:
        """A segment, unless the last one failed just now, or none can be opened."""
        error = self._segment.error if self._segment is not None else None
        if self._void is None and error is not None:
            self._void = Void(self.losses, error, self.clock)
        if self._void is not None and not self._void.is_due:
            return self._void
        try:
            segment = self._next()
        except WriteError as failed:
            self._void = Void(self.losses, failed.again(), self.clock)
            return self._void
        self._void = None
        return segment

    def _settle(self, segment: Segment) -> None:
        """A segment that stands: what was lost before is told, and what it can't write goes the policy's way."""
        try:
            self._tell(segment)
        except WriteError:
            segment.broken = True
            raise
        segment.lose = None if self.policy.on_write_error == "raise" else self.losses.add

    def _tell(self, segment: Segment) -> None:
        lost = self.losses.untold
        if lost is not None:
            event_id, now = segment.new_id("event"), self.clock.now()
            fields = {"message": lost.error, "context": to_builtins(lost)}
            segment.append("event", Event(seq=0, event_id=event_id, timestamp=now, type="lost", **fields))
            self.losses.told()

    def _go_on(self, old: Segment | None) -> Segment:
        """Open a segment after one that failed, or in a forked child, whose parent may have ended the run since."""
        if not any(os.path.lexists(self.folder / name) for name in (layout.RUN_FILE, _EVENTS)):
            raise write_error(OSError(errno.ENOENT, "the run was moved or removed"), self.folder)
        with suppress(FormatError):
            state = manifest.read(self.folder).state
            if state != "in_progress":
                self.ended = state
                self.check_open()
        left = None if old is None else Continued(old.writer, old.files())
        return self._open(layout.token(8), left)

    def _open(self, writer: str, continues: Continued | None) -> Segment:
        is_over = partial(manifest.is_over, self.folder) if self.guest else None
        old, segment = self._segment, Segment(self.folder, writer, self.policy, is_over)
        self._owned.append(segment)
        self._writers.add(writer)
        try:
            segment.open()
            self._segment = segment
            self.event("segment", context=to_builtins(self.header(self._run_id, writer, continues)))
        except BaseException:
            self._segment = old
            segment.discard()
            self._owned.remove(segment)
            raise
        return segment

    def _make_folder(self) -> Path:
        self._make_root(_absolute(self._root))
        for _ in range(_TRIES):
            folder = _absolute(self._root) / layout.new_run_id(self._start_time, self._name)
            try:
                make_folder(folder, self.policy)
            except FileExistsError:
                continue
            except OSError as error:
                raise write_error(error, folder) from error
            return folder
        raise UsageError(f"no free run id under {self._root} in {_TRIES} tries", remedy="give the run another name")

    def _make_root(self, root: Path) -> None:
        """Make the root, and the folders that it is in."""
        try:
            if not root.is_dir():
                if root.parent != root:
                    self._make_root(root.parent)
                with suppress(FileExistsError):
                    make_folder(root, self.policy)
                if not root.is_dir():
                    raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        except OSError as error:
            raise write_error(error, root) from error

    def _write_manifest(self) -> None:
        """Write the `run.json` of a run that goes on."""
        manifest.write(self.folder, self._manifest(state="in_progress", totals=Totals(), error=None), self.policy)

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
            lost=self.losses.total,
            totals=totals,
            segments=[],
            provenance=provenance.told(self._telling.events(), provenance.MOST_INPUTS),
        )

    def forget_parent(self) -> None:
        """In a forked child: keep nothing that is the parent's; the next write opens a segment of its own."""
        for segment in self._owned:
            segment.abandon()
        self._owned.clear()
        self._writers.clear()
        self._segment, self._void, self.losses = None, None, Losses()
        self._is_orphan, self._is_starting = self._is_orphan or self.history is None, False
        if self.history is not None:
            self.guest = True
            self.history = History(self.history.folder)


def _absolute(path: Path) -> Path:
    """A path that stays what it is when the process goes to another folder."""
    try:
        return path.absolute()
    except OSError as error:
        raise write_error(error, path) from error


def _close(owned: list[Segment], *, ended: bool = False) -> None:
    failed = None
    while owned:
        try:
            owned.pop().close(ended=ended)
        except WriteError as error:
            failed = failed or error
    if failed:
        raise failed


def _abandoned(owned: list[Segment]) -> None:
    """A Status that no one has any more: its run was not ended, and there is no one to tell."""
    with suppress(WriteError):
        _close(owned)
