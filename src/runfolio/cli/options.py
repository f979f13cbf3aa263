"""What several commands take, and what the help of each ends with."""

from __future__ import annotations

import click

EXIT_CODES = """\b
Exit codes:
  0    done; damage of a run is printed, and is no failure of the command
  1    it can't be done: no such run, a step that failed, a newer format, no permission
  2    wrong usage, or a wrong configuration: nothing was run
  130  stopped by Ctrl-C
  141  the reader of the output went away
"""

root_option = click.option("--root", metavar="DIR", help="The folder that holds the runs.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document, for programs.")
