"""The catalog: the runs under a root, a row each, newest first.

A run that has ended costs its `run.json`, which holds its totals, and a look at the sizes of its journals. The journals
of any other run are read, for they are the truth, and only the lock tells a live run from an interrupted one. A run
that can't be read is a row that says why; it never hides another.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from fnmatch import translate
from itertools import groupby
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from msgspec import Struct, structs

from runfolio import codec, layout
from runfolio import index as indexes
from runfolio import root as roots
from runfolio.arguments import optional_text, texts
from runfolio.clock import SYSTEM, Clock, in_utc
from runfolio.codec import BadLine
from runfolio.errors import RunfolioError, UsageError
from runfolio.files import READ_FLAGS, journal_bytes, result_files
from runfolio.index import Mark
from runfolio.quantities import Moment, moment
from runfolio.records import Failure, Manifest, State, briefly
from runfolio.standing import RowsThrough

if TYPE_CHECKING:
    import pandas as pd

    from runfolio.run import Run
    from runfolio.view import RunView

STATES: tuple[str, ...] = get_args(State)

_NEVER = datetime.min.replace(tzinfo=UTC)
_AFTER_ALL = datetime.max.replace(tzinfo=UTC)
_ENDED = ("completed", "failed")
_SLACK = timedelta(minutes=1)
"""So long after the second in the name of its folder a run may say that it began."""

_WORTH = 100

_USUAL_SIZE = 64 * 1024
"""A `run.json` is about 1 kB; one that is larger than this is read with more care and more slowly."""


class RunRow(Struct, frozen=True, kw_only=True, gc=False):
    """What a list of runs says of one of them; what could not be read is None.

    `duration_seconds` is the time since the start for a run that goes on, and up to its last record for one that was
    interrupted. `bytes` is the size of journals and results. `state_reason` tells how the state of a run without an end
    is known; `error` is one line on why a run failed; `damage` says what is not as it was written.
    """

    run_id: str
    folder: str
    name: str | None = None
    tags: list[str] = []
    state: State | None = None
    state_reason: str | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    duration_seconds: float | None = None
    steps: int | None = None
    rows_in: int | None = None
    rows_out: int | None = None
    changes: int | None = None
    results: int | None = None
    bytes: int | None = None
    error: str | None = None
    damage: str | None = None


def list_runs(
    root: str | PathLike[str] | None = None,
    *,
    state: str | Iterable[str] | None = None,
    name: str | None = None,
    tags: Iterable[str] = (),
    since: Moment | None = None,
    until: Moment | None = None,
    index: bool = False,
) -> pd.DataFrame:
    """The runs under a root as a frame, a row each, newest first.

    `root` is by default the environment variable RUNFOLIO_RUNS, else `runs`. `state` is one state or several, `name` a
    part of the name in any case, or a pattern of the whole name if it has a `*` or `?`; of several `tags` a run has
    each. Runs that began at `since` or later, and before `until`: each a datetime (naive ones are local time), a text
    such as `2026-11-22` or `2026-11-22T18:48Z`, or a time span before now, such as `90m`, `36h`, `7d`. The columns are
    the fields of `RunRow`: text ("string"), times (datetime64[us, UTC]), seconds (float64), counts (Int64); tags are
    lists.

    With `index` the root gets an index of its ended runs, a hidden file that every list uses from then on, and keeps up
    to date: it is a cache, worth its while from some ten thousand runs on. By it a run is what its `run.json` says; a
    journal that was cut or removed later is not seen, which `verify` tells.

    Raises UsageError for an unknown state and what is no time, NotFoundError if the root is a file.

    >>> from runfolio import Status, list_runs
    >>> with Status(name="nightly", root=root) as status:
    ...     status.log("nothing to do")["level"]
    'info'
    >>> list_runs(root, state="completed", name="night*")[["name", "state", "steps"]].values.tolist()
    [['nightly', 'completed', 0]]
    """
    import pandas as pd  # noqa: PLC0415  (pandas takes 0.3 s; only who asks for a frame waits for it)

    states = [state] if isinstance(state, str) else texts(() if state is None else state, "state")
    now = SYSTEM.now()
    found = scan(
        root,
        states=states,
        name=optional_text(name, "name"),
        tags=texts(tags, "tags"),
        since=None if since is None else moment(since, "since", now),
        until=None if until is None else moment(until, "until", now),
        index=index,
    )
    rows = list(found)
    return pd.DataFrame(
        {
            field: pd.Series([_utf_8(getattr(row, field)) for row in rows], dtype=dtype)
            for field, dtype in _DTYPES.items()
        }
    )


def _utf_8(value: Any) -> Any:
    """A text that a column can hold: a folder's name need not be UTF-8, and its other bytes are spelled out."""
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


class _Filter(Struct, frozen=True, kw_only=True):
    """Which runs are meant: those of these states (of none: of all), such a name, all these tags, begun in between.

    Times are aware. A run whose start is not known began at no time.
    """

    states: Iterable[str] = ()
    name: str | None = None
    tags: Iterable[str] = ()
    since: datetime | None = None
    until: datetime | None = None

    def of_name(self) -> Callable[[str], bool]:
        """Whether a folder can be meant by its name, which begins with the second in which its run did."""
        first = "" if self.since is None else layout.start_text(max(self.since, _NEVER + _SLACK) - _SLACK)
        last = "~" if self.until is None else layout.start_text(self.until)
        return lambda name: first <= (layout.start_of(name) or first) <= last

    def of_row(self) -> Callable[[RunRow], bool]:
        """Whether a run is meant. Raises UsageError for an unknown state."""
        states, named, tags = _wanted(self.states), _named(self.name), frozenset(self.tags)
        first, last = self.since or _NEVER, self.until or _AFTER_ALL
        is_timed = self.since is not None or self.until is not None

        def is_meant(row: RunRow) -> bool:
            return (
                (not states or row.state in states)
                and (named is None or bool(named(row.name or "")))
                and tags.issubset(row.tags)
                and (not is_timed or (row.start_time is not None and first <= row.start_time < last))
            )

        return is_meant


def scan(
    root: str | PathLike[str] | None = None,
    *,
    states: Iterable[str] = (),
    name: str | None = None,
    tags: Iterable[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    index: bool = False,
    clock: Clock = SYSTEM,
) -> Iterator[RunRow]:
    """The runs under a root, newest first, each read when its turn comes.

    Filters and `index` are those of `list_runs`, with aware times; no states are all states. Raises UsageError for an
    unknown state, NotFoundError if the root is a file.
    """
    chosen = _Filter(states=states, name=name, tags=tags, since=since, until=until)
    is_meant, base = chosen.of_row(), layout.root_of(root)
    reader = _Reader(base, index=index, clock=clock)
    for row in _rows(base, chosen.of_name(), reader):
        if is_meant(row):
            yield row
    reader.save()


def row_of(run: Run, clock: Clock = SYSTEM) -> RunRow:
    """The row of a run by its journals."""
    folder = run.folder
    assert folder is not None
    state, failure, damage = run.state, run.error, run.damage
    rows_in, rows_out = RowsThrough(run.snapshots).rows
    return RunRow(
        run_id=run.run_id or folder.name,
        folder=str(folder),
        name=run.name,
        tags=run.tags,
        state=state,
        state_reason=None if state in _ENDED else run.state_reason,
        start_time=run.start_time,
        end_time=run.end_time,
        duration_seconds=run.duration_seconds if state in _ENDED else _elapsed(run, clock),
        steps=sum(timing.parent_id is None for timing in run.timing_records),
        rows_in=rows_in,
        rows_out=rows_out,
        changes=len(run.changes),
        results=len(run.result_records),
        bytes=_size(folder),
        error=None if failure is None else one_line(failure),
        damage=briefly(damage) or None,
    )


def one_line(failure: Failure) -> str:
    """Why a run failed, in one line."""
    lines = failure.message.strip().splitlines()
    return ": ".join(filter(None, (failure.type, lines[0] if lines else "")))


def row_in(folder: str, clock: Clock = SYSTEM) -> RunRow | None:
    """The row of a folder; None if there is no run in it."""
    return _ended(folder) or _read(folder, clock)


class _Reader:
    """Reads the rows of folders under a root, by its index if there is one, and keeps that up to date."""

    def __init__(self, base: Path, *, index: bool, clock: Clock) -> None:
        self._base = base
        self._prefix = os.path.join(base, "")  # noqa: PTH118  (a Path a run would take as long as reading it)
        self._clock = clock
        found = indexes.read(base, RunRow)
        self._known = {} if found is None and index else found
        self._new: dict[str, tuple[Mark, RunRow]] = {}

    def row(self, name: str) -> RunRow | None:
        """The row of a folder; None if there is no run in it."""
        folder = self._prefix + name
        if self._known is None:
            return row_in(folder, self._clock)
        mark = indexes.mark_of(folder)
        known = self._known.get(name)
        if known is not None and known[0] == mark:
            return structs.replace(known[1], folder=folder)
        ended = _ended(folder)
        if ended is not None and mark is not None and name.isascii():  # as run ids are; a folder's name need be no text
            self._new[name] = mark, structs.replace(ended, folder="")
        return ended or _read(folder, self._clock)

    def save(self) -> None:
        """Write what was found out, once that is more than a hundredth of what was known."""
        if self._known is None or len(self._new) * _WORTH <= len(self._known):
            return
        rows = {**self._known, **self._new}
        there = set(roots.candidates(self._base))
        indexes.write(self._base, ((name, mark, row) for name, (mark, row) in rows.items() if name in there))


def _rows(base: Path, can_be: Callable[[str], bool], reader: _Reader) -> Iterator[RunRow]:
    for _, names in groupby(filter(can_be, roots.candidates(base)), layout.start_of):
        rows = map(reader.row, names)
        # Folders tell the second in which a run started; within it the runs themselves do.
        yield from sorted(filter(None, rows), key=lambda row: row.start_time or _NEVER, reverse=True)


def _ended(folder: str) -> RunRow | None:
    """The row of an ended run by its `run.json`; None where that does not suffice."""
    try:
        fd = os.open(f"{folder}/{layout.RUN_FILE}", READ_FLAGS)
        try:
            found = codec.decode_manifest(os.read(fd, _USUAL_SIZE))
        finally:
            os.close(fd)
    except (OSError, BadLine):
        return None
    if found.state not in _ENDED or found.format_version > layout.FORMAT_VERSION or not _has_journals(folder, found):
        return None
    return _of_manifest(folder, found)


def _has_journals(folder: str, found: Manifest) -> bool:
    """Whether each journal is there and as long as it was at the end: what a look can tell without reading it."""
    try:
        for segment in found.segments:
            for file in segment.files:
                if "/" in file.file or os.lstat(f"{folder}/{file.file}").st_size < file.bytes:
                    return False
    except (OSError, ValueError):
        return False
    return True


def _of_manifest(folder: str, found: Manifest) -> RunRow:
    totals = found.totals
    return RunRow(
        run_id=found.run_id,
        folder=folder,
        name=found.name,
        tags=found.tags,
        state=found.state,
        start_time=in_utc(found.start_time),
        end_time=in_utc(found.end_time),
        duration_seconds=found.duration_seconds,
        steps=totals.steps,
        rows_in=totals.rows_in,
        rows_out=totals.rows_out,
        changes=totals.changes,
        results=totals.results,
        bytes=totals.bytes,
        error=None if found.error is None else one_line(found.error),
        damage=f"{found.lost:,} records could not be written" if found.lost else None,
    )


def _read(folder: str, clock: Clock) -> RunRow | None:
    """The row of a run by its journals; None if it is no run, or was removed meanwhile."""
    if not roots.is_run(folder):
        return None
    from runfolio.run import Run  # noqa: PLC0415  (a root of ended runs needs no reader of journals)

    try:
        return row_of(Run(Path(folder)), clock)
    except RunfolioError as error:
        reason = error.what
    except Exception as error:  # noqa: BLE001  (whatever is in one folder, the others are to be listed)
        reason = f"it can't be read: {type(error).__name__}: {error}"
    if not os.path.isdir(folder):  # noqa: PTH112
        return None
    return RunRow(run_id=os.path.basename(folder), folder=folder, damage=reason)  # noqa: PTH119


def _elapsed(run: Run, clock: Clock) -> float | None:
    """From the start until now, or to the last record of a run that is no longer written."""
    start = run.start_time
    until = clock.now() if run.state == "in_progress" else last_time(run)
    return None if start is None or until is None else max((until - start).total_seconds(), 0.0)


def last_time(run: RunView) -> datetime | None:
    """When a run recorded last; what was amended later is no part of what it did, nor is the first line of a writer."""
    events = [event for event in run.events if event.type not in ("segment", "repair", "amend", "redact", "prune")]
    last = [records[-1].timestamp for records in (events, run.snapshots, run.changes) if records]
    return in_utc(max(last, default=None))


def _size(folder: Path) -> int:
    """The bytes of journals and results, as `run.json` has them once the run ended."""
    return journal_bytes(folder) + sum(size for _, size in result_files(folder))


def _wanted(states: Iterable[str]) -> frozenset[str]:
    wanted = frozenset(states)
    unknown = wanted.difference(STATES)
    if unknown:
        raise UsageError(
            f"no state {min(unknown)!r}", remedy=f"a run's state is one of {', '.join(STATES)}", key="state"
        )
    return wanted


def _named(name: str | None) -> Callable[[str], object] | None:
    """Whether a run's name is meant: by a part of it, or a pattern of all of it where there is a `*` or `?`."""
    if not name:
        return None
    if not {"*", "?"} & set(name):
        part = name.casefold()
        return lambda found: part in found.casefold()
    pattern = translate(name.replace("[", "[[]"))  # whose stars don't try all ways, however long a stranger's name is
    return re.compile(pattern, re.IGNORECASE).match


_DTYPES = {
    "run_id": "string",
    "folder": "string",
    "name": "string",
    "tags": "object",
    "state": "string",
    "state_reason": "string",
    "start_time": "datetime64[us, UTC]",
    "end_time": "datetime64[us, UTC]",
    "duration_seconds": "float64",
    "steps": "Int64",
    "rows_in": "Int64",
    "rows_out": "Int64",
    "changes": "Int64",
    "results": "Int64",
    "bytes": "Int64",
    "error": "string",
    "damage": "string",
}
"""The columns of a list of runs, the fields of `RunRow`, and their types, also where there is no run."""
