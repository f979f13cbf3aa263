"""The reader of a run folder: takes what the journals hold, and later on what came since.

A record is given when all records with a smaller `seq` of its writer were given or are known to be lost. A gap is read
once more, for its line may have been written after its journal was read; every number below the largest of the first
reading was written by then, so what is still missing is lost.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterator
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

from msgspec import structs

from runfolio import codec
from runfolio.codec import BadLine
from runfolio.errors import FormatError
from runfolio.files import TRANSIENT, journals, unreadable
from runfolio.journal import Lines, Tail
from runfolio.limits import MAX_FINDINGS
from runfolio.records import Finding, Metadata, Opaque, Record, SchemaRef, SchemaRefs, Snapshot
from runfolio.schema import Schema, Schemas
from runfolio.timeline import Stream, Timeline

if TYPE_CHECKING:
    from pathlib import Path

MARKS = ("segment", "state")
"""The events by which the state of a run is known."""

COARSE = 20_000_000
"""So many nanoseconds may pass between two changes of a folder that have the same time."""

SETTLING_SECONDS = 3.0
"""So long a gap in what is followed may yet be filled: a folder is copied, or replaced, file by file."""

_seq = attrgetter("seq")


class History:
    """The records of one folder as read so far. Not thread-safe: its owner holds a lock around `refresh`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.findings: list[Finding] = []
        self._reported: set[Finding] = set()
        self.schemas: dict[str, Schema] = {}
        self.timeline = Timeline({})
        self.marks = Timeline({})
        self._listed = 0
        self._is_reading = False
        self._readers: dict[str, _SegmentReader] = {}

    def refresh(self) -> None:
        """Read what was written since the last time. Raises FormatError if the folder is gone or is none."""
        if self._is_reading:  # a signal's handler asks in the midst of it, and is answered by what was read so far
            return
        self._is_reading = True
        try:
            self.look()
            self._read()
        except BaseException:  # what was read and not given would be passed over by the next reading
            self._readers.clear()
            self.timeline.streams.clear()
            raise
        finally:
            self._is_reading = False

    def _read(self, *, in_blocks: bool = False) -> None:
        """Read on in all journals, or a block of each, and give what can be given."""
        # All schemas before any snapshot: another writer may have the one whose line is lost in this one's journal.
        fresh = [(reader, reader.read(in_blocks=in_blocks)) for reader in list(self._readers.values())]
        for _, records in fresh:
            self._learn(records)
        for reader, records in fresh:
            reader.give(records)

    def take(self, *, looks: bool = True) -> list[tuple[str, str, Any]]:
        """What came since the last call, once: writer, kind and record, those of a writer in the order of `seq`.

        It is not kept, but for schemas and `marks`. No more is read than a block of each journal: `has_more` tells
        whether to call again at once. Where it raises, what was read on the way may be lost: whoever calls must begin
        anew. New journals are looked for if `looks`, and if the folder has changed. Raises
        FormatError if the folder is gone or is none.
        """
        if looks or self._has_changed():
            self.look()
        self._read(in_blocks=True)
        return [row for writer, reader in self._readers.items() for row in self._taken(writer, reader.stream)]

    def _taken(self, writer: str, stream: Stream) -> list[tuple[str, str, Any]]:
        """What is in a stream, which is empty then."""
        rows = sorted(((record.seq, kind, record) for kind in stream for record in stream[kind]), key=itemgetter(0))
        marks = [event for event in stream.get("event", ()) if event.type in MARKS]
        self.marks.streams.setdefault(writer, {"event": []})["event"] += marks
        stream.clear()
        return [(writer, kind, record) for _, kind, record in rows]

    @property
    def has_more(self) -> bool:
        """Whether a `take` left something that is there."""
        return any(tail.has_more for reader in self._readers.values() for tail in reader.tails.values())

    @property
    def holds_back(self) -> bool:
        """Whether something was read that waits for what is before it."""
        return any(reader.holds_back for reader in self._readers.values())

    @property
    def restarts(self) -> int:
        """How often a journal was found in the place of another, or cut."""
        return sum(tail.restarts for reader in self._readers.values() for tail in reader.tails.values())

    def _has_changed(self) -> bool:
        """Whether names may have come since the folder was listed; its time of change is that of a coarse clock."""
        try:
            changed = self.folder.stat().st_mtime_ns
        except OSError:
            return True
        is_old = time.time_ns() - changed > COARSE
        has, self._listed = changed != self._listed or not is_old, changed
        return has

    def look(self) -> None:
        """Look for journals that are new. Raises FormatError if the folder is gone or is none."""
        for kind, writer, path in journals(self.folder):
            if writer not in self._readers:
                self._readers[writer] = _SegmentReader(self, writer)
                self.timeline.streams[writer] = self._readers[writer].stream
            self._readers[writer].add(kind, path)

    def _learn(self, records: Stream) -> None:
        for schema in records.get("schema", ()):
            if isinstance(schema, Schema):
                self.schemas[schema.schema_id] = schema

    def tails(self) -> list[tuple[str, Tail]]:
        """Each journal with its writer, as far as it was read."""
        return [(writer, tail) for writer, reader in self._readers.items() for tail in reader.tails.values()]

    def report(self, finding: Finding) -> None:
        """Keep a finding, up to a number that no one would read through."""
        if len(self._reported) < MAX_FINDINGS and finding not in self._reported:
            self._reported.add(finding)
            self.findings.append(finding)


class _SegmentReader:
    """Reads one writer's journals, and gives their records in the order of `seq`."""

    def __init__(self, history: History, writer: str) -> None:
        self.stream: Stream = {}
        self.tails: dict[str, Tail] = {}
        self._history = history
        self._writer = writer
        self._next = 1
        self._held: list[tuple[str, Any]] = []
        self._gap = 0, 0.0
        self._is_kept_out = False

    @property
    def holds_back(self) -> bool:
        """Whether something was read that waits for what is before it, or a journal can't be opened just now."""
        return bool(self._held) or self._is_kept_out

    def add(self, kind: str, path: Path) -> None:
        """Read this journal as well from now on."""
        if kind not in self.tails:
            self.tails[kind] = Tail(path)

    def read(self, *, in_blocks: bool = False) -> Stream:
        """Read on in all journals, or a block of each: what can be given now."""
        fresh: Stream = {}
        self._is_kept_out = False
        self._read(fresh, in_blocks=in_blocks)
        if not fresh:
            return fresh
        top = max(record.seq for records in fresh.values() for record in records[-1:])
        if not self._is_whole(fresh):
            is_away = self._look_again(in_blocks=in_blocks)  # what is missing may be the first line of its journal
            self._read(fresh, in_blocks=in_blocks)
            if not self._is_whole(fresh):
                waits = is_away or self._is_kept_out or (in_blocks and self._is_settling())
                fresh = self._without_gaps(fresh, self._next - 1 if waits else top)
        return fresh

    def _look_again(self, *, in_blocks: bool) -> bool:
        """Look for journals that are new. Whether the folder is gone, which may come again: what was read is kept."""
        try:
            self._history.look()
        except FormatError:
            if not in_blocks:
                raise
            return True
        return False

    def _is_settling(self) -> bool:
        """Whether what is missing may be still to come, where journals changed a moment ago.

        A journal can't always be told from the one that was in its place: a new file may have the number of the old.
        """
        now = time.monotonic()
        if self._gap[0] != self._next:
            self._gap = self._next, now + SETTLING_SECONDS
        changed = max((tail.changed for tail in self.tails.values()), default=0.0)
        return now < self._gap[1] and time.time() - changed < SETTLING_SECONDS

    def _read(self, fresh: Stream, *, in_blocks: bool) -> None:
        """Add what was held back and what is new, as far as no journal has more in between."""
        ahead = {kind for kind, _ in self._held}
        for kind, record in self._held:
            fresh.setdefault(kind, []).append(record)
        self._held = []
        for kind, tail in self.tails.items():
            if in_blocks and (kind in ahead or tail.is_as_it_was()):
                continue
            self._read_on(kind, tail, fresh, in_blocks=in_blocks)
        for records in fresh.values():  # in a damaged journal the last line need not have the largest number
            records.sort(key=_seq)
        ends = [fresh[kind][-1].seq for kind, tail in self.tails.items() if tail.has_more and fresh.get(kind)]
        if in_blocks and ends:
            self._hold_back(fresh, min(ends))
        for kind in [kind for kind, records in fresh.items() if not records]:
            del fresh[kind]

    def _hold_back(self, fresh: Stream, last: int) -> None:
        """Hold back what is behind a number: a journal of which not all was read has some in between."""
        for kind, records in fresh.items():
            place = bisect_right(records, last, key=_seq)
            self._held += [(kind, record) for record in records[place:]]
            del records[place:]

    def _read_on(self, kind: str, tail: Tail, fresh: Stream, *, in_blocks: bool) -> None:
        try:
            for lines in tail.read():
                records = self._decode(kind, tail, lines)
                if tail.restarts:  # what was given is passed over
                    records = [record for record in records if record.seq >= self._next]
                fresh.setdefault(kind, []).extend(records)
                if in_blocks and records:
                    break
        except (OSError, FormatError) as error:
            if isinstance(error, OSError) and error.errno in TRANSIENT:
                if not in_blocks:
                    raise unreadable(error, tail.path) from error
                self._is_kept_out = True  # what is missing is there
                return
            self._history.report(Finding(file=tail.path.name, reason=f"it can't be read: {error}"))

    def _decode(self, kind: str, tail: Tail, lines: Lines) -> list[Any]:
        try:
            return codec.decode_all(kind, lines.lines)
        except (BadLine, ValueError, KeyError, RecursionError):
            return self._decode_each(kind, tail, lines)

    def _decode_each(self, kind: str, tail: Tail, lines: Lines) -> list[Any]:
        records, byte = [], lines.offset
        for number, line in enumerate(lines.lines, lines.first):
            try:
                records.append(codec.decode(kind, line))
            except BadLine as error:
                self._history.report(Finding(file=tail.path.name, line=number, byte=byte, reason=str(error)))
            byte += len(line) + 1
        return records

    def _is_whole(self, fresh: Stream) -> bool:
        """Whether these records are just the next ones."""
        numbers: list[int] = []
        for records in fresh.values():
            numbers.extend(record.seq for record in records)
        numbers.sort()
        return numbers == list(range(self._next, self._next + len(numbers)))

    def _without_gaps(self, fresh: Stream, top: int) -> Stream:
        """What can be given, around lines that are lost; what may have gaps that are yet to be filled is held back."""
        given: Stream = {}
        expected = self._next
        rows = sorted(
            ((record.seq, kind, record) for kind, records in fresh.items() for record in records), key=lambda r: r[0]
        )
        for index, (seq, kind, record) in enumerate(rows):
            if seq < expected:
                if not any(tail.restarts for tail in self.tails.values()):  # what was held back is read again
                    self._report(kind, f"seq {seq} of writer {self._writer} stands twice")
                continue
            if seq > expected:
                if expected > top:
                    self._held += [row[1:] for row in rows[index:]]
                    break
                lost = f"{expected}" if seq == expected + 1 else f"{expected} to {seq - 1}"
                self._report(kind, f"a record is lost: seq {lost} of writer {self._writer} is in no journal")
            given.setdefault(kind, []).append(record)
            expected = seq + 1
        return given

    def give(self, fresh: Stream) -> None:
        """Give what was read, when the schemas of all writers are known."""
        if not fresh:
            return
        self._next = 1 + max(records[-1].seq for records in fresh.values())
        for kind, records in fresh.items():
            known = [record for record in records if type(record) is not Opaque]
            if len(known) < len(records):
                self._extend("opaque", [record for record in records if type(record) is Opaque])
            self._extend(kind, [self._resolve(record) for record in known] if kind == "snapshot" else known)

    def _extend(self, kind: str, records: list[Any]) -> None:
        if records:
            self.stream.setdefault(kind, []).extend(records)

    def _resolve(self, snapshot: Snapshot[SchemaRefs]) -> Record:
        metadata = Metadata(*map(self._schemas, (snapshot.metadata.schema_before, snapshot.metadata.schema_after)))
        return structs.replace(snapshot, metadata=metadata)

    def _schemas(self, refs: list[SchemaRef]) -> Schemas:
        if not refs:
            return None
        found: dict[str, Schema] = {}
        for ref in refs:
            schema = self._history.schemas.get(ref.schema_id)
            if schema is None:
                self._report("schema", f"schema {ref.schema_id} is named by a snapshot and is in no journal")
                continue
            if ref.part is None:
                return schema
            found[ref.part] = schema
        return found or None

    def _report(self, kind: str, reason: str) -> None:
        self._history.report(Finding(file=self.tails[kind].path.name if kind in self.tails else kind, reason=reason))


def scan(folder: Path, kind: str, writer: str | None = None) -> Iterator[Any]:
    """The sound records of one kind as they stand in the journals, of all writers or one; nothing is kept."""
    for found, name, path in journals(folder):
        if found == kind and writer in (None, name):
            for line in (line for lines in Tail(path).read() for line in lines.lines):
                try:
                    yield codec.decode(kind, line)
                except BadLine:
                    continue
