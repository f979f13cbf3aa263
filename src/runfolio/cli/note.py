"""`runfolio note`: a text that a run is given later."""

from __future__ import annotations

import sys

import click

from runfolio import amendments
from runfolio.cli.options import EXIT_CODES, json_option, root_option
from runfolio.cli.terminal import echo_json, page


@click.command("note", epilog=EXIT_CODES)
@click.argument("run")
@click.argument("text")
@root_option
@json_option
def command(run: str, text: str, root: str | None, as_json: bool) -> None:
    """Add a note to a run; `show` prints all notes with their times.

    TEXT is `-` for what comes from standard input.

    \b
    Examples:
      runfolio note latest 'the one with the old prices'
      git log -1 | runfolio note latest -
    """  # noqa: D301  (\b is click's: it keeps the lines that follow)
    event = amendments.note(run, sys.stdin.read().rstrip("\n") if text == "-" else text, root=root)
    if as_json:
        echo_json(event)
    else:
        page().line("noted")
