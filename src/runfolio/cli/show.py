"""`runfolio show`: what one run did."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import click
from msgspec import ValidationError

from runfolio.catalog import RunRow, row_of
from runfolio.cli.options import EXIT_CODES, json_option, loaded, root_option
from runfolio.cli.terminal import (
    CHANGE_STYLES,
    DAMAGE_STYLE,
    STATE_STYLES,
    UNREADABLE,
    Column,
    Page,
    Styled,
    Text,
    echo_json,
    page,
    print_section,
)
from runfolio.clock import SYSTEM
from runfolio.errors import DamageError
from runfolio.records import Change, Configuration, Event, Failure, Finding, Provenance, Repair
from runfolio.repair import repairs
from runfolio.run import Run
from runfolio.spelling import age, amount, duration, number, size, stamp
from runfolio.steptable import StepRow, steps_of

MOST = 20
"""So many rows of one kind are shown of one step, and so many findings; --json has all."""

_LATER = ("amend", "redact", "prune")
"""The events of what was done to a run later."""

_STEP_COLUMNS = (
    Column(title="step", least=32),
    Column(title="outcome", rank=2, least=16),
    Column(title="took", right=True, rank=1),
    Column(title="rows in", right=True, rank=4),
    Column(title="rows out", right=True),
    Column(title="±", right=True, rank=5),
    Column(title="nulls", right=True, rank=3),
    Column(title="±", right=True, rank=6),
)
_CHANGE_COLUMNS = (
    Column(title="step", least=16),
    Column(title="change"),
    Column(title="part", least=16),
    Column(title="columns", least=16),
)
_RESULT_COLUMNS = (
    Column(title="key", least=40),
    Column(title="part", least=16),
    Column(title="rows", right=True),
    Column(title="columns", right=True, rank=1),
    Column(title="size", right=True, rank=2),
    Column(title="file", rank=3),
)


@click.command("show", epilog=EXIT_CODES)
@click.argument("run")
@root_option
@json_option
def command(run: str, root: str | None, as_json: bool) -> None:
    """Show what a run did: steps, schema changes, results, what is needed to repeat it, damage.

    Of a failed run there is the error with its traceback, of a live one what is running and how far it is.

    RUN is a run's id, the beginning of one that no other id has, `latest`, or the path of a run folder (with a slash in
    it).

    \b
    Examples:
      runfolio show latest
      runfolio show 20261122T184800Z
      runfolio show ./runs/20261123T085921Z-penguins-cfy9
      runfolio show latest --json | jq '.steps[] | {module_name, rows_after}'
    """  # noqa: D301  (\b is click's: it keeps the lines that follow)
    found = loaded(run, root)
    try:
        if as_json:
            echo_json(document(found))
        else:
            _print(page(), found)
    except ValidationError as error:
        raise DamageError(f"{found.folder} holds what no writer wrote: {error}") from error


def document(run: Run) -> dict[str, Any]:
    """The run as one JSON object: what `ls` says of it, and each section in full."""
    return {
        "run": row_of(run),
        "sequence": run.sequence,
        "steps": steps_of(run),
        "changes": run.changes,
        "results": [stored.record for stored in run.results.values()],
        "provenance": run.provenance,
        "error": run.error,
        "damage": run.damage,
        "repairs": repairs(run),
        "amendments": [event for event in run.events if event.type in _LATER],
    }


def _print(on: Page, run: Run) -> None:
    _print_summary(on, row_of(run))
    print_section(on, "Steps", _STEP_COLUMNS, list(_step_lines(steps_of(run))))
    print_section(on, "Schema changes", _CHANGE_COLUMNS, list(change_lines(run.changes)))
    print_section(on, "Results", _RESULT_COLUMNS, list(_result_lines(run)))
    _print_provenance(on, run.provenance)
    _print_amendments(on, [event for event in run.events if event.type in _LATER])
    if run.error is not None:
        on.line()
        for line in error_lines(run.error):
            on.line(*line)
    if run.damage:
        _print_findings(on, "Damage", run.damage, len(run.damage))
    for repair in repairs(run):
        _print_findings(on, f"Repaired from {repair.run_id}, in which was found", repair.findings, repair.count)
        _print_lost(on, repair)


def _print_summary(on: Page, row: RunRow) -> None:
    on.line(Styled(row.run_id, "bold"))
    on.line(_label("state"), Styled(row.state or UNREADABLE, STATE_STYLES[row.state or UNREADABLE]))
    started = f"{stamp(row.start_time)}, {age(row.start_time, SYSTEM.now())}" if on.live else stamp(row.start_time)
    told = {
        "why": row.state_reason,
        "name": row.name,
        "tags": ", ".join(row.tags),
        "started": started,
        "took": duration(row.duration_seconds),
        "size": size(row.bytes),
        "folder": row.folder,
        "error": row.error,
        "damage": row.damage,
    }
    for label, text in told.items():
        if text:
            style = {"error": STATE_STYLES["failed"], "damage": DAMAGE_STYLE}.get(label, "")
            on.line(_label(label), Styled(text, style))


def _label(text: str) -> Styled:
    return Styled(f"{text:<9}", "dim")


# Steps


def _step_lines(steps: Iterable[StepRow]) -> Iterator[tuple[Text, ...]]:
    nested = 0
    for step in steps:
        if not step.depth:
            yield from _and_more(nested - MOST, len(_STEP_COLUMNS))
        nested = nested + 1 if step.depth else 0
        if nested <= MOST:
            yield step_line(step)
    yield from _and_more(nested - MOST, len(_STEP_COLUMNS))


def step_line(step: StepRow) -> tuple[Text, ...]:
    """A step as a line of a table: name, outcome, duration, rows in, rows out, their change, nulls and their change."""
    took = step.duration_seconds
    if step.outcome == "running" and step.start_time is not None:
        took = (SYSTEM.now() - step.start_time).total_seconds()
    name = f"{step.module_name}[{step.experiment_name}]"
    before, after = step.rows_before, step.rows_after
    return (
        "  " * step.depth + (step.step_name if step.depth else name),
        Styled(_outcome(step), STATE_STYLES.get(step.outcome, "")),
        duration(took),
        number(before),
        number(after),
        _change(before, after),
        number(step.nulls_after),
        _change(step.nulls_before, step.nulls_after),
    )


def _change(before: int | None, after: int | None) -> str:
    return "" if before is None or after is None or before == after else f"{after - before:+,}"


def _outcome(step: StepRow) -> str:
    if step.error:
        return f"{step.outcome}: {step.error}"
    if step.done is None:
        return step.outcome
    return f"{step.outcome}, {amount(step.done, step.total, step.unit)}"


# Changes


def change_lines(changes: list[Change]) -> Iterator[tuple[Text, ...]]:
    """Changes as lines of a table: step, named once, sort, part, columns."""
    for (module, experiment, _), of_step in groupby(
        changes, lambda change: (change.module_name, change.experiment_name, change.snapshot_id)
    ):
        lines = [
            line
            for (kind, part), alike in groupby(_told(of_step), lambda change: (_word(change), change.part))
            for line in _alike_lines(kind, part, list(alike))
        ]
        label = "-" if module is None else f"{module}[{experiment}]" if experiment is not None else module
        for index, line in enumerate(lines[:MOST]):
            yield ("" if index else label, *line)
        yield from _and_more(len(lines) - MOST, len(_CHANGE_COLUMNS))


def _told(changes: Iterable[Change]) -> Iterator[Change]:
    """The changes without the other half of each rename; what was dropped comes before what was renamed."""
    whole = (change for change in changes if change.type != "CREATE" or "renamed_from" not in change.details)
    for _, alike in groupby(whole, lambda change: (change.type, change.part)):
        yield from sorted(alike, key=lambda change: _word(change) == "RENAME")


def _word(change: Change) -> str:
    return "RENAME" if change.type == "DELETE" and "renamed_to" in change.details else change.type


def _alike_lines(kind: str, part: str | None, changes: list[Change]) -> Iterator[tuple[Text, ...]]:
    """One line for all columns that came or went together, one for each that is another than before."""
    label = Styled(kind, CHANGE_STYLES[kind])
    if kind in ("CREATE", "DELETE", "RENAME"):
        some = ", ".join(map(_named, changes[:MOST]))
        more = len(changes) - MOST
        yield label, part or "", f"{some} … and {more:,} more" if more > 0 else some
        return
    for change in changes:
        sides = [str(side) for side in (change.before, change.after) if side is not None]
        yield label, part or "", f"{change.target}: {' → '.join(sides)}" if sides else change.target


def _named(change: Change) -> str:
    return f"{change.target} → {change.details['renamed_to']}" if _word(change) == "RENAME" else change.target


# Provenance, amendments, results, errors, damage


def _print_provenance(on: Page, found: Provenance | None) -> None:
    if found is None:
        return
    configuration = found.configuration
    told = {
        "command": shlex.join(found.command),
        "commit": "" if found.git is None else str(found.git),
        "config": "" if configuration is None else _configuration(configuration),
        "seeds": ", ".join(f"{seed.name} {seed.value}" for seed in found.seeds[:MOST]),
        "inputs": ", ".join(f"{file.path} {size(file.bytes)}" for file in found.inputs[:MOST]),
        "packages": ", ".join(f"{one.name} {one.version}" for one in found.packages),
    }
    on.line()
    on.line(Styled("Provenance", "bold"))
    for label, text in told.items():
        if text:
            on.line(_label(label), text)


def _print_amendments(on: Page, events: Sequence[Event]) -> None:
    """What was amended after the fact, a note with all its lines."""
    if events:
        on.line()
        on.line(Styled("Amended", "bold"))
    for event in events:
        first, *rest = (event.message or "").split("\n")
        on.line(Styled(f"{stamp(event.timestamp)}  ", "dim"), f"note: {first}" if "note" in _kinds(event) else first)
        for line in rest:
            on.line(f"    {line}")


def _kinds(event: Event) -> set[str]:
    return {name for name, value in event.context.items() if value}


def _configuration(found: Configuration) -> str:
    return f"{found.file or 'given in Python'}, sha256 {found.sha256[:12]}"


def _result_lines(run: Run) -> Iterator[tuple[Text, ...]]:
    for stored in run.results.values():
        for part in stored.record.parts:
            yield (
                stored.record.key,
                part.name or "",
                number(part.rows),
                number(part.columns),
                size(part.bytes),
                part.file or f"withheld ({part.withheld})",
            )


def error_lines(error: Failure) -> list[tuple[Text, ...]]:
    """Why a run failed, in full: where, and the traceback if there is one."""
    place = f" in {error.module_name}[{error.experiment_name}]" if error.module_name is not None else ""
    text = error.traceback or (f"{error.type}: {error.message}" if error.type else error.message)
    return [(Styled(f"Error{place}", "bold"),), *((line,) for line in text.rstrip().split("\n"))]


def _print_findings(on: Page, title: str, findings: Sequence[Finding], count: int) -> None:
    on.line()
    on.line(Styled(title, "bold"))
    for finding in findings[:MOST]:
        on.line(Styled(str(finding), DAMAGE_STYLE))
    for (text,) in _and_more(count - len(findings[:MOST]), 1):
        on.line(text)


def _print_lost(on: Page, repair: Repair) -> None:
    """The parts of results that a repair could not save."""
    for file in repair.left_out[:MOST]:
        on.line(Styled(f"lost: {file}", DAMAGE_STYLE))
    for (text,) in _and_more(repair.files - len(repair.left_out[:MOST]), 1):
        on.line(text)


def _and_more(count: int, width: int) -> Iterator[tuple[Text, ...]]:
    """A line that says how many more there are, where there are any."""
    if count > 0:
        yield (Styled(f"… and {count:,} more", "dim"), *[""] * (width - 1))
