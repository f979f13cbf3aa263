"""The lock that a writer holds while it lives, and what it tells others.

The kernel keeps the lock (an open-file-description lock, Linux 3.15 and newer), so that it is free at the instant the
process is gone, however it went. Others ask who holds it without taking it. A forked child closes its copy of the
descriptor and so does not keep a dead parent's lock. The lock file's mtime is a heartbeat, for those whom the kernel
can't tell: readers on another machine, and of a copy of the folder. Where the system has no such locks, the heartbeat
alone speaks.
"""

from __future__ import annotations

import errno
import os
import platform
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec import Struct, json

from runfolio import files
from runfolio.errors import FormatError
from runfolio.files import TRANSIENT, open_regular, read_bytes, unreadable, write_error

if TYPE_CHECKING:
    from pathlib import Path

    from runfolio.policy import Policy

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

SILENCE_SECONDS = 60.0
"""After this long without a heartbeat a writer that can't be asked is presumed dead."""

_HAS_OFD = fcntl is not None and hasattr(fcntl, "F_OFD_GETLK")
_FLOCK = struct.Struct("hhqqi4x")  # struct flock on 64-bit Linux: type, whence, start, length, pid


class Holder(Struct, frozen=True):
    """What a lock file says: who wrote it, and which very file it is, so that a copy is known as one."""

    writer: str
    pid: int
    host: str
    boot_id: str
    device: int
    inode: int


class Life(Struct, frozen=True):
    """Whether a writer lives, and how that is known: by the kernel, or presumed."""

    alive: bool
    reason: str
    is_presumed: bool = False


class Lock:
    """A writer's lock, free until it is taken."""

    def __init__(self, path: Path, writer: str, policy: Policy) -> None:
        self.path = path
        self._writer = writer
        self._mode = policy.file_mode
        self._fd = -1

    def take(self) -> None:
        """Make the file and lock it. Raises WriteError, also if there is one; what else is raised leaves none."""
        path = self.path
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), self._mode)
            if _HAS_OFD:
                fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
            found = os.fstat(self._fd)
            holder = Holder(self._writer, os.getpid(), platform.node(), boot_id(), found.st_dev, found.st_ino)
            line = json.encode(holder) + b"\n"
            if os.write(self._fd, line) != len(line):
                raise OSError(errno.ENOSPC, "it was written in part")
        except OSError as error:
            self.release(remove=True)
            raise write_error(error, path) from error
        except BaseException:  # a signal's handler raised, perhaps before the descriptor of the file is known
            files.remove(path)
            self.close()
            raise

    def release(self, *, remove: bool) -> None:
        """Let go of the lock, and remove its file if the run has ended. Safe to call twice."""
        if remove and self._fd >= 0:
            files.remove(self.path)
        self.close()

    def close(self) -> None:
        """Close this process's descriptor; in a forked child that leaves the parent's lock as it is."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with suppress(OSError):
                os.close(fd)

    def is_there(self) -> bool:
        """Whether the file still has its name: without it others take the writer for gone."""
        try:
            return os.fstat(self._fd).st_nlink > 0
        except OSError:
            return False

    def beat(self) -> None:
        """Touch the lock file, by its descriptor: the folder may be moved meanwhile."""
        with suppress(OSError):  # a missed beat is no reason to stop
            os.utime(self._fd)


def probe(path: Path, now: float) -> Life:
    """Whether the writer of this lock lives; `now` is the time since 1970, in seconds.

    The lock is not taken. Where the kernel can't tell, a minute without a heartbeat presumes that it does not, and so
    does one that is more than a minute ahead. Raises FormatError if this process can open no more files.
    """
    try:
        holder = json.decode(read_bytes(path, 4096), type=Holder)
        mtime = path.stat().st_mtime
        held = _held(path) if _HAS_OFD and holder.boot_id == boot_id() else None
        found = path.stat()
    except FileNotFoundError:
        return Life(False, "its lock file is gone")
    except (OSError, ValueError, RecursionError, FormatError) as error:
        if isinstance(error, OSError) and error.errno in TRANSIENT:
            raise unreadable(error, path) from error
        return Life(False, f"its lock file can't be read: {error}")
    if held is not None and (found.st_dev, found.st_ino) == (holder.device, holder.inode):
        who = f"its writer, process {holder.pid} on {holder.host},"
        return Life(True, f"{who} holds its lock") if held else Life(False, f"{who} is gone: its lock is free")
    return _presume(now - mtime, holder)


def boot_id() -> str:
    """An id of this boot of this machine; empty where the system has none."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:  # noqa: PTH123  (see layout.root_of)
            return file.read().strip()
    except OSError:
        return ""


def _presume(silence: float, holder: Holder) -> Life:
    who = f"its writer, process {holder.pid} on {holder.host}, can't be asked from here (another machine, or a copy)"
    if -SILENCE_SECONDS <= silence < SILENCE_SECONDS:
        return Life(True, f"{who}; its last sign of life is {max(silence, 0):.0f} s old", is_presumed=True)
    if silence < 0:
        return Life(False, f"presumed: {who}, and its last sign of life is {-silence:.0f} s ahead", is_presumed=True)
    return Life(False, f"presumed: {who}, and there is no sign of life for {silence:.0f} s", is_presumed=True)


def _held(path: Path) -> bool:
    fd = open_regular(path)
    try:
        answer = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)
    finally:
        os.close(fd)
