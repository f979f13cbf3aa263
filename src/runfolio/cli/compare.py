"""`runfolio compare`: several runs side by side, by their numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from runfolio.cli.options import EXIT_CODES, json_option, loaded, root_option
from runfolio.cli.terminal import (
    STATE_STYLES,
    Column,
    Page,
    Styled,
    Text,
    complain,
    echo_json,
    page,
    print_section,
    shown_value,
)
from runfolio.comparison import text_of
from runfolio.sidebyside import KINDS, Kind, RunNumbers, SideBySide, side_by_side
from runfolio.spelling import duration, number, stamp

MOST_COLUMNS = 8
"""So many runs have a column each; of more, each has a line."""

_BY_WEIGHT: tuple[Kind, ...] = ("parameters", "reports", "seconds", "rows")
_TITLES: dict[Kind, str] = {
    "parameters": "Parameters",
    "seconds": "Durations",
    "rows": "Rows",
    "reports": "Reports",
}
_SHOWN: dict[Kind, Callable[[Any], str]] = {
    "parameters": lambda value: shown_value(text_of(value), None),
    "seconds": duration,
    "rows": number,
    "reports": lambda value: f"{value:.6g}" if isinstance(value, float) else number(value),
}


@click.command("compare", epilog=EXIT_CODES)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--sort", metavar="NAME", help="Sort the runs by this quantity; a part of its name is enough.")
@click.option("--descending", is_flag=True, help="Sort from the largest to the smallest.")
@click.option("--all", "every", is_flag=True, help="Show all parameters, not only those that differ.")
@root_option
@json_option
def command(
    runs: tuple[str, ...], *, sort: str | None, descending: bool, every: bool, root: str | None, as_json: bool
) -> None:
    """Put runs side by side by their numbers: parameters, durations, rows, reports.

    Of the parameters of the configurations those that differ are shown. Durations and rows are those of steps, which
    belong together by their experiment paths; reports give their numbers, small tables of a Describer or Evaluator as
    well. Up to 8 runs have a column each; of more, each has a line. To see all that differs between two runs, column by
    column of their tables, use `runfolio diff`.

    A run is named by its id, the beginning of one that no other id has, `latest`, or the path of a run folder (with a
    slash in it).

    \b
    Examples:
      runfolio compare 20261121 20261122 latest
      runfolio compare runs/*-grid-* --sort accuracy --descending
      runfolio compare runs/*-grid-* --sort duration_seconds --all
      runfolio compare runs/*-grid-* --json | jq -r '.[] | [.run_id, .reports["Evaluator[auc].score"]] | @tsv'
    """  # noqa: D301  (\b is click's: it keeps the lines that follow)
    found = side_by_side([loaded(run, root) for run in runs])
    if sort is not None:
        found = found.sorted_by(sort, descending=descending)
    if not every:
        found = found.differing()
    if as_json:
        echo_json(found.runs)
    elif len(found.runs) > MOST_COLUMNS:
        _print_lines(page(), found, sort)
    else:
        _print_columns(page(), found)
    for note in found.notes:
        complain(note)


def _print_columns(on: Page, found: SideBySide) -> None:
    """A column a run, under a letter that the first lines explain."""
    letters = [chr(ord("A") + place) for place in range(len(found.runs))]
    columns = (
        Column(title=""),
        Column(title="run"),
        Column(title="state"),
        Column(title="started", rank=2),
        Column(title="took", right=True, rank=1),
    )
    on.table(columns, [(letter, *_head(run)) for letter, run in zip(letters, found.runs, strict=True)])
    for kind in KINDS:
        lines = [(name, *(_cell(run, kind, name) for run in found.runs)) for name in found.names(kind)]
        title = Column(title="name" if kind in ("parameters", "reports") else "step", least=20)
        # On a terminal that is too narrow for all, the last are left out.
        sides = (Column(title=letter, right=True, rank=max(place - 1, 0)) for place, letter in enumerate(letters))
        print_section(on, _TITLES[kind], (title, *sides), lines)


def _print_lines(on: Page, found: SideBySide, sort: str | None) -> None:
    """A line a run, and a column a quantity, first the one that they are sorted by; durations and rows give way."""
    first = None if sort is None else found.named(sort)
    named = [(kind, name) for kind in _BY_WEIGHT for name in found.names(kind)]
    named.sort(key=lambda one: _title(*one) != first)
    columns = (
        Column(title="run"),
        Column(title="state"),
        Column(title="started", rank=len(named) + 2),
        Column(title="took", right=True),
        *(Column(title=_title(kind, name), right=True, rank=place) for place, (kind, name) in enumerate(named, 1)),
    )
    on.table(columns, [(*_head(run), *(_cell(run, kind, name) for kind, name in named)) for run in found.runs])


def _title(kind: Kind, name: str) -> str:
    return f"{kind} {name}" if kind in ("seconds", "rows") else name


def _head(run: RunNumbers) -> Sequence[Text]:
    return (
        Styled(run.run_id or "-", "bold"),
        Styled(run.state, STATE_STYLES[run.state]),
        stamp(run.start_time),
        duration(run.duration_seconds),
    )


def _cell(run: RunNumbers, kind: Kind, name: str) -> str:
    values: dict[str, Any] = getattr(run, kind)
    return _SHOWN[kind](values[name]) if name in values else "-"
