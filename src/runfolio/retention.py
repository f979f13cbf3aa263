"""Retention: which runs under a root go, or their data alone, and removing them: each is there whole, or gone.

A run that goes gets a name that begins with a dot, by which it is no run any more, and is removed then. Who is killed
in between leaves such folders, which the next removal under that root clears. Nothing but runs is removed: a folder
that does not say that it is one is left, one that holds anything else than a run's files too, and no link is followed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from os import PathLike
from pathlib import Path

from msgspec import Struct, structs

from runfolio import layout
from runfolio.arguments import optional_text, texts
from runfolio.catalog import RunRow, row_in, scan
from runfolio.clock import SYSTEM, Clock
from runfolio.emptying import empty, tables_of
from runfolio.errors import RunfolioError, UsageError
from runfolio.files import write_error
from runfolio.quantities import byte_count, span
from runfolio.records import State
from runfolio.removal import alone_under, clear, going_name, is_going, reason_to_stay, stranger
from runfolio.run import Run
from runfolio.spelling import size as written_size
from runfolio.spelling import stamp

_LIVE = ("in_progress", "not_started")
_LONGEST = timedelta(days=365_000)
_BATCH = 1000
"""So many runs get their other names before these are on the disk, and the runs are removed."""


class Goner(Struct, frozen=True, kw_only=True):
    """A run that goes, or whose data does: its folder, what `ls` says of it, and why; `bytes` is what that frees."""

    run_id: str
    folder: str
    name: str | None
    state: State
    start_time: datetime | None
    bytes: int
    why: str


class Left(Struct, frozen=True):
    """A run that would go by the rules, and is left: its folder, and why."""

    folder: str
    why: str


class Pruning(Struct, frozen=True, kw_only=True):
    """Which runs of a root go, oldest last, and which are left; `bytes` is what those that go take.

    With `data_only` it is their data that goes. `kept` counts the runs that the rules keep, live ones included.
    `removed` tells whether it was done.
    """

    root: str
    runs: list[Goner]
    left: list[Left]
    kept: int
    bytes: int
    data_only: bool
    removed: bool


def prune(
    root: str | PathLike[str] | None = None,
    *,
    keep_last: int | None = None,
    older_than: timedelta | str | None = None,
    max_size: int | str | None = None,
    state: str | Iterable[str] = (),
    name: str | None = None,
    tags: Iterable[str] = (),
    data_only: bool = False,
    clock: Clock = SYSTEM,
) -> Pruning:
    """Which runs under a root are to go; `remove` removes them.

    `state`, `name` and `tags` choose runs, as for `list_runs` (of several tags each is wanted); without them all are
    chosen. Of these the newest `keep_last` are kept. Of the others those go whose end is longer ago than `older_than`
    (a timedelta, or `90m`, `36h`, `30d`, `2w`), and, oldest first, as many as it takes until all that were chosen take
    at most `max_size` together (bytes, or `500MB`, `10GB`, `2GiB`). Without `older_than` and `max_size` all others go.

    With `data_only` the stored tables of these runs go alone: all that was recorded stays, schemas, statistics and
    reports too, and the run says that its data was pruned. Runs without such data are kept then.

    Runs in progress never go, nor what can't be read as a run. Raises UsageError without any rule, and for arguments
    that are none; NotFoundError if the root is a file.

    >>> from runfolio import Status
    >>> from runfolio.retention import prune, remove
    >>> for name in ("first", "second"):
    ...     with Status(name=name, root=root) as status:
    ...         _ = status.log("nothing to do")
    >>> found = prune(root, keep_last=1)
    >>> [run.name for run in found.runs], found.kept
    (['first'], 1)
    >>> remove(found).removed
    True
    """
    states = [state] if isinstance(state, str) else texts(state, "state")
    wanted = texts(tags, "tags")
    rules = _Rules(
        keep_last=_count(keep_last),
        before=None if older_than is None else clock.now() - min(span(older_than, "older_than"), _LONGEST),
        max_size=None if max_size is None else byte_count(max_size, "max_size"),
    )
    if not (rules or states or name or wanted):
        raise UsageError(
            "there is no rule by which runs go", remedy="name one: keep_last, older_than, max_size, state…"
        )
    base = layout.root_of(root)
    chosen = list(scan(base, states=states, name=optional_text(name, "name"), tags=wanted, clock=clock))
    goners: list[Goner] = []
    left: list[Left] = []
    for row, why, freed in rules.going(chosen, _data_of if data_only else _all_of):
        reason = reason_to_stay(Path(row.folder), row.state)
        if reason is None:
            goners.append(_goner(row, why, freed))
        else:
            left.append(Left(row.folder, reason))
    return Pruning(
        root=str(base),
        runs=goners,
        left=left,
        kept=len(chosen) - len(goners) - len(left),
        bytes=_sum(goners),
        data_only=data_only,
        removed=False,
    )


def remove(pruning: Pruning) -> Pruning:
    """Remove what `prune` found; returns what was removed, and what was left after all, with the reason.

    Each run is looked at again just before: one that somebody resumed, wrote to or moved meanwhile is left. A run is
    there whole or gone, also if this is killed or the power fails; with `data_only` it is as before or without its
    data. Raises UsageError if another process is removing runs under that root, WriteError if the root can't be opened.
    """
    root = Path(pruning.root)
    gone: list[Goner] = []
    left = list(pruning.left)
    if pruning.runs or root.is_dir():
        with alone_under(root) as fd:
            for name in sorted(path.name for path in root.iterdir()):
                if is_going(name) and stranger(root / name) is None:
                    clear(fd, name)
            if pruning.data_only:
                gone += [goner for goner in pruning.runs if _is_emptied(goner, left)]
                return structs.replace(pruning, runs=gone, left=left, bytes=_sum(gone), removed=True)
            for first in range(0, len(pruning.runs), _BATCH):
                gone += _remove(root, fd, pruning.runs[first : first + _BATCH], left)
    return structs.replace(pruning, runs=gone, left=left, bytes=_sum(gone), removed=True)


class _Rules(Struct, frozen=True, kw_only=True):
    """The rules by which runs go."""

    keep_last: int | None
    before: datetime | None
    max_size: int | None

    def __bool__(self) -> bool:
        return self != _Rules(keep_last=None, before=None, max_size=None)

    def going(self, chosen: list[RunRow], of: Callable[[RunRow], int | None]) -> list[tuple[RunRow, str, int]]:
        """Those of the runs, newest first, that go, why, and what each frees: `of` says that, None if nothing goes."""
        old: dict[str, str] = {}
        frees = cache(lambda folder: of(rows[folder]))
        rows = {row.folder: row for row in chosen}
        others = chosen[self.keep_last or 0 :]
        for row in others:
            end = _end(row)
            if self.before is None and self.max_size is None:
                old[row.folder] = "" if self.keep_last is None else f"not of the newest {self.keep_last:,}"
            elif self.before is not None and end is not None and end < self.before:
                old[row.folder] = f"ended before {stamp(self.before)}"
        if self.max_size is not None:
            size = sum(row.bytes or 0 for row in chosen) - sum(frees(folder) or 0 for folder in old)
            for row in reversed(others):
                if size > self.max_size and row.folder not in old and row.state not in _LIVE:
                    old[row.folder] = f"all take more than {written_size(self.max_size)}"
                    size -= frees(row.folder) or 0
        going = [row for row in others if row.folder in old and row.state not in _LIVE]
        freed = [(row, old[row.folder], frees(row.folder)) for row in going]
        return [(row, why, count) for row, why, count in freed if count is not None]


def _all_of(row: RunRow) -> int:
    return row.bytes or 0


def _data_of(row: RunRow) -> int | None:
    """The bytes of a run's tables; None if it has none, or can't be read."""
    if not row.results:
        return None
    try:
        return sum(tables_of(Run(Path(row.folder))).values()) or None
    except (RunfolioError, OSError):
        return None


def _sum(goners: list[Goner]) -> int:
    return sum(goner.bytes for goner in goners)


def _count(value: int | None) -> int | None:
    if value is None or (type(value) is int and value >= 0):
        return value
    raise UsageError(f"keep_last is {value!r}", remedy="pass how many runs to keep, 0 for none", key="keep_last")


def _end(row: RunRow) -> datetime | None:
    """When a run ended, or recorded last."""
    if row.end_time is not None or row.start_time is None:
        return row.end_time
    with suppress(OverflowError):  # what a damaged run says
        return row.start_time + timedelta(seconds=row.duration_seconds or 0)
    return None


def _goner(row: RunRow, why: str, freed: int) -> Goner:
    return Goner(
        run_id=row.run_id,
        folder=row.folder,
        name=row.name,
        state=row.state or "not_started",
        start_time=row.start_time,
        bytes=freed,
        why=why,
    )


def _remove(root: Path, fd: int, goners: list[Goner], left: list[Left]) -> list[Goner]:
    """Remove some runs: they get their other names first, and when these are on the disk they go."""
    going: list[tuple[Goner, str]] = []
    for goner in goners:
        name = _put_away(root, fd, goner, left)
        if name is not None:
            going.append((goner, name))
    with suppress(OSError):  # not every file system can
        os.fsync(fd)
    for goner, name in going:
        error = clear(fd, name)
        if error is not None:
            left.append(Left(goner.folder, f"it is no run any more, but not all of it could be removed: {error}"))
    return [goner for goner, _ in going]


def _is_emptied(goner: Goner, left: list[Left]) -> bool:
    """Remove the data of a run; False if it stays after all."""
    folder = Path(goner.folder)
    row = row_in(goner.folder)
    if row is None:
        return False  # somebody removed it
    try:
        reason = _other(row, goner) or reason_to_stay(folder, row.state)
        if reason is None:
            empty(folder)
    except RunfolioError as error:
        reason = error.what
    if reason is not None:
        left.append(Left(goner.folder, reason))
    return reason is None


def _other(row: RunRow, goner: Goner) -> str | None:
    """What a run is now that was another when it was looked at; None if it is the same."""
    same = (row.state, row.start_time) == (goner.state, goner.start_time)
    return None if same else f"it is {row.state} now"


def _put_away(root: Path, fd: int, goner: Goner, left: list[Left]) -> str | None:
    """Give a run the name of one that goes; None if it stays after all."""
    folder = Path(goner.folder)
    name, other = folder.name, going_name(folder.name)
    row = row_in(str(folder))
    if row is None:
        return None  # somebody removed it
    reason = _other(row, goner) or reason_to_stay(folder, row.state)
    if reason is None:
        try:
            os.rename(name, other, src_dir_fd=fd, dst_dir_fd=fd)
        except OSError as error:
            reason = f"it can't be removed: {error.strerror}"
        else:
            reason = reason_to_stay(root / other, row.state)  # somebody may have begun to write just then
            if reason is not None:
                _put_back(fd, other, name)
    if reason is not None:
        left.append(Left(goner.folder, reason))
    return other if reason is None else None


def _put_back(fd: int, other: str, name: str) -> None:
    try:
        os.rename(other, name, src_dir_fd=fd, dst_dir_fd=fd)
    except OSError as error:
        raise write_error(error, Path(name)) from error
