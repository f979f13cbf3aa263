"""The board of all runs that go on under a root, a line each, with those that ended while it was looked at."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Self

from runfolio import manifest
from runfolio.arrivals import Arrivals
from runfolio.catalog import one_line
from runfolio.cli.board import Line, bar, left, name_width, padded, step_name
from runfolio.cli.terminal import DAMAGE_STYLE, STATE_STYLES, UNREADABLE, Styled, Text
from runfolio.errors import RunfolioError
from runfolio.progress import Live, Look
from runfolio.spelling import counted, duration

_ENDED_SHOWN = 10
_LONGEST_ERROR = 120


class RootBoard:
    """The runs under a root. It is to be closed, and can be used in a `with` statement."""

    def __init__(self, root: Path, *, poll: bool = False) -> None:
        self._root = root
        self._poll = poll
        self._arrivals = Arrivals(root)
        self._lives: dict[str, Live] = {}
        self._lines: dict[str, Line] = {}
        self._ended: deque[tuple[str, Line]] = deque(maxlen=_ENDED_SHOWN)
        self._told: dict[str, tuple[object, ...]] = {}

    def look(self) -> list[Line]:
        """Look for runs that are new, and at those that go on. Raises NotFoundError if the root is a file.

        Returns a line for each run that is new, went on to another step, or ended.
        """
        for name in self._arrivals.new():
            if not manifest.is_over(self._root / name):
                self._lives[name] = Live(self._root / name, poll=self._poll)
        return [line for name, live in list(self._lives.items()) for line in self._look_at(name, live)]

    def _look_at(self, name: str, live: Live) -> list[Line]:
        try:
            look = live.look()
        except RunfolioError as error:
            self._leave(name)
            if not (self._root / name).is_dir():  # it was removed
                return []
            self._ended.append((name, _unreadable(error)))
            return [(name, *self._ended[-1][1])]
        self._lines[name] = _told_of(live, look)
        told = look.state, look.progress.steps_done, _steps_running(look)
        is_news = self._told.get(name) != told
        self._told[name] = told
        line: Line = (name, *self._lines[name])
        if live.feed.is_over:
            self._ended.append((name, self._lines[name]))
            self._leave(name)
        return [line] if is_news else []

    def lines(self, height: int) -> list[Line]:
        """The board for a screen of this height, as of the last look."""
        shown = [*self._lines.items(), *reversed(self._ended)]
        width = name_width(name for name, _ in shown)
        count = f"{counted(len(self._lives), 'run')} in progress"
        top: list[Line] = [(Styled(count, "bold"), f"  {self._root}"), ()]  # a long path is cut, the count is not
        return [*top, *((padded(name, width), *line) for name, line in shown)][:height]

    def close(self) -> None:
        """Give watches and descriptors back."""
        for name in list(self._lives):
            self._leave(name)

    def _leave(self, name: str) -> None:
        self._lives.pop(name).close()
        self._lines.pop(name, None)
        self._told.pop(name, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _told_of(live: Live, look: Look) -> Line:
    """What there is to say of a run behind its name."""
    progress, error = look.progress, live.feed.error
    texts: list[Text] = ["  ", Styled(look.state, STATE_STYLES[look.state]), f"  {duration(live.elapsed_seconds)}"]
    if progress.steps_total:
        texts += ["  ", *bar(progress.steps_done / progress.steps_total)]
        texts.append(f"  {progress.steps_done:,} of {counted(progress.steps_total, 'step')}")
    else:
        texts.append(f"  {counted(progress.steps_done, 'step')} done")
    if look.state == "in_progress":
        texts += [f"  {_steps_running(look)}", _share_of(look), left(progress.seconds_left)]
    elif error is not None:
        texts.append(Styled(f"  {one_line(error)[:_LONGEST_ERROR]}", STATE_STYLES["failed"]))
    return texts


def _unreadable(error: RunfolioError) -> Line:
    return ("  ", Styled(UNREADABLE, STATE_STYLES[UNREADABLE]), "  ", Styled(error.what, DAMAGE_STYLE))


def _steps_running(look: Look) -> str:
    names = [step_name(step) for step in look.progress.running if not step.depth]
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{names[0]}{more}" if names else ""


def _share_of(look: Look) -> str:
    """How far the one step is that runs, if it says so."""
    steps = [step for step in look.progress.running if not step.depth]
    if len(steps) != 1 or steps[0].done is None or not steps[0].total:
        return ""
    return f" {min(max(steps[0].done / steps[0].total, 0), 1):.0%}"
