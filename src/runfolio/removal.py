"""Removal: what of a root may be removed at all, and by one process at a time.

Nothing but runs is: a folder that does not say that it is one is left, one that holds anything else than a run's files
too, and no link is followed.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from runfolio import layout, manifest
from runfolio.errors import RunfolioError, UsageError
from runfolio.files import locks, modes, write_error
from runfolio.history import scan as records_of
from runfolio.lock import probe
from runfolio.records import Header, State, converted

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_GOING = re.compile(r"\..+\.[a-z0-9]{8}\.going")


def going_name(name: str) -> str:
    """The name of a folder that goes, by which it is no run any more; or of one that is being made in its place."""
    return f".{name}.{layout.token(8)}.going"


def is_going(name: str, of: str | None = None) -> bool:
    """Whether a folder has such a name; one made of that of a certain run.

    >>> is_going(going_name("run")), is_going(going_name("run"), of="other"), is_going("run")
    (True, False, False)
    """
    return _GOING.fullmatch(name) is not None and (of is None or name[1 : -len(".12345678.going")] == of)


def reason_to_stay(folder: Path, state: State | None) -> str | None:
    """Why a folder is not to be removed; None if it may."""
    try:
        alive = next((life for _, path in locks(folder) if (life := probe(path, time.time())).alive), None)
        if alive is not None:
            return f"it is written to: {alive.reason}"
        if state is None or not _is_told(folder):
            return "it can't be read as a run"
        foreign = stranger(folder)
    except (RunfolioError, OSError) as error:
        return f"it can't be read: {error}"
    return None if foreign is None else f"it holds {foreign}, which is no file of a run"


def _is_told(folder: Path) -> bool:
    """Whether a folder says of itself that it is a run: by its `run.json`, or the first line of its writer."""
    with suppress(RunfolioError):
        manifest.read(folder)
        return True
    first = next(iter(records_of(folder, "event", layout.MAIN_WRITER)), None)
    return converted(getattr(first, "context", None), Header) is not None


def stranger(folder: Path) -> str | None:
    """The first name in a run folder that is no file of a run; None if there is none. Raises OSError."""
    for name, mode in modes(folder).items():
        if name == layout.RESULTS_FOLDER and S_ISDIR(mode):
            inner = modes(folder / name).items()
            found = (below for below, mode in inner if not (S_ISREG(mode) and _is_result(below)))
            first = next(found, None)
            if first is not None:
                return f"{name}/{first}"
        elif not (S_ISREG(mode) and (layout.is_own(name) or _is_temporary(name))):
            return name
    return None


def _is_result(name: str) -> bool:
    return layout.is_result_name(f"{layout.RESULTS_FOLDER}/{name}") or _is_temporary(name)


def _is_temporary(name: str) -> bool:
    return name.startswith(".") and name.endswith(".tmp")


@contextmanager
def alone_under(root: Path) -> Iterator[int]:
    """A descriptor of the root for the one process that removes runs under it."""
    try:
        fd = os.open(root, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0))
    except OSError as error:
        raise write_error(error, root) from error
    try:
        if fcntl is not None:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                what = f"another process is removing runs under {root}"
                raise UsageError(what, remedy="wait until it has ended") from error
            except OSError:  # a file system without locks
                pass
        yield fd
    finally:
        os.close(fd)


def clear(fd: int, name: str) -> str | None:
    """Remove a folder below the root, following no link; why that failed, or None."""
    try:
        shutil.rmtree(name, dir_fd=fd)
    except OSError as error:
        return error.strerror or str(error)
    return None
