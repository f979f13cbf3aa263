"""Comparison: two runs side by side, by what they were configured with, what they did, and what came out.

Steps belong together by their experiment paths, as of each run's current state. Tables are compared by schema and
statistics, and by the digests of their columns' values; no data is read. Durations are told, and are no difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct, json

from runfolio import layout
from runfolio.commits import Commit, commits_of
from runfolio.differences import TABLE
from runfolio.errors import FormatError
from runfolio.field import Field
from runfolio.files import read_bytes
from runfolio.records import Configured, Description, Input, Path, PathStep, Subscriptable, converted
from runfolio.schema import Schema, parts_of
from runfolio.standing import key_of
from runfolio.view import RunView

PairType = Literal["CREATE", "UPDATE", "TRANSFORM", "RENAME", "DELETE"]


class Side(Subscriptable, frozen=True, kw_only=True):
    """One of the two runs."""

    run_id: str | None
    state: str
    start_time: datetime | None
    duration_seconds: float | None


class Setting(Subscriptable, frozen=True):
    """One thing that the runs went by and that is not the same, as text; None where a run has none of it."""

    name: str
    a: str | None
    b: str | None


class StepSide(Subscriptable, frozen=True, kw_only=True):
    """What a step took and gave in one run."""

    duration_seconds: float | None
    rows_before: int | None
    rows_after: int | None


class StepPair(Subscriptable, frozen=True, kw_only=True):
    """One step in both runs, None where one has not committed it; `ratio` is how many times as long it took in b."""

    key: str
    path: Path
    a: StepSide | None
    b: StepSide | None
    ratio: float | None


class ColumnPair(Subscriptable, frozen=True, kw_only=True):
    """A column of what a step gave that is not the same in both runs; `*` is the table as a whole, or a part of it.

    `type` is that of a change from a to b: CREATE for one that only b has. `a` and `b` describe it. `same_values` tells
    whether the values are known to be the same or not; null where that is not known.
    """

    key: str
    path: Path
    part: str | None
    type: PairType
    name_a: str | None
    name_b: str | None
    a: Description | None
    b: Description | None
    same_values: bool | None = None


class Comparison(Subscriptable, frozen=True, kw_only=True):
    """Two runs side by side. `equal` is true if nothing differs but run ids, times and durations.

    `steps` has all of both; everything else, only what differs. `notes` say what could not be compared.
    """

    a: Side
    b: Side
    equal: bool
    configuration: list[Setting]
    versions: list[Setting]
    inputs: list[Setting]
    steps: list[StepPair]
    columns: list[ColumnPair]
    notes: list[str]


def compare(a: RunView, b: RunView) -> Comparison:
    """Two runs side by side.

    >>> import pandas as pd
    >>> from runfolio import Status
    >>> runs = []
    >>> for ages in ([36, 41], [36, 42]):
    ...     with Status(root=root) as status:
    ...         with status.step("Loader", "two") as step:
    ...             frame = step.result(pd.DataFrame({"name": ["Ada", "Bob"], "age": ages}))
    ...     runs.append(status)
    >>> found = compare(*runs)
    >>> [(pair.key, pair.type, pair.name_a, pair.b.statistics.maximum) for pair in found.columns]
    [('Loader[two]', 'UPDATE', 'age', '42')]
    >>> found.equal, compare(runs[0], runs[0]).equal
    (False, True)
    """
    notes: list[str] = []
    configurations = [_as_text(configuration_of(run, side, notes)) for run, side in ((a, "a"), (b, "b"))]
    versions = [_versions(run) for run in (a, b)]
    inputs = [_inputs(run) for run in (a, b)]
    commits = [outcomes_of(run) for run in (a, b)]
    paths = in_tree_order([*commits[0], *commits[1]])
    steps = [_pair(path, commits[0].get(path), commits[1].get(path)) for path in paths]
    columns = [
        column
        for path in paths
        if path in commits[0] and path in commits[1]
        for column in _columns(path, commits[0][path], commits[1][path])
    ]
    settings = [_settings(*both) for both in (configurations, versions, inputs)]
    alone = any(step.a is None or step.b is None for step in steps)
    for run, side in ((a, "a"), (b, "b")):
        notes += [f"{side} is damaged: {run.damage[0]}"] if run.damage else []
    return Comparison(
        a=_side(a),
        b=_side(b),
        equal=not (alone or columns or any(settings) or a.state != b.state),
        configuration=settings[0],
        versions=settings[1],
        inputs=settings[2],
        steps=steps,
        columns=columns,
        notes=notes,
    )


def _side(run: RunView) -> Side:
    return Side(run_id=run.run_id, state=run.state, start_time=run.start_time, duration_seconds=run.duration_seconds)


# What the runs went by


def _configured(run: RunView) -> Configured | None:
    """What the run's last attempt went by; None if no pipeline was declared."""
    events = [event for event in run.events if event.type == "config"]
    return converted(events[-1].context, Configured) if events else None


def configuration_of(run: RunView, side: str, notes: list[str]) -> dict[str, Any]:
    """The leaves of the copy of the configuration in the run's folder, by their places.

    Where it can't be read there are none, and the notes say so of this side.
    """
    told, folder = _configured(run), run.folder
    if told is None or folder is None or not layout.is_config_name(told.copy):
        return {}
    from runfolio.pipeline.source import MAX_BYTES, from_yaml  # noqa: PLC0415  (only declared runs need YAML)

    try:
        source = from_yaml(read_bytes(folder / told.copy, MAX_BYTES).decode(), None, folder)
        source.problems.raise_any()
    except (OSError, FormatError, UnicodeDecodeError, ValueError) as error:
        notes.append(f"the configuration of {side} can't be read: {error}")
        return {}
    return dict(leaves(source.root.value))


def leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Each value that has no parts, with its place.

    >>> list(leaves({"clean": [{"method": "drop"}, {"columns": ["a", 1]}], "none": []}))
    [('clean[0].method', 'drop'), ('clean[1].columns[0]', 'a'), ('clean[1].columns[1]', 1), ('none', [])]
    """
    if isinstance(value, dict) and value:
        for name, part in value.items():
            yield from leaves(part, f"{place}.{name}" if place else str(name))
    elif isinstance(value, list) and value:
        for index, part in enumerate(value):
            yield from leaves(part, f"{place}[{index}]")
    else:
        yield place, value


def text_of(value: Any) -> str:
    """A leaf of a configuration as text."""
    return value if isinstance(value, str) else json.encode(value, enc_hook=str).decode()


def _as_text(configuration: dict[str, Any]) -> dict[str, str]:
    return {place: text_of(value) for place, value in configuration.items()}


def _versions(run: RunView) -> dict[str, str]:
    told = _configured(run)
    return {} if told is None else {one.name: one.version for one in told.versions}


def _inputs(run: RunView) -> dict[str, str]:
    """The files that steps read, each as it was when it was read last."""
    files = [converted(event.context, Input) for event in run.events if event.type == "input"]
    return {file.path: f"{file.bytes:,} bytes, sha256 {file.sha256[:12]}" for file in files if file is not None}


def _settings(a: dict[str, str], b: dict[str, str]) -> list[Setting]:
    return [Setting(name, a.get(name), b.get(name)) for name in {**a, **b} if a.get(name) != b.get(name)]


# What they did


def outcomes_of(run: RunView) -> dict[Path, Commit]:
    """The steps of the current state by their paths; what was recorded by hand, by module and experiment alone."""
    return {
        commit.path or (PathStep(commit.module_name or "", commit.experiment_name or ""),): commit
        for commit in commits_of(run._see())
        if commit.snapshot is not None and not commit.undone
    }


def in_tree_order(paths: list[Path]) -> list[Path]:
    """Each path once, those that follow it right behind it."""
    found: dict[Path, list[int]] = {}
    tree: dict[PathStep, Any] = {}
    for path in paths:
        below, places = tree, []
        for step in path:
            place, below = below.setdefault(step, (len(below), {}))
            places.append(place)
        found[path] = places
    return sorted(found, key=found.__getitem__)


def _pair(path: Path, a: Commit | None, b: Commit | None) -> StepPair:
    one, other = _step_side(a), _step_side(b)
    took = [None if side is None else side.duration_seconds for side in (one, other)]
    ratio = took[1] / took[0] if took[0] and took[1] is not None else None
    return StepPair(key=key_of(path), path=path, a=one, b=other, ratio=ratio)


def _step_side(commit: Commit | None) -> StepSide | None:
    if commit is None or commit.snapshot is None:
        return None
    return StepSide(
        duration_seconds=None if commit.timing is None else commit.timing.duration_seconds,
        rows_before=commit.snapshot.rows_before,
        rows_after=commit.snapshot.rows_after,
    )


# What came out


class _Table(Struct, frozen=True):
    """A table that both runs have: part `part` of what the step of `path` gave."""

    path: Path
    part: str | None

    def pair(self, kind: PairType, a: Field | None, b: Field | None) -> ColumnPair:
        """A column in both."""
        known = a is not None and b is not None and a.digest is not None and b.digest is not None
        return ColumnPair(
            key=key_of(self.path),
            path=self.path,
            part=self.part,
            type=kind,
            name_a=None if a is None else a.name,
            name_b=None if b is None else b.name,
            a=Description.of(a),
            b=Description.of(b),
            same_values=a.digest == b.digest if known and a is not None and b is not None else None,
        )

    def pair_of_rows(self, kind: PairType, a: int | None, b: int | None) -> ColumnPair:
        """The table itself, by its rows."""
        return ColumnPair(
            key=key_of(self.path),
            path=self.path,
            part=self.part,
            type=kind,
            name_a=None if a is None else TABLE,
            name_b=None if b is None else TABLE,
            a=Description.of(a),
            b=Description.of(b),
        )


def _columns(path: Path, a: Commit, b: Commit) -> Iterator[ColumnPair]:
    """How what a step gave differs, part by part."""
    olds, news = _gave(a), _gave(b)
    for part in dict.fromkeys([*olds, *news]):
        old, new, table = olds.get(part), news.get(part), _Table(path, part)
        if old is None or new is None:
            kind: PairType = "CREATE" if old is None else "DELETE"
            yield table.pair_of_rows(kind, None if old is None else old.rows, None if new is None else new.rows)
        elif old != new:
            yield from _of_tables(table, old, new)


def _gave(commit: Commit) -> dict[str | None, Schema]:
    return {} if commit.snapshot is None else dict(parts_of(commit.snapshot.metadata.schema_after))


def _of_tables(table: _Table, old: Schema, new: Schema) -> Iterator[ColumnPair]:
    """How two tables differ: as changes tell it, then what only statistics and digests tell."""
    told, olds = set(), {field.name: field for field in reversed(old.fields)}
    for difference in old.diff(new):
        one, other, details = difference.before, difference.after, difference.details
        told.add(difference.target)
        if not (isinstance(one, Field | None) and isinstance(other, Field | None)):
            yield table.pair_of_rows("UPDATE", old.rows, new.rows)
        elif "renamed_from" in details:
            yield table.pair("RENAME", olds[details["renamed_from"]], other)
        elif "renamed_to" not in details:
            yield table.pair(difference.type, one, other)
    for field in new.fields:
        before = olds.get(field.name)
        if before is not None and field.name not in told and _looks(before) != _looks(field):
            yield table.pair("UPDATE", before, field)


def _looks(field: Field) -> tuple[Any, ...]:
    return field.nulls, field.digest, field.dtype_digest, field.statistics
