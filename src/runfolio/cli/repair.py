"""`runfolio repair`: a new run of all that is intact in a damaged one."""

from __future__ import annotations

import click

from runfolio.cli.options import EXIT_CODES, json_option, root_option
from runfolio.cli.terminal import DAMAGE_STYLE, Page, Styled, echo_json, page
from runfolio.repair import Repaired, repair
from runfolio.spelling import counted

MOST = 20
"""So many files that are lost are shown; --json has all."""


@click.command("repair", epilog=EXIT_CODES)
@click.argument("run")
@click.option("--to", metavar="DIR", help="The folder to make; by default RUN-repaired, beside the damaged one.")
@root_option
@json_option
def command(run: str, to: str | None, root: str | None, as_json: bool) -> None:
    """Make a new run of all that is intact in a damaged one.

    The damaged run stays as it is, byte for byte. In the new one are its intact lines, counted anew, and the results
    whose files are intact; `show` tells what it was made of and what is missing. A run that is sound, or that is still
    written to, is refused.

    \b
    Examples:
      runfolio repair latest
      runfolio repair ./runs/20261123T085921Z-penguins-cfy9 --to ./penguins
    """  # noqa: D301  (\b is click's: it keeps the lines that follow)
    found = repair(run, root=root, to=to)
    if as_json:
        echo_json(found)
    else:
        _print(page(), found)


def _print(on: Page, found: Repaired) -> None:
    on.line(Styled(found.run_id, "bold"))
    intact = f"{counted(found.lines, 'line')} and {counted(found.files, 'file')} are intact"
    on.line(f"{intact}; {counted(found.findings, 'finding')}")
    for file in found.left_out[:MOST]:
        on.line(Styled(f"lost: {file}", DAMAGE_STYLE))
    if len(found.left_out) > MOST:
        on.line(Styled(f"… and {len(found.left_out) - MOST:,} more", "dim"))
    on.line(found.folder)
