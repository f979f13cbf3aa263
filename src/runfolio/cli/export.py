"""`runfolio export`: the results of a run as files that other programs read."""

from __future__ import annotations

from collections.abc import Sequence

import click

from runfolio.cli.options import EXIT_CODES, json_option, loaded, root_option, tell_damage
from runfolio.cli.terminal import Column, Page, complain, echo_json, page
from runfolio.export import FORMATS, Exported, ExportFormat, export
from runfolio.spelling import number, size

_COLUMNS = (
    Column(title="file", least=40),
    Column(title="rows", right=True),
    Column(title="size", right=True, rank=1),
    Column(title="part", rank=2),
    Column(title="key", rank=3, least=24),
)


@click.command("export", epilog=EXIT_CODES)
@click.argument("run")
@click.option("--to", "folder", metavar="DIR", required=True, help="The folder to write to; made if need be.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="parquet", help="By default parquet.")
@click.option("--key", "keys", metavar="KEY", multiple=True, help="Only the result of this key; repeatable.")
@click.option("--module", "modules", metavar="NAME", multiple=True, help="Only this module's results; repeatable.")
@click.option("--raw", is_flag=True, help="In CSV, leave cells that a spreadsheet would run as formulas.")
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@root_option
@json_option
def command(
    run: str,
    *,
    folder: str,
    form: ExportFormat,
    keys: Sequence[str],
    modules: Sequence[str],
    raw: bool,
    force: bool,
    root: str | None,
    as_json: bool,
) -> None:
    """Write the results of a run to files that other programs read, one a part.

    Files are named as those in the run's folder. `json` is JSON Lines, an object a row; reports are JSON in every
    format. In CSV, text that begins with = + - @ or a control character gets an apostrophe before it, so that no
    spreadsheet runs it. A result that is damaged, or whose data the run left out, is told; the others are written, and
    the exit code is 1.

    \b
    Examples:
      runfolio export latest --to out
      runfolio export latest --to out --format csv --module Reporter
      runfolio export latest --to out --format json --key "Loader[penguins]" --force
    """  # noqa: D301  (\b is click's: it keeps the lines that follow)
    source = loaded(run, root)
    tell_damage(source)
    found = export(source, folder, format=form, keys=list(keys), modules=list(modules), raw=raw, force=force)
    if as_json:
        echo_json(found)
    else:
        _print(page(), [one for one in found if one.path is not None])
    for one in found:
        if one.error is not None:
            complain(one.error)
    if any(one.error is not None for one in found):
        click.get_current_context().exit(1)


def _print(on: Page, written: Sequence[Exported]) -> None:
    if not written:
        on.line("nothing was written")
        return
    lines = [(one.path or "", number(one.rows), size(one.bytes), one.part or "", one.key) for one in written]
    used = [index for index in range(len(_COLUMNS)) if any(line[index] for line in lines)]
    on.table([_COLUMNS[index] for index in used], [[line[index] for index in used] for line in lines])
