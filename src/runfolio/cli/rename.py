"""`runfolio rename`: another name for a run."""

from __future__ import annotations

import click

from runfolio.amendments import rename
from runfolio.cli.options import EXIT_CODES, json_option, root_option
from runfolio.cli.terminal import echo_json, page


@click.command("rename", epilog=EXIT_CODES)
@click.argument("run")
@click.argument("name")
@root_option
@json_option
def command(run: str, name: str, root: str | None, as_json: bool) -> None:
    """Give a run another name.

    Its id and its folder stay. The run keeps all its names, with the times at which it got them: `show` tells them.

    \b
    Examples:
      runfolio rename latest baseline
      runfolio rename 20261122T184800Z 'with all columns'
    """  # noqa: D301  (\b is click's: it keeps the lines that follow)
    event = rename(run, name, root=root)
    if as_json:
        echo_json(event)
    else:
        page().line(event.message or "")
