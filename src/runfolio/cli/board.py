"""The board: what a run is doing, in lines of texts: `watch` draws them on a whole screen, `run` below its own lines.

It is made of looks at a live run. Nothing here knows of a terminal but how wide and high it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from msgspec import Struct, structs

from runfolio.cli.recordline import message_line
from runfolio.cli.show import change_lines, error_lines, step_line
from runfolio.cli.terminal import STATE_STYLES, Styled, Text, cells, plain
from runfolio.progress import Look, Progress, Running
from runfolio.records import Change, Event, Failure, Path, State
from runfolio.spelling import amount, counted, duration
from runfolio.steptable import StepRow

Line = Sequence[Text]

WIDEST_NAME = 48
_LONGEST_ERROR = 80
"""So much of an error is in the line of its step; all of it is told at the end."""

MINUTE = 60
_BAR = 20
_KEPT = 500
"""So many lines of each sort are kept: more than any terminal is high."""

_MOST_RUNNING, _MOST_OTHERS = 8, 5


# Lines


def ended_line(step: StepRow, width: int) -> Line:
    """A step that ended, its name as wide as all: outcome, duration, rows and how many came or went."""
    error = step.error and (step.error if len(step.error) <= _LONGEST_ERROR else f"{step.error[:_LONGEST_ERROR]}…")
    name, outcome, took, _, rows, change, *_ = step_line(structs.replace(step, error=error))
    told = "" if plain(rows) == "-" else f"  {plain(rows)} rows" + (f" ({plain(change)})" if change else "")
    return (padded(name, width), "  ", outcome, f"  {plain(took)}", told)


def running_line(step: Running, width: int) -> Line:
    """What runs: how long, how far by a bar if its total is known, how fast, and how long yet."""
    texts: list[Text] = [padded(step_name(step), width), "  ", Styled("running", STATE_STYLES["running"])]
    texts.append(f"  {duration(step.elapsed_seconds)}")
    if step.done is not None:
        if step.total:
            texts += ["  ", *bar(step.done / step.total)]
        texts.append(f"  {amount(step.done, step.total, step.unit)}")
    texts.append(left(step.seconds_left))
    if step.rate is not None:
        texts.append(Styled(f"  {step.rate:,.3g}{' ' + step.unit if step.unit else ''}/s", "dim"))
    return texts


def waiting_line(path: Path) -> Line:
    """A step that is to come."""
    return (Styled(f"{path[-1].module_name}[{path[-1].experiment_name}]", "dim"),)


def total_line(progress: Progress) -> Line:
    """How much of the run is done."""
    done = f"{progress.steps_done:,}"
    if progress.steps_total is None:
        told = f"{counted(progress.steps_done, 'step')} done"
    else:
        told = f"{done} of {counted(progress.steps_total, 'step')}"
    return (Styled(told, "dim"), left(progress.seconds_left))


def changed_lines(changes: list[Change]) -> list[Line]:
    """Changes of the schema, as `show` tells them."""
    found: list[Line] = []
    step: Text = ""
    for named, kind, part, told in change_lines(changes):
        step = named or step
        found.append((step, "  ", kind, f"  {plain(part)} " if plain(part) else "  ", told))
    return found


def left(seconds: float | None) -> Text:
    """How long it may take yet; nothing where there is nothing to go by."""
    if seconds is None:
        return ""
    about = f"{max(round(seconds), 1)}s" if seconds < MINUTE else duration(seconds)
    return Styled(f"  about {about} left", "cyan")


def bar(share: float) -> list[Text]:
    """A bar that is full by this share."""
    full = int(min(max(share, 0.0), 1.0) * _BAR)
    return [Styled("█" * full, "cyan"), Styled("░" * (_BAR - full), "dim")]


def name_width(names: Iterable[str]) -> int:
    """How wide a column of such names is."""
    return min(max((cells(plain(name)) for name in names), default=0), WIDEST_NAME)


def step_name(step: StepRow | Running) -> str:
    """What a step is called; what is timed inside one is indented below it."""
    return "  " * step.depth + step.step_name if step.depth else f"{step.module_name}[{step.experiment_name}]"


def padded(name: Text, width: int) -> str:
    """A name as wide as a column of names."""
    shown = plain(name)
    return shown + " " * (width - cells(shown))


# The board of one run


class Heading(Struct, frozen=True):
    """Which run it is, and how it stands."""

    run_id: str
    name: str | None
    state: State
    reason: str
    elapsed_seconds: float | None


class Board:
    """What was seen of one run so far, and how it is laid out on a screen."""

    def __init__(self) -> None:
        self._ended: deque[StepRow] = deque(maxlen=_KEPT)
        self._changes: deque[Change] = deque(maxlen=_KEPT)
        self._messages: deque[Event] = deque(maxlen=_KEPT)
        self._ended_count = 0
        self._progress = Progress(running=[], steps_done=0, steps_total=None, waiting=[], seconds_left=None)
        self._unfinished: list[Running] = []

    def take(self, look: Look) -> None:
        """Take what a look found."""
        self._ended.extend(look.ended)
        self._ended_count += len(look.ended)
        self._changes.extend(look.changes)
        self._messages.extend(look.messages)
        ended = {step.record_id for step in look.ended}
        if look.state == "in_progress":
            self._unfinished = look.progress.running
        self._unfinished = [step for step in self._unfinished if step.record_id not in ended]
        self._progress = look.progress

    def lines(self, heading: Heading, error: Failure | None, height: int | None) -> list[Line]:
        """The board for a screen of this height; None has room for all."""
        others = [
            *_section("Schema changes", changed_lines(list(self._changes)[-_MOST_OTHERS:])),
            *_section("Messages", [message_line(event) for event in list(self._messages)[-_MOST_OTHERS:]]),
            *(_section("", error_lines(error)) if error is not None else []),
        ]
        top = [*_heading(heading), (total_line(self._progress)), ()]
        if height is None:
            return [*top, *self._steps(heading.state, None), *others]
        room = max(height - len(top) - len(others), 4)
        return [*top, *self._steps(heading.state, room), *others][:height]

    def _steps(self, state: State, room: int | None) -> list[Line]:
        """The steps: the last that ended, all that runs, the next to come."""
        is_live = state == "in_progress"
        shown = (self._progress.running if is_live else self._unfinished)[:_MOST_RUNNING]
        width = name_width([*map(step_name, self._ended), *map(step_name, shown)])
        running = [(running_line if is_live else _unfinished_line)(step, width) for step in shown]
        waiting = [waiting_line(path) for path in self._progress.waiting[: room or _KEPT]]
        to_come = len(self._progress.waiting)
        ended = [ended_line(step, width) for step in self._ended]
        if room is None:
            room_of_ended, room_of_waiting = len(ended) + 1, len(waiting)
        else:
            free = max(room - len(running), 2)
            room_of_waiting = min(len(waiting), max(free // 3, 1))
            room_of_ended = free - room_of_waiting
        return [
            *_cut(ended, self._ended_count, room_of_ended, "before", keeps_last=True),
            *running,
            *_cut(waiting, to_come, room_of_waiting, "to come", keeps_last=False),
        ]


def _cut(lines: list[Line], count: int, room: int, what: str, *, keeps_last: bool) -> list[Line]:
    """As many of the lines as there is room for; where some of all are left out, a line says how many."""
    if count == len(lines) <= room:
        return lines
    kept = lines[max(len(lines) - room + 1, 0) :] if keeps_last else lines[: max(room - 1, 0)]
    more: Line = (Styled(f"… {counted(count - len(kept), 'step')} {what}", "dim"),)
    return [more, *kept] if keeps_last else [*kept, more]


def _unfinished_line(step: Running, width: int) -> Line:
    return (padded(step_name(step), width), "  ", Styled("unfinished", STATE_STYLES["unfinished"]))


def _heading(heading: Heading) -> list[Line]:
    state = Styled(heading.state, STATE_STYLES[heading.state])
    elapsed = "" if heading.elapsed_seconds is None else f", {duration(heading.elapsed_seconds)}"
    why = f": {heading.reason}" if heading.state == "interrupted" else ""
    name = f"  {heading.name}" if heading.name else ""
    return [(Styled(heading.run_id, "bold"), name), (state, f"{elapsed}{why}")]


def _section(title: str, lines: Sequence[Line]) -> list[Line]:
    if not lines:
        return []
    return [(), *([(Styled(title, "bold"),)] if title else []), *lines]
