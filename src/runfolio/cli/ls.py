"""`runfolio ls`: the runs under a root, newest first."""

from __future__ import annotations

import os
from itertools import islice

import click

from runfolio import layout
from runfolio.catalog import STATES, RunRow, scan
from runfolio.cli.options import EXIT_CODES, json_option, root_option
from runfolio.cli.terminal import (
    DAMAGE_STYLE,
    STATE_STYLES,
    UNREADABLE,
    Column,
    Page,
    Styled,
    Text,
    complain,
    echo_json,
    page,
)
from runfolio.clock import SYSTEM
from runfolio.quantities import moment
from runfolio.spelling import age, duration, number, size, stamp

_COLUMNS = (
    Column(title="run", least=80),
    Column(title="state"),
    Column(title="started", rank=2),
    Column(title="took", right=True, rank=3),
    Column(title="steps", right=True, rank=4),
    Column(title="size", right=True, rank=5),
)
_NOTE = Column(title="note", rank=1, least=16, cuts=True)


@click.command("ls", epilog=EXIT_CODES)
@root_option
@click.option(
    "--state", "states", multiple=True, type=click.Choice(STATES), help="Only runs in this state; repeatable."
)
@click.option("--name", metavar="TEXT", help="Only runs whose name has this part, or fits this pattern with * or ?.")
@click.option("--tag", "tags", metavar="TAG", multiple=True, help="Only runs with this tag; repeatable.")
@click.option(
    "--since", metavar="TIME", help="Only runs begun since: 36h, 7d (before now), 2026-11-22, 2026-11-22T18:48Z."
)
@click.option("--until", metavar="TIME", help="Only runs begun before.")
@click.option("--index", is_flag=True, help="Make an index of the root, which lists use from then on.")
@click.option("--limit", metavar="N", type=click.IntRange(min=0), help="At most so many runs.")
@json_option
def command(
    *,
    root: str | None,
    states: tuple[str, ...],
    name: str | None,
    tags: tuple[str, ...],
    since: str | None,
    until: str | None,
    index: bool,
    limit: int | None,
    as_json: bool,
) -> None:
    """List the runs, newest first.

    The note of a run says why it failed, or what of it is damaged. A run in_progress has taken as long as it goes on by
    now; one that was interrupted, up to its last record.

    \b
    Examples:
      runfolio ls
      runfolio ls --state failed --state interrupted
      runfolio ls --name "nightly*" --limit 10
      runfolio ls --since 7d --tag nightly
      runfolio ls --root /data/runs --json | jq -r '.[0].run_id'
    """  # noqa: D301  (\b is click's: it keeps the lines that follow)
    now = SYSTEM.now()
    first = None if since is None else moment(since, "--since", now)
    last = None if until is None else moment(until, "--until", now)
    rows = list(islice(scan(root, states=states, name=name, tags=tags, since=first, until=last, index=index), limit))
    if as_json:
        echo_json(rows)
    elif rows:
        _print(page(), rows)
    else:
        some = "such run" if states or name or tags or since or until or limit == 0 else "run"
        base = layout.root_of(root)
        complain(f"no {some} under {base}")


def _print(on: Page, rows: list[RunRow]) -> None:
    notes = [_note(row) for row in rows]
    columns = (*_COLUMNS, _NOTE) if any(notes) else _COLUMNS
    on.table(columns, [(*_cells(row, on), note)[: len(columns)] for row, note in zip(rows, notes, strict=True)])


def _cells(row: RunRow, on: Page) -> tuple[Text, ...]:
    return (
        os.path.basename(row.folder),  # noqa: PTH119  (the name to ask for the run by; a renamed folder's is its own)
        _state(row),
        age(row.start_time, SYSTEM.now()) if on.live else stamp(row.start_time),
        duration(row.duration_seconds),
        number(row.steps),
        size(row.bytes),
    )


def _state(row: RunRow) -> Text:
    """The state, in one word for `awk` and the like, with a mark of damage."""
    if row.state is None:
        return Styled(UNREADABLE, DAMAGE_STYLE)
    return (
        Styled(row.state, STATE_STYLES[row.state])
        if row.damage is None
        else Styled(f"{row.state},damaged", DAMAGE_STYLE)
    )


def _note(row: RunRow) -> Text:
    """Damage before errors: a failed run says so in its state as well."""
    if row.damage is not None:
        return Styled(row.damage, DAMAGE_STYLE)
    return "" if row.error is None else Styled(row.error, "red")
