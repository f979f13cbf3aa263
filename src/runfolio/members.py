"""Members: the files of a run that was archived, each a stretch of the bytes of one zip file.

An archive holds one folder, the run's, and its files are stored, not deflated: a member's bytes are the file's own. Who
opens one gets a copy that has no name and goes when it is closed, so that whatever reads files reads these as well. The
form is that of PKWARE's APPNOTE 6.3; names, sizes and places are what the central directory says, and nothing else of
the zip is believed.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from stat import S_ISREG

from msgspec import Struct

from runfolio.errors import FormatError
from runfolio.limits import MAX_DIRECTORY

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOCTTY", 0)
_DEPTH = 2
"""So far below the archive its files are: in the run's folder, or in the one of results."""
_BLOCK = 1024 * 1024
_ENCRYPTED = 0x1
_LOCAL = struct.Struct("<4s22xHH")
_END = struct.Struct("<4s8xLLH")
_WIDE_END = struct.Struct("<4s36xQQ")
_LOCATOR = struct.Struct("<4s4xQ4x")


class Member(Struct, frozen=True):
    """One file: its size, and where its local header begins, which is followed by its bytes."""

    bytes: int
    header: int


Place = tuple[str, int, int, int, int]
"""The path of a zip file, and the device, inode, time of change and size by which it is known to be the same."""


def archive_of(path: Path) -> tuple[Place, str] | None:
    """The archive that a path leads into, and the member's name in the run's folder; None where there is none."""
    for depth, parent in zip(range(_DEPTH), path.parents, strict=False):
        place = place_of(parent)
        if place is not None:
            return place, "/".join(path.parts[-depth - 1 :])
    return None


def place_of(path: Path) -> Place | None:
    """The place of a regular file; None of anything else, and where there is nothing."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return (str(path), found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size) if S_ISREG(found.st_mode) else None


def open_member(path: Path) -> int:
    """A descriptor to read an archived file by: a copy, of which nothing stays when it is closed.

    Raises NotADirectoryError where the path leads into no archive, FileNotFoundError where that has no such member,
    FormatError for an archive that can't be read in place, OSError (ENOMEM) where there is no room for the copy.
    """
    found = archive_of(path)
    if found is None:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
    place, name = found
    member = members(place).get(name)
    if member is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    return _copy(place[0], member)


def identity(path: Path) -> tuple[int, int] | None:
    """The archive's inode and where in it a file is: the same each time that the file is opened; None of no member."""
    found = archive_of(path)
    member = members(found[0]).get(found[1]) if found else None
    return None if found is None or member is None else (found[0][2], member.header)


@lru_cache(maxsize=16)
def members(place: Place) -> dict[str, Member]:
    """The files of an archived run by their paths in its folder. Raises FormatError for any other zip or file."""
    from zipfile import ZIP_STORED, BadZipFile, ZipFile  # noqa: PLC0415  (few runs are archived)

    path, size = place[0], place[-1]
    try:
        with open(os.open(path, _FLAGS), "rb") as file:  # noqa: PTH123  (a descriptor)
            _admit(file.fileno(), size)
            with ZipFile(file) as archive:
                listed = [info for info in archive.infolist() if not info.is_dir()]
    except (BadZipFile, NotImplementedError, UnicodeDecodeError, ValueError, struct.error, OSError) as error:
        raise _refused(path, str(error) or type(error).__name__) from error
    folders = {info.filename.partition("/")[0] for info in listed}
    if len(folders) != 1:
        raise _refused(path, f"it holds {len(folders)} folders in place of one run's")
    found: dict[str, Member] = {}
    for info in listed:
        name = info.filename.partition("/")[2]
        if not name or name in found:
            what = "there twice" if name else "in no folder"
            raise _refused(path, f"its member {info.filename!r} is {what}")
        if info.compress_type != ZIP_STORED or info.compress_size != info.file_size or info.flag_bits & _ENCRYPTED:
            raise _refused(path, f"its member {info.filename!r} is compressed or encrypted")
        found[name] = Member(info.file_size, info.header_offset)
    return found


def _admit(fd: int, size: int) -> None:
    """Raise ValueError where the central directory, which is read whole, is too long, or is not where it belongs."""
    signature, length, _, comment = _END.unpack(os.pread(fd, _END.size, max(size - _END.size, 0)))
    if signature != b"PK\5\6" or comment:
        raise ValueError("it does not end as a zip file does")
    locator = os.pread(fd, _LOCATOR.size, max(size - _END.size - _LOCATOR.size, 0))
    if locator[:4] == b"PK\6\7":
        wide = os.pread(fd, _WIDE_END.size, size - _END.size - _LOCATOR.size - _WIDE_END.size)
        if wide[:4] != b"PK\6\6":
            raise ValueError("it does not end as a zip file of that size does")
        length = max(length if length != 2**32 - 1 else 0, _WIDE_END.unpack(wide)[1])
    if length > MAX_DIRECTORY:
        raise ValueError(f"its directory takes {length:,} bytes, and {MAX_DIRECTORY:,} are read")


def _copy(path: str, member: Member) -> int:
    """Raises FormatError where the member is not there, OSError where there is no room for the copy."""
    from tempfile import TemporaryFile  # noqa: PLC0415  (few runs are archived)

    source = os.open(path, _FLAGS)
    try:
        signature, name, extra = _LOCAL.unpack(os.pread(source, _LOCAL.size, member.header).ljust(_LOCAL.size, b"\0"))
        if signature != b"PK\3\4":
            raise _refused(path, f"there is no file at byte {member.header}")
        offset, left = member.header + _LOCAL.size + name + extra, member.bytes
        with _told(), TemporaryFile(buffering=0) as copy:
            while left:
                block = os.pread(source, min(_BLOCK, left), offset)
                if not block:
                    raise _refused(path, f"it ends {left:,} bytes before a file of it does")
                copy.write(block)
                offset, left = offset + len(block), left - len(block)
            copy.seek(0)
            return os.dup(copy.fileno())
    finally:
        os.close(source)


@contextmanager
def _told() -> Iterator[None]:
    """What keeps a copy from being made is nothing that is wrong with the archive: an error of this process's."""
    try:
        yield
    except OSError as error:
        what = f"no copy in temporary storage, the folder that TMPDIR names: {error.strerror}"
        raise OSError(errno.ENOMEM, what) from error


def _refused(path: str, why: str) -> FormatError:
    return FormatError(
        f"{path} can't be read as an archived run: {why}",
        remedy="unpack it and read the folder; `runfolio archive` makes an archive that is read in place",
        file=path,
    )
