"""`runfolio verify`: whether everything in a run is as it was written."""

from __future__ import annotations

from collections.abc import Sequence

import click
from msgspec import Struct

from runfolio.cli.options import EXIT_CODES, json_option, root_option
from runfolio.cli.terminal import DAMAGE_STYLE, STATE_STYLES, UNREADABLE, Page, Styled, echo_json, page
from runfolio.errors import RunfolioError
from runfolio.records import Finding
from runfolio.spelling import number, size
from runfolio.verification import Verification, verify

MOST = 20
"""So many findings, and as many notes, are shown of one run; --json has all."""


class Unreadable(Struct, frozen=True):
    """A run that can't be verified, as it was named, and why."""

    run: str
    error: str


@click.command("verify", epilog=EXIT_CODES)
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@root_option
@json_option
def command(runs: Sequence[str], root: str | None, as_json: bool) -> None:
    """Check that everything in a run is as it was written.

    Each line is held against its checksum and the count, each file against its digest, tables and reports against what
    is told of them, and everything that is named is looked for. Nothing is written, and a run can go on meanwhile. The
    exit code is 1 if any run is damaged, or can't be read.

    Damage is listed by file, line and byte. Notes are what is unusual and harms nothing, such as files that a killed
    process left.

    \b
    Examples:
      runfolio verify latest
      runfolio verify ./runs/*/
      runfolio verify latest --json | jq '.[].findings'
    """  # noqa: D301  (\b is click's: it keeps the lines that follow)
    found = [_verified(run, root) for run in runs]
    if as_json:
        echo_json(found)
    else:
        on = page()
        for one in found:
            _print(on, one)
    if not all(isinstance(one, Verification) and one.is_sound for one in found):
        click.get_current_context().exit(1)


def _verified(run: str, root: str | None) -> Verification | Unreadable:
    try:
        return verify(run, root=root)
    except RunfolioError as error:
        return Unreadable(run, str(error))
    except Exception as error:  # noqa: BLE001  (whatever is in one folder, the others are to be verified)
        return Unreadable(run, f"it can't be read: {type(error).__name__}: {error}")


def _print(on: Page, found: Verification | Unreadable) -> None:
    if isinstance(found, Unreadable):
        on.line(Styled(UNREADABLE, STATE_STYLES[UNREADABLE]), f"  {found.run}: {found.error}")
        return
    word = Styled("sound", "green") if found.is_sound else Styled("damaged", DAMAGE_STYLE)
    checked = f"{number(found.lines)} lines, {number(found.files)} files, {size(found.bytes)}"
    on.line(word, f"  {found.run_id}, {found.state}: {checked}")
    _list(on, found.findings, "damage", DAMAGE_STYLE)
    _list(on, found.notes, "note", "")


def _list(on: Page, findings: Sequence[Finding], label: str, style: str) -> None:
    for finding in findings[:MOST]:
        on.line(Styled(f"  {label:<8}", "dim"), Styled(str(finding), style))
    if len(findings) > MOST:
        on.line(Styled(f"  … and {len(findings) - MOST:,} more", "dim"))
