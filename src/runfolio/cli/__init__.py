"""The command line: parse, call the library, render. A module here is a command, or what commands share.

==========  ==========================================================================================
run, ls, …  a command each, imported when it is asked for
progress    what `run` shows of its run among what the steps print
board       a run while it goes on, in lines: `run` and `watch` draw them
rootboard   the same of all runs under a root
recordline  one record as one line for people
commands    the group: exit codes, errors on one line, broken pipes
options     what several commands take, and how their help is laid out
terminal    text that is safe to print, and the page it is printed on
colour      the page of a terminal, by Rich, which is imported for nothing else
==========  ==========================================================================================
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command that the process was started with, and exit with its code."""
    try:
        from runfolio.cli.commands import commands  # noqa: PLC0415  (so that Ctrl-C during the import is quiet too)

        commands(prog_name="runfolio")
    except KeyboardInterrupt:
        sys.exit(130)
