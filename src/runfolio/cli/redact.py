"""`runfolio redact`: what was recorded of modules' data removed from a run."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from runfolio.cli.options import EXIT_CODES, json_option, root_option
from runfolio.cli.terminal import Page, Styled, echo_json, page
from runfolio.redaction import Redacted, redact
from runfolio.spelling import counted, size


@click.command("redact", epilog=EXIT_CODES)
@click.argument("run")
@click.option("--module", "modules", metavar="NAME", multiple=True, required=True, help="Whose data goes; repeatable.")
@click.option("--dry-run", is_flag=True, help="Show what would go, and remove nothing.")
@click.option("--yes", is_flag=True, help="Remove without asking.")
@root_option
@json_option
def command(*, run: str, modules: Sequence[str], dry_run: bool, yes: bool, root: str | None, as_json: bool) -> None:
    """Remove the data of modules from a run, for good: it shows what goes, and asks.

    Their stored results go, the statistics and digests of their schemas, also where later columns tell of the same
    values, and the messages of errors. Everything else stays, and the run says what was removed. A run that is written
    to, or damaged, is refused. However this ends, the run is as before, or redacted.

    \b
    Examples:
      runfolio redact latest --module Loader --dry-run
      runfolio redact 20261122T184800Z --module Loader --module Splitter --yes
    """  # noqa: D301  (\b is click's: it keeps the lines that follow)
    if as_json and not (yes or dry_run):
        raise click.UsageError("--json does not ask: give --yes or --dry-run as well")
    if dry_run or not yes:
        found = redact(run, modules=modules, root=root, dry_run=True)
        if not as_json:
            _print(page(), found)
    if not dry_run and (yes or _is_agreed()):
        found = redact(run, modules=modules, root=root)
        if not as_json:
            _print(page(), found)
    if as_json:
        echo_json(found)


def _print(on: Page, found: Redacted) -> None:
    on.line(Styled(found.run_id, "bold"))
    went = "removed" if found.done else "would remove"
    on.line(f"{went} {counted(found.results, 'result')} in {counted(found.files, 'file')}, {size(found.bytes)}")
    on.line(f"{went} statistics of {counted(found.schemas, 'schema')}, {counted(found.errors, 'message')} of errors")


def _is_agreed() -> bool:
    if not sys.stdin.isatty():
        raise click.UsageError("nobody is there to ask: give --yes, or --dry-run to look only")
    return click.confirm("Remove it for good?", default=False)
