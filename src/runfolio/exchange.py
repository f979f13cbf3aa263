"""Exchange: a run's folder made anew takes the place of the old one, at one instant.

The folder is made under a name that begins with a dot. When all of it is on the disk, both folders change names in one
step (`renameat2` with RENAME_EXCHANGE), and the old one is removed. Killed before that, the run is as it was; killed
after it, it is the new one: never half, and never two. What is left under the other name is removed by the next
redaction of the run, and by the next `prune` under that root. File systems that can't exchange two names are refused,
for any other order has an instant at which there is no run, or two.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from runfolio import layout
from runfolio.amendments import policy_of
from runfolio.errors import DamageError, UsageError
from runfolio.files import sync_folder, write_error
from runfolio.making import Maker
from runfolio.removal import going_name, is_going, stranger
from runfolio.run import Run
from runfolio.segment import Segment
from runfolio.verification import Verification, check

Made = TypeVar("Made", bound=Maker)

_EXCHANGE = 2
_HERE = -100


def fit(folder: Path, done: str, *, results: bool = True) -> tuple[Run, Verification]:
    """A run that can be made anew, and what verifying it says; without `results` their digests are not taken.

    `done` says what is to be done with it. Raises UsageError if it is written to, or damaged, or has anything else in
    it than a run's files.
    """
    run = Run(folder)
    refuse_live(run, done)
    found = check(run, results=results)
    if not found.is_sound:
        raise UsageError(
            f"{folder} can't be {done}: it is damaged: {found.findings[0]}",
            remedy="make a sound run of it by `runfolio repair`, take that, and remove this one",
        )
    foreign = stranger(folder)
    if foreign is not None:
        raise UsageError(f"{folder} holds {foreign}, which is no file of a run", remedy="move it elsewhere")
    if run.opaque:
        raise UsageError(
            f"{folder} has lines of a kind that this version does not know", remedy="upgrade runfolio, and try again"
        )
    return run, found


def refuse_live(run: Run, done: str, own: str = "") -> None:
    """Raise UsageError if anyone but the writer of this name writes to a run."""
    alive = next((life for writer, life in run._lives.items() if life.alive and writer != own), None)
    if alive is not None or run.state == "in_progress":
        why = run.state_reason if alive is None else alive.reason
        raise UsageError(f"{run.folder} can't be {done}: {why}", remedy="wait until its writer has ended")


def exchange(folder: Path, done: str, maker: Callable[[Run, Path], Made]) -> Made:
    """Make the folder anew while nobody else can begin to write to the old one, and let it take that one's place.

    `maker` is given the run as it is then, and the new folder. Who calls this is alone in amending the run. Raises
    UsageError if someone writes to it, or where folders can't be exchanged; DamageError if not all of it could be read;
    WriteError.
    """
    temporary = folder.with_name(going_name(folder.name))
    guard = Segment(folder, layout.token(8), policy_of(Run(folder)))
    try:
        guard.open()
        source = Run(folder)  # from here on, who would resume the run sees that it is written to
        refuse_live(source, done, guard.writer)
        made = maker(source, temporary)
        temporary.mkdir(0o700)
        made.make()
        _refuse_loss(source, made)
        made.take_modes()
        _exchange(temporary, folder)
        sync_folder(folder.parent)
    except OSError as error:
        raise write_error(error, folder) from error
    else:
        return made
    finally:
        guard.discard()
        _remove(temporary)


def _refuse_loss(source: Run, made: Maker) -> None:
    """Raise DamageError unless every line of the run was taken: the old folder goes, with whatever was not."""
    lines = sum(tail.lines for _, tail in source._history.tails())
    if source.damage or made.taken != lines:
        raise DamageError(
            f"{source.folder} could not be read whole: {made.taken:,} of {lines:,} lines",
            remedy="nothing was changed: see `runfolio verify`, and try again",
            file=str(source.folder),
        )


def sweep(folder: Path) -> None:
    """Remove what killed exchanges left beside a run: the old folder, or a new one that did not take its place.

    Raises WriteError: what can't be removed is still there.
    """
    for path in [path for path in folder.parent.iterdir() if is_going(path.name, of=folder.name)]:
        _remove(path)


def _remove(path: Path) -> None:
    try:
        shutil.rmtree(path)
        sync_folder(path.parent)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise write_error(error, path) from error


def _exchange(one: Path, other: Path) -> None:
    """Have two folders change names, at one instant. Raises UsageError where that can't be, OSError."""
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        raise _unable(other) from None
    if call(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE):
        number = ctypes.get_errno()
        if number in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EXDEV):
            raise _unable(other)
        raise OSError(number, os.strerror(number), str(other))


def _unable(folder: Path) -> UsageError:
    return UsageError(
        f"{folder} lies on a file system that can't exchange two folders",
        remedy="copy the run to a local disk of Linux, do it there, and remove the original",
    )
