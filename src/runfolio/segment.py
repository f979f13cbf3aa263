"""A segment: all that one writer writes into a run folder, under its own id, lock and count.

`seq` counts the lines over all its journals, without a gap. Nothing is ever written behind a line that failed: the
segment is then broken, and whoever wants to go on opens a fresh one.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec import Struct

from runfolio import codec, layout
from runfolio.errors import WriteError
from runfolio.journal import Journal
from runfolio.lock import Lock
from runfolio.records import SegmentFile

if TYPE_CHECKING:
    from pathlib import Path


class Segment:
    """One writer's journals. Not thread-safe: its owner holds a lock around every call."""

    def __init__(self, folder: Path, writer: str) -> None:
        self.folder = folder
        self.writer = writer
        self.seq = 0
        self.broken = False
        self.results = 0
        self.schema_ids: set[str] = set()
        self._ids: dict[str, int] = {}
        self._id_infix = "-" if writer == layout.MAIN_WRITER else f"-{writer}-"
        self._line = bytearray()
        self._journals: dict[str, Journal] = {}
        self.lock = Lock(folder / layout.lock_name(writer), writer)

    def new_id(self, noun: str) -> str:
        """The next id of this noun, of which each counts for itself.

        Ids of other writers than the first carry its id: `change-000001`, `change-x7k2-000001`.
        """
        self._ids[noun] = count = self._ids.get(noun, 0) + 1
        return noun + self._id_infix + str(count).zfill(6)

    def write(self, kind: str, record: Struct) -> None:
        """Append a record, whose `seq` is this segment's next one.

        Raises WriteError, UsageError if the record is too long for a line: then nothing was written.
        """
        codec.encode_into(record, self._line)
        try:
            (self._journals.get(kind) or self._open(kind)).append(self._line)
        except WriteError:
            self.broken = True
            raise
        self.seq += 1

    def files(self) -> list[SegmentFile]:
        """How long each journal is, by what was acknowledged."""
        return [SegmentFile(journal.path.name, journal.lines, journal.bytes) for journal in self._journals.values()]

    def new_result_file(self, decoration: str, suffix: str) -> tuple[Path, Path]:
        """The path of a new result file, and the temporary path to write it at first."""
        self.results += 1
        name = layout.result_name(self.writer, self.results, decoration, suffix)
        temporary = self.folder / layout.RESULTS_FOLDER / f".{self.writer}-{self.results:06d}.{os.getpid()}.tmp"
        return self.folder / name, temporary

    def close(self, *, ended: bool) -> None:
        """Give descriptors and lock back; the lock file goes where the run has ended. Safe to call twice."""
        self.lock.release(remove=ended)
        self._close_journals()

    def discard(self) -> None:
        """Remove a segment of which no line was acknowledged."""
        self.lock.release(remove=True)
        for journal in self._journals.values():
            with suppress(OSError):
                journal.path.unlink()
        self._close_journals()

    def abandon(self) -> None:
        """In a forked child: close the copies of the parent's descriptors, without touching its lock or files."""
        self.lock.close()
        self._close_journals()

    def _open(self, kind: str) -> Journal:
        journal = self._journals[kind] = Journal(self.folder / layout.journal_name(kind, self.writer))
        return journal

    def _close_journals(self) -> None:
        while self._journals:
            self._journals.popitem()[1].close()
