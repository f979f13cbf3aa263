"""A run as HTML for notebooks: how it stands, its steps, and when each of them ran.

It is one fragment that needs nothing else: no script, no style sheet, nothing from elsewhere. Colours are read on light
and on dark alike, and nothing is told by colour alone. Whatever a run folder holds may be a stranger's: every text is
cut, neutralised and escaped, and there is a limit to how many steps are shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from html import escape

from msgspec import Struct

from runfolio.catalog import last_time, one_line
from runfolio.clock import SYSTEM, Clock, in_utc
from runfolio.escapes import neutral
from runfolio.spelling import amount, counted, duration, number, stamp
from runfolio.steptable import StepRow, steps_of
from runfolio.view import RunView

MOST_STEPS = 50
"""So many steps are shown in the table, and so many in the timeline."""

MOST_LETTERS = 200
"""So many characters of one text are shown."""

_GREEN, _RED, _BLUE, _YELLOW, _GREY = "#218a45", "#d73a49", "#0f7fb5", "#a07000", "#767676"
"""Of a contrast of more than 4 to 1 with white and with the black of dark notebooks."""

_COLOURS = {
    "completed": _GREEN,
    "failed": _RED,
    "in_progress": _BLUE,
    "running": _BLUE,
    "interrupted": _YELLOW,
    "unfinished": _YELLOW,
}

# Jupyter takes text between two dollar signs for a formula, except in elements of these classes.
_NO_FORMULAS = "tex2jax_ignore mathjax_ignore"

_DEEPEST = 8
_NUMBERS = ("took", "rows in", "rows out", "nulls")
_TITLES = ("step", "outcome", *_NUMBERS)
_CELL = "text-align:left;vertical-align:top;padding:.15em .6em;overflow-wrap:anywhere"
_NUMBER = "text-align:right;vertical-align:top;padding:.15em .6em;white-space:nowrap"
_TABLE = "border-collapse:collapse;margin:0 0 .8em"
_CAPTION = "caption-side:top;text-align:left;font-weight:bold;color:inherit;padding:.15em .6em"
_MARK = "display:inline-block;width:.6em;height:.6em;margin-right:.4em"
_TRACK = "position:relative;height:1em;min-width:20em"
_GROUND = "position:absolute;top:0;bottom:0;left:0;right:0;background:currentColor;opacity:.1"


class _Span(Struct, frozen=True):
    """The time that a run took so far: from its start until its end, until now, or until its last record."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        """How long that is."""
        return max(_seconds(self.start, self.end), 0.0)


def summary_of(run: RunView, *, clock: Clock = SYSTEM) -> str:
    """A run as one fragment of HTML: a summary, a table of its steps, and a timeline with a bar for each.

    What goes on is told as of now by `clock`, and in a view as of a snapshot as of then. Raises FormatError where the
    folder of a live run can't be read.

    >>> from runfolio import Status
    >>> with Status(name="nightly", root=root) as status:
    ...     status.record_timing("Loader", "csv", "read", 0, 1).outcome
    'completed'
    >>> found = summary_of(status)
    >>> found.count("<table"), "Loader[csv]" in found, "<script" in found
    (3, True, False)
    """
    steps = steps_of(run)
    span = _span(run, clock)  # behind the steps: what another thread begins just now is not to begin after the span
    tables = (_summary(run, span), _steps(steps, span), _timeline(steps, span))
    return _element("div", _heading(run), *tables, classes=_NO_FORMULAS)


def plain(text: str) -> str:
    """A text of one line, such as the `repr` of a run that can't be read, as HTML that shows just that."""
    return _element("pre", _shown(text))


# Elements


def _element(tag: str, *inside: str, classes: str = "", **attributes: str) -> str:
    """An element around HTML; its attributes are escaped here."""
    named = {"class": classes} if classes else {}
    told = "".join(f' {name.replace("_", "-")}="{escape(value)}"' for name, value in (named | attributes).items())
    return f"<{tag}{told}>{''.join(inside)}</{tag}>"


def _shown(text: str) -> str:
    return escape(_cut(text))


def _cut(text: str) -> str:
    """The text neutralised, and cut before that, for spelling out the rest would be in vain, as well as behind it."""
    found = neutral(text[: MOST_LETTERS + 1])
    return found if len(found) <= MOST_LETTERS else f"{found[: MOST_LETTERS - 1]}…"


def _title(title: str) -> str:
    return _element("th", title, scope="col", style=_NUMBER if title in _NUMBERS else _CELL)


def _table(caption: str, titles: Sequence[str], lines: Sequence[str], left_out: int) -> str:
    """A table with a line that says how many more there are, where there are any; nothing where there are no lines."""
    if not lines:
        return ""
    more = f"and {number(left_out)} more"
    last = _element("td", more, colspan=str(len(titles)), style=_CELL)
    body = [*lines, _element("tr", last)] if left_out > 0 else lines
    return _element(
        "table",
        _element("caption", caption, style=_CAPTION),
        _element("thead", _element("tr", *map(_title, titles))),
        _element("tbody", *body),
        style=_TABLE,
    )


def _mark(outcome: str) -> str:
    """A small square in the colour of an outcome; who can't see it reads the word beside it."""
    return _element("span", style=f"{_MARK};background:{_colour(outcome)}", aria_hidden="true")


def _colour(outcome: str) -> str:
    return _COLOURS.get(outcome, _GREY)


# The run


def _heading(run: RunView) -> str:
    state = run.state
    name = run.run_id or ("a run without a folder yet" if run.folder is None else run.folder.name)
    told = _element("span", state, style=f"color:{_colour(state)}")
    # Large enough, in bold, for the contrast that the colours have.
    style = "font-size:1.35em;font-weight:bold;margin:0 0 .4em"
    return _element("h4", _element("bdi", _shown(name)), " ", told, style=style)


def _summary(run: RunView, span: _Span | None) -> str:
    ended = run.state in ("completed", "failed")
    took = run.duration_seconds if ended or span is None else span.seconds
    error, damage, provenance = run.error, len(run.damage), run.provenance
    told = {
        "why": "" if ended else run.state_reason,
        "name": run.name,
        "tags": ", ".join(tag[:MOST_LETTERS] for tag in run.tags[:MOST_LETTERS]),
        "started": stamp(run.start_time),
        "took": duration(took),
        "folder": None if run.folder is None else str(run.folder),
        "commit": None if provenance is None or provenance.git is None else str(provenance.git),
        "error": None if error is None else one_line(error),
        "damage": counted(damage, "finding") if damage else None,
    }
    lines = (
        _element("tr", _element("th", label, scope="row", style=_CELL), _element("td", _shown(text), style=_CELL))
        for label, text in told.items()
        if text
    )
    return _element("table", _element("tbody", *lines), style=_TABLE)


def _span(run: RunView, clock: Clock) -> _Span | None:
    """The time of the run; None where it did not begin."""
    start, end = run.start_time, run.end_time
    if start is None:
        return None
    if end is None and run.state == "in_progress" and run._cut is None:
        end = clock.now()
    return _Span(start, end or last_time(run) or start)


def _seconds(start: datetime, end: datetime) -> float:
    return (end - start).total_seconds()


# Steps


def _steps(steps: Sequence[StepRow], span: _Span | None) -> str:
    lines = [_step_line(step, span) for step in steps[:MOST_STEPS]]
    return _table("Steps", _TITLES, lines, len(steps) - len(lines))


def _step_line(step: StepRow, span: _Span | None) -> str:
    indent = f";padding-left:{0.6 + 1.2 * min(step.depth, _DEEPEST):.1f}em"
    numbers = (
        duration(_took(step, span)),
        number(step.rows_before),
        number(step.rows_after),
        number(step.nulls_after),
    )
    return _element(
        "tr",
        _element("th", _shown(_name(step)), scope="row", style=f"{_CELL};font-weight:normal{indent}"),
        _element("td", _mark(step.outcome), _shown(_outcome(step)), _error(step), style=_CELL),
        *(_element("td", text, style=_NUMBER) for text in numbers),
    )


def _name(step: StepRow) -> str:
    """A step's module and experiment, or how that is called which was timed inside it; cut, for they may be long."""
    if step.depth:
        return step.step_name
    return f"{step.module_name[:MOST_LETTERS]}[{step.experiment_name[:MOST_LETTERS]}]"


def _outcome(step: StepRow) -> str:
    if step.done is None:
        return step.outcome
    return f"{step.outcome}, {amount(step.done, step.total, step.unit)}"


def _error(step: StepRow) -> str:
    return _element("div", _shown(step.error)) if step.error else ""


def _took(step: StepRow, span: _Span | None) -> float | None:
    """How long a step took, or takes so far; None where that is not known."""
    if step.outcome != "running" or step.start_time is None or span is None:
        return step.duration_seconds
    return max(_seconds(step.start_time, span.end), 0.0)


# When they ran


def _timeline(steps: Sequence[StepRow], span: _Span | None) -> str:
    """A bar for each step that began."""
    if span is None:
        return ""
    begun = [(step, step.start_time) for step in steps if not step.depth and step.start_time is not None]
    lines = [_bar_line(step, start, span) for step, start in begun[:MOST_STEPS]]
    return _table("Timeline", ("step", "when, from the start of the run"), lines, len(begun) - len(lines))


def _bar_line(step: StepRow, start: datetime, span: _Span) -> str:
    return _element(
        "tr",
        _element("th", _shown(_name(step)), scope="row", style=f"{_CELL};font-weight:normal"),
        _element("td", _element("div", *_bar(step, start, span), style=_TRACK), style=_CELL),
    )


def _bar(step: StepRow, start: datetime, span: _Span) -> Iterator[str]:
    """The bar of a step on the ground of the whole run; no bar where it ran at another time, which timings can say."""
    yield _element("div", style=_GROUND)
    took = _took(step, span)
    place = _place(_seconds(span.start, start), took or 0.0, span.seconds)
    if place is None:
        yield "not in the time of the run"
        return
    left, width = place
    told = f"{_cut(_name(step))}: {stamp(in_utc(start))}, {_cut(step.outcome)}, took {duration(took)}"
    # What took no time to speak of, or it is not known how much, is still to be seen.
    drawn = f"position:absolute;top:0;bottom:0;left:{left:.2f}%;width:{width:.2f}%;min-width:2px"
    style = f"{drawn};background:{_colour(step.outcome)}"
    yield _element("div", style=style, role="img", title=told, aria_label=told)


def _place(begin: float, took: float, whole: float) -> tuple[float, float] | None:
    """Where a bar begins and how wide it is, in percent of the whole; None where it is not within it.

    >>> _place(1.0, 2.0, 4.0), _place(3.0, 9.0, 4.0), _place(9.0, 1.0, 4.0)
    ((25.0, 50.0), (75.0, 25.0), None)
    """
    first, last = max(begin, 0.0), min(begin + max(took, 0.0), whole)
    if first > last:
        return None
    return (100 * first / whole, 100 * (last - first) / whole) if whole else (0.0, 0.0)
