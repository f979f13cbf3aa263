"""The files of a run folder: regular ones only are opened, they are put in place whole, and listed by what they are."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from stat import S_IFDIR, S_IFREG, S_ISREG
from typing import TYPE_CHECKING

from runfolio import layout
from runfolio.errors import FormatError, WriteError

if TYPE_CHECKING:
    from pathlib import Path

    from runfolio.policy import Policy

_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
_HARMLESS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NOCTTY", 0)
READ_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _HARMLESS
_FOLDER_FLAGS = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _HARMLESS
TRANSIENT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Errors of the reading process, not of what it reads: a moment later it may be read."""

_HAS_DESCRIPTORS = os.open in os.supports_dir_fd and os.scandir in os.supports_fd


def open_regular(path: Path) -> int:
    """A descriptor to read a regular file by. Raises FormatError for anything else, a symbolic link included.

    The folder is the one that the path leads to, by links if it has any: `open_within` is for a run folder's files.
    """
    return _open_regular(path, str(path), None)


def open_within(folder: Path, name: str) -> int:
    """The same for a file by its path within a run folder. No link is followed, in whatever place of that path.

    Raises FormatError, and OSError if the file can't be opened.
    """
    inner, _, last = name.rpartition("/")
    if not inner:
        return open_regular(folder / name)
    try:
        with _folder(folder / inner) as fd:
            return _open_regular(folder / name, str(folder / name) if fd is None else last, fd)
    except NotADirectoryError as error:
        with suppress(NotADirectoryError):
            return _open_member(folder / name)
        raise _irregular(folder / inner, "no folder") from error


def _open_member(path: Path) -> int:
    """The same for a file of an archived run. Raises NotADirectoryError if the path leads into none."""
    from runfolio import members  # noqa: PLC0415  (few runs are archived)

    return members.open_member(path)


@contextmanager
def _folder(path: Path) -> Iterator[int | None]:
    """A descriptor of a folder, which stays that folder whatever takes its name; None where the system has no such.

    Raises NotADirectoryError, also for a symbolic link.
    """
    if not _HAS_DESCRIPTORS:
        if path.is_symlink():
            raise NotADirectoryError(errno.ENOTDIR, "a symbolic link", str(path))
        yield None
        return
    fd = os.open(path, _FOLDER_FLAGS)
    try:
        yield fd
    finally:
        os.close(fd)


def _open_regular(path: Path, name: str, folder: int | None) -> int:
    try:
        fd = os.open(name, READ_FLAGS, dir_fd=folder)
    except NotADirectoryError:
        return _open_member(path)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _irregular(path, "a symbolic link") from error
        raise
    try:
        is_regular = S_ISREG(os.fstat(fd).st_mode)
    except OSError:
        os.close(fd)
        raise
    if not is_regular:
        os.close(fd)
        raise _irregular(path, "no regular file")
    return fd


def read_bytes(path: Path, limit: int | None) -> bytes:
    """What a regular file holds, up to a limit of bytes. Raises FormatError, or OSError if it can't be read."""
    fd = open_regular(path)
    with os.fdopen(fd, "rb") as file:
        return file.read(limit)


def path_of(fd: int, path: Path) -> str:
    """A path by which another library opens the file that a descriptor has open, whatever took its name since."""
    own = f"/dev/fd/{fd}"
    return own if os.path.exists(own) else str(path)  # noqa: PTH110  (it is asked before each table is read)


def make_folder(path: Path, policy: Policy) -> None:
    """Make one folder. Raises OSError, FileExistsError if there is one of that name."""
    path.mkdir(policy.folder_mode)
    if policy.syncs:
        sync_folder(path.parent)


def create(path: Path, policy: Policy) -> int:
    """A descriptor to write a file by, empty and of the policy's mode. Raises OSError, also for a symbolic link."""
    return os.open(path, _WRITE_FLAGS, policy.file_mode)


def beside(path: Path) -> Path:
    """A temporary name for a file or folder, beside its own; no other process has the same, whatever its id."""
    return path.with_name(f".{path.name}.{layout.token(8)}.tmp")


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
    temporary = beside(path)
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
    return sha256_of(open_regular(path))


def sha256_of(fd: int) -> tuple[int, str]:
    """The same of an open file, which is closed then."""
    from hashlib import file_digest  # noqa: PLC0415  (loads OpenSSL)

    with os.fdopen(fd, "rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
        return os.fstat(file.fileno()).st_size, digest


def first_hole(fd: int) -> int | None:
    """Where the first hole of an open file begins; None if it has none, or the system can't tell."""
    try:
        hole = os.lseek(fd, 0, os.SEEK_HOLE)
    except (AttributeError, OSError):
        return None
    size = os.lseek(fd, 0, os.SEEK_END)
    os.lseek(fd, 0, os.SEEK_SET)
    return hole if hole < size else None


def journals(folder: Path) -> list[tuple[str, str, Path]]:
    """Kind, writer and path of each journal in a folder. Raises FormatError if the folder can't be read."""
    found = ((layout.parse_journal_name(name), name) for name in names_of(folder))
    return [(*parsed, folder / name) for parsed, name in found if parsed is not None]


def locks(folder: Path) -> list[tuple[str, Path]]:
    """Writer and path of each lock file in a folder. Raises FormatError if the folder can't be read."""
    suffix = layout.lock_name("")
    return [(name.removesuffix(suffix), folder / name) for name in names_of(folder) if name.endswith(suffix)]


def modes(folder: Path) -> dict[str, int]:
    """The names in a run folder, in order, with the mode of each; a link is not followed. Raises OSError.

    An archived run has files, and a folder of results.
    """
    try:
        with os.scandir(folder) as entries:
            found = list(_modes(entries))
    except NotADirectoryError:
        names = _archived(folder)
        if names is None:
            raise
        found = [(name, S_IFDIR if inner else S_IFREG) for name, inner, _ in (path.partition("/") for path in names)]
    return dict(sorted(found))


def _modes(entries: Iterator[os.DirEntry[str]]) -> Iterator[tuple[str, int]]:
    for entry in entries:
        with suppress(OSError):  # it was removed meanwhile
            yield os.fsencode(entry.name).decode(errors="replace"), entry.stat(follow_symlinks=False).st_mode


def _archived(folder: Path) -> dict[str, int] | None:
    """The files of an archived run by their names, with their sizes; None of what is no archive."""
    from runfolio import members  # noqa: PLC0415  (few runs are archived)

    place = members.place_of(folder)
    return None if place is None else {name: member.bytes for name, member in members.members(place).items()}


def is_there(folder: Path, name: str) -> bool:
    """Whether a run folder, or an archived run, has a file of that name, of whatever kind."""
    return os.path.lexists(folder / name) or name in (_archived(folder) or ())


def place_of(fd: int, path: Path) -> tuple[tuple[int, int], os.stat_result]:
    """What tells an open file from another that takes its name, and what the system says of it."""
    found = os.fstat(fd)
    if found.st_nlink == 0:  # it is the copy of an archived one, or was removed
        from runfolio import members  # noqa: PLC0415  (few runs are archived)

        return members.identity(path) or (found.st_dev, found.st_ino), found
    return (found.st_dev, found.st_ino), found


def names_of(folder: Path) -> list[str]:
    """The names in a run folder, in order. Raises FormatError if it can't be read."""
    try:
        return sorted(path.name for path in folder.iterdir())
    except NotADirectoryError as error:
        names = _archived(folder)
        if names is None:
            raise _gone(error, folder) from error
        return sorted(name for name in names if "/" not in name)
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            raise unreadable(error, folder) from error
        raise _gone(error, folder) from error


def _gone(error: OSError, folder: Path) -> FormatError:
    return FormatError(
        f"no run folder at {folder}: {error.strerror}", remedy="`runfolio ls` lists the runs", file=str(folder)
    )


def result_files(folder: Path) -> Iterator[tuple[str, int]]:
    """The relative path and the size of each result file; temporary files come and go and are none.

    Where the folder of results is a symbolic link there are none. Raises OSError if it can't be read.
    """
    results = folder / layout.RESULTS_FOLDER
    try:
        with _folder(results) as fd, os.scandir(results if fd is None else fd) as entries:
            found = [found for entry in entries if (found := _result_file(entry)) is not None]
    except FileNotFoundError:
        return
    except NotADirectoryError:
        found = [(name, size) for name, size in (_archived(folder) or {}).items() if layout.is_result_name(name)]
    yield from found


def journal_bytes(folder: Path) -> int:
    """The bytes of all journals. Raises FormatError if the folder can't be read, OSError if one can't."""
    archived = _archived(folder)
    if archived is not None:
        return sum(size for name, size in archived.items() if layout.parse_journal_name(name))
    return sum(path.lstat().st_size for _, _, path in journals(folder))


def _result_file(entry: os.DirEntry[str]) -> tuple[str, int] | None:
    name = f"{layout.RESULTS_FOLDER}/{entry.name}"
    if layout.is_result_name(name):
        with suppress(FileNotFoundError):
            found = entry.stat(follow_symlinks=False)
            return (name, found.st_size) if S_ISREG(found.st_mode) else None
    return None


def write_error(error: OSError, path: Path) -> WriteError:
    """The error for a write that the operating system refused."""
    return WriteError(
        f"could not write {path}: {error.strerror or error}",
        errno=error.errno,
        remedy=_REMEDIES.get(error.errno or 0, "see to the cause and write again: what was recorded before is safe"),
        file=str(path),
    )


def unreadable(error: OSError, path: Path) -> FormatError:
    """The error for what the operating system does not let be read."""
    remedy = _REMEDIES[errno.EMFILE] if error.errno == errno.EMFILE else "see to the cause and try again"
    return FormatError(f"{path} can't be read: {error.strerror}", remedy=remedy, file=str(path))


def _irregular(path: Path, what: str) -> FormatError:
    return FormatError(f"{path} is {what}", remedy="a run folder holds regular files only", file=str(path))


_REMEDIES = {
    errno.EDQUOT: "free some space in your quota and write again: what was recorded before is safe",
    errno.ENOSPC: "free some space on that disk and write again: what was recorded before is safe",
    errno.ENOENT: "bring the folder back and write again, or begin another run",
    errno.EMFILE: "close some files, or raise the limit of open ones (ulimit -n), and try again",
    errno.EACCES: "allow writing there, or name another root: --root, Status(root=...) or RUNFOLIO_RUNS",
    errno.EPERM: "allow writing there, or name another root: --root, Status(root=...) or RUNFOLIO_RUNS",
    errno.EROFS: "the disk is read-only: name another root with --root, Status(root=...) or RUNFOLIO_RUNS",
    errno.ENOTDIR: "a part of that path is a file: name another root with --root, Status(root=...) or RUNFOLIO_RUNS",
    errno.EEXIST: "a file has that name already: see whose it is, move it away and write again",
}
