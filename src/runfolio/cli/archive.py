"""`runfolio archive`: one zip file of a run, which is read in place."""

from __future__ import annotations

import click

from runfolio.archive import archive
from runfolio.cli.options import EXIT_CODES, json_option, root_option
from runfolio.cli.terminal import Styled, echo_json, page
from runfolio.spelling import counted, size


@click.command("archive", epilog=EXIT_CODES)
@click.argument("run")
@click.option(
    "--to", metavar="FILE", help="The file to make, which ends in .zip; by default RUN.zip beside the folder."
)
@root_option
@json_option
def command(run: str, to: str | None, root: str | None, as_json: bool) -> None:
    """Make one zip file of a run that is over, which every command reads in the run's place.

    Its files are stored in it as they are, so that nothing is unpacked to read them; `unzip` makes the folder again.
    The archive is read back and checked before the command ends. The folder stays.

    \b
    Examples:
      runfolio archive latest
      runfolio archive latest --to /backup/nightly.zip
      runfolio show /backup/nightly.zip
    """  # noqa: D301  (\b is click's: it keeps the lines that follow)
    found = archive(run, root=root, to=to)
    if as_json:
        echo_json(found)
        return
    on = page()
    on.line(Styled(found.run_id, "bold"), f"  {counted(found.files, 'file')}, {size(found.bytes)}")
    for name in found.left_out:
        on.line(Styled(f"left out, for it is no file of a run: {name}", "dim"))
    on.line(found.path)
