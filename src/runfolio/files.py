"""The files of a run folder: regular ones only are opened, they are put in place whole, and listed by what they are."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from stat import S_ISREG
from typing import TYPE_CHECKING

from runfolio import layout
from runfolio.errors import FormatError, WriteError

if TYPE_CHECKING:
    from pathlib import Path

    from runfolio.policy import Policy

_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
READ_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def open_regular(path: Path) -> int:
    """A descriptor to read a regular file by. Raises FormatError for anything else, a symbolic link included."""
    try:
        fd = os.open(path, READ_FLAGS)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _irregular(path, "a symbolic link") from error
        raise
    if not S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise _irregular(path, "no regular file")
    return fd


def read_bytes(path: Path, limit: int | None) -> bytes:
    """What a regular file holds, up to a limit of bytes. Raises FormatError, or OSError if it can't be read."""
    fd = open_regular(path)
    with os.fdopen(fd, "rb") as file:
        return file.read(limit)


def make_folder(path: Path, policy: Policy) -> None:
    """Make one folder. Raises OSError, FileExistsError if there is one of that name."""
    path.mkdir(policy.folder_mode)
    if policy.syncs:
        sync_folder(path.parent)


def create(path: Path, policy: Policy) -> int:
    """A descriptor to write a file by, empty and of the policy's mode. Raises OSError, also for a symbolic link."""
    return os.open(path, _WRITE_FLAGS, policy.file_mode)


def put(temporary: Path, path: Path, policy: Policy) -> None:
    """Give a file that was written under a temporary name its own. Raises OSError."""
    if policy.syncs:
        fd = os.open(temporary, READ_FLAGS)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    temporary.replace(path)
    if policy.syncs:
        sync_folder(path.parent)


def replace(path: Path, data: bytes, policy: Policy) -> None:
    """Put a file in place whole: a temporary file beside it, then `os.replace`. Raises WriteError.

    Unless the policy syncs it, it may be the old one or empty after a power cut.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with os.fdopen(create(temporary, policy), "wb") as file:
            file.write(data)
        put(temporary, path, policy)
    except OSError as error:
        remove(temporary)
        raise write_error(error, path) from error


def remove(path: Path) -> None:
    """Remove what a write left that failed, if it can be: what failed is told, and what is left is harmless."""
    with suppress(OSError):
        path.unlink()


def sync_folder(path: Path) -> None:
    """Have the names in a folder on the disk. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sha256(path: Path) -> tuple[int, str]:
    """The size of a regular file and the SHA-256 of what is in it, in hexadecimal."""
    from hashlib import file_digest  # noqa: PLC0415  (loads OpenSSL)

    with os.fdopen(open_regular(path), "rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
        return os.fstat(file.fileno()).st_size, digest


def journals(folder: Path) -> list[tuple[str, str, Path]]:
    """Kind, writer and path of each journal in a folder. Raises FormatError if the folder can't be read."""
    found = ((layout.parse_journal_name(name), name) for name in _names(folder))
    return [(*parsed, folder / name) for parsed, name in found if parsed is not None]


def locks(folder: Path) -> list[tuple[str, Path]]:
    """Writer and path of each lock file in a folder. Raises FormatError if the folder can't be read."""
    suffix = layout.lock_name("")
    return [(name.removesuffix(suffix), folder / name) for name in _names(folder) if name.endswith(suffix)]


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except OSError as error:
        gone = isinstance(error, (FileNotFoundError, NotADirectoryError))
        raise FormatError(
            f"no run folder at {folder}: {error.strerror}" if gone else f"{folder} can't be read: {error.strerror}",
            remedy="`runfolio ls` lists the runs" if gone else "see to the cause and try again",
            file=str(folder),
        ) from error


def result_files(folder: Path) -> Iterator[tuple[str, int]]:
    """The relative path and the size of each result file; temporary files come and go and are none."""
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder / layout.RESULTS_FOLDER) as entries:
        for entry in entries:
            name = f"{layout.RESULTS_FOLDER}/{entry.name}"
            with suppress(FileNotFoundError):
                if layout.is_result_name(name) and entry.is_file(follow_symlinks=False):
                    yield name, entry.stat(follow_symlinks=False).st_size


def write_error(error: OSError, path: Path) -> WriteError:
    """The error for a write that the operating system refused."""
    return WriteError(
        f"could not write {path}: {error.strerror or error}",
        errno=error.errno,
        remedy=_REMEDIES.get(error.errno or 0, "see to the cause and write again: what was recorded before is safe"),
        file=str(path),
    )


def _irregular(path: Path, what: str) -> FormatError:
    return FormatError(f"{path} is {what}", remedy="a run folder holds regular files only", file=str(path))


_REMEDIES = {
    errno.EDQUOT: "free some space in your quota and write again: what was recorded before is safe",
    errno.ENOSPC: "free some space on that disk and write again: what was recorded before is safe",
    errno.ENOENT: "bring the folder back and write again, or begin another run",
    errno.EMFILE: "close some files, or raise the limit of open ones (ulimit -n), and write again",
    errno.EACCES: "allow writing there, or name another root: --root, Status(root=...) or RUNFOLIO_RUNS",
    errno.EPERM: "allow writing there, or name another root: --root, Status(root=...) or RUNFOLIO_RUNS",
    errno.EROFS: "the disk is read-only: name another root with --root, Status(root=...) or RUNFOLIO_RUNS",
    errno.ENOTDIR: "a part of that path is a file: name another root with --root, Status(root=...) or RUNFOLIO_RUNS",
    errno.EEXIST: "a part of that path is a file: name another root with --root, Status(root=...) or RUNFOLIO_RUNS",
}
