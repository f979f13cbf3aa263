"""Side by side: several runs by their numbers, a row each, to be sorted: what they went by, and what came of it.

`comparison` tells all that differs between two runs, column by column; this tells a few quantities of any number.
Parameters are those of the configuration, durations and rows those of committed steps, and reports give their numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

from msgspec import structs

from runfolio.arguments import text
from runfolio.comparison import configuration_of, in_tree_order, leaves, outcomes_of, text_of
from runfolio.errors import NotFoundError, RunfolioError, UsageError
from runfolio.provenance import SEED
from runfolio.records import Part, Path, Subscriptable
from runfolio.reports import MOST_NUMBERS, is_report
from runfolio.run import load_run
from runfolio.standing import key_of
from runfolio.view import RunView

if TYPE_CHECKING:
    import pandas as pd

    from runfolio.artifacts import StoredResult

Kind = Literal["parameters", "seconds", "rows", "reports"]
KINDS: tuple[Kind, ...] = ("parameters", "seconds", "rows", "reports")

MOST_BYTES = 4 * 1024 * 1024
"""A report that is larger is not read."""

_MOST_DIGITS = 400
_RUN_COLUMNS = {
    "run_id": "string",
    "name": "string",
    "state": "string",
    "start_time": "datetime64[us, UTC]",
    "duration_seconds": "float64",
}


class RunNumbers(Subscriptable, frozen=True, kw_only=True):
    """The quantities of one run by their names.

    `parameters` are the leaves of its configuration by their places, and a `seed` given by hand. `seconds` and `rows`
    (those that it gave) are told of each committed step, by its experiment key. `reports` have the numbers of reports
    by the result's key and their places in it, those of small frames by row and column.
    """

    run_id: str | None
    name: str | None
    state: str
    start_time: datetime | None
    duration_seconds: float | None
    parameters: dict[str, Any]
    seconds: dict[str, float]
    rows: dict[str, int]
    reports: dict[str, float]

    def value(self, name: str) -> Any:
        """A quantity by its name: `state`, a parameter's or report's own, `seconds KEY` or `rows KEY`; None without."""
        if name in _RUN_COLUMNS:
            return getattr(self, name)
        kind, _, rest = name.partition(" ")
        if kind in ("seconds", "rows") and rest in getattr(self, kind):
            return getattr(self, kind)[rest]
        return self.reports.get(name, self.parameters.get(name))


class SideBySide(Subscriptable, frozen=True):
    """Runs in the order in which they were given; `notes` say what could not be read."""

    runs: list[RunNumbers]
    notes: list[str]

    def names(self, kind: Kind) -> list[str]:
        """The names of all quantities of a kind, in the order in which the runs have them."""
        return list(dict.fromkeys(name for run in self.runs for name in getattr(run, kind)))

    def quantities(self) -> list[str]:
        """The names of all, as `RunNumbers.value` and `sorted_by` take them."""
        found = [*_RUN_COLUMNS]
        for kind in KINDS:
            found += [_full(kind, name) for name in self.names(kind)]
        return list(dict.fromkeys(found))

    def differing(self) -> SideBySide:
        """The same without the parameters that all runs have alike."""
        told = {name: {_spelled(run.parameters, name) for run in self.runs} for name in self.names("parameters")}
        runs = [
            structs.replace(
                run, parameters={name: value for name, value in run.parameters.items() if len(told[name]) > 1}
            )
            for run in self.runs
        ]
        return SideBySide(runs, self.notes)

    def sorted_by(self, name: str, *, descending: bool = False) -> SideBySide:
        """The runs in the order of a quantity, those that have none last.

        Part of a name is enough if no other has it. Raises NotFoundError, UsageError.
        """
        full = self.named(name)
        known = [run for run in self.runs if run.value(full) is not None]
        ordered = sorted(known, key=lambda run: _order(run.value(full)), reverse=descending)
        return SideBySide([*ordered, *(run for run in self.runs if run.value(full) is None)], self.notes)

    def named(self, name: str) -> str:
        """The whole name of the quantity that has this part in it. Raises NotFoundError, UsageError."""
        known = self.quantities()
        found = [name] if name in known else [one for one in known if name in one]
        if not found:
            raise NotFoundError(f"no quantity {name!r} in these runs", remedy="--json shows the names of all", key=name)
        if len(found) > 1:
            shown = ", ".join(found[:5]) + (", …" if len(found) > 5 else "")  # noqa: PLR2004
            raise UsageError(
                f"{len(found)} quantities have {name!r} in their names: {shown}", remedy="name one of them"
            )
        return found[0]


def side_by_side(runs: Sequence[RunView]) -> SideBySide:
    """The quantities of these runs. No data is read but that of reports."""
    notes: list[str] = []
    outcomes = [outcomes_of(run) for run in runs]
    paths = in_tree_order([path for found in outcomes for path in found])
    numbers = []
    for run, found in zip(runs, outcomes, strict=True):
        label = run.run_id or "a run that has not begun"
        steps = [(key_of(path), found[path]) for path in paths if path in found]
        rows = {key: step.snapshot.rows_after for key, step in steps if step.snapshot is not None}
        seconds = {key: step.timing.duration_seconds for key, step in steps if step.timing is not None}
        notes += [f"{label} is damaged: {run.damage[0]}"] if run.damage else []
        numbers.append(
            RunNumbers(
                run_id=run.run_id,
                name=run.name,
                state=run.state,
                start_time=run.start_time,
                duration_seconds=run.duration_seconds,
                parameters=_parameters(run, label, notes),
                seconds=seconds,
                rows={key: count for key, count in rows.items() if count is not None},
                reports=dict(_reports(run, label, notes)),
            )
        )
    return SideBySide(numbers, notes)


def compare_runs(
    runs: Iterable[str | PathLike[str] | RunView],
    *,
    root: str | PathLike[str] | None = None,
    all_parameters: bool = False,
    sort: str | None = None,
    descending: bool = False,
) -> pd.DataFrame:
    """Runs side by side as a frame, a row each, in the order in which they are given, or sorted by a column.

    Runs are named as for `load_run`, or are runs. The first columns are run_id, name, state ("string"), start_time
    (datetime64[us, UTC]) and duration_seconds (float64). Then come the parameters of their configurations that differ,
    or all of them, by their places; `seconds KEY` and `rows KEY` of each step (float64, Int64); and the numbers of
    reports by the result's key and their places (Int64 or float64). What a run does not have is missing.
    `comparison.compare` tells instead all that differs between two runs.

    Raises NotFoundError for a run or a column to sort by that is not there, UsageError if several are meant.

    >>> from runfolio import Status, compare_runs
    >>> runs = []
    >>> for score in (0.5, 0.75):
    ...     with Status(root=root, seed=int(score * 100)) as status:
    ...         with status.step("Evaluator", "auc") as step:
    ...             report = step.result({"score": score, "classes": ["a", "b"]})
    ...     runs.append(status)
    >>> found = compare_runs(runs, sort="score", descending=True)
    >>> found[["state", "seed", "Evaluator[auc].score"]].values.tolist()
    [['completed', 75, 0.75], ['completed', 50, 0.5]]
    """
    import pandas as pd  # noqa: PLC0415  (pandas takes 0.3 s; only who asks for a frame waits for it)

    if isinstance(runs, str | RunView):
        raise UsageError(f"runs is one run, {runs!r}", remedy="pass a list of runs", key="runs")
    loaded = [run if isinstance(run, RunView) else load_run(run, root=root) for run in runs]
    found = side_by_side(loaded)
    if sort is not None:
        found = found.sorted_by(text(sort, "sort"), descending=descending)
    if not all_parameters:
        found = found.differing()
    columns = {
        name: pd.Series([getattr(run, name) for run in found.runs], dtype=dtype) for name, dtype in _RUN_COLUMNS.items()
    }
    for kind in KINDS:
        for name in found.names(kind):
            values = [getattr(run, kind).get(name) for run in found.runs]
            columns.setdefault(_full(kind, name), pd.Series(values, dtype=_dtype(values)))
    return pd.DataFrame(columns)


def _full(kind: Kind, name: str) -> str:
    return f"{kind} {name}" if kind in ("seconds", "rows") else name


def _spelled(parameters: dict[str, Any], name: str) -> tuple[str, str] | None:
    """A parameter as what it is compared by: `1`, `True` and `"1"` are not the same."""
    return (type(parameters[name]).__name__, text_of(parameters[name])) if name in parameters else None


def _order(value: Any) -> tuple[int, Any]:
    """What a value is sorted by: numbers before texts."""
    return (0, value) if isinstance(value, int | float) else (1, str(value))


def _dtype(values: list[Any]) -> str:
    """The type of a column: of whole numbers, numbers, texts or truth values, if there is nothing else in it."""
    kinds = {type(value) for value in values if value is not None}
    is_large = any(type(value) is int and not -(2**63) <= value < 2**63 for value in values)
    for some, dtype in (({int}, "Int64"), ({int, float}, "float64"), ({str}, "string"), ({bool}, "boolean")):
        if kinds and kinds <= some and not is_large:
            return dtype
    return "object"


# What they went by


def _parameters(run: RunView, label: str, notes: list[str]) -> dict[str, Any]:
    found = {
        place: value if isinstance(value, str | int | float | None) else text_of(value)
        for place, value in configuration_of(run, label, notes).items()
        if not place.startswith("Run.")
    }
    given = () if run.provenance is None else run.provenance.seeds
    return {seed.name: _number(seed.value) for seed in given if seed.name == SEED} | found


def _number(text: str) -> int | str:
    return int(text) if text.removeprefix("-").isdecimal() and len(text) < _MOST_DIGITS else text


# What came of it


def _reports(run: RunView, label: str, notes: list[str]) -> Iterator[tuple[str, float]]:
    """The numbers of all reports, and of small frames of modules that describe data."""
    for key, stored in run.results.items():
        for part in stored.record.parts:
            if not _is_told(stored.record.path, part):
                continue
            try:
                found = list(_numbers_of(stored, part))
            except RunfolioError as error:
                notes.append(f"{label}: {error.what}")
                continue
            if len(found) > MOST_NUMBERS:
                notes.append(f"{label}: of the {len(found):,} numbers of {key} the first {MOST_NUMBERS} are told")
            place = _joined(key, part.name or "")
            yield from ((_joined(place, name), value) for name, value in found[:MOST_NUMBERS])


def _is_told(path: Path, part: Part) -> bool:
    return part.bytes is not None and part.bytes <= MOST_BYTES and is_report(path, part)  # or its data is withheld


def _numbers_of(stored: StoredResult, part: Part) -> Iterator[tuple[str, float]]:
    """The numbers of one part of a result, each with its place in that."""
    if part.format == "json":
        yield from ((place, value) for place, value in leaves(stored.read(part.name)) if _is_number(value))
        return
    import pandas as pd  # noqa: PLC0415

    found = stored.read(part.name, as_=None if part.type.startswith("pandas") else "pandas")
    frame = found.to_frame() if isinstance(found, pd.Series) else found
    rows = _row_names(frame)
    for number, column in enumerate(frame.columns):
        for row, value in zip(rows, frame.iloc[:, number].tolist(), strict=True):
            if _is_number(value):
                yield f"{row}.{_in_words(column)}" if row else _in_words(column), value


def _row_names(frame: pd.DataFrame) -> list[str]:
    """What rows are called: by the index, or by the first column of texts, if it tells them apart; else by number."""
    import pandas as pd  # noqa: PLC0415

    if not isinstance(frame.index, pd.RangeIndex):
        return [_in_words(label) for label in frame.index]
    if len(frame) == 1:
        return [""]
    columns = [frame.iloc[:, number].tolist() for number in range(frame.shape[1])]
    texts = (values for values in columns if all(isinstance(value, str) for value in values))
    return next((values for values in texts if len(set(values)) == len(values)), [f"[{row}]" for row in frame.index])


def _in_words(label: Any) -> str:
    return ".".join(map(str, label)) if isinstance(label, tuple) else str(label)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _joined(key: str, place: str) -> str:
    """A place in a result behind the result's key.

    >>> _joined("Evaluator[a]", "auc"), _joined("Evaluator[a]", "[2]"), _joined("Evaluator[a]", "")
    ('Evaluator[a].auc', 'Evaluator[a][2]', 'Evaluator[a]')
    """
    return f"{key}.{place}" if place and not place.startswith("[") else f"{key}{place}"
