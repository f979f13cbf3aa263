"""archive: one zip file of a run that is over, which every reader reads in place; the folder stays as it is.

Files are stored in it, not deflated: Parquet is compressed already, and so a file is a stretch of the zip's bytes. Who
unpacks it has the run's folder again. See `runfolio.members` for what reads it.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from os import PathLike
from pathlib import Path
from shutil import copyfileobj
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from msgspec import Struct

from runfolio import layout
from runfolio import root as roots
from runfolio.errors import DamageError, UsageError
from runfolio.files import beside, modes, names_of, open_within, remove, result_files, sync_folder, write_error
from runfolio.run import Run
from runfolio.verification import check, is_alive

_CHUNK = 1024 * 1024
_FIRST_TIME = 315_532_800
"""1980, in seconds since 1970: a zip file has no time before."""


class Archived(Struct, frozen=True, kw_only=True):
    """What was archived: the run, the path of the archive, its files and bytes.

    `left_out` are the names in the folder that are no files of the run: they are not in the archive.
    """

    run_id: str
    path: str
    files: int
    bytes: int
    left_out: list[str]


def archive(
    run: str | PathLike[str], *, root: str | PathLike[str] | None = None, to: str | PathLike[str] | None = None
) -> Archived:
    """Make one zip file of a run that is over: beside its folder, or as the file `to`, whose name ends in `.zip`.

    `run` and `root` are as for `load_run`, and so is the archive's path: what reads a run reads the archive in its
    place. Before this returns the archive was read back, checked whole, and is on the disk. A damaged run is archived
    as it is. The folder stays; locks are left out.

    Raises UsageError if someone writes to the run, it is an archive, or `to` is there already; DamageError if the
    archive does not read as the folder does; WriteError; and what `load_run` raises.

    >>> from runfolio import Status, load_run
    >>> from runfolio.archive import archive
    >>> with Status(name="people", root=root) as status:
    ...     status.log("nothing to do")["level"]
    'info'
    >>> archived = archive(status.folder)
    >>> load_run(archived.path).name
    'people'
    """
    folder = roots.find(run, root)
    if roots.is_archive(str(folder)):
        raise UsageError(f"{folder} is an archive", remedy="name the folder of a run")
    source = Run(folder)
    if is_alive(source) or source.state == "in_progress":
        raise UsageError(
            f"{folder} can't be archived: it is still written to", remedy="wait until its writer has ended"
        )
    target = _target(folder, to)
    temporary = beside(target).with_suffix(layout.ARCHIVE_SUFFIX)
    names = _files(folder)
    try:
        _write(folder, names, temporary)
        _compare(source, temporary)
        _put(temporary, target)
    except FileExistsError as error:
        raise _there_already(target) from error
    except OSError as error:
        raise write_error(error, target) from error
    finally:
        remove(temporary)
    return Archived(
        run_id=source.run_id or folder.name,
        path=str(target),
        files=len(names),
        bytes=target.stat().st_size,
        left_out=_left_out(folder),
    )


def _target(folder: Path, to: str | PathLike[str] | None) -> Path:
    home = folder.resolve()
    if to is None:
        target = home.with_name(home.name + layout.ARCHIVE_SUFFIX)
    else:
        target = Path(layout.path_text(to, "to")).absolute()
    if target.suffix != layout.ARCHIVE_SUFFIX:
        raise UsageError(f"{target} has no name of an archive", remedy="let it end in .zip", key="to")
    if home in Path(os.path.realpath(target)).parents:
        raise UsageError(f"{target} is in the run's own folder", remedy="name a file outside of it", key="to")
    if os.path.lexists(target):
        raise _there_already(target)
    return target


def _there_already(target: Path) -> UsageError:
    return UsageError(f"{target} is there already", remedy="name a file that is not there yet", key="to")


def _put(temporary: Path, target: Path) -> None:
    """Give the archive its name, and take no one else's. Raises FileExistsError, OSError."""
    try:
        os.link(temporary, target)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
            raise
        temporary.rename(target)  # the file system has no links
    sync_folder(target.parent)


def _files(folder: Path) -> list[str]:
    """The run's files: what a reader reads first comes first."""
    found = modes(folder)
    own = [name for name in names_of(folder) if layout.is_own(name) and stat.S_ISREG(found.get(name, 0))]
    own = [name for name in own if not layout.is_lock_name(name)]
    own.sort(key=lambda name: name != layout.RUN_FILE)
    return own + sorted(name for name, _ in result_files(folder))


def _left_out(folder: Path) -> list[str]:
    known = {layout.RESULTS_FOLDER, *_files(folder)}
    return [name for name in modes(folder) if name not in known and not layout.is_lock_name(name)]


def _write(folder: Path, names: list[str], temporary: Path) -> None:
    with open(os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:  # noqa: PTH123
        os.fchmod(file.fileno(), stat.S_IMODE(folder.stat().st_mode) & 0o666)
        with ZipFile(file, "w", ZIP_STORED) as target:
            for name in names:
                _add(target, folder, name)
        file.flush()
        os.fsync(file.fileno())


def _add(target: ZipFile, folder: Path, name: str) -> None:
    with os.fdopen(open_within(folder, name), "rb") as source:
        found = os.fstat(source.fileno())
        moment = time.gmtime(max(found.st_mtime, _FIRST_TIME))[:6]
        info = ZipInfo(f"{folder.resolve().name}/{name}", moment)
        info.external_attr = (stat.S_IFREG | stat.S_IMODE(found.st_mode)) << 16
        info.file_size = found.st_size
        with target.open(info, "w") as member:
            copyfileobj(source, member, _CHUNK)


def _compare(source: Run, temporary: Path) -> None:
    """Raise DamageError if the archive is not what the folder is; what is wrong with that is so in both."""
    before, after = check(source), check(Run(temporary))
    if after.findings != before.findings or after.lines != before.lines:
        raise DamageError(
            f"the archive of {source.folder} does not read as the folder does",
            remedy="see `runfolio verify`, and try again if someone was writing to it",
            file=str(source.folder),
        )
