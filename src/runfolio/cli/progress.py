"""How far a run is, while it runs: a line for each step that ended and, on a terminal, what is running below.

A thread looks at the run's records now and then, as it would at another process's.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from runfolio.cli.show import step_line
from runfolio.cli.steps import StepRow, steps_of
from runfolio.cli.terminal import PlainPage, Styled, Text, cells, plain
from runfolio.view import RunView

SECONDS = 0.1
"""The pause between two looks."""

_ENDED = ("completed", "failed")


@contextmanager
def shown(run: Callable[[], RunView]) -> Iterator[None]:
    """Show what a run does during the block. `run` gives it, for it may not be the same from the beginning on."""
    display = _display()
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(SECONDS):
            display.update(steps_of(run()))

    thread = threading.Thread(target=watch, name="runfolio-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        display.update(steps_of(run()))
        display.close()


class _Lines:
    """A line for each step once it ended, as wide as the longest name so far."""

    def __init__(self) -> None:
        self._printed: set[str | None] = set()
        self._width = 0

    def new(self, steps: list[StepRow]) -> Iterator[tuple[Text, ...]]:
        """The lines of those that ended since the last time."""
        top = [step for step in steps if not step.depth]
        self._width = max([self._width, *(len(f"{step.module_name}[{step.experiment_name}]") for step in top)])
        for step in top:
            if step.outcome in _ENDED and step.record_id not in self._printed:
                self._printed.add(step.record_id)
                yield self._line(step)

    def _line(self, step: StepRow) -> tuple[Text, ...]:
        name, outcome, took, _, rows, change = step_line(step)
        shown = plain(name)
        end = "" if plain(rows) == "-" else f"  {plain(rows)} rows" + (f" ({plain(change)})" if change else "")
        return (shown + " " * (self._width - cells(shown)), "  ", outcome, f"  {plain(took)}", end)


class _Plain:
    """In a pipe."""

    def __init__(self) -> None:
        self._lines = _Lines()
        self._page = PlainPage()

    def update(self, steps: list[StepRow]) -> None:
        for line in self._lines.new(steps):
            self._page.line(*line)
        sys.stdout.flush()

    def close(self) -> None:
        """Nothing is left to do."""


class _Live:
    """On a terminal."""

    def __init__(self, stream: TextIO) -> None:
        from rich.live import Live  # noqa: PLC0415  (see terminal.page)

        from runfolio.cli.colour import ColourPage  # noqa: PLC0415

        self._lines = _Lines()
        self._page = ColourPage(stream)
        self._live = Live(console=self._page.console, refresh_per_second=10, transient=True)
        self._live.start()

    def update(self, steps: list[StepRow]) -> None:
        for line in self._lines.new(steps):
            self._page.line(*line)
        self._live.update(self._page.text(*_below(steps)))

    def close(self) -> None:
        self._live.stop()


def _below(steps: list[StepRow]) -> list[Text]:
    """What is running, and how many steps there are."""
    top = [step for step in steps if not step.depth]
    ended = sum(step.outcome in _ENDED for step in top)
    texts: list[Text] = []
    for step in steps:
        if step.outcome == "running":
            name, outcome, took, *_ = step_line(step)
            texts += [name, "  ", outcome, f"  {plain(took)}\n"]
    return [*texts, Styled(f"{ended} of {len(top)} steps", "dim")]


def _display() -> _Plain | _Live:
    return _Live(sys.stdout) if sys.stdout is not None and sys.stdout.isatty() else _Plain()
