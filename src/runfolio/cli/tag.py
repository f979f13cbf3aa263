"""`runfolio tag`: tags that a run is given later, or that are taken away."""

from __future__ import annotations

from collections.abc import Sequence

import click

from runfolio.amendments import tag
from runfolio.cli.options import EXIT_CODES, json_option, root_option
from runfolio.cli.terminal import echo_json, page


@click.command("tag", epilog=EXIT_CODES)
@click.argument("run")
@click.argument("tags", metavar="[TAG]...", nargs=-1)
@click.option("--remove", metavar="TAG", multiple=True, help="Take this tag away; repeatable.")
@root_option
@json_option
def command(run: str, tags: Sequence[str], remove: Sequence[str], root: str | None, as_json: bool) -> None:
    """Give tags to a run, or take some away.

    `ls --tag` and `prune --tag` choose runs by them; `show` tells when a run got which.

    \b
    Examples:
      runfolio tag latest keep paper
      runfolio tag latest --remove keep
    """  # noqa: D301  (\b is click's: it keeps the lines that follow)
    event = tag(run, *tags, remove=remove, root=root)
    if as_json:
        echo_json(event)
    else:
        page().line(event.message or "")
