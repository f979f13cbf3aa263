"""A segment: all that one writer writes into a run folder, under its own id, lock and count.

`seq` counts the lines over all its journals, without a gap. Nothing is ever written behind a line that failed, nor into
a folder that is gone: the segment is then broken, and whoever wants to go on opens a fresh one.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import force_setattr

from runfolio import codec, layout
from runfolio.errors import WriteError
from runfolio.files import remove, write_error
from runfolio.heartbeat import Heartbeat
from runfolio.journal import Journal
from runfolio.lock import Lock
from runfolio.records import SegmentFile

if TYPE_CHECKING:
    from pathlib import Path

    from runfolio.policy import Policy


class Ids:
    """Ids of records, of which each noun counts for itself.

    Those of other writers than the first carry its id: `change-000001`, `change-x7k2-000001`.
    """

    def __init__(self, writer: str) -> None:
        self._counts: dict[str, count[int]] = {}
        self._infix = "-" if writer == layout.MAIN_WRITER else f"-{writer}-"

    def new(self, noun: str) -> str:
        """The next id of this noun."""
        counts = self._counts.get(noun) or self._counts.setdefault(noun, count(1))
        return noun + self._infix + str(next(counts)).zfill(6)


class Segment:
    """One writer's journals. Not thread-safe: its owner holds a lock around every call.

    `is_over` tells twice a second whether another process has ended the run. `lose` takes what can't be written, the
    kind of it and the error; without it the error is raised.
    """

    def __init__(self, folder: Path, writer: str, policy: Policy, is_over: Callable[[], bool] | None = None) -> None:
        self.folder = folder
        self.writer = writer
        self.policy = policy
        self.seq = 0
        self.broken = False
        self.busy = False
        """Whether a record is being written: a signal's handler that records finds it so, in the same thread."""
        self.error: WriteError | None = None
        self.results = 0
        self.schema_ids: set[str] = set()
        self.lose: Callable[[str, WriteError], None] | None = None
        self.new_id = Ids(writer).new
        self._is_over = is_over
        self._line = bytearray()
        self._journals: dict[str, Journal] = {}
        self.lock = Lock(folder / layout.lock_name(writer), writer, policy)
        self._heartbeat = Heartbeat(self._look, self.lock.beat)
        self._place = 0, 0

    def open(self) -> None:
        """Take the lock, and begin to show that this writer lives. Raises WriteError.

        Whatever is raised, `discard` or `close` gives all back.
        """
        self.lock.take()
        try:
            found = self.folder.stat()
            self._place = found.st_dev, found.st_ino
            self._heartbeat.start()
        except OSError as error:
            raise write_error(error, self.folder) from error

    def write(self, kind: str, record: Struct) -> bool:
        """Give a record this segment's next `seq` and append it; False if it is lost, and that is counted.

        Whatever else is raised on the way, such as KeyboardInterrupt, breaks the segment as an error does.

        Raises WriteError, UsageError if the record is too long for a line: then nothing was written.
        """
        self.busy = True
        try:
            force_setattr(record, "seq", self.seq + 1)
            codec.encode_into(record, self._line)
            return self._write(kind)
        finally:
            self.busy = False

    def _write(self, kind: str) -> bool:
        try:
            if self.broken:
                raise self._displaced() or self._gone()
            (self._journals.get(kind) or self._open(kind)).append(self._line)
            self.seq += 1
        except WriteError as error:
            self.broken, self.error = True, error.again()
            if self.lose is None:
                raise
            self.lose(kind, error)
            return False
        except BaseException:  # a signal's handler raised: the line may stand there, and its number is not free
            self.broken = True
            raise
        return True

    def append(self, kind: str, record: Struct) -> None:
        """The same, but what can't be written is raised in any case."""
        lose, self.lose = self.lose, None
        try:
            self.write(kind, record)
        finally:
            self.lose = lose

    def files(self) -> list[SegmentFile]:
        """How long each journal is, by what was acknowledged."""
        return [SegmentFile(journal.path.name, journal.lines, journal.bytes) for journal in self._journals.values()]

    def new_result_file(self, decoration: str, suffix: str) -> tuple[Path, Path]:
        """The path of a new result file, and the temporary path to write it at first. Raises WriteError."""
        displaced = self._displaced()
        if displaced:
            raise displaced
        self.results += 1
        name = layout.result_name(self.writer, self.results, decoration, suffix)
        temporary = self.folder / layout.RESULTS_FOLDER / f".{self.writer}-{self.results:06d}.tmp"
        return self.folder / name, temporary

    def close(self, *, ended: bool) -> None:
        """Give descriptors and lock back; the lock file goes where the run has ended. Safe to call twice.

        Raises WriteError if the system tells only now that it could not keep a journal; all is given back even so.
        """
        self.broken = True
        self._heartbeat.stop()
        failed = self._close_journals()
        self.lock.release(remove=ended)
        if failed:
            raise failed

    def discard(self) -> None:
        """Remove a segment of which no line was acknowledged."""
        self._heartbeat.stop()
        for journal in self._journals.values():
            remove(journal.path)
        self._close_journals()
        self.lock.release(remove=True)

    def abandon(self) -> None:
        """In a forked child: close the copies of the parent's descriptors, without touching its lock or files."""
        self.lock.close()
        self._close_journals()

    def _look(self) -> None:
        """See whether what is written still arrives, and whether the run still goes on."""
        there = not self._displaced() and self.lock.is_there()
        with suppress(RuntimeError):  # a journal was opened meanwhile: there is a next time
            there = there and all(journal.is_there() for journal in self._journals.values())
        if not there or (self._is_over is not None and self._is_over()):
            self.broken = True

    def _displaced(self) -> WriteError | None:
        """Why nothing can be made in the folder by its name: it can't be asked, or is not the one it was; else None."""
        try:
            found = self.folder.stat()
        except FileNotFoundError:
            return self._gone()
        except OSError as error:
            return write_error(error, self.folder)
        return None if (found.st_dev, found.st_ino) == self._place else self._gone()

    def _gone(self) -> WriteError:
        return write_error(OSError(errno.ENOENT, "it was closed, moved, removed or replaced"), self.folder)

    def _open(self, kind: str) -> Journal:
        displaced = self._displaced()
        if displaced:
            raise displaced
        path = self.folder / layout.journal_name(kind, self.writer)
        journal = self._journals[kind] = Journal(path, self.policy)
        return journal

    def _close_journals(self) -> WriteError | None:
        """Close all; the first error that the system had kept until now."""
        failed = None
        while self._journals:
            try:
                self._journals.popitem()[1].close()
            except WriteError as error:
                failed = failed or error
        return failed
