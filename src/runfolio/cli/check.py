"""`runfolio check`: whether a run's steps keep to limits."""

from __future__ import annotations

import click

from runfolio.catalog import STATES
from runfolio.checks import EVERY, Checked, Violation, check, share
from runfolio.cli.options import EXIT_CODES, json_option, loaded, root_option
from runfolio.cli.terminal import STATE_STYLES, Column, Page, Styled, Text, echo_json, page
from runfolio.errors import UsageError

_COLUMNS = (
    Column(title="step", least=24),
    Column(title="part", rank=2, least=8),
    Column(title="column", least=12),
    Column(title="limit", rank=1, least=14),
    Column(title="found", least=16),
)


class Share(click.ParamType[float]):
    """A share, as 5% or 0.05."""

    name = "share"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The share as a fraction."""
        try:
            return share(value, str(value))
        except UsageError:
            self.fail(f"{value!r} is no share from 0 to 1: write 5% or 0.05", param, ctx)


@click.command("check", epilog=EXIT_CODES)
@click.argument("run", required=False)
@click.option(
    "--max-row-loss", metavar="SHARE", type=Share(), help="The most rows that a step may lose, as 5% or 0.05."
)
@click.option(
    "--max-null-increase",
    metavar="SHARE",
    type=Share(),
    help="How much larger the share of missing values of a column may be than before the step.",
)
@click.option(
    "--no-drop",
    metavar="[COLUMN]",
    multiple=True,
    is_flag=False,
    flag_value=EVERY,
    help="No step drops this column, or any; repeatable. A rename is no drop.",
)
@click.option(
    "--no-retype",
    metavar="[COLUMN]",
    multiple=True,
    is_flag=False,
    flag_value=EVERY,
    help="No step gives this column, or any, another dtype; repeatable.",
)
@click.option("--require-state", metavar="STATE", type=click.Choice(STATES), help="The run must be in this state.")
@root_option
@json_option
def command(
    run: str | None,
    *,
    max_row_loss: float | None,
    max_null_increase: float | None,
    no_drop: tuple[str, ...],
    no_retype: tuple[str, ...],
    require_state: str | None,
    root: str | None,
    as_json: bool,
) -> None:
    """Check every step of a run against limits; the exit code is 1 if one is exceeded.

    All committed steps of all branches are checked. Columns are followed across renames. What can't be checked, such as
    missing values of a run that did not count them, is told and counts as a failure.

    RUN stands before --no-drop and --no-retype, which take the next word as a column.

    \b
    Examples:
      runfolio check latest --max-row-loss 5% --max-null-increase 1%
      runfolio check latest --no-drop species --no-drop sex --no-retype
      runfolio check latest --max-row-loss 0 --require-state completed
      runfolio check latest --max-row-loss 5% --json | jq -r '.violations[].key'
    """  # noqa: D301  (\b is click's: it keeps the lines that follow)
    context = click.get_current_context()
    if run is None:
        ahead = f" before {'--no-drop' if no_drop else '--no-retype'}" if no_drop or no_retype else ""
        raise click.UsageError(f"Missing argument 'RUN'{ahead}", context)
    if not (no_drop or no_retype or require_state) and max_row_loss is None and max_null_increase is None:
        raise click.UsageError("Give at least one limit", context)
    found = check(
        loaded(run, root),
        max_row_loss=max_row_loss,
        max_null_increase=max_null_increase,
        no_drop=no_drop,
        no_retype=no_retype,
        state=require_state,
    )
    if as_json:
        echo_json(found)
    else:
        _print(page(), found)
    if not found.ok:
        context.exit(1)


def _print(on: Page, found: Checked) -> None:
    if found.violations:
        lines = [_line(violation) for violation in found.violations]
        used = [index for index in range(len(_COLUMNS)) if any(line[index] for line in lines)]
        on.table([_COLUMNS[index] for index in used], [[line[index] for index in used] for line in lines])
        on.line()
    for reason in found.unchecked:
        on.line(Styled("can't be checked: ", "yellow"), reason)
    if found.state != "completed":
        on.line("the run is ", Styled(found.state, STATE_STYLES[found.state]), ": what it has committed was checked")
    steps = f"{found.steps:,} step{'' if found.steps == 1 else 's'} checked"
    if found.ok:
        on.line(Styled("ok", "green"), f": {steps}")
    else:
        on.line(Styled(f"{len(found.violations):,} violated", "bold red"), f": {steps}")


def _line(violation: Violation) -> tuple[Text, ...]:
    return (
        violation.key or "-",
        violation.part or "",
        violation.column or "",
        violation.limit,
        Styled(violation.found, "red"),
    )
