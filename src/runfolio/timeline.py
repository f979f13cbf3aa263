"""The records of a run in order, by writer and kind; and the run as of one of its snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Any

from runfolio.errors import NotFoundError
from runfolio.layout import MAIN_WRITER
from runfolio.records import Event, Metadata, Snapshot

Stream = dict[str, list[Any]]
"""One writer's records by kind, each list in the order of `seq`."""

Behind = dict[str | None, datetime]
"""The earliest time that a restore can have, by the id of the snapshot."""

_seq = attrgetter("seq")
_BEGINNING, _END = (time.replace(tzinfo=UTC) for time in (datetime.min, datetime.max))
_MOMENT = timedelta(microseconds=1)


class Timeline:
    """The records of all writers: merged by time, with each writer's own order kept."""

    def __init__(self, streams: dict[str, Stream]) -> None:
        self.streams = streams
        self._merged: tuple[dict[str, dict[str, int]], list[tuple[str, Any]]] = ({}, [])

    def of(self, *kinds: str) -> list[Any]:
        """The records of these kinds, in order. The list may be the reader's own: don't change it."""
        if len(self.streams) == 1:
            (stream,) = self.streams.values()
            return _of_one(stream, kinds)
        return [record for kind, record in self._in_order() if kind in kinds]

    def _in_order(self) -> list[tuple[str, Any]]:
        """All records of all writers with their kinds, merged anew when more have come."""
        sizes = {name: {kind: len(stream[kind]) for kind in list(stream)} for name, stream in self.streams.items()}
        known, merged = self._merged
        if sizes != known:
            behind = self._behind_restored()
            timed = chain.from_iterable(self._timed(writer, behind) for writer in self.streams)
            merged = [(kind, record) for *_, kind, record in sorted(timed, key=itemgetter(0, 1))]
            self._merged = sizes, merged
        return merged

    def count(self, kind: str) -> int:
        """How many records of a kind there are."""
        return sum(len(stream.get(kind, ())) for stream in self.streams.values())

    def snapshot(self, snapshot_id: str) -> Snapshot[Metadata] | None:
        """The snapshot of that id."""
        return next((found for _, found in self._snapshots(snapshot_id)), None)

    def until(self, snapshot_id: str) -> Timeline:
        """The timeline up to and including a snapshot: other writers' records by their time.

        Raises NotFoundError.
        """
        for writer, last in self._snapshots(snapshot_id):
            if len(self.streams) == 1:
                return Timeline({writer: _until_seq(self.streams[writer], last.seq)})
            behind = self._behind_restored()
            timed = self._timed(writer, behind)
            end = next((time, place) for time, place, _, record in timed if record.seq == last.seq)
            streams = {
                name: _until_seq(stream, last.seq if name == writer else self._last_seq(name, end, behind))
                for name, stream in self.streams.items()
            }
            return Timeline(streams)
        raise NotFoundError(
            f"no snapshot {snapshot_id!r} in this run", remedy="get_snapshots() lists them", key=snapshot_id
        )

    def attempts(self) -> tuple[str, ...]:
        """The writers that went on for each other, beginning with the first of the run.

        Guests may have had to go on in another segment as well, more often than the run's own process.
        """
        return max(map(self.chain, self.streams), key=lambda chain: (chain[0] == MAIN_WRITER, len(chain)))

    def seconds(self, writer: str) -> float:
        """The time from a writer's first record to its last."""
        times = [
            record.timestamp
            for records in self.streams[writer].values()
            for record in records
            if hasattr(record, "timestamp")
        ]
        return (max(times) - min(times)).total_seconds() if times else 0.0

    def _snapshots(self, snapshot_id: str) -> Iterator[tuple[str, Snapshot[Metadata]]]:
        for writer, stream in self.streams.items():
            for snapshot in reversed(stream.get("snapshot", [])):
                if snapshot.snapshot_id == snapshot_id:
                    yield writer, snapshot

    def _behind_restored(self) -> Behind:
        """The earliest times of restores: another writer may have taken the snapshot, by a clock that is ahead."""
        events = (event for stream in self.streams.values() for event in stream.get("event", ()))
        restored = set(map(_restored, events)) - {None}
        behind: Behind = {}
        for _ in self.streams if restored else ():  # a snapshot may itself stand behind a restore of another writer
            known = behind
            behind = {
                record.snapshot_id: min(time, _END - _MOMENT) + _MOMENT
                for writer in self.streams
                for time, _, kind, record in self._timed(writer, known)
                if kind == "snapshot" and record.snapshot_id in restored
            }
            if behind == known:
                break
        return behind

    def _timed(self, writer: str, behind: Behind) -> Iterator[tuple[datetime, tuple[str, ...], str, Any]]:
        """A writer's records in order, each with the time and place by which it is merged, and its kind.

        The time is the latest timestamp that the writer's lines have up to it, or those of the writer that it goes on
        for: a clock that is set back does not change the order. A line without a timestamp stays behind the one before,
        and a restore, with what follows it, behind its snapshot.
        """
        stream = self.streams[writer]
        rows = sorted(((record.seq, kind, record) for kind in stream for record in stream[kind]), key=itemgetter(0))
        place = self.chain(writer)
        latest = self._latest(place[:-1], behind)
        for _, kind, record in rows:
            latest = max(latest, getattr(record, "timestamp", latest))
            if behind:
                latest = max(latest, behind.get(_restored(record), latest))
            yield latest, place, kind, record

    def _last_seq(self, writer: str, end: tuple[datetime, tuple[str, ...]], behind: Behind) -> int:
        """The last line that a writer wrote up to another's, by the time and place of that."""
        last = 0
        for time, place, _, record in self._timed(writer, behind):
            if (time, place) > end:
                break
            last = record.seq
        return last

    def chain(self, writer: str) -> tuple[str, ...]:
        """The writers that one goes on for after writes that failed, as their headers say, and itself as the last."""
        found: dict[str, None] = {}
        name: Any = writer
        while isinstance(name, str) and name in self.streams and name not in found:
            found[name] = None
            events = self.streams[name].get("event", ())
            header: dict[str, Any] = next((event.context for event in events if event.type == "segment"), {})
            continues = header.get("continues")
            name = continues.get("writer") if isinstance(continues, dict) else None
        return tuple(reversed(found))

    def _latest(self, writers: tuple[str, ...], behind: Behind) -> datetime:
        times = (
            max(record.timestamp, behind.get(_restored(record), _BEGINNING))
            for writer in writers
            for records in self.streams[writer].values()
            for record in records
            if hasattr(record, "timestamp")
        )
        return max(times, default=_BEGINNING)


def _restored(record: Any) -> str | None:
    """The snapshot that a record takes the state back to."""
    return record.snapshot_id if isinstance(record, Event) and record.type == "restore" else None


def _of_one(stream: Stream, kinds: tuple[str, ...]) -> list[Any]:
    if len(kinds) == 1:
        return stream.get(kinds[0], [])
    return sorted(chain.from_iterable(stream.get(kind, ()) for kind in kinds), key=_seq)


def _until_seq(stream: Stream, seq: int) -> Stream:
    from bisect import bisect_right  # noqa: PLC0415  (only who asks for an earlier moment needs it)

    return {kind: records[: bisect_right(records, seq, key=_seq)] for kind, records in stream.items()}
