"""An attempt: what a process that resumes or joins a run takes over from those that work or worked on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, structs

from runfolio import root as roots
from runfolio.errors import UsageError
from runfolio.history import History
from runfolio.policy import Policy, access_of
from runfolio.records import Continued, Header
from runfolio.run import Run
from runfolio.standing import Standing

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


class Attempt(Struct, frozen=True, kw_only=True):
    """Where earlier attempts left a run: what it is, how it stands, and which writer to go on for.

    `policy` is that of the run so far, by its header and its folder.
    `spent_seconds` is what they took together, each from its first record to its last. `has_provenance` tells whether
    they took down how to repeat the run.
    """

    history: History
    header: Header
    standing: Standing
    left: Continued
    start_time: datetime
    spent_seconds: float
    policy: Policy
    has_provenance: bool


def left_behind(folder: Path) -> Attempt:
    """Where a run was left that was interrupted or failed.

    Raises FormatError if the folder is no run's, UsageError if the run is completed, or its writer lives.
    """
    run, header, start = _opened(folder)
    if run.state not in ("interrupted", "failed"):
        raise UsageError(
            f"{folder} can't be resumed: it is {run.state}, {run.state_reason}",
            remedy="begin another run" if run.state != "in_progress" else "wait until its writer has ended",
        )
    return _attempt(folder, run, header, start)


def under_way(folder: Path) -> Attempt:
    """How a run stands that another process writes.

    Raises FormatError if the folder is no run's, UsageError if no one writes the run.
    """
    run, header, start = _opened(folder)
    if run.state != "in_progress":
        raise UsageError(
            f"{folder} can't be joined: it is {run.state}, {run.state_reason}",
            remedy="begin another run" if run.state == "completed" else "go on with it by Status.resume",
        )
    return _attempt(folder, run, header, start)


def refuse_archive(folder: Path) -> None:
    """Raise UsageError for an archived run: nothing is written into one."""
    if roots.is_archive(str(folder)):
        raise UsageError(f"{folder} is an archive, which is only read", remedy="unpack it, and go on with the folder")


def _opened(folder: Path) -> tuple[Run, Header, datetime]:
    refuse_archive(folder)
    run = Run(folder)
    header, start = run._header(), run.start_time
    if header is None or start is None:
        raise UsageError(
            f"{folder} tells neither who wrote it nor when: it is {run.state}, {run.state_reason}",
            remedy="begin another run, or make a copy by `runfolio repair` and go on with that",
        )
    return run, header, start


def _attempt(folder: Path, run: Run, header: Header, start: datetime) -> Attempt:
    history = run._history
    writers = history.timeline.attempts()
    return Attempt(
        history=History(folder.absolute()),
        header=structs.replace(header, name=run.name, tags=run.tags),
        standing=run._stand(),
        left=Continued(writers[-1], run.left_by(writers[-1])),
        start_time=start,
        spent_seconds=sum(map(history.timeline.seconds, writers)),
        policy=Policy(durability="power" if header.durability == "power" else "process", access=access_of(folder)),
        has_provenance=run.provenance is not None,
    )
