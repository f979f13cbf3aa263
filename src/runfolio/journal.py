"""Journals: append a line to one; read on from where the last read ended.

A line is appended by one `os.write` on an O_APPEND descriptor and is never touched again. A reader takes complete lines
only: what follows the last newline is not there yet, or never will be.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from runfolio.files import open_regular, place_of, remove, sync_folder, write_error
from runfolio.limits import MAX_LINE

if TYPE_CHECKING:
    from pathlib import Path

    from runfolio.policy import Policy

BLOCK = 4 * 1024 * 1024

_sync = getattr(os, "fdatasync", os.fsync)
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)


class Journal:
    """A new journal file, open to append lines to. `lines` and `bytes` count what was acknowledged."""

    __slots__ = ("_fd", "_syncs", "bytes", "lines", "path")

    def __init__(self, path: Path, policy: Policy) -> None:
        self.path = path
        self.lines = 0
        self.bytes = 0
        self._syncs = policy.syncs
        try:
            self._fd = os.open(path, _APPEND, policy.file_mode)
        except OSError as error:
            raise write_error(error, path) from error
        if self._syncs:
            try:
                sync_folder(path.parent)
            except OSError as error:
                os.close(self._fd)
                remove(path)
                raise write_error(error, path) from error

    def append(self, line: bytes | bytearray) -> None:
        """Write one line. When this returns, the line survives the end of the process, or the loss of power.

        Raises WriteError; the journal may then end in the line or a part of it, and must not be appended to again: a
        line that could not be synced is not, even if a later sync succeeds, for the system forgets it once it told.
        """
        try:
            written = os.write(self._fd, line)
            if written != len(line):
                raise OSError(errno.ENOSPC, f"{written} of {len(line)} bytes were written")
            if self._syncs:
                _sync(self._fd)
        except OSError as error:
            raise write_error(error, self.path) from error
        self.lines += 1
        self.bytes += written

    def is_there(self) -> bool:
        """Whether the file still has its name: one that was removed takes all that is written, and keeps nothing."""
        try:
            return os.fstat(self._fd).st_nlink > 0
        except OSError:
            return False

    def close(self) -> None:
        """Give the descriptor back. Raises WriteError: network file systems tell only then what they could not keep."""
        fd, self._fd = self._fd, -1  # a write that a signal's handler has interrupted must not go into another file
        try:
            os.close(fd)
        except OSError as error:
            raise write_error(error, self.path) from error


class Tail:
    """A journal as read so far: `offset` and `lines` say up to where, `rest` the bytes of an unfinished line there.

    A file that takes the place of another, or is cut, is read from its beginning; `restarts` counts how often.
    `changed` is when it last changed as of the last read, in seconds since 1970.
    """

    __slots__ = ("_place", "_searched", "_size", "changed", "lines", "offset", "path", "rest", "restarts")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        self.lines = 0
        self.rest = 0
        self.restarts = 0
        self.changed = 0.0
        self._place: tuple[int, int] | None = None
        self._searched = 0
        self._size = 0

    @property
    def has_more(self) -> bool:
        """Whether the file was longer than what was taken of it, an unfinished last line aside."""
        return self.offset + self.rest < self._size

    def is_as_it_was(self) -> bool:
        """Whether there is nothing to read that was not there the last time."""
        try:
            found = os.lstat(self.path)
        except OSError:
            return False
        return found.st_size == self._size and (found.st_dev, found.st_ino) == self._place and not self.has_more

    def read(self) -> Iterator[Lines]:
        """The complete lines behind the offset, block by block.

        The offset moves on as each block is taken; who stops in between can read on later. A line longer than any
        writer writes comes as an empty one.
        Raises FormatError if the path is no regular file, OSError if it can't be read.
        """
        try:
            fd = open_regular(self.path)
        except FileNotFoundError:
            return
        try:
            size = self._begin(*place_of(fd, self.path))
            while self.offset < size:
                length, lines = _complete_lines(fd, self.offset, size, self._searched)
                if not length:
                    self._searched = size
                    break
                taken = Lines(self.lines + 1, self.offset, lines)
                self.offset += length
                self.lines += len(lines)
                self.rest = 0
                yield taken
            self.rest = max(size - self.offset, 0)
        finally:
            os.close(fd)

    def _begin(self, place: tuple[int, int], found: os.stat_result) -> int:
        """The size of the file, which is read anew if it is another one or was cut."""
        if self._place not in (None, place) or found.st_size < self.offset:
            self.offset = self.lines = self.rest = self._searched = 0
            self.restarts += 1
        self._place, self._size, self.changed = place, found.st_size, found.st_ctime
        return found.st_size


class Lines(Struct, frozen=True):
    """Consecutive lines of a journal without their newlines: the first one's number, from 1, and its byte offset."""

    first: int
    offset: int
    lines: list[bytes]


def _complete_lines(fd: int, offset: int, size: int, searched: int) -> tuple[int, list[bytes]]:
    """The complete lines of a block, and how many bytes they take; none where no line ends before `size`.

    Up to `searched` no line of more than a line's length is known to end: that is not searched again.
    """
    end = 0
    length = BLOCK
    while not end and length <= MAX_LINE:
        block = os.pread(fd, min(length, size - offset), offset)
        end = block.rfind(b"\n") + 1
        if not end and len(block) < length:
            return 0, []
        length *= 4
    if end:
        return end, block[: end - 1].split(b"\n")
    length = _endless_line(fd, offset, size, max(offset, searched))
    return length, [b""] if length else []


def _endless_line(fd: int, offset: int, size: int, start: int) -> int:
    """The length, its newline included, of a line too long to be one; 0 if it does not end."""
    position = _next_data(fd, start, size)
    while position < size:
        end = os.pread(fd, min(BLOCK, size - position), position).find(b"\n") + 1
        if end:
            return position + end - offset
        position = _next_data(fd, position + BLOCK, size)
    return 0


def _next_data(fd: int, position: int, size: int) -> int:
    """Where there is something in a file from there on: a hole of any length holds no line's end."""
    try:
        return os.lseek(fd, position, os.SEEK_DATA)
    except (AttributeError, OSError) as error:  # the system, or this file system, tells of no holes
        return size if getattr(error, "errno", None) == errno.ENXIO else position
