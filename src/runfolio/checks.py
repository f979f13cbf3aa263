"""Checks: what a run's steps must not do to its data, made for continuous integration.

Each step of the run's current state is held against the limits; steps that a restore went back behind, that did not
finish, or that describe data instead of changing it, are not. Part for part what a step gave is held against what it
got, as its changes are; what a step split into new parts is counted together, so that a splitter loses no rows.

What can't be checked is no pass: a run that was recorded without the numbers that a limit needs, whose records are
damaged, or that has no committed step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from msgspec import Struct

from runfolio import arguments, lineage
from runfolio.commits import Commit, commits_of
from runfolio.differences import TABLE
from runfolio.errors import NotFoundError, UsageError
from runfolio.records import Path, Subscriptable
from runfolio.schema import Schema
from runfolio.view import RunView

EVERY = "*"
"""Stands for all columns."""

_PERCENT = 100

_ROUNDING = 1e-12
"""Shares that are equal on paper may differ by so much: 0.05 - 0.02 is more than 0.03 to a computer."""


class Violation(Subscriptable, frozen=True, kw_only=True):
    """One limit that one step exceeds, at one column where it is about columns.

    `limit` is its name and value in words, `found` what was found instead.
    """

    limit: str
    found: str
    key: str
    path: Path = ()
    part: str | None = None
    column: str | None = None
    snapshot_id: str | None = None
    timestamp: datetime | None = None


class Checked(Subscriptable, frozen=True, kw_only=True):
    """What came of checking a run: how many steps were held against the limits, and what was found.

    `unchecked` says what could not be checked, and why. `ok` is true if there is nothing of either.
    """

    run_id: str | None
    state: str
    steps: int
    ok: bool
    violations: list[Violation]
    unchecked: list[str]


class Limits(Struct, frozen=True, kw_only=True):
    """What to hold the steps against; shares are fractions."""

    max_row_loss: float | None = None
    max_null_increase: float | None = None
    no_drop: list[str] = []
    no_retype: list[str] = []
    state: str | None = None


def check(
    run: RunView,
    *,
    max_row_loss: float | str | None = None,
    max_null_increase: float | str | None = None,
    no_drop: str | Iterable[str] = (),
    no_retype: str | Iterable[str] = (),
    state: str | None = None,
) -> Checked:
    """Hold every committed step of a run, on all branches, against limits.

    `max_row_loss` is the largest share of its input's rows that a step may lose, and `max_null_increase` how much
    larger the share of missing values of a column may be than before the step, under its old name if it was renamed:
    `0.05` or `"5%"`. `no_drop` and `no_retype` name columns that no step may drop, or give another dtype, under any
    name that they have on the way; `"*"` is every column. A rename is no drop. `state` is what the run must be in.

    >>> import pandas as pd
    >>> from runfolio import Status
    >>> with Status(root=root) as status:
    ...     with status.step("Loader", "few") as step:
    ...         frame = step.result(pd.DataFrame({"age": [36, 41, 29, 50]}))
    ...     with status.step("Clean", "adults", data=frame) as step:
    ...         frame = step.result(frame[frame["age"] > 30])
    >>> check(status, max_row_loss="30%").ok
    True
    >>> found = check(status, max_row_loss=0.1)
    >>> [(one.key, one.limit, one.found) for one in found.violations]
    [('Loader[few]_Clean[adults]', 'row loss at most 10%', '25%: 4 → 3 rows')]

    Raises UsageError for a limit that is none, or if there is no limit at all.
    """
    limits = Limits(
        max_row_loss=None if max_row_loss is None else share(max_row_loss, "max_row_loss"),
        max_null_increase=None if max_null_increase is None else share(max_null_increase, "max_null_increase"),
        no_drop=_names(no_drop, "no_drop"),
        no_retype=_names(no_retype, "no_retype"),
        state=state,
    )
    if limits == Limits():
        raise UsageError("there is no limit to check", remedy="give at least one, such as a maximal loss of rows")
    commits = [commit for commit in commits_of(run._see()) if not commit.undone]
    steps = [commit for commit in commits if commit.compared()]
    violations, unchecked = list(_of_state(run, limits)), list(_of_damage(run))
    of_steps = limits != Limits(state=limits.state)
    if of_steps and not steps and not any(commit.changes for commit in commits):
        unchecked.append("no step that gives a table was committed")
    for commit in steps:
        violations += _of_rows(commit, limits)
        found, unknown = _of_nulls(commit, limits)
        violations += found
        unchecked += unknown
    for kind, names, limit in (("DELETE", limits.no_drop, "no drop"), ("TRANSFORM", limits.no_retype, "no retype")):
        found, unknown = _of_columns(run, commits, kind, names, limit)
        violations += found
        unchecked += unknown
    return Checked(
        run_id=run.run_id,
        state=run.state,
        steps=len(steps),
        ok=not violations and not unchecked,
        violations=sorted(violations, key=lambda one: 0 if one.timestamp is None else one.timestamp.timestamp()),
        unchecked=unchecked,
    )


def share(value: float | str, what: str) -> float:
    """A share as a fraction, of a number or text such as `5%`. Raises UsageError for what is none from 0 to 1.

    >>> share("5%", "limit"), share("0.05", "limit"), share(0.05, "limit")
    (0.05, 0.05, 0.05)
    """
    text = value.strip() if isinstance(value, str) else value
    percent = isinstance(text, str) and text.endswith("%")
    try:
        found = arguments.number(text[:-1] if isinstance(text, str) and percent else text, what)
    except UsageError as error:
        raise UsageError(f"{what} is {value!r}", remedy="write a share as 5% or 0.05", key=what) from error
    found = found / _PERCENT if percent else found
    if not 0 <= found <= 1:
        raise UsageError(f"{what} is {value!r}", remedy="it is a share from 0 to 1: write 5% or 0.05", key=what)
    return found


def percent(value: float) -> str:
    """A share for people.

    >>> percent(0.05), percent(1 / 3), percent(0.00001)
    ('5%', '33.3%', '0.001%')
    """
    return f"{value * _PERCENT:.3g}%"


def _names(given: str | Iterable[str], what: str) -> list[str]:
    return (
        [arguments.text(given, what)] if isinstance(given, str) else list(dict.fromkeys(arguments.texts(given, what)))
    )


def _of_state(run: RunView, limits: Limits) -> Iterator[Violation]:
    if limits.state is not None and run.state != limits.state:
        yield Violation(limit=f"state {limits.state}", found=f"{run.state}, {run.state_reason}", key="")


def _of_damage(run: RunView) -> Iterator[str]:
    """Records that are not as they were written may have told of anything; results are no part of what is checked."""
    for finding in run.damage:
        if finding.file.endswith(".jsonl"):
            yield f"records are damaged: {finding}"


class _Counted(Struct, frozen=True):
    """What is held against each other: a part before, and those that it became."""

    part: str | None
    old: Schema
    news: list[Schema]

    @property
    def rows(self) -> tuple[int, int]:
        """Before and after."""
        return self.old.rows, sum(new.rows for new in self.news)


def _counted(commit: Commit) -> Iterator[_Counted]:
    """Parts by their names; new parts together, with the part that they are compared with."""
    compared = [one for one in commit.compared() if one.old is not None]
    alone = [one for one in compared if one.part == one.source]
    for one in alone:
        assert one.old is not None
        yield _Counted(one.part, one.old, [one.new])
    if compared and not alone:
        assert compared[0].old is not None
        yield _Counted(None, compared[0].old, [one.new for one in compared])


def _of_rows(commit: Commit, limits: Limits) -> Iterator[Violation]:
    if limits.max_row_loss is None:
        return
    for counted in _counted(commit):
        before, after = counted.rows
        lost = (before - after) / before if before else 0.0
        if lost > limits.max_row_loss + _ROUNDING:
            yield _violation(
                commit,
                f"row loss at most {percent(limits.max_row_loss)}",
                f"{percent(lost)}: {before:,} → {after:,} rows",
                part=counted.part,
            )


def _of_nulls(commit: Commit, limits: Limits) -> tuple[list[Violation], list[str]]:
    limit = limits.max_null_increase
    found: list[Violation] = []
    if limit is None:
        return [], []
    unknown = False
    renamed = {
        (change.part, change.target): change.details["renamed_from"]
        for change in commit.changes
        if isinstance(change.details.get("renamed_from"), str)
    }
    for counted in _counted(commit):
        olds, news = _fields([counted.old]), _fields(counted.news)
        for name, fields in news.items():
            earlier = renamed.get((counted.part, name), name)
            if earlier not in olds:
                continue
            before, after = _missing(olds[earlier]), _missing(fields)
            if before is None or after is None:
                unknown = True
            elif after - before > limit + _ROUNDING:
                some = f"{percent(before)} → {percent(after)} missing"
                limit_text = f"null increase at most {percent(limit)}"
                found.append(
                    _violation(commit, limit_text, f"{percent(after - before)}: {some}", part=counted.part, column=name)
                )
    return found, [f"{commit.key}: its missing values were not counted"] if unknown else []


def _fields(schemas: list[Schema]) -> dict[str, list[tuple[int, int | None]]]:
    """The rows and the missing values of each column in each of the tables that have it; the first of its name."""
    found: dict[str, list[tuple[int, int | None]]] = {}
    for schema in schemas:
        for name, nulls in {field.name: field.nulls for field in reversed(schema.fields)}.items():
            found.setdefault(name, []).append((schema.rows, nulls))
    return dict(reversed(found.items()))


def _missing(counts: list[tuple[int, int | None]]) -> float | None:
    """The share of missing values; None where they were not counted, or not by a writer of ours."""
    if any(nulls is None or not 0 <= nulls <= rows for rows, nulls in counts):
        return None
    rows = sum(count for count, _ in counts)
    return sum(nulls for _, nulls in counts if nulls is not None) / rows if rows else 0.0


def _of_columns(
    run: RunView, commits: list[Commit], kind: str, names: list[str], limit: str
) -> tuple[list[Violation], list[str]]:
    """Changes of a kind, of these columns under any name, or of every column."""
    if EVERY in names:
        return list(_of_every_column(commits, kind, limit)), []
    found: dict[tuple[str, ...], Violation] = {}
    unknown = []
    for name in names:
        try:
            touches = lineage.column_history(run._see(), name)
        except NotFoundError as error:
            unknown.append(f"{limit} of {name!r}: {error}")
            continue
        for touch in touches:
            if touch.type == kind and not touch.undone:
                column = touch.name_after or touch.name_before or name
                what = f"{limit} of {name}" if column != name else limit
                found.setdefault(
                    tuple(touch.change_ids),
                    Violation(
                        limit=what,
                        found=_told(kind, touch.before, touch.after),
                        key=touch.key,
                        path=touch.path,
                        part=touch.part,
                        column=column,
                        snapshot_id=touch.snapshot_id,
                        timestamp=touch.timestamp,
                    ),
                )
    return list(found.values()), unknown


def _of_every_column(commits: list[Commit], kind: str, limit: str) -> Iterator[Violation]:
    for commit in commits:
        for change in commit.changes:
            is_rename = isinstance(change.details.get("renamed_to"), str)
            if change.type == kind and change.target != TABLE and not is_rename:
                told = _told(kind, change.before, change.after)
                yield _violation(commit, limit, told, part=change.part, column=change.target)


def _told(kind: str, before: object, after: object) -> str:
    if kind == "DELETE":
        dtype = getattr(before, "dtype", None)
        return f"dropped, {dtype}" if dtype else "dropped"
    return " → ".join(str(getattr(side, "dtype", None) or side) for side in (before, after) if side is not None)


def _violation(
    commit: Commit, limit: str, found: str, *, part: str | None = None, column: str | None = None
) -> Violation:
    return Violation(
        limit=limit,
        found=found,
        key=commit.key,
        path=commit.path,
        part=part,
        column=column,
        snapshot_id=None if commit.snapshot is None else commit.snapshot.snapshot_id,
        timestamp=commit.timestamp,
    )
