"""What several commands take, and what the help of each ends with."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import click

from runfolio.cli.terminal import complain
from runfolio.errors import DamageWarning
from runfolio.records import briefly

if TYPE_CHECKING:
    from runfolio.feed import Feed
    from runfolio.run import Run

EXIT_CODES = """\b
Exit codes:
  0    done; damage of a run is printed, and is no failure of the command
  1    it can't be done: no such run, a step that failed, a newer format, no permission;
       or `check` found a limit exceeded, `diff --exit-code` a difference, `verify` damage
  2    wrong usage, or a wrong configuration: nothing was run
  130  stopped by Ctrl-C
  141  the reader of the output went away
"""

root_option = click.option("--root", metavar="DIR", help="The folder that holds the runs.")
poll_option = click.option(
    "--poll", is_flag=True, help="Ask the file system again and again: for network file systems."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document, for programs.")


def loaded(run: str, root: str | None) -> Run:
    """A run as it is named on the command line; what of it is damaged is the command's to print."""
    from runfolio.run import load_run  # noqa: PLC0415  (a list of runs needs no reader of journals)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DamageWarning)
        return load_run(run, root=root)


def tell_damage(run: Run | Feed) -> None:
    """Say on standard error that not all of a run is there; `show` lists what is damaged."""
    found = run.damage
    if found:
        complain(f"{run.folder} is damaged: {briefly(found)}")
