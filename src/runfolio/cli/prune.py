"""`runfolio prune`: removing runs by rules."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from runfolio.catalog import STATES
from runfolio.cli.options import EXIT_CODES, json_option, root_option
from runfolio.cli.terminal import STATE_STYLES, Column, Page, Styled, complain, echo_json, page
from runfolio.retention import Pruning, prune, remove
from runfolio.spelling import counted, size, stamp

_COLUMNS = (
    Column(title="run", least=24),
    Column(title="state", rank=1),
    Column(title="started", rank=2),
    Column(title="size", right=True),
    Column(title="why", rank=3),
)


@click.command("prune", epilog=EXIT_CODES)
@click.option("--keep-last", type=click.IntRange(min=0), metavar="N", help="Keep the newest N of the runs chosen.")
@click.option("--older-than", metavar="SPAN", help="Remove those that ended so long ago: 90m, 36h, 30d, 2w.")
@click.option("--max-size", metavar="SIZE", help="Remove the oldest until the rest take no more: 500MB, 10GB, 2GiB.")
@click.option(
    "--state", "states", multiple=True, type=click.Choice(STATES), help="Only runs of this state; repeatable."
)
@click.option("--name", metavar="TEXT", help="Only runs of such a name: a part of it, or a pattern such as 'night*'.")
@click.option("--tag", "tags", metavar="TAG", multiple=True, help="Only runs with this tag; repeatable.")
@click.option("--data-only", is_flag=True, help="Remove the stored tables of these runs alone; all records stay.")
@click.option("--dry-run", is_flag=True, help="Show what would go, and remove nothing.")
@click.option("--yes", is_flag=True, help="Remove without asking.")
@root_option
@json_option
def command(
    *,
    keep_last: int | None,
    older_than: str | None,
    max_size: str | None,
    states: Sequence[str],
    name: str | None,
    tags: Sequence[str],
    data_only: bool,
    dry_run: bool,
    yes: bool,
    root: str | None,
    as_json: bool,
) -> None:
    """Remove runs by rules: it shows which would go and what that frees, and asks.

    --state, --name and --tag choose runs; --keep-last protects the newest of these; of the others go those that
    --older-than or --max-size name, and without these two all of them. Runs in progress never go, nor does anything
    that is no run, or that holds files that are none of a run's. A run is there whole or gone, however this ends.

    With --data-only the runs stay with all that was recorded, schemas, statistics and reports too; only the stored
    tables of their results go.

    \b
    Examples:
      runfolio prune --keep-last 20 --dry-run
      runfolio prune --state failed --older-than 30d --yes
      runfolio prune --name 'night*' --max-size 10GB
      runfolio prune --older-than 90d --data-only --dry-run
    """  # noqa: D301  (\b is click's: it keeps the lines that follow)
    found = prune(
        root,
        keep_last=keep_last,
        older_than=older_than,
        max_size=max_size,
        state=list(states),
        name=name,
        tags=tags,
        data_only=data_only,
    )
    if as_json and not (yes or dry_run):
        raise click.UsageError("--json does not ask: give --yes or --dry-run as well")
    if not as_json:
        _print(page(), found)
    if found.runs and not dry_run and (yes or _is_agreed(found)):
        told = len(found.left)
        found = remove(found)
        if not as_json:
            page().line(f"removed {_told(found)}")
            for left in found.left[told:]:
                complain(f"left {left.folder}: {left.why}")
    if as_json:
        echo_json(found)


def _print(on: Page, found: Pruning) -> None:
    rows = [
        (
            os.path.basename(run.folder),  # noqa: PTH119  (the name to ask for the run by)
            Styled(run.state, STATE_STYLES[run.state]),
            stamp(run.start_time),
            size(run.bytes),
            run.why,
        )
        for run in found.runs
    ]
    if rows:
        shown = len(_COLUMNS) if any(run.why for run in found.runs) else len(_COLUMNS) - 1
        on.table(_COLUMNS[:shown], [row[:shown] for row in rows])
    for left in found.left:
        on.line(Styled(f"left {left.folder}: {left.why}", "yellow"))
    on.line(f"{_told(found)} would go, {found.kept:,} kept" if rows else f"nothing would go, {found.kept:,} kept")


def _told(found: Pruning) -> str:
    return f"{_what(found)}, {size(found.bytes)}"


def _is_agreed(found: Pruning) -> bool:
    if not sys.stdin.isatty():
        raise click.UsageError("nobody is there to ask: give --yes, or --dry-run to look only")
    return click.confirm(f"Remove {_what(found)} for good?", default=False)


def _what(found: Pruning) -> str:
    runs = counted(len(found.runs), "run")
    return f"the data of {runs}" if found.data_only else runs
