"""`runfolio history`: what became of one column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from msgspec import to_builtins

from runfolio.cli.forks import forks, indented, turns
from runfolio.cli.options import EXIT_CODES, json_option, loaded, root_option, tell_damage
from runfolio.cli.terminal import CHANGE_STYLES, Column, Page, Styled, Text, echo_json, page, shown_value
from runfolio.lineage import Touch
from runfolio.records import Description, Path
from runfolio.run import Run
from runfolio.spelling import number
from runfolio.standing import path_of

_COLUMNS = (
    Column(title="step", least=26),
    Column(title="part", rank=2, least=8),
    Column(title="change", least=14),
    Column(title="rows", right=True, rank=4),
    Column(title="nulls", right=True),
    Column(title="dtype", rank=5, least=8),
    Column(title="range", rank=3, least=16),
)


@click.command("history", epilog=EXIT_CODES)
@click.argument("run")
@click.argument("column")
@click.option("--path", metavar="KEY", help="Only along the branch to this step: its experiment key.")
@click.option("--part", metavar="NAME", help="Only this part of data of several.")
@root_option
@json_option
def command(run: str, column: str, *, path: str | None, part: str | None, root: str | None, as_json: bool) -> None:
    """Show every step that touched a column: what it did, and the column before and after.

    COLUMN is any name that the column had: it is followed across renames, and along all branches unless --path names
    one. A step that only added or dropped rows is listed as ROWS if the column's missing values or range changed by it.

    RUN is a run's id, the beginning of one that no other id has, `latest`, or the path of a run folder (with a slash in
    it).

    \b
    Examples:
      runfolio history latest bill_depth
      runfolio history latest bill_depth --part train
      runfolio history latest bill_depth --path "Loader[penguins]_Preprocessor[measured]"
      runfolio history latest bill_depth --json | jq '.[] | {key, type, nulls: .after.nulls}'
    """  # noqa: D301  (\b is click's: it keeps the lines that follow)
    found = loaded(run, root)
    tell_damage(found)
    touches = found.column_history(column, path=path, part=part)
    if as_json:
        echo_json(document(touches))
    else:
        _print(page(), found, column, touches)


def document(touches: list[Touch]) -> list[dict[str, Any]]:
    """The history as a list of JSON objects."""
    found: list[dict[str, Any]] = to_builtins(touches)
    return found


def _print(on: Page, run: Run, column: str, touches: list[Touch]) -> None:
    names = dict.fromkeys(name for touch in touches for name in (touch.name_before, touch.name_after) if name)
    others = [name for name in names if name != column]
    also = f", also {', '.join(others)}" if others else ""
    on.line(Styled(column, "bold"), f"{also} in {run.run_id}")
    if not touches:
        on.line("no step touched it")
        return
    paths = {path_of(one.context) for one in run.snapshots if one.context.get("point") == "after"}
    lines = list(_lines(touches, forks(paths), len(names) > 1))
    used = [index for index in range(len(_COLUMNS)) if any(line[index] for line in lines)]
    on.line()
    on.table([_COLUMNS[index] for index in used], [[line[index] for index in used] for line in lines])


def _lines(touches: list[Touch], at: set[Path], named: bool) -> Iterator[tuple[Text, ...]]:
    """A line for each touch, each branch indented below its fork; a step that begins a branch is there in any case."""
    above: Path = ()
    for touch in touches:
        path = touch.path
        for place in turns(path[:-1], at):
            begun = path[: place + 1]
            if above[: len(begun)] != begun:
                yield (indented(begun, at), *[""] * (len(_COLUMNS) - 1))
        again = bool(path) and above == path
        above = path
        yield ("" if again else indented(path, at) if path else touch.key or "-", *_cells(touch, named))


def _cells(touch: Touch, named: bool) -> tuple[Text, ...]:
    before, after = touch.before, touch.after
    return (
        touch.part or "",
        Styled(_told(touch, named), CHANGE_STYLES[touch.type]),
        _moved(*(None if rows is None else number(rows) for rows in (touch.rows_before, touch.rows_after))),
        _moved(_nulls(before), _nulls(after)),
        _moved(_dtype(before), _dtype(after)),
        _moved(_range(before), _range(after)),
    )


def _told(touch: Touch, named: bool) -> str:
    """What a step did, with the column's name where that is news."""
    name = touch.name_after or touch.name_before
    to = " to" if touch.type == "RENAME" else ""
    news = f"{to} {name}" if to or (named and touch.type in ("CREATE", "DELETE")) else ""
    return f"{touch.type}{news}{', undone' if touch.undone else ''}"


def _moved(before: str | None, after: str | None) -> str:
    """How something was and became, once where it stayed."""
    sides = [side for side in dict.fromkeys((before, after)) if side is not None]
    return " → ".join(sides)


def _nulls(side: Description | None) -> str | None:
    return None if side is None or side.nulls is None else number(side.nulls)


def _dtype(side: Description | None) -> str | None:
    return None if side is None else side.dtype


def _range(side: Description | None) -> str | None:
    """Minimum and maximum, or what was recorded by hand."""
    if side is None or side.statistics is None or side.statistics.minimum is None:
        return None if side is None else side.value
    ends = (side.statistics.minimum, side.statistics.maximum or "")
    return " to ".join(shown_value(end, side.dtype) for end in ends)
