"""`runfolio watch`: what a run, or all that go on under a root, is doing now."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import json, structs

from runfolio import layout
from runfolio import root as roots
from runfolio.cli.board import Board, Heading, Line, changed_lines, ended_line, name_width, step_name
from runfolio.cli.options import EXIT_CODES, poll_option, root_option, tell_damage
from runfolio.cli.recordline import message_line
from runfolio.cli.rootboard import RootBoard
from runfolio.cli.show import error_lines
from runfolio.cli.terminal import STATE_STYLES, Page, Styled, echo_line, page
from runfolio.errors import FormatError, NotFoundError
from runfolio.progress import Live, Look
from runfolio.spelling import counted, duration

if TYPE_CHECKING:
    from runfolio.cli.colour import ColourPage

SECONDS = 0.25
"""The pause between two looks."""

HINT = "q leaves; the run goes on"


@click.command("watch", epilog=EXIT_CODES)
@click.argument("run", required=False)
@root_option
@poll_option
@click.option(
    "--json", "as_json", is_flag=True, help="Print a line of JSON each time that something of the run changed."
)
def command(run: str | None, root: str | None, *, poll: bool, as_json: bool) -> None:
    """Watch a run until it ends: its steps, how far they are and how long they may take, changes, messages, errors.

    Without RUN, or with a folder of runs in its place, all runs that go on there are watched, a line each, until q is
    pressed. q or Ctrl-C leaves, and the runs go on. Where the output is no terminal, or one that can't move its cursor,
    each thing that happens is a line. With --json, which takes a run, each line has the state, the progress, and the
    steps that ended, changes and messages that came since the line before.

    RUN is a run's id, the beginning of one that no other id has, `latest`, or the path of a run folder (with a slash in
    it).

    \b
    Examples:
      runfolio watch
      runfolio watch latest
      runfolio watch server2/runs
      runfolio watch latest | tee progress.txt
      runfolio watch --json latest | jq -c .progress
    """  # noqa: D301  (\b is click's: it keeps the lines that follow)
    folder, is_run = _meant(run, root)
    if as_json:
        if not is_run:
            raise click.UsageError("--json watches one run: name it, or `latest`")
        with Live(folder, poll=poll) as live:
            _tell_json(live)
        return
    on = page()
    screen = _screen_of(on)
    if is_run:
        with Live(folder, poll=poll) as live:
            if screen is None:
                _tell_run(on, live)
            else:
                _show_run(screen, live)
        return
    with RootBoard(folder, poll=poll) as board:
        if screen is None:
            _tell_root(on, board)
        else:
            _show_root(screen, board)


def _meant(run: str | None, root: str | None) -> tuple[Path, bool]:
    """The folder to watch, and whether it is a run's."""
    if run is None:
        return layout.root_of(root), False
    with suppress(NotFoundError, FormatError):
        found = roots.find(run, root)
        if roots.is_run(str(found)):
            return found, True
    if os.path.isdir(run):  # noqa: PTH112
        return Path(run), False
    return roots.find(run, root), True


def _screen_of(on: Page) -> ColourPage | None:
    """The page if a board can be drawn on it."""
    if not on.live:
        return None
    from runfolio.cli.colour import ColourPage  # noqa: PLC0415  (see terminal.page)

    return on if isinstance(on, ColourPage) and not on.console.is_dumb_terminal else None


# On a screen


def _show_run(on: ColourPage, live: Live) -> None:
    board = Board()
    with _drawn(on) as draw, _keys() as is_left:
        while True:
            look = live.look()
            board.take(look)
            lines = board.lines(_heading(live, look), live.feed.error, on.console.height - 1)
            draw([*lines, (Styled(HINT, "dim"),)] if not live.feed.is_over else lines)
            if live.feed.is_over or is_left(SECONDS):
                break
    for line in board.lines(_heading(live, look), live.feed.error, None):
        on.line(*line)
    tell_damage(live.feed)
    if not live.feed.is_over:
        on.line(Styled("left; the run goes on", "dim"))


def _show_root(on: ColourPage, board: RootBoard) -> None:
    with _drawn(on) as draw, _keys() as is_left:
        while True:
            board.look()
            draw([*board.lines(on.console.height - 1), (Styled("q leaves; the runs go on", "dim"),)])
            if is_left(SECONDS):
                return


@contextmanager
def _drawn(on: ColourPage) -> Iterator[Callable[[Sequence[Line]], None]]:
    """The whole screen for as long as the block lasts, and what draws lines on it; what was there comes back."""
    from rich.console import Group  # noqa: PLC0415  (see terminal.page)
    from rich.live import Live as Screen  # noqa: PLC0415

    def draw(lines: Sequence[Line]) -> None:
        texts = [on.text(*line) for line in lines[: on.console.height]]
        for text in texts:
            text.no_wrap, text.overflow = True, "ellipsis"
        screen.update(Group(*texts), refresh=True)

    def leave(number: int, frame: object) -> None:
        sys.exit(128 + number)

    with ExitStack() as stack:
        for number in (signal.SIGTERM, signal.SIGHUP):  # whose usual end would leave the terminal as it is now
            stack.callback(signal.signal, number, signal.signal(number, leave))
        screen = stack.enter_context(Screen(console=on.console, screen=True, auto_refresh=False, redirect_stdout=False))
        yield draw


@contextmanager
def _keys() -> Iterator[Callable[[float], bool]]:
    """What waits so many seconds and tells whether q was pressed meanwhile. Keys come without Return, and unseen."""
    with ExitStack() as stack:
        fd = None
        with suppress(OSError, ValueError, AttributeError, ImportError):
            import termios  # noqa: PLC0415  (not on every system)
            import tty  # noqa: PLC0415

            if sys.stdin.isatty():
                fd = sys.stdin.fileno()
                stack.callback(termios.tcsetattr, fd, termios.TCSADRAIN, termios.tcgetattr(fd))
                tty.setcbreak(fd, termios.TCSADRAIN)

        def is_left(seconds: float) -> bool:
            watched = [] if fd is None else [fd]
            ready, _, _ = select.select(watched, [], [], seconds)
            typed = os.read(ready[0], 64) if ready else None
            return typed is not None and (not typed or b"q" in typed.lower())

        yield is_left


def _heading(live: Live, look: Look) -> Heading:
    feed = live.feed
    return Heading(feed.run_id or feed.folder.name, feed.name, look.state, feed.state_reason, live.elapsed_seconds)


# Line by line


def _tell_run(on: Page, live: Live) -> None:
    """Print what happens as it does."""
    is_begun, width = False, 0
    running: set[str | None] = set()
    with _keys() as is_left:
        while True:
            look = live.look()
            if not is_begun and live.feed.run_id is not None:
                is_begun = True
                on.line(Styled(live.feed.run_id, "bold"), f"  {live.feed.name}" if live.feed.name else "")
            width = max(width, name_width(map(step_name, look.ended)))
            for line in _happened(look, width):
                on.line(*line)
            for step in look.progress.running:
                if step.record_id not in running and not step.depth:
                    running.add(step.record_id)
                    on.line(step_name(step), "  ", Styled("began", STATE_STYLES["running"]))
            _flush()
            if live.feed.is_over or is_left(SECONDS):
                break
    heading = _heading(live, look)
    done = counted(look.progress.steps_done, "step")
    took = "" if heading.elapsed_seconds is None else f" in {duration(heading.elapsed_seconds)}"
    why = f": {heading.reason}" if heading.state == "interrupted" else ""
    for line in error_lines(live.feed.error) if live.feed.error is not None else []:
        on.line(*line)
    tell_damage(live.feed)
    on.line(Styled(heading.state, STATE_STYLES[heading.state]), f"{took}, {done} done{why}")


def _tell_json(live: Live) -> None:
    """Print a line for each look that found something."""
    told: tuple[object, ...] = ()
    with _keys() as is_left:
        while True:
            look = live.look()
            running = tuple((step.record_id, step.done) for step in look.progress.running)
            now = look.state, look.progress.steps_done, running
            if now != told or look.ended or look.changes or look.messages:
                told = now
                found = {"run_id": live.feed.run_id, "seconds": live.elapsed_seconds, **structs.asdict(look)}
                echo_line(json.encode(found) + b"\n")
                _flush()
            if live.feed.is_over or is_left(SECONDS):
                break
    tell_damage(live.feed)


def _happened(look: Look, width: int) -> list[Line]:
    return [
        *(ended_line(step, width) for step in look.ended),
        *changed_lines(look.changes),
        *map(message_line, look.messages),
    ]


def _tell_root(on: Page, board: RootBoard) -> None:
    """Print what happens to the runs under a root as it does."""
    with _keys() as is_left:
        while True:
            for line in board.look():
                on.line(*line)
            _flush()
            if is_left(SECONDS):
                return


def _flush() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()
