"""One record as one line for people: when, what, and what there is to say of it.

Whatever a record holds may be a stranger's. Nothing here raises for that; the page that a line is printed on makes it
neutral.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from runfolio.cli.terminal import CHANGE_STYLES, DAMAGE_STYLE, STATE_STYLES, Styled, Text
from runfolio.clock import in_utc
from runfolio.records import (
    Amendment,
    Change,
    Configured,
    Event,
    Header,
    Input,
    Lost,
    Metadata,
    Pruned,
    Redaction,
    Repair,
    Result,
    Snapshot,
    Timing,
    converted,
)
from runfolio.schema import Schema
from runfolio.spelling import amount, counted, duration, size

_WIDTH = len("snapshot")
_NO_TIME = " " * len("08:59:21.302")
_LEVEL_STYLES = {"debug": "dim", "warning": "yellow", "error": "red", "critical": "bold red"}
_OWN_NAME = "run"
"""What the timing of a whole step is called: it goes without saying."""

Texts = tuple[Text, ...]


def record_line(kind: str, record: Any) -> Texts:
    """The texts of one line about a record of this kind: a time in UTC, what it is, and what it says.

    A kind and a type of event that this version does not know are told as well, by their names.

    >>> from datetime import timezone
    >>> moment = datetime(2026, 11, 22, 8, 59, 21, 302_000, tzinfo=timezone.utc)
    >>> event = Event(seq=1, event_id="event-000001", timestamp=moment, type="progress", module_name="Train",
    ...               experiment_name="slow", done=342, total=1344, unit="rows")
    >>> print(*(text if isinstance(text, str) else text.text for text in record_line("event", event)), sep="")
    08:59:21.302  progress  Train[slow] 342 of 1,344 rows
    """
    tell = _TELLERS.get(kind)
    word = record.type if kind == "event" else kind if tell is not None else str(getattr(record, "kind", kind))
    texts = _unknown() if tell is None else tell(record)
    return (Styled(_moment(record), "dim"), "  ", Styled(f"{word:<{_WIDTH}}", _word_style(record)), "  ", *texts)


def message_line(event: Event) -> Texts:
    """The texts of one line about a message: when it came, in which step, how weighty it is, and what it says."""
    return (Styled(_moment(event), "dim"), "  ", *_log(event))


def _moment(record: Any) -> str:
    """The time of a record; that of a timing is its end, and a schema has none."""
    time = in_utc(getattr(record, "end_time", None) or getattr(record, "timestamp", None))
    return _NO_TIME if not isinstance(time, datetime) else time.time().isoformat(timespec="milliseconds")


def _word_style(record: Any) -> str:
    """What tells how far a run is stands out from what is only kept."""
    return "" if isinstance(record, (Change, Timing, Event, Result)) else "dim"


def _step(module: str | None, experiment: str | None, name: str | None = None) -> str:
    """A step as it is called everywhere, and what was timed inside it."""
    step = "" if module is None else module if experiment is None else f"{module}[{experiment}]"
    return " ".join(filter(None, (step, name if name != _OWN_NAME else None)))


def _first_line(text: str | None) -> str:
    first, _, rest = (text or "").strip("\n").partition("\n")
    return f"{first.rstrip()} …" if rest else first


def _joined(*texts: str | None) -> str:
    return ", ".join(filter(None, texts))


def _before(text: str) -> str:
    """A text with a blank behind it, if there is one."""
    return f"{text} " if text else ""


# Kinds


def _snapshot(record: Snapshot[Metadata]) -> Texts:
    point = record.context.get("point")
    step = _step(record.module_name, record.experiment_name)
    rows = record.rows_before if point == "before" else record.rows_after
    where = " ".join(filter(None, (point if isinstance(point, str) else None, step)))
    return (_joined(where, None if rows is None else counted(rows, "row")),)


def _change(record: Change) -> Texts:
    step = _step(record.module_name, record.experiment_name)
    renamed_to, renamed_from = (record.details.get(name) for name in ("renamed_to", "renamed_from"))
    word, told = record.type, record.target
    if word == "DELETE" and isinstance(renamed_to, str):
        return _changed(step, "RENAME", f"{told} → {renamed_to}", record.part)
    if word == "CREATE" and isinstance(renamed_from, str):
        return _changed(step, "CREATE", f"{told}, which was {renamed_from}", record.part)
    sides = [] if word in ("CREATE", "DELETE") else [record.before, record.after]
    texts = " → ".join(str(side) for side in sides if side is not None)
    return _changed(step, word, f"{told}: {texts}" if texts else told, record.part)


def _changed(step: str, word: str, told: str, part: str | None) -> Texts:
    return (
        _before(step),
        Styled(word, CHANGE_STYLES.get(word, "")),
        f" {told}",
        "" if part is None else f", in {part}",
    )


def _timing(record: Timing) -> Texts:
    step = _step(record.module_name, record.experiment_name, record.step_name)
    took = f" in {duration(record.duration_seconds)}"
    return _before(step), Styled(record.outcome, STATE_STYLES.get(record.outcome, "")), took


def _result(record: Result) -> Texts:
    parts = record.parts
    rows = [part.rows for part in parts if part.rows is not None]
    columns = {part.columns for part in parts if part.columns is not None}
    told = _joined(
        counted(len(parts), "part") if len(parts) > 1 else None,
        counted(sum(rows), "row") if rows else parts[0].format,
        counted(columns.pop(), "column") if len(columns) == 1 else None,
        size(sum(part.bytes or 0 for part in parts)) if any(part.file is not None for part in parts) else None,
        next((f"data withheld ({part.withheld})" for part in parts if part.withheld is not None), None),
    )
    step = _step(record.path[-1].module_name, record.path[-1].experiment_name) if record.path else record.key
    return f"{step} ", told


def _schema(record: Schema) -> Texts:
    return f"{record.schema_id} ", _joined(counted(len(record.fields), "column"), counted(record.rows, "row"))


def _event(event: Event) -> Texts:
    tell = _EVENT_TELLERS.get(event.type)
    found = None if tell is None else tell(event)
    if found is not None:
        return found
    step = _step(event.module_name, event.experiment_name, event.step_name)
    return _before(step), _first_line(event.message)


def _unknown() -> Texts:
    return (Styled("a record of a kind that this version does not know", "dim"),)


_TELLERS: dict[str, Callable[[Any], Texts]] = {
    "snapshot": _snapshot,
    "change": _change,
    "timing": _timing,
    "result": _result,
    "schema": _schema,
    "event": _event,
}


# Events: None where a context is not what this version knows, which leaves the step and the message


def _segment(event: Event) -> Texts | None:
    header = converted(event.context, Header)
    if header is None:
        return None
    after = None if header.continues is None else f"goes on for {header.continues.writer}"
    return (_joined(f"writer {header.writer}, process {header.pid} on {header.host}", after),)


def _state(event: Event) -> Texts | None:
    if event.state is None:
        return None
    took = event.context.get("duration_seconds")
    texts = f" in {duration(took)}" if isinstance(took, float) else ""
    message = _first_line(event.message)
    return Styled(event.state, STATE_STYLES[event.state]), texts, Styled(f": {message}" if message else "", "red")


def _began(event: Event) -> Texts:
    return (f"{_before(_step(event.module_name, event.experiment_name, event.step_name))}began",)


def _progress(event: Event) -> Texts | None:
    if event.done is None:
        return None
    step = _step(event.module_name, event.experiment_name, event.step_name)
    return (f"{_before(step)}{amount(event.done, event.total, event.unit)}",)


def _log(event: Event) -> Texts:
    level = event.level or ""
    step = _step(event.module_name, event.experiment_name, event.step_name)
    colon = ": " if level else ""
    return _before(step), Styled(level, _LEVEL_STYLES.get(level.lower(), "")), f"{colon}{_first_line(event.message)}"


def _restore(event: Event) -> Texts:
    return (f"back to {event.snapshot_id or 'a snapshot'}",)


def _config(event: Event) -> Texts | None:
    found = converted(event.context, Configured)
    return None if found is None else (_joined(found.file or found.copy, counted(len(found.plan), "step")),)


def _input(event: Event) -> Texts | None:
    found = converted(event.context, Input)
    step = _step(event.module_name, event.experiment_name, event.step_name)
    return None if found is None else (f"{_before(step)}reads {found.path}, {size(found.bytes)}",)


def _lost(event: Event) -> Texts | None:
    found = converted(event.context, Lost)
    if found is None:
        return None
    told = _joined(*(counted(n, noun) for n, noun in ((found.records, "record"), (found.results, "result")) if n))
    message = _first_line(event.message)
    return (Styled(f"{told}: {message}" if message else told, DAMAGE_STYLE),)


def _repair(event: Event) -> Texts | None:
    found = converted(event.context, Repair)
    return (
        None if found is None else (f"made of {found.run_id}, in which was found: {counted(found.count, 'problem')}",)
    )


def _amend(event: Event) -> Texts | None:
    found = converted(event.context, Amendment)
    return None if found is None else (_first_line(str(found)),)


def _redact(event: Event) -> Texts | None:
    found = converted(event.context, Redaction)
    if found is None:
        return None
    return (f"redacted {', '.join(found.modules)}: {counted(found.results, 'result')}, {size(found.bytes)} removed",)


def _prune(event: Event) -> Texts | None:
    found = converted(event.context, Pruned)
    if found is None:
        return None
    return (f"pruned the data of {counted(found.results, 'result')}: {size(found.bytes)} removed",)


_EVENT_TELLERS: dict[str, Callable[[Event], Texts | None]] = {
    "segment": _segment,
    "state": _state,
    "step": _began,
    "progress": _progress,
    "log": _log,
    "restore": _restore,
    "config": _config,
    "input": _input,
    "lost": _lost,
    "repair": _repair,
    "amend": _amend,
    "redact": _redact,
    "prune": _prune,
}
