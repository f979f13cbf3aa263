"""References: what the records of a run name, and whether it is there.

A writer writes what is named before the line that names it, so a name of nothing is a line that was lost. The one
exception are changes, which name the snapshot that is yet to commit their step.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from runfolio import codec, layout
from runfolio.codec import BadLine
from runfolio.files import names_of
from runfolio.journal import Tail
from runfolio.records import Configured, Finding, Header, converted
from runfolio.run import Run


class Reference(Struct, frozen=True):
    """What a line names: the noun and the id of it."""

    noun: str
    id: str


def dangling(run: Run) -> Iterator[Finding]:
    """Each name of nothing, by the line that it is on, but a schema's by a snapshot, which `run.damage` has."""
    for named, place in _unknown(run):
        if named.noun != "step":
            yield place(f"it names the {named.noun} {named.id}, which is nowhere in the run")
    yield from _headers(run)


def unended(run: Run) -> Iterator[Finding]:
    """Names of timings that are nowhere: those that were begun by hand and never ended have no line of their own."""
    for named, place in _unknown(run):
        if named.noun == "step":
            yield place(f"it names the timing {named.id}, which never ended")


def _unknown(run: Run) -> Iterator[tuple[Reference, _Place]]:
    known = _known(run)
    for writer, kind, records in _streams(run):
        lost = {}
        for record in records:
            missing = [named for named in _named(record) if named not in known]
            if missing:
                lost[record.seq] = missing
        for seq, place in _places(run, kind, writer, set(lost)).items():
            yield from ((named, place) for named in lost[seq])


def unfinished(run: Run) -> Iterator[Finding]:
    """The changes of steps that did not finish: their snapshot was never written. A finding for each such step."""
    known = {snapshot.snapshot_id for snapshot in run.snapshots}
    for writer, kind, records in _streams(run):
        if kind == "change":
            of_step: dict[str, list[int]] = {}
            for change in records:
                if change.snapshot_id is not None and change.snapshot_id not in known:
                    of_step.setdefault(change.snapshot_id, []).append(change.seq)
            places = _places(run, kind, writer, {seqs[0] for seqs in of_step.values()})
            for seqs in of_step.values():
                yield places[seqs[0]](f"{len(seqs)} changes of a step that did not finish")


def _streams(run: Run) -> Iterator[tuple[str, str, list[Any]]]:
    for writer, stream in run._history.timeline.streams.items():
        for kind, records in stream.items():
            yield writer, kind, records


def _known(run: Run) -> set[Reference]:
    return {
        *(Reference("snapshot", snapshot.snapshot_id) for snapshot in run.snapshots),
        *(Reference("schema", schema_id) for schema_id in run._history.schemas),
        *(Reference("step", timing.record_id) for timing in run.timing_records),
        *(Reference("step", event.record_id) for event in run.events if event.type == "step" and event.record_id),
        *(Reference("file", name) for name in _configurations(run)),
    }


def _configurations(run: Run) -> list[str]:
    return list(filter(layout.is_config_name, names_of(run._history.folder)))


def _named(record: Any) -> Iterator[Reference]:
    kind = type(record).__name__
    if kind == "Result":
        yield from (Reference("schema", part.schema_id) for part in record.parts if part.schema_id is not None)
    elif kind in ("Timing", "Event"):
        if record.parent_id is not None:
            yield Reference("step", record.parent_id)
        if kind == "Event":
            yield from _named_by_event(record)


def _named_by_event(event: Any) -> Iterator[Reference]:
    if event.record_id is not None and event.type in ("progress", "log", "input"):
        yield Reference("step", event.record_id)
    if event.snapshot_id is not None and event.type == "restore":
        yield Reference("snapshot", event.snapshot_id)
    if event.type == "config":
        found = converted(event.context, Configured)
        if found is not None:
            yield Reference("file", found.copy)


def _headers(run: Run) -> Iterator[Finding]:
    """Writers whose first line is no header, or goes on for one that is nowhere; `run.damage` has other runs'."""
    streams = run._history.timeline.streams
    for writer, stream in streams.items():
        file = layout.journal_name("event", writer)
        first = min((records[0] for records in stream.values() if records), key=lambda r: r.seq, default=None)
        if first is None or first.seq > 1:
            continue  # that the first line is lost is told by the count
        header = converted(getattr(first, "context", None), Header) if getattr(first, "type", "") == "segment" else None
        if header is None:
            yield Finding(file=file, reason=f"the first line of writer {writer} is no header")
        elif header.continues is not None and header.continues.writer not in streams:
            reason = f"it goes on for the writer {header.continues.writer}, which is nowhere in the run"
            yield Finding(file=file, line=1, byte=0, reason=reason)


class _Place(Struct, frozen=True):
    """Where a line stands; called with a reason it is a finding there."""

    file: str
    line: int
    byte: int

    def __call__(self, reason: str) -> Finding:
        return Finding(file=self.file, line=self.line, byte=self.byte, reason=reason)


def _places(run: Run, kind: str, writer: str, seqs: set[int]) -> dict[int, _Place]:
    """Where these lines stand; the journal is read again for them alone."""
    found: dict[int, _Place] = {}
    if not seqs or kind not in layout.STEMS:
        return found
    path = run._history.folder / layout.journal_name(kind, writer)
    for lines in Tail(path).read():
        byte = lines.offset
        for number, line in enumerate(lines.lines, lines.first):
            try:
                seq = codec.decode(kind, line).seq
            except BadLine:
                seq = 0
            if seq in seqs:
                found.setdefault(seq, _Place(path.name, number, byte))
            byte += len(line) + 1
    return found
