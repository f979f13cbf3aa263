"""A record as one line for people: when, what sort it is, of which step, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from runfolio.cli.show import change_lines
from runfolio.cli.terminal import STATE_STYLES, Styled, Text
from runfolio.records import Change, Event, Input, Lost, Result, Snapshot, Timing, converted
from runfolio.schema import Schema
from runfolio.spelling import counted, duration, number, size

Line = tuple[Text, ...]

LEVEL_STYLES = {"warning": "yellow", "error": "bold red", "critical": "bold red"}
"""How messages of a level look; others are as they are."""

_WIDTH = 9


def record_line(kind: str, record: Any) -> Line:
    """A record of this kind as a line."""
    sort = record.type if kind == "event" else kind
    time = getattr(record, "end_time", None) or getattr(record, "timestamp", None)
    told = _TOLD.get(kind, _opaque)(record)
    place = _place(record)
    return (Styled(f"{clock(time):8}  {sort:<{_WIDTH}} ", "dim"), f"{place}  " if place else "", *told)


def clock(time: datetime | None) -> str:
    """The time of day, in UTC; nothing where a record has none."""
    return "" if time is None else f"{time:%H:%M:%S}"


def message(event: Event) -> Text:
    """The first line of a message, with its level."""
    level = event.level or "info"
    lines = (event.message or "").splitlines()
    more = f" … and {counted(len(lines) - 1, 'line')} more" if len(lines) > 1 else ""
    return Styled(f"{level}: {lines[0] if lines else ''}{more}", LEVEL_STYLES.get(level.lower(), ""))


def _place(record: Any) -> str:
    module, experiment = getattr(record, "module_name", None), getattr(record, "experiment_name", None)
    if module is None:
        return str(getattr(record, "key", ""))
    return str(module) if experiment is None else f"{module}[{experiment}]"


def _snapshot(record: Snapshot[Any]) -> Line:
    rows = f", {counted(record.rows_after, 'row')}" if record.rows_after is not None else ""
    return (f"{record.context.get('point', '')}{rows}",)


def _change(record: Change) -> Line:
    for _, sort, part, told in change_lines([record]):
        return (sort, f" {part} " if part else " ", told)
    return (record.type, " ", record.target)  # the other half of a rename, which `show` leaves out


def _timing(record: Timing) -> Line:
    what = "" if record.step_name == "run" else f"{record.step_name} "
    outcome = Styled(record.outcome, STATE_STYLES.get(record.outcome, ""))
    error = record.context.get("error")
    why = f": {error.partition(chr(10))[0]}" if record.outcome == "failed" and isinstance(error, str) else ""
    return (what, outcome, f" in {duration(record.duration_seconds)}{why}")


def _result(record: Result) -> Line:
    parts = record.parts
    rows = sum(part.rows or 0 for part in parts)
    told = f"{counted(rows, 'row')}, " if any(part.rows is not None for part in parts) else "a report, "
    files = f" in {len(parts)} parts" if len(parts) > 1 else ""
    return (f"{told}{size(sum(part.bytes for part in parts))}{files}",)


def _schema(record: Schema) -> Line:
    return (f"{record.schema_id[:8]}  {counted(len(record.fields), 'column')}, {counted(record.rows, 'row')}",)


def _event(event: Event) -> Line:
    return _EVENTS.get(event.type, _other)(event)


def _segment(event: Event) -> Line:
    writer = event.context.get("writer", "")
    return (f"writer {writer}, process {event.context.get('pid', '?')} on {event.context.get('host', '?')}",)


def _state(event: Event) -> Line:
    state = event.state or ""
    why = f": {event.message.splitlines()[0]}" if event.message and event.message.strip() else ""
    return (Styled(state, STATE_STYLES.get(state, "")), why)


def _progress(event: Event) -> Line:
    total = "" if event.total is None else f" of {event.total:,.12g}"
    return (f"{0 if event.done is None else event.done:,.12g}{total} {event.unit or ''}".rstrip(),)


def _input(event: Event) -> Line:
    found = converted(event.context, Input)
    return (f"{found.path}, {size(found.bytes)}" if found else "",)


def _lost(event: Event) -> Line:
    found = converted(event.context, Lost)
    count = number(found.records + found.results) if found else "some"
    return (Styled(f"{count} records before: {event.message or ''}", STATE_STYLES["failed"]),)


def _other(event: Event) -> Line:
    return (event.message or event.snapshot_id or str(event.context.get("copy", "")),)


def _opaque(record: Any) -> Line:
    return ("a record that this version does not know",)


_TOLD: dict[str, Callable[[Any], Line]] = {
    "snapshot": _snapshot,
    "change": _change,
    "timing": _timing,
    "result": _result,
    "schema": _schema,
    "event": _event,
}
_EVENTS: dict[str, Callable[[Event], Line]] = {
    "segment": _segment,
    "state": _state,
    "step": lambda _: ("began",),
    "progress": _progress,
    "log": lambda event: (message(event),),
    "input": _input,
    "lost": _lost,
}
