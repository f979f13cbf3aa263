"""HTML: a run for notebooks, as its summary, its steps and when they ran.

One fragment without scripts, style sheets or links: inline styles that go with light and dark pages. All text may be a
stranger's; it is spelled out as on a terminal, escaped, and cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from html import escape

from runfolio.clock import SYSTEM, Clock, in_utc
from runfolio.escapes import neutral
from runfolio.spelling import counted, duration, number, stamp
from runfolio.steptable import StepRow, steps_of
from runfolio.view import RunView

MOST_STEPS = 50
"""So many steps are shown, the last ones."""

_LONGEST = 200
_FADED = "opacity:0.65"
_COLOURS = {
    "completed": "#2e7d32",
    "failed": "#c62828",
    "in_progress": "#0277bd",
    "running": "#0277bd",
    "interrupted": "#b26a00",
    "unfinished": "#b26a00",
}
"""Colours that can be read on white and on black."""

_CELL = "text-align:left;padding:1px 12px 1px 0"
_COUNT = "text-align:right;padding:1px 12px 1px 0"


def fragment_of(run: RunView, clock: Clock = SYSTEM) -> str:
    """A run as one HTML fragment. Raises what the getters raise, such as FormatError for a folder that is gone."""
    steps = steps_of(run)
    parts = [_heading(run), _facts(run, clock), _table(steps), _timeline(run, steps, clock)]
    return f'<div class="runfolio">{"".join(parts)}</div>'


def plain_fragment(text: str) -> str:
    """A text where there is no run to show."""
    return f"<pre>{_text(text)}</pre>"


def _text(text: str) -> str:
    return escape(neutral(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"))


def _heading(run: RunView) -> str:
    state = run.state
    name = f' <span style="{_FADED}">{_text(run.name)}</span>' if run.name else ""
    return (
        f'<div style="font-size:1.1em"><b>{_text(run.run_id or "a run without a folder yet")}</b>{name} '
        f'<span style="color:{_COLOURS.get(state, "inherit")}">{_text(state)}</span></div>'
    )


def _facts(run: RunView, clock: Clock) -> str:
    start, end = run.start_time, run.end_time
    took = run.duration_seconds
    if took is None and start is not None and run.state == "in_progress":
        took = (clock.now() - start).total_seconds()
    error, damage = run.error, run.damage
    first = (error.message.strip().splitlines() or [""])[0] if error else ""
    facts = {
        "why": run.state_reason if end is None and start is not None else "",
        "tags": ", ".join(run.tags),
        "started": stamp(start) if start else "",
        "took": duration(took) if took is not None else "",
        "error": f"{error.type}: {first}" if error else "",
        "damage": f"{damage[0]}, and {len(damage) - 1} more" if len(damage) > 1 else str(damage[0]) if damage else "",
        "folder": str(run.folder or ""),
    }
    rows = "".join(
        f'<tr><th style="{_CELL};font-weight:normal;{_FADED}">{label}</th><td style="{_CELL}">{_text(text)}</td></tr>'
        for label, text in facts.items()
        if text
    )
    return f"<table>{rows}</table>" if rows else ""


def _table(steps: Sequence[StepRow]) -> str:
    if not steps:
        return ""
    titles = ("step", "outcome", "took", "rows in", "rows out", "nulls")
    head = "".join(f'<th style="{_COUNT if index > 1 else _CELL}">{title}</th>' for index, title in enumerate(titles))
    left_out = len(steps) - MOST_STEPS
    more = f'<tr><td colspan="6" style="{_CELL};{_FADED}">… {counted(left_out, "step")} before</td></tr>'
    rows = "".join(map(_row, steps[-MOST_STEPS:]))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{more if left_out > 0 else ''}{rows}</tbody></table>"


def _row(step: StepRow) -> str:
    outcome = f"{step.outcome}: {step.error}" if step.error else step.outcome
    if step.done is not None:
        total = "" if step.total is None else f" of {step.total:,.12g}"
        outcome += f", {step.done:,.12g}{total} {step.unit or ''}".rstrip()
    counts = (duration(step.duration_seconds), number(step.rows_before), number(step.rows_after))
    cells = [
        f'<td style="{_CELL}"><span style="padding-left:{min(step.depth, 20)}em">{_text(_name(step))}</span></td>',
        f'<td style="{_CELL};color:{_COLOURS.get(step.outcome, "inherit")}">{_text(outcome)}</td>',
        *(f'<td style="{_COUNT}">{text}</td>' for text in (*counts, number(step.nulls_after))),
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _name(step: StepRow) -> str:
    return step.step_name if step.depth else f"{step.module_name}[{step.experiment_name}]"


def _timeline(run: RunView, steps: Iterable[StepRow], clock: Clock) -> str:
    """A bar for each step, from its start to its end, in percent of the time from the first to the last."""
    bars = [(step, *span) for step in steps if not step.depth and (span := _span(step, clock)) is not None]
    if not bars:
        return ""
    bars = bars[-MOST_STEPS:]
    first, last = min(start for _, start, _ in bars), max(end for *_, end in bars)
    whole = max((last - first).total_seconds(), 1e-6)
    lines = []
    for step, start, end in bars:
        left, width = (100 * (time - first).total_seconds() / whole for time in (start, first + (end - start)))
        told = _text(f"{_name(step)}: {stamp(start)}, {duration((end - start).total_seconds())}")
        lines.append(
            f'<div title="{told}" style="height:6px;margin:2px 0;margin-left:{left:.2f}%;'
            f"width:{max(width, 0.3):.2f}%;max-width:{100 - left:.2f}%;min-width:2px;"
            f'background:{_COLOURS.get(step.outcome, "#888888")}"></div>'
        )
    ends = f'<div style="display:flex;justify-content:space-between;{_FADED}">{_ends(first, last)}</div>'
    return f'<div style="max-width:48em;margin-top:6px">{"".join(lines)}{ends}</div>'


def _ends(first: datetime, last: datetime) -> str:
    return f"<span>{stamp(first)}</span><span>{stamp(last)}</span>"


def _span(step: StepRow, clock: Clock) -> tuple[datetime, datetime] | None:
    """When a step began and ended, or until when it runs; None for one of which that is not known."""
    start = in_utc(step.start_time)
    if start is None:
        return None
    if step.outcome == "running":
        return start, max(clock.now(), start)
    try:
        return start, start + timedelta(seconds=step.duration_seconds or 0)
    except OverflowError:
        return None
