"""Amendments: a name, tags and notes that a run is given later, each an event in a segment of its own.

Nothing that was written is touched but `run.json` and SHA256SUMS, which are replaced when the event is there. One that
is killed in between leaves these two as they were: `verify` tells, and the next amendment mends it.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from os import PathLike
from typing import TYPE_CHECKING

from msgspec import structs, to_builtins

from runfolio import layout, manifest
from runfolio import root as roots
from runfolio.arguments import text, texts
from runfolio.attempt import refuse_archive
from runfolio.clock import SYSTEM, in_utc
from runfolio.errors import UsageError
from runfolio.files import unreadable, write_error
from runfolio.lock import boot_id
from runfolio.naming import amendment_of
from runfolio.policy import Policy, access_of
from runfolio.records import Amendment, Event, Header
from runfolio.run import Run
from runfolio.segment import Segment
from runfolio.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

ENDED = ("completed", "failed")

PATIENCE_SECONDS = 10.0
"""So long a writer that has said that its run ended may take for its totals."""

_FOLDER_FLAGS = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)


def rename(run: str | PathLike[str], name: str, *, root: str | PathLike[str] | None = None) -> Event:
    """Give a run another name; its id and its folder stay. Returns the event of type `amend` that says so.

    `run` and `root` are as for `load_run`. The run has ended, was interrupted, or goes on. Raises UsageError if the
    name is empty, or the run an archive; NotFoundError; FormatError if `run.json` is damaged; WriteError.

    >>> from runfolio import Status, load_run
    >>> with Status(name="trial", root=root) as status:
    ...     _ = status.log("nothing to do")
    >>> rename(status.folder, "baseline").message, load_run(status.folder).name
    ('renamed to baseline', 'baseline')
    """
    return _amend(run, root, Amendment(name=_given(name, "name")))


def tag(
    run: str | PathLike[str],
    *tags: str,
    remove: Iterable[str] = (),
    root: str | PathLike[str] | None = None,
) -> Event:
    """Give tags to a run, and take others away; those that it has, or has not, are no error.

    Otherwise as `rename`. Raises UsageError as well if no tag is named, or one is to be added and removed.

    >>> from runfolio import Status, load_run
    >>> with Status(tags=["new"], root=root) as status:
    ...     _ = status.log("nothing to do")
    >>> tag(status.folder, "kept", "2026", remove=["new"]).message, load_run(status.folder).tags
    ('tagged kept, 2026, untagged new', ['kept', '2026'])
    """
    added, removed = ([_given(one, "tags") for one in texts(some, "tags")] for some in (tags, remove))
    if not (added or removed):
        raise UsageError("no tag is named", remedy="name some to add, or to remove", key="tags")
    both = sorted(set(added) & set(removed))
    if both:
        raise UsageError(f"the tag {both[0]!r} is to be added and removed", remedy="name it once", key="tags")
    return _amend(run, root, Amendment(tags=added, untagged=removed))


def note(run: str | PathLike[str], text: str, *, root: str | PathLike[str] | None = None) -> Event:
    """Add a note to a run: `Run.notes` has all, with their times. Otherwise as `rename`."""
    return _amend(run, root, Amendment(note=_given(text, "note")))


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Be the one process that amends a run: another waits. Where the file system has no locks, nobody does.

    Raises FormatError if the folder can't be opened.
    """
    while True:
        try:
            fd = os.open(folder, _FOLDER_FLAGS)
        except OSError as error:
            raise unreadable(error, folder) from error
        try:
            if not _locked(fd) or _is_still(fd, folder):
                yield
                return
        finally:
            os.close(fd)


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
    except (AttributeError, OSError):
        return False
    return True


def _is_still(fd: int, folder: Path) -> bool:
    """Whether the folder that was waited for is still the one of that name: a redaction puts another in its place."""
    try:
        mine, there = os.fstat(fd), folder.stat()
    except OSError as error:
        raise unreadable(error, folder) from error
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)


def header_of(run: Run, writer: str) -> Header:
    """The first line of a further segment of a run. Raises UsageError if the run does not say what it is."""
    found = run._header()
    if found is None:
        raise UsageError(
            f"{run.folder} does not tell who wrote it", remedy="make a copy by `runfolio repair` and amend that"
        )
    own = {"host": platform.node(), "boot_id": boot_id(), "pid": os.getpid(), "python": platform.python_version()}
    return structs.replace(found, writer=writer, runfolio=__version__, continues=None, **own)


def policy_of(run: Run) -> Policy:
    """How the run was written so far."""
    header, folder = run._header(), run._history.folder
    is_power = header is not None and header.durability == "power"
    return Policy(durability="power" if is_power else "process", access=access_of(folder))


def _given(value: str, what: str) -> str:
    found = text(value, what)
    if not found.strip():
        raise UsageError(f"{what} is empty", remedy="pass some text", key=what)
    return found


def _amend(run: str | PathLike[str], root: str | PathLike[str] | None, found: Amendment) -> Event:
    folder = roots.find(run, root).resolve()
    refuse_archive(folder)
    with alone(folder):
        amended = Run(folder)
        manifest.read(folder)
        writer = layout.token(8)
        header, policy = header_of(amended, writer), policy_of(amended)
        segment = Segment(folder, writer, policy)
        try:
            try:
                segment.open()
                amended.refresh()  # from here on, who would resume the run sees that it is written to
                event = _write(segment, header, found, _next_time(amended))
            except BaseException:
                segment.discard()
                raise
            _seal(amended, policy)
        finally:
            segment.close(ended=True)
    return event


def _write(segment: Segment, header: Header, found: Amendment, now: datetime) -> Event:
    first = Event(seq=0, event_id=segment.new_id("event"), timestamp=now, type="segment", context=to_builtins(header))
    event = Event(
        seq=0,
        event_id=segment.new_id("event"),
        timestamp=now,
        type="amend",
        message=str(found),
        context=to_builtins(found),
    )
    segment.write("event", first)
    segment.write("event", event)
    return event


def _next_time(run: Run) -> datetime:
    """Now, and later than the last amendment, for their order is that of their times."""
    times = [in_utc(event.timestamp) for event in run.events if amendment_of(event) is not None]
    last = max((one for one in times if one is not None), default=None)
    now = SYSTEM.now()
    return now if last is None else max(now, last + timedelta(microseconds=1))


def _seal(run: Run, policy: Policy) -> None:
    """Have `run.json` and SHA256SUMS tell of it; where the run goes on, its writer does so at its end."""
    folder = run._history.folder
    _await_end(run)
    try:
        found = manifest.read(folder)
        if run.state in ENDED:
            ended = structs.replace(
                found,
                state=run.state,
                end_time=run.end_time,
                duration_seconds=run.duration_seconds,
                error=run.error,
            )
            manifest.seal_again(folder, ended, policy)
        elif run.state == "interrupted":
            manifest.write(folder, structs.replace(found, name=run.name, tags=run.tags), policy)
    except OSError as error:
        raise write_error(error, folder) from error


def _await_end(run: Run) -> None:
    """Read what was written, and let a writer that has just ended the run write its totals first."""
    limit = time.monotonic() + PATIENCE_SECONDS
    while run.refresh().state in ENDED and run._life().alive and time.monotonic() < limit:
        time.sleep(0.01)
