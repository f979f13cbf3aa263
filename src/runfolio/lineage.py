"""Lineage: what became of one column, step by step, under whatever name.

A column is the same before and after a step if it keeps its name, or if the step's changes say that it was renamed;
from one step to the next it keeps its name. So the history of a name is that of every column that had it at some step,
on all branches; what a column was called before or later belongs to it, and so does one that is dropped and made anew.

========== ============================================================================================================
type       means
========== ============================================================================================================
CREATE     it came, or was made
UPDATE     values or properties (nullability, categories) changed
TRANSFORM  it has another dtype
RENAME     it has another name
DELETE     it was dropped
ROWS       rows of the table came or went, and with them its missing values or its range; that its other values
           changed is not known
========== ============================================================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, Literal

from runfolio import arguments
from runfolio.commits import Commit, commits_of
from runfolio.differences import TABLE
from runfolio.errors import NotFoundError, UsageError
from runfolio.field import Field
from runfolio.records import Change, Description, Path, PathStep, Subscriptable, Time
from runfolio.schema import Compared, Schema
from runfolio.standing import key_of
from runfolio.timeline import Timeline

TouchType = Literal["CREATE", "UPDATE", "TRANSFORM", "RENAME", "DELETE", "ROWS"]

Paths = Iterable[tuple[str, str]] | Path | str
"""An experiment path as (module, experiment) pairs, or its key."""

_MOST = 5


class Touch(Subscriptable, frozen=True, kw_only=True):
    """One step that touched a column, with the column's name and description before and after.

    `path` and `key` are the step's experiment path, empty for what was recorded by hand outside of steps; `part` is the
    part of the data where there are several. Rows are those of that part, and of what it is compared with. `change_ids`
    name the changes that say so, none for `ROWS`. `undone` tells that a restore went back behind the step.
    """

    type: TouchType
    module_name: str | None
    experiment_name: str | None
    key: str
    path: Path
    part: str | None
    name_before: str | None
    name_after: str | None
    before: Description | None
    after: Description | None
    rows_before: int | None
    rows_after: int | None
    timestamp: Time
    snapshot_id: str | None
    change_ids: list[str]
    undone: bool = False


def column_history(
    timeline: Timeline, column: str, *, path: Paths | None = None, part: str | None = None
) -> list[Touch]:
    """Every step that touched a column, in order; see `RunView.column_history`."""
    name = arguments.text(column, "column")
    commits = commits_of(timeline)
    if path is not None:
        wanted = path_named(path, commits)
        commits = [commit for commit in commits if commit.path and wanted[: len(commit.path)] == commit.path]
    names = _Names(commits, name, arguments.optional_text(part, "part"))
    if not names.known:
        raise _not_found(name, names.others)
    return [touch for commit in commits for touch in _touches(commit, names)]


def path_named(path: Paths, commits: list[Commit]) -> Path:
    """The experiment path that is meant. Raises NotFoundError if no step of it was committed."""
    paths = list(dict.fromkeys(commit.path for commit in commits if commit.path))
    if isinstance(path, str):
        found = [one for one in paths if key_of(one) == path]
        if len(found) > 1:
            raise UsageError(f"{path!r} is the key of {len(found)} paths", remedy="pass (module, experiment) pairs")
    else:
        given = path_of_pairs(path)
        found = [one for one in paths if one == given]
        path = key_of(given)
    if found:
        return found[0]
    close = get_close_matches(path, map(key_of, paths), _MOST, 0.4) or [key_of(one) for one in paths[:_MOST]]
    remedy = f"there is {', '.join(close)}" if close else "the run has no committed step yet"
    raise NotFoundError(f"no step {path!r} was committed", remedy=remedy, key="path")


def path_of_pairs(pairs: Iterable[Any]) -> Path:
    """A path of pairs, or of the steps that a path of a record has."""
    steps = list(pairs) if isinstance(pairs, Iterable) else pairs
    if isinstance(steps, list) and steps and all(isinstance(step, PathStep) for step in steps):
        return tuple(steps)
    return arguments.path(steps)


class _Names:
    """The names that a column has before and after each commit, by part; found by following it both ways.

    Commits are in order, so that a sweep over them follows a column to its last descendants, and one back to its first
    ancestors. It takes as many as the column changes its direction on the way, from one branch back to the trunk.
    """

    def __init__(self, commits: list[Commit], name: str, part: str | None) -> None:
        self._commits = {commit.place: commit for commit in commits}
        self._name, self._part = name, part
        self._by_hand = _by_hand(commits, name)
        self.known = False
        self.others: set[str] = set()
        self.before: dict[int, dict[str | None, set[str]]] = {}
        self.given: dict[int, dict[str | None, set[str]]] = {}
        for commit in commits:
            self._seed(commit, name)
        while self._sweep(commits) | self._sweep(reversed(commits)):
            pass

    def of_change(self, commit: Commit, change: Change) -> bool:
        """Whether a change is one of the column."""
        if not self._is_meant(change.part) or change.target == TABLE:
            return False
        if commit.snapshot is None:
            return change.target in self._by_hand
        before, given = self.before[commit.place], self.given[commit.place]
        if change.target == self._name or change.part not in given:
            return change.target == self._name or any(change.target in names for names in before.values())
        source = change.part if change.part in before else next(iter(commit.before()), None)
        return change.target in given[change.part] | before.get(source, set())

    def _is_meant(self, part: str | None) -> bool:
        return self._part is None or part is None or part == self._part

    def _seed(self, commit: Commit, name: str) -> None:
        """Begin with those of that name."""
        wanted = {name} if commit.path else self._by_hand
        self.before[commit.place] = self._of_name(commit.before(), wanted)
        self.given[commit.place] = self._of_name(commit.given(), wanted)
        for change in commit.changes:
            self.others |= {change.target} - {TABLE}
            self.known |= change.target in wanted and self._is_meant(change.part)

    def _of_name(self, schemas: dict[str | None, Schema], wanted: set[str]) -> dict[str | None, set[str]]:
        found: dict[str | None, set[str]] = {}
        for part, schema in schemas.items():
            if self._is_meant(part):
                columns = set(schema.columns)
                self.others |= columns
                found[part] = wanted & columns
                self.known |= bool(found[part])
        return found

    def _sweep(self, commits: Iterable[Commit]) -> bool:
        """Follow it through each commit and to that of before, either way; tells whether there were names to add."""
        more = False
        for commit in commits:
            more |= self._through(commit) | self._to_parent(commit)
        return more

    def _through(self, commit: Commit) -> bool:
        before, given = self.before[commit.place], self.given[commit.place]
        more = False
        if commit.describes:
            for part, schema in commit.given().items():
                more |= _join(before, part, given, part, _columns(schema))
            return more
        renamed = _renamed(commit)
        for one in commit.compared():
            kept = _columns(one.old) & _columns(one.new)
            more |= _join(before, one.source, given, one.part, kept)
            for old, new in renamed.get(one.part, ()):
                more |= _add(given, one.part, new) if old in before.get(one.source, ()) else False
                more |= _add(before, one.source, old) if new in given.get(one.part, ()) else False
        return more

    def _to_parent(self, commit: Commit) -> bool:
        parent = self._commits.get(commit.parent) if commit.parent is not None else None
        if parent is None:
            return False
        above, below = parent.given(), commit.before()
        more = False
        for part, schema in below.items():
            for source in _sources(part, schema, above):
                kept = _columns(above[source]) & _columns(schema)
                more |= _join(self.given[parent.place], source, self.before[commit.place], part, kept)
        return more


def _sources(part: str | None, schema: Schema, above: dict[str | None, Schema]) -> list[str | None]:
    """The parts of a step's output that a part of the next one's input can be: that of its name, of its schema, any."""
    if part in above:
        return [part]
    return [name for name, other in above.items() if other == schema] or list(above)


def _join(
    one: dict[str | None, set[str]],
    part: str | None,
    other: dict[str | None, set[str]],
    place: str | None,
    kept: set[str],
) -> bool:
    """Let two sides have the same of those names that are kept between them; False if they had."""
    if part not in one or place not in other:
        return False
    both = (one[part] | other[place]) & kept
    if both <= one[part] and both <= other[place]:
        return False
    one[part] |= both
    other[place] |= both
    return True


def _add(side: dict[str | None, set[str]], part: str | None, name: str) -> bool:
    if part not in side or name in side[part]:
        return False
    side[part].add(name)
    return True


def _columns(schema: Schema | None) -> set[str]:
    return set() if schema is None else set(schema.columns)


def _renamed(commit: Commit) -> dict[str | None, list[tuple[str, str]]]:
    """The old and the new name of each column that was renamed, by part."""
    found: dict[str | None, list[tuple[str, str]]] = {}
    for change in commit.changes:
        pair = _names_of(change)
        if pair is not None:
            found.setdefault(change.part, []).append(pair)
    return found


def _names_of(change: Change) -> tuple[str, str] | None:
    """The old and the new name, if a change is one side of a rename."""
    to, from_ = change.details.get("renamed_to"), change.details.get("renamed_from")
    if change.type == "DELETE" and isinstance(to, str):
        return change.target, to
    return (from_, change.target) if change.type == "CREATE" and isinstance(from_, str) else None


def _by_hand(commits: list[Commit], name: str) -> set[str]:
    """The names of a column in what was recorded by hand outside of steps, where only renames say what follows what."""
    changes = [change for commit in commits if commit.snapshot is None for change in commit.changes]
    pairs = [pair for change in changes if (pair := _names_of(change)) is not None]
    found = {name}
    while more := {one for pair in pairs if found & set(pair) for one in pair} - found:
        found |= more
    return found


def _touches(commit: Commit, names: _Names) -> Iterator[Touch]:
    """What a commit did to the column: by its changes, then where rows came or went."""
    of_column = [change for change in commit.changes if names.of_change(commit, change)]
    compared = {one.part: one for one in commit.compared()}
    for change in of_column:
        if change.type == "DELETE" and _other_side(change, of_column) is not None:
            continue
        yield _of_change(commit, change, compared.get(change.part), of_column)
    told = {(change.part, change.target) for change in of_column}
    for one in compared.values():
        if one.part in names.given[commit.place]:
            for name in sorted(names.given[commit.place][one.part]):
                touch = None if (one.part, name) in told else _of_rows(commit, one, name)
                if touch is not None:
                    yield touch


def _other_side(change: Change, changes: list[Change]) -> Change | None:
    """The other one of the two changes that a rename is, if it is there."""
    pair = _names_of(change)
    if pair is None:
        return None
    same = (one for one in changes if one is not change and one.part == change.part and one.type != change.type)
    return next((one for one in same if _names_of(one) == pair), None)


def _of_change(commit: Commit, change: Change, compared: Compared | None, changes: list[Change]) -> Touch:
    pair, other = _names_of(change), _other_side(change, changes)
    old, new = pair or (change.target, change.target)
    before = change.before if change.type != "CREATE" or other is None else other.before
    return _touch(
        commit,
        "RENAME" if pair else change.type,
        (None if change.type == "CREATE" and not pair else old, None if change.type == "DELETE" and not pair else new),
        (before, change.after),
        part=change.part,
        compared=compared,
        change_ids=[one.change_id for one in (other, change) if one is not None],
    )


def _of_rows(commit: Commit, one: Compared, name: str) -> Touch | None:
    """A touch that no change tells of: other missing values or another range, as rows came or went."""
    if one.old is None or name not in one.old or name not in one.new:
        return None
    old, new = one.old[name], one.new[name]
    if _looks(old) == _looks(new):
        return None
    kind: TouchType = "UPDATE" if one.old.rows == one.new.rows else "ROWS"
    sides = Description.of(old), Description.of(new)
    return _touch(commit, kind, (name, name), sides, part=one.part, compared=one, change_ids=[])


def _looks(field: Field) -> tuple[Any, ...]:
    statistics = field.statistics
    return field.nulls, *((None, None) if statistics is None else (statistics.minimum, statistics.maximum))


def _touch(
    commit: Commit,
    kind: TouchType,
    names: tuple[str | None, str | None],
    sides: tuple[Description | None, Description | None],
    *,
    part: str | None,
    compared: Compared | None,
    change_ids: list[str],
) -> Touch:
    return Touch(
        type=kind,
        module_name=commit.module_name,
        experiment_name=commit.experiment_name,
        key=commit.key,
        path=commit.path,
        part=part,
        name_before=names[0],
        name_after=names[1],
        before=sides[0],
        after=sides[1],
        rows_before=compared.old.rows if compared is not None and compared.old is not None else None,
        rows_after=None if compared is None else compared.new.rows,
        timestamp=commit.timestamp,
        snapshot_id=None if commit.snapshot is None else commit.snapshot.snapshot_id,
        change_ids=change_ids,
        undone=commit.undone,
    )


def _not_found(column: str, others: set[str]) -> NotFoundError:
    close = get_close_matches(column, sorted(others), _MOST)
    some = close or sorted(others)[: 2 * _MOST]
    listed = ", ".join(map(repr, some)) + (", …" if not close and len(others) > len(some) else "")
    remedy = f"there {'is' if close else 'are'} {listed}" if some else "no step has recorded a table yet"
    return NotFoundError(f"no step had a column {column!r}", remedy=remedy, column=column)
