"""`runfolio diff`: two runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import click

from runfolio.cli.forks import forks, indented
from runfolio.cli.options import EXIT_CODES, json_option, loaded, root_option
from runfolio.cli.terminal import (
    CHANGE_STYLES,
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
from runfolio.comparison import ColumnPair, Comparison, Setting, Side, StepPair, compare
from runfolio.differences import TABLE
from runfolio.records import Description
from runfolio.spelling import counted, duration, number, stamp

MOST = 20
"""So many settings are shown, and columns of one step; --json has all."""

_SETTING_COLUMNS = (Column(title="name", least=16), Column(title="A", least=12), Column(title="B", least=12))
_STEP_COLUMNS = (
    Column(title="step", least=26),
    Column(title="A took", right=True, rank=1),
    Column(title="B took", right=True, rank=1),
    Column(title="B / A", right=True, rank=2),
    Column(title="A rows", right=True),
    Column(title="B rows", right=True),
    Column(title="note", least=9),
)
_COLUMN_COLUMNS = (
    Column(title="column", least=14),
    Column(title="part", rank=1, least=8),
    Column(title="differs", least=9),
    Column(title="A", least=14),
    Column(title="B", least=14),
)
_WORDS = {
    "CREATE": "only in B",
    "DELETE": "only in A",
    "TRANSFORM": "dtype",
    "RENAME": "name",
    "UPDATE": "values",
}


@click.command("diff", epilog=EXIT_CODES)
@click.argument("run_a")
@click.argument("run_b")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if there are differences.")
@root_option
@json_option
def command(run_a: str, run_b: str, *, exit_code: bool, root: str | None, as_json: bool) -> None:
    """Compare two runs: configuration, steps, durations, schemas and statistics.

    Steps belong together by their experiment paths. Of configuration, versions, input files and columns what differs is
    shown; steps are listed all. Values are compared by the digests that the runs recorded, no data is read. Times and
    durations are no difference. To see the numbers of any number of runs side by side, use `runfolio compare`.

    A run is named by its id, the beginning of one that no other id has, `latest`, or the path of a run folder (with a
    slash in it).

    \b
    Examples:
      runfolio diff 20261121 latest
      runfolio diff 20261121 latest --exit-code
      runfolio diff ./runs/20261123T085921Z-penguins-cfy9 latest
      runfolio diff 20261121 latest --json | jq -r '.columns[] | [.key, .type, .name_b] | @tsv'
    """  # noqa: D301  (\b is click's: it keeps the lines that follow)
    found = compare(loaded(run_a, root), loaded(run_b, root))
    if as_json:
        echo_json(found)
    else:
        _print(page(), found)
    if exit_code and not found.equal:
        click.get_current_context().exit(1)


def _print(on: Page, found: Comparison) -> None:
    on.line(*_side("A", found.a))
    on.line(*_side("B", found.b))
    _print_settings(on, "Configuration", found.configuration)
    _print_settings(on, "Versions", found.versions)
    _print_settings(on, "Input files", found.inputs)
    if found.steps:
        at = forks(step.path for step in found.steps)
        print_section(on, "Steps", _STEP_COLUMNS, [_step_line(step, indented(step.path, at)) for step in found.steps])
    for key, pairs in groupby(found.columns, lambda pair: pair.key):
        _print_columns(on, key, list(pairs))
    on.line()
    if found.equal:
        on.line(Styled("equal", "green"), f": {counted(len(found.steps), 'step')}, and all that they gave")
    else:
        on.line(_summary(found))
    for note in found.notes:
        complain(note)


def _side(label: str, side: Side) -> tuple[Text, ...]:
    state = Styled(f"{side.state:<11}", STATE_STYLES[side.state])
    return f"{label}  ", Styled(side.run_id or "-", "bold"), "  ", state, f"  {stamp(side.start_time)}"


def _print_settings(on: Page, title: str, settings: Sequence[Setting]) -> None:
    lines = [(one.name, *("-" if side is None else side for side in (one.a, one.b))) for one in settings]
    print_section(on, title, _SETTING_COLUMNS, lines[:MOST])
    _print_more(on, len(lines) - MOST)


def _step_line(step: StepPair, name: str) -> tuple[Text, ...]:
    a, b = step.a, step.b
    took = [None if side is None else side.duration_seconds for side in (a, b)]
    rows = [None if side is None else side.rows_after for side in (a, b)]
    return (
        name,
        duration(took[0]),
        duration(took[1]),
        "-" if step.ratio is None else f"{step.ratio:.2f}",
        number(rows[0]),
        Styled(number(rows[1]), "" if rows[0] == rows[1] else "yellow"),
        Styled("only in A", "red") if b is None else Styled("only in B", "green") if a is None else "",
    )


def _print_columns(on: Page, key: str, pairs: Sequence[ColumnPair]) -> None:
    lines = [_column_line(pair) for pair in pairs[:MOST]]
    print_section(on, key, _COLUMN_COLUMNS, lines)
    _print_more(on, len(pairs) - MOST)


def _print_more(on: Page, count: int) -> None:
    if count > 0:
        on.line(Styled(f"… and {count:,} more", "dim"))


def _column_line(pair: ColumnPair) -> tuple[Text, ...]:
    name, word = pair.name_a or pair.name_b or "", _WORDS[pair.type]
    if name == TABLE:
        name, word = "the table", "rows" if pair.type == "UPDATE" else word
    elif pair.type == "RENAME":
        name = f"{pair.name_a} → {pair.name_b}"
    return name, pair.part or "", Styled(word, CHANGE_STYLES[pair.type]), *_shown(pair)


def _shown(pair: ColumnPair) -> tuple[str, str]:
    """What is told of both sides: what differs, all of a column that only one side has."""
    if pair.a is None or pair.b is None:
        return "" if pair.a is None else _text(pair.a), "" if pair.b is None else _text(pair.b)
    told = [(one, other) for one, other in zip(_facts(pair.a), _facts(pair.b), strict=True) if one != other]
    if not told:  # the digests alone tell that there are other values
        return "", ""
    one, other = (", ".join(filter(None, side)) for side in zip(*told, strict=True))
    return one or "-", other or "-"


def _text(side: Description) -> str:
    return ", ".join(filter(None, _facts(side)))


def _facts(side: Description) -> tuple[str, ...]:
    """A description as facts that can be told one by one: dtype, missing values, range, mean, distinct values."""
    if side.rows is not None or side.dtype is None:
        return (str(side), "", "", "", "")
    statistics = side.statistics
    found = ["", "", ""]
    if statistics is not None:
        if statistics.minimum is not None and statistics.maximum is not None:
            found[0] = " to ".join(shown_value(end, side.dtype) for end in (statistics.minimum, statistics.maximum))
        found[1] = "" if statistics.mean is None else f"mean {statistics.mean:.6g}"
        found[2] = "" if statistics.distinct is None else f"{statistics.distinct:,} distinct"
    return (side.dtype, "" if side.nulls is None else f"{side.nulls:,} missing", *found)


def _summary(found: Comparison) -> str:
    alone = sum(step.a is None or step.b is None for step in found.steps)
    tables = {(pair.path, pair.part) for pair in found.columns}
    columns = len(found.columns)
    told = [
        "another state" if found.a.state != found.b.state else "",
        counted(len(found.configuration), "setting") if found.configuration else "",
        counted(len(found.versions), "version") if found.versions else "",
        counted(len(found.inputs), "input file") if found.inputs else "",
        f"{counted(alone, 'step')} in one run only" if alone else "",
        f"{counted(columns, 'difference')} in {counted(len(tables), 'table')}" if columns else "",
    ]
    return f"differ by {', '.join(filter(None, told))}"
